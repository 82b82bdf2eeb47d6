/* Open, run, stop, close; the queue, threads, loops of all kinds. */
#include "fault_store.h"
#include "harness.h"

#include <poll.h>
#include <stdio.h>

static saga_verdict run_please(saga_step *s)
{
	struct stage *stage = saga_user(s);

	if (stage)
		gate_pass(stage);
	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), "please");
	return saga_emit(s, a_done);
}

static saga_verdict run_next(saga_step *s)
{
	if (saga_on(s, a_done))
		saga_after(s, 20, later, .n = 1);
	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), "next");
	return saga_done(s);
}

static saga_verdict run_last(saga_step *s)
{
	struct stage *stage = saga_user(s);

	if (stage)
		stage->count++;
	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), "last");
	return saga_done(s);
}

static const saga_step_def steps[] = {
	{ .name = "please", .on = { &please }, .run = run_please, .emits = { &a_done } },
	{ .name = "next", .on = { &a_done }, .run = run_next, .after = { { .event = &later } } },
	{ .name = "last", .on = { &later }, .run = run_last },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static int64_t all_effects(struct stage *stage, const char *what)
{
	return sql_int(stage, "SELECT COUNT(*) FROM effect WHERE what = ?", NULL, what);
}

/* ---- the queue ---- */

enum {
	QUEUE = 4
};

static int submit_numbered(struct stage *stage, int number, struct reply *reply)
{
	char key[16];

	snprintf(key, sizeof key, "k%d", number);
	return ask_later(
		stage, &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = key }, reply);
}

START_TEST(a_full_queue_is_busy)
{
	struct stage *stage = stage_new(_i);
	struct reply replies[3 * QUEUE];
	int accepted = 0, code = SAGA_OK;

	stage_open(stage, &def, SAGA_OPTIONS(.limits = SAGA_LIMITS(.queue = QUEUE)));
	gate_close(stage);
	if (_i == 0)
		gate_open(stage);
	while (accepted < 3 * QUEUE &&
		(code = submit_numbered(stage, accepted, &replies[accepted])) == SAGA_OK)
		accepted++;
	ck_assert_int_eq(code, SAGA_BUSY);
	ck_assert_int_ge(accepted, 1);
	ck_assert_int_ge(health(&stage->target).queued, 1);
	gate_open(stage);
	for (int i = 0; i < accepted; i++) {
		AWAIT(stage, replies[i].times == 1);
		ck_assert_int_eq(replies[i].code, SAGA_OK);
	}
	settle(stage);
	AWAIT(stage, (code = submit_numbered(stage, 99, &replies[0])) != SAGA_BUSY);
	ck_assert_int_eq(code, SAGA_OK);
	AWAIT(stage, replies[0].times == 1);
	ck_assert_int_eq(all_effects(stage, "please"), accepted + 1);
	stage_end(stage);
}
END_TEST

/* ---- many threads ---- */

enum {
	THREADS = 4,
	EACH = 50
};

struct submitter {
	struct stage *stage;
	int number;
	int accepted;
	struct reply replies[EACH];
};

static void *submit_many(void *argument)
{
	struct submitter *submitter = argument;

	for (int i = 0; i < EACH; i++) {
		char key[32];
		saga_submission submission = { SAGA_SUBMISSION(please, .n = 1), .key = key,
			.wait_ms = DEADLINE_MS };

		snprintf(key, sizeof key, "t%d-%d", submitter->number, i);
		if (ask_later(submitter->stage, &submission, &submitter->replies[i]) == SAGA_OK)
			submitter->accepted++;
	}
	return NULL;
}

static int answered(struct submitter *submitters)
{
	int count = 0;

	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < EACH; i++)
			count += submitters[t].replies[i].times;
	return count;
}

