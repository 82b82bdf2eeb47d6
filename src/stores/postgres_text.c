#include "postgres_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* Behind the closing quote; a doubled one does not close. */
static const char *skip_quotes(const char *at, bool escapes)
{
	char quote = *at++;

	for (; *at; at++) {
		bool escaped = escapes && *at == '\\' && at[1];
		bool doubled = *at == quote && at[1] == quote;

		if (escaped || doubled)
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return at;
}

/* They nest. */
static const char *skip_comment(const char *at)
{
	int depth = 0;

	do {
		if (at[0] == '/' && at[1] == '*') {
			depth++;
			at += 2;
		} else if (at[0] == '*' && at[1] == '/') {
			depth--;
			at += 2;
		} else {
			at++;
		}
	} while (depth && *at);
	return at;
}

/* $tag$ ... $tag$; what only looks like it begins with a dollar that stands for itself. */
static const char *skip_dollars(const char *at)
{
	const char *end = at + 1, *close;
	size_t size;

	if (isdigit((unsigned char)*end))
		return at + 1;
	while (is_name(*end))
		end++;
	if (*end != '$')
		return at + 1;
	size = (size_t)(end - at) + 1;
	for (close = end + 1; *close; close++)
		if (*close == '$' && strncmp(close, at, size) == 0)
			return close + size;
	return close;
}

static bool is_escaping(const char *sql, const char *at)
{
	return at > sql && (at[-1] == 'E' || at[-1] == 'e') && (at - 1 == sql || !is_name(at[-2]));
}

/* Behind what is not to be looked into; where it was, if that is nothing such. */
static const char *skip(const char *sql, const char *at)
{
	if (*at == '\'')
		return skip_quotes(at, is_escaping(sql, at));
	if (*at == '"')
		return skip_quotes(at, false);
	if (at[0] == '-' && at[1] == '-')
		return at + strcspn(at, "\n");
	if (at[0] == '/' && at[1] == '*')
		return skip_comment(at);
	if (*at == '$' && (at == sql || !is_name(at[-1])))
		return skip_dollars(at);
	return at;
}

/* Whether nothing follows but space, comments and `;`. */
static bool is_blank(const char *sql)
{
	const char *at = sql + strspn(sql, " \t\r\n\f\v;");

	while (*at) {
		const char *behind = *at == '-' || *at == '/' ? skip(at, at) : at;

		if (behind == at)
			return false;
		at = behind + strspn(behind, " \t\r\n\f\v;");
	}
	return true;
}

static size_t room_for(const char *sql)
{
	size_t room = 1;

	for (; *sql; sql++)
		room += *sql == '?' ? 12 : 1;
	return room;
}

bool saga__pg_translate(const char *sql, struct saga__pg_text *ret_text)
{
	struct saga__pg_text text = { .sql = malloc(room_for(sql)) };
	char *to = text.sql;

	if (!to)
		return false;
	for (const char *at = sql; *at;) {
		const char *behind = skip(sql, at);

		if (behind > at) {
			memcpy(to, at, (size_t)(behind - at));
			to += behind - at;
			at = behind;
			continue;
		}
		if (*at == '?' && at[1] == '?')
			at++;
		else if (*at == '?') {
			to += sprintf(to, "$%zu", ++text.value_count);
			at++;
			continue;
		} else if (*at == ';' && !is_blank(at)) {
			text.is_script = true;
		}
		*to++ = *at++;
	}
	*to = '\0';
	*ret_text = text;
	return true;
}

/* Also within a text or a name: then it is only not guarded. */
static bool has_word(const char *sql, const char *word)
{
	size_t length = strlen(word);

	for (; *sql; sql++)
		if (strncasecmp(sql, word, length) == 0)
			return true;
	return false;
}

static bool begins_with(const char *sql, const char *word)
{
	return strncasecmp(sql, word, strlen(word)) == 0 &&
		isspace((unsigned char)sql[strlen(word)]);
}

static bool finds(const char *sql)
{
	return begins_with(sql, "SELECT");
}

static bool changes(const char *sql)
{
	return (begins_with(sql, "UPDATE") || begins_with(sql, "INSERT") ||
		       begins_with(sql, "DELETE")) &&
		!has_word(sql, "RETURNING");
}

bool saga__pg_can_guard(const char *sql)
{
	return finds(sql) || changes(sql);
}

/*
 * SQL has no words to fail with. The text depends on the rows, so that no planner can make a
 * constant of the cast, and fail before there are any.
 */
#define LOOK \
	"SELECT CASE WHEN count(*) > 0 THEN 1 ELSE" \
	" CAST('" SAGA__PG_UNMET "' || CAST(count(*) AS text) AS integer) END FROM "

char *saga__pg_guard(const char *sql)
{
	static const char find[] = LOOK "(", found[] = "\n) saga_guard";
	static const char change[] = "WITH saga_guard AS (",
			  changed[] = "\n RETURNING 1) " LOOK "saga_guard";
	char *guard = malloc(strlen(sql) + sizeof find + sizeof change + sizeof changed);

	if (guard && finds(sql))
		stpcpy(stpcpy(stpcpy(guard, find), sql), found);
	else if (guard)
		stpcpy(stpcpy(stpcpy(guard, change), sql), changed);
	return guard;
}
