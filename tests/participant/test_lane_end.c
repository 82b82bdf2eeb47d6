/*
 * A lane stops also when there is no memory left. This program puts itself before glibc's calloc;
 * sanitizers do the same, so with them it is skipped.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "participant/lane.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#if !defined(SANITIZED) && defined(__GLIBC__)

void *__libc_calloc(size_t count, size_t size);

static volatile bool dry;

void *calloc(size_t count, size_t size)
{
	return dry ? NULL : __libc_calloc(count, size);
}

SAGA_EVENT(happened, "thing.happened", 1, int64(n));

static saga_verdict run_a(saga_step *s)
{
	return saga_done(s);
}

static const saga_step_def steps[] = { { .name = "a", .on = { &happened }, .run = run_a } };
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

static int64_t no_time(void *context)
{
	(void)context;
	return 1;
}

static void take_report(void *host, struct saga__report *report)
{
	*(int *)host = report->kind;
	saga__report_free(report);
}

START_TEST(a_lane_ends_without_memory)
{
	const struct saga_env env = { .monotonic = no_time, .wall = no_time };
	struct saga__lane_options options = { .env = &env,
		.limits = { 64 * 1024, 64 * 1024, 8 },
		.report = take_report,
		.count = 1 };
	struct saga__lane lane;
	struct saga__plan *plan;
	saga_error error;
	int told = 0;

	ck_assert_int_eq(saga__plan_new(&def, &plan, &error), SAGA_OK);
	options.plan = plan;
	options.host = &told;
	ck_assert_int_eq(saga__lane_init(&lane, &options), SAGA_OK);
	saga__lane_stop(&lane);
	dry = true;
	ck_assert_int_eq(saga__lane_turn(&lane), -1);
	dry = false;
	ck_assert(lane.stopped);
	ck_assert_int_eq(told, SAGA__REPORT_ENDED);
	saga__lane_free(&lane);
	saga__plan_free(plan);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane end");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, a_lane_ends_without_memory);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#else

int main(void)
{
	printf("SKIP: calloc can't be made to fail under a sanitizer, or without glibc\n");
	return 77;
}

#endif
