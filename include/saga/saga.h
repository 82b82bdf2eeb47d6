#ifndef SAGA_SAGA_H
#define SAGA_SAGA_H

/*
 * libsaga: choreographed sagas. This header includes everything that an application needs:
 *
 *	error.h         error codes
 *	event.h         event types, and events
 *	step.h          steps, and the calls that a handler may make
 *	participant.h   open, run, submit, stop, close
 *	choreography.h  contracts, and the proof of a choreography
 *	metrics.h       the numbers of a participant
 *	inproc.h        the hub of participants in one process
 *
 * Authors of transports and stores include <saga/plugin.h>; users of the simulator <saga/sim.h>.
 */

#define SAGA_VERSION_MAJOR 0
#define SAGA_VERSION_MINOR 1
#define SAGA_VERSION_PATCH 0

#include <saga/choreography.h>
#include <saga/error.h>
#include <saga/event.h>
#include <saga/inproc.h>
#include <saga/metrics.h>
#include <saga/participant.h>
#include <saga/step.h>

SAGA_BEGIN

/* Returns the version of the library that runs, "0.1.0". Static text. Any thread. */
SAGA_API const char *saga_version(void);

SAGA_END

#endif
