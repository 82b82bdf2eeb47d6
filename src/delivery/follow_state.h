#ifndef SAGA_DELIVERY_FOLLOW_STATE_H
#define SAGA_DELIVERY_FOLLOW_STATE_H

/* The memory of a following machine. */

#include <assert.h>

#include "follow.h"

/* One number of the stream: the id if it was delivered lately, the event if it is ahead. */
struct place {
	uint64_t seq; /* 0: nothing is known */
	saga_id id;
	saga_id before;
	struct saga__blob *event; /* NULL: delivered */
	size_t size;              /* of the event, in the room that the streams share */
};

struct shard {
	struct saga__position at;
	uint64_t said; /* by SEEN */
	int64_t said_at;
	uint64_t moved; /* MOVE was asked up to here, or committed */
	bool say, move; /* in that line */
	bool works;     /* here */
};

/* Shards that wait to be spoken of, each at most once. */
struct line {
	uint32_t *shards;
	uint32_t head, count;
};

enum stop {
	RUNNING,
	FORKED,
	GONE,
	IDLE /* no shard is worked here */
};

struct saga__follow {
	struct saga__follow_config config;
	char group[SAGA__PARTICIPANT_MOST + 1];
	char owner[SAGA__PARTICIPANT_MOST + 1];
	struct place *places; /* 2 * window of them, by seq */
	uint64_t delivered;
	saga_id delivered_id;
	uint64_t joined; /* all up to here is there */
	saga_id joined_id;
	uint64_t known;
	uint64_t highest; /* position at open: ids are compared with positions up to here */
	bool fresh, held;
	int stop;
	bool alarm; /* is to be said */
	bool probe; /* a NEED that shows the owner the fork is to be said */
	char text[160];
	uint64_t gone_first;
	int64_t need_due; /* INT64_MAX: nothing is missing */
	int64_t need_wait;
	uint64_t asked; /* up to here; 0: not since the last gap */
	struct shard *shards;
	struct line says, moves;
	bool unsaid;          /* some position moved since the last flush */
	uint64_t least_moved; /* no shard's `moved` is lower */
	int64_t move_due;     /* INT64_MAX: all are where they should be */
	int64_t move_latest;
	struct saga__follow_counts counts;
};

/* ---- the room that all streams of a participant share ---- */

static inline bool has_room(const struct saga__follow *follow, uint64_t seq, size_t size)
{
	const struct saga__room *room = follow->config.room;

	assert(!room || room->used <= SIZE_MAX - size);
	return !room || room->used + size <= room->most || seq == follow->delivered + 1;
}

static inline void take_room(struct saga__follow *follow, struct place *place, size_t size)
{
	place->size = size;
	if (follow->config.room)
		follow->config.room->used += size;
}

static inline void give_room(struct saga__follow *follow, struct place *place)
{
	struct saga__room *room = follow->config.room;

	if (room && place->event) {
		assert(room->used >= place->size);
		room->used -= place->size;
	}
}

#endif
