#include "regressions.h"

void run_for(struct stage *stage, int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < until)
		uv_run(&stage->loop, UV_RUN_ONCE);
}

int64_t count(struct stage *stage, const char *sql)
{
	return sql_int(stage, sql, NULL, NULL);
}

int run_regressions(const char *name, const TTest *const *tests, size_t test_count)
{
	Suite *suite;
	SRunner *runner;
	int failed;

	if (!ground_is_there())
		return 77;
	suite = suite_create(name);
	for (size_t i = 0; i < test_count; i++) {
		TCase *one = tcase_create(tests[i]->name);

		tcase_set_timeout(one, 100);
		tcase_add_loop_test(one, tests[i], 1, 2);
		suite_add_tcase(suite, one);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
