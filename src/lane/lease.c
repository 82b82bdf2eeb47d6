/*
 * The instance's leases, kept by lane 0: one round trip each third of a lease, which also shows
 * what others left in the store, so that nothing else asks it while nothing happens.
 *
 * A lease is advice. So at its first look an instance works, besides its share, what belongs to
 * others that it has never seen renewing: they may have been killed a moment ago, and then nobody
 * would work it until their leases end. They get no share of the vacant shards either, which would
 * wait for them in vain. Who renews lives, and is let alone from then on.
 */

#include <stdio.h>
#include <string.h>

#include "inside.h"

enum {
	COUNT_MS = 300000, /* while others change what is counted */
	AGAIN_MS = 20
};

bool saga__lane_is_to_renew(const struct saga__lane *lane)
{
	return lane->options.number == 0 && saga__monotonic(lane->options.env) >= lane->lease.at;
}

/* ---- who is there ---- */

/* Where we stand among those that live. */
struct standing {
	uint64_t leased; /* ours */
	uint64_t vacant;
	uint64_t doubtful;
	unsigned live;
	unsigned trusted, rank; /* those that get a share, and our place among them */
	int64_t soonest;        /* when the first of the others will be gone, unless it renews */
};

static const struct saga__instance *find(
	const struct saga__instance *instances, size_t count, saga_id id)
{
	for (size_t i = 0; i < count; i++)
		if (saga__id_same(instances[i].id, id))
			return &instances[i];
	return NULL;
}

static void doubt_all(struct saga__keeper *keeper, const struct saga__leases *leases, saga_id me)
{
	if (keeper->looked)
		return;
	keeper->looked = true;
	for (size_t i = 0; i < leases->instance_count; i++)
		if (!saga__id_same(leases->instances[i].id, me))
			keeper->doubted[keeper->doubted_count++] = leases->instances[i];
}

/* An instance that has renewed since it was first seen is trusted for good. */
static void trust_living(struct saga__keeper *keeper, const struct saga__leases *leases)
{
	size_t kept = 0;

	for (size_t i = 0; i < keeper->doubted_count; i++) {
		const struct saga__instance *now =
			find(leases->instances, leases->instance_count, keeper->doubted[i].id);

		if (now && now->until == keeper->doubted[i].until)
			keeper->doubted[kept++] = keeper->doubted[i];
	}
	keeper->doubted_count = kept;
}

static void find_shards(
	const struct saga__lane *lane, const struct saga__leases *leases, struct standing *standing)
{
	const struct saga__keeper *keeper = &lane->lease;

	for (unsigned shard = 0; shard < lane->journal.shards; shard++) {
		saga_id holder = leases->at[shard].holder;
		uint64_t bit = 1ull << shard;

		if (saga__id_same(holder, lane->options.instance))
			standing->leased |= bit;
		else if (!find(leases->instances, leases->instance_count, holder))
			standing->vacant |= bit;
		else if (find(keeper->doubted, keeper->doubted_count, holder))
			standing->doubtful |= bit;
	}
}

static struct standing stand(struct saga__lane *lane, const struct saga__leases *leases)
{
	struct standing standing = { .soonest = SAGA__NEVER };
	saga_id me = lane->options.instance;

	doubt_all(&lane->lease, leases, me);
	trust_living(&lane->lease, leases);
	for (size_t i = 0; i < leases->instance_count; i++) {
		const struct saga__instance *other = &leases->instances[i];

		if (saga__id_same(other->id, me))
			continue;
		standing.live++;
		if (!find(lane->lease.doubted, lane->lease.doubted_count, other->id)) {
			standing.trusted++;
			standing.rank += memcmp(&other->id, &me, sizeof me) < 0;
		}
		if (other->until < standing.soonest)
			standing.soonest = other->until;
	}
	standing.live++;
	standing.trusted++;
	find_shards(lane, leases, &standing);
	return standing;
}

/* ---- our share ---- */

static int take_share(struct saga__lane *lane, const struct saga__leases *leases,
	struct standing *standing, struct saga__renewal *renewal, saga_error *error)
{
	unsigned share = saga__share_of(lane->journal.shards, standing->trusted, standing->rank);
	unsigned held = saga__share_count(standing->leased), lanes = lane->options.count;
	uint64_t wanted = 0, taken = 0;
	int code = SAGA_OK;

	if (held < share)
		wanted = saga__share_take(standing->vacant, standing->leased, share - held, lanes);
	if (wanted)
		code = saga__journal_take(
			&lane->journal, lane->options.instance, wanted, leases, &taken, error);
	if (code != SAGA_OK)
		return code;
	standing->leased |= taken;
	if (held > share)
		renewal->given = saga__share_give(standing->leased, held - share, lanes);
	renewal->leased = standing->leased;
	renewal->worked = (standing->leased & ~renewal->given) | standing->doubtful;
	renewal->live = standing->live;
	return SAGA_OK;
}

