/*
 * The stock service: what is free, what is held for whom, and what is on its way.
 *
 * A line holds units while an order waits. Of `held` units the order wants `wanted`, and wanted
 * `was` before its last amendment. An amendment takes what it needs more at once, and gives back
 * what it needs less only once it is settled: so it can always be taken back.
 */
#include "events.h"
#include "shop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	HISTORY_PAGE = 64 /* reports in one answer: with all lines it is no 64 KiB */
};

SAGA_STRUCT(
	parcel_row, text(state), flag(paid), flag(due), flag(carrier_serves), opt_text(locked_by));
SAGA_STRUCT(saga_row, id(saga));
SAGA_STRUCT(found_row, text(state), opt_text(ref));
SAGA_STRUCT(report_row, text(name), text(what), text(place), int64(at));
SAGA_STRUCT(stock_row, text(sku), int64(opened), int64(free));

static const char *const schema[] = {
	"CREATE TABLE stock (sku SAGA_TEXT(40) PRIMARY KEY, opened BIGINT NOT NULL,"
	"  free BIGINT NOT NULL);"
	"CREATE TABLE excluded (country SAGA_TEXT(40) PRIMARY KEY);"
	"CREATE TABLE parcel (saga SAGA_ID PRIMARY KEY, country SAGA_TEXT(40) NOT NULL,"
	"  paid BIGINT NOT NULL, due BIGINT NOT NULL, locked_by SAGA_TEXT(255),"
	"  state SAGA_TEXT(9) NOT NULL);"
	"CREATE TABLE line (saga SAGA_ID, sku SAGA_TEXT(40), held BIGINT NOT NULL,"
	"  wanted BIGINT NOT NULL, was BIGINT NOT NULL, PRIMARY KEY (saga, sku));",
	"ALTER TABLE parcel ADD ref SAGA_TEXT(40);",
	"CREATE INDEX parcel_ref ON parcel (ref);"
	"CREATE TABLE parcel_event (saga SAGA_ID, name SAGA_TEXT(255), what SAGA_TEXT(9) NOT NULL,"
	"  place SAGA_TEXT(255) NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (saga, name));",
	NULL,
};

static bool take(saga_step *s, const char *sku, int64_t quantity)
{
	return saga_require(s, "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?",
		quantity, sku, quantity);
}

static const char *why_short(saga_step *s, const char *sku)
{
	return saga_query_int64(s, 0, "SELECT 1 FROM stock WHERE sku = ?", sku) ? WHY_STOCK
										: WHY_UNKNOWN;
}

static void add_line(saga_step *s, const struct stock_line *line)
{
	saga_write(s, "INSERT INTO line (saga, sku, held, wanted, was) VALUES (?, ?, ?, ?, 0)",
		saga_this(s), line->sku, line->quantity, line->quantity);
}

/* Raises what the order holds of a product to quantity, if so much is free. */
static bool raise(saga_step *s, const struct stock_line *line)
{
	saga_id saga = saga_this(s);
	int64_t held = saga_query_int64(
		s, 0, "SELECT held FROM line WHERE saga = ? AND sku = ?", saga, line->sku);
	int64_t more = line->quantity > held ? line->quantity - held : 0;

	if (!take(s, line->sku, more))
		return false;
	if (!saga_exec(s, "UPDATE line SET held = held + ?, wanted = ? WHERE saga = ? AND sku = ?",
		    more, line->quantity, saga, line->sku))
		add_line(s, line);
	return true;
}

/* Gives back what the order holds and does not want. */
static void give_back_surplus(saga_step *s)
{
	saga_id saga = saga_this(s);

	saga_write(s,
		"UPDATE stock SET free = free + (SELECT held - wanted FROM line"
		"  WHERE line.saga = ? AND line.sku = stock.sku)"
		" WHERE sku IN (SELECT sku FROM line WHERE saga = ?)",
		saga, saga);
	saga_write(s, "UPDATE line SET held = wanted WHERE saga = ?", saga);
}

static bool unlock(saga_step *s)
{
	return saga_require(s,
		"UPDATE parcel SET locked_by = NULL WHERE saga = ? AND locked_by = ?", saga_this(s),
		saga_subject(s));
}

static bool is_live(saga_step *s)
{
	return saga_require(
		s, "SELECT 1 FROM parcel WHERE saga = ? AND state = 'reserved'", saga_this(s));
}

static const struct stock_line *held_in(saga_step *s, saga_id saga, size_t *ret_count)
{
	return saga_query(s, stock_line, ret_count,
		"SELECT sku, held AS quantity FROM line"
		" WHERE saga = ? AND held > 0 ORDER BY sku",
		saga);
}

