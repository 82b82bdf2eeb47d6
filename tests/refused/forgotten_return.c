/* An outcome that is made and not returned. */
/* says: unused-result */
#include "events.h"

saga_verdict run(saga_step *s)
{
#ifdef ALLOWED
	return saga_emit(s, order_cancelled);
#else
	saga_emit(s, order_cancelled);
	return saga_done(s);
#endif
}
