#include "../unit/rounds.h"
#include "transport_tests.h"

#include <stdlib.h>
#include <string.h>

static const char *const none[] = { NULL };
static const char *const only_a[] = { "shop.a", NULL };

START_TEST(vtable_is_whole)
{
	struct world world;

	world_open(&world, _i);
	ck_assert_uint_ge(world.ops->size, sizeof(saga_transport_ops));
	ck_assert_str_ne(world.ops->schemes, "");
	ck_assert(world.ops->open && world.ops->send && world.ops->close);
	if (world.ops->traits & SAGA_TRANSPORT_DURABLE)
		ck_assert(world.ops->ack != NULL);
	world_close(&world);
}
END_TEST

static void assert_malformed(const struct world *world, const char *url, void *context)
{
	saga_transport_options options = { .url = url,
		.participant = "tester",
		.topics = only_a,
		.frame_bytes = FRAME_BYTES,
		.context = context };
	saga_error error = { .code = SAGA_OK };
	struct saga_port port = { .host = NULL }; /* a call of it would crash */
	void *transport = &port;

	ck_assert_int_eq(world->ops->open(&port, &options, &transport, &error), SAGA_MALFORMED);
	ck_assert_ptr_eq(transport, &port);
	ck_assert_int_eq(error.code, SAGA_MALFORMED);
	ck_assert_str_ne(error.text, "");
	ck_assert_int_eq(world->ops->open(&port, &options, &transport, NULL), SAGA_MALFORMED);
}

START_TEST(wrong_options_are_malformed)
{
	struct world world;
	char empty[URL_BYTES], *end;

	world_open(&world, _i);
	assert_malformed(&world, world.under_test->malformed_url, world.context);
	assert_malformed(&world, "elsewhere://x", world.context);
	assert_malformed(&world, "", world.context);
	assert_malformed(&world, NULL, world.context);
	(void)memcpy(empty, world.url, sizeof empty);
	end = strstr(empty, "://");
	ck_assert_ptr_nonnull(end);
	end[3] = '\0';
	assert_malformed(&world, empty, world.context);
	if (world.under_test->needs_context)
		assert_malformed(&world, world.url, NULL);
	world_close(&world);
}
END_TEST

static struct host *new_hosts(size_t count)
{
	struct host *hosts = calloc(count, sizeof *hosts);

	ck_assert_ptr_nonnull(hosts);
	return hosts;
}

static bool is_up(struct host *host, size_t n)
{
	bool answer;

	(void)n;
	uv_mutex_lock(&host->lock);
	answer = host->up && host->state_has_text;
	uv_mutex_unlock(&host->lock);
	return answer;
}

START_TEST(the_state_is_reported)
{
	struct host *host = new_hosts(1);
	struct world world;

	world_open(&world, _i);
	host_open(host, &world, only_a);
	ck_assert(turn_until(host, is_up, 0));
	host_close(host);
	world_close(&world);
	free(host);
}
END_TEST

START_TEST(a_lonely_one_may_send)
{
	struct host *host = new_hosts(1);
	struct world world;

	world_open(&world, _i);
	host_open(host, &world, none);
	ck_assert(turn_until(host, is_up, 0));
	for (int i = 0; i < 100; i++)
		send_text(host, "shop.a", "is anybody there?");
	host_close(host);
	world_close(&world);
	free(host);
}
END_TEST

START_TEST(who_left_may_come_back)
{
	struct host *hosts = new_hosts(2);
	struct world world;

	world_open(&world, _i);
	host_open(&hosts[0], &world, none);
	for (int i = 0; i < 10; i++) {
		host_open(&hosts[1], &world, only_a);
		warm_up(hosts, 2);
		send_text(&hosts[0], "shop.a", "hello");
		ck_assert(turn_until(&hosts[1], has_count, 1));
		host_close(&hosts[1]);
		send_text(&hosts[0], "shop.a", "to nobody");
	}
	host_close(&hosts[0]);
	world_close(&world);
	free(hosts);
}
END_TEST

START_TEST(a_leave_leaves_the_others)
{
	struct host *hosts = new_hosts(4);
	struct world world;

	world_open(&world, _i);
	for (int i = 0; i < 4; i++)
		host_open(&hosts[i], &world, only_a);
	warm_up(hosts, 4);
	host_close(&hosts[2]);
	send_text(&hosts[1], "shop.a", "hello");
	ck_assert(turn_until(&hosts[0], has_count, 1));
	ck_assert(turn_until(&hosts[3], has_count, 1));
	host_close(&hosts[3]);
	send_text(&hosts[1], "shop.a", "hello");
	ck_assert(turn_until(&hosts[0], has_count, 2));
	host_close(&hosts[0]);
	host_close(&hosts[1]);
	world_close(&world);
	free(hosts);
}
END_TEST

/* ---- threads: each with a loop of its own ---- */

enum {
	THREADS = 4,
	FRAMES = 300,
	BURST = 4,
	SOME = 9
};

struct worker {
	uv_thread_t thread;
	struct world *world;
	uint8_t number;
	atomic_bool *stop;
	atomic_int *ready;
	atomic_int *done;
	struct host *host;
	size_t last_of[THREADS];
	size_t heard;
	bool in_order;
};

