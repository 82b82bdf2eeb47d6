/* Running a step: its trigger, its outside call, its refusal. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "named.h"
#include "work.h"

enum {
	CALL_SLACK_MS = 30000
};

/* ---- what a run leaves ---- */

/* A copy that lives as long as the batch. at NULL: the batch is lost. */
static saga_bytes keep(struct saga__batch *batch, saga_bytes bytes)
{
	void *copy = saga__arena_alloc(&batch->arena, bytes.size + 1);

	if (!copy) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return (saga_bytes){ NULL, 0 };
	}
	if (bytes.size)
		memcpy(copy, bytes.at, bytes.size);
	return (saga_bytes){ copy, bytes.size };
}

static void arm(struct saga__batch *batch, struct saga__work *work, struct saga__wish *wish)
{
	struct saga__slot *schedule =
		saga__batch_slot(batch, work->slot->saga, wish->row, work->slot->subject);
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
	saga__park(batch, &parking, SAGA__PARKED_SCHEDULE, 0, wish->due, "", "",
		(saga_bytes){ NULL, 0 });
	if (batch->lost.code == SAGA_OK)
		batch->parking_last->parked.event = keep(batch, saga__blob_bytes(wish->event));
	saga__slot_move(batch, schedule, to, "");
}

static void leave(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	if (step->noted) {
		work->slot->note = step->note;
		work->slot->dirty = true;
	}
	for (struct saga__wish *wish = step->wishes; wish; wish = wish->next)
		arm(batch, work, wish);
}

/* What the slot keeps of the request that made it, so that a repeat is known. */
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
		slot->answer = keep(batch, saga__blob_bytes(outcome));
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
static bool speak(struct saga__batch *batch, struct saga__work *work, enum saga__state to,
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
	remember(batch, work, event);
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
	if (!fault && speak(batch, work, SAGA__FAILED, SAGA_FAILED, why, &error)) {
		saga__slot_withdraw_schedules(batch, work);
		saga__unpark(batch, work);
		return;
	}
	if (batch->lost.code != SAGA_OK)
		return;
	if (error.code != SAGA_OK)
		saga__batch_log(batch, SAGA_ALARM, "step.refuse_failed", work, error.text);
	saga__batch_log(batch, SAGA_ALARM, "slot.dead", work, why);
	remember(batch, work, NULL);
	saga__slot_move(batch, work->slot, SAGA__DEAD, why);
	saga__park(batch, work, SAGA__PARKED_HELD, work->attempts + 1, SAGA__NEVER, "", why,
		(saga_bytes){ NULL, 0 });
	saga__reply(work, SAGA_FAILED, false, NULL, fault ? "" : why);
}

/* Of the item only once the batch is committed. */
static void ask_again(struct saga__batch *batch, struct saga__work *work,
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
		ask_again(batch, work, &rule, attempts);
		return;
	}
	if (SAGA__MUTANT(retry_forgotten))
		return;
	saga__park(batch, work, SAGA__PARKED_RETRY, attempts,
		batch->now + saga__backoff(batch, &rule, attempts), "", why,
		(saga_bytes){ NULL, 0 });
}

/* ---- the outside call ---- */

