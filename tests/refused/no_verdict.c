/* A handler that returns a number is no handler. */
/* says: incompatible (result )?type|incompatible types */
#include "events.h"

saga_verdict run(saga_step *s)
{
#ifdef ALLOWED
	return saga_done(s);
#else
	(void)s;
	return 0;
#endif
}
