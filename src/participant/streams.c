/* The delivery machines at work: frames in and out, streams followed and published. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/peek.h"
#include "../mutation.h"
#include "inside.h"

#define UNREADABLE "an event that can't be read"

enum {
	BEAT_MIN_MS = 50,
	BEAT_MAX_MS = 2000,
	ALIVE_MS = 6000,
	RING = 1024,
};

/* ---- opening ---- */

static int start_publish(
	struct saga_participant *p, unsigned shard, const struct saga__stream_row *row)
{
	const struct saga__publish_config config = {
		.name = p->plan->name,
		.stream = { p->uuid, shard },
		.followers = (const char *const *)p->followers,
		.window = p->limits.window,
		.ring = p->limits.window > RING ? p->limits.window : RING,
		.beat_min_ms = BEAT_MIN_MS,
		.beat_max_ms = BEAT_MAX_MS,
		.alive_ms = ALIVE_MS,
	};
	int code = SAGA_OK;

	if (!p->publishes[shard])
		code = saga__publish_new(&config, &p->publishes[shard]);
	if (code == SAGA_OK)
		saga__publish_start(p->publishes[shard], row->first, row->seq, row->last,
			saga__monotonic(&p->env));
	return code;
}

int saga__streams_assigned(
	struct saga_participant *p, const struct saga__assigned *assigned, uint64_t lost)
{
	int code = assigned->gained ? saga__followings_keep_stands(p, assigned) : SAGA_OK;

	for (unsigned shard = 0; shard < p->shards; shard++) {
		if (p->publishes[shard] && (lost >> shard & 1))
			saga__publish_stop(p->publishes[shard]);
		if (p->kept.relays[shard] && (lost >> shard & 1))
			saga__relay_stop(p->kept.relays[shard]);
		if (p->keeps && (lost >> shard & 1))
			saga__broker_stop(p, shard);
	}
	for (size_t i = 0; code == SAGA_OK && i < assigned->stream_count; i++) {
		unsigned shard = assigned->streams[i].shard;

		/* After a reconnection it goes on: what it missed comes with the next batch. */
		if (!(assigned->gained >> shard & 1))
			continue;
		p->epochs[shard] = assigned->streams[i].epoch;
		p->orders[shard] = assigned->orders;
		if (p->keeps)
			code = saga__kept_start(p, shard, &assigned->streams[i].stream);
		else if (p->transport_ops)
			code = start_publish(p, shard, &assigned->streams[i].stream);
	}
	if (p->keeps)
		saga__kept_work(p, assigned->gained);
	for (struct saga__following *f = p->followings; f && (assigned->gained | lost); f = f->next)
		saga__following_restart(p, f, assigned->gained);
	return code;
}

/* ---- frames that came ---- */

bool saga__streams_peek(struct saga_participant *p, saga_bytes event, struct saga__peek *ret_peek)
{
	struct saga_event decoded;

	if (saga__event_peek(event, ret_peek))
		return true;
	saga__arena_reset(&p->arena);
	if (saga__event_decode(p->decoder, &p->arena, event, &decoded, NULL) != SAGA_OK)
		return false;
	ret_peek->id = decoded.id;
	ret_peek->saga = decoded.saga;
	ret_peek->version = decoded.version;
	/* Decoding holds both to their limits. */
	assert(strlen(decoded.type) < sizeof ret_peek->type);
	assert(strlen(decoded.source) < sizeof ret_peek->source);
	memcpy(ret_peek->type, decoded.type, strlen(decoded.type) + 1);
	memcpy(ret_peek->source, decoded.source, strlen(decoded.source) + 1);
	return true;
}

void saga__streams_bad_frame(struct saga_participant *p, const char *why)
{
	p->bad_frames++;
	saga__log(p, SAGA_WARNING, "frame.bad", "%s", why);
}

