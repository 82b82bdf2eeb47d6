#include "publish_stage.h"

START_TEST(nonsense_is_misuse)
{
	static const struct saga__publish_config good = { .name = "order",
		.window = 8,
		.ring = 8,
		.beat_min_ms = 1,
		.beat_max_ms = 1,
		.alive_ms = 1 };
	struct saga__publish_config bad = good;
	struct saga__publish *none = NULL;

	bad.ring = 7;
	ck_assert_int_eq(saga__publish_new(&bad, &none), SAGA_MISUSE);
	bad = good;
	bad.window = bad.ring = 65537;
	ck_assert_int_eq(saga__publish_new(&bad, &none), SAGA_MISUSE);
	bad = good;
	bad.name = "a name that is longer than thirty-one bytes";
	ck_assert_int_eq(saga__publish_new(&bad, &none), SAGA_MISUSE);
	bad = good;
	bad.beat_max_ms = 0;
	ck_assert_int_eq(saga__publish_new(&bad, &none), SAGA_MISUSE);
	ck_assert_ptr_null(none);
	saga__publish_free(NULL);
}
END_TEST

START_TEST(before_start_nothing_is_done)
{
	struct saga__blob *blob = blob_of(1);

	ck_assert_int_eq(saga__publish_committed(publish, 1, id_of(1), blob, 0), SAGA_MISUSE);
	saga__blob_unref(blob);
	need(1, 5, 0);
	seen(0, 0);
	ck_assert(!next(0));
	ck_assert_int_eq(saga__publish_due(publish), INT64_MAX);
}
END_TEST

START_TEST(what_is_committed_is_sent_in_order)
{
	start(1, 0, 0);
	commit(1, 3, 1);
	sends(NULL, 1, 3, 1);
	commit(4, 4, 2);
	sends(NULL, 4, 4, 2);
	ck_assert_int_eq(saga__publish_committed(publish, 4, id_of(4), NULL, 2), SAGA_MISUSE);
	ck_assert_uint_eq(saga__publish_unseen(publish), 4);
}
END_TEST

START_TEST(a_full_window_opens_by_seen)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 12, 1);
	sends(NULL, 1, WINDOW, 1);
	seen(3, 2);
	sends(NULL, WINDOW + 1, WINDOW + 3, 2);
	seen(3, 3);
	seen(2, 3); /* a late one */
	nothing(3);
	seen(11, 4);
	sends(NULL, 12, 12, 4);
	ck_assert_uint_eq(saga__publish_counted(publish).sent, 12);
}
END_TEST

START_TEST(what_left_memory_is_read_when_the_window_opens)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 8, 1);
	sends(NULL, 1, 8, 1);
	commit(9, 40, 1);
	seen(8, 2);
	reads(9, 16, 2);
	hand_over(1, 9, 16);
	saga__publish_read_end(publish, true, 3);
	sends(NULL, 9, 16, 3);
	seen(16, 4);
	reads(17, 24, 4);
	hand_over(1, 17, 19); /* the store goes away in the middle, and is away for a while */
	saga__publish_read_end(publish, false, 5);
	for (uint64_t seq = 17; seq <= 19; seq++) {
		do
			ck_assert(next(5));
		while (effect.message.kind == SAGA__BEAT);
		ck_assert_uint_eq(effect.message.last, seq);
	}
	reads(20, 24, 5);
	saga__publish_read_end(publish, false, 6);
	ck_assert(!next(6));
	ck_assert_int_le(saga__publish_due(publish), 6 + BEAT_MIN);
	reads(20, 24, 6 + BEAT_MIN);
	hand_over(1, 20, 24);
	saga__publish_read_end(publish, true, 20);
	sends(NULL, 20, 24, 20);
	seen(24, 21);
	sends(NULL, 25, 32, 21); /* in memory again */
}
END_TEST

START_TEST(a_silent_follower_holds_back_nobody)
{
	open_with(both);
	start(1, 0, 0);
	seen_by("stock", 0, 1, 0, no_id, 0);
	seen_by("payment", 0, 1, 0, no_id, 0);
	commit(1, 8, 1);
	sends(NULL, 1, 8, 1);
	commit(9, 30, 1);
	for (int64_t now = 2; now < ALIVE; now += 50) {
		seen_by("stock", 0, 1, 8, id_of(8), now);
		nothing(now);
	}
	ck_assert_int_le(saga__publish_due(publish), ALIVE + 1);
	reads(9, 14, ALIVE + 1); /* payment is silent, memory has 15 to 30 */
	hand_over(1, 9, 14);
	saga__publish_read_end(publish, true, ALIVE + 1);
	sends(NULL, 9, 16, ALIVE + 1);
	seen_by("stock", 0, 1, 30, id_of(30), ALIVE + 2);
	sends(NULL, 17, 30, ALIVE + 2);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	seen_by("payment", 0, 1, 0, no_id, ALIVE + 3); /* it comes back, and catches up */
	need_by("payment", 1, 8, no_id, ALIVE + 3);
	reads(1, 8, ALIVE + 3);
	hand_over(1, 1, 8);
	saga__publish_read_end(publish, true, ALIVE + 4);
	sends("payment", 1, 8, ALIVE + 4);
}
END_TEST

