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
	SETTLE = 1400,
	PLACES = 32
};

static const struct saga__relay_config config = { WINDOW, RING, AGAIN, AGAIN_MOST, SETTLE };

static saga_id id_of(uint64_t seq)
{
	saga_id id = { { 1 } };

	memcpy(id.bytes + 8, &seq, sizeof seq);
	return id;
}

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

	saga__relay_committed(relay, seq, id_of(seq), blob);
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

		saga__relay_read(relay, seq, id_of(seq), blob);
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
	(void)saga__relay_sent(relay, 2, 0, false, 1); /* in any order */
	ck_assert_uint_eq(send(relay, 1), 5);
	ck_assert_uint_eq(send(relay, 1), 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 6);
	(void)saga__relay_sent(relay, 1, 0, false, 1);
	ck_assert_uint_eq(saga__relay_unsent(relay), 4);
	ck_assert_uint_eq(send(relay, 1), 6);
	for (uint64_t seq = 3; seq <= 6; seq++)
		(void)saga__relay_sent(relay, seq, 0, false, 1);
	(void)saga__relay_sent(relay, 6, 0, false, 1); /* twice, and what was never sent */
	(void)saga__relay_sent(relay, 99, 0, false, 1);
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
	(void)saga__relay_sent(relay, 2, 0, false, 20);
	ck_assert_int_eq(saga__relay_due(relay), AGAIN);
	ck_assert_uint_eq(send(relay, AGAIN - 1), 0);
	ck_assert_uint_eq(send(relay, AGAIN), 1);
	ck_assert_uint_eq(send(relay, 3 * AGAIN - 1), 0);
	ck_assert_uint_eq(send(relay, 3 * AGAIN), 1);
	ck_assert_int_eq(saga__relay_due(relay), 3 * AGAIN + AGAIN_MOST);
	ck_assert_uint_eq(send(relay, 7 * AGAIN), 1);
	ck_assert_int_eq(saga__relay_due(relay), 7 * AGAIN + AGAIN_MOST);
	ck_assert_uint_eq(saga__relay_resent(relay), 3);
	(void)saga__relay_sent(relay, 1, 0, false, 800);
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
	(void)saga__relay_sent(relay, 2, 0, false, 1);
	saga__relay_again(relay);
	ck_assert_uint_eq(send(relay, 2), 1);
	/* The first time did come. */
	(void)saga__relay_sent(relay, 3, 0, false, 2);
	ck_assert_uint_eq(send(relay, 2), 0);
	(void)saga__relay_sent(relay, 1, 0, false, 2);
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
	(void)saga__relay_sent(relay, 5, 0, false, 0);
	(void)saga__relay_sent(relay, 6, 0, false, 0);
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
			(void)saga__relay_sent(relay, seq, 0, false, 0);
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
	saga__relay_read(relay, 4, id_of(4), blob);
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
		(void)saga__relay_sent(relay, seq, 0, false, now);
		ck_assert_uint_le(saga__relay_settled(relay, now, now), seq);
		/* Never sooner, and not much later. */
		if (now >= SETTLE)
			ck_assert_uint_ge(saga__relay_settled(relay, now, now) + 2,
				(uint64_t)(now - SETTLE) / 100 + 1);
		ck_assert_uint_le(saga__relay_settled(relay, now, now),
			now >= SETTLE ? (uint64_t)(now - SETTLE) / 100 + 1 : 0);
	}
	/* All of it, also when nothing comes any more. */
	ck_assert_uint_eq(saga__relay_settled(relay, now + SETTLE, now + SETTLE), 40);
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

/* A broker, for incidents: it knows ids, which need not be of what it has. */
struct broker {
	uint64_t known[PLACES][2 * SAGA__RELAY_AGAIN_MOST]; /* by event and `again`: its place */
	uint64_t stands[PLACES];                            /* by place: which event is there */
	uint64_t last;
	uint64_t sent, looks;
	bool is_mended, is_stuck;
	struct saga__relay_effect mended;
};

static void take(
	struct broker *broker, struct saga__relay *relay, uint64_t seq, unsigned again, int64_t now)
{
	uint64_t *known = &broker->known[seq][again];
	bool doubled = *known != 0;

	broker->sent++;
	if (!doubled) {
		*known = ++broker->last;
		broker->stands[*known] = seq;
	}
	ck_assert(!saga__relay_sent(relay, seq, *known, doubled, now));
}

