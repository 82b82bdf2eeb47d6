/* Faults that were found once. Run one: CK_RUN_CASE=name. */
#define _GNU_SOURCE
#include "fault_store.h"
#include "harness.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

SAGA_STRUCT(told, flag(yes));

static void run_for(struct stage *stage, int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until)
		uv_run(&stage->loop, UV_RUN_ONCE);
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int64_t count(struct stage *stage, const char *sql)
{
	return sql_int(stage, sql, NULL, NULL);
}

/* 1: a requeued letter without a subject */
static saga_verdict done(saga_step *s)
{
	saw(s, "run");
	return saga_done(s);
}
static const saga_step_def sub_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = done, .per_subject = true }, MARKER_STEP
};
static const saga_participant_def sub_def =
	SAGA_PARTICIPANT("target", sub_steps, .schema = effect_schema);

START_TEST(requeued_letter_without_subject)
{
	struct stage *stage = stage_start(_i, &sub_def);

	inject_bare_first(stage, stage_saga(stage));
	AWAIT(stage, dead_letters(stage) == 1);
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	run_for(stage, 4000);
	fprintf(stderr, "letters now: %lld, without event: %lld\n", (long long)dead_letters(stage),
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE event IS NULL"));
	ck_assert_int_eq(dead_letters(stage), 1);
}
END_TEST

/* 2: a requeued letter of no step, whose step retries */
static saga_verdict retry_once(saga_step *s)
{
	saw(s, "run");
	if (saga_attempt(s) == 1)
		return saga_retry(s, "once");
	return saga_done(s);
}
static const saga_step_def old_steps[] = { { .name = "a", .on = { &go_first }, .run = retry_once },
	MARKER_STEP };
static const saga_participant_def old_def =
	SAGA_PARTICIPANT("target", old_steps, .schema = effect_schema);

START_TEST(requeued_letter_that_retries)
{
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	stage_open(stage, &old_def, NULL);
	settle(stage);
	actor_close(&stage->target);
	inject(stage, saga, &go_first);
	usleep(20000);
	stage->options.history_ms = 1;
	actor_open(stage, &stage->target, &old_def, &stage->options, "target.db");
	AWAIT(stage, dead_letters(stage) == 1);
	actor_close(&stage->target);
	stage->options.history_ms = 0;
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	actor_open(stage, &stage->target, &old_def, &stage->options, "target.db");
	AWAIT(stage, trace_count(stage, "run") >= 1);
	run_for(stage, 1500);
	fprintf(stderr, "rows without event %lld; state %s; replays logged %d\n",
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE event IS NULL"),
		slot_state(stage, saga, "a"), logged(stage, "batch.replayed"));
	settle(stage);
}
END_TEST

/* 3: two handlers that end the transaction, of one event */
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
	struct stage *stage = stage_start(_i, &poison_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	run_for(stage, 2000);
	fprintf(stderr, "a %s b %s; committed by the handlers: %lld rows\n",
		slot_state(stage, saga, "a"), slot_state(stage, saga, "b"),
		(long long)effects(stage, saga, "x"));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "dead");
}
END_TEST

/* 4, 5: joins */
static saga_verdict join(saga_step *s)
{
	saw(s, "run");
	if (!((struct stage *)saga_user(s))->knob)
		return saga_fail(s, "broken");
	return saga_done(s);
}
static const saga_step_def join_steps[] = {
	{ .name = "a", .on = { &go_first, &go_second }, .join = SAGA_ALL, .run = join },
	{ .name = "b", .on = { &go_first, &go_second, &go_third }, .join = SAGA_ALL, .run = join },
	MARKER_STEP,
};
static const saga_participant_def join_def =
	SAGA_PARTICIPANT("target", join_steps, .schema = effect_schema);

