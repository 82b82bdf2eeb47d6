#ifndef TESTS_LATE_STORE_H
#define TESTS_LATE_STORE_H

/*
 * SQLite that answers as late as a store may: what a statement without a sink failed with, and what
 * `require` did not find, is told by who waits next. For options as fault_store is.
 */

#include <saga/plugin.h>

extern const saga_store_ops late_store;

/* How many statements have read slots and waited for it, in all stores together. Any thread. */
size_t late_store_slot_reads(void);

#endif
