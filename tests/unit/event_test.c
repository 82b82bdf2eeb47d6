#include "event_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event/body.h"

static const struct order_line shop_lines[] = { { "sku-1001", 2 }, { "sku-2002", 1 },
	{ "sku-3003", 12 } };
const struct order_placed shop_body = { "ALFKI", "DE", 129900, shop_lines, 3 };
const struct saga_event shop_event = {
	.id = { { 0x01, 0x90, 0xf3, 0xc2, 1 } },
	.saga = { { 0x01, 0x90, 0xf3, 0xc2, 2 } },
	.causation = { { 0x01, 0x90, 0xf3, 0xc2, 3 } },
	.time = INT64_C(1700000000123),
	.sequence = 42,
	.version = 1,
	.source = "order",
	.type = "order.placed",
	.subject = "line-2",
	.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

struct random random_of_test(const char *test)
{
	const char *given = getenv("SAGA_TEST_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);

	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;

	printf("%s: SAGA_TEST_SEED=%" PRIu64 "\n", test, seed);
	fflush(stdout);
	return (struct random){ seed };
}

/* splitmix64 */
uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t random_below(struct random *random, uint64_t limit)
{
	return random_next(random) % limit;
}

static const char *random_text(struct random *random, struct saga__arena *arena)
{
	static const char *const letters[] = { "a", "Z", "7", " ", "\"", "\\", "/", "\n", "\x01",
		"\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
		"\xef\xbf\xbf", "\xf4\x8f\xbf\xbf" };
	size_t count = random_below(random, random_below(random, 8) ? 20 : 400);
	char *text = saga__arena_calloc(arena, 1, 4 * count + 1);
	size_t kinds = random_below(random, 2) ? 3 : sizeof letters / sizeof letters[0];

	for (size_t i = 0; i < count; i++)
		strcat(text, letters[random_below(random, kinds)]);
	return text;
}

static saga_bytes random_bytes(struct random *random, struct saga__arena *arena)
{
	size_t size = random_below(random, random_below(random, 8) ? 10 : 300);
	unsigned char *at = saga__arena_alloc(arena, size);

	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)random_next(random);
	return (saga_bytes){ at, size };
}

static int64_t random_int64(struct random *random)
{
	static const int64_t edges[] = { 0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 65535,
		65536, -32768, -32769, UINT32_MAX, (int64_t)UINT32_MAX + 1, INT32_MIN,
		(int64_t)INT32_MIN - 1, INT64_MAX, INT64_MIN };

	if (random_below(random, 2))
		return edges[random_below(random, sizeof edges / sizeof edges[0])];
	return (int64_t)random_next(random);
}

static void fill(
	struct random *random, struct saga__arena *arena, const saga_shape *shape, void *body);

static void fill_field(
	struct random *random, struct saga__arena *arena, const saga_field *field, void *body)
{
	void *at = saga__field_of(body, field->offset);

	if (field->kind & SAGA_KIND_OPTIONAL) {
		if (random_below(random, 2))
			return;
		if (field->beside != field->offset)
			*(bool *)saga__field_of(body, field->beside) = true;
	}
	switch (saga__field_base(field)) {
	case SAGA_KIND_TEXT:
		*(const char **)at = random_text(random, arena);
		break;
	case SAGA_KIND_INT64:
		*(int64_t *)at = random_int64(random);
		break;
	case SAGA_KIND_FLAG:
		*(bool *)at = random_below(random, 2);
		break;
	case SAGA_KIND_BYTES:
		*(saga_bytes *)at = random_bytes(random, arena);
		break;
	case SAGA_KIND_ID:
		for (size_t i = 0; i < 16; i++)
			((saga_id *)at)->bytes[i] = (uint8_t)random_next(random);
		break;
	case SAGA_KIND_PART:
		if (field->kind & SAGA_KIND_OPTIONAL)
			*(void **)at = random_body(random, arena, field->of);
		else
			fill(random, arena, field->of, at);
		break;
	default: {
		size_t count = random_below(random, random_below(random, 8) ? 4 : 40);
		char *list = saga__arena_calloc(arena, count, field->of->size);

		for (size_t i = 0; i < count; i++)
			fill(random, arena, field->of, list + i * field->of->size);
		*(void **)at = list;
		*(size_t *)saga__field_of(body, field->beside) = count;
	}
	}
}

static void fill(
	struct random *random, struct saga__arena *arena, const saga_shape *shape, void *body)
{
	for (size_t i = 0; i < shape->field_count; i++)
		fill_field(random, arena, &shape->fields[i], body);
}

void *random_body(struct random *random, struct saga__arena *arena, const saga_shape *shape)
{
	void *body = saga__arena_calloc(arena, 1, shape->size);

	ck_assert_ptr_nonnull(body);
	fill(random, arena, shape, body);
	return body;
}

static bool same_bytes(const saga_bytes *a, const saga_bytes *b)
{
	return !a->at == !b->at && a->size == b->size &&
		(a->size == 0 || memcmp(a->at, b->at, a->size) == 0);
}

static bool same_list(const saga_field *field, const void *a, const void *b)
{
	const char *x = *(const char *const *)saga__field_in(a, field->offset);
	const char *y = *(const char *const *)saga__field_in(b, field->offset);
	size_t count = *(const size_t *)saga__field_in(a, field->beside);

	if (count != *(const size_t *)saga__field_in(b, field->beside))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!same_body(field->of, x + i * field->of->size, y + i * field->of->size))
			return false;
	return true;
}

