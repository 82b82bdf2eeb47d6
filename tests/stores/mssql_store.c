/*
 * What the SQL Server driver makes of what it is told and of what it isn't: a test of the driver
 * against a scripted peer, not of SQL Server.
 */

#include "stores/journal.h"
#include "tds_peer.h"

#include <saga/plugin.h>
#include <saga/saga.h>

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TIMEOUT_MS = 2500,
	LATEST_MS = 2 * TIMEOUT_MS + 6000 /* with a machine that has other things to do */
};

static struct {
	struct tds_peer *peer;
	const saga_store_ops *ops;
	void *store;
	saga_error error;
} t;

static int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void tear_down(void)
{
	if (t.store)
		t.ops->close(t.store);
	if (t.peer)
		tds_peer_stop(t.peer);
	memset(&t, 0, sizeof t);
}

static void start(const struct tds_line *script, size_t count)
{
	t.ops = saga_store_builtin("mssql");
	ck_assert_ptr_nonnull(t.ops);
	t.peer = tds_peer_start(script, count);
}

static const char *url_of_peer(void)
{
	static char url[128];

	(void)snprintf(url, sizeof url, "mssql://user:pass%%40word@127.0.0.1:%d/base",
		tds_peer_port(t.peer));
	return url;
}

static int try_open(void)
{
	saga_store_options options = { .url = url_of_peer(), .timeout_ms = TIMEOUT_MS };

	return t.ops->open(&options, &t.store, &t.error);
}

static void must_be(int code, int wanted)
{
	ck_assert_msg(code == wanted, "%s instead of %s: %s", saga_code_name(code),
		saga_code_name(wanted), t.error.text);
	if (wanted != SAGA_OK)
		ck_assert_int_eq(t.error.code, wanted);
}

/* Opens against a peer that follows one line of script. */
static void open_with(struct tds_line *line)
{
	start(line, 1);
	must_be(try_open(), SAGA_OK);
}

static int insert(void)
{
	saga_value values[] = { saga_int64(1), saga_text("unpasted") };
	saga_statement statement = { "INSERT INTO things (id, label) VALUES (?, ?)", values, 2 };

	return t.ops->run(t.store, &statement, 1, NULL, &t.error);
}

static void must_begin(void)
{
	must_be(t.ops->begin(t.store, &t.error), SAGA_OK);
	ck_assert(t.ops->in_transaction(t.store));
}

/* ---- logging in ---- */

static const enum tds_act silent[] = { TDS_STALL, TDS_CUT, TDS_HALF };

enum {
	SILENT = 3,
	STEPS = TDS_FIRST
};

START_TEST(every_step_of_a_login_may_fail)
{
	struct tds_line line = { .message = _i / SILENT, .act = silent[_i % SILENT] };
	int64_t began = now_ms();

	start(&line, 1);
	must_be(try_open(), SAGA_AWAY);
	ck_assert_ptr_null(t.store);
	ck_assert_int_lt(now_ms() - began, LATEST_MS);
	ck_assert_str_ne(t.error.text, "");
}
END_TEST

START_TEST(a_refused_login_says_why)
{
	static const int numbers[] = { 18456, 4060 };
	struct tds_line line = { TDS_LOGIN, TDS_ABORT, numbers[_i], 14, 0, NULL };

	start(&line, 1);
	must_be(try_open(), SAGA_AWAY);
	ck_assert_ptr_nonnull(strstr(t.error.text, "told by the script"));
}
END_TEST

/* The driver's own questions: what is refused stays refused, what is not there comes back. */
static const struct {
	int message, number, severity, code;
	const char *told;
} set_ups[] = {
	{ TDS_SETTINGS, 195, 15, SAGA_UNSUPPORTED, "refuses the settings" },
	{ TDS_SETTINGS, 1222, 16, SAGA_CONTENDED, "" },
	{ TDS_SETTINGS, 49918, 16, SAGA_AWAY, "" },
	{ TDS_SETTINGS, 596, 21, SAGA_AWAY, "" },
	{ TDS_JSON, 208, 16, SAGA_UNSUPPORTED, "COMPATIBILITY_LEVEL 130" },
	{ TDS_JSON, 319, 15, SAGA_UNSUPPORTED, "COMPATIBILITY_LEVEL 130" },
	{ TDS_JSON, 701, 17, SAGA_AWAY, "" },
};

enum {
	SET_UPS = sizeof set_ups / sizeof set_ups[0]
};

