/*
 * What the store refuses to hold, rows that can't be read, statements that never end: the one is
 * set aside, by name, and all others go on. Where nothing goes on, it is said.
 */
#include "harness.h"

#include "../stores/postgres_server.h"
#include "fault_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
	OTHERS = 20,
	STALLED_MS = 300,
	SENSELESS = 7 /* an event that its step calls malformed */
};

static saga_verdict run_a(saga_step *s)
{
	struct stage *stage = saga_user(s);

	if (saga_on(s, go_first)->n == SENSELESS)
		return saga_malformed(s, "senseless");
	if (atomic_load(&stage->knob))
		return saga_retry(s, "not yet");
	return saga_emit(s, a_done);
}

static saga_verdict run_b(saga_step *s)
{
	return saga_emit(s, b_done);
}

static saga_verdict run_please(saga_step *s)
{
	return saga_emit(s, c_done);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done },
	  .rejects = { &a_rejected }, .bar_on = { &bar_it }, .per_subject = true,
	  .retry = { .attempts = 20, .first_ms = 20, .max_ms = 50 } },
	{ .name = "b", .on = { &a_done }, .run = run_b, .emits = { &b_done }, .per_subject = true },
	{ .name = "please", .on = { &please }, .run = run_please, .emits = { &c_done },
	  .per_subject = true },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

/* From now on the table takes no row with that subject. */
static void refuse_poison(struct stage *stage, const char *table)
{
	char sql[256];

	AWAIT(stage, health(&stage->target).store);
	if (is_on("sqlite"))
		for (int update = 0; update < 2; update++) {
			snprintf(sql, sizeof sql,
				"CREATE TRIGGER no_%s_%d BEFORE %s ON %s WHEN NEW.subject = "
				"'poison' BEGIN SELECT RAISE(ABORT, 'not held'); END",
				table, update, update ? "UPDATE" : "INSERT", table);
			sql_do(stage, sql);
		}
	else {
		snprintf(sql, sizeof sql,
			"ALTER TABLE %s ADD CONSTRAINT no_%s CHECK (subject <> 'poison')", table,
			table);
		sql_do(stage, sql);
	}
}

static void take_poison(struct stage *stage, const char *table)
{
	char sql[256];

	if (is_on("sqlite"))
		for (int update = 0; update < 2; update++) {
			snprintf(sql, sizeof sql, "DROP TRIGGER no_%s_%d", table, update);
			sql_do(stage, sql);
		}
	else {
		snprintf(sql, sizeof sql, "ALTER TABLE %s DROP CONSTRAINT no_%s", table, table);
		sql_do(stage, sql);
	}
}

static void close_target(struct stage *stage)
{
	actor_close(&stage->target);
	look_close(stage);
}

static void open_target(struct stage *stage)
{
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
}

static void inject_others(struct stage *stage, const char *subject)
{
	for (int i = 0; i < OTHERS; i++)
		inject_as(stage, stage_saga(stage), &go_first, 0, subject);
}

static int64_t done(struct stage *stage, const char *step)
{
	return sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE state = 'done' AND step = ?",
		NULL, step);
}

static void requeue_letters(struct stage *stage)
{
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
}

/* Its key is its slot's subject. */
static struct reply ask_as(struct stage *stage, saga_id saga, const char *key)
{
	return ask(stage,
		&(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = key, .saga = saga });
}

static void check_letter(struct stage *stage, saga_id saga)
{
	int64_t others = sql_int(stage,
		"SELECT COUNT(*) FROM saga_parked WHERE kind = 'letter' AND saga <> ?", &saga,
		NULL);

	ck_assert_int_eq(others, 0);
	ck_assert_int_eq(dead_letters(stage), 1);
}

/* ---- what the store refuses to hold ---- */

