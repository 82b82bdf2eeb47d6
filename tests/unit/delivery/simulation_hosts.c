/* The hosts of the two machines: their disks, their lanes and what a machine asks of them. */

#include "simulation.h"

/* ---- the publisher's host ---- */

static struct saga__blob *event_of(struct sim *sim, uint64_t seq)
{
	struct saga__blob *blob = saga__blob_new(NULL, 8 + 16);

	HOLDS(sim, blob, "memory");
	memcpy(blob->at, &seq, 8);
	memcpy(blob->at + 8, &sim->ids[seq], 16);
	return blob;
}

void sim_drain_publisher(struct sim *sim)
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
			sim_post(sim, -1, effect.to, &effect.message);
			break;
		case SAGA__PUBLISH_READ:
			pending = sim_later(sim, READ, -1, 1 + (int64_t)sim_draw(sim, 5));
			pending->life = sim->life;
			pending->first = effect.first;
			pending->last = effect.last;
			break;
		default:
			HOLDS(sim, effect.kind != SAGA__PUBLISH_FORK, "%s", effect.text);
		}
	}
}

void sim_start_publisher(struct sim *sim)
{
	struct saga__publish_config config = { .name = "order",
		.stream = sim_stream,
		.followers = sim_names,
		.window = sim->window,
		.ring = sim->ring,
		.beat_min_ms = BEAT_MIN,
		.beat_max_ms = BEAT_MAX,
		.alive_ms = ALIVE };

	ck_assert_int_eq(saga__publish_new(&config, &sim->publish), SAGA_OK);
	sim->life++;
	sim->broadcast = sim->last;
	saga__publish_start(sim->publish, sim->first, sim->last, sim->ids[sim->last], sim->now);
	sim_drain_publisher(sim);
}

void sim_answer_read(struct sim *sim, const struct pending *pending)
{
	bool complete = !sim->faults || !sim_chance(sim, 10);

	if (!sim->publish || pending->life != sim->life)
		return;
	for (uint64_t seq = pending->first; seq <= pending->last; seq++) {
		struct saga__blob *blob;

		if (!complete && sim_chance(sim, 20))
			break;
		if (seq < sim->first || seq > sim->last)
			continue;
		blob = event_of(sim, seq);
		saga__publish_read(sim->publish, seq, sim->ids[seq - 1], sim->ids[seq], blob);
		saga__blob_unref(blob);
	}
	saga__publish_read_end(sim->publish, complete, sim->now);
}

void sim_commit(struct sim *sim)
{
	uint64_t count = 1 + sim_draw(sim, sim_chance(sim, 10) ? 150 : 20);

	for (; count && sim->last < sim->commit_upto && sim->publish; count--) {
		struct saga__blob *blob;

		sim->last++;
		sim_fill_random(sim, &sim->ids[sim->last], sizeof sim->ids[0]);
		blob = sim->faults && sim_chance(sim, 1) ? NULL : event_of(sim, sim->last);
		HOLDS(sim,
			!saga__publish_committed(
				sim->publish, sim->last, sim->ids[sim->last], blob, sim->now),
			"committed");
		saga__blob_unref(blob);
	}
	if (sim->last < sim->commit_upto)
		sim_later(sim, COMMIT, -1, 1 + (int64_t)sim_draw(sim, 40));
}

uint64_t sim_least_committed(const struct sim *sim)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < FOLLOWERS; i++)
		for (uint32_t j = 0; j < sim->followers[i].shards; j++)
			if (sim->followers[i].positions[j].seq < least)
				least = sim->followers[i].positions[j].seq;
	return least;
}

void sim_trim(struct sim *sim)
{
	if (sim->publish) {
		uint64_t seen = saga__publish_seen_by_all(sim->publish);

		HOLDS(sim, seen <= sim_least_committed(sim), "%llu, %llu", (unsigned long long)seen,
			(unsigned long long)sim_least_committed(sim));
		if (seen + 1 > sim->first) {
			sim->first = seen + 1;
			saga__publish_trimmed(sim->publish, sim->first);
		}
	}
	sim_later(sim, TRIM, -1, 50 + (int64_t)sim_draw(sim, 200));
}

/* ---- a follower's host ---- */

/* The shard that an event concerns, or SHARDS: none. */
uint32_t sim_concerned(const struct sim *sim, int who, uint64_t seq)
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
	pending = sim_later(sim, LANE, who,
		1 + (int64_t)sim_draw(sim, sim->faults && sim_chance(sim, 5) ? 300 : 12));
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
		saga__follow_hold(follower->follow, true);
	}
}

static void deliver(struct sim *sim, int who, const struct saga__follow_effect *effect)
{
	struct follower *follower = &sim->followers[who];
	uint32_t shard = sim_concerned(sim, who, effect->seq);

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

void sim_drain_follower(struct sim *sim, int who)
{
	struct follower *follower = &sim->followers[who];
	struct saga__follow_effect effect;

	while (follower->follow && saga__follow_next(follower->follow, sim->now, &effect)) {
		switch (effect.kind) {
		case SAGA__FOLLOW_DELIVER:
			deliver(sim, who, &effect);
			break;
		case SAGA__FOLLOW_SEND:
			sim_post(sim, who, NULL, &effect.message);
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

void sim_start_follower(struct sim *sim, int who)
{
	struct follower *follower = &sim->followers[who];
	struct saga__follow_config config = { .group = follower->name,
		.owner = "order",
		.stream = sim_stream,
		.shards = follower->shards,
		.positions = follower->positions,
		.window = follower->window,
		.need_min_ms = NEED_MIN,
		.need_max_ms = NEED_MAX,
		.move_ms = MOVE,
		.move_most_ms = 3 * MOVE,
		.env = &sim->env };

	ck_assert_int_eq(saga__follow_new(&config, &follower->follow), SAGA_OK);
	follower->life++;
	follower->born = true;
	follower->delivered = UINT64_MAX;
	for (uint32_t i = 0; i < follower->shards; i++)
		if (follower->positions[i].seq < follower->delivered)
			follower->delivered = follower->positions[i].seq;
	sim_drain_follower(sim, who);
}

void sim_stop_follower(struct follower *follower)
{
	saga__follow_free(follower->follow);
	follower->follow = NULL;
	follower->life++;
	follower->held = false;
	follower->in_work = 0;
	memset(follower->lanes, 0, sizeof follower->lanes);
}

/* One transaction of a lane; the process may die before it tells the machine. */
void sim_run_lane(struct sim *sim, int who, const struct pending *pending)
{
	struct follower *follower = &sim->followers[who];
	struct lane *lane = &follower->lanes[pending->shard];
	struct saga__position *at = &follower->positions[pending->shard];
	size_t batch = 1 + (size_t)sim_draw(sim, 24);

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
	saga__follow_committed(follower->follow, pending->shard, at->seq, at->id);
	wake_lane(sim, who, pending->shard);
	if (follower->held && follower->in_work < QUEUE / 2) {
		follower->held = false;
		saga__follow_hold(follower->follow, false);
	}
	if (!follower->in_work)
		saga__follow_flush(follower->follow);
}
