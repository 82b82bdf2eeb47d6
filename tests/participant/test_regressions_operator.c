/* Faults of what an operator orders, found once. Run one: CK_RUN_CASE=name. */
#define _GNU_SOURCE
#include "regressions.h"

#include <stdio.h>
#include <unistd.h>

/* A requeued letter without a subject. */
static saga_verdict done(saga_step *s)
{
	saw(s, "run");
	return saga_done(s);
}
static const saga_step_def sub_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = done, .per_subject = true }, MARKER_STEP
};
static const saga_participant_def sub_def =
	SAGA_PARTICIPANT("target", sub_steps, .schema = effect_schema);

START_TEST(requeued_letter_without_subject)
{
	struct stage *stage = stage_start(_i, &sub_def);

	inject_bare_first(stage, stage_saga(stage));
	AWAIT(stage, dead_letters(stage) == 1);
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	run_for(stage, 4000);
	fprintf(stderr, "letters now: %lld, without event: %lld\n", (long long)dead_letters(stage),
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE event IS NULL"));
	ck_assert_int_eq(dead_letters(stage), 1);
}
END_TEST

/* A requeued letter of no step, whose step retries. */
static saga_verdict retry_once(saga_step *s)
{
	saw(s, "run");
	if (saga_attempt(s) == 1)
		return saga_retry(s, "once");
	return saga_done(s);
}
static const saga_step_def old_steps[] = { { .name = "a", .on = { &go_first }, .run = retry_once },
	MARKER_STEP };
static const saga_participant_def old_def =
	SAGA_PARTICIPANT("target", old_steps, .schema = effect_schema);

START_TEST(requeued_letter_that_retries)
{
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	stage_open(stage, &old_def, NULL);
	settle(stage);
	actor_close(&stage->target);
	inject(stage, saga, &go_first);
	usleep(20000);
	stage->options.history_ms = 1;
	actor_open(stage, &stage->target, &old_def, &stage->options, "target.db");
	AWAIT(stage, dead_letters(stage) == 1);
	actor_close(&stage->target);
	stage->options.history_ms = 0;
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	actor_open(stage, &stage->target, &old_def, &stage->options, "target.db");
	AWAIT(stage, trace_count(stage, "run") >= 1);
	run_for(stage, 1500);
	fprintf(stderr, "rows without event %lld; state %s; replays logged %d\n",
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE event IS NULL"),
		slot_state(stage, saga, "a"), logged(stage, "batch.replayed"));
	settle(stage);
}
END_TEST

/* Joins. */
static saga_verdict join(saga_step *s)
{
	saw(s, "run");
	if (!((struct stage *)saga_user(s))->knob)
		return saga_fail(s, "broken");
	return saga_done(s);
}
static const saga_step_def join_steps[] = {
	{ .name = "a", .on = { &go_first, &go_second }, .join = SAGA_ALL, .run = join },
	{ .name = "b", .on = { &go_first, &go_second, &go_third }, .join = SAGA_ALL, .run = join },
	MARKER_STEP,
};
static const saga_participant_def join_def =
	SAGA_PARTICIPANT("target", join_steps, .schema = effect_schema);

START_TEST(a_requeued_join)
{
	struct stage *stage = stage_start(_i, &join_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "a", "dead"));
	stage->knob = 1;
	sql_write(stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'held'");
	stage_restart(stage);
	run_for(stage, 3000);
	fprintf(stderr, "requeued join: %s, held rows %lld\n", slot_state(stage, saga, "a"),
		(long long)count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='held'"));
	ck_assert_str_eq(slot_state(stage, saga, "a"), "done");
}
END_TEST

START_TEST(a_join_of_many)
{
	struct stage *stage = stage_start(_i, &join_def);
	saga_id saga = stage_saga(stage);

	stage->knob = 1;
	inject(stage, saga, &go_first);
	for (int i = 0; i < 66; i++)
		inject(stage, saga, &go_second);
	inject(stage, saga, &go_third);
	settle(stage);
	fprintf(stderr, "join of three with 66 of the second: %s\n", slot_state(stage, saga, "b"));
	ck_assert_str_eq(slot_state(stage, saga, "b"), "done");
}
END_TEST

static saga_verdict run_out(saga_step *s)
{
	saw(s, "run");
	return saga_emit(s, a_done);
}

static saga_verdict undo_fails(saga_step *s)
{
	return saga_fail(s, "broken");
}
static const saga_step_def as_steps[] = { { .name = "a",
						  .on = { &go_first },
						  .run = run_out,
						  .emits = { &a_done },
						  .undo = undo_fails,
						  .undo_on = { &take_back },
						  .undone = { &a_undone } },
	MARKER_STEP };
static const saga_participant_def as_def =
	SAGA_PARTICIPANT("target", as_steps, .schema = effect_schema);

START_TEST(a_stuck_undo_asserted_as_done)
{
	struct stage *stage = stage_start(_i, &as_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	sql_write(stage,
		"UPDATE saga_parked SET command = 'assert', outcome = 'a.done', body = '{}', due = "
		"0 WHERE kind = 'held'");
	run_for(stage, 3000);
	fprintf(stderr, "a %s, a.done published %d times\n", slot_state(stage, saga, "a"),
		said(stage, saga, "a.done"));
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
}
END_TEST

static saga_verdict retry_first(saga_step *s)
{
	saw(s, "run");
	return saga_attempt(s) == 1 ? saga_retry(s, "once") : saga_done(s);
}

/* Commands on rows that are neither held nor letters. */
static saga_verdict arm_it(saga_step *s)
{
	saw(s, "run on %s", saga_event_type(saga_trigger(s)));
	effect(s, "a");
	saga_after(s, 60000, later, .n = 1);
	return saga_emit(s, a_done);
}
static const saga_step_def arm_steps[] = { { .name = "a",
						   .on = { &go_first },
						   .run = arm_it,
						   .emits = { &a_done },
						   .after = { { .event = &later } } },
	{ .name = "r",
		.on = { &go_second },
		.run = retry_first,
		.retry = { .attempts = 9, .first_ms = 600000, .max_ms = 600000 } },
	MARKER_STEP };
static const saga_participant_def arm_def =
	SAGA_PARTICIPANT("target", arm_steps, .schema = effect_schema);

START_TEST(a_schedule_requeued)
{
	struct stage *stage = stage_start(_i, &arm_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	sql_write(stage,
		"UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'schedule'");
	run_for(stage, 3000);
	fprintf(stderr, "trace: %s; effects %lld; a.done said %d, later said %d\n", trace(stage),
		(long long)effects(stage, saga, "a"), said(stage, saga, "a.done"),
		said(stage, saga, "target.later"));
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
}
END_TEST

START_TEST(a_refused_assertion_of_a_retry)
{
	struct stage *stage = stage_start(_i, &arm_def);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	AWAIT(stage, count(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind='retry'") == 1);
	sql_write(stage,
		"UPDATE saga_parked SET command = 'assert', outcome = '', due = 0 WHERE kind = "
		"'retry'");
	AWAIT(stage, logged(stage, "operator.refused") == 1);
	run_for(stage, 200);
	fprintf(stderr, "kind retry, due never: %lld\n",
		(long long)count(stage,
			"SELECT COUNT(*) FROM saga_parked WHERE kind='retry' AND due = "
			"9223372036854775807"));
	ck_assert_int_eq(count(stage,
				 "SELECT COUNT(*) FROM saga_parked WHERE kind='retry' AND due = "
				 "9223372036854775807"),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		requeued_letter_without_subject,
		requeued_letter_that_retries,
		a_requeued_join,
		a_join_of_many,
		a_stuck_undo_asserted_as_done,
		a_schedule_requeued,
		a_refused_assertion_of_a_retry,
	};

	return run_regressions("regressions operator", tests, sizeof tests / sizeof tests[0]);
}
