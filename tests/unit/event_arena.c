#include "event_test.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>

#include "event/blob.h"

static bool is_filled(const unsigned char *at, size_t size, unsigned char with)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != with)
			return false;
	return true;
}

START_TEST(hands_out_aligned_and_apart)
{
	struct random random = random_of_test("hands_out_aligned_and_apart");
	struct saga__arena arena;
	unsigned char *pieces[500];
	size_t sizes[500];

	saga__arena_init(&arena, 1024 * 1024);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 500; i++) {
			sizes[i] = random_below(&random, random_below(&random, 50) ? 100 : 20000);
			pieces[i] = saga__arena_alloc(&arena, sizes[i]);
			ck_assert_ptr_nonnull(pieces[i]);
			ck_assert_uint_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
			memset(pieces[i], (int)(i & 0xff), sizes[i]);
		}
		for (size_t i = 0; i < 500; i++)
			ck_assert(is_filled(pieces[i], sizes[i], (unsigned char)(i & 0xff)));
		saga__arena_reset(&arena);
		ck_assert_uint_eq(arena.used, 0);
	}
	saga__arena_free(&arena);
	ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 1));
	saga__arena_free(&arena);
}
END_TEST

START_TEST(holds_its_limit)
{
	struct saga__arena arena;

	saga__arena_init(&arena, 1024);
	ck_assert_ptr_null(saga__arena_alloc(&arena, 1025));
	ck_assert_ptr_null(saga__arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_null(saga__arena_alloc(&arena, SIZE_MAX - 8));
	ck_assert_ptr_null(saga__arena_calloc(&arena, SIZE_MAX / 2, 3));
	ck_assert_ptr_null(saga__arena_text(&arena, "", SIZE_MAX));
	ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 1000));
	ck_assert_ptr_null(saga__arena_alloc(&arena, 100));
	ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 16));
	ck_assert_ptr_null(saga__arena_alloc(&arena, 0));
	saga__arena_reset(&arena);
	ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 1024));
	saga__arena_free(&arena);
}
END_TEST

START_TEST(keeps_no_more_than_64_kib)
{
	struct saga__arena arena;

	saga__arena_init(&arena, 16 * 1024 * 1024);
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 10000));
	ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 1000000));
	saga__arena_reset(&arena);
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(saga__arena_alloc(&arena, 1000000));
		saga__arena_reset(&arena);
	}
	saga__arena_free(&arena);
}
END_TEST

START_TEST(callocs_clear)
{
	struct saga__arena arena;

	saga__arena_init(&arena, 4096);
	memset(saga__arena_alloc(&arena, 4096), 0xff, 4096);
	saga__arena_reset(&arena);

	const unsigned char *at = saga__arena_calloc(&arena, 10, 100);

	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(at[i], 0);
	ck_assert_ptr_nonnull(saga__arena_calloc(&arena, 0, 8));
	saga__arena_free(&arena);
}
END_TEST

static char *format(struct saga__arena *arena, const char *text, ...) SAGA_PRINTF(2, 3);
static char *format(struct saga__arena *arena, const char *text, ...)
{
	va_list list;

	va_start(list, text);

	char *at = saga__arena_vformat(arena, text, list);

	va_end(list);
	return at;
}

START_TEST(texts_and_formats)
{
	struct saga__arena arena;

	saga__arena_init(&arena, 256);
	ck_assert_str_eq(saga__arena_text(&arena, "abcdef", 3), "abc");
	ck_assert_str_eq(saga__arena_text(&arena, NULL, 0), "");
	ck_assert_str_eq(format(&arena, "%s is %d", "x", 7), "x is 7");
	ck_assert_ptr_null(format(&arena, "%300d", 7));
	saga__arena_free(&arena);
}
END_TEST

static void *share(void *blob)
{
	for (int i = 0; i < 20000; i++) {
		saga__blob_ref(blob);
		saga__blob_unref(blob);
	}
	saga__blob_unref(blob);
	return NULL;
}

START_TEST(blobs_are_shared)
{
	struct saga__blob *blob = saga__blob_new("hello", 5);
	pthread_t threads[4];

	ck_assert_uint_eq(saga__blob_bytes(blob).size, 5);
	ck_assert_int_eq(memcmp(saga__blob_bytes(blob).at, "hello", 5), 0);
	for (size_t i = 0; i < 4; i++) {
		saga__blob_ref(blob);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, share, blob), 0);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(blob->refs, 1);
	saga__blob_unref(blob);
	saga__blob_unref(NULL);
	ck_assert_uint_eq(saga__blob_bytes(NULL).size, 0);
	ck_assert_ptr_null(saga__blob_new(NULL, SIZE_MAX));
	blob = saga__blob_new(NULL, 10);
	memset(blob->at, 1, 10);
	saga__blob_unref(blob);
}
END_TEST

RUN_TESTS("event_arena", hands_out_aligned_and_apart, holds_its_limit, keeps_no_more_than_64_kib,
	callocs_clear, texts_and_formats, blobs_are_shared)
