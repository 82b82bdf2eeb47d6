/* Transactions on SQLite, and marks in them. */

#include "sqlite_store.h"
#include "statement.h"

#define BEGIN SAGA__SQLITE_BEGIN
#define COMMIT SAGA__SQLITE_COMMIT
#define ROLLBACK SAGA__SQLITE_ROLLBACK
#define MARK SAGA__SQLITE_MARK
#define UNMARK SAGA__SQLITE_UNMARK
#define BACK SAGA__SQLITE_BACK

static int run_own(struct saga__sqlite *store, enum saga__sqlite_own which, saga_error *error)
{
	int rc = saga__sqlite_step_own(store, which);

	return rc == SQLITE_OK ? SAGA_OK
			       : saga__sqlite_explain(store, saga__sqlite_own[which], rc, error);
}

void saga__sqlite_rollback(void *handle)
{
	struct saga__sqlite *store = handle;

	saga__sqlite_enter(store);
	saga__sqlite_take_back(store);
	(void)saga__sqlite_leave(store, SAGA_OK);
}

int saga__sqlite_begin(void *handle, saga_error *error)
{
	struct saga__sqlite *store = handle;

	if (store->broken)
		return saga__statement_fail(
			SAGA_AWAY, saga__sqlite_own[BEGIN], error, "the last rollback failed");
	saga__sqlite_forget_mark(store);
	saga__sqlite_enter(store);
	return saga__sqlite_leave(store, run_own(store, BEGIN, error));
}

/*
 * A commit that left the transaction open did nothing. One that failed and closed it may have
 * written its last page before the error came, and a recovery would find it there.
 */
static int try_commit(struct saga__sqlite *store, saga_error *error)
{
	bool was_open = saga__sqlite_in_transaction(store);
	int rc = saga__sqlite_step_own(store, COMMIT), code;

	if (rc == SQLITE_OK)
		return SAGA_OK;
	code = saga__sqlite_explain(store, saga__sqlite_own[COMMIT], rc, error);
	if (saga__sqlite_in_transaction(store)) {
		saga__sqlite_take_back(store);
		return code;
	}
	if (!was_open || (rc & 0xff) == SQLITE_FULL || code == SAGA_CONTENDED)
		return code;
	if (error)
		error->code = SAGA_UNKNOWN;
	return SAGA_UNKNOWN;
}

int saga__sqlite_commit(void *handle, saga_error *error)
{
	struct saga__sqlite *store = handle;

	saga__sqlite_forget_mark(store);
	saga__sqlite_enter(store);
	return saga__sqlite_leave(store, try_commit(store, error));
}

/* ---- marks ---- */

static int no_transaction(enum saga__sqlite_own which, saga_error *error)
{
	return saga__statement_fail(
		SAGA_REFUSED, saga__sqlite_own[which], error, "no transaction is open");
}

static int unmark(struct saga__sqlite *store, saga_error *error)
{
	bool was_marked = store->marked;

	store->marked = false;
	return was_marked ? run_own(store, UNMARK, error) : SAGA_OK;
}

int saga__sqlite_set_mark(struct saga__sqlite *store, saga_error *error)
{
	int code;

	if (!store->wants_mark)
		return SAGA_OK;
	if (!saga__sqlite_in_transaction(store)) /* else a savepoint would begin one */
		return no_transaction(MARK, error);
	code = unmark(store, error);
	if (code == SAGA_OK)
		code = run_own(store, MARK, error);
	if (code == SAGA_OK) {
		store->marked = true;
		store->wants_mark = false;
	}
	return code;
}

/*
 * Not yet: a savepoint costs a copy of each page that is written in it, and a failing read spoils
 * nothing here, so that what only reads needs none.
 */
int saga__sqlite_mark(void *handle, saga_error *error)
{
	struct saga__sqlite *store = handle;

	if (!saga__sqlite_in_transaction(store))
		return no_transaction(MARK, error);
	store->wants_mark = true;
	return SAGA_OK;
}

int saga__sqlite_release(void *handle, saga_error *error)
{
	struct saga__sqlite *store = handle;

	if (!saga__sqlite_in_transaction(store))
		return no_transaction(UNMARK, error);
	store->wants_mark = false;
	saga__sqlite_enter(store);
	return saga__sqlite_leave(store, unmark(store, error));
}

int saga__sqlite_back(void *handle, saga_error *error)
{
	struct saga__sqlite *store = handle;

	if (!saga__sqlite_in_transaction(store))
		return no_transaction(BACK, error);
	if (store->wants_mark) /* nothing was written since */
		return SAGA_OK;
	saga__sqlite_enter(store);
	return saga__sqlite_leave(store, run_own(store, BACK, error));
}
