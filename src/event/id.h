#ifndef SAGA_EVENT_ID_H
#define SAGA_EVENT_ID_H

#include <saga/event.h>

#include <stdbool.h>
#include <string.h>

#include "../env.h"

/* Makes UUIDv7 ids that grow, also within one millisecond and when the wall clock goes back (RFC
 * 9562, 6.2 method 1: a counter in rand_a). One maker a thread. Zeroed: ready. */
struct saga__id_maker {
	int64_t last_ms;
	unsigned count;
	bool busy;    /* it made one before, and will make more */
	uint8_t left; /* of `random`, at its end */
	uint8_t random[248];
};

saga_id saga__id_new(struct saga__id_maker *maker, const struct saga_env *env);

/* A UUIDv8 made of the SHA-256 of the parts, each preceded by its length: the same parts make the
 * same id, for ever and everywhere. */
saga_id saga__id_derive(const saga_bytes *parts, size_t count);

static inline bool saga__id_is_zero(saga_id id)
{
	uint64_t half[2];

	memcpy(half, &id, sizeof half);
	return (half[0] | half[1]) == 0;
}

static inline bool saga__id_same(saga_id a, saga_id b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* The shard of a saga, of a power of two: its low bits (the last bytes, big endian). */
static inline unsigned saga__id_shard(saga_id saga, unsigned shards)
{
	return ((unsigned)saga.bytes[14] << 8 | saga.bytes[15]) & (shards - 1);
}

#endif
