/* Dead letters: seen, requeued, discarded. */
#include "tool.h"

#include <stdio.h>

/* What a participant of tomorrow says. */
SAGA_EVENT(newer_first, "outside.go_first", 2, text(colour));
SAGA_REQUEST(ask_newer, "ask.newer", 1, text(colour));

enum {
	BROKEN,
	MENDED
};

static saga_verdict run_a(saga_step *s)
{
	if (((struct stage *)saga_user(s))->knob == BROKEN)
		return saga_malformed(s, "no such wheel");
	return saga_emit(s, a_done);
}

static saga_verdict run_b(saga_step *s)
{
	return saga_emit(s, b_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

static const saga_step_def per_subject_steps[] = {
	{ .name = "b",
		.on = { &go_first },
		.run = run_b,
		.emits = { &b_done },
		.per_subject = true },
	MARKER_STEP,
};
static const saga_participant_def per_subject_def = SAGA_PARTICIPANT("target", per_subject_steps);

static saga_verdict publish_newer(saga_step *s)
{
	return saga_emit(s, newer_first, .colour = saga_on(s, ask_newer)->colour);
}

static const saga_step_def newer_steps[] = {
	{ .name = "newer", .on = { &ask_newer }, .run = publish_newer, .emits = { &newer_first } },
};
static const saga_participant_def newer_def = SAGA_PARTICIPANT("newer", newer_steps);

/* The target of tomorrow knows both. */
static saga_verdict run_newer(saga_step *s)
{
	if (((struct stage *)saga_user(s))->knob == BROKEN)
		return saga_retry(s, "not yet");
	return strcmp(saga_on(s, newer_first)->colour, "red") ? saga_fail(s, "not red")
							      : saga_emit(s, a_done);
}

static const saga_step_def tomorrow_steps[] = {
	{ .name = "a", .on = { &newer_first }, .run = run_newer, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def tomorrow_def = SAGA_PARTICIPANT("target", tomorrow_steps);

static void any_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;
	struct actor *actors[] = { &stage->target, &stage->outside, stage->twin };

	(void)why;
	for (size_t i = 0; i < 3; i++)
		if (actors[i]->participant == participant)
			actors[i]->stopped = true;
}

static saga_verdict run_fence(saga_step *s)
{
	return saga_done(s);
}

static saga_verdict refuse_fence(saga_step *s)
{
	if (((struct stage *)saga_user(s))->knob == BROKEN)
		return saga_fail(s, "no words");
	return saga_reject(s, a_rejected, .has_n = true, .n = 7, .why = saga_why(s));
}

static const saga_step_def fence_steps[] = {
	{ .name = "fence",
		.on = { &go_first },
		.run = run_fence,
		.rejects = { &a_rejected },
		.refuse = refuse_fence,
		.bar_on = { &bar_it } },
	MARKER_STEP,
};
static const saga_participant_def fence_def = SAGA_PARTICIPANT("target", fence_steps);

static void letter(struct stage *stage, char id[SAGA_ID_TEXT])
{
	inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, dead_letters(stage) == 1);
	only_row(stage, "letter", id);
}

START_TEST(a_dead_letter_is_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	char id[SAGA_ID_TEXT];
	struct said said;

	letter(stage, id);
	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "no such wheel");
	said = tool_at(stage, "dead show %s", id);
	CHECK_SAID(&said, 0, "\"type\":\"outside.go_first\"");
	CHECK_SAID(&said, 0, "slot      absent");
	said = tool_at(stage, "dead assert %s --outcome a.done --note hm", id);
	CHECK_SAID(&said, 1, "only how a dead or stuck slot ended can be asserted");
	stage->knob = MENDED;
	said = tool_at(stage, "dead requeue %s", id);
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, dead_letters(stage) == 0);
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE step = 'a'", NULL, NULL), 1);
	stage_end(stage);
}
END_TEST

/* Whoever waits for the rejection has not heard it before. */
START_TEST(a_rejection_that_is_owed_is_requeued)
{
	struct stage *stage = stage_start(_i, &fence_def);
	saga_id saga = stage_saga(stage);
	char id[SAGA_ID_TEXT];
	struct said output;

	inject(stage, saga, &bar_it);
	AWAIT(stage, dead_letters(stage) == 1);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	only_row(stage, "letter", id);
	output = tool_at(stage, "dead show %s", id);
	CHECK_SAID(&output, 0, "role      refuse");
	CHECK_SAID(&output, 0, "no words");
	stage->knob = MENDED;
	output = tool_at(stage, "dead requeue %s", id);
	CHECK_SAID(&output, 0, "requeued ");
	AWAIT(stage, dead_letters(stage) == 0);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	ck_assert_int_eq(
		said_with(stage, saga, "a.rejected", "\"why\":\"barred by outside.bar_it\""), 1);
	ck_assert_str_eq(slot_state(stage, saga, "fence"), "barred");
	stage_end(stage);
}
END_TEST

