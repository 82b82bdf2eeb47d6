/* Triggers, bars and undos of one step, in every order and in one batch or several. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go, &go_too },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.retry = { .attempts = 3, .first_ms = 10, .max_ms = 20 },
		.undo_retry = { .attempts = 2, .first_ms = 10, .max_ms = 20 } },
	{ .name = "b",
		.on = { &go_three },
		.run = run_act,
		.emits = { &did_b },
		.undo = undo_act,
		.undo_on = { &back_too },
		.undone = { &undid_b },
		.bar_on = { &stop_too },
		.retry = { .attempts = 1 } },
	{ .name = "c",
		.on = { &go_three },
		.run = run_act,
		.rejects = { &no_c },
		.refuse = refuse_act,
		.bar_on = { &stop_too },
		.per_subject = true },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C
};

static void set(struct stage *stage, int step, enum act run)
{
	stage->acts[step][SAGA__PHASE_RUN] = run;
}

START_TEST(a_run_has_one_effect_and_one_event)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	ck_assert_str_eq(stage->memory.log, "mark run release ");
	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	stage_free(stage);
}
END_TEST

/* What the last event of that type says it came of. */
static saga_id cause_of_last(const struct stage *stage, const saga_type *type)
{
	saga_id cause = { { 0 } };

	for (size_t i = stage->memory.event_count; i-- > 0;) {
		const struct kept_event *said = &stage->memory.events[i];
		saga_event *event;

		if (strcmp(said->type, type->name) != 0)
			continue;
		ck_assert_int_eq(
			saga_event_read(saga__blob_bytes(said->event), &event, NULL), SAGA_OK);
		cause = saga_event_cause(event);
		saga_event_free(event);
		return cause;
	}
	ck_abort_msg("%s was never said", type->name);
	return cause;
}

static void check_cause(
	struct stage *stage, unsigned saga, const saga_type *on, const saga_type *says)
{
	struct saga__blob *trigger = event_of(stage, saga_no(saga), on, "", 0);
	saga_event *event;

	give_blob(stage, trigger);
	run_all(stage);
	ck_assert_int_eq(saga_event_read(saga__blob_bytes(trigger), &event, NULL), SAGA_OK);
	ck_assert(!saga__id_is_zero(saga_event_id(event)));
	ck_assert(saga__id_same(cause_of_last(stage, says), saga_event_id(event)));
	saga_event_free(event);
	saga__blob_unref(trigger);
}

START_TEST(events_name_their_cause)
{
	struct stage *stage = stage_new(&def);

	check_cause(stage, 1, &go, &did_a);
	check_cause(stage, 1, &back, &undid_a);
	check_cause(stage, 2, &back, &no_a);
	check_cause(stage, 3, &stop, &no_a);
	set(stage, 0, REJECT);
	check_cause(stage, 4, &go, &no_a);
	set(stage, 0, FAIL);
	check_cause(stage, 5, &go, &no_a);
	stage_free(stage);
}
END_TEST

START_TEST(doubles_in_one_batch_run_once)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *event = event_of(stage, saga_no(1), &go, "", 0);

	give_blob(stage, event);
	give_blob(stage, event);
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	saga__blob_unref(event);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_takes_back_what_was_done_once)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &back);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__UNDONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_int_eq(said(stage, saga_no(1), &undid_a), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 0);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	stage_free(stage);
}
END_TEST

/* Undo or bar, before the run, in the same batch in both orders (_i): the run never is. */
START_TEST(an_undo_or_a_bar_before_the_run_speaks)
{
	const saga_type *const stopper = _i % 2 ? &stop : &back;
	struct stage *stage = stage_new(&def);
	const char *json;

	if (_i / 2 == 1)
		give(stage, saga_no(1), &go);
	give(stage, saga_no(1), stopper);
	if (_i / 2 == 2)
		run_all(stage);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__BARRED);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &undid_a), 0);
	ck_assert_str_eq(stage->trace, "");
	json = last_json(stage, &no_a);
	ck_assert_ptr_nonnull(strstr(json, _i % 2 ? "barred by t.stop" : "barred by t.back"));
	give(stage, saga_no(1), &stop);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	free((void *)json);
	stage_free(stage);
}
END_TEST

