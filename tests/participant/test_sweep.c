/*
 * One fault at the nth call of a slot of the store, for every n: each effect exactly once all the
 * same. The first argument says at which slots: commit, or statement.
 */
#include "fault_saga.h"

/* ---- the whole of a saga, with one fault anywhere in it ---- */

static void check_whole_saga(struct stage *stage, saga_id saga)
{
	static const char *const once[] = { "a", "b", "later", "undo" };
	static const char *const types[] = { "a.done", "b.done", "c.done", "a.undone",
		"target.later" };

	for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
		ck_assert_msg(effects(stage, saga, once[i]) == 1, "%s: %d effects", once[i],
			(int)effects(stage, saga, once[i]));
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		ck_assert_msg(said(stage, saga, types[i]) == 1, "%s said %d times", types[i],
			said(stage, saga, types[i]));
}

/* Whether the fault came at all. */
static bool run_with_fault(int lanes, enum fault_slot slot, unsigned long nth, enum fault_kind kind)
{
	struct faults faults;
	struct stage *stage;
	struct reply reply;
	saga_id saga;
	bool fired;

	faults_init(&faults);
	faults_plan(&faults, slot, nth, 1, kind);
	stage = stage_with(lanes, &faults);
	saga = stage_saga(stage);
	inject(stage, saga, &go_first);
	reply = ask_please(stage, "k", 1);
	ck_assert_int_eq(reply.code, SAGA_OK);
	AWAIT(stage, slot_is(stage, saga, "c", "done"));
	inject(stage, saga, &take_back);
	AWAIT(stage, slot_is(stage, saga, "a", "undone"));
	AWAIT(stage, parked(stage) == 0);
	check_whole_saga(stage, saga);
	ck_assert_int_eq(effects(stage, reply.saga, "please"), 1);
	ck_assert_int_eq(said(stage, reply.saga, "c.done"), 1);
	fired = faults_fired(&faults) > 0;
	stage_end(stage);
	return fired;
}

/* On a server, where all takes longer, fewer of them, unless there is time. */
struct range {
	unsigned long closely, stride;
};

enum {
	MOST_CALLS = 60
};

static struct range range(void)
{
	if (is_on("sqlite") || getenv("SAGA_TEST_SOAK"))
		return (struct range){ 12, 4 };
	return (struct range){ 3, 11 };
}

static void fail_each(int lanes, enum fault_slot slot, enum fault_kind kind)
{
	const struct range r = range();
	unsigned long nth = 1;

	while (nth <= MOST_CALLS && run_with_fault(lanes, slot, nth, kind))
		nth += nth < r.closely ? 1 : r.stride;
	ck_assert_msg(nth > 1, "no call of slot %d was seen", (int)slot);
}

#define FAIL_EACH(name_, slot_, kind_) \
	START_TEST(name_) \
	{ \
		if (slot_ == FAULT_RELEASE) \
			ONLY_ON("sqlite", "servers have no such slot"); \
		fail_each(_i, slot_, kind_); \
	} \
	END_TEST
FAIL_EACH(a_commit_done_whose_answer_was_lost, FAULT_COMMIT, FAULT_UNKNOWN_DONE)
FAIL_EACH(a_commit_lost_with_its_answer, FAULT_COMMIT, FAULT_UNKNOWN_LOST)
FAIL_EACH(a_commit_that_lost_a_race, FAULT_COMMIT, FAULT_CONTENDED)
FAIL_EACH(a_commit_without_room, FAULT_COMMIT, FAULT_FULL)
FAIL_EACH(a_begin_with_the_store_away, FAULT_BEGIN, FAULT_AWAY)
FAIL_EACH(a_statement_that_lost_a_race, FAULT_RUN, FAULT_CONTENDED)
FAIL_EACH(a_statement_with_the_store_away, FAULT_RUN, FAULT_AWAY)
FAIL_EACH(a_statement_without_room, FAULT_RUN, FAULT_FULL)
FAIL_EACH(a_mark_with_the_store_away, FAULT_MARK, FAULT_AWAY)
FAIL_EACH(a_release_that_lost_a_race, FAULT_RELEASE, FAULT_CONTENDED)
FAIL_EACH(a_release_with_the_store_away, FAULT_RELEASE, FAULT_AWAY)

int main(int argc, char **argv)
{
	const TTest *const commits[] = {
		a_commit_done_whose_answer_was_lost,
		a_commit_lost_with_its_answer,
		a_commit_that_lost_a_race,
		a_commit_without_room,
	};
	const TTest *const statements[] = {
		a_begin_with_the_store_away,
		a_statement_that_lost_a_race,
		a_statement_with_the_store_away,
		a_statement_without_room,
		a_mark_with_the_store_away,
		a_release_that_lost_a_race,
		a_release_with_the_store_away,
	};

	if (argc > 1 && !strcmp(argv[1], "commit"))
		return run_both_modes(
			"a fault at each commit", commits, sizeof commits / sizeof commits[0]);
	return run_both_modes(
		"a fault at each statement", statements, sizeof statements / sizeof statements[0]);
}
