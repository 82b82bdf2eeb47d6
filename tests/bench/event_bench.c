/*
 * What an event costs to encode, and to decode with its body: order.placed with three lines.
 *
 *	event_bench                      ns for each, of a million
 *	event_bench encode 1000000       encodes so many, and no more
 *	event_bench decode 1000000       decodes so many envelopes and bodies
 *	event_bench envelope 1000000     decodes envelopes only
 *
 * Instructions for each are the difference between two runs over the difference of their counts:
 *
 *	for n in 10000 20000; do valgrind --tool=callgrind --callgrind-out-file=/dev/null \
 *		event_bench encode $n 2>&1 | grep Collected; done
 *
 * or, at once, as `inclusive` in callgrind_annotate --inclusive=yes, over the count, of a run with
 * --toggle-collect=saga__event_encode (or saga__event_decode, saga__event_decode_body).
 */
#include <saga/saga.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event/envelope.h"

SAGA_STRUCT(order_line, text(sku), int64(quantity));
SAGA_EVENT(order_placed, "order.placed", 1, text(customer), text(country), int64(total),
	list(lines, order_line));

static const struct order_line lines[] = { { "sku-1001", 2 }, { "sku-2002", 1 },
	{ "sku-3003", 12 } };
static const struct order_placed body = { "ALFKI", "DE", 129900, lines, 3 };
static const struct saga_event event = {
	.id = { { 0x01, 0x90, 0xf3, 0xc2, 1 } },
	.saga = { { 0x01, 0x90, 0xf3, 0xc2, 2 } },
	.causation = { { 0x01, 0x90, 0xf3, 0xc2, 3 } },
	.time = INT64_C(1700000000000),
	.source = "order",
	.subject = "line-2",
	.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

struct bench {
	struct saga__buffer buffer;
	struct saga__arena arena;
	struct saga__decoder *decoder;
};

static void must(int code, const saga_error *error)
{
	if (code != SAGA_OK) {
		fprintf(stderr, "event_bench: %s\n", error->text);
		exit(1);
	}
}

static void encode(struct bench *bench)
{
	saga_error error;

	must(saga__event_encode(&bench->buffer, &event, &order_placed, &body, NULL, &error),
		&error);
}

static void decode_envelope(struct bench *bench, struct saga_event *ret_event)
{
	saga_bytes wire = { bench->buffer.at, bench->buffer.size };
	saga_error error;

	saga__arena_reset(&bench->arena);
	must(saga__event_decode(bench->decoder, &bench->arena, wire, ret_event, &error), &error);
}

static void decode(struct bench *bench)
{
	struct saga_event decoded;
	saga_error error;

	decode_envelope(bench, &decoded);
	must(saga__event_decode_body(
		     bench->decoder, &bench->arena, &decoded, &order_placed, &error),
		&error);
}

static void envelope(struct bench *bench)
{
	struct saga_event decoded;

	decode_envelope(bench, &decoded);
}

static const struct {
	const char *name;
	void (*run)(struct bench *bench);
} parts[] = { { "encode", encode }, { "envelope", envelope }, { "decode", decode } };

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void run_part(struct bench *bench, size_t part, long count)
{
	int64_t from = now_ns();

	for (long i = 0; i < count; i++)
		parts[part].run(bench);
	printf("%-8s %6" PRId64 " ns, %zu bytes\n", parts[part].name, (now_ns() - from) / count,
		bench->buffer.size);
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
	struct bench bench;

	if (count < 1)
		return 2;
	saga__buffer_init(&bench.buffer, 64 * 1024);
	saga__arena_init(&bench.arena, 1024 * 1024);
	if (saga__decoder_new(&bench.decoder) != SAGA_OK)
		return 1;
	encode(&bench);
	for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++)
		if (argc < 2 || strcmp(argv[1], parts[part].name) == 0)
			run_part(&bench, part, count);
	saga__decoder_free(bench.decoder);
	saga__arena_free(&bench.arena);
	saga__buffer_free(&bench.buffer);
	return 0;
}