static bool is_twin(struct saga_participant *p, const struct saga__message *message)
{
	saga_error error;

	if (strcmp(message->from, p->plan->name) != 0 ||
		saga__id_same(message->stream.store, p->uuid))
		return false;
	(void)saga_error_set(&error, SAGA_TWINS,
		"another store runs under the name %s: both stop, until one is renamed",
		p->plan->name);
	/* So that the other one hears of this one, too. */
	for (unsigned shard = 0; shard < p->shards; shard++)
		if (p->publishes[shard] && p->transport) {
			struct saga__message own = {
				.kind = SAGA__BEAT, .stream = { p->uuid, shard }, .first = 1
			};
			unsigned char bytes[SAGA__FRAME_HEAD];
			saga_frame frame = { .topic = SAGA__EVENTS_TOPIC };
			size_t sent;

			memcpy(own.from, message->from, sizeof own.from);
			frame.bytes = (saga_bytes){ bytes,
				saga__frame_encode(&own, bytes, sizeof bytes) };
			(void)p->transport_ops->send(p->transport, &frame, 1, &sent);
		}
	saga__fatal(p, &error);
	return true;
}

/* Of our own stream: another instance has committed for a shard that we work. */
static void take_own_frame(struct saga_participant *p, const struct saga__message *message)
{
	unsigned shard = message->stream.shard;

	if (message->kind == SAGA__EVENT && shard < p->shards && saga__works(p, shard) &&
		p->publishes[shard] && message->last > saga__publish_last(p->publishes[shard]))
		saga__lane_look(saga__lane_of(p, shard));
}

static void take_stream_frame(struct saga_participant *p, const struct saga__message *message)
{
	struct saga__source source = { .stream = message->stream };
	struct saga__following *following;
	struct saga__peek seen = { .version = 0 };

	if (is_twin(p, message))
		return;
	if (strcmp(message->from, p->plan->name) == 0) {
		take_own_frame(p, message);
		return;
	}
	memcpy(source.owner, message->from, sizeof source.owner);
	following = saga__following_heard(p, &source);
	/* One that can't be read has its place in the stream all the same, but no id. */
	if (following && message->kind == SAGA__EVENT &&
		!saga__streams_peek(p, message->event, &seen))
		saga__streams_bad_frame(p, UNREADABLE);
	if (following)
		saga__follow_message(following->follow, message, seen.id, saga__monotonic(&p->env));
}

static void take_frame(struct saga_participant *p, saga_bytes bytes)
{
	struct saga__message message;
	saga_error error;

	if (saga__frame_decode(bytes, &message, &error) != SAGA_OK) {
		saga__streams_bad_frame(p, error.text);
		return;
	}
	if (message.kind == SAGA__NEED || message.kind == SAGA__SEEN) {
		if (!saga__id_same(message.stream.store, p->uuid) ||
			message.stream.shard >= p->shards)
			return;
		saga__followers_heard(p, &message);
		if (p->publishes[message.stream.shard])
			saga__publish_message(p->publishes[message.stream.shard], &message,
				saga__monotonic(&p->env));
	} else {
		take_stream_frame(p, &message);
	}
}

static void take_frames(struct saga_participant *p)
{
	struct saga__frame *frame, *all;
	bool refused;

	all = saga__inbox_take(p, &refused);
	while ((frame = all)) {
		all = frame->next;
		if (p->life == SAGA__RUNS)
			take_frame(p, saga__blob_bytes(frame->bytes));
		saga__inbox_free(frame);
	}
	if (refused && p->transport && p->transport_ops->resume)
		p->transport_ops->resume(p->transport);
}

/* ---- frames that go ---- */

static bool flush_waiting(struct saga_participant *p)
{
	size_t sent = 0;

	if (!p->waiting.topic)
		return true;
	if (!p->transport || !__atomic_exchange_n(&p->writable, false, __ATOMIC_ACQ_REL))
		return false;
	if (p->transport_ops->send(p->transport, &p->waiting, 1, &sent) == SAGA_OK && !sent)
		return false;
	/* Sent; or the transport is away and it is lost, which is what delivery mends. */
	p->waiting.topic = NULL;
	__atomic_store_n(&p->writable, true, __ATOMIC_RELEASE);
	return true;
}

