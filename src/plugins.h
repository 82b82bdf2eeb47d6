#ifndef SAGA_PLUGINS_H
#define SAGA_PLUGINS_H

/* The plugins that this build holds, and their finding by a URL's scheme. */

#include <saga/plugin.h>

extern const saga_store_ops saga__sqlite_store;
extern const saga_store_ops saga__postgres_store;
extern const saga_store_ops saga__mssql_store;
extern const saga_transport_ops saga__inproc_transport;
extern const saga_transport_ops saga__nng_transport;
extern const saga_transport_ops saga__nats_transport;

/* The built-in transport of a scheme ("inproc"); NULL if this build lacks it. Any thread. */
const saga_transport_ops *saga__transport_builtin(const char *scheme);

#endif