START_TEST(an_event_that_no_table_holds_is_a_dead_letter)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	refuse_poison(stage, "saga_slot");
	refuse_poison(stage, "saga_parked");
	inject_others(stage, "before");
	inject_as(stage, saga, &go_first, 0, "poison");
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "a") == 2 * OTHERS && dead_letters(stage) > 0);
	check_letter(stage, saga);
	ck_assert_int_ge(logged(stage, "event.set_aside"), 1);
	ck_assert_int_eq(logged(stage, "store.refuses"), 0);
	ck_assert(!health(&stage->target).stalled);
	/* It is whole: once it can be held, it does what it would have done. */
	take_poison(stage, "saga_slot");
	take_poison(stage, "saga_parked");
	requeue_letters(stage);
	AWAIT(stage, done(stage, "a") == 2 * OTHERS + 1);
	AWAIT(stage, dead_letters(stage) == 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_letter_that_can_still_not_be_held_stays_one)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	refuse_poison(stage, "saga_slot");
	refuse_poison(stage, "saga_parked");
	inject_as(stage, saga, &go_first, 0, "poison");
	AWAIT(stage, dead_letters(stage) == 1);
	requeue_letters(stage);
	AWAIT(stage, logged(stage, "event.set_aside") >= 2);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "a") == OTHERS);
	check_letter(stage, saga);
	stage_end(stage);
}
END_TEST

START_TEST(a_parked_event_that_can_not_be_held_any_more_is_a_dead_letter)
{
	struct stage *stage = stage_start(_i, &def);

	atomic_store(&stage->knob, 1);
	inject_as(stage, stage_saga(stage), &go_first, 0, "poison");
	AWAIT(stage, parked(stage) == 1);
	refuse_poison(stage, "saga_slot");
	atomic_store(&stage->knob, 0);
	AWAIT(stage, dead_letters(stage) == 1);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "a") == OTHERS);
	ck_assert_int_eq(parked(stage), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_request_that_no_table_holds_is_answered)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply;

	refuse_poison(stage, "saga_slot");
	reply = ask_as(stage, stage_saga(stage), "poison");
	ck_assert_int_eq(reply.times, 1);
	ck_assert_int_eq(reply.code, SAGA_MALFORMED);
	ck_assert_msg(strstr(reply.text, "can't hold it"), "%s", reply.text);
	reply = ask_as(stage, stage_saga(stage), "another");
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

/* ---- what not even a letter can hold ---- */

/* From now on the saga's events find no place, in no form: neither the step's slot, nor a row. */
static void refuse_saga(struct stage *stage, saga_id saga, const char *step)
{
	static const char *const tables[] = { "saga_slot", "saga_parked" };
	char id[SAGA_ID_TEXT], hex[33] = "", sql[320], which[64];

	saga_id_text(saga, id);
	for (size_t i = 0, k = 0; id[i]; i++)
		if (id[i] != '-')
			hex[k++] = id[i];
	for (size_t i = 0; i < 2; i++) {
		bool is_slot = i == 0;

		which[0] = '\0';
		if (is_slot)
			snprintf(which, sizeof which, " AND NEW.step = '%s'", step);
		if (is_on("sqlite"))
			snprintf(sql, sizeof sql,
				"CREATE TRIGGER never_%s BEFORE INSERT ON %s WHEN NEW.saga = "
				"x'%s'%s"
				" BEGIN SELECT RAISE(ABORT, 'in no form'); END",
				tables[i], tables[i], hex, which);
		else if (is_slot)
			snprintf(sql, sizeof sql,
				"ALTER TABLE %s ADD CONSTRAINT never_%s CHECK (saga <> '%s' OR step"
				" <> '%s')",
				tables[i], tables[i], id, step);
		else
			snprintf(sql, sizeof sql,
				"ALTER TABLE %s ADD CONSTRAINT never_%s CHECK (saga <> '%s')",
				tables[i], tables[i], id);
		sql_do(stage, sql);
	}
}

static void take_saga(struct stage *stage)
{
	bool here = is_on("sqlite");

	sql_do(stage,
		here ? "DROP TRIGGER never_saga_slot"
		     : "ALTER TABLE saga_slot DROP CONSTRAINT never_saga_slot");
	sql_do(stage,
		here ? "DROP TRIGGER never_saga_parked"
		     : "ALTER TABLE saga_parked DROP CONSTRAINT never_saga_parked");
}

static int64_t streams_refused(struct stage *stage)
{
	return sql_int(stage,
		"SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream %' AND value LIKE ?", NULL,
		"refused %");
}

