/* Streams that have stopped, and orders for them: their rows, and what is no such row. */

#include "stores/journal_halts.h"

#include "desk.h"

static const struct saga__source source = {
	.stream = { { { 1, 0x90, 0xf3, 0xc2, 0, 0, 0x70, 0, 0x80, 7 } }, 3 }, .owner = "order"
};

static void check_same(const struct saga__halt *a, const struct saga__halt *b)
{
	ck_assert(saga__stream_same(&a->source.stream, &b->source.stream));
	ck_assert_str_eq(a->source.owner, b->source.owner);
	ck_assert_int_eq(a->why, b->why);
	ck_assert_uint_eq(a->upto, b->upto);
	ck_assert_uint_eq(a->first, b->first);
	ck_assert_int_eq(a->at, b->at);
	ck_assert_int_eq(a->order, b->order);
	ck_assert_uint_eq(a->to, b->to);
}

START_TEST(what_is_written_is_read)
{
	const struct saga__halt halts[] = {
		{ source, SAGA__HALT_GONE, 11, 20, 1700000000000, SAGA__ORDER_SKIP, 19, 0 },
		{ source, SAGA__HALT_FORKED, 0, 0, 1, SAGA__ORDER_ACCEPT, 0, 0 },
		{ source, SAGA__HALT_GONE, SAGA__SEQ_MOST, SAGA__SEQ_MOST, INT64_MAX,
			SAGA__ORDER_SKIP, SAGA__SEQ_MOST, 0 },
	};
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];

	for (size_t i = 0; i < sizeof halts / sizeof halts[0]; i++) {
		const struct saga__stream *stream = &halts[i].source.stream;
		struct saga__halt read = { .why = SAGA__HALT_NONE };

		ck_assert(saga__halt_read(saga__halt_name(stream, false, name),
			saga__halt_text(&halts[i], text), &read));
		ck_assert_int_eq(read.order, SAGA__ORDER_NONE);
		ck_assert(saga__halt_read(saga__halt_name(stream, true, name),
			saga__order_text(&halts[i], text), &read));
		check_same(&read, &halts[i]);
	}
}
END_TEST

#define ID "0190f3c2-0000-7000-8007-000000000000"

START_TEST(what_is_no_row_is_left)
{
	static const char *const wrong[][2] = {
		{ "stream", "gone order upto=1 first=2 at=3" },
		{ "streams " ID "/3", "gone order upto=1 first=2 at=3" },
		{ "stream " ID, "gone order upto=1 first=2 at=3" },
		{ "stream " ID "/", "gone order upto=1 first=2 at=3" },
		{ "stream " ID "/3x", "gone order upto=1 first=2 at=3" },
		{ "stream " ID "/-3", "gone order upto=1 first=2 at=3" },
		{ "stream " ID "/4096", "gone order upto=1 first=2 at=3" },
		{ "stream 0190f3c2/3", "gone order upto=1 first=2 at=3" },
		{ "stream " ID "/3", "" },
		{ "stream " ID "/3", "mislaid order upto=1 first=2 at=3" },
		{ "stream " ID "/3", "gone  upto=1 first=2 at=3" },
		{ "stream " ID "/3", "gone order upto=1 first=2" },
		{ "stream " ID "/3", "gone order upto=1 first=2 at=3 more" },
		{ "stream " ID "/3", "gone order upto= 1 first=2 at=3" },
		{ "stream " ID "/3", "gone order upto=-1 first=2 at=3" },
		{ "stream " ID "/3", "gone order upto=9223372036854775808 first=2 at=3" },
		{ "stream " ID "/3", "gone a2345678901234567890123456789012 upto=1 first=2 at=3" },
		{ "stream! " ID "/3", "gone order upto=1 first=2 at=3" },
		{ "stream! " ID "/3", "skip" },
		{ "stream! " ID "/3", "skip to=0" },
		{ "stream! " ID "/3", "skip to=1 " },
		{ "stream! " ID "/3", "accepted" },
	};
	struct saga__halt read = { .why = SAGA__HALT_NONE }, before = read;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		ck_assert_msg(!saga__halt_read(wrong[i][0], wrong[i][1], &read), "`%s` `%s`",
			wrong[i][0], wrong[i][1]);
		check_same(&read, &before);
	}
	ck_assert(saga__halt_read("stream " ID "/3", "gone order upto=1 first=2 at=3", &read));
}
END_TEST

