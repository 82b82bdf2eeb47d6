/* What a batch writes, and reads again. */

#include "desk.h"

/* An id, the length of a type's name, the name. */
static const char seen[] = "0123456789abcdef\001x";

static saga_bytes of(const char *text)
{
	return (saga_bytes){ text, strlen(text) };
}

static void same(saga_bytes bytes, const char *text)
{
	ck_assert_uint_eq(bytes.size, strlen(text));
	ck_assert(memcmp(bytes.size ? bytes.at : "", text, bytes.size) == 0);
}

static void put_whole(struct desk *desk, enum saga__state state, enum saga__state was)
{
	struct saga__slot *slot;

	desk_begin(desk);
	slot = desk_slot(desk, 1, A, state);
	slot->was = was;
	slot->attempts = 7;
	slot->why = "why not";
	slot->trigger = of("trigger");
	slot->answer = of("answer");
	slot->digest = of("0123456789abcdef");
	slot->note = of("note");
	slot->seen = of(seen);
	desk_commit(desk, NULL, 0);
}

static const struct saga__slot *read_again(struct desk *desk)
{
	struct saga__slot *slot;

	saga__batch_begin(&desk->batch);
	slot = saga__batch_slot(&desk->batch, saga_no(1), A, "");
	desk_load(desk);
	return slot;
}

START_TEST(a_slot_is_read_as_it_was_written)
{
	enum saga__state state = (enum saga__state)(_i + 1);
	bool held = state == SAGA__DEAD || state == SAGA__STUCK;
	struct desk *desk = desk_opened(_i % 2);
	const struct saga__slot *slot;

	for (int again = 0; again < 2; again++) {
		put_whole(desk, state, SAGA__WAITING);
		slot = read_again(desk);
		ck_assert(slot->stored && !slot->dirty);
		ck_assert_int_eq(slot->state, state);
		ck_assert_int_eq(slot->was, held ? SAGA__WAITING : SAGA__ABSENT);
		ck_assert_int_eq(slot->attempts, 7);
		ck_assert_str_eq(slot->why, "why not");
		same(slot->trigger, "trigger");
		same(slot->answer, "answer");
		same(slot->digest, "0123456789abcdef");
		same(slot->note, "note");
	}
	desk_free(desk);
}
END_TEST

/* A dead slot may be requeued to where it waited: a join must know what has come. */
START_TEST(what_a_slot_has_seen_is_kept_while_it_may_wait)
{
	struct desk *desk = desk_opened(true);

	put_whole(desk, SAGA__WAITING, SAGA__ABSENT);
	same(read_again(desk)->seen, seen);
	put_whole(desk, SAGA__DEAD, SAGA__WAITING);
	same(read_again(desk)->seen, seen);
	put_whole(desk, SAGA__DONE, SAGA__ABSENT);
	same(read_again(desk)->seen, "");
	desk_free(desk);
}
END_TEST

START_TEST(empty_members_stay_empty)
{
	struct desk *desk = desk_opened(true);
	const struct saga__slot *slot;

	put_whole(desk, SAGA__DONE, SAGA__ABSENT);
	desk_begin(desk);
	(void)desk_slot(desk, 1, A, SAGA__DONE);
	desk->batch.slots->why = "";
	desk->batch.slots->note = (saga_bytes){ NULL, 0 };
	desk_commit(desk, NULL, 0);
	slot = read_again(desk);
	ck_assert_str_eq(slot->why, "");
	ck_assert_uint_eq(slot->note.size, 0);
	same(slot->answer, "answer");
	desk_free(desk);
}
END_TEST

START_TEST(a_slot_that_is_absent_again_has_no_row)
{
	struct desk *desk = desk_opened(true);

	desk_put(desk, 1, A, SAGA__DEAD);
	desk_put(desk, 1, A, SAGA__ABSENT);
	desk_put(desk, 2, A, SAGA__ABSENT);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_slot"), 0);
	ck_assert_int_eq(desk_state(desk, 1, A), SAGA__ABSENT);
	desk_free(desk);
}
END_TEST