static const struct stock_line *held_lines(saga_step *s, size_t *ret_count)
{
	return held_in(s, saga_this(s), ret_count);
}

static const struct parcel_row *parcel_in(saga_step *s, saga_id saga)
{
	return saga_query_one(s, parcel_row,
		"SELECT state, paid, due, locked_by,"
		" CASE WHEN country IN (SELECT country FROM excluded) THEN 0 ELSE 1 END"
		" AS carrier_serves FROM parcel WHERE saga = ?",
		saga);
}

static const struct parcel_row *parcel_of(saga_step *s)
{
	return parcel_in(s, saga_this(s));
}

static bool is_sent(const struct parcel_row *parcel)
{
	return strcmp(parcel->state, "shipped") == 0 || strcmp(parcel->state, "delivered") == 0;
}

/* ---- reserve, and release ---- */

static saga_verdict reserve(saga_step *s)
{
	const struct order_placed *placed = saga_on(s, order_placed);

	saga_write(s,
		"INSERT INTO parcel (saga, country, paid, due, state, ref)"
		" VALUES (?, ?, 0, 0, 'reserved', ?)",
		saga_this(s), placed->country, placed->ref);
	for (size_t i = 0; i < placed->lines_count; i++) {
		if (!take(s, placed->lines[i].sku, placed->lines[i].quantity))
			return saga_reject(s, stock_rejected, .sku = placed->lines[i].sku,
				.why = why_short(s, placed->lines[i].sku));
		add_line(s, &placed->lines[i]);
	}
	return saga_emit(s, stock_reserved, .ref = placed->ref, .customer = placed->customer,
		.total = placed->total);
}

/* Why the payment does not stand. */
static const char *unpaid_why(saga_step *s)
{
	const struct payment_declined *declined = saga_on(s, payment_declined);
	const struct payment_refunded *refunded = saga_on(s, payment_refunded);

	return declined ? declined->why : refunded ? refunded->why : saga_why(s);
}

static saga_verdict refuse_reserve(saga_step *s)
{
	return saga_reject(s, stock_rejected, .why = unpaid_why(s));
}

static saga_verdict release(saga_step *s)
{
	size_t count;
	const struct stock_line *lines = held_lines(s, &count);

	saga_write(s, "UPDATE line SET wanted = 0 WHERE saga = ?", saga_this(s));
	give_back_surplus(s);
	saga_write(s, "UPDATE parcel SET state = 'released', locked_by = NULL WHERE saga = ?",
		saga_this(s));
	return saga_emit(
		s, stock_released, .lines = lines, .lines_count = count, .why = unpaid_why(s));
}

/* ---- ship, and track ---- */

static void note_trigger(saga_step *s)
{
	const struct stock_config *config = saga_user(s);

	if (saga_on(s, payment_charged)) {
		saga_write(s, "UPDATE parcel SET paid = 1, due = ? WHERE saga = ?",
			config->dispatch_delay_ms <= 0, saga_this(s));
		if (config->dispatch_delay_ms > 0)
			saga_after(s, config->dispatch_delay_ms, dispatch_due);
	}
	if (saga_on(s, dispatch_due))
		saga_write(s, "UPDATE parcel SET due = 1 WHERE saga = ?", saga_this(s));
}

/*
 * Adds a report to the parcel's history: one row for each subject. The row outlives the slot's
 * knowledge of that subject.
 */
static void note_event(saga_step *s, const char *what, const char *place)
{
	if (saga_query_int64(s, 0, "SELECT COUNT(*) FROM parcel_event WHERE saga = ? AND name = ?",
		    saga_this(s), saga_subject(s)))
		return;
	saga_write(s,
		"INSERT INTO parcel_event (saga, name, what, place, at) VALUES (?, ?, ?, ?, ?)",
		saga_this(s), saga_subject(s), what, place, saga_now(s));
}

static saga_verdict ship(saga_step *s)
{
	const struct parcel_row *parcel;
	const struct stock_line *lines;
	size_t count;
	char number[SAGA_ID_TEXT];

	note_trigger(s);
	parcel = parcel_of(s);
	if (!parcel || !parcel->paid)
		return saga_wait(s, "not paid yet");
	if (parcel->locked_by)
		return saga_wait(s, "amendment %s holds it", parcel->locked_by);
	if (!parcel->due)
		return saga_wait(s, "its time to leave has not come");
	if (!parcel->carrier_serves)
		return saga_reject(s, shipment_refused, .why = WHY_CARRIER);
	lines = held_lines(s, &count);
	saga_write(s, "UPDATE parcel SET state = 'shipped' WHERE saga = ?", saga_this(s));
	note_event(s, "created", "the warehouse");
	return saga_emit(s, shipment_created, .parcel = saga_id_text(saga_this(s), number),
		.lines = lines, .lines_count = count);
}

