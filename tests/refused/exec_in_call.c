/* An outside call has no transaction. */
/* says: saga_exec_sql|saga_step */
#include "events.h"

saga_verdict call(saga_call *c);
saga_verdict call(saga_call *c)
{
#ifndef ALLOWED
	saga_exec(c, "DELETE FROM stock");
#endif
	return saga_call_retry(c, "no");
}
