#ifndef SAGA_STORES_POSTGRES_VALUES_H
#define SAGA_STORES_POSTGRES_VALUES_H

/*
 * Values as PostgreSQL takes and gives them.
 *
 * An integer is sent as a bigint. Of all others the server finds the type by where they stand: an
 * id suits uuid and bytea, a truth boolean and integers, a text whatever can be read from text.
 * A set is sent as an array, of which the text says the type: `?::uuid[]`.
 * Rows come in binary: integers, numeric without a fraction, boolean, text what is sent as text,
 * bytea, uuid. A column of another type is refused, and wants a CAST.
 */

#include <saga/plugin.h>

#include <libpq-fe.h>

/* The values of one statement, as libpq wants them; its room serves the next. */
struct saga__pg_values {
	size_t room;
	const char **at;
	int *sizes;
	int *formats;
	unsigned char (*numbers)[8];
	char *texts; /* and sets */
	size_t texts_room;
};

/* The type that a value is sent as; 0: the server finds it. */
Oid saga__pg_type_of(const saga_value *value);

/* REFUSED (*ret_wrong: which value, what with it in *ret_why), NOMEM. */
int saga__pg_values_set(struct saga__pg_values *to, const saga_value *values, size_t count,
	size_t *ret_wrong, const char **ret_why);
void saga__pg_values_free(struct saga__pg_values *values);

/* A column of a row; borrowed from the result. REFUSED: its type is of no kind that there is. */
int saga__pg_column(const PGresult *result, int row, int column, saga_value *ret_value);

#endif
