/* JSON that is read as a body is written as JSON that reads as the same body. */
#include "fuzz.h"

#include "event/envelope.h"
#include "event/json.h"
#include "types.h"

enum {
	MEMORY = 64 * 1024 * 1024
};

static struct saga__arena arena;
static struct saga__buffer first, second;

static char *write(saga_bytes body, size_t *ret_size)
{
	size_t size = saga__json_body(body, NULL, 0);
	char *json = malloc(size + 1);

	HOLDS(json && saga__json_body(body, json, size + 1) == size && strlen(json) == size);
	*ret_size = size;
	return json;
}

static void there_and_back(const saga_shape *shape, const void *body)
{
	const void *back;
	size_t size;
	char *json;

	HOLDS(saga__body_encode(&first, shape, body, NULL, NULL) == SAGA_OK);
	json = write((saga_bytes){ first.at, first.size }, &size);
	HOLDS(saga__json_read(&arena, (saga_bytes){ json, size }, shape, &back, NULL) == SAGA_OK);
	HOLDS(saga__body_encode(&second, shape, back, NULL, NULL) == SAGA_OK);
	HOLDS(first.size == second.size && memcmp(first.at, second.at, first.size) == 0);
	free(json);
}

/* Any bytes as a text, of which what is no UTF-8 becomes U+FFFD. */
static void check_text(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *json;
	size_t length = saga__json_text(text, NULL, 0);

	json = malloc(length + 1);
	HOLDS(json && saga__json_text(text, json, length + 1) == length);
	HOLDS(json[0] == '"' && json[length - 1] == '"' && strlen(json) == length);
	free(json);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *json = fuzz_copy(data, size);

	if (!first.limit) {
		saga__arena_init(&arena, MEMORY);
		saga__buffer_init(&first, MEMORY);
		saga__buffer_init(&second, MEMORY);
	}
	for (size_t i = 0; i < FUZZ_TYPES; i++) {
		const saga_shape *shape = &fuzz_types[i]->body;
		saga_error error = { .code = SAGA_OK };
		const void *body = NULL;
		int code;

		saga__arena_reset(&arena);
		code = saga__json_read(&arena, (saga_bytes){ json, size }, shape, &body, &error);
		if (code == SAGA_OK)
			there_and_back(shape, body);
		else
			HOLDS(code == SAGA_MALFORMED && error.code == code && *error.text && !body);
	}
	check_text(data, size);
	free(json);
	return 0;
}
