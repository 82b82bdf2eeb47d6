/*
 * The streams of others that are followed here, and the positions known of them.
 *
 * Anyone who can send may claim a stream, so their number is limited: those of participants that
 * the option `follows` names, so many in all, so many stores at once under one name. A stream that
 * has been silent for longer than its owner's signs of life allow makes room for another one; the
 * positions that it leaves are where it goes on once it is heard again.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "inside.h"

enum {
	NEED_MIN_MS = 20,
	NEED_MAX_MS = 2000,
	MOVE_MS = 200,
	MOVE_MOST_MS = 2000,
	SILENT_MS = 60000, /* three signs of life */
	STORES_MOST = 4,   /* heard lately under one name */
	TELL_MS = 10000,
};

/* ---- positions ---- */

/* The lane has just read the positions of the gained shards; they replace the known ones. */
int saga__followings_keep_stands(struct saga_participant *p, const struct saga__assigned *assigned)
{
	struct saga__stand *stands =
		calloc(p->stand_count + assigned->stands.count + 1, sizeof *stands);
	size_t count = 0;

	if (!stands)
		return SAGA_NOMEM;
	for (size_t i = 0; i < p->stand_count; i++)
		if (!(assigned->gained >> p->stands[i].shard & 1))
			stands[count++] = p->stands[i];
	if (assigned->stands.count)
		memcpy(stands + count, assigned->stands.at,
			assigned->stands.count * sizeof *stands);
	free(p->stands);
	p->stands = stands;
	p->stand_count = count + assigned->stands.count;
	return SAGA_OK;
}

/* As it was read when the shard was gained. */
struct saga__position saga__streams_stand(
	const struct saga_participant *p, const struct saga__stream *stream, unsigned shard)
{
	for (size_t i = 0; i < p->stand_count; i++)
		if (p->stands[i].shard == shard &&
			saga__stream_same(&p->stands[i].source.stream, stream))
			return p->stands[i].position;
	return (struct saga__position){ 0, { { 0 } } };
}

void saga__following_restart(
	struct saga_participant *p, struct saga__following *following, uint64_t gained)
{
	struct saga__position positions[SAGA__STORE_SHARDS] = { { 0 } };
	bool works[SAGA__STORE_SHARDS] = { false };

	for (unsigned shard = 0; shard < p->shards && shard < SAGA__STORE_SHARDS; shard++) {
		works[shard] = saga__knows(p, shard);
		if (gained >> shard & 1)
			positions[shard] = SAGA__MUTANT(gained_as_it_was)
				? (struct saga__position){ saga__follow_delivered(
								   following->follow),
					  { { 0 } } }
				: saga__streams_stand(p, &following->source.stream, shard);
		else if (works[shard])
			positions[shard] = saga__follow_position(following->follow, shard);
	}
	saga__follow_restart(
		following->follow, positions, works, saga__is_forked(p, &following->source.stream));
}

void saga__streams_forget(struct saga_participant *p)
{
	for (struct saga__following *f = p->followings; f; f = f->next)
		saga__following_restart(p, f, 0);
}

/* ---- which are followed ---- */

static struct saga__following *new_following(
	struct saga_participant *p, const struct saga__source *source)
{
	struct saga__position positions[SAGA__STORE_SHARDS] = { { 0 } };
	bool works[SAGA__STORE_SHARDS] = { false };
	struct saga__follow_config config = {
		.group = p->plan->name,
		.owner = source->owner,
		.stream = source->stream,
		.shards = p->shards,
		.positions = positions,
		.works = works,
		.fresh = true,
		.forked = saga__is_forked(p, &source->stream),
		.window = p->limits.window,
		.need_min_ms = NEED_MIN_MS,
		.need_max_ms = NEED_MAX_MS,
		.move_ms = MOVE_MS,
		.move_most_ms = MOVE_MOST_MS,
		.env = &p->env,
		.room = &p->room,
	};
	struct saga__following *following = calloc(1, sizeof *following);

	if (!following)
		return NULL;
	for (unsigned shard = 0; shard < p->shards && shard < SAGA__STORE_SHARDS; shard++) {
		works[shard] = saga__knows(p, shard);
		if (works[shard])
			positions[shard] = saga__streams_stand(p, &source->stream, shard);
		if (positions[shard].seq)
			config.fresh = false;
	}
	following->source = *source;
	following->heard = saga__monotonic(&p->env);
	if (saga__follow_new(&config, &following->follow) != SAGA_OK) {
		free(following);
		return NULL;
	}
	saga__follow_hold(following->follow, p->held);
	uv_mutex_lock(&p->lock); /* saga_metrics reads the list on any thread */
	following->next = p->followings;
	p->followings = following;
	p->following_count++;
	uv_mutex_unlock(&p->lock);
	return following;
}