START_TEST(what_a_connection_needs_may_be_refused)
{
	struct tds_line line = { set_ups[_i].message, TDS_ABORT, set_ups[_i].number,
		set_ups[_i].severity, 0, NULL };

	start(&line, 1);
	must_be(try_open(), set_ups[_i].code);
	ck_assert_ptr_null(t.store);
	ck_assert_ptr_nonnull(strstr(t.error.text, "told by the script"));
	ck_assert_ptr_nonnull(strstr(t.error.text, set_ups[_i].told));
	ck_assert(tds_peer_saw_sql(t.peer, "OPENJSON") == (set_ups[_i].message == TDS_JSON));
}
END_TEST

/* ---- running ---- */

static const struct {
	int number, severity, code;
	const char *text; /* NULL: some */
} errors[] = {
	{ 1205, 13, SAGA_CONTENDED, NULL },
	{ 1222, 16, SAGA_CONTENDED, NULL },
	{ 3960, 16, SAGA_CONTENDED, NULL },
	{ 41302, 16, SAGA_CONTENDED, NULL },
	{ 33557097, 16, SAGA_REFUSED, NULL },
	{ 33557097, 16, SAGA_CONTENDED, "canceling statement due to lock timeout" },
	{ 33557097, 16, SAGA_FULL, "could not extend file: No space left on device" },
	{ 2601, 14, SAGA_REFUSED, NULL },
	{ 2627, 14, SAGA_REFUSED, NULL },
	{ 208, 16, SAGA_REFUSED, NULL },
	{ 601, 12, SAGA_CONTENDED, NULL },
	{ 921, 14, SAGA_AWAY, NULL },
	{ 1204, 19, SAGA_AWAY, NULL },
	{ 1105, 17, SAGA_FULL, NULL },
	{ 9002, 17, SAGA_FULL, NULL },
	{ 3906, 16, SAGA_AWAY, NULL },
	{ 701, 17, SAGA_AWAY, NULL },
	{ 596, 21, SAGA_AWAY, NULL },
	{ 50000, 20, SAGA_AWAY, NULL },
	{ 50000, 16, SAGA_REFUSED, NULL }, /* a trigger's veto */
	{ 41301, 16, SAGA_CONTENDED, NULL },
	{ 49918, 16, SAGA_AWAY, NULL },
	{ 41823, 16, SAGA_FULL, NULL },
	{ 824, 16, SAGA_DAMAGED, NULL },
	/* The table knows none of these: their severity tells. */
	{ 61234, 16, SAGA_REFUSED, NULL },
	{ 61234, 17, SAGA_AWAY, NULL },
	{ 61234, 18, SAGA_AWAY, NULL },
	{ 61234, 19, SAGA_AWAY, NULL },
};

/* What passes, by the lists of EF Core and Microsoft; with a severity that alone would refuse. */
static const int contended[] = { 617, 669, 1221, 1232, 2816, 3635, 3941, 3947, 3948, 3950, 3953,
	3957, 3961, 3966, 3980, 41301, 41305, 41325, 41339, 41839 };
static const int away[] = { 615, 845, 941, 945, 952, 982, 988, 4221, 8628, 8651, 10922, 10928,
	10929, 10930, 10936, 17197, 17889, 22430, 40143, 40189, 40197, 40501, 40540, 40613, 40642,
	40648, 40675, 40903, 42108, 42109, 49510, 49802, 49918, 49919, 49920, 49977 };
static const int full[] = { 1101, 9020, 40544, 41823, 41840 };

enum {
	CONTENDED = sizeof contended / sizeof contended[0],
	AWAY = sizeof away / sizeof away[0],
	FULL = sizeof full / sizeof full[0]
};

enum {
	ERRORS = sizeof errors / sizeof errors[0]
};

/* With the transaction left open, and with the server having ended it. */
START_TEST(errors_are_told_apart)
{
	int which = _i % ERRORS, left = _i / ERRORS % 2;
	struct tds_line line = { TDS_FIRST + 1, _i / ERRORS / 2 ? TDS_ABORT : TDS_FAIL,
		errors[which].number, errors[which].severity, left, errors[which].text };
	bool lives = left && errors[which].code != SAGA_CONTENDED && errors[which].severity < 20;

	open_with(&line);
	must_begin();
	must_be(insert(), errors[which].code);
	ck_assert_ptr_nonnull(strstr(
		t.error.text, errors[which].text ? errors[which].text : "told by the script"));
	ck_assert_ptr_nonnull(strstr(t.error.text, "INSERT INTO things"));
	ck_assert(t.ops->in_transaction(t.store) == lives);
	if (errors[which].code == SAGA_CONTENDED && left)
		ck_assert(tds_peer_saw_sql(t.peer, "ROLLBACK TRANSACTION"));
	t.ops->rollback(t.store);
	ck_assert(!t.ops->in_transaction(t.store));
	must_be(t.ops->begin(t.store, &t.error), errors[which].severity < 20 ? SAGA_OK : SAGA_AWAY);
}
END_TEST

