/* One batch: gather, lock, load, run, write, commit, tell. */

#include "lane_batch.h"

#include <stdlib.h>
#include <string.h>

#include "../event/peek.h"
#include "../mutation.h"
#include "../step/call.h"
#include "../step/work.h"

enum {
	CONTENTIONS_MOST = 8,
	CALM_FIRST = 64,
	CALM_MOST = 8192
};

/* ---- gathering ---- */

static void take_ready(struct saga__lane *lane, int64_t now)
{
	struct saga__items waiting;
	struct saga__item *item;

	if (!lane->later.first)
		return;
	saga__items_init(&waiting);
	while ((item = saga__items_pop(&lane->later))) {
		if (item->ready <= now && lane->hand_count < lane->limit)
			lane->hand[lane->hand_count++] = item;
		else
			saga__items_push(&waiting, item);
	}
	saga__items_move(&lane->later, &waiting);
}

/* A thread of its own may wait for more; the loop may not. */
static void wait_for_more(struct saga__lane *lane)
{
	const struct saga_env *env = lane->options.env;
	int64_t until = saga__monotonic(env) + lane->options.batch_ms, left;

	if (!lane->options.batch_ms || !lane->queue.first)
		return;
	while (lane->queue.count < lane->limit && !lane->stopping &&
		(left = until - saga__monotonic(env)) > 0)
		(void)uv_cond_timedwait(&lane->filled, &lane->lock, (uint64_t)left * 1000000);
}

static void gather(struct saga__lane *lane)
{
	struct saga__item *item;

	uv_mutex_lock(&lane->lock);
	wait_for_more(lane);
	lane->hand_count = 0;
	take_ready(lane, saga__monotonic(lane->options.env));
	while (lane->hand_count < lane->limit && (item = saga__items_pop(&lane->queue)))
		lane->hand[lane->hand_count++] = item;
	lane->busy = lane->hand_count;
	uv_mutex_unlock(&lane->lock);
	for (size_t i = 0; i < lane->hand_count; i++) {
		lane->hand[i]->next_ready = 0;
		if (lane->hand[i]->kind == SAGA__ITEM_REQUEST)
			lane->hand[i]->shard =
				saga__id_shard(lane->hand[i]->reply->saga, lane->journal.shards);
	}
}

/* Nothing came of it: as if it had not been taken. */
void saga__lane_put_back(struct saga__lane *lane)
{
	uv_mutex_lock(&lane->lock);
	lane->hand_count -= SAGA__MUTANT(replay_forgets_one) && lane->hand_count > 0;
	while (lane->hand_count)
		saga__items_push_front(&lane->queue, lane->hand[--lane->hand_count]);
	lane->busy = 0;
	uv_mutex_unlock(&lane->lock);
}

struct saga__lane_shard *saga__lane_shard_of(struct saga__lane *lane, unsigned number)
{
	size_t i = 0;

	while (i + 1 < lane->shard_count && lane->locked[i].shard != number)
		i++;
	return &lane->shards[i];
}

bool saga__lane_is_behind(const struct saga__lane *lane)
{
	for (size_t i = 0; i < lane->shard_count; i++)
		if (lane->shards[i].catching_up)
			return true;
	return false;
}

/* ---- what else a batch takes in, under the lock ---- */

struct catching {
	struct saga__lane *lane;
	size_t at;
	size_t count;
	struct saga__blob *last; /* its item must outlive the batch */
	int code;
};

static bool is_ours(const struct saga__plan *plan, saga_bytes event)
{
	struct saga__peek peek;

	return !saga__event_peek(event, &peek) ||
		saga__plan_concerns(plan, peek.type, peek.version);
}

static struct saga__item *add_item(struct saga__lane *lane, int kind, unsigned shard)
{
	struct saga__item *item = saga__arena_calloc(&lane->batch.arena, 1, sizeof *item);

	if (item) {
		item->kind = kind;
		item->shard = shard;
	}
	return item;
}

