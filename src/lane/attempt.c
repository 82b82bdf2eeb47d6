/* One batch: gather, lock, load, run, write, commit, tell. */

#include "inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "../step/blame.h"
#include "../step/call.h"
#include "../step/work.h"

enum {
	CONTENTIONS_MOST = 8
};

/* ---- gathering ---- */

/* A request that is about no saga is looked into anywhere. */
static unsigned shard_of_request(const struct saga__lane *lane, const struct saga__item *item)
{
	saga_id saga = item->reply->saga;

	if (saga__id_is_zero(saga) && lane->owned.count)
		return lane->owned.locked[0].shard;
	return saga__id_shard(saga, lane->journal.shards);
}

/* Takes it into the hand, if it is of the batch's kind. */
static enum saga__sift take(struct saga__attempt *attempt, struct saga__item *item)
{
	struct saga__lane *lane = attempt->lane;
	if (item->kind == SAGA__ITEM_REQUEST)
		item->shard = shard_of_request(lane, item);
	if ((attempt->mode == SAGA__ATTEMPT_FOREIGN) ==
		(saga__lane_held(lane, item->shard) != NULL))
		return SAGA__LEAVE;
	assert(attempt->hand_count < lane->limit);
	attempt->hand[attempt->hand_count++] = item;
	return SAGA__TAKE;
}

static enum saga__sift take_item(void *context, struct saga__item *item)
{
	struct saga__attempt *attempt = context;

	if (attempt->hand_count == attempt->lane->limit)
		return SAGA__ENOUGH;
	/* Only what is to be tried again has a time. */
	if (item->ready && item->ready > saga__monotonic(attempt->lane->options.env))
		return SAGA__LEAVE;
	if (saga__lane_is_stray(attempt->lane, item))
		return SAGA__DROP;
	return take(attempt, item);
}

static bool works_all(const struct saga__lane *lane)
{
	return lane->owned.count * lane->options.count >= lane->journal.shards;
}

/* Whether there is something to do in our shards beside what is in the queue. */
static unsigned sources_of_store(const struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	unsigned from = 0;

	if (!lane->owned.count)
		return 0;
	if (lane->due <= saga__journal_now(&lane->journal))
		from |= FROM_DUE;
	if (saga__lane_is_behind(lane))
		from |= FROM_OUTBOX;
	if (attempt->looking != lane->looks)
		from |= FROM_OTHERS;
	return from;
}

/*
 * A batch is of our own shards, or of others': in turn, if there are both. Who holds another's may
 * stand still, and ours wait no longer for it than one batch; but what failed here is tried again.
 */
static bool is_foreign_next(const struct saga__lane *lane)
{
	if (lane->batch.instead || (lane->failures && !lane->was_foreign))
		return lane->was_foreign;
	return !lane->was_foreign && !works_all(lane);
}

static void take_all(struct saga__attempt *attempt, bool foreign)
{
	struct saga__lane *lane = attempt->lane;

	attempt->mode = foreign    ? SAGA__ATTEMPT_FOREIGN
		: lane->probe.left ? SAGA__ATTEMPT_PROBING
				   : SAGA__ATTEMPT_NORMAL;
	lane->was_foreign = foreign;
	saga__mailbox_sift(&lane->mailbox, SAGA__SIFT_LATER | SAGA__SIFT_QUEUE, take_item, attempt);
}

static void gather(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	bool foreign = is_foreign_next(lane);

	attempt->looking = saga__mailbox_await(&lane->mailbox, lane->limit, lane->options.batch_ms);
	take_all(attempt, foreign);
	if (!attempt->hand_count && (foreign || !sources_of_store(attempt))) {
		lane->batch.instead = SAGA__NO_OUTCOME; /* of what went elsewhere */
		take_all(attempt, !foreign);
	}
	for (size_t i = 0; i < attempt->hand_count; i++)
		attempt->hand[i]->next_ready = 0;
}

/*
 * Whose streams the batch locks, sorted: what is in hand is of few; what is looked for in the store
 * may be of any that the lane works.
 */
static void choose_shards(struct saga__attempt *attempt, unsigned from)
{
	struct saga__lane *lane = attempt->lane;
	uint64_t shards = 0;

	for (size_t i = 0; i < attempt->hand_count; i++)
		shards |= 1ull << attempt->hand[i]->shard;
	if (from != FROM_HAND)
		shards = saga__lane_worked(lane);
	attempt->chosen_shards = shards;
	attempt->chosen_count = 0;
	for (unsigned shard = 0; shard < lane->journal.shards; shard++)
		if (shards >> shard & 1)
			attempt->chosen[attempt->chosen_count++].shard = shard;
	lane->batch.locked = attempt->chosen;
	lane->batch.locked_count = attempt->chosen_count;
}

