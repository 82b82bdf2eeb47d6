/* What can't be handled, handlers that break rules, and batches that are lost. */

#include "stage.h"

#include <stdio.h>

SAGA_EVENT(go_new, "t.go", 2, opt_int64(n), int64(more));

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go },
		.run = run_act,
		.emits = { &did_a },
		.rejects = { &no_a },
		.undo = undo_act,
		.undo_on = { &back },
		.undone = { &undid_a },
		.bar_on = { &stop },
		.retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
	{ .name = "b",
		.on = { &go_too },
		.run = run_act,
		.emits = { &did_b },
		.rejects = { &no_b, &no_c },
		.refuse = refuse_act,
		.bar_on = { &stop_too },
		.retry = { .attempts = 2, .first_ms = 10, .max_ms = 10 } },
	{ .name = "c",
		.on = { &go },
		.run = run_act,
		.emits = { &did_c },
		.per_subject = true,
		.after = { { .event = &late, .unless = { &too_late } } } },
	{ .name = "d", .on = { &go_three }, .run = run_act, .emits = { &did_c } },
	{ .name = "e",
		.on = { &late },
		.run = run_act,
		.rejects = { &no_a },
		.refuse = refuse_act,
		.undo = undo_act,
		.undo_on = { &back_too },
		.undone = { &undid_c } },
};
static const saga_participant_def def = SAGA_PARTICIPANT("test", steps);

enum {
	A,
	B,
	C,
	D,
	E
};

START_TEST(bytes_that_are_no_event_are_a_letter)
{
	static const char *const wire[] = { "?", "\x80", "\x81\xa2id\x01", "\xc1\xc1\xc1" };
	struct stage *stage = stage_new(&def);

	for (size_t i = 0; i < 4; i++)
		give_bytes(stage, wire[i], strlen(wire[i]));
	run_all(stage);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 4);
	ck_assert_int_eq(stage->memory.counts.parked, 0);
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	ck_assert_int_eq(counted(stage->log, "event.dead"), 4);
	stage_free(stage);
}
END_TEST

START_TEST(a_body_that_is_not_its_types_is_a_letter)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *event = event_of(stage, saga_no(1), &go, "x", 5);
	struct saga__blob *copy;

	for (size_t i = 0; i + 2 < event->size; i++)
		if (event->at[i] == 0xa1 && event->at[i + 1] == 'n' && event->at[i + 2] == 5)
			event->at[i + 2] = 0xc3; /* n: true */
	copy = saga__blob_new(event->at, event->size);
	give_blob(stage, copy);
	run_all(stage);
	ck_assert_ptr_nonnull(strstr(only_row(stage, SAGA__PARKED_LETTER)->why, "n"));
	ck_assert(saga__id_same(only_row(stage, SAGA__PARKED_LETTER)->saga, saga_no(1)));
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	saga__blob_unref(copy);
	saga__blob_unref(event);
	stage_free(stage);
}
END_TEST

START_TEST(another_version_is_a_letter_and_another_type_is_not)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_new);
	give(stage, saga_no(1), &undeclared);
	give(stage, saga_no(1), &did_a);
	run_all(stage);
	ck_assert_ptr_nonnull(
		strstr(only_row(stage, SAGA__PARKED_LETTER)->why, "version 2 of t.go"));
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	stage_free(stage);
}
END_TEST

START_TEST(what_is_older_than_history_is_a_letter)
{
	struct stage *stage = stage_new(&def);
	struct saga__blob *old = event_of(stage, saga_no(1), &go_three, "", 0);

	stage->now += stage->batch.history_ms;
	give_blob(stage, old);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	stage->now += 1;
	give_blob(stage, old);
	run_all(stage);
	ck_assert_ptr_nonnull(strstr(only_row(stage, SAGA__PARKED_LETTER)->why, "older"));
	ck_assert_int_eq(HANDLED(stage, "run d"), 1);
	saga__blob_unref(old);
	stage_free(stage);
}
END_TEST

