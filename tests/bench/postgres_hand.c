/*
 * By hand: each worker has a connection to each database and takes orders, as many as go into one
 * transaction, through all steps. It has what such services need to be right, and no more:
 *
 * - a slot a saga and step, so that nothing runs twice; with the request's digest
 * - an outbox row an event, in its step's transaction, and out of it again in a later one, once who
 *   handles the event has committed: what a crash leaves there would be sent again
 * - the deadline until which an order must be paid, and the question that the provider is asked
 *
 * A transaction is two round trips: all that it reads and writes, and then its events with the
 * commit. An event goes from step to step in memory, encoded; there is no bus.
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
	SENT,
	ALL_SENT,
	PLACE,
	LINE,
	DEADLINE,
	IN_TIME,
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
	[CLAIM] = { "INSERT INTO slot (saga, step, state, at, digest) VALUES ($1, $2, $3, $4, $5)"
		    " ON CONFLICT DO NOTHING",
		7 },
	[SETTLE] = { "UPDATE slot SET state = 'done', at = $3 WHERE saga = $1 AND step = $2"
		     " AND state = 'trying'",
		7 },
	[PUBLISH] = { "INSERT INTO outbox (saga, event) VALUES ($1, $2) RETURNING sequence", 7 },
	[SENT] = { "DELETE FROM outbox WHERE sequence = $1", 7 },
	[ALL_SENT] = { "DELETE FROM outbox WHERE sequence = ANY ($1::bigint[])", 7 },
	[PLACE] = { "INSERT INTO orders (saga, ref, customer, country, total, state)"
		    " VALUES ($1, $2, $3, $4, $5, 'placed')",
		1 << BENCH_ORDER },
	[LINE] = { "INSERT INTO line (saga, sku, quantity) VALUES ($1, $2, $3)", 1 << BENCH_ORDER },
	[DEADLINE] = { "INSERT INTO deadline (saga, due) VALUES ($1, $2)", 1 << BENCH_ORDER },
	[IN_TIME] = { "DELETE FROM deadline WHERE saga = $1", 1 << BENCH_ORDER },
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
	[ASK] = { "INSERT INTO question (saga, cents, event, attempts, due)"
		  " VALUES ($1, $2, $3, 1, $4)",
		1 << BENCH_PAYMENT },
	[ANSWERED] = { "DELETE FROM question WHERE saga = $1", 1 << BENCH_PAYMENT },
	[CHARGE] = { "INSERT INTO charge (saga, cents, receipt) VALUES ($1, $2, $3)",
		1 << BENCH_PAYMENT },
};

/* Events of the outbox, by their sequence. */
struct sequences {
	int64_t at[BATCH_MOST];
	size_t count;
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
	enum bench_service service;
	struct sequences made;                    /* by the step that ran last */
	struct sequences handled[BENCH_SERVICES]; /* and still in the outbox */
	uint64_t ids;
	struct {
		size_t size;
		char at[HAND_EVENT_BYTES];
	} events[BATCH_MOST]; /* as they came from the last service */
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

/*
 * Values by the letters of `kinds`: s an id, i an int64_t, t a text, b a pointer and size, 0 an SQL
 * NULL.
 */
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
		if (*kinds == '0') {
			values[n] = NULL;
		} else if (*kinds == 'i') {
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

/* Each statement must have changed or found one row; of a few it is more. */
static void take(struct worker *w, PGresult *result)
{
	const char *tag = PQcmdStatus(result);
	ExecStatusType status = PQresultStatus(result);
	uint64_t number = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail(w, PQresultErrorMessage(result));
	else if (strcmp(tag, "BEGIN") != 0 && strcmp(tag, "COMMIT") != 0 &&
		strcmp(PQcmdTuples(result), "0") == 0)
		fail(w, "a statement did not do what it must");
	if (status != PGRES_TUPLES_OK || strcmp(tag, "INSERT 0 1") != 0)
		return;
	for (int i = 0; i < 8; i++)
		number = number << 8 | (unsigned char)PQgetvalue(result, 0, 0)[i];
	w->made.at[w->made.count++] = (int64_t)number;
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

/* An array of bigint as the server takes it. */
static size_t encode_array(const struct sequences *sequences, char *to)
{
	char *at = to;

	for (int i = 0; i < 5; i++, at += 4) {
		const size_t head[] = { 1, 0, 20, sequences->count, 1 };

		memset(at, 0, 4);
		at[3] = (char)head[i];
	}
	for (size_t i = 0; i < sequences->count; i++, at += 12) {
		memset(at, 0, 4);
		at[3] = 8;
		put64(at + 4, sequences->at[i]);
	}
	return (size_t)(at - to);
}

/*
 * What others have handled leaves the outbox. A set is planned each time that it runs, which takes
 * longer than to delete one event.
 */
static void begin(struct worker *w, enum bench_service service)
{
	struct sequences *handled = &w->handled[service];
	char array[20 + 12 * BATCH_MOST];

	w->conn = w->conns[service];
	w->service = service;
	add(w, BEGIN, "");
	if (handled->count == 1)
		add(w, SENT, "i", handled->at[0]);
	else if (handled->count)
		add(w, ALL_SENT, "b", array, encode_array(handled, array));
	handled->count = 0;
}

/* The i-th order's event, as its handler gets it. */
static struct hand_event receive(struct worker *w, size_t i)
{
	struct hand_event event = { .total = 0 };

	if (!hand_decode(w->events[i].at, w->events[i].size, &event))
		fail(w, "an event is malformed");
	return event;
}

static void make_id(struct worker *w, int64_t time, uint8_t ret_id[16])
{
	uint64_t count = ++w->ids;

	for (int i = 0; i < 6; i++)
		ret_id[i] = (uint8_t)(time >> (40 - 8 * i));
	ret_id[6] = 0x70;
	ret_id[7] = (uint8_t)w->service;
	memcpy(ret_id + 8, &count, 8);
	ret_id[8] = (uint8_t)(0x80 | (ret_id[8] & 0x3f));
}

static void publish(struct worker *w, size_t i, const char *type, struct hand_event *event,
	const struct hand_event *cause)
{
	memcpy(event->saga, w->sagas[i], sizeof event->saga);
	if (cause)
		memcpy(event->causation, cause->id, sizeof event->causation);
	event->time = hand_now_ms();
	make_id(w, event->time, event->id);
	snprintf(event->type, sizeof event->type, "%s", type);
	snprintf(event->source, sizeof event->source, "%s", bench_service_names[w->service]);
	hand_encode(&w->buffer, event);
	if (w->buffer.size > sizeof w->events[i].at) {
		fail(w, "an event is too big");
		return;
	}
	memcpy(w->events[i].at, w->buffer.data, w->buffer.size);
	w->events[i].size = w->buffer.size;
	add(w, PUBLISH, "sb", w->sagas[i], w->buffer.data, w->buffer.size);
}

static void commit(struct worker *w)
{
	add(w, COMMIT, "");
	wait(w);
	w->commits++;
}

/* The events that were made last, by that service, are handled once what runs has committed. */
static void handled_by(struct worker *w, enum bench_service from)
{
	w->handled[from] = w->made;
	w->made.count = 0;
}

/* ---- the steps ---- */

static void claim(struct worker *w, size_t i, const char *step, const char *state)
{
	add(w, CLAIM, "stti0", w->sagas[i], step, state, hand_now_ms());
}

static void place(struct worker *w)
{
	begin(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		const struct bench_order *order = w->orders[i];
		uint8_t digest[16];

		hand_saga_of(order->key, w->sagas[i]);
		hand_digest_of(order, digest);
		add(w, CLAIM, "sttib", w->sagas[i], "place", "done", hand_now_ms(), digest,
			sizeof digest);
		add(w, PLACE, "sttti", w->sagas[i], order->key, order->customer, order->country,
			order->total);
		for (size_t k = 0; k < BENCH_LINES; k++)
			add(w, LINE, "sti", w->sagas[i], order->lines[k].sku,
				order->lines[k].quantity);
		add(w, DEADLINE, "si", w->sagas[i], hand_now_ms() + BENCH_PAY_WITHIN_MS);
	}
	wait(w);
	for (size_t i = 0; i < w->count; i++) {
		const struct bench_order *order = w->orders[i];
		struct hand_event event = { .total = order->total, .line_count = BENCH_LINES };

		memcpy(event.customer, order->customer, sizeof event.customer);
		memcpy(event.country, order->country, sizeof event.country);
		memcpy(event.lines, order->lines, sizeof event.lines);
		publish(w, i, "order.placed", &event, NULL);
	}
	commit(w);
}

static int by_sku(const void *a, const void *b)
{
	const struct bench_line *left = a, *right = b;

	return strcmp(left->sku, right->sku);
}

/* The goods in one order for all workers: else they deadlock. */
static void reserve(struct worker *w)
{
	struct hand_event placed[BATCH_MOST];
	struct bench_line lines[BATCH_MOST * BENCH_LINES];
	size_t count = 0;

	begin(w, BENCH_STOCK);
	for (size_t i = 0; i < w->count; i++) {
		placed[i] = receive(w, i);
		claim(w, i, "reserve", "done");
		add(w, PARCEL, "st", w->sagas[i], placed[i].country);
		for (size_t k = 0; k < placed[i].line_count; k++) {
			lines[count++] = placed[i].lines[k];
			add(w, HOLD, "sti", w->sagas[i], placed[i].lines[k].sku,
				placed[i].lines[k].quantity);
		}
	}
	qsort(lines, count, sizeof lines[0], by_sku);
	for (size_t i = 0; i < count; i++)
		add(w, TAKE, "it", lines[i].quantity, lines[i].sku);
	wait(w);
	handled_by(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event event = { .total = placed[i].total };

		memcpy(event.customer, placed[i].customer, sizeof event.customer);
		publish(w, i, "stock.reserved", &event, &placed[i]);
	}
	commit(w);
}

/* The question is durable before the provider is asked; a crash would ask it again. */
static void ask(struct worker *w)
{
	begin(w, BENCH_PAYMENT);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event reserved = receive(w, i);

		claim(w, i, "charge", "trying");
		add(w, CREDIT, "ti", reserved.customer, reserved.total);
		add(w, ASK, "sibi", w->sagas[i], reserved.total, w->events[i].at, w->events[i].size,
			hand_now_ms() + 10000);
	}
	wait(w);
	handled_by(w, BENCH_STOCK);
	commit(w);
}

static void charge(struct worker *w)
{
	struct hand_event events[BATCH_MOST];

	begin(w, BENCH_PAYMENT);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event reserved = receive(w, i);
		struct hand_event *event = &events[i];

		*event = (struct hand_event){ .total = reserved.total };
		memcpy(event->causation, reserved.id, sizeof event->causation);
		bench_provider_charge(w->orders[i]->key, reserved.total, event->receipt);
		add(w, SETTLE, "sti", w->sagas[i], "charge", hand_now_ms());
		add(w, ANSWERED, "s", w->sagas[i]);
		add(w, CHARGE, "sit", w->sagas[i], reserved.total, event->receipt);
	}
	wait(w);
	for (size_t i = 0; i < w->count; i++)
		publish(w, i, "payment.charged", &events[i], NULL);
	commit(w);
}

/* It needs no slot: again is harmless. */
static void withdraw(struct worker *w)
{
	begin(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event charged = receive(w, i);

		add(w, IN_TIME, "s", charged.saga);
	}
	commit(w);
}

static void ship(struct worker *w)
{
	struct hand_event charged[BATCH_MOST];

	begin(w, BENCH_STOCK);
	for (size_t i = 0; i < w->count; i++) {
		charged[i] = receive(w, i);
		claim(w, i, "ship", "done");
		add(w, CARRIER, "s", w->sagas[i]);
		add(w, SHIP, "s", w->sagas[i]);
		add(w, HELD, "s", w->sagas[i]);
	}
	wait(w);
	handled_by(w, BENCH_PAYMENT);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event event = { .line_count = BENCH_LINES };

		memcpy(event.lines, w->orders[i]->lines, sizeof event.lines);
		publish(w, i, "shipment.created", &event, &charged[i]);
	}
	commit(w);
}