/* Its stream, another's or our own, waits loudly; requests don't; and it ends by itself. */
static void check_stream_waits(struct stage *stage, saga_id saga, const char *step)
{
	AWAIT(stage, health(&stage->target).store);
	refuse_saga(stage, saga, step);
	inject_as(stage, saga, &go_first, 0, "refused");
	AWAIT(stage, logged(stage, "stream.refused_by_store") == 1);
	AWAIT(stage, health(&stage->target).stopped == 1);
	ck_assert_int_eq(streams_refused(stage), 1);
	inject_others(stage, "behind");
	for (int i = 0; i < OTHERS; i++)
		ck_assert_int_eq(ask_as(stage, stage_saga(stage), "other").code, SAGA_OK);
	AWAIT(stage, health(&stage->target).stalled);
	ck_assert_msg(strlen(health(&stage->target).error) > 0, "no error is told");
	ck_assert_int_eq(slot_count(stage, saga, step, "done"), 0);
	take_saga(stage);
	AWAIT(stage, slot_is(stage, saga, step, "done"));
	AWAIT(stage, done(stage, "b") == OTHERS + 1);
	AWAIT(stage, !health(&stage->target).stopped && !health(&stage->target).stalled);
	ck_assert_int_eq(streams_refused(stage), 0);
	ck_assert_int_eq(dead_letters(stage), 0);
	ck_assert_int_eq(logged(stage, "stream.refused_by_store"), 1);
}

START_TEST(an_event_whose_letter_is_refused_stops_its_stream_alone)
{
	struct stage *stage = stage_new(_i);

	LEAVE_OUT_IF(is_on("mssql"), "its constraints have another form");
	stage_open(stage, &def, SAGA_OPTIONS(.stalled_ms = STALLED_MS));
	check_stream_waits(stage, stage_saga(stage), "a");
	stage_end(stage);
}
END_TEST

START_TEST(an_own_event_whose_letter_is_refused_stops_its_stream_alone)
{
	struct stage *stage = stage_new(_i);

	LEAVE_OUT_IF(is_on("mssql"), "its constraints have another form");
	stage_open(stage, &def, SAGA_OPTIONS(.stalled_ms = STALLED_MS));
	check_stream_waits(stage, stage_saga(stage), "b");
	stage_end(stage);
}
END_TEST

/* ---- what is written again ---- */

START_TEST(a_letter_whose_commit_was_not_answered_is_there_once)
{
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);
	struct faults faults;

	faults_init(&faults);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
	inject_n(stage, saga, &go_first, SENSELESS);
	AWAIT(stage, faults_fired(&faults) == 1);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	check_letter(stage, saga);
	stage_end(stage);
}
END_TEST

START_TEST(a_letter_whose_event_comes_again_is_there_once)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	inject_others(stage, "before");
	inject_n(stage, saga, &go_first, SENSELESS);
	AWAIT(stage, done(stage, "b") == OTHERS && dead_letters(stage) == 1);
	close_target(stage);
	sql_do(stage, "DELETE FROM saga_position");
	open_target(stage);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	ck_assert_int_ge(logged(stage, "event.dead"), 2);
	check_letter(stage, saga);
	stage_end(stage);
}
END_TEST

/* ---- what refuses everything is nobody's fault ---- */

static void rename_table(struct stage *stage, const char *from, const char *to)
{
	char sql[128];

	if (is_on("mssql"))
		snprintf(sql, sizeof sql, "EXEC sp_rename '%s', '%s'", from, to);
	else
		snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO %s", from, to);
	sql_do(stage, sql);
}

