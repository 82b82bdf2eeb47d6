/* Streams, positions, counts, and what is trimmed and forgotten in time. */

#include "desk.h"

struct found {
	uint64_t seqs[32];
	size_t count;
};

static int take_event(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	struct found *found = context;

	ck_assert(!saga__id_is_zero(id) && saga__id_same(saga, saga_no((unsigned)seq)));
	ck_assert_uint_eq(event.size, 9);
	found->seqs[found->count++] = seq;
	return SAGA_OK;
}

/* Ten events, numbers 1 to 10, one a second. */
static struct desk *desk_with_ten(void)
{
	struct desk *desk = desk_opened(true);

	for (unsigned i = 1; i <= 10; i++) {
		desk_begin(desk);
		desk_publish(desk, i);
		desk->own = i;
		desk_commit(desk, NULL, 0);
		desk->now += 1000;
	}
	return desk;
}

START_TEST(the_outbox_is_read_by_range)
{
	static const struct {
		uint64_t first, last;
		size_t most, count;
	} ranges[] = { { 1, 10, 99, 10 }, { 3, 5, 99, 3 }, { 3, 10, 2, 2 }, { 10, 99, 99, 1 },
		{ 11, 99, 99, 0 }, { 5, 4, 99, 0 } };
	struct desk *desk = desk_with_ten();
	struct found found = { .count = 0 };
	saga_error error;

	OK(saga__journal_outbox(&desk->journal, 0, ranges[_i].first, ranges[_i].last,
		   ranges[_i].most, take_event, &found, &error),
		error);
	ck_assert_uint_eq(found.count, ranges[_i].count);
	for (size_t i = 0; i < found.count; i++)
		ck_assert_uint_eq(found.seqs[i], ranges[_i].first + i);
	desk_free(desk);
}
END_TEST

static int stop_at_once(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	(void)context, (void)seq, (void)id, (void)saga, (void)event;
	return SAGA_BUSY;
}

START_TEST(a_reader_of_the_outbox_may_stop)
{
	struct desk *desk = desk_with_ten();
	saga_error error;

	ck_assert_int_eq(
		saga__journal_outbox(&desk->journal, 0, 1, 10, 99, stop_at_once, NULL, &error),
		SAGA_BUSY);
	ck_assert_int_eq(error.code, SAGA_BUSY);
	desk_free(desk);
}
END_TEST

START_TEST(the_stream_says_where_it_stands)
{
	struct desk *desk = desk_with_ten();
	struct saga__stream_row row;
	saga_error error;

	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert_uint_eq(row.seq, 10);
	ck_assert_uint_eq(row.own, 10);
	ck_assert_uint_eq(row.first, 1);
	ck_assert(saga__id_same(row.last, desk->shard.last) && !saga__id_is_zero(row.last));
	ck_assert(!row.unclean && !row.suspicions);
	OK(saga__journal_mark_unclean(&desk->journal, 0, &error), error);
	OK(saga__journal_suspect(&desk->journal, 0, saga_no(7), 3, &error), error);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert(row.unclean && row.suspicions == 3 && saga__id_same(row.suspect, saga_no(7)));
	OK(saga__journal_mark_unclean(&desk->journal, 0, &error), error);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert_int_eq(row.suspicions, 3); /* it starts again after its end: still suspected */
	/* Only whose shard it is can say that it left it well. */
	OK(saga__journal_mark_clean(&desk->journal, 0, saga_no(1), &error), error);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert(row.unclean && row.suspicions == 3);
	OK(saga__journal_mark_clean(&desk->journal, 0, (saga_id){ { 0 } }, &error), error);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert(!row.unclean && !row.suspicions);
	desk_free(desk);
}
END_TEST

/* The events are of the seconds 0 to 9: only what is seen and older goes, not too much at once. */
START_TEST(only_what_is_seen_and_old_is_trimmed)
{
	static const struct {
		uint64_t upto;
		int seconds;
		size_t most;
		int64_t dropped;
	} trims[] = { { 10, 99, 99, 10 }, { 4, 99, 99, 4 }, { 10, 3, 99, 3 }, { 10, 99, 6, 6 },
		{ 0, 99, 99, 0 }, { 10, 0, 99, 0 }, { 10, 99, 1, 1 }, { UINT64_MAX, 99, 99, 10 } };
	struct desk *desk = desk_with_ten();
	int64_t start = desk->now - 10000, dropped = -1;
	struct saga__stream_row row;
	saga_error error;

	OK(saga__journal_trim(&desk->journal, 0, trims[_i].upto, start + trims[_i].seconds * 1000,
		   trims[_i].most, &dropped, &error),
		error);
	ck_assert_int_eq(dropped, trims[_i].dropped);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert_uint_eq(row.first, 1 + (uint64_t)dropped);
	ck_assert_uint_eq(row.seq, 10);
	OK(saga__journal_trim(&desk->journal, 0, 10, INT64_MAX, 99, &dropped, &error), error);
	ck_assert_int_eq(dropped, 10 - trims[_i].dropped);
	OK(saga__journal_trim(&desk->journal, 0, 10, INT64_MAX, 99, &dropped, &error), error);
	ck_assert_int_eq(dropped, 0);
	desk_free(desk);
}
END_TEST

