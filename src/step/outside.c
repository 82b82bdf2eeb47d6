/* The answer of an outside call, or that there is none. */

#include "work.h"

static enum saga__ended call_of(const struct saga__work *work)
{
	return work->role == SAGA__ROLE_UNDO ? SAGA__UNDO_CALL_ENDED : SAGA__CALL_ENDED;
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
		saga__settle_as(batch, work, call_of(work), batch->instead, batch->instead_text);
		return;
	}
	if (batch->probing && saga__is_spent(&rule, made)) {
		saga__settle_as(batch, work, call_of(work), SAGA__BREAKS,
			"the process ended while this call was made");
		return;
	}
	saga__ask_counted(batch, work, made, made + batch->probing, work->parked->question);
	if (batch->lost.code == SAGA_OK)
		batch->calls->again = true;
}

void saga__do_answer(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__call *call = work->item->call;
	bool undo = work->role == SAGA__ROLE_UNDO;
	struct saga_step step;

	/* An answer too many: whoever moved the slot has seen to the row, too. */
	if (work->slot->state != (undo ? SAGA__UNDOING : SAGA__TRYING))
		return;
	if (call->code == SAGA_FAILED)
		saga__batch_log(batch, SAGA_INFO, "call.failed", work, call->why);
	if (call->code != SAGA_OK) {
		saga__settle_as(batch, work, call_of(work),
			call->code == SAGA_FAILED ? SAGA__FAILS : SAGA__RETRIES, call->why);
		return;
	}
	if (saga__step_run(&step, work, undo ? SAGA__PHASE_UNDO : SAGA__PHASE_RUN, "",
		    saga__blob_bytes(call->answer)) == SAGA_OK)
		(void)saga__settle(
			batch, work, undo ? SAGA__UNDO_ANSWER_ENDED : SAGA__ANSWER_ENDED, &step);
	saga__step_end(&step);
}
