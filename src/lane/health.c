/* How a lane goes, for whoever asks; what it says once. */

#include <stdio.h>
#include <string.h>

#include "../event/id.h"
#include "inside.h"

void saga__lane_moved(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	uv_mutex_lock(&lane->lock);
	lane->course.moved_at = lane->course.committed_at = now;
	lane->course.failing = false;
	uv_mutex_unlock(&lane->lock);
	lane->refused = false;
}

void saga__lane_note_error(struct saga__lane *lane, const saga_error *error)
{
	bool damaged = error->code == SAGA_DAMAGED && !lane->course.damaged;

	uv_mutex_lock(&lane->lock);
	lane->course.failed_at = saga__monotonic(lane->options.env);
	if (!lane->course.failing)
		lane->course.failing_since = lane->course.failed_at;
	lane->course.failing = true;
	lane->course.damaged = lane->course.damaged || damaged;
	memcpy(lane->course.error, error->text, sizeof lane->course.error);
	uv_mutex_unlock(&lane->lock);
	if (damaged)
		saga__lane_log(lane, SAGA_ALARM, "store.damaged", error->text);
}

void saga__lane_log_refusal(struct saga__lane *lane, const saga_error *error)
{
	if (error->code == SAGA_REFUSED && !lane->refused)
		saga__lane_log(lane, SAGA_ALARM, "store.refuses", error->text);
	lane->refused = lane->refused || error->code == SAGA_REFUSED;
}

static int64_t oldest_of(const struct saga__items *items, int64_t oldest)
{
	for (const struct saga__item *item = items->first; item; item = item->next)
		if (!oldest || item->came < oldest)
			oldest = item->came;
	return oldest;
}

static int64_t ago(int64_t at, int64_t now, int64_t otherwise)
{
	return at ? now - at : otherwise;
}

void saga__lane_health(struct saga__lane *lane, struct saga__lane_health *ret_health)
{
	int64_t now = saga__monotonic(lane->options.env), oldest;

	uv_mutex_lock(&lane->lock);
	oldest = lane->busy ? lane->busy_since : 0;
	if (lane->queue.first && (!oldest || lane->queue.first->came < oldest))
		oldest = lane->queue.first->came;
	oldest = oldest_of(&lane->later, oldest);
	*ret_health = (struct saga__lane_health){
		.oldest = ago(oldest, now, 0),
		.committed = ago(lane->course.committed_at, now, -1),
		.stalled = lane->course.rests ? 0 : ago(lane->course.moved_at, now, 0),
		.stopped = (int64_t)lane->course.stopped,
		.failed = ago(lane->course.failed_at, now, -1),
		.failing = lane->course.failing,
		.damaged = lane->course.damaged,
		.set_aside = lane->course.set_aside,
	};
	if (lane->course.stopped && now - lane->course.stopped_since > ret_health->stalled)
		ret_health->stalled = now - lane->course.stopped_since;
	memcpy(ret_health->error, lane->course.error, sizeof ret_health->error);
	uv_mutex_unlock(&lane->lock);
}

void saga__lane_row_was_set_aside(void *user, const char *text)
{
	struct saga__lane *lane = user;

	uv_mutex_lock(&lane->lock);
	lane->course.set_aside++;
	uv_mutex_unlock(&lane->lock);
	saga__lane_log(lane, SAGA_ALARM, "row.set_aside", text);
}

void saga__lane_note_rest(struct saga__lane *lane, bool rests)
{
	if (rests == lane->course.rests)
		return; /* only this thread changes it */
	uv_mutex_lock(&lane->lock);
	lane->course.rests = rests;
	lane->course.moved_at = saga__monotonic(lane->options.env);
	lane->course.failing = lane->course.failing && !rests;
	uv_mutex_unlock(&lane->lock);
}

/* ---- requests that the store keeps waiting ---- */

static bool is_to_be_answered(const struct saga__item *item)
{
	return item->kind == SAGA__ITEM_REQUEST && item->answered;
}

/* Under the lock: those of a list that wait for an answer. */
static void take_requests(struct saga__items *from, struct saga__items *ret_requests)
{
	struct saga__items others;
	struct saga__item *item;

	saga__items_init(&others);
	while ((item = saga__items_pop(from)))
		saga__items_push(is_to_be_answered(item) ? ret_requests : &others, item);
	saga__items_move(from, &others);
}

/* What was sent, and not answered, may be done. */
static void refuse(struct saga__item *item)
{
	int code = item->unsure ? SAGA_UNKNOWN : SAGA_AWAY;

	item->reply->code = code;
	(void)snprintf(item->reply->text, sizeof item->reply->text, "%s", saga_code_text(code));
}

void saga__lane_answer_waiting(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);
	struct saga__notification *notification;

	if (!lane->options.request_ms || !lane->course.failing ||
		now - lane->course.failing_since < lane->options.request_ms ||
		!(notification = saga__notification_new(lane, SAGA__NOTIFY_ANSWERS)))
		return;
	uv_mutex_lock(&lane->lock);
	take_requests(&lane->queue, &notification->as.answers);
	take_requests(&lane->later, &notification->as.answers);
	uv_cond_broadcast(&lane->drained);
	uv_mutex_unlock(&lane->lock);
	for (struct saga__item *item = notification->as.answers.first; item; item = item->next)
		refuse(item);
	if (notification->as.answers.first)
		lane->options.notify(lane->options.host, notification);
	else
		saga__notification_free(notification);
}

/* ---- what can't be worked ---- */

static bool is_unworked(const struct saga__lane *lane, const struct saga__item *item)
{
	unsigned shard = item->shard;

	if (item->kind == SAGA__ITEM_REQUEST) {
		if (saga__id_is_zero(item->reply->saga))
			return false;
		shard = saga__id_shard(item->reply->saga, lane->journal.shards);
	}
	return lane->unreadable >> shard & 1;
}

/* An event comes again once its shard is worked; so does a call whose answer this is. */
void saga__lane_refuse_unworked(struct saga__lane *lane)
{
	struct saga__notification *notification;
	struct saga__items others;
	struct saga__item *item;

	if (!lane->unreadable ||
		!(notification = saga__notification_new(lane, SAGA__NOTIFY_ANSWERS)))
		return;
	saga__items_init(&others);
	uv_mutex_lock(&lane->lock);
	while ((item = saga__items_pop(&lane->queue)))
		if (!is_unworked(lane, item))
			saga__items_push(&others, item);
		else if (is_to_be_answered(item))
			saga__items_push(&notification->as.answers, item);
		else
			saga__item_free(item);
	saga__items_move(&lane->queue, &others);
	uv_cond_broadcast(&lane->drained);
	uv_mutex_unlock(&lane->lock);
	for (item = notification->as.answers.first; item; item = item->next) {
		item->reply->code = SAGA_REFUSED;
		(void)snprintf(item->reply->text, sizeof item->reply->text,
			"saga_stream: the row of its shard can't be read");
	}
	if (notification->as.answers.first)
		lane->options.notify(lane->options.host, notification);
	else
		saga__notification_free(notification);
}
