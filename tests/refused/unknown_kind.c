/* A field of no known kind. */
/* says: SAGA__(MEMBER_real|FIELD_MAKE) */
#include "events.h"

#ifdef ALLOWED
SAGA_EVENT(reading, "reading", 1, int64(value));
#else
SAGA_EVENT(reading, "reading", 1, real(value));
#endif