START_TEST(a_store_that_refuses_all_sets_nothing_aside)
{
	struct stage *stage = stage_new(_i);
	saga_health now;

	stage_open(stage, &def, SAGA_OPTIONS(.stalled_ms = STALLED_MS));
	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	now = health(&stage->target);
	ck_assert(!now.stalled && !now.failing && now.committed_ms >= 0);
	rename_table(stage, "saga_outbox", "hidden");
	inject_others(stage, "behind");
	AWAIT(stage, health(&stage->target).stalled);
	now = health(&stage->target);
	ck_assert(now.failing && now.stalled_ms > STALLED_MS && now.oldest_ms > STALLED_MS);
	ck_assert_msg(strstr(now.error, "saga_outbox"), "%s", now.error);
	ck_assert_int_ge(logged(stage, "store.refuses"), 1);
	ck_assert_int_eq(logged(stage, "event.set_aside"), 0);
	rename_table(stage, "hidden", "saga_outbox");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	AWAIT(stage, !health(&stage->target).stalled && !health(&stage->target).failing);
	AWAIT(stage, health(&stage->target).oldest_ms == 0);
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

/* ---- rows that can't be read ---- */

START_TEST(a_parked_row_of_an_unknown_kind_stops_no_other)
{
	struct stage *stage = stage_start(_i, &def);

	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	atomic_store(&stage->knob, 1);
	inject_as(stage, stage_saga(stage), &go_first, 0, "bad");
	AWAIT(stage, parked(stage) == 1);
	close_target(stage);
	sql_do(stage, "UPDATE saga_parked SET kind = 'garbage', due = 0");
	atomic_store(&stage->knob, 0);
	open_target(stage);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS && dead_letters(stage) == 1);
	ck_assert_int_eq(logged(stage, "row.set_aside"), 1);
	ck_assert_int_eq(health(&stage->target).set_aside, 1);
	/* Its event is whole. */
	requeue_letters(stage);
	AWAIT(stage, done(stage, "b") == 2 * OTHERS + 1);
	stage_end(stage);
}
END_TEST

START_TEST(an_outbox_row_that_was_changed_stops_no_other)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	inject_as(stage, saga, &go_first, 0, "first");
	AWAIT(stage, done(stage, "b") == 1);
	close_target(stage);
	/* It is to be read again; one digit of it is another. */
	sql_do(stage, "DELETE FROM saga_slot WHERE step = 'b'");
	sql_do(stage, "UPDATE saga_stream SET own = 0");
	sql_do(stage,
		is_on("sqlite") ? "UPDATE saga_outbox SET event = CAST(replace(CAST(event AS TEXT),"
				  " 'a.done', 'b.done') AS BLOB)"
				  " WHERE instr(event, CAST('a.done' AS BLOB)) > 0"
			: is_on("postgres") ? "UPDATE saga_outbox SET event = set_byte(event, 20,"
					      " (get_byte(event, 20) + 1) % 256) WHERE "
					      "position('a.done'::bytea IN event) > 0"
					    : "UPDATE saga_outbox SET sum = sum + 1");
	open_target(stage);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == OTHERS);
	ck_assert_int_eq(slot_count(stage, saga, "b", "done"), 0);
	ck_assert_int_ge(logged(stage, "row.set_aside"), 1);
	ck_assert_int_ge(dead_letters(stage), 1);
	ck_assert_int_eq(dead_letters(stage), health(&stage->target).set_aside);
	stage_end(stage);
}
END_TEST

START_TEST(a_position_out_of_range_stops_no_other)
{
	struct stage *stage = stage_start(_i, &def);

	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	close_target(stage);
	sql_do(stage, "UPDATE saga_position SET seq = -5");
	sql_do(stage,
		is_on("sqlite") ? "INSERT INTO saga_position (stream, stream_shard, shard, owner,"
				  " seq, id) SELECT zeroblob(16), 4294967295, 0, 'mallory', 1,"
				  " id FROM saga_position LIMIT 1"
			: is_on("postgres")
			? "INSERT INTO saga_position (stream, stream_shard, shard, owner, seq, id)"
			  " SELECT '00000000-0000-0000-0000-000000000001', 4294967295, 0,"
			  " 'mallory', 1, id FROM saga_position LIMIT 1"
			: "UPDATE saga_position SET seq = -5");
	open_target(stage);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	ck_assert_int_ge(logged(stage, "row.set_aside"), 1);
	ck_assert_int_eq(sql_int(stage,
				 "SELECT COUNT(*) FROM saga_position WHERE seq < 0"
				 " OR owner = ?",
				 NULL, "mallory"),
		0);
	stage_end(stage);
}
END_TEST

