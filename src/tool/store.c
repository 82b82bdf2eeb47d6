#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../stores/dialect.h"

#define LAYOUT "3" /* that this tool knows: src/stores/journal.c */

enum {
	TIMEOUT_MS = 10000,
	REPLAYS = 8,
	SHARDS_MOST = 64,
	PATH_BYTES = 4096,
	SQLITE_HEADER = 20,
	SQLITE_WRITES = 18 /* where its header says how it is written: 2 is a write-ahead log */
};

/* ---- running ---- */

struct running {
	store_row *row;
	void *context;
	int64_t changed;
};

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct running *running = context;

	(void)i, (void)names, (void)column_count;
	return running->row(running->context, columns);
}

static void take_changed(void *context, size_t i, int64_t changed)
{
	struct running *running = context;

	(void)i;
	running->changed += changed;
}

int store_run(struct store *store, const char *sql, const saga_value *values, size_t count,
	store_row *row, void *context, int64_t *ret_changed, saga_error *error)
{
	const saga_statement statement = { sql, values, count };
	struct running running = { row, context, 0 };
	saga_sink sink = { row ? take_row : NULL, take_changed, &running };
	int code = store->ops->run(store->handle, &statement, 1, &sink, error);

	if (code == SAGA_OK && ret_changed)
		*ret_changed = running.changed;
	return code;
}

saga_id column_id(const saga_value *column)
{
	saga_id id = { { 0 } };

	if (column->kind == SAGA_VALUE_ID)
		return column->as.id;
	if (column->kind == SAGA_VALUE_BYTES && column->as.bytes.size == sizeof id)
		memcpy(&id, column->as.bytes.at, sizeof id);
	return id;
}

int64_t column_number(const saga_value *column)
{
	return column->kind == SAGA_VALUE_INT64 ? column->as.int64 : 0;
}

/* ---- a file: before SQLite makes one, or a write-ahead log beside a stranger's ---- */

static int read_header(const char *path, unsigned char header[SQLITE_HEADER], saga_error *error)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		return saga_error_set(error, SAGA_AWAY, "`%s`: %s", path, strerror(errno));
	size = fread(header, 1, SQLITE_HEADER, file);
	(void)fclose(file);
	if (size < SQLITE_HEADER || memcmp(header, "SQLite format 3", 16) != 0)
		return saga_error_set(error, SAGA_UNSUPPORTED, "`%s` is no SQLite database", path);
	return SAGA_OK;
}

static int check_file(const char *url, saga_error *error)
{
	unsigned char header[SQLITE_HEADER] = { 0 };
	const char *encoded = url + strcspn(url, ":") + 1;
	char path[PATH_BYTES];
	int code = saga_url_decode(encoded, strcspn(encoded, "?"), path, sizeof path);

	if (code != SAGA_OK || !*path)
		return SAGA_OK; /* the store says what is wrong */
	if (strcmp(path, ":memory:") == 0)
		return saga_error_set(error, SAGA_MALFORMED,
			"`%s`: a database in memory is its process's alone", url);
	if ((code = read_header(path, header, error)) == SAGA_OK && header[SQLITE_WRITES] != 2)
		code = saga_error_set(error, SAGA_UNSUPPORTED,
			"`%s` holds no saga tables: it has no write-ahead log, as a participant's "
			"store has",
			path);
	return code;
}

/* ---- opening ---- */

struct meta {
	bool found;
	char value[256];
};

static int take_meta(void *context, const saga_value *columns)
{
	struct meta *meta = context;

	meta->found = true;
	if (columns[0].kind == SAGA_VALUE_TEXT)
		(void)snprintf(meta->value, sizeof meta->value, "%.*s",
			(int)columns[0].as.bytes.size, (const char *)columns[0].as.bytes.at);
	return SAGA_OK;
}

static int read_meta(
	struct store *store, const char *name, struct meta *ret_meta, saga_error *error)
{
	*ret_meta = (struct meta){ .found = false };
	return store_run(store, "SELECT value FROM saga_meta WHERE name = ?",
		STORE_VALUES(saga_text(name)), take_meta, ret_meta, NULL, error);
}

static int check_layout(struct store *store, const char *url, saga_error *error)
{
	struct meta meta;
	saga_error why;
	int code = read_meta(store, "layout", &meta, &why);

	if (code == SAGA_REFUSED || (code == SAGA_OK && !meta.found))
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"`%s` holds no saga tables: no participant has opened it", url);
	if (code != SAGA_OK)
		return saga_error_set(error, code, "%s", why.text);
	if (strcmp(meta.value, LAYOUT) != 0)
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"the saga tables of `%s` have layout %.20s, this tool knows " LAYOUT, url,
			meta.value);
	return SAGA_OK;
}

