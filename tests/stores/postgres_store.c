/* What is PostgreSQL's alone. What all stores have in common: store_conformance.c. */
#include "postgres_proxy.h"
#include "stores/dialect.h"
#include "stores/postgres_text.h"

#include <saga/plugin.h>

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PATIENCE_MS = 2000, /* with a machine that has other things to do */
	TIMEOUT_MS = 5000
};

static const saga_store_ops *ops;
static const char *server;
static saga_error error;

struct answer {
	size_t rows;
	saga_value value; /* of the last row's first column */
	char text[128];
	int64_t changed;
};

static int keep_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct answer *answer = context;

	(void)i, (void)names;
	answer->rows++;
	answer->value = (saga_value){ .kind = SAGA_VALUE_NULL };
	if (column_count)
		answer->value = columns[0];
	if (answer->value.kind == SAGA_VALUE_TEXT)
		(void)snprintf(answer->text, sizeof answer->text, "%.*s",
			(int)columns[0].as.bytes.size, (const char *)columns[0].as.bytes.at);
	return SAGA_OK;
}

static void keep_done(void *context, size_t i, int64_t changed)
{
	(void)i;
	((struct answer *)context)->changed = changed;
}

static int run_values(
	void *store, const char *sql, const saga_value *values, size_t count, struct answer *answer)
{
	saga_statement statement = { sql, values, count };
	struct answer ignored;
	saga_sink sink = { keep_row, keep_done, answer ? answer : &ignored };

	*(struct answer *)sink.context = (struct answer){ .rows = 0 };
	return ops->run(store, &statement, 1, &sink, &error);
}

static int run(void *store, const char *sql, struct answer *answer)
{
	return run_values(store, sql, NULL, 0, answer);
}

/* Nobody waits for it. */
static int send_insert(void *store, int64_t id)
{
	saga_value value = saga_int64(id);
	saga_statement statement = { "INSERT INTO pg_temp.things (id) VALUES (?)", &value, 1 };

	return ops->run(store, &statement, 1, NULL, &error);
}

static int try_open(const char *url, int timeout_ms, void **ret_store)
{
	const saga_store_options options = { .url = url, .timeout_ms = timeout_ms };

	return ops->open(&options, ret_store, &error);
}

static void *open_with(const char *more, int timeout_ms)
{
	char url[512];
	void *store;

	(void)snprintf(url, sizeof url, "%s%s%s", server,
		!*more                        ? ""
			: strchr(server, '?') ? "&"
					      : "?",
		more);
	ck_assert_msg(try_open(url, timeout_ms, &store) == SAGA_OK, "%s", error.text);
	ck_assert_msg(run(store, "CREATE TEMPORARY TABLE things (id BIGINT PRIMARY KEY, at UUID)",
			      NULL) == SAGA_OK,
		"%s", error.text);
	return store;
}

static int64_t count(void *store)
{
	struct answer answer;

	ck_assert_msg(run(store, "SELECT count(*) FROM pg_temp.things", &answer) == SAGA_OK, "%s",
		error.text);
	return answer.value.as.int64;
}

static void ck_code(int code, int wanted)
{
	ck_assert_msg(code == wanted, "%s instead of %s: %s", saga_code_name(code),
		saga_code_name(wanted), error.text);
}

static int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- texts ---- */

