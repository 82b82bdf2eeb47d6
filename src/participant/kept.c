/*
 * Events over a durable transport: no streams are followed, nothing is asked for. What is committed
 * goes to the broker until it has it; what the broker delivers goes to the lane of its shard, and
 * is acked once a batch has committed it. What is not for us is acked at once; what came for a
 * shard that is not worked here any more, the transport gives back (saga__kept_work).
 */

#include <stdlib.h>
#include <string.h>

#include "../event/envelope.h"
#include "../event/id.h"
#include "../event/json.h"
#include "../event/peek.h"
#include "../mutation.h"
#include "../step/from_json.h"
#include "inside.h"

enum {
	RING = 1024,
	AGAIN_MIN_MS = 2000,
	AGAIN_MAX_MS = 30000,
	SEND_MOST = 64,
	SEQ_BITS = 56 /* of a token; the rest is the shard, or all of them set: a foreign event's */
};

#define FOREIGN UINT64_MAX

int64_t saga__kept_settle_ms(const struct saga_participant *p)
{
	return p->port.settle_ms;
}

/* ---- shards come and go ---- */

int saga__kept_start(struct saga_participant *p, unsigned shard, const struct saga__stream_row *row)
{
	const struct saga__relay_config config = { .window = p->limits.window,
		.ring = p->limits.window > RING ? p->limits.window : RING,
		.again_min_ms = AGAIN_MIN_MS,
		.again_max_ms = AGAIN_MAX_MS,
		.settle_ms = (int)saga__kept_settle_ms(p) };
	struct saga__source *mark = &p->kept.marks[shard];
	struct saga__position stand;
	int code = SAGA_OK;

	if (!p->kept.relays[shard])
		code = saga__relay_new(&config, &p->kept.relays[shard]);
	if (code != SAGA_OK)
		return code;
	mark->stream = (struct saga__stream){ p->uuid, shard };
	memcpy(mark->owner, p->plan->name, strlen(p->plan->name) + 1);
	stand = saga__streams_stand(p, &mark->stream, shard);
	p->kept.marked[shard] = stand.seq;
	p->broker.shards[shard].marked_in = stand.id;
	saga__relay_start(p->kept.relays[shard], row->first, row->seq, stand.seq);
	saga__broker_start(p, shard);
	return SAGA_OK;
}

/* `but`: shards that begin anew: what came for them before is given back. */
void saga__kept_work(struct saga_participant *p, uint64_t but)
{
	uint64_t worked = p->worked & ~p->broker.going;

	if (!p->transport || p->life >= SAGA__CLOSES)
		return;
	if (but & worked)
		p->transport_ops->work(p->transport, worked & ~but, p->shards);
	p->transport_ops->work(p->transport, worked, p->shards);
}

/* The transport has said in what time the broker's events are settled. */
void saga__kept_settles(struct saga_participant *p)
{
	for (unsigned shard = 0; shard < p->shards; shard++) {
		if (p->kept.relays[shard])
			saga__relay_settles_in(p->kept.relays[shard], (int)saga__kept_settle_ms(p));
		p->broker.shards[shard].anchor.settle_ms = saga__kept_settle_ms(p);
	}
}

/*
 * Where a restart goes on: committed as a position, though nobody waits for it. Its id is the
 * broker's era: in another one all begins anew, which may be lower.
 */
void saga__kept_mark(struct saga_participant *p)
{
	for (unsigned shard = 0; shard < p->shards; shard++) {
		uint64_t settled = saga__streams_seen(p, shard);
		struct saga__item *item;

		if (!saga__works(p, shard) || settled <= p->kept.marked[shard] ||
			!(item = calloc(1, sizeof *item)))
			continue;
		item->kind = SAGA__ITEM_MOVE;
		item->shard = shard;
		item->source = p->kept.marks[shard];
		item->seq = p->kept.marked[shard] = settled;
		item->id = p->broker.shards[shard].marked_in;
		item->epoch = p->epochs[shard];
		item->reset = true;
		item->known = UINT64_MAX; /* no operator's order */
		saga__streams_give(p, shard, item);
	}
}

