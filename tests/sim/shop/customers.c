#include "customers.h"

#include "dice.h"
#include "events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	PRODUCTS = 6,
	LINES_MOST = 3,
	AMENDMENTS = 2,
	PLACING_MS = 40000,
	LOOKS_MOST = 60,  /* an order that a restored store has lost is never brought */
	LATE_MS = 125000, /* when all faults are long over, and nothing may be late any more */
	LATE_EVERY = 8,
};

/* ---- what there is ---- */

struct product {
	const char *sku;
	int64_t cents;
	int64_t units; /* an order, on average: much, scarce, none */
};

static const struct product products[PRODUCTS] = {
	{ "chai", 1800, 40 },
	{ "chang", 1900, 40 },
	{ "aniseed", 1000, 16 },
	{ "gumbo", 2135, 8 },
	{ "tofu", 2325, 4 },
	{ "truffle", 90000, 0 },
};
static const char *const names[] = { "ALFKI", "SAVEA", "ERNSH", "QUICK", "HUNGO", "POOR" };
static const int64_t credits[] = { 60000, 400000, 400000, 400000, 200000, 3000 };
static const char *const countries[] = { "Germany", "Austria", "USA", "Brazil", "France", "UK",
	"Sweden", "Ireland" };
static const char *const excluded = "Ireland";

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- who asks what ---- */

enum ask_kind {
	ASK_DATA,
	ASK_PLACE,
	ASK_AMEND,
	ASK_CANCEL,
	ASK_DELIVER,
	ASK_LOOK
};

static const char *const kind_names[] = { "data", "place", "amend", "cancel", "deliver", "look" };

struct lines {
	size_t count;
	struct order_line at[LINES_MOST];
};

struct customer {
	struct customers *all;
	size_t number;
	char ref[32];
	const char *name, *country;
	int64_t at_ms;
	bool is_wrong; /* the order breaks a rule of form */
	bool is_placed;
	int looks;
	saga_id saga;
	struct lines lines[2]; /* the second: another body under the same key */
	struct lines amended[AMENDMENTS];
};

/* One thing asked. With the same key and body the answers must be the same. */
struct ask {
	struct ask *next;
	struct customers *all;
	struct customer *customer; /* NULL: it is no order's */
	enum ask_kind kind;
	int nth;  /* its key is made of kind and this */
	int body; /* which of the customer's two */
	int answers;
	int code;
	saga_id saga;
	saga_id outcome;
};

struct customers {
	saga_sim *sim;
	struct dice dice;
	struct customer *customers;
	size_t count;
	struct ask *asks;
	bool steps_fail;
	size_t data_open; /* what the services were not yet told */
	saga_error error; /* the first thing that could not be asked */
};

static void answered(void *user, const saga_answer *answer);

static struct ask *new_ask(
	struct customers *all, struct customer *customer, enum ask_kind kind, int nth)
{
	struct ask *ask = calloc(1, sizeof *ask);

	if (!ask)
		return NULL;
	ask->all = all;
	ask->customer = customer;
	ask->kind = kind;
	ask->nth = nth;
	ask->next = all->asks;
	all->asks = ask;
	return ask;
}

static void submit(struct customers *all, struct ask *ask, const char *participant, int64_t at_ms,
	saga_submission submission)
{
	saga_error error;
	int code;

	submission.answered = answered;
	submission.user = ask;
	code = ask ? saga_sim_submit(all->sim, participant, at_ms, &submission, &error)
		   : saga_error_set(&error, SAGA_NOMEM, "out of memory");
	if (code != SAGA_OK && all->error.code == SAGA_OK)
		all->error = error;
}

static int64_t soon_after(struct customers *all, int64_t ms, size_t within_ms)
{
	return ms + 1 + (int64_t)dice_below(&all->dice, within_ms);
}

static int64_t soon(struct customers *all, size_t within_ms)
{
	return soon_after(all, saga_sim_now(all->sim), within_ms);
}

/* ---- orders ---- */

static void draw_lines(struct customers *all, struct lines *lines)
{
	size_t first = dice_below(&all->dice, PRODUCTS - 1);

	lines->count = 1 + dice_below(&all->dice, LINES_MOST);
	for (size_t i = 0; i < lines->count; i++) {
		/* Nobody has the last one: seldom asked for. */
		size_t at = dice_percent(&all->dice, 3) && !i ? PRODUCTS - 1
							      : (first + i) % (PRODUCTS - 1);

		lines->at[i] = (struct order_line){ .sku = products[at].sku,
			.quantity = 1 + (int64_t)dice_below(&all->dice, 9),
			.unit_price_cents = products[at].cents,
			.has_discount_percent = true,
			.discount_percent = (int64_t)dice_below(&all->dice, 4) * 5 };
	}
}

