#ifndef SAGA_EVENT_BODY_H
#define SAGA_EVENT_BODY_H

/* Where a field's value lies in the struct that has it, and what readers of bodies share. */

#include "arena.h"
#include "schema.h"

static inline const void *saga__field_in(const void *body, size_t offset)
{
	return (const char *)body + offset;
}

static inline void *saga__field_of(void *body, size_t offset)
{
	return (char *)body + offset;
}

static inline int saga__field_base(const saga_field *field)
{
	return field->kind & ~(SAGA_KIND_OPTIONAL | SAGA_KIND_REASON | SAGA_KIND_LABEL);
}

/* A bit for each field. */
static inline uint32_t saga__fields_all(const saga_shape *shape)
{
	return (uint32_t)((UINT64_C(1) << shape->field_count) - 1);
}

/* "a text": what a field's value must be, for errors. */
const char *saga__field_wants(const saga_field *field);

/* Why the arena gave nothing: TOO_BIG or NOMEM; error says which. */
int saga__arena_error(const struct saga__arena *arena, size_t size, saga_error *error);

/*
 * After a body was read: `seen` has a bit for each field that came. Fills in reasons that were left
 * out (""); MALFORMED if another field is missing that is not optional.
 */
int saga__body_complete(const saga_shape *shape, uint32_t seen, void *body, saga_error *error);

#endif
