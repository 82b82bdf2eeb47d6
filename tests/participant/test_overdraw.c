/*
 * Several lanes, and one row that all of them want: what a guard in the UPDATE is worth, what comes
 * of a handler that only looks before it writes, and what ?isolation=serializable makes of that.
 */
#include "harness.h"

#include <stdio.h>

SAGA_REQUEST(spend, "target.spend", 1, int64(cents));
SAGA_REQUEST(order_pair, "target.order_pair", 1, flag(backwards));
SAGA_REQUEST(spend_blindly, "target.spend_blindly", 1, int64(cents));
SAGA_EVENT(spent, "target.spent", 1, int64(cents));
SAGA_EVENT(too_much, "target.too_much", 1, reason(why));

enum {
	LANES = 4,
	SAGAS = 240,
	CREDIT = 100,
	UNITS = 60,
};

static const char *const schema[] = {
	"CREATE TABLE account (customer SAGA_TEXT(9) PRIMARY KEY, free BIGINT NOT NULL);"
	"CREATE TABLE spending (saga SAGA_ID PRIMARY KEY, cents BIGINT NOT NULL);"
	"CREATE TABLE stock (sku SAGA_TEXT(9) PRIMARY KEY, free BIGINT NOT NULL);"
	"INSERT INTO account (customer, free) VALUES ('A', 100);"
	"INSERT INTO stock (sku, free) VALUES ('pen', 60);"
	"INSERT INTO stock (sku, free) VALUES ('ink', 60);",
	NULL,
};

/* ---- with a guard ---- */

static void note_spending(saga_step *s, int64_t cents)
{
	saga_write(s, "INSERT INTO spending (saga, cents) VALUES (?, ?)", saga_this(s), cents);
}

static saga_verdict run_spend(saga_step *s)
{
	int64_t cents = saga_on(s, spend)->cents;

	if (!saga_exec(s, "UPDATE account SET free = free - ? WHERE customer = 'A' AND free >= ?",
		    cents, cents))
		return saga_reject(s, too_much, .why = "the credit is used up");
	note_spending(s, cents);
	return saga_emit(s, spent, .cents = cents);
}

static bool take_one(saga_step *s, const char *sku)
{
	return saga_exec(s, "UPDATE stock SET free = free - 1 WHERE sku = ? AND free >= 1", sku) >
		0;
}

/* The first two that came so far wait for each other. */
static void meet(struct stage *stage)
{
	int64_t until = stage_deadline();

	atomic_fetch_add(&stage->count, 1);
	while (atomic_load(&stage->count) < 2 && (int64_t)(uv_hrtime() / 1000000) < until)
		uv_sleep(1);
}

/* In either order, and each waits until the other has its first: their batches deadlock. */
static saga_verdict run_pair(saga_step *s)
{
	bool backwards = saga_on(s, order_pair)->backwards;

	if (!take_one(s, backwards ? "ink" : "pen"))
		return saga_reject(s, too_much, .why = "not enough is free");
	if (!is_on("sqlite"))
		meet(saga_user(s));
	if (!take_one(s, backwards ? "pen" : "ink"))
		return saga_reject(s, too_much, .why = "not enough is free");
	note_spending(s, 1);
	return saga_emit(s, spent, .cents = 1);
}

/* ---- without ---- */

static saga_verdict run_blindly(saga_step *s)
{
	struct stage *stage = saga_user(s);
	int64_t cents = saga_on(s, spend_blindly)->cents;
	int64_t before = saga_query_int64(s, 0, "SELECT SUM(cents) AS n FROM spending");

	if (saga_failing(s) == SAGA_OK)
		meet(stage);
	if (before + cents > stage->knob)
		return saga_reject(s, too_much, .why = "the credit is used up");
	note_spending(s, cents);
	return saga_emit(s, spent, .cents = cents);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "spend", .on = { &spend }, .run = run_spend,
	  .emits = { &spent }, .rejects = { &too_much } },
	{ .name = "pair", .on = { &order_pair }, .run = run_pair,
	  .emits = { &spent }, .rejects = { &too_much }, .retry = { .attempts = 50 } },
	{ .name = "blindly", .on = { &spend_blindly }, .run = run_blindly,
	  .emits = { &spent }, .rejects = { &too_much }, .retry = { .attempts = 50 } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = schema);

/* ---- asking, from all sides at once ---- */

struct crowd {
	struct stage *stage;
	struct reply replies[SAGAS];
	int count;
	int took, rejected;
};

static struct crowd *crowd_new(const char *isolation)
{
	struct crowd *crowd = calloc(1, sizeof *crowd);
	char *url;

	ck_assert_ptr_nonnull(crowd);
	crowd->stage = stage_new(LANES);
	url = crowd->stage->url;
	if (isolation)
		snprintf(url + strlen(url), sizeof crowd->stage->url - strlen(url),
			"%cisolation=%s", strchr(url, '?') ? '&' : '?', isolation);
	stage_open(crowd->stage, &def, NULL);
	return crowd;
}

/* Sagas one after the other are of all lanes in turn. */
static void crowd_ask(struct crowd *crowd, const saga_type *type, const void *body)
{
	struct reply *reply = &crowd->replies[crowd->count++];
	const saga_submission submission = { .size = sizeof submission,
		.type = type,
		.body = body,
		.key = "k",
		.saga = stage_saga(crowd->stage) };

	ck_assert_int_eq(ask_later(crowd->stage, &submission, reply), SAGA_OK);
	reply->stage = NULL;
}

