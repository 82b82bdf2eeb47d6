#include "store_tests.h"

#include <stdio.h>
#include <string.h>

static int try_open(struct bench *bench, const char *url)
{
	saga_store_options options = { .url = url, .timeout_ms = TIMEOUT_MS };
	int code;

	bench->handle = bench;
	bench->error = (saga_error){ .code = SAGA_OK };
	code = bench->ops->open(&options, &bench->handle, &bench->error);
	ck_assert_ptr_eq(bench->handle, bench); /* untouched on failure */
	return code;
}

static void prepare(struct bench *bench, int row)
{
	*bench = (struct bench){ .store = &stores_under_test[row] };
	bench->ops = saga_store_builtin(bench->store->scheme);
	ck_assert_ptr_nonnull(bench->ops);
}

START_TEST(vtable_is_whole)
{
	struct bench bench;

	prepare(&bench, _i);
	ck_assert_uint_ge(bench.ops->size, sizeof(saga_store_ops));
	ck_assert_ptr_nonnull(strstr(bench.ops->schemes, bench.store->scheme));
	ck_assert(bench.ops->dialect >= SAGA_SQLITE && bench.ops->dialect <= SAGA_TSQL);
	ck_assert_int_ge(bench.ops->writers, 0);
	ck_assert(bench.ops->open && bench.ops->run && bench.ops->begin && bench.ops->commit &&
		bench.ops->rollback && bench.ops->mark && bench.ops->back &&
		bench.ops->in_transaction && bench.ops->close);
}
END_TEST

START_TEST(malformed_url_is_refused)
{
	struct bench bench;

	prepare(&bench, _i);
	ck_assert_code(&bench, try_open(&bench, bench.store->malformed_url), SAGA_MALFORMED);
	ck_assert_code(&bench, try_open(&bench, "elsewhere:x"), SAGA_MALFORMED);
	ck_assert_code(&bench, try_open(&bench, ""), SAGA_MALFORMED);
}
END_TEST

START_TEST(unknown_key_is_refused_by_name)
{
	struct bench bench;
	char url[600];

	prepare(&bench, _i);
	bench.store->fresh_url(bench.url, sizeof bench.url, test_directory());
	(void)snprintf(url, sizeof url, "%s%cno_such_key=1", bench.url,
		strchr(bench.url, '?') ? '&' : '?');
	ck_assert_code(&bench, try_open(&bench, url), SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(bench.error.text, "no_such_key"));
}
END_TEST

START_TEST(nothing_there_is_away)
{
	struct bench bench;

	prepare(&bench, _i);
	ck_assert_code(&bench, try_open(&bench, bench.store->away_url), SAGA_AWAY);
}
END_TEST

START_TEST(errors_may_be_unwanted)
{
	struct bench bench;
	saga_store_options options = { .timeout_ms = TIMEOUT_MS };
	saga_statement wrong = { .sql = "NO STATEMENT AT ALL" };

	bench_open(&bench, _i);
	options.url = bench.store->malformed_url;
	ck_assert_int_eq(bench.ops->open(&options, &bench.handle, NULL), SAGA_MALFORMED);
	ck_assert_int_eq(bench.ops->run(bench.handle, &wrong, 1, NULL, NULL), SAGA_REFUSED);
	ck_assert_int_eq(bench.ops->commit(bench.handle, NULL), SAGA_REFUSED);
	ck_assert_int_eq(bench.ops->mark(bench.handle, NULL), SAGA_REFUSED);
	ck_assert_int_eq(bench.ops->back(bench.handle, NULL), SAGA_REFUSED);
	bench_close(&bench);
}
END_TEST

START_TEST(native_is_the_same_for_its_life)
{
	struct bench bench;

	bench_open(&bench, _i);
	if (bench.ops->native) {
		void *native = bench.ops->native(bench.handle);

		ck_assert_ptr_nonnull(native);
		must_begin(&bench);
		ck_assert_ptr_eq(bench.ops->native(bench.handle), native);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(rows_outlive_the_connection)
{
	struct bench bench;

	bench_open(&bench, _i);
	for (int i = 0; i < 5; i++) {
		add_thing(&bench, i);
		bench_reopen(&bench);
		ck_assert_int_eq(count_things(&bench), i + 1);
	}
	bench_close(&bench);
}
END_TEST

void add_opening_tests(Suite *suite, int row)
{
	TCase *tcase = new_case(suite, "opening");

	tcase_add_loop_test(tcase, vtable_is_whole, row, row + 1);
	tcase_add_loop_test(tcase, malformed_url_is_refused, row, row + 1);
	tcase_add_loop_test(tcase, unknown_key_is_refused_by_name, row, row + 1);
	tcase_add_loop_test(tcase, errors_may_be_unwanted, row, row + 1);
	tcase_add_loop_test(tcase, native_is_the_same_for_its_life, row, row + 1);
	if (!stores_under_test[row].many)
		return;
	tcase_add_loop_test(tcase, nothing_there_is_away, row, row + 1);
	tcase_add_loop_test(tcase, rows_outlive_the_connection, row, row + 1);
}
