/*
 * The order service: what was ordered, what it costs, and what became of it.
 *
 * `amending` names the amendment that holds the order; its lines stand beside the order's own until
 * it is applied or refused.
 */
#include "events.h"
#include "shop.h"

#include <stdlib.h>
#include <string.h>

enum {
	ORDER_LINES = 500,
	ORDER_UNITS = 1000000,   /* of one product */
	ORDER_PRICE = 100000000, /* cents, of one unit */
	ORDER_NAME = 40,         /* bytes of a ref, a customer, a country, a product */
	ORDER_PAGE = 100,        /* orders in one answer */
	AMENDMENT_PAGE = 16      /* amendments in one answer: with all lines it is no 64 KiB */
};

SAGA_STRUCT(saga_row, id(saga));
SAGA_STRUCT(order_row, id(saga), text(ref), text(customer), text(country), text(state),
	int64(total), opt_int64(placed_at), opt_text(why), opt_text(pending));

#define ORDER_COLUMNS \
	"saga, ref, customer, country, state, total, placed_at, why, amending AS pending"

static const char *const schema[] = {
	"CREATE TABLE orders (saga SAGA_ID PRIMARY KEY, ref SAGA_TEXT(40) NOT NULL UNIQUE,"
	"  customer SAGA_TEXT(40) NOT NULL, country SAGA_TEXT(40) NOT NULL, total BIGINT NOT NULL,"
	"  state SAGA_TEXT(10) NOT NULL, amending SAGA_TEXT(255), why SAGA_TEXT(255));"
	"CREATE TABLE order_line (saga SAGA_ID, amendment SAGA_TEXT(255), sku SAGA_TEXT(40),"
	"  quantity BIGINT NOT NULL, unit_price_cents BIGINT NOT NULL,"
	"  discount_percent BIGINT NOT NULL, PRIMARY KEY (saga, amendment, sku));"
	"CREATE TABLE amendment (saga SAGA_ID, name SAGA_TEXT(255), state SAGA_TEXT(8) NOT NULL,"
	"  why SAGA_TEXT(255), PRIMARY KEY (saga, name));",
	"ALTER TABLE orders ADD placed_at BIGINT;",
	/* A product may stand on several lines: a line is known by its number. */
	"CREATE TABLE ordered (saga SAGA_ID, amendment SAGA_TEXT(255), nth BIGINT,"
	"  sku SAGA_TEXT(40) NOT NULL, quantity BIGINT NOT NULL, unit_price_cents BIGINT NOT NULL,"
	"  discount_percent BIGINT NOT NULL, PRIMARY KEY (saga, amendment, nth));"
	"INSERT INTO ordered (saga, amendment, nth, sku, quantity, unit_price_cents,"
	"  discount_percent) SELECT saga, amendment,"
	"  ROW_NUMBER() OVER (PARTITION BY saga, amendment ORDER BY sku), sku, quantity,"
	"  unit_price_cents, discount_percent FROM order_line;"
	"DROP TABLE order_line;",
	NULL,
};

/* ---- lines ---- */

static bool is_name(const char *text)
{
	return *text && strlen(text) <= ORDER_NAME;
}

static const char *line_fault(const struct order_line *line)
{
	if (!is_name(line->sku))
		return "is no product number";
	if (line->quantity < 1 || line->quantity > ORDER_UNITS)
		return "has a quantity that is not from 1 to 1000000";
	if (line->unit_price_cents < 0 || line->unit_price_cents > ORDER_PRICE)
		return "has a price that is not from 0 to 100000000 cents";
	if (line->discount_percent < 0 || line->discount_percent > 100)
		return "has a discount that is not from 0 to 100 percent";
	return NULL;
}

