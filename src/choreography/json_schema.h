#ifndef SAGA_CHOREOGRAPHY_JSON_SCHEMA_H
#define SAGA_CHOREOGRAPHY_JSON_SCHEMA_H

/* A type's body as JSON Schema (json-schema.org, draft-07, which AsyncAPI asks for). */

#include "../event/json_out.h"
#include "model.h"

/*
 * Puts the members of the schema object, which the caller opens and closes. A closed one refuses
 * members that the type does not have, as a request does; an event's reader ignores them.
 */
void saga__json_schema_put(
	struct saga__json *json, const struct saga__model_form *form, bool is_closed);

/* A UUID as text, as ids are in JSON. */
void saga__json_schema_put_id(struct saga__json *json);

#endif
