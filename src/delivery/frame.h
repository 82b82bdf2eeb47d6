#ifndef SAGA_DELIVERY_FRAME_H
#define SAGA_DELIVERY_FRAME_H

/*
 * The frames of delivery, DESIGN 7. Big endian, fixed head, then what the kind has. Input is
 * hostile until decoded.
 *
 *	EVENT  owner, stream, seq, event, id of the event before it (zero for seq 1)
 *	BEAT   owner, stream, first .. last that the outbox holds, id of last; last 0: empty so far
 *	NEED   group, stream, from .. to, id of the event before `from` as the group knows it
 *	SEEN   group, stream, my shard, of how many, upto, its id: committed, not merely received
 *	GONE   owner, stream, the first that there still is
 */

#include <saga/event.h>

enum saga__frame_kind {
	SAGA__EVENT = 1,
	SAGA__BEAT = 2,
	SAGA__NEED = 3,
	SAGA__SEEN = 4,
	SAGA__GONE = 5,
};

enum { SAGA__PARTICIPANT_MOST = 31 }; /* bytes of a participant's name */
enum { SAGA__FRAME_HEAD = 128 };      /* the most bytes of a frame beside its event */

/* A stream: the ordered events of one shard of one store. Its numbers start at 1. */
struct saga__stream {
	saga_id store;
	uint32_t shard;
};

struct saga__message {
	int kind;                              /* saga__frame_kind */
	char from[SAGA__PARTICIPANT_MOST + 1]; /* EVENT, BEAT, GONE: whose stream; else the group */
	struct saga__stream stream;
	uint64_t first; /* BEAT, NEED, GONE */
	uint64_t last;  /* EVENT: seq; BEAT; NEED: to; SEEN: upto */
	saga_id id;     /* EVENT: of seq - 1; BEAT: of last; NEED: of first - 1; SEEN: of upto */
	uint32_t shard; /* SEEN */
	uint32_t of;    /* SEEN */
	saga_bytes event;
};

bool saga__stream_same(const struct saga__stream *a, const struct saga__stream *b);

/* Writes a frame; returns its size, 0 if `size` is too small. */
size_t saga__frame_encode(const struct saga__message *message, void *buffer, size_t size);

/* Reads a frame; event points into it. MALFORMED: error says what is wrong with it. */
int saga__frame_decode(saga_bytes frame, struct saga__message *ret_message, saga_error *error);

#endif
