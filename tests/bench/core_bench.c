/*
 * What the pure core costs in memory, without a store: an event that comes in, runs one step, and
 * is answered by another event. The batch is driven as a lane drives it, its slots all absent.
 *
 *	core_bench                  the table: time, instructions, allocations, and the limits
 *	core_bench batch 64000      does so much, and no more; for the parts' names see below
 *
 * Instructions are the difference between two runs under callgrind over the difference of their
 * counts, and allocations the same under memcheck; the table makes these runs itself if there is a
 * valgrind. To see where they go:
 *
 *	valgrind --tool=callgrind --callgrind-out-file=core.out core_bench batch 64000
 *	callgrind_annotate --inclusive=no core.out
 */
#include <saga/saga.h>

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "env.h"
#include "step/batch.h"

enum {
	BATCH = 64,
	QUEUED = 10000,
	FEW = 6400, /* under valgrind; and twice as many */
	MANY = 640000
};

SAGA_STRUCT(order_line, text(sku), int64(quantity));
SAGA_REQUEST(place_order, "order.place", 1, text(ref), text(customer), text(country), int64(total),
	list(lines, order_line));
SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, order_line));
SAGA_EVENT(stock_reserved, "stock.reserved", 1, text(customer), int64(total));

static const struct order_line order_lines[] = { { "sku-1001", 2 }, { "sku-2002", 1 },
	{ "sku-3003", 12 } };
static const struct order_placed placed = { "ALFKI", "DE", 129900, order_lines, 3 };
static const struct stock_reserved reserved = { "ALFKI", 129900 };

/* ---- the participant ---- */

static saga_verdict reserve(saga_step *s)
{
	const struct order_placed *order = saga_on(s, order_placed);

	return saga_emit(s, stock_reserved, .customer = order->customer, .total = order->total);
}

static saga_verdict place(saga_step *s)
{
	const struct place_order *wish = saga_on(s, place_order);

	return saga_emit(s, order_placed, .customer = wish->customer, .country = wish->country,
		.total = wish->total, .lines = wish->lines, .lines_count = wish->lines_count);
}

static const saga_step_def steps[] = {
	{ .name = "place", .on = { &place_order }, .run = place, .emits = { &order_placed } },
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve,
		.emits = { &stock_reserved } },
};
static const saga_participant_def participant = SAGA_PARTICIPANT("stock", steps);

/* ---- the doors ---- */

static int64_t monotonic(void *context)
{
	(void)context;
	return 1000;
}

static int64_t wall(void *context)
{
	(void)context;
	return INT64_C(1700000000000);
}

static void random_bytes(void *context, void *buffer, size_t size)
{
	uint64_t *state = context;
	uint64_t next = *state = *state * UINT64_C(6364136223846793005) + 1;

	memcpy(buffer, &next, size < sizeof next ? size : sizeof next);
}

/* ---- the core ---- */

struct core {
	uint64_t state;
	struct saga_env env;
	struct saga__plan *plan;
	struct saga__batch batch;
	struct saga__shard shard;
	struct saga__item items[BATCH];
	struct saga_event events[BATCH]; /* as they come in */
	struct saga__buffer buffer;
	struct saga__arena arena;
	struct saga__decoder *decoder;
};

static void die(const char *what)
{
	fprintf(stderr, "core_bench: %s\n", what);
	exit(1);
}

static void must(int code, const saga_error *error)
{
	if (code != SAGA_OK)
		die(error->text);
}

static struct saga_event event_of(size_t i)
{
	struct saga_event event = {
		.id = { { 0x01, 0x90, 0xf3, 0xc2, 1 } },
		.causation = { { 0x01, 0x90, 0xf3, 0xc2, 3 } },
		.time = wall(NULL),
		.sequence = i + 1,
		.source = "order",
		.subject = "",
		.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	};
	uint64_t random = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	memcpy(event.saga.bytes, &random, sizeof random);
	memcpy(event.saga.bytes + 8, &random, sizeof random);
	memcpy(event.id.bytes + 8, &random, sizeof random);
	return event;
}

static void encode_placed(struct core *core, size_t i)
{
	saga_error error;

	must(saga__event_encode(
		     &core->buffer, &core->events[i % BATCH], &order_placed, &placed, "", &error),
		&error);
}

