/* Steps that run once a subject: their undos, schedules and outside calls. */
#include "harness.h"

SAGA_STRUCT(yes_no, flag(yes));

enum {
	FAR_LEASE_MS = 180000
};

static saga_verdict run_a(saga_step *s)
{
	saga_after(s,
		saga_on(s, go_first) && saga_on(s, go_first)->n > 100 ? (int)saga_on(s, go_first)->n
								      : 600000,
		later, .n = 1);
	saw(s, "run a/%s", saga_subject(s));
	return saga_emit(s, a_done);
}
static saga_verdict run_b(saga_step *s)
{
	saw(s, "run b/%s", saga_subject(s));
	return saga_emit(s, b_done);
}
static saga_verdict undo_a(saga_step *s)
{
	saw(s, "undo a/%s", saga_subject(s));
	return saga_emit(s, a_undone);
}
static saga_verdict undo_b(saga_step *s)
{
	saw(s, "undo b/%s %d", saga_subject(s), saga_attempt(s));
	if (saga_attempt(s) <= ((struct stage *)saga_user(s))->knob)
		return saga_retry(s, "not yet");
	return saga_emit(s, b_undone);
}
static saga_verdict run_late(saga_step *s)
{
	saw(s, "late/%s", saga_subject(s));
	return saga_done(s);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.per_subject = true,
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.after = { { .event = &later } } },
	{ .name = "b",
		.per_subject = true,
		.on = { &go_first },
		.run = run_b,
		.emits = { &b_done },
		.undo = undo_b,
		.undo_on = { &take_back },
		.undone = { &b_undone },
		.undo_retry = { .attempts = 9, .first_ms = 1, .max_ms = 20 } },
	{ .name = "late", .per_subject = true, .on = { &later }, .run = run_late },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static bool is(struct stage *st, saga_id g, const char *step, const char *sub, const char *state)
{
	return !strcmp(slot_state_of(st, g, step, sub), state);
}

static void reverse(int lanes, int knob, const char *wanted)
{
	struct stage *stage = stage_start(lanes, &def);
	saga_id saga = stage_saga(stage);

	stage->knob = knob;
	inject_as(stage, saga, &go_first, 1, "x");
	inject_as(stage, saga, &go_first, 1, "y");
	AWAIT(stage,
		is(stage, saga, "b", "x", "done") && is(stage, saga, "b", "y", "done") &&
			is(stage, saga, "a", "y", "done"));
	trace_clear(stage);
	inject_as(stage, saga, &take_back, 1, "x");
	AWAIT(stage, is(stage, saga, "a", "x", "undone"));
	AWAIT(stage, parked(stage) == 0);
	settle(stage);
	ck_assert_str_eq(trace(stage), wanted);
	ck_assert(is(stage, saga, "b", "x", "undone"));
	ck_assert(is(stage, saga, "a", "y", "done") && is(stage, saga, "b", "y", "done"));
	ck_assert(is(stage, saga, "a>target.later", "x", "barred"));
	ck_assert(is(stage, saga, "a>target.later", "y", "waiting"));
	stage_end(stage);
}
START_TEST(undos_of_one_subject_run_in_reverse_order)
{
	reverse(_i, 0, "undo b/x 1; undo a/x");
}
END_TEST
START_TEST(the_earlier_waits_for_the_later_of_its_subject)
{
	reverse(_i, 3, "undo b/x 1; undo b/x 2; undo b/x 3; undo b/x 4; undo a/x");
}
END_TEST

START_TEST(an_undo_withdraws_the_schedule_of_its_subject)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	inject_as(stage, saga, &go_first, 3000, "x");
	inject_as(stage, saga, &go_first, 3000, "y");
	AWAIT(stage, is(stage, saga, "b", "x", "done") && is(stage, saga, "b", "y", "done"));
	inject_as(stage, saga, &take_back, 1, "x");
	AWAIT(stage, is(stage, saga, "a", "x", "undone"));
	AWAIT(stage, is(stage, saga, "late", "y", "done"));
	settle(stage);
	ck_assert_int_eq(trace_count(stage, "late/x"), 0);
	ck_assert_int_eq(trace_count(stage, "late/y"), 1);
	stage_end(stage);
}
END_TEST

