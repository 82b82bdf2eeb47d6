/* What a batch takes from the store, under the lock: own events, read again, and what is due. */

#include <string.h>

#include "../event/peek.h"
#include "../mutation.h"
#include "../step/work.h"
#include "inside.h"

struct catching {
	struct saga__lane *lane;
	size_t at;
	size_t count;
};

static bool is_ours(const struct saga__plan *plan, saga_bytes event)
{
	struct saga__peek peek;

	return !saga__event_peek(event, &peek) ||
		saga__plan_concerns(plan, peek.type, peek.version);
}

static struct saga__item *add_item(
	struct saga__lane *lane, enum saga__item_kind kind, unsigned shard)
{
	struct saga__item *item = saga__arena_calloc(&lane->batch.arena, 1, sizeof *item);

	if (item) {
		item->kind = kind;
		item->shard = shard;
	}
	return item;
}

static int take_own(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	struct catching *catching = context;
	struct saga__lane *lane = catching->lane;
	struct saga__item *item;
	struct saga__blob *copy;

	(void)saga;
	catching->count++;
	lane->owned.shards[catching->at].caught = seq;
	if (!is_ours(lane->options.plan, event))
		return SAGA_OK;
	if (!(item = add_item(lane, SAGA__ITEM_EVENT, lane->owned.locked[catching->at].shard)) ||
		!(copy = saga__arena_alloc(&lane->batch.arena, sizeof *copy + event.size)))
		return SAGA_NOMEM;
	copy->refs = 1;
	copy->size = event.size;
	memcpy(copy->at, event.at, event.size);
	item->event = copy;
	item->seq = seq;
	item->id = id;
	return saga__batch_add(&lane->batch, item);
}

/* Nothing came of it: as if it had not been taken. */
void saga__attempt_put_back(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	attempt->hand_count -= SAGA__MUTANT(replay_forgets_one) && attempt->hand_count > 0;
	saga__mailbox_put_back(&lane->mailbox, attempt->hand, attempt->hand_count);
	attempt->hand_count = 0;
}

/* A batch that is to be small is so in all, whatever its shards; one event is one alone. */
static size_t most_of_shard(const struct saga__lane *lane)
{
	size_t most = lane->limit;

	if (most < lane->options.limits.batch_events)
		most /= lane->owned.count;
	return most ? most : 1;
}

void saga__lane_catch_nothing(struct saga__lane *lane)
{
	for (size_t i = 0; i < lane->owned.count; i++)
		lane->owned.shards[i].caught = lane->owned.shards[i].own;
}

int saga__attempt_catch_up(struct saga__attempt *attempt, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	size_t most = most_of_shard(lane);

	for (size_t i = 0; i < lane->owned.count; i++) {
		struct saga__lane_shard *shard = &lane->owned.shards[i];
		struct catching catching = { .lane = lane, .at = i };
		int code;

		if (!shard->catching_up || (attempt->alone && attempt->alone != i + 1))
			continue;
		code = saga__journal_outbox(&lane->journal, lane->owned.locked[i].shard,
			shard->own + 1, lane->owned.locked[i].seq, most, take_own, &catching,
			error);
		if (code != SAGA_OK)
			return code;
		if (catching.count < most)
			shard->caught = lane->owned.locked[i].seq;
		if (lane->limit == 1)
			break;
	}
	return SAGA_OK;
}

/* The one that is due first, if one event is all that may be; else SIZE_MAX: of all shards. */
static size_t due_alone(const struct saga__attempt *attempt, const int64_t *dues)
{
	struct saga__lane *lane = attempt->lane;
	size_t first = 0;

	if (attempt->alone || lane->limit > 1)
		return attempt->alone ? attempt->alone - 1 : SIZE_MAX;
	for (size_t i = 1; i < lane->owned.count; i++)
		if (dues[i] < dues[first])
			first = i;
	return first;
}

int saga__attempt_take_due(struct saga__attempt *attempt, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;
	int64_t dues[SAGA__STORE_SHARDS];
	int code = saga__journal_dues(
		&lane->journal, lane->owned.locked, lane->owned.count, dues, error);
	size_t alone = code == SAGA_OK ? due_alone(attempt, dues) : SIZE_MAX;

	for (size_t i = 0; code == SAGA_OK && i < lane->owned.count; i++) {
		struct saga__parked **rows;
		size_t count;

		if (dues[i] > batch->now || (alone != SIZE_MAX && alone != i))
			continue;
		code = saga__journal_due(&lane->journal, lane->owned.locked[i].shard, batch->now,
			most_of_shard(lane), &batch->arena, &rows, &count, &batch->parked.went,
			error);
		if (code != SAGA_OK)
			return code;
		for (size_t k = 0; k < count; k++) {
			struct saga__item *item =
				add_item(lane, SAGA__ITEM_DUE, lane->owned.locked[i].shard);

			if (!item)
				return saga_error_set(error, SAGA_NOMEM, "out of memory");
			item->parked = rows[k];
			if ((code = saga__batch_add(batch, item)) != SAGA_OK)
				return saga_error_set(error, code, "out of memory");
		}
	}
	return code;
}
