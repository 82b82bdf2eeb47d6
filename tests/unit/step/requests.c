/* Requests: one answer each, repeats, conflicts, bars; those that only look. */

#include "stage.h"

SAGA_REQUEST(look, "t.look", 1, opt_int64(n));

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.retry = { .attempts = 3, .first_ms = 10, .max_ms = 10 } },
	{ .name = "b",
		.on = { &please_too },
		.outside = { .call = call_act },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b },
		.per_subject = true },
	{ .name = "c",
		.on = { &look },
		.run = run_act,
		.emits = { &did_c },
		.rejects = { &no_c },
		.retry = { .attempts = 3, .first_ms = 10, .max_ms = 10 },
		.reads_only = true },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C
};

static bool is_of(const struct saga__reply *reply, const saga_type *type)
{
	saga_event *event;
	bool same;

	if (!reply->outcome)
		return false;
	ck_assert_int_eq(saga_event_read(saga__blob_bytes(reply->outcome), &event, NULL), SAGA_OK);
	same = strcmp(saga_event_type(event), type->name) == 0;
	saga_event_free(event);
	return same;
}

START_TEST(it_is_answered_and_repeated)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *first = ask(stage, saga_no(1), &please, "", 1), *again;

	run_all(stage);
	ck_assert_int_eq(first->code, SAGA_OK);
	ck_assert(!first->repeated && is_of(first, &did_a));
	again = ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	ck_assert_int_eq(again->code, SAGA_OK);
	ck_assert(again->repeated && is_of(again, &did_a));
	ck_assert_uint_eq(first->outcome->size, again->outcome->size);
	ck_assert(memcmp(first->outcome->at, again->outcome->at, again->outcome->size) == 0);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 1);
	stage_free(stage);
}
END_TEST

START_TEST(two_at_once_are_one)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *first = ask(stage, saga_no(1), &please, "", 1);
	struct saga__reply *second = ask(stage, saga_no(1), &please, "", 1);
	struct saga__reply *third = ask(stage, saga_no(1), &please, "", 2);

	run_all(stage);
	ck_assert_int_eq(first->code, SAGA_OK);
	ck_assert(second->code == SAGA_OK && second->repeated && is_of(second, &did_a));
	ck_assert_int_eq(third->code, SAGA_CONFLICT);
	ck_assert_ptr_null(third->outcome);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(every_end_has_its_answer)
{
	static const struct {
		enum act act;
		int code;
		const saga_type *event;
		enum saga__state state;
	} ends[] = { { REJECT, SAGA_REJECTED, &no_a, SAGA__REJECTED },
		{ FAIL, SAGA_FAILED, &no_a, SAGA__FAILED }, { WAIT, SAGA_FAILED, NULL, SAGA__DEAD },
		{ NOTHING, SAGA_FAILED, NULL, SAGA__DEAD },
		{ MALFORM, SAGA_MALFORMED, NULL, SAGA__ABSENT } };
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply;

	stage->acts[A][SAGA__PHASE_RUN] = ends[_i].act;
	for (int repeat = 0; repeat < 2; repeat++) {
		reply = ask(stage, saga_no(1), &please, "", 1);
		run_all(stage);
		ck_assert_int_eq(reply->code, ends[_i].code);
		ck_assert_int_eq(is_of(reply, &no_a), ends[_i].event != NULL);
		ck_assert_int_eq(state_of(stage, saga_no(1), "a"), ends[_i].state);
		ck_assert_int_eq(reply->repeated, repeat && ends[_i].state != SAGA__ABSENT);
	}
	/* Why the program is wrong is no caller's business. */
	if (ends[_i].state == SAGA__DEAD)
		ck_assert_str_eq(reply->text, saga_code_text(SAGA_FAILED));
	ck_assert_uint_eq(stage->memory.row_count, ends[_i].state == SAGA__DEAD);
	ck_assert_uint_eq(stage->memory.event_count, ends[_i].event ? 1 : 0);
	stage_free(stage);
}
END_TEST

START_TEST(what_an_operator_asserts_is_the_answer)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply;

	stage->acts[A][SAGA__PHASE_RUN] = NOTHING;
	(void)ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_ASSERT, _i ? "a.no" : "a.did");
	run_all(stage);
	reply = ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	ck_assert_int_eq(reply->code, _i ? SAGA_REJECTED : SAGA_OK);
	ck_assert(reply->repeated && is_of(reply, _i ? &no_a : &did_a));
	stage_free(stage);
}
END_TEST

START_TEST(a_barred_one_says_so)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply;

	give(stage, saga_no(1), _i ? &stop : &back);
	run_all(stage);
	reply = ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	ck_assert_int_eq(reply->code, SAGA_REJECTED);
	ck_assert(is_of(reply, &no_a));
	ck_assert_ptr_nonnull(strstr(reply->text, "barred by"));
	ck_assert_int_eq(HANDLED(stage, "run a"), 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_retry_stays_in_memory_and_is_answered_once)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply = ask(stage, saga_no(1), &please, "", 1);

	stage->acts[A][SAGA__PHASE_RUN] = RETRY;
	run_all(stage);
	ck_assert_int_eq(reply->code, 1);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__ABSENT);
	pass(stage, 10);
	if (_i)
		stage->acts[A][SAGA__PHASE_RUN] = GOOD;
	pass(stage, 10);
	ck_assert_int_eq(reply->code, _i ? SAGA_OK : SAGA_FAILED);
	ck_assert_int_eq(HANDLED(stage, "run a"), 3);
	stage_free(stage);
}
END_TEST

