#include "shop_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const bench_service_names[BENCH_SERVICES] = { "order", "stock", "payment" };

static const char *const schemas[BENCH_SERVICES] = {
	[BENCH_ORDER] = "CREATE TABLE orders (saga BLOB PRIMARY KEY, ref TEXT NOT NULL,"
			"  customer TEXT NOT NULL, country TEXT NOT NULL, total INTEGER NOT NULL,"
			"  state TEXT NOT NULL) WITHOUT ROWID;"
			"CREATE TABLE line (saga BLOB, sku TEXT, quantity INTEGER NOT NULL,"
			"  PRIMARY KEY (saga, sku)) WITHOUT ROWID;",
	[BENCH_STOCK] =
		"CREATE TABLE stock (sku TEXT PRIMARY KEY, free INTEGER NOT NULL) WITHOUT ROWID;"
		"CREATE TABLE carrier (country TEXT PRIMARY KEY) WITHOUT ROWID;"
		"CREATE TABLE parcel (saga BLOB PRIMARY KEY, country TEXT NOT NULL,"
		"  paid INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;"
		"CREATE TABLE line (saga BLOB, sku TEXT, held INTEGER NOT NULL,"
		"  PRIMARY KEY (saga, sku)) WITHOUT ROWID;",
	[BENCH_PAYMENT] = "CREATE TABLE customer (name TEXT PRIMARY KEY, credit INTEGER NOT NULL)"
			  "  WITHOUT ROWID;"
			  "CREATE TABLE charge (saga BLOB PRIMARY KEY, cents INTEGER NOT NULL,"
			  "  receipt TEXT NOT NULL) WITHOUT ROWID;",
};

void bench_rows_path(
	const struct bench_run *run, enum bench_service service, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/%s.db", run->directory, bench_service_names[service]);
}

/* `insert` takes a name, and a number if it likes. */
static void fill(struct hand_store *store, const char *insert, void (*name)(size_t, char *),
	size_t count, int64_t number)
{
	char text[BENCH_NAME], sql[BENCH_TEXT];

	for (size_t i = 0; i < count; i++) {
		name(i, text);
		snprintf(sql, sizeof sql, "INSERT INTO %s VALUES ('%s'", insert, text);
		size_t length = strlen(sql);

		if (number)
			snprintf(sql + length, sizeof sql - length, ", %" PRId64 ")", number);
		else
			snprintf(sql + length, sizeof sql - length, ")");
		hand_store_script(store, sql);
	}
}

void bench_rows_make(struct hand_store *store, enum bench_service service)
{
	hand_store_script(store, "BEGIN");
	hand_store_script(store, schemas[service]);
	if (service == BENCH_STOCK) {
		fill(store, "stock (sku, free)", bench_sku, BENCH_PRODUCTS, BENCH_UNITS);
		fill(store, "carrier (country)", bench_country, BENCH_COUNTRIES, 0);
	} else if (service == BENCH_PAYMENT) {
		fill(store, "customer (name, credit)", bench_customer, BENCH_CUSTOMERS,
			BENCH_CREDIT);
	}
	hand_store_script(store, "COMMIT");
}

void bench_rows_check(struct hand_store *store, enum bench_service service, size_t count)
{
	static const char *const counting[BENCH_SERVICES] = {
		[BENCH_ORDER] = "SELECT count(*) FROM orders WHERE state = 'fulfilled'",
		[BENCH_STOCK] = "SELECT count(*) FROM parcel WHERE state = 'shipped' AND paid = 1",
		[BENCH_PAYMENT] = "SELECT count(*) FROM charge WHERE cents > 0",
	};
	int64_t found = hand_store_number(store, counting[service]);
	char text[BENCH_TEXT];

	if (found != (int64_t)count) {
		snprintf(text, sizeof text, "%s: %" PRId64 " of %zu orders are done",
			bench_service_names[service], found, count);
		hand_store_fail(store, text);
	}
	if (service != BENCH_PAYMENT &&
		hand_store_number(store, "SELECT count(*) FROM line") !=
			(int64_t)count * BENCH_LINES)
		hand_store_fail(store, "lines were lost or made");
	if (service == BENCH_STOCK &&
		hand_store_number(store,
			"SELECT (SELECT sum(free) FROM stock) + (SELECT sum(held) FROM line)") !=
			BENCH_UNITS * BENCH_PRODUCTS)
		hand_store_fail(store, "stock: units were lost or made");
}
