#ifndef SAGA_STORES_SQLITE_CACHE_H
#define SAGA_STORES_SQLITE_CACHE_H

/*
 * Prepared statements of one connection, known by the address of their text. A text that comes with
 * values is a constant, so the address says all; one without is compared too.
 */

#include <saga/plugin.h>

#include <sqlite3.h>

enum {
	SAGA__CACHED = 128,
	SAGA__BUCKETS = 256
};

struct saga__cached {
	const char *sql;
	char *text; /* a copy; NULL: a constant */
	sqlite3_stmt *prepared;
	uint64_t used;
	int next; /* in its bucket */
	int column_count;
	int prepared_again;
	saga_value *columns; /* with the names behind them, in one allocation */
	const char **names;
};

struct saga__cache {
	uint64_t uses;
	int count;
	int buckets[SAGA__BUCKETS];
	struct saga__cached cached[SAGA__CACHED];
};

void saga__cache_init(struct saga__cache *cache);
void saga__cache_clear(struct saga__cache *cache);

/* NULL if it is not there. What is found stays until the next `keep`. */
struct saga__cached *saga__cache_find(struct saga__cache *cache, const saga_statement *statement);

/*
 * Takes the prepared statement, also when it fails: NULL, out of memory. If there is no room, the
 * least recently used goes.
 */
struct saga__cached *saga__cache_keep(
	struct saga__cache *cache, const saga_statement *statement, sqlite3_stmt *prepared);

/* Makes room for the columns of a row and names them. SAGA_NOMEM. */
int saga__cached_name_columns(struct saga__cached *cached);

#endif
