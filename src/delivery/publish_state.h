#ifndef SAGA_DELIVERY_PUBLISH_STATE_H
#define SAGA_DELIVERY_PUBLISH_STATE_H

/*
 * The state that the two files of the publishing machine share: publish.c keeps and sends events,
 * listen.c takes messages of followers and rows of the outbox.
 */

#include "../event/id.h"
#include "audience.h"
#include "publish.h"

enum {
	SAGA__SIGN_OF_LIFE = 10,  /* times beat_max_ms, when all have seen all */
	SAGA__STRANGERS_REST = 4, /* times beat_min_ms, between NEEDs of strangers */
};

struct saga__kept {
	saga_id id;
	saga_id before;
	struct saga__blob *event; /* NULL: only in the outbox */
};

struct saga__fetched {
	uint64_t seq;
	saga_id before;
	struct saga__blob *event;
};

enum saga__reading_for {
	SAGA__FOR_NOBODY,
	SAGA__FOR_ALL,
	SAGA__FOR_ANSWER,
	SAGA__FOR_CLAIM
};

/* A READ that is out, and then what it brought. */
struct saga__reading {
	bool out;
	int purpose;
	struct saga__follower *follower;
	uint64_t first, last;
	uint64_t expected; /* the next that is taken */
	bool found, same;  /* of a claim */
	size_t head, count;
	struct saga__fetched *fetched;
};

struct saga__publish {
	struct saga__publish_config config;
	char name[SAGA__PARTICIPANT_MOST + 1];
	struct saga__audience audience;
	bool started;
	uint64_t first, last; /* in the outbox */
	uint64_t reaches;     /* by other instances; if beyond last */
	saga_id last_id;
	struct saga__kept *ring;
	uint64_t kept_from; /* ring holds from here to last */
	size_t holes;       /* in it */
	uint64_t next;      /* to be sent to all */
	uint64_t reckoned;  /* next at the last reckoning */
	int64_t owed_since; /* those alive had seen all, then this was sent */
	int64_t beat_due;
	int64_t beat_wait;
	struct saga__reading reading;
	int64_t read_again; /* for all, not before */
	struct saga__blob *lent;
	size_t turn;                  /* whose answer comes next */
	int64_t strangers_rest_until; /* NEEDs of strangers are ignored */
	struct saga__publish_counts counts;
};

/* The event of the last effect is not looked at any more. */
void saga__publish_give_back(struct saga__publish *publish);

/* Drops the rows that a READ brought, and those that it will still bring. */
void saga__publish_drop_fetched(struct saga__publish *publish);

/* The first that can be had at all. */
uint64_t saga__publish_available_from(const struct saga__publish *publish);

/* Zero: not known without the outbox. */
saga_id saga__publish_id_at(const struct saga__publish *publish, uint64_t seq);

/* Sums up what followers have seen. */
void saga__publish_reckon(struct saga__publish *publish, int64_t now);

/* The back-off of beats begins anew. */
void saga__publish_beat_soon(struct saga__publish *publish, int64_t now);

#endif
