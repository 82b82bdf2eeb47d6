/* How handlers end: as declared, or rolled back. */
#include "harness.h"

#include <sqlite3.h>

/* ---- a step that does what its trigger asks for ---- */

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);
	struct stage *stage = saga_user(s);

	saw(s, "run %d", saga_attempt(s));
	effect(s, "a");
	switch ((enum to_do)asked->n) {
	case DO_REJECT:
		effect(s, "a");
		return saga_reject(s, a_rejected, .why = "asked to");
	case DO_FAIL:
		return saga_fail(s, "broken for %s", "good");
	case DO_WAIT:
		return saga_wait(s, "asked to");
	case DO_RETRY:
		if (saga_attempt(s) > stage->knob)
			break;
		return saga_retry(s, "attempt %d", saga_attempt(s));
	case DO_MALFORMED:
		return saga_malformed(s, "breaks a rule");
	case DO_DONE:
		break;
	}
	return saga_emit(s, a_done);
}

#define QUICK_RULE \
	{ \
		.attempts = 4, .first_ms = 1, .max_ms = 8 \
	}
static const saga_step_def speaking_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = QUICK_RULE },
	MARKER_STEP,
};
static const saga_participant_def speaking =
	SAGA_PARTICIPANT("target", speaking_steps, .schema = effect_schema);

static const saga_step_def silent_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.retry = QUICK_RULE },
	MARKER_STEP,
};
static const saga_participant_def silent =
	SAGA_PARTICIPANT("target", silent_steps, .schema = effect_schema);

static saga_verdict refuse_a(saga_step *s)
{
	saw(s, "refuse");
	return saga_reject(s, a_refused, .n = 5, .why = saga_why(s));
}

static const saga_step_def refusing_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_refused },
		.refuse = refuse_a,
		.retry = QUICK_RULE },
	MARKER_STEP,
};
static const saga_participant_def refusing =
	SAGA_PARTICIPANT("target", refusing_steps, .schema = effect_schema);

static saga_id go(struct stage *stage, int64_t n, const char *state)
{
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, n);
	AWAIT(stage, slot_is(stage, saga, "a", state));
	return saga;
}

START_TEST(a_reject_takes_partial_writes_back)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga = go(stage, DO_REJECT, "rejected");

	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "asked to"), 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_retry_takes_writes_back_and_counts)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga;

	stage->knob = 3;
	saga = go(stage, DO_RETRY, "done");
	ck_assert_str_eq(trace(stage), "run 1; run 2; run 3; run 4");
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	ck_assert_int_eq(said(stage, saga, "a.done"), 1);
	AWAIT(stage, parked(stage) == 0);
	stage_end(stage);
}
END_TEST

START_TEST(attempts_are_counted_over_restarts)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga = stage_saga(stage);

	stage->knob = 3;
	inject_n(stage, saga, &go_first, DO_RETRY);
	AWAIT(stage, parked(stage) == 1 || slot_is(stage, saga, "a", "done"));
	stage_restart(stage);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_str_eq(trace(stage), "run 1; run 2; run 3; run 4");
	stage_end(stage);
}
END_TEST

