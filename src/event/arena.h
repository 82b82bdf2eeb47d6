#ifndef SAGA_EVENT_ARENA_H
#define SAGA_EVENT_ARENA_H

/*
 * Memory that is handed out piece by piece and taken back all at once. It keeps its blocks when it
 * is reset, so that a warm arena asks nothing of malloc. It never hands out more than its limit.
 */

#include <saga/macros.h>

#include <stdarg.h>
#include <stddef.h>

struct saga__block;

struct saga__arena {
	struct saga__block *first;
	struct saga__block *current;
	size_t limit;
	size_t used; /* handed out since the last reset */
};

void saga__arena_init(struct saga__arena *arena, size_t limit);

/* Frees all. The arena may be used again. */
void saga__arena_free(struct saga__arena *arena);

/* Takes all back; keeps blocks for the next use, up to 64 KiB of them. */
void saga__arena_reset(struct saga__arena *arena);

/* Aligned for any type, not cleared. NULL: out of memory, or beyond the limit. */
void *saga__arena_alloc(struct saga__arena *arena, size_t size);

/* The same for count * size, cleared, with the product checked. */
void *saga__arena_calloc(struct saga__arena *arena, size_t count, size_t size);

/* A copy of `size` bytes of text with a NUL behind it. */
char *saga__arena_text(struct saga__arena *arena, const void *text, size_t size);

/* Bytes that are not UTF-8 become `?`. */
char *saga__arena_vformat(struct saga__arena *arena, const char *format, va_list list);

#endif
