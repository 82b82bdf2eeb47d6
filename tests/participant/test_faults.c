/* A store that has bad days: each effect exactly once all the same. */
#define _GNU_SOURCE
#include "event/id.h"
#include "fault_saga.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one by one ---- */

enum {
	MANY = 24
};

static void inject_many(struct stage *stage, saga_id sagas[MANY], int poisoned)
{
	for (int i = 0; i < MANY; i++) {
		sagas[i] = stage_saga(stage);
		inject_n(stage, sagas[i], &go_first, i == poisoned ? DO_FAIL : DO_DONE);
	}
}

/* Each is done, and was once. */
static void await_all(struct stage *stage, const saga_id sagas[MANY])
{
	for (int i = 0; i < MANY; i++) {
		AWAIT(stage, slot_is(stage, sagas[i], "c", "done"));
		ck_assert_int_eq(effects(stage, sagas[i], "a"), 1);
		ck_assert_int_eq(said(stage, sagas[i], "a.done"), 1);
	}
}

START_TEST(a_contended_batch_is_halved_and_replayed)
{
	struct faults faults;
	struct stage *stage;
	saga_id sagas[MANY];

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	settle(stage);
	actor_close(&stage->target);
	inject_many(stage, sagas, -1);
	faults_plan(&faults, FAULT_COMMIT, 3, 4, FAULT_CONTENDED);
	stage_restart(stage);
	await_all(stage, sagas);
	ck_assert_uint_eq(faults_fired(&faults), 4);
	stage_end(stage);
}
END_TEST

/* A store may be so slow, or so often cut off, that it never comes to the end of a large one. */
START_TEST(a_batch_that_no_connection_lives_through_gets_smaller)
{
	struct faults faults;
	struct stage *stage;
	saga_id sagas[MANY];

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	settle(stage);
	faults_plan(&faults, FAULT_BEGIN, 1, FAULT_FOREVER, FAULT_AWAY);
	inject_many(stage, sagas, -1);
	AWAIT(stage, health(&stage->target).queued >= MANY);
	faults_limit(&faults, 4);
	faults_clear(&faults);
	await_all(stage, sagas);
	ck_assert_uint_gt(faults_fired(&faults), 0);
	stage_end(stage);
}
END_TEST

START_TEST(one_poison_event_holds_nobody_up)
{
	struct faults faults;
	struct stage *stage;
	saga_id sagas[MANY];

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	settle(stage);
	actor_close(&stage->target);
	inject_many(stage, sagas, MANY / 2);
	stage_restart(stage);
	for (int i = 0; i < MANY; i++)
		AWAIT(stage, slot_is(stage, sagas[i], "a", i == MANY / 2 ? "dead" : "done"));
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM effect WHERE what = 'a'", NULL, NULL),
		MANY - 1);
	ck_assert_int_eq(said(stage, sagas[MANY / 2], "a.done"), 0);
	settle(stage);
	stage_end(stage);
}
END_TEST

START_TEST(a_wait_whose_commit_answer_was_lost_runs_once)
{
	struct faults faults;
	struct stage *stage;
	saga_id saga;

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	saga = stage_saga(stage);
	settle(stage);
	faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
	inject_n(stage, saga, &go_first, DO_WAIT);
	AWAIT(stage, slot_is(stage, saga, "a", "waiting"));
	settle(stage);
	stage_restart(stage);
	settle(stage);
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	ck_assert_str_eq(trace(stage), "run");
	stage_end(stage);
}
END_TEST

START_TEST(a_store_away_at_the_start_is_waited_for)
{
	struct faults faults;
	struct stage *stage;
	struct reply reply;
	saga_id saga;

	faults_init(&faults);
	faults_plan(&faults, FAULT_OPEN, 1, 3, FAULT_AWAY);
	stage = stage_with(_i, &faults);
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	reply = ask_please(stage, "k", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	AWAIT(stage, health(&stage->target).store);
	ck_assert_uint_eq(faults_fired(&faults), 3);
	ck_assert_int_ge(logged_at(stage, SAGA_WARNING), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_store_away_for_a_while_holds_nothing_for_good)
{
	struct faults faults;
	struct stage *stage;
	saga_id saga;

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	saga = stage_saga(stage);
	settle(stage);
	faults_plan(&faults, FAULT_BEGIN, 1, FAULT_FOREVER, FAULT_AWAY);
	inject(stage, saga, &go_first);
	AWAIT(stage, faults_fired(&faults) >= 2);
	AWAIT(stage, !health(&stage->target).store);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	faults_clear(&faults);
	AWAIT(stage, slot_is(stage, saga, "c", "done"));
	AWAIT(stage, health(&stage->target).store);
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	stage_end(stage);
}
END_TEST

static int ask_numbered(struct stage *stage, int number, struct reply *reply)
{
	char key[16];

	snprintf(key, sizeof key, "k%d", number);
	return ask_later(
		stage, &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = key }, reply);
}

enum {
	QUEUE = 8,
	ASKED = 40
};

/* Whoever asks meanwhile is told so, once a lane's queue is full; who was taken is answered. */
START_TEST(a_store_away_fills_the_queue)
{
	static struct reply replies[ASKED];
	bool taken[ASKED];
	struct faults faults;
	struct stage *stage;
	int busy = 0;

	faults_init(&faults);
	stage = stage_new(_i);
	stage_open(stage, &fault_saga,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults,
			.limits = SAGA_LIMITS(.queue = QUEUE)));
	settle(stage);
	faults_plan(&faults, FAULT_BEGIN, 1, FAULT_FOREVER, FAULT_AWAY);
	for (int i = 0; i < ASKED; i++) {
		int code = ask_numbered(stage, i, &replies[i]);

		ck_assert_int_eq(code, (taken[i] = code != SAGA_BUSY) ? SAGA_OK : SAGA_BUSY);
		busy += !taken[i];
	}
	ck_assert_int_ge(busy, 1);
	AWAIT(stage, !health(&stage->target).store);
	for (int i = 0; i < ASKED; i++)
		ck_assert_int_eq(replies[i].times, 0);
	faults_clear(&faults);
	for (int i = 0; i < ASKED; i++) {
		AWAIT(stage, taken[i] || ask_numbered(stage, i, &replies[i]) != SAGA_BUSY);
		AWAIT(stage, replies[i].times == 1);
		ck_assert_int_eq(replies[i].code, SAGA_OK);
		ck_assert(!replies[i].repeated);
	}
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM effect WHERE what = 'please'", NULL, NULL),
		ASKED);
	stage_end(stage);
}
END_TEST

