#ifndef POSTGRES_BENCH_H
#define POSTGRES_BENCH_H

/*
 * The shop's main flow on PostgreSQL, a database a service on one server: by hand, with libpq's
 * pipeline mode, and by libsaga.
 */

#include "shop_rows.h"

#include <libpq-fe.h>

struct bench_postgres {
	char urls[BENCH_SERVICES][512];
	const struct bench_order *orders;
	size_t count;
	size_t connections; /* by hand: to each database; else lanes */
	size_t batch;       /* steps a transaction */
	size_t window;      /* sagas in flight, of libsaga */
};

struct bench_cost {
	double seconds;
	uint64_t commits;
	uint64_t round_trips;
	uint64_t statements;
	double p50, p99; /* seconds; of libsaga */
};

/* 0, or -1: said in ret_text. */
int postgres_hand(
	const struct bench_postgres *run, struct bench_cost *ret_cost, char ret_text[BENCH_TEXT]);

#endif