/* All that the relay wants is done, until it wants nothing more. */
static void serve(struct broker *broker, struct saga__relay *relay, int64_t now)
{
	static const saga_id none = { { 0 } };
	struct saga__relay_effect effect;

	while (saga__relay_next(relay, now, &effect))
		switch (effect.kind) {
		case SAGA__RELAY_SEND:
			take(broker, relay, effect.seq, effect.again, now);
			break;
		case SAGA__RELAY_READ:
			for (uint64_t seq = effect.first; seq <= effect.last; seq++) {
				struct saga__blob *blob = saga__blob_new(&seq, sizeof seq);

				saga__relay_read(relay, seq, id_of(seq), blob);
				saga__blob_unref(blob);
			}
			saga__relay_read_end(relay, true, now);
			break;
		case SAGA__RELAY_LOOK:
			broker->looks++;
			saga__relay_looked(relay, effect.place,
				broker->stands[effect.place] ? id_of(broker->stands[effect.place])
							     : none,
				false, now);
			break;
		case SAGA__RELAY_STUCK:
			ck_assert(!broker->is_stuck);
			ck_assert_uint_eq(effect.seq, 6);
			broker->is_stuck = true;
			break;
		case SAGA__RELAY_MENDED:
			ck_assert(!broker->is_mended);
			broker->is_mended = true;
			broker->mended = effect;
			break;
		}
}

static void must_be_mended(struct broker *broker, uint64_t sent, uint64_t lost, uint64_t looks)
{
	ck_assert(broker->is_mended);
	ck_assert_uint_eq(broker->mended.sent, sent);
	ck_assert_uint_eq(broker->mended.lost, lost);
	ck_assert_uint_eq(broker->looks, looks);
	broker->is_mended = false;
	broker->sent = broker->looks = 0;
}

/* 1 to 6 confirmed at 0, at the places 11 to 16; nothing is settled yet. */
static struct saga__relay *start_confirmed(struct broker *broker)
{
	struct saga__relay *relay = start(1, 0, 0);

	*broker = (struct broker){ .last = 10 };
	for (uint64_t seq = 1; seq <= 6; seq++)
		commit(relay, seq);
	serve(broker, relay, 0);
	ck_assert_uint_eq(broker->last, 16);
	ck_assert_uint_eq(broker->sent, 6);
	ck_assert_uint_eq(broker->looks, 0);
	broker->sent = 0;
	return relay;
}

/* The broker lost 5 and 6: they get other places. The rest are doubles, where they were. */
START_TEST(after_an_incident_what_is_not_settled_goes_again_and_the_lost_are_counted)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	for (uint64_t seq = 5; seq <= 6; seq++)
		broker.known[seq][0] = broker.stands[10 + seq] = 0;
	broker.last = 14;
	saga__relay_doubt(relay, false);
	ck_assert_uint_eq(saga__relay_unsent(relay), 6);
	serve(&broker, relay, 1);
	must_be_mended(&broker, 6, 2, 4);
	ck_assert_uint_eq(saga__relay_lost(relay), 2);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(what_is_settled_goes_again_only_to_another_stream)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	(void)saga__relay_settled(relay, SETTLE / 2, SETTLE / 2);
	ck_assert_uint_eq(saga__relay_settled(relay, 2 * SETTLE, 2 * SETTLE), 6);
	commit(relay, 7);
	serve(&broker, relay, SETTLE);
	saga__relay_doubt(relay, false);
	serve(&broker, relay, SETTLE);
	must_be_mended(&broker, 1, 0, 1);
	broker = (struct broker){ .last = 0 };
	saga__relay_doubt(relay, true);
	ck_assert_uint_eq(saga__relay_settled(relay, 9 * SETTLE, 9 * SETTLE), 0);
	serve(&broker, relay, SETTLE);
	must_be_mended(&broker, 7, 7, 0);
	ck_assert_uint_eq(broker.last, 7);
	saga__relay_free(relay);
}
END_TEST

/* It may have lost its power just before that, and nobody has told us. */
START_TEST(while_nobody_hears_of_the_broker_nothing_is_settled)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	(void)saga__relay_settled(relay, SETTLE / 2, 0);
	ck_assert_uint_eq(saga__relay_settled(relay, 9 * SETTLE, SETTLE - 1), 0);
	ck_assert_uint_eq(saga__relay_settled(relay, 9 * SETTLE, SETTLE + SETTLE / 2), 6);
	saga__relay_free(relay);
}
END_TEST

/* The highest double is where the broker says, and lower ones are not. */
START_TEST(each_double_that_is_not_where_the_broker_says_goes_again_as_none)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	broker.stands[12] = 0;   /* nothing */
	broker.stands[14] = 100; /* another event */
	saga__relay_doubt(relay, false);
	serve(&broker, relay, 1);
	must_be_mended(&broker, 6, 2, 6);
	ck_assert_uint_eq(broker.stands[17], 2);
	ck_assert_uint_eq(broker.stands[18], 4);
	ck_assert_uint_eq(broker.known[2][1], 17);
	ck_assert_uint_eq(broker.last, 18);
	/* The next incident finds both where they are now. */
	saga__relay_doubt(relay, false);
	serve(&broker, relay, 2);
	must_be_mended(&broker, 6, 2, 8);
	ck_assert_uint_eq(broker.last, 18);
	saga__relay_free(relay);
}
END_TEST

