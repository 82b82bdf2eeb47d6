/* Every slot of the SQLite store needs this: a slot is timed, explains a failure, takes back. */

#include "sqlite_store.h"
#include "statement.h"

#include <errno.h>
#include <time.h>

#define BEGIN SAGA__SQLITE_BEGIN
#define COMMIT SAGA__SQLITE_COMMIT
#define ROLLBACK SAGA__SQLITE_ROLLBACK
#define MARK SAGA__SQLITE_MARK
#define UNMARK SAGA__SQLITE_UNMARK
#define BACK SAGA__SQLITE_BACK

const char *const saga__sqlite_own[SAGA__SQLITE_OWN] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[MARK] = "SAVEPOINT saga_mark",
	[UNMARK] = "RELEASE saga_mark",
	[BACK] = "ROLLBACK TO saga_mark",
};

int saga__sqlite_step_own(struct saga__sqlite *store, enum saga__sqlite_own which)
{
	int rc = sqlite3_step(store->own[which]);

	(void)sqlite3_reset(store->own[which]);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

bool saga__sqlite_in_transaction(void *handle)
{
	const struct saga__sqlite *store = handle;

	return !sqlite3_get_autocommit(store->db);
}

void saga__sqlite_forget_mark(struct saga__sqlite *store)
{
	store->marked = store->wants_mark = false;
}

void saga__sqlite_take_back(struct saga__sqlite *store)
{
	for (int tries = 0; tries < 3 && saga__sqlite_in_transaction(store); tries++)
		(void)saga__sqlite_step_own(store, ROLLBACK);
	store->broken = saga__sqlite_in_transaction(store);
	saga__sqlite_forget_mark(store);
}

/* ---- errors ---- */

static int code_of(sqlite3 *db, int rc)
{
	int cause = sqlite3_system_errno(db);

	if (rc == SQLITE_READONLY_DBMOVED)
		return SAGA_AWAY;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
	case SQLITE_SCHEMA:
		return SAGA_CONTENDED;
	case SQLITE_FULL:
		return SAGA_FULL;
	case SQLITE_IOERR:
		return cause == ENOSPC || cause == EDQUOT ? SAGA_FULL : SAGA_AWAY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SAGA_DAMAGED;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY: /* a disk that was made so, as a rule, and may be mended */
	case SQLITE_INTERRUPT:
		return SAGA_AWAY;
	case SQLITE_NOMEM:
		return SAGA_NOMEM;
	default:
		return SAGA_REFUSED;
	}
}

/* Explains SQLite's last answer by code and words. A transaction that lost is lost whole. */
int saga__sqlite_explain(struct saga__sqlite *store, const char *sql, int rc, saga_error *error)
{
	bool gave_up = (rc & 0xff) == SQLITE_INTERRUPT || (rc & 0xff) == SQLITE_BUSY;
	int code;

	if (gave_up && atomic_load(&store->interrupted))
		return saga__statement_fail(SAGA_AWAY, sql, error, "interrupted");
	if (gave_up && store->late)
		return saga__statement_fail(SAGA_AWAY, sql, error, "took longer than %lld ms",
			(long long)store->timeout_ms);
	code = saga__statement_fail(
		code_of(store->db, rc), sql, error, "%s", sqlite3_errmsg(store->db));
	if (code == SAGA_CONTENDED)
		saga__sqlite_take_back(store);
	return code;
}

/* ---- time ---- */

int64_t saga__sqlite_time_in_slot(struct saga__sqlite *store)
{
	struct timespec time;
	int64_t now;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	now = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
	if (store->entered == 0)
		store->entered = now;
	return now - store->entered;
}

void saga__sqlite_enter(struct saga__sqlite *store)
{
	atomic_store(&store->interrupted, false);
	store->inside = true;
	store->late = false;
	store->entered = 0;
}

int saga__sqlite_leave(struct saga__sqlite *store, int code)
{
	store->inside = false;
	return code;
}