START_TEST(slots_are_told_apart_by_saga_row_and_subject)
{
	struct desk *desk = desk_opened(true);
	static const char *const subjects[] = { "", "x", "X", "\xc3\xa4/" };
	static const enum saga__state states[] = { SAGA__DONE, SAGA__BARRED, SAGA__FAILED,
		SAGA__UNDONE };
	struct saga__slot *slots[4];

	desk_begin(desk);
	for (size_t i = 0; i < 4; i++) {
		slots[i] = saga__batch_slot(&desk->batch, saga_no(1), B, subjects[i]);
		slots[i]->state = states[i];
		slots[i]->dirty = true;
	}
	desk_commit(desk, NULL, 0);
	saga__batch_begin(&desk->batch);
	for (size_t i = 0; i < 4; i++)
		slots[i] = saga__batch_slot(&desk->batch, saga_no(1), B, subjects[i]);
	desk_load(desk);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(slots[i]->state, states[i]);
	ck_assert_int_eq(desk_state(desk, 1, A), SAGA__ABSENT);
	ck_assert_int_eq(desk_state(desk, 2, B), SAGA__ABSENT);
	desk_free(desk);
}
END_TEST

START_TEST(a_state_that_nobody_knows_is_refused)
{
	struct desk *desk = desk_opened(true);
	saga_error error;

	desk_put(desk, 1, A, SAGA__DONE);
	desk_sql(desk, "UPDATE saga_slot SET state = 'dreaming'");
	saga__batch_begin(&desk->batch);
	(void)saga__batch_slot(&desk->batch, saga_no(1), A, "");
	ck_assert_int_eq(saga__journal_load(&desk->journal, &desk->batch, &error), SAGA_REFUSED);
	ck_assert_int_eq(error.code, SAGA_REFUSED);
	ck_assert_ptr_nonnull(strstr(error.text, "step a"));
	desk_free(desk);
}
END_TEST

/* ---- parked rows ---- */

static size_t due_rows(struct desk *desk, int64_t now, struct saga__parked ***ret_rows)
{
	size_t count = 99;
	saga_error error;

	saga__batch_begin(&desk->batch);
	OK(saga__journal_due(&desk->journal, 0, now, 10, &desk->batch.arena, ret_rows, &count,
		   &desk->batch.parked.went, &error),
		error);
	return count;
}

START_TEST(a_parked_row_is_read_as_it_was_written)
{
	struct desk *desk = desk_opened(_i);
	struct saga__parked **rows;
	saga_id id;

	desk_begin(desk);
	id = desk_park(desk, 1, B, SAGA__PARKED_RETRY, desk->now + 5, "a/")->id;
	desk_commit(desk, NULL, 0);
	ck_assert_uint_eq(due_rows(desk, desk->now + 4, &rows), 0);
	ck_assert_uint_eq(due_rows(desk, desk->now + 5, &rows), 1);
	ck_assert(saga__id_same(rows[0]->id, id) && saga__id_same(rows[0]->saga, saga_no(1)));
	ck_assert_str_eq(rows[0]->row, "b");
	ck_assert_str_eq(rows[0]->subject, "");
	ck_assert_int_eq(rows[0]->role, SAGA__ROLE_UNDO);
	ck_assert_int_eq(rows[0]->kind, SAGA__PARKED_RETRY);
	ck_assert_int_eq(rows[0]->attempts, 2);
	ck_assert_int_eq(rows[0]->due, desk->now + 5);
	ck_assert_str_eq(rows[0]->behind, "a/");
	ck_assert_str_eq(rows[0]->why, "because");
	same(rows[0]->event, "event");
	same(rows[0]->question, "why");
	ck_assert_int_eq(rows[0]->command, SAGA__NO_COMMAND);
	ck_assert_str_eq(rows[0]->outcome, "");
	desk_sql(desk, "UPDATE saga_parked SET command = 'assert', outcome = 't.did', body = '{}'");
	ck_assert_uint_eq(due_rows(desk, desk->now + 5, &rows), 1);
	ck_assert_int_eq(rows[0]->command, SAGA__COMMAND_ASSERT);
	ck_assert_str_eq(rows[0]->outcome, "t.did");
	ck_assert_str_eq(rows[0]->body, "{}");
	desk_free(desk);
}
END_TEST