static void fulfil(struct worker *w)
{
	struct hand_event shipped[BATCH_MOST];

	begin(w, BENCH_ORDER);
	for (size_t i = 0; i < w->count; i++) {
		shipped[i] = receive(w, i);
		claim(w, i, "fulfil", "done");
		add(w, FULFIL, "s", w->sagas[i]);
	}
	wait(w);
	handled_by(w, BENCH_STOCK);
	for (size_t i = 0; i < w->count; i++) {
		struct hand_event event = { .total = 0 };

		publish(w, i, "order.fulfilled", &event, &shipped[i]);
	}
	commit(w);
	handled_by(w, BENCH_ORDER);
}

/* ---- its life ---- */

static void *work(void *context)
{
	struct worker *w = context;

	while (!w->failed) {
		size_t first = atomic_fetch_add(w->next, w->run->batch);

		for (w->count = 0; w->count < w->run->batch && first + w->count < w->run->count;
			w->count++)
			w->orders[w->count] = &w->run->orders[first + w->count];
		if (!w->count)
			break;
		place(w);
		reserve(w);
		ask(w);
		charge(w);
		withdraw(w);
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
		"CREATE TABLE slot (saga UUID, step TEXT, state TEXT NOT NULL,"
		" at BIGINT NOT NULL, digest BYTEA, PRIMARY KEY (saga, step));"
		"CREATE TABLE outbox (sequence BIGSERIAL PRIMARY KEY, saga UUID NOT NULL,"
		" event BYTEA NOT NULL);"
		"CREATE TABLE deadline (saga UUID PRIMARY KEY, due BIGINT NOT NULL);"
		"CREATE INDEX deadline_due ON deadline (due);"
		"CREATE TABLE question (saga UUID PRIMARY KEY, cents BIGINT NOT NULL,"
		" event BYTEA NOT NULL, attempts BIGINT NOT NULL, due BIGINT NOT NULL);"
		"CREATE INDEX question_due ON question (due)");
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
		w->ids = (uint64_t)i << 32;
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
