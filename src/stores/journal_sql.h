#ifndef SAGA_STORES_JOURNAL_SQL_H
#define SAGA_STORES_JOURNAL_SQL_H

/* Small statements, for the journal's own files. */

#include <string.h>

#include "journal.h"

/* The first column of the last row of a statement that has one row at most. */
struct saga__one {
	bool found;
	bool is_null;
	int64_t number;
	char text[256];
};

int saga__journal_one(struct saga__journal *journal, const char *sql, const saga_value *values,
	size_t count, struct saga__one *ret_one, saga_error *error);

/* *ret_changed (NULL: nobody asks): how many rows it changed. */
int saga__journal_change(struct saga__journal *journal, const char *sql, const saga_value *values,
	size_t count, int64_t *ret_changed, saga_error *error);

/*
 * Whether a row holds what a table of ours does, a letter a column: `n` any number, `s` one from 0
 * on, `c` one that an int holds, `i` an id, `t` a text, `b` bytes; a capital: or an SQL NULL. Where
 * not, SAGA_REFUSED, and the error names the column.
 */
int saga__journal_check(const char *table, const char *kinds, const char *const *names,
	const saga_value *columns, size_t column_count, saga_error *error);

/* The same, of what the letters don't say: "a row's ..." */
int saga__journal_odd(const char *table, const char *what, saga_error *error);

/* An id as a store brings it; zero: it is none. */
static inline saga_id saga__id_in(const saga_value *value)
{
	saga_id id = { { 0 } };

	if (value->kind == SAGA_VALUE_ID)
		return value->as.id;
	if (value->kind == SAGA_VALUE_BYTES && value->as.bytes.size == sizeof id)
		memcpy(&id, value->as.bytes.at, sizeof id);
	return id;
}

/* Runs statements (and gives their rows to that sink), and then what fills the batch's slots. */
int saga__journal_run_and_load(struct saga__journal *journal, struct saga__batch *batch,
	const saga_statement *before, size_t before_count, saga_sink *before_sink,
	saga_error *error);

/*
 * Rows that can't be read are set aside, each by itself, so that the others can be; journal_mend.c
 * says how. *ret_mended: there was one. `due`: the values of the query for due rows; *went gains
 * the number of those that were live.
 */
int saga__journal_mend_due(struct saga__journal *journal, const saga_value *due, bool *ret_mended,
	int64_t *went, saga_error *error);
int saga__journal_mend_outbox(struct saga__journal *journal, unsigned shard, uint64_t first,
	uint64_t last, bool *ret_mended, saga_error *error);
int saga__journal_mend_positions(
	struct saga__journal *journal, bool *ret_mended, saga_error *error);

/* SAGA__RUN(journal, sql, error, value, ...) */
#define SAGA__RUN(j, sql, error, ...) \
	saga__journal_change(j, sql, (const saga_value[]){ __VA_ARGS__ }, \
		sizeof((const saga_value[]){ __VA_ARGS__ }) / sizeof(saga_value), NULL, error)

#endif