START_TEST(without_a_subject_only_the_step_that_needs_one_misses_it)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go);
	give(stage, saga_no(1), &too_late);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DONE);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 2);
	ck_assert_str_eq(stage->memory.rows[0].row, "c");
	ck_assert_int_eq(HANDLED(stage, "run c"), 0);
	ck_assert_uint_eq(stage->memory.slot_count, 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_rule_that_no_type_states_is_a_letter)
{
	struct stage *stage = stage_new(&def);

	stage->acts[D][SAGA__PHASE_RUN] = MALFORM;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_str_eq(only_row(stage, SAGA__PARKED_LETTER)->row, "d");
	ck_assert_str_eq(only_row(stage, SAGA__PARKED_LETTER)->why, "breaks a rule");
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__ABSENT);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "d"), 0);
	stage->acts[D][SAGA__PHASE_RUN] = GOOD;
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

/* ---- handlers that break rules ---- */

START_TEST(an_outcome_that_is_not_declared_is_dead_at_once)
{
	static const enum act ends[] = { UNDECLARE, NOTHING, TWICE, ASK };
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = ends[_i];
	stage->acts[D][SAGA__PHASE_RUN] = ends[_i];
	give_subject(stage, saga_no(1), &go, "x");
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DEAD);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 0);
	ck_assert_int_eq(counted(stage->log, "slot.dead"), 2);
	ck_assert_int_eq(said(stage, saga_no(1), &did_a), 0);
	stage_free(stage);
}
END_TEST

START_TEST(an_event_beyond_the_limit_is_retried_and_dead)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = BIG;
	give_subject(stage, saga_no(1), &go, "x");
	run_all(stage);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_RETRY)->attempts, 1);
	pass(stage, 10);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 0);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "a"), 0);
	stage_free(stage);
}
END_TEST

START_TEST(a_refuse_that_fails_is_never_silent)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_REFUSE] = FAIL;
	stage->acts[B][SAGA__PHASE_RUN] = FAIL;
	give(stage, saga_no(1), &go_too);
	give(stage, saga_no(2), &stop_too);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "b"), SAGA__DEAD);
	ck_assert_int_eq(state_of(stage, saga_no(2), "b"), SAGA__BARRED);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 1);
	ck_assert_int_eq(counted(stage->log, "step.refuse_failed"), 2);
	stage_free(stage);
}
END_TEST

/* By a bar, or by an undo trigger; its refuse fails once more before it can be made. */
START_TEST(a_requeued_letter_says_what_a_barred_step_owes)
{
	const char *name = _i ? "e" : "b";
	const saga_type *type = _i ? &no_a : &no_b;
	struct stage *stage = stage_new(&def);

	stage->acts[_i ? E : B][SAGA__PHASE_REFUSE] = FAIL;
	give(stage, saga_no(1), _i ? &back_too : &stop_too);
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), type), 0);
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), type), 0);
	ck_assert_int_eq(counted(stage->log, "step.refuse_failed"), 2);
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_LETTER)->command, SAGA__NO_COMMAND);

	stage->acts[_i ? E : B][SAGA__PHASE_REFUSE] = GOOD;
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), type), 1);
	ck_assert_int_eq(state_of(stage, saga_no(1), name), SAGA__BARRED);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	give(stage, saga_no(1), _i ? &back_too : &stop_too);
	give(stage, saga_no(1), _i ? &late : &go_too);
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), type), 1);
	ck_assert_int_eq(effect_of(stage, saga_no(1), name), 0);
	stage_free(stage);
}
END_TEST

