#ifndef SAGA_STORES_SQLITE_VALUES_H
#define SAGA_STORES_SQLITE_VALUES_H

/* The library's values as SQLite's, and back. */

#include <saga/plugin.h>

#include <sqlite3.h>

/* Borrows text and bytes until the statement is reset. SQLITE_MISMATCH: there is no such kind. */
int saga__sqlite_bind(sqlite3_stmt *prepared, int at, const saga_value *value);

/* Borrows from the row. SAGA_REFUSED: floating point; SAGA_NOMEM. */
int saga__sqlite_column(sqlite3_stmt *prepared, int i, saga_value *ret_value);

#endif
