/*
 * The saga command while the nth allocation fails, for every n: it says so and exits 1 (or, of an
 * event in JSON, says it in its place), or it says all that it says else. Its main stands in this
 * program under another name.
 */
#include "../unit/rounds.h"
#include "frail_plan.h"
#include "pair.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int saga_tool_main(int argc, char **argv);

enum {
	MOST = 5000,
	WORDS = 12,
	TEXT = 64 * 1024,
	FIRED = 64, /* or-ed to what the child exits with */
	LEAKED = 99
};

static struct pair pair;
static char url[128], saga[SAGA_ID_TEXT], letter[SAGA_ID_TEXT];

struct said {
	int code;
	bool fired;
	char text[TEXT];
};

/* ---- a store with something to show ---- */

static const char letters[] =
	"INSERT INTO saga_parked (shard, saga, id, step, subject, role, kind, attempts, due, "
	"behind,"
	" why, event, at)"
	" SELECT shard, saga, id, 'place', '', 1, CASE WHEN seq = 1 THEN 'letter' ELSE 'held' END,"
	" 1, 9223372036854775807, '', 'so that there is one', event, at FROM saga_outbox"
	" WHERE seq <= 2;"
	/* So that ages are told in days, and stay as they are meanwhile. */
	"UPDATE saga_slot SET moved = moved - 8683200000;"
	"UPDATE saga_outbox SET at = at - 8683200000;"
	"UPDATE saga_parked SET at = at - 8683200000";

static void read_id(sqlite3 *db, const char *sql, char text[SAGA_ID_TEXT])
{
	sqlite3_stmt *statement;
	saga_id id;

	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	ck_assert_int_eq(sqlite3_column_bytes(statement, 0), sizeof id);
	memcpy(&id, sqlite3_column_blob(statement, 0), sizeof id);
	saga_id_text(id, text);
	sqlite3_finalize(statement);
}

static void set_up(void)
{
	char path[96], *error = NULL;
	sqlite3 *db;

	pair_init(&pair);
	frail_plan(FRAIL_OWN, 0, 0);
	pair_run(&pair);
	snprintf(url, sizeof url, "sqlite:%s", pair_path(&pair, path));
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, letters, NULL, NULL, &error) == SQLITE_OK, "%s", error);
	read_id(db, "SELECT saga FROM saga_slot LIMIT 1", saga);
	read_id(db, "SELECT id FROM saga_parked WHERE kind = 'letter'", letter);
	sqlite3_close(db);
}

/* ---- one run ---- */

static int run_here(const char *const *words, enum frail_whose whose, unsigned long nth)
{
	static char texts[WORDS][160];
	char *argv[WORDS] = { NULL };
	int argc = 0, code;
	long live = frail_live();

	for (; words[argc]; argc++) {
		snprintf(texts[argc], sizeof texts[argc], "%s", words[argc]);
		argv[argc] = texts[argc];
	}
	frail_plan(whose, nth, 1);
	frail_begin();
	code = saga_tool_main(argc, argv);
	frail_end();
	if (frail_live() != live)
		return LEAKED;
	return code | (frail_fired() ? FIRED : 0);
}

/* In a child: a crash is to be seen, and stdout is a file. */
static struct said *run(const char *const *words, enum frail_whose whose, unsigned long nth)
{
	static struct said said;
	FILE *out = tmpfile();
	int status = 0;
	pid_t child;

	ck_assert_ptr_nonnull(out);
	fflush(NULL);
	if ((child = fork()) == 0) {
		if (dup2(fileno(out), 1) < 0 || dup2(fileno(out), 2) < 0)
			exit(LEAKED);
		exit(run_here(words, whose, nth));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	rewind(out);
	said.text[fread(said.text, 1, TEXT - 1, out)] = '\0';
	fclose(out);
	ck_assert_msg(WIFEXITED(status), "saga %s %s: n = %lu: ended with status %d: %s", words[1],
		words[2], nth, status, said.text);
	ck_assert_msg(WEXITSTATUS(status) != LEAKED, "saga %s %s: n = %lu: leaks", words[1],
		words[2], nth);
	said.fired = WEXITSTATUS(status) & FIRED;
	said.code = WEXITSTATUS(status) & ~FIRED;
	return &said;
}

static void fail_each(const char *const *words, enum frail_whose whose, unsigned long step)
{
	static char whole[TEXT];
	struct said *said = run(words, whose, 0);
	unsigned long nth = 1;
	int failures = 0;

	ck_assert_msg(said->code == 0 && *said->text, "saga %s: %s", words[1], said->text);
	memcpy(whole, said->text, sizeof whole);
	for (; nth < MOST && (said = run(words, whose, nth))->fired; nth += step) {
		if (said->code == 0) {
			ck_assert_msg(
				!strcmp(said->text, whole) || strstr(said->text, "out of memory"),
				"n = %lu: says all is well: %s", nth, said->text);
			continue;
		}
		failures++;
		ck_assert_msg(said->code == 1 && *said->text, "n = %lu: exits %d: %s", nth,
			said->code, said->text);
	}
	printf("saga %s %s: n up to %lu, %d failures\n", words[1], words[2], nth, failures);
	ck_assert(nth > 1 && nth < MOST && failures > 0);
	ck_assert(said->code == 0 && !strcmp(said->text, whole));
}

START_TEST(each_command)
{
	const char *const commands[][WORDS] = {
		{ "saga", "show", "--store", url, saga, NULL },
		{ "saga", "show", "--json", "--store", url, saga, NULL },
		{ "saga", "dead", "list", "--kind", "all", "--store", url, NULL },
		{ "saga", "dead", "list", "--json", "--store", url, NULL },
		{ "saga", "dead", "show", "--store", url, letter, NULL },
		{ "saga", "dead", "show", "--json", "--store", url, letter, NULL },
	};
	const bool is_soak = getenv("SAGA_TEST_SOAK");
	const unsigned long slow = (unsigned long)slowness();

	set_up();
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		fail_each(commands[i], FRAIL_OWN, is_soak ? 1 : slow);
		fail_each(commands[i], FRAIL_SQLITE, is_soak ? 1 : 13 * slow);
	}
	pair_remove(&pair);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory tool");
	TCase *tests = tcase_create("memory tool");
	SRunner *runner;
	int failed;

	frail_install();
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, each_command);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
