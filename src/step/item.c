#include "item.h"

#include <stdlib.h>

#include "call.h"

void saga__item_free(struct saga__item *item)
{
	if (!item)
		return;
	saga__blob_unref(item->event);
	saga__call_free(item->call);
	if (item->reply)
		saga__blob_unref(item->reply->outcome);
	free(item->reply);
	free(item->why);
	free(item);
}

void saga__items_init(struct saga__items *items)
{
	items->first = NULL;
	items->end = &items->first;
	items->count = 0;
}

void saga__items_push(struct saga__items *items, struct saga__item *item)
{
	item->next = NULL;
	*items->end = item;
	items->end = &item->next;
	items->count++;
}

void saga__items_push_front(struct saga__items *items, struct saga__item *item)
{
	item->next = items->first;
	if (!items->first)
		items->end = &item->next;
	items->first = item;
	items->count++;
}

struct saga__item *saga__items_pop(struct saga__items *items)
{
	struct saga__item *item = items->first;

	if (!item)
		return NULL;
	items->first = item->next;
	if (!items->first)
		items->end = &items->first;
	items->count--;
	item->next = NULL;
	return item;
}

void saga__items_move(struct saga__items *to, struct saga__items *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	to->count += from->count;
	saga__items_init(from);
}
