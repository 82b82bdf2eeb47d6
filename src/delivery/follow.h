#ifndef SAGA_DELIVERY_FOLLOW_H
#define SAGA_DELIVERY_FOLLOW_H

/*
 * Following one stream of another participant, for those of our shards that this instance works.
 * Pure, as publish.h. Memory is taken by saga__follow_new, and one blob for each event kept. Of a
 * shard that another instance works nothing is said, and nothing holds anything up.
 *
 * A position (one a shard of ours) is what that shard has committed: a sequence number and that
 * event's id. Receiving starts behind the least of them.
 *
 * - Events are delivered in order, once each by this machine. One that is ahead is kept (up to
 *   `window` beyond the last delivered), what is further ahead is forgotten. A gap makes it ask:
 *   NEED(first missing .. last missing before what is kept, or the last that is known), at most
 *   `window` events, first need_min_ms after the last progress (the missing may be under way), then
 *   after a random time between need_min_ms and a cap that doubles up to need_max_ms. Progress
 *   resets the back-off; when all that was asked for came and more is missing, it asks at once.
 * - A shard's position moves when the host says committed. SEEN goes out for a shard at open, when
 *   half a window was committed since its last SEEN, when it moved and the host has nothing more in
 *   work (saga__follow_flush), and as answer to a BEAT unless it went out within need_min_ms.
 * - A shard whose position lags is given SAGA__FOLLOW_MOVE by half a window, after move_ms in which
 *   nothing was delivered, or after move_most_ms: all up to its seq was delivered before. The host
 *   carries it behind that shard's events that are in work, commits the position alone (or with
 *   them), and says committed; nothing if it is there already. So streams that hold nothing for us
 *   don't close the window.
 * - Another history is SAGA__FOLLOW_FORK: an EVENT whose predecessor's id is not what we have at
 *   seq - 1; another id at a seq of the last `window` delivered, of what is kept, or of a position;
 *   a BEAT that names another id there; a FORK that names an event that we have. The stream is
 *   stopped; SEENs and a NEED that name what we have let the owner tell as well. A BEAT that ends
 *   before what we committed proves nothing: it may be a late one, or of an instance that stands
 *   behind. It is answered by SEENs, and an owner whose store was set back says FORK.
 * - GONE beyond what we need: SAGA__FOLLOW_GONE, stopped and silent, so that it holds back nobody.
 *   A fresh stream (nothing was ever delivered) moves its start there instead.
 * - saga__follow_restart starts a stopped stream again, where an operator says.
 * - A host that can't send asks by the _quiet variants: what came is delivered all the same.
 * - Back pressure: with saga__follow_hold(true) nothing is delivered, and no MOVE given; what comes
 *   beyond `window` is forgotten and asked for later.
 */

#include "../env.h"
#include "../event/blob.h"
#include "frame.h"

struct saga__follow;

/*
 * Memory for events that wait behind a gap or for a busy host, shared by all streams of a
 * participant. Without room an event is as if it was lost and is asked for later; only the event
 * that is to be delivered next is always taken, so that every stream goes on.
 */
struct saga__room {
	size_t used, most; /* bytes */
};

struct saga__position {
	uint64_t seq; /* 0: nothing yet */
	saga_id id;   /* zero: not known */
};

struct saga__follow_config {
	const char *group; /* our participant's name; copied, as is the next */
	const char *owner; /* whose stream */
	struct saga__stream stream;
	uint32_t shards;                        /* of ours; 1 to 4096 */
	const struct saga__position *positions; /* one a shard; copied, as is the next */
	const bool *works; /* one a shard: whether it is worked here; NULL: all are */
	bool fresh;        /* never followed: GONE and a BEAT's first may move the start */
	bool forked;       /* it was found to be, and nobody accepted that: it begins as stopped */
	size_t window;     /* 1 to 65536 */
	int need_min_ms;
	int need_max_ms;
	int move_ms;                /* of quiet, */
	int move_most_ms;           /* or without */
	const struct saga_env *env; /* for jitter only: random */
	struct saga__room *room;    /* NULL: no limit; outlives the machine */
};