START_TEST(threads_submit_and_each_is_answered_once)
{
	struct submitter *submitters = calloc(THREADS, sizeof *submitters);
	struct stage *stage = stage_new(_i);
	pthread_t threads[THREADS];

	stage_open(stage, &def, SAGA_OPTIONS(.limits = SAGA_LIMITS(.queue = 8)));
	for (int t = 0; t < THREADS; t++) {
		submitters[t].stage = stage;
		submitters[t].number = t;
		ck_assert_int_eq(pthread_create(&threads[t], NULL, submit_many, &submitters[t]), 0);
	}
	AWAIT(stage, all_effects(stage, "please") == THREADS * EACH);
	for (int t = 0; t < THREADS; t++)
		ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
	AWAIT(stage, answered(submitters) >= THREADS * EACH);
	AWAIT(stage, stage->count == THREADS * EACH);
	for (int t = 0; t < THREADS; t++) {
		ck_assert_int_eq(submitters[t].accepted, EACH);
		for (int i = 0; i < EACH; i++) {
			ck_assert_int_eq(submitters[t].replies[i].times, 1);
			ck_assert_int_eq(submitters[t].replies[i].code, SAGA_OK);
		}
	}
	ck_assert_int_eq(all_effects(stage, "please"), THREADS * EACH);
	stage_end(stage);
	free(submitters);
}
END_TEST

/* ---- stopping ---- */

START_TEST(a_stop_answers_all_that_is_pending)
{
	struct stage *stage = stage_new(_i);
	struct reply replies[5], late;
	struct faults faults;

	faults_init(&faults);
	faults_plan(&faults, FAULT_OPEN, 1, FAULT_FOREVER, FAULT_AWAY);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(submit_numbered(stage, i, &replies[i]), SAGA_OK);
	AWAIT(stage, faults_fired(&faults) >= 2);
	ck_assert(!health(&stage->target).store);
	saga_stop(stage->target.participant);
	saga_stop(stage->target.participant);
	ck_assert_int_eq(submit_numbered(stage, 9, &late), SAGA_STOPPED);
	AWAIT(stage, stage->target.stopped);
	ck_assert_int_eq(stage->target.why, SAGA_OK);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(replies[i].times, 1);
		ck_assert_int_eq(replies[i].code, SAGA_STOPPED);
	}
	ck_assert_int_eq(late.times, 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_stop_answers_done_or_stopped_truthfully)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply replies[20];
	int done = 0;

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(submit_numbered(stage, i, &replies[i]), SAGA_OK);
	uv_run(&stage->loop, UV_RUN_ONCE);
	saga_stop(stage->target.participant);
	AWAIT(stage, stage->target.stopped);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(replies[i].times, 1);
		ck_assert(replies[i].code == SAGA_OK || replies[i].code == SAGA_STOPPED);
		done += replies[i].code == SAGA_OK;
	}
	ck_assert_int_eq(all_effects(stage, "please"), done);
	stage_end(stage);
}
END_TEST

START_TEST(close_without_running_is_fine)
{
	saga_participant *p;
	saga_error error;

	saga_close(NULL);
	ck_assert_int_eq(
		saga_open(&def, SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = _i), &p, &error),
		SAGA_OK);
	saga_close(p);
}
END_TEST

/* ---- a loop of its own ---- */

static void note_code(void *user, const saga_answer *answer)
{
	*(int *)user = answer->code;
}

static saga_participant *open_alone(const char *store, int lanes, bool stop_when_idle)
{
	saga_participant *p;
	saga_error error;

	ck_assert_msg(saga_open(&def,
			      SAGA_OPTIONS(.store = store, .lanes = lanes,
				      .stop_when_idle = stop_when_idle),
			      &p, &error) == SAGA_OK,
		"%s", error.text);
	return p;
}

static void submit_alone(saga_participant *p, const char *key, int *code)
{
	*code = 1;
	ck_assert_int_eq(saga_submit(p,
				 &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = key,
					 .answered = note_code, .user = code },
				 NULL),
		SAGA_OK);
}

/* ---- a statement that does not end ---- */

static saga_verdict run_endless(saga_step *s)
{
	struct stage *stage = saga_user(s);

	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), "endless");
	atomic_fetch_add(&stage->count, 1);
	if (stage->knob && is_on("sqlite"))
		saga_query_int64(s, 0,
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
			" SELECT COUNT(*) AS n FROM n");
	else if (stage->knob)
		saga_query_int64(s, 0, "SELECT 1 AS n FROM pg_sleep(60)");
	return saga_emit(s, a_done);
}