START_TEST(an_undone_one_keeps_its_answer)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply;

	(void)ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	give(stage, saga_no(1), &back);
	run_all(stage);
	reply = ask(stage, saga_no(1), &please, "", 1);
	run_all(stage);
	ck_assert_int_eq(reply->code, SAGA_OK);
	ck_assert(reply->repeated && is_of(reply, &did_a));
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_call_is_answered_with_waiting_and_later_by_its_outcome)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *first = ask(stage, saga_no(1), &please_too, "k", 1), *again;

	if (_i)
		stage->acts[B][SAGA__PHASE_RUN] = REJECT;
	run_all(stage);
	ck_assert_int_eq(first->code, SAGA_WAITING);
	again = ask(stage, saga_no(1), &please_too, "k", 1);
	run_all(stage);
	ck_assert_int_eq(again->code, SAGA_WAITING);
	answer_call(stage);
	run_all(stage);
	again = ask(stage, saga_no(1), &please_too, "k", 1);
	run_all(stage);
	ck_assert_int_eq(again->code, _i ? SAGA_REJECTED : SAGA_OK);
	ck_assert(is_of(again, _i ? &no_b : &did_b));
	again = ask(stage, saga_no(1), &please_too, "k", 2);
	run_all(stage);
	ck_assert_int_eq(again->code, SAGA_CONFLICT);
	again = ask(stage, saga_no(1), &please_too, "", 1);
	run_all(stage);
	ck_assert_int_eq(again->code, SAGA_MALFORMED);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(one_that_only_looks_leaves_nothing)
{
	static const struct {
		enum act act;
		int code;
	} ends[] = { { GOOD, SAGA_OK }, { REJECT, SAGA_REJECTED }, { MALFORM, SAGA_MALFORMED },
		{ FAIL, SAGA_FAILED }, { NOTHING, SAGA_FAILED }, { WAIT, SAGA_FAILED } };
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply = ask(stage, saga_no(1), &look, "", 1);

	stage->acts[C][SAGA__PHASE_READ] = ends[_i].act;
	run_all(stage);
	ck_assert_int_eq(reply->code, ends[_i].code);
	ck_assert_int_eq(is_of(reply, &did_c), _i == 0);
	ck_assert_int_eq(is_of(reply, &no_c), _i == 1);
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(one_that_only_looks_is_tried_again)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply = ask(stage, saga_no(1), &look, "", 1);

	stage->acts[C][SAGA__PHASE_READ] = RETRY;
	run_all(stage);
	ck_assert_int_eq(reply->code, 1);
	pass(stage, 10);
	if (_i)
		stage->acts[C][SAGA__PHASE_READ] = GOOD;
	pass(stage, 10);
	ck_assert_int_eq(reply->code, _i ? SAGA_OK : SAGA_FAILED);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

static void write_in_vain(struct stage *stage, saga_step *step)
{
	(void)stage;
	(void)saga_exec(
		step, "INSERT INTO effect VALUES (?, ?, ?, ?)", saga_this(step), "c", "", 1);
}

START_TEST(one_that_only_looks_may_not_write)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply = ask(stage, saga_no(1), &look, "", 1);

	stage->hook = write_in_vain;
	run_all(stage);
	ck_assert_int_eq(reply->code, SAGA_FAILED);
	ck_assert_uint_eq(stage->memory.effect_count, 0);
	stage_free(stage);
}
END_TEST

/* Committed, and nobody heard: asked again, it is a repeat. */
START_TEST(a_lost_answer_is_a_repeat)
{
	struct stage *stage = stage_new(&def);
	struct saga__reply *reply = ask(stage, saga_no(1), &please, "", 1);

	stage->lose_answer = true;
	run_all(stage);
	ck_assert_int_eq(reply->code, SAGA_OK);
	ck_assert(reply->repeated && is_of(reply, &did_a));
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 1);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ it_is_answered_and_repeated, 0 },
		{ two_at_once_are_one, 0 },
		{ every_end_has_its_answer, 5 },
		{ what_an_operator_asserts_is_the_answer, 2 },
		{ a_barred_one_says_so, 2 },
		{ a_retry_stays_in_memory_and_is_answered_once, 2 },
		{ an_undone_one_keeps_its_answer, 0 },
		{ a_call_is_answered_with_waiting_and_later_by_its_outcome, 2 },
		{ one_that_only_looks_leaves_nothing, 6 },
		{ one_that_only_looks_may_not_write, 0 },
		{ one_that_only_looks_is_tried_again, 2 },
		{ a_lost_answer_is_a_repeat, 0 },
	};

	return RUN_TESTS("requests", tests);
}
