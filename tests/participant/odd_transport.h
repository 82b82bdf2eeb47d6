#ifndef TESTS_ODD_TRANSPORT_H
#define TESTS_ODD_TRANSPORT_H

/*
 * A transport between participants on one loop, whose nth sending or opening fails by plan:
 * "odd://any", transport_context is a struct odd.
 */

#include <saga/plugin.h>

enum odd_slot {
	ODD_OPEN, /* NOMEM, as its contract has it */
	ODD_SEND, /* AWAY */
	ODD_FULL, /* a sending takes none; there is room soon after */
	ODD_SLOTS
};

enum {
	ODD_MEMBERS = 4
};

struct odd {
	enum odd_slot slot;
	unsigned long first, last; /* calls of that slot that fail, from 1; 0: none */
	unsigned long calls[ODD_SLOTS];
	unsigned long fired;
	struct odd_member *members[ODD_MEMBERS];
};

extern const saga_transport_ops odd_transport;

#endif
