#include "event_wire.h"

SAGA_EVENT(excuse, "some.excuse", 1, reason(why), opt_text(more));
SAGA_EVENT(small, "small.thing", 1, text(t), opt_int64(n), reason(why));
SAGA_EVENT(lists, "lists.thing", 1, list(lines, order_line));

static void body_refused_as(
	const saga_shape *shape, const char *bytes, size_t size, const char *words)
{
	saga_bytes wire = copy_of(bytes, size);
	const void *body = &arena;

	check_error(saga__body_decode(decoder, &arena, wire, shape, &body, &error), SAGA_MALFORMED,
		words);
	ck_assert_int_eq(
		saga__body_decode(decoder, &arena, wire, shape, &body, NULL), SAGA_MALFORMED);
	ck_assert_ptr_eq(body, &arena);
	free_wire(wire);
}

#define BODY_REFUSED(type_, bytes_, words_) \
	body_refused_as(&(type_).body, bytes_, sizeof(bytes_) - 1, words_)

/* A random body with one key's value changed: all others must be there. */
static void rich_refused(const char *key, const char *value, size_t size, const char *words)
{
	struct random random = { 1 };
	struct saga__arena bodies;
	struct hand hand;

	saga__arena_init(&bodies, 1024 * 1024);
	ck_assert_int_eq(saga__body_encode(&buffer, &rich.body,
				 random_body(&random, &bodies, &rich.body), NULL, NULL),
		SAGA_OK);
	saga__arena_free(&bodies);

	msgpack_unpacked unpacked;

	msgpack_unpacked_init(&unpacked);
	ck_assert_int_eq(msgpack_unpack_next(&unpacked, buffer.at, buffer.size, NULL),
		MSGPACK_UNPACK_SUCCESS);
	hand_init(&hand);

	const msgpack_object_map *map = &unpacked.data.via.map;
	size_t count = 1;

	for (uint32_t i = 0; i < map->size; i++)
		count += map->ptr[i].key.via.str.size != strlen(key) ||
			memcmp(map->ptr[i].key.via.str.ptr, key, strlen(key)) != 0;
	msgpack_pack_map(&hand.packer, count);
	put_text(&hand, key);
	put_raw(&hand, value, size);
	for (uint32_t i = 0; i < map->size; i++) {
		if (map->ptr[i].key.via.str.size == strlen(key) &&
			memcmp(map->ptr[i].key.via.str.ptr, key, strlen(key)) == 0)
			continue;
		msgpack_pack_object(&hand.packer, map->ptr[i].key);
		msgpack_pack_object(&hand.packer, map->ptr[i].val);
	}
	msgpack_unpacked_destroy(&unpacked);

	saga_bytes wire = hand_end(&hand);

	body_refused_as(&rich.body, wire.at, wire.size, words);
	free_wire(wire);
}

#define RICH_REFUSED(key_, bytes_, words_) rich_refused(key_, bytes_, sizeof(bytes_) - 1, words_)

START_TEST(values_of_another_kind)
{
	static const char *const wants[][2] = { { "t", "a text" }, { "why", "a text" },
		{ "n", "an integer of 64 bits" }, { "f", "a flag" }, { "b", "bytes" },
		{ "i", "an id" }, { "p", "a struct" }, { "l", "a list" }, { "ot", "a text" },
		{ "on", "an integer of 64 bits" }, { "of", "a flag" }, { "ob", "bytes" },
		{ "oi", "an id" }, { "op", "a struct" } };
	static const struct {
		const char *bytes;
		size_t size;
		const char *is;
		const char *wanted;
	} values[] = {
		{ "\xc0", 1, "nil", "" },
		{ "\xc3", 1, "a flag", "a flag" },
		{ "\x05", 1, "an integer", "an integer of 64 bits" },
		{ "\xfb", 1, "an integer", "an integer of 64 bits" },
		{ "\xca\x3f\x80\x00\x00", 5, "a floating point number", "" },
		{ "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9, "a floating point number", "" },
		{ "\xa1x", 2, "a text", "a text" },
		{ "\xc4\x01x", 3, "bytes", "bytes" },
		{ "\xd4\x05x", 3, "an ext value", "an id" },
		{ "\x90", 1, "a list", "a list" },
		{ "\x80", 1, "a map", "a struct" },
	};

	set_up(1024 * 1024);
	for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
		for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
			char words[100];

			/* Where a field may be left out, nil is as if it was. */
			bool may_be_nil = wants[i][0][0] == 'o' || strcmp(wants[i][0], "why") == 0;

			if (may_be_nil && strcmp(values[j].is, "nil") == 0)
				continue;
			if (strcmp(values[j].wanted, wants[i][1]) == 0)
				continue;
			snprintf(words, sizeof words, "rich.thing: %s: is %s, not %s", wants[i][0],
				values[j].is, wants[i][1]);
			rich_refused(wants[i][0], values[j].bytes, values[j].size, words);
		}
	}
	tear_down();
}
END_TEST

