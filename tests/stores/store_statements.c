#include "store_tests.h"

#include <stdio.h>
#include <string.h>

static const char insert[] = "INSERT INTO things (id, label) VALUES (?, ?)";
static const char select_all[] = "SELECT id, label FROM things ORDER BY id";

static void fill(struct bench *bench, int count)
{
	for (int i = 1; i <= count; i++)
		must_run(bench, insert, VALUES(number(i), text("one")));
}

START_TEST(many_run_in_order)
{
	saga_value first[] = { number(1), text("a") }, second[] = { number(2), text("b") };
	saga_statement statements[] = {
		{ insert, first, 2 },
		{ select_all, NULL, 0 },
		{ insert, second, 2 },
		{ "UPDATE things SET label = 'c'", NULL, 0 },
		{ select_all, NULL, 0 },
	};
	static const int64_t changed[] = { 1, 0, 1, 2, 0 };
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, run_many(&bench, statements, 5), SAGA_OK);
	ck_assert_uint_eq(bench.done_count, 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(bench.done_of[i], i);
		ck_assert_int_eq(bench.changed[i], changed[i]);
	}
	ck_assert_uint_eq(bench.row_count, 3);
	ck_assert_uint_eq(bench.row_of[0], 1);
	ck_assert_uint_eq(bench.row_of[1], 4);
	ck_assert_uint_eq(bench.row_of[2], 4);
	ck_assert_str_eq(bench.values[0][1].as.bytes.at, "a");
	ck_assert_str_eq(bench.values[2][1].as.bytes.at, "c");
	ck_assert_str_eq(bench.names[0], "id");
	ck_assert_str_eq(bench.names[1], "label");
	bench_close(&bench);
}
END_TEST

START_TEST(the_first_failure_stops)
{
	saga_value one[] = { number(1), text("a") }, two[] = { number(2), text("b") };
	saga_statement statements[] = { { insert, one, 2 }, { insert, one, 2 },
		{ insert, two, 2 } };
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, run_many(&bench, statements, 3), SAGA_REFUSED);
	ck_assert_uint_eq(bench.done_count, 1);
	must_run(&bench, "SELECT id FROM things WHERE id = 2", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(no_statements_are_fine)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, run_many(&bench, NULL, 0), SAGA_OK);
	ck_assert_uint_eq(bench.done_count, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(the_sink_stops_the_rows)
{
	saga_value three[] = { number(9), text("z") };
	saga_statement statements[] = { { select_all, NULL, 0 }, { insert, three, 2 } };
	struct bench bench;

	bench_open(&bench, _i);
	fill(&bench, 5);
	must_begin(&bench);
	bench.stop_at_row = 2;
	bench.stop_code = SAGA_TOO_BIG;
	ck_assert_int_eq(
		run_many(&bench, statements, bench.store->runs_ahead ? 1 : 2), SAGA_TOO_BIG);
	ck_assert_uint_eq(bench.row_count, 2);
	ck_assert_uint_eq(bench.done_count, 0);
	ck_assert(is_open(&bench));
	bench.stop_at_row = 0;
	ck_assert_int_eq(count_things(&bench), 5);
	must_commit(&bench);
	bench_close(&bench);
}
END_TEST

/* A reader that was stopped must not hold the table. */
START_TEST(a_stopped_select_is_over)
{
	struct bench bench;

	bench_open(&bench, _i);
	fill(&bench, 5);
	bench.stop_at_row = 1;
	bench.stop_code = SAGA_TOO_BIG;
	ck_assert_int_eq(run(&bench, select_all, NO_VALUES), SAGA_TOO_BIG);
	must_run(&bench, "DROP TABLE things", NO_VALUES);
	bench_close(&bench);
}
END_TEST

START_TEST(rows_may_be_unwanted)
{
	saga_value one[] = { number(7), text("a") };
	saga_statement statements[] = { { insert, one, 2 }, { select_all, NULL, 0 } };
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(
		&bench, bench.ops->run(bench.handle, statements, 2, NULL, &bench.error), SAGA_OK);
	ck_assert_int_eq(count_things(&bench), 1);
	bench_close(&bench);
}
END_TEST

START_TEST(changed_rows_are_counted)
{
	struct bench bench;

	bench_open(&bench, _i);
	fill(&bench, 3);
	must_run(&bench, "UPDATE things SET label = ? WHERE id > ?", VALUES(text("x"), number(1)));
	ck_assert_int_eq(bench.changed[0], 2);
	must_run(&bench, "SELECT id FROM things", NO_VALUES);
	ck_assert_int_eq(bench.changed[0], 0);
	must_run(&bench, "UPDATE things SET label = ? WHERE id > ?", VALUES(text("x"), number(8)));
	ck_assert_int_eq(bench.changed[0], 0);
	must_run(&bench, "DELETE FROM things WHERE id < ?", VALUES(number(3)));
	ck_assert_int_eq(bench.changed[0], 2);
	must_run(&bench, "CREATE TABLE others (id INTEGER)", NO_VALUES);
	ck_assert_int_eq(bench.changed[0], 0);
	must_run(&bench, "DELETE FROM things", NO_VALUES);
	ck_assert_int_eq(bench.changed[0], 1);
	bench_close(&bench);
}
END_TEST

START_TEST(scripts_run_whole_and_without_rows)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_run(&bench,
		"-- a script; with a comment\n"
		"CREATE TABLE others (id INTEGER);\n"
		"INSERT INTO others VALUES (1); /* ; */ INSERT INTO others VALUES (2);\n"
		"SELECT id FROM others;\n"
		"INSERT INTO things (id, label) VALUES (1, 'a;b');\n"
		"-- the end;\n",
		NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 0);
	ck_assert_uint_eq(bench.done_count, 1);
	ck_assert_int_eq(count_things(&bench), 1);
	must_run(&bench, "SELECT id FROM others ORDER BY id;\n-- no script\n;", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 2);
	bench_close(&bench);
}
END_TEST

