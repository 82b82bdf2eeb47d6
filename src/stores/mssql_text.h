#ifndef SAGA_STORES_MSSQL_TEXT_H
#define SAGA_STORES_MSSQL_TEXT_H

/* The texts of statements, as far as they can be read without a server. */

#include <saga/plugin.h>

/* Facts that a statement's text shows without a server. */
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

/*
 * SQL Server's `=` and its unique indexes ignore blanks at a text's end, under every collation.
 * So a value that ends in a blank is stored with a DEL (U+007F) behind it: no stored value ends in
 * a blank then. One that ends in a DEL gets another, so that each is read as it was written.
 */
enum {
	SAGA__MSSQL_GUARD = 0x7f
};

/* Whether the value is stored with a guard behind it. */
bool saga__mssql_is_guarded(const saga_bytes *text);

/* How many bytes of a stored text are its value: all but the guard. */
size_t saga__mssql_unguarded(const void *at, size_t size);

#endif
