/* The slot's two tables, against the design's own words. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <saga/error.h>

#include "step/slot.h"

#define ANY_WAS SAGA__STATES

/*
 * One line a cell: "from \ trigger, undo trigger, bar trigger, a call's answer, requeue, assert".
 * Written from the design, not from the code.
 */
static const struct {
	enum saga__state state, was;
	enum saga__decision cells[SAGA__INPUTS];
} design[] = {
	{ SAGA__ABSENT, ANY_WAS,
		{ SAGA__RUN, SAGA__BAR, SAGA__BAR, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE } },
	{ SAGA__WAITING, ANY_WAS,
		{ SAGA__RUN, SAGA__BAR, SAGA__BAR, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE } },
	{ SAGA__TRYING, ANY_WAS,
		{ SAGA__IGNORE, SAGA__PARK, SAGA__PARK, SAGA__FINISH_RUN, SAGA__IGNORE,
			SAGA__IGNORE } },
	{ SAGA__DONE, ANY_WAS,
		{ SAGA__IGNORE, SAGA__UNDO, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE,
			SAGA__IGNORE } },
	{ SAGA__UNDOING, ANY_WAS,
		{ SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__FINISH_UNDO, SAGA__IGNORE,
			SAGA__IGNORE } },
	{ SAGA__REJECTED, ANY_WAS, { SAGA__IGNORE } },
	{ SAGA__FAILED, ANY_WAS, { SAGA__IGNORE } },
	{ SAGA__BARRED, ANY_WAS, { SAGA__IGNORE } },
	{ SAGA__UNDONE, ANY_WAS, { SAGA__IGNORE } },
	{ SAGA__DEAD, ANY_WAS,
		{ SAGA__PARK, SAGA__BAR, SAGA__BAR, SAGA__IGNORE, SAGA__REVIVE, SAGA__DECREE } },
	/* an undo that is stuck */
	{ SAGA__STUCK, SAGA__DONE,
		{ SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__REVIVE,
			SAGA__DECREE } },
	{ SAGA__STUCK, SAGA__UNDOING,
		{ SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__REVIVE,
			SAGA__DECREE } },
	/* a call whose answer never came: what comes meanwhile is parked behind it */
	{ SAGA__STUCK, SAGA__TRYING,
		{ SAGA__IGNORE, SAGA__PARK, SAGA__PARK, SAGA__IGNORE, SAGA__REVIVE,
			SAGA__DECREE } },
};

static void check_row(size_t i, enum saga__state was)
{
	for (int input = 0; input < SAGA__INPUTS; input++)
		ck_assert_msg(saga__slot_decide(design[i].state, was, (enum saga__input)input) ==
				design[i].cells[input],
			"%s (was %s), input %d: %d", saga__state_name(design[i].state),
			saga__state_name(was), input,
			(int)saga__slot_decide(design[i].state, was, (enum saga__input)input));
}

START_TEST(every_cell_is_as_designed)
{
	bool covered[SAGA__STATES] = { false };

	for (size_t i = 0; i < sizeof design / sizeof design[0]; i++) {
		covered[design[i].state] = true;
		if (design[i].was != ANY_WAS)
			check_row(i, design[i].was);
		else
			for (int was = 0; was < SAGA__STATES; was++)
				check_row(i, (enum saga__state)was);
	}
	for (int state = 0; state < SAGA__STATES; state++)
		ck_assert_msg(covered[state], "%s has no line",
			saga__state_name((enum saga__state)state));
}
END_TEST