/* What the lost answer said of a lane's slots, that lane counts anew. */
START_TEST(a_wait_whose_commit_answer_was_lost_is_counted)
{
	struct faults faults;
	struct stage *stage;

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	settle(stage);
	for (int i = 1; i <= 2; i++) {
		faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
		inject_n(stage, stage_saga(stage), &go_first, DO_WAIT);
		AWAIT(stage, health(&stage->target).waiting == i);
		ck_assert_uint_eq(faults_fired(&faults), 1);
		settle(stage);
		ck_assert_int_eq(health(&stage->target).waiting, i);
	}
	stage_end(stage);
}
END_TEST

START_TEST(a_store_away_when_the_lane_only_looks)
{
	struct faults faults;
	struct stage *stage;
	struct reply reply;
	unsigned long calls;

	LEAVE_OUT_IF(_i > 1, "it counts the calls of one lane");
	faults_init(&faults);
	stage = stage_with(_i, &faults);
	settle(stage);
	stage_restart(stage);
	calls = faults_calls(&faults, FAULT_RUN);
	AWAIT(stage, health(&stage->target).store);
	calls = faults_calls(&faults, FAULT_RUN) - calls;
	actor_close(&stage->target);
	/* What it does first once it is connected; a request waits already. */
	faults_plan(&faults, FAULT_RUN, calls + 1, 1, FAULT_AWAY);
	stage_restart(stage);
	reply = ask_please(stage, "k", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_uint_eq(faults_fired(&faults), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_full_store_goes_on_when_there_is_room)
{
	struct faults faults;
	struct stage *stage;
	saga_id saga;

	faults_init(&faults);
	stage = stage_with(_i, &faults);
	saga = stage_saga(stage);
	settle(stage);
	faults_plan(&faults, FAULT_COMMIT, 1, FAULT_FOREVER, FAULT_FULL);
	inject(stage, saga, &go_first);
	AWAIT(stage, faults_fired(&faults) >= 3);
	ck_assert_str_eq(slot_state(stage, saga, "a"), "absent");
	faults_clear(&faults);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	stage_end(stage);
}
END_TEST

/* ---- a disk that is really full ---- */

static bool mount_small(const char *path)
{
	return unshare(CLONE_NEWNS) == 0 &&
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0;
}

static void fill(const char *path)
{
	static const char block[4096];
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	while (write(fd, block, sizeof block) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

START_TEST(a_full_disk_goes_on_when_there_is_room)
{
	struct stage *stage;
	char dir[80], filler[96], url[128];
	saga_id saga;
	int warned;

	ONLY_ON("sqlite", "a server's disk is filled in the tests of outages");
	stage = stage_new(_i);
	saga = stage_saga(stage);
	snprintf(dir, sizeof dir, "%s/small", stage->dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	if (!mount_small(dir)) {
		rmdir(dir);
		fprintf(stderr, "skipped a_full_disk_goes_on_when_there_is_room: can't mount\n");
		stage_end(stage);
		return;
	}
	snprintf(filler, sizeof filler, "%s/filler", dir);
	snprintf(url, sizeof url, "sqlite:%s/target.db", dir);
	memcpy(stage->look_url, url, sizeof url);
	stage_open(stage, &fault_saga, SAGA_OPTIONS(.store = url));
	settle(stage);
	fill(filler);
	warned = logged_at(stage, SAGA_WARNING);
	for (int i = 0; i < 200 && logged_at(stage, SAGA_WARNING) == warned; i++)
		inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, logged_at(stage, SAGA_WARNING) > warned);
	inject(stage, saga, &go_first);
	ck_assert_int_eq(unlink(filler), 0);
	AWAIT(stage, slot_is(stage, saga, "c", "done"));
	settle(stage);
	ck_assert_int_eq(effects(stage, saga, "a"), 1);
	ck_assert_int_eq(
		sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE state <> 'done'", NULL, NULL),
		0);
	actor_close(&stage->target);
	look_close(stage);
	ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	stage_end(stage);
}
END_TEST

/* ---- our own events, read again ---- */

enum {
	LOWER = 2, /* shards */
	HIGHER = 6,
	SUSPECTS = 3 /* the transaction since the start that counts an attempt, once all is held */
};

struct own_again {
	struct faults faults;
	int begun; /* transactions since the restart; 0: it was not yet */
};

static saga_verdict run_own(saga_step *s)
{
	struct stage *stage = saga_user(s);
	struct own_again *own = stage->options.store_context;

	if (own->begun && !atomic_exchange(&stage->knob, 1))
		faults_plan(&own->faults, FAULT_COMMIT, 1, 1, FAULT_CONTENDED);
	effect(s, "b");
	return saga_done(s);
}

static saga_verdict emit_own(saga_step *s)
{
	return saga_emit(s, a_done);
}

static const saga_step_def own_steps[] = {
	{ .name = "a", .on = { &go_first }, .run = emit_own, .emits = { &a_done } },
	{ .name = "b", .on = { &a_done }, .run = run_own },
	MARKER_STEP,
};
static const saga_participant_def own_saga =
	SAGA_PARTICIPANT("target", own_steps, .schema = effect_schema);

/* As another instance would, a guest there: one more event of the lower shard. */
static void be_a_guest(void *user, const saga_store_ops *ops, void *store)
{
	static const saga_statement statements[] = {
		{ "INSERT INTO saga_outbox (shard, seq, id, saga, event, at)"
		  " SELECT shard, seq + 1, gen_random_uuid(), saga, event, at FROM saga_outbox"
		  " WHERE shard = 2 ORDER BY seq DESC LIMIT 1",
			NULL, 0 },
		{ "UPDATE saga_stream SET seq = seq + 1, last = (SELECT id FROM saga_outbox"
		  " WHERE shard = 2 ORDER BY seq DESC LIMIT 1) WHERE shard = 2",
			NULL, 0 },
	};
	struct own_again *own = user;
	saga_error error;

	if (own->begun && own->begun++ == SUSPECTS)
		ck_assert_int_eq(ops->run(store, statements, 2, NULL, &error), SAGA_OK);
}

static saga_id saga_in(struct stage *stage, unsigned shard)
{
	saga_id saga;

	do
		saga = stage_saga(stage);
	while (saga__id_shard(saga, 8) != shard);
	return saga;
}

/*
 * After an unclean end each event runs alone. What one batch read again and lost is not passed by
 * the next, which is of another shard.
 */
START_TEST(what_was_read_again_and_lost_is_not_passed)
{
	struct own_again own = { .begun = 0 };
	struct stage *stage;
	saga_id lower, higher;

	ONLY_ON("postgres", "it is about shards, in its SQL");
	LEAVE_OUT_IF(_i != 1, "one lane has both shards");
	faults_init(&own.faults);
	own.faults.before_commit = be_a_guest;
	own.faults.user = &own;
	stage = stage_new(_i);
	stage_open(stage, &own_saga,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &own));
	lower = saga_in(stage, LOWER);
	higher = saga_in(stage, HIGHER);
	inject(stage, lower, &go_first);
	inject(stage, higher, &go_first);
	AWAIT(stage, slot_is(stage, lower, "b", "done"));
	AWAIT(stage, slot_is(stage, higher, "b", "done"));
	settle(stage);
	actor_close(&stage->target);
	sql_write(stage, "DELETE FROM saga_slot WHERE step = 'b'");
	sql_write(stage, "UPDATE saga_stream SET unclean = 1");
	sql_write(stage, "UPDATE saga_stream SET own = 0 WHERE shard = 6");
	own.begun = 1;
	actor_open(stage, &stage->target, &own_saga, &stage->options, "target.db");
	AWAIT(stage, slot_is(stage, lower, "b", "done"));
	AWAIT(stage, slot_is(stage, higher, "b", "done"));
	ck_assert_uint_eq(faults_fired(&own.faults), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_contended_batch_is_halved_and_replayed,
		a_batch_that_no_connection_lives_through_gets_smaller,
		one_poison_event_holds_nobody_up,
		a_wait_whose_commit_answer_was_lost_runs_once,
		a_store_away_at_the_start_is_waited_for,
		a_store_away_for_a_while_holds_nothing_for_good,
		a_store_away_fills_the_queue,
		a_wait_whose_commit_answer_was_lost_is_counted,
		a_store_away_when_the_lane_only_looks,
		a_full_store_goes_on_when_there_is_room,
		a_full_disk_goes_on_when_there_is_room,
		what_was_read_again_and_lost_is_not_passed,
	};

	return run_both_modes("faults", tests, sizeof tests / sizeof tests[0]);
}
