/* What is cut is cut between characters, and what is no UTF-8 is made so. */
#include "event_test.h"

#include <stdio.h>
#include <string.h>

#include "event/utf8.h"
#include "event/where.h"

static void mended(const char *text, const char *wanted)
{
	char copy[64];

	ck_assert_uint_lt(strlen(text), sizeof copy);
	memcpy(copy, text, strlen(text) + 1);
	saga__utf8_mend(copy);
	ck_assert_str_eq(copy, wanted);
	ck_assert(saga__utf8_text(copy, strlen(copy)));
}

START_TEST(texts_are_mended)
{
	mended("", "");
	mended("plain", "plain");
	mended("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac "
		"\xf0\x9f\x98\x80");
	/* unfinished at the end: it goes */
	mended("a\xc3", "a");
	mended("a\xe2\x82", "a");
	mended("a\xf0\x9f\x98", "a");
	mended("\xf0", "");
	/* unfinished in the middle, as "%.3s" leaves it: one `?`, however much of it there is */
	mended("`\xc3` is no", "`?` is no");
	mended("`\xe2\x82` is no", "`?` is no");
	mended("`\xf0\x9f\x98` is no", "`?` is no");
	/* none at all */
	mended("a\xff", "a?");
	mended("Stra\xdf"
	       "e",
		"Stra?e");
	mended("\x80\x80", "??");
	mended("\xc0\x80", "??");
	mended("\xed\xa0\x80", "???");
	mended("\xf4\x90\x80\x80", "????");
	mended("\xe2\xe2\x82\xac", "?\xe2\x82\xac");
}
END_TEST

/* Of every size: as much as fits of whole characters, and no more than one is missing. */
START_TEST(what_is_said_is_cut_between_characters)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	char buffer[sizeof text + 2];

	for (size_t size = 1; size <= sizeof buffer; size++) {
		memset(buffer, 'x', sizeof buffer);
		saga__say(buffer, size, "%s", text);
		ck_assert_uint_lt(strlen(buffer), size);
		ck_assert(saga__utf8_text(buffer, strlen(buffer)));
		ck_assert_int_eq(strncmp(buffer, text, strlen(buffer)), 0);
		ck_assert(strlen(buffer) + 4 >= size || strcmp(buffer, text) == 0);
	}
	saga__say(buffer, 0, "%s", text);
}
END_TEST

START_TEST(errors_are_cut_between_characters)
{
	char text[2 * SAGA_ERROR_TEXT];
	saga_error error;

	for (size_t plain = 0; plain < 8; plain++) {
		memset(text, 'a', plain);
		for (size_t i = plain; i + 4 < sizeof text; i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 5);
		(void)saga_error_set(&error, SAGA_REFUSED, "%s", text);
		ck_assert(saga__utf8_text(error.text, strlen(error.text)));
		ck_assert_uint_ge(strlen(error.text), SAGA_ERROR_TEXT - 5);
		(void)saga__error_within(&error, SAGA_REFUSED, "%.5s: ", text);
		ck_assert(saga__utf8_text(error.text, strlen(error.text)));
		ck_assert_uint_ge(strlen(error.text), SAGA_ERROR_TEXT - 5);
	}
	(void)saga_error_set(&error, SAGA_REFUSED, "`%s` is none",
		"Stra\xdf"
		"e");
	ck_assert_str_eq(error.text, "`Stra?e` is none");
}
END_TEST

RUN_TESTS("event_utf8", texts_are_mended, what_is_said_is_cut_between_characters,
	errors_are_cut_between_characters)
