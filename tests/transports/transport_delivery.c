#include "transport_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const none[] = { NULL };
static const char *const only_a[] = { "shop.a", NULL };
static const char *const only_b[] = { "shop.b", NULL };
static const char *const a_and_b[] = { "shop.a", "shop.b", NULL };

static void open_hosts(struct world *world, struct host **ret_hosts, size_t count,
	const char *const *const *topics)
{
	struct host *hosts = calloc(count, sizeof *hosts);

	ck_assert_ptr_nonnull(hosts);
	for (size_t i = 0; i < count; i++)
		host_open(&hosts[i], world, topics[i]);
	warm_up(hosts, count);
	*ret_hosts = hosts;
}

static void close_hosts(struct world *world, struct host *hosts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		host_close(&hosts[i]);
	free(hosts);
	world_close(world);
}

static void must_count(struct host *host, size_t n)
{
	ck_assert_msg(
		turn_until(host, has_count, n), "%zu of %zu frames came", host_count(host), n);
}

START_TEST(topics_reach_their_subscribers)
{
	const char *const *topics[] = { none, only_a, only_b, a_and_b };
	struct world world;
	struct host *hosts;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 4, topics);
	send_text(&hosts[0], "shop.a", "1");
	send_text(&hosts[0], "shop.b", "2");
	send_text(&hosts[0], "shop.c", "3");
	must_count(&hosts[1], 1);
	must_count(&hosts[2], 1);
	must_count(&hosts[3], 2);
	turn_for(&hosts[0], 30);
	ck_assert_uint_eq(host_count(&hosts[0]), 0);
	ck_assert_uint_eq(host_count(&hosts[1]), 1);
	ck_assert_uint_eq(host_count(&hosts[2]), 1);
	ck_assert_uint_eq(host_count(&hosts[3]), 2);
	assert_kept(&hosts[1], 0, "shop.a", "1", 1);
	assert_kept(&hosts[2], 0, "shop.b", "2", 1);
	close_hosts(&world, hosts, 4);
}
END_TEST

