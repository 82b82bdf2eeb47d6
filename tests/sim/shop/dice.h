#ifndef SIM_DICE_H
#define SIM_DICE_H

/* A seeded generator (splitmix64), so that what is asked stays the same whatever goes wrong. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_bits(struct dice *dice)
{
	uint64_t bits = dice->state += 0x9E3779B97F4A7C15u;

	bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
	bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
	return bits ^ (bits >> 31);
}

/* From 0, below that. */
static inline size_t dice_below(struct dice *dice, size_t below)
{
	return (size_t)(dice_bits(dice) % below);
}

static inline bool dice_percent(struct dice *dice, size_t percent)
{
	return dice_below(dice, 100) < percent;
}

#endif