START_TEST(question_marks_become_numbers)
{
	static const struct {
		const char *from, *to;
		size_t values;
		bool is_script;
	} texts[] = {
		{ "", "", 0, false },
		{ "SELECT ?, ?", "SELECT $1, $2", 2, false },
		{ "SELECT '?', \"?\", 'it''s ?', ?", "SELECT '?', \"?\", 'it''s ?', $1", 1, false },
		{ "SELECT E'\\'?', ?", "SELECT E'\\'?', $1", 1, false },
		{ "SELECT e'\\\\', ?", "SELECT e'\\\\', $1", 1, false },
		{ "SELECT name'\\', ?", "SELECT name'\\', $1", 1, false },
		{ "SELECT a ?? ? -- ?\n, ?", "SELECT a ? $1 -- ?\n, $2", 2, false },
		{ "SELECT /* ? /* ? */ ? */ ?", "SELECT /* ? /* ? */ ? */ $1", 1, false },
		{ "SELECT $$ ? $$, $a$ ? $$ ? $a$, ?", "SELECT $$ ? $$, $a$ ? $$ ? $a$, $1", 1,
			false },
		{ "SELECT a$b$c ?", "SELECT a$b$c $1", 1, false },
		{ "SELECT $1, ?", "SELECT $1, $1", 1, false },
		{ "SELECT ? ; -- done\n ;", "SELECT $1 ; -- done\n ;", 1, false },
		{ "SELECT 1; SELECT 2", "SELECT 1; SELECT 2", 0, true },
		{ "SELECT ';' ; /* ; */", "SELECT ';' ; /* ; */", 0, false },
		{ "SELECT '?", "SELECT '?", 0, false },
		{ "SELECT /* ?", "SELECT /* ?", 0, false },
		{ "SELECT $a$ ?", "SELECT $a$ ?", 0, false },
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct saga__pg_text text;

		ck_assert(saga__pg_translate(texts[i].from, &text));
		ck_assert_str_eq(text.sql, texts[i].to);
		ck_assert_uint_eq(text.value_count, texts[i].values);
		ck_assert_msg(text.is_script == texts[i].is_script, "%s", texts[i].from);
		free(text.sql);
	}
}
END_TEST

#define LOOK \
	"SELECT CASE WHEN count(*) > 0 THEN 1 ELSE CAST('" SAGA__PG_UNMET \
	"' || CAST(count(*) AS text) AS integer) END FROM "

START_TEST(a_guard_fails_by_itself)
{
	static const char *const texts[][2] = {
		{ "SELECT 1 FROM a WHERE b = $1",
			LOOK "(SELECT 1 FROM a WHERE b = $1\n) saga_guard" },
		{ "update a set b = $1 -- all",
			"WITH saga_guard AS (update a set b = $1 -- all\n RETURNING 1) " LOOK
			"saga_guard" },
		{ "DELETE FROM a RETURNING b", NULL },
		{ "WITH a AS (SELECT 1) SELECT * FROM a", NULL },
		{ "SELECTED", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *guard;

		ck_assert(saga__pg_can_guard(texts[i][0]) == (texts[i][1] != NULL));
		if (!texts[i][1])
			continue;
		guard = saga__pg_guard(texts[i][0]);
		ck_assert_str_eq(guard, texts[i][1]);
		free(guard);
	}
}
END_TEST

/* ---- options ---- */

START_TEST(isolation_is_the_url_s)
{
	static const char *const wanted[][2] = { { "", "read committed" },
		{ "isolation=serializable", "serializable" },
		{ "isolation=repeatable-read&connect_timeout=5", "repeatable read" },
		{ "connect_timeout=5&isolation=read-committed", "read committed" } };
	struct answer answer;
	void *store;
	char url[512];

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		store = open_with(wanted[i][0], TIMEOUT_MS);
		ck_code(ops->begin(store, &error), SAGA_OK);
		ck_code(run(store, "SELECT current_setting('transaction_isolation')", &answer),
			SAGA_OK);
		ck_assert_str_eq(answer.text, wanted[i][1]);
		ops->close(store);
	}
	(void)snprintf(url, sizeof url, "%s?isolation=dirty", server);
	ck_code(try_open(url, TIMEOUT_MS, &store), SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "dirty"));
}
END_TEST

START_TEST(lowered_durability_is_seen)
{
	const struct saga__dialect *dialect = saga__dialect_of(SAGA_POSTGRESQL);
	struct answer answer;
	void *store = open_with("options=-csynchronous_commit%3Doff", TIMEOUT_MS);

	ck_code(run(store, dialect->durable, &answer), SAGA_OK);
	ck_assert_int_eq(answer.value.as.int64, 0);
	ops->close(store);
}
END_TEST

/* So that a lock ends when its holder is paused, and before a slot's own time is over. */
START_TEST(a_session_has_limits)
{
	static const char *const limits[] = { "lock_timeout", "statement_timeout",
		"idle_in_transaction_session_timeout" };
	void *store = open_with("", TIMEOUT_MS);

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		saga_value name = saga_text(limits[i]);
		struct answer answer;

		ck_code(run_values(store, "SELECT setting::bigint FROM pg_settings WHERE name = ?",
				&name, 1, &answer),
			SAGA_OK);
		ck_assert_int_gt(answer.value.as.int64, TIMEOUT_MS / 2);
		ck_assert_int_lt(answer.value.as.int64, TIMEOUT_MS);
	}
	ops->close(store);
}
END_TEST