static void must_mean(int number, int code)
{
	struct tds_line line = { TDS_FIRST + 1, TDS_FAIL, number, 16, 1, NULL };

	open_with(&line);
	must_begin();
	must_be(insert(), code);
	tear_down();
}

START_TEST(what_passes_is_tried_again)
{
	if (_i < CONTENDED)
		must_mean(contended[_i], SAGA_CONTENDED);
	else if (_i < CONTENDED + AWAY)
		must_mean(away[_i - CONTENDED], SAGA_AWAY);
	else
		must_mean(full[_i - CONTENDED - AWAY], SAGA_FULL);
}
END_TEST

START_TEST(a_doomed_transaction_is_rolled_back)
{
	struct tds_line line = { TDS_FIRST + 1, TDS_FAIL, 245, 16, -1, NULL };

	open_with(&line);
	must_begin();
	must_be(insert(), SAGA_REFUSED);
	ck_assert(!t.ops->in_transaction(t.store));
	ck_assert(tds_peer_saw_sql(t.peer, "ROLLBACK TRANSACTION"));
	must_begin();
}
END_TEST

START_TEST(a_lost_answer_is_away)
{
	static const enum tds_act acts[] = { TDS_STALL, TDS_CUT, TDS_HALF, TDS_ENDLESS };
	struct tds_line line = { .message = TDS_FIRST + 1, .act = acts[_i] };
	int64_t began;

	open_with(&line);
	must_begin();
	began = now_ms();
	must_be(insert(), SAGA_AWAY);
	ck_assert_int_lt(now_ms() - began, LATEST_MS);
	ck_assert(!t.ops->in_transaction(t.store));
	must_be(insert(), SAGA_AWAY);
	must_be(t.ops->begin(t.store, &t.error), SAGA_AWAY);
	t.ops->rollback(t.store);
}
END_TEST

START_TEST(a_lost_beginning_is_away)
{
	struct tds_line line = { .message = TDS_FIRST, .act = silent[_i] };

	open_with(&line);
	must_be(t.ops->begin(t.store, &t.error), SAGA_AWAY);
	ck_assert(!t.ops->in_transaction(t.store));
}
END_TEST

/* ---- committing ---- */

START_TEST(a_lost_commit_is_unknown)
{
	struct tds_line line = { .message = TDS_FIRST + 1, .act = silent[_i] };
	int64_t began;

	open_with(&line);
	must_begin();
	began = now_ms();
	must_be(t.ops->commit(t.store, &t.error), SAGA_UNKNOWN);
	ck_assert_int_lt(now_ms() - began, LATEST_MS);
	ck_assert(!t.ops->in_transaction(t.store));
	must_be(t.ops->begin(t.store, &t.error), SAGA_AWAY);
}
END_TEST

START_TEST(a_commit_that_fails_says_how)
{
	struct tds_line line = { TDS_FIRST + 1, TDS_ABORT, errors[_i].number, errors[_i].severity,
		_i % 2, errors[_i].text };
	int code = errors[_i].code;

	open_with(&line);
	must_begin();
	must_be(t.ops->commit(t.store, &t.error), code == SAGA_AWAY ? SAGA_UNKNOWN : code);
	ck_assert(!t.ops->in_transaction(t.store));
}
END_TEST

START_TEST(a_rollback_that_fails_ends_the_connection)
{
	static const enum tds_act acts[] = { TDS_ABORT, TDS_CUT, TDS_STALL };
	struct tds_line line = { TDS_FIRST + 1, acts[_i], 3998, 16, 1, NULL };

	open_with(&line);
	must_begin();
	t.ops->rollback(t.store);
	ck_assert(!t.ops->in_transaction(t.store));
	must_be(t.ops->begin(t.store, &t.error), SAGA_AWAY);
}
END_TEST