enum saga__follow_kind {
	SAGA__FOLLOW_DELIVER =
		1,         /* event `seq`; shards whose position is there or beyond skip it */
	SAGA__FOLLOW_SEND, /* message, to the stream's owner */
	SAGA__FOLLOW_MOVE, /* commit for `shard`: position seq, id */
	SAGA__FOLLOW_FORK, /* alarm; stopped */
	SAGA__FOLLOW_GONE, /* alarm: [wanted, first) is gone; stopped */
};

struct saga__follow_effect {
	enum saga__follow_kind kind;
	uint64_t seq;
	saga_id id;               /* DELIVER, MOVE: of seq; zero where a fresh start moved */
	struct saga__blob *event; /* DELIVER: the caller's share now */
	struct saga__message message;
	uint32_t shard;
	uint64_t wanted, first; /* GONE */
	char text[160];         /* FORK */
};

/* MISUSE: a name, a size, a time or a position that can't be. NOMEM. */
int saga__follow_new(const struct saga__follow_config *config, struct saga__follow **ret_follow);
void saga__follow_free(struct saga__follow *follow);

/*
 * EVENT, BEAT or GONE came; for another stream or of another owner: ignored. `id` is the event's
 * own id, read from its envelope by the host (zero for others). Without memory for an event it is
 * as if it was lost.
 */
void saga__follow_message(
	struct saga__follow *follow, const struct saga__message *message, saga_id id, int64_t now);

/*
 * A shard committed its position. What the host found to hold nothing for that shard needs no word,
 * once something after it commits: positions only grow, and what is not ahead is ignored.
 */
void saga__follow_committed(struct saga__follow *follow, uint32_t shard, uint64_t seq, saga_id id);

/*
 * Other shards are worked here now, or an operator's order was carried out: all begins anew behind
 * the least position of those that are worked, as after saga__follow_new, and what was delivered
 * before may come again. With no position it is as if the stream was never followed. `forked` as in
 * the config.
 */
void saga__follow_restart(struct saga__follow *follow, const struct saga__position *positions,
	const bool *works, bool forked);

/* Where a shard stands that is worked here. */
struct saga__position saga__follow_position(const struct saga__follow *follow, uint32_t shard);

/*
 * Another instance found that it has forked, and nobody accepted that: stopped, as one that begins
 * so. Its own shards may all stand before the fork, and then it would not find out.
 */
void saga__follow_fork(struct saga__follow *follow);

/* Nothing of this stream is in work at the host: say SEEN now rather than at half a window. */
void saga__follow_flush(struct saga__follow *follow);

/* The host has no room (true), has room again (false). */
void saga__follow_hold(struct saga__follow *follow, bool hold);

/*
 * Pops one effect; false: none now. Call it again after each input and when saga__follow_due is
 * reached.
 */
bool saga__follow_next(
	struct saga__follow *follow, int64_t now, struct saga__follow_effect *ret_effect);

/* When it wants to be asked again; INT64_MAX: not by itself. */
int64_t saga__follow_due(const struct saga__follow *follow);

/* The same two for as long as nothing can be sent: no SEND comes out. */
bool saga__follow_next_quiet(
	struct saga__follow *follow, int64_t now, struct saga__follow_effect *ret_effect);
int64_t saga__follow_due_quiet(const struct saga__follow *follow);

bool saga__follow_stopped(const struct saga__follow *follow);

/* Whether that shard has not committed seq yet: what was delivered holds something for it. */
bool saga__follow_wants(const struct saga__follow *follow, uint32_t shard, uint64_t seq);

/* Returns the last one delivered. */
uint64_t saga__follow_delivered(const struct saga__follow *follow);

/* Events that are known to have been sent, and that the least of our shards has not committed. */
uint64_t saga__follow_lag(const struct saga__follow *follow);

struct saga__follow_counts {
	uint64_t delivered, doubled, gaps, needs, forgotten;
};
struct saga__follow_counts saga__follow_counted(const struct saga__follow *follow);

#endif
