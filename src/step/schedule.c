/* The schedules of a step: made by its run, withdrawn, and due. */

#include "../mutation.h"
#include "work.h"

void saga__schedule(
	struct saga__batch *batch, struct saga__work *work, struct saga__scheduling *scheduling)
{
	struct saga__slot *schedule =
		saga__batch_slot(batch, work->slot->saga, scheduling->row, work->slot->subject);
	struct saga__work parking = { .batch = batch,
		.item = work->item,
		.event = work->event,
		.step = work->step,
		.slot = schedule,
		.role = SAGA__ROLE_RUN };
	enum saga__state to;

	if (!schedule) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	if ((to = saga__schedule_next(schedule->state, SAGA__ARM)) == SAGA__BARRED)
		return;
	if (schedule->state == SAGA__WAITING)
		saga__drop_parked(batch, work, schedule, SAGA__PARKED_SCHEDULE);
	saga__park(batch, &parking, SAGA__PARKED_SCHEDULE, 0, scheduling->due, "", "",
		(saga_bytes){ NULL, 0 });
	if (batch->lost.code == SAGA_OK)
		batch->parking_last->parked.event =
			saga__keep(batch, saga__blob_bytes(scheduling->event));
	saga__slot_move(batch, schedule, to, "");
}

void saga__do_withdraw(
	struct saga__batch *batch, struct saga__work *work, struct saga__slot *schedule)
{
	enum saga__state to = saga__schedule_next(schedule->state, SAGA__WITHDRAW);

	if (schedule->state == SAGA__WAITING)
		saga__drop_parked(batch, work, schedule, SAGA__PARKED_SCHEDULE);
	if (to != schedule->state)
		saga__slot_move(batch, schedule, to, "");
}

void saga__slot_withdraw_schedules(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__plan *plan = batch->plan;
	size_t at = (size_t)(work->step - plan->steps);

	for (size_t row = plan->first_schedule[at];
		row < plan->row_count && plan->rows[row].step == at; row++) {
		struct saga__slot *schedule =
			saga__batch_slot(batch, work->slot->saga, row, work->slot->subject);

		if (schedule && schedule->state != SAGA__ABSENT)
			saga__do_withdraw(batch, work, schedule);
	}
}

void saga__do_schedule(struct saga__batch *batch, struct saga__work *work)
{
	enum saga__state to = saga__schedule_next(work->slot->state, SAGA__FALL_DUE);
	const struct saga__known *known;
	struct saga__blob *event;
	saga_error error;
	saga_id id;

	/* Withdrawn in this batch, its row went with that. */
	if (work->slot->before != SAGA__WAITING || work->slot->state == SAGA__WAITING)
		if (to == work->slot->state) {
			saga__unpark(batch, work);
			return;
		}
	if (!(event = saga__batch_encode(batch, work, NULL, NULL, NULL, &id, &error))) {
		/* Its number grew, and it was at the limit before: it must not hold up the lane. */
		if (error.code == SAGA_NOMEM)
			saga__batch_lose(batch, error.code, error.text);
		else
			saga__dead_letter(batch, work, error.text);
		saga__slot_move(batch, work->slot, to, "");
		return;
	}
	saga__unpark(batch, work);
	known = saga__plan_type(batch->plan, work->event->type, work->event->version);
	saga__batch_publish(batch, work->slot->saga, event, id, known && known->route_count);
	if (SAGA__MUTANT(schedule_twice))
		saga__batch_publish(batch, work->slot->saga, event, id, false);
	saga__blob_unref(event);
	saga__slot_move(batch, work->slot, to, "");
}