/* Returns what is wrong with the lines of an order, or NULL. */
static const char *lines_fault(saga_step *s, const struct order_line *lines, size_t count)
{
	if (count == 0 || count > ORDER_LINES)
		return saga_format(s, "%zu lines, it must be 1 to %d", count, ORDER_LINES);
	for (size_t i = 0; i < count; i++) {
		const char *fault = line_fault(&lines[i]);

		if (fault)
			return saga_format(s, "product `%.40s` %s", lines[i].sku, fault);
	}
	return NULL;
}

static int64_t total_of(const struct order_line *lines, size_t count)
{
	int64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += (lines[i].unit_price_cents * lines[i].quantity *
					 (100 - lines[i].discount_percent) +
				 50) /
			100;
	return total;
}

static int by_sku(const void *a, const void *b)
{
	const struct stock_line *left = a, *right = b;

	return strcmp(left->sku, right->sku);
}

/*
 * Sums the lines by product, sorted, so that two orders for the same products never wait for each
 * other.
 */
static const struct stock_line *wanted(
	saga_step *s, const struct order_line *lines, size_t count, size_t *ret_count)
{
	struct stock_line *want = saga_alloc(s, count, sizeof *want);
	size_t products = 0;

	*ret_count = 0;
	if (!want)
		return NULL;
	for (size_t i = 0; i < count; i++)
		want[i] = (struct stock_line){ .sku = lines[i].sku, .quantity = lines[i].quantity };
	qsort(want, count, sizeof *want, by_sku);
	for (size_t i = 0; i < count; i++) {
		if (products && strcmp(want[products - 1].sku, want[i].sku) == 0)
			want[products - 1].quantity += want[i].quantity;
		else
			want[products++] = want[i];
	}
	*ret_count = products;
	return want;
}

static void keep_lines(
	saga_step *s, const char *amendment, const struct order_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		saga_write(s,
			"INSERT INTO ordered (saga, amendment, nth, sku, quantity,"
			" unit_price_cents, discount_percent) VALUES (?, ?, ?, ?, ?, ?, ?)",
			saga_this(s), amendment, (int64_t)i + 1, lines[i].sku, lines[i].quantity,
			lines[i].unit_price_cents, lines[i].discount_percent);
}

/* ---- place, and its undo ---- */

static const char *place_fault(saga_step *s, const struct place_order *wish)
{
	if (!is_name(wish->ref) || !is_name(wish->customer) || !is_name(wish->country))
		return "ref, customer and country take 1 to 40 bytes each";
	return lines_fault(s, wish->lines, wish->lines_count);
}

static saga_verdict place(saga_step *s)
{
	const struct order_config *config = saga_user(s);
	const struct place_order *wish = saga_on(s, place_order);
	const char *fault = place_fault(s, wish);
	const struct stock_line *want;
	size_t want_count;
	int64_t total;

	if (fault)
		return saga_malformed(s, "%s", fault);
	/* Its saga comes from the key, which the slot knows for a time; the order stays. */
	if (saga_query_int64(s, 0, "SELECT COUNT(*) FROM orders WHERE ref = ?", wish->ref))
		return saga_reject(s, order_refused, .why = "this ref was placed before");
	if (saga_query_int64(s, 0, "SELECT COUNT(*) FROM orders WHERE saga = ?", saga_this(s)))
		return saga_reject(s, order_refused, .why = "another ref was placed by this key");
	total = total_of(wish->lines, wish->lines_count);
	saga_write(s,
		"INSERT INTO orders (saga, ref, customer, country, total, state, placed_at)"
		" VALUES (?, ?, ?, ?, ?, 'placed', ?)",
		saga_this(s), wish->ref, wish->customer, wish->country, total, saga_now(s));
	keep_lines(s, "", wish->lines, wish->lines_count);
	saga_after(s, config->pay_within_ms, order_expired);
	want = wanted(s, wish->lines, wish->lines_count, &want_count);
	return saga_emit(s, order_placed, .ref = wish->ref, .customer = wish->customer,
		.country = wish->country, .total = total, .lines = want, .lines_count = want_count);
}

