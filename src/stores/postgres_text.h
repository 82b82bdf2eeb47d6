#ifndef SAGA_STORES_POSTGRES_TEXT_H
#define SAGA_STORES_POSTGRES_TEXT_H

/*
 * A statement's text as PostgreSQL reads it: `?` becomes $1, $2, ...; `??` becomes `?`, for the
 * operators that are spelled with one (`body ?? 'key'`). In quotes, dollar quotes and comments all
 * stays as it is.
 */

#include <stdbool.h>
#include <stddef.h>

struct saga__pg_text {
	char *sql; /* the caller frees it */
	size_t value_count;
	bool is_script; /* several statements */
};

/* False: out of memory. */
bool saga__pg_translate(const char *sql, struct saga__pg_text *ret_text);

/* Whether the server can be made to fail the statement if it changes no row, or finds none. */
bool saga__pg_can_guard(const char *sql);

/* Its translated text for that: it fails as SAGA__PG_UNMET, dividing by zero. NULL: no memory. */
#define SAGA__PG_UNMET "22012"
char *saga__pg_guard(const char *sql);

#endif
