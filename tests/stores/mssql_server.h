#ifndef MSSQL_SERVER_H
#define MSSQL_SERVER_H

/* The server that SAGA_TEST_MSSQL names: a database that is the tests' own. */

#include <stddef.h>

/* NULL: there is none. */
const char *mssql_server(void);

/* Waits until no other test works there, and keeps them out until this process has ended. */
void mssql_reserve(void);

/* Drops every table in it, and writes its URL. */
void mssql_fresh(char *url, size_t size, const char *directory);

#endif
