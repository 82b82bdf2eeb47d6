#include "json.h"
#include "saga_config.h"

#ifdef SAGA_HAVE_JSON

#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "body.h"
#include "id.h"
#include "schema.h"
#include "where.h"

struct reading {
	struct saga__arena *arena;
	saga_error *error;
	bool is_request; /* what it does not know may be misspelt there; in an event it is newer */
};

static const char *name_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction or an exponent";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	default:
		return "null";
	}
}

static int another_kind(const struct reading *r, const saga_field *field, const json_t *value)
{
	return saga_error_set(r->error, SAGA_MALFORMED, "%s: is %s, not %s", field->name,
		name_of(value), saga__field_wants(field));
}

static int no_room(const struct reading *r, const saga_field *field, size_t size)
{
	int code = saga__arena_error(r->arena, size, r->error);

	return saga__error_within(r->error, code, "%s: ", field->name);
}

static int read_text(const struct reading *r, const saga_field *field, const json_t *value,
	const char **ret_text)
{
	if (!json_is_string(value))
		return another_kind(r, field, value);

	size_t size = json_string_length(value);
	const char *text = saga__arena_text(r->arena, json_string_value(value), size);

	if (!text)
		return no_room(r, field, size + 1);
	*ret_text = text;
	return SAGA_OK;
}

static int read_int64(
	const struct reading *r, const saga_field *field, const json_t *value, int64_t *ret_number)
{
	if (!json_is_integer(value))
		return another_kind(r, field, value);
	*ret_number = json_integer_value(value);
	return SAGA_OK;
}

static int read_flag(
	const struct reading *r, const saga_field *field, const json_t *value, bool *ret_flag)
{
	if (!json_is_boolean(value))
		return another_kind(r, field, value);
	*ret_flag = json_is_true(value);
	return SAGA_OK;
}

static int read_id(
	const struct reading *r, const saga_field *field, const json_t *value, saga_id *ret_id)
{
	if (!json_is_string(value))
		return another_kind(r, field, value);
	if (saga_id_parse(json_string_value(value), ret_id) != SAGA_OK)
		return saga_error_set(r->error, SAGA_MALFORMED, "%s: `%.40s` is no UUID",
			field->name, json_string_value(value));
	return SAGA_OK;
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: four digits a group, padded, no bits left over. One text for each value. */
static bool read_group(const char *four, unsigned char *three, size_t count)
{
	unsigned bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i <= count ? digit_of(four[i]) : four[i] == '=' ? 0 : -1;

		if (digit < 0)
			return false;
		bits = bits << 6 | (unsigned)digit;
	}
	for (size_t i = 0; i < count; i++)
		three[i] = (unsigned char)(bits >> (16 - 8 * i));
	return (bits & (0xffffffu >> (8 * count))) == 0;
}

static bool read_base64(const char *text, size_t length, unsigned char *at, size_t size)
{
	for (size_t i = 0; i < length / 4; i++) {
		size_t left = size - 3 * i;

		if (!read_group(text + 4 * i, at + 3 * i, left < 3 ? left : 3))
			return false;
	}
	return true;
}

static size_t base64_size(const char *text, size_t length)
{
	size_t padding = 0;

	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	return length / 4 * 3 - padding;
}

static int read_bytes(const struct reading *r, const saga_field *field, const json_t *value,
	saga_bytes *ret_bytes)
{
	if (!json_is_string(value))
		return another_kind(r, field, value);

	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (length % 4)
		return saga_error_set(
			r->error, SAGA_MALFORMED, "%s: is no padded base64", field->name);

	size_t size = base64_size(text, length);
	unsigned char *at = saga__arena_alloc(r->arena, size);

	if (!at)
		return no_room(r, field, size);
	if (!read_base64(text, length, at, size))
		return saga_error_set(
			r->error, SAGA_MALFORMED, "%s: is no padded base64", field->name);
	*ret_bytes = (saga_bytes){ at, size };
	return SAGA_OK;
}