/* From, what it was (for a stuck one), to. All other moves are forbidden. */
static const struct {
	enum saga__state from, was, to;
} allowed[] = {
	{ SAGA__ABSENT, ANY_WAS, SAGA__WAITING },
	{ SAGA__ABSENT, ANY_WAS, SAGA__TRYING },
	{ SAGA__ABSENT, ANY_WAS, SAGA__DONE },
	{ SAGA__ABSENT, ANY_WAS, SAGA__REJECTED },
	{ SAGA__ABSENT, ANY_WAS, SAGA__FAILED },
	{ SAGA__ABSENT, ANY_WAS, SAGA__BARRED },
	{ SAGA__ABSENT, ANY_WAS, SAGA__DEAD },
	{ SAGA__WAITING, ANY_WAS, SAGA__WAITING },
	{ SAGA__WAITING, ANY_WAS, SAGA__TRYING },
	{ SAGA__WAITING, ANY_WAS, SAGA__DONE },
	{ SAGA__WAITING, ANY_WAS, SAGA__REJECTED },
	{ SAGA__WAITING, ANY_WAS, SAGA__FAILED },
	{ SAGA__WAITING, ANY_WAS, SAGA__BARRED },
	{ SAGA__WAITING, ANY_WAS, SAGA__DEAD },
	{ SAGA__TRYING, ANY_WAS, SAGA__DONE },
	{ SAGA__TRYING, ANY_WAS, SAGA__REJECTED },
	{ SAGA__TRYING, ANY_WAS, SAGA__STUCK },
	{ SAGA__DONE, ANY_WAS, SAGA__UNDONE },
	{ SAGA__DONE, ANY_WAS, SAGA__UNDOING },
	{ SAGA__DONE, ANY_WAS, SAGA__STUCK },
	{ SAGA__UNDOING, ANY_WAS, SAGA__UNDONE },
	{ SAGA__UNDOING, ANY_WAS, SAGA__STUCK },
	/* requeue */
	{ SAGA__DEAD, ANY_WAS, SAGA__ABSENT },
	{ SAGA__DEAD, ANY_WAS, SAGA__WAITING },
	/* an undo or a bar; an operator */
	{ SAGA__DEAD, ANY_WAS, SAGA__BARRED },
	{ SAGA__DEAD, ANY_WAS, SAGA__DONE },
	{ SAGA__DEAD, ANY_WAS, SAGA__REJECTED },
	{ SAGA__STUCK, SAGA__DONE, SAGA__DONE },
	{ SAGA__STUCK, SAGA__DONE, SAGA__UNDONE },
	{ SAGA__STUCK, SAGA__UNDOING, SAGA__UNDOING },
	{ SAGA__STUCK, SAGA__UNDOING, SAGA__UNDONE },
	{ SAGA__STUCK, SAGA__TRYING, SAGA__TRYING },
	{ SAGA__STUCK, SAGA__TRYING, SAGA__DONE },
	{ SAGA__STUCK, SAGA__TRYING, SAGA__REJECTED },
};

static bool is_allowed(enum saga__state from, enum saga__state was, enum saga__state to)
{
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
		if (allowed[i].from == from && allowed[i].to == to &&
			(allowed[i].was == ANY_WAS || allowed[i].was == was))
			return true;
	return false;
}

START_TEST(every_move_is_allowed_or_forbidden_as_designed)
{
	static const enum saga__state stuck_from[] = { SAGA__TRYING, SAGA__DONE, SAGA__UNDOING };

	for (int from = 0; from < SAGA__STATES; from++)
		for (size_t w = 0; w < 3; w++)
			for (int to = 0; to < SAGA__STATES; to++)
				ck_assert_msg(saga__slot_may_move((enum saga__state)from,
						      stuck_from[w], (enum saga__state)to) ==
						is_allowed((enum saga__state)from, stuck_from[w],
							(enum saga__state)to),
					"%s (was %s) to %s",
					saga__state_name((enum saga__state)from),
					saga__state_name(stuck_from[w]),
					saga__state_name((enum saga__state)to));
}
END_TEST

START_TEST(nothing_leaves_an_end)
{
	static const enum saga__state ends[] = { SAGA__REJECTED, SAGA__FAILED, SAGA__BARRED,
		SAGA__UNDONE };

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		for (int to = 0; to < SAGA__STATES; to++)
			ck_assert(
				!saga__slot_may_move(ends[i], SAGA__ABSENT, (enum saga__state)to));
		for (int input = 0; input < SAGA__INPUTS; input++)
			ck_assert_int_eq(
				saga__slot_decide(ends[i], SAGA__ABSENT, (enum saga__input)input),
				SAGA__IGNORE);
		ck_assert(saga__slot_is_settled(ends[i]));
		ck_assert(!saga__slot_holds_back(ends[i]));
	}
}
END_TEST

