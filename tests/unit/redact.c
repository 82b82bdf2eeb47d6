/* What may be shown: a URL's secrets are taken out, control characters are written down. */

#include <saga/plugin.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *redacted(const char *url, const char *text, char buffer[256])
{
	strcpy(buffer, text);
	saga_redact(url, buffer, 256);
	return buffer;
}

static const struct {
	const char *url, *text, *is;
} rows[] = {
	{ "postgres://shop:s3cret@h/db", "`postgres://shop:s3cret@h/db`",
		"`postgres://shop:***@h/db`" },
	{ "postgres://shop:s3cret@h/db", "no route to h, user shop", "no route to h, user shop" },
	{ "postgres://shop@h/db", "no role shop", "no role shop" },
	{ "postgres://shop:s3cret%zz@h/db", "bad token: \"s3cret%zz\"", "bad token: \"***\"" },
	{ "mssql://sa:P%40ss%2Fw@h/db", "login P@ss/w or P%40ss%2Fw", "login *** or ***" },
	{ "nats://t0ken@h", "nats://t0ken@h is away", "nats://***@h is away" },
	{ "nats://t0ken@nats://u:p@h", "not `nats://t0ken@nats`", "not `nats://***@nats`" },
	{ "nats://u:PA/SS@h", "HOST:PORT is wanted, not `u:PA`",
		"HOST:PORT is wanted, not `u:***`" },
	{ "nats://u:p?ss@h", "not `ss@h`", "not `***@h`" },
	{ "nats://u:s3cret", "not `u:s3cret`", "not `u:***`" },
	{ "nats://u:s3cret:", "not `u:s3cret:`", "not `u:***`" },
	{ "u:s3cret@h", "`u:s3cret@h` is no URL", "`u:***@h` is no URL" },
	{ "pg:/u:s3cret@h", "`pg:/u:s3cret@h`", "`pg:/u:***@h`" },
	{ "postgres://h/db?a=b&password=s3cret", "key s3cret", "key ***" },
	{ "host=h password='s3 cret' port=1", "`s3 cret`", "`***`" },
	{ "nats://u:s3cret]", "not `u:s3cret]`", "not `u:***`" },
	{ "nats://[::1]", "not `[::1]`", "not `[::1]`" },
	/* An error says `?` for what is no UTF-8. */
	{ "postgres://u:s3cret\xd3", "not `u:s3cret?`", "not `u:***?`" },
	{ "nats://u:s3\xff"
	  "cret@h",
		"not `u:s3?cret`", "not `u:***`" },
	{ "mssql://sa:P%D3ss3@h", "login P?ss3", "login ***" },
	/* A short one is hidden where it is a word, and not within others. */
	{ "nats://u:at@h", "not at that", "not *** that" },
	/* What the text's own end has cut off. */
	{ "nats://u:s3cret@h", "nats://u:s3c", "nats://u:***" },
	{ "sqlite:/var/a:b@c", "/var/a:b@c", "/var/a:b@c" },
	{ "nng+tcp://127.0.0.1:77x", "not `127.0.0.1:77x`", "not `127.0.0.1:77x`" },
	{ "nats://[::1]:4222,h:1/saga", "h:1 [::1]:4222 saga", "h:1 [::1]:4222 saga" },
	{ "nats://h?creds=/a@b", "h /a@b", "h /a@b" },
	{ "", "nothing", "nothing" },
};

START_TEST(secrets_are_taken_out)
{
	char buffer[256];

	ck_assert_str_eq(redacted(rows[_i].url, rows[_i].text, buffer), rows[_i].is);
}
END_TEST

START_TEST(no_url_is_no_secret)
{
	char buffer[256] = "as it is";

	saga_redact(NULL, buffer, sizeof buffer);
	ck_assert_str_eq(buffer, "as it is");
}
END_TEST

/* Each buffer's end is where ASan looks. */
START_TEST(a_mask_keeps_within_the_buffer)
{
	static const char url[] = "nats://u:p@h", text[] = "p p,p p";

	for (size_t size = 1; size <= sizeof text; size++) {
		char *buffer = malloc(size);

		ck_assert_ptr_nonnull(buffer);
		memcpy(buffer, text, size);
		buffer[size - 1] = '\0';
		saga_redact(url, buffer, size);
		ck_assert_uint_lt(strnlen(buffer, size), size);
		ck_assert_ptr_null(strchr(buffer, 'p'));
		free(buffer);
	}
}
END_TEST

static const struct {
	const char *text, *is;
} shown[] = {
	{ "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80",
		"plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80" },
	{ "a\x1b[2Jb\n\t\x7f", "a\\x1b[2Jb\\x0a\\x09\\x7f" },
	{ "\xc2\x9b"
	  "2J\xc2\xa0",
		"\\xc2\\x9b"
		"2J\xc2\xa0" },
	{ "\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6", "\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x81\\xa6" },
	{ "\xff\xc3", "\\xff\\xc3" },
	{ "", "" },
};

START_TEST(a_terminal_obeys_nothing)
{
	char buffer[256];

	ck_assert_uint_eq(
		saga_text_shown(shown[_i].text, buffer, sizeof buffer), strlen(shown[_i].is));
	ck_assert_str_eq(buffer, shown[_i].is);
}
END_TEST

START_TEST(what_is_shown_is_cut_between_characters)
{
	static const char text[] = "a\x1b\xc3\xa9";

	for (size_t size = 0; size <= 8; size++) {
		char *buffer = malloc(size + 1);

		ck_assert_ptr_nonnull(buffer);
		buffer[size] = '!';
		ck_assert_uint_eq(saga_text_shown(text, buffer, size), 7);
		ck_assert_int_eq(buffer[size], '!');
		if (size)
			ck_assert_str_eq(buffer,
				size < 2           ? ""
					: size < 6 ? "a"
					: size < 8 ? "a\\x1b"
						   : "a\\x1b\xc3\xa9");
		free(buffer);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redact");
	TCase *tests = tcase_create("redact");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	tcase_add_loop_test(tests, secrets_are_taken_out, 0, (int)(sizeof rows / sizeof rows[0]));
	tcase_add_test(tests, no_url_is_no_secret);
	tcase_add_test(tests, a_mask_keeps_within_the_buffer);
	tcase_add_loop_test(
		tests, a_terminal_obeys_nothing, 0, (int)(sizeof shown / sizeof shown[0]));
	tcase_add_test(tests, what_is_shown_is_cut_between_characters);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
