#ifndef SAGA_EVENT_JSON_H
#define SAGA_EVENT_JSON_H

/*
 * JSON of events, exact both ways: integers of 64 bits, ids as UUID text, bytes as base64 (RFC 4648
 * padded). Reading is jansson's (feature `json`), writing needs nothing.
 */

#include "envelope.h"
#include "json_out.h"

/* The body as it came: MessagePack to JSON, which needs no type. Malformed: null. */
void saga__json_put_body(struct saga__json *json, saga_bytes data);

/* The whole event as application/cloudevents+json. */
void saga__json_put_event(struct saga__json *json, const struct saga_event *event);

/*
 * The same into a buffer: they return the length of all of it without the NUL, and cut short what
 * does not fit, as snprintf does.
 */
size_t saga__json_body(saga_bytes data, char *buffer, size_t size);

size_t saga__json_event(const struct saga_event *event, char *buffer, size_t size);
size_t saga__json_text(const char *text, char *buffer, size_t size);

/*
 * Reads a request's JSON object as a body of that shape into the arena. null is as if an optional
 * member or a reason was left out. Unknown members (they may be misspelt), doubled ones, a number
 * with a fraction or beyond 64 bits, trailing text: MALFORMED, and error names the member.
 * UNSUPPORTED in a build without JSON.
 */
int saga__json_read(struct saga__arena *arena, saga_bytes json, const saga_shape *shape,
	const void **ret_body, saga_error *error);

/* The type of that name and version; NULL: it is not known. */
typedef const saga_type *saga__find_type(void *context, const char *name, int version);

/*
 * Reads an event in the form that saga__json_event writes, or another's: what CloudEvents leaves
 * to its senders is `id` and `sagaid` as UUIDs of any version but nil, `causationid` as a UUID, and
 * a `time` here; `version` is 1 if there is none. null is as if it was left out, and so is an empty
 * subject, or a traceparent that is no text or longer than SAGA__SUBJECT_MOST. Other attributes,
 * and members of `data` that the type does not have, are a newer sender's and ignored, as in
 * MessagePack. Without `data` the body is one of nothing, if the type has no field that must be
 * there. A byte order mark is skipped. Texts and body go into the arena; body and `of` are NULL if
 * the type is not known. MALFORMED says which attribute or member; NOMEM, TOO_BIG, UNSUPPORTED.
 */
int saga__json_read_event(struct saga__arena *arena, saga_bytes json, saga__find_type *find,
	void *context, struct saga_event *ret_event, saga_error *error);

#endif
