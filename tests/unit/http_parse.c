/* A request on the wire: what two readers could read in two ways is refused. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../examples/shop/http_parse.h"

#define LINE "POST /orders?a=1 HTTP/1.1\r\nHost: x\r\n"

static char text[HTTP_HEAD_MOST];
static struct http_head head;
static const char *why;

/* -1: it does not end, or has bytes that no head has; else what http_parse_head answers. */
static int parse_bytes(const char *bytes, size_t size)
{
	struct http_scanner scanner = { .line = 0 };
	size_t used = 0;

	ck_assert_uint_le(size, sizeof text);
	memcpy(text, bytes, size);
	if (http_scan(&scanner, text, size, &used) != HTTP_SCAN_END)
		return -1;
	ck_assert_uint_eq(used, size);
	return http_parse_head(text, size, &head, &why);
}

static int parse(const char *bytes)
{
	return parse_bytes(bytes, strlen(bytes));
}

START_TEST(a_head_is_read)
{
	ck_assert_int_eq(parse(LINE "content-length:  12 \r\nX-Long: a b\t\r\nEmpty:\r\n\r\n"), 0);
	ck_assert_str_eq(head.method, "POST");
	ck_assert_str_eq(head.path, "/orders");
	ck_assert_str_eq(head.query, "a=1");
	ck_assert_uint_eq(head.length, 12);
	ck_assert(head.is_kept && !head.is_chunked && !head.is_awaiting);
	ck_assert_str_eq(http_field_of(&head, "x-LONG"), "a b");
	ck_assert_str_eq(http_field_of(&head, "Empty"), "");
	ck_assert_ptr_null(http_field_of(&head, "X"));
}
END_TEST

START_TEST(a_target_has_several_forms)
{
	static const struct {
		const char *target, *path, *query;
	} forms[] = {
		{ "/", "/", "" },
		{ "/a/%20b?x?y", "/a/%20b", "x?y" },
		{ "http://host:80/a?b", "/a", "b" },
		{ "HTTPS://host/a", "/a", "" },
		{ "http://host", "/", "" },
		{ "http://host?b=/c", "/", "b=/c" },
		{ "*", "*", "" },
	};
	static const char *const bad[] = { "a", "", "ftp://host/", "host:80", "/a#b", "/a b", "?",
		"**" };

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		char line[128];

		snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", forms[i].target);
		ck_assert_int_eq(parse(line), 0);
		ck_assert_str_eq(head.path, forms[i].path);
		ck_assert_str_eq(head.query, forms[i].query);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char line[128];

		snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i]);
		ck_assert_int_eq(parse(line), 400);
	}
}
END_TEST