/* Law 4 in the table: only what took effect is undone, only what has not run is run or barred. */
START_TEST(only_done_is_undone_and_only_the_unrun_runs)
{
	for (int state = 0; state < SAGA__STATES; state++)
		for (int was = 0; was < SAGA__STATES; was++)
			for (int input = 0; input < SAGA__INPUTS; input++) {
				enum saga__state s = (enum saga__state)state;
				enum saga__decision decision = saga__slot_decide(
					s, (enum saga__state)was, (enum saga__input)input);

				if (decision == SAGA__UNDO)
					ck_assert_int_eq(s, SAGA__DONE);
				if (decision == SAGA__RUN)
					ck_assert(s == SAGA__ABSENT || s == SAGA__WAITING);
				if (decision == SAGA__BAR)
					ck_assert(s == SAGA__ABSENT || s == SAGA__WAITING ||
						s == SAGA__DEAD);
				if (decision == SAGA__BAR)
					ck_assert(saga__slot_may_move(
						s, (enum saga__state)was, SAGA__BARRED));
			}
	for (int from = 0; from < SAGA__STATES; from++)
		for (int was = 0; was < SAGA__STATES; was++)
			if (saga__slot_may_move(
				    (enum saga__state)from, (enum saga__state)was, SAGA__UNDONE))
				ck_assert(from == SAGA__DONE || from == SAGA__UNDOING ||
					from == SAGA__STUCK);
}
END_TEST

START_TEST(a_held_slot_goes_back_to_where_it_was)
{
	ck_assert_int_eq(saga__slot_revived(SAGA__DEAD, SAGA__ABSENT), SAGA__ABSENT);
	ck_assert_int_eq(saga__slot_revived(SAGA__DEAD, SAGA__WAITING), SAGA__WAITING);
	ck_assert_int_eq(saga__slot_revived(SAGA__STUCK, SAGA__TRYING), SAGA__TRYING);
	ck_assert_int_eq(saga__slot_revived(SAGA__STUCK, SAGA__DONE), SAGA__DONE);
	ck_assert_int_eq(saga__slot_revived(SAGA__STUCK, SAGA__UNDOING), SAGA__UNDOING);
}
END_TEST

START_TEST(what_is_settled_and_what_holds_back)
{
	static const struct {
		enum saga__state state;
		bool settled, holds;
	} states[SAGA__STATES] = {
		{ SAGA__ABSENT, true, false },
		{ SAGA__WAITING, false, false },
		{ SAGA__TRYING, false, true },
		{ SAGA__DONE, true, false },
		{ SAGA__UNDOING, false, true },
		{ SAGA__REJECTED, true, false },
		{ SAGA__FAILED, true, false },
		{ SAGA__BARRED, true, false },
		{ SAGA__UNDONE, true, false },
		{ SAGA__DEAD, false, true },
		{ SAGA__STUCK, false, true },
	};

	for (int i = 0; i < SAGA__STATES; i++) {
		ck_assert_int_eq(states[i].state, i);
		ck_assert_int_eq(saga__slot_is_settled(states[i].state), states[i].settled);
		ck_assert_int_eq(saga__slot_holds_back(states[i].state), states[i].holds);
	}
}
END_TEST

START_TEST(names_are_those_on_disk)
{
	static const char *const names[SAGA__STATES] = { "absent", "waiting", "trying", "done",
		"undoing", "rejected", "failed", "barred", "undone", "dead", "stuck" };

	for (int i = 0; i < SAGA__STATES; i++) {
		ck_assert_str_eq(saga__state_name((enum saga__state)i), names[i]);
		ck_assert_int_eq(saga__state_of(names[i]), i);
		ck_assert_uint_le(strlen(names[i]), 8); /* the column's */
	}
	ck_assert_int_eq(saga__state_of(""), SAGA__STATES);
	ck_assert_int_eq(saga__state_of("Done"), SAGA__STATES);
	ck_assert_int_eq(saga__state_of("done "), SAGA__STATES);
	ck_assert_str_eq(saga__state_name(SAGA__STATES), "?");
}
END_TEST

