/* Schedules: slots of their own, armed, moved, fired, armed anew, withdrawn. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go, &go_too, &late },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.refuse = refuse_act,
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.after = { { .event = &late, .unless = { &go_three } },
			{ .event = &too_late, .unless = { &stop_too } } },
		.retry = { .attempts = 1 } },
	{ .name = "b",
		.on = { &too_late },
		.run = run_act,
		.emits = { &did_b },
		.after = { { .event = &late, .unless = { &back_too } } },
		.retry = { .attempts = 1 } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B
};

#define LATE "a>t.late"

/* Arms after `number` ms; in the run alone. */
static void arm(struct stage *stage, saga_step *step)
{
	if (step->phase == SAGA__PHASE_RUN && step->def == &stage->plan->steps[A])
		saga_after(step, stage->number, late, .has_n = true, .n = stage->number);
}

static struct stage *stage_armed(enum act act, int64_t ms)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm;
	stage->number = ms;
	stage->acts[A][SAGA__PHASE_RUN] = act;
	give(stage, saga_no(1), &go);
	run_all(stage);
	return stage;
}

START_TEST(it_fires_once_when_due)
{
	struct stage *stage = stage_armed(GOOD, 1000);

	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__WAITING);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_SCHEDULE)->due, stage->now + 1000);
	ck_assert_int_eq(stage->batch.due, stage->now + 1000);
	ck_assert_int_eq(stage->memory.counts.parked, 1);
	ck_assert_int_eq(stage->memory.counts.waiting, 0);
	pass(stage, 999);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	pass(stage, 1);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 1);
	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	pass(stage, 5000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 1);
	stage_free(stage);
}
END_TEST

START_TEST(unless_withdraws_it_for_good)
{
	struct stage *stage = stage_armed(WAIT, 1000);

	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__BARRED);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	give(stage, saga_no(1), &go_too); /* arms again, in vain */
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 2);
	pass(stage, 5000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	stage_free(stage);
}
END_TEST

/* The event of `unless` before the step, or in the same batch (_i). */
START_TEST(unless_that_comes_first_bars_it)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm;
	stage->number = 1000;
	if (_i)
		give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &go_three);
	if (!_i)
		run_all(stage);
	if (!_i)
		give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__BARRED);
	pass(stage, 5000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_or_an_end_of_its_step_withdraws_it)
{
	struct stage *stage = stage_armed(_i == 0 ? GOOD : WAIT, 1000);

	if (_i < 2)
		give(stage, saga_no(1), _i == 0 ? &back : &stop);
	stage->acts[A][SAGA__PHASE_RUN] = _i == 2 ? REJECT : FAIL;
	if (_i >= 2)
		give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__BARRED);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	pass(stage, 5000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	stage_free(stage);
}
END_TEST

START_TEST(once_more_moves_its_time)
{
	struct stage *stage = stage_armed(WAIT, 1000);

	stage->number = 3000;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_SCHEDULE)->due, stage->now + 3000);
	pass(stage, 2999);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	stage->hook = NULL;
	pass(stage, 1);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 1);
	stage_free(stage);
}
END_TEST

START_TEST(it_is_armed_anew_after_it_fired)
{
	struct stage *stage = stage_armed(WAIT, 1000);

	for (int i = 1; i <= 5; i++) {
		ck_assert_int_eq(HANDLED(stage, "run a"), i);
		pass(stage, 1000); /* a is `on` it: it looks again, and again */
		ck_assert_int_eq(said(stage, saga_no(1), &late), i);
	}
	stage->acts[A][SAGA__PHASE_RUN] = REJECT;
	pass(stage, 1000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__REJECTED);
	pass(stage, 5000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 6);
	stage_free(stage);
}
END_TEST

/* What moves or withdraws it comes in the batch in which it is due. */
START_TEST(due_and_moved_in_one_batch)
{
	struct stage *stage = stage_armed(WAIT, 1000);

	stage->no_loop = true;
	stage->due_last = _i;
	stage->now += 1000;
	stage->number = 3000;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), &late), _i ? 0 : 1);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_SCHEDULE)->due, stage->now + 3000);
	pass(stage, 3000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), _i ? 1 : 2);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(due_and_withdrawn_in_one_batch)
{
	static const saga_type *const withdraws[] = { &go_three, &stop };
	struct stage *stage = stage_armed(WAIT, 1000);

	stage->now += 1000;
	give(stage, saga_no(1), withdraws[_i]);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), LATE), SAGA__BARRED);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

static void arm_twice(struct stage *stage, saga_step *step)
{
	if (step->phase != SAGA__PHASE_RUN)
		return;
	saga_after(step, 500, late, .has_n = true, .n = 1);
	saga_after(step, stage->number, late, .has_n = true, .n = 2);
	saga_after(step, 100, too_late);
}

