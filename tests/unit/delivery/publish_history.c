#include "publish_stage.h"

START_TEST(restart_goes_on_from_the_outbox)
{
	start(1, 0, 0);
	seen(0, 0);
	commit(1, 3, 0);
	sends(NULL, 1, 3, 0);
	need(1, 3, 1);
	sends("stock", 1, 3, 1);
	saga__publish_start(publish, 1, 20, id_of(20), 5);
	ck_assert(next(5) && effect.message.kind == SAGA__BEAT && effect.message.last == 20);
	ck_assert(!next(5));
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	need(4, 20, 6);
	reads(4, 11, 6);
	saga__publish_start(publish, 1, 21, id_of(21), 7); /* again, while a READ is out */
	ck_assert(next(7) && effect.message.kind == SAGA__BEAT);
	need(12, 12, 8);
	ck_assert(!next(8));
	hand_over(1, 4, 11);
	saga__publish_read_end(publish, true, 9);
	reads(12, 12, 9);
	commit(22, 22, 9);
	sends(NULL, 22, 22, 9);
}
END_TEST

START_TEST(another_instance_went_on)
{
	start(1, 10, 0);
	seen(10, 0);
	seen(15, 1); /* beyond what we know of */
	reads(15, 15, 1);
	hand_over(1, 15, 15);
	saga__publish_read_end(publish, true, 1);
	nothing(1);
	need(16, 16, 2);
	nothing(2);
}
END_TEST

START_TEST(a_gap_in_what_is_committed)
{
	start(1, 10, 0);
	commit(16, 17, 3); /* another instance had 11 to 15 */
	ck_assert(next(3) && effect.message.last == 16);
	ck_assert(same_id(effect.message.id, no_id));
	ck_assert(next(3) && effect.message.last == 17);
	need(11, 17, 4);
	reads(11, 15, 4);
}
END_TEST

START_TEST(fork_by_seen)
{
	start(1, 0, 0);
	commit(1, 5, 0);
	sends(NULL, 1, 5, 0);
	seen_by("stock", 0, 2, 5, id_of(5), 1);
	seen_by("stock", 1, 2, 5, id_of(5), 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 5);
	seen_by("stock", 1, 2, 4, id_in(2, 4), 2);
	cries_fork("stock", 2);
	need(2, 3, 3);
	sends("stock", 2, 2, 3); /* what proves the fork to the follower, no second alarm */
	seen_by("stock", 1, 2, 4, id_in(2, 4), 4);
	ck_assert(next(4)); /* the follower goes on, so it has not heard that there is a fork */
	ck_assert_int_eq(effect.message.kind, SAGA__FORK);
	nothing(4);
	seen_by("stock", 0, 2, 3, id_of(3), 5); /* skipped there, by an operator */
	need(4, 5, 5);
	sends("stock", 4, 4, 5);
	seen_by("stock", 1, 2, 3, id_of(3), 5);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 3);
	need(4, 5, 6 + BEAT_MIN);
	sends("stock", 4, 5, 6 + BEAT_MIN);
	ck_assert_uint_eq(saga__publish_counted(publish).forks, 1);
}
END_TEST

START_TEST(fork_by_need_in_memory)
{
	start(1, 0, 0);
	commit(1, 5, 0);
	sends(NULL, 1, 5, 0);
	need_by("stock", 4, 5, id_in(2, 3), 1);
	cries_fork("stock", 1);
	nothing(1);
}
END_TEST

START_TEST(fork_by_need_in_the_outbox)
{
	start(1, 100, 0);
	need_by("stock", 31, 33, id_in(2, 30), 1);
	reads(31, 33, 1);
	hand_over(1, 31, 33);
	saga__publish_read_end(publish, true, 2);
	cries_fork("stock", 2);
	nothing(2);
}
END_TEST

START_TEST(fork_beyond_what_there_is)
{
	start(1, 10, 0);
	seen_by("stock", 0, 1, 15, id_in(2, 15), 1);
	reads(15, 15, 1);
	saga__publish_read_end(publish, false, 2); /* the store is away: no verdict */
	nothing(2);
	seen_by("stock", 0, 1, 15, id_in(2, 15), 2);
	nothing(2);
	seen_by("stock", 0, 1, 15, id_in(2, 15), 20);
	reads(15, 15, 20);
	saga__publish_read_end(publish, true, 21);
	cries_fork("stock", 21);
	need_by("stock", 16, 16, id_in(2, 15), 30);
	nothing(30);
}
END_TEST

/* The store was set back to before its first event, or holds none any more. */
START_TEST(fork_beyond_an_empty_outbox)
{
	start(1, 0, 0);
	seen_by("stock", 0, 1, 3, id_in(2, 3), 1);
	reads(3, 3, 1);
	saga__publish_read_end(publish, true, 2);
	cries_fork("stock", 2);
	start(11, 10, 10);
	seen_by("stock", 0, 1, 15, id_in(2, 15), 11);
	reads(15, 15, 11);
	saga__publish_read_end(publish, true, 12);
	cries_fork("stock", 12);
	start(11, 10, 20);
	seen_by("stock", 0, 1, 10, id_in(2, 10), 21);
	cries_fork("stock", 21);
	ck_assert_uint_eq(saga__publish_counted(publish).forks, 3);
}
END_TEST

START_TEST(a_fork_is_accepted_far_behind)
{
	start(1, 100, 0);
	need_by("stock", 101, 101, id_in(2, 100), 1);
	cries_fork("stock", 1);
	seen_by("stock", 0, 2, 40, id_of(40), 20); /* skipped to where both agree */
	reads(40, 40, 20);
	hand_over(1, 40, 40);
	saga__publish_read_end(publish, true, 20);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	seen_by("stock", 1, 2, 40, id_of(40), 21);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 40);
	need(41, 42, 22);
	reads(41, 42, 22);
}
END_TEST

START_TEST(seen_is_verified_before_it_is_trimmed)
{
	start(1, 100, 0);
	seen(50, 1);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	reads(50, 50, 1);
	hand_over(1, 50, 50);
	saga__publish_read_end(publish, true, 2);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 50);
	seen(60, 3); /* what it got from there on, it got from us */
	nothing(3);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 60);
}
END_TEST

START_TEST(old_seen_of_another_history)
{
	start(1, 100, 0);
	seen_by("stock", 0, 1, 50, id_in(2, 50), 1);
	reads(50, 50, 1);
	hand_over(1, 50, 50);
	saga__publish_read_end(publish, true, 2);
	cries_fork("stock", 2);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("publish history");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, restart_goes_on_from_the_outbox);
	tcase_add_test(tests, another_instance_went_on);
	tcase_add_test(tests, a_gap_in_what_is_committed);
	tcase_add_test(tests, fork_by_seen);
	tcase_add_test(tests, fork_by_need_in_memory);
	tcase_add_test(tests, fork_by_need_in_the_outbox);
	tcase_add_test(tests, fork_beyond_what_there_is);
	tcase_add_test(tests, fork_beyond_an_empty_outbox);
	tcase_add_test(tests, a_fork_is_accepted_far_behind);
	tcase_add_test(tests, seen_is_verified_before_it_is_trimmed);
	tcase_add_test(tests, old_seen_of_another_history);
	return run_suite("delivery publish history", tests);
}