START_TEST(a_script_that_fails_is_taken_back)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	ck_assert_code(&bench,
		run(&bench,
			"INSERT INTO things (id) VALUES (1); INSERT INTO nowhere VALUES (1); "
			"INSERT INTO things (id) VALUES (2);",
			NO_VALUES),
		SAGA_REFUSED);
	ck_assert_uint_eq(bench.done_count, 0);
	bench.ops->rollback(bench.handle);
	ck_assert_int_eq(count_things(&bench), 0);
	bench_close(&bench);
}
END_TEST

START_TEST(an_empty_text_does_nothing)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_run(&bench, "", NO_VALUES);
	must_run(&bench, " ; -- nothing\n", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 0);
	ck_assert_int_eq(bench.changed[0], 0);
	bench_close(&bench);
}
END_TEST

START_TEST(the_number_of_values_is_checked)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, run(&bench, insert, VALUES(number(1))), SAGA_REFUSED);
	ck_assert_ptr_nonnull(strchr(bench.error.text, '1'));
	ck_assert_ptr_nonnull(strchr(bench.error.text, '2'));
	ck_assert_code(
		&bench, run(&bench, insert, VALUES(number(1), text("a"), number(3))), SAGA_REFUSED);
	ck_assert_code(
		&bench, run(&bench, "SELECT id FROM things", VALUES(number(1))), SAGA_REFUSED);
	ck_assert_code(
		&bench, run(&bench, "DELETE FROM things WHERE id = ?", NO_VALUES), SAGA_REFUSED);
	ck_assert_int_eq(count_things(&bench), 0);
	must_run(&bench, insert, VALUES(number(1), text("a")));
	bench_close(&bench);
}
END_TEST

START_TEST(a_failure_says_which_and_why)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench,
		run(&bench,
			"SELECT label FROM nowhere_to_be_found WHERE id = 1 AND label = 'unsaid'",
			NO_VALUES),
		SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(bench.error.text, "SELECT label FROM"));
	ck_assert_ptr_nonnull(strstr(bench.error.text, "nowhere_to_be_found"));
	ck_assert_ptr_null(strstr(bench.error.text, "unsaid"));
	fill(&bench, 1);
	ck_assert_code(&bench, run(&bench, insert, VALUES(number(1), text("a"))), SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(bench.error.text, "INSERT INTO things"));
	bench_close(&bench);
}
END_TEST

