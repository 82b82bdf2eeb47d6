/*
 * PostgreSQL behind saga_store_ops, by libpq.
 *
 * What nobody waits for stays on its way until a slot must wait: `begin`, `mark`, `back`, and a run
 * without a sink in a transaction. So a batch costs a round trip where an answer is needed, and one
 * for the commit with all that was written before it.
 */

#include "plugins.h"
#include "postgres_link.h"
#include "postgres_pooler.h"
#include "postgres_text.h"
#include "statement.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Guards in one transaction that the server fails itself. More are dearer than to wait once: each
 * costs a few microseconds.
 */
enum {
	GUARDS_MOST = 7
};

/* ---- entering a slot ---- */

static int enter(struct saga__pg *pg, const char *sql, saga_error *error)
{
	saga__pg_enter(pg);
	if (pg->broken)
		return saga__statement_fail(SAGA_AWAY, sql, error, "the connection was lost");
	return saga__pg_pipeline(pg, error);
}

/* Within the time of the slot that has begun. */
static void take_back(struct saga__pg *pg)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	saga_error error;

	if (!pg->broken && pg->open) {
		/* An earlier failure must not prevent the rollback. */
		if ((!pg->count || saga__pg_send_sync(pg, &error) == SAGA_OK) &&
			saga__pg_send_own(pg, SAGA__PG_ROLLBACK, &error) == SAGA_OK)
			saga__pg_wait(pg, NULL, &error, &end);
		pg->broken = pg->broken || pg->open;
	}
	pg->open = pg->failed = pg->marked = pg->unmet = false;
}

/* ---- run ---- */

/* Whether the statement's text is a script, of which nothing can be prepared. */
static int look_at(const saga_statement *statement, bool *ret_is_script, saga_error *error)
{
	struct saga__pg_text text;

	*ret_is_script = false;
	if (statement->value_count)
		return SAGA_OK;
	if (!saga__pg_translate(statement->sql, &text))
		return saga__statement_fail(SAGA_NOMEM, statement->sql, error, "out of memory");
	*ret_is_script = text.is_script && !text.value_count;
	free(text.sql);
	return SAGA_OK;
}

static int wait(struct saga__pg *pg, saga_sink *sink, saga_error *error, struct saga__pg_end *end)
{
	saga__pg_wait(pg, sink, error, end);
	return end->code;
}

static int run_script(struct saga__pg *pg, const saga_statement *statement, size_t i,
	saga_sink *sink, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };

	if (pg->count && wait(pg, NULL, error, &end) != SAGA_OK)
		return end.code;
	saga__pg_script(pg, statement->sql, error, &end);
	if (end.code == SAGA_OK && sink && sink->done)
		sink->done(sink->context, i, 0);
	return end.code;
}

/*
 * Sends them all; if one can't be sent, those before it run nevertheless. A text without values
 * need not last, so it is waited for.
 */
static int send_all(struct saga__pg *pg, const saga_statement *statements, size_t count,
	saga_sink *sink, bool *ret_must_wait, struct saga__pg_end *end, saga_error *error)
{
	for (size_t i = 0; i < count; i++) {
		bool is_script;
		int code = look_at(&statements[i], &is_script, error);

		if (code != SAGA_OK)
			return code;
		if (pg->count >= SAGA__PG_SENT_MOST || is_script)
			if (pg->count && wait(pg, sink, error, end) != SAGA_OK)
				return SAGA_OK;
		*ret_must_wait = *ret_must_wait || !statements[i].value_count;
		code = is_script ? run_script(pg, &statements[i], i, sink, error)
				 : saga__pg_send(pg, &statements[i], i, sink != NULL, error);
		if (code != SAGA_OK)
			return code;
	}
	return SAGA_OK;
}

static int run_once(struct saga__pg *pg, const saga_statement *statements, size_t count,
	saga_sink *sink, struct saga__pg_end *end, saga_error *error)
{
	bool must_wait = sink || !pg->open;
	saga_error why = { .code = SAGA_OK };
	int code = send_all(pg, statements, count, sink, &must_wait, end, &why);

	if (end->code == SAGA_OK && pg->count && (must_wait || code != SAGA_OK))
		(void)wait(pg, sink, error, end);
	if (end->code != SAGA_OK)
		return end->code;
	return code == SAGA_OK ? code : saga_error_set(error, code, "%s", why.text);
}

