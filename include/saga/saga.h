#ifndef SAGA_SAGA_H
#define SAGA_SAGA_H

/*
 * libsaga: choreographed sagas. All of the application's side:
 *
 *	error.h         the codes
 *	event.h         types and events
 *	step.h          steps, and what a handler may call
 *	participant.h   open, run, submit, stop, close
 *	metrics.h       its numbers
 *	inproc.h        the hub of participants in one process
 *
 * Authors of transports and stores include <saga/plugin.h>.
 */

#define SAGA_VERSION_MAJOR 0
#define SAGA_VERSION_MINOR 1
#define SAGA_VERSION_PATCH 0

#include <saga/error.h>
#include <saga/event.h>
#include <saga/inproc.h>
#include <saga/metrics.h>
#include <saga/participant.h>
#include <saga/step.h>

SAGA_BEGIN

/* The version of the library that runs, "0.1.0". Static text. Any thread. */
SAGA_API const char *saga_version(void);

SAGA_END

#endif
