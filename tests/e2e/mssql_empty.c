/* Drops every table of the database that SAGA_TEST_MSSQL names. */

#include "stores/mssql_server.h"

#include <check.h>
#include <stdlib.h>

START_TEST(it_is_emptied)
{
	char url[512];

	mssql_fresh(url, sizeof url, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("empty");
	TCase *tcase = tcase_create("empty");
	SRunner *runner = srunner_create(suite);
	int failed = 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, it_is_emptied);
	suite_add_tcase(suite, tcase);
	if (mssql_server()) {
		srunner_run_all(runner, CK_SILENT);
		failed = srunner_ntests_failed(runner);
	}
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