static int read_object(
	const struct reading *r, const saga_shape *shape, json_t *object, void *body);

static int read_part(const struct reading *r, const saga_field *field, json_t *value, void *part)
{
	if (!json_is_object(value))
		return another_kind(r, field, value);

	int code = read_object(r, field->of, value, part);

	return code == SAGA_OK ? code : saga__error_within(r->error, code, "%s.", field->name);
}

static int read_optional_part(
	const struct reading *r, const saga_field *field, json_t *value, const void **ret_part)
{
	void *part = saga__arena_calloc(r->arena, 1, field->of->size);

	if (!part)
		return no_room(r, field, field->of->size);

	int code = read_part(r, field, value, part);

	if (code == SAGA_OK)
		*ret_part = part;
	return code;
}

static int read_element(const struct reading *r, const saga_field *field, size_t index,
	json_t *value, void *element)
{
	if (!json_is_object(value))
		return saga_error_set(r->error, SAGA_MALFORMED, "%s[%zu]: is %s, not a struct",
			field->name, index, name_of(value));

	int code = read_object(r, field->of, value, element);

	if (code != SAGA_OK)
		return saga__error_within(r->error, code, "%s[%zu].", field->name, index);
	return SAGA_OK;
}

static int read_list(const struct reading *r, const saga_field *field, json_t *value, void *body)
{
	if (!json_is_array(value))
		return another_kind(r, field, value);

	size_t count = json_array_size(value);
	size_t size = field->of->size;

	if (count == 0)
		return SAGA_OK;

	char *list = saga__arena_calloc(r->arena, count, size);

	if (!list)
		return no_room(r, field, count > SIZE_MAX / size ? SIZE_MAX : count * size);
	for (size_t i = 0; i < count; i++) {
		int code = read_element(r, field, i, json_array_get(value, i), list + i * size);

		if (code != SAGA_OK)
			return code;
	}
	*(const void **)saga__field_of(body, field->offset) = list;
	*(size_t *)saga__field_of(body, field->beside) = count;
	return SAGA_OK;
}

static int read_value(const struct reading *r, const saga_field *field, json_t *value, void *body)
{
	void *at = saga__field_of(body, field->offset);

	if (field->kind & SAGA_KIND_OPTIONAL && field->beside != field->offset)
		*(bool *)saga__field_of(body, field->beside) = true;
	switch (saga__field_base(field)) {
	case SAGA_KIND_TEXT:
		return read_text(r, field, value, at);
	case SAGA_KIND_INT64:
		return read_int64(r, field, value, at);
	case SAGA_KIND_FLAG:
		return read_flag(r, field, value, at);
	case SAGA_KIND_BYTES:
		return read_bytes(r, field, value, at);
	case SAGA_KIND_ID:
		return read_id(r, field, value, at);
	case SAGA_KIND_PART:
		if (field->kind & SAGA_KIND_OPTIONAL)
			return read_optional_part(r, field, value, at);
		return read_part(r, field, value, at);
	case SAGA_KIND_LIST:
		return read_list(r, field, value, body);
	default:
		return saga_error_set(
			r->error, SAGA_MISUSE, "%s: is of no known kind", field->name);
	}
}