/* It was set aside before its step's slot was barred by another event, which was heard. */
START_TEST(a_requeued_bar_of_a_slot_that_has_spoken_says_nothing)
{
	struct stage *stage = stage_new(&def);

	stage->acts[B][SAGA__PHASE_REFUSE] = FAIL;
	give(stage, saga_no(1), &stop_too);
	run_all(stage);
	((struct kept_row *)only_row(stage, SAGA__PARKED_LETTER))->role = SAGA__ROLE_BAR;
	stage->acts[B][SAGA__PHASE_REFUSE] = GOOD;
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
	ck_assert_int_eq(said(stage, saga_no(1), &no_b), 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	stage_free(stage);
}
END_TEST

static void leave_in_refuse(struct stage *stage, saga_step *step)
{
	if (step->phase != SAGA__PHASE_REFUSE)
		return;
	if (stage->number)
		saga_keep(step, memo, .n = 1);
	else
		(void)saga_exec(step, "INSERT INTO effect VALUES (?, ?, ?, ?)", saga_this(step),
			"b", "", 1);
}

START_TEST(a_refuse_may_only_read)
{
	struct stage *stage = stage_new(&def);

	stage->hook = leave_in_refuse;
	stage->number = _i;
	give(stage, saga_no(1), &stop_too);
	run_all(stage);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "b"), 0);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 1);
	stage_free(stage);
}
END_TEST

/* The transaction is gone: all is replayed, and that handler is not run again. */
START_TEST(a_handler_that_ends_the_transaction_is_found_out)
{
	struct stage *stage = stage_new(&def);

	stage->acts[A][SAGA__PHASE_RUN] = POISON;
	give(stage, saga_no(1), &go_three);
	give_subject(stage, saga_no(1), &go, "x");
	give(stage, saga_no(2), &go_three);
	stage->no_due = true;
	ck_assert_int_eq(run_batch(stage), SAGA_MISUSE);
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_int_eq(HANDLED(stage, "run a"), 1);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__DEAD);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	ck_assert_int_eq(state_of(stage, saga_no(2), "d"), SAGA__DONE);
	ck_assert_int_eq(said(stage, saga_no(1), &no_a), 0);
	stage_free(stage);
}
END_TEST

/* ---- batches that are lost ---- */

START_TEST(a_lost_batch_leaves_nothing_and_is_replayed)
{
	static const int codes[] = { SAGA_CONTENDED, SAGA_AWAY, SAGA_FULL, SAGA_UNKNOWN };
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_three);
	give(stage, saga_no(2), &go_three);
	give(stage, saga_no(1), &back);
	stage->memory.fail = codes[_i];
	ck_assert_int_eq(run_batch(stage), codes[_i]);
	ck_assert_uint_eq(stage->memory.slot_count, 0);
	ck_assert_uint_eq(stage->memory.event_count, 0);
	ck_assert_uint_eq(stage->memory.row_count, 0);
	ck_assert_uint_eq(stage->memory.effect_count, 0);
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	ck_assert_int_eq(state_of(stage, saga_no(2), "d"), SAGA__DONE);
	ck_assert_int_eq(state_of(stage, saga_no(1), "a"), SAGA__BARRED);
	ck_assert_int_eq(effect_of(stage, saga_no(1), "d"), 1);
	stage_free(stage);
}
END_TEST

