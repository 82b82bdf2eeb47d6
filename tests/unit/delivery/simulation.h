#ifndef SAGA_TESTS_DELIVERY_SIMULATION_H
#define SAGA_TESTS_DELIVERY_SIMULATION_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/follow.h"
#include "delivery/frame.h"
#include "delivery/publish.h"

enum {
	FOLLOWERS = 3,
	SHARDS = 8,
	EVENTS = 2000,
	SILENT_EVENTS = 300,
	MOST = 4096,
	BEAT_MIN = 20,
	BEAT_MAX = 400,
	ALIVE = 1200,
	NEED_MIN = 8,
	NEED_MAX = 250,
	MOVE = 40,
	FRAME = 256,
	QUEUE = 100,
	MINUTE = 60000,
};

enum happening {
	NET,
	READ,
	COMMIT,
	LANE,
	TRIM,
	CRASH,
	BACK,
	CUT
};

struct pending {
	struct pending *next; /* of those that are spare */
	int64_t at;
	uint64_t order;
	int kind;
	int who; /* -1: the publisher */
	uint32_t shard;
	uint64_t life; /* of whom it is for; READ, LANE, BACK */
	uint64_t first, last;
	size_t size;
	unsigned char frame[FRAME];
};

struct item {
	uint64_t seq;
	saga_id id;
	bool move;
};

struct lane {
	struct item items[1024];
	size_t head, count;
	bool scheduled;
};

struct follower {
	const char *name;
	uint32_t shards;
	bool born;
	/* on disk */
	struct saga__position positions[SHARDS];
	unsigned char applied[MOST];
	/* in memory */
	struct saga__follow *follow;
	uint64_t life;
	uint64_t delivered;
	struct lane lanes[SHARDS];
	size_t in_work;
	bool held;
	/* its links are cut */
	bool deaf, mute;
	size_t window;
};

struct sim {
	uint64_t seed, random;
	int64_t now;
	struct pending **heap;
	size_t pending, room;
	struct pending *spare;
	uint64_t order;
	bool faults, lossy;
	/* publisher's disk */
	saga_id ids[MOST];
	uint64_t first, last;
	/* its memory */
	struct saga__publish *publish;
	uint64_t life;
	uint64_t broadcast;
	uint64_t commit_upto;
	bool late_refused;
	size_t window, ring;
	struct follower followers[FOLLOWERS];
	struct saga_env env;
	uint64_t frames;
	unsigned stuck; /* steps since time moved */
};

/* Check writes to a pipe at each assertion of its own: too slow for millions. */
#define HOLDS(sim_, condition_, ...) \
	do { \
		if (!(condition_)) { \
			printf("seed %llu at %lld ms: %s: ", (unsigned long long)(sim_)->seed, \
				(long long)(sim_)->now, #condition_); \
			printf(__VA_ARGS__); \
			printf("\n"); \
			fflush(stdout); \
			ck_abort(); \
		} \
	} while (0)

extern const char *const sim_names[];
extern const struct saga__stream sim_stream;

/* simulation_world.c */
uint64_t sim_draw(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, unsigned percent);
void sim_fill_random(void *context, void *buffer, size_t size);
struct pending *sim_later(struct sim *sim, int kind, int who, int64_t in);
struct pending *sim_pop(struct sim *sim);
void sim_post(struct sim *sim, int from, const char *to, const struct saga__message *message);

/* simulation_hosts.c: the publisher's */
void sim_start_publisher(struct sim *sim);
void sim_drain_publisher(struct sim *sim);
void sim_answer_read(struct sim *sim, const struct pending *pending);
void sim_commit(struct sim *sim);
void sim_trim(struct sim *sim);
uint64_t sim_least_committed(const struct sim *sim);

/* and a follower's */
void sim_start_follower(struct sim *sim, int who);
void sim_stop_follower(struct follower *follower);
void sim_drain_follower(struct sim *sim, int who);
void sim_run_lane(struct sim *sim, int who, const struct pending *pending);
/* The shard that an event concerns, or SHARDS: none. */
uint32_t sim_concerned(const struct sim *sim, int who, uint64_t seq);

#endif
