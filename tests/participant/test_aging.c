/* What is old goes: events that are seen, sagas that are over, letters that nobody opened. */
#include "harness.h"

#include "participant/inside.h"

static saga_verdict run_a(saga_step *s)
{
	saw(s, "run");
	if (((struct stage *)saga_user(s))->knob)
		return saga_fail(s, "broken");
	return saga_emit(s, a_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static int64_t rows(struct stage *stage, const char *sql)
{
	return sql_int(stage, sql, NULL, NULL);
}

/* Tables, and nobody at work in them. */
static struct stage *stage_closed(int lanes)
{
	struct stage *stage = stage_start(lanes, &def);

	settle(stage);
	actor_close(&stage->target);
	return stage;
}

static void reopen(struct stage *stage)
{
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
}

/* ---- the outbox ---- */

#define MANY_OUT "9000"

START_TEST(a_backlog_is_trimmed_at_once)
{
	struct stage *stage = stage_closed(_i);

	sql_write(stage,
		"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " MANY_OUT ")"
		" INSERT INTO saga_outbox (shard, seq, id, saga, event, at)"
		" SELECT 0, seq + i, randomblob(16), randomblob(16), x'80', 1"
		" FROM n, saga_stream");
	sql_write(stage, "UPDATE saga_stream SET seq = seq + " MANY_OUT ", own = seq + " MANY_OUT);
	stage->options.retention_max_ms = 7 * INT64_C(86400000);
	reopen(stage);
	AWAIT(stage, health(&stage->target).store);
	stage->target.participant->trim_at = 0;
	AWAIT(stage, rows(stage, "SELECT COUNT(*) FROM saga_outbox WHERE at = 1") == 0);
	ck_assert_int_gt(stage->target.participant->trim_at, 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_backlog_is_trimmed_at_once,
	};

	return run_both_modes("aging", tests, sizeof tests / sizeof tests[0]);
}
