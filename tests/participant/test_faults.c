/* A store that has bad days: each effect exactly once all the same. */
#define _GNU_SOURCE
#include "fault_store.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static saga_verdict run_a(saga_step *s)
{
	const struct go_first *asked = saga_on(s, go_first);

	saw(s, "run");
	effect(s, "a");
	if (asked->n == DO_FAIL)
		saga_exec(s, "INSERT INTO nowhere (n) VALUES (?)", 1);
	if (asked->n == DO_WAIT)
		return saga_wait(s, "asked to");
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	saw(s, "undo");
	effect(s, "undo");
	return saga_emit(s, a_undone);
}

static saga_verdict run_b(saga_step *s)
{
	effect(s, "b");
	saga_after(s, 1, later, .n = 1);
	return saga_emit(s, b_done);
}

static saga_verdict run_c(saga_step *s)
{
	effect(s, saga_on(s, later) ? "later" : "please");
	return saga_emit(s, c_done);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.retry = { .attempts = 3, .first_ms = 1, .max_ms = 4 } },
	{ .name = "b",
		.on = { &a_done },
		.run = run_b,
		.emits = { &b_done },
		.after = { { .event = &later } } },
	{ .name = "c", .on = { &later }, .run = run_c, .emits = { &c_done } },
	{ .name = "please", .on = { &please }, .run = run_c, .emits = { &c_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static struct stage *stage_with(int lanes, struct faults *faults)
{
	struct stage *stage = stage_new(lanes);

	stage_open(stage, &def, SAGA_OPTIONS(.store_ops = &fault_store, .store_context = faults));
	return stage;
}

/* ---- the whole of a saga, with one fault anywhere in it ---- */

static void check_whole_saga(struct stage *stage, saga_id saga)
{
	static const char *const once[] = { "a", "b", "later", "undo" };
	static const char *const types[] = { "a.done", "b.done", "c.done", "a.undone",
		"target.later" };

	for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
		ck_assert_msg(effects(stage, saga, once[i]) == 1, "%s: %d effects", once[i],
			(int)effects(stage, saga, once[i]));
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		ck_assert_msg(said(stage, saga, types[i]) == 1, "%s said %d times", types[i],
			said(stage, saga, types[i]));
}

/* Whether the fault came at all. */
static bool run_with_fault(int lanes, enum fault_slot slot, unsigned long nth, enum fault_kind kind)
{
	struct faults faults;
	struct stage *stage;
	struct reply reply;
	saga_id saga;
	bool fired;

	faults_init(&faults);
	faults_plan(&faults, slot, nth, 1, kind);
	stage = stage_with(lanes, &faults);
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	reply = ask_please(stage, "k", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	AWAIT(stage, slot_is(stage, saga, "c", "done"));
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	AWAIT(stage, parked(stage) == 0);
	check_whole_saga(stage, saga);
	ck_assert_int_eq(effects(stage, reply.saga, "please"), 1);
	ck_assert_int_eq(said(stage, reply.saga, "c.done"), 1);
	fired = faults_fired(&faults) > 0;
	stage_end(stage);
	return fired;
}

enum {
	MOST_CALLS = 60
};

static void fail_each(int lanes, enum fault_slot slot, enum fault_kind kind)
{
	unsigned long nth = 1;

	while (nth <= MOST_CALLS && run_with_fault(lanes, slot, nth, kind))
		nth++;
	ck_assert_msg(nth > 1, "no call of slot %d was seen", (int)slot);
}

#define FAIL_EACH(name_, slot_, kind_) \
	START_TEST(name_) \
	{ \
		fail_each(_i, slot_, kind_); \
	} \
	END_TEST
FAIL_EACH(a_commit_done_whose_answer_was_lost, FAULT_COMMIT, FAULT_UNKNOWN_DONE)
FAIL_EACH(a_commit_lost_with_its_answer, FAULT_COMMIT, FAULT_UNKNOWN_LOST)
FAIL_EACH(a_commit_that_lost_a_race, FAULT_COMMIT, FAULT_CONTENDED)
FAIL_EACH(a_commit_without_room, FAULT_COMMIT, FAULT_FULL)
FAIL_EACH(a_begin_with_the_store_away, FAULT_BEGIN, FAULT_AWAY)
FAIL_EACH(a_statement_that_lost_a_race, FAULT_RUN, FAULT_CONTENDED)
FAIL_EACH(a_statement_with_the_store_away, FAULT_RUN, FAULT_AWAY)
FAIL_EACH(a_statement_without_room, FAULT_RUN, FAULT_FULL)
FAIL_EACH(a_mark_with_the_store_away, FAULT_MARK, FAULT_AWAY)

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
	for (int i = 0; i < MANY; i++) {
		AWAIT(stage, slot_is(stage, sagas[i], "c", "done"));
		ck_assert_int_eq(effects(stage, sagas[i], "a"), 1);
		ck_assert_int_eq(said(stage, sagas[i], "a.done"), 1);
	}
	ck_assert_uint_eq(faults_fired(&faults), 4);
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
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
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
	struct stage *stage = stage_new(_i);
	char dir[80], filler[96], url[128];
	saga_id saga = stage_saga(stage);
	int warned;

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
	snprintf(stage->look_path, sizeof stage->look_path, "%s/target.db", dir);
	stage_open(stage, &def, SAGA_OPTIONS(.store = url));
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

int main(void)
{
	const TTest *const tests[] = {
		a_commit_done_whose_answer_was_lost,
		a_commit_lost_with_its_answer,
		a_commit_that_lost_a_race,
		a_commit_without_room,
		a_begin_with_the_store_away,
		a_statement_that_lost_a_race,
		a_statement_with_the_store_away,
		a_statement_without_room,
		a_mark_with_the_store_away,
		a_contended_batch_is_halved_and_replayed,
		one_poison_event_holds_nobody_up,
		a_wait_whose_commit_answer_was_lost_runs_once,
		a_store_away_at_the_start_is_waited_for,
		a_store_away_for_a_while_holds_nothing_for_good,
		a_full_store_goes_on_when_there_is_room,
		a_full_disk_goes_on_when_there_is_room,
	};

	return run_both_modes("faults", tests, sizeof tests / sizeof tests[0]);
}
