#ifndef SAGA_TOOL_IS_JSON_H
#define SAGA_TOOL_IS_JSON_H

#include <stdbool.h>

/*
 * Whether it is one JSON object (RFC 8259), no deeper than the library's bodies. What its members
 * must be, the participant knows.
 */
bool is_json_object(const char *text);

#endif
