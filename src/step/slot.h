#ifndef SAGA_STEP_SLOT_H
#define SAGA_STEP_SLOT_H

/*
 * The slot's two pure tables. saga__slot_decide says what an input does to a slot;
 * saga__slot_settle says what follows when that has ended. Nothing else decides either; the checker
 * and the simulator call these functions, not a copy.
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

/* How the run of a handler ended. */
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
 * Says what is to be done with a slot. `was` is the state from which a stuck one got stuck (DONE or
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

/* Whether the events that are parked behind a slot in this state go on waiting. */
bool saga__slot_holds_back(enum saga__state state);

/* "waiting", as it stands in the store; and back, SAGA__STATES if it is none. */
const char *saga__state_name(enum saga__state state);
enum saga__state saga__state_of(const char *name);

/* The thing that has ended; it selects the rows of the second table. */
enum saga__ended {
	SAGA__RUN_ENDED = 0, /* `run` without an outside call, or `prepare` */
	SAGA__CALL_ENDED,    /* the outside call of a run brought no answer */
	SAGA__ANSWER_ENDED,  /* `run`, with the answer of the outside call */
	SAGA__UNDO_ENDED,    /* `undo` without an outside call, or its `prepare` */
	SAGA__UNDO_CALL_ENDED,
	SAGA__UNDO_ANSWER_ENDED,
	SAGA__BAR_ENDED,     /* REJECTS: the slot is barred; FAILS: its rejection can't be made */
	SAGA__REFUSAL_ENDED, /* the same for a slot that was barred before without its rejection */
	SAGA__READ_ENDED,    /* a request that only reads: it has no slot */
	SAGA__ENDEDS
};

/* Settling does these in this order, all in the batch's transaction. */
enum saga__does {
	SAGA__REJECT_FOR_IT = 1 << 0, /* make the rejection that the step itself did not make */
	SAGA__WITHDRAW_SCHEDULES = 1 << 1,
	SAGA__MOVE = 1 << 2,           /* the slot, to `to`; without it the slot stays as it is */
	SAGA__RECORD_TRIGGER = 1 << 3, /* and of a request its digest and its answer */
	SAGA__KEEP_NOTE = 1 << 4,      /* and start the schedules that the run asked for */
	SAGA__SEE = 1 << 5,            /* note that the waiting slot has seen this trigger */
	SAGA__PUBLISH = 1 << 6,        /* the outcome's event, if it has one */

	/* one of these ends it: where its trigger goes */
	SAGA__UNPARK = 1 << 7, /* it has done its work */
	SAGA__ASK = 1 << 8,    /* parked while the outside call goes on */
	SAGA__PARK_RETRY = 1 << 9,
	SAGA__PARK_CALL = 1 << 10, /* the same call again, later */
	SAGA__PARK_FOR_OPERATOR = 1 << 11,
	SAGA__DEAD_LETTER = 1 << 12,
	SAGA__OWE_REJECTION = 1 << 13, /* a dead letter that has the step publish its rejection */

	SAGA__REPLY = 1 << 14 /* to whoever made the request, if it is one */
};

struct saga__settlement {
	enum saga__state to;
	unsigned does; /* of saga__does */
	int reply;     /* a code of error.h */
};

/*
 * Says what follows from an outcome. `spent`: of RETRIES, no attempt is left. `may_reject`: the
 * step has `rejects`, and it ended by what its handler said, not by a fault of the program or the
 * store.
 */
struct saga__settlement saga__slot_settle(
	enum saga__ended ended, enum saga__outcome outcome, bool spent, bool may_reject);

/*
 * A schedule is a slot too, with inputs of its own: made by saga_after (WAITING), fired when due
 * (DONE), withdrawn by `unless` or with its step (BARRED), for good. A fired one may be made anew.
 */
enum saga__schedule_input {
	SAGA__ARM,
	SAGA__FALL_DUE,
	SAGA__WITHDRAW
};

/* The state after an input; the same state: nothing happens. */
enum saga__state saga__schedule_next(enum saga__state state, enum saga__schedule_input input);

#endif
