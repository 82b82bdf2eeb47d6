#ifndef SAGA_STORES_SQLITE_SETTINGS_H
#define SAGA_STORES_SQLITE_SETTINGS_H

/*
 * The options of a SQLite store: `sqlite:PATH?synchronous=full&busy_ms=100&cache_kb=8000`.
 * `checkpoint=off` is for programs that look beside a participant, see sqlite.c.
 */

#include <saga/plugin.h>

enum {
	SAGA__SQLITE_PATH = 4096 /* bytes, with the NUL */
};

/* By SQLite's own numbers. */
enum saga__sqlite_synchronous {
	SAGA__SQLITE_OFF,
	SAGA__SQLITE_NORMAL,
	SAGA__SQLITE_FULL,
	SAGA__SQLITE_EXTRA
};

enum saga__sqlite_checkpoint {
	SAGA__SQLITE_CHECKPOINTS,
	SAGA__SQLITE_LEAVES_CHECKPOINTS
};

struct saga__sqlite_settings {
	char path[SAGA__SQLITE_PATH];
	bool in_memory;
	enum saga__sqlite_checkpoint checkpoint;
	enum saga__sqlite_synchronous synchronous;
	int64_t timeout_ms;
	int64_t busy_ms;
	int64_t cache_kb; /* 0: SQLite's default */
};

/* MALFORMED. */
int saga__sqlite_settings_read(const saga_store_options *options,
	struct saga__sqlite_settings *ret_settings, saga_error *error);

#endif
