/* The benchmark on PostgreSQL: databases made anew for each run, and what is said of it. */
#include "postgres_bench.h"

#include "shop_bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct variant {
	const char *name, *text;
	bool by_hand;
	size_t connections, batch, window;
};

/* A variant is a line. */
static const struct variant variants[] = {
	{ "hand-1", "a transaction a step, 1 connection", true, 1, 1, 1 },
	{ "hand-4", "the same, 4 connections", true, 4, 1, 4 },
	{ "hand-16", "the same, 16 connections", true, 16, 1, 16 },
	{ "hand-4x16", "16 steps a transaction, 4 connections", true, 4, 16, 64 },
	{ "saga-one", "libsaga, one saga at a time", false, 1, 64, 1 },
	{ "saga", "libsaga, 64 in flight, 1 lane a service", false, 1, 64, 64 },
	{ "saga-2", "the same, 2 lanes", false, 2, 64, 64 },
	{ "saga-4", "the same, 4 lanes", false, 4, 64, 64 },
};

enum {
	VARIANTS = sizeof variants / sizeof variants[0],
	ROUNDS = 9
};

struct options {
	const char *server;
	const char *only;
	size_t sagas, rounds;
};

struct figures {
	double rate, commits, round_trips, statements, wal, p50, p99;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "postgres_bench: %s: %s\n", what, why);
	return -1;
}

/* ---- databases ---- */

/* The first column of the last row as a number. */
static int ask(const char *url, const char *sql, int64_t *ret_number)
{
	PGconn *conn = PQconnectdb(url);
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);
	int code = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		code = fail(sql, PQerrorMessage(conn));
	else if (ret_number && PQntuples(result) > 0)
		*ret_number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(conn);
	return code;
}

static const char *const schemas[BENCH_SERVICES] = {
	[BENCH_ORDER] = "CREATE TABLE orders (saga BYTEA PRIMARY KEY, ref TEXT NOT NULL,"
			" customer TEXT NOT NULL, country TEXT NOT NULL, total BIGINT NOT NULL,"
			" state TEXT NOT NULL);"
			"CREATE TABLE line (saga BYTEA, sku TEXT, quantity BIGINT NOT NULL,"
			" PRIMARY KEY (saga, sku))",
	[BENCH_STOCK] = "CREATE TABLE stock (sku TEXT PRIMARY KEY, free BIGINT NOT NULL);"
			"CREATE TABLE carrier (country TEXT PRIMARY KEY);"
			"CREATE TABLE parcel (saga BYTEA PRIMARY KEY, country TEXT NOT NULL,"
			" paid BIGINT NOT NULL, state TEXT NOT NULL);"
			"CREATE TABLE line (saga BYTEA, sku TEXT, held BIGINT NOT NULL,"
			" PRIMARY KEY (saga, sku))",
	[BENCH_PAYMENT] = "CREATE TABLE customer (name TEXT PRIMARY KEY, credit BIGINT NOT NULL);"
			  "CREATE TABLE charge (saga BYTEA PRIMARY KEY, cents BIGINT NOT NULL,"
			  " receipt TEXT NOT NULL)",
};

static int fill(const char *url, const char *table, void (*name)(size_t, char *), size_t count,
	const char *more)
{
	char sql[256], text[BENCH_NAME];
	int code = 0;

	for (size_t i = 0; code == 0 && i < count; i++) {
		name(i, text);
		snprintf(sql, sizeof sql, "INSERT INTO %s VALUES ('%s'%s)", table, text, more);
		code = ask(url, sql, NULL);
	}
	return code;
}

