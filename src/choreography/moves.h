#ifndef SAGA_CHOREOGRAPHY_MOVES_H
#define SAGA_CHOREOGRAPHY_MOVES_H

/*
 * The moves that may follow a state. An event that is out may come to any step that reacts to it,
 * at any time, as often as one likes. So what a slot ignores is no move, and a state is at rest if
 * nothing but a request would change it.
 */

#include "world.h"

enum saga__move_kind {
	SAGA__OF_ITSELF = 0,
	SAGA__ASKED, /* a request comes */
	SAGA__DIES
};

enum saga__happening {
	SAGA__EMITTED = 0,
	SAGA__REJECTED_IT,
	SAGA__WAITED,
	SAGA__JOINED,
	SAGA__CALLED,
	SAGA__ANSWERED_YES,
	SAGA__ANSWERED_NO,
	SAGA__BARRED_IT,
	SAGA__UNDID,
	SAGA__CALLED_TO_UNDO,
	SAGA__ANSWERED_UNDO,
	SAGA__FIRED,
	SAGA__WITHDREW,
	SAGA__DIED,
	SAGA__GOT_STUCK,
	SAGA__HAPPENINGS
};

struct saga__move {
	enum saga__move_kind kind;
	unsigned slot;
	int cause; /* an event that is out; SAGA__NONE */
	enum saga__happening what;
	int type; /* what it says, fires or withdraws; SAGA__NONE */
};

typedef void saga__take_move(void *context, const struct saga__move *move, const uint32_t *cells);

/* Calls take for each move; what take gets is its own for the call only. */
void saga__moves(const struct saga__world *world, const uint32_t *cells,
	const struct saga__events *out, saga__take_move *take, void *context);

/* The first state: nothing has happened. */
void saga__moves_start(const struct saga__world *world, uint32_t *ret_cells);

/* Whether what a slot needs to take effect is done. */
bool saga__guards_hold(const struct saga__world *world, const uint32_t *cells, unsigned slot);

/* The events that a waiting slot has seen. */
void saga__slot_seen(const struct saga__world *world, const uint32_t *cells, unsigned slot,
	struct saga__events *ret_seen);

/* "order.placed -> stock.reserve: stock.reserved" */
const char *saga__move_text(
	const struct saga__world *world, const struct saga__move *move, char *buffer, size_t size);

#endif