/* Where their streams stand, for the lane. */
static void note_chosen(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	for (size_t i = 0, k = 0; i < lane->owned.count && attempt->mode != SAGA__ATTEMPT_FOREIGN;
		i++)
		if (saga__attempt_has_chosen(attempt, i))
			lane->owned.locked[i] = attempt->chosen[k++];
}

/* ---- what it takes in ---- */

static int add_hand(struct saga__attempt *attempt, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	for (size_t i = 0; i < attempt->hand_count; i++) {
		int code = saga__batch_add(&lane->batch, attempt->hand[i]);

		if (code != SAGA_OK)
			return saga_error_set(error, code, "out of memory");
	}
	return SAGA_OK;
}

/* ---- positions ---- */

static size_t gather_moves(struct saga__attempt *attempt, struct saga__move *moves)
{
	struct saga__lane *lane = attempt->lane;
	size_t count = 0;

	for (size_t i = 0; i < attempt->hand_count; i++) {
		const struct saga__item *item = attempt->hand[i];
		size_t k = 0;

		if (!saga__item_is_followed(item) || item->reset)
			continue;
		while (k < count &&
			(moves[k].shard != item->shard ||
				!saga__stream_same(&moves[k].source.stream, &item->source.stream)))
			k++;
		if (k == count)
			moves[count++] = (struct saga__move){ .source = item->source,
				.shard = item->shard,
				.known = saga__lane_shard_of(lane, item->shard)->orders };
		if (item->seq > moves[k].seq) {
			moves[k].seq = item->seq + SAGA__MUTANT(position_too_early);
			moves[k].id = item->id;
		}
	}
	return count;
}

/* An operator command comes behind all else of that stream, and goes back too. */
static int reset_positions(
	struct saga__attempt *attempt, struct saga__committed *committed, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < attempt->hand_count; i++) {
		const struct saga__item *item = attempt->hand[i];
		struct saga__move *move = &committed->moves[committed->move_count];

		if (!item->reset)
			continue;
		*move = (struct saga__move){ .source = item->source,
			.shard = item->shard,
			.seq = item->seq,
			.id = item->id,
			.reset = true,
			.known = item->known };
		committed->move_count++;
		code = saga__journal_reset(&lane->journal, move, error);
	}
	return code;
}

