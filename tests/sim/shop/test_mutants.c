/*
 * Bugs planted one by one: each must be found within so many seeds, and nothing without one. Found
 * is what a checker says; that the process died or hung says nothing, and the next seed is tried.
 * So each has a process of its own.
 */
#include "shop_world.h"

#include "../../../src/mutation.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SEEDS = 200,
	ORDERS = 8,
	INSTANCES = 2, /* of each service, in every other seed; and every third has a broker */
	BROKER = 3,
	HANGS_S = 60, /* without a seed's end */
	BROKEN_BROKER = SAGA_SIM_POWER | SAGA_SIM_CRASH | SAGA_SIM_PAUSE
};

struct mutant {
	const char *name, *text;
};

static const struct mutant mutants[] = { { "none", "no bug is planted" },
#define MUTANT(name, text) { #name, text },
	SAGA__MUTANTS(MUTANT)
#undef MUTANT
};

#define MUTANTS (sizeof mutants / sizeof mutants[0])

/* What a process says after each seed, and at its end. */
struct finding {
	uint64_t seed;
	bool is_broken;
	char checker[32];
	char breach[160];
};

static void say(int fd, const struct finding *finding)
{
	if (write(fd, finding, sizeof *finding) != sizeof *finding)
		_exit(1);
}

/* The faults that a bug needs beside all those that any world bears. */
struct need {
	enum saga__mutant mutant;
	unsigned faults; /* these alone, so that they strike in most seeds */
	bool durable;
};

static const struct need needs[] = {
	{ SAGA__MUTANT_leap_followed, SAGA_SIM_ALL | SAGA_SIM_LEAP, false },
	{ SAGA__MUTANT_tail_not_republished, BROKEN_BROKER, true },
	{ SAGA__MUTANT_double_believed, BROKEN_BROKER, true },
	{ SAGA__MUTANT_tail_not_reread, BROKEN_BROKER, true },
	{ SAGA__MUTANT_set_back_unnoticed, SAGA_SIM_RESTORE | SAGA_SIM_CRASH, true },
	{ SAGA__MUTANT_settled_at_once, BROKEN_BROKER, true },
};

static struct shop_world_options options_of(size_t which, uint64_t seed)
{
	struct shop_world_options options = { .seed = seed,
		.faults = SAGA_SIM_ALL,
		.orders = ORDERS,
		.instances = 1 + seed % INSTANCES,
		.durable = seed % BROKER == 0 };

	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if ((size_t)needs[i].mutant == which) {
			options.faults = needs[i].faults;
			options.durable = options.durable || needs[i].durable;
		}
	return options;
}

/* In a process of its own. */
static void search(size_t which, uint64_t behind, int fd)
{
	struct finding finding = { .seed = behind };

	saga__mutant = (enum saga__mutant)which;
	while (!finding.is_broken && finding.seed < SEEDS) {
		struct shop_world_options options = options_of(which, ++finding.seed);
		struct shop_world_result result;
		saga_error error;

		alarm(HANGS_S);
		if (shop_world_run(&options, &result, &error) != SAGA_OK)
			_exit(1);
		finding.is_broken = result.is_broken;
		snprintf(finding.checker, sizeof finding.checker, "%s", result.checker);
		snprintf(finding.breach, sizeof finding.breach, "%.*s",
			(int)strcspn(result.breach, "\n"), result.breach);
		say(fd, &finding);
	}
	_exit(0);
}

/* One process, from the seed behind that one on. True: it came to its end, or found something. */
static bool find_behind(size_t which, struct finding *finding)
{
	int fds[2], status;
	pid_t pid;

	fflush(NULL);
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		close(fds[0]);
		search(which, finding->seed, fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], finding, sizeof *finding) == sizeof *finding)
		;
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		ck_assert_msg(WEXITSTATUS(status) == 0, "the world could not be run");
	return !WIFSIGNALED(status);
}

static struct finding find(size_t which, unsigned *ret_deaths)
{
	struct finding finding = { .seed = 0 };

	*ret_deaths = 0;
	while (!find_behind(which, &finding) && finding.seed < SEEDS) {
		finding.seed++;
		++*ret_deaths;
	}
	return finding;
}

static bool is_left_out(size_t which)
{
	const char *only = getenv("SAGA_TEST_MUTANT");

	return only && strcmp(only, mutants[which].name) != 0;
}

START_TEST(is_found)
{
	size_t which = (size_t)_i;
	struct finding finding;
	unsigned deaths;

	if (is_left_out(which))
		return;
	finding = find(which, &deaths);
	printf("%-24s %s %3" PRIu64 " %-3s %-10s %s", mutants[which].name,
		finding.is_broken ? "found after" : "NOT FOUND in", finding.seed, "by",
		finding.checker, finding.breach);
	printf(deaths ? " (%u died)\n" : "\n", deaths);
	fflush(stdout);
	if (which == 0)
		ck_assert_msg(!finding.is_broken, "seed %" PRIu64 " without a bug: %s",
			finding.seed, finding.breach);
	else
		ck_assert_msg(finding.is_broken, "%s: %s: not found in %d seeds",
			mutants[which].name, mutants[which].text, (int)SEEDS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mutants");
	TCase *tcase = tcase_create("each");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 0);
	tcase_add_loop_test(tcase, is_found, 0, (int)MUTANTS);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	printf("%zu bugs, each to be found in at most %d seeds of %d orders with all faults\n",
		MUTANTS - 1, (int)SEEDS, (int)ORDERS);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
