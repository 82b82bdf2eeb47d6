/* Between participants: restarts, lost and doubled frames, twins; and the log. */
#include "harness.h"

#include <poll.h>
#include <stdio.h>

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	effect(s, "a");
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	effect(s, "undo");
	return saga_emit(s, a_undone);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

enum {
	MANY = 30
};

static void inject_all(struct stage *stage, saga_id sagas[MANY], const saga_type *type)
{
	for (int i = 0; i < MANY; i++)
		inject(stage, sagas[i], type);
}

static void new_sagas(struct stage *stage, saga_id sagas[MANY])
{
	for (int i = 0; i < MANY; i++)
		sagas[i] = stage_saga(stage);
}

static void check_all(struct stage *stage, const saga_id sagas[MANY], const char *state)
{
	for (int i = 0; i < MANY; i++) {
		AWAIT(stage, slot_is(stage, sagas[i], "a", state));
		ck_assert_int_eq(effects(stage, sagas[i], "a"), 1);
		ck_assert_int_eq(said(stage, sagas[i], "a.done"), 1);
	}
}

START_TEST(what_came_while_away_is_caught_up)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[MANY];

	new_sagas(stage, sagas);
	settle(stage);
	actor_close(&stage->target);
	inject_all(stage, sagas, &go_first);
	AWAIT(stage, health(&stage->outside).outbox >= MANY);
	stage_restart(stage);
	check_all(stage, sagas, "done");
	AWAIT(stage, health(&stage->outside).outbox == 0);
	ck_assert_int_eq(trace_count(stage, "run"), MANY);
	stage_end(stage);
}
END_TEST

START_TEST(both_restart_and_nothing_is_lost_or_doubled)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[MANY];

	new_sagas(stage, sagas);
	actor_close(&stage->target);
	inject_all(stage, sagas, &go_first);
	actor_close(&stage->outside);
	stage_restart(stage);
	stage_open_outside(stage);
	check_all(stage, sagas, "done");
	actor_close(&stage->outside);
	stage_restart(stage);
	stage_open_outside(stage);
	settle(stage);
	ck_assert_int_eq(trace_count(stage, "run"), MANY);
	stage_end(stage);
}
END_TEST

START_TEST(a_new_participant_starts_from_the_oldest_or_from_now)
{
	struct stage *stage = stage_new(_i);
	saga_id before, after;

	stage_open_outside(stage);
	before = stage_saga(stage);
	after = stage_saga(stage);
	inject(stage, before, &go_first);
	stage_open(stage, &def, SAGA_OPTIONS(.start = SAGA_FROM_NOW));
	AWAIT(stage, health(&stage->target).store && health(&stage->outside).outbox == 0);
	inject(stage, after, &go_first);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, after, "a"), "done");
	ck_assert_str_eq(slot_state(stage, before, "a"), "absent");
	stage_end(stage);

	stage = stage_new(_i);
	stage_open_outside(stage);
	before = stage_saga(stage);
	inject(stage, before, &go_first);
	stage_open(stage, &def, NULL);
	AWAIT(stage, slot_is(stage, before, "a", "done"));
	stage_end(stage);
}
END_TEST

/* ---- frames that are lost and doubled ---- */

static void deliver_all(int lanes, unsigned drop_every, unsigned double_every)
{
	struct stage *stage = stage_new(lanes);
	saga_id sagas[MANY];

	stage->use_lossy = true;
	stage->lossy.drop_every = drop_every;
	stage->lossy.double_every = double_every;
	stage_open(stage, &def, NULL);
	new_sagas(stage, sagas);
	inject_all(stage, sagas, &go_first);
	check_all(stage, sagas, "done");
	inject_all(stage, sagas, &take_back);
	check_all(stage, sagas, "undone");
	AWAIT(stage, health(&stage->outside).outbox == 0);
	ck_assert_int_eq(trace_count(stage, "run"), MANY);
	ck_assert(!drop_every || stage->lossy.dropped > 0);
	ck_assert(!double_every || stage->lossy.doubled > 0);
	stage_end(stage);
}

START_TEST(lost_frames_are_healed)
{
	deliver_all(_i, 3, 0);
}
END_TEST

START_TEST(doubled_frames_are_harmless)
{
	deliver_all(_i, 0, 1);
}
END_TEST

START_TEST(lost_and_doubled_frames_are_healed)
{
	deliver_all(_i, 3, 2);
}
END_TEST

START_TEST(a_line_cut_for_a_while_is_caught_up)
{
	struct stage *stage = stage_new(_i);
	saga_id sagas[MANY];

	stage->use_lossy = true;
	stage_open(stage, &def, NULL);
	settle(stage);
	new_sagas(stage, sagas);
	stage->lossy.cut = true;
	inject_all(stage, sagas, &go_first);
	AWAIT(stage, health(&stage->outside).outbox >= MANY);
	ck_assert_int_eq(trace_count(stage, "run"), 0);
	stage->lossy.cut = false;
	check_all(stage, sagas, "done");
	stage_end(stage);
}
END_TEST

/* What had come is delivered and committed, though nothing can be said meanwhile. */
START_TEST(who_can_not_speak_still_hears)
{
	struct stage *stage = stage_new(_i);
	saga_id sagas[MANY];

	stage->use_lossy = true;
	stage_open(stage, &def, NULL);
	settle(stage);
	new_sagas(stage, sagas);
	stage->lossy.deaf_to = "target";
	for (int i = 0; i < MANY; i++) {
		inject(stage, sagas[i], &go_first);
		AWAIT(stage, slot_is(stage, sagas[i], "a", "done"));
	}
	ck_assert(stage->lossy.has_refused);
	ck_assert_int_ge(health(&stage->outside).outbox, MANY); /* of which it has not heard */
	lossy_hear(&stage->lossy);
	AWAIT(stage, health(&stage->outside).outbox == 0);
	check_all(stage, sagas, "done");
	stage_end(stage);
}
END_TEST

