#include "wire.h"

#include <assert.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "token.h"
#include "utf8.h"
#include "where.h"
#include "words.h"

/* msgpack_zone_clear keeps one chunk only: this holds some 2,700 values. */
enum {
	ZONE_CHUNK = 64 * 1024
};

struct saga__decoder {
	msgpack_zone zone;
	saga_bytes scanned;
};

struct unpacking {
	struct saga__arena *arena;
	saga_error *error;
};

int saga__decoder_new(struct saga__decoder **ret_decoder)
{
	struct saga__decoder *decoder = malloc(sizeof *decoder);

	if (!decoder)
		return SAGA_NOMEM;
	if (!msgpack_zone_init(&decoder->zone, ZONE_CHUNK)) {
		free(decoder);
		return SAGA_NOMEM;
	}
	decoder->scanned = (saga_bytes){ NULL, 0 };
	*ret_decoder = decoder;
	return SAGA_OK;
}

void saga__decoder_free(struct saga__decoder *decoder)
{
	if (decoder) {
		msgpack_zone_destroy(&decoder->zone);
		free(decoder);
	}
}

void saga__decoder_scanned(struct saga__decoder *decoder, saga_bytes data)
{
	decoder->scanned = data;
}

static const char *name_of(const msgpack_object *value)
{
	switch (value->type) {
	case MSGPACK_OBJECT_NIL:
		return "nil";
	case MSGPACK_OBJECT_BOOLEAN:
		return "a flag";
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return "an integer";
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return "a floating point number";
	case MSGPACK_OBJECT_STR:
		return "a text";
	case MSGPACK_OBJECT_ARRAY:
		return "a list";
	case MSGPACK_OBJECT_MAP:
		return "a map";
	case MSGPACK_OBJECT_BIN:
		return "bytes";
	default:
		return "an ext value";
	}
}

static SAGA__ASIDE int another_kind(
	const struct unpacking *u, const saga_field *field, const msgpack_object *value)
{
	return saga_error_set(u->error, SAGA_MALFORMED, "%s: is %s, not %s", field->name,
		name_of(value), saga__field_wants(field));
}

static int no_room(const struct unpacking *u, const saga_field *field, size_t size)
{
	int code = saga__arena_error(u->arena, size, u->error);

	return saga__error_within(u->error, code, "%s: ", field->name);
}

/*
 * The NUL goes where the head of what follows was, which msgpack-c has read: what it reads is our
 * copy, with a byte behind it.
 */
static inline int unpack_text(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, const char **ret_text)
{
	if (value->type != MSGPACK_OBJECT_STR)
		return another_kind(u, field, value);

	const char *at = value->via.str.ptr;
	size_t size = value->via.str.size;

	if (!saga__plain(at, size) && !saga__utf8_text(at, size))
		return saga_error_set(u->error, SAGA_MALFORMED, "%s: %s", field->name,
			memchr(at, 0, size) ? "has a NUL in it" : "is no UTF-8");

	((char *)at)[size] = '\0';
	*ret_text = at;
	return SAGA_OK;
}

static inline int unpack_int64(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, int64_t *ret_number)
{
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		if (value->via.u64 > INT64_MAX)
			return saga_error_set(u->error, SAGA_MALFORMED, "%s: is above %lld",
				field->name, (long long)INT64_MAX);
	} else if (value->type != MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		return another_kind(u, field, value);
	}
	*ret_number = value->via.i64;
	return SAGA_OK;
}

static int unpack_flag(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, bool *ret_flag)
{
	if (value->type != MSGPACK_OBJECT_BOOLEAN)
		return another_kind(u, field, value);
	*ret_flag = value->via.boolean;
	return SAGA_OK;
}

static int unpack_bytes(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, saga_bytes *ret_bytes)
{
	if (value->type != MSGPACK_OBJECT_BIN)
		return another_kind(u, field, value);

	*ret_bytes = (saga_bytes){ value->via.bin.ptr, value->via.bin.size };
	return SAGA_OK;
}

