/*
 * Tables in which somebody else has written: unknown states, blobs cut short, values of other
 * types, huge numbers, rows that are gone. The library says what is wrong by name or goes on, and
 * never crashes; so this wants the sanitizers. It prints its seed; SAGA_TEST_SEED repeats one.
 */
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	ROUNDS = 40,
	SOAK_ROUNDS = 3000,
	CHANGES_MOST = 8,
	TURNS = 25
};

/* ---- a saga of each kind of row ---- */

SAGA_STRUCT(receipt, int64(number));

static saga_verdict run_a(saga_step *s)
{
	switch (saga_on(s, go_first)->n) {
	case DO_FAIL:
		return saga_fail(s, "asked to");
	case DO_WAIT:
		saga_keep(s, receipt, .number = 7);
		saga_after(s, 24 * 60 * 60 * 1000, much_later, .n = 1);
		return saga_wait(s, "asked to");
	case DO_RETRY:
		return saga_retry(s, "asked to");
	case DO_MALFORMED:
		return saga_malformed(s, "asked to");
	default:
		effect(s, "a");
		saga_keep(s, receipt, .number = 7);
		return saga_emit(s, a_done);
	}
}

static saga_verdict undo_a(saga_step *s)
{
	const struct receipt *kept = saga_kept(s, receipt);

	effect(s, kept ? "undo" : "undo without a note");
	return saga_emit(s, a_undone);
}

static saga_verdict run_join(saga_step *s)
{
	return saga_emit(s, b_done);
}

static saga_verdict run_please(saga_step *s)
{
	return saga_emit(s, c_done);
}

static saga_verdict call_outside(saga_call *c)
{
	return saga_call_retry(c, "never");
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done },
	  .undo = undo_a, .undo_on = { &take_back }, .undone = { &a_undone },
	  .after = { { .event = &much_later } },
	  .retry = { .attempts = 1000, .first_ms = 1, .max_ms = 60000 } },
	{ .name = "join", .join = SAGA_ALL, .on = { &go_second, &go_third }, .run = run_join,
	  .emits = { &b_done } },
	{ .name = "out", .on = { &bar_it }, .run = run_join, .outside = { .call = call_outside },
	  .emits = { &b_done }, .retry = { .attempts = 1000, .first_ms = 1, .max_ms = 60000 } },
	{ .name = "late", .on = { &much_later }, .run = run_please, .emits = { &c_done } },
	{ .name = "please", .on = { &please }, .run = run_please, .emits = { &c_done } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static void live(struct stage *stage)
{
	static const int64_t todo[] = { DO_DONE, DO_FAIL, DO_WAIT, DO_RETRY, DO_MALFORMED };

	for (size_t i = 0; i < sizeof todo / sizeof todo[0]; i++)
		inject_n(stage, stage_saga(stage), &go_first, todo[i]);
	inject(stage, stage_saga(stage), &go_third);
	inject(stage, stage_saga(stage), &bar_it);
	(void)ask_please(stage, "k", 1);
	settle(stage);
}

/* ---- what is written there ---- */

static uint64_t random_state;

static uint64_t pick(uint64_t most)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % most;
}

static const struct {
	const char *table, *columns[18];
} tables[] = {
	{ "saga_meta", { "name", "value" } },
	{ "saga_stream", { "shard", "seq", "last", "own", "unclean", "suspect", "suspicions" } },
	{ "saga_slot",
		{ "saga", "step", "subject", "state", "was", "attempts", "moved", "why", "ran_on",
			"answer", "digest", "note", "seen" } },
	{ "saga_parked",
		{ "saga", "id", "shard", "step", "subject", "role", "kind", "attempts", "due",
			"behind", "why", "event", "question", "at", "command", "outcome",
			"body" } },
	{ "saga_outbox", { "shard", "seq", "id", "saga", "event", "at" } },
	{ "saga_position", { "stream", "stream_shard", "shard", "owner", "seq", "id" } },
};

