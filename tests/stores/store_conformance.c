#include "mssql_server.h"
#include "postgres_server.h"
#include "store_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fresh_sqlite(char *url, size_t size, const char *directory)
{
	static int number_of_file;

	(void)snprintf(
		url, size, "sqlite:%s/%ld-%d.db", directory, (long)getpid(), number_of_file++);
}

static void fresh_memory(char *url, size_t size, const char *directory)
{
	(void)directory;
	(void)snprintf(url, size, "sqlite::memory:");
}

#define SQLITE_SAYS \
	.scheme = "sqlite", .lives_after_refusal = true, \
	.column_types = "id INTEGER PRIMARY KEY, label TEXT, body BLOB, flag INTEGER", \
	.endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) " \
		   "SELECT count(*) FROM n", \
	.floating = "SELECT 0.5 AS half", \
	.malformed_url = "sqlite:", .away_url = "sqlite:/nowhere/at/all/x.db"

const struct store_under_test stores_under_test[] = {
	{ .name = "sqlite file", .fresh_url = fresh_sqlite, .many = true, SQLITE_SAYS },
	{ .name = "sqlite memory", .fresh_url = fresh_memory, .many = false, SQLITE_SAYS },
	{ .name = "postgres",
		.scheme = "postgres",
		.fresh_url = postgres_fresh,
		.server = "SAGA_TEST_POSTGRES",
		.many = true,
		.runs_ahead = true,
		.column_types = "id BIGINT PRIMARY KEY, label TEXT, body BYTEA, flag INTEGER",
		.endless = "SELECT count(*) FROM generate_series(1, 1000000000000)",
		.floating = "SELECT 0.5 AS half",
		.malformed_url = "postgres://[::1/x",
		.away_url = "postgres://localhost:1/x" },
	{
		.name = "mssql",
		.scheme = "mssql",
		.server = "SAGA_TEST_MSSQL",
		.fresh_url = mssql_fresh,
		.many = true,
		.lives_after_refusal = true,
		.nonsense_ends = true,
		.patience_ms = 4000,
		.column_types = "id BIGINT PRIMARY KEY, label NVARCHAR(MAX), body VARBINARY(MAX),"
				" flag INTEGER",
		.endless = "WITH n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n)"
			   " SELECT count(*) AS n FROM n OPTION (MAXRECURSION 0)",
		.floating = "SELECT CAST(0.5 AS FLOAT) AS half",
		.malformed_url = "mssql://nobody",
		.away_url = "mssql://nobody:nothing@127.0.0.1:1/nowhere",
	},
};

static bool is_here(const struct store_under_test *store)
{
	return saga_store_builtin(store->scheme) && (!store->server || getenv(store->server));
}

/* With a scheme: its stores alone, and a skip if there are none. */
int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	int failed, tested = 0;

	for (int row = 0; row < (int)(sizeof stores_under_test / sizeof stores_under_test[0]);
		row++) {
		const struct store_under_test *store = &stores_under_test[row];
		Suite *suite;

		if (argc > 1 && strcmp(argv[1], store->scheme) != 0)
			continue;
		if (!is_here(store)) {
			printf("SKIP: %s: this build lacks it, or %s names no server\n",
				store->name, store->server ? store->server : "nothing");
			continue;
		}
		if (store->fresh_url == mssql_fresh)
			mssql_reserve();
		tested++;
		suite = suite_create(store->name);

		add_opening_tests(suite, row);
		add_value_tests(suite, row);
		add_statement_tests(suite, row);
		add_transaction_tests(suite, row);
		add_require_tests(suite, row);
		add_count_tests(suite, row);
		srunner_add_suite(runner, suite);
		if (!store->many)
			printf("skip: tests of several connections, for %s\n", store->name);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (!tested)
		return 77;
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
