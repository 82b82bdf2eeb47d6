/* Streams that have stopped: seen, skipped, accepted. */
#include "tool.h"

#include "../participant/halting.h"

#include <stdio.h>

static saga_verdict run_a(saga_step *s)
{
	effect(s, "a");
	return saga_emit(s, a_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* The name of the only stream that has stopped. */
static void only_stream(struct stage *stage, char name[48])
{
	struct said said = tool_at(stage, "stream list --json");

	CHECK_SAID(&said, 0, "{\"stream\":\"");
	ck_assert_int_eq(sscanf(said.text, "{\"stream\":\"%47[^\"]", name), 1);
	ck_assert_msg(!strstr(said.text + 2, "{\"stream\""), "several: %s", said.text);
}

static void check_none_left(struct stage *stage)
{
	struct said said;

	AWAIT(stage,
		sql_int(stage, "SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream%'", NULL,
			NULL) == 0);
	said = tool_at(stage, "stream list");
	CHECK_SAID(&said, 0, "`target`: no stream has stopped; 1 are followed");
	said = tool_at(stage, "stream list --json");
	ck_assert_int_eq(said.code, 0);
	ck_assert_str_eq(said.text, "");
}

static int64_t halted(struct stage *stage)
{
	return sql_int(
		stage, "SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream %'", NULL, NULL);
}

START_TEST(what_is_gone_is_skipped)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[MISSED];
	struct said said;
	char name[48];

	settle(stage);
	said = tool_at(stage, "stream list");
	CHECK_SAID(&said, 0, "no stream has stopped; 1 are followed");
	trim_what_it_needs(stage, sagas);
	AWAIT(stage, halted(stage) == 1);
	said = tool_at(stage, "stream list");
	CHECK_SAID(&said, 0, "STREAM ");
	CHECK_SAID(&said, 0, "gone");
	CHECK_SAID(&said, 0, "outside");
	only_stream(stage, name);
	said = tool_at(stage, "stream accept %s", name);
	CHECK_SAID(&said, 1, "it has not forked, events are gone: skip them");
	said = tool_at(stage, "stream accept --all");
	CHECK_SAID(&said, 0, "no stream has stopped so");
	said = tool_at(stage, "stream skip ffffffff-");
	CHECK_SAID(&said, 1, "`ffffffff-`: no such stream is followed here");
	actor_close(&stage->target);
	said = tool_at(stage, "stream skip %s", name);
	CHECK_SAID(&said, 0, "of outside is to be skipped to ");
	said = tool_at(stage, "stream list");
	CHECK_SAID(&said, 0, "to be skipped to ");
	stage_restart(stage);
	for (int i = MISSED - LEFT; i < MISSED; i++)
		AWAIT(stage, slot_is(stage, sagas[i], "a", "done"));
	check_none_left(stage);
	said = tool_at(stage, "stream skip %s", name);
	CHECK_SAID(&said, 1, "it has not stopped, there is nothing to skip");
	stage_end(stage);
}
END_TEST

START_TEST(a_fork_is_accepted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id before[2], lost[3], after[6];
	struct said said;
	char name[48];

	restore_a_backup(stage, before, lost);
	inject_new(stage, after, 6);
	AWAIT(stage, halted(stage) == 1);
	only_stream(stage, name);
	said = tool_at(stage, "stream list");
	CHECK_SAID(&said, 0, "forked");
	said = tool_at(stage, "stream skip %.12s", name);
	CHECK_SAID(&said, 1, "nothing is gone, it has forked: accept that");
	said = tool_at(stage, "stream skip --all");
	CHECK_SAID(&said, 0, "no stream has stopped so");
	said = tool_at(stage, "stream accept --all");
	CHECK_SAID(&said, 0, "of outside is to be read again from its oldest event");
	for (int i = 0; i < 6; i++)
		AWAIT(stage, slot_is(stage, after[i], "a", "done"));
	check_none_left(stage);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(effects(stage, lost[i], "a"), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_gone_is_skipped,
		a_fork_is_accepted,
	};

	return run_both_modes("tool stream", tests, sizeof tests / sizeof tests[0]);
}
