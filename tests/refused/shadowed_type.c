/* A variable that hides the type it is read by. */
/* says: saga_event_body|saga_type */
#include "events.h"

#ifdef ALLOWED
#define NAME order
#else
#define NAME order_placed
#endif

int64_t f(saga_step *s);
int64_t f(saga_step *s)
{
	const struct order_placed *NAME = saga_on(s, order_placed);

	return NAME->total;
}