START_TEST(the_last_of_a_run_counts)
{
	struct stage *stage = stage_new(&def);
	const char *json;

	stage->hook = arm_twice;
	stage->number = 2000;
	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->hook = NULL;
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_SCHEDULE), 2);
	pass(stage, 1999);
	ck_assert_int_eq(said(stage, saga_no(1), &too_late), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	pass(stage, 1);
	json = last_json(stage, &late);
	ck_assert_ptr_nonnull(strstr(json, "2"));
	free((void *)json);
	stage_free(stage);
}
END_TEST

START_TEST(none_is_left_by_a_run_that_took_no_effect)
{
	static const enum act ends[] = { REJECT, FAIL, RETRY, MALFORM, NOTHING, UNDECLARE };
	struct stage *stage = stage_armed(ends[_i], 1000);

	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_SCHEDULE), 0);
	ck_assert_int_ne(state_of(stage, saga_no(1), LATE), SAGA__WAITING);
	stage_free(stage);
}
END_TEST

/* `refuse` uses the memory that the run has used. */
static void arm_and_write(struct stage *stage, saga_step *step)
{
	arm(stage, step);
	if (step->phase == SAGA__PHASE_REFUSE)
		memset(saga_alloc(step, 100, 1), 0xff, 100);
}

START_TEST(a_failure_after_arming_is_refused_in_clean_memory)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm_and_write;
	stage->number = 1000;
	stage->acts[A][SAGA__PHASE_RUN] = FAIL;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__FAILED);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	stage_free(stage);
}
END_TEST

/* A dead slot may come back, and must be able to arm what wakes it. */
static void arm_b(struct stage *stage, saga_step *step)
{
	if (step->def == &stage->plan->steps[B])
		saga_after(step, 1000, late);
}

START_TEST(a_dead_slot_that_is_requeued_arms_again)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm_b;
	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	stage->acts[B][SAGA__PHASE_RUN] = FAIL;
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DEAD);
	pass(stage, 2000);
	stage->acts[B][SAGA__PHASE_RUN] = GOOD;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b>t.late"), SAGA__WAITING);
	stage_free(stage);
}
END_TEST

static void arm_wrongly(struct stage *stage, saga_step *step)
{
	if (stage->number == 0)
		saga_after(step, 1000, did_a);
	else if (stage->number == 1)
		saga_after(step, -1, late);
	else
		saga_after(step, INT64_MAX, late);
}

START_TEST(a_schedule_that_is_not_declared_fails_the_run)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm_wrongly;
	stage->number = _i;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_ne(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_SCHEDULE), 0);
	stage_free(stage);
}
END_TEST

/* Its event is at the limit when armed; its number in the stream is longer when it fires. */
static void arm_big(struct stage *stage, saga_step *step)
{
	static char text[2048];

	if (step->def != &stage->plan->steps[A] || step->phase != SAGA__PHASE_RUN)
		return;
	memset(text, 0, sizeof text);
	memset(text, 'x', (size_t)stage->number);
	saga_after(step, 1000, late, .text = text);
}

START_TEST(one_that_outgrew_the_limit_holds_nobody_up)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm_big;
	for (stage->number = 2047; rows_of(stage, SAGA__PARKED_SCHEDULE) == 0; stage->number--) {
		ck_assert_int_gt(stage->number, 1500);
		give(stage, saga_no((unsigned)stage->number), &go);
		run_all(stage);
	}
	stage->hook = NULL;
	for (unsigned i = 1; i < 300; i++) {
		give(stage, saga_no(i), &go);
		run_all(stage);
	}
	pass(stage, 1000);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_SCHEDULE), 0);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 1);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ it_fires_once_when_due, 0 },
		{ unless_withdraws_it_for_good, 0 },
		{ unless_that_comes_first_bars_it, 2 },
		{ an_undo_or_an_end_of_its_step_withdraws_it, 4 },
		{ once_more_moves_its_time, 0 },
		{ it_is_armed_anew_after_it_fired, 0 },
		{ due_and_moved_in_one_batch, 2 },
		{ due_and_withdrawn_in_one_batch, 2 },
		{ the_last_of_a_run_counts, 0 },
		{ none_is_left_by_a_run_that_took_no_effect, 6 },
		{ a_failure_after_arming_is_refused_in_clean_memory, 0 },
		{ a_dead_slot_that_is_requeued_arms_again, 0 },
		{ a_schedule_that_is_not_declared_fails_the_run, 3 },
		{ one_that_outgrew_the_limit_holds_nobody_up, 0 },
	};

	return RUN_TESTS("schedules", tests);
}