static void make_call(struct saga__batch *batch, struct saga__work *work, saga_id parked,
	int attempts, saga_bytes question)
{
	struct saga__call *call = calloc(1, sizeof *call);
	saga_bytes trigger = saga__trigger_of(work);

	if (call) {
		call->event = saga__blob_new(trigger.at, trigger.size);
		call->question = saga__blob_new(question.at, question.size);
		call->item = calloc(1, sizeof *call->item);
	}
	if (!call || !call->event || !call->question || !call->item) {
		saga__call_free(call);
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	call->plan = batch->plan;
	call->env = batch->env;
	call->user = batch->user;
	call->step = (size_t)(work->step - batch->plan->steps);
	call->undo = work->role == SAGA__ROLE_UNDO;
	call->attempts = attempts;
	call->parked = parked;
	call->saga = work->slot->saga;
	assert(strlen(work->slot->subject) < sizeof call->subject);
	memcpy(call->subject, work->slot->subject, strlen(work->slot->subject) + 1);
	call->next = batch->calls;
	batch->calls = call;
}

static int64_t call_due(const struct saga__batch *batch, const struct saga__work *work)
{
	struct saga__call probe = { .plan = batch->plan,
		.step = (size_t)(work->step - batch->plan->steps),
		.undo = work->role == SAGA__ROLE_UNDO };

	SAGA__MUTANT_RETURN(call_lost_at_crash, true, SAGA__NEVER);
	return batch->now + saga__call_timeout(&probe) + CALL_SLACK_MS;
}

/* `made` attempts before it; `counted` in its row while it is made. */
static void ask(struct saga__batch *batch, struct saga__work *work, int made, int counted,
	saga_bytes question)
{
	saga_bytes kept = keep(batch, question);

	saga__park(batch, work, SAGA__PARKED_CALL, counted, call_due(batch, work), "", "", kept);
	if (batch->lost.code == SAGA_OK)
		make_call(batch, work, saga__last_parked(batch)->id, made, kept);
}

void saga__ask(
	struct saga__batch *batch, struct saga__work *work, int attempts, saga_bytes question)
{
	ask(batch, work, attempts, attempts, question);
}

/* ---- settling ---- */

static void took_effect(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	saga__slot_move(batch, work->slot, SAGA__DONE, "");
	remember(batch, work, step->event);
	leave(batch, work, step);
	if (step->event)
		saga__batch_publish(
			batch, work->slot->saga, step->event, step->event_id, step->event_ours);
	saga__unpark(batch, work);
	saga__reply(work, SAGA_OK, false, step->event, "");
}

static void took_none(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	saga__slot_withdraw_schedules(batch, work);
	saga__slot_move(batch, work->slot, SAGA__REJECTED, "");
	remember(batch, work, step->event);
	saga__batch_publish(batch, work->slot->saga, step->event, step->event_id, step->event_ours);
	saga__unpark(batch, work);
	saga__reply(work, SAGA_REJECTED, false, step->event, "");
}

static const char *reason_of(struct saga__batch *batch, const struct saga_step *step)
{
	const char *copy = saga__arena_text(&batch->arena, step->text, strlen(step->text));

	return copy ? copy : "";
}

static void settle(struct saga__batch *batch, struct saga__work *work, struct saga_step *step)
{
	switch (step->outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
		took_effect(batch, work, step);
		break;
	case SAGA__REJECTS:
		took_none(batch, work, step);
		break;
	case SAGA__WAITS:
		saga__slot_move(batch, work->slot, SAGA__WAITING, reason_of(batch, step));
		saga__see(batch, work);
		leave(batch, work, step);
		saga__unpark(batch, work);
		break;
	case SAGA__ASKS:
		saga__slot_move(batch, work->slot, SAGA__TRYING, "");
		remember(batch, work, NULL);
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
	default:
		give_up(batch, work, step->fault, reason_of(batch, step));
		break;
	}
}

/* ---- what comes in ---- */

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
	default:
		return SAGA_OK;
	}
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
	int phase = def->outside.call ? SAGA__PHASE_PREPARE : SAGA__PHASE_RUN;
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
		remember(batch, work, NULL);
		saga__ask(batch, work, 0, (saga_bytes){ NULL, 0 });
		saga__reply(work, SAGA_WAITING, false, NULL, "");
		return;
	}
	if (saga__step_run(&step, work, phase, "", (saga_bytes){ NULL, 0 }) == SAGA_OK)
		settle(batch, work, &step);
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
	struct saga_step step;

	if (saga__step_run(&step, work, SAGA__PHASE_READ, "", (saga_bytes){ NULL, 0 }) == SAGA_OK) {
		bool again = step.outcome == SAGA__RETRIES && !saga__is_spent(&rule, attempts);

		saga__count(work, again ? SAGA__TALLY_RETRY : SAGA__TALLY_READ);
		if (again)
			ask_again(batch, work, &rule, attempts);
		else
			answer_read(work, &step);
		if (!again && step.fault)
			saga__batch_log(batch, SAGA_ALARM, "step.failed", work, step.text);
	}
	saga__step_end(&step);
}

