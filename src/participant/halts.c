/*
 * Streams of others that have stopped, and what an operator wants done with them. An order goes
 * through the lanes as a position that each shard commits, behind all that it has of that stream;
 * meanwhile nothing of the stream is delivered. When all have committed it, the stream goes on from
 * there. A crash in between leaves the order in the store: it is carried out again.
 *
 * All instances may do so at once. One of them is the first to write that it is done, and from then
 * on what the others do of it, or had found before, changes nothing: they read their positions
 * again, as it does itself.
 */

#include <stdlib.h>

#include "../event/id.h"
#include "inside.h"

static void ask_lane(struct saga_participant *p, enum saga__lane_command_kind kind,
	const struct saga__halt *halt)
{
	const struct saga__lane_command command = { .kind = kind, .as.stream = *halt };
	saga_error error;

	if (saga__lane_give_command(&p->lanes[0], &command) == SAGA_OK) {
		if (!p->has_thread[0])
			saga__wake(p);
		return;
	}
	(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for a stream that has stopped");
	saga__fatal(p, &error);
}

void saga__halt_found(struct saga_participant *p, const struct saga__halt *halt)
{
	ask_lane(p, SAGA__COMMAND_STOP, halt);
}

void saga__halt_over(struct saga_participant *p, const struct saga__halt *halt)
{
	ask_lane(p, SAGA__COMMAND_RESUME, halt);
}

static const struct saga__halt *known_halt(
	const struct saga_participant *p, const struct saga__stream *stream)
{
	for (size_t i = 0; i < p->halt_count; i++)
		if (saga__stream_same(&p->halts[i].source.stream, stream))
			return &p->halts[i];
	return NULL;
}

bool saga__is_forked(const struct saga_participant *p, const struct saga__stream *stream)
{
	const struct saga__halt *halt = known_halt(p, stream);

	return halt && halt->why == SAGA__HALT_FORKED;
}

/* Orders that were carried out before any position was read of which it comes. */
static uint64_t known_orders(const struct saga_participant *p)
{
	uint64_t known = UINT64_MAX;

	for (unsigned shard = 0; shard < p->shards; shard++)
		if (saga__knows(p, shard) && p->orders[shard] < known)
			known = p->orders[shard];
	return known;
}

void saga__halted(struct saga_participant *p, const struct saga__following *following,
	const struct saga__follow_effect *effect)
{
	const char *owner = following->source.owner;
	struct saga__halt halt = {
		.source = following->source,
		.upto = effect->wanted - 1,
		.at = saga__wall(&p->env),
		.known = known_orders(p),
	};

	if (effect->kind == SAGA__FOLLOW_FORK) {
		halt.why = SAGA__HALT_FORKED;
		saga__log(p, SAGA_ALARM, "stream.forked",
			"the stream of %s has another history: %s; its events wait: look at it, "
			"then run `saga stream accept`",
			owner, effect->text);
	} else {
		halt.why = SAGA__HALT_GONE;
		halt.first = effect->first;
		saga__log(p, SAGA_ALARM, "stream.gone",
			"events %llu to %llu of %s are gone; its later events wait: find out what "
			"they said, then run `saga stream skip`",
			(unsigned long long)effect->wanted, (unsigned long long)effect->first - 1,
			owner);
	}
	/* A fork that is known keeps the time at which it was found. */
	if (halt.why != SAGA__HALT_FORKED || !saga__is_forked(p, &halt.source.stream))
		ask_lane(p, SAGA__COMMAND_STOP, &halt);
}

/* ---- orders ---- */

/* Whose stream it is: an order alone does not say. */
static bool find_owner(const struct saga_participant *p, struct saga__source *source)
{
	if (source->owner[0])
		return true;
	for (const struct saga__following *f = p->followings; f; f = f->next)
		if (saga__stream_same(&f->source.stream, &source->stream)) {
			*source = f->source;
			return true;
		}
	for (size_t i = 0; i < p->stand_count; i++)
		if (saga__stream_same(&p->stands[i].source.stream, &source->stream)) {
			*source = p->stands[i].source;
			return true;
		}
	return false;
}

static void push_reset(
	struct saga_participant *p, const struct saga__following *following, unsigned shard)
{
	struct saga__item *item = calloc(1, sizeof *item);
	saga_error error;

	if (!item) {
		(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for an operator's order");
		saga__fatal(p, &error);
		return;
	}
	item->kind = SAGA__ITEM_MOVE;
	item->shard = shard;
	item->source = following->source;
	item->seq = following->order.to;
	item->reset = true;
	item->known = following->order.known;
	saga__streams_give(p, shard, item);
}

/*
 * Beside a durable transport no stream is followed. What happened to the broker's was mended when
 * it was found, and an operator only has to say that it was seen.
 */
static void carry_out_kept(struct saga_participant *p, const struct saga__halt *halt)
{
	if (halt->order == SAGA__ORDER_REPUBLISH) {
		if (saga__id_same(halt->source.stream.store, p->uuid) &&
			halt->source.stream.shard < p->shards) {
			saga__broker_republish(p, halt->source.stream.shard);
			return;
		}
		saga__log(p, SAGA_WARNING, "stream.unknown",
			"operator command refused: this participant cannot publish another's "
			"stream again");
	} else {
		saga__log(p, SAGA_WARNING, "stream.accepted",
			"operator command: the incident of the broker's stream is accepted");
	}
	ask_lane(p, SAGA__COMMAND_RESUME, halt);
}

static void carry_out(struct saga_participant *p, struct saga__halt halt)
{
	struct saga__following *following;

	if (p->keeps) {
		carry_out_kept(p, &halt);
		return;
	}
	if (halt.order == SAGA__ORDER_REPUBLISH) {
		saga__log(p, SAGA_WARNING, "stream.unknown",
			"operator command refused: without a durable transport nothing is "
			"published again, since followers ask for missing events");
		ask_lane(p, SAGA__COMMAND_RESUME, &halt);
		return;
	}
	if (!find_owner(p, &halt.source)) {
		saga__log(p, SAGA_WARNING, "stream.unknown",
			"operator command refused: its stream is not followed here");
		ask_lane(p, SAGA__COMMAND_RESUME, &halt);
		return;
	}
	following = saga__following_of(p, &halt.source);
	if (!following || following->ordered) /* without memory: at the next look */
		return;
	following->ordered = true;
	following->order = halt;
	following->order.to = halt.order == SAGA__ORDER_SKIP ? halt.to : 0;
	following->resets = p->shards;
	for (unsigned shard = 0; shard < p->shards; shard++)
		push_reset(p, following, shard);
}

void saga__was_reset(struct saga_participant *p, struct saga__following *following)
{
	const struct saga__halt *order = &following->order;

	if (!following->resets || --following->resets)
		return;
	if (order->order == SAGA__ORDER_SKIP)
		saga__log(p, SAGA_WARNING, "stream.skipped",
			"operator command: the stream of %s goes on behind number %llu",
			order->source.owner, (unsigned long long)order->to);
	else
		saga__log(p, SAGA_WARNING, "stream.accepted",
			"operator command: the stream of %s is read again from its oldest event",
			order->source.owner);
	ask_lane(p, SAGA__COMMAND_RESUME, order);
}

/* An order was carried out: positions are not what is remembered of them. */
static bool has_gone_on(
	const struct saga_participant *p, const struct saga__stopped_streams *stopped)
{
	for (size_t i = 0; i < p->halt_count; i++) {
		bool stands = false;

		for (size_t k = 0; k < stopped->count && !stands; k++)
			stands = saga__stream_same(
				&p->halts[i].source.stream, &stopped->at[k].source.stream);
		if (!stands)
			return true;
	}
	return false;
}

/* A fork that one instance found stops all: the shards of others may stand before the fork. */
static void stop_forked(struct saga_participant *p)
{
	for (struct saga__following *f = p->followings; f; f = f->next)
		if (!f->ordered && saga__is_forked(p, &f->source.stream))
			saga__follow_fork(f->follow);
}

void saga__halts_found(struct saga_participant *p, struct saga__stopped_streams *stopped)
{
	bool anew = stopped->anew || has_gone_on(p, stopped);

	free(p->halts);
	p->halts = stopped->at;
	p->halt_count = stopped->count;
	stopped->at = NULL;
	for (struct saga__following *f = p->followings; f && stopped->resumed; f = f->next)
		if (saga__stream_same(&f->source.stream, &stopped->stream))
			f->ordered = false;
	if (anew && !p->keeps) /* no order moves what is followed there */
		(void)saga__shards_reread(p);
	for (size_t i = 0; p->known && p->life == SAGA__RUNS && i < p->halt_count; i++)
		if (p->halts[i].order)
			carry_out(p, p->halts[i]);
	stop_forked(p);
}
