/* A field that the event lacks. */
/* says: no member named .sku|does not refer to any field|sku */
#include "events.h"

#ifdef ALLOWED
#define FIELD customer
#else
#define FIELD sku
#endif

saga_verdict run(saga_step *s)
{
	return saga_emit(s, stock_reserved, .FIELD = "a");
}
