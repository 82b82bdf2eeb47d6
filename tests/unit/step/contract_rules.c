/* The members that serve the contract: each contradiction is refused by name. */

#include "stage.h"

static saga_verdict never(saga_step *step)
{
	return saga_done(step);
}

static saga_verdict never_call(saga_call *call)
{
	return saga_call_retry(call, "never");
}

#define S .name = "s", .run = never
#define T .name = "t", .run = never
#define UNDOES .undo = never, .undo_on = { &back }, .undone = { &undid_a }

/* `with` stands before the step that must be refused, if it has a name. */
static const struct {
	const char *says;
	saga_step_def with;
	saga_step_def step;
} wrong[] = {
	{ "step s: `waits` for t.back, which is not in `on`",
		.step = { S, .on = { &go }, .waits = { { .until = { &back } } } } },
	{ "step s: `waits`, and a request can't wait",
		.step = { S, .on = { &please }, .waits = { { .why = "never" } } } },
	{ "step s: `waits`, and its outside call has no `prepare`",
		.step = { S, .on = { &go }, .outside = { .call = never_call },
			.waits = { { .why = "never" } } } },
	{ "step s: `waits` has one of `held` and `freed`",
		.step = { S, .on = { &go }, .waits = { { .held = "t" } } } },
	{ "step s: `waits` has both `until` and `held`",
		.step = { S, .on = { &go },
			.waits = { { .until = { &go }, .held = "t", .freed = "t" } } } },
	{ "step s: `held` names t: there is no such step",
		.step = { S, .on = { &go }, .waits = { { .held = "t", .freed = "t" } } } },
	{ "step s: `only_while` without `rejects`", .with = { T, .on = { &go } },
		.step = { S, .on = { &go }, .only_while = { "t" } } },
	{ "step s: `only_while` names t: there is no such step",
		.step = { S, .on = { &go }, .rejects = { &no_a }, .only_while = { "t" } } },
	{ "step s: `only_while` names s: that is the step itself",
		.step = { S, .on = { &go }, .rejects = { &no_a }, .only_while = { "s" } } },
	{ "step s: `only_while` names t: that step only reads",
		.with = { T, .on = { &please }, .emits = { &did_b }, .reads_only = true },
		.step = { S, .on = { &go }, .rejects = { &no_a }, .only_while = { "t" } } },
	{ "step s: `only_while` names t: that step has subjects",
		.with = { T, .on = { &go }, .per_subject = true },
		.step = { S, .on = { &go }, .rejects = { &no_a }, .only_while = { "t" } } },
	{ "step s: `covered_by` without `rejects`", .with = { T, .on = { &go }, UNDOES },
		.step = { S, .on = { &go }, .covered_by = "t" } },
	{ "step s: `covered_by` names t: that step has no undo", .with = { T, .on = { &go } },
		.step = { S, .on = { &go }, .rejects = { &no_a }, .covered_by = "t" } },
	{ "`covered_by` goes in a circle",
		.with = { T, .on = { &go }, .rejects = { &no_b }, .covered_by = "s" },
		.step = { S, .on = { &go }, .rejects = { &no_a }, .covered_by = "t" } },
	{ "step s: `owed`, and it is on no request", .step = { S, .on = { &go }, .owed = true } },
	{ "step s: `neutral` with an undo", .step = { S, .on = { &go }, UNDOES, .neutral = true } },
	{ "step s: `undo_early` without `undo_on`",
		.step = { S, .on = { &go }, .undo_early = true } },
	{ "step s: `within_ms` is negative", .step = { S, .on = { &go }, .within_ms = -1 } },
	{ "step s: `reads_only` has",
		.step = { S, .on = { &please }, .emits = { &did_a }, .reads_only = true,
			.neutral = true } },
};

START_TEST(every_contradiction_is_refused_by_name)
{
	saga_step_def steps[2];
	saga_participant_def def = SAGA_PARTICIPANT("test", steps);
	struct saga__plan *plan = NULL;
	saga_error error;

	steps[0] = wrong[_i].with.name ? wrong[_i].with : wrong[_i].step;
	steps[1] = wrong[_i].step;
	def.step_count = wrong[_i].with.name ? 2 : 1;
	ck_assert_int_eq(saga__plan_new(&def, &plan, &error), SAGA_MISUSE);
	ck_assert_msg(strstr(error.text, wrong[_i].says), "`%s` is not in: %s", wrong[_i].says,
		error.text);
	ck_assert_ptr_null(plan);
}
END_TEST

static const saga_step_def step[] = { { S, .on = { &go }, .emits = { &did_a },
	.rejects = { &no_a } } };

static const struct {
	const char *says; /* NULL: it is right */
	saga_end ends[3];
	const saga_type *unheard[3];
} sets[] = {
	{ NULL, { { &did_a, SAGA_END_DONE }, { &no_a, SAGA_END_UNDONE } }, { &did_a } },
	{ "ends: no step here says b.did", { { &did_b, SAGA_END_DONE } }, { NULL } },
	{ "ends: a.did is neither", { { &did_a, (saga_end_kind)7 } }, { NULL } },
	{ "ends: a.did twice", { { &did_a, SAGA_END_DONE }, { &did_a, SAGA_END_DONE } }, { NULL } },
	{ "unheard: no step here says b.no", { { NULL, 0 } }, { &no_b } },
};

START_TEST(ends_and_unheard_are_what_its_steps_say)
{
	saga_participant_def def = SAGA_PARTICIPANT("test", step);
	struct saga__plan *plan = NULL;
	saga_error error;
	int code;

	memcpy(def.ends, sets[_i].ends, sizeof sets[_i].ends);
	memcpy(def.unheard, sets[_i].unheard, sizeof sets[_i].unheard);
	code = saga__plan_new(&def, &plan, &error);
	if (sets[_i].says) {
		ck_assert_int_eq(code, SAGA_MISUSE);
		ck_assert_msg(strstr(error.text, sets[_i].says), "%s", error.text);
	} else {
		ck_assert_int_eq(code, SAGA_OK);
		ck_assert_ptr_eq(plan->ends[1].event, &no_a);
	}
	saga__plan_free(plan);
}
END_TEST

/* A program that was compiled before the members were there. */
START_TEST(an_older_definition_has_none_of_them)
{
	saga_participant_def def = SAGA_PARTICIPANT("test", step, .ends = { { &did_b, 0 } });
	struct saga__plan *plan;

	def.size = offsetof(saga_participant_def, ends);
	ck_assert_int_eq(saga__plan_new(&def, &plan, NULL), SAGA_OK);
	ck_assert_ptr_null(plan->ends[0].event);
	saga__plan_free(plan);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("step");
	TCase *tests = tcase_create("contract rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
		tests, every_contradiction_is_refused_by_name, 0, sizeof wrong / sizeof wrong[0]);
	tcase_add_loop_test(
		tests, ends_and_unheard_are_what_its_steps_say, 0, sizeof sets / sizeof sets[0]);
	tcase_add_test(tests, an_older_definition_has_none_of_them);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
