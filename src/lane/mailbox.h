#ifndef SAGA_LANE_MAILBOX_H
#define SAGA_LANE_MAILBOX_H

/*
 * What a lane shares with the loop and with other threads: its queue, its commands, its load. This
 * file alone takes the lane's lock, and holds it for no longer than a walk along a list.
 */

#include <uv.h>

#include "../env.h"
#include "../step/item.h"
#include "commands.h"

enum saga__mailbox_state {
	SAGA__MAILBOX_OPEN = 0,
	SAGA__MAILBOX_STOPPING, /* the lane ends after the batch that runs */
	SAGA__MAILBOX_CLOSED    /* what waits is left for saga__mailbox_leftover */
};

struct saga__mailbox {
	const struct saga_env *env;
	size_t most; /* items that may wait */
	uv_mutex_t lock;
	uv_cond_t filled, drained;

	/* under the lock */
	enum saga__mailbox_state state;
	struct saga__items queue;
	struct saga__items later; /* requests, and events of a broker, to be tried again */
	struct saga__lane_command *commands;
	size_t looks_asked; /* how often the lane was told to look at the store */
	size_t busy;        /* items that were taken, and are not told yet */
	int64_t busy_since; /* the oldest of those came: monotonic */
	bool behind;        /* our own events are still to be read again from the outbox */
	void *connection;   /* to a store, for whoever interrupts it; NULL: none */
};

void saga__mailbox_init(struct saga__mailbox *mailbox, const struct saga_env *env, size_t most);
void saga__mailbox_free(struct saga__mailbox *mailbox);

/* ---- any thread ---- */

/* As saga__lane_push and its kin: lane.h. */
int saga__mailbox_push(
	struct saga__mailbox *mailbox, struct saga__item *item, bool always, int wait_ms);
int saga__mailbox_give_command(
	struct saga__mailbox *mailbox, const struct saga__lane_command *command);
void saga__mailbox_look(struct saga__mailbox *mailbox);
void saga__mailbox_stop(struct saga__mailbox *mailbox);
void saga__mailbox_interrupt(struct saga__mailbox *mailbox, void (*interrupt)(void *connection));
size_t saga__mailbox_load(struct saga__mailbox *mailbox);
int64_t saga__mailbox_oldest(struct saga__mailbox *mailbox); /* when it came; 0: nothing waits */

/* After the lane has stopped: an item that was never done; NULL: none. */
struct saga__item *saga__mailbox_leftover(struct saga__mailbox *mailbox);

/* ---- the lane's thread ---- */

bool saga__mailbox_is_stopping(struct saga__mailbox *mailbox);
void saga__mailbox_close(struct saga__mailbox *mailbox);

/* As long as it is shown, others may interrupt what it does. */
void saga__mailbox_show_connection(struct saga__mailbox *mailbox, void *connection);

struct saga__lane_command *saga__mailbox_next_command(struct saga__mailbox *mailbox);
void saga__mailbox_return_command(
	struct saga__mailbox *mailbox, struct saga__lane_command *command);

/* Waits for so many items, if there is one, but no longer than that; answers the looks asked. */
size_t saga__mailbox_await(struct saga__mailbox *mailbox, size_t count, int wait_ms);

enum saga__sift {
	SAGA__LEAVE, /* the item stays, in its place */
	SAGA__TAKE,  /* it is the visitor's now, and counts as busy */
	SAGA__DROP,  /* it is freed */
	SAGA__ENOUGH /* it stays, and so does what is behind it */
};

enum {
	SAGA__SIFT_QUEUE = 1,
	SAGA__SIFT_LATER = 2
};

/*
 * Shows the visitor each item of those lists, in order: first those to be tried again. The visitor
 * touches nothing but the item and what is the lane's own.
 */
void saga__mailbox_sift(struct saga__mailbox *mailbox, unsigned lists,
	enum saga__sift (*visit)(void *context, struct saga__item *item), void *context);

/* The items go back to the front of the queue: nothing is busy. */
void saga__mailbox_put_back(struct saga__mailbox *mailbox, struct saga__item **items, size_t count);

/*
 * A batch is committed: `own` are events of its own for the queue, `later` requests to be tried
 * again. It stays busy until saga__mailbox_rest, after the loop was told. True: nothing waits.
 */
bool saga__mailbox_settle(struct saga__mailbox *mailbox, struct saga__items *own,
	struct saga__items *later, bool behind);
void saga__mailbox_rest(struct saga__mailbox *mailbox);
void saga__mailbox_set_behind(struct saga__mailbox *mailbox, bool behind);

/* An item of the queue is not to be tried again before that time: monotonic. */
void saga__mailbox_put_off(
	struct saga__mailbox *mailbox, const struct saga__item *item, int64_t ready);

/* Whether the answer of the call with that parked row waits in the queue. */
bool saga__mailbox_has_answer(struct saga__mailbox *mailbox, saga_id parked);

/* In how many ms an item is ready: 0: now; -1: none waits. `looks`: how many were done. */
int64_t saga__mailbox_ready_in(struct saga__mailbox *mailbox, const size_t *looks);

/* What wakes the lane; an empty one: nothing but time and the end. */
struct saga__wakers {
	bool commands, items;
	const size_t *looks; /* looks that were done: another one is asked; NULL: none counts */
	saga_id answer;      /* of the call with that parked row; zero: of none */
};

/* Waits so long, -1: without end, for what wakes it, or for the end. */
void saga__mailbox_wait(
	struct saga__mailbox *mailbox, const struct saga__wakers *wakers, int64_t ms);

#endif
