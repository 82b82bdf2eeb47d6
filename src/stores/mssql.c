#include "mssql_run.h"
#include "mssql_text.h"
#include "plugins.h"
#include "statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * XACT_ABORT is off: a statement that fails takes itself back and leaves the transaction, else
 * there would be no way back to a mark. The ANSI settings are what indexes on views and computed
 * columns ask for. TEXTSIZE is what freetds.conf may have cut short. A wait for a lock ends at the
 * server in time for its answer to come before the link's deadline, which would cost the link.
 */
static const char settings_sql[] =
	"SET QUOTED_IDENTIFIER,ANSI_NULLS,ANSI_PADDING,ANSI_WARNINGS,ARITHABORT,"
	"CONCAT_NULL_YIELDS_NULL,ANSI_NULL_DFLT_ON,NOCOUNT ON;"
	"SET XACT_ABORT,IMPLICIT_TRANSACTIONS,CURSOR_CLOSE_ON_COMMIT,NUMERIC_ROUNDABORT OFF;"
	"SET TEXTSIZE 2147483647;SET LOCK_TIMEOUT %d;SET TRANSACTION ISOLATION LEVEL %s;";

/*
 * Texts beyond ASCII travel as JSON. OPENJSON, for the long ones, is unknown below a compatibility
 * level of 130, which a database keeps from an older server. So it is tried here; sys.databases
 * tells the level, but not on every server that has it.
 */
static const char json_sql[] =
	"DECLARE @saga nvarchar(max)=(SELECT v FROM OPENJSON(N'{\"v\":\"x\"}')"
	" WITH (v nvarchar(max) '$.v'))";

static const char begin_sql[] = "BEGIN TRANSACTION";
static const char commit_sql[] = "COMMIT TRANSACTION";
static const char save_sql[] = "SAVE TRANSACTION saga_mark";
static const char back_sql[] = "ROLLBACK TRANSACTION saga_mark";

static bool in_transaction(void *handle)
{
	const struct saga__mssql_store *store = handle;

	return store->open;
}

/* ---- transactions ---- */

static int begin(void *handle, saga_error *error)
{
	struct saga__mssql_store *store = handle;
	int code;

	saga__mssql_enter(&store->link);
	if (store->broken || store->link.dead)
		return saga__statement_fail(SAGA_AWAY, begin_sql, error, "%s",
			store->broken ? "the last rollback failed" : saga__mssql_why(&store->link));
	if (store->open)
		return saga__statement_fail(
			SAGA_REFUSED, begin_sql, error, "a transaction is open already");
	saga__mssql_forget(store);
	code = saga__mssql_say(store, begin_sql);
	if (code != SAGA_OK)
		return saga__mssql_explain(store, begin_sql, code, error);
	store->open = true;
	return SAGA_OK;
}

/*
 * Sent, and no whole answer: nobody knows. An error that is an answer, from a server that still
 * serves, says that it did not happen; from one that goes down it says nothing.
 */
static int commit(void *handle, saga_error *error)
{
	struct saga__mssql_store *store = handle;
	int code;

	saga__mssql_enter(&store->link);
	if (!store->open)
		return saga__statement_fail(
			SAGA_REFUSED, commit_sql, error, "no transaction is open");
	code = saga__mssql_say(store, commit_sql);
	if (code == SAGA_OK) {
		saga__mssql_forget(store);
		return SAGA_OK;
	}
	if (code == SAGA_AWAY)
		code = SAGA_UNKNOWN;
	code = saga__statement_fail(code, commit_sql, error, "%s", saga__mssql_why(&store->link));
	saga__mssql_take_back(store);
	return code;
}

static void rollback(void *handle)
{
	struct saga__mssql_store *store = handle;

	saga__mssql_enter(&store->link);
	saga__mssql_take_back(store);
}

