/* Processes that are killed, and others that go on from their stores. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

SAGA_STRUCT(reply_of, flag(same));

/* What outlives the process: how often a handler came this far, and the key that it saw. */
struct diary {
	char path[96];
	char key[SAGA_ID_TEXT];
	int entries;
};

static void diary_read(struct diary *diary)
{
	FILE *file = fopen(diary->path, "r");
	char line[64];

	diary->entries = 0;
	while (file && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!diary->entries++)
			snprintf(diary->key, sizeof diary->key, "%.36s", line);
	}
	if (file)
		fclose(file);
}

static void diary_write(const struct diary *diary, const char *text)
{
	FILE *file = fopen(diary->path, "a");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "%s\n", text);
	ck_assert_int_eq(fclose(file), 0);
}

static saga_verdict emit_a(saga_step *s)
{
	effect(s, "a");
	return saga_emit(s, a_done);
}

/* ---- killed in its call ---- */

static saga_verdict call_and_die(saga_call *c)
{
	struct diary *diary = saga_call_user(c);

	diary_read(diary);
	diary_write(diary, saga_key(c, "charge"));
	if (!diary->entries)
		kill(getpid(), SIGKILL);
	return saga_tell(c, reply_of, .same = !strcmp(diary->key, saga_key(c, "charge")));
}

static saga_verdict run_told(saga_step *s)
{
	const struct reply_of *told = saga_told(s, reply_of);

	if (!told || !told->same)
		return saga_reject(s, a_rejected, .why = "another key");
	return emit_a(s);
}

static const saga_step_def calling_steps[] = {
	{ .name = "a",
		.on = { &please },
		.run = run_told,
		.outside = { .call = call_and_die },
		.emits = { &a_done },
		.rejects = { &a_rejected } },
};
static const saga_participant_def calling =
	SAGA_PARTICIPANT("crash", calling_steps, .schema = effect_schema);

static saga_verdict call_and_always_die(saga_call *c)
{
	diary_write(saga_call_user(c), "b");
	kill(getpid(), SIGKILL);
	return saga_tell(c, reply_of, .same = true);
}

/* With the rule of a day. */
static const saga_step_def deadly_steps[] = {
	{ .name = "a", .on = { &please }, .run = emit_a, .emits = { &a_done } },
	{ .name = "b",
		.on = { &a_done },
		.run = run_told,
		.outside = { .call = call_and_always_die },
		.emits = { &b_done },
		.rejects = { &a_rejected } },
};
static const saga_participant_def deadly =
	SAGA_PARTICIPANT("crash", deadly_steps, .schema = effect_schema);

/* ---- killed in a handler, once or always ---- */

static saga_verdict die_once(saga_step *s)
{
	struct diary *diary = saga_user(s);

	effect(s, "b");
	diary_read(diary);
	diary_write(diary, "b");
	if (!diary->entries)
		kill(getpid(), SIGKILL);
	return saga_emit(s, b_done);
}

static saga_verdict die_always(saga_step *s)
{
	effect(s, "b");
	diary_write(saga_user(s), "b");
	kill(getpid(), SIGKILL);
	return saga_emit(s, b_done);
}

static saga_verdict run_innocent(saga_step *s)
{
	effect(s, "c");
	return saga_emit(s, c_done);
}

static const saga_step_def once_steps[] = {
	{ .name = "a", .on = { &please }, .run = emit_a, .emits = { &a_done } },
	{ .name = "b", .on = { &a_done }, .run = die_once, .emits = { &b_done } },
	{ .name = "c", .on = { &b_done }, .run = run_innocent, .emits = { &c_done } },
};
static const saga_participant_def once =
	SAGA_PARTICIPANT("crash", once_steps, .schema = effect_schema);

static const saga_step_def always_steps[] = {
	{ .name = "a", .on = { &please }, .run = emit_a, .emits = { &a_done } },
	{ .name = "b",
		.on = { &a_done },
		.run = die_always,
		.emits = { &b_done },
		.retry = { .attempts = 3, .first_ms = 1, .max_ms = 1 } },
	{ .name = "c", .on = { &a_done }, .run = run_innocent, .emits = { &c_done } },
};
static const saga_participant_def always =
	SAGA_PARTICIPANT("crash", always_steps, .schema = effect_schema);

/* ---- children ---- */

static void note_code(void *user, const saga_answer *answer)
{
	*(int *)user = answer->code;
}

enum {
	LEASE_MS = 3000 /* a call is made again only when the lease of who made it has ended */
};

