#ifndef SHOP_RUN_H
#define SHOP_RUN_H

/*
 * The whole shop in one process: three participants on one loop, joined by an in-process hub, and
 * the provider. It is told its data, is asked what the orders file asks, and runs out.
 */

#include "input.h"
#include "progress.h"
#include "provider.h"
#include "reads.h"
#include "shop.h"

#include <uv.h>

struct run_settings {
	const char *orders;
	const char *products;
	const char *credit; /* NULL: the default rules */
	const char *carrier;
	int64_t restock;
	int64_t lanes;
	int64_t dispatch_ms;
	int64_t deadline_ms;
	int64_t lease_ms;   /* of each service in its store; 0: as the store wants it */
	int64_t patience_s; /* without any progress, then give up */
	struct provider_faults faults;
	struct shop_stores stores;
};

struct run_result {
	size_t refused;  /* lines that had no effect */
	size_t repeated; /* orders that an earlier run had placed */
	double seconds;
	bool is_cut_short;   /* out of patience */
	bool is_interrupted; /* by a signal: there is nothing to audit yet */
};

/* Runs it. 0, or -1 when it could not start or go on, said on stderr. */
int run_shop(const struct run_settings *settings, struct run_result *ret_result);

/* ---- within: run.c has its life, jobs.c asks, progress.c shows ---- */

enum {
	SEAT_ORDER,
	SEAT_PAYMENT,
	SEAT_STOCK,
	SEATS
};

/* A service in this process. Its handlers get the config, its callbacks the seat. */
struct seat {
	union {
		struct order_config order;
		struct payment_config payment;
		struct stock_config stock;
	} config;
	struct run *run;
	saga_participant *participant;
	bool is_stopped;
};

struct run {
	const struct run_settings *settings;
	struct data data;
	struct orders orders;
	struct provider *provider;
	saga_hub *hub;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t signals[2];
	struct seat seats[SEATS];
	struct progress progress;
	struct run_result result;

	size_t told;       /* of the data, in order: goods, countries, credit */
	size_t asked;      /* requests without an answer yet */
	size_t first_open; /* all jobs before it have ended */
	bool is_told;
	bool is_counting;
	int64_t placed, ended; /* orders, as last counted */
	int64_t to_place;      /* orders that the file places, without those that were refused */
	int64_t moved_at;      /* ms of the loop: when something last went on */
	int64_t look_at;
	int idle_looks;
	bool is_stopping, has_failed;
};

/* Both answer whether all was asked and answered. */
bool tell_data(struct run *run);
bool turn_jobs(struct run *run);

/* Asks a participant; false: not now (a full queue, or it stops). `error` says what else. */
bool run_ask(struct run *run, int seat, saga_submission *submission, saga_error *error);

#endif
