/*
 * The nth call of a slot of the store fails, for every n and with every code that its contract
 * allows; the nth sending or opening of the transport, too: each effect once, each request answered
 * once, and what must end ends. test_sweep.c has it of other codes, of one participant.
 *
 * A test of seconds takes each so-manieth n, other ones each time, and fewer where programs run
 * slowly (SAGA_TEST_SLOWNESS); with SAGA_TEST_SOAK all. One n
 * alone by SAGA_TEST_NTH.
 */
#include "../unit/rounds.h"
#include "fault_store.h"
#include "odd_transport.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST = 2000
};

static const int none[] = { 0 };
static const int ended[] = { SAGA_REFUSED, SAGA_STOPPED, SAGA_UNKNOWN, 0 };
static const int no_memory[] = { SAGA_NOMEM, SAGA_STOPPED, SAGA_UNKNOWN, 0 };

struct row {
	const char *name;
	int slot;
	enum fault_kind kind;
	const int *excused;
	unsigned long quickly; /* each so-manieth */
};

static const struct row store_rows[] = {
	{ "open AWAY", FAULT_OPEN, FAULT_AWAY, none, 1 },
	{ "open NOMEM", FAULT_OPEN, FAULT_NOMEM, none, 1 },
	{ "begin CONTENDED", FAULT_BEGIN, FAULT_CONTENDED, none, 2 },
	{ "begin AWAY", FAULT_BEGIN, FAULT_AWAY, none, 2 },
	{ "begin FULL", FAULT_BEGIN, FAULT_FULL, none, 2 },
	{ "run CONTENDED", FAULT_RUN, FAULT_CONTENDED, none, 11 },
	{ "run FULL", FAULT_RUN, FAULT_FULL, none, 11 },
	{ "run AWAY", FAULT_RUN, FAULT_AWAY, none, 5 },
	{ "run NOMEM", FAULT_RUN, FAULT_NOMEM, none, 11 },
	{ "run REFUSED", FAULT_RUN, FAULT_REFUSED, ended, 11 },
	{ "mark CONTENDED", FAULT_MARK, FAULT_CONTENDED, none, 1 },
	{ "mark AWAY", FAULT_MARK, FAULT_AWAY, none, 1 },
	{ "mark FULL", FAULT_MARK, FAULT_FULL, none, 1 },
	{ "back CONTENDED", FAULT_BACK, FAULT_CONTENDED, none, 1 },
	{ "back AWAY", FAULT_BACK, FAULT_AWAY, none, 1 },
	{ "commit UNKNOWN, done", FAULT_COMMIT, FAULT_UNKNOWN_DONE, none, 2 },
	{ "commit UNKNOWN, lost", FAULT_COMMIT, FAULT_UNKNOWN_LOST, none, 2 },
	{ "commit CONTENDED", FAULT_COMMIT, FAULT_CONTENDED, none, 2 },
	{ "commit FULL", FAULT_COMMIT, FAULT_FULL, none, 2 },
};
static const struct row transport_rows[] = {
	{ "open NOMEM", ODD_OPEN, FAULT_NONE, no_memory, 1 },
	{ "send AWAY", ODD_SEND, FAULT_NONE, none, 2 },
	{ "send takes none", ODD_FULL, FAULT_NONE, none, 2 },
};

typedef bool run_fn(const struct row *row, struct pair *pair, unsigned long nth);

static bool run_store(const struct row *row, struct pair *pair, unsigned long nth)
{
	struct faults faults;

	faults_init(&faults);
	faults_plan(&faults, (enum fault_slot)row->slot, nth, 1, row->kind);
	pair->store_ops = &fault_store;
	pair->store_context = &faults;
	pair_run(pair);
	return faults_fired(&faults) > 0;
}

static bool run_transport(const struct row *row, struct pair *pair, unsigned long nth)
{
	struct odd odd = { .slot = (enum odd_slot)row->slot, .first = nth, .last = nth };

	pair->transport_ops = &odd_transport;
	pair->transport_context = &odd;
	pair_run(pair);
	return odd.fired > 0;
}

/* Whether it failed at all. */
static bool run_once(const struct row *row, run_fn *run, int lanes, unsigned long nth)
{
	static struct pair pair;
	char label[64];
	bool fired;

	snprintf(label, sizeof label, "%s, call %lu, %d lanes", row->name, nth, lanes);
	pair_init(&pair);
	pair.lanes = lanes;
	pair.excused = row->excused;
	pair.may_end_otherwise = row->kind == FAULT_REFUSED;
	pair.label = label;
	fired = run(row, &pair, nth);
	pair_remove(&pair);
	return fired;
}

static void fail_each(const struct row *row, run_fn *run, int lanes)
{
	const char *seed = getenv("SAGA_TEST_SEED"), *only = getenv("SAGA_TEST_NTH");
	/* Where there are few, each is taken. */
	unsigned long step = getenv("SAGA_TEST_SOAK") || row->quickly == 1
		? 1
		: row->quickly * (unsigned long)slowness();
	unsigned long from = seed ? strtoul(seed, NULL, 0) : (unsigned long)uv_hrtime() / 1000;
	unsigned long nth = from % step + 1;
	int runs = 0;

	if (only) {
		(void)run_once(row, run, lanes, strtoul(only, NULL, 10));
		return;
	}
	for (; nth < MOST && run_once(row, run, lanes, nth); nth += step)
		runs++;
	if (!runs) /* there are fewer than n */
		runs += run_once(row, run, lanes, 1);
	printf("%s: %d runs up to n = %lu, each %lu.; SAGA_TEST_SEED=%lu\n", row->name, runs, nth,
		step, from % step);
	ck_assert_msg(runs > 0 && nth < MOST, "%s: %d runs", row->name, runs);
}

START_TEST(a_call_of_the_store)
{
	fail_each(&store_rows[_i / 2], run_store, _i % 2);
}
END_TEST

START_TEST(a_call_of_the_transport)
{
	fail_each(&transport_rows[_i / 2], run_transport, _i % 2);
}
END_TEST

int main(int argc, char **argv)
{
	bool transport = argc > 1 && !strcmp(argv[1], "transport");
	Suite *suite = suite_create("input and output");
	TCase *tests = tcase_create("input and output");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 0);
	if (transport)
		tcase_add_loop_test(tests, a_call_of_the_transport, 0,
			2 * sizeof transport_rows / sizeof transport_rows[0]);
	else
		tcase_add_loop_test(tests, a_call_of_the_store, 0,
			2 * sizeof store_rows / sizeof store_rows[0]);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
