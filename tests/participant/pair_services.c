/* What the two do. */
#include "pair_services.h"

#include <stdio.h>
#include <string.h>

SAGA_REQUEST(place_order, "order.place", 1, text(customer), int64(total));
SAGA_REQUEST(recall_order, "order.recall", 1, text(why));
SAGA_EVENT(order_placed, "order.placed", 1, text(customer), int64(total));
SAGA_EVENT(order_settled, "order.settled", 1, int64(total));
SAGA_EVENT(order_due, "order.due", 1, text(note));
SAGA_EVENT(order_recalled, "order.recalled", 1, text(why));
SAGA_EVENT(order_cancelled, "order.cancelled", 1, opt_text(note));
SAGA_EVENT(payment_charged, "payment.charged", 1, int64(total), text(paper));
SAGA_EVENT(payment_refunded, "payment.refunded", 1, text(paper));
SAGA_EVENT(payment_objected, "payment.objected", 1, reason(why));

SAGA_STRUCT(memo, int64(total));
SAGA_STRUCT(question, int64(cents), text(customer));
SAGA_STRUCT(told, text(paper));
SAGA_STRUCT(counted, int64(n));

static void effect(saga_step *s, const char *what)
{
	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), what);
}

static int64_t effects(saga_step *s, const char *what)
{
	const struct counted *row = saga_query_one(s, counted,
		"SELECT COUNT(*) AS n FROM effect WHERE saga = ? AND what = ?", saga_this(s), what);

	return row ? row->n : 0;
}

static const char *const schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL)",
	NULL,
};

/* ---- order ---- */

static saga_verdict place(saga_step *s)
{
	const struct place_order *asked = saga_on(s, place_order);

	effect(s, "placed");
	saga_keep(s, memo, .total = asked->total);
	return saga_emit(s, order_placed, .customer = asked->customer, .total = asked->total);
}

static saga_verdict cancel(saga_step *s)
{
	const struct memo *note = saga_kept(s, memo);

	effect(s, "cancelled");
	return saga_emit(s, order_cancelled,
		.note = note ? saga_format(s, "%lld cents", (long long)note->total) : NULL);
}

static saga_verdict settle(saga_step *s)
{
	effect(s, "settled");
	saga_after(s, 1, order_due, .note = saga_format(s, "after %s", "settling"));
	return saga_emit(s, order_settled, .total = saga_on(s, payment_charged)->total);
}

static saga_verdict fall_due(saga_step *s)
{
	effect(s, "due");
	return saga_done(s);
}

static saga_verdict recall(saga_step *s)
{
	return saga_emit(s, order_recalled, .why = saga_on(s, recall_order)->why);
}

static const saga_step_def order_steps[] = {
	{ .name = "place",
		.on = { &place_order },
		.run = place,
		.emits = { &order_placed },
		.undo = cancel,
		.undo_on = { &payment_refunded },
		.undone = { &order_cancelled },
		.retry = { 50, 1, 4 },
		.undo_retry = { 50, 1, 4 } },
	{ .name = "settle",
		.on = { &payment_charged },
		.run = settle,
		.emits = { &order_settled },
		.after = { { .event = &order_due } },
		.retry = { 50, 1, 4 } },
	{ .name = "due", .on = { &order_due }, .run = fall_due, .retry = { 50, 1, 4 } },
	{ .name = "recall",
		.on = { &recall_order },
		.run = recall,
		.emits = { &order_recalled },
		.retry = { 50, 1, 4 } },
};
const saga_participant_def pair_order = SAGA_PARTICIPANT("order", order_steps, .schema = schema);

/* ---- payment ---- */

static saga_verdict prepare_charge(saga_step *s)
{
	const struct order_placed *placed = saga_on(s, order_placed);

	return saga_ask(s, question, .cents = placed->total, .customer = placed->customer);
}

static saga_verdict call_charge(saga_call *c)
{
	const struct question *asked = saga_asked(c, question);
	const char *key = saga_key(c, "charge");

	/* Without memory for the question there is none: as if nobody was reached. */
	if (!asked)
		return saga_call_retry(c, "no question");
	pair_provide(saga_call_user(c), "charge", key);
	return saga_tell(c, told, .paper = key);
}

static saga_verdict charge(saga_step *s)
{
	const struct told *answer = saga_told(s, told);

	if (!answer)
		return saga_retry(s, "no answer");
	effect(s, "charged");
	return saga_emit(s, payment_charged, .total = saga_on(s, order_placed)->total,
		.paper = answer->paper);
}

static saga_verdict prepare_refund(saga_step *s)
{
	return saga_ask(s, question, .cents = effects(s, "charged"), .customer = "");
}

static saga_verdict call_refund(saga_call *c)
{
	const char *key = saga_key(c, "refund");

	pair_provide(saga_call_user(c), "refund", key);
	return saga_tell(c, told, .paper = key);
}

static saga_verdict refund(saga_step *s)
{
	const struct told *answer = saga_told(s, told);

	if (!answer)
		return saga_retry(s, "no answer");
	effect(s, "refunded");
	return saga_emit(s, payment_refunded, .paper = answer->paper);
}

static saga_verdict book(saga_step *s)
{
	effect(s, "booked");
	if (saga_attempt(s) == 1)
		return saga_retry(s, "not at the first time");
	return saga_done(s);
}

static saga_verdict object(saga_step *s)
{
	effect(s, "objected");
	return saga_reject(s, payment_objected, .why = "as always");
}

static const saga_step_def payment_steps[] = {
	{ .name = "charge",
		.on = { &order_placed },
		.run = charge,
		.outside = { prepare_charge, call_charge, PAIR_TIMEOUT_MS },
		.emits = { &payment_charged },
		.undo = refund,
		.undo_outside = { prepare_refund, call_refund, PAIR_TIMEOUT_MS },
		.undo_on = { &order_recalled },
		.undone = { &payment_refunded },
		.retry = { 50, 1, 4 },
		.undo_retry = { 50, 1, 4 } },
	{ .name = "book", .on = { &order_settled }, .run = book, .retry = { 50, 1, 4 } },
	{ .name = "object",
		.on = { &order_settled },
		.run = object,
		.emits = { &payment_refunded },
		.rejects = { &payment_objected },
		.retry = { 50, 1, 4 } },
};
const saga_participant_def pair_payment =
	SAGA_PARTICIPANT("payment", payment_steps, .schema = schema);

/* ---- asking ---- */

int pair_submit(saga_participant *order, saga_id saga, saga_answer_fn *answered, void *user,
	saga_error *error)
{
	static const char json[] = "{\"customer\":\"ALFKI\",\"total\":1299}";
	const saga_id none = { { 0 } };

	if (memcmp(&saga, &none, sizeof saga) == 0)
		return saga_submit(order,
			&(saga_submission){ SAGA_SUBMISSION_JSON(place_order, json, strlen(json)),
				.key = "one", .answered = answered, .user = user },
			error);
	return saga_submit(order,
		&(saga_submission){ SAGA_SUBMISSION(recall_order, .why = "as ever"), .key = "two",
			.saga = saga, .answered = answered, .user = user },
		error);
}
