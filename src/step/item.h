#ifndef SAGA_STEP_ITEM_H
#define SAGA_STEP_ITEM_H

/* Items: the work of a lane, done one after the other. */

#include <saga/participant.h>

#include "../event/blob.h"
#include "../event/stream.h"
#include "parked.h"

struct saga__call;

enum saga__item_kind {
	SAGA__ITEM_EVENT = 1, /* of a stream, ours or another's */
	SAGA__ITEM_MOVE,      /* a position to commit, that holds nothing for us */
	SAGA__ITEM_REQUEST,
	SAGA__ITEM_DUE,    /* a parked row whose time has come */
	SAGA__ITEM_ANSWER, /* of an outside call */
	SAGA__ITEM_REFUSED /* an event of ours that the broker does not take: a dead letter */
};

struct saga__reply {
	int code;
	bool repeated;
	saga_id saga;
	struct saga__blob *outcome;
	char text[SAGA_ERROR_TEXT];
};

struct saga__item {
	struct saga__item *next;
	enum saga__item_kind kind;
	unsigned shard;
	int attempts;             /* made so far */
	int64_t came;             /* to its lane: monotonic */
	struct saga__blob *event; /* EVENT, REQUEST: in its wire form */

	/* EVENT, MOVE, REFUSED: where it stands */
	struct saga__source source; /* without an owner: our own stream; kept: the broker's */
	uint64_t seq;
	saga_id id;
	unsigned epoch; /* of a shard's being worked here; void in another */
	bool reset;     /* MOVE: set there, back too; an order, of which ... */
	uint64_t known; /* ... it says what orders were carried out when it was read */
	bool durable;   /* EVENT: a durable transport's: */
	uint64_t token; /* to be acked once it is committed */
	char *why;      /* EVENT: it can't be read: a dead letter for this reason; REFUSED */

	const char *withheld; /* why its handlers don't run: blame.h; NULL: they run */

	/* REQUEST */
	bool unsure; /* a commit of it was sent, and not answered */
	unsigned char digest[16];
	int64_t ready;     /* a retry: not before, monotonic */
	int next_attempts; /* what a retry makes of the above, if the batch is committed */
	int64_t next_ready;
	saga_answer_fn *answered;
	void *user;

	const struct saga__parked *parked; /* DUE; the batch's memory */
	struct saga__call *call;           /* ANSWER */

	struct saga__reply *reply; /* REQUEST: what came of it, once the batch is committed */
};

/* It stands in a stream of another participant, or of a durable transport. */
static inline bool saga__item_is_followed(const struct saga__item *item)
{
	return item->source.owner[0] != 0;
}

/* An event of our own stream. */
static inline bool saga__item_is_own(const struct saga__item *item)
{
	return item->kind == SAGA__ITEM_EVENT && !saga__item_is_followed(item) && !item->durable;
}

void saga__item_free(struct saga__item *item); /* NULL is fine */

struct saga__items {
	struct saga__item *first, **end;
	size_t count;
};

void saga__items_init(struct saga__items *items);
void saga__items_push(struct saga__items *items, struct saga__item *item);
void saga__items_push_front(struct saga__items *items, struct saga__item *item);
struct saga__item *saga__items_pop(struct saga__items *items); /* NULL: empty */
void saga__items_move(struct saga__items *to, struct saga__items *from);

#endif
