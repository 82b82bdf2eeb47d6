#include "hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMMON \
	"CREATE TABLE slot (saga BLOB, step TEXT, state TEXT NOT NULL, at INTEGER NOT NULL," \
	"  digest BLOB, PRIMARY KEY (saga, step));" \
	"CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, saga BLOB NOT NULL," \
	"  event BLOB NOT NULL);" \
	"CREATE TABLE position (source INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);"

static const char *const common[HAND_OWN] = {
	[HAND_BEGIN] = "BEGIN IMMEDIATE",
	[HAND_COMMIT] = "COMMIT",
	[HAND_CLAIM] = "INSERT INTO slot (saga, step, state, at, digest) VALUES (?, ?, ?, ?, ?)"
		       " ON CONFLICT DO NOTHING",
	[HAND_SETTLE] = "UPDATE slot SET state = 'done', at = ? WHERE saga = ? AND step = ?"
			" AND state = 'trying'",
	[HAND_PUBLISH] = "INSERT INTO outbox (sequence, saga, event) VALUES (?, ?, ?)",
	[HAND_MOVE] = "INSERT INTO position (source, sequence) VALUES (?, ?)"
		      " ON CONFLICT (source) DO UPDATE SET sequence = excluded.sequence",
};

/* ---- who does what ---- */

static hand_step reserve, ask, ship, fulfil, withdraw;

static const struct {
	const char *on;
	enum bench_service who;
	hand_step *step;
} reactions[] = {
	{ "order.placed", BENCH_STOCK, reserve },
	{ "stock.reserved", BENCH_PAYMENT, ask },
	{ "payment.charged", BENCH_STOCK, ship },
	{ "payment.charged", BENCH_ORDER, withdraw },
	{ "shipment.created", BENCH_ORDER, fulfil },
};

enum {
	REACTIONS = sizeof reactions / sizeof reactions[0]
};

static unsigned targets_of(const char *type)
{
	unsigned targets = 0;

	for (size_t i = 0; i < REACTIONS; i++)
		if (strcmp(reactions[i].on, type) == 0)
			targets |= 1u << reactions[i].who;
	return targets;
}

static hand_step *reaction_to(const struct hand_service *s, const char *type)
{
	for (size_t i = 0; i < REACTIONS; i++)
		if (reactions[i].who == s->who && strcmp(reactions[i].on, type) == 0)
			return reactions[i].step;
	return NULL;
}

/* ---- what the steps are made of ---- */

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

/* The digest (NULL: none) is of a request's body: the same key with another body is a conflict. */
static bool claim(struct hand_service *s, const uint8_t *saga, const char *step, const char *state,
	const uint8_t *digest)
{
	return hand_exec(&s->store, HAND_CLAIM, "sttib", saga, step, state, hand_now_ms(), digest,
		       digest ? (size_t)16 : 0) == 1;
}

/* Writes the event to the outbox; it leaves after the commit. `event` has its body and saga. */
static void publish(struct hand_service *s, const char *type, struct hand_event *event,
	const struct hand_event *cause)
{
	struct hand_input *output = &s->outputs[s->output_count++];

	event->time = hand_now_ms();
	make_id(s, event->time, event->id);
	if (cause)
		memcpy(event->causation, cause->id, sizeof event->causation);
	snprintf(event->source, sizeof event->source, "%s", bench_service_names[s->who]);
	snprintf(event->type, sizeof event->type, "%s", type);
	event->sequence = s->sequence + 1;
	hand_encode(&s->buffer, event);
	if (s->buffer.size > sizeof output->event) {
		hand_store_fail(&s->store, "an event is too big");
		return;
	}
	hand_exec(&s->store, HAND_PUBLISH, "isb", ++s->sequence, event->saga, s->buffer.data,
		s->buffer.size);
	output->kind = HAND_EVENT;
	output->source = s->who;
	output->targets = targets_of(type);
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
	ORDER_END
};

static const char order_schema[] =
	COMMON "CREATE TABLE deadline (saga BLOB PRIMARY KEY, due INTEGER NOT NULL) WITHOUT ROWID;"
	       "CREATE INDEX deadline_due ON deadline (due);";

static const char *const order_statements[] = {
	[ORDER_INSERT] = ROWS_PLACE,
	[ORDER_LINE] = ROWS_LINE,
	[ORDER_DEADLINE] = "INSERT INTO deadline (saga, due) VALUES (?, ?)",
	[ORDER_FULFIL] = ROWS_FULFIL,
	[ORDER_IN_TIME] = "DELETE FROM deadline WHERE saga = ?",
};

static void place(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *nothing)
{
	const struct bench_order *order = &s->orders[input->order];
	struct hand_event event = { .total = order->total, .line_count = BENCH_LINES };
	uint8_t digest[16];

	hand_saga_of(order->key, event.saga);
	hand_digest_of(order, digest);
	if (!claim(s, event.saga, "place", "done", digest))
		return;
	hand_exec(&s->store, ORDER_INSERT, "sttti", event.saga, order->key, order->customer,
		order->country, order->total);
	for (size_t i = 0; i < BENCH_LINES; i++)
		hand_exec(&s->store, ORDER_LINE, "sti", event.saga, order->lines[i].sku,
			order->lines[i].quantity);
	hand_exec(&s->store, ORDER_DEADLINE, "si", event.saga, hand_now_ms() + BENCH_PAY_WITHIN_MS);
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
	if (!claim(s, shipped->saga, "fulfil", "done", NULL))
		return;
	hand_exec(&s->store, ORDER_FULFIL, "s", shipped->saga);
	publish(s, "order.fulfilled", &event, shipped);
	s->fulfilled_in_batch++;
}

