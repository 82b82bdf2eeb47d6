/* What is nng's own: its URLs, buses that come and go, and peers that mean no good. */

#include "test_bus.h"
#include "transport_tests.h"

#include "../../transports/nng_place.h"
#include "plugins.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

static const char *const only_a[] = { "shop.a", NULL };
static const char *scheme;

static const saga_transport_ops *nng(void)
{
	return saga__transport_builtin("nng+tcp");
}

static void *new_bus(void)
{
	struct test_bus *bus = calloc(1, sizeof *bus);

	ck_assert_ptr_nonnull(bus);
	bus_start(bus);
	return bus;
}

static void free_bus(void *context)
{
	struct test_bus *bus = context;

	if (bus->pid)
		ck_assert_int_eq(bus_stop(bus), 0);
	free(bus);
}

static void its_url(void *context, char *url, size_t size)
{
	(void)snprintf(url, size, "%s", ((struct test_bus *)context)->url);
}

const struct transport_under_test transports_under_test[] = {
	{ .name = "nng",
		.ops = nng,
		.new_context = new_bus,
		.free_context = free_bus,
		.fresh_url = its_url },
};

/* ---- URLs ---- */

static const struct {
	const char *url, *says;
} wrong[] = {
	{ "nng+tcp://", "HOST:PORT is wanted" },
	{ "nng+tcp://:5560", "HOST:PORT is wanted" },
	{ "nng+tcp://h:0", "HOST:PORT is wanted" },
	{ "nng+tcp://h:65536", "HOST:PORT is wanted" },
	{ "nng+tcp://h:-1", "HOST:PORT is wanted" },
	{ "nng+tcp://h h:1", "HOST:PORT is wanted" },
	{ "nng+tcp://h/x:1", "HOST:PORT is wanted" },
	{ "nng+tcp://h:1?", "setting 1 behind the `?`" },
	{ "nng+tcp://h:1?out", "out has no =VALUE" },
	{ "nng+tcp://h:1?out=", "out is a text of 1 to 255 bytes" },
	{ "nng+tcp://h:1?out=0", "PORT or HOST:PORT, not" },
	{ "nng+tcp://h:1?out=/x", "PORT or HOST:PORT, not" },
	{ "nng+tcp://h:1?out=1", "in and out are the same" },
	{ "nng+tcp://h:65535", "say ?out=" },
	{ "nng+tcp://h:1?sendbuf=65535",
		"sendbuf is a number from 65536 to 268435456, not `65535`" },
	{ "nng+tcp://h:1?sendbuf=9999999999", "65536 to 268435456, not `9999999999`" },
	{ "nng+tcp://h:1?frame=1k", "frame is a number from 1024 to 268435456, not `1k`" },
	{ "nng+tcp://h:1?frame=4096&reconnect=1",
		"reconnect is a number from 10 to 60000, not `1`" },
	{ "nng+tcp://h:1?colour=red", "there is no setting `colour`; there are out, sendbuf" },
	{ "nng+tcp://h:1?ca=/x", "is for nng+tls+tcp only" },
	{ "nng+ipc://", "a path from / on" },
	{ "nng+ipc://bus", "a path from / on" },
	{ "nng+ipc:///bus?out=bus", "a path from / on" },
	{ "nng+ipc:///"
	  "a23456789b23456789c23456789d23456789e23456789f23456789g23456789h23456789i23456789j234567"
	  "89k23456789l23456789",
		"a path from / on" },
	{ "nng+tls+tcp://h:1", "ca is missing" },
	{ "nng+tls+tcp://h:1?ca=/a&key=/k", "cert is missing" },
	{ "nng+tls+tcp://h:1?ca=/a&cert=/c", "key is missing" },
};

START_TEST(wrong_urls_say_why)
{
	struct saga__nng_place place;
	saga_error error = { .code = SAGA_OK };

	ck_assert_int_eq(saga__nng_place_read(wrong[_i].url, &place, &error), SAGA_MALFORMED);
	ck_assert_msg(strstr(error.text, wrong[_i].says) != NULL, "%s: says `%s`", wrong[_i].url,
		error.text);
}
END_TEST

