#ifndef SAGA_TOOL_ID_RANGE_H
#define SAGA_TOOL_ID_RANGE_H

/* An id as an operator writes it: whole, or its beginning, which stands for a range of ids. */

#include <saga/event.h>

enum {
	ID_LEAST = 8 /* characters */
};

struct id_range {
	const char *text; /* as it was given */
	saga_id first, last;
};

/* False: it is no UUID, nor the first 8 characters or more of one. */
bool id_range_read(const char *text, struct id_range *ret_range);

#endif
