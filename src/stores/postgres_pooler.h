#ifndef SAGA_STORES_POSTGRES_POOLER_H
#define SAGA_STORES_POSTGRES_POOLER_H

/*
 * Whether a connection is a session of the server's. Prepared statements, limits set by SET and
 * savepoints live in a session; a pooler in transaction or statement mode gives each transaction
 * another one.
 */

#include "postgres_link.h"

/*
 * UNSUPPORTED: a pooler gives each transaction another session. The connection is in pipeline mode
 * and has done nothing yet. It is a pooler at all if the server process that it names is not the
 * one that answers; then a second connection finds out its mode, which costs some round trips at
 * each opening.
 */
int saga__pg_check_session(
	struct saga__pg *pg, const struct saga__pg_settings *settings, saga_error *error);

#endif
