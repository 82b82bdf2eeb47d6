#include "store_tests.h"

#include <pthread.h>
#include <time.h>

static void must_mark(struct bench *bench)
{
	ck_assert_code(bench, bench->ops->mark(bench->handle, &bench->error), SAGA_OK);
	ck_assert(is_open(bench));
}

static void must_go_back(struct bench *bench)
{
	ck_assert_code(bench, bench->ops->back(bench->handle, &bench->error), SAGA_OK);
	ck_assert(is_open(bench));
}

static void must_release(struct bench *bench)
{
	if (bench->ops->release)
		ck_assert_code(bench, bench->ops->release(bench->handle, &bench->error), SAGA_OK);
	ck_assert(is_open(bench));
}

static int commit(struct bench *bench)
{
	return bench->ops->commit(bench->handle, &bench->error);
}

START_TEST(a_commit_is_durable)
{
	struct bench bench, other;

	bench_open(&bench, _i);
	bench_open_beside(&other, &bench, TIMEOUT_MS);
	must_begin(&bench);
	add_thing(&bench, 1);
	ck_assert_int_eq(count_things(&bench), 1);
	ck_assert_int_eq(count_things(&other), 0);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&other), 1);
	bench_close(&other);
	bench_reopen(&bench);
	ck_assert_int_eq(count_things(&bench), 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_rollback_takes_all_back)
{
	struct bench bench;

	bench_open(&bench, _i);
	add_thing(&bench, 1);
	must_begin(&bench);
	add_thing(&bench, 2);
	bench.ops->rollback(bench.handle);
	ck_assert(!is_open(&bench));
	ck_assert_int_eq(count_things(&bench), 1);
	bench.ops->rollback(bench.handle); /* of nothing */
	ck_assert(!is_open(&bench));
	must_begin(&bench);
	add_thing(&bench, 2);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	bench_close(&bench);
}
END_TEST

START_TEST(without_begin_nothing_is_open)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench, commit(&bench), SAGA_REFUSED);
	ck_assert(!is_open(&bench));
	ck_assert_code(&bench, bench.ops->mark(bench.handle, &bench.error), SAGA_REFUSED);
	ck_assert(!is_open(&bench));
	ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_REFUSED);
	ck_assert(!is_open(&bench));
	if (bench.ops->release)
		ck_assert_code(
			&bench, bench.ops->release(bench.handle, &bench.error), SAGA_REFUSED);
	ck_assert(!is_open(&bench));
	bench_close(&bench);
}
END_TEST

START_TEST(a_second_begin_is_refused)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	ck_assert_code(&bench, bench.ops->begin(bench.handle, &bench.error), SAGA_REFUSED);
	bench.ops->rollback(bench.handle);
	ck_assert_int_eq(count_things(&bench), 0);
	bench_close(&bench);
}
END_TEST

START_TEST(back_without_a_mark_is_refused)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	must_mark(&bench);
	must_commit(&bench);
	must_begin(&bench);
	ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_REFUSED);
	bench.ops->rollback(bench.handle);
	bench_close(&bench);
}
END_TEST

START_TEST(back_goes_to_the_last_mark)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_mark(&bench);
	add_thing(&bench, 2);
	must_mark(&bench); /* replaces the other */
	add_thing(&bench, 3);
	must_go_back(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	must_go_back(&bench); /* still there, nothing since */
	ck_assert_int_eq(count_things(&bench), 2);
	add_thing(&bench, 4);
	must_go_back(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	bench_close(&bench);
}
END_TEST

START_TEST(a_mark_for_each_of_many)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	for (int i = 0; i < 200; i++) {
		must_mark(&bench);
		add_thing(&bench, i);
		if (i % 2 == 1)
			must_go_back(&bench);
	}
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 100);
	bench_close(&bench);
}
END_TEST

