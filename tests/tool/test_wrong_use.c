/* What can't be done is named, and nothing changes. */
#include "tool.h"

#include "saga_config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define ID "0190f3c2-0000-7000-8000-000000000001"

static const struct {
	const char *words;
	int code;
	const char *says;
} wrong[] = {
	{ "", 2, "which command?" },
	{ "dead", 2, "which command?" },
	{ "bury", 2, "no such command: bury" },
	{ "dead bury", 2, "no such command: dead bury" },
	{ "dead list", 2, "option --store is missing" },
	{ "dead list --store", 2, "store" },
	{ "dead list --stoer x", 2, "stoer" },
	{ "dead list --store @/nonexistent", 2, "option --store: /nonexistent: No such file" },
	{ "dead list --store @/dev/null", 2, "option --store: /dev/null: it is empty" },
	{ "dead list --all --store sqlite:x", 2, "all" },
	{ "dead list --store sqlite:x --kind dead", 2, "option --kind: " },
	{ "dead list --store sqlite:x more", 2, "`more` is too much" },
	{ "dead show --store sqlite:x", 2, "ID is missing" },
	{ "dead show --store sqlite:x " ID " " ID, 2, "is too much" },
	{ "dead show --store sqlite:x 0190f3c2-0-000", 2, "not a UUID" },
	{ "dead show --store sqlite:x 0190f3cg", 2, "not a UUID" },
	{ "dead show --store sqlite:x " ID "0", 2, "not a UUID" },
	{ "dead requeue --store sqlite:x", 2, "ID is missing" },
	{ "dead requeue --store sqlite:x --all " ID, 2, "option --all: " },
	{ "dead discard --store sqlite:x", 2, "ID is missing" },
	{ "dead assert --store sqlite:x " ID, 2, "option --note is missing" },
	{ "dead assert --store sqlite:x --note ''", 2, "option --note: " },
	{ "dead assert --store sqlite:x --note x --body '{}' " ID, 2, "needs --outcome" },
	{ "dead assert --store sqlite:x --note x --outcome a --body '[]' " ID, 2,
		"option --body: " },
	{ "dead assert --store sqlite:x --note x --outcome a --body '{\"a\":}' " ID, 2,
		"--body: " },
	{ "dead assert --store sqlite:x --note x --outcome a --body '{} {}' " ID, 2, "--body: " },
	{ "dead assert --store sqlite:x --note x --outcome a --body '{\"a\":01}' " ID, 2,
		"--body: " },
	{ "stream", 2, "stream: which command?" },
	{ "stream bury", 2, "no such command: stream bury" },
	{ "list", 2, "no such command: list" },
	{ "stream list", 2, "option --store is missing" },
	{ "stream list --store sqlite:x more", 2, "`more` is too much" },
	{ "stream skip --store sqlite:x", 2, "STREAM is missing" },
	{ "stream skip --store sqlite:x 0190f3c", 2, "STREAM `0190f3c`: not UUID/SHARD" },
	{ "stream accept --store sqlite:x --all 0190f3c2", 2, "option --all: " },
	{ "stream accept --store sqlite:/no/such/file.db 0190f3c2", 1, "No such file" },
	{ "stream accept --help", 0, "usage: saga stream accept" },
	{ "show --store sqlite:x", 2, "SAGA-ID is missing" },
	{ "show --store sqlite:x nonsense", 2, "SAGA-ID `nonsense`: not a UUID" },
	{ "dead list --store x", 2, "option --store: `x` is no URL" },
	{ "dead list --store oracle:x", 2, "no such scheme `oracle`" },
	{ "dead list --store sqlite:", 2, "option --store: " },
	{ "dead list --store sqlite:/no/such/file.db", 1, "`/no/such/file.db`: No such file" },
	{ "dead list --store sqlite:/", 1, "option --store: " },
	{ "dead list --store sqlite::memory:", 2, "in memory" },
	{ "dead list --store sqlite:/dev/null", 1, "is no SQLite database" },
#ifdef SAGA_HAVE_NNG
	{ "bus", 2, "option --in is missing" },
	{ "bus --in", 2, "requires an argument" },
	{ "bus --store sqlite:x", 2, "store" },
	{ "bus --in x", 2, "option --in: " },
	{ "bus --in nng+tcp://127.0.0.1:5560 more", 2, "`more` is too much" },
	{ "bus --in nng+tcp://127.0.0.1:5560 --out x", 2, "option --out: " },
	{ "bus --in nng+ipc:///x --out nng+ipc:///x", 2, "is the same as --in" },
	{ "bus --in 'nng+tcp://127.0.0.1:5560?sendbuf=1'", 2, "sendbuf is a number from 65536" },
	{ "bus --in 'nng+tls+tcp://127.0.0.1:1?ca=/a&cert=/c&key=/k'", 1, "setting ca: `/a`" },
	{ "bus --in nng+ipc:///no/such/directory/bus", 1, "ipc:///no/such/directory/bus.out: " },
	{ "bus --help", 0, "usage: saga bus" },
#endif
	{ "--help", 0, "usage: saga dead list" },
	{ "dead --help", 0, "usage: saga dead list" },
	{ "dead assert --help", 0, "usage: saga dead assert" },
	{ "schema", 2, "option --dialect is missing" },
	{ "schema --dialect oracle", 2, "not `oracle`" },
	{ "schema --dialect postgresql", 0, "CREATE TABLE saga_slot (saga UUID NOT NULL" },
	{ "schema --dialect sqlite", 0, "CREATE TABLE saga_slot (saga BLOB NOT NULL" },
	{ "show --help", 0, "usage: saga show" },
	{ "check", 2, "CONTRACT is missing" },
	{ "check --subjects 0 x", 2, "option --subjects: a number from 1 to 8" },
	{ "check --dying 9 x", 2, "option --dying: a number from 0 to 8" },
	{ "check --states many x", 2, "option --states: a number from 1 to 2000000000" },
	{ "check --store sqlite:x x", 2, "store" },
	{ "asyncapi", 2, "CONTRACT is missing" },
	{ "contract x", 2, "option --schema is missing: a type" },
	{ "contract --schema order.placed", 2, "CONTRACT is missing" },
	{ "contract --schema order.placed /dev/null", 2, "/dev/null: line 1" },
	{ "check --help", 0, "usage: saga check" },
	{ "draw", 2, "CONTRACT is missing" },
	{ "draw --dot --sequence x y", 2, "option --dot: not with --sequence" },
	{ "draw /no/such/file", 2, "/no/such/file: No such file" },
	{ "--version", 0, "saga 0." },
};

