#ifndef SAGA_CHOREOGRAPHY_PROOFS_H
#define SAGA_CHOREOGRAPHY_PROOFS_H

/* The properties that must hold in each state, and those that must hold at rest. */

#include "findings.h"
#include "moves.h"

struct saga__proofs;

/* All of it lives in the choreography's arena. NULL: out of memory. */
struct saga__proofs *saga__proofs_make(
	struct saga__choreography *all, const struct saga__world *world);

/* Adds what is wrong in a state that is reached, and at rest. */
void saga__proofs_always(const struct saga__proofs *proofs, const uint32_t *cells,
	const struct saga__events *out, uint32_t state, struct saga__findings *findings);
void saga__proofs_at_rest(const struct saga__proofs *proofs, const uint32_t *cells,
	const struct saga__events *out, uint32_t state, struct saga__findings *findings);

/* "order.fulfilled": the ends of the saga itself that are out, by name; "-": none. */
void saga__proofs_ends(const struct saga__proofs *proofs, const struct saga__events *out,
	char *buffer, size_t size);

#endif
