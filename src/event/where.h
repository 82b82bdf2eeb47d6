#ifndef SAGA_EVENT_WHERE_H
#define SAGA_EVENT_WHERE_H

/* The finder of an error says what is wrong; its callers put the place before it. */

#include <saga/error.h>

/* "sku: is no text" within "lines[%zu]." becomes "lines[2].sku: is no text". Returns code. */
int saga__error_within(saga_error *error, int code, const char *format, ...) SAGA_PRINTF(3, 4);

#endif