static int take_own(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	struct catching *catching = context;
	struct saga__lane *lane = catching->lane;
	struct saga__item *item;
	struct saga__blob *copy;

	(void)saga;
	catching->count++;
	lane->shards[catching->at].caught = seq;
	if (!is_ours(lane->options.plan, event))
		return SAGA_OK;
	if (!(item = add_item(lane, SAGA__ITEM_EVENT, lane->locked[catching->at].shard)) ||
		!(copy = saga__arena_alloc(&lane->batch.arena, sizeof *copy + event.size)))
		return SAGA_NOMEM;
	copy->refs = 1;
	copy->size = event.size;
	memcpy(copy->at, event.at, event.size);
	item->event = copy;
	item->seq = seq;
	item->id = id;
	return saga__batch_add(&lane->batch, item);
}

/* Our own events that nobody here has handled: read again from the outbox. */
static int catch_up(struct saga__lane *lane, saga_error *error)
{
	for (size_t i = 0; i < lane->shard_count; i++) {
		struct saga__lane_shard *shard = &lane->shards[i];
		struct catching catching = { .lane = lane, .at = i };
		int code;

		if (!shard->catching_up || (lane->alone && lane->alone != i + 1))
			continue;
		shard->caught = shard->own;
		code = saga__journal_outbox(&lane->journal, lane->locked[i].shard, shard->own + 1,
			lane->locked[i].seq, lane->limit, take_own, &catching, error);
		if (code != SAGA_OK)
			return code;
		if (catching.count < lane->limit)
			shard->caught = lane->locked[i].seq;
	}
	return SAGA_OK;
}

static int take_due(struct saga__lane *lane, saga_error *error)
{
	struct saga__batch *batch = &lane->batch;
	int64_t dues[SAGA__STORE_SHARDS];
	int code = saga__journal_dues(&lane->journal, lane->locked, lane->shard_count, dues, error);

	for (size_t i = 0; code == SAGA_OK && i < lane->shard_count; i++) {
		struct saga__parked **rows;
		size_t count;

		if (dues[i] > batch->now || (lane->alone && lane->alone != i + 1))
			continue;
		code = saga__journal_due(&lane->journal, lane->locked[i].shard, batch->now,
			lane->limit, &batch->arena, &rows, &count, error);
		if (code != SAGA_OK)
			return code;
		for (size_t k = 0; k < count; k++) {
			struct saga__item *item =
				add_item(lane, SAGA__ITEM_DUE, lane->locked[i].shard);

			if (!item)
				return saga_error_set(error, SAGA_NOMEM, "out of memory");
			item->parked = rows[k];
			if ((code = saga__batch_add(batch, item)) != SAGA_OK)
				return saga_error_set(error, code, "out of memory");
		}
	}
	return code;
}

static int add_hand(struct saga__lane *lane, saga_error *error)
{
	for (size_t i = 0; i < lane->hand_count; i++) {
		int code = saga__batch_add(&lane->batch, lane->hand[i]);

		if (code != SAGA_OK)
			return saga_error_set(error, code, "out of memory");
	}
	return SAGA_OK;
}

/* ---- positions ---- */

static size_t gather_moves(struct saga__lane *lane, struct saga__move *moves)
{
	size_t count = 0;

	for (size_t i = 0; i < lane->hand_count; i++) {
		const struct saga__item *item = lane->hand[i];
		size_t k = 0;

		if (!item->source || item->reset)
			continue;
		while (k < count &&
			(moves[k].source != item->source || moves[k].shard != item->shard))
			k++;
		if (k == count)
			moves[count++] =
				(struct saga__move){ .source = item->source, .shard = item->shard };
		if (item->seq > moves[k].seq) {
			moves[k].seq = item->seq + SAGA__MUTANT(position_too_early);
			moves[k].id = item->id;
		}
	}
	return count;
}

/* What an operator ordered comes behind all else of that stream, and goes back too. */
static int reset_positions(struct saga__lane *lane, struct saga__report *report, saga_error *error)
{
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < lane->hand_count; i++) {
		const struct saga__item *item = lane->hand[i];
		struct saga__move *move = &report->moves[report->move_count];

		if (!item->reset)
			continue;
		*move = (struct saga__move){ .source = item->source,
			.shard = item->shard,
			.seq = item->seq,
			.id = item->id,
			.reset = true };
		report->move_count++;
		code = saga__journal_reset(&lane->journal, move, error);
	}
	return code;
}