static void draw_customer(struct customers *all, struct customer *customer, size_t number)
{
	customer->all = all;
	customer->number = number;
	snprintf(customer->ref, sizeof customer->ref, "order-%zu", number);
	customer->name = names[dice_below(&all->dice, COUNT(names))];
	customer->country = countries[dice_below(&all->dice, COUNT(countries))];
	customer->at_ms = (int64_t)dice_below(&all->dice, PLACING_MS);
	if (number % LATE_EVERY == LATE_EVERY - 1)
		customer->at_ms = customer->at_ms / LATE_EVERY + LATE_MS;
	draw_lines(all, &customer->lines[0]);
	customer->lines[1] = customer->lines[0];
	customer->lines[1].at[0].quantity++;
	for (size_t i = 0; i < AMENDMENTS; i++)
		draw_lines(all, &customer->amended[i]);
	customer->is_wrong = dice_percent(&all->dice, 4);
	if (customer->is_wrong) {
		customer->lines[0].at[0].quantity = 0;
		customer->lines[1].at[0].quantity = -1;
	}
}

static void place(struct customer *customer, int64_t at_ms, int body)
{
	const struct lines *lines = &customer->lines[body];
	struct ask *ask = new_ask(customer->all, customer, ASK_PLACE, 0);

	if (ask)
		ask->body = body;
	submit(customer->all, ask, "order", at_ms,
		(saga_submission){ SAGA_SUBMISSION(place_order, .ref = customer->ref,
					   .customer = customer->name, .country = customer->country,
					   .lines = lines->at, .lines_count = lines->count),
			.key = customer->ref });
}

static void amend(struct customer *customer, int64_t at_ms, int nth)
{
	const struct lines *lines = &customer->amended[nth];
	char key[16];

	snprintf(key, sizeof key, "amend-%d", nth);
	submit(customer->all, new_ask(customer->all, customer, ASK_AMEND, nth), "order", at_ms,
		(saga_submission){ SAGA_SUBMISSION(amend_order, .lines = lines->at,
					   .lines_count = lines->count),
			.key = key, .saga = customer->saga });
}

static void cancel(struct customer *customer, int64_t at_ms)
{
	submit(customer->all, new_ask(customer->all, customer, ASK_CANCEL, 0), "order", at_ms,
		(saga_submission){
			SAGA_SUBMISSION(cancel_order), .key = "cancel", .saga = customer->saga });
}

static void deliver(struct customer *customer, int64_t at_ms)
{
	submit(customer->all, new_ask(customer->all, customer, ASK_DELIVER, 0), "stock", at_ms,
		(saga_submission){
			SAGA_SUBMISSION(track_parcel, .place = "at the door", .delivered = true),
			.key = "deliver", .saga = customer->saga });
}

static void look(struct customer *customer, int64_t at_ms)
{
	submit(customer->all, new_ask(customer->all, customer, ASK_LOOK, 0), "order", at_ms,
		(saga_submission){ SAGA_SUBMISSION(get_order), .saga = customer->saga });
}

/* What a customer does once the order is placed. */
static void go_on(struct customer *customer)
{
	struct customers *all = customer->all;
	struct dice *dice = &all->dice;

	for (int nth = 0; nth < AMENDMENTS; nth++)
		for (int times = dice_percent(dice, 25); times; times = dice_percent(dice, 30))
			amend(customer, soon(all, 8000), nth);
	for (int times = dice_percent(dice, 20); times; times = dice_percent(dice, 30))
		cancel(customer, soon(all, 8000));
	for (int times = dice_percent(dice, 20); times; times = dice_percent(dice, 30))
		deliver(customer, soon(all, 10000));
	look(customer, soon(all, 20000));
}

static void place_all(struct customers *all)
{
	int64_t now = saga_sim_now(all->sim);

	for (size_t i = 0; i < all->count; i++) {
		struct customer *customer = &all->customers[i];

		place(customer, now + customer->at_ms, 0);
		if (dice_percent(&all->dice, 30))
			place(customer, soon_after(all, now + customer->at_ms, 5000), 0);
		if (dice_percent(&all->dice, 15))
			place(customer, soon_after(all, now + customer->at_ms, 5000), 1);
	}
}

/* ---- answers ---- */

static void was_placed(struct customer *customer, saga_id saga)
{
	if (customer->is_placed)
		return;
	customer->is_placed = true;
	customer->saga = saga;
	go_on(customer);
}

/* The carrier looks until it is on its way, and then brings it. */
static void was_seen(struct customer *customer, const struct order_state *state)
{
	if (++customer->looks > LOOKS_MOST)
		return;
	if (state && strcmp(state->state, "fulfilled") == 0)
		deliver(customer, soon(customer->all, 5000));
	else if (state && strcmp(state->state, "completed") != 0 &&
		strcmp(state->state, "cancelled") != 0)
		look(customer, soon(customer->all, 10000));
}

static void answered(void *user, const saga_answer *answer)
{
	struct ask *ask = user;
	struct customers *all = ask->all;

	ask->code = answer->code;
	ask->saga = answer->saga;
	ask->outcome = answer->outcome ? saga_event_id(answer->outcome) : (saga_id){ { 0 } };
	if (ask->answers++ > 0)
		return;
	if (ask->kind == ASK_DATA && --all->data_open == 0)
		place_all(all);
	if (ask->kind == ASK_PLACE && ask->code == SAGA_OK)
		was_placed(ask->customer, ask->saga);
	if (ask->kind == ASK_LOOK && answer->outcome)
		was_seen(ask->customer, saga_body(answer->outcome, order_state));
}

