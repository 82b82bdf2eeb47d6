/* Joins in every order, waits and their wakes. */
#include "harness.h"

static saga_verdict run_both(saga_step *s)
{
	saw(s, "both on %s", saga_event_type(saga_trigger(s)));
	effect(s, "both");
	return saga_emit(s, a_done);
}

static saga_verdict run_three(saga_step *s)
{
	saw(s, "three on %s", saga_event_type(saga_trigger(s)));
	effect(s, "three");
	return saga_emit(s, b_done);
}

static saga_verdict undo_three(saga_step *s)
{
	saw(s, "undo three");
	return saga_emit(s, b_undone);
}

static const saga_step_def join_steps[] = {
	{ .name = "both",
		.on = { &go_first, &go_second },
		.join = SAGA_ALL,
		.run = run_both,
		.emits = { &a_done } },
	{ .name = "three",
		.on = { &go_first, &go_second, &go_third },
		.join = SAGA_ALL,
		.run = run_three,
		.emits = { &b_done },
		.rejects = { &b_rejected },
		.undo = undo_three,
		.undo_on = { &take_back },
		.undone = { &b_undone },
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def join =
	SAGA_PARTICIPANT("target", join_steps, .schema = effect_schema);

static const saga_type *const parts[] = { &go_first, &go_second, &go_third };
static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
	{ 2, 1, 0 } };

enum between {
	NOTHING,
	DOUBLES,
	RESTARTS
};

/* The place in the order at which the last of the first two comes. */
static int both_complete_at(const int order[3])
{
	return order[2] == 2 ? 1 : 2;
}

static void join_in_order(struct stage *stage, const int order[3], enum between between)
{
	saga_id saga = stage_saga(stage);
	char both[48], three[48];

	trace_clear(stage);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(effects(stage, saga, "three"), 0);
		for (int past = 0; between == DOUBLES && past < i; past++)
			inject(stage, saga, parts[order[past]]);
		inject(stage, saga, parts[order[i]]);
		settle(stage);
		ck_assert_int_eq(effects(stage, saga, "both"), i >= both_complete_at(order));
		if (between == RESTARTS)
			stage_restart(stage);
	}
	AWAIT(stage, slot_is(stage, saga, "three", "done"));
	for (int i = 0; i < 3; i++)
		inject(stage, saga, parts[i]);
	settle(stage);
	snprintf(both, sizeof both, "both on %s", parts[order[both_complete_at(order)]]->name);
	snprintf(three, sizeof three, "three on %s", parts[order[2]]->name);
	ck_assert_int_eq(trace_count(stage, both), 1);
	ck_assert_int_eq(trace_count(stage, three), 1);
	ck_assert_int_eq(effects(stage, saga, "both"), 1);
	ck_assert_int_eq(effects(stage, saga, "three"), 1);
}

static void join_in_all_orders(int lanes, enum between between)
{
	struct stage *stage = stage_start(lanes, &join);

	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
		join_in_order(stage, orders[i], between);
	stage_end(stage);
}

START_TEST(joins_in_every_order)
{
	join_in_all_orders(_i, NOTHING);
}
END_TEST

START_TEST(doubles_do_not_complete_a_join)
{
	join_in_all_orders(_i, DOUBLES);
}
END_TEST

START_TEST(a_join_remembers_over_restarts)
{
	join_in_all_orders(_i, RESTARTS);
}
END_TEST

