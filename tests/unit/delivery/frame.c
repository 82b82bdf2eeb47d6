#include <stdio.h>
#include <time.h>

#include "common.h"

static struct saga__message message_of(int kind)
{
	struct saga__message message = { .kind = kind, .stream = the_stream, .last = 12 };

	strcpy(message.from, "stock");
	if (kind == SAGA__GONE)
		message.last = 0;
	if (kind == SAGA__BEAT || kind == SAGA__NEED || kind == SAGA__GONE)
		message.first = 9;
	if (kind != SAGA__GONE)
		message.id = id_of(12);
	if (kind == SAGA__SEEN) {
		message.shard = 5;
		message.of = 8;
	}
	if (kind == SAGA__EVENT)
		message.event = (saga_bytes){ "abc", 3 };
	return message;
}

static int decode(const void *at, size_t size, struct saga__message *ret_message)
{
	saga_error error = { 0 };
	int code = saga__frame_decode((saga_bytes){ at, size }, ret_message, &error);

	ck_assert_int_eq(code, error.code);
	ck_assert(!code == !error.text[0]);
	return code;
}

START_TEST(every_kind_comes_back)
{
	for (int kind = SAGA__EVENT; kind <= SAGA__FORK; kind++) {
		struct saga__message in = message_of(kind), out;
		unsigned char frame[256];
		size_t size = saga__frame_encode(&in, frame, sizeof frame);

		ck_assert_uint_gt(size, 0);
		ck_assert_uint_le(size - in.event.size, SAGA__FRAME_HEAD);
		ck_assert_int_eq(decode(frame, size, &out), SAGA_OK);
		ck_assert_int_eq(out.kind, kind);
		ck_assert_str_eq(out.from, "stock");
		ck_assert(saga__stream_same(&out.stream, &the_stream));
		ck_assert_uint_eq(out.first, in.first);
		ck_assert_uint_eq(out.last, in.last);
		ck_assert(same_id(out.id, in.id));
		ck_assert_uint_eq(out.shard, in.shard);
		ck_assert_uint_eq(out.of, in.of);
		ck_assert_uint_eq(out.event.size, in.event.size);
		if (in.event.size)
			ck_assert_mem_eq(out.event.at, in.event.at, in.event.size);
	}
}
END_TEST

