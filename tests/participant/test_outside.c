/* Work beyond the database: a provider that is slow, silent, and idempotent by key. */
#include "harness.h"

#include <stdio.h>

SAGA_STRUCT(question, int64(cents), text(card));
SAGA_STRUCT(reply_of, opt_text(paper), opt_text(why));

/* ---- the provider: does nothing twice for one key ---- */

enum {
	LEDGER = 32
};

struct provider {
	pthread_mutex_t lock;
	char done[LEDGER][SAGA_ID_TEXT];
	int done_count;
	char asked[LEDGER][SAGA_ID_TEXT]; /* every call, in order */
	int asked_count;
	atomic_int silent_before; /* so many calls are not heard */
	atomic_int silent_after;  /* so many are done, but the answer is lost */
	atomic_int declines;
};

static struct provider provider;

static void provider_reset(void)
{
	memset(&provider, 0, sizeof provider);
	pthread_mutex_init(&provider.lock, NULL);
}

static bool take_one(atomic_int *left)
{
	int now = atomic_load(left);

	while (now > 0)
		if (atomic_compare_exchange_weak(left, &now, now - 1))
			return true;
	return false;
}

static bool is_done(const char *key)
{
	for (int i = 0; i < provider.done_count; i++)
		if (!strcmp(provider.done[i], key))
			return true;
	return false;
}

/* Whether an answer came. */
static bool provider_do(const char *key)
{
	pthread_mutex_lock(&provider.lock);
	ck_assert_uint_eq(strlen(key), 36);
	ck_assert_int_lt(provider.asked_count, LEDGER);
	strcpy(provider.asked[provider.asked_count++], key);
	if (take_one(&provider.silent_before)) {
		pthread_mutex_unlock(&provider.lock);
		return false;
	}
	if (!provider.declines && !is_done(key))
		strcpy(provider.done[provider.done_count++], key);
	pthread_mutex_unlock(&provider.lock);
	return !take_one(&provider.silent_after);
}

static int provider_asked(void)
{
	int count;

	pthread_mutex_lock(&provider.lock);
	count = provider.asked_count;
	pthread_mutex_unlock(&provider.lock);
	return count;
}

/* ---- the step ---- */

static saga_verdict prepare(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);

	saw(s, "prepare");
	if (asked->n == DO_REJECT)
		return saga_reject(s, a_rejected, .why = "not worth asking");
	if (asked->n == DO_WAIT)
		return saga_wait(s, "not yet");
	return saga_ask(s, question, .cents = asked->n + 100, .card = "1234");
}

static saga_verdict call(saga_call *c)
{
	struct stage *stage = saga_call_user(c);
	const struct question *wanted = saga_asked(c, question);

	saw_call(c, "call %d %s", (int)wanted->cents, wanted->card);
	gate_pass(stage);
	ck_assert_int_gt(saga_time_left(c), 0);
	ck_assert_int_le(saga_time_left(c), 15000 + DEADLINE_MS);
	ck_assert_str_eq(saga_event_type(saga_call_trigger(c)), "outside.go_first");
	if (!provider_do(saga_key(c, "charge")))
		return saga_call_retry(c, "silence");
	if (provider.declines)
		return saga_tell(c, reply_of, .why = "no money");
	return saga_tell(c, reply_of, .paper = "receipt 1");
}

static saga_verdict run(saga_step *s)
{
	const struct reply_of *told = saga_told(s, reply_of);

	if (!told)
		return saga_fail(s, "nothing was told");
	saw(s, "run");
	effect(s, "charge");
	if (!told->paper)
		return saga_reject(s, a_rejected, .why = told->why);
	return saga_emit(s, a_done, .text = told->paper);
}

static saga_verdict prepare_undo(saga_step *s)
{
	if (((struct stage *)saga_user(s))->knob == 1)
		return saga_emit(s, a_undone, .text = "nothing to call for");
	return saga_ask(s, question, .cents = -1, .card = "back");
}

static saga_verdict call_undo(saga_call *c)
{
	struct stage *stage = saga_call_user(c);

	saw_call(c, "call back");
	gate_pass(stage);
	snprintf(stage->seen_key[0], SAGA_ID_TEXT, "%s", saga_key(c, "charge"));
	snprintf(stage->seen_key[1], SAGA_ID_TEXT, "%s", saga_key(c, "refund"));
	if (!provider_do(saga_key(c, "refund")))
		return saga_call_retry(c, "silence");
	return saga_tell(c, reply_of, .paper = "refund 1");
}

