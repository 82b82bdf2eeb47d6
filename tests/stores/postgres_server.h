#ifndef POSTGRES_SERVER_H
#define POSTGRES_SERVER_H

#include <stddef.h>

/* The URL of a server with a database to write to, from SAGA_TEST_POSTGRES; NULL: none. */
const char *postgres_server(void);

/* A schema of its own in that database; what stood there is dropped. The directory is not used. */
void postgres_fresh(char *url, size_t size, const char *directory);

/* Drops that schema. */
void postgres_drop(const char *url);

#endif
