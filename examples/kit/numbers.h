#ifndef KIT_NUMBERS_H
#define KIT_NUMBERS_H

#include "kit.h"

/* A page of samples, as Prometheus reads it. All zero: an empty one. */
struct page {
	char *text; /* free it */
	size_t size, room;
	char last[128]; /* the name of the last sample: its HELP and TYPE are written once */
	bool is_short;  /* of memory */
};

/* A saga_metric_fn: its user is a page. */
void page_add(void *user, const saga_metric *metric);

#endif