/* A lane counts its own changes only: others may run foreign batches in its shards. */
static bool is_to_count(struct saga__lane *lane, const struct standing *standing)
{
	int64_t now = saga__monotonic(lane->options.env);

	if (standing->live == 1 || (!lane->options.counts && now < lane->lease.count_at))
		return false;
	lane->lease.count_at = now + COUNT_MS;
	return true;
}

/* ---- the clock ---- */

static void put_span(int64_t ms, char *text, size_t size)
{
	int64_t minutes = ms / 60000;

	(void)snprintf(text, size, "%lld d %lld h %lld min", (long long)(minutes / 1440),
		(long long)(minutes / 60 % 24), (long long)(minutes % 60));
}

/* A store that was not used for long looks as if its clock had leapt: that is no alarm yet. */
void saga__lane_tell_clock(struct saga__lane *lane, bool opened)
{
	static const struct {
		enum saga_level level;
		const char *what, *text;
	} said[] = {
		[SAGA__CLOCK_LEAPT] = { SAGA_ALARM, "clock.leapt",
			"the clock is %s ahead of store time. Nothing falls due or is deleted by "
			"it, unless it stays so for 10 minutes: set it right before, if it is "
			"wrong" },
		[SAGA__CLOCK_FOLLOWED] = { SAGA_ALARM, "clock.followed",
			"the clock has stayed %s ahead: store time follows it. What fell due in "
			"between is due now; what is old is deleted, an hour of age a minute" },
		[SAGA__CLOCK_WENT_BACK] = { SAGA_ALARM, "clock.went_back",
			"the clock is %s behind store time, which does not go back: due times "
			"hold, and times that are written are ahead of the clock" },
		[SAGA__CLOCK_AGREES] = { SAGA_INFO, "clock.agrees",
			"the clock is within an hour of store time again (%s)" },
	};
	enum saga__clock_news news = lane->journal.clock_news;
	int64_t by = lane->journal.clock_by;
	char span[64], text[320];

	lane->journal.clock_news = SAGA__CLOCK_AS_BEFORE;
	if (news == SAGA__CLOCK_AS_BEFORE || lane->options.number)
		return;
	put_span(by < 0 ? -by : by, span, sizeof span);
	(void)snprintf(text, sizeof text, said[news].text, span);
	saga__lane_log(lane,
		opened && news == SAGA__CLOCK_LEAPT ? (int)SAGA_WARNING : (int)said[news].level,
		said[news].what, text);
}

/* ---- the renewal ---- */

/* An instance that is gone is noticed when its lease ends, not a third of a lease later. */
static void plan_next(struct saga__lane *lane, const struct standing *standing)
{
	int64_t wait = lane->options.lease_ms / 3;

	if (standing->soonest != SAGA__NEVER) {
		int64_t left = standing->soonest - saga__journal_now(&lane->journal) + 1;

		if (left < wait)
			wait = left > AGAIN_MS ? left : AGAIN_MS;
	}
	lane->lease.at = saga__monotonic(lane->options.env) + wait;
}

static int renew(struct saga__lane *lane, struct saga__renewal *renewal, saga_error *error)
{
	struct saga__leases leases;
	struct standing standing;
	int code = saga__journal_renew(
		&lane->journal, lane->options.instance, lane->options.lease_ms, &leases, error);

	if (code != SAGA_OK)
		return code;
	saga__lane_tell_clock(lane, false);
	lane->lease.halts = leases.halts > 0;
	standing = stand(lane, &leases);
	if ((code = take_share(lane, &leases, &standing, renewal, error)) != SAGA_OK)
		return code;
	renewal->recount = is_to_count(lane, &standing);
	renewal->clock = lane->journal.clock;
	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++) {
		bool is_there = shard < lane->journal.shards;

		renewal->seqs[shard] = is_there ? leases.at[shard].seq : 0;
		renewal->dues[shard] = is_there ? leases.at[shard].due : SAGA__NEVER;
	}
	plan_next(lane, &standing);
	return SAGA_OK;
}

void saga__lane_renew(struct saga__lane *lane)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_RENEWED);
	saga_error error;
	int code = notification ? renew(lane, &notification->as.renewal, &error)
				: saga_error_set(&error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK) {
		lane->options.notify(lane->options.host, notification);
		notification = NULL;
		if (lane->lease.halts || lane->has_halts)
			code = saga__lane_tell_halts(lane, NULL, false, &error);
	}
	if (code == SAGA_OK)
		return;
	saga__notification_free(notification);
	if (code == SAGA_TWINS) {
		saga__lane_give_up(lane, &error);
		return;
	}
	saga__lane_log_refusal(lane, &error);
	saga__lane_failed(lane, &error, saga__is_lost(code));
}
