/* Faults of outside calls and of commits that fail, found once. Run one: CK_RUN_CASE=name. */
#define _GNU_SOURCE
#include "fault_store.h"
#include "regressions.h"

#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

SAGA_STRUCT(told, flag(yes));

/* Outside. */
static saga_verdict call(saga_call *c)
{
	struct stage *stage = saga_call_user(c);

	stage->count++;
	gate_pass(stage);
	stage->count--;
	if (stage->knob == 1)
		return saga_call_retry(c, "silence");
	return saga_tell(c, told, .yes = true);
}
static saga_verdict run_out(saga_step *s)
{
	saw(s, "run");
	return saga_emit(s, a_done);
}
static saga_verdict undo_out(saga_step *s)
{
	saw(s, "undo");
	return saga_emit(s, a_undone);
}
#define OUT_STEP(name_, ...) \
	{ \
		.name = name_, .on = { &go_first }, .run = run_out, .outside = { .call = call }, \
		.emits = { &a_done }, .undo = undo_out, .undo_on = { &take_back }, \
		.undone = { &a_undone }, .retry = { .attempts = 1 }, __VA_ARGS__ \
	}
static const saga_step_def out_steps[] = { OUT_STEP("a", .was = NULL), MARKER_STEP };
static const saga_participant_def out_def =
	SAGA_PARTICIPANT("target", out_steps, .schema = effect_schema);
static const saga_step_def new_steps[] = { OUT_STEP("n", .was = "a"), MARKER_STEP };
static const saga_participant_def new_def =
	SAGA_PARTICIPANT("target", new_steps, .schema = effect_schema);

