#include "slot.h"

#include <assert.h>
#include <string.h>

#include <saga/error.h>

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

/* ---- what follows ---- */

#define ENDS \
	(SAGA__UNPARK | SAGA__ASK | SAGA__PARK_RETRY | SAGA__PARK_CALL | SAGA__PARK_FOR_OPERATOR | \
		SAGA__DEAD_LETTER | SAGA__OWE_REJECTION)
#define REJECTION \
	(SAGA__WITHDRAW_SCHEDULES | SAGA__MOVE | SAGA__RECORD_TRIGGER | SAGA__PUBLISH | \
		SAGA__UNPARK | SAGA__REPLY)

typedef struct saga__settlement settlement;

static const settlement done = { SAGA__DONE,
	SAGA__MOVE | SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__PUBLISH | SAGA__UNPARK |
		SAGA__REPLY,
	SAGA_OK };
static const settlement rejected = { SAGA__REJECTED, REJECTION, SAGA_REJECTED };
static const settlement rejected_for_it = { SAGA__REJECTED, SAGA__REJECT_FOR_IT | REJECTION,
	SAGA_REJECTED };
static const settlement failed = { SAGA__FAILED, SAGA__REJECT_FOR_IT | REJECTION, SAGA_FAILED };
static const settlement waiting = { SAGA__WAITING,
	SAGA__MOVE | SAGA__KEEP_NOTE | SAGA__SEE | SAGA__UNPARK, SAGA_OK };
static const settlement trying = { SAGA__TRYING,
	SAGA__MOVE | SAGA__RECORD_TRIGGER | SAGA__KEEP_NOTE | SAGA__ASK | SAGA__REPLY,
	SAGA_WAITING };
static const settlement dead = { SAGA__DEAD,
	SAGA__MOVE | SAGA__RECORD_TRIGGER | SAGA__PARK_FOR_OPERATOR | SAGA__REPLY, SAGA_FAILED };
static const settlement letter = { SAGA__ABSENT, SAGA__DEAD_LETTER | SAGA__REPLY, SAGA_MALFORMED };
static const settlement later = { SAGA__ABSENT, SAGA__PARK_RETRY, SAGA_OK };
static const settlement call_later = { SAGA__ABSENT, SAGA__PARK_CALL, SAGA_OK };
static const settlement undone = { SAGA__UNDONE,
	SAGA__WITHDRAW_SCHEDULES | SAGA__MOVE | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK };
static const settlement undoing = { SAGA__UNDOING, SAGA__MOVE | SAGA__ASK, SAGA_OK };
static const settlement stuck = { SAGA__STUCK, SAGA__MOVE | SAGA__PARK_FOR_OPERATOR, SAGA_OK };
static const settlement barred = { SAGA__BARRED, SAGA__REJECT_FOR_IT | REJECTION, SAGA_REJECTED };
static const settlement barred_silently = { SAGA__BARRED,
	SAGA__WITHDRAW_SCHEDULES | SAGA__MOVE | SAGA__UNPARK, SAGA_OK };
static const settlement barred_owing = { SAGA__BARRED,
	SAGA__WITHDRAW_SCHEDULES | SAGA__MOVE | SAGA__OWE_REJECTION, SAGA_OK };
static const settlement owed_published = { SAGA__ABSENT,
	SAGA__REJECT_FOR_IT | SAGA__RECORD_TRIGGER | SAGA__PUBLISH | SAGA__UNPARK, SAGA_OK };
static const settlement owed_by_nobody = { SAGA__ABSENT, SAGA__UNPARK, SAGA_OK };
static const settlement still_owed = { SAGA__ABSENT, SAGA__OWE_REJECTION, SAGA_OK };

static settlement answer(int code)
{
	return (settlement){ SAGA__ABSENT, SAGA__REPLY, code };
}

/* handler.c judges such an outcome a fault, so that it never comes here. */
static settlement impossible(settlement otherwise)
{
	assert(false);
	return otherwise;
}

