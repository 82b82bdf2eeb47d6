#include "events.h"

#include <assert.h>
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
	if (kind == SAGA__NOTIFY_COMMITTED)
		saga__items_init(&notification->as.committed.answers);
	else if (kind == SAGA__NOTIFY_ANSWERS)
		saga__items_init(&notification->as.answers);
	return notification;
}

int saga__committed_room(struct saga__committed *committed, size_t items, size_t steps)
{
	assert(!committed->moves && !committed->tally);
	committed->moves = calloc(items + 1, sizeof *committed->moves);
	committed->acks = calloc(items + 1, sizeof *committed->acks);
	committed->refused = calloc(items + 1, sizeof *committed->refused);
	committed->tally = calloc((steps + 1) * SAGA__TALLIES, sizeof *committed->tally);
	return committed->moves && committed->acks && committed->refused && committed->tally
		? SAGA_OK
		: SAGA_NOMEM;
}

static void free_items(struct saga__items *items)
{
	struct saga__item *item;

	while ((item = saga__items_pop(items)))
		saga__item_free(item);
}

static void free_sent(struct saga__sent_list *list)
{
	saga__sent_drop(list);
	free(list->at);
}

static void free_committed(struct saga__committed *committed)
{
	struct saga__call *call;

	free_sent(&committed->sent);
	free_items(&committed->answers);
	while ((call = committed->calls)) {
		committed->calls = call->next;
		saga__call_free(call);
	}
	free(committed->moves);
	free(committed->acks);
	free(committed->refused);
	free(committed->tally);
}

static void free_assigned(struct saga__assigned *assigned)
{
	free(assigned->streams);
	free(assigned->stands.at);
}

void saga__notification_free(struct saga__notification *notification)
{
	if (!notification)
		return;
	switch (notification->kind) {
	case SAGA__NOTIFY_CONNECTED:
		free_assigned(&notification->as.connected.assigned);
		break;
	case SAGA__NOTIFY_ASSIGNED:
		free_assigned(&notification->as.assigned);
		break;
	case SAGA__NOTIFY_COMMITTED:
		free_committed(&notification->as.committed);
		break;
	case SAGA__NOTIFY_ANSWERS:
		free_items(&notification->as.answers);
		break;
	case SAGA__NOTIFY_READ:
		free_sent(&notification->as.read.sent);
		break;
	case SAGA__NOTIFY_POSITIONS:
		free(notification->as.positions.stands.at);
		break;
	case SAGA__NOTIFY_STOPPED:
		free(notification->as.stopped.at);
		break;
	case SAGA__NOTIFY_DISCONNECTED:
	case SAGA__NOTIFY_RENEWED:
	case SAGA__NOTIFY_TRIMMED:
	case SAGA__NOTIFY_FATAL:
	case SAGA__NOTIFY_ENDED:
		break;
	}
	free(notification);
}

int saga__sent_add(struct saga__sent_list *list, const struct saga__sent *sent)
{
	assert(list->count <= list->room);
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct saga__sent *more = realloc(list->at, room * sizeof *more);

		if (!more)
			return SAGA_NOMEM;
		list->at = more;
		list->room = room;
	}
	list->at[list->count] = *sent;
	saga__blob_ref(sent->event);
	list->count++;
	return SAGA_OK;
}

void saga__sent_drop(struct saga__sent_list *list)
{
	while (list->count)
		saga__blob_unref(list->at[--list->count].event);
}

int saga__stand_add(struct saga__stand_list *list, const struct saga__stand *stand)
{
	assert(list->count <= list->room);
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct saga__stand *more = realloc(list->at, room * sizeof *more);

		if (!more)
			return SAGA_NOMEM;
		list->at = more;
		list->room = room;
	}
	list->at[list->count++] = *stand;
	return SAGA_OK;
}
