#ifndef TESTS_TOOL_H
#define TESTS_TOOL_H

/* Runs the saga command, which the environment's SAGA_TOOL names. */

#include "../participant/harness.h"

struct said {
	int code;         /* of its exit */
	char text[32768]; /* stdout, then stderr */
};

/* `words` is what follows `saga`, as in a shell. */
struct said tool(const char *words, ...) SAGA_PRINTF(1, 2);

/* The same, with --store of the target's file. */
struct said tool_at(struct stage *stage, const char *words, ...) SAGA_PRINTF(2, 3);

/* It exited so, and said that. */
void check_said(const struct said *said, int code, const char *part, const char *file, int line);
#define CHECK_SAID(said_, code_, part_) check_said(said_, code_, part_, __FILE__, __LINE__)

/* The id of the only row of that kind. */
const char *only_row(struct stage *stage, const char *kind, char id[SAGA_ID_TEXT]);

/* Whether the target has done, or refused, what it was told to do. */
bool carried_out(struct stage *stage);

#endif
