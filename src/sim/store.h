#ifndef SAGA_SIM_STORE_H
#define SAGA_SIM_STORE_H

/* A connection to a member's store, as a process has it: store.c; and one that stalls: stall.c. */

#include "world.h"

/* The statements of a transaction so far, to be repeated. */
struct saga__done_before {
	struct saga__done_before *next;
	enum saga__did {
		SAGA__DID_RUN,
		SAGA__DID_MARK,
		SAGA__DID_BACK
	} what;
	size_t count;
	saga_statement *statements; /* all that they need is ours */
};

struct saga__store_handle {
	struct saga__member *member;
	bool lost; /* it answers AWAY from now on */
	bool in_transaction;
	bool unmet; /* something that was required: who waits next is told */
	struct saga__done_before *done, **done_end;
	struct saga__rows_locked locked; /* while it stalls */
};

/* A transaction begins anew, or is over. */
void saga__stall_forget(struct saga__store_handle *handle);
/* Something was done that may have to be done again. */
void saga__stall_note(struct saga__store_handle *handle, enum saga__did what,
	const saga_statement *statements, size_t count);

/*
 * It stands still within its transaction, while the world goes on: what others commit meanwhile is
 * there when it goes on, but for the rows that it has locked. Not SAGA_OK: it lost it.
 */
int saga__stall(struct saga__store_handle *handle, const char *slot, saga_error *error);

/* Whether what this one is about to commit, or to begin, has to wait for one that stalls. */
bool saga__stall_blocks(struct saga__store_handle *handle, bool begins);

#endif