START_TEST(a_stream_row_is_made_anew_from_its_outbox)
{
	struct stage *stage = stage_start(_i, &def);
	int64_t before;

	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	close_target(stage);
	before = sql_int(stage, "SELECT MAX(seq) FROM saga_outbox", NULL, NULL);
	sql_do(stage, "UPDATE saga_stream SET seq = -5");
	open_target(stage);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	ck_assert_int_ge(logged(stage, "row.set_aside"), 1);
	ck_assert_int_ge(sql_int(stage, "SELECT MAX(seq) FROM saga_stream", NULL, NULL), before);
	/* While it runs, too. */
	sql_do(stage, "UPDATE saga_stream SET own = -7");
	inject_others(stage, "later");
	AWAIT(stage, done(stage, "b") == 3 * OTHERS);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_stream WHERE seq < 0 OR own < 0",
				 NULL, NULL),
		0);
	ck_assert(!stage->target.stopped);
	stage_end(stage);
}
END_TEST

START_TEST(a_stream_row_that_nothing_proves_stops_no_other)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage), other = stage_saga(stage);
	struct reply reply;
	char sql[96];
	unsigned shard = is_on("sqlite") ? 0 : saga.bytes[15] & 7;

	ck_assert_int_eq(ask_as(stage, saga, "first").code, SAGA_OK);
	close_target(stage);
	sql_do(stage, "DELETE FROM saga_outbox");
	snprintf(sql, sizeof sql, "UPDATE saga_stream SET seq = -seq - 5 WHERE shard = %u", shard);
	sql_do(stage, sql);
	open_target(stage);
	AWAIT(stage, logged(stage, "row.set_aside") == 1);
	reply = ask_as(stage, saga, "second");
	ck_assert_int_eq(reply.code, SAGA_REFUSED);
	ck_assert_msg(strstr(reply.text, "saga_stream"), "%s", reply.text);
	if (!is_on("sqlite")) /* that has one shard */
		ck_assert_int_eq(ask_as(stage, other, "third").code, SAGA_OK);
	ck_assert_int_eq(health(&stage->target).set_aside, 1);
	ck_assert(!stage->target.stopped);
	/* Put back by hand, it goes on. */
	snprintf(sql, sizeof sql, "UPDATE saga_stream SET seq = -seq - 5 WHERE shard = %u", shard);
	sql_do(stage, sql);
	AWAIT(stage, ask_as(stage, saga, "fourth").code == SAGA_OK);
	stage_end(stage);
}
END_TEST

START_TEST(a_slot_in_an_unknown_state_stops_no_other)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);
	struct reply reply;

	inject_as(stage, saga, &go_first, 0, "bad");
	reply = ask_as(stage, saga, "bad");
	ck_assert_int_eq(reply.code, SAGA_OK);
	AWAIT(stage, done(stage, "b") == 1);
	sql_do(stage, "UPDATE saga_slot SET state = 'garbage'");
	inject_others(stage, "before");
	inject_as(stage, saga, &bar_it, 0, "bad");
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS && dead_letters(stage) == 1);
	reply = ask_as(stage, saga, "bad");
	ck_assert_int_eq(reply.code, SAGA_REFUSED);
	ck_assert_msg(strstr(reply.text, "state"), "%s", reply.text);
	ck_assert(!health(&stage->target).stalled);
	stage_end(stage);
}
END_TEST

/* ---- statements that never end ---- */

#define COUNT_FOR_EVER \
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n" \
	" WHERE i < 1000000000000) SELECT MAX(i) FROM n"

static saga_verdict run_endless(saga_step *s)
{
	if (saga_on(s, go_first)->n && is_on("sqlite"))
		(void)saga_query_int64(s, 0, COUNT_FOR_EVER);
	else if (saga_on(s, go_first)->n && is_on("postgres"))
		(void)saga_query_int64(s, 0, "SELECT COUNT(*) FROM pg_sleep(60)");
	else if (saga_on(s, go_first)->n)
		(void)saga_exec(s, "WAITFOR DELAY '00:01:00'");
	return saga_emit(s, a_done);
}

