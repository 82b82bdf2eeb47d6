#ifndef TESTS_FRAIL_PLAN_H
#define TESTS_FRAIL_PLAN_H

/*
 * Which allocation of the library under test fails: the nth from now, and some more behind it. The
 * library's own, jansson's or SQLite's. Only what is asked for within frail_begin and
 * frail_end counts, so that a test may look at a store meanwhile.
 */

#include <stdbool.h>

enum frail_whose {
	FRAIL_OWN,
	FRAIL_JSON,
	FRAIL_SQLITE,
	FRAIL_SORTS
};

/* Before all else: jansson and SQLite ask here from now on. */
void frail_install(void);

void frail_plan(enum frail_whose whose, unsigned long nth, unsigned long times);
void frail_begin(void);
void frail_end(void);

unsigned long frail_fired(void);
unsigned long frail_calls(enum frail_whose whose);

/* What the library has asked for and not given back. */
long frail_live(void);

#endif
