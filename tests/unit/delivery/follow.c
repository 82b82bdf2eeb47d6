#include "delivery/follow.h"

#include "common.h"

enum {
	WINDOW = 8,
	NEED_MIN = 10,
	NEED_MAX = 100,
	MOVE = 50
};

static struct saga__follow *follow;
static struct saga__follow_effect effect;
static uint32_t noise;

static void fill_random(void *context, void *buffer, size_t size)
{
	unsigned char *at = buffer;

	(void)context;
	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)((noise = noise * 1664525u + 1013904223u) >> 24);
}

static const struct saga_env env = { .random = fill_random };

static const struct saga__follow_config usual = { .group = "stock",
	.owner = "order",
	.stream = { { { 7, 7, 7 } }, 3 },
	.window = WINDOW,
	.need_min_ms = NEED_MIN,
	.need_max_ms = NEED_MAX,
	.move_ms = MOVE,
	.move_most_ms = 2 * MOVE,
	.env = &env };

static bool next(int64_t now)
{
	return saga__follow_next(follow, now, &effect);
}

static bool next_is(int kind, int64_t now)
{
	return next(now) && effect.kind == SAGA__FOLLOW_SEND && effect.message.kind == kind;
}

static void says_seen(uint32_t shard, uint64_t upto, int64_t now)
{
	ck_assert(next_is(SAGA__SEEN, now));
	ck_assert_uint_eq(effect.message.shard, shard);
	ck_assert_uint_eq(effect.message.last, upto);
	ck_assert_str_eq(effect.message.from, "stock");
	ck_assert(saga__stream_same(&effect.message.stream, &the_stream));
}

static void open_at(const struct saga__position *positions, uint32_t shards, bool fresh)
{
	struct saga__follow_config config = usual;

	config.positions = positions;
	config.shards = shards;
	config.fresh = fresh;
	saga__follow_free(follow);
	ck_assert_int_eq(saga__follow_new(&config, &follow), SAGA_OK);
	for (uint32_t i = 0; i < shards; i++) {
		says_seen(i, positions[i].seq, 0);
		ck_assert_uint_eq(effect.message.of, shards);
		ck_assert(same_id(effect.message.id, positions[i].id));
	}
}

/* What an operator ordered, for all of its shards. */
static void go_on_behind(uint64_t seq, saga_id id)
{
	const struct saga__position at = { seq, id };

	saga__follow_restart(
		follow, (const struct saga__position[]){ at, at, at, at }, NULL, false);
}

static void open_one(uint64_t seq)
{
	struct saga__position position = { seq, id_of(seq) };

	open_at(&position, 1, false);
	ck_assert(!next(0));
}

static void setup(void)
{
	open_one(0);
}

static void teardown(void)
{
	saga__follow_free(follow);
	follow = NULL;
}

static void message(int kind, uint64_t first, uint64_t last, saga_id id, saga_id own, int64_t now)
{
	struct saga__message message = { .kind = kind, .from = "order", .stream = the_stream };

	message.first = first;
	message.last = last;
	message.id = id;
	if (kind == SAGA__EVENT)
		message.event = (saga_bytes){ &last, sizeof last };
	saga__follow_message(follow, &message, own, now);
}

static void event_in(int history, uint64_t seq, int64_t now)
{
	message(SAGA__EVENT, 0, seq, id_in(history, seq - 1), id_in(history, seq), now);
}

static void events(uint64_t from, uint64_t to, int64_t now)
{
	for (uint64_t seq = from; seq <= to; seq++)
		event_in(1, seq, now);
}

static void beat(uint64_t first, uint64_t last, int64_t now)
{
	message(SAGA__BEAT, first, last, id_of(last), no_id, now);
}

static void gone(uint64_t first, int64_t now)
{
	message(SAGA__GONE, first, 0, no_id, no_id, now);
}

static void delivers(uint64_t from, uint64_t to, int64_t now)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		ck_assert(next(now));
		ck_assert_int_eq(effect.kind, SAGA__FOLLOW_DELIVER);
		ck_assert_uint_eq(effect.seq, seq);
		ck_assert(same_id(effect.id, id_of(seq)));
		ck_assert_mem_eq(effect.event->at, &seq, sizeof seq);
		saga__blob_unref(effect.event);
	}
}

