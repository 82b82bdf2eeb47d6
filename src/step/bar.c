/* Barring a step, and the rejection that a barred step publishes. */

#include <stdio.h>
#include <string.h>

#include "work.h"

/*
 * The slot never runs, which is safe. But an undo or a join that waits for its rejection has none
 * if `refuse` fails: settling then leaves a dead letter whose role says that the slot is barred
 * already and only has to publish.
 */
void saga__bar(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;
	size_t size = sizeof "barred by " + strlen(work->event->type);
	char *why = saga__arena_alloc(&batch->arena, size);

	if (!why) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	(void)snprintf(why, size, "barred by %s", work->event->type);
	if (slot->state == SAGA__DEAD)
		saga__drop_parked(batch, work, slot, SAGA__PARKED_HELD);
	saga__settle_as(batch, work, SAGA__BAR_ENDED, SAGA__REJECTS, why);
}

void saga__do_refuse(struct saga__batch *batch, struct saga__work *work)
{
	if (work->slot->state == SAGA__BARRED)
		saga__settle_as(batch, work, SAGA__REFUSAL_ENDED, SAGA__REJECTS, work->slot->why);
	else
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
