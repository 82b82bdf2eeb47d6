/* Store time: how it follows a source that leaps, goes back, and comes back. */

#include "stores/clock.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START (19000 * DAY)

/* A process with a clock; the source is START + monotonic + shift. */
struct scene {
	struct saga__clock clock;
	struct saga__clock_kept kept;
	int64_t monotonic, shift, by;
};

static struct scene scene_new(void)
{
	return (struct scene){ .monotonic = 7 * SECOND };
}

static enum saga__clock_news look(struct scene *s)
{
	enum saga__clock_news news = saga__clock_look(
		&s->clock, s->monotonic, START + s->monotonic + s->shift, s->kept, &s->by);

	s->kept = saga__clock_keep(&s->clock, s->monotonic);
	return news;
}

static enum saga__clock_news pass(struct scene *s, int64_t ms)
{
	enum saga__clock_news last = SAGA__CLOCK_AS_BEFORE, news;

	for (int64_t end = s->monotonic + ms; s->monotonic < end;) {
		s->monotonic += 5 * SECOND;
		if ((news = look(s)) != SAGA__CLOCK_AS_BEFORE)
			last = news;
	}
	return last;
}

/* Store time, less what it would be if nobody had touched the source. */
static int64_t off(const struct scene *s)
{
	return saga__clock_now(&s->clock, s->monotonic) - START - s->monotonic;
}

static int64_t ageing_off(const struct scene *s)
{
	return saga__clock_ageing(&s->clock, s->monotonic) - START - s->monotonic;
}

static void restart(struct scene *s, int64_t downtime)
{
	s->clock = (struct saga__clock){ .known = false };
	s->monotonic += downtime;
}

