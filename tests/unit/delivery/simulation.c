/*
 * One publisher and three followers (1, 2, 8 shards) on a network that loses, doubles, delays and
 * reorders, with partitions, restarts of either side from what is committed alone, a store that
 * fails to read, a follower that joins late and one that is away for long. Virtual time, one seed.
 *
 * Held all the time: each incarnation delivers in order without a gap, from behind its least
 * position; nothing is trimmed that somebody has not committed; nobody cries fork or gone. In the
 * end: every event was applied exactly once by the shard that it concerns, everyone has seen all,
 * and then it is quiet.
 */

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

static const char *const names[] = { "payment", "stock", "mail", NULL };
static const struct saga__stream stream = { { { 1, 2, 3 } }, 5 };

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

static uint64_t draw(struct sim *sim, uint64_t below)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return (sim->random * 0x2545f4914f6cdd1du >> 11) % below;
}

static bool chance(struct sim *sim, unsigned percent)
{
	return draw(sim, 100) < percent;
}

static void fill_random(void *context, void *buffer, size_t size)
{
	unsigned char *at = buffer;

	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)draw(context, 256);
}

/* ---- what is to happen ---- */

static bool sooner(const struct pending *a, const struct pending *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct pending **a, struct pending **b)
{
	struct pending *c = *a;

	*a = *b;
	*b = c;
}

static struct pending *later(struct sim *sim, int kind, int who, int64_t in)
{
	struct pending *pending = sim->spare ? sim->spare : malloc(sizeof *pending);
	size_t i = sim->pending++;

	if (sim->pending > sim->room) {
		sim->room = sim->room ? 2 * sim->room : 64;
		sim->heap = realloc(sim->heap, sim->room * sizeof(struct pending *));
	}
	HOLDS(sim, pending && sim->heap, "memory");
	sim->spare = pending == sim->spare ? pending->next : sim->spare;
	pending->at = sim->now + in;
	pending->order = sim->order++;
	pending->kind = kind;
	pending->who = who;
	pending->life = 0;
	sim->heap[i] = pending;
	for (; i && sooner(sim->heap[i], sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
	return pending;
}

static struct pending *pop(struct sim *sim)
{
	struct pending *top = sim->heap[0];
	size_t i = 0, count = --sim->pending;

	sim->heap[0] = sim->heap[count];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < count && sooner(sim->heap[child], sim->heap[least]))
				least = child;
		if (least == i)
			return top;
		swap(&sim->heap[i], &sim->heap[least]);
		i = least;
	}
}

/* ---- the network ---- */

static int64_t travel(struct sim *sim)
{
	if (!sim->lossy)
		return 1 + (int64_t)draw(sim, 3);
	return chance(sim, 3) ? (int64_t)draw(sim, 600) : 1 + (int64_t)draw(sim, 15);
}

static void carry(struct sim *sim, int to, const unsigned char *frame, size_t size)
{
	int copies = 1;

	if (sim->lossy)
		copies = chance(sim, 30) ? 0 : chance(sim, 8) ? 2 : 1;
	for (; copies; copies--) {
		struct pending *pending = later(sim, NET, to, travel(sim));

		memcpy(pending->frame, frame, size);
		pending->size = size;
	}
	sim->frames++;
}

static void post(struct sim *sim, int from, const char *to, const struct saga__message *message)
{
	unsigned char frame[FRAME];
	size_t size = saga__frame_encode(message, frame, sizeof frame);

	HOLDS(sim, size, "kind %d can't be encoded", message->kind);
	if (from >= 0) {
		if (!sim->followers[from].mute)
			carry(sim, -1, frame, size);
		return;
	}
	for (int i = 0; i < FOLLOWERS; i++)
		if ((!to || strcmp(to, names[i]) == 0) && !sim->followers[i].deaf)
			carry(sim, i, frame, size);
}

static struct saga__blob *event_of(struct sim *sim, uint64_t seq)
{
	struct saga__blob *blob = saga__blob_new(NULL, 8 + 16);

