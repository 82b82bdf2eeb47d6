#ifndef SAGA_TOOL_ROWS_H
#define SAGA_TOOL_ROWS_H

/* Rows of saga_parked, with the state of the slot that each is about. */

#include "../event/arena.h"
#include "../step/parked.h"
#include "id_range.h"
#include "store.h"

struct row {
	struct saga__parked parked; /* without its command: that is text here */
	int64_t at;                 /* when it came to be as it is */
	const char *command;        /* "" for none */

	/* The slot; state "" if there is none. */
	const char *state, *was, *why;
	int64_t runs, moved;
};

/* Texts and bytes are borrowed until it returns. */
typedef int rows_each(void *context, const struct row *row);

/* All rows of a kind, the oldest first; kind NULL: held and letters, "all": all. */
int rows_list(
	struct store *store, const char *kind, rows_each *each, void *context, saga_error *error);

/* The rows of a saga, the soonest due first. */
int rows_of_saga(
	struct store *store, saga_id saga, rows_each *each, void *context, saga_error *error);

/* The one row that is meant, copied to the arena. MISUSE: there is none, or several. */
int rows_find(struct store *store, const struct id_range *range, struct saga__arena *arena,
	struct row *ret_row, saga_error *error);

/* How many there are of each kind. */
int rows_count(struct store *store, int64_t counts[SAGA__PARKED_KINDS], saga_error *error);

/* "undo" for the trigger of an undo; "" if the row is about no step. */
const char *role_name(enum saga__role role);

#endif
