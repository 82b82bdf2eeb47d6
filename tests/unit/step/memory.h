#ifndef TESTS_STEP_MEMORY_H
#define TESTS_STEP_MEMORY_H

/*
 * A journal in memory: a map of slots, parked rows, an outbox, and rows of business ("effects")
 * that handlers write through a store that notes what it is asked. Only memory_apply changes the
 * first three, as a commit does; it also holds each batch to what must be true of any.
 */

#include "step/batch.h"

#include <check.h>

struct kept_slot {
	saga_id saga;
	char row[SAGA__ROW_NAME_MOST + 1];
	char subject[SAGA__SUBJECT_MOST + 1];
	bool schedule;
	enum saga__state state, was;
	int attempts;
	char why[SAGA_ERROR_TEXT];
	struct saga__blob *trigger, *answer, *digest, *note, *seen;
};

struct kept_row {
	saga_id saga, id;
	char row[SAGA__ROW_NAME_MOST + 1];
	char subject[SAGA__SUBJECT_MOST + 1];
	char behind[SAGA__ROW_NAME_MOST + SAGA__SUBJECT_MOST + 2];
	char why[SAGA_ERROR_TEXT];
	enum saga__role role;
	enum saga__parked_kind kind;
	int attempts;
	int64_t due;
	struct saga__blob *event, *question;
	enum saga__command command;
	const char *outcome, *body; /* an operator's; constants of the test */
};

struct kept_event {
	uint64_t seq;
	saga_id id, saga;
	char type[64];
	bool ours;
	struct saga__blob *event;
};

struct effect {
	saga_id saga;
	char step[32];
	char subject[32];
	int64_t by;
};

struct memory {
	struct kept_slot *slots;
	size_t slot_count, slot_room;
	struct kept_row *rows;
	size_t row_count, row_room;
	struct kept_event *events;
	size_t event_count, event_room;
	struct saga__counts counts; /* as the batches' deltas add up */

	/* the store of the handlers */
	struct effect *effects;
	size_t effect_count, effect_room, mark;
	int fail;      /* this code, at the next statement */
	bool gone;     /* the transaction */
	char log[512]; /* "mark run back " */
};

void memory_free(struct memory *memory);

void memory_load(const struct memory *memory, struct saga__batch *batch);
void memory_apply(struct memory *memory, struct saga__batch *batch);

/* The due rows, soonest first, each in the batch's memory. */
size_t memory_due(const struct memory *memory, struct saga__batch *batch,
	const struct saga__parked **ret_rows, size_t most);

/* NULL: absent. */
struct kept_slot *memory_slot(
	const struct memory *memory, saga_id saga, const char *row, const char *subject);

extern const saga_store_ops memory_store;

#endif
