/*
 * Frames a second, 300 bytes each, from one to another, with a credit of 64 that comes back the
 * same way, so that nothing is lost: by nng's own pub and sub sockets, directly and through a
 * device of nng's, and by the transport through `saga bus` (SAGA_TOOL). The rounds alternate.
 * Beside that: what is lost where pub and sub flood without credit, and what a frame of delivery
 * costs.
 *
 *	nng_bench [--scheme nng+tcp|nng+ipc] [--frames N] [--rounds N]
 */

#include "participant/port.h"
#include "plugins.h"

#include "../transports/test_bus.h"
#include "delivery/frame.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

enum {
	SIZE = 300,
	WINDOW = 64,
	CREDIT = 16, /* is given for so many at a time */
	ROUNDS_MOST = 99,
	FRAMES_SUMMED = 1000000,
	PATIENCE_S = 120
};

static long frames = 100000;
static long flooded;
static uint64_t flooded_at;

struct figures {
	double rate, lost;
};

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "nng_bench: %s: %d\n", what, failed);
	exit(EXIT_FAILURE);
}

/* ---- nng's own sockets ---- */

struct pair {
	nng_socket pub, sub;
};

static struct pair open_pair(const char *topic)
{
	struct pair pair;

	must(nng_pub0_open(&pair.pub), "pub");
	must(nng_sub0_open(&pair.sub), "sub");
	must(nng_socket_set_int(pair.pub, NNG_OPT_SENDBUF, 1024), "sendbuf");
	must(nng_socket_set_int(pair.sub, NNG_OPT_RECVBUF, 2048), "recvbuf");
	must(nng_socket_set(pair.sub, NNG_OPT_SUB_SUBSCRIBE, topic, strlen(topic)), "subscribe");
	must(nng_socket_set_ms(pair.sub, NNG_OPT_RECVTIMEO, 5000), "timeout");
	return pair;
}

static void answer(void *context)
{
	struct pair *there = context;
	long count = 0;
	nng_msg *msg;

	while (count < frames) {
		must(nng_recvmsg(there->sub, &msg, 0), "a frame was lost");
		nng_msg_free(msg);
		if (++count % CREDIT == 0)
			must(nng_send(there->pub, "credit", 6, 0), "credit");
	}
}

static double push(struct pair *here, struct pair *there)
{
	char bytes[SIZE] = "frame";
	long credit = WINDOW;
	uv_thread_t thread;
	uint64_t start;
	nng_msg *msg;

	must(uv_thread_create(&thread, answer, there), "thread");
	start = uv_hrtime();
	for (long i = 0; i < frames; i++) {
		for (; !credit; credit += CREDIT) {
			must(nng_recvmsg(here->sub, &msg, 0), "credit was lost");
			nng_msg_free(msg);
		}
		must(nng_send(here->pub, bytes, SIZE, 0), "send");
		credit--;
	}
	must(uv_thread_join(&thread), "join");
	return (double)frames / ((double)(uv_hrtime() - start) / 1e9);
}

/* nng's sockets are left open: those of 1.5 may hang when they are closed; the process ends. */
static struct figures bare(const struct test_bus *place)
{
	struct pair here = open_pair("credit"), there = open_pair("frame");

	must(nng_listen(here.pub, place->in + 4, NULL, 0), "listen");
	must(nng_listen(there.pub, place->out + 4, NULL, 0), "listen");
	must(nng_dial(there.sub, place->in + 4, NULL, 0), "dial");
	must(nng_dial(here.sub, place->out + 4, NULL, 0), "dial");
	uv_sleep(100);
	return (struct figures){ push(&here, &there), 0 };
}

/* Counts what comes, until nothing comes any more. */
static void count(void *context)
{
	struct pair *there = context;
	nng_msg *msg;

	must(nng_socket_set_ms(there->sub, NNG_OPT_RECVTIMEO, 1000), "timeout");
	for (flooded = 0; nng_recvmsg(there->sub, &msg, 0) == 0; flooded++) {
		nng_msg_free(msg);
		flooded_at = uv_hrtime();
	}
}

static struct figures flood(const struct test_bus *place)
{
	struct pair here = open_pair("credit"), there = open_pair("frame");
	char bytes[SIZE] = "frame";
	uv_thread_t thread;
	uint64_t start;

	must(nng_listen(here.pub, place->in + 4, NULL, 0), "listen");
	must(nng_dial(there.sub, place->in + 4, NULL, 0), "dial");
	uv_sleep(100);
	must(uv_thread_create(&thread, count, &there), "thread");
	start = flooded_at = uv_hrtime();
	for (long i = 0; i < frames; i++)
		must(nng_send(here.pub, bytes, SIZE, 0), "send");
	must(uv_thread_join(&thread), "join");
	return (struct figures){ (double)flooded / ((double)(flooded_at - start + 1) / 1e9),
		(double)(frames - flooded) / (double)frames };
}

