#ifndef SAGA_STORES_MSSQL_SETTINGS_H
#define SAGA_STORES_MSSQL_SETTINGS_H

/* The options of a SQL Server store: `mssql://user:password@host:port/database?key=...`. */

#include "url.h"

#include <saga/plugin.h>

struct saga__mssql_settings {
	char *memory;
	struct saga__url keys;
	const char *user, *password, *database;
	char server[280]; /* "host:port", as ct_connect reads it */
	bool serializable;
	int timeout_ms;
};

/* MALFORMED, NOMEM. No error shows the password. */
int saga__mssql_settings_read(const saga_store_options *options,
	struct saga__mssql_settings *ret_settings, saga_error *error);
void saga__mssql_settings_free(struct saga__mssql_settings *settings);

#endif
