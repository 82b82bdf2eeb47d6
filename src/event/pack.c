#include "pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "body.h"
#include "utf8.h"
#include "where.h"

enum {
	ROOM_LEAST = 512
};

void saga__buffer_init(struct saga__buffer *buffer, size_t limit)
{
	/* Beyond this, msgpack's sizes of 32 bits would not hold. */
	*buffer = (struct saga__buffer){ .limit = limit < INT32_MAX ? limit : INT32_MAX };
}

void saga__buffer_free(struct saga__buffer *buffer)
{
	free(buffer->at);
	*buffer = (struct saga__buffer){ .limit = buffer->limit };
}

int saga__buffer_grow(struct saga__buffer *buffer, size_t more)
{
	size_t room = buffer->room ? buffer->room : ROOM_LEAST;

	if (more > buffer->limit - buffer->size)
		return SAGA_TOO_BIG;
	while (room < buffer->size + more)
		room *= 2;
	if (room > buffer->limit)
		room = buffer->limit;
	if (buffer->at && room == buffer->room)
		return SAGA_OK;

	char *at = realloc(buffer->at, room);

	if (!at)
		return SAGA_NOMEM;
	buffer->at = at;
	buffer->room = room;
	return SAGA_OK;
}

static int append_for_msgpack(void *data, const char *at, size_t size)
{
	return saga__append(data, at, size) ? 0 : -1;
}

void saga__pack_init(struct saga__packing *packing, struct saga__buffer *buffer, const char *why,
	saga_error *error)
{
	msgpack_packer_init(&packing->packer, packing, append_for_msgpack);
	packing->buffer = buffer;
	packing->why = why ? why : "";
	packing->error = error;
	packing->code = SAGA_OK;
	buffer->size = 0;
}

bool saga__pack_fail(struct saga__packing *packing, int code, const char *format, ...)
{
	packing->code = code;
	if (packing->error) {
		va_list list;

		packing->error->code = code;
		va_start(list, format);
		(void)vsnprintf(packing->error->text, sizeof packing->error->text, format, list);
		va_end(list);
	}
	return false;
}

int saga__pack_end(struct saga__packing *packing)
{
	if (packing->code != SAGA_OK)
		packing->buffer->size = 0;
	return packing->code;
}

bool saga__pack_text(struct saga__packing *packing, const char *name, const char *x)
{
	if (!x)
		return saga__pack_fail(packing, SAGA_MALFORMED, "%s: is NULL", name);

	size_t size = strlen(x);

	if (!saga__utf8_text(x, size))
		return saga__pack_fail(packing, SAGA_MALFORMED, "%s: is no UTF-8", name);
	return saga__pack_plain(packing, x, size);
}

static bool pack_bytes(struct saga__packing *packing, const saga_field *field, saga_bytes x)
{
	if (!x.at && x.size)
		return saga__pack_fail(
			packing, SAGA_MALFORMED, "%s: is NULL, of %zu bytes", field->name, x.size);
	if (x.size > packing->buffer->limit)
		return saga__pack_fail(packing, SAGA_TOO_BIG, "%s: takes more than %zu bytes",
			field->name, packing->buffer->limit);
	return saga__pack_bytes(packing, (saga_bytes){ x.at ? x.at : "", x.size });
}

static bool pack_part(struct saga__packing *packing, const saga_field *field, const void *part)
{
	if (saga__pack_body(packing, field->of, part))
		return true;
	saga__error_within(packing->error, packing->code, "%s.", field->name);
	return false;
}

static bool pack_list(struct saga__packing *packing, const saga_field *field, const void *body)
{
	const char *at = *(const char *const *)saga__field_in(body, field->offset);
	size_t count = *(const size_t *)saga__field_in(body, field->beside);

	if (!at && count)
		return saga__pack_fail(packing, SAGA_MALFORMED, "%s: is NULL, of %zu elements",
			field->name, count);
	if (count > packing->buffer->limit)
		return saga__pack_fail(packing, SAGA_TOO_BIG, "%s: takes more than %zu bytes",
			field->name, packing->buffer->limit);
	if (saga__mp_array(&packing->packer, count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!saga__pack_body(packing, field->of, at + i * field->of->size)) {
			saga__error_within(
				packing->error, packing->code, "%s[%zu].", field->name, i);
			return false;
		}
	}
	return true;
}