static saga_verdict call(saga_call *c)
{
	saw_call(c, "call");
	gate_pass(saga_call_user(c));
	return saga_tell(c, yes_no, .yes = true);
}
static saga_verdict told(saga_step *s)
{
	saw(s, "told/%s", saga_subject(s));
	return saga_told(s, yes_no) ? saga_emit(s, a_done)
				    : saga_reject(s, a_rejected, .why = "no");
}
static const saga_step_def outside_steps[] = {
	{ .name = "a",
		.per_subject = true,
		.on = { &go_first },
		.run = told,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.outside = { .call = call },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	MARKER_STEP,
};
static const saga_participant_def outside_def =
	SAGA_PARTICIPANT("target", outside_steps, .schema = effect_schema);

START_TEST(an_undo_while_trying_waits_for_the_answer_of_its_subject)
{
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);
	uint64_t opened;

	/* A renewal would find a row that is due, too: it is far away. */
	stage_open(stage, &outside_def, SAGA_OPTIONS(.lease_ms = FAR_LEASE_MS));
	gate_close(stage);
	inject_as(stage, saga, &go_first, 1, "x");
	inject_as(stage, saga, &go_first, 1, "y");
	AWAIT(stage, is(stage, saga, "a", "x", "trying") && is(stage, saga, "a", "y", "trying"));
	inject_as(stage, saga, &take_back, 1, "x");
	settle(stage);
	ck_assert(is(stage, saga, "a", "x", "trying"));
	opened = uv_hrtime();
	gate_open(stage);
	AWAIT(stage, is(stage, saga, "a", "x", "undone"));
	ck_assert_uint_lt((uv_hrtime() - opened) / 1000000, FAR_LEASE_MS / 6);
	AWAIT(stage, is(stage, saga, "a", "y", "done"));
	AWAIT(stage, parked(stage) == 0);
	ck_assert_int_eq(trace_count(stage, "undo a/x"), 1);
	ck_assert_int_eq(trace_count(stage, "undo a/y"), 0);
	stage_end(stage);
}
END_TEST

/* Blanks and case are part of a subject. */
START_TEST(subjects_are_told_apart_byte_by_byte)
{
	static const char *const subjects[] = { "x", "x ", "x  ", "X" };
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	for (size_t i = 0; i < 4; i++)
		inject_as(stage, saga, &go_first, 1, subjects[i]);
	for (size_t i = 0; i < 4; i++)
		AWAIT(stage, is(stage, saga, "b", subjects[i], "done"));
	for (size_t i = 0; i < 4; i++)
		inject_as(stage, saga, &go_first, 1, subjects[i]);
	inject_as(stage, saga, &take_back, 1, "x ");
	AWAIT(stage, is(stage, saga, "a", "x ", "undone"));
	settle(stage);
	ck_assert_int_eq(trace_count(stage, "run b/x"), 1);
	ck_assert_int_eq(trace_count(stage, "run b/x "), 1);
	ck_assert_int_eq(trace_count(stage, "run b/x  "), 1);
	ck_assert_int_eq(trace_count(stage, "run b/X"), 1);
	ck_assert_int_eq(trace_count(stage, "undo b/x  1"), 1);
	ck_assert(is(stage, saga, "a", "x", "done") && is(stage, saga, "a", "x  ", "done"));
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { undos_of_one_subject_run_in_reverse_order,
		the_earlier_waits_for_the_later_of_its_subject,
		an_undo_withdraws_the_schedule_of_its_subject,
		an_undo_while_trying_waits_for_the_answer_of_its_subject,
		subjects_are_told_apart_byte_by_byte };
	return run_both_modes("subjects", tests, sizeof tests / sizeof tests[0]);
}
