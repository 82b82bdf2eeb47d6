/*
 * Choreographies that are right, and planted faults. The counts of states are those of another
 * program that explores the same choreographies in the same way.
 */
#include "load.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static json_t *right_one(json_t *all, const char *name)
{
	json_t *one = json_object_get(all, name);

	ck_assert_msg(one != NULL, "right.json has no `%s`", name);
	return json_object_get(one, "contracts");
}

static void show_breaches(const char *name, const saga_check *check)
{
	for (size_t i = 0; i < check->finding_count; i++)
		if (check->findings[i].kind == SAGA_FINDING_BREACH)
			fprintf(stderr, "%s: %s\n", name, check->findings[i].text);
}

START_TEST(what_is_right_passes)
{
	json_t *all = load("right.json"), *one;
	const char *name;

	json_object_foreach(all, name, one)
	{
		const json_t *states = json_object_get(one, "states");

		for (size_t i = 0; i < json_array_size(states); i++) {
			saga_check *check = check_of(json_object_get(one, "contracts"),
				SAGA_CHECK_OPTIONS(.subjects = (int)i + 1));

			show_breaches(name, check);
			ck_assert_msg(check->passed && check->whole, "%s", name);
			ck_assert_msg((json_int_t)check->states ==
					json_integer_value(json_array_get(states, i)),
				"%s with %zu subjects: %zu states", name, i + 1, check->states);
			saga_check_free(check);
		}
	}
	ck_assert_uint_eq(json_object_size(all), 12);
	json_decref(all);
}
END_TEST

/* The breach with its shortest way; 0 moves: it shows in the declarations. */
static void find_planted(const json_t *fault, const saga_check *check)
{
	const char *name = json_string_value(json_object_get(fault, "name"));
	const char *says = json_string_value(json_object_get(fault, "says"));
	bool warns = strcmp(json_string_value(json_object_get(fault, "kind")), "warning") == 0;
	const saga_finding *found =
		finding_of(check, warns ? SAGA_FINDING_WARNING : SAGA_FINDING_BREACH, says);

	if (!found)
		show_breaches(name, check);
	ck_assert_msg(found != NULL, "%s: not found: %s", name, says);
	ck_assert_msg((json_int_t)found->move_count ==
			json_integer_value(json_object_get(fault, "moves")),
		"%s: %zu moves", name, found->move_count);
	ck_assert_msg(
		(json_int_t)check->states == json_integer_value(json_object_get(fault, "states")),
		"%s: %zu states", name, check->states);
	ck_assert_int_eq(check->passed, warns);
	for (size_t i = 0; i < found->move_count; i++)
		ck_assert_uint_gt(strlen(found->moves[i]), 0);
	if (found->move_count)
		ck_assert_msg(strncmp(found->diagram, "sequenceDiagram\n", 16) == 0, "%s", name);
	else
		ck_assert_ptr_null(found->diagram);
}

START_TEST(each_planted_fault_is_found)
{
	json_t *all = load("right.json"), *faults = load("faults.json"), *fault;
	size_t i;

	json_array_foreach(faults, i, fault)
	{
		const char *base = json_string_value(json_object_get(fault, "base"));
		json_t *list = json_deep_copy(right_one(all, base));
		saga_check *check;

		plant(list, fault);
		check = check_of(list, SAGA_CHECK_OPTIONS(.subjects = 1));
		find_planted(fault, check);
		saga_check_free(check);
		json_decref(list);
	}
	ck_assert_uint_ge(json_array_size(faults), 42);
	json_decref(faults);
	json_decref(all);
}
END_TEST

START_TEST(a_way_is_told_move_by_move)
{
	static const char *const moves[] = {
		"asked: trips.seat: seat.taken",
		"seat.taken -> trips.room: room.refused",
	};
	json_t *all = load("right.json"), *list = right_one(all, "trip (README)");
	saga_check *check;
	const saga_finding *found;

	(void)json_object_del(
		json_array_get(json_object_get(json_array_get(list, 0), "steps"), 0), "undo_on");
	(void)json_object_del(
		json_array_get(json_object_get(json_array_get(list, 0), "steps"), 0), "undone");
	(void)json_object_del(json_object_get(json_array_get(list, 0), "ends"), "seat.given_back");
	check = check_of(list, NULL);
	found = finding_of(check, SAGA_FINDING_BREACH, "rests without an end: trips.seat done");
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(found->move_count, 2);
	for (size_t i = 0; i < 2; i++)
		ck_assert_str_eq(found->moves[i], moves[i]);
	ck_assert_str_eq(found->diagram,
		"sequenceDiagram\n"
		"\tactor caller\n"
		"\tparticipant p0 as trips\n"
		"\tcaller->>p0: trip.book\n"
		"\tNote over p0: seat takes effect: seat.taken\n"
		"\tp0->>p0: seat.taken\n"
		"\tNote over p0: room rejects: room.refused\n");
	saga_check_free(check);
	json_decref(all);
}
END_TEST