static saga_verdict refuse_ship(saga_step *s)
{
	if (saga_on(s, order_cancel_asked))
		return saga_reject(s, shipment_refused, .why = WHY_CUSTOMER);
	return saga_reject(s, shipment_refused, .why = unpaid_why(s));
}

static saga_verdict track(saga_step *s)
{
	const struct track_parcel *seen = saga_on(s, track_parcel);
	const struct parcel_row *parcel = parcel_of(s);

	if (!parcel || !is_sent(parcel))
		return saga_malformed(s, "no such parcel is on its way");
	if (strlen(seen->place) > 255)
		return saga_malformed(s, "a place takes 255 bytes at most");
	note_event(s, seen->delivered ? "delivered" : "moved", seen->place);
	/* It is delivered once: whoever joins on that may have forgotten the first time. */
	if (!seen->delivered || strcmp(parcel->state, "delivered") == 0)
		return saga_emit(s, shipment_moved, .place = seen->place);
	saga_write(s, "UPDATE parcel SET state = 'delivered' WHERE saga = ?", saga_this(s));
	return saga_emit(s, shipment_delivered, .place = seen->place);
}

/* ---- adjust, its undo, and settle ---- */

static saga_verdict adjust(saga_step *s)
{
	const struct amend_asked *amend = saga_on(s, amend_asked);

	if (!saga_require(s,
		    "UPDATE parcel SET locked_by = ? WHERE saga = ? AND locked_by IS NULL"
		    " AND state = 'reserved'",
		    saga_subject(s), saga_this(s)))
		return saga_reject(s, amend_refused, .why = "not reserved, or being amended");
	saga_write(s, "UPDATE line SET was = wanted, wanted = 0 WHERE saga = ?", saga_this(s));
	for (size_t i = 0; i < amend->lines_count; i++)
		if (!raise(s, &amend->lines[i]))
			return saga_reject(
				s, amend_refused, .why = why_short(s, amend->lines[i].sku));
	return saga_emit(s, stock_adjusted, .total = amend->total);
}

static saga_verdict restore(saga_step *s)
{
	if (unlock(s) && is_live(s)) {
		saga_write(s, "UPDATE line SET wanted = was WHERE saga = ?", saga_this(s));
		give_back_surplus(s);
	}
	return saga_emit(s, stock_restored, .why = saga_on(s, payment_unadjusted)->why);
}

static saga_verdict settle(saga_step *s)
{
	if (unlock(s) && is_live(s))
		give_back_surplus(s);
	return saga_emit(s, stock_settled);
}

/* ---- goods and countries, and looking ---- */

static saga_verdict open(saga_step *s)
{
	const struct open_stock *goods = saga_on(s, open_stock);

	if (goods->quantity < 0)
		return saga_malformed(s, "a quantity below zero");
	/* An opened product stays open: a start may tell it again after its key is forgotten. */
	if (!saga_query_int64(s, 0, "SELECT COUNT(*) FROM stock WHERE sku = ?", goods->sku))
		saga_write(s, "INSERT INTO stock (sku, opened, free) VALUES (?, ?, ?)", goods->sku,
			goods->quantity, goods->quantity);
	return saga_done(s);
}

static saga_verdict exclude(saga_step *s)
{
	const char *country = saga_on(s, exclude_country)->country;

	if (!saga_query_int64(s, 0, "SELECT COUNT(*) FROM excluded WHERE country = ?", country))
		saga_write(s, "INSERT INTO excluded (country) VALUES (?)", country);
	return saga_done(s);
}

static saga_verdict level(saga_step *s)
{
	const struct stock_row *row = saga_query_one(s, stock_row,
		"SELECT sku, opened, free FROM stock WHERE sku = ?", saga_on(s, get_stock)->sku);

	if (!row)
		return saga_reject(s, stock_unknown, .why = WHY_UNKNOWN);
	return saga_emit(s, stock_level, .sku = row->sku, .opened = row->opened, .free = row->free);
}

static saga_id asked_for(saga_step *s)
{
	const struct get_shipment *asked = saga_on(s, get_shipment);
	const struct saga_row *row = asked->ref
		? saga_query_one(s, saga_row, "SELECT saga FROM parcel WHERE ref = ?", asked->ref)
		: NULL;

	return row ? row->saga : asked->ref ? (saga_id){ { 0 } } : saga_this(s);
}

