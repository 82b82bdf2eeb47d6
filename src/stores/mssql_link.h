#ifndef SAGA_STORES_MSSQL_LINK_H
#define SAGA_STORES_MSSQL_LINK_H

/*
 * A connection to SQL Server through FreeTDS's ct-lib: one request at a time, within a deadline.
 * Everything of ct-lib's belongs to the link, its context and its callbacks too.
 *
 * A link whose answer did not come, whole and in time, is dead: what the server makes of the
 * request is then not known, and whatever came later would be taken for another's answer.
 */

#include "mssql_settings.h"

#include <ctpublic.h>
#include <stdatomic.h>

struct saga__mssql_link {
	CS_CONTEXT *context;
	CS_CONNECTION *connection;
	CS_COMMAND *command;
	int timeout_ms;
	int64_t deadline; /* of this slot */
	atomic_bool interrupted;
	bool dead;
	int number;     /* of the first error that the server told since `enter`; 0: none */
	int severity;   /* of that error */
	char text[200]; /* in its words, or the client's if the server said nothing */
};

/* A value that goes with a request, as `@P1` and on. */
struct saga__mssql_param {
	int type; /* CS_BIGINT_TYPE, CS_BIT_TYPE, CS_BINARY_TYPE, CS_IMAGE_TYPE, CS_TEXT_TYPE */
	const void *at; /* borrowed */
	size_t size;
};

enum saga__mssql_next {
	SAGA__MSSQL_ROWS, /* a set of rows: take them with saga__mssql_row */
	SAGA__MSSQL_END,  /* nothing more comes of this request */
	SAGA__MSSQL_DEAD
};

/* Also after a failure the link is to be closed. AWAY, NOMEM. */
int saga__mssql_link_open(struct saga__mssql_link *link,
	const struct saga__mssql_settings *settings, saga_error *error);
void saga__mssql_link_close(struct saga__mssql_link *link);

/* A slot begins: its deadline, and nothing said yet. */
void saga__mssql_enter(struct saga__mssql_link *link);

/* False: the link is dead. All is copied. */
bool saga__mssql_send(struct saga__mssql_link *link, const char *text,
	const struct saga__mssql_param *params, size_t count);

enum saga__mssql_next saga__mssql_next(struct saga__mssql_link *link);

/* Whether there is another row in this set; look whether the link is dead when there is not. */
bool saga__mssql_row(struct saga__mssql_link *link);

/* Returns the code for an error of the server; mssql_codes.c has the table. */
int saga__mssql_code_of(int number, int severity, const char *text);

/* Returns the code for the server's messages, or for a dead link; SAGA_OK if there are none. */
int saga__mssql_code(const struct saga__mssql_link *link);
const char *saga__mssql_why(const struct saga__mssql_link *link);

#endif