/* The incident was before it started, and the broker answers a first sending. */
START_TEST(a_participant_that_starts_anew_looks_at_doubles_too)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	broker.stands[13] = 100;
	saga__relay_stop(relay);
	saga__relay_start(relay, 1, 6, 1);
	serve(&broker, relay, 1);
	must_be_mended(&broker, 5, 1, 5);
	ck_assert_uint_eq(broker.stands[17], 3);
	broker.known[7][0] = 16; /* another event's place */
	commit(relay, 7);
	serve(&broker, relay, 1);
	must_be_mended(&broker, 1, 1, 1);
	ck_assert_uint_eq(broker.stands[18], 7);
	saga__relay_free(relay);
}
END_TEST

/* Limits may have removed it: nobody can tell that from a loss. */
START_TEST(a_double_whose_place_is_removed_counts_as_there)
{
	static const saga_id none = { { 0 } };
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);
	struct saga__relay_effect effect;

	commit(relay, 7);
	ck_assert_uint_eq(send(relay, 1), 7);
	ck_assert(!saga__relay_sent(relay, 7, 3, true, 1));
	ck_assert_uint_eq(saga__relay_unsent(relay), 1);
	ck_assert(saga__relay_next(relay, 1, &effect));
	ck_assert_int_eq(effect.kind, SAGA__RELAY_LOOK);
	saga__relay_looked(relay, 4, none, true, 1); /* another place */
	ck_assert_uint_eq(saga__relay_unsent(relay), 1);
	saga__relay_looked(relay, 3, none, true, 1);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	ck_assert_uint_eq(saga__relay_lost(relay), 0);
	saga__relay_free(relay);
}
END_TEST

/* A broker that remembers whatever it loses: the event goes less often, and is not given up. */
START_TEST(an_event_that_is_lost_time_and_again_is_stuck_and_sent_until_it_is_there)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);
	int64_t now = 1;

	broker.stands[16] = 0;
	for (unsigned again = 1; again <= SAGA__RELAY_AGAIN_MOST + 2; again++)
		broker.known[6][again] = 16;
	saga__relay_doubt(relay, false);
	serve(&broker, relay, now);
	ck_assert(broker.is_stuck && !broker.is_mended);
	ck_assert_uint_eq(broker.sent, 6 + SAGA__RELAY_AGAIN_MOST);
	commit(relay, 7); /* waits for nothing */
	serve(&broker, relay, now);
	ck_assert_uint_eq(broker.known[7][0], 17);
	broker.is_stuck = false;
	for (int sendings = 0; !broker.is_mended; sendings++) {
		ck_assert_int_lt(sendings, 4);
		ck_assert_int_ge(saga__relay_due(relay), now + AGAIN);
		now = saga__relay_due(relay);
		serve(&broker, relay, now);
	}
	ck_assert(!broker.is_stuck); /* told once */
	must_be_mended(&broker, 6, 1, 6 + SAGA__RELAY_AGAIN_MOST + 2);
	ck_assert_uint_eq(broker.stands[18], 6);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

START_TEST(a_place_that_does_not_rise_is_an_incident)
{
	struct broker broker;
	struct saga__relay *relay = start_confirmed(&broker);

	for (uint64_t seq = 7; seq <= 9; seq++)
		commit(relay, seq);
	ck_assert_uint_eq(send(relay, 1), 7);
	ck_assert_uint_eq(send(relay, 1), 8);
	ck_assert_uint_eq(send(relay, 1), 9);
	ck_assert(!saga__relay_sent(relay, 7, 4, true, 1)); /* a double says nothing of it */
	ck_assert(!saga__relay_sent(relay, 8, 17, false, 1));
	ck_assert(saga__relay_sent(relay, 9, 17, false, 1));
	saga__relay_free(relay);
}
END_TEST

static void must_look(struct saga__relay *relay, uint64_t place, int64_t now)
{
	struct saga__relay_effect effect;

	ck_assert(saga__relay_next(relay, now, &effect));
	ck_assert_int_eq(effect.kind, SAGA__RELAY_LOOK);
	ck_assert_uint_eq(effect.place, place);
	ck_assert(!saga__relay_next(relay, now, &effect));
}