/* ---- barring ---- */

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
	if (!speak(batch, work, SAGA__BARRED, SAGA_REJECTED, why, &error)) {
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
		!speak(batch, work, SAGA__BARRED, SAGA_REJECTED, work->slot->why, &error) &&
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
	default:
		saga__unpark(batch, work);
		break;
	}
}

/* ---- a call was answered ---- */

static void unanswered(
	struct saga__batch *batch, struct saga__work *work, const char *why, bool now)
{
	const saga_retry_rule rule = saga__rule_of(work);
	int attempts = work->attempts + 1;

	if (!now && !saga__is_spent(&rule, attempts)) {
		saga__tell_retry(work, "call.retried", attempts, false, why);
		saga__park(batch, work, SAGA__PARKED_CALL, attempts,
			batch->now + saga__backoff(batch, &rule, attempts), "", why,
			work->parked->question);
		return;
	}
	saga__batch_log(batch, SAGA_ALARM, "slot.stuck", work, why);
	saga__park(batch, work, SAGA__PARKED_HELD, attempts, SAGA__NEVER, "", why,
		work->parked->question);
	saga__slot_move(batch, work->slot, SAGA__STUCK,
		batch->lost.code == SAGA_OK ? saga__last_parked(batch)->why : "");
}

/*
 * Nobody makes this call: its process died, or its time is over. A call may have ended the process:
 * after an unclean end each is counted in the store before it is made, so that its attempts end.
 */
void saga__do_call_again(struct saga__batch *batch, struct saga__work *work)
{
	enum saga__state wanted = work->role == SAGA__ROLE_UNDO ? SAGA__UNDOING : SAGA__TRYING;
	const saga_retry_rule rule = saga__rule_of(work);
	int made = work->attempts;

	if (work->slot->state != wanted) {
		saga__unpark(batch, work);
		return;
	}
	if (batch->instead) {
		unanswered(batch, work, batch->instead_text, batch->instead == SAGA__BREAKS);
		return;
	}
	if (batch->probing && saga__is_spent(&rule, made)) {
		unanswered(batch, work, "the process ended while this call was made", true);
		return;
	}
	ask(batch, work, made, made + batch->probing, work->parked->question);
	if (batch->lost.code == SAGA_OK)
		batch->calls->again = true;
}

/* The call says that it did not take effect, and never will: the step is rejected. */
static void call_failed(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	const char *copy = saga__arena_text(&batch->arena, why, strlen(why));
	saga_error error = { .code = SAGA_OK };

	if (!copy) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	saga__batch_log(batch, SAGA_INFO, "call.failed", work, copy);
	if (work->role != SAGA__ROLE_UNDO &&
		speak(batch, work, SAGA__REJECTED, SAGA_REJECTED, copy, &error)) {
		saga__slot_withdraw_schedules(batch, work);
		saga__unpark(batch, work);
		return;
	}
	if (error.code != SAGA_OK)
		saga__batch_log(batch, SAGA_ALARM, "step.refuse_failed", work, error.text);
	if (batch->lost.code == SAGA_OK)
		unanswered(batch, work, copy, true);
}

void saga__do_answer(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__call *call = work->item->call;
	bool undo = work->role == SAGA__ROLE_UNDO;
	struct saga_step step;

	/* An answer too many: whoever moved the slot has seen to the row, too. */
	if (work->slot->state != (undo ? SAGA__UNDOING : SAGA__TRYING))
		return;
	if (call->code == SAGA_FAILED) {
		call_failed(batch, work, call->why);
		return;
	}
	if (call->code != SAGA_OK) {
		unanswered(batch, work, call->why, false);
		return;
	}
	if (saga__step_run(&step, work, undo ? SAGA__PHASE_UNDO : SAGA__PHASE_RUN, "",
		    saga__blob_bytes(call->answer)) == SAGA_OK) {
		switch (step.outcome) {
		case SAGA__EMITS:
		case SAGA__DONE_SILENTLY:
			if (undo)
				saga__undone(batch, work, &step);
			else
				took_effect(batch, work, &step);
			break;
		case SAGA__REJECTS:
			took_none(batch, work, &step);
			break;
		case SAGA__RETRIES:
			unanswered(batch, work, step.text, false);
			break;
		default:
			unanswered(batch, work, step.text, true);
			break;
		}
	}
	saga__step_end(&step);
}