START_TEST(spent_attempts_fail_with_a_reason)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga;

	stage->knob = 100;
	saga = go(stage, DO_RETRY, "failed");
	ck_assert_str_eq(trace(stage), "run 1; run 2; run 3; run 4");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "attempt 4"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(spent_attempts_speak_by_refuse)
{
	struct stage *stage = stage_start(_i, &refusing);
	saga_id saga;

	stage->knob = 100;
	saga = go(stage, DO_RETRY, "failed");
	ck_assert_int_eq(trace_count(stage, "refuse"), 1);
	ck_assert_int_eq(said_with(stage, saga, "a.refused", "attempt 4"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(spent_attempts_without_rejects_are_dead)
{
	struct stage *stage = stage_start(_i, &silent);
	saga_id saga;

	stage->knob = 100;
	saga = go(stage, DO_RETRY, "dead");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	AWAIT(stage, health(&stage->target).dead == 1);
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_failure_is_final_at_once)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga = go(stage, DO_FAIL, "failed");

	ck_assert_str_eq(trace(stage), "run 1");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "broken for good"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_failure_without_rejects_is_dead)
{
	struct stage *stage = stage_start(_i, &silent);
	saga_id saga = go(stage, DO_FAIL, "dead");

	ck_assert_str_eq(trace(stage), "run 1");
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM saga_outbox WHERE saga = ?", &saga, NULL), 0);
	stage_end(stage);
}
END_TEST

START_TEST(malformed_is_a_dead_letter_and_leaves_the_slot)
{
	struct stage *stage = stage_start(_i, &speaking);
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, DO_MALFORMED);
	settle(stage);
	AWAIT(stage, dead_letters(stage) == 1);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(trace_count(stage, "run 1"), 2);
	stage_end(stage);
}
END_TEST

/* ---- what no step may do ---- */

enum crime {
	EMITS_OTHER,
	EMITS_ITS_REJECT,
	REJECTS_OTHER,
	REJECTS_ITS_EMIT,
	DONE_WITH_EMITS,
	BY_HAND,
	BY_HAND_ZERO,
	TWO_EMITS,
	EMIT_AND_REJECT,
	EMIT_THEN_WAIT,
	SCHEDULES_OTHER,
	EMITS_NO_TEXT,
	ASKS_IN_RUN,
	CRIMES,
};

SAGA_STRUCT(question, int64(n));

static saga_verdict commit_crime(saga_step *s, enum crime crime)
{
	saga_verdict verdict = { 0 };

	switch (crime) {
	case EMITS_OTHER:
		return saga_emit(s, c_done);
	case EMITS_ITS_REJECT:
		return saga_emit(s, a_rejected, .why = "not an emit");
	case REJECTS_OTHER:
		return saga_reject(s, b_rejected, .why = "not declared");
	case REJECTS_ITS_EMIT:
		return saga_reject(s, a_done);
	case DONE_WITH_EMITS:
		return saga_done(s);
	case BY_HAND:
		verdict.made_by_the_library = 1;
		return verdict;
	case BY_HAND_ZERO:
		return verdict;
	case TWO_EMITS:
		verdict = saga_emit(s, a_done);
		verdict = saga_emit(s, a_done);
		return verdict;
	case EMIT_AND_REJECT:
		verdict = saga_emit(s, a_done);
		verdict = saga_reject(s, a_rejected, .why = "second thoughts");
		return verdict;
	case EMIT_THEN_WAIT:
		verdict = saga_emit(s, a_done);
		verdict = saga_wait(s, "second thoughts");
		return verdict;
	case SCHEDULES_OTHER:
		saga_after(s, 1, later, .n = 1);
		return saga_emit(s, a_done);
	case EMITS_NO_TEXT:
		return saga_emit(s, a_refused, .n = 1);
	case ASKS_IN_RUN:
		return saga_ask(s, question, .n = 1);
	case CRIMES:
		break;
	}
	return verdict;
}

static saga_verdict run_crime(saga_step *s)
{
	effect(s, "a");
	return commit_crime(s, (enum crime)saga_on(s, go_first)->n);
}

static const saga_step_def criminal_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_crime,
		.emits = { &a_done, &a_refused },
		.rejects = { &a_rejected },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	MARKER_STEP,
};
static const saga_participant_def criminal =
	SAGA_PARTICIPANT("target", criminal_steps, .schema = effect_schema);

START_TEST(undeclared_outcomes_roll_back)
{
	struct stage *stage = stage_start(_i, &criminal);

	for (int crime = 0; crime < CRIMES; crime++) {
		saga_id saga = stage_saga(stage);

		inject_n(stage, saga, &go_first, crime);
		AWAIT(stage, slot_is(stage, saga, "a", "dead"));
		ck_assert_msg(effects(stage, saga, "a") == 0, "crime %d has an effect", crime);
		/* The program is wrong, and the business has not decided: nothing is said. */
		ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox WHERE saga = ?",
					 &saga, NULL),
			0);
	}
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), CRIMES);
	settle(stage);
	stage_end(stage);
}
END_TEST

/* ---- a handler that ends the transaction itself ---- */

static saga_verdict run_native(saga_step *s)
{
	static const char *const how[] = { "COMMIT", "ROLLBACK", "SELECT 1" };

	effect(s, "a");
	sqlite3_exec(saga_native(s), how[saga_on(s, go_first)->n], NULL, NULL, NULL);
	return saga_emit(s, a_done);
}

static const saga_step_def native_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_native, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def native =
	SAGA_PARTICIPANT("target", native_steps, .schema = effect_schema);

START_TEST(a_handler_that_ends_the_transaction_is_caught)
{
	struct stage *stage;

	ONLY_ON("sqlite", "the handle that it ends it by is SQLite's");
	stage = stage_start(_i, &native);

	for (int how = 0; how < 2; how++) {
		saga_id saga = go(stage, how, "dead");

		ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	}

	saga_id innocent = go(stage, 2, "done");

	ck_assert_int_eq(effects(stage, innocent, "a"), 1);
	stage_end(stage);
}
END_TEST

