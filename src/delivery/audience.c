#include "audience.h"

#include <stdlib.h>
#include <string.h>

int saga__audience_init(struct saga__audience *audience, const char *const *names, int alive_ms)
{
	size_t count = 0;

	while (names && names[count])
		count++;
	*audience = (struct saga__audience){ .count = count, .alive_ms = alive_ms };
	audience->at = calloc(count + 1, sizeof *audience->at);
	if (!audience->at)
		return SAGA_NOMEM;
	for (size_t i = 0; i < count; i++) {
		audience->at[i].name = names[i];
		audience->at[i].declared = true;
	}
	audience->at[count].name = audience->stranger;
	saga__audience_reckon(audience, 0, 0, 0, 0);
	return SAGA_OK;
}

static void forget(struct saga__follower *follower)
{
	const char *name = follower->name;
	bool declared = follower->declared;

	free(follower->listeners);
	*follower = (struct saga__follower){ .name = name, .declared = declared };
}

void saga__audience_reset(struct saga__audience *audience)
{
	for (size_t i = 0; i <= audience->count; i++)
		forget(&audience->at[i]);
	audience->stranger[0] = 0;
}

void saga__audience_free(struct saga__audience *audience)
{
	if (audience->at)
		saga__audience_reset(audience);
	free(audience->at);
	audience->at = NULL;
}

struct saga__follower *saga__audience_find(struct saga__audience *audience, const char *name)
{
	struct saga__follower *stranger = &audience->at[audience->count];

	for (size_t i = 0; i < audience->count; i++)
		if (strcmp(audience->at[i].name, name) == 0)
			return &audience->at[i];
	if (strcmp(audience->stranger, name) == 0)
		return stranger;
	if (stranger->answer.active || stranger->answer.gone || stranger->claim.waits ||
		stranger->alarm || strlen(name) >= sizeof audience->stranger)
		return NULL;
	forget(stranger);
	memcpy(audience->stranger, name, strlen(name) + 1);
	return stranger;
}

/* Another number of shards is another store behind the name: what the old one said is void. */
static bool shards_are(struct saga__follower *follower, uint32_t of)
{
	struct saga__listener *listeners;

	if (follower->of == of)
		return true;
	listeners = calloc(of, sizeof *listeners);
	if (!listeners)
		return false;
	free(follower->listeners);
	follower->listeners = listeners;
	follower->of = of;
	follower->unverified = of;
	return true;
}

bool saga__follower_heard(struct saga__follower *follower, uint32_t shard, uint32_t of,
	uint64_t seq, bool verified, int64_t now)
{
	struct saga__listener *listener;
	bool moved;

	if (!of || of > SAGA__SHARDS_MOST || shard >= of || !shards_are(follower, of))
		return false;
	listener = &follower->listeners[shard];
	moved = !listener->alive || seq > listener->seq || (verified && !listener->verified);
	if (verified && !listener->verified) {
		listener->verified = true;
		follower->unverified--;
	}
	listener->known = true;
	listener->alive = true;
	listener->heard = now;
	if (seq > listener->seq)
		listener->seq = seq;
	if (!follower->unverified)
		follower->forked = false;
	return moved;
}

void saga__follower_fork(struct saga__follower *follower)
{
	follower->forked = true;
	follower->answer.active = false;
	follower->answer.gone = 0;
	follower->unverified = follower->of;
	if (follower->of)
		memset(follower->listeners, 0, follower->of * sizeof *follower->listeners);
}

void saga__answer_end(struct saga__answer *answer, int64_t now)
{
	answer->active = false;
	answer->last = answer->from;
	answer->last_at = now;
}

static void reckon_listener(struct saga__audience *audience, struct saga__listener *listener,
	uint64_t sent, int64_t owed_since, int64_t now)
{
	int64_t since = listener->heard > owed_since ? listener->heard : owed_since;
	bool owes = listener->seq < sent;

	if (owes && now - since >= audience->alive_ms)
		listener->alive = false;
	if (!listener->alive)
		return;
	audience->anyone = true;
	if (listener->seq < audience->floor)
		audience->floor = listener->seq;
	if (owes && since + audience->alive_ms < audience->fades)
		audience->fades = since + audience->alive_ms;
}

static void reckon_follower(struct saga__audience *audience, struct saga__follower *follower,
	uint64_t last, uint64_t sent, int64_t owed_since, int64_t now)
{
	follower->least = follower->forked || !follower->of ? 0 : UINT64_MAX;
	if (follower->forked || !follower->of) {
		audience->by_all = 0;
		audience->behind = true;
		return;
	}
	for (uint32_t i = 0; i < follower->of; i++) {
		struct saga__listener *listener = &follower->listeners[i];

		if (listener->seq < follower->least)
			follower->least = listener->seq;
		if (listener->known)
			reckon_listener(audience, listener, sent, owed_since, now);
		if (!listener->verified)
			audience->by_all = 0;
		else if (listener->seq < audience->by_all)
			audience->by_all = listener->seq;
		if (!listener->known || listener->seq < last)
			audience->behind = true;
	}
}

void saga__audience_reckon(struct saga__audience *audience, uint64_t last, uint64_t sent,
	int64_t owed_since, int64_t now)
{
	audience->anyone = false;
	audience->floor = UINT64_MAX;
	audience->fades = INT64_MAX;
	audience->by_all = last;
	audience->behind = false;
	for (size_t i = 0; i < audience->count; i++)
		reckon_follower(audience, &audience->at[i], last, sent, owed_since, now);
}
