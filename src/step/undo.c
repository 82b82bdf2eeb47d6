/* Undoing a step. */

#include "work.h"

void saga__undone(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	saga__slot_withdraw_schedules(batch, work);
	saga__slot_move(batch, work->slot, SAGA__UNDONE, "");
	saga__batch_publish(batch, work->slot->saga, step->event, step->event_id, step->event_ours);
	saga__unpark(batch, work);
}

static void stuck(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	saga__batch_log(batch, SAGA_ALARM, "slot.stuck", work, why);
	saga__park(batch, work, SAGA__PARKED_HELD, work->attempts + 1, SAGA__NEVER, "", why,
		(saga_bytes){ NULL, 0 });
	saga__slot_move(batch, work->slot, SAGA__STUCK,
		batch->lost.code == SAGA_OK ? saga__last_parked(batch)->why : "");
}

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

static void settle(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	const saga_retry_rule rule = saga__rule_of(work);
	int attempts = saga__attempts_with(work);
	const struct saga__before before = saga__before(batch, work);

	switch (step->outcome) {
	case SAGA__EMITS:
		saga__undone(batch, work, step);
		break;
	case SAGA__ASKS:
		saga__slot_move(batch, work->slot, SAGA__UNDOING, "");
		saga__ask(batch, work, 0, step->question);
		break;
	case SAGA__RETRIES:
		if (saga__is_spent(&rule, attempts)) {
			stuck(batch, work, step->text);
			break;
		}
		saga__tell_retry(work, "undo.retried", attempts, step->fault, step->text);
		saga__park(batch, work, SAGA__PARKED_RETRY, attempts,
			batch->now + saga__backoff(batch, &rule, attempts), "", step->text,
			(saga_bytes){ NULL, 0 });
		break;
	case SAGA__NO_OUTCOME:
	case SAGA__DONE_SILENTLY:
	case SAGA__REJECTS:
	case SAGA__WAITS:
	case SAGA__FAILS:
	case SAGA__MALFORMS:
	case SAGA__BREAKS:
		stuck(batch, work, step->text);
		break;
	}
	saga__assert_settled(batch, work, &before, SAGA__UNDO_ENDED, step);
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
		saga__slot_move(batch, work->slot, SAGA__UNDOING, "");
		saga__ask(batch, work, 0, (saga_bytes){ NULL, 0 });
		return;
	}
	if (saga__step_run(&step, work,
		    def->undo_outside.call ? SAGA__PHASE_PREPARE_UNDO : SAGA__PHASE_UNDO, "",
		    (saga_bytes){ NULL, 0 }) == SAGA_OK)
		settle(batch, work, &step);
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
