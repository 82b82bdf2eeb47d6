/* What an operator does about dead and stuck slots and dead letters: requeue, assert. */
#include "harness.h"

#include <stdio.h>

SAGA_STRUCT(told, flag(yes));

enum {
	BROKEN,
	MENDED
};

static bool is_mended(const saga_step *s)
{
	return ((struct stage *)saga_user(s))->knob == MENDED;
}

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	effect(s, "a");
	if (!is_mended(s))
		return saga_on(s, go_first)->n == DO_MALFORMED ? saga_malformed(s, "broken")
							       : saga_fail(s, "broken");
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	saw(s, "undo");
	if (!is_mended(s))
		return saga_fail(s, "broken");
	saga_exec(s, "DELETE FROM effect WHERE saga = ?", saga_this(s));
	return saga_emit(s, a_undone);
}

static saga_verdict call_b(saga_call *c)
{
	saw_call(c, "call");
	if (((struct stage *)saga_call_user(c))->knob == MENDED)
		return saga_tell(c, told, .yes = true);
	return saga_call_retry(c, "silence");
}

static saga_verdict run_b(saga_step *s)
{
	saw(s, "run b");
	return saga_emit(s, b_done);
}

static saga_verdict undo_b(saga_step *s)
{
	saw(s, "undo b");
	return saga_emit(s, b_undone);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	{ .name = "b",
		.on = { &go_second },
		.run = run_b,
		.outside = { .call = call_b },
		.emits = { &b_done },
		.rejects = { &b_rejected },
		.undo = undo_b,
		.undo_on = { &take_back_too },
		.undone = { &b_undone },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

#define COMMAND_HELD(command_, outcome_) \
	"UPDATE saga_parked SET command = '" command_ "', outcome = '" outcome_ "'," \
	" body = '{}', due = 0, why = 'by hand' WHERE kind = 'held'"

/* A command is found at a start, at the latest. */
static void command(struct stage *stage, const char *sql)
{
	sql_write(stage, sql);
	stage_restart(stage);
}

static saga_id dead(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "dead"));
	return saga;
}

static saga_id stuck(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	stage->knob = MENDED;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage->knob = BROKEN;
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	return saga;
}

static saga_id stuck_call(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "b", "stuck"));
	return saga;
}

static void check_nothing_left(struct stage *stage)
{
	AWAIT(stage, sql_int(stage, "SELECT COUNT(*) FROM saga_parked", NULL, NULL) == 0);
	AWAIT(stage, health(&stage->target).dead == 0 && health(&stage->target).stuck == 0);
}

START_TEST(a_dead_slot_is_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);

	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_str_eq(trace(stage), "run; run");
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_dead_slot_requeued_in_vain_is_dead_again)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);

	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, trace_count(stage, "run") == 2);
	AWAIT(stage,
		sql_int(stage,
			"SELECT COUNT(*) AS n FROM saga_parked"
			" WHERE kind = 'held' AND command IS NULL",
			NULL, NULL) == 1);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "dead");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage_end(stage);
}
END_TEST

START_TEST(a_dead_slot_is_asserted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);

	command(stage, COMMAND_HELD("assert", "a.done"));
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_str_eq(trace(stage), "run");
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	stage->knob = MENDED;
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_undo_is_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck(stage);

	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(trace(stage), "run; undo; undo");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_undo_is_asserted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck(stage);

	command(stage, COMMAND_HELD("assert", "a.undone"));
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_str_eq(trace(stage), "run; undo");
	ck_assert_int_eq(said(stage, saga, "a.undone"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(an_assertion_that_can_not_be_is_refused)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck(stage);

	command(stage, COMMAND_HELD("assert", "b.done"));
	AWAIT(stage, logged(stage, "operator.refused") == 1);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "stuck");
	ck_assert_int_eq(said(stage, saga, "b.done"), 0);
	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_call_is_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck_call(stage);

	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "b", "done"));
	ck_assert_str_eq(trace(stage), "call; call; call; run b");
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_call_is_asserted_either_way)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id took = stuck_call(stage);
	saga_id did_not;

	command(stage, COMMAND_HELD("assert", "b.done"));
	AWAIT(stage, slot_is(stage, took, "b", "done"));
	ck_assert_int_eq(said(stage, took, "b.done"), 1);
	did_not = stuck_call(stage);
	command(stage, COMMAND_HELD("assert", "b.rejected"));
	AWAIT(stage, slot_is(stage, did_not, "b", "rejected"));
	ck_assert_int_eq(said(stage, did_not, "b.rejected"), 1);
	ck_assert_int_eq(trace_count(stage, "run b"), 0);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_waits_behind_a_stuck_call)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck_call(stage);

	inject(stage, saga, &take_back_too);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "b"), "stuck");
	stage->knob = MENDED;
	command(stage, COMMAND_HELD("requeue", ""));
	AWAIT(stage, slot_is(stage, saga, "b", "undone"));
	ck_assert_int_eq(trace_count(stage, "run b"), 1);
	ck_assert_int_eq(trace_count(stage, "undo b"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_dead_letter_is_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, DO_MALFORMED);
	AWAIT(stage, dead_letters(stage) == 1);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	stage->knob = MENDED;
	command(stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_dead_slot_is_requeued,
		a_dead_slot_requeued_in_vain_is_dead_again,
		a_dead_slot_is_asserted,
		a_stuck_undo_is_requeued,
		a_stuck_undo_is_asserted,
		an_assertion_that_can_not_be_is_refused,
		a_stuck_call_is_requeued,
		a_stuck_call_is_asserted_either_way,
		an_undo_waits_behind_a_stuck_call,
		a_dead_letter_is_requeued,
	};

	return run_both_modes("operator", tests, sizeof tests / sizeof tests[0]);
}