/* %s: the column itself. */
static const char *const values[] = {
	"NULL",
	"-1",
	"0",
	"1",
	"3000000000",
	"9223372036854775807",
	"-9223372036854775808",
	"1.5",
	"''",
	"'dead'",
	"'waiting'",
	"'trying'",
	"'held'",
	"'retry'",
	"'letter'",
	"'call'",
	"'behind'",
	"'schedule'",
	"'requeue'",
	"'assert'",
	"'dreaming of states that nobody knows'",
	"CAST(x'00ff00' AS TEXT)",
	"x''",
	"x'80'",
	"x'ffffffffffffffff'",
	"zeroblob(15)",
	"zeroblob(17)",
	"zeroblob(100000)",
	"randomblob(16)",
	"randomblob(40)",
	"substr(%s, 1, length(%s) / 2)",
	"substr(%s, 2)",
	"%s || x'ff'",
	"CAST(%s AS TEXT)",
	"CAST(%s AS BLOB)",
	"(SELECT event FROM saga_outbox LIMIT 1)",
	"(SELECT saga FROM saga_slot ORDER BY saga LIMIT 1)",
	"hex(zeroblob(2500))",
};

static void change_one(struct stage *stage)
{
	size_t table = pick(sizeof tables / sizeof tables[0]), columns = 0;
	const char *name, *value = values[pick(sizeof values / sizeof values[0])];
	char with[256], sql[512];

	while (columns < 18 && tables[table].columns[columns])
		columns++;
	name = tables[table].columns[pick(columns)];
	if (strstr(value, "%s"))
		snprintf(with, sizeof with, value, name, name);
	else
		snprintf(with, sizeof with, "%s", value);
	if (pick(12) == 0)
		snprintf(sql, sizeof sql,
			"DELETE FROM %s WHERE %s = (SELECT %s FROM %s ORDER BY random() LIMIT 1)",
			tables[table].table, name, name, tables[table].table);
	else
		snprintf(sql, sizeof sql,
			"UPDATE OR IGNORE %s SET %s = %s WHERE %s IS"
			" (SELECT %s FROM %s ORDER BY random() LIMIT 1)",
			tables[table].table, name, with, name, name, tables[table].table);
	if (getenv("SAGA_TEST_LOG"))
		fprintf(stderr, "%s\n", sql);
	/* Some break a rule of the table: then it stays as it was. */
	sql_try(stage, sql);
}

/* ---- and what comes of it ---- */

static void on_end(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;

	ck_assert_ptr_eq(participant, stage->target.participant);
	stage->target.stopped = true;
	stage->target.why = why->code;
	snprintf(stage->target.why_text, sizeof stage->target.why_text, "%s", why->text);
}

static void go_on(struct stage *stage)
{
	struct reply replies[2] = { { .times = 0 } };
	const saga_type *const types[] = { &go_first, &go_second, &go_third, &take_back, &bar_it };

	stage->options.stopped = on_end;
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
	/* To the sagas whose rows they are. */
	for (uint32_t number = 1; number <= 3; number++) {
		uint32_t sagas = stage->sagas;
		saga_id saga;

		stage->sagas = (uint32_t)pick(sagas);
		saga = stage_saga(stage);
		stage->sagas = sagas;
		inject(stage, saga, types[pick(sizeof types / sizeof types[0])]);
	}
	if (!stage->target.stopped) {
		const saga_submission again = { SAGA_SUBMISSION(please, .n = 1), .key = "k" };
		const saga_submission other = { SAGA_SUBMISSION(please, .n = 1), .key = "other" };

		(void)ask_later(stage, &again, &replies[0]);
		(void)ask_later(stage, &other, &replies[1]);
		replies[0].stage = replies[1].stage = NULL;
	}
	for (int i = 0; i < TURNS && !stage->target.stopped; i++)
		uv_run(&stage->loop, UV_RUN_ONCE);
	if (!stage->target.stopped)
		saga_stop(stage->target.participant);
	AWAIT(stage, stage->target.stopped);
	/* What makes it impossible to go on is said. */
	if (stage->target.why != SAGA_OK)
		ck_assert_str_ne(stage->target.why_text, "");
	saga_close(stage->target.participant);
	stage->target.participant = NULL;
}

static void one_round(uint64_t seed, int lanes)
{
	struct stage *stage = stage_new(lanes);

	random_state = seed;
	stage_open(stage, &def, NULL);
	live(stage);
	actor_close(&stage->target);
	for (uint64_t i = pick(CHANGES_MOST) + 1; i; i--)
		change_one(stage);
	go_on(stage);
	stage_end(stage);
}

