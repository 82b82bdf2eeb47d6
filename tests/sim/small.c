#include "small.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CREDIT = 500
};

/* ---- the till ---- */

static saga_verdict place(saga_step *s)
{
	const struct place_order *order = saga_on(s, place_order);

	saga_exec(s, "INSERT INTO orders (saga, state) VALUES (?, 'placed')", saga_this(s));
	return saga_emit(s, order_placed, .units = order->units, .total = order->total);
}

static saga_verdict cancel(saga_step *s)
{
	saga_exec(s, "UPDATE orders SET state = 'cancelled' WHERE saga = ?", saga_this(s));
	return saga_emit(s, order_cancelled);
}

static saga_verdict finish(saga_step *s)
{
	saga_exec(s, "UPDATE orders SET state = 'finished' WHERE saga = ?", saga_this(s));
	return saga_emit(s, order_finished);
}

static const saga_step_def till_steps[] = {
	{ .name = "place",
		.on = { &place_order },
		.run = place,
		.emits = { &order_placed },
		.undo = cancel,
		.undo_on = { &units_refused, &units_released },
		.undone = { &order_cancelled } },
	{ .name = "finish", .on = { &money_charged }, .run = finish, .emits = { &order_finished } },
};

static const char *const till_schema[] = {
	"CREATE TABLE orders (saga SAGA_ID PRIMARY KEY, state TEXT NOT NULL);", NULL
};

const saga_participant_def small_till = SAGA_PARTICIPANT("till", till_steps, .schema = till_schema);

/* ---- the depot ---- */

static saga_verdict reserve(saga_step *s)
{
	const struct order_placed *order = saga_on(s, order_placed);

	if (!saga_exec(s, "UPDATE depot SET free = free - ? WHERE free >= ?", order->units,
		    order->units))
		return saga_reject(s, units_refused, .why = "none left");
	saga_exec(
		s, "INSERT INTO reserved (saga, units) VALUES (?, ?)", saga_this(s), order->units);
	return saga_emit(s, units_reserved, .total = order->total);
}

static saga_verdict release(saga_step *s)
{
	saga_exec(s, "UPDATE depot SET free = free + (SELECT units FROM reserved WHERE saga = ?)",
		saga_this(s));
	saga_exec(s, "DELETE FROM reserved WHERE saga = ?", saga_this(s));
	return saga_emit(s, units_released);
}

static const saga_step_def depot_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve,
		.emits = { &units_reserved },
		.rejects = { &units_refused },
		.undo = release,
		.undo_on = { &money_declined },
		.undone = { &units_released } },
};

const char *const small_depot_schema[] = {
	"CREATE TABLE depot (free BIGINT NOT NULL);"
	"INSERT INTO depot (free) VALUES (100);"
	"CREATE TABLE reserved (saga SAGA_ID PRIMARY KEY, units BIGINT NOT NULL);",
	NULL
};

const saga_participant_def small_depot =
	SAGA_PARTICIPANT("depot", depot_steps, .schema = small_depot_schema);

/* ---- the bank ---- */

SAGA_STRUCT(charge_question, int64(total));
SAGA_STRUCT(charge_answer, flag(taken));

static saga_verdict ask(saga_step *s)
{
	const struct units_reserved *reserved = saga_on(s, units_reserved);

	return saga_ask(s, charge_question, .total = reserved->total);
}

static saga_verdict call(saga_call *c)
{
	struct small *small = saga_call_user(c);
	struct small_provider *provider = &small->provider;
	const struct charge_question *question = saga_asked(c, charge_question);
	const char *key = saga_key(c, "charge");
	size_t i = 0;

	if (!question)
		return saga_call_retry(c, "no question");
	provider->asked++;
	while (i < provider->count && strcmp(provider->charges[i].key, key) != 0)
		i++;
	if (i == SMALL_ACCOUNTS)
		return saga_call_retry(c, "the provider is full");
	if (i == provider->count) {
		provider->count++;
		(void)snprintf(provider->charges[i].key, SAGA_ID_TEXT, "%s", key);
		provider->charges[i].taken = question->total <= CREDIT;
	}
	return saga_tell(c, charge_answer, .taken = provider->charges[i].taken);
}

static saga_verdict charge(saga_step *s)
{
	const struct units_reserved *reserved = saga_on(s, units_reserved);
	const struct charge_answer *answer = saga_told(s, charge_answer);

	if (!answer || !answer->taken)
		return saga_reject(s, money_declined, .why = "no credit");
	saga_exec(s, "INSERT INTO charges (saga) VALUES (?)", saga_this(s));
	return saga_emit(s, money_charged, .total = reserved->total);
}

static const saga_step_def bank_steps[] = {
	{ .name = "charge",
		.on = { &units_reserved },
		.run = charge,
		.outside = { .prepare = ask, .call = call, .timeout_ms = 2000 },
		.emits = { &money_charged },
		.rejects = { &money_declined } },
};

