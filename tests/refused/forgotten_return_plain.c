/* The same without a warning switched on: the header itself makes it an error. */
/* says: return-type */
/* plain */
#include "events.h"

saga_verdict run(saga_step *s)
{
#ifdef ALLOWED
	return saga_emit(s, order_cancelled);
#else
	saga_verdict verdict = saga_emit(s, order_cancelled);

	(void)verdict;
#endif
}