/* How many of a shard's own events this batch takes out of the queue, and puts in. */
static void count_own(
	struct saga__lane *lane, size_t at, size_t *ret_taken, size_t *ret_made, uint64_t *ret_upto)
{
	unsigned number = lane->locked[at].shard;

	*ret_taken = *ret_made = 0;
	*ret_upto = 0;
	for (size_t i = 0; i < lane->hand_count; i++) {
		const struct saga__item *item = lane->hand[i];

		if (item->kind != SAGA__ITEM_EVENT || item->source || item->shard != number)
			continue;
		++*ret_taken;
		if (item->seq > *ret_upto)
			*ret_upto = item->seq;
	}
	for (const struct saga__outgoing *out = lane->batch.outgoing; out; out = out->next)
		if (out->ours && out->shard == number)
			++*ret_made;
}

/* Where our own stream is committed after this batch. */
static void find_own(struct saga__lane *lane)
{
	for (size_t i = 0; i < lane->shard_count; i++) {
		struct saga__lane_shard *shard = &lane->shards[i];
		size_t taken, made;
		uint64_t upto;

		count_own(lane, i, &taken, &made, &upto);
		if (shard->catching_up)
			lane->own[i] = shard->caught;
		else if (shard->pending == taken && !made)
			lane->own[i] = lane->locked[i].seq;
		else
			lane->own[i] = upto > shard->own ? upto : shard->own;
	}
}

/* ---- telling ---- */

static int add_missed(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	struct saga__report *report = context;
	struct saga__blob *blob = saga__blob_new(event.at, event.size);
	int code;

	(void)saga;
	if (!blob)
		return SAGA_NOMEM;
	code = saga__report_add(report,
		&(struct saga__sent){
			.event = blob, .shard = report->shard, .seq = seq, .id = id });
	saga__blob_unref(blob);
	return code;
}

/*
 * Events in the outbox that nobody told: of a batch whose commit was not answered, or of another
 * instance. They go out before this batch's.
 */
static int tell_missed(struct saga__lane *lane, struct saga__report *report, saga_error *error)
{
	for (size_t i = 0; i < lane->shard_count; i++) {
		struct saga__lane_shard *shard = &lane->shards[i];
		size_t before = report->sent_count;
		saga_id last = shard->sent_id;
		int code;

		if (shard->sent >= lane->locked[i].seq)
			continue;
		report->shard = lane->locked[i].shard;
		code = saga__journal_outbox(&lane->journal, report->shard, shard->sent + 1,
			lane->locked[i].seq, SIZE_MAX / 2, add_missed, report, error);
		if (code != SAGA_OK)
			return code;
		for (size_t k = before; k < report->sent_count; k++) {
			report->sent[k].before = last;
			last = report->sent[k].id;
		}
		shard->catching_up = lane->consumes_own && !SAGA__MUTANT(own_skipped);
	}
	return SAGA_OK;
}

static int tell_outgoing(struct saga__lane *lane, struct saga__report *report)
{
	for (const struct saga__outgoing *out = lane->batch.outgoing; out; out = out->next) {
		int code = saga__report_add(report,
			&(struct saga__sent){
				out->event, out->shard, out->seq, out->id, out->before });

		if (code != SAGA_OK)
			return code;
	}
	return SAGA_OK;
}

/* Our own events, to ourselves. */
static void push_own(struct saga__lane *lane)
{
	for (const struct saga__outgoing *out = lane->batch.outgoing; out; out = out->next) {
		struct saga__lane_shard *shard = saga__lane_shard_of(lane, out->shard);
		struct saga__item *item;

		if (!out->ours || shard->catching_up)
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
		shard->pending++;
		saga__items_push(&lane->queue, item);
	}
}

/* Under the lock: what was in hand is done with. */
static void settle_hand(struct saga__lane *lane, struct saga__report *report)
{
	for (size_t i = 0; i < lane->hand_count; i++) {
		struct saga__item *item = lane->hand[i];

		if (item->kind == SAGA__ITEM_EVENT && !item->source)
			saga__lane_shard_of(lane, item->shard)->pending--;
		if (item->kind == SAGA__ITEM_REQUEST && item->next_ready) {
			item->attempts = item->next_attempts;
			item->ready = item->next_ready;
			saga__items_push(&lane->later, item);
			continue;
		}
		if (item->kind == SAGA__ITEM_REQUEST && item->answered)
			saga__items_push(&report->answers, item);
		else
			saga__item_free(item);
	}
	lane->hand_count = 0;
	lane->busy = 1; /* until it is told: who looks must not see an idle lane before */
}

