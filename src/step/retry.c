/* How often and when a step is tried again. */

#include <assert.h>

#include "../backoff.h"
#include "work.h"

/*
 * By default an hour's outage needs nobody: from the thirteenth attempt on the delay is 2.5 minutes
 * on average, so 600 attempts are a day. A request's caller waits for the answer: it has it soon.
 */
enum {
	DEFAULT_ATTEMPTS = 600,
	DEFAULT_FIRST_MS = 50,
	DEFAULT_MAX_MS = 300000,
	REQUEST_ATTEMPTS = 8,
	REQUEST_MAX_MS = 30000,
	LOUD_ATTEMPTS = 8 /* what still fails then is more than a hiccup */
};

/*
 * If an event's transaction keeps losing, or the event ends the process, nobody knows which of its
 * steps is to blame: all are parked and none is charged. Each is then tried alone, from its own
 * row, and there it counts.
 */
int saga__attempts_with(const struct saga__work *work)
{
	bool withheld = (work->batch->instead == SAGA__RETRIES || work->item->withheld) &&
		!work->parked && work->item->kind == SAGA__ITEM_EVENT;

	return work->attempts + (withheld ? 0 : 1);
}

saga_retry_rule saga__rule_of(const struct saga__work *work)
{
	bool undo = work->role == SAGA__ROLE_UNDO, asked = work->item->kind == SAGA__ITEM_REQUEST;
	saga_retry_rule rule = undo ? work->step->undo_retry : work->step->retry;

	if (!rule.attempts)
		rule.attempts = asked ? REQUEST_ATTEMPTS : DEFAULT_ATTEMPTS;
	if (!rule.first_ms)
		rule.first_ms = DEFAULT_FIRST_MS;
	if (!rule.max_ms)
		rule.max_ms = asked ? REQUEST_MAX_MS : DEFAULT_MAX_MS;
	return rule;
}

bool saga__is_spent(const saga_retry_rule *rule, int attempts)
{
	return attempts >= rule->attempts;
}

/* A fault of ours that lasts is an alarm long before its attempts are spent. */
void saga__tell_retry(
	const struct saga__work *work, const char *what, int attempts, bool fault, const char *why)
{
	int level = attempts < LOUD_ATTEMPTS         ? SAGA_INFO
		: fault && attempts == LOUD_ATTEMPTS ? SAGA_ALARM
						     : SAGA_WARNING;

	saga__batch_log(work->batch, level, what, work, why);
	saga__count(work, SAGA__TALLY_RETRY);
}

/* A delay of 1 ms or more may be drawn: retries of many sagas spread over the whole wait. */
int64_t saga__retry_delay(struct saga__batch *batch, const saga_retry_rule *rule, int attempts)
{
	int64_t most = saga__backoff_after(rule->first_ms, rule->max_ms, attempts);
	uint32_t random;

	assert(rule->first_ms > 0);
	saga__random(batch->env, &random, sizeof random);
	return saga__backoff_jitter(1, most, random);
}
