#include "mssql_server.h"
#include "saga_config.h"
#include "store_tests.h"

#include <stdio.h>
#include <stdlib.h>
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
#ifdef SAGA_HAVE_MSSQL
	{
		.name = "mssql",
		.scheme = "mssql",
		.server = mssql_server,
		.skipped = "SAGA_TEST_MSSQL names no server",
		.fresh_url = mssql_fresh,
		.many = true,
		.lives_after_refusal = true,
		.column_types = "id BIGINT PRIMARY KEY, label NVARCHAR(MAX), body VARBINARY(MAX),"
				" flag INTEGER",
		.endless = "WITH n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n)"
			   " SELECT count(*) AS n FROM n OPTION (MAXRECURSION 0)",
		.floating = "SELECT CAST(0.5 AS FLOAT) AS half",
		.malformed_url = "mssql://nobody",
		.away_url = "mssql://nobody:nothing@127.0.0.1:1/nowhere",
	},
#endif
};

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	for (int row = 0; row < (int)(sizeof stores_under_test / sizeof stores_under_test[0]);
		row++) {
		const struct store_under_test *store = &stores_under_test[row];
		Suite *suite;

		if (store->server && !store->server()) {
			printf("skip: %s: %s\n", store->name, store->skipped);
			continue;
		}
		suite = suite_create(store->name);
		add_opening_tests(suite, row);
		add_value_tests(suite, row);
		add_statement_tests(suite, row);
		add_transaction_tests(suite, row);
		srunner_add_suite(runner, suite);
		if (!store->many)
			printf("skip: tests of several connections, for %s\n", store->name);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
