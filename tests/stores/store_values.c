#include "store_tests.h"

#include "stores/dialect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put(struct bench *bench, int64_t id, saga_value label, saga_value body)
{
	must_run(bench, "INSERT INTO things (id, label, body) VALUES (?, ?, ?)",
		VALUES(number(id), label, body));
}

static void get(struct bench *bench, int64_t id)
{
	must_run(bench, "SELECT id, label, body FROM things WHERE id = ?", VALUES(number(id)));
	ck_assert_uint_eq(bench->row_count, 1);
	ck_assert_uint_eq(bench->column_count, 3);
	ck_assert_int_eq(bench->values[0][0].kind, SAGA_VALUE_INT64);
	ck_assert_int_eq(bench->values[0][0].as.int64, id);
}

static void assert_span(const saga_value *value, int kind, const void *at, size_t size)
{
	ck_assert_int_eq(value->kind, kind);
	ck_assert_uint_eq(value->as.bytes.size, size);
	ck_assert_int_eq(memcmp(value->as.bytes.at, at, size), 0);
}

START_TEST(numbers_come_back)
{
	static const int64_t numbers[] = { INT64_MIN, INT64_MIN + 1, INT32_MIN, -1, 0, 1, INT32_MAX,
		(int64_t)INT32_MAX + 1, INT64_MAX - 1, INT64_MAX };
	struct bench bench;

	bench_open(&bench, _i);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		put(&bench, numbers[i], nothing(), nothing());
		get(&bench, numbers[i]);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(null_is_not_empty)
{
	struct bench bench;

	bench_open(&bench, _i);
	put(&bench, 1, nothing(), nothing());
	put(&bench, 2, text(""), bytes("", 0));
	put(&bench, 3, (saga_value){ .kind = SAGA_VALUE_TEXT },
		(saga_value){ .kind = SAGA_VALUE_BYTES });
	get(&bench, 1);
	ck_assert_int_eq(bench.values[0][1].kind, SAGA_VALUE_NULL);
	ck_assert_int_eq(bench.values[0][2].kind, SAGA_VALUE_NULL);
	for (int64_t id = 2; id <= 3; id++) {
		get(&bench, id);
		assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, "", 0);
		assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, "", 0);
	}
	bench_close(&bench);
}
END_TEST

START_TEST(text_comes_back)
{
	static const char *const texts[] = { "a", "it's \"quoted\"; DROP TABLE things; --", "?",
		"Käse 起点 \xf0\x9f\x9a\x80", "line\nline\ttab", "%s%n" };
	struct bench bench;

	bench_open(&bench, _i);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		put(&bench, (int64_t)i, text(texts[i]), nothing());
		get(&bench, (int64_t)i);
		assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, texts[i], strlen(texts[i]));
	}
	bench_close(&bench);
}
END_TEST

START_TEST(text_ends_where_its_size_says)
{
	struct bench bench;

	bench_open(&bench, _i);
	put(&bench, 1, (saga_value){ .kind = SAGA_VALUE_TEXT, .as.bytes = { "abcdef", 3 } },
		nothing());
	get(&bench, 1);
	assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, "abc", 3);
	bench_close(&bench);
}
END_TEST

START_TEST(bytes_come_back)
{
	struct bench bench;
	uint8_t all[256];

	bench_open(&bench, _i);
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	put(&bench, 1, nothing(), bytes(all, sizeof all));
	get(&bench, 1);
	assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, all, sizeof all);
	put(&bench, 2, nothing(), bytes("\0", 1));
	get(&bench, 2);
	assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, "\0", 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_megabyte_comes_back)
{
	enum {
		SIZE = 1 << 20
	};
	struct bench bench;
	char *big = malloc(SIZE);

	bench_open(&bench, _i);
	ck_assert_ptr_nonnull(big);
	for (size_t i = 0; i < SIZE; i++)
		big[i] = (char)('a' + i * 7 % 26);
	put(&bench, 1, (saga_value){ .kind = SAGA_VALUE_TEXT, .as.bytes = { big, SIZE } },
		bytes(big, SIZE));
	get(&bench, 1);
	assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, big, SIZE);
	assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, big, SIZE);
	free(big);
	bench_close(&bench);
}
END_TEST

