#ifndef SAGA_STORES_MSSQL_RUN_H
#define SAGA_STORES_MSSQL_RUN_H

/* A store on SQL Server: how it runs statements, and what it knows of its transaction. */

#include "mssql_link.h"
#include "mssql_rows.h"

struct saga__mssql_store {
	struct saga__mssql_link link;
	struct saga__mssql_rows rows;
	bool open;    /* a transaction is, as the server last said */
	bool to_mark; /* the next request makes the mark: it costs no round trip of its own */
	bool marked;  /* the server has one */
	bool broken;  /* a rollback failed */
};

/* The slot of that name. */
int saga__mssql_run(void *handle, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error);

/* A statement of the driver's own. SAGA_OK, or what the server says of it. */
int saga__mssql_say(struct saga__mssql_store *store, const char *sql);

/* Such a one failed: says so, and finds out what became of the transaction. Returns the code. */
int saga__mssql_explain(
	struct saga__mssql_store *store, const char *sql, int code, saga_error *error);

/* Rolls back, if there is what. */
void saga__mssql_take_back(struct saga__mssql_store *store);

/* The transaction is over, with its marks. */
void saga__mssql_forget(struct saga__mssql_store *store);

#endif
