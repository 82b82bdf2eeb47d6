#ifndef SAGA_PARTICIPANT_NUMBERS_H
#define SAGA_PARTICIPANT_NUMBERS_H

/*
 * Sums over committed batches. The loop's thread adds, any thread reads: each number is
 * written and read atomically, and there is no lock.
 */

#include <stddef.h>
#include <stdint.h>

struct saga__committed;

enum {
	SAGA__BOUNDS = 15
};

struct saga__histogram {
	int64_t counts[SAGA__BOUNDS + 1]; /* one beyond the last bound */
	int64_t sum;
};

struct saga__numbers {
	int64_t *steps; /* SAGA__TALLIES of each step, and of what is of none */
	size_t step_count;
	struct saga__histogram batches, commits;
};

/* Upper bounds, in microseconds. */
extern const int64_t saga__bounds[SAGA__BOUNDS];

int saga__numbers_init(struct saga__numbers *numbers, size_t step_count);
void saga__numbers_free(struct saga__numbers *numbers);
void saga__numbers_add(struct saga__numbers *numbers, const struct saga__committed *committed);

static inline int64_t saga__number(const int64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

#endif
