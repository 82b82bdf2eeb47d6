#ifndef SAGA_CHOREOGRAPHY_EXPLORE_H
#define SAGA_CHOREOGRAPHY_EXPLORE_H

/* Every state that a choreography can reach, looked at once. */

#include "findings.h"
#include "moves.h"
#include "states.h"

enum {
	SAGA__ENDS_MOST = 64,
	SAGA__END_TEXT = 256,
	SAGA__SEQUENCE_STATES = 1000 * 1000 /* looked at for a run to an end */
};

struct saga__exploration {
	struct saga__choreography *all;
	const struct saga__world *world;
	struct saga__states states;
	struct saga__findings findings;
	size_t limit;
	saga_check_progress *progress;
	void *user;
	size_t moves;
	size_t rests;
	bool whole;
	bool wants; /* it ends at the first state at rest in which that type is out */
	unsigned wanted;
	uint32_t reached; /* that state; SAGA__NO_STATE */
	char ends[SAGA__ENDS_MOST][SAGA__END_TEXT];
	unsigned end_count;
};

/* Explores; SAGA_NOMEM. What it found is in `findings`. */
int saga__explore(struct saga__exploration *exploration, saga_error *error);

/*
 * The shortest way to a state: the moves, *ret_count of them; the caller frees them. NULL: out of
 * memory.
 */
struct saga__move *saga__explored_way(
	const struct saga__exploration *exploration, uint32_t state, size_t *ret_count);

#endif
