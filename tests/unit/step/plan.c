/* A participant's declaration, checked and compiled. */

#include "stage.h"

SAGA_EVENT(wants, "x.wants", 1, int64(n));
SAGA_EVENT(go_new, "t.go", 2, opt_int64(n));

static saga_verdict never(saga_step *step)
{
	return saga_done(step);
}

static saga_verdict never_call(saga_call *call)
{
	return saga_call_retry(call, "never");
}

/* `with` before the step that must be refused, if it names one. */
static const struct {
	const char *says; /* the rule, as the error puts it */
	saga_step_def with;
	saga_step_def step;
} wrong[] = {
	{ "a step without a name", .step = { .on = { &go }, .run = never } },
	{ "longer than 31",
		.step = { .name = "abcdefghijklmnopqrstuvwxyz012345",
			.on = { &go },
			.run = never } },
	{ "none of A-Z", .step = { .name = "a>b", .on = { &go }, .run = never } },
	{ "none of A-Z", .step = { .name = "s", .was = "a b", .on = { &go }, .run = never } },
	{ "step s: it is `on` nothing", .step = { .name = "s", .run = never } },
	{ "step s: no `run`", .step = { .name = "s", .on = { &go } } },
	{ "step s: a request must be alone",
		.step = { .name = "s", .on = { &go, &please }, .run = never } },
	{ "step s: `join`",
		.step = { .name = "s", .on = { &go, &back }, .join = (saga_join)7, .run = never } },
	{ "step s: SAGA_ALL",
		.step = { .name = "s", .on = { &go }, .join = SAGA_ALL, .run = never } },
	{ "step s: on: t.go twice", .step = { .name = "s", .on = { &go, &go }, .run = never } },
	{ "step s: emits: t.please is a request",
		.step = { .name = "s", .on = { &go }, .run = never, .emits = { &please } } },
	{ "step s: bar_on: t.please is a request",
		.step = { .name = "s", .on = { &go }, .run = never, .bar_on = { &please } } },
	{ "step s: after: t.please is a request",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.after = { { .event = &please } } } },
	{ "step s: unless: t.please is a request",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.after = { { .event = &late, .unless = { &please } } } } },
	{ "both in `on` and in `undo_on`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo = never,
			.undo_on = { &go },
			.undone = { &undid_a } } },
	{ "both in `on` and in `bar_on`",
		.step = { .name = "s", .on = { &go }, .run = never, .bar_on = { &go } } },
	{ "both in `undo_on` and in `bar_on`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo = never,
			.undo_on = { &back },
			.undone = { &undid_a },
			.bar_on = { &back } } },
	{ "step s: a pivot has no undo",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.pivot = true,
			.undo_on = { &back } } },
	{ "step s: a pivot has no undo",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.pivot = true,
			.undo = never,
			.undo_on = { &back },
			.undone = { &undid_a } } },
	{ "step s: an `undo` without `undo_on`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo = never,
			.undone = { &undid_a } } },
	{ "step s: `undo_on` without `undo`",
		.step = { .name = "s", .on = { &go }, .run = never, .undo_on = { &back } } },
	{ "step s: an `undo` without `undone`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo = never,
			.undo_on = { &back } } },
	{ "step s: `undone` without `undo`",
		.step = { .name = "s", .on = { &go }, .run = never, .undone = { &undid_a } } },
	{ "both in `emits` and in `rejects`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.emits = { &did_a },
			.rejects = { &did_a } } },
	{ "of `undone` is also",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.emits = { &did_a },
			.undo = never,
			.undo_on = { &back },
			.undone = { &did_a } } },
	{ "of `undone` is also",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.rejects = { &no_a },
			.undo = never,
			.undo_on = { &back },
			.undone = { &no_a } } },
	{ "step s: `refuse` without `rejects`",
		.step = { .name = "s", .on = { &go }, .run = never, .refuse = never } },
	{ "step s: several `rejects`",
		.step = { .name = "s", .on = { &go }, .run = never, .rejects = { &no_a, &no_b } } },
	{ "step s: no `refuse`, and `rejects` has a field",
		.step = { .name = "s", .on = { &go }, .run = never, .rejects = { &wants } } },
	{ "step s: `outside` has a `prepare`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.outside = { .prepare = never } } },
	{ "step s: `undo_outside` has a `prepare`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo_outside = { .prepare = never } } },
	{ "step s: `undo_outside` without",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo_outside = { .call = never_call } } },
	{ "step s: a timeout is negative",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.outside = { .call = never_call, .timeout_ms = -1 } } },
	{ "step s: `reads_only` is for requests",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.emits = { &did_a },
			.reads_only = true } },
	{ "step s: `reads_only` without `emits`",
		.step = { .name = "s", .on = { &please }, .run = never, .reads_only = true } },
	{ "step s: `reads_only` has",
		.step = { .name = "s",
			.on = { &please },
			.run = never,
			.emits = { &did_a },
			.reads_only = true,
			.bar_on = { &stop } } },
	{ "step s: `reads_only` has",
		.step = { .name = "s",
			.on = { &please },
			.run = never,
			.emits = { &did_a },
			.reads_only = true,
			.per_subject = true } },
	{ "step s: `reads_only` has",
		.step = { .name = "s",
			.on = { &please },
			.run = never,
			.emits = { &did_a },
			.reads_only = true,
			.after = { { .event = &late } } } },
	{ "step s: the same event twice in `after`",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.after = { { .event = &late }, { .event = &late } } } },
	{ "step s: a number of its retry rule",
		.step = { .name = "s", .on = { &go }, .run = never, .retry = { .attempts = -1 } } },
	{ "step s: a number of its retry rule",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.undo_retry = { .first_ms = -1 } } },
	{ "step s: its retry rule's max_ms",
		.step = { .name = "s",
			.on = { &go },
			.run = never,
			.retry = { .first_ms = 9, .max_ms = 8 } } },
	{ "step s: declared twice", .with = { .name = "s", .on = { &go }, .run = never },
		.step = { .name = "s", .on = { &back }, .run = never } },
	{ "step s: it was t, and another step is",
		.with = { .name = "t", .on = { &go }, .run = never },
		.step = { .name = "s", .was = "t", .on = { &back }, .run = never } },
	{ "both were u", .with = { .name = "t", .was = "u", .on = { &go }, .run = never },
		.step = { .name = "s", .was = "u", .on = { &back }, .run = never } },
	{ "step s: another step is `on` the request t.please",
		.with = { .name = "t", .on = { &please }, .run = never },
		.step = { .name = "s", .on = { &please }, .run = never } },
	/* t's silence, when it is barred, would hang the undo of s. */
	{ "step t: it has no `rejects`",
		.with = { .name = "t",
			.on = { &go },
			.run = never,
			.undo = never,
			.undo_on = { &back },
			.undone = { &undid_a } },
		.step = { .name = "s",
			.on = { &go_too },
			.run = never,
			.undo = never,
			.undo_on = { &undid_a },
			.undone = { &undid_b } } },
	{ "but not on its rejection a.no",
		.with = { .name = "t",
			.on = { &go },
			.run = never,
			.rejects = { &no_a },
			.undo = never,
			.undo_on = { &back },
			.undone = { &undid_a } },
		.step = { .name = "s",
			.on = { &go_too },
			.run = never,
			.undo = never,
			.undo_on = { &undid_a },
			.undone = { &undid_b } } },
};

