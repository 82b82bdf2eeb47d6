#ifndef SAGA_STEP_PARKED_H
#define SAGA_STEP_PARKED_H

/* Parked rows: events set aside in the store, to be tried again, to wait, or for an operator. */

#include <saga/event.h>

#include "../event/blob.h"
#include "plan.h"

enum saga__parked_kind {
	SAGA__NOT_PARKED = 0,
	SAGA__PARKED_RETRY,  /* again when due */
	SAGA__PARKED_CALL,   /* an outside call that goes on; when due, nobody makes it: make it */
	SAGA__PARKED_BEHIND, /* until the slot `behind` is settled */
	SAGA__PARKED_SCHEDULE, /* an event to be published when due */
	SAGA__PARKED_HELD,     /* the trigger of a dead or stuck slot */
	SAGA__PARKED_LETTER,   /* a dead letter */
	SAGA__PARKED_KINDS
};

enum saga__command {
	SAGA__NO_COMMAND = 0,
	SAGA__COMMAND_REQUEUE,
	SAGA__COMMAND_ASSERT
};

#define SAGA__NEVER INT64_MAX

struct saga__parked {
	saga_id id;
	saga_id saga;
	const char *row; /* of a step or schedule; "": all that the event concerns */
	const char *subject;
	enum saga__role role; /* 0: none */
	enum saga__parked_kind kind;
	int attempts;       /* made so far */
	int64_t due;        /* ms since 1970 by the store's clock; SAGA__NEVER: not by itself */
	const char *behind; /* "row/subject" */
	const char *why;
	saga_bytes event;
	saga_bytes question;        /* of a call */
	enum saga__command command; /* what an operator wants done with it */
	const char *outcome;        /* of an ASSERT: the event's type, "" for none */
	const char *body;           /* its body, JSON */
};

const char *saga__parked_kind_name(enum saga__parked_kind kind);
enum saga__parked_kind saga__parked_kind_of(const char *name); /* SAGA__NOT_PARKED: none */

#endif
