/* The map of a choreography, and the shortest run to an end. */
#include "load.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static json_t *all;
static struct contracts trip;

static void setup(void)
{
	all = load("right.json");
	trip = contracts_of(json_object_get(json_object_get(all, "trip (README)"), "contracts"));
}

static void teardown(void)
{
	contracts_free(&trip);
	json_decref(all);
}

static void check_drawn(saga_drawing form, const char *wanted)
{
	char *text = NULL;
	saga_error error;
	int code = saga_choreography_draw(trip.at, trip.count, form, &text, &error);

	ck_assert_msg(code == SAGA_OK, "%s", error.text);
	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(a_map_for_mermaid)
{
	check_drawn(SAGA_DRAW_MERMAID,
		"flowchart LR\n"
		"\tcaller([caller])\n"
		"\tsubgraph p0[\"trips\"]\n"
		"\t\ts0[\"seat\"]\n"
		"\t\ts1[\"room\"]\n"
		"\t\ts2[\"tell\"]\n"
		"\tend\n"
		"\te4([\"seat.given_back: undone\"])\n"
		"\te5([\"trip.booked: done\"])\n"
		"\tcaller -->|\"trip.book\"| s0\n"
		"\ts0 -->|\"seat.taken\"| s1\n"
		"\ts0 -->|\"seat.given_back\"| s2\n"
		"\ts0 -->|\"seat.given_back\"| e4\n"
		"\ts1 -.->|\"room.refused: undo\"| s0\n"
		"\ts1 -->|\"trip.booked\"| s2\n"
		"\ts1 -->|\"trip.booked\"| e5\n");
}
END_TEST

START_TEST(a_map_for_dot)
{
	check_drawn(SAGA_DRAW_DOT,
		"digraph choreography {\n"
		"\trankdir=LR;\n"
		"\tnode [shape=box];\n"
		"\tcaller [shape=plaintext];\n"
		"\tsubgraph cluster_0 {\n"
		"\t\tlabel=\"trips\";\n"
		"\t\ts0 [label=\"seat\"];\n"
		"\t\ts1 [label=\"room\"];\n"
		"\t\ts2 [label=\"tell\"];\n"
		"\t}\n"
		"\te4 [label=\"seat.given_back\", shape=circle];\n"
		"\te5 [label=\"trip.booked\", shape=doublecircle];\n"
		"\tcaller -> s0 [label=\"trip.book\"];\n"
		"\ts0 -> s1 [label=\"seat.taken\"];\n"
		"\ts0 -> s2 [label=\"seat.given_back\"];\n"
		"\ts0 -> e4 [label=\"seat.given_back\"];\n"
		"\ts1 -> s0 [label=\"room.refused: undo\", style=dotted];\n"
		"\ts1 -> s2 [label=\"trip.booked\"];\n"
		"\ts1 -> e5 [label=\"trip.booked\"];\n"
		"}\n");
}
END_TEST

START_TEST(the_shortest_run_to_an_end)
{
	char *text = NULL;
	saga_error error;
	int code =
		saga_choreography_sequence(trip.at, trip.count, "seat.given_back", &text, &error);

	ck_assert_msg(code == SAGA_OK, "%s", error.text);
	ck_assert_str_eq(text,
		"sequenceDiagram\n"
		"\tactor caller\n"
		"\tparticipant p0 as trips\n"
		"\tcaller->>p0: trip.book\n"
		"\tNote over p0: seat takes effect: seat.taken\n"
		"\tp0->>p0: seat.taken\n"
		"\tNote over p0: room rejects: room.refused\n"
		"\tp0->>p0: room.refused\n"
		"\tNote over p0: seat is undone: seat.given_back\n"
		"\tp0->>p0: seat.given_back\n"
		"\tNote over p0: tell takes effect\n");
	free(text);
}
END_TEST

START_TEST(what_is_no_end_has_no_run)
{
	char *text = NULL;
	saga_error error;

	ck_assert_int_eq(
		saga_choreography_sequence(trip.at, trip.count, "seat.taken", &text, &error),
		SAGA_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(error.text, "no contract calls seat.taken an end"));
	ck_assert_int_eq(saga_choreography_draw(&(saga_contract){ "a", "{}" }, 1, SAGA_DRAW_MERMAID,
				 &text, &error),
		SAGA_MALFORMED);
	ck_assert_ptr_null(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("choreography");
	TCase *tests = tcase_create("draw");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_map_for_mermaid);
	tcase_add_test(tests, a_map_for_dot);
	tcase_add_test(tests, the_shortest_run_to_an_end);
	tcase_add_test(tests, what_is_no_end_has_no_run);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
