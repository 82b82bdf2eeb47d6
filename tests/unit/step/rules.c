/* Retry rules and how they end: what is by default, and what dead and stuck slots hold back. */

#include "stage.h"

enum {
	HOUR_MS = 3600 * 1000,
	MINUTE_MS = 60 * 1000
};

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go, &go_too },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop } },
	{ .name = "b",
		.on = { &go_three },
		.outside = { .call = call_act },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.undo = undo_act,
		.undo_outside = { .call = call_act },
		.undo_on = { &back_too },
		.undone = { &undid_b },
		.after = { { .event = &late } } },
	{ .name = "c",
		.on = { &please },
		.run = run_act,
		.emits = { &did_c },
		.rejects = { &no_c } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C
};

/* The attempts so far, counted as the log's levels. */
static int levels[SAGA_ALARM + 1];

static void count_levels(void *user, const saga_log *log)
{
	(void)user;
	if (strstr(log->what, ".retried"))
		levels[log->level]++;
}

static struct stage *begin(void)
{
	struct stage *stage = stage_new(&def);

	memset(levels, 0, sizeof levels);
	stage->batch.log = count_levels;
	return stage;
}

static int64_t next_due(const struct stage *stage)
{
	enum saga__parked_kind kind =
		rows_of(stage, SAGA__PARKED_RETRY) ? SAGA__PARKED_RETRY : SAGA__PARKED_CALL;

	return only_row(stage, kind)->due;
}

/* Lets all attempts be made, each when it is due. Gives back how long the last gap was at most. */
static int64_t spend(struct stage *stage, enum saga__state end, const char *step, int attempts)
{
	int64_t longest = 0, begun = stage->now;

	for (int i = 1; state_of(stage, saga_no(1), step) != end; i++) {
		int64_t gap;

		ck_assert_int_lt(i, attempts);
		if (stage->call_count) {
			answer_call(stage);
			run_all(stage);
			continue;
		}
		gap = next_due(stage) - stage->now;
		longest = gap > longest ? gap : longest;
		pass(stage, gap);
	}
	ck_assert_int_gt(stage->now - begun, 18LL * HOUR_MS);
	ck_assert_int_lt(stage->now - begun, 32LL * HOUR_MS);
	return longest;
}

START_TEST(a_step_has_a_day_by_default)
{
	struct stage *stage = begin();

	stage->acts[A][SAGA__PHASE_RUN] = _i ? BIG : RETRY;
	give_subject(stage, saga_no(1), &go, "");
	run_all(stage);
	ck_assert_int_le(spend(stage, _i ? SAGA__DEAD : SAGA__FAILED, "a", 600), 5LL * MINUTE_MS);
	/* A fault that is no hiccup is an alarm long before it is dead. */
	ck_assert_int_eq(levels[SAGA_INFO], 7);
	ck_assert_int_eq(levels[SAGA_ALARM], _i);
	ck_assert_int_eq(levels[SAGA_WARNING], 592 - _i);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), !_i);
	stage_free(stage);
}
END_TEST

START_TEST(an_undo_has_a_day_by_default)
{
	struct stage *stage = begin();

	give(stage, saga_no(1), &go);
	run_all(stage);
	stage->acts[A][SAGA__PHASE_UNDO] = RETRY;
	give(stage, saga_no(1), &back);
	run_all(stage);
	ck_assert_int_le(spend(stage, SAGA__STUCK, "a", 600), 5LL * MINUTE_MS);
	stage_free(stage);
}
END_TEST

START_TEST(a_call_has_a_day_by_default)
{
	struct stage *stage = begin();

	stage->call = RETRY;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	(void)spend(stage, SAGA__STUCK, "b", 1300);
	ck_assert_int_eq(stage->call_attempt, 600);
	ck_assert_int_eq(said(stage, saga_no(1), &no_b), 0);
	stage_free(stage);
}
END_TEST

/* The other side is away for an hour, and nobody is called. */
START_TEST(an_hours_outage_needs_no_operator)
{
	struct stage *stage = begin();
	int64_t back_at = stage->now + HOUR_MS;

	stage->call = RETRY;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	while (state_of(stage, saga_no(1), "b") == SAGA__TRYING) {
		stage->call = stage->now < back_at ? RETRY : GOOD;
		if (stage->call_count)
			answer_call(stage);
		else
			stage->now = next_due(stage);
		run_all(stage);
	}
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DONE);
	ck_assert_int_le(stage->now, back_at + 5LL * MINUTE_MS);
	stage_free(stage);
}
END_TEST

