#include "event_wire.h"

#include "event/schema.h"

static const char *const keys[] = { "specversion", "id", "source", "type", "version", "sagaid",
	"time", "data", "sequence", "causationid", "subject", "traceparent" };

static void put_value(struct hand *hand, const char *key)
{
	put_text(hand, key);
	if (strcmp(key, "specversion") == 0)
		put_text(hand, "1.0");
	else if (strcmp(key, "id") == 0 || strcmp(key, "sagaid") == 0 ||
		strcmp(key, "causationid") == 0)
		put_id(hand, 7);
	else if (strcmp(key, "version") == 0)
		msgpack_pack_int(&hand->packer, 1);
	else if (strcmp(key, "time") == 0 || strcmp(key, "sequence") == 0)
		msgpack_pack_int64(&hand->packer, 12345);
	else if (strcmp(key, "data") == 0)
		msgpack_pack_map(&hand->packer, 0);
	else
		put_text(hand, "bare.thing");
}

/* An event of all keys; at `at` (beyond: nowhere) the bytes stand in place of its value. */
static saga_bytes event_with(const char *key, const void *value, size_t size)
{
	struct hand hand;

	hand_init(&hand);
	msgpack_pack_map(&hand.packer, 12);
	for (size_t i = 0; i < 12; i++) {
		if (strcmp(keys[i], key) == 0) {
			put_text(&hand, key);
			put_raw(&hand, value, size);
		} else {
			put_value(&hand, keys[i]);
		}
	}
	return hand_end(&hand);
}

static int decode(saga_bytes wire, struct saga_event *ret_event)
{
	int code = saga__event_decode(decoder, &arena, wire, ret_event, &error);

	ck_assert_int_eq(saga__event_decode(decoder, &arena, wire, ret_event, NULL), code);
	return code;
}

static void refused(saga_bytes wire, const char *words)
{
	struct saga_event event = { .version = 77 };

	check_error(decode(wire, &event), SAGA_MALFORMED, words);
	ck_assert_int_eq(event.version, 77);
	free_wire(wire);
}

#define REFUSED(key_, bytes_, words_) refused(event_with(key_, bytes_, sizeof(bytes_) - 1), words_)

