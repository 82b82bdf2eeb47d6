/* A body that is read as another type than asked for. */
/* says: incompatible[ -]pointer */
#include "events.h"

#ifdef ALLOWED
#define TYPE order_placed
#else
#define TYPE stock_reserved
#endif

const struct order_placed *f(saga_step *s);
const struct order_placed *f(saga_step *s)
{
	return saga_on(s, TYPE);
}
