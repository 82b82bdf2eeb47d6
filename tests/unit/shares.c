/* How instances share shards: all of them belong to somebody, and no two views overlap. */

#include <check.h>
#include <stdlib.h>

#include "../../src/lane/share.h"

START_TEST(the_shares_of_all_are_all)
{
	for (unsigned shards = 1; shards <= 64; shards *= 2)
		for (unsigned live = 1; live <= 80; live++) {
			unsigned sum = 0, most = 0, least = 64;

			for (unsigned rank = 0; rank < live; rank++) {
				unsigned share = saga__share_of(shards, live, rank);

				sum += share;
				most = share > most ? share : most;
				least = share < least ? share : least;
			}
			ck_assert_uint_eq(sum, shards);
			ck_assert_uint_le(most - least, 1);
		}
	ck_assert_uint_eq(saga__share_of(8, 0, 0), 0);
	ck_assert_uint_eq(saga__share_of(8, 2, 2), 0);
}
END_TEST

START_TEST(what_is_taken_is_spread_over_the_lanes)
{
	ck_assert_uint_eq(saga__share_take(0xff, 0, 4, 4), 0x0f);
	ck_assert_uint_eq(saga__share_take(0xff, 0, 8, 4), 0xff);
	/* Lane 0 has two, lane 1 one: the others come first. */
	ck_assert_uint_eq(saga__share_take(0xcc, 0x13, 2, 4), 0x0c);
	ck_assert_uint_eq(saga__share_take(0xe0, 0x1f & ~0x02u, 1, 4), 0x20);
	ck_assert_uint_eq(saga__share_take(0x10, 0x01, 3, 4), 0x10);
	ck_assert_uint_eq(saga__share_take(0, 0x01, 3, 1), 0);
}
END_TEST

START_TEST(what_is_given_comes_from_the_fullest_lanes)
{
	ck_assert_uint_eq(saga__share_give(0xff, 4, 4), 0x0f);
	ck_assert_uint_eq(saga__share_give(0x31, 1, 4), 0x01);
	ck_assert_uint_eq(saga__share_give(0x33 | 0x04, 2, 4), 0x03);
	ck_assert_uint_eq(saga__share_give(0x01, 5, 1), 0x01);
}
END_TEST

/* However they come and go, they end with all shards, each at one. */
START_TEST(any_crowd_comes_to_rest)
{
	uint64_t held[12] = { 0 };

	srand((unsigned)_i + 1);
	for (int round = 0; round < 200; round++) {
		unsigned live = 1 + (unsigned)rand() % 12;
		uint64_t all = 0;

		for (unsigned i = live; i < 12; i++)
			held[i] = 0;
		/* A renewal of each gives up, and one more takes. */
		for (int pass = 0; pass < 2; pass++)
			for (unsigned i = 0; i < live; i++) {
				unsigned share = saga__share_of(8, live, i);
				unsigned has = saga__share_count(held[i]);
				uint64_t vacant = 0xff;

				for (unsigned k = 0; k < live; k++)
					vacant &= ~held[k];
				if (has > share)
					held[i] &= ~saga__share_give(held[i], has - share, 4);
				else
					held[i] |=
						saga__share_take(vacant, held[i], share - has, 4);
			}
		for (unsigned i = 0; i < live; i++) {
			ck_assert_uint_eq(all & held[i], 0);
			all |= held[i];
		}
		ck_assert_uint_eq(all, 0xff);
	}
}
END_TEST

START_TEST(a_lane_has_every_nth)
{
	ck_assert_uint_eq(saga__share_of_lane(0, 1), UINT64_MAX);
	ck_assert_uint_eq(saga__share_of_lane(1, 4), 0x2222222222222222u);
	ck_assert_uint_eq(saga__share_of_lane(7, 8), 0x8080808080808080u);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shares");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(all, the_shares_of_all_are_all);
	tcase_add_test(all, what_is_taken_is_spread_over_the_lanes);
	tcase_add_test(all, what_is_given_comes_from_the_fullest_lanes);
	tcase_add_loop_test(all, any_crowd_comes_to_rest, 0, 10);
	tcase_add_test(all, a_lane_has_every_nth);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