static settlement settle_run(enum saga__outcome outcome, bool spent, bool may_reject)
{
	switch (outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
		return done;
	case SAGA__REJECTS:
		return rejected;
	case SAGA__WAITS:
		return waiting;
	case SAGA__ASKS:
		return trying;
	case SAGA__RETRIES:
		return !spent ? later : may_reject ? failed : dead;
	case SAGA__FAILS:
	case SAGA__BREAKS:
		return may_reject ? failed : dead;
	case SAGA__MALFORMS:
		return letter;
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(dead);
}

/* FAILS: the call says that it did not take effect and never will. */
static settlement settle_call(enum saga__outcome outcome, bool spent, bool may_reject)
{
	switch (outcome) {
	case SAGA__RETRIES:
		return spent ? stuck : call_later;
	case SAGA__FAILS:
		return may_reject ? rejected_for_it : stuck;
	case SAGA__BREAKS:
		return stuck;
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
	case SAGA__REJECTS:
	case SAGA__WAITS:
	case SAGA__ASKS:
	case SAGA__MALFORMS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(stuck);
}

/* The call took effect or did not: a handler that does not say which leaves that to an operator. */
static settlement settle_answer(enum saga__outcome outcome, bool spent)
{
	switch (outcome) {
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
		return done;
	case SAGA__REJECTS:
		return rejected;
	case SAGA__RETRIES:
		return spent ? stuck : call_later;
	case SAGA__FAILS:
	case SAGA__BREAKS:
	case SAGA__MALFORMS:
		return stuck;
	case SAGA__WAITS:
	case SAGA__ASKS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(stuck);
}

/* `again`: the row for an undo that is to be tried once more. */
static settlement settle_undo(enum saga__outcome outcome, bool spent, settlement again)
{
	switch (outcome) {
	case SAGA__EMITS:
		return undone;
	case SAGA__ASKS:
		return undoing;
	case SAGA__RETRIES:
		return spent ? stuck : again;
	case SAGA__FAILS:
	case SAGA__BREAKS:
	case SAGA__MALFORMS:
		return stuck;
	case SAGA__DONE_SILENTLY:
	case SAGA__REJECTS:
	case SAGA__WAITS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(stuck);
}

static settlement settle_bar(enum saga__outcome outcome, bool may_reject)
{
	switch (outcome) {
	case SAGA__REJECTS:
		return may_reject ? barred : barred_silently;
	case SAGA__FAILS:
		return barred_owing;
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
	case SAGA__WAITS:
	case SAGA__RETRIES:
	case SAGA__ASKS:
	case SAGA__BREAKS:
	case SAGA__MALFORMS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(barred_owing);
}

static settlement settle_refusal(enum saga__outcome outcome, bool may_reject)
{
	switch (outcome) {
	case SAGA__REJECTS:
		return may_reject ? owed_published : owed_by_nobody;
	case SAGA__FAILS:
		return still_owed;
	case SAGA__EMITS:
	case SAGA__DONE_SILENTLY:
	case SAGA__WAITS:
	case SAGA__RETRIES:
	case SAGA__ASKS:
	case SAGA__BREAKS:
	case SAGA__MALFORMS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(still_owed);
}

static settlement settle_read(enum saga__outcome outcome, bool spent)
{
	switch (outcome) {
	case SAGA__EMITS:
		return answer(SAGA_OK);
	case SAGA__REJECTS:
		return answer(SAGA_REJECTED);
	case SAGA__MALFORMS:
		return answer(SAGA_MALFORMED);
	case SAGA__RETRIES:
		return spent ? answer(SAGA_FAILED) : later;
	case SAGA__FAILS:
	case SAGA__BREAKS:
		return answer(SAGA_FAILED);
	case SAGA__DONE_SILENTLY:
	case SAGA__WAITS:
	case SAGA__ASKS:
	case SAGA__NO_OUTCOME:
		break;
	}
	return impossible(answer(SAGA_FAILED));
}

static bool one_of(unsigned flags)
{
	return flags && !(flags & (flags - 1));
}

/* The rules that every row keeps. A release build has no asserts, and does not use it. */
__attribute__((unused)) static bool is_sound(const settlement *s)
{
	bool moving = s->does & SAGA__MOVE;

	return (one_of(s->does & ENDS) || s->does == SAGA__REPLY) &&
		(moving || s->to == SAGA__ABSENT) &&
		(!(s->does & SAGA__ASK) ==
			!(moving && (s->to == SAGA__TRYING || s->to == SAGA__UNDOING))) &&
		(!(s->does & SAGA__PARK_FOR_OPERATOR) ==
			!(moving && (s->to == SAGA__DEAD || s->to == SAGA__STUCK))) &&
		(!(s->does & SAGA__SEE) == !(moving && s->to == SAGA__WAITING)) &&
		(!(s->does & SAGA__REJECT_FOR_IT) || s->does & SAGA__PUBLISH) &&
		(!(s->does & SAGA__PUBLISH) || s->does & SAGA__UNPARK);
}

struct saga__settlement saga__slot_settle(
	enum saga__ended ended, enum saga__outcome outcome, bool spent, bool may_reject)
{
	settlement s = answer(SAGA_FAILED);

	switch (ended) {
	case SAGA__RUN_ENDED:
		s = settle_run(outcome, spent, may_reject);
		break;
	case SAGA__CALL_ENDED:
		s = settle_call(outcome, spent, may_reject);
		break;
	case SAGA__ANSWER_ENDED:
		s = settle_answer(outcome, spent);
		break;
	case SAGA__UNDO_ENDED:
		s = settle_undo(outcome, spent, later);
		break;
	case SAGA__UNDO_CALL_ENDED:
		s = settle_call(outcome, spent, false);
		break;
	case SAGA__UNDO_ANSWER_ENDED:
		s = settle_undo(outcome, spent, call_later);
		break;
	case SAGA__BAR_ENDED:
		s = settle_bar(outcome, may_reject);
		break;
	case SAGA__REFUSAL_ENDED:
		s = settle_refusal(outcome, may_reject);
		break;
	case SAGA__READ_ENDED:
		s = settle_read(outcome, spent);
		break;
	case SAGA__ENDEDS:
		assert(false);
	}
	assert(is_sound(&s));
	return s;
}
