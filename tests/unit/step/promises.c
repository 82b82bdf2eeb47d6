/* A run is held to the `waits` of its step, both ways. */

#include "stage.h"

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go, &go_too, &late },
		.run = run_act,
		.emits = { &did_a },
		.waits = { { .why = "no go", .until = { &go } },
			{ .until = { &late }, .maybe = true } } },
	{ .name = "b",
		.on = { &go_three },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.waits = { { .held = "a", .freed = "c" } } },
	{ .name = "c", .on = { &did_c }, .run = run_act },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B
};

static void come(struct stage *stage, const saga_type *type, enum act act)
{
	stage->acts[A][SAGA__PHASE_RUN] = act;
	give(stage, saga_no(1), type);
	run_all(stage);
}

static enum saga__state state(const struct stage *stage)
{
	return state_of(stage, saga_no(1), "a");
}

static const char *why(struct stage *stage)
{
	return memory_slot(&stage->memory, saga_no(1), "a", "")->why;
}

START_TEST(it_goes_on_when_what_it_waits_for_has_come)
{
	struct stage *stage = stage_new(&def);

	come(stage, &go_too, WAIT);
	ck_assert_int_eq(state(stage), SAGA__WAITING);
	come(stage, &go, WAIT); /* `late` may be waited for */
	ck_assert_int_eq(state(stage), SAGA__WAITING);
	for (int i = 0; i < 100; i++)
		come(stage, &go_too, WAIT);
	come(stage, &go_too, GOOD);
	ck_assert_int_eq(state(stage), SAGA__DONE);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	stage_free(stage);
}
END_TEST

START_TEST(it_must_not_go_on_before)
{
	struct stage *stage = stage_new(&def);

	come(stage, _i ? &late : &go_too, _i ? GOOD : WAIT);
	if (!_i)
		come(stage, &late, GOOD);
	ck_assert_int_eq(state(stage), SAGA__DEAD);
	ck_assert_ptr_nonnull(strstr(why(stage), "it went on, and by its `waits` it waits: no go"));
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 0);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	stage_free(stage);
}
END_TEST

START_TEST(it_must_not_wait_for_nothing)
{
	struct stage *stage = stage_new(&def);

	come(stage, &late, WAIT);
	come(stage, &go, WAIT);
	ck_assert_int_eq(state(stage), SAGA__DEAD);
	ck_assert_ptr_nonnull(strstr(why(stage), "it waits, and none of its `waits` is open"));
	stage_free(stage);
}
END_TEST

/* Other slots are not looked at. */
START_TEST(for_another_step_it_may_wait_or_go_on)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = _i ? WAIT : GOOD;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), _i ? SAGA__WAITING : SAGA__DONE);
	stage_free(stage);
}
END_TEST

START_TEST(it_may_always_reject)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_RUN] = REJECT;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__REJECTED);
	stage_free(stage);
}
END_TEST

/* A slot that waited before its step had `waits` bears no names: nothing is known for sure. */
START_TEST(what_an_older_version_has_seen_is_believed)
{
	static saga_step_def before[sizeof steps / sizeof steps[0]];
	const saga_participant_def older = SAGA_PARTICIPANT("test", before);
	struct stage *stage;
	struct saga__plan *newer;

	memcpy(before, steps, sizeof steps);
	memset(before[A].waits, 0, sizeof before[A].waits);
	stage = stage_new(&older);
	come(stage, &go, WAIT);
	ck_assert_int_eq(saga__plan_new(&def, &newer, NULL), SAGA_OK);
	saga__plan_free(stage->plan);
	stage->plan = newer;
	stage->batch.plan = newer;
	come(stage, &go_too, GOOD);
	ck_assert_int_eq(state(stage), SAGA__DONE);
	stage_free(stage);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("step");
	TCase *tests = tcase_create("promises");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, it_goes_on_when_what_it_waits_for_has_come);
	tcase_add_loop_test(tests, it_must_not_go_on_before, 0, 2);
	tcase_add_test(tests, it_must_not_wait_for_nothing);
	tcase_add_loop_test(tests, for_another_step_it_may_wait_or_go_on, 0, 2);
	tcase_add_test(tests, it_may_always_reject);
	tcase_add_test(tests, what_an_older_version_has_seen_is_believed);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
