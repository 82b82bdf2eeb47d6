/* Every cell of the slot table, end to end. */
#include "harness.h"

/* ---- steps whose verdict the event chooses ---- */

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);

	saw(s, "run");
	effect(s, "run");
	switch ((enum to_do)asked->n) {
	case DO_REJECT:
		return saga_reject(s, a_rejected, .why = "asked to");
	case DO_FAIL:
		return saga_fail(s, "asked to");
	case DO_WAIT:
		return saga_wait(s, "asked to");
	case DO_RETRY:
		return saga_retry(s, "asked to");
	case DO_MALFORMED:
		return saga_malformed(s, "asked to");
	case DO_DONE:
		break;
	}
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	const struct take_back *asked = saga_on(s, take_back);

	saw(s, "undo");
	if (asked->n == DO_FAIL)
		return saga_fail(s, "asked to");
	saga_exec(s, "DELETE FROM effect WHERE saga = ?", saga_this(s));
	return saga_emit(s, a_undone);
}

#define PLAIN_STEP \
	.name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done }, \
	.rejects = { &a_rejected }, .undo = undo_a, .undo_on = { &take_back }, \
	.undone = { &a_undone }, .bar_on = { &bar_it }

static const saga_step_def plain_steps[] = { { PLAIN_STEP }, MARKER_STEP };
static const saga_participant_def plain =
	SAGA_PARTICIPANT("target", plain_steps, .schema = effect_schema);

static const saga_step_def silent_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def silent =
	SAGA_PARTICIPANT("target", silent_steps, .schema = effect_schema);

SAGA_STRUCT(said_yes, flag(yes));

static saga_verdict call_slow(saga_call *c)
{
	saw_call(c, "call");
	gate_pass(saga_call_user(c));
	return saga_tell(c, said_yes, .yes = true);
}

static const saga_step_def slow_steps[] = {
	{ PLAIN_STEP, .outside = { .call = call_slow }, .undo_outside = { .call = call_slow } },
	MARKER_STEP,
};
static const saga_participant_def slow =
	SAGA_PARTICIPANT("target", slow_steps, .schema = effect_schema);

/* ---- the table ---- */

struct cell {
	const saga_participant_def *def;
	const char *from;
	const saga_type *input;
	const char *meanwhile; /* while a call goes on; NULL: there is none */
	const char *to;
	int runs, undos, speaks; /* because of the input */
};