	HOLDS(sim, blob, "memory");
	memcpy(blob->at, &seq, 8);
	memcpy(blob->at + 8, &sim->ids[seq], 16);
	return blob;
}

/* ---- the publisher's host ---- */

static void drain_publisher(struct sim *sim)
{
	struct saga__publish_effect effect;
	struct pending *pending;

	while (sim->publish && saga__publish_next(sim->publish, sim->now, &effect)) {
		switch (effect.kind) {
		case SAGA__PUBLISH_SEND:
			if (effect.message.kind == SAGA__EVENT && !effect.to) {
				/* what all had by NEED may be trimmed before its turn comes */
				HOLDS(sim,
					effect.message.last == sim->broadcast + 1 ||
						(effect.message.last > sim->broadcast &&
							effect.message.last <= sim->first),
					"%llu after %llu", (unsigned long long)effect.message.last,
					(unsigned long long)sim->broadcast);
				sim->broadcast = effect.message.last;
			}
			post(sim, -1, effect.to, &effect.message);
			break;
		case SAGA__PUBLISH_READ:
			pending = later(sim, READ, -1, 1 + (int64_t)draw(sim, 5));
			pending->life = sim->life;
			pending->first = effect.first;
			pending->last = effect.last;
			break;
		default:
			HOLDS(sim, effect.kind != SAGA__PUBLISH_FORK, "%s", effect.text);
		}
	}
}

static void start_publisher(struct sim *sim)
{
	struct saga__publish_config config = { .name = "order",
		.stream = stream,
		.followers = names,
		.window = sim->window,
		.ring = sim->ring,
		.beat_min_ms = BEAT_MIN,
		.beat_max_ms = BEAT_MAX,
		.alive_ms = ALIVE };

	ck_assert_int_eq(saga__publish_new(&config, &sim->publish), SAGA_OK);
	sim->life++;
	sim->broadcast = sim->last;
	saga__publish_start(sim->publish, sim->first, sim->last, sim->ids[sim->last], sim->now);
	drain_publisher(sim);
}

static void answer_read(struct sim *sim, const struct pending *pending)
{
	bool complete = !sim->faults || !chance(sim, 10);

	if (!sim->publish || pending->life != sim->life)
		return;
	for (uint64_t seq = pending->first; seq <= pending->last; seq++) {
		struct saga__blob *blob;

		if (!complete && chance(sim, 20))
			break;
		if (seq < sim->first || seq > sim->last)
			continue;
		blob = event_of(sim, seq);
		saga__publish_read(sim->publish, seq, sim->ids[seq - 1], sim->ids[seq], blob);
		saga__blob_unref(blob);
	}
	saga__publish_read_end(sim->publish, complete, sim->now);
}

static void commit(struct sim *sim)
{
	uint64_t count = 1 + draw(sim, chance(sim, 10) ? 150 : 20);

	for (; count && sim->last < sim->commit_upto && sim->publish; count--) {
		struct saga__blob *blob;

		sim->last++;
		fill_random(sim, &sim->ids[sim->last], sizeof sim->ids[0]);
		blob = sim->faults && chance(sim, 1) ? NULL : event_of(sim, sim->last);
		HOLDS(sim,
			!saga__publish_committed(
				sim->publish, sim->last, sim->ids[sim->last], blob, sim->now),
			"committed");
		saga__blob_unref(blob);
	}
	if (sim->last < sim->commit_upto)
		later(sim, COMMIT, -1, 1 + (int64_t)draw(sim, 40));
}

static uint64_t least_committed(const struct sim *sim)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < FOLLOWERS; i++)
		for (uint32_t j = 0; j < sim->followers[i].shards; j++)
			if (sim->followers[i].positions[j].seq < least)
				least = sim->followers[i].positions[j].seq;
	return least;
}

