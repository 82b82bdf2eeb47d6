#include "plugins.h"
#include "sqlite_settings.h"
#include "sqlite_store.h"
#include "sqlite_values.h"
#include "statement.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK = 10000,      /* steps of SQLite's machine between two looks at the clock */
	CHECKPOINT = 4000, /* pages of log, see set_up */
};

/* ---- time ---- */

/* SQLite's progress handler: not 0 ends the statement. */
static int must_end(void *context)
{
	struct saga__sqlite *store = context;

	if (!store->inside)
		return 0;
	if (atomic_load(&store->interrupted))
		return 1;
	store->late = saga__sqlite_time_in_slot(store) >= store->timeout_ms;
	return store->late;
}

/* SQLite's busy handler: not 0 tries again. Its own would wait so long for each statement. */
static int wait_for_lock(void *context, int tries)
{
	struct saga__sqlite *store = context;
	int64_t ms = tries < 9 ? tries + 1 : 10, left;
	struct timespec pause;

	if (!store->inside && tries == 0)
		store->entered = 0;
	left = store->busy_ms - saga__sqlite_time_in_slot(store);
	if (left <= 0 || atomic_load(&store->interrupted))
		return 0;
	pause = (struct timespec){ .tv_nsec = (long)(ms < left ? ms : left) * 1000000 };
	(void)nanosleep(&pause, NULL);
	return 1;
}

/* ---- values and columns ---- */

static int bind(struct saga__sqlite *store, sqlite3_stmt *prepared, const saga_statement *statement,
	saga_error *error)
{
	int wanted = sqlite3_bind_parameter_count(prepared);

	if (statement->value_count != (size_t)wanted)
		return saga__statement_fail(SAGA_REFUSED, statement->sql, error,
			"takes %d values, and %zu were given", wanted, statement->value_count);
	for (int i = 0; i < wanted; i++) {
		const saga_value *value = &statement->values[i];
		int rc = saga__sqlite_bind(prepared, i + 1, value);

		if (rc == SQLITE_MISMATCH)
			return saga__statement_fail(SAGA_REFUSED, statement->sql, error,
				"value %d has no kind that there is (%d)", i + 1, value->kind);
		if (rc != SQLITE_OK)
			return saga__sqlite_explain(store, statement->sql, rc, error);
	}
	return SAGA_OK;
}

static int read_row(struct saga__cached *cached, const char *sql, saga_error *error)
{
	int code = saga__cached_name_columns(cached);

	if (code != SAGA_OK)
		return saga__statement_fail(code, sql, error, "out of memory");
	for (int i = 0; i < cached->column_count; i++) {
		code = saga__sqlite_column(cached->prepared, i, &cached->columns[i]);
		if (code == SAGA_REFUSED)
			return saga__statement_fail(code, sql, error,
				"column `%s` has floating point, which no value holds",
				cached->names[i]);
		if (code != SAGA_OK)
			return saga__statement_fail(code, sql, error, "out of memory");
	}
	return SAGA_OK;
}

/* ---- run ---- */

/* Steps to the end. A code of the sink's ends it too, with an error in the sink's own words. */
static int step_rows(struct saga__sqlite *store, struct saga__cached *cached, const char *sql,
	size_t i, const saga_sink *sink, saga_error *error)
{
	int rc;

	while ((rc = sqlite3_step(cached->prepared)) == SQLITE_ROW) {
		int code;

		if (!sink || !sink->row)
			continue;
		code = read_row(cached, sql, error);
		if (code == SAGA_OK)
			code = sink->row(sink->context, i, cached->names, cached->columns,
				(size_t)cached->column_count);
		if (code != SAGA_OK)
			return code;
	}
	return rc == SQLITE_DONE ? SAGA_OK : saga__sqlite_explain(store, sql, rc, error);
}

static int run_cached(struct saga__sqlite *store, struct saga__cached *cached,
	const saga_statement *statement, size_t i, const saga_sink *sink, saga_error *error)
{
	int code = bind(store, cached->prepared, statement, error);

	if (code == SAGA_OK && !sqlite3_stmt_readonly(cached->prepared))
		code = saga__sqlite_set_mark(store, error);
	if (code != SAGA_OK)
		return code;
	code = step_rows(store, cached, statement->sql, i, sink, error);
	(void)sqlite3_reset(cached->prepared); /* a SELECT left open holds the log back */
	return code;
}

