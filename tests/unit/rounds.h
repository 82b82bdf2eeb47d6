#ifndef SAGA_TESTS_ROUNDS_H
#define SAGA_TESTS_ROUNDS_H

#include <stdlib.h>

/* How many rounds of so many, where programs run slowly: SAGA_TEST_SLOWNESS=20 is a twentieth. */
static inline int slowness(void)
{
	const char *text = getenv("SAGA_TEST_SLOWNESS");
	int slow = text ? atoi(text) : 1;

	return slow > 1 ? slow : 1;
}

static inline int rounds_of(int rounds)
{
	return (rounds + slowness() - 1) / slowness();
}

#endif