/* How many of a shard's own events this batch takes out of the queue, and puts in. */
static void count_own(struct saga__attempt *attempt, size_t at, size_t *ret_taken, size_t *ret_made,
	uint64_t *ret_upto)
{
	struct saga__lane *lane = attempt->lane;
	unsigned number = lane->owned.locked[at].shard;

	*ret_taken = *ret_made = 0;
	*ret_upto = 0;
	for (size_t i = 0; i < attempt->hand_count; i++) {
		const struct saga__item *item = attempt->hand[i];

		if (!saga__item_is_own(item) || item->shard != number)
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
static void find_own(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	memset(attempt->own, 0, sizeof attempt->own);
	for (size_t i = 0, k = 0; i < lane->owned.count && attempt->mode != SAGA__ATTEMPT_FOREIGN;
		i++) {
		struct saga__lane_shard *shard = &lane->owned.shards[i];
		size_t taken, made;
		uint64_t upto, *own = &attempt->own[k];

		if (!saga__attempt_has_chosen(attempt, i))
			continue;
		k++;
		count_own(attempt, i, &taken, &made, &upto);
		if (shard->waits)
			*own = shard->own;
		else if (shard->catching_up)
			*own = shard->caught;
		else if (shard->pending == taken && !made)
			*own = lane->owned.locked[i].seq;
		else
			*own = upto > shard->own ? upto : shard->own;
	}
}

/* ---- the transaction ---- */

static int next_due(struct saga__lane *lane, int64_t *ret_due, saga_error *error)
{
	int64_t dues[SAGA__STORE_SHARDS];
	int code = saga__journal_dues(
		&lane->journal, lane->owned.locked, lane->owned.count, dues, error);

	if (code != SAGA_OK)
		return code;
	*ret_due = SAGA__NEVER;
	for (size_t i = 0; i < lane->owned.count; i++)
		if (dues[i] < *ret_due)
			*ret_due = dues[i];
	return SAGA_OK;
}

static void read_clock(struct saga__lane *lane)
{
	lane->batch.now = saga__journal_now(&lane->journal);
	lane->batch.ageing_behind = saga__journal_ageing_behind(&lane->journal);
}

static int fill(struct saga__attempt *attempt, unsigned from, struct saga__committed *committed,
	saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;
	/* The items in hand alone say which slots they want: these come with the lock. */
	bool early = from == FROM_HAND;
	int code = SAGA_OK;

	read_clock(lane);
	if (early)
		code = add_hand(attempt, error);
	if (code == SAGA_OK && early && saga__attempt_is_to_expect(attempt))
		attempt->mode = SAGA__ATTEMPT_OPTIMISTIC;
	if (attempt->mode == SAGA__ATTEMPT_OPTIMISTIC)
		code = saga__attempt_expect(attempt, error);
	else if (code == SAGA_OK)
		code = saga__journal_lock(
			&lane->journal, batch->locked, batch->locked_count, batch, error);
	if (code == SAGA_OK)
		note_chosen(attempt);
	read_clock(lane);
	if (code == SAGA_OK && attempt->mode != SAGA__ATTEMPT_FOREIGN)
		code = saga__attempt_tell_missed(attempt, &committed->sent, error);
	if (code == SAGA_OK && (from & FROM_OUTBOX))
		code = saga__attempt_catch_up(attempt, error);
	if (code == SAGA_OK && (from & FROM_DUE))
		code = saga__attempt_take_due(attempt, error);
	if (code == SAGA_OK && !early)
		code = add_hand(attempt, error);
	if (code == SAGA_OK && !early)
		code = saga__journal_load(&lane->journal, batch, error);
	return code;
}

static int transact(struct saga__attempt *attempt, unsigned from, struct saga__committed *committed,
	saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__journal *journal = &lane->journal;
	struct saga__batch *batch = &lane->batch;
	bool woken = false;
	int64_t soonest = lane->due, begun = saga__micros(lane->options.env), at;
	int code;

	saga__batch_begin(batch);
	choose_shards(attempt, from);
	saga__lane_catch_nothing(lane);
	batch->store = journal->store;
	if ((code = journal->ops->begin(journal->store, error)) != SAGA_OK)
		return code;
	if ((code = fill(attempt, from, committed, error)) != SAGA_OK)
		return code;
	attempt->filled_at = saga__monotonic(lane->options.env);
	saga__batch_run(batch);
	if (attempt->may_begin)
		saga__attempt_check_expected(attempt);
	if (batch->lost.code != SAGA_OK && !SAGA__MUTANT(lost_batch_committed)) {
		*error = batch->lost;
		return batch->lost.code;
	}
	note_chosen(attempt);
	find_own(attempt);
	committed->move_count = gather_moves(attempt, committed->moves);
	code = saga__journal_write(journal, batch, attempt->own, committed->moves,
		SAGA__MUTANT(position_not_stored) ? 0 : committed->move_count, &woken, error);
	if (code == SAGA_OK)
		code = saga__lane_check_moves(lane, committed, error);
	if (code == SAGA_OK)
		code = reset_positions(attempt, committed, error);
	if (code == SAGA_OK && (from & FROM_DUE))
		code = next_due(lane, &soonest, error);
	if (code == SAGA_OK)
		code = saga__lane_tell_outgoing(lane, &committed->sent);
	at = saga__micros(lane->options.env);
	if (code == SAGA_OK)
		code = journal->ops->commit(journal->store, error);
	if (SAGA__MUTANT(unknown_is_done) && code == SAGA_UNKNOWN)
		code = SAGA_OK;
	if (code != SAGA_OK)
		return code;
	committed->commit_us = saga__micros(lane->options.env) - at;
	committed->batch_us = committed->commit_us + at - begun;
	/* The owner of the shard will find what a foreign batch leaves. */
	lane->due = attempt->mode == SAGA__ATTEMPT_FOREIGN || soonest < batch->due ? soonest
										   : batch->due;
	if (woken && attempt->mode != SAGA__ATTEMPT_FOREIGN)
		lane->due = batch->now;
	return SAGA_OK;
}

/* ---- when it fails ---- */

/*
 * One event alone that keeps losing is parked: no handler runs, their triggers come again, each in
 * a transaction of its own. No commit says which step it lost for: saga__attempts_with.
 */
static void fewer(struct saga__attempt *attempt, int code, const saga_error *error, size_t tried)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;

	lane->limit = tried > 3 ? tried / 4 : 1;
	saga__pace_slow_down(lane->options.pace, lane->limit);
	if (code == SAGA_REFUSED) {
		saga__attempt_refused(attempt, error);
		return;
	}
	if (tried > 1)
		return;
	if (lane->failures >= CONTENTIONS_MOST && !batch->instead) {
		batch->instead = SAGA__RETRIES;
		batch->instead_text = "its transaction keeps losing";
		saga__lane_log(lane, SAGA_WARNING, "batch.parked", error->text);
	}
	saga__lane_failed(lane, error, false);
}

static void failed(struct saga__attempt *attempt, int code, const saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	size_t tried = attempt->hand_count;

	(void)__atomic_add_fetch(&lane->lost, 1, __ATOMIC_RELAXED);
	/* If it did commit, nobody makes the calls that it asked for. */
	if (code == SAGA_UNKNOWN)
		lane->revive = true;
	for (size_t i = 0; code == SAGA_UNKNOWN && i < tried; i++)
		attempt->hand[i]->unsure = true;
	if (code != SAGA_UNKNOWN && lane->journal.ops->in_transaction(lane->journal.store))
		lane->journal.ops->rollback(lane->journal.store);
	saga__attempt_put_back(attempt);
	if (lane->assigned.stale)
		return;
	/* Its shard is looked at, and the others go on. */
	if (lane->journal.odd_stream && attempt->mode != SAGA__ATTEMPT_FOREIGN) {
		lane->assigned.stale = lane->assigned.is_pending = true;
		return;
	}
	/* Something was not so among all that was not waited for. */
	if (code == SAGA_REJECTED || (code == SAGA_REFUSED && lane->batch.optimistic)) {
		saga__lane_log(lane, SAGA_INFO, "batch.replayed", error->text);
		saga__attempt_is_surprised(attempt);
		lane->batch.replays = true;
		return;
	}
	switch (code) {
	case SAGA_MISUSE: /* the handler is known now, and is not run again */
		lane->limit = 1;
		break;
	case SAGA_AWAY:
	case SAGA_UNKNOWN:
	case SAGA_DAMAGED:
		/* Perhaps it is more than a store so slow, or so often cut off, can do at once. */
		lane->limit = tried > 3 ? tried / 4 : 1;
		saga__attempt_lost(attempt, code, error);
		break;
	case SAGA_FULL:
		if (!lane->failures)
			saga__lane_log(lane, SAGA_ALARM, "store.full", error->text);
		saga__lane_failed(lane, error, false);
		break;
	default:
		saga__lane_log(lane, SAGA_INFO, "batch.replayed", error->text);
		fewer(attempt, code, error, tried);
		break;
	}
}

/* ---- one batch ---- */

static unsigned sources(const struct saga__attempt *attempt)
{
	return (attempt->hand_count ? FROM_HAND : 0) |
		(attempt->mode == SAGA__ATTEMPT_FOREIGN ? 0 : sources_of_store(attempt));
}

static void succeeded(struct saga__attempt *attempt, unsigned from)
{
	struct saga__lane *lane = attempt->lane;
	size_t most = lane->options.limits.batch_events;

	lane->failures = 0;
	lane->probe.survived = true;
	saga__blame_settle(&lane->batch);
	saga__course_moved(&lane->course);
	lane->refusal_said = false;
	lane->batch.instead = SAGA__NO_OUTCOME;
	lane->batch.replays = false;
	lane->batch.poison_count = 0;
	/* The items in hand alone lock the streams of their own shards, no others. */
	if (attempt->mode != SAGA__ATTEMPT_FOREIGN && from != FROM_HAND)
		lane->looks = attempt->looking;
	most = saga__pace_speed_up(lane->options.pace, most);
	lane->limit = lane->limit * 2 < most ? lane->limit * 2 : most;
}

/* Nothing else runs meanwhile; an answer, or the time that it has, ends it. */
static bool is_awaiting_call(struct saga__lane *lane)
{
	if (saga__lane_awaits_call(lane) &&
		!saga__mailbox_has_answer(&lane->mailbox, lane->probe.call))
		return true;
	lane->probe.call = (saga_id){ { 0 } };
	return false;
}

/* The arrays are written before they are read, and cost nothing until then. */
static void begin(struct saga__attempt *attempt, struct saga__lane *lane)
{
	attempt->lane = lane;
	attempt->mode = SAGA__ATTEMPT_NORMAL;
	attempt->from = 0;
	attempt->looking = lane->looks;
	attempt->hand = lane->hand;
	attempt->hand_count = 0;
	attempt->chosen_count = 0;
	attempt->chosen_shards = 0;
	attempt->alone = 0;
	attempt->may_begin = false;
	attempt->filled_at = 0;
}

/* With room for what it may have to tell, since a committed batch can't fail any more. */
static int prepare(
	struct saga__attempt *attempt, struct saga__notification *notification, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__committed *committed = notification ? &notification->as.committed : NULL;
	size_t steps = lane->options.plan->step_count;

	/* A failure before the batch begins is no fault of the last one's item, which is gone. */
	saga__blame_begin(&lane->batch);
	if (!committed || saga__committed_room(committed, attempt->hand_count, steps) != SAGA_OK)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	lane->batch.tally = committed->tally;
	return SAGA_OK;
}

static int perform(
	struct saga__attempt *attempt, struct saga__notification *notification, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	bool probes = attempt->mode == SAGA__ATTEMPT_PROBING;
	int code = prepare(attempt, notification, error);

	if (lane->limit == 1)
		attempt->from = saga__attempt_take_one_source(attempt, attempt->from);
	lane->batch.probing = probes;
	if (code == SAGA_OK && probes && attempt->from != FROM_OTHERS)
		code = saga__attempt_suspect(attempt, attempt->from, error);
	if (code == SAGA_OK)
		code = transact(attempt, attempt->from, &notification->as.committed, error);
	lane->batch.tally = NULL;
	lane->batch.locked = NULL;
	lane->batch.locked_count = 0;
	return code;
}

/* A planted bug: what is not committed is told. */
static bool tells_too_early(
	struct saga__lane *lane, int code, struct saga__notification *notification)
{
	if (!SAGA__MUTANT(sent_before_commit) || code == SAGA_OK || !notification ||
		!notification->as.committed.sent.count)
		return false;
	notification->as.committed.move_count = 0;
	lane->options.notify(lane->options.host, notification);
	return true;
}

bool saga__lane_batch(struct saga__lane *lane)
{
	struct saga__notification *notification;
	struct saga__attempt attempt;
	saga_error error = { .code = SAGA_OK };
	size_t most;
	int code;

	if (is_awaiting_call(lane))
		return false;
	saga__lane_refuse_unworked(lane);
	most = __atomic_load_n(&lane->options.pace->ceiling, __ATOMIC_RELAXED);
	if (lane->probe.left || lane->limit > most)
		lane->limit = lane->probe.left ? 1 : most;
	begin(&attempt, lane);
	gather(&attempt);
	if (!(attempt.from = sources(&attempt)))
		return false;
	notification = saga__notification_new(lane, SAGA__NOTIFY_COMMITTED);
	code = perform(&attempt, notification, &error);
	if (code != SAGA_OK) {
		if (!tells_too_early(lane, code, notification))
			saga__notification_free(notification);
		failed(&attempt, code, &error);
		return true;
	}
	succeeded(&attempt, attempt.from);
	if (attempt.mode == SAGA__ATTEMPT_PROBING && lane->batch.calls)
		saga__lane_probe_call(lane, lane->batch.calls);
	saga__attempt_tell_committed(&attempt, notification);
	return true;
}

static int64_t sooner(int64_t wait, int64_t other)
{
	return wait < 0 || other < wait ? (other > 0 ? other : 0) : wait;
}

int64_t saga__lane_idle_ms(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);
	int64_t wait = -1, tried, ready;

	saga__lane_try_waits(lane, &tried);
	if (tried >= 0)
		wait = sooner(wait, tried);
	if (lane->options.number == 0)
		wait = sooner(wait, lane->lease.at - now);
	if (!lane->assigned.is_known)
		return wait;
	if (!saga__id_is_zero(lane->probe.call))
		return sooner(wait, lane->probe.call_until - now);
	if (lane->owned.count)
		wait = sooner(wait, lane->forgetting.at - now);
	if (lane->owned.count && lane->due != SAGA__NEVER)
		wait = sooner(wait, lane->due - saga__journal_now(&lane->journal));
	ready = saga__mailbox_ready_in(&lane->mailbox, lane->owned.count ? &lane->looks : NULL);
	if (ready >= 0)
		wait = sooner(wait, ready);
	return wait;
}
