#ifndef SAGA_CHOREOGRAPHY_SEQUENCE_H
#define SAGA_CHOREOGRAPHY_SEQUENCE_H

/* A way through a choreography as a sequence diagram of Mermaid. */

#include "moves.h"
#include "text.h"

void saga__sequence(const struct saga__world *world, const struct saga__move *way, size_t count,
	struct saga__text *to);

#endif
