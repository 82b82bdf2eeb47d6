/* Contracts as AsyncAPI and as JSON Schema: who sends and receives, and what fields there are. */
#include <saga/choreography.h>

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

SAGA_STRUCT(line, text(sku), int64(quantity));
SAGA_REQUEST(place, "order.place", 1, list(lines, line), opt_part(first, line), opt_text(note));
SAGA_EVENT(placed, "order.placed", 2, text(customer), opt_flag(urgent), id(saga), bytes(seal));
/* The stock needs less of it than there is. */
SAGA_EVENT(placed_here, "order.placed", 2, text(customer));
SAGA_EVENT(refused, "order.refused", 1, reason(why));
SAGA_BARE_EVENT(late, "order.late", 1);
SAGA_BARE_EVENT(reserved, "stock.reserved", 1);
SAGA_BARE_EVENT(gone, "stock.gone", 1);
SAGA_BARE_EVENT(released, "stock.released", 1);

static saga_verdict never(saga_step *s)
{
	return saga_done(s);
}

/* clang-format off */
static const saga_step_def order_steps[] = {
	{ .name = "place", .on = { &place }, .run = never, .emits = { &placed },
	  .rejects = { &refused }, .after = { { .event = &late, .unless = { &reserved } } } },
};
static const saga_step_def stock_steps[] = {
	{ .name = "reserve", .on = { &placed_here }, .run = never, .emits = { &reserved },
	  .rejects = { &gone }, .undo = never, .undo_on = { &late }, .undone = { &released } },
};
/* clang-format on */
static const saga_participant_def order = SAGA_PARTICIPANT("order", order_steps);
static const saga_participant_def stock = SAGA_PARTICIPANT("stock", stock_steps);

static const char mail[] = "{\"contract\": 1, \"participant\": \"mail\", \"hears\": "
			   "[\"stock.reserved\"], \"says\": [\"mail.sent\"]}";

static char texts[2][16384];
static const saga_contract contracts[] = { { "order", texts[0] }, { "stock", texts[1] },
	{ "mail", mail } };

static void setup(void)
{
	ck_assert_uint_lt(saga_contract_json(&order, texts[0], sizeof texts[0]), sizeof texts[0]);
	ck_assert_uint_gt(strlen(texts[0]), 0);
	ck_assert_uint_lt(saga_contract_json(&stock, texts[1], sizeof texts[1]), sizeof texts[1]);
	ck_assert_uint_gt(strlen(texts[1]), 0);
}

static json_t *read_text(char *text)
{
	json_error_t where;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);

	ck_assert_msg(json != NULL, "%s at %d of: %s", where.text, where.position, text);
	free(text);
	return json;
}

static json_t *asyncapi(void)
{
	char *text = NULL;
	saga_error error;

	ck_assert_msg(saga_choreography_asyncapi(contracts, 3, &text, &error) == SAGA_OK, "%s",
		error.text);
	return read_text(text);
}

static json_t *schema(const char *type)
{
	char *text = NULL;
	saga_error error;

	ck_assert_msg(saga_choreography_schema(contracts, 3, type, &text, &error) == SAGA_OK, "%s",
		error.text);
	return read_text(text);
}

/* The member that a path of names leads to, `a/b/c`. */
static const json_t *at(const json_t *json, const char *path)
{
	char rest[200], *name, *save = NULL;

	ck_assert_uint_lt(strlen(path), sizeof rest);
	(void)strcpy(rest, path);
	for (name = strtok_r(rest, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(name))
					   : json_object_get(json, name);
		ck_assert_msg(json != NULL, "%s: there is no %s", path, name);
	}
	return json;
}

static void is(const json_t *json, const char *path, const char *text)
{
	ck_assert_str_eq(json_string_value(at(json, path)), text);
}

