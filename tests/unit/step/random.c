/*
 * Random orders of random events in random batches: doubled, aborted, committed without an answer,
 * lost in the middle. In the end the laws hold. SAGA_TEST_SEED=7 runs one seed alone.
 */

#include "../rounds.h"
#include "stage.h"

#include <stdio.h>

SAGA_EVENT(did_d, "d.did", 1, opt_int64(n));
SAGA_EVENT(no_d, "d.no", 1, reason(why));
SAGA_EVENT(undid_d, "d.undid", 1, opt_int64(n));

enum {
	A,
	B,
	C,
	D,
	STEPS,
	SEEDS = 2000,
	SAGAS = 3,
	EVENTS_MOST = 64
};

#define OFTEN .undo_retry = { .attempts = 1000, .first_ms = 5, .max_ms = 50 }

static const saga_step_def steps[] = {
	[A] = { .name = "a",
		.on = { &go },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.after = { { .event = &late, .unless = { &go_too } } },
		.retry = { .attempts = 3, .first_ms = 5, .max_ms = 50 },
		OFTEN },
	[B] = { .name = "b",
		.on = { &did_a, &late },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.refuse = refuse_act,
		.undo = undo_act,
		.undo_on = { &back_too },
		.undone = { &undid_b },
		.bar_on = { &stop_too },
		.retry = { .attempts = 3, .first_ms = 5, .max_ms = 50 },
		OFTEN },
	[C] = { .name = "c",
		.on = { &did_b, &go_too },
		.join = SAGA_ALL,
		.run = run_act,
		.emits = { &did_c },
		.rejects = { &no_c },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_c },
		.retry = { .attempts = 3, .first_ms = 5, .max_ms = 50 },
		OFTEN },
	[D] = { .name = "d",
		.on = { &go_three },
		.outside = { .call = call_act, .timeout_ms = 100 },
		.run = run_act,
		.emits = { &did_d },
		.rejects = { &no_d },
		.undo = undo_act,
		.undo_on = { &back, &back_too },
		.undone = { &undid_d },
		.undo_outside = { .call = call_act, .timeout_ms = 100 },
		.bar_on = { &stop },
		.retry = { .attempts = 1000, .first_ms = 5, .max_ms = 50 },
		OFTEN },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

static const saga_type *const inputs[] = { &go, &go_too, &go_three, &back, &back_too, &stop,
	&stop_too };

enum {
	INPUTS = sizeof inputs / sizeof inputs[0]
};

struct chaos {
	struct stage *stage;
	bool given[SAGAS][INPUTS];
	struct saga__blob *events[EVENTS_MOST];
	size_t event_count;
};

static unsigned roll(struct stage *stage, unsigned below)
{
	uint32_t random;

	saga__random(&stage->env, &random, sizeof random);
	return random % below;
}

/* Decides how the handler ends. */
static void decide(struct stage *stage, saga_step *step)
{
	size_t at = (size_t)(step->def - stage->plan->steps);
	unsigned r = roll(stage, 100);
	enum act *act = &stage->acts[at][step->phase];

	if (step->phase == SAGA__PHASE_REFUSE)
		return;
	*act = r < 60 ? GOOD : RETRY;
	if (step->phase == SAGA__PHASE_UNDO)
		return;
	if (r >= 75)
		*act = REJECT;
	if (r >= 85 && at == B)
		*act = WAIT;
	if (r >= 93 && at != D)
		*act = FAIL;
	if (at == A && roll(stage, 2))
		saga_after(step, roll(stage, 100), late);
}

static bool was_given(const struct chaos *chaos, unsigned saga, const saga_type *type)
{
	for (size_t i = 0; i < INPUTS; i++)
		if (inputs[i] == type)
			return chaos->given[saga][i];
	return false;
}

static bool any_given(
	const struct chaos *chaos, unsigned saga, const saga_type *const list[SAGA_EVENTS])
{
	for (size_t i = 0; i < SAGA_EVENTS && list[i]; i++)
		if (was_given(chaos, saga, list[i]))
			return true;
	return false;
}

static void make_events(struct chaos *chaos)
{
	struct stage *stage = chaos->stage;

	for (unsigned saga = 0; saga < SAGAS; saga++)
		for (size_t i = 0; i < INPUTS; i++) {
			if (roll(stage, 100) >= (i < 3 ? 80 : 35))
				continue;
			chaos->given[saga][i] = true;
			chaos->events[chaos->event_count++] =
				event_of(stage, saga_no(saga), inputs[i], "", 0);
			if (!roll(stage, 3)) /* the same fact, said twice */
				chaos->events[chaos->event_count++] =
					event_of(stage, saga_no(saga), inputs[i], "", 0);
		}
}

/* In random order, some more than once. */
static void deliver(struct chaos *chaos)
{
	struct stage *stage = chaos->stage;

	for (size_t i = chaos->event_count; i > 1; i--) {
		size_t k = roll(stage, (unsigned)i);
		struct saga__blob *other = chaos->events[k];

		chaos->events[k] = chaos->events[i - 1];
		chaos->events[i - 1] = other;
	}
	for (size_t i = 0; i < chaos->event_count; i++) {
		give_blob(stage, chaos->events[i]);
		if (!roll(stage, 3))
			give_blob(stage, chaos->events[roll(stage, (unsigned)i + 1)]);
	}
}