static const struct cell cells[] = {
	{ &plain, "absent", &go_first, NULL, "done", 1, 0, 0 },
	{ &plain, "absent", &take_back, NULL, "barred", 0, 0, 1 },
	{ &plain, "absent", &bar_it, NULL, "barred", 0, 0, 1 },
	{ &plain, "waiting", &go_first, NULL, "done", 1, 0, 0 },
	{ &plain, "waiting", &take_back, NULL, "barred", 0, 0, 1 },
	{ &plain, "waiting", &bar_it, NULL, "barred", 0, 0, 1 },
	{ &plain, "done", &go_first, NULL, "done", 0, 0, 0 },
	{ &plain, "done", &take_back, NULL, "undone", 0, 1, 0 },
	{ &plain, "done", &bar_it, NULL, "done", 0, 0, 0 },
	{ &plain, "rejected", &go_first, NULL, "rejected", 0, 0, 0 },
	{ &plain, "rejected", &take_back, NULL, "rejected", 0, 0, 0 },
	{ &plain, "rejected", &bar_it, NULL, "rejected", 0, 0, 0 },
	{ &plain, "failed", &go_first, NULL, "failed", 0, 0, 0 },
	{ &plain, "failed", &take_back, NULL, "failed", 0, 0, 0 },
	{ &plain, "failed", &bar_it, NULL, "failed", 0, 0, 0 },
	{ &plain, "barred", &go_first, NULL, "barred", 0, 0, 0 },
	{ &plain, "barred", &take_back, NULL, "barred", 0, 0, 0 },
	{ &plain, "barred", &bar_it, NULL, "barred", 0, 0, 0 },
	{ &plain, "undone", &go_first, NULL, "undone", 0, 0, 0 },
	{ &plain, "undone", &take_back, NULL, "undone", 0, 0, 0 },
	{ &plain, "undone", &bar_it, NULL, "undone", 0, 0, 0 },
	{ &plain, "stuck", &go_first, NULL, "stuck", 0, 0, 0 },
	{ &plain, "stuck", &take_back, NULL, "stuck", 0, 0, 0 },
	{ &plain, "stuck", &bar_it, NULL, "stuck", 0, 0, 0 },

	{ &silent, "absent", &take_back, NULL, "barred", 0, 0, 0 },
	{ &silent, "absent", &bar_it, NULL, "barred", 0, 0, 0 },
	{ &silent, "dead", &go_first, NULL, "dead", 0, 0, 0 },
	{ &silent, "dead", &take_back, NULL, "barred", 0, 0, 0 },
	{ &silent, "dead", &bar_it, NULL, "barred", 0, 0, 0 },

	{ &slow, "absent", &go_first, NULL, "done", 1, 0, 0 },
	{ &slow, "absent", &take_back, NULL, "barred", 0, 0, 1 },
	{ &slow, "absent", &bar_it, NULL, "barred", 0, 0, 1 },
	{ &slow, "trying", &go_first, "trying", "done", 1, 0, 0 },
	{ &slow, "trying", &take_back, "trying", "undone", 1, 1, 0 },
	{ &slow, "trying", &bar_it, "trying", "done", 1, 0, 0 },
	{ &slow, "done", &take_back, NULL, "undone", 0, 1, 0 },
	{ &slow, "undoing", &go_first, "undoing", "undone", 0, 1, 0 },
	{ &slow, "undoing", &take_back, "undoing", "undone", 0, 1, 0 },
	{ &slow, "undoing", &bar_it, "undoing", "undone", 0, 1, 0 },
};

static void reach(struct stage *stage, saga_id saga, const char *from)
{
	static const struct {
		const char *state;
		int64_t to_do;
	} first[] = { { "waiting", DO_WAIT }, { "rejected", DO_REJECT }, { "failed", DO_FAIL },
		{ "dead", DO_FAIL }, { "done", DO_DONE }, { "undone", DO_DONE },
		{ "stuck", DO_DONE }, { "undoing", DO_DONE }, { "trying", DO_DONE } };

	if (!strcmp(from, "trying"))
		gate_close(stage);
	for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
		if (!strcmp(from, first[i].state))
			inject_n(stage, saga, &go_first, first[i].to_do);
	if (!strcmp(from, "undone") || !strcmp(from, "stuck") || !strcmp(from, "undoing")) {
		AWAIT(stage, slot_is(stage, saga, "a", "done"));
		if (!strcmp(from, "undoing"))
			gate_close(stage);
		inject_n(stage, saga, &take_back, strcmp(from, "stuck") ? DO_DONE : DO_FAIL);
	}
	if (!strcmp(from, "barred"))
		inject(stage, saga, &bar_it);
	AWAIT(stage, slot_is(stage, saga, "a", from));
	if (stage->gate_closed)
		AWAIT(stage, trace_count(stage, "call") >= (strcmp(from, "undoing") ? 1 : 2));
}

