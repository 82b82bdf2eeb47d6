#ifndef SAGA_NNG_LINK_H
#define SAGA_NNG_LINK_H

/*
 * One connection between a pub and a sub socket, as nng and nanomsg speak it, over a stream of
 * nng's (ipc, tcp, tls). nng's own sockets are not used: those of 1.5 hang when a connection is
 * closed while bytes flow (the inner operation is stopped and the outer one never ends), lose what
 * a full buffer can't take without a word, and read and write frame by frame. A link writes what
 * waits at one go, says when it has no room, and ends.
 *
 * Its callbacks come on nng's threads, none of them while a lock of the link is held: `message` and
 * `up` one at a time (or from saga__nng_link_resume), and none once saga__nng_link_close returned.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

struct saga__nng_link;

enum saga__nng_side {
	SAGA__NNG_PUB = 0x20, /* we send */
	SAGA__NNG_SUB = 0x21  /* we listen */
};

struct saga__nng_link_config {
	enum saga__nng_side side;
	bool ipc;
	size_t frame;   /* of the largest message; a larger one ends the link */
	size_t sendbuf; /* bytes that may wait; as many may be under way beside them */
	void *context;
	/* Shook hands: it is a pub and a sub. */
	void (*up)(void *context, struct saga__nng_link *link);
	/* sub: false: no room; nothing is read until `resume`, then it comes again. */
	bool (*message)(void *context, const char *bytes, size_t size);
	/* sub: after the last message of what was read at once. NULL: nobody asks. */
	void (*pause)(void *context);
	/* pub: there is room again, after a send that found none. */
	void (*writable)(void *context);
	/* It has ended, once; close it, though not from here. */
	void (*down)(void *context, struct saga__nng_link *link);
};

/* Takes the stream, also when it fails; callbacks may come before it returns. nng's number. */
int saga__nng_link_open(nng_stream *stream, const struct saga__nng_link_config *config,
	struct saga__nng_link **ret_link);

/*
 * A message of two parts, copied. false: no room, or it is not up. It leaves with the next flush,
 * which comes by itself only while something is under way. Any thread.
 */
bool saga__nng_link_put(struct saga__nng_link *link, const void *head, size_t head_size,
	const void *bytes, size_t size);
void saga__nng_link_flush(struct saga__nng_link *link);

/* Any thread, one at a time. */
void saga__nng_link_resume(struct saga__nng_link *link);

/* Messages that were taken and have not been handed to the system. Any thread. */
uint64_t saga__nng_link_unsent(struct saga__nng_link *link);

/*
 * Waits until its callbacks have returned, so from none of them, and frees it. NULL is fine. On one
 * of nng's threads only when it is quiet: a callback that has yet to come needs such a thread, and
 * when all of them wait it never comes.
 */
void saga__nng_link_close(struct saga__nng_link *link);

/* Begins to end it, without waiting; `down` may still come. Any thread. */
void saga__nng_link_shut(struct saga__nng_link *link);
/* It was shut, and nothing is under way any more: callbacks may be returning, none will begin. */
bool saga__nng_link_is_quiet(struct saga__nng_link *link);

#endif
