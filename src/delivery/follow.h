#ifndef SAGA_DELIVERY_FOLLOW_H
#define SAGA_DELIVERY_FOLLOW_H

/*
 * Following one stream of another participant, for all of our shards. Pure, as publish.h.
 *
 * A position (one a shard of ours) is what that shard has committed: a sequence number and that event's id. Receiving
 * starts behind the least of them.
 *
 * - Events are delivered in order, once each by this machine. One that is ahead is kept (up to `window`), a gap makes it
 *   ask: NEED(first missing .. last missing before what is kept, or the beat's last), at most `window` events, first
 *   after need_min_ms (the missing may be under way), then with doubling back-off and full jitter up to need_max_ms;
 *   reset by progress.
 * - A shard's position moves when the host says committed. SEEN goes out a shard of ours when its position moved, at once if
 *   half a window was committed since the last SEEN or the host has nothing more in work (saga__follow_flush), and again
 *   as answer to a BEAT that does not show progress since the last SEEN.
 * - Where events of the stream concern no shard's position yet (they hold nothing for us) SAGA__FOLLOW_MOVE asks the host to
 *   commit the position alone, after half a window or move_ms.
 * - An EVENT whose predecessor's id is not the id that we have at seq - 1, or a BEAT with last below what we committed, or whose
 *   id at our own position differs: SAGA__FOLLOW_FORK, and the stream is stopped. GONE beyond what we need: SAGA__FOLLOW_GONE, stopped as well.
 *   saga__follow_skip starts it again where an operator says.
 * - Back pressure: with saga__follow_hold(true) nothing is delivered; what comes beyond `window` is forgotten and asked for later.
 */

#include "../env.h"
#include "../event/blob.h"
#include "frame.h"

struct saga__follow;

struct saga__position {
	uint64_t seq; /* 0: nothing yet */
	saga_id id;
};

struct saga__follow_config {
	const char *group;                      /* our participant's name */
	const char *owner;                      /* whose stream */
	struct saga__stream stream;
	uint32_t shards;                        /* of ours */
	const struct saga__position *positions; /* one a shard; copied */
	bool fresh;                             /* this stream was never followed: GONE and a BEAT's first may move the start */
	size_t window;
	int need_min_ms;
	int need_max_ms;
	int move_ms;
	const struct saga_env *env;             /* for jitter only: random */
};

enum saga__follow_kind {
	SAGA__FOLLOW_DELIVER = 1, /* event `seq`; shards whose position is at or beyond it skip it */
	SAGA__FOLLOW_SEND,        /* message, to the stream's owner */
	SAGA__FOLLOW_MOVE,        /* commit for `shard`: position seq, id, though it holds nothing for it */
	SAGA__FOLLOW_FORK,        /* alarm; stopped */
	SAGA__FOLLOW_GONE,        /* alarm: [wanted, first) is gone; stopped */
};

struct saga__follow_effect {
	int kind;
	uint64_t seq;
	saga_id id;               /* DELIVER, MOVE: see saga__follow_named; of seq */
	struct saga__blob *event; /* DELIVER: the caller's share now */
	struct saga__message message;
	uint32_t shard;
	uint64_t wanted, first;   /* GONE */
	char text[160];           /* FORK */
};

int saga__follow_new(const struct saga__follow_config *config, struct saga__follow **ret_follow);
void saga__follow_free(struct saga__follow *follow);

/* EVENT, BEAT or GONE of this stream came. `id` is the event's own id, read from its envelope by the host (zero for others). */
void saga__follow_message(struct saga__follow *follow, const struct saga__message *message,
	saga_id id, int64_t now);

/* Shard committed its position. Also for events that the host found to hold nothing for that shard, once something
 * after them commits: positions only grow. */
void saga__follow_committed(struct saga__follow *follow, uint32_t shard, uint64_t seq, saga_id id,
	int64_t now);

/* Nothing of this stream is in work at the host: say SEEN now rather than at half a window. */
void saga__follow_flush(struct saga__follow *follow, int64_t now);

/* The host has no room (true), has room again (false). */
void saga__follow_hold(struct saga__follow *follow, bool hold, int64_t now);

/* An operator's decision: go on behind seq, whose id is `id`. */
void saga__follow_skip(struct saga__follow *follow, uint64_t seq, saga_id id, int64_t now);

bool saga__follow_next(struct saga__follow *follow, int64_t now, struct saga__follow_effect *ret_effect);
int64_t saga__follow_due(const struct saga__follow *follow);
bool saga__follow_stopped(const struct saga__follow *follow);

/* The last one delivered, and the highest that is known to exist. */
uint64_t saga__follow_delivered(const struct saga__follow *follow);
uint64_t saga__follow_known(const struct saga__follow *follow);

struct saga__follow_counts {
	uint64_t delivered, doubled, gaps, needs, forgotten;
};
struct saga__follow_counts saga__follow_counted(const struct saga__follow *follow);

#endif
