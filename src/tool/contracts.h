#ifndef SAGA_TOOL_CONTRACTS_H
#define SAGA_TOOL_CONTRACTS_H

/* The contracts whose files are a command's operands. */

#include <saga/choreography.h>

#include "arguments.h"

/* As many as there are operands; the caller frees them. NULL: it is said why. */
saga_contract *contracts_read(const struct arguments *arguments);
void contracts_free(saga_contract *contracts, const struct arguments *arguments);

#endif
