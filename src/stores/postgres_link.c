#include "postgres_link.h"
#include "postgres_text.h"
#include "statement.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PREPARE,
	RUN,
	DROP,
	SYNC
};

/* ---- errors ---- */

/* Takes libpq's message, without the end of its line. */
static int lose(struct saga__pg *pg, const char *sql, saga_error *error)
{
	const char *why = PQerrorMessage(pg->conn);

	pg->broken = true;
	return saga__statement_fail(SAGA_AWAY, sql, error, "%.*s", (int)strcspn(why, "\n"), why);
}

static bool begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The result of a prepared statement has other columns now. */
static bool is_stale(const char *state, const struct saga__pg_sent *sent)
{
	return sent->number && sent->kind == RUN && strcmp(state, "0A000") == 0;
}

/* ---- time ---- */

static int64_t monotonic(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void saga__pg_enter(struct saga__pg *pg)
{
	char rest[16];

	pg->until = monotonic() + pg->timeout_ms;
	if (atomic_exchange(&pg->interrupted, false))
		while (read(pg->alarm[0], rest, sizeof rest) > 0)
			;
}

/* NULL: something may have happened. Else why it must end. */
static const char *wait_for(struct saga__pg *pg, short events)
{
	struct pollfd fds[] = { { .fd = PQsocket(pg->conn), .events = events },
		{ .fd = pg->alarm[0], .events = POLLIN } };
	int64_t left = pg->until - monotonic();

	if (atomic_load(&pg->interrupted))
		return "interrupted";
	if (left <= 0)
		return "it took longer than a call may";
	(void)poll(fds, 2, (int)(left < 60000 ? left : 60000));
	return NULL;
}

/* ---- sending ---- */

static int note_sent(struct saga__pg *pg, struct saga__pg_sent sent, saga_error *error)
{
	if (pg->first + pg->count == pg->room && pg->first > 0) {
		memmove(pg->sent, pg->sent + pg->first, pg->count * sizeof *pg->sent);
		pg->first = 0;
	}
	if (pg->count == pg->room) {
		size_t room = pg->room ? 2 * pg->room : 64;
		void *more = realloc(pg->sent, room * sizeof *pg->sent);

		if (!more) {
			pg->broken = true; /* an answer would come that nobody knows */
			return saga__statement_fail(SAGA_NOMEM, sent.sql, error, "out of memory");
		}
		pg->sent = more;
		pg->room = room;
	}
	pg->sent[pg->first + pg->count++] = sent;
	return SAGA_OK;
}

static int is_sent(struct saga__pg *pg, int went, struct saga__pg_sent sent, saga_error *error)
{
	return went ? note_sent(pg, sent, error) : lose(pg, sent.sql, error);
}

int saga__pg_send_sync(struct saga__pg *pg, saga_error *error)
{
	return is_sent(pg, PQpipelineSync(pg->conn),
		(struct saga__pg_sent){ .kind = SYNC, .sql = "sync" }, error);
}

static int send_drop(struct saga__pg *pg, uint64_t number, saga_error *error)
{
	char sql[SAGA__PG_NAME + 16], name[SAGA__PG_NAME];

	(void)snprintf(sql, sizeof sql, "DEALLOCATE %s", saga__pg_name(number, name));
	return is_sent(pg, PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1),
		(struct saga__pg_sent){ .kind = DROP, .sql = "DEALLOCATE" }, error);
}

static int check_count(
	const struct saga__pg_text *text, const saga_statement *statement, saga_error *error)
{
	if (text->is_script && (text->value_count || statement->value_count))
		return saga__statement_fail(
			SAGA_REFUSED, statement->sql, error, "values go with one statement alone");
	if (text->value_count == statement->value_count)
		return SAGA_OK;
	return saga__statement_fail(SAGA_REFUSED, statement->sql, error,
		"takes %zu values, and %zu were given", text->value_count, statement->value_count);
}

