/* The delivery machines at work: frames in and out, streams followed and published. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/peek.h"
#include "../mutation.h"
#include "inside.h"

enum {
	BEAT_MIN_MS = 50,
	BEAT_MAX_MS = 2000,
	ALIVE_MS = 6000,
	NEED_MIN_MS = 20,
	NEED_MAX_MS = 2000,
	MOVE_MS = 200,
	RING = 1024,
};

static const char events_topic[] = "events";

/* ---- the port: the transport's side, any thread ---- */

static void free_frame(struct saga__frame *frame)
{
	saga__blob_unref(frame->bytes);
	free(frame);
}

static struct saga__frame *copy_frames(const saga_frame *frames, size_t count)
{
	struct saga__frame *first = NULL, **end = &first;

	for (size_t i = 0; i < count; i++) {
		struct saga__frame *frame = calloc(1, sizeof *frame);

		if (frame)
			frame->bytes = saga__blob_new(frames[i].bytes.at, frames[i].bytes.size);
		if (!frame || !frame->bytes) {
			free(frame);
			while ((frame = first)) {
				first = frame->next;
				free_frame(frame);
			}
			return NULL;
		}
		*end = frame;
		end = &frame->next;
	}
	return first;
}

static int port_receive(void *host, const saga_frame *frames, size_t count)
{
	struct saga_participant *p = host;
	struct saga__frame *copies;
	int code = SAGA_OK;

	if (!count)
		return SAGA_OK;
	copies = copy_frames(frames, count);
	uv_mutex_lock(&p->lock);
	if (!copies || p->inbox_count + count > p->limits.queue) {
		p->refused_frames = true;
		code = SAGA_BUSY;
	} else {
		*p->inbox_end = copies;
		while (*p->inbox_end)
			p->inbox_end = &(*p->inbox_end)->next;
		p->inbox_count += count;
	}
	uv_mutex_unlock(&p->lock);
	while (code != SAGA_OK && copies) {
		struct saga__frame *next = copies->next;

		free_frame(copies);
		copies = next;
	}
	saga__wake(p);
	return code;
}

static void port_writable(void *host)
{
	struct saga_participant *p = host;

	__atomic_store_n(&p->writable, true, __ATOMIC_RELEASE);
	saga__wake(p);
}

static void port_sent(void *host, const uint64_t *tokens, size_t count)
{
	(void)host, (void)tokens, (void)count; /* only durable transports say this */
}

static void port_state(void *host, bool up, const char *text)
{
	struct saga_participant *p = host;

	__atomic_store_n(&p->transport_up, up, __ATOMIC_RELEASE);
	saga__log(p, up ? SAGA_INFO : SAGA_WARNING, up ? "transport.up" : "transport.down", "%s",
		text);
	saga__wake(p);
}

static void port_closed(void *host)
{
	struct saga_participant *p = host;

	p->transport = NULL;
	p->driver->stop(p);
}

void saga__port_init(struct saga_participant *p)
{
	p->port = (struct saga_port){ p, p->loop, port_receive, port_writable, port_sent,
		port_state, port_closed };
}

int saga__transport_open(struct saga_participant *p, saga_error *error)
{
	const saga_transport_options options = {
		.url = p->transport_url,
		.participant = p->plan->name,
		.topics = p->topics,
		.frame_bytes = p->limits.event_bytes + SAGA__FRAME_HEAD,
		.context = p->options.transport_context,
	};

	(void)snprintf(p->own_topic, sizeof p->own_topic, "to.%s", p->plan->name);
	p->topics[0] = events_topic;
	p->topics[1] = p->own_topic;
	p->writable = true;
	return p->transport_ops->open(&p->port, &options, &p->transport, error);
}

/* ---- opening ---- */

static int open_publish(
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

	/* After a reconnection it goes on: what it missed comes with the lane's next batch. */
	if (p->publishes[shard])
		return SAGA_OK;
	if ((code = saga__publish_new(&config, &p->publishes[shard])) == SAGA_OK)
		saga__publish_start(p->publishes[shard], row->first, row->seq, row->last,
			saga__monotonic(&p->env));
	return code;
}

int saga__streams_open(struct saga_participant *p, const struct saga__report *up)
{
	int code = SAGA_OK;

	p->uuid = up->uuid;
	p->birth = up->birth;
	p->shards = up->shards;
	for (size_t i = 0; p->transport_ops && code == SAGA_OK && i < up->stream_count; i++)
		code = open_publish(p, up->stream_shards[i], &up->streams[i]);
	if (code != SAGA_OK || p->stands || !up->stand_count)
		return code;
	if (!(p->stands = calloc(up->stand_count, sizeof *p->stands)))
		return SAGA_NOMEM;
	memcpy(p->stands, up->stands, up->stand_count * sizeof *p->stands);
	p->stand_count = up->stand_count;
	return SAGA_OK;
}

