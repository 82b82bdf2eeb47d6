#include "postgres_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONE = -1
};

const char *saga__pg_name(uint64_t number, char buffer[SAGA__PG_NAME])
{
	(void)snprintf(buffer, SAGA__PG_NAME, "saga_%016" PRIx64, number);
	return buffer;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* 48 bits of the text, and 16 to tell apart; never 0. */
uint64_t saga__pg_number(const char *sql, const Oid *types, size_t count, unsigned nth)
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), sql, strlen(sql) + 1);

	hash = mix(hash, types, count * sizeof *types);
	return ((hash ^ hash >> 32) << 16 | (nth & 0xffff)) | UINT64_C(1) << 63;
}

void saga__pg_cache_init(struct saga__pg_cache *cache)
{
	cache->count = 0;
	for (int i = 0; i < SAGA__PG_BUCKETS; i++)
		cache->buckets[i] = NONE;
}

void saga__pg_cache_clear(struct saga__pg_cache *cache)
{
	for (int i = 0; i < cache->count; i++) {
		free(cache->cached[i].types);
		cache->cached[i] = (struct saga__pg_cached){ .next = NONE };
	}
	saga__pg_cache_init(cache);
}

static int *bucket_of(struct saga__pg_cache *cache, const char *sql)
{
	uint64_t hash = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);

	return &cache->buckets[hash >> 55];
}

static bool suits(
	const struct saga__pg_cached *cached, const saga_statement *statement, bool guards)
{
	if (cached->guards != guards || cached->sql != statement->sql ||
		cached->count != statement->value_count)
		return false;
	for (size_t i = 0; i < cached->count; i++)
		if (statement->values[i].kind != SAGA_VALUE_NULL &&
			saga__pg_type_of(&statement->values[i]) != cached->types[i])
			return false;
	return true;
}

struct saga__pg_cached *saga__pg_cache_find(
	struct saga__pg_cache *cache, const saga_statement *statement, bool guards)
{
	int row = *bucket_of(cache, statement->sql);

	while (row != NONE && !suits(&cache->cached[row], statement, guards))
		row = cache->cached[row].next;
	if (row == NONE)
		return NULL;
	cache->cached[row].used = ++cache->uses;
	return &cache->cached[row];
}

static void drop(struct saga__pg_cache *cache, int row)
{
	struct saga__pg_cached *cached = &cache->cached[row];
	int *link = bucket_of(cache, cached->sql);

	while (*link != row)
		link = &cache->cached[*link].next;
	*link = cached->next;
	free(cached->types);
	*cached = (struct saga__pg_cached){ .next = NONE };
}

static int free_row(struct saga__pg_cache *cache, uint64_t *ret_dropped)
{
	int oldest = 0;

	*ret_dropped = 0;
	for (int row = 0; row < cache->count; row++) {
		if (!cache->cached[row].sql)
			return row;
		if (cache->cached[row].used < cache->cached[oldest].used)
			oldest = row;
	}
	if (cache->count < SAGA__PG_CACHED)
		return cache->count++;
	*ret_dropped = cache->cached[oldest].number;
	drop(cache, oldest);
	return oldest;
}

/* Where this one has an SQL NULL, what the text was prepared with last says more. */
static Oid type_for(struct saga__pg_cache *cache, const saga_statement *statement, size_t i)
{
	if (statement->values[i].kind != SAGA_VALUE_NULL)
		return saga__pg_type_of(&statement->values[i]);
	for (int row = *bucket_of(cache, statement->sql); row != NONE;
		row = cache->cached[row].next)
		if (cache->cached[row].sql == statement->sql && i < cache->cached[row].count)
			return cache->cached[row].types[i];
	return 0;
}

struct saga__pg_cached *saga__pg_cache_add(struct saga__pg_cache *cache,
	const saga_statement *statement, const char *text, bool guards, uint64_t *ret_dropped)
{
	int *bucket = bucket_of(cache, statement->sql), row;
	Oid *types = calloc(statement->value_count + 1, sizeof *types);

	if (!types)
		return NULL;
	for (size_t i = 0; i < statement->value_count; i++)
		types[i] = type_for(cache, statement, i);
	row = free_row(cache, ret_dropped);
	cache->cached[row] = (struct saga__pg_cached){ .sql = statement->sql,
		.guards = guards,
		.number = saga__pg_number(text, types, statement->value_count, ++cache->numbers),
		.count = statement->value_count,
		.types = types,
		.used = ++cache->uses,
		.next = *bucket };
	*bucket = row;
	return &cache->cached[row];
}

void saga__pg_cache_forget(struct saga__pg_cache *cache, uint64_t number)
{
	for (int row = 0; row < cache->count; row++)
		if (cache->cached[row].sql && cache->cached[row].number == number)
			drop(cache, row);
}