static void ck_refused(const char *more, const char *why)
{
	char url[512];
	void *store;

	(void)snprintf(url, sizeof url, "%s%c%s", server, strchr(server, '?') ? '&' : '?', more);
	ck_code(try_open(url, TIMEOUT_MS, &store), SAGA_REFUSED);
	ck_assert_msg(
		strstr(error.text, "refuses the session's settings") && strstr(error.text, why),
		"%s", error.text);
}

/* Waiting mends none of them: a participant that is told AWAY would wait for ever. */
START_TEST(settings_that_the_server_refuses_are_no_outage)
{
	void *store = open_with("", TIMEOUT_MS);

	ck_code(run(store, "CREATE SCHEMA refuses", NULL), SAGA_OK);
	ck_code(run(store,
			"CREATE FUNCTION refuses.set_config(text, text, boolean) RETURNS text"
			" LANGUAGE plpgsql AS $$ BEGIN"
			" RAISE 'not on this platform' USING ERRCODE = '22023'; END $$",
			NULL),
		SAGA_OK);
	ck_refused("options=-csearch_path%3Drefuses,pg_catalog", "not on this platform");
	ck_code(run(store, "DROP SCHEMA refuses CASCADE", NULL), SAGA_OK);
	ck_refused("options=-cno_such_setting%3D1", "no_such_setting");
	ck_refused("options=-clock_timeout%3Dmany", "lock_timeout");
	ops->close(store);
}
END_TEST

START_TEST(an_idle_session_stays)
{
	void *store = open_with("options=-c%20idle_session_timeout%3D200", TIMEOUT_MS);

	(void)nanosleep(&(struct timespec){ .tv_nsec = 700000000 }, NULL);
	ck_assert_int_eq(count(store), 0);
	ops->close(store);
}
END_TEST

/* The text that a name stands for in a session; "": none. */
static const char *text_of_name(void *store, const char *name)
{
	static struct answer answer;
	const saga_value value = saga_text(name);

	ck_assert_msg(
		run_values(store, "SELECT statement FROM pg_prepared_statements WHERE name = ?",
			&value, 1, &answer) == SAGA_OK,
		"%s", error.text);
	return answer.text;
}

/* So a pooler that exchanges the session can cause an error, but never runs another statement. */
START_TEST(a_name_stands_for_one_text_in_all_sessions)
{
	static const char *const sqls[] = { "SELECT CAST(? AS BIGINT) + 1",
		"SELECT CAST(? AS BIGINT) + 2", "SELECT CAST(? AS BIGINT) + 3" };
	void *stores[] = { open_with("", TIMEOUT_MS), open_with("", TIMEOUT_MS) };
	const saga_value value = saga_int64(1);
	struct answer answer;

	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(run_values(stores[0], sqls[i], &value, 1, NULL), SAGA_OK);
		ck_assert_int_eq(run_values(stores[1], sqls[2 - i], &value, 1, NULL), SAGA_OK);
	}
	for (size_t i = 0; i < 3; i++) {
		char name[128], ask[256], text[128];

		(void)snprintf(ask, sizeof ask,
			"SELECT name FROM pg_prepared_statements WHERE statement LIKE '%%+ %zu'"
			" AND statement NOT LIKE '%%LIKE%%'",
			i + 1);
		ck_assert_int_eq(run(stores[0], ask, &answer), SAGA_OK);
		ck_assert_uint_eq(answer.rows, 1);
		(void)snprintf(name, sizeof name, "%s", answer.text);
		(void)snprintf(text, sizeof text, "%s", text_of_name(stores[0], name));
		ck_assert(!*text_of_name(stores[1], name) ||
			strcmp(text_of_name(stores[1], name), text) == 0);
	}
	for (size_t i = 0; i < 2; i++)
		ops->close(stores[i]);
}
END_TEST

