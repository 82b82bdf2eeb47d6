/* Items that the lane does away with outside a batch: the store keeps them waiting for too long. */

#include <stdio.h>

#include "../event/id.h"
#include "inside.h"

static bool is_to_be_answered(const struct saga__item *item)
{
	return item->kind == SAGA__ITEM_REQUEST && item->answered;
}

static void notify_answers(struct saga__lane *lane, struct saga__notification *notification)
{
	if (notification->as.answers.first)
		lane->options.notify(lane->options.host, notification);
	else
		saga__notification_free(notification);
	saga__mailbox_rest(&lane->mailbox);
}

/* ---- requests that the store keeps waiting ---- */

static enum saga__sift take_request(void *context, struct saga__item *item)
{
	struct saga__items *answers = context;

	if (!is_to_be_answered(item))
		return SAGA__LEAVE;
	saga__items_push(answers, item);
	return SAGA__TAKE;
}

/* If it was sent and not answered, it may be done. */
static void refuse(struct saga__item *item)
{
	int code = item->unsure ? SAGA_UNKNOWN : SAGA_AWAY;

	item->reply->code = code;
	(void)snprintf(item->reply->text, sizeof item->reply->text, "%s", saga_code_text(code));
}

void saga__lane_answer_waiting(struct saga__lane *lane)
{
	struct saga__notification *notification;
	struct saga__items *answers;

	if (!lane->options.request_ms ||
		saga__course_failing_for(&lane->course) < lane->options.request_ms ||
		!(notification = saga__notification_new(lane, SAGA__NOTIFY_ANSWERS)))
		return;
	answers = &notification->as.answers;
	saga__mailbox_sift(&lane->mailbox, SAGA__SIFT_QUEUE, take_request, answers);
	saga__mailbox_sift(&lane->mailbox, SAGA__SIFT_LATER, take_request, answers);
	for (struct saga__item *item = answers->first; item; item = item->next)
		refuse(item);
	notify_answers(lane, notification);
}

/* ---- items of shards that can't be worked ---- */

struct unworked {
	const struct saga__lane *lane;
	struct saga__items *answers;
};

static bool is_unworked(const struct saga__lane *lane, const struct saga__item *item)
{
	unsigned shard = item->shard;

	if (item->kind == SAGA__ITEM_REQUEST) {
		if (saga__id_is_zero(item->reply->saga))
			return false;
		shard = saga__id_shard(item->reply->saga, lane->journal.shards);
	}
	return lane->owned.unreadable >> shard & 1;
}

static enum saga__sift take_unworked(void *context, struct saga__item *item)
{
	struct unworked *unworked = context;

	if (!is_unworked(unworked->lane, item))
		return SAGA__LEAVE;
	if (!is_to_be_answered(item))
		return SAGA__DROP;
	saga__items_push(unworked->answers, item);
	return SAGA__TAKE;
}

/* An event comes again once its shard is worked; so does a call whose answer this is. */
void saga__lane_refuse_unworked(struct saga__lane *lane)
{
	struct saga__notification *notification;
	struct unworked unworked = { .lane = lane };

	if (!lane->owned.unreadable ||
		!(notification = saga__notification_new(lane, SAGA__NOTIFY_ANSWERS)))
		return;
	unworked.answers = &notification->as.answers;
	saga__mailbox_sift(&lane->mailbox, SAGA__SIFT_QUEUE, take_unworked, &unworked);
	for (struct saga__item *item = unworked.answers->first; item; item = item->next) {
		item->reply->code = SAGA_REFUSED;
		(void)snprintf(item->reply->text, sizeof item->reply->text,
			"saga_stream: the row of its shard can't be read");
	}
	notify_answers(lane, notification);
}
