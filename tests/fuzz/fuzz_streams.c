/*
 * A follower and a publisher of one stream, told whatever a hostile bus, a forked owner and an odd
 * outbox could tell them: what comes out can be sent, in order, within the window, and ends.
 */
#include "fuzz.h"

#include "delivery/follow.h"
#include "delivery/publish.h"

enum {
	WINDOW = 4,
	SHARDS = 3,
	RING = 8,
	STEPS = 400,
	EFFECTS = 200 /* of one drain; more is a loop without end */
};

#define OWN_MOST (SAGA__SEQ_MOST - 1)

static const struct saga__stream stream = { { { 7 } }, 1 };
static const char *const followers[] = { "stock", "mail", NULL };

struct world {
	struct fuzz_bytes bytes;
	int64_t now;

	struct saga__follow *follow;
	uint64_t delivered;

	struct saga__publish *publish;
	uint64_t last, broadcast;
	bool reading;
	uint64_t read_first, read_last;
};

/* ---- what is drawn ---- */

static void fill_random(void *context, void *buffer, size_t size)
{
	unsigned char *at = buffer;
	struct world *world = context;

	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)fuzz_byte(&world->bytes);
}

/* Near 0, near where the machines are, and near the end. */
static uint64_t draw_seq(struct world *world, uint64_t near)
{
	unsigned byte = fuzz_byte(&world->bytes);
	uint64_t seq;

	if (byte < 64)
		return byte;
	if (byte >= 240)
		return SAGA__SEQ_MOST - (255 - byte);
	seq = near + byte;
	return seq < 128 ? 0 : seq - 128 > SAGA__SEQ_MOST ? SAGA__SEQ_MOST : seq - 128;
}

static saga_id id_in(unsigned history, uint64_t seq)
{
	saga_id id = { { 0 } };

	if (history && seq) {
		id.bytes[0] = (uint8_t)history;
		memcpy(id.bytes + 8, &seq, sizeof seq);
	}
	return id;
}

/* Mostly of the one history. */
static saga_id draw_id(struct world *world, uint64_t seq)
{
	unsigned byte = fuzz_byte(&world->bytes);

	return id_in(byte < 224 ? 1 : byte & 3, seq);
}

/* As the wire gives it: what can't be decoded never comes to a machine. */
static bool over_the_wire(struct saga__message *message)
{
	unsigned char frame[SAGA__FRAME_HEAD + 8];
	size_t size = saga__frame_encode(message, frame, sizeof frame);
	struct saga__message back;

	HOLDS(size);
	if (saga__frame_decode((saga_bytes){ frame, size }, &back, NULL) != SAGA_OK)
		return false;
	message->first = back.first;
	message->last = back.last;
	return true;
}

static void check_sent(const struct saga__message *message)
{
	unsigned char frame[SAGA__FRAME_HEAD + 64];
	size_t size = saga__frame_encode(message, frame, sizeof frame);
	struct saga__message back;

	HOLDS(size);
	HOLDS(saga__frame_decode((saga_bytes){ frame, size }, &back, NULL) == SAGA_OK);
}

/* ---- the follower ---- */

static void check_follow_effect(struct world *world, struct saga__follow_effect *effect)
{
	switch (effect->kind) {
	case SAGA__FOLLOW_DELIVER:
		HOLDS(effect->seq > world->delivered && effect->event);
		HOLDS(effect->seq == saga__follow_delivered(world->follow));
		HOLDS(!saga__follow_stopped(world->follow));
		world->delivered = effect->seq;
		saga__blob_unref(effect->event);
		break;
	case SAGA__FOLLOW_SEND:
		check_sent(&effect->message);
		HOLDS(effect->message.kind == SAGA__NEED || effect->message.kind == SAGA__SEEN);
		if (effect->message.kind == SAGA__NEED)
			HOLDS(effect->message.last - effect->message.first < WINDOW);
		break;
	case SAGA__FOLLOW_MOVE:
		HOLDS(effect->shard < SHARDS);
		HOLDS(effect->seq <= saga__follow_delivered(world->follow));
		break;
	default:
		HOLDS(saga__follow_stopped(world->follow));
	}
}

