#ifndef SHOP_READS_H
#define SHOP_READS_H

/* Reading a service's database from outside, whatever store it is, by the library's own drivers. */

#include <saga/plugin.h>

/* Where the shop keeps things: three store URLs, and the provider's ledger as a path. */
struct shop_stores {
	char order[1024];
	char payment[1024];
	char stock[1024];
	char ledger[1024];
};

struct reads;

/* A row; its columns are borrowed until it returns. Not SAGA_OK: no more rows. */
typedef int reads_row_fn(void *context, const saga_value *columns);

int reads_open(const char *url, struct reads **ret_reads, saga_error *error);
void reads_close(struct reads *reads);

/* Calls back for each row, which must have that many columns. */
int reads_rows(struct reads *reads, const char *sql, const saga_value *values, size_t value_count,
	size_t column_count, reads_row_fn *row, void *context, saga_error *error);

/* A reader of "order", "payment", "stock" or "provider": rows of so many columns, as above. */
struct reader {
	int (*read)(void *context, const char *of, const char *sql, size_t column_count,
		reads_row_fn *row, void *row_context, saga_error *error);
	void *context;
};

/* Reads where the shop keeps things, by the library's own drivers. Borrows the stores. */
struct reader reads_of(struct shop_stores *stores);

/* A column's value; of another kind: zero, or "" (cut short if it does not fit). */
int64_t reads_int64(const saga_value *column);
saga_id reads_id(const saga_value *column);
void reads_text(const saga_value *column, char *buffer, size_t size);

#endif
