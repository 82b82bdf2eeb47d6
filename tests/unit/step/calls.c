/* Outside calls: asked, answered, asked again, stuck; what comes meanwhile waits. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go },
		.outside = { .prepare = prepare_act, .call = call_act, .timeout_ms = 100 },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.undo_outside = { .prepare = prepare_undo_act, .call = call_act },
		.bar_on = { &stop },
		.after = { { .event = &late } },
		.retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 },
		.undo_retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A
};

static struct stage *stage_trying(void)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_PREPARE] = ASK;
	stage->acts[A][SAGA__PHASE_PREPARE_UNDO] = ASK;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__TRYING);
	ck_assert_uint_eq(stage->call_count, 1);
	return stage;
}

static struct stage *stage_undoing(void)
{
	struct stage *stage = stage_trying();

	answer_call(stage);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDOING);
	return stage;
}

START_TEST(it_is_asked_and_told)
{
	struct stage *stage = stage_trying();

	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_CALL)->due, stage->now + 100 + 30000);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(stage->told, 42);
	ck_assert_str_eq(stage->trace, "prepare a; run a; ");
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_no_is_an_answer)
{
	struct stage *stage = stage_trying();

	stage->acts[A][SAGA__PHASE_RUN] = REJECT;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__REJECTED);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(prepare_may_reject_wait_or_fail_without_a_call)
{
	static const struct {
		enum act act;
		enum saga__state state;
	} ends[] = { { REJECT, SAGA__REJECTED }, { WAIT, SAGA__WAITING }, { FAIL, SAGA__FAILED },
		{ GOOD, SAGA__DEAD }, { NOTHING, SAGA__DEAD }, { RETRY, SAGA__ABSENT },
		{ MALFORM, SAGA__ABSENT } };
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_PREPARE] = ends[_i].act;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), ends[_i].state);
	ck_assert_uint_eq(stage->call_count, 0);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_CALL), 0);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 0);
	stage_free(stage);
}
END_TEST

static saga_id key_of(const struct stage *stage)
{
	return saga__call_key(stage->calls[0], "charge");
}

START_TEST(no_answer_is_asked_again_with_the_same_key_then_stuck)
{
	struct stage *stage = stage_trying();
	saga_id key = key_of(stage);

	stage->call = _i ? RETRY : NOTHING;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__TRYING);
	ck_assert_uint_eq(stage->call_count, 0);
	pass(stage, 10);
	ck_assert_uint_eq(stage->call_count, 1);
	ck_assert(saga__id_same(key, key_of(stage)));
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->was, SAGA__TRYING);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 0); /* never failed */
	ck_assert_int_eq(counted(stage->log, "slot.stuck"), 1);
	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->call = GOOD;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__TRYING);
	ck_assert(saga__id_same(key, key_of(stage)));
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(HANDLED(stage, "prepare a"), 1);
	ck_assert_int_eq(stage->told, 42);
	stage_free(stage);
}
END_TEST

/* The run after the answer must emit or reject. */
START_TEST(an_answer_that_the_run_cannot_use_is_stuck)
{
	static const enum act ends[] = { FAIL, MALFORM, WAIT, ASK, NOTHING, TWICE, UNDECLARE };
	struct stage *stage = stage_trying();

	stage->acts[A][SAGA__PHASE_RUN] = ends[_i];
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	stage_free(stage);
}
END_TEST

/* Crash or commit without an answer: the row alone drives it. */
START_TEST(a_call_that_nobody_makes_is_made_when_due)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_PREPARE] = ASK;
	give(stage, saga_no(1), &go);
	stage->lose_answer = true;
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__TRYING);
	ck_assert_uint_eq(stage->call_count, 0);
	pass(stage, 30099);
	ck_assert_uint_eq(stage->call_count, 0);
	pass(stage, 1);
	ck_assert_uint_eq(stage->call_count, 1);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

START_TEST(two_answers_of_one_call_count_once)
{
	struct stage *stage = stage_trying();

	pass(stage, 30100);
	ck_assert_uint_eq(stage->call_count, 2);
	answer_call(stage);
	if (_i)
		run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	stage_free(stage);
}
END_TEST

/* A late answer must not take the held row of a stuck slot away: memory.c sees to that. */
START_TEST(a_late_answer_leaves_a_stuck_slot_to_the_operator)
{
	struct stage *stage = stage_trying();

	pass(stage, 30100);
	stage->acts[A][SAGA__PHASE_RUN] = FAIL;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_HELD), 1);
	stage_free(stage);
}
END_TEST

