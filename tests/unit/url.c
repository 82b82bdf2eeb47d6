/* The settings of a URL: read by a table, refused in words that name key, value and range. */

#include <saga/plugin.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum colour {
	RED,
	GREEN,
	BLUE
};

struct paint {
	int64_t coats, litres;
	enum colour colour;
	char name[9];
	char password[33];
};

#define AT(member) offsetof(struct paint, member)

static const saga_url_setting table[] = {
	{ .key = "coats", .kind = SAGA_URL_NUMBER, .least = 1, .most = 9, .offset = AT(coats) },
	{ .key = "litres", .kind = SAGA_URL_NUMBER, .most = INT64_MAX, .offset = AT(litres) },
	{ .key = "colour", .kind = SAGA_URL_WORD, .words = "red green blue", .offset = AT(colour) },
	{ .key = "name", .kind = SAGA_URL_TEXT, .least = 1, .most = 8, .offset = AT(name) },
	{ .key = "password",
		.kind = SAGA_URL_TEXT,
		.least = 12,
		.most = 32,
		.offset = AT(password) },
	{ .key = NULL },
};

static const struct paint plain = { .coats = 2, .litres = 7, .colour = BLUE, .name = "plain" };

static int read_paint(const char *url, struct paint *paint, saga_error *error)
{
	*paint = plain;
	return saga_url_settings("paint", url, table, paint, NULL, error);
}

START_TEST(a_url_without_settings_leaves_the_defaults)
{
	struct paint paint;

	ck_assert_int_eq(read_paint("paint:wall", &paint, NULL), SAGA_OK);
	ck_assert_int_eq(memcmp(&paint, &plain, sizeof paint), 0);
}
END_TEST

START_TEST(each_kind_is_read)
{
	struct paint paint;

	ck_assert_int_eq(read_paint("paint:wall?coats=9&litres=9223372036854775807&colour=green&"
				    "name=a%26b%3D%25&password=12345678%3f1234",
				 &paint, NULL),
		SAGA_OK);
	ck_assert_int_eq(paint.coats, 9);
	ck_assert_int_eq(paint.litres, INT64_MAX);
	ck_assert_int_eq(paint.colour, GREEN);
	ck_assert_str_eq(paint.name, "a&b=%");
	ck_assert_str_eq(paint.password, "12345678?1234");
	ck_assert_int_eq(read_paint("?%63oats=%31&name=12345678", &paint, NULL), SAGA_OK);
	ck_assert_int_eq(paint.coats, 1);
	ck_assert_int_eq(paint.colour, BLUE);
	ck_assert_str_eq(paint.name, "12345678");
}
END_TEST

static const struct {
	const char *settings, *says;
} wrong[] = {
	{ "coats=0", "paint: coats is a number from 1 to 9, not `0`" },
	{ "coats=10", "not `10`" },
	{ "coats=", "not ``" },
	{ "coats=-1", "not `-1`" },
	{ "coats=+1", "not `+1`" },
	{ "coats=%201", "not ` 1`" },
	{ "coats=1k", "not `1k`" },
	{ "coats=0x1", "not `0x1`" },
	{ "litres=9223372036854775808", "from 0 to 9223372036854775807, not" },
	{ "litres=99999999999999999999999999999999999999999999999999999999999999999",
		"not `a text of 65 bytes`" },
	{ "colour=pink", "paint: colour is one of `red green blue`, not `pink`" },
	{ "colour=gree", "not `gree`" },
	{ "colour=red%20green", "not `red green`" },
	{ "colour=", "not ``" },
	{ "name=", "paint: name is a text of 1 to 8 bytes; it has 0 in the URL" },
	{ "name=123456789", "it has 9" },
	{ "name=a%", "paint: in the value of name a `%` has no two hex digits behind it" },
	{ "name=%4", "hex digits" },
	{ "name=%zz", "hex digits" },
	{ "name=%00", "%00" },
	{ "coats=%0", "in the value of coats" },
	{ "taste=sweet",
		"paint: there is no setting `taste`; there are coats, litres, colour, name" },
	{ "Coats=1", "no setting `Coats`" },
	{ "coats", "paint: coats has no =VALUE" },
	{ "coats=1&coats=1", "paint: coats comes twice in the URL" },
	{ "", "paint: setting 1 behind the `?` of the URL is not KEY=VALUE" },
	{ "coats=1&", "setting 2" },
	{ "coats=1&&name=a", "setting 2" },
	{ "=1", "setting 1" },
	{ "%=1", "setting 1" },
	{ "abcdefghijklmnopqrstuvwxyzabcdefghijk=1", "setting 1" },
};

