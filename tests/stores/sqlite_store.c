/* For unshare, by which a small disk is mounted for one test alone. */
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mount.h>
#endif

#include "plugins.h"
#include "store_tests.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static void fresh_file(char *url, size_t size, const char *directory)
{
	static int number_of_file;

	(void)snprintf(
		url, size, "sqlite:%s/%ld-%d.db", directory, (long)getpid(), number_of_file++);
}

const struct store_under_test stores_under_test[] = {
	{ .name = "sqlite",
		.scheme = "sqlite",
		.fresh_url = fresh_file,
		.column_types = "id INTEGER PRIMARY KEY, label TEXT, body BLOB, flag INTEGER" },
};

static int open_at(struct bench *bench, int timeout_ms, const char *format, const char *path)
{
	saga_store_options options = { .url = bench->url, .timeout_ms = timeout_ms };

	*bench = (struct bench){ .store = stores_under_test, .ops = saga_store_builtin("sqlite") };
	(void)snprintf(bench->url, sizeof bench->url, format, path);
	return bench->ops->open(&options, &bench->handle, &bench->error);
}

static void open_with(struct bench *bench, int timeout_ms, const char *keys)
{
	char url[500];

	fresh_file(url, sizeof url, test_directory());
	(void)strncat(url, keys, sizeof url - strlen(url) - 1);
	ck_assert_code(bench, open_at(bench, timeout_ms, "%s", url), SAGA_OK);
}

static void assert_pragma(struct bench *bench, const char *pragma, int64_t wanted)
{
	char sql[80];

	(void)snprintf(sql, sizeof sql, "PRAGMA %s", pragma);
	must_run(bench, sql, NO_VALUES);
	ck_assert_uint_eq(bench->row_count, 1);
	ck_assert_int_eq(bench->values[0][0].as.int64, wanted);
}

/* ---- opening ---- */

START_TEST(a_bare_url_is_durable)
{
	struct bench bench;

	open_with(&bench, TIMEOUT_MS, "");
	assert_pragma(&bench, "synchronous", 2);
	assert_pragma(&bench, "foreign_keys", 1);
	must_run(&bench, "PRAGMA journal_mode", NO_VALUES);
	ck_assert_str_eq(bench.values[0][0].as.bytes.at, "wal");
	bench_close(&bench);
}
END_TEST

START_TEST(keys_are_set)
{
	static const struct {
		const char *keys, *pragma;
		int64_t value;
	} cases[] = {
		{ "?synchronous=off", "synchronous", 0 },
		{ "?synchronous=normal", "synchronous", 1 },
		{ "?synchronous=full", "synchronous", 2 },
		{ "?synchronous=extra", "synchronous", 3 },
		{ "?cache_kb=12345", "cache_size", -12345 },
		{ "?busy_ms=10&cache_kb=77&synchronous=off", "cache_size", -77 },
		{ "?c%61che_kb=%37%37", "cache_size", -77 },
	};
	struct bench bench;

	open_with(&bench, TIMEOUT_MS, cases[_i].keys);
	assert_pragma(&bench, cases[_i].pragma, cases[_i].value);
	bench_close(&bench);
}
END_TEST

START_TEST(busy_ms_shortens_the_wait)
{
	struct bench bench, other;
	int64_t start;

	open_with(&bench, TIMEOUT_MS, "");
	must_begin(&bench);
	ck_assert_code(&other, open_at(&other, TIMEOUT_MS, "%s?busy_ms=50", bench.url), SAGA_OK);
	start = now_ms();
	ck_assert_code(&other, other.ops->begin(other.handle, &other.error), SAGA_CONTENDED);
	ck_assert_int_ge(now_ms() - start, 45);
	ck_assert_int_lt(now_ms() - start, 2000);
	bench_close(&other);
	bench_close(&bench);
}
END_TEST

