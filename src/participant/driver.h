#ifndef SAGA_PARTICIPANT_DRIVER_H
#define SAGA_PARTICIPANT_DRIVER_H

/*
 * The driver of a participant gives it time and randomness, calls saga__tick when a tick is wanted,
 * and makes its outside calls. In production it is libuv (loop.c); the simulator brings its own.
 * Thread: the loop's, except for wake.
 */

#include <saga/participant.h>

struct saga__call;

struct saga__driver {
	/* Fills p->env and makes what the rest needs. Also after a failure `close` comes. */
	int (*open)(struct saga_participant *p, saga_error *error);

	/* A tick is wanted, now; never takes it in here. Any thread, also after `stop`. */
	void (*wake)(struct saga_participant *p);

	/* A tick is wanted in so many ms, instead of what was wanted before; -1: none. */
	void (*alarm)(struct saga_participant *p, int64_t ms);

	/* Makes a call and hands it to saga__call_made. NOMEM: the call is still the caller's. */
	int (*call)(struct saga_participant *p, struct saga__call *call);

	/* Calls that wait or are made; and drops those that wait. */
	size_t (*calls)(struct saga_participant *p);
	void (*drop_calls)(struct saga_participant *p);

	/* No more ticks are wanted: calls saga__stopped, then or later. */
	void (*stop)(struct saga_participant *p);

	/* Waits for calls that are made, and frees all; of one that never opened, too. */
	void (*close)(struct saga_participant *p);
};

extern const struct saga__driver saga__loop_driver;

/* As saga_open, with another driver; its context, and where logs go, which else is the options'. */
struct saga__drive {
	const struct saga__driver *driver;
	void *context;
	saga_log_fn *log;
	void *log_user;
};

int saga__open_driven(const saga_participant_def *def, const saga_options *options,
	const struct saga__drive *drive, saga_participant **ret_participant, saga_error *error);

#endif
