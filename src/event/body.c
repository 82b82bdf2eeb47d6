#include "body.h"

const char *saga__field_wants(const saga_field *field)
{
	static const char *const names[] = {
		[SAGA_KIND_TEXT] = "a text",
		[SAGA_KIND_INT64] = "an integer of 64 bits",
		[SAGA_KIND_FLAG] = "a flag",
		[SAGA_KIND_BYTES] = "bytes",
		[SAGA_KIND_ID] = "an id",
		[SAGA_KIND_PART] = "a struct",
		[SAGA_KIND_LIST] = "a list",
	};

	return names[saga__field_base(field)];
}

int saga__arena_error(const struct saga__arena *arena, size_t size, saga_error *error)
{
	if (size > arena->limit - arena->used)
		return saga_error_set(
			error, SAGA_TOO_BIG, "takes more than %zu bytes of memory", arena->limit);
	return saga_error_set(error, SAGA_NOMEM, "%s", saga_code_text(SAGA_NOMEM));
}

int saga__body_complete(const saga_shape *shape, uint32_t seen, void *body, saga_error *error)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (seen >> i & 1 || field->kind & SAGA_KIND_OPTIONAL)
			continue;
		if (!(field->kind & SAGA_KIND_REASON))
			return saga_error_set(error, SAGA_MALFORMED, "%s: is missing", field->name);
		*(const char **)saga__field_of(body, field->offset) = "";
	}
	return SAGA_OK;
}
