#include "plugins.h"

#include "saga_config.h"

#include <string.h>

static const saga_store_ops *const stores[] = {
#ifdef SAGA_HAVE_SQLITE
	&saga__sqlite_store,
#endif
#ifdef SAGA_HAVE_POSTGRES
	&saga__postgres_store,
#endif
#ifdef SAGA_HAVE_MSSQL
	&saga__mssql_store,
#endif
	NULL
};

static const saga_transport_ops *const transports[] = {
#ifdef SAGA_HAVE_INPROC
	&saga__inproc_transport,
#endif
#ifdef SAGA_HAVE_NNG
	&saga__nng_transport,
#endif
#ifdef SAGA_HAVE_NATS
	&saga__nats_transport,
#endif
	NULL
};

/* Whether the scheme is one of those that a space separates. */
static bool is_listed(const char *schemes, const char *scheme)
{
	size_t length = strlen(scheme);

	while (*schemes) {
		size_t word = strcspn(schemes, " ");

		if (word == length && length > 0 && memcmp(schemes, scheme, length) == 0)
			return true;
		schemes += word;
		schemes += strspn(schemes, " ");
	}
	return false;
}

const saga_store_ops *saga_store_builtin(const char *scheme)
{
	for (size_t i = 0; stores[i]; i++) {
		if (is_listed(stores[i]->schemes, scheme))
			return stores[i];
	}
	return NULL;
}

const saga_transport_ops *saga__transport_builtin(const char *scheme)
{
	for (size_t i = 0; transports[i]; i++) {
		if (is_listed(transports[i]->schemes, scheme))
			return transports[i];
	}
	return NULL;
}
