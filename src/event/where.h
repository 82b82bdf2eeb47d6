#ifndef SAGA_EVENT_WHERE_H
#define SAGA_EVENT_WHERE_H

/* What was wrong is said where it is found; where that was is put before it on the way out. */

#include <saga/error.h>

/* "sku: is no text" within "lines[%zu]." becomes "lines[2].sku: is no text". Returns code. */
int saga__error_within(saga_error *error, int code, const char *format, ...) SAGA_PRINTF(3, 4);

#endif
