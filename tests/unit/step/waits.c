/* Joins in every order, waits and the triggers that they remember. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go, &go_too, &go_three },
		.join = SAGA_ALL,
		.run = run_act,
		.emits = { &did_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
	{ .name = "b",
		.on = { &late, &too_late },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.undo = undo_act,
		.undo_on = { &back_too },
		.undone = { &undid_b },
		.bar_on = { &stop_too },
		.retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

static const saga_type *const parts[] = { &go, &go_too, &go_three };

enum {
	A,
	B
};

/* All orders of three, each alone or all in one batch, with or without doubles. */
START_TEST(a_join_runs_once_when_all_have_come)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	struct stage *stage = stage_new(&def);
	bool alone = _i / 6 % 2, doubled = _i / 12;

	for (int k = 0; k < 3; k++) {
		struct saga__blob *event =
			event_of(stage, saga_no(1), parts[orders[_i % 6][k]], "", 0);

		ck_assert_int_eq(HANDLED(stage, "run a"), 0);
		for (int d = 0; d <= doubled; d++)
			give_blob(stage, event);
		if (doubled)
			give(stage, saga_no(1), parts[orders[_i % 6][k]]);
		if (alone)
			run_all(stage);
		saga__blob_unref(event);
		if (alone && k < 2)
			ck_assert_int_eq(stage->memory.counts.waiting, 1);
	}
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_int_eq(stage->memory.counts.waiting, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_join_says_what_it_misses)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_str_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->why, "t.go");
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_str_eq(memory_slot(&stage->memory, saga_no(1), "a", "")->why, "t.go_three");
	ck_assert_str_eq(stage->trace, "");
	stage_free(stage);
}
END_TEST

START_TEST(a_join_that_is_barred_meanwhile_never_runs)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	give(stage, saga_no(1), &go_three);
	give(stage, saga_no(1), _i ? &back : &stop);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__BARRED);
	ck_assert_str_eq(stage->trace, "");
	ck_assert_int_eq(stage->memory.counts.waiting, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_join_forgets_none_of_its_events)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	run_all(stage);
	for (int i = 0; i < 100; i++) {
		give(stage, saga_no(1), &go_too);
		run_all(stage);
	}
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

START_TEST(a_join_that_waits_forgets_none_of_its_events)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = WAIT;
	for (int i = 0; i < 3; i++)
		give(stage, saga_no(1), parts[i]);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	for (int i = 0; i < 100; i++) {
		give(stage, saga_no(1), &go_three);
		run_all(stage);
	}
	ck_assert_int_eq(HANDLED(stage, "run a"), 101);
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

START_TEST(a_join_that_retries_runs_again)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = RETRY;
	for (int i = 0; i < 3; i++)
		give(stage, saga_no(1), parts[i]);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	pass(stage, 10);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	stage_free(stage);
}
END_TEST

/* The same, with a batch for each: the slot is stored as waiting, or (_i) not at all. */
START_TEST(a_join_that_died_is_requeued_whole)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = FAIL;
	for (int i = 0; i < 3; i++) {
		give(stage, saga_no(1), parts[i]);
		if (_i)
			run_all(stage);
	}
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_int_eq(stage->memory.counts.waiting, 0);
	stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* ---- waits ---- */

START_TEST(a_wait_commits_and_runs_at_the_next_trigger)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give(stage, saga_no(1), &late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__WAITING);
	ck_assert_uint_eq(stage->memory.effect_count, 1); /* its writes are committed */
	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_str_eq(memory_slot(&stage->memory, saga_no(1), "b", "")->why, "waits");
	ck_assert_int_eq(stage->memory.counts.waiting, 1);
	stage->acts[B][SAGA__PHASE_RUN] = GOOD;
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_int_eq(HANDLED(stage, "run b"), 2);
	ck_assert_int_eq(stage->memory.counts.waiting, 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_double_of_a_trigger_that_was_waited_on_is_ignored)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *first = event_of(stage, saga_no(1), &late, "", 0);
	struct saga__blob *second = event_of(stage, saga_no(1), &late, "", 0);

	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give_blob(stage, first);
	give_blob(stage, first);
	run_all(stage);
	give_blob(stage, first);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run b"), 1);
	give_blob(stage, second);
	give_blob(stage, first);
	give_blob(stage, second);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run b"), 2);
	saga__blob_unref(first);
	saga__blob_unref(second);
	stage_free(stage);
}
END_TEST

