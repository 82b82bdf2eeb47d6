/* What saga_metrics tells: what was committed, once, under stable names. */
#include "fault_store.h"
#include "harness.h"

#include <stdio.h>

static saga_verdict run_a(saga_step *s)
{
	int64_t wish = saga_on(s, go_first) ? saga_on(s, go_first)->n : DO_DONE;
	bool is_second = saga_attempt(s) > 1;

	effect(s, "a");
	if (wish == DO_REJECT)
		return saga_reject(s, a_rejected, .why = "no");
	if (wish == DO_FAIL)
		return saga_fail(s, "never");
	if (wish == DO_MALFORMED)
		return saga_malformed(s, "odd");
	if (wish == DO_RETRY && !is_second)
		return saga_retry(s, "once more");
	if (wish == DO_WAIT && !saga_on(s, go_second))
		return saga_wait(s, "for the second");
	return saga_emit(s, a_done);
}

static saga_verdict undo_a(saga_step *s)
{
	return saga_emit(s, a_undone);
}

static saga_verdict run_please(saga_step *s)
{
	return saga_emit(s, b_done);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go_first, &go_second },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.undo = undo_a,
		.undo_on = { &take_back },
		.undone = { &a_undone },
		.bar_on = { &bar_it },
		.retry = { .attempts = 4, .first_ms = 1, .max_ms = 2 } },
	{ .name = "please", .on = { &please }, .run = run_please, .emits = { &b_done } },
	{ .name = "tell",
		.reads_only = true,
		.on = { &tell_me },
		.run = run_please,
		.emits = { &b_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* ---- reading them ---- */

struct wanted {
	const char *name, *label, *value; /* label NULL: any */
	const char *step;
	int64_t sum;
	int samples;
};

static void add(void *user, const saga_metric *metric)
{
	struct wanted *wanted = user;
	bool is_labelled = !wanted->label, is_of_step = !wanted->step;

	ck_assert_str_eq(metric->labels[0].name, "participant");
	ck_assert_str_eq(metric->labels[0].value, "target");
	if (strcmp(metric->name, wanted->name) != 0)
		return;
	for (size_t i = 1; i < metric->label_count; i++) {
		is_labelled = is_labelled ||
			(strcmp(metric->labels[i].name, wanted->label) == 0 &&
				strcmp(metric->labels[i].value, wanted->value) == 0);
		is_of_step = is_of_step ||
			(strcmp(metric->labels[i].name, "step") == 0 &&
				strcmp(metric->labels[i].value, wanted->step) == 0);
	}
	if (!is_labelled || !is_of_step)
		return;
	wanted->samples++;
	wanted->sum += metric->kind == SAGA_HISTOGRAM ? 0 : metric->value;
	for (size_t i = 0; metric->kind == SAGA_HISTOGRAM && i <= metric->bound_count; i++)
		wanted->sum += metric->counts[i];
}

static int64_t number(struct stage *stage, const char *name, const char *label, const char *value)
{
	struct wanted wanted = { .name = name, .label = label, .value = value };

	saga_metrics(stage->target.participant, add, &wanted);
	return wanted.sum;
}

static int64_t came_to(struct stage *stage, const char *step, const char *outcome)
{
	struct wanted wanted = {
		.name = "saga_steps_total", .step = step, .label = "outcome", .value = outcome
	};

	saga_metrics(stage->target.participant, add, &wanted);
	return wanted.sum;
}

/* What is committed is told once the loop has heard of it. */
static void settle_numbers(struct stage *stage)
{
	settle(stage);
	AWAIT(stage,
		came_to(stage, "marker", "done") ==
			sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE step = 'marker'", NULL,
				NULL));
	AWAIT(stage, number(stage, "saga_stream_lag_events", NULL, NULL) == 0);
}

/* ---- tests ---- */

START_TEST(each_outcome_counts_once)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id done = stage_saga(stage), waiting = stage_saga(stage), barred = stage_saga(stage);

	inject_n(stage, done, &go_first, DO_DONE);
	inject_n(stage, stage_saga(stage), &go_first, DO_DONE);
	inject_n(stage, stage_saga(stage), &go_first, DO_REJECT);
	inject_n(stage, stage_saga(stage), &go_first, DO_FAIL);
	inject_n(stage, stage_saga(stage), &go_first, DO_MALFORMED);
	inject_n(stage, waiting, &go_first, DO_WAIT);
	inject(stage, barred, &bar_it);
	settle_numbers(stage);
	ck_assert_int_eq(number(stage, "saga_slots", "state", "waiting"), 1);
	inject(stage, waiting, &go_second);
	inject(stage, done, &take_back);
	inject(stage, done, &take_back);
	settle_numbers(stage);
	ck_assert_int_eq(came_to(stage, "a", "done"), 3);
	ck_assert_int_eq(came_to(stage, "a", "rejected"), 1);
	ck_assert_int_eq(came_to(stage, "a", "failed"), 1);
	ck_assert_int_eq(came_to(stage, "a", "waiting"), 1);
	ck_assert_int_eq(came_to(stage, "a", "barred"), 1);
	ck_assert_int_eq(came_to(stage, "a", "undone"), 1);
	ck_assert_int_eq(came_to(stage, "please", "done"), 0);
	ck_assert_int_eq(number(stage, "saga_dead_letters_total", NULL, NULL), 1);
	ck_assert_int_eq(number(stage, "saga_slots", "state", "waiting"), 0);
	ck_assert_int_eq(number(stage, "saga_store_up", NULL, NULL), 1);
	ck_assert_int_eq(number(stage, "saga_batch_seconds", NULL, NULL),
		number(stage, "saga_commit_seconds", NULL, NULL));
	ck_assert_int_ge(number(stage, "saga_commit_seconds", NULL, NULL), 2);
	ck_assert_int_eq(number(stage, "saga_stream_lag_events", "owner", "outside"), 0);
	stage_end(stage);
}
END_TEST

