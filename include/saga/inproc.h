#ifndef SAGA_INPROC_H
#define SAGA_INPROC_H

/*
 * The hub of the in-process transport: it joins participants of one process, on one loop or on
 * several, without a socket. The host owns it:
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
 * What a full receiver can't take is lost there, and the library asks for it again.
 */

#include <saga/macros.h>

SAGA_BEGIN

typedef struct saga_hub saga_hub;

/* Makes a hub; the caller frees it. SAGA_NOMEM. Any thread. */
SAGA_API int saga_hub_new(saga_hub **ret_hub);

/* Frees a hub that all participants have left. NULL is fine. Any thread. */
SAGA_API void saga_hub_free(saga_hub *hub);

SAGA_END

#endif
