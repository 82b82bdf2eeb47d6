/* SQL that is put together at run time. */
/* says: expected .\) */
#include "events.h"

#ifdef ALLOWED
#define SQL "DELETE FROM stock"
#else
#define SQL sql
#endif

int64_t f(saga_step *s, const char *sql);
int64_t f(saga_step *s, const char *sql)
{
	(void)sql;
	return saga_exec(s, SQL);
}