static void tell_end(saga_step *s, bool is_fulfilled)
{
	const struct order_config *config = saga_user(s);
	int64_t placed_at;

	if (!config->ended)
		return;
	placed_at =
		saga_query_int64(s, 0, "SELECT placed_at FROM orders WHERE saga = ?", saga_this(s));
	if (placed_at)
		config->ended(config->user, is_fulfilled, saga_now(s) - placed_at);
}

static saga_verdict unplace(saga_step *s)
{
	const struct stock_rejected *rejected = saga_on(s, stock_rejected);
	const char *why = rejected ? rejected->why : saga_on(s, stock_released)->why;

	saga_write(s,
		"UPDATE orders SET state = 'cancelled', amending = NULL, why = ?"
		" WHERE saga = ?",
		why, saga_this(s));
	tell_end(s, false);
	return saga_emit(s, order_cancelled, .why = why);
}

/* ---- cancel, and the good ends ---- */

static const char *why_not(saga_step *s)
{
	const struct order_row *row = saga_query_one(
		s, order_row, "SELECT " ORDER_COLUMNS " FROM orders WHERE saga = ?", saga_this(s));

	return row ? saga_format(s, "the order is %s", row->state) : "no such order";
}

static saga_verdict cancel(saga_step *s)
{
	if (!saga_require(s,
		    "UPDATE orders SET state = 'cancelling'"
		    " WHERE saga = ? AND state = 'placed'",
		    saga_this(s)))
		return saga_reject(s, order_refused, .why = why_not(s));
	return saga_emit(s, order_cancel_asked);
}

static saga_verdict fulfil(saga_step *s)
{
	saga_write(s,
		"UPDATE orders SET state = 'fulfilled'"
		" WHERE saga = ? AND state <> 'completed'",
		saga_this(s));
	tell_end(s, true);
	return saga_emit(s, order_fulfilled);
}

static saga_verdict complete(saga_step *s)
{
	saga_write(s, "UPDATE orders SET state = 'completed' WHERE saga = ?", saga_this(s));
	return saga_emit(s, order_completed);
}

/* ---- amend, its undo, and apply ---- */

static saga_verdict amend(saga_step *s)
{
	const struct amend_order *wish = saga_on(s, amend_order);
	const char *fault = lines_fault(s, wish->lines, wish->lines_count);
	const struct stock_line *want;
	size_t want_count;

	if (fault)
		return saga_malformed(s, "%s", fault);
	if (!saga_require(s,
		    "UPDATE orders SET state = 'amending', amending = ?"
		    " WHERE saga = ? AND state = 'placed' AND amending IS NULL",
		    saga_subject(s), saga_this(s)))
		return saga_reject(s, order_refused, .why = why_not(s));
	/* Its row stays for longer than the slot knows its name. */
	if (!saga_exec(s,
		    "UPDATE amendment SET state = 'asked', why = NULL WHERE saga = ? AND name = ?",
		    saga_this(s), saga_subject(s)))
		saga_write(s, "INSERT INTO amendment (saga, name, state) VALUES (?, ?, 'asked')",
			saga_this(s), saga_subject(s));
	keep_lines(s, saga_subject(s), wish->lines, wish->lines_count);
	want = wanted(s, wish->lines, wish->lines_count, &want_count);
	return saga_emit(s, amend_asked, .total = total_of(wish->lines, wish->lines_count),
		.lines = want, .lines_count = want_count);
}

static void end_amendment(saga_step *s, const char *state, const char *why)
{
	saga_write(s, "UPDATE amendment SET state = ?, why = ? WHERE saga = ? AND name = ?", state,
		why, saga_this(s), saga_subject(s));
	saga_write(s,
		"UPDATE orders SET amending = NULL,"
		" state = CASE WHEN state = 'amending' THEN 'placed' ELSE state END"
		" WHERE saga = ? AND amending = ?",
		saga_this(s), saga_subject(s));
}

