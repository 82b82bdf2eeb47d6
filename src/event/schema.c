#include "schema.h"

#include <limits.h>
#include <stdalign.h>
#include <string.h>

#include "where.h"

static bool is_name(const char *name)
{
	size_t size = 0;

	if (!name)
		return false;
	for (; name[size]; size++) {
		char c = name[size];

		if (size == SAGA__NAME_MOST)
			return false;
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '.' && c != '_' && c != '-')
			return false;
	}
	return size > 0;
}

struct place {
	size_t size;
	size_t align;
};

#define PLACE(type_) ((struct place){ sizeof(type_), alignof(type_) })

/* Size 0: no such kind. */
static struct place place_of(const saga_field *field)
{
	switch (field->kind) {
	case SAGA_KIND_TEXT:
	case SAGA_KIND_TEXT | SAGA_KIND_OPTIONAL:
	case SAGA_KIND_TEXT | SAGA_KIND_REASON:
	case SAGA_KIND_TEXT | SAGA_KIND_LABEL:
	case SAGA_KIND_TEXT | SAGA_KIND_LABEL | SAGA_KIND_OPTIONAL:
		return PLACE(const char *);
	case SAGA_KIND_INT64:
	case SAGA_KIND_INT64 | SAGA_KIND_OPTIONAL:
		return PLACE(int64_t);
	case SAGA_KIND_FLAG:
	case SAGA_KIND_FLAG | SAGA_KIND_OPTIONAL:
		return PLACE(bool);
	case SAGA_KIND_BYTES:
	case SAGA_KIND_BYTES | SAGA_KIND_OPTIONAL:
		return PLACE(saga_bytes);
	case SAGA_KIND_ID:
	case SAGA_KIND_ID | SAGA_KIND_OPTIONAL:
		return PLACE(saga_id);
	case SAGA_KIND_PART:
		return (struct place){ field->of ? field->of->size : 1, 1 };
	case SAGA_KIND_LIST:
	case SAGA_KIND_PART | SAGA_KIND_OPTIONAL:
		return PLACE(const void *);
	default:
		return (struct place){ 0, 1 };
	}
}

/* The place of the count or the has_ member; size 0: there is none. */
static struct place place_beside(int kind)
{
	switch (kind) {
	case SAGA_KIND_LIST:
		return PLACE(size_t);
	case SAGA_KIND_INT64 | SAGA_KIND_OPTIONAL:
	case SAGA_KIND_FLAG | SAGA_KIND_OPTIONAL:
	case SAGA_KIND_ID | SAGA_KIND_OPTIONAL:
		return PLACE(bool);
	default:
		return (struct place){ 0, 1 };
	}
}

static bool fits(const saga_shape *shape, size_t offset, struct place place)
{
	return place.size <= shape->size && offset <= shape->size - place.size &&
		offset % place.align == 0;
}

static bool holds_shape(int kind)
{
	int base = kind & ~(int)SAGA_KIND_OPTIONAL;

	return base == SAGA_KIND_PART || base == SAGA_KIND_LIST;
}

static const char *breach_of_place(const saga_shape *shape, const saga_field *field)
{
	struct place place = place_of(field);
	struct place beside = place_beside(field->kind);

	if (place.size == 0)
		return "is of no known kind";
	if (holds_shape(field->kind) != (field->of != NULL))
		return field->of ? "is no part or list, but names a struct" : "names no struct";
	if (!fits(shape, field->offset, place))
		return "lies outside its struct";
	if (beside.size ? !fits(shape, field->beside, beside) : field->beside != field->offset)
		return "has its count or has_ member at a wrong place";
	return NULL;
}

static const char *breach_of_shape(const saga_shape *shape)
{
	if (shape->field_size != sizeof(saga_field))
		return "was compiled with fields of a size that this library doesn't know";
	if (shape->field_count > SAGA__FIELDS_MOST)
		return "has more than 32 fields";
	if (shape->field_count && !shape->fields)
		return "has no fields, but counts some";
	if (shape->size == 0)
		return "has a size of 0";
	return NULL;
}

/* The fields of an element lie two levels below on the wire: the list, then the element. */
static unsigned levels(int kind)
{
	if (!holds_shape(kind))
		return 0;
	return kind == SAGA_KIND_LIST ? 2 : 1;
}

static int check_shape(const saga_shape *shape, unsigned depth, saga_error *error);