START_TEST(marks_end_with_their_transaction)
{
	struct bench bench;

	bench_open(&bench, _i);
	for (int i = 0; i < 4; i++) {
		must_begin(&bench);
		must_mark(&bench);
		add_thing(&bench, i);
		must_mark(&bench);
		if (i % 2 == 0)
			must_commit(&bench);
		else
			bench.ops->rollback(bench.handle);
	}
	ck_assert_int_eq(count_things(&bench), 2);
	bench_close(&bench);
}
END_TEST

/* A store may make a mark no sooner than it is needed. */
START_TEST(back_before_anything_was_written)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_mark(&bench);
	add_thing(&bench, 2);
	must_mark(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	must_go_back(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	add_thing(&bench, 3);
	must_go_back(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 2);
	bench_close(&bench);
}
END_TEST

START_TEST(back_takes_a_script_back)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_mark(&bench);
	must_run(&bench, "INSERT INTO things (id) VALUES (2); INSERT INTO things (id) VALUES (3);",
		NO_VALUES);
	must_go_back(&bench);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_released_mark_keeps_what_was_done)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_mark(&bench);
	add_thing(&bench, 2);
	must_release(&bench);
	add_thing(&bench, 3);
	must_release(&bench); /* of nothing */
	if (bench.ops->release)
		ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_REFUSED);
	else
		must_mark(&bench);
	must_mark(&bench);
	must_release(&bench); /* of one that was not needed */
	add_thing(&bench, 4);
	must_mark(&bench);
	add_thing(&bench, 5);
	must_go_back(&bench);
	must_commit(&bench);
	must_run(&bench, "SELECT id FROM things ORDER BY id", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 4);
	ck_assert_int_eq(bench.values[3][0].as.int64, 4);
	bench_close(&bench);
}
END_TEST

/* False: it took the transaction with it, and the store knows. */
static bool outlives_nonsense(struct bench *bench)
{
	ck_assert_code(bench, run(bench, "NO SQL AT ALL", NO_VALUES), SAGA_REFUSED);
	ck_assert(is_open(bench) || bench->store->nonsense_ends);
	return is_open(bench);
}

START_TEST(back_heals_a_refusal)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_mark(&bench);
	add_thing(&bench, 2);
	ck_assert_code(&bench, run(&bench, "INSERT INTO things (id) VALUES (?)", VALUES(number(1))),
		SAGA_REFUSED);
	must_go_back(&bench);
	add_thing(&bench, 3);
	must_commit(&bench);
	must_run(&bench, "SELECT id FROM things ORDER BY id", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 2);
	ck_assert_int_eq(bench.values[1][0].as.int64, 3);
	must_begin(&bench);
	must_mark(&bench);
	if (outlives_nonsense(&bench)) {
		must_go_back(&bench);
		add_thing(&bench, 4);
		must_commit(&bench);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(a_refusal_leaves_the_transaction)
{
	struct bench bench;

	bench_open(&bench, _i);
	must_begin(&bench);
	add_thing(&bench, 1);
	ck_assert_code(&bench, run(&bench, "INSERT INTO things (id) VALUES (?)", VALUES(number(1))),
		SAGA_REFUSED);
	ck_assert(is_open(&bench));
	if (outlives_nonsense(&bench) && bench.store->lives_after_refusal) {
		add_thing(&bench, 2);
		must_commit(&bench);
		ck_assert_int_eq(count_things(&bench), 2);
	}
	bench_close(&bench);
}
END_TEST

/* The other wants the same row; with one writer, it need not even ask for it. */
static int try_the_same_row(struct bench *bench)
{
	int code = bench->ops->begin(bench->handle, &bench->error);

	if (code == SAGA_OK)
		code = run(bench, "UPDATE things SET label = ? WHERE id = ?",
			VALUES(text("mine"), number(1)));
	return code;
}

static int patience_of(const struct bench *bench)
{
	return bench->store->patience_ms ? bench->store->patience_ms : 2000;
}

START_TEST(the_later_writer_is_contended)
{
	struct bench bench, other;
	int64_t start, took, patience;

	bench_open(&bench, _i);
	add_thing(&bench, 1);
	patience = patience_of(&bench);
	bench_open_beside(&other, &bench, (int)patience);
	must_begin(&bench);
	must_run(&bench, "UPDATE things SET label = 'first' WHERE id = 1", NO_VALUES);
	start = now_ms();
	ck_assert_code(&other, try_the_same_row(&other), SAGA_CONTENDED);
	took = now_ms() - start;
	ck_assert_msg(
		took >= patience / 2 && took < 4 * patience + 1500, "%lld ms", (long long)took);
	ck_assert(!is_open(&other));
	must_commit(&bench);
	ck_assert_code(&other, try_the_same_row(&other), SAGA_OK);
	must_commit(&other);
	must_run(&bench, "SELECT label FROM things", NO_VALUES);
	ck_assert_str_eq(bench.values[0][0].as.bytes.at, "mine");
	bench_close(&other);
	bench_close(&bench);
}
END_TEST

static void sleep_ms(long ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&pause, NULL);
}