static int make(const struct options *options, struct bench_postgres *run)
{
	for (int i = 0; i < BENCH_SERVICES; i++) {
		const char *name = bench_service_names[i];
		int size = (int)(strrchr(options->server, '/') - options->server);
		char sql[128];

		snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS bench_%s WITH (FORCE)", name);
		if (ask(options->server, sql, NULL) != 0)
			return -1;
		snprintf(sql, sizeof sql, "CREATE DATABASE bench_%s", name);
		snprintf(run->urls[i], sizeof run->urls[i], "%.*s/bench_%s", size, options->server,
			name);
		if (ask(options->server, sql, NULL) != 0 ||
			ask(run->urls[i], schemas[i], NULL) != 0)
			return -1;
	}
	if (fill(run->urls[BENCH_STOCK], "stock", bench_sku, BENCH_PRODUCTS, ", 1000000000") != 0 ||
		fill(run->urls[BENCH_STOCK], "carrier", bench_country, BENCH_COUNTRIES, "") != 0)
		return -1;
	return fill(run->urls[BENCH_PAYMENT], "customer", bench_customer, BENCH_CUSTOMERS,
		", 1000000000000");
}

/* Whether all is as it must be. */
static int check(const struct bench_postgres *run)
{
	static const char *const counts[BENCH_SERVICES] = {
		[BENCH_ORDER] = "SELECT count(*) FROM orders WHERE state = 'fulfilled'",
		[BENCH_STOCK] = "SELECT count(*) FROM parcel WHERE state = 'shipped' AND paid = 1",
		[BENCH_PAYMENT] = "SELECT count(*) FROM charge WHERE cents > 0",
	};
	int64_t number = -1;

	for (int i = 0; i < BENCH_SERVICES; i++)
		if (ask(run->urls[i], counts[i], &number) != 0 || number != (int64_t)run->count)
			return fail(bench_service_names[i], "not all orders are done");
	if (ask(run->urls[BENCH_STOCK],
		    "SELECT (SELECT sum(free) FROM stock) + (SELECT sum(held) FROM line)",
		    &number) != 0 ||
		number != BENCH_UNITS * BENCH_PRODUCTS)
		return fail("stock", "units were lost or made");
	return 0;
}

/* ---- running ---- */

static int by_library(
	const struct bench_postgres *run, struct bench_cost *ret_cost, char text[BENCH_TEXT])
{
	const char *urls[BENCH_SERVICES];
	struct bench_run saga = { .orders = run->orders,
		.count = run->count,
		.batch = run->batch,
		.threads = true,
		.urls = urls,
		.lanes = run->connections,
		.window = run->window };
	struct bench_result result;

	for (int i = 0; i < BENCH_SERVICES; i++)
		urls[i] = run->urls[i];
	if (saga_run_shop(&saga, &result, text) != 0)
		return -1;
	*ret_cost = (struct bench_cost){ result.seconds, result.commits, result.round_trips,
		/* and each transaction's begin and end */
		result.statements + 2 * result.commits, result.p50, result.p99 };
	return 0;
}