START_TEST(a_rollback_after_a_loss_may_fail_too)
{
	struct tds_line lines[] = { { TDS_FIRST + 1, TDS_FAIL, 1205, 13, 1, NULL },
		{ TDS_FIRST + 2, TDS_ABORT, 3998, 16, 1, NULL } };

	start(lines, 2);
	must_be(try_open(), SAGA_OK);
	must_begin();
	must_be(insert(), SAGA_CONTENDED);
	ck_assert(!t.ops->in_transaction(t.store));
	must_be(t.ops->begin(t.store, &t.error), SAGA_AWAY);
}
END_TEST

/* ---- marks ---- */

START_TEST(a_mark_rides_along)
{
	int before;

	start(NULL, 0);
	must_be(try_open(), SAGA_OK);
	must_begin();
	before = tds_peer_messages(t.peer);
	must_be(t.ops->mark(t.store, &t.error), SAGA_OK);
	must_be(t.ops->back(t.store, &t.error), SAGA_OK); /* nothing was done since */
	ck_assert_int_eq(tds_peer_messages(t.peer), before);
	must_be(insert(), SAGA_OK);
	ck_assert_int_eq(tds_peer_messages(t.peer), before + 1);
	ck_assert(tds_peer_saw_sql(t.peer, "SAVE TRANSACTION saga_mark"));
	must_be(t.ops->back(t.store, &t.error), SAGA_OK);
	ck_assert_int_eq(tds_peer_messages(t.peer), before + 2);
}
END_TEST

START_TEST(a_way_back_may_be_lost)
{
	static const enum tds_act acts[] = { TDS_STALL, TDS_CUT, TDS_ABORT };
	struct tds_line line = { TDS_FIRST + 2, acts[_i], 6401, 16, 0, NULL };

	open_with(&line);
	must_begin();
	must_be(t.ops->mark(t.store, &t.error), SAGA_OK);
	must_be(insert(), SAGA_OK);
	must_be(t.ops->back(t.store, &t.error), acts[_i] == TDS_ABORT ? SAGA_REFUSED : SAGA_AWAY);
	ck_assert(!t.ops->in_transaction(t.store));
}
END_TEST

/* ---- the rest ---- */

START_TEST(values_are_parameters)
{
	start(NULL, 0);
	must_be(try_open(), SAGA_OK);
	must_be(insert(), SAGA_OK);
	ck_assert(tds_peer_saw_sql(t.peer, "VALUES (@saga1, @saga2)"));
	ck_assert(tds_peer_saw_bytes(t.peer, "unpasted"));
	ck_assert(!tds_peer_saw_sql(t.peer, "unpasted"));
}
END_TEST

static int insert_label(const char *label)
{
	saga_value values[] = { saga_int64(1), saga_text(label) };
	saga_statement statement = { "INSERT INTO things (id, label) VALUES (?, ?)", values, 2 };

	return t.ops->run(t.store, &statement, 1, NULL, &t.error);
}

/* The server ignores blanks at a text's end: none may stand there. */
START_TEST(a_text_that_ends_in_a_blank_is_guarded)
{
	static const struct {
		const char *label, *sent;
	} texts[] = {
		{ "left ", "left \x7f" },
		{ " ", " \x7f" },
		{ "left\x7f", "left\x7f\x7f" },
		{ "K\xc3\xa4se ", "{\"v\":\"K\\u00e4se \\u007f\"}" },
	};

	start(NULL, 0);
	must_be(try_open(), SAGA_OK);
	must_be(insert_label("right left"), SAGA_OK);
	must_be(insert_label("K\xc3\xa4se"), SAGA_OK);
	/* The byte alone may be one of the process's number, which the login tells. */
	ck_assert(tds_peer_saw_bytes(t.peer, "right left"));
	ck_assert(!tds_peer_saw_bytes(t.peer, "right left\x7f"));
	ck_assert(tds_peer_saw_bytes(t.peer, "{\"v\":\"K\\u00e4se\"}"));
	must_be(insert_label(texts[_i].label), SAGA_OK);
	ck_assert(tds_peer_saw_bytes(t.peer, texts[_i].sent));
}
END_TEST

/* 4000 characters and a guard are no nvarchar(4000). */
START_TEST(a_guard_may_make_a_text_long)
{
	char label[4002];

	memset(label, 'x', sizeof label);
	label[_i ? 3999 : 3998] = ' ';
	label[_i ? 4000 : 3999] = '\0';
	start(NULL, 0);
	must_be(try_open(), SAGA_OK);
	must_be(insert_label(label), SAGA_OK);
	ck_assert(tds_peer_saw_sql(t.peer, "@saga2 nvarchar(max)") == _i);
	ck_assert(tds_peer_saw_sql(t.peer, "@saga2 nvarchar(4000)") == !_i);
}
END_TEST

