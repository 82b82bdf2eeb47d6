/*
 * Streams that wait: the store refuses even the dead letter of their next event, and takes
 * everything else that the library writes. The lane drops the items of such a stream and keeps its
 * position. After a while the lane reads its shards again, as if it had gained them now: so the
 * dropped events come again, from the outbox of their publisher.
 *
 * Over a durable transport no stream waits, but the refused event alone: its order is the broker's
 * own, and the broker keeps it, since it is not acked. The lane keeps its item, too, and tries it
 * again after a while.
 */

#include <inttypes.h>
#include <stdio.h>

#include "../backoff.h"
#include "../step/blame.h"
#include "inside.h"

enum {
	FIRST_MS = 1000,
	MOST_MS = 60000 /* between two tries */
};

static bool is_of(const struct saga__wait *wait, const struct saga__item *item)
{
	if (item->shard != wait->shard)
		return false;
	if (wait->durable)
		return item->durable && item->token == wait->token;
	if (wait->own)
		return saga__item_is_own(item);
	return saga__item_is_followed(item) && !item->durable &&
		saga__stream_same(&item->source.stream, &wait->source.stream);
}

bool saga__lane_holds_back(const struct saga__lane *lane, const struct saga__item *item)
{
	for (size_t i = 0; i < lane->refused.count; i++)
		if (!lane->refused.waits[i].durable && !lane->refused.waits[i].tries &&
			is_of(&lane->refused.waits[i], item))
			return true;
	return false;
}

bool saga__lane_is_stray(struct saga__lane *lane, const struct saga__item *item)
{
	const struct saga__lane_shard *shard;

	if ((item->kind != SAGA__ITEM_EVENT && item->kind != SAGA__ITEM_MOVE) || item->reset)
		return false;
	if (saga__lane_holds_back(lane, item))
		return true;
	shard = saga__lane_held(lane, item->shard);
	return !shard || item->epoch != shard->epoch;
}

static int64_t pause_of(const struct saga__lane *lane)
{
	return saga__backoff_after(FIRST_MS, MOST_MS, lane->refused.tries + 1);
}

static void tell(struct saga__lane *lane, const struct saga__wait *wait, const saga_error *error)
{
	char text[SAGA_ERROR_TEXT + 256];

	(void)snprintf(text, sizeof text,
		"the store refuses event %" PRIu64 " of %s, as a dead letter too: %s; %s waits and "
		"is tried again each minute, all others go on",
		wait->seq, wait->durable ? "the broker's stream" : wait->source.owner, error->text,
		wait->durable ? "it" : "its stream");
	saga__lane_log(lane, SAGA_ALARM, "stream.refused_by_store", text);
}

/* For an operator's eyes. */
static int write_down(struct saga__lane *lane, const struct saga__wait *wait)
{
	const struct saga__lane_shard *shard = saga__lane_held(lane, wait->shard);
	struct saga__halt halt = { .source = wait->source,
		.why = SAGA__HALT_REFUSED,
		.upto = wait->seq - 1,
		.at = saga__wall(lane->options.env),
		.known = shard ? shard->orders : 0 };
	saga_error error;
	bool is_void;

	return saga__journal_halt(&lane->journal, &halt, &is_void, &error);
}

static struct saga__wait *find(struct saga__lane *lane, const struct saga__item *item)
{
	for (size_t i = 0; i < lane->refused.count; i++)
		if (is_of(&lane->refused.waits[i], item))
			return &lane->refused.waits[i];
	return lane->refused.count < SAGA__WAITS_MOST ? &lane->refused.waits[lane->refused.count]
						      : NULL;
}

static bool hold_back(
	struct saga__lane *lane, const struct saga__item *item, const saga_error *error)
{
	struct saga__lane_shard *shard = saga__lane_held(lane, item->shard);
	struct saga__wait *wait = find(lane, item);
	bool is_new = wait == &lane->refused.waits[lane->refused.count];

	if (!wait || !shard)
		return false;
	*wait = (struct saga__wait){ .source = item->source,
		.shard = item->shard,
		.own = saga__item_is_own(item),
		.seq = item->seq };
	if (wait->own) {
		wait->source.stream = (struct saga__stream){ lane->journal.uuid, item->shard };
		(void)snprintf(wait->source.owner, sizeof wait->source.owner, "%s",
			lane->options.plan->name);
		shard->waits = true;
		shard->catching_up = false;
	}
	if (is_new) {
		if (write_down(lane, wait) != SAGA_OK)
			return false;
		lane->refused.count++;
		tell(lane, wait, error);
	}
	if (is_new && lane->refused.count == 1)
		lane->refused.tries = 0;
	lane->refused.until = saga__monotonic(lane->options.env) + pause_of(lane);
	saga__course_stopped(&lane->course, lane->refused.count);
	return true;
}