/* A look that nobody answers is made again: in a while, and when the broker is there again. */
START_TEST(a_look_without_an_answer_is_made_again)
{
	struct saga__relay *relay = start(1, 0, 0);

	commit(relay, 1);
	ck_assert_uint_eq(send(relay, 0), 1);
	ck_assert(!saga__relay_sent(relay, 1, 11, true, 0));
	must_look(relay, 11, 0);
	ck_assert_int_eq(saga__relay_due(relay), AGAIN);
	must_look(relay, 11, AGAIN);
	ck_assert_int_eq(saga__relay_due(relay), 3 * AGAIN);
	saga__relay_again(relay);
	must_look(relay, 11, AGAIN);
	saga__relay_doubt(relay, false); /* the answer is of before */
	saga__relay_looked(relay, 11, id_of(1), false, AGAIN);
	ck_assert_uint_eq(saga__relay_unsent(relay), 1);
	answer(relay, AGAIN, 1, 1, 1, 1);
	ck_assert_uint_eq(send(relay, AGAIN), 1);
	ck_assert(!saga__relay_sent(relay, 1, 11, true, AGAIN));
	must_look(relay, 11, AGAIN);
	saga__relay_looked(relay, 11, id_of(1), false, AGAIN);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	ck_assert(saga__relay_due(relay) == INT64_MAX);
	saga__relay_free(relay);
}
END_TEST

START_TEST(looks_have_a_limit)
{
	static const struct saga__relay_config wide = { 100, 128, AGAIN, AGAIN_MOST, SETTLE };
	struct saga__relay_effect effect;
	struct saga__relay *relay;
	unsigned looks = 0;

	ck_assert_int_eq(saga__relay_new(&wide, &relay), SAGA_OK);
	saga__relay_start(relay, 1, 0, 0);
	for (uint64_t seq = 1; seq <= 100; seq++) {
		commit(relay, seq);
		ck_assert_uint_eq(send(relay, 0), seq);
	}
	for (uint64_t seq = 1; seq <= 100; seq++)
		ck_assert(!saga__relay_sent(relay, seq, seq, true, 0));
	for (; saga__relay_next(relay, 0, &effect); looks++)
		ck_assert_int_eq(effect.kind, SAGA__RELAY_LOOK);
	ck_assert_uint_eq(looks, SAGA__RELAY_LOOKS_MOST);
	for (uint64_t seq = 100; seq; seq--) {
		saga__relay_looked(relay, seq, id_of(seq), false, 0);
		while (saga__relay_next(relay, 0, &effect))
			looks++;
	}
	for (uint64_t seq = 100; seq; seq--)
		saga__relay_looked(relay, seq, id_of(seq), false, 0);
	ck_assert_uint_eq(looks, 100);
	ck_assert_uint_eq(saga__relay_unsent(relay), 0);
	saga__relay_free(relay);
}
END_TEST

/* It does not hold up the others; and is not settled before it is written down. */
START_TEST(what_is_refused_is_set_aside)
{
	struct saga__relay *relay = start(1, 0, 0);

	for (uint64_t seq = 1; seq <= 6; seq++)
		commit(relay, seq);
	for (uint64_t seq = 1; seq <= WINDOW; seq++)
		ck_assert_uint_eq(send(relay, 0), seq);
	ck_assert_ptr_nonnull(saga__relay_refused(relay, 1));
	ck_assert_ptr_null(saga__relay_refused(relay, 1));
	ck_assert_uint_eq(send(relay, 0), 5);
	for (uint64_t seq = 2; seq <= 5; seq++)
		(void)saga__relay_sent(relay, seq, seq, false, 0);
	ck_assert_uint_eq(saga__relay_unsent(relay), 6);
	ck_assert_uint_eq(send(relay, AGAIN), 6);
	ck_assert_uint_eq(send(relay, AGAIN), 0);
	saga__relay_set_aside(relay, 1, 1);
	ck_assert_uint_eq(saga__relay_unsent(relay), 1);
	saga__relay_free(relay);
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
	tcase_add_test(
		tcase, after_an_incident_what_is_not_settled_goes_again_and_the_lost_are_counted);
	tcase_add_test(tcase, what_is_settled_goes_again_only_to_another_stream);
	tcase_add_test(tcase, while_nobody_hears_of_the_broker_nothing_is_settled);
	tcase_add_test(tcase, each_double_that_is_not_where_the_broker_says_goes_again_as_none);
	tcase_add_test(tcase, a_participant_that_starts_anew_looks_at_doubles_too);
	tcase_add_test(tcase, a_double_whose_place_is_removed_counts_as_there);
	tcase_add_test(
		tcase, an_event_that_is_lost_time_and_again_is_stuck_and_sent_until_it_is_there);
	tcase_add_test(tcase, a_look_without_an_answer_is_made_again);
	tcase_add_test(tcase, looks_have_a_limit);
	tcase_add_test(tcase, a_place_that_does_not_rise_is_an_incident);
	tcase_add_test(tcase, what_is_refused_is_set_aside);
	tcase_add_test(tcase, impossible_sizes_are_misuse);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
