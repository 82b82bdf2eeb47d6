/* Which triggers a waiting slot has seen: id, length of the type's name, the name. */

#include <string.h>

#include "../event/utf8.h"
#include "work.h"

enum {
	SEEN_MOST = 64
};

static const unsigned char *next_seen(const unsigned char *at)
{
	return at + sizeof(saga_id) + 1 + at[sizeof(saga_id)];
}

bool saga__seen_is_whole(saga_bytes seen)
{
	const unsigned char *at = seen.at;
	size_t left = seen.size;

	while (left > sizeof(saga_id) && left - sizeof(saga_id) - 1 >= at[sizeof(saga_id)]) {
		size_t one = sizeof(saga_id) + 1 + at[sizeof(saga_id)];

		at += one;
		left -= one;
	}
	return left == 0;
}

/* Never NULL, to which not even 0 may be added. */
static const unsigned char *seen_of(const struct saga__slot *slot)
{
	return slot->seen.at ? slot->seen.at : (const unsigned char *)"";
}

bool saga__seen_id(const struct saga__slot *slot, saga_id id)
{
	const unsigned char *at = seen_of(slot), *end = at + slot->seen.size;

	for (; at < end; at = next_seen(at))
		if (memcmp(at, &id, sizeof id) == 0)
			return true;
	return false;
}

bool saga__seen_type(const struct saga__slot *slot, const char *type)
{
	const unsigned char *at = seen_of(slot), *end = at + slot->seen.size;
	size_t length = strlen(type);

	for (; at < end; at = next_seen(at))
		if (at[sizeof(saga_id)] == length &&
			memcmp(at + sizeof(saga_id) + 1, type, length) == 0)
			return true;
	return false;
}

/* Whether one of the triggers that it has seen may be of any type: it bears no name. */
static bool has_nameless(const struct saga__slot *slot)
{
	const unsigned char *at = seen_of(slot), *end = at + slot->seen.size;

	for (; at < end; at = next_seen(at))
		if (!at[sizeof(saga_id)])
			return true;
	return false;
}

/* Whether one of those types has come to the slot: with this trigger, or before it. */
static bool has_come(const struct saga_step *step, const saga_type *const types[SAGA_EVENTS])
{
	for (size_t i = 0; i < SAGA_EVENTS && types[i]; i++)
		if (strcmp(types[i]->name, step->trigger->type) == 0 ||
			saga__seen_type(step->slot, types[i]->name))
			return true;
	return false;
}

/*
 * Whether a run breaks the `waits` of its step, and how. Other slots are not looked at here: a
 * condition of `held` may be open. Nor is one closed for sure by a trigger without a name, which an
 * older version left.
 */
bool saga__breaks_waits(
	const struct saga_step *step, enum saga__outcome outcome, char ret_text[SAGA_ERROR_TEXT])
{
	size_t count = saga__conditions_count(step->def);
	bool goes_on =
		outcome == SAGA__EMITS || outcome == SAGA__DONE_SILENTLY || outcome == SAGA__ASKS;
	bool may = false;

	for (size_t i = 0; i < count; i++) {
		const saga_condition *wait = &step->def->waits[i];
		bool open = !wait->held && !has_come(step, wait->until);

		may |= open || wait->held;
		if (!open || wait->maybe || !goes_on || has_nameless(step->slot))
			continue;
		saga__say(ret_text, SAGA_ERROR_TEXT,
			"it went on, and by its `waits` it waits%s%.100s", wait->why ? ": " : "",
			wait->why ? wait->why : "");
		return true;
	}
	saga__say(ret_text, SAGA_ERROR_TEXT, "it waits, and none of its `waits` is open");
	return count && !may && outcome == SAGA__WAITS;
}

/*
 * Forgets the oldest beyond the most that are kept. But the first event of each type that a join
 * needs, or that a step with `waits` has had, alone bears the name, and is never forgotten.
 */
void saga__see(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__slot *slot = work->slot;
	const unsigned char *from = seen_of(slot), *end = from + slot->seen.size, *oldest = end;
	bool counts = work->step->join == SAGA_ALL || saga__conditions_count(work->step);
	bool named = counts && !saga__seen_type(slot, work->event->type);
	size_t length = named ? strlen(work->event->type) : 0, count = 0, before;
	unsigned char *seen;

	for (const unsigned char *at = from; at < end; at = next_seen(at)) {
		count++;
		if (oldest == end && !at[sizeof(saga_id)])
			oldest = at;
	}
	if (count < SEEN_MOST)
		oldest = end;
	seen = saga__arena_alloc(&batch->arena, slot->seen.size + sizeof(saga_id) + 1 + length);
	if (!seen) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	slot->seen = (saga_bytes){ seen, slot->seen.size + sizeof(saga_id) + 1 + length };
	if ((before = (size_t)(oldest - from)) > 0)
		memcpy(seen, from, before);
	seen += before;
	if (oldest < end) {
		oldest = next_seen(oldest);
		memcpy(seen, oldest, (size_t)(end - oldest));
		seen += end - oldest;
		slot->seen.size -= sizeof(saga_id) + 1;
	}
	memcpy(seen, &work->event->id, sizeof(saga_id));
	seen[sizeof(saga_id)] = (unsigned char)length;
	memcpy(seen + sizeof(saga_id) + 1, work->event->type, length);
}
