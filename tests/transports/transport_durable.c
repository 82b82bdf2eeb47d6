/* What a transport that keeps frames promises; nothing for those that don't. */

#include "transport_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ALL = 1, /* shard 0 of 1 */
	HOSTS = 4
};

static struct world world;
static struct host *hosts;

static void begin(int row)
{
	world_open(&world, row);
	hosts = calloc(HOSTS, sizeof *hosts);
	ck_assert_ptr_nonnull(hosts);
}

static void open_as(size_t at, const char *participant, uint8_t store)
{
	host_open_as(&hosts[at], &world, participant, store, 0);
}

static void work(size_t at, uint64_t shards, unsigned of)
{
	world.ops->work(hosts[at].transport, shards, of);
}

static void end(size_t count)
{
	for (size_t i = 0; i < count; i++)
		host_close(&hosts[i]);
	free(hosts);
	world_close(&world);
}

static saga_frame kept_frame(uint8_t number, unsigned part, const char *text)
{
	return (saga_frame){ .topic = "shop.sold",
		.bytes = { text, strlen(text) },
		.token = number,
		.id = { .bytes = { 7, number } },
		.part = part };
}

static void send_kept(size_t from, uint8_t number, unsigned part, const char *text)
{
	saga_frame frame = kept_frame(number, part, text);

	send_all(&hosts[from], &frame, 1);
}