static bool same_field(const saga_field *field, const void *a, const void *b)
{
	const void *x = saga__field_in(a, field->offset);
	const void *y = saga__field_in(b, field->offset);
	bool optional = field->kind & SAGA_KIND_OPTIONAL;

	if (optional && field->beside != field->offset) {
		bool has = *(const bool *)saga__field_in(a, field->beside);

		if (has != *(const bool *)saga__field_in(b, field->beside))
			return false;
		if (!has)
			return true;
	}
	switch (saga__field_base(field)) {
	case SAGA_KIND_TEXT: {
		const char *s = *(const char *const *)x;
		const char *t = *(const char *const *)y;

		return s && t ? strcmp(s, t) == 0 : optional && s == t;
	}
	case SAGA_KIND_INT64:
		return *(const int64_t *)x == *(const int64_t *)y;
	case SAGA_KIND_FLAG:
		return *(const bool *)x == *(const bool *)y;
	case SAGA_KIND_BYTES:
		return same_bytes(x, y);
	case SAGA_KIND_ID:
		return memcmp(x, y, sizeof(saga_id)) == 0;
	case SAGA_KIND_LIST:
		return same_list(field, a, b);
	default:
		if (!optional)
			return same_body(field->of, x, y);
		x = *(const void *const *)x;
		y = *(const void *const *)y;
		return x && y ? same_body(field->of, x, y) : x == y;
	}
}

bool same_body(const saga_shape *shape, const void *a, const void *b)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (!same_field(&shape->fields[i], a, b))
			return false;
	return true;
}

saga_bytes copy_of(const void *at, size_t size)
{
	void *copy = malloc(size ? size : 1);

	ck_assert_ptr_nonnull(copy);
	if (size)
		memcpy(copy, at, size);
	return (saga_bytes){ copy, size };
}

void free_wire(saga_bytes wire)
{
	free((void *)(uintptr_t)wire.at);
}

saga_bytes wire_of(const struct saga_event *event, const saga_type *type, const void *body)
{
	struct saga__buffer buffer;
	saga_error error = { .code = 0 };

	saga__buffer_init(&buffer, 16 * 1024 * 1024);
	ck_assert_msg(saga__event_encode(&buffer, event, type, body, NULL, &error) == SAGA_OK, "%s",
		error.text);

	saga_bytes wire = copy_of(buffer.at, buffer.size);

	saga__buffer_free(&buffer);
	return wire;
}

int run_tests(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 300);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? 1 : 0;
}
