#ifndef SAGA_TOOL_BUS_H
#define SAGA_TOOL_BUS_H

#include "arguments.h"

/* Forwards what comes in at --in to all who listen at --out, until SIGTERM or SIGINT. */
int bus(const struct arguments *arguments);

extern const char bus_help[];

#endif