static int unpack_id(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, saga_id *ret_id)
{
	if (value->type != MSGPACK_OBJECT_EXT)
		return another_kind(u, field, value);
	if (value->via.ext.type != SAGA__EXT_ID || value->via.ext.size != sizeof *ret_id)
		return saga_error_set(u->error, SAGA_MALFORMED,
			"%s: is an ext value of type %d and %u bytes, not an id", field->name,
			value->via.ext.type, (unsigned)value->via.ext.size);
	memcpy(ret_id, value->via.ext.ptr, sizeof *ret_id);
	return SAGA_OK;
}

static int unpack_map(
	const struct unpacking *u, const saga_shape *shape, const msgpack_object *map, void *body);

static int unpack_part(
	const struct unpacking *u, const saga_field *field, const msgpack_object *value, void *part)
{
	if (value->type != MSGPACK_OBJECT_MAP)
		return another_kind(u, field, value);

	int code = unpack_map(u, field->of, value, part);

	return code == SAGA_OK ? code : saga__error_within(u->error, code, "%s.", field->name);
}

static int unpack_optional_part(const struct unpacking *u, const saga_field *field,
	const msgpack_object *value, const void **ret_part)
{
	void *part = saga__arena_calloc(u->arena, 1, field->of->size);

	if (!part)
		return no_room(u, field, field->of->size);

	int code = unpack_part(u, field, value, part);

	if (code == SAGA_OK)
		*ret_part = part;
	return code;
}

/* Each element has taken a byte of input, and the arena's limit holds what they become. */
static int unpack_list(
	const struct unpacking *u, const saga_field *field, const msgpack_object *value, void *body)
{
	if (value->type != MSGPACK_OBJECT_ARRAY)
		return another_kind(u, field, value);

	size_t count = value->via.array.size;
	size_t size = field->of->size;

	if (count == 0)
		return SAGA_OK;

	char *list = saga__arena_calloc(u->arena, count, size);

	if (!list)
		return no_room(u, field, count > SIZE_MAX / size ? SIZE_MAX : count * size);
	for (size_t i = 0; i < count; i++) {
		const msgpack_object *element = &value->via.array.ptr[i];

		if (element->type != MSGPACK_OBJECT_MAP)
			return saga_error_set(u->error, SAGA_MALFORMED,
				"%s[%zu]: is %s, not a struct", field->name, i, name_of(element));

		int code = unpack_map(u, field->of, element, list + i * size);

		if (code != SAGA_OK)
			return saga__error_within(u->error, code, "%s[%zu].", field->name, i);
	}
	*(const void **)saga__field_of(body, field->offset) = list;
	*(size_t *)saga__field_of(body, field->beside) = count;
	return SAGA_OK;
}

static int unpack_other(
	const struct unpacking *u, const saga_field *field, const msgpack_object *value, void *body)
{
	void *at = saga__field_of(body, field->offset);

	if (field->kind & SAGA_KIND_OPTIONAL && field->beside != field->offset)
		*(bool *)saga__field_of(body, field->beside) = true;
	switch (saga__field_base(field)) {
	case SAGA_KIND_INT64:
		return unpack_int64(u, field, value, at);
	case SAGA_KIND_FLAG:
		return unpack_flag(u, field, value, at);
	case SAGA_KIND_BYTES:
		return unpack_bytes(u, field, value, at);
	case SAGA_KIND_ID:
		return unpack_id(u, field, value, at);
	case SAGA_KIND_PART:
		if (field->kind & SAGA_KIND_OPTIONAL)
			return unpack_optional_part(u, field, value, at);
		return unpack_part(u, field, value, at);
	case SAGA_KIND_LIST:
		return unpack_list(u, field, value, body);
	default:
		return saga_error_set(
			u->error, SAGA_MISUSE, "%s: is of no known kind", field->name);
	}
}

static inline int unpack_value(
	const struct unpacking *u, const saga_field *field, const msgpack_object *value, void *body)
{
	if (saga__field_base(field) == SAGA_KIND_TEXT)
		return unpack_text(u, field, value, saga__field_of(body, field->offset));
	if (field->kind == SAGA_KIND_INT64)
		return unpack_int64(u, field, value, saga__field_of(body, field->offset));
	return unpack_other(u, field, value, body);
}

static inline bool is_named(const saga_field *field, const msgpack_object_str *key)
{
	return field->name_size == key->size && saga__same(field->name, key->ptr, key->size);
}

