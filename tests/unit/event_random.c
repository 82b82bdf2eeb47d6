/* Random bodies come back the same; broken bytes are refused and never more than that. */
#include "event_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/json.h"
#include "rounds.h"
#include "saga_config.h"

struct bench {
	struct random random;
	struct saga__decoder *decoder;
	struct saga__arena bodies;
	struct saga__arena arena;
	struct saga__buffer buffer;
	saga_error error;
};

static void set_up(struct bench *bench, const char *test)
{
	*bench = (struct bench){ .random = random_of_test(test) };
	ck_assert_int_eq(saga__decoder_new(&bench->decoder), SAGA_OK);
	saga__arena_init(&bench->bodies, 64 * 1024 * 1024);
	saga__arena_init(&bench->arena, 64 * 1024 * 1024);
	saga__buffer_init(&bench->buffer, 64 * 1024 * 1024);
}

static void tear_down(struct bench *bench)
{
	saga__decoder_free(bench->decoder);
	saga__arena_free(&bench->bodies);
	saga__arena_free(&bench->arena);
	saga__buffer_free(&bench->buffer);
}

static const void *decode_rich(struct bench *bench, saga_bytes wire, struct saga_event *event)
{
	ck_assert_msg(saga__event_decode(
			      bench->decoder, &bench->arena, wire, event, &bench->error) == SAGA_OK,
		"%s", bench->error.text);
	ck_assert_msg(saga__event_decode_body(bench->decoder, &bench->arena, event, &rich,
			      &bench->error) == SAGA_OK,
		"%s", bench->error.text);
	return event->body;
}

#ifdef SAGA_HAVE_JSON
static void through_json(struct bench *bench, saga_bytes data, const void *body)
{
	size_t size = saga__json_body(data, NULL, 0);
	char *json = malloc(size + 1);
	const void *back;

	ck_assert_uint_eq(saga__json_body(data, json, size + 1), size);
	ck_assert_msg(saga__json_read(&bench->arena, (saga_bytes){ json, size }, &rich.body, &back,
			      &bench->error) == SAGA_OK,
		"%s in %s", bench->error.text, json);
	ck_assert(same_body(&rich.body, body, back));
	ck_assert_int_eq(
		saga__body_encode(&bench->buffer, &rich.body, back, NULL, &bench->error), SAGA_OK);
	ck_assert_uint_eq(bench->buffer.size, data.size);
	ck_assert_int_eq(memcmp(bench->buffer.at, data.at, data.size), 0);
	free(json);
}
#endif

START_TEST(bodies_come_back)
{
	struct bench bench;

	set_up(&bench, "bodies_come_back");
	for (int i = 0; i < rounds_of(1000); i++) {
		const void *body = random_body(&bench.random, &bench.bodies, &rich.body);
		saga_bytes wire = wire_of(&shop_event, &rich, body);
		struct saga_event event;

		ck_assert(same_body(&rich.body, body, decode_rich(&bench, wire, &event)));
#ifdef SAGA_HAVE_JSON
		through_json(&bench, event.data, body);
#endif
		free_wire(wire);
		saga__arena_reset(&bench.bodies);
		saga__arena_reset(&bench.arena);
	}
	tear_down(&bench);
}
END_TEST

/* Whatever the bytes are: an answer, and what is taken can be written and encoded again. */
static int try_wire(struct bench *bench, const void *at, size_t size)
{
	saga_bytes wire = copy_of(at, size);
	struct saga_event event;
	saga_event *read = NULL;
	const void *body;

	saga__arena_reset(&bench->arena);

	int code = saga__event_decode(bench->decoder, &bench->arena, wire, &event, &bench->error);

	ck_assert_int_eq(saga_event_read(wire, &read, NULL), code);
	if (code == SAGA_OK) {
		size_t length = saga__json_event(&event, NULL, 0);
		char *json = malloc(length + 1);

		saga__json_event(&event, json, length + 1);
		free(json);
		free_wire(wire_of(&event, NULL, NULL));
		saga_event_free(read);

		int of_body = saga__event_decode_body(
			bench->decoder, &bench->arena, &event, &rich, &bench->error);

		if (of_body == SAGA_OK)
			free_wire(wire_of(&event, &rich, event.body));
		else
			ck_assert_int_eq(of_body, SAGA_MALFORMED);
	} else {
		ck_assert_int_eq(code, SAGA_MALFORMED);
	}
	(void)saga__body_decode(
		bench->decoder, &bench->arena, wire, &rich.body, &body, &bench->error);
	(void)saga__json_body(wire, NULL, 0);
	free_wire(wire);
	return code;
}

