#ifndef SAGA_STEP_BLAME_H
#define SAGA_STEP_BLAME_H

/*
 * Items that a batch could not commit although each was alone in it, and so the item is to blame.
 * The store refuses it once: its handlers don't run any more, each step parks it instead, as after
 * a failed attempt. Twice: not even that row can be written, and the item is set aside whole, as
 * bytes, without its subject or any other text of its own. An item whose statements take longer
 * than the store's time, or that loses the connection each time, is parked by its steps, too.
 *
 * Thread: the lane's.
 */

#include "batch.h"

enum saga__judgement {
	SAGA__ACQUITTED = 0,
	SAGA__WITHHELD, /* its handlers don't run: each ends in an error, and is retried */
	SAGA__SET_ASIDE /* nothing of it is looked at: it becomes a dead letter */
};

/* The only item of a batch that failed. `slowly`: the store's time ran out. */
void saga__blame(struct saga__batch *batch, int code, bool slowly, const char *why);

/* Judges an item; *ret_blamed is what earlier batches have noted about it. */
enum saga__judgement saga__judgement_of(struct saga__batch *batch, const struct saga__item *item,
	const struct saga__blamed **ret_blamed);

/* Those that were withheld, or set aside, in the batch that was committed begin anew. */
void saga__blame_settle(struct saga__batch *batch);

/* All items begin anew: what the store refused, it may take by now. */
void saga__blame_forget(struct saga__batch *batch);

/* Begins the blame of a batch, before the batch has taken an item in. */
void saga__blame_begin(struct saga__batch *batch);

#endif