START_TEST(bytes_are_what_they_were)
{
	static const unsigned char wire[] = { 1, 4, 0, 1, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 3, 62, 109, 106, 202, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1,
		9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a' };
	struct saga__message message = { .kind = SAGA__SEEN, .from = "a", .stream = the_stream };
	unsigned char frame[128];

	message.shard = 2;
	message.of = 256;
	message.last = 513;
	message.id.bytes[0] = 9;
	ck_assert_uint_eq(saga__frame_encode(&message, frame, sizeof frame), sizeof wire);
	ck_assert_mem_eq(frame, wire, sizeof wire);
}
END_TEST

START_TEST(encode_refuses_what_does_not_fit)
{
	struct saga__message message = message_of(SAGA__EVENT);
	unsigned char frame[256];
	size_t size = saga__frame_encode(&message, frame, sizeof frame);

	for (size_t i = 0; i < size; i++)
		ck_assert_uint_eq(saga__frame_encode(&message, frame, i), 0);
	message.event.size = SIZE_MAX;
	ck_assert_uint_eq(saga__frame_encode(&message, frame, sizeof frame), 0);
	message = message_of(SAGA__BEAT);
	memset(message.from, 'a', sizeof message.from);
	ck_assert_uint_eq(saga__frame_encode(&message, frame, sizeof frame), 0);
	message.from[0] = 0;
	ck_assert_uint_eq(saga__frame_encode(&message, frame, sizeof frame), 0);
	message = message_of(SAGA__FORK + 1);
	ck_assert_uint_eq(saga__frame_encode(&message, frame, sizeof frame), 0);
}
END_TEST

START_TEST(cut_or_longer_is_malformed)
{
	for (int kind = SAGA__EVENT; kind <= SAGA__FORK; kind++) {
		struct saga__message in = message_of(kind), out;
		unsigned char frame[256];
		size_t size = saga__frame_encode(&in, frame, sizeof frame);

		for (size_t i = 0; i + in.event.size <= size; i++) {
			unsigned char *exact = malloc(i + 1);

			memcpy(exact, frame, i);
			if (i < size)
				ck_assert_int_eq(decode(exact, i, &out), SAGA_MALFORMED);
			free(exact);
		}
		frame[size] = 0;
		if (kind != SAGA__EVENT)
			ck_assert_int_eq(decode(frame, size + 1, &out), SAGA_MALFORMED);
	}
}
END_TEST

START_TEST(any_changed_byte_is_malformed)
{
	for (int kind = SAGA__EVENT; kind <= SAGA__FORK; kind++) {
		struct saga__message in = message_of(kind), out;
		unsigned char frame[256];
		size_t size = saga__frame_encode(&in, frame, sizeof frame);

		for (size_t i = 0; i < 8 * size; i++) {
			frame[i / 8] ^= (unsigned char)(1 << i % 8);
			ck_assert_int_eq(decode(frame, size, &out), SAGA_MALFORMED);
			frame[i / 8] ^= (unsigned char)(1 << i % 8);
		}
	}
}
END_TEST

static void refuse(struct saga__message message)
{
	struct saga__message out;
	unsigned char frame[256];
	size_t size = saga__frame_encode(&message, frame, sizeof frame);

	ck_assert_uint_gt(size, 0);
	ck_assert_int_eq(decode(frame, size, &out), SAGA_MALFORMED);
}

START_TEST(numbers_are_checked)
{
	struct saga__message message = message_of(SAGA__NEED);

	message.first = 0;
	message.last = UINT64_MAX;
	refuse(message);
	message.first = 1;
	refuse(message);
	message.first = 13;
	message.last = 12;
	refuse(message);
	message = message_of(SAGA__SEEN);
	message.shard = 8;
	refuse(message);
	message.shard = message.of = 0;
	refuse(message);
	message.of = SAGA__SHARDS_MOST + 1;
	refuse(message);
	message.of = UINT32_MAX;
	refuse(message);
	message = message_of(SAGA__BEAT);
	message.first = 14;
	refuse(message);
	message.first = 0;
	refuse(message);
	message = message_of(SAGA__GONE);
	message.first = 0;
	refuse(message);
	message = message_of(SAGA__FORK);
	message.last = 0;
	refuse(message);
	message = message_of(SAGA__EVENT);
	message.last = 0;
	refuse(message);
	message.last = 1;
	refuse(message);
	message = message_of(SAGA__EVENT);
	strcpy(message.from, "St ck");
	refuse(message);
	for (int kind = SAGA__EVENT; kind <= SAGA__FORK; kind++) {
		message = message_of(kind);
		message.stream.shard = SAGA__SHARDS_MOST;
		refuse(message);
		message.stream.shard = UINT32_C(1) << 31;
		refuse(message);
	}
}
END_TEST

START_TEST(limits_are_valid)
{
	struct saga__message message = message_of(SAGA__BEAT), out;
	unsigned char frame[256];
	size_t size;

	message.first = 1;
	message.last = 0;
	message.id = no_id;
	size = saga__frame_encode(&message, frame, sizeof frame);
	ck_assert_int_eq(decode(frame, size, &out), SAGA_OK);
	message.last = SAGA__SEQ_MOST;
	message.first = SAGA__SEQ_MOST;
	message.stream.shard = SAGA__SHARDS_MOST - 1;
	memset(message.from, 'a', SAGA__PARTICIPANT_MOST);
	size = saga__frame_encode(&message, frame, sizeof frame);
	ck_assert_int_eq(decode(frame, size, &out), SAGA_OK);
	ck_assert_uint_eq(out.last, SAGA__SEQ_MOST);
	ck_assert_uint_eq(strlen(out.from), SAGA__PARTICIPANT_MOST);
}
END_TEST

/* Any bytes are refused or valid, and what is valid is written as it came. */
START_TEST(noise_is_refused_or_exact)
{
	const char *text = getenv("SAGA_TEST_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
	unsigned valid = 0;

	printf("seed %u\n", seed);
	fflush(stdout);
	srand(seed);
	for (int i = 0; i < 200000; i++) {
		struct saga__message message = message_of(1 + rand() % 5);
		unsigned char frame[256], again[256];
		size_t size = saga__frame_encode(&message, frame, sizeof frame);

		for (int flips = rand() % 4; flips; flips--)
			frame[(size_t)rand() % size] = (unsigned char)rand();
		if (rand() % 4 == 0)
			size = (size_t)rand() % (size + 1);
		if (saga__frame_decode((saga_bytes){ frame, size }, &message, NULL))
			continue;
		valid++;
		if (saga__frame_encode(&message, again, sizeof again) != size ||
			memcmp(frame, again, size) != 0)
			ck_abort_msg("not exact");
	}
	ck_assert_uint_gt(valid, 1000);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("frame");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, every_kind_comes_back);
	tcase_add_test(tests, bytes_are_what_they_were);
	tcase_add_test(tests, encode_refuses_what_does_not_fit);
	tcase_add_test(tests, cut_or_longer_is_malformed);
	tcase_add_test(tests, any_changed_byte_is_malformed);
	tcase_add_test(tests, numbers_are_checked);
	tcase_add_test(tests, limits_are_valid);
	tcase_add_test(tests, noise_is_refused_or_exact);
	return run_suite("delivery frame", tests);
}
