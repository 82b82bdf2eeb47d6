#include "sqlite_cache.h"

#include <stdlib.h>
#include <string.h>

enum {
	NONE = -1
};

void saga__cache_init(struct saga__cache *cache)
{
	cache->uses = 0;
	cache->count = 0;
	for (int i = 0; i < SAGA__BUCKETS; i++)
		cache->buckets[i] = NONE;
}

static int *bucket_of(struct saga__cache *cache, const char *sql)
{
	uint64_t hash = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);

	return &cache->buckets[hash >> 56];
}

static void free_cached(struct saga__cached *cached)
{
	(void)sqlite3_finalize(cached->prepared);
	free(cached->columns);
	free(cached->text);
	*cached = (struct saga__cached){ .next = NONE };
}

void saga__cache_clear(struct saga__cache *cache)
{
	for (int i = 0; i < cache->count; i++)
		free_cached(&cache->cached[i]);
	saga__cache_init(cache);
}

static void forget(struct saga__cache *cache, int row)
{
	int *link = bucket_of(cache, cache->cached[row].sql);

	while (*link != row)
		link = &cache->cached[*link].next;
	*link = cache->cached[row].next;
	free_cached(&cache->cached[row]);
}

static bool is_at(const struct saga__cached *cached, const saga_statement *statement)
{
	return cached->sql == statement->sql &&
		(cached->text == NULL) == (statement->value_count > 0);
}

struct saga__cached *saga__cache_find(struct saga__cache *cache, const saga_statement *statement)
{
	int row = *bucket_of(cache, statement->sql);
	struct saga__cached *cached;

	while (row != NONE && !is_at(&cache->cached[row], statement))
		row = cache->cached[row].next;
	if (row == NONE)
		return NULL;
	cached = &cache->cached[row];
	if (cached->text && strcmp(cached->text, statement->sql) != 0) {
		forget(cache, row); /* another text came to lie there */
		return NULL;
	}
	cached->used = ++cache->uses;
	return cached;
}

static int free_row(struct saga__cache *cache)
{
	int oldest = 0;

	if (cache->count < SAGA__CACHED)
		return cache->count++;
	for (int row = 1; row < SAGA__CACHED; row++) {
		if (cache->cached[row].used < cache->cached[oldest].used)
			oldest = row;
	}
	if (cache->cached[oldest].prepared)
		forget(cache, oldest);
	return oldest;
}

/* Takes the prepared statement, also when it fails. */
struct saga__cached *saga__cache_keep(
	struct saga__cache *cache, const saga_statement *statement, sqlite3_stmt *prepared)
{
	int *bucket = bucket_of(cache, statement->sql);
	char *text = NULL;
	int row;

	if (statement->value_count == 0) {
		size_t size = strlen(statement->sql) + 1;

		text = malloc(size);
		if (!text) {
			(void)sqlite3_finalize(prepared);
			return NULL;
		}
		memcpy(text, statement->sql, size);
	}
	row = free_row(cache);
	cache->cached[row] = (struct saga__cached){ .sql = statement->sql,
		.text = text,
		.prepared = prepared,
		.used = ++cache->uses,
		.next = *bucket };
	*bucket = row;
	return &cache->cached[row];
}

/* The names are SQLite's, and good until it prepares the statement again by itself. */
int saga__cached_name_columns(struct saga__cached *cached)
{
	int count = sqlite3_column_count(cached->prepared);
	int again = sqlite3_stmt_status(cached->prepared, SQLITE_STMTSTATUS_REPREPARE, 0);

	if (cached->columns && cached->column_count == count && cached->prepared_again == again)
		return SAGA_OK;
	if (!cached->columns || cached->column_count != count) {
		size_t one = sizeof *cached->columns + sizeof *cached->names;
		saga_value *columns = calloc((size_t)count, one);

		if (!columns)
			return SAGA_NOMEM;
		free(cached->columns);
		cached->columns = columns;
		cached->names = (const char **)(void *)(columns + count);
		cached->column_count = count;
		cached->prepared_again = NONE;
	}
	for (int i = 0; i < count; i++) {
		cached->names[i] = sqlite3_column_name(cached->prepared, i);
		if (!cached->names[i])
			return SAGA_NOMEM;
	}
	cached->prepared_again = again;
	return SAGA_OK;
}
