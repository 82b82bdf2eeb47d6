#include "ground.h"

#include "stores/mssql_server.h"
#include "stores/postgres_server.h"

#include <saga/plugin.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fresh_sqlite(char *url, size_t size, const char *directory)
{
	(void)snprintf(url, size, "sqlite:%s/target.db", directory);
}

static const struct ground grounds[] = {
	{ .name = "sqlite", .fresh = fresh_sqlite, .modes = 2 },
	{ .name = "postgres",
		.variable = "SAGA_TEST_POSTGRES",
		.fresh = postgres_fresh,
		.drop = postgres_drop,
		.first_mode = 1,
		.modes = 3 },
	{ .name = "mssql",
		.variable = "SAGA_TEST_MSSQL",
		.reserve = mssql_reserve,
		.fresh = mssql_fresh,
		.first_mode = 2,
		.modes = 3 },
};

const struct ground *ground(void)
{
	const char *name = getenv("SAGA_TEST_STORE");

	for (size_t i = 0; i < sizeof grounds / sizeof grounds[0]; i++)
		if (strcmp(name ? name : "sqlite", grounds[i].name) == 0)
			return &grounds[i];
	ck_abort_msg("SAGA_TEST_STORE is sqlite, postgres or mssql, not %s", name);
	return NULL;
}

bool ground_is_there(void)
{
	if (getenv("SAGA_TEST_TRANSPORT") && !getenv("SAGA_TEST_NATS")) {
		printf("SKIP: SAGA_TEST_NATS names no server; tests/run starts one\n");
		return false;
	}
	const struct ground *here = ground();

	if (saga_store_builtin(here->name) && (!here->variable || getenv(here->variable))) {
		if (here->reserve)
			here->reserve();
		return true;
	}
	printf("SKIP: %s: this build lacks it, or %s names no server\n", here->name,
		here->variable ? here->variable : "nothing");
	return false;
}

bool is_on(const char *name)
{
	return strcmp(ground()->name, name) == 0;
}

void say_left_out(const char *test, const char *why)
{
	printf("left out on %s: %.*s: %s\n", ground()->name, (int)strlen(test) - 3, test, why);
	(void)fflush(stdout); /* a test is a process of its own */
}
