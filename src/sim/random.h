#ifndef SAGA_SIM_RANDOM_H
#define SAGA_SIM_RANDOM_H

/* Numbers from a seed: splitmix64 (Steele, Lea, Flood, 2014). One generator for each subsystem. */

#include <stdbool.h>
#include <stdint.h>

struct saga__random {
	uint64_t state;
};

static inline uint64_t saga__random_next(struct saga__random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* In [0, below); 0 if below is 0. */
static inline uint64_t saga__random_below(struct saga__random *random, uint64_t below)
{
	return below ? saga__random_next(random) % below : 0;
}

/* In [least, most]. */
static inline int64_t saga__random_between(struct saga__random *random, int64_t least, int64_t most)
{
	return least + (int64_t)saga__random_below(random, (uint64_t)(most - least) + 1);
}

/* A generator of its own for what has this name and number in the world of this seed. */
static inline struct saga__random saga__random_of(uint64_t seed, const char *name, uint64_t number)
{
	struct saga__random random = { seed ^ (number + 1) * 0xd6e8feb86659fd93u };

	for (; *name; name++)
		random.state = (saga__random_next(&random) ^ (unsigned char)*name) + seed;
	return random;
}

#endif
