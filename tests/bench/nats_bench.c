/*
 * The NATS transport against libnats alone: the same frames, the same server, in one run, by turns.
 * Each line is a task: medians of the rounds a second, and their ratio.
 *
 *	nats_bench [URL [ROUNDS [FRAMES]]]; without a URL, or for -, what SAGA_TEST_NATS says
 */

#include "participant/port.h"
#include "plugins.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
	SIZE = 300,
	BATCH = 64,
	UNDER_WAY = 512,
	FETCH = 100,
	ROUNDS_MOST = 99
};

static const char *server;
static size_t frames;
static char body[SIZE];
static char domain[64];

static void give_up(const char *what)
{
	(void)fprintf(stderr, "nats_bench: %s: %s\n", what, nats_GetLastError(NULL));
	exit(1);
}

static void must(natsStatus status, const char *what)
{
	if (status != NATS_OK)
		give_up(what);
}

static double since(uint64_t start)
{
	return (double)(uv_hrtime() - start) / 1e9;
}

/* ---- ours ---- */

struct ours {
	struct saga_port port;
	uv_loop_t loop;
	void *transport;
	bool up, closed;
	size_t sent;
	size_t received, acked;
	uint64_t *tokens;
};

static int receive(void *host, const saga_frame *came, size_t count)
{
	struct ours *ours = host;

	for (size_t i = 0; i < count; i++)
		ours->tokens[ours->received++] = came[i].token;
	return SAGA_OK;
}

static void writable(void *host)
{
	(void)host;
}

static void sent(void *host, const saga_receipt *receipts, size_t count)
{
	(void)receipts;
	((struct ours *)host)->sent += count;
}

static void state(void *host, bool up, const char *text)
{
	if (!up)
		(void)fprintf(stderr, "nats_bench: %s\n", text);
	((struct ours *)host)->up = up;
}

static void closed(void *host)
{
	((struct ours *)host)->closed = true;
}

static struct ours *open_ours(void)
{
	static const char *const none[] = { NULL };
	struct ours *ours = calloc(1, sizeof *ours);
	char url[256];
	saga_transport_options options = {
		.url = url, .participant = "ours", .topics = none, .frame_bytes = 65536
	};
	saga_error error;

	(void)snprintf(url, sizeof url, "%s/%s?pending=1024", server, domain);
	if (!ours || !(ours->tokens = calloc(2 * frames, sizeof(uint64_t))) ||
		uv_loop_init(&ours->loop) != 0)
		give_up("memory");
	ours->port = (struct saga_port){ .host = ours,
		.loop = &ours->loop,
		.receive = receive,
		.writable = writable,
		.sent = sent,
		.state = state,
		.closed = closed };
	if (saga__nats_transport.open(&ours->port, &options, &ours->transport, &error) != SAGA_OK)
		give_up(error.text);
	while (!ours->up)
		(void)uv_run(&ours->loop, UV_RUN_ONCE);
	return ours;
}

static void close_ours(struct ours *ours)
{
	saga__nats_transport.close(ours->transport);
	while (!ours->closed)
		(void)uv_run(&ours->loop, UV_RUN_ONCE);
	(void)uv_loop_close(&ours->loop);
	free(ours->tokens);
	free(ours);
}

/* Of a round and a number. */
static saga_frame frame_of(uint64_t round, uint64_t number)
{
	saga_frame frame = { .topic = "bench.frame", .bytes = { body, SIZE }, .token = number + 1 };

	memcpy(frame.id.bytes, &round, 8);
	number++;
	memcpy(frame.id.bytes + 8, &number, 8);
	return frame;
}

static void publish_ours(struct ours *ours, uint64_t round, size_t count, size_t under_way)
{
	size_t done = 0, before = ours->sent;

	while (ours->sent - before < count) {
		saga_frame batch[BATCH];
		size_t n = 0, taken = 0;

		while (n < BATCH && done + n < count &&
			done + n - (ours->sent - before) < under_way) {
			batch[n] = frame_of(round, done + n);
			n++;
		}
		if (n)
			(void)saga__nats_transport.send(ours->transport, batch, n, &taken);
		done += taken;
		(void)uv_run(&ours->loop, taken == BATCH ? UV_RUN_NOWAIT : UV_RUN_ONCE);
	}
}

static double ours_publishes(uint64_t round)
{
	struct ours *ours = open_ours();
	uint64_t start = uv_hrtime();
	double seconds;

	publish_ours(ours, round, frames, UNDER_WAY);
	seconds = since(start);
	close_ours(ours);
	return (double)frames / seconds;
}

static double ours_one_by_one(uint64_t round)
{
	struct ours *ours = open_ours();
	uint64_t start = uv_hrtime();
	double seconds;

	publish_ours(ours, round, frames / 10, 1);
	seconds = since(start);
	close_ours(ours);
	return (double)(frames / 10) / seconds;
}

/* What there is, from the stream's beginning, in hundreds. */
static double ours_pulls(uint64_t round)
{
	struct ours *ours = open_ours();
	uint64_t start = uv_hrtime();
	double seconds;

	(void)round;
	saga__nats_transport.work(ours->transport, 1, 1);
	while (ours->acked < frames) {
		size_t count = ours->received - ours->acked;

		if (count >= FETCH || ours->received >= frames) {
			saga__nats_transport.ack(
				ours->transport, ours->tokens + ours->acked, count);
			ours->acked += count;
		} else {
			(void)uv_run(&ours->loop, UV_RUN_ONCE);
		}
	}
	seconds = since(start);
	close_ours(ours);
	return (double)frames / seconds;
}

