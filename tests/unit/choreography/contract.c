/* A declaration makes its contract, byte by byte. */
#include <saga/choreography.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "saga_config.h"

SAGA_STRUCT(line, text(sku), int64(quantity));
SAGA_REQUEST(place, "order.place", 1, label(ref), list(lines, line), opt_part(first, line));
SAGA_EVENT(placed, "order.placed", 2, text(customer), opt_label(ref), id(saga), flag(urgent));
SAGA_EVENT(refused, "order.refused", 1, reason(why));
SAGA_EVENT(paid, "order.paid", 1, int64(cents), opt_bytes(receipt));
SAGA_BARE_EVENT(due, "order.due", 1);
SAGA_BARE_EVENT(cancelled, "order.cancelled", 1);
SAGA_BARE_EVENT(sent, "order.sent", 1);
SAGA_BARE_EVENT(lost, "order.lost", 1);
SAGA_BARE_EVENT(held, "order.held", 1);
SAGA_BARE_EVENT(freed, "order.freed", 1);

static saga_verdict never(saga_step *s)
{
	return saga_done(s);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "place", .on = { &place }, .run = never, .emits = { &placed },
	  .rejects = { &refused }, .undo = never, .undo_on = { &lost }, .undone = { &cancelled } },
	{ .name = "hold", .on = { &placed }, .run = never, .emits = { &held }, .neutral = true },
	{ .name = "free", .on = { &held }, .run = never, .emits = { &freed }, .neutral = true },
	{ .name = "send", .was = "ship", .on = { &paid, &due, &freed }, .run = never,
	  .emits = { &sent }, .rejects = { &lost }, .bar_on = { &cancelled }, .pivot = true,
	  .after = { { .event = &due, .unless = { &sent }, .maybe = true, .again = true } },
	  .waits = { { .why = "not paid \"yet\"", .until = { &paid } },
	             { .held = "hold", .freed = "free", .maybe = true } },
	  .only_while = { "place" }, .covered_by = "place", .within_ms = 5000 },
};

static const saga_participant_def order = SAGA_PARTICIPANT("order", steps,
	.ends = { { &sent, SAGA_END_DONE }, { &cancelled, SAGA_END_UNDONE } },
	.unheard = { &freed });
/* clang-format on */

static const char wanted[] =
	"{\"contract\": 1,\n"
	" \"participant\": \"order\",\n"
	" \"requests\": [\"order.place\"],\n"
	" \"steps\": [\n"
	"  {\"name\": \"place\", \"on\": [\"order.place\"], \"emits\": [\"order.placed\"],"
	" \"rejects\": [\"order.refused\"], \"undo_on\": [\"order.lost\"],"
	" \"undone\": [\"order.cancelled\"]},\n"
	"  {\"name\": \"hold\", \"on\": [\"order.placed\"], \"emits\": [\"order.held\"],"
	" \"neutral\": true},\n"
	"  {\"name\": \"free\", \"on\": [\"order.held\"], \"emits\": [\"order.freed\"],"
	" \"neutral\": true},\n"
	"  {\"name\": \"send\", \"was\": \"ship\","
	" \"on\": [\"order.paid\", \"order.due\", \"order.freed\"],"
	" \"emits\": [\"order.sent\"], \"rejects\": [\"order.lost\"],"
	" \"bar_on\": [\"order.cancelled\"], \"pivot\": true,"
	" \"after\": [{\"event\": \"order.due\", \"unless\": [\"order.sent\"], \"maybe\": true,"
	" \"again\": true}],"
	" \"waits\": [{\"why\": \"not paid \\\"yet\\\"\", \"until\": [\"order.paid\"]},"
	" {\"held\": \"hold\", \"freed\": \"free\", \"maybe\": true}],"
	" \"only_while\": [\"place\"], \"covered_by\": \"place\", \"within_ms\": 5000}],\n"
	" \"ends\": {\"order.sent\": \"done\", \"order.cancelled\": \"undone\"},\n"
	" \"unheard\": [\"order.freed\"],\n"
	" \"types\": [\n"
	"  {\"type\": \"order.place\", \"version\": 1, \"fields\": {\"ref\": \"text\","
	" \"lines\": {\"list\": {\"sku\": \"text\", \"quantity\": \"int64\"}},"
	" \"first\": {\"part?\": {\"sku\": \"text\", \"quantity\": \"int64\"}}},"
	" \"labels\": [\"ref\"]},\n"
	"  {\"type\": \"order.lost\", \"version\": 1, \"fields\": {}},\n"
	"  {\"type\": \"order.placed\", \"version\": 2, \"fields\": {\"customer\": \"text\","
	" \"ref\": \"text?\", \"saga\": \"id\", \"urgent\": \"flag\"}, \"labels\": [\"ref\"]},\n";