static int translate(const saga_statement *statement, bool guards, struct saga__pg_text *ret_text,
	saga_error *error)
{
	char *guard = NULL;
	struct saga__pg_text text;
	int code;

	if (!saga__pg_translate(statement->sql, &text))
		return saga__statement_fail(SAGA_NOMEM, statement->sql, error, "out of memory");
	if ((code = check_count(&text, statement, error)) == SAGA_OK && guards &&
		!(guard = saga__pg_guard(text.sql)))
		code = saga__statement_fail(SAGA_NOMEM, statement->sql, error, "out of memory");
	if (guard) {
		free(text.sql);
		text.sql = guard;
	}
	if (code == SAGA_OK)
		*ret_text = text;
	else
		free(text.sql);
	return code;
}

/* Values make it a statement that comes again: it is prepared. */
static int prepare(struct saga__pg *pg, const saga_statement *statement, bool guards,
	struct saga__pg_cached **ret_cached, saga_error *error)
{
	struct saga__pg_cached *cached;
	struct saga__pg_text text;
	char name[SAGA__PG_NAME];
	uint64_t dropped;
	int code = translate(statement, guards, &text, error);

	if (code != SAGA_OK)
		return code;
	if (!(cached = saga__pg_cache_add(&pg->cache, statement, text.sql, guards, &dropped))) {
		code = saga__statement_fail(SAGA_NOMEM, statement->sql, error, "out of memory");
		goto out;
	}
	if (dropped && (code = send_drop(pg, dropped, error)) != SAGA_OK)
		goto out;
	code = is_sent(pg,
		PQsendPrepare(pg->conn, saga__pg_name(cached->number, name), text.sql,
			(int)cached->count, cached->types),
		(struct saga__pg_sent){ .kind = PREPARE,
			.guards = guards,
			.number = cached->number,
			.sql = statement->sql },
		error);
	*ret_cached = cached;
out:
	free(text.sql);
	return code;
}

static int set_values(struct saga__pg *pg, const saga_statement *statement, saga_error *error)
{
	const char *why = "";
	size_t wrong = 0;
	int code = saga__pg_values_set(
		&pg->values, statement->values, statement->value_count, &wrong, &why);

	if (code == SAGA_REFUSED)
		return saga__statement_fail(
			code, statement->sql, error, "value %zu %s", wrong + 1, why);
	return code == SAGA_OK ? code
			       : saga__statement_fail(code, statement->sql, error, "out of memory");
}

static int send_plain(struct saga__pg *pg, const saga_statement *statement,
	struct saga__pg_sent sent, saga_error *error)
{
	struct saga__pg_text text;
	int code = translate(statement, false, &text, error);

	if (code != SAGA_OK)
		return code;
	code = is_sent(pg, PQsendQueryParams(pg->conn, text.sql, 0, NULL, NULL, NULL, NULL, 1),
		sent, error);
	free(text.sql);
	return code;
}

static int send_run(struct saga__pg *pg, const saga_statement *statement, struct saga__pg_sent sent,
	saga_error *error)
{
	const struct saga__pg_values *values = &pg->values;
	struct saga__pg_cached *cached;
	char name[SAGA__PG_NAME];
	int code;

	if (!statement->value_count)
		return send_plain(pg, statement, sent, error);
	if ((code = set_values(pg, statement, error)) != SAGA_OK)
		return code;
	cached = saga__pg_cache_find(&pg->cache, statement, sent.guards);
	if (!cached && (code = prepare(pg, statement, sent.guards, &cached, error)) != SAGA_OK)
		return code;
	sent.number = cached->number;
	return is_sent(pg,
		PQsendQueryPrepared(pg->conn, saga__pg_name(cached->number, name),
			(int)cached->count, values->at, values->sizes, values->formats, 1),
		sent, error);
}

int saga__pg_send(struct saga__pg *pg, const saga_statement *statement, size_t i, bool wanted,
	saga_error *error)
{
	return send_run(pg, statement,
		(struct saga__pg_sent){
			.kind = RUN, .i = i, .wanted = wanted, .sql = statement->sql },
		error);
}

