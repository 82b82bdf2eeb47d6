/*
 * NATS servers of its own: they are killed, frozen, come back, want passwords and certificates.
 * SAGA_TEST_NATS_START names tests/nats.
 */

#define _GNU_SOURCE /* mkdtemp */

#include "plugins.h"
#include "transport_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The hosts are of the conformance suite. */
const struct transport_under_test transports_under_test[] = { { .name = "nats" } };

static char directory[64];
static char url[URL_BYTES];
static struct world world;
static struct host *hosts;

/* ---- the server ---- */

static bool command(const char *what, const char *rest)
{
	char line[2048];

	(void)snprintf(line, sizeof line, "exec %s %s %s/server %s >%s/said 2>%s/why",
		getenv("SAGA_TEST_NATS_START"), what, directory, rest, directory, directory);
	return system(line) == 0;
}

static void must(const char *what)
{
	ck_assert_msg(command(what, ""), "tests/nats %s fails", what);
}

static void read_url(void)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/said", directory);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(url, sizeof url, file));
	url[strcspn(url, "\n")] = '\0';
	(void)fclose(file);
}

static void start(const char *settings)
{
	(void)strcpy(directory, "/tmp/saga-nats-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	if (!command("start", settings))
		ck_abort_msg("tests/nats start fails");
	read_url();
}

static void stop(void)
{
	char line[128];

	must("stop");
	(void)snprintf(line, sizeof line, "rm -rf %s", directory);
	(void)!system(line);
}

/* ---- hosts ---- */

enum {
	HOSTS = 3
};

static void begin(void)
{
	memset(&world, 0, sizeof world);
	world.ops = saga__transport_builtin("nats");
	ck_assert_ptr_nonnull(world.ops);
	ck_assert_int_eq(uv_loop_init(&world.loop), 0);
	(void)snprintf(world.url, sizeof world.url, "%s", url);
	hosts = calloc(HOSTS, sizeof *hosts);
	ck_assert_ptr_nonnull(hosts);
}

static void end(size_t count)
{
	for (size_t i = 0; i < count; i++)
		host_close(&hosts[i]);
	free(hosts);
	ck_assert_int_eq(uv_run(&world.loop, UV_RUN_NOWAIT), 0);
	ck_assert_int_eq(uv_loop_close(&world.loop), 0);
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

static bool is_down(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = !host->up && host->state_count > n && host->state_has_text;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static bool is_sent(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->sent_count >= n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static void send_kept(size_t from, uint8_t number)
{
	saga_frame frame = { .topic = "shop.sold",
		.bytes = { &number, 1 },
		.token = number,
		.id = { .bytes = { 7, number } },
		.part = number };

	send_all(&hosts[from], &frame, 1);
}

static void ack_all(size_t at)
{
	for (size_t i = 0; i < host_count(&hosts[at]); i++)
		world.ops->ack(hosts[at].transport, &hosts[at].inbox[i].token, 1);
}

/* Which of the numbers have come, once or more. */
static size_t different(struct host *host)
{
	bool seen[256] = { false };
	size_t count = 0;

	uv_mutex_lock(&host->lock);
	for (size_t i = 0; i < host->count; i++) {
		uint8_t number = (uint8_t)host->inbox[i].bytes[0];

		count += !seen[number];
		seen[number] = true;
	}
	uv_mutex_unlock(&host->lock);
	return count;
}

static bool has_different(struct host *host, size_t n)
{
	return different(host) >= n;
}

/* ---- tests ---- */

START_TEST(what_is_kept_outlives_the_server)
{
	start("");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	host_open_as(&hosts[1], &world, "stock", 2, 0);
	for (uint8_t i = 0; i < 50; i++)
		send_kept(0, i);
	ck_assert(turn_until(&hosts[0], is_sent, 50));
	must("kill");
	ck_assert(turn_until(&hosts[0], is_down, 0));
	must("again");
	ck_assert(turn_until(&hosts[0], is_up, 0));
	world.ops->work(hosts[1].transport, 1, 1);
	ck_assert_msg(
		turn_until(&hosts[1], has_different, 50), "%zu of 50 came", different(&hosts[1]));
	ack_all(1);
	for (uint8_t i = 50; i < 60; i++)
		send_kept(0, i);
	ck_assert(turn_until(&hosts[0], is_sent, 60));
	ck_assert(turn_until(&hosts[1], has_different, 60));
	end(2);
	stop();
}
END_TEST

/* Nothing waits for a server that isn't there; it is said, and found when it comes. */
START_TEST(a_server_may_come_later_and_go_while_one_closes)
{
	start("");
	must("kill");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	ck_assert(turn_until(&hosts[0], is_down, 0));
	must("again");
	ck_assert(turn_until(&hosts[0], is_up, 0));
	must("kill");
	ck_assert(turn_until(&hosts[0], is_down, 2));
	end(1);
	stop();
}
END_TEST

START_TEST(a_frozen_server_is_noticed)
{
	start("");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	ck_assert(turn_until(&hosts[0], is_up, 0));
	must("freeze");
	ck_assert(turn_until(&hosts[0], is_down, 1));
	must("thaw");
	ck_assert(turn_until(&hosts[0], is_up, 0));
	end(1);
	stop();
}
END_TEST

static void must_have(size_t n)
{
	ck_assert_msg(turn_until(&hosts[0], has_different, n), "%zu of %zu came",
		different(&hosts[0]), n);
	ack_all(0);
	host_forget(&hosts[0]);
}

/* While what another needs is being made: each round waits a little longer in between. */
START_TEST(a_shard_that_is_left_and_taken_again_is_heard)
{
	enum {
		ROUNDS = 63,
		PLACES = 32,
		STEP_NS = 100000
	};

	start("");
	(void)snprintf(url + strlen(url), sizeof url - strlen(url), "/left?pending=1");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		uint64_t other = UINT64_C(1) << round, until;

		world.ops->work(hosts[0].transport, 1, 64);
		for (uint8_t i = 0; i < 3; i++) {
			saga_frame frame = { .topic = "shop.sold",
				.bytes = { &i, 1 },
				.token = 1,
				.id = { .bytes = { (uint8_t)round, i } } };

			send_all(&hosts[0], &frame, 1);
			must_have(1); /* and is asked for once more */
		}
		world.ops->work(hosts[0].transport, other, 64);
		until = uv_hrtime() + (round % PLACES) * STEP_NS;
		do
			(void)uv_run(&world.loop, UV_RUN_NOWAIT);
		while (uv_hrtime() < until);
		world.ops->work(hosts[0].transport, other | 1, 64);
	}
	end(1);
	stop();
}
END_TEST

/* Keeps a copy of the server's files, or puts it back, while the server does not run. */
static void restart_with(const char *from, const char *to)
{
	char line[512];

	must("kill");
	for (size_t i = 0; i < 2; i++)
		ck_assert(turn_until(&hosts[i], is_down, 0));
	(void)snprintf(line, sizeof line, "rm -rf %s/%s && cp -a %s/%s %s/%s", directory, to,
		directory, from, directory, to);
	ck_assert_int_eq(system(line), 0);
	must("again");
	for (size_t i = 0; i < 2; i++)
		ck_assert(turn_until(&hosts[i], is_up, 0));
}

static bool has_floor(struct host *host, size_t n)
{
	bool answer;

	(void)n;
	uv_mutex_lock(&host->lock);
	answer = host->broker.shards & 1;
	uv_mutex_unlock(&host->lock);
	return answer;
}

/*
 * Host 1 holds event 1 while the server loses it, because older files are put in the place of its
 * own. Event 2 then stands at the place of event 1.
 */
static void replace_what_is_held(const char *settings)
{
	start("");
	(void)snprintf(url + strlen(url), sizeof url - strlen(url), "/back%s", settings);
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	host_open_as(&hosts[1], &world, "stock", 2, 0);
	world.ops->work(hosts[1].transport, 1, 1);
	ck_assert(turn_until(&hosts[1], has_floor, 0));
	restart_with("server/server1", "copy");
	send_kept(0, 1);
	ck_assert(turn_until(&hosts[1], has_different, 1));
	restart_with("copy", "server/server1");
	send_kept(0, 2);
	ck_assert(turn_until(&hosts[0], is_sent, 2));
	ck_assert_uint_eq(hosts[0].receipt.place, hosts[1].inbox[0].place);
}

START_TEST(another_event_at_the_place_of_one_that_is_held_comes)
{
	replace_what_is_held("");
	ck_assert(turn_until(&hosts[1], has_different, 2));
	ck_assert_uint_ne(hosts[1].inbox[0].token, hosts[1].inbox[1].token);
	world.ops->ack(hosts[1].transport, &hosts[1].inbox[0].token, 1);
	host_close(&hosts[1]);
	host_open_as(&hosts[1], &world, "stock", 2, 0);
	world.ops->work(hosts[1].transport, 1, 1);
	ck_assert_msg(turn_until(&hosts[1], has_different, 1), "the ack of event 1 took event 2");
	ck_assert_int_eq(hosts[1].inbox[0].bytes[0], 2);
	ack_all(1);
	end(2);
	stop();
}
END_TEST

/* Host 1 asks for no more than it holds: so host 2 has event 2 when host 1 acks event 1. */
START_TEST(an_ack_falls_on_no_other_event_at_its_place)
{
	replace_what_is_held("?pending=1");
	host_open_as(&hosts[2], &world, "stock", 2, 0);
	world.ops->work(hosts[2].transport, 1, 1);
	ck_assert(turn_until(&hosts[2], has_different, 1));
	ack_all(1);
	host_forget(&hosts[1]);
	host_close(&hosts[2]);
	ck_assert_msg(turn_until(&hosts[1], has_different, 1), "the ack of event 1 took event 2");
	ck_assert_int_eq(hosts[1].inbox[0].bytes[0], 2);
	ack_all(1);
	end(2);
	stop();
}
END_TEST

enum {
	CROWD = 9600, /* more than a transport keeps for a host that takes nothing */
	CROWD_SHARDS = 32
};

static bool has_lost(struct host *host, size_t n)
{
	saga_transport_figures figures = { .lost = 0 };

	(void)n;
	world.ops->figures(host->transport, &figures);
	return figures.lost > 0;
}

static void send_crowd(void)
{
	for (unsigned i = 0; i < CROWD; i++) {
		saga_frame frame = { .topic = "shop.sold",
			.bytes = { &i, sizeof i },
			.token = 1,
			.id = { .bytes = { 7, (uint8_t)(i >> 8), (uint8_t)i } },
			.part = i };

		send_all(&hosts[0], &frame, 1);
	}
	ck_assert(turn_until(&hosts[0], is_sent, CROWD));
}

/* How many of them are new. */
static size_t take_crowd(bool seen[CROWD])
{
	size_t count = 0;

	for (size_t i = 0; i < host_count(&hosts[0]); i++) {
		unsigned number;

		ck_assert_uint_eq(hosts[0].inbox[i].size, sizeof number);
		memcpy(&number, hosts[0].inbox[i].bytes, sizeof number);
		ck_assert_uint_lt(number, CROWD);
		count += !seen[number];
		seen[number] = true;
	}
	ack_all(0);
	host_forget(&hosts[0]);
	return count;
}

START_TEST(what_found_no_place_comes_again)
{
	static bool seen[CROWD];
	uint64_t until;

	start("");
	(void)snprintf(url + strlen(url), sizeof url - strlen(url), "/crowd?pending=1024&ack=1");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	send_crowd();
	hosts[0].room = 0;
	world.ops->work(hosts[0].transport, (UINT64_C(1) << CROWD_SHARDS) - 1, CROWD_SHARDS);
	ck_assert(turn_until(&hosts[0], has_lost, 0));
	hosts[0].room = KEPT;
	until = uv_now(&world.loop) + PATIENCE_MS;
	for (size_t count = 0; count < CROWD; count += take_crowd(seen)) {
		ck_assert_msg(uv_now(&world.loop) < until, "%zu of %d came", count, CROWD);
		world.ops->resume(hosts[0].transport);
		turn_for(&hosts[0], 1);
	}
	end(1);
	stop();
}
END_TEST

START_TEST(a_full_stream_refuses_and_says_so)
{
	start("");
	(void)snprintf(url + strlen(url), sizeof url - strlen(url), "/small?messages=3");
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	ck_assert(turn_until(&hosts[0], is_up, 0));
	for (uint8_t i = 0; i < 4; i++)
		send_kept(0, i);
	ck_assert(turn_until(&hosts[0], is_down, 1));
	ck_assert_uint_eq(hosts[0].sent_count, 3);
	end(1);
	stop();
}
END_TEST

START_TEST(who_does_not_say_who_he_is_stays_out)
{
	char right[URL_BYTES], open[URL_BYTES];

	start("'authorization { user: shop, password: \"tea:time\" }'");
	(void)snprintf(open, sizeof open, "%s", url);
	(void)snprintf(right, sizeof right, "nats://shop:tea:time@%.99s", strstr(open, "://") + 3);
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	(void)snprintf(world.url, sizeof world.url, "%s", right);
	host_open_as(&hosts[1], &world, "stock", 1, 0);
	ck_assert(turn_until(&hosts[0], is_down, 0));
	ck_assert(turn_until(&hosts[1], is_up, 0));
	end(2);
	stop();
}
END_TEST

START_TEST(a_token_opens_too)
{
	char token[URL_BYTES];

	start("'authorization { token: s3cret }'");
	(void)snprintf(token, sizeof token, "nats://s3cret@%.99s", strstr(url, "://") + 3);
	(void)snprintf(url, sizeof url, "%s", token);
	begin();
	host_open_as(&hosts[0], &world, "order", 1, 0);
	ck_assert(turn_until(&hosts[0], is_up, 0));
	end(1);
	stop();
}
END_TEST

static bool make_certificates(char *at)
{
	char line[2048];

	(void)snprintf(line, 2048,
		"cd %s && { for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem;"
		" done; for who in server member; do openssl req -newkey ec -pkeyopt "
		"ec_paramgen_curve:P-256 -nodes -subj /CN=$who -keyout $who.key -out $who.csr && "
		"echo subjectAltName=DNS:$who >$who.ext && openssl x509 -req -days 2 -in $who.csr "
		"-CA ca.pem -CAkey ca.key -CAcreateserial -extfile $who.ext -out $who.pem; done; } "
		">made 2>&1",
		at);
	return system(line) == 0;
}

START_TEST(tls_with_certificates_of_both_sides)
{
	char files[64] = "/tmp/saga-nats-tls-XXXXXX", settings[512], line[128];
	char hosts_at[URL_BYTES];

	ck_assert_ptr_nonnull(mkdtemp(files));
	ck_assert(make_certificates(files));
	(void)snprintf(settings, sizeof settings,
		"'tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\", ca_file: "
		"\"%s/ca.pem\", verify: true }'",
		files, files, files);
	start(settings);
	(void)snprintf(hosts_at, sizeof hosts_at, "%s", strstr(url, "://") + 3);
	begin();
	for (int i = 0; i < 3; i++) {
		/* Right; trusts another; bears no certificate. */
		(void)snprintf(world.url, sizeof world.url, "tls://%.99s?name=server&ca=%s/%s.pem",
			hosts_at, files, i == 1 ? "other" : "ca");
		if (i < 2)
			(void)snprintf(world.url + strlen(world.url),
				sizeof world.url - strlen(world.url),
				"&cert=%s/member.pem&key=%s/member.key", files, files);
		host_open_as(&hosts[i], &world, "order", 1, 0);
	}
	ck_assert(turn_until(&hosts[0], is_up, 0));
	world.ops->work(hosts[0].transport, 1, 1);
	for (uint8_t i = 0; i < 100; i++)
		send_kept(0, i);
	ck_assert(turn_until(&hosts[0], has_different, 100));
	ack_all(0);
	ck_assert(turn_until(&hosts[1], is_down, 0));
	ck_assert(turn_until(&hosts[2], is_down, 0));
	end(3);
	stop();
	(void)snprintf(line, sizeof line, "rm -rf %s", files);
	(void)!system(line);
}
END_TEST

START_TEST(urls_are_checked)
{
	static const char *const wrong[] = { "nats:", "nats://", "nats:///", "nats://h:0",
		"nats://h:65536", "nats://h:x", "nats://h,,i", "nats://@h", "nats://:p@h",
		"nats://h/a.b", "nats://h/", "nats://h?x=1", "nats://h?replicas=6",
		"nats://h?replicas=", "nats://h?replicas=1x", "nats://h?age=-1", "nats://h?ack=0",
		"nats://h?format=xml", "nats://h?retention=work", "nats://h?ca=x", "tls://h?cert=x",
		"tls://h?key=x", "nats://h?", "nats://h?pending=65537" };
	static const char *const right[] = { "nats://h", "nats://u:p@h:1,i:2/d_-9?replicas=3",
		"tls://t@h?ca=a&cert=b&key=c&name=d", "nats://[::1]:4222/x",
		"nats://h?retention=interest&age=0&bytes=1&messages=1&window=1&ack=1",
		"nats://h?pending=1&format=json&creds=f&reconnect=10" };
	const saga_transport_ops *ops = saga__transport_builtin("tls");
	struct saga_port port = { .host = NULL }; /* without a loop what is right is unsupported */

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] + sizeof right / sizeof right[0];
		i++) {
		bool is_right = i >= sizeof wrong / sizeof wrong[0];
		saga_transport_options options = {
			.url = is_right ? right[i - sizeof wrong / sizeof wrong[0]] : wrong[i],
			.participant = "order",
			.frame_bytes = 1000
		};
		saga_error error = { .code = SAGA_OK };
		void *transport;

		ck_assert_msg(ops->open(&port, &options, &transport, &error) ==
				(is_right ? SAGA_UNSUPPORTED : SAGA_MALFORMED),
			"%s: %s", options.url, error.text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nats");
	TCase *tcase = tcase_create("nats");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (!getenv("SAGA_TEST_NATS")) {
		printf("SKIP: SAGA_TEST_NATS names no server; tests/run starts one\n");
		return 77;
	}
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, urls_are_checked);
	tcase_add_test(tcase, what_is_kept_outlives_the_server);
	tcase_add_test(tcase, a_server_may_come_later_and_go_while_one_closes);
	tcase_add_test(tcase, a_frozen_server_is_noticed);
	tcase_add_test(tcase, a_shard_that_is_left_and_taken_again_is_heard);
	tcase_add_test(tcase, what_found_no_place_comes_again);
	tcase_add_test(tcase, a_full_stream_refuses_and_says_so);
	tcase_add_test(tcase, who_does_not_say_who_he_is_stays_out);
	tcase_add_test(tcase, a_token_opens_too);
	tcase_add_test(tcase, tls_with_certificates_of_both_sides);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("older files");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, another_event_at_the_place_of_one_that_is_held_comes);
	tcase_add_test(tcase, an_ack_falls_on_no_other_event_at_its_place);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
