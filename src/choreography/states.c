#include "states.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK = 65536, /* states in one */
	PLACES_FIRST = 1024
};

static size_t entry(const struct saga__states *s)
{
	return s->size + sizeof(uint32_t);
}

static uint64_t hash_of(const unsigned char *at, size_t size)
{
	uint64_t hash = size * UINT64_C(0x9e3779b97f4a7c15);

	for (; size; at += size < 8 ? size : 8, size -= size < 8 ? size : 8) {
		uint64_t word = 0;

		memcpy(&word, at, size < 8 ? size : 8);
		hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return hash;
}

bool saga__states_init(struct saga__states *s, unsigned size)
{
	*s = (struct saga__states){ .size = size, .place_count = PLACES_FIRST };
	return (s->places = calloc(s->place_count, sizeof *s->places)) != NULL;
}

void saga__states_free(struct saga__states *s)
{
	for (size_t i = 0; i < s->chunk_count; i++)
		free(s->chunks[i]);
	free(s->chunks);
	free(s->places);
}

const unsigned char *saga__states_at(const struct saga__states *s, uint32_t state)
{
	assert(state < s->count);
	return s->chunks[state / CHUNK] + state % CHUNK * entry(s);
}

uint32_t saga__states_parent(const struct saga__states *s, uint32_t state)
{
	uint32_t parent;

	memcpy(&parent, saga__states_at(s, state) + s->size, sizeof parent);
	return parent;
}

/* The place of a state, or a free one. */
static size_t place_of(const struct saga__states *s, const unsigned char *packed)
{
	size_t mask = s->place_count - 1, at = (size_t)hash_of(packed, s->size) & mask;

	while (s->places[at] && memcmp(saga__states_at(s, s->places[at] - 1), packed, s->size) != 0)
		at = (at + 1) & mask;
	return at;
}

static bool grow_places(struct saga__states *s)
{
	uint32_t *more = calloc(s->place_count * 2, sizeof *more);

	if (!more)
		return false;
	free(s->places);
	s->places = more;
	s->place_count *= 2;
	for (uint32_t i = 0; i < s->count; i++)
		s->places[place_of(s, saga__states_at(s, i))] = i + 1;
	return true;
}

static bool grow_chunks(struct saga__states *s)
{
	if (s->chunk_count == s->chunk_room) {
		size_t room = s->chunk_room ? s->chunk_room * 2 : 16;
		unsigned char **more = realloc(s->chunks, room * sizeof *more);

		if (!more)
			return false;
		s->chunks = more;
		s->chunk_room = room;
	}
	if (!(s->chunks[s->chunk_count] = malloc(CHUNK * entry(s))))
		return false;
	s->chunk_count++;
	return true;
}

bool saga__states_add(
	struct saga__states *s, const unsigned char *packed, uint32_t parent, uint32_t *ret_state)
{
	size_t at = place_of(s, packed);
	unsigned char *to;

	if (s->places[at]) {
		*ret_state = s->places[at] - 1;
		return true;
	}
	if (s->count / 3 >= s->place_count / 4) {
		if (!grow_places(s))
			return false;
		at = place_of(s, packed);
	}
	if (s->count % CHUNK == 0 && !grow_chunks(s))
		return false;
	to = s->chunks[s->count / CHUNK] + s->count % CHUNK * entry(s);
	memcpy(to, packed, s->size);
	memcpy(to + s->size, &parent, sizeof parent);
	*ret_state = s->count++;
	s->places[at] = s->count;
	return true;
}

uint32_t saga__states_find(const struct saga__states *s, const unsigned char *packed)
{
	uint32_t at = s->places[place_of(s, packed)];

	return at ? at - 1 : SAGA__NO_PARENT;
}

size_t saga__states_bytes(const struct saga__states *s)
{
	return s->chunk_count * CHUNK * entry(s) + s->chunk_room * sizeof *s->chunks +
		s->place_count * sizeof *s->places;
}
