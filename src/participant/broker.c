/*
 * What the broker of a durable transport may have lost, and who finds out: the machines of
 * src/delivery/anchor.h (what we consume) and relay.h (what we publish), at work.
 * transports/NATS.md tells the whole of it.
 *
 * A shard's deliveries wait until its anchor was checked once: else what is committed meanwhile
 * would hide that the store was set back. Nothing is acked above the newest place that the store
 * knows, so events that are nothing to us are acked when that was written, with the next batch or
 * PASS_MS later. To go back, the shard leaves the transport's hands, its positions are set in the
 * store, and then its deliveries begin again.
 */

#include <stdlib.h>
#include <string.h>

#include "../event/id.h"
#include "inside.h"

enum {
	PASS_MS = 500,
	PASS_MOST = 64,      /* that wait for the next batch */
	PASSED_MOST = 65536, /* that wait for one that is on its way */
	SEQ_BITS = 56        /* of a sending's token, as in kept.c */
};

static void fail(struct saga_participant *p, const char *text)
{
	saga_error error;

	(void)saga_error_set(&error, SAGA_NOMEM, "out of memory for %s", text);
	saga__fatal(p, &error);
}

saga_id saga__broker_mark(saga_id id, int64_t stored_at)
{
	uint64_t bits = (uint64_t)stored_at;

	if (saga__id_is_zero(id))
		return id;
	for (size_t i = 0; i < sizeof bits; i++)
		id.bytes[sizeof id.bytes - 1 - i] ^= (uint8_t)(bits >> 8 * i);
	return id;
}

/* ---- eras ---- */

struct saga__source saga__broker_source(const struct saga_participant *p)
{
	return p->broker.era ? p->broker.era->newest : (struct saga__source){ .owner = "" };
}

/* NULL: out of memory, and said. */
static struct saga__era *era_of(struct saga_participant *p, saga_id id)
{
	struct saga__era *era = p->broker.eras;

	while (era && !saga__id_same(era->newest.stream.store, id))
		era = era->next;
	if (era)
		return era;
	if (!(era = calloc(1, sizeof *era))) {
		fail(p, "a broker's stream");
		return NULL;
	}
	era->newest = (struct saga__source){ { id, 0 }, SAGA__BROKER_NAME };
	era->settled = (struct saga__source){ { id, 1 }, SAGA__BROKER_NAME };
	era->next = p->broker.eras;
	p->broker.eras = era;
	return era;
}

/* What the store says of a shard's points in an era. */
struct points {
	struct saga__point newest, settled;
	bool found, others;
};

static struct points find_points(
	const struct saga__stand *stands, size_t count, unsigned shard, saga_id era)
{
	struct points points = { .found = false };

	for (size_t i = 0; i < count; i++) {
		const struct saga__stand *stand = &stands[i];
		struct saga__point point = { era, stand->position.seq, stand->position.id };

		if (stand->shard != shard || !saga__source_is_broker(&stand->source))
			continue;
		if (!saga__id_same(stand->source.stream.store, era)) {
			points.others = true;
		} else if (stand->source.stream.shard) {
			points.settled = point;
		} else {
			points.newest = point;
			points.found = true;
		}
	}
	return points;
}

static void know(struct saga_participant *p, unsigned shard)
{
	/* What was committed here since the positions were read is of another era, too. */
	bool had = p->broker.shards[shard].anchor.newest.place > 0;
	struct points points =
		find_points(p->stands, p->stand_count, shard, p->broker.era->newest.stream.store);

	saga__anchor_know(&p->broker.shards[shard].anchor, points.found ? &points.newest : NULL,
		points.settled.place ? &points.settled : NULL, points.others || had);
}

/* ---- deliveries that wait or pass ---- */

static void drop_waiting(struct saga__broker_shard *shard)
{
	struct saga__frame *frame;

	while ((frame = shard->waits)) {
		shard->waits = frame->next;
		saga__inbox_free(frame);
	}
}