START_TEST(the_store_keeps_them)
{
	struct desk *desk = desk_opened(true);
	struct saga__halt halt = { source, SAGA__HALT_GONE, 11, 20, 5, SAGA__ORDER_NONE, 0, 0 };
	struct saga__halt found[4];
	saga_error error;
	size_t count = 9;
	bool is_void = true;

	OK(saga__journal_halts(&desk->journal, found, 4, &count, &error), error);
	ck_assert_uint_eq(count, 0);
	OK(saga__journal_halt(&desk->journal, &halt, &is_void, &error), error);
	halt.why = SAGA__HALT_FORKED;
	OK(saga__journal_halt(&desk->journal, &halt, &is_void, &error), error);
	desk_sql(desk,
		"INSERT INTO saga_meta (name, value) VALUES"
		" ('stream! " ID "/3', 'accept'), ('stream! " ID "/4', 'skip to=7'),"
		" ('stream of words', 'x')");
	OK(saga__journal_halts(&desk->journal, found, 4, &count, &error), error);
	ck_assert_uint_eq(count, 2);
	halt.order = SAGA__ORDER_ACCEPT;
	check_same(&found[found[0].source.stream.shard == 4], &halt);
	ck_assert_uint_eq(found[found[0].source.stream.shard != 4].to, 7);
	OK(saga__journal_halts(&desk->journal, found, 1, &count, &error), error);
	ck_assert_uint_eq(count, 1);
	OK(saga__journal_resume(&desk->journal, &halt, &error), error);
	OK(saga__journal_halts(&desk->journal, found, 4, &count, &error), error);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(found[0].source.stream.shard, 4);
	ck_assert(!is_void);
	ck_assert_int_eq(
		desk_number(desk, "SELECT COUNT(*) FROM saga_meta WHERE name = 'layout'"), 1);
	desk_free(desk);
}
END_TEST

START_TEST(a_reset_goes_back_and_forgets)
{
	static const uint64_t to[] = { 40, 3, 0, 0, 5 };
	struct desk *desk = desk_opened(true);
	struct saga__move move = { .source = source, .seq = 9, .id = saga_no(9) };
	saga_error error;

	desk_begin(desk);
	desk_commit(desk, &move, 1);
	for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) {
		move = (struct saga__move){ .source = source, .seq = to[i], .reset = true };
		OK(saga__journal_reset(&desk->journal, &move, &error), error);
		ck_assert_int_eq(
			desk_number(desk, "SELECT COUNT(*) FROM saga_position"), to[i] != 0);
		if (to[i])
			ck_assert_int_eq(
				desk_number(desk, "SELECT seq FROM saga_position"), (int64_t)to[i]);
	}
	ck_assert_int_eq(desk_number(desk,
				 "SELECT COUNT(*) FROM saga_position WHERE owner = 'order'"
				 " AND stream_shard = 3 AND shard = 0"),
		1);
	desk_free(desk);
}
END_TEST

static uint64_t orders(struct desk *desk)
{
	uint64_t orders = 99;
	saga_error error;

	OK(saga__journal_orders(&desk->journal, &orders, &error), error);
	return orders;
}

static bool is_void(struct desk *desk, const struct saga__halt *halt)
{
	saga_error error;
	bool is_void;

	OK(saga__journal_halt(&desk->journal, halt, &is_void, &error), error);
	return is_void;
}

static int64_t halts(struct desk *desk)
{
	return desk_number(desk, "SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream%'");
}

#define ORDER "INSERT INTO saga_meta (name, value) VALUES ('stream! " ID "/3', 'accept')"

