#include "transport_tests.h"

#include "plugins.h"
#include "saga_config.h"
#include "test_bus.h"

#include <saga/inproc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- inproc ---- */

static const saga_transport_ops *inproc(void)
{
	return saga__transport_builtin("inproc");
}

static void *new_hub(void)
{
	saga_hub *hub;

	return saga_hub_new(&hub) == SAGA_OK ? hub : NULL;
}

static void free_hub(void *context)
{
	saga_hub_free(context);
}

static void fresh_name(void *context, char *url, size_t size)
{
	static int number_of_name;

	(void)context;
	(void)snprintf(url, size, "inproc://Shop.test_-%d", number_of_name++);
}

/* ---- nng: each URL has a bus of its own ---- */

#ifdef SAGA_HAVE_NNG
enum {
	BUSES = 4
};

struct buses {
	struct test_bus at[BUSES];
	size_t count;
};

static const saga_transport_ops *nng(void)
{
	return saga__transport_builtin("nng+tcp");
}

static void *new_buses(void)
{
	return calloc(1, sizeof(struct buses));
}

static void free_buses(void *context)
{
	struct buses *buses = context;

	for (size_t i = 0; i < buses->count; i++)
		ck_assert_int_eq(bus_stop(&buses->at[i]), 0);
	free(buses);
}

static void fresh_bus(void *context, char *url, size_t size)
{
	struct buses *buses = context;
	struct test_bus *bus = &buses->at[buses->count++];

	ck_assert_uint_le(buses->count, BUSES);
	bus_start(bus);
	(void)snprintf(url, size, "%s", bus->url);
}

#define NNG(scheme_, malformed_) \
	{ \
		.name = scheme_, .ops = nng, .prepare = buses_prepare, .new_context = new_buses, \
		.free_context = free_buses, .fresh_url = fresh_bus, .malformed_url = malformed_, \
		.keeps_on_busy = true \
	}
#endif

/* ---- NATS: each URL is a domain of its own, at SAGA_TEST_NATS ---- */

#ifdef SAGA_HAVE_NATS
static const saga_transport_ops *nats(void)
{
	return saga__transport_builtin("nats");
}

static const char *nats_prepare(const char *name)
{
	(void)name;
	return getenv("SAGA_TEST_NATS") ? NULL
					: "SAGA_TEST_NATS names no server; tests/run starts one";
}

static void fresh_domain(void *context, char *url, size_t size)
{
	static int number;

	(void)context;
	(void)snprintf(url, size, "%s/t%d-%d-%llu", getenv("SAGA_TEST_NATS"), (int)getpid(),
		number++, (unsigned long long)(uv_hrtime() % 1000000000));
}
#endif

const struct transport_under_test transports_under_test[] = {
	{ .name = "inproc",
		.ops = inproc,
		.new_context = new_hub,
		.free_context = free_hub,
		.fresh_url = fresh_name,
		.malformed_url = "inproc://not a name",
		.needs_context = true },
#ifdef SAGA_HAVE_NNG
	NNG("nng+ipc", "nng+ipc://no/slash"),
	NNG("nng+tcp", "nng+tcp://127.0.0.1"),
	NNG("nng+tls+tcp", "nng+tls+tcp://127.0.0.1:5560"),
#endif
#ifdef SAGA_HAVE_NATS
	{ .name = "nats",
		.ops = nats,
		.prepare = nats_prepare,
		.fresh_url = fresh_domain,
		.malformed_url = "nats://127.0.0.1:4222/no domain",
		.keeps_on_busy = true },
#endif
};

/* The argument is the row. */
static int row_of(const char *name)
{
	int count = (int)(sizeof transports_under_test / sizeof transports_under_test[0]);
	int row = 0;

	while (row < count && strcmp(transports_under_test[row].name, name) != 0)
		row++;
	return row < count ? row : -1;
}

int main(int argc, char **argv)
{
	int row = argc > 1 ? row_of(argv[1]) : 0, failed;
	const char *why;
	SRunner *runner;
	Suite *suite;

	if (row < 0) {
		printf("SKIP: this build has no %s\n", argv[1]);
		return 77;
	}
	if (transports_under_test[row].prepare &&
		(why = transports_under_test[row].prepare(argv[1])) != NULL) {
		printf("SKIP: %s\n", why);
		return 77;
	}
	suite = suite_create(transports_under_test[row].name);
	add_delivery_tests(suite, row);
	add_lifetime_tests(suite, row);
	add_durable_tests(suite, row);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	buses_end();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