static void asks(uint64_t from, uint64_t to, int64_t now)
{
	ck_assert(next_is(SAGA__NEED, now));
	ck_assert_uint_eq(effect.message.first, from);
	ck_assert_uint_eq(effect.message.last, to);
	ck_assert(same_id(effect.message.id, id_of(from - 1)));
}

static void moves(uint32_t shard, uint64_t seq, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_MOVE);
	ck_assert_uint_eq(effect.shard, shard);
	ck_assert_uint_eq(effect.seq, seq);
	ck_assert(same_id(effect.id, id_of(seq)));
}

static void commit(uint32_t shard, uint64_t seq)
{
	saga__follow_committed(follow, shard, seq, id_of(seq));
}

static void cries_fork(int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_FORK);
	ck_assert_ptr_nonnull(strstr(effect.text, "order"));
	ck_assert(saga__follow_stopped(follow));
}

/* The owner is told what we have; then all is still. */
static void shows_fork(uint64_t joined, uint32_t shards, int64_t now)
{
	for (uint32_t i = 0; i < shards; i++)
		ck_assert(next_is(SAGA__SEEN, now));
	ck_assert(next_is(SAGA__NEED, now));
	ck_assert_uint_eq(effect.message.first, joined + 1);
	ck_assert(!next(now));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX);
}

START_TEST(nonsense_is_misuse)
{
	struct saga__position position = { SAGA__SEQ_MOST + 1, no_id };
	struct saga__follow_config config = usual;
	struct saga__follow *none = NULL;

	config.positions = &position;
	config.shards = 1;
	ck_assert_int_eq(saga__follow_new(&config, &none), SAGA_MISUSE);
	position.seq = 0;
	config.shards = 0;
	ck_assert_int_eq(saga__follow_new(&config, &none), SAGA_MISUSE);
	config.shards = SAGA__SHARDS_MOST + 1;
	ck_assert_int_eq(saga__follow_new(&config, &none), SAGA_MISUSE);
	config.shards = 1;
	config.window = 0;
	ck_assert_int_eq(saga__follow_new(&config, &none), SAGA_MISUSE);
	config.window = 1;
	config.owner = "";
	ck_assert_int_eq(saga__follow_new(&config, &none), SAGA_MISUSE);
	ck_assert_ptr_null(none);
	saga__follow_free(NULL);
}
END_TEST

START_TEST(in_order_once)
{
	events(1, 3, 0);
	events(2, 3, 0);
	delivers(1, 3, 0);
	events(1, 4, 1);
	delivers(4, 4, 1);
	moves(0, 4, 1);
	ck_assert(!next(1));
	ck_assert_uint_eq(saga__follow_counted(follow).doubled, 5);
	ck_assert_uint_eq(saga__follow_delivered(follow), 4);
}
END_TEST

START_TEST(reordered_is_put_in_order)
{
	events(3, 3, 0);
	events(2, 2, 0);
	ck_assert(!next(0));
	events(1, 1, NEED_MIN - 1); /* in time: nothing was asked for */
	delivers(1, 3, NEED_MIN - 1);
	ck_assert(!next(NEED_MIN));
	ck_assert_uint_eq(saga__follow_counted(follow).needs, 0);
	ck_assert_uint_eq(saga__follow_counted(follow).gaps, 1);
}
END_TEST

START_TEST(a_gap_asks_for_what_is_missing_alone)
{
	events(1, 2, 0);
	events(5, 5, 0);
	events(8, 8, 0);
	delivers(1, 2, 0);
	ck_assert(!next(0));
	ck_assert_int_eq(saga__follow_due(follow), NEED_MIN);
	asks(3, 4, NEED_MIN);
	ck_assert(!next(NEED_MIN));
	events(3, 4, 12);
	delivers(3, 5, 12);
	moves(0, 5, 12);
	asks(6, 7, 12); /* what was asked for came: at once */
	events(6, 7, 13);
	delivers(6, 8, 13);
	ck_assert(!next(13));
	ck_assert_int_eq(saga__follow_due(follow), 13 + MOVE);
}
END_TEST

