#ifndef SAGA_CHOREOGRAPHY_FINDINGS_H
#define SAGA_CHOREOGRAPHY_FINDINGS_H

/* The findings of a check: each text once, with the state in which it was seen first. */

#include "model.h"

#define SAGA__NO_STATE UINT32_MAX

enum {
	SAGA__FINDINGS_MOST = 1000
};

struct saga__found {
	saga_finding_kind kind;
	uint32_t state; /* SAGA__NO_STATE: it was seen without exploring */
	char *text;
	uint64_t hash;
};

struct saga__findings {
	struct saga__found *at;
	unsigned count;
	unsigned room;
	bool full; /* there were more than SAGA__FINDINGS_MOST */
	bool no_memory;
};

void saga__findings_add(struct saga__findings *findings, saga_finding_kind kind, uint32_t state,
	const char *format, ...) SAGA_PRINTF(4, 5);
void saga__findings_free(struct saga__findings *findings);

#endif
