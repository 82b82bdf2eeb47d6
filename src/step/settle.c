/* Applies the outcome of a run. */

#include <assert.h>
#include <string.h>

#include "../mutation.h"
#include "work.h"

/* ---- against the table ---- */

struct saga__before saga__before(const struct saga__batch *batch, const struct saga__work *work)
{
	return (struct saga__before){ work->slot ? work->slot->state : SAGA__ABSENT,
		batch->parkings_end, batch->outgoing_end };
}

static struct saga__settlement should(const struct saga__batch *batch,
	const struct saga__work *work, enum saga__ended ended, const struct saga_step *step)
{
	const saga_retry_rule rule = saga__rule_of(work);
	bool spent = saga__is_spent(&rule, saga__attempts_with(work));
	bool may_reject = work->step->rejects[0] && !step->fault;
	struct saga__settlement s = saga__slot_settle(ended, step->outcome, spent, may_reject);

	(void)batch;
	if (s.does & SAGA__REJECT_FOR_IT && work->slot->state != s.to)
		s = saga__slot_settle(ended, SAGA__FAILS, spent, false);
	return s;
}

/* Which end the last parked row tells of; a request's retry has none. */
static unsigned end_of(const struct saga__work *work, const struct saga__parking *last)
{
	if (!last)
		return work->item->next_ready ? SAGA__PARK_RETRY : SAGA__UNPARK | SAGA__REPLY;
	if (last->change == SAGA__PARK_DROP || last->change == SAGA__PARK_DROP_KIND)
		return SAGA__UNPARK;
	switch (last->parked.kind) {
	case SAGA__PARKED_RETRY:
		return SAGA__PARK_RETRY;
	case SAGA__PARKED_CALL:
		return SAGA__PARK_CALL | SAGA__ASK;
	case SAGA__PARKED_HELD:
		return SAGA__PARK_FOR_OPERATOR;
	case SAGA__PARKED_LETTER:
		return SAGA__DEAD_LETTER | SAGA__OWE_REJECTION;
	case SAGA__PARKED_SCHEDULE:
		return SAGA__UNPARK;
	case SAGA__NOT_PARKED:
	case SAGA__PARKED_BEHIND:
	case SAGA__PARKED_KINDS:
		break;
	}
	return 0;
}

void saga__assert_settled(const struct saga__batch *batch, const struct saga__work *work,
	const struct saga__before *before, enum saga__ended ended, const struct saga_step *step)
{
	struct saga__settlement s;

	if (batch->lost.code != SAGA_OK || SAGA__MUTANT(retry_forgotten))
		return;
	s = should(batch, work, ended, step);
	if (work->slot)
		assert(work->slot->state == (s.does & SAGA__MOVE ? s.to : before->state));
	assert(end_of(work, *before->parkings ? batch->parking_last : NULL) & s.does ||
		(work->item->kind == SAGA__ITEM_REQUEST && s.does & SAGA__DEAD_LETTER));
	assert(!*before->outgoing ==
		!(s.does & SAGA__PUBLISH && step->outcome != SAGA__DONE_SILENTLY));
	assert(!(s.does & SAGA__REPLY) || work->item->kind != SAGA__ITEM_REQUEST ||
		!work->item->reply || work->item->reply->code == s.reply);
}

/* ---- what a run leaves ---- */

static void leave(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	if (step->noted) {
		work->slot->note = step->note;
		work->slot->dirty = true;
	}
	for (struct saga__wish *wish = step->wishes; wish; wish = wish->next)
		saga__arm(batch, work, wish);
}

/* What the slot keeps of the request that made it, so that a repeat is known. */
void saga__remember(struct saga__batch *batch, struct saga__work *work, struct saga__blob *outcome)
{
	struct saga__slot *slot = work->slot;
	const saga_type *on = work->step->on[0];
	bool asked = work->item->kind == SAGA__ITEM_REQUEST;

	if (work->step->undo || work->step->outside.call)
		slot->trigger = saga__trigger_of(work);
	if (asked)
		slot->digest = (saga_bytes){ work->item->digest, sizeof work->item->digest };
	if (on->request && outcome)
		slot->answer = saga__keep(batch, saga__blob_bytes(outcome));
}

/* ---- refusing ---- */

static struct saga__blob *refuse(struct saga__batch *batch, struct saga__work *work,
	const char *why, saga_id *ret_id, bool *ret_ours, saga_error *error)
{
	const saga_type *type = work->step->rejects[0];
	const struct saga__known *known;
	struct saga__blob *event = NULL;
	struct saga_step step;
	void *body;

	if (work->step->refuse) {
		(void)saga__step_run(&step, work, SAGA__PHASE_REFUSE, why, (saga_bytes){ NULL, 0 });
		if (step.outcome == SAGA__REJECTS) {
			event = saga__blob_ref(step.event);
			*ret_id = step.event_id;
			*ret_ours = step.event_ours;
		} else {
			(void)saga_error_set(error, SAGA_UNDECLARED, "refuse: %.200s", step.text);
		}
		saga__step_end(&step);
		return event;
	}
	saga__arena_reset(&batch->scratch);
	if (!(body = saga__arena_calloc(&batch->scratch, 1, type->body.size))) {
		(void)saga_error_set(error, SAGA_NOMEM, "out of memory");
		return NULL;
	}
	known = saga__plan_type(batch->plan, type->name, type->version);
	*ret_ours = known && known->route_count;
	return saga__batch_encode(batch, work, type, body, why, ret_id, error);
}

