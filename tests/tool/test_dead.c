/* Dead and stuck slots: seen, requeued, asserted. */
#include "tool.h"

#include <stdio.h>

SAGA_STRUCT(query, int64(cents));
SAGA_STRUCT(told, flag(yes));

enum {
	BROKEN,
	MENDED
};

/* A little more than a lane's look takes. */
enum {
	LOOK_MOST_MS = 4000
};

static bool is_mended(const saga_step *s)
{
	return ((struct stage *)saga_user(s))->knob == MENDED;
}

static saga_verdict run_a(saga_step *s)
{
	if (!is_mended(s))
		return saga_fail(s, "the wheel is \033[1mbroken\033[0m");
	return saga_emit(s, a_done);
}

static saga_verdict ask_b(saga_step *s)
{
	return saga_ask(s, query, .cents = 1299);
}

static saga_verdict call_b(saga_call *c)
{
	if (((struct stage *)saga_call_user(c))->knob == MENDED)
		return saga_tell(c, told, .yes = true);
	return saga_call_retry(c, "silence");
}

static saga_verdict run_b(saga_step *s)
{
	return saga_emit(s, b_done);
}

static saga_verdict run_please(saga_step *s)
{
	return saga_emit(s, c_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	{ .name = "b",
		.on = { &go_second },
		.run = run_b,
		.outside = { .prepare = ask_b, .call = call_b },
		.emits = { &b_done },
		.rejects = { &b_rejected },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 1 } },
	{ .name = "please", .on = { &please }, .run = run_please, .emits = { &c_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

static saga_id dead(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "dead"));
	return saga;
}

static saga_id stuck_call(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_second);
	AWAIT(stage, slot_is(stage, saga, "b", "stuck"));
	return saga;
}

static void check_nothing_left(struct stage *stage)
{
	struct said said = tool_at(stage, "dead list --kind all");

	CHECK_SAID(&said, 0, "`target`: there is nothing of that kind");
	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "nothing is dead, stuck or set aside");
}

START_TEST(a_dead_slot_is_seen_and_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);
	char id[SAGA_ID_TEXT], text[SAGA_ID_TEXT];
	struct said said = tool_at(stage, "dead list");

	CHECK_SAID(&said, 0, saga_id_text(saga, text));
	CHECK_SAID(&said, 0, "the wheel is \\x1b[1mbroken\\x1b[0m");
	only_row(stage, "held", id);
	said = tool_at(stage, "dead show %s", id);
	CHECK_SAID(&said, 0, "\"type\":\"outside.go_first\"");
	CHECK_SAID(&said, 0, "slot      dead (was absent), ");
	said = tool_at(stage, "dead show --json %s", id);
	CHECK_SAID(&said, 0, "\"why\":\"the wheel is \\u001b[1mbroken");

	actor_close(&stage->target);
	stage->knob = MENDED;
	said = tool_at(stage, "dead requeue %s", id);
	CHECK_SAID(&said, 0, "requeued ");
	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "to be requeued: ");
	stage_open(stage, &def, NULL);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_store_may_stand_in_a_file)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);
	char path[256], text[SAGA_ID_TEXT];
	struct said said;
	FILE *file;

	snprintf(path, sizeof path, "%s/url", stage->dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "sqlite:%s/target.db\nmore\n", stage->dir);
	ck_assert_int_eq(fclose(file), 0);
	said = tool("dead list --store @%s", path);
	CHECK_SAID(&said, 0, saga_id_text(saga, text));
	stage_end(stage);
}
END_TEST

START_TEST(a_running_participant_finds_a_command)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id first = dead(stage), second = dead(stage);
	struct said said;
	uint64_t begun;

	settle(stage);
	stage->knob = MENDED;
	said = tool_at(stage, "dead requeue --all");
	CHECK_SAID(&said, 0, "requeued 2 held rows and dead letters; its participant finds it");
	begun = uv_hrtime();
	AWAIT(stage, slot_is(stage, first, "a", "done") && slot_is(stage, second, "a", "done"));
	ck_assert_int_lt((int64_t)((uv_hrtime() - begun) / 1000000), LOOK_MOST_MS);
	said = tool_at(stage, "dead requeue --all");
	CHECK_SAID(&said, 0, "nothing to requeue");
	stage_end(stage);
}
END_TEST

/* While the lane commits as fast as it can. */
START_TEST(a_busy_participant_is_no_obstacle)
{
	enum {
		REQUESTS = 400
	};
	static struct reply replies[REQUESTS];
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);
	char id[SAGA_ID_TEXT];
	struct said said;
	int answered = 0;

	stage->knob = MENDED;
	for (int i = 0; i < REQUESTS; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%d", i);
		ck_assert_int_eq(
			ask_later(stage,
				&(saga_submission){ SAGA_SUBMISSION(please, .n = i), .key = key },
				&replies[i]),
			SAGA_OK);
		replies[i].stage = NULL;
	}
	said = tool_at(stage, "dead requeue %s", only_row(stage, "held", id));
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	for (int i = 0; i < REQUESTS; i++) {
		AWAIT(stage, replies[i].times == 1);
		answered += replies[i].code == SAGA_OK;
	}
	ck_assert_int_eq(answered, REQUESTS);
	stage_end(stage);
}
END_TEST

