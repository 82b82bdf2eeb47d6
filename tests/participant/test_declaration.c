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
	};

	return run_both_modes("declaration", tests, sizeof tests / sizeof tests[0]);
}