/* Publishes `rejects` in the step's stead. False: it has none, or can't be made (said in error). */
bool saga__speak(struct saga__batch *batch, struct saga__work *work, enum saga__state to,
	int answer, const char *why, saga_error *error)
{
	struct saga__blob *event;
	bool ours;
	saga_id id;

	error->code = SAGA_OK;
	if (!work->step->rejects[0])
		return false;
	if (!(event = refuse(batch, work, why, &id, &ours, error)))
		return false;
	if (work->slot->state != to)
		saga__slot_move(batch, work->slot, to, why);
	saga__remember(batch, work, event);
	work->slot->dirty = true;
	saga__batch_publish(batch, work->slot->saga, event, id, ours);
	saga__reply(work, answer, false, event, why);
	saga__blob_unref(event);
	return true;
}

/* ---- not now, or never ---- */

/*
 * A fault of the program or its store is no outcome of the step: it is never spoken as a rejection,
 * and its words are for operators alone.
 */
static void give_up(struct saga__batch *batch, struct saga__work *work, bool fault, const char *why)
{
	saga_error error = { .code = SAGA_OK };

	why = saga__arena_text(&batch->arena, why, strlen(why));
	if (!why) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	saga__batch_log(batch, SAGA_WARNING, "step.failed", work, why);
	if (!fault && saga__speak(batch, work, SAGA__FAILED, SAGA_FAILED, why, &error)) {
		saga__slot_withdraw_schedules(batch, work);
		saga__unpark(batch, work);
		return;
	}
	if (batch->lost.code != SAGA_OK)
		return;
	if (error.code != SAGA_OK)
		saga__batch_log(batch, SAGA_ALARM, "step.refuse_failed", work, error.text);
	saga__batch_log(batch, SAGA_ALARM, "slot.dead", work, why);
	saga__remember(batch, work, NULL);
	saga__slot_move(batch, work->slot, SAGA__DEAD, why);
	saga__park(batch, work, SAGA__PARKED_HELD, work->attempts + 1, SAGA__NEVER, "", why,
		(saga_bytes){ NULL, 0 });
	saga__reply(work, SAGA_FAILED, false, NULL, fault ? "" : why);
}

/* Of the item only once the batch is committed. */
void saga__ask_again(struct saga__batch *batch, struct saga__work *work,
	const saga_retry_rule *rule, int attempts)
{
	work->item->next_attempts = attempts;
	work->item->next_ready = saga__monotonic(batch->env) + saga__backoff(batch, rule, attempts);
}

static void try_later(
	struct saga__batch *batch, struct saga__work *work, bool fault, const char *why)
{
	const saga_retry_rule rule = saga__rule_of(work);
	int attempts = saga__attempts_with(work);

	if (saga__is_spent(&rule, attempts)) {
		give_up(batch, work, fault, why);
		return;
	}
	saga__tell_retry(work, "step.retried", attempts, fault, why);
	if (work->item->kind == SAGA__ITEM_REQUEST) {
		saga__ask_again(batch, work, &rule, attempts);
		return;
	}
	if (SAGA__MUTANT(retry_forgotten))
		return;
	saga__park(batch, work, SAGA__PARKED_RETRY, attempts,
		batch->now + saga__backoff(batch, &rule, attempts), "", why,
		(saga_bytes){ NULL, 0 });
}

/* ---- settling ---- */

void saga__took_effect(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	saga__slot_move(batch, work->slot, SAGA__DONE, "");
	saga__remember(batch, work, step->event);
	leave(batch, work, step);
	if (step->event)
		saga__batch_publish(
			batch, work->slot->saga, step->event, step->event_id, step->event_ours);
	saga__unpark(batch, work);
	saga__reply(work, SAGA_OK, false, step->event, "");
}

void saga__took_none(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	saga__slot_withdraw_schedules(batch, work);
	saga__slot_move(batch, work->slot, SAGA__REJECTED, "");
	saga__remember(batch, work, step->event);
	saga__batch_publish(batch, work->slot->saga, step->event, step->event_id, step->event_ours);
	saga__unpark(batch, work);
	saga__reply(work, SAGA_REJECTED, false, step->event, "");
}

static const char *reason_of(struct saga__batch *batch, const struct saga_step *step)
{
	const char *copy = saga__arena_text(&batch->arena, step->text, strlen(step->text));

	return copy ? copy : "";
}

void saga__settle_run(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	const struct saga__before before = saga__before(batch, work);

	switch (step->outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
		saga__took_effect(batch, work, step);
		break;
	case SAGA__REJECTS:
		saga__took_none(batch, work, step);
		break;
	case SAGA__WAITS:
		saga__slot_move(batch, work->slot, SAGA__WAITING, reason_of(batch, step));
		saga__see(batch, work);
		leave(batch, work, step);
		saga__unpark(batch, work);
		break;
	case SAGA__ASKS:
		saga__slot_move(batch, work->slot, SAGA__TRYING, "");
		saga__remember(batch, work, NULL);
		leave(batch, work, step);
		saga__ask(batch, work, 0, step->question);
		saga__reply(work, SAGA_WAITING, false, NULL, "");
		break;
	case SAGA__RETRIES:
		try_later(batch, work, step->fault, reason_of(batch, step));
		break;
	case SAGA__MALFORMS:
		saga__dead_letter(batch, work, reason_of(batch, step));
		break;
	case SAGA__NO_OUTCOME:
	case SAGA__FAILS:
	case SAGA__BREAKS:
		give_up(batch, work, step->fault, reason_of(batch, step));
		break;
	}
	saga__assert_settled(batch, work, &before, SAGA__RUN_ENDED, step);
}
