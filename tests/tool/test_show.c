/* One saga as its participant knows it, and lists of what goes on by itself. */
#include "tool.h"

#include <stdio.h>

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *first = saga_on(s, go_first);

	saga_after(s, 3600 * 1000, later, .n = 1);
	if (first && first->n == DO_WAIT)
		return saga_wait(s, "the painter is ill");
	return saga_emit(s, a_done, .text = "done \"so\"");
}

static saga_verdict run_b(saga_step *s)
{
	return saga_retry(s, "no paint");
}

static saga_verdict run_c(saga_step *s)
{
	return saga_emit(s, c_done);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first, &go_second },
		.run = run_a,
		.emits = { &a_done },
		.after = { { .event = &later, .unless = { &bar_it } } } },
	{ .name = "b",
		.on = { &go_third },
		.run = run_b,
		.emits = { &b_done },
		.retry = { .attempts = 100, .first_ms = 20000000, .max_ms = 20000000 } },
	{ .name = "c",
		.on = { &go_first, &take_back },
		.join = SAGA_ALL,
		.run = run_c,
		.emits = { &c_done } },
	{ .name = "keep_later", .on = { &later, &much_later }, .run = run_marker },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

START_TEST(a_waiting_saga_says_why)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);
	char id[SAGA_ID_TEXT];
	struct said said;

	saga_id_text(saga, id);
	inject_n(stage, saga, &go_first, DO_WAIT);
	inject(stage, saga, &go_third);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting") && parked(stage) == 1);
	/* As a store prints it: without dashes. */
	said = tool_at(stage, "show %.8s%.4s%.4s%.4s%s", id, id + 9, id + 14, id + 19, id + 24);
	CHECK_SAID(&said, 0, id);
	said = tool_at(stage, "show %.8s%.4s", id, id + 9);
	CHECK_SAID(&said, 0, id);
	said = tool_at(stage, "show %.8s--%.4s", id, id + 9);
	CHECK_SAID(&said, 2, "not a UUID");
	said = tool_at(stage, "show %s00", id);
	CHECK_SAID(&said, 2, "not a UUID");

	said = tool_at(stage, "show %s", id);
	CHECK_SAID(&said, 0, "at `target`");
	CHECK_SAID(&said, 0, "the painter is ill");
	CHECK_SAID(&said, 0, "outside.take_back");
	CHECK_SAID(&said, 0, "a>target.later");
	CHECK_SAID(&said, 0, "armed until  2");
	CHECK_SAID(&said, 0, "no paint");
	CHECK_SAID(&said, 0, "no events in the outbox");
	said = tool_at(stage, "show --json %s", id);
	CHECK_SAID(&said, 0,
		"{\"what\":\"slot\",\"step\":\"a\",\"subject\":null,\"state\":\"waiting\"");
	CHECK_SAID(&said, 0, "{\"what\":\"schedule\",\"schedule\":\"a>target.later\"");
	CHECK_SAID(&said, 0, "\"kind\":\"retry\"");

	said = tool_at(stage, "dead list");
	CHECK_SAID(&said, 0, "besides: 1 retry, 1 schedule (--kind all shows them)");
	said = tool_at(stage, "dead list --kind schedule");
	CHECK_SAID(&said, 0, " (in ");
	stage_end(stage);
}
END_TEST

START_TEST(a_saga_shows_its_events_in_order)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);
	char id[SAGA_ID_TEXT];
	const char *first;
	struct said said;

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	inject(stage, saga, &take_back);
	inject(stage, saga, &bar_it);
	AWAIT(stage, slot_is(stage, saga, "c", "done"));
	settle(stage);
	said = tool_at(stage, "show %s", saga_id_text(saga, id));
	CHECK_SAID(&said, 0, "withdrawn");
	CHECK_SAID(&said, 0, "{\"text\":\"done \\\"so\\\"\"}");
	first = strstr(said.text, "a.done");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(strstr(first, "c.done"));
	said = tool_at(stage, "show --json %s", id);
	CHECK_SAID(&said, 0, "\"event\":{\"specversion\":\"1.0\"");
	said = tool_at(stage, "show 77777777");
	CHECK_SAID(&said, 1, "`77777777`: `target` knows no such saga");
	stage_end(stage);
}
END_TEST

START_TEST(what_goes_on_by_itself_is_left_alone)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);
	char id[SAGA_ID_TEXT];
	struct said said;

	inject_n(stage, saga, &go_first, DO_WAIT);
	inject(stage, saga, &go_third);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting") && parked(stage) == 1);
	said = tool_at(stage, "dead requeue %s", only_row(stage, "schedule", id));
	CHECK_SAID(&said, 1, "it goes on by itself");
	said = tool_at(stage, "dead discard %s", id);
	CHECK_SAID(&said, 1, "only dead letters can be discarded");
	said = tool_at(stage, "dead requeue %s", only_row(stage, "retry", id));
	CHECK_SAID(&said, 0, "requeued ");
	AWAIT(stage, logged(stage, "step.retried") == 2);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_waiting_saga_says_why,
		a_saga_shows_its_events_in_order,
		what_goes_on_by_itself_is_left_alone,
	};

	return run_both_modes("tool show", tests, sizeof tests / sizeof tests[0]);
}