static int run_once(const struct options *options, const struct variant *variant,
	const struct bench_order *orders, struct figures *ret_figures)
{
	struct bench_postgres run = { .orders = orders,
		.count = options->sagas,
		.connections = variant->connections,
		.batch = variant->batch,
		.window = variant->window };
	char text[BENCH_TEXT] = "";
	struct bench_cost cost;
	int64_t before = 0, after = 0;
	double sagas = (double)run.count;

	if (make(options, &run) != 0 || ask(options->server, "CHECKPOINT", NULL) != 0 ||
		ask(options->server, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn", &before) != 0)
		return -1;
	if ((variant->by_hand ? postgres_hand : by_library)(&run, &cost, text) != 0)
		return fail(variant->name, text);
	if (ask(options->server, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn", &after) != 0 ||
		check(&run) != 0)
		return -1;
	*ret_figures = (struct figures){ sagas / cost.seconds, (double)cost.commits / sagas,
		(double)cost.round_trips / sagas, (double)cost.statements / sagas,
		(double)(after - before) / sagas, 1000 * cost.p50, 1000 * cost.p99 };
	return 0;
}

static int by_rate(const void *a, const void *b)
{
	const struct figures *left = a, *right = b;

	return (left->rate > right->rate) - (left->rate < right->rate);
}

static void say(const struct options *options, struct figures all[VARIANTS][ROUNDS])
{
	double bases[3] = { 0 };

	for (size_t i = 0; i < VARIANTS; i++) {
		qsort(all[i], options->rounds, sizeof all[i][0], by_rate);
		for (int k = 0; k < 3; k++)
			if (strcmp(variants[i].name,
				    (const char *[]){ "hand-1", "hand-16", "hand-4x16" }[k]) == 0)
				bases[k] = all[i][options->rounds / 2].rate;
	}
	printf("%zu orders of %d lines, median of %zu rounds; PostgreSQL, a database a service\n",
		options->sagas, BENCH_LINES, options->rounds);
	printf("%-10s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "variant", "sagas/s", "/hand-1",
		"/hand-16", "/4x16", "commits", "trips", "stmts", "WAL", "p50 ms", "p99 ms");
	for (size_t i = 0; i < VARIANTS; i++) {
		const struct figures *f = &all[i][options->rounds / 2];

		if (f->rate <= 0)
			continue;
		printf("%-10s %8.0f", variants[i].name, f->rate);
		for (int k = 0; k < 3; k++)
			printf(" %8.2f", bases[k] > 0 ? f->rate / bases[k] : 0.0);
		printf(" %8.2f %8.2f %8.1f %8.0f", f->commits, f->round_trips, f->statements,
			f->wal);
		if (f->p50 > 0)
			printf(" %8.1f %8.1f", f->p50, f->p99);
		else
			printf(" %8s %8s", "", "");
		printf("  %s\n", variants[i].text);
	}
	printf("commits, trips (round trips to the server), statements and bytes of WAL: for one"
	       " saga\np50, p99: from an order's submission to the commit of its last step\n");
}

static bool read_count(const char *text, size_t most, size_t *ret_count)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || value < 1 || (size_t)value > most || *end)
		return false;
	*ret_count = (size_t)value;
	return true;
}

static bool read_options(int argc, char **argv, struct options *options)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--server") == 0)
			options->server = value;
		else if (strcmp(name, "--only") == 0)
			options->only = value;
		else if (strcmp(name, "--sagas") == 0 && read_count(value, 999999, &options->sagas))
			;
		else if (strcmp(name, "--rounds") != 0 ||
			!read_count(value, ROUNDS, &options->rounds))
			return false;
	}
	return argc % 2 == 1;
}

/* One of those that commas separate. */
static bool is_wanted(const struct options *options, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = options->only; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, size) == 0 && (at[size] == ',' || !at[size]))
			return true;
	}
	return !options->only;
}

/* Its last part is a database's name, which the names of those that are made take the place of. */
static bool names_database(const char *url)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

	return path && path[1] && path[1] != '?' && !strchr(path + 1, '/');
}

int main(int argc, char **argv)
{
	static struct figures all[VARIANTS][ROUNDS];
	struct options options = {
		.server = getenv("SAGA_TEST_POSTGRES"), .sagas = 2000, .rounds = 3
	};
	struct bench_order *orders;
	int code = 0;

	if (!read_options(argc, argv, &options)) {
		fprintf(stderr,
			"usage: postgres_bench [--server URL] [--sagas N] [--rounds N]"
			" [--only VARIANT,...]\nThe server's databases bench_order,"
			" bench_stock and bench_payment are made anew.\n");
		return 2;
	}
	if (!options.server) {
		printf("SKIP: neither --server nor SAGA_TEST_POSTGRES names a server\n");
		return 77;
	}
	if (!names_database(options.server)) {
		fprintf(stderr,
			"postgres_bench: --server: postgres://USER@HOST/DATABASE is wanted, a "
			"database to connect to while the others are made\n");
		return 2;
	}
	if (!(orders = bench_orders(options.sagas)))
		return 1;
	for (size_t round = 0; code == 0 && round < options.rounds; round++)
		for (size_t i = 0; code == 0 && i < VARIANTS; i++)
			if (is_wanted(&options, variants[i].name))
				code = run_once(&options, &variants[i], orders, &all[i][round]);
	if (code == 0)
		say(&options, all);
	free(orders);
	return code == 0 ? 0 : 1;
}
