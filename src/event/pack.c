#include "pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "body.h"
#include "id.h"
#include "utf8.h"
#include "where.h"
#include "words.h"

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

static bool no_room(struct saga__packing *packing)
{
	return saga__pack_fail(
		packing, SAGA_TOO_BIG, "takes more than %zu bytes", packing->buffer->limit);
}

bool saga__pack_grow(struct saga__packing *packing, size_t more)
{
	struct saga__buffer *buffer = packing->buffer;
	size_t used = (size_t)(packing->at - buffer->at);
	size_t most = buffer->limit + SAGA__PACK_SLACK;
	size_t room = buffer->room ? buffer->room : ROOM_LEAST;

	if (more > most - used)
		return no_room(packing);
	while (room < used + more)
		room *= 2;
	if (room > most)
		room = most;

	char *at = realloc(buffer->at, room);

	if (!at)
		return saga__pack_fail(packing, SAGA_NOMEM, "%s", saga_code_text(SAGA_NOMEM));
	buffer->at = at;
	buffer->room = room;
	packing->at = at + used;
	packing->end = at + room;
	return true;
}

bool saga__pack_fail(struct saga__packing *packing, int code, const char *format, ...)
{
	packing->code = code;
	if (packing->error) {
		va_list list;

		packing->error->code = code;
		va_start(list, format);
		saga__vsay(packing->error->text, sizeof packing->error->text, format, list);
		va_end(list);
	}
	return false;
}

static SAGA__ASIDE int end_badly(struct saga__packing *packing, const char *name)
{
	if (packing->code == SAGA_OK)
		(void)no_room(packing);
	return saga__error_within(packing->error, packing->code, "%s: ", name);
}

int saga__pack_end(struct saga__packing *packing, const char *name)
{
	struct saga__buffer *buffer = packing->buffer;
	size_t used = (size_t)(packing->at - buffer->at);

	if (packing->code != SAGA_OK || used > buffer->limit)
		return end_badly(packing, name);
	buffer->size = used;
	return SAGA_OK;
}

static SAGA__ASIDE bool grow_for_text(
	struct saga__packing *packing, const char *name, const char *x, size_t size)
{
	return saga__pack_grow(packing, size + SAGA__PACK_SMALL) &&
		saga__pack_text(packing, name, x, size);
}

static SAGA__ASIDE bool check_utf8(
	struct saga__packing *packing, const char *name, const char *x, size_t size)
{
	return saga__utf8_text(x, size) ||
		saga__pack_fail(packing, SAGA_MALFORMED, "%s: is no UTF-8", name);
}

bool saga__pack_text(struct saga__packing *packing, const char *name, const char *x, size_t size)
{
	if ((size_t)(packing->end - packing->at) < size + SAGA__PACK_SMALL)
		return grow_for_text(packing, name, x, size);

	char *at = saga__put_text_head(packing->at, size);

	packing->at = at + size;
	return saga__copy_plain(at, x, size) || check_utf8(packing, name, x, size);
}

bool saga__pack_bytes(struct saga__packing *packing, const void *at, size_t size)
{
	if (!saga__pack_need(packing, size))
		return false;
	packing->at = saga__put(packing->at, at, size);
	return true;
}

static bool pack_bytes(struct saga__packing *packing, const saga_field *field, saga_bytes x)
{
	if (!x.at && x.size)
		return saga__pack_fail(
			packing, SAGA_MALFORMED, "%s: is NULL, of %zu bytes", field->name, x.size);
	if (x.size > packing->buffer->limit)
		return no_room(packing);
	packing->at = saga__put_bytes_head(packing->at, x.size);
	return x.size == 0 || saga__pack_bytes(packing, x.at, x.size);
}

static bool pack_part(struct saga__packing *packing, const saga_field *field, const void *part)
{
	if (saga__pack_body(packing, field->of, part))
		return true;
	if (packing->code == SAGA_MALFORMED)
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
		return no_room(packing);
	packing->at = saga__put_list_head(packing->at, count);
	for (size_t i = 0; i < count; i++, at += field->of->size) {
		if (!saga__pack_body(packing, field->of, at)) {
			if (packing->code == SAGA_MALFORMED)
				saga__error_within(
					packing->error, packing->code, "%s[%zu].", field->name, i);
			return false;
		}
	}
	return true;
}

/* A reason is often a peer's words, or cut: that is no ground to fail with it. */
static SAGA__ASIDE bool pack_mended(
	struct saga__packing *packing, const saga_field *field, const char *x)
{
	char *copy = malloc(strlen(x) + 1);
	bool packed;

	if (!copy)
		return saga__pack_fail(
			packing, SAGA_NOMEM, "%s: %s", field->name, saga_code_text(SAGA_NOMEM));
	memcpy(copy, x, strlen(x) + 1);
	saga__utf8_mend(copy);
	packed = saga__pack_text(packing, field->name, copy, strlen(copy));
	free(copy);
	return packed;
}