static void tell_committed(struct saga__lane *lane, struct saga__report *report)
{
	for (size_t i = 0; i < lane->shard_count; i++) {
		struct saga__lane_shard *shard = &lane->shards[i];

		shard->own = lane->own[i];
		shard->sent = lane->locked[i].seq;
		shard->sent_id = lane->locked[i].last;
		if (shard->catching_up && shard->own >= lane->locked[i].seq)
			shard->catching_up = false;
	}
	report->calls = lane->batch.calls;
	lane->batch.calls = NULL;
	report->counts = lane->batch.delta;
	uv_mutex_lock(&lane->lock);
	push_own(lane);
	settle_hand(lane, report);
	lane->behind = saga__lane_is_behind(lane);
	report->idle = !lane->queue.first && !lane->behind;
	uv_cond_broadcast(&lane->drained);
	uv_mutex_unlock(&lane->lock);
	lane->options.report(lane->options.host, report);
	uv_mutex_lock(&lane->lock);
	lane->busy = 0;
	uv_cond_broadcast(&lane->drained);
	uv_mutex_unlock(&lane->lock);
	lane->options.rested(lane->options.host);
}

/* ---- the transaction ---- */

static int next_due(struct saga__lane *lane, int64_t *ret_due, saga_error *error)
{
	int64_t dues[SAGA__STORE_SHARDS];
	int code = saga__journal_dues(&lane->journal, lane->locked, lane->shard_count, dues, error);

	if (code != SAGA_OK)
		return code;
	*ret_due = SAGA__NEVER;
	for (size_t i = 0; i < lane->shard_count; i++)
		if (dues[i] < *ret_due)
			*ret_due = dues[i];
	return SAGA_OK;
}

static int fill(
	struct saga__lane *lane, unsigned from, struct saga__report *report, saga_error *error)
{
	struct saga__batch *batch = &lane->batch;
	/* What is in hand alone says which slots it wants: they come with the lock. */
	bool early = from == FROM_HAND;
	int code = SAGA_OK;

	batch->now = saga__wall(lane->options.env);
	if (early)
		code = add_hand(lane, error);
	if (code == SAGA_OK)
		code = saga__journal_lock(
			&lane->journal, lane->locked, lane->shard_count, batch, error);
	batch->now = saga__wall(lane->options.env);
	if (code == SAGA_OK)
		code = tell_missed(lane, report, error);
	if (code == SAGA_OK && (from & FROM_OUTBOX))
		code = catch_up(lane, error);
	if (code == SAGA_OK && (from & FROM_DUE))
		code = take_due(lane, error);
	if (code == SAGA_OK && !early)
		code = add_hand(lane, error);
	if (code == SAGA_OK && !early)
		code = saga__journal_load(&lane->journal, batch, error);
	return code;
}

static int transact(
	struct saga__lane *lane, unsigned from, struct saga__report *report, saga_error *error)
{
	struct saga__journal *journal = &lane->journal;
	struct saga__batch *batch = &lane->batch;
	bool woken = false;
	int64_t soonest = lane->due, begun = saga__micros(lane->options.env), at;
	int code;

	saga__batch_begin(batch);
	batch->store = journal->store;
	if ((code = journal->ops->begin(journal->store, error)) != SAGA_OK)
		return code;
	if ((code = fill(lane, from, report, error)) != SAGA_OK)
		return code;
	saga__batch_run(batch);
	if (batch->lost.code != SAGA_OK && !SAGA__MUTANT(lost_batch_committed)) {
		*error = batch->lost;
		return batch->lost.code;
	}
	find_own(lane);
	report->move_count = gather_moves(lane, report->moves);
	code = saga__journal_write(journal, batch, lane->own, report->moves,
		SAGA__MUTANT(position_not_stored) ? 0 : report->move_count, &woken, error);
	if (code == SAGA_OK)
		code = reset_positions(lane, report, error);
	if (code == SAGA_OK && (from & FROM_DUE))
		code = next_due(lane, &soonest, error);
	if (code == SAGA_OK)
		code = tell_outgoing(lane, report);
	at = saga__micros(lane->options.env);
	if (code == SAGA_OK)
		code = journal->ops->commit(journal->store, error);
	if (SAGA__MUTANT(unknown_is_done) && code == SAGA_UNKNOWN)
		code = SAGA_OK;
	if (code != SAGA_OK)
		return code;
	report->commit_us = saga__micros(lane->options.env) - at;
	report->batch_us = report->commit_us + at - begun;
	lane->due = soonest < batch->due ? soonest : batch->due;
	if (woken)
		lane->due = batch->now;
	return SAGA_OK;
}