static saga_verdict undo(saga_step *s)
{
	const struct reply_of *told = saga_told(s, reply_of);

	saw(s, "undo");
	saga_exec(s, "DELETE FROM effect WHERE saga = ?", saga_this(s));
	return saga_emit(s, a_undone, .text = told ? told->paper : "nothing was told");
}

#define QUICK_RULE \
	{ \
		.attempts = 4, .first_ms = 1, .max_ms = 10 \
	}
static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run,
		.outside = { .prepare = prepare, .call = call, .timeout_ms = 15000 },
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo,
		.undo_outside = { .prepare = prepare_undo, .call = call_undo, .timeout_ms = 15000 },
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it },
		.retry = QUICK_RULE,
		.undo_retry = QUICK_RULE },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static struct stage *begin(int lanes)
{
	provider_reset();
	return stage_start(lanes, &def);
}

START_TEST(yes_emits)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_str_eq(trace(stage), "prepare; call 100 1234; run");
	ck_assert_int_eq(said_with(stage, saga, "a.done", "receipt 1"), 1);
	ck_assert_int_eq(effects(stage, saga, "charge"), 1);
	AWAIT(stage, parked(stage) == 0);
	stage_end(stage);
}
END_TEST

START_TEST(no_rejects)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.declines = 1;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "rejected"));
	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "no money"), 1);
	ck_assert_int_eq(effects(stage, saga, "charge"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(prepare_may_reject_or_wait)
{
	struct stage *stage = begin(_i);
	saga_id rejected = stage_saga(stage);
	saga_id waiting = stage_saga(stage);

	inject_n(stage, rejected, &go_first, DO_REJECT);
	inject_n(stage, waiting, &go_first, DO_WAIT);
	AWAIT(stage, slot_is(stage, rejected, "a", "rejected"));
	AWAIT(stage, slot_is(stage, waiting, "a", "waiting"));
	ck_assert_int_eq(provider_asked(), 0);
	ck_assert_str_eq(trace(stage), "prepare; prepare");
	inject(stage, waiting, &go_first);
	AWAIT(stage, slot_is(stage, waiting, "a", "done"));
	ck_assert_int_eq(provider_asked(), 1);
	stage_end(stage);
}
END_TEST

START_TEST(no_answer_asks_again_with_the_same_key)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.silent_before = 2;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(provider_asked(), 3);
	ck_assert_str_eq(provider.asked[0], provider.asked[1]);
	ck_assert_str_eq(provider.asked[0], provider.asked[2]);
	ck_assert_int_eq(trace_count(stage, "prepare"), 1);
	ck_assert_int_eq(trace_count(stage, "run"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(it_took_although_the_answer_was_lost)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.silent_after = 2;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(provider_asked(), 3);
	ck_assert_int_eq(provider.done_count, 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(without_an_answer_it_is_stuck_and_not_failed)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.silent_after = LEDGER;
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	ck_assert_int_eq(provider_asked(), 4);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	ck_assert_int_eq(trace_count(stage, "run"), 0);
	AWAIT(stage, health(&stage->target).stuck == 1);
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 1);
	inject(stage, saga, &go_first);
	inject(stage, saga, &take_back);
	inject(stage, saga, &bar_it);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "stuck");
	ck_assert_int_eq(provider_asked(), 4);
	stage_end(stage);
}
END_TEST

START_TEST(sagas_have_keys_of_their_own)
{
	struct stage *stage = begin(_i);
	saga_id one = stage_saga(stage);
	saga_id other = stage_saga(stage);

	inject(stage, one, &go_first);
	AWAIT(stage, slot_is(stage, one, "a", "done"));
	inject(stage, other, &go_first);
	AWAIT(stage, slot_is(stage, other, "a", "done"));
	ck_assert_str_ne(provider.asked[0], provider.asked[1]);
	ck_assert_int_eq(provider.done_count, 2);
	stage_end(stage);
}
END_TEST

START_TEST(an_outside_undo_goes_through_undoing)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	gate_close(stage);
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undoing"));
	provider.silent_before = 1;
	gate_open(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_int_eq(said_with(stage, saga, "a.undone", "refund 1"), 1);
	ck_assert_int_eq(effects(stage, saga, "charge"), 0);
	ck_assert_int_eq(provider_asked(), 3);
	ck_assert_str_eq(stage->seen_key[0], provider.asked[0]);
	ck_assert_str_eq(stage->seen_key[1], provider.asked[1]);
	ck_assert_str_eq(stage->seen_key[1], provider.asked[2]);
	ck_assert_str_ne(stage->seen_key[0], stage->seen_key[1]);
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_may_have_nothing_to_call_for)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage->knob = 1;
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_int_eq(said_with(stage, saga, "a.undone", "nothing to call for"), 1);
	ck_assert_int_eq(provider_asked(), 1);
	ck_assert_int_eq(trace_count(stage, "undo"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(an_outside_undo_without_an_answer_is_stuck)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	provider.silent_after = LEDGER;
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "stuck"));
	ck_assert_int_eq(provider_asked(), 1 + 4);
	ck_assert_int_eq(effects(stage, saga, "charge"), 1);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(what_comes_while_trying_is_parked_in_order)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	gate_close(stage);
	inject(stage, saga, &go_first);
	AWAIT(stage, trace_count(stage, "call 100 1234") == 1);
	inject(stage, saga, &bar_it);
	inject(stage, saga, &take_back);
	settle(stage);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "trying");
	ck_assert_int_eq(parked(stage), 3);
	gate_open(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 1);
	AWAIT(stage, parked(stage) == 0);
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_behind_a_no_does_nothing)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.declines = 1;
	gate_close(stage);
	inject(stage, saga, &go_first);
	AWAIT(stage, trace_count(stage, "call 100 1234") == 1);
	inject(stage, saga, &take_back);
	settle(stage);
	gate_open(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "rejected"));
	AWAIT(stage, parked(stage) == 0);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	ck_assert_int_eq(said(stage, saga, "a.undone"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_stop_while_trying_asks_again_at_the_next_start)
{
	struct stage *stage = begin(_i);
	saga_id saga = stage_saga(stage);

	provider.silent_after = 1;
	gate_close(stage);
	inject(stage, saga, &go_first);
	AWAIT(stage, trace_count(stage, "call 100 1234") == 1);
	saga_stop(stage->target.participant);
	gate_open(stage);
	stage_restart(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_ge(provider_asked(), 2);
	ck_assert_str_eq(provider.asked[0], provider.asked[1]);
	ck_assert_int_eq(provider.done_count, 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	stage_end(stage);
}
END_TEST

/* ---- whose user it is ---- */

struct own {
	atomic_int prepared, called, ran;
};

static saga_verdict prepare_own(saga_step *s)
{
	atomic_fetch_add(&((struct own *)saga_user(s))->prepared, 1);
	return saga_ask(s, question, .cents = 1, .card = "own");
}

static saga_verdict call_own(saga_call *c)
{
	atomic_fetch_add(&((struct own *)saga_call_user(c))->called, 1);
	return saga_tell(c, reply_of, .paper = "own");
}

static saga_verdict run_own(saga_step *s)
{
	atomic_fetch_add(&((struct own *)saga_user(s))->ran, 1);
	return saga_emit(s, a_done);
}

static const saga_step_def own_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_own,
		.outside = { .prepare = prepare_own, .call = call_own, .timeout_ms = 15000 },
		.emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def own_def = SAGA_PARTICIPANT("target", own_steps);

/* The stage's callbacks, which write down the log and the stop, get the stage all the same. */
START_TEST(handlers_and_calls_have_a_user_of_their_own)
{
	struct own own = { 0 };
	struct stage *stage = stage_new(_i);
	saga_id saga;

	stage_open(stage, &own_def, SAGA_OPTIONS(.handler_user = &own));
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(atomic_load(&own.prepared), 1);
	ck_assert_int_eq(atomic_load(&own.called), 1);
	ck_assert_int_eq(atomic_load(&own.ran), 1);
	ck_assert_uint_gt(stage->log_count, 0);
	saga_stop(stage->target.participant);
	AWAIT(stage, stage->target.stopped);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		yes_emits,
		no_rejects,
		prepare_may_reject_or_wait,
		no_answer_asks_again_with_the_same_key,
		it_took_although_the_answer_was_lost,
		without_an_answer_it_is_stuck_and_not_failed,
		sagas_have_keys_of_their_own,
		an_outside_undo_goes_through_undoing,
		an_undo_may_have_nothing_to_call_for,
		an_outside_undo_without_an_answer_is_stuck,
		what_comes_while_trying_is_parked_in_order,
		an_undo_behind_a_no_does_nothing,
		a_stop_while_trying_asks_again_at_the_next_start,
		handlers_and_calls_have_a_user_of_their_own,
	};

	return run_both_modes("outside calls", tests, sizeof tests / sizeof tests[0]);
}
