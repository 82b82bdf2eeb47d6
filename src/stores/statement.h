#ifndef SAGA_STORES_STATEMENT_H
#define SAGA_STORES_STATEMENT_H

#include <saga/error.h>

/* An error about a statement, of which it names the first bytes: `SQL`: why. Returns code. */
int saga__statement_fail(int code, const char *sql, saga_error *error, const char *format, ...)
	SAGA_PRINTF(4, 5);

#endif
