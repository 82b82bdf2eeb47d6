/* Samples as Prometheus reads them, to the letter. */

#include <saga/metrics.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];

static const char *text_of(const saga_metric *metric, bool is_first)
{
	size_t length = saga_metric_text(metric, is_first, text, sizeof text);

	ck_assert_uint_lt(length, sizeof text);
	ck_assert_uint_eq(strlen(text), length);
	return text;
}

START_TEST(one_sample_is_one_line_and_the_first_has_two_before_it)
{
	const saga_metric_label labels[] = { { "step", "charge" }, { "outcome", "done" } };
	saga_metric metric = { .name = "things_total",
		.help = "things",
		.kind = SAGA_COUNTER,
		.labels = labels,
		.label_count = 2,
		.value = INT64_MAX };

	ck_assert_str_eq(text_of(&metric, true),
		"# HELP things_total things\n# TYPE things_total counter\n"
		"things_total{step=\"charge\",outcome=\"done\"} 9223372036854775807\n");
	metric.label_count = 0;
	metric.kind = SAGA_GAUGE;
	metric.value = -1;
	ck_assert_str_eq(text_of(&metric, false), "things_total -1\n");
	ck_assert_ptr_nonnull(strstr(text_of(&metric, true), "# TYPE things_total gauge\n"));
}
END_TEST

START_TEST(help_and_values_are_escaped)
{
	const saga_metric_label label = { "path", "a\\b\"c\nd" };
	const saga_metric metric = { .name = "x",
		.help = "a\\b\"c\nd",
		.kind = SAGA_GAUGE,
		.labels = &label,
		.label_count = 1 };

	ck_assert_str_eq(text_of(&metric, true),
		"# HELP x a\\\\b\"c\\nd\n# TYPE x gauge\nx{path=\"a\\\\b\\\"c\\nd\"} 0\n");
}
END_TEST

/* Microseconds become seconds; a bucket holds all that is below its bound. */
START_TEST(a_histogram_is_its_buckets_its_sum_and_its_count)
{
	const int64_t bounds[] = { 100, 2500, 1000000, 300000000 }, counts[] = { 1, 0, 2, 3, 4 };
	const saga_metric_label label = { "of", "x" };
	saga_metric metric = { .name = "t_seconds",
		.help = "times",
		.kind = SAGA_HISTOGRAM,
		.labels = &label,
		.label_count = 1,
		.value = 1500000,
		.bounds = bounds,
		.counts = counts,
		.bound_count = 4 };

	ck_assert_str_eq(text_of(&metric, false),
		"t_seconds_bucket{of=\"x\",le=\"0.0001\"} 1\n"
		"t_seconds_bucket{of=\"x\",le=\"0.0025\"} 1\n"
		"t_seconds_bucket{of=\"x\",le=\"1\"} 3\n"
		"t_seconds_bucket{of=\"x\",le=\"300\"} 6\n"
		"t_seconds_bucket{of=\"x\",le=\"+Inf\"} 10\n"
		"t_seconds_sum{of=\"x\"} 1.5\nt_seconds_count{of=\"x\"} 10\n");
	metric.label_count = 0;
	metric.bound_count = 0;
	metric.value = 7;
	ck_assert_str_eq(text_of(&metric, false),
		"t_seconds_bucket{le=\"+Inf\"} 1\nt_seconds_sum 0.000007\nt_seconds_count 1\n");
}
END_TEST

/* As snprintf: what is there is the beginning, ended, and nothing is written beyond the room. */
START_TEST(what_does_not_fit_is_cut_and_counted)
{
	const saga_metric metric = { .name = "x", .help = "h", .kind = SAGA_GAUGE, .value = 12 };
	size_t whole = saga_metric_text(&metric, true, NULL, 0);

	ck_assert_str_eq(text_of(&metric, true), "# HELP x h\n# TYPE x gauge\nx 12\n");
	ck_assert_uint_eq(strlen(text), whole);
	for (size_t size = 1; size <= whole + 1; size++) {
		char *room = malloc(size);

		ck_assert_uint_eq(saga_metric_text(&metric, true, room, size), whole);
		ck_assert_uint_eq(strlen(room), size - 1);
		ck_assert_int_eq(memcmp(room, text, size - 1), 0);
		free(room);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_sample_is_one_line_and_the_first_has_two_before_it,
		help_and_values_are_escaped,
		a_histogram_is_its_buckets_its_sum_and_its_count,
		what_does_not_fit_is_cut_and_counted,
	};
	Suite *suite = suite_create("metrics as text");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
