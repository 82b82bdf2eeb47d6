/* Several undos of one event: in reverse order of declaration, the later parked behind the earlier. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.undo_retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
	{ .name = "b",
		.on = { &go },
		.outside = { .call = call_act },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.undo = undo_act,
		.undo_on = { &back, &back_too },
		.undone = { &undid_b },
		.undo_retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
	{ .name = "c",
		.on = { &go },
		.run = run_act,
		.emits = { &did_c },
		.rejects = { &no_c },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_c },
		.undo_outside = { .call = call_act },
		.undo_retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C
};

static struct stage *stage_done(void)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	stage->trace[0] = 0;
	return stage;
}

static void all_are_undone(struct stage *stage)
{
	static const char *const names[] = { "a", "b", "c" };

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(state_of(stage, saga_no(1), names[i]), SAGA__UNDONE);
		ck_assert_int_eq(effect_of(stage, saga_no(1), names[i]), 0);
	}
	ck_assert_uint_eq(stage->memory.row_count, 0);
}

START_TEST(an_outside_undo_goes_first_and_the_others_wait)
{
	struct stage *stage = stage_done();

	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "c"), SAGA__UNDOING);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 2);
	ck_assert_str_eq(stage->trace, "");
	answer_call(stage);
	run_all(stage);
	ck_assert_str_eq(stage->trace, "undo c; undo b; undo a; ");
	all_are_undone(stage);
	stage_free(stage);
}
END_TEST

/* b is undone by another event already; the reverse order holds for the rest. */
START_TEST(one_that_is_undone_already_is_passed)
{
	struct stage *stage = stage_done();

	give(stage, saga_no(1), &back_too);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_str_eq(stage->trace, "undo b; undo c; undo a; ");
	all_are_undone(stage);
	stage_free(stage);
}
END_TEST

START_TEST(a_retry_of_one_holds_the_earlier_back)
{
	struct stage *stage = stage_done();

	give(stage, saga_no(1), &back);
	stage->acts[B][SAGA__PHASE_UNDO] = RETRY;
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_str_eq(stage->trace, "undo c; undo b; ");
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	stage->acts[B][SAGA__PHASE_UNDO] = GOOD;
	pass(stage, 10);
	ck_assert_str_eq(stage->trace, "undo c; undo b; undo b; undo a; ");
	all_are_undone(stage);
	stage_free(stage);
}
END_TEST

START_TEST(a_stuck_one_holds_the_earlier_back_until_an_operator_acts)
{
	struct stage *stage = stage_done();

	give(stage, saga_no(1), &back);
	stage->acts[B][SAGA__PHASE_UNDO] = FAIL;
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__STUCK);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	stage->acts[B][SAGA__PHASE_UNDO] = GOOD;
	if (_i)
		command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	else
		command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, "b.undid");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__UNDONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "b"), _i ? 0 : 1);
	ck_assert_int_eq(said(stage, saga_no(1), &undid_b), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* While b's call goes on: b's own undo and a's are parked behind it, and c goes at once. */
START_TEST(an_undo_waits_for_a_call_that_is_not_answered)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->trace[0] = 0;
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__TRYING);
	ck_assert_int_eq(state_of(stage, saga_no(1), "c"), SAGA__UNDOING);
	while (stage->call_count) {
		answer_call(stage);
		run_all(stage);
	}
	all_are_undone(stage);
	ck_assert_int_lt((int)(strstr(stage->trace, "undo b") - stage->trace),
		(int)(strstr(stage->trace, "undo a") - stage->trace));
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_that_waited_for_a_rejection_is_dropped)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = REJECT;
	give(stage, saga_no(1), &go);
	run_all(stage);
	give(stage, saga_no(1), &back_too);
	run_all(stage);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 1);
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__REJECTED);
	ck_assert_int_eq(HANDLED(stage, "undo b"), 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* Nothing ran yet: all three are barred and speak, the last declared first. */
START_TEST(all_undos_before_all_runs)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_str_eq(stage->memory.events[0].type, "c.no");
	ck_assert_str_eq(stage->memory.events[1].type, "b.no");
	ck_assert_str_eq(stage->memory.events[2].type, "a.no");
	ck_assert_uint_eq(stage->memory.event_count, 3);
	ck_assert_str_eq(stage->trace, "");
	stage_free(stage);
}
END_TEST

START_TEST(two_undo_events_in_one_batch_undo_once)
{
	struct stage *stage = stage_done();

	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &back_too);
	give(stage, saga_no(1), &back);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	ck_assert_uint_eq(stage->call_count, 0);
	ck_assert_int_eq(HANDLED(stage, "undo a"), 1);
	ck_assert_int_eq(HANDLED(stage, "undo b"), 1);
	ck_assert_int_eq(HANDLED(stage, "undo c"), 1);
	all_are_undone(stage);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ an_outside_undo_goes_first_and_the_others_wait, 0 },
		{ one_that_is_undone_already_is_passed, 0 },
		{ a_retry_of_one_holds_the_earlier_back, 0 },
		{ a_stuck_one_holds_the_earlier_back_until_an_operator_acts, 2 },
		{ an_undo_waits_for_a_call_that_is_not_answered, 0 },
		{ an_undo_that_waited_for_a_rejection_is_dropped, 0 },
		{ all_undos_before_all_runs, 0 },
		{ two_undo_events_in_one_batch_undo_once, 0 },
	};

	return RUN_TESTS("undos", tests);
}