static int run_all(struct saga__pg *pg, const saga_statement *statements, size_t count,
	saga_sink *sink, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	int code;

	if (pg->failed)
		return saga__statement_fail(SAGA_REFUSED, count ? statements[0].sql : "", error,
			"the transaction has failed");
	code = run_once(pg, statements, count, sink, &end, error);
	if (!end.stale || pg->broken)
		return code;
	if (saga__pg_drop(pg, end.stale, error) != SAGA_OK)
		return SAGA_AWAY;
	if (pg->open || end.was_given) {
		if (error)
			error->code = SAGA_CONTENDED;
		return SAGA_CONTENDED;
	}
	end = (struct saga__pg_end){ .code = SAGA_OK };
	return run_once(pg, statements, count, sink, &end, error);
}

static int run(void *handle, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = enter(pg, count ? statements[0].sql : "", error);

	if (code == SAGA_OK)
		code = run_all(pg, statements, count, sink, error);
	if (code == SAGA_CONTENDED)
		take_back(pg);
	return code;
}

/* Once there is one that must be waited for, nothing is gained by more. */
static bool is_to_guard(struct saga__pg *pg, const saga_statement *statement)
{
	return ++pg->required <= GUARDS_MOST && pg->required_before <= GUARDS_MOST && !pg->musts &&
		!pg->unguarded && statement->value_count && saga__pg_can_guard(statement->sql);
}

/* A transaction begins. It is forgotten slowly: a lane's are not all alike. */
static void forget_required(struct saga__pg *pg)
{
	size_t before = pg->required_before - pg->required_before / 4;

	pg->required_before = pg->required > before ? pg->required : before;
	pg->required = 0;
}

/* Whether a statement can go on its way without a wait for its answer. */
static int make_way(struct saga__pg *pg, const saga_statement *statement, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	int code = enter(pg, statement->sql, error);

	if (code == SAGA_OK && (!pg->open || pg->failed))
		code = saga__statement_fail(SAGA_REFUSED, statement->sql, error,
			pg->open ? "the transaction has failed" : "no transaction is open");
	if (code == SAGA_OK && pg->count >= SAGA__PG_SENT_MOST)
		code = wait(pg, NULL, error, &end);
	return code;
}

static int require(void *handle, const saga_statement *statement, saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = make_way(pg, statement, error);

	return code == SAGA_OK
		? saga__pg_send_must(pg, statement, is_to_guard(pg, statement), error)
		: code;
}

static int run_counted(
	void *handle, const saga_statement *statement, int64_t *changed, saga_error *error)
{
	int code = make_way(handle, statement, error);

	return code == SAGA_OK ? saga__pg_send_counted(handle, statement, changed, error) : code;
}

/* ---- transactions ---- */

static int begin(void *handle, saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = enter(pg, "BEGIN", error);

	if (code == SAGA_OK && pg->open)
		code = saga__statement_fail(SAGA_REFUSED, "BEGIN", error, "a transaction is open");
	if (code == SAGA_OK)
		code = saga__pg_send_own(pg, SAGA__PG_BEGIN, error);
	if (code == SAGA_OK) {
		pg->open = true;
		pg->failed = pg->marked = pg->unmet = false;
		forget_required(pg);
	}
	return code;
}

/*
 * A statement that failed before the commit prevented it, and so did a failure of the commit
 * itself. A connection that was lost meanwhile says nothing.
 */
static int finish(struct saga__pg *pg, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	int code;

	/* No commit may be behind what is not known to hold. */
	if (pg->musts && wait(pg, NULL, error, &end) != SAGA_OK)
		return end.code;
	code = saga__pg_send_own(pg, SAGA__PG_COMMIT, error);

	if (code == SAGA_OK)
		code = wait(pg, NULL, error, &end);
	if (end.lost && code == SAGA_AWAY) {
		if (error)
			error->code = SAGA_UNKNOWN;
		return SAGA_UNKNOWN;
	}
	if (code == SAGA_OK && strcmp(end.tag, "COMMIT") != 0)
		code = saga__statement_fail(
			SAGA_REFUSED, "COMMIT", error, "the transaction had failed");
	return code;
}