static void try_cell(struct stage *stage, const struct cell *cell)
{
	saga_id saga = stage_saga(stage);
	int64_t behind = parked(stage) + !strcmp(cell->to, "dead"); /* it waits for an operator */
	int runs, undos, speaks;

	trace_clear(stage);
	reach(stage, saga, cell->from);
	runs = trace_count(stage, "run");
	undos = trace_count(stage, "undo");
	speaks = said(stage, saga, "a.rejected");

	inject(stage, saga, cell->input);
	settle(stage);
	if (cell->meanwhile)
		ck_assert_msg(slot_is(stage, saga, "a", cell->meanwhile), "%s, %s: meanwhile %s",
			cell->from, cell->input->name, slot_state(stage, saga, "a"));
	gate_open(stage);
	AWAIT(stage, slot_is(stage, saga, "a", cell->to));
	AWAIT(stage, parked(stage) == behind);
	settle(stage);

	ck_assert_msg(slot_is(stage, saga, "a", cell->to), "%s, %s: is %s, not %s", cell->from,
		cell->input->name, slot_state(stage, saga, "a"), cell->to);
	runs = trace_count(stage, "run") - runs;
	undos = trace_count(stage, "undo") - undos;
	speaks = said(stage, saga, "a.rejected") - speaks;
	ck_assert_msg(runs == cell->runs && undos == cell->undos && speaks == cell->speaks,
		"%s, %s: %d runs, %d undos, spoke %d times (%d, %d, %d)", cell->from,
		cell->input->name, runs, undos, speaks, cell->runs, cell->undos, cell->speaks);
	ck_assert_int_eq(effects(stage, saga, "run"),
		(!strcmp(cell->from, "waiting") ? 1 : 0) +
			(!strcmp(cell->to, "done") || !strcmp(cell->to, "stuck") ? 1 : 0));
}

static void try_cells(const saga_participant_def *def, int lanes)
{
	struct stage *stage = stage_start(lanes, def);

	for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
		if (cells[i].def == def)
			try_cell(stage, &cells[i]);
	stage_end(stage);
}

START_TEST(cells_of_a_plain_step)
{
	try_cells(&plain, _i);
}
END_TEST

START_TEST(cells_of_a_step_that_rejects_nothing)
{
	try_cells(&silent, _i);
}
END_TEST

START_TEST(cells_of_a_step_with_outside_calls)
{
	try_cells(&slow, _i);
}
END_TEST

START_TEST(undo_before_run_bars_and_speaks)
{
	struct stage *stage = stage_start(_i, &plain);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &take_back);
	inject(stage, saga, &go_first);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "barred");
	ck_assert_str_eq(trace(stage), "");
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(slots_survive_a_restart)
{
	struct stage *stage = stage_start(_i, &plain);
	saga_id done = stage_saga(stage);
	saga_id barred = stage_saga(stage);

	inject(stage, done, &go_first);
	inject(stage, barred, &bar_it);
	AWAIT(stage, slot_is(stage, done, "a", "done") && slot_is(stage, barred, "a", "barred"));
	stage_restart(stage);
	inject(stage, done, &go_first);
	inject(stage, barred, &go_first);
	inject(stage, done, &take_back);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, done, "a"), "undone");
	ck_assert_str_eq(slot_state(stage, barred, "a"), "barred");
	ck_assert_str_eq(trace(stage), "run; undo");
	stage_end(stage);
}
END_TEST

/* ---- one step's slots under its old name ---- */

static const saga_step_def renamed_steps[] = {
	{ .name = "new",
		.was = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def renamed =
	SAGA_PARTICIPANT("target", renamed_steps, .schema = effect_schema);

START_TEST(a_renamed_step_finds_its_slots)
{
	struct stage *stage = stage_start(_i, &plain);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	actor_close(&stage->target);
	stage_open(stage, &renamed, NULL);
	inject(stage, saga, &go_first);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "new"), "done");
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	ck_assert_str_eq(trace(stage), "run");
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "new", "undone"));
	ck_assert_str_eq(trace(stage), "run; undo");
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		cells_of_a_plain_step,
		cells_of_a_step_that_rejects_nothing,
		cells_of_a_step_with_outside_calls,
		undo_before_run_bars_and_speaks,
		slots_survive_a_restart,
		a_renamed_step_finds_its_slots,
	};

	return run_both_modes("slots", tests, sizeof tests / sizeof tests[0]);
}
