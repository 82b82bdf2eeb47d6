/* Publishing over a durable transport, with virtual time. */

#include "delivery/relay.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <saga/error.h>

enum {
	WINDOW = 4,
	RING = 8,
	AGAIN = 100,
	AGAIN_MOST = 400,
	SETTLE = 1400
};

static const struct saga__relay_config config = { WINDOW, RING, AGAIN, AGAIN_MOST, SETTLE };

static struct saga__relay *start(uint64_t first, uint64_t last, uint64_t settled)
{
	struct saga__relay *relay;

	ck_assert_int_eq(saga__relay_new(&config, &relay), SAGA_OK);
	saga__relay_start(relay, first, last, settled);
	return relay;
}

static void commit(struct saga__relay *relay, uint64_t seq)
{
	struct saga__blob *blob = saga__blob_new(&seq, sizeof seq);

	saga__relay_committed(relay, seq, blob);
	saga__blob_unref(blob);
}

/* What is sent next; 0: nothing. */
static uint64_t send(struct saga__relay *relay, int64_t now)
{
	struct saga__relay_effect effect;
	uint64_t inside;

	if (!saga__relay_next(relay, now, &effect))
		return 0;
	ck_assert_int_eq(effect.kind, SAGA__RELAY_SEND);
	memcpy(&inside, effect.event->at, sizeof inside);
	ck_assert_uint_eq(inside, effect.seq);
	return effect.seq;
}

/* Answers a READ of [first, last] with what there is of it. */
static void answer(struct saga__relay *relay, int64_t now, uint64_t first, uint64_t last,
	uint64_t there_from, uint64_t there_to)
{
	struct saga__relay_effect effect;

	ck_assert(saga__relay_next(relay, now, &effect));
	ck_assert_int_eq(effect.kind, SAGA__RELAY_READ);
	ck_assert_uint_eq(effect.first, first);
	ck_assert_uint_eq(effect.last, last);
	ck_assert(!saga__relay_next(relay, now, &effect));
	for (uint64_t seq = there_from; seq <= there_to; seq++) {
		struct saga__blob *blob = saga__blob_new(&seq, sizeof seq);

		saga__relay_read(relay, seq, blob);
		saga__blob_unref(blob);
	}
	saga__relay_read_end(relay, true, now);
}

