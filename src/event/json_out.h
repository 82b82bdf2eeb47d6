#ifndef SAGA_EVENT_JSON_OUT_H
#define SAGA_EVENT_JSON_OUT_H

/*
 * Writes JSON, value by value: into a buffer, or to any other place that takes text. The writer
 * sets the commas; the caller opens and closes what it opens, and gives each member its name.
 *
 *	saga__json_open(&json, '{');
 *	saga__json_name(&json, "n");
 *	saga__json_put_int(&json, 1);
 *	saga__json_close(&json, '}');
 */

#include <saga/event.h>

struct saga__json {
	/* Takes a piece of the text. */
	void (*put)(void *context, const char *at, size_t size);
	void *context;
	bool more; /* the next name or value has another before it, so a comma comes first */
};

void saga__json_open(struct saga__json *json, char bracket);
void saga__json_close(struct saga__json *json, char bracket);

/* The name of a member: a text of the program's own, which needs no escape. */
void saga__json_name(struct saga__json *json, const char *name);

/*
 * A string. Invalid UTF-8 becomes U+FFFD. Whatever a terminal would obey is escaped, also where
 * JSON need not (DEL, C1).
 */
void saga__json_put_text(struct saga__json *json, const char *text);
void saga__json_put_bytes_as_text(struct saga__json *json, const void *text, size_t size);

void saga__json_put_null(struct saga__json *json);
void saga__json_put_bool(struct saga__json *json, bool value);
void saga__json_put_int(struct saga__json *json, int64_t value);
void saga__json_put_unsigned(struct saga__json *json, uint64_t value);
void saga__json_put_real(struct saga__json *json, double value); /* infinite or none: null */
void saga__json_put_id(struct saga__json *json, saga_id id);
void saga__json_put_base64(struct saga__json *json, const void *at, size_t size);
void saga__json_put_hex(struct saga__json *json, const void *at, size_t size);
void saga__json_put_time(struct saga__json *json, int64_t ms); /* as saga__time_text */

/* Writes a time as RFC 3339 does, in UTC with milliseconds: "2026-01-31T12:00:00.000Z". */
#define SAGA__TIME_TEXT 40
const char *saga__time_text(int64_t ms, char text[SAGA__TIME_TEXT]);

/*
 * A buffer as the place: it counts all bytes and keeps those that fit before its NUL, as snprintf
 * does.
 */
struct saga__json_buffer {
	char *at;
	size_t size, length;
};

struct saga__json saga__json_into(struct saga__json_buffer *buffer);

/* Ends the text with a NUL if there is room for one, and returns the length of all of it. */
size_t saga__json_end(const struct saga__json_buffer *buffer);

#endif
