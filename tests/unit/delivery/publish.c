#include "delivery/publish.h"

#include "common.h"

enum {
	WINDOW = 8,
	RING = 16,
	BEAT_MIN = 10,
	BEAT_MAX = 80,
	ALIVE = 200,
	IDLE = 10 * BEAT_MAX
};

static const char *const both[] = { "stock", "payment", NULL };
static const char *const one[] = { "stock", NULL };
static struct saga__publish *publish;
static struct saga__publish_effect effect;

static void open_with(const char *const *followers)
{
	struct saga__publish_config config = { .name = "order",
		.stream = the_stream,
		.followers = followers,
		.window = WINDOW,
		.ring = RING,
		.beat_min_ms = BEAT_MIN,
		.beat_max_ms = BEAT_MAX,
		.alive_ms = ALIVE };

	saga__publish_free(publish);
	ck_assert_int_eq(saga__publish_new(&config, &publish), SAGA_OK);
}

static void setup(void)
{
	open_with(one);
}

static void teardown(void)
{
	saga__publish_free(publish);
	publish = NULL;
}

static bool next(int64_t now)
{
	return saga__publish_next(publish, now, &effect);
}

static void start(uint64_t first, uint64_t last, int64_t now)
{
	saga__publish_start(publish, first, last, id_of(last), now);
	ck_assert(next(now));
	ck_assert_int_eq(effect.message.kind, SAGA__BEAT);
	ck_assert_ptr_null(effect.to);
	ck_assert_uint_eq(effect.message.last, last);
	ck_assert(!next(now));
}

static void commit_one(uint64_t seq, int64_t now)
{
	struct saga__blob *blob = blob_of(seq);

	ck_assert_int_eq(saga__publish_committed(publish, seq, id_of(seq), blob, now), SAGA_OK);
	saga__blob_unref(blob);
}

static void commit(uint64_t from, uint64_t to, int64_t now)
{
	for (uint64_t seq = from; seq <= to; seq++)
		commit_one(seq, now);
}

static void seen_by(
	const char *who, uint32_t shard, uint32_t of, uint64_t upto, saga_id id, int64_t now)
{
	struct saga__message message = { .kind = SAGA__SEEN, .stream = the_stream };

	strcpy(message.from, who);
	message.shard = shard;
	message.of = of;
	message.last = upto;
	message.id = id;
	saga__publish_message(publish, &message, now);
}

static void seen(uint64_t upto, int64_t now)
{
	seen_by("stock", 0, 1, upto, id_of(upto), now);
}

static void need_by(const char *who, uint64_t from, uint64_t to, saga_id before, int64_t now)
{
	struct saga__message message = { .kind = SAGA__NEED, .stream = the_stream };

	strcpy(message.from, who);
	message.first = from;
	message.last = to;
	message.id = before;
	saga__publish_message(publish, &message, now);
}

static void need(uint64_t from, uint64_t to, int64_t now)
{
	need_by("stock", from, to, id_of(from - 1), now);
}

/* The next effects but beats: first..last sent to `to`, and nothing else. */
static void sends(const char *to, uint64_t first, uint64_t last, int64_t now)
{
	for (uint64_t seq = first; next(now);) {
		if (effect.kind == SAGA__PUBLISH_SEND && effect.message.kind == SAGA__BEAT)
			continue;
		ck_assert_int_eq(effect.kind, SAGA__PUBLISH_SEND);
		ck_assert_int_eq(effect.message.kind, SAGA__EVENT);
		ck_assert_uint_eq(effect.message.last, seq);
		ck_assert_uint_le(seq, last);
		ck_assert(same_id(effect.message.id, id_of(seq - 1)));
		ck_assert_mem_eq(effect.message.event.at, &seq, sizeof seq);
		ck_assert_str_eq(effect.message.from, "order");
		if (to)
			ck_assert_str_eq(effect.to, to);
		else
			ck_assert_ptr_null(effect.to);
		first = ++seq;
	}
	ck_assert_uint_eq(first, last + 1);
}

static void nothing(int64_t now)
{
	sends(NULL, 1, 0, now);
}

static void reads(uint64_t first, uint64_t last, int64_t now)
{
	do
		ck_assert(next(now));
	while (effect.kind == SAGA__PUBLISH_SEND && effect.message.kind == SAGA__BEAT);
	ck_assert_int_eq(effect.kind, SAGA__PUBLISH_READ);
	ck_assert_uint_eq(effect.first, first);
	ck_assert_uint_eq(effect.last, last);
	ck_assert(!next(now));
}

static void hand_over(int history, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct saga__blob *blob = blob_of(seq);

		saga__publish_read(
			publish, seq, id_in(history, seq - 1), id_in(history, seq), blob);
		saga__blob_unref(blob);
	}
}

static void says_gone(const char *to, uint64_t first, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.message.kind, SAGA__GONE);
	ck_assert_str_eq(effect.to, to);
	ck_assert_uint_eq(effect.message.first, first);
}

static void cries_fork(const char *whose, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.kind, SAGA__PUBLISH_FORK);
	ck_assert_str_eq(effect.to, whose);
	ck_assert_ptr_nonnull(strstr(effect.text, whose));
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
}

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
	need_by("another", 1, 2, no_id, 2);
	sends("another", 1, 2, 2);
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
	nothing(3); /* no answer, no second alarm */
	seen_by("stock", 1, 2, 4, id_in(2, 4), 4);
	nothing(4);
	seen_by("stock", 0, 2, 3, id_of(3), 5); /* skipped there, by an operator */
	need(4, 5, 5);
	nothing(5);
	seen_by("stock", 1, 2, 3, id_of(3), 5);
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 3);
	need(4, 5, 6);
	sends("stock", 4, 5, 6);
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
	tcase_add_test(tests, need_is_answered_from_memory);
	tcase_add_test(tests, hostile_need_is_bounded);
	tcase_add_test(tests, need_is_answered_from_the_outbox);
	tcase_add_test(tests, half_in_memory_half_in_the_outbox);
	tcase_add_test(tests, strangers_are_answered_one_at_a_time);
	tcase_add_test(tests, what_was_trimmed_is_gone);
	tcase_add_test(tests, trimmed_while_it_was_read);
	tcase_add_test(tests, trimmed_below_but_still_in_memory);
	tcase_add_test(tests, without_memory_it_is_read);
	tcase_add_test(tests, what_was_not_asked_for_is_ignored);
	tcase_add_test(tests, restart_goes_on_from_the_outbox);
	tcase_add_test(tests, another_instance_went_on);
	tcase_add_test(tests, a_gap_in_what_is_committed);
	tcase_add_test(tests, beats_back_off_and_come_back);
	tcase_add_test(tests, quiet_when_all_have_seen_all);
	tcase_add_test(tests, without_followers_all_have_seen);
	tcase_add_test(tests, fork_by_seen);
	tcase_add_test(tests, fork_by_need_in_memory);
	tcase_add_test(tests, fork_by_need_in_the_outbox);
	tcase_add_test(tests, fork_beyond_what_there_is);
	tcase_add_test(tests, a_fork_is_accepted_far_behind);
	tcase_add_test(tests, seen_is_verified_before_it_is_trimmed);
	tcase_add_test(tests, old_seen_of_another_history);
	tcase_add_test(tests, numbers_may_be_huge);
	tcase_add_test(tests, nothing_is_sent_twice_without_loss);
	return run_suite("delivery publish", tests);
}
