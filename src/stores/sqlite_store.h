#ifndef SAGA_STORES_SQLITE_STORE_H
#define SAGA_STORES_SQLITE_STORE_H

/*
 * The insides of the SQLite store: one connection. sqlite.c runs statements, sqlite_transaction.c
 * transacts, both by what sqlite_slot.c has.
 */

#include <saga/plugin.h>

#include <stdatomic.h>

#include "sqlite_cache.h"

/* Statements of its own, prepared once. */
enum saga__sqlite_own {
	SAGA__SQLITE_BEGIN,
	SAGA__SQLITE_COMMIT,
	SAGA__SQLITE_ROLLBACK,
	SAGA__SQLITE_MARK,
	SAGA__SQLITE_UNMARK,
	SAGA__SQLITE_BACK,
	SAGA__SQLITE_OWN /* how many */
};

extern const char *const saga__sqlite_own[SAGA__SQLITE_OWN];

struct saga__sqlite {
	sqlite3 *db;
	sqlite3_stmt *own[SAGA__SQLITE_OWN];
	int64_t busy_ms;
	int64_t timeout_ms;
	bool inside;             /* a slot runs, not a handler by the native handle */
	int64_t entered;         /* when the slot first looked at the clock; 0: not yet */
	atomic_bool interrupted; /* in this slot */
	bool late;               /* this slot took longer than timeout_ms */
	bool marked;             /* there is a savepoint */
	bool wants_mark;         /* a newer one is to be made before the next write */
	bool broken;             /* a rollback failed */
	struct saga__cache cache;
};

/* Around each slot that may block. leave returns the code. */
void saga__sqlite_enter(struct saga__sqlite *store);
int saga__sqlite_leave(struct saga__sqlite *store, int code);

/* How long the slot has lasted, in ms: from the first time that this is asked. */
int64_t saga__sqlite_time_in_slot(struct saga__sqlite *store);

/* Explains SQLite's last answer by code and words. A transaction that lost is lost whole. */
int saga__sqlite_explain(struct saga__sqlite *store, const char *sql, int rc, saga_error *error);

/*
 * Rolls back, inside a slot; tries again, since an interrupt that comes late ends a ROLLBACK too.
 */
void saga__sqlite_take_back(struct saga__sqlite *store);

/* Runs a statement of the store's own; returns SQLite's code. */
int saga__sqlite_step_own(struct saga__sqlite *store, enum saga__sqlite_own which);

/* The savepoint went with its transaction. */
void saga__sqlite_forget_mark(struct saga__sqlite *store);

/* Makes the savepoint that is wanted, if any. Before all that may write. */
int saga__sqlite_set_mark(struct saga__sqlite *store, saga_error *error);

/* ---- slots ---- */

int saga__sqlite_begin(void *handle, saga_error *error);
int saga__sqlite_commit(void *handle, saga_error *error);
void saga__sqlite_rollback(void *handle);
int saga__sqlite_mark(void *handle, saga_error *error);
int saga__sqlite_release(void *handle, saga_error *error);
int saga__sqlite_back(void *handle, saga_error *error);
bool saga__sqlite_in_transaction(void *handle);

#endif
