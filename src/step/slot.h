#ifndef SAGA_STEP_SLOT_H
#define SAGA_STEP_SLOT_H

/*
 * The slot lifecycle, DESIGN 5: one pure table. Nothing else decides what runs; the checker and the
 * simulator call this, not a copy.
 */

#include <stdbool.h>

enum saga__state {
	SAGA__ABSENT = 0,
	SAGA__WAITING,
	SAGA__TRYING, /* its outside call goes on */
	SAGA__DONE,
	SAGA__UNDOING, /* its undo's outside call goes on */
	SAGA__REJECTED,
	SAGA__FAILED,
	SAGA__BARRED,
	SAGA__UNDONE,
	SAGA__DEAD,  /* a run ran out of attempts, and there is no `rejects` to say so */
	SAGA__STUCK, /* an undo, or a call, ran out of attempts; `was` tells which */
	SAGA__STATES
};

enum saga__input {
	SAGA__TRIGGER = 0,
	SAGA__UNDO_TRIGGER,
	SAGA__BAR_TRIGGER,
	SAGA__CALL_ANSWER, /* the outside call has an answer, or gave up */
	SAGA__REQUEUE,     /* an operator: once more */
	SAGA__ASSERT,      /* an operator: it ended so */
	SAGA__INPUTS
};

/* What the run of a handler ended in. */
enum saga__outcome {
	SAGA__NO_OUTCOME = 0,
	SAGA__EMITS,
	SAGA__DONE_SILENTLY,
	SAGA__REJECTS,
	SAGA__WAITS,
	SAGA__RETRIES,
	SAGA__FAILS,
	SAGA__MALFORMS,
	SAGA__ASKS,
	SAGA__BREAKS, /* an error of its own making: no retry will help */
};

/* Whether the store keeps what the handler wrote before it ended so. */
bool saga__outcome_keeps_writes(enum saga__outcome outcome);

enum saga__decision {
	SAGA__IGNORE = 0,
	SAGA__RUN,
	SAGA__UNDO,
	SAGA__BAR,        /* it never runs; its `rejects` is published */
	SAGA__PARK,       /* behind this slot: until its call is answered, or it is not dead */
	SAGA__FINISH_RUN, /* the call of a run was answered */
	SAGA__FINISH_UNDO,
	SAGA__REVIVE, /* back to saga__slot_revived, then its trigger again */
	SAGA__DECREE, /* the operator's outcome */
};

/*
 * What is to be done with a slot. `was` is the state from which a stuck one got stuck (DONE or
 * UNDOING: an undo; TRYING: a call whose answer never came), and is not looked at for others.
 */
enum saga__decision saga__slot_decide(
	enum saga__state state, enum saga__state was, enum saga__input input);

/* Whether the table has a move between two states. */
bool saga__slot_may_move(enum saga__state from, enum saga__state was, enum saga__state to);

/* The state of a dead or stuck slot once it is requeued. */
enum saga__state saga__slot_revived(enum saga__state state, enum saga__state was);

/* Whether its story is over, as far as time tells: it may be forgotten with its saga. */
bool saga__slot_is_settled(enum saga__state state);

/* What waits behind a slot in this state goes on waiting. */
bool saga__slot_holds_back(enum saga__state state);

/* "waiting", as it stands in the store; and back, SAGA__STATES if it is none. */
const char *saga__state_name(enum saga__state state);
enum saga__state saga__state_of(const char *name);

/*
 * A schedule is a slot too, with inputs of its own: armed by saga_after (WAITING), fired when due
 * (DONE), withdrawn by `unless` or with its step (BARRED), for good. A fired one may be armed anew.
 */
enum saga__schedule_input {
	SAGA__ARM,
	SAGA__FALL_DUE,
	SAGA__WITHDRAW
};

/* The state after an input; the same state: nothing happens. */
enum saga__state saga__schedule_next(enum saga__state state, enum saga__schedule_input input);

#endif