/* ---- positions ---- */

struct positions {
	uint64_t sum;
	size_t count;
	bool right;
};

static int take_position(void *context, const struct saga__source *source, unsigned shard,
	struct saga__position position)
{
	struct positions *positions = context;

	positions->count++;
	positions->sum += position.seq * (shard + 1) * (source->stream.shard + 1);
	positions->right = saga__id_same(source->stream.store, saga_no(50)) &&
		strcmp(source->owner, "order") == 0 &&
		saga__id_same(position.id, saga_no((unsigned)position.seq));
	return SAGA_OK;
}

START_TEST(positions_move_with_their_batch)
{
	struct desk *desk = desk_opened(true);
	const struct saga__source source = { .stream = { saga_no(50), 2 }, .owner = "order" };
	const struct saga__source other = { .stream = { saga_no(50), 3 }, .owner = "order" };
	struct positions positions = { .count = 0 };
	saga_error error;

	for (unsigned seq = 1; seq <= 3; seq++) {
		const struct saga__move moves[] = { { source, 0, seq, saga_no(seq), false, 0 },
			{ other, 0, seq + 10, saga_no(seq + 10), false, 0 } };

		desk_begin(desk);
		desk_commit(desk, moves, 2);
	}
	OK(saga__journal_positions(&desk->journal, take_position, &positions, &error), error);
	ck_assert_uint_eq(positions.count, 2);
	ck_assert_uint_eq(positions.sum, 3 * 3 + 13 * 4);
	ck_assert(positions.right);
	desk_free(desk);
}
END_TEST

/* A batch whose commit took, unanswered, comes again by halves. */
START_TEST(positions_never_go_back)
{
	struct desk *desk = desk_opened(true);
	const struct saga__source source = { .stream = { saga_no(50), 0 }, .owner = "order" };
	struct positions positions = { .count = 0 };
	saga_error error;

	for (unsigned i = 0; i < 3; i++) {
		const unsigned seq = (const unsigned[]){ 4, 7, 6 }[i];

		desk_begin(desk);
		desk_commit(desk,
			&(const struct saga__move){ source, 0, seq, saga_no(seq), false, 0 }, 1);
	}
	OK(saga__journal_positions(&desk->journal, take_position, &positions, &error), error);
	ck_assert_uint_eq(positions.sum, 7);
	ck_assert(positions.right);
	desk_free(desk);
}
END_TEST

/* ---- counts ---- */

START_TEST(counts_are_of_steps_and_of_rows_that_go_on)
{
	const struct saga__shard shards[] = { { .shard = 0 }, { .shard = 1 } };
	struct desk *desk = desk_opened(true);
	struct saga__counts counts;
	saga_error error;

	desk_put(desk, 1, A, SAGA__WAITING);
	desk_put(desk, 2, A, SAGA__WAITING);
	desk_put(desk, 2, LATE, SAGA__WAITING); /* armed: that is a parked row */
	desk_put(desk, 3, A, SAGA__DEAD);
	desk_put(desk, 4, A, SAGA__STUCK);
	desk_put(desk, 5, A, SAGA__DONE);
	desk_begin(desk);
	for (int kind = 1; kind < SAGA__PARKED_KINDS; kind++)
		(void)desk_park(desk, 1, B, (enum saga__parked_kind)kind, 5, "");
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(saga__batch_counts(&desk->batch).parked, SAGA__PARKED_KINDS - 1 - 2);
	OK(saga__journal_count(&desk->journal, shards, 1, &counts, &error), error);
	ck_assert_int_eq(counts.waiting, 2);
	ck_assert_int_eq(counts.dead, 1);
	ck_assert_int_eq(counts.stuck, 1);
	ck_assert_int_eq(counts.parked, SAGA__PARKED_KINDS - 1 - 2);
	/* And of these shards: all of them are of the first. */
	OK(saga__journal_count(&desk->journal, shards + 1, 1, &counts, &error), error);
	ck_assert_int_eq(counts.waiting + counts.dead + counts.stuck + counts.parked, 0);
	desk_free(desk);
}
END_TEST