int saga__pg_send_must(
	struct saga__pg *pg, const saga_statement *statement, bool guards, saga_error *error)
{
	pg->musts += !guards;
	return send_run(pg, statement,
		(struct saga__pg_sent){
			.kind = RUN, .must = true, .guards = guards, .sql = statement->sql },
		error);
}

int saga__pg_send_counted(
	struct saga__pg *pg, const saga_statement *statement, int64_t *changed, saga_error *error)
{
	return send_run(pg, statement,
		(struct saga__pg_sent){ .kind = RUN, .changed = changed, .sql = statement->sql },
		error);
}

int saga__pg_drop(struct saga__pg *pg, uint64_t number, saga_error *error)
{
	saga__pg_cache_forget(&pg->cache, number);
	return send_drop(pg, number, error);
}

int saga__pg_send_own(struct saga__pg *pg, enum saga__pg_own which, saga_error *error)
{
	return is_sent(pg,
		PQsendQueryPrepared(pg->conn, pg->own_names[which], 0, NULL, NULL, NULL, 1),
		(struct saga__pg_sent){ .kind = RUN, .sql = pg->own[which] }, error);
}

/* ---- answers ---- */

struct answering {
	struct saga__pg *pg;
	saga_sink *sink; /* NULL, or a sink that no longer wants: nobody */
	saga_error *error;
	struct saga__pg_end end;
};

static void is_unmet(struct answering *a, const struct saga__pg_sent *sent)
{
	a->pg->unmet = true;
	if (a->end.code == SAGA_OK)
		a->end.code = saga__statement_fail(
			SAGA_REJECTED, sent->sql, a->error, "no row was there for it");
}

/* In whatever language the server speaks: its message quotes the text. */
static bool says_unmet(const struct saga__pg_sent *sent, const char *state, const char *why)
{
	return sent->guards && strcmp(state, SAGA__PG_UNMET_STATE) == 0 && why &&
		strstr(why, SAGA__PG_UNMET);
}

static void take_failure(
	struct answering *a, const struct saga__pg_sent *sent, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	/* Without a state it is libpq's own: the connection is lost. */
	if (a->end.code == SAGA_OK && state && says_unmet(sent, state, why)) {
		is_unmet(a, sent);
	} else if (a->end.code == SAGA_OK && state) {
		/* As it stands it might have been taken. */
		a->pg->unguarded = a->pg->unguarded || (sent->guards && begins_with(state, "42"));
		a->end.stale = is_stale(state, sent) ? sent->number : 0;
		a->end.code = saga__statement_fail(saga__pg_code_of(state), sent->sql, a->error,
			"%s", why ? why : "it failed");
	}
}

static int make_columns(struct saga__pg *pg, size_t count)
{
	void *more;

	if (count <= pg->column_room)
		return SAGA_OK;
	if (!(more = realloc(pg->columns, count * sizeof *pg->columns)))
		return SAGA_NOMEM;
	pg->columns = more;
	if (!(more = realloc(pg->names, count * sizeof *pg->names)))
		return SAGA_NOMEM;
	pg->names = more;
	pg->column_room = count;
	return SAGA_OK;
}

static int give_row(
	struct answering *a, const struct saga__pg_sent *sent, const PGresult *result, int row)
{
	struct saga__pg *pg = a->pg;
	int count = PQnfields(result);

	if (make_columns(pg, (size_t)count) != SAGA_OK)
		return saga__statement_fail(SAGA_NOMEM, sent->sql, a->error, "out of memory");
	for (int i = 0; i < count; i++) {
		pg->names[i] = PQfname(result, i);
		if (saga__pg_column(result, row, i, &pg->columns[i]) != SAGA_OK)
			return saga__statement_fail(SAGA_REFUSED, sent->sql, a->error,
				"column `%s` is of a type that no value holds: CAST it",
				pg->names[i]);
	}
	a->end.was_given = true;
	return a->sink->row(a->sink->context, sent->i, pg->names, pg->columns, (size_t)count);
}