START_TEST(an_id_is_sixteen_bytes)
{
	saga_value id = { .kind = SAGA_VALUE_ID };
	struct bench bench;

	for (size_t i = 0; i < sizeof id.as.id.bytes; i++)
		id.as.id.bytes[i] = (uint8_t)(i * 17);
	bench_open(&bench, _i);
	put(&bench, 1, nothing(), id);
	get(&bench, 1);
	assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, id.as.id.bytes, 16);
	must_run(&bench, "SELECT id FROM things WHERE body = ?", VALUES(id));
	ck_assert_uint_eq(bench.row_count, 1);
	bench_close(&bench);
}
END_TEST

static bool as_truth(const saga_value *value)
{
	if (value->kind == SAGA_VALUE_BOOL)
		return value->as.boolean;
	ck_assert_int_eq(value->kind, SAGA_VALUE_INT64);
	ck_assert(value->as.int64 == 0 || value->as.int64 == 1);
	return value->as.int64 == 1;
}

START_TEST(truth_comes_back)
{
	struct bench bench;

	bench_open(&bench, _i);
	for (int i = 0; i < 2; i++) {
		must_run(&bench, "INSERT INTO things (id, flag) VALUES (?, ?)",
			VALUES(number(i), truth(i == 1)));
		must_run(&bench, "SELECT flag FROM things WHERE id = ?", VALUES(number(i)));
		ck_assert(as_truth(&bench.values[0][0]) == (i == 1));
	}
	bench_close(&bench);
}
END_TEST

START_TEST(a_value_without_a_kind_is_refused)
{
	struct bench bench;

	bench_open(&bench, _i);
	ck_assert_code(&bench,
		run(&bench, "INSERT INTO things (id) VALUES (?)",
			VALUES((saga_value){ .kind = SAGA_VALUE_END })),
		SAGA_REFUSED);
	ck_assert_code(&bench,
		run(&bench, "INSERT INTO things (id) VALUES (?)",
			VALUES((saga_value){ .kind = 99 })),
		SAGA_REFUSED);
	ck_assert_int_eq(count_things(&bench), 0);
	bench_close(&bench);
}
END_TEST

START_TEST(floating_point_is_refused)
{
	struct bench bench;

	bench_open(&bench, _i);
	if (bench.store->floating) {
		ck_assert_code(&bench, run(&bench, bench.store->floating, NO_VALUES), SAGA_REFUSED);
		ck_assert_uint_eq(bench.row_count, 0);
	}
	bench_close(&bench);
}
END_TEST

/* The same statement again and again, with values of all kinds and sizes; and read back. */
START_TEST(random_values_come_back)
{
	enum {
		TURNS = 300,
		LONGEST = 200
	};
	const char *given = getenv("SAGA_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct bench bench;

	printf("random_values_come_back: SAGA_TEST_SEED=%u\n", seed);
	srand(seed);
	bench_open(&bench, _i);
	must_begin(&bench);
	for (int64_t id = 0; id < TURNS; id++) {
		char letters[LONGEST], body[LONGEST];
		size_t size = (size_t)rand() % LONGEST;
		bool is_null = rand() % 5 == 0;

		for (size_t i = 0; i < size; i++) {
			letters[i] = (char)('a' + rand() % 26);
			body[i] = (char)(rand() % 256);
		}
		put(&bench, id,
			(saga_value){ .kind = SAGA_VALUE_TEXT, .as.bytes = { letters, size } },
			is_null ? nothing() : bytes(body, size));
		get(&bench, id);
		assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, letters, size);
		if (is_null)
			ck_assert_int_eq(bench.values[0][2].kind, SAGA_VALUE_NULL);
		else
			assert_span(&bench.values[0][2], SAGA_VALUE_BYTES, body, size);
	}
	must_commit(&bench);
	bench_close(&bench);
}
END_TEST

