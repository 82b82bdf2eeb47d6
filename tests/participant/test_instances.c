/* Several instances of one participant on one store: they share it, come, go, die, stand still. */
#include "fault_store.h"
#include "halting.h"

#include "participant/inside.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LEASE_MS = 3000,
	INSTANCES = 3,
	MANY = 40
};

SAGA_STRUCT(nothing, int64(n));

/* ---- the participant ---- */

static saga_verdict run_a(saga_step *s)
{
	int64_t n = saga_on(s, please)->n;

	effect(s, "a");
	if (n)
		saga_after(s, (int)n, later, .n = 1);
	return saga_emit(s, a_done);
}

static saga_verdict run_b(saga_step *s)
{
	effect(s, "b");
	return saga_emit(s, b_done);
}

static saga_verdict run_later(saga_step *s)
{
	effect(s, "later");
	return saga_done(s);
}

static saga_verdict run_first(saga_step *s)
{
	effect(s, "first");
	return saga_done(s);
}

/* While the knob is set its answer never comes. */
static saga_verdict call(saga_call *c)
{
	const struct stage *stage = saga_call_user(c);

	while (stage->knob)
		uv_sleep(1);
	return saga_tell(c, nothing, .n = 1);
}

static saga_verdict run_told(saga_step *s)
{
	if (!saga_told(s, nothing))
		return saga_reject(s, a_rejected, .why = "not told");
	effect(s, "told");
	return saga_emit(s, c_done);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_a,
		.emits = { &a_done },
		.after = { { .event = &later } } },
	{ .name = "b", .on = { &a_done }, .run = run_b, .emits = { &b_done } },
	{ .name = "late", .on = { &later }, .run = run_later },
	{ .name = "first", .on = { &go_first }, .run = run_first },
	{ .name = "told",
		.on = { &tell_me },
		.run = run_told,
		.outside = { .call = call, .timeout_ms = 60000 },
		.emits = { &c_done },
		.rejects = { &a_rejected } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* ---- who hears it ---- */

static saga_verdict hear(saga_step *s)
{
	((struct stage *)saga_user(s))->count++;
	return saga_done(s);
}

static const saga_step_def listening[] = { { .name = "hear", .on = { &a_done }, .run = hear } };
static const saga_participant_def listener = SAGA_PARTICIPANT("listener", listening);

/* ---- instances of this process ---- */

static struct actor others[INSTANCES];

static void has_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct stage *stage = user;

	(void)why;
	if (participant == stage->target.participant)
		stage->target.stopped = true;
	for (int i = 0; i < INSTANCES; i++)
		if (participant == others[i].participant)
			others[i].stopped = true;
}

static const saga_options *options(void)
{
	static const char *const followers[] = { "listener", NULL };
	static saga_options own;

	own = *SAGA_OPTIONS(.lease_ms = LEASE_MS, .stopped = has_stopped, .followers = followers);
	return &own;
}

static void open_listener(struct stage *stage)
{
	memset(others, 0, sizeof others);
	actor_open(
		stage, &others[0], &listener, SAGA_OPTIONS(.stopped = has_stopped), "listener.db");
}

static struct stage *begin(int lanes)
{
	struct stage *stage = stage_new(lanes);

	open_listener(stage);
	return stage;
}

static void open_other(struct stage *stage, int i)
{
	actor_open(stage, &others[i], &def, options(), "target.db");
}

static void end(struct stage *stage)
{
	for (int i = INSTANCES - 1; i >= 0; i--)
		actor_close(&others[i]);
	stage_end(stage);
}

static bool works(const struct actor *actor, int64_t shards, int64_t instances)
{
	saga_health now = health(actor);

	return now.shards == shards && now.instances == instances;
}

static int64_t all_shards(void)
{
	return is_on("sqlite") ? 1 : 8;
}

static int64_t all_effects(struct stage *stage, const char *what)
{
	return sql_int(stage, "SELECT COUNT(*) FROM effect WHERE what = ?", NULL, what);
}

