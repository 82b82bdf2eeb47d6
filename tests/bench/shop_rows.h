#ifndef SHOP_ROWS_H
#define SHOP_ROWS_H

/*
 * The services' own rows, and the statements that the steps of every variant run on them: what
 * differs between variants is only how a step is kept to run once, and its event to leave.
 */

#include "hand_store.h"

enum bench_service {
	BENCH_ORDER,
	BENCH_STOCK,
	BENCH_PAYMENT,
	BENCH_SERVICES
};

extern const char *const bench_service_names[BENCH_SERVICES];

/* For a service's transaction: which deadline an order has to be paid. */
#define BENCH_PAY_WITHIN_MS INT64_C(900000)

#define ROWS_PLACE \
	"INSERT INTO orders (saga, ref, customer, country, total, state)" \
	" VALUES (?, ?, ?, ?, ?, 'placed')"
#define ROWS_LINE "INSERT INTO line (saga, sku, quantity) VALUES (?, ?, ?)"
#define ROWS_FULFIL "UPDATE orders SET state = 'fulfilled' WHERE saga = ? AND state = 'placed'"

#define ROWS_PARCEL "INSERT INTO parcel (saga, country, paid, state) VALUES (?, ?, 0, 'reserved')"
#define ROWS_TAKE "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?"
#define ROWS_HOLD "INSERT INTO line (saga, sku, held) VALUES (?, ?, ?)"
#define ROWS_CARRIER "SELECT count(*) FROM parcel JOIN carrier USING (country) WHERE saga = ?"
#define ROWS_SERVED "SELECT 1 FROM parcel JOIN carrier USING (country) WHERE saga = ?"
#define ROWS_SHIP \
	"UPDATE parcel SET paid = 1, state = 'shipped' WHERE saga = ? AND state = 'reserved'"
#define ROWS_HELD "SELECT sku, held AS quantity FROM line WHERE saga = ? ORDER BY sku"

#define ROWS_CREDIT "SELECT credit FROM customer WHERE name = ?"
#define ROWS_CREDIT_FOR "SELECT 1 FROM customer WHERE name = ? AND credit >= ?"
#define ROWS_CHARGE "INSERT INTO charge (saga, cents, receipt) VALUES (?, ?, ?)"

/* Where a service's file is. */
void bench_rows_path(
	const struct bench_run *run, enum bench_service service, char *ret_path, size_t size);

/* Makes the service's tables and fills in what is there before the first order. */
void bench_rows_make(struct hand_store *store, enum bench_service service);

/* Whether the rows are as they must be after `count` orders; else the store has failed. */
void bench_rows_check(struct hand_store *store, enum bench_service service, size_t count);

#endif
