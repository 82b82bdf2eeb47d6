/*
 * By hand: each worker has a connection to each database and takes orders, as many as go into one
 * transaction, through all steps. A transaction is two round trips: all that it reads and writes,
 * and then its events with the commit. There is no bus between the services, no position and no
 * deadline table: less than libsaga does, and less than the services would have to.
 */
#include "postgres_bench.h"

#include "hand_wire.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_MOST = 64,
	VALUES_MOST = 6
};

enum statement {
	BEGIN,
	COMMIT,
	CLAIM,
	SETTLE,
	PUBLISH,
	PLACE,
	LINE,
	FULFIL,
	PARCEL,
	TAKE,
	HOLD,
	CARRIER,
	SHIP,
	HELD,
	CREDIT,
	ASK,
	ANSWERED,
	CHARGE,
	STATEMENTS
};

static const struct {
	const char *sql;
	unsigned services; /* a bit for each */
} statements[STATEMENTS] = {
	[BEGIN] = { "BEGIN", 7 },
	[COMMIT] = { "COMMIT", 7 },
	[CLAIM] = { "INSERT INTO slot (saga, step, state, at) VALUES ($1, $2, $3, $4)"
		    " ON CONFLICT DO NOTHING",
		7 },
	[SETTLE] = { "UPDATE slot SET state = 'done' WHERE saga = $1 AND step = $2"
		     " AND state = 'trying'",
		7 },
	[PUBLISH] = { "INSERT INTO outbox (saga, event) VALUES ($1, $2)", 7 },
	[PLACE] = { "INSERT INTO orders (saga, ref, customer, country, total, state)"
		    " VALUES ($1, $2, $3, $4, $5, 'placed')",
		1 << BENCH_ORDER },
	[LINE] = { "INSERT INTO line (saga, sku, quantity) VALUES ($1, $2, $3)", 1 << BENCH_ORDER },
	[FULFIL] = { "UPDATE orders SET state = 'fulfilled' WHERE saga = $1 AND state = 'placed'",
		1 << BENCH_ORDER },
	[PARCEL] = { "INSERT INTO parcel (saga, country, paid, state)"
		     " VALUES ($1, $2, 0, 'reserved')",
		1 << BENCH_STOCK },
	[TAKE] = { "UPDATE stock SET free = free - $1 WHERE sku = $2 AND free >= $1",
		1 << BENCH_STOCK },
	[HOLD] = { "INSERT INTO line (saga, sku, held) VALUES ($1, $2, $3)", 1 << BENCH_STOCK },
	[CARRIER] = { "SELECT count(*) FROM parcel JOIN carrier USING (country) WHERE saga = $1",
		1 << BENCH_STOCK },
	[SHIP] = { "UPDATE parcel SET paid = 1, state = 'shipped' WHERE saga = $1"
		   " AND state = 'reserved'",
		1 << BENCH_STOCK },
	[HELD] = { "SELECT sku, held FROM line WHERE saga = $1 ORDER BY sku", 1 << BENCH_STOCK },
	[CREDIT] = { "SELECT 1 FROM customer WHERE name = $1 AND credit >= $2",
		1 << BENCH_PAYMENT },
	[ASK] = { "INSERT INTO question (saga, cents, due) VALUES ($1, $2, $3)",
		1 << BENCH_PAYMENT },
	[ANSWERED] = { "DELETE FROM question WHERE saga = $1", 1 << BENCH_PAYMENT },
	[CHARGE] = { "INSERT INTO charge (saga, cents, receipt) VALUES ($1, $2, $3)",
		1 << BENCH_PAYMENT },
};

struct worker {
	const struct bench_postgres *run;
	atomic_size_t *next;
	pthread_t thread;
	PGconn *conns[BENCH_SERVICES];
	PGconn *conn; /* of the step's service */
	size_t sent;
	uint64_t commits, round_trips, statements;
	msgpack_sbuffer buffer;
	bool failed;
	char text[BENCH_TEXT];
	const struct bench_order *orders[BATCH_MOST];
	uint8_t sagas[BATCH_MOST][16];
	size_t count;
};

static void fail(struct worker *w, const char *why)
{
	if (!w->failed)
		snprintf(w->text, sizeof w->text, "%.400s", why);
	w->failed = true;
}

static void put64(char to[8], int64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		to[i] = (char)(number & 255);
}

