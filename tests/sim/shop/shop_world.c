#include "shop_world.h"

#include "customers.h"
#include "dice.h"
#include "provider.h"
#include "shop.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The services, as the seed sets them up. */
struct shop_world {
	const struct shop_world_options *options;
	struct shop_world_result *result;
	saga_sim *sim;
	struct provider *provider;
	struct order_config order;
	struct payment_config payment;
	struct stock_config stock;
	struct customers *customers;
};

/* ---- what is wrong ---- */

static void broken(struct shop_world *world, const char *checker, const char *text)
{
	struct shop_world_result *result = world->result;
	size_t length = strlen(result->breach);

	if (!result->is_broken)
		snprintf(result->checker, sizeof result->checker, "%s", checker);
	result->is_broken = true;
	snprintf(result->breach + length, sizeof result->breach - length, "%s%s",
		length ? "\n" : "", text);
}

/* "at 7 ms: some law: what it says": the law. */
static void world_is_broken(struct shop_world *world, const char *text)
{
	char law[sizeof world->result->checker];
	const char *at = strstr(text, " ms: ");
	size_t length;

	at = at ? at + 5 : text;
	length = strncmp(at, "not at rest", 11) == 0 ? 11 : strcspn(at, ":");
	if (length >= sizeof law)
		length = sizeof law - 1;
	memcpy(law, at, length);
	law[length] = '\0';
	broken(world, law, text);
}

/* ---- the audit reads the world's stores ---- */

struct rows {
	reads_row_fn *row;
	void *context;
	size_t column_count;
};

static int take_row(
	void *user, const char *const *names, const saga_value *columns, size_t column_count)
{
	struct rows *rows = user;

	(void)names;
	return column_count == rows->column_count ? rows->row(rows->context, columns)
						  : SAGA_MALFORMED;
}

/* The provider has no SQL for others: what it keeps is all that there is to be asked. */
static int take_charge(void *context, const char *reference, int64_t cents)
{
	const struct rows *rows = context;
	const saga_value columns[] = { saga_text(reference), saga_int64(cents) };

	return rows->row(rows->context, columns);
}

static int read_world(void *context, const char *of, const char *sql, size_t column_count,
	reads_row_fn *row, void *row_context, saga_error *error)
{
	struct shop_world *world = context;
	struct rows rows = { row, row_context, column_count };
	int code;

	if (strcmp(of, "provider") != 0)
		return saga_sim_query(world->sim, of, sql, NULL, 0, take_row, &rows, error);
	code = provider_kept(world->provider, take_charge, &rows);
	return code == 0 ? SAGA_OK : saga_error_set(error, SAGA_FAILED, "the provider's ledger");
}

static void check_audit(struct shop_world *world, FILE *out)
{
	const struct reader reader = { read_world, world };
	saga_error error;

	if (audit_shop(&reader, out, &world->result->audit, &error) != SAGA_OK) {
		fprintf(out, "could not be read: %s\n", error.text);
		world->result->violations++;
	}
	world->result->violations += world->result->audit.violations;
}

static void check_answers(struct shop_world *world, FILE *out)
{
	struct shop_world_result *result = world->result;

	result->violations += customers_check(world->customers, out, &result->placed);
	if (result->placed == result->audit.orders)
		return;
	fprintf(out, "%zu were told that their order is placed, there are %zu\n", result->placed,
		result->audit.orders);
	result->violations++;
}

static void check(struct shop_world *world, const char *checker,
	void (*look)(struct shop_world *world, FILE *out))
{
	size_t before = world->result->violations, size;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		broken(world, checker, "out of memory");
		return;
	}
	look(world, out);
	fclose(out);
	if (world->result->violations > before)
		broken(world, checker, text);
	free(text);
}

/* ---- setting it up ---- */

#define ONE_OF(dice, ...) \
	((const int64_t[]){ __VA_ARGS__ })[dice_below( \
		dice, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))]