bool saga__broker_holds(struct saga_participant *p, struct saga__frame *frame, unsigned number)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];
	struct saga__frame **end = &shard->waits;

	if (!frame->place || (shard->checked && !(p->broker.going >> number & 1)))
		return false;
	if (!saga__works(p, number) || (p->broker.going >> number & 1)) {
		saga__inbox_free(frame); /* the transport has it, and brings it again */
		return true;
	}
	while (*end)
		end = &(*end)->next;
	*end = frame;
	frame->next = NULL;
	return true;
}

static void take_waiting(struct saga_participant *p, struct saga__broker_shard *shard)
{
	struct saga__frame *frame;

	shard->checked = true;
	while ((frame = shard->waits)) {
		shard->waits = frame->next;
		saga__kept_take(p, frame);
	}
}

void saga__broker_pass(struct saga_participant *p, const struct saga__frame *frame, unsigned number)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];

	if (!saga__works(p, number))
		return; /* given back */
	if (!frame->place || !p->broker.era || frame->place <= shard->anchor.newest.place) {
		saga__kept_ack(p, frame->token);
		return;
	}
	if (shard->passed_count == PASSED_MOST)
		return; /* it comes again */
	if (shard->passed_count == shard->passed_room) {
		size_t room = shard->passed_room ? 2 * shard->passed_room : PASS_MOST;
		struct saga__passed_on *more = realloc(shard->passed, room * sizeof *more);

		if (!more)
			return; /* it comes again */
		shard->passed = more;
		shard->passed_room = room;
	}
	if (!shard->passed_count)
		shard->passed_at = saga__monotonic(&p->env);
	shard->passed[shard->passed_count++] =
		(struct saga__passed_on){ frame->token, frame->place };
	if (frame->place > shard->passed_place) {
		shard->passed_place = frame->place;
		shard->passed_mark = frame->mark;
	}
}

static void ack_passed(struct saga_participant *p, struct saga__broker_shard *shard)
{
	size_t kept = 0;

	for (size_t i = 0; i < shard->passed_count; i++)
		if (shard->passed[i].place <= shard->anchor.newest.place)
			saga__kept_ack(p, shard->passed[i].token);
		else
			shard->passed[kept++] = shard->passed[i];
	if (kept < shard->passed_count)
		shard->passed_at = saga__monotonic(&p->env);
	shard->passed_count = kept;
	if (shard->passing <= shard->anchor.newest.place)
		shard->passing = 0;
}

static void forget_passed(struct saga__broker_shard *shard)
{
	shard->passed_count = 0;
	shard->passed_place = shard->passing = 0;
}

/* ---- positions ---- */

static void move(struct saga_participant *p, unsigned shard, const struct saga__source *source,
	const struct saga__point *point, bool reset)
{
	struct saga__item *item = calloc(1, sizeof *item);

	if (!item) {
		fail(p, "a position");
		return;
	}
	item->kind = SAGA__ITEM_MOVE;
	item->shard = shard;
	item->source = *source;
	item->seq = point->place;
	item->id = point->id;
	item->epoch = p->epochs[shard];
	item->reset = reset;
	item->known = UINT64_MAX; /* no operator's order */
	saga__streams_give(p, shard, item);
}

static void pass_on(struct saga_participant *p, int64_t now)
{
	for (unsigned i = 0; i < p->shards; i++) {
		struct saga__broker_shard *shard = &p->broker.shards[i];
		struct saga__point point = { .place = shard->passed_place,
			.id = shard->passed_mark };

		if (!shard->passed_count || shard->passing || (p->broker.going >> i & 1) ||
			(shard->passed_count < PASS_MOST && now < shard->passed_at + PASS_MS))
			continue;
		shard->passing = shard->passed_place;
		move(p, i, &p->broker.era->newest, &point, false);
	}
}

/* ---- going back ---- */

