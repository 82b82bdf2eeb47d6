#ifndef TESTS_LOSSY_H
#define TESTS_LOSSY_H

/*
 * A transport between participants on one loop that drops and doubles frames by the count, and that
 * takes none of one of them, though it brings it those of others.
 */

#include <saga/plugin.h>

#include <stdint.h>

enum {
	LOSSY_MEMBERS = 8
};

struct lossy_member;

struct lossy {
	unsigned drop_every; /* 0: none */
	unsigned double_every;
	bool cut;            /* all frames are lost */
	const char *deaf_to; /* that participant's frames are not taken; NULL: all are */
	bool has_refused;
	uint64_t frames;
	uint64_t dropped;
	uint64_t doubled;
	struct lossy_member *members[LOSSY_MEMBERS];
};

/* It takes frames of all again, and says so. */
void lossy_hear(struct lossy *lossy);

/* A frame of somebody who is no member comes to all who listen to its topic. */
void lossy_bring(struct lossy *lossy, const saga_frame *frame);

/* "lossy://any"; transport_context is a struct lossy. */
extern const saga_transport_ops lossy_transport;

#endif