static struct saga__following *new_following(
	struct saga_participant *p, const struct saga__source *source)
{
	struct saga__position positions[SAGA__STORE_SHARDS] = { { 0 } };
	struct saga__follow_config config = {
		.group = p->plan->name,
		.owner = source->owner,
		.stream = source->stream,
		.shards = p->shards,
		.positions = positions,
		.fresh = true,
		.forked = saga__is_forked(p, &source->stream),
		.window = p->limits.window,
		.need_min_ms = NEED_MIN_MS,
		.need_max_ms = NEED_MAX_MS,
		.move_ms = MOVE_MS,
		.env = &p->env,
	};
	struct saga__following *following = calloc(1, sizeof *following);

	if (!following)
		return NULL;
	for (size_t i = 0; i < p->stand_count; i++)
		if (saga__stream_same(&p->stands[i].source.stream, &source->stream) &&
			p->stands[i].shard < p->shards) {
			positions[p->stands[i].shard] = p->stands[i].position;
			config.fresh = false;
		}
	following->source = *source;
	if (saga__follow_new(&config, &following->follow) != SAGA_OK) {
		free(following);
		return NULL;
	}
	saga__follow_hold(following->follow, p->held, saga__monotonic(&p->env));
	following->next = p->followings;
	/* saga_metrics walks it from any thread. */
	__atomic_store_n(&p->followings, following, __ATOMIC_RELEASE);
	return following;
}

struct saga__following *saga__following_of(
	struct saga_participant *p, const struct saga__source *source)
{
	struct saga__following *following = p->followings;

	while (following && !saga__stream_same(&following->source.stream, &source->stream))
		following = following->next;
	return following ? following : new_following(p, source);
}

/* ---- frames that came ---- */

static bool peek(struct saga_participant *p, saga_bytes event, struct saga__peek *ret_peek)
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
	(void)snprintf(ret_peek->type, sizeof ret_peek->type, "%s", decoded.type);
	(void)snprintf(ret_peek->source, sizeof ret_peek->source, "%s", decoded.source);
	return true;
}

static void bad_frame(struct saga_participant *p, const char *why)
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
			saga_frame frame = { .topic = events_topic };
			size_t sent;

			memcpy(own.from, message->from, sizeof own.from);
			frame.bytes = (saga_bytes){ bytes,
				saga__frame_encode(&own, bytes, sizeof bytes) };
			(void)p->transport_ops->send(p->transport, &frame, 1, &sent);
		}
	saga__fatal(p, &error);
	return true;
}

static void take_stream_frame(struct saga_participant *p, const struct saga__message *message)
{
	struct saga__source source = { .stream = message->stream };
	struct saga__following *following;
	struct saga__peek seen = { .version = 0 };

	if (is_twin(p, message) || strcmp(message->from, p->plan->name) == 0)
		return;
	if (message->kind == SAGA__EVENT && !peek(p, message->event, &seen)) {
		bad_frame(p, "an event that can't be read");
		return;
	}
	memcpy(source.owner, message->from, sizeof source.owner);
	if ((following = saga__following_of(p, &source)))
		saga__follow_message(following->follow, message, seen.id, saga__monotonic(&p->env));
}