START_TEST(what_is_committed_is_sent_in_order_within_the_window)
{
	struct saga__relay *relay = start(1, 0, 0);

	ck_assert_uint_eq(send(relay, 0), 0);
	for (uint64_t seq = 1; seq <= 6; seq++)
		commit(relay, seq);
	for (uint64_t seq = 1; seq <= WINDOW; seq++)
		ck_assert_uint_eq(send(relay, 0), seq);
	ck_assert_uint_eq(send(relay, 0), 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 6);
	saga__relay_sent(relay, 2, 1); /* in any order */
	ck_assert_uint_eq(send(relay, 1), 5);
	ck_assert_uint_eq(send(relay, 1), 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 6);
	saga__relay_sent(relay, 1, 1);
	ck_assert_uint_eq(saga__relay_unsent(relay), 4);
	ck_assert_uint_eq(send(relay, 1), 6);
	for (uint64_t seq = 3; seq <= 6; seq++)
		saga__relay_sent(relay, seq, 1);
	saga__relay_sent(relay, 6, 1); /* twice, and what was never sent */
	saga__relay_sent(relay, 99, 1);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	ck_assert(saga__relay_due(relay) == INT64_MAX);
	ck_assert_uint_eq(saga__relay_resent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(what_is_not_confirmed_goes_again_and_more_and_more_seldom)
{
	struct saga__relay *relay = start(1, 0, 0);

	commit(relay, 1);
	commit(relay, 2);
	ck_assert_uint_eq(send(relay, 0), 1);
	ck_assert_uint_eq(send(relay, 10), 2);
	saga__relay_sent(relay, 2, 20);
	ck_assert_int_eq(saga__relay_due(relay), AGAIN);
	ck_assert_uint_eq(send(relay, AGAIN - 1), 0);
	ck_assert_uint_eq(send(relay, AGAIN), 1);
	ck_assert_uint_eq(send(relay, 3 * AGAIN - 1), 0);
	ck_assert_uint_eq(send(relay, 3 * AGAIN), 1);
	ck_assert_int_eq(saga__relay_due(relay), 3 * AGAIN + AGAIN_MOST);
	ck_assert_uint_eq(send(relay, 7 * AGAIN), 1);
	ck_assert_int_eq(saga__relay_due(relay), 7 * AGAIN + AGAIN_MOST);
	ck_assert_uint_eq(saga__relay_resent(relay), 3);
	saga__relay_sent(relay, 1, 800);
	commit(relay, 3);
	ck_assert_uint_eq(send(relay, 800), 3);
	ck_assert_int_eq(saga__relay_due(relay), 800 + AGAIN);
	saga__relay_free(relay);
}
END_TEST

START_TEST(a_broker_that_was_away_gets_all_again_at_once)
{
	struct saga__relay *relay = start(1, 0, 0);

	for (uint64_t seq = 1; seq <= 3; seq++) {
		commit(relay, seq);
		ck_assert_uint_eq(send(relay, 0), seq);
	}
	saga__relay_sent(relay, 2, 1);
	saga__relay_again(relay);
	ck_assert_uint_eq(send(relay, 2), 1);
	/* The first time did come. */
	saga__relay_sent(relay, 3, 2);
	ck_assert_uint_eq(send(relay, 2), 0);
	saga__relay_sent(relay, 1, 2);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(what_the_transport_did_not_take_is_offered_again)
{
	struct saga__relay *relay = start(1, 0, 0);

	commit(relay, 1);
	commit(relay, 2);
	ck_assert_uint_eq(send(relay, 0), 1);
	ck_assert_uint_eq(send(relay, 0), 2);
	saga__relay_put_back(relay, 1);
	saga__relay_put_back(relay, 2);
	ck_assert_uint_eq(send(relay, 5), 1);
	ck_assert_uint_eq(send(relay, 5), 2);
	ck_assert_uint_eq(saga__relay_resent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(what_memory_lacks_is_read_and_what_the_outbox_lacks_is_left_out)
{
	struct saga__relay *relay = start(3, 12, 4);

	/* 5 to 12: all that the ring holds. 7 and 8 are gone. */
	answer(relay, 0, 5, 12, 5, 6);
	ck_assert_uint_eq(send(relay, 0), 5);
	ck_assert_uint_eq(send(relay, 0), 6);
	ck_assert_uint_eq(send(relay, 0), 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 8);
	saga__relay_sent(relay, 5, 0);
	saga__relay_sent(relay, 6, 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(what_is_too_far_ahead_for_memory_is_read_later)
{
	struct saga__relay *relay = start(1, 0, 0);

	for (uint64_t seq = 1; seq <= RING + 2; seq++)
		commit(relay, seq);
	for (uint64_t seq = 1; seq <= RING; seq++) {
		ck_assert_uint_eq(send(relay, 0), seq);
		if (seq < RING)
			saga__relay_sent(relay, seq, 0);
	}
	/* 9 had no place when it was committed. */
	answer(relay, 0, RING + 1, RING + 2, RING + 1, RING + 2);
	ck_assert_uint_eq(send(relay, 0), RING + 1);
	ck_assert_uint_eq(send(relay, 0), RING + 2);
	saga__relay_free(relay);
}
END_TEST

START_TEST(a_read_that_came_to_nothing_is_made_again_later)
{
	struct saga__relay *relay = start(1, 2, 0);
	struct saga__relay_effect effect;

	ck_assert(saga__relay_next(relay, 0, &effect));
	saga__relay_read_end(relay, false, 0);
	ck_assert(!saga__relay_next(relay, 0, &effect));
	ck_assert_int_eq(saga__relay_due(relay), AGAIN);
	answer(relay, AGAIN, 1, 2, 1, 2);
	ck_assert_uint_eq(send(relay, AGAIN), 1);
	saga__relay_free(relay);
}
END_TEST

START_TEST(an_answer_from_before_a_takeover_is_ignored)
{
	struct saga__relay *relay = start(1, 2, 0);
	struct saga__relay_effect effect;
	uint64_t one = 1;
	struct saga__blob *blob = saga__blob_new(&one, sizeof one);

	ck_assert(saga__relay_next(relay, 0, &effect));
	saga__relay_stop(relay);
	ck_assert(!saga__relay_next(relay, 0, &effect));
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_start(relay, 1, 5, 3);
	ck_assert(!saga__relay_next(relay, 0, &effect));
	saga__relay_read(relay, 4, blob);
	saga__relay_read_end(relay, true, 0);
	answer(relay, 0, 4, 5, 4, 5);
	ck_assert_uint_eq(send(relay, 0), 4);
	saga__blob_unref(blob);
	saga__relay_free(relay);
}
END_TEST

START_TEST(settled_is_what_the_broker_has_had_for_long_enough)
{
	struct saga__relay *relay = start(1, 0, 0);
	int64_t now = 0;

	for (uint64_t seq = 1; seq <= 40; seq++, now += 100) {
		commit(relay, seq);
		ck_assert_uint_eq(send(relay, now), seq);
		saga__relay_sent(relay, seq, now);
		ck_assert_uint_le(saga__relay_settled(relay, now), seq);
		/* Never sooner, and not much later. */
		if (now >= SETTLE)
			ck_assert_uint_ge(saga__relay_settled(relay, now) + 2,
				(uint64_t)(now - SETTLE) / 100 + 1);
		ck_assert_uint_le(saga__relay_settled(relay, now),
			now >= SETTLE ? (uint64_t)(now - SETTLE) / 100 + 1 : 0);
	}
	/* All of it, also when nothing comes any more. */
	ck_assert_uint_eq(saga__relay_settled(relay, now + SETTLE), 40);
	saga__relay_free(relay);
}
END_TEST

START_TEST(a_store_that_was_set_back_is_read_from_its_end)
{
	struct saga__relay *relay = start(1, 5, 9);

	ck_assert_uint_eq(send(relay, 0), 0);
	commit(relay, 6);
	ck_assert_uint_eq(send(relay, 0), 6);
	saga__relay_free(relay);
}
END_TEST

START_TEST(impossible_sizes_are_misuse)
{
	struct saga__relay_config wrong = config;
	struct saga__relay *relay = NULL;

	wrong.ring = WINDOW - 1;
	ck_assert_int_eq(saga__relay_new(&wrong, &relay), SAGA_MISUSE);
	wrong = config;
	wrong.window = 0;
	ck_assert_int_eq(saga__relay_new(&wrong, &relay), SAGA_MISUSE);
	wrong = config;
	wrong.again_max_ms = 1;
	ck_assert_int_eq(saga__relay_new(&wrong, &relay), SAGA_MISUSE);
	ck_assert_ptr_null(relay);
	saga__relay_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay");
	TCase *tcase = tcase_create("relay");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, what_is_committed_is_sent_in_order_within_the_window);
	tcase_add_test(tcase, what_is_not_confirmed_goes_again_and_more_and_more_seldom);
	tcase_add_test(tcase, a_broker_that_was_away_gets_all_again_at_once);
	tcase_add_test(tcase, what_the_transport_did_not_take_is_offered_again);
	tcase_add_test(tcase, what_memory_lacks_is_read_and_what_the_outbox_lacks_is_left_out);
	tcase_add_test(tcase, what_is_too_far_ahead_for_memory_is_read_later);
	tcase_add_test(tcase, a_read_that_came_to_nothing_is_made_again_later);
	tcase_add_test(tcase, an_answer_from_before_a_takeover_is_ignored);
	tcase_add_test(tcase, settled_is_what_the_broker_has_had_for_long_enough);
	tcase_add_test(tcase, a_store_that_was_set_back_is_read_from_its_end);
	tcase_add_test(tcase, impossible_sizes_are_misuse);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
