/* Two instances on one store whose steps differ: never both at once, and it is said by name. */
#include "harness.h"

#include "participant/inside.h"

static saga_verdict run_first(saga_step *s)
{
	saw(s, "first");
	return saga_done(s);
}

static saga_verdict run_added(saga_step *s)
{
	saw(s, "added");
	return saga_done(s);
}

static const saga_step_def former_steps[] = {
	{ .name = "first", .on = { &go_first }, .run = run_first },
	MARKER_STEP,
};
static const saga_participant_def former =
	SAGA_PARTICIPANT("target", former_steps, .schema = effect_schema);

/* A step was renamed, and there is one more. */
static const saga_step_def later_steps[] = {
	{ .name = "begin", .was = "first", .on = { &go_first }, .run = run_first },
	{ .name = "added", .on = { &go_first }, .run = run_added },
	MARKER_STEP,
};
static const saga_participant_def newer =
	SAGA_PARTICIPANT("target", later_steps, .schema = effect_schema);

/* The second instance, or the target. */
static struct actor second;

static void has_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;
	struct actor *actor = participant == second.participant ? &second : &stage->target;

	ck_assert(!actor->stopped && actor->participant == participant);
	actor->stopped = true;
	actor->why = why ? why->code : SAGA_OK;
}

static void open_second(struct stage *stage, const saga_participant_def *def)
{
	second.participant = NULL;
	actor_open(stage, &second, def,
		SAGA_OPTIONS(.start = SAGA_FROM_OLDEST, .stopped = has_stopped), "target.db");
}

START_TEST(another_declaration_waits_until_the_former_has_gone)
{
	struct stage *stage = stage_start(_i, &former);
	saga_id before = stage_saga(stage), after = stage_saga(stage);

	settle(stage);
	open_second(stage, &newer);
	AWAIT(stage, logged(stage, "declaration.differs") == 1);
	inject(stage, before, &go_first);
	AWAIT(stage, slot_is(stage, before, "first", "done"));
	ck_assert(!health(&second).store);
	ck_assert(health(&stage->target).store);
	actor_close(&stage->target);
	AWAIT(stage, health(&second).store);
	/* What was done under the former name is known under the later one. */
	ck_assert(slot_is(stage, before, "begin", "done"));
	inject(stage, after, &go_first);
	AWAIT(stage, slot_is(stage, after, "begin", "done"));
	AWAIT(stage, slot_is(stage, after, "added", "done"));
	actor_close(&second);
	stage_end(stage);
}
END_TEST

/* ---- steps that were taken out while sagas need them ---- */

static saga_verdict run_later(saga_step *s)
{
	return saga_retry(s, "not yet");
}

static const saga_step_def full_steps[] = {
	{ .name = "both", .on = { &go_first, &go_second }, .join = SAGA_ALL, .run = run_first },
	{ .name = "late",
		.on = { &go_third },
		.run = run_later,
		.retry = { .attempts = 9, .first_ms = 1000, .max_ms = 1000 } },
	MARKER_STEP,
};
static const saga_participant_def full =
	SAGA_PARTICIPANT("target", full_steps, .schema = effect_schema);

static bool tells_gone(struct stage *stage, const char *words)
{
	for (size_t i = 0; i < stage->log_count; i++)
		if (strcmp(stage->log[i].what, "step.gone") == 0 &&
			strstr(stage->log[i].text, words))
			return stage->log[i].level == SAGA_ALARM;
	return false;
}

START_TEST(a_step_that_was_taken_out_is_named_while_sagas_need_it)
{
	struct stage *stage = stage_start(_i, &full);
	saga_id waiting = stage_saga(stage), parked_one = stage_saga(stage);

	inject(stage, waiting, &go_first);
	AWAIT(stage, slot_is(stage, waiting, "both", "waiting"));
	inject(stage, parked_one, &go_third);
	AWAIT(stage, parked(stage) == 1);
	actor_close(&stage->target);
	stage_open(stage, &former, NULL);
	AWAIT(stage, logged(stage, "step.gone") == 2);
	ck_assert(tells_gone(stage, "1 slots are left of step both (waiting)"));
	ck_assert(tells_gone(stage, "1 events wait of step late (retry)"));
	AWAIT(stage, dead_letters(stage) == 1);
	ck_assert_int_eq(logged(stage, "event.dead"), 1);
	/* The step is back: nothing is left to be told. */
	actor_close(&stage->target);
	stage_open(stage, &full, NULL);
	inject(stage, waiting, &go_second);
	AWAIT(stage, slot_is(stage, waiting, "both", "done"));
	ck_assert_int_eq(logged(stage, "step.gone"), 2);
	stage_end(stage);
}
END_TEST

/* It was thought gone, and a store that others have opened since is not worked by it any more. */
START_TEST(one_that_was_superseded_stops)
{
	struct stage *stage = stage_start(_i, &former);

	settle(stage);
	sql_write(stage,
		"UPDATE saga_meta SET value = '0123456789abcdef begin added'"
		" WHERE name = 'declaration'");
	AWAIT(stage, stage->target.stopped);
	ck_assert_int_eq(stage->target.why, SAGA_TWINS);
	ck_assert_ptr_nonnull(strstr(stage->target.why_text, "begin added"));
	stage_end(stage);
}
END_TEST

START_TEST(the_same_declaration_opens_at_once)
{
	struct stage *stage = stage_start(_i, &former);

	settle(stage);
	open_second(stage, &former);
	AWAIT(stage, health(&second).store);
	ck_assert_int_eq(logged(stage, "declaration.differs"), 0);
	actor_close(&second);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		another_declaration_waits_until_the_former_has_gone,
		one_that_was_superseded_stops,
		the_same_declaration_opens_at_once,
		a_step_that_was_taken_out_is_named_while_sagas_need_it,
	};

	return run_both_modes("declaration", tests, sizeof tests / sizeof tests[0]);
}