static void take_rows(struct answering *a, const struct saga__pg_sent *sent, const PGresult *result)
{
	if (!sent->wanted || !a->sink || !a->sink->row)
		return;
	for (int row = 0; a->end.code == SAGA_OK && row < PQntuples(result); row++)
		a->end.code = give_row(a, sent, result, row);
}

static void take_done(struct answering *a, const struct saga__pg_sent *sent, PGresult *result)
{
	const char *tag = PQcmdStatus(result);
	bool changes = begins_with(tag, "INSERT") || begins_with(tag, "UPDATE") ||
		begins_with(tag, "DELETE") || begins_with(tag, "MERGE");
	int64_t changed = changes ? (int64_t)strtoll(PQcmdTuples(result), NULL, 10) : 0;

	(void)snprintf(a->end.tag, sizeof a->end.tag, "%s", tag);
	if (sent->changed)
		*sent->changed += changed;
	if (a->end.code != SAGA_OK || !sent->wanted || !a->sink || !a->sink->done)
		return;
	a->end.was_given = true;
	a->sink->done(a->sink->context, sent->i, changed);
}

/* A mark that was not made must not be gone back to: there may be an older one of that name. */
static void did_not_happen(struct saga__pg *pg, const struct saga__pg_sent *sent)
{
	if (sent->kind == PREPARE)
		saga__pg_cache_forget(&pg->cache, sent->number);
	if (sent->kind == RUN && sent->sql == pg->own[SAGA__PG_MARK])
		pg->marked = false;
}

static void look_at_must(struct answering *a, const struct saga__pg_sent *sent, PGresult *result)
{
	if (!sent->must || strtoll(PQcmdTuples(result), NULL, 10) > 0)
		return;
	is_unmet(a, sent);
}

static void take_result(struct answering *a, const struct saga__pg_sent *sent, PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
		take_rows(a, sent, result);
		break;
	case PGRES_TUPLES_OK:
		take_rows(a, sent, result);
		take_done(a, sent, result);
		look_at_must(a, sent, result);
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		if (sent->kind == RUN) {
			take_done(a, sent, result);
			look_at_must(a, sent, result);
		}
		break;
	case PGRES_PIPELINE_SYNC:
		break;
	case PGRES_PIPELINE_ABORTED:
		did_not_happen(a->pg, sent);
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		a->pg->broken = true;
		if (a->end.code == SAGA_OK)
			a->end.code = saga__statement_fail(
				SAGA_REFUSED, sent->sql, a->error, "COPY goes by saga_native only");
		break;
	default:
		did_not_happen(a->pg, sent);
		take_failure(a, sent, result);
		break;
	}
}

/* ---- waiting ---- */

static void is_lost(struct answering *a, const char *sql, const char *why)
{
	a->end.lost = true;
	a->pg->broken = true;
	if (a->end.code != SAGA_OK)
		return;
	if (why)
		a->end.code = saga__statement_fail(SAGA_AWAY, sql, a->error, "%s", why);
	else
		a->end.code = lose(a->pg, sql, a->error);
}

/* False: it will not come. */
static bool await_result(struct answering *a, const char *sql, PGresult **ret_result)
{
	PGconn *conn = a->pg->conn;
	const char *why;
	int flushing;

	while (PQisBusy(conn)) {
		if ((flushing = PQflush(conn)) < 0)
			break;
		if ((why = wait_for(a->pg, flushing ? POLLIN | POLLOUT : POLLIN))) {
			is_lost(a, sql, why);
			return false;
		}
		if (!PQconsumeInput(conn) && PQstatus(conn) == CONNECTION_BAD)
			break; /* its last words may have been read */
	}
	if (PQisBusy(conn)) {
		is_lost(a, sql, NULL);
		return false;
	}
	*ret_result = PQgetResult(conn);
	return true;
}

