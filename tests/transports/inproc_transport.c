/* What is inproc's own: its names, and its hubs. */

#include "plugins.h"
#include "transport_tests.h"

#include <saga/inproc.h>

#include <stdlib.h>
#include <string.h>

static const char *const only_a[] = { "shop.a", NULL };

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
	(void)context;
	ck_assert_uint_gt(size, 20);
	memcpy(url, "inproc://shop", 14);
}

const struct transport_under_test transports_under_test[] = {
	{ .name = "inproc",
		.ops = inproc,
		.new_context = new_hub,
		.free_context = free_hub,
		.fresh_url = fresh_name },
};

START_TEST(names_are_checked)
{
	static const char *const wrong[] = { "inproc:", "inproc:/shop", "inproc://", "inproc://a b",
		"inproc://a/b", "inproc://a?b=c", "inproc://\xc3\xa4", "nng+inproc://a",
		"inproc://a234567890b234567890c234567890d234567890e234567890f234567890g234" };
	struct world world;

	world_open(&world, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		saga_transport_options options = { .url = wrong[i], .context = world.context };
		saga_error error;
		void *transport;

		ck_assert_int_eq(
			world.ops->open(NULL, &options, &transport, &error), SAGA_MALFORMED);
		ck_assert_ptr_nonnull(strstr(error.text, wrong[i]));
	}
	world_close(&world);
}
END_TEST

START_TEST(long_names_differ_in_their_last_byte)
{
	static const char one[] =
		"inproc://a234567890b234567890c234567890d234567890e234567890f234567890g23";
	static const char two[] =
		"inproc://a234567890b234567890c234567890d234567890e234567890f234567890g24";
	struct host *hosts = calloc(3, sizeof *hosts);
	struct world world;

	ck_assert_ptr_nonnull(hosts);
	world_open(&world, 0);
	host_open_on(&hosts[0], &world, &world.loop, one, only_a, FRAME_BYTES);
	host_open_on(&hosts[1], &world, &world.loop, one, only_a, FRAME_BYTES);
	host_open_on(&hosts[2], &world, &world.loop, two, only_a, FRAME_BYTES);
	send_text(&hosts[0], "shop.a", "hello");
	ck_assert_uint_eq(host_count(&hosts[1]), 1);
	ck_assert_uint_eq(host_count(&hosts[2]), 0);
	for (int i = 0; i < 3; i++)
		host_close(&hosts[i]);
	world_close(&world);
	free(hosts);
}
END_TEST

START_TEST(hubs_are_apart)
{
	struct host *hosts = calloc(2, sizeof *hosts);
	struct world here, there;

	ck_assert_ptr_nonnull(hosts);
	world_open(&here, 0);
	world_open(&there, 0);
	host_open(&hosts[0], &here, only_a);
	host_open(&hosts[1], &there, only_a);
	send_text(&hosts[0], "shop.a", "hello");
	ck_assert_uint_eq(host_count(&hosts[1]), 0);
	host_close(&hosts[0]);
	host_close(&hosts[1]);
	world_close(&here);
	world_close(&there);
	free(hosts);
}
END_TEST

/* Each says itself how much it takes. */
START_TEST(frame_bytes_are_the_receivers)
{
	struct host *hosts = calloc(3, sizeof *hosts);
	struct world world;

	ck_assert_ptr_nonnull(hosts);
	world_open(&world, 0);
	host_open_on(&hosts[0], &world, &world.loop, world.url, only_a, 1);
	host_open_on(&hosts[1], &world, &world.loop, world.url, only_a, 4);
	host_open_on(&hosts[2], &world, &world.loop, world.url, NULL, 10);
	send_text(&hosts[0], "shop.a", "four");
	send_text(&hosts[0], "shop.a", "fives");
	ck_assert_uint_eq(host_count(&hosts[1]), 1);
	ck_assert_uint_eq(host_count(&hosts[2]), 0);
	for (int i = 0; i < 3; i++)
		host_close(&hosts[i]);
	world_close(&world);
	free(hosts);
}
END_TEST

START_TEST(no_hub_is_freed_too)
{
	saga_hub_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inproc");
	TCase *tcase = tcase_create("inproc");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, names_are_checked);
	tcase_add_test(tcase, long_names_differ_in_their_last_byte);
	tcase_add_test(tcase, hubs_are_apart);
	tcase_add_test(tcase, frame_bytes_are_the_receivers);
	tcase_add_test(tcase, no_hub_is_freed_too);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
