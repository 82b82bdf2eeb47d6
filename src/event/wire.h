#ifndef SAGA_EVENT_WIRE_H
#define SAGA_EVENT_WIRE_H

#include "envelope.h"
#include "schema.h"

/* Containers in one another: the envelope's map, the body's, and what the body has. */
enum {
	SAGA__BODY_LEVELS = SAGA__DEPTH + 1,
	SAGA__EVENT_LEVELS = SAGA__DEPTH + 2
};

/* From the year 1 to 9999, in ms since 1970: what RFC 3339 can say. */
#define SAGA__TIME_LEAST INT64_C(-62135596800000)
#define SAGA__TIME_MOST INT64_C(253402300799999)

/* The decoder has seen that these bytes are a whole map: no second scan. */
void saga__decoder_scanned(struct saga__decoder *decoder, saga_bytes data);

#endif