static int keep_text(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)i, (void)names;
	ck_assert_uint_eq(column_count, 1);
	ck_assert_int_eq(columns[0].kind, SAGA_VALUE_TEXT);
	(void)snprintf(context, 32, "%.*s", (int)columns[0].as.bytes.size,
		(const char *)columns[0].as.bytes.at);
	return SAGA_OK;
}

START_TEST(a_guard_is_taken_away)
{
	static const struct {
		const char *stored, *label;
	} texts[] = { { "left", "left" }, { "left ", "left " }, { "left \x7f", "left " },
		{ "left\x7f\x7f", "left\x7f" }, { "\x7f", "" }, { "", "" } };
	struct tds_line line = { .message = TDS_FIRST, .act = TDS_TEXT, .text = texts[_i].stored };
	saga_statement statement = { "SELECT label FROM things", NULL, 0 };
	char label[32] = "none";
	saga_sink sink = { .row = keep_text, .context = label };

	open_with(&line);
	must_be(t.ops->run(t.store, &statement, 1, &sink, &t.error), SAGA_OK);
	ck_assert_str_eq(label, texts[_i].label);
}
END_TEST

START_TEST(many_statements_are_one_message)
{
	saga_value values[] = { saga_int64(1), saga_int64(2) };
	saga_statement statements[20];
	int before;

	for (size_t i = 0; i < 20; i++)
		statements[i] =
			(saga_statement){ "UPDATE things SET n = ? WHERE id = ?", values, 2 };
	start(NULL, 0);
	must_be(try_open(), SAGA_OK);
	before = tds_peer_messages(t.peer);
	must_be(t.ops->run(t.store, statements, 20, NULL, &t.error), SAGA_OK);
	ck_assert_int_eq(tds_peer_messages(t.peer), before + 1);
}
END_TEST

static void *interrupt_later(void *context)
{
	struct timespec pause = { .tv_nsec = 200000000 };

	(void)context;
	(void)nanosleep(&pause, NULL);
	t.ops->interrupt(t.store);
	return NULL;
}

START_TEST(an_interrupt_ends_a_wait)
{
	struct tds_line line = { .message = TDS_FIRST, .act = TDS_STALL };
	pthread_t thread;

	open_with(&line);
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_later, NULL), 0);
	must_be(insert(), SAGA_AWAY);
	ck_assert_ptr_nonnull(strstr(t.error.text, "interrupted"));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(urls_are_read_to_the_letter)
{
	static const char *const urls[] = { "mssql:", "mssql://", "mssql://u:p@h", "mssql://u:p@h/",
		"mssql://u:p@/d", "mssql://:p@h/d", "mssql://u:p@h:0/d", "mssql://u:p@h:65536/d",
		"mssql://u:p@h:x/d", "mssql://u:p@[::1/d", "mssql://u:p@[::1]x/d",
		"mssql://u:secret%zz@h/d", "mssql://u:p@h/d?isolation=snapshot",
		"mssql://u:p@h/d?encrypt=require", "mssql://u:p@h/d?whatever=1",
		"mssql://u:secret@h/d?isolation" };
	const saga_store_ops *ops = saga_store_builtin("mssql");
	saga_store_options options = { .url = urls[_i], .timeout_ms = TIMEOUT_MS };
	void *store = NULL;

	ck_assert_int_eq(ops->open(&options, &store, &t.error), SAGA_MALFORMED);
	ck_assert_ptr_null(store);
	ck_assert_str_ne(t.error.text, "");
	ck_assert_ptr_null(strstr(t.error.text, "secret"));
}
END_TEST

/* ---- what the library asks of the database ---- */

SAGA_REQUEST(go, "test.go", 1, int64(n));

static saga_verdict never(saga_step *s)
{
	return saga_done(s);
}

static const saga_step_def steps[] = { { .name = "a", .on = { &go }, .run = never } };
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

static int64_t no_time(void *context)
{
	(void)context;
	return 1;
}

static void no_chance(void *context, void *to, size_t size)
{
	(void)context;
	memset(to, 1, size);
}

static int open_journal(struct saga__journal *journal)
{
	const struct saga_env env = { NULL, no_time, no_time, no_chance, NULL };
	struct saga__journal_options options = {
		.timeout_ms = TIMEOUT_MS, .env = &env, .event_bytes = 4096
	};
	struct saga__plan *plan = NULL;
	int code;

	must_be(saga__plan_new(&def, &plan, &t.error), SAGA_OK);
	options.url = url_of_peer();
	options.plan = plan;
	code = saga__journal_open(journal, t.ops, &options, &t.error);
	saga__plan_free(plan);
	return code;
}

