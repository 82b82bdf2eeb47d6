#ifndef SAGA_EVENT_SHA256_H
#define SAGA_EVENT_SHA256_H

/* SHA-256, FIPS 180-4: for ids that are derived and for digests of request bodies. */

#include <stddef.h>
#include <stdint.h>

struct saga__sha256 {
	uint32_t state[8];
	uint64_t size;
	unsigned char block[64];
};

void saga__sha256_init(struct saga__sha256 *hash);
void saga__sha256_add(struct saga__sha256 *hash, const void *at, size_t size);
void saga__sha256_end(struct saga__sha256 *hash, unsigned char ret_digest[32]);

#endif
