#include "saga_services.h"

_Thread_local struct saga_fulfilled saga_fulfilled_in_batch;

/* ---- order ---- */

static saga_verdict place(saga_step *s)
{
	const struct place_order *wish = saga_on(s, place_order);

	saga_write(
		s, ROWS_PLACE, saga_this(s), wish->ref, wish->customer, wish->country, wish->total);
	for (size_t i = 0; i < wish->lines_count; i++)
		saga_write(s, ROWS_LINE, saga_this(s), wish->lines[i].sku, wish->lines[i].quantity);
	saga_after(s, BENCH_PAY_WITHIN_MS, order_expired);
	return saga_emit(s, order_placed, .customer = wish->customer, .country = wish->country,
		.total = wish->total, .lines = wish->lines, .lines_count = wish->lines_count);
}

static saga_verdict unplace(saga_step *s)
{
	saga_write(s, "UPDATE orders SET state = 'cancelled' WHERE saga = ?", saga_this(s));
	return saga_emit(s, order_cancelled);
}

static saga_verdict fulfil(saga_step *s)
{
	struct saga_fulfilled *fulfilled = &saga_fulfilled_in_batch;

	if (saga_require(s, ROWS_FULFIL, saga_this(s)))
		fulfilled->sagas[fulfilled->count++] = saga_this(s);
	return saga_emit(s, order_fulfilled);
}

/* clang-format off */
static const saga_step_def order_steps[] = {
	{ .name = "place", .on = { &place_order }, .run = place, .emits = { &order_placed },
	  .after = { { .event = &order_expired, .unless = { &payment_charged } } },
	  .undo = unplace, .undo_on = { &stock_rejected, &stock_released },
	  .undone = { &order_cancelled } },

	{ .name = "fulfil", .on = { &shipment_created }, .run = fulfil,
	  .emits = { &order_fulfilled } },
};
/* clang-format on */

static const saga_participant_def order = SAGA_PARTICIPANT("order", order_steps);
static const char *const order_followers[] = { "stock", "payment", NULL };

/* ---- stock ---- */

static saga_verdict reserve(saga_step *s)
{
	const struct order_placed *placed = saga_on(s, order_placed);

	saga_write(s, ROWS_PARCEL, saga_this(s), placed->country);
	for (size_t i = 0; i < placed->lines_count; i++) {
		const struct line *one = &placed->lines[i];

		if (!saga_require(s, ROWS_TAKE, one->quantity, one->sku, one->quantity))
			return saga_reject(s, stock_rejected, .why = "not enough is free");
		saga_write(s, ROWS_HOLD, saga_this(s), one->sku, one->quantity);
	}
	return saga_emit(s, stock_reserved, .customer = placed->customer, .total = placed->total);
}

static saga_verdict release(saga_step *s)
{
	size_t count;
	const struct line *lines = saga_query(s, line, &count, ROWS_HELD, saga_this(s));

	for (size_t i = 0; i < count; i++)
		saga_write(s, "UPDATE stock SET free = free + ? WHERE sku = ?", lines[i].quantity,
			lines[i].sku);
	saga_write(s, "DELETE FROM line WHERE saga = ?", saga_this(s));
	saga_write(s, "UPDATE parcel SET state = 'released' WHERE saga = ?", saga_this(s));
	return saga_emit(s, stock_released);
}

static saga_verdict ship(saga_step *s)
{
	const struct line *lines;
	size_t count;

	if (!saga_require(s, ROWS_SERVED, saga_this(s)))
		return saga_reject(s, shipment_refused, .why = "the carrier does not go there");
	saga_write(s, ROWS_SHIP, saga_this(s));
	lines = saga_query(s, line, &count, ROWS_HELD, saga_this(s));
	return saga_emit(s, shipment_created, .lines = lines, .lines_count = count);
}

/* clang-format off */
static const saga_step_def stock_steps[] = {
	{ .name = "reserve", .on = { &order_placed }, .run = reserve,
	  .emits = { &stock_reserved }, .rejects = { &stock_rejected },
	  .undo = release, .undo_on = { &payment_declined, &payment_refunded },
	  .undone = { &stock_released } },

	{ .name = "ship", .pivot = true, .on = { &payment_charged }, .run = ship,
	  .emits = { &shipment_created }, .rejects = { &shipment_refused },
	  .bar_on = { &payment_declined } },
};
/* clang-format on */

static const saga_participant_def stock = SAGA_PARTICIPANT("stock", stock_steps);
static const char *const stock_followers[] = { "order", "payment", NULL };

/* ---- payment ---- */

SAGA_STRUCT(charge_wanted, int64(cents));
SAGA_STRUCT(provider_said, text(receipt));

static saga_verdict prepare_charge(saga_step *s)
{
	const struct stock_reserved *reserved = saga_on(s, stock_reserved);

	if (!saga_require(s, ROWS_CREDIT_FOR, reserved->customer, reserved->total))
		return saga_reject(s, payment_declined, .why = "beyond the credit limit");
	return saga_ask(s, charge_wanted, .cents = reserved->total);
}

static saga_verdict call_charge(saga_call *c)
{
	const struct charge_wanted *wanted = saga_asked(c, charge_wanted);
	char receipt[48];

	bench_provider_charge(saga_key(c, "charge"), wanted->cents, receipt);
	return saga_tell(c, provider_said, .receipt = receipt);
}

static saga_verdict charge(saga_step *s)
{
	const struct stock_reserved *reserved = saga_on(s, stock_reserved);
	const struct provider_said *said = saga_told(s, provider_said);

	saga_write(s, ROWS_CHARGE, saga_this(s), reserved->total, said->receipt);
	return saga_emit(s, payment_charged, .receipt = said->receipt, .total = reserved->total);
}

static saga_verdict call_refund(saga_call *c)
{
	return saga_tell(c, provider_said, .receipt = saga_key(c, "charge"));
}

static saga_verdict refund(saga_step *s)
{
	saga_write(s, "UPDATE charge SET cents = 0 WHERE saga = ?", saga_this(s));
	return saga_emit(s, payment_refunded);
}

/* clang-format off */
static const saga_step_def payment_steps[] = {
	{ .name = "charge", .on = { &stock_reserved }, .run = charge,
	  .outside = { .prepare = prepare_charge, .call = call_charge },
	  .emits = { &payment_charged }, .rejects = { &payment_declined },
	  .bar_on = { &order_expired },
	  .undo = refund, .undo_outside = { .call = call_refund },
	  .undo_on = { &shipment_refused }, .undone = { &payment_refunded } },
};
/* clang-format on */

static const saga_participant_def payment = SAGA_PARTICIPANT("payment", payment_steps);
static const char *const payment_followers[] = { "stock", "order", NULL };

/* ---- all of them ---- */

const saga_participant_def *const saga_services[BENCH_SERVICES] = {
	[BENCH_ORDER] = &order,
	[BENCH_STOCK] = &stock,
	[BENCH_PAYMENT] = &payment,
};
const char *const *const saga_followers[BENCH_SERVICES] = {
	[BENCH_ORDER] = order_followers,
	[BENCH_STOCK] = stock_followers,
	[BENCH_PAYMENT] = payment_followers,
};
