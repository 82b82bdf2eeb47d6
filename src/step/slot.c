#include "slot.h"

#include <assert.h>
#include <string.h>

#include "../mutation.h"
static const char *const names[SAGA__STATES] = {
	[SAGA__ABSENT] = "absent",
	[SAGA__WAITING] = "waiting",
	[SAGA__TRYING] = "trying",
	[SAGA__DONE] = "done",
	[SAGA__UNDOING] = "undoing",
	[SAGA__REJECTED] = "rejected",
	[SAGA__FAILED] = "failed",
	[SAGA__BARRED] = "barred",
	[SAGA__UNDONE] = "undone",
	[SAGA__DEAD] = "dead",
	[SAGA__STUCK] = "stuck",
};

/* Rows: the state; columns: trigger, undo trigger, bar trigger, answer, requeue, assert. */
static const unsigned char table[SAGA__STATES][SAGA__INPUTS] = {
	[SAGA__ABSENT] = { SAGA__RUN, SAGA__BAR, SAGA__BAR },
	[SAGA__WAITING] = { SAGA__RUN, SAGA__BAR, SAGA__BAR },
	[SAGA__TRYING] = { SAGA__IGNORE, SAGA__PARK, SAGA__PARK, SAGA__FINISH_RUN },
	[SAGA__DONE] = { SAGA__IGNORE, SAGA__UNDO, SAGA__IGNORE },
	[SAGA__UNDOING] = { SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__FINISH_UNDO },
	[SAGA__DEAD] = { SAGA__PARK, SAGA__BAR, SAGA__BAR, SAGA__IGNORE, SAGA__REVIVE,
		SAGA__DECREE },
	[SAGA__STUCK] = { SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__IGNORE, SAGA__REVIVE,
		SAGA__DECREE },
};

enum saga__decision saga__slot_decide(
	enum saga__state state, enum saga__state was, enum saga__input input)
{
	assert(state < SAGA__STATES && input < SAGA__INPUTS);
	/* Nobody knows yet whether it took: an undo or a bar waits for that, as while it tries. */
	if (state == SAGA__STUCK && was == SAGA__TRYING &&
		(input == SAGA__UNDO_TRIGGER || input == SAGA__BAR_TRIGGER))
		return SAGA__PARK;
	SAGA__MUTANT_RETURN(done_runs_again, state == SAGA__DONE && !input, SAGA__RUN);
	SAGA__MUTANT_RETURN(barred_runs, state == SAGA__BARRED && !input, SAGA__RUN);
	SAGA__MUTANT_RETURN(bar_ignored, !state && input == SAGA__BAR_TRIGGER, SAGA__IGNORE);
	SAGA__MUTANT_RETURN(undo_skipped, state == SAGA__DONE, SAGA__IGNORE);
	SAGA__MUTANT_RETURN(
		undo_twice, state == SAGA__UNDONE && input == SAGA__UNDO_TRIGGER, SAGA__UNDO);
	SAGA__MUTANT_RETURN(undo_ignored_while_trying,
		state == SAGA__TRYING && input == SAGA__UNDO_TRIGGER, SAGA__IGNORE);
	return (enum saga__decision)table[state][input];
}

#define TO(state) (1u << (state))

static const unsigned moves[SAGA__STATES] = {
	[SAGA__ABSENT] = TO(SAGA__WAITING) | TO(SAGA__TRYING) | TO(SAGA__DONE) |
		TO(SAGA__REJECTED) | TO(SAGA__FAILED) | TO(SAGA__BARRED) | TO(SAGA__DEAD),
	[SAGA__WAITING] = TO(SAGA__WAITING) | TO(SAGA__TRYING) | TO(SAGA__DONE) |
		TO(SAGA__REJECTED) | TO(SAGA__FAILED) | TO(SAGA__BARRED) | TO(SAGA__DEAD),
	[SAGA__TRYING] = TO(SAGA__DONE) | TO(SAGA__REJECTED) | TO(SAGA__STUCK),
	[SAGA__DONE] = TO(SAGA__UNDONE) | TO(SAGA__UNDOING) | TO(SAGA__STUCK),
	[SAGA__UNDOING] = TO(SAGA__UNDONE) | TO(SAGA__STUCK),
	[SAGA__DEAD] = TO(SAGA__ABSENT) | TO(SAGA__WAITING) | TO(SAGA__BARRED) | TO(SAGA__DONE) |
		TO(SAGA__REJECTED),
};

bool saga__slot_may_move(enum saga__state from, enum saga__state was, enum saga__state to)
{
	if (from == SAGA__STUCK)
		return to == was ||
			(was == SAGA__TRYING ? to == SAGA__DONE || to == SAGA__REJECTED
					     : to == SAGA__UNDONE);
	return (moves[from] & TO(to)) != 0;
}

enum saga__state saga__slot_revived(enum saga__state state, enum saga__state was)
{
	if (state == SAGA__STUCK)
		return was;
	assert(state == SAGA__DEAD);
	return was == SAGA__WAITING ? SAGA__WAITING : SAGA__ABSENT;
}

bool saga__slot_is_settled(enum saga__state state)
{
	switch (state) {
	case SAGA__WAITING:
	case SAGA__TRYING:
	case SAGA__UNDOING:
	case SAGA__DEAD:
	case SAGA__STUCK:
		return false;
	case SAGA__ABSENT:
	case SAGA__DONE:
	case SAGA__REJECTED:
	case SAGA__FAILED:
	case SAGA__BARRED:
	case SAGA__UNDONE:
		return true;
	case SAGA__STATES:
		break;
	}
	assert(false);
	return true;
}

bool saga__slot_holds_back(enum saga__state state)
{
	return state == SAGA__TRYING || state == SAGA__UNDOING || state == SAGA__STUCK ||
		state == SAGA__DEAD;
}

bool saga__outcome_keeps_writes(enum saga__outcome outcome)
{
	switch (outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
	case SAGA__WAITS:
	case SAGA__ASKS:
		return true;
	case SAGA__REJECTS:
	case SAGA__RETRIES:
	case SAGA__FAILS:
	case SAGA__MALFORMS:
	case SAGA__BREAKS:
		return false;
	case SAGA__NO_OUTCOME:
		break;
	}
	assert(false);
	return false;
}

const char *saga__state_name(enum saga__state state)
{
	return state < SAGA__STATES ? names[state] : "?";
}

enum saga__state saga__state_of(const char *name)
{
	for (int i = 0; i < SAGA__STATES; i++)
		if (strcmp(names[i], name) == 0)
			return (enum saga__state)i;
	return SAGA__STATES;
}

enum saga__state saga__schedule_next(enum saga__state state, enum saga__schedule_input input)
{
	switch (input) {
	case SAGA__ARM:
		return state == SAGA__BARRED ? SAGA__BARRED : SAGA__WAITING;
	case SAGA__FALL_DUE:
		return state == SAGA__WAITING ? SAGA__DONE : state;
	case SAGA__WITHDRAW:
		return SAGA__MUTANT(schedule_stays) ? state : SAGA__BARRED;
	}
	return state;
}
