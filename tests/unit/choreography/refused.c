/* Contracts that can't be read, or that contradict: each is refused by file and member. */
#include <saga/choreography.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

/* In the texts ' stands for ". */
static const struct {
	const char *contract;
	const char *other; /* a second one; NULL: none */
	const char *says;
} wrong[] = {
	{ "", NULL, "a.json: line 1" },
	{ "{'contract': 1, 'participant': 'a', 'participant': 'b'}", NULL, "duplicate" },
	{ "[]", NULL, "a.json: is no contract" },
	{ "{'openapi': '3.0.0'}", NULL, "a.json: is no contract" },
	{ "{'contract': 2, 'participant': 'a'}", NULL,
		"a.json: contract: is of form 2; this build knows 1" },
	{ "{'contract': 1}", NULL, "a.json: participant: is missing" },
	{ "{'contract': 1, 'participant': 'a b'}", NULL, "participant: is no name" },
	{ "{'contract': 1, 'participant': 'a', 'stepps': []}", NULL, "stepps: no such member" },
	{ "{'contract': 1, 'participant': 'a', 'steps': {}}", NULL, "steps: is no list" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [7]}", NULL, "steps[0]: is no object" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'on': ['x']}]}", NULL,
		"steps[0]: name: is missing" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': 'x'}]}", NULL,
		"a.json: step s: on: is no list" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x', 'x']}]}", NULL,
		"step s: on: x twice" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'], 'emit': []}]}",
		NULL, "step s: emit: no such member" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'], 'pivot': 1}]}",
		NULL, "step s: pivot: is neither true nor false" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x']},"
	  " {'name': 's', 'on': ['y']}]}",
		NULL, "step s: is there twice" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on':"
	  " ['1','2','3','4','5','6','7','8','9']}]}",
		NULL, "on: more than 8 types" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's'}]}", NULL,
		"a.json: step s: it is `on` nothing" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'bar_on': ['x']}]}",
		NULL, "step s: x is in `on` and in `bar_on`" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'undo_on': ['y']}]}",
		NULL, "`undo_on` and `undone` go together" },
	{ "{'contract': 1, 'participant': 'a', 'requests': ['x'], 'steps': [{'name': 's',"
	  " 'on': ['x', 'y']}]}",
		NULL, "a request must be alone" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'owed': true}]}",
		NULL, "owed: it is on no request" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'only_while': ['t']}]}",
		NULL, "step s: it names t, and there is no such step" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'covered_by': 's'}]}",
		NULL, "step s: it names itself" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'covered_by': 't'}, {'name': 't', 'on': ['x'], 'covered_by': 's'}]}",
		NULL, "covered_by: goes in a circle" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'only_while': ['t']}, {'name': 't', 'on': ['x'], 'per_subject': true}]}",
		NULL, "it names t, which has subjects, and it has none" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'waits': [{'until': ['y']}]}]}",
		NULL, "waits: y is not in `on`" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'waits': [{'held': 't'}]}]}",
		NULL, "waits: `held` and `freed` go together" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'join': 'some'}]}",
		NULL, "join: is neither" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'within_ms': -1}]}",
		NULL, "within_ms: is no number" },
	{ "{'contract': 1, 'participant': 'a', 'ends': {'x': 'done'}}", NULL,
		"a.json: ends: x: no step says it" },
	{ "{'contract': 1, 'participant': 'a', 'ends': {'x': 'good'}}", NULL,
		"ends: x: is neither \"done\" nor \"undone\"" },
	{ "{'contract': 1, 'participant': 'a', 'unheard': ['x']}", NULL,
		"unheard: x: no step says it" },
	{ "{'contract': 1, 'participant': 'a', 'types': [{'type': 'x', 'version': 0,"
	  " 'fields': {}}]}",
		NULL, "type x: version: is no number from 1" },
	{ "{'contract': 1, 'participant': 'a', 'types': [{'type': 'x', 'version': 1,"
	  " 'fields': {'f': 'float'}}]}",
		NULL, "type x: f: `float` is no kind" },
	{ "{'contract': 1, 'participant': 'a', 'types': [{'type': 'x', 'version': 1,"
	  " 'fields': {'f': {'set': {}}}}]}",
		NULL, "type x: f: is neither a kind" },
	{ "{'contract': 1, 'participant': 'a', 'types': [{'type': 'x', 'version': 1, 'fields': {}},"
	  " {'type': 'x', 'version': 1, 'fields': {}}]}",
		NULL, "type x: is there twice in one version" },
	{ "{'contract': 1, 'participant': 'a', 'hears': [], 'steps': []}", NULL,
		"a participant has no `hears`" },
	{ "{'contract': 1, 'participant': 'a'}", "{'contract': 1, 'participant': 'a'}",
		"b.json: participant a: a.json is of the same one" },
	{ "{'contract': 1, 'participant': 'a', 'requests': ['r'], 'steps': [{'name': 's',"
	  " 'on': ['r']}]}",
		"{'contract': 1, 'participant': 'b', 'steps': [{'name': 's', 'on': ['x'],"
		" 'emits': ['r']}]}",
		"r: a step says it, and it is a request" },
	{ "{'contract': 1, 'participant': 'a', 'steps': [{'name': 's', 'on': ['x'],"
	  " 'emits': ['e']}], 'ends': {'e': 'done'}}",
		"{'contract': 1, 'participant': 'b', 'ends': {'e': 'undone'}}",
		"b.json: ends: e: a.json calls it another end" },
};