START_TEST(every_wrong_declaration_is_refused_by_name)
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
	ck_assert_int_eq(saga__plan_new(&def, &plan, NULL), SAGA_MISUSE);
}
END_TEST

/* ---- joins, and whose silence they would hang on ---- */

#define EMITS_A .name = "s", .run = never, .emits = { &did_a }
#define JOINS .name = "j", .run = never, .join = SAGA_ALL
#define ON_GO .on = { &go }
#define WITH_B \
	{ \
		.name = "t", ON_GO, .run = never, .emits = { &did_b } \
	}

/* s, j, and what else there is. */
static const struct {
	const char *says; /* NULL: it is well declared, or nothing can be proven */
	saga_step_def steps[3];
} joins[] = {
	{ "step j: it joins a.did, and when s rejects",
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &go, &did_a } } } },
	{ "step j: it joins a.did, and when s is barred",
		{ { EMITS_A, ON_GO, .bar_on = { &stop } }, { JOINS, .on = { &did_a, &go } } } },
	{ "when s is barred",
		{ { EMITS_A, ON_GO, .undo = never, .undo_on = { &back }, .undone = { &undid_a } },
			{ JOINS, .on = { &did_a, &go } } } },
	/* What t makes of the same event comes, too. */
	{ "when s rejects",
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &did_a, &did_b } },
			WITH_B } },
	{ "when s rejects",
		{ { EMITS_A, .on = { &go, &go_too }, .join = SAGA_ALL, .rejects = { &no_a } },
			{ JOINS, .on = { &did_a, &did_b } }, WITH_B } },
	/* It can't be silent but dead, which is for an operator. */
	{ NULL, { { EMITS_A, ON_GO }, { JOINS, .on = { &go, &did_a } } } },
	/* Something ends the wait, if not what silenced s. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } },
			{ JOINS, .on = { &go, &did_a }, .bar_on = { &stop } } } },
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } },
			{ JOINS, .on = { &go, &did_a }, .rejects = { &no_b }, .undo = never,
				.undo_on = { &stop }, .undone = { &undid_b } } } },
	/* Another participant's event: perhaps it is an answer to what s emits. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } },
			{ JOINS, .on = { &go_three, &did_a } } } },
	/* What t makes is caused by s. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &did_a, &did_b } },
			{ .name = "t", .on = { &did_a }, .run = never, .emits = { &did_b } } } },
	/* s may have run on the one before the other came. */
	{ NULL,
		{ { EMITS_A, .on = { &go, &go_too }, .rejects = { &no_a } },
			{ JOINS, .on = { &go, &did_a } } } },
	/* t may choose, or needs more than is known to come. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &did_a, &did_b } },
			{ .name = "t", ON_GO, .run = never, .emits = { &did_b, &did_c } } } },
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &did_a, &did_b } },
			{ .name = "t",
				.on = { &go, &go_too },
				.join = SAGA_ALL,
				.run = never,
				.emits = { &did_b } } } },
	/* Another step emits it in the place of s, or schedules it. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a } }, { JOINS, .on = { &go, &did_a } },
			{ .name = "t", .on = { &no_a }, .run = never, .emits = { &did_a } } } },
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a }, .after = { { .event = &did_a } } },
			{ JOINS, .on = { &go, &did_a } } } },
	/* Another subject's would do. */
	{ NULL,
		{ { EMITS_A, ON_GO, .rejects = { &no_a }, .per_subject = true },
			{ JOINS, .on = { &go, &did_a } } } },
};

