/* Undoing a step. */

#include "work.h"

/*
 * Undos of one event run in reverse order of declaration: a later-declared step that this event
 * undoes too, and that is not through with it, goes first. NULL: none is left.
 */
static struct saga__slot *goes_first(struct saga__batch *batch, const struct saga__work *work)
{
	const struct saga__plan *plan = batch->plan;
	const struct saga_event *event = work->event;

	for (size_t at = (size_t)(work->step - plan->steps) + 1; at < plan->step_count; at++) {
		const saga_step_def *step = &plan->steps[at];
		struct saga__slot *slot;

		if (!saga__types_have(step->undo_on, event->of) ||
			(step->per_subject && !*event->subject))
			continue;
		slot = saga__batch_slot(
			batch, event->saga, at, step->per_subject ? event->subject : "");
		/* A dead one has nothing to take back: the same event bars it. */
		if (slot && slot->state != SAGA__DEAD &&
			(slot->state == SAGA__DONE || saga__slot_holds_back(slot->state)))
			return slot;
	}
	return NULL;
}

static void undo(struct saga__batch *batch, struct saga__work *work)
{
	const saga_step_def *def = work->step;
	struct saga__slot *first = goes_first(batch, work);
	struct saga_step step;

	if (first) {
		saga__park_behind(batch, work, first);
		return;
	}
	if (def->undo_outside.call && !def->undo_outside.prepare) {
		saga__settle_as(batch, work, SAGA__UNDO_ENDED, SAGA__ASKS, "");
		return;
	}
	if (saga__step_run(&step, work,
		    def->undo_outside.call ? SAGA__PHASE_PREPARE_UNDO : SAGA__PHASE_UNDO, "",
		    (saga_bytes){ NULL, 0 }) == SAGA_OK)
		(void)saga__settle(batch, work, SAGA__UNDO_ENDED, &step);
	saga__step_end(&step);
}

void saga__do_undo(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;

	switch (saga__slot_decide(slot->state, slot->was, SAGA__UNDO_TRIGGER)) {
	case SAGA__BAR:
		saga__bar(batch, work);
		break;
	case SAGA__UNDO:
		undo(batch, work);
		break;
	case SAGA__PARK:
		saga__park_behind(batch, work, slot);
		break;
	case SAGA__IGNORE:
	case SAGA__RUN:
	case SAGA__FINISH_RUN:
	case SAGA__FINISH_UNDO:
	case SAGA__REVIVE:
	case SAGA__DECREE:
		saga__unpark(batch, work);
		break;
	}
}
