#include "store_tests.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the directory ---- */

static char directory[256];

const char *test_directory(void)
{
	return directory;
}

static void make_directory(void)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(directory, sizeof directory, "%s/saga-stores-XXXXXX", base ? base : "/tmp");
	ck_assert_msg(mkdtemp(directory) != NULL, "mkdtemp %s", directory);
}

static void remove_directory(void)
{
	DIR *listing = opendir(directory);
	const struct dirent *entry;

	while (listing && (entry = readdir(listing))) {
		char path[600];

		(void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.')
			(void)remove(path);
	}
	if (listing)
		(void)closedir(listing);
	ck_assert_msg(rmdir(directory) == 0, "%s is not empty", directory);
}

TCase *new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_unchecked_fixture(tcase, make_directory, remove_directory);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* ---- what comes of statements ---- */

static void forget_results(struct bench *bench)
{
	for (size_t row = 0; row < bench->row_count; row++) {
		for (size_t i = 0; i < bench->column_count; i++) {
			saga_value *value = &bench->values[row][i];

			if (value->kind == SAGA_VALUE_TEXT || value->kind == SAGA_VALUE_BYTES)
				free((void *)(uintptr_t)value->as.bytes.at);
		}
	}
	bench->row_count = 0;
	bench->done_count = 0;
}

static saga_value copy_of(const saga_value *value)
{
	saga_value copy = *value;

	if (value->kind == SAGA_VALUE_TEXT || value->kind == SAGA_VALUE_BYTES) {
		char *memory = malloc(value->as.bytes.size + 1);

		ck_assert_ptr_nonnull(memory);
		ck_assert_msg(value->as.bytes.at != NULL, "a span without an address");
		memcpy(memory, value->as.bytes.at, value->as.bytes.size);
		memory[value->as.bytes.size] = '\0';
		copy.as.bytes.at = memory;
	}
	return copy;
}

static int keep_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct bench *bench = context;
	size_t row = bench->row_count++;

	ck_assert_uint_lt(row, ROWS_KEPT);
	ck_assert_uint_le(column_count, COLUMNS_KEPT);
	bench->column_count = column_count;
	bench->row_of[row] = i;
	for (size_t c = 0; c < column_count; c++) {
		(void)snprintf(bench->names[c], sizeof bench->names[c], "%s", names[c]);
		bench->values[row][c] = copy_of(&columns[c]);
	}
	return bench->stop_at_row == row + 1 ? bench->stop_code : SAGA_OK;
}

static void keep_done(void *context, size_t i, int64_t changed)
{
	struct bench *bench = context;

	ck_assert_uint_lt(bench->done_count, ROWS_KEPT);
	bench->done_of[bench->done_count] = i;
	bench->changed[bench->done_count++] = changed;
}

int run_many(struct bench *bench, const saga_statement *statements, size_t count)
{
	saga_sink sink = { .row = keep_row, .done = keep_done, .context = bench };

	forget_results(bench);
	bench->error.code = SAGA_OK;
	bench->error.text[0] = '\0';
	return bench->ops->run(bench->handle, statements, count, &sink, &bench->error);
}

int run(struct bench *bench, const char *sql, const saga_value *values, size_t count)
{
	saga_statement statement = { .sql = sql, .values = values, .value_count = count };

	return run_many(bench, &statement, 1);
}

void must_run(struct bench *bench, const char *sql, const saga_value *values, size_t count)
{
	int code = run(bench, sql, values, count);

	ck_assert_msg(code == SAGA_OK, "%s: %s: %s", sql, saga_code_name(code), bench->error.text);
}

/* Also what every failure must say: the code in the error too, and some words. */
void ck_assert_code(const struct bench *bench, int code, int wanted)
{
	ck_assert_msg(code == wanted, "%s instead of %s: %s", saga_code_name(code),
		saga_code_name(wanted), bench->error.text);
	if (wanted != SAGA_OK) {
		ck_assert_int_eq(bench->error.code, wanted);
		ck_assert_str_ne(bench->error.text, "");
	}
}

int64_t count_things(struct bench *bench)
{
	must_run(bench, "SELECT count(*) AS n FROM things", NO_VALUES);
	ck_assert_uint_eq(bench->row_count, 1);
	ck_assert_int_eq(bench->values[0][0].kind, SAGA_VALUE_INT64);
	return bench->values[0][0].as.int64;
}

void add_thing(struct bench *bench, int64_t id)
{
	must_run(bench, "INSERT INTO things (id) VALUES (?)", VALUES(number(id)));
}

/* ---- values ---- */

saga_value number(int64_t value)
{
	return (saga_value){ .kind = SAGA_VALUE_INT64, .as.int64 = value };
}

saga_value truth(bool value)
{
	return (saga_value){ .kind = SAGA_VALUE_BOOL, .as.boolean = value };
}

saga_value text(const char *value)
{
	return (saga_value){ .kind = SAGA_VALUE_TEXT, .as.bytes = { value, strlen(value) } };
}

saga_value bytes(const void *at, size_t size)
{
	return (saga_value){ .kind = SAGA_VALUE_BYTES, .as.bytes = { at, size } };
}

saga_value nothing(void)
{
	return (saga_value){ .kind = SAGA_VALUE_NULL };
}

/* ---- connections ---- */

static void connect_to(struct bench *bench, int timeout_ms)
{
	saga_store_options options = { .url = bench->url, .timeout_ms = timeout_ms };
	int code, tries = 0;

	/* A server that has much to do may not answer within so short a time. */
	do
		code = bench->ops->open(&options, &bench->handle, &bench->error);
	while (code == SAGA_AWAY && ++tries < 5);
	ck_assert_msg(code == SAGA_OK, "%s: %s", bench->url, bench->error.text);
	ck_assert(!is_open(bench));
}

void bench_open(struct bench *bench, int row)
{
	const struct store_under_test *store = &stores_under_test[row];
	char sql[256];

	*bench = (struct bench){ .store = store, .ops = saga_store_builtin(store->scheme) };
	ck_assert_msg(bench->ops != NULL, "no store for %s", store->scheme);
	store->fresh_url(bench->url, sizeof bench->url, directory);
	connect_to(bench, TIMEOUT_MS);
	(void)snprintf(sql, sizeof sql, "CREATE TABLE things (%s)", store->column_types);
	must_run(bench, sql, NO_VALUES);
}

void bench_open_beside(struct bench *bench, const struct bench *other, int timeout_ms)
{
	*bench = (struct bench){ .store = other->store, .ops = other->ops };
	(void)snprintf(bench->url, sizeof bench->url, "%s", other->url);
	connect_to(bench, timeout_ms);
}

void bench_reopen(struct bench *bench)
{
	bench->ops->close(bench->handle);
	connect_to(bench, TIMEOUT_MS);
}

void bench_close(struct bench *bench)
{
	forget_results(bench);
	bench->ops->close(bench->handle);
}

/* ---- transactions ---- */

bool is_open(const struct bench *bench)
{
	return bench->ops->in_transaction(bench->handle);
}

void must_begin(struct bench *bench)
{
	ck_assert_code(bench, bench->ops->begin(bench->handle, &bench->error), SAGA_OK);
	ck_assert(is_open(bench));
}

void must_commit(struct bench *bench)
{
	ck_assert_code(bench, bench->ops->commit(bench->handle, &bench->error), SAGA_OK);
	ck_assert(!is_open(bench));
}

int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
