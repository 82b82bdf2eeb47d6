/* Who is undeclared and who is silent, in virtual time. */
#include "common.h"

#include "delivery/rollcall.h"

#include <stdio.h>

static const char *const names[] = { "stock", "payment", NULL };
static struct saga__rollcall roll;

static void setup(void)
{
	ck_assert_int_eq(saga__rollcall_init(&roll, names), SAGA_OK);
}

static void teardown(void)
{
	saga__rollcall_free(&roll);
}

static void tells(size_t index, int64_t now)
{
	ck_assert_ptr_eq(saga__rollcall_next(&roll, now), &roll.at[index]);
}

static void tells_none(int64_t now)
{
	ck_assert_ptr_null(saga__rollcall_next(&roll, now));
}

START_TEST(an_undeclared_consumer_is_told_once)
{
	ck_assert(saga__rollcall_heard(&roll, "shipping", 1));
	ck_assert(!saga__rollcall_heard(&roll, "shipping", 2));
	ck_assert(saga__rollcall_heard(&roll, "stok", 3));
	ck_assert(!saga__rollcall_heard(&roll, "stock", 4));
	ck_assert(!saga__rollcall_heard(&roll, "shipping", 3 * (int64_t)SAGA__SILENT_AGAIN_MS));
}
END_TEST

START_TEST(with_no_followers_everyone_is_undeclared)
{
	saga__rollcall_free(&roll);
	ck_assert_int_eq(saga__rollcall_init(&roll, NULL), SAGA_OK);
	ck_assert(saga__rollcall_heard(&roll, "stock", 1));
	tells_none(SAGA__SILENT_MS);
}
END_TEST

START_TEST(forged_names_are_told_up_to_a_limit)
{
	char name[16];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "forger%d", i);
		ck_assert_int_eq(saga__rollcall_heard(&roll, name, i), i < SAGA__UNDECLARED_MOST);
	}
	ck_assert_uint_eq(roll.undeclared_count, SAGA__UNDECLARED_MOST);
}
END_TEST

START_TEST(one_that_was_never_heard_is_told_after_a_minute_and_each_hour)
{
	const int64_t first = 1000 + SAGA__SILENT_MS;

	saga__rollcall_owes(&roll, 1, 3, 1000);
	tells_none(first - 1);
	ck_assert_uint_eq(saga__rollcall_silent(&roll), 0);
	saga__rollcall_owes(&roll, 1, 9, first);
	tells(1, first);
	ck_assert_int_eq(roll.at[1].owed_since, 1000);
	ck_assert_int_eq(roll.at[1].unseen, 9);
	tells_none(first);
	ck_assert_uint_eq(saga__rollcall_silent(&roll), 1);
	tells_none(first + SAGA__SILENT_AGAIN_MS - 1);
	tells(1, first + SAGA__SILENT_AGAIN_MS);
}
END_TEST

START_TEST(who_owes_nothing_is_not_silent)
{
	tells_none(10 * (int64_t)SAGA__SILENT_AGAIN_MS);
	saga__rollcall_owes(&roll, 0, 1, 0);
	saga__rollcall_owes(&roll, 1, 1, 0);
	tells(0, SAGA__SILENT_MS);
	tells(1, SAGA__SILENT_MS);
	saga__rollcall_owes(&roll, 0, 0, SAGA__SILENT_MS + 1);
	ck_assert_uint_eq(saga__rollcall_silent(&roll), 1);
	saga__rollcall_owes(&roll, 0, 1, SAGA__SILENT_MS + 2); /* and still each hour at most */
	tells_none(SAGA__SILENT_AGAIN_MS + SAGA__SILENT_MS - 1);
}
END_TEST

START_TEST(one_that_was_heard_is_never_told)
{
	saga__rollcall_owes(&roll, 0, 1, 0);
	ck_assert(!saga__rollcall_heard(&roll, "stock", 0));
	tells_none(SAGA__SILENT_MS);
	saga__rollcall_owes(&roll, 1, 1, 0);
	tells(1, SAGA__SILENT_MS);
	ck_assert(!saga__rollcall_heard(&roll, "payment", SAGA__SILENT_MS + 1));
	ck_assert_uint_eq(saga__rollcall_silent(&roll), 0);
	tells_none(3 * (int64_t)SAGA__SILENT_AGAIN_MS);
}
END_TEST

START_TEST(no_silence_counts_while_the_transport_is_away)
{
	saga__rollcall_owes(&roll, 0, 1, 0);
	saga__rollcall_away(&roll, SAGA__SILENT_MS);
	tells_none(2 * SAGA__SILENT_MS - 1);
	tells(0, 2 * SAGA__SILENT_MS);
	ck_assert_int_eq(roll.at[0].owed_since, 0);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("rollcall");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_undeclared_consumer_is_told_once);
	tcase_add_test(tests, with_no_followers_everyone_is_undeclared);
	tcase_add_test(tests, forged_names_are_told_up_to_a_limit);
	tcase_add_test(tests, one_that_was_never_heard_is_told_after_a_minute_and_each_hour);
	tcase_add_test(tests, who_owes_nothing_is_not_silent);
	tcase_add_test(tests, one_that_was_heard_is_never_told);
	tcase_add_test(tests, no_silence_counts_while_the_transport_is_away);
	return run_suite("delivery rollcall", tests);
}
