#include "numbers.h"

#include <stdlib.h>

#include "../lane/events.h"

const int64_t saga__bounds[SAGA__BOUNDS] = { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000,
	100000, 250000, 500000, 1000000, 2500000, 10000000 };

int saga__numbers_init(struct saga__numbers *numbers, size_t step_count)
{
	numbers->step_count = step_count;
	numbers->steps = calloc((step_count + 1) * SAGA__TALLIES, sizeof *numbers->steps);
	return numbers->steps ? SAGA_OK : SAGA_NOMEM;
}

void saga__numbers_free(struct saga__numbers *numbers)
{
	free(numbers->steps);
	numbers->steps = NULL;
}

/* There is one writer. */
static void add(int64_t *at, int64_t by)
{
	__atomic_store_n(at, saga__number(at) + by, __ATOMIC_RELAXED);
}

static void observe(struct saga__histogram *histogram, int64_t us)
{
	size_t i = 0;

	while (i < SAGA__BOUNDS && us > saga__bounds[i])
		i++;
	add(&histogram->counts[i], 1);
	add(&histogram->sum, us);
}

void saga__numbers_add(struct saga__numbers *numbers, const struct saga__committed *committed)
{
	for (size_t i = 0; i < (numbers->step_count + 1) * SAGA__TALLIES; i++)
		if (committed->tally[i])
			add(&numbers->steps[i], committed->tally[i]);
	observe(&numbers->batches, committed->batch_us);
	observe(&numbers->commits, committed->commit_us);
}
