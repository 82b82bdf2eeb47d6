#ifndef SAGA_STORES_MSSQL_REQUEST_H
#define SAGA_STORES_MSSQL_REQUEST_H

/*
 * Statements of the library's as one request to SQL Server.
 *
 * Each statement runs by an sp_executesql of its own, so that it has a plan of its own in the
 * server's cache, whatever it is sent with. Behind it stands how many rows it changed, as a set of
 * rows of ours; what fails ends the request's work. Values are parameters. ct-lib has no type for
 * text that is not in the server's code page: a text beyond ASCII travels as JSON with escapes,
 * which the server reads into an NVARCHAR.
 */

#include "mssql_link.h"

/* The columns of our own sets of rows. */
#define SAGA__MSSQL_DONE "saga_done"   /* of each statement, if wanted: rows changed */
#define SAGA__MSSQL_AT "saga_at"       /* of the request: which statement ran last ... */
#define SAGA__MSSQL_STATE "saga_state" /* ... and XACT_STATE(): 1 open, 0 none, -1 doomed */

struct saga__mssql_request {
	char *text;
	size_t size, room;
	struct saga__mssql_param *params;
	size_t param_count;
	char *json; /* the texts beyond ASCII */
	size_t json_size;
	bool failed; /* out of memory */
};

enum {
	/* The most statements in a request; SQL Server takes 2100 parameters. */
	SAGA__MSSQL_STATEMENTS = 128,
	SAGA__MSSQL_PARAMS = 1500,
	SAGA__MSSQL_BYTES = 1 << 22
};

/* How many of the statements, at least one, go into the next request. */
size_t saga__mssql_share(const saga_statement *statements, size_t count);

/*
 * `save`: makes a savepoint of that name first; NULL: none. `counts`: SAGA__MSSQL_DONE is wanted.
 * The values are borrowed until the request is freed, which it is to be after a failure too.
 * REFUSED (a value of no kind, or that is no UTF-8), NOMEM.
 */
int saga__mssql_request_make(struct saga__mssql_request *request, const saga_statement *statements,
	size_t count, const char *save, bool counts, saga_error *error);
void saga__mssql_request_free(struct saga__mssql_request *request);

#endif