START_TEST(topics_are_whole_words)
{
	const char *const *topics[] = { none, only_a };
	struct world world;
	struct host *hosts;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	send_text(&hosts[0], "shop", "less");
	send_text(&hosts[0], "shop.a.b", "more");
	send_text(&hosts[0], "shop.aa", "more");
	send_text(&hosts[0], "a", "the end");
	send_text(&hosts[0], "shop.a", "this");
	must_count(&hosts[1], 1);
	turn_for(&hosts[1], 30);
	ck_assert_uint_eq(host_count(&hosts[1]), 1);
	assert_kept(&hosts[1], 0, "shop.a", "this", 4);
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(only_echoing_transports_echo)
{
	const char *const *topics[] = { only_a, only_a };
	struct world world;
	struct host *hosts;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	send_text(&hosts[0], "shop.a", "hello");
	must_count(&hosts[1], 1);
	turn_for(&hosts[0], 30);
	ck_assert_uint_eq(host_count(&hosts[0]), world.ops->traits & SAGA_TRANSPORT_ECHOES ? 1 : 0);
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(batches_keep_their_order)
{
	enum {
		BATCH = 60
	};
	const char *const *topics[] = { none, only_a, a_and_b };
	saga_frame frames[BATCH];
	struct world world;
	struct host *hosts;
	uint32_t numbers[BATCH];
	size_t of_a = 0;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 3, topics);
	for (uint32_t i = 0; i < BATCH; i++) {
		static const char *const names[] = { "shop.a", "shop.b", "shop.a", "shop.c" };

		numbers[i] = i;
		frames[i] = frame_of(names[i / 3 % 4], &numbers[i], sizeof numbers[i]);
	}
	send_all(&hosts[0], frames, BATCH);
	must_count(&hosts[2], BATCH * 3 / 4);
	must_count(&hosts[1], BATCH / 2);
	for (size_t i = 0; i < BATCH; i++) {
		if (strcmp(frames[i].topic, "shop.a") == 0)
			assert_kept(&hosts[1], of_a++, "shop.a", &numbers[i], sizeof numbers[i]);
	}
	ck_assert_uint_eq(of_a, host_count(&hosts[1]));
	close_hosts(&world, hosts, 3);
}
END_TEST

START_TEST(an_empty_batch_is_sent)
{
	const char *const *topics[] = { none, only_a };
	struct world world;
	struct host *hosts;
	size_t n = 7;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	ck_assert_int_eq(world.ops->send(hosts[0].transport, NULL, 0, &n), SAGA_OK);
	ck_assert_uint_eq(n, 0);
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(thousands_come_in_order)
{
	enum {
		FRAMES = 4000,
		BATCH = 64,
		SIZE = 300
	};
	const char *const *topics[] = { none, only_a };
	static char memory[BATCH][SIZE];
	struct world world;
	struct host *hosts;
	int64_t last = -1;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	for (int64_t i = 0; i < FRAMES;) {
		saga_frame frames[BATCH];
		size_t count = 0;

		for (; count < BATCH && i < FRAMES; count++, i++) {
			memcpy(memory[count], &i, sizeof i);
			frames[count] = frame_of("shop.a", memory[count], SIZE);
		}
		send_all(&hosts[0], frames, count);
		memset(memory, 0xff, sizeof memory); /* it was copied, or is gone */
	}
	if (world.under_test->may_lose)
		turn_for(&hosts[1], 500);
	else
		must_count(&hosts[1], FRAMES);
	for (size_t i = 0; i < host_count(&hosts[1]); i++) {
		int64_t number;

		ck_assert_uint_eq(hosts[1].inbox[i].size, SIZE);
		memcpy(&number, hosts[1].inbox[i].bytes, sizeof number);
		ck_assert_int_gt(number, last);
		last = number;
	}
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(frames_are_any_bytes)
{
	const char *const *topics[] = { none, only_a };
	struct world world;
	struct host *hosts;
	uint8_t all[512];

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	saga_frame frames[] = { frame_of("shop.a", "", 0), frame_of("shop.a", "\0\0\0", 3),
		frame_of("shop.a", all, sizeof all), frame_of("shop.a", NULL, 0),
		frame_of("shop.a", "end", 3) };

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	send_all(&hosts[0], frames, 5);
	must_count(&hosts[1], 5);
	for (size_t i = 0; i < 5; i++)
		assert_kept(&hosts[1], i, "shop.a", frames[i].bytes.at, frames[i].bytes.size);
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(big_frames_come_and_too_big_ones_are_dropped)
{
	const char *const *topics[] = { none, only_a };
	char *big = malloc(FRAME_BYTES + 1);
	struct world world;
	struct host *hosts;
	saga_frame frames[4];

	ck_assert_ptr_nonnull(big);
	for (size_t i = 0; i < FRAME_BYTES + 1; i++)
		big[i] = (char)(i * 31);
	frames[0] = frame_of("shop.a", big, FRAME_BYTES);
	frames[1] = frame_of("shop.a", big, FRAME_BYTES + 1);
	frames[2] = frame_of("shop.a", "after", 5);
	frames[3] = frame_of("shop.a", big, FRAME_BYTES);
	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	send_all(&hosts[0], frames, 4);
	must_count(&hosts[1], 3);
	turn_for(&hosts[1], 30);
	ck_assert_uint_eq(host_count(&hosts[1]), 3);
	assert_kept(&hosts[1], 0, "shop.a", big, FRAME_BYTES);
	assert_kept(&hosts[1], 1, "shop.a", "after", 5);
	assert_kept(&hosts[1], 2, "shop.a", big, FRAME_BYTES);
	close_hosts(&world, hosts, 2);
	free(big);
}
END_TEST

static void set_room(struct host *host, size_t room)
{
	uv_mutex_lock(&host->lock);
	host->room = room;
	uv_mutex_unlock(&host->lock);
}

static bool was_busy(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->busy_count > n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

/* Others go on meanwhile, and when it has room again, it hears what is new. */
START_TEST(a_full_host_recovers)
{
	const char *const *topics[] = { none, only_a, only_a };
	struct world world;
	struct host *hosts;
	size_t kept;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 3, topics);
	kept = world.under_test->keeps_on_busy ? 3 : 0;
	set_room(&hosts[1], 0);
	send_text(&hosts[0], "shop.a", "0");
	send_text(&hosts[0], "shop.a", "1");
	send_text(&hosts[0], "shop.a", "2");
	ck_assert(turn_until(&hosts[1], was_busy, 0));
	must_count(&hosts[2], 3);
	ck_assert_uint_eq(host_count(&hosts[1]), 0);
	set_room(&hosts[1], KEPT);
	if (world.ops->resume)
		world.ops->resume(hosts[1].transport);
	send_text(&hosts[0], "shop.a", "3");
	must_count(&hosts[1], kept + 1);
	assert_kept(&hosts[1], kept, "shop.a", "3", 1);
	must_count(&hosts[2], 4);
	close_hosts(&world, hosts, 3);
}
END_TEST

/* A batch beyond a host's room must not be lost as a whole each time that it comes. */
START_TEST(a_small_host_gets_on)
{
	enum {
		BATCH = 50,
		ROOM = 5
	};
	const char *const *topics[] = { none, only_a };
	saga_frame frames[BATCH];
	uint8_t numbers[BATCH];
	struct world world;
	struct host *hosts;

	world_open(&world, _i);
	open_hosts(&world, &hosts, 2, topics);
	set_room(&hosts[1], ROOM);
	for (uint8_t i = 0; i < BATCH; i++) {
		numbers[i] = i;
		frames[i] = frame_of("shop.a", &numbers[i], 1);
	}
	for (size_t from = 0; from < BATCH; from += ROOM) {
		send_all(&hosts[0], frames + from, BATCH - from);
		must_count(&hosts[1], ROOM);
		for (size_t i = 0; i < ROOM; i++)
			assert_kept(&hosts[1], i, "shop.a", &numbers[from + i], 1);
		host_forget(&hosts[1]);
	}
	close_hosts(&world, hosts, 2);
}
END_TEST

START_TEST(all_of_many_hear)
{
	enum {
		HOSTS = 12
	};
	const char *const *topics[HOSTS];
	struct world world;
	struct host *hosts;

	for (size_t i = 0; i < HOSTS; i++)
		topics[i] = only_a;
	world_open(&world, _i);
	open_hosts(&world, &hosts, HOSTS, topics);
	for (size_t i = 0; i < HOSTS; i++)
		send_text(&hosts[i], "shop.a", "hello");
	for (size_t i = 0; i < HOSTS; i++)
		must_count(
			&hosts[i], world.ops->traits & SAGA_TRANSPORT_ECHOES ? HOSTS : HOSTS - 1);
	close_hosts(&world, hosts, HOSTS);
}
END_TEST

START_TEST(other_urls_are_apart)
{
	struct host *here, *there, *elsewhere;
	struct world world;
	char url[URL_BYTES];

	world_open(&world, _i);
	world.under_test->fresh_url(world.context, url, sizeof url);
	ck_assert_str_ne(url, world.url);
	here = calloc(3, sizeof *here);
	ck_assert_ptr_nonnull(here);
	there = here + 1;
	elsewhere = here + 2;
	host_open(here, &world, none);
	host_open(there, &world, only_a);
	host_open_on(elsewhere, &world, &world.loop, url, only_a, FRAME_BYTES);
	warm_up(here, 2);
	send_text(here, "shop.a", "hello");
	must_count(there, 1);
	turn_for(elsewhere, 30);
	ck_assert_uint_eq(host_count(elsewhere), 0);
	close_hosts(&world, here, 3);
}
END_TEST

void add_delivery_tests(Suite *suite, int row)
{
	TCase *tcase = tcase_create("delivery");

	tcase_set_timeout(tcase, 240);
	tcase_add_loop_test(tcase, topics_reach_their_subscribers, row, row + 1);
	tcase_add_loop_test(tcase, topics_are_whole_words, row, row + 1);
	tcase_add_loop_test(tcase, only_echoing_transports_echo, row, row + 1);
	tcase_add_loop_test(tcase, batches_keep_their_order, row, row + 1);
	tcase_add_loop_test(tcase, an_empty_batch_is_sent, row, row + 1);
	tcase_add_loop_test(tcase, thousands_come_in_order, row, row + 1);
	tcase_add_loop_test(tcase, frames_are_any_bytes, row, row + 1);
	tcase_add_loop_test(tcase, big_frames_come_and_too_big_ones_are_dropped, row, row + 1);
	tcase_add_loop_test(tcase, a_full_host_recovers, row, row + 1);
	if (!transports_under_test[row].keeps_on_busy)
		tcase_add_loop_test(tcase, a_small_host_gets_on, row, row + 1);
	tcase_add_loop_test(tcase, all_of_many_hear, row, row + 1);
	tcase_add_loop_test(tcase, other_urls_are_apart, row, row + 1);
	suite_add_tcase(suite, tcase);
}
