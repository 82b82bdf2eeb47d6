#ifndef SAGA_TESTS_DELIVERY_PUBLISH_STAGE_H
#define SAGA_TESTS_DELIVERY_PUBLISH_STAGE_H

/* A publisher called "order" and what is done to it; what it should do next is asserted. */

#include "common.h"
#include "delivery/publish.h"

enum {
	WINDOW = 8,
	RING = 16,
	BEAT_MIN = 10,
	BEAT_MAX = 80,
	ALIVE = 200,
	IDLE = 10 * BEAT_MAX
};

extern const char *const both[];
extern const char *const one[];
extern struct saga__publish *publish;
extern struct saga__publish_effect effect;

void open_with(const char *const *followers);
void setup(void);
void teardown(void);

void start(uint64_t first, uint64_t last, int64_t now);
void commit_one(uint64_t seq, int64_t now);
void commit(uint64_t from, uint64_t to, int64_t now);
void hand_over(int history, uint64_t first, uint64_t last);
void seen_by(const char *who, uint32_t shard, uint32_t of, uint64_t upto, saga_id id, int64_t now);
void seen(uint64_t upto, int64_t now);
void need_by(const char *who, uint64_t from, uint64_t to, saga_id before, int64_t now);
void need(uint64_t from, uint64_t to, int64_t now);

bool next(int64_t now);
/* The next effects but beats: first..last sent to `to`, and nothing else. */
void sends(const char *to, uint64_t first, uint64_t last, int64_t now);
void nothing(int64_t now);
void reads(uint64_t first, uint64_t last, int64_t now);
void says_gone(const char *to, uint64_t first, int64_t now);
void cries_fork(const char *whose, int64_t now);

#endif
