/* Events that come one at a time: their slots are not read, where that is safe. */
#include "harness.h"
#include "late_store.h"

enum {
	EARNED = 12,  /* runs until a step is known to begin its slots */
	FAILS = -1,   /* runs that end without a slot: as many as the knob says */
	MALFORMS = -2 /* while the knob says so */
};

static saga_verdict run_a(saga_step *s)
{
	struct stage *stage = saga_user(s);
	int64_t n = saga_on(s, please)->n;

	saw(s, "%d", (int)n);
	if (n == FAILS && stage->knob-- > 0)
		return saga_retry(s, "not yet");
	if (n == MALFORMS && stage->knob)
		return saga_malformed(s, "it makes no sense any more");
	effect(s, "a");
	return saga_emit(s, a_done, .has_n = true, .n = n);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.bar_on = { &bar_it },
		.retry = { .attempts = 4, .first_ms = 1, .max_ms = 2 } },
	MARKER_STEP,
};
static const saga_participant_def plain =
	SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* PostgreSQL answers late by itself. */
static struct stage *start(int lanes)
{
	struct stage *stage = stage_new(lanes);

	stage_open(stage, &plain, SAGA_OPTIONS(.store_ops = is_on("sqlite") ? &late_store : NULL));
	for (int i = 0; i < EARNED; i++) {
		char key[16];

		snprintf(key, sizeof key, "key %d", i);
		ck_assert_int_eq(ask_please(stage, key, i).code, SAGA_OK);
	}
	trace_clear(stage);
	return stage;
}

/* Asked with a key that is new; whether its slot was read, as far as one can see. */
static bool is_read(struct stage *stage, int64_t n)
{
	static int keys;
	size_t reads = late_store_slot_reads();
	struct reply reply;
	char key[16];

	snprintf(key, sizeof key, "new %d", ++keys);
	reply = ask_please(stage, key, n);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert(!reply.repeated);
	ck_assert_int_eq(effects(stage, reply.saga, "a"), 1);
	ck_assert_int_eq(said(stage, reply.saga, "a.done"), 1);
	return late_store_slot_reads() > reads;
}

START_TEST(what_begins_its_slot_is_not_read)
{
	struct stage *stage;

	ONLY_ON("sqlite", "reads are counted in a store of the test's own");
	stage = start(_i);
	ck_assert(!is_read(stage, 1));
	ck_assert(!is_read(stage, 2));
	ck_assert_str_eq(trace(stage), "1; 2");
	ck_assert_int_eq(logged(stage, "batch.replayed"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_repeat_is_found_out)
{
	struct stage *stage = start(_i);
	int before = (int)sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL);

	for (int i = 0; i < 3; i++) {
		struct reply reply = ask_please(stage, "key 3", 3);

		ck_assert_int_eq(reply.code, SAGA_OK);
		ck_assert(reply.repeated);
		ck_assert_int_eq(effects(stage, reply.saga, "a"), 1);
		ck_assert_int_eq(said(stage, reply.saga, "a.done"), 1);
	}
	ck_assert_int_eq(ask_please(stage, "key 3", 4).code, SAGA_CONFLICT);
	/* After the first it is known that this may be. */
	ck_assert_int_le(trace_count(stage, "3"), 1);
	ck_assert_int_le(logged(stage, "batch.replayed"), 1);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL), before);
	if (is_on("sqlite"))
		ck_assert(is_read(stage, 5));
	stage_end(stage);
}
END_TEST

START_TEST(what_is_barred_has_no_effect)
{
	struct stage *stage = start(_i);
	saga_id saga = stage_saga(stage);
	struct reply reply;

	inject(stage, saga, &bar_it);
	AWAIT(stage, slot_is(stage, saga, "a", "barred"));
	reply = ask(stage,
		&(saga_submission){
			SAGA_SUBMISSION(please, .n = 7), .key = "barred", .saga = saga });
	ck_assert_int_eq(reply.code, SAGA_REJECTED);
	ck_assert(slot_is(stage, saga, "a", "barred"));
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(said(stage, saga, "a.done"), 0);
	ck_assert_int_eq(said(stage, saga, "a.rejected"), 1);
	stage_end(stage);
}
END_TEST

/* As another instance would leave it. */
START_TEST(a_stream_that_has_moved_is_read)
{
	struct stage *stage = start(_i);

	sql_write(stage, "UPDATE saga_stream SET own = own - 1 WHERE own > 0");
	(void)is_read(stage, 1);
	ck_assert_int_le(logged(stage, "batch.replayed"), 1);
	if (is_on("sqlite")) {
		ck_assert_int_eq(logged(stage, "batch.replayed"), 1);
		ck_assert(is_read(stage, 2));
	}
	stage_end(stage);
}
END_TEST

START_TEST(what_begins_no_slot_is_tried_again)
{
	struct stage *stage = start(_i);

	stage->knob = 2;
	(void)is_read(stage, FAILS);
	ck_assert_int_eq(trace_count(stage, "-1"), 3);
	ck_assert_int_eq(stage->knob, -1);
	stage_end(stage);
}
END_TEST

/* Its slot holds the answer, whatever its handler would say now. */
START_TEST(a_repeat_that_begins_no_slot_is_found_out)
{
	struct stage *stage = start(_i);
	struct reply reply;

	ck_assert_int_eq(ask_please(stage, "twice", MALFORMS).code, SAGA_OK);
	stage->knob = 1;
	reply = ask_please(stage, "twice", MALFORMS);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert(reply.repeated);
	ck_assert_int_eq(effects(stage, reply.saga, "a"), 1);
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_begins_its_slot_is_not_read,
		a_repeat_is_found_out,
		what_is_barred_has_no_effect,
		a_stream_that_has_moved_is_read,
		what_begins_no_slot_is_tried_again,
		a_repeat_that_begins_no_slot_is_found_out,
	};

	return run_both_modes("expect", tests, sizeof tests / sizeof tests[0]);
}
