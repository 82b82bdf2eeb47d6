/* Carries out the operator's commands: requeue and assert. */

#include <string.h>

#include "../event/json.h"
#include "work.h"

/* Back to what it was, refused; the operator reads why. */
static void refuse_command(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	const struct saga__parked *parked = work->parked;
	bool held = parked->kind == SAGA__PARKED_HELD || parked->kind == SAGA__PARKED_LETTER;

	saga__batch_log(batch, SAGA_WARNING, "operator.refused", work, why);
	saga__park(batch, work, parked->kind, parked->attempts, held ? SAGA__NEVER : parked->due,
		parked->behind, why, parked->question);
}

/* A call's row that was set aside; its question is known, or there is none. */
static bool is_call(const struct saga__work *work)
{
	const struct saga_outside *outside =
		work->role == SAGA__ROLE_UNDO ? &work->step->undo_outside : &work->step->outside;

	return work->parked->kind == SAGA__PARKED_LETTER &&
		saga__slot_holds_back(work->slot->state) && outside->call &&
		(work->parked->question.size || !outside->prepare);
}

static void requeue(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;
	enum saga__parked_kind kind = work->parked->kind;

	if (kind == SAGA__PARKED_HELD) {
		if (saga__slot_decide(slot->state, slot->was, SAGA__REQUEUE) != SAGA__REVIVE) {
			saga__unpark(batch, work);
			return;
		}
		saga__slot_move(batch, slot, saga__slot_revived(slot->state, slot->was), "");
		if (saga__slot_holds_back(slot->state)) {
			saga__ask(batch, work, 0, work->parked->question);
			return;
		}
	}
	if (batch->plan->rows[slot->row].schedule)
		saga__do_schedule(batch, work);
	else if (kind == SAGA__PARKED_CALL || is_call(work))
		saga__do_call_again(batch, work);
	else if (work->role == SAGA__ROLE_UNDO)
		saga__do_undo(batch, work);
	else if (work->role == SAGA__ROLE_REFUSE)
		saga__do_refuse(batch, work);
	else if (work->role == SAGA__ROLE_BAR)
		saga__do_bar(batch, work);
	else
		saga__do_run(batch, work);
}

/*
 * The outcome that the asserted event stands for, and what it ends; NO_OUTCOME: none that this slot
 * may have now. With a stuck undo the run's own outcome is out already.
 */
static enum saga__outcome asserted_outcome(
	const struct saga__work *work, const saga_type *type, enum saga__ended *ret_ended)
{
	const saga_step_def *step = work->step;
	const struct saga__slot *slot = work->slot;
	enum saga__outcome outcome = SAGA__NO_OUTCOME;
	enum saga__ended ended = SAGA__RUN_ENDED;

	if (!type) {
		outcome = step->emits[0] ? SAGA__NO_OUTCOME : SAGA__DONE_SILENTLY;
	} else if (saga__types_have(step->emits, type)) {
		outcome = SAGA__EMITS;
	} else if (saga__types_have(step->rejects, type)) {
		outcome = SAGA__REJECTS;
	} else if (saga__types_have(step->undone, type)) {
		outcome = SAGA__EMITS;
		ended = SAGA__UNDO_ENDED;
	}
	if (outcome == SAGA__NO_OUTCOME ||
		!saga__slot_may_move(slot->state, slot->was,
			saga__slot_settle(ended, outcome, false, false).to) ||
		(slot->state == SAGA__STUCK && slot->was != SAGA__TRYING &&
			ended != SAGA__UNDO_ENDED))
		return SAGA__NO_OUTCOME;
	*ret_ended = ended;
	return outcome;
}

/* The note fills in the fields that the operator left out of the body: those are NULL, not "". */
static void leave_reasons_out(const saga_shape *shape, void *body)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];
		const char *text;

		if (!(field->kind & SAGA_KIND_REASON))
			continue;
		memcpy(&text, (char *)body + field->offset, sizeof text);
		if (text && !*text)
			memset((char *)body + field->offset, 0, sizeof text);
	}
}

static struct saga__blob *asserted_event(struct saga__batch *batch, struct saga__work *work,
	const saga_type *type, saga_id *ret_id, saga_error *error)
{
	const saga_bytes json = { work->parked->body, strlen(work->parked->body) };
	const void *body = NULL;

	if (json.size) {
		if (saga__json_read(&batch->arena, json, &type->body, &body, error) != SAGA_OK)
			return NULL;
		leave_reasons_out(&type->body, (void *)body);
	}
	return saga__batch_encode(batch, work, type, body, work->parked->why, ret_id, error);
}

static void carry_out(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__parked *parked = work->parked;
	struct saga__slot *slot = work->slot;
	const struct saga__known *known =
		*parked->outcome ? saga__plan_type(batch->plan, parked->outcome, 0) : NULL;
	const saga_type *type = known ? known->type : NULL;
	enum saga__outcome outcome;
	enum saga__ended ended;
	struct saga_step step;
	saga_error error;

	if (parked->kind != SAGA__PARKED_HELD ||
		saga__slot_decide(slot->state, slot->was, SAGA__ASSERT) != SAGA__DECREE) {
		refuse_command(
			batch, work, "only the outcome of a dead or stuck slot can be asserted");
		return;
	}
	if (*parked->outcome && !type) {
		refuse_command(
			batch, work, "the asserted event is none that this participant knows");
		return;
	}
	if ((outcome = asserted_outcome(work, type, &ended)) == SAGA__NO_OUTCOME) {
		refuse_command(
			batch, work, "the asserted event is no outcome that this slot can have");
		return;
	}
	saga__step_ended(&step, work, outcome, parked->why);
	if (type && !(step.event = asserted_event(batch, work, type, &step.event_id, &error))) {
		refuse_command(batch, work, error.text);
		return;
	}
	step.event_ours = known && known->route_count;
	(void)saga__settle(batch, work, ended, &step);
	saga__step_end(&step);
	saga__batch_log(batch, SAGA_WARNING, "operator.asserted", work, parked->why);
}

void saga__do_operator(struct saga__batch *batch, struct saga__work *work)
{
	if (work->parked->command == SAGA__COMMAND_ASSERT)
		carry_out(batch, work);
	else
		requeue(batch, work);
}
