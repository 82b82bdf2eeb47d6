/* `saga check`: verdicts, ways and exit status. */
#include "tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/saga-check-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
	(void)strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("trips.json",
		"{\"contract\": 1, \"participant\": \"trips\", \"requests\": [\"trip.book\"],"
		" \"steps\": [{\"name\": \"seat\", \"on\": [\"trip.book\"], \"emits\": "
		"[\"seat.taken\"],"
		" \"undo_on\": [\"room.refused\"], \"undone\": [\"seat.given_back\"]}],"
		" \"ends\": {\"seat.given_back\": \"undone\"}}");
	put("rooms.json",
		"{\"contract\": 1, \"participant\": \"rooms\","
		" \"steps\": [{\"name\": \"room\", \"on\": [\"seat.taken\"],"
		" \"emits\": [\"trip.booked\"], \"rejects\": [\"room.refused\"]}],"
		" \"ends\": {\"trip.booked\": \"done\"}}");
	put("mute.json",
		"{\"contract\": 1, \"participant\": \"rooms\","
		" \"steps\": [{\"name\": \"room\", \"on\": [\"seat.taken\"],"
		" \"emits\": [\"trip.booked\"]}], \"unheard\": [\"trip.booked\"]}");
	put("house.json",
		"{\"contract\": 1, \"participant\": \"house\", \"says\": [\"room.refused\"]}");
	put("other.json", "{\"openapi\": \"3.0.0\"}");
}

static void teardown(void)
{
	static const char *const names[] = { "trips", "rooms", "mute", "house", "other" };
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s.json", folder, names[i]);
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(what_is_right_is_proved)
{
	struct said said = tool("check %s/trips.json %s/rooms.json", folder, folder);

	CHECK_SAID(&said, 0, "right\n");
	CHECK_SAID(&said, 0, "states, ");
	CHECK_SAID(&said, 0, "2 subjects, 0 may die");
	CHECK_SAID(&said, 0, "  - seat.given_back\n");
}
END_TEST

START_TEST(what_is_wrong_is_told_with_the_way_there)
{
	struct said said = tool("check %s/trips.json %s/mute.json", folder, folder);

	CHECK_SAID(&said, 1, "not right: 2 breaches");
	CHECK_SAID(&said, 1, "nobody emits room.refused, which trips.seat needs");
	CHECK_SAID(&said, 1, "the saga rests without an end: trips.seat done, rooms.room done");
	CHECK_SAID(&said, 1, "1. asked: trips.seat: seat.taken");
	CHECK_SAID(&said, 1, "2. seat.taken -> rooms.room: trip.booked");
	CHECK_SAID(&said, 1, "sequenceDiagram");
	CHECK_SAID(&said, 1, "trips.seat can never be undone");
	said = tool("check %s/trips.json %s/mute.json %s/house.json", folder, folder, folder);
	CHECK_SAID(&said, 1, "house.room.refused is said in the end");
	CHECK_SAID(&said, 1, "rooms.room keeps its effect though seat.given_back is out");
}
END_TEST

START_TEST(what_cannot_be_read_is_wrong_use)
{
	struct said said = tool("check %s/trips.json %s/other.json", folder, folder);

	CHECK_SAID(&said, 2, "other.json: is no contract");
	said = tool("check %s/none.json", folder);
	CHECK_SAID(&said, 2, "none.json: No such file");
	said = tool("check %s", folder);
	CHECK_SAID(&said, 2, folder);
	said = tool("check %s/trips.json %s/trips.json", folder, folder);
	CHECK_SAID(&said, 2, "participant trips: ");
	said = tool("check --states 1 %s/trips.json %s/rooms.json", folder, folder);
	CHECK_SAID(&said, 2, "not proved");
}
END_TEST

START_TEST(dying_lists_what_needs_an_operator)
{
	struct said said =
		tool("check --dying 1 --subjects 1 %s/trips.json %s/rooms.json", folder, folder);

	CHECK_SAID(&said, 0, "an operator is needed:\n  - ");
	CHECK_SAID(&said, 0, "trips.seat stuck");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tool");
	TCase *tests = tcase_create("check");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_right_is_proved);
	tcase_add_test(tests, what_is_wrong_is_told_with_the_way_there);
	tcase_add_test(tests, what_cannot_be_read_is_wrong_use);
	tcase_add_test(tests, dying_lists_what_needs_an_operator);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
