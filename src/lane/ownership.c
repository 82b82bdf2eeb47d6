/* Which shards a lane works: it begins with some, and leaves others, in one transaction. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "../step/work.h"
#include "inside.h"

struct settling {
	struct saga__lane *lane;
	bool anew; /* on a new connection: all is read again */
	struct saga__assigned *assigned;
	struct saga__shard locked[SAGA__STORE_SHARDS];
	struct saga__lane_shard shards[SAGA__STORE_SHARDS];
	size_t count;
	unsigned epochs;
	int64_t due;
	bool unclean;
};

/* Positions are read of all shards at once; only some are wanted. */
struct standing {
	struct saga__stand_list *stands;
	uint64_t wanted;
};

static int add_stand(void *context, const struct saga__source *source, unsigned shard,
	struct saga__position position)
{
	const struct standing *standing = context;

	if (!(standing->wanted >> shard & 1))
		return SAGA_OK;
	return saga__stand_add(standing->stands, &(struct saga__stand){ *source, shard, position });
}

static int read_stands(struct saga__lane *lane, uint64_t wanted, struct saga__stand_list *stands,
	saga_error *error)
{
	struct standing standing = { stands, wanted };

	return saga__journal_positions(&lane->journal, add_stand, &standing, error);
}

bool saga__lane_read_positions(struct saga__lane *lane, struct saga__lane_command *command)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_POSITIONS);
	unsigned shard = command->as.shard;
	saga_error error = { .code = SAGA_OK };
	int code = notification ? SAGA_OK : saga_error_set(&error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK) {
		notification->as.positions.shard = shard;
		code = read_stands(
			lane, UINT64_C(1) << shard, &notification->as.positions.stands, &error);
	}
	if (code != SAGA_OK) {
		saga__notification_free(notification);
		saga__lane_put_off(lane, command, &error);
		return false;
	}
	lane->options.notify(lane->options.host, notification);
	return true;
}

/* Calls that a process which is gone was making; or that a commit asked for, unanswered. */
static int revive_calls(struct settling *s, unsigned shard, bool was_leased, saga_error *error)
{
	struct saga__lane *lane = s->lane;
	bool leased = lane->assigned.leased >> shard & 1;
	int64_t now = saga__journal_now(&lane->journal);

	if (SAGA__MUTANT(call_lost_at_crash) || !leased || (was_leased && !lane->revive))
		return SAGA_OK;
	return saga__journal_revive_calls(&lane->journal, shard, now, error);
}

/*
 * The store has less than this lane was told that it had committed: it was restored, or another
 * server took over that lacked the end. What is remembered here is of a history that is gone.
 */
static int was_set_back(struct settling *s, unsigned shard, const struct saga__lane_shard *before,
	const struct saga__stream_row *row, bool *ret_set_back, saga_error *error)
{
	uint64_t place = before->place;
	char text[160];
	int code = SAGA_OK;

	if (before->broker.owner[0])
		code = saga__journal_position(
			&s->lane->journal, &before->broker, shard, &place, error);
	if (code != SAGA_OK)
		return code;
	*ret_set_back = row->seq < before->sent || place < before->place;
	if (!*ret_set_back)
		return SAGA_OK;
	(void)snprintf(text, sizeof text,
		"the store has lost what it had committed: shard %u stood at event %llu, and now "
		"stands at %llu",
		shard, (unsigned long long)before->sent, (unsigned long long)row->seq);
	saga__lane_log(s->lane, SAGA_ALARM, "store.set_back", text);
	return SAGA_OK;
}

