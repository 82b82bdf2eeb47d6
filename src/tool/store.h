#ifndef SAGA_TOOL_STORE_H
#define SAGA_TOOL_STORE_H

/*
 * A participant's store, opened beside it: the library's tables by any store's vtable. Nothing of
 * it is made or brought up to date here; that is the participant's.
 */

#include <saga/plugin.h>

struct store {
	const saga_store_ops *ops;
	void *handle;
	char participant[64];
	char uuid[SAGA_ID_TEXT];
	unsigned shards;
};

/*
 * MALFORMED: the URL, or its scheme. UNSUPPORTED: no saga tables in it, or of another layout. Else
 * what the store answers.
 */
int store_open(const char *url, struct store *ret_store, saga_error *error);
void store_close(struct store *store);

/* The store's time, ms since 1970: what due times are compared with. */
int store_now(struct store *store, int64_t *ret_now, saga_error *error);

typedef int store_row(void *context, const saga_value *columns);

/*
 * Runs one statement, its text a constant. `row` NULL: nobody wants the rows; ret_changed NULL: nor
 * how many it changed.
 */
int store_run(struct store *store, const char *sql, const saga_value *values, size_t count,
	store_row *row, void *context, int64_t *ret_changed, saga_error *error);

#define STORE_VALUES(...) \
	(const saga_value[]){ __VA_ARGS__ }, \
		sizeof((const saga_value[]){ __VA_ARGS__ }) / sizeof(saga_value)

/*
 * Calls `change` in a transaction, which holds the lock of every shard as a batch would, and
 * commits, unless it fails. A transaction that lost against another is made again.
 */
int store_change(struct store *store, int (*change)(void *context, saga_error *error),
	void *context, saga_error *error);

/* ---- columns ---- */

saga_id column_id(const saga_value *column);
int64_t column_number(const saga_value *column);

#endif
