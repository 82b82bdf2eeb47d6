#include "mssql_run.h"
#include "mssql_request.h"
#include "mssql_text.h"
#include "statement.h"

#include <assert.h>
#include <string.h>

static const char rollback_sql[] = "IF @@TRANCOUNT>0 ROLLBACK TRANSACTION";
static const char save_sql[] = "SAVE TRANSACTION saga_mark";
static const char mark_name[] = "saga_mark";
static const char state_sql[] = "SELECT 0 AS " SAGA__MSSQL_AT ",XACT_STATE() AS " SAGA__MSSQL_STATE;

/* The answer to a request. */
struct answer {
	struct saga__mssql_store *store;
	const saga_statement *statements;
	size_t first, count; /* of them in this request */
	const saga_sink *sink;
	saga_error *error;
	int code;    /* the sink's, or of its rows; SAGA_OK so far */
	size_t done; /* statements */
	size_t at;   /* the one that ran last, if the request's end came */
	bool ended;
	int state; /* XACT_STATE() */
};

/* ---- answers ---- */

static void take_done(struct answer *answer)
{
	const saga_statement *statement = &answer->statements[answer->first + answer->done];
	const struct saga__mssql_rows *rows = &answer->store->rows;

	if (answer->code == SAGA_OK && answer->sink && answer->sink->done)
		answer->sink->done(answer->sink->context, answer->first + answer->done,
			saga__mssql_shape_of(statement->sql).reads ? 0 : rows->values[0].as.int64);
	answer->done++;
}

static void take_end(struct answer *answer)
{
	const struct saga__mssql_rows *rows = &answer->store->rows;

	answer->at = (size_t)rows->values[0].as.int64;
	answer->state = (int)rows->values[1].as.int64;
	answer->ended = true;
}

static void take_row(struct answer *answer)
{
	const struct saga__mssql_rows *rows = &answer->store->rows;

	if (answer->code == SAGA_OK)
		answer->code = answer->sink->row(answer->sink->context,
			answer->first + answer->done, rows->names, rows->values, rows->count);
}

/* A set that nobody wants is read to its end all the same, for what is behind it. */
static void take_set(struct answer *answer)
{
	struct saga__mssql_store *store = answer->store;
	const char *sql = answer->statements ? answer->statements[answer->first].sql : state_sql;
	int code = saga__mssql_rows_describe(&store->rows, &store->link);
	bool wanted = answer->sink && answer->sink->row, done = false, end = false;

	if (code == SAGA_OK && store->rows.count > 0) {
		done = strcmp(store->rows.names[0], SAGA__MSSQL_DONE) == 0;
		end = strcmp(store->rows.names[0], SAGA__MSSQL_AT) == 0;
	}
	while (saga__mssql_row(&store->link)) {
		const char *column = "";

		if (code != SAGA_OK || (!wanted && !done && !end))
			continue;
		code = saga__mssql_rows_read(&store->rows, &store->link, &column);
		if (code == SAGA_REFUSED)
			(void)saga__statement_fail(code, sql, answer->error,
				"column `%s` has a type that no value holds", column);
		else if (code != SAGA_OK)
			(void)saga__statement_fail(code, sql, answer->error, "out of memory");
		else if (done && answer->done < answer->count)
			take_done(answer);
		else if (end)
			take_end(answer);
		else if (!done)
			take_row(answer);
	}
	if (answer->code == SAGA_OK)
		answer->code = code;
}

/* All that comes of the request that was sent. False: the link is dead. */
static bool take_answer(struct answer *answer)
{
	enum saga__mssql_next next;

	while ((next = saga__mssql_next(&answer->store->link)) == SAGA__MSSQL_ROWS)
		take_set(answer);
	return next == SAGA__MSSQL_END;
}

int saga__mssql_say(struct saga__mssql_store *store, const char *sql)
{
	struct answer answer = { .store = store };

	if (!saga__mssql_send(&store->link, sql, NULL, 0) || !take_answer(&answer))
		return SAGA_AWAY;
	return saga__mssql_code(&store->link);
}