static void open_core(struct core *core)
{
	const struct saga__batch_limits limits = { 64 * 1024, 1024 * 1024, BATCH };
	saga_error error;

	core->env = (struct saga_env){ &core->state, monotonic, wall, random_bytes, NULL };
	must(saga__plan_new(&participant, &core->plan, &error), &error);
	if (saga__batch_init(&core->batch, &limits) != SAGA_OK ||
		saga__decoder_new(&core->decoder) != SAGA_OK)
		die("out of memory");
	core->batch.plan = core->plan;
	core->batch.env = &core->env;
	core->batch.shards = 1;
	core->batch.rows_most = 4096;
	core->batch.history_ms = INT64_C(90) * 24 * 3600 * 1000;
	core->batch.now = wall(NULL);
	core->batch.locked = &core->shard;
	core->batch.locked_count = 1;
	saga__buffer_init(&core->buffer, 64 * 1024);
	saga__arena_init(&core->arena, 1024 * 1024);
	for (size_t i = 0; i < BATCH; i++) {
		core->events[i] = event_of(i);
		encode_placed(core, i);
		core->items[i] = (struct saga__item){ .kind = SAGA__ITEM_EVENT,
			.event = saga__blob_new(core->buffer.at, core->buffer.size) };
		if (!core->items[i].event)
			die("out of memory");
	}
}

static void close_core(struct core *core)
{
	for (size_t i = 0; i < BATCH; i++)
		saga__blob_unref(core->items[i].event);
	saga__arena_free(&core->arena);
	saga__buffer_free(&core->buffer);
	saga__decoder_free(core->decoder);
	saga__batch_free(&core->batch);
	saga__plan_free(core->plan);
}

/* ---- the parts ---- */

static void run_batches(struct core *core, size_t count)
{
	struct saga__batch *batch = &core->batch;

	for (size_t done = 0; done < count; done += BATCH) {
		size_t published = 0;

		saga__batch_begin(batch);
		for (size_t i = 0; i < BATCH; i++)
			if (saga__batch_add(batch, &core->items[i]) != SAGA_OK)
				die("out of memory");
		saga__batch_run(batch);
		for (const struct saga__outgoing *out = batch->outgoing; out; out = out->next)
			published++;
		if (batch->lost.code != SAGA_OK || published != BATCH)
			die("a batch did not publish what it must");
	}
}

static void run_encode(struct core *core, size_t count)
{
	for (size_t i = 0; i < count; i++)
		encode_placed(core, i);
}

static void run_outcome(struct core *core, size_t count)
{
	saga_error error;

	for (size_t i = 0; i < count; i++)
		must(saga__event_encode(&core->buffer, &core->events[i % BATCH], &stock_reserved,
			     &reserved, "", &error),
			&error);
}

static void run_decode(struct core *core, size_t count)
{
	struct saga_event event;
	saga_error error;

	for (size_t i = 0; i < count; i++) {
		saga__arena_reset(&core->arena);
		must(saga__event_decode(core->decoder, &core->arena,
			     saga__blob_bytes(core->items[i % BATCH].event), &event, &error),
			&error);
		must(saga__event_decode_body(
			     core->decoder, &core->arena, &event, &order_placed, &error),
			&error);
	}
}

enum part {
	ENCODE,
	DECODE,
	OUTCOME,
	BATCHES,
	PARTS
};

static const struct {
	const char *name;
	const char *text;
	void (*run)(struct core *core, size_t count);
	double most; /* instructions; 0: it has no limit */
} parts[PARTS] = {
	[ENCODE] = { "encode", "envelope and body, encoded", run_encode, 1800 },
	[DECODE] = { "decode", "envelope and body, decoded", run_decode, 4500 },
	[OUTCOME] = { "outcome", "the outcome's, encoded", run_outcome, 0 },
	[BATCHES] = { "batch", "an event through the core", run_batches, 0 },
};

/* ---- measuring ---- */

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double run_part(size_t part, size_t count)
{
	struct core *core = calloc(1, sizeof *core);
	double from;

	if (!core)
		die("out of memory");
	open_core(core);
	from = now_ns();
	parts[part].run(core, count);
	from = (now_ns() - from) / (double)count;
	close_core(core);
	free(core);
	return from;
}

