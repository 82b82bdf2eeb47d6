/* Applies what follows from an outcome: the row that slot.c has for it. */

#include <assert.h>
#include <string.h>

#include "../mutation.h"
#include "work.h"

/* ---- what a run leaves ---- */

static void leave(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	if (step->noted) {
		work->slot->note = step->note;
		work->slot->dirty = true;
	}
	for (struct saga__scheduling *scheduling = step->schedulings; scheduling;
		scheduling = scheduling->next)
		saga__schedule(batch, work, scheduling);
}

/* The slot keeps its trigger, and of a request the digest and the answer, for its repeats. */
static void remember(struct saga__batch *batch, struct saga__work *work, struct saga__blob *outcome)
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
	slot->dirty = true;
}

/* ---- refusing ---- */

/* Has the step's `refuse` make its rejection. False: it did not, and error says why. */
static bool ask_refuse(
	struct saga__work *work, const char *why, struct saga_step *step, saga_error *error)
{
	struct saga_step refusal;
	bool made = false;

	(void)saga__step_run(&refusal, work, SAGA__PHASE_REFUSE, why, (saga_bytes){ NULL, 0 });
	if (refusal.outcome == SAGA__REJECTS) {
		step->event = saga__blob_ref(refusal.event);
		step->event_id = refusal.event_id;
		step->event_ours = refusal.event_ours;
		made = true;
	} else {
		(void)saga_error_set(error, SAGA_UNDECLARED, "refuse: %.200s", refusal.text);
	}
	saga__step_end(&refusal);
	return made;
}

/* Gives the step the rejection that it did not make itself. False: error says why not. */
static bool reject_for(struct saga__batch *batch, struct saga__work *work, const char *why,
	struct saga_step *step, saga_error *error)
{
	const saga_type *type = work->step->rejects[0];
	const struct saga__known *known;
	void *body;

	assert(type && !step->event);
	if (work->step->refuse)
		return ask_refuse(work, why, step, error);
	saga__arena_reset(&batch->scratch);
	if (!(body = saga__arena_calloc(&batch->scratch, 1, type->body.size))) {
		(void)saga_error_set(error, SAGA_NOMEM, "out of memory");
		return false;
	}
	known = saga__plan_type(batch->plan, type->name, type->version);
	step->event_ours = known && known->route_count;
	step->event = saga__batch_encode(batch, work, type, body, why, &step->event_id, error);
	return step->event != NULL;
}

/* ---- where the trigger goes ---- */

static void try_later(struct saga__batch *batch, struct saga__work *work, bool call,
	const struct saga_step *step, const char *why)
{
	const saga_retry_rule rule = saga__rule_of(work);
	const char *what = call                 ? "call.retried"
		: work->role == SAGA__ROLE_UNDO ? "undo.retried"
						: "step.retried";
	int attempts = saga__attempts_with(work);

	if (work->slot)
		saga__tell_retry(work, what, attempts, step->fault, why);
	else
		saga__count(work, SAGA__TALLY_RETRY);
	if (work->item->kind == SAGA__ITEM_REQUEST) {
		/* The item has them once the batch is committed. */
		work->item->next_attempts = attempts;
		work->item->next_ready =
			saga__monotonic(batch->env) + saga__retry_delay(batch, &rule, attempts);
		return;
	}
	if (!call && SAGA__MUTANT(retry_forgotten))
		return;
	saga__park(batch, work, call ? SAGA__PARKED_CALL : SAGA__PARKED_RETRY, attempts,
		batch->now + saga__retry_delay(batch, &rule, attempts), "", why,
		call ? work->parked->question : (saga_bytes){ NULL, 0 });
}