/* ---- acks ---- */

static void flush_acks(struct saga_participant *p)
{
	if (p->kept.ack_count && p->transport && p->life < SAGA__CLOSES)
		p->transport_ops->ack(p->transport, p->kept.acks, p->kept.ack_count);
	p->kept.ack_count = 0;
}

/* Without memory for it: it comes again, and is dropped again. */
void saga__kept_ack(struct saga_participant *p, uint64_t token)
{
	if (p->kept.ack_count == p->kept.ack_room) {
		size_t room = p->kept.ack_room ? 2 * p->kept.ack_room : 64;
		uint64_t *more = realloc(p->kept.acks, room * sizeof *more);

		if (!more)
			return;
		p->kept.acks = more;
		p->kept.ack_room = room;
	}
	p->kept.acks[p->kept.ack_count++] = token;
}

/* ---- what the broker delivers ---- */

/* Another instance has committed for a shard that we work: its lane looks. */
static void take_own(struct saga_participant *p, saga_bytes event, unsigned shard)
{
	struct saga_event decoded;

	if (p->live < 2 || !saga__works(p, shard))
		return;
	saga__arena_reset(&p->arena);
	if (saga__event_decode(p->decoder, &p->arena, event, &decoded, NULL) == SAGA_OK &&
		decoded.sequence > saga__relay_last(p->kept.relays[shard]))
		saga__lane_look(saga__lane_of(p, shard));
}

