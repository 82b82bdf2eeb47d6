#include "transport_tests.h"

#include "plugins.h"

#include <saga/inproc.h>

#include <stdio.h>
#include <stdlib.h>

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

static void fresh_name(char *url, size_t size)
{
	static int number_of_name;

	(void)snprintf(url, size, "inproc://Shop.test_-%d", number_of_name++);
}

const struct transport_under_test transports_under_test[] = {
	{ .name = "inproc",
		.ops = inproc,
		.new_context = new_hub,
		.free_context = free_hub,
		.fresh_url = fresh_name,
		.malformed_url = "inproc://not a name",
		.needs_context = true },
};

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	for (int row = 0;
		row < (int)(sizeof transports_under_test / sizeof transports_under_test[0]);
		row++) {
		Suite *suite = suite_create(transports_under_test[row].name);

		add_delivery_tests(suite, row);
		add_lifetime_tests(suite, row);
		srunner_add_suite(runner, suite);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