static bool is_sent(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->sent_count >= n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static void must_be_sent(size_t at, size_t n)
{
	ck_assert_msg(turn_until(&hosts[at], is_sent, n), "the broker never had %zu frames", n);
}

static void must_come(size_t at, size_t n)
{
	ck_assert_msg(turn_until(&hosts[at], has_count, n), "%zu of %zu frames came",
		host_count(&hosts[at]), n);
}

static bool is_up(struct host *host, size_t n)
{
	bool answer;

	(void)n;
	uv_mutex_lock(&host->lock);
	answer = host->up;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static void ack_all(size_t at)
{
	for (size_t i = 0; i < host_count(&hosts[at]); i++)
		world.ops->ack(hosts[at].transport, &hosts[at].inbox[i].token, 1);
}

START_TEST(what_is_kept_comes_to_each_participant_and_to_its_sender)
{
	begin(_i);
	for (size_t i = 0; i < 3; i++) {
		open_as(i, i == 0 ? "order" : i == 1 ? "stock" : "pay.ment", (uint8_t)i);
		work(i, ALL, 1);
	}
	send_kept(0, 1, 5, "a");
	send_kept(0, 2, 6, "b");
	must_be_sent(0, 2);
	ck_assert_uint_eq(hosts[0].sent_last, 2);
	for (size_t i = 0; i < 3; i++) {
		must_come(i, 2);
		assert_kept(&hosts[i], 0, "shop.sold", "a", 1);
		assert_kept(&hosts[i], 1, "shop.sold", "b", 1);
		ck_assert(hosts[i].inbox[0].is_kept);
		ck_assert_uint_eq(hosts[i].inbox[0].part & 63, 5);
		ack_all(i);
	}
	end(3);
}
END_TEST

START_TEST(who_comes_later_gets_what_was_there_before)
{
	begin(_i);
	open_as(0, "order", 1);
	for (uint8_t i = 0; i < 100; i++)
		send_kept(0, i, i, "old");
	must_be_sent(0, 100);
	open_as(1, "stock", 2);
	work(1, ALL, 1);
	must_come(1, 100);
	ack_all(1);
	end(2);
}
END_TEST

static int64_t in_ms(int64_t ms)
{
	uv_timeval64_t now;

	(void)uv_gettimeofday(&now);
	return now.tv_sec * 1000 + now.tv_usec / 1000 + ms;
}

START_TEST(what_is_much_older_than_since_does_not_come)
{
	enum {
		HOUR_MS = 3600000
	};

	begin(_i);
	open_as(0, "order", 1);
	send_kept(0, 1, 0, "old");
	must_be_sent(0, 1);
	host_open_as(&hosts[1], &world, "stock", 2, in_ms(HOUR_MS));
	work(1, ALL, 1);
	ck_assert(turn_until(&hosts[1], is_up, 0));
	open_as(2, "payment", 3);
	work(2, ALL, 1);
	must_come(2, 1);
	turn_for(&hosts[1], 20);
	ck_assert_uint_eq(host_count(&hosts[1]), 0);
	ack_all(2);
	end(3);
}
END_TEST

/* A broker's clock and a host's differ, and a host begins when it comes: nothing may be lost. */
START_TEST(what_came_a_moment_before_since_comes)
{
	static const char *const participants[] = { "stock", "payment", "mail" };

	begin(_i);
	open_as(0, "order", 1);
	send_kept(0, 1, 0, "young");
	must_be_sent(0, 1);
	for (size_t i = 1; i < HOSTS; i++) {
		host_open_as(&hosts[i], &world, participants[i - 1], (uint8_t)(1 + i),
			in_ms(i == 1             ? 1
					: i == 2 ? 1000
						 : 10000));
		work(i, ALL, 1);
	}
	for (size_t i = 1; i < HOSTS; i++) {
		must_come(i, 1);
		ack_all(i);
	}
	end(HOSTS);
}
END_TEST

START_TEST(the_same_id_is_kept_once)
{
	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	work(1, ALL, 1);
	for (int i = 0; i < 5; i++)
		send_kept(0, 1, 0, "once");
	send_kept(0, 2, 0, "last");
	must_be_sent(0, 6); /* each is answered */
	must_come(1, 2);
	turn_for(&hosts[1], 50);
	ck_assert_uint_eq(host_count(&hosts[1]), 2);
	assert_kept(&hosts[1], 1, "shop.sold", "last", 4);
	ack_all(1);
	end(2);
}
END_TEST

START_TEST(each_gets_the_shards_that_it_works)
{
	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	open_as(2, "stock", 2);
	work(1, 1 | 4, 4); /* 0 and 2 */
	work(2, 2 | 8, 4);
	for (uint8_t i = 0; i < 64; i++)
		send_kept(0, i, i, "x");
	must_come(1, 32);
	must_come(2, 32);
	turn_for(&hosts[1], 30);
	ck_assert_uint_eq(host_count(&hosts[1]), 32);
	ck_assert_uint_eq(host_count(&hosts[2]), 32);
	for (size_t i = 0; i < 32; i++) {
		ck_assert_uint_eq(hosts[1].inbox[i].part & 1, 0);
		ck_assert_uint_eq(hosts[2].inbox[i].part & 1, 1);
	}
	ack_all(1);
	ack_all(2);
	end(3);
}
END_TEST

/* It stays with the broker: so another gets it, and what was acked it does not get. */
START_TEST(what_was_not_acked_comes_to_who_works_the_shard_next)
{
	begin(_i);
	open_as(0, "stock", 2);
	work(0, ALL, 1);
	for (uint8_t i = 0; i < 10; i++)
		send_kept(0, i, 0, i < 4 ? "done" : "left");
	must_come(0, 10);
	for (size_t i = 0; i < 10; i++)
		if (hosts[0].inbox[i].bytes[0] == 'd')
			world.ops->ack(hosts[0].transport, &hosts[0].inbox[i].token, 1);
	open_as(1, "stock", 2);
	work(0, 0, 1);
	work(1, ALL, 1);
	must_come(1, 6);
	turn_for(&hosts[1], 50);
	ck_assert_uint_eq(host_count(&hosts[1]), 6);
	for (size_t i = 0; i < 6; i++)
		assert_kept(&hosts[1], i, "shop.sold", "left", 4);
	ack_all(1);
	end(2);
}
END_TEST

START_TEST(what_one_that_closes_had_not_acked_comes_to_another)
{
	begin(_i);
	open_as(0, "stock", 2);
	work(0, ALL, 1);
	send_kept(0, 1, 0, "left");
	must_come(0, 1);
	host_close(&hosts[0]);
	open_as(0, "stock", 2);
	work(0, ALL, 1);
	must_come(0, 1);
	assert_kept(&hosts[0], 0, "shop.sold", "left", 4);
	ack_all(0);
	end(1);
}
END_TEST

static bool was_busy(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->busy_count > n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

/* A host takes little at a time, and all of it in the end, once. */
START_TEST(a_slow_host_gets_all_of_it_once)
{
	enum {
		FRAMES = 200
	};
	bool seen[FRAMES] = { false };
	size_t count = 0;

	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	hosts[1].room = 7;
	for (uint8_t i = 0; i < FRAMES; i++) {
		char text[8];

		(void)snprintf(text, sizeof text, "%d", i);
		send_kept(0, i, i, text);
	}
	work(1, ALL, 1);
	ck_assert(turn_until(&hosts[1], was_busy, 0));
	while (count < FRAMES) { /* or the test's time is over */
		world.ops->resume(hosts[1].transport);
		turn_for(&hosts[1], 1);
		for (size_t i = 0; i < host_count(&hosts[1]); i++, count++) {
			char text[8] = { 0 };
			size_t number;

			ck_assert_uint_lt(hosts[1].inbox[i].size, sizeof text);
			memcpy(text, hosts[1].inbox[i].bytes, hosts[1].inbox[i].size);
			number = (size_t)strtol(text, NULL, 10);

			ck_assert_uint_lt(number, FRAMES);
			ck_assert_msg(!seen[number], "%zu came twice", number);
			seen[number] = true;
		}
		ack_all(1);
		host_forget(&hosts[1]);
	}
	end(2);
}
END_TEST

static bool is_down(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = !host->up && host->state_count > n && host->state_has_text;
	uv_mutex_unlock(&host->lock);
	return answer;
}

START_TEST(a_twin_gets_nothing_and_says_so)
{
	begin(_i);
	open_as(0, "stock", 1);
	work(0, ALL, 1);
	send_kept(0, 1, 0, "mine");
	must_come(0, 1);
	ack_all(0);
	open_as(1, "stock", 2);
	work(1, ALL, 1);
	ck_assert(turn_until(&hosts[1], is_down, 0));
	send_kept(0, 2, 0, "mine");
	must_come(0, 2);
	ck_assert_uint_eq(host_count(&hosts[1]), 0);
	ack_all(0);
	end(2);
}
END_TEST

static bool has_looked(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->looked_count >= n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static bool knows_floor(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->broker.shards >> n & 1;
	uv_mutex_unlock(&host->lock);
	return answer;
}

START_TEST(a_double_is_told_with_the_place_where_it_stands)
{
	uint64_t place;

	begin(_i);
	open_as(0, "order", 1);
	send_kept(0, 1, 0, "once");
	must_be_sent(0, 1);
	place = hosts[0].receipt.place;
	ck_assert_uint_gt(place, 0);
	ck_assert(!hosts[0].receipt.doubled);
	send_kept(0, 2, 0, "another");
	must_be_sent(0, 2);
	ck_assert_uint_gt(hosts[0].receipt.place, place);
	send_kept(0, 1, 0, "once");
	must_be_sent(0, 3);
	ck_assert(hosts[0].receipt.doubled);
	ck_assert_uint_eq(hosts[0].receipt.place, place);
	end(1);
}
END_TEST

START_TEST(what_stands_at_a_place_is_told_and_deliveries_begin_again_behind_it)
{
	enum {
		COUNT = 5
	};
	saga_id ids[COUNT], none = { { 0 } };
	uint64_t places[COUNT];
	int64_t times[COUNT];

	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	work(1, ALL, 1);
	for (uint8_t i = 0; i < COUNT; i++)
		send_kept(0, i, 0, "x");
	must_come(1, COUNT);
	ck_assert(turn_until(&hosts[1], knows_floor, 0));
	ck_assert(memcmp(&hosts[1].broker.era, &none, sizeof none) != 0);
	for (size_t i = 0; i < COUNT; i++) {
		ids[i] = hosts[1].inbox[i].id;
		places[i] = hosts[1].inbox[i].place;
		times[i] = hosts[1].inbox[i].stored_at;
		ck_assert(!i || times[i] > times[i - 1]);
		ck_assert(!i || places[i] > places[i - 1]);
		ck_assert_uint_eq(ids[i].bytes[1], i); /* as it was sent */
	}
	ack_all(1);
	world.ops->look(hosts[1].transport, places[2]);
	ck_assert(turn_until(&hosts[1], has_looked, 1));
	ck_assert_uint_eq(hosts[1].looked_place, places[2]);
	ck_assert(memcmp(&hosts[1].looked_id, &ids[2], sizeof none) == 0);
	ck_assert_int_eq(hosts[1].looked_stored_at, times[2]);
	world.ops->look(hosts[1].transport, places[COUNT - 1] + 1000);
	ck_assert(turn_until(&hosts[1], has_looked, 2));
	ck_assert(memcmp(&hosts[1].looked_id, &none, sizeof none) == 0);
	work(1, 0, 1);
	world.ops->rewind(hosts[1].transport, 0, places[1]);
	host_forget(&hosts[1]);
	work(1, ALL, 1);
	must_come(1, 3);
	turn_for(&hosts[1], 50);
	ck_assert_uint_eq(host_count(&hosts[1]), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(hosts[1].inbox[i].place, places[i + 2]);
	ack_all(1);
	end(2);
}
END_TEST

/* Whoever works a shard again must know what others have done there meanwhile. */
START_TEST(where_a_shard_stands_is_told_each_time_that_it_comes)
{
	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	work(1, ALL, 1);
	ck_assert(turn_until(&hosts[1], knows_floor, 0));
	for (int round = 0; round < 3; round++) {
		work(1, 0, 1);
		uv_mutex_lock(&hosts[1].lock);
		hosts[1].broker.shards = 0;
		uv_mutex_unlock(&hosts[1].lock);
		work(1, ALL, 1);
		ck_assert(turn_until(&hosts[1], knows_floor, 0));
	}
	send_kept(0, 1, 0, "x");
	must_come(1, 1);
	ack_all(1);
	end(2);
}
END_TEST

static void must_stand_behind(unsigned shard, uint64_t place, uint64_t found, size_t looks)
{
	world.ops->look_behind(hosts[1].transport, shard, place);
	ck_assert(turn_until(&hosts[1], has_looked, looks));
	ck_assert_uint_eq(hosts[1].looked_shard, shard);
	ck_assert_uint_eq(hosts[1].looked_place, place);
	ck_assert_uint_eq(hosts[1].looked_found, found);
}

START_TEST(the_first_of_a_shard_behind_a_place_is_told)
{
	uint64_t places[4] = { 0 };

	begin(_i);
	open_as(0, "order", 1);
	open_as(1, "stock", 2);
	work(1, 1 | 2, 4);
	send_kept(0, 1, 0, "x");
	send_kept(0, 2, 1, "x");
	send_kept(0, 3, 4, "x"); /* shard 0 */
	send_kept(0, 4, 2, "x"); /* shard 2, which is not worked here */
	must_come(1, 3);
	for (size_t i = 0; i < 3; i++)
		places[hosts[1].inbox[i].id.bytes[1]] = hosts[1].inbox[i].place;
	ack_all(1);
	must_stand_behind(0, 0, places[1], 1);
	must_stand_behind(0, places[1], places[3], 2);
	must_stand_behind(0, places[3], 0, 3);
	must_stand_behind(1, 0, places[2], 4);
	must_stand_behind(1, places[2], 0, 5);
	end(2);
}
END_TEST

void add_durable_tests(Suite *suite, int row)
{
	TCase *tcase;

	if (!(transports_under_test[row].ops()->traits & SAGA_TRANSPORT_DURABLE))
		return;
	tcase = tcase_create("durable");
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
		tcase, what_is_kept_comes_to_each_participant_and_to_its_sender, row, row + 1);
	tcase_add_loop_test(tcase, who_comes_later_gets_what_was_there_before, row, row + 1);
	tcase_add_loop_test(tcase, what_is_much_older_than_since_does_not_come, row, row + 1);
	tcase_add_loop_test(tcase, what_came_a_moment_before_since_comes, row, row + 1);
	tcase_add_loop_test(tcase, the_same_id_is_kept_once, row, row + 1);
	tcase_add_loop_test(tcase, each_gets_the_shards_that_it_works, row, row + 1);
	tcase_add_loop_test(
		tcase, what_was_not_acked_comes_to_who_works_the_shard_next, row, row + 1);
	tcase_add_loop_test(
		tcase, what_one_that_closes_had_not_acked_comes_to_another, row, row + 1);
	tcase_add_loop_test(tcase, a_slow_host_gets_all_of_it_once, row, row + 1);
	tcase_add_loop_test(tcase, a_twin_gets_nothing_and_says_so, row, row + 1);
	tcase_add_loop_test(tcase, a_double_is_told_with_the_place_where_it_stands, row, row + 1);
	tcase_add_loop_test(tcase, the_first_of_a_shard_behind_a_place_is_told, row, row + 1);
	tcase_add_loop_test(tcase,
		what_stands_at_a_place_is_told_and_deliveries_begin_again_behind_it, row, row + 1);
	tcase_add_loop_test(
		tcase, where_a_shard_stands_is_told_each_time_that_it_comes, row, row + 1);
	suite_add_tcase(suite, tcase);
}
