#ifndef SAGA_EVENT_PEEK_H
#define SAGA_EVENT_PEEK_H

/* Facts by which the loop hands an event on, read from its first keys without decoding it. */

#include <saga/event.h>

#include "schema.h"

struct saga__peek {
	saga_id id;
	saga_id saga;
	char type[SAGA__NAME_MOST + 1];
	char source[SAGA__SUBJECT_MOST + 1];
	int version;
};

/* False: not found where our own encoder writes it; decode the event instead. */
bool saga__event_peek(saga_bytes wire, struct saga__peek *ret_peek);

#endif