START_TEST(a_join_of_events_in_one_batch)
{
	struct stage *stage = stage_start(_i, &join);
	saga_id saga = stage_saga(stage);

	actor_close(&stage->target);
	for (int i = 0; i < 3; i++)
		inject(stage, saga, parts[i]);
	stage_open(stage, &join, NULL);
	AWAIT(stage, slot_is(stage, saga, "three", "done"));
	ck_assert_int_eq(effects(stage, saga, "both"), 1);
	ck_assert_int_eq(effects(stage, saga, "three"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_join_begun_can_be_barred_and_undone)
{
	struct stage *stage = stage_start(_i, &join);
	saga_id barred = stage_saga(stage);
	saga_id undone = stage_saga(stage);

	inject(stage, barred, &go_first);
	inject(stage, barred, &bar_it);
	inject(stage, undone, &go_third);
	inject(stage, undone, &take_back);
	for (int i = 0; i < 3; i++) {
		inject(stage, barred, parts[i]);
		inject(stage, undone, parts[i]);
	}
	settle(stage);
	ck_assert_str_eq(slot_state(stage, barred, "three"), "barred");
	ck_assert_str_eq(slot_state(stage, undone, "three"), "barred");
	ck_assert_int_eq(said(stage, barred, "b.rejected"), 1);
	ck_assert_int_eq(said(stage, undone, "b.rejected"), 1);
	ck_assert_int_eq(trace_count(stage, "undo three"), 0);
	ck_assert_int_eq(effects(stage, barred, "three") + effects(stage, undone, "three"), 0);
	stage_end(stage);
}
END_TEST

/* ---- waits ---- */

static saga_verdict run_waiting(saga_step *s)
{
	saw(s, "run on %s", saga_event_type(saga_trigger(s)));
	effect(s, "looked");
	if (!saga_on(s, go_second))
		return saga_wait(s, "the second has not come");
	return saga_emit(s, a_done, .has_n = true,
		.n = saga_query_int64(
			s, 0, "SELECT COUNT(*) FROM effect WHERE saga = ?", saga_this(s)));
}

static saga_verdict run_looking(saga_step *s)
{
	saw(s, "look");
	effect(s, "looked");
	if (saga_query_int64(s, 0, "SELECT COUNT(*) FROM effect WHERE saga = ?", saga_this(s)) <
		4) {
		saga_after(s, 5, later, .n = 0);
		return saga_wait(s, "look again");
	}
	return saga_emit(s, b_done);
}

static const saga_step_def waiting_steps[] = {
	{ .name = "a",
		.on = { &go_first, &go_second },
		.run = run_waiting,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.bar_on = { &bar_it } },
	{ .name = "look",
		.on = { &go_third, &later },
		.run = run_looking,
		.emits = { &b_done },
		.rejects = { &b_rejected },
		.bar_on = { &bar_it },
		.after = { { .event = &later } } },
	MARKER_STEP,
};
static const saga_participant_def waiting =
	SAGA_PARTICIPANT("target", waiting_steps, .schema = effect_schema);

START_TEST(a_wait_commits_and_wakes)
{
	struct stage *stage = stage_start(_i, &waiting);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting"));
	ck_assert_int_eq(effects(stage, saga, "looked"), 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	AWAIT(stage, health(&stage->target).waiting == 1);
	inject(stage, saga, &go_first);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "waiting");
	ck_assert_int_eq(effects(stage, saga, "looked"), 2);
	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(said_with(stage, saga, "a.done", "3"), 1);
	ck_assert_str_eq(trace(stage),
		"run on outside.go_first; run on outside.go_first;"
		" run on outside.go_second");
	AWAIT(stage, health(&stage->target).waiting == 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_wait_survives_a_restart)
{
	struct stage *stage = stage_start(_i, &waiting);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting"));
	stage_restart(stage);
	settle(stage);
	ck_assert_int_eq(effects(stage, saga, "looked"), 1);
	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(effects(stage, saga, "looked"), 2);
	stage_end(stage);
}
END_TEST

START_TEST(a_wait_looks_again_and_again)
{
	struct stage *stage = stage_start(_i, &waiting);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_third);
	AWAIT(stage, slot_is(stage, saga, "look", "done"));
	ck_assert_str_eq(trace(stage), "look; look; look; look");
	ck_assert_int_eq(said(stage, saga, "target.later"), 3);
	stage_end(stage);
}
END_TEST

START_TEST(a_barred_wait_keeps_what_it_committed_and_speaks)
{
	struct stage *stage = stage_start(_i, &waiting);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	inject(stage, saga, &bar_it);
	inject(stage, saga, &go_second);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "barred");
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		joins_in_every_order,
		doubles_do_not_complete_a_join,
		a_join_remembers_over_restarts,
		a_join_of_events_in_one_batch,
		a_join_begun_can_be_barred_and_undone,
		a_wait_commits_and_wakes,
		a_wait_survives_a_restart,
		a_wait_looks_again_and_again,
		a_barred_wait_keeps_what_it_committed_and_speaks,
	};

	return run_both_modes("joins and waits", tests, sizeof tests / sizeof tests[0]);
}
