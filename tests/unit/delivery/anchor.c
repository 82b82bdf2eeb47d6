/* Where a shard stands in a broker's stream, and whether that is still so; with virtual time. */

#include "delivery/anchor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
	SETTLE = 1000,
	LAST = 200 /* of the broker's stream */
};

static const saga_id era = { { 'e', 1 } };
static const saga_id nothing = { { 0 } };

static saga_id id_of(uint64_t number)
{
	saga_id id = { { 1 } };

	memcpy(id.bytes + 8, &number, sizeof number);
	return id;
}

static struct saga__point point(uint64_t place)
{
	return (struct saga__point){ era, place, id_of(place) };
}

static struct saga__anchor start(uint64_t newest, uint64_t settled)
{
	struct saga__point at[] = { point(newest), point(settled) };
	struct saga__anchor anchor;

	saga__anchor_start(&anchor, SETTLE);
	saga__anchor_know(&anchor, newest ? &at[0] : NULL, settled ? &at[1] : NULL, false);
	return anchor;
}

static void hear(struct saga__anchor *anchor, uint64_t floor, bool doubt, int64_t now)
{
	saga__anchor_heard(anchor,
		&(struct saga__anchor_news){ .era = era,
			.first = 1,
			.last = LAST,
			.has_floor = true,
			.floor = floor,
			.doubt = doubt },
		now);
}

static struct saga__anchor_effect must(struct saga__anchor *anchor, enum saga__anchor_kind kind)
{
	struct saga__anchor_effect effect;

	ck_assert(saga__anchor_next(anchor, &effect));
	ck_assert_int_eq(effect.kind, kind);
	return effect;
}

static void must_rest(struct saga__anchor *anchor)
{
	struct saga__anchor_effect effect;

	ck_assert(!saga__anchor_next(anchor, &effect));
	ck_assert_int_eq(anchor->phase, SAGA__ANCHOR_RESTS);
}

static void must_look(struct saga__anchor *anchor, uint64_t place, saga_id finds)
{
	struct saga__anchor_effect effect = must(anchor, SAGA__ANCHOR_LOOK);

	ck_assert_uint_eq(effect.point.place, place);
	ck_assert(!saga__anchor_next(anchor, &effect));
	saga__anchor_looked(anchor, place + 1, id_of(0), 0); /* another's */
	saga__anchor_looked(anchor, place, finds, 0);
}

static void must_look_behind(struct saga__anchor *anchor, uint64_t place, uint64_t finds)
{
	struct saga__anchor_effect effect = must(anchor, SAGA__ANCHOR_LOOK_BEHIND);

	ck_assert_uint_eq(effect.point.place, place);
	ck_assert(!saga__anchor_next(anchor, &effect));
	saga__anchor_looked_behind(anchor, place + 1, place + 2); /* another's */
	saga__anchor_looked_behind(anchor, place, finds);
}

static void must_go_back(struct saga__anchor *anchor, uint64_t place, enum saga__anchor_why why)
{
	struct saga__anchor_effect effect = must(anchor, SAGA__ANCHOR_GO_BACK);

	ck_assert_uint_eq(effect.point.place, place);
	ck_assert_int_eq(effect.why, why);
	ck_assert(memcmp(&effect.point.era, &era, sizeof era) == 0);
	ck_assert(!saga__anchor_next(anchor, &effect));
	saga__anchor_is_back(anchor);
	must_rest(anchor);
	ck_assert_uint_eq(anchor->newest.place, place);
}

START_TEST(a_broker_that_is_as_it_was_is_left_alone)
{
	struct saga__anchor anchor = start(100, 60);
	struct saga__anchor_effect effect;

	ck_assert(!saga__anchor_next(&anchor, &effect));
	hear(&anchor, 90, true, 0);
	must_look(&anchor, 100, id_of(100));
	must_rest(&anchor);
	saga__anchor_committed(&anchor, 101, id_of(101));
	saga__anchor_committed(&anchor, 99, id_of(99)); /* again, late */
	ck_assert_uint_eq(anchor.newest.place, 101);
	hear(&anchor, 90, true, 1);
	must_look(&anchor, 101, id_of(101));
	must_rest(&anchor);
}
END_TEST