/* Where the shard stands; of one that is new to the lane nothing is known but that. */
static int read_shard(struct settling *s, unsigned shard, const struct saga__lane_shard *before,
	saga_error *error)
{
	struct saga__lane *lane = s->lane;
	struct saga__assigned *assigned = s->assigned;
	struct saga__assigned_shard *read = &assigned->streams[assigned->stream_count];
	struct saga__stream_row *row = &read->stream;
	struct saga__lane_shard *own = &s->shards[s->count];
	bool set_back = false;
	bool mended = false;
	int64_t due;
	int code = saga__journal_stream(&lane->journal, shard, row, error);

	if (code == SAGA_REFUSED && lane->journal.odd_stream &&
		(code = saga__journal_mend_stream(&lane->journal, shard, &mended, error)) ==
			SAGA_OK)
		code = saga__journal_stream(&lane->journal, shard, row, error);
	if (code == SAGA_OK && before && !mended)
		code = was_set_back(s, shard, before, row, &set_back, error);
	if (code == SAGA_OK)
		code = saga__journal_mark_unclean(&lane->journal, shard, error);
	if (code == SAGA_OK)
		code = revive_calls(s, shard, before && before->leased, error);
	if (code == SAGA_OK)
		code = saga__journal_next_due(&lane->journal, shard, &due, error);
	if (code != SAGA_OK)
		return code;
	if (due < s->due)
		s->due = due;
	s->unclean = s->unclean || (!before && row->unclean);
	if (!before || lane->assigned.rereads || lane->assigned.stale || set_back || mended) {
		*own = (struct saga__lane_shard){ .own = 0 };
		own->epoch = ++s->epochs;
		own->sent = row->seq;
		own->sent_id = row->last;
		assigned->gained |= 1ull << shard;
	}
	own->own = row->own;
	own->caught = own->stored = row->own;
	own->catching_up =
		lane->consumes_own && row->own < row->seq && !SAGA__MUTANT(gained_without_own);
	read->epoch = own->epoch;
	read->shard = shard;
	assigned->stream_count++;
	assert(assigned->stream_count <= lane->journal.shards);
	return SAGA_OK;
}

/* Its stream row can't be read, and nothing proves what stood there: the other shards go on. */
static void leave_unworked(struct settling *s, unsigned shard, const saga_error *error)
{
	struct saga__lane *lane = s->lane;
	char text[SAGA_ERROR_TEXT + 128];

	if (!(lane->owned.unreadable >> shard & 1)) {
		(void)snprintf(text, sizeof text,
			"%s; shard %u is not worked until its row, or a copy of the store, is put "
			"back",
			error->text, shard);
		saga__lane_row_was_set_aside(lane, text);
	}
	lane->owned.unreadable |= UINT64_C(1) << shard;
}

static int settle_shard(struct settling *s, unsigned shard, saga_error *error)
{
	struct saga__lane *lane = s->lane;
	struct saga__lane_shard *before = saga__lane_held(lane, shard);
	int code = SAGA_OK;

	s->shards[s->count] = before ? *before : (struct saga__lane_shard){ .own = 0 };
	s->locked[s->count].shard = shard;
	if (!before || s->anew || lane->assigned.rereads || lane->assigned.stale) {
		code = read_shard(s, shard, before, error);
		if (code == SAGA_REFUSED && lane->journal.odd_stream) {
			leave_unworked(s, shard, error);
			return SAGA_OK;
		}
		lane->owned.unreadable &= ~(UINT64_C(1) << shard);
	} else if (!before->leased && lane->assigned.leased >> shard & 1) {
		code = revive_calls(s, shard, false, error);
		s->due = saga__journal_now(&lane->journal); /* what was revived */
	}
	s->shards[s->count++].leased = lane->assigned.leased >> shard & 1;
	return code;
}

static int settle_all(struct settling *s, saga_error *error)
{
	struct saga__lane *lane = s->lane;
	uint64_t lost = saga__lane_worked(lane) & ~lane->assigned.shards;
	int code = SAGA_OK;

	for (unsigned shard = 0; code == SAGA_OK && shard < lane->journal.shards; shard++)
		if (lane->assigned.shards >> shard & 1)
			code = settle_shard(s, shard, error);
		else if (lost >> shard & 1)
			code = saga__journal_mark_clean(
				&lane->journal, shard, lane->options.instance, error);
	/* Before: an order that is carried out in between is thought to be newer. */
	if (code == SAGA_OK && s->assigned->gained)
		code = saga__journal_orders(&lane->journal, &s->assigned->orders, error);
	if (code == SAGA_OK && s->assigned->gained)
		code = read_stands(lane, s->assigned->gained, &s->assigned->stands, error);
	return code;
}

static enum saga__sift drop_stray(void *context, struct saga__item *item)
{
	return saga__lane_is_stray(context, item) ? SAGA__DROP : SAGA__LEAVE;
}

/* Drop queued events of shards that we no longer own: the new owner reads them itself. */
static void drop_strays(struct saga__lane *lane)
{
	saga__mailbox_sift(&lane->mailbox, SAGA__SIFT_QUEUE, drop_stray, lane);
	saga__mailbox_set_behind(&lane->mailbox, saga__lane_is_behind(lane));
}

