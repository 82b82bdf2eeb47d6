#ifndef SAGA_DELIVERY_ROLLCALL_H
#define SAGA_DELIVERY_ROLLCALL_H

/*
 * The roll of a participant's followers, over all of its streams. It finds the two mistakes that
 * lose events days later: a consumer that the option `followers` does not name, and a name there
 * that no consumer has. Pure: time is handed in, in milliseconds that only go forward. One thread
 * writes; any thread may read what is marked atomic.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

enum {
	SAGA__SILENT_MS = 60000,         /* a follower owes for so long, then it is told */
	SAGA__SILENT_AGAIN_MS = 3600000, /* and told again */
	SAGA__UNDECLARED_MOST = 16       /* undeclared consumers that are told, once each */
};

struct saga__enrolled {
	const char *name;
	int64_t heard;      /* atomic; -1: never */
	int64_t unseen;     /* events; atomic */
	int64_t owed_since; /* the oldest unseen event is at least so old; -1: it owes none */
	int64_t tell_at;
	bool silent; /* it was told, and is so still */
};

struct saga__rollcall {
	struct saga__enrolled *at;
	size_t count;
	char undeclared[SAGA__UNDECLARED_MOST][SAGA__PARTICIPANT_MOST + 1];
	size_t undeclared_count;
};

/* Borrows the names, which NULL ends; they outlive the roll. NOMEM. */
int saga__rollcall_init(struct saga__rollcall *roll, const char *const *names);
void saga__rollcall_free(struct saga__rollcall *roll);

/* A consumer asked for events, or said what it has seen. True: tell that it is undeclared. */
bool saga__rollcall_heard(struct saga__rollcall *roll, const char *name, int64_t now);

/* The follower at `index` has not seen so many of the events that the outbox holds. */
void saga__rollcall_owes(struct saga__rollcall *roll, size_t index, uint64_t unseen, int64_t now);

/* The transport is away: nobody can be heard, so nobody's silence counts. */
void saga__rollcall_away(struct saga__rollcall *roll, int64_t now);

/*
 * A follower that owes and was never heard, once SAGA__SILENT_MS have passed, and then each
 * SAGA__SILENT_AGAIN_MS; NULL: none now. Call it until it answers NULL.
 */
const struct saga__enrolled *saga__rollcall_next(struct saga__rollcall *roll, int64_t now);

/* How many of them were told and are silent still. */
size_t saga__rollcall_silent(const struct saga__rollcall *roll);

#endif
