/* Counts of streams, for operators and for trimming. */

#include "inside.h"

uint64_t saga__streams_unseen(struct saga_participant *p)
{
	uint64_t unseen = 0;

	for (unsigned shard = 0; shard < p->shards; shard++) {
		if (saga__works(p, shard) && p->publishes[shard])
			unseen += saga__publish_unseen(p->publishes[shard]);
		if (saga__works(p, shard) && p->kept.relays[shard])
			unseen += saga__relay_unsent(p->kept.relays[shard]);
	}
	return unseen;
}

uint64_t saga__streams_seen(struct saga_participant *p, unsigned shard)
{
	if (p->kept.relays[shard])
		return saga__relay_settled(
			p->kept.relays[shard], saga__monotonic(&p->env), p->broker.quiet);
	return p->publishes[shard] ? saga__publish_seen_by_all(p->publishes[shard]) : 0;
}

static void count_frames(struct saga_participant *p, saga_health *health)
{
	const saga_transport_ops *ops = p->transport_ops;
	saga_transport_figures figures;

	if (p->life >= SAGA__CLOSES || !p->transport ||
		ops->size <= offsetof(saga_transport_ops, figures) || !ops->figures)
		return;
	ops->figures(p->transport, &figures);
	health->frames_sent = (int64_t)figures.sent;
	health->frames_received = (int64_t)figures.received;
	health->frames_refused = (int64_t)figures.refused;
	health->frames_lost = (int64_t)figures.lost;
}

/* A frame may claim any number to be behind, and there may be many streams. */
static int64_t add(int64_t sum, int64_t more)
{
	return sum > INT64_MAX - more ? INT64_MAX : sum + more;
}

void saga__streams_count(struct saga_participant *p, saga_health *health)
{
	count_frames(p, health);
	health->dropped = (int64_t)(p->bad_frames + p->streams_refused);
	health->silent = (int64_t)saga__rollcall_silent(&p->roll);
	for (unsigned shard = 0; shard < p->shards; shard++) {
		if (p->publishes[shard])
			health->resent +=
				(int64_t)saga__publish_counted(p->publishes[shard]).resent;
		if (p->kept.relays[shard])
			health->resent += (int64_t)saga__relay_resent(p->kept.relays[shard]);
	}
	for (struct saga__following *f = p->followings; f; f = f->next) {
		struct saga__follow_counts counts = saga__follow_counted(f->follow);

		__atomic_store_n(&f->lag, (int64_t)saga__follow_lag(f->follow), __ATOMIC_RELAXED);
		health->gaps += (int64_t)counts.gaps;
		health->asked += (int64_t)counts.needs;
		health->dropped += (int64_t)counts.forgotten;
		health->lag = add(health->lag, f->lag);
		health->stopped += saga__follow_stopped(f->follow);
	}
}