/* ---- when it fails ---- */

/*
 * Smaller batches hold fewer rows that others want. A loss may cost a second (a server looks for
 * deadlocks no sooner), so larger ones are tried again only after many that lost to nobody.
 */
static void slow_down(struct saga__pace *pace, size_t ceiling)
{
	size_t wanted = __atomic_load_n(&pace->calm_wanted, __ATOMIC_RELAXED);

	wanted = wanted < CALM_FIRST ? CALM_FIRST : wanted < CALM_MOST ? 2 * wanted : wanted;
	__atomic_store_n(&pace->calm, 0, __ATOMIC_RELAXED);
	if (ceiling < __atomic_load_n(&pace->ceiling, __ATOMIC_RELAXED)) {
		__atomic_store_n(&pace->calm_wanted, wanted, __ATOMIC_RELAXED);
		__atomic_store_n(&pace->ceiling, ceiling, __ATOMIC_RELAXED);
	}
}

/* Two lanes that raise it at once raise it by less than one could: that is fine. */
static size_t speed_up(struct saga__pace *pace, size_t most)
{
	size_t ceiling = __atomic_load_n(&pace->ceiling, __ATOMIC_RELAXED);

	if (ceiling >= most)
		return most;
	if (__atomic_add_fetch(&pace->calm, 1, __ATOMIC_RELAXED) <
		__atomic_load_n(&pace->calm_wanted, __ATOMIC_RELAXED))
		return ceiling;
	__atomic_store_n(&pace->calm, 0, __ATOMIC_RELAXED);
	ceiling += ceiling / 4 + 1;
	if (ceiling >= most) {
		ceiling = most;
		__atomic_store_n(&pace->calm_wanted, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&pace->ceiling, ceiling, __ATOMIC_RELAXED);
	return ceiling;
}

/*
 * One event alone that keeps losing, or can never be committed, is parked: no handler runs,
 * their triggers come again, each in a transaction of its own. No commit says which step it lost
 * for: saga__attempts_with.
 */
static void fewer(struct saga__lane *lane, int code, const saga_error *error, size_t tried)
{
	struct saga__batch *batch = &lane->batch;

	lane->limit = tried > 3 ? tried / 4 : 1;
	slow_down(lane->options.pace, lane->limit);
	if (tried > 1)
		return;
	if ((lane->failures >= CONTENTIONS_MOST || code == SAGA_REFUSED) && !batch->instead) {
		batch->instead = SAGA__RETRIES;
		batch->instead_text = code == SAGA_REFUSED
			? "what it wrote was refused at the commit"
			: "its transaction keeps losing";
		saga__lane_log(lane, SAGA_WARNING, "batch.parked", error->text);
	}
	saga__lane_failed(lane, error, false);
}

static void failed(struct saga__lane *lane, int code, const saga_error *error)
{
	size_t tried = lane->hand_count;

	(void)__atomic_add_fetch(&lane->lost, 1, __ATOMIC_RELAXED);
	/* If it did commit, nobody makes the calls that it asked for. */
	if (code == SAGA_UNKNOWN)
		lane->revive = true;
	for (size_t i = 0; code == SAGA_UNKNOWN && i < tried; i++)
		lane->hand[i]->unsure = true;
	if (code != SAGA_UNKNOWN && lane->journal.ops->in_transaction(lane->journal.store))
		lane->journal.ops->rollback(lane->journal.store);
	saga__lane_put_back(lane);
	/* Of all that was not waited for, something was not so. */
	if (code == SAGA_REJECTED || (code == SAGA_REFUSED && lane->batch.trusted)) {
		saga__lane_log(lane, SAGA_INFO, "batch.replayed", error->text);
		lane->batch.wary = true;
		return;
	}
	switch (code) {
	case SAGA_MISUSE: /* the handler is known now, and is not run again */
		lane->limit = 1;
		break;
	case SAGA_AWAY:
	case SAGA_UNKNOWN:
		saga__lane_failed(lane, error, true);
		break;
	case SAGA_FULL:
		if (!lane->failures)
			saga__lane_log(lane, SAGA_ALARM, "store.full", error->text);
		saga__lane_failed(lane, error, false);
		break;
	default:
		saga__lane_log(lane, SAGA_INFO, "batch.replayed", error->text);
		fewer(lane, code, error, tried);
		break;
	}
}

/* ---- one batch ---- */

static bool is_due(const struct saga__lane *lane)
{
	return lane->due <= saga__wall(lane->options.env);
}

static unsigned sources(const struct saga__lane *lane)
{
	unsigned from = 0;

	if (lane->hand_count)
		from |= FROM_HAND;
	if (is_due(lane))
		from |= FROM_DUE;
	if (saga__lane_is_behind(lane))
		from |= FROM_OUTBOX;
	return from;
}

static void succeeded(struct saga__lane *lane)
{
	size_t most = lane->options.limits.batch_events;

	lane->failures = 0;
	lane->survived = true;
	lane->batch.instead = SAGA__NO_OUTCOME;
	lane->batch.wary = false;
	lane->batch.poison_count = 0;
	most = speed_up(lane->options.pace, most);
	lane->limit = lane->limit * 2 < most ? lane->limit * 2 : most;
}

bool saga__lane_batch(struct saga__lane *lane)
{
	struct saga__report *report;
	saga_error error = { .code = SAGA_OK };
	size_t most;
	unsigned from;
	int code;

	most = __atomic_load_n(&lane->options.pace->ceiling, __ATOMIC_RELAXED);
	if (lane->careful || lane->limit > most)
		lane->limit = lane->careful ? 1 : most;
	gather(lane);
	if (!(from = sources(lane)))
		return false;
	report = saga__report_new(lane, SAGA__REPORT_BATCH);
	code = saga__report_room(report, lane->hand_count, lane->options.plan->step_count);
	if (code == SAGA_OK)
		lane->batch.tally = report->tally;
	else
		(void)saga_error_set(&error, code, "out of memory");
	if (lane->limit == 1)
		from = saga__lane_be_careful(lane, from);
	if (code == SAGA_OK && lane->careful)
		code = saga__lane_suspect(lane, from, &error);
	if (code == SAGA_OK)
		code = transact(lane, from, report, &error);
	lane->alone = 0;
	lane->batch.tally = NULL;
	if (SAGA__MUTANT(sent_before_commit) && code != SAGA_OK && report && report->sent_count) {
		report->move_count = 0;
		lane->options.report(lane->options.host, report);
		report = NULL;
	}
	if (code != SAGA_OK) {
		saga__report_free(report);
		failed(lane, code, &error);
		return true;
	}
	succeeded(lane);
	tell_committed(lane, report);
	return true;
}

void saga__lane_look(struct saga__lane *lane)
{
	saga_error error;
	int64_t due;
	int code = next_due(lane, &due, &error);

	if (code == SAGA_OK)
		lane->due = due;
	if (code == SAGA_OK)
		code = saga__lane_tell_halts(lane, NULL, &error);
	if (code != SAGA_OK)
		saga__lane_failed(lane, &error, code == SAGA_AWAY || code == SAGA_UNKNOWN);
}

int64_t saga__lane_idle_ms(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env), wall = saga__wall(lane->options.env);
	int64_t wait = lane->look_at - now;

	if (lane->due != SAGA__NEVER && lane->due - wall < wait)
		wait = lane->due - wall;
	uv_mutex_lock(&lane->lock);
	for (const struct saga__item *item = lane->later.first; item; item = item->next)
		if (item->ready - now < wait)
			wait = item->ready - now;
	if (lane->queue.first)
		wait = 0;
	uv_mutex_unlock(&lane->lock);
	return wait > 0 ? wait : 0;
}