/* ---- bad days of another kind ---- */

static void twin_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;
	struct actor *actor =
		participant == stage->target.participant ? &stage->target : stage->twin;

	actor->stopped = true;
	actor->why = why->code;
	snprintf(actor->why_text, sizeof actor->why_text, "%s", why->text);
}

START_TEST(two_stores_under_one_name_stop_both)
{
	struct stage *stage = stage_new(_i);
	struct actor twin = { 0 };

	stage->twin = &twin;
	stage_open(stage, &def, SAGA_OPTIONS(.stopped = twin_stopped));
	settle(stage);
	actor_open(stage, &twin, &def, SAGA_OPTIONS(.stopped = twin_stopped), "twin.db");
	AWAIT(stage, stage->target.stopped && twin.stopped);
	ck_assert_int_eq(stage->target.why, SAGA_TWINS);
	ck_assert_int_eq(twin.why, SAGA_TWINS);
	ck_assert_ptr_nonnull(strstr(twin.why_text, "target"));
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 1);
	actor_close(&twin);
	stage_end(stage);
}
END_TEST

START_TEST(an_event_older_than_history_is_a_dead_letter)
{
	struct stage *stage = stage_new(_i);
	int64_t sent;
	saga_id saga;

	stage_open_outside(stage);
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	sent = (int64_t)(uv_hrtime() / 1000000);
	AWAIT(stage, (int64_t)(uv_hrtime() / 1000000) > sent + 50);
	stage_open(stage, &def, SAGA_OPTIONS(.history_ms = 20));
	AWAIT(stage, dead_letters(stage) >= 1);
	ck_assert_int_eq(trace_count(stage, "run"), 0);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	stage_end(stage);
}
END_TEST

/* ---- the log ---- */

static saga_verdict run_failing(saga_step *s)
{
	if (saga_attempt(s) == 1)
		return saga_retry(s, "the first attempt");
	return saga_fail(s, "the second attempt");
}

static const saga_step_def failing_steps[] = {
	{ .name = "failing",
		.on = { &go_first },
		.run = run_failing,
		.emits = { &a_done },
		.retry = { .attempts = 3, .first_ms = 1, .max_ms = 1 } },
	MARKER_STEP,
};
static const saga_participant_def failing = SAGA_PARTICIPANT("target", failing_steps);

static const struct log_line *find_line(const struct stage *stage, const char *text)
{
	for (size_t i = 0; i < stage->log_count; i++)
		if (strstr(stage->log[i].text, text) || strstr(stage->log[i].values, text))
			return &stage->log[i];
	return NULL;
}

static void check_line(struct stage *stage, const char *what, const char *text)
{
	const struct log_line *line = find_line(stage, text);

	ck_assert_msg(line, "no line says: %s", text);
	ck_assert_str_eq(line->participant, "target");
	if (what)
		ck_assert_str_eq(line->what, what);
	ck_assert_str_eq(line->step, "failing");
	ck_assert_ptr_nonnull(strstr(line->fields, "saga "));
	ck_assert_uint_gt(strlen(line->text), 0);
}

START_TEST(the_log_names_saga_and_step)
{
	struct stage *stage = stage_start(_i, &failing);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "failing", "dead"));
	settle(stage);
	actor_close(&stage->target);
	actor_close(&stage->outside);
	check_line(stage, "step.retried", "the first attempt");
	ck_assert_ptr_nonnull(strstr(find_line(stage, "the first attempt")->fields, "attempt"));
	check_line(stage, NULL, "the second attempt");
	for (size_t i = 0; i < stage->log_count; i++)
		ck_assert(stage->log[i].what[0] && stage->log[i].text[0] &&
			stage->log[i].participant[0] && stage->log[i].time > 0);
	stage_end(stage);
}
END_TEST

/* Whether the loop will go on by itself, and not sleep until something else wakes it. */
static bool is_awake(struct stage *stage)
{
	struct pollfd loop = { .fd = uv_backend_fd(&stage->loop), .events = POLLIN };

	return uv_backend_timeout(&stage->loop) == 0 || poll(&loop, 1, 0) > 0;
}

START_TEST(an_inline_lane_is_not_left_with_what_came)
{
	struct stage *stage = stage_start(0, &def);
	saga_id saga = stage_saga(stage);

	settle(stage);
	inject(stage, saga, &go_first);
	AWAIT(stage, health(&stage->target).queued == 0 || is_awake(stage));
	for (int64_t until = stage_deadline(); !slot_is(stage, saga, "a", "done");) {
		stage_turn(stage, until, "the slot", __FILE__, __LINE__);
		if (health(&stage->target).queued)
			ck_assert_msg(is_awake(stage), "it sleeps, and an event waits");
	}
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_came_while_away_is_caught_up,
		both_restart_and_nothing_is_lost_or_doubled,
		a_new_participant_starts_from_the_oldest_or_from_now,
		lost_frames_are_healed,
		doubled_frames_are_harmless,
		lost_and_doubled_frames_are_healed,
		a_line_cut_for_a_while_is_caught_up,
		who_can_not_speak_still_hears,
		two_stores_under_one_name_stop_both,
		an_event_older_than_history_is_a_dead_letter,
		the_log_names_saga_and_step,
		an_inline_lane_is_not_left_with_what_came,
	};

	return run_both_modes("delivery", tests, sizeof tests / sizeof tests[0]);
}