/* From now on it is as all others. */
static int from_json(struct saga_participant *p, struct saga__frame *frame, saga_error *error)
{
	struct saga__blob *blob;
	int code;

	if (!p->kept.event.limit)
		saga__buffer_init(&p->kept.event, p->limits.event_bytes);
	saga__arena_reset(&p->arena);
	code = saga__from_json(
		p->plan, &p->arena, saga__blob_bytes(frame->bytes), &p->kept.event, error);
	if (code != SAGA_OK)
		return code;
	if (!(blob = saga__blob_new(p->kept.event.at, p->kept.event.size)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	saga__blob_unref(frame->bytes);
	frame->bytes = blob;
	return SAGA_OK;
}

static void out_of_memory(struct saga_participant *p)
{
	saga_error error;

	(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for an event");
	saga__fatal(p, &error);
}

/* For its shard's lane, which acks it; with `why`, as a dead letter. */
static void give_event(struct saga_participant *p, const struct saga__frame *frame, unsigned shard,
	saga_id id, const char *why)
{
	struct saga__item *item;

	if (!saga__works(p, shard)) /* the transport was told, and gives it back */
		return;
	if (!(item = calloc(1, sizeof *item)) || (why && !(item->why = strdup(why)))) {
		free(item);
		out_of_memory(p);
		return;
	}
	item->kind = SAGA__ITEM_EVENT;
	item->shard = shard;
	item->durable = true;
	item->token = frame->token;
	item->id = id;
	if (frame->place) {
		item->source = saga__broker_source(p);
		item->seq = frame->place;
		item->id = frame->mark;
	}
	item->epoch = p->epochs[shard];
	item->event = saga__blob_ref(frame->bytes);
	if (SAGA__MUTANT(acked_at_once))
		saga__kept_ack(p, frame->token);
	saga__streams_give(p, shard, item);
}

/* An event that nobody can read goes to an operator if one of our steps is on its type. */
static void set_aside(struct saga_participant *p, const struct saga__frame *frame, const char *why)
{
	static const saga_id none = { { 0 } };

	saga__streams_bad_frame(p, why);
	if (frame->concerns)
		give_event(p, frame, frame->part & (p->shards - 1), none, why);
	else
		saga__broker_pass(p, frame, frame->part & (p->shards - 1));
}

/* False: it is none, which was said, or there is no memory. */
static bool read_event(
	struct saga_participant *p, struct saga__frame *frame, struct saga__peek *ret)
{
	saga_error error = { .text = "an event that can't be read" };
	int code = SAGA_OK;

	if (saga__is_json(saga__blob_bytes(frame->bytes)))
		code = from_json(p, frame, &error);
	if (code == SAGA_OK && saga__streams_peek(p, saga__blob_bytes(frame->bytes), ret))
		return true;
	if (code == SAGA_NOMEM)
		out_of_memory(p);
	else
		set_aside(p, frame, error.text);
	return false;
}

/* It is acked, or another's, or an item now. */
static void take_event(struct saga_participant *p, struct saga__frame *frame)
{
	struct saga__peek seen = { .version = 0 };
	saga_bytes event;
	unsigned shard;

	if (!read_event(p, frame, &seen))
		return;
	event = saga__blob_bytes(frame->bytes);
	shard = saga__id_shard(seen.saga, p->shards);
	if (shard != (frame->part & (p->shards - 1)))
		set_aside(p, frame, "an event under another saga's subject");
	else if (strcmp(seen.source, p->plan->name) == 0) {
		take_own(p, event, shard);
		saga__broker_pass(p, frame, shard);
	} else if (!saga__streams_concern(p, event, &seen))
		saga__broker_pass(p, frame, shard);
	else
		give_event(p, frame, shard, seen.id, NULL);
}

void saga__kept_take(struct saga_participant *p, struct saga__frame *frame)
{
	if (p->life == SAGA__RUNS)
		take_event(p, frame);
	saga__inbox_free(frame);
}

static void append(struct saga__frame **list, struct saga__frame *more)
{
	while (*list)
		list = &(*list)->next;
	*list = more;
}

static void take_frames(struct saga_participant *p)
{
	struct saga__frame *frame;
	bool refused = false;

	if (!p->kept.taken || p->life != SAGA__RUNS)
		append(&p->kept.taken, saga__inbox_take(p, &refused));
	while ((frame = p->kept.taken) && (p->life != SAGA__RUNS || saga__streams_have_room(p))) {
		p->kept.taken = frame->next;
		if (!frame->durable || p->life != SAGA__RUNS)
			saga__inbox_free(frame);
		else if (!saga__broker_holds(p, frame, frame->part & (p->shards - 1)))
			saga__kept_take(p, frame);
	}
	if (refused && p->transport && p->transport_ops->resume)
		p->transport_ops->resume(p->transport);
}

/* ---- what the broker has ---- */

void saga__kept_sent(struct saga_participant *p, const saga_receipt *receipts, size_t count)
{
	uv_mutex_lock(&p->lock);
	if (p->kept.sent_count + count > p->kept.sent_room) {
		size_t room = 2 * (p->kept.sent_count + count);
		saga_receipt *more = realloc(p->kept.sent, room * sizeof *more);

		/* Without memory: it is sent again. */
		if (!more) {
			uv_mutex_unlock(&p->lock);
			return;
		}
		p->kept.sent = more;
		p->kept.sent_room = room;
	}
	memcpy(p->kept.sent + p->kept.sent_count, receipts, count * sizeof *receipts);
	p->kept.sent_count += count;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static void take_sent(struct saga_participant *p)
{
	int64_t now = saga__monotonic(&p->env);
	bool came_up;

	uv_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->kept.sent_count; i++) {
		const saga_receipt *receipt = &p->kept.sent[i];
		uint64_t shard = receipt->token >> SEQ_BITS;

		if (shard < p->shards && p->kept.relays[shard] &&
			saga__relay_sent(p->kept.relays[shard],
				receipt->token & ((UINT64_C(1) << SEQ_BITS) - 1), receipt->place,
				receipt->doubled, now))
			saga__relay_doubt(p->kept.relays[shard], false);
	}
	p->kept.sent_count = 0;
	came_up = p->kept.came_up;
	p->kept.came_up = false;
	uv_mutex_unlock(&p->lock);
	if (!came_up)
		return;
	for (unsigned shard = 0; shard < p->shards; shard++)
		if (p->kept.relays[shard])
			saga__relay_again(p->kept.relays[shard]);
	__atomic_store_n(&p->writable, true, __ATOMIC_RELEASE);
}

/* ---- what goes ---- */

struct sending {
	saga_frame frames[SEND_MOST];
	struct saga__peek seen[SEND_MOST];
	size_t count;
	size_t foreign; /* the first of ours, which live until it is sent */
	bool is_full;   /* the next event needs a sending of its own */
};

/* The event as JSON, in the arena. */
static bool as_json(struct saga_participant *p, saga_bytes *event)
{
	struct saga_event decoded;
	size_t size;
	char *text;

	if (saga__event_decode(p->decoder, &p->arena, *event, &decoded, NULL) != SAGA_OK)
		return false;
	size = saga__json_event(&decoded, NULL, 0);
	if (!(text = saga__arena_alloc(&p->arena, size + 1)))
		return false;
	(void)saga__json_event(&decoded, text, size + 1);
	*event = (saga_bytes){ text, size };
	return true;
}

static bool add(struct saga_participant *p, struct sending *sending, struct saga__blob *event,
	uint64_t token, unsigned again)
{
	struct saga__peek *seen = &sending->seen[sending->count];
	saga_frame *frame = &sending->frames[sending->count];
	saga_bytes bytes = saga__blob_bytes(event);

	/* Decoding empties the arena, in which the others stand. */
	if (!saga__event_peek(bytes, seen) &&
		(sending->count || !saga__streams_peek(p, bytes, seen)))
		return false;
	if (p->port.json && !as_json(p, &bytes))
		return false;
	*frame = (saga_frame){ .topic = seen->type,
		.bytes = bytes,
		.token = token,
		.id = seen->id,
		.again = again,
		.part = saga__id_shard(seen->saga, 1u << 16) };
	sending->count++;
	return true;
}

static void read_outbox(
	struct saga_participant *p, unsigned shard, const struct saga__relay_effect *effect)
{
	const struct saga__lane_command read = { .kind = SAGA__COMMAND_READ,
		.as.read = { .shard = shard,
			.first = effect->first,
			.last = effect->last,
			.most = (size_t)(effect->last - effect->first + 1) } };

	if (saga__lane_give_command(saga__lane_of(p, shard), &read) != SAGA_OK)
		saga__relay_read_end(p->kept.relays[shard], false, saga__monotonic(&p->env));
	else if (!p->options.lanes)
		saga__wake(p);
}

static void do_effect(struct saga_participant *p, struct sending *sending, unsigned shard,
	const struct saga__relay_effect *effect)
{
	switch (effect->kind) {
	case SAGA__RELAY_SEND:
		if (add(p, sending, effect->event, (uint64_t)shard << SEQ_BITS | effect->seq,
			    effect->again))
			break;
		/* Beside others it may only lack room: it is tried alone before it is refused. */
		if ((sending->is_full = sending->count > 0))
			saga__relay_put_back(p->kept.relays[shard], effect->seq);
		else
			saga__broker_refuse(p, shard, effect->seq, "it can't be sent");
		break;
	case SAGA__RELAY_READ:
		read_outbox(p, shard, effect);
		break;
	case SAGA__RELAY_LOOK:
		p->transport_ops->look(p->transport, effect->place);
		break;
	case SAGA__RELAY_STUCK:
		saga__broker_stuck(p, shard, effect);
		break;
	case SAGA__RELAY_MENDED:
		saga__broker_mended(p, shard, effect);
		break;
	}
}

/* Half of the arena is room for the next; what does not fit goes with the next sending. */
static bool has_room(const struct saga_participant *p, const struct sending *sending)
{
	return !sending->is_full && sending->count < SEND_MOST &&
		p->arena.used <= p->arena.limit / 2;
}

static void gather(struct saga_participant *p, struct sending *sending)
{
	int64_t now = saga__monotonic(&p->env);
	struct saga__relay_effect effect;

	sending->count = sending->foreign = 0;
	sending->is_full = false;
	saga__arena_reset(&p->arena);
	for (unsigned shard = 0; shard < p->shards; shard++) {
		struct saga__relay *relay = p->kept.relays[shard];

		while (relay && has_room(p, sending) && saga__relay_next(relay, now, &effect))
			do_effect(p, sending, shard, &effect);
	}
	for (const struct saga__foreign_event *foreign = p->foreign;
		foreign && has_room(p, sending); foreign = foreign->next) {
		/* The worker of its shard says so, if it can't be sent. */
		if (!add(p, sending, foreign->sent.event, FOREIGN, 0) && sending->count)
			sending->is_full = true;
		else
			sending->foreign++;
	}
}

static void put_back(struct saga_participant *p, const saga_frame *frame)
{
	/* A foreign event is in the outbox: who works its shard finds it. */
	if (frame->token != FOREIGN)
		saga__relay_put_back(p->kept.relays[frame->token >> SEQ_BITS],
			frame->token & ((UINT64_C(1) << SEQ_BITS) - 1));
}

/* False: the transport has no room. What it was given lives as long as it runs. */
static bool send_all(struct saga_participant *p, const struct sending *sending)
{
	size_t sent = 0;

	__atomic_store_n(&p->writable, false, __ATOMIC_RELEASE);
	if (p->transport_ops->send(p->transport, sending->frames, sending->count, &sent) != SAGA_OK)
		sent = 0;
	for (size_t i = sent; i < sending->count; i++)
		put_back(p, &sending->frames[i]);
	for (size_t i = 0; i < sending->foreign; i++)
		saga__drop_foreign(p);
	if (sent < sending->count)
		return false;
	__atomic_store_n(&p->writable, true, __ATOMIC_RELEASE);
	return true;
}

static void publish_all(struct saga_participant *p)
{
	struct sending sending;

	while (__atomic_load_n(&p->writable, __ATOMIC_ACQUIRE)) {
		gather(p, &sending);
		/* Foreign events alone, which can't be sent and go with nothing else. */
		for (; !sending.count && sending.foreign; sending.foreign--)
			saga__drop_foreign(p);
		if (!sending.count || !send_all(p, &sending))
			return;
	}
}

/* ---- what the lanes did ---- */

void saga__kept_committed(struct saga_participant *p, const struct saga__committed *committed)
{
	for (size_t i = 0; i < committed->sent.count; i++) {
		const struct saga__sent *sent = &committed->sent.at[i];

		if (!saga__works(p, sent->shard))
			saga__keep_foreign(p, sent);
		else if (p->kept.relays[sent->shard])
			saga__relay_committed(
				p->kept.relays[sent->shard], sent->seq, sent->id, sent->event);
	}
	for (size_t i = 0; i < committed->ack_count; i++)
		saga__kept_ack(p, committed->acks[i]);
	saga__broker_committed(p, committed);
	flush_acks(p);
}

void saga__kept_read(struct saga_participant *p, const struct saga__outbox_read *read)
{
	struct saga__relay *relay = p->kept.relays[read->shard];

	for (size_t i = 0; relay && i < read->sent.count; i++)
		saga__relay_read(
			relay, read->sent.at[i].seq, read->sent.at[i].id, read->sent.at[i].event);
	if (relay)
		saga__relay_read_end(relay, read->complete, saga__monotonic(&p->env));
}

/* ---- the tick ---- */

void saga__kept_tick(struct saga_participant *p)
{
	take_sent(p);
	saga__broker_tick(p);
	take_frames(p);
	flush_acks(p);
	if (p->transport && p->life == SAGA__RUNS)
		publish_all(p);
}

int64_t saga__kept_due(struct saga_participant *p)
{
	int64_t due = saga__broker_due(p), one;

	if (!__atomic_load_n(&p->writable, __ATOMIC_ACQUIRE))
		return due;
	for (unsigned shard = 0; shard < p->shards; shard++)
		if (p->kept.relays[shard] && (one = saga__relay_due(p->kept.relays[shard])) < due)
			due = one;
	return due;
}

void saga__kept_close(struct saga_participant *p)
{
	struct saga__frame *frame;

	saga__broker_close(p);
	for (unsigned shard = 0; shard < SAGA__STORE_SHARDS; shard++)
		saga__relay_free(p->kept.relays[shard]);
	while ((frame = p->kept.taken)) {
		p->kept.taken = frame->next;
		saga__inbox_free(frame);
	}
	saga__buffer_free(&p->kept.event);
	free(p->kept.acks);
	free(p->kept.sent);
}
