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

/* Whether a join still misses an event. */
static bool misses_some(struct saga__batch *batch, struct saga__work *work)
{
	const saga_step_def *step = work->step;

	saga__see(batch, work);
	for (size_t i = 0; i < SAGA_EVENTS && step->on[i]; i++)
		if (!saga__seen_type(work->slot, step->on[i]->name)) {
			saga__slot_move(batch, work->slot, SAGA__WAITING, step->on[i]->name);
			saga__unpark(batch, work);
			return true;
		}
	return false;
}

void saga__do_run(struct saga__batch *batch, struct saga__work *work)
{
	const saga_step_def *def = work->step;
	struct saga__slot *slot = work->slot;
	saga_bytes seen = slot->seen;
	struct saga_step step;
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
	if (def->join == SAGA_ALL && !SAGA__MUTANT(join_of_one) && misses_some(batch, work))
		return;
	slot->seen = seen;
	slot->attempts = work->attempts + 1;
	if (phase == SAGA__PHASE_PREPARE && !def->outside.prepare) {
		saga__slot_move(batch, slot, SAGA__TRYING, "");
		saga__remember(batch, work, NULL);
		saga__ask(batch, work, 0, (saga_bytes){ NULL, 0 });
		saga__reply(work, SAGA_WAITING, false, NULL, "");
		return;
	}
	if (saga__step_run(&step, work, phase, "", (saga_bytes){ NULL, 0 }) == SAGA_OK)
		saga__settle_run(batch, work, &step);
	saga__step_end(&step);
}

static void answer_read(struct saga__work *work, const struct saga_step *step)
{
	int code = step->outcome == SAGA__EMITS   ? SAGA_OK
		: step->outcome == SAGA__REJECTS  ? SAGA_REJECTED
		: step->outcome == SAGA__MALFORMS ? SAGA_MALFORMED
						  : SAGA_FAILED;

	saga__reply(work, code, false, step->event, step->fault ? "" : step->text);
}

void saga__do_read(struct saga__batch *batch, struct saga__work *work)
{
	const saga_retry_rule rule = saga__rule_of(work);
	int attempts = saga__attempts_with(work);
	const struct saga__before before = saga__before(batch, work);
	struct saga_step step;

	if (saga__step_run(&step, work, SAGA__PHASE_READ, "", (saga_bytes){ NULL, 0 }) == SAGA_OK) {
		bool again = step.outcome == SAGA__RETRIES && !saga__is_spent(&rule, attempts);

		saga__count(work, again ? SAGA__TALLY_RETRY : SAGA__TALLY_READ);
		if (again)
			saga__ask_again(batch, work, &rule, attempts);
		else
			answer_read(work, &step);
		saga__assert_settled(batch, work, &before, SAGA__READ_ENDED, &step);
		if (!again && step.fault)
			saga__batch_log(batch, SAGA_ALARM, "step.failed", work, step.text);
	}
	saga__step_end(&step);
}
