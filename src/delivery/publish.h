#ifndef SAGA_DELIVERY_PUBLISH_H
#define SAGA_DELIVERY_PUBLISH_H

/*
 * Publishing one stream of our own over a lossy transport, to followers that are known by name.
 * Pure: what happened goes in, effects come out of saga__publish_next; time is handed in, in
 * milliseconds that only go forward.
 *
 * - Events that were committed are sent from memory, in order, as far as the window allows: no more
 *   than `window` beyond what the slowest follower that is alive has SEEN. One that was not heard for
 *   `alive_ms` holds back nobody, and gets what it missed by NEED. With no follower alive, sending goes on.
 * - The newest `ring` events are kept in memory (shared, counted); a NEED is answered from there, an older
 *   one through SAGA__PUBLISH_READ from the outbox, at most `window` events an answer. One answer a follower at a
 *   time; a NEED for what is on its way already is ignored for a while.
 * - BEATs go out at start, and with back-off (beat_min_ms doubling to beat_max_ms) while a follower's
 *   SEEN is behind what was committed; any SEEN that moves resets the back-off. None when all have seen all, but one each
 *   beat_max_ms * 10 as a sign of life for late joiners.
 * - NEED or SEEN whose id is not what we have there, or beyond what we have: SAGA__PUBLISH_FORK, and from then on
 *   nothing of this stream is trimmed and nothing is sent to that follower.
 * - A NEED below `first` is answered by GONE.
 */

#include "../env.h"
#include "../event/blob.h"
#include "frame.h"

struct saga__publish;

struct saga__publish_config {
	const char *name;              /* ours */
	struct saga__stream stream;
	const char *const *followers;  /* ended by NULL; borrowed */
	size_t window;
	size_t ring;                   /* events kept in memory; at least the window */
	int beat_min_ms;
	int beat_max_ms;
	int alive_ms;
};

enum saga__publish_kind {
	SAGA__PUBLISH_SEND = 1, /* send `message` to follower `to`, or to all with to NULL */
	SAGA__PUBLISH_READ,     /* read [first, last] from the outbox, then saga__publish_read */
	SAGA__PUBLISH_FORK,     /* alarm: `to` has another history, `text` says what it named */
};

struct saga__publish_effect {
	int kind;
	const char *to;
	struct saga__message message; /* SEND; its event lives until the next call on the machine */
	uint64_t first, last;         /* READ */
	char text[160];               /* FORK */
};

int saga__publish_new(const struct saga__publish_config *config, struct saga__publish **ret_publish);
void saga__publish_free(struct saga__publish *publish);

/* The outbox holds first..last (last 0: none; first = last + 1: all trimmed), id is last's. */
void saga__publish_start(struct saga__publish *publish, uint64_t first, uint64_t last, saga_id id,
	int64_t now);

/* The next event is committed: seq is one more than the last. Takes a share of the blob. NOMEM: it was not taken
 * into memory but counts as committed; it will be read from the outbox. */
int saga__publish_committed(struct saga__publish *publish, uint64_t seq, saga_id id,
	struct saga__blob *event, int64_t now);

/* A NEED or SEEN for this stream came. From no follower of ours: ignored (NEED is answered all the same). */
void saga__publish_message(struct saga__publish *publish, const struct saga__message *message,
	int64_t now);

/* An event that a READ asked for, in order; then saga__publish_read_end (also if it failed). `id` its own, before: its predecessor's. */
void saga__publish_read(struct saga__publish *publish, uint64_t seq, saga_id before, saga_id id,
	struct saga__blob *event);
void saga__publish_read_end(struct saga__publish *publish, int64_t now);

/* The outbox was trimmed: the first that it still holds. */
void saga__publish_trimmed(struct saga__publish *publish, uint64_t first);

/* Pops one effect; false: none now. Call it again after each input and when saga__publish_due is reached. */
bool saga__publish_next(struct saga__publish *publish, int64_t now,
	struct saga__publish_effect *ret_effect);

/* When it wants to be asked again; INT64_MAX: not by itself. */
int64_t saga__publish_due(const struct saga__publish *publish);

/* All followers have seen up to here (the last, if there are none); 0 while one was never heard or forked. */
uint64_t saga__publish_seen_by_all(const struct saga__publish *publish);

/* Committed events that some follower has not seen, as far as known: last - seen_by_all. */
uint64_t saga__publish_unseen(const struct saga__publish *publish);

/* Counters since the start. */
struct saga__publish_counts {
	uint64_t sent, resent, needs, beats, gone, forks;
};
struct saga__publish_counts saga__publish_counted(const struct saga__publish *publish);

#endif
