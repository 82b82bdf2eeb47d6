/* The world itself: it repeats, each fault strikes and is survived, what is broken is found. */

#include "../unit/rounds.h"
#include "small.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ORDERS = 12,
	OVER_MS = 20000
};

static struct small small;
static char text[400];

/* NULL: the world ran, and its domain is in order. */
static const char *run(uint64_t seed, unsigned faults, const saga_participant_def *depot)
{
	int code;

	small = (struct small){ .trace = "the process ended each time" };
	code = small_run(&small,
		&(struct small_plan){ .sim = { .seed = seed, .faults = faults, .faults_ms = 30000 },
			.orders = ORDERS,
			.over_ms = OVER_MS,
			.depot = depot });
	return code == SAGA_OK ? small_audit(&small, ORDERS, text, sizeof text) : small.error.text;
}

static saga_sim_report report(void)
{
	saga_sim_report report = { .size = sizeof report };

	saga_sim_report_of(small.sim, &report);
	return report;
}

static void survive(uint64_t seed, unsigned faults)
{
	const char *wrong = run(seed, faults, NULL);

	if (wrong)
		ck_abort_msg(
			"seed %llu, faults 0x%04x: %s", (unsigned long long)seed, faults, wrong);
}

/* ---- it repeats ---- */

START_TEST(a_seed_has_one_hash)
{
	uint64_t before = 0;

	for (uint64_t seed = 1; seed <= (uint64_t)rounds_of(6); seed++) {
		saga_sim_report first, second;

		survive(seed, SAGA_SIM_ALL);
		first = report();
		small_end(&small);
		survive(seed, SAGA_SIM_ALL);
		second = report();
		small_end(&small);
		ck_assert_uint_eq(first.hash, second.hash);
		ck_assert_uint_eq(first.happenings, second.happenings);
		ck_assert_uint_eq(first.struck, second.struck);
		ck_assert_int_eq(first.ms, second.ms);
		ck_assert_uint_ne(first.hash, before);
		before = first.hash;
	}
}
END_TEST

START_TEST(without_faults_nothing_strikes)
{
	survive(1, 0);
	ck_assert_uint_eq(report().struck, 0);
	ck_assert_uint_eq(report().crashes, 0);
	ck_assert_uint_gt(report().events, 3 * ORDERS);
	ck_assert_uint_eq(small.ok, ORDERS);
	small_end(&small);
}
END_TEST

/* ---- faults ---- */

START_TEST(each_fault_strikes_and_is_survived)
{
	unsigned fault = 1u << _i;
	uint64_t struck = 0;

	for (uint64_t seed = 1; seed <= (uint64_t)rounds_of(6); seed++) {
		survive(seed, fault);
		ck_assert_uint_eq(report().faults, fault);
		struck += report().struck;
		small_end(&small);
	}
	printf("fault 0x%04x struck %llu times\n", fault, (unsigned long long)struck);
	ck_assert_uint_gt(struck, 0);
}
END_TEST

START_TEST(all_faults_are_survived)
{
	uint64_t crashes = 0, seeds = (uint64_t)rounds_of(30);

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		survive(seed, SAGA_SIM_ALL);
		crashes += report().crashes;
		small_end(&small);
	}
	ck_assert_uint_gt(crashes, seeds);
}
END_TEST

/* Of each participant, on one store; they die and stand still for longer than a lease. */
START_TEST(instances_share_a_store)
{
	uint64_t crashes = 0, seeds = (uint64_t)rounds_of(20);

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		const char *wrong;
		int code;

		small = (struct small){ .answers = 0 };
		code = small_run(&small,
			&(struct small_plan){ .sim = { .seed = seed,
						      .faults = SAGA_SIM_ALL,
						      .instances = 2 + (unsigned)seed % 3 },
				.orders = ORDERS,
				.over_ms = OVER_MS });
		wrong = code == SAGA_OK ? small_audit(&small, ORDERS, text, sizeof text)
					: small.error.text;
		if (wrong)
			ck_abort_msg("seed %llu: %s", (unsigned long long)seed, wrong);
		crashes += report().crashes;
		small_end(&small);
	}
	ck_assert_uint_gt(crashes, seeds);
}
END_TEST

