/* Silence is no outcome. */
/* says: return-type */
#include "events.h"

saga_verdict run(saga_step *s)
{
	if (saga_exec(s, "DELETE FROM stock"))
		return saga_done(s);
#ifdef ALLOWED
	return saga_retry(s, "nothing is there");
#endif
}