/* Values by the letters of `kinds`: s a saga's id, i an int64_t, t a text, b a pointer and size. */
static void add(struct worker *w, enum statement which, const char *kinds, ...)
{
	const char *values[VALUES_MOST];
	char numbers[VALUES_MOST][8], name[8];
	int sizes[VALUES_MOST], formats[VALUES_MOST], n = 0;
	va_list list;

	va_start(list, kinds);
	for (; *kinds; kinds++, n++) {
		formats[n] = *kinds != 't';
		sizes[n] = *kinds == 's' ? 16 : 8;
		if (*kinds == 'i') {
			put64(numbers[n], va_arg(list, int64_t));
			values[n] = numbers[n];
		} else {
			values[n] = va_arg(list, const char *);
		}
		if (*kinds == 'b')
			sizes[n] = (int)va_arg(list, size_t);
	}
	va_end(list);
	snprintf(name, sizeof name, "s%d", (int)which);
	if (!w->failed && !PQsendQueryPrepared(w->conn, name, n, values, sizes, formats, 1))
		fail(w, PQerrorMessage(w->conn));
	w->sent++;
	w->statements++;
}

/* Each statement must have changed or found one row, or (`held`) three. */
static void take(struct worker *w, PGresult *result)
{
	const char *tag = PQcmdStatus(result);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail(w, PQresultErrorMessage(result));
	else if (strcmp(tag, "BEGIN") != 0 && strcmp(tag, "COMMIT") != 0 &&
		strcmp(PQcmdTuples(result), "1") != 0 && strcmp(PQcmdTuples(result), "3") != 0)
		fail(w, "a statement did not do what it must");
}

static void wait(struct worker *w)
{
	PGresult *result;

	if (!w->failed && !PQpipelineSync(w->conn))
		fail(w, PQerrorMessage(w->conn));
	w->round_trips++;
	for (; w->sent && !w->failed; w->sent--)
		while ((result = PQgetResult(w->conn))) {
			take(w, result);
			PQclear(result);
		}
	if (!w->failed)
		PQclear(PQgetResult(w->conn));
	w->sent = 0;
}

static void begin(struct worker *w, enum bench_service service)
{
	w->conn = w->conns[service];
	add(w, BEGIN, "");
}

static void publish(struct worker *w, size_t i, const char *type)
{
	const struct bench_order *order = w->orders[i];
	struct hand_event event = { .total = order->total, .line_count = BENCH_LINES };

	memcpy(event.saga, w->sagas[i], sizeof event.saga);
	snprintf(event.type, sizeof event.type, "%s", type);
	snprintf(event.source, sizeof event.source, "hand");
	memcpy(event.customer, order->customer, sizeof event.customer);
	memcpy(event.country, order->country, sizeof event.country);
	memcpy(event.lines, order->lines, sizeof event.lines);
	hand_encode(&w->buffer, &event);
	add(w, PUBLISH, "sb", w->sagas[i], w->buffer.data, w->buffer.size);
}

static void commit(struct worker *w, const char *type)
{
	wait(w);
	for (size_t i = 0; type && i < w->count; i++)
		publish(w, i, type);
	add(w, COMMIT, "");
	wait(w);
	w->commits++;
}

/* ---- the steps ---- */

static void claim(struct worker *w, size_t i, const char *step, const char *state)
{
	add(w, CLAIM, "stti", w->sagas[i], step, state, INT64_C(1700000000000));
}

static void place(struct worker *w)
{
	begin(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		const struct bench_order *order = w->orders[i];

		claim(w, i, "place", "done");
		add(w, PLACE, "sttti", w->sagas[i], order->key, order->customer, order->country,
			order->total);
		for (size_t k = 0; k < BENCH_LINES; k++)
			add(w, LINE, "sti", w->sagas[i], order->lines[k].sku,
				order->lines[k].quantity);
	}
	commit(w, "order.placed");
}

static int by_sku(const void *a, const void *b)
{
	const struct bench_line *const *left = a, *const *right = b;

	return strcmp((*left)->sku, (*right)->sku);
}

/* The goods in one order for all workers: else they deadlock. */
static void reserve(struct worker *w)
{
	const struct bench_line *lines[BATCH_MOST * BENCH_LINES];
	size_t count = 0;

	begin(w, BENCH_STOCK);
	for (size_t i = 0; i < w->count; i++) {
		claim(w, i, "reserve", "done");
		add(w, PARCEL, "st", w->sagas[i], w->orders[i]->country);
		for (size_t k = 0; k < BENCH_LINES; k++) {
			lines[count++] = &w->orders[i]->lines[k];
			add(w, HOLD, "sti", w->sagas[i], w->orders[i]->lines[k].sku,
				w->orders[i]->lines[k].quantity);
		}
	}
	qsort(lines, count, sizeof lines[0], by_sku);
	for (size_t i = 0; i < count; i++)
		add(w, TAKE, "it", lines[i]->quantity, lines[i]->sku);
	commit(w, "stock.reserved");
}

static void ask(struct worker *w)
{
	begin(w, BENCH_PAYMENT);
	for (size_t i = 0; i < w->count; i++) {
		claim(w, i, "charge", "trying");
		add(w, CREDIT, "ti", w->orders[i]->customer, w->orders[i]->total);
		add(w, ASK, "sii", w->sagas[i], w->orders[i]->total, INT64_C(1700000000000));
	}
	commit(w, NULL);
}

