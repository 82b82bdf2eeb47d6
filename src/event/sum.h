#ifndef SAGA_EVENT_SUM_H
#define SAGA_EVENT_SUM_H

/* XXH64 of some bytes: a sum that shows whether they were changed, not who did. */

#include <saga/event.h>

uint64_t saga__sum64(saga_bytes bytes, uint64_t seed);

#endif
