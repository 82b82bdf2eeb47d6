#include "events.h"

#include <stdlib.h>

#include "../step/call.h"

struct saga__notification *saga__notification_new(
	struct saga__lane *lane, enum saga__notification_kind kind)
{
	struct saga__notification *notification = calloc(1, sizeof *notification);

	if (!notification)
		return NULL;
	notification->lane = lane;
	notification->kind = kind;
	saga__items_init(&notification->answers);
	return notification;
}

int saga__notification_room(struct saga__notification *notification, size_t items, size_t steps)
{
	if (!notification)
		return SAGA_NOMEM;
	notification->moves = calloc(items + 1, sizeof *notification->moves);
	notification->acks = calloc(items + 1, sizeof *notification->acks);
	notification->refused = calloc(items + 1, sizeof *notification->refused);
	notification->refused_shards = calloc(items + 1, sizeof *notification->refused_shards);
	notification->tally = calloc((steps + 1) * SAGA__TALLIES, sizeof *notification->tally);
	return notification->moves && notification->acks && notification->refused &&
			notification->refused_shards && notification->tally
		? SAGA_OK
		: SAGA_NOMEM;
}

void saga__notification_free(struct saga__notification *notification)
{
	struct saga__item *item;
	struct saga__call *call;

	if (!notification)
		return;
	for (size_t i = 0; i < notification->sent_count; i++)
		saga__blob_unref(notification->sent[i].event);
	while ((item = saga__items_pop(&notification->answers)))
		saga__item_free(item);
	while ((call = notification->calls)) {
		notification->calls = call->next;
		saga__call_free(call);
	}
	free(notification->halts);
	free(notification->sent);
	free(notification->moves);
	free(notification->acks);
	free(notification->refused);
	free(notification->refused_shards);
	free(notification->tally);
	free(notification->stands);
	free(notification);
}

int saga__notification_add(struct saga__notification *notification, const struct saga__sent *sent)
{
	if (notification->sent_count == notification->sent_room) {
		size_t room = notification->sent_room ? 2 * notification->sent_room : 64;
		struct saga__sent *more = realloc(notification->sent, room * sizeof *more);

		if (!more)
			return SAGA_NOMEM;
		notification->sent = more;
		notification->sent_room = room;
	}
	notification->sent[notification->sent_count] = *sent;
	saga__blob_ref(sent->event);
	notification->sent_count++;
	return SAGA_OK;
}
