#ifndef SAGA_DELIVERY_AUDIENCE_H
#define SAGA_DELIVERY_AUDIENCE_H

/*
 * The followers of one of our streams, and the position of each of their shards. Only the
 * publishing machine uses it.
 *
 * A shard of a follower is alive from its first SEEN until it owes us something and says nothing
 * for alive_ms. The lowest position of living shards is the floor, which holds back sending. A
 * shard is verified once a SEEN named an id that we could compare; the outbox may be trimmed up to
 * the lowest verified position of all shards of all followers. A SEEN only moves its shard forward:
 * a late one changes nothing, and the least retention of the outbox covers a follower that was set
 * back.
 */

#include "frame.h"

struct saga__listener {
	uint64_t seq;  /* committed */
	int64_t heard; /* when it last said SEEN */
	bool known, alive, verified;
};

/* The answer to a NEED: from..to, of which next is the next. */
struct saga__answer {
	bool active;
	uint64_t from, next, to;
	saga_id before;  /* of from - 1, as the group knows it */
	uint64_t gone;   /* GONE is to be said, for what is below; 0: no */
	uint64_t last;   /* from of the answer before; 0: none */
	int64_t last_at; /* when that ended */
};

/* An id that is neither in memory nor answered for: to be compared with the outbox. */
struct saga__claim {
	bool waits;
	bool seen; /* by SEEN of `shard`, else by NEED */
	uint32_t shard;
	uint32_t of;
	uint64_t seq;
	saga_id id;
	int64_t again;      /* not before */
	uint64_t right_seq; /* the last one that was right; 0: none */
	saga_id right_id;
};

/* A follower named an event that the outbox does not have: FORK is to be said. */
struct saga__denial {
	uint64_t seq; /* 0: no */
	saga_id id;
};

struct saga__follower {
	const char *name;
	bool declared; /* else a stranger: its NEEDs are answered, that is all */
	bool forked;
	bool alarm; /* FORK is to be said */
	char text[160];
	uint32_t of;         /* shards; 0: never heard */
	uint32_t unverified; /* of them */
	uint64_t least;      /* all of them have seen up to here, as last reckoned */
	struct saga__listener *listeners;
	struct saga__answer answer;
	struct saga__claim claim;
	struct saga__denial denial;
};

struct saga__audience {
	struct saga__follower *at;
	size_t count; /* beside the stranger, who is the last of them */
	int64_t alive_ms;
	char stranger[SAGA__PARTICIPANT_MOST + 1];

	/* Made by saga__audience_reckon. */
	bool anyone;     /* alive */
	uint64_t floor;  /* what the least of those alive has seen */
	int64_t fades;   /* when one of those that hold it may cease to be alive */
	uint64_t by_all; /* verified of all; 0 while one was never heard or has forked */
	bool behind;     /* somebody lacks something */
};

int saga__audience_init(struct saga__audience *audience, const char *const *names, int alive_ms);
void saga__audience_free(struct saga__audience *audience);

/* Forgets all but the names. */
void saga__audience_reset(struct saga__audience *audience);

/* The follower of that name, or the stranger under it; NULL: another stranger is being answered. */
struct saga__follower *saga__audience_find(struct saga__audience *audience, const char *name);

/*
 * A SEEN that is not known to be wrong. True: something moved, or is alive again; reckon. With
 * no memory for a new table it answers false, and the SEEN comes again.
 */
bool saga__follower_heard(struct saga__follower *follower, uint32_t shard, uint32_t of,
	uint64_t seq, bool verified, int64_t now);

/* It has another history: out of all sums until each of its shards was verified anew. */
void saga__follower_fork(struct saga__follower *follower);

/* All of it was sent, or GONE is said instead. */
void saga__answer_end(struct saga__answer *answer, int64_t now);

/* Sums up, after something moved, at `fades`, or when last changed. `sent` owes since then. */
void saga__audience_reckon(struct saga__audience *audience, uint64_t last, uint64_t sent,
	int64_t owed_since, int64_t now);

#endif