/* ---- libnats alone ---- */

struct bare {
	natsConnection *nc;
	jsCtx *js;
};

static struct bare open_bare(void)
{
	struct bare bare = { NULL, NULL };
	jsOptions options;

	must(natsConnection_ConnectTo(&bare.nc, server), "connect");
	must(jsOptions_Init(&options), "options");
	options.PublishAsync.MaxPending = UNDER_WAY;
	must(natsConnection_JetStream(&bare.js, bare.nc, &options), "JetStream");
	return bare;
}

static void close_bare(struct bare *bare)
{
	jsCtx_Destroy(bare->js);
	natsConnection_Destroy(bare->nc);
}

static void name_of(uint64_t round, size_t number, char *subject, char *id)
{
	(void)snprintf(subject, 128, "%s.e.0.0.0.0.0.0.bench.frame", domain);
	(void)snprintf(id, 64, "%016" PRIx64 "-0000-0000-%012zx", round, number);
}

static double bare_publishes(uint64_t round)
{
	struct bare bare = open_bare();
	uint64_t start = uv_hrtime();
	char subject[128], id[64];
	jsPubOptions options;
	double seconds;

	for (size_t i = 0; i < frames; i++) {
		(void)jsPubOptions_Init(&options);
		name_of(round, i, subject, id);
		options.MsgId = id;
		must(js_PublishAsync(bare.js, subject, body, SIZE, &options), "publish");
	}
	must(js_PublishAsyncComplete(bare.js, NULL), "complete");
	seconds = since(start);
	close_bare(&bare);
	return (double)frames / seconds;
}

static double bare_one_by_one(uint64_t round)
{
	struct bare bare = open_bare();
	uint64_t start = uv_hrtime();
	char subject[128], id[64];
	jsPubOptions options;
	double seconds;

	for (size_t i = 0; i < frames / 10; i++) {
		(void)jsPubOptions_Init(&options);
		name_of(round, i, subject, id);
		options.MsgId = id;
		must(js_Publish(NULL, bare.js, subject, body, SIZE, &options, NULL), "publish");
	}
	seconds = since(start);
	close_bare(&bare);
	return (double)(frames / 10) / seconds;
}

static double bare_pulls(uint64_t round)
{
	struct bare bare = open_bare();
	natsSubscription *sub = NULL;
	jsSubOptions options;
	char subject[128], name[64];
	uint64_t start = uv_hrtime();
	size_t count = 0;
	double seconds;

	(void)jsSubOptions_Init(&options);
	options.Config.MaxAckPending = 1024;
	(void)snprintf(subject, sizeof subject, "%s.e.>", domain);
	(void)snprintf(name, sizeof name, "bare-%" PRIu64, round);
	must(js_PullSubscribe(&sub, bare.js, subject, name, NULL, &options, NULL), "subscribe");
	while (count < frames) {
		natsMsgList list = { NULL, 0 };

		must(natsSubscription_Fetch(&list, sub, FETCH, 5000, NULL), "fetch");
		for (int i = 0; i < list.Count; i++)
			(void)natsMsg_Ack(list.Msgs[i], NULL);
		count += (size_t)list.Count;
		natsMsgList_Destroy(&list);
	}
	must(natsConnection_Flush(bare.nc), "flush");
	seconds = since(start);
	natsSubscription_Destroy(sub);
	close_bare(&bare);
	return (double)frames / seconds;
}

/* ---- by turns ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *all, size_t count)
{
	qsort(all, count, sizeof *all, by_size);
	return all[count / 2];
}

static uint64_t rounds_so_far;

/* A new stream for each, and for pulls one that is full. */
static double one_round(double (*task)(uint64_t round), bool pulls)
{
	double rate;
	struct bare bare;

	(void)snprintf(
		domain, sizeof domain, "bench%d-%" PRIu64, (int)uv_os_getpid(), ++rounds_so_far);
	if (pulls)
		(void)ours_publishes(rounds_so_far);
	else
		close_ours(open_ours());
	rate = task(rounds_so_far);
	bare = open_bare();
	must(js_DeleteStream(bare.js, domain, NULL, NULL), "delete");
	close_bare(&bare);
	return rate;
}

static void compare(const char *name, double (*ours)(uint64_t), double (*bare)(uint64_t),
	size_t rounds, bool pulls)
{
	double of_ours[ROUNDS_MOST], of_bare[ROUNDS_MOST], a, b;

	for (size_t i = 0; i < rounds; i++) {
		of_ours[i] = one_round(ours, pulls);
		of_bare[i] = one_round(bare, pulls);
	}
	a = median(of_ours, rounds);
	b = median(of_bare, rounds);
	printf("%-40s ours %8.0f/s  libnats %8.0f/s  ratio %.2f\n", name, a, b, a / b);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;

	server = argc > 1 && strcmp(argv[1], "-") != 0 ? argv[1] : getenv("SAGA_TEST_NATS");
	frames = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
	if (!server || rounds < 1 || rounds > ROUNDS_MOST || frames < FETCH) {
		printf("SKIP: SAGA_TEST_NATS names no server\n");
		return 77;
	}
	memset(body, 'x', sizeof body);
	compare("publish, with ids, many at once", ours_publishes, bare_publishes, rounds, false);
	compare("pull and ack, in hundreds", ours_pulls, bare_pulls, rounds, true);
	compare("publish, one at a time, with its ack", ours_one_by_one, bare_one_by_one, rounds,
		false);
	return 0;
}
