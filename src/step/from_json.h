#ifndef SAGA_STEP_FROM_JSON_H
#define SAGA_STEP_FROM_JSON_H

/* An event that came as JSON becomes what all others are, MessagePack, by the types of a plan. */

#include "../event/envelope.h"
#include "plan.h"

/* MessagePack has no map that begins as JSON does. */
bool saga__is_json(saga_bytes event);

/*
 * Encodes it into the buffer; the arena is for what is read. MALFORMED, and the JSON is what must
 * be kept: it can't be read, or a step is on its type in another version, whose body only that
 * version reads. Of a type that no step is on the body is left out: nobody reads it. NOMEM,
 * TOO_BIG, UNSUPPORTED.
 */
int saga__from_json(const struct saga__plan *plan, struct saga__arena *arena, saga_bytes json,
	struct saga__buffer *buffer, saga_error *error);

#endif
