#include "mssql_server.h"

#include <saga/plugin.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

enum {
	TABLES = 64
};

struct tables {
	char names[TABLES][130];
	size_t count;
};

const char *mssql_server(void)
{
	const char *url = getenv("SAGA_TEST_MSSQL");

	return url && *url ? url : NULL;
}

/* shop_mssql.py takes the same. Check's children share it. */
void mssql_reserve(void)
{
	const char *base = getenv("TMPDIR");
	char path[256];
	int file;

	(void)snprintf(path, sizeof path, "%s/saga-test-mssql.lock", base ? base : "/tmp");
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (file < 0 || flock(file, LOCK_EX) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

static int keep_name(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct tables *tables = context;

	(void)i, (void)names, (void)column_count;
	ck_assert_uint_lt(tables->count, TABLES);
	(void)snprintf(tables->names[tables->count++], sizeof tables->names[0], "%.*s",
		(int)columns[0].as.bytes.size, (const char *)columns[0].as.bytes.at);
	return SAGA_OK;
}

void mssql_fresh(char *url, size_t size, const char *directory)
{
	const saga_store_ops *ops = saga_store_builtin("mssql");
	saga_store_options options = { .url = mssql_server(), .timeout_ms = 30000 };
	saga_statement all = { "SELECT name FROM sys.tables", NULL, 0 };
	struct tables tables = { .count = 0 };
	saga_sink sink = { .row = keep_name, .context = &tables };
	saga_error error;
	void *store;

	(void)directory;
	ck_assert_msg(ops->open(&options, &store, &error) == SAGA_OK, "%s", error.text);
	ck_assert_msg(ops->run(store, &all, 1, &sink, &error) == SAGA_OK, "%s", error.text);
	for (size_t i = 0; i < tables.count; i++) {
		char sql[160];
		saga_statement drop = { sql, NULL, 0 };

		(void)snprintf(sql, sizeof sql, "DROP TABLE [%s]", tables.names[i]);
		ck_assert_msg(ops->run(store, &drop, 1, NULL, &error) == SAGA_OK, "%s", error.text);
	}
	ops->close(store);
	(void)snprintf(url, size, "%s", options.url);
}
