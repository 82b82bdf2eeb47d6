#include "named.h"

#include <stdlib.h>
#include <string.h>

#include "../event/schema.h"

int saga__named_encode(
	struct saga__buffer *buffer, const saga_shape *shape, const void *body, saga_error *error)
{
	size_t length = strlen(shape->name);
	int code;

	if (length > SAGA__NAME_MOST)
		return saga_error_set(
			error, SAGA_MISUSE, "struct %.40s: its name is too long", shape->name);
	code = saga__body_encode(buffer, shape, body, NULL, error);
	if (code != SAGA_OK)
		return code;
	/* The name goes behind, so that the body need not move. */
	if (buffer->size + length + 1 > buffer->limit)
		return saga_error_set(error, SAGA_TOO_BIG, "struct %s is beyond %zu bytes",
			shape->name, buffer->limit);
	if (buffer->room < buffer->size + length + 1) {
		char *more = realloc(buffer->at, buffer->size + length + 1);

		if (!more)
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
		buffer->at = more;
		buffer->room = buffer->size + length + 1;
	}
	memcpy(buffer->at + buffer->size, shape->name, length);
	buffer->size += length;
	buffer->at[buffer->size++] = (char)length;
	return SAGA_OK;
}

const void *saga__named_decode(struct saga__decoder *decoder, struct saga__arena *arena,
	saga_bytes named, const saga_shape *shape)
{
	const unsigned char *at = named.at;
	size_t length = strlen(shape->name);
	const void *body;

	if (named.size < length + 1 || at[named.size - 1] != length ||
		memcmp(at + named.size - 1 - length, shape->name, length) != 0)
		return NULL;
	if (saga__body_decode(decoder, arena, (saga_bytes){ at, named.size - 1 - length }, shape,
		    &body, NULL) != SAGA_OK)
		return NULL;
	return body;
}