static void adopt(struct settling *s)
{
	struct saga__lane *lane = s->lane;

	memcpy(lane->owned.locked, s->locked, s->count * sizeof *lane->owned.locked);
	for (size_t i = 0; i < s->count; i++)
		if (s->assigned->gained >> s->locked[i].shard & 1)
			s->shards[i].orders = s->assigned->orders;
	memcpy(lane->owned.shards, s->shards, s->count * sizeof *lane->owned.shards);
	lane->owned.count = s->count;
	lane->owned.epochs = s->epochs;
	if (s->due < lane->due || s->anew)
		lane->due = s->due;
	if (s->unclean) {
		lane->probe.left = lane->options.limits.batch_events;
		lane->probe.call_ms_left = SAGA__PROBES_MS;
	}
	if (s->anew)
		lane->revive = false;
	lane->assigned.rereads = 0;
	lane->journal.odd_stream = false;
	lane->assigned.stale = false;
	lane->assigned.is_pending = false;
	lane->batch.instead = SAGA__NO_OUTCOME;
	drop_strays(lane);
}

int saga__lane_settle(
	struct saga__lane *lane, bool anew, struct saga__assigned *ret_assigned, saga_error *error)
{
	struct saga__journal *j = &lane->journal;
	struct settling s = { .lane = lane,
		.anew = anew,
		.assigned = ret_assigned,
		.epochs = lane->owned.epochs,
		.due = SAGA__NEVER };
	int code;

	ret_assigned->streams = calloc(SAGA__STORE_SHARDS, sizeof *ret_assigned->streams);
	if (!ret_assigned->streams)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	if ((code = j->ops->begin(j->store, error)) != SAGA_OK)
		return code;
	code = settle_all(&s, error);
	if (code == SAGA_OK && s.count)
		code = saga__journal_count(j, s.locked, s.count, &ret_assigned->counts, error);
	if (code == SAGA_OK)
		code = j->ops->commit(j->store, error);
	if (code != SAGA_OK) {
		if (code != SAGA_UNKNOWN && j->ops->in_transaction(j->store))
			j->ops->rollback(j->store);
		return code;
	}
	ret_assigned->rereads = lane->assigned.rereads;
	adopt(&s);
	ret_assigned->uuid = j->uuid;
	ret_assigned->birth = j->birth;
	ret_assigned->store_shards = j->shards;
	ret_assigned->worked = saga__lane_worked(lane);
	ret_assigned->unreadable = lane->owned.unreadable;
	ret_assigned->due = saga__lane_due(lane);
	assert(!(ret_assigned->gained & ~ret_assigned->worked));
	return SAGA_OK;
}

/* ---- what the host wants ---- */

static bool is_changed(const struct saga__lane *lane)
{
	uint64_t leased = 0;

	for (size_t i = 0; i < lane->owned.count; i++)
		if (lane->owned.shards[i].leased)
			leased |= 1ull << lane->owned.locked[i].shard;
	return lane->assigned.shards != saga__lane_worked(lane) || lane->assigned.leased != leased;
}

void saga__lane_assign(struct saga__lane *lane, const struct saga__assignment *assignment)
{
	lane->assigned.is_known = true;
	lane->assigned.shards = assignment->shards;
	lane->assigned.leased = assignment->leased;
	if (lane->options.number)
		saga__clock_adopt(&lane->journal.clock, &assignment->clock,
			saga__monotonic(lane->options.env));
	if (assignment->due < lane->due)
		lane->due = assignment->due;
	lane->assigned.shared = assignment->shared;
	lane->assigned.heard_at = saga__monotonic(lane->options.env);
	lane->assigned.is_pending = lane->assigned.rereads || lane->assigned.stale ||
		assignment->recount || is_changed(lane);
	for (size_t i = 0; i < lane->owned.count; i++)
		if (assignment->seqs[lane->owned.locked[i].shard] > lane->owned.shards[i].sent)
			saga__mailbox_look(&lane->mailbox);
}

void saga__lane_change_shards(struct saga__lane *lane)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_ASSIGNED);
	saga_error error;
	int code = notification ? saga__lane_settle(lane, false, &notification->as.assigned, &error)
				: saga_error_set(&error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK) {
		lane->options.notify(lane->options.host, notification);
		return;
	}
	saga__notification_free(notification);
	saga__lane_log_refusal(lane, &error);
	saga__lane_failed(lane, &error, saga__is_lost(code));
}

void saga__lane_leave(struct saga__lane *lane)
{
	saga_error error;
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < lane->owned.count; i++)
		code = saga__journal_mark_clean(&lane->journal, lane->owned.locked[i].shard,
			lane->options.instance, &error);
	if (code != SAGA_OK)
		saga__lane_log(lane, SAGA_WARNING, "store.not_marked_clean", error.text);
	if (lane->options.number == 0 &&
		saga__journal_leave(&lane->journal, lane->options.instance, &error) != SAGA_OK)
		saga__lane_log(lane, SAGA_WARNING, "store.not_left", error.text);
}