static void drain_follow(struct world *world)
{
	struct saga__follow_effect effect = { 0 };
	int effects = 0;

	while (saga__follow_next(world->follow, world->now, &effect)) {
		check_follow_effect(world, &effect);
		HOLDS(++effects < EFFECTS);
	}
	HOLDS(saga__follow_due(world->follow) > world->now);
}

static void tell_follow(struct world *world, int kind)
{
	uint64_t near = saga__follow_delivered(world->follow);
	struct saga__message message = { .kind = kind, .from = "order", .stream = stream };
	uint64_t of;

	if (kind != SAGA__EVENT)
		message.first = draw_seq(world, near);
	if (kind != SAGA__GONE)
		message.last = draw_seq(world, near);
	of = kind == SAGA__EVENT && message.last ? message.last - 1 : message.last;
	message.id = draw_id(world, of);
	if (kind == SAGA__EVENT)
		message.event = (saga_bytes){ "event", 5 };
	if (over_the_wire(&message))
		saga__follow_message(
			world->follow, &message, draw_id(world, message.last), world->now);
}

static void commit_follow(struct world *world)
{
	uint64_t seq = draw_seq(world, saga__follow_delivered(world->follow));
	uint32_t shard = fuzz_byte(&world->bytes) % SHARDS;

	if (seq <= saga__follow_delivered(world->follow))
		saga__follow_committed(world->follow, shard, seq, id_in(1, seq));
}

static void skip_follow(struct world *world)
{
	uint64_t seq = draw_seq(world, saga__follow_delivered(world->follow));
	struct saga__position positions[SHARDS] = { { seq, draw_id(world, seq) } };

	for (unsigned shard = 1; shard < SHARDS; shard++)
		positions[shard] = positions[0];
	saga__follow_restart(world->follow, positions, NULL, false);
	world->delivered = seq;
	HOLDS(!saga__follow_stopped(world->follow));
}

/* ---- the publisher ---- */

static void check_publish_effect(struct world *world, const struct saga__publish_effect *effect)
{
	const struct saga__message *message = &effect->message;

	switch (effect->kind) {
	case SAGA__PUBLISH_SEND:
		check_sent(message);
		HOLDS(message->kind != SAGA__EVENT || message->last <= world->last);
		if (message->kind == SAGA__EVENT && !effect->to) {
			HOLDS(message->last > world->broadcast);
			world->broadcast = message->last;
		}
		break;
	case SAGA__PUBLISH_READ:
		HOLDS(!world->reading);
		HOLDS(effect->first && effect->first <= effect->last);
		HOLDS(effect->last - effect->first < WINDOW);
		world->reading = true;
		world->read_first = effect->first;
		world->read_last = effect->last;
		break;
	default:
		HOLDS(effect->kind == SAGA__PUBLISH_FORK && effect->to && *effect->text);
	}
}

static void drain_publish(struct world *world)
{
	struct saga__publish_effect effect = { 0 };
	int effects = 0;

	while (saga__publish_next(world->publish, world->now, &effect)) {
		check_publish_effect(world, &effect);
		HOLDS(++effects < EFFECTS);
	}
	HOLDS(saga__publish_due(world->publish) > world->now);
	HOLDS(saga__publish_seen_by_all(world->publish) <= world->last);
	HOLDS(saga__publish_unseen(world->publish) <= world->last);
}

static void tell_publish(struct world *world, int kind)
{
	static const char names[][8] = { "stock", "mail", "odd", "another" };
	struct saga__message message = { .kind = kind, .stream = stream };

	memcpy(message.from, names[fuzz_byte(&world->bytes) & 3], sizeof names[0]);
	if (kind == SAGA__NEED)
		message.first = draw_seq(world, world->last);
	message.last = draw_seq(world, world->last);
	message.shard = fuzz_byte(&world->bytes) % 4;
	message.of = kind == SAGA__SEEN ? message.shard + 1 + fuzz_byte(&world->bytes) % 3 : 0;
	message.id = draw_id(world,
		kind == SAGA__SEEN          ? message.last
			: message.first > 0 ? message.first - 1
					    : 0);
	if (over_the_wire(&message))
		saga__publish_message(world->publish, &message, world->now);
}