static void write_down(struct saga_participant *p, enum saga__halt_why why, uint64_t upto)
{
	const struct saga__halt halt = { .source = p->broker.era->newest,
		.why = (int)why,
		.upto = upto,
		.at = saga__wall(&p->env),
		.known = UINT64_MAX };

	saga__halt_found(p, &halt);
}

static void tell_back(
	struct saga_participant *p, unsigned shard, const struct saga__anchor_effect *effect)
{
	unsigned long long from = effect->newest, to = effect->point.place;

	switch (effect->why) {
	case SAGA__ANCHOR_LOST:
		saga__log(p, SAGA_ALARM, "broker.lost",
			"the broker has lost events that it had confirmed: shard %u stood at %llu "
			"of its stream, where another or none is now; it reads again from %llu",
			shard, from, to + 1);
		write_down(p, SAGA__HALT_LOST, from);
		break;
	case SAGA__ANCHOR_REMADE:
		saga__log(p, SAGA_ALARM, "broker.remade",
			"the broker's stream is another one than it was: shard %u reads it from "
			"its beginning",
			shard);
		write_down(p, SAGA__HALT_REMADE, from);
		break;
	case SAGA__ANCHOR_SET_BACK:
		saga__log(p, SAGA_ALARM, "store.set_back",
			"the store does not know all that the broker was told of: it was restored "
			"from a backup, or one of them lost its end; shard %u reads the broker's "
			"stream again from "
			"%llu; see saga stream list, and compare this store with the others",
			shard, to + 1);
		write_down(p, SAGA__HALT_SET_BACK, from);
		break;
	case SAGA__ANCHOR_UNSURE:
		saga__log(p, SAGA_INFO, "broker.unsure",
			"the event at which shard %u stood has left the broker's stream: it reads "
			"again from %llu",
			shard, to + 1);
		break;
	}
}

static void go_back(
	struct saga_participant *p, unsigned number, const struct saga__anchor_effect *effect)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];

	tell_back(p, number, effect);
	p->broker.going |= UINT64_C(1) << number;
	shard->resets = 2;
	shard->back = effect->point.place;
	drop_waiting(shard);
	forget_passed(shard);
	saga__kept_work(p, 0);
	move(p, number, &p->broker.era->newest, &effect->point, true);
	move(p, number, &p->broker.era->settled, &effect->point, true);
}

/* The store says so: now the broker may begin again. */
static void is_back(struct saga_participant *p, unsigned number)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];
	uint64_t bit = UINT64_C(1) << number;

	if (p->transport && p->life < SAGA__CLOSES)
		p->transport_ops->rewind(p->transport, number, shard->back);
	uv_mutex_lock(&p->lock);
	p->broker.said.shards &= ~bit; /* that is of before */
	uv_mutex_unlock(&p->lock);
	p->broker.going &= ~bit;
	saga__anchor_is_back(&shard->anchor);
	saga__kept_work(p, 0);
}

/* ---- shards ---- */

void saga__broker_start(struct saga_participant *p, unsigned number)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];
	uint64_t before = shard->anchor.newest.place;

	drop_waiting(shard);
	forget_passed(shard);
	shard->checked = false;
	shard->resets = 0;
	p->broker.going &= ~(UINT64_C(1) << number);
	saga__anchor_start(&shard->anchor, saga__kept_settle_ms(p));
	if (!p->broker.era)
		return;
	know(p, number);
	/* It was worked here until now: the store must have what it had then. */
	if (before)
		saga__anchor_heard(&shard->anchor,
			&(struct saga__anchor_news){ .era = p->broker.last.era,
				.first = p->broker.last.first,
				.last = before,
				.removes = p->broker.last.removes,
				.has_floor = true,
				.floor = before,
				.doubt = true },
			saga__monotonic(&p->env));
}

