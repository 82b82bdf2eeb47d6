/* Guards: of a store that answers late, and of one that answers at once. */
#include "harness.h"
#include "late_store.h"

enum {
	MOST = 12,
	POT = 100,
	TRUST = 8,      /* runs until a step is not waited for */
	GATE = -1,      /* holds the lane up, so that what comes next is one batch */
	LOOK = -2,      /* reads behind a guard that does not hold */
	DOUBLE = -3,    /* breaks a constraint, and nobody asks */
	TWO_TRIES = -4, /* the second guard holds where the first did not */
	OWN_WILL = -5   /* writes, and rejects though nothing hinders it */
};

static const char *const schema[] = {
	"CREATE TABLE pot (name SAGA_TEXT(9) PRIMARY KEY, left_over BIGINT NOT NULL);"
	"CREATE TABLE taken (saga SAGA_ID PRIMARY KEY, n BIGINT NOT NULL);"
	"INSERT INTO pot VALUES ('a', 100);",
	NULL,
};

static bool take(saga_step *s, int64_t n)
{
	return saga_require(s,
		"UPDATE pot SET left_over = left_over - ? WHERE name = 'a' AND left_over >= ?", n,
		n);
}

static void note(saga_step *s, int64_t n)
{
	saga_write(s, "INSERT INTO taken (saga, n) VALUES (?, ?)", saga_this(s), n);
}

static saga_verdict run_a(saga_step *s)
{
	int64_t n = saga_on(s, please)->n;

	saw(s, "%d", (int)n);
	if (n == GATE) {
		gate_pass(saga_user(s));
		return saga_emit(s, a_done);
	}
	note(s, n);
	if (n == DOUBLE)
		note(s, n);
	if (n == OWN_WILL)
		return saga_reject(s, a_rejected, .why = "it likes to");
	if (n == LOOK) {
		bool held = take(s, 1000);
		int64_t left_over = saga_query_int64(s, -1, "SELECT left_over FROM pot");

		return saga_emit(s, a_done,
			.text = saga_format(s, "held %d, left %lld", held, (long long)left_over));
	}
	if (n == TWO_TRIES) {
		if (!take(s, 1000) && !take(s, 1))
			return saga_reject(s, a_rejected, .has_n = true, .n = n);
		return saga_emit(s, a_done, .has_n = true, .n = n);
	}
	if (n > 0 && !take(s, n))
		return saga_reject(
			s, a_rejected, .has_n = true, .n = n, .why = "not enough is left");
	return saga_emit(s, a_done, .has_n = true, .n = n);
}

static saga_verdict undo_a(saga_step *s)
{
	if (!saga_require(s, "DELETE FROM taken WHERE saga = ? AND n < 0", saga_this(s)))
		saga_write(s, "UPDATE taken SET n = 0 WHERE saga = ?", saga_this(s));
	return saga_emit(s, a_undone);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 2 } },
	MARKER_STEP,
};
static const saga_participant_def guarded = SAGA_PARTICIPANT("target", steps, .schema = schema);

/* PostgreSQL answers late by itself. */
static struct stage *start(int lanes, const saga_store_ops *ops)
{
	struct stage *stage = stage_new(lanes ? 1 : 0); /* else no batch would hold them all */

	stage_open(stage, &guarded, SAGA_OPTIONS(.store_ops = is_on("sqlite") ? ops : NULL));
	for (int i = 0; i < TRUST; i++) {
		char key[16];

		snprintf(key, sizeof key, "trust %d", i);
		ck_assert_int_eq(ask_please(stage, key, 0).code, SAGA_OK);
	}
	trace_clear(stage);
	return stage;
}

/* All of them in one batch, with a thread too. */
static void ask_all(
	struct stage *stage, const int64_t *numbers, size_t count, struct reply replies[MOST])
{
	static int keys;
	struct reply gate;
	char key[16];

	gate_close(stage);
	snprintf(key, sizeof key, "key %d", ++keys);
	if (stage->lanes) {
		ck_assert_int_eq(ask_later(stage,
					 &(saga_submission){
						 SAGA_SUBMISSION(please, .n = GATE), .key = key },
					 &gate),
			SAGA_OK);
		AWAIT(stage, trace_count(stage, "-1") == 1);
	}
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof key, "key %d", ++keys);
		ck_assert_int_eq(
			ask_later(stage,
				&(saga_submission){
					SAGA_SUBMISSION(please, .n = numbers[i]), .key = key },
				&replies[i]),
			SAGA_OK);
	}
	trace_clear(stage);
	gate_open(stage);
	for (size_t i = 0; i < count; i++)
		AWAIT(stage, replies[i].times > 0);
}

#define ASK_ALL(stage, replies, ...) \
	ask_all(stage, (const int64_t[]){ __VA_ARGS__ }, \
		sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), replies)

static int64_t left_over(struct stage *stage)
{
	return sql_int(stage, "SELECT left_over FROM pot", NULL, NULL);
}

static int64_t taken(struct stage *stage)
{
	return sql_int(stage, "SELECT COUNT(*) FROM taken WHERE n <> 0", NULL, NULL);
}

static void ck_codes(const struct reply *replies, const int *codes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(replies[i].code == codes[i], "reply %zu: %s, %s", i,
			saga_code_name(replies[i].code), replies[i].text);
}

#define CK_CODES(replies, ...) \
	ck_codes(replies, (const int[]){ __VA_ARGS__ }, \
		sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

START_TEST(what_holds_runs_once)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1, 2, 3, 4);
	CK_CODES(replies, SAGA_OK, SAGA_OK, SAGA_OK, SAGA_OK);
	ck_assert_str_eq(trace(stage), "1; 2; 3; 4");
	ck_assert_int_eq(logged(stage, "batch.replayed"), 0);
	ck_assert_int_eq(left_over(stage), POT - 10);
	ck_assert_int_eq(taken(stage), 4);
	stage_end(stage);
}
END_TEST