START_TEST(what_others_wrote_is_refused_or_passed_over)
{
	const char *said = getenv("SAGA_TEST_SEED");
	uint64_t seed = said ? strtoull(said, NULL, 10) : uv_hrtime();
	int rounds = said ? 1 : getenv("SAGA_TEST_SOAK") ? SOAK_ROUNDS : ROUNDS;

	for (int i = 0; i < rounds; i++, seed++) {
		printf("SAGA_TEST_SEED=%" PRIu64 "\n", seed);
		fflush(stdout);
		one_round(seed, _i);
	}
}
END_TEST

/* ---- each reader by itself ---- */

static const struct {
	const char *sql[2], *named[2];
} broken[] = {
	{ { "UPDATE saga_slot SET seen = substr(seen, 1, 16) WHERE seen IS NOT NULL" },
		{ "saga_slot", "seen" } },
	{ { "UPDATE saga_slot SET state = 'dreaming'" }, { "slot", "state" } },
	{ { "UPDATE saga_slot SET attempts = 4000000000" }, { "saga_slot", "attempts" } },
	{ { "UPDATE saga_slot SET note = 5" }, { "saga_slot", "note" } },
	{ { "UPDATE saga_outbox SET event = 5", "UPDATE saga_stream SET own = 0" },
		{ "saga_outbox", "event" } },
	{ { "UPDATE saga_parked SET kind = 'dreaming', due = 0" }, { "saga_parked", "kind" } },
	{ { "UPDATE saga_parked SET role = 77, due = 0" }, { "saga_parked", "role" } },
	{ { "UPDATE saga_parked SET due = 0, attempts = 'many'" }, { "saga_parked", "attempts" } },
	{ { "UPDATE saga_parked SET due = 0, question = 1.5" }, { "question", "" } },
	{ { "UPDATE saga_position SET seq = 'x'" }, { "saga_position", "seq" } },
	{ { "UPDATE saga_position SET id = x'80'" }, { "saga_position", "id" } },
	{ { "UPDATE saga_stream SET seq = -5" }, { "saga_stream", "is made anew" } },
	{ { "UPDATE saga_stream SET seq = 9223372036854775807" },
		{ "saga_stream", "is made anew" } },
	{ { "UPDATE saga_stream SET last = zeroblob(15)" }, { "saga_stream", "is made anew" } },
};

enum {
	BROKEN = sizeof broken / sizeof broken[0]
};

static bool is_named(struct stage *stage, const char *const *named)
{
	bool found = false;

	pthread_mutex_lock(&stage->lock);
	for (size_t i = 0; i < stage->log_count; i++)
		found = found ||
			(strstr(stage->log[i].text, named[0]) &&
				strstr(stage->log[i].text, named[1]));
	pthread_mutex_unlock(&stage->lock);
	return found;
}

static void break_it(int lanes, size_t which)
{
	struct stage *stage = stage_new(lanes);

	stage_open(stage, &def, NULL);
	live(stage);
	actor_close(&stage->target);
	look_close(stage);
	for (size_t i = 0; i < 2 && broken[which].sql[i]; i++)
		sql_do(stage, broken[which].sql[i]);
	stage->options.stopped = on_end;
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
	/* To all the sagas that there are. */
	for (uint32_t sagas = stage->sagas, i = 0; i < sagas; i++) {
		stage->sagas = i;
		inject_n(stage, stage_saga(stage), &go_first, DO_DONE);
	}
	AWAIT(stage, is_named(stage, broken[which].named));
	if (!stage->target.stopped)
		saga_stop(stage->target.participant);
	AWAIT(stage, stage->target.stopped);
	saga_close(stage->target.participant);
	stage->target.participant = NULL;
	stage_end(stage);
}

START_TEST(each_is_refused_by_name)
{
	for (size_t which = 0; which < BROKEN; which++)
		break_it(_i, which);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_is_refused_by_name,
		what_others_wrote_is_refused_or_passed_over,
	};

	return run_both_modes("hostile", tests, sizeof tests / sizeof tests[0]);
}