void saga__broker_stop(struct saga_participant *p, unsigned number)
{
	struct saga__broker_shard *shard = &p->broker.shards[number];

	drop_waiting(shard);
	forget_passed(shard);
	shard->resets = 0;
	shard->republishes = false;
	p->broker.going &= ~(UINT64_C(1) << number);
	saga__anchor_stop(&shard->anchor);
}

/* ---- what the broker says ---- */

static void hear_shard(struct saga_participant *p, unsigned number, bool anew)
{
	const saga_broker *said = &p->broker.last;
	struct saga__broker_shard *shard = &p->broker.shards[number];
	const struct saga__anchor_news news = { .era = said->era,
		.first = said->first,
		.last = said->last,
		.removes = said->removes,
		.doubt = said->doubt,
		.has_floor = said->shards >> number & 1,
		.floor = said->floors[number] };
	struct saga__relay *relay = p->kept.relays[number];

	if (anew) {
		forget_passed(shard); /* they come again, if at all */
		know(p, number);
	}
	/* A shard that is new here waits for its floor. One that goes back has none. */
	if (shard->checked || news.has_floor || (p->broker.going >> number & 1))
		saga__anchor_heard(&shard->anchor, &news, p->broker.quiet);
	if (!relay || !saga__works(p, number))
		return;
	if (!saga__id_is_zero(shard->marked_in) && !saga__id_same(shard->marked_in, said->era)) {
		saga__log(p, SAGA_WARNING, "broker.remade",
			"all events of shard %u that the outbox holds are published again", number);
		p->kept.marked[number] = 0;
		saga__relay_doubt(relay, true);
	} else if (said->doubt) {
		saga__relay_doubt(relay, false);
	}
	shard->marked_in = said->era;
}

static void take_said(struct saga_participant *p)
{
	struct saga__era *era;
	bool anew, has_said;

	uv_mutex_lock(&p->lock);
	if ((has_said = p->broker.has_said))
		p->broker.last = p->broker.said;
	p->broker.has_said = p->broker.said.doubt = false;
	uv_mutex_unlock(&p->lock);
	if (!has_said || !(era = era_of(p, p->broker.last.era)))
		return;
	p->broker.quiet = p->broker.heard;
	p->broker.heard = saga__monotonic(&p->env);
	anew = era != p->broker.era;
	p->broker.era = era;
	for (unsigned shard = 0; shard < p->shards; shard++)
		hear_shard(p, shard, anew);
}

/* Nothing need stand at that place: the broker's limits may have removed it. */
static bool may_be_gone(const struct saga_participant *p, uint64_t place)
{
	return p->broker.last.removes || place < p->broker.last.first;
}

static void take_looked(struct saga_participant *p)
{
	struct saga__answer_of_look *looked;
	int64_t now = saga__monotonic(&p->env);
	size_t count;

	uv_mutex_lock(&p->lock);
	looked = p->broker.looked;
	count = p->broker.looked_count;
	p->broker.looked = NULL;
	p->broker.looked_count = p->broker.looked_room = 0;
	uv_mutex_unlock(&p->lock);
	for (size_t i = 0; i < count; i++) {
		if (looked[i].is_behind && looked[i].shard < p->shards)
			saga__anchor_looked_behind(&p->broker.shards[looked[i].shard].anchor,
				looked[i].place, looked[i].found);
		for (unsigned shard = 0; !looked[i].is_behind && shard < p->shards; shard++) {
			struct saga__relay *relay = p->kept.relays[shard];
			uint64_t place = looked[i].place;

			saga__anchor_looked(
				&p->broker.shards[shard].anchor, place, looked[i].mark, now);
			if (relay)
				saga__relay_looked(
					relay, place, looked[i].id, may_be_gone(p, place), now);
		}
	}
	free(looked);
}

/* ---- what it refuses ---- */