START_TEST(a_declaration_makes_its_document)
{
	static char text[8192], again[8192];
	size_t length = saga_contract_json(&order, text, sizeof text);

	ck_assert_uint_lt(length, sizeof text);
	ck_assert_uint_eq(length, strlen(text));
	ck_assert_msg(strncmp(text, wanted, sizeof wanted - 1) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\"receipt\": \"bytes?\""));
	ck_assert_ptr_nonnull(strstr(text, "\"why\": \"reason\""));
	ck_assert_uint_eq(saga_contract_json(&order, again, sizeof again), length);
	ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(a_text_is_cut_as_by_snprintf)
{
	static char whole[8192], part[64];
	size_t length = saga_contract_json(&order, whole, sizeof whole);

	memset(part, 'x', sizeof part);
	ck_assert_uint_eq(saga_contract_json(&order, part, 40), length);
	ck_assert_uint_eq(strlen(part), 39);
	ck_assert(strncmp(part, whole, 39) == 0);
	ck_assert_int_eq(part[40], 'x');
	ck_assert_uint_eq(saga_contract_json(&order, NULL, 0), length);
}
END_TEST

static const char *digest_of(const saga_participant_def *def, char *text, size_t size)
{
	const char *at;

	ck_assert_uint_gt(saga_contract_json(def, text, size), 0);
	at = strstr(text, "\"digest\": \"");
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(at), 11 + 64 + 3);
	return at;
}

START_TEST(another_declaration_has_another_digest)
{
	static char one[8192], two[8192];
	saga_step_def changed[4];
	saga_participant_def def = order;

	memcpy(changed, steps, sizeof changed);
	changed[3].within_ms = 6000;
	def.steps = changed;
	ck_assert_str_ne(digest_of(&order, one, sizeof one), digest_of(&def, two, sizeof two));
}
END_TEST

START_TEST(a_long_why_is_cut_between_characters)
{
	static char text[8192], why[300];
	saga_step_def changed[4];
	saga_participant_def def = order;
	const char *at;

	memset(why, 'w', sizeof why);
	(void)strcpy(why + 199, "\xc3\xa9 and more");
	memcpy(changed, steps, sizeof changed);
	changed[3].waits[0].why = why;
	def.steps = changed;
	ck_assert_uint_gt(saga_contract_json(&def, text, sizeof text), 0);
	at = strstr(text, "\"why\": \"www");
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strspn(at + 8, "w"), 199);
	ck_assert(strncmp(at + 8 + 199, "\", ", 3) == 0);
}
END_TEST

START_TEST(a_declaration_that_is_refused_has_none)
{
	saga_participant_def def = order;
	char text[8] = "before";

	def.name = "Order";
	ck_assert_uint_eq(saga_contract_json(&def, text, sizeof text), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

#ifdef SAGA_HAVE_JSON
START_TEST(a_contract_is_read_again)
{
	static char text[8192];
	const saga_contract contract = { "order", text };
	saga_check *check;
	saga_error error;

	(void)saga_contract_json(&order, text, sizeof text);
	ck_assert_msg(saga_choreography_check(&contract, 1, NULL, &check, &error) == SAGA_OK, "%s",
		error.text);
	ck_assert(check->whole && !check->passed); /* nobody emits order.paid */
	saga_check_free(check);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("choreography");
	TCase *tests = tcase_create("contract");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, a_declaration_makes_its_document);
	tcase_add_test(tests, a_text_is_cut_as_by_snprintf);
	tcase_add_test(tests, another_declaration_has_another_digest);
	tcase_add_test(tests, a_long_why_is_cut_between_characters);
	tcase_add_test(tests, a_declaration_that_is_refused_has_none);
#ifdef SAGA_HAVE_JSON
	tcase_add_test(tests, a_contract_is_read_again);
#endif
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
