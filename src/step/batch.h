#ifndef SAGA_STEP_BATCH_H
#define SAGA_STEP_BATCH_H

/*
 * A batch: what came in, the slots that it concerns, what its handlers did, and what must be
 * written. It knows no SQL and no thread. Its life, on one lane:
 *
 *	begin -> add items -> (the host loads the slots) -> run -> (the host writes) -> begin ...
 *
 * Nothing in it outlives the next begin, but blobs, which are counted.
 */

#include <saga/plugin.h>

#include "../event/envelope.h"
#include "../event/id.h"
#include "item.h"
#include "parked.h"
#include "plan.h"
#include "slot.h"

struct saga__slot {
	struct saga__slot *next;  /* of all of the batch */
	struct saga__slot *chain; /* of the same hash */
	saga_id saga;
	size_t row; /* of the plan */
	const char *subject;
	bool loaded;
	bool stored; /* it has a row in the store */
	bool dirty;
	bool leads_none; /* nothing is parked behind it */

	enum saga__state state;
	enum saga__state was; /* before it got dead or stuck */
	int attempts;         /* runs of the handler so far, for operators */
	const char *why;
	saga_bytes trigger; /* the event that it ran on; kept if it has an undo */
	saga_bytes answer;  /* what it published; kept if it is on a request */
	saga_bytes digest;  /* of the request's body */
	saga_bytes note;
	saga_bytes seen;         /* the triggers that it waited on */
	enum saga__state before; /* as loaded; for counting */
};

/* Whether `seen` is a list of triggers to its end. */
bool saga__seen_is_whole(saga_bytes seen);

struct saga__outgoing {
	struct saga__outgoing *next;
	struct saga__blob *event;
	unsigned shard;
	uint64_t seq;
	saga_id id;
	saga_id before; /* its predecessor's id */
	saga_id saga;
	bool ours; /* a step of this participant is on it, too */
};

enum saga__change {
	SAGA__PARK_ADD = 1,
	SAGA__PARK_SET,
	SAGA__PARK_DROP,
	SAGA__PARK_DROP_KIND /* by saga, row, subject and kind */
};

struct saga__parking {
	struct saga__parking *next;
	enum saga__change change;
	enum saga__parked_kind was; /* the row's kind before; of a row that is added: none */
	unsigned shard;
	struct saga__parked parked;
};

/* The rows that are parked behind this slot become due. */
struct saga__wake {
	struct saga__wake *next;
	unsigned shard;
	saga_id saga;
	const char *behind;
};

/* A shard whose stream row is locked. */
struct saga__shard {
	unsigned shard;
	uint64_t seq;
	saga_id last;
	uint64_t stored_seq, stored_own; /* as the row was when it was locked */
};

struct saga__counts {
	int64_t waiting, dead, stuck, parked;
};

/*
 * Live parked rows that the store added and dropped for a batch, by the rows that its statements
 * changed: a row that is there already is not added again. Complete once the batch is committed.
 */
struct saga__parked_counts {
	int64_t came, went;
};

/* A batch counts for each step to which state its slots moved, and beside those: */
enum saga__tally {
	SAGA__TALLY_READ = SAGA__STATES,
	SAGA__TALLY_RETRY,
	SAGA__TALLY_LETTER,
	SAGA__TALLIES
};

enum {
	SAGA__POISONS = 32,
	SAGA__BLAMED_MOST = 16,
	SAGA__DOUBTED = 64, /* steps beyond share their doubts with others */
	SAGA__DOUBTS_FIRST = 8
};

/* An item that failed alone: blame.h. */
struct saga__blamed {
	saga_id id;
	unsigned refusals, losses;
	bool odd_row; /* what it needs to read can't be read */
	bool judged;  /* it is in this batch */
	char why[SAGA_ERROR_TEXT];
};

struct saga__batch {
	/* set once, by the host */
	const struct saga__plan *plan;
	const struct saga_env *env;
	const saga_store_ops *store_ops;
	void *user;
	saga_log_fn *log;
	void *log_user;
	unsigned shards;
	size_t rows_most;
	int64_t history_ms;
	int64_t ageing_behind; /* events age by `now` less this: src/stores/clock.h */

