#ifndef SAGA_EVENT_SCHEMA_H
#define SAGA_EVENT_SCHEMA_H

/* The checks of saga_open on declared types; how two declarations of a type are compared. */

#include <saga/event.h>

enum {
	SAGA__DEPTH = 16, /* of parts (1 each) and lists (2: it and its element) in one body */
	SAGA__FIELDS_MOST = 32,   /* of one struct */
	SAGA__NAME_MOST = 63,     /* bytes of a type's or field's name */
	SAGA__SUBJECT_MOST = 255, /* bytes of an event's subject, source or traceparent */
};

/*
 * Whether a type is whole: sizes that this library knows, a name of [A-Za-z0-9._-], version 1 or
 * more, fields of known kinds inside the struct, no name twice, no nesting beyond SAGA__DEPTH (a
 * struct that holds itself included). MISUSE, and error names the type, the field and the rule.
 */
int saga__type_check(const saga_type *type, saga_error *error);
int saga__shape_check(const saga_shape *shape, saga_error *error);

/* Whether two declarations agree in all fields: names, kinds, offsets, parts; by value. */
bool saga__shape_same(const saga_shape *a, const saga_shape *b);

/* Same name and version. Equal addresses are the fast way. */
bool saga__type_is(const saga_type *a, const saga_type *b);

/*
 * Whether the library alone can fill a body of this type: every field is optional or a reason, or
 * there is none.
 */
bool saga__shape_needs_nothing(const saga_shape *shape);

#endif