START_TEST(a_join_must_not_hang_on_a_steps_silence)
{
	const saga_participant_def def = { .size = sizeof def,
		.name = "test",
		.steps = joins[_i].steps,
		.step_count = joins[_i].steps[2].name ? 3 : 2,
		.step_size = sizeof(saga_step_def) };
	const char *says = joins[_i].says;
	struct saga__plan *plan = NULL;
	saga_error error = { .text = "" };
	int code = saga__plan_new(&def, &plan, &error);

	ck_assert_msg(code == (says ? SAGA_MISUSE : SAGA_OK), "%d: %s", code, error.text);
	ck_assert_msg(!says || strstr(error.text, says), "`%s` is not in: %s", says, error.text);
	saga__plan_free(plan);
}
END_TEST

START_TEST(a_participant_must_be_whole)
{
	static const saga_step_def steps[] = { { .name = "s", .on = { &go }, .run = never } };
	const saga_participant_def good = SAGA_PARTICIPANT("test", steps);
	saga_participant_def defs[6];
	struct saga__plan *plan = NULL;

	for (int i = 0; i < 6; i++)
		defs[i] = good;
	defs[0].name = NULL;
	defs[1].name = "Test";
	defs[2].name = "abcdefghijklmnopqrstuvwxyz012345";
	defs[3].step_count = 0;
	defs[4].size = 0;
	defs[5].step_size = 8;
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(saga__plan_new(&defs[i], &plan, NULL), SAGA_MISUSE);
	ck_assert_ptr_null(plan);
	ck_assert_int_eq(saga__plan_new(&good, &plan, NULL), SAGA_OK);
	saga__plan_free(plan);
	saga__plan_free(NULL);
}
END_TEST