START_TEST(events_come_back)
{
	struct saga_event event;

	set_up(64 * 1024);

	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);

	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_ptr_null(event.body);
	ck_assert_ptr_null(saga_event_body(&event, &order_placed));
	ck_assert_int_eq(
		saga__event_decode_body(decoder, &arena, &event, &order_placed, &error), SAGA_OK);
	ck_assert_ptr_eq(event.of, &order_placed);
	ck_assert(same_body(&order_placed.body, event.body, &shop_body));
	ck_assert_int_eq(memcmp(&event.id, &shop_event.id, 16), 0);
	ck_assert_int_eq(memcmp(&event.saga, &shop_event.saga, 16), 0);
	ck_assert_int_eq(memcmp(&event.causation, &shop_event.causation, 16), 0);
	ck_assert_int_eq(event.time, shop_event.time);
	ck_assert_uint_eq(event.sequence, 42);
	ck_assert_int_eq(event.version, 1);
	ck_assert_str_eq(event.source, "order");
	ck_assert_str_eq(event.type, "order.placed");
	ck_assert_str_eq(event.subject, "line-2");
	ck_assert_str_eq(event.traceparent, shop_event.traceparent);
	ck_assert((const char *)event.data.at + event.data.size > (const char *)wire.at);

	/* again, from the bytes of the body */
	saga_bytes again = wire_of(&event, NULL, NULL);

	ck_assert_uint_eq(again.size, wire.size);
	ck_assert_int_eq(memcmp(again.at, wire.at, wire.size), 0);
	free_wire(again);
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(what_is_empty_is_left_out)
{
	struct saga_event event = { .source = "s", .time = -1 };

	set_up(64 * 1024);

	saga_bytes wire = wire_of(&event, &bare, NULL);

	ck_assert_uint_eq(*(const unsigned char *)wire.at, 0x88);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_int_eq(event.time, -1);
	ck_assert_uint_eq(event.sequence, 0);
	ck_assert_str_eq(event.subject, "");
	ck_assert_str_eq(event.traceparent, "");
	ck_assert_int_eq(saga__event_decode_body(decoder, &arena, &event, &bare, &error), SAGA_OK);
	ck_assert_ptr_nonnull(saga_body(&event, bare));
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(any_order_and_more_keys_are_fine)
{
	struct saga_event event;
	struct hand hand;

	set_up(64 * 1024);
	hand_init(&hand);
	msgpack_pack_map(&hand.packer, 14);
	put_text(&hand, "newer");
	put_raw(&hand,
		"\x81\xa1x\x93\xc0\xcb@\t!\xfbTD-\x18\xd9\x03"
		"abc",
		19);
	for (size_t i = 12; i-- > 0;)
		put_value(&hand, keys[i]);
	put_text(&hand, "a key of more than thirty-one bytes");
	put_raw(&hand, "\xdc\x00\x01\xcc\xff", 5);

	saga_bytes wire = hand_end(&hand);

	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_str_eq(event.type, "bare.thing");
	ck_assert_int_eq(saga__event_decode_body(decoder, &arena, &event, &bare, &error), SAGA_OK);
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(long_forms_are_fine)
{
	static const char id[] = "\xc7\x10\x01"
				 "0123456789abcdef";
	struct saga_event event;

	set_up(64 * 1024);

	saga_bytes wire = event_with("id", id, sizeof id - 1);

	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_int_eq(memcmp(event.id.bytes, "0123456789abcdef", 16), 0);
	free_wire(wire);
	wire = event_with("sequence", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_uint_eq(event.sequence, INT64_MAX);
	free_wire(wire);
	wire = event_with("time", "\xd3\xff\xff\xff\xff\xff\xff\xff\xfe", 9);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_int_eq(event.time, -2);
	free_wire(wire);
	wire = event_with("subject", "\xdb\x00\x00\x00\x02\xc3\xa9", 7);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_str_eq(event.subject, "\xc3\xa9");
	free_wire(wire);
	wire = event_with("data", "\xdf\x00\x00\x00\x00", 5);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_int_eq(saga__event_decode_body(decoder, &arena, &event, &bare, &error), SAGA_OK);
	free_wire(wire);
	wire = event_with("data", "\xde\x00\x00", 3);
	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(missing_and_doubled_keys)
{
	struct saga_event event;

	set_up(64 * 1024);
	for (size_t missing = 0; missing < 12; missing++) {
		struct hand hand;

		hand_init(&hand);
		msgpack_pack_map(&hand.packer, 11);
		for (size_t i = 0; i < 12; i++)
			if (i != missing)
				put_value(&hand, keys[i]);

		saga_bytes wire = hand_end(&hand);
		char words[40];

		snprintf(words, sizeof words, "event: %s: is missing", keys[missing]);
		if (missing < 8) {
			refused(wire, words);
		} else {
			ck_assert_int_eq(decode(wire, &event), SAGA_OK);
			free_wire(wire);
		}
	}
	for (size_t doubled = 0; doubled < 12; doubled++) {
		struct hand hand;
		char words[40];

		hand_init(&hand);
		msgpack_pack_map(&hand.packer, 13);
		for (size_t i = 0; i < 12; i++)
			put_value(&hand, keys[i]);
		put_value(&hand, keys[doubled]);
		snprintf(words, sizeof words, "event: %s: is there twice", keys[doubled]);
		refused(hand_end(&hand), words);
	}
	tear_down();
}
END_TEST

START_TEST(wrong_attributes)
{
	static const char type64[] =
		"\xd9\x40"
		"0123456789012345678901234567890123456789012345678901234567890123";
	static const char *const textual[] = { "specversion", "source", "type", "subject" };

	set_up(64 * 1024);
	for (size_t i = 0; i < 4; i++) {
		const char *no_utf8 = i ? ": is no UTF-8" : ": is not 1.0";

		REFUSED(textual[i], "\x05", ": is an integer, not a text");
		if (i < 3)
			REFUSED(textual[i], "\xc0", ": is nil, not a text");
		REFUSED(textual[i], "\xa2\xc3\x28", no_utf8);
		REFUSED(textual[i], "\xa2\xc0\x80", no_utf8);
		REFUSED(textual[i], "\xa3\xed\xa0\x80", no_utf8);
		REFUSED(textual[i], "\xa4\xf4\x90\x80\x80", no_utf8);
		REFUSED(textual[i],
			"\xa3"
			"a\0b",
			i ? ": has a NUL in it" : no_utf8);
	}
	REFUSED("specversion",
		"\xa3"
		"0.3",
		"event: specversion: is not 1.0");
	REFUSED("specversion",
		"\xd9\x03"
		"1.1",
		"event: specversion: is not 1.0");
	REFUSED("source", "\xa0", "event: source: is empty");
	REFUSED("type", "\xa0", "event: type: is not of 1 to 63 bytes");
	refused(event_with("type", type64, sizeof type64 - 1), "type: is not of 1 to 63 bytes");
	REFUSED("id",
		"\xd8\x02"
		"0123456789abcdef",
		"event: id: is an ext value, not an id");
	REFUSED("id",
		"\xd7\x01"
		"01234567",
		"event: id: is an ext value, not an id");
	REFUSED("sagaid",
		"\xc4\x10"
		"0123456789abcdef",
		"event: sagaid: is bytes, not an id");
	REFUSED("causationid", "\x90", "event: causationid: is a list, not an id");
	REFUSED("version", "\x00", "event: version: is not from 1");
	REFUSED("version", "\xff", "event: version: is not from 1");
	REFUSED("version", "\xce\x80\x00\x00\x00", "event: version: is not from 1");
	REFUSED("version", "\xca\x00\x00\x00\x00", "version: is a floating point number");
	REFUSED("time", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		"time: is an integer beyond 63 bits");
	REFUSED("time", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", "event: time: is not of the years");
	REFUSED("time", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "event: time: is not of the years");
	REFUSED("sequence", "\xff", "event: sequence: is negative");
	REFUSED("sequence", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
		"event: sequence: is an integer beyond 63 bits");
	REFUSED("sequence", "\xc3", "event: sequence: is a flag");
	REFUSED("data", "\x90", "event: data: is a list, not a map");
	REFUSED("data", "\xc0", "event: data: is nil, not a map");
	REFUSED("data", "\x81\x05\x05", "is a key that is no text");
	REFUSED("data", "\x81\xa1x\x81\xc0\x05", "is a key that is no text");
	REFUSED("data", "\xc1", "is no MessagePack");
	tear_down();
}
END_TEST

/* For what is longer, stores and outside calls have no room. */
static void check_length(const char *key, const char **attribute, struct saga_event *event)
{
	char value[3 + SAGA__SUBJECT_MOST + 1] = "\xda", text[SAGA__SUBJECT_MOST + 2], words[64];
	saga_bytes wire;

	memset(value + 3, 'x', sizeof value - 3);
	memset(text, 'x', sizeof text);
	*attribute = text;
	text[SAGA__SUBJECT_MOST] = '\0';
	value[2] = (char)SAGA__SUBJECT_MOST;
	free_wire(wire_of(event, &bare, NULL));
	wire = event_with(key, value, sizeof value - 1);
	ck_assert_int_eq(decode(wire, event), SAGA_OK);
	free_wire(wire);

	*event = (struct saga_event){ .source = "s" };
	*attribute = text;
	text[SAGA__SUBJECT_MOST] = 'x';
	text[SAGA__SUBJECT_MOST + 1] = '\0';
	value[1] = 1;
	value[2] = 0;
	snprintf(words, sizeof words, "%s: is longer than 255 bytes", key);
	check_error(saga__event_encode(&buffer, event, &bare, NULL, NULL, &error), SAGA_MALFORMED,
		words);
	if (strcmp(key, "traceparent") != 0)
		refused(event_with(key, value, sizeof value), words);
}

/* The event without that attribute is as good. */
static struct saga_event check_read(const char *key, const void *value, size_t size)
{
	saga_bytes wire = event_with(key, value, size);
	struct saga_event event;

	ck_assert_msg(decode(wire, &event) == SAGA_OK, "%s: %s", key, error.text);
	ck_assert_int_eq(event.saga.bytes[0], 7);
	ck_assert_int_eq(event.time, 12345);
	free_wire(wire);
	return event;
}

START_TEST(nil_is_unset)
{
	set_up(64 * 1024);
	ck_assert_str_eq(check_read("subject", "\xc0", 1).subject, "");
	ck_assert_str_eq(check_read("traceparent", "\xc0", 1).traceparent, "");
	ck_assert_uint_eq(check_read("sequence", "\xc0", 1).sequence, 0);
	ck_assert_int_eq(check_read("causationid", "\xc0", 1).causation.bytes[0], 0);
	ck_assert_str_eq(check_read("subject", "\xc0", 1).traceparent, "bare.thing");
	REFUSED("id", "\xc0", "event: id: is nil, not an id");
	REFUSED("sagaid", "\xc0", "event: sagaid: is nil, not an id");
	REFUSED("version", "\xc0", "event: version: is nil, not an integer");
	REFUSED("time", "\xc0", "event: time: is nil, not an integer");
	tear_down();
}
END_TEST

/* It only serves who looks for faults, and must not cost an event. */
START_TEST(a_traceparent_that_is_none_is_dropped)
{
	static const struct {
		const char *at;
		size_t size;
	} odd[] = { { "\x05", 1 }, { "\xa2\xc3\x28", 3 },
		{ "\xa3"
		  "a\0b",
			4 },
		{ "\x80", 1 }, { "\x91\xc0", 2 }, { "\xc4\x01x", 3 }, { "\xa0", 1 } };
	char value[3 + SAGA__SUBJECT_MOST + 1] = "\xda\x01";

	set_up(64 * 1024);
	memset(value + 3, 'x', sizeof value - 3);
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		ck_assert_str_eq(check_read("traceparent", odd[i].at, odd[i].size).traceparent, "");
	ck_assert_str_eq(check_read("traceparent", value, sizeof value).traceparent, "");
	ck_assert_str_eq(check_read("traceparent", "\xda\x00\x01x", 4).traceparent, "x");
	REFUSED("traceparent", "\xc1", "is no MessagePack");
	tear_down();
}
END_TEST

START_TEST(long_attributes_are_refused)
{
	struct saga_event event = { .source = "s" };

	set_up(64 * 1024);
	check_length("subject", &event.subject, &event);
	event = (struct saga_event){ .source = "s" };
	check_length("traceparent", &event.traceparent, &event);
	event = (struct saga_event){ .source = "s" };
	check_length("source", &event.source, &event);
	tear_down();
}
END_TEST

/* A map of a map ... of nil: so many of them. */
static saga_bytes deep(bool event, size_t levels)
{
	char bytes[200];
	size_t size = 0;

	for (size_t i = 0; i < levels; i++) {
		memcpy(bytes + size, "\x81\xa1x", 3);
		size += 3;
	}
	bytes[size++] = '\xc0';
	return event ? event_with("data", bytes, size) : copy_of(bytes, size);
}

START_TEST(depth_has_an_end)
{
	struct saga_event event;
	const void *body;

	set_up(64 * 1024);

	saga_bytes wire = deep(true, SAGA__DEPTH + 1);

	ck_assert_int_eq(decode(wire, &event), SAGA_OK);
	ck_assert_int_eq(saga__event_decode_body(decoder, &arena, &event, &bare, &error), SAGA_OK);
	free_wire(wire);
	refused(deep(true, SAGA__DEPTH + 2), "nests too deep");
	wire = deep(false, SAGA__DEPTH + 1);
	ck_assert_int_eq(
		saga__body_decode(decoder, &arena, wire, &bare.body, &body, &error), SAGA_OK);
	free_wire(wire);
	wire = deep(false, SAGA__DEPTH + 2);
	check_error(saga__body_decode(decoder, &arena, wire, &bare.body, &body, &error),
		SAGA_MALFORMED, "nests too deep");
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(counts_are_held_against_the_bytes_left)
{
	static const struct {
		const char *bytes;
		size_t size;
	} greedy[] = {
		{ "\xdd\xff\xff\xff\xff", 5 }, /* 96 GB, if it were believed */
		{ "\xdf\xff\xff\xff\xff", 5 },
		{ "\xdf\x80\x00\x00\x00", 5 },
		{ "\xdc\xff\xff", 3 },
		{ "\xde\xff\xff", 3 },
		{ "\x9f", 1 },
		{ "\x81", 1 },
		{ "\xdb\xff\xff\xff\xff", 5 },
		{ "\xc6\xff\xff\xff\xff", 5 },
		{ "\xc9\xff\xff\xff\xff\x01", 6 },
	};
	struct saga_event event;
	const void *body = &body;

	set_up(64 * 1024);
	for (size_t i = 0; i < sizeof greedy / sizeof greedy[0]; i++) {
		saga_bytes wire = copy_of(greedy[i].bytes, greedy[i].size);

		ck_assert_int_eq(decode(wire, &event), SAGA_MALFORMED);
		ck_assert_int_eq(
			saga__body_decode(decoder, &arena, wire, &bare.body, &body, &error),
			SAGA_MALFORMED);
		ck_assert_ptr_eq(body, &body);
		free_wire(wire);

		struct hand hand;

		hand_init(&hand);
		msgpack_pack_map(&hand.packer, 1);
		put_text(&hand, "data");
		put_raw(&hand, "\x81\xa1x", 3);
		put_raw(&hand, greedy[i].bytes, greedy[i].size);
		wire = hand_end(&hand);
		ck_assert_int_eq(decode(wire, &event), SAGA_MALFORMED);
		free_wire(wire);
	}
	tear_down();
}
END_TEST

START_TEST(nothing_may_follow)
{
	set_up(64 * 1024);

	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);
	char *longer = malloc(wire.size + 1);
	const void *body;

	memcpy(longer, wire.at, wire.size);
	longer[wire.size] = '\xc0';
	free_wire(wire);
	refused((saga_bytes){ longer, wire.size + 1 }, "follows the end");
	wire = copy_of("\x80\x80", 2);
	check_error(saga__body_decode(decoder, &arena, wire, &bare.body, &body, &error),
		SAGA_MALFORMED, "bare.thing: byte 1 follows the end");
	free_wire(wire);
	check_error(saga__body_decode(
			    decoder, &arena, (saga_bytes){ NULL, 0 }, &bare.body, &body, &error),
		SAGA_MALFORMED, "bare.thing: byte 0 is cut short");
	refused(copy_of("", 0), "event: byte 0 is cut short");
	refused(copy_of("\x90", 1), "event: is a list, not a map");
	tear_down();
}
END_TEST

START_TEST(an_arena_has_its_limit)
{
	struct saga_event event;
	size_t least = 0;

	set_up(1);

	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);

	for (size_t limit = 0; limit < 2000; limit += 16) {
		saga__arena_free(&arena);
		saga__arena_init(&arena, limit);

		int code = saga__event_decode(decoder, &arena, wire, &event, &error);

		if (code == SAGA_OK)
			code = saga__event_decode_body(
				decoder, &arena, &event, &order_placed, &error);
		if (code != SAGA_OK) {
			check_error(code, SAGA_TOO_BIG, "bytes of memory");
			ck_assert_uint_eq(least, 0);
		} else if (least == 0) {
			least = limit;
		}
	}
	ck_assert_uint_gt(least, 0);
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(bodies_of_another_event_are_scanned_again)
{
	struct saga_event first, second;

	set_up(64 * 1024);

	saga_bytes a = wire_of(&shop_event, &order_placed, &shop_body);
	saga_bytes b = wire_of(&shop_event, &bare, NULL);

	ck_assert_int_eq(decode(a, &first), SAGA_OK);
	ck_assert_int_eq(decode(b, &second), SAGA_OK);
	ck_assert_int_eq(
		saga__event_decode_body(decoder, &arena, &first, &order_placed, &error), SAGA_OK);
	ck_assert(same_body(&order_placed.body, first.body, &shop_body));
	check_error(saga__event_decode_body(decoder, &arena, &second, &order_placed, &error),
		SAGA_MALFORMED, "order.placed: customer: is missing");
	ck_assert_ptr_null(second.of);
	first.data.size = 5;
	check_error(saga__event_decode_body(decoder, &arena, &first, &order_placed, &error),
		SAGA_MALFORMED, "order.placed: byte");
	first.data = (saga_bytes){ NULL, 0 };
	check_error(saga__event_decode_body(decoder, &arena, &first, &order_placed, &error),
		SAGA_MALFORMED, "order.placed: byte 0 is cut short");
	saga__decoder_free(NULL);
	free_wire(a);
	free_wire(b);
	tear_down();
}
END_TEST

RUN_TESTS("event_envelope", events_come_back, what_is_empty_is_left_out,
	any_order_and_more_keys_are_fine, long_forms_are_fine, missing_and_doubled_keys,
	long_attributes_are_refused, wrong_attributes, nil_is_unset,
	a_traceparent_that_is_none_is_dropped, depth_has_an_end,
	counts_are_held_against_the_bytes_left, nothing_may_follow, an_arena_has_its_limit,
	bodies_of_another_event_are_scanned_again)
