#include "reads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reads {
	const saga_store_ops *ops;
	void *store;
};

struct rows {
	reads_row_fn *row;
	void *context;
	size_t column_count;
};

enum {
	TIMEOUT_MS = 30000
};

int reads_open(const char *url, struct reads **ret_reads, saga_error *error)
{
	char scheme[32], quiet[1100];
	size_t size = strcspn(url, ":");
	struct reads *reads;
	int code;

	snprintf(scheme, sizeof scheme, "%.*s", (int)(size < 31 ? size : 31), url);
	reads = calloc(1, sizeof *reads);
	if (!reads)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	reads->ops = saga_store_builtin(scheme);
	/* Beside services that run: who looks makes no checkpoint of their log. */
	if (strcmp(scheme, "sqlite") == 0 && !strstr(url, "checkpoint=")) {
		snprintf(quiet, sizeof quiet, "%s%ccheckpoint=off", url,
			strchr(url, '?') ? '&' : '?');
		url = quiet;
	}
	code = reads->ops
		? reads->ops->open(&(saga_store_options){ .url = url, .timeout_ms = TIMEOUT_MS },
			  &reads->store, error)
		: saga_error_set(error, SAGA_UNSUPPORTED, "no store for `%s`", url);
	if (code != SAGA_OK) {
		free(reads);
		return code;
	}
	*ret_reads = reads;
	return SAGA_OK;
}

void reads_close(struct reads *reads)
{
	if (!reads)
		return;
	reads->ops->close(reads->store);
	free(reads);
}

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct rows *rows = context;

	(void)i;
	(void)names;
	return column_count == rows->column_count ? rows->row(rows->context, columns)
						  : SAGA_MALFORMED;
}

static void ignore_done(void *context, size_t i, int64_t changed)
{
	(void)context;
	(void)i;
	(void)changed;
}

int reads_rows(struct reads *reads, const char *sql, const saga_value *values, size_t value_count,
	size_t column_count, reads_row_fn *row, void *context, saga_error *error)
{
	struct rows rows = { .row = row, .context = context, .column_count = column_count };
	saga_sink sink = { .row = take_row, .done = ignore_done, .context = &rows };
	saga_statement statement = { .sql = sql, .values = values, .value_count = value_count };
	int code = reads->ops->begin(reads->store, error);

	if (code != SAGA_OK)
		return code;
	code = reads->ops->run(reads->store, &statement, 1, &sink, error);
	reads->ops->rollback(reads->store);
	return code;
}

/* ---- all of the shop ---- */

static const char *url_of(const struct shop_stores *stores, const char *of, char ledger[1040])
{
	if (strcmp(of, "order") == 0)
		return stores->order;
	if (strcmp(of, "payment") == 0)
		return stores->payment;
	if (strcmp(of, "stock") == 0)
		return stores->stock;
	/* The ledger is another company's, and always SQLite. */
	snprintf(ledger, 1040, "sqlite:%s", stores->ledger);
	return ledger;
}

static int read_store(void *context, const char *of, const char *sql, size_t column_count,
	reads_row_fn *row, void *row_context, saga_error *error)
{
	char ledger[1040];
	struct reads *reads;
	int code = reads_open(url_of(context, of, ledger), &reads, error);

	if (code != SAGA_OK)
		return code;
	code = reads_rows(reads, sql, NULL, 0, column_count, row, row_context, error);
	reads_close(reads);
	return code;
}

struct reader reads_of(struct shop_stores *stores)
{
	return (struct reader){ read_store, stores };
}

/* ---- columns ---- */

int64_t reads_int64(const saga_value *column)
{
	if (column->kind == SAGA_VALUE_BOOL)
		return column->as.boolean;
	return column->kind == SAGA_VALUE_INT64 ? column->as.int64 : 0;
}

saga_id reads_id(const saga_value *column)
{
	saga_id id = { { 0 } };

	if (column->kind == SAGA_VALUE_ID)
		return column->as.id;
	if (column->kind == SAGA_VALUE_BYTES && column->as.bytes.size == sizeof id.bytes)
		memcpy(id.bytes, column->as.bytes.at, sizeof id.bytes);
	return id;
}

void reads_text(const saga_value *column, char *buffer, size_t size)
{
	bool is_text = column->kind == SAGA_VALUE_TEXT;
	size_t length = is_text ? column->as.bytes.size : 0;

	if (length >= size)
		length = size - 1;
	if (length)
		memcpy(buffer, column->as.bytes.at, length);
	buffer[length] = '\0';
}