static int check_field(const saga_shape *shape, size_t index, unsigned depth, saga_error *error)
{
	const saga_field *field = &shape->fields[index];

	if (!is_name(field->name))
		return saga_error_set(error, SAGA_MISUSE,
			"field %zu: its name is not 1 to 63 of [A-Za-z0-9._-]", index + 1);
	if (field->name_size != strlen(field->name))
		return saga_error_set(error, SAGA_MISUSE,
			"field %s: its name is not of %u bytes, as it says", field->name,
			field->name_size);
	for (size_t i = 0; i < index; i++)
		if (strcmp(shape->fields[i].name, field->name) == 0)
			return saga_error_set(
				error, SAGA_MISUSE, "field %s: is there twice", field->name);

	const char *breach = breach_of_place(shape, field);

	if (breach)
		return saga_error_set(error, SAGA_MISUSE, "field %s: %s", field->name, breach);
	if (!field->of)
		return SAGA_OK;
	depth += levels(field->kind);
	if (depth > SAGA__DEPTH)
		return saga_error_set(error, SAGA_MISUSE,
			"field %s: nests deeper than %d (a list counts twice)", field->name,
			SAGA__DEPTH);
	if (check_shape(field->of, depth, error) != SAGA_OK)
		return saga__error_within(error, SAGA_MISUSE, "field %s: ", field->name);
	return SAGA_OK;
}

static int check_shape(const saga_shape *shape, unsigned depth, saga_error *error)
{
	const char *breach = breach_of_shape(shape);

	if (breach)
		return saga_error_set(error, SAGA_MISUSE, "%s", breach);
	for (size_t i = 0; i < shape->field_count; i++)
		if (check_field(shape, i, depth, error) != SAGA_OK)
			return SAGA_MISUSE;
	return SAGA_OK;
}

int saga__shape_check(const saga_shape *shape, saga_error *error)
{
	if (!shape)
		return saga_error_set(error, SAGA_MISUSE, "struct: is NULL");
	if (!is_name(shape->name))
		return saga_error_set(
			error, SAGA_MISUSE, "struct: its name is not 1 to 63 of [A-Za-z0-9._-]");
	if (check_shape(shape, 0, error) != SAGA_OK)
		return saga__error_within(error, SAGA_MISUSE, "struct %s: ", shape->name);
	return SAGA_OK;
}

int saga__type_check(const saga_type *type, saga_error *error)
{
	if (!type)
		return saga_error_set(error, SAGA_MISUSE, "type: is NULL");
	if (type->size != sizeof(saga_type))
		return saga_error_set(error, SAGA_MISUSE,
			"type: was compiled with a size of %zu that this library doesn't know",
			type->size);
	if (!is_name(type->name))
		return saga_error_set(
			error, SAGA_MISUSE, "type: its name is not 1 to 63 of [A-Za-z0-9._-]");
	if (type->version < 1)
		return saga_error_set(error, SAGA_MISUSE,
			"type %s: its version is %d, not 1 or more", type->name, type->version);
	if (check_shape(&type->body, 0, error) != SAGA_OK)
		return saga__error_within(error, SAGA_MISUSE, "type %s: ", type->name);
	return SAGA_OK;
}

static bool same_shape(const saga_shape *a, const saga_shape *b, unsigned depth)
{
	if (a == b)
		return true;
	if (!a || !b || depth > SAGA__DEPTH || a->size != b->size ||
		a->field_size != b->field_size || a->field_count != b->field_count)
		return false;
	for (size_t i = 0; i < a->field_count; i++) {
		const saga_field *x = &a->fields[i];
		const saga_field *y = &b->fields[i];

		if (strcmp(x->name, y->name) != 0 || x->kind != y->kind || x->offset != y->offset ||
			x->beside != y->beside || !same_shape(x->of, y->of, depth + 1))
			return false;
	}
	return true;
}

bool saga__shape_same(const saga_shape *a, const saga_shape *b)
{
	return same_shape(a, b, 0);
}

bool saga__type_is(const saga_type *a, const saga_type *b)
{
	if (a == b)
		return true;
	return a && b && a->version == b->version && strcmp(a->name, b->name) == 0;
}

bool saga__shape_needs_nothing(const saga_shape *shape)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (!(shape->fields[i].kind & (SAGA_KIND_OPTIONAL | SAGA_KIND_REASON)))
			return false;
	return true;
}
