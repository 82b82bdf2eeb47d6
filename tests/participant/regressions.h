#ifndef TESTS_REGRESSIONS_H
#define TESTS_REGRESSIONS_H

/*
 * What the programs of faults that were found once share. Their tests stop where the fault would
 * show, and leave things open.
 */

#include "harness.h"

/* Lets the stage go on, whatever happens there. */
void run_for(struct stage *stage, int ms);

int64_t count(struct stage *stage, const char *sql);

/* Each with one lane, as a case of its name. */
int run_regressions(const char *name, const TTest *const *tests, size_t test_count);

#endif