START_TEST(wrong_urls_are_named)
{
	static const struct {
		const char *url, *named;
	} cases[] = {
		{ "sqlite", "sqlite:PATH" },
		{ "sqlite:", "no path" },
		{ "sqlite:?busy_ms=1", "no path" },
		{ "sqlite://localhost/x.db", "no host" },
		{ "sqlite:/nowhere/x.db?colour=red", "colour" },
		{ "sqlite:/nowhere/x.db?busy_ms", "busy_ms" },
		{ "sqlite:/nowhere/x.db?=1", "KEY=VALUE" },
		{ "sqlite:/nowhere/x.db?", "KEY=VALUE" },
		{ "sqlite:/nowhere/x.db?busy_ms=", "busy_ms" },
		{ "sqlite:/nowhere/x.db?busy_ms=-1", "-1" },
		{ "sqlite:/nowhere/x.db?busy_ms=+1", "+1" },
		{ "sqlite:/nowhere/x.db?busy_ms=5s", "5s" },
		{ "sqlite:/nowhere/x.db?busy_ms=99999999999999999999", "9999" },
		{ "sqlite:/nowhere/x.db?busy_ms=2147483648", "2147483648" },
		{ "sqlite:/nowhere/x.db?busy_ms=5001", "5000" },
		{ "sqlite:/nowhere/x.db?cache_kb=x", "cache_kb" },
		{ "sqlite:/nowhere/x.db?synchronous=FULL", "FULL" },
		{ "sqlite:/nowhere/x.db?synchronous=off&synchronous=full", "twice" },
		{ "sqlite:/nowhere/x%2", "%2" },
		{ "sqlite:/nowhere/x%zz.db", "%zz" },
		{ "sqlite:/nowhere/x%00.db", "%00" },
		{ "sqlite:/nowhere/x.db?synchronous=%", "%" },
	};
	struct bench bench;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_code(
			&bench, open_at(&bench, TIMEOUT_MS, "%s", cases[i].url), SAGA_MALFORMED);
		ck_assert_msg(strstr(bench.error.text, cases[i].named) != NULL, "%s: %s",
			cases[i].url, bench.error.text);
	}
	ck_assert_code(&bench, open_at(&bench, 0, "%s", "sqlite:x.db"), SAGA_MALFORMED);
}
END_TEST

static void assert_file(const char *name)
{
	char path[500];

	(void)snprintf(path, sizeof path, "%s/%s", test_directory(), name);
	ck_assert_msg(access(path, F_OK) == 0, "%s", path);
}

START_TEST(paths_are_decoded)
{
	struct bench bench;

	ck_assert_code(&bench,
		open_at(&bench, TIMEOUT_MS, "sqlite:%s/a%%20b%%3Fc%%25.db", test_directory()),
		SAGA_OK);
	assert_file("a b?c%.db");
	bench_close(&bench);
	ck_assert_code(
		&bench, open_at(&bench, TIMEOUT_MS, "sqlite://%s/d.db", test_directory()), SAGA_OK);
	assert_file("d.db");
	bench_close(&bench);
	ck_assert_int_eq(chdir(test_directory()), 0);
	ck_assert_code(&bench, open_at(&bench, TIMEOUT_MS, "%s", "sqlite:file:e.db%3Fmode=memory"),
		SAGA_OK);
	assert_file("file:e.db?mode=memory");
	bench_close(&bench);
}
END_TEST

START_TEST(a_file_of_another_program_is_refused_and_a_folder_is_away)
{
	struct bench bench;
	char path[400];
	FILE *file;

	ck_assert_code(
		&bench, open_at(&bench, TIMEOUT_MS, "sqlite:%s", test_directory()), SAGA_AWAY);
	(void)snprintf(path, sizeof path, "%s/text.db", test_directory());
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 500; i++)
		(void)fputs("This is no database.\n", file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_code(&bench, open_at(&bench, TIMEOUT_MS, "sqlite:%s", path), SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(bench.error.text, "text.db"));
}
END_TEST

enum {
	OPENERS = 8,
	FILES = 100
};

struct opener {
	struct bench bench;
	uv_barrier_t *barrier;
};

static void *open_one(void *context)
{
	struct opener *opener = context;
	struct bench *bench = &opener->bench;
	saga_store_options options = { .url = bench->url, .timeout_ms = TIMEOUT_MS };
	int code;

	(void)uv_barrier_wait(opener->barrier);
	code = bench->ops->open(&options, &bench->handle, &bench->error);
	(void)uv_barrier_wait(opener->barrier);
	return code == SAGA_OK ? opener : NULL;
}