START_TEST(one_of_many_does_not_hold)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1, 2, 1000, 3, 4);
	CK_CODES(replies, SAGA_OK, SAGA_OK, SAGA_REJECTED, SAGA_OK, SAGA_OK);
	ck_assert_ptr_nonnull(strstr(replies[2].json, "not enough is left"));
	ck_assert_str_eq(trace(stage), "1; 2; 1000; 3; 4; 1; 2; 1000; 3; 4");
	ck_assert_int_eq(logged(stage, "batch.replayed"), 1);
	ck_assert_int_eq(left_over(stage), POT - 10);
	ck_assert_int_eq(taken(stage), 4);
	stage_end(stage);
}
END_TEST

START_TEST(two_of_many_do_not_hold)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1000, 1, 2, 2000);
	CK_CODES(replies, SAGA_REJECTED, SAGA_OK, SAGA_OK, SAGA_REJECTED);
	ck_assert_int_eq(logged(stage, "batch.replayed"), 1);
	ck_assert_int_eq(left_over(stage), POT - 3);
	ck_assert_int_eq(taken(stage), 2);
	stage_end(stage);
}
END_TEST

/* The last gets what the third could not take: by then all of its guards hold. */
START_TEST(a_guard_sees_what_came_before_it)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 60, 30, 20, 10);
	CK_CODES(replies, SAGA_OK, SAGA_OK, SAGA_REJECTED, SAGA_OK);
	ck_assert_int_eq(left_over(stage), 0);
	ck_assert_int_eq(taken(stage), 3);
	stage_end(stage);
}
END_TEST

START_TEST(who_reads_behind_it_is_not_misled)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 5, LOOK, TWO_TRIES);
	CK_CODES(replies, SAGA_OK, SAGA_OK, SAGA_OK);
	ck_assert_ptr_nonnull(strstr(replies[1].json, "held 0, left 95"));
	ck_assert_int_eq(left_over(stage), POT - 6);
	ck_assert_int_eq(taken(stage), 3);
	stage_end(stage);
}
END_TEST

/* A step that was taken back is waited for, so that nobody is replayed for it again. */
START_TEST(a_doubtful_step_is_waited_for)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1000, 1);
	ck_assert_int_eq(logged(stage, "batch.replayed"), 1);
	ASK_ALL(stage, replies, 2, 2000, 3);
	CK_CODES(replies, SAGA_OK, SAGA_REJECTED, SAGA_OK);
	ck_assert_str_eq(trace(stage), "2; 2000; 3");
	ck_assert_int_eq(logged(stage, "batch.replayed"), 1);
	ck_assert_int_eq(left_over(stage), POT - 6);
	stage_end(stage);
}
END_TEST

START_TEST(what_fails_late_fails_alone)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1, DOUBLE, 2);
	ck_assert_int_eq(replies[0].code, SAGA_OK);
	ck_assert_int_eq(replies[1].code, SAGA_FAILED);
	ck_assert_int_eq(replies[2].code, SAGA_OK);
	ck_assert_int_eq(left_over(stage), POT - 3);
	ck_assert_int_eq(taken(stage), 2);
	stage_end(stage);
}
END_TEST

/* What it wrote has gone out, and nobody has waited for it. */
START_TEST(who_rejects_of_its_own_accord_keeps_no_write)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 1, OWN_WILL, 2);
	CK_CODES(replies, SAGA_OK, SAGA_REJECTED, SAGA_OK);
	ck_assert_int_eq(left_over(stage), POT - 3);
	ck_assert_int_eq(taken(stage), 2);
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM taken WHERE saga = ?", &replies[1].saga, NULL),
		0);
	stage_end(stage);
}
END_TEST

START_TEST(an_undo_may_ask_too)
{
	struct stage *stage = start(_i, &late_store);
	struct reply replies[MOST];

	ASK_ALL(stage, replies, 7);
	inject(stage, replies[0].saga, &take_back);
	AWAIT(stage, slot_is(stage, replies[0].saga, "a", "undone"));
	ck_assert_int_eq(
		sql_int(stage, "SELECT n FROM taken WHERE saga = ?", &replies[0].saga, NULL), 0);
	ck_assert_int_eq(said(stage, replies[0].saga, "a.undone"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_store_that_waits_replays_nothing)
{
	struct stage *stage;
	struct reply replies[MOST];

	ONLY_ON("sqlite", "the store answers late");
	stage = start(_i, NULL);
	ASK_ALL(stage, replies, 60, 1000, LOOK, 30, TWO_TRIES, 20, 9);
	CK_CODES(
		replies, SAGA_OK, SAGA_REJECTED, SAGA_OK, SAGA_OK, SAGA_OK, SAGA_REJECTED, SAGA_OK);
	ck_assert_int_eq(logged(stage, "batch.replayed"), 0);
	ck_assert_int_eq(left_over(stage), 0);
	ck_assert_int_eq(taken(stage), 5);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_holds_runs_once,
		one_of_many_does_not_hold,
		two_of_many_do_not_hold,
		a_guard_sees_what_came_before_it,
		who_reads_behind_it_is_not_misled,
		a_doubtful_step_is_waited_for,
		what_fails_late_fails_alone,
		who_rejects_of_its_own_accord_keeps_no_write,
		an_undo_may_ask_too,
		a_store_that_waits_replays_nothing,
	};

	return run_both_modes("require", tests, sizeof tests / sizeof tests[0]);
}
