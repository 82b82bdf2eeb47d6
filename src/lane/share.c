#include "share.h"

enum {
	SHARDS = 64
};

unsigned saga__share_of(unsigned shards, unsigned live, unsigned rank)
{
	if (!live || rank >= live)
		return 0;
	return shards / live + (rank < shards % live);
}

uint64_t saga__share_of_lane(unsigned lane, unsigned lanes)
{
	uint64_t mask = 0;

	for (unsigned shard = lane; shard < SHARDS; shard += lanes)
		mask |= 1ull << shard;
	return mask;
}

static unsigned load(uint64_t held, unsigned shard, unsigned lanes)
{
	return saga__share_count(held & saga__share_of_lane(shard & (lanes - 1), lanes));
}

/* Picks the shard whose lane holds least, or most; the lowest of several. SHARDS: none. */
static unsigned pick(uint64_t from, uint64_t held, unsigned lanes, bool most)
{
	unsigned best = SHARDS;

	for (unsigned shard = 0; shard < SHARDS; shard++) {
		if (!(from >> shard & 1))
			continue;
		if (best == SHARDS ||
			(most ? load(held, shard, lanes) > load(held, best, lanes)
			      : load(held, shard, lanes) < load(held, best, lanes)))
			best = shard;
	}
	return best;
}

uint64_t saga__share_take(uint64_t vacant, uint64_t held, unsigned count, unsigned lanes)
{
	uint64_t taken = 0;
	unsigned shard;

	for (; count && (shard = pick(vacant & ~taken, held | taken, lanes, false)) < SHARDS;
		count--)
		taken |= 1ull << shard;
	return taken;
}

uint64_t saga__share_give(uint64_t held, unsigned count, unsigned lanes)
{
	uint64_t given = 0;
	unsigned shard;

	for (; count && (shard = pick(held & ~given, held & ~given, lanes, true)) < SHARDS; count--)
		given |= 1ull << shard;
	return given;
}