/* clang-format off */
static const saga_step_def endless_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_endless, .emits = { &a_done },
	  .rejects = { &a_rejected }, .retry = { .attempts = 1, .first_ms = 1 } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def endless = SAGA_PARTICIPANT("target", endless_steps);

START_TEST(a_statement_that_never_ends_has_its_attempts)
{
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	stage_open(stage, &endless, SAGA_OPTIONS(.lease_ms = 3000));
	inject_n(stage, saga, &go_first, 1);
	for (int i = 0; i < OTHERS; i++)
		inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "failed") || slot_is(stage, saga, "a", "dead"));
	AWAIT(stage, done(stage, "a") == OTHERS);
	stage_end(stage);
}
END_TEST

/* ---- damage ---- */

START_TEST(damage_is_an_alarm)
{
	struct stage *stage = stage_new(_i);
	struct faults faults;

	LEAVE_OUT_IF(!is_on("sqlite"), "the code is the same on every store");
	faults_init(&faults);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	ck_assert(!health(&stage->target).damaged);
	faults_plan(&faults, FAULT_RUN, 1, 1, FAULT_DAMAGED);
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS);
	ck_assert_int_eq(logged(stage, "store.damaged"), 1);
	ck_assert(health(&stage->target).damaged);
	stage_end(stage);
}
END_TEST

/* ---- encodings ---- */

/* To the server's own database. */
static void tell_server(const char *sql)
{
	const saga_store_ops *ops = saga_store_builtin("postgres");
	const saga_store_options options = { .url = postgres_server(), .timeout_ms = 30000 };
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;
	void *store;

	ck_assert_msg(ops->open(&options, &store, &error) == SAGA_OK, "%s", error.text);
	ck_assert_msg(
		ops->run(store, &statement, 1, NULL, &error) == SAGA_OK, "%s: %s", sql, error.text);
	ops->close(store);
}

struct database {
	char name[64], schema[512]; /* the URL of the stage's own ground */
};

/* The target's store is a database of its own, in that encoding. */
static void use_database(struct stage *stage, const char *encoding, struct database *ret_database)
{
	const char *server = postgres_server();
	char sql[256];
	size_t host = strcspn(strstr(server, "//") + 2, "/") +
		(size_t)(strstr(server, "//") + 2 - server);

	snprintf(ret_database->name, sizeof ret_database->name, "poison_%ld_%s", (long)getpid(),
		encoding);
	snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS \"%s\"", ret_database->name);
	tell_server(sql);
	snprintf(sql, sizeof sql,
		"CREATE DATABASE \"%s\" ENCODING '%s' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE "
		"'C'",
		ret_database->name, encoding);
	tell_server(sql);
	memcpy(ret_database->schema, stage->url, sizeof stage->url);
	snprintf(stage->url, sizeof stage->url, "%.*s/%s%s", (int)host, server, ret_database->name,
		strchr(server, '?') ? strchr(server, '?') : "");
	memcpy(stage->look_url, stage->url, sizeof stage->look_url);
}

static void drop_database(struct stage *stage, const struct database *database)
{
	char sql[128];

	if (stage->target.participant)
		close_target(stage);
	look_close(stage);
	snprintf(sql, sizeof sql, "DROP DATABASE \"%s\" WITH (FORCE)", database->name);
	tell_server(sql);
	memcpy(stage->url, database->schema, sizeof stage->url);
	memcpy(stage->look_url, stage->url, sizeof stage->look_url);
}

static void on_end(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;

	ck_assert_ptr_eq(participant, stage->target.participant);
	stage->target.stopped = true;
	stage->target.why = why->code;
	snprintf(stage->target.why_text, sizeof stage->target.why_text, "%s", why->text);
}

START_TEST(a_new_store_is_refused_if_it_can_not_hold_unicode)
{
	static const char *const encodings[] = { "LATIN1", "SQL_ASCII" };
	struct database database;
	struct stage *stage;

	ONLY_ON("postgres", "no other store has such an encoding");
	for (size_t i = 0; i < 2; i++) {
		stage = stage_new(_i);
		use_database(stage, encodings[i], &database);
		stage_open(stage, &def, SAGA_OPTIONS(.stopped = on_end));
		AWAIT(stage, stage->target.stopped);
		ck_assert_int_eq(stage->target.why, SAGA_UNSUPPORTED);
		ck_assert_msg(
			strstr(stage->target.why_text, encodings[i]), "%s", stage->target.why_text);
		saga_close(stage->target.participant);
		stage->target.participant = NULL;
		actor_close(&stage->outside);
		drop_database(stage, &database);
		stage_end(stage);
	}
}
END_TEST