static int mark(void *handle, saga_error *error)
{
	struct saga__mssql_store *store = handle;

	if (!store->open)
		return saga__statement_fail(
			SAGA_REFUSED, save_sql, error, "no transaction is open");
	store->to_mark = true;
	return SAGA_OK;
}

static int back(void *handle, saga_error *error)
{
	struct saga__mssql_store *store = handle;
	int code;

	saga__mssql_enter(&store->link);
	if (!store->open || (!store->to_mark && !store->marked))
		return saga__statement_fail(SAGA_REFUSED, back_sql, error, "there is no mark");
	if (store->to_mark) /* and nothing was done since */
		return SAGA_OK;
	code = saga__mssql_say(store, back_sql);
	if (code != SAGA_OK)
		return saga__mssql_explain(store, back_sql, code, error);
	/* Servers differ in whether a savepoint outlives the way back to it. */
	store->marked = false;
	store->to_mark = true;
	return SAGA_OK;
}

/* ---- opening ---- */

/* A refusal lasts; only an error that may pass is tried again. */
static int explain_set_up(struct saga__mssql_store *store,
	const struct saga__mssql_settings *settings, int code, const char *refused,
	saga_error *error)
{
	const char *why = saga__mssql_why(&store->link);

	if (code == SAGA_REFUSED)
		return saga_error_set(error, SAGA_UNSUPPORTED, "store: %s: %s: %s",
			settings->server, refused, why);
	return saga_error_set(error, code, "store: %s: %s", settings->server, why);
}

static int set_up(struct saga__mssql_store *store, const struct saga__mssql_settings *settings,
	saga_error *error)
{
	char sql[sizeof settings_sql + 40];
	int code;

	(void)snprintf(sql, sizeof sql, settings_sql, settings->timeout_ms / 4 * 3 + 1,
		settings->isolation == SAGA__MSSQL_SERIALIZABLE ? "SERIALIZABLE"
								: "READ COMMITTED");
	if ((code = saga__mssql_say(store, sql)) != SAGA_OK)
		return explain_set_up(
			store, settings, code, "the server refuses the settings", error);
	if ((code = saga__mssql_say(store, json_sql)) != SAGA_OK)
		return explain_set_up(store, settings, code,
			"OPENJSON is unknown: the database needs COMPATIBILITY_LEVEL 130 or more",
			error);
	return SAGA_OK;
}

static void close_store(void *handle)
{
	struct saga__mssql_store *store = handle;

	if (store->open)
		rollback(store);
	saga__mssql_link_close(&store->link);
	saga__mssql_rows_free(&store->rows);
	free(store);
}

static int open_store(const saga_store_options *options, void **ret_store, saga_error *error)
{
	struct saga__mssql_settings settings;
	struct saga__mssql_store *store;
	int code = saga__mssql_settings_read(options, &settings, error);

	if (code != SAGA_OK)
		return code;
	store = calloc(1, sizeof *store);
	code = store ? saga__mssql_link_open(&store->link, &settings, error)
		     : saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	if (code == SAGA_OK)
		code = set_up(store, &settings, error);
	if (code == SAGA_OK)
		*ret_store = store;
	else if (store)
		close_store(store);
	saga__mssql_settings_free(&settings);
	return code;
}

/* The request that waits looks once a second; ct_cancel would ask a server that may be gone. */
static void interrupt(void *handle)
{
	struct saga__mssql_store *store = handle;

	atomic_store(&store->link.interrupted, true);
}

/*
 * There is no `native`: a handler could end the transaction by it, and ct-lib does not let
 * `in_transaction` see that without asking the server.
 */
const saga_store_ops saga__mssql_store = {
	.size = sizeof(saga_store_ops),
	.schemes = "mssql",
	.dialect = SAGA_TSQL,
	.writers = 0,
	.open = open_store,
	.run = saga__mssql_run,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.mark = mark,
	.back = back,
	.in_transaction = in_transaction,
	.interrupt = interrupt,
	.close = close_store,
};
