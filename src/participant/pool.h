#ifndef SAGA_PARTICIPANT_POOL_H
#define SAGA_PARTICIPANT_POOL_H

/* The bounded pool of threads on which outside calls are made. */

#include <uv.h>

#include "../step/call.h"

struct saga__pool {
	/* The call was made, whatever came of it; the host's now. A thread of the pool. */
	void (*made)(void *host, struct saga__call *call);
	/* It is no longer in the pool's load. A thread of the pool. */
	void (*ended)(void *host);
	void *host;
	int most; /* threads */
	uv_thread_t *threads;

	/* under the lock */
	uv_mutex_t lock;
	uv_cond_t filled;
	struct saga__call *first, **end;
	saga_id *making; /* by thread: the row of its call, or zero */
	size_t waiting;  /* calls that no thread has taken */
	int count;       /* threads there are */
	size_t begun;    /* threads that have their number */
	int resting;     /* threads that wait for work */
	bool waking;     /* one of them was told, and is not awake yet */
	size_t load;     /* calls that wait or are made */
	bool stopping;
};

int saga__pool_init(struct saga__pool *pool, int most,
	void (*made)(void *host, struct saga__call *call), void (*ended)(void *host), void *host);

/*
 * Gives it a call; it is the pool's. A thread is started when none rests. One that was asked for
 * again while it waits or is made is dropped. NOMEM: no thread at all; the call is the caller's.
 */
int saga__pool_push(struct saga__pool *pool, struct saga__call *call);

/* Calls that wait or are made. Any thread. */
size_t saga__pool_load(struct saga__pool *pool);

/* Drops what waits: its rows in the store ask again after the restart. */
void saga__pool_drop(struct saga__pool *pool);

/* Waits for its threads to end, after all calls were made. Frees what is left. */
void saga__pool_free(struct saga__pool *pool);

#endif
