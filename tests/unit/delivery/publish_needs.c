#include "publish_stage.h"

START_TEST(need_is_answered_from_memory)
{
	start(1, 0, 0);
	commit(1, 6, 0);
	sends(NULL, 1, 6, 0);
	need(2, 4, 1);
	sends("stock", 2, 4, 1);
	need(2, 4, 2); /* doubled on its way */
	nothing(2);
	need(3, 3, 2); /* its answer was lost in part */
	sends("stock", 3, 3, 2);
	need(2, 4, 2 + BEAT_MIN);
	sends("stock", 2, 4, 2 + BEAT_MIN);
	need(7, 9, 30); /* not there yet */
	nothing(30);
	ck_assert_uint_eq(saga__publish_counted(publish).resent, 7);
}
END_TEST

/* A beat names what is committed, so a follower asks for it; but it comes anyway. */
START_TEST(what_the_window_holds_back_is_not_resent)
{
	open_with(one);
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 12, 1);
	sends(NULL, 1, WINDOW, 1);
	need(5, 12, 2);
	sends("stock", 5, WINDOW, 2);
	need(WINDOW + 1, 12, 30);
	nothing(30);
	seen(WINDOW, 31);
	sends(NULL, WINDOW + 1, 12, 31);
}
END_TEST

START_TEST(hostile_need_is_bounded)
{
	start(1, 0, 0);
	commit(1, 12, 0);
	sends(NULL, 1, 12, 0);
	need_by("stock", 0, UINT64_MAX, no_id, 1);
	need_by("stock", UINT64_MAX, UINT64_MAX, no_id, 1);
	need_by("stock", 5, 4, no_id, 1);
	nothing(1);
	need_by("stock", 1, UINT64_MAX, no_id, 1);
	sends("stock", 1, WINDOW, 1);
}
END_TEST

START_TEST(need_is_answered_from_the_outbox)
{
	start(1, 100, 0);
	need(41, 90, 1);
	reads(41, 48, 1);
	need(50, 90, 1); /* one answer at a time */
	hand_over(1, 41, 48);
	saga__publish_read_end(publish, true, 2);
	sends("stock", 41, 48, 2);
	need(49, 49, 3);
	reads(49, 49, 3);
	saga__publish_read_end(publish, false, 4); /* the store is away */
	nothing(4);
	need(49, 49, 5);
	reads(49, 49, 5);
	hand_over(1, 49, 49);
	saga__publish_read_end(publish, true, 6);
	sends("stock", 49, 49, 6);
}
END_TEST

START_TEST(half_in_memory_half_in_the_outbox)
{
	start(1, 10, 0);
	commit(11, 14, 0);
	sends(NULL, 11, 14, 0);
	need(8, 13, 1);
	reads(8, 10, 1);
	hand_over(1, 8, 10);
	saga__publish_read_end(publish, true, 1);
	sends("stock", 8, 13, 1);
}
END_TEST