START_TEST(a_requeued_join)
{
	struct stage *stage = stage_start(_i, &join_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "a", "dead"));
	stage->knob = 1;
	sql_write(stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'held'");
	stage_restart(stage);
	run_for(stage, 3000);
	fprintf(stderr, "requeued join: %s, held rows %lld\n", slot_state(stage, saga, "a"),
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='held'"));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
}
END_TEST

START_TEST(a_join_of_many)
{
	struct stage *stage = stage_start(_i, &join_def);
	saga_id saga = stage_saga(stage);

	stage->knob = 1;
	inject(stage, saga, &go_first);
	for (int i = 0; i < 66; i++)
		inject(stage, saga, &go_second);
	inject(stage, saga, &go_third);
	settle(stage);
	fprintf(stderr, "join of three with 66 of the second: %s\n", slot_state(stage, saga, "b"));
	ck_assert_str_eq(slot_state(stage, saga, "b"), "done");
}
END_TEST

/* 6: outside */
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
	stage_open(
		stage, &out_def, SAGA_OPTIONS(.store_ops = &fault_store, .store_context = &faults));
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

/* 8: a schedule moved in the batch in which it is due */
static saga_verdict extend(saga_step *s)
{
	struct stage *stage = saga_user(s);

	saw(s, "run");
	if (saga_trigger(s) && stage->knob == 0) {
		stage->knob = 1;
		saga_after(s, 1500, later, .n = 1);
		return saga_wait(s, "first");
	}
	if (saga_attempt(s) == 1)
		return saga_retry(s, "once");
	saga_after(s, 2500, later, .n = 2);
	return saga_wait(s, "second");
}
static const saga_step_def move_steps[] = {
	{ .name = "a",
		.on = { &go_first, &go_second },
		.run = extend,
		.after = { { .event = &later } },
		.retry = { .attempts = 5, .first_ms = 60000, .max_ms = 60000 } },
	MARKER_STEP,
};
static const saga_participant_def move_def =
	SAGA_PARTICIPANT("target", move_steps, .schema = effect_schema);

START_TEST(a_schedule_moved_when_due)
{
	struct stage *stage = stage_start(_i, &move_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting"));
	gate_close(stage);
	inject(stage, saga, &go_second);
	AWAIT(stage,
		count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='retry'") == 1 ||
			trace_count(stage, "run") == 3);
	actor_close(&stage->target);
	if (trace_count(stage, "run") == 3)
		fprintf(stderr, "(too late, no meaning)\n");
	usleep(1600000);
	sql_write(stage, "UPDATE saga_parked SET due = 1 WHERE kind = 'retry'");
	actor_open(stage, &stage->target, &move_def, &stage->options, "target.db");
	AWAIT(stage, trace_count(stage, "run") == 3);
	run_for(stage, 1000);
	fprintf(stderr, "published at once: %d; ", said(stage, saga, "target.later"));
	run_for(stage, 3000);
	fprintf(stderr, "in the end: %d with n 2; health parked %lld, really %lld\n",
		said_with(stage, saga, "target.later", "2"),
		(long long)health(&stage->target).parked, (long long)parked(stage));
	ck_assert_int_eq(said_with(stage, saga, "target.later", "2"), 1);
}
END_TEST

/* 9: a burst of calls */
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

/* calls behind a busy pool are asked again and again */

/* 10: a lane that spins */
static const char *const late_name[] = { "late", NULL };

/* 11 */
static int answers;
static void answered(void *user, const saga_answer *answer)
{
	(void)user, (void)answer;
	answers++;
}
static const saga_step_def please_steps[] = {
	{ .name = "p", .on = { &please }, .run = run_marker }
};
static const saga_participant_def please_def = SAGA_PARTICIPANT("p", please_steps);

START_TEST(closed_without_running)
{
	saga_participant *p;
	saga_error error;

	ck_assert_int_eq(
		saga_open(&please_def, SAGA_OPTIONS(.store = "sqlite::memory:"), &p, &error), 0);
	ck_assert_int_eq(saga_submit(p,
				 &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = "k",
					 .answered = answered },
				 &error),
		SAGA_OK);
	saga_close(p);
	fprintf(stderr, "accepted 1, answered %d\n", answers);
	ck_assert_int_eq(answers, 1);
}
END_TEST

/* 12 */
static void *submitter(void *context)
{
	static int64_t longest;
	saga_error error;

	for (int i = 0; i < 40; i++) {
		char key[16];
		uint64_t begin = uv_hrtime();
		int64_t took;

		snprintf(key, sizeof key, "k%d", i);
		(void)!saga_submit(context,
			&(saga_submission){
				SAGA_SUBMISSION(please, .n = 1), .key = key, .wait_ms = 1500 },
			&error);
		took = (int64_t)(uv_hrtime() - begin) / 1000000;
		if (took > longest)
			longest = took;
	}
	return &longest;
}
static const saga_step_def p2_steps[] = { { .name = "p", .on = { &please }, .run = run_marker },
	MARKER_STEP };
static const saga_participant_def p2_def =
	SAGA_PARTICIPANT("target", p2_steps, .schema = effect_schema);

START_TEST(room_that_nobody_hears_of)
{
	struct stage *stage = stage_new(1);
	pthread_t thread;
	void *longest;

	stage_open(stage, &p2_def, SAGA_OPTIONS(.limits = SAGA_LIMITS(.queue = 1)));
	pthread_create(&thread, NULL, submitter, stage->target.participant);
	while (pthread_tryjoin_np(thread, &longest) != 0)
		uv_run(&stage->loop, UV_RUN_ONCE);
	fprintf(stderr, "longest wait for room: %lld ms\n", (long long)*(int64_t *)longest);
	ck_assert_int_lt(*(int64_t *)longest, 1000);
}
END_TEST

/* 13 */
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

/* 14: innocents beside one that can't commit */

/* 16 */
static saga_verdict undo_fails(saga_step *s)
{
	return saga_fail(s, "broken");
}
static const saga_step_def as_steps[] = { { .name = "a",
						  .on = { &go_first },
						  .run = run_out,
						  .emits = { &a_done },
						  .undo = undo_fails,
						  .undo_on = { &take_back },
						  .undone = { &a_undone } },
	MARKER_STEP };
static const saga_participant_def as_def =
	SAGA_PARTICIPANT("target", as_steps, .schema = effect_schema);

START_TEST(a_stuck_undo_asserted_as_done)
{
	struct stage *stage = stage_start(_i, &as_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	sql_write(stage,
		"UPDATE saga_parked SET command = 'assert', outcome = 'a.done', body = '{}', due = "
		"0 WHERE kind = 'held'");
	run_for(stage, 3000);
	fprintf(stderr, "a %s, a.done published %d times\n", slot_state(stage, saga, "a"),
		said(stage, saga, "a.done"));
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
}
END_TEST

/* 20 */
START_TEST(stop_after_the_end)
{
	saga_participant *p;
	saga_error error;
	uv_loop_t loop;

	uv_loop_init(&loop);
	ck_assert_int_eq(
		saga_open(&please_def, SAGA_OPTIONS(.store = "sqlite::memory:", .loop = &loop), &p,
			&error),
		0);
	saga_stop(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	saga_stop(p); /* "again is harmless" */
	saga_close(p);
}
END_TEST

/* 22: a transport that takes nothing now */
static int t_open(saga_port *port, const saga_transport_options *o, void **ret, saga_error *e)
{
	(void)o, (void)e;
	*ret = port;
	return SAGA_OK;
}
static int t_send(void *t, const saga_frame *f, size_t n, size_t *ret)
{
	(void)t, (void)f, (void)n;
	*ret = 0;
	return SAGA_OK;
}
static void t_close(void *t)
{
	saga_port_closed(t);
}
static const saga_transport_ops full_ops = {
	.size = sizeof full_ops, .schemes = "full", .open = t_open, .send = t_send, .close = t_close
};

START_TEST(a_transport_without_room)
{
	struct stage *stage = stage_new(1);
	double before;

	actor_open(stage, &stage->target, &p2_def,
		SAGA_OPTIONS(.transport = "full://x", .transport_ops = &full_ops,
			.followers = late_name),
		"target.db");
	run_for(stage, 1000);
	before = cpu();
	run_for(stage, 3000);
	fprintf(stderr, "cpu in 3 s: %.2f s\n", cpu() - before);
	ck_assert(cpu() - before < 1);
}
END_TEST

/* 23: inline lanes and the host's loop */
START_TEST(inline_lanes_and_the_loop)
{
	struct stage *stage = stage_new(0);
	saga_error error;
	int most = 0, before;
	static int64_t longest;

	stage_open(stage, &p2_def, SAGA_OPTIONS(.limits = SAGA_LIMITS(.batch_events = 1)));
	settle(stage);
	for (int i = 0; i < 500; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%d", i);
		ck_assert_int_eq(saga_submit(stage->target.participant,
					 &(saga_submission){ SAGA_SUBMISSION(please, .n = 1),
						 .key = key, .answered = answered },
					 &error),
			0);
	}
	while (answers < 500) {
		uint64_t begin = uv_hrtime();

		before = answers;
		uv_run(&stage->loop, UV_RUN_NOWAIT);
		if (answers - before > most)
			most = answers - before;
		if ((int64_t)(uv_hrtime() - begin) / 1000000 > longest)
			longest = (int64_t)(uv_hrtime() - begin) / 1000000;
	}
	fprintf(stderr, "transactions in one saga_turn/uv_run(NOWAIT): %d, %lld ms\n", most,
		(long long)longest);
	ck_assert_int_lt(most, 10);
}
END_TEST

/* 24: the file is replaced while it runs */

/* 25: the first opening's commit fails */
START_TEST(a_call_to_revive)
{
	static struct faults faults;
	struct stage *stage = stage_new(_i);
	saga_id saga;

	faults_init(&faults);
	/* Its calls are made again when the lease of the one before it has ended. */
	stage_open(stage, &out_def,
		SAGA_OPTIONS(.store_ops = &fault_store, .store_context = &faults,
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

/* 26: a queue of one */

/* 27: idle, and nobody says so */
START_TEST(idle_and_nobody_says_so)
{
	int64_t longest = 0;
	int slow = 0;

	for (int i = 0; i < 150; i++) {
		saga_participant *p;
		saga_error error;
		uint64_t begin = uv_hrtime();
		int64_t took;

		ck_assert_int_eq(saga_open(&please_def,
					 SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = 1,
						 .stop_when_idle = true),
					 &p, &error),
			0);
		ck_assert_int_eq(
			saga_submit(p,
				&(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = "k" },
				&error),
			0);
		(void)saga_run(p);
		saga_close(p);
		took = (int64_t)(uv_hrtime() - begin) / 1000000;
		longest = took > longest ? took : longest;
		if (took > 1000) {
			slow++;
			break;
		}
	}
	fprintf(stderr, "longest of 150: %lld ms\n", (long long)longest);
	ck_assert_int_lt(longest, 1000);
}
END_TEST

/* 28: attempts of a request whose batch was lost */
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
	stage_open(
		stage, &ry_def, SAGA_OPTIONS(.store_ops = &fault_store, .store_context = &faults));
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

/* 29: with a pause in pool.c before `pool->load--` */

/* 30: our own event of a version that a newer program does not know */
SAGA_EVENT(a_done2, "a.done", 2, opt_int64(n), opt_text(text), opt_int64(more));
static saga_verdict emit_a(saga_step *s)
{
	return saga_emit(s, a_done);
}
static saga_verdict emit_a2(saga_step *s)
{
	return saga_emit(s, a_done2);
}
static const saga_step_def v1_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = emit_a, .emits = { &a_done } },
	{ .name = "b", .on = { &a_done }, .run = run_marker }, MARKER_STEP
};
static const saga_step_def v2_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = emit_a2, .emits = { &a_done2 } },
	{ .name = "b", .on = { &a_done2 }, .run = run_marker }, MARKER_STEP
};
static const saga_participant_def v1_def =
	SAGA_PARTICIPANT("target", v1_steps, .schema = effect_schema);
static const saga_participant_def v2_def =
	SAGA_PARTICIPANT("target", v2_steps, .schema = effect_schema);

START_TEST(an_own_event_of_another_version)
{
	struct stage *stage = stage_start(_i, &v1_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "b", "done"));
	settle(stage);
	actor_close(&stage->target);
	/* as if it had been killed between the two transactions */
	sql_write(stage, "DELETE FROM saga_slot WHERE step = 'b'");
	sql_write(stage, "UPDATE saga_stream SET own = 0");
	actor_open(stage, &stage->target, &v2_def, &stage->options, "target.db");
	run_for(stage, 2500);
	fprintf(stderr, "own %lld of %lld, letters %lld, b %s, logged %d\n",
		(long long)count(stage, "SELECT own FROM saga_stream"),
		(long long)count(stage, "SELECT seq FROM saga_stream"),
		(long long)dead_letters(stage), slot_state(stage, saga, "b"),
		logged(stage, "event.dead"));
	ck_assert_int_eq(dead_letters(stage), 1);
}
END_TEST

