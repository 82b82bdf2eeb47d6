#ifndef SAGA_EVENT_UNPACK_H
#define SAGA_EVENT_UNPACK_H

#include "envelope.h"
#include "schema.h"

/* Containers in one another: the envelope's map, the body's, and what the body has. */
enum {
	SAGA__BODY_LEVELS = SAGA__DEPTH + 1,
	SAGA__EVENT_LEVELS = SAGA__DEPTH + 2
};

/* The decoder has seen that these bytes are a whole map: no second scan. */
void saga__decoder_scanned(struct saga__decoder *decoder, saga_bytes data);

#endif
