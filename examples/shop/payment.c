/*
 * The payment service: charges, adjusts and refunds by calls to the payment provider, between two
 * transactions of its own.
 *
 * The provider does nothing twice for one key. It may be slow, may decline, and may answer after we
 * stopped waiting; then it is asked again with the same key.
 */
#include "events.h"
#include "provider.h"
#include "shop.h"

SAGA_STRUCT(charge_wanted, text(customer), int64(cents));
SAGA_STRUCT(adjust_wanted, text(charge_key), int64(cents));
SAGA_STRUCT(provider_said, text(charge_key), opt_text(receipt), opt_text(why));
SAGA_STRUCT(charge_row, text(customer), text(charge_key), int64(cents), text(receipt),
	flag(refunded), flag(refunding));

static const char *const schema[] = {
	"CREATE TABLE account (customer SAGA_TEXT(40) PRIMARY KEY, credit_cents BIGINT NOT NULL);"
	"CREATE TABLE charge (saga SAGA_ID PRIMARY KEY, customer SAGA_TEXT(40) NOT NULL,"
	"  charge_key SAGA_TEXT(36) NOT NULL, cents BIGINT NOT NULL, receipt SAGA_TEXT(64) NOT "
	"NULL,"
	"  refunded BIGINT NOT NULL);",
	"ALTER TABLE charge ADD ref SAGA_TEXT(40);",
	"CREATE INDEX charge_ref ON charge (ref);",
	"ALTER TABLE charge ADD refunding BIGINT;",
	NULL,
};

static bool has_credit(saga_step *s, const char *customer, int64_t cents)
{
	return saga_require(s,
		"SELECT 1 AS enough WHERE ? <= COALESCE("
		" (SELECT credit_cents FROM account WHERE customer = ?),"
		" (SELECT credit_cents FROM account WHERE customer = '*'), 0)",
		cents, customer);
}

static const struct charge_row *charge_of(saga_step *s)
{
	return saga_query_one(s, charge_row,
		"SELECT customer, charge_key, cents, receipt, refunded,"
		" CASE WHEN refunding IS NULL THEN 0 ELSE 1 END AS refunding"
		" FROM charge WHERE saga = ?",
		saga_this(s));
}

static const struct charge_row *charge_named(saga_step *s, const char *ref)
{
	return saga_query_one(s, charge_row,
		"SELECT customer, charge_key, cents, receipt, refunded,"
		" CASE WHEN refunding IS NULL THEN 0 ELSE 1 END AS refunding"
		" FROM charge WHERE ref = ?",
		ref);
}

static saga_verdict tell(saga_call *c, const char *charge_key, enum provider_code code,
	const struct provider_reply *reply)
{
	switch (code) {
	case PROVIDER_DONE:
		return saga_tell(
			c, provider_said, .charge_key = charge_key, .receipt = reply->text);
	case PROVIDER_DECLINED:
		return saga_tell(c, provider_said, .charge_key = charge_key, .why = reply->text);
	case PROVIDER_SILENT:
		break;
	}
	return saga_call_retry(c, "the provider does not answer: %s", reply->text);
}

/* ---- charge ---- */

static saga_verdict prepare_charge(saga_step *s)
{
	const struct stock_reserved *reserved = saga_on(s, stock_reserved);

	if (!has_credit(s, reserved->customer, reserved->total))
		return saga_reject(s, payment_declined, .why = WHY_CREDIT);
	return saga_ask(s, charge_wanted, .customer = reserved->customer, .cents = reserved->total);
}

static saga_verdict call_charge(saga_call *c)
{
	const struct payment_config *config = saga_call_user(c);
	const struct charge_wanted *wanted = saga_asked(c, charge_wanted);
	const char *key = saga_key(c, "charge");
	char reference[SAGA_ID_TEXT];
	struct provider_reply reply;
	enum provider_code code = provider_charge(config->provider, key,
		saga_id_text(saga_event_saga(saga_call_trigger(c)), reference), wanted->customer,
		wanted->cents, saga_time_left(c), &reply);

	return tell(c, key, code, &reply);
}

static saga_verdict charge(saga_step *s)
{
	const struct stock_reserved *reserved = saga_on(s, stock_reserved);
	const struct provider_said *said = saga_told(s, provider_said);

	if (!said->receipt)
		return saga_reject(s, payment_declined, .why = said->why);
	saga_write(s,
		"INSERT INTO charge (saga, customer, charge_key, cents, receipt, refunded, ref)"
		" VALUES (?, ?, ?, ?, ?, 0, ?)",
		saga_this(s), reserved->customer, said->charge_key, reserved->total, said->receipt,
		reserved->ref);
	return saga_emit(s, payment_charged, .cents = reserved->total, .receipt = said->receipt);
}

static saga_verdict refuse_charge(saga_step *s)
{
	const struct shipment_refused *refused = saga_on(s, shipment_refused);

	if (saga_on(s, order_expired))
		return saga_reject(s, payment_declined, .why = WHY_EXPIRED);
	return saga_reject(s, payment_declined, .why = refused ? refused->why : saga_why(s));
}