START_TEST(who_is_new_is_left_alone)
{
	struct saga__anchor anchor = start(0, 0);

	hear(&anchor, 0, true, 0);
	must_rest(&anchor);
	saga__anchor_committed(&anchor, 7, id_of(7));
	hear(&anchor, 7, false, 1);
	must_look(&anchor, 7, id_of(7));
	must_rest(&anchor);
}
END_TEST

/* The backup is from before the first event: what was acked since is not in the store. */
START_TEST(a_store_that_was_set_back_to_nothing_is_found)
{
	struct saga__anchor anchor = start(0, 0);

	hear(&anchor, 40, true, 0);
	(void)must(&anchor, SAGA__ANCHOR_COMPARE);
	saga__anchor_compared(&anchor, NULL, NULL);
	must_look_behind(&anchor, 0, 40);
	must_go_back(&anchor, 0, SAGA__ANCHOR_SET_BACK);
}
END_TEST

/* Each settle a floor that is as old becomes the settled point. */
START_TEST(a_floor_that_lasts_is_settled)
{
	struct saga__anchor anchor = start(100, 60);

	hear(&anchor, 80, true, 0);
	must_look(&anchor, 100, id_of(100));
	must_rest(&anchor);
	hear(&anchor, 80, false, 0);
	must_look(&anchor, 80, id_of(80));
	must_rest(&anchor);
	hear(&anchor, 95, false, SETTLE - 1);
	must_rest(&anchor);
	ck_assert_uint_eq(anchor.settled.place, 60);
	hear(&anchor, 95, false, SETTLE);
	ck_assert_uint_eq(must(&anchor, SAGA__ANCHOR_SETTLE).point.place, 80);
	must_look(&anchor, 95, id_of(95));
	hear(&anchor, 95, true, SETTLE); /* an incident: that one may not last */
	must_look(&anchor, 100, id_of(100));
	must_rest(&anchor);
	hear(&anchor, 95, false, 2 * SETTLE);
	ck_assert_uint_eq(anchor.settled.place, 80);
	must_look(&anchor, 95, id_of(95));
	must_rest(&anchor);
}
END_TEST

START_TEST(a_lost_tail_is_read_again_behind_what_is_settled)
{
	for (int other = 0; other < 2; other++) {
		struct saga__anchor anchor = start(100, 60);

		hear(&anchor, 100, true, 0);
		must_look(&anchor, 100, other ? id_of(7) : nothing);
		must_look(&anchor, 60, id_of(60));
		must_go_back(&anchor, 60, SAGA__ANCHOR_LOST);
		saga__anchor_committed(&anchor, 61, id_of(61));
		ck_assert_uint_eq(anchor.newest.place, 61);
	}
}
END_TEST

START_TEST(where_the_settled_is_gone_too_all_is_read_again)
{
	struct saga__anchor anchor = start(100, 60);

	hear(&anchor, 100, true, 0);
	must_look(&anchor, 100, nothing);
	must_look(&anchor, 60, id_of(7));
	must_go_back(&anchor, 0, SAGA__ANCHOR_LOST);
	anchor = start(100, 0);
	hear(&anchor, 100, true, 0);
	must_look(&anchor, 100, nothing);
	must_go_back(&anchor, 0, SAGA__ANCHOR_LOST);
}
END_TEST

START_TEST(another_stream_is_read_from_its_beginning)
{
	struct saga__anchor anchor;

	saga__anchor_start(&anchor, SETTLE);
	saga__anchor_know(&anchor, NULL, NULL, true);
	hear(&anchor, 30, true, 0);
	must_go_back(&anchor, 0, SAGA__ANCHOR_REMADE);
	hear(&anchor, 0, true, 0);
	must_rest(&anchor);
}
END_TEST

/* The broker was told of more than the store knows, even when it is asked anew. */
START_TEST(another_stream_while_it_goes_back_makes_it_begin_anew)
{
	struct saga__anchor anchor = start(0, 0);

	saga__anchor_know(&anchor, NULL, NULL, true);
	hear(&anchor, 0, true, 0);
	ck_assert_int_eq(must(&anchor, SAGA__ANCHOR_GO_BACK).why, SAGA__ANCHOR_REMADE);
	saga__anchor_know(&anchor, NULL, NULL, false);
	hear(&anchor, 0, false, 1);
	must_go_back(&anchor, 0, SAGA__ANCHOR_REMADE);
}
END_TEST

