/* Running a step on its trigger, and reading on a request. */

#include <assert.h>
#include <string.h>

#include "../mutation.h"
#include "work.h"

static int answer_of(enum saga__state state)
{
	switch (state) {
	case SAGA__REJECTED:
	case SAGA__BARRED:
		return SAGA_REJECTED;
	case SAGA__FAILED:
	case SAGA__DEAD:
		return SAGA_FAILED;
	case SAGA__WAITING:
	case SAGA__TRYING:
	case SAGA__STUCK:
		return SAGA_WAITING;
	case SAGA__ABSENT:
	case SAGA__DONE:
	case SAGA__UNDOING:
	case SAGA__UNDONE:
		return SAGA_OK;
	case SAGA__STATES:
		break;
	}
	assert(false);
	return SAGA_OK;
}

/* The slot has had its trigger. A request gets the answer that is kept. */
static void ignore(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__slot *slot = work->slot;
	const char *why = slot->state == SAGA__DEAD ? "" : slot->why; /* may be an error's words */
	struct saga__blob *outcome = NULL;

	saga__unpark(batch, work);
	if (work->item->kind != SAGA__ITEM_REQUEST)
		return;
	if (slot->digest.size == sizeof work->item->digest && !SAGA__MUTANT(conflict_unnoticed) &&
		memcmp(slot->digest.at, work->item->digest, slot->digest.size) != 0) {
		saga__reply(work, SAGA_CONFLICT, false, NULL, "");
		return;
	}
	if (slot->answer.size && !(outcome = saga__blob_new(slot->answer.at, slot->answer.size))) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	saga__reply(work,
		slot->state == SAGA__STUCK && slot->was != SAGA__TRYING ? SAGA_OK
									: answer_of(slot->state),
		true, outcome, why);
	saga__blob_unref(outcome);
}

/* The first event that a join still misses, besides this one; NULL: none. */
static const char *missing(const struct saga__work *work)
{
	const saga_step_def *step = work->step;

	for (size_t i = 0; i < SAGA_EVENTS && step->on[i]; i++)
		if (strcmp(step->on[i]->name, work->event->type) != 0 &&
			!saga__seen_type(work->slot, step->on[i]->name))
			return step->on[i]->name;
	return NULL;
}

void saga__do_run(struct saga__batch *batch, struct saga__work *work)
{
	const saga_step_def *def = work->step;
	struct saga__slot *slot = work->slot;
	struct saga_step step;
	const char *absent;
	enum saga__phase phase = def->outside.call ? SAGA__PHASE_PREPARE : SAGA__PHASE_RUN;
	enum saga__decision decision = saga__slot_decide(slot->state, slot->was, SAGA__TRIGGER);

	if (decision == SAGA__PARK && work->item->kind != SAGA__ITEM_REQUEST) {
		saga__park_behind(batch, work, slot);
		return;
	}
	if (decision != SAGA__RUN) {
		ignore(batch, work);
		return;
	}
	if (slot->state == SAGA__WAITING && saga__seen_id(slot, work->event->id)) {
		saga__unpark(batch, work);
		return;
	}
	if (def->join == SAGA_ALL && !SAGA__MUTANT(join_of_one) && (absent = missing(work))) {
		saga__settle_as(batch, work, SAGA__RUN_ENDED, SAGA__WAITS, absent);
		return;
	}
	slot->attempts = work->attempts + 1;
	if (phase == SAGA__PHASE_PREPARE && !def->outside.prepare) {
		saga__settle_as(batch, work, SAGA__RUN_ENDED, SAGA__ASKS, "");
		return;
	}
	if (saga__step_run(&step, work, phase, "", (saga_bytes){ NULL, 0 }) == SAGA_OK)
		(void)saga__settle(batch, work, SAGA__RUN_ENDED, &step);
	saga__step_end(&step);
}

void saga__do_read(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__settlement settled;
	struct saga_step step;

	if (saga__step_run(&step, work, SAGA__PHASE_READ, "", (saga_bytes){ NULL, 0 }) == SAGA_OK) {
		settled = saga__settle(batch, work, SAGA__READ_ENDED, &step);
		if (settled.does & SAGA__REPLY) {
			saga__count(work, SAGA__TALLY_READ);
			if (step.fault)
				saga__batch_log(batch, SAGA_ALARM, "step.failed", work, step.text);
		}
	}
	saga__step_end(&step);
}
