/*
 * When all faults are over, nothing waits for longer than it has to. Not that it comes to rest in
 * the end: that also the renewal of a lease, or a restart, brings about, in seconds. So what is
 * due, what was said and what was asked is to be taken up within a stated time.
 */

#include <stdio.h>

#include "world.h"

enum {
	/* After the faults: leases of the dead, by clocks that were off, and back-offs are over. */
	AGAIN_MS = 60000,
	LATE_MS = 2500, /* less than the third of a lease */
	EPOCH_SIZE = 200
};

static int take_row(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	(void)snprintf(context, EPOCH_SIZE, "%.*s of step %.*s", (int)c[0].as.bytes.size,
		(const char *)c[0].as.bytes.at, (int)c[1].as.bytes.size,
		(const char *)c[1].as.bytes.at);
	return SAGA_OK;
}

/* A due row is taken up. A call that goes on is not made again meanwhile. */
static void check_due(struct saga__member *member)
{
	const saga_value due = saga_int64(saga__member_wall(member) - LATE_MS);
	const saga_statement statement = { "SELECT kind, step FROM saga_parked WHERE due < ?"
					   " AND kind NOT IN ('held', 'letter', 'call')"
					   " ORDER BY due LIMIT 1",
		&due, 1 };
	char text[EPOCH_SIZE] = "";
	saga_sink sink = { take_row, NULL, text };
	saga_error error;

	if (saga_store_builtin("sqlite")->run(member->store, &statement, 1, &sink, &error) ==
			SAGA_OK &&
		*text)
		saga__sim_breach(member->sim, "late: %s: %s is due for more than %d ms",
			member->def.name, text, (int)LATE_MS);
}

/* The last event that was said so long ago; 0: none. */
static uint64_t last_old(const struct saga__known_stream *stream, int64_t before)
{
	uint64_t seq = stream->count;

	while (seq && stream->events[seq - 1].at > before)
		seq--;
	return seq;
}

/* Nobody has to look at an event that no step here is on. */
static bool concerns(const struct saga__member *member, const struct saga__known_event *event)
{
	const struct saga__known *known =
		saga__plan_type(member->plan, event->type, event->version);

	return known && known->route_count;
}

static void check_stream(struct saga__member *owner, unsigned of)
{
	saga_sim *sim = owner->sim;
	const struct saga__known_stream *stream = &owner->mirror->streams[of];
	uint64_t old = last_old(stream, sim->now - LATE_MS * SAGA__SIM_MS), seq = old;

	while (seq > stream->own && !concerns(owner, &stream->events[seq - 1]))
		seq--;
	if (stream->own < seq)
		saga__sim_breach(sim,
			"late: %s has its own event %llu for more than %d ms, and is at %llu",
			owner->def.name, (unsigned long long)seq, (int)LATE_MS,
			(unsigned long long)stream->own);
	for (size_t i = 0; owner->followers[i] && !sim->options.durable; i++) {
		const struct saga__member *to = saga__sim_member(sim, owner->followers[i]);

		for (unsigned shard = 0; to && shard < to->shards; shard++)
			if (to->mirror->positions[owner->first->number][of][shard] < old)
				saga__sim_breach(sim,
					"late: event %llu of %s is not in %s after %d ms",
					(unsigned long long)old, owner->def.name, to->def.name,
					(int)LATE_MS);
	}
}

void saga__check_late(saga_sim *sim)
{
	if (!sim->healing || sim->now < sim->healed_at + AGAIN_MS * SAGA__SIM_MS)
		return;
	for (size_t i = 0; i < sim->member_count; i++) {
		struct saga__member *member = sim->members[i];

		if (member->first != member || !member->mirror->watching)
			continue;
		check_due(member);
		/* A row that waits for an operator is not late. */
		for (unsigned shard = 0; !sim->restored && shard < member->shards; shard++)
			check_stream(member, shard);
	}
	saga__clients_check_late(sim, sim->now - LATE_MS * SAGA__SIM_MS, (int)LATE_MS);
}
