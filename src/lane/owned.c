/* What a lane knows of the shards that it works. */

#include <assert.h>

#include "inside.h"

/* NULL: the lane does not work it. */
struct saga__lane_shard *saga__lane_held(struct saga__lane *lane, unsigned number)
{
	for (size_t i = 0; i < lane->owned.count; i++)
		if (lane->owned.locked[i].shard == number)
			return &lane->owned.shards[i];
	return NULL;
}

uint64_t saga__lane_worked(const struct saga__lane *lane)
{
	uint64_t worked = 0;

	for (size_t i = 0; i < lane->owned.count; i++)
		worked |= 1ull << lane->owned.locked[i].shard;
	return worked;
}

struct saga__lane_shard *saga__lane_shard_of(struct saga__lane *lane, unsigned number)
{
	struct saga__lane_shard *shard = saga__lane_held(lane, number);

	assert(shard);
	return shard;
}

bool saga__lane_is_behind(const struct saga__lane *lane)
{
	for (size_t i = 0; i < lane->owned.count; i++)
		if (lane->owned.shards[i].catching_up)
			return true;
	return false;
}

struct saga__due saga__lane_due(const struct saga__lane *lane)
{
	return (struct saga__due){ lane->due, lane->due <= saga__journal_now(&lane->journal) };
}
