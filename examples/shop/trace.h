#ifndef SHOP_TRACE_H
#define SHOP_TRACE_H

#include "reads.h"

#include <stdio.h>

/* Prints one order's events, of all three outboxes, in time's order. MALFORMED: no such order. */
int trace_order(const struct shop_stores *stores, const char *ref, FILE *out, saga_error *error);

#endif