static int64_t rows_in_store(struct desk *desk)
{
	const struct saga__shard shard = { .shard = 0 };
	struct saga__counts counts;
	saga_error error;

	OK(saga__journal_count(&desk->journal, &shard, 1, &counts, &error), error);
	return counts.parked;
}

/* Parks the desk's events `first` to `last`, each behind another saga. */
static void park_events(struct desk *desk, int first, int last)
{
	desk->parked = first;
	for (int i = first; i <= last; i++)
		(void)desk_park(desk, 1, B, i % 3 == 2 ? SAGA__PARKED_LETTER : SAGA__PARKED_BEHIND,
			SAGA__NEVER, "a/");
}

/* The events come again: their rows have the same ids, and are not added. */
START_TEST(rows_that_are_there_already_are_not_counted_again)
{
	struct desk *desk = desk_opened(true);
	int64_t counted = 0;

	for (int last = 0; last < 12; last += 3) {
		desk_begin(desk);
		park_events(desk, 0, last);
		park_events(desk, 0, 0); /* twice in one batch */
		desk_commit(desk, NULL, 0);
		counted += saga__batch_counts(&desk->batch).parked;
		ck_assert_int_eq(counted, rows_in_store(desk));
	}
	ck_assert_int_eq(counted, 7);
	desk_free(desk);
}
END_TEST

static void change_row(struct desk *desk, const struct saga__parked *row, enum saga__change change,
	enum saga__parked_kind kind)
{
	struct saga__parking *parking;

	(void)desk_park(desk, 1, B, kind, SAGA__NEVER, "");
	parking = desk->batch.parking_last;
	parking->change = change;
	parking->was = row->kind;
	parking->parked.id = row->id;
	parking->parked.saga = row->saga;
}

/* A row that somebody dropped meanwhile, or that never was there, is not dropped again. */
START_TEST(rows_that_are_not_there_are_not_counted_as_dropped)
{
	struct desk *desk = desk_opened(true);
	struct saga__parked rows[4];

	desk_begin(desk);
	for (int i = 0; i < 4; i++)
		rows[i] = *desk_park(desk, 1, B, SAGA__PARKED_RETRY, 5, "");
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(saga__batch_counts(&desk->batch).parked, 4);
	for (int again = 0; again < 2; again++) {
		desk_begin(desk);
		change_row(desk, &rows[0], SAGA__PARK_DROP, SAGA__PARKED_RETRY);
		change_row(desk, &rows[1], SAGA__PARK_DROP, SAGA__PARKED_RETRY);
		change_row(desk, &rows[2], SAGA__PARK_SET, SAGA__PARKED_HELD);
		change_row(desk, &rows[3], SAGA__PARK_DROP_KIND, SAGA__PARKED_CALL);
		desk_commit(desk, NULL, 0);
		ck_assert_int_eq(saga__batch_counts(&desk->batch).parked, again ? -1 : -3);
		ck_assert_int_eq(rows_in_store(desk), 1);
	}
	desk_free(desk);
}
END_TEST

/* ---- forgetting ---- */

/* Looks through all, `most` sagas at a time. */
static int64_t forget(struct desk *desk, int64_t before, size_t most)
{
	const struct saga__shard shard = { .shard = 0 };
	saga_id cursor = { { 0 } };
	struct saga__forgotten dropped;
	int64_t all = 0;
	saga_error error;

	for (int i = 0;; i++) {
		ck_assert_int_lt(i, 1000);
		OK(saga__journal_forget(
			   &desk->journal, &shard, 1, before, most, &cursor, &dropped, &error),
			error);
		all += dropped.slots;
		if (saga__id_is_zero(cursor))
			return all;
	}
}

START_TEST(a_saga_that_is_not_over_is_never_forgotten)
{
	static const struct {
		enum saga__state state;
		bool kept;
	} states[] = { { SAGA__WAITING, true }, { SAGA__TRYING, true }, { SAGA__DONE, false },
		{ SAGA__UNDOING, true }, { SAGA__REJECTED, false }, { SAGA__FAILED, false },
		{ SAGA__BARRED, false }, { SAGA__UNDONE, false }, { SAGA__DEAD, true },
		{ SAGA__STUCK, true } };
	struct desk *desk = desk_opened(true);

	desk_put(desk, 1, A, SAGA__DONE);
	desk_put(desk, 1, B, states[_i].state);
	ck_assert_int_eq(forget(desk, desk->now, 99), 0); /* not older than now */
	ck_assert_int_eq(forget(desk, desk->now + 1, 99), states[_i].kept ? 0 : 2);
	ck_assert_int_eq(desk_state(desk, 1, A), states[_i].kept ? SAGA__DONE : SAGA__ABSENT);
	desk_free(desk);
}
END_TEST

