/* An event that nobody declared. */
/* says: stock_reservd */
#include "events.h"

#ifdef ALLOWED
#define EVENT stock_reserved
#else
#define EVENT stock_reservd
#endif

saga_verdict run(saga_step *s)
{
	return saga_emit(s, EVENT);
}
