#ifndef SAGA_TOOL_TEXT_H
#define SAGA_TOOL_TEXT_H

/* Texts that the command writes: times, JSON, and words that cannot harm a terminal. */

#include <saga/event.h>

#include <stdio.h>

#include "../../examples/kit/complain.h"
#include "../event/arena.h"
#include "../event/json.h"

/* Complains behind "saga: ", and returns the exit code of a failure. */
int fail(const char *format, ...) SAGA_PRINTF(1, 2);

/* "2026-01-31T12:00:00.000Z (2 min ago)" */
#define TIME_TEXT 64
const char *time_text(int64_t ms, int64_t now, char buffer[TIME_TEXT]);

/* "2 min ago", "in 3 s" */
const char *time_relative(int64_t ms, int64_t now, char buffer[TIME_TEXT]);

/* Returns how many columns put_shown fills with the text. */
size_t width_of(const char *text);

/* An event as application/cloudevents+json; one that can't be read: its bytes, and the reason. */
void put_event(FILE *out, saga_bytes wire);

/* A question, as the store keeps it: its name, and its body as JSON. */
void put_named(FILE *out, saga_bytes named);

/* ---- one JSON object, member by member; an empty text is written as null ---- */

struct saga__json json_begin(FILE *out);
void json_text(struct saga__json *json, const char *name, const char *text);
void json_number(struct saga__json *json, const char *name, int64_t number);
void json_time(struct saga__json *json, const char *name, int64_t ms); /* INT64_MAX: null */
void json_id(struct saga__json *json, const char *name, saga_id id);
void json_event(struct saga__json *json, const char *name, saga_bytes wire);     /* as put_event */
void json_question(struct saga__json *json, const char *name, saga_bytes named); /* none: null */

/* Ends the object and its line. */
void json_end(struct saga__json *json);

#endif