START_TEST(a_dead_slot_is_asserted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);
	char id[SAGA_ID_TEXT];
	struct said said;

	only_row(stage, "held", id);
	said = tool_at(stage,
		"dead assert %s --outcome a.done --body '{\"n\": 7}' --note 'seen by eye'", id);
	CHECK_SAID(&said, 0, "a ended in a.done");
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(said_with(stage, saga, "a.done", "\"n\":7"), 1);
	check_nothing_left(stage);
	said = tool_at(stage, "show %.0s%s", "", saga_id_text(saga, id));
	CHECK_SAID(&said, 0, "seen by eye");
	stage_end(stage);
}
END_TEST

START_TEST(what_a_step_does_not_declare_is_refused)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = dead(stage);
	char id[SAGA_ID_TEXT];
	struct said said;

	only_row(stage, "held", id);
	said = tool_at(stage, "dead assert %s --outcome b.done --note hm", id);
	CHECK_SAID(&said, 0, "if it refuses, `saga dead list` says why");
	AWAIT(stage, carried_out(stage));
	ck_assert_int_eq(logged(stage, "operator.refused"), 1);
	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "the asserted event is no outcome that this slot can have");
	said = tool_at(stage, "dead assert %s --outcome no.such --note hm", id);
	AWAIT(stage, carried_out(stage));
	ck_assert_int_eq(logged(stage, "operator.refused"), 2);
	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "the asserted event is none that this participant knows");
	said = tool_at(stage, "dead assert %s --outcome a.done --body '{\"m\":1}' --note hm", id);
	AWAIT(stage, carried_out(stage));
	ck_assert_int_eq(logged(stage, "operator.refused"), 3);
	said = tool_at(stage, "dead list --kind held");
	CHECK_SAID(&said, 0, "m");
	ck_assert_str_eq(slot_state(stage, saga, "a"), "dead");
	said = tool_at(stage, "dead discard %s", id);
	CHECK_SAID(&said, 1, "a slot hangs on it, so it can't be discarded");
	stage->knob = MENDED;
	said = tool_at(stage, "dead requeue %s", id);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_call_is_seen_and_requeued)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck_call(stage);
	char id[SAGA_ID_TEXT];
	struct said said;

	said = tool_at(stage, "dead show %s", only_row(stage, "held", id));
	CHECK_SAID(&said, 0, "slot      stuck (was trying), ");
	CHECK_SAID(&said, 0, "question  {\"query\":{\"cents\":1299}}");
	CHECK_SAID(&said, 0, "silence");
	stage->knob = MENDED;
	said = tool_at(stage, "dead requeue %s", id);
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, slot_is(stage, saga, "b", "done"));
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_stuck_call_is_asserted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stuck_call(stage);
	char id[SAGA_ID_TEXT];
	struct said said = tool_at(stage,
		"dead assert %s --outcome b.rejected --note 'the bank knows nothing of it'",
		only_row(stage, "held", id));

	CHECK_SAID(&said, 0, "b ended in b.rejected");
	AWAIT(stage, slot_is(stage, saga, "b", "rejected"));
	ck_assert_int_eq(said_with(stage, saga, "b.rejected", "the bank knows nothing of it"), 1);
	check_nothing_left(stage);
	stage_end(stage);
}
END_TEST

START_TEST(ids_may_be_cut_short)
{
	struct stage *stage = stage_start(_i, &def);
	char first[SAGA_ID_TEXT];
	struct said said;

	dead(stage);
	only_row(stage, "held", first);
	said = tool_at(stage, "dead show %.8s", first);
	CHECK_SAID(&said, 0, first);
	said = tool_at(stage, "dead show %.7s", first);
	CHECK_SAID(&said, 2, "not a UUID, nor its first 8 characters or more");
	dead(stage);
	dead(stage);
	/* They begin with their time: on a slow machine not with the same 8 characters. */
	sql_write(stage, "UPDATE saga_parked SET id = CAST(x'0190f3c2' || substr(id, 5) AS BLOB)");
	memcpy(first, "0190f3c2", 8);
	said = tool_at(stage, "dead requeue %.8s", first);
	CHECK_SAID(&said, 1, "is the beginning of 3 rows, write more of it: ");
	CHECK_SAID(&said, 1, first);
	said = tool_at(stage, "show 0190f3c2");
	CHECK_SAID(&said, 1, "is the beginning of 3 sagas");
	said = tool_at(stage, "dead requeue %s ffffffff", first);
	CHECK_SAID(&said, 1, "`ffffffff`: there is no such row");
	said = tool_at(stage, "dead list");
	ck_assert_msg(!strstr(said.text, "to be requeued"), "half of it was done");
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_dead_slot_is_seen_and_requeued,
		a_store_may_stand_in_a_file,
		a_running_participant_finds_a_command,
		a_busy_participant_is_no_obstacle,
		a_dead_slot_is_asserted,
		what_a_step_does_not_declare_is_refused,
		a_stuck_call_is_seen_and_requeued,
		a_stuck_call_is_asserted,
		ids_may_be_cut_short,
	};

	return run_both_modes("tool dead", tests, sizeof tests / sizeof tests[0]);
}