/* ---- sticky errors ---- */

SAGA_STRUCT(one_text, text(what));

static saga_verdict run_sticky(saga_step *s)
{
	size_t count = 99;

	saw(s, "failing %s", saga_code_name(saga_failing(s)));
	effect(s, "a");
	saw(s, "%d", (int)saga_exec(s, "INSERT INTO once (n) VALUES (?)", 1));
	saw(s, "failing %s", saga_code_name(saga_failing(s)));
	saw(s, "%d",
		(int)saga_exec(
			s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), "after"));
	saw(s, "%s", saga_query(s, one_text, &count, "SELECT what FROM effect") ? "rows" : "NULL");
	saw(s, "%d rows", (int)count);
	saw(s, "%s", saga_query_one(s, one_text, "SELECT 'x' AS what") ? "row" : "NULL");
	saw(s, "%d", (int)saga_query_int64(s, -7, "SELECT 5"));
	return saga_emit(s, a_done);
}

static const char *const once_schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL);"
	"CREATE TABLE once (n BIGINT PRIMARY KEY); INSERT INTO once VALUES (1)",
	NULL,
};

static const saga_step_def sticky_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_sticky,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 2 } },
	MARKER_STEP,
};
static const saga_participant_def sticky =
	SAGA_PARTICIPANT("target", sticky_steps, .schema = once_schema);

#define STICKY_RUN "failing OK; 0; failing REFUSED; 0; NULL; 0 rows; NULL; -7"

START_TEST(errors_stick_and_the_retry_rule_applies)
{
	struct stage *stage = stage_start(_i, &sticky);
	saga_id saga = go(stage, DO_DONE, "dead");

	ck_assert_str_eq(trace(stage), STICKY_RUN "; " STICKY_RUN);
	ck_assert_int_eq(effects(stage, saga, "a") + effects(stage, saga, "after"), 0);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 1);
	stage_end(stage);
}
END_TEST

/* ---- a broken deploy ---- */

static saga_verdict run_without_table(saga_step *s)
{
	effect(s, "a");
	saga_exec(s, "INSERT INTO secret_table (n) VALUES (?)", 1);
	return saga_emit(s, a_done);
}

static const saga_step_def broken_steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_without_table,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = QUICK_RULE },
	{ .name = "look",
		.on = { &tell_me },
		.reads_only = true,
		.run = run_without_table,
		.emits = { &a_done },
		.retry = QUICK_RULE },
	MARKER_STEP,
};
static const saga_participant_def broken =
	SAGA_PARTICIPANT("target", broken_steps, .schema = effect_schema);

START_TEST(a_missing_table_is_no_rejection_and_no_secret_is_told)
{
	struct stage *stage = stage_start(_i, &broken);
	struct reply reply = ask_please(stage, "k", 0);

	ck_assert_int_eq(reply.code, SAGA_FAILED);
	ck_assert_ptr_null(strstr(reply.json, "secret_table"));
	ck_assert_str_eq(reply.outcome, "");
	ck_assert_str_eq(slot_state(stage, reply.saga, "a"), "dead");
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL), 0);
	reply = ask_please(stage, "k", 0);
	ck_assert(reply.repeated && reply.code == SAGA_FAILED);
	ck_assert_ptr_null(strstr(reply.json, "secret_table"));
	reply = ask(stage, &(saga_submission){ SAGA_SUBMISSION(tell_me, .n = 1) });
	ck_assert_int_eq(reply.code, SAGA_FAILED);
	ck_assert_ptr_null(strstr(reply.json, "secret_table"));
	AWAIT(stage, health(&stage->target).dead == 1);
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 2);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_reject_takes_partial_writes_back,
		a_retry_takes_writes_back_and_counts,
		attempts_are_counted_over_restarts,
		spent_attempts_fail_with_a_reason,
		spent_attempts_speak_by_refuse,
		spent_attempts_without_rejects_are_dead,
		a_failure_is_final_at_once,
		a_failure_without_rejects_is_dead,
		malformed_is_a_dead_letter_and_leaves_the_slot,
		undeclared_outcomes_roll_back,
		a_handler_that_ends_the_transaction_is_caught,
		errors_stick_and_the_retry_rule_applies,
		a_missing_table_is_no_rejection_and_no_secret_is_told,
	};

	return run_both_modes("verdicts", tests, sizeof tests / sizeof tests[0]);
}