static saga_verdict reject_amendment(saga_step *s)
{
	const struct amend_refused *refused = saga_on(s, amend_refused);
	const char *why = refused ? refused->why : saga_on(s, stock_restored)->why;

	saga_write(s, "DELETE FROM ordered WHERE saga = ? AND amendment = ?", saga_this(s),
		saga_subject(s));
	end_amendment(s, "refused", why);
	return saga_emit(s, amend_rejected, .why = why);
}

static saga_verdict apply(saga_step *s)
{
	const struct payment_adjusted *paid = saga_on(s, payment_adjusted);

	saga_write(s, "DELETE FROM ordered WHERE saga = ? AND amendment = ''", saga_this(s));
	saga_write(s, "UPDATE ordered SET amendment = '' WHERE saga = ? AND amendment = ?",
		saga_this(s), saga_subject(s));
	saga_write(s, "UPDATE orders SET total = ? WHERE saga = ?", paid->cents, saga_this(s));
	end_amendment(s, "applied", NULL);
	return saga_emit(s, order_amended, .total = paid->cents);
}

/* ---- looking ---- */

static const struct order_row *asked_for(saga_step *s)
{
	const struct get_order *asked = saga_on(s, get_order);

	if (asked->ref)
		return saga_query_one(s, order_row,
			"SELECT " ORDER_COLUMNS " FROM orders WHERE ref = ?", asked->ref);
	return saga_query_one(
		s, order_row, "SELECT " ORDER_COLUMNS " FROM orders WHERE saga = ?", saga_this(s));
}

/* A page, by name; or one. An order may have any number of them. */
static const struct amendment_state *amendments_of(
	saga_step *s, saga_id saga, const struct get_order *asked, size_t *ret_count)
{
	if (asked->amendment)
		return saga_query(s, amendment_state, ret_count,
			"SELECT name, state, why FROM amendment WHERE saga = ? AND name = ?", saga,
			asked->amendment);
	return saga_query(s, amendment_state, ret_count,
		"SELECT name, state, why FROM"
		" (SELECT name, state, why, ROW_NUMBER() OVER (ORDER BY name) AS nth"
		"  FROM amendment WHERE saga = ? AND name > ?) page WHERE nth <= ? ORDER BY name",
		saga, asked->after ? asked->after : "", AMENDMENT_PAGE);
}

static saga_verdict get(saga_step *s)
{
	const struct order_row *row = asked_for(s);
	const struct order_line *lines;
	const struct amendment_state *amendments;
	size_t lines_count, amendments_count;

	if (!row)
		return saga_reject(s, order_refused, .why = "no such order");
	lines = saga_query(s, order_line, &lines_count,
		"SELECT sku, quantity, unit_price_cents, discount_percent FROM ordered"
		" WHERE saga = ? AND amendment = '' ORDER BY nth",
		row->saga);
	amendments = amendments_of(s, row->saga, saga_on(s, get_order), &amendments_count);
	return saga_emit(s, order_state, .saga = row->saga, .ref = row->ref,
		.customer = row->customer, .country = row->country, .state = row->state,
		.total = row->total, .has_placed_at = row->has_placed_at,
		.placed_at = row->placed_at, .why = row->why, .pending = row->pending,
		.lines = lines, .lines_count = lines_count, .amendments = amendments,
		.amendments_count = amendments_count,
		.next = amendments_count == AMENDMENT_PAGE ? amendments[amendments_count - 1].name
							   : NULL);
}

/* Its saga alone: for that nothing is read that grows. */
static saga_verdict find(saga_step *s)
{
	const struct saga_row *row = saga_query_one(
		s, saga_row, "SELECT saga FROM orders WHERE ref = ?", saga_on(s, find_order)->ref);

	if (!row)
		return saga_reject(s, order_refused, .why = "no such order");
	return saga_emit(s, order_found, .saga = row->saga);
}