START_TEST(at_most_a_window_is_asked_for)
{
	beat(1, 1000, 0);
	ck_assert(!next(0)); /* SEEN went out just now */
	asks(1, WINDOW, NEED_MIN);
	ck_assert_uint_eq(saga__follow_lag(follow), 1000);
	events(1, WINDOW, 12);
	delivers(1, WINDOW, 12);
}
END_TEST

START_TEST(need_backs_off_with_jitter_and_comes_back)
{
	int64_t now = NEED_MIN, cap = NEED_MIN;
	bool varied = false;

	beat(1, 3, 0);
	ck_assert(!next(0));
	for (int i = 0; i < 40; i++) {
		int64_t due;

		asks(1, 3, now);
		cap = cap * 2 < NEED_MAX ? cap * 2 : NEED_MAX;
		due = saga__follow_due(follow);
		ck_assert_int_ge(due, now + NEED_MIN);
		ck_assert_int_le(due, now + cap);
		varied = varied || (i > 10 && due != now + cap);
		ck_assert(!next(due - 1));
		now = due;
	}
	ck_assert(varied);
	events(1, 1, now);
	delivers(1, 1, now);
	ck_assert(!next(now));
	ck_assert_int_eq(saga__follow_due(follow), now + NEED_MIN); /* progress */
}
END_TEST

START_TEST(a_window_that_comes_head_last)
{
	beat(1, 100, 0);
	ck_assert(!next(0));
	asks(1, WINDOW, NEED_MIN);
	events(2, WINDOW, 11);
	asks(1, 1, saga__follow_due(follow));
	events(1, 1, 50);
	delivers(1, WINDOW, 50);
	moves(0, WINDOW, 50);
	asks(WINDOW + 1, 2 * WINDOW, 50); /* the back-off is over */
}
END_TEST

START_TEST(what_is_too_far_ahead_is_forgotten)
{
	events(WINDOW + 1, WINDOW + 3, 0);
	ck_assert_uint_eq(saga__follow_counted(follow).forgotten, 3);
	ck_assert(!next(0));
	asks(1, WINDOW, NEED_MIN);
	events(1, 2, 11);
	events(WINDOW + 1, WINDOW + 1, 11);
	delivers(1, 2, 11);
	events(WINDOW + 2, WINDOW + 3, 11);
	ck_assert_uint_eq(saga__follow_counted(follow).forgotten, 5);
	ck_assert_uint_eq(saga__follow_lag(follow), WINDOW + 3);
}
END_TEST

START_TEST(huge_numbers_do_no_harm)
{
	event_in(1, SAGA__SEQ_MOST, 0);
	event_in(1, UINT64_MAX, 0);
	event_in(1, 0, 0);
	beat(UINT64_MAX, UINT64_MAX, 0);
	gone(UINT64_MAX, 0);
	ck_assert(!next(0));
	asks(1, WINDOW, NEED_MIN);
	ck_assert(!saga__follow_stopped(follow));
	open_one(SAGA__SEQ_MOST - 2);
	events(SAGA__SEQ_MOST - 1, SAGA__SEQ_MOST, 1);
	delivers(SAGA__SEQ_MOST - 1, SAGA__SEQ_MOST, 1);
	ck_assert(!next(NEED_MIN));
}
END_TEST

START_TEST(others_are_ignored)
{
	struct saga__message other = { .kind = SAGA__EVENT, .from = "order", .stream = the_stream };

	other.last = 1;
	other.stream.shard = 4;
	saga__follow_message(follow, &other, id_of(1), 0);
	other.stream = the_stream;
	strcpy(other.from, "mail");
	saga__follow_message(follow, &other, id_of(1), 0);
	strcpy(other.from, "order");
	other.kind = SAGA__NEED;
	saga__follow_message(follow, &other, id_of(1), 0);
	ck_assert(!next(0));
	ck_assert_uint_eq(saga__follow_lag(follow), 0);
}
END_TEST