/* Whether nothing follows but space, comments and `;`. */
static bool is_blank(const char *sql)
{
	for (;;) {
		sql += strspn(sql, " \t\r\n\f;");
		if (sql[0] == '-' && sql[1] == '-') {
			sql += strcspn(sql, "\n");
		} else if (sql[0] == '/' && sql[1] == '*') {
			const char *end = strstr(sql + 2, "*/");

			if (!end)
				return true;
			sql = end + 2;
		} else {
			return sql[0] == '\0';
		}
	}
}

/* One statement of a script; its rows go nowhere. */
static int run_piece(
	struct saga__sqlite *store, sqlite3_stmt *prepared, const char *sql, saga_error *error)
{
	int rc, code;

	if (sqlite3_bind_parameter_count(prepared) > 0)
		return saga__statement_fail(SAGA_REFUSED, sql, error, "a script takes no values");
	if ((code = saga__sqlite_set_mark(store, error)) != SAGA_OK)
		return code;
	do
		rc = sqlite3_step(prepared);
	while (rc == SQLITE_ROW);
	return rc == SQLITE_DONE ? SAGA_OK : saga__sqlite_explain(store, sql, rc, error);
}

/* Takes the first statement of the script, prepared. */
static int run_script(struct saga__sqlite *store, sqlite3_stmt *prepared, const char *sql,
	const char *rest, saga_error *error)
{
	for (;;) {
		int rc, code = SAGA_OK;

		if (prepared)
			code = run_piece(store, prepared, sql, error);
		(void)sqlite3_finalize(prepared);
		if (code != SAGA_OK || is_blank(rest))
			return code;
		if (atomic_load(&store->interrupted))
			return saga__statement_fail(SAGA_AWAY, rest, error, "interrupted");
		sql = rest;
		rc = sqlite3_prepare_v2(store->db, sql, -1, &prepared, &rest);
		if (rc != SQLITE_OK)
			return saga__sqlite_explain(store, sql, rc, error);
	}
}

static int run_new(struct saga__sqlite *store, const saga_statement *statement, size_t i,
	const saga_sink *sink, saga_error *error)
{
	const char *sql = statement->sql, *rest;
	sqlite3_stmt *prepared;
	struct saga__cached *cached;
	int rc =
		sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, &rest);

	if (rc != SQLITE_OK)
		return saga__sqlite_explain(store, sql, rc, error);
	if (!prepared || !is_blank(rest)) {
		if (statement->value_count == 0)
			return run_script(store, prepared, sql, rest, error);
		(void)sqlite3_finalize(prepared);
		return saga__statement_fail(
			SAGA_REFUSED, sql, error, "values go with one statement alone");
	}
	cached = saga__cache_keep(&store->cache, statement, prepared);
	if (!cached)
		return saga__statement_fail(SAGA_NOMEM, sql, error, "out of memory");
	return run_cached(store, cached, statement, i, sink, error);
}

static int run_one(struct saga__sqlite *store, const saga_statement *statement, size_t i,
	const saga_sink *sink, saga_error *error)
{
	int before = sqlite3_total_changes(store->db);
	struct saga__cached *cached = saga__cache_find(&store->cache, statement);
	int code = cached ? run_cached(store, cached, statement, i, sink, error)
			  : run_new(store, statement, i, sink, error);

	if (code != SAGA_OK || !sink || !sink->done)
		return code;
	/* sqlite3_changes alone speaks of an earlier statement if this one can change nothing. */
	sink->done(sink->context, i,
		sqlite3_total_changes(store->db) == before ? 0 : sqlite3_changes(store->db));
	return SAGA_OK;
}