START_TEST(idle_does_not_make_silent)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 1, 0);
	sends(NULL, 1, 1, 0);
	seen(1, 1);
	commit(2, 9, 100 * ALIVE); /* nobody owed anything meanwhile */
	sends(NULL, 2, 9, 100 * ALIVE);
	commit(10, 20, 100 * ALIVE);
	nothing(100 * ALIVE);
	ck_assert_int_le(saga__publish_due(publish), 101 * ALIVE);
	nothing(101 * ALIVE - 1);
	sends(NULL, 10, 20, 101 * ALIVE);
}
END_TEST

START_TEST(no_one_alive_holds_back_nothing)
{
	start(1, 0, 0);
	commit(1, 100, 1); /* memory has the newest 16 */
	reads(1, 8, 1);
	hand_over(1, 1, 8);
	saga__publish_read_end(publish, true, 1);
	for (uint64_t seq = 1; seq <= 8; seq++)
		ck_assert(next(1) && effect.message.last == seq);
	reads(9, 16, 1);
}
END_TEST

START_TEST(the_least_shard_counts)
{
	start(1, 0, 0);
	commit(1, 6, 0);
	sends(NULL, 1, 6, 0);
	seen_by("stock", 0, 3, 6, id_of(6), 1);
	seen_by("stock", 1, 3, 5, id_of(5), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	seen_by("stock", 2, 3, 2, id_of(2), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 2);
	seen_by("stock", 2, 3, 6, id_of(6), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 5);
	seen_by("stock", 0, 2, 6, id_of(6), 2); /* another number of shards: a new table */
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	seen_by("stock", 1, 2, 4, id_of(4), 2);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 4);
}
END_TEST

START_TEST(hostile_seen_is_ignored)
{
	start(1, 0, 0);
	commit(1, 2, 0);
	sends(NULL, 1, 2, 0);
	seen(2, 0);
	seen_by("stock", 1, 1, 2, id_of(2), 1);
	seen_by("stock", 7, 0, 2, id_of(2), 1);
	seen_by("stock", 7, UINT32_MAX, 2, id_of(2), 1);
	seen_by("stock", 7, SAGA__SHARDS_MOST + 1, 2, id_of(2), 1);
	seen_by("stock", 0, 1, UINT64_MAX, id_of(2), 1);
	seen_by("nobody", 0, 1, 2, id_of(2), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 2);
	nothing(1);
	seen_by("stock", SAGA__SHARDS_MOST - 1, SAGA__SHARDS_MOST, 2, id_of(2), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
}
END_TEST

START_TEST(another_stream_is_ignored)
{
	struct saga__message message = {
		.kind = SAGA__NEED, .from = "stock", .stream = the_stream
	};

	start(1, 0, 0);
	commit(1, 2, 0);
	sends(NULL, 1, 2, 0);
	message.first = message.last = 1;
	message.stream.shard++;
	saga__publish_message(publish, &message, 1);
	message.stream = the_stream;
	message.stream.store.bytes[15] = 1;
	saga__publish_message(publish, &message, 1);
	message.stream = the_stream;
	message.kind = SAGA__EVENT;
	saga__publish_message(publish, &message, 1);
	nothing(1);
	ck_assert_uint_eq(saga__publish_counted(publish).needs, 0);
}
END_TEST

START_TEST(beats_back_off_and_come_back)
{
	int64_t wait[] = { 10, 20, 40, 80, 80, 80 }, now = 0;

	start(1, 7, 0);
	for (size_t i = 0; i < sizeof wait / sizeof wait[0]; i++) {
		ck_assert_int_eq(saga__publish_due(publish), now + wait[i]);
		ck_assert(!next(now + wait[i] - 1));
		now += wait[i];
		ck_assert(next(now) && effect.message.kind == SAGA__BEAT);
		ck_assert_uint_eq(effect.message.first, 1);
		ck_assert(same_id(effect.message.id, id_of(7)));
		ck_assert(!next(now));
	}
	seen(3, now); /* it moves */
	ck_assert_int_eq(saga__publish_due(publish), now + BEAT_MIN);
}
END_TEST

static void beats(uint64_t first, uint64_t last, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.message.kind, SAGA__BEAT);
	ck_assert_uint_eq(effect.message.first, first);
	ck_assert_uint_eq(effect.message.last, last);
	ck_assert(same_id(effect.message.id, id_of(last)));
}