/* In the child: asks for one thing, and runs until there is nothing to do. */
static int run_it(const saga_participant_def *def, const struct stage *stage, struct diary *diary)
{
	saga_participant *p;
	int code = 1;

	if (saga_open(def,
		    SAGA_OPTIONS(.store = stage->url, .lanes = stage->lanes, .user = diary,
			    .log = getenv("SAGA_TEST_LOG") ? saga_log_stderr : NULL,
			    .lease_ms = LEASE_MS, .stop_when_idle = true),
		    &p, NULL) != SAGA_OK)
		return 2;
	if (saga_submit(p,
		    &(saga_submission){ SAGA_SUBMISSION(please, .n = 1), .key = "k",
			    .answered = note_code, .user = &code },
		    NULL) != SAGA_OK)
		return 3;
	if (saga_run(p) != SAGA_OK)
		return 4;
	saga_close(p);
	return code == SAGA_OK || code == SAGA_WAITING ? 0 : 5;
}

/* Whether it was killed; else it ended well. */
static bool run_child(
	const saga_participant_def *def, const struct stage *stage, struct diary *diary)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		alarm(DEADLINE_MS / 1000);
		_exit(run_it(def, stage, diary));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
		return true;
	}
	ck_assert_msg(WEXITSTATUS(status) == 0, "it ended with %d", WEXITSTATUS(status));
	return false;
}

static struct stage *begin(int lanes, struct diary *diary)
{
	struct stage *stage = stage_new(lanes);

	memset(diary, 0, sizeof *diary);
	snprintf(diary->path, sizeof diary->path, "%s/diary", stage->dir);
	return stage;
}

static int64_t slots(struct stage *stage, const char *state)
{
	return sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE state = ?", NULL, state);
}

static int64_t all_effects(struct stage *stage, const char *what)
{
	return sql_int(stage, "SELECT COUNT(*) FROM effect WHERE what = ?", NULL, what);
}

START_TEST(killed_in_its_call_it_asks_again_with_the_same_key)
{
	struct diary diary;
	struct stage *stage = begin(_i, &diary);

	ck_assert(run_child(&calling, stage, &diary));
	ck_assert_int_eq(slots(stage, "trying"), 1);
	look_close(stage);
	ck_assert(!run_child(&calling, stage, &diary));
	ck_assert_int_eq(slots(stage, "done"), 1);
	ck_assert_int_eq(all_effects(stage, "a"), 1);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL), 1);
	diary_read(&diary);
	ck_assert_int_eq(diary.entries, 2);
	stage_end(stage);
}
END_TEST

START_TEST(killed_in_a_handler_it_goes_on_with_its_own_events)
{
	struct diary diary;
	struct stage *stage = begin(_i, &diary);

	ck_assert(run_child(&once, stage, &diary));
	look_close(stage);
	ck_assert(!run_child(&once, stage, &diary));
	ck_assert_int_eq(slots(stage, "done"), 3);
	ck_assert_int_eq(all_effects(stage, "a"), 1);
	ck_assert_int_eq(all_effects(stage, "b"), 1);
	ck_assert_int_eq(all_effects(stage, "c"), 1);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM saga_outbox", NULL, NULL), 3);
	stage_end(stage);
}
END_TEST

enum {
	MOST_LIVES = 12
};

START_TEST(a_handler_that_always_kills_runs_out_of_attempts)
{
	struct diary diary;
	struct stage *stage = begin(_i, &diary);
	int lives = 1;

	while (lives < MOST_LIVES && run_child(&always, stage, &diary))
		lives++;
	ck_assert_int_lt(lives, MOST_LIVES);
	ck_assert_int_eq(slots(stage, "dead"), 1);
	ck_assert_int_eq(slots(stage, "done"), 2);
	ck_assert_int_eq(all_effects(stage, "a"), 1);
	ck_assert_int_eq(all_effects(stage, "b"), 0);
	ck_assert_int_eq(all_effects(stage, "c"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_call_that_always_kills_is_found_out)
{
	struct diary diary;
	struct stage *stage = begin(_i, &diary);
	int lives = 1;

	while (lives < MOST_LIVES && run_child(&deadly, stage, &diary))
		lives++;
	ck_assert_int_eq(lives, 5);
	diary_read(&diary);
	ck_assert_int_eq(diary.entries, 4);
	ck_assert_int_eq(slots(stage, "stuck"), 1);
	ck_assert_int_eq(slots(stage, "done"), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		killed_in_its_call_it_asks_again_with_the_same_key,
		killed_in_a_handler_it_goes_on_with_its_own_events,
		a_handler_that_always_kills_runs_out_of_attempts,
		a_call_that_always_kills_is_found_out,
	};

	return run_both_modes("crash", tests, sizeof tests / sizeof tests[0]);
}