static bool take_answer(struct answering *a, const struct saga__pg_sent *sent)
{
	PGconn *conn = a->pg->conn;
	PGresult *result;

	/* A large result comes row by row: the sink says how many it wants. */
	if (sent->wanted && a->sink && a->sink->row)
		(void)PQsetSingleRowMode(conn);
	for (;;) {
		bool is_sync;

		if (!await_result(a, sent->sql, &result))
			return false;
		if (!result)
			break;
		is_sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		take_result(a, sent, result);
		PQclear(result);
		if (PQstatus(conn) == CONNECTION_BAD || a->pg->broken) {
			is_lost(a, sent->sql, NULL);
			return false;
		}
		if (is_sync)
			return sent->kind == SYNC;
	}
	return sent->kind != SYNC;
}

/* Where the transaction stands, once nothing is on its way. */
static void observe(struct saga__pg *pg)
{
	PGTransactionStatusType status = PQtransactionStatus(pg->conn);

	if (pg->broken || status == PQTRANS_UNKNOWN || status == PQTRANS_ACTIVE)
		pg->broken = true;
	pg->open = !pg->broken && status != PQTRANS_IDLE;
	pg->failed = pg->open && (status == PQTRANS_INERROR || pg->unmet);
	pg->marked = pg->marked && pg->open;
}

static void read_answers(struct answering *a)
{
	struct saga__pg *pg = a->pg;

	for (; pg->count && !pg->broken; pg->first++, pg->count--) {
		const struct saga__pg_sent sent = pg->sent[pg->first];

		if (!take_answer(a, &sent) && !pg->broken)
			is_lost(a, sent.sql, "the answers are out of step");
	}
	pg->first = pg->count = pg->musts = 0;
	observe(pg);
}

void saga__pg_wait(
	struct saga__pg *pg, saga_sink *sink, saga_error *error, struct saga__pg_end *ret_end)
{
	struct answering a = { .pg = pg, .sink = sink, .error = error };

	if (!pg->broken && pg->count && saga__pg_send_sync(pg, error) != SAGA_OK) {
		a.end.lost = true;
		a.end.code = SAGA_AWAY;
	} else if (pg->broken) {
		a.end.lost = true;
		a.end.code =
			saga__statement_fail(SAGA_AWAY, "wait", error, "the connection was lost");
	}
	read_answers(&a);
	*ret_end = a.end;
}

void saga__pg_script(
	struct saga__pg *pg, const char *sql, saga_error *error, struct saga__pg_end *ret_end)
{
	const struct saga__pg_sent script = { .kind = RUN, .sql = sql };
	struct answering a = { .pg = pg, .error = error };

	if (!PQexitPipelineMode(pg->conn) || !PQsendQuery(pg->conn, sql))
		is_lost(&a, sql, NULL);
	else
		(void)take_answer(&a, &script);
	if (!pg->broken && !PQenterPipelineMode(pg->conn))
		is_lost(&a, sql, NULL);
	observe(pg);
	*ret_end = a.end;
}

/* ---- connecting ---- */

static int make_alarm(struct saga__pg *pg, saga_error *error)
{
	if (pipe(pg->alarm) != 0) {
		pg->alarm[0] = pg->alarm[1] = -1;
		return saga_error_set(error, SAGA_NOMEM, "store: no pipe: %s", strerror(errno));
	}
	for (int i = 0; i < 2; i++)
		if (fcntl(pg->alarm[i], F_SETFL, O_NONBLOCK) != 0 ||
			fcntl(pg->alarm[i], F_SETFD, FD_CLOEXEC) != 0)
			return saga_error_set(error, SAGA_NOMEM, "store: no pipe");
	return SAGA_OK;
}

static void hear_no_notice(void *context, const PGresult *result)
{
	(void)context, (void)result;
}

static int not_there(struct saga__pg *pg, const char *why, saga_error *error)
{
	const char *said = why ? why : PQerrorMessage(pg->conn);

	return saga_error_set(error, SAGA_AWAY, "store: %.*s", (int)strcspn(said, "\n"), said);
}

