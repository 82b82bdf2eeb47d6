#ifndef SAGA_DELIVERY_PUBLISH_H
#define SAGA_DELIVERY_PUBLISH_H

/*
 * Publishing one stream of our own over a lossy transport, to followers that are known by name.
 * Pure: what happened goes in, effects come out of saga__publish_next; time is handed in, in
 * milliseconds that only go forward. All memory is taken by saga__publish_new, but for a table a
 * follower when it first says how many shards it has.
 *
 * - Events that were committed are sent from memory, in order, as far as the window allows: no more
 *   than `window` beyond what the slowest shard of a follower that is alive has SEEN. A shard that
 *   owes a SEEN and was not heard for `alive_ms` holds back nobody, and gets what it missed by
 *   NEED. With no follower alive, sending goes on. What left memory while the window was closed is
 *   read from the outbox when it opens.
 * - The newest `ring` events are kept in memory (shared, counted); a NEED is answered from there,
 *   an older one through SAGA__PUBLISH_READ from the outbox, at most `window` events an answer. One
 *   answer a follower at a time, one READ at a time; a NEED that begins where the last answer began
 *   is ignored for beat_min_ms. One stranger (no follower of ours) at a time is answered as well,
 *   at most once each 4 * beat_min_ms, so that forged NEEDs cannot multiply traffic.
 * - BEATs go out at start, and with back-off (beat_min_ms doubling to beat_max_ms) while a
 *   follower's SEEN is behind what was committed; any SEEN that moves resets the back-off. When all
 *   have seen all, one each beat_max_ms * 10 as a sign of life for late joiners. A BEAT names what
 *   was sent: what the window holds back is nothing to ask for.
 * - NEED or SEEN whose id is not what we have there: SAGA__PUBLISH_FORK. One that is beyond what we
 *   have is looked up in the outbox first (another instance may have gone on while this one slept),
 *   and is FORK if the outbox does not have it. The follower is told by a FORK frame, since beats
 *   alone prove nothing to it: they may be those of an instance that stands behind. From then on
 *   nothing of this stream is trimmed and no NEED of that follower answered, until each of its
 *   shards has named an id that we have: it was set back, or an operator accepted that there.
 * - SEEN whose id can't be compared (it is older than memory) moves the window; it counts for
 *   trimming once that shard has named one that could be (READ asks the outbox for it).
 * - A NEED for what is neither in memory nor in the outbox is answered by GONE.
 */

#include "../env.h"
#include "../event/blob.h"
#include "frame.h"

struct saga__publish;

struct saga__publish_config {
	const char *name; /* ours; copied */
	struct saga__stream stream;
	const char *const *followers; /* ended by NULL; borrowed, they outlive the machine */
	size_t window;                /* 1 to 65536 */
	size_t ring;                  /* events kept in memory; at least the window */
	int beat_min_ms;
	int beat_max_ms;
	int alive_ms; /* more than beat_max_ms, or the slow count as silent */
};

enum saga__publish_kind {
	SAGA__PUBLISH_SEND = 1, /* send `message` to follower `to`, or to all with to NULL */
	SAGA__PUBLISH_READ,     /* read [first, last] from the outbox, then saga__publish_read */
	SAGA__PUBLISH_FORK,     /* alarm: `to` has another history, `text` says what it named */
};

struct saga__publish_effect {
	enum saga__publish_kind kind;
	const char *to;               /* lives until the next call on the machine */
	struct saga__message message; /* SEND; its event lives until the next call on the machine */
	uint64_t first, last;         /* READ */
	char text[160];               /* FORK */
};

/* MISUSE: a name, a size or a time that can't be. NOMEM. */
int saga__publish_new(
	const struct saga__publish_config *config, struct saga__publish **ret_publish);
void saga__publish_free(struct saga__publish *publish);

/*
 * The outbox holds first..last (last 0: none so far; first = last + 1: all trimmed), id is last's.
 * Before this, nothing is done. Again (a takeover, a lost answer to a commit): all is forgotten but
 * the followers' names, and an answer to a READ from before is still awaited, and ignored.
 */
void saga__publish_start(
	struct saga__publish *publish, uint64_t first, uint64_t last, saga_id id, int64_t now);

/* Another instance publishes it now. Until it is started again, nothing is done. */
void saga__publish_stop(struct saga__publish *publish);

/* The last that is known to be committed. */
uint64_t saga__publish_last(const struct saga__publish *publish);

/*
 * The next event is committed: seq is one more than the last. Takes a share of the blob; with
 * event NULL (no memory for it) it counts as committed all the same and is read from the outbox.
 * If seq leaves some out, another instance has committed and sent those. MISUSE: not started, or
 * not beyond the last; nothing happened.
 */
int saga__publish_committed(struct saga__publish *publish, uint64_t seq, saga_id id,
	struct saga__blob *event, int64_t now);

/* A NEED or SEEN came. For another stream, or SEEN from no follower of ours: ignored. */
void saga__publish_message(
	struct saga__publish *publish, const struct saga__message *message, int64_t now);

/*
 * An event that the READ asked for, in order; `id` its own, `before` its predecessor's (zero: not
 * known). Takes a share of the blob.
 */
void saga__publish_read(struct saga__publish *publish, uint64_t seq, saga_id before, saga_id id,
	struct saga__blob *event);

/*
 * Another instance has committed up to here, whether the outbox still holds it or not: who names
 * one of those has no other history. Before saga__publish_read_end of a READ beyond the last.
 */
void saga__publish_reaches(struct saga__publish *publish, uint64_t seq);

/*
 * Ends each READ. Complete: the outbox was asked for all of it, and what was not given it does not
 * hold. Else (the store is away, memory ran out) it is asked for again when needed.
 */
void saga__publish_read_end(struct saga__publish *publish, bool complete, int64_t now);

/* The outbox was trimmed: the first that it still holds (last + 1: none). */
void saga__publish_trimmed(struct saga__publish *publish, uint64_t first);

/*
 * Pops one effect; false: none now. Call it again after each input and when saga__publish_due is
 * reached.
 */
bool saga__publish_next(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *ret_effect);

/* When it wants to be asked again; INT64_MAX: not by itself. */
int64_t saga__publish_due(const struct saga__publish *publish);

/* All followers have seen up to here (the last, if there are none); 0 while one was never heard,
 * not verified, or has forked: what may be trimmed. */
uint64_t saga__publish_seen_by_all(const struct saga__publish *publish);

/* Committed events that some follower has not seen, as far as known: last - seen_by_all. */
uint64_t saga__publish_unseen(const struct saga__publish *publish);

/* Events that can still be had, and that the follower at `index` of the config has not seen. */
uint64_t saga__publish_unseen_by(const struct saga__publish *publish, size_t index);

/* Counters since the machine was made. */
struct saga__publish_counts {
	uint64_t sent, resent, needs, beats, gone, forks;
};
struct saga__publish_counts saga__publish_counted(const struct saga__publish *publish);

#endif
