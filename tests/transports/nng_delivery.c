/*
 * Delivery between processes through a bus that is killed, among participants that are killed, and
 * that lose: all events arrive, and each has its effect once. SAGA_ROLE names the participants'
 * program, the argument is the scheme; with a second one, `many`, very many go through (a million
 * with SAGA_TEST_SOAK).
 */

#define _GNU_SOURCE /* mkdtemp, prctl */

#include "../unit/rounds.h"
#include "test_bus.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum {
	DEADLINE_S = 150
};

struct role {
	const char *name;
	const char *url;
	char file[96];
	int count, size, sleep_us, window, queue;
	pid_t pid;
	int says;
	long gaps, asked, resent, lost; /* said at its end */
};

struct stage {
	char directory[48];
	struct test_bus bus;
	struct role source, drain;
};

/* ---- roles ---- */

static void exec_role(const struct role *role, int says)
{
	const char *program = getenv("SAGA_ROLE");
	char numbers[5][16];
	const int values[] = { role->count, role->size, role->sleep_us, role->window, role->queue };

	for (int i = 0; i < 5; i++)
		(void)snprintf(numbers[i], sizeof numbers[i], "%d", values[i]);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(says, STDOUT_FILENO);
	(void)execl(program, program, role->name, role->url, role->file, numbers[0], numbers[1],
		numbers[2], numbers[3], numbers[4], (char *)NULL);
	_exit(127);
}

static void role_start(struct role *role)
{
	char line[16];
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	role->pid = fork();
	ck_assert_int_ge(role->pid, 0);
	if (role->pid == 0)
		exec_role(role, ends[1]);
	(void)close(ends[1]);
	role->says = ends[0];
	ck_assert_msg(read(role->says, line, sizeof line) > 0, "%s does not start", role->name);
}

static void role_kill(struct role *role)
{
	int status;

	(void)kill(role->pid, SIGKILL);
	ck_assert_int_eq(waitpid(role->pid, &status, 0), role->pid);
	(void)close(role->says);
	role->pid = 0;
}

static void role_stop(struct role *role)
{
	char line[128] = "";
	int status;

	(void)kill(role->pid, SIGTERM);
	ck_assert_int_eq(waitpid(role->pid, &status, 0), role->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with status %d",
		role->name, status);
	ck_assert_int_gt(read(role->says, line, sizeof line - 1), 0);
	ck_assert_int_eq(sscanf(line, "gaps %ld asked %ld resent %ld lost %ld", &role->gaps,
				 &role->asked, &role->resent, &role->lost),
		4);
	(void)close(role->says);
	role->pid = 0;
}

/* ---- the stage ---- */