static void send_until_stopped(void *context)
{
	struct worker *worker = context;
	uv_loop_t loop;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	host_open_on(worker->host, worker->world, &loop, worker->world->url, only_a, FRAME_BYTES);
	/* A burst, then room for the one who comes and leaves. */
	while (!atomic_load(worker->stop)) {
		for (int i = 0; i < BURST && !atomic_load(worker->stop); i++)
			send_text(worker->host, "shop.a", "hello");
		host_forget(worker->host);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		uv_sleep(10);
	}
	host_close(worker->host);
	ck_assert_int_eq(uv_run(&loop, UV_RUN_NOWAIT), 0);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(one_leaves_while_others_send)
{
	struct host *hosts = new_hosts(THREADS + 1);
	struct worker workers[THREADS];
	atomic_bool stop = false;
	uint64_t enough = uv_hrtime() + 3000000000;
	struct world world;

	world_open(&world, _i);
	for (uint8_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .world = &world, .stop = &stop, .host = &hosts[i] };
		ck_assert_int_eq(
			uv_thread_create(&workers[i].thread, send_until_stopped, &workers[i]), 0);
	}
	/* Some times at least, and more where that is quick: some shake hands each time. */
	for (int i = 0; i < SOME || (i < rounds_of(100) && uv_hrtime() < enough); i++) {
		struct host *host = &hosts[THREADS];

		host_open(host, &world, only_a);
		ck_assert(turn_until(host, has_count, (size_t)i % 3));
		send_text(host, "shop.a", "bye");
		host_close(host);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(uv_thread_join(&workers[i].thread), 0);
	world_close(&world);
	free(hosts);
}
END_TEST

static void note_all(struct worker *worker)
{
	struct host *host = worker->host;

	uv_mutex_lock(&host->lock);
	for (size_t i = 0; i < host->count; i++) {
		uint32_t words[2];

		if (host->inbox[i].size != sizeof words)
			continue;
		memcpy(words, host->inbox[i].bytes, sizeof words);
		if (words[0] == worker->number) /* an echo */
			continue;
		if (words[1] <= worker->last_of[words[0]])
			worker->in_order = false;
		worker->last_of[words[0]] = words[1];
		worker->heard++;
	}
	/* Under the same lock: what comes next must not be forgotten unseen. */
	for (size_t i = 0; i < host->count; i++)
		free(host->inbox[i].bytes);
	host->count = 0;
	uv_mutex_unlock(&host->lock);
}

static void wait_for_all(struct worker *worker, atomic_int *counter)
{
	(void)atomic_fetch_add(counter, 1);
	while (atomic_load(counter) < THREADS) {
		note_all(worker);
		turn_for(worker->host, 1);
	}
}

/* Says its numbers when all are there, then listens until all have spoken. */
static void talk(void *context)
{
	struct worker *worker = context;
	uint64_t start;
	uv_loop_t loop;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	host_open_on(worker->host, worker->world, &loop, worker->world->url, only_a, FRAME_BYTES);
	ck_assert(turn_until(worker->host, is_up, 0));
	wait_for_all(worker, worker->ready);
	for (uint32_t i = 1; i <= FRAMES; i++) {
		uint32_t words[2] = { worker->number, i };
		saga_frame frame = frame_of("shop.a", words, sizeof words);

		send_all(worker->host, &frame, 1);
		note_all(worker);
	}
	wait_for_all(worker, worker->done);
	start = uv_hrtime();
	while (worker->heard < FRAMES * (THREADS - 1) &&
		uv_hrtime() - start < PATIENCE_MS * 1000000ull) {
		note_all(worker);
		turn_for(worker->host, 1);
	}
	host_close(worker->host);
	ck_assert_int_eq(uv_run(&loop, UV_RUN_NOWAIT), 0);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(threads_talk)
{
	struct host *hosts = new_hosts(THREADS);
	struct worker workers[THREADS];
	atomic_int ready = 0, done = 0;
	struct world world;

	world_open(&world, _i);
	for (uint8_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .world = &world,
			.number = i,
			.ready = &ready,
			.done = &done,
			.host = &hosts[i],
			.in_order = true };
		ck_assert_int_eq(uv_thread_create(&workers[i].thread, talk, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		ck_assert_int_eq(uv_thread_join(&workers[i].thread), 0);
		ck_assert(workers[i].in_order);
		if (!world.under_test->may_lose)
			ck_assert_uint_eq(workers[i].heard, FRAMES * (THREADS - 1));
	}
	world_close(&world);
	free(hosts);
}
END_TEST

void add_lifetime_tests(Suite *suite, int row)
{
	TCase *tcase = tcase_create("lifetime");

	tcase_set_timeout(tcase, 240);
	tcase_add_loop_test(tcase, vtable_is_whole, row, row + 1);
	tcase_add_loop_test(tcase, wrong_options_are_malformed, row, row + 1);
	tcase_add_loop_test(tcase, the_state_is_reported, row, row + 1);
	tcase_add_loop_test(tcase, a_lonely_one_may_send, row, row + 1);
	tcase_add_loop_test(tcase, who_left_may_come_back, row, row + 1);
	tcase_add_loop_test(tcase, a_leave_leaves_the_others, row, row + 1);
	tcase_add_loop_test(tcase, one_leaves_while_others_send, row, row + 1);
	tcase_add_loop_test(tcase, threads_talk, row, row + 1);
	suite_add_tcase(suite, tcase);
}
