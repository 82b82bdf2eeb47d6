#ifndef SAGA_STORES_POSTGRES_SETTINGS_H
#define SAGA_STORES_POSTGRES_SETTINGS_H

/*
 * The options of a PostgreSQL store: `postgres://...?isolation=serializable&KEY=VALUE`. The
 * store's own keys are
 *
 *	isolation   read-committed (the server's default), repeatable-read, serializable
 *
 * and all others are libpq's, as is the rest: hosts, service files, TLS, the environment.
 */

#include <saga/plugin.h>

#include <libpq-fe.h>

struct saga__pg_settings {
	const char *begin; /* the statement that begins a transaction */
	int64_t timeout_ms;
	PQconninfoOption *options;
};

/* MALFORMED, NOMEM. */
int saga__pg_settings_read(const saga_store_options *options,
	struct saga__pg_settings *ret_settings, saga_error *error);
void saga__pg_settings_free(struct saga__pg_settings *settings);

/* Begins to connect; NULL: out of memory. */
PGconn *saga__pg_settings_connect(const struct saga__pg_settings *settings);

/*
 * The limits that a session gets, as one statement. They are below the slot's own: first a lock is
 * given up, then a statement, and a session whose client has gone silent in a transaction ends.
 */
void saga__pg_settings_limits(const struct saga__pg_settings *settings, char *sql, size_t size);

#endif