static void check_place(const char *url, const char *in, const char *out)
{
	struct saga__nng_place place;

	ck_assert_int_eq(saga__nng_place_read(url, &place, NULL), SAGA_OK);
	ck_assert_str_eq(place.in, in);
	ck_assert_str_eq(place.out, out);
}

START_TEST(outs_have_defaults)
{
	check_place("nng+tcp://host:5560", "tcp://host:5560", "tcp://host:5561");
	check_place("nng+tcp://[::1]:5560?out=7", "tcp://[::1]:5560", "tcp://[::1]:7");
	check_place("nng+tcp://host:65535?out=1", "tcp://host:65535", "tcp://host:1");
	check_place("nng+tcp://a:1?out=b%3A2", "tcp://a:1", "tcp://b:2");
	check_place("nng+tcp://a:1?frame=2048&out=b:2", "tcp://a:1", "tcp://b:2");
	check_place("nng+ipc:///run/bus", "ipc:///run/bus", "ipc:///run/bus.out");
	check_place("nng+ipc:///run/bus?out=/x", "ipc:///run/bus", "ipc:///x");
	check_place("nng+tls+tcp://h:1?ca=/a&cert=/c&key=/k", "tls+tcp://h:1", "tls+tcp://h:2");
}
END_TEST

/* ---- buses come and go ---- */

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

	(void)n;
	uv_mutex_lock(&host->lock);
	answer = host->state_count && !host->up;
	uv_mutex_unlock(&host->lock);
	return answer;
}

static void open_two(struct world *world, struct host **ret_hosts)
{
	*ret_hosts = calloc(2, sizeof **ret_hosts);
	ck_assert_ptr_nonnull(*ret_hosts);
	host_open(&(*ret_hosts)[0], world, only_a);
	host_open(&(*ret_hosts)[1], world, only_a);
}

static void close_two(struct world *world, struct host *hosts)
{
	host_close(&hosts[0]);
	host_close(&hosts[1]);
	free(hosts);
	world_close(world);
}

static void both_talk(struct host *hosts)
{
	ck_assert(turn_until(&hosts[0], is_up, 0));
	ck_assert(turn_until(&hosts[1], is_up, 0));
	warm_up(hosts, 2);
	send_text(&hosts[0], "shop.a", "hello");
	ck_assert(turn_until(&hosts[1], has_count, 1));
}

START_TEST(a_bus_may_come_late)
{
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	bus_kill(world.context);
	open_two(&world, &hosts);
	ck_assert(turn_until(&hosts[0], is_down, 0));
	bus_run(world.context, "");
	both_talk(hosts);
	close_two(&world, hosts);
}
END_TEST

START_TEST(a_killed_bus_is_found_again)
{
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	for (int i = 0; i < 5; i++) {
		both_talk(hosts);
		bus_kill(world.context);
		ck_assert(turn_until(&hosts[0], is_down, 0));
		ck_assert(turn_until(&hosts[1], is_down, 0));
		bus_run(world.context, "");
	}
	both_talk(hosts);
	close_two(&world, hosts);
}
END_TEST

/* Its connections stay open, and nothing comes. */
START_TEST(a_bus_that_hangs_is_away)
{
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	ck_assert_int_eq(kill(((struct test_bus *)world.context)->pid, SIGSTOP), 0);
	ck_assert(turn_until(&hosts[0], is_down, 0));
	ck_assert_int_eq(kill(((struct test_bus *)world.context)->pid, SIGCONT), 0);
	both_talk(hosts);
	close_two(&world, hosts);
}
END_TEST

static int listen_silently(const char *url)
{
	struct sockaddr_in inet = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)bus_port(url)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&inet, sizeof inet), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	return fd;
}

/* They stay open, and hear nothing. */
static void take_peers(int listener, int *peers, size_t count)
{
	struct pollfd comes = { .fd = listener, .events = POLLIN };

	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(poll(&comes, 1, PATIENCE_MS) == 1,
			"%zu of %zu came, and nobody else does", i, count);
		peers[i] = accept(listener, NULL, NULL);
		ck_assert_int_ge(peers[i], 0);
	}
}

/*
 * Who answers nothing, not even a TLS handshake, is left for another try; by all at once, who are
 * more than nng has threads.
 */
