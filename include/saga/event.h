#ifndef SAGA_EVENT_H
#define SAGA_EVENT_H

/*
 * Event types, their fields, and events.
 *
 * A program declares each type once, usually in a header that services share:
 *
 *	SAGA_STRUCT(order_line, text(sku), int64(quantity));
 *
 *	SAGA_EVENT(order_placed, "order.placed", 1,
 *		text(customer), int64(total), list(lines, order_line), opt_text(note));
 *
 * The declaration makes two things under one name: `struct order_placed`, which C code fills and
 * reads, and the constant `order_placed`, which describes the struct. The library takes validation,
 * MessagePack, JSON and the compatibility checks from the constant, so it cannot disagree with the
 * struct. Both are local to the file that includes the header, so any number of files may include
 * it. The library tells types apart by name and version, never by address.
 *
 * A type has at most 32 fields:
 *
 *	text(n)          const char *n           UTF-8, ends with NUL, never NULL
 *	reason(n)        const char *n           text; if it is left out, the library says what
 *	                                         happened; bytes that are not UTF-8 become `?`
 *	label(n)         const char *n           text by which people look for a saga: a customer's
 *	                                         name of the order, a number on a parcel
 *	int64(n)         int64_t n
 *	flag(n)          bool n
 *	bytes(n)         saga_bytes n
 *	id(n)            saga_id n
 *	part(n, t)       struct t n              t: a SAGA_STRUCT
 *	list(n, t)       const struct t *n; size_t n_count
 *	opt_text(n)      const char *n           NULL: absent
 *	opt_label(n)     const char *n           likewise
 *	opt_int64(n)     bool has_n; int64_t n   a value without has_n is an error
 *	opt_flag(n)      bool has_n; bool n      likewise
 *	opt_bytes(n)     saga_bytes n            n.at NULL: absent
 *	opt_id(n)        bool has_n; saga_id n   likewise
 *	opt_part(n, t)   const struct t *n       NULL: absent
 *
 * No field holds a floating point number: write money as integer cents and measures as integers of
 * a small unit, so that every party decodes the same value.
 */

#include <saga/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

SAGA_BEGIN

/*
 * A UUID (RFC 9562). The library makes version 7, and version 8 where it derives an id from a key.
 * Events of other senders may have ids of any version. The nil UUID, all zero, means "none".
 */
typedef struct saga_id {
	uint8_t bytes[16];
} saga_id;

#define SAGA_ID_TEXT 37 /* bytes of an id as text, including the NUL */

/* A borrowed span of bytes. The function that takes or returns a span says who owns it. */
typedef struct saga_bytes {
	const void *at;
	size_t size;
} saga_bytes;

typedef enum saga_kind {
	SAGA_KIND_TEXT = 1,
	SAGA_KIND_INT64 = 2,
	SAGA_KIND_FLAG = 3,
	SAGA_KIND_BYTES = 4,
	SAGA_KIND_ID = 5,
	SAGA_KIND_PART = 6,
	SAGA_KIND_LIST = 7,
	SAGA_KIND_OPTIONAL = 0x100, /* or-ed to one of the above */
	SAGA_KIND_REASON = 0x200,   /* or-ed to text */
	SAGA_KIND_LABEL = 0x400     /* or-ed to text */
} saga_kind;

/* The macros below fill these three structs. saga_shape is frozen; the others hold their size. */
typedef struct saga_field {
	const char *name;
	int kind;                      /* saga_kind */
	unsigned name_size;            /* bytes of the name, without its NUL */
	size_t offset;                 /* where the value stands in the struct */
	size_t beside;                 /* where its count or has_ member stands; else = offset */
	const struct saga_shape *of;   /* the shape of a part or of a list's element; else NULL */
} saga_field;

typedef struct saga_shape {
	const char *name;
	size_t size;                   /* bytes of the struct */
	size_t field_size;             /* sizeof(saga_field) where this was compiled */
	size_t field_count;
	const saga_field *fields;
} saga_shape;

typedef struct saga_type {
	size_t size;                   /* sizeof(saga_type) where this was compiled */
	const char *name;              /* "order.placed", a CloudEvents type; at most 63 bytes */
	int version;                   /* 1 or more; raise it when a field changes its meaning */
	bool request;                  /* submitted by saga_submit, never published */
	saga_shape body;
} saga_type;

