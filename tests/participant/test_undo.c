/* Bars that speak, and undos of one event in reverse order of declaration. */
#include "harness.h"

SAGA_STRUCT(said_yes, flag(yes));
SAGA_STRUCT(receipt, int64(number), text(text), opt_text(none), opt_int64(maybe));

/* ---- who speaks ---- */

static saga_verdict run_simple(saga_step *s)
{
	saw(s, "run a");
	effect(s, "a");
	return saga_emit(s, a_done);
}

static saga_verdict refuse_a(saga_step *s)
{
	const char *why = saga_why(s);
	int64_t written = saga_query_int64(s, -1, "SELECT COUNT(*) FROM effect");

	saw(s, "refuse a: %s", saga_on(s, bar_it) ? "bar" : saga_on(s, take_back) ? "undo" : "run");
	return saga_reject(s, a_refused, .n = written, .why = why);
}

static saga_verdict undo_simple(saga_step *s)
{
	saw(s, "undo a");
	return saga_emit(s, a_undone);
}

static const saga_step_def refusing_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_simple,
		.emits = { &a_done },
		.rejects = { &a_refused },
		.refuse = refuse_a,
		.undo = undo_simple,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def refusing =
	SAGA_PARTICIPANT("target", refusing_steps, .schema = effect_schema);

START_TEST(a_bar_speaks_by_refuse)
{
	struct stage *stage = stage_start(_i, &refusing);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &bar_it);
	inject(stage, saga, &go_first);
	inject(stage, saga, &bar_it);
	settle(stage);
	ck_assert_str_eq(trace(stage), "refuse a: bar");
	ck_assert_str_eq(slot_state(stage, saga, "a"), "barred");
	ck_assert_int_eq(said(stage, saga, "a.refused"), 1);
	ck_assert_int_eq(said_with(stage, saga, "a.refused", "outside.bar_it"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(an_early_undo_speaks_by_refuse)
{
	struct stage *stage = stage_start(_i, &refusing);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &take_back);
	settle(stage);
	ck_assert_str_eq(trace(stage), "refuse a: undo");
	ck_assert_int_eq(said_with(stage, saga, "a.refused", "outside.take_back"), 1);
	stage_end(stage);
}
END_TEST

static const saga_step_def reason_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_simple,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.bar_on = { &bar_it } },
	{ .name = "pivot",
		.pivot = true,
		.on = { &go_second },
		.run = run_simple,
		.emits = { &a_done },
		.rejects = { &b_rejected },
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def reasoning =
	SAGA_PARTICIPANT("target", reason_steps, .schema = effect_schema);

START_TEST(a_bar_speaks_by_its_reason_alone)
{
	struct stage *stage = stage_start(_i, &reasoning);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &bar_it);
	settle(stage);
	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "outside.bar_it"), 1);
	ck_assert_int_eq(said_with(stage, saga, "b.rejected", "outside.bar_it"), 1);
	inject(stage, saga, &go_second);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "pivot"), "barred");
	ck_assert_str_eq(trace(stage), "");
	stage_end(stage);
}
END_TEST

START_TEST(a_bar_after_the_run_is_ignored)
{
	struct stage *stage = stage_start(_i, &reasoning);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	inject(stage, saga, &bar_it);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
	ck_assert_str_eq(slot_state(stage, saga, "pivot"), "barred");
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	ck_assert_int_eq(said(stage, saga, "b.rejected"), 1);
	stage_end(stage);
}
END_TEST

/* ---- several undos of one event ---- */

static saga_verdict run_b(saga_step *s)
{
	saw(s, "run b");
	return saga_emit(s, b_done);
}

static saga_verdict run_c(saga_step *s)
{
	saw(s, "run c");
	return saga_emit(s, c_done);
}

static saga_verdict undo_b(saga_step *s)
{
	saw(s, "undo b %d", saga_attempt(s));
	if (saga_attempt(s) <= ((struct stage *)saga_user(s))->knob)
		return saga_retry(s, "not yet");
	return saga_emit(s, b_undone);
}

static const saga_step_def two_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_simple,
		.emits = { &a_done },
		.undo = undo_simple,
		.undo_on = { &take_back, &take_back_too },
		.undone = { &a_undone } },
	{ .name = "b",
		.on = { &go_first },
		.run = run_b,
		.emits = { &b_done },
		.undo = undo_b,
		.undo_on = { &take_back },
		.undone = { &b_undone },
		.undo_retry = { .attempts = 5, .first_ms = 1, .max_ms = 20 } },
	{ .name = "c",
		.on = { &go_second },
		.run = run_c,
		.emits = { &c_done },
		.undo = undo_b,
		.undo_on = { &take_back },
		.undone = { &b_undone } },
	MARKER_STEP,
};
static const saga_participant_def two =
	SAGA_PARTICIPANT("target", two_steps, .schema = effect_schema);