/* As wide as SAGA_TEXT(4) takes, and two of them as a collation may think. */
static const char *const keys[] = { "R1", "R1 ", "R1  ", "r1", " R1", "R1\t", "R1\x7f", "R1\x7f ",
	"", " ", "  ", "\xc3\x84", "\xc3\xa4", "A\xcc\x88", "A", "a", "\xc3\x9f", "ss",
	"\xe3\x80\x80", "\xf0\x9f\x9a\x80 " };

enum {
	KEYS = sizeof keys / sizeof keys[0]
};

/* A table of SAGA_TEXT(4), with all the keys in it. */
static void make_keys(struct bench *bench)
{
	char *schema = saga__dialect_schema(saga__dialect_of(bench->ops->dialect),
		"CREATE TABLE kept (k SAGA_TEXT(4) PRIMARY KEY, n BIGINT NOT NULL)");

	ck_assert_ptr_nonnull(schema);
	must_run(bench, schema, NO_VALUES);
	free(schema);
	for (size_t i = 0; i < KEYS; i++)
		must_run(bench, "INSERT INTO kept (k, n) VALUES (?, ?)",
			VALUES(text(keys[i]), number((int64_t)i)));
}

START_TEST(text_keys_are_compared_byte_by_byte)
{
	struct bench bench;

	bench_open(&bench, _i);
	make_keys(&bench);
	for (size_t i = 0; i < KEYS; i++) {
		must_run(&bench, "SELECT n, k FROM kept WHERE k = ?", VALUES(text(keys[i])));
		ck_assert_uint_eq(bench.row_count, 1);
		ck_assert_int_eq(bench.values[0][0].as.int64, (int64_t)i);
		assert_span(&bench.values[0][1], SAGA_VALUE_TEXT, keys[i], strlen(keys[i]));
		ck_assert_code(&bench,
			run(&bench, "INSERT INTO kept (k, n) VALUES (?, ?)",
				VALUES(text(keys[i]), number(-1))),
			SAGA_REFUSED);
	}
	must_run(&bench, "SELECT a.n FROM kept a JOIN kept b ON a.k = b.k", NO_VALUES);
	ck_assert_uint_eq(bench.row_count, KEYS);
	must_run(&bench, "UPDATE kept SET n = ? WHERE k IN (?, ?)",
		VALUES(number(100), text("R1"), text(" ")));
	ck_assert_int_eq(bench.changed[0], 2);
	bench_close(&bench);
}
END_TEST

void add_value_tests(Suite *suite, int row)
{
	TCase *tcase = new_case(suite, "values");

	tcase_add_loop_test(tcase, numbers_come_back, row, row + 1);
	tcase_add_loop_test(tcase, null_is_not_empty, row, row + 1);
	tcase_add_loop_test(tcase, text_comes_back, row, row + 1);
	tcase_add_loop_test(tcase, text_ends_where_its_size_says, row, row + 1);
	tcase_add_loop_test(tcase, text_keys_are_compared_byte_by_byte, row, row + 1);
	tcase_add_loop_test(tcase, bytes_come_back, row, row + 1);
	tcase_add_loop_test(tcase, a_megabyte_comes_back, row, row + 1);
	tcase_add_loop_test(tcase, an_id_is_sixteen_bytes, row, row + 1);
	tcase_add_loop_test(tcase, truth_comes_back, row, row + 1);
	tcase_add_loop_test(tcase, a_value_without_a_kind_is_refused, row, row + 1);
	tcase_add_loop_test(tcase, floating_point_is_refused, row, row + 1);
	tcase_add_loop_test(tcase, random_values_come_back, row, row + 1);
}