static int64_t doubled(struct stage *stage)
{
	return sql_int(stage,
		"SELECT COUNT(*) FROM (SELECT saga, what FROM effect GROUP BY saga, what"
		" HAVING COUNT(*) > 1) AS d",
		NULL, NULL);
}

/* Requests at both, by turns; each is answered. */
static void ask_many(struct stage *stage, const struct actor *one, const struct actor *two,
	const char *prefix, int count)
{
	static struct reply replies[MANY];

	for (int i = 0; i < count; i++) {
		const struct actor *at = i % 2 ? one : two;
		char key[24];
		saga_participant *target = stage->target.participant;

		snprintf(key, sizeof key, "%s%d", prefix, i);
		stage->target.participant = at->participant;
		ck_assert_int_eq(
			ask_later(stage,
				&(saga_submission){ SAGA_SUBMISSION(please, .n = 0), .key = key },
				&replies[i]),
			SAGA_OK);
		stage->target.participant = target;
	}
	for (int i = 0; i < count; i++) {
		AWAIT(stage, replies[i].times > 0);
		ck_assert_int_eq(replies[i].code, SAGA_OK);
	}
}

START_TEST(one_alone_works_all)
{
	struct stage *stage = begin(_i);

	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	settle(stage);
	end(stage);
}
END_TEST

START_TEST(requests_go_anywhere_and_their_events_everywhere)
{
	struct stage *stage = begin(_i);

	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	open_other(stage, 1);
	AWAIT(stage, works(&others[1], all_shards() / 2, 2));
	ask_many(stage, &stage->target, &others[1], "k", MANY);
	AWAIT(stage, all_effects(stage, "b") == MANY);
	AWAIT(stage, stage->count >= MANY);
	for (int i = 0; i < MANY / 2; i++)
		inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, all_effects(stage, "first") == MANY / 2);
	ck_assert_int_eq(all_effects(stage, "a"), MANY);
	ck_assert_int_eq(doubled(stage), 0);
	/* The same key again, at the other one. */
	ask_many(stage, &others[1], &stage->target, "k", MANY);
	ck_assert_int_eq(all_effects(stage, "a"), MANY);
	end(stage);
}
END_TEST

START_TEST(who_stops_leaves_all_to_the_other)
{
	struct stage *stage = begin(_i);

	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	open_other(stage, 1);
	AWAIT(stage, works(&others[1], all_shards() / 2, 2));
	actor_close(&stage->target);
	AWAIT(stage, works(&others[1], all_shards(), 1));
	ask_many(stage, &others[1], &others[1], "k", 8);
	inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, all_effects(stage, "b") == 8 && all_effects(stage, "first") == 1);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_instance", NULL, NULL), 1);
	end(stage);
}
END_TEST

/* An instance that died a moment ago, with a lease of an hour; its id comes before all others. */
static void leave_dead_instance(struct stage *stage)
{
	char sql[160];
	int64_t until = (int64_t)time(NULL) * 1000 + 3600000;

	snprintf(sql, sizeof sql, "INSERT INTO saga_instance (id, until) VALUES (%s, %" PRId64 ")",
		is_on("sqlite") ? "x'00000000000040008000000000000001'"
				: "'00000000-0000-4000-8000-000000000001'",
		until);
	sql_write(stage, sql);
}

START_TEST(vacant_shards_do_not_wait_for_the_dead)
{
	struct stage *stage = begin(_i);

	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	actor_close(&stage->target);
	leave_dead_instance(stage);
	open_other(stage, 1);
	AWAIT(stage, works(&others[1], all_shards(), 2));
	inject(stage, stage_saga(stage), &go_first);
	AWAIT(stage, all_effects(stage, "first") == 1);
	end(stage);
}
END_TEST