static void unknown_answer(int lanes, int knob, struct stage **ret_stage, saga_id *ret_saga)
{
	static struct faults faults;
	struct stage *stage = stage_new(lanes);

	faults_init(&faults);
	stage_open(stage, &out_def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	settle(stage);
	*ret_saga = stage_saga(stage);
	stage->knob = knob;
	gate_close(stage);
	inject(stage, *ret_saga, &go_first);
	AWAIT(stage, stage->count == 1);
	settle(stage);
	faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
	gate_open(stage);
	AWAIT(stage, faults_fired(&faults) == 1);
	run_for(stage, 1000);
	*ret_stage = stage;
}

START_TEST(an_unknown_answer_that_got_stuck)
{
	struct stage *stage;
	saga_id saga;

	unknown_answer(_i, 1, &stage, &saga);
	fprintf(stderr, "%s, held rows %lld\n", slot_state(stage, saga, "a"),
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='held'"));
	ck_assert_int_eq(count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='held'"), 1);
}
END_TEST

START_TEST(an_unknown_answer_and_the_figures)
{
	struct stage *stage;
	saga_id saga;

	unknown_answer(_i, 0, &stage, &saga);
	fprintf(stderr, "%s, parked %lld, health says %lld\n", slot_state(stage, saga, "a"),
		(long long)parked(stage), (long long)health(&stage->target).parked);
	ck_assert_int_eq(health(&stage->target).parked, 0);
}
END_TEST

START_TEST(renamed_with_rows_behind)
{
	struct stage *stage = stage_start(_i, &out_def);
	saga_id saga = stage_saga(stage);

	stage->knob = 1;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	inject(stage, saga, &take_back);
	AWAIT(stage, count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='behind'") == 1);
	actor_close(&stage->target);
	stage->knob = 0;
	sql_write(stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'held'");
	stage->def = &new_def;
	actor_open(stage, &stage->target, &new_def, &stage->options, "target.db");
	AWAIT(stage, slot_is(stage, saga, "n", "undone")); /* done for a moment before */
	run_for(stage, 3000);
	fprintf(stderr, "n %s; still behind: %lld\n", slot_state(stage, saga, "n"),
		(long long)count(stage,
			"SELECT COUNT(*) FROM saga_parked WHERE kind='behind' AND behind='a/'"));
	ck_assert_str_eq(slot_state(stage, saga, "n"), "undone");
}
END_TEST

/* A burst of calls. */
static saga_verdict call_slow(saga_call *c)
{
	struct stage *stage = saga_call_user(c);

	if (stage->knob == 2) {
		stage->count++;
		gate_pass(stage);
	}
	return saga_tell(c, told, .yes = true);
}
static saga_verdict run_many(saga_step *s)
{
	return saga_done(s);
}
static const saga_step_def burst_steps[] = {
	{ .name = "warm", .on = { &go_second }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c1", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c2", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c3", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c4", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c5", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	{ .name = "c6", .on = { &go_first }, .run = run_many, .outside = { .call = call_slow } },
	MARKER_STEP,
};
static const saga_participant_def burst_def =
	SAGA_PARTICIPANT("target", burst_steps, .schema = effect_schema);

START_TEST(a_burst_on_a_warm_pool)
{
	struct stage *stage = stage_start(_i, &burst_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "warm", "done"));
	run_for(stage, 200);
	stage->knob = 2;
	gate_close(stage);
	inject(stage, saga, &go_first);
	run_for(stage, 1500);
	fprintf(stderr, "six calls, 16 may go at once; under way: %d\n", stage->count);
	ck_assert_int_eq(stage->count, 6);
}
END_TEST

/* The first opening's commit fails. */
START_TEST(a_call_to_revive)
{
	static struct faults faults;
	struct stage *stage = stage_new(_i);
	saga_id saga;

	faults_init(&faults);
	/* Its calls are made again when the lease of the one before it has ended. */
	stage_open(stage, &out_def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults,
			.lease_ms = 3000));
	settle(stage);
	saga = stage_saga(stage);
	gate_close(stage);
	stage->knob = 1;
	inject(stage, saga, &go_first);
	AWAIT(stage, stage->count == 1);
	/* as a killed process leaves it */
	stage->knob = 0;
	faults_plan(&faults, FAULT_COMMIT, 1, FAULT_FOREVER, FAULT_AWAY);
	gate_open(stage);
	actor_close(&stage->target);
	faults_plan(&faults, FAULT_COMMIT, 2, 1, FAULT_AWAY);
	actor_open(stage, &stage->target, &out_def, &stage->options, "target.db");
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	fprintf(stderr, "revived: %s, due in %lld s\n", slot_state(stage, saga, "a"),
		(long long)(count(stage, "SELECT due FROM saga_parked WHERE kind='call'") / 1000 -
			time(NULL)));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
}
END_TEST

/* A call of a batch whose commit was not answered. */
START_TEST(a_call_of_an_unknown_commit)
{
	static struct faults faults;
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	faults_init(&faults);
	stage_open(stage, &out_def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	settle(stage);
	faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
	inject(stage, saga, &go_first);
	run_for(stage, 5000);
	fprintf(stderr, "after 5 s: %s, due in %lld s\n", slot_state(stage, saga, "a"),
		(long long)(count(stage, "SELECT due FROM saga_parked WHERE kind='call'") / 1000 -
			time(NULL)));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
}
END_TEST

/* Attempts of a request whose batch was lost. */
static saga_verdict later_yes(saga_step *s)
{
	saw(s, "run %d", saga_attempt(s));
	if (((struct stage *)saga_user(s))->knob == 0)
		return saga_retry(s, "not yet");
	return saga_done(s);
}
static const saga_step_def ry_steps[] = {
	{ .name = "p",
		.on = { &please },
		.run = later_yes,
		.retry = { .attempts = 4, .first_ms = 20000, .max_ms = 20000 } },
	MARKER_STEP
};
static const saga_participant_def ry_def =
	SAGA_PARTICIPANT("target", ry_steps, .schema = effect_schema);

START_TEST(attempts_that_were_rolled_back)
{
	static struct faults faults;
	struct stage *stage = stage_new(_i);
	struct reply reply;

	faults_init(&faults);
	stage_open(stage, &ry_def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	settle(stage);
	faults_plan(&faults, FAULT_COMMIT, 1, 3, FAULT_CONTENDED);
	ck_assert_int_eq(
		ask_later(stage, &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = "k" },
			&reply),
		0);
	run_for(stage, 1500);
	fprintf(stderr, "trace %s; answered %d: %s (one attempt was ever committed)\n",
		trace(stage), reply.times, reply.times ? saga_code_name(reply.code) : "-");
	ck_assert_int_eq(reply.times, 0);
}
END_TEST

/* Two handlers that end the transaction, of one event. */
static saga_verdict end_it(saga_step *s)
{
	saw(s, "run");
	effect(s, "x");
	sqlite3_exec(saga_native(s), "COMMIT", NULL, NULL, NULL);
	return saga_done(s);
}
static const saga_step_def poison_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = end_it },
	{ .name = "b", .on = { &go_first }, .run = end_it },
	MARKER_STEP,
};
static const saga_participant_def poison_def =
	SAGA_PARTICIPANT("target", poison_steps, .schema = effect_schema);

START_TEST(two_poisons)
{
	struct stage *stage;
	saga_id saga;

	ONLY_ON("sqlite", "the handler ends it by SQLite's own call");
	stage = stage_start(_i, &poison_def);
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	run_for(stage, 2000);
	fprintf(stderr, "a %s b %s; committed by the handlers: %lld rows\n",
		slot_state(stage, saga, "a"), slot_state(stage, saga, "b"),
		(long long)effects(stage, saga, "x"));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "dead");
}
END_TEST

static saga_verdict exec_commit(saga_step *s)
{
	saw(s, "run");
	effect(s, "x");
	saga_exec(s, "COMMIT");
	return saga_reject(s, a_rejected);
}
static const saga_step_def ec_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = exec_commit, .rejects = { &a_rejected } },
	MARKER_STEP
};
static const saga_participant_def ec_def =
	SAGA_PARTICIPANT("target", ec_steps, .schema = effect_schema);

START_TEST(an_exec_that_commits)
{
	struct stage *stage = stage_start(_i, &ec_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	run_for(stage, 3000);
	fprintf(stderr, "a %s, runs %d, effects committed %lld\n", slot_state(stage, saga, "a"),
		trace_count(stage, "run"), (long long)effects(stage, saga, "x"));
	ck_assert_int_le(effects(stage, saga, "x"), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_unknown_answer_that_got_stuck,
		an_unknown_answer_and_the_figures,
		renamed_with_rows_behind,
		a_burst_on_a_warm_pool,
		a_call_to_revive,
		a_call_of_an_unknown_commit,
		attempts_that_were_rolled_back,
		two_poisons,
		an_exec_that_commits,
	};

	return run_regressions("regressions outside", tests, sizeof tests / sizeof tests[0]);
}