START_TEST(an_old_store_that_can_not_hold_unicode_is_named)
{
	struct database database;
	struct stage *stage;
	char sql[256];

	ONLY_ON("postgres", "no other store has such an encoding");
	stage = stage_new(_i);
	use_database(stage, "UTF8", &database);
	stage_open(stage, &def, NULL);
	inject_others(stage, "before");
	AWAIT(stage, done(stage, "b") == OTHERS);
	ck_assert_int_eq(logged(stage, "store.encoding"), 0);
	close_target(stage);
	/* What it holds by now is the same in both. */
	snprintf(sql, sizeof sql,
		"UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1')"
		" WHERE datname = '%s'",
		database.name);
	tell_server(sql);
	open_target(stage);
	inject_as(stage, stage_saga(stage), &go_first, 0, "\xf0\x9f\x98\x80");
	inject_others(stage, "behind");
	AWAIT(stage, done(stage, "b") == 2 * OTHERS && dead_letters(stage) == 1);
	ck_assert_int_eq(logged(stage, "store.encoding"), 1);
	drop_database(stage, &database);
	stage_end(stage);
}
END_TEST

/* ---- requests ---- */

START_TEST(a_request_does_not_wait_for_a_store_that_fails)
{
	struct stage *stage = stage_new(_i);
	struct faults faults;
	struct reply reply;

	LEAVE_OUT_IF(!is_on("sqlite"), "the lane is the same on every store");
	faults_init(&faults);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults,
			.limits = SAGA_LIMITS(.request_ms = 50)));
	AWAIT(stage, ask_as(stage, stage_saga(stage), "one").code == SAGA_OK);
	faults_plan(&faults, FAULT_BEGIN, 1, FAULT_FOREVER, FAULT_FULL);
	reply = ask_as(stage, stage_saga(stage), "two");
	ck_assert_int_eq(reply.times, 1);
	ck_assert_int_eq(reply.code, SAGA_AWAY);
	reply = ask_as(stage, stage_saga(stage), "three");
	ck_assert_int_eq(reply.code, SAGA_AWAY);
	ck_assert(health(&stage->target).failing);
	faults_clear(&faults);
	/* A failed try may be a back-off away from the next: it is asked again. */
	AWAIT(stage, ask_as(stage, stage_saga(stage), "four").code == SAGA_OK);
	ck_assert_int_eq(done(stage, "please"), 2);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_event_that_no_table_holds_is_a_dead_letter,
		a_letter_that_can_still_not_be_held_stays_one,
		a_parked_event_that_can_not_be_held_any_more_is_a_dead_letter,
		a_request_that_no_table_holds_is_answered,
		an_event_whose_letter_is_refused_stops_its_stream_alone,
		an_own_event_whose_letter_is_refused_stops_its_stream_alone,
		a_letter_whose_commit_was_not_answered_is_there_once,
		a_letter_whose_event_comes_again_is_there_once,
		a_store_that_refuses_all_sets_nothing_aside,
		a_parked_row_of_an_unknown_kind_stops_no_other,
		an_outbox_row_that_was_changed_stops_no_other,
		a_position_out_of_range_stops_no_other,
		a_stream_row_is_made_anew_from_its_outbox,
		a_stream_row_that_nothing_proves_stops_no_other,
		a_slot_in_an_unknown_state_stops_no_other,
		a_statement_that_never_ends_has_its_attempts,
		damage_is_an_alarm,
		a_new_store_is_refused_if_it_can_not_hold_unicode,
		an_old_store_that_can_not_hold_unicode_is_named,
		a_request_does_not_wait_for_a_store_that_fails,
	};

	return run_both_modes("poison", tests, sizeof tests / sizeof tests[0]);
}
