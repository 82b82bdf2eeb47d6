#ifndef SAGA_INPROC_H
#define SAGA_INPROC_H

/*
 * The hub of the in-process transport joins participants of one process, on one loop or on several,
 * without a socket. The host owns the hub:
 *
 *	saga_hub *hub;
 *	saga_hub_new(&hub);
 *	saga_open(&order, SAGA_OPTIONS(.transport = "inproc://shop", .transport_context = hub),
 *		...);
 *	saga_open(&stock, SAGA_OPTIONS(.transport = "inproc://shop", .transport_context = hub),
 *		...);
 *	... both run, stop, are closed ...
 *	saga_hub_free(hub);
 *
 * A receiver whose queue is full loses frames; the library asks for them again.
 */

#include <saga/macros.h>

SAGA_BEGIN

typedef struct saga_hub saga_hub;

/* Makes a hub; the caller frees it with saga_hub_free. Fails with SAGA_NOMEM. Any thread. */
SAGA_API int saga_hub_new(saga_hub **ret_hub);

/* Frees a hub after all its participants were closed. NULL is fine. Any thread. */
SAGA_API void saga_hub_free(saga_hub *hub);

SAGA_END

#endif