/* The failed batch has put the item back into the queue. */
static bool hold_one_back(
	struct saga__lane *lane, const struct saga__item *item, const saga_error *error)
{
	int64_t now = saga__monotonic(lane->options.env);
	struct saga__wait *wait = find(lane, item);
	bool is_new = wait == &lane->refused.waits[lane->refused.count];

	if (!wait || !saga__lane_held(lane, item->shard))
		return false;
	if (is_new) {
		*wait = (struct saga__wait){ .source = item->source,
			.shard = item->shard,
			.seq = item->seq,
			.tries = true,
			.durable = true,
			.token = item->token };
		lane->refused.count++;
		tell(lane, wait, error);
		saga__course_stopped(&lane->course, lane->refused.count);
	}
	saga__mailbox_put_off(&lane->mailbox, item,
		now + saga__backoff_after(FIRST_MS, MOST_MS, ++wait->failures));
	/* The handler is to be asked again then, and not only the letter to be written. */
	saga__blame_forget(&lane->batch);
	return true;
}

/* Its row stays as it is, and due later. */
static bool put_off(struct saga__lane *lane, const struct saga__item *item)
{
	const struct saga__parked *row = item->parked;
	int64_t due = saga__journal_now(&lane->journal) + MOST_MS;
	saga_error error;

	return saga__journal_put_off(&lane->journal, row->saga, row->id, due, &error) == SAGA_OK;
}

bool saga__attempt_wait_for(struct saga__attempt *attempt, const saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	const struct saga__item *item = lane->batch.only;
	bool waits = false;

	switch ((enum saga__item_kind)item->kind) {
	case SAGA__ITEM_EVENT:
		waits = attempt->mode != SAGA__ATTEMPT_FOREIGN &&
			(item->durable ? hold_one_back(lane, item, error)
				       : hold_back(lane, item, error));
		break;
	case SAGA__ITEM_DUE:
		waits = put_off(lane, item);
		break;
	case SAGA__ITEM_MOVE:
	case SAGA__ITEM_REQUEST:
	case SAGA__ITEM_ANSWER:
	case SAGA__ITEM_REFUSED:
		break;
	}
	if (waits)
		saga__lane_note_error(lane, error);
	return waits;
}

void saga__lane_try_waits(struct saga__lane *lane, int64_t *ret_left)
{
	int64_t now = saga__monotonic(lane->options.env);
	size_t waiting = 0;

	*ret_left = -1;
	for (size_t i = 0; i < lane->refused.count; i++)
		waiting += !lane->refused.waits[i].tries;
	if (!waiting || !saga__lane_is_connected(lane))
		return;
	if (now < lane->refused.until) {
		*ret_left = lane->refused.until - now;
		return;
	}
	for (size_t i = 0; i < lane->refused.count; i++)
		lane->refused.waits[i].tries = true;
	lane->refused.tries++;
	saga__blame_forget(&lane->batch);
	lane->assigned.stale = lane->assigned.is_pending = true;
	*ret_left = 0;
}

/* What is in hand has just been committed. */
static bool is_in_hand(const struct saga__attempt *attempt, const struct saga__wait *wait)
{
	for (size_t i = 0; i < attempt->hand_count; i++)
		if (is_of(wait, attempt->hand[i]))
			return true;
	return false;
}

static bool is_over(const struct saga__attempt *attempt, const struct saga__wait *wait,
	const struct saga__committed *committed)
{
	const struct saga__lane_shard *shard = saga__lane_held(attempt->lane, wait->shard);

	if (!shard) /* another works it now, and finds out by itself */
		return true;
	if (!wait->tries)
		return false;
	if (wait->durable)
		return is_in_hand(attempt, wait);
	if (wait->own)
		return shard->own >= wait->seq;
	for (size_t i = 0; i < committed->move_count; i++)
		if (committed->moves[i].shard == wait->shard &&
			committed->moves[i].seq >= wait->seq &&
			saga__stream_same(&committed->moves[i].source.stream, &wait->source.stream))
			return true;
	return false;
}

void saga__attempt_end_waits(struct saga__attempt *attempt, const struct saga__committed *committed)
{
	struct saga__lane *lane = attempt->lane;
	size_t left = 0;

	if (!lane->refused.count)
		return;
	for (size_t i = 0; i < lane->refused.count; i++) {
		saga_error error;

		if (!is_over(attempt, &lane->refused.waits[i], committed)) {
			lane->refused.waits[left++] = lane->refused.waits[i];
			continue;
		}
		/* If not now, then at the next start. */
		if (!lane->refused.waits[i].durable)
			(void)saga__journal_unhalt(
				&lane->journal, &lane->refused.waits[i].source.stream, &error);
		saga__lane_log(lane, SAGA_WARNING, "stream.goes_on",
			"the store takes again what it had refused of a stream");
	}
	lane->refused.count = left;
	saga__course_stopped(&lane->course, lane->refused.count);
}