START_TEST(a_silent_holder_loses_its_transaction)
{
	void *store = open_with("", PATIENCE_MS);
	struct timespec pause = { .tv_sec = PATIENCE_MS / 1000, .tv_nsec = 100000000 };

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_assert_int_eq(count(store), 0);
	(void)nanosleep(&pause, NULL);
	ck_code(run(store, "SELECT 1", NULL), SAGA_AWAY);
	ck_assert(!ops->in_transaction(store));
	ops->close(store);
}
END_TEST

/* ---- values ---- */

START_TEST(an_id_suits_uuid_and_sums_are_numbers)
{
	saga_id id = { { 1, 2, 3, 255 } };
	saga_value values[] = { saga_int64(INT64_MAX), saga_uuid(id) };
	void *store = open_with("", TIMEOUT_MS);
	struct answer answer;

	ck_code(run_values(store, "INSERT INTO pg_temp.things (id, at) VALUES (?, ?)", values, 2,
			&answer),
		SAGA_OK);
	ck_code(run_values(store, "SELECT at FROM pg_temp.things WHERE at = ?", &values[1], 1,
			&answer),
		SAGA_OK);
	ck_assert_int_eq(answer.value.kind, SAGA_VALUE_ID);
	ck_assert_int_eq(memcmp(&answer.value.as.id, &id, sizeof id), 0);
	/* A sum of bigint is numeric. */
	ck_code(run(store, "SELECT sum(id) FROM pg_temp.things", &answer), SAGA_OK);
	ck_assert_int_eq(answer.value.kind, SAGA_VALUE_INT64);
	ck_assert_int_eq(answer.value.as.int64, INT64_MAX);
	ck_code(run(store, "SELECT -sum(id) - 1 FROM pg_temp.things", &answer), SAGA_OK);
	ck_assert_int_eq(answer.value.as.int64, INT64_MIN);
	ck_code(run(store, "SELECT 30000::numeric", &answer), SAGA_OK);
	ck_assert_int_eq(answer.value.as.int64, 30000);
	ck_code(run(store, "SELECT 100000000::numeric", &answer), SAGA_OK);
	ck_assert_int_eq(answer.value.as.int64, 100000000);
	ck_code(run(store, "SELECT sum(id) + 1 FROM pg_temp.things", &answer), SAGA_REFUSED);
	ck_code(run(store, "SELECT now()", &answer), SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(error.text, "CAST"));
	ck_code(run(store, "SELECT '{\"a\":1}'::jsonb ?? 'a'", &answer), SAGA_OK);
	ck_assert(answer.value.kind == SAGA_VALUE_BOOL && answer.value.as.boolean);
	ops->close(store);
}
END_TEST

/* The same text with an SQL NULL, a number, a text: each time as it is. */
START_TEST(a_value_s_kind_may_change)
{
	static const char sql[] = "SELECT coalesce(?, 0)::text";
	void *store = open_with("", TIMEOUT_MS);
	struct answer answer;

	for (int i = 0; i < 3; i++) {
		saga_value null = saga_null(), number = saga_int64(5000000000 + i),
			   text = saga_text("7");

		ck_code(run_values(store, sql, &null, 1, &answer), SAGA_OK);
		ck_assert_str_eq(answer.text, "0");
		ck_code(run_values(store, sql, &number, 1, &answer), SAGA_OK);
		ck_assert_int_eq(strtoll(answer.text, NULL, 10), 5000000000 + i);
		ck_code(run_values(store, sql, &text, 1, &answer), SAGA_OK);
		ck_assert_str_eq(answer.text, "7");
	}
	ops->close(store);
}
END_TEST

/* ---- what nobody waits for ---- */

START_TEST(a_failure_nobody_waited_for_is_told_by_who_waits)
{
	void *store = open_with("", TIMEOUT_MS);

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(send_insert(store, 2), SAGA_OK);
	ck_code(run(store, "SELECT 1", NULL), SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(error.text, "duplicate"));
	ck_code(run(store, "SELECT 1", NULL), SAGA_REFUSED);
	ops->rollback(store);
	ck_assert_int_eq(count(store), 0);

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(ops->commit(store, &error), SAGA_REFUSED);
	ck_assert(!ops->in_transaction(store));
	ck_assert_int_eq(count(store), 0);
	ops->close(store);
}
END_TEST

