#include "fault_saga.h"

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);

	saw(s, "run");
	effect(s, "a");
	if (asked->n == DO_FAIL)
		saga_exec(s, "INSERT INTO nowhere (n) VALUES (?)", 1);
	if (asked->n == DO_WAIT)
		return saga_wait(s, "asked to");
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	saw(s, "undo");
	effect(s, "undo");
	return saga_emit(s, a_undone);
}

static saga_verdict run_b(saga_step *s)
{
	effect(s, "b");
	saga_after(s, 1, later, .n = 1);
	return saga_emit(s, b_done);
}

static saga_verdict run_c(saga_step *s)
{
	effect(s, saga_on(s, later) ? "later" : "please");
	return saga_emit(s, c_done);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.retry = { .attempts = 3, .first_ms = 1, .max_ms = 4 } },
	{ .name = "b",
		.on = { &a_done },
		.run = run_b,
		.emits = { &b_done },
		.after = { { .event = &later } } },
	{ .name = "c", .on = { &later }, .run = run_c, .emits = { &c_done } },
	{ .name = "please", .on = { &please }, .run = run_c, .emits = { &c_done } },
	MARKER_STEP,
};
const saga_participant_def fault_saga = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

struct stage *stage_with(int lanes, struct faults *faults)
{
	struct stage *stage = stage_new(lanes);

	stage_open(stage, &fault_saga,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = faults));
	return stage;
}
