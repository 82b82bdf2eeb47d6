#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "words.h"

enum {
	ALIGN = alignof(max_align_t),
	BLOCK_LEAST = 4 * 1024,
	BLOCK_MOST = 32 * 1024,
	KEEP_MOST = 64 * 1024,
};

struct saga__block {
	struct saga__block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char at[];
};

void saga__arena_init(struct saga__arena *arena, size_t limit)
{
	*arena = (struct saga__arena){ .limit = limit };
}

static void free_blocks(struct saga__block *block)
{
	while (block) {
		struct saga__block *next = block->next;

		free(block);
		block = next;
	}
}

void saga__arena_free(struct saga__arena *arena)
{
	free_blocks(arena->first);
	saga__arena_init(arena, arena->limit);
}

void saga__arena_reset(struct saga__arena *arena)
{
	struct saga__block **link = &arena->first;
	size_t kept = 0;

	while (*link) {
		struct saga__block *block = *link;

		if (block->size > KEEP_MOST - kept) {
			*link = block->next;
			free(block);
			continue;
		}
		kept += block->size;
		block->used = 0;
		link = &block->next;
	}
	arena->current = arena->first;
	arena->used = 0;
}

/* Each block doubles the one before it, so that few of them hold what one event needs. */
static struct saga__block *add_block(struct saga__arena *arena, size_t least)
{
	struct saga__block *last = arena->current;
	size_t size = last ? last->size * 2 : BLOCK_LEAST;

	if (size > BLOCK_MOST)
		size = BLOCK_MOST;
	if (size < least)
		size = least;
	if (size > SIZE_MAX - sizeof(struct saga__block))
		return NULL;

	struct saga__block *block = malloc(sizeof *block + size);

	if (!block)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = last ? last->next : NULL;
	*(last ? &last->next : &arena->first) = block;
	return block;
}

static struct saga__block *block_with_room(struct saga__arena *arena, size_t size)
{
	struct saga__block *block = arena->current;

	while (block && block->size - block->used < size) {
		block = block->next;
		if (block)
			arena->current = block;
	}
	if (!block) {
		block = add_block(arena, size);
		if (block)
			arena->current = block;
	}
	return block;
}

static inline void *take(struct saga__arena *arena, struct saga__block *block, size_t size)
{
	void *at = block->at + block->used;

	block->used += size;
	arena->used += size;
	return at;
}

static SAGA__ASIDE void *take_elsewhere(struct saga__arena *arena, size_t size)
{
	struct saga__block *block = block_with_room(arena, size);

	return block ? take(arena, block, size) : NULL;
}

void *saga__arena_alloc(struct saga__arena *arena, size_t size)
{
	size_t room = arena->limit - arena->used;
	size_t rounded = ((size ? size : 1) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct saga__block *block = arena->current;

	if (rounded > room || rounded < size)
		return NULL;
	if (!block || block->size - block->used < rounded)
		return take_elsewhere(arena, rounded);
	return take(arena, block, rounded);
}

void *saga__arena_calloc(struct saga__arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;

	void *at = saga__arena_alloc(arena, count * size);

	if (at)
		memset(at, 0, count * size);
	return at;
}

char *saga__arena_text(struct saga__arena *arena, const void *text, size_t size)
{
	char *copy = size < SIZE_MAX ? saga__arena_alloc(arena, size + 1) : NULL;

	if (copy) {
		if (size)
			memcpy(copy, text, size);
		copy[size] = '\0';
	}
	return copy;
}

char *saga__arena_vformat(struct saga__arena *arena, const char *format, va_list list)
{
	va_list again;

	va_copy(again, list);

	int length = vsnprintf(NULL, 0, format, again);

	va_end(again);
	if (length < 0)
		return NULL;

	char *text = saga__arena_alloc(arena, (size_t)length + 1);

	if (text)
		saga__vsay(text, (size_t)length + 1, format, list);
	return text;
}