static void stage_open(struct stage *stage, int count, int size, const char *bus_settings)
{
	*stage = (struct stage){ .directory = "/tmp/saga-nng-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(stage->directory));
	bus_start(&stage->bus);
	if (bus_settings[0]) {
		bus_kill(&stage->bus);
		bus_run(&stage->bus, bus_settings);
	}
	stage->source = (struct role){
		.name = "source", .count = count, .size = size, .window = 64, .queue = 1024
	};
	stage->drain = (struct role){ .name = "drain", .window = 64, .queue = 1024 };
	stage->source.url = stage->drain.url = stage->bus.url;
	(void)snprintf(
		stage->source.file, sizeof stage->source.file, "%s/source.db", stage->directory);
	(void)snprintf(
		stage->drain.file, sizeof stage->drain.file, "%s/drain.db", stage->directory);
}

static int64_t number(const struct stage *stage, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *select = NULL;
	int64_t value = 0;

	if (sqlite3_open_v2(stage->drain.file, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
		sqlite3_prepare_v2(db, sql, -1, &select, NULL) == SQLITE_OK &&
		sqlite3_step(select) == SQLITE_ROW)
		value = sqlite3_column_int64(select, 0);
	(void)sqlite3_finalize(select);
	(void)sqlite3_close(db);
	return value;
}

static int arrived(const struct stage *stage)
{
	return (int)number(stage, "SELECT COUNT(*) FROM taken");
}

/* Whether as many have arrived, `wait_s` from now on at most. */
static bool arrive(const struct stage *stage, int count, int wait_s)
{
	uint64_t start = uv_hrtime();

	while (arrived(stage) < count) {
		if (uv_hrtime() - start > (uint64_t)wait_s * 1000000000)
			return false;
		uv_sleep(20);
	}
	return true;
}

/* And never one twice. */
static void all_must_arrive(const struct stage *stage)
{
	bool did = arrive(stage, stage->source.count, DEADLINE_S);
	int different = (int)number(stage, "SELECT COUNT(DISTINCT n) FROM taken");

	ck_assert_msg(did, "%d of %d arrived", different, stage->source.count);
	ck_assert_int_eq(different, stage->source.count);
	ck_assert_int_eq(arrived(stage), stage->source.count);
}

static void stage_close(struct stage *stage)
{
	DIR *dir;

	if (stage->source.pid)
		role_stop(&stage->source);
	if (stage->drain.pid)
		role_stop(&stage->drain);
	if (stage->bus.pid)
		ck_assert_int_eq(bus_stop(&stage->bus), 0);
	dir = opendir(stage->directory);
	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	ck_assert_int_eq(rmdir(stage->directory), 0);
}

/* ---- the tests ---- */

static int soaked(int count)
{
	return getenv("SAGA_TEST_SOAK") ? 20 * count : rounds_of(count);
}

START_TEST(a_flood_arrives)
{
	struct stage stage;

	stage_open(&stage, soaked(5000), 300, "");
	role_start(&stage.drain);
	role_start(&stage.source);
	all_must_arrive(&stage);
	stage_close(&stage);
}
END_TEST

START_TEST(a_late_joiner_catches_up)
{
	struct stage stage;

	stage_open(&stage, 3000, 300, "");
	role_start(&stage.source);
	uv_sleep(1000);
	role_start(&stage.drain);
	all_must_arrive(&stage);
	stage_close(&stage);
}
END_TEST

/* Each time when some more have arrived: so under load, however fast the machine is. */
static void under_load(struct stage *stage, void (*strike)(struct stage *stage))
{
	int step = stage->source.count / 8;

	for (int i = 1; i <= 6; i++) {
		ck_assert_msg(
			arrive(stage, i * step, DEADLINE_S), "less than %d arrived", i * step);
		strike(stage);
	}
	all_must_arrive(stage);
}

/* It stops first, so that something is under way when it is killed. */
static void strike_bus(struct stage *stage)
{
	(void)kill(stage->bus.pid, SIGSTOP);
	uv_sleep(50);
	bus_kill(&stage->bus);
	uv_sleep(100);
	bus_run(&stage->bus, "");
}

/* Until something was lost with the bus: else it would prove nothing. */
START_TEST(a_bus_is_killed_under_load)
{
	struct stage stage;
	int tries = 0;

	do {
		stage_open(&stage, soaked(6000), 300, "");
		role_start(&stage.drain);
		role_start(&stage.source);
		under_load(&stage, strike_bus);
		stage_close(&stage);
	} while (!stage.source.resent && ++tries < 8);
	ck_assert_int_lt(tries, 8);
}
END_TEST

static void strike_drain(struct stage *stage)
{
	role_kill(&stage->drain);
	role_start(&stage->drain);
}

START_TEST(a_follower_is_killed_under_load)
{
	struct stage stage;

	stage_open(&stage, soaked(6000), 300, "");
	role_start(&stage.drain);
	role_start(&stage.source);
	under_load(&stage, strike_drain);
	stage_close(&stage);
}
END_TEST

static void strike_source(struct stage *stage)
{
	role_kill(&stage->source);
	role_start(&stage->source);
}

START_TEST(a_publisher_is_killed_under_load)
{
	struct stage stage;

	stage_open(&stage, soaked(6000), 300, "");
	role_start(&stage.drain);
	role_start(&stage.source);
	under_load(&stage, strike_source);
	stage_close(&stage);
}
END_TEST

/* It has next to no queue, and dozes; the bus keeps next to nothing for it. */
START_TEST(a_slow_follower_loses_nothing)
{
	struct stage stage;

	stage_open(&stage, 3000, 8000, "&frame=70000&sendbuf=65536");
	stage.drain.sleep_us = 20000;
	stage.drain.queue = 64;
	stage.source.window = 1024;
	role_start(&stage.drain);
	role_start(&stage.source);
	all_must_arrive(&stage);
	stage_close(&stage);
	ck_assert_msg(strstr(stage.bus.said, " 0 found no room") == NULL,
		"nothing was lost: this proves nothing: %s", stage.bus.said);
	ck_assert_int_gt(stage.drain.gaps, 0);
}
END_TEST

/* ---- very many ---- */

/* However long it takes, as long as it goes on. */
static void all_must_go_on_arriving(const struct stage *stage)
{
	uint64_t moved = uv_hrtime();
	int64_t came = 0;

	while (came < stage->source.count) {
		int64_t now = number(stage, "SELECT MAX(rowid) FROM taken");

		if (now > came)
			moved = uv_hrtime();
		came = now;
		ck_assert_msg(uv_hrtime() - moved < DEADLINE_S * 1000000000ull,
			"%lld of %d arrived, and no more come", (long long)came,
			stage->source.count);
		uv_sleep(100);
	}
}

/* It dozes at random for a millisecond; all come in order, once. */
START_TEST(very_many_arrive_in_order_once)
{
	struct stage stage;
	uint64_t start;

	stage_open(&stage, soaked(50000), 200, "");
	stage.drain.sleep_us = 1000;
	start = uv_hrtime();
	role_start(&stage.drain);
	role_start(&stage.source);
	all_must_go_on_arriving(&stage);
	start = (uv_hrtime() - start) / 1000000000;
	ck_assert_int_eq(number(&stage, "SELECT COUNT(*) FROM taken"), stage.source.count);
	ck_assert_int_eq(number(&stage, "SELECT COUNT(*) FROM taken WHERE n <> rowid - 1"), 0);
	stage_close(&stage);
	printf("%d events in %d s, in order, once; gaps %ld, asked %ld, resent %ld\n",
		stage.source.count, (int)start, stage.drain.gaps, stage.drain.asked,
		stage.source.resent);
}
END_TEST

static TCase *very_many(void)
{
	TCase *tcase = tcase_create("very many");

	tcase_set_timeout(tcase, 3600);
	tcase_add_test(tcase, very_many_arrive_in_order_once);
	return tcase;
}

static TCase *bad_days(const char *scheme)
{
	TCase *tcase = tcase_create("delivery");

	tcase_set_timeout(tcase, 2 * DEADLINE_S);
	tcase_add_test(tcase, a_flood_arrives);
	tcase_add_test(tcase, a_late_joiner_catches_up);
	tcase_add_test(tcase, a_bus_is_killed_under_load);
	tcase_add_test(tcase, a_follower_is_killed_under_load);
	tcase_add_test(tcase, a_publisher_is_killed_under_load);
	if (strcmp(scheme, "nng+ipc") == 0) /* others have buffers of their own in the kernel */
		tcase_add_test(tcase, a_slow_follower_loses_nothing);
	return tcase;
}

int main(int argc, char **argv)
{
	const char *scheme = argc > 1 ? argv[1] : "nng+ipc";
	const char *why = buses_prepare(scheme);
	Suite *suite = suite_create(scheme);
	SRunner *runner = srunner_create(suite);
	int failed;

	if (why) {
		printf("SKIP: %s\n", why);
		return 77;
	}
	suite_add_tcase(suite, argc > 2 ? very_many() : bad_days(scheme));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	buses_end();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