static void *commit_later(void *context)
{
	struct bench *bench = context;

	sleep_ms(150);
	return commit(bench) == SAGA_OK ? bench : NULL;
}

START_TEST(the_later_writer_waits_its_turn)
{
	struct bench bench, other;
	pthread_t thread;
	void *result;

	bench_open(&bench, _i);
	add_thing(&bench, 1);
	bench_open_beside(&other, &bench, TIMEOUT_MS);
	must_begin(&bench);
	must_run(&bench, "UPDATE things SET label = 'first' WHERE id = 1", NO_VALUES);
	ck_assert_int_eq(pthread_create(&thread, NULL, commit_later, &bench), 0);
	ck_assert_code(&other, try_the_same_row(&other), SAGA_OK);
	must_commit(&other);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, &bench);
	bench_close(&other);
	bench_close(&bench);
}
END_TEST

enum {
	WRITERS = 4,
	TURNS = 25
};

/* Not a Check assertion in here: those are for the main thread. */
static void *add_many(void *context)
{
	struct bench *bench = context;

	for (int i = 0; i < TURNS;) {
		int code = bench->ops->begin(bench->handle, &bench->error);

		if (code == SAGA_OK)
			code = run(bench, "UPDATE things SET flag = flag + ? WHERE id = ?",
				VALUES(number(1), number(1)));
		if (code == SAGA_OK)
			code = commit(bench);
		if (code == SAGA_OK)
			i++;
		else if (code != SAGA_CONTENDED)
			return NULL;
		bench->ops->rollback(bench->handle);
	}
	return bench;
}

START_TEST(no_update_is_lost_between_threads)
{
	struct bench bench, writers[WRITERS];
	pthread_t threads[WRITERS];

	bench_open(&bench, _i);
	must_run(&bench, "INSERT INTO things (id, flag) VALUES (1, 0)", NO_VALUES);
	for (int i = 0; i < WRITERS; i++)
		bench_open_beside(&writers[i], &bench, TIMEOUT_MS);
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, &writers[i]), 0);
	for (int i = 0; i < WRITERS; i++) {
		void *result;

		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_msg(result != NULL, "%s", writers[i].error.text);
		bench_close(&writers[i]);
	}
	must_run(&bench, "SELECT flag FROM things", NO_VALUES);
	ck_assert_int_eq(bench.values[0][0].as.int64, WRITERS * TURNS);
	bench_close(&bench);
}
END_TEST

START_TEST(closing_rolls_back)
{
	struct bench bench, other;

	bench_open(&bench, _i);
	bench_open_beside(&other, &bench, TIMEOUT_MS);
	must_begin(&other);
	must_run(&other, "SELECT id FROM things", NO_VALUES);
	ck_assert_code(&other, other.ops->mark(other.handle, &other.error), SAGA_OK);
	add_thing(&other, 1);
	bench_close(&other);
	ck_assert_int_eq(count_things(&bench), 0);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_commit(&bench);
	bench_close(&bench);
}
END_TEST

