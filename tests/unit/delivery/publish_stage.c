#include "publish_stage.h"

const char *const both[] = { "stock", "payment", NULL };
const char *const one[] = { "stock", NULL };
struct saga__publish *publish;
struct saga__publish_effect effect;

void open_with(const char *const *followers)
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

void setup(void)
{
	open_with(one);
}

void teardown(void)
{
	saga__publish_free(publish);
	publish = NULL;
}

bool next(int64_t now)
{
	return saga__publish_next(publish, now, &effect);
}

void start(uint64_t first, uint64_t last, int64_t now)
{
	saga__publish_start(publish, first, last, id_of(last), now);
	ck_assert(next(now));
	ck_assert_int_eq(effect.message.kind, SAGA__BEAT);
	ck_assert_ptr_null(effect.to);
	ck_assert_uint_eq(effect.message.last, last);
	ck_assert(!next(now));
}

void commit_one(uint64_t seq, int64_t now)
{
	struct saga__blob *blob = blob_of(seq);

	ck_assert_int_eq(saga__publish_committed(publish, seq, id_of(seq), blob, now), SAGA_OK);
	saga__blob_unref(blob);
}

void commit(uint64_t from, uint64_t to, int64_t now)
{
	for (uint64_t seq = from; seq <= to; seq++)
		commit_one(seq, now);
}

void seen_by(const char *who, uint32_t shard, uint32_t of, uint64_t upto, saga_id id, int64_t now)
{
	struct saga__message message = { .kind = SAGA__SEEN, .stream = the_stream };

	strcpy(message.from, who);
	message.shard = shard;
	message.of = of;
	message.last = upto;
	message.id = id;
	saga__publish_message(publish, &message, now);
}

void seen(uint64_t upto, int64_t now)
{
	seen_by("stock", 0, 1, upto, id_of(upto), now);
}

void need_by(const char *who, uint64_t from, uint64_t to, saga_id before, int64_t now)
{
	struct saga__message message = { .kind = SAGA__NEED, .stream = the_stream };

	strcpy(message.from, who);
	message.first = from;
	message.last = to;
	message.id = before;
	saga__publish_message(publish, &message, now);
}

void need(uint64_t from, uint64_t to, int64_t now)
{
	need_by("stock", from, to, id_of(from - 1), now);
}

void sends(const char *to, uint64_t first, uint64_t last, int64_t now)
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

void nothing(int64_t now)
{
	sends(NULL, 1, 0, now);
}

void reads(uint64_t first, uint64_t last, int64_t now)
{
	do
		ck_assert(next(now));
	while (effect.kind == SAGA__PUBLISH_SEND && effect.message.kind == SAGA__BEAT);
	ck_assert_int_eq(effect.kind, SAGA__PUBLISH_READ);
	ck_assert_uint_eq(effect.first, first);
	ck_assert_uint_eq(effect.last, last);
	ck_assert(!next(now));
}

void hand_over(int history, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct saga__blob *blob = blob_of(seq);

		saga__publish_read(
			publish, seq, id_in(history, seq - 1), id_in(history, seq), blob);
		saga__blob_unref(blob);
	}
}

void says_gone(const char *to, uint64_t first, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.message.kind, SAGA__GONE);
	ck_assert_str_eq(effect.to, to);
	ck_assert_uint_eq(effect.message.first, first);
}

void cries_fork(const char *whose, int64_t now)
{
	ck_assert(next(now));
	ck_assert_int_eq(effect.kind, SAGA__PUBLISH_FORK);
	ck_assert_str_eq(effect.to, whose);
	ck_assert_ptr_nonnull(strstr(effect.text, whose));
	ck_assert_uint_eq(saga__publish_seen_by_all(publish), 0);
	ck_assert(next(now)); /* and the follower is told, which may have no other way to know it */
	ck_assert_int_eq(effect.kind, SAGA__PUBLISH_SEND);
	ck_assert_int_eq(effect.message.kind, SAGA__FORK);
	ck_assert_str_eq(effect.to, whose);
	ck_assert_uint_gt(effect.message.last, 0);
}
