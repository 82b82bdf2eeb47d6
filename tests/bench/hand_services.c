#include "hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COMMON \
	"CREATE TABLE slot (saga BLOB, step TEXT, state TEXT NOT NULL, at INTEGER NOT NULL," \
	"  PRIMARY KEY (saga, step)) WITHOUT ROWID;" \
	"CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, saga BLOB NOT NULL," \
	"  event BLOB NOT NULL);" \
	"CREATE TABLE position (source INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);"

static const char *const common[HAND_OWN] = {
	[HAND_BEGIN] = "BEGIN IMMEDIATE",
	[HAND_COMMIT] = "COMMIT",
	[HAND_CLAIM] = "INSERT INTO slot (saga, step, state, at) VALUES (?, ?, ?, ?)"
		       " ON CONFLICT DO NOTHING",
	[HAND_SETTLE] = "UPDATE slot SET state = 'done', at = ? WHERE saga = ? AND step = ?"
			" AND state = 'trying'",
	[HAND_PUBLISH] = "INSERT INTO outbox (sequence, saga, event) VALUES (?, ?, ?)",
	[HAND_MOVE] = "INSERT INTO position (source, sequence) VALUES (?, ?)"
		      " ON CONFLICT (source) DO UPDATE SET sequence = excluded.sequence",
};

/* ---- who does what ---- */

static hand_step reserve, ask, ship, fulfil;

static const struct {
	const char *on;
	enum hand_who who;
	hand_step *step;
} reactions[] = {
	{ "order.placed", HAND_STOCK, reserve },
	{ "stock.reserved", HAND_PAYMENT, ask },
	{ "payment.charged", HAND_STOCK, ship },
	{ "shipment.created", HAND_ORDER, fulfil },
};

enum {
	REACTIONS = sizeof reactions / sizeof reactions[0]
};

static size_t reaction_to(const char *type)
{
	size_t i = 0;

	while (i < REACTIONS && strcmp(reactions[i].on, type) != 0)
		i++;
	return i;
}

/* ---- what the steps are made of ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A UUIDv7: time first, then what tells ids of one service apart. */
static void make_id(struct hand_service *s, int64_t time, uint8_t ret_id[16])
{
	uint64_t count = ++s->ids;

	for (int i = 0; i < 6; i++)
		ret_id[i] = (uint8_t)(time >> (40 - 8 * i));
	for (int i = 0; i < 8; i++)
		ret_id[6 + i] = (uint8_t)(count >> (56 - 8 * i));
	ret_id[6] = 0x70;
	ret_id[8] = (uint8_t)(0x80 | (unsigned)s->who);
	ret_id[14] = ret_id[15] = 0;
}

/* A new saga's id, made from its key as a repeat would make it (UUIDv8). */
static void make_saga(const char *key, uint8_t ret_saga[16])
{
	uint64_t halves[2] = { UINT64_C(14695981039346656037), UINT64_C(1099511628211) };

	for (const char *c = key; *c; c++) {
		halves[0] = (halves[0] ^ (unsigned char)*c) * UINT64_C(1099511628211);
		halves[1] = (halves[1] + halves[0]) * UINT64_C(0x9e3779b97f4a7c15);
	}
	memcpy(ret_saga, halves, 16);
	ret_saga[6] = (uint8_t)(0x80 | (ret_saga[6] & 0x0f));
	ret_saga[8] = (uint8_t)(0x80 | (ret_saga[8] & 0x3f));
}

static bool claim(struct hand_service *s, const uint8_t *saga, const char *step, const char *state)
{
	return hand_exec(&s->store, HAND_CLAIM, "stti", saga, step, state, now_ms()) == 1;
}

/* Writes the event to the outbox; it leaves after the commit. `event` has its body and saga. */
static void publish(struct hand_service *s, const char *type, struct hand_event *event,
	const struct hand_event *cause)
{
	struct hand_input *output = &s->outputs[s->output_count++];
	size_t reaction = reaction_to(type);

	event->time = now_ms();
	make_id(s, event->time, event->id);
	if (cause)
		memcpy(event->causation, cause->id, sizeof event->causation);
	snprintf(event->source, sizeof event->source, "%s", s->name);
	snprintf(event->type, sizeof event->type, "%s", type);
	hand_encode(&s->buffer, event);
	if (s->buffer.size > sizeof output->event) {
		hand_store_fail(&s->store, "an event is too big");
		return;
	}
	hand_exec(&s->store, HAND_PUBLISH, "isb", ++s->sequence, event->saga, s->buffer.data,
		s->buffer.size);
	output->kind = HAND_EVENT;
	output->source = s->who;
	output->target = reaction < REACTIONS ? reactions[reaction].who : HAND_SERVICES;
	output->sequence = s->sequence;
	output->size = s->buffer.size;
	memcpy(output->event, s->buffer.data, s->buffer.size);
}

