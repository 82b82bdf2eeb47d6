/*
 * A warm encoder and decoder ask nothing of malloc. This program puts itself before glibc's malloc
 * to count; sanitizers do the same, so with them it is skipped.
 */
#include "event_test.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#if !defined(SANITIZED) && defined(__GLIBC__)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

/* Volatile: compilers know that malloc changes nothing of ours. */
static volatile unsigned long asked;

void *malloc(size_t size)
{
	asked++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	asked++;
	return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	asked++;
	return __libc_realloc(at, size);
}

struct warm {
	struct saga__decoder *decoder;
	struct saga__arena arena;
	struct saga__buffer buffer;
	saga_error error;
};

/* No ck_assert in here: it asks malloc itself. */
static int there_and_back(struct warm *warm, const saga_type *type, const void *body)
{
	struct saga_event event;
	int code;

	saga__arena_reset(&warm->arena);
	code = saga__event_encode(&warm->buffer, &shop_event, type, body, NULL, &warm->error);
	if (code == SAGA_OK)
		code = saga__event_decode(warm->decoder, &warm->arena,
			(saga_bytes){ warm->buffer.at, warm->buffer.size }, &event, &warm->error);
	if (code == SAGA_OK)
		code = saga__event_decode_body(
			warm->decoder, &warm->arena, &event, type, &warm->error);
	return code;
}

static unsigned long asked_for(struct warm *warm, const saga_type *type, const void *body)
{
	unsigned long before = asked;
	int code = there_and_back(warm, type, body);
	unsigned long after = asked;

	ck_assert_int_eq(code, SAGA_OK);
	return after - before;
}

START_TEST(none_once_warm)
{
	struct order_line many[300];
	struct order_placed big = shop_body;
	struct warm warm;

	for (size_t i = 0; i < 300; i++)
		many[i] = (struct order_line){ "sku-1234567890", (int64_t)i * 100000 };
	big.lines = many;
	big.lines_count = 300;
	ck_assert_int_eq(saga__decoder_new(&warm.decoder), SAGA_OK);
	saga__arena_init(&warm.arena, 1024 * 1024);
	saga__buffer_init(&warm.buffer, 64 * 1024);
	ck_assert_uint_gt(asked_for(&warm, &order_placed, &big), 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(asked_for(&warm, &order_placed, &shop_body), 0);
		ck_assert_uint_eq(asked_for(&warm, &order_placed, &big), 0);
	}
	saga__decoder_free(warm.decoder);
	saga__arena_free(&warm.arena);
	saga__buffer_free(&warm.buffer);
}
END_TEST

RUN_TESTS("event_malloc", none_once_warm)

#else

int main(void)
{
	printf("SKIP: malloc can't be counted under a sanitizer, or without glibc\n");
	return 77;
}

#endif