struct device {
	nng_socket in, out;
};

static void forward(void *context)
{
	struct device *device = context;

	(void)nng_device(device->in, device->out);
}

static struct figures through_device(const struct test_bus *place)
{
	struct pair here = open_pair("credit"), there = open_pair("frame");
	struct device device;
	uv_thread_t thread;

	must(nng_sub0_open_raw(&device.in), "device");
	must(nng_pub0_open_raw(&device.out), "device");
	must(nng_socket_set_int(device.in, NNG_OPT_RECVBUF, 8192), "recvbuf");
	must(nng_socket_set_int(device.out, NNG_OPT_SENDBUF, 8192), "sendbuf");
	must(nng_listen(device.in, place->in + 4, NULL, 0), "listen");
	must(nng_listen(device.out, place->out + 4, NULL, 0), "listen");
	must(uv_thread_create(&thread, forward, &device), "thread");
	must(nng_dial(here.pub, place->in + 4, NULL, 0), "dial");
	must(nng_dial(there.pub, place->in + 4, NULL, 0), "dial");
	must(nng_dial(here.sub, place->out + 4, NULL, 0), "dial");
	must(nng_dial(there.sub, place->out + 4, NULL, 0), "dial");
	uv_sleep(100);
	return (struct figures){ push(&here, &there), 0 };
}

/* ---- the transport: both ends on one loop ---- */

struct end {
	saga_port port;
	const saga_transport_ops *ops;
	void *transport;
	const char *topics[2];
	uv_async_t *wake;
	atomic_long came;
	atomic_bool up;
	long sent;
	bool closed;
};

static int receive(void *host, const saga_frame *all, size_t count)
{
	struct end *end = host;
	bool is_credit = strcmp(all->topic, "credit") == 0;

	if (atomic_fetch_add(&end->came, (long)count) % CREDIT == CREDIT - 1 || is_credit)
		(void)uv_async_send(end->wake);
	return SAGA_OK;
}

static void writable(void *host)
{
	(void)uv_async_send(((struct end *)host)->wake);
}

static void sent(void *host, const saga_receipt *receipts, size_t count)
{
	(void)host, (void)receipts, (void)count;
}

static void state(void *host, bool up, const char *text)
{
	(void)text;
	atomic_store(&((struct end *)host)->up, up);
	writable(host);
}

static void closed(void *host)
{
	((struct end *)host)->closed = true;
}

static void open_end(
	struct end *end, uv_loop_t *loop, uv_async_t *wake, const char *url, const char *topic)
{
	saga_transport_options options = { .url = url, .frame_bytes = 65536 };
	saga_error error;

	*end = (struct end){ .wake = wake, .topics = { topic, NULL } };
	options.topics = end->topics;
	end->ops = saga__transport_builtin("nng+tcp");
	end->port = (saga_port){ .host = end,
		.loop = loop,
		.receive = receive,
		.writable = writable,
		.sent = sent,
		.state = state,
		.closed = closed };
	must(end->ops->open(&end->port, &options, &end->transport, &error), "open");
}

static void send_some(
	struct end *end, const char *topic, const void *bytes, size_t size, long count)
{
	saga_frame all[WINDOW];
	size_t n = 0;

	for (long i = 0; i < count && i < WINDOW; i++)
		all[n++] = (saga_frame){ .topic = topic, .bytes = { bytes, size } };
	if (n && end->ops->send(end->transport, all, n, &n) == SAGA_OK)
		end->sent += (long)n;
}

/* Whether all has come, and all credit. */
static bool turn(struct end *here, struct end *there)
{
	static const char bytes[SIZE - 6]; /* "frame" and its NUL make the rest */

	long credit = WINDOW + CREDIT * atomic_load(&here->came) - here->sent;
	long owed = atomic_load(&there->came) / CREDIT - there->sent;

	send_some(here, "frame", bytes, sizeof bytes,
		credit < frames - here->sent ? credit : frames - here->sent);
	send_some(there, "credit", "", 0, owed);
	return CREDIT * atomic_load(&here->came) >= frames;
}

static void on_wake(uv_async_t *wake)
{
	(void)wake;
}

static struct figures through_bus(const struct test_bus *bus)
{
	struct end *here = calloc(2, sizeof *here), *there = here + 1;
	uint64_t start, stop;
	uv_async_t wake;
	uv_loop_t loop;