START_TEST(wrong_use_is_named)
{
	struct said said = tool("%s", wrong[_i].words);

	CHECK_SAID(&said, wrong[_i].code, wrong[_i].says);
	ck_assert_int_ne(access("x", F_OK), 0);
}
END_TEST

START_TEST(bodies_that_are_json_pass)
{
	static const char *const bodies[] = { "{}", " { } ", "{\"a\":[1,-2.5e+3,{\"b\":null}]}",
		"{\"a\":\"\\u00e4\\n\",\"b\":true}" };

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct said said = tool("dead assert --store sqlite:/no/such --note x --outcome a"
					" --body '%s' " ID,
			bodies[i]);

		CHECK_SAID(&said, 1, "No such file");
	}
}
END_TEST

/* Strangers' databases, with a write-ahead log and without, and one of another layout. */
START_TEST(a_foreign_database_is_refused_and_left)
{
	static const struct {
		const char *sql, *says;
	} foreign[] = {
		{ "CREATE TABLE t (a)", "holds no saga tables: it has no write-ahead log" },
		{ "PRAGMA journal_mode = WAL; CREATE TABLE t (a)", "holds no saga tables" },
		{ "PRAGMA journal_mode = WAL; CREATE TABLE saga_meta (name, value)",
			"holds no saga tables" },
		{ "PRAGMA journal_mode = WAL; CREATE TABLE saga_meta (name, value);"
		  "INSERT INTO saga_meta VALUES ('layout', '77')",
			"have layout 77, this tool knows 3" },
	};
	char path[] = "/tmp/saga-foreign-XXXXXX", log[64];
	struct said said;
	sqlite3 *db;

	close(mkstemp(path));
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, foreign[_i].sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	said = tool("dead requeue --all --store sqlite:%s", path);
	CHECK_SAID(&said, 1, foreign[_i].says);
	snprintf(log, sizeof log, "%s-wal", path);
	ck_assert_int_ne(access(log, F_OK), 0);
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tool wrong use");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, wrong_use_is_named, 0, sizeof wrong / sizeof wrong[0]);
	tcase_add_test(tcase, bodies_that_are_json_pass);
	tcase_add_loop_test(tcase, a_foreign_database_is_refused_and_left, 0, 4);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