START_TEST(joins_late)
{
	struct saga__position nothing = { 0, no_id };

	open_at(&nothing, 1, true);
	events(45, 45, 0); /* far beyond the window */
	ck_assert(!next(0));
	asks(1, WINDOW, NEED_MIN);
	gone(40, 11);
	ck_assert(!saga__follow_stopped(follow));
	ck_assert(!next(11));
	ck_assert(next(11 + NEED_MAX));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_MOVE);
	ck_assert_uint_eq(effect.seq, 39);
	ck_assert(next_is(SAGA__NEED, 11 + NEED_MAX));
	ck_assert_uint_eq(effect.message.first, 40);
	ck_assert_uint_eq(effect.message.last, 45);
	ck_assert(same_id(effect.message.id, no_id));
}
END_TEST

START_TEST(a_fresh_start_moves_with_the_beat)
{
	struct saga__position nothing[2] = { { 0, no_id }, { 0, no_id } };

	open_at(nothing, 2, true);
	beat(40, 41, 0);
	events(40, 41, 1);
	delivers(40, 41, 1);
	moves(0, 41, 1); /* far behind */
	moves(1, 41, 1);
	ck_assert(!next(1));
	gone(50, 2); /* no longer fresh */
	ck_assert(next(2));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_GONE);
}
END_TEST

START_TEST(a_fresh_start_with_nothing_left)
{
	struct saga__position nothing = { 0, no_id };

	open_at(&nothing, 1, true);
	beat(41, 40, 0); /* all trimmed */
	ck_assert(!next(0));
	moves(0, 40, MOVE);
	commit(0, 40);
	saga__follow_flush(follow);
	says_seen(0, 40, MOVE);
	events(41, 41, MOVE);
	delivers(41, 41, MOVE);
}
END_TEST

START_TEST(gone_is_an_alarm)
{
	open_one(9);
	beat(30, 60, 0);
	ck_assert(!saga__follow_stopped(follow)); /* it may be in memory there */
	ck_assert(!next(0));
	asks(10, 10 + WINDOW - 1, NEED_MIN);
	gone(10, 11); /* an old one */
	ck_assert(!next(11));
	gone(30, 12);
	ck_assert(saga__follow_stopped(follow));
	ck_assert(next(12));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_GONE);
	ck_assert_uint_eq(effect.wanted, 10);
	ck_assert_uint_eq(effect.first, 30);
	events(10, 12, 13);
	beat(30, 60, 1000);
	ck_assert(!next(1000)); /* silent: holds back nobody */
	go_on_behind(29, no_id);
	ck_assert(!saga__follow_stopped(follow));
	says_seen(0, 29, 1000);
	events(30, 31, 1001);
	delivers(30, 31, 1001);
}
END_TEST

/* To a host that can't send: what came, and no more; the rest waits. */
START_TEST(a_quiet_host_is_delivered_to)
{
	events(1, 4, 0);
	events(6, 6, 0);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		ck_assert(saga__follow_next_quiet(follow, 0, &effect));
		ck_assert_int_eq(effect.kind, SAGA__FOLLOW_DELIVER);
		ck_assert_uint_eq(effect.seq, seq);
		saga__blob_unref(effect.event);
	}
	ck_assert(saga__follow_next_quiet(follow, 0, &effect)); /* half a window */
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_MOVE);
	commit(0, 4);
	saga__follow_flush(follow);
	ck_assert(!saga__follow_next_quiet(follow, 1000, &effect));
	saga__follow_hold(follow, true);
	ck_assert_int_eq(saga__follow_due_quiet(follow), INT64_MAX);
	saga__follow_hold(follow, false);
	says_seen(0, 4, 1000);
	ck_assert(!next(1000)); /* the wait for what is missing begins with the word */
	asks(5, 5, saga__follow_due(follow));
}
END_TEST

