/* A wall clock that leaps or goes back: nothing is lost, and nothing stalls. */
#include "harness.h"

#include "participant/inside.h"

enum {
	SOON_MS = 3000
};

#define DAY_MS INT64_C(86400000)

static _Atomic int64_t shift; /* of the target's wall clock */

static int64_t shifted_wall(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + shift;
}

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	if (((struct stage *)saga_user(s))->knob)
		return saga_retry(s, "not yet");
	saga_after(s, SOON_MS, later, .n = 1);
	return saga_emit(s, a_done);
}

static saga_verdict run_fired(saga_step *s)
{
	saw(s, "fire");
	return saga_done(s);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.after = { { .event = &later } },
		.retry = { .attempts = 1000, .first_ms = SOON_MS, .max_ms = SOON_MS } },
	{ .name = "fired", .on = { &later }, .run = run_fired },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* Nobody is there to see the target's events. */
static const char *const nobody[] = { "nobody", NULL };

static void open_target(struct stage *stage)
{
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
	/* No thread of it runs before the loop does. */
	stage->target.participant->env.wall = shifted_wall;
}

static struct stage *begin(int lanes)
{
	struct stage *stage = stage_new(lanes);

	shift = 0;
	stage->def = &def;
	stage->options =
		*SAGA_OPTIONS(.start = SAGA_FROM_OLDEST, .followers = nobody, .lease_ms = 3000);
	stage_open_outside(stage);
	open_target(stage);
	return stage;
}

static saga_id ran(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	return saga;
}

static int64_t rows(struct stage *stage, const char *table)
{
	char sql[64];

	snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", table);
	return sql_int(stage, sql, NULL, NULL);
}

/* One machine's clock is 91 days ahead at a start, and right again at the next. */
START_TEST(a_start_with_a_wrong_clock_loses_nothing)
{
	struct stage *stage = begin(_i);
	saga_id saga = ran(stage);
	int64_t slots, unseen;

	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	settle(stage);
	actor_close(&stage->target);
	slots = rows(stage, "saga_slot");
	unseen = rows(stage, "saga_outbox");
	ck_assert_int_gt(unseen, 0);
	shift = 91 * DAY_MS;
	open_target(stage);
	stage->target.participant->trim_at = 0;
	AWAIT(stage, logged(stage, "clock.leapt") == 1);
	AWAIT(stage, stage->target.participant->trim_at > 0);
	(void)ran(stage); /* no letter: the event is not older than what is remembered */
	settle(stage);
	ck_assert_int_eq(dead_letters(stage), 0);
	ck_assert_int_ge(rows(stage, "saga_slot"), slots);
	ck_assert_int_ge(rows(stage, "saga_outbox"), unseen);
	ck_assert_int_eq(logged(stage, "outbox.dropped_unseen"), 0);
	shift = 0;
	AWAIT(stage, logged(stage, "clock.agrees") == 1);
	actor_close(&stage->target);
	open_target(stage);
	(void)ran(stage);
	ck_assert_int_eq(logged(stage, "clock.leapt"), 1);
	ck_assert_int_eq(logged(stage, "clock.went_back"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_leap_makes_nothing_due)
{
	struct stage *stage = begin(_i);
	saga_id saga;

	(void)ran(stage);
	shift = 400 * DAY_MS;
	AWAIT(stage, logged(stage, "clock.leapt") == 1);
	saga = ran(stage);
	ck_assert(slot_is(stage, saga, "fired", "absent"));
	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

/* Schedules, retries and leases that were written before go on as if nothing had happened. */
START_TEST(a_clock_that_is_set_back_stalls_nothing)
{
	static const int64_t spans[] = { 2 * 3600000, 365 * DAY_MS };

	for (size_t i = 0; i < 2; i++) {
		struct stage *stage = begin(_i);
		saga_id armed = ran(stage), retried = stage_saga(stage);

		stage->knob = 1;
		inject(stage, retried, &go_first);
		AWAIT(stage, parked(stage) >= 1);
		stage->knob = 0;
		shift = -spans[i];
		AWAIT(stage, slot_is(stage, armed, "fired", "done"));
		AWAIT(stage, slot_is(stage, retried, "a", "done"));
		AWAIT(stage, logged(stage, "clock.went_back") == 1);
		stage_end(stage);
	}
}
END_TEST

START_TEST(a_start_with_a_clock_set_back_stalls_nothing)
{
	struct stage *stage = begin(_i);
	saga_id saga = ran(stage);

	actor_close(&stage->target);
	shift = -365 * DAY_MS;
	open_target(stage);
	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	(void)ran(stage);
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

/* The clock was ten years ahead when the store was made, and is right from then on. */
START_TEST(a_store_that_was_born_in_the_future_works)
{
	struct stage *stage = stage_new(_i);
	saga_id saga;

	shift = 3650 * DAY_MS;
	stage->def = &def;
	stage->options =
		*SAGA_OPTIONS(.start = SAGA_FROM_NOW, .followers = nobody, .lease_ms = 3000);
	stage_open_outside(stage);
	open_target(stage);
	AWAIT(stage, health(&stage->target).store);
	shift = 0;
	AWAIT(stage, logged(stage, "clock.went_back") == 1);
	saga = ran(stage); /* its event is neither too old nor from before the store was born */
	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_start_with_a_wrong_clock_loses_nothing,
		a_leap_makes_nothing_due,
		a_clock_that_is_set_back_stalls_nothing,
		a_start_with_a_clock_set_back_stalls_nothing,
		a_store_that_was_born_in_the_future_works,
	};

	return run_both_modes("clock", tests, sizeof tests / sizeof tests[0]);
}