START_TEST(values_out_of_range)
{
	set_up(1024 * 1024);
	RICH_REFUSED("n", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
		"rich.thing: n: is above 9223372036854775807");
	RICH_REFUSED("on", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "rich.thing: on: is above");
	RICH_REFUSED("i", "\xd4\x01x", "i: is an ext value of type 1 and 1 bytes, not an id");
	RICH_REFUSED("oi",
		"\xd8\x02"
		"0123456789abcdef",
		"oi: is an ext value of type 2 and 16");
	RICH_REFUSED("t",
		"\xa3"
		"a\0b",
		"rich.thing: t: has a NUL in it");
	RICH_REFUSED("t",
		"\xa8"
		"abcdefg\0",
		"rich.thing: t: has a NUL in it");
	RICH_REFUSED("ot", "\xa2\xc1\xbf", "rich.thing: ot: is no UTF-8");
	RICH_REFUSED("l", "\x91\x05", "rich.thing: l[0]: is an integer, not a struct");
	RICH_REFUSED("p", "\x81\xa6leaves\x91\x81\xa4name\x05", "p.leaves[0].name: is an integer");
	RICH_REFUSED("op",
		"\x81\xa4"
		"best\x80",
		"rich.thing: op.best.name: is missing");
	tear_down();
}
END_TEST

START_TEST(no_utf8)
{
	static const char *const wrong[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
		"\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xef\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
		"\xf0\x9f\x98", "\xe2\x82\x28" };
	static const char *const right[] = { "", "\x01", "\x7f", "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf" };
	const void *body;

	set_up(1024 * 1024);
	for (size_t lead = 0; lead < 20; lead++) {
		for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
			char text[64];

			snprintf(text, sizeof text, "%.*s%sxyz", (int)lead, "aaaaaaaaaaaaaaaaaaaa",
				wrong[i]);
			check_error(saga__body_encode(&buffer, &small.body,
					    &(struct small){ .t = text }, NULL, &error),
				SAGA_MALFORMED, "small.thing: t: is no UTF-8");
		}
		for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
			char text[64];

			snprintf(text, sizeof text, "%.*s%s", (int)lead, "aaaaaaaaaaaaaaaaaaaa",
				right[i]);
			ck_assert_int_eq(saga__body_encode(&buffer, &small.body,
						 &(struct small){ .t = text }, NULL, &error),
				SAGA_OK);
			saga__arena_reset(&arena);
			ck_assert_int_eq(saga__body_decode(decoder, &arena,
						 (saga_bytes){ buffer.at, buffer.size },
						 &small.body, &body, &error),
				SAGA_OK);
			ck_assert_str_eq(((const struct small *)body)->t, text);
		}
	}
	tear_down();
}
END_TEST

START_TEST(keys_of_a_body)
{
	const struct small *body;

	set_up(1024 * 1024);
	BODY_REFUSED(small, "\x80", "small.thing: t: is missing");
	BODY_REFUSED(small, "\x82\xa1t\xa1x\xa1t\xa1y", "small.thing: t: is there twice");
	BODY_REFUSED(small, "\x81\xa2t\0\xa1x", "small.thing: t: is missing");
	BODY_REFUSED(small, "\x91\xc0", "small.thing: is a list, no map");
	BODY_REFUSED(small, "\x81\xc0\xc0", "small.thing: byte 1 is a key that is no text");

	/* other order, unknown ones (twice), no reason */
	saga_bytes wire = copy_of("\x84\xa1n\x05\xa3new\x91\xc0\xa3new\xc0\xa1t\xa1x", 19);

	ck_assert_int_eq(saga__body_decode(decoder, &arena, wire, &small.body,
				 (const void **)(void *)&body, &error),
		SAGA_OK);
	ck_assert_str_eq(body->t, "x");
	ck_assert(body->has_n);
	ck_assert_int_eq(body->n, 5);
	ck_assert_str_eq(body->why, "");
	free_wire(wire);
	tear_down();
}
END_TEST