START_TEST(what_a_head_must_not_be_is_refused)
{
	static const struct {
		int status;
		const char *bytes;
	} bad[] = {
		{ 400, "GET\r\n\r\n" },
		{ 400, "GET /\r\n\r\n" },
		{ 400, " / HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 400, "G(T / HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\n\r\n" },
		{ 400, "GET / FTP/1.1\r\nHost: x\r\n\r\n" },
		{ 505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n" },
		{ 505, "GET / HTTP/1.10\r\nHost: x\r\n\r\n" },
		{ 505, "GET / HTTP/1.\r\nHost: x\r\n\r\n" },
		{ 400, LINE "Host: y\r\n\r\n" },
		{ 400, LINE "X : y\r\n\r\n" },
		{ 400, LINE ": y\r\n\r\n" },
		{ 400, LINE "X\r\n\r\n" },
		{ 400, LINE "X: a\r\n b: c\r\n\r\n" },
		{ 400, LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n" },
		{ 400, LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" },
		{ 400, LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, LINE "Transfer-Encoding: chunked\r\ncontent-length: 5\r\n\r\n" },
		{ 400, LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 501, LINE "Transfer-Encoding: gzip, chunked\r\n\r\n" },
		{ 501, LINE "Transfer-Encoding: xchunked\r\n\r\n" },
		{ 400, LINE "Content-Length: 5, 5\r\n\r\n" },
		{ 400, LINE "Content-Length: -1\r\n\r\n" },
		{ 400, LINE "Content-Length: +5\r\n\r\n" },
		{ 400, LINE "Content-Length: 0x5\r\n\r\n" },
		{ 400, LINE "Content-Length: 5 5\r\n\r\n" },
		{ 400, LINE "Content-Length:\r\n\r\n" },
		{ 400, LINE "Content-Length: 18446744073709551616\r\n\r\n" },
		{ 400, LINE "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" },
		{ 400, LINE "Idempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n" },
		{ 417, LINE "Expect: gold\r\n\r\n" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		why = NULL;
		ck_assert_msg(parse(bad[i].bytes) == bad[i].status, "%zu: %s", i, bad[i].bytes);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(bytes_that_no_head_has_are_refused)
{
	static const char nul[] = "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char token[] = LINE "Authorization: Bearer secret\0\r\n\r\n";
	static const char *const bad[] = { "GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\rHost: x\r\r", LINE "X: a\x1b[31m\r\n\r\n", LINE "X: a\x7f\r\n\r\n",
		LINE "X: a\n\r\n\r\n" };

	ck_assert_int_eq(parse_bytes(nul, sizeof nul - 1), -1);
	ck_assert_int_eq(parse_bytes(token, sizeof token - 1), -1);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(parse(bad[i]), -1);
	ck_assert_int_eq(parse(LINE "X: a\tb \xc3\xbc\r\n\r\n"), 0);
}
END_TEST

START_TEST(a_scan_goes_on_byte_by_byte)
{
	static const char bytes[] = LINE "\r\n{";
	struct http_scanner scanner = { .line = 0 };
	size_t used;

	for (size_t i = 0; i < sizeof bytes - 3; i++)
		ck_assert_int_eq(http_scan(&scanner, bytes + i, 1, &used), HTTP_SCAN_MORE);
	ck_assert_int_eq(http_scan(&scanner, "\n{", 2, &used), HTTP_SCAN_END);
	ck_assert_uint_eq(used, 1);
}
END_TEST

START_TEST(a_client_says_whether_it_stays)
{
	ck_assert_int_eq(parse(LINE "Connection: x, CLOSE\r\nExpect: 100-Continue\r\n\r\n"), 0);
	ck_assert(!head.is_kept && head.is_awaiting);
	ck_assert_int_eq(parse(LINE "Connection: closed\r\nTransfer-Encoding: Chunked\r\n\r\n"), 0);
	ck_assert(head.is_kept && head.is_chunked);
	ck_assert_int_eq(parse("GET / HTTP/1.0\r\n\r\n"), 0);
	ck_assert(!head.is_kept);
}
END_TEST

START_TEST(headers_have_a_number)
{
	char many[HTTP_HEAD_MOST] = LINE;

	for (int i = 0; i < HTTP_FIELDS - 1; i++)
		strcat(many, "a:b\r\n");
	strcat(many, "\r\n");
	ck_assert_int_eq(parse(many), 0);
	strcpy(many + strlen(many) - 2, "a:b\r\n\r\n");
	ck_assert_int_eq(parse(many), 431);
}
END_TEST

/* ---- chunks ---- */

static char body[256];
static size_t body_size;

/* Pieces of so many bytes; how many bytes were taken. */
static size_t take(struct http_chunks *chunks, const char *bytes, size_t size, size_t piece)
{
	size_t at = 0;

	body_size = 0;
	while (at < size && chunks->state != HTTP_CHUNK_END && chunks->state != HTTP_CHUNK_BAD) {
		size_t left = size - at < piece ? size - at : piece, data_size;
		const char *data;
		size_t used = http_chunks_take(chunks, bytes + at, left, &data, &data_size);

		ck_assert(used > 0 && used <= left);
		if (data_size)
			memcpy(body + body_size, data, data_size);
		body_size += data_size;
		at += used;
	}
	return at;
}

START_TEST(chunks_become_a_body)
{
	static const char bytes[] = "3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET";

	for (size_t piece = 1; piece < sizeof bytes; piece++) {
		struct http_chunks chunks = { .left = 0 };

		ck_assert_uint_eq(take(&chunks, bytes, sizeof bytes - 1, piece), sizeof bytes - 4);
		ck_assert_int_eq(chunks.state, HTTP_CHUNK_END);
		ck_assert_uint_eq(body_size, 13);
		ck_assert_mem_eq(body, "abc0123456789", 13);
	}
}
END_TEST

START_TEST(bad_chunks_are_refused)
{
	static const char *const bad[] = { "\r\n", "x\r\n", "-1\r\n", "0x5\r\n", "123456789\r\n",
		"5\n", " 5\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "3\rabc", "0\r\nA: \x01\r\n",
		"0\r\n\n" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct http_chunks chunks = { .left = 0 };

		take(&chunks, bad[i], strlen(bad[i]), 100);
		ck_assert_msg(chunks.state == HTTP_CHUNK_BAD, "%s", bad[i]);
	}
}
END_TEST

START_TEST(trailers_have_an_end)
{
	struct http_chunks chunks = { .left = 0 };
	size_t taken = take(&chunks, "0\r\n", 3, 3);

	while (chunks.state != HTTP_CHUNK_BAD && taken < (size_t)4 * HTTP_HEAD_MOST)
		taken += take(&chunks, "A: bcd\r\n", 8, 8);
	ck_assert_int_eq(chunks.state, HTTP_CHUNK_BAD);
	ck_assert_uint_lt(taken, (size_t)2 * HTTP_HEAD_MOST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_parse");
	TCase *heads = tcase_create("heads"), *chunked = tcase_create("chunks");
	SRunner *runner;
	int failed;

	tcase_add_test(heads, a_head_is_read);
	tcase_add_test(heads, a_target_has_several_forms);
	tcase_add_test(heads, what_a_head_must_not_be_is_refused);
	tcase_add_test(heads, bytes_that_no_head_has_are_refused);
	tcase_add_test(heads, a_scan_goes_on_byte_by_byte);
	tcase_add_test(heads, a_client_says_whether_it_stays);
	tcase_add_test(heads, headers_have_a_number);
	suite_add_tcase(suite, heads);
	tcase_add_test(chunked, chunks_become_a_body);
	tcase_add_test(chunked, bad_chunks_are_refused);
	tcase_add_test(chunked, trailers_have_an_end);
	suite_add_tcase(suite, chunked);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