static const char *const bank_schema[] = { "CREATE TABLE charges (saga SAGA_ID PRIMARY KEY);",
	NULL };

const saga_participant_def small_bank = SAGA_PARTICIPANT("bank", bank_steps, .schema = bank_schema);

/* ---- the world ---- */

static void on_answer(void *user, const saga_answer *answer)
{
	struct small *small = user;

	small->answers++;
	small->ok += answer->code == SAGA_OK;
}

static void on_trace(void *user, int64_t ms, const char *participant, const char *text)
{
	struct small *small = user;

	if (*small->trace && strstr(text, small->trace))
		small->traced++;
	if (small->loud)
		printf("%8lld %-6s %s\n", (long long)ms, participant, text);
}

static int submit_all(struct small *small, const struct small_plan *plan)
{
	saga_sim *sim = small->sim;
	int code = SAGA_OK;

	for (int i = 0; code == SAGA_OK && i < plan->orders; i++) {
		int64_t units = 1 + (int64_t)saga_sim_random(sim, 9);
		int64_t total = 1 + (int64_t)saga_sim_random(sim, CREDIT * 3 / 2);
		int64_t at = (int64_t)saga_sim_random(sim, (uint64_t)plan->over_ms);
		char key[16];

		(void)snprintf(key, sizeof key, "%d", i);
		code = saga_sim_submit(sim, "till", at,
			&(saga_submission){
				SAGA_SUBMISSION(place_order, .units = units, .total = total),
				.key = key, .answered = on_answer, .user = small },
			&small->error);
	}
	return code;
}

int small_run(struct small *small, const struct small_plan *plan)
{
	static const char *const to_depot[] = { "depot", NULL },
				 *const from_bank[] = { "till", "depot", NULL },
				 *const from_depot[] = { "till", "bank", NULL };
	saga_sim_options options = plan->sim;
	int code;

	options.size = sizeof options;
	options.user = small;
	options.trace = on_trace;
	small->loud = getenv("SAGA_SIM_TRACE") != NULL;
	if ((code = saga_sim_new(&options, &small->sim, &small->error)) != SAGA_OK)
		return code;
	code = saga_sim_add(
		small->sim, &small_till, SAGA_OPTIONS(.followers = to_depot), &small->error);
	if (code == SAGA_OK)
		code = saga_sim_add(small->sim, plan->depot ? plan->depot : &small_depot,
			SAGA_OPTIONS(.followers = from_depot, .user = small), &small->error);
	if (code == SAGA_OK)
		code = saga_sim_add(small->sim, &small_bank,
			SAGA_OPTIONS(.followers = from_bank, .user = small), &small->error);
	if (code == SAGA_OK)
		code = submit_all(small, plan);
	return code == SAGA_OK ? saga_sim_run(small->sim, &small->error) : code;
}

void small_end(struct small *small)
{
	saga_sim_close(small->sim);
	small->sim = NULL;
}

/* ---- the audit ---- */

static int take_number(
	void *user, const char *const *names, const saga_value *columns, size_t column_count)
{
	(void)names, (void)column_count;
	*(int64_t *)user = columns[0].as.int64;
	return SAGA_OK;
}

int64_t small_number(struct small *small, const char *participant, const char *sql)
{
	int64_t number = -1;
	saga_error error;

	(void)saga_sim_query(small->sim, participant, sql, NULL, 0, take_number, &number, &error);
	return number;
}

const char *small_audit(struct small *small, int orders, char *text, size_t size)
{
	int64_t finished =
		small_number(small, "till", "SELECT COUNT(*) FROM orders WHERE state = 'finished'");
	int64_t cancelled = small_number(
		small, "till", "SELECT COUNT(*) FROM orders WHERE state = 'cancelled'");
	int64_t free_units = small_number(small, "depot", "SELECT free FROM depot");
	int64_t reserved =
		small_number(small, "depot", "SELECT COALESCE(SUM(units), 0) FROM reserved");
	int64_t reservations = small_number(small, "depot", "SELECT COUNT(*) FROM reserved");
	int64_t charged = small_number(small, "bank", "SELECT COUNT(*) FROM charges");
	int64_t taken = 0;

	for (size_t i = 0; i < small->provider.count; i++)
		taken += small->provider.charges[i].taken;
	if (finished + cancelled == orders && free_units + reserved == SMALL_UNITS &&
		reservations == finished && charged == finished && taken == finished &&
		small->answers == (uint64_t)orders)
		return NULL;
	(void)snprintf(text, size,
		"%d orders: %lld answered, %lld finished, %lld cancelled, %lld reserved (%lld + "
		"%lld "
		"units), %lld charged, %lld taken",
		orders, (long long)small->answers, (long long)finished, (long long)cancelled,
		(long long)reservations, (long long)free_units, (long long)reserved,
		(long long)charged, (long long)taken);
	return text;
}