/* Declares a struct for a part of a body, a row of a query, a note, a question or an answer. */
#define SAGA_STRUCT(name_, ...) \
	struct name_ { SAGA__EACH(SAGA__MEMBER, name_, __VA_ARGS__) }; \
	SAGA__FIELDS(name_, __VA_ARGS__) \
	static const saga_shape name_ SAGA__UNUSED = SAGA__SHAPE(name_, #name_)

/* Declares the type and the body of an event. */
#define SAGA_EVENT(name_, type_, version_, ...) \
	SAGA__TYPE(name_, type_, version_, false, __VA_ARGS__)

/* Declares the type and the body of a request, which saga_submit brings to the step `on` it. */
#define SAGA_REQUEST(name_, type_, version_, ...) \
	SAGA__TYPE(name_, type_, version_, true, __VA_ARGS__)

/* Declares an event without fields. */
#define SAGA_BARE_EVENT(name_, type_, version_) SAGA__BARE(name_, type_, version_, false)

/* Declares a request without fields. */
#define SAGA_BARE_REQUEST(name_, type_, version_) SAGA__BARE(name_, type_, version_, true)

/*
 * An event: decoded and validated. The event and everything that it points at live until the
 * function that got it returns. Nobody may change it.
 */
typedef struct saga_event saga_event;

/*
 * Returns the body as `const struct type *` if the event is of this type, else NULL. So it also
 * tells types apart.
 */
#define saga_body(event, type) ((const struct type *)saga_event_body(event, &(type)))

SAGA_API const void *saga_event_body(const saga_event *event, const saga_type *type);
SAGA_API const char *saga_event_type(const saga_event *event);    /* "order.placed" */
SAGA_API int         saga_event_version(const saga_event *event);
SAGA_API saga_id     saga_event_id(const saga_event *event);
SAGA_API saga_id     saga_event_saga(const saga_event *event);
SAGA_API saga_id     saga_event_cause(const saga_event *event);   /* of its cause; zero: none */
SAGA_API const char *saga_event_source(const saga_event *event);  /* its participant: "order" */
SAGA_API const char *saga_event_subject(const saga_event *event); /* 0 to 255 bytes; "": none */
SAGA_API int64_t     saga_event_time(const saga_event *event);    /* ms since 1970, UTC */

/*
 * Writes an event's body as JSON and a NUL. Cuts the text if size is too small. Returns the length
 * of the whole text without the NUL, as snprintf does. Thread: where the event may be used.
 */
SAGA_API size_t saga_event_json(const saga_event *event, char *buffer, size_t size);

/*
 * Writes a text so that a terminal cannot obey it: control characters (C0, DEL, C1, and those that
 * change the direction of writing) and bytes that are not UTF-8 become `\xNN`. Use it for texts of
 * events and stores, which may come from strangers. Writes a NUL; cuts between two characters if
 * size is too small. Returns the length of the whole text without the NUL. Any thread.
 */
SAGA_API size_t saga_text_shown(const char *text, char *buffer, size_t size);

/*
 * Reads an event in its wire form (MessagePack), as the outbox keeps it; for tools that know no
 * types. Of such an event saga_event_body returns NULL, and saga_event_json writes the body as it
 * came. `wire` is copied. The caller frees the event with saga_event_free. Fails with
 * SAGA_MALFORMED, SAGA_TOO_BIG, SAGA_NOMEM. Any thread.
 */
SAGA_API int saga_event_read(saga_bytes wire, saga_event **ret_event, saga_error *error);
SAGA_API void saga_event_free(saga_event *event);

/*
 * Write an id as text ("0190f3c2-...") and read it back. saga_id_text returns buffer; saga_id_parse
 * fails with SAGA_MALFORMED. Any thread.
 */
SAGA_API const char *saga_id_text(saga_id id, char buffer[SAGA_ID_TEXT]);
SAGA_API int saga_id_parse(const char *text, saga_id *ret_id);

/* ---- how the declarations are made ---- */

#define SAGA__TYPE(name_, type_, version_, request_, ...) \
	struct name_ { SAGA__EACH(SAGA__MEMBER, name_, __VA_ARGS__) }; \
	SAGA__FIELDS(name_, __VA_ARGS__) \
	static const saga_type name_ SAGA__UNUSED = { \
		sizeof(saga_type), type_, version_, request_, SAGA__SHAPE(name_, type_) }

#define SAGA__BARE(name_, type_, version_, request_) \
	struct name_ { char no_fields; }; \
	static const saga_type name_ SAGA__UNUSED = { \
		sizeof(saga_type), type_, version_, request_, \
		{ type_, sizeof(struct name_), sizeof(saga_field), 0, NULL } }

#define SAGA__FIELDS(name_, ...) \
	static const saga_field saga__fields_##name_[] SAGA__UNUSED = { \
		SAGA__EACH(SAGA__FIELD, name_, __VA_ARGS__) };