START_TEST(a_quiet_host_hears_alarms_and_its_clock)
{
	events(1, 1, 0);
	delivers(1, 1, 0);
	ck_assert(!saga__follow_next_quiet(follow, 0, &effect));
	ck_assert_int_eq(saga__follow_due_quiet(follow), MOVE);
	gone(30, 1);
	ck_assert(saga__follow_next_quiet(follow, 1, &effect));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_GONE);
	ck_assert_int_eq(saga__follow_due_quiet(follow), INT64_MAX);
}
END_TEST

/* An operator accepts a fork: from the oldest that there is, as if never followed. */
START_TEST(accepted_forks_are_read_again)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	commit(0, 3);
	event_in(2, 2, 1);
	cries_fork(1);
	go_on_behind(0, no_id);
	ck_assert(!saga__follow_stopped(follow));
	says_seen(0, 0, 2);
	gone(2, 3); /* what there was before is trimmed: no alarm */
	events(2, 3, 3);
	ck_assert(next(3));
	ck_assert_int_eq(effect.kind, SAGA__FOLLOW_DELIVER);
	ck_assert_uint_eq(effect.seq, 2);
	saga__blob_unref(effect.event);
	delivers(3, 3, 3);
}
END_TEST

START_TEST(a_fork_that_is_known_stays_one)
{
	struct saga__follow_config config = usual;
	struct saga__position position = { 5, id_of(5) };

	config.positions = &position;
	config.shards = 1;
	config.forked = true;
	saga__follow_free(follow);
	ck_assert_int_eq(saga__follow_new(&config, &follow), SAGA_OK);
	cries_fork(0);
	shows_fork(5, 1, 0);
	events(6, 7, 1);
	ck_assert(!next(1000));
	go_on_behind(5, no_id);
	says_seen(0, 5, 2000);
	events(6, 7, 2001);
	delivers(6, 7, 2001);
}
END_TEST

/* Its shards stand before the fork: what it reads contradicts nothing. */
START_TEST(a_fork_that_another_found_stops_this_one)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	saga__follow_fork(follow);
	cries_fork(1);
	shows_fork(3, 1, 1);
	events(4, 5, 2);
	ck_assert(!next(1000));
	saga__follow_fork(follow);
	ck_assert(!next(1001)); /* once */
	go_on_behind(0, no_id);
	ck_assert(!saga__follow_stopped(follow));
}
END_TEST

START_TEST(lag_is_what_is_known_and_not_committed)
{
	struct saga__position positions[2] = { { 5, id_of(5) }, { 2, id_of(2) } };

	ck_assert_uint_eq(saga__follow_lag(follow), 0);
	beat(1, 6, 0);
	ck_assert_uint_eq(saga__follow_lag(follow), 6);
	events(1, 2, 0);
	commit(0, 2);
	ck_assert_uint_eq(saga__follow_lag(follow), 4);
	open_at(positions, 2, false);
	ck_assert_uint_eq(saga__follow_lag(follow), 3);
}
END_TEST

START_TEST(restarts_behind_the_least)
{
	struct saga__position positions[2] = { { 5, id_of(5) }, { 2, id_of(2) } };

	open_at(positions, 2, false);
	ck_assert(!next(0));
	asks(3, 5, NEED_MIN); /* without a word from the owner */
	events(3, 6, 11);
	delivers(3, 6, 11);
	commit(0, 4); /* behind: nothing */
	commit(7, 4); /* no such shard */
	commit(1, 6);
	says_seen(1, 6, 12);
	ck_assert(!next(12));
	saga__follow_flush(follow);
	ck_assert(!next(12));
	commit(0, 6);
	saga__follow_flush(follow);
	says_seen(0, 6, 13);
}
END_TEST

START_TEST(seen_is_what_is_committed)
{
	events(1, 6, 0);
	delivers(1, 6, 0);
	moves(0, 6, 0);
	saga__follow_flush(follow);
	beat(1, 6, 1);
	ck_assert(!next(1));
	commit(0, 3); /* less than half a window */
	ck_assert(!next(2));
	commit(0, 4);
	says_seen(0, 4, 2);
	ck_assert(same_id(effect.message.id, id_of(4)));
	commit(0, 5);
	ck_assert(!next(3));
	saga__follow_flush(follow);
	says_seen(0, 5, 3);
	saga__follow_flush(follow);
	ck_assert(!next(3));
	beat(1, 6, 4); /* it crossed our SEEN */
	ck_assert(!next(4));
	beat(1, 6, 3 + NEED_MIN);
	beat(1, 6, 3 + NEED_MIN);
	says_seen(0, 5, 3 + NEED_MIN);
	ck_assert(!next(3 + NEED_MIN));
}
END_TEST

