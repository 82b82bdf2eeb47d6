#include "frail_plan.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The tests themselves ask malloc. */
void *frail_malloc(size_t size);
void *frail_calloc(size_t count, size_t size);
void *frail_realloc(void *at, size_t size);
char *frail_strdup(const char *text);
void frail_free(void *at);

static atomic_ulong calls[FRAIL_SORTS];
static atomic_ulong fired;
static atomic_long live;
static atomic_int armed;
static enum frail_whose planned;
static unsigned long first, last;
static sqlite3_mem_methods inner;

static bool fails(enum frail_whose whose)
{
	unsigned long call;

	if (!atomic_load(&armed))
		return false;
	call = atomic_fetch_add(&calls[whose], 1) + 1;
	if (whose != planned || call < first || call > last)
		return false;
	atomic_fetch_add(&fired, 1);
	return true;
}

static void *counted(void *at)
{
	if (at)
		atomic_fetch_add(&live, 1);
	return at;
}

void *frail_malloc(size_t size)
{
	return fails(FRAIL_OWN) ? NULL : counted(malloc(size));
}

void *frail_calloc(size_t count, size_t size)
{
	return fails(FRAIL_OWN) ? NULL : counted(calloc(count, size));
}

void *frail_realloc(void *at, size_t size)
{
	void *more = fails(FRAIL_OWN) ? NULL : realloc(at, size);

	return at ? more : counted(more);
}

char *frail_strdup(const char *text)
{
	return fails(FRAIL_OWN) ? NULL : counted(strdup(text));
}

void frail_free(void *at)
{
	if (at)
		atomic_fetch_sub(&live, 1);
	free(at);
}

static void *json_malloc(size_t size)
{
	return fails(FRAIL_JSON) ? NULL : counted(malloc(size));
}

static void *sqlite_malloc(int size)
{
	return fails(FRAIL_SQLITE) ? NULL : inner.xMalloc(size);
}

static void *sqlite_realloc(void *at, int size)
{
	return fails(FRAIL_SQLITE) ? NULL : inner.xRealloc(at, size);
}

void frail_install(void)
{
	sqlite3_mem_methods methods;

	json_set_alloc_funcs(json_malloc, frail_free);
	(void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &inner);
	methods = inner;
	methods.xMalloc = sqlite_malloc;
	methods.xRealloc = sqlite_realloc;
	(void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void frail_plan(enum frail_whose whose, unsigned long nth, unsigned long times)
{
	for (int i = 0; i < FRAIL_SORTS; i++)
		atomic_store(&calls[i], 0);
	atomic_store(&fired, 0);
	planned = whose;
	first = nth;
	last = nth + times - 1;
}

void frail_begin(void)
{
	atomic_store(&armed, 1);
}

void frail_end(void)
{
	atomic_store(&armed, 0);
}

unsigned long frail_fired(void)
{
	return atomic_load(&fired);
}

unsigned long frail_calls(enum frail_whose whose)
{
	return atomic_load(&calls[whose]);
}

long frail_live(void)
{
	return atomic_load(&live);
}
