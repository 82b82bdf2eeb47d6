#include "event_test.h"

#include <stdio.h>
#include <string.h>

#include "event/id.h"
#include "event/sha256.h"
#include "rounds.h"

struct clock {
	int64_t wall;
	unsigned char fill;
};

static int64_t wall(void *context)
{
	return ((struct clock *)context)->wall;
}

static void randomness(void *context, void *buffer, size_t size)
{
	memset(buffer, ((struct clock *)context)->fill, size);
}

static struct saga_env env_of(struct clock *clock)
{
	return (struct saga_env){
		.context = clock, .monotonic = wall, .wall = wall, .random = randomness
	};
}

static int64_t ms_of(saga_id id)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.bytes[i];
	return ms;
}

START_TEST(new_is_a_uuid_v7)
{
	struct clock clock = { INT64_C(0x0190f3c21234), 0xff };
	struct saga_env env = env_of(&clock);
	struct saga__id_maker maker = { 0 };
	char text[SAGA_ID_TEXT];

	ck_assert_str_eq(saga_id_text(saga__id_new(&maker, &env), text),
		"0190f3c2-1234-7000-bfff-ffffffffffff");
	clock.fill = 0;
	ck_assert_str_eq(saga_id_text(saga__id_new(&maker, &env), text),
		"0190f3c2-1234-7001-8000-000000000000");
}
END_TEST

START_TEST(new_grows_whatever_the_clock_does)
{
	struct random random = random_of_test("new_grows_whatever_the_clock_does");
	struct clock clock = { 1000000, 0 };
	struct saga_env env = env_of(&clock);
	struct saga__id_maker maker = { 0 };
	saga_id last = saga__id_new(&maker, &env);

	for (int i = 0; i < rounds_of(100000); i++) {
		if (random_below(&random, 1000) == 0)
			clock.wall += (int64_t)random_below(&random, 20) - 10;
		clock.fill = (unsigned char)random_next(&random);

		saga_id id = saga__id_new(&maker, &env);

		ck_assert_int_lt(memcmp(&last, &id, sizeof id), 0);
		ck_assert_uint_eq(id.bytes[6] >> 4, 7);
		ck_assert_uint_eq(id.bytes[8] >> 6, 2);
		last = id;
	}
}
END_TEST

struct counter {
	unsigned next;
	int draws;
};

static int64_t no_time(void *context)
{
	(void)context;
	return 5000;
}

static void count_on(void *context, void *buffer, size_t size)
{
	struct counter *counter = context;
	unsigned char *at = buffer;

	counter->draws++;
	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)counter->next++;
}

/* A maker draws for many ids at once, and none gets what another had. */
START_TEST(new_uses_randomness_once)
{
	struct counter counter = { 0, 0 };
	struct saga_env env = {
		.context = &counter, .monotonic = no_time, .wall = no_time, .random = count_on
	};
	struct saga__id_maker maker = { 0 };

	for (int i = 0; i < 1000; i++) {
		saga_id id = saga__id_new(&maker, &env);

		ck_assert_uint_eq(id.bytes[15], (unsigned char)(8 * i + 7));
		if (i == 0)
			ck_assert_uint_eq(counter.next, 8); /* who makes one needs no more */
	}
	ck_assert_int_lt(counter.draws, 40);
}
END_TEST

START_TEST(new_beyond_4096_a_millisecond_borrows_from_the_next)
{
	struct clock clock = { 5000, 0 };
	struct saga_env env = env_of(&clock);
	struct saga__id_maker maker = { 0 };
	saga_id id;

	for (int i = 0; i < 4096; i++) {
		id = saga__id_new(&maker, &env);
		ck_assert_int_eq(ms_of(id), 5000);
	}
	id = saga__id_new(&maker, &env);
	ck_assert_int_eq(ms_of(id), 5001);
	clock.wall = 5002;
	id = saga__id_new(&maker, &env);
	ck_assert_int_eq(ms_of(id), 5002);
	ck_assert_uint_eq(id.bytes[6], 0x70);
	ck_assert_uint_eq(id.bytes[7], 0);
}
END_TEST

START_TEST(new_holds_a_clock_out_of_range)
{
	struct clock clock = { -5, 0 };
	struct saga_env env = env_of(&clock);
	struct saga__id_maker maker = { 0 };

	ck_assert_int_eq(ms_of(saga__id_new(&maker, &env)), 0);
	clock.wall = INT64_MAX;
	ck_assert_int_eq(ms_of(saga__id_new(&maker, &env)), (INT64_C(1) << 48) - 1);
}
END_TEST

#define PART(text_) \
	{ \
		text_, sizeof(text_) - 1 \
	}