/* It comes after its order was placed here, and again is harmless: it needs no slot. */
static void withdraw(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *charged)
{
	(void)input;
	if (hand_exec(&s->store, ORDER_IN_TIME, "s", charged->saga))
		s->paid_in_batch++;
}

/* ---- stock ---- */

enum {
	STOCK_PARCEL = HAND_OWN,
	STOCK_TAKE,
	STOCK_HOLD,
	STOCK_CARRIER,
	STOCK_SHIP,
	STOCK_LINES,
	STOCK_END
};

static const char stock_schema[] = COMMON;

static const char *const stock_statements[] = {
	[STOCK_PARCEL] = ROWS_PARCEL,
	[STOCK_TAKE] = ROWS_TAKE,
	[STOCK_HOLD] = ROWS_HOLD,
	[STOCK_CARRIER] = ROWS_CARRIER,
	[STOCK_SHIP] = ROWS_SHIP,
	[STOCK_LINES] = ROWS_HELD,
};

static void reserve(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *order)
{
	struct hand_event event = answer_to(order);

	(void)input;
	if (!claim(s, order->saga, "reserve", "done", NULL))
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
	if (!claim(s, charged->saga, "ship", "done", NULL))
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
	PAYMENT_END
};

static const char payment_schema[] = COMMON
	"CREATE TABLE question (saga BLOB PRIMARY KEY, cents INTEGER NOT NULL,"
	"  event BLOB NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX question_due ON question (due);";

static const char *const payment_statements[] = {
	[PAYMENT_CREDIT] = ROWS_CREDIT,
	[PAYMENT_ASK] = "INSERT INTO question (saga, cents, event, attempts, due)"
			" VALUES (?, ?, ?, 1, ?)",
	[PAYMENT_ANSWERED] = "DELETE FROM question WHERE saga = ?",
	[PAYMENT_CHARGE] = ROWS_CHARGE,
};

/* The question is durable before the provider is asked; a crash would ask it again. */
static void ask(
	struct hand_service *s, const struct hand_input *input, const struct hand_event *reserved)
{
	struct hand_input *question = &s->questions[s->question_count];

	if (!claim(s, reserved->saga, "charge", "trying", NULL))
		return;
	if (hand_int64(&s->store, PAYMENT_CREDIT, 0, "t", reserved->customer) < reserved->total)
		hand_store_fail(&s->store, "beyond the credit limit");
	hand_exec(&s->store, PAYMENT_ASK, "sibi", reserved->saga, reserved->total, input->event,
		input->size, hand_now_ms() + 10000);
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

	if (!hand_exec(&s->store, HAND_SETTLE, "ist", hand_now_ms(), reserved->saga, "charge"))
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
	hand_step *step = NULL;

	if (hand_decode(input->event, input->size, &event))
		step = reaction_to(s, event.type);
	if (!step) {
		hand_store_fail(&s->store, "an event is malformed");
		return;
	}
	if (input->kind == HAND_ANSWER) {
		charge(s, input, &event);
		return;
	}
	s->seen[input->source] = input->sequence;
	s->moved[input->source] = true;
	step(s, input, &event);
}

/* ---- opening and checking ---- */

static void prepare(
	struct hand_store *store, const char *const *statements, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		hand_store_prepare(store, i, statements[i]);
}

void hand_service_open(struct hand_service *s, const struct bench_run *run)
{
	static const struct {
		const char *schema;
		const char *const *statements;
		size_t end;
	} kinds[BENCH_SERVICES] = {
		[BENCH_ORDER] = { order_schema, order_statements, ORDER_END },
		[BENCH_STOCK] = { stock_schema, stock_statements, STOCK_END },
		[BENCH_PAYMENT] = { payment_schema, payment_statements, PAYMENT_END },
	};
	char path[4096];

	bench_rows_path(run, s->who, path, sizeof path);
	hand_store_open(&s->store, path);
	bench_rows_make(&s->store, s->who);
	hand_store_script(&s->store, kinds[s->who].schema);
	prepare(&s->store, common, 0, HAND_OWN);
	prepare(&s->store, kinds[s->who].statements, HAND_OWN, kinds[s->who].end);
}

/* How many events the service published, and what it has left to do. */
void hand_service_check(struct hand_service *s, size_t count)
{
	static const size_t events[BENCH_SERVICES] = { 2, 2, 1 };
	struct hand_store *store = &s->store;

	bench_rows_check(store, s->who, count);
	if (hand_store_number(store, "SELECT count(*) FROM outbox") !=
		(int64_t)(events[s->who] * count))
		hand_store_fail(store, "events were lost or made");
	if (s->who == BENCH_ORDER && hand_store_number(store, "SELECT count(*) FROM deadline"))
		hand_store_fail(store, "order: deadlines are left");
	if (s->who == BENCH_PAYMENT && hand_store_number(store, "SELECT count(*) FROM question"))
		hand_store_fail(store, "payment: questions are left");
}