START_TEST(what_holds_nothing_for_us_is_moved_over)
{
	struct saga__position positions[3] = { { 0, no_id }, { 0, no_id }, { 0, no_id } };

	open_at(positions, 3, false);
	events(1, 3, 0);
	delivers(1, 3, 0);
	ck_assert(!next(0));
	ck_assert_int_eq(saga__follow_due(follow), MOVE);
	commit(1, 3); /* this one had something */
	ck_assert(!next(MOVE - 1));
	moves(0, 3, MOVE);
	moves(2, 3, MOVE);
	ck_assert(!next(MOVE));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX); /* asked once */
	events(4, 7, MOVE);
	delivers(4, 7, MOVE); /* half a window more: not by time */
	for (uint32_t i = 0; i < 3; i++)
		moves(i, 7, MOVE);
	ck_assert(!next(MOVE));
	for (uint32_t i = 0; i < 3; i++) {
		commit(i, 7);
		says_seen(i, 7, MOVE + 1);
	}
	ck_assert(!next(10 * MOVE));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX);
}
END_TEST

/* While events come their commits move what they are for, and the others can wait. */
START_TEST(what_holds_nothing_for_us_is_moved_over_when_it_is_quiet)
{
	struct saga__position positions[2] = { { 0, no_id }, { 0, no_id } };

	open_at(positions, 2, false);
	events(1, 1, 0);
	delivers(1, 1, 0);
	events(2, 2, MOVE - 1);
	delivers(2, 2, MOVE - 1);
	commit(1, 2);
	ck_assert(!next(MOVE));
	ck_assert_int_eq(saga__follow_due(follow), 2 * MOVE - 1);
	moves(0, 2, 2 * MOVE - 1);
	ck_assert(!next(2 * MOVE - 1));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX);
}
END_TEST

START_TEST(what_never_is_quiet_is_moved_over_too)
{
	struct saga__position positions[2] = { { 0, no_id }, { 0, no_id } };
	int64_t now = 0;

	open_at(positions, 2, false);
	for (uint64_t seq = 1; seq <= 3; seq++, now += MOVE - 1) {
		events(seq, seq, now);
		delivers(seq, seq, now);
		commit(1, seq);
		ck_assert(!next(now));
	}
	ck_assert_int_eq(saga__follow_due(follow), 2 * MOVE);
	ck_assert(!next(2 * MOVE - 1));
	moves(0, 3, 2 * MOVE);
	ck_assert(!next(2 * MOVE));
}
END_TEST

START_TEST(held_back)
{
	events(1, 2, 0);
	saga__follow_hold(follow, true);
	ck_assert(!next(0));
	events(3, WINDOW + 2, 1);
	ck_assert(!next(1));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX); /* no room to ask for more */
	ck_assert_uint_eq(saga__follow_counted(follow).forgotten, 2);
	saga__follow_hold(follow, false);
	delivers(1, WINDOW, 500);
	moves(0, WINDOW, 500);
	ck_assert(!next(500));
	asks(WINDOW + 1, WINDOW + 2, 500 + NEED_MIN);
}
END_TEST

START_TEST(positions_wait_for_room_too)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	saga__follow_hold(follow, true);
	ck_assert(!next(MOVE));
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX);
	saga__follow_hold(follow, false);
	ck_assert_int_eq(saga__follow_due(follow), MOVE);
	moves(0, 3, 2 * MOVE);
	ck_assert(!next(2 * MOVE));
}
END_TEST