/* ---- before the first order ---- */

static void tell(
	struct customers *all, const char *participant, const char *key, saga_submission submission)
{
	submission.key = key;
	submit(all, new_ask(all, NULL, ASK_DATA, (int)all->data_open++), participant, 0,
		submission);
}

static void tell_all(struct customers *all)
{
	for (size_t i = 0; i < PRODUCTS; i++)
		tell(all, "stock", products[i].sku,
			(saga_submission){ SAGA_SUBMISSION(open_stock, .sku = products[i].sku,
				.quantity = products[i].units * (int64_t)all->count / 4) });
	tell(all, "stock", excluded,
		(saga_submission){ SAGA_SUBMISSION(exclude_country, .country = excluded) });
	for (size_t i = 0; i < COUNT(names); i++)
		tell(all, "payment", names[i],
			(saga_submission){ SAGA_SUBMISSION(
				open_account, .customer = names[i], .credit_cents = credits[i]) });
}

/* ---- their life ---- */

int customers_new(saga_sim *sim, uint64_t seed, size_t orders, bool steps_fail,
	struct customers **ret_customers, saga_error *error)
{
	struct customers *all = calloc(1, sizeof *all);

	if (all)
		all->customers = calloc(orders ? orders : 1, sizeof *all->customers);
	if (!all || !all->customers) {
		free(all);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	all->sim = sim;
	all->dice.state = seed;
	all->count = orders;
	all->steps_fail = steps_fail;
	for (size_t i = 0; i < orders; i++)
		draw_customer(all, &all->customers[i], i);
	tell_all(all);
	if (all->error.code != SAGA_OK) {
		*error = all->error;
		customers_free(all);
		return error->code;
	}
	*ret_customers = all;
	return SAGA_OK;
}

void customers_free(struct customers *customers)
{
	struct ask *ask;

	if (!customers)
		return;
	while ((ask = customers->asks)) {
		customers->asks = ask->next;
		free(ask);
	}
	free(customers->customers);
	free(customers);
}

/* ---- whether the answers fit ---- */

static bool is_allowed(const struct ask *ask)
{
	bool is_kept = !ask->customer || !ask->customer->is_wrong || ask->all->steps_fail;

	switch (ask->kind) {
	case ASK_PLACE:
		return ask->code == (ask->customer->is_wrong ? SAGA_MALFORMED : SAGA_OK) ||
			(ask->code == SAGA_CONFLICT && is_kept) ||
			(ask->code == SAGA_FAILED && ask->all->steps_fail);
	case ASK_AMEND:
	case ASK_CANCEL:
		return ask->code == SAGA_OK || ask->code == SAGA_REJECTED ||
			(ask->code == SAGA_FAILED && ask->all->steps_fail);
	case ASK_DELIVER:
		return ask->code == SAGA_OK || ask->code == SAGA_MALFORMED;
	default:
		return ask->code == SAGA_OK;
	}
}

static bool are_same(saga_id a, saga_id b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* Two with one key. A malformed one leaves nothing behind, and may be right the next time. */
static const char *misfit(const struct ask *a, const struct ask *b)
{
	if (a->code == SAGA_MALFORMED || b->code == SAGA_MALFORMED || a->kind == ASK_LOOK)
		return NULL;
	if (!are_same(a->saga, b->saga))
		return "are answered with two sagas";
	if (a->body != b->body)
		return (a->code == SAGA_CONFLICT) == (b->code == SAGA_CONFLICT)
			? "have two bodies, and not one of them conflicts"
			: NULL;
	if (a->code != b->code)
		return "are answered with two codes";
	return are_same(a->outcome, b->outcome) ? NULL : "are answered with two events";
}

static size_t say(FILE *out, const struct ask *ask, const char *what)
{
	fprintf(out, "answers: %s %d%s%s %s (%s)\n", kind_names[ask->kind], ask->nth,
		ask->customer ? " of " : "", ask->customer ? ask->customer->ref : "", what,
		saga_code_text(ask->code));
	return 1;
}

size_t customers_check(const struct customers *customers, FILE *out, size_t *ret_placed)
{
	size_t breaches = 0;

	if (customers->error.code != SAGA_OK)
		fprintf(out, "answers: could not be asked: %s\n", customers->error.text);
	breaches += customers->error.code != SAGA_OK;
	for (const struct ask *ask = customers->asks; ask; ask = ask->next) {
		if (ask->answers != 1)
			breaches += say(
				out, ask, ask->answers ? "is answered twice" : "is never answered");
		else if (!is_allowed(ask))
			breaches += say(out, ask, "has an answer that it can't have");
		for (const struct ask *b = ask->next; b && ask->customer; b = b->next)
			if (b->customer == ask->customer && b->kind == ask->kind &&
				b->nth == ask->nth && ask->answers && b->answers && misfit(ask, b))
				breaches += say(out, ask, misfit(ask, b));
	}
	*ret_placed = 0;
	for (size_t i = 0; i < customers->count; i++)
		*ret_placed += customers->customers[i].is_placed;
	return breaches;
}
