#ifndef HAND_H
#define HAND_H

/*
 * The shop's main flow by hand, with what a careful engineer needs for the guarantees that libsaga
 * gives: in each service's file a slot a saga and step (nothing runs twice), an outbox row an event
 * in the same transaction, and the position up to which the other services' events are done.
 */

#include <pthread.h>

#include "hand_wire.h"
#include "shop_rows.h"

enum {
	HAND_QUEUE = 2 * BENCH_WINDOW
};

enum hand_kind {
	HAND_REQUEST,
	HAND_EVENT,
	HAND_ANSWER
};

/* What runs a step: an order to place, another service's event, or the provider's answer. */
struct hand_input {
	enum hand_kind kind;
	enum bench_service source;
	unsigned targets; /* a bit for each service */
	int64_t sequence;
	size_t order;
	uint8_t saga[16];
	int64_t cents;
	char receipt[48];
	size_t size;
	char event[HAND_EVENT_BYTES];
};

/* Each saga has at most two inputs at one service, so a queue of twice the window is never full. */
struct hand_queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	bool closed;
	size_t first;
	size_t count;
	struct hand_input inputs[HAND_QUEUE];
};

struct hand_service;
typedef void hand_step(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *event);

struct hand_service {
	enum bench_service who;
	const struct bench_order *orders;
	struct hand_store store;
	struct hand_queue queue;
	msgpack_sbuffer buffer;

	int64_t sequence;             /* of the outbox */
	int64_t seen[BENCH_SERVICES]; /* positions */
	bool moved[BENCH_SERVICES];
	uint64_t ids;
	uint64_t commits;

	/* What the open batch made: it leaves once the batch is committed. */
	size_t output_count;
	struct hand_input outputs[BENCH_BATCH];
	size_t question_count;
	struct hand_input questions[BENCH_BATCH];

	/* The order service's. */
	size_t placed;
	size_t fulfilled;
	size_t fulfilled_in_batch;
	size_t paid; /* in time: their deadlines are withdrawn */
	size_t paid_in_batch;
};

/* Statements that every service has; a service's own begin at HAND_OWN. */
enum {
	HAND_BEGIN,
	HAND_COMMIT,
	HAND_CLAIM,
	HAND_SETTLE,
	HAND_PUBLISH,
	HAND_MOVE,
	HAND_OWN
};

/* ---- hand_services.c ---- */

/* Makes the service's file with its rows. The service's store says whether it failed. */
void hand_service_open(struct hand_service *s, const struct bench_run *run);

/* Runs the step that the input is for, in the open transaction. */
void hand_service_step(struct hand_service *s, const struct hand_input *input);

/* Whether all is as it must be after `count` orders; else the store has failed. */
void hand_service_check(struct hand_service *s, size_t count);

#endif