static void trim(struct sim *sim)
{
	if (sim->publish) {
		uint64_t seen = saga__publish_seen_by_all(sim->publish);

		HOLDS(sim, seen <= least_committed(sim), "%llu, %llu", (unsigned long long)seen,
			(unsigned long long)least_committed(sim));
		if (seen + 1 > sim->first) {
			sim->first = seen + 1;
			saga__publish_trimmed(sim->publish, sim->first);
		}
	}
	later(sim, TRIM, -1, 50 + (int64_t)draw(sim, 200));
}

/* ---- a follower's host ---- */

/* The shard that an event concerns, or SHARDS: none. */
static uint32_t concerned(const struct sim *sim, int who, uint64_t seq)
{
	uint32_t hash = sim->ids[seq].bytes[who] * 7u + sim->ids[seq].bytes[who + 4];

	return hash % 10 < 4 ? SHARDS : hash / 10 % sim->followers[who].shards;
}

static void wake_lane(struct sim *sim, int who, uint32_t shard)
{
	struct lane *lane = &sim->followers[who].lanes[shard];
	struct pending *pending;

	if (lane->scheduled || !lane->count)
		return;
	lane->scheduled = true;
	pending = later(
		sim, LANE, who, 1 + (int64_t)draw(sim, sim->faults && chance(sim, 5) ? 300 : 12));
	pending->shard = shard;
	pending->life = sim->followers[who].life;
}

static void enqueue(struct sim *sim, int who, uint32_t shard, uint64_t seq, saga_id id, bool move)
{
	struct follower *follower = &sim->followers[who];
	struct lane *lane = &follower->lanes[shard];

	HOLDS(sim, lane->count < 1024, "lane is full");
	lane->items[(lane->head + lane->count++) % 1024] = (struct item){ seq, id, move };
	follower->in_work++;
	wake_lane(sim, who, shard);
	if (!follower->held && follower->in_work > QUEUE) {
		follower->held = true;
		saga__follow_hold(follower->follow, true, sim->now);
	}
}

static void deliver(struct sim *sim, int who, const struct saga__follow_effect *effect)
{
	struct follower *follower = &sim->followers[who];
	uint32_t shard = concerned(sim, who, effect->seq);

	HOLDS(sim, effect->seq == follower->delivered + 1 && !follower->held,
		"%s got %llu after %llu", follower->name, (unsigned long long)effect->seq,
		(unsigned long long)follower->delivered);
	HOLDS(sim, memcmp(&effect->id, &sim->ids[effect->seq], 16) == 0, "id");
	HOLDS(sim, memcmp(effect->event->at + 8, &effect->id, 16) == 0, "event");
	saga__blob_unref(effect->event);
	follower->delivered = effect->seq;
	if (shard != SHARDS && follower->positions[shard].seq < effect->seq)
		enqueue(sim, who, shard, effect->seq, effect->id, false);
}

static void drain_follower(struct sim *sim, int who)
{
	struct follower *follower = &sim->followers[who];
	struct saga__follow_effect effect;

	while (follower->follow && saga__follow_next(follower->follow, sim->now, &effect)) {
		switch (effect.kind) {
		case SAGA__FOLLOW_DELIVER:
			deliver(sim, who, &effect);
			break;
		case SAGA__FOLLOW_SEND:
			post(sim, who, NULL, &effect.message);
			break;
		case SAGA__FOLLOW_MOVE:
			HOLDS(sim, effect.seq == follower->delivered, "move");
			enqueue(sim, who, effect.shard, effect.seq, effect.id, true);
			break;
		default:
			HOLDS(sim, !saga__follow_stopped(follower->follow),
				"%d at %s: %s, [%llu, %llu)", effect.kind, follower->name,
				effect.text, (unsigned long long)effect.wanted,
				(unsigned long long)effect.first);
		}
	}
}

static void start_follower(struct sim *sim, int who)
{
	struct follower *follower = &sim->followers[who];
	struct saga__follow_config config = { .group = follower->name,
		.owner = "order",
		.stream = stream,
		.shards = follower->shards,
		.positions = follower->positions,
		.window = follower->window,
		.need_min_ms = NEED_MIN,
		.need_max_ms = NEED_MAX,
		.move_ms = MOVE,
		.env = &sim->env };

	ck_assert_int_eq(saga__follow_new(&config, &follower->follow), SAGA_OK);
	follower->life++;
	follower->born = true;
	follower->delivered = UINT64_MAX;
	for (uint32_t i = 0; i < follower->shards; i++)
		if (follower->positions[i].seq < follower->delivered)
			follower->delivered = follower->positions[i].seq;
	drain_follower(sim, who);
}

