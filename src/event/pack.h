#ifndef SAGA_EVENT_PACK_H
#define SAGA_EVENT_PACK_H

/* Packing into a saga__buffer. Functions answer false once `code` says why; `error` then too. */

#include <msgpack.h>

#include "envelope.h"

struct saga__packing {
	msgpack_packer packer; /* its data is this struct */
	struct saga__buffer *buffer;
	const char *why; /* for reasons that were left out */
	saga_error *error;
	int code;
};

/* Room for `more` bytes; TOO_BIG, NOMEM. */
int saga__buffer_grow(struct saga__buffer *buffer, size_t more);

/* Empties the buffer, and gets ready to fill it. */
void saga__pack_init(struct saga__packing *packing, struct saga__buffer *buffer, const char *why,
	saga_error *error);

/* Sets code and error; false. */
bool saga__pack_fail(struct saga__packing *packing, int code, const char *format, ...)
	SAGA_PRINTF(3, 4);

/* The code of all of it; on failure the buffer is empty. */
int saga__pack_end(struct saga__packing *packing);

bool saga__pack_body(struct saga__packing *packing, const saga_shape *shape, const void *body);

static inline bool saga__append(struct saga__packing *packing, const void *at, size_t size)
{
	struct saga__buffer *buffer = packing->buffer;

	if (buffer->room - buffer->size <= size) {
		int code = saga__buffer_grow(buffer, size);

		if (code != SAGA_OK)
			return saga__pack_fail(
				packing, code, "takes more than %zu bytes", buffer->limit);
	}
	memcpy(buffer->at + buffer->size, at, size);
	buffer->size += size;
	return true;
}

/*
 * msgpack-c's packers once more, as saga__mp_int64 and so on, with saga__append in them: its
 * template is made for that, and its own callback costs twice as much.
 */
#define msgpack_pack_inline_func(name) static inline int saga__mp##name
#define msgpack_pack_inline_func_cint(name) static inline int saga__mp##name
#define msgpack_pack_user msgpack_packer *
#define msgpack_pack_append_buffer(user, buf, len) \
	return saga__append((struct saga__packing *)(user)->data, buf, len) ? 0 : -1
#include <msgpack/pack_template.h>

static inline bool saga__pack_int64(struct saga__packing *packing, int64_t x)
{
	return saga__mp_int64(&packing->packer, x) == 0;
}

static inline bool saga__pack_flag(struct saga__packing *packing, bool x)
{
	return (x ? saga__mp_true : saga__mp_false)(&packing->packer) == 0;
}

static inline bool saga__pack_bytes(struct saga__packing *packing, saga_bytes x)
{
	return saga__mp_bin(&packing->packer, x.size) == 0 && saga__append(packing, x.at, x.size);
}

static inline bool saga__pack_id(struct saga__packing *packing, const saga_id *x)
{
	return saga__append(packing, "\xd8\x01", 2) && saga__append(packing, x, sizeof *x);
}

/* Text that is known to be UTF-8. */
static inline bool saga__pack_plain(struct saga__packing *packing, const char *x, size_t size)
{
	return saga__mp_str(&packing->packer, size) == 0 && saga__append(packing, x, size);
}

/* Text that must be there and UTF-8; `name` says whose it is. */
bool saga__pack_text(struct saga__packing *packing, const char *name, const char *x);

#endif
