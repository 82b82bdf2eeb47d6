#ifndef TESTS_LOSSY_H
#define TESTS_LOSSY_H

/* A transport between participants on one loop that drops and doubles frames by the count. */

#include <saga/plugin.h>

#include <stdint.h>

enum {
	LOSSY_MEMBERS = 8
};

struct lossy_member;

struct lossy {
	unsigned drop_every; /* 0: none */
	unsigned double_every;
	bool cut; /* all frames are lost */
	uint64_t frames;
	uint64_t dropped;
	uint64_t doubled;
	struct lossy_member *members[LOSSY_MEMBERS];
};

/* "lossy://any"; transport_context is a struct lossy. */
extern const saga_transport_ops lossy_transport;

#endif