START_TEST(shards_follow_who_comes_and_goes)
{
	struct stage *stage;

	LEAVE_OUT_IF(is_on("sqlite"), "it has one shard");
	stage = begin(_i);
	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, 8, 1));
	open_other(stage, 1);
	AWAIT(stage, works(&stage->target, 4, 2) && works(&others[1], 4, 2));
	open_other(stage, 2);
	AWAIT(stage,
		works(&others[2], 2, 3) &&
			health(&stage->target).shards + health(&others[1]).shards == 6);
	ask_many(stage, &others[1], &others[2], "k", MANY);
	actor_close(&others[1]);
	AWAIT(stage, works(&stage->target, 4, 2) && works(&others[2], 4, 2));
	ask_many(stage, &stage->target, &others[2], "l", MANY);
	AWAIT(stage, all_effects(stage, "b") == 2 * MANY);
	ck_assert_int_eq(doubled(stage), 0);
	end(stage);
}
END_TEST

/* ---- an instance of its own process ---- */

struct child {
	pid_t pid;
	int said; /* a byte for each answer */
};

static void say_so(void *user, const saga_answer *answer)
{
	char code = answer->code == SAGA_OK || answer->code == SAGA_WAITING ? '+' : '-';

	if (write(*(int *)user, &code, 1) != 1)
		_exit(6);
}

/* A hub is of one process: there it works its shards, and hears of nothing from outside. */
static bool child_hears(const struct stage *stage)
{
	return stage->bus[0];
}

static int live(const struct stage *stage, int fd, const saga_submission *submission)
{
	saga_submission copy = *submission;
	saga_participant *p;

	copy.answered = say_so;
	copy.user = &fd;
	if (saga_open(&def,
		    SAGA_OPTIONS(.store = stage->url, .lanes = stage->lanes, .user = (void *)stage,
			    .lease_ms = LEASE_MS,
			    .transport = child_hears(stage) ? stage->bus : NULL,
			    .log = getenv("SAGA_TEST_LOG") ? saga_log_stderr : NULL),
		    &p, NULL) != SAGA_OK)
		return 2;
	if (saga_submit(p, &copy, NULL) != SAGA_OK)
		return 3;
	return saga_run(p);
}

/* Before any is opened here: a transport's threads are not in the child. */
static struct child child_begin(struct stage *stage, const saga_submission *submission)
{
	struct child child;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	child.pid = fork();
	if (child.pid == 0) {
		alarm(4 * DEADLINE_MS / 1000);
		_exit(live(stage, fds[1], submission));
	}
	close(fds[1]);
	child.said = fds[0];
	return child;
}

static void child_answered(const struct child *child)
{
	char code;

	ck_assert_int_eq(read(child->said, &code, 1), 1);
	ck_assert_int_eq(code, '+');
}

static void child_end(struct child *child)
{
	int status;

	close(child->said);
	ck_assert_int_eq(kill(child->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	ck_assert(WIFSIGNALED(status));
}

START_TEST(what_a_killed_one_left_goes_on)
{
	struct stage *stage = stage_new(_i);
	struct child child = child_begin(stage,
		&(saga_submission){ SAGA_SUBMISSION(please, .n = 3 * LEASE_MS), .key = "k" });

	child_answered(&child);
	open_listener(stage);
	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards() / 2, 2));
	child_end(&child);
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	AWAIT(stage, all_effects(stage, "later") == 1);
	ck_assert_int_eq(all_effects(stage, "a"), 1);
	ck_assert_int_eq(all_effects(stage, "b"), 1);
	AWAIT(stage, stage->count >= 1);
	end(stage);
}
END_TEST

START_TEST(a_killed_ones_calls_are_made_again)
{
	struct stage *stage = stage_new(_i);
	struct child child;

	stage->knob = 1; /* in the child's memory it stays so */
	child = child_begin(
		stage, &(saga_submission){ SAGA_SUBMISSION(tell_me, .n = 0), .key = "k" });
	child_answered(&child);
	stage->knob = 0;
	open_listener(stage);
	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards() / 2, 2));
	child_end(&child);
	AWAIT(stage, all_effects(stage, "told") == 1);
	end(stage);
}
END_TEST

static void inject_many(struct stage *stage, int count)
{
	while (count--)
		inject(stage, stage_saga(stage), &go_first);
}