static SAGA__ASIDE size_t find_field(const saga_shape *shape, const msgpack_object_str *key)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (is_named(&shape->fields[i], key))
			return i;
	return SIZE_MAX;
}

/* Many languages write nil for what is absent, as json_read.c has it of null. */
static inline bool is_unset(const saga_field *field, const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_NIL &&
		field->kind & (SAGA_KIND_OPTIONAL | SAGA_KIND_REASON);
}

/* Most senders write the fields in our order: first the one behind the last is looked at. */
static int unpack_map(
	const struct unpacking *u, const saga_shape *shape, const msgpack_object *map, void *body)
{
	const msgpack_object_kv *pair = map->via.map.ptr;
	const msgpack_object_kv *end = pair + map->via.map.size;
	const saga_field *field = shape->fields;
	uint32_t all = saga__fields_all(shape), bit = 1, seen = 0, unset = 0;

	for (; pair < end; pair++) {
		const msgpack_object_str *key = &pair->key.via.str;

		if (!(bit & all) || !is_named(field, key)) {
			size_t found = find_field(shape, key);

			if (found == SIZE_MAX)
				continue;
			field = &shape->fields[found];
			bit = UINT32_C(1) << found;
		}
		if (seen & bit)
			return saga_error_set(
				u->error, SAGA_MALFORMED, "%s: is there twice", field->name);
		seen |= bit;

		int code = SAGA_OK;

		if (is_unset(field, &pair->val))
			unset |= bit;
		else
			code = unpack_value(u, field, &pair->val, body);
		if (code != SAGA_OK)
			return code;
		field++;
		bit <<= 1;
	}
	if (seen == all && !unset)
		return SAGA_OK;
	return saga__body_complete(shape, seen & ~unset, body, u->error);
}

/* The bytes have passed the scan, so what msgpack-c refuses now is for want of memory. */
static int unpack_scanned(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes data,
	const saga_shape *shape, const void **ret_body, saga_error *error)
{
	struct unpacking u = { arena, error };
	size_t size = shape->size + data.size + 1;
	char *body = saga__arena_alloc(arena, size);
	msgpack_object map;
	size_t end = 0;

	assert(data.at);
	if (!body)
		return saga__arena_error(arena, size, error);

	char *copy = body + shape->size;

	memset(body, 0, shape->size);
	memcpy(copy, data.at, data.size);
	if (msgpack_unpack(copy, data.size, &end, &decoder->zone, &map) != MSGPACK_UNPACK_SUCCESS)
		return saga_error_set(error, SAGA_NOMEM, "%s", saga_code_text(SAGA_NOMEM));

	int code = unpack_map(&u, shape, &map, body);

	if (code == SAGA_OK)
		*ret_body = body;
	return code;
}

static int unpack_body(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes data,
	const saga_shape *shape, const void **ret_body, saga_error *error)
{
	int code = SAGA_OK;

	if (data.size == 0 || decoder->scanned.at != data.at || decoder->scanned.size != data.size)
		code = saga__scan_map(data, SAGA__BODY_LEVELS, error);
	if (code == SAGA_OK)
		code = unpack_scanned(decoder, arena, data, shape, ret_body, error);
	decoder->scanned = (saga_bytes){ NULL, 0 };
	msgpack_zone_clear(&decoder->zone);
	return code;
}

int saga__event_decode_body(struct saga__decoder *decoder, struct saga__arena *arena,
	struct saga_event *event, const saga_type *type, saga_error *error)
{
	int code = unpack_body(decoder, arena, event->data, &type->body, &event->body, error);

	if (code != SAGA_OK)
		return saga__error_within(error, code, "%s: ", type->name);
	event->of = type;
	return SAGA_OK;
}

int saga__body_decode(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes wire,
	const saga_shape *shape, const void **ret_body, saga_error *error)
{
	decoder->scanned = (saga_bytes){ NULL, 0 };

	int code = unpack_body(decoder, arena, wire, shape, ret_body, error);

	if (code != SAGA_OK)
		return saga__error_within(error, code, "%s: ", shape->name);
	return SAGA_OK;
}