/* 31: only with a store of several shards: an innocent row beside a suspect */
static saga_verdict retry_first(saga_step *s)
{
	saw(s, "run");
	return saga_attempt(s) == 1 ? saga_retry(s, "once") : saga_done(s);
}

/* 32: a call of a batch whose commit was not answered */
START_TEST(a_call_of_an_unknown_commit)
{
	static struct faults faults;
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	faults_init(&faults);
	stage_open(
		stage, &out_def, SAGA_OPTIONS(.store_ops = &fault_store, .store_context = &faults));
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

/* 34, 35: commands on rows that are neither held nor letters */
static saga_verdict arm_it(saga_step *s)
{
	saw(s, "run on %s", saga_event_type(saga_trigger(s)));
	effect(s, "a");
	saga_after(s, 60000, later, .n = 1);
	return saga_emit(s, a_done);
}
static const saga_step_def arm_steps[] = { { .name = "a",
						   .on = { &go_first },
						   .run = arm_it,
						   .emits = { &a_done },
						   .after = { { .event = &later } } },
	{ .name = "r",
		.on = { &go_second },
		.run = retry_first,
		.retry = { .attempts = 9, .first_ms = 600000, .max_ms = 600000 } },
	MARKER_STEP };
static const saga_participant_def arm_def =
	SAGA_PARTICIPANT("target", arm_steps, .schema = effect_schema);

START_TEST(a_schedule_requeued)
{
	struct stage *stage = stage_start(_i, &arm_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	sql_write(stage,
		"UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'schedule'");
	run_for(stage, 3000);
	fprintf(stderr, "trace: %s; effects %lld; a.done said %d, later said %d\n", trace(stage),
		(long long)effects(stage, saga, "a"), said(stage, saga, "a.done"),
		said(stage, saga, "target.later"));
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
}
END_TEST

START_TEST(a_refused_assertion_of_a_retry)
{
	struct stage *stage = stage_start(_i, &arm_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	AWAIT(stage, count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='retry'") == 1);
	sql_write(stage,
		"UPDATE saga_parked SET command = 'assert', outcome = '', due = 0 WHERE kind = "
		"'retry'");
	AWAIT(stage, logged(stage, "operator.refused") == 1);
	run_for(stage, 200);
	fprintf(stderr, "kind retry, due never: %lld\n",
		(long long)count(stage,
			"SELECT COUNT(*) FROM saga_parked WHERE kind='retry' AND due = "
			"9223372036854775807"));
	ck_assert_int_eq(count(stage,
				 "SELECT COUNT(*) FROM saga_parked WHERE kind='retry' AND due = "
				 "9223372036854775807"),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		requeued_letter_without_subject,
		requeued_letter_that_retries,
		two_poisons,
		a_requeued_join,
		a_join_of_many,
		an_unknown_answer_that_got_stuck,
		an_unknown_answer_and_the_figures,
		renamed_with_rows_behind,
		a_schedule_moved_when_due,
		a_burst_on_a_warm_pool,
		closed_without_running,
		room_that_nobody_hears_of,
		an_exec_that_commits,
		a_stuck_undo_asserted_as_done,
		stop_after_the_end,
		a_transport_without_room,
		inline_lanes_and_the_loop,
		a_call_to_revive,
		idle_and_nobody_says_so,
		attempts_that_were_rolled_back,
		an_own_event_of_another_version,
		a_call_of_an_unknown_commit,
		a_schedule_requeued,
		a_refused_assertion_of_a_retry,
	};
	Suite *suite = suite_create("regressions");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		TCase *one = tcase_create(tests[i]->name);

		tcase_set_timeout(one, 100);
		tcase_add_loop_test(one, tests[i], 1, 2);
		suite_add_tcase(suite, one);
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
