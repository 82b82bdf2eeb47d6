/* Which shards this instance works: lane 0 keeps the leases, and each lane is told its part. */

#include <assert.h>
#include <stdlib.h>

#include "inside.h"

enum {
	FOREIGN_MOST = 1024
};

static void assign_lane(struct saga_participant *p, size_t at, const struct saga__renewal *renewal)
{
	uint64_t part = saga__share_of_lane((unsigned)at, (unsigned)p->lane_count);
	struct saga__lane_command command = { .kind = SAGA__COMMAND_ASSIGN,
		.as.assign = { .shards = renewal->worked & part,
			.leased = renewal->leased & part,
			.recount = renewal->recount,
			.shared = renewal->live > 1,
			.clock = renewal->clock,
			.due = SAGA__NEVER } };
	struct saga__assignment *assign = &command.as.assign;

	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++) {
		assign->seqs[shard] = renewal->seqs[shard];
		if ((assign->shards >> shard & 1) && renewal->dues[shard] < assign->due)
			assign->due = renewal->dues[shard];
	}
	if (assign->due < p->dues[at].at)
		p->dues[at] = (struct saga__due){ assign->due, true }; /* until its next batch */
	/* Without memory it is told after the next renewal. */
	(void)saga__lane_give_command(&p->lanes[at], &command);
	if (!p->has_thread[at])
		saga__wake(p);
}

/* No lease goes before the last batch under it is committed. */
static void give_up(struct saga_participant *p)
{
	const struct saga__lane_command release = { .kind = SAGA__COMMAND_RELEASE,
		.as.shards = p->giving };

	if (!p->giving || (p->giving & p->worked))
		return;
	p->giving = 0;
	(void)saga__lane_give_command(&p->lanes[0], &release);
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

void saga__shards_renewed(struct saga_participant *p, const struct saga__renewal *renewal)
{
	assert(renewal->live && !(renewal->given & ~renewal->leased));
	if (renewal->live != p->live)
		saga__log(p, SAGA_INFO, "instances.changed",
			"%u of %u shards are worked here: "
			"%u instances live",
			saga__share_count(renewal->worked), p->shards, renewal->live);
	p->live = renewal->live;
	p->wanted = renewal->worked;
	p->giving = renewal->given;
	for (size_t i = 0; p->life == SAGA__RUNS && i < p->lane_count; i++)
		assign_lane(p, i, renewal);
	give_up(p);
}

int saga__shards_assigned(
	struct saga_participant *p, size_t at, const struct saga__assigned *assigned)
{
	uint64_t part = saga__share_of_lane((unsigned)at, (unsigned)p->lane_count);
	uint64_t lost = p->worked & part & ~assigned->worked;
	int code;

	assert(!(assigned->worked & ~part) && p->rereads[at] >= assigned->rereads);
	p->uuid = assigned->uuid;
	p->birth = assigned->birth;
	__atomic_store_n(&p->shards, assigned->store_shards, __ATOMIC_RELAXED);
	p->worked = (p->worked & ~part) | assigned->worked;
	p->wanted &= ~assigned->unreadable; /* nothing waits for it */
	p->rereads[at] -= assigned->rereads;
	code = saga__streams_assigned(p, assigned, lost);
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

/* An event without room here is in the outbox, where its shard's worker will find it. */
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