/* Other senders write nil for what is absent, as JSON has null. */
START_TEST(nil_is_unset)
{
	static const char *const optional[] = { "ot", "on", "of", "ob", "oi", "op" };
	const struct rich *body;
	const struct small *little;
	saga_bytes wire;

	set_up(1024 * 1024);
	wire = copy_of("\x83\xa1t\xa1x\xa1n\xc0\xa3why\xc0", 13);
	ck_assert_msg(saga__body_decode(decoder, &arena, wire, &small.body,
			      (const void **)(void *)&little, &error) == SAGA_OK,
		"%s", error.text);
	ck_assert(!little->has_n);
	ck_assert_str_eq(little->why, "");
	free_wire(wire);
	BODY_REFUSED(small, "\x83\xa1t\xa1x\xa1n\xc0\xa1n\x05", "small.thing: n: is there twice");
	BODY_REFUSED(small, "\x81\xa1t\xc0", "small.thing: t: is nil, not a text");
	BODY_REFUSED(lists, "\x81\xa5lines\xc0", "lists.thing: lines: is nil, not a list");

	for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
		char nil[4] = { (char)0xa2, optional[i][0], optional[i][1], (char)0xc0 };
		size_t size;
		char *more;

		ck_assert_int_eq(saga__body_encode(&buffer, &rich.body,
					 &(struct rich){ .t = "t", .b = { "", 0 } }, "", &error),
			SAGA_OK);
		size = buffer.size;
		more = malloc(size + sizeof nil);
		ck_assert_ptr_nonnull(more);
		memcpy(more, buffer.at, size);
		ck_assert_int_eq(more[0] & 0xf0, 0x80);
		more[0]++;
		memcpy(more + size, nil, sizeof nil);
		wire = copy_of(more, size + sizeof nil);
		free(more);
		ck_assert_msg(saga__body_decode(decoder, &arena, wire, &rich.body,
				      (const void **)(void *)&body, &error) == SAGA_OK,
			"%s: %s", optional[i], error.text);
		ck_assert(!body->ot && !body->has_on && !body->has_of && !body->ob.at &&
			!body->has_oi && !body->op);
		free_wire(wire);
	}
	tear_down();
}
END_TEST