START_TEST(the_last_64_triggers_are_remembered)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *events[70];

	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	for (size_t i = 0; i < 70; i++) {
		events[i] = event_of(stage, saga_no(1), &late, "", 0);
		give_blob(stage, events[i]);
		run_all(stage);
	}
	stage->trace[0] = 0;
	for (size_t i = 6; i < 70; i++)
		give_blob(stage, events[i]);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run b"), 0);
	ck_assert_uint_le(memory_slot(&stage->memory, saga_no(1), "b", "")->seen->size, 64 * 17);
	for (size_t i = 0; i < 70; i++)
		saga__blob_unref(events[i]);
	stage_free(stage);
}
END_TEST

START_TEST(a_wait_may_end_in_any_way)
{
	static const struct {
		enum act act;
		enum saga__state state;
	} ends[] = { { REJECT, SAGA__REJECTED }, { FAIL, SAGA__FAILED }, { GOOD, SAGA__DONE },
		{ MALFORM, SAGA__WAITING }, { RETRY, SAGA__WAITING } };
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give(stage, saga_no(1), &late);
	run_all(stage);
	stage->acts[B][SAGA__PHASE_RUN] = ends[_i].act;
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), ends[_i].state);
	ck_assert_int_eq(stage->memory.counts.waiting, ends[_i].state == SAGA__WAITING);
	stage_free(stage);
}
END_TEST

START_TEST(a_waiting_slot_is_barred_by_an_undo_or_a_bar)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give(stage, saga_no(1), &late);
	run_all(stage);
	give(stage, saga_no(1), _i ? &stop_too : &back_too);
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__BARRED);
	ck_assert_int_eq(said(stage, saga_no(1), &no_b), 1);
	ck_assert_int_eq(HANDLED(stage, "undo b"), 0);
	ck_assert_int_eq(HANDLED(stage, "run b"), 1);
	stage_free(stage);
}
END_TEST

/* ---- notes ---- */

static void keep_number(struct stage *stage, saga_step *step)
{
	const struct memo *kept = saga_kept(step, memo);

	stage->number = kept ? kept->n : -1;
	if (step->phase == SAGA__PHASE_RUN)
		saga_keep(step, memo, .n = (kept ? kept->n : 0) + 1);
}

START_TEST(a_note_is_kept_by_waits_and_read_by_the_undo)
{
	struct stage *stage = stage_new(&def);

	stage->hook = keep_number;
	stage->acts[B][SAGA__PHASE_RUN] = WAIT;
	give(stage, saga_no(1), &late);
	run_all(stage);
	ck_assert_int_eq(stage->number, -1);
	stage->acts[B][SAGA__PHASE_RUN] = RETRY; /* what it keeps is taken back */
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(stage->number, 1);
	stage->acts[B][SAGA__PHASE_RUN] = GOOD;
	pass(stage, 10);
	ck_assert_int_eq(stage->number, 1);
	give(stage, saga_no(1), &back_too);
	run_all(stage);
	ck_assert_int_eq(stage->number, 2);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__UNDONE);
	stage_free(stage);
}
END_TEST

static void look_at_what_it_ran_on(struct stage *stage, saga_step *step)
{
	const struct go_three *body = saga_body(saga_ran_on(step), go_three);

	if (step->phase == SAGA__PHASE_UNDO)
		stage->number = body ? body->n : -1;
}

START_TEST(an_undo_knows_what_its_step_ran_on)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *last = event_of(stage, saga_no(1), &go_three, "", 42);

	stage->hook = look_at_what_it_ran_on;
	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &go_too);
	give_blob(stage, last);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_eq(stage->number, 42);
	saga__blob_unref(last);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ a_join_runs_once_when_all_have_come, 24 },
		{ a_join_says_what_it_misses, 0 },
		{ a_join_that_is_barred_meanwhile_never_runs, 2 },
		{ a_join_forgets_none_of_its_events, 0 },
		{ a_join_that_waits_forgets_none_of_its_events, 0 },
		{ a_join_that_retries_runs_again, 0 },
		{ a_join_that_died_is_requeued_whole, 2 },
		{ a_wait_commits_and_runs_at_the_next_trigger, 0 },
		{ a_double_of_a_trigger_that_was_waited_on_is_ignored, 0 },
		{ the_last_64_triggers_are_remembered, 0 },
		{ a_wait_may_end_in_any_way, 5 },
		{ a_waiting_slot_is_barred_by_an_undo_or_a_bar, 2 },
		{ a_note_is_kept_by_waits_and_read_by_the_undo, 0 },
		{ an_undo_knows_what_its_step_ran_on, 0 },
	};

	return RUN_TESTS("waits", tests);
}
