/* Faults of loops, threads and time, found once. Run one: CK_RUN_CASE=name. */
#define _GNU_SOURCE
#include "regressions.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	SLOW_MS =
		4000 /* less than what else would wake who waits, more than a busy machine takes */
};

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

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
				SAGA_SUBMISSION(please, .n = 1), .key = key, .wait_ms = 8000 },
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
	ck_assert_int_lt(*(int64_t *)longest, SLOW_MS);
}
END_TEST

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

static const char *const late_name[] = { "late", NULL };

/* A transport that takes nothing now. */
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

/* Inline lanes and the host's loop. */
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

/* Idle, and nobody says so. */
START_TEST(idle_and_nobody_says_so)
{
	int64_t longest = 0;

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
		if (took > SLOW_MS)
			break;
	}
	fprintf(stderr, "longest of 150: %lld ms\n", (long long)longest);
	ck_assert_int_lt(longest, SLOW_MS);
}
END_TEST

/* A schedule moved in the batch in which it is due. */
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

/* Our own event of a version that a newer program does not know. */
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

int main(void)
{
	const TTest *const tests[] = {
		closed_without_running,
		room_that_nobody_hears_of,
		stop_after_the_end,
		a_transport_without_room,
		inline_lanes_and_the_loop,
		idle_and_nobody_says_so,
		a_schedule_moved_when_due,
		an_own_event_of_another_version,
	};

	return run_regressions("regressions life", tests, sizeof tests / sizeof tests[0]);
}
