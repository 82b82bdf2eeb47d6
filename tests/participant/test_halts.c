/* Streams that stop, and operators who let them go on: a trimmed outbox, a restored backup. */
#include "halting.h"

#include "participant/inside.h"

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

/* ---- orders, as the tool writes them ---- */

static void order(struct stage *stage, const char *what)
{
	char sql[256];

	snprintf(sql, sizeof sql,
		"INSERT INTO saga_meta (name, value) SELECT 'stream!' || substr(name, 7), '%s'"
		" FROM saga_meta WHERE name LIKE 'stream %%/%%'",
		what);
	sql_write(stage, sql);
}

static int64_t rows(struct stage *stage, const char *value)
{
	return sql_int(stage,
		"SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream%' AND value LIKE ?", NULL,
		value);
}

/* ---- a trimmed outbox ---- */

static void check_goes_on(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	AWAIT(stage, health(&stage->outside).outbox == 0 && health(&stage->target).lag == 0);
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
}

START_TEST(what_is_gone_is_skipped_by_an_operator)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[MISSED];
	int64_t first = trim_what_it_needs(stage, sagas);
	char text[64];

	AWAIT(stage, rows(stage, "gone outside upto=%") == 1);
	AWAIT(stage, health(&stage->target).stopped == 1);
	ck_assert_int_ge(health(&stage->target).lag, LEFT);
	for (int i = 0; i < MISSED; i++)
		ck_assert_str_eq(slot_state(stage, sagas[i], "a"), "absent");
	snprintf(text, sizeof text, "skip to=%lld", (long long)first - 1);
	order(stage, text);
	for (int i = MISSED - LEFT; i < MISSED; i++)
		AWAIT(stage, slot_is(stage, sagas[i], "a", "done"));
	AWAIT(stage, rows(stage, "%") == 0 && health(&stage->target).stopped == 0);
	ck_assert_int_eq(logged(stage, "stream.skipped"), 1);
	check_goes_on(stage);
	stage_restart(stage);
	check_goes_on(stage);
	ck_assert_int_eq(logged(stage, "stream.gone"), 1);
	for (int i = 0; i < MISSED - LEFT; i++)
		ck_assert_str_eq(slot_state(stage, sagas[i], "a"), "absent");
	stage_end(stage);
}
END_TEST

/* Written while the participant is away; and it ends again before it has heard of its stream. */
START_TEST(an_order_waits_for_its_participant)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[MISSED];
	int64_t first = trim_what_it_needs(stage, sagas);
	char text[64];

	AWAIT(stage, rows(stage, "gone%") == 1);
	actor_close(&stage->target);
	actor_close(&stage->outside);
	snprintf(text, sizeof text, "skip to=%lld", (long long)first - 1);
	order(stage, text);
	actor_open(stage, &stage->target, &def, &stage->options, "target.db");
	AWAIT(stage, rows(stage, "%") == 0); /* nobody else need be there */
	stage_open_outside(stage);
	for (int i = MISSED - LEFT; i < MISSED; i++)
		AWAIT(stage, slot_is(stage, sagas[i], "a", "done"));
	check_goes_on(stage);
	ck_assert_int_eq(logged(stage, "stream.gone"), 1);
	stage_end(stage);
}
END_TEST

/* ---- a restored backup ---- */

START_TEST(a_fork_is_accepted_by_an_operator)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id before[2], lost[3], after[6];

	restore_a_backup(stage, before, lost);
	inject_new(stage, after, 6);
	AWAIT(stage, rows(stage, "forked outside upto=%") == 1);
	AWAIT(stage, health(&stage->target).stopped == 1);
	stage_restart(stage);
	AWAIT(stage, health(&stage->target).stopped == 1); /* that is no way out of it */
	for (int i = 0; i < 6; i++)
		ck_assert_str_eq(slot_state(stage, after[i], "a"), "absent");
	order(stage, "accept");
	for (int i = 0; i < 6; i++)
		AWAIT(stage, slot_is(stage, after[i], "a", "done"));
	AWAIT(stage, rows(stage, "%") == 0 && health(&stage->target).stopped == 0);
	ck_assert_int_eq(logged(stage, "stream.accepted"), 1);
	check_goes_on(stage);
	stage_restart(stage);
	check_goes_on(stage);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(effects(stage, before[i], "a"), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(effects(stage, lost[i], "a"), 1);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(effects(stage, after[i], "a"), 1);
	stage_end(stage);
}
END_TEST