static int commit(void *handle, saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = enter(pg, "COMMIT", error);

	if (code != SAGA_OK)
		return code;
	if (!pg->open)
		return saga__statement_fail(
			SAGA_REFUSED, "COMMIT", error, "no transaction is open");
	code = pg->failed
		? saga__statement_fail(SAGA_REFUSED, "COMMIT", error, "the transaction failed")
		: finish(pg, error);
	take_back(pg);
	return code;
}

static void rollback(void *handle)
{
	struct saga__pg *pg = handle;
	saga_error error;

	if (enter(pg, "ROLLBACK", &error) != SAGA_OK)
		pg->broken = true;
	take_back(pg);
}

static int mark(void *handle, saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = enter(pg, "SAVEPOINT", error);

	if (code != SAGA_OK)
		return code;
	if (!pg->open || pg->failed)
		return saga__statement_fail(SAGA_REFUSED, "SAVEPOINT", error,
			pg->open ? "the transaction has failed" : "no transaction is open");
	if (pg->marked)
		code = saga__pg_send_own(pg, SAGA__PG_UNMARK, error);
	if (code == SAGA_OK)
		code = saga__pg_send_own(pg, SAGA__PG_MARK, error);
	pg->marked = code == SAGA_OK;
	return code;
}

/* An earlier failure swallows this statement, too; the next slot that waits tells it. */
static int back(void *handle, saga_error *error)
{
	struct saga__pg *pg = handle;
	int code = enter(pg, "ROLLBACK TO", error);

	if (code != SAGA_OK)
		return code;
	if (!pg->open || !pg->marked)
		return saga__statement_fail(SAGA_REFUSED, "ROLLBACK TO", error,
			pg->open ? "there is no mark" : "no transaction is open");
	code = saga__pg_send_own(pg, SAGA__PG_BACK, error);
	pg->failed = pg->failed && code != SAGA_OK;
	return code;
}

static bool in_transaction(void *handle)
{
	struct saga__pg *pg = handle;

	if (pg->broken)
		return false;
	/* A handler may have ended it by the native handle. */
	if (!pg->count && PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
		pg->open = pg->failed = pg->marked = false;
	return pg->open;
}

/* ---- opening ---- */

static void close_store(void *handle)
{
	saga__pg_disconnect(handle);
	free(handle);
}

static int connect_to(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error)
{
	saga_error why = { .code = SAGA_OK };
	int code = saga__pg_reach(pg, settings, &why);

	if (code == SAGA_OK)
		code = saga__pg_check_session(pg, settings, &why);
	if (code == SAGA_OK)
		code = saga__pg_set_up(pg, settings, &why);
	return code == SAGA_OK ? code : saga_error_set(error, code, "%s", why.text);
}

static int open_store(const saga_store_options *options, void **ret_store, saga_error *error)
{
	struct saga__pg_settings settings;
	struct saga__pg *pg;
	int code = saga__pg_settings_read(options, &settings, error);

	if (code != SAGA_OK)
		return code;
	if ((pg = calloc(1, sizeof *pg)))
		code = connect_to(pg, &settings, error);
	else
		code = saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	saga__pg_settings_free(&settings);
	if (code == SAGA_OK)
		*ret_store = pg;
	else if (pg)
		close_store(pg);
	return code;
}

/* Out of the pipeline, so that its owner may use it as any other connection. */
static void *native(void *handle)
{
	struct saga__pg *pg = handle;

	if (!pg->broken && !pg->count)
		(void)PQexitPipelineMode(pg->conn);
	return pg->conn;
}

static void interrupt(void *handle)
{
	struct saga__pg *pg = handle;
	ssize_t written;

	atomic_store(&pg->interrupted, true);
	written = write(pg->alarm[1], "", 1); /* full: it rings already */
	(void)written;
}

const saga_store_ops saga__postgres_store = {
	.size = sizeof(saga_store_ops),
	.schemes = "postgres postgresql",
	.dialect = SAGA_POSTGRESQL,
	.writers = 0,
	.open = open_store,
	.run = run,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.mark = mark,
	.back = back,
	.in_transaction = in_transaction,
	.native = native,
	.interrupt = interrupt,
	.close = close_store,
	.traits = SAGA_STORE_SETS,
	.require = require,
	.run_counted = run_counted,
};