static void check_reverse_order(struct stage *stage, const char *expected)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done") && slot_is(stage, saga, "b", "done"));
	ck_assert_int_eq(trace_count(stage, "run a"), 1);
	ck_assert_int_eq(trace_count(stage, "run b"), 1);
	trace_clear(stage);
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(slot_state(stage, saga, "b"), "undone");
	ck_assert_str_eq(slot_state(stage, saga, "c"), "barred");
	ck_assert_str_eq(trace(stage), expected);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 1);
	ck_assert_int_eq(said(stage, saga, "b.undone"), 1);
	AWAIT(stage, parked(stage) == 0);
	stage_end(stage);
}

START_TEST(two_undos_run_in_reverse_order)
{
	check_reverse_order(stage_start(_i, &two), "undo b 1; undo a");
}
END_TEST

START_TEST(the_earlier_waits_while_the_later_retries)
{
	struct stage *stage = stage_start(_i, &two);

	stage->knob = 2;
	check_reverse_order(stage, "undo b 1; undo b 2; undo b 3; undo a");
}
END_TEST

START_TEST(a_second_undo_event_does_nothing)
{
	struct stage *stage = stage_start(_i, &two);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	inject(stage, saga, &take_back_too);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(slot_state(stage, saga, "b"), "done");
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "b", "undone"));
	settle(stage);
	ck_assert_int_eq(trace_count(stage, "undo a"), 1);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 1);
	stage_end(stage);
}
END_TEST

static saga_verdict call_slow(saga_call *c)
{
	saw_call(c, "call b");
	gate_pass(saga_call_user(c));
	return saga_tell(c, said_yes, .yes = true);
}

static const saga_step_def outside_two_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_simple,
		.emits = { &a_done },
		.undo = undo_simple,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	{ .name = "b",
		.on = { &go_first },
		.run = run_b,
		.emits = { &b_done },
		.undo = undo_b,
		.undo_outside = { .call = call_slow },
		.undo_on = { &take_back },
		.undone = { &b_undone } },
	MARKER_STEP,
};
static const saga_participant_def outside_two =
	SAGA_PARTICIPANT("target", outside_two_steps, .schema = effect_schema);

START_TEST(the_earlier_waits_while_the_later_is_outside)
{
	struct stage *stage = stage_start(_i, &outside_two);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done") && slot_is(stage, saga, "b", "done"));
	trace_clear(stage);
	gate_close(stage);
	inject(stage, saga, &take_back);
	AWAIT(stage, trace_count(stage, "call b") == 1);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "b"), "undoing");
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
	gate_open(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(trace(stage), "call b; undo b 1; undo a");
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_parked_behind_another_survives_a_restart)
{
	struct stage *stage = stage_start(_i, &two);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "b", "done"));
	stage->knob = 3;
	inject(stage, saga, &take_back);
	AWAIT(stage, trace_count(stage, "undo b 1") == 1);
	stage_restart(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(slot_state(stage, saga, "b"), "undone");
	ck_assert_int_eq(trace_count(stage, "undo a"), 1);
	ck_assert_int_eq(said(stage, saga, "b.undone"), 1);
	stage_end(stage);
}
END_TEST

/* ---- what an undo knows ---- */

static saga_verdict run_keeping(saga_step *s)
{
	ck_assert_ptr_null(saga_kept(s, receipt));
	saga_keep(s, receipt, .number = 1, .text = "first");
	saga_keep(s, receipt, .number = 7, .text = "second", .has_maybe = true, .maybe = -1);
	return saga_emit(s, a_done);
}

static saga_verdict undo_knowing(saga_step *s)
{
	const struct receipt *kept = saga_kept(s, receipt);
	const struct go_first *ran_on = saga_body(saga_ran_on(s), go_first);

	saw(s, "kept %d %s %s %d", kept ? (int)kept->number : -1, kept ? kept->text : "",
		kept && !kept->none ? "none" : "?", kept && kept->has_maybe ? (int)kept->maybe : 0);
	saw(s, "other note %s", saga_kept(s, said_yes) ? "found" : "none");
	saw(s, "ran on %d, undone by %s", ran_on ? (int)ran_on->n : -1,
		saga_on(s, take_back) ? "take_back" : "?");
	return saga_emit(s, a_undone);
}

static const saga_step_def knowing_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_keeping,
		.emits = { &a_done },
		.undo = undo_knowing,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	MARKER_STEP,
};
static const saga_participant_def knowing = SAGA_PARTICIPANT("target", knowing_steps);

START_TEST(an_undo_knows_the_note_and_what_the_step_ran_on)
{
	struct stage *stage = stage_start(_i, &knowing);
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, 41);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage_restart(stage);
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(trace(stage),
		"kept 7 second none -1; other note none;"
		" ran on 41, undone by take_back");
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_bar_speaks_by_refuse,
		an_early_undo_speaks_by_refuse,
		a_bar_speaks_by_its_reason_alone,
		a_bar_after_the_run_is_ignored,
		two_undos_run_in_reverse_order,
		the_earlier_waits_while_the_later_retries,
		a_second_undo_event_does_nothing,
		the_earlier_waits_while_the_later_is_outside,
		an_undo_parked_behind_another_survives_a_restart,
		an_undo_knows_the_note_and_what_the_step_ran_on,
	};

	return run_both_modes("undo", tests, sizeof tests / sizeof tests[0]);
}
