/* Floating point has no place in SQL values. */
/* says: _Generic */
#include "events.h"

#ifdef ALLOWED
#define FREE 1
#else
#define FREE 1.5
#endif

saga_verdict run(saga_step *s)
{
	saga_exec(s, "UPDATE stock SET free = ?", FREE);
	return saga_done(s);
}