/* ---- the transaction ---- */

void saga__mssql_forget(struct saga__mssql_store *store)
{
	store->open = store->marked = store->to_mark = false;
}

void saga__mssql_take_back(struct saga__mssql_store *store)
{
	bool was_open = store->open;

	saga__mssql_forget(store);
	/* The server rolls back when it finds the link abandoned. */
	if (!was_open || store->link.dead)
		return;
	store->link.number = 0; /* what led here was told */
	store->broken = saga__mssql_say(store, rollback_sql) != SAGA_OK;
}

/* The server's last word on the transaction. A doomed one can only be rolled back. */
static void take_state(struct saga__mssql_store *store, int state)
{
	if (state < 0)
		saga__mssql_take_back(store);
	else if (state == 0)
		saga__mssql_forget(store);
}

/* After an error that ended the request early: does the transaction live? */
static void ask_state(struct saga__mssql_store *store)
{
	struct answer answer = { .store = store };

	if (!store->open)
		return;
	if (!saga__mssql_send(&store->link, state_sql, NULL, 0) || !take_answer(&answer) ||
		!answer.ended)
		saga__mssql_forget(store);
	else
		take_state(store, answer.state);
}

int saga__mssql_explain(
	struct saga__mssql_store *store, const char *sql, int code, saga_error *error)
{
	code = saga__statement_fail(code, sql, error, "%s", saga__mssql_why(&store->link));
	if (store->link.dead)
		saga__mssql_forget(store);
	else if (code == SAGA_CONTENDED)
		saga__mssql_take_back(store);
	else
		ask_state(store);
	return code;
}

/* ---- run ---- */

/* A transaction that lost against another is lost as a whole. */
static int explain_request(struct answer *answer)
{
	struct saga__mssql_store *store = answer->store;
	const struct saga__mssql_link *link = &store->link;
	size_t at = answer->ended ? answer->at : answer->done < answer->count ? answer->done : 0;
	const char *sql = answer->statements[answer->first + at].sql;
	int code = saga__mssql_code(link);

	if (answer->code != SAGA_OK && code == SAGA_OK)
		return answer->code;
	if (code == SAGA_OK) /* an end without a reason: a RETURN, say */
		code = saga__statement_fail(
			SAGA_REFUSED, sql, answer->error, "it ended before its time");
	else if (answer->ended || answer->sink || answer->count == 1)
		(void)saga__statement_fail(code, sql, answer->error, "%s", saga__mssql_why(link));
	else
		(void)saga__statement_fail(code, sql, answer->error,
			"or one of the %zu behind it: %s", answer->count - 1,
			saga__mssql_why(link));
	return code;
}

static int finish_request(struct answer *answer)
{
	struct saga__mssql_store *store = answer->store;
	int code = SAGA_OK;

	if (answer->code != SAGA_OK || saga__mssql_code(&store->link) != SAGA_OK || !answer->ended)
		code = explain_request(answer);
	if (store->link.dead)
		saga__mssql_forget(store);
	else if (code == SAGA_CONTENDED && answer->code == SAGA_OK)
		saga__mssql_take_back(store);
	else if (answer->ended)
		take_state(store, answer->state);
	else
		ask_state(store);
	return code;
}

static int run_request(struct answer *answer)
{
	struct saga__mssql_store *store = answer->store;
	const saga_sink *sink = answer->sink;
	struct saga__mssql_request request = { 0 };
	int code = saga__mssql_request_make(&request, answer->statements + answer->first,
		answer->count, store->to_mark ? mark_name : NULL, sink && (sink->row || sink->done),
		answer->error);

	if (code == SAGA_OK) {
		store->marked = store->marked || store->to_mark;
		store->to_mark = false;
		if (saga__mssql_send(
			    &store->link, request.text, request.params, request.param_count))
			(void)take_answer(answer);
		code = finish_request(answer);
	}
	saga__mssql_request_free(&request);
	return code;
}