START_TEST(a_refused_statement_is_the_steps_own_trouble)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_three);
	give(stage, saga_no(2), &go_three);
	stage->memory.fail = SAGA_REFUSED;
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_str_eq(stage->memory.log, "mark run back mark run release ");
	ck_assert_int_eq(state_of(stage, saga_no(2), "d"), SAGA__DONE);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_RETRY), 1);
	pass(stage, 30000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

START_TEST(handlers_that_are_not_run_are_parked_or_fail)
{
	struct stage *stage = stage_new(&def);

	give(stage, saga_no(1), &go_three);
	stage->batch.instead = _i ? SAGA__BREAKS : SAGA__RETRIES;
	stage->batch.instead_text = "its transaction keeps losing";
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_str_eq(stage->trace, "");
	ck_assert_str_eq(only_row(stage, _i ? SAGA__PARKED_HELD : SAGA__PARKED_RETRY)->why,
		"its transaction keeps losing");
	stage->batch.instead = 0;
	if (_i)
		command(stage, SAGA__PARKED_HELD, SAGA__COMMAND_REQUEUE, "");
	pass(stage, 30000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

static const saga_step_def shared_steps[] = {
	{ .name = "one",
		.on = { &go_three },
		.run = run_act,
		.emits = { &did_a },
		.retry = { .attempts = 1, .first_ms = 1, .max_ms = 1 } },
	{ .name = "two",
		.on = { &go_three },
		.run = run_act,
		.emits = { &did_b },
		.retry = { .attempts = 1, .first_ms = 1, .max_ms = 1 } },
};
static const saga_participant_def shared_def = SAGA_PARTICIPANT("test", shared_steps);

/* Two steps of one event, one attempt each: neither may be given up for the other. */
START_TEST(steps_of_an_event_that_keeps_losing_are_charged_one_by_one)
{
	struct stage *stage = stage_new(&shared_def);

	give(stage, saga_no(1), &go_three);
	stage->batch.instead = SAGA__RETRIES;
	stage->batch.instead_text = "its transaction keeps losing";
	ck_assert_int_eq(run_batch(stage), SAGA_OK);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_RETRY), 2);
	ck_assert_int_eq(state_of(stage, saga_no(1), "one"), SAGA__ABSENT);
	pass(stage, 30000);
	ck_assert_int_eq(state_of(stage, saga_no(1), "one"), SAGA__DEAD);
	ck_assert_int_eq(state_of(stage, saga_no(1), "two"), SAGA__DEAD);
	stage_free(stage);
}
END_TEST

/* ---- letters that came as JSON ---- */

/* As a durable transport's letter keeps it. `n` may be any JSON. */
static void give_json(struct stage *stage, unsigned saga, const char *type, const char *n)
{
	char text[512], id[SAGA_ID_TEXT];

	snprintf(text, sizeof text,
		"{\"specversion\":\"1.0\",\"id\":\"0189aaaa-0000-7000-8000-000000000001\","
		"\"source\":\"other\",\"type\":\"%s\",\"sagaid\":\"%s\","
		"\"time\":\"2099-01-01T00:00:00Z\",\"data\":{\"n\":%s,\"newer\":1}}",
		type, saga_id_text(saga_no(saga), id), n);
	give_bytes(stage, text, strlen(text));
	run_all(stage);
}

static void requeue(struct stage *stage)
{
	command(stage, SAGA__PARKED_LETTER, SAGA__COMMAND_REQUEUE, "");
	run_all(stage);
}

START_TEST(a_letter_that_came_as_json_is_read_as_json)
{
	struct stage *stage = stage_new(&def);

	give_json(stage, 1, "t.go_three", "7");
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 1);
	if (_i == 1)
		stage->acts[D][SAGA__PHASE_RUN] = RETRY; /* its row keeps what was read */
	requeue(stage);
	stage->acts[D][SAGA__PHASE_RUN] = GOOD;
	pass(stage, 60000);
	ck_assert_uint_eq(rows_of(stage, SAGA__PARKED_LETTER), 0);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

/* Nothing of it is lost until a program comes that knows the version. */
START_TEST(a_json_letter_of_another_version_stays_as_it_came)
{
	struct stage *stage = stage_new(&def);

	give_json(stage, 1, "t.go_three\",\"version\":9,\"x\":\"", "7");
	requeue(stage);
	ck_assert_ptr_nonnull(
		strstr(only_row(stage, SAGA__PARKED_LETTER)->why, "version 9 of t.go_three"));
	ck_assert_int_eq(only_row(stage, SAGA__PARKED_LETTER)->event->at[0], '{');
	stage_free(stage);
}
END_TEST

START_TEST(a_letter_keeps_its_first_reason)
{
	struct stage *stage = stage_new(&def);
	char why[SAGA_ERROR_TEXT];

	give_json(stage, 1, "t.go_three", "\"seven\"");
	snprintf(why, sizeof why, "%s", only_row(stage, SAGA__PARKED_LETTER)->why);
	requeue(stage);
	ck_assert_ptr_nonnull(strstr(only_row(stage, SAGA__PARKED_LETTER)->why,
		"t.go_three: n: is a string, not an integer"));
	ck_assert_ptr_nonnull(strstr(only_row(stage, SAGA__PARKED_LETTER)->why, why));
	snprintf(why, sizeof why, "%s", only_row(stage, SAGA__PARKED_LETTER)->why);
	for (int i = 0; i < 3; i++) {
		requeue(stage);
		ck_assert_str_eq(only_row(stage, SAGA__PARKED_LETTER)->why, why);
	}
	stage_free(stage);
	stage = stage_new(&def);
	give_bytes(stage, "?", 1);
	run_all(stage);
	snprintf(why, sizeof why, "%s", only_row(stage, SAGA__PARKED_LETTER)->why);
	requeue(stage);
	ck_assert_str_eq(only_row(stage, SAGA__PARKED_LETTER)->why, why);
	stage_free(stage);
}
END_TEST

/* Under another saga's subject it came, say: no lane may run it beside its own saga's. */
START_TEST(a_letter_of_another_shard_is_a_letter_again)
{
	struct stage *stage = stage_new(&def);

	give_json(stage, 1, "t.go_three", "7");
	stage->batch.shards = 2;
	requeue(stage);
	ck_assert_ptr_nonnull(
		strstr(only_row(stage, SAGA__PARKED_LETTER)->why, "of another shard"));
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__ABSENT);
	stage_free(stage);
}
END_TEST