static inline bool pack_text(struct saga__packing *packing, const saga_field *field, const char *x)
{
	if (!x && field->kind & SAGA_KIND_REASON)
		x = packing->why ? packing->why : "";
	if (!x)
		return saga__pack_fail(packing, SAGA_MALFORMED, "%s: is NULL", field->name);
	if (field->kind & SAGA_KIND_REASON && !saga__utf8_text(x, strlen(x)))
		return pack_mended(packing, field, x);
	return saga__pack_text(packing, field->name, x, strlen(x));
}

static bool pack_other(struct saga__packing *packing, const saga_field *field, const void *body)
{
	const void *at = saga__field_in(body, field->offset);

	switch (saga__field_base(field)) {
	case SAGA_KIND_INT64:
		packing->at = saga__put_int64(packing->at, *(const int64_t *)at);
		return true;
	case SAGA_KIND_FLAG:
		packing->at = saga__put_flag(packing->at, *(const bool *)at);
		return true;
	case SAGA_KIND_BYTES:
		return pack_bytes(packing, field, *(const saga_bytes *)at);
	case SAGA_KIND_ID:
		packing->at = saga__put_id(packing->at, at);
		return true;
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

/* Most numbers are of one byte: no call for them. */
static inline char *put_number(char *at, int64_t x)
{
	if (x < 0 || x > 0x7f)
		return saga__put_int64(at, x);
	*at = (char)x;
	return at + 1;
}

/* Plain ones, which most are, need no jump. pack_key has left room for what is small. */
static inline bool pack_value(
	struct saga__packing *packing, const saga_field *field, const void *body)
{
	const void *at = saga__field_in(body, field->offset);

	if (saga__field_base(field) == SAGA_KIND_TEXT)
		return pack_text(packing, field, *(const char *const *)at);
	if (field->kind == SAGA_KIND_INT64) {
		packing->at = put_number(packing->at, *(const int64_t *)at);
		return true;
	}
	return pack_other(packing, field, body);
}

static bool is_left_out(const saga_field *field, const void *body)
{
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

static inline bool is_absent(const saga_field *field, const void *body)
{
	return field->kind & SAGA_KIND_OPTIONAL && is_left_out(field, body);
}

static SAGA__ASIDE bool pack_long_key(struct saga__packing *packing, const char *name, size_t size)
{
	if (size > SAGA__NAME_MOST)
		return saga__pack_fail(packing, SAGA_MISUSE, "%.63s...: is too long a name", name);
	return saga__pack_text(packing, name, name, size);
}

static inline bool pack_key(struct saga__packing *packing, const saga_field *field)
{
	const char *name = field->name;
	size_t size = field->name_size;

	if (size >= 32)
		return pack_long_key(packing, name, size);
	if (!saga__pack_need(packing, SAGA__PACK_SMALL))
		return false;

	char *at = saga__put_text_head(packing->at, size);

	saga__copy(at, name, size);
	packing->at = at + size;
	return true;
}

static inline bool pack_head(struct saga__packing *packing, size_t count)
{
	if (!saga__pack_need(packing, SAGA__PACK_SMALL))
		return false;
	packing->at = saga__put_map_head(packing->at, count);
	return true;
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
	if (!pack_head(packing, count))
		return false;
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (field->kind & SAGA_KIND_REASON &&
			!(pack_key(packing, field) && pack_text(packing, field, NULL)))
			return false;
	}
	return true;
}

/* `.n = 7` without `.has_n`: what was meant is unclear, and dropping it would tell nobody. */
static bool is_forgotten(const saga_field *field, const void *body)
{
	const void *at = saga__field_in(body, field->offset);

	if (!(field->kind & SAGA_KIND_OPTIONAL) || field->beside == field->offset)
		return false;
	switch (saga__field_base(field)) {
	case SAGA_KIND_INT64:
		return *(const int64_t *)at != 0;
	case SAGA_KIND_FLAG:
		return *(const bool *)at;
	case SAGA_KIND_ID:
		return !saga__id_is_zero(*(const saga_id *)at);
	default:
		return false;
	}
}

static SAGA__ASIDE bool check_absent(
	struct saga__packing *packing, const saga_shape *shape, const void *body)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];

		if (is_absent(field, body) && is_forgotten(field, body))
			return saga__pack_fail(packing, SAGA_MALFORMED,
				"%s: has a value, but has_%s is false", field->name, field->name);
	}
	return true;
}

bool saga__pack_body(struct saga__packing *packing, const saga_shape *shape, const void *body)
{
	size_t count = shape->field_count;

	if (!body || count == 0)
		return pack_reasons(packing, shape);

	const saga_field *end = shape->fields + count;

	for (const saga_field *field = shape->fields; field < end; field++)
		count -= is_absent(field, body);
	if (count < shape->field_count && !check_absent(packing, shape, body))
		return false;
	if (!pack_head(packing, count))
		return false;
	for (const saga_field *field = shape->fields; field < end; field++) {
		if (is_absent(field, body))
			continue;
		if (!pack_key(packing, field) || !pack_value(packing, field, body))
			return false;
	}
	return true;
}

int saga__body_encode(struct saga__buffer *buffer, const saga_shape *shape, const void *body,
	const char *why, saga_error *error)
{
	struct saga__packing packing = saga__packing_of(buffer, why, error);

	(void)saga__pack_body(&packing, shape, body);
	return saga__pack_end(&packing, shape->name);
}