START_TEST(schedules_have_a_table_of_their_own)
{
	static const struct {
		enum saga__state state, armed, due, withdrawn;
	} table[] = {
		{ SAGA__ABSENT, SAGA__WAITING, SAGA__ABSENT, SAGA__BARRED },
		{ SAGA__WAITING, SAGA__WAITING, SAGA__DONE, SAGA__BARRED },
		{ SAGA__DONE, SAGA__WAITING, SAGA__DONE, SAGA__BARRED },
		{ SAGA__BARRED, SAGA__BARRED, SAGA__BARRED, SAGA__BARRED },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		ck_assert_int_eq(saga__schedule_next(table[i].state, SAGA__ARM), table[i].armed);
		ck_assert_int_eq(saga__schedule_next(table[i].state, SAGA__FALL_DUE), table[i].due);
		ck_assert_int_eq(
			saga__schedule_next(table[i].state, SAGA__WITHDRAW), table[i].withdrawn);
	}
}
END_TEST

/* ---- what follows an outcome ---- */

#define SAME SAGA__ABSENT /* the slot stays as it is */
#define NO_REPLY (-1)

enum ask {
	ANY = -1,
	NO,
	YES
};

/*
 * Each end that there is, and what follows: the slot's state, what is done beside, and the answer
 * to a request. Written from the design, not from the code.
 */