static struct hand_event answer_to(const struct hand_event *cause)
{
	struct hand_event event = { 0 };

	memcpy(event.saga, cause->saga, sizeof event.saga);
	return event;
}

/* ---- order ---- */

enum {
	ORDER_INSERT = HAND_OWN,
	ORDER_LINE,
	ORDER_DEADLINE,
	ORDER_FULFIL,
	ORDER_IN_TIME,
	ORDER_COUNT
};

static const char order_schema[] = COMMON
	"CREATE TABLE orders (saga BLOB PRIMARY KEY, key TEXT NOT NULL, customer TEXT NOT NULL,"
	"  country TEXT NOT NULL, total INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE line (saga BLOB, sku TEXT, quantity INTEGER NOT NULL,"
	"  PRIMARY KEY (saga, sku)) WITHOUT ROWID;"
	"CREATE TABLE deadline (saga BLOB PRIMARY KEY, due INTEGER NOT NULL) WITHOUT ROWID;";

static const char *const order_statements[] = {
	[ORDER_INSERT] = "INSERT INTO orders (saga, key, customer, country, total, state)"
			 " VALUES (?, ?, ?, ?, ?, 'placed')",
	[ORDER_LINE] = "INSERT INTO line (saga, sku, quantity) VALUES (?, ?, ?)",
	[ORDER_DEADLINE] = "INSERT INTO deadline (saga, due) VALUES (?, ?)",
	[ORDER_FULFIL] =
		"UPDATE orders SET state = 'fulfilled' WHERE saga = ? AND state = 'placed'",
	[ORDER_IN_TIME] = "DELETE FROM deadline WHERE saga = ?",
	[ORDER_COUNT] = "SELECT count(*) FROM orders WHERE state = 'fulfilled' AND"
			" NOT EXISTS (SELECT 1 FROM deadline)",
};

static void place(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *nothing)
{
	const struct bench_order *order = &s->orders[input->order];
	struct hand_event event = { .total = order->total, .line_count = BENCH_LINES };

	make_saga(order->key, event.saga);
	if (!claim(s, event.saga, "place", "done"))
		return;
	hand_exec(&s->store, ORDER_INSERT, "sttti", event.saga, order->key, order->customer,
		order->country, order->total);
	for (size_t i = 0; i < BENCH_LINES; i++)
		hand_exec(&s->store, ORDER_LINE, "sti", event.saga, order->lines[i].sku,
			order->lines[i].quantity);
	hand_exec(&s->store, ORDER_DEADLINE, "si", event.saga, now_ms() + INT64_C(900000));
	memcpy(event.customer, order->customer, sizeof event.customer);
	memcpy(event.country, order->country, sizeof event.country);
	memcpy(event.lines, order->lines, sizeof event.lines);
	publish(s, "order.placed", &event, nothing);
}

static void fulfil(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *shipped)
{
	struct hand_event event = answer_to(shipped);

	(void)input;
	if (!claim(s, shipped->saga, "fulfil", "done"))
		return;
	hand_exec(&s->store, ORDER_FULFIL, "s", shipped->saga);
	hand_exec(&s->store, ORDER_IN_TIME, "s", shipped->saga);
	publish(s, "order.fulfilled", &event, shipped);
	s->fulfilled_in_batch++;
}

/* ---- stock ---- */

enum {
	STOCK_PARCEL = HAND_OWN,
	STOCK_TAKE,
	STOCK_HOLD,
	STOCK_CARRIER,
	STOCK_SHIP,
	STOCK_LINES,
	STOCK_PRODUCT,
	STOCK_COUNTRY,
	STOCK_COUNT,
	STOCK_BALANCE
};

static const char stock_schema[] = COMMON
	"CREATE TABLE stock (sku TEXT PRIMARY KEY, free INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE carrier (country TEXT PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE parcel (saga BLOB PRIMARY KEY, country TEXT NOT NULL, paid INTEGER NOT NULL,"
	"  state TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE line (saga BLOB, sku TEXT, held INTEGER NOT NULL,"
	"  PRIMARY KEY (saga, sku)) WITHOUT ROWID;";