START_TEST(fork_by_predecessor)
{
	events(1, 2, 0);
	delivers(1, 2, 0);
	event_in(2, 3, 1);
	cries_fork(1);
	shows_fork(2, 1, 1);
	events(3, 3, 2);
	ck_assert(!next(1000));
	beat(1, 3, 1000);
	asks(3, 3, 1000);
	ck_assert(!next(1000));
	go_on_behind(1, id_of(1)); /* the operator: read again from there */
	says_seen(0, 1, 2000);
	event_in(1, 2, 2001);
	delivers(2, 2, 2001);
}
END_TEST

START_TEST(fork_by_an_event_that_we_have)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	event_in(2, 2, 1);
	cries_fork(1);
	shows_fork(3, 1, 1);
}
END_TEST

START_TEST(fork_by_an_event_that_is_kept)
{
	events(3, 3, 0);
	event_in(2, 3, 1);
	cries_fork(1);
}
END_TEST

START_TEST(fork_by_beat)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	message(SAGA__BEAT, 1, 3, id_in(2, 3), no_id, 1);
	cries_fork(1);
	open_one(50); /* a position alone tells as well */
	message(SAGA__BEAT, 1, 50, id_in(2, 50), no_id, 1);
	cries_fork(1);
}
END_TEST

START_TEST(a_late_beat_is_no_fork)
{
	events(1, 6, 0);
	delivers(1, 6, 0);
	moves(0, 6, 0);
	commit(0, 6);
	says_seen(0, 6, 0);
	beat(1, 2, 1);
	beat(1, 0, 1);
	ck_assert(!next(1));
	beat(1, 2, 20);
	says_seen(0, 6, 20); /* the owner can tell */
	ck_assert(!saga__follow_stopped(follow));
}
END_TEST

static void fork_at(uint64_t seq, saga_id id, int64_t now)
{
	message(SAGA__FORK, 0, seq, id, no_id, now);
}

/* A store that was set back: its new events would be taken for old ones. */
START_TEST(fork_by_the_owners_word)
{
	events(1, 6, 0);
	delivers(1, 6, 0);
	moves(0, 6, 0);
	commit(0, 6);
	beat(1, 3, 1000);
	says_seen(0, 6, 1000);
	fork_at(6, id_of(6), 1001);
	cries_fork(1001);
	open_one(50); /* the shard has committed it, and it was not delivered here */
	fork_at(50, id_of(50), 1);
	cries_fork(1);
}
END_TEST

/* What it denies we don't have: it was said to us before an operator accepted another history. */
START_TEST(no_fork_by_a_word_on_another_history)
{
	events(1, 6, 0);
	delivers(1, 6, 0);
	moves(0, 6, 0);
	commit(0, 6);
	fork_at(6, id_in(2, 6), 1);
	fork_at(60, id_of(60), 1);
	fork_at(0, no_id, 1);
	ck_assert(!saga__follow_stopped(follow));
}
END_TEST

/* Another instance of the owner, which stands behind, may be all that is heard in a partition. */
START_TEST(no_fork_by_late_beats_alone)
{
	events(1, 6, 0);
	delivers(1, 6, 0);
	moves(0, 6, 0);
	commit(0, 6);
	for (int64_t now = 1000; now <= 3600000; now += 2000) {
		beat(1, 3, now);
		says_seen(0, 6, now);
	}
	ck_assert(!saga__follow_stopped(follow));
}
END_TEST

START_TEST(fork_by_a_position_ahead)
{
	struct saga__position positions[2] = { { 1, id_of(1) }, { 3, id_in(2, 3) } };

	open_at(positions, 2, false);
	events(2, 4, 0);
	cries_fork(0);
	shows_fork(2, 2, 0);
}
END_TEST

START_TEST(shards_that_disagree)
{
	struct saga__position positions[2] = { { 2, id_of(2) }, { 2, id_in(2, 2) } };
	struct saga__follow_config config = usual;

	config.positions = positions;
	config.shards = 2;
	saga__follow_free(follow);
	ck_assert_int_eq(saga__follow_new(&config, &follow), SAGA_OK);
	cries_fork(0);
}
END_TEST