START_TEST(what_dies_needs_an_operator)
{
	json_t *all = load("right.json");
	saga_check *check =
		check_of(right_one(all, "shop"), SAGA_CHECK_OPTIONS(.subjects = 1, .dying = 1));

	ck_assert(check->passed);
	ck_assert_uint_eq(check->states, 18095);
	ck_assert_ptr_nonnull(finding_of(check, SAGA_FINDING_OPERATOR, "payment.charge stuck"));
	saga_check_free(check);
	json_decref(all);
}
END_TEST

static void count_calls(void *user, size_t states, size_t waiting)
{
	ck_assert_uint_ge(states, 65536);
	ck_assert_uint_le(waiting, states);
	++*(int *)user;
}

START_TEST(a_limit_of_states_is_said)
{
	json_t *all = load("right.json");
	saga_check *check =
		check_of(right_one(all, "shop"), SAGA_CHECK_OPTIONS(.subjects = 1, .states = 1000));

	ck_assert(!check->whole && !check->passed);
	ck_assert_uint_ge(check->states, 1000);
	ck_assert_uint_eq(findings_of(check, SAGA_FINDING_WARNING), 0);
	saga_check_free(check);
	json_decref(all);
}
END_TEST

START_TEST(progress_is_told)
{
	json_t *all = load("right.json");
	int calls = 0;
	saga_check *check = check_of(right_one(all, "shop"),
		SAGA_CHECK_OPTIONS(.states = 140000, .progress = count_calls, .user = &calls));

	ck_assert_int_ge(calls, 1);
	ck_assert_uint_le(check->state_bytes, 200);
	saga_check_free(check);
	json_decref(all);
}
END_TEST

START_TEST(assumptions_and_open_ends_are_listed)
{
	json_t *all = load("right.json");
	saga_check *check = check_of(right_one(all, "shop"), SAGA_CHECK_OPTIONS(.subjects = 1));

	ck_assert_ptr_nonnull(
		finding_of(check, SAGA_FINDING_OPEN, "order.complete waits for stock.track"));
	ck_assert_ptr_nonnull(finding_of(check, SAGA_FINDING_ASSUMED,
		"the undo of stock.reserve takes stock.adjust back, too"));
	ck_assert_uint_eq(findings_of(check, SAGA_FINDING_ASSUMED), 8);
	ck_assert_uint_eq(check->end_count, 3);
	ck_assert_str_eq(check->ends[1], "order.cancelled");
	saga_check_free(check);
	json_decref(all);
}
END_TEST

/* ---- those who are no participants ---- */

static const char goods[] =
	"{\"contract\": 1, \"participant\": \"order\", \"requests\": [\"order.place\"],"
	" \"steps\": [{\"name\": \"place\", \"on\": [\"order.place\"], \"emits\": "
	"[\"order.placed\"]},"
	"  {\"name\": \"close\", \"on\": [\"goods.packed\"], \"emits\": [\"order.closed\"]}],"
	" \"ends\": {\"order.closed\": \"done\"}}";

static saga_check *check_with(const char *stranger)
{
	const saga_contract contracts[] = { { "order.json", goods }, { "house.json", stranger } };
	saga_check *check;
	saga_error error;
	int code = saga_choreography_check(contracts, stranger ? 2 : 1, NULL, &check, &error);

	ck_assert_msg(code == SAGA_OK, "%s", error.text);
	return check;
}

START_TEST(a_stranger_hears_and_says)
{
	saga_check *check = check_with(NULL);

	ck_assert_ptr_nonnull(finding_of(check, SAGA_FINDING_BREACH, "nobody emits goods.packed"));
	saga_check_free(check);

	check = check_with("{\"contract\": 1, \"participant\": \"house\","
			   " \"hears\": [\"order.placed\"], \"says\": [\"goods.packed\"]}");
	show_breaches("house", check);
	ck_assert(check->passed);
	ck_assert_ptr_nonnull(
		finding_of(check, SAGA_FINDING_OPEN, "no end yet: waits for house.goods.packed"));
	ck_assert_ptr_nonnull(finding_of(check, SAGA_FINDING_ASSUMED, "house.goods.packed"));
	saga_check_free(check);
}
END_TEST

/* A stranger's event ends no wait that it has nothing to do with. */
START_TEST(a_stranger_hides_no_breach)
{
	saga_check *check =
		check_with("{\"contract\": 1, \"participant\": \"house\","
			   " \"hears\": [\"order.placed\"], \"says\": [\"goods.counted\"]}");

	ck_assert_ptr_nonnull(finding_of(
		check, SAGA_FINDING_BREACH, "the saga rests without an end: order.place done"));
	saga_check_free(check);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("choreography");
	TCase *tests = tcase_create("check");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 240);
	tcase_add_test(tests, what_is_right_passes);
	tcase_add_test(tests, each_planted_fault_is_found);
	tcase_add_test(tests, a_way_is_told_move_by_move);
	tcase_add_test(tests, what_dies_needs_an_operator);
	tcase_add_test(tests, a_limit_of_states_is_said);
	tcase_add_test(tests, progress_is_told);
	tcase_add_test(tests, assumptions_and_open_ends_are_listed);
	tcase_add_test(tests, a_stranger_hears_and_says);
	tcase_add_test(tests, a_stranger_hides_no_breach);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