/* ---- what it is compiled to ---- */

static const saga_step_def three[] = {
	{ .name = "a",
		.on = { &go },
		.run = never,
		.rejects = { &no_a },
		.undo = never,
		.undo_on = { &back },
		.undone = { &undid_a },
		.after = { { .event = &late, .unless = { &stop } }, { .event = &too_late } } },
	{ .name = "b",
		.on = { &stop, &go_too },
		.run = never,
		.rejects = { &no_b },
		.undo = never,
		.undo_on = { &go, &back },
		.undone = { &undid_b } },
	{ .name = "c",
		.on = { &go },
		.run = never,
		.rejects = { &no_c },
		.undo = never,
		.undo_on = { &back },
		.undone = { &undid_c },
		.bar_on = { &stop },
		.after = { { .event = &late, .unless = { &go_too } } } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", three);

static void expect(const struct saga__plan *plan, const char *type, size_t count,
	const struct saga__route *routes)
{
	const struct saga__known *known = saga__plan_type(plan, type, 1);

	ck_assert_ptr_nonnull(known);
	ck_assert_uint_eq(known->route_count, count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(known->routes[i].role, routes[i].role);
		ck_assert_int_eq(known->routes[i].step, routes[i].step);
		ck_assert_int_eq(known->routes[i].row, routes[i].row);
		ck_assert_int_eq(known->routes[i].nth, routes[i].nth);
	}
}

START_TEST(routes_go_undos_backwards_then_bars_then_runs)
{
	struct saga__plan *plan;

	ck_assert_int_eq(saga__plan_new(&def, &plan, NULL), SAGA_OK);
	expect(plan, "t.back", 3,
		(const struct saga__route[]){ { 2, 2, SAGA__ROLE_UNDO, 0 },
			{ 1, 1, SAGA__ROLE_UNDO, 1 }, { 0, 0, SAGA__ROLE_UNDO, 0 } });
	expect(plan, "t.go", 3,
		(const struct saga__route[]){ { 1, 1, SAGA__ROLE_UNDO, 0 },
			{ 0, 0, SAGA__ROLE_RUN, 0 }, { 2, 2, SAGA__ROLE_RUN, 0 } });
	expect(plan, "t.stop", 3,
		(const struct saga__route[]){ { 2, 2, SAGA__ROLE_BAR, 0 },
			{ 0, 3, SAGA__ROLE_UNLESS, 0 }, { 1, 1, SAGA__ROLE_RUN, 0 } });
	expect(plan, "t.go_too", 2,
		(const struct saga__route[]){
			{ 2, 5, SAGA__ROLE_UNLESS, 0 }, { 1, 1, SAGA__ROLE_RUN, 1 } });
	expect(plan, "t.late", 0, NULL);
	expect(plan, "a.undid", 0, NULL);
	ck_assert_ptr_null(saga__plan_type(plan, "t.go", 2));
	ck_assert_ptr_nonnull(saga__plan_type(plan, "t.go", 0));
	ck_assert_ptr_null(saga__plan_type(plan, "no.such", 0));
	saga__plan_free(plan);
}
END_TEST

START_TEST(rows_are_steps_then_schedules)
{
	static const char *const names[] = { "a", "b", "c", "a>t.late", "a>t.too_late",
		"c>t.late" };
	static const unsigned short owners[] = { 0, 1, 2, 0, 0, 2 };
	struct saga__plan *plan;

	ck_assert_int_eq(saga__plan_new(&def, &plan, NULL), SAGA_OK);
	ck_assert_uint_eq(plan->row_count, 6);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_str_eq(plan->rows[i].name, names[i]);
		ck_assert_int_eq(plan->rows[i].step, owners[i]);
		ck_assert_int_eq(plan->rows[i].schedule, i >= 3);
		ck_assert_uint_eq(saga__plan_row(plan, names[i]), i);
	}
	ck_assert_int_eq(plan->first_schedule[0], 3);
	ck_assert_int_eq(plan->first_schedule[2], 5);
	ck_assert_uint_eq(saga__plan_row(plan, "d"), SIZE_MAX);
	ck_assert_uint_eq(saga__plan_row(plan, ""), SIZE_MAX);
	saga__plan_free(plan);
}
END_TEST

/* Headers are included by several files: each has its own copy of a type. */
START_TEST(a_type_that_is_declared_twice_alike_is_one)
{
	saga_type copy = go, other = go, newer = go_new;
	saga_step_def steps[] = {
		{ .name = "a", .on = { &go }, .run = never },
		{ .name = "b", .on = { &copy, &newer }, .run = never },
	};
	const saga_participant_def twice = SAGA_PARTICIPANT("test", steps);
	struct saga__plan *plan = NULL;
	saga_error error;

	ck_assert_int_eq(saga__plan_new(&twice, &plan, NULL), SAGA_OK);
	ck_assert_uint_eq(plan->type_count, 2);
	ck_assert_uint_eq(saga__plan_type(plan, "t.go", 1)->route_count, 2);
	ck_assert_uint_eq(saga__plan_type(plan, "t.go", 2)->route_count, 1);
	saga__plan_free(plan);
	plan = NULL;
	other.body = wants.body;
	steps[1].on[0] = &other;
	ck_assert_int_eq(saga__plan_new(&twice, &plan, &error), SAGA_MISUSE);
	ck_assert_ptr_nonnull(strstr(error.text, "t.go"));
	ck_assert_ptr_nonnull(strstr(error.text, "differ"));
}
END_TEST

/* As by a program that was compiled before the last member came; and after the next one. */
START_TEST(steps_of_another_size_are_read_by_their_size)
{
	enum {
		SMALL = offsetof(saga_step_def, reads_only),
		LARGE = sizeof(saga_step_def) + 64
	};
	const size_t sizes[] = { SMALL, LARGE };

	for (int i = 0; i < 2; i++) {
		_Alignas(16) static char bytes[2 * LARGE];
		saga_participant_def other = {
			.size = sizeof other, .name = "test", .step_count = 2, .step_size = sizes[i]
		};
		struct saga__plan *plan;

		memset(bytes, 0xff, sizeof bytes);
		memcpy(bytes, &three[0], i ? sizeof three[0] : SMALL);
		memcpy(bytes + sizes[i], &three[1], i ? sizeof three[0] : SMALL);
		other.steps = (const saga_step_def *)(const void *)bytes;
		ck_assert_int_eq(saga__plan_new(&other, &plan, NULL), SAGA_OK);
		ck_assert_str_eq(plan->steps[1].name, "b");
		ck_assert(!plan->steps[0].reads_only && !plan->steps[1].reads_only);
		saga__plan_free(plan);
	}
}
END_TEST

START_TEST(a_def_without_a_schema_member_has_none)
{
	saga_participant_def old = def;
	struct saga__plan *plan;

	old.schema = (const char *const *)(const void *)"never read";
	old.size = offsetof(saga_participant_def, schema);
	ck_assert_int_eq(saga__plan_new(&old, &plan, NULL), SAGA_OK);
	ck_assert_ptr_null(plan->schema);
	saga__plan_free(plan);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ every_wrong_declaration_is_refused_by_name, sizeof wrong / sizeof wrong[0] },
		{ a_join_must_not_hang_on_a_steps_silence, sizeof joins / sizeof joins[0] },
		{ a_participant_must_be_whole, 0 },
		{ routes_go_undos_backwards_then_bars_then_runs, 0 },
		{ rows_are_steps_then_schedules, 0 },
		{ a_type_that_is_declared_twice_alike_is_one, 0 },
		{ steps_of_another_size_are_read_by_their_size, 0 },
		{ a_def_without_a_schema_member_has_none, 0 },
	};

	return RUN_TESTS("plan", tests);
}
