/* Waits double up to their limit, and the random part keeps within them. */

#include "backoff.h"

#include <check.h>
#include <stdlib.h>

START_TEST(waits_double_up_to_the_limit)
{
	ck_assert_int_eq(saga__backoff_double(20, 5000), 40);
	ck_assert_int_eq(saga__backoff_double(2500, 5000), 5000);
	ck_assert_int_eq(saga__backoff_double(2501, 5000), 5000);
	ck_assert_int_eq(saga__backoff_double(5000, 5000), 5000);
	ck_assert_int_eq(saga__backoff_double(INT64_MAX / 2 + 1, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(saga__backoff_double(1, 1), 1);
}
END_TEST

START_TEST(failures_are_counted)
{
	static const int64_t waits[] = { 20, 20, 40, 80, 160, 320, 500, 500 };

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(saga__backoff_after(20, 500, i), waits[i]);
	ck_assert_int_eq(saga__backoff_after(20, 500, 1000000), 500);
	ck_assert_int_eq(saga__backoff_after(900, 500, 1), 500);
	ck_assert_int_eq(saga__backoff_after(1, INT64_MAX, 1000), INT64_MAX);
}
END_TEST

START_TEST(a_drawn_wait_is_within_its_limits)
{
	ck_assert_int_eq(saga__backoff_jitter(10, 20, 0), 10);
	ck_assert_int_eq(saga__backoff_jitter(10, 20, 10), 20);
	ck_assert_int_eq(saga__backoff_jitter(10, 20, 11), 10);
	ck_assert_int_eq(saga__backoff_jitter(7, 7, UINT32_MAX), 7);
	for (uint32_t random = 1; random; random <<= 1) {
		int64_t wait = saga__backoff_jitter(10, 20, random);

		ck_assert_int_ge(wait, 10);
		ck_assert_int_le(wait, 20);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tests = tcase_create("backoff");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	tcase_add_test(tests, waits_double_up_to_the_limit);
	tcase_add_test(tests, failures_are_counted);
	tcase_add_test(tests, a_drawn_wait_is_within_its_limits);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