static void stop_follower(struct follower *follower)
{
	saga__follow_free(follower->follow);
	follower->follow = NULL;
	follower->life++;
	follower->held = false;
	follower->in_work = 0;
	memset(follower->lanes, 0, sizeof follower->lanes);
}

/* One transaction of a lane; the process may die before it tells the machine. */
static void run_lane(struct sim *sim, int who, const struct pending *pending)
{
	struct follower *follower = &sim->followers[who];
	struct lane *lane = &follower->lanes[pending->shard];
	struct saga__position *at = &follower->positions[pending->shard];
	size_t batch = 1 + (size_t)draw(sim, 24);

	if (pending->life != follower->life)
		return;
	lane->scheduled = false;
	for (; batch && lane->count; batch--, lane->count--, follower->in_work--) {
		struct item *item = &lane->items[lane->head];

		lane->head = (lane->head + 1) % 1024;
		if (!item->move)
			follower->applied[item->seq]++;
		if (item->seq > at->seq)
			*at = (struct saga__position){ item->seq, item->id };
	}
	saga__follow_committed(follower->follow, pending->shard, at->seq, at->id, sim->now);
	wake_lane(sim, who, pending->shard);
	if (follower->held && follower->in_work < QUEUE / 2) {
		follower->held = false;
		saga__follow_hold(follower->follow, false, sim->now);
	}
	if (!follower->in_work)
		saga__follow_flush(follower->follow, sim->now);
}

/* ---- bad days ---- */

static void crash(struct sim *sim)
{
	int who = (int)draw(sim, FOLLOWERS + 1) - 1;
	struct pending *back;

	if (!sim->faults)
		return;
	later(sim, CRASH, -1, 50 + (int64_t)draw(sim, 1500));
	if (who < 0 ? !sim->publish : !sim->followers[who].follow)
		return;
	if (who < 0) {
		saga__publish_free(sim->publish);
		sim->publish = NULL;
		sim->life++;
	} else {
		stop_follower(&sim->followers[who]);
	}
	back = later(sim, BACK, who, (int64_t)draw(sim, chance(sim, 10) ? 3 * ALIVE : 200));
	back->life = who < 0 ? sim->life : sim->followers[who].life;
}

static void come_back(struct sim *sim, const struct pending *pending)
{
	if (pending->who >= 0) {
		if (pending->life == sim->followers[pending->who].life)
			start_follower(sim, pending->who);
	} else if (pending->life == sim->life) {
		start_publisher(sim);
		later(sim, COMMIT, -1, 1);
	}
}

static void cut(struct sim *sim)
{
	struct follower *follower = &sim->followers[draw(sim, FOLLOWERS)];

	follower->deaf = sim->faults && chance(sim, 25);
	follower->mute = sim->faults && chance(sim, 25);
	if (sim->faults)
		later(sim, CUT, -1, 20 + (int64_t)draw(sim, 500));
}

static void receive(struct sim *sim, const struct pending *pending)
{
	struct saga__message message;
	saga_id id = { { 0 } };
	saga_error error;

	HOLDS(sim,
		!saga__frame_decode(
			(saga_bytes){ pending->frame, pending->size }, &message, &error),
		"%s", error.text);
	if (message.kind == SAGA__EVENT)
		memcpy(&id, (const unsigned char *)message.event.at + 8, 16);
	if (pending->who < 0 && sim->publish)
		saga__publish_message(sim->publish, &message, sim->now);
	else if (pending->who >= 0 && sim->followers[pending->who].follow)
		saga__follow_message(sim->followers[pending->who].follow, &message, id, sim->now);
}