static void one_batch(struct chaos *chaos)
{
	struct stage *stage = chaos->stage;

	stage->most = 1 + roll(stage, 8);
	stage->due_last = roll(stage, 2);
	stage->abort = !roll(stage, 6);
	stage->lose_answer = !stage->abort && !roll(stage, 8);
	stage->memory.fail = roll(stage, 10) ? 0 : roll(stage, 2) ? SAGA_CONTENDED : SAGA_REFUSED;
	stage->call = roll(stage, 3) ? GOOD : RETRY;
	if (stage->call_count && roll(stage, 2))
		answer_call(stage);
	(void)run_batch(stage);
	stage->memory.fail = 0;
	stage->now += roll(stage, 30);
	stage->trace[0] = stage->log[0] = stage->memory.log[0] = 0;
}

static bool is_quiet(const struct stage *stage)
{
	return !stage->items.first && !stage->call_count && stage->memory.row_count == 0;
}

/* A statement that failed too often leaves its step dead, which is an operator's to mend. */
static void requeue_dead(struct stage *stage)
{
	for (size_t i = 0; i < stage->memory.row_count; i++) {
		struct kept_row *row = &stage->memory.rows[i];

		if (row->kind != SAGA__PARKED_HELD || row->command)
			continue;
		row->command = SAGA__COMMAND_REQUEUE;
		row->due = 0;
	}
}

static void run_out(struct chaos *chaos)
{
	struct stage *stage = chaos->stage;

	for (int i = 0; !is_quiet(stage); i++) {
		ck_assert_msg(i < 5000, "it never ends: %zu parked", stage->memory.row_count);
		if (i < 60) {
			one_batch(chaos);
			continue;
		}
		stage->most = 0;
		stage->call = GOOD;
		requeue_dead(stage);
		if (stage->call_count)
			answer_call(stage);
		ck_assert_int_eq(run_batch(stage), SAGA_OK);
		stage->now += 40000;
	}
}

/* ---- the laws, said naively ---- */

static bool has_effect(enum saga__state state)
{
	return state == SAGA__DONE;
}

static bool has_spoken(enum saga__state state)
{
	return state == SAGA__REJECTED || state == SAGA__FAILED || state == SAGA__BARRED;
}

static void check_slot(const struct chaos *chaos, unsigned number, const saga_step_def *step)
{
	const struct stage *stage = chaos->stage;
	saga_id saga = saga_no(number);
	enum saga__state state = state_of(stage, saga, step->name);
	bool undone = any_given(chaos, number, step->undo_on);
	bool barred = any_given(chaos, number, step->bar_on);
	bool ended = state == SAGA__DONE || state == SAGA__UNDONE;

	ck_assert_int_eq(effect_of(stage, saga, step->name), has_effect(state));
	ck_assert_int_eq(said(stage, saga, step->emits[0]), ended);
	ck_assert_int_eq(said(stage, saga, step->rejects[0]), has_spoken(state));
	ck_assert_int_eq(said(stage, saga, step->undone[0]), state == SAGA__UNDONE);
	ck_assert(state == SAGA__ABSENT || state == SAGA__WAITING || ended || has_spoken(state));
	if (undone)
		ck_assert(state == SAGA__UNDONE || has_spoken(state));
	else
		ck_assert_int_ne(state, SAGA__UNDONE);
	if (barred)
		ck_assert(ended || has_spoken(state));
	if (!barred && !undone)
		ck_assert_int_ne(state, SAGA__BARRED);
	if (was_given(chaos, number, step->on[0]))
		ck_assert_int_ne(state, SAGA__ABSENT);
}

static void check_laws(const struct chaos *chaos)
{
	const struct stage *stage = chaos->stage;

	for (unsigned saga = 0; saga < SAGAS; saga++) {
		for (size_t i = 0; i < STEPS; i++)
			check_slot(chaos, saga, &steps[i]);
		ck_assert_int_ne(state_of(stage, saga_no(saga), "a>t.late"), SAGA__WAITING);
		ck_assert_int_le(said(stage, saga_no(saga), &late), 1);
		if (said(stage, saga_no(saga), &did_b) && was_given(chaos, saga, &go_too))
			ck_assert_int_ne(state_of(stage, saga_no(saga), "c"), SAGA__WAITING);
	}
	ck_assert_uint_eq(stage->memory.row_count, 0);
}

static void run_seed(uint64_t seed)
{
	struct chaos chaos = { .stage = stage_new(&def) };

	stage_seed(chaos.stage, seed);
	chaos.stage->hook = decide;
	chaos.stage->batch.history_ms = INT64_MAX / 4;
	make_events(&chaos);
	deliver(&chaos);
	run_out(&chaos);
	check_laws(&chaos);
	for (size_t i = 0; i < chaos.event_count; i++)
		saga__blob_unref(chaos.events[i]);
	stage_free(chaos.stage);
}

START_TEST(the_laws_hold_whatever_comes)
{
	const char *given = getenv("SAGA_TEST_SEED");
	uint64_t first = given ? strtoull(given, NULL, 10) : (uint64_t)_i * 100;
	uint64_t count = given ? (_i == 0) : (uint64_t)rounds_of(100);

	for (uint64_t seed = first; seed < first + count; seed++) {
		printf("%llu ", (unsigned long long)seed);
		(void)fflush(stdout);
		run_seed(seed);
	}
	printf("\n");
}
END_TEST

int main(void)
{
	const struct test tests[] = { { the_laws_hold_whatever_comes, SEEDS / 100 } };

	return RUN_TESTS("random", tests);
}