static const char *const stock_statements[] = {
	[STOCK_PARCEL] = "INSERT INTO parcel (saga, country, paid, state)"
			 " VALUES (?, ?, 0, 'reserved')",
	[STOCK_TAKE] = "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?",
	[STOCK_HOLD] = "INSERT INTO line (saga, sku, held) VALUES (?, ?, ?)",
	[STOCK_CARRIER] = "SELECT count(*) FROM parcel JOIN carrier USING (country) WHERE saga = ?",
	[STOCK_SHIP] = "UPDATE parcel SET paid = 1, state = 'shipped'"
		       " WHERE saga = ? AND state = 'reserved'",
	[STOCK_LINES] = "SELECT sku, held FROM line WHERE saga = ? ORDER BY sku",
	[STOCK_PRODUCT] = "INSERT INTO stock (sku, free) VALUES (?, ?)",
	[STOCK_COUNTRY] = "INSERT INTO carrier (country) VALUES (?)",
	[STOCK_COUNT] = "SELECT count(*) FROM parcel WHERE state = 'shipped'",
	[STOCK_BALANCE] = "SELECT (SELECT sum(free) FROM stock) + (SELECT sum(held) FROM line)",
};

static void reserve(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *order)
{
	struct hand_event event = answer_to(order);

	(void)input;
	if (!claim(s, order->saga, "reserve", "done"))
		return;
	hand_exec(&s->store, STOCK_PARCEL, "st", order->saga, order->country);
	for (size_t i = 0; i < order->line_count; i++) {
		const struct bench_line *line = &order->lines[i];

		if (!hand_exec(&s->store, STOCK_TAKE, "iti", line->quantity, line->sku,
			    line->quantity))
			hand_store_fail(&s->store, "an order can't be reserved");
		hand_exec(&s->store, STOCK_HOLD, "sti", order->saga, line->sku, line->quantity);
	}
	memcpy(event.customer, order->customer, sizeof event.customer);
	event.total = order->total;
	publish(s, "stock.reserved", &event, order);
}

static void ship(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *charged)
{
	struct hand_event event = answer_to(charged);

	(void)input;
	if (!claim(s, charged->saga, "ship", "done"))
		return;
	if (hand_int64(&s->store, STOCK_CARRIER, 0, "s", charged->saga) != 1)
		hand_store_fail(&s->store, "the carrier does not go there");
	hand_exec(&s->store, STOCK_SHIP, "s", charged->saga);
	event.line_count = hand_lines(&s->store, STOCK_LINES, event.lines, "s", charged->saga);
	publish(s, "shipment.created", &event, charged);
}

/* ---- payment ---- */

enum {
	PAYMENT_CREDIT = HAND_OWN,
	PAYMENT_ASK,
	PAYMENT_ANSWERED,
	PAYMENT_CHARGE,
	PAYMENT_CUSTOMER,
	PAYMENT_COUNT
};

static const char payment_schema[] = COMMON
	"CREATE TABLE customer (name TEXT PRIMARY KEY, credit INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE question (saga BLOB PRIMARY KEY, cents INTEGER NOT NULL,"
	"  event BLOB NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE charge (saga BLOB PRIMARY KEY, cents INTEGER NOT NULL,"
	"  receipt TEXT NOT NULL) WITHOUT ROWID;";

static const char *const payment_statements[] = {
	[PAYMENT_CREDIT] = "SELECT credit FROM customer WHERE name = ?",
	[PAYMENT_ASK] = "INSERT INTO question (saga, cents, event, attempts, due)"
			" VALUES (?, ?, ?, 1, ?)",
	[PAYMENT_ANSWERED] = "DELETE FROM question WHERE saga = ?",
	[PAYMENT_CHARGE] = "INSERT INTO charge (saga, cents, receipt) VALUES (?, ?, ?)",
	[PAYMENT_CUSTOMER] = "INSERT INTO customer (name, credit) VALUES (?, ?)",
	[PAYMENT_COUNT] = "SELECT count(*) FROM charge WHERE NOT EXISTS (SELECT 1 FROM question)",
};