START_TEST(wrong_settings_are_named)
{
	struct paint paint;
	saga_error error = { .code = SAGA_OK };
	char url[128];

	(void)snprintf(url, sizeof url, "paint:wall?%s", wrong[_i].settings);
	ck_assert_int_eq(read_paint(url, &paint, &error), SAGA_MALFORMED);
	ck_assert_int_eq(error.code, SAGA_MALFORMED);
	ck_assert_msg(strstr(error.text, wrong[_i].says) != NULL, "%s: says `%s`", url, error.text);
	ck_assert_int_eq(read_paint(url, &paint, NULL), SAGA_MALFORMED);
}
END_TEST

/* Wherever a piece of it lands when the URL is wrong. */
START_TEST(no_error_tells_a_secret)
{
	static const char *const urls[] = { "db://u:hunter2@h?coats=0", "db://u:hunter2@h?hunter2",
		"db://h?password=hunter2", "db://h?password=hunter2%", "db://h?coats=1&hunter2&x=y",
		"db://u:hunter2?coats@h", "db://u:x?hunter2@h",
		"db://h?colour=hunter2&token=hunter2", "db://u:hunter2@h?colour=hunter2" };

	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct paint paint;
		saga_error error = { .code = SAGA_OK };

		ck_assert_int_eq(read_paint(urls[i], &paint, &error), SAGA_MALFORMED);
		ck_assert_msg(!strstr(error.text, "hunter"), "%s: says `%s`", urls[i], error.text);
	}
}
END_TEST

/* A driver gets what is its own, byte for byte. */
START_TEST(the_settings_of_a_driver_are_left)
{
	static const struct {
		const char *url, *rest;
		int64_t coats;
	} urls[] = {
		{ "db://u:p%40@h/d", "db://u:p%40@h/d", 2 },
		{ "db:d?coats=3", "db:d", 3 },
		{ "db:d?a=%zz&coats=3&b", "db:d?a=%zz&b", 3 },
		{ "db:d?coats=3&a=1&a=2", "db:d?a=1&a=2", 3 },
		{ "db:d?a=1&coats=3", "db:d?a=1", 3 },
		{ "db:d?&a=1&&b=2&", "db:d?a=1&b=2", 2 },
		{ "db:d?", "db:d", 2 },
	};
	struct paint paint;
	saga_error error = { .code = SAGA_OK };
	char rest[64];

	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		paint = plain;
		ck_assert_int_eq(
			saga_url_settings("db", urls[i].url, table, &paint, rest, &error), SAGA_OK);
		ck_assert_str_eq(rest, urls[i].rest);
		ck_assert_int_eq(paint.coats, urls[i].coats);
	}
	ck_assert_int_eq(saga_url_settings("db", "db:d?a=1&coats=x", table, &paint, rest, &error),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "not `x`"));
	ck_assert_int_eq(saga_url_settings("db", "db:d?coats&a=1", table, &paint, rest, &error),
		SAGA_MALFORMED);
}
END_TEST

START_TEST(decoding_keeps_to_its_room)
{
	char text[8] = "a%41%42";
	char to[4];

	ck_assert_int_eq(saga_url_decode(text, 7, to, 4), SAGA_OK);
	ck_assert_str_eq(to, "aAB");
	ck_assert_int_eq(saga_url_decode(text, 7, to, 3), SAGA_TOO_BIG);
	ck_assert_int_eq(saga_url_decode(text, 6, to, 4), SAGA_MALFORMED);
	ck_assert_int_eq(saga_url_decode(text, 0, to, 1), SAGA_OK);
	ck_assert_str_eq(to, "");
	ck_assert_int_eq(saga_url_decode(text, 7, text, 8), SAGA_OK);
	ck_assert_str_eq(text, "aAB");
}
END_TEST

START_TEST(numbers_keep_to_their_range)
{
	int64_t number = 5;

	ck_assert(!saga_url_number("", 0, 0, 9, &number));
	ck_assert(!saga_url_number("10", 2, 0, 9, &number));
	ck_assert(!saga_url_number("9223372036854775808", 19, 0, INT64_MAX, &number));
	ck_assert_int_eq(number, 5);
	ck_assert(saga_url_number("10", 1, 1, 65535, &number));
	ck_assert_int_eq(number, 1);
	ck_assert(saga_url_number("0", 1, 0, 0, &number));
	ck_assert_int_eq(number, 0);
	ck_assert(saga_url_number("007", 3, 7, 7, &number));
	ck_assert_int_eq(number, 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("url");
	TCase *tests = tcase_create("url");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	tcase_add_test(tests, a_url_without_settings_leaves_the_defaults);
	tcase_add_test(tests, each_kind_is_read);
	tcase_add_loop_test(
		tests, wrong_settings_are_named, 0, (int)(sizeof wrong / sizeof wrong[0]));
	tcase_add_test(tests, no_error_tells_a_secret);
	tcase_add_test(tests, the_settings_of_a_driver_are_left);
	tcase_add_test(tests, decoding_keeps_to_its_room);
	tcase_add_test(tests, numbers_keep_to_their_range);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
