#ifndef SAGA_CHOREOGRAPHY_TEXT_H
#define SAGA_CHOREOGRAPHY_TEXT_H

/* A text that grows. */

#include <saga/macros.h>

#include <stdbool.h>
#include <stddef.h>

struct saga__text {
	char *at; /* NULL: empty */
	size_t length;
	size_t room;
	bool no_memory;
};

void saga__text_add(struct saga__text *text, const char *format, ...) SAGA_PRINTF(2, 3);

#endif