static bool is_status(const char *text)
{
	static const char *const all[] = { "placed", "amending", "cancelling", "fulfilled",
		"completed", "cancelled" };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i], text) == 0)
			return true;
	return false;
}

/* A page, by ref. */
static saga_verdict list(saga_step *s)
{
	const struct list_orders *asked = saga_on(s, list_orders);
	const struct order_summary *orders;
	size_t count;

	if (asked->status && !is_status(asked->status))
		return saga_malformed(s,
			"status is placed, amending, cancelling, fulfilled, "
			"completed or cancelled");
	orders = saga_query(s, order_summary, &count,
		"SELECT ref, saga, customer, state, total, placed_at FROM"
		" (SELECT ref, saga, customer, state, total, placed_at,"
		"  ROW_NUMBER() OVER (ORDER BY ref) AS nth FROM orders"
		"  WHERE ref > ? AND state LIKE ?) page WHERE nth <= ? ORDER BY ref",
		asked->after ? asked->after : "", asked->status ? asked->status : "%", ORDER_PAGE);
	return saga_emit(s, orders_listed, .orders = orders, .orders_count = count,
		.next = count == ORDER_PAGE ? orders[count - 1].ref : NULL);
}

static saga_verdict count(saga_step *s)
{
	return saga_emit(s, orders_counted,
		.placed = saga_query_int64(s, 0, "SELECT COUNT(*) FROM orders"),
		.ended = saga_query_int64(s, 0,
			"SELECT COUNT(*) FROM orders"
			" WHERE state IN ('fulfilled', 'completed', 'cancelled')"));
}

/* ---- the contract ---- */

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "place", .on = { &place_order }, .run = place,
	  .emits = { &order_placed }, .rejects = { &order_refused },
	  .after = { { .event = &order_expired, .unless = { &payment_charged } } },
	  .undo = unplace, .undo_on = { &stock_rejected, &stock_released },
	  .undone = { &order_cancelled } },

	{ .name = "cancel", .per_subject = true, .on = { &cancel_order }, .run = cancel,
	  .emits = { &order_cancel_asked }, .rejects = { &order_refused },
	  .only_while = { "place" }, .neutral = true },

	{ .name = "fulfil", .on = { &shipment_created }, .run = fulfil,
	  .emits = { &order_fulfilled } },

	{ .name = "complete", .on = { &order_fulfilled, &shipment_delivered }, .join = SAGA_ALL,
	  .run = complete, .emits = { &order_completed } },

	{ .name = "amend", .per_subject = true, .on = { &amend_order }, .run = amend,
	  .emits = { &amend_asked }, .rejects = { &order_refused },
	  .undo = reject_amendment, .undo_on = { &amend_refused, &stock_restored },
	  .undone = { &amend_rejected }, .covered_by = "place" },

	{ .name = "apply", .per_subject = true, .on = { &payment_adjusted }, .run = apply,
	  .emits = { &order_amended }, .neutral = true },

	{ .name = "get", .reads_only = true, .on = { &get_order }, .run = get,
	  .emits = { &order_state }, .rejects = { &order_refused } },

	{ .name = "find", .reads_only = true, .on = { &find_order }, .run = find,
	  .emits = { &order_found }, .rejects = { &order_refused } },

	{ .name = "list", .reads_only = true, .on = { &list_orders }, .run = list,
	  .emits = { &orders_listed } },

	{ .name = "count", .reads_only = true, .on = { &count_orders }, .run = count,
	  .emits = { &orders_counted } },
};

const saga_participant_def order = SAGA_PARTICIPANT("order", steps, .schema = schema,
	.ends = {
		{ &order_fulfilled, SAGA_END_DONE }, { &order_cancelled, SAGA_END_UNDONE },
		{ &order_amended, SAGA_END_DONE }, { &amend_rejected, SAGA_END_UNDONE },
	},
	.unheard = { &order_completed });
/* clang-format on */
