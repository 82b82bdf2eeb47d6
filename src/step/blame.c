#include "blame.h"

#include <string.h>

#include "../event/peek.h"
#include "../event/sum.h"
#include "call.h"

enum {
	REFUSALS_MOST = 1, /* beyond, it is set aside */
	LOSSES_MOST = 4,   /* of the connection: then it is withheld, ... */
	SLOW_LOSS = 2      /* ... and sooner where the time ran out */
};

/* The same whenever it is tried again; what bears no id has its bytes. */
static saga_id id_of(const struct saga__item *item, const struct saga__parked *parked)
{
	struct saga__peek peek;
	saga_bytes bytes;
	saga_id id = { { 0 } };
	uint64_t sum;

	if (item->kind == SAGA__ITEM_ANSWER)
		return item->call->parked;
	if (parked)
		return parked->id;
	if (!item->event)
		return item->id;
	bytes = saga__blob_bytes(item->event);
	if (saga__event_peek(bytes, &peek))
		return peek.id;
	sum = saga__sum64(bytes, 0);
	memcpy(&id, &sum, sizeof sum);
	return id;
}

static struct saga__blamed *find(struct saga__batch *batch, saga_id id)
{
	for (size_t i = 0; i < batch->blamed_count && i < SAGA__BLAMED_MOST; i++)
		if (saga__id_same(batch->blamed[i].id, id))
			return &batch->blamed[i];
	return NULL;
}

/* Every store's encoding has these. */
static void keep_plain(char *to, size_t size, const char *text)
{
	size_t i = 0;

	for (; i + 1 < size && text[i]; i++)
		to[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	to[i] = '\0';
}

void saga__blame(struct saga__batch *batch, int code, bool slowly, const char *why)
{
	saga_id id = id_of(batch->only, batch->only_parked);
	struct saga__blamed *blamed = find(batch, id);

	if (!blamed) {
		blamed = &batch->blamed[batch->blamed_count++ % SAGA__BLAMED_MOST];
		*blamed = (struct saga__blamed){ .id = id };
	}
	if (code == SAGA_REFUSED)
		blamed->refusals++;
	else
		blamed->losses += slowly ? SLOW_LOSS : 1;
	blamed->odd_row = batch->odd_row;
	keep_plain(blamed->why, sizeof blamed->why, why);
}

enum saga__judgement saga__judgement_of(struct saga__batch *batch, const struct saga__item *item,
	const struct saga__blamed **ret_blamed)
{
	struct saga__blamed *blamed = NULL;

	if (batch->blamed_count && item->kind != SAGA__ITEM_MOVE)
		blamed = find(batch, id_of(item, item->parked));
	if (!blamed)
		return SAGA__ACQUITTED;
	*ret_blamed = blamed;
	blamed->judged = true;
	if (blamed->refusals > REFUSALS_MOST)
		return SAGA__SET_ASIDE;
	return blamed->refusals || blamed->losses >= LOSSES_MOST ? SAGA__WITHHELD : SAGA__ACQUITTED;
}

void saga__blame_begin(struct saga__batch *batch)
{
	batch->item_count = 0;
	batch->only = NULL;
	batch->only_parked = NULL;
	batch->odd_row = batch->put_aside = false;
	for (size_t i = 0; i < batch->blamed_count && i < SAGA__BLAMED_MOST; i++)
		batch->blamed[i].judged = false;
}

void saga__blame_settle(struct saga__batch *batch)
{
	for (size_t i = 0; i < batch->blamed_count && i < SAGA__BLAMED_MOST; i++)
		if (batch->blamed[i].judged)
			batch->blamed[i] = (struct saga__blamed){ .refusals = 0 };
}

void saga__blame_forget(struct saga__batch *batch)
{
	for (size_t i = 0; i < batch->blamed_count && i < SAGA__BLAMED_MOST; i++)
		batch->blamed[i] = (struct saga__blamed){ .refusals = 0 };
}
