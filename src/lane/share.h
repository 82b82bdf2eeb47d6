#ifndef SAGA_LANE_SHARE_H
#define SAGA_LANE_SHARE_H

/* How the instances of one participant share its shards. Pure; a set of shards is a mask. */

#include <stdbool.h>
#include <stdint.h>

/*
 * How many of the shards belong to the instance that is number `rank`, from 0, of `live`. All the
 * shares together are all the shards.
 */
unsigned saga__share_of(unsigned shards, unsigned live, unsigned rank);

/*
 * At most `count` of the vacant shards, to be taken by who holds `held`: so that its lanes, which
 * work the shards that have their number modulo `lanes`, a power of two, come to hold alike.
 */
uint64_t saga__share_take(uint64_t vacant, uint64_t held, unsigned count, unsigned lanes);

/* `count` of those held, to be given up: of the lanes that hold most. */
uint64_t saga__share_give(uint64_t held, unsigned count, unsigned lanes);

/* The shards of one lane. */
uint64_t saga__share_of_lane(unsigned lane, unsigned lanes);

static inline unsigned saga__share_count(uint64_t shards)
{
	return (unsigned)__builtin_popcountll(shards);
}

#endif
