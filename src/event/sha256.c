#include "sha256.h"

#include <string.h>

static const uint32_t round_constants[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t turn(uint32_t x, int bits)
{
	return x >> bits | x << (32 - bits);
}

static uint32_t read32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write32(unsigned char *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(x >> (24 - 8 * i));
}

static void schedule(uint32_t w[64], const unsigned char *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = read32(block + 4 * i);
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15];
		uint32_t b = w[i - 2];

		w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] +
			(turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
}

/* The letters are those of FIPS 180-4, 6.2.2. */
static void digest_block(uint32_t state[8], const unsigned char *block)
{
	uint32_t w[64];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

	schedule(w, block);
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) +
			round_constants[i] + w[i];
		uint32_t t2 =
			(turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}

	uint32_t sum[8] = { a, b, c, d, e, f, g, h };

	for (int i = 0; i < 8; i++)
		state[i] += sum[i];
}

void saga__sha256_init(struct saga__sha256 *hash)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(hash->state, start, sizeof start);
	hash->size = 0;
}

void saga__sha256_add(struct saga__sha256 *hash, const void *at, size_t size)
{
	const unsigned char *from = at;

	while (size) {
		size_t filled = (size_t)(hash->size % sizeof hash->block);
		size_t part = sizeof hash->block - filled;

		if (part > size)
			part = size;
		memcpy(hash->block + filled, from, part);
		hash->size += part;
		from += part;
		size -= part;
		if (filled + part == sizeof hash->block)
			digest_block(hash->state, hash->block);
	}
}

void saga__sha256_end(struct saga__sha256 *hash, unsigned char ret_digest[32])
{
	static const unsigned char padding[64] = { 0x80 };
	uint64_t bits = hash->size * 8;
	size_t filled = (size_t)(hash->size % sizeof hash->block);
	unsigned char length[8];

	write32(length, (uint32_t)(bits >> 32));
	write32(length + 4, (uint32_t)bits);
	saga__sha256_add(hash, padding, (filled < 56 ? 56 : 120) - filled);
	saga__sha256_add(hash, length, sizeof length);
	for (int i = 0; i < 8; i++)
		write32(ret_digest + 4 * i, hash->state[i]);
}
