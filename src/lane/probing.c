/* After an unclean end: each event alone, its attempt counted before it. */

#include <string.h>

#include "../event/id.h"
#include "../event/peek.h"
#include "../step/call.h"
#include "../step/work.h"
#include "inside.h"

/*
 * One of so many ends may be believed only: a process that lost its store and then its shard lives
 * on, and can't say that it survived.
 */
enum {
	KILLS_MOST = 3
};

static saga_id suspect_of(const struct saga__item *item)
{
	struct saga__peek peek;

	if (item->kind == SAGA__ITEM_EVENT &&
		saga__event_peek(saga__blob_bytes(item->event), &peek))
		return peek.id;
	if (item->kind == SAGA__ITEM_ANSWER)
		return item->call->parked;
	return (saga_id){ { 0 } };
}

static int take_id(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	(void)seq, (void)saga, (void)event;
	*(saga_id *)context = id;
	return SAGA_OK;
}

/* In a transaction: which event or row is next, and of which shard. */
static int find_suspect(struct saga__attempt *attempt, unsigned from, unsigned *ret_shard,
	saga_id *ret_id, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;
	int code = SAGA_OK;

	*ret_id = (saga_id){ { 0 } };
	*ret_shard = attempt->hand_count ? attempt->hand[0]->shard : 0;
	if (from == FROM_HAND) {
		*ret_id = suspect_of(attempt->hand[0]);
		return SAGA_OK;
	}
	saga__batch_begin(batch);
	for (size_t i = 0; code == SAGA_OK && saga__id_is_zero(*ret_id) && i < lane->owned.count;
		i++) {
		struct saga__parked **rows;
		size_t count = 0;

		/* The outbox events of other shards may be in the queue, too. */
		if (from == FROM_OUTBOX && !lane->owned.shards[i].catching_up)
			continue;
		*ret_shard = lane->owned.locked[i].shard;
		attempt->alone = i + 1;
		if (from == FROM_OUTBOX) {
			code = saga__journal_outbox(&lane->journal, *ret_shard,
				lane->owned.shards[i].own + 1, INT64_MAX, 1, take_id, ret_id,
				error);
			continue;
		}
		code = saga__journal_due(&lane->journal, *ret_shard,
			saga__journal_now(&lane->journal), 1, &batch->arena, &rows, &count,
			&batch->parked.went, error);
		if (code == SAGA_OK && count)
			*ret_id = rows[0]->id;
	}
	return code;
}

static int count_suspicion(
	struct saga__lane *lane, unsigned from, unsigned shard, saga_id id, saga_error *error)
{
	struct saga__stream_row row = { .seq = 0 };
	int code = saga__journal_stream(&lane->journal, shard, &row, error);

	if (code != SAGA_OK)
		return code;
	if (!saga__id_same(row.suspect, id) || saga__id_same(lane->probe.suspects[shard], id))
		row.suspicions = 0;
	if (row.suspicions >= KILLS_MOST) {
		/* An event may run several steps: each is parked, and suspected alone. */
		lane->batch.instead = from == FROM_DUE ? SAGA__BREAKS : SAGA__RETRIES;
		lane->batch.instead_text = "the process ended each time while this ran";
	}
	return saga__journal_suspect(&lane->journal, shard, id, row.suspicions + 1, error);
}

/* A counted event that failed without ending this process is tried again, and not counted. */
static bool is_counted(const struct saga__lane *lane, saga_id id)
{
	return saga__id_same(lane->probe.suspect, id) && !lane->probe.survived;
}

/*
 * Each event alone, its attempt counted before: so a handler that kills the process is found out,
 * and does not kill it for ever. A process counts it once, or what it retries would be suspect.
 */
int saga__attempt_suspect(struct saga__attempt *attempt, unsigned from, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	unsigned shard;
	saga_id id;
	int code;

	lane->probe.left--;
	lane->batch.parked = (struct saga__parked_counts){ 0, 0 }; /* the last batch's */
	if ((code = lane->journal.ops->begin(lane->journal.store, error)) != SAGA_OK)
		return code;
	code = find_suspect(attempt, from, &shard, &id, error);
	if (code == SAGA_OK && !is_counted(lane, id)) {
		lane->batch.instead = SAGA__NO_OUTCOME; /* another's */
		if (!saga__id_is_zero(id))
			code = count_suspicion(lane, from, shard, id, error);
	}
	if (code == SAGA_OK)
		code = lane->journal.ops->commit(lane->journal.store, error);
	if (code == SAGA_OK) /* the batch that follows tells it */
		lane->probe.odd_rows += lane->batch.parked.went;
	if (code == SAGA_OK || code == SAGA_UNKNOWN) {
		lane->probe.suspect = id;
		lane->probe.survived = false;
		if (!saga__id_is_zero(id))
			lane->probe.suspects[shard] = id;
	}
	return code;
}

void saga__lane_probe_call(struct saga__lane *lane, const struct saga__call *call)
{
	int64_t wait = lane->probe.call_ms_left < SAGA__PROBE_MS ? lane->probe.call_ms_left
								 : SAGA__PROBE_MS;

	lane->probe.call = call->parked;
	lane->probe.call_until = saga__monotonic(lane->options.env) + wait;
	lane->probe.call_ms_left -= wait;
}

bool saga__lane_awaits_call(const struct saga__lane *lane)
{
	return !saga__id_is_zero(lane->probe.call) &&
		saga__monotonic(lane->options.env) < lane->probe.call_until;
}

/* One source alone: what runs must be what was suspected. */
unsigned saga__attempt_take_one_source(struct saga__attempt *attempt, unsigned from)
{
	from = from & FROM_OUTBOX  ? FROM_OUTBOX
		: from & FROM_DUE  ? FROM_DUE
		: from & FROM_HAND ? FROM_HAND
				   : FROM_OTHERS;
	if (from != FROM_HAND)
		saga__attempt_put_back(attempt);
	return from;
}