static void charge(struct worker *w)
{
	begin(w, BENCH_PAYMENT);
	for (size_t i = 0; i < w->count; i++) {
		char receipt[48];

		bench_provider_charge(w->orders[i]->key, w->orders[i]->total, receipt);
		add(w, SETTLE, "st", w->sagas[i], "charge");
		add(w, ANSWERED, "s", w->sagas[i]);
		add(w, CHARGE, "sit", w->sagas[i], w->orders[i]->total, receipt);
	}
	commit(w, "payment.charged");
}

static void ship(struct worker *w)
{
	begin(w, BENCH_STOCK);
	for (size_t i = 0; i < w->count; i++) {
		claim(w, i, "ship", "done");
		add(w, CARRIER, "s", w->sagas[i]);
		add(w, SHIP, "s", w->sagas[i]);
		add(w, HELD, "s", w->sagas[i]);
	}
	commit(w, "shipment.created");
}

static void fulfil(struct worker *w)
{
	begin(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		claim(w, i, "fulfil", "done");
		add(w, FULFIL, "s", w->sagas[i]);
	}
	commit(w, "order.fulfilled");
}

/* ---- its life ---- */

static void *work(void *context)
{
	struct worker *w = context;

	while (!w->failed) {
		size_t first = atomic_fetch_add(w->next, w->run->batch);

		for (w->count = 0; w->count < w->run->batch && first + w->count < w->run->count;
			w->count++) {
			w->orders[w->count] = &w->run->orders[first + w->count];
			memset(w->sagas[w->count], 0, 16);
			put64((char *)w->sagas[w->count] + 8, (int64_t)(first + w->count) + 1);
		}
		if (!w->count)
			break;
		place(w);
		reserve(w);
		ask(w);
		charge(w);
		ship(w);
		fulfil(w);
	}
	return NULL;
}

static void connect_to(struct worker *w, enum bench_service service)
{
	PGconn *conn = w->conns[service] = PQconnectdb(w->run->urls[service]);
	char name[8];

	if (PQstatus(conn) != CONNECTION_OK)
		fail(w, PQerrorMessage(conn));
	for (int i = 0; i < STATEMENTS && !w->failed; i++) {
		PGresult *result;

		if (!(statements[i].services & 1u << service))
			continue;
		snprintf(name, sizeof name, "s%d", i);
		result = PQprepare(conn, name, statements[i].sql, 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail(w, PQresultErrorMessage(result));
		PQclear(result);
	}
	if (!w->failed && !PQenterPipelineMode(conn))
		fail(w, PQerrorMessage(conn));
}

static void make_tables(struct worker *w, enum bench_service service)
{
	PGresult *result;
	PGconn *conn = PQconnectdb(w->run->urls[service]);

	result = PQexec(conn,
		"CREATE TABLE slot (saga BYTEA, step TEXT, state TEXT NOT NULL,"
		" at BIGINT NOT NULL, PRIMARY KEY (saga, step));"
		"CREATE TABLE outbox (sequence BIGSERIAL PRIMARY KEY, saga BYTEA NOT NULL,"
		" event BYTEA NOT NULL);"
		"CREATE TABLE question (saga BYTEA PRIMARY KEY, cents BIGINT NOT NULL,"
		" due BIGINT NOT NULL); CREATE INDEX question_due ON question (due)");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(w, PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

int postgres_hand(
	const struct bench_postgres *run, struct bench_cost *ret_cost, char ret_text[BENCH_TEXT])
{
	struct worker *workers = calloc(run->connections, sizeof *workers);
	struct bench_cost cost = { 0 };
	atomic_size_t next = 0;
	bool failed = false;
	double start;

	if (!workers)
		return -1;
	for (size_t i = 0; i < run->connections; i++) {
		struct worker *w = &workers[i];

		w->run = run;
		w->next = &next;
		msgpack_sbuffer_init(&w->buffer);
		for (int s = 0; s < BENCH_SERVICES; s++) {
			if (i == 0)
				make_tables(w, (enum bench_service)s);
			connect_to(w, (enum bench_service)s);
		}
	}
	start = bench_seconds();
	for (size_t i = 0; i < run->connections; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (size_t i = 0; i < run->connections; i++)
		pthread_join(workers[i].thread, NULL);
	cost.seconds = bench_seconds() - start;
	for (size_t i = 0; i < run->connections; i++) {
		struct worker *w = &workers[i];

		cost.commits += w->commits;
		cost.round_trips += w->round_trips;
		cost.statements += w->statements;
		if (w->failed && !failed)
			snprintf(ret_text, BENCH_TEXT, "%s", w->text);
		failed = failed || w->failed;
		for (int s = 0; s < BENCH_SERVICES; s++)
			PQfinish(w->conns[s]);
		msgpack_sbuffer_destroy(&w->buffer);
	}
	free(workers);
	*ret_cost = cost;
	return failed ? -1 : 0;
}
