#ifndef SHOP_NUMBERS_H
#define SHOP_NUMBERS_H

/* Numbers of the services' own, and all numbers as Prometheus reads them (text format 0.0.4). */

#include <saga/metrics.h>

enum {
	TIMES_BOUNDS = 12
};

/* How long things took. Any thread adds, any thread reads. */
struct times {
	int64_t counts[TIMES_BOUNDS + 1];
	int64_t sum; /* microseconds */
};

void times_add(struct times *times, int64_t us);

/* As one sample, whose label (if it has one) and name are given. */
void times_tell(const struct times *times, const char *name, const char *help,
	const saga_metric_label *labels, size_t label_count, saga_metric_fn *each, void *user);

/* A page of samples. All zero: an empty one. */
struct page {
	char *text; /* free it */
	size_t size, room;
	char last[64]; /* the name of the last sample: its kind is said once */
	bool is_short; /* of memory */
};

/* A saga_metric_fn: its user is a page. */
void page_add(void *user, const saga_metric *metric);

#endif