static const struct {
	enum saga__ended ended;
	enum saga__outcome outcome;
	enum ask spent, may_reject;
	enum saga__state to;
	unsigned does;
	int reply;
} ends[] = {
	/* a run */
	{ SAGA__RUN_ENDED, SAGA__EMITS, ANY, ANY, SAGA__DONE,
		SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK },
	{ SAGA__RUN_ENDED, SAGA__DONE_SILENTLY, ANY, ANY, SAGA__DONE,
		SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK },
	{ SAGA__RUN_ENDED, SAGA__REJECTS, ANY, ANY, SAGA__REJECTED,
		SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER | SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_REJECTED },
	{ SAGA__RUN_ENDED, SAGA__WAITS, ANY, ANY, SAGA__WAITING,
		SAGA__KEEP_NOTE | SAGA__SEE | SAGA__UNPARK, NO_REPLY },
	{ SAGA__RUN_ENDED, SAGA__ASKS, ANY, ANY, SAGA__TRYING,
		SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__ASK, SAGA_WAITING },
	{ SAGA__RUN_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_RETRY, NO_REPLY },
	{ SAGA__RUN_ENDED, SAGA__RETRIES, YES, YES, SAGA__FAILED,
		SAGA__REJECT_FOR_IT | SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER |
			SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_FAILED },
	{ SAGA__RUN_ENDED, SAGA__RETRIES, YES, NO, SAGA__DEAD,
		SAGA__RECORD_TRIGGER | SAGA__PARK_FOR_OPERATOR, SAGA_FAILED },
	{ SAGA__RUN_ENDED, SAGA__FAILS, ANY, YES, SAGA__FAILED,
		SAGA__REJECT_FOR_IT | SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER |
			SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_FAILED },
	{ SAGA__RUN_ENDED, SAGA__FAILS, ANY, NO, SAGA__DEAD,
		SAGA__RECORD_TRIGGER | SAGA__PARK_FOR_OPERATOR, SAGA_FAILED },
	{ SAGA__RUN_ENDED, SAGA__BREAKS, ANY, NO, SAGA__DEAD,
		SAGA__RECORD_TRIGGER | SAGA__PARK_FOR_OPERATOR, SAGA_FAILED },
	{ SAGA__RUN_ENDED, SAGA__MALFORMS, ANY, ANY, SAME, SAGA__DEAD_LETTER, SAGA_MALFORMED },

	/* a run's call: no answer is no answer, unless the call says that it never happens */
	{ SAGA__CALL_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_CALL, NO_REPLY },
	{ SAGA__CALL_ENDED, SAGA__RETRIES, YES, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__CALL_ENDED, SAGA__BREAKS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__CALL_ENDED, SAGA__FAILS, ANY, YES, SAGA__REJECTED,
		SAGA__REJECT_FOR_IT | SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER |
			SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_REJECTED },
	{ SAGA__CALL_ENDED, SAGA__FAILS, ANY, NO, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR, NO_REPLY },

	/* a run with the answer: took effect, did not, or an operator must say */
	{ SAGA__ANSWER_ENDED, SAGA__EMITS, ANY, ANY, SAGA__DONE,
		SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK },
	{ SAGA__ANSWER_ENDED, SAGA__DONE_SILENTLY, ANY, ANY, SAGA__DONE,
		SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK },
	{ SAGA__ANSWER_ENDED, SAGA__REJECTS, ANY, ANY, SAGA__REJECTED,
		SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER | SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_REJECTED },
	{ SAGA__ANSWER_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_CALL, NO_REPLY },
	{ SAGA__ANSWER_ENDED, SAGA__RETRIES, YES, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__ANSWER_ENDED, SAGA__FAILS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__ANSWER_ENDED, SAGA__MALFORMS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__ANSWER_ENDED, SAGA__BREAKS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },

	/* an undo, and its call: nobody asked for it, and it never rejects */
	{ SAGA__UNDO_ENDED, SAGA__EMITS, ANY, ANY, SAGA__UNDONE,
		SAGA__WITHDRAW_SCHEDULES | SAGA__PUBLISH | SAGA__UNPARK, NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__ASKS, ANY, ANY, SAGA__UNDOING, SAGA__ASK, NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_RETRY, NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__RETRIES, YES, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__FAILS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR, NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__MALFORMS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ENDED, SAGA__BREAKS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_CALL_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_CALL, NO_REPLY },
	{ SAGA__UNDO_CALL_ENDED, SAGA__RETRIES, YES, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_CALL_ENDED, SAGA__FAILS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_CALL_ENDED, SAGA__BREAKS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__EMITS, ANY, ANY, SAGA__UNDONE,
		SAGA__WITHDRAW_SCHEDULES | SAGA__PUBLISH | SAGA__UNPARK, NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_CALL, NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__RETRIES, YES, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__FAILS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__MALFORMS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },
	{ SAGA__UNDO_ANSWER_ENDED, SAGA__BREAKS, ANY, ANY, SAGA__STUCK, SAGA__PARK_FOR_OPERATOR,
		NO_REPLY },

	/* a bar: the step's rejection goes out with it, or is owed */
	{ SAGA__BAR_ENDED, SAGA__REJECTS, ANY, YES, SAGA__BARRED,
		SAGA__REJECT_FOR_IT | SAGA__WITHDRAW_SCHEDULES | SAGA__RECORD_TRIGGER |
			SAGA__PUBLISH | SAGA__UNPARK,
		SAGA_REJECTED },
	{ SAGA__BAR_ENDED, SAGA__REJECTS, ANY, NO, SAGA__BARRED,
		SAGA__WITHDRAW_SCHEDULES | SAGA__UNPARK, NO_REPLY },
	{ SAGA__BAR_ENDED, SAGA__FAILS, ANY, ANY, SAGA__BARRED,
		SAGA__WITHDRAW_SCHEDULES | SAGA__OWE_REJECTION, NO_REPLY },
	{ SAGA__REFUSAL_ENDED, SAGA__REJECTS, ANY, YES, SAME,
		SAGA__REJECT_FOR_IT | SAGA__RECORD_TRIGGER | SAGA__PUBLISH | SAGA__UNPARK,
		NO_REPLY },
	{ SAGA__REFUSAL_ENDED, SAGA__REJECTS, ANY, NO, SAME, SAGA__UNPARK, NO_REPLY },
	{ SAGA__REFUSAL_ENDED, SAGA__FAILS, ANY, ANY, SAME, SAGA__OWE_REJECTION, NO_REPLY },

	/* a read: nothing but an answer */
	{ SAGA__READ_ENDED, SAGA__EMITS, ANY, ANY, SAME, 0, SAGA_OK },
	{ SAGA__READ_ENDED, SAGA__REJECTS, ANY, ANY, SAME, 0, SAGA_REJECTED },
	{ SAGA__READ_ENDED, SAGA__MALFORMS, ANY, ANY, SAME, 0, SAGA_MALFORMED },
	{ SAGA__READ_ENDED, SAGA__RETRIES, NO, ANY, SAME, SAGA__PARK_RETRY, NO_REPLY },
	{ SAGA__READ_ENDED, SAGA__RETRIES, YES, ANY, SAME, 0, SAGA_FAILED },
	{ SAGA__READ_ENDED, SAGA__FAILS, ANY, ANY, SAME, 0, SAGA_FAILED },
	{ SAGA__READ_ENDED, SAGA__BREAKS, ANY, ANY, SAME, 0, SAGA_FAILED },
};

