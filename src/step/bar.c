/* Barring a step, and the rejection that a barred step publishes. */

#include <stdio.h>
#include <string.h>

#include "work.h"

/*
 * It never runs, which is safe; but whose undo or wait hangs on its rejection has none. That is for
 * an operator: the letter's role says that the slot is barred already and only has to speak.
 */
static void owe_rejection(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	saga__batch_log(batch, SAGA_ALARM, "step.refuse_failed", work, why);
	work->role = SAGA__ROLE_REFUSE;
	saga__dead_letter(batch, work, why);
}

void saga__bar(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;
	size_t size = sizeof "barred by " + strlen(work->event->type);
	char *why = saga__arena_alloc(&batch->arena, size);
	saga_error error;

	if (!why) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	snprintf(why, size, "barred by %s", work->event->type);
	if (slot->state == SAGA__DEAD)
		saga__drop_parked(batch, work, slot, SAGA__PARKED_HELD);
	saga__slot_withdraw_schedules(batch, work);
	if (!saga__speak(batch, work, SAGA__BARRED, SAGA_REJECTED, why, &error)) {
		if (batch->lost.code != SAGA_OK)
			return;
		saga__slot_move(batch, slot, SAGA__BARRED, why);
		if (error.code != SAGA_OK) {
			owe_rejection(batch, work, error.text);
			return;
		}
	}
	saga__unpark(batch, work);
}

void saga__do_refuse(struct saga__batch *batch, struct saga__work *work)
{
	saga_error error;

	if (work->slot->state == SAGA__BARRED &&
		!saga__speak(batch, work, SAGA__BARRED, SAGA_REJECTED, work->slot->why, &error) &&
		error.code != SAGA_OK) {
		if (batch->lost.code == SAGA_OK)
			owe_rejection(batch, work, error.text);
		return;
	}
	saga__unpark(batch, work);
}

void saga__do_bar(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;

	switch (saga__slot_decide(slot->state, slot->was, SAGA__BAR_TRIGGER)) {
	case SAGA__BAR:
		saga__bar(batch, work);
		break;
	case SAGA__PARK:
		saga__park_behind(batch, work, slot);
		break;
	case SAGA__IGNORE:
	case SAGA__RUN:
	case SAGA__UNDO:
	case SAGA__FINISH_RUN:
	case SAGA__FINISH_UNDO:
	case SAGA__REVIVE:
	case SAGA__DECREE:
		saga__unpark(batch, work);
		break;
	}
}
