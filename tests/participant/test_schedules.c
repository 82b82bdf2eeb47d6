/* Schedules: they fire once, or are withdrawn. */
#include "harness.h"

enum {
	SOON_MS = 40,
	LONGEST_MS = 5000,
	FAR_MS = 600000
};

/* n: how it is armed */
enum how {
	ARM_SOON = 100,
	ARM_TWICE,
	ARM_BOTH,
	ARM_FAR,
	ARM_AND_WAIT,
	ARM_AND_REJECT
};

static saga_verdict arm(saga_step *s)
{
	const struct go_first *how = saga_on(s, go_first);
	int soon_ms = ((struct stage *)saga_user(s))->knob;

	saw(s, "arm");
	switch ((enum how)how->n) {
	case ARM_TWICE:
		saga_after(s, FAR_MS, later, .n = 1);
		saga_after(s, soon_ms, later, .n = 2);
		break;
	case ARM_BOTH:
		saga_after(s, soon_ms * 2, much_later, .n = 4);
		saga_after(s, soon_ms, later, .n = 3);
		break;
	case ARM_FAR:
		saga_after(s, FAR_MS, later, .n = 5);
		break;
	case ARM_AND_WAIT:
		saga_after(s, soon_ms, later, .n = 6);
		return saga_wait(s, "armed");
	case ARM_AND_REJECT:
		saga_after(s, soon_ms, later, .n = 7);
		return saga_reject(s, a_rejected, .why = "after arming");
	case ARM_SOON:
		saga_after(s, soon_ms, later, .n = saga_now(s));
		break;
	}
	return saga_emit(s, a_done);
}

static saga_verdict disarm(saga_step *s)
{
	saw(s, "undo");
	return saga_emit(s, a_undone);
}

static saga_verdict fire(saga_step *s)
{
	const struct later *fired = saga_on(s, later);

	if (fired && fired->n > DO_MALFORMED + 1000)
		saw(s, "fire after %s",
			saga_now(s) - fired->n >= SOON_MS ? "enough" : "too little");
	else
		saw(s, "fire %d", (int)(fired ? fired->n : saga_on(s, much_later)->n));
	effect(s, "fire");
	return saga_done(s);
}

static saga_verdict plain_run(saga_step *s)
{
	effect(s, "b");
	return saga_done(s);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = arm,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = disarm,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it },
		.after = { { .event = &later, .unless = { &go_second, &go_third } },
			{ .event = &much_later, .unless = { &go_third } } } },
	{ .name = "fired", .on = { &later }, .run = fire },
	{ .name = "fired_much_later", .on = { &much_later }, .run = fire },
	{ .name = "b", .on = { &go_second }, .run = plain_run },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static struct stage *begin(int lanes)
{
	struct stage *stage = stage_start(lanes, &def);

	stage->knob = SOON_MS;
	return stage;
}

static saga_id armed(struct stage *stage, enum how how)
{
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, how);
	AWAIT(stage, !slot_is(stage, saga, "a", "absent"));
	return saga;
}

/* Armed, and then this event came before it fired: on a slow machine with a longer time. */
static saga_id armed_and_then(struct stage *stage, enum how how, const saga_type *event)
{
	for (; stage->knob <= LONGEST_MS; stage->knob *= 2) {
		saga_id saga = armed(stage, how);

		inject(stage, saga, event);
		settle(stage);
		if (said(stage, saga, "target.later") == 0)
			return saga;
	}
	ck_abort_msg("it fires although %s came", event->name);
	return (saga_id){ { 0 } };
}

/* What was armed before and for no longer than soon has fired by then, or never will. */
static void until_soon_is_over(struct stage *stage)
{
	saga_id clock = armed(stage, ARM_BOTH);

	AWAIT(stage, slot_is(stage, clock, "fired_much_later", "done"));
	settle(stage);
}

START_TEST(it_fires_once_and_not_before_its_time)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed(stage, ARM_SOON);

	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	ck_assert_str_eq(trace(stage), "arm; fire after enough");
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 1);
	ck_assert_int_eq(effects(stage, saga, "fire"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(two_schedules_fire_each_in_its_time)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed(stage, ARM_BOTH);

	AWAIT(stage, slot_is(stage, saga, "fired_much_later", "done"));
	ck_assert_str_eq(trace(stage), "arm; fire 3; fire 4");
	stage_end(stage);
}
END_TEST

START_TEST(once_more_moves_its_time_and_its_body)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed(stage, ARM_TWICE);

	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	until_soon_is_over(stage);
	ck_assert_int_eq(trace_count(stage, "fire 2"), 1);
	ck_assert_int_eq(said(stage, saga, "target.later"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(unless_after_arming_withdraws_it)
{
	struct stage *stage = begin(_i);
	saga_id one = armed_and_then(stage, ARM_SOON, &go_second);
	saga_id both = armed_and_then(stage, ARM_BOTH, &go_third);

	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, one, "target.later"), 0);
	ck_assert_int_eq(said(stage, both, "target.later"), 0);
	ck_assert_int_eq(said(stage, both, "target.much_later"), 0);
	ck_assert_str_eq(slot_state(stage, one, "a"), "done");
	ck_assert_int_eq(effects(stage, one, "b"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(unless_before_arming_withdraws_it)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	settle(stage);
	inject_n(stage, saga, &go_first, ARM_SOON);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(unless_concerns_its_own_event_alone)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed_and_then(stage, ARM_BOTH, &go_second);

	AWAIT(stage, slot_is(stage, saga, "fired_much_later", "done"));
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_withdraws_it)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed_and_then(stage, ARM_SOON, &take_back);

	ck_assert_str_eq(slot_state(stage, saga, "a"), "undone");
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_bar_of_a_waiting_step_withdraws_it)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed_and_then(stage, ARM_AND_WAIT, &bar_it);

	ck_assert_str_eq(slot_state(stage, saga, "a"), "barred");
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_waiting_step_schedules)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed(stage, ARM_AND_WAIT);

	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "waiting");
	stage_end(stage);
}
END_TEST

START_TEST(a_reject_takes_it_back)
{
	struct stage *stage = begin(_i);
	saga_id saga = armed(stage, ARM_AND_REJECT);

	AWAIT(stage, slot_is(stage, saga, "a", "rejected"));
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(it_outlives_a_restart)
{
	struct stage *stage = begin(_i);
	saga_id far = armed(stage, ARM_FAR);
	saga_id saga;

	stage->knob = SOON_MS * 10;
	saga = armed(stage, ARM_SOON);
	stage_restart(stage);
	AWAIT(stage, slot_is(stage, saga, "fired", "done"));
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 1);
	ck_assert_int_eq(effects(stage, saga, "fire"), 1);
	ck_assert_int_eq(said(stage, far, "target.later"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_withdrawal_outlives_a_restart)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	settle(stage);
	stage_restart(stage);
	inject_n(stage, saga, &go_first, ARM_SOON);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	until_soon_is_over(stage);
	ck_assert_int_eq(said(stage, saga, "target.later"), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_fires_once_and_not_before_its_time,
		two_schedules_fire_each_in_its_time,
		once_more_moves_its_time_and_its_body,
		unless_after_arming_withdraws_it,
		unless_before_arming_withdraws_it,
		unless_concerns_its_own_event_alone,
		an_undo_withdraws_it,
		a_bar_of_a_waiting_step_withdraws_it,
		a_waiting_step_schedules,
		a_reject_takes_it_back,
		it_outlives_a_restart,
		a_withdrawal_outlives_a_restart,
	};

	return run_both_modes("schedules", tests, sizeof tests / sizeof tests[0]);
}
