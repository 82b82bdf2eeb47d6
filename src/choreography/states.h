#ifndef SAGA_CHOREOGRAPHY_STATES_H
#define SAGA_CHOREOGRAPHY_STATES_H

/*
 * The states that were reached, each once, in the order in which they were found, with the state
 * that each was reached from. Memory: a state takes its packed bytes, 4 for where it came from, and
 * 6 to 11 in the table that finds it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAGA__NO_PARENT UINT32_MAX

struct saga__states {
	unsigned size; /* bytes of a packed state */
	uint32_t count;
	unsigned char **chunks;
	size_t chunk_count;
	size_t chunk_room;
	uint32_t *places; /* state + 1 by hash; 0: free */
	size_t place_count;
};

bool saga__states_init(struct saga__states *states, unsigned size);
void saga__states_free(struct saga__states *states);

/* Adds a state, or finds it. False: out of memory. */
bool saga__states_add(struct saga__states *states, const unsigned char *packed, uint32_t parent,
	uint32_t *ret_state);

/* SAGA__NO_PARENT: it is not there. */
uint32_t saga__states_find(const struct saga__states *states, const unsigned char *packed);

const unsigned char *saga__states_at(const struct saga__states *states, uint32_t state);
uint32_t saga__states_parent(const struct saga__states *states, uint32_t state);

/* Bytes that it holds. */
size_t saga__states_bytes(const struct saga__states *states);

#endif