/* What failed before the mark is not healed by going back to an older one. */
START_TEST(a_mark_behind_a_failure_is_none)
{
	void *store = open_with("", TIMEOUT_MS);

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(ops->mark(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_code(ops->mark(store, &error), SAGA_OK);
	ck_code(run(store, "SELECT 1", NULL), SAGA_REFUSED);
	ck_code(ops->back(store, &error), SAGA_REFUSED);
	ops->rollback(store);
	ck_assert_int_eq(count(store), 0);
	ops->close(store);
}
END_TEST

START_TEST(more_than_may_be_on_its_way)
{
	void *store = open_with("", TIMEOUT_MS);

	ck_code(ops->begin(store, &error), SAGA_OK);
	for (int64_t i = 0; i < 5000; i++)
		ck_code(send_insert(store, i), SAGA_OK);
	ck_code(ops->commit(store, &error), SAGA_OK);
	ck_assert_int_eq(count(store), 5000);
	ops->close(store);
}
END_TEST

/* ---- failures ---- */

START_TEST(failures_are_told_apart)
{
	static const struct {
		const char *state;
		int code;
	} states[] = { { "40001", SAGA_CONTENDED }, { "40P01", SAGA_CONTENDED },
		{ "55P03", SAGA_CONTENDED }, { "23505", SAGA_REFUSED }, { "42601", SAGA_REFUSED },
		{ "53100", SAGA_FULL }, { "53200", SAGA_FULL }, { "53300", SAGA_AWAY },
		{ "57P01", SAGA_AWAY }, { "57014", SAGA_AWAY }, { "08006", SAGA_AWAY },
		{ "25006", SAGA_AWAY }, { "58030", SAGA_AWAY } };
	void *store = open_with("", TIMEOUT_MS);

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		char sql[160];

		(void)snprintf(sql, sizeof sql,
			"DO $$ BEGIN RAISE EXCEPTION 'wanted' USING ERRCODE = '%s'; END $$",
			states[i].state);
		ck_code(ops->begin(store, &error), SAGA_OK);
		ck_code(run(store, sql, NULL), states[i].code);
		ck_assert(ops->in_transaction(store) == (states[i].code != SAGA_CONTENDED));
		ops->rollback(store);
		ck_assert(!ops->in_transaction(store));
	}
	ops->close(store);
}
END_TEST

static void terminate(void *store)
{
	void *other = open_with("", TIMEOUT_MS);
	struct answer answer;
	saga_value pid;

	ck_code(run(store, "SELECT pg_backend_pid()", &answer), SAGA_OK);
	pid = answer.value;
	ck_code(run_values(other, "SELECT pg_terminate_backend(?::int, 5000)", &pid, 1, &answer),
		SAGA_OK);
	ops->close(other);
}

START_TEST(a_connection_that_was_cut_is_away_and_its_commit_unknown)
{
	void *store = open_with("", TIMEOUT_MS);

	terminate(store);
	ck_code(run(store, "SELECT 1", NULL), SAGA_AWAY);
	ck_code(ops->begin(store, &error), SAGA_AWAY);
	ops->close(store);
	store = open_with("", TIMEOUT_MS);
	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_assert_int_eq(count(store), 1);
	terminate(store);
	ck_code(ops->commit(store, &error), SAGA_UNKNOWN);
	ck_assert(!ops->in_transaction(store));
	ops->close(store);
}
END_TEST

static void *open_through(struct proxy *proxy, int timeout_ms)
{
	void *store = open_with("", TIMEOUT_MS);
	struct answer answer;
	char url[512];

	ck_code(run(store, "SELECT current_setting('port')", &answer), SAGA_OK);
	ops->close(store);
	proxy_start(proxy, (int)strtol(answer.text, NULL, 10));
	/* A later `port` of the URL's counts. */
	(void)snprintf(url, sizeof url, "%s%chostaddr=127.0.0.1&port=%d", server,
		strchr(server, '?') ? '&' : '?', proxy->port);
	ck_assert_msg(try_open(url, timeout_ms, &store) == SAGA_OK, "%s", error.text);
	ck_code(run(store, "CREATE TEMPORARY TABLE things (id BIGINT PRIMARY KEY)", NULL), SAGA_OK);
	return store;
}

/* A server that has gone silent holds no slot for longer than it may take. */
START_TEST(no_slot_outlasts_a_stall)
{
	struct proxy proxy;
	void *store = open_through(&proxy, PATIENCE_MS), *other;
	int64_t start;
	char url[512];

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	atomic_store(&proxy.stalls, true);
	start = now_ms();
	switch (_i) {
	case 0:
		ck_code(run(store, "SELECT 1", NULL), SAGA_AWAY);
		break;
	case 1:
		ck_code(ops->commit(store, &error), SAGA_UNKNOWN);
		break;
	case 2:
		ops->rollback(store);
		ck_code(ops->begin(store, &error), SAGA_AWAY);
		break;
	default:
		(void)snprintf(url, sizeof url, "postgres://127.0.0.1:%d/", proxy.port);
		ck_code(try_open(url, PATIENCE_MS, &other), SAGA_AWAY);
		break;
	}
	ck_assert_int_ge(now_ms() - start, PATIENCE_MS - 50);
	ck_assert_int_lt(now_ms() - start, 2 * PATIENCE_MS + 6000);
	if (_i < 3)
		ck_assert(!ops->in_transaction(store));
	ops->close(store);
	proxy_stop(&proxy);
}
END_TEST

START_TEST(a_commit_whose_answer_was_lost_is_unknown)
{
	struct proxy proxy;
	void *store = open_through(&proxy, TIMEOUT_MS);

	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(send_insert(store, 1), SAGA_OK);
	ck_assert_int_eq(count(store), 1);
	atomic_store(&proxy.loses_answers, true);
	ck_code(ops->commit(store, &error), SAGA_UNKNOWN);
	ops->close(store);
	proxy_stop(&proxy);
}
END_TEST

/* ---- round trips ---- */

START_TEST(a_batch_is_a_round_trip_for_each_answer)
{
	struct proxy proxy;
	void *store = open_through(&proxy, TIMEOUT_MS);

	for (int64_t i = 0; i < 3; i++) {
		int before = atomic_load(&proxy.turns);

		ck_code(ops->begin(store, &error), SAGA_OK);
		ck_code(send_insert(store, 10 * i), SAGA_OK);
		ck_code(ops->mark(store, &error), SAGA_OK);
		ck_code(send_insert(store, 10 * i + 1), SAGA_OK);
		ck_code(ops->mark(store, &error), SAGA_OK);
		ck_assert_int_eq(count(store), 2 * i + 2); /* the first */
		ck_code(ops->back(store, &error), SAGA_OK);
		ck_code(send_insert(store, 10 * i + 2), SAGA_OK);
		ck_code(ops->back(store, &error), SAGA_OK);
		ck_code(ops->commit(store, &error), SAGA_OK); /* the second */
		ck_assert_int_eq(atomic_load(&proxy.turns) - before, 2);
	}
	ck_assert_int_eq(count(store), 6);
	ops->close(store);
	proxy_stop(&proxy);
}
END_TEST

/* ---- sets ---- */

static saga_value set_of(const saga_value *first, size_t count, size_t stride)
{
	return (saga_value){ SAGA_VALUE_SET,
		{ .set = { first, (uint32_t)count, (uint32_t)stride } } };
}

static int require(void *store, const char *sql, int64_t id)
{
	const saga_value value = saga_int64(id);

	return ops->require(store, &(saga_statement){ sql, &value, 1 }, &error);
}

/* Raises the thing 1 so many times, and the last time one that is not there. */
static int raise_all(void *store, int times, bool last_is_there)
{
	static const char raise[] = "UPDATE things SET id = id WHERE id = ?";

	ck_code(ops->begin(store, &error), SAGA_OK);
	for (int i = 1; i <= times; i++)
		ck_code(require(store, raise, i < times || last_is_there ? 1 : 99), SAGA_OK);
	return ops->commit(store, &error);
}

START_TEST(few_guards_need_no_round_trip)
{
	static const struct {
		int times, turns;
	} rows[] = { { 3, 1 }, { 7, 1 }, { 8, 2 }, { 40, 2 }, { 3, 2 } };
	struct proxy proxy;
	int before;
	void *store = open_through(&proxy, 5000);

	ck_code(run(store, "INSERT INTO things VALUES (1)", NULL), SAGA_OK);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		before = atomic_load(&proxy.turns);
		ck_code(raise_all(store, rows[i].times, true), SAGA_OK);
		ck_assert_int_eq(atomic_load(&proxy.turns) - before, rows[i].turns);
		ck_code(raise_all(store, rows[i].times, false), SAGA_REJECTED);
		ck_assert(!ops->in_transaction(store));
	}
	for (int i = 0; i < 12; i++) /* by and by it is forgotten */
		ck_code(raise_all(store, 1, true), SAGA_OK);
	before = atomic_load(&proxy.turns);
	ck_code(raise_all(store, 3, true), SAGA_OK);
	ck_assert_int_eq(atomic_load(&proxy.turns) - before, 1);
	ops->close(store);
	proxy_stop(&proxy);
}
END_TEST

