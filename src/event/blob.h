#ifndef SAGA_EVENT_BLOB_H
#define SAGA_EVENT_BLOB_H

/* Bytes that several owners share; counted, freed by the last. Any thread. */

#include <saga/event.h>

struct saga__blob {
	int refs; /* by __atomic builtins only */
	size_t size;
	unsigned char at[];
};

/* A blob of that size with one owner; NULL: out of memory. `from` NULL leaves it unfilled. */
struct saga__blob *saga__blob_new(const void *from, size_t size);
struct saga__blob *saga__blob_ref(struct saga__blob *blob);
void saga__blob_unref(struct saga__blob *blob); /* NULL is fine */

static inline saga_bytes saga__blob_bytes(const struct saga__blob *blob)
{
	return (saga_bytes){ blob ? blob->at : NULL, blob ? blob->size : 0 };
}

#endif
