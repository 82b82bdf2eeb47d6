#ifndef SAGA_CHOREOGRAPHY_WORLD_H
#define SAGA_CHOREOGRAPHY_WORLD_H

/*
 * The part of a choreography that moves: one saga, as a row of small numbers. A cell is a slot (its
 * state, its outcome, its undone event), a schedule, or the events that a waiting slot has seen of
 * one group. Which events are out follows from that. The numbers of one subject stand together, so
 * that subjects which are alike can be put in order.
 */

#include "model.h"

#include "../step/slot.h"

enum {
	SAGA__WORLD_SLOTS = 400,
	SAGA__WORLD_CELLS = 2400,
	SAGA__WORLD_WORDS = 8,
	SAGA__WORLD_EVENTS = 64 * SAGA__WORLD_WORDS,
	SAGA__SEEN_MOST = 32, /* events of one group that may run one slot */
	SAGA__GUARDS = SAGA_CONDITIONS + 1,
	SAGA__NONE = -1,
};

/* A set of events that may be out: a bit for each event of each slot. */
struct saga__events {
	uint64_t word[SAGA__WORLD_WORDS];
};

struct saga__seen_cell {
	unsigned group;
	unsigned cell;
	unsigned count;
	unsigned events[SAGA__SEEN_MOST];
};

struct saga__world_slot {
	const struct saga__model_step *step;
	unsigned at_step;
	unsigned subject; /* 0: the saga itself */
	unsigned group;
	unsigned cell;
	unsigned radix; /* of outcomes in the cell's number */
	unsigned after_cell[SAGA_EVENTS];
	unsigned seen_count;
	struct saga__seen_cell *seen; /* of a step that waits or joins */
	struct saga__events on, undo_on, stop_on, unless[SAGA_EVENTS];
	unsigned emits[SAGA_EVENTS], rejects[SAGA_EVENTS], undone[SAGA_EVENTS], later[SAGA_EVENTS];
	unsigned guard_count;
	int guards[SAGA__GUARDS]; /* slots that must be done; SAGA__NONE: one that never is */
	unsigned behind_count;
	unsigned *behind; /* slots of its participant that one event undoes before it */
	bool goes;        /* nothing can stop it, and nobody looks at it: it may go first, alone */
};

struct saga__world_event {
	unsigned slot;
	unsigned type;
};

/* Subjects of one part: `count` blocks of `size` cells from `first`. */
struct saga__world_block {
	unsigned first, size, count;
};

struct saga__world {
	const struct saga__choreography *all;
	unsigned subjects;
	unsigned dying;
	struct saga__world_slot *slots;
	unsigned slot_count;
	struct saga__world_event events[SAGA__WORLD_EVENTS];
	unsigned event_count;
	unsigned words;
	unsigned cell_count;
	unsigned dead_cell;                     /* how many may still die */
	unsigned char width[SAGA__WORLD_CELLS]; /* bits of each cell */
	unsigned packed;                        /* bytes of a packed state */
	struct saga__world_block *blocks;
	unsigned block_count;
};

/* TOO_BIG, NOMEM. All of it lives in the choreography's arena. */
int saga__world_make(struct saga__choreography *all, unsigned subjects, unsigned dying,
	struct saga__world **ret_world, saga_error *error);

/* A state, as cells, and packed. */
void saga__world_pack(
	const struct saga__world *world, const uint32_t *cells, unsigned char *packed);
void saga__world_unpack(
	const struct saga__world *world, const unsigned char *packed, uint32_t *cells);

/* Puts subjects that are alike in order. */
void saga__world_sort(const struct saga__world *world, uint32_t *cells);

/* The events that are out. */
void saga__world_out(
	const struct saga__world *world, const uint32_t *cells, struct saga__events *ret_out);

/* The slot of that step; SAGA__NONE: it has none. */
int saga__world_slot(const struct saga__world *world, unsigned step, unsigned subject);

/* "stock.adjust#1" */
const char *saga__slot_label(
	const struct saga__world *world, unsigned slot, char *buffer, size_t size);

/* ---- cells ---- */

static inline enum saga__state saga__cell_state(uint32_t cell)
{
	return (enum saga__state)(cell % SAGA__STATES);
}

static inline enum saga__state saga__slot_state(
	const struct saga__world *world, const uint32_t *cells, unsigned slot)
{
	return saga__cell_state(cells[world->slots[slot].cell]);
}

/* Which outcome it ended in, and which undone event it said; -1: none. */
static inline int saga__slot_said(const struct saga__world_slot *slot, const uint32_t *cells)
{
	return (int)(cells[slot->cell] / SAGA__STATES % slot->radix) - 1;
}

static inline int saga__slot_undid(const struct saga__world_slot *slot, const uint32_t *cells)
{
	return (int)(cells[slot->cell] / SAGA__STATES / slot->radix) - 1;
}

static inline uint32_t saga__slot_cell(
	const struct saga__world_slot *slot, enum saga__state state, int said, int undid)
{
	return (uint32_t)state +
		SAGA__STATES * ((uint32_t)(said + 1) + slot->radix * (uint32_t)(undid + 1));
}

/* A schedule's cell: its state, and whether its event is out. */
static inline enum saga__state saga__after_state(uint32_t cell)
{
	return (enum saga__state)(cell / 2);
}

static inline bool saga__after_fired(uint32_t cell)
{
	return cell & 1;
}

static inline uint32_t saga__after_cell(enum saga__state state, bool fired)
{
	return (uint32_t)state * 2 + fired;
}

/* ---- sets of events ---- */

static inline bool saga__events_have(const struct saga__events *set, unsigned event)
{
	return set->word[event / 64] >> (event % 64) & 1;
}

static inline void saga__events_add(struct saga__events *set, unsigned event)
{
	set->word[event / 64] |= UINT64_C(1) << (event % 64);
}

/* The first event that both have; SAGA__NONE. */
static inline int saga__events_first(
	const struct saga__world *world, const struct saga__events *a, const struct saga__events *b)
{
	for (unsigned w = 0; w < world->words; w++)
		if (a->word[w] & b->word[w])
			for (unsigned i = 0; i < 64; i++)
				if ((a->word[w] & b->word[w]) >> i & 1)
					return (int)(w * 64 + i);
	return SAGA__NONE;
}

static inline bool saga__events_meet(
	const struct saga__world *world, const struct saga__events *a, const struct saga__events *b)
{
	uint64_t both = 0;

	for (unsigned w = 0; w < world->words; w++)
		both |= a->word[w] & b->word[w];
	return both != 0;
}

#endif