static void free_following(struct saga_participant *p, struct saga__following **link)
{
	struct saga__following *following = *link;

	uv_mutex_lock(&p->lock);
	*link = following->next;
	assert(p->following_count);
	p->following_count--;
	uv_mutex_unlock(&p->lock);
	saga__follow_free(following->follow);
	free(following);
}

static struct saga__following *find(
	const struct saga_participant *p, const struct saga__stream *stream)
{
	struct saga__following *following = p->followings;

	while (following && !saga__stream_same(&following->source.stream, stream))
		following = following->next;
	return following;
}

struct saga__following *saga__following_of(
	struct saga_participant *p, const struct saga__source *source)
{
	struct saga__following *following = find(p, &source->stream);

	return following ? following : new_following(p, source);
}

/* ---- which may be ---- */

static bool is_named(const struct saga_participant *p, const char *owner)
{
	if (!p->follows)
		return true;
	for (char **name = p->follows; *name; name++)
		if (strcmp(*name, owner) == 0)
			return true;
	return false;
}

/* One store of `owner` is counted by the first of its streams in the list. */
static bool is_first_of_store(
	const struct saga_participant *p, const struct saga__following *following)
{
	const struct saga__following *f = p->followings;

	while (!saga__id_same(f->source.stream.store, following->source.stream.store))
		f = f->next;
	return f == following;
}

static bool has_too_many_stores(const struct saga_participant *p, const struct saga__source *source)
{
	unsigned stores = 0;

	for (const struct saga__following *f = p->followings; f; f = f->next) {
		if (strcmp(f->source.owner, source->owner) != 0)
			continue;
		if (saga__id_same(f->source.stream.store, source->stream.store))
			return false;
		stores += is_first_of_store(p, f);
	}
	return stores >= STORES_MOST;
}

/* The owners of streams without number can only be forgers, or the limit is too low. */
static void refuse(struct saga_participant *p, const struct saga__source *source, const char *why)
{
	int64_t now = saga__monotonic(&p->env);

	p->streams_refused++;
	if (p->refusal_told && now - p->refusal_told < TELL_MS)
		return;
	p->refusal_told = now;
	saga__log(p, SAGA_WARNING, "stream.refused",
		"a stream of %s is not followed: %s (%llu frames refused so far)", source->owner,
		why, (unsigned long long)p->streams_refused);
}

struct saga__following *saga__following_heard(
	struct saga_participant *p, const struct saga__source *source)
{
	struct saga__following *following = find(p, &source->stream);

	if (!following && !is_named(p, source->owner))
		return NULL;
	if (!following && has_too_many_stores(p, source)) {
		refuse(p, source, "too many stores publish under that name");
		return NULL;
	}
	if (!following && p->following_count >= p->limits.streams) {
		refuse(p, source, "limits.streams are followed already");
		return NULL;
	}
	if (!following && !(following = new_following(p, source)))
		return NULL;
	following->heard = saga__monotonic(&p->env);
	return following;
}

/* ---- those that are silent ---- */

static bool put_stand(struct saga_participant *p, const struct saga__stand *stand)
{
	struct saga__stand *more;

	for (size_t i = 0; i < p->stand_count; i++)
		if (p->stands[i].shard == stand->shard &&
			saga__stream_same(&p->stands[i].source.stream, &stand->source.stream)) {
			p->stands[i] = *stand;
			return true;
		}
	if (!(more = realloc(p->stands, (p->stand_count + 1) * sizeof *more)))
		return false;
	p->stands = more;
	p->stands[p->stand_count++] = *stand;
	return true;
}

/* False: out of memory, and the stream stays. */
static bool leave_stands(struct saga_participant *p, const struct saga__following *following)
{
	bool stays = false;

	for (unsigned shard = 0; shard < p->shards && shard < SAGA__STORE_SHARDS && !stays;
		shard++) {
		struct saga__stand stand = { .source = following->source, .shard = shard };

		if (!saga__knows(p, shard))
			continue;
		stand.position = saga__follow_position(following->follow, shard);
		stays = stand.position.seq && !put_stand(p, &stand);
	}
	return !stays;
}

/* A command is carried out on it, or it is stopped, which an operator must be able to see. */
static bool is_needed(const struct saga__following *following)
{
	return following->ordered || following->resets || saga__follow_stopped(following->follow);
}

void saga__followings_fade(struct saga_participant *p)
{
	int64_t now = saga__monotonic(&p->env);
	struct saga__following **link = &p->followings;

	if (now - p->faded < SILENT_MS / 6)
		return;
	p->faded = now;
	while (*link) {
		struct saga__following *following = *link;

		if (now - following->heard >= SILENT_MS && !is_needed(following) &&
			leave_stands(p, following))
			free_following(p, link);
		else
			link = &following->next;
	}
}

void saga__followings_free(struct saga_participant *p)
{
	while (p->followings)
		free_following(p, &p->followings);
}