/* What can't be wrapped is waited for, and by and by nothing else is tried. */
START_TEST(a_guard_that_the_server_does_not_take)
{
	static const char strange[] = "SELECT 1 AS a FROM things WHERE id = ? ;";
	void *store = open_with("", 5000);

	ck_code(run(store, "INSERT INTO things VALUES (1)", NULL), SAGA_OK);
	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(require(store, strange, 1), SAGA_OK);
	ck_code(ops->commit(store, &error), SAGA_REFUSED);
	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(require(store, strange, 1), SAGA_OK);
	ck_code(ops->commit(store, &error), SAGA_OK);
	ck_code(ops->begin(store, &error), SAGA_OK);
	ck_code(require(store, strange, 99), SAGA_OK);
	ck_code(ops->commit(store, &error), SAGA_REJECTED);
	ops->close(store);
}
END_TEST

/* The server's log says what it was; also where the planner knows that there is no row. */
START_TEST(an_unmet_guard_says_what_it_is)
{
	static const char *const texts[] = { "SELECT 1 FROM things WHERE id = 99",
		"SELECT 1 WHERE false", "DELETE FROM things" };
	void *store = open_with("", 5000);
	PGconn *conn = ops->native(store);

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *guard = saga__pg_guard(texts[i]);
		PGresult *result = PQprepare(conn, "guard", guard, 0, NULL);

		ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
		PQclear(result);
		result = PQexecPrepared(conn, "guard", 0, NULL, NULL, NULL, 0);
		ck_assert_str_eq(
			PQresultErrorField(result, PG_DIAG_SQLSTATE), SAGA__PG_UNMET_STATE);
		ck_assert_ptr_nonnull(strstr(PQresultErrorMessage(result), SAGA__PG_UNMET "0"));
		PQclear(result);
		PQclear(PQexec(conn, "DEALLOCATE guard"));
		free(guard);
	}
	ops->close(store);
}
END_TEST

