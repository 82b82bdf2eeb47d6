#ifndef SHOP_BENCH_H
#define SHOP_BENCH_H

/*
 * The shop's main flow as a benchmark: place, reserve, charge, ship, fulfil, for orders of three
 * lines that all go well. Each variant does it with one SQLite file a service on the same disk, in
 * WAL with synchronous=FULL, and asks the same payment provider.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BENCH_LINES = 3,
	BENCH_PRODUCTS = 77,
	BENCH_CUSTOMERS = 91,
	BENCH_COUNTRIES = 21,
	BENCH_NAME = 16,
	BENCH_TEXT = 512,
	BENCH_BATCH = 256,
	BENCH_WINDOW = 1024, /* sagas in flight */
	BENCH_STEPS = 7      /* of a saga: place, reserve, ask, charge, ship, fulfil, withdraw */
};

struct bench_line {
	char sku[BENCH_NAME];
	int64_t quantity;
};

struct bench_order {
	char key[BENCH_NAME];
	char customer[BENCH_NAME];
	char country[BENCH_NAME];
	int64_t total;
	struct bench_line lines[BENCH_LINES];
};

/* Units of each product at the start, and each customer's credit: enough for any run. */
#define BENCH_UNITS INT64_C(1000000000)
#define BENCH_CREDIT INT64_C(1000000000000)

/* The i-th of what an order may name, in [0, BENCH_PRODUCTS) and so on. */
void bench_sku(size_t i, char ret_sku[BENCH_NAME]);
void bench_customer(size_t i, char ret_customer[BENCH_NAME]);
void bench_country(size_t i, char ret_country[BENCH_NAME]);

/* Always the same orders for a count; free() them. NULL: no memory. */
struct bench_order *bench_orders(size_t count);

/* The payment provider: in this process, at once, and for one key always the same receipt. */
void bench_provider_charge(const char *key, int64_t cents, char ret_receipt[48]);

double bench_seconds(void);
double bench_cpu_seconds(void);

/* One run, in an empty directory of its own. */
struct bench_run {
	const char *directory;
	const struct bench_order *orders;
	size_t count;
	size_t batch;            /* the most steps in one transaction, at most BENCH_BATCH */
	bool threads;            /* one a service */
	const char *const *urls; /* of stores whose rows are there; NULL: files of its own */
	size_t lanes;            /* a service; 0: as `threads` says */
	size_t window;           /* 0: BENCH_WINDOW */
};

/* From the first order to the last commit: without making schemas and closing. */
struct bench_result {
	double seconds;
	double cpu; /* seconds of all threads, user and system */
	uint64_t commits;
	uint64_t statements;
	uint64_t round_trips; /* of libsaga on a server */
	double p50, p99;      /* seconds from an order's submission to its end; libsaga's */
};

/*
 * Places all orders and returns when all are fulfilled and committed, having checked that they are.
 * 0, or -1 with the reason in ret_text.
 */
typedef int bench_fn(
	const struct bench_run *run, struct bench_result *ret_result, char ret_text[BENCH_TEXT]);

bench_fn hand_run, saga_run_shop;

#endif
