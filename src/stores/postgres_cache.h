#ifndef SAGA_STORES_POSTGRES_CACHE_H
#define SAGA_STORES_POSTGRES_CACHE_H

/*
 * Prepared statements of one connection, known by the address of their text, which is a constant,
 * and by the types that their values were sent as. An SQL NULL suits any type.
 */

#include "postgres_values.h"

enum {
	SAGA__PG_CACHED = 256,
	SAGA__PG_BUCKETS = 512
};

struct saga__pg_cached {
	const char *sql; /* NULL: free */
	bool guards;     /* it is prepared to fail where it changes or finds nothing */
	uint64_t number; /* its name, by saga__pg_name */
	size_t count;
	Oid *types;
	uint64_t used;
	int next; /* in its bucket */
};

struct saga__pg_cache {
	uint64_t uses;
	unsigned numbers;
	int count;
	int buckets[SAGA__PG_BUCKETS];
	struct saga__pg_cached cached[SAGA__PG_CACHED];
};

enum {
	SAGA__PG_NAME = 24
};

const char *saga__pg_name(uint64_t number, char buffer[SAGA__PG_NAME]);

/*
 * A number for a text and the types of its values. The same name never stands for two texts, on
 * whatever session it was prepared: a connection whose session is exchanged gets an error, not
 * another statement. `nth` tells statements of one connection apart.
 */
uint64_t saga__pg_number(const char *sql, const Oid *types, size_t count, unsigned nth);

void saga__pg_cache_init(struct saga__pg_cache *cache);
void saga__pg_cache_clear(struct saga__pg_cache *cache);

/* NULL if it is not there. */
struct saga__pg_cached *saga__pg_cache_find(
	struct saga__pg_cache *cache, const saga_statement *statement, bool guards);

/*
 * A new one, to be prepared as `text`; NULL: out of memory. *ret_dropped: the number of the least
 * recently used, which had to go; 0: there was room.
 */
struct saga__pg_cached *saga__pg_cache_add(struct saga__pg_cache *cache,
	const saga_statement *statement, const char *text, bool guards, uint64_t *ret_dropped);

/* It could not be prepared. */
void saga__pg_cache_forget(struct saga__pg_cache *cache, uint64_t number);

#endif
