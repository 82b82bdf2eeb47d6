#ifndef TESTS_FAULT_SAGA_H
#define TESTS_FAULT_SAGA_H

/*
 * A saga that touches all that a store does: go_first runs a, whose event runs b, whose schedule
 * runs c; take_back undoes a; and a request beside it.
 */

#include "fault_store.h"
#include "harness.h"

extern const saga_participant_def fault_saga;

/* A stage whose target runs it on a store that fails by plan. */
struct stage *stage_with(int lanes, struct faults *faults);

#endif