static void check_end(size_t i, bool spent, bool may_reject)
{
	struct saga__settlement s =
		saga__slot_settle(ends[i].ended, ends[i].outcome, spent, may_reject);
	unsigned does = ends[i].does | (ends[i].to == SAME ? 0 : SAGA__MOVE) |
		(ends[i].reply == NO_REPLY ? 0 : SAGA__REPLY);

	ck_assert_msg(s.to == ends[i].to && s.does == does, "line %zu: to %s, %x, not %x", i,
		saga__state_name(s.to), s.does, does);
	if (ends[i].reply != NO_REPLY)
		ck_assert_int_eq(s.reply, ends[i].reply);
}

START_TEST(each_end_has_what_follows_as_designed)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		for (int spent = 0; spent < 2; spent++)
			for (int may_reject = 0; may_reject < 2; may_reject++)
				if ((ends[i].spent == ANY || (int)ends[i].spent == spent) &&
					(ends[i].may_reject == ANY ||
						(int)ends[i].may_reject == may_reject))
					check_end(i, spent, may_reject);
}
END_TEST

/* An end moves a slot as the first table lets it, from each state in which that can end. */
START_TEST(each_end_moves_as_the_table_allows)
{
	static const enum saga__state from[SAGA__ENDEDS][3] = {
		[SAGA__RUN_ENDED] = { SAGA__ABSENT, SAGA__WAITING, SAGA__WAITING },
		[SAGA__CALL_ENDED] = { SAGA__TRYING, SAGA__TRYING, SAGA__TRYING },
		[SAGA__ANSWER_ENDED] = { SAGA__TRYING, SAGA__TRYING, SAGA__TRYING },
		[SAGA__UNDO_ENDED] = { SAGA__DONE, SAGA__DONE, SAGA__DONE },
		[SAGA__UNDO_CALL_ENDED] = { SAGA__UNDOING, SAGA__UNDOING, SAGA__UNDOING },
		[SAGA__UNDO_ANSWER_ENDED] = { SAGA__UNDOING, SAGA__UNDOING, SAGA__UNDOING },
		[SAGA__BAR_ENDED] = { SAGA__ABSENT, SAGA__WAITING, SAGA__DEAD },
	};

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		for (size_t f = 0; f < 3 && ends[i].to != SAME; f++)
			ck_assert_msg(saga__slot_may_move(
					      from[ends[i].ended][f], SAGA__ABSENT, ends[i].to),
				"line %zu: %s to %s", i, saga__state_name(from[ends[i].ended][f]),
				saga__state_name(ends[i].to));
}
END_TEST

/* A handler's writes stay exactly where its slot says that it took effect, or goes on. */
START_TEST(writes_stay_where_the_slot_goes_on)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		bool goes_on = ends[i].to == SAGA__DONE || ends[i].to == SAGA__UNDONE ||
			ends[i].to == SAGA__WAITING || ends[i].to == SAGA__TRYING ||
			ends[i].to == SAGA__UNDOING;

		if (ends[i].ended != SAGA__READ_ENDED)
			ck_assert_msg(saga__outcome_keeps_writes(ends[i].outcome) == goes_on,
				"line %zu", i);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { every_cell_is_as_designed,
		every_move_is_allowed_or_forbidden_as_designed, nothing_leaves_an_end,
		only_done_is_undone_and_only_the_unrun_runs, a_held_slot_goes_back_to_where_it_was,
		what_is_settled_and_what_holds_back, names_are_those_on_disk,
		schedules_have_a_table_of_their_own, each_end_has_what_follows_as_designed,
		each_end_moves_as_the_table_allows, writes_stay_where_the_slot_goes_on };
	Suite *suite = suite_create("slot");
	TCase *cases = tcase_create("slot");
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
