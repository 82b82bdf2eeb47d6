/* A line of the log: whatever stands in it, it is one line, whole, and harms no terminal. */

#include <saga/participant.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char said[16384];

/* What saga_log_stderr writes. */
static const char *line_of(const char *text, const saga_log_field *fields, size_t count)
{
	saga_log log = { .level = SAGA_WARNING,
		.participant = "order",
		.what = "some.thing",
		.text = text,
		.fields = fields,
		.field_count = count };
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);
	size_t size;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	saga_log_stderr(NULL, &log);
	(void)fflush(stderr);
	ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
	(void)close(before);
	rewind(file);
	size = fread(said, 1, sizeof said - 1, file);
	(void)fclose(file);
	said[size] = '\0';
	ck_assert_uint_gt(size, 0);
	ck_assert_ptr_eq(strchr(said, '\n'), said + size - 1);
	return said;
}

START_TEST(a_long_field_costs_none_behind_it)
{
	static char path[1501], text[3001];
	saga_log_field fields[] = { { "path", saga_int64(0) }, { "other", saga_int64(0) },
		{ "status", saga_int64(503) }, { "us", saga_int64(12) } };
	const char *line;

	memset(path, 'x', sizeof path - 1);
	memset(text, '\x1b', sizeof text - 1);
	fields[0].value = fields[1].value = saga_text(path);
	line = line_of("GET", fields, 4);
	ck_assert_ptr_nonnull(strstr(line, "xxx... other=xxx"));
	ck_assert_ptr_nonnull(strstr(line, " status=503 us=12\n"));
	line = line_of(text, fields, 4);
	ck_assert_ptr_nonnull(strstr(line, "...\" path=xxx"));
	ck_assert_ptr_nonnull(strstr(line, " status=503 us=12\n"));
}
END_TEST

static const struct {
	const char *value, *is;
} values[] = {
	{ "plain", " v=plain\n" },
	{ "", " v=\"\"\n" },
	{ "a b", " v=\"a b\"\n" },
	{ "a=\"b\"\\", " v=\"a=\\\"b\\\"\\\\\"\n" },
	{ "a\x1b[2Jb", " v=\"a\\x1b[2Jb\"\n" },
	{ "a\x7f", " v=\"a\\x7f\"\n" },
	{ "a\nlevel=alarm", " v=\"a\\x0alevel=alarm\"\n" },
	{ "\xc2\x9b"
	  "2J",
		" v=\"\\xc2\\x9b2J\"\n" },
	{ "caf\xc3\xa9", " v=\"caf\xc3\xa9\"\n" },
	{ "\xc3", " v=\"\\xc3\"\n" },
};

START_TEST(a_terminal_obeys_no_value)
{
	const saga_log_field field = { "v", saga_text(values[_i].value) };
	const char *line = line_of("text", &field, 1);
	size_t size = strlen(line), end = strlen(values[_i].is);

	ck_assert_uint_gt(size, end);
	ck_assert_str_eq(line + size - end, values[_i].is);
}
END_TEST

START_TEST(a_line_has_an_end)
{
	saga_log_field fields[40];
	static char long_name[600];

	memset(long_name, 'n', sizeof long_name - 1);
	for (size_t i = 0; i < 40; i++)
		fields[i] = (saga_log_field){ i % 2 ? long_name : "field", saga_text(long_name) };
	ck_assert_uint_lt(strlen(line_of("text", fields, 40)), 8192);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log lines");
	TCase *tests = tcase_create("log lines");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	tcase_add_test(tests, a_long_field_costs_none_behind_it);
	tcase_add_loop_test(
		tests, a_terminal_obeys_no_value, 0, (int)(sizeof values / sizeof values[0]));
	tcase_add_test(tests, a_line_has_an_end);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
