#include "event_wire.h"

#include "event/schema.h"

static void event_not_encoded(const struct saga_event *event, const char *words)
{
	check_error(saga__event_encode(&buffer, event, NULL, NULL, NULL, &error), SAGA_MALFORMED,
		words);
	ck_assert_uint_eq(buffer.size, 0);
}

START_TEST(encoding_refuses_attributes)
{
	struct saga_event whole = shop_event;
	char type[65];

	set_up(1024 * 1024);
	whole.data = (saga_bytes){ "\x80", 1 };
	ck_assert_int_eq(saga__event_encode(&buffer, &whole, NULL, NULL, NULL, &error), SAGA_OK);

	struct saga_event event = whole;

	event.source = NULL;
	event_not_encoded(&event, "order.placed: source: is missing");
	event.source = "";
	event_not_encoded(&event, "order.placed: source: is missing");
	event.source = "\xff";
	event_not_encoded(&event, "order.placed: source: is no UTF-8");
	event = whole;
	event.type = NULL;
	event_not_encoded(&event, "event: type: is not of 1 to 63");
	event.type = "";
	event_not_encoded(&event, "type: is not of 1 to 63");
	memset(type, 'x', sizeof type);
	type[64] = '\0';
	event.type = type;
	event_not_encoded(&event, "type: is not of 1 to 63");
	event.type = "a\xff";
	event_not_encoded(&event, "type: is no UTF-8");
	event = whole;
	event.version = 0;
	event_not_encoded(&event, "version: is 0");
	event = whole;
	event.time = INT64_MAX;
	event_not_encoded(&event, "time: 9223372036854775807");
	event = whole;
	event.subject = "\xff";
	event_not_encoded(&event, "subject: is no UTF-8");
	event = whole;
	event.traceparent = "\xff";
	event_not_encoded(&event, "traceparent: is no UTF-8");
	event = whole;
	event.subject = event.traceparent = NULL;
	ck_assert_int_eq(saga__event_encode(&buffer, &event, NULL, NULL, NULL, &error), SAGA_OK);
	event.data = (saga_bytes){ NULL, 0 };
	event_not_encoded(&event, "order.placed: data: byte 0 is cut short");
	event.data = (saga_bytes){ "\x90", 1 };
	event_not_encoded(&event, "order.placed: data: is a list, no map");
	tear_down();
}
END_TEST

START_TEST(a_buffer_has_its_limit)
{
	set_up(1024 * 1024);

	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);

	for (size_t limit = 0; limit < wire.size + 20; limit++) {
		struct saga__buffer tight;

		saga__buffer_init(&tight, limit);
		for (int again = 0; again < 2; again++) {
			int code = saga__event_encode(
				&tight, &shop_event, &order_placed, &shop_body, NULL, &error);

			if (limit < wire.size) {
				check_error(code, SAGA_TOO_BIG, "order.placed: takes more than");
				ck_assert_uint_eq(tight.size, 0);
			} else {
				ck_assert_int_eq(code, SAGA_OK);
				ck_assert_uint_eq(tight.size, wire.size);
			}
		}
		saga__buffer_free(&tight);
	}
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(names_have_a_limit)
{
	char name[65];
	int64_t total = 7;
	saga_field field = { name, SAGA_KIND_INT64, 0, 0, 0, NULL };
	const saga_shape shape = { "long", sizeof total, sizeof(saga_field), 1, &field };
	const void *body;

	set_up(64 * 1024);
	memset(name, 'n', sizeof name);
	for (size_t size = 1; size < sizeof name; size++) {
		name[size] = '\0';
		field.name_size = (unsigned)size;

		int code = saga__body_encode(&buffer, &shape, &total, NULL, &error);

		if (size > SAGA__NAME_MOST) {
			check_error(code, SAGA_MISUSE, "nnn...: is too long a name");
		} else {
			ck_assert_int_eq(code, SAGA_OK);
			ck_assert_int_eq(saga__body_decode(decoder, &arena,
						 (saga_bytes){ buffer.at, buffer.size }, &shape,
						 &body, &error),
				SAGA_OK);
			ck_assert_int_eq(*(const int64_t *)body, total);
		}
		name[size] = 'n';
	}
	tear_down();
}
END_TEST

