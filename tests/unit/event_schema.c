#include "event_test.h"

#include <string.h>

#include "event/schema.h"

SAGA_BARE_EVENT(bare, "bare.thing", 1);
SAGA_EVENT(excuse, "some.excuse", 1, reason(why), opt_text(more));

static saga_error error;

static void check_breach(const saga_type *type, const char *words)
{
	error = (saga_error){ 0 };
	ck_assert_int_eq(saga__type_check(type, &error), SAGA_MISUSE);
	ck_assert_int_eq(error.code, SAGA_MISUSE);
	ck_assert_msg(strstr(error.text, words) != NULL, "`%s` is not in `%s`", words, error.text);
	ck_assert_int_eq(saga__type_check(type, NULL), SAGA_MISUSE);
}

/* A type whose one field has been changed. */
static void check_field(saga_field field, const char *words)
{
	saga_type type = order_placed;
	saga_field fields[] = { order_placed.body.fields[0], field };

	type.body.fields = fields;
	type.body.field_count = 2;
	check_breach(&type, words);
}

START_TEST(whole_types_pass)
{
	ck_assert_int_eq(saga__type_check(&rich, &error), SAGA_OK);
	ck_assert_int_eq(saga__type_check(&order_placed, &error), SAGA_OK);
	ck_assert_int_eq(saga__type_check(&bare, &error), SAGA_OK);
	ck_assert_int_eq(saga__type_check(&excuse, NULL), SAGA_OK);
	ck_assert_int_eq(saga__shape_check(&branch, &error), SAGA_OK);
}
END_TEST

START_TEST(breaches_of_a_type)
{
	char name[66];
	saga_type type = order_placed;

	check_breach(NULL, "type: is NULL");
	type.size--;
	check_breach(&type, "a size of");
	type = order_placed;
	type.name = NULL;
	check_breach(&type, "its name");
	type.name = "";
	check_breach(&type, "its name");
	type.name = "order placed";
	check_breach(&type, "its name");
	memset(name, 'a', sizeof name);
	name[64] = '\0';
	type.name = name;
	check_breach(&type, "its name");
	name[63] = '\0';
	ck_assert_int_eq(saga__type_check(&type, &error), SAGA_OK);
	type = order_placed;
	type.version = 0;
	check_breach(&type, "type order.placed: its version is 0");
}
END_TEST

START_TEST(breaches_of_a_struct)
{
	saga_field many[33];
	saga_type type = order_placed;

	type.body.field_size++;
	check_breach(&type, "fields of a size");
	type = order_placed;
	type.body.size = 0;
	check_breach(&type, "a size of 0");
	type = order_placed;
	type.body.fields = NULL;
	check_breach(&type, "has no fields");
	for (size_t i = 0; i < 33; i++)
		many[i] = order_placed.body.fields[0];
	type.body.fields = many;
	type.body.field_count = 33;
	check_breach(&type, "more than 32");

	saga_shape shape = branch;

	ck_assert_int_eq(saga__shape_check(NULL, &error), SAGA_MISUSE);
	shape.name = "a b";
	ck_assert_int_eq(saga__shape_check(&shape, &error), SAGA_MISUSE);
	shape = branch;
	shape.size = 8;
	ck_assert_int_eq(saga__shape_check(&shape, &error), SAGA_MISUSE);
	ck_assert_str_eq(error.text, "struct branch: field key: lies outside its struct");
}
END_TEST

START_TEST(breaches_of_a_field)
{
	const saga_field total = order_placed.body.fields[2];
	const saga_field list = order_placed.body.fields[3];
	saga_field field = total;

	field.name = order_placed.body.fields[0].name;
	check_field(field, "type order.placed: field customer: its name is not of 5 bytes");
	field.name_size = order_placed.body.fields[0].name_size;
	check_field(field, "type order.placed: field customer: is there twice");
	field.name = "";
	check_field(field, "field 2: its name");
	field = total;
	field.kind = 8;
	check_field(field, "field total: is of no known kind");
	field.kind = 0;
	check_field(field, "no known kind");
	field.kind = SAGA_KIND_INT64 | SAGA_KIND_REASON;
	check_field(field, "no known kind");
	field.kind = SAGA_KIND_LIST | SAGA_KIND_OPTIONAL;
	check_field(field, "no known kind");
	field.kind = SAGA_KIND_TEXT | SAGA_KIND_REASON | SAGA_KIND_OPTIONAL;
	check_field(field, "no known kind");
	field = total;
	field.offset = field.beside = sizeof(struct order_placed) - 4;
	check_field(field, "outside its struct");
	field.offset = field.beside = SIZE_MAX;
	check_field(field, "outside its struct");
	field.offset = field.beside = 1;
	check_field(field, "outside its struct");
	field = total;
	field.beside = 0;
	check_field(field, "at a wrong place");
	field = total;
	field.kind |= SAGA_KIND_OPTIONAL;
	field.beside = sizeof(struct order_placed);
	check_field(field, "at a wrong place");
	field = total;
	field.of = &order_line;
	check_field(field, "is no part or list");
	field = list;
	field.of = NULL;
	check_field(field, "names no struct");
	field = list;
	field.beside = sizeof(struct order_placed);
	check_field(field, "at a wrong place");
}
END_TEST

