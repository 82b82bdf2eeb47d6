#ifndef SAGA_STORES_MSSQL_TEXT_H
#define SAGA_STORES_MSSQL_TEXT_H

/* The texts of statements, as far as they can be read without a server. */

#include <saga/plugin.h>

/* What a statement's text shows without a server. */
struct saga__mssql_shape {
	size_t values;     /* `?` */
	size_t statements; /* that `;` tells apart; 0: nothing but space and comments */
	bool reads;        /* begins with SELECT */
};

struct saga__mssql_shape saga__mssql_shape_of(const char *sql);

/* Whether it is UTF-8, which is all that FreeTDS can send. */
bool saga__mssql_is_text(const char *sql);

/* Bytes of what begins here, a literal, a name in quotes, a comment; 0: it is none of them. */
size_t saga__mssql_opaque(const char *sql);

#endif
