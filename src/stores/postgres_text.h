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

/* Whether the server can be told to fail the statement itself if it changes or finds no row. */
bool saga__pg_can_guard(const char *sql);

/*
 * Its text, translated, for that. It fails as SAGA__PG_UNMET_STATE, invalid_text_representation, by
 * a text that is no number; the server's message, and so its log, quotes that. NULL: no memory.
 */
#define SAGA__PG_UNMET_STATE "22P02"
#define SAGA__PG_UNMET "libsaga: a guard was not met, its batch is rolled back and replayed; rows: "
char *saga__pg_guard(const char *sql);

#endif