START_TEST(a_saga_goes_together_after_its_last_move)
{
	struct desk *desk = desk_opened(true);
	int64_t first = desk->now;

	desk_put(desk, 1, A, SAGA__DONE);
	desk->now += 1000;
	desk_put(desk, 1, B, SAGA__DONE);
	ck_assert_int_eq(forget(desk, first + 1000, 99), 0);
	ck_assert_int_eq(forget(desk, first + 1001, 99), 2);
	desk_free(desk);
}
END_TEST

START_TEST(an_armed_schedule_keeps_its_saga)
{
	struct desk *desk = desk_opened(true);

	desk_put(desk, 1, A, SAGA__DONE);
	desk_put(desk, 1, LATE, SAGA__WAITING);
	ck_assert_int_eq(forget(desk, INT64_MAX, 99), 0);
	desk_put(desk, 1, LATE, SAGA__BARRED);
	ck_assert_int_eq(forget(desk, INT64_MAX, 99), 2);
	desk_free(desk);
}
END_TEST

START_TEST(a_parked_row_keeps_its_saga)
{
	struct desk *desk = desk_opened(true);

	desk_put(desk, 1, A, SAGA__DONE);
	desk_put(desk, 2, A, SAGA__DONE);
	desk_begin(desk);
	(void)desk_park(desk, 1, B, (enum saga__parked_kind)(_i + 1), 5, "");
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(forget(desk, INT64_MAX, 99), 1);
	ck_assert_int_eq(desk_state(desk, 1, A), SAGA__DONE);
	desk_free(desk);
}
END_TEST

/* Three slots a saga, every third saga not over, looked at by any number of sagas at a time. */
START_TEST(a_saga_that_spans_the_border_of_a_look_goes_whole_or_not)
{
	struct desk *desk = desk_opened(true);

	for (unsigned saga = 1; saga <= 12; saga++) {
		desk_put(desk, saga, A, SAGA__DONE);
		desk_put(desk, saga, B, SAGA__UNDONE);
		desk_put(desk, saga, LATE, saga % 3 ? SAGA__BARRED : SAGA__WAITING);
	}
	ck_assert_int_eq(forget(desk, INT64_MAX, 1 + (size_t)_i), 8 * 3);
	for (unsigned saga = 1; saga <= 12; saga++)
		ck_assert_int_eq(desk_state(desk, saga, B), saga % 3 ? SAGA__ABSENT : SAGA__UNDONE);
	desk_free(desk);
}
END_TEST

START_TEST(a_saga_of_many_slots_goes_at_one_look)
{
	struct desk *desk = desk_opened(true);
	struct saga__slot *slot;
	char *subjects = calloc(10, 4);

	desk_begin(desk);
	for (int i = 0; i < 10; i++) {
		subjects[4 * i] = (char)('a' + i);
		slot = saga__batch_slot(&desk->batch, saga_no(1), B, &subjects[4 * i]);
		slot->state = SAGA__DONE;
		slot->dirty = true;
	}
	desk_commit(desk, NULL, 0);
	desk_put(desk, 2, A, SAGA__DONE);
	desk_put(desk, 3, A, SAGA__WAITING);
	ck_assert_int_eq(forget(desk, INT64_MAX, 4), 11);
	ck_assert_int_eq(desk_state(desk, 2, A), SAGA__ABSENT);
	ck_assert_int_eq(desk_state(desk, 3, A), SAGA__WAITING);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_slot WHERE step = 'b'"), 0);
	free(subjects);
	desk_free(desk);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ the_outbox_is_read_by_range, 6 },
		{ a_reader_of_the_outbox_may_stop, 0 },
		{ the_stream_says_where_it_stands, 0 },
		{ only_what_is_seen_and_old_is_trimmed, 8 },
		{ positions_move_with_their_batch, 0 },
		{ positions_never_go_back, 0 },
		{ counts_are_of_steps_and_of_rows_that_go_on, 0 },
		{ rows_that_are_there_already_are_not_counted_again, 0 },
		{ rows_that_are_not_there_are_not_counted_as_dropped, 0 },
		{ a_saga_that_is_not_over_is_never_forgotten, 10 },
		{ a_saga_goes_together_after_its_last_move, 0 },
		{ an_armed_schedule_keeps_its_saga, 0 },
		{ a_parked_row_keeps_its_saga, SAGA__PARKED_KINDS - 1 },
		{ a_saga_that_spans_the_border_of_a_look_goes_whole_or_not, 36 },
		{ a_saga_of_many_slots_goes_at_one_look, 0 },
	};

	return RUN_TESTS("keeping", tests);
}