/* The row is due in the batch that brings the answer, before it or behind it. */
START_TEST(due_and_answered_in_one_batch)
{
	static const struct {
		enum act act;
		enum saga__state state;
	} ends[] = { { GOOD, SAGA__DONE }, { REJECT, SAGA__REJECTED }, { FAIL, SAGA__STUCK } };
	struct stage *stage = stage_trying();

	stage->acts[A][SAGA__PHASE_RUN] = ends[_i / 2].act;
	stage->due_last = _i % 2;
	stage->now += 30100;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), ends[_i / 2].state);
	while (stage->call_count) {
		answer_call(stage);
		run_all(stage);
	}
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), ends[_i / 2].state);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_bar_waits_for_the_answer_and_then_is_ignored)
{
	struct stage *stage = stage_trying();

	give(stage, saga_no(1), &stop);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__TRYING);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 1);
	if (_i)
		stage->acts[A][SAGA__PHASE_RUN] = REJECT;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), _i ? SAGA__REJECTED : SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	ck_assert_uint_eq(stage->memory.event_count, 1);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_waits_for_the_answer_and_then_runs)
{
	struct stage *stage = stage_trying();

	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &back);
	if (_i) /* with the answer, in one batch */
		answer_call(stage);
	run_all(stage);
	if (!_i)
		answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDOING);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(what_comes_to_a_stuck_call_waits_for_the_operator)
{
	struct stage *stage = stage_trying();

	stage->acts[A][SAGA__PHASE_RUN] = FAIL;
	answer_call(stage);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 1);
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, _i ? "a.no" : "a.did");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), _i ? SAGA__REJECTED : SAGA__UNDOING);
	ck_assert_int_eq(said(stage, saga_no(1), _i ? &no_a : &did_a), 1);
	stage_free(stage);
}
END_TEST

static void arm(struct stage *stage, saga_step *step)
{
	(void)stage;
	if (step->phase == SAGA__PHASE_PREPARE)
		saga_after(step, 1000, late);
}

START_TEST(a_call_that_took_none_withdraws_the_schedule)
{
	struct stage *stage = stage_new(&def);

	stage->hook = arm;
	stage->acts[A][SAGA__PHASE_PREPARE] = ASK;
	stage->acts[A][SAGA__PHASE_RUN] = _i ? FAIL : REJECT;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a>t.late"), SAGA__WAITING);
	answer_call(stage);
	run_all(stage);
	if (_i)
		command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, "a.no");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__REJECTED);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a>t.late"), SAGA__BARRED);
	pass(stage, 1000);
	ck_assert_int_eq(said(stage, saga_no(1), &late), 0);
	stage_free(stage);
}
END_TEST

/* ---- undoing ---- */

START_TEST(an_undo_is_asked_and_told)
{
	struct stage *stage = stage_undoing();

	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &stop);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_uint_eq(stage->memory.row_count, 1);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_int_eq(HANDLED(stage, "undo a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_undos_prepare_may_emit_at_once)
{
	struct stage *stage = stage_trying();

	answer_call(stage);
	run_all(stage);
	stage->acts[A][SAGA__PHASE_PREPARE_UNDO] = GOOD;
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(said(stage, saga_no(1), &undid_a), 1);
	ck_assert_uint_eq(stage->call_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_without_an_answer_is_stuck_and_requeued)
{
	struct stage *stage = stage_undoing();

	stage->call = RETRY;
	answer_call(stage);
	run_all(stage);
	pass(stage, 10);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->was, SAGA__UNDOING);
	stage->call = GOOD;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(stage->memory.counts.stuck, 0);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ it_is_asked_and_told, 0 },
		{ a_no_is_an_answer, 0 },
		{ prepare_may_reject_wait_or_fail_without_a_call, 7 },
		{ no_answer_is_asked_again_with_the_same_key_then_stuck, 2 },
		{ an_answer_that_the_run_cannot_use_is_stuck, 7 },
		{ a_call_that_nobody_makes_is_made_when_due, 0 },
		{ two_answers_of_one_call_count_once, 2 },
		{ a_late_answer_leaves_a_stuck_slot_to_the_operator, 0 },
		{ due_and_answered_in_one_batch, 6 },
		{ a_bar_waits_for_the_answer_and_then_is_ignored, 2 },
		{ an_undo_waits_for_the_answer_and_then_runs, 2 },
		{ what_comes_to_a_stuck_call_waits_for_the_operator, 2 },
		{ a_call_that_took_none_withdraws_the_schedule, 2 },
		{ an_undo_is_asked_and_told, 0 },
		{ an_undos_prepare_may_emit_at_once, 0 },
		{ an_undo_without_an_answer_is_stuck_and_requeued, 0 },
	};

	return RUN_TESTS("calls", tests);
}