START_TEST(who_stands_still_loses_its_shards_and_does_nothing_twice)
{
	struct stage *stage = stage_new(_i);
	struct child child = child_begin(
		stage, &(saga_submission){ SAGA_SUBMISSION(please, .n = 0), .key = "k" });
	int64_t firsts = child_hears(stage) ? 16 : 8;

	child_answered(&child);
	open_listener(stage);
	stage_open(stage, &def, options());
	AWAIT(stage, works(&stage->target, all_shards() / 2, 2));
	AWAIT(stage, all_effects(stage, "b") == 1);
	stand_still(stage, child.pid);
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	ask_many(stage, &stage->target, &stage->target, "l", 8);
	inject_many(stage, 8);
	AWAIT(stage, child_hears(stage) || all_effects(stage, "first") == firsts);
	ck_assert_int_eq(kill(child.pid, SIGCONT), 0);
	AWAIT(stage, works(&stage->target, all_shards() / 2, 2));
	if (child_hears(stage))
		inject_many(stage, 8);
	ask_many(stage, &stage->target, &stage->target, "m", 8);
	AWAIT(stage, all_effects(stage, "b") == 17 && all_effects(stage, "first") == firsts);
	ck_assert_int_eq(all_effects(stage, "a"), 17);
	ck_assert_int_eq(doubled(stage), 0);
	child_end(&child);
	end(stage);
}
END_TEST

/* ---- while nothing happens ---- */

static saga_store_ops counting;
static atomic_int runs, begins;

static int count_run(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	runs++;
	return saga_store_builtin(ground()->name)->run(store, statements, count, sink, error);
}

static int count_begin(void *store, saga_error *error)
{
	begins++;
	return saga_store_builtin(ground()->name)->begin(store, error);
}

START_TEST(while_idle_only_the_lease_is_renewed)
{
	struct stage *stage = begin(_i);
	saga_options own = *options();
	int64_t until;

	counting = *saga_store_builtin(ground()->name);
	counting.run = count_run;
	counting.begin = count_begin;
	own.store_ops = &counting;
	own.store = stage->url;
	stage_open(stage, &def, &own);
	settle(stage);
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	until = stage_deadline() - DEADLINE_MS + LEASE_MS / 3;
	while (stage_deadline() - DEADLINE_MS < until)
		stage_turn(stage, INT64_MAX, "a while", __FILE__, __LINE__);
	runs = begins = 0;
	until += LEASE_MS * 2;
	while (stage_deadline() - DEADLINE_MS < until)
		stage_turn(stage, INT64_MAX, "a while", __FILE__, __LINE__);
	printf("in two leases: %d runs, %d transactions\n", runs, begins);
	ck_assert_int_eq(begins, 0);
	ck_assert_int_ge(runs, 1);
	ck_assert_int_le(runs, 7);
	end(stage);
}
END_TEST

/* ---- a stream that has stopped for all of them ---- */

static int64_t halts(struct stage *stage)
{
	return sql_int(
		stage, "SELECT COUNT(*) FROM saga_meta WHERE name LIKE 'stream%'", NULL, NULL);
}

/* Who has no shard follows nothing, and so nothing that has stopped. */
static int64_t stopped(struct stage *stage)
{
	return health(&stage->target).stopped + health(&others[1]).stopped;
}

/* Whether any has found yet that it has stopped, or not. */
static void accept_it(struct stage *stage)
{
	char id[SAGA_ID_TEXT], sql[160];

	snprintf(sql, sizeof sql,
		"INSERT INTO saga_meta (name, value) VALUES ('stream! %s/0', 'accept')",
		saga_id_text(stage->outside.participant->uuid, id));
	sql_write(stage, sql);
}

static void open_two(struct stage *stage, const saga_options *first)
{
	stage_open(stage, &def, first);
	AWAIT(stage, works(&stage->target, all_shards(), 1));
	open_other(stage, 1);
	AWAIT(stage,
		works(&others[1], all_shards() / 2, 2) &&
			works(&stage->target, all_shards() - all_shards() / 2, 2));
	ck_assert_int_eq(stopped(stage), 0);
}