START_TEST(a_silent_bus_is_left_by_all)
{
	size_t count = 2 * (size_t)sysconf(_SC_NPROCESSORS_ONLN) + 4, all = 4 * count;
	struct host *hosts = calloc(count, sizeof *hosts);
	int *peers = calloc(all, sizeof *peers), in, out;
	struct test_bus *bus;
	struct world world;

	ck_assert(hosts && peers);
	world_open(&world, 0);
	bus = world.context;
	bus_kill(bus);
	in = listen_silently(bus->in);
	out = listen_silently(bus->out);
	for (size_t i = 0; i < count; i++)
		host_open(&hosts[i], &world, only_a);
	take_peers(in, peers, 2 * count);
	take_peers(out, peers + 2 * count, 2 * count);
	(void)close(in);
	(void)close(out);
	for (size_t i = 0; i < all; i++)
		(void)close(peers[i]);
	bus_run(bus, "");
	for (size_t i = 0; i < count; i++)
		ck_assert(turn_until(&hosts[i], is_up, 0));
	both_talk(hosts);
	for (size_t i = 0; i < count; i++)
		host_close(&hosts[i]);
	world_close(&world);
	free(peers);
	free(hosts);
}
END_TEST

START_TEST(two_buses_share_no_place)
{
	struct test_bus second;
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	second = *(struct test_bus *)world.context;
	ck_assert(!bus_try(&second, ""));
	both_talk(hosts);
	close_two(&world, hosts);
}
END_TEST

START_TEST(who_waits_for_no_bus_may_leave)
{
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	bus_kill(world.context);
	open_two(&world, &hosts);
	close_two(&world, hosts);
}
END_TEST

START_TEST(figures_are_counted)
{
	static char big[FRAME_BYTES + 1];
	saga_transport_figures figures;
	saga_frame frame;
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	frame = frame_of("shop.a", big, sizeof big);
	send_all(&hosts[0], &frame, 1);
	world.ops->figures(hosts[0].transport, &figures);
	ck_assert_uint_ge(figures.sent, 2);
	ck_assert_uint_ge(figures.received, 1);
	ck_assert_uint_eq(figures.refused, 1);
	ck_assert_uint_eq(figures.connects, 2);
	close_two(&world, hosts);
}
END_TEST

/* ---- those who mean no good ---- */

static int connect_raw(const char *url)
{
	struct sockaddr_in inet = { .sin_family = AF_INET };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	bool ipc = strncmp(url, "nng+ipc", 7) == 0;
	int fd = socket(ipc ? AF_UNIX : AF_INET, SOCK_STREAM, 0), failed;

	ck_assert_int_ge(fd, 0);
	if (ipc) {
		strcpy(local.sun_path, strstr(url, "://") + 3);
		failed = connect(fd, (struct sockaddr *)&local, sizeof local);
	} else {
		inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		inet.sin_port = htons((uint16_t)bus_port(url));
		failed = connect(fd, (struct sockaddr *)&inet, sizeof inet);
	}
	ck_assert_int_eq(failed, 0);
	return fd;
}

static const char *out_of(const struct test_bus *bus)
{
	static char out[140];

	(void)snprintf(out, sizeof out, "%s%s", bus->out[0] ? bus->out : bus->in,
		bus->out[0] ? "" : ".out");
	return out;
}

#define GREETING(side_) "\0SP\0\0" side_ "\0\0"
#define PUB "\x20"
#define SUB "\x21"