static void open_at_once(struct opener *openers, uv_barrier_t *barrier)
{
	pthread_t threads[OPENERS];
	char url[sizeof openers->bench.url];

	fresh_file(url, sizeof url, test_directory());
	for (int i = 0; i < OPENERS; i++) {
		openers[i].barrier = barrier;
		openers[i].bench = (struct bench){ .ops = saga_store_builtin("sqlite") };
		memcpy(openers[i].bench.url, url, sizeof url);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, open_one, &openers[i]), 0);
	}
	for (int i = 0; i < OPENERS; i++) {
		void *result;

		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_msg(result != NULL, "%s", openers[i].bench.error.text);
	}
}

/* One in a hundred meets a lock that SQLite does not wait for. */
START_TEST(many_open_a_new_file_at_once)
{
	struct opener *openers = calloc(OPENERS, sizeof *openers);
	uv_barrier_t barrier;

	ck_assert_ptr_nonnull(openers);
	ck_assert_int_eq(uv_barrier_init(&barrier, OPENERS), 0);
	for (int turn = 0; turn < FILES; turn++) {
		open_at_once(openers, &barrier);
		for (int i = 0; i < OPENERS; i++)
			bench_close(&openers[i].bench);
	}
	uv_barrier_destroy(&barrier);
	free(openers);
}
END_TEST

/* ---- full ---- */

static int fill_up(struct bench *bench, int rows)
{
	static char page[4000];
	int code = SAGA_OK;

	for (int i = 0; i < rows && code == SAGA_OK; i++)
		code = run(bench, "INSERT INTO things (body) VALUES (?)",
			VALUES(bytes(page, sizeof page)));
	return code;
}

START_TEST(a_full_database_is_full)
{
	struct bench bench;

	bench_open(&bench, 0);
	must_run(&bench, "PRAGMA max_page_count=50", NO_VALUES);
	must_begin(&bench);
	ck_assert_code(&bench, fill_up(&bench, 1000), SAGA_FULL);
	bench.ops->rollback(bench.handle);
	ck_assert(!is_open(&bench));
	ck_assert_int_eq(count_things(&bench), 0);
	must_run(&bench, "PRAGMA max_page_count=5000", NO_VALUES);
	must_begin(&bench);
	ck_assert_code(&bench, fill_up(&bench, 100), SAGA_OK);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 100);
	bench_close(&bench);
}
END_TEST

