#ifndef SAGA_DELIVERY_FRAME_H
#define SAGA_DELIVERY_FRAME_H

/*
 * The frames of delivery; docs/protocol.md has each byte. Big endian: a fixed head (version, kind,
 * zero, length of the name, store, shard of the stream, sum of all other bytes), then the fields of
 * the kind, the name, and the event of an EVENT.
 *
 *	EVENT  owner, stream, seq, id of the event before it, event
 *	BEAT   owner, stream, first .. last that the outbox holds, id of last
 *	NEED   group, stream, from .. to, id of the event before `from` as the group knows it
 *	SEEN   group, stream, my shard, of how many, upto, its id: committed, not merely received
 *	GONE   owner, stream, the first that there still is
 *	FORK   owner, stream, seq, id: a follower named that event, and the outbox does not have it
 *
 * Sequence numbers run from 1 to INT64_MAX (stores have no more), shards of a stream from 0 to
 * SAGA__SHARDS_MOST - 1: what is beyond could be written as a position, and not be read again.
 * An id is zero where there is no such event (before seq 1, BEAT last 0, SEEN upto 0) and where the
 * sender does not know it. An outbox that holds nothing says first = last + 1.
 *
 * The sum finds what a transport broke, against its promise; it is no signature. Input is hostile
 * until decoded: lengths, numbers, names, and that nothing is left over.
 */

#include <saga/event.h>

#include "../event/stream.h"

enum saga__frame_kind {
	SAGA__EVENT = 1,
	SAGA__BEAT = 2,
	SAGA__NEED = 3,
	SAGA__SEEN = 4,
	SAGA__GONE = 5,
	SAGA__FORK = 6,
};

enum {
	SAGA__FRAME_LEAST = 28
}; /* bytes of a frame: its head */
enum {
	SAGA__FRAME_HEAD = 128
}; /* the most bytes of a frame beside its event */
enum {
	SAGA__SHARDS_MOST = 4096
}; /* of one store */

#define SAGA__SEQ_MOST ((uint64_t)INT64_MAX)

struct saga__message {
	int kind;                              /* saga__frame_kind */
	char from[SAGA__PARTICIPANT_MOST + 1]; /* NEED, SEEN: the group; else whose stream */
	struct saga__stream stream;
	uint64_t first; /* BEAT, NEED, GONE */
	uint64_t last;  /* EVENT, FORK: seq; BEAT; NEED: to; SEEN: upto */
	saga_id id; /* EVENT: of seq - 1; NEED: of first - 1; BEAT, FORK: of last; SEEN: of upto */
	uint32_t shard; /* SEEN */
	uint32_t of;    /* SEEN */
	saga_bytes event;
};

/* Puts the sum where it belongs, in what is at least a head. saga__frame_encode does. */
void saga__frame_seal(void *frame, size_t size);

/* Writes a frame; returns its size, 0 if `size` is too small or the message is none. */
size_t saga__frame_encode(const struct saga__message *message, void *buffer, size_t size);

/*
 * Reads a frame; event points into it. MALFORMED: error says what is wrong with it. What is valid
 * here is what the machines may be given.
 */
int saga__frame_decode(saga_bytes frame, struct saga__message *ret_message, saga_error *error);

#endif
