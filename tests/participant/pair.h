#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

/*
 * Two participants that do all that there is: order and payment place, charge by an outside call,
 * settle, schedule, retry and reject; then take it back. pair_run sees to it that it ends well,
 * whatever fails once on the way: it asks again with the same key, opens again what has stopped
 * with one of the codes that may be, and looks that nothing was done twice or left out.
 */

#include <saga/plugin.h>
#include <saga/saga.h>

#include <check.h>
#include <pthread.h>
#include <uv.h>

enum {
	PAIR_DEADLINE_MS = 30000,
	PAIR_ASKED = 256, /* the most requests of one run */
	PAIR_CALLS = 64
};

struct pair_service {
	struct pair *pair;
	const saga_participant_def *def;
	const char *follower;
	saga_participant *participant; /* NULL: not open */
	bool stopped;
	int why;
	void *db; /* to look into it */
};

struct pair_asked {
	struct pair *pair;
	bool accepted;
	int times;
	int code;
	saga_id saga;
	bool told; /* the event that was published, too */
};

struct pair {
	/* set by the test; all may be zero */
	int lanes;
	const saga_store_ops *store_ops; /* "fault" */
	void *store_context;
	const saga_transport_ops *transport_ops; /* "odd" */
	void *transport_context;
	void (*enter)(void), (*leave)(void); /* around each call of the library */
	const int *excused;                  /* codes that may be answered, ended by 0 */
	bool may_end_otherwise;              /* a slot may be dead or stuck in the end */
	const char *label;                   /* what fails, for messages */

	char dir[48];
	uv_loop_t loop;
	uv_timer_t tick;
	saga_hub *hub;
	struct pair_service order, payment;
	struct pair_asked asked[PAIR_ASKED];
	int asked_count;
	int excuses; /* errors that were answered */
	int reopened;
	saga_id saga;

	pthread_mutex_t lock; /* of the provider */
	char done[PAIR_CALLS][SAGA_ID_TEXT + 8];
	int done_count;
};

/* Zeroes, but for what a test sets afterwards. */
void pair_init(struct pair *pair);

/* From nothing to closed; the files are left, for pair_remove. */
void pair_run(struct pair *pair);
void pair_remove(struct pair *pair);

/* "DIR/order.db" */
const char *pair_path(const struct pair *pair, char path[96]);

#endif