static int run_all(struct saga__sqlite *store, const saga_statement *statements, size_t count,
	const saga_sink *sink, saga_error *error)
{
	for (size_t i = 0; i < count; i++) {
		int code;

		if (atomic_load(&store->interrupted))
			return saga__statement_fail(
				SAGA_AWAY, statements[i].sql, error, "interrupted");
		code = run_one(store, &statements[i], i, sink, error);
		if (code != SAGA_OK)
			return code;
	}
	return SAGA_OK;
}

static int run(void *handle, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct saga__sqlite *store = handle;

	saga__sqlite_enter(store);
	return saga__sqlite_leave(store, run_all(store, statements, count, sink, error));
}

/* ---- opening ---- */

/* Two that open a new file at once get no help of the busy handler here. */
static int set_journal_to_wal(struct saga__sqlite *store)
{
	sqlite3_stmt *prepared = NULL;
	int rc, tries = 0;

	do {
		(void)sqlite3_finalize(prepared);
		rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode=WAL", -1, &prepared, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(prepared);
	} while ((rc & 0xff) == SQLITE_BUSY && wait_for_lock(store, tries++));
	if (rc == SQLITE_ROW) {
		const char *mode = (const char *)sqlite3_column_text(prepared, 0);

		rc = mode && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
	}
	(void)sqlite3_finalize(prepared);
	return rc;
}

static int set(struct saga__sqlite *store, const char *pragma)
{
	return sqlite3_exec(store->db, pragma, NULL, NULL, NULL);
}

/*
 * A checkpoint copies each page once, however often the log has it, and syncs twice; it runs within
 * a commit, so its length is a delay too. Measured with batches of 64 events on ext4, against
 * SQLite's own 1000 pages: 4000 (16 MB) give 20% more events a second, and the longest batch goes
 * from 12 ms to 22 ms; another doubling would give 7% more.
 *
 * Whoever looks into a participant's file beside it makes none: until 3.51.3 a checkpoint of one
 * connection beside a write of another that begins the log anew can lose commits. A participant has
 * one connection to a file, so it is alone with both then. Who closes last makes one, and has the
 * file to itself by an exclusive lock.
 */
static int set_up(struct saga__sqlite *store, const struct saga__sqlite_settings *settings)
{
	char text[80];
	int rc = settings->in_memory ? SQLITE_OK : set_journal_to_wal(store);

	if (rc == SQLITE_OK) {
		(void)snprintf(text, sizeof text, "PRAGMA wal_autocheckpoint=%d",
			settings->checkpoint == SAGA__SQLITE_CHECKPOINTS ? CHECKPOINT : 0);
		rc = set(store, text);
	}
	if (rc == SQLITE_OK) {
		(void)snprintf(
			text, sizeof text, "PRAGMA synchronous=%d", (int)settings->synchronous);
		rc = set(store, text);
	}
	if (rc == SQLITE_OK && settings->cache_kb > 0) {
		(void)snprintf(text, sizeof text, "PRAGMA cache_size=-%lld",
			(long long)settings->cache_kb);
		rc = set(store, text);
	}
	if (rc == SQLITE_OK)
		rc = set(store, "PRAGMA foreign_keys=ON");
	for (int i = 0; rc == SQLITE_OK && i < SAGA__SQLITE_OWN; i++)
		rc = sqlite3_prepare_v3(store->db, saga__sqlite_own[i], -1,
			SQLITE_PREPARE_PERSISTENT, &store->own[i], NULL);
	return rc;
}

/*
 * A new file is its owner's alone, and SQLite gives its log the same mode; what umask says is not
 * enough for what customers order. It is made under another name and linked: to close a file that
 * another connection of this process has open would let go of that one's locks. Where it can't be
 * linked SQLite makes it, or says why not.
 */
static void make_private(const char *path)
{
	char *made = sqlite3_mprintf("%s.XXXXXX", path);
	int file = made && access(path, F_OK) != 0 ? mkstemp(made) : -1;

	if (file >= 0) {
		(void)close(file);
		(void)link(made, path);
		(void)unlink(made);
	}
	sqlite3_free(made);
}