START_TEST(a_source_that_is_right_is_followed)
{
	struct scene s = scene_new();

	ck_assert_int_eq(look(&s), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(pass(&s, HOUR), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(off(&s), 0);
	s.shift = 50 * MINUTE;
	ck_assert_int_eq(pass(&s, 5 * SECOND), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(off(&s), 50 * MINUTE);
}
END_TEST

START_TEST(a_leap_that_does_not_last_is_not_followed)
{
	struct scene s = scene_new();

	look(&s);
	s.shift = 91 * DAY;
	ck_assert_int_eq(pass(&s, 5 * SECOND), SAGA__CLOCK_LEAPT);
	ck_assert_int_eq(s.by, 91 * DAY);
	ck_assert_int_eq(pass(&s, 9 * MINUTE), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(off(&s), 0);
	ck_assert_int_eq(ageing_off(&s), 0);
	s.shift = 0;
	ck_assert_int_eq(pass(&s, 5 * SECOND), SAGA__CLOCK_AGREES);
	ck_assert_int_eq(off(&s), 0);
}
END_TEST

START_TEST(a_leap_that_changes_is_another)
{
	struct scene s = scene_new();

	look(&s);
	for (int i = 1; i < 20; i++) {
		s.shift = i * DAY;
		ck_assert_int_eq(pass(&s, 5 * SECOND), SAGA__CLOCK_LEAPT);
		ck_assert_int_eq(pass(&s, 9 * MINUTE), SAGA__CLOCK_AS_BEFORE);
	}
	ck_assert_int_eq(off(&s), 0);
}
END_TEST

START_TEST(a_leap_that_lasts_is_followed_and_ages_slowly)
{
	struct scene s = scene_new();

	look(&s);
	s.shift = 91 * DAY;
	ck_assert_int_eq(pass(&s, 10 * MINUTE + 10 * SECOND), SAGA__CLOCK_FOLLOWED);
	ck_assert_int_eq(off(&s), 91 * DAY);
	ck_assert_int_le(ageing_off(&s), 15 * MINUTE);
	pass(&s, 10 * MINUTE);
	ck_assert_int_ge(ageing_off(&s), 9 * HOUR);
	ck_assert_int_le(ageing_off(&s), 10 * HOUR + 15 * MINUTE);
	restart(&s, 10 * SECOND); /* a restart does not hasten it */
	look(&s);
	ck_assert_int_eq(off(&s), 91 * DAY);
	ck_assert_int_le(ageing_off(&s), 10 * HOUR + 15 * MINUTE);
	pass(&s, 93 * 24 * MINUTE);
	ck_assert_int_eq(ageing_off(&s), 91 * DAY);
}
END_TEST

START_TEST(a_source_that_goes_back_stops_nothing)
{
	static const int64_t spans[] = { MINUTE, 2 * HOUR, 365 * DAY };
	struct scene s = scene_new();
	int64_t before;

	look(&s);
	pass(&s, MINUTE);
	s.shift = -spans[_i];
	ck_assert_int_eq(pass(&s, 5 * SECOND),
		spans[_i] > HOUR ? SAGA__CLOCK_WENT_BACK : SAGA__CLOCK_AS_BEFORE);
	before = saga__clock_now(&s.clock, s.monotonic);
	ck_assert_int_eq(pass(&s, 16 * SECOND), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_ge(saga__clock_now(&s.clock, s.monotonic) - before, 15 * SECOND);
	pass(&s, 33 * HOUR);
	if (spans[_i] <= 2 * HOUR)
		ck_assert_int_eq(off(&s), -spans[_i]);
	s.shift = 0;
	pass(&s, 5 * SECOND);
	if (spans[_i] <= 2 * HOUR)
		ck_assert_int_eq(off(&s), spans[_i] > HOUR ? -spans[_i] : 0);
}
END_TEST

START_TEST(a_restart_begins_where_the_store_was)
{
	struct scene s = scene_new();

	look(&s);
	pass(&s, MINUTE);
	restart(&s, 30 * MINUTE);
	ck_assert_int_eq(look(&s), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(off(&s), 0);
	restart(&s, MINUTE);
	s.shift = -DAY;
	ck_assert_int_eq(look(&s), SAGA__CLOCK_WENT_BACK);
	ck_assert_int_eq(off(&s), -MINUTE); /* as it was kept */
	restart(&s, MINUTE);
	s.shift = 91 * DAY;
	ck_assert_int_eq(look(&s), SAGA__CLOCK_LEAPT);
	ck_assert_int_eq(off(&s), -2 * MINUTE);
	pass(&s, 90 * SECOND);
	restart(&s, 5 * SECOND);
	s.shift = 0;
	ck_assert_int_eq(look(&s), SAGA__CLOCK_AS_BEFORE);
	ck_assert_int_eq(off(&s), 0);
}
END_TEST

START_TEST(instances_agree)
{
	struct scene a = scene_new(), b;

	look(&a);
	b = a;
	b.clock.known = false;
	b.monotonic = 9999 * SECOND; /* of another machine */
	(void)saga__clock_look(
		&b.clock, b.monotonic, START + 7 * SECOND + 20 * MINUTE, a.kept, &b.by);
	a.kept = saga__clock_keep(&b.clock, b.monotonic);
	look(&a);
	ck_assert_int_eq(off(&a), 20 * MINUTE);
}
END_TEST

START_TEST(another_lane_does_not_go_back)
{
	struct scene a = scene_new(), b;
	int64_t before;

	look(&a);
	b = a;
	a.shift = -2 * HOUR;
	pass(&a, HOUR);
	before = saga__clock_now(&b.clock, a.monotonic);
	saga__clock_adopt(&b.clock, &a.clock, a.monotonic);
	ck_assert_int_ge(saga__clock_now(&b.clock, a.monotonic), before);
	ck_assert_int_ge(saga__clock_now(&b.clock, a.monotonic + 5 * MINUTE), before);
}
END_TEST

/* Whatever the source says: never back, and never a leap that did not last. */
START_TEST(whatever_the_source_says)
{
	const char *given = getenv("SAGA_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	printf("seed %u\n", seed);
	for (int round = 0; round < 200; round++, seed++) {
		struct scene s = scene_new();
		int64_t before, most = 0;

		srand(seed);
		look(&s);
		before = saga__clock_now(&s.clock, s.monotonic);
		for (int i = 0; i < 200; i++) {
			int64_t now, step = rand() % 10000;

			if (rand() % 4 == 0)
				s.shift = (rand() % 2 ? 1 : -1) * ((int64_t)rand() % (400 * DAY));
			if (s.shift > most && s.shift <= off(&s) + HOUR)
				most = s.shift;
			if (rand() % 20 == 0)
				restart(&s, 0);
			s.monotonic += step;
			look(&s);
			now = saga__clock_now(&s.clock, s.monotonic);
			ck_assert_msg(now >= before, "seed %u: went back", seed);
			ck_assert_msg(
				off(&s) <= most, "seed %u: off by %lld", seed, (long long)off(&s));
			before = now;
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("store time");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_source_that_is_right_is_followed);
	tcase_add_test(tcase, a_leap_that_does_not_last_is_not_followed);
	tcase_add_test(tcase, a_leap_that_changes_is_another);
	tcase_add_test(tcase, a_leap_that_lasts_is_followed_and_ages_slowly);
	tcase_add_loop_test(tcase, a_source_that_goes_back_stops_nothing, 0, 3);
	tcase_add_test(tcase, a_restart_begins_where_the_store_was);
	tcase_add_test(tcase, instances_agree);
	tcase_add_test(tcase, another_lane_does_not_go_back);
	tcase_add_test(tcase, whatever_the_source_says);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