/* A report's place in the history: "AT NAME". What is no such place comes before all. */
static const struct report_row *history_after(
	saga_step *s, saga_id saga, const char *after, size_t *ret_count)
{
	char *name = NULL;
	int64_t at = after ? strtoll(after, &name, 10) : -1;

	return saga_query(s, report_row, ret_count,
		"SELECT name, what, place, at FROM"
		" (SELECT name, what, place, at, ROW_NUMBER() OVER (ORDER BY at, name) AS nth"
		"  FROM parcel_event WHERE saga = ? AND (at > ? OR (at = ? AND name > ?))) page"
		" WHERE nth <= ? ORDER BY at, name",
		saga, at, at, name && *name ? name + 1 : "", HISTORY_PAGE);
}

static saga_verdict shipment(saga_step *s)
{
	saga_id saga = asked_for(s);
	const struct parcel_row *parcel = parcel_in(s, saga);
	size_t count, history_count;
	const struct stock_line *lines = held_in(s, saga, &count);
	const struct report_row *reports =
		history_after(s, saga, saga_on(s, get_shipment)->after, &history_count);
	struct parcel_event *history = saga_alloc(s, history_count, sizeof *history);
	char number[SAGA_ID_TEXT];

	if (!parcel)
		return saga_emit(s, shipment_state, .state = "none");
	for (size_t i = 0; history && i < history_count; i++)
		history[i] = (struct parcel_event){
			.what = reports[i].what, .place = reports[i].place, .at = reports[i].at
		};
	return saga_emit(s, shipment_state, .state = parcel->state, .paid = parcel->paid,
		.locked_by = parcel->locked_by, .lines = lines, .lines_count = count,
		.tracking = is_sent(parcel) ? saga_id_text(saga, number) : NULL, .history = history,
		.history_count = history_count,
		.next = history_count == HISTORY_PAGE
			? saga_format(s, "%" PRId64 " %s", reports[history_count - 1].at,
				  reports[history_count - 1].name)
			: NULL);
}

static saga_verdict find(saga_step *s)
{
	const struct found_row *row = saga_query_one(
		s, found_row, "SELECT state, ref FROM parcel WHERE saga = ?", saga_this(s));

	if (!row)
		return saga_emit(s, parcel_found, .state = "none");
	return saga_emit(s, parcel_found, .state = row->state, .ref = row->ref);
}

/* ---- the contract ---- */

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "reserve", .on = { &order_placed }, .run = reserve,
	  .emits = { &stock_reserved }, .rejects = { &stock_rejected }, .refuse = refuse_reserve,
	  .undo = release, .undo_on = { &payment_declined, &payment_refunded },
	  .undone = { &stock_released } },

	{ .name = "ship", .pivot = true,
	  .on = { &payment_charged, &dispatch_due, &stock_settled, &stock_restored }, .run = ship,
	  .emits = { &shipment_created }, .rejects = { &shipment_refused }, .refuse = refuse_ship,
	  .bar_on = { &order_cancel_asked, &payment_declined },
	  .after = { { .event = &dispatch_due, .maybe = true } },
	  .waits = { { .why = "not paid yet", .until = { &payment_charged } },
	             { .why = "an amendment holds it", .held = "adjust", .freed = "settle" },
	             { .why = "its time to leave has not come", .until = { &dispatch_due },
	               .maybe = true } } },

	{ .name = "track", .per_subject = true, .on = { &track_parcel }, .run = track,
	  .emits = { &shipment_moved, &shipment_delivered },
	  .only_while = { "ship" }, .neutral = true, .owed = true },

	{ .name = "adjust", .per_subject = true, .on = { &amend_asked }, .run = adjust,
	  .emits = { &stock_adjusted }, .rejects = { &amend_refused },
	  .undo = restore, .undo_on = { &payment_unadjusted }, .undone = { &stock_restored },
	  .covered_by = "reserve" },

	{ .name = "settle", .per_subject = true, .on = { &order_amended }, .run = settle,
	  .emits = { &stock_settled }, .neutral = true },

	{ .name = "open", .on = { &open_stock }, .run = open },

	{ .name = "exclude", .on = { &exclude_country }, .run = exclude },

	{ .name = "get_stock", .reads_only = true, .on = { &get_stock }, .run = level,
	  .emits = { &stock_level }, .rejects = { &stock_unknown } },

	{ .name = "find_parcel", .reads_only = true, .on = { &find_parcel }, .run = find,
	  .emits = { &parcel_found } },

	{ .name = "get_shipment", .reads_only = true, .on = { &get_shipment }, .run = shipment,
	  .emits = { &shipment_state } },
};
/* clang-format on */

const saga_participant_def stock = SAGA_PARTICIPANT("stock", steps, .schema = schema);
