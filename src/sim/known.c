/* The slots that the world knows of a store, found by their keys, and what happened to each. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static uint64_t hash_of(saga_id saga, size_t row, const char *subject)
{
	uint64_t half[2], hash;

	memcpy(half, &saga, sizeof half);
	hash = (half[0] ^ half[1] * 31 ^ row) * 0x9e3779b97f4a7c15u;
	for (; *subject; subject++)
		hash = (hash ^ (unsigned char)*subject) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

static void grow(struct saga__mirror *mirror)
{
	size_t count = mirror->bucket_count ? 4 * mirror->bucket_count : 64;
	struct saga__known_slot **buckets = calloc(count, sizeof(struct saga__known_slot *));

	if (!buckets)
		return;
	for (size_t i = 0; i < mirror->bucket_count; i++) {
		struct saga__known_slot *slot;

		while ((slot = mirror->buckets[i])) {
			mirror->buckets[i] = slot->next;
			slot->next = buckets[slot->hash & (count - 1)];
			buckets[slot->hash & (count - 1)] = slot;
		}
	}
	free(mirror->buckets);
	mirror->buckets = buckets;
	mirror->bucket_count = count;
}

static struct saga__known_slot *add(
	struct saga__member *member, saga_id saga, size_t row, const char *subject, uint64_t hash)
{
	struct saga__mirror *mirror = member->mirror;
	size_t size = strlen(subject) + 1;
	struct saga__known_slot *slot;

	if (mirror->slot_count >= mirror->bucket_count)
		grow(mirror);
	if (!mirror->bucket_count || !(slot = calloc(1, sizeof *slot + size))) {
		saga__sim_no_memory(member->sim);
		return NULL;
	}
	slot->saga = saga;
	slot->row = row;
	slot->hash = hash;
	slot->subject = memcpy(slot + 1, subject, size);
	slot->next = mirror->buckets[hash & (mirror->bucket_count - 1)];
	mirror->buckets[hash & (mirror->bucket_count - 1)] = slot;
	mirror->slot_count++;
	return slot;
}

struct saga__known_slot *saga__mirror_slot(
	struct saga__member *member, saga_id saga, size_t row, const char *subject, bool make)
{
	struct saga__mirror *mirror = member->mirror;
	uint64_t hash = hash_of(saga, row, subject);
	struct saga__known_slot *slot =
		mirror->bucket_count ? mirror->buckets[hash & (mirror->bucket_count - 1)] : NULL;

	while (slot &&
		(slot->hash != hash || slot->row != row || !saga__id_same(slot->saga, saga) ||
			strcmp(slot->subject, subject) != 0))
		slot = slot->next;
	return slot || !make ? slot : add(member, saga, row, subject, hash);
}

const char *saga__slot_text(const struct saga__member *member, const struct saga__known_slot *slot,
	char *text, size_t size)
{
	char id[SAGA_ID_TEXT];

	(void)snprintf(text, size, "%s, saga %s, slot %s%s%s", member->def.name,
		saga_id_text(slot->saga, id), member->plan->rows[slot->row].name,
		*slot->subject ? "/" : "", slot->subject);
	return text;
}

void saga__mirror_effect(struct saga__member *member, struct saga__known_slot *slot, bool undo)
{
	struct saga__mirror *mirror = member->mirror;

	if (mirror->effect_count == mirror->effect_room) {
		size_t room = mirror->effect_room ? 2 * mirror->effect_room : 64;
		struct saga__effect *more = realloc(mirror->effects, room * sizeof *more);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return;
		}
		mirror->effects = more;
		mirror->effect_room = room;
	}
	mirror->effects[mirror->effect_count++] = (struct saga__effect){ slot, undo };
}

void saga__mirror_forget_effects(struct saga__member *member)
{
	member->mirror->effect_count = 0;
	member->mirror->run_count = 0;
	member->mirror->ran_over = NULL;
}

void saga__mirror_no_effect(struct saga__member *member, const struct saga__known_slot *slot)
{
	struct saga__mirror *mirror = member->mirror;

	if (slot && mirror->effect_count && mirror->effects[mirror->effect_count - 1].slot == slot)
		mirror->effect_count--;
}

bool saga__mirror_undoes(const struct saga__member *member, const struct saga__known_slot *slot)
{
	for (size_t i = 0; i < member->mirror->effect_count; i++)
		if (member->mirror->effects[i].slot == slot && member->mirror->effects[i].undo)
			return true;
	return false;
}