/* A path that begins with `file:` would be read as a URI of SQLite's. */
static int connect_to(struct saga__sqlite *store, const struct saga__sqlite_settings *settings)
{
	const char *path = settings->path;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE;
	char *plain = NULL;
	int rc;

	if (strncmp(path, "file:", 5) == 0) {
		plain = sqlite3_mprintf("./%s", path);
		if (!plain)
			return SQLITE_NOMEM;
		path = plain;
	}
	if (!settings->in_memory)
		make_private(path);
	rc = sqlite3_open_v2(path, &store->db, flags, NULL);
	sqlite3_free(plain);
	if (rc != SQLITE_OK)
		return rc;
	(void)sqlite3_extended_result_codes(store->db, 1);
	(void)sqlite3_busy_handler(store->db, wait_for_lock, store);
	sqlite3_progress_handler(store->db, TICK, must_end, store);
	return set_up(store, settings);
}

/* The transaction first: statements that a handler made by the native handle keep the rest open. */
static void close_store(void *handle)
{
	struct saga__sqlite *store = handle;

	if (store->own[SAGA__SQLITE_ROLLBACK])
		saga__sqlite_rollback(store);
	saga__cache_clear(&store->cache);
	for (int i = 0; i < SAGA__SQLITE_OWN; i++)
		(void)sqlite3_finalize(store->own[i]);
	if (store->db) {
		(void)sqlite3_busy_handler(store->db, NULL, NULL);
		sqlite3_progress_handler(store->db, 0, NULL, NULL);
		(void)sqlite3_close_v2(store->db);
	}
	free(store);
}

static const char *why_not(const struct saga__sqlite *store)
{
	if (!store || !store->db)
		return "out of memory";
	return sqlite3_errcode(store->db) == SQLITE_OK ? "it can't keep a write-ahead log here"
						       : sqlite3_errmsg(store->db);
}

static struct saga__sqlite *new_store(const struct saga__sqlite_settings *settings)
{
	struct saga__sqlite *store = calloc(1, sizeof *store);

	if (!store)
		return NULL;
	store->timeout_ms = settings->timeout_ms;
	store->busy_ms = settings->busy_ms;
	saga__cache_init(&store->cache);
	atomic_init(&store->interrupted, false);
	return store;
}

/* An error that waiting cannot mend is REFUSED; a file that is locked or not there is AWAY. */
static int code_of_open(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return SAGA_NOMEM;
	case SQLITE_NOTADB: /* another program's file */
	case SQLITE_ERROR:  /* a setting */
	case SQLITE_MISUSE:
		return SAGA_REFUSED;
	default:
		return SAGA_AWAY;
	}
}

static int open_store(const saga_store_options *options, void **ret_store, saga_error *error)
{
	struct saga__sqlite_settings settings;
	struct saga__sqlite *store;
	int rc, code = saga__sqlite_settings_read(options, &settings, error);

	if (code != SAGA_OK)
		return code;
	store = new_store(&settings);
	rc = store ? connect_to(store, &settings) : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		*ret_store = store;
		return SAGA_OK;
	}
	code = code_of_open(rc);
	(void)saga_error_set(error, code, "store: %s: `%s`", why_not(store), settings.path);
	if (store)
		close_store(store);
	return code;
}

static void *native(void *handle)
{
	struct saga__sqlite *store = handle;
	int code;

	/* The handle's writes are not seen here. */
	saga__sqlite_enter(store);
	code = saga__sqlite_leave(store, saga__sqlite_set_mark(store, NULL));
	return code == SAGA_OK ? store->db : NULL;
}

static void interrupt(void *handle)
{
	struct saga__sqlite *store = handle;

	atomic_store(&store->interrupted, true);
	sqlite3_interrupt(store->db);
}

const saga_store_ops saga__sqlite_store = {
	.size = sizeof(saga_store_ops),
	.schemes = "sqlite",
	.dialect = SAGA_SQLITE,
	.writers = 1,
	.open = open_store,
	.run = run,
	.begin = saga__sqlite_begin,
	.commit = saga__sqlite_commit,
	.rollback = saga__sqlite_rollback,
	.mark = saga__sqlite_mark,
	.release = saga__sqlite_release,
	.back = saga__sqlite_back,
	.in_transaction = saga__sqlite_in_transaction,
	.native = native,
	.interrupt = interrupt,
	.close = close_store,
};