START_TEST(a_store_that_was_set_back_is_found)
{
	struct saga__anchor anchor = start(60, 40);
	struct saga__point newer[] = { point(101), point(60) };

	hear(&anchor, 100, true, 0);
	must_look(&anchor, 60, id_of(60));
	(void)must(&anchor, SAGA__ANCHOR_COMPARE);
	saga__anchor_compared(&anchor, &newer[0], &newer[1]); /* another instance worked it */
	must_rest(&anchor);
	ck_assert_uint_eq(anchor.newest.place, 101);
	hear(&anchor, 102, false, 0);
	(void)must(&anchor, SAGA__ANCHOR_COMPARE);
	saga__anchor_compared(&anchor, &newer[0], &newer[1]);
	must_look_behind(&anchor, 101, 102);
	must_go_back(&anchor, 60, SAGA__ANCHOR_SET_BACK);
}
END_TEST

static void hear_ahead(
	struct saga__anchor *anchor, uint64_t settled, uint64_t floor, uint64_t finds, int64_t now)
{
	struct saga__point same[] = { point(60), point(settled) };

	hear(anchor, floor, false, now);
	(void)must(anchor, SAGA__ANCHOR_COMPARE);
	saga__anchor_compared(anchor, &same[0], &same[1]);
	must_look_behind(anchor, 60, finds);
}

/* The broker moves a floor past events of other shards: that is no sign of anything. */
START_TEST(a_floor_past_events_of_other_shards_is_right)
{
	struct saga__anchor anchor = start(60, 60);

	hear(&anchor, 50, true, 0);
	must_look(&anchor, 60, id_of(60));
	must_rest(&anchor);
	hear_ahead(&anchor, 60, 100, 0, 1);
	must_rest(&anchor);
	hear(&anchor, 100, false, 2); /* that is known now */
	must_rest(&anchor);
	hear_ahead(&anchor, 60, 120, 121, 3);
	must_rest(&anchor);
	/* Ahead of the broker's end, what comes next may be skipped. */
	hear_ahead(&anchor, 60, LAST + 1, 0, 4);
	must_rest(&anchor);
	hear_ahead(&anchor, 60, LAST + 1, LAST + 1, 5);
	must_go_back(&anchor, 60, SAGA__ANCHOR_SET_BACK);
}
END_TEST

/* All of the shard is acked: its newest will be settled, not a place of another shard. */
START_TEST(what_is_settled_is_never_above_the_newest)
{
	struct saga__anchor anchor = start(60, 40);

	hear(&anchor, 40, true, 0);
	must_look(&anchor, 60, id_of(60));
	must_rest(&anchor);
	hear_ahead(&anchor, 40, 100, 0, 1);
	must_rest(&anchor);
	hear(&anchor, 100, false, 2);
	must_look(&anchor, 60, id_of(60));
	hear(&anchor, 100, false, SETTLE);
	ck_assert_uint_eq(must(&anchor, SAGA__ANCHOR_SETTLE).point.place, 60);
	must_rest(&anchor);
}
END_TEST

/* It was, while we were connected to it: what it had said counts as a floor of the broker's. */
START_TEST(a_store_that_was_set_back_under_us_is_found)
{
	struct saga__anchor anchor = start(50, 30);
	struct saga__point older[] = { point(50), point(30) };

	hear(&anchor, 60, true, 0);
	ck_assert(!saga__anchor_is_checked(&anchor));
	must_look(&anchor, 50, id_of(50));
	(void)must(&anchor, SAGA__ANCHOR_COMPARE);
	ck_assert(!saga__anchor_is_checked(&anchor));
	saga__anchor_compared(&anchor, &older[0], &older[1]);
	ck_assert(!saga__anchor_is_checked(&anchor));
	must_look_behind(&anchor, 50, 60);
	must_go_back(&anchor, 30, SAGA__ANCHOR_SET_BACK);
	ck_assert(saga__anchor_is_checked(&anchor));
	saga__anchor_committed(&anchor, 70, id_of(70));
	hear(&anchor, 71, false, 0);
	(void)must(&anchor, SAGA__ANCHOR_COMPARE);
	saga__anchor_compared(&anchor, NULL, NULL);
	must_go_back(&anchor, 0, SAGA__ANCHOR_SET_BACK);
}
END_TEST

