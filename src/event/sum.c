/* XXH64, as its specification has it (Collet, "xxHash fast digest algorithm", 0.1.1). */

#include "sum.h"

#include <string.h>

#define PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME_3 UINT64_C(0x165667b19e3779f9)
#define PRIME_4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME_5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t turn(uint64_t number, int bits)
{
	return number << bits | number >> (64 - bits);
}

/* Little-endian, on every machine; compilers make one load of it where they can. */
static uint64_t read64(const unsigned char *at)
{
	uint64_t number = 0;

	for (int i = 7; i >= 0; i--)
		number = number << 8 | at[i];
	return number;
}

static uint64_t read32(const unsigned char *at)
{
	return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
		(uint64_t)at[3] << 24;
}

static uint64_t mix(uint64_t sum, uint64_t input)
{
	return turn(sum + input * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge(uint64_t sum, uint64_t lane)
{
	return (sum ^ mix(0, lane)) * PRIME_1 + PRIME_4;
}

/* Whole stripes of 32 bytes; *at is moved behind them. */
static uint64_t take_stripes(const unsigned char **at, size_t *left, uint64_t seed)
{
	uint64_t lanes[4] = { seed + PRIME_1 + PRIME_2, seed + PRIME_2, seed, seed - PRIME_1 }, sum;

	for (; *left >= 32; *left -= 32)
		for (int i = 0; i < 4; i++, *at += 8)
			lanes[i] = mix(lanes[i], read64(*at));
	sum = turn(lanes[0], 1) + turn(lanes[1], 7) + turn(lanes[2], 12) + turn(lanes[3], 18);
	for (int i = 0; i < 4; i++)
		sum = merge(sum, lanes[i]);
	return sum;
}

uint64_t saga__sum64(saga_bytes bytes, uint64_t seed)
{
	const unsigned char *at = bytes.size ? bytes.at : (const unsigned char *)"";
	size_t left = bytes.size;
	uint64_t sum = left >= 32 ? take_stripes(&at, &left, seed) : seed + PRIME_5;

	sum += bytes.size;
	for (; left >= 8; left -= 8, at += 8)
		sum = turn(sum ^ mix(0, read64(at)), 27) * PRIME_1 + PRIME_4;
	for (; left >= 4; left -= 4, at += 4)
		sum = turn(sum ^ read32(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
	for (; left; left--, at++)
		sum = turn(sum ^ *at * PRIME_5, 11) * PRIME_1;
	sum = (sum ^ sum >> 33) * PRIME_2;
	sum = (sum ^ sum >> 29) * PRIME_3;
	return sum ^ sum >> 32;
}
