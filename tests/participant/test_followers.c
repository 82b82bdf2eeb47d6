/* A name that `followers` lacks, or has and nobody answers to, is told before it costs an event. */
#include "harness.h"

#include <saga/metrics.h>

#include "participant/inside.h"

static saga_verdict run_a(saga_step *s)
{
	return saga_emit(s, a_done);
}

static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

static struct stage *stage_followed_by(int lanes, const char *name)
{
	const char *const followers[] = { name, NULL };
	struct stage *stage = stage_new(lanes);

	stage->use_lossy = true;
	stage_open(stage, &def, SAGA_OPTIONS(.followers = followers));
	return stage;
}

static void emit_one(struct stage *stage)
{
	saga_id saga = stage_saga(stage);

	inject(stage, saga, &go_first);
	AWAIT(stage, slot_is(stage, saga, "a", "done"));
}

/* What the target said of it by `what`: how often, each time by that name. */
static int told(struct stage *stage, const char *what, const char *name)
{
	int count = 0;

	pthread_mutex_lock(&stage->lock);
	for (size_t i = 0; i < stage->log_count; i++)
		if (strcmp(stage->log[i].what, what) == 0) {
			ck_assert_str_eq(stage->log[i].participant, "target");
			ck_assert_int_eq(stage->log[i].level, SAGA_WARNING);
			ck_assert_ptr_nonnull(strstr(stage->log[i].text, name));
			count++;
		}
	pthread_mutex_unlock(&stage->lock);
	return count;
}

struct sample {
	const char *name, *follower;
	int64_t value;
	int count;
};

static void take_sample(void *user, const saga_metric *metric)
{
	struct sample *sample = user;

	if (strcmp(metric->name, sample->name) != 0)
		return;
	ck_assert_uint_eq(metric->label_count, 2);
	ck_assert_str_eq(metric->labels[1].name, "follower");
	ck_assert_str_eq(metric->labels[1].value, sample->follower);
	sample->value = metric->value;
	sample->count++;
}

static int64_t number_of(struct stage *stage, const char *name, const char *follower)
{
	struct sample sample = { .name = name, .follower = follower };

	saga_metrics(stage->target.participant, take_sample, &sample);
	ck_assert_int_eq(sample.count, 1);
	return sample.value;
}

static void let_pass_a_minute(struct stage *stage)
{
	struct saga__rollcall *roll = &stage->target.participant->roll;

	for (size_t i = 0; i < roll->count; i++) {
		roll->at[i].tell_at -= SAGA__SILENT_MS;
		roll->at[i].owed_since -= SAGA__SILENT_MS;
	}
}

START_TEST(one_that_is_not_named_is_told_once)
{
	struct stage *stage = stage_followed_by(_i, NULL);

	emit_one(stage);
	AWAIT(stage, told(stage, "follower.undeclared", "outside "));
	for (int i = 0; i < 10; i++)
		emit_one(stage);
	settle(stage);
	ck_assert_int_eq(told(stage, "follower.undeclared", "outside "), 1);
	ck_assert_int_eq(told(stage, "follower.silent", ""), 0);
	stage_end(stage);
}
END_TEST

START_TEST(one_that_is_misspelt_is_told_after_a_minute)
{
	struct stage *stage = stage_followed_by(_i, "outsider");
	int64_t unseen;

	emit_one(stage);
	AWAIT(stage, told(stage, "follower.undeclared", "outside "));
	AWAIT(stage, number_of(stage, "saga_follower_unseen_events", "outsider") > 0);
	unseen = number_of(stage, "saga_follower_unseen_events", "outsider");
	ck_assert_int_eq(told(stage, "follower.silent", ""), 0);
	ck_assert_int_eq(health(&stage->target).silent, 0);
	let_pass_a_minute(stage);
	AWAIT(stage, told(stage, "follower.silent", "follower outsider was never heard"));
	AWAIT(stage, health(&stage->target).silent == 1);
	emit_one(stage);
	AWAIT(stage, number_of(stage, "saga_follower_unseen_events", "outsider") > unseen);
	ck_assert_int_eq(number_of(stage, "saga_follower_heard_ms", "outsider"), -1);
	/* 60 s, or a little more; and once. */
	ck_assert_int_eq(told(stage, "follower.silent", "at least 6"), 1);
	stage_end(stage);
}
END_TEST

START_TEST(one_that_is_right_is_not_told)
{
	struct stage *stage = stage_followed_by(_i, "outside");

	emit_one(stage);
	AWAIT(stage, number_of(stage, "saga_follower_heard_ms", "outside") >= 0);
	AWAIT(stage, number_of(stage, "saga_follower_unseen_events", "outside") == 0);
	let_pass_a_minute(stage);
	emit_one(stage);
	settle(stage);
	ck_assert_int_eq(told(stage, "follower.undeclared", ""), 0);
	ck_assert_int_eq(told(stage, "follower.silent", ""), 0);
	ck_assert_int_eq(health(&stage->target).silent, 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_that_is_not_named_is_told_once,
		one_that_is_misspelt_is_told_after_a_minute,
		one_that_is_right_is_not_told,
	};

	return run_both_modes("followers", tests, sizeof tests / sizeof tests[0]);
}
