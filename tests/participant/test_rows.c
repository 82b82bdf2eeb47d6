/* What handlers read and write, its limits, and subjects. */
#include "harness.h"

#include <inttypes.h>

SAGA_STRUCT(every_kind, text(name), int64(number), flag(yes), bytes(raw), id(who), opt_text(note),
	opt_int64(maybe), opt_flag(perhaps), opt_bytes(more), opt_id(other));
SAGA_STRUCT(one_number, int64(number));
SAGA_STRUCT(one_text, text(name));
SAGA_STRUCT(misspelt, int64(nomber));

static const char *const schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL);"
	"CREATE TABLE kinds (name VARCHAR(20), number BIGINT, yes INTEGER, raw SAGA_BYTES, who "
	"SAGA_ID,"
	"  note VARCHAR(20), maybe BIGINT, perhaps INTEGER, more SAGA_BYTES, other SAGA_ID)",
	NULL,
};

static void insert_kinds(saga_step *s)
{
	const saga_bytes raw = { "a\0b", 3 };
	const saga_bytes none = { NULL, 0 };

	saga_exec(s, "INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "full", INT64_MIN,
		true, raw, saga_this(s), "note", -1, true, raw, saga_this(s));
	saga_exec(s, "INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"\xc3\xa9\xe2\x82\xac", INT64_MAX, false, raw, saga_this(s), (const char *)NULL,
		saga_null(), saga_null(), none, saga_null());
}

static saga_verdict run_integers(saga_step *s)
{
	const char letter = 'A';
	const unsigned long wide = 7;
	const unsigned long long wider = INT64_MAX;
	size_t count = sizeof letter;
	int64_t n = saga_on(s, go_first)->n;

	ck_assert_int_eq(saga_query_int64(s, -1, "SELECT CAST(? AS BIGINT)", letter), 'A');
	ck_assert_int_eq(saga_query_int64(s, -1, "SELECT CAST(? AS BIGINT)", wide), 7);
	ck_assert_int_eq(saga_query_int64(s, -1, "SELECT CAST(? AS BIGINT)", wider), INT64_MAX);
	ck_assert_int_eq(saga_query_int64(s, -1, "SELECT CAST(? AS BIGINT)", count), 1);
	if (n == 1)
		saga_exec(s, "UPDATE kinds SET number = ?", UINT64_MAX);
	return saga_emit(s, a_done, .n = 7, .has_n = n < 2);
}

static const saga_step_def integer_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_integers,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = { .attempts = 1 } },
	MARKER_STEP,
};

