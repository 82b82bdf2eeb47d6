#include "shop_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* splitmix64: the same orders on every machine. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void bench_sku(size_t i, char ret_sku[BENCH_NAME])
{
	snprintf(ret_sku, BENCH_NAME, "product-%02u", (unsigned)(i % BENCH_PRODUCTS));
}

void bench_customer(size_t i, char ret_customer[BENCH_NAME])
{
	snprintf(ret_customer, BENCH_NAME, "CUST%02u", (unsigned)(i % BENCH_CUSTOMERS));
}

void bench_country(size_t i, char ret_country[BENCH_NAME])
{
	i %= BENCH_COUNTRIES;
	snprintf(ret_country, BENCH_NAME, "%c%c", (char)('A' + (char)i), (char)('Z' - (char)i));
}

static void make_order(size_t number, struct bench_order *ret_order)
{
	uint64_t random = mix(number);
	size_t first = (size_t)(random % BENCH_PRODUCTS);

	snprintf(ret_order->key, sizeof ret_order->key, "order-%06zu", number % 1000000);
	bench_customer((size_t)(random >> 8), ret_order->customer);
	bench_country((size_t)(random >> 16), ret_order->country);
	ret_order->total = 0;
	for (size_t i = 0; i < BENCH_LINES; i++) {
		struct bench_line *line = &ret_order->lines[i];

		bench_sku(first + i * 25, line->sku);
		line->quantity = 1 + (int64_t)((random >> (24 + 8 * i)) % 10);
		ret_order->total += line->quantity * 1295;
	}
}

struct bench_order *bench_orders(size_t count)
{
	struct bench_order *orders = calloc(count, sizeof *orders);

	for (size_t i = 0; orders && i < count; i++)
		make_order(i, &orders[i]);
	return orders;
}

void bench_provider_charge(const char *key, int64_t cents, char ret_receipt[48])
{
	uint64_t sum = (uint64_t)cents;

	for (const char *c = key; *c; c++)
		sum = mix(sum ^ (unsigned char)*c);
	snprintf(ret_receipt, 48, "receipt-%016" PRIx64, sum);
}

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_cpu_seconds(void)
{
	return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_seconds(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}