/* As another instance writes it: ours may have read nothing that contradicts what it has. */
START_TEST(a_fork_that_another_instance_found_stops_it)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id sagas[2];
	char sql[256];

	inject_new(stage, sagas, 1);
	settle(stage);
	snprintf(sql, sizeof sql,
		"ATTACH '%s/outside.db' AS o; INSERT INTO saga_meta (name, value)"
		" SELECT 'stream ' || value || '/0', 'forked outside upto=0 first=0 at=1'"
		" FROM o.saga_meta WHERE name = 'uuid'",
		stage->dir);
	sql_write(stage, sql);
	AWAIT(stage, health(&stage->target).stopped == 1);
	inject_new(stage, sagas + 1, 1);
	order(stage, "accept");
	AWAIT(stage, slot_is(stage, sagas[1], "a", "done"));
	AWAIT(stage, rows(stage, "%") == 0 && health(&stage->target).stopped == 0);
	check_goes_on(stage);
	ck_assert_int_eq(effects(stage, sagas[0], "a"), 1);
	stage_end(stage);
}
END_TEST

/* Lane by lane: of shards that one has not read again, what is remembered counts for nothing. */
static bool knows_all(const saga_participant *p)
{
	bool knows = true;

	for (unsigned shard = 0; shard < p->shards; shard++) {
		if (!p->rereads[shard & (p->lane_count - 1)])
			continue;
		knows = false;
		ck_assert(!saga__follow_wants(p->followings->follow, shard, SAGA__SEQ_MOST));
	}
	return knows;
}

START_TEST(what_is_to_be_read_again_is_not_followed_until_then)
{
	struct stage *stage = stage_start(_i, &def);
	saga_participant *p = stage->target.participant;
	saga_id saga;

	inject_new(stage, &saga, 1);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert(saga__follow_wants(p->followings->follow, 0, SAGA__SEQ_MOST));
	ck_assert(saga__shards_reread(p));
	ck_assert(!knows_all(p));
	AWAIT(stage, knows_all(p));
	ck_assert(saga__follow_wants(p->followings->follow, 0, SAGA__SEQ_MOST));
	check_goes_on(stage);
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	stage_end(stage);
}
END_TEST

/* Who knows of a restored backup need not wait until it shows. */
START_TEST(an_unseen_fork_may_be_accepted)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id before[2], lost[3], after[2];
	char sql[256];

	restore_a_backup(stage, before, lost);
	ck_assert_int_eq(rows(stage, "%"), 0);
	snprintf(sql, sizeof sql,
		"ATTACH '%s/outside.db' AS o; INSERT INTO saga_meta (name, value)"
		" SELECT 'stream! ' || value || '/0', 'accept' FROM o.saga_meta"
		" WHERE name = 'uuid'",
		stage->dir);
	sql_write(stage, sql);
	AWAIT(stage, logged(stage, "stream.accepted") == 1);
	inject_new(stage, after, 2);
	for (int i = 0; i < 2; i++)
		AWAIT(stage, slot_is(stage, after[i], "a", "done"));
	check_goes_on(stage);
	ck_assert_int_eq(rows(stage, "%"), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(effects(stage, before[i], "a"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(an_order_for_no_stream_is_dropped)
{
	struct stage *stage = stage_start(_i, &def);

	settle(stage);
	sql_write(stage,
		"INSERT INTO saga_meta (name, value) VALUES"
		" ('stream! 0190f3c2-0000-7000-8000-000000000001/0', 'accept')");
	AWAIT(stage, logged(stage, "stream.unknown") == 1);
	AWAIT(stage, rows(stage, "%") == 0);
	check_goes_on(stage);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_gone_is_skipped_by_an_operator,
		an_order_waits_for_its_participant,
		a_fork_is_accepted_by_an_operator,
		a_fork_that_another_instance_found_stops_it,
		what_is_to_be_read_again_is_not_followed_until_then,
		an_unseen_fork_may_be_accepted,
		an_order_for_no_stream_is_dropped,
	};

	return run_both_modes("halts", tests, sizeof tests / sizeof tests[0]);
}
