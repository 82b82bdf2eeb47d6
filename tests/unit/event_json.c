#include "event_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/json.h"
#include "saga_config.h"

static struct saga__arena arena;
static saga_error error;

SAGA_BARE_EVENT(bare, "bare.thing", 1);
SAGA_EVENT(small, "small.thing", 1, text(t), opt_int64(n), opt_bytes(b), opt_id(i), opt_flag(f),
	opt_part(line, order_line), reason(why));

static void set_up(void)
{
	saga__arena_init(&arena, 1024 * 1024);
	error = (saga_error){ 0 };
}

static void check_body(const char *bytes, size_t size, const char *json)
{
	char text[256];
	size_t length = strlen(json);
	saga_bytes data = copy_of(bytes, size);

	ck_assert_uint_eq(saga__json_body(data, text, sizeof text), length);
	ck_assert_str_eq(text, json);
	ck_assert_uint_eq(saga__json_body(data, NULL, 0), length);
	for (size_t room = 1; room < length + 2; room++) {
		memset(text, '#', sizeof text);
		ck_assert_uint_eq(saga__json_body(data, text, room), length);
		ck_assert_uint_eq(strlen(text), room - 1 < length ? room - 1 : length);
		ck_assert_int_eq(strncmp(text, json, strlen(text)), 0);
		ck_assert_int_eq(text[room], '#');
	}
	free_wire(data);
}

#define BODY(bytes_, json_) check_body(bytes_, sizeof(bytes_) - 1, json_)