static saga_bytes middling_wire(struct bench *bench)
{
	for (;;) {
		saga_bytes wire = wire_of(&shop_event, &rich,
			random_body(&bench->random, &bench->bodies, &rich.body));

		saga__arena_reset(&bench->bodies);
		if (wire.size > 500 && wire.size < 1500)
			return wire;
		free_wire(wire);
	}
}

START_TEST(what_is_cut_short_is_refused)
{
	struct bench bench;

	set_up(&bench, "what_is_cut_short_is_refused");
	for (int i = 0; i < 5; i++) {
		saga_bytes wire = middling_wire(&bench);

		for (size_t size = 0; size < wire.size; size++)
			ck_assert_int_eq(try_wire(&bench, wire.at, size), SAGA_MALFORMED);
		ck_assert_int_eq(try_wire(&bench, wire.at, wire.size), SAGA_OK);
		free_wire(wire);
	}
	tear_down(&bench);
}
END_TEST

START_TEST(no_changed_byte_does_harm)
{
	struct bench bench;

	set_up(&bench, "no_changed_byte_does_harm");

	saga_bytes wire = middling_wire(&bench);
	unsigned char *bytes = malloc(wire.size);

	memcpy(bytes, wire.at, wire.size);
	for (size_t i = 0; i < wire.size; i++) {
		unsigned char was = bytes[i];

		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] = (unsigned char)(was ^ 1u << bit);
			(void)try_wire(&bench, bytes, wire.size);
		}
		for (unsigned head = 0xc0; head < 0xe0; head++) {
			bytes[i] = (unsigned char)head;
			(void)try_wire(&bench, bytes, wire.size);
		}
		bytes[i] = was;
	}
	free(bytes);
	free_wire(wire);
	tear_down(&bench);
}
END_TEST

START_TEST(no_garbage_does_harm)
{
	struct bench bench;
	unsigned char bytes[200];

	set_up(&bench, "no_garbage_does_harm");
	for (int i = 0; i < rounds_of(30000); i++) {
		size_t size = random_below(&bench.random, sizeof bytes);

		for (size_t j = 0; j < size; j++)
			bytes[j] = (unsigned char)random_next(&bench.random);
		if (size && random_below(&bench.random, 2))
			bytes[0] = (unsigned char)(0x80 | random_below(&bench.random, 16));
		(void)try_wire(&bench, bytes, size);
	}
	tear_down(&bench);
}
END_TEST

START_TEST(several_changed_bytes_do_no_harm)
{
	struct bench bench;

	set_up(&bench, "several_changed_bytes_do_no_harm");

	saga_bytes wire = middling_wire(&bench);
	unsigned char *bytes = malloc(wire.size);

	for (int i = 0; i < rounds_of(10000); i++) {
		memcpy(bytes, wire.at, wire.size);
		for (size_t j = random_below(&bench.random, 6) + 1; j > 0; j--)
			bytes[random_below(&bench.random, wire.size)] =
				(unsigned char)random_next(&bench.random);
		(void)try_wire(&bench, bytes, wire.size);
	}
	free(bytes);
	free_wire(wire);
	tear_down(&bench);
}
END_TEST

#ifdef SAGA_HAVE_JSON
START_TEST(no_changed_json_does_harm)
{
	struct bench bench;
	struct saga_event event;

	set_up(&bench, "no_changed_json_does_harm");

	saga_bytes wire = middling_wire(&bench);

	decode_rich(&bench, wire, &event);

	size_t size = saga__json_body(event.data, NULL, 0);
	char *json = malloc(size + 1);
	const void *body;

	for (int i = 0; i < rounds_of(20000); i++) {
		saga__json_body(event.data, json, size + 1);
		for (size_t j = random_below(&bench.random, 3); j > 0; j--)
			json[random_below(&bench.random, size)] = (char)random_next(&bench.random);

		saga_bytes copy = copy_of(json,
			random_below(&bench.random, 4) ? size : random_below(&bench.random, size));

		(void)saga__json_read(&bench.arena, copy, &rich.body, &body, &bench.error);
		saga__arena_reset(&bench.bodies);
		free_wire(copy);
		if (i % 100 == 0) {
			saga__arena_reset(&bench.arena);
			decode_rich(&bench, wire, &event);
		}
	}
	free(json);
	free_wire(wire);
	tear_down(&bench);
}
END_TEST

RUN_TESTS("event_random", bodies_come_back, what_is_cut_short_is_refused, no_changed_byte_does_harm,
	no_garbage_does_harm, several_changed_bytes_do_no_harm, no_changed_json_does_harm)

#else

RUN_TESTS("event_random", bodies_come_back, what_is_cut_short_is_refused, no_changed_byte_does_harm,
	no_garbage_does_harm, several_changed_bytes_do_no_harm)

#endif