static void check_first(struct stage *stage, const saga_id *sagas)
{
	for (int i = 0; i < MANY / 2; i++)
		AWAIT(stage, effects(stage, sagas[i], "first") == 1);
}

/* These; and what comes from now on. */
static void check_all_go_on(struct stage *stage, const saga_id *sagas)
{
	saga_id more[MANY / 2];

	check_first(stage, sagas);
	AWAIT(stage, halts(stage) == 0 && stopped(stage) == 0);
	inject_new(stage, more, MANY / 2);
	check_first(stage, more);
	ck_assert_int_eq(doubled(stage), 0);
	AWAIT(stage, health(&stage->outside).outbox == 0);
}

static void check_fork_stops_all(struct stage *stage)
{
	saga_id before[2], lost[3], after[MANY / 2];

	restore_a_backup(stage, before, lost);
	inject_new(stage, after, MANY / 2);
	AWAIT(stage, halts(stage) == 1 && stopped(stage) == (is_on("sqlite") ? 1 : 2));
	accept_it(stage);
	check_all_go_on(stage, after);
}

START_TEST(what_is_accepted_goes_on_in_all)
{
	struct stage *stage = begin(_i);

	open_two(stage, options());
	check_fork_stops_all(stage);
	ck_assert_int_eq(all_effects(stage, "first"), 5 + MANY);
	end(stage);
}
END_TEST

static size_t waiting(const struct actor *actor)
{
	saga_participant *p = actor->participant;
	size_t count = 0;

	for (size_t i = 0; i < p->lane_count; i++)
		count += saga__lane_load(&p->lanes[i]);
	return count;
}

/*
 * One has events of the old history in hand, and has found the new one; but it can't write of it
 * before another has carried out what was ordered.
 */
START_TEST(what_was_found_before_it_was_accepted_stops_none)
{
	struct stage *stage = begin(_i);
	saga_options own = *options();
	struct faults faults;
	saga_id before[2], lost[3], held[MANY / 2], after[MANY / 2];

	faults_init(&faults);
	own.store_ops = fault_store_on(stage->url);
	own.store_context = &faults;
	open_two(stage, &own);
	take_a_backup(stage, before, lost);
	faults_plan(&faults, FAULT_RUN, 1, FAULT_FOREVER, FAULT_CONTENDED);
	inject_new(stage, held, MANY / 2);
	AWAIT(stage, waiting(&stage->target));
	put_it_back(stage);
	inject_new(stage, after, MANY / 2);
	AWAIT(stage, health(&stage->target).stopped == 1);
	accept_it(stage);
	AWAIT(stage, logged(stage, "stream.accepted") == 1 && halts(stage) == 0);
	faults_clear(&faults);
	AWAIT(stage, logged(stage, "stream.resumed") || halts(stage));
	ck_assert_int_eq(halts(stage), 0);
	check_all_go_on(stage, after);
	/* What is found from now on is another fork. */
	check_fork_stops_all(stage);
	end(stage);
}
END_TEST

/* `accept`: no stream stops over a transport that keeps events itself. */
static int run_accept(void)
{
	const TTest *const tests[] = {
		what_is_accepted_goes_on_in_all,
		what_was_found_before_it_was_accepted_stops_none,
	};

	return run_both_modes("accept", tests, sizeof tests / sizeof tests[0]);
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		one_alone_works_all,
		requests_go_anywhere_and_their_events_everywhere,
		who_stops_leaves_all_to_the_other,
		vacant_shards_do_not_wait_for_the_dead,
		shards_follow_who_comes_and_goes,
		what_a_killed_one_left_goes_on,
		a_killed_ones_calls_are_made_again,
		who_stands_still_loses_its_shards_and_does_nothing_twice,
		while_idle_only_the_lease_is_renewed,
	};

	if (argc > 1 && strcmp(argv[1], "accept") == 0)
		return run_accept();
	return run_both_modes("instances", tests, sizeof tests / sizeof tests[0]);
}