START_TEST(a_dead_letter_is_discarded)
{
	struct stage *stage = stage_start(_i, &def);
	char id[SAGA_ID_TEXT];
	struct said said;

	letter(stage, id);
	said = tool_at(stage, "dead discard %s %s", id, id);
	CHECK_SAID(&said, 1, "there is no such row");
	ck_assert_int_eq(dead_letters(stage), 1);
	said = tool_at(stage, "dead discard %s >/dev/full", id);
	CHECK_SAID(&said, 1, "nothing is discarded");
	ck_assert_int_eq(dead_letters(stage), 1);
	said = tool_at(stage, "dead discard %s", id);
	CHECK_SAID(&said, 0, "\"type\":\"outside.go_first\"");
	CHECK_SAID(&said, 0, "discarded ");
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

/* It is about no step, since nothing in it could be read. */
START_TEST(a_letter_of_another_version_keeps_its_event)
{
	static const char *const followers[] = { "target", NULL };
	struct stage *stage = stage_new(_i);
	struct actor newer = { 0 };
	char id[SAGA_ID_TEXT];
	struct said said;
	saga_submission submission = { SAGA_SUBMISSION(ask_newer, .colour = "red"), .key = "k" };
	saga_error error;

	stage->twin = &newer;
	stage_open(stage, &def, SAGA_OPTIONS(.stopped = any_stopped));
	actor_open(stage, &newer, &newer_def,
		SAGA_OPTIONS(.followers = followers, .stopped = any_stopped), "newer.db");
	ck_assert_int_eq(saga_submit(newer.participant, &submission, &error), SAGA_OK);
	AWAIT(stage, dead_letters(stage) == 1);
	said = tool_at(stage, "dead show %s", only_row(stage, "letter", id));
	CHECK_SAID(&said, 0, "all that the event concerns");
	CHECK_SAID(&said, 0, "\"colour\":\"red\"");

	said = tool_at(stage, "dead requeue %s", id);
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, carried_out(stage));
	ck_assert_int_eq(logged(stage, "event.dead"), 2);
	said = tool_at(stage, "dead show %s", only_row(stage, "letter", id));
	CHECK_SAID(&said, 0, "\"colour\":\"red\"");

	actor_close(&stage->target);
	stage->def = &tomorrow_def;
	said = tool_at(stage, "dead requeue %s", id);
	stage_open(stage, &tomorrow_def, SAGA_OPTIONS(.stopped = any_stopped));
	AWAIT(stage, logged(stage, "step.retried") > 0);
	stage->knob = MENDED;
	AWAIT(stage,
		sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE step = 'a'", NULL, NULL) == 1);
	settle(stage);
	ck_assert_int_eq(parked(stage), 0);
	ck_assert_int_eq(dead_letters(stage), 0);
	actor_close(&newer);
	stage_end(stage);
}
END_TEST

START_TEST(a_letter_without_a_subject_stays_one_letter)
{
	struct stage *stage = stage_start(_i, &per_subject_def);
	char id[SAGA_ID_TEXT], again[SAGA_ID_TEXT];
	struct said said;

	inject_bare_first(stage, stage_saga(stage));
	AWAIT(stage, dead_letters(stage) == 1);
	said = tool_at(stage, "dead requeue %s", only_row(stage, "letter", id));
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, carried_out(stage));
	settle(stage);
	settle(stage);
	ck_assert_int_eq(logged(stage, "event.dead"), 2);
	ck_assert_int_eq(dead_letters(stage), 1);
	said = tool_at(stage, "dead show %s", only_row(stage, "letter", again));
	CHECK_SAID(&said, 0, "\"type\":\"outside.go_first\"");
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_dead_letter_is_requeued,
		a_rejection_that_is_owed_is_requeued,
		a_dead_letter_is_discarded,
		a_letter_of_another_version_keeps_its_event,
		a_letter_without_a_subject_stays_one_letter,
	};

	return run_both_modes("tool letters", tests, sizeof tests / sizeof tests[0]);
}