static void happen(struct sim *sim, struct pending *pending)
{
	switch (pending->kind) {
	case NET:
		receive(sim, pending);
		break;
	case READ:
		answer_read(sim, pending);
		break;
	case COMMIT:
		commit(sim);
		break;
	case LANE:
		run_lane(sim, pending->who, pending);
		break;
	case TRIM:
		trim(sim);
		break;
	case CRASH:
		crash(sim);
		break;
	case BACK:
		come_back(sim, pending);
		break;
	case CUT:
		cut(sim);
		break;
	}
	pending->next = sim->spare;
	sim->spare = pending;
}

/* One instant at which something is due. */
static void step(struct sim *sim)
{
	int64_t at = sim->pending ? sim->heap[0]->at : INT64_MAX;

	if (sim->publish && saga__publish_due(sim->publish) < at)
		at = saga__publish_due(sim->publish);
	for (int i = 0; i < FOLLOWERS; i++)
		if (sim->followers[i].follow && saga__follow_due(sim->followers[i].follow) < at)
			at = saga__follow_due(sim->followers[i].follow);
	HOLDS(sim, at >= sim->now && at != INT64_MAX, "due in the past: %lld", (long long)at);
	sim->stuck = at == sim->now ? sim->stuck + 1 : 0;
	HOLDS(sim, sim->stuck < 1000, "time stands still");
	sim->now = at;
	while (sim->pending && sim->heap[0]->at <= at)
		happen(sim, pop(sim));
	drain_publisher(sim);
	for (int i = 0; i < FOLLOWERS; i++)
		drain_follower(sim, i);
}

static void run_until(struct sim *sim, int64_t at)
{
	while (sim->now < at)
		step(sim);
}

/* ---- the whole ---- */

static bool all_seen(const struct sim *sim)
{
	return sim->publish && saga__publish_seen_by_all(sim->publish) == sim->last &&
		sim->last == sim->commit_upto;
}

/* Nothing is sent for a follower that is away, so long as the others get on. */
static void leave_one_out(struct sim *sim, int who)
{
	int64_t until;

	if (sim->followers[who].follow)
		stop_follower(&sim->followers[who]);
	sim->commit_upto += SILENT_EVENTS;
	later(sim, COMMIT, -1, 1);
	for (until = sim->now + 60 * MINUTE; sim->last < sim->commit_upto && sim->now < until;)
		step(sim);
	for (until = sim->now + 2 * ALIVE + 60 * SILENT_EVENTS; sim->broadcast < sim->last;) {
		if (sim->now > until)
			break;
		step(sim);
	}
	run_until(sim, sim->now + ALIVE);
	HOLDS(sim, sim->broadcast == sim->last, "%s is silent: %llu of %llu sent", names[who],
		(unsigned long long)sim->broadcast, (unsigned long long)sim->last);
	for (int i = 0; i < FOLLOWERS; i++)
		HOLDS(sim, i == who || sim->followers[i].delivered == sim->last, "%s lacks some",
			names[i]);
	start_follower(sim, who);
}

static void heal(struct sim *sim)
{
	sim->faults = false;
	for (int i = 0; i < FOLLOWERS; i++) {
		sim->followers[i].deaf = sim->followers[i].mute = false;
		if (!sim->followers[i].follow)
			start_follower(sim, i);
	}
	if (!sim->publish) {
		start_publisher(sim);
		later(sim, COMMIT, -1, 1);
	}
}

static void settle(struct sim *sim)
{
	int64_t until = sim->now + 10 * MINUTE;

	while (!all_seen(sim) && sim->now < until)
		step(sim);
	HOLDS(sim, all_seen(sim), "%llu of %llu seen by all, %llu committed by all",
		(unsigned long long)saga__publish_seen_by_all(sim->publish),
		(unsigned long long)sim->last, (unsigned long long)least_committed(sim));
}