START_TEST(breaches_within_are_named)
{
	saga_shape line = order_line;
	saga_field line_fields[2] = { order_line.fields[0], order_line.fields[1] };
	saga_field field = order_placed.body.fields[3];

	line.fields = line_fields;
	line_fields[1].kind = 77;
	field.of = &line;
	check_field(field, "type order.placed: field lines: field quantity: is of no known kind");
}
END_TEST

struct node {
	const struct node *next;
	size_t next_count;
};

START_TEST(nesting_has_an_end)
{
	saga_shape shapes[18];
	saga_field fields[18];
	saga_type type = { sizeof(saga_type), "deep.thing", 1, false, { 0 } };

	for (size_t i = 0; i < 18; i++) {
		fields[i] = (saga_field){ "next", SAGA_KIND_PART | SAGA_KIND_OPTIONAL, 4, 0, 0,
			i < 17 ? &shapes[i + 1] : NULL };
		shapes[i] = (saga_shape){ "node", sizeof(struct node), sizeof(saga_field), 1,
			&fields[i] };
	}
	shapes[16].field_count = 0;
	type.body = shapes[0];
	ck_assert_int_eq(saga__type_check(&type, &error), SAGA_OK);
	shapes[16].field_count = 1;
	shapes[17].field_count = 0;
	check_breach(&type, "nests deeper than 16");
	for (size_t i = 0; i < 18; i++) {
		fields[i].kind = SAGA_KIND_LIST;
		fields[i].beside = sizeof(void *);
	}
	shapes[8].field_count = 0;
	ck_assert_int_eq(saga__type_check(&type, &error), SAGA_OK);
	shapes[8].field_count = 1;
	check_breach(&type, "nests deeper than 16");
	fields[0].of = &shapes[0];
	check_breach(&type, "nests deeper than 16");
}
END_TEST

START_TEST(types_are_compared_by_value)
{
	saga_type copy = order_placed;
	saga_field fields[4];
	saga_shape line = order_line;

	memcpy(fields, order_placed.body.fields, sizeof fields);
	copy.body.fields = fields;
	fields[3].of = &line;
	ck_assert(saga__shape_same(&copy.body, &order_placed.body));
	ck_assert(saga__type_is(&copy, &order_placed));
	ck_assert(saga__type_is(&copy, &copy));
	ck_assert(!saga__type_is(&copy, &rich));
	ck_assert(!saga__type_is(NULL, &rich));
	copy.version = 2;
	ck_assert(!saga__type_is(&copy, &order_placed));
	line.field_count = 1;
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
	line.field_count = 2;
	fields[1].name = "land";
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
	memcpy(fields, order_placed.body.fields, sizeof fields);
	fields[0].kind |= SAGA_KIND_OPTIONAL;
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
	memcpy(fields, order_placed.body.fields, sizeof fields);
	fields[0].offset++;
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
	memcpy(fields, order_placed.body.fields, sizeof fields);
	fields[3].of = NULL;
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
	copy.body.size++;
	ck_assert(!saga__shape_same(&copy.body, &order_placed.body));
}
END_TEST

START_TEST(what_the_library_can_fill)
{
	ck_assert(saga__shape_needs_nothing(&bare.body));
	ck_assert(saga__shape_needs_nothing(&excuse.body));
	ck_assert(!saga__shape_needs_nothing(&order_placed.body));
}
END_TEST

RUN_TESTS("event_schema", whole_types_pass, breaches_of_a_type, breaches_of_a_struct,
	breaches_of_a_field, breaches_within_are_named, nesting_has_an_end,
	types_are_compared_by_value, what_the_library_can_fill)
