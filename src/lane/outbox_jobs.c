/* What a lane does with its outbox between batches: it reads, trims and forgets rows. */

#include <assert.h>
#include <stdio.h>

#include "inside.h"

enum {
	FORGET_MS = 60000,
	FORGET_BUSY_MS = 100, /* between two pieces, while batches wait */
	FORGET_MOST = 256,    /* sagas, and letters, in one piece */
};

/* The library's own statement has failed, no batch's. */
static void job_failed(struct saga__lane *lane, const saga_error *error)
{
	saga__lane_log_refusal(lane, error);
	saga__lane_failed(lane, error, saga__is_lost(error->code));
}

void saga__lane_put_off(
	struct saga__lane *lane, struct saga__lane_command *command, const saga_error *error)
{
	saga__mailbox_return_command(&lane->mailbox, command);
	job_failed(lane, error);
}

/* ---- reading ---- */

static int take_sent(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	struct saga__outbox_read *read = context;
	struct saga__blob *blob = saga__blob_new(event.at, event.size);
	int code;

	(void)saga;
	if (!blob)
		return SAGA_NOMEM;
	code = saga__sent_add(&read->sent,
		&(struct saga__sent){ .event = blob, .shard = read->shard, .seq = seq, .id = id });
	saga__blob_unref(blob);
	return code;
}

static int read_outbox(struct saga__lane *lane, const struct saga__outbox_range *range,
	struct saga__outbox_read *ret_read, saga_error *error)
{
	/* One row before the first, for its id. */
	uint64_t from = range->first > 1 ? range->first - 1 : 1;
	struct saga__stream_row row = { .seq = 0 };
	struct saga__sent_list *sent = &ret_read->sent;
	int code;

	assert(range->most < SIZE_MAX);
	ret_read->shard = range->shard;
	code = saga__journal_outbox(&lane->journal, range->shard, from, range->last,
		range->most + 1, take_sent, ret_read, error);
	if (code == SAGA_OK && range->reach)
		code = saga__journal_stream(&lane->journal, range->shard, &row, error);
	ret_read->reach = row.seq;
	ret_read->complete = code == SAGA_OK;
	for (size_t i = 1; code == SAGA_OK && i < sent->count; i++)
		sent->at[i].before = sent->at[i - 1].id;
	return code;
}

bool saga__lane_read_outbox(struct saga__lane *lane, struct saga__lane_command *command)
{
	struct saga__notification *notification = saga__notification_new(lane, SAGA__NOTIFY_READ);
	saga_error error = { .code = SAGA_OK };
	int code;

	/* The loop waits for the answer: without memory for one, the command waits. */
	if (!notification) {
		(void)saga_error_set(&error, SAGA_NOMEM, "out of memory");
		saga__lane_put_off(lane, command, &error);
		return false;
	}
	code = read_outbox(lane, &command->as.read, &notification->as.read, &error);
	/* The answer may be empty: what is missing is asked for again. */
	if (code != SAGA_OK)
		saga__sent_drop(&notification->as.read.sent);
	lane->options.notify(lane->options.host, notification);
	if (code != SAGA_OK)
		job_failed(lane, &error);
	return true;
}

/* ---- trimming ---- */

static int trim_outbox(struct saga__lane *lane, const struct saga__outbox_trim *trim,
	struct saga__outbox_trimmed *ret_trimmed, saga_error *error)
{
	struct saga__stream_row row = { .own = 0 };
	uint64_t last = trim->last;
	int64_t dropped = 0;
	int code = saga__journal_stream(&lane->journal, trim->shard, &row, error);

	if (last > row.own)
		last = row.own; /* we have not handled the later ones ourselves */
	if (code == SAGA_OK && last)
		code = saga__journal_trim(&lane->journal, trim->shard, last,
			saga__journal_ageing(&lane->journal) - trim->age, trim->most, &dropped,
			error);
	if (dropped && trim->loud)
		saga__lane_log(lane, SAGA_ALARM, "outbox.dropped_unseen",
			"events that some follower has not seen were dropped at retention_max_ms");

	if (code == SAGA_OK)
		code = saga__journal_stream(&lane->journal, trim->shard, &row, error);
	ret_trimmed->has_more = dropped == (int64_t)trim->most;
	ret_trimmed->again = *trim;
	ret_trimmed->shard = trim->shard;
	ret_trimmed->first = row.first;
	return code;
}

bool saga__lane_trim_outbox(struct saga__lane *lane, struct saga__lane_command *command)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_TRIMMED);
	saga_error error = { .code = SAGA_OK };

	if (!notification) {
		(void)saga_error_set(&error, SAGA_NOMEM, "out of memory");
		saga__lane_put_off(lane, command, &error);
		return false;
	}
	if (trim_outbox(lane, &command->as.trim, &notification->as.trimmed, &error) == SAGA_OK) {
		lane->options.notify(lane->options.host, notification);
		return true;
	}
	saga__notification_free(notification);
	job_failed(lane, &error);
	return true;
}

/* ---- leases, and what a broker refused ---- */

void saga__lane_release(struct saga__lane *lane, uint64_t shards)
{
	saga_error error;
	int code = saga__journal_give(&lane->journal, lane->options.instance, shards, &error);

	/* If not now, then after the next renewal. */
	if (code != SAGA_OK)
		job_failed(lane, &error);
}

/* If not now, then when the transport comes up again. */
void saga__lane_republish(struct saga__lane *lane)
{
	int64_t now = saga__journal_now(&lane->journal);
	saga_error error;
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < lane->owned.count; i++)
		code = saga__journal_relent(
			&lane->journal, lane->owned.locked[i].shard, now, &error);
	if (code == SAGA_OK)
		lane->due = now;
	else
		saga__lane_failed(lane, &error, code == SAGA_AWAY || code == SAGA_UNKNOWN);
}

/* ---- forgetting ---- */

static void letters_dropped(struct saga__lane *lane, int64_t count)
{
	char text[96];

	(void)snprintf(text, sizeof text, "%lld dead letters older than history_ms were dropped",
		(long long)count);
	saga__lane_log(lane, SAGA_WARNING, "letters.dropped", text);
}

static void forget(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);
	struct saga__forgotten dropped = { 0, 0 };
	int64_t before = saga__journal_ageing(&lane->journal) - lane->options.history_ms;
	saga_error error;
	int code = saga__journal_forget(&lane->journal, lane->owned.locked, lane->owned.count,
		before, FORGET_MOST, &lane->forgetting.cursor, &dropped, &error);

	if (dropped.letters)
		letters_dropped(lane, dropped.letters);
	lane->forgetting.at = dropped.slots || dropped.letters == FORGET_MOST
		? now - FORGET_MS + FORGET_BUSY_MS
		: now + FORGET_MS;
	if (code != SAGA_OK)
		job_failed(lane, &error);
}

void saga__lane_forget(struct saga__lane *lane, int64_t now, bool is_busy)
{
	int64_t at = lane->forgetting.at + (is_busy ? FORGET_MS : 0);

	if (lane->owned.count && now >= at)
		forget(lane);
}