/*
 * A text of several statements goes as it is: a CREATE PROCEDURE bears nothing beside it. It stops
 * at what fails, and is taken back with its transaction.
 */
static int run_script(struct saga__mssql_store *store, const char *sql, saga_error *error)
{
	const char *failed = sql;
	int code = SAGA_OK;

	if (store->to_mark) {
		code = saga__mssql_say(store, failed = save_sql);
		store->marked = code == SAGA_OK;
		store->to_mark = false;
	}
	if (code == SAGA_OK)
		code = saga__mssql_say(store, failed = "SET XACT_ABORT ON");
	if (code == SAGA_OK) {
		code = saga__mssql_say(store, failed = sql);
		if (code != SAGA_OK)
			code = saga__mssql_explain(store, failed, code, error);
		if (!store->link.dead)
			(void)saga__mssql_say(store, "SET XACT_ABORT OFF");
		return code;
	}
	return saga__mssql_explain(store, failed, code, error);
}

static int check(
	const saga_statement *statement, struct saga__mssql_shape *ret_shape, saga_error *error)
{
	struct saga__mssql_shape shape = saga__mssql_shape_of(statement->sql);

	if (!saga__mssql_is_text(statement->sql))
		return saga__statement_fail(SAGA_REFUSED, "", error, "the statement is no UTF-8");
	if (shape.values != statement->value_count)
		return saga__statement_fail(SAGA_REFUSED, statement->sql, error,
			"takes %zu values, and %zu were given", shape.values,
			statement->value_count);
	if (shape.values > 0 && shape.statements > 1)
		return saga__statement_fail(
			SAGA_REFUSED, statement->sql, error, "values go with one statement alone");
	*ret_shape = shape;
	return SAGA_OK;
}

/*
 * How many of the statements go into one request: a script goes alone, and what writes does not go
 * behind what reads for a sink, since that may stop it.
 */
static int gather(const saga_statement *statements, size_t count, bool rows, size_t *ret_count,
	struct saga__mssql_shape *ret_shape, saga_error *error)
{
	bool read = false;
	size_t taken = 0;

	count = saga__mssql_share(statements, count);
	for (; taken < count; taken++) {
		struct saga__mssql_shape shape = { 0 };
		int code = check(&statements[taken], &shape, taken ? NULL : error);

		if (taken == 0) {
			if (code != SAGA_OK)
				return code;
			*ret_shape = shape;
		}
		if (code != SAGA_OK || (taken && (shape.statements != 1 || (read && !shape.reads))))
			break;
		read = read || (rows && shape.reads);
		if (shape.statements != 1) {
			taken = 1;
			break;
		}
	}
	*ret_count = taken;
	return SAGA_OK;
}

static int run_some(struct saga__mssql_store *store, const saga_statement *statements, size_t first,
	size_t count, const saga_sink *sink, size_t *ret_count, saga_error *error)
{
	struct answer answer = { .store = store,
		.statements = statements,
		.first = first,
		.sink = sink,
		.error = error };
	struct saga__mssql_shape shape = { 0 };
	int code =
		gather(statements + first, count, sink && sink->row, &answer.count, &shape, error);

	if (code != SAGA_OK)
		return code;
	assert(answer.count > 0);
	*ret_count = answer.count;
	if (shape.statements == 1)
		return run_request(&answer);
	if (shape.statements > 1)
		code = run_script(store, statements[first].sql, error);
	if (code == SAGA_OK && sink && sink->done)
		sink->done(sink->context, first, 0);
	return code;
}

int saga__mssql_run(void *handle, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct saga__mssql_store *store = handle;
	int code = SAGA_OK;

	saga__mssql_enter(&store->link);
	if (store->link.dead)
		return saga_error_set(error, SAGA_AWAY, "store: %s", saga__mssql_why(&store->link));
	for (size_t i = 0, some = 0; code == SAGA_OK && i < count; i += some)
		code = run_some(store, statements, i, count - i, sink, &some, error);
	return code;
}
