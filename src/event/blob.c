#include "blob.h"

#include <stdlib.h>
#include <string.h>

struct saga__blob *saga__blob_new(const void *from, size_t size)
{
	if (size > SIZE_MAX - sizeof(struct saga__blob))
		return NULL;

	struct saga__blob *blob = malloc(sizeof *blob + size);

	if (!blob)
		return NULL;
	blob->refs = 1;
	blob->size = size;
	if (from && size)
		memcpy(blob->at, from, size);
	return blob;
}

struct saga__blob *saga__blob_ref(struct saga__blob *blob)
{
	__atomic_add_fetch(&blob->refs, 1, __ATOMIC_RELAXED);
	return blob;
}

void saga__blob_unref(struct saga__blob *blob)
{
	if (blob && __atomic_sub_fetch(&blob->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(blob);
}
