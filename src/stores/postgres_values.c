#include "postgres_values.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Type numbers of the server's catalogue; they never changed. */
enum {
	BOOL = 16,
	BYTEA = 17,
	CHAR = 18,
	NAME = 19,
	INT8 = 20,
	INT2 = 21,
	INT4 = 23,
	TEXT = 25,
	OID = 26,
	JSON = 114,
	XML = 142,
	UNKNOWN = 705,
	BPCHAR = 1042,
	VARCHAR = 1043,
	NUMERIC = 1700,
	VOID = 2278,
	UUID = 2950
};

enum {
	NUMERIC_HEAD = 8,
	NUMERIC_NEGATIVE = 0x4000
};

enum {
	ARRAY_HEAD = 20, /* dimensions, whether NULLs are in it, type; of the one: size, first */
	ARRAY_NULL = 6   /* "NULL," and an end */
};

Oid saga__pg_type_of(const saga_value *value)
{
	return value->kind == SAGA_VALUE_INT64 ? INT8 : 0;
}

/* ---- sets ---- */

static Oid element_of(const saga_value *value)
{
	switch (value->kind) {
	case SAGA_VALUE_INT64:
		return INT8;
	case SAGA_VALUE_BOOL:
		return BOOL;
	case SAGA_VALUE_TEXT:
		return TEXT;
	case SAGA_VALUE_BYTES:
		return BYTEA;
	case SAGA_VALUE_ID:
		return UUID;
	default:
		return 0;
	}
}

static size_t size_of(const saga_value *value)
{
	switch (value->kind) {
	case SAGA_VALUE_INT64:
		return 8;
	case SAGA_VALUE_BOOL:
		return 1;
	case SAGA_VALUE_TEXT:
	case SAGA_VALUE_BYTES:
		return value->as.bytes.size;
	case SAGA_VALUE_ID:
		return sizeof value->as.id;
	default:
		return 0;
	}
}

static size_t room_for_set(const saga_set *set)
{
	size_t room = ARRAY_HEAD + ARRAY_NULL;

	for (size_t i = 0; i < set->count; i++)
		room += ARRAY_NULL + size_of(&set->first[i * set->stride]);
	return room;
}

static char *put_number32(char *to, uint32_t number)
{
	for (int i = 3; i >= 0; i--, number >>= 8)
		to[i] = (char)(number & 0xff);
	return to + 4;
}

static void put_number(unsigned char to[8], int64_t number)
{
	uint64_t bits = (uint64_t)number;

	for (int i = 7; i >= 0; i--, bits >>= 8)
		to[i] = (unsigned char)bits;
}

static char *put_element(char *to, const saga_value *value)
{
	size_t size = size_of(value);

	if (value->kind == SAGA_VALUE_NULL)
		return put_number32(to, UINT32_MAX);
	to = put_number32(to, (uint32_t)size);
	if (value->kind == SAGA_VALUE_INT64)
		put_number((unsigned char *)to, value->as.int64);
	else if (value->kind == SAGA_VALUE_BOOL)
		*to = value->as.boolean;
	else if (value->kind == SAGA_VALUE_ID)
		memcpy(to, &value->as.id, size);
	else if (size)
		memcpy(to, value->as.bytes.at, size);
	return to + size;
}

/* For a set of NULLs alone the server finds the type, if the set is sent as text. */
static char *put_nulls(char *to, size_t count)
{
	*to++ = '{';
	while (count--)
		to = stpcpy(to, count ? "NULL," : "NULL");
	return stpcpy(to, "}");
}

/* Which type its elements have (0: they are all NULL); what is wrong with it, or NULL. */
static const char *look_at_set(const saga_set *set, Oid *ret_element, bool *ret_has_null)
{
	*ret_element = 0;
	*ret_has_null = false;
	for (size_t i = 0; i < set->count; i++) {
		const saga_value *value = &set->first[i * set->stride];
		Oid element = element_of(value);

		if (value->kind == SAGA_VALUE_NULL) {
			*ret_has_null = true;
			continue;
		}
		if (!element || (*ret_element && element != *ret_element))
			return "is a set of what does not go together";
		if (element == TEXT && value->as.bytes.size &&
			memchr(value->as.bytes.at, 0, value->as.bytes.size))
			return "is a text with a NUL in it";
		*ret_element = element;
	}
	return NULL;
}