static void end_trigger(struct saga__batch *batch, struct saga__work *work, unsigned does,
	const struct saga_step *step, const char *why)
{
	if (does & SAGA__UNPARK) {
		saga__unpark(batch, work);
	} else if (does & SAGA__ASK) {
		saga__ask(batch, work, 0, step->question);
	} else if (does & (SAGA__PARK_RETRY | SAGA__PARK_CALL)) {
		try_later(batch, work, does & SAGA__PARK_CALL, step, why);
	} else if (does & SAGA__PARK_FOR_OPERATOR) {
		saga__park(batch, work, SAGA__PARKED_HELD, work->attempts + 1, SAGA__NEVER, "", why,
			work->parked ? work->parked->question : (saga_bytes){ NULL, 0 });
	} else if (does & (SAGA__DEAD_LETTER | SAGA__OWE_REJECTION)) {
		if (does & SAGA__OWE_REJECTION)
			work->role = SAGA__ROLE_REFUSE;
		saga__dead_letter(batch, work, why);
	}
}

/* ---- settling ---- */

static struct saga__settlement row_of(
	const struct saga__work *work, enum saga__ended ended, const struct saga_step *step)
{
	bool spent = false;

	if (step->outcome == SAGA__RETRIES) {
		const saga_retry_rule rule = saga__rule_of(work);

		spent = saga__is_spent(&rule, saga__attempts_with(work));
	}
	return saga__slot_settle(
		ended, step->outcome, spent, work->step->rejects[0] && !step->fault);
}

static void change_slot(struct saga__batch *batch, struct saga__work *work,
	const struct saga__settlement *s, struct saga_step *step, const char *why)
{
	if (s->does & SAGA__WITHDRAW_SCHEDULES)
		saga__slot_withdraw_schedules(batch, work);
	if (s->does & SAGA__MOVE)
		saga__slot_move(batch, work->slot, s->to, why);
	if (s->does & SAGA__RECORD_TRIGGER)
		remember(batch, work, step->event);
	if (s->does & SAGA__SEE)
		saga__see(batch, work);
	if (s->does & SAGA__KEEP_NOTE)
		leave(batch, work, step);
	if (s->does & SAGA__PUBLISH && step->event)
		saga__batch_publish(
			batch, work->slot->saga, step->event, step->event_id, step->event_ours);
}

/*
 * `refuse` may use the memory that the handler's reason is in, so that the reason is copied first.
 * The words of a fault are for operators alone: no caller gets them.
 */
struct saga__settlement saga__settle(struct saga__batch *batch, struct saga__work *work,
	enum saga__ended ended, struct saga_step *step)
{
	struct saga__settlement s = row_of(work, ended, step);
	const char *why =
		*step->text ? saga__arena_text(&batch->arena, step->text, strlen(step->text)) : "";
	const char *letter = why;
	saga_error error;

	if (!why) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return s;
	}
	if (s.to == SAGA__FAILED || s.to == SAGA__DEAD)
		saga__batch_log(batch, SAGA_WARNING, "step.failed", work, why);
	if (s.does & SAGA__REJECT_FOR_IT && !reject_for(batch, work, why, step, &error)) {
		if (batch->lost.code != SAGA_OK)
			return s;
		saga__batch_log(batch, SAGA_ALARM, "step.refuse_failed", work, error.text);
		letter = error.text;
		s = saga__slot_settle(ended, SAGA__FAILS, true, false);
	}
	if (s.to == SAGA__DEAD)
		saga__batch_log(batch, SAGA_ALARM, "slot.dead", work, why);
	if (s.to == SAGA__STUCK)
		saga__batch_log(batch, SAGA_ALARM, "slot.stuck", work, why);
	assert(!step->event || s.does & SAGA__PUBLISH || s.does == SAGA__REPLY);
	change_slot(batch, work, &s, step, why);
	assert(!(s.does & SAGA__MOVE) || work->slot->state == s.to);
	end_trigger(batch, work, s.does, step, s.does & SAGA__OWE_REJECTION ? letter : why);
	if (s.does & SAGA__REPLY)
		saga__reply(work, s.reply, false, step->event, step->fault ? "" : why);
	return s;
}

void saga__settle_as(struct saga__batch *batch, struct saga__work *work, enum saga__ended ended,
	enum saga__outcome outcome, const char *why)
{
	struct saga_step step;

	saga__step_ended(&step, work, outcome, why);
	(void)saga__settle(batch, work, ended, &step);
	saga__step_end(&step);
}