static const saga_step_def endless_steps[] = {
	{ .name = "please", .on = { &please }, .run = run_endless, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def endless =
	SAGA_PARTICIPANT("target", endless_steps, .schema = effect_schema);

enum {
	STOP_MS = 200,
	STOPPED_MS = 5000 /* no store ends a statement of its own accord so soon */
};

START_TEST(a_statement_that_does_not_end_is_interrupted_by_a_stop)
{
	struct stage *stage;
	struct reply reply;
	int64_t before;

	LEAVE_OUT_IF(_i == 0, "an inline lane has nobody who could");
	stage = stage_new(_i);
	stage->knob = 1;
	stage_open(stage, &endless, SAGA_OPTIONS(.limits = SAGA_LIMITS(.stop_ms = STOP_MS)));
	settle(stage);
	ck_assert_int_eq(submit_numbered(stage, 1, &reply), SAGA_OK);
	AWAIT(stage, atomic_load(&stage->count) == 1);
	before = (int64_t)(uv_hrtime() / 1000000);
	actor_close(&stage->target);
	ck_assert_int_ge((int64_t)(uv_hrtime() / 1000000) - before, STOP_MS);
	ck_assert_int_lt((int64_t)(uv_hrtime() / 1000000) - before, STOPPED_MS);
	ck_assert_int_eq(reply.times, 1);
	ck_assert_int_eq(reply.code, SAGA_STOPPED);
	ck_assert_int_eq(all_effects(stage, "endless"), 0);
	stage->knob = 0;
	stage_restart(stage);
	ck_assert_int_eq(submit_numbered(stage, 1, &reply), SAGA_OK);
	AWAIT(stage, reply.times == 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_int_eq(all_effects(stage, "endless"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(it_stops_when_idle_and_not_before)
{
	struct stage *stage = stage_new(_i);
	saga_participant *p;
	int code;

	p = open_alone(stage->url, _i, true);
	submit_alone(p, "k", &code);
	ck_assert_int_eq(saga_run(p), SAGA_OK);
	saga_close(p);
	ck_assert_int_eq(code, SAGA_OK);
	ck_assert_int_eq(all_effects(stage, "please"), 1);
	ck_assert_int_eq(all_effects(stage, "next"), 1);
	ck_assert_int_eq(all_effects(stage, "last"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(it_stops_when_there_is_nothing_to_do)
{
	saga_participant *p = open_alone("sqlite::memory:", _i, true);

	ck_assert_int_eq(saga_run(p), SAGA_OK);
	saga_close(p);
}
END_TEST

static void stop_at_answer(void *user, const saga_answer *answer)
{
	(void)answer;
	saga_stop(user);
}

START_TEST(a_callback_may_stop_it)
{
	saga_participant *p = open_alone("sqlite::memory:", _i, false);

	ck_assert_int_eq(saga_submit(p,
				 &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = "k",
					 .answered = stop_at_answer, .user = p },
				 NULL),
		SAGA_OK);
	ck_assert_int_eq(saga_run(p), SAGA_OK);
	saga_close(p);
}
END_TEST

/* As a host with another event loop does. */
static void turn_once(saga_participant *p, int64_t until)
{
	struct pollfd fd = { .fd = saga_fd(p), .events = POLLIN };
	int timeout = saga_timeout(p);

	ck_assert_int_ge(fd.fd, 0);
	ck_assert_int_ge(timeout, -1);
	ck_assert_msg((int64_t)(uv_hrtime() / 1000000) < until, "turned in vain");
	ck_assert_int_ge(poll(&fd, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout), 0);
	saga_turn(p);
}

static void note_stopped(void *user, saga_participant *p, const saga_error *why)
{
	(void)p;
	*(int *)user = why && why->code ? 2 : 1;
}

START_TEST(a_host_turns_it_by_its_fd)
{
	int64_t until = stage_deadline();
	int code, stopped = 0;
	saga_participant *p;

	static const saga_step_def turned_steps[] = {
		{ .name = "last", .on = { &tell_me }, .run = run_marker },
	};
	static const saga_participant_def turned = SAGA_PARTICIPANT("target", turned_steps);

	ck_assert_int_eq(saga_open(&turned,
				 SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = _i,
					 .user = &stopped, .stopped = note_stopped),
				 &p, NULL),
		SAGA_OK);
	code = 1;
	ck_assert_int_eq(saga_submit(p,
				 &(saga_submission){ SAGA_SUBMISSION(tell_me, .n = 1), .key = "k",
					 .answered = note_code, .user = &code },
				 NULL),
		SAGA_OK);
	while (code == 1)
		turn_once(p, until);
	ck_assert_int_eq(code, SAGA_OK);
	saga_stop(p);
	while (!stopped)
		turn_once(p, until);
	ck_assert_int_eq(stopped, 1);
	saga_close(p);
}
END_TEST

START_TEST(two_share_the_loop_of_one)
{
	saga_participant *owner = open_alone("sqlite::memory:", _i, true);
	saga_participant *guest;
	int codes[2];

	ck_assert_int_eq(saga_open(&def,
				 SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = _i,
					 .loop = saga_loop(owner), .stop_when_idle = true),
				 &guest, NULL),
		SAGA_OK);
	ck_assert_ptr_eq(saga_loop(guest), saga_loop(owner));
	submit_alone(owner, "o", &codes[0]);
	submit_alone(guest, "g", &codes[1]);
	ck_assert_int_eq(saga_run(guest), SAGA_OK);
	ck_assert_int_eq(saga_run(owner), SAGA_OK);
	ck_assert_int_eq(codes[0], SAGA_OK);
	ck_assert_int_eq(codes[1], SAGA_OK);
	saga_close(guest);
	saga_close(owner);
}
END_TEST

START_TEST(an_answer_of_a_stop_carries_nothing_of_a_lost_batch)
{
	struct stage *stage = stage_new(_i);
	struct faults faults;
	struct reply reply;

	faults_init(&faults);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults));
	ck_assert_int_eq(ask_please(stage, "warm", 0).code, SAGA_OK);
	faults_plan(&faults, FAULT_COMMIT, 1, FAULT_FOREVER, FAULT_FULL);
	ck_assert_int_eq(submit_numbered(stage, 1, &reply), SAGA_OK);
	AWAIT(stage, faults_fired(&faults) > 0);
	saga_stop(stage->target.participant);
	AWAIT(stage, reply.times > 0);
	faults_clear(&faults);
	ck_assert(reply.code == SAGA_STOPPED || reply.code == SAGA_UNKNOWN);
	ck_assert_str_eq(reply.outcome, "");
	ck_assert(!reply.repeated);
	AWAIT(stage, stage->target.stopped);
	stage_end(stage);
}
END_TEST

/* Whoever runs it until nothing is left to do has the operator's command carried out first. */
static saga_verdict run_mended(saga_step *s)
{
	struct stage *stage = saga_user(s);

	return stage->knob ? saga_emit(s, a_done) : saga_fail(s, "broken");
}

static const saga_step_def mended_steps[] = {
	{ .name = "a", .on = { &go_first, &go_second }, .run = run_mended, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def mended =
	SAGA_PARTICIPANT("target", mended_steps, .schema = effect_schema);

START_TEST(idle_is_no_one_with_a_command_to_carry_out)
{
	struct stage *stage = stage_start(_i, &mended);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "dead"));
	inject(stage, saga, &go_second); /* it waits behind, and holds up nobody's end */
	AWAIT(stage, parked(stage) == 1);
	actor_close(&stage->target);
	stage_open(stage, &mended, SAGA_OPTIONS(.stop_when_idle = true));
	AWAIT(stage, stage->target.stopped);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "dead");
	actor_close(&stage->target);
	stage->knob = 1;
	sql_write(stage,
		"UPDATE saga_parked SET command = 'requeue', outcome = '', body = '{}',"
		" due = 0, why = 'by hand' WHERE kind = 'held'");
	stage_open(stage, &mended, SAGA_OPTIONS(.stop_when_idle = true));
	AWAIT(stage, stage->target.stopped);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_parked", NULL, NULL), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_full_queue_is_busy,
		threads_submit_and_each_is_answered_once,
		a_stop_answers_all_that_is_pending,
		a_stop_answers_done_or_stopped_truthfully,
		close_without_running_is_fine,
		a_statement_that_does_not_end_is_interrupted_by_a_stop,
		it_stops_when_idle_and_not_before,
		it_stops_when_there_is_nothing_to_do,
		a_callback_may_stop_it,
		a_host_turns_it_by_its_fd,
		two_share_the_loop_of_one,
		an_answer_of_a_stop_carries_nothing_of_a_lost_batch,
		idle_is_no_one_with_a_command_to_carry_out,
	};

	return run_both_modes("life", tests, sizeof tests / sizeof tests[0]);
}