/* More texts than any cache holds, again and again, and the first ones still in use. */
START_TEST(many_texts_are_told_apart)
{
	enum {
		TEXTS = 400
	};
	static char texts[TEXTS][80];
	struct bench bench;

	bench_open(&bench, _i);
	fill(&bench, 1);
	for (int i = 0; i < TEXTS; i++)
		(void)snprintf(texts[i], sizeof texts[i],
			"SELECT id + %d AS c%d FROM things WHERE id = ?", i, i);
	for (int i = 0; i < 3 * TEXTS; i++) {
		int which = i % 3 == 0 ? i / 3 % 50 : i % TEXTS;
		char name[32];

		must_run(&bench, texts[which], VALUES(number(1)));
		(void)snprintf(name, sizeof name, "c%d", which);
		ck_assert_str_eq(bench.names[0], name);
		ck_assert_int_eq(bench.values[0][0].as.int64, which + 1);
	}
	bench_close(&bench);
}
END_TEST

/* A text without values need not be a constant. */
START_TEST(one_buffer_holds_many_texts)
{
	struct bench bench;
	char sql[64];

	bench_open(&bench, _i);
	fill(&bench, 1);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(sql, sizeof sql, "SELECT id + %d AS n FROM things", i / 2);
		must_run(&bench, sql, NO_VALUES);
		ck_assert_int_eq(bench.values[0][0].as.int64, i / 2 + 1);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(a_changed_table_shows)
{
	static const char star[] = "SELECT * FROM things WHERE id > ?";
	struct bench bench;
	size_t before;

	bench_open(&bench, _i);
	fill(&bench, 2);
	must_run(&bench, star, VALUES(number(0)));
	before = bench.column_count;
	must_run(&bench, "ALTER TABLE things ADD extra INTEGER", NO_VALUES);
	must_run(&bench, star, VALUES(number(0)));
	ck_assert_uint_eq(bench.column_count, before + 1);
	ck_assert_str_eq(bench.names[before], "extra");
	ck_assert_int_eq(bench.values[1][before].kind, SAGA_VALUE_NULL);
	bench_close(&bench);
}
END_TEST

START_TEST(a_table_that_another_changed_shows)
{
	static const char star[] = "SELECT * FROM things WHERE id > ?";
	struct bench bench, other;

	bench_open(&bench, _i);
	fill(&bench, 1);
	must_run(&bench, star, VALUES(number(0)));
	bench_open_beside(&other, &bench, TIMEOUT_MS);
	must_run(&other, "DROP TABLE things", NO_VALUES);
	must_run(&other, "CREATE TABLE things (id INTEGER, z INTEGER, y INTEGER, x INTEGER)",
		NO_VALUES);
	must_run(&other, "INSERT INTO things VALUES (5, 6, 7, 8)", NO_VALUES);
	must_run(&bench, star, VALUES(number(0)));
	ck_assert_uint_eq(bench.column_count, 4);
	ck_assert_str_eq(bench.names[1], "z");
	ck_assert_str_eq(bench.names[3], "x");
	ck_assert_int_eq(bench.values[0][3].as.int64, 8);
	bench_close(&other);
	bench_close(&bench);
}
END_TEST

void add_statement_tests(Suite *suite, int row)
{
	TCase *tcase = new_case(suite, "statements");

	tcase_add_loop_test(tcase, many_run_in_order, row, row + 1);
	tcase_add_loop_test(tcase, the_first_failure_stops, row, row + 1);
	tcase_add_loop_test(tcase, no_statements_are_fine, row, row + 1);
	tcase_add_loop_test(tcase, the_sink_stops_the_rows, row, row + 1);
	tcase_add_loop_test(tcase, a_stopped_select_is_over, row, row + 1);
	tcase_add_loop_test(tcase, rows_may_be_unwanted, row, row + 1);
	tcase_add_loop_test(tcase, changed_rows_are_counted, row, row + 1);
	tcase_add_loop_test(tcase, scripts_run_whole_and_without_rows, row, row + 1);
	tcase_add_loop_test(tcase, a_script_that_fails_is_taken_back, row, row + 1);
	tcase_add_loop_test(tcase, an_empty_text_does_nothing, row, row + 1);
	tcase_add_loop_test(tcase, the_number_of_values_is_checked, row, row + 1);
	tcase_add_loop_test(tcase, a_failure_says_which_and_why, row, row + 1);
	tcase_add_loop_test(tcase, many_texts_are_told_apart, row, row + 1);
	tcase_add_loop_test(tcase, one_buffer_holds_many_texts, row, row + 1);
	tcase_add_loop_test(tcase, a_changed_table_shows, row, row + 1);
	if (stores_under_test[row].many)
		tcase_add_loop_test(tcase, a_table_that_another_changed_shows, row, row + 1);
}
