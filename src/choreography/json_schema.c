#include "json_schema.h"

#include <assert.h>
#include <string.h>

static void put_member(struct saga__json *json, const char *name, const char *text)
{
	saga__json_name(json, name);
	saga__json_put_text(json, text);
}

void saga__json_schema_put_id(struct saga__json *json)
{
	put_member(json, "type", "string");
	put_member(json, "format", "uuid");
	put_member(json, "pattern",
		"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$");
}

static void put_int64(struct saga__json *json)
{
	put_member(json, "type", "integer");
	saga__json_name(json, "minimum");
	saga__json_put_int(json, INT64_MIN);
	saga__json_name(json, "maximum");
	saga__json_put_int(json, INT64_MAX);
}

/* U+0000 ends a text of C. */
static void put_text(struct saga__json *json)
{
	put_member(json, "type", "string");
	put_member(json, "pattern", "^[^\\u0000]*$");
}

static void put_bytes(struct saga__json *json)
{
	put_member(json, "type", "string");
	put_member(json, "contentEncoding", "base64");
	put_member(json, "pattern", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$");
}

static void put_fields(struct saga__json *json, const struct saga__model_field *fields,
	unsigned count, bool is_closed);

static void put_list(struct saga__json *json, const struct saga__model_field *field, bool is_closed)
{
	put_member(json, "type", "array");
	saga__json_name(json, "items");
	saga__json_open(json, '{');
	put_fields(json, field->fields, field->field_count, is_closed);
	saga__json_close(json, '}');
}

static void put_kind(struct saga__json *json, const struct saga__model_field *field, bool is_closed)
{
	const char *kind = field->kind;

	if (strcmp(kind, "int64") == 0)
		put_int64(json);
	else if (strcmp(kind, "flag") == 0)
		put_member(json, "type", "boolean");
	else if (strcmp(kind, "bytes") == 0)
		put_bytes(json);
	else if (strcmp(kind, "id") == 0)
		saga__json_schema_put_id(json);
	else if (strcmp(kind, "list") == 0)
		put_list(json, field, is_closed);
	else if (strcmp(kind, "part") == 0)
		put_fields(json, field->fields, field->field_count, is_closed);
	else
		put_text(json);
}

/* A reader takes null as if the field was left out. */
static bool may_be_absent(const struct saga__model_field *field)
{
	return field->optional || strcmp(field->kind, "reason") == 0;
}

static void put_field(
	struct saga__json *json, const struct saga__model_field *field, bool is_closed)
{
	saga__json_name(json, field->name);
	saga__json_open(json, '{');
	if (may_be_absent(field)) {
		saga__json_name(json, "oneOf");
		saga__json_open(json, '[');
		saga__json_open(json, '{');
		put_member(json, "type", "null");
		saga__json_close(json, '}');
		saga__json_open(json, '{');
		put_kind(json, field, is_closed);
		saga__json_close(json, '}');
		saga__json_close(json, ']');
	} else {
		put_kind(json, field, is_closed);
	}
	saga__json_close(json, '}');
}

static void put_fields(struct saga__json *json, const struct saga__model_field *fields,
	unsigned count, bool is_closed)
{
	put_member(json, "type", "object");
	saga__json_name(json, "properties");
	saga__json_open(json, '{');
	for (unsigned i = 0; i < count; i++)
		put_field(json, &fields[i], is_closed);
	saga__json_close(json, '}');
	saga__json_name(json, "required");
	saga__json_open(json, '[');
	for (unsigned i = 0; i < count; i++)
		if (!may_be_absent(&fields[i]))
			saga__json_put_text(json, fields[i].name);
	saga__json_close(json, ']');
	if (!is_closed)
		return;
	saga__json_name(json, "additionalProperties");
	saga__json_put_bool(json, false);
}

void saga__json_schema_put(
	struct saga__json *json, const struct saga__model_form *form, bool is_closed)
{
	assert(form->version > 0);
	put_fields(json, form->fields, form->field_count, is_closed);
}