static int read_store(struct store *store, saga_error *error)
{
	struct meta meta;
	int code = read_meta(store, "participant", &meta, error);

	if (code != SAGA_OK)
		return code;
	(void)snprintf(store->participant, sizeof store->participant, "%.63s", meta.value);
	if ((code = read_meta(store, "uuid", &meta, error)) != SAGA_OK)
		return code;
	(void)snprintf(store->uuid, sizeof store->uuid, "%.36s", meta.value);
	if ((code = read_meta(store, "shards", &meta, error)) != SAGA_OK)
		return code;
	store->shards = (unsigned)strtoul(meta.value, NULL, 10);
	if (!store->shards || store->shards > SHARDS_MOST || (store->shards & (store->shards - 1)))
		return saga_error_set(
			error, SAGA_UNSUPPORTED, "the store says it has %.20s shards", meta.value);
	return SAGA_OK;
}

/* Beside a participant that may run: it alone makes checkpoints, see src/stores/sqlite.c. */
static int open_beside(const char *url, struct store *store, saga_error *error)
{
	saga_store_options options = { .url = url, .timeout_ms = TIMEOUT_MS };
	char *quiet;
	int code;

	if (store->ops->dialect != SAGA_SQLITE || strstr(url, "checkpoint="))
		return store->ops->open(&options, &store->handle, error);
	if (!(quiet = malloc(strlen(url) + sizeof "?checkpoint=off")))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	(void)sprintf(quiet, "%s%ccheckpoint=off", url, strchr(url, '?') ? '&' : '?');
	options.url = quiet;
	code = store->ops->open(&options, &store->handle, error);
	free(quiet);
	return code;
}

static int connect_to(const char *url, struct store *store, saga_error *error)
{
	size_t size = strcspn(url, ":");
	char scheme[32];
	int code;

	(void)snprintf(scheme, sizeof scheme, "%.*s", (int)(size < 31 ? size : 31), url);
	store->ops = url[size] ? saga_store_builtin(scheme) : NULL;
	if (!store->ops) {
		(void)saga_error_set(error, SAGA_MALFORMED,
			url[size] ? "no such scheme `%s`" : "`%s` is no URL, as sqlite:PATH is",
			url[size] ? scheme : url);
		return SAGA_MALFORMED;
	}
	if (store->ops->dialect == SAGA_SQLITE && (code = check_file(url, error)) != SAGA_OK)
		return code;
	return open_beside(url, store, error);
}

int store_open(const char *url, struct store *ret_store, saga_error *error)
{
	struct store store = { .handle = NULL };
	int code = connect_to(url, &store, error);

	if (code != SAGA_OK)
		return code;
	code = check_layout(&store, url, error);
	if (code == SAGA_OK)
		code = read_store(&store, error);
	if (code == SAGA_OK)
		*ret_store = store;
	else
		store_close(&store);
	return code;
}

void store_close(struct store *store)
{
	store->ops->close(store->handle);
}

/* ---- time ---- */

static int take_number(void *context, const saga_value *columns)
{
	*(int64_t *)context = column_number(&columns[0]);
	return SAGA_OK;
}

int store_now(struct store *store, int64_t *ret_now, saga_error *error)
{
	const struct saga__dialect *dialect = saga__dialect_of(store->ops->dialect);
	struct timespec now;

	if (dialect && dialect->clock)
		return store_run(store, dialect->clock, NULL, 0, take_number, ret_now, NULL, error);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret_now = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	return SAGA_OK;
}

/* ---- changing ---- */

static int lock_shards(struct store *store, saga_error *error)
{
	int code = SAGA_OK;

	for (unsigned shard = 0; code == SAGA_OK && shard < store->shards; shard++)
		code = store_run(store, "UPDATE saga_stream SET seq = seq WHERE shard = ?",
			STORE_VALUES(saga_int64(shard)), NULL, NULL, NULL, error);
	return code;
}

static int change_once(struct store *store, int (*change)(void *context, saga_error *error),
	void *context, saga_error *error)
{
	int code = store->ops->begin(store->handle, error);

	if (code == SAGA_OK)
		code = lock_shards(store, error);
	if (code == SAGA_OK)
		code = change(context, error);
	if (code == SAGA_OK && (code = store->ops->commit(store->handle, error)) == SAGA_UNKNOWN)
		return saga_error_set(error, code,
			"the store did not answer the commit: look whether it was done");
	if (code != SAGA_OK && store->ops->in_transaction(store->handle))
		store->ops->rollback(store->handle);
	return code;
}

int store_change(struct store *store, int (*change)(void *context, saga_error *error),
	void *context, saga_error *error)
{
	int code = SAGA_CONTENDED;

	for (int i = 0; code == SAGA_CONTENDED && i < REPLAYS; i++)
		code = change_once(store, change, context, error);
	return code;
}