START_TEST(a_bar_without_rejects_is_silent)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &stop_too);
	give(stage, saga_no(1), &back_too);
	run_all(stage);
	give_subject(stage, saga_no(1), &go_three, "x");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__BARRED);
	ck_assert_int_eq(HANDLED(stage, "run b"), 0);
	ck_assert_int_eq(said(stage, saga_no(1), &did_b), 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_bar_after_the_run_is_ignored)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	give(stage, saga_no(1), &stop);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.event_count, 1);
	stage_free(stage);
}
END_TEST

START_TEST(subjects_are_slots_of_their_own)
{
	struct stage *stage = stage_new(&def);

	give_subject(stage, saga_no(1), &go_three, "x");
	give_subject(stage, saga_no(1), &stop_too, "y");
	run_all(stage);
	give_subject(stage, saga_no(1), &go_three, "y");
	give_subject(stage, saga_no(1), &go_three, "z");
	run_all(stage);
	ck_assert_int_eq(state_in(stage, saga_no(1), "c", "x"), SAGA__DONE);
	ck_assert_int_eq(state_in(stage, saga_no(1), "c", "y"), SAGA__BARRED);
	ck_assert_int_eq(state_in(stage, saga_no(1), "c", "z"), SAGA__DONE);
	ck_assert_int_eq(effect_in(stage, saga_no(1), "c", "x"), 1);
	ck_assert_int_eq(effect_in(stage, saga_no(1), "c", "y"), 0);
	ck_assert_int_eq(HANDLED(stage, "refuse c"), 1);
	ck_assert_int_eq(HANDLED(stage, "run b"), 0); /* barred by the same stop_too */
	stage_free(stage);
}
END_TEST

START_TEST(a_rejection_takes_the_writes_back)
{
	struct stage *stage = stage_new(&def);

	set(stage, A, REJECT);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_str_eq(stage->memory.log, "mark run back release ");
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__REJECTED);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	set(stage, A, GOOD);
	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &stop);
	run_all(stage);
	ck_assert_uint_eq(stage->memory.event_count, 1);
	ck_assert_int_eq(HANDLED(stage, "undo a"), 0);
	stage_free(stage);
}
END_TEST

START_TEST(retries_are_parked_with_growing_jitter_and_then_fail)
{
	struct stage *stage = stage_new(&def);

	set(stage, A, RETRY);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_RETRY)->attempts, 1);
	ck_assert_int_le(only_row(stage, SAGA__PARKED_RETRY)->due, stage->now + 10);
	ck_assert_int_gt(only_row(stage, SAGA__PARKED_RETRY)->due, stage->now);
	ck_assert_int_eq(stage->batch.due, only_row(stage, SAGA__PARKED_RETRY)->due);
	pass(stage, 10);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_RETRY)->attempts, 2);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__ABSENT);
	pass(stage, 20);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__FAILED);
	ck_assert_int_eq(HANDLED(stage, "run a"), 3);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 1);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	set(stage, A, GOOD);
	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__FAILED);
	ck_assert_int_eq(counted(stage->log, "step.retried"), 2);
	stage_free(stage);
}
END_TEST

START_TEST(a_retry_that_is_barred_meanwhile_never_runs)
{
	struct stage *stage = stage_new(&def);

	set(stage, A, RETRY);
	give(stage, saga_no(1), &go);
	run_all(stage);
	set(stage, A, GOOD);
	stage->now += 20;
	give(stage, saga_no(1), &back); /* in one batch with the due retry */
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__BARRED);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_failure_says_why)
{
	struct stage *stage = stage_new(&def);
	const char *json;

	set(stage, A, FAIL);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__FAILED);
	json = last_json(stage, &no_a);
	ck_assert_ptr_nonnull(strstr(json, "never"));
	free((void *)json);
	stage_free(stage);
}
END_TEST

