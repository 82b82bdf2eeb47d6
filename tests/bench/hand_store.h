#ifndef HAND_STORE_H
#define HAND_STORE_H

/*
 * One service's database as one would write it by hand: a connection, its statements prepared once.
 * Errors are sticky: after the first, calls do nothing, and `text` says what it was.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shop_bench.h"

enum {
	HAND_STATEMENTS = 24
};

struct hand_store {
	sqlite3 *db;
	sqlite3_stmt *statements[HAND_STATEMENTS];
	size_t ran; /* statements, so far */
	bool failed;
	char text[BENCH_TEXT];
};

/* Opens (and makes) a file with the settings that libsaga has. Close it anyway. */
void hand_store_open(struct hand_store *store, const char *path);
void hand_store_close(struct hand_store *store);

void hand_store_script(struct hand_store *store, const char *sql);
void hand_store_prepare(struct hand_store *store, size_t statement, const char *sql);

/*
 * Runs a statement with values after the letters of `kinds`: s a saga's id (16 bytes), i an
 * int64_t, t a text, b a pointer and a size_t. Returns how many rows it changed.
 */
int64_t hand_exec(struct hand_store *store, size_t statement, const char *kinds, ...);

/* The same for a query; the first row's first column, or `otherwise`. */
int64_t hand_int64(
	struct hand_store *store, size_t statement, int64_t otherwise, const char *kinds, ...);

/* The same for the lines of an order: (sku, quantity) rows. Returns how many came. */
size_t hand_lines(struct hand_store *store, size_t statement, struct bench_line *ret_lines,
	const char *kinds, ...);

/* A query that is made once: its first number; -1 if there is none. */
int64_t hand_store_number(struct hand_store *store, const char *sql);

/* What the caller found wrong, as the sticky error. */
void hand_store_fail(struct hand_store *store, const char *text);

#endif