START_TEST(fork_where_a_fresh_start_moves_to)
{
	struct saga__position nothing = { 0, no_id };

	open_at(&nothing, 1, true);
	event_in(1, 3, 0);
	event_in(2, 4, 0);
	beat(3, 5, 0);
	cries_fork(0);
	shows_fork(3, 1, 0);
}
END_TEST

START_TEST(nothing_wakes_it_when_idle)
{
	events(1, 3, 0);
	delivers(1, 3, 0);
	commit(0, 3);
	saga__follow_flush(follow);
	says_seen(0, 3, 1);
	ck_assert(!next(MOVE)); /* looks once whether there is something to move */
	ck_assert_int_eq(saga__follow_due(follow), INT64_MAX);
}
END_TEST

START_TEST(many_shards)
{
	enum {
		MANY = SAGA__SHARDS_MOST
	};
	struct saga__position *positions = calloc(MANY, sizeof *positions);

	open_at(positions, MANY, false);
	free(positions);
	events(1, 8, 0);
	delivers(1, 8, 0);
	for (uint32_t i = 0; i < MANY; i++)
		moves(i, 8, 0);
	for (uint32_t i = 0; i < MANY; i++)
		commit(i, 8);
	for (uint32_t i = 0; i < MANY; i++)
		says_seen(i, 8, 1);
	ck_assert(!next(1));
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("follow");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nonsense_is_misuse);
	tcase_add_test(tests, in_order_once);
	tcase_add_test(tests, reordered_is_put_in_order);
	tcase_add_test(tests, a_gap_asks_for_what_is_missing_alone);
	tcase_add_test(tests, at_most_a_window_is_asked_for);
	tcase_add_test(tests, need_backs_off_with_jitter_and_comes_back);
	tcase_add_test(tests, a_window_that_comes_head_last);
	tcase_add_test(tests, what_is_too_far_ahead_is_forgotten);
	tcase_add_test(tests, huge_numbers_do_no_harm);
	tcase_add_test(tests, others_are_ignored);
	tcase_add_test(tests, joins_late);
	tcase_add_test(tests, a_fresh_start_moves_with_the_beat);
	tcase_add_test(tests, a_fresh_start_with_nothing_left);
	tcase_add_test(tests, gone_is_an_alarm);
	tcase_add_test(tests, a_quiet_host_is_delivered_to);
	tcase_add_test(tests, a_quiet_host_hears_alarms_and_its_clock);
	tcase_add_test(tests, accepted_forks_are_read_again);
	tcase_add_test(tests, a_fork_that_is_known_stays_one);
	tcase_add_test(tests, a_fork_that_another_found_stops_this_one);
	tcase_add_test(tests, lag_is_what_is_known_and_not_committed);
	tcase_add_test(tests, restarts_behind_the_least);
	tcase_add_test(tests, seen_is_what_is_committed);
	tcase_add_test(tests, what_holds_nothing_for_us_is_moved_over);
	tcase_add_test(tests, what_holds_nothing_for_us_is_moved_over_when_it_is_quiet);
	tcase_add_test(tests, what_never_is_quiet_is_moved_over_too);
	tcase_add_test(tests, held_back);
	tcase_add_test(tests, positions_wait_for_room_too);
	tcase_add_test(tests, fork_by_predecessor);
	tcase_add_test(tests, fork_by_an_event_that_we_have);
	tcase_add_test(tests, fork_by_an_event_that_is_kept);
	tcase_add_test(tests, fork_by_beat);
	tcase_add_test(tests, a_late_beat_is_no_fork);
	tcase_add_test(tests, fork_by_the_owners_word);
	tcase_add_test(tests, no_fork_by_a_word_on_another_history);
	tcase_add_test(tests, no_fork_by_late_beats_alone);
	tcase_add_test(tests, fork_by_a_position_ahead);
	tcase_add_test(tests, fork_where_a_fresh_start_moves_to);
	tcase_add_test(tests, shards_that_disagree);
	tcase_add_test(tests, nothing_wakes_it_when_idle);
	tcase_add_test(tests, many_shards);
	return run_suite("delivery follow", tests);
}