static int no_connection(struct saga__pg *pg, saga_error *error)
{
	const char *said = PQerrorMessage(pg->conn);

	return saga__pg_says_setting_is_wrong(said) ? saga__pg_refuses_settings(said, error)
						    : not_there(pg, NULL, error);
}

static int shake_hands(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	const char *why;

	if (!(pg->conn = saga__pg_settings_connect(settings)))
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	(void)PQsetNoticeReceiver(pg->conn, hear_no_notice, NULL);
	(void)PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		return not_there(pg, NULL, error);
	while (next != PGRES_POLLING_OK) {
		if ((why = wait_for(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT)))
			return not_there(pg, why, error);
		if ((next = PQconnectPoll(pg->conn)) == PGRES_POLLING_FAILED)
			return no_connection(pg, error);
	}
	(void)PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
	return SAGA_OK;
}

/* One round trip: the session's limits, and the statements that every transaction needs. */
int saga__pg_set_up(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error)
{
	struct saga__pg_end end = { .code = SAGA_OK };
	char limits[1024];
	int code;

	pg->own[SAGA__PG_BEGIN] = settings->begin;
	pg->own[SAGA__PG_COMMIT] = "COMMIT";
	pg->own[SAGA__PG_ROLLBACK] = "ROLLBACK";
	pg->own[SAGA__PG_MARK] = "SAVEPOINT saga_mark";
	pg->own[SAGA__PG_UNMARK] = "RELEASE SAVEPOINT saga_mark";
	pg->own[SAGA__PG_BACK] = "ROLLBACK TO SAVEPOINT saga_mark";
	for (int i = 0; i < SAGA__PG_OWN_COUNT; i++)
		(void)saga__pg_name(saga__pg_number(pg->own[i], NULL, 0, 0), pg->own_names[i]);
	saga__pg_settings_limits(settings, limits, sizeof limits);
	code = saga__pg_send(pg, &(saga_statement){ .sql = limits }, 0, false, error);
	for (int i = 0; code == SAGA_OK && i < SAGA__PG_OWN_COUNT; i++)
		code = is_sent(pg, PQsendPrepare(pg->conn, pg->own_names[i], pg->own[i], 0, NULL),
			(struct saga__pg_sent){ .kind = PREPARE, .sql = pg->own[i] }, error);
	if (code == SAGA_OK) {
		saga__pg_wait(pg, NULL, error, &end);
		code = end.code;
	}
	if (code == SAGA_REFUSED)
		return saga__pg_refuses_settings(error->text, error);
	return code == SAGA_OK || code == SAGA_NOMEM ? code : not_there(pg, error->text, error);
}

int saga__pg_reach(struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error)
{
	int code;

	pg->timeout_ms = settings->timeout_ms;
	pg->alarm[0] = pg->alarm[1] = -1;
	atomic_init(&pg->interrupted, false);
	saga__pg_cache_init(&pg->cache);
	saga__pg_enter(pg);
	code = make_alarm(pg, error);
	if (code == SAGA_OK)
		code = shake_hands(pg, settings, error);
	if (code == SAGA_OK &&
		(PQsetnonblocking(pg->conn, 1) != 0 || !PQenterPipelineMode(pg->conn)))
		code = not_there(pg, NULL, error);
	return code;
}

void saga__pg_disconnect(struct saga__pg *pg)
{
	PQfinish(pg->conn);
	for (int i = 0; i < 2; i++)
		if (pg->alarm[i] >= 0)
			(void)close(pg->alarm[i]);
	saga__pg_cache_clear(&pg->cache);
	saga__pg_values_free(&pg->values);
	free(pg->sent);
	free(pg->names);
	free(pg->columns);
}

int saga__pg_pipeline(struct saga__pg *pg, saga_error *error)
{
	if (pg->broken || PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF)
		return SAGA_OK;
	if (PQsetnonblocking(pg->conn, 1) != 0 || !PQenterPipelineMode(pg->conn))
		return lose(pg, "saga_native", error);
	observe(pg);
	return SAGA_OK;
}