static uint64_t struck_with(uint64_t limit)
{
	uint64_t struck;

	small = (struct small){ .answers = 0 };
	ck_assert_int_eq(
		small_run(&small,
			&(struct small_plan){
				.sim = { .seed = 2, .faults = SAGA_SIM_ALL, .fault_limit = limit },
				.orders = ORDERS,
				.over_ms = OVER_MS }),
		SAGA_OK);
	struck = report().struck;
	small_end(&small);
	return struck;
}

static saga_verdict reserve_at_last(saga_step *s)
{
	const struct order_placed *order = saga_on(s, order_placed);

	if (saga_attempt(s) < 5)
		return saga_retry(s, "not yet");
	if (!saga_exec(s, "UPDATE depot SET free = free - ? WHERE free >= ?", order->units,
		    order->units))
		return saga_reject(s, units_refused, .why = "none left");
	saga_exec(
		s, "INSERT INTO reserved (saga, units) VALUES (?, ?)", saga_this(s), order->units);
	return saga_emit(s, units_reserved, .total = order->total);
}

static saga_verdict release_again(saga_step *s)
{
	saga_exec(s, "UPDATE depot SET free = free + (SELECT units FROM reserved WHERE saga = ?)",
		saga_this(s));
	saga_exec(s, "DELETE FROM reserved WHERE saga = ?", saga_this(s));
	return saga_emit(s, units_released);
}

static const saga_step_def slow_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve_at_last,
		.emits = { &units_reserved },
		.rejects = { &units_refused },
		.undo = release_again,
		.undo_on = { &money_declined },
		.undone = { &units_released } },
};
static const saga_participant_def slow =
	SAGA_PARTICIPANT("depot", slow_steps, .schema = small_depot_schema);

/* After a crash each event is tried alone; what fails then is not held to have crashed it. */
START_TEST(a_retry_after_a_crash_is_no_suspect)
{
	for (uint64_t seed = 1; seed <= (uint64_t)rounds_of(12); seed++) {
		const char *wrong = run(seed, SAGA_SIM_CRASH, &slow);

		if (wrong)
			ck_abort_msg("seed %llu: %s", (unsigned long long)seed, wrong);
		ck_assert_uint_eq(small.traced, 0);
		small_end(&small);
	}
}
END_TEST

START_TEST(only_so_many_faults_strike)
{
	ck_assert_uint_gt(struck_with(0), 20);
	ck_assert_uint_eq(struck_with(1), 1);
	ck_assert_uint_eq(struck_with(7), 7);
}
END_TEST

/* ---- what is broken is found ---- */

#define DEPOT(steps_) SAGA_PARTICIPANT("depot", steps_, .schema = small_depot_schema)

static int64_t remembered;

static saga_verdict reserve_from_memory(saga_step *s)
{
	const struct order_placed *order = saga_on(s, order_placed);

	if (remembered < order->units)
		return saga_reject(s, units_refused, .why = "none left");
	remembered -= order->units;
	saga_exec(s, "UPDATE depot SET free = ?", remembered);
	saga_exec(
		s, "INSERT INTO reserved (saga, units) VALUES (?, ?)", saga_this(s), order->units);
	return saga_emit(s, units_reserved, .total = order->total);
}

static saga_verdict release_to_memory(saga_step *s)
{
	remembered +=
		saga_query_int64(s, 0, "SELECT units FROM reserved WHERE saga = ?", saga_this(s));
	saga_exec(s, "UPDATE depot SET free = ?", remembered);
	saga_exec(s, "DELETE FROM reserved WHERE saga = ?", saga_this(s));
	return saga_emit(s, units_released);
}

static const saga_step_def forgetful_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve_from_memory,
		.emits = { &units_reserved },
		.rejects = { &units_refused },
		.undo = release_to_memory,
		.undo_on = { &money_declined },
		.undone = { &units_released } },
};
static const saga_participant_def forgetful = DEPOT(forgetful_steps);