static const char *put_set(struct saga__pg_values *to, size_t i, const saga_set *set, char **at)
{
	char *end = *at;
	bool has_null;
	Oid element;
	const char *why = look_at_set(set, &element, &has_null);

	if (why)
		return why;
	if (!element) {
		end = put_nulls(end, set->count) + 1;
		to->formats[i] = 0;
	} else {
		end = put_number32(end, 1);
		end = put_number32(end, has_null);
		end = put_number32(end, element);
		end = put_number32(end, set->count);
		end = put_number32(end, 1);
		for (size_t k = 0; k < set->count; k++)
			end = put_element(end, &set->first[k * set->stride]);
	}
	if (end - *at > INT_MAX / 2)
		return "is too big";
	to->at[i] = *at;
	to->sizes[i] = (int)(end - *at);
	*at = end;
	return NULL;
}

/* ---- values ---- */

static bool make_room(struct saga__pg_values *to, const saga_value *values, size_t count)
{
	size_t texts = 0;

	for (size_t i = 0; i < count; i++)
		if (values[i].kind == SAGA_VALUE_TEXT)
			texts += values[i].as.bytes.size + 1;
		else if (values[i].kind == SAGA_VALUE_SET)
			texts += room_for_set(&values[i].as.set);
	if (texts > to->texts_room) {
		free(to->texts);
		to->texts_room = 0;
		if (!(to->texts = malloc(texts)))
			return false;
		to->texts_room = texts;
	}
	if (count > to->room) {
		size_t room = count < 32 ? 32 : count;
		void *at = realloc(to->at, room * sizeof *to->at);

		if (at)
			to->at = at;
		if (at && (at = realloc(to->sizes, room * sizeof *to->sizes)))
			to->sizes = at;
		if (at && (at = realloc(to->formats, room * sizeof *to->formats)))
			to->formats = at;
		if (at && (at = realloc(to->numbers, room * sizeof *to->numbers)))
			to->numbers = at;
		if (!at)
			return false;
		to->room = room;
	}
	return true;
}

/* Returns what is wrong, or NULL. Copies a text, since libpq wants a NUL at its end. */
static const char *set_one(
	struct saga__pg_values *to, size_t i, const saga_value *value, char **texts)
{
	size_t size = value->as.bytes.size;

	to->at[i] = NULL;
	to->sizes[i] = 0;
	to->formats[i] = 1;
	switch (value->kind) {
	case SAGA_VALUE_NULL:
		return NULL;
	case SAGA_VALUE_INT64:
		put_number(to->numbers[i], value->as.int64);
		to->at[i] = (const char *)to->numbers[i];
		to->sizes[i] = 8;
		return NULL;
	case SAGA_VALUE_BOOL:
		to->at[i] = value->as.boolean ? "1" : "0";
		to->formats[i] = 0;
		return NULL;
	case SAGA_VALUE_TEXT:
		if (size && memchr(value->as.bytes.at, 0, size))
			return "is a text with a NUL in it";
		if (size)
			memcpy(*texts, value->as.bytes.at, size);
		(*texts)[size] = '\0';
		to->at[i] = *texts;
		to->formats[i] = 0;
		*texts += size + 1;
		return NULL;
	case SAGA_VALUE_BYTES:
		if (size > INT_MAX / 2)
			return "is too big";
		to->at[i] = size ? value->as.bytes.at : "";
		to->sizes[i] = (int)size;
		return NULL;
	case SAGA_VALUE_ID:
		to->at[i] = (const char *)value->as.id.bytes;
		to->sizes[i] = sizeof value->as.id;
		return NULL;
	case SAGA_VALUE_SET:
		return put_set(to, i, &value->as.set, texts);
	default:
		return "has no kind that there is";
	}
}