START_TEST(strangers_are_answered_one_at_a_time)
{
	start(1, 0, 0);
	commit(1, 4, 0);
	sends(NULL, 1, 4, 0);
	need_by("watcher", 1, 2, no_id, 1);
	need_by("another", 1, 2, no_id, 1);
	sends("watcher", 1, 2, 1);
	need_by("another", 1, 2, no_id, 4 * BEAT_MIN);
	nothing(4 * BEAT_MIN);
	need_by("another", 1, 2, no_id, 4 * BEAT_MIN + 1);
	sends("another", 1, 2, 4 * BEAT_MIN + 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
}
END_TEST

START_TEST(what_was_trimmed_is_gone)
{
	start(5, 100, 0);
	need(3, 9, 1);
	says_gone("stock", 5, 1);
	need(3, 9, 2); /* a double */
	nothing(2);
	saga__publish_trimmed(publish, 31);
	saga__publish_trimmed(publish, 30);
	need(5, 9, 3);
	says_gone("stock", 31, 3);
	need(101, 101, 4);
	saga__publish_trimmed(publish, 1000);
	need(100, 100, 5);
	says_gone("stock", 101, 5);
	ck_assert_uint_eq(saga__publish_counted(publish).gone, 3);
}
END_TEST

START_TEST(trimmed_while_it_was_read)
{
	start(1, 100, 0);
	need(3, 9, 1);
	reads(3, 9, 1);
	hand_over(1, 6, 9); /* 3 to 5 went meanwhile */
	saga__publish_read_end(publish, true, 2);
	says_gone("stock", 6, 2);
	nothing(2);
	need(6, 9, 3);
	reads(6, 9, 3);
	saga__publish_read_end(publish, true, 4); /* all of them */
	says_gone("stock", 10, 4);
}
END_TEST

START_TEST(trimmed_below_but_still_in_memory)
{
	start(1, 0, 0);
	commit(1, 5, 0);
	sends(NULL, 1, 5, 0);
	saga__publish_trimmed(publish, 6);
	need(2, 3, 1);
	sends("stock", 2, 3, 1);
}
END_TEST

START_TEST(without_memory_it_is_read)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 1, 0);
	ck_assert_int_eq(saga__publish_committed(publish, 2, id_of(2), NULL, 0), SAGA_OK);
	commit(3, 3, 0);
	do
		ck_assert(next(0));
	while (effect.message.kind == SAGA__BEAT);
	ck_assert_uint_eq(effect.message.last, 1);
	reads(2, 2, 0);
	hand_over(1, 2, 2);
	saga__publish_read_end(publish, true, 0);
	sends(NULL, 2, 3, 0);
	need(1, 3, 1);
	ck_assert(next(1));
	reads(2, 2, 1);
	hand_over(1, 2, 2);
	saga__publish_read_end(publish, true, 1);
	sends("stock", 2, 3, 1);
}
END_TEST

START_TEST(what_was_not_asked_for_is_ignored)
{
	start(1, 100, 0);
	hand_over(1, 1, 3);
	saga__publish_read_end(publish, true, 0);
	need(11, 12, 1);
	reads(11, 12, 1);
	hand_over(1, 9, 30);
	saga__publish_read_end(publish, true, 1);
	sends("stock", 11, 12, 1);
}
END_TEST

START_TEST(unseen_is_counted_by_follower)
{
	open_with(both);
	start(5, 10, 0); /* 1 to 4 are trimmed: nobody can see them any more */
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 6);
	seen_by("stock", 0, 2, 8, no_id, 1);
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 6);
	seen_by("stock", 1, 2, 10, id_of(10), 1);
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 2);
	commit(11, 12, 2);
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 4);
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 1), 8);
	seen_by("stock", 0, 2, 12, id_of(12), 3);
	seen_by("stock", 1, 2, 12, id_of(12), 3);
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 0);
	seen_by("stock", 0, 2, 12, id_in(2, 12), 4); /* another history: it has seen none of ours */
	ck_assert_uint_eq(saga__publish_unseen_by(publish, 0), 8);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("publish needs");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, need_is_answered_from_memory);
	tcase_add_test(tests, what_the_window_holds_back_is_not_resent);
	tcase_add_test(tests, hostile_need_is_bounded);
	tcase_add_test(tests, need_is_answered_from_the_outbox);
	tcase_add_test(tests, half_in_memory_half_in_the_outbox);
	tcase_add_test(tests, strangers_are_answered_one_at_a_time);
	tcase_add_test(tests, what_was_trimmed_is_gone);
	tcase_add_test(tests, trimmed_while_it_was_read);
	tcase_add_test(tests, trimmed_below_but_still_in_memory);
	tcase_add_test(tests, without_memory_it_is_read);
	tcase_add_test(tests, what_was_not_asked_for_is_ignored);
	tcase_add_test(tests, unseen_is_counted_by_follower);
	return run_suite("delivery publish needs", tests);
}