#if defined(__linux__)
/* In a namespace of this test's process, so that nothing stays mounted. */
static bool mount_small_disk(char *path, size_t size)
{
	(void)snprintf(path, size, "%s/small", test_directory());
	return mkdir(path, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
		mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
		mount("tmpfs", path, "tmpfs", 0, "size=2m") == 0;
}

static void unmount(const char *path)
{
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
}
#else
static bool mount_small_disk(char *path, size_t size)
{
	(void)path;
	(void)size;
	return false;
}

static void unmount(const char *path)
{
	(void)path;
}
#endif

/* Ends by a commit that does not fit, after the statements did: they were in memory alone. */
START_TEST(a_full_disk_is_full_and_heals)
{
	struct bench bench;
	char path[300], ballast[400];
	FILE *file;

	if (!mount_small_disk(path, sizeof path)) {
		printf("skip: a_full_disk_is_full_and_heals, no right to mount a small disk\n");
		return;
	}
	ck_assert_code(
		&bench, open_at(&bench, TIMEOUT_MS, "sqlite:%s/x.db?cache_kb=8000", path), SAGA_OK);
	must_run(&bench, "CREATE TABLE things (id INTEGER PRIMARY KEY, body BLOB)", NO_VALUES);
	add_thing(&bench, 1);
	(void)snprintf(ballast, sizeof ballast, "%s/ballast", path);
	file = fopen(ballast, "w");
	ck_assert_ptr_nonnull(file);
	while (fputs("All work and no play makes a disk full.\n", file) >= 0 && fflush(file) == 0)
		continue;
	(void)fclose(file);

	must_begin(&bench);
	ck_assert_code(&bench, fill_up(&bench, 100), SAGA_OK);
	ck_assert_code(&bench, bench.ops->commit(bench.handle, &bench.error), SAGA_FULL);
	ck_assert(!is_open(&bench));
	ck_assert_int_eq(count_things(&bench), 1);
	ck_assert_int_eq(remove(ballast), 0);
	must_begin(&bench);
	ck_assert_code(&bench, fill_up(&bench, 100), SAGA_OK);
	must_commit(&bench);
	bench_reopen(&bench);
	ck_assert_int_eq(count_things(&bench), 101);
	bench_close(&bench);
	unmount(path);
}
END_TEST

/* ---- transactions ---- */

START_TEST(a_commit_that_breaks_a_key_is_refused)
{
	struct bench bench;

	bench_open(&bench, 0);
	must_run(&bench,
		"CREATE TABLE parts (thing INTEGER REFERENCES things DEFERRABLE INITIALLY "
		"DEFERRED)",
		NO_VALUES);
	must_begin(&bench);
	must_run(&bench, "INSERT INTO parts VALUES (?)", VALUES(number(7)));
	ck_assert_code(&bench, bench.ops->commit(bench.handle, &bench.error), SAGA_REFUSED);
	ck_assert(!is_open(&bench));
	must_run(&bench, "SELECT thing FROM parts", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, 0);
	bench_close(&bench);
}
END_TEST

/* A handler's own reader, left open, locks the table. */
static sqlite3_stmt *leave_open(struct bench *bench)
{
	sqlite3_stmt *reader;

	ck_assert_int_eq(sqlite3_prepare_v2(bench->ops->native(bench->handle),
				 "SELECT id FROM things", -1, &reader, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(reader), SQLITE_ROW);
	return reader;
}

START_TEST(who_is_contended_has_lost_the_transaction)
{
	struct bench bench;
	sqlite3_stmt *reader;

	bench_open(&bench, 0);
	add_thing(&bench, 1);
	must_begin(&bench);
	add_thing(&bench, 2);
	reader = leave_open(&bench);
	ck_assert_code(&bench, run(&bench, "DROP TABLE things", NO_VALUES), SAGA_CONTENDED);
	ck_assert(!is_open(&bench));
	(void)sqlite3_finalize(reader);
	ck_assert_int_eq(count_things(&bench), 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_reader_left_open_keeps_no_lock)
{
	struct bench bench, other;
	sqlite3_stmt *reader;

	bench_open(&bench, 0);
	add_thing(&bench, 1);
	bench_open_beside(&other, &bench, 200);
	must_begin(&bench);
	add_thing(&bench, 2);
	reader = leave_open(&bench);
	bench_close(&bench);
	must_begin(&other);
	ck_assert_int_eq(count_things(&other), 1);
	must_commit(&other);
	(void)sqlite3_finalize(reader);
	bench_close(&other);
}
END_TEST

static void must_mark(struct bench *bench)
{
	ck_assert_code(bench, bench->ops->mark(bench->handle, &bench->error), SAGA_OK);
}

static void run_natively(struct bench *bench, const char *sql)
{
	ck_assert_int_eq(
		sqlite3_exec(bench->ops->native(bench->handle), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Also by what does not look like a write. */
START_TEST(back_takes_every_kind_of_write_back)
{
	struct bench bench;

	bench_open(&bench, 0);
	must_begin(&bench);
	must_run(&bench, "PRAGMA user_version = 3", NO_VALUES);
	add_thing(&bench, 1);
	must_mark(&bench);
	run_natively(&bench, "INSERT INTO things (id) VALUES (2)");
	ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_OK);
	ck_assert_int_eq(count_things(&bench), 1);
	must_mark(&bench);
	must_run(&bench, "INSERT INTO things (id) VALUES (?) RETURNING id", VALUES(number(2)));
	ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_OK);
	ck_assert_int_eq(count_things(&bench), 1);
	must_mark(&bench);
	must_run(&bench, "PRAGMA user_version = 4", NO_VALUES);
	ck_assert_code(&bench, bench.ops->back(bench.handle, &bench.error), SAGA_OK);
	must_commit(&bench);
	must_run(&bench, "PRAGMA user_version", NO_VALUES);
	ck_assert_int_eq(bench.values[0][0].as.int64, 3);
	bench_close(&bench);
}
END_TEST

/* A savepoint would begin another transaction, and nobody would see that the first is gone. */
START_TEST(a_mark_goes_with_a_transaction_that_a_handler_ended)
{
	struct bench bench;

	bench_open(&bench, 0);
	must_begin(&bench);
	sqlite3 *native = bench.ops->native(bench.handle);

	must_mark(&bench);
	ck_assert_int_eq(sqlite3_exec(native, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_code(&bench, run(&bench, "INSERT INTO things (id) VALUES (?)", VALUES(number(1))),
		SAGA_REFUSED);
	ck_assert_ptr_null(bench.ops->native(bench.handle));
	ck_assert(!is_open(&bench));
	bench.ops->rollback(bench.handle);
	ck_assert_ptr_eq(bench.ops->native(bench.handle), native);
	must_begin(&bench);
	add_thing(&bench, 1);
	must_commit(&bench);
	ck_assert_int_eq(count_things(&bench), 1);
	bench_close(&bench);
}
END_TEST

/* The timeout is of a slot: a handler with the native handle is the handler's affair. */
START_TEST(native_statements_have_no_timeout)
{
	struct timespec pause = { .tv_nsec = 550 * 1000000 };
	struct bench bench;

	open_with(&bench, 500, "");
	must_run(&bench,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) "
		"SELECT count(*) FROM n",
		NO_VALUES);
	(void)nanosleep(&pause, NULL);
	ck_assert_int_eq(sqlite3_exec(bench.ops->native(bench.handle),
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
				 "LIMIT 200000) SELECT count(*) FROM n",
				 NULL, NULL, NULL),
		SQLITE_OK);
	bench_close(&bench);
}
END_TEST

START_TEST(an_interrupt_spoils_nothing_later)
{
	struct bench bench;

	bench_open(&bench, 0);
	must_begin(&bench);
	add_thing(&bench, 1);
	bench.ops->interrupt(bench.handle);
	add_thing(&bench, 2);
	bench.ops->interrupt(bench.handle);
	must_commit(&bench);
	must_begin(&bench);
	add_thing(&bench, 3);
	bench.ops->interrupt(bench.handle);
	bench.ops->rollback(bench.handle);
	ck_assert(!is_open(&bench));
	ck_assert_int_eq(count_things(&bench), 2);
	bench_close(&bench);
}
END_TEST

START_TEST(errors_cut_between_characters)
{
	static const char wanted[] = "`SELECT 'xäöüäöüäöüäöüäöü...`: ";
	struct bench bench;

	bench_open(&bench, 0);
	ck_assert_code(&bench,
		run(&bench, "\n\t SELECT 'xäöüäöüäöüäöüäöüäöüäöüäöü' FROM nowhere", NO_VALUES),
		SAGA_REFUSED);
	ck_assert_msg(
		strncmp(bench.error.text, wanted, sizeof wanted - 1) == 0, "%s", bench.error.text);
	bench_close(&bench);
}
END_TEST

static struct stat stat_of(const struct bench *bench, const char *behind)
{
	struct stat stat_of_it;
	char path[600];

	(void)snprintf(path, sizeof path, "%.*s%s", (int)strcspn(bench->url + 7, "?"),
		bench->url + 7, behind);
	ck_assert_msg(stat(path, &stat_of_it) == 0, "no %s", path);
	return stat_of_it;
}

START_TEST(a_new_file_is_its_owners_alone)
{
	mode_t before = umask(0);
	struct bench bench;

	open_with(&bench, 1000, "");
	must_run(&bench, "CREATE TABLE t (id INTEGER)", NO_VALUES);
	ck_assert_uint_eq(stat_of(&bench, "").st_mode & 0777, 0600);
	ck_assert_uint_eq(stat_of(&bench, "-wal").st_mode & 0777, 0600);
	ck_assert_uint_eq(stat_of(&bench, "-shm").st_mode & 0777, 0600);
	ck_assert_uint_eq(stat_of(&bench, "").st_nlink, 1);
	bench_close(&bench);
	(void)umask(before);
}
END_TEST

/* What was there stays as its owner has it. */
START_TEST(an_old_file_keeps_its_mode)
{
	struct bench bench;
	char url[sizeof bench.url];

	open_with(&bench, 1000, "");
	must_run(&bench, "CREATE TABLE t (id INTEGER)", NO_VALUES);
	bench_close(&bench);
	strcpy(url, bench.url);
	ck_assert_int_eq(chmod(url + 7, 0640), 0);
	ck_assert_code(&bench, open_at(&bench, 1000, "%s", url), SAGA_OK);
	must_run(&bench, "INSERT INTO t VALUES (1)", NO_VALUES);
	ck_assert_uint_eq(stat_of(&bench, "").st_mode & 0777, 0640);
	ck_assert_uint_eq(stat_of(&bench, "-wal").st_mode & 0777, 0640);
	bench_close(&bench);
}
END_TEST

/* The log that a participant's checkpoints empty is left as it is by who looks beside it. */
START_TEST(who_looks_makes_no_checkpoint)
{
	struct bench bench, beside;
	int64_t size;

	open_with(&bench, 1000, "");
	must_run(&bench, "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1);", NO_VALUES);
	ck_assert_code(&beside, open_at(&beside, 1000, "%s?checkpoint=off", bench.url), SAGA_OK);
	assert_pragma(&beside, "wal_autocheckpoint", 0);
	must_run(&beside, "INSERT INTO t VALUES (2)", NO_VALUES);
	size = stat_of(&beside, "-wal").st_size;
	ck_assert_int_gt(size, 0);
	bench_close(&beside);
	ck_assert_int_eq(stat_of(&bench, "-wal").st_size, size);
	bench_close(&bench);
}
END_TEST

START_TEST(built_in_plugins_are_found_by_scheme)
{
	ck_assert_ptr_eq(saga_store_builtin("sqlite"), &saga__sqlite_store);
	ck_assert_ptr_null(saga_store_builtin("sqlit"));
	ck_assert_ptr_null(saga_store_builtin("sqlite3"));
	ck_assert_ptr_null(saga_store_builtin(""));
	ck_assert_ptr_null(saga__transport_builtin("sqlite"));
	ck_assert_ptr_null(saga__transport_builtin(""));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite");
	TCase *opening = new_case(suite, "opening"), *full = new_case(suite, "full");
	TCase *transactions = new_case(suite, "transactions");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(opening, built_in_plugins_are_found_by_scheme);
	tcase_add_test(opening, a_bare_url_is_durable);
	tcase_add_test(opening, a_new_file_is_its_owners_alone);
	tcase_add_test(opening, an_old_file_keeps_its_mode);
	tcase_add_test(opening, who_looks_makes_no_checkpoint);
	tcase_add_loop_test(opening, keys_are_set, 0, 7);
	tcase_add_test(opening, busy_ms_shortens_the_wait);
	tcase_add_test(opening, wrong_urls_are_named);
	tcase_add_test(opening, paths_are_decoded);
	tcase_add_test(opening, a_file_of_another_program_is_refused_and_a_folder_is_away);
	tcase_add_test(opening, many_open_a_new_file_at_once);
	tcase_add_test(full, a_full_database_is_full);
	tcase_add_test(full, a_full_disk_is_full_and_heals);
	tcase_add_test(transactions, a_commit_that_breaks_a_key_is_refused);
	tcase_add_test(transactions, who_is_contended_has_lost_the_transaction);
	tcase_add_test(transactions, a_reader_left_open_keeps_no_lock);
	tcase_add_test(transactions, back_takes_every_kind_of_write_back);
	tcase_add_test(transactions, a_mark_goes_with_a_transaction_that_a_handler_ended);
	tcase_add_test(transactions, native_statements_have_no_timeout);
	tcase_add_test(transactions, an_interrupt_spoils_nothing_later);
	tcase_add_test(transactions, errors_cut_between_characters);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