/* Somebody waits for it. */
START_TEST(a_request_is_answered_soon)
{
	struct stage *stage = begin();
	struct saga__reply *reply;

	stage->acts[C][SAGA__PHASE_RUN] = RETRY;
	reply = ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	for (int i = 0; i < 7; i++)
		pass(stage, 30000);
	ck_assert_int_eq(HANDLED(stage, "run c"), 8);
	ck_assert_int_eq(reply->code, SAGA_FAILED);
	stage_free(stage);
}
END_TEST

/* ---- dead ---- */

/* The first event alone is not enough for it, the second is. */
static void wait_for_the_second(struct stage *stage, saga_step *step)
{
	if (stage->number)
		stage->acts[A][SAGA__PHASE_RUN] = saga_on(step, go_too) ? GOOD : WAIT;
}

static struct stage *stage_dead_with_more(void)
{
	struct stage *stage = stage_new(&def);

	stage->hook = wait_for_the_second;
	stage->acts[A][SAGA__PHASE_RUN] = NOTHING;
	give(stage, saga_no(1), &go);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	give(stage, saga_no(1), &go_too);
	run_all(stage);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 1);
	return stage;
}

START_TEST(what_comes_for_a_dead_slot_runs_once_it_is_requeued)
{
	struct stage *stage = stage_dead_with_more();

	stage->number = 1;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(what_comes_for_a_dead_slot_waits_on_if_it_dies_again)
{
	struct stage *stage = stage_dead_with_more();

	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_BEHIND), 1);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_HELD), 1);
	stage->number = 1;
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(what_comes_for_a_dead_slot_goes_when_it_is_asserted_or_barred)
{
	static const struct {
		const char *asserted; /* NULL: barred by this: */
		const saga_type *bar;
		enum saga__state end;
	} ends[] = { { "a.did", NULL, SAGA__DONE }, { "a.no", NULL, SAGA__REJECTED },
		{ NULL, &stop, SAGA__BARRED }, { NULL, &back, SAGA__BARRED } };
	struct stage *stage = stage_dead_with_more();

	if (ends[_i].asserted)
		command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, ends[_i].asserted);
	else
		give(stage, saga_no(1), ends[_i].bar);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), ends[_i].end);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* ---- a call that says that it did not happen ---- */

START_TEST(a_call_that_failed_is_a_rejection)
{
	struct stage *stage = stage_new(&def);
	const char *json;

	stage->call = RETRY;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	pass(stage, MINUTE_MS);
	stage->call = FAIL;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(stage->call_attempt, 2);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__REJECTED);
	ck_assert_int_eq(HANDLED(stage, "run b"), 0);
	ck_assert_int_eq(said(stage, saga_no(1), &no_b), 1);
	json = last_json(stage, &no_b);
	ck_assert_ptr_nonnull(strstr(json, "its key is void"));
	free((void *)json);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_undos_call_that_failed_is_stuck)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_three);
	run_all(stage);
	answer_call(stage);
	run_all(stage);
	give(stage, saga_no(1), &back_too);
	run_all(stage);
	stage->call = FAIL;
	answer_call(stage);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__STUCK);
	ck_assert_int_eq(said(stage, saga_no(1), &no_b), 0);
	stage_free(stage);
}
END_TEST

/* ---- a call that may have ended the process ---- */

START_TEST(a_call_is_counted_before_it_is_made_after_an_unclean_end)
{
	struct stage *stage = stage_new(&def);
	int before;

	give(stage, saga_no(1), &go_three);
	run_all(stage);
	for (int lives = 0; lives < 3; lives++) {
		before = only_row(stage, SAGA__PARKED_CALL)->attempts;
		stage->batch.probing = lives > 0;
		pass(stage, MINUTE_MS);
		ck_assert_int_eq(
			only_row(stage, SAGA__PARKED_CALL)->attempts, before + (lives > 0));
	}
	stage->batch.probing = false;
	stage->call = RETRY;
	while (stage->call_count > 1)
		saga__call_free(stage->calls[--stage->call_count]);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ a_step_has_a_day_by_default, 2 },
		{ an_undo_has_a_day_by_default, 0 },
		{ a_call_has_a_day_by_default, 0 },
		{ an_hours_outage_needs_no_operator, 0 },
		{ a_request_is_answered_soon, 0 },
		{ what_comes_for_a_dead_slot_runs_once_it_is_requeued, 0 },
		{ what_comes_for_a_dead_slot_waits_on_if_it_dies_again, 0 },
		{ what_comes_for_a_dead_slot_goes_when_it_is_asserted_or_barred, 4 },
		{ a_call_that_failed_is_a_rejection, 0 },
		{ an_undos_call_that_failed_is_stuck, 0 },
		{ a_call_is_counted_before_it_is_made_after_an_unclean_end, 0 },
	};

	return RUN_TESTS("rules", tests);
}
