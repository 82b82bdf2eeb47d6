#ifndef SAGA_TOOL_LOOK_H
#define SAGA_TOOL_LOOK_H

/* How rows are shown, by all commands alike. */

#include "arguments.h"
#include "rows.h"
#include "table.h"
#include "text.h"

/* The members of a row, into an object that is begun. */
void put_row_json(struct saga__json *json, const struct row *row);

extern const char *const row_columns[];
void add_row(struct table *table, const struct row *row, int64_t now);

/* Says what went wrong with the store, and answers the exit code for it. */
int store_failed(const saga_error *error);

/* Opens the store that --store names, asks its time; else says why, and answers an exit code. */
int look_open(const struct arguments *arguments, struct store *ret_store, int64_t *ret_now);

/* Flushes stdout: an answer that could not be written is a failure. */
int look_end(int code);

/* ---- the commands ---- */

int dead_list(const struct arguments *arguments);
int dead_show(const struct arguments *arguments);
int dead_requeue(const struct arguments *arguments);
int dead_discard(const struct arguments *arguments);
int dead_assert(const struct arguments *arguments);
int stream_list(const struct arguments *arguments);
int stream_skip(const struct arguments *arguments);
int stream_accept(const struct arguments *arguments);
int stream_republish(const struct arguments *arguments);
int show(const struct arguments *arguments);
int schema(const struct arguments *arguments);

extern const char check_help[];
int check_contracts(const struct arguments *arguments);
extern const char draw_help[];
int draw(const struct arguments *arguments);

extern const char asyncapi_help[];
int asyncapi(const struct arguments *arguments);
extern const char contract_help[];
int contract(const struct arguments *arguments);

#endif