/* The question is durable before the provider is asked; a crash would ask it again. */
static void ask(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *reserved)
{
	struct hand_input *question = &s->questions[s->question_count];

	if (!claim(s, reserved->saga, "charge", "trying"))
		return;
	if (hand_int64(&s->store, PAYMENT_CREDIT, 0, "t", reserved->customer) < reserved->total)
		hand_store_fail(&s->store, "beyond the credit limit");
	hand_exec(&s->store, PAYMENT_ASK, "sibi", reserved->saga, reserved->total, input->event,
		input->size, now_ms() + 10000);
	*question = *input;
	question->kind = HAND_ANSWER;
	question->cents = reserved->total;
	memcpy(question->saga, reserved->saga, sizeof question->saga);
	s->question_count++;
}

static void charge(
	struct hand_service *s, const struct hand_input *answer, const struct hand_event *reserved)
{
	struct hand_event event = answer_to(reserved);

	if (!hand_exec(&s->store, HAND_SETTLE, "ist", now_ms(), reserved->saga, "charge"))
		return;
	hand_exec(&s->store, PAYMENT_ANSWERED, "s", reserved->saga);
	hand_exec(&s->store, PAYMENT_CHARGE, "sit", reserved->saga, answer->cents, answer->receipt);
	event.total = answer->cents;
	memcpy(event.receipt, answer->receipt, sizeof event.receipt);
	publish(s, "payment.charged", &event, reserved);
}

/* ---- running a step ---- */

void hand_service_step(struct hand_service *s, const struct hand_input *input)
{
	struct hand_event event;

	if (input->kind == HAND_REQUEST) {
		place(s, input, NULL);
		return;
	}
	size_t reaction = REACTIONS;

	if (hand_decode(input->event, input->size, &event))
		reaction = reaction_to(event.type);
	if (reaction == REACTIONS) {
		hand_store_fail(&s->store, "an event is malformed");
		return;
	}
	if (input->kind == HAND_ANSWER) {
		charge(s, input, &event);
		return;
	}
	s->seen[input->source] = input->sequence;
	s->moved[input->source] = true;
	reactions[reaction].step(s, input, &event);
}

/* ---- opening and checking ---- */

static void fill(struct hand_service *s, size_t statement, void (*name)(size_t, char *),
	size_t count, int64_t value)
{
	char text[BENCH_NAME];

	for (size_t i = 0; i < count; i++) {
		name(i, text);
		hand_exec(&s->store, statement, value ? "ti" : "t", text, value);
	}
}

static void prepare(
	struct hand_store *store, const char *const *statements, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		hand_store_prepare(store, i, statements[i]);
}

void hand_service_open(struct hand_service *s, const char *directory)
{
	static const struct {
		const char *name;
		const char *schema;
		const char *const *statements;
		size_t end;
	} kinds[HAND_SERVICES] = {
		{ "order", order_schema, order_statements, ORDER_COUNT + 1 },
		{ "stock", stock_schema, stock_statements, STOCK_BALANCE + 1 },
		{ "payment", payment_schema, payment_statements, PAYMENT_COUNT + 1 },
	};
	char path[4096];

	s->name = kinds[s->who].name;
	snprintf(path, sizeof path, "%s/%s.db", directory, s->name);
	hand_store_open(&s->store, path, kinds[s->who].schema);
	prepare(&s->store, common, 0, HAND_OWN);
	prepare(&s->store, kinds[s->who].statements, HAND_OWN, kinds[s->who].end);
	hand_exec(&s->store, HAND_BEGIN, "");
	if (s->who == HAND_STOCK) {
		fill(s, STOCK_PRODUCT, bench_sku, BENCH_PRODUCTS, BENCH_UNITS);
		fill(s, STOCK_COUNTRY, bench_country, BENCH_COUNTRIES, 0);
	} else if (s->who == HAND_PAYMENT) {
		fill(s, PAYMENT_CUSTOMER, bench_customer, BENCH_CUSTOMERS, BENCH_CREDIT);
	}
	hand_exec(&s->store, HAND_COMMIT, "");
}

void hand_service_check(struct hand_service *s, size_t count)
{
	static const size_t counting[HAND_SERVICES] = { ORDER_COUNT, STOCK_COUNT, PAYMENT_COUNT };
	int64_t found = hand_int64(&s->store, counting[s->who], -1, "");
	char text[BENCH_TEXT];

	if (found != (int64_t)count) {
		snprintf(text, sizeof text, "%s: %" PRId64 " of %zu orders are done", s->name,
			found, count);
		hand_store_fail(&s->store, text);
	}
	if (s->who == HAND_STOCK &&
		hand_int64(&s->store, STOCK_BALANCE, -1, "") != BENCH_UNITS * BENCH_PRODUCTS)
		hand_store_fail(&s->store, "stock: units were lost or made");
}
