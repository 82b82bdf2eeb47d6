/* Statements that must change a row, or find one: for a store that answers before it knows. */
#include "store_tests.h"

static const char raise[] = "UPDATE things SET label = ? WHERE id = ?";
static const char insert[] = "INSERT INTO things (id) VALUES (?)";

static int require(struct bench *bench, const char *sql, const saga_value *values, size_t count)
{
	const saga_statement statement = { sql, values, count };

	return bench->ops->require(bench->handle, &statement, &bench->error);
}

static void must_require(
	struct bench *bench, const char *sql, const saga_value *values, size_t count)
{
	ck_assert_code(bench, require(bench, sql, values, count), SAGA_OK);
}

static void send_thing(struct bench *bench, int64_t id)
{
	const saga_value value = saga_int64(id);
	const saga_statement statement = { insert, &value, 1 };

	ck_assert_code(
		bench, bench->ops->run(bench->handle, &statement, 1, NULL, &bench->error), SAGA_OK);
}

static int commit(struct bench *bench)
{
	return bench->ops->commit(bench->handle, &bench->error);
}

static void begin_with_three(struct bench *bench, int row)
{
	bench_open(bench, row);
	for (int i = 1; i <= 3; i++)
		add_thing(bench, i);
	must_begin(bench);
}

START_TEST(what_is_there_commits)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	must_require(&bench, raise, VALUES(text("x"), number(1)));
	must_require(&bench, "SELECT id FROM things WHERE id > ?", VALUES(number(1)));
	must_require(&bench, insert, VALUES(number(4)));
	must_require(&bench, raise, VALUES(text("y"), number(4)));
	must_require(&bench, "DELETE FROM things WHERE label = ?", VALUES(text("x")));
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 3);
	bench_close(&bench);
}
END_TEST

static void must_be_taken_back(struct bench *bench)
{
	bench->ops->rollback(bench->handle);
	ck_assert(!is_open(bench));
	ck_assert_int_eq(count_things(bench), 3);
	must_begin(bench); /* and nothing of it is left */
	must_require(bench, raise, VALUES(text("x"), number(1)));
	add_thing(bench, 4);
	must_commit(bench);
	ck_assert_int_eq(count_things(bench), 4);
	bench_close(bench);
}

START_TEST(what_is_not_there_keeps_a_commit_back)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	send_thing(&bench, 7);
	must_require(&bench, raise, VALUES(text("x"), number(1)));
	must_require(&bench, raise, VALUES(text("x"), number(99)));
	must_require(&bench, raise, VALUES(text("x"), number(2)));
	send_thing(&bench, 8);
	ck_assert_code(&bench, commit(&bench), SAGA_REJECTED);
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(who_waits_first_tells_it)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	must_require(&bench, "SELECT id FROM things WHERE id = ?", VALUES(number(99)));
	send_thing(&bench, 7);
	ck_assert_code(&bench, run(&bench, "SELECT id FROM things", NO_VALUES), SAGA_REJECTED);
	ck_assert(is_open(&bench));
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(nothing_is_committed_once_it_was_told)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	must_require(&bench, "DELETE FROM things WHERE id = ?", VALUES(number(99)));
	ck_assert_code(&bench, run(&bench, "SELECT id FROM things", NO_VALUES), SAGA_REJECTED);
	ck_assert_int_ne(run(&bench, "SELECT id FROM things", NO_VALUES), SAGA_OK);
	ck_assert_int_ne(commit(&bench), SAGA_OK);
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(two_that_are_not_there_are_as_one)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	must_require(&bench, raise, VALUES(text("x"), number(98)));
	must_require(&bench, raise, VALUES(text("x"), number(99)));
	ck_assert_code(&bench, commit(&bench), SAGA_REJECTED);
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(one_of_very_many)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	for (int i = 0; i < 3000; i++) {
		int code = require(&bench, raise, VALUES(text("x"), number(i == 500 ? 99 : 1)));

		if (code == SAGA_REJECTED && i > 500)
			break;
		ck_assert_code(&bench, code, SAGA_OK);
		ck_assert_int_lt(i, 2999);
	}
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(a_failure_is_told_as_itself)
{
	struct bench bench;

	begin_with_three(&bench, _i);
	must_require(&bench, insert, VALUES(number(4)));
	must_require(&bench, "INSERT INTO nowhere (id) VALUES (?)", VALUES(number(1)));
	ck_assert_code(&bench, commit(&bench), SAGA_REFUSED);
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(it_needs_a_transaction)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, require(&bench, insert, VALUES(number(1))), SAGA_REFUSED);
	ck_assert_int_eq(count_things(&bench), 0);
	bench_close(&bench);
}
END_TEST