static const char *quoted(const char *text, char *buffer)
{
	size_t i = 0;

	for (; text[i]; i++)
		buffer[i] = (char)(text[i] == '\'' ? '"' : text[i]);
	buffer[i] = '\0';
	return buffer;
}

START_TEST(it_is_refused)
{
	char one[2048], two[2048];
	const saga_contract contracts[] = {
		{ "a.json", quoted(wrong[_i].contract, one) },
		{ "b.json", wrong[_i].other ? quoted(wrong[_i].other, two) : NULL },
	};
	saga_check *check = NULL;
	saga_error error = { 0, "" };
	int code =
		saga_choreography_check(contracts, wrong[_i].other ? 2 : 1, NULL, &check, &error);

	ck_assert_msg(code == SAGA_MALFORMED, "%s: %d %s", wrong[_i].says, code, error.text);
	ck_assert_msg(strstr(error.text, wrong[_i].says) != NULL, "`%s` does not hold `%s`",
		error.text, wrong[_i].says);
	ck_assert_ptr_null(check);
}
END_TEST

START_TEST(options_are_refused)
{
	const saga_contract one = { "a.json", "{\"contract\": 1, \"participant\": \"a\"}" };
	const saga_check_options zero = { .size = 0 };
	saga_check *check = NULL;
	saga_error error;

	ck_assert_int_eq(saga_choreography_check(&one, 0, NULL, &check, &error), SAGA_MISUSE);
	ck_assert_int_eq(saga_choreography_check(&one, 1, &zero, &check, &error), SAGA_MISUSE);
	ck_assert_int_eq(
		saga_choreography_check(&one, 1, SAGA_CHECK_OPTIONS(.subjects = 9), &check, &error),
		SAGA_MISUSE);
	ck_assert_int_eq(
		saga_choreography_check(&one, 1, SAGA_CHECK_OPTIONS(.dying = -1), &check, &error),
		SAGA_MISUSE);
	ck_assert_ptr_null(check);
	ck_assert_int_eq(saga_choreography_check(&one, 1, NULL, &check, &error), SAGA_OK);
	ck_assert(check->passed);
	ck_assert_uint_eq(check->states, 1);
	saga_check_free(check);
	saga_check_free(NULL);
}
END_TEST

/* More slots than a state may have. */
START_TEST(too_many_slots_are_refused)
{
	static char text[65536];
	const saga_contract one = { "a.json", text };
	size_t length = (size_t)snprintf(
		text, sizeof text, "{\"contract\": 1, \"participant\": \"a\", \"steps\": [");
	saga_check *check = NULL;
	saga_error error;

	for (int i = 0; i < 300; i++)
		length += (size_t)snprintf(text + length, sizeof text - length,
			"%s{\"name\": \"s%d\", \"on\": [\"e%d\"], \"per_subject\": true}",
			i ? ", " : "", i, i);
	(void)snprintf(text + length, sizeof text - length, "]}");
	ck_assert_int_eq(saga_choreography_check(&one, 1, NULL, &check, &error), SAGA_TOO_BIG);
	ck_assert_ptr_nonnull(strstr(error.text, "400 slots"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("choreography");
	TCase *tests = tcase_create("refused");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, it_is_refused, 0, sizeof wrong / sizeof wrong[0]);
	tcase_add_test(tests, options_are_refused);
	tcase_add_test(tests, too_many_slots_are_refused);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
