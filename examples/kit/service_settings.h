#ifndef KIT_SERVICE_SETTINGS_H
#define KIT_SERVICE_SETTINGS_H

/* The settings that all services have. */

#include "http.h"

enum {
	TOKEN_MOST = 256, /* bytes */
	URL_MOST = 1024
};

struct service_settings {
	const char *store, *bus, *listen, *token, *token_file, *level_name;
	int64_t lanes, lease_ms, drain_ms;
	int level; /* saga_level */
	char token_read[TOKEN_MOST + 2], store_read[URL_MOST], bus_read[URL_MOST];
	struct sockaddr_storage address;
};

/* Reads and checks them, and the service's own. As settings_read. */
int service_settings_read(
	const struct service_def *def, struct service_settings *settings, int argc, char **argv);

/* A line on stderr, behind the program's name. -1. */
int service_complain(const struct service_def *def, const char *format, ...) SAGA_PRINTF(2, 3);

#endif
