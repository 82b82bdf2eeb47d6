/* The answer of an outside call, or that there is none. */

#include <string.h>

#include "work.h"

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
	saga__ask_counted(batch, work, made, made + batch->probing, work->parked->question);
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
		saga__speak(batch, work, SAGA__REJECTED, SAGA_REJECTED, copy, &error)) {
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
	const struct saga__before before = saga__before(batch, work);
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
				saga__took_effect(batch, work, &step);
			break;
		case SAGA__REJECTS:
			saga__took_none(batch, work, &step);
			break;
		case SAGA__RETRIES:
			unanswered(batch, work, step.text, false);
			break;
		case SAGA__NO_OUTCOME:
		case SAGA__WAITS:
		case SAGA__FAILS:
		case SAGA__MALFORMS:
		case SAGA__ASKS:
		case SAGA__BREAKS:
			unanswered(batch, work, step.text, true);
			break;
		}
		saga__assert_settled(batch, work, &before,
			undo ? SAGA__UNDO_ANSWER_ENDED : SAGA__ANSWER_ENDED, &step);
	}
	saga__step_end(&step);
}
