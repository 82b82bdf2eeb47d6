/*
 * The nth allocation fails, for every n until none does: through open, submit, steps, undos,
 * outside calls and close. Each time it ends well, each request is answered once, nothing is lost,
 * and nothing leaks. The first argument says whose memory: own, json or sqlite.
 *
 * A test of seconds takes each so-manieth n, other ones each time; with SAGA_TEST_SOAK all. One n
 * alone by SAGA_TEST_NTH.
 */
#include "../unit/rounds.h"
#include "frail_plan.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST = 20000,
	LONG_TIMES = 6 /* allocations that fail in a row, when memory is short for a while */
};

static const char *const names[FRAIL_SORTS] = { "own", "json", "sqlite" };
static const unsigned long quickly[FRAIL_SORTS] = { 7, 1, 193 };
static enum frail_whose whose;

/* In the middle of a text jansson can't tell it from a wrong one: MALFORMED. */
static const int excused_json[] = { SAGA_NOMEM, SAGA_MALFORMED, 0 };
static const int excused[] = { SAGA_NOMEM, SAGA_STOPPED, SAGA_UNKNOWN, SAGA_BUSY, SAGA_AWAY, 0 };

/* Whether it failed at all. */
static bool run_without(int lanes, unsigned long nth, unsigned long times, int *ret_excuses)
{
	static struct pair pair;
	char label[64];
	long live = frail_live();

	snprintf(label, sizeof label, "allocation %lu and %lu more, %d lanes", nth, times - 1,
		lanes);
	pair_init(&pair);
	pair.lanes = lanes;
	pair.enter = frail_begin;
	pair.leave = frail_end;
	pair.excused = whose == FRAIL_JSON ? excused_json : excused;
	pair.label = label;
	frail_plan(whose, nth, times);
	pair_run(&pair);
	pair_remove(&pair);
	ck_assert_msg(frail_live() == live, "%s: %ld blocks leak", label, frail_live() - live);
	*ret_excuses += pair.excuses;
	return frail_fired() > 0;
}

static unsigned long first_of(unsigned long step)
{
	const char *seed = getenv("SAGA_TEST_SEED");
	unsigned long first = seed ? strtoul(seed, NULL, 0) : (unsigned long)uv_hrtime() / 1000;

	first = first % step + 1;
	printf("each %lu. n from %lu: SAGA_TEST_SEED=%lu\n", step, first, first - 1);
	return first;
}

static void fail_each(int lanes, unsigned long times)
{
	const char *only = getenv("SAGA_TEST_NTH");
	unsigned long step = getenv("SAGA_TEST_SOAK") ? 1 : quickly[whose], nth;
	int runs = 0, excuses = 0;

	if (only) {
		(void)run_without(lanes, strtoul(only, NULL, 10), times, &excuses);
		return;
	}
	if (step > 1)
		step *= (unsigned long)slowness();
	nth = first_of(step);
	while (nth < MOST && run_without(lanes, nth, times, &excuses)) {
		nth += step;
		runs++;
	}
	printf("%d runs up to n = %lu, %d errors answered\n", runs, nth, excuses);
	ck_assert_msg(nth < MOST, "there is no end to it");
	ck_assert_msg(runs > 5, "only %d allocations were seen", runs);
}

START_TEST(one_that_fails)
{
	fail_each(0, 1);
}
END_TEST

START_TEST(many_that_fail)
{
	fail_each(0, LONG_TIMES);
}
END_TEST

START_TEST(one_that_fails_beside_a_lane)
{
	fail_each(1, 1);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("memory");
	TCase *tests = tcase_create("memory");
	SRunner *runner;
	int failed;

	for (int i = 0; argc > 1 && i < FRAIL_SORTS; i++)
		if (!strcmp(argv[1], names[i]))
			whose = (enum frail_whose)i;
	frail_install();
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, one_that_fails);
	tcase_add_test(tests, many_that_fail);
	tcase_add_test(tests, one_that_fails_beside_a_lane);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