/* ---- changed rows that are counted late ---- */

static void must_count(struct bench *bench, const char *sql, const saga_value *values, size_t count,
	int64_t *changed)
{
	const saga_statement statement = { sql, values, count };

	ck_assert_code(bench,
		bench->ops->run_counted(bench->handle, &statement, changed, &bench->error),
		SAGA_OK);
}

START_TEST(changed_rows_are_known_once_it_is_committed)
{
	struct bench bench;
	int64_t raised = 10, dropped = 0, none = 0;

	begin_with_three(&bench, _i);
	must_count(&bench, "UPDATE things SET label = ? WHERE id < ?", VALUES(text("x"), number(3)),
		&raised);
	send_thing(&bench, 7);
	must_count(&bench, raise, VALUES(text("y"), number(99)), &none);
	must_count(&bench, "SELECT id FROM things WHERE id > ?", VALUES(number(0)), &none);
	must_count(&bench, "DELETE FROM things WHERE id > ?", VALUES(number(2)), &dropped);
	must_count(&bench, raise, VALUES(text("z"), number(1)), &raised);
	must_commit(&bench);
	ck_assert_int_eq(raised, 10 + 2 + 1);
	ck_assert_int_eq(dropped, 2);
	ck_assert_int_eq(none, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(of_what_fails_no_row_is_counted)
{
	struct bench bench;
	int64_t changed = 0;

	begin_with_three(&bench, _i);
	must_count(&bench, "INSERT INTO nowhere (id) VALUES (?)", VALUES(number(1)), &changed);
	must_count(&bench, raise, VALUES(text("x"), number(1)), &changed);
	ck_assert_code(&bench, commit(&bench), SAGA_REFUSED);
	ck_assert_int_eq(changed, 0);
	must_be_taken_back(&bench);
}
END_TEST

START_TEST(counting_needs_a_transaction)
{
	const saga_value value = saga_int64(1);
	const saga_statement statement = { insert, &value, 1 };
	struct bench bench;
	int64_t changed = 0;

	bench_open(&bench, _i);
	ck_assert_code(&bench,
		bench.ops->run_counted(bench.handle, &statement, &changed, &bench.error),
		SAGA_REFUSED);
	ck_assert_int_eq(count_things(&bench), 0);
	bench_close(&bench);
}
END_TEST

void add_count_tests(Suite *suite, int row)
{
	const saga_store_ops *ops = saga_store_builtin(stores_under_test[row].scheme);
	TCase *tcase;

	if (!ops || !ops->run_counted)
		return;
	tcase = new_case(suite, "counts");
	tcase_add_loop_test(tcase, changed_rows_are_known_once_it_is_committed, row, row + 1);
	tcase_add_loop_test(tcase, of_what_fails_no_row_is_counted, row, row + 1);
	tcase_add_loop_test(tcase, counting_needs_a_transaction, row, row + 1);
}

void add_require_tests(Suite *suite, int row)
{
	const saga_store_ops *ops = saga_store_builtin(stores_under_test[row].scheme);
	TCase *tcase;

	if (!ops || !ops->require)
		return;
	tcase = new_case(suite, "requires");
	tcase_add_loop_test(tcase, what_is_there_commits, row, row + 1);
	tcase_add_loop_test(tcase, what_is_not_there_keeps_a_commit_back, row, row + 1);
	tcase_add_loop_test(tcase, who_waits_first_tells_it, row, row + 1);
	tcase_add_loop_test(tcase, nothing_is_committed_once_it_was_told, row, row + 1);
	tcase_add_loop_test(tcase, two_that_are_not_there_are_as_one, row, row + 1);
	tcase_add_loop_test(tcase, one_of_very_many, row, row + 1);
	tcase_add_loop_test(tcase, a_failure_is_told_as_itself, row, row + 1);
	tcase_add_loop_test(tcase, it_needs_a_transaction, row, row + 1);
}