START_TEST(bodies_are_written_as_they_came)
{
	BODY("\x80", "{}");
	BODY("\x82\xa1"
	     "a\xc0\xa1"
	     "b\x93\xc2\xc3\x90",
		"{\"a\":null,\"b\":[false,true,[]]}");
	BODY("\x81\xa1n\x94\x7f\xe0\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff"
	     "\xff\xff",
		"{\"n\":[127,-32,-9223372036854775808,18446744073709551615]}");
	BODY("\x81\xa1x\xca\x3f\xc0\x00\x00", "{\"x\":1.5}");
	BODY("\x81\xa1x\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "{\"x\":0.10000000000000001}");
	BODY("\x81\xa1x\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "{\"x\":null}");
	BODY("\x81\xa1x\xc4\x00", "{\"x\":\"\"}");
	BODY("\x81\xa1x\xc4\x01"
	     "f",
		"{\"x\":\"Zg==\"}");
	BODY("\x81\xa1x\xc4\x02"
	     "fo",
		"{\"x\":\"Zm8=\"}");
	BODY("\x81\xa1x\xc4\x03"
	     "foo",
		"{\"x\":\"Zm9v\"}");
	BODY("\x81\xa1x\xc4\x04\xff\xfe\xfd\xfc", "{\"x\":\"//79/A==\"}");
	BODY("\x81\xa1x\xd8\x01"
	     "0123456789abcdef",
		"{\"x\":\"30313233-3435-3637-3839-616263646566\"}");
	BODY("\x81\xa1x\xd4\x05"
	     "f",
		"{\"x\":\"Zg==\"}");
	BODY("\x81\xa1x\xa8\"\\/\b\f\n\r\t", "{\"x\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}");
	BODY("\x81\xa1x\xa4\x00\x1f\x7f\xff", "{\"x\":\"\\u0000\\u001f\\u007f\xef\xbf\xbd\"}");
	BODY("\x81\xa1x\xa3\xe2\x82\xac", "{\"x\":\"\xe2\x82\xac\"}");
	BODY("\x81\xa1x\xa3\xed\xa0\x80", "{\"x\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}
END_TEST

START_TEST(what_is_no_body_is_null)
{
	BODY("", "null");
	BODY("\x90", "null");
	BODY("\x81\xa1x", "null");
	BODY("\x81\x01\x01", "null");
	BODY("\x80\x80", "null");
	ck_assert_uint_eq(saga__json_body((saga_bytes){ NULL, 0 }, NULL, 0), 4);
}
END_TEST

/* The writer sets each comma; a buffer of any size is cut as by snprintf. */
START_TEST(json_is_written_value_by_value)
{
	static const char whole[] = "{\"a\":[1,-2,{},[]],\"b\":{\"c\":true,\"d\":null},"
				    "\"e\":\"x\\n\",\"f\":\"00ff\",\"g\":0.5}";
	char text[sizeof whole];

	for (size_t size = 0; size <= sizeof whole; size++) {
		struct saga__json_buffer buffer = { text, size, 0 };
		struct saga__json json = saga__json_into(&buffer);

		memset(text, '?', sizeof text);
		saga__json_open(&json, '{');
		saga__json_name(&json, "a");
		saga__json_open(&json, '[');
		saga__json_put_int(&json, 1);
		saga__json_put_int(&json, -2);
		saga__json_open(&json, '{');
		saga__json_close(&json, '}');
		saga__json_open(&json, '[');
		saga__json_close(&json, ']');
		saga__json_close(&json, ']');
		saga__json_name(&json, "b");
		saga__json_open(&json, '{');
		saga__json_name(&json, "c");
		saga__json_put_bool(&json, true);
		saga__json_name(&json, "d");
		saga__json_put_null(&json);
		saga__json_close(&json, '}');
		saga__json_name(&json, "e");
		saga__json_put_text(&json, "x\n");
		saga__json_name(&json, "f");
		saga__json_put_hex(&json, "\0\xff", 2);
		saga__json_name(&json, "g");
		saga__json_put_real(&json, 0.5);
		saga__json_close(&json, '}');
		ck_assert_uint_eq(saga__json_end(&buffer), sizeof whole - 1);
		if (size)
			ck_assert_uint_eq(strlen(text), size - 1);
		ck_assert(strncmp(text, whole, size ? size - 1 : 0) == 0);
	}
}
END_TEST

START_TEST(texts)
{
	char text[64];

	ck_assert_uint_eq(saga__json_text("a\"b", text, sizeof text), 6);
	ck_assert_str_eq(text, "\"a\\\"b\"");
	ck_assert_uint_eq(saga__json_text("abc", text, 3), 5);
	ck_assert_str_eq(text, "\"a");
	ck_assert_uint_eq(saga__json_text("\xc3", NULL, 0), 5);
}
END_TEST

static void check_time(int64_t ms, const char *time)
{
	struct saga_event event = shop_event;
	char text[1024], words[64];

	event.time = ms;
	saga__json_event(&event, text, sizeof text);
	snprintf(words, sizeof words, "\"time\":\"%s\"", time);
	ck_assert_msg(strstr(text, words) != NULL, "no %s in %s", words, text);
}

START_TEST(times_are_of_rfc_3339)
{
	check_time(0, "1970-01-01T00:00:00.000Z");
	check_time(-1, "1969-12-31T23:59:59.999Z");
	check_time(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
	check_time(INT64_C(951868799999), "2000-02-29T23:59:59.999Z");
	check_time(INT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
	check_time(INT64_C(4107542399999), "2100-02-28T23:59:59.999Z");
	check_time(INT64_C(1700000000123), "2023-11-14T22:13:20.123Z");
	check_time(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
	check_time(INT64_C(-62135596800000), "0001-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(events_are_cloudevents)
{
	struct saga_event event = shop_event;
	char text[1024];
	static const char json[] =
		"{\"specversion\":\"1.0\",\"id\":\"0190f3c2-0100-0000-0000-000000000000\","
		"\"source\":\"order\",\"type\":\"order.placed\",\"version\":1,"
		"\"sagaid\":\"0190f3c2-0200-0000-0000-000000000000\","
		"\"time\":\"2023-11-14T22:13:20.123Z\",\"subject\":\"line-2\",\"sequence\":\"42\","
		"\"causationid\":\"0190f3c2-0300-0000-0000-000000000000\","
		"\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
		"\"datacontenttype\":\"application/json\",\"data\":{}}";

	event.data = (saga_bytes){ "\x80", 1 };
	ck_assert_uint_eq(saga__json_event(&event, text, sizeof text), sizeof json - 1);
	ck_assert_str_eq(text, json);
	ck_assert_uint_eq(saga__json_event(&event, NULL, 0), sizeof json - 1);
	event = (struct saga_event){ .source = "s", .type = "t", .version = 1, .data = event.data };
	saga__json_event(&event, text, sizeof text);
	ck_assert_str_eq(text,
		"{\"specversion\":\"1.0\",\"id\":\"00000000-0000-0000-0000-000000000000\","
		"\"source\":\"s\",\"type\":\"t\",\"version\":1,"
		"\"sagaid\":\"00000000-0000-0000-0000-000000000000\","
		"\"time\":\"1970-01-01T00:00:00.000Z\",\"datacontenttype\":\"application/json\","
		"\"data\":{}}");
}
END_TEST

static int read_as(const char *json, const saga_shape *shape, const void **ret_body)
{
	saga_bytes bytes = copy_of(json, strlen(json));
	int code = saga__json_read(&arena, bytes, shape, ret_body, &error);

	free_wire(bytes);
	return code;
}

#ifdef SAGA_HAVE_JSON

static void refused(const char *json, const char *words)
{
	const void *body = &arena;

	ck_assert_int_eq(read_as(json, &small.body, &body), SAGA_MALFORMED);
	ck_assert_ptr_eq(body, &arena);
	ck_assert_int_eq(error.code, SAGA_MALFORMED);
	ck_assert_msg(strstr(error.text, words) != NULL, "`%s` is not in `%s`", words, error.text);
}

START_TEST(members_are_read)
{
	const struct small *body;
	const void *read;

	set_up();
	ck_assert_int_eq(
		read_as(" { \"t\" : \"\\u00e9\\ud83d\\ude00\", \"n\": -9223372036854775808,"
			"\"b\":\"Zm8=\", \"i\":\"30313233-3435-3637-3839-616263646566\","
			"\"f\":false,\"line\":{\"sku\":\"s\",\"quantity\":9223372036854775807},"
			"\"why\":\"w\"}\n",
			&small.body, &read),
		SAGA_OK);
	body = read;
	ck_assert_str_eq(body->t, "\xc3\xa9\xf0\x9f\x98\x80");
	ck_assert(body->has_n);
	ck_assert_int_eq(body->n, INT64_MIN);
	ck_assert_uint_eq(body->b.size, 2);
	ck_assert_int_eq(memcmp(body->b.at, "fo", 2), 0);
	ck_assert(body->has_i);
	ck_assert_int_eq(memcmp(body->i.bytes, "0123456789abcdef", 16), 0);
	ck_assert(body->has_f);
	ck_assert(!body->f);
	ck_assert_str_eq(body->line->sku, "s");
	ck_assert_int_eq(body->line->quantity, INT64_MAX);
	ck_assert_str_eq(body->why, "w");
	ck_assert_int_eq(read_as("{\"t\":\"\",\"b\":\"\"}", &small.body, &read), SAGA_OK);
	body = read;
	ck_assert(!body->has_n && !body->has_i && !body->has_f && !body->line);
	ck_assert_ptr_nonnull(body->b.at);
	ck_assert_str_eq(body->why, "");
	/* Others write what is not there as null. */
	ck_assert_int_eq(
		read_as("{\"t\":\"\",\"n\":null,\"i\":null,\"f\":null,\"line\":null,\"b\":null}",
			&small.body, &read),
		SAGA_OK);
	body = read;
	ck_assert(!body->has_n && !body->has_i && !body->has_f && !body->line && !body->b.at);
	saga__arena_free(&arena);
}
END_TEST

START_TEST(members_are_refused)
{
	set_up();
	refused("{}", "small.thing: t: is missing");
	refused("{\"t\":\"\",\"new\":1}", "small.thing: new: is unknown");
	refused("{\"t\":\"\",\"line\":{\"sku\":\"\",\"quantity\":1,\"x\":{}}}",
		"line.x: is unknown");
	refused("{\"t\":\"\",\"line\":{\"sku\":\"\"}}", "small.thing: line.quantity: is missing");
	refused("{\"t\":\"\",\"t\":\"\"}", "duplicate object key near '\"t\"'");
	refused("{\"t\":\"\",\"n\":1.5}",
		"n: is a number with a fraction or an exponent, not an integer");
	refused("{\"t\":\"\",\"n\":1.0}", "n: is a number with a fraction");
	refused("{\"t\":\"\",\"n\":1e3}", "n: is a number with a fraction");
	refused("{\"t\":\"\",\"n\":9223372036854775808}", "too big integer");
	refused("{\"t\":\"\",\"n\":-9223372036854775809}", "integer");
	refused("{\"t\":\"\",\"n\":\"1\"}", "n: is a string, not an integer of 64 bits");
	refused("{\"t\":1}", "t: is an integer, not a text");
	refused("{\"t\":null}", "t: is null, not a text");
	refused("{\"t\":[]}", "t: is an array, not a text");
	refused("{\"t\":{}}", "t: is an object, not a text");
	refused("{\"t\":true}", "t: is a boolean, not a text");
	refused("{\"t\":\"\",\"f\":1}", "f: is an integer, not a flag");
	refused("{\"t\":\"\",\"line\":[]}", "line: is an array, not a struct");
	refused("{\"t\":\"\",\"b\":1}", "b: is an integer, not bytes");
	refused("{\"t\":\"\",\"i\":1}", "i: is an integer, not an id");
	refused("{\"t\":\"\",\"i\":\"abc\"}", "i: `abc` is no UUID");
	refused("{\"t\":\"a\\u0000b\"}", "small.thing: line 1");
	refused("{\"t\":\"\\ud800\"}", "small.thing: line 1");
	refused("{\"t\":\"\\ud800x\"}", "small.thing: line 1");
	refused("{\"t\":\"\\udc00\"}", "small.thing: line 1");
	refused("{\"t\":\"\xff\"}", "small.thing: line 1");
	refused("{\"t\":\"\"} {}", "end of file expected");
	refused("{\"t\":\"\"} x", "end of file expected");
	refused("{\"t\":\"\"", "small.thing: line 1");
	refused("", "small.thing: line 1");
	refused("[]", "small.thing: is an array, not an object");
	saga__arena_free(&arena);
}
END_TEST

START_TEST(base64_is_strict)
{
	static const char *const wrong[] = { "Z", "Zg",
		"Zg=", "Zg===", "Zm9v=", "====", "A===", "=Zg=", "Zh==", "Zm9=", "Zm 9", "Zm9v\\n",
		"Zg==Zg==", "Z-8=", "Z_8=", "Zg=A", "AA=A" };
	char json[64];

	set_up();
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(json, sizeof json, "{\"t\":\"\",\"b\":\"%s\"}", wrong[i]);
		refused(json, "b: is no padded base64");
	}
	saga__arena_free(&arena);
}
END_TEST

START_TEST(lists_are_named_by_their_index)
{
	const void *body;

	set_up();
	ck_assert_int_eq(read_as("{\"customer\":\"\",\"country\":\"\",\"total\":1,\"lines\":"
				 "[{\"sku\":\"\",\"quantity\":1},{\"sku\":\"\",\"quantity\":1.5}]}",
				 &order_placed.body, &body),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "order.placed: lines[1].quantity: is a number"));
	ck_assert_int_eq(read_as("{\"customer\":\"\",\"country\":\"\",\"total\":1,\"lines\":[1]}",
				 &order_placed.body, &body),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "lines[0]: is an integer, not a struct"));
	ck_assert_int_eq(read_as("{\"customer\":\"\",\"country\":\"\",\"total\":1,\"lines\":{}}",
				 &order_placed.body, &body),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "lines: is an object, not a list"));
	ck_assert_int_eq(read_as("{\"customer\":\"\",\"country\":\"\",\"total\":1,\"lines\":[]}",
				 &order_placed.body, &body),
		SAGA_OK);
	saga__arena_free(&arena);
}
END_TEST

START_TEST(depth_has_an_end)
{
	static char json[20000];
	const void *body;

	set_up();
	memset(json, '[', 10000);
	ck_assert_int_eq(read_as(json, &small.body, &body), SAGA_MALFORMED);
	for (size_t i = 0; i < 3000; i++)
		memcpy(json + 5 * i, "{\"t\":", 5);
	ck_assert_int_eq(read_as(json, &small.body, &body), SAGA_MALFORMED);
	refused("{\"t\":\"\",\"line\":{\"sku\":{\"sku\":{\"sku\":{}}}}}", "line.sku: is an object");
	saga__arena_free(&arena);
}
END_TEST

START_TEST(an_arena_has_its_limit)
{
	static const char json[] =
		"{\"t\":\"abc\",\"n\":1,\"b\":\"Zm8=\",\"line\":{\"sku\":\"x\",\"quantity\":1}}";
	bool fits = false;
	const void *body;

	for (size_t limit = 0; limit < 1000; limit += 16) {
		saga__arena_init(&arena, limit);

		int code = read_as(json, &small.body, &body);

		ck_assert_int_eq(code, fits || code == SAGA_OK ? SAGA_OK : SAGA_TOO_BIG);
		fits = fits || code == SAGA_OK;
		saga__arena_free(&arena);
	}
	ck_assert(fits);
}
END_TEST

/* ---- whole events ---- */

static const saga_type *find_small(void *context, const char *name, int version)
{
	(void)context;
	if (strcmp(name, "bare.thing") == 0 && version == 1)
		return &bare;
	return strcmp(name, "small.thing") == 0 && version == 1 ? &small : NULL;
}

static int read_whole(const char *json, struct saga_event *event)
{
	saga__arena_reset(&arena);
	*event = (struct saga_event){ .version = 0 };
	return saga__json_read_event(
		&arena, (saga_bytes){ json, strlen(json) }, find_small, NULL, event, &error);
}

#define IDS \
	"\"specversion\":\"1.0\",\"id\":\"0189aaaa-0000-7000-8000-000000000001\"," \
	"\"sagaid\":\"0189aaaa-0000-7000-8000-000000000002\",\"source\":\"mail\","
#define SMALL IDS "\"type\":\"small.thing\",\"time\":\"2026-11-23T07:30:00.5+01:00\","
#define AT(time_) "{" IDS "\"type\":\"x\",\"time\":\"" time_ "\"}"

START_TEST(events_of_others_are_read)
{
	struct saga_event event;
	char text[1024];

	set_up();
	ck_assert_msg(read_whole(" {" SMALL "\"subject\":\"s\",\"sequence\":\"7\",\"theirs\":[1],"
				 "\"causationid\":\"0189aaaa-0000-7000-8000-000000000003\","
				 "\"data\":{\"t\":\"tea\",\"n\":3}}",
			      &event) == SAGA_OK,
		"%s", error.text);
	ck_assert_ptr_eq(event.of, &small);
	ck_assert_str_eq(((const struct small *)event.body)->t, "tea");
	ck_assert_int_eq(((const struct small *)event.body)->n, 3);
	ck_assert_str_eq(event.source, "mail");
	ck_assert_str_eq(event.subject, "s");
	ck_assert_str_eq(event.traceparent, "");
	ck_assert_uint_eq(event.sequence, 7);
	ck_assert_int_eq(event.version, 1);
	/* What we write of it, reads the same. */
	event.data = (saga_bytes){ "\x82\xa1t\xa3tea\xa1n\x03", 10 };
	ck_assert_uint_lt(saga__json_event(&event, text, sizeof text), sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "\"time\":\"2026-11-23T06:30:00.500Z\""));
	int64_t time = event.time;
	ck_assert_msg(read_whole(text, &event) == SAGA_OK, "%s", error.text);
	ck_assert_int_eq(event.time, time);
	ck_assert_uint_eq(event.sequence, 7);
	ck_assert_int_eq(event.causation.bytes[15], 3);
	saga__arena_free(&arena);
}
END_TEST

/* CloudEvents' JSON format, 2.2: an attribute that is null is unset. */
START_TEST(null_is_unset)
{
	struct saga_event event;
	const struct small *body;
	const void *read;

	set_up();
	ck_assert_msg(
		read_whole("{" SMALL "\"subject\":null,\"causationid\":null,\"traceparent\":null,"
			   "\"sequence\":null,\"version\":null,"
			   "\"data\":{\"t\":\"\",\"n\":null}}",
			&event) == SAGA_OK,
		"%s", error.text);
	ck_assert_str_eq(event.subject, "");
	ck_assert_str_eq(event.traceparent, "");
	ck_assert_uint_eq(event.sequence, 0);
	ck_assert_int_eq(event.version, 1);
	ck_assert_int_eq(event.causation.bytes[15], 0);
	ck_assert(!((const struct small *)event.body)->has_n);
	/* So is a trace that no event can hold: it must not cost one. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const odd[] = { "7", "[]", NULL };
		char text[1024], more[300];

		(void)snprintf(more, sizeof more, "\"%0256d\"", 7);
		(void)snprintf(text, sizeof text,
			"{" SMALL "\"traceparent\":%s,\"data\":{\"t\":\"\"}}",
			odd[i] ? odd[i] : more);
		ck_assert_msg(read_whole(text, &event) == SAGA_OK, "%s", error.text);
		ck_assert_str_eq(event.traceparent, "");
	}
	/* So is an empty one, which CloudEvents forbids and many write. */
	ck_assert_msg(
		read_whole("{" SMALL "\"subject\":\"\",\"traceparent\":\"\",\"data\":{\"t\":\"\"}}",
			&event) == SAGA_OK,
		"%s", error.text);
	ck_assert_str_eq(event.subject, "");
	/* In requests, too. */
	ck_assert_int_eq(read_as("{\"t\":\"\",\"n\":null,\"b\":null,\"i\":null,\"f\":null,"
				 "\"line\":null,\"why\":null}",
				 &small.body, &read),
		SAGA_OK);
	body = read;
	ck_assert(!body->has_n && !body->has_i && !body->has_f && !body->line && !body->b.at);
	ck_assert_str_eq(body->why, "");
	saga__arena_free(&arena);
}
END_TEST

/* As MessagePack has it: a newer sender's. */
START_TEST(what_is_newer_is_ignored_in_events)
{
	struct saga_event event;

	set_up();
	ck_assert_msg(read_whole("\xef\xbb\xbf{" SMALL
				 "\"data\":{\"new\":{\"deep\":[1.5,null]},\"t\":\"tea\"},"
				 "\"id2\":1}",
			      &event) == SAGA_OK,
		"%s", error.text);
	ck_assert_str_eq(((const struct small *)event.body)->t, "tea");
	ck_assert_msg(
		read_whole("{" IDS "\"type\":\"bare.thing\",\"time\":\"2026-11-23T07:30:00Z\"}",
			&event) == SAGA_OK,
		"%s", error.text);
	ck_assert_ptr_eq(event.of, &bare);
	ck_assert_ptr_nonnull(event.body);
	ck_assert_msg(
		read_whole("{" SMALL "\"sequence\":\"9223372036854775807\",\"data\":{\"t\":\"\"}}",
			&event) == SAGA_OK,
		"%s", error.text);
	ck_assert_uint_eq(event.sequence, INT64_MAX);
	saga__arena_free(&arena);
}
END_TEST

START_TEST(times_of_others_are_read)
{
	static const struct {
		const char *json;
		int64_t ms;
	} times[] = { { AT("1970-01-01T00:00:00Z"), 0 },
		{ AT("2000-02-29t23:59:59.999999999z"), 951868799999 },
		{ AT("2026-12-31T23:30:00-01:30"), 1798765200000 },
		{ AT("9999-12-31T23:59:59.1Z"), 253402300799100 } };
	struct saga_event event;

	set_up();
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		ck_assert_msg(read_whole(times[i].json, &event) == SAGA_OK, "%s: %s", times[i].json,
			error.text);
		ck_assert_int_eq(event.time, times[i].ms);
		ck_assert_ptr_null(event.of);
	}
	saga__arena_free(&arena);
}
END_TEST

START_TEST(what_is_no_event_is_refused)
{
	static const struct {
		const char *json, *says;
	} wrongs[] = { { "", "line" }, { "[]", "an array" }, { "{}", "specversion" },
		{ "{\"specversion\":\"0.3\"}", "specversion" },
		{ "{\"specversion\":\"1.0\",\"id\":\"1\"}", "id" },
		{ "{\"specversion\":\"1.0\",\"id\":\"00000000-0000-0000-0000-000000000000\"}",
			"id" },
		{ "{\"specversion\":null,\"id\":\"1\"}", "specversion" },
		{ "{" SMALL "\"data\":{\"t\":1}}", "t: is an integer" },
		{ "{" SMALL "\"data\":{\"t\":null}}", "t: is null" },
		{ "{" SMALL "\"data\":{\"t\":\"a\\u0000b\"}}", "u0000" },
		{ "{" SMALL "\"subject\":\"a\\u0000b\"}", "u0000" },
		{ "{" SMALL "\"data\":null}", "data" }, { "{" SMALL "\"data\":[]}", "an array" },
		{ "{" SMALL "\"x\":1}", "data" }, { "{" SMALL "\"version\":\"1\"}", "version" },
		{ "{" SMALL "\"version\":0}", "version" },
		{ "{" SMALL "\"sequence\":7}", "sequence" },
		{ "{" SMALL "\"sequence\":\"-7\"}", "sequence" },
		{ "{" SMALL "\"sequence\":\"\"}", "sequence" },
		{ "{" SMALL "\"sequence\":\"9223372036854775808\"}", "sequence" },
		{ "{" SMALL "\"sequence\":\"99999999999999999999\"}", "sequence" },
		{ "{" SMALL "\"version\":2147483648}", "version" },
		{ "{" SMALL "\"causationid\":\"\"}", "causationid" },
		{ "{" SMALL "\"subject\":1}", "subject" },
		{ "{" SMALL "\"source\":\"twice\"}", "source" },
		{ "{" IDS "\"type\":\"\",\"time\":\"2026-11-23T07:30:00Z\"}", "type" },
		{ AT("2026-11-23"), "time" }, { AT("2026-11-23T07:30:00"), "time" },
		{ AT("2026-13-23T07:30:00Z"), "time" }, { AT("2026-11-23T07:30:00.Z"), "time" },
		{ AT("2026-11-23T07:30:00+0100"), "time" },
		{ AT("2026-11-23T07:30:00Zz"), "time" } };
	struct saga_event event;

	set_up();
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		ck_assert_msg(
			read_whole(wrongs[i].json, &event) == SAGA_MALFORMED, "%s", wrongs[i].json);
		ck_assert_msg(strstr(error.text, wrongs[i].says) != NULL, "%s: %s", wrongs[i].json,
			error.text);
	}
	saga__arena_free(&arena);
}
END_TEST

RUN_TESTS("event_json", bodies_are_written_as_they_came, what_is_no_body_is_null,
	json_is_written_value_by_value, texts, times_are_of_rfc_3339, events_are_cloudevents,
	events_of_others_are_read, null_is_unset, what_is_newer_is_ignored_in_events,
	times_of_others_are_read, what_is_no_event_is_refused, members_are_read,
	members_are_refused, base64_is_strict, lists_are_named_by_their_index, depth_has_an_end,
	an_arena_has_its_limit)

#else

START_TEST(reading_is_not_supported)
{
	const void *body;

	set_up();
	ck_assert_int_eq(read_as("{\"t\":\"\"}", &small.body, &body), SAGA_UNSUPPORTED);
	saga__arena_free(&arena);
}
END_TEST

RUN_TESTS("event_json", bodies_are_written_as_they_came, what_is_no_body_is_null,
	json_is_written_value_by_value, texts, times_are_of_rfc_3339, events_are_cloudevents,
	reading_is_not_supported)

#endif