/* A guard's own fault is none of the row's that was not there. */
START_TEST(a_guard_that_is_wrong_is_refused)
{
	static const char *const texts[] = { "SELECT 1 WHERE 1 = 1 / CAST(? AS bigint)",
		"SELECT 1 FROM things WHERE id = CAST(CAST(? AS text) || 'x' AS integer)" };
	void *store = open_with("", 5000);

	ck_code(run(store, "INSERT INTO things VALUES (1)", NULL), SAGA_OK);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		ck_code(ops->begin(store, &error), SAGA_OK);
		ck_code(require(store, texts[i], 0), SAGA_OK);
		ck_code(ops->commit(store, &error), SAGA_REFUSED);
	}
	ops->close(store);
}
END_TEST

START_TEST(a_set_is_a_column_of_rows)
{
	static const char sql[] =
		"SELECT count(*) FROM unnest(?::bigint[], ?::text[], ?::bytea[], ?::uuid[],"
		" ?::boolean[], ?::text[]) WITH ORDINALITY k (n, t, b, i, f, nothing, at)"
		" WHERE n IS NOT DISTINCT FROM (ARRAY[7, NULL, -9])[at]"
		" AND t IS NOT DISTINCT FROM (ARRAY['', 'two, \"and\" more', NULL])[at]"
		" AND b IS NOT DISTINCT FROM (ARRAY['\\x00ff', NULL, '']::bytea[])[at]"
		" AND i IS NOT DISTINCT FROM (ARRAY[NULL,"
		" '01020304-0000-0000-0000-000000000000', NULL]::uuid[])[at]"
		" AND f IS NOT DISTINCT FROM (ARRAY[true, false, NULL])[at] AND nothing IS NULL";
	const saga_id id = { { 1, 2, 3, 4 } };
	const saga_value rows[] = { saga_int64(7), saga_text(""),
		saga_blob((saga_bytes){ "\0\377", 2 }), saga_null(), saga_bool(true),
		saga_null(), /* */
		saga_null(), saga_text("two, \"and\" more"), saga_null(), saga_uuid(id),
		saga_bool(false), saga_null(), /* */
		saga_int64(-9), saga_null(), saga_blob((saga_bytes){ "", 0 }), saga_null(),
		saga_null(), saga_null() };
	saga_value sets[6];
	struct answer answer;
	void *store = open_with("", 5000);

	for (size_t i = 0; i < 6; i++)
		sets[i] = set_of(rows + i, 3, 6);
	for (int again = 0; again < 8; again++) {
		ck_code(run_values(store, sql, sets, 6, &answer), SAGA_OK);
		ck_assert_int_eq(answer.value.as.int64, 3);
	}
	ops->close(store);
}
END_TEST

