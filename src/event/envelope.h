#ifndef SAGA_EVENT_ENVELOPE_H
#define SAGA_EVENT_ENVELOPE_H

/*
 * Events on the wire: CloudEvents 1.0 attributes as one MessagePack map, the body under `data`
 * (CloudEvents has no official MessagePack form: this is ours). Keys, in the order that we write:
 *
 *	specversion "1.0", id (UUID), source, type, version (int), sagaid (UUID), time in ms since
 *	1970 (int), sequence (int), causationid (UUID), subject, traceparent, data (map)
 *
 * left out where they are zero or empty: sequence, causationid, subject, traceparent. A UUID is the
 * ext type 1 with 16 bytes. A body is a map of its fields by name, absent optional ones left out.
 * What is decoded may have them in any order and have more of them (a newer sender's), but no key
 * that we know twice, and none at any depth that is no text; nil counts as left out, where a key
 * or a field may be. Source and type are never empty; source, subject and traceparent have at most
 * SAGA__SUBJECT_MOST bytes, since stores and outside calls have room for no more; a traceparent
 * that is none of those is read as "", as it only serves who looks for faults. A sequence is from 0
 * to INT64_MAX, a time is one that RFC 3339 can say. A reason that is missing is read as "".
 *
 * Input is hostile: before msgpack-c sees a byte, a scan has checked depth (SAGA__DEPTH + 2), that
 * every count fits the bytes that are left, and that nothing follows the map.
 */

#include <saga/event.h>

#include "arena.h"

struct saga_event {
	saga_id id;
	saga_id saga;
	saga_id causation;
	int64_t time;
	uint64_t sequence; /* 0: none */
	int version;
	const char *source;
	const char *type;
	const char *subject;     /* "" for none */
	const char *traceparent; /* "" for none */
	saga_bytes data;         /* the body as it came, MessagePack */
	const saga_type *of;     /* what `body` was decoded as; NULL: not decoded */
	const void *body;
};

/* ---- encoding ---- */

/* A buffer that keeps its memory; what would make it larger than its limit is TOO_BIG. */
struct saga__buffer {
	char *at;
	size_t size;
	size_t room;
	size_t limit;
	size_t body; /* of an event: where its body begins, which goes to the end */
};

void saga__buffer_init(struct saga__buffer *buffer, size_t limit);
void saga__buffer_free(struct saga__buffer *buffer);

/*
 * Writes an event, its body from the struct at `body` (of `type`; event->type and version are not
 * looked at) or, with type NULL, as the bytes event->data with event->type and version. Replaces
 * what the buffer held. TOO_BIG, NOMEM, or MALFORMED: a text that is NULL or no UTF-8, a list NULL
 * with a count; error (may be NULL) names the field. A reason that is NULL is written as `why`
 * (with why NULL: ""). `body` NULL: one of reasons and optional fields alone, these left out. On
 * failure the buffer is empty.
 */
int saga__event_encode(struct saga__buffer *buffer, const struct saga_event *event,
	const saga_type *type, const void *body, const char *why, saga_error *error);

/* The body alone (a note, a question, an answer). The same rules. */
int saga__body_encode(struct saga__buffer *buffer, const saga_shape *shape, const void *body,
	const char *why, saga_error *error);

/* ---- decoding ---- */

/* Keeps msgpack-c's zone from one event to the next. One a thread. */
struct saga__decoder;

int saga__decoder_new(struct saga__decoder **ret_decoder);
void saga__decoder_free(struct saga__decoder *decoder);

/*
 * Decodes the envelope. Texts are copied to the arena, `data` points into `wire`; body and of are
 * NULL until saga__event_decode_body. The decoder remembers this event's body until its next use.
 * MALFORMED (error says what and where), TOO_BIG (the arena's limit), NOMEM.
 */
int saga__event_decode(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes wire,
	struct saga_event *ret_event, saga_error *error);

/*
 * Decodes and validates the body as a type, into the arena: right after saga__event_decode of the
 * same event. event->of is `type` afterwards. MALFORMED names the field: missing, of another kind,
 * no UTF-8, a text with a NUL in it.
 */
int saga__event_decode_body(struct saga__decoder *decoder, struct saga__arena *arena,
	struct saga_event *event, const saga_type *type, saga_error *error);

/* A body alone, as saga__body_encode writes it. */
int saga__body_decode(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes wire,
	const saga_shape *shape, const void **ret_body, saga_error *error);

#endif
