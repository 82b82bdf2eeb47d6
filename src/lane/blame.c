/* Why a batch fails: for one item's sake, or the store's. */

#include "../step/blame.h"
#include "inside.h"

static bool is_about_one(const struct saga__lane *lane)
{
	return lane->batch.item_count == 1 && lane->batch.only->kind != SAGA__ITEM_MOVE;
}

/* It refuses everything: nothing is set aside for that, all waits. */
static void store_refuses(struct saga__lane *lane, const saga_error *error)
{
	saga__lane_log_refusal(lane, error);
	saga__lane_failed(lane, error, saga__is_lost(error->code));
}

void saga__attempt_refused(struct saga__attempt *attempt, const saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	saga_error own = { .code = SAGA_OK };

	if (lane->batch.item_count > 1)
		return;
	if (!is_about_one(lane)) {
		store_refuses(lane, error);
		return;
	}
	if (saga__journal_probe(&lane->journal, &own) != SAGA_OK) {
		store_refuses(lane, &own);
		return;
	}
	if (lane->batch.put_aside) {
		if (!saga__attempt_wait_for(attempt, error))
			store_refuses(lane, error);
		return;
	}
	saga__lane_log(lane, SAGA_WARNING, "batch.parked", error->text);
	saga__blame(&lane->batch, SAGA_REFUSED, false, error->text);
	saga__lane_failed(lane, error, false);
}

/* Only if the store was there when its handlers began: else it is nobody's fault. */
void saga__attempt_lost(struct saga__attempt *attempt, int code, const saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	int64_t took = saga__monotonic(lane->options.env) - attempt->filled_at;
	bool slowly = took >= lane->options.journal.timeout_ms * 3 / 4;

	if (attempt->filled_at && is_about_one(lane))
		saga__blame(&lane->batch, code, slowly, error->text);
	saga__lane_failed(lane, error, true);
}
