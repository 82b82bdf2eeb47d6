#ifndef TESTS_HALTING_H
#define TESTS_HALTING_H

#include "harness.h"

enum {
	MISSED = 5,
	LEFT = 2
};

/* Sagas that begin with go_first. */
void inject_new(struct stage *stage, saga_id *sagas, int count);

/*
 * Events of MISSED new sagas; all but the last LEFT are gone from the outbox before the target sees
 * them. Answers the first that is left, when the target has stopped.
 */
int64_t trim_what_it_needs(struct stage *stage, saga_id sagas[MISSED]);

/* Outside is copied when it has said `before`; the target has `lost`, too. */
void take_a_backup(struct stage *stage, saga_id before[2], saga_id lost[3]);
/* Outside is what it was then. */
void put_it_back(struct stage *stage);
/* Both. */
void restore_a_backup(struct stage *stage, saga_id before[2], saga_id lost[3]);

#endif
