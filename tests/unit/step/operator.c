/* What an operator does: requeue, assert, and what is refused him. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go },
		.run = run_act,
		.emits = { &did_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.retry = { .attempts = 1 },
		.undo_retry = { .attempts = 1 } },
	{ .name = "b",
		.on = { &go_too },
		.run = run_act,
		.undo = undo_act,
		.undo_on = { &back_too },
		.undone = { &undid_b },
		.after = { { .event = &late, .unless = { &go_three } } },
		.retry = { .attempts = 2, .first_ms = 1000, .max_ms = 1000 } },
	{ .name = "c",
		.on = { &too_late },
		.run = run_act,
		.emits = { &did_c },
		.per_subject = true },
	{ .name = "d",
		.on = { &stop_too },
		.outside = { .call = call_act },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.undo = undo_act,
		.undo_on = { &undid_c },
		.undone = { &undid_b } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C,
	D
};

static struct stage *stage_dead(void)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = FAIL;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	return stage;
}

static struct stage *stage_stuck(void)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->acts[A][SAGA__PHASE_UNDO] = FAIL;
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	return stage;
}

static void requeue(struct stage *stage)
{
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
}

static void decree(struct stage *stage, const char *outcome)
{
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, outcome);
	run_all(stage);
}

START_TEST(a_dead_slot_is_requeued_from_nothing)
{
	struct stage *stage = stage_dead();

	requeue(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_int_eq(HANDLED(stage, "run a"), 2);
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	requeue(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	stage_free(stage);
}
END_TEST

START_TEST(requeued_and_barred_in_one_batch_never_runs)
{
	struct stage *stage = stage_dead();

	stage->due_last = _i;
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	give(stage, saga_no(1), &stop);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__BARRED);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(the_outcome_of_a_dead_slot_is_asserted)
{
	struct stage *stage = stage_dead();

	decree(stage, "a.did");
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_str_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->why, "by hand");
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(stage->memory.counts.dead, 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	stage_free(stage);
}
END_TEST

START_TEST(an_assertion_that_cannot_be_is_refused)
{
	static const char *const wrong[] = { "a.undid", "b.undid", "t.undeclared", "no.such", "",
		"t.go" };
	struct stage *stage = stage_dead();

	decree(stage, wrong[_i]);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_HELD)->command, SAGA__NO_COMMAND);
	ck_assert(only_row(stage, SAGA__PARKED_HELD)->due == SAGA__NEVER);
	ck_assert_int_eq(counted(stage->log, "operator.refused"), 1);
	requeue(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 2);
	stage_free(stage);
}
END_TEST

START_TEST(a_stuck_undo_is_requeued_or_asserted)
{
	struct stage *stage = stage_stuck();

	if (_i) {
		decree(stage, "a.undid");
		ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	} else {
		requeue(stage);
		ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
		stage->acts[A][SAGA__PHASE_UNDO] = GOOD;
		requeue(stage);
		ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	}
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(said(stage, saga_no(1), &undid_a), 1);
	ck_assert_int_eq(stage->memory.counts.stuck, 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* The run's outcome is out already; it must not be said twice, and the undo not be forgotten. */
START_TEST(a_stuck_undo_is_not_asserted_as_its_run)
{
	struct stage *stage = stage_stuck();

	decree(stage, "a.did");
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_stuck_undo_of_a_silent_step_is_not_asserted_as_done)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_too);
	run_all(stage);
	stage->acts[B][SAGA__PHASE_UNDO] = FAIL;
	give(stage, saga_no(1), &back_too);
	run_all(stage);
	decree(stage, "");
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__STUCK);
	stage_free(stage);
}
END_TEST

START_TEST(a_dead_silent_step_is_asserted_as_done)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = FAIL;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	decree(stage, "");
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	stage_free(stage);
}
END_TEST

/* ---- rows that are nobody's held trigger ---- */

