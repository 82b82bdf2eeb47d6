#ifndef SAGA_STORES_MSSQL_SETTINGS_H
#define SAGA_STORES_MSSQL_SETTINGS_H

/* The options of a SQL Server store: `mssql://user:password@host:port/database?key=...`. */

#include <saga/plugin.h>

enum saga__mssql_isolation {
	SAGA__MSSQL_READ_COMMITTED,
	SAGA__MSSQL_SERIALIZABLE
};

struct saga__mssql_settings {
	char *memory;
	const char *user, *password, *database;
	char server[280]; /* "host:port", as ct_connect reads it */
	enum saga__mssql_isolation isolation;
	char encrypt[32];
	int timeout_ms;
};

/* MALFORMED, NOMEM. No error shows the password. */
int saga__mssql_settings_read(const saga_store_options *options,
	struct saga__mssql_settings *ret_settings, saga_error *error);
void saga__mssql_settings_free(struct saga__mssql_settings *settings);

#endif
