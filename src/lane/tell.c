/* What a batch leaves: events for others and for ourselves, answers, calls. */

#include <stdlib.h>

#include "../mutation.h"
#include "inside.h"

struct missed {
	struct saga__sent_list *sent;
	unsigned shard;
};

static int add_missed(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	const struct missed *missed = context;
	struct saga__blob *blob = saga__blob_new(event.at, event.size);
	int code;

	(void)saga;
	if (!blob)
		return SAGA_NOMEM;
	code = saga__sent_add(missed->sent,
		&(struct saga__sent){
			.event = blob, .shard = missed->shard, .seq = seq, .id = id });
	saga__blob_unref(blob);
	return code;
}

/*
 * The outbox may hold events that nobody told: of a batch whose commit was not answered, or of
 * another instance. They go out before this batch's.
 */
int saga__attempt_tell_missed(
	struct saga__attempt *attempt, struct saga__sent_list *sent, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	for (size_t i = 0; i < lane->owned.count; i++) {
		struct saga__lane_shard *shard = &lane->owned.shards[i];
		struct missed missed = { sent, lane->owned.locked[i].shard };
		size_t before = sent->count;
		saga_id last = shard->sent_id;
		int code;

		if (!saga__attempt_has_chosen(attempt, i) ||
			shard->sent >= lane->owned.locked[i].seq)
			continue;
		code = saga__journal_outbox(&lane->journal, missed.shard, shard->sent + 1,
			lane->owned.locked[i].seq, SIZE_MAX / 2, add_missed, &missed, error);
		if (code != SAGA_OK)
			return code;
		for (size_t k = before; k < sent->count; k++) {
			sent->at[k].before = last;
			last = sent->at[k].id;
		}
		shard->catching_up =
			lane->consumes_own && !shard->waits && !SAGA__MUTANT(own_skipped);
	}
	return SAGA_OK;
}

int saga__lane_tell_outgoing(struct saga__lane *lane, struct saga__sent_list *sent)
{
	for (const struct saga__outgoing *out = lane->batch.outgoing; out; out = out->next) {
		int code = saga__sent_add(sent,
			&(struct saga__sent){
				out->event, out->shard, out->seq, out->id, out->before });

		if (code != SAGA_OK)
			return code;
	}
	return SAGA_OK;
}

/* Our own events, to ourselves. */
static void make_own(struct saga__lane *lane, struct saga__items *own)
{
	for (const struct saga__outgoing *out = lane->batch.outgoing; out; out = out->next) {
		struct saga__lane_shard *shard = saga__lane_shard_of(lane, out->shard);
		struct saga__item *item;

		if (!out->ours || shard->catching_up || shard->waits)
			continue;
		if (!(item = calloc(1, sizeof *item))) {
			shard->catching_up = true; /* from the outbox, then */
			continue;
		}
		item->kind = SAGA__ITEM_EVENT;
		item->shard = out->shard;
		item->event = saga__blob_ref(out->event);
		item->seq = out->seq;
		item->id = out->id;
		item->epoch = shard->epoch;
		shard->pending++;
		saga__items_push(own, item);
	}
}

/* What was in hand is done, but for requests that are to be tried again. */
static void settle_hand(
	struct saga__attempt *attempt, struct saga__committed *committed, struct saga__items *later)
{
	struct saga__lane *lane = attempt->lane;
	for (size_t i = 0; i < attempt->hand_count; i++) {
		struct saga__item *item = attempt->hand[i];

		if (saga__item_is_own(item))
			saga__lane_shard_of(lane, item->shard)->pending--;
		if (item->durable)
			committed->acks[committed->ack_count++] = item->token;
		if (item->kind == SAGA__ITEM_REFUSED)
			committed->refused[committed->refused_count++] =
				(struct saga__refused_event){ item->shard, item->seq };
		if (item->kind == SAGA__ITEM_REQUEST && item->next_ready) {
			item->attempts = item->next_attempts;
			item->ready = item->next_ready;
			saga__items_push(later, item);
			continue;
		}
		if (item->kind == SAGA__ITEM_REQUEST && item->answered)
			saga__items_push(&committed->answers, item);
		else
			saga__item_free(item);
	}
	attempt->hand_count = 0;
}

static void move_on(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	for (size_t i = 0, k = 0; i < lane->owned.count; i++) {
		struct saga__lane_shard *shard = &lane->owned.shards[i];

		if (!saga__attempt_has_chosen(attempt, i))
			continue;
		shard->own = attempt->own[k];
		shard->stored = attempt->chosen[k].stored_own;
		if (shard->own > shard->stored)
			shard->stored = shard->own;
		k++;
		shard->sent = lane->owned.locked[i].seq;
		shard->sent_id = lane->owned.locked[i].last;
		if (shard->catching_up && shard->own >= lane->owned.locked[i].seq)
			shard->catching_up = false;
	}
}

/* What the store must know of the broker's stream, if it is asked again. */
static void note_places(struct saga__lane *lane, const struct saga__committed *committed)
{
	for (size_t i = 0; i < committed->move_count; i++) {
		const struct saga__move *move = &committed->moves[i];
		struct saga__lane_shard *shard = saga__lane_held(lane, move->shard);

		if (!shard || !saga__source_is_broker(&move->source) || move->source.stream.shard)
			continue;
		if (!move->reset && move->seq < shard->place &&
			saga__stream_same(&shard->broker.stream, &move->source.stream))
			continue;
		shard->broker = move->source;
		shard->place = move->seq;
	}
}

void saga__attempt_tell_committed(
	struct saga__attempt *attempt, struct saga__notification *notification)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__committed *committed = &notification->as.committed;
	struct saga__items own, later;

	if (attempt->mode != SAGA__ATTEMPT_FOREIGN) {
		move_on(attempt);
		note_places(lane, committed);
		saga__attempt_end_waits(attempt, committed);
	}
	committed->calls = lane->batch.calls;
	lane->batch.calls = NULL;
	committed->due = saga__lane_due(lane);
	if (attempt->mode != SAGA__ATTEMPT_FOREIGN) { /* else another counts it */
		committed->counts = saga__batch_counts(&lane->batch);
		committed->counts.parked -= lane->probe.odd_rows;
		lane->probe.odd_rows = 0;
	}
	saga__items_init(&own);
	saga__items_init(&later);
	if (attempt->mode != SAGA__ATTEMPT_FOREIGN)
		make_own(lane, &own);
	settle_hand(attempt, committed, &later);
	committed->idle =
		saga__mailbox_settle(&lane->mailbox, &own, &later, saga__lane_is_behind(lane));
	lane->options.notify(lane->options.host, notification);
	saga__mailbox_rest(&lane->mailbox);
	lane->options.rested(lane->options.host);
}