/* No further than that: the peer has no tables. */
START_TEST(a_database_is_asked_what_it_keeps_and_whether_reads_wait)
{
	const int durable = _i & 1, snapshots = _i >> 1;
	const struct tds_line script[] = { { TDS_FIRST, TDS_NUMBER, .number = durable },
		{ TDS_FIRST + 1, TDS_NUMBER, .number = snapshots } };
	struct saga__journal journal = { .ops = NULL };

	start(script, 2);
	must_be(open_journal(&journal), SAGA_UNSUPPORTED);
	ck_assert_int_eq(journal.lowered, !durable);
	ck_assert_int_eq(journal.reads_wait, !snapshots);
	ck_assert(tds_peer_saw_sql(t.peer, "delayed_durability"));
	ck_assert(tds_peer_saw_sql(t.peer, "is_read_committed_snapshot_on"));
	/* Azure's DB_ID() is none of sys.databases. */
	ck_assert(tds_peer_saw_sql(t.peer, "name = DB_NAME()"));
	ck_assert(!tds_peer_saw_sql(t.peer, "DB_ID()"));
}
END_TEST

/* sp_getapplock says -1 if another held the lock for too long, -3 to a deadlock's victim. */
START_TEST(who_does_not_get_to_make_the_tables_tries_again)
{
	const struct tds_line script[] = { { TDS_FIRST, TDS_NUMBER, .number = 1 },
		{ TDS_FIRST + 1, TDS_NUMBER, .number = 1 },
		{ TDS_FIRST + 3, TDS_NUMBER, .number = _i ? -3 : -1 } };
	struct saga__journal journal = { .ops = NULL };

	start(script, 3);
	must_be(open_journal(&journal), SAGA_CONTENDED);
	ck_assert(tds_peer_saw_sql(t.peer, "sp_getapplock"));
	ck_assert(tds_peer_saw_sql(t.peer, "ROLLBACK TRANSACTION"));
	ck_assert(!tds_peer_saw_sql(t.peer, "OBJECT_ID"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mssql_store");
	TCase *tcase = tcase_create("scripted peer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, NULL, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, every_step_of_a_login_may_fail, 0, STEPS * SILENT);
	tcase_add_loop_test(tcase, a_refused_login_says_why, 0, 2);
	tcase_add_loop_test(tcase, what_a_connection_needs_may_be_refused, 0, SET_UPS);
	tcase_add_loop_test(tcase, what_passes_is_tried_again, 0, CONTENDED + AWAY + FULL);
	tcase_add_loop_test(tcase, errors_are_told_apart, 0, 4 * ERRORS);
	tcase_add_test(tcase, a_doomed_transaction_is_rolled_back);
	tcase_add_loop_test(tcase, a_lost_answer_is_away, 0, 4);
	tcase_add_loop_test(tcase, a_lost_beginning_is_away, 0, SILENT);
	tcase_add_loop_test(tcase, a_lost_commit_is_unknown, 0, SILENT);
	tcase_add_loop_test(tcase, a_commit_that_fails_says_how, 0, ERRORS);
	tcase_add_loop_test(tcase, a_rollback_that_fails_ends_the_connection, 0, 3);
	tcase_add_test(tcase, a_rollback_after_a_loss_may_fail_too);
	tcase_add_test(tcase, a_mark_rides_along);
	tcase_add_loop_test(tcase, a_way_back_may_be_lost, 0, 3);
	tcase_add_test(tcase, values_are_parameters);
	tcase_add_loop_test(tcase, a_text_that_ends_in_a_blank_is_guarded, 0, 4);
	tcase_add_loop_test(tcase, a_guard_may_make_a_text_long, 0, 2);
	tcase_add_loop_test(tcase, a_guard_is_taken_away, 0, 6);
	tcase_add_test(tcase, many_statements_are_one_message);
	tcase_add_test(tcase, an_interrupt_ends_a_wait);
	tcase_add_loop_test(tcase, urls_are_read_to_the_letter, 0, 16);
	tcase_add_loop_test(tcase, a_database_is_asked_what_it_keeps_and_whether_reads_wait, 0, 4);
	tcase_add_loop_test(tcase, who_does_not_get_to_make_the_tables_tries_again, 0, 2);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