	/* set by the host before each batch */
	void *store;
	int64_t now;                /* the store's clock, ms since 1970 */
	struct saga__shard *locked; /* sorted by shard */
	size_t locked_count;

	/*
	 * This batch is a replay: each step gets a savepoint and waits for its answers. Otherwise a
	 * step may be optimistic: if it must be taken back, or if what it required was not so, the
	 * whole batch is lost as REJECTED.
	 */
	bool replays;

	/* Handlers don't run, but end so: when a batch of one can't be committed otherwise. */
	enum saga__outcome instead; /* SAGA__NO_OUTCOME: they run */
	const char *instead_text;

	/* After an unclean end: a call that is made again may have ended the process. */
	bool probing;

	/* Counted into: SAGA__TALLIES for each step, and for what is of no step; NULL: not. */
	uint32_t *tally;

	/* what comes of it */
	struct saga__slot *slots;
	struct saga__outgoing *outgoing;
	struct saga__parking *parkings;
	struct saga__wake *wakes;
	struct saga__call *calls;  /* to be made after the commit; the host's then */
	int64_t due;               /* the soonest of what was parked */
	struct saga__counts delta; /* without parked rows: saga__batch_counts */
	struct saga__parked_counts parked;
	saga_error lost; /* why all of it must be rolled back; code 0: not */

	/* Handlers that ended the transaction themselves: by event and step. Not run again. */
	struct {
		saga_id event;
		size_t row;
	} poisons[SAGA__POISONS];
	size_t poison_count;

	/* Items that could not be committed alone; kept from batch to batch. */
	struct saga__blamed blamed[SAGA__BLAMED_MOST];
	size_t blamed_count; /* so far: the oldest goes */

	/* Which item is to blame if it was the only one that was added. */
	size_t item_count;
	const struct saga__item *only;
	const struct saga__parked *only_parked;
	bool odd_row;   /* a row that it read can't be read: whoever reads says so */
	bool put_aside; /* an item of this batch: a refusal of that is the store's own */

	/* its own */
	struct saga__work *works, **works_end;
	struct saga__outgoing **outgoing_end;
	struct saga__parking **parkings_end, *parking_last;
	struct saga__slot **buckets;
	size_t bucket_count;
	struct saga__decoder *decoder;
	struct saga__arena arena;   /* the batch's */
	struct saga__arena scratch; /* a handler's */
	struct saga__buffer event;  /* the outcome, as an event */
	struct saga__buffer named;  /* a note or a question */
	struct saga__id_maker ids;
	int runs;        /* of handlers; makes verdicts' tokens */
	bool marked;     /* a handler has set a savepoint in the transaction */
	bool optimistic; /* an optimistic step ran: it can't be taken back alone */

	/* By step: for how many runs it is not optimistic: it is new, or was taken back. */
	unsigned short doubts[SAGA__DOUBTED];
};

struct saga__batch_limits {
	size_t event_bytes;
	size_t handler_bytes;
	size_t batch_events;
};

int saga__batch_init(struct saga__batch *batch, const struct saga__batch_limits *limits);
void saga__batch_free(struct saga__batch *batch);

/* Forgets the last batch. */
void saga__batch_begin(struct saga__batch *batch);

/*
 * Adds an item, which must live until the next begin: decodes it, finds its steps, and notes the
 * slots that they need. What can't be read becomes a dead letter. NOMEM.
 */
int saga__batch_add(struct saga__batch *batch, struct saga__item *item);

/* Runs all that was added. lost.code tells if the transaction must be given up. */
void saga__batch_run(struct saga__batch *batch);

/* The counter that gains the rows that this change of the batch changes; NULL: none. */
int64_t *saga__parking_counter(struct saga__batch *batch, const struct saga__parking *parking);

/* The changes of all counts by a batch that is committed. */
struct saga__counts saga__batch_counts(const struct saga__batch *batch);

/* The shard that a saga's slots and events live in. */
static inline unsigned saga__batch_shard(const struct saga__batch *batch, saga_id saga)
{
	return saga__id_shard(saga, batch->shards);
}

#endif