static bool same_id(saga_id a, saga_id b)
{
	return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static void check_full(const saga_step *s, const struct every_kind *row)
{
	ck_assert_str_eq(row->name, "full");
	ck_assert_int_eq(row->number, INT64_MIN);
	ck_assert(row->yes);
	ck_assert_uint_eq(row->raw.size, 3);
	ck_assert_mem_eq(row->raw.at, "a\0b", 3);
	ck_assert(same_id(row->who, saga_this(s)));
	ck_assert_str_eq(row->note, "note");
	ck_assert(row->has_maybe && row->maybe == -1);
	ck_assert(row->has_perhaps && row->perhaps);
	ck_assert_uint_eq(row->more.size, 3);
	ck_assert(row->has_other && same_id(row->other, saga_this(s)));
}

static void check_empty(const struct every_kind *row)
{
	ck_assert_str_eq(row->name, "\xc3\xa9\xe2\x82\xac");
	ck_assert_int_eq(row->number, INT64_MAX);
	ck_assert(!row->yes);
	ck_assert_ptr_null(row->note);
	ck_assert(!row->has_maybe && !row->has_perhaps && !row->has_other);
	ck_assert_ptr_null(row->more.at);
}

static saga_verdict run_kinds(saga_step *s)
{
	const struct every_kind *rows, *one;
	size_t count = 0;

	insert_kinds(s);
	rows = saga_query(s, every_kind, &count, "SELECT * FROM kinds ORDER BY number");
	ck_assert_uint_eq(count, 2);
	check_full(s, &rows[0]);
	check_empty(&rows[1]);
	one = saga_query_one(s, every_kind, "SELECT * FROM kinds WHERE number = ?", INT64_MAX);
	ck_assert_ptr_nonnull(one);
	check_empty(one);
	ck_assert_ptr_null(saga_query_one(s, one_number, "SELECT number FROM kinds WHERE 1 = 0"));
	saga_query(s, one_number, &count, "SELECT number FROM kinds WHERE 1 = 0");
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(saga_query_int64(s, 3, "SELECT number FROM kinds WHERE 1 = 0"), 3);
	ck_assert_int_eq(saga_query_int64(s, 4, "SELECT NULL"), 4);
	ck_assert_int_eq(saga_query_int64(s, 5, "SELECT COUNT(*) FROM kinds"), 2);
	ck_assert_int_eq(saga_exec(s, "UPDATE kinds SET number = 0"), 2);
	ck_assert_int_eq(saga_exec(s, "DELETE FROM kinds WHERE 1 = 0"), 0);
	ck_assert_int_eq(saga_failing(s), SAGA_OK);
	ck_assert_str_eq(saga_format(s, "%d-%s", 7, "x"), "7-x");
	ck_assert_ptr_nonnull(saga_alloc(s, 10, 10));
	ck_assert(!same_id(saga_new_id(s), saga_new_id(s)));
	ck_assert_str_eq(saga_subject(s), "");
	return saga_emit(s, a_done);
}

static const saga_step_def kinds_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_kinds,
		.emits = { &a_done },
		.rejects = { &a_rejected } },
	MARKER_STEP,
};
static const saga_participant_def kinds = SAGA_PARTICIPANT("target", kinds_steps, .schema = schema);

START_TEST(rows_come_in_every_kind)
{
	struct stage *stage = stage_start(_i, &kinds);
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage_end(stage);
}
END_TEST

/* ---- what a handler may not ---- */

enum wrong {
	NULL_IN_PLAIN,
	TEXT_IN_NUMBER,
	NO_SUCH_COLUMN,
	TWO_ROWS_FOR_ONE,
	NO_SUCH_TABLE,
	NOT_SQL,
	TOO_MANY_ROWS,
	TOO_MUCH_MEMORY,
	TOO_MANY_BYTES_OF_ROWS,
	TOO_BIG_AN_EVENT,
	OVERFLOWING_ALLOC,
	WRONGS,
};

enum {
	ROWS = 5,
	HANDLER_BYTES = 16384,
	EVENT_BYTES = 2048
};

static const int expected_code[WRONGS] = {
	[NO_SUCH_TABLE] = SAGA_REFUSED,
	[NOT_SQL] = SAGA_REFUSED,
	[TOO_MANY_ROWS] = SAGA_TOO_BIG,
	[TOO_MUCH_MEMORY] = SAGA_TOO_BIG,
	[TOO_MANY_BYTES_OF_ROWS] = SAGA_TOO_BIG,
	[OVERFLOWING_ALLOC] = SAGA_TOO_BIG,
};

#define COUNT_TO \
	"WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n" \
	" WHERE number < ?) SELECT number FROM n"

