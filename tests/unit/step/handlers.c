/* What every step of these tests runs. */

#include "stage.h"

#include <stdio.h>

static const char zeros[256];

static struct stage *stage_of(const saga_step *step)
{
	return saga_user(step);
}

static void note(struct stage *stage, const char *what, const saga_step *step)
{
	size_t used = strlen(stage->trace);

	(void)snprintf(
		stage->trace + used, sizeof stage->trace - used, "%s %s; ", what, step->def->name);
}

static void write_effect(saga_step *step, int64_t by)
{
	if (step->batch->store_ops)
		(void)saga_exec(step, "INSERT INTO effect VALUES (?, ?, ?, ?)", saga_this(step),
			step->def->name, saga_subject(step), by);
}

static saga_verdict emit_big(saga_step *step)
{
	static char text[4096];
	const struct did_a body = { .text = text };

	memset(text, 'x', sizeof text - 1);
	return saga_emit_body(step, &did_a, &body);
}

static saga_verdict end_well(saga_step *step)
{
	bool undo = step->phase == SAGA__PHASE_UNDO || step->phase == SAGA__PHASE_PREPARE_UNDO;
	const saga_type *type = undo ? step->def->undone[0] : step->def->emits[0];

	return type ? saga_emit_body(step, type, zeros) : saga_done(step);
}

static saga_verdict end_twice(saga_step *step)
{
	saga_verdict first = end_well(step), second = end_well(step);

	(void)first;
	return second;
}

static saga_verdict poison(saga_step *step)
{
	struct memory *memory = saga_native(step);

	memory->gone = true;
	return end_well(step);
}

static saga_verdict act(saga_step *step, const char *what, int64_t by)
{
	struct stage *stage = stage_of(step);
	enum act act;

	note(stage, what, step);
	if (stage->hook)
		stage->hook(stage, step);
	act = stage->acts[step->def - stage->plan->steps][step->phase];
	if (by)
		write_effect(step, act == WAIT ? 0 : by);
	switch (act) {
	case GOOD:
		return end_well(step);
	case REJECT:
		return saga_reject_body(
			step, step->def->rejects[0] ? step->def->rejects[0] : &undeclared, zeros);
	case WAIT:
		return saga_wait(step, "waits");
	case RETRY:
		return saga_retry(step, "not now");
	case FAIL:
		return saga_fail(step, "never");
	case MALFORM:
		return saga_malformed(step, "breaks a rule");
	case ASK:
		return saga_ask(step, memo, .n = 7);
	case TWICE:
		return end_twice(step);
	case UNDECLARE:
		return saga_emit(step, undeclared);
	case BIG:
		return emit_big(step);
	case POISON:
		return poison(step);
	case NOTHING:
		break;
	}
	return (saga_verdict){ 0 };
}

saga_verdict run_act(saga_step *step)
{
	struct stage *stage = stage_of(step);
	const struct memo *told = saga_told(step, memo);

	if (told)
		stage->told = told->n;
	return act(step, "run", step->phase == SAGA__PHASE_READ ? 0 : 1);
}

saga_verdict undo_act(saga_step *step)
{
	return act(step, "undo", -1);
}

saga_verdict prepare_act(saga_step *step)
{
	return act(step, "prepare", 0);
}

saga_verdict prepare_undo_act(saga_step *step)
{
	return act(step, "unprepare", 0);
}

saga_verdict refuse_act(saga_step *step)
{
	struct stage *stage = stage_of(step);

	note(stage, "refuse", step);
	if (stage->hook)
		stage->hook(stage, step);
	if (stage->acts[step->def - stage->plan->steps][step->phase] != GOOD)
		return saga_fail(step, "refuse fails");
	return saga_reject_body(step, step->def->rejects[0], zeros);
}

saga_verdict call_act(saga_call *call)
{
	struct stage *stage = saga_call_user(call);
	const struct memo *asked = saga_asked(call, memo);

	stage->call_attempt = saga_call_attempt(call);
	if (stage->call == RETRY)
		return saga_call_retry(call, "no answer");
	if (stage->call == FAIL)
		return saga_call_fail(call, "its key is void");
	if (stage->call == NOTHING)
		return (saga_verdict){ 0 };
	return saga_tell(call, memo, .n = asked ? asked->n * 6 : 1);
}
