#ifndef SAGA_STEP_CALL_H
#define SAGA_STEP_CALL_H

/* An outside call: made of a parked row, carried out on the pool, brought back as an item. */

#include "../env.h"
#include "../event/blob.h"
#include "plan.h"

struct saga__item;

struct saga__call {
	struct saga__call *next; /* for whoever queues it */
	const struct saga__plan *plan;
	const struct saga_env *env;
	void *user; /* the options' */
	size_t step;
	bool undo;
	int attempts; /* made before this one */
	bool again;   /* its row fell due: it may still be under way */
	saga_id parked;
	saga_id saga;
	char subject[SAGA__SUBJECT_MOST + 1];
	struct saga__blob *event; /* its trigger */
	struct saga__blob *question;
	struct saga__item *item; /* to bring it back: made before, so that no answer is lost */

	/* what came of it */
	int code; /* SAGA_OK: told; FAILED: it did not happen; else there is no answer */
	struct saga__blob *answer;
	char why[SAGA_ERROR_TEXT];
};

void saga__call_free(struct saga__call *call); /* NULL is fine */

/* Makes the call on this thread; blocks. The rest of the struct tells what came of it. */
void saga__call_make(struct saga__call *job);

/* The idempotency key: the same for the run and the undo of a step in a saga. */
saga_id saga__call_key(const struct saga__call *call, const char *label);

/* How long it may take, in ms. */
int saga__call_timeout(const struct saga__call *call);

#endif
