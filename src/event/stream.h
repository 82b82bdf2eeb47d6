#ifndef SAGA_EVENT_STREAM_H
#define SAGA_EVENT_STREAM_H

/* The names of streams, which steps, stores and delivery share. */

#include <string.h>

#include "id.h"

enum {
	SAGA__PARTICIPANT_MOST = 31
}; /* bytes of a participant's name */

/* A stream: the ordered events of one shard of one store. Its numbers start at 1. */
struct saga__stream {
	saga_id store;
	uint32_t shard;
};

/* A stream and the participant that publishes it. */
struct saga__source {
	struct saga__stream stream;
	char owner[SAGA__PARTICIPANT_MOST + 1];
};

static inline bool saga__stream_same(const struct saga__stream *a, const struct saga__stream *b)
{
	return a->shard == b->shard && saga__id_same(a->store, b->store);
}

#endif
