#ifndef SAGA_STORES_SQLITE_SETTINGS_H
#define SAGA_STORES_SQLITE_SETTINGS_H

/*
 * The options of a SQLite store: `sqlite:PATH?synchronous=full&busy_ms=100&cache_kb=8000`.
 * `checkpoint=off` is for programs that look beside a participant, see sqlite.c.
 */

#include "url.h"

#include <saga/plugin.h>

struct saga__sqlite_settings {
	struct saga__url url; /* to be freed, also when reading failed */
	const char *path;
	bool in_memory;
	bool checkpoints;
	const char *synchronous;
	int64_t timeout_ms;
	int64_t busy_ms;
	int64_t cache_kb; /* 0: SQLite's default */
};

/* MALFORMED, NOMEM. */
int saga__sqlite_settings_read(const saga_store_options *options,
	struct saga__sqlite_settings *settings, saga_error *error);

#endif
