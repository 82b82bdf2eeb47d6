/* What is old goes: events that are seen, sagas that are over, letters that nobody opened. */
#include "harness.h"

#include "participant/inside.h"

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	if (((struct stage *)saga_user(s))->knob)
		return saga_fail(s, "broken");
	return saga_emit(s, a_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static int64_t rows(struct stage *stage, const char *sql)
{
	return sql_int(stage, sql, NULL, NULL);
}

/* Tables, and nobody at work in them. */
static struct stage *stage_closed(int lanes)
{
	struct stage *stage = stage_start(lanes, &def);

	settle(stage);
	actor_close(&stage->target);
	return stage;
}

static void reopen(struct stage *stage)
{
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
}

/* ---- the outbox ---- */

#define MANY_OUT "9000"

START_TEST(a_backlog_is_trimmed_at_once)
{
	struct stage *stage = stage_closed(_i);

	sql_write(stage,
		"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " MANY_OUT ")"
		" INSERT INTO saga_outbox (shard, seq, id, saga, event, at)"
		" SELECT 0, seq + i, randomblob(16), randomblob(16), x'80', 1"
		" FROM n, saga_stream");
	sql_write(stage, "UPDATE saga_stream SET seq = seq + " MANY_OUT ", own = seq + " MANY_OUT);
	stage->options.retention_max_ms = 7 * INT64_C(86400000);
	reopen(stage);
	AWAIT(stage, health(&stage->target).store);
	stage->target.participant->trim_at = 0;
	AWAIT(stage, rows(stage, "SELECT COUNT(*) FROM saga_outbox WHERE at = 1") == 0);
	ck_assert_int_gt(stage->target.participant->trim_at, 0);
	stage_end(stage);
}
END_TEST

/* ---- sagas, by the journal alone ---- */

enum {
	OLD = 1000, /* what moved before this may go */
};

static int64_t no_time(void *context)
{
	(void)context;
	return 1;
}

static void no_chance(void *context, void *buffer, size_t size)
{
	(void)context;
	memset(buffer, 7, size);
}

static const struct saga_env env = { NULL, no_time, no_time, no_chance, NULL };

struct bare {
	struct stage *stage;
	struct saga__plan *plan;
	struct saga__journal journal;
	saga_id cursor;
};

/* A store's ops, with something that comes in between at each begin. */
static saga_store_ops between;
static const char *meanwhile;

static int begin_between(void *store, saga_error *error)
{
	const saga_statement statement = { meanwhile, NULL, 0 };

	if (meanwhile)
		ck_assert_int_eq(
			saga_store_builtin("sqlite")->run(store, &statement, 1, NULL, error),
			SAGA_OK);
	return saga_store_builtin("sqlite")->begin(store, error);
}

static void bare_open(struct bare *bare, int lanes)
{
	struct saga__journal_options options = { .timeout_ms = 1000, .env = &env };
	char url[128];
	saga_error error;

	*bare = (struct bare){ .stage = stage_closed(lanes) };
	meanwhile = NULL;
	between = *saga_store_builtin("sqlite");
	between.begin = begin_between;
	snprintf(url, sizeof url, "sqlite:%s/target.db", bare->stage->dir);
	options.url = url;
	ck_assert_int_eq(saga__plan_new(&def, &bare->plan, &error), SAGA_OK);
	options.plan = bare->plan;
	ck_assert_msg(saga__journal_open(&bare->journal, &between, &options, &error) == SAGA_OK,
		"%s", error.text);
}

static void bare_close(struct bare *bare)
{
	saga__journal_close(&bare->journal);
	saga__plan_free(bare->plan);
	stage_end(bare->stage);
}

/* Of saga 1, 2, ...: slots `from` to `upto`. */
static void put_slots(
	struct bare *bare, int saga, int from, int upto, const char *state, int64_t moved)
{
	char sql[512];

	snprintf(sql, sizeof sql,
		"WITH n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" INSERT INTO saga_slot (saga, step, subject, state, attempts, moved)"
		" SELECT CAST(zeroblob(15) || x'%02x' AS BLOB), 'a', i, '%s', 0, %lld FROM n",
		from, upto, (unsigned)saga, state, (long long)moved);
	sql_write(bare->stage, sql);
}

static int64_t slots_left(struct bare *bare)
{
	return rows(bare->stage, "SELECT COUNT(*) FROM saga_slot WHERE step = 'a'");
}

static int64_t forget_in(struct bare *bare, unsigned shard, size_t most)
{
	const struct saga__shard shards[] = { { .shard = shard } };
	struct saga__forgotten dropped;
	saga_error error;

	ck_assert_msg(saga__journal_forget(&bare->journal, shards, 1, OLD, most, &bare->cursor,
			      &dropped, &error) == SAGA_OK,
		"%s", error.text);
	return dropped.slots;
}

START_TEST(a_saga_of_many_slots_is_forgotten)
{
	struct bare bare;

	bare_open(&bare, _i);
	put_slots(&bare, 1, 1, 2000, "done", 1);
	put_slots(&bare, 2, 1, 3, "undone", 1);
	ck_assert_int_eq(forget_in(&bare, 0, 1), 2000);
	ck_assert_int_eq(forget_in(&bare, 0, 1), 3);
	ck_assert_int_eq(slots_left(&bare), 0);
	bare_close(&bare);
}
END_TEST

START_TEST(what_is_young_or_lives_saves_its_saga)
{
	static const char *const live[] = { "waiting", "trying", "undoing", "dead", "stuck" };
	struct bare bare;

	bare_open(&bare, _i);
	for (int i = 0; i < 5; i++) {
		put_slots(&bare, i + 1, 1, 3, "done", 1);
		put_slots(&bare, i + 1, 4, 4, live[i], 1);
	}
	put_slots(&bare, 6, 1, 3, "done", 1);
	put_slots(&bare, 6, 4, 4, "done", OLD);
	ck_assert_int_eq(forget_in(&bare, 0, 100), 0);
	ck_assert_int_eq(slots_left(&bare), 24);
	sql_write(bare.stage, "UPDATE saga_slot SET state = 'barred', moved = 2 WHERE step = 'a'");
	ck_assert_int_eq(forget_in(&bare, 0, 100), 24);
	bare_close(&bare);
}
END_TEST

START_TEST(a_lane_forgets_in_its_own_shards)
{
	struct bare bare;

	bare_open(&bare, _i);
	bare.journal.shards = 2;
	sql_write(bare.stage,
		"INSERT INTO saga_stream SELECT 1, seq, last, own, unclean, suspect,"
		" suspicions FROM saga_stream");
	for (int saga = 1; saga <= 4; saga++)
		put_slots(&bare, saga, 1, 1, "done", 1);
	ck_assert_int_eq(forget_in(&bare, 1, 100), 2);
	ck_assert_int_eq(rows(bare.stage,
				 "SELECT COUNT(*) FROM saga_slot WHERE step = 'a' AND"
				 " hex(substr(saga, 16)) IN ('02', '04')"),
		2);
	ck_assert_int_eq(forget_in(&bare, 0, 100), 2);
	bare_close(&bare);
}
END_TEST

START_TEST(a_saga_that_moves_meanwhile_is_kept)
{
	struct bare bare;

	bare_open(&bare, _i);
	for (int saga = 1; saga <= 3; saga++)
		put_slots(&bare, saga, 1, 2, "done", 1);
	meanwhile = "UPDATE saga_slot SET state = 'waiting'"
		    " WHERE saga = CAST(zeroblob(15) || x'01' AS BLOB) AND subject = '1';"
		    "UPDATE saga_slot SET moved = 5000"
		    " WHERE saga = CAST(zeroblob(15) || x'02' AS BLOB) AND subject = '1';";
	ck_assert_int_eq(forget_in(&bare, 0, 100), 2);
	ck_assert_int_eq(slots_left(&bare), 4);
	bare_close(&bare);
}
END_TEST

/* ---- letters ---- */

START_TEST(old_letters_are_dropped_loudly)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage), other = stage_saga(stage), third = stage_saga(stage);

	settle(stage);
	stage->knob = 1;
	inject(stage, saga, &go_first);
	inject(stage, other, &go_first);
	inject(stage, third, &go_first);
	AWAIT(stage, slot_is(stage, third, "a", "dead"));
	settle(stage);
	actor_close(&stage->target);
	ck_assert_int_eq(rows(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind = 'held'"), 3);
	/* One whose slot is over goes, and one of an event alone; what lives or is young stays. */
	sql_write(stage, "UPDATE saga_parked SET at = 1");
	sql_write(stage,
		"UPDATE saga_slot SET moved = 1, state = 'barred', was = NULL WHERE step = 'a'"
		" AND saga = (SELECT MIN(saga) FROM saga_slot WHERE state = 'dead')");
	sql_write(stage,
		"INSERT INTO saga_parked (saga, id, shard, step, subject, role, kind, attempts, "
		"due,"
		" behind, at) SELECT randomblob(16), randomblob(16), 0, '', '', 0, 'letter', 1, "
		"due, '',"
		" 1 FROM saga_parked LIMIT 1");
	sql_write(stage,
		"INSERT INTO saga_parked (saga, id, shard, step, subject, role, kind, attempts, "
		"due,"
		" behind, at) SELECT randomblob(16), randomblob(16), 0, '', '', 0, 'letter', 1, "
		"due, '',"
		" 32503680000000 FROM saga_parked LIMIT 1");
	reopen(stage);
	AWAIT(stage, logged(stage, "letters.dropped") == 1);
	ck_assert_int_eq(dead_letters(stage), 1);
	ck_assert_int_eq(rows(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind = 'held'"), 2);
	ck_assert_int_eq(rows(stage, "SELECT COUNT(*) FROM saga_slot WHERE state = 'dead'"), 2);
	ck_assert_int_eq(rows(stage, "SELECT COUNT(*) FROM saga_slot WHERE state = 'barred'"), 0);
	stage_end(stage);
}
END_TEST

static void put_letters(struct stage *stage, int count, int shards)
{
	char sql[512];

	snprintf(sql, sizeof sql,
		"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" INSERT INTO saga_parked (saga, id, shard, step, subject, role, kind, attempts,"
		" due, behind, at) SELECT randomblob(16), randomblob(16), i %% %d, '', '', 0,"
		" 'letter', 1, %lld, '', 1 FROM n",
		count, shards, (long long)SAGA__NEVER);
	sql_write(stage, sql);
}

START_TEST(old_letters_go_in_bounded_pieces)
{
	const struct saga__shard shards[] = { { .shard = 0 }, { .shard = 1 } };
	static const int64_t left[] = { 4, 0, 0 };
	struct saga__forgotten dropped;
	struct bare bare;
	saga_error error;

	bare_open(&bare, _i);
	sql_write(bare.stage,
		"INSERT INTO saga_stream SELECT 1, seq, last, own, unclean, suspect,"
		" suspicions FROM saga_stream");
	put_letters(bare.stage, 10, 2);
	for (int i = 0; i < 3; i++) {
		int64_t before = dead_letters(bare.stage);

		ck_assert_msg(saga__journal_forget(&bare.journal, shards, 2, OLD, 6, &bare.cursor,
				      &dropped, &error) == SAGA_OK,
			"%s", error.text);
		ck_assert_int_eq(dead_letters(bare.stage), left[i]);
		ck_assert_int_eq(dropped.letters, before - left[i]);
	}
	bare_close(&bare);
}
END_TEST

START_TEST(all_of_many_old_letters_go_at_once)
{
	struct stage *stage = stage_closed(_i);

	put_letters(stage, 600, 1);
	reopen(stage);
	AWAIT(stage, dead_letters(stage) == 0 && logged(stage, "letters.dropped") > 2);
	stage_end(stage);
}
END_TEST

START_TEST(a_letter_that_is_requeued_meanwhile_is_kept)
{
	struct bare bare;

	bare_open(&bare, _i);
	put_letters(bare.stage, 4, 2);
	meanwhile = "UPDATE saga_parked SET command = 'requeue', due = 1"
		    " WHERE id = (SELECT MIN(id) FROM saga_parked WHERE shard = 0);";
	ck_assert_int_eq(forget_in(&bare, 0, 100), 0);
	meanwhile = NULL;
	ck_assert_int_eq(rows(bare.stage, "SELECT COUNT(*) FROM saga_parked WHERE shard = 0"), 1);
	ck_assert_int_eq(dead_letters(bare.stage), 3);
	bare_close(&bare);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_backlog_is_trimmed_at_once,
		a_saga_of_many_slots_is_forgotten,
		what_is_young_or_lives_saves_its_saga,
		a_lane_forgets_in_its_own_shards,
		a_saga_that_moves_meanwhile_is_kept,
		old_letters_are_dropped_loudly,
		old_letters_go_in_bounded_pieces,
		all_of_many_old_letters_go_at_once,
		a_letter_that_is_requeued_meanwhile_is_kept,
	};

	return run_both_modes("aging", tests, sizeof tests / sizeof tests[0]);
}
