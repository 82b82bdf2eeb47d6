#ifndef SAGA_BACKOFF_H
#define SAGA_BACKOFF_H

/*
 * How long to wait before something is tried again: each wait is twice the one before, up to a
 * limit, and a random part of it keeps several that failed together from trying together again
 * (Brooker, "Exponential backoff and jitter", 2015).
 */

#include <assert.h>
#include <stdint.h>

/* Returns the wait that follows `wait`. */
static inline int64_t saga__backoff_double(int64_t wait, int64_t most)
{
	assert(wait > 0 && most > 0);
	return wait > most / 2 ? most : 2 * wait;
}

/* Returns the wait after this many failures in a row; after the first it is `first`. */
static inline int64_t saga__backoff_after(int64_t first, int64_t most, int failures)
{
	int64_t wait = first < most ? first : most;

	for (int i = 1; i < failures && wait < most; i++)
		wait = saga__backoff_double(wait, most);
	return wait;
}

/* Returns a wait from least to most, drawn by 32 random bits. */
static inline int64_t saga__backoff_jitter(int64_t least, int64_t most, uint32_t random)
{
	assert(least >= 0 && least <= most);
	return least + (int64_t)(random % (uint64_t)(most - least + 1));
}

#endif
