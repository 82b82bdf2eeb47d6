/* Which shards this instance works: lane 0 keeps the leases, and each lane is told its part. */

#include <stdlib.h>

#include "inside.h"

enum {
	FOREIGN_MOST = 1024
};

static void tell_lane(struct saga_participant *p, size_t at, const struct saga__kept *kept)
{
	uint64_t part = saga__share_of_lane((unsigned)at, (unsigned)p->lane_count);
	struct saga__lane_command hold = { .kind = SAGA__COMMAND_ASSIGN,
		.shards = kept->worked & part,
		.leased = kept->leased & part,
		.count = kept->count,
		.shared = kept->live > 1,
		.clock = kept->clock,
		.due = SAGA__NEVER };

	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++) {
		hold.seqs[shard] = kept->seqs[shard];
		if ((hold.shards >> shard & 1) && kept->dues[shard] < hold.due)
			hold.due = kept->dues[shard];
	}
	if (hold.due < p->dues[at]) {
		p->dues[at] = hold.due;
		p->due_now[at] = true; /* until its next batch tells */
	}
	/* Without memory it is told after the next renewal. */
	(void)saga__lane_give_command(&p->lanes[at], &hold);
	if (!p->has_thread[at])
		saga__wake(p);
}

/* No lease goes before the last batch under it is committed. */
static void give_up(struct saga_participant *p)
{
	const struct saga__lane_command give = { .kind = SAGA__COMMAND_RELEASE,
		.shards = p->giving };

	if (!p->giving || (p->giving & p->worked))
		return;
	p->giving = 0;
	(void)saga__lane_give_command(&p->lanes[0], &give);
	if (!p->has_thread[0])
		saga__wake(p);
}

bool saga__knows(const struct saga_participant *p, unsigned shard)
{
	return saga__works(p, shard) && !p->rereads[shard & (p->lane_count - 1)];
}

bool saga__shards_reread(struct saga_participant *p)
{
	const struct saga__lane_command reread = { .kind = SAGA__COMMAND_REREAD };
	size_t asked = 0;

	for (; asked < p->lane_count; asked++) {
		if (saga__lane_give_command(&p->lanes[asked], &reread) != SAGA_OK)
			break;
		p->rereads[asked]++;
		if (!p->has_thread[asked])
			saga__wake(p);
	}
	saga__streams_forget(p);
	return asked == p->lane_count;
}

void saga__shards_kept(struct saga_participant *p, const struct saga__notification *notification)
{
	const struct saga__kept *kept = &notification->kept;

	if (kept->live != p->live)
		saga__log(p, SAGA_INFO, "instances.changed",
			"%u of %u shards are worked here: "
			"%u instances live",
			saga__share_count(kept->worked), p->shards, kept->live);
	p->live = kept->live;
	p->wanted = kept->worked;
	p->giving = kept->given;
	for (size_t i = 0; p->life == SAGA__RUNS && i < p->lane_count; i++)
		tell_lane(p, i, kept);
	give_up(p);
}

int saga__shards_held(struct saga_participant *p, const struct saga__notification *held)
{
	size_t at = (size_t)(held->lane - p->lanes);
	uint64_t part = saga__share_of_lane((unsigned)at, (unsigned)p->lane_count);
	uint64_t lost = p->worked & part & ~held->worked;
	int code;

	p->uuid = held->uuid;
	p->birth = held->birth;
	__atomic_store_n(&p->shards, held->shards, __ATOMIC_RELAXED);
	p->worked = (p->worked & ~part) | held->worked;
	p->wanted &= ~held->unreadable; /* nothing waits for it */
	p->rereads[at] -= held->rereads;
	code = saga__streams_hold(p, held, lost);
	give_up(p);
	return code;
}

/* ---- events of shards that are not worked here ---- */

void saga__drop_foreign(struct saga_participant *p)
{
	struct saga__foreign_event *foreign = p->foreign;

	p->foreign = foreign->next;
	p->foreign_count--;
	saga__blob_unref(foreign->sent.event);
	free(foreign);
}

/* What there is no room for is in the outbox, and its shard's worker will find it there. */
void saga__keep_foreign(struct saga_participant *p, const struct saga__sent *sent)
{
	struct saga__foreign_event *foreign, **end = &p->foreign;

	if (!p->transport || p->foreign_count >= FOREIGN_MOST ||
		!(foreign = calloc(1, sizeof *foreign)))
		return;
	foreign->sent = *sent;
	saga__blob_ref(sent->event);
	while (*end)
		end = &(*end)->next;
	*end = foreign;
	p->foreign_count++;
}