/* From here on no adjustment may begin: it would come behind the refund. */
static saga_verdict prepare_refund(saga_step *s)
{
	const struct charge_row *row = charge_of(s);

	saga_write(s, "UPDATE charge SET refunding = 1 WHERE saga = ?", saga_this(s));
	return saga_ask(s, adjust_wanted, .charge_key = row ? row->charge_key : "",
		.cents = row ? row->cents : 0);
}

static saga_verdict call_refund(saga_call *c)
{
	const struct payment_config *config = saga_call_user(c);
	const char *key = saga_key(c, "charge");
	struct provider_reply reply;
	enum provider_code code = provider_refund(
		config->provider, key, saga_key(c, "refund"), saga_time_left(c), &reply);

	return tell(c, key, code, &reply);
}

static saga_verdict refund(saga_step *s)
{
	const struct charge_row *row = charge_of(s);

	saga_write(s, "UPDATE charge SET cents = 0, refunded = 1 WHERE saga = ?", saga_this(s));
	return saga_emit(s, payment_refunded, .cents = row ? row->cents : 0,
		.why = saga_on(s, shipment_refused)->why);
}

/* ---- adjust ---- */

static saga_verdict prepare_adjust(saga_step *s)
{
	const struct stock_adjusted *adjusted = saga_on(s, stock_adjusted);
	const struct charge_row *row = charge_of(s);

	if (!row || row->refunded || row->refunding)
		return saga_reject(s, payment_unadjusted, .why = "nothing is charged");
	if (!has_credit(s, row->customer, adjusted->total))
		return saga_reject(s, payment_unadjusted, .why = WHY_CREDIT);
	return saga_ask(s, adjust_wanted, .charge_key = row->charge_key, .cents = adjusted->total);
}

static saga_verdict call_adjust(saga_call *c)
{
	const struct payment_config *config = saga_call_user(c);
	const struct adjust_wanted *wanted = saga_asked(c, adjust_wanted);
	struct provider_reply reply;
	enum provider_code code = provider_adjust(config->provider, wanted->charge_key,
		saga_key(c, "adjust"), wanted->cents, saga_time_left(c), &reply);

	return tell(c, wanted->charge_key, code, &reply);
}

static saga_verdict adjust(saga_step *s)
{
	const struct stock_adjusted *adjusted = saga_on(s, stock_adjusted);
	const struct provider_said *said = saga_told(s, provider_said);

	if (!said->receipt)
		return saga_reject(s, payment_unadjusted, .why = said->why);
	saga_write(s, "UPDATE charge SET cents = ? WHERE saga = ? AND refunded = 0",
		adjusted->total, saga_this(s));
	return saga_emit(s, payment_adjusted, .cents = adjusted->total);
}

/* ---- accounts, and looking ---- */

static saga_verdict open(saga_step *s)
{
	const struct open_account *account = saga_on(s, open_account);

	if (account->credit_cents < 0)
		return saga_malformed(s, "a credit below zero");
	if (!saga_exec(s, "UPDATE account SET credit_cents = ? WHERE customer = ?",
		    account->credit_cents, account->customer))
		saga_write(s, "INSERT INTO account (customer, credit_cents) VALUES (?, ?)",
			account->customer, account->credit_cents);
	return saga_done(s);
}

static saga_verdict get(saga_step *s)
{
	const struct get_payment *asked = saga_on(s, get_payment);
	const struct charge_row *row = asked->ref ? charge_named(s, asked->ref) : charge_of(s);

	if (!row)
		return saga_reject(s, payment_unknown, .why = "nothing was charged for this order");
	return saga_emit(s, payment_state, .cents = row->cents, .receipt = row->receipt,
		.refunded = row->refunded);
}

/* ---- the contract ---- */

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "charge", .on = { &stock_reserved }, .run = charge,
	  .outside = { .prepare = prepare_charge, .call = call_charge, .timeout_ms = 10000 },
	  .emits = { &payment_charged }, .rejects = { &payment_declined },
	  .refuse = refuse_charge, .bar_on = { &order_expired },
	  .undo = refund,
	  .undo_outside = { .prepare = prepare_refund, .call = call_refund, .timeout_ms = 10000 },
	  .undo_on = { &shipment_refused }, .undone = { &payment_refunded },
	  .retry = { .attempts = 20, .first_ms = 50, .max_ms = 10000 },
	  .undo_retry = { .attempts = 20, .first_ms = 50, .max_ms = 10000 } },

	{ .name = "adjust", .per_subject = true, .pivot = true, .on = { &stock_adjusted },
	  .outside = { .prepare = prepare_adjust, .call = call_adjust, .timeout_ms = 10000 },
	  .run = adjust, .emits = { &payment_adjusted }, .rejects = { &payment_unadjusted },
	  .covered_by = "charge",
	  .retry = { .attempts = 20, .first_ms = 50, .max_ms = 10000 } },

	{ .name = "open", .on = { &open_account }, .run = open },

	{ .name = "get", .reads_only = true, .on = { &get_payment }, .run = get,
	  .emits = { &payment_state }, .rejects = { &payment_unknown } },
};
/* clang-format on */

const saga_participant_def payment = SAGA_PARTICIPANT("payment", steps, .schema = schema);
