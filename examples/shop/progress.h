#ifndef SHOP_PROGRESS_H
#define SHOP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* How far it is: a bar on a terminal, a line now and then elsewhere. On stderr. */
struct progress {
	bool is_terminal;
	int64_t shown_at;
};

void progress_begin(struct progress *progress);
void progress_show(struct progress *progress, int64_t now_ms, int64_t done, int64_t all);
void progress_end(struct progress *progress);

#endif