START_TEST(a_set_s_values_go_together)
{
	const saga_value mixed[] = { saga_int64(1), saga_text("1") };
	const saga_value cut[] = { saga_blob((saga_bytes){ "a\0b", 3 }) };
	saga_value text = cut[0], set = set_of(mixed, 2, 1);
	void *store = open_with("", 5000);

	ck_code(run_values(store, "SELECT unnest(?::bigint[])", &set, 1, NULL), SAGA_REFUSED);
	text.kind = SAGA_VALUE_TEXT;
	set = set_of(&text, 1, 1);
	ck_code(run_values(store, "SELECT unnest(?::text[])", &set, 1, NULL), SAGA_REFUSED);
	ck_assert_int_eq(count(store), 0);
	ops->close(store);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres");
	TCase *texts = tcase_create("texts"), *here = tcase_create("server");
	SRunner *runner = srunner_create(suite);
	int failed;

	ops = saga_store_builtin("postgres");
	server = getenv("SAGA_TEST_POSTGRES");
	suite_add_tcase(suite, texts);
	tcase_add_test(texts, question_marks_become_numbers);
	tcase_add_test(texts, a_guard_fails_by_itself);
	tcase_set_timeout(here, 60);
	tcase_add_test(here, isolation_is_the_url_s);
	tcase_add_test(here, lowered_durability_is_seen);
	tcase_add_test(here, a_session_has_limits);
	tcase_add_test(here, settings_that_the_server_refuses_are_no_outage);
	tcase_add_test(here, an_idle_session_stays);
	tcase_add_test(here, a_name_stands_for_one_text_in_all_sessions);
	tcase_add_test(here, a_silent_holder_loses_its_transaction);
	tcase_add_test(here, an_id_suits_uuid_and_sums_are_numbers);
	tcase_add_test(here, a_value_s_kind_may_change);
	tcase_add_test(here, a_failure_nobody_waited_for_is_told_by_who_waits);
	tcase_add_test(here, a_mark_behind_a_failure_is_none);
	tcase_add_test(here, more_than_may_be_on_its_way);
	tcase_add_test(here, failures_are_told_apart);
	tcase_add_test(here, a_connection_that_was_cut_is_away_and_its_commit_unknown);
	tcase_add_loop_test(here, no_slot_outlasts_a_stall, 0, 4);
	tcase_add_test(here, a_commit_whose_answer_was_lost_is_unknown);
	tcase_add_test(here, a_batch_is_a_round_trip_for_each_answer);
	tcase_add_test(here, few_guards_need_no_round_trip);
	tcase_add_test(here, a_guard_that_the_server_does_not_take);
	tcase_add_test(here, an_unmet_guard_says_what_it_is);
	tcase_add_test(here, a_guard_that_is_wrong_is_refused);
	tcase_add_test(here, a_set_is_a_column_of_rows);
	tcase_add_test(here, a_set_s_values_go_together);
	if (server)
		suite_add_tcase(suite, here);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed)
		return EXIT_FAILURE;
	if (!server)
		printf("SKIP: SAGA_TEST_POSTGRES names no server; only texts were tested\n");
	return server ? EXIT_SUCCESS : 77;
}