START_TEST(the_body_goes_from_where_it_is_said_to_the_end)
{
	struct saga_event event;

	set_up(64 * 1024);
	ck_assert_int_eq(
		saga__event_encode(&buffer, &shop_event, &order_placed, &shop_body, NULL, &error),
		SAGA_OK);
	ck_assert_int_eq(saga__event_decode(decoder, &arena, (saga_bytes){ buffer.at, buffer.size },
				 &event, &error),
		SAGA_OK);
	ck_assert_ptr_eq(event.data.at, buffer.at + buffer.body);
	ck_assert_uint_eq(event.data.size, buffer.size - buffer.body);
	tear_down();
}
END_TEST

/* ---- what users call ---- */

START_TEST(what_users_call)
{
	saga_type other = order_placed;
	struct saga_event event;

	set_up(64 * 1024);

	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);

	ck_assert_int_eq(saga__event_decode(decoder, &arena, wire, &event, &error), SAGA_OK);
	ck_assert_int_eq(
		saga__event_decode_body(decoder, &arena, &event, &order_placed, &error), SAGA_OK);
	ck_assert_ptr_eq(saga_body(&event, order_placed), event.body);
	ck_assert_ptr_eq(saga_event_body(&event, &other), event.body);
	ck_assert_ptr_null(saga_body(&event, rich));
	other.version = 2;
	ck_assert_ptr_null(saga_event_body(&event, &other));
	other = order_placed;
	other.body.size++;
	ck_assert_ptr_null(saga_event_body(&event, &other));
	ck_assert_str_eq(saga_event_type(&event), "order.placed");
	ck_assert_int_eq(saga_event_version(&event), 1);
	ck_assert_str_eq(saga_event_source(&event), "order");
	ck_assert_str_eq(saga_event_subject(&event), "line-2");
	ck_assert_int_eq(saga_event_time(&event), shop_event.time);
	ck_assert_uint_eq(saga_event_id(&event).bytes[4], 1);
	ck_assert_uint_eq(saga_event_saga(&event).bytes[4], 2);
	free_wire(wire);
	tear_down();
}
END_TEST

START_TEST(events_are_read_without_a_type)
{
	static const char json[] =
		"{\"customer\":\"ALFKI\",\"country\":\"DE\",\"total\":129900,\"lines\":["
		"{\"sku\":\"sku-1001\",\"quantity\":2},{\"sku\":\"sku-2002\",\"quantity\":1},"
		"{\"sku\":\"sku-3003\",\"quantity\":12}]}";
	saga_event *event = NULL;
	char text[512];
	static char big[16 * 1024 * 1024 + 1];
	saga_bytes wire = wire_of(&shop_event, &order_placed, &shop_body);

	ck_assert_int_eq(saga_event_read(wire, &event, &error), SAGA_OK);
	free_wire(wire);
	ck_assert_str_eq(saga_event_type(event), "order.placed");
	ck_assert_ptr_null(saga_body(event, order_placed));
	ck_assert_uint_eq(saga_event_json(event, text, sizeof text), sizeof json - 1);
	ck_assert_str_eq(text, json);
	saga_event_free(event);
	saga_event_free(NULL);

	saga_event *untouched = NULL;

	check_error(saga_event_read((saga_bytes){ "\x80", 1 }, &untouched, &error), SAGA_MALFORMED,
		"event: specversion: is missing");
	check_error(saga_event_read((saga_bytes){ NULL, 0 }, &untouched, &error), SAGA_MALFORMED,
		"event: byte 0 is cut short");
	check_error(saga_event_read((saga_bytes){ big, sizeof big }, &untouched, &error),
		SAGA_TOO_BIG, "event: has 16777217 bytes");
	ck_assert_ptr_null(untouched);
}
END_TEST

RUN_TESTS("event_encode", encoding_refuses_attributes, a_buffer_has_its_limit, names_have_a_limit,
	the_body_goes_from_where_it_is_said_to_the_end, what_users_call,
	events_are_read_without_a_type)