/* It is right as long as nothing goes wrong; then what it remembers is not what it stored. */
START_TEST(state_outside_the_store_is_found)
{
	int found = 0;

	remembered = SMALL_UNITS;
	ck_assert_ptr_null(run(1, 0, &forgetful));
	small_end(&small);
	for (uint64_t seed = 1; seed <= 10; seed++) {
		remembered = SMALL_UNITS;
		found += run(seed, SAGA_SIM_HANDLER, &forgetful) != NULL;
		small_end(&small);
	}
	ck_assert_int_gt(found, 0);
}
END_TEST

static saga_verdict reserve_any(saga_step *s)
{
	const struct order_placed *order = saga_on(s, order_placed);

	saga_exec(s, "UPDATE depot SET free = free - ?", order->units);
	saga_exec(
		s, "INSERT INTO reserved (saga, units) VALUES (?, ?)", saga_this(s), order->units);
	return saga_emit(s, units_reserved, .total = order->total);
}

static const saga_step_def without_undo_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve_any,
		.emits = { &units_reserved },
		.rejects = { &units_refused } },
};
static const saga_participant_def without_undo = DEPOT(without_undo_steps);

START_TEST(a_missing_undo_is_found)
{
	ck_assert_ptr_nonnull(run(1, 0, &without_undo));
	ck_assert_int_eq(small.error.code, SAGA_OK); /* by the audit: it declared nothing */
	small_end(&small);
}
END_TEST

static saga_verdict wait_for_ever(saga_step *s)
{
	return saga_wait(s, "for a better time");
}

static const saga_step_def waiting_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = wait_for_ever,
		.emits = { &units_reserved },
		.rejects = { &units_refused } },
};
static const saga_participant_def waiting = DEPOT(waiting_steps);

START_TEST(what_never_rests_is_named)
{
	const char *wrong = run(1, 0, &waiting);

	ck_assert_ptr_nonnull(wrong);
	ck_assert_int_eq(small.error.code, SAGA_FAILED);
	ck_assert_ptr_nonnull(strstr(wrong, "not at rest"));
	ck_assert_ptr_nonnull(strstr(wrong, "depot, saga "));
	ck_assert_ptr_nonnull(strstr(wrong, "slot reserve is still waiting"));
	small_end(&small);
}
END_TEST

static saga_verdict write_nonsense(saga_step *s)
{
	saga_exec(s, "UPDATE no_such_table SET free = 0");
	return saga_emit(s, units_reserved, .total = 1);
}

static const saga_step_def broken_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = write_nonsense,
		.emits = { &units_reserved },
		.retry = { .attempts = 3 } },
};
static const saga_participant_def broken = DEPOT(broken_steps);

START_TEST(a_dead_slot_that_nobody_asked_for_is_found)
{
	const char *wrong = run(1, 0, &broken);

	ck_assert_ptr_nonnull(wrong);
	ck_assert_ptr_nonnull(strstr(wrong, "slot reserve is dead"));
	small_end(&small);
}
END_TEST

/* ---- what the steps declare for the checker ---- */

static saga_verdict go_on(saga_step *s)
{
	return saga_done(s);
}

static const saga_step_def careless_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve_any,
		.emits = { &units_reserved },
		.rejects = { &units_refused },
		.only_while = { "free" } },
	{ .name = "free", .on = { &money_declined }, .run = go_on },
};
static const saga_participant_def careless = DEPOT(careless_steps);

static const saga_step_def hasty_steps[] = {
	{ .name = "reserve",
		.on = { &order_placed },
		.run = reserve_any,
		.emits = { &units_reserved },
		.rejects = { &units_refused } },
	{ .name = "free", .on = { &money_declined }, .run = go_on },
	{ .name = "send",
		.on = { &money_charged },
		.run = go_on,
		.waits = { { .held = "reserve", .freed = "free" } } },
};
static const saga_participant_def hasty = DEPOT(hasty_steps);

static const struct {
	const saga_participant_def *depot;
	const char *says[2];
} broken_promises[] = {
	{ &careless, { "promise: depot", "its `only_while` says: only while free is done" } },
	{ &hasty, { "promise: depot", "its `waits` says that it waits" } },
};