static void audit(struct sim *sim)
{
	for (int i = 0; i < FOLLOWERS; i++)
		for (uint64_t seq = 1; seq <= sim->last; seq++) {
			int wanted = concerned(sim, i, seq) != SHARDS;

			HOLDS(sim, sim->followers[i].applied[seq] == wanted,
				"%s applied %llu %d times", names[i], (unsigned long long)seq,
				sim->followers[i].applied[seq]);
		}
	HOLDS(sim, least_committed(sim) == sim->last, "positions");
}

/* Signs of life alone: ten times beat_max apart, each answered once a shard. */
static void stay_quiet(struct sim *sim)
{
	uint64_t frames;

	run_until(sim, sim->now + 2 * BEAT_MAX);
	frames = sim->frames;
	HOLDS(sim, saga__publish_due(sim->publish) > sim->now + BEAT_MAX, "%lld",
		(long long)saga__publish_due(sim->publish));
	for (int i = 0; i < FOLLOWERS; i++)
		HOLDS(sim, saga__follow_due(sim->followers[i].follow) == INT64_MAX, "%s wakes",
			names[i]);
	run_until(sim, sim->now + 40 * BEAT_MAX);
	HOLDS(sim, sim->frames - frames <= 5 * (FOLLOWERS + 1 + 2 + 8), "%llu frames",
		(unsigned long long)(sim->frames - frames));
}

static void init(struct sim *sim, uint64_t seed)
{
	static const uint32_t shards[] = { 1, 2, 8 };

	memset(sim, 0, sizeof *sim);
	sim->seed = seed;
	sim->random = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		draw(sim, 2);
	sim->env = (struct saga_env){ .context = sim, .random = fill_random };
	sim->first = 1;
	sim->commit_upto = EVENTS;
	sim->faults = sim->lossy = true;
	sim->window = 2 + draw(sim, 100);
	sim->ring = sim->window + draw(sim, 100);
	for (int i = 0; i < FOLLOWERS; i++) {
		sim->followers[i].name = names[i];
		sim->followers[i].shards = shards[i];
		sim->followers[i].window = 1 + draw(sim, 150);
	}
}

static uint64_t simulate(uint64_t seed)
{
	struct sim *sim = malloc(sizeof *sim);
	uint64_t frames;

	ck_assert_ptr_nonnull(sim);
	init(sim, seed);
	start_publisher(sim);
	for (int i = 0; i < FOLLOWERS; i++)
		later(sim, BACK, i, i == FOLLOWERS - 1 ? 1500 : (int64_t)draw(sim, 20));
	later(sim, COMMIT, -1, 1);
	later(sim, TRIM, -1, 100);
	later(sim, CRASH, -1, 300);
	later(sim, CUT, -1, 100);
	while (sim->last < EVENTS && sim->now < 60 * MINUTE)
		step(sim);
	heal(sim);
	sim->lossy = chance(sim, 50);
	settle(sim);
	sim->lossy = false;
	leave_one_out(sim, (int)draw(sim, FOLLOWERS));
	settle(sim);
	audit(sim);
	stay_quiet(sim);
	audit(sim);
	frames = sim->frames;
	while (sim->pending)
		free(pop(sim));
	for (struct pending *pending = sim->spare; pending; pending = sim->spare) {
		sim->spare = pending->next;
		free(pending);
	}
	free(sim->heap);
	saga__publish_free(sim->publish);
	for (int i = 0; i < FOLLOWERS; i++)
		saga__follow_free(sim->followers[i].follow);
	free(sim);
	return frames;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(everything_arrives_everywhere)
{
	uint64_t seed = setting("SAGA_TEST_SEED", 1), count = setting("SAGA_TEST_SEEDS", 200);
	uint64_t frames = 0;

	printf("seeds %llu to %llu (SAGA_TEST_SEED, SAGA_TEST_SEEDS)\n", (unsigned long long)seed,
		(unsigned long long)(seed + count - 1));
	fflush(stdout);
	for (uint64_t i = 0; i < count; i++)
		frames += simulate(seed + i);
	printf("%llu frames\n", (unsigned long long)frames);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("delivery simulation");
	TCase *tests = tcase_create("everything");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 600);
	tcase_add_test(tests, everything_arrives_everywhere);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