static void *interrupt_later(void *context)
{
	struct bench *bench = context;

	sleep_ms(150);
	bench->ops->interrupt(bench->handle);
	return NULL;
}

START_TEST(an_interrupt_ends_a_statement)
{
	struct bench bench;
	pthread_t thread;
	int64_t start;

	bench_open(&bench, _i);
	if (bench.ops->interrupt) {
		ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_later, &bench), 0);
		start = now_ms();
		ck_assert_code(&bench, run(&bench, bench.store->endless, NO_VALUES), SAGA_AWAY);
		ck_assert_int_lt(now_ms() - start, TIMEOUT_MS - 1000);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(an_interrupt_ends_a_wait)
{
	struct bench bench, other;
	pthread_t thread;
	int64_t start;

	bench_open(&bench, _i);
	add_thing(&bench, 1);
	bench_open_beside(&other, &bench, TIMEOUT_MS);
	must_begin(&bench);
	must_run(&bench, "UPDATE things SET label = 'first' WHERE id = 1", NO_VALUES);
	if (other.ops->interrupt) {
		ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_later, &other), 0);
		start = now_ms();
		ck_assert_code(&other, try_the_same_row(&other), SAGA_AWAY);
		ck_assert_int_lt(now_ms() - start, TIMEOUT_MS - 1000);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
	bench_close(&other);
	bench_close(&bench);
}
END_TEST

START_TEST(no_statement_outlasts_the_timeout)
{
	struct bench bench, hasty;
	int64_t start, patience;

	bench_open(&bench, _i);
	patience = patience_of(&bench);
	bench_open_beside(&hasty, &bench, (int)patience);
	start = now_ms();
	ck_assert_code(&hasty, run(&hasty, bench.store->endless, NO_VALUES), SAGA_AWAY);
	ck_assert_int_lt(now_ms() - start, 2 * patience + 6000);
	bench_close(&hasty);
	bench_close(&bench);
}
END_TEST

void add_transaction_tests(Suite *suite, int row)
{
	TCase *tcase = new_case(suite, "transactions");

	tcase_add_loop_test(tcase, a_rollback_takes_all_back, row, row + 1);
	tcase_add_loop_test(tcase, without_begin_nothing_is_open, row, row + 1);
	tcase_add_loop_test(tcase, a_second_begin_is_refused, row, row + 1);
	tcase_add_loop_test(tcase, back_without_a_mark_is_refused, row, row + 1);
	tcase_add_loop_test(tcase, back_goes_to_the_last_mark, row, row + 1);
	tcase_add_loop_test(tcase, back_before_anything_was_written, row, row + 1);
	tcase_add_loop_test(tcase, back_takes_a_script_back, row, row + 1);
	tcase_add_loop_test(tcase, a_released_mark_keeps_what_was_done, row, row + 1);
	tcase_add_loop_test(tcase, a_mark_for_each_of_many, row, row + 1);
	tcase_add_loop_test(tcase, marks_end_with_their_transaction, row, row + 1);
	tcase_add_loop_test(tcase, back_heals_a_refusal, row, row + 1);
	tcase_add_loop_test(tcase, a_refusal_leaves_the_transaction, row, row + 1);
	tcase_add_loop_test(tcase, an_interrupt_ends_a_statement, row, row + 1);
	tcase_add_loop_test(tcase, no_statement_outlasts_the_timeout, row, row + 1);
	if (!stores_under_test[row].many)
		return;
	tcase_add_loop_test(tcase, a_commit_is_durable, row, row + 1);
	tcase_add_loop_test(tcase, the_later_writer_is_contended, row, row + 1);
	tcase_add_loop_test(tcase, the_later_writer_waits_its_turn, row, row + 1);
	tcase_add_loop_test(tcase, no_update_is_lost_between_threads, row, row + 1);
	tcase_add_loop_test(tcase, closing_rolls_back, row, row + 1);
	tcase_add_loop_test(tcase, an_interrupt_ends_a_wait, row, row + 1);
}