/* Whoever listens at in is a sub; so greetings are those of a pub. */
static const struct {
	const char *bytes;
	size_t size;
} attacks[] = {
#define ATTACK(bytes_) \
	{ \
		bytes_, sizeof(bytes_) - 1 \
	}
	ATTACK(""),
	ATTACK("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	ATTACK("\0SP"),
	ATTACK("\0SP\1\0" PUB "\0\0"),
	ATTACK(GREETING("\x10")), /* a pair */
	ATTACK(GREETING(PUB)),
	ATTACK(GREETING(SUB)),
	ATTACK(GREETING(PUB) "\0\0\0\0\0"),
	ATTACK(GREETING(PUB) "\xff\xff\xff\xff\xff\xff\xff\xff"),
	ATTACK(GREETING(PUB) "\1\xff\xff\xff\xff\xff\xff\xff\xff"),
	ATTACK(GREETING(PUB) "\0\0\0\0\0\x0f\xff\xff"
			     "much is announced"),
	ATTACK(GREETING(PUB) "\1\0\0\0\0\0\x0f\xff\xff"
			     "much is announced"),
	ATTACK(GREETING(PUB) "\0\0\0\0\0\0\0\4"
			     "junk"),
	ATTACK(GREETING(PUB) "\1\0\0\0\0\0\0\0\0"),
	ATTACK(GREETING(PUB) "\1\0\0\0\0\0\0\0\7"
			     "shop.a\0"),
	ATTACK(GREETING(PUB) "\2\0\0\0\0\0\0\0\7"
			     "shop.a\0"),
	ATTACK(GREETING(SUB) "\0\0\0\0\0\0\0\4"
			     "junk"),
	ATTACK(GREETING(SUB) "\1\0\0\0\0\0\0\0\4"
			     "junk"),
};

enum {
	ATTACKS = sizeof attacks / sizeof attacks[0],
	ROUNDS = 3
};

static void attack(const struct test_bus *bus, int fds[2 * ATTACKS])
{
	for (int i = 0; i < 2 * ATTACKS; i++) {
		fds[i] = connect_raw(i % 2 ? out_of(bus) : bus->in);
		(void)send(fds[i], attacks[i / 2].bytes, attacks[i / 2].size, MSG_NOSIGNAL);
	}
}

START_TEST(the_hostile_harm_nobody)
{
	int fds[ROUNDS][2 * ATTACKS];
	struct world world;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	for (int round = 0; round < ROUNDS; round++) {
		attack(world.context, fds[round]);
		both_talk(hosts);
	}
	for (int i = 0; i < ROUNDS * 2 * ATTACKS; i++)
		(void)close(fds[i / (2 * ATTACKS)][i % (2 * ATTACKS)]);
	both_talk(hosts);
	close_two(&world, hosts);
}
END_TEST

/* More than the bus has places; they never say what they are, nor show a certificate. */
START_TEST(the_silent_keep_nobody_out)
{
	enum {
		SILENT = 540,
	};
	struct rlimit files;
	struct world world;
	struct host *hosts;
	struct test_bus *bus;
	int fds[2 * SILENT];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	world_open(&world, 0);
	bus = world.context;
	for (int i = 0; i < 2 * SILENT; i++)
		fds[i] = connect_raw(i % 2 ? out_of(bus) : bus->in);
	open_two(&world, &hosts);
	both_talk(hosts);
	ck_assert_int_eq(bus_stop(bus), 0);
	ck_assert_ptr_nonnull(strstr(bus->said, "did not say what they are"));
	for (int i = 0; i < 2 * SILENT; i++)
		(void)close(fds[i]);
	close_two(&world, hosts);
}
END_TEST

/* Above what the bus lets in: that connection is closed, and made anew. */
START_TEST(a_giant_costs_its_sender_the_connection)
{
	struct host *hosts = calloc(2, sizeof *hosts);
	char *giant = calloc(1, 100000);
	saga_frame frame = frame_of("shop.a", giant, 100000);
	struct world world;

	ck_assert(hosts && giant);
	world_open(&world, 0);
	bus_kill(world.context);
	bus_run(world.context, "&frame=70000");
	host_open(&hosts[0], &world, only_a);
	host_open_on(&hosts[1], &world, &world.loop, world.url, only_a, 200000);
	both_talk(hosts);
	send_all(&hosts[1], &frame, 1);
	ck_assert(turn_until(&hosts[1], is_down, 0));
	both_talk(hosts);
	close_two(&world, hosts);
	free(giant);
}
END_TEST

/* What it does not read the bus drops in the end; the others hear all. */
START_TEST(who_never_reads_holds_up_nobody)
{
	enum {
		FRAMES = 3000,
		SIZE = 10000
	};
	static char bytes[SIZE];
	saga_frame frame = frame_of("shop.a", bytes, SIZE);
	struct world world;
	struct host *hosts;
	int fd;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	fd = connect_raw(out_of(world.context));
	(void)send(fd, GREETING(SUB), 8, MSG_NOSIGNAL);
	for (int i = 0; i < FRAMES; i++) {
		send_all(&hosts[0], &frame, 1);
		host_forget(&hosts[0]);
		if (i % 100 == 99) {
			ck_assert(turn_until(&hosts[1], has_count, 100));
			host_forget(&hosts[1]);
		}
	}
	both_talk(hosts);
	(void)close(fd);
	close_two(&world, hosts);
}
END_TEST

/* ---- others who speak the protocol ---- */

static nng_socket dial(int (*open)(nng_socket *), const char *url)
{
	nng_socket socket;

	ck_assert_int_eq(open(&socket), 0);
	ck_assert_int_eq(nng_dial(socket, url + 4, NULL, 0), 0);
	return socket;
}

START_TEST(sockets_of_nng_may_join)
{
	struct world world;
	struct host *hosts;
	nng_socket pub, sub;
	char *bytes;
	size_t size;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	host_forget(&hosts[1]);
	sub = dial(nng_sub0_open, out_of(world.context));
	pub = dial(nng_pub0_open, ((struct test_bus *)world.context)->in);
	ck_assert_int_eq(nng_socket_set(sub, NNG_OPT_SUB_SUBSCRIBE, "shop.a", 7), 0);
	ck_assert_int_eq(nng_socket_set_ms(sub, NNG_OPT_RECVTIMEO, 50), 0);
	do
		ck_assert_int_eq(nng_send(pub, "shop.a\0hi", 9, 0), 0);
	while (nng_recv(sub, &bytes, &size, NNG_FLAG_ALLOC) != 0);
	ck_assert_uint_eq(size, 9);
	ck_assert_mem_eq(bytes, "shop.a\0hi", 9);
	nng_free(bytes, size);
	ck_assert(turn_until(&hosts[1], has_count, 1));
	assert_kept(&hosts[1], 0, "shop.a", "hi", 2);
	(void)nng_close(pub);
	(void)nng_close(sub);
	close_two(&world, hosts);
}
END_TEST

/* ---- TLS: who is not known ---- */

static void open_as(struct host *host, const struct world *world, const char *certificate,
	const char *ca, const char name[3])
{
	char url[BUS_URL], *at;

	bus_url_as(world->context, url, certificate, ca);
	at = strstr(url, "name=bus");
	ck_assert_ptr_nonnull(at);
	memcpy(at + 5, name, 3);
	host_open_on(host, world, (uv_loop_t *)&world->loop, url, only_a, FRAME_BYTES);
}

static const struct {
	const char *certificate, *ca, *name;
} strangers[] = {
	{ "other", "ca", "bus" },        /* the bus does not know it */
	{ "member", "other-ca", "bus" }, /* it does not know the bus */
	{ "member", "ca", "web" },       /* this is not the bus that it wants */
};

START_TEST(a_stranger_gets_nothing_in_or_out)
{
	struct host *stranger = calloc(1, sizeof *stranger);
	saga_frame frame = frame_of("shop.a", "let me in", 9);
	struct world world;
	struct host *hosts;
	size_t sent = 7;

	ck_assert_ptr_nonnull(stranger);
	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	open_as(stranger, &world, strangers[_i].certificate, strangers[_i].ca, strangers[_i].name);
	ck_assert(turn_until(stranger, is_down, 0));
	for (int i = 0; i < 50; i++) {
		send_text(&hosts[0], "shop.a", "secret");
		ck_assert_int_eq(world.ops->send(stranger->transport, &frame, 1, &sent), SAGA_OK);
		ck_assert_uint_eq(sent, 0);
		turn_for(stranger, 10);
	}
	both_talk(hosts);
	ck_assert_uint_eq(host_count(stranger), 0);
	for (size_t i = 0; i < host_count(&hosts[1]); i++)
		ck_assert_uint_ne(hosts[1].inbox[i].size, 9);
	ck_assert(is_down(stranger, 0));
	host_close(stranger);
	free(stranger);
	close_two(&world, hosts);
}
END_TEST

START_TEST(a_client_without_a_certificate_is_refused)
{
	nng_tls_config *config;
	nng_dialer dialer;
	struct world world;
	nng_socket sub;
	char ca[128], *text, *bytes;
	size_t size;
	struct host *hosts;

	world_open(&world, 0);
	open_two(&world, &hosts);
	both_talk(hosts);
	bus_file(ca, sizeof ca, "ca");
	ck_assert_int_eq(nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT), 0);
	ck_assert_int_eq(nng_tls_config_ca_file(config, ca), 0);
	ck_assert_int_eq(nng_tls_config_server_name(config, "bus"), 0);
	ck_assert_int_eq(nng_sub0_open(&sub), 0);
	ck_assert_int_eq(nng_socket_set(sub, NNG_OPT_SUB_SUBSCRIBE, "", 0), 0);
	ck_assert_int_eq(nng_socket_set_ms(sub, NNG_OPT_RECVTIMEO, 20), 0);
	text = strdup(out_of(world.context) + 4);
	ck_assert_int_eq(nng_dialer_create(&dialer, sub, text), 0);
	ck_assert_int_eq(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), 0);
	ck_assert_int_eq(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), 0);
	for (int i = 0; i < 50; i++) {
		send_text(&hosts[0], "shop.a", "secret");
		ck_assert_int_ne(nng_recv(sub, &bytes, &size, NNG_FLAG_ALLOC), 0);
	}
	(void)nng_close(sub);
	nng_tls_config_free(config);
	free(text);
	close_two(&world, hosts);
}
END_TEST