	must(!here || uv_loop_init(&loop) != 0, "loop");
	must(uv_async_init(&loop, &wake, on_wake), "async");
	open_end(here, &loop, &wake, bus->url, "credit");
	open_end(there, &loop, &wake, bus->url, "frame");
	while (!atomic_load(&here->up) || !atomic_load(&there->up))
		(void)uv_run(&loop, UV_RUN_ONCE);
	start = uv_hrtime();
	while (!turn(here, there))
		(void)uv_run(&loop, UV_RUN_ONCE);
	stop = uv_hrtime();
	here->ops->close(here->transport);
	there->ops->close(there->transport);
	while (!here->closed || !there->closed)
		(void)uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop), "loop");
	must(there->came != frames, "a frame was lost, or doubled");
	free(here);
	return (struct figures){ (double)frames / ((double)(stop - start) / 1e9), 0 };
}

/* ---- a frame of delivery ---- */

static double ns_each(uint64_t since)
{
	return (double)(uv_hrtime() - since) / FRAMES_SUMMED;
}

static void frame_costs(void)
{
	static const char event[SIZE];
	struct saga__message message = { .kind = SAGA__EVENT, .from = "order" }, read;
	unsigned char frame[SIZE + SAGA__FRAME_HEAD];
	double encode, decode, seal;
	size_t size = 0;
	uint64_t start;

	message.event = (saga_bytes){ event, sizeof event };
	start = uv_hrtime();
	for (uint64_t i = 1; i <= FRAMES_SUMMED; i++) {
		message.last = i + 1;
		size = saga__frame_encode(&message, frame, sizeof frame);
	}
	encode = ns_each(start);
	start = uv_hrtime();
	for (int i = 0; i < FRAMES_SUMMED; i++)
		must(saga__frame_decode((saga_bytes){ frame, size }, &read, NULL), "decode");
	decode = ns_each(start);
	start = uv_hrtime();
	for (int i = 0; i < FRAMES_SUMMED; i++)
		saga__frame_seal(frame, size);
	seal = ns_each(start);
	printf("a frame of delivery, %zu bytes: written in %.0f ns, read in %.0f ns, of which its "
	       "sum %.0f ns each\n",
		size, encode, decode, seal);
}

/* ---- all of it ---- */

static const struct way {
	const char *name;
	struct figures (*measure)(const struct test_bus *place);
	bool wants_bus;
} ways[] = {
	{ "nng pub/sub, directly", bare, false },
	{ "nng pub/sub through nng_device", through_device, false },
	{ "the transport through saga bus", through_bus, true },
	{ "nng pub/sub, flooding", flood, false },
};

enum {
	WAYS = sizeof ways / sizeof ways[0]
};

/* In a process of its own, which has an nng of its own, and whose sockets end with it. */
static struct figures in_child(const struct way *way, const struct test_bus *bus)
{
	struct figures figures = { 0, 0 };
	int ends[2];
	pid_t pid;

	must(pipe(ends), "pipe");
	must((pid = fork()) < 0, "fork");
	if (pid == 0) {
		(void)alarm(PATIENCE_S);
		figures = way->measure(bus);
		_exit(write(ends[1], &figures, sizeof figures) != sizeof figures);
	}
	(void)close(ends[1]);
	must(read(ends[0], &figures, sizeof figures) != sizeof figures, way->name);
	(void)close(ends[0]);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return figures;
}

static struct figures measure(const struct way *way)
{
	struct test_bus bus;
	struct figures figures;

	if (way->wants_bus) {
		bus_start(&bus);
	} else {
		bus_place(&bus);
		if (!bus.out[0])
			(void)snprintf(bus.out, sizeof bus.out, "%.100s.out", bus.in);
	}
	figures = in_child(way, &bus);
	if (way->wants_bus)
		must(bus_stop(&bus), "bus");
	return figures;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const char *scheme = "nng+tcp", *why;
	double rates[WAYS][ROUNDS_MOST], lost[WAYS] = { 0 };
	int rounds = 5;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--scheme") == 0)
			scheme = argv[i + 1];
		else if (strcmp(argv[i], "--frames") == 0)
			frames = atol(argv[i + 1]) / WINDOW * WINDOW;
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = atoi(argv[i + 1]);
	}
	must(frames <= 0 || rounds <= 0 || rounds > ROUNDS_MOST, "--frames, --rounds");
	frames = frames / WINDOW * WINDOW;
	if ((why = buses_prepare(scheme)) != NULL) {
		printf("SKIP: %s\n", why);
		return 77;
	}
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < WAYS; i++) {
			const struct figures figures = measure(&ways[i]);

			rates[i][round] = figures.rate;
			lost[i] += figures.lost / rounds;
		}
	for (int i = 0; i < WAYS; i++) {
		qsort(rates[i], (size_t)rounds, sizeof rates[i][0], by_size);
		printf("%-34s %9.0f frames/s, %.2f of the first, %.0f%% lost\n", ways[i].name,
			rates[i][rounds / 2], rates[i][rounds / 2] / rates[0][rounds / 2],
			100 * lost[i]);
	}
	frame_costs();
	buses_end();
	return EXIT_SUCCESS;
}