START_TEST(due_rows_come_soonest_first_and_not_more_than_asked)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked **rows;
	int64_t due;
	saga_error error;

	OK(saga__journal_next_due(&desk->journal, 0, &due, &error), error);
	ck_assert(due == SAGA__NEVER);
	desk_begin(desk);
	for (int i = 0; i < 15; i++)
		(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, desk->now + i * 7 % 15, "");
	(void)desk_park(desk, 1, B, SAGA__PARKED_HELD, SAGA__NEVER, "");
	desk_commit(desk, NULL, 0);
	ck_assert_uint_eq(due_rows(desk, desk->now + 100, &rows), 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(rows[i]->due, desk->now + i);
	OK(saga__journal_next_due(&desk->journal, 0, &due, &error), error);
	ck_assert_int_eq(due, desk->now);
	OK(saga__journal_next_due(&desk->journal, 1, &due, &error), error);
	ck_assert(due == SAGA__NEVER);
	desk_free(desk);
}
END_TEST

static void set_last(struct desk *desk, struct saga__parked *row, int change)
{
	struct saga__work work = { .batch = &desk->batch, .item = &desk->item, .parked = row };

	if (change == SAGA__PARK_DROP)
		saga__unpark(&desk->batch, &work);
	else
		saga__park(&desk->batch, &work, SAGA__PARKED_LETTER, 9, SAGA__NEVER, "", "set",
			row->question);
}

START_TEST(rows_are_changed_and_dropped_by_id)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked row, **rows;

	desk_begin(desk);
	(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, 5, "");
	(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, 6, "");
	desk_commit(desk, NULL, 0);
	desk_sql(desk, "UPDATE saga_parked SET command = 'requeue', body = '{}'");
	ck_assert_uint_eq(due_rows(desk, 100, &rows), 2);
	row = *rows[0];
	row.event = of("event");
	row.question = of("");
	row.row = "b";
	row.subject = "";
	desk_begin(desk);
	set_last(desk, &row, SAGA__PARK_SET);
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(desk_number(desk,
				 "SELECT COUNT(*) FROM saga_parked WHERE kind = 'letter'"
				 " AND attempts = 9 AND command IS NULL AND body IS NULL"),
		1);
	desk_begin(desk);
	set_last(desk, &row, SAGA__PARK_DROP);
	desk_commit(desk, NULL, 0);
	ck_assert_uint_eq(due_rows(desk, 100, &rows), 1);
	ck_assert_int_eq(rows[0]->due, 6);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_parked"), 1);
	desk_free(desk);
}
END_TEST

START_TEST(a_kind_is_dropped_for_one_slot)
{
	struct desk *desk = desk_opened(true);
	struct saga__work work = { .batch = &desk->batch, .item = &desk->item };

	desk_begin(desk);
	(void)desk_park(desk, 1, B, SAGA__PARKED_HELD, 5, "");
	(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, 5, "");
	(void)desk_park(desk, 1, A, SAGA__PARKED_HELD, 5, "");
	(void)desk_park(desk, 2, B, SAGA__PARKED_HELD, 5, "");
	desk_commit(desk, NULL, 0);
	desk_begin(desk);
	saga__drop_parked(
		&desk->batch, &work, desk_slot(desk, 1, B, SAGA__DONE), SAGA__PARKED_HELD);
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_parked"), 3);
	ck_assert_int_eq(
		desk_number(desk, "SELECT COUNT(*) FROM saga_parked WHERE kind = 'held'"), 2);
	desk_free(desk);
}
END_TEST

