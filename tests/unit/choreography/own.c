/* The choreographies that the project shows: the shop, by its declarations, and the pair. */
#include "load.h"

#include "bank.h"
#include "pair.h"
#include "shop.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* No handler runs here. */
enum bank_answer bank_charge(
	void *bank, const char *key, const char *json, int timeout_ms, char ret_text[64])
{
	(void)bank, (void)key, (void)json, (void)timeout_ms, (void)ret_text;
	abort();
}

static saga_check *check_own(const saga_participant_def *const *defs, size_t count, int subjects)
{
	saga_contract contracts[CONTRACTS_MOST];
	saga_check *check;
	saga_error error;
	int code;

	for (size_t i = 0; i < count; i++) {
		size_t size = saga_contract_json(defs[i], NULL, 0) + 1;
		char *json = malloc(size);

		ck_assert_uint_gt(size, 1);
		ck_assert_ptr_nonnull(json);
		(void)saga_contract_json(defs[i], json, size);
		contracts[i] = (saga_contract){ defs[i]->name, json };
	}
	code = saga_choreography_check(
		contracts, count, SAGA_CHECK_OPTIONS(.subjects = subjects), &check, &error);
	ck_assert_msg(code == SAGA_OK, "%s", error.text);
	for (size_t i = 0; i < count; i++)
		free((char *)contracts[i].json);
	for (size_t i = 0; i < check->finding_count; i++)
		if (check->findings[i].kind <= SAGA_FINDING_WARNING)
			fprintf(stderr, "%s\n", check->findings[i].text);
	ck_assert_uint_eq(findings_of(check, SAGA_FINDING_WARNING), 0);
	ck_assert(check->passed);
	return check;
}

/* The declarations are the choreography that right.json holds. */
START_TEST(the_shop_is_right)
{
	static const saga_participant_def *const defs[] = { &order, &stock, &payment };
	saga_check *check = check_own(defs, 3, SUBJECTS);
	json_t *all = load("right.json");
	saga_check *written = check_of(json_object_get(json_object_get(all, "shop"), "contracts"),
		SAGA_CHECK_OPTIONS(.subjects = SUBJECTS));

	ck_assert_uint_eq(check->states, written->states);
	ck_assert_uint_eq(check->moves, written->moves);
	ck_assert_uint_eq(findings_of(check, SAGA_FINDING_ASSUMED),
		findings_of(written, SAGA_FINDING_ASSUMED));
	saga_check_free(written);
	saga_check_free(check);
	json_decref(all);
}
END_TEST

START_TEST(the_pair_is_right)
{
	static const saga_participant_def *const defs[] = { &seats, &till };

	saga_check_free(check_own(defs, 2, 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("choreography");
	TCase *tests = tcase_create("own");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 240);
	tcase_add_test(tests, the_shop_is_right);
	tcase_add_test(tests, the_pair_is_right);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
