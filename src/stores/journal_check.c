/* Checks the rows of the library's tables: another program may have written there. */

#include <limits.h>
#include <string.h>

#include "journal_sql.h"

/*
 * The highest number of our own streams: far below INT64_MAX, so that no batch can count beyond it,
 * and small enough for a transport's token. A million events a second take a thousand years.
 */
#define SEQ_MOST (INT64_C(1) << 55)

static bool is_id(const saga_value *value)
{
	return value->kind == SAGA_VALUE_ID ||
		(value->kind == SAGA_VALUE_BYTES && value->as.bytes.size == sizeof(saga_id));
}

static bool is_text(const saga_value *value)
{
	return value->kind == SAGA_VALUE_TEXT &&
		(!value->as.bytes.size || !memchr(value->as.bytes.at, 0, value->as.bytes.size));
}

static bool is_number(const saga_value *value, int64_t least, int64_t most)
{
	return value->kind == SAGA_VALUE_INT64 && value->as.int64 >= least &&
		value->as.int64 <= most;
}

static bool suits(char kind, const saga_value *value)
{
	switch (kind) {
	case 'n':
		return is_number(value, INT64_MIN, INT64_MAX);
	case 's':
		return is_number(value, 0, INT64_MAX);
	case 'q':
		return is_number(value, 0, SEQ_MOST);
	case 'c':
		return is_number(value, 0, INT_MAX);
	case 'i':
		return is_id(value);
	case 't':
		return is_text(value);
	case 'b':
		return value->kind == SAGA_VALUE_BYTES;
	default:
		return false;
	}
}

static const char *name_of(char kind)
{
	switch (kind) {
	case 'n':
		return "number";
	case 's':
	case 'c':
		return "number from 0 on";
	case 'q':
		return "sequence number";
	case 'i':
		return "id";
	case 't':
		return "text";
	default:
		return "bytes";
	}
}

int saga__journal_check(const char *table, const char *kinds, const char *const *names,
	const saga_value *columns, size_t column_count, saga_error *error)
{
	for (size_t i = 0; i < column_count && kinds[i]; i++) {
		bool may_lack = kinds[i] >= 'A' && kinds[i] <= 'Z';
		char kind = (char)(may_lack ? kinds[i] - 'A' + 'a' : kinds[i]);

		if ((may_lack && columns[i].kind == SAGA_VALUE_NULL) || suits(kind, &columns[i]))
			continue;
		return saga_error_set(error, SAGA_REFUSED,
			"%s: a row's %s is no %s: somebody else wrote there", table, names[i],
			name_of(kind));
	}
	return SAGA_OK;
}

int saga__journal_odd(const char *table, const char *what, saga_error *error)
{
	return saga_error_set(
		error, SAGA_REFUSED, "%s: a row's %s: somebody else wrote there", table, what);
}