START_TEST(key_files_are_checked)
{
	static const char *const broken[] = { "ca=/no/such/file&cert=%s&key=%s",
		"ca=%s&cert=/dev/null&key=%s", "ca=%s&cert=%s&key=/etc/hostname" };
	saga_transport_options options = { .frame_bytes = FRAME_BYTES };
	char member[128], settings[400], url[600];
	saga_error error;
	void *transport;

	bus_file(member, sizeof member, "member");
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		const char *format = broken[i];
		char *to = settings;

		for (; *format; format++) {
			if (format[0] == '%' && format[1] == 's') {
				to += sprintf(to, "%s", member);
				format++;
			} else {
				*to++ = *format;
			}
		}
		*to = '\0';
		(void)snprintf(url, sizeof url, "nng+tls+tcp://127.0.0.1:1?%s", settings);
		options.url = url;
		ck_assert_int_eq(nng()->open(NULL, &options, &transport, &error), SAGA_MALFORMED);
		ck_assert_ptr_nonnull(strstr(error.text, "setting"));
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create(argc > 1 ? argv[1] : "nng");
	TCase *tcase = tcase_create("nng");
	SRunner *runner = srunner_create(suite);
	const char *why = buses_prepare(scheme = argc > 1 ? argv[1] : "nng+tcp");
	bool tls = strcmp(scheme, "nng+tls+tcp") == 0;
	int failed;

	if (why) {
		printf("SKIP: %s\n", why);
		return 77;
	}
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, wrong_urls_say_why, 0, (int)(sizeof wrong / sizeof wrong[0]));
	tcase_add_test(tcase, outs_have_defaults);
	tcase_add_test(tcase, a_bus_may_come_late);
	tcase_add_test(tcase, a_killed_bus_is_found_again);
	tcase_add_test(tcase, a_bus_that_hangs_is_away);
	if (strcmp(scheme, "nng+ipc") != 0)
		tcase_add_test(tcase, a_silent_bus_is_left_by_all);
	tcase_add_test(tcase, two_buses_share_no_place);
	tcase_add_test(tcase, who_waits_for_no_bus_may_leave);
	tcase_add_test(tcase, figures_are_counted);
	tcase_add_test(tcase, the_hostile_harm_nobody);
	tcase_add_test(tcase, the_silent_keep_nobody_out);
	tcase_add_test(tcase, a_giant_costs_its_sender_the_connection);
	if (tls) {
		tcase_add_loop_test(tcase, a_stranger_gets_nothing_in_or_out, 0,
			(int)(sizeof strangers / sizeof strangers[0]));
		tcase_add_test(tcase, a_client_without_a_certificate_is_refused);
		tcase_add_test(tcase, key_files_are_checked);
	} else {
		tcase_add_test(tcase, who_never_reads_holds_up_nobody);
		tcase_add_test(tcase, sockets_of_nng_may_join);
	}
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	buses_end();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