static void commit_publish(struct world *world)
{
	static const char text[] = "event";
	unsigned byte = fuzz_byte(&world->bytes);
	uint64_t seq = world->last + 1 + (byte > 240 ? byte - 240u : 0);
	struct saga__blob *event = byte % 8 ? saga__blob_new(text, sizeof text) : NULL;

	if (seq <= OWN_MOST) {
		HOLDS(saga__publish_committed(
			      world->publish, seq, id_in(1, seq), event, world->now) == SAGA_OK);
		world->last = seq;
	}
	saga__blob_unref(event);
}

/* Our own numbers are not a stranger's: the last of all is never reached. */
static uint64_t draw_own(struct world *world)
{
	uint64_t seq = draw_seq(world, world->last);

	return seq < OWN_MOST ? seq : OWN_MOST;
}

/* The outbox answers, with holes, or the store is away in the middle of it. */
static void answer_read(struct world *world)
{
	unsigned holes = fuzz_byte(&world->bytes);
	bool complete = fuzz_byte(&world->bytes) < 200;

	if (!world->reading)
		return;
	world->reading = false;
	for (uint64_t seq = world->read_first; seq <= world->read_last; seq++) {
		struct saga__blob *event = saga__blob_new(&seq, sizeof seq);

		HOLDS(event);
		if (!(holes >> (seq % 8) & 1))
			saga__publish_read(
				world->publish, seq, id_in(1, seq - 1), id_in(1, seq), event);
		saga__blob_unref(event);
	}
	saga__publish_read_end(world->publish, complete, world->now);
}

static void start_publish(struct world *world)
{
	uint64_t last = draw_own(world), first = draw_seq(world, last);

	if (first > last)
		first = last + 1;
	world->last = world->broadcast = last;
	saga__publish_start(world->publish, first, last, id_in(1, last), world->now);
}

/* ---- both ---- */

static void step(struct world *world)
{
	switch (fuzz_byte(&world->bytes) % 14) {
	case 0:
		tell_follow(world, SAGA__EVENT);
		break;
	case 1:
		tell_follow(world, SAGA__BEAT);
		break;
	case 2:
		tell_follow(world, SAGA__GONE);
		break;
	case 3:
		commit_follow(world);
		break;
	case 4:
		saga__follow_flush(world->follow);
		break;
	case 5:
		saga__follow_hold(world->follow, fuzz_byte(&world->bytes) & 1);
		break;
	case 6:
		skip_follow(world);
		break;
	case 7:
		world->now += 1 << fuzz_byte(&world->bytes) % 16;
		break;
	case 8:
		tell_publish(world, SAGA__NEED);
		break;
	case 9:
		tell_publish(world, SAGA__SEEN);
		break;
	case 10:
		commit_publish(world);
		break;
	case 11:
		answer_read(world);
		break;
	case 12:
		saga__publish_trimmed(world->publish, draw_own(world));
		break;
	default:
		start_publish(world);
		break;
	}
	drain_follow(world);
	drain_publish(world);
}

static void begin(struct world *world)
{
	const struct saga_env env = { .context = world, .random = fill_random };
	static struct saga_env kept;
	struct saga__position positions[SHARDS];
	struct saga__follow_config following = { .group = "stock",
		.owner = "order",
		.stream = stream,
		.shards = SHARDS,
		.positions = positions,
		.fresh = fuzz_byte(&world->bytes) & 1,
		.window = WINDOW,
		.need_min_ms = 10,
		.need_max_ms = 1000,
		.move_ms = 100,
		.move_most_ms = 400,
		.env = &kept };
	const struct saga__publish_config publishing = { .name = "order",
		.stream = stream,
		.followers = followers,
		.window = WINDOW,
		.ring = RING,
		.beat_min_ms = 10,
		.beat_max_ms = 1000,
		.alive_ms = 3000 };

	kept = env;
	for (size_t i = 0; i < SHARDS; i++) {
		uint64_t seq = following.fresh ? 0 : draw_seq(world, 0);

		positions[i] = (struct saga__position){ seq, draw_id(world, seq) };
		if (!i || seq < world->delivered)
			world->delivered = seq;
	}
	HOLDS(saga__follow_new(&following, &world->follow) == SAGA_OK);
	HOLDS(saga__publish_new(&publishing, &world->publish) == SAGA_OK);
	start_publish(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .bytes = { data, size }, .now = 1000 };

	begin(&world);
	for (int steps = 0; world.bytes.left && steps < STEPS; steps++)
		step(&world);
	saga__follow_free(world.follow);
	saga__publish_free(world.publish);
	return 0;
}