/* Two instances have found it, one carried the order out: the other comes behind it. */
START_TEST(who_comes_late_changes_nothing)
{
	struct desk *desk = desk_opened(true);
	struct saga__halt early = { source, SAGA__HALT_FORKED, 11, 0, 5, SAGA__ORDER_ACCEPT, 0, 0 };
	struct saga__halt tardy = early, other = early, again;
	struct saga__move move = { .source = source, .seq = 9, .id = saga_no(9) };
	saga_error error;

	other.source.stream.shard = 4;
	desk_sql(desk, ORDER);
	ck_assert_uint_eq(orders(desk), 0);
	ck_assert(!is_void(desk, &early));
	OK(saga__journal_resume(&desk->journal, &early, &error), error);
	ck_assert_uint_eq(orders(desk), 1);
	ck_assert_int_eq(halts(desk), 0);
	desk_begin(desk);
	desk_commit(desk, &move, 1);

	ck_assert(is_void(desk, &tardy));
	ck_assert_int_eq(halts(desk), 0);
	move = (struct saga__move){ .source = source, .reset = true };
	OK(saga__journal_reset(&desk->journal, &move, &error), error);
	ck_assert_int_eq(desk_number(desk, "SELECT seq FROM saga_position"), 9);
	ck_assert(!is_void(desk, &other)); /* nobody has ordered anything for that one */
	ck_assert_int_eq(halts(desk), 1);

	/* It forks again, and that is accepted. */
	again = tardy;
	again.known = orders(desk);
	ck_assert(!is_void(desk, &again));
	desk_sql(desk, ORDER);
	OK(saga__journal_resume(&desk->journal, &tardy, &error), error);
	ck_assert_uint_eq(orders(desk), 1);
	ck_assert_int_eq(halts(desk), 3);
	move.known = again.known;
	OK(saga__journal_reset(&desk->journal, &move, &error), error);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_position"), 0);
	OK(saga__journal_resume(&desk->journal, &again, &error), error);
	ck_assert_uint_eq(orders(desk), 2);
	ck_assert_int_eq(halts(desk), 1);
	OK(saga__journal_resume(&desk->journal, &other, &error), error);
	ck_assert_uint_eq(orders(desk), 3);
	ck_assert_int_eq(halts(desk), 0);
	desk_free(desk);
}
END_TEST

static bool may_not_move(struct desk *desk, const struct saga__source *of, uint64_t known)
{
	const struct saga__source elsewhere = { .stream = { { { 7 } }, 3 }, .owner = "order" };
	const struct saga__move moves[] = { { .source = elsewhere },
		{ .source = *of, .known = known } };
	saga_error error;
	bool is_void;

	OK(saga__journal_moves(&desk->journal, moves, 2, &is_void, &error), error);
	return is_void;
}

/* From its order on, and until its positions are read again behind that. */
START_TEST(a_stream_with_an_order_is_not_moved)
{
	struct desk *desk = desk_opened(true);
	struct saga__halt halt = { source, SAGA__HALT_FORKED, 11, 0, 5, SAGA__ORDER_NONE, 0, 0 };
	struct saga__source other = source;
	saga_error error;

	other.stream.shard = 4;
	ck_assert(!may_not_move(desk, &source, 0));
	ck_assert(!is_void(desk, &halt));
	desk_sql(desk, "INSERT INTO saga_meta (name, value) VALUES ('stream! " ID "/3', 'what?')");
	ck_assert(!may_not_move(desk, &source, 0)); /* nobody will carry that out */
	desk_sql(desk, "DELETE FROM saga_meta WHERE value = 'what?'");
	desk_sql(desk, ORDER);
	ck_assert(may_not_move(desk, &source, 0));
	ck_assert(!may_not_move(desk, &other, 0));
	OK(saga__journal_resume(&desk->journal, &halt, &error), error);
	ck_assert(may_not_move(desk, &source, 0));
	ck_assert(!may_not_move(desk, &source, 1));
	ck_assert(!may_not_move(desk, &other, 0));
	desk_free(desk);
}
END_TEST

/* What somebody else wrote there is no order. */
START_TEST(what_is_no_number_is_none)
{
	struct desk *desk = desk_opened(true);
	struct saga__halt halt = { source, SAGA__HALT_FORKED, 11, 0, 5, SAGA__ORDER_NONE, 0, 0 };

	desk_sql(desk,
		"INSERT INTO saga_meta (name, value) VALUES ('resumed " ID "/3', '7 orders'),"
		" ('resumed of words', 'x'), ('resumed', '8'), ('resumed " ID "/4', '5'),"
		" ('resumed " ID "/5', '18446744073709551616')");
	ck_assert_uint_eq(orders(desk), 5);
	ck_assert(!is_void(desk, &halt));
	desk_free(desk);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ what_is_written_is_read, 1 },
		{ what_is_no_row_is_left, 1 },
		{ the_store_keeps_them, 1 },
		{ a_reset_goes_back_and_forgets, 1 },
		{ who_comes_late_changes_nothing, 1 },
		{ a_stream_with_an_order_is_not_moved, 1 },
		{ what_is_no_number_is_none, 1 },
	};

	return RUN_TESTS("journal halts", tests);
}