static int open_provider(struct shop_world *world, saga_error *error)
{
	struct provider_faults faults = { .seed = world->options->seed,
		.decline_percent = 8,
		.late_percent = world->options->faults & SAGA_SIM_CALL ? 10 : 0 };
	struct provider_reply reply;

	if (provider_open(":memory:", &faults, &world->provider, &reply) != 0)
		return saga_error_set(error, SAGA_AWAY, "the provider: %s", reply.text);
	world->payment.provider = world->provider;
	return SAGA_OK;
}

static int add(struct shop_world *world, struct dice *dice, const saga_participant_def *def,
	void *config, const char *const *followers, saga_error *error)
{
	const saga_limits limits = { .size = sizeof limits,
		.queue = (size_t)ONE_OF(dice, 0, 16, 128),
		.batch_events = (size_t)ONE_OF(dice, 0, 0, 1, 7),
		.window = (size_t)ONE_OF(dice, 0, 0, 1, 5) };

	/* Longer than all faults and what clocks are off by; but a leap ages it by an hour. */
	const int64_t history_ms = ONE_OF(dice, 0, 0, 110000);
	saga_sim_report report = { .size = sizeof report };
	bool leaps;

	saga_sim_report_of(world->sim, &report);
	leaps = report.faults & SAGA_SIM_LEAP;
	return saga_sim_add(world->sim, def,
		SAGA_OPTIONS(.followers = followers, .user = config, .limits = &limits,
			.retention_ms = ONE_OF(dice, 0, 1, 1, 10000),
			.history_ms = leaps ? 0 : history_ms),
		error);
}

static int add_all(struct shop_world *world, struct dice *dice, saga_error *error)
{
	static const char *const of_order[] = { "stock", "payment", NULL };
	static const char *const of_payment[] = { "stock", "order", NULL };
	static const char *const of_stock[] = { "order", "payment", NULL };
	int code;

	world->order.pay_within_ms = ONE_OF(dice, 1000, 10000, 60000);
	world->stock.dispatch_delay_ms = ONE_OF(dice, 0, 500, 4000);
	code = add(world, dice, &order, &world->order, of_order, error);
	if (code == SAGA_OK)
		code = add(world, dice, &payment, &world->payment, of_payment, error);
	if (code == SAGA_OK)
		code = add(world, dice, &stock, &world->stock, of_stock, error);
	return code;
}

/* Of what a service has lost, nobody can make the sums right; the laws hold all the same. */
static bool was_restored(const struct shop_world *world)
{
	saga_sim_report report = { .size = sizeof report };

	saga_sim_report_of(world->sim, &report);
	return report.restores;
}

/* ---- its life ---- */

static int run(struct shop_world *world, saga_error *error)
{
	const struct shop_world_options *options = world->options;
	struct dice dice = { options->seed };
	saga_error breach = { .code = SAGA_OK };
	int code = open_provider(world, error);

	if (code == SAGA_OK)
		code = add_all(world, &dice, error);
	if (code == SAGA_OK)
		code = customers_new(world->sim, dice_bits(&dice), options->orders,
			(options->faults & SAGA_SIM_HANDLER) != 0, &world->customers, error);
	if (code != SAGA_OK)
		return code;
	/* Of a world that broke off there is no telling what would have become of the rest. */
	if (saga_sim_run(world->sim, &breach) != SAGA_OK) {
		world_is_broken(world, breach.text);
	} else if (!was_restored(world)) {
		check(world, "audit", check_audit);
		check(world, "answers", check_answers);
	}
	world->result->report.size = sizeof world->result->report;
	saga_sim_report_of(world->sim, &world->result->report);
	return SAGA_OK;
}

int shop_world_run(const struct shop_world_options *options, struct shop_world_result *ret_result,
	saga_error *error)
{
	struct shop_world world = { .options = options, .result = ret_result };
	int code = saga_sim_new(SAGA_SIM_OPTIONS(.seed = options->seed, .faults = options->faults,
					.fault_limit = options->fault_limit, .user = options->user,
					.trace = options->trace, .instances = options->instances,
					.durable = options->durable),
		&world.sim, error);

	if (code != SAGA_OK)
		return code;
	*ret_result = (struct shop_world_result){ .placed = 0 };
	code = run(&world, error);
	saga_sim_close(world.sim);
	customers_free(world.customers);
	provider_close(world.provider);
	return code;
}
