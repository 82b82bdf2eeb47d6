#include "hand_store.h"

#include <stdarg.h>
#include <stdio.h>

void hand_store_fail(struct hand_store *store, const char *text)
{
	if (store->failed)
		return;
	store->failed = true;
	snprintf(store->text, sizeof store->text, "%s", text);
}

static void check(struct hand_store *store, int code)
{
	if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
		hand_store_fail(store, store->db ? sqlite3_errmsg(store->db) : "no memory");
}

void hand_store_script(struct hand_store *store, const char *sql)
{
	if (!store->failed)
		check(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

void hand_store_open(struct hand_store *store, const char *path)
{
	*store = (struct hand_store){ 0 };
	check(store,
		sqlite3_open_v2(path, &store->db,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	hand_store_script(store, "PRAGMA journal_mode = WAL");
	hand_store_script(store, "PRAGMA wal_autocheckpoint = 4000");
	hand_store_script(store, "PRAGMA synchronous = FULL");
}

void hand_store_close(struct hand_store *store)
{
	for (size_t i = 0; i < HAND_STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	store->db = NULL;
}

void hand_store_prepare(struct hand_store *store, size_t statement, const char *sql)
{
	if (!store->failed)
		check(store,
			sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
				&store->statements[statement], NULL));
}

int64_t hand_store_number(struct hand_store *store, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;

	if (store->failed)
		return number;
	check(store, sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL));
	if (statement && sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static int bind(sqlite3_stmt *statement, const char *kinds, va_list values)
{
	int code = SQLITE_OK;

	for (int i = 1; *kinds && code == SQLITE_OK; kinds++, i++) {
		const void *at;

		switch (*kinds) {
		case 's':
			at = va_arg(values, const void *);
			code = sqlite3_bind_blob(statement, i, at, 16, SQLITE_STATIC);
			break;
		case 'i':
			code = sqlite3_bind_int64(statement, i, va_arg(values, int64_t));
			break;
		case 't':
			at = va_arg(values, const char *);
			code = sqlite3_bind_text(statement, i, at, -1, SQLITE_STATIC);
			break;
		default:
			at = va_arg(values, const void *);
			code = sqlite3_bind_blob64(
				statement, i, at, va_arg(values, size_t), SQLITE_STATIC);
		}
	}
	return code;
}

/* Binds, and makes the first step: SQLITE_ROW, SQLITE_DONE or an error. */
static int start(struct hand_store *store, size_t statement, const char *kinds, va_list values)
{
	int code = bind(store->statements[statement], kinds, values);

	store->ran++;

	if (code == SQLITE_OK)
		code = sqlite3_step(store->statements[statement]);
	check(store, code);
	return code;
}

int64_t hand_exec(struct hand_store *store, size_t statement, const char *kinds, ...)
{
	va_list values;
	int64_t changed = 0;

	if (store->failed)
		return 0;
	va_start(values, kinds);
	if (start(store, statement, kinds, values) == SQLITE_DONE)
		changed = sqlite3_changes(store->db);
	va_end(values);
	sqlite3_reset(store->statements[statement]);
	return changed;
}

int64_t hand_int64(
	struct hand_store *store, size_t statement, int64_t otherwise, const char *kinds, ...)
{
	va_list values;

	if (store->failed)
		return otherwise;
	va_start(values, kinds);
	if (start(store, statement, kinds, values) == SQLITE_ROW)
		otherwise = sqlite3_column_int64(store->statements[statement], 0);
	va_end(values);
	sqlite3_reset(store->statements[statement]);
	return otherwise;
}

size_t hand_lines(struct hand_store *store, size_t statement, struct bench_line *ret_lines,
	const char *kinds, ...)
{
	sqlite3_stmt *rows = store->statements[statement];
	size_t count = 0;
	va_list values;

	if (store->failed)
		return 0;
	va_start(values, kinds);
	int code = start(store, statement, kinds, values);

	va_end(values);
	while (code == SQLITE_ROW && count < BENCH_LINES) {
		struct bench_line *line = &ret_lines[count++];

		snprintf(line->sku, sizeof line->sku, "%s",
			(const char *)sqlite3_column_text(rows, 0));
		line->quantity = sqlite3_column_int64(rows, 1);
		code = sqlite3_step(rows);
		check(store, code);
	}
	sqlite3_reset(rows);
	return count;
}