START_TEST(derived_is_a_uuid_v8_for_ever)
{
	const saga_bytes parts[] = { PART("order"), PART("place"), PART("key-1") };
	const saga_bytes shifted[] = { PART("orderp"), PART("lace"), PART("key-1") };
	char text[SAGA_ID_TEXT];
	saga_id id = saga__id_derive(parts, 3);

	ck_assert_str_eq(saga_id_text(id, text), "1926e3f5-9fcf-8aec-b654-e382fe650828");
	ck_assert_uint_eq(id.bytes[6] >> 4, 8);
	ck_assert_uint_eq(id.bytes[8] >> 6, 2);
	ck_assert(saga__id_same(id, saga__id_derive(parts, 3)));
	ck_assert(!saga__id_same(id, saga__id_derive(shifted, 3)));
	ck_assert(!saga__id_same(id, saga__id_derive(parts, 2)));
	ck_assert_str_eq(saga_id_text(saga__id_derive(NULL, 0), text),
		"e3b0c442-98fc-8c14-9afb-f4c8996fb924");
}
END_TEST

START_TEST(text_and_back)
{
	struct random random = random_of_test("text_and_back");

	for (int i = 0; i < 1000; i++) {
		char text[SAGA_ID_TEXT];
		saga_id id, back;

		for (size_t j = 0; j < 16; j++)
			id.bytes[j] = (uint8_t)random_next(&random);
		ck_assert_uint_eq(strlen(saga_id_text(id, text)), 36);
		ck_assert_int_eq(saga_id_parse(text, &back), SAGA_OK);
		ck_assert(saga__id_same(id, back));
	}
}
END_TEST

START_TEST(parse_refuses)
{
	static const char *const wrong[] = {
		"",
		"0190f3c2-1234-7000-bfff-fffffffffff",
		"0190f3c2-1234-7000-bfff-fffffffffffff",
		"0190f3c2-1234-7000-bfff-ffffffffffg0",
		"0190f3c2-1234-7000-bfff_ffffffffffff",
		"0190f3c212347000bfffffffffffffffffff",
		"{190f3c2-1234-7000-bfff-ffffffffffff",
		"0190f3c2-1234-7000-bfff-ffffffffff\xc3\xa9",
	};
	saga_id id = { { 9 } };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_int_eq(saga_id_parse(wrong[i], &id), SAGA_MALFORMED);
	ck_assert_int_eq(saga_id_parse(NULL, &id), SAGA_MALFORMED);
	ck_assert_uint_eq(id.bytes[0], 9);
	ck_assert_int_eq(saga_id_parse("0190F3C2-1234-7000-BFFF-FFFFFFFFFFFF", &id), SAGA_OK);
	ck_assert_uint_eq(id.bytes[3], 0xc2);
}
END_TEST

START_TEST(shards_and_zero)
{
	saga_id id = { { 0 } };

	ck_assert(saga__id_is_zero(id));
	id.bytes[14] = 1;
	id.bytes[15] = 0x83;
	ck_assert(!saga__id_is_zero(id));
	ck_assert_uint_eq(saga__id_shard(id, 1), 0);
	ck_assert_uint_eq(saga__id_shard(id, 8), 3);
	ck_assert_uint_eq(saga__id_shard(id, 512), 0x183);
}
END_TEST

static void check_digest(const void *at, size_t size, size_t step, const char *hex)
{
	struct saga__sha256 hash;
	unsigned char digest[32];
	char text[65];

	saga__sha256_init(&hash);
	for (size_t i = 0; i < size; i += step)
		saga__sha256_add(&hash, (const char *)at + i, size - i < step ? size - i : step);
	saga__sha256_end(&hash, digest);
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	ck_assert_str_eq(text, hex);
}

START_TEST(sha256_of_nist)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static const char long_one[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
				       "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
	static char many_a[1000000];

	memset(many_a, 'a', sizeof many_a);
	for (size_t step = 1; step < 130; step++) {
		check_digest("", 0, step,
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
		check_digest("abc", 3, step,
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		check_digest(two_blocks, sizeof two_blocks - 1, step,
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
		check_digest(long_one, sizeof long_one - 1, step,
			"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
	}
	check_digest(many_a, sizeof many_a, 4096,
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

RUN_TESTS("event_id", new_is_a_uuid_v7, new_grows_whatever_the_clock_does, new_uses_randomness_once,
	new_beyond_4096_a_millisecond_borrows_from_the_next, new_holds_a_clock_out_of_range,
	derived_is_a_uuid_v8_for_ever, text_and_back, parse_refuses, shards_and_zero,
	sha256_of_nist)
