#ifndef SAGA_TESTS_EVENT_WIRE_H
#define SAGA_TESTS_EVENT_WIRE_H

/* For the tests of the wire: one of each, and MessagePack made by hand. */

#include "event_test.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SAGA_BARE_EVENT(bare, "bare.thing", 1);

extern struct saga__decoder *decoder;
extern struct saga__arena arena;
extern struct saga__buffer buffer;
extern saga_error error;

void set_up(size_t arena_limit);
void tear_down(void);

/* That it failed as it had to, and said so in these words. */
void check_error(int code, int expected, const char *words);

struct hand {
	msgpack_sbuffer bytes;
	msgpack_packer packer;
};

void hand_init(struct hand *hand);
void put_raw(struct hand *hand, const void *at, size_t size);
void put_text(struct hand *hand, const char *text);
void put_id(struct hand *hand, unsigned char first);

/* The bytes, the caller's to free. */
saga_bytes hand_end(struct hand *hand);

#endif