int saga__pg_values_set(struct saga__pg_values *to, const saga_value *values, size_t count,
	size_t *ret_wrong, const char **ret_why)
{
	char *texts;

	if (!make_room(to, values, count))
		return SAGA_NOMEM;
	texts = to->texts;
	for (size_t i = 0; i < count; i++) {
		const char *why = set_one(to, i, &values[i], &texts);

		if (why) {
			*ret_wrong = i;
			*ret_why = why;
			return SAGA_REFUSED;
		}
	}
	return SAGA_OK;
}

void saga__pg_values_free(struct saga__pg_values *values)
{
	free(values->at);
	free(values->sizes);
	free(values->formats);
	free(values->numbers);
	free(values->texts);
}

/* ---- columns ---- */

static int64_t get_number(const unsigned char *at, int size)
{
	/* The first byte carries the sign. */
	uint64_t bits = at[0] & 0x80 ? UINT64_MAX : 0;

	for (int i = 0; i < size; i++)
		bits = bits << 8 | at[i];
	return (int64_t)bits;
}

static unsigned get_short(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Digits of base 10000, the first one's weight, the sign, how many decimal places are shown. */
static bool get_numeric(const unsigned char *at, int size, int64_t *ret_number)
{
	unsigned digits = size >= NUMERIC_HEAD ? get_short(at) : 0;
	int weight = size >= NUMERIC_HEAD ? (int16_t)get_short(at + 2) : 0;
	bool negative = size >= NUMERIC_HEAD && get_short(at + 4) == NUMERIC_NEGATIVE;
	uint64_t number = 0, most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

	if (size < NUMERIC_HEAD || (get_short(at + 4) & ~(unsigned)NUMERIC_NEGATIVE) != 0 ||
		get_short(at + 6) != 0 || weight > 4 ||
		(size_t)size < NUMERIC_HEAD + 2 * (size_t)digits)
		return false;
	for (int i = 0; i <= weight; i++) {
		unsigned digit = i < (int)digits ? get_short(at + NUMERIC_HEAD + 2 * i) : 0;

		if (number > (most - digit) / 10000)
			return false;
		number = number * 10000 + digit;
	}
	*ret_number = negative ? (int64_t)(0 - number) : (int64_t)number;
	return true;
}

static void set_span(saga_value *value, int kind, const char *at, int size)
{
	value->kind = kind;
	value->as.bytes.at = at;
	value->as.bytes.size = (size_t)size;
}

static void set_number(saga_value *value, int64_t number)
{
	value->kind = SAGA_VALUE_INT64;
	value->as.int64 = number;
}

int saga__pg_column(const PGresult *result, int row, int column, saga_value *ret_value)
{
	const char *at = PQgetvalue(result, row, column);
	int size = PQgetlength(result, row, column);
	int64_t number;

	if (PQgetisnull(result, row, column) || PQftype(result, column) == VOID) {
		ret_value->kind = SAGA_VALUE_NULL;
		return SAGA_OK;
	}
	switch (PQftype(result, column)) {
	case INT2:
	case INT4:
	case INT8:
		set_number(ret_value, get_number((const unsigned char *)at, size));
		return SAGA_OK;
	case OID:
		set_number(ret_value, get_number((const unsigned char *)at, size) & UINT32_MAX);
		return SAGA_OK;
	case NUMERIC:
		if (!get_numeric((const unsigned char *)at, size, &number))
			return SAGA_REFUSED;
		set_number(ret_value, number);
		return SAGA_OK;
	case BOOL:
		ret_value->kind = SAGA_VALUE_BOOL;
		ret_value->as.boolean = at[0] != 0;
		return SAGA_OK;
	case UUID:
		ret_value->kind = SAGA_VALUE_ID;
		memcpy(&ret_value->as.id, at, sizeof ret_value->as.id);
		return SAGA_OK;
	case BYTEA:
		set_span(ret_value, SAGA_VALUE_BYTES, at, size);
		return SAGA_OK;
	case CHAR:
	case NAME:
	case TEXT:
	case JSON:
	case XML:
	case UNKNOWN:
	case BPCHAR:
	case VARCHAR:
		set_span(ret_value, SAGA_VALUE_TEXT, at, size);
		return SAGA_OK;
	default:
		return SAGA_REFUSED;
	}
}