/* Each is answered, once. */
static void crowd_await(struct crowd *crowd)
{
	for (int i = 0; i < crowd->count; i++) {
		const struct reply *reply = &crowd->replies[i];

		AWAIT(crowd->stage, reply->times > 0);
		ck_assert_int_eq(reply->times, 1);
		ck_assert_msg(reply->code == SAGA_OK || reply->code == SAGA_REJECTED, "%d: %s: %s",
			i, saga_code_name(reply->code), reply->text);
		crowd->took += reply->code == SAGA_OK;
		crowd->rejected += reply->code == SAGA_REJECTED;
	}
	ck_assert_int_eq(sql_int(crowd->stage,
				 "SELECT COUNT(*) AS n FROM saga_slot WHERE step <> 'marker'"
				 " AND state IN ('done', 'rejected')",
				 NULL, NULL),
		crowd->count);
}

static int64_t rows(const struct crowd *crowd, const char *sql)
{
	return sql_int(crowd->stage, sql, NULL, NULL);
}

static void crowd_end(struct crowd *crowd)
{
	printf("%s: %d took, %d rejected, %d replays\n", ground()->name, crowd->took,
		crowd->rejected, logged(crowd->stage, "batch.replayed"));
	fflush(stdout);
	stage_end(crowd->stage);
	free(crowd);
}

START_TEST(a_guard_holds_whoever_else_spends)
{
	struct crowd *crowd = crowd_new(NULL);

	for (int i = 0; i < SAGAS; i++)
		crowd_ask(crowd, &spend, &(struct spend){ .cents = 1 });
	crowd_await(crowd);
	ck_assert_int_eq(crowd->took, CREDIT);
	ck_assert_int_eq(rows(crowd, "SELECT SUM(cents) AS n FROM spending"), CREDIT);
	ck_assert_int_eq(rows(crowd, "SELECT free FROM account"), 0);
	crowd_end(crowd);
}
END_TEST

START_TEST(guards_hold_where_batches_deadlock)
{
	struct crowd *crowd = crowd_new(NULL);

	settle(crowd->stage);
	for (int i = 0; i < SAGAS; i++)
		crowd_ask(crowd, &order_pair, &(struct order_pair){ .backwards = i % 2 });
	crowd_await(crowd);
	ck_assert_int_eq(crowd->took, UNITS);
	ck_assert_int_eq(rows(crowd, "SELECT COUNT(*) AS n FROM spending"), UNITS);
	ck_assert_int_eq(rows(crowd, "SELECT SUM(free) AS n FROM stock"), 0);
	ck_assert(is_on("sqlite") || logged(crowd->stage, "batch.replayed") > 0);
	crowd_end(crowd);
}
END_TEST

static struct crowd *two_blind(const char *isolation)
{
	struct crowd *crowd = crowd_new(isolation);

	crowd->stage->knob = 1;
	settle(crowd->stage);
	for (int i = 0; i < 2; i++)
		crowd_ask(crowd, &spend_blindly, &(struct spend_blindly){ .cents = 1 });
	crowd_await(crowd);
	return crowd;
}

/* What the tests below would not see, if they saw nothing. */
START_TEST(who_only_looks_is_overdrawn)
{
	struct crowd *crowd;

	LEAVE_OUT_IF(is_on("sqlite"), "one writer: nothing comes between");
	crowd = two_blind(NULL);
	ck_assert_int_eq(crowd->took, 2);
	ck_assert_int_eq(rows(crowd, "SELECT SUM(cents) AS n FROM spending"), 2);
	ck_assert_int_eq(logged(crowd->stage, "batch.replayed"), 0);
	crowd_end(crowd);
}
END_TEST

START_TEST(serializable_replays_who_only_looked)
{
	struct crowd *crowd;

	LEAVE_OUT_IF(is_on("sqlite"), "one writer: it is always so");
	crowd = two_blind("serializable");
	ck_assert_int_eq(crowd->took, 1);
	ck_assert_int_eq(rows(crowd, "SELECT SUM(cents) AS n FROM spending"), 1);
	ck_assert_int_ge(logged(crowd->stage, "batch.replayed"), 1);
	crowd_end(crowd);
}
END_TEST

START_TEST(serializable_ends_every_saga)
{
	struct crowd *crowd;

	LEAVE_OUT_IF(is_on("sqlite"), "one writer: it is always so");
	crowd = crowd_new("serializable");
	crowd->stage->knob = CREDIT;
	settle(crowd->stage);
	for (int i = 0; i < SAGAS; i++)
		crowd_ask(crowd, &spend_blindly, &(struct spend_blindly){ .cents = 1 });
	crowd_await(crowd);
	ck_assert_int_eq(crowd->took, CREDIT);
	ck_assert_int_eq(rows(crowd, "SELECT SUM(cents) AS n FROM spending"), CREDIT);
	ck_assert_int_ge(logged(crowd->stage, "batch.replayed"), 1);
	crowd_end(crowd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_guard_holds_whoever_else_spends,
		guards_hold_where_batches_deadlock,
		who_only_looks_is_overdrawn,
		serializable_replays_who_only_looked,
		serializable_ends_every_saga,
	};

	return run_each_once("overdraw", tests, sizeof tests / sizeof tests[0]);
}