#define SAGA__SHAPE(name_, text_) { text_, sizeof(struct name_), sizeof(saga_field), \
	sizeof saga__fields_##name_ / sizeof saga__fields_##name_[0], saga__fields_##name_ }

#define SAGA__MEMBER(struct_, field_) SAGA__MEMBER_##field_
#define SAGA__MEMBER_text(n) const char *n;
#define SAGA__MEMBER_reason(n) const char *n;
#define SAGA__MEMBER_label(n) const char *n;
#define SAGA__MEMBER_int64(n) int64_t n;
#define SAGA__MEMBER_flag(n) bool n;
#define SAGA__MEMBER_bytes(n) saga_bytes n;
#define SAGA__MEMBER_id(n) saga_id n;
#define SAGA__MEMBER_part(n, t) struct t n;
#define SAGA__MEMBER_list(n, t) const struct t *n; size_t n##_count;
#define SAGA__MEMBER_opt_text(n) const char *n;
#define SAGA__MEMBER_opt_label(n) const char *n;
#define SAGA__MEMBER_opt_int64(n) bool has_##n; int64_t n;
#define SAGA__MEMBER_opt_flag(n) bool has_##n; bool n;
#define SAGA__MEMBER_opt_bytes(n) saga_bytes n;
#define SAGA__MEMBER_opt_id(n) bool has_##n; saga_id n;
#define SAGA__MEMBER_opt_part(n, t) const struct t *n;

#define SAGA__FIELD(struct_, field_) SAGA__FIELD_WITH(struct_, SAGA__FIELD_##field_)
#define SAGA__FIELD_WITH(...) SAGA__FIELD_MAKE(__VA_ARGS__)
#define SAGA__FIELD_MAKE(struct_, n, kind_, beside_, of_) \
	{ #n, kind_, sizeof #n - 1, \
	  offsetof(struct struct_, n), offsetof(struct struct_, beside_), of_ },
#define SAGA__FIELD_text(n) n, SAGA_KIND_TEXT, n, NULL
#define SAGA__FIELD_reason(n) n, SAGA_KIND_TEXT | SAGA_KIND_REASON, n, NULL
#define SAGA__FIELD_label(n) n, SAGA_KIND_TEXT | SAGA_KIND_LABEL, n, NULL
#define SAGA__FIELD_int64(n) n, SAGA_KIND_INT64, n, NULL
#define SAGA__FIELD_flag(n) n, SAGA_KIND_FLAG, n, NULL
#define SAGA__FIELD_bytes(n) n, SAGA_KIND_BYTES, n, NULL
#define SAGA__FIELD_id(n) n, SAGA_KIND_ID, n, NULL
#define SAGA__FIELD_part(n, t) n, SAGA_KIND_PART, n, &t
#define SAGA__FIELD_list(n, t) n, SAGA_KIND_LIST, n##_count, &t
#define SAGA__FIELD_opt_text(n) n, SAGA_KIND_TEXT | SAGA_KIND_OPTIONAL, n, NULL
#define SAGA__FIELD_opt_label(n) \
	n, SAGA_KIND_TEXT | SAGA_KIND_LABEL | SAGA_KIND_OPTIONAL, n, NULL
#define SAGA__FIELD_opt_int64(n) n, SAGA_KIND_INT64 | SAGA_KIND_OPTIONAL, has_##n, NULL
#define SAGA__FIELD_opt_flag(n) n, SAGA_KIND_FLAG | SAGA_KIND_OPTIONAL, has_##n, NULL
#define SAGA__FIELD_opt_bytes(n) n, SAGA_KIND_BYTES | SAGA_KIND_OPTIONAL, n, NULL
#define SAGA__FIELD_opt_id(n) n, SAGA_KIND_ID | SAGA_KIND_OPTIONAL, has_##n, NULL
#define SAGA__FIELD_opt_part(n, t) n, SAGA_KIND_PART | SAGA_KIND_OPTIONAL, n, &t

#ifndef __cplusplus
/* Expands to &(const struct name){ fields }; fields that are not given are zero. */
#define SAGA__BODY(...) SAGA__PASTE(SAGA__BODY_, SAGA__MANY(__VA_ARGS__))(__VA_ARGS__)
#define SAGA__BODY_1(name_) &(const struct name_){ 0 }
#define SAGA__BODY_2(name_, ...) &(const struct name_){ __VA_ARGS__ }
#endif

SAGA_END

#endif