static saga_verdict do_wrong(saga_step *s, enum wrong wrong)
{
	char big[EVENT_BYTES + 100];
	size_t count = 1;
	const void *got = NULL;

	memset(big, 'x', sizeof big);
	big[sizeof big - 1] = '\0';
	switch (wrong) {
	case NULL_IN_PLAIN:
		got = saga_query_one(s, one_number, "SELECT NULL AS number");
		break;
	case TEXT_IN_NUMBER:
		got = saga_query_one(s, one_number, "SELECT 'seven' AS number");
		break;
	case NO_SUCH_COLUMN:
		got = saga_query_one(s, misspelt, "SELECT 7 AS number");
		break;
	case TWO_ROWS_FOR_ONE:
		got = saga_query_one(s, one_number, COUNT_TO, 2);
		break;
	case NO_SUCH_TABLE:
		saga_exec(s, "UPDATE nowhere SET number = 1");
		break;
	case NOT_SQL:
		saga_exec(s, "MAKE IT SO");
		break;
	case TOO_MANY_ROWS:
		got = saga_query(s, one_number, &count, COUNT_TO, ROWS + 1);
		ck_assert_uint_eq(count, 0);
		break;
	case TOO_MUCH_MEMORY:
		got = saga_alloc(s, HANDLER_BYTES + 1, 1);
		break;
	case TOO_MANY_BYTES_OF_ROWS:
		if (is_on("sqlite"))
			got = saga_query_one(s, one_text, "SELECT printf('%.*c', ?, 'x') AS name",
				HANDLER_BYTES + 1);
		else
			got = saga_query_one(s, one_text,
				"SELECT repeat('x', CAST(? AS INTEGER)) AS name",
				HANDLER_BYTES + 1);
		break;
	case OVERFLOWING_ALLOC:
		got = saga_alloc(s, SIZE_MAX / 2, 3);
		break;
	case TOO_BIG_AN_EVENT:
		return saga_emit(s, a_done, .text = big);
	case WRONGS:
		break;
	}
	ck_assert_ptr_null(got);
	ck_assert_msg(saga_failing(s) != SAGA_OK, "wrong %d is right", wrong);
	if (expected_code[wrong])
		ck_assert_msg(saga_failing(s) == expected_code[wrong], "wrong %d: %s", wrong,
			saga_code_name(saga_failing(s)));
	return saga_emit(s, a_done);
}

static saga_verdict run_wrong(saga_step *s)
{
	size_t count = 0;

	effect(s, "a");
	saga_query(s, one_number, &count, COUNT_TO, ROWS);
	ck_assert_uint_eq(count, ROWS);
	return do_wrong(s, (enum wrong)saga_on(s, go_first)->n);
}

static const saga_step_def wrong_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_wrong,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	MARKER_STEP,
};
static const saga_participant_def wrongs =
	SAGA_PARTICIPANT("target", wrong_steps, .schema = schema);

START_TEST(what_goes_beyond_a_limit_is_dead_and_rolls_back)
{
	struct stage *stage = stage_new(_i);

	stage_open(stage, &wrongs,
		SAGA_OPTIONS(.limits = SAGA_LIMITS(.rows = ROWS, .handler_bytes = HANDLER_BYTES,
				     .event_bytes = EVENT_BYTES)));
	for (int wrong = 0; wrong < WRONGS; wrong++) {
		saga_id saga = stage_saga(stage);

		inject_n(stage, saga, &go_first, wrong);
		AWAIT(stage, slot_is(stage, saga, "a", "dead"));
		ck_assert_msg(effects(stage, saga, "a") == 0, "wrong %d has an effect", wrong);
		ck_assert_int_eq(said(stage, saga, "a.done"), 0);
		ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
	}
	stage_end(stage);
}
END_TEST

/* ---- integers ---- */

static const saga_participant_def integers =
	SAGA_PARTICIPANT("target", integer_steps, .schema = schema);

START_TEST(any_integer_is_a_value_and_none_is_wrapped)
{
	struct stage *stage = stage_start(_i, &integers);
	saga_id sagas[3];

	for (int i = 0; i < 3; i++) {
		sagas[i] = stage_saga(stage);
		inject_n(stage, sagas[i], &go_first, i);
		AWAIT(stage, slot_is(stage, sagas[i], "a", i ? "dead" : "done"));
	}
	stage_end(stage);
}
END_TEST

/* ---- subjects ---- */

static saga_verdict run_subject(saga_step *s)
{
	saw(s, "%s of %s", saga_subject(s), saga_event_subject(saga_trigger(s)));
	effect(s, saga_subject(s));
	return saga_emit(s, a_done);
}

static saga_verdict undo_subject(saga_step *s)
{
	saw(s, "undo %s", saga_subject(s));
	return saga_emit(s, a_undone);
}

static saga_verdict run_inherited(saga_step *s)
{
	saw(s, "inherits %s", saga_subject(s));
	return saga_done(s);
}

static saga_verdict run_once(saga_step *s)
{
	effect(s, "once");
	return saga_done(s);
}