START_TEST(a_broken_promise_is_found)
{
	const char *wrong = run(1, 0, broken_promises[_i].depot);

	ck_assert_ptr_nonnull(wrong);
	for (size_t i = 0; i < 2; i++)
		ck_assert_msg(strstr(wrong, broken_promises[_i].says[i]) != NULL, "%s", wrong);
	small_end(&small);
}
END_TEST

/* ---- its doors ---- */

static saga_sim *new_world(unsigned shards, int code)
{
	saga_sim *sim = NULL;
	saga_error error;

	ck_assert_int_eq(
		saga_sim_new(SAGA_SIM_OPTIONS(.seed = 1, .shards = shards), &sim, &error), code);
	return sim;
}

START_TEST(wrong_use_is_said)
{
	saga_sim *sim = new_world(1, SAGA_OK);
	saga_submission submission = { SAGA_SUBMISSION(place_order, .units = 1), .key = "1" };
	saga_error error;

	(void)new_world(3, SAGA_MALFORMED);
	ck_assert_int_eq(
		saga_sim_add(sim, &small_till, SAGA_OPTIONS(.followers = NULL), &error), SAGA_OK);
	ck_assert_int_eq(saga_sim_add(sim, &small_till, SAGA_OPTIONS(.followers = NULL), &error),
		SAGA_MISUSE);
	ck_assert_int_eq(saga_sim_submit(sim, "none", 0, &submission, &error), SAGA_MISUSE);
	submission.key = NULL;
	ck_assert_int_eq(saga_sim_submit(sim, "till", 0, &submission, &error), SAGA_MALFORMED);
	ck_assert_int_eq(
		saga_sim_query(sim, "none", "SELECT 1", NULL, 0, NULL, NULL, &error), SAGA_MISUSE);
	ck_assert_int_eq(saga_sim_run(sim, &error), SAGA_OK);
	ck_assert_int_eq(saga_sim_run(sim, &error), SAGA_MISUSE);
	saga_sim_close(sim);
	saga_sim_close(NULL);
}
END_TEST

static void count_call(void *user, saga_sim *sim)
{
	int *calls = user;

	ck_assert_int_eq(saga_sim_now(sim), 1000 * (*calls + 1));
	if (++*calls < 3)
		ck_assert_int_eq(saga_sim_at(sim, 1000 * (*calls + 1), count_call, user), SAGA_OK);
}

START_TEST(the_host_is_called_in_time)
{
	saga_sim *sim = new_world(0, SAGA_OK);
	saga_error error;
	int calls = 0;

	ck_assert_int_eq(
		saga_sim_add(sim, &small_till, SAGA_OPTIONS(.followers = NULL), &error), SAGA_OK);
	ck_assert_int_eq(saga_sim_at(sim, 1000, count_call, &calls), SAGA_OK);
	ck_assert_int_eq(saga_sim_run(sim, &error), SAGA_OK);
	ck_assert_int_eq(calls, 3);
	saga_sim_close(sim);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim");
	TCase *tests = tcase_create("world");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, a_seed_has_one_hash);
	tcase_add_test(tests, without_faults_nothing_strikes);
	tcase_add_loop_test(tests, each_fault_strikes_and_is_survived, 0, 16);
	tcase_add_test(tests, all_faults_are_survived);
	tcase_add_test(tests, instances_share_a_store);
	tcase_add_test(tests, a_retry_after_a_crash_is_no_suspect);
	tcase_add_test(tests, only_so_many_faults_strike);
	tcase_add_test(tests, state_outside_the_store_is_found);
	tcase_add_test(tests, a_missing_undo_is_found);
	tcase_add_test(tests, what_never_rests_is_named);
	tcase_add_test(tests, a_dead_slot_that_nobody_asked_for_is_found);
	tcase_add_loop_test(tests, a_broken_promise_is_found, 0,
		sizeof broken_promises / sizeof broken_promises[0]);
	tcase_add_test(tests, wrong_use_is_said);
	tcase_add_test(tests, the_host_is_called_in_time);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
