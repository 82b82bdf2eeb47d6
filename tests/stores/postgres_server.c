#include "postgres_server.h"

#include <saga/plugin.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char path_key[] = "options=-csearch_path%3D";

const char *postgres_server(void)
{
	const char *url = getenv("SAGA_TEST_POSTGRES");

	return url && *url ? url : NULL;
}

static void say(const char *sql)
{
	const saga_store_ops *ops = saga_store_builtin("postgres");
	const saga_store_options options = { .url = postgres_server(), .timeout_ms = 30000 };
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;
	void *store;

	ck_assert_msg(ops->open(&options, &store, &error) == SAGA_OK, "%s", error.text);
	ck_assert_msg(
		ops->run(store, &statement, 1, NULL, &error) == SAGA_OK, "%s: %s", sql, error.text);
	ops->close(store);
}

void postgres_fresh(char *url, size_t size, const char *directory)
{
	static int number_of_schema;
	const char *server = postgres_server();
	char name[32], sql[128];

	(void)directory;
	(void)snprintf(name, sizeof name, "t%ld_%d", (long)getpid(), number_of_schema++);
	/* Another process had this number, perhaps, earlier. */
	(void)snprintf(
		sql, sizeof sql, "DROP SCHEMA IF EXISTS %s CASCADE; CREATE SCHEMA %s;", name, name);
	say(sql);
	(void)snprintf(
		url, size, "%s%c%s%s", server, strchr(server, '?') ? '&' : '?', path_key, name);
}

void postgres_drop(const char *url)
{
	const char *name = strstr(url, path_key);
	char sql[128];

	ck_assert_ptr_nonnull(name);
	name += sizeof path_key - 1;
	(void)snprintf(sql, sizeof sql, "DROP SCHEMA %.*s CASCADE", (int)strcspn(name, "%&"), name);
	say(sql);
}