START_TEST(handlers_that_need_no_store_run_without_one)
{
	struct stage *stage = stage_new(&def);

	stage->batch.store_ops = NULL;
	give(stage, saga_no(1), &go_three);
	run_all(stage);
	ck_assert_int_eq(state_of(stage, saga_no(1), "d"), SAGA__DONE);
	stage_free(stage);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ bytes_that_are_no_event_are_a_letter, 0 },
		{ a_body_that_is_not_its_types_is_a_letter, 0 },
		{ another_version_is_a_letter_and_another_type_is_not, 0 },
		{ what_is_older_than_history_is_a_letter, 0 },
		{ without_a_subject_only_the_step_that_needs_one_misses_it, 0 },
		{ a_rule_that_no_type_states_is_a_letter, 0 },
		{ an_outcome_that_is_not_declared_is_dead_at_once, 4 },
		{ an_event_beyond_the_limit_is_retried_and_dead, 0 },
		{ a_refuse_that_fails_is_never_silent, 0 },
		{ a_requeued_letter_says_what_a_barred_step_owes, 2 },
		{ a_requeued_bar_of_a_slot_that_has_spoken_says_nothing, 0 },
		{ a_refuse_may_only_read, 2 },
		{ a_handler_that_ends_the_transaction_is_found_out, 0 },
		{ a_lost_batch_leaves_nothing_and_is_replayed, 4 },
		{ a_refused_statement_is_the_steps_own_trouble, 0 },
		{ handlers_that_are_not_run_are_parked_or_fail, 2 },
		{ steps_of_an_event_that_keeps_losing_are_charged_one_by_one, 0 },
		{ a_letter_that_came_as_json_is_read_as_json, 2 },
		{ a_json_letter_of_another_version_stays_as_it_came, 0 },
		{ a_letter_keeps_its_first_reason, 0 },
		{ a_letter_of_another_shard_is_a_letter_again, 0 },
		{ handlers_that_need_no_store_run_without_one, 0 },
	};

	return RUN_TESTS("letters", tests);
}
