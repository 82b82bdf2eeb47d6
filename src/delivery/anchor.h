#ifndef SAGA_DELIVERY_ANCHOR_H
#define SAGA_DELIVERY_ANCHOR_H

/*
 * Where one shard of ours stands in the stream of a durable transport's broker, and whether that
 * is still so: a pure machine, for one shard. The store keeps two points of the broker's stream:
 *
 * - the *newest*: the highest event of the shard that a batch has committed, written by that batch.
 *   Nothing is acked above it. So if an event of the shard stands above it, and not above the
 *   broker's floor (all up to there was acked), the broker has been talking to a store that knew
 *   more: this one was set back, as by a restored backup. The floor alone proves nothing: the
 *   broker also moves it past events of other shards.
 * - the *settled*: a floor that the broker had settle_ms ago and still has. All up to there is
 *   committed here, and on the broker's disks.
 *
 * A broker that lost its newest events goes on with others at the same places, and a consumer that
 * stands ahead of them never gets those. So at each doubt the machine looks what stands at the
 * newest point. If it is not that event, deliveries begin again behind the settled point, or at the
 * beginning where that is gone too. It is harmless when that was not needed: slots know doubles.
 *
 * Its caller asks for effects after each input, and carries each out before it asks for the next.
 */

#include <saga/event.h>

struct saga__point {
	saga_id era;
	uint64_t place; /* 0: before all */
	saga_id id;     /* a mark of what stands there; zero: not known, and taken for right */
};

enum saga__anchor_why {
	SAGA__ANCHOR_LOST = 1, /* the broker has lost events that were committed here */
	SAGA__ANCHOR_REMADE,   /* the broker's stream is another one */
	SAGA__ANCHOR_SET_BACK, /* the store was set back */
	SAGA__ANCHOR_UNSURE    /* nothing stands there that could be compared */
};

enum saga__anchor_kind {
	SAGA__ANCHOR_LOOK = 1,    /* what stands at point.place? Then saga__anchor_looked */
	SAGA__ANCHOR_LOOK_BEHIND, /* where is the shard's first event behind point.place? Then
	                             saga__anchor_looked_behind */
	SAGA__ANCHOR_COMPARE,     /* read both points from the store: saga__anchor_compared */
	SAGA__ANCHOR_SETTLE,      /* write the point as the settled one */
	SAGA__ANCHOR_GO_BACK      /* write the point as both, begin deliveries again behind it, then
	                          saga__anchor_is_back; place 0: forget both */
};

struct saga__anchor_effect {
	enum saga__anchor_kind kind;
	struct saga__point point;
	enum saga__anchor_why why; /* GO_BACK */
	uint64_t newest;           /* GO_BACK: how far the shard had come */
};

enum {
	/*
	 * A lane may commit after a doubt a frame that was delivered before it: so the newest
	 * position is looked at again while it moves, but not for ever.
	 */
	SAGA__ANCHOR_LOOKS_MOST = 64
};

enum saga__anchor_phase {
	SAGA__ANCHOR_IDLE = 0,  /* another instance works the shard */
	SAGA__ANCHOR_UNCHECKED, /* the broker has said nothing since the doubt */
	SAGA__ANCHOR_RESTS,     /* checked, all is well */
	SAGA__ANCHOR_AT_NEWEST, /* a look is under way, or to be asked for: at the newest, ... */
	SAGA__ANCHOR_AT_SETTLED,
	SAGA__ANCHOR_AT_FLOOR, /* ... or at what will be the settled one */
	SAGA__ANCHOR_COMPARES,
	SAGA__ANCHOR_AT_FIRST_BEHIND, /* a look behind the newest */
	SAGA__ANCHOR_GOES_BACK
};

struct saga__anchor {
	enum saga__anchor_phase phase;
	bool asks;     /* the phase's effect is still to be asked for */
	bool doubtful; /* again, while deliveries begin anew */
	bool knew;     /* the store has points of another era alone */
	bool has_floor, removes;
	bool settles; /* an effect */
	int64_t settle_ms;
	saga_id era;
	uint64_t first, last, floor;
	uint64_t bare; /* no event of the shard stands above the newest up to there */
	struct saga__point newest, settled;
	struct saga__point probe; /* a look at or behind the newest: as that was when it began */
	uint64_t probe_floor;     /* and the floor */
	unsigned looks;           /* that found it there, and it had moved on meanwhile */
	struct saga__point
		next; /* will be the settled one, if it has been there for long enough: */
	bool has_next;
	int64_t next_at;
	enum saga__anchor_why why;
	struct saga__point back; /* GOES_BACK: to there */
	uint64_t was;            /* GOES_BACK: the newest before */
};

/* The broker's description of its stream, for one shard. */
struct saga__anchor_news {
	saga_id era;
	uint64_t first, last;
	bool has_floor, removes, doubt;
	uint64_t floor;
};

/* The shard is worked here from now on. */
void saga__anchor_start(struct saga__anchor *anchor, int64_t settle_ms);
void saga__anchor_stop(struct saga__anchor *anchor);

/*
 * Tells the points that the store has: of the era that the broker has now (NULL: none), and
 * whether it has some of another. Call it after saga__anchor_start, when the era becomes known or
 * is another: before saga__anchor_heard.
 */
void saga__anchor_know(struct saga__anchor *anchor, const struct saga__point *newest,
	const struct saga__point *settled, bool others);

/* `quiet`: until then the broker is known to have had no incident, since the last doubt. */
void saga__anchor_heard(
	struct saga__anchor *anchor, const struct saga__anchor_news *news, int64_t quiet);

/* id zero: nothing stands there. A look at another place is ignored. */
void saga__anchor_looked(struct saga__anchor *anchor, uint64_t place, saga_id id, int64_t now);

/* found 0: none. A look behind another place is ignored. */
void saga__anchor_looked_behind(struct saga__anchor *anchor, uint64_t place, uint64_t found);

/* The store's current word; NULL: it has none. */
void saga__anchor_compared(struct saga__anchor *anchor, const struct saga__point *newest,
	const struct saga__point *settled);

/* A batch committed it as the newest. */
void saga__anchor_committed(struct saga__anchor *anchor, uint64_t place, saga_id id);

void saga__anchor_is_back(struct saga__anchor *anchor);

/* The broker and the store agree, as far as is known: what comes may be committed. */
bool saga__anchor_is_checked(const struct saga__anchor *anchor);

/* Pops one effect; false: none now. */
bool saga__anchor_next(struct saga__anchor *anchor, struct saga__anchor_effect *ret_effect);

#endif
