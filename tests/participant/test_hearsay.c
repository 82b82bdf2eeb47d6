/* Streams that somebody on the bus claims: their number, names, bytes and silence. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "delivery/frame.h"
#include "participant/inside.h"

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	return saga_emit(s, a_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

enum {
	STREAMS = 8,
	FORGED = 200,
	LATELY = 1000,
};

static struct stage *stage_on_a_bus(int lanes, const saga_options *change)
{
	struct stage *stage = stage_new(lanes);

	stage->use_lossy = true;
	stage_open(stage, &def, change);
	settle(stage);
	return stage;
}

/* One frame of another store than all before. */
static void forge(struct stage *stage, const char *owner, int kind, uint64_t seq, saga_bytes event)
{
	static uint32_t stores;
	static unsigned char bytes[SAGA__FRAME_HEAD + 4096];
	struct saga__message message = { .kind = kind,
		.first = kind == SAGA__BEAT ? 1 : 0,
		.last = seq,
		.id = { { 9 } },
		.event = event };
	saga_frame frame = { .topic = SAGA__EVENTS_TOPIC };

	stores++;
	memcpy(&message.stream.store, &stores, sizeof stores);
	(void)snprintf(message.from, sizeof message.from, "%s", owner);
	frame.bytes = (saga_bytes){ bytes, saga__frame_encode(&message, bytes, sizeof bytes) };
	ck_assert_uint_gt(frame.bytes.size, 0);
	lossy_bring(&stage->lossy, &frame);
}

static const struct saga_participant *target(const struct stage *stage)
{
	return stage->target.participant;
}

static size_t named(const struct stage *stage, const char *owner)
{
	size_t count = 0;

	for (const struct saga__following *f = target(stage)->followings; f; f = f->next)
		count += strcmp(f->source.owner, owner) == 0;
	return count;
}

static void check_that_it_works(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
}

START_TEST(their_number_is_limited)
{
	struct stage *stage =
		stage_on_a_bus(_i, SAGA_OPTIONS(.limits = SAGA_LIMITS(.streams = STREAMS)));
	char owner[16];

	for (int i = 0; i < FORGED; i++) {
		(void)snprintf(owner, sizeof owner, "forger%d", i);
		forge(stage, owner, SAGA__BEAT, 5, (saga_bytes){ NULL, 0 });
	}
	AWAIT(stage, health(&stage->target).dropped >= FORGED - STREAMS);
	ck_assert_uint_eq(target(stage)->following_count, STREAMS);
	ck_assert_int_eq(logged(stage, "stream.refused"), 1); /* and not two hundred times */
	check_that_it_works(stage);
	stage_end(stage);
}
END_TEST

START_TEST(their_stores_under_one_name_are_limited)
{
	struct stage *stage = stage_on_a_bus(_i, NULL);

	for (int i = 0; i < FORGED; i++)
		forge(stage, "double", SAGA__BEAT, 5, (saga_bytes){ NULL, 0 });
	AWAIT(stage, logged(stage, "stream.refused"));
	check_that_it_works(stage);
	ck_assert_uint_eq(named(stage, "double"), 4);
	stage_end(stage);
}
END_TEST

START_TEST(only_those_that_are_named_are_followed)
{
	static const char *const follows[] = { "outside", NULL };
	struct stage *stage = stage_on_a_bus(_i, SAGA_OPTIONS(.follows = follows));

	for (int i = 0; i < FORGED; i++)
		forge(stage, "mallory", SAGA__BEAT, 5, (saga_bytes){ NULL, 0 });
	check_that_it_works(stage);
	ck_assert_uint_eq(named(stage, "mallory"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(what_waits_behind_gaps_is_limited)
{
	static const char zeros[4000];
	const saga_bytes event = { zeros, sizeof zeros };
	struct stage *stage = stage_on_a_bus(
		_i, SAGA_OPTIONS(.limits = SAGA_LIMITS(.stream_bytes = 4 * sizeof zeros)));
	struct saga__message message = { .kind = SAGA__EVENT };
	struct saga__following *following;
	struct saga__source source = { .owner = "forger" };

	for (uint32_t i = 1; i < STREAMS; i++) {
		source.stream = (struct saga__stream){ { { 1 } }, i };
		following = saga__following_heard(stage->target.participant, &source);
		ck_assert_ptr_nonnull(following);
		memcpy(message.from, source.owner, sizeof message.from);
		message.stream = source.stream;
		message.event = event;
		for (message.last = 2; message.last < 60; message.last++)
			saga__follow_message(following->follow, &message, (saga_id){ { 2 } }, 1);
		ck_assert_uint_le(target(stage)->room.used, 4 * sizeof zeros);
	}
	ck_assert_uint_eq(target(stage)->room.used, 4 * sizeof zeros);
	check_that_it_works(stage);
	stage_end(stage);
}
END_TEST

static void let_pass_a_minute(struct stage *stage)
{
	struct saga_participant *p = stage->target.participant;

	for (struct saga__following *f = p->followings; f; f = f->next)
		f->heard -= 60 * LATELY;
	p->faded -= 60 * LATELY;
}

START_TEST(the_silent_make_room_and_go_on_where_they_were)
{
	struct stage *stage =
		stage_on_a_bus(_i, SAGA_OPTIONS(.limits = SAGA_LIMITS(.streams = STREAMS)));
	char owner[16];
	int64_t needs;

	check_that_it_works(stage);
	AWAIT(stage, health(&stage->target).lag == 0);
	for (int i = 0; i < FORGED; i++) {
		(void)snprintf(owner, sizeof owner, "forger%d", i);
		forge(stage, owner, SAGA__BEAT, 5, (saga_bytes){ NULL, 0 });
	}
	AWAIT(stage, target(stage)->following_count == STREAMS);
	trace_clear(stage);
	let_pass_a_minute(stage);
	AWAIT(stage, target(stage)->following_count <= 1);
	needs = health(&stage->target).asked;
	check_that_it_works(stage);
	ck_assert_int_eq(trace_count(stage, "run"), 1);
	ck_assert_uint_eq(named(stage, "outside"), 1);
	ck_assert_int_le(health(&stage->target).asked, needs + 1);
	stage_end(stage);
}
END_TEST

START_TEST(names_are_checked)
{
	static const char *const itself[] = { "target", NULL };
	static const char *const empty[] = { "", NULL };
	saga_participant *participant;
	saga_error error;

	ck_assert_int_eq(
		saga_open(&def, SAGA_OPTIONS(.store = "sqlite::memory:", .follows = itself),
			&participant, &error),
		SAGA_MALFORMED);
	ck_assert_ptr_nonnull(strstr(error.text, "follows"));
	ck_assert_int_eq(saga_open(&def, SAGA_OPTIONS(.store = "sqlite::memory:", .follows = empty),
				 &participant, &error),
		SAGA_MALFORMED);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		their_number_is_limited,
		their_stores_under_one_name_are_limited,
		only_those_that_are_named_are_followed,
		what_waits_behind_gaps_is_limited,
		the_silent_make_room_and_go_on_where_they_were,
		names_are_checked,
	};

	return run_both_modes("hearsay", tests, sizeof tests / sizeof tests[0]);
}