static bool pack_value(struct saga__packing *packing, const saga_field *field, const void *body)
{
	const void *at = saga__field_in(body, field->offset);

	switch (field->kind & ~(int)SAGA_KIND_OPTIONAL) {
	case SAGA_KIND_TEXT:
		return saga__pack_text(packing, field->name, *(const char *const *)at);
	case SAGA_KIND_TEXT | SAGA_KIND_REASON: {
		const char *reason = *(const char *const *)at;

		return saga__pack_text(packing, field->name, reason ? reason : packing->why);
	}
	case SAGA_KIND_INT64:
		return saga__pack_int64(packing, *(const int64_t *)at);
	case SAGA_KIND_FLAG:
		return saga__pack_flag(packing, *(const bool *)at);
	case SAGA_KIND_BYTES:
		return pack_bytes(packing, field, *(const saga_bytes *)at);
	case SAGA_KIND_ID:
		return saga__pack_id(packing, at);
	case SAGA_KIND_PART:
		if (field->kind & SAGA_KIND_OPTIONAL)
			at = *(const void *const *)at;
		return pack_part(packing, field, at);
	case SAGA_KIND_LIST:
		return pack_list(packing, field, body);
	default:
		return saga__pack_fail(
			packing, SAGA_MISUSE, "%s: is of no known kind", field->name);
	}
}

static bool is_absent(const saga_field *field, const void *body)
{
	if (!(field->kind & SAGA_KIND_OPTIONAL))
		return false;
	switch (saga__field_base(field)) {
	case SAGA_KIND_TEXT:
	case SAGA_KIND_PART:
		return !*(const void *const *)saga__field_in(body, field->offset);
	case SAGA_KIND_BYTES:
		return !((const saga_bytes *)saga__field_in(body, field->offset))->at;
	default:
		return !*(const bool *)saga__field_in(body, field->beside);
	}
}

static bool pack_key(struct saga__packing *packing, const char *name)
{
	return saga__pack_plain(packing, name, strlen(name));
}

static size_t count_present(const saga_shape *shape, const void *body)
{
	size_t count = 0;

	for (size_t i = 0; i < shape->field_count; i++)
		count += !is_absent(&shape->fields[i], body);
	return count;
}

/* A body that the library makes itself: of reasons alone. */
static bool pack_reasons(struct saga__packing *packing, const saga_shape *shape)
{
	size_t count = 0;

	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (!(field->kind & (SAGA_KIND_OPTIONAL | SAGA_KIND_REASON)))
			return saga__pack_fail(
				packing, SAGA_MALFORMED, "%s: is missing", field->name);
		count += (field->kind & SAGA_KIND_REASON) != 0;
	}
	if (saga__mp_map(&packing->packer, count) != 0)
		return false;
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (field->kind & SAGA_KIND_REASON &&
			!(pack_key(packing, field->name) &&
				saga__pack_text(packing, field->name, packing->why)))
			return false;
	}
	return true;
}

bool saga__pack_body(struct saga__packing *packing, const saga_shape *shape, const void *body)
{
	if (!body)
		return pack_reasons(packing, shape);
	if (saga__mp_map(&packing->packer, count_present(shape, body)) != 0)
		return false;
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (is_absent(field, body))
			continue;
		if (!pack_key(packing, field->name) || !pack_value(packing, field, body))
			return false;
	}
	return true;
}

int saga__body_encode(struct saga__buffer *buffer, const saga_shape *shape, const void *body,
	const char *why, saga_error *error)
{
	struct saga__packing packing;

	saga__pack_init(&packing, buffer, why, error);
	if (!saga__pack_body(&packing, shape, body))
		saga__error_within(error, packing.code, "%s: ", shape->name);
	return saga__pack_end(&packing);
}