START_TEST(a_retry_is_a_retry)
{
	struct stage *stage = stage_start(_i, &def);
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, DO_RETRY);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
	settle_numbers(stage);
	ck_assert_int_eq(came_to(stage, "a", "done"), 1);
	ck_assert_int_eq(number(stage, "saga_step_retries_total", "step", "a"), 1);
	ck_assert_int_eq(number(stage, "saga_step_retries_total", NULL, NULL), 1);
	stage_end(stage);
}
END_TEST

START_TEST(a_request_and_a_look_count)
{
	struct stage *stage = stage_start(_i, &def);
	struct reply reply = ask_please(stage, "k", 1);

	ck_assert_int_eq(reply.code, SAGA_OK);
	reply = ask_please(stage, "k", 1);
	ck_assert(reply.repeated);
	reply = ask(stage, &(saga_submission){ SAGA_SUBMISSION(tell_me, .n = 1) });
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_int_eq(came_to(stage, "please", "done"), 1);
	ck_assert_int_eq(came_to(stage, "tell", "read"), 1);
	stage_end(stage);
}
END_TEST

/* What was rolled back did not happen; the replay did, once. */
START_TEST(a_lost_batch_counts_nothing_but_itself)
{
	struct stage *stage = stage_new(_i);
	struct faults faults;
	struct reply reply;

	faults_init(&faults);
	stage_open(stage, &def,
		SAGA_OPTIONS(.store_ops = fault_store_on(stage->url), .store_context = &faults,
			.lease_ms = 3600000)); /* no renewal, and */
	reply = ask_please(stage, "warm", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	settle_numbers(stage); /* no position takes the faults */
	faults_plan(&faults, FAULT_COMMIT, 1, 3, FAULT_CONTENDED);
	reply = ask_please(stage, "k", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	ck_assert_uint_eq(faults_fired(&faults), 3);
	ck_assert_int_eq(came_to(stage, "please", "done"), 2);
	ck_assert_int_eq(number(stage, "saga_batches_lost_total", NULL, NULL), 3);
	stage_end(stage);
}
END_TEST

/* The name that a line of the page is about; a histogram's lines have its name and more. */
static void name_of(const char *line, char name[64])
{
	size_t size;

	if (strncmp(line, "# ", 2) == 0)
		line += strlen("# HELP ");
	size = strcspn(line, "{ \n");
	ck_assert_uint_lt(size, 64);
	snprintf(name, 64, "%.*s", (int)size, line);
}

/* Each name is one block of lines: its HELP, its TYPE, its samples; none comes twice. */
START_TEST(the_page_is_as_prometheus_reads_it)
{
	static char page[65536];
	struct stage *stage = stage_start(_i, &def);
	char name[64], block[64] = "", before[32 * 64] = " ";
	size_t length, samples = 0;

	inject_n(stage, stage_saga(stage), &go_first, DO_DONE);
	settle_numbers(stage);
	length = saga_metrics_text(stage->target.participant, page, sizeof page);
	ck_assert_uint_lt(length, sizeof page);
	ck_assert_uint_eq(strlen(page), length);
	ck_assert_ptr_nonnull(strstr(page,
		"\nsaga_steps_total{participant=\"target\",step=\"a\",outcome=\"done\"} 1\n"));
	ck_assert_ptr_nonnull(
		strstr(page, "saga_commit_seconds_bucket{participant=\"target\",le="));
	for (const char *line = page; *line; line = strchr(line, '\n') + 1) {
		ck_assert_ptr_nonnull(strchr(line, '\n'));
		name_of(line, name);
		if (strncmp(line, "# HELP ", 7) == 0) {
			char said[66];

			snprintf(said, sizeof said, " %s ", name);
			ck_assert_msg(!strstr(before, said), "%s stands there twice", name);
			ck_assert_uint_lt(strlen(before) + 66, sizeof before);
			strcat(before, said + 1);
			strcpy(block, name);
			continue;
		}
		ck_assert_msg(strncmp(name, block, strlen(block)) == 0, "%s below %s", name, block);
		samples += *line != '#';
	}
	ck_assert_uint_gt(samples, 30);
	stage_end(stage);
}
END_TEST

/* Any thread may look while lanes commit (under ThreadSanitizer this proves something). */
static void *look(void *context)
{
	struct stage *stage = context;

	while (!stage->knob)
		(void)number(stage, "saga_steps_total", NULL, NULL);
	return NULL;
}

START_TEST(another_thread_may_look)
{
	struct stage *stage = stage_start(_i, &def);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, look, stage), 0);
	for (int i = 0; i < 50; i++)
		inject_n(stage, stage_saga(stage), &go_first, DO_DONE);
	settle_numbers(stage);
	stage->knob = 1;
	pthread_join(thread, NULL);
	ck_assert_int_eq(came_to(stage, "a", "done"), 50);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_outcome_counts_once,
		a_retry_is_a_retry,
		a_request_and_a_look_count,
		a_lost_batch_counts_nothing_but_itself,
		the_page_is_as_prometheus_reads_it,
		another_thread_may_look,
	};

	return run_both_modes("metrics", tests, sizeof tests / sizeof tests[0]);
}
