/* Text where a number belongs. */
/* says: int-conversion */
#include "events.h"

#ifdef ALLOWED
#define TOTAL 12
#else
#define TOTAL "12"
#endif

saga_verdict run(saga_step *s)
{
	return saga_emit(s, stock_reserved, .total = TOTAL);
}