START_TEST(what_waits_behind_a_slot_is_woken_with_it)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked **rows;
	struct saga__slot *slot;

	desk_put(desk, 1, A, SAGA__TRYING);
	desk_begin(desk);
	(void)desk_park(desk, 1, B, SAGA__PARKED_BEHIND, SAGA__NEVER, "a/");
	(void)desk_park(desk, 1, B, SAGA__PARKED_BEHIND, SAGA__NEVER, "b/");
	(void)desk_park(desk, 2, B, SAGA__PARKED_BEHIND, SAGA__NEVER, "a/");
	desk_commit(desk, NULL, 0);
	ck_assert(!desk->woken);
	desk_begin(desk);
	slot = saga__batch_slot(&desk->batch, saga_no(1), A, "");
	desk_load(desk);
	saga__slot_move(&desk->batch, slot, SAGA__DONE, "");
	desk_commit(desk, NULL, 0);
	ck_assert(desk->woken);
	ck_assert_uint_eq(due_rows(desk, desk->now, &rows), 1);
	ck_assert_int_eq(rows[0]->kind, SAGA__PARKED_RETRY);
	ck_assert_str_eq(rows[0]->behind, "");
	desk_free(desk);
}
END_TEST

START_TEST(calls_of_a_dead_process_are_due_at_once)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked **rows;
	saga_error error;

	desk_begin(desk);
	(void)desk_park(desk, 1, A, SAGA__PARKED_CALL, desk->now + 30000, "");
	(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, desk->now + 30000, "");
	desk_commit(desk, NULL, 0);
	OK(saga__journal_revive_calls(&desk->journal, 0, desk->now, &error), error);
	ck_assert_uint_eq(due_rows(desk, desk->now, &rows), 1);
	ck_assert_int_eq(rows[0]->kind, SAGA__PARKED_CALL);
	desk_free(desk);
}
END_TEST

START_TEST(a_letter_of_no_bytes_holds_nobody_up)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked **rows;

	desk_begin(desk);
	(void)desk_park(desk, 1, A, SAGA__PARKED_LETTER, 5, "");
	desk->batch.parking_last->parked.event = (saga_bytes){ "", 0 };
	desk_commit(desk, NULL, 0);
	ck_assert_uint_eq(due_rows(desk, 5, &rows), 1);
	ck_assert_uint_eq(rows[0]->event.size, 0);
	desk_free(desk);
}
END_TEST

START_TEST(what_is_rolled_back_was_never_written)
{
	struct desk *desk = desk_opened(false);
	struct saga__journal *j = &desk->journal;
	saga_error error;

	desk_begin(desk);
	(void)desk_slot(desk, 1, A, SAGA__DONE);
	(void)desk_park(desk, 1, B, SAGA__PARKED_RETRY, 5, "");
	desk_publish(desk, 1);
	OK(saga__journal_write(j, &desk->batch, &desk->own, NULL, 0, &desk->woken, &error), error);
	j->ops->rollback(j->store);
	ck_assert_int_eq(desk_state(desk, 1, A), SAGA__ABSENT);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_parked"), 0);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_outbox"), 0);
	ck_assert_int_eq(desk_number(desk, "SELECT seq FROM saga_stream"), 0);
	desk_free(desk);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ a_slot_is_read_as_it_was_written, SAGA__STATES - 1 },
		{ what_a_slot_has_seen_is_kept_while_it_may_wait, 0 },
		{ empty_members_stay_empty, 0 },
		{ a_slot_that_is_absent_again_has_no_row, 0 },
		{ slots_are_told_apart_by_saga_row_and_subject, 0 },
		{ a_state_that_nobody_knows_is_refused, 0 },
		{ a_parked_row_is_read_as_it_was_written, 2 },
		{ due_rows_come_soonest_first_and_not_more_than_asked, 0 },
		{ rows_are_changed_and_dropped_by_id, 0 },
		{ a_kind_is_dropped_for_one_slot, 0 },
		{ what_waits_behind_a_slot_is_woken_with_it, 0 },
		{ calls_of_a_dead_process_are_due_at_once, 0 },
		{ a_letter_of_no_bytes_holds_nobody_up, 0 },
		{ what_is_rolled_back_was_never_written, 0 },
	};

	return RUN_TESTS("batches", tests);
}
