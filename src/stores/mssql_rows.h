#ifndef SAGA_STORES_MSSQL_ROWS_H
#define SAGA_STORES_MSSQL_ROWS_H

/* Rows as they come from the server, as the library's values. */

#include "mssql_link.h"

struct saga__mssql_column {
	int type;  /* CS_..._TYPE */
	size_t at; /* of this row's value, in `bytes` */
	char name[CS_MAX_NAME + 1];
};

struct saga__mssql_rows {
	struct saga__mssql_column *columns;
	saga_value *values;
	const char **names;
	size_t count, room;
	char *bytes;
	size_t bytes_used, bytes_room;
};

/* The set that saga__mssql_next came to. NOMEM; AWAY: the link is dead. */
int saga__mssql_rows_describe(struct saga__mssql_rows *rows, struct saga__mssql_link *link);

/*
 * The row that saga__mssql_row came to, into `values`, valid until the next. REFUSED: a column has
 * a type that no value holds, *ret_column; NOMEM; AWAY: the link is dead.
 */
int saga__mssql_rows_read(
	struct saga__mssql_rows *rows, struct saga__mssql_link *link, const char **ret_column);

void saga__mssql_rows_free(struct saga__mssql_rows *rows);

#endif