/* Limits, or all who acked it, removed it: it is read again from where it is sure, quietly. */
START_TEST(what_was_removed_cant_be_compared)
{
	struct saga__anchor anchor = start(100, 60);

	saga__anchor_heard(
		&anchor, &(struct saga__anchor_news){ .era = era, .first = 101, .doubt = true }, 0);
	must_look(&anchor, 100, nothing);
	must_go_back(&anchor, 60, SAGA__ANCHOR_UNSURE);
	anchor = start(100, 60);
	saga__anchor_heard(
		&anchor, &(struct saga__anchor_news){ .era = era, .first = 1, .removes = true }, 0);
	must_look(&anchor, 100, nothing);
	must_go_back(&anchor, 60, SAGA__ANCHOR_UNSURE);
}
END_TEST

/* What was delivered before the loss, and is committed behind it, is looked at as well. */
START_TEST(what_moves_on_is_looked_at_again)
{
	struct saga__anchor anchor = start(100, 60);
	struct saga__anchor_effect effect;

	hear(&anchor, 100, true, 0);
	effect = must(&anchor, SAGA__ANCHOR_LOOK);
	saga__anchor_committed(&anchor, 110, id_of(110));
	saga__anchor_looked(&anchor, effect.point.place, id_of(100), 0);
	must_look(&anchor, 110, id_of(7));
	must_look(&anchor, 60, id_of(60));
	must_go_back(&anchor, 60, SAGA__ANCHOR_LOST);
	hear(&anchor, 60, true, 0);
	for (unsigned i = 0; i < SAGA__ANCHOR_LOOKS_MOST; i++) {
		effect = must(&anchor, SAGA__ANCHOR_LOOK);
		saga__anchor_committed(&anchor, 200 + i, id_of(200 + i));
		saga__anchor_looked(&anchor, effect.point.place, id_of(effect.point.place), 0);
	}
	must_rest(&anchor);
}
END_TEST

/* While deliveries begin again nothing that was asked before counts; a new doubt does. */
START_TEST(a_doubt_while_it_goes_back_is_checked_after)
{
	struct saga__anchor anchor = start(100, 60);
	struct saga__anchor_effect effect;

	hear(&anchor, 100, true, 0);
	must_look(&anchor, 100, nothing);
	must_look(&anchor, 60, id_of(60));
	(void)must(&anchor, SAGA__ANCHOR_GO_BACK);
	hear(&anchor, 100, true, 0);
	saga__anchor_looked(&anchor, 100, id_of(100), 0);
	ck_assert(!saga__anchor_next(&anchor, &effect));
	saga__anchor_is_back(&anchor);
	ck_assert(!saga__anchor_next(&anchor, &effect));
	hear(&anchor, 60, false, 0);
	must_look(&anchor, 60, id_of(60));
	must_rest(&anchor);
	saga__anchor_stop(&anchor);
	hear(&anchor, 900, true, 0);
	saga__anchor_committed(&anchor, 900, id_of(900));
	ck_assert(!saga__anchor_next(&anchor, &effect));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("anchor");
	TCase *tcase = tcase_create("anchor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, a_broker_that_is_as_it_was_is_left_alone);
	tcase_add_test(tcase, who_is_new_is_left_alone);
	tcase_add_test(tcase, a_store_that_was_set_back_to_nothing_is_found);
	tcase_add_test(tcase, a_floor_that_lasts_is_settled);
	tcase_add_test(tcase, a_lost_tail_is_read_again_behind_what_is_settled);
	tcase_add_test(tcase, where_the_settled_is_gone_too_all_is_read_again);
	tcase_add_test(tcase, another_stream_is_read_from_its_beginning);
	tcase_add_test(tcase, another_stream_while_it_goes_back_makes_it_begin_anew);
	tcase_add_test(tcase, a_store_that_was_set_back_is_found);
	tcase_add_test(tcase, a_store_that_was_set_back_under_us_is_found);
	tcase_add_test(tcase, a_floor_past_events_of_other_shards_is_right);
	tcase_add_test(tcase, what_is_settled_is_never_above_the_newest);
	tcase_add_test(tcase, what_was_removed_cant_be_compared);
	tcase_add_test(tcase, what_moves_on_is_looked_at_again);
	tcase_add_test(tcase, a_doubt_while_it_goes_back_is_checked_after);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