static void send_message(
	struct saga_participant *p, const struct saga__message *message, const char *to)
{
	size_t room = message->event.size + SAGA__FRAME_HEAD;

	if (room > p->frame_room) {
		char *more = realloc(p->frame, room);

		if (!more)
			return; /* as if it was lost */
		p->frame = more;
		p->frame_room = room;
	}
	p->frame_size = saga__frame_encode(message, p->frame, p->frame_room);
	if (to)
		(void)snprintf(p->topic, sizeof p->topic, "to.%s", to);
	p->waiting = (saga_frame){ .topic = to ? p->topic : SAGA__EVENTS_TOPIC,
		.bytes = { p->frame, p->frame_size } };
}

static void do_publish_effect(
	struct saga_participant *p, unsigned shard, const struct saga__publish_effect *effect)
{
	const struct saga__lane_command read = { .kind = SAGA__COMMAND_READ,
		.as.read = { .shard = shard,
			.first = effect->first,
			.last = effect->last,
			.reach = effect->last > saga__publish_last(p->publishes[shard]),
			.most = (size_t)(effect->last - effect->first + 1) } };

	switch (effect->kind) {
	case SAGA__PUBLISH_SEND:
		send_message(p, &effect->message, effect->to);
		break;
	case SAGA__PUBLISH_READ:
		if (saga__lane_give_command(saga__lane_of(p, shard), &read) != SAGA_OK)
			saga__publish_read_end(
				p->publishes[shard], false, saga__monotonic(&p->env));
		break;
	case SAGA__PUBLISH_FORK:
		saga__log(p, SAGA_ALARM, "stream.forked", "follower %s has another history: %s",
			effect->to, effect->text);
		break;
	}
}

/* Once, and whoever works the shard answers who missed it. */
static void send_foreign(struct saga_participant *p)
{
	struct saga__foreign_event *foreign;

	while ((foreign = p->foreign) && flush_waiting(p)) {
		struct saga__message message = { .kind = SAGA__EVENT,
			.stream = { p->uuid, foreign->sent.shard },
			.last = foreign->sent.seq,
			.id = foreign->sent.before,
			.event = saga__blob_bytes(foreign->sent.event) };

		memcpy(message.from, p->plan->name, strlen(p->plan->name) + 1);
		send_message(p, &message, NULL);
		saga__drop_foreign(p);
	}
}

static void publish_all(struct saga_participant *p)
{
	struct saga__publish_effect effect;
	int64_t now = saga__monotonic(&p->env);

	for (unsigned shard = 0; shard < p->shards; shard++)
		while (p->publishes[shard] && flush_waiting(p) &&
			saga__publish_next(p->publishes[shard], now, &effect))
			do_publish_effect(p, shard, &effect);
	send_foreign(p);
}

/* ---- events for our lanes ---- */

static bool is_too_young(struct saga_participant *p, saga_bytes event)
{
	struct saga_event decoded;

	if (p->options.start != SAGA_FROM_NOW)
		return false;
	saga__arena_reset(&p->arena);
	return saga__event_decode(p->decoder, &p->arena, event, &decoded, NULL) == SAGA_OK &&
		decoded.time < p->birth &&
		/* A birth that is still to come was written by a wrong clock. */
		p->birth <= saga__wall(&p->env);
}

/* Also of another version than we know: the lane makes it a dead letter. */
bool saga__streams_concern(
	struct saga_participant *p, saga_bytes event, const struct saga__peek *peek)
{
	return saga__plan_concerns(p->plan, peek->type, peek->version) && !is_too_young(p, event);
}

void saga__streams_give(struct saga_participant *p, unsigned shard, struct saga__item *item)
{
	struct saga__lane *lane = saga__lane_of(p, shard);

	if (saga__lane_push(lane, item, true, 0) != SAGA_OK)
		saga__item_free(item);
	else if (!p->has_thread[lane - p->lanes])
		saga__wake(p); /* this tick has done its batch already */
}