START_TEST(who_sends_and_receives)
{
	json_t *json = asyncapi();
	const json_t *operations = at(json, "operations");

	is(json, "asyncapi", "3.0.0");
	is(json, "info/title", "order, stock, mail");
	ck_assert_uint_eq(json_object_size(operations), 10);
	is(operations, "order.place emits order.placed/action", "send");
	is(operations, "order.place emits order.placed/channel/$ref", "#/channels/order.placed");
	is(operations, "order.place emits order.placed/tags/0/name", "order");
	is(operations, "order.place rejects order.refused/action", "send");
	is(operations, "order.place after order.late/action", "send");
	is(operations, "stock.reserve on order.placed/action", "receive");
	is(operations, "stock.reserve undo_on order.late/action", "receive");
	is(operations, "stock.reserve undone stock.released/action", "send");
	is(operations, "mail hears stock.reserved/action", "receive");
	is(operations, "mail says mail.sent/action", "send");
	/* A request is no event. */
	ck_assert_ptr_null(json_object_get(at(json, "channels"), "order.place"));
	ck_assert_uint_eq(json_object_size(at(json, "channels")), 7);
	json_decref(json);
}
END_TEST

START_TEST(the_sender_knows_all_fields)
{
	json_t *json = asyncapi();
	const json_t *body = at(json, "components/schemas/order.placed.2");

	is(json, "channels/order.placed/messages/order.placed.2/$ref",
		"#/components/messages/order.placed.2");
	is(json, "components/messages/order.placed.2/payload/allOf/1/properties/data/$ref",
		"#/components/schemas/order.placed.2");
	ck_assert_uint_eq(json_object_size(at(body, "properties")), 4);
	ck_assert_uint_eq(json_array_size(at(body, "required")), 3);
	ck_assert_ptr_null(json_object_get(body, "additionalProperties"));
	json_decref(json);
}
END_TEST

START_TEST(whatever_the_order_of_the_contracts)
{
	const saga_contract turned[] = { contracts[1], contracts[0] };
	char *text = NULL;
	saga_error error;
	json_t *json;

	ck_assert_int_eq(
		saga_choreography_schema(turned, 2, "order.placed", &text, &error), SAGA_OK);
	json = read_text(text);
	ck_assert_uint_eq(json_object_size(at(json, "properties")), 4);
	json_decref(json);
}
END_TEST

START_TEST(each_kind_of_field)
{
	json_t *json = schema("order.placed");

	is(json, "title", "order.placed.2");
	is(json, "properties/customer/type", "string");
	is(json, "properties/urgent/oneOf/0/type", "null");
	is(json, "properties/urgent/oneOf/1/type", "boolean");
	is(json, "properties/saga/format", "uuid");
	is(json, "properties/seal/contentEncoding", "base64");
	json_decref(json);
	json = schema("order.place");
	is(json, "properties/lines/type", "array");
	is(json, "properties/lines/items/properties/quantity/type", "integer");
	is(json, "properties/first/oneOf/1/properties/sku/type", "string");
	/* A request may hold nothing else; so may its parts. */
	ck_assert(json_is_false(at(json, "additionalProperties")));
	ck_assert(json_is_false(at(json, "properties/lines/items/additionalProperties")));
	ck_assert_uint_eq(json_array_size(at(json, "required")), 1);
	json_decref(json);
	json = schema("order.refused");
	ck_assert_uint_eq(json_array_size(at(json, "required")), 0);
	json_decref(json);
}
END_TEST

START_TEST(what_nobody_declares)
{
	char *text = NULL;
	saga_error error;

	ck_assert_int_eq(
		saga_choreography_schema(contracts, 3, "order.lost", &text, &error), SAGA_UNKNOWN);
	ck_assert_str_eq(error.text, "no contract says what fields order.lost has");
	/* It is said, and its fields are nobody's to tell. */
	ck_assert_int_eq(
		saga_choreography_schema(contracts, 3, "mail.sent", &text, &error), SAGA_UNKNOWN);
	ck_assert_int_eq(
		saga_choreography_asyncapi(&(saga_contract){ "it", "{}" }, 1, &text, &error),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "it: "));
	ck_assert_int_eq(saga_choreography_asyncapi(contracts, 0, &text, &error), SAGA_MISUSE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("choreography asyncapi");
	TCase *tests = tcase_create("asyncapi");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, who_sends_and_receives);
	tcase_add_test(tests, the_sender_knows_all_fields);
	tcase_add_test(tests, whatever_the_order_of_the_contracts);
	tcase_add_test(tests, each_kind_of_field);
	tcase_add_test(tests, what_nobody_declares);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