START_TEST(integers_of_any_width)
{
	static const struct {
		const char *bytes;
		size_t size;
		int64_t is;
	} forms[] = {
		{ "\x07", 1, 7 },
		{ "\xcc\x07", 2, 7 },
		{ "\xcd\x00\x07", 3, 7 },
		{ "\xce\x00\x00\x00\x07", 5, 7 },
		{ "\xcf\x00\x00\x00\x00\x00\x00\x00\x07", 9, 7 },
		{ "\xd0\x07", 2, 7 },
		{ "\xd1\x00\x07", 3, 7 },
		{ "\xd2\x00\x00\x00\x07", 5, 7 },
		{ "\xd3\x00\x00\x00\x00\x00\x00\x00\x07", 9, 7 },
		{ "\xf9", 1, -7 },
		{ "\xd0\xf9", 2, -7 },
		{ "\xd1\xff\xf9", 3, -7 },
		{ "\xd2\xff\xff\xff\xf9", 5, -7 },
		{ "\xd3\xff\xff\xff\xff\xff\xff\xff\xf9", 9, -7 },
		{ "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX },
		{ "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, INT64_MIN },
	};

	set_up(1024 * 1024);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		char bytes[32] = "\x82\xa1t\xa0\xa1n";
		const struct small *body;

		memcpy(bytes + 6, forms[i].bytes, forms[i].size);

		saga_bytes wire = copy_of(bytes, 6 + forms[i].size);

		ck_assert_int_eq(saga__body_decode(decoder, &arena, wire, &small.body,
					 (const void **)(void *)&body, &error),
			SAGA_OK);
		ck_assert_int_eq(body->n, forms[i].is);
		free_wire(wire);
	}
	tear_down();
}
END_TEST

START_TEST(empty_bytes_are_not_absent)
{
	struct saga__arena bodies;
	struct random random = { 3 };
	const struct rich *back;

	set_up(1024 * 1024);
	saga__arena_init(&bodies, 1024 * 1024);

	struct rich *body = random_body(&random, &bodies, &rich.body);

	body->b = (saga_bytes){ NULL, 0 };
	body->ob = (saga_bytes){ "", 0 };
	ck_assert_int_eq(saga__body_encode(&buffer, &rich.body, body, NULL, &error), SAGA_OK);
	ck_assert_int_eq(saga__body_decode(decoder, &arena, (saga_bytes){ buffer.at, buffer.size },
				 &rich.body, (const void **)(void *)&back, &error),
		SAGA_OK);
	ck_assert_ptr_nonnull(back->b.at);
	ck_assert_ptr_nonnull(back->ob.at);
	ck_assert_uint_eq(back->ob.size, 0);
	body->b = (saga_bytes){ NULL, 3 };
	check_error(saga__body_encode(&buffer, &rich.body, body, NULL, &error), SAGA_MALFORMED,
		"rich.thing: b: is NULL, of 3 bytes");
	ck_assert_uint_eq(buffer.size, 0);
	saga__arena_free(&bodies);
	tear_down();
}
END_TEST

START_TEST(lists_of_little_do_not_swell)
{
	static char bytes[60000];
	const void *body;

	set_up(1024 * 1024);
	memcpy(bytes, "\x81\xa5lines\xdc\xe0\x00", 10);
	memset(bytes + 10, 0x80, 0xe000);
	check_error(saga__body_decode(decoder, &arena, (saga_bytes){ bytes, 10 + 0xe000 },
			    &lists.body, &body, &error),
		SAGA_MALFORMED, "lists.thing: lines[0].sku: is missing");
	saga__arena_free(&arena);
	saga__arena_init(&arena, 100000);
	check_error(saga__body_decode(decoder, &arena, (saga_bytes){ bytes, 10 + 0xe000 },
			    &lists.body, &body, &error),
		SAGA_TOO_BIG, "lines: takes more than 100000 bytes");
	tear_down();
}
END_TEST

/* ---- encoding ---- */

START_TEST(encoding_refuses_bodies)
{
	const struct order_line lines[] = { { "a", 1 }, { NULL, 2 } };
	struct order_placed body = shop_body;

	set_up(1024 * 1024);
	body.country = NULL;
	check_error(saga__event_encode(&buffer, &shop_event, &order_placed, &body, NULL, &error),
		SAGA_MALFORMED, "order.placed: country: is NULL");
	ck_assert_uint_eq(buffer.size, 0);
	ck_assert_int_eq(saga__event_encode(&buffer, &shop_event, &order_placed, &body, NULL, NULL),
		SAGA_MALFORMED);
	body = shop_body;
	body.lines = lines;
	body.lines_count = 2;
	check_error(saga__event_encode(&buffer, &shop_event, &order_placed, &body, NULL, &error),
		SAGA_MALFORMED, "order.placed: lines[1].sku: is NULL");
	body.lines = NULL;
	check_error(saga__event_encode(&buffer, &shop_event, &order_placed, &body, NULL, &error),
		SAGA_MALFORMED, "order.placed: lines: is NULL, of 2 elements");
	body.lines_count = 0;
	ck_assert_int_eq(
		saga__event_encode(&buffer, &shop_event, &order_placed, &body, NULL, &error),
		SAGA_OK);
	check_error(saga__event_encode(&buffer, &shop_event, &order_placed, NULL, NULL, &error),
		SAGA_MALFORMED, "order.placed: customer: is missing");
	tear_down();
}
END_TEST

/* It would be dropped, and nobody told. */
START_TEST(a_value_without_its_has_is_refused)
{
	set_up(1024 * 1024);
	check_error(saga__body_encode(&buffer, &small.body,
			    &(struct small){ .t = "t", .n = 7, .why = "" }, NULL, &error),
		SAGA_MALFORMED, "n: has a value, but has_n is false");
	ck_assert_int_eq(saga__body_encode(&buffer, &small.body,
				 &(struct small){ .t = "t", .n = 7, .has_n = true, .why = "" },
				 NULL, &error),
		SAGA_OK);
	ck_assert_int_eq(saga__body_encode(&buffer, &small.body,
				 &(struct small){ .t = "t", .why = "" }, NULL, &error),
		SAGA_OK);
	tear_down();
}
END_TEST

START_TEST(reasons_left_out)
{
	const struct excuse *body;

	set_up(1024 * 1024);
	ck_assert_int_eq(
		saga__body_encode(&buffer, &excuse.body, NULL, "too late", &error), SAGA_OK);
	ck_assert_int_eq(saga__body_decode(decoder, &arena, (saga_bytes){ buffer.at, buffer.size },
				 &excuse.body, (const void **)(void *)&body, &error),
		SAGA_OK);
	ck_assert_str_eq(body->why, "too late");
	ck_assert_ptr_null(body->more);
	ck_assert_int_eq(saga__body_encode(&buffer, &excuse.body, &(struct excuse){ .more = "m" },
				 "late", &error),
		SAGA_OK);
	ck_assert_int_eq(saga__body_decode(decoder, &arena, (saga_bytes){ buffer.at, buffer.size },
				 &excuse.body, (const void **)(void *)&body, &error),
		SAGA_OK);
	ck_assert_str_eq(body->why, "late");
	ck_assert_str_eq(body->more, "m");
	ck_assert_int_eq(saga__body_encode(&buffer, &excuse.body, &(struct excuse){ .why = "w" },
				 "late", &error),
		SAGA_OK);
	ck_assert_int_eq(memcmp(buffer.at, "\x81\xa3why\xa1w", 7), 0);
	ck_assert_int_eq(
		saga__body_encode(&buffer, &excuse.body, &(struct excuse){ 0 }, NULL, &error),
		SAGA_OK);
	ck_assert_int_eq(memcmp(buffer.at, "\x81\xa3why\xa0", 6), 0);
	/* It is often a peer's: that is no ground to fail. */
	ck_assert_int_eq(
		saga__body_encode(&buffer, &excuse.body, NULL, "Stra\xdf!", &error), SAGA_OK);
	ck_assert_int_eq(memcmp(buffer.at, "\x81\xa3why\xa6Stra?!", 12), 0);
	check_error(saga__body_encode(&buffer, &excuse.body, &(struct excuse){ .more = "\xff" },
			    NULL, &error),
		SAGA_MALFORMED, "some.excuse: more: is no UTF-8");
	tear_down();
}
END_TEST

START_TEST(sizes_beyond_a_buffer)
{
	struct order_placed body = shop_body;
	struct random random = { 5 };
	static char text[70000];

	set_up(1024 * 1024);
	memset(text, 'x', sizeof text - 1);
	body.customer = text;
	check_error(saga__body_encode(&buffer, &order_placed.body, &body, NULL, &error),
		SAGA_TOO_BIG, "takes more than 65536 bytes");
	body = shop_body;
	body.lines_count = SIZE_MAX;
	check_error(saga__body_encode(&buffer, &order_placed.body, &body, NULL, &error),
		SAGA_TOO_BIG, "takes more than 65536 bytes");

	struct rich *some = random_body(&random, &arena, &rich.body);

	some->b.size = SIZE_MAX;
	check_error(saga__body_encode(&buffer, &rich.body, some, NULL, &error), SAGA_TOO_BIG,
		"takes more than 65536 bytes");
	tear_down();
}
END_TEST

RUN_TESTS("event_body", values_of_another_kind, values_out_of_range, no_utf8, keys_of_a_body,
	nil_is_unset, integers_of_any_width, empty_bytes_are_not_absent,
	lists_of_little_do_not_swell, encoding_refuses_bodies, a_value_without_its_has_is_refused,
	reasons_left_out, sizes_beyond_a_buffer)
