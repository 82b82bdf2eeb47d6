#ifndef SAGA_EVENT_PACK_H
#define SAGA_EVENT_PACK_H

/* Packing into a saga__buffer. Functions answer false once `code` says why; `error` then too. */

#include <msgpack.h>

#include "envelope.h"
#include "token.h"

enum {
	SAGA__PACK_SMALL = 200, /* any key or head, and all of an envelope but its texts */
	SAGA__PACK_SLACK = 256  /* of room beyond the buffer's limit, which holds at the end */
};

struct saga__packing {
	struct saga__buffer *buffer;
	char *at;
	char *end;
	const char *why; /* for reasons that were left out */
	saga_error *error;
	int code;
};

/* Empties the buffer, and gets ready to fill it. */
static inline struct saga__packing saga__packing_of(
	struct saga__buffer *buffer, const char *why, saga_error *error)
{
	char *at = buffer->at;

	buffer->size = 0;
	return (struct saga__packing){ buffer, at, at ? at + buffer->room : NULL, why, error,
		SAGA_OK };
}

/* Sets code and error; false. */
bool saga__pack_fail(struct saga__packing *packing, int code, const char *format, ...)
	SAGA_PRINTF(3, 4);

/* The code of all of it, which error says of `name`; on failure the buffer is empty. */
int saga__pack_end(struct saga__packing *packing, const char *name);

bool saga__pack_body(struct saga__packing *packing, const saga_shape *shape, const void *body);

/* Text that must be UTF-8; `name` says whose it is. Leaves room for what is small. */
bool saga__pack_text(struct saga__packing *packing, const char *name, const char *x, size_t size);

/* Bytes as they are. */
bool saga__pack_bytes(struct saga__packing *packing, const void *at, size_t size);

bool saga__pack_grow(struct saga__packing *packing, size_t more);

/* Room for what is put next. Puts don't look, and answer where the next one goes. */
static inline bool saga__pack_need(struct saga__packing *packing, size_t size)
{
	return (size_t)(packing->end - packing->at) >= size || saga__pack_grow(packing, size);
}

static inline char *saga__put(char *at, const void *from, size_t size)
{
	memcpy(at, from, size);
	return at + size;
}

/*
 * msgpack-c's packers once more, as saga__mp_int64 and so on, in line and without its callback,
 * which would cost three times as much. Its template is made for that.
 */
struct saga__cursor {
	msgpack_packer packer; /* first: a packer is its cursor */
	char *at;
};

static inline int saga__mp_append(msgpack_packer *packer, const void *from, size_t size)
{
	struct saga__cursor *cursor = (struct saga__cursor *)(void *)packer;

	cursor->at = saga__put(cursor->at, from, size);
	return 0;
}

#define msgpack_pack_inline_func(name) static inline int saga__mp##name
#define msgpack_pack_inline_func_cint(name) static inline int saga__mp##name
#define msgpack_pack_user msgpack_packer *
#define msgpack_pack_append_buffer(user, buf, len) return saga__mp_append(user, buf, len)
#include <msgpack/pack_template.h>

#define SAGA__PUT(name_, type_, packer_) \
	static inline char *saga__put_##name_(char *at, type_ x) \
	{ \
		struct saga__cursor cursor = { .at = at }; \
\
		(void)packer_(&cursor.packer, x); \
		return cursor.at; \
	}
SAGA__PUT(int64, int64_t, saga__mp_int64)
SAGA__PUT(uint64, uint64_t, saga__mp_uint64)
SAGA__PUT(text_head, size_t, saga__mp_str)
SAGA__PUT(bytes_head, size_t, saga__mp_bin)
SAGA__PUT(list_head, size_t, saga__mp_array)
SAGA__PUT(map_head, size_t, saga__mp_map)
#undef SAGA__PUT

static inline char *saga__put_flag(char *at, bool x)
{
	struct saga__cursor cursor = { .at = at };

	(void)(x ? saga__mp_true(&cursor.packer) : saga__mp_false(&cursor.packer));
	return cursor.at;
}

static inline char *saga__put_id(char *at, const saga_id *x)
{
	struct saga__cursor cursor = { .at = at };

	(void)saga__mp_ext(&cursor.packer, sizeof *x, SAGA__EXT_ID);
	return saga__put(cursor.at, x, sizeof *x);
}

#endif
