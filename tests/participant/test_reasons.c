/* Reasons that are cut, or no UTF-8: a store that refuses such texts must never see one. */
#include "harness.h"

/* Cut by bytes, each of these would end inside a character at one of the limits that there are. */
#define FOUR "\xf0\x9f\x98\x80"
#define TEN FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR
#define LONG TEN TEN TEN TEN TEN TEN TEN

static const char *const words[] = { LONG, "a" LONG, "ab" LONG, "abc" LONG,
	("Stra\xdf"
	 "e") };

enum {
	WORDS = sizeof words / sizeof words[0]
};

SAGA_STRUCT(question, int64(n));
SAGA_STRUCT(told, int64(n));

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);
	struct stage *stage = saga_user(s);
	const char *why = words[stage->knob];

	switch ((enum to_do)asked->n) {
	case DO_REJECT:
		return saga_reject(s, a_rejected, .why = why);
	case DO_WAIT:
		return saga_wait(s, "%s", why);
	case DO_RETRY:
		return saga_retry(s, "%.63s", why);
	case DO_MALFORMED:
		return saga_malformed(s, "%s", why);
	case DO_FAIL:
		return saga_fail(s, "%s", why);
	case DO_DONE:
		break;
	}
	return saga_emit(s, a_done, .text = saga_format(s, "`%.41s`", why));
}

static saga_verdict run_dead(saga_step *s)
{
	struct stage *stage = saga_user(s);

	return saga_fail(s, "%s", words[stage->knob]);
}

static saga_verdict prepare(saga_step *s)
{
	return saga_ask(s, question, .n = 1);
}

static saga_verdict call(saga_call *c)
{
	struct stage *stage = saga_call_user(c);

	return saga_call_retry(c, "%s", words[stage->knob]);
}

static saga_verdict run_out(saga_step *s)
{
	return saga_emit(s, b_done);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done },
	  .rejects = { &a_rejected }, .retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	{ .name = "dead", .on = { &go_second }, .run = run_dead, .emits = { &a_done } },
	{ .name = "out", .on = { &go_third }, .run = run_out, .emits = { &b_done },
	  .outside = { .prepare = prepare, .call = call },
	  .retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static saga_id go(
	struct stage *stage, const saga_type *type, int64_t n, const char *step, const char *state)
{
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, type, n);
	AWAIT(stage, slot_is(stage, saga, step, state));
	return saga;
}

START_TEST(any_words_are_stored)
{
	struct stage *stage = stage_start(_i, &def);

	for (int i = 0; i < WORDS; i++) {
		int64_t letters = dead_letters(stage);
		saga_id saga;

		stage->knob = i;
		saga = go(stage, &go_first, DO_DONE, "a", "done");
		ck_assert_int_eq(said_with(stage, saga, "a.done", i < 4 ? "`" : "`Stra?e`"), 1);
		saga = go(stage, &go_first, DO_REJECT, "a", "rejected");
		ck_assert_int_eq(
			said_with(stage, saga, "a.rejected", i < 4 ? FOUR "\"" : "Stra?e"), 1);
		saga = go(stage, &go_first, DO_FAIL, "a", "failed");
		ck_assert_int_eq(
			said_with(stage, saga, "a.rejected", i < 4 ? FOUR "\"" : "Stra?e"), 1);
		(void)go(stage, &go_first, DO_RETRY, "a", "failed");
		(void)go(stage, &go_first, DO_WAIT, "a", "waiting");
		(void)go(stage, &go_second, 0, "dead", "dead");
		(void)go(stage, &go_third, 0, "out", "stuck");
		inject_n(stage, stage_saga(stage), &go_first, DO_MALFORMED);
		AWAIT(stage, dead_letters(stage) > letters);
	}
	ck_assert_int_eq(logged(stage, "batch.parked"), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { any_words_are_stored };

	return run_both_modes("reasons", tests, sizeof tests / sizeof tests[0]);
}