START_TEST(a_retry_is_requeued_at_once_and_outlives_a_wrong_assertion)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = RETRY;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	stage->acts[B][SAGA__PHASE_RUN] = GOOD;
	command(stage, SAGA__PARKED_RETRY, _i ? SAGA__COMMAND_ASSERT : SAGA__COMMAND_REQUEUE,
		"b.did");
	pass(stage, 0);
	pass(stage, 1000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

static void arm(struct stage *stage, saga_step *step)
{
	(void)stage;
	if (step->phase == SAGA__PHASE_RUN && step->def->after[0].event)
		saga_after(step, 1000, late);
}

START_TEST(a_schedule_is_fired_by_a_requeue)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	command(stage, SAGA__PARKED_SCHEDULE, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run b"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 1);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b>t.late"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_call_is_made_again_by_a_requeue)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &stop_too);
	run_all(stage);
	command(stage, SAGA__PARKED_CALL, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_uint_eq(stage->call_count, 2);
	answer_call(stage);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	ck_assert_int_eq(HANDLED(stage, "run d"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_wrong_assertion_leaves_what_waits_behind_a_call)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &stop_too);
	run_all(stage);
	give(stage, saga_no(1), &undid_c);
	run_all(stage);
	command(stage, SAGA__PARKED_BEHIND, SAGA__COMMAND_ASSERT, "b.undid");
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__UNDONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* ---- dead letters ---- */

START_TEST(a_letter_without_a_subject_is_a_letter_again)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &too_late);
	run_all(stage);
	for (int i = 0; i < 3; i++) {
		command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
		run_all(stage);
	}
	ck_assert_ptr_nonnull(only_row(stage, SAGA__PARKED_LETTER)->event);
	ck_assert_str_eq(stage->trace, "");
	stage_free(stage);
}
END_TEST

/* It knew another version then, say. What runs now keeps its event, and parks it whole. */
START_TEST(a_letter_of_all_steps_runs_as_if_it_came)
{
	struct stage *stage = stage_new(&def);
	int64_t history = stage->batch.history_ms;

	stage->batch.history_ms = -1;
	give(stage, saga_no(1), _i == 2 ? &stop_too : &go_too);
	run_all(stage);
	ck_assert_str_eq(only_row(stage, SAGA__PARKED_LETTER)->row, "");
	stage->batch.history_ms = history;
	if (_i == 1)
		stage->acts[B][SAGA__PHASE_RUN] = RETRY;
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 0);
	if (_i == 2) {
		answer_call(stage);
		run_all(stage);
		ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
		stage_free(stage);
		return;
	}
	stage->acts[B][SAGA__PHASE_RUN] = GOOD;
	pass(stage, 1000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_ptr_nonnull(memory_slot(&stage->memory, saga_no(1), "b", "")->trigger);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ a_dead_slot_is_requeued_from_nothing, 0 },
		{ requeued_and_barred_in_one_batch_never_runs, 2 },
		{ the_outcome_of_a_dead_slot_is_asserted, 0 },
		{ an_assertion_that_cannot_be_is_refused, 6 },
		{ a_stuck_undo_is_requeued_or_asserted, 2 },
		{ a_stuck_undo_is_not_asserted_as_its_run, 0 },
		{ a_stuck_undo_of_a_silent_step_is_not_asserted_as_done, 0 },
		{ a_dead_silent_step_is_asserted_as_done, 0 },
		{ a_retry_is_requeued_at_once_and_outlives_a_wrong_assertion, 2 },
		{ a_schedule_is_fired_by_a_requeue, 0 },
		{ a_call_is_made_again_by_a_requeue, 0 },
		{ a_wrong_assertion_leaves_what_waits_behind_a_call, 0 },
		{ a_letter_without_a_subject_is_a_letter_again, 0 },
		{ a_letter_of_all_steps_runs_as_if_it_came, 3 },
	};

	return RUN_TESTS("operator", tests);
}