static size_t find_field(const saga_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (strcmp(shape->fields[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

/* Many languages write null for what is absent. */
static bool may_be_unset(const saga_field *field)
{
	return field->kind & (SAGA_KIND_OPTIONAL | SAGA_KIND_REASON);
}

static int read_object(const struct reading *r, const saga_shape *shape, json_t *object, void *body)
{
	uint32_t seen = 0;
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		size_t found = find_field(shape, name);

		if (found == SIZE_MAX && !r->is_request)
			continue;
		if (found == SIZE_MAX)
			return saga_error_set(r->error, SAGA_MALFORMED, "%.63s: is unknown", name);
		if (json_is_null(value) && may_be_unset(&shape->fields[found]))
			continue;
		seen |= UINT32_C(1) << found;

		int code = read_value(r, &shape->fields[found], value, body);

		if (code != SAGA_OK)
			return code;
	}
	return saga__body_complete(shape, seen, body, r->error);
}

static int no_json(const json_error_t *wrong, saga_error *error)
{
	bool no_memory = !*wrong->text; /* jansson says nothing before it began to read */

#if JANSSON_VERSION_HEX >= 0x020b00
	no_memory = no_memory || json_error_code(wrong) == json_error_out_of_memory;
#endif
	if (no_memory)
		return saga_error_set(error, SAGA_NOMEM, "%s", saga_code_text(SAGA_NOMEM));
	return saga_error_set(error, SAGA_MALFORMED, "line %d, column %d: %s", wrong->line,
		wrong->column, wrong->text);
}

static int read_body(
	const struct reading *r, const saga_shape *shape, json_t *json, const void **ret_body)
{
	if (!json_is_object(json))
		return saga_error_set(
			r->error, SAGA_MALFORMED, "is %s, not an object", name_of(json));

	void *body = saga__arena_calloc(r->arena, 1, shape->size);

	if (!body)
		return saga__arena_error(r->arena, shape->size, r->error);

	int code = read_object(r, shape, json, body);

	if (code == SAGA_OK)
		*ret_body = body;
	return code;
}

int saga__json_read(struct saga__arena *arena, saga_bytes json, const saga_shape *shape,
	const void **ret_body, saga_error *error)
{
	struct reading r = { arena, error, true };
	json_error_t wrong;
	json_t *root =
		json_loadb(json.size ? json.at : "", json.size, JSON_REJECT_DUPLICATES, &wrong);
	int code = root ? read_body(&r, shape, root, ret_body) : no_json(&wrong, error);

	json_decref(root);
	if (code != SAGA_OK)
		return saga__error_within(error, code, "%s: ", shape->name);
	return SAGA_OK;
}

/* ---- the whole event ---- */

static int wrong(const struct reading *r, const char *name, const char *wants)
{
	return saga_error_set(r->error, SAGA_MALFORMED, "%s: is missing, or not %s", name, wants);
}

/* NULL: there is none. CloudEvents' JSON format, 2.2: null is as if it was left out. */
static json_t *member_of(const json_t *event, const char *name)
{
	json_t *member = json_object_get(event, name);

	return json_is_null(member) ? NULL : member;
}

/* NULL: there is none, or no text. */
static const char *text_of(const json_t *event, const char *name)
{
	return json_string_value(member_of(event, name));
}

static int read_word(
	const struct reading *r, const json_t *event, const char *name, const char **ret_text)
{
	const char *text = text_of(event, name);

	if (!text || !*text || strlen(text) != json_string_length(json_object_get(event, name)))
		return wrong(r, name, "a text");
	if (!(*ret_text = saga__arena_text(r->arena, text, strlen(text))))
		return saga__arena_error(r->arena, strlen(text), r->error);
	return SAGA_OK;
}

/* Reads a text that may be missing or empty. */
static int read_spare(
	const struct reading *r, const json_t *event, const char *name, const char **ret_text)
{
	const json_t *member = member_of(event, name);

	*ret_text = "";
	if (!member || (json_is_string(member) && !json_string_length(member)))
		return SAGA_OK;
	return read_word(r, event, name, ret_text);
}

/* It only serves who looks for faults: one that we can't hold costs nobody the event. */
static int read_trace(const struct reading *r, const json_t *event, const char **ret_text)
{
	const json_t *member = member_of(event, "traceparent");
	size_t size = json_string_length(member);

	*ret_text = "";
	if (!size || size > SAGA__SUBJECT_MOST || strlen(json_string_value(member)) != size)
		return SAGA_OK;
	return read_word(r, event, "traceparent", ret_text);
}

static int read_uuid(
	const struct reading *r, const json_t *event, const char *name, saga_id *ret_id)
{
	const char *text = text_of(event, name);

	return text && saga_id_parse(text, ret_id) == SAGA_OK ? SAGA_OK : wrong(r, name, "a UUID");
}

/* The nil UUID is nobody's name (RFC 9562, 5.9), and stands for "none" here. */
static int read_name(
	const struct reading *r, const json_t *event, const char *name, saga_id *ret_id)
{
	int code = read_uuid(r, event, name, ret_id);

	return code == SAGA_OK && saga__id_is_zero(*ret_id) ? wrong(r, name, "a UUID but nil")
							    : code;
}

static int64_t digits(const char *at, int count, bool *valid)
{
	int64_t number = 0;

	for (int i = 0; i < count && *valid; i++) {
		*valid = at[i] >= '0' && at[i] <= '9';
		number = 10 * number + (at[i] - '0');
	}
	return number;
}

/* Days from 1970, by eras of 400 years that begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t from_march = month > 2 ? month - 3 : month + 9;
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	year -= month <= 2;
	return year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

/* RFC 3339: 2026-11-23T07:30:00[.123456](Z|+01:00), to milliseconds. */
static bool parse_time(const char *text, int64_t *ret_ms)
{
	static const char shape[] = "0000-00-00T00:00:00";
	bool valid = strlen(text) >= sizeof shape;
	int64_t ms, scale = 100, zone = 0;

	for (size_t i = 0; valid && shape[i]; i++)
		valid = shape[i] == '0' || text[i] == shape[i] || (i == 10 && text[i] == 't');
	if (!valid)
		return false;
	int64_t month = digits(text + 5, 2, &valid), day = digits(text + 8, 2, &valid);
	int64_t hour = digits(text + 11, 2, &valid), minute = digits(text + 14, 2, &valid);
	int64_t second = digits(text + 17, 2, &valid);

	ms = ((days_of(digits(text, 4, &valid), month, day) * 24 + hour) * 60 + minute) * 60000 +
		second * 1000;
	valid = valid && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 &&
		minute < 60 && second <= 60;
	text += sizeof shape - 1;
	if (*text == '.') {
		valid = valid && text[1] >= '0' && text[1] <= '9';
		for (text++; valid && *text >= '0' && *text <= '9'; text++, scale /= 10)
			ms += scale * (*text - '0');
	}
	if (*text == 'Z' || *text == 'z') {
		valid = valid && !text[1];
	} else {
		valid = valid && (*text == '+' || *text == '-') && strlen(text) == 6 &&
			text[3] == ':';
		if (valid)
			zone = digits(text + 1, 2, &valid) * 60 + digits(text + 4, 2, &valid);
		ms -= (*text == '-' ? -zone : zone) * 60000;
	}
	*ret_ms = ms;
	return valid;
}

/* CloudEvents has it as a text. */
static int read_sequence(const struct reading *r, const json_t *event, uint64_t *ret_sequence)
{
	const char *text = text_of(event, "sequence");
	uint64_t number = 0;

	*ret_sequence = 0;
	if (!member_of(event, "sequence"))
		return SAGA_OK;
	for (const char *at = text; at && *at; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (digit > 9 || number > (INT64_MAX - digit) / 10)
			return wrong(r, "sequence", "a number as a text");
		number = number * 10 + digit;
	}
	if (!text || !*text)
		return wrong(r, "sequence", "a number as a text");
	*ret_sequence = number;
	return SAGA_OK;
}

static int read_rest(const struct reading *r, const json_t *event, struct saga_event *ret_event)
{
	const json_t *version = member_of(event, "version");
	const char *time = text_of(event, "time");
	int code = SAGA_OK;

	if (!time || !parse_time(time, &ret_event->time))
		return wrong(r, "time", "of RFC 3339");
	if (version &&
		(!json_is_integer(version) || json_integer_value(version) < 1 ||
			json_integer_value(version) > INT_MAX))
		return wrong(r, "version", "1 to 2147483647");
	ret_event->version = version ? (int)json_integer_value(version) : 1;
	if (member_of(event, "causationid"))
		code = read_uuid(r, event, "causationid", &ret_event->causation);
	if (code == SAGA_OK)
		code = read_spare(r, event, "subject", &ret_event->subject);
	if (code == SAGA_OK)
		code = read_trace(r, event, &ret_event->traceparent);
	if (code == SAGA_OK)
		code = read_sequence(r, event, &ret_event->sequence);
	return code;
}

static int read_envelope(const struct reading *r, const json_t *event, struct saga_event *ret_event)
{
	const char *specversion = text_of(event, "specversion");
	int code;

	if (!specversion || strcmp(specversion, "1.0") != 0)
		return wrong(r, "specversion", "1.0");
	if ((code = read_name(r, event, "id", &ret_event->id)) == SAGA_OK)
		code = read_name(r, event, "sagaid", &ret_event->saga);
	if (code == SAGA_OK)
		code = read_word(r, event, "source", &ret_event->source);
	if (code == SAGA_OK)
		code = read_word(r, event, "type", &ret_event->type);
	return code == SAGA_OK ? read_rest(r, event, ret_event) : code;
}

/* A type may have no field that must be there: then nobody need write `data`. */
static int read_nothing(const struct reading *r, const saga_shape *shape, const void **ret_body)
{
	void *body = saga__arena_calloc(r->arena, 1, shape->size);

	if (!body)
		return saga__arena_error(r->arena, shape->size, r->error);
	if (saga__body_complete(shape, 0, body, NULL) != SAGA_OK)
		return wrong(r, "data", "an object");
	*ret_body = body;
	return SAGA_OK;
}

static int read_event(const struct reading *r, const json_t *event, saga__find_type *find,
	void *context, struct saga_event *ret_event)
{
	json_t *data = member_of(event, "data");
	const saga_type *type;
	int code = read_envelope(r, event, ret_event);

	if (code != SAGA_OK || !(type = find(context, ret_event->type, ret_event->version)))
		return code;
	if (!data)
		code = read_nothing(r, &type->body, &ret_event->body);
	else
		code = read_body(r, &type->body, data, &ret_event->body);
	if (code != SAGA_OK)
		return saga__error_within(r->error, code, "%s: ", type->name);
	ret_event->of = type;
	return code;
}

/* The byte order mark that some editors and libraries begin with (RFC 8259, 8.1). */
static void skip_mark(saga_bytes *json)
{
	if (json->size >= 3 && memcmp(json->at, "\xef\xbb\xbf", 3) == 0)
		*json = (saga_bytes){ (const char *)json->at + 3, json->size - 3 };
}

int saga__json_read_event(struct saga__arena *arena, saga_bytes json, saga__find_type *find,
	void *context, struct saga_event *ret_event, saga_error *error)
{
	struct saga_event event = { .version = 1 };
	struct reading r = { arena, error, false };
	json_error_t no;
	json_t *root;
	int code;

	skip_mark(&json);
	root = json_loadb(json.size ? json.at : "", json.size, JSON_REJECT_DUPLICATES, &no);
	code = !root ? no_json(&no, error)
		: !json_is_object(root)
		? saga_error_set(error, SAGA_MALFORMED, "is %s, not an object", name_of(root))
		: read_event(&r, root, find, context, &event);

	json_decref(root);
	if (code == SAGA_OK)
		*ret_event = event;
	return code;
}

#else

int saga__json_read(struct saga__arena *arena, saga_bytes json, const saga_shape *shape,
	const void **ret_body, saga_error *error)
{
	(void)arena;
	(void)json;
	(void)ret_body;
	return saga_error_set(
		error, SAGA_UNSUPPORTED, "%s: this build can't read JSON", shape->name);
}

int saga__json_read_event(struct saga__arena *arena, saga_bytes json, saga__find_type *find,
	void *context, struct saga_event *ret_event, saga_error *error)
{
	(void)arena;
	(void)json;
	(void)find;
	(void)context;
	(void)ret_event;
	return saga_error_set(error, SAGA_UNSUPPORTED, "this build can't read JSON");
}

#endif
