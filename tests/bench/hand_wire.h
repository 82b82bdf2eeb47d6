#ifndef HAND_WIRE_H
#define HAND_WIRE_H

/* Events between the hand-written services: CloudEvents attributes and a body, in MessagePack. */

#include <msgpack.h>

#include "shop_bench.h"

enum {
	HAND_EVENT_BYTES = 768
};

/* An event; a body has of these fields what is not empty. */
struct hand_event {
	uint8_t saga[16];
	uint8_t id[16];
	uint8_t causation[16];
	int64_t time;
	int64_t sequence;
	char source[BENCH_NAME];
	char type[2 * BENCH_NAME];
	char customer[BENCH_NAME];
	char country[BENCH_NAME];
	char receipt[48];
	int64_t total;
	size_t line_count;
	struct bench_line lines[BENCH_LINES];
};

/* Replaces what the buffer held. */
void hand_encode(msgpack_sbuffer *buffer, const struct hand_event *event);

/* False: it is not such an event. */
bool hand_decode(const char *at, size_t size, struct hand_event *ret_event);

int64_t hand_now_ms(void);

/* A new saga's id, made from its key as a repeat would make it (UUIDv8). */
void hand_saga_of(const char *key, uint8_t ret_saga[16]);

/* Of a request's body: the same key with another one is a conflict. */
void hand_digest_of(const struct bench_order *order, uint8_t ret_digest[16]);

#endif