static void take_frame(struct saga_participant *p, saga_bytes bytes)
{
	struct saga__message message;
	saga_error error;

	if (saga__frame_decode(bytes, &message, &error) != SAGA_OK) {
		bad_frame(p, error.text);
		return;
	}
	if (message.kind == SAGA__NEED || message.kind == SAGA__SEEN) {
		if (saga__id_same(message.stream.store, p->uuid) &&
			message.stream.shard < p->shards && p->publishes[message.stream.shard])
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

	uv_mutex_lock(&p->lock);
	all = p->inbox;
	p->inbox = NULL;
	p->inbox_end = &p->inbox;
	p->inbox_count = 0;
	refused = p->refused_frames;
	p->refused_frames = false;
	uv_mutex_unlock(&p->lock);
	while ((frame = all)) {
		all = frame->next;
		if (p->life == SAGA__RUNS)
			take_frame(p, saga__blob_bytes(frame->bytes));
		free_frame(frame);
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
	p->waiting = (saga_frame){ .topic = to ? p->topic : events_topic,
		.bytes = { p->frame, p->frame_size } };
}

static void do_publish_effect(
	struct saga_participant *p, unsigned shard, const struct saga__publish_effect *effect)
{
	const struct saga__chore read = { .kind = SAGA__CHORE_READ,
		.shard = shard,
		.first = effect->first,
		.last = effect->last,
		.most = (size_t)(effect->last - effect->first + 1) };

	switch (effect->kind) {
	case SAGA__PUBLISH_SEND:
		send_message(p, &effect->message, effect->to);
		break;
	case SAGA__PUBLISH_READ:
		if (saga__lane_chore(saga__lane_of(p, shard), &read) != SAGA_OK)
			saga__publish_read_end(
				p->publishes[shard], false, saga__monotonic(&p->env));
		break;
	case SAGA__PUBLISH_FORK:
		saga__log(p, SAGA_ALARM, "stream.forked", "follower %s has another history: %s",
			effect->to, effect->text);
		break;
	default:
		break;
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
}

/* ---- events for our lanes ---- */

static bool is_too_young(struct saga_participant *p, saga_bytes event)
{
	struct saga_event decoded;

	if (p->options.start != SAGA_FROM_NOW)
		return false;
	saga__arena_reset(&p->arena);
	return saga__event_decode(p->decoder, &p->arena, event, &decoded, NULL) == SAGA_OK &&
		decoded.time < p->birth;
}

/* Also of another version than we know: the lane makes it a dead letter. */
static bool concerns_us(struct saga_participant *p, saga_bytes event, saga_id *ret_saga)
{
	struct saga__peek seen;

	if (!peek(p, event, &seen))
		return false;
	*ret_saga = seen.saga;
	return saga__plan_concerns(p->plan, seen.type, seen.version) && !is_too_young(p, event);
}

void saga__streams_give(struct saga_participant *p, unsigned shard, struct saga__item *item)
{
	struct saga__lane *lane = saga__lane_of(p, shard);

	if (saga__lane_push(lane, item, true, 0) != SAGA_OK)
		saga__item_free(item);
	else if (!p->has_thread[lane - p->lanes])
		saga__wake(p); /* this turn has done its batch already */
}

/* Without memory for it: it stays undelivered for that shard, and comes again after a restart. */
static void push(struct saga_participant *p, struct saga__following *following, int kind,
	unsigned shard, const struct saga__follow_effect *effect)
{
	struct saga__item *item = calloc(1, sizeof *item);
	saga_error error;

	if (!item) {
		(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for an event");
		saga__fatal(p, &error);
		return;
	}
	item->kind = kind;
	item->shard = shard;
	item->source = &following->source;
	item->seq = effect->seq;
	item->id = effect->id;
	item->event = kind == SAGA__ITEM_EVENT ? saga__blob_ref(effect->event) : NULL;
	if (SAGA__MUTANT(seen_of_received))
		saga__follow_committed(following->follow, shard, item->seq, item->id, 0);
	saga__streams_give(p, shard, item);
}

static void deliver(struct saga_participant *p, struct saga__following *following,
	struct saga__follow_effect *effect)
{
	unsigned shard;
	saga_id saga;

	if (concerns_us(p, saga__blob_bytes(effect->event), &saga)) {
		shard = saga__id_shard(saga, p->shards);
		/* One of our shards may be ahead of another, behind which the stream begins. */
		if (saga__follow_wants(following->follow, shard, effect->seq))
			push(p, following, SAGA__ITEM_EVENT, shard, effect);
	}
	saga__blob_unref(effect->event);
}

static void do_follow_effect(struct saga_participant *p, struct saga__following *following,
	struct saga__follow_effect *effect)
{
	switch (effect->kind) {
	case SAGA__FOLLOW_DELIVER:
		deliver(p, following, effect);
		break;
	case SAGA__FOLLOW_SEND:
		send_message(p, &effect->message, following->source.owner);
		break;
	case SAGA__FOLLOW_MOVE:
		push(p, following, SAGA__ITEM_MOVE, effect->shard, effect);
		break;
	case SAGA__FOLLOW_FORK:
	case SAGA__FOLLOW_GONE:
		saga__halted(p, following, effect);
		break;
	default:
		break;
	}
}

static bool has_room(struct saga_participant *p)
{
	size_t load = p->driver->calls(p);

	for (size_t i = 0; i < p->lane_count; i++)
		load += saga__lane_load(&p->lanes[i]);
	return load < p->limits.queue;
}

static void set_hold(struct saga_participant *p)
{
	bool hold = !has_room(p) || p->life != SAGA__RUNS;

	if (hold == p->held)
		return;
	p->held = hold;
	for (struct saga__following *f = p->followings; f; f = f->next)
		saga__follow_hold(f->follow, hold, saga__monotonic(&p->env));
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
		while (!f->resets && next_effect(p, f->follow, now, &effect)) {
			do_follow_effect(p, f, &effect);
			if (effect.kind == SAGA__FOLLOW_DELIVER || effect.kind == SAGA__FOLLOW_MOVE)
				set_hold(p);
		}
}

/* ---- what the lanes committed ---- */

static void was_moved(struct saga_participant *p, struct saga__following *following,
	const struct saga__move *move, int64_t now)
{
	if (move->reset)
		saga__was_reset(p, following);
	else
		saga__follow_committed(following->follow, move->shard, move->seq, move->id, now);
}

void saga__streams_committed(struct saga_participant *p, const struct saga__report *report)
{
	int64_t now = saga__monotonic(&p->env);

	for (size_t i = 0; i < report->sent_count; i++) {
		const struct saga__sent *sent = &report->sent[i];

		if (p->publishes[sent->shard])
			(void)saga__publish_committed(
				p->publishes[sent->shard], sent->seq, sent->id, sent->event, now);
	}
	for (size_t i = 0; i < report->move_count; i++)
		for (struct saga__following *f = p->followings; f; f = f->next)
			if (&f->source == report->moves[i].source)
				was_moved(p, f, &report->moves[i], now);
	for (struct saga__following *f = p->followings; f && report->idle; f = f->next)
		saga__follow_flush(f->follow, now);
}

void saga__streams_read(struct saga_participant *p, struct saga__report *report)
{
	struct saga__publish *publish = p->publishes[report->shard];

	if (!publish)
		return;
	for (size_t i = 0; i < report->sent_count; i++)
		saga__publish_read(publish, report->sent[i].seq, report->sent[i].before,
			report->sent[i].id, report->sent[i].event);
	saga__publish_read_end(publish, report->complete, saga__monotonic(&p->env));
}

void saga__streams_turn(struct saga_participant *p)
{
	set_hold(p);
	take_frames(p);
	if (!p->transport || p->life != SAGA__RUNS)
		return;
	publish_all(p);
	follow_all(p);
}

int64_t saga__streams_due(struct saga_participant *p)
{
	int64_t due = INT64_MAX, one;
	bool quiet;

	if (!p->transport || p->life != SAGA__RUNS)
		return due;
	/* Until there is room to send, nothing is to be done that would. */
	quiet = p->waiting.topic && !__atomic_load_n(&p->writable, __ATOMIC_ACQUIRE);
	for (unsigned shard = 0; !quiet && shard < p->shards; shard++)
		if (p->publishes[shard] && (one = saga__publish_due(p->publishes[shard])) < due)
			due = one;
	for (struct saga__following *f = p->followings; f; f = f->next) {
		if (f->resets)
			continue;
		one = quiet ? saga__follow_due_quiet(f->follow) : saga__follow_due(f->follow);
		if (one < due)
			due = one;
	}
	return due;
}

uint64_t saga__streams_unseen(struct saga_participant *p)
{
	uint64_t unseen = 0;

	for (unsigned shard = 0; shard < p->shards; shard++)
		if (p->publishes[shard])
			unseen += saga__publish_unseen(p->publishes[shard]);
	return unseen;
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

void saga__streams_count(struct saga_participant *p, saga_health *health)
{
	count_frames(p, health);
	health->dropped = (int64_t)p->bad_frames;
	for (unsigned shard = 0; shard < p->shards; shard++)
		if (p->publishes[shard])
			health->resent +=
				(int64_t)saga__publish_counted(p->publishes[shard]).resent;
	for (struct saga__following *f = p->followings; f; f = f->next) {
		struct saga__follow_counts counts = saga__follow_counted(f->follow);

		__atomic_store_n(&f->lag, (int64_t)saga__follow_lag(f->follow), __ATOMIC_RELAXED);
		health->gaps += (int64_t)counts.gaps;
		health->asked += (int64_t)counts.needs;
		health->dropped += (int64_t)counts.forgotten;
		health->lag += f->lag;
		health->stopped += saga__follow_stopped(f->follow);
	}
}

void saga__streams_close(struct saga_participant *p)
{
	struct saga__following *following;
	struct saga__frame *frame;

	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++)
		saga__publish_free(p->publishes[shard]);
	while ((following = p->followings)) {
		p->followings = following->next;
		saga__follow_free(following->follow);
		free(following);
	}
	while ((frame = p->inbox)) {
		p->inbox = frame->next;
		free_frame(frame);
	}
	free(p->halts);
	free(p->stands);
	free(p->frame);
	saga__decoder_free(p->decoder);
	saga__arena_free(&p->arena);
}