void saga__broker_refuse(struct saga_participant *p, unsigned shard, uint64_t seq, const char *why)
{
	struct saga__relay *relay = p->kept.relays[shard];
	struct saga__blob *event = relay ? saga__relay_refused(relay, seq) : NULL;
	struct saga__item *item;

	if (!event)
		return;
	if (!(item = calloc(1, sizeof *item)) || !(item->why = strdup(why))) {
		free(item);
		fail(p, "a dead letter");
		return;
	}
	item->kind = SAGA__ITEM_REFUSED;
	item->shard = shard;
	item->seq = seq;
	item->event = saga__blob_ref(event);
	saga__streams_give(p, shard, item);
}

static void take_refusals(struct saga_participant *p)
{
	const struct saga__lane_command relent = { .kind = SAGA__COMMAND_REPUBLISH };
	struct saga__refusal *refusals, *refusal;
	bool relents;

	uv_mutex_lock(&p->lock);
	refusals = p->broker.refusals;
	p->broker.refusals = NULL;
	relents = p->broker.relents;
	p->broker.relents = false;
	uv_mutex_unlock(&p->lock);
	while ((refusal = refusals)) {
		uint64_t shard = refusal->token >> SEQ_BITS;

		refusals = refusal->next;
		if (shard < p->shards)
			saga__broker_refuse(p, (unsigned)shard,
				refusal->token & ((UINT64_C(1) << SEQ_BITS) - 1), refusal->why);
		free(refusal);
	}
	for (size_t i = 0; relents && i < p->lane_count; i++) {
		(void)saga__lane_give_command(&p->lanes[i], &relent);
		if (!p->has_thread[i])
			saga__wake(p);
	}
}

void saga__broker_mended(
	struct saga_participant *p, unsigned shard, const struct saga__relay_effect *effect)
{
	if (effect->lost)
		saga__log(p, SAGA_ALARM, "broker.lost",
			"the broker had lost %llu of the last %llu events of shard %u that it had "
			"confirmed: they were published again",
			(unsigned long long)effect->lost, (unsigned long long)effect->sent, shard);
}

void saga__broker_stuck(
	struct saga_participant *p, unsigned shard, const struct saga__relay_effect *effect)
{
	saga__log(p, SAGA_ALARM, "broker.stuck",
		"the broker has not taken event %llu of shard %u in %d sendings: it calls each a "
		"double of one that it has lost; the event goes on to be sent, and an operator "
		"must look at the broker",
		(unsigned long long)effect->seq, shard, SAGA__RELAY_AGAIN_MOST + 1);
}

void saga__broker_republish(struct saga_participant *p, unsigned shard)
{
	struct saga__broker_shard *own = &p->broker.shards[shard];

	if (!p->kept.relays[shard] || !saga__works(p, shard) || own->republishes)
		return;
	own->republishes = true;
	p->kept.marked[shard] = 0;
	/* A restart is to begin there, too. */
	move(p, shard, &p->kept.marks[shard], &(struct saga__point){ .place = 0 }, true);
}

static void republish(struct saga_participant *p, unsigned shard)
{
	struct saga__halt order = { .source = p->kept.marks[shard], .known = UINT64_MAX };

	p->broker.shards[shard].republishes = false;
	saga__log(p, SAGA_WARNING, "stream.republished",
		"an operator's order: all events of shard %u that the outbox holds are published "
		"again",
		shard);
	saga__relay_doubt(p->kept.relays[shard], true);
	saga__halt_over(p, &order);
}

/* ---- what the lanes did ---- */

void saga__broker_committed(struct saga_participant *p, const struct saga__committed *committed)
{
	int64_t now = saga__monotonic(&p->env);

	for (size_t i = 0; i < committed->move_count; i++) {
		const struct saga__move *moved = &committed->moves[i];
		struct saga__broker_shard *shard = &p->broker.shards[moved->shard];

		if (shard->republishes && p->kept.relays[moved->shard] &&
			saga__stream_same(
				&moved->source.stream, &p->kept.marks[moved->shard].stream))
			republish(p, moved->shard);
		if (!p->broker.era ||
			!saga__id_same(
				moved->source.stream.store, p->broker.era->newest.stream.store))
			continue;
		if (moved->reset) {
			if (shard->resets && !--shard->resets)
				is_back(p, moved->shard);
		} else if (!moved->source.stream.shard) {
			saga__anchor_committed(&shard->anchor, moved->seq, moved->id);
			ack_passed(p, shard);
		}
	}
	for (size_t i = 0; i < committed->refused_count; i++) {
		struct saga__relay *relay = p->kept.relays[committed->refused[i].shard];

		if (relay)
			saga__relay_set_aside(relay, committed->refused[i].seq, now);
	}
}

