#ifndef SAGA_CHOREOGRAPHY_DOCUMENT_H
#define SAGA_CHOREOGRAPHY_DOCUMENT_H

/* One contract's JSON, into the model. */

#include "model.h"

enum {
	SAGA__CONTRACT_FORM = 1,
	SAGA__CONTRACT_NAMES = 200, /* the most types in `hears`, `says`, `ends`, `unheard` */
};

/*
 * Reads contract number `at` of the choreography: its steps behind those that are there. What steps
 * call each other stays a name. MALFORMED names the member and what it should be; UNSUPPORTED in a
 * build without JSON.
 */
int saga__document_read(
	struct saga__choreography *choreography, unsigned at, const char *json, saga_error *error);

#endif