START_TEST(without_rejects_a_failure_is_dead)
{
	struct stage *stage = stage_new(&def);

	set(stage, B, FAIL);
	give_subject(stage, saga_no(1), &go_three, "x");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DEAD);
	ck_assert_int_eq(stage->memory.counts.dead, 1);
	ck_assert_int_eq(said(stage, saga_no(1), &did_b), 0);
	ck_assert_str_eq(only_row(stage, SAGA__PARKED_HELD)->why, "never");
	set(stage, B, GOOD);
	give_subject(stage, saga_no(1), &go_three, "y");
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run b"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_dead_slot_is_barred_by_an_undo_or_a_bar)
{
	struct stage *stage = stage_new(&def);

	set(stage, B, FAIL);
	give_subject(stage, saga_no(1), &go_three, "x");
	run_all(stage);
	give(stage, saga_no(1), _i ? &back_too : &stop_too);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__BARRED);
	ck_assert_int_eq(stage->memory.counts.dead, 0);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_HELD), 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_that_runs_out_is_stuck)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->acts[A][SAGA__PHASE_UNDO] = RETRY;
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	pass(stage, 20);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->was, SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(stage->memory.counts.stuck, 1);
	give(stage, saga_no(1), &back);
	give(stage, saga_no(1), &stop);
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(HANDLED(stage, "undo a"), 2);
	stage_free(stage);
}
END_TEST

/* Every other end of an undo than an event of `undone`. */
START_TEST(an_undo_that_ends_otherwise_is_stuck_at_once)
{
	static const enum act ends[] = { REJECT, WAIT, FAIL, MALFORM, ASK, NOTHING, TWICE,
		UNDECLARE };
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->acts[A][SAGA__PHASE_UNDO] = ends[_i];
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__STUCK);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(HANDLED(stage, "undo a"), 1);
	ck_assert_uint_eq(stage->memory.event_count, 1);
	stage_free(stage);
}
END_TEST

START_TEST(undos_and_bars_go_before_runs_of_all_slots)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	give(stage, saga_no(2), &go);
	run_all(stage);
	stage->trace[0] = 0;
	give(stage, saga_no(3), &go);
	give(stage, saga_no(1), &back);
	give(stage, saga_no(4), &go);
	give(stage, saga_no(2), &back);
	give(stage, saga_no(4), &stop);
	run_all(stage);
	ck_assert_str_eq(stage->trace, "undo a; undo a; run a; ");
	ck_assert_int_eq(state_of(stage, saga_no(4), "a"), SAGA__BARRED);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ a_run_has_one_effect_and_one_event, 0 },
		{ events_name_their_cause, 0 },
		{ doubles_in_one_batch_run_once, 0 },
		{ an_undo_takes_back_what_was_done_once, 0 },
		{ an_undo_or_a_bar_before_the_run_speaks, 6 },
		{ a_bar_without_rejects_is_silent, 0 },
		{ a_bar_after_the_run_is_ignored, 0 },
		{ subjects_are_slots_of_their_own, 0 },
		{ a_rejection_takes_the_writes_back, 0 },
		{ retries_are_parked_with_growing_jitter_and_then_fail, 0 },
		{ a_retry_that_is_barred_meanwhile_never_runs, 0 },
		{ a_failure_says_why, 0 },
		{ without_rejects_a_failure_is_dead, 0 },
		{ a_dead_slot_is_barred_by_an_undo_or_a_bar, 2 },
		{ an_undo_that_runs_out_is_stuck, 0 },
		{ an_undo_that_ends_otherwise_is_stuck_at_once, 8 },
		{ undos_and_bars_go_before_runs_of_all_slots, 0 },
	};

	return RUN_TESTS("runs", tests);
}