void saga__broker_points(struct saga_participant *p, const struct saga__positions_read *read)
{
	struct points points;

	if (!p->broker.era || read->shard >= p->shards)
		return;
	points = find_points(read->stands.at, read->stands.count, read->shard,
		p->broker.era->newest.stream.store);
	saga__anchor_compared(&p->broker.shards[read->shard].anchor,
		points.found ? &points.newest : NULL,
		points.settled.place ? &points.settled : NULL);
}

/* ---- the tick ---- */

static void compare(struct saga_participant *p, unsigned shard)
{
	const struct saga__lane_command command = { .kind = SAGA__COMMAND_POSITIONS,
		.as.shard = shard };
	struct saga__lane *lane = saga__lane_of(p, shard);

	if (saga__lane_give_command(lane, &command) != SAGA_OK)
		fail(p, "a position");
	else if (!p->has_thread[lane - p->lanes])
		saga__wake(p);
}

static void do_effect(
	struct saga_participant *p, unsigned shard, const struct saga__anchor_effect *effect)
{
	switch (effect->kind) {
	case SAGA__ANCHOR_LOOK:
		p->transport_ops->look(p->transport, effect->point.place);
		break;
	case SAGA__ANCHOR_LOOK_BEHIND:
		p->transport_ops->look_behind(p->transport, shard, effect->point.place);
		break;
	case SAGA__ANCHOR_COMPARE:
		compare(p, shard);
		break;
	case SAGA__ANCHOR_SETTLE:
		move(p, shard, &p->broker.era->settled, &effect->point, false);
		break;
	case SAGA__ANCHOR_GO_BACK:
		go_back(p, shard, effect);
		break;
	}
}

void saga__broker_tick(struct saga_participant *p)
{
	struct saga__anchor_effect effect;

	take_said(p);
	take_looked(p);
	take_refusals(p);
	if (!p->transport || p->life != SAGA__RUNS || !p->broker.era)
		return;
	for (unsigned i = 0; i < p->shards; i++) {
		struct saga__broker_shard *shard = &p->broker.shards[i];

		while (saga__anchor_next(&shard->anchor, &effect))
			do_effect(p, i, &effect);
		if (!shard->checked && saga__anchor_is_checked(&shard->anchor))
			take_waiting(p, shard);
	}
	pass_on(p, saga__monotonic(&p->env));
}

int64_t saga__broker_due(const struct saga_participant *p)
{
	int64_t due = INT64_MAX;

	for (unsigned i = 0; i < p->shards; i++) {
		const struct saga__broker_shard *shard = &p->broker.shards[i];

		if (shard->passed_count && !shard->passing && !(p->broker.going >> i & 1) &&
			shard->passed_at + PASS_MS < due)
			due = shard->passed_at + PASS_MS;
	}
	return due;
}

void saga__broker_close(struct saga_participant *p)
{
	struct saga__refusal *refusal;
	struct saga__era *era;

	for (unsigned i = 0; i < SAGA__STORE_SHARDS; i++) {
		drop_waiting(&p->broker.shards[i]);
		free(p->broker.shards[i].passed);
	}
	while ((refusal = p->broker.refusals)) {
		p->broker.refusals = refusal->next;
		free(refusal);
	}
	while ((era = p->broker.eras)) {
		p->broker.eras = era->next;
		free(era);
	}
	free(p->broker.looked);
}