/* The number behind `mark` in what valgrind says of such a run; negative: there is none. */
static double ask_valgrind(
	const char *self, const char *options, const char *mark, const char *part, size_t count)
{
	char command[4352], line[512];
	double number = -1;
	FILE *said;

	snprintf(command, sizeof command, "valgrind %s '%s' %s %zu 2>&1", options, self, part,
		count);
	if (!(said = popen(command, "r")))
		return number;
	while (fgets(line, sizeof line, said)) {
		const char *at = strstr(line, mark);

		if (!at)
			continue;
		number = 0;
		for (at += strlen(mark); *at && strchr(" :,0123456789", *at); at++)
			if (*at >= '0' && *at <= '9')
				number = number * 10 + (*at - '0');
	}
	pclose(said);
	return number;
}

/* What one of a part costs: of 2 * FEW of them what FEW don't. */
static double each(const char *self, const char *options, const char *mark, const char *part)
{
	double few = ask_valgrind(self, options, mark, part, FEW);
	double more = few < 0 ? few : ask_valgrind(self, options, mark, part, (size_t)2 * FEW);

	return more < 0 ? -1 : (more - few) / FEW;
}

/* Bytes of a submission that waits for its lane: the loop does not run. */
static double bytes_queued(void)
{
	saga_participant *p;
	saga_error error;
	struct mallinfo2 before, after;
	char key[32];

	must(saga_open(&participant,
		     SAGA_OPTIONS(.store = "sqlite::memory:",
			     .limits = SAGA_LIMITS(.queue = 2 * QUEUED)),
		     &p, &error),
		&error);
	before = mallinfo2();
	for (size_t i = 0; i < QUEUED; i++) {
		snprintf(key, sizeof key, "order-%06zu", i);
		must(saga_submit(p,
			     &(saga_submission){
				     SAGA_SUBMISSION(place_order, .ref = key, .customer = "ALFKI",
					     .country = "DE", .total = 129900, .lines = order_lines,
					     .lines_count = 3),
				     .key = key },
			     &error),
			&error);
	}
	after = mallinfo2();
	saga_close(p);
	return (double)(after.uordblks - before.uordblks) / QUEUED;
}

/* ---- saying ---- */

static bool say_limited(const char *text, double number, double most, const char *unit)
{
	bool good = number < 0 || most <= 0 || number <= most;

	if (number < 0)
		printf("%-34s %10s", text, "-");
	else
		printf("%-34s %10.0f", text, number);
	if (most > 0)
		printf(" %10.0f %s%s", most, unit, good ? "" : "  OVER ITS LIMIT");
	else
		printf(" %10s %s", "-", unit);
	return good;
}

static int say_all(const char *self)
{
	double instructions[PARTS], beside;
	bool good = true;

	printf("%-34s %10s %10s\n", "", "measured", "at most");
	for (size_t i = 0; i < PARTS; i++) {
		double ns = run_part(i, MANY);
		double mallocs = each(
			self, "--tool=memcheck --leak-check=no", "total heap usage", parts[i].name);

		instructions[i] = each(self, "--tool=callgrind --callgrind-out-file=/dev/null",
			"Collected", parts[i].name);
		good = say_limited(parts[i].text, instructions[i], parts[i].most, "instructions") &&
			good;
		printf(", %.0f ns", ns);
		if (mallocs >= 0)
			printf(", %.2f allocations", mallocs);
		printf("\n");
	}
	beside = instructions[BATCHES] < 0
		? -1
		: instructions[BATCHES] - instructions[DECODE] - instructions[OUTCOME];
	good = say_limited("beside its envelopes", beside, 2500, "instructions") && good;
	printf("\n");
	good = say_limited("a submission that waits", bytes_queued(), 1024, "bytes") && good;
	printf("\n");
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	if (argc == 1)
		return say_all(argv[0]);
	for (size_t i = 0; i < PARTS && argc == 3 && count > 0; i++)
		if (strcmp(argv[1], parts[i].name) == 0) {
			(void)run_part(i, (size_t)count);
			return 0;
		}
	fprintf(stderr, "usage: core_bench [encode|decode|outcome|batch COUNT]\n");
	return 2;
}
