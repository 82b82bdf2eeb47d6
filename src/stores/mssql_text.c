#include "mssql_text.h"

#include "../event/utf8.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t until(const char *sql, char end)
{
	const char *at = strchr(sql + 1, end);

	return at ? (size_t)(at + 1 - sql) : strlen(sql);
}

/* Comments nest. */
static size_t comment(const char *sql)
{
	const char *at = sql + 2;

	for (int depth = 1; *at && depth > 0; at++) {
		if (at[0] == '/' && at[1] == '*') {
			depth++;
			at++;
		} else if (at[0] == '*' && at[1] == '/') {
			depth--;
			at++;
		}
	}
	return (size_t)(at - sql);
}

/* Whether a comment begins here. */
static bool is_comment(const char *sql)
{
	return (sql[0] == '-' && sql[1] == '-') || (sql[0] == '/' && sql[1] == '*');
}

size_t saga__mssql_opaque(const char *sql)
{
	switch (*sql) {
	case '\'':
	case '"':
		return until(sql, *sql);
	case '[':
		return until(sql, ']');
	case '-':
		return is_comment(sql) ? strcspn(sql, "\n") : 0;
	case '/':
		return is_comment(sql) ? comment(sql) : 0;
	default:
		return 0;
	}
}

static size_t blank(const char *sql)
{
	return is_comment(sql) ? saga__mssql_opaque(sql) : strspn(sql, " \t\r\n\f");
}

struct saga__mssql_shape saga__mssql_shape_of(const char *sql)
{
	struct saga__mssql_shape shape = { 0 };
	bool begun = false;

	while (*sql) {
		size_t skip = blank(sql);

		if (!skip && *sql != ';') {
			if (!begun && ++shape.statements == 1)
				shape.reads = strncasecmp(sql, "SELECT", 6) == 0;
			begun = true;
			shape.values += *sql == '?';
			skip = saga__mssql_opaque(sql);
		} else if (!skip) {
			begun = false;
		}
		sql += skip ? skip : 1;
	}
	return shape;
}

bool saga__mssql_is_text(const char *sql)
{
	return saga__utf8_text(sql, strlen(sql));
}

bool saga__mssql_is_guarded(const saga_bytes *text)
{
	const uint8_t *at = text->at;

	return text->size > 0 &&
		(at[text->size - 1] == ' ' || at[text->size - 1] == SAGA__MSSQL_GUARD);
}

size_t saga__mssql_unguarded(const void *at, size_t size)
{
	const uint8_t *bytes = at;

	return size > 0 && bytes[size - 1] == SAGA__MSSQL_GUARD ? size - 1 : size;
}