/* Without memory for it: it stays undelivered for that shard, and comes again after a restart. */
static void push(struct saga_participant *p, struct saga__following *following,
	enum saga__item_kind kind, unsigned shard, const struct saga__follow_effect *effect,
	const char *why)
{
	struct saga__item *item = calloc(1, sizeof *item);
	char *kept = why ? strdup(why) : NULL;
	saga_error error;

	if (!item || (why && !kept)) {
		free(item);
		free(kept);
		(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for an event");
		saga__fatal(p, &error);
		return;
	}
	item->kind = kind;
	item->shard = shard;
	item->source = following->source;
	item->seq = effect->seq;
	item->id = effect->id;
	item->epoch = p->epochs[shard];
	item->event = kind == SAGA__ITEM_EVENT ? saga__blob_ref(effect->event) : NULL;
	item->why = kept;
	if (SAGA__MUTANT(seen_of_received))
		saga__follow_committed(following->follow, shard, item->seq, item->id);
	saga__streams_give(p, shard, item);
}

static void deliver(struct saga_participant *p, struct saga__following *following,
	struct saga__follow_effect *effect)
{
	saga_bytes event = saga__blob_bytes(effect->event);
	struct saga__peek seen;
	const char *why = NULL;
	bool concerns;
	unsigned shard;

	if (saga__streams_peek(p, event, &seen)) {
		concerns = saga__streams_concern(p, event, &seen);
		shard = saga__id_shard(seen.saga, p->shards);
	} else {
		/*
		 * Nobody can tell whose it is: a dead letter, of one shard that all instances
		 * agree on.
		 */
		concerns = true;
		shard = following->source.stream.shard & (p->shards - 1);
		why = UNREADABLE;
	}
	/* One of our shards may be ahead of another, behind which the stream begins. */
	if (concerns && saga__follow_wants(following->follow, shard, effect->seq))
		push(p, following, SAGA__ITEM_EVENT, shard, effect, why);
	saga__blob_unref(effect->event);
}

/* Of a shard that two worked for a while, what is gone may have been seen by the other. */
static void gone(struct saga_participant *p, struct saga__following *following,
	const struct saga__follow_effect *effect)
{
	if (!following->reread && saga__shards_reread(p))
		following->reread = true;
	else
		saga__halted(p, following, effect);
}

static void do_follow_effect(struct saga_participant *p, struct saga__following *following,
	struct saga__follow_effect *effect)
{
	switch (effect->kind) {
	case SAGA__FOLLOW_DELIVER:
		following->reread = false;
		deliver(p, following, effect);
		break;
	case SAGA__FOLLOW_SEND:
		send_message(p, &effect->message, following->source.owner);
		break;
	case SAGA__FOLLOW_MOVE:
		push(p, following, SAGA__ITEM_MOVE, effect->shard, effect, NULL);
		break;
	case SAGA__FOLLOW_FORK:
		saga__halted(p, following, effect);
		break;
	case SAGA__FOLLOW_GONE:
		gone(p, following, effect);
		break;
	}
}

bool saga__streams_have_room(struct saga_participant *p)
{
	size_t load = p->driver->calls(p);

	for (size_t i = 0; i < p->lane_count; i++)
		load += saga__lane_load(&p->lanes[i]);
	return load < p->limits.queue;
}

static void set_hold(struct saga_participant *p)
{
	bool hold = !saga__streams_have_room(p) || p->life != SAGA__RUNS;

	if (hold == p->held)
		return;
	p->held = hold;
	for (struct saga__following *f = p->followings; f; f = f->next)
		saga__follow_hold(f->follow, hold);
}

/* With the transport away, what came before is delivered all the same. */
static bool next_effect(struct saga_participant *p, struct saga__follow *follow, int64_t now,
	struct saga__follow_effect *ret_effect)
{
	return flush_waiting(p) ? saga__follow_next(follow, now, ret_effect)
				: saga__follow_next_quiet(follow, now, ret_effect);
}

static void follow_all(struct saga_participant *p)
{
	struct saga__follow_effect effect;
	int64_t now = saga__monotonic(&p->env);

	for (struct saga__following *f = p->followings; f; f = f->next)
		while (!f->ordered && next_effect(p, f->follow, now, &effect)) {
			do_follow_effect(p, f, &effect);
			if (effect.kind == SAGA__FOLLOW_DELIVER || effect.kind == SAGA__FOLLOW_MOVE)
				set_hold(p);
		}
}

/* ---- what the lanes committed ---- */

static void was_moved(struct saga_participant *p, struct saga__following *following,
	const struct saga__move *move)
{
	if (move->reset)
		saga__was_reset(p, following);
	else
		saga__follow_committed(following->follow, move->shard, move->seq, move->id);
}

void saga__streams_committed(struct saga_participant *p, const struct saga__committed *committed)
{
	int64_t now = saga__monotonic(&p->env);

	if (p->keeps) {
		saga__kept_committed(p, committed);
		return;
	}
	for (size_t i = 0; i < committed->sent.count; i++) {
		const struct saga__sent *sent = &committed->sent.at[i];

		if (!saga__works(p, sent->shard))
			saga__keep_foreign(p, sent);
		else if (p->publishes[sent->shard])
			(void)saga__publish_committed(
				p->publishes[sent->shard], sent->seq, sent->id, sent->event, now);
	}
	for (size_t i = 0; i < committed->move_count; i++)
		for (struct saga__following *f = p->followings; f; f = f->next)
			if (saga__stream_same(
				    &f->source.stream, &committed->moves[i].source.stream))
				was_moved(p, f, &committed->moves[i]);
	for (struct saga__following *f = p->followings; f && committed->idle; f = f->next)
		saga__follow_flush(f->follow);
}

void saga__streams_read(struct saga_participant *p, const struct saga__outbox_read *read)
{
	struct saga__publish *publish = p->publishes[read->shard];

	if (p->keeps)
		saga__kept_read(p, read);
	if (!publish)
		return;
	for (size_t i = 0; i < read->sent.count; i++)
		saga__publish_read(publish, read->sent.at[i].seq, read->sent.at[i].before,
			read->sent.at[i].id, read->sent.at[i].event);
	saga__publish_reaches(publish, read->reach);
	saga__publish_read_end(publish, read->complete, saga__monotonic(&p->env));
}

void saga__streams_tick(struct saga_participant *p)
{
	if (p->keeps) {
		saga__kept_tick(p);
		return;
	}
	set_hold(p);
	take_frames(p);
	if (p->life == SAGA__RUNS)
		saga__followers_tick(p);
	if (!p->transport || p->life != SAGA__RUNS)
		return;
	saga__followings_fade(p);
	publish_all(p);
	follow_all(p);
}

int64_t saga__streams_due(struct saga_participant *p)
{
	int64_t due = INT64_MAX, one;
	bool quiet;

	if (!p->transport || p->life != SAGA__RUNS)
		return due;
	if (p->keeps)
		return saga__kept_due(p);
	/* Until there is room to send, nothing is to be done that would. */
	quiet = p->waiting.topic && !__atomic_load_n(&p->writable, __ATOMIC_ACQUIRE);
	for (unsigned shard = 0; !quiet && shard < p->shards; shard++)
		if (p->publishes[shard] && (one = saga__publish_due(p->publishes[shard])) < due)
			due = one;
	for (struct saga__following *f = p->followings; f; f = f->next) {
		if (f->ordered)
			continue;
		one = quiet ? saga__follow_due_quiet(f->follow) : saga__follow_due(f->follow);
		if (one < due)
			due = one;
	}
	return due;
}

void saga__streams_close(struct saga_participant *p)
{
	struct saga__frame *frame;

	saga__kept_close(p);
	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++)
		saga__publish_free(p->publishes[shard]);
	saga__followings_free(p);
	while ((frame = p->inbox)) {
		p->inbox = frame->next;
		saga__inbox_free(frame);
	}
	while (p->foreign)
		saga__drop_foreign(p);
	free(p->halts);
	free(p->stands);
	free(p->frame);
	saga__decoder_free(p->decoder);
	saga__arena_free(&p->arena);
}