/* Or it would be asked for. */
START_TEST(beats_do_not_name_what_the_window_holds_back)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 12, 1);
	beats(1, 0, 12);
	sends(NULL, 1, WINDOW, 12);
	beats(1, WINDOW, 40);
	seen(3, 41);
	sends(NULL, WINDOW + 1, WINDOW + 3, 41);
	beats(1, WINDOW + 3, 52);
	saga__publish_trimmed(publish, 13);
	beats(13, 12, 80);
}
END_TEST

START_TEST(quiet_when_all_have_seen_all)
{
	int64_t now = 0;

	start(1, 0, 0);
	commit(1, 5, 0);
	sends(NULL, 1, 5, 0);
	seen(5, 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 5);
	ck_assert_uint_eq(saga__publish_unseen(publish), 0);
	ck_assert_int_eq(saga__publish_due(publish), 1 + IDLE);
	seen(5, 2);
	ck_assert_int_eq(saga__publish_due(publish), 1 + IDLE);
	now = 1 + IDLE;
	ck_assert(next(now) && effect.message.kind == SAGA__BEAT);
	ck_assert_int_eq(saga__publish_due(publish), now + IDLE);
	seen(2, now); /* late, or it was set back: it shall say so again */
	ck_assert_int_eq(saga__publish_due(publish), now + BEAT_MIN);
	ck_assert(next(now + BEAT_MIN));
	ck_assert_int_eq(saga__publish_due(publish), now + BEAT_MIN + IDLE);
	commit(6, 6, now + 50); /* the next that is committed is beaten for at once */
	sends(NULL, 6, 6, now + 50);
	ck_assert_int_eq(saga__publish_due(publish), now + 50 + BEAT_MIN);
}
END_TEST

START_TEST(without_followers_all_have_seen)
{
	static const char *const none[] = { NULL };

	open_with(none);
	start(1, 0, 0);
	commit(1, 3, 0);
	sends(NULL, 1, 3, 0);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 3);
	ck_assert_int_eq(saga__publish_due(publish), IDLE);
}
END_TEST

START_TEST(numbers_may_be_huge)
{
	uint64_t last = SAGA__SEQ_MOST - 3;

	start(last - 50, last, 0);
	seen(last, 0);
	commit(last + 1, last + 3, 1);
	sends(NULL, last + 1, last + 3, 1);
	ck_assert_int_eq(
		saga__publish_committed(publish, last + 4, id_of(last + 4), NULL, 1), SAGA_MISUSE);
	need_by("stock", last + 1, UINT64_MAX, id_of(last), 2);
	sends("stock", last + 1, last + 3, 2);
	seen(last + 3, 3);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), last + 3);
}
END_TEST

START_TEST(nothing_is_sent_twice_without_loss)
{
	uint64_t acked = 0;

	start(1, 0, 0);
	seen(0, 0);
	for (uint64_t seq = 1; seq <= 20000; seq++) {
		int64_t now = (int64_t)seq / 10;

		commit_one(seq, now);
		while (next(now))
			if (effect.message.kind == SAGA__EVENT &&
				effect.message.last - acked >= WINDOW / 2) {
				acked = effect.message.last;
				seen(acked, now);
			}
	}
	ck_assert_uint_eq(saga__publish_counted(publish).sent, 20000);
	ck_assert_uint_eq(saga__publish_counted(publish).resent, 0);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("publish");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nonsense_is_misuse);
	tcase_add_test(tests, before_start_nothing_is_done);
	tcase_add_test(tests, what_is_committed_is_sent_in_order);
	tcase_add_test(tests, a_full_window_opens_by_seen);
	tcase_add_test(tests, what_left_memory_is_read_when_the_window_opens);
	tcase_add_test(tests, a_silent_follower_holds_back_nobody);
	tcase_add_test(tests, idle_does_not_make_silent);
	tcase_add_test(tests, no_one_alive_holds_back_nothing);
	tcase_add_test(tests, the_least_shard_counts);
	tcase_add_test(tests, hostile_seen_is_ignored);
	tcase_add_test(tests, another_stream_is_ignored);
	tcase_add_test(tests, beats_back_off_and_come_back);
	tcase_add_test(tests, beats_do_not_name_what_the_window_holds_back);
	tcase_add_test(tests, quiet_when_all_have_seen_all);
	tcase_add_test(tests, without_followers_all_have_seen);
	tcase_add_test(tests, numbers_may_be_huge);
	tcase_add_test(tests, nothing_is_sent_twice_without_loss);
	return run_suite("delivery publish", tests);
}