static saga_verdict run_request(saga_step *s)
{
	saw(s, "asked for %s", saga_subject(s));
	return saga_emit(s, b_done);
}

static const saga_step_def subject_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.per_subject = true,
		.run = run_subject,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_subject,
		.undo_on = { &take_back },
		.undone = { &a_undone } },
	{ .name = "b", .on = { &a_done, &b_done }, .per_subject = true, .run = run_inherited },
	{ .name = "once", .on = { &a_done }, .run = run_once },
	{ .name = "asked",
		.on = { &please },
		.per_subject = true,
		.run = run_request,
		.emits = { &b_done } },
	MARKER_STEP,
};
static const saga_participant_def subjects =
	SAGA_PARTICIPANT("target", subject_steps, .schema = schema);

START_TEST(a_step_per_subject_runs_once_for_each)
{
	struct stage *stage = stage_start(_i, &subjects);
	saga_id saga = stage_saga(stage);

	inject_as(stage, saga, &go_first, 0, "x");
	inject_as(stage, saga, &go_first, 0, "y");
	AWAIT(stage, slot_count(stage, saga, "b", "done") == 2);
	ck_assert_int_eq(slot_count(stage, saga, "a", "done"), 2);
	ck_assert_int_eq(effects(stage, saga, "x"), 1);
	ck_assert_int_eq(effects(stage, saga, "y"), 1);
	ck_assert_int_eq(trace_count(stage, "x of x"), 1);
	ck_assert_int_eq(trace_count(stage, "inherits x"), 1);
	ck_assert_int_eq(trace_count(stage, "inherits y"), 1);
	AWAIT(stage, slot_is(stage, saga, "once", "done"));
	ck_assert_int_eq(effects(stage, saga, "once"), 1);
	ck_assert_str_eq(slot_state_of(stage, saga, "once", ""), "done");
	inject_as(stage, saga, &take_back, 0, "x");
	inject_as(stage, saga, &take_back, 0, "z");
	settle(stage);
	ck_assert_str_eq(slot_state_of(stage, saga, "a", "x"), "undone");
	ck_assert_str_eq(slot_state_of(stage, saga, "a", "y"), "done");
	ck_assert_str_eq(slot_state_of(stage, saga, "a", "z"), "barred");
	stage_end(stage);
}
END_TEST

START_TEST(an_event_without_a_subject_is_a_dead_letter)
{
	struct stage *stage = stage_start(_i, &subjects);
	saga_id saga = stage_saga(stage);

	inject_bare_first(stage, saga);
	settle(stage);
	AWAIT(stage, dead_letters(stage) == 1);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	ck_assert_str_eq(trace(stage), "");
	stage_end(stage);
}
END_TEST

START_TEST(the_key_of_a_request_is_its_subject)
{
	struct stage *stage = stage_start(_i, &subjects);
	saga_id saga = stage_saga(stage);

	for (int i = 0; i < 2; i++) {
		const char *key = i ? "second" : "first";
		struct reply reply = ask(stage,
			&(saga_submission){
				SAGA_SUBMISSION(please, .n = 1), .key = key, .saga = saga });

		ck_assert_int_eq(reply.code, SAGA_OK);
		ck_assert(same_id(reply.saga, saga));
		ck_assert(!reply.repeated);
		AWAIT(stage, !strcmp(slot_state_of(stage, saga, "b", key), "done"));
		ck_assert_str_eq(slot_state_of(stage, saga, "asked", key), "done");
	}
	ck_assert_int_eq(trace_count(stage, "inherits first"), 1);
	ck_assert_int_eq(trace_count(stage, "asked for second"), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rows_come_in_every_kind,
		any_integer_is_a_value_and_none_is_wrapped,
		what_goes_beyond_a_limit_is_dead_and_rolls_back,
		a_step_per_subject_runs_once_for_each,
		an_event_without_a_subject_is_a_dead_letter,
		the_key_of_a_request_is_its_subject,
	};

	return run_both_modes("rows and subjects", tests, sizeof tests / sizeof tests[0]);
}
