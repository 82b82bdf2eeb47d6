#include "peek.h"

#include <string.h>

struct reader {
	const unsigned char *at, *end;
};

static bool read_text(struct reader *r, const char **ret_at, size_t *ret_size)
{
	size_t size;

	if (r->at == r->end)
		return false;
	if ((*r->at & 0xe0) == 0xa0) {
		size = *r->at++ & 0x1f;
	} else if (*r->at == 0xd9 && r->end - r->at >= 2) {
		size = r->at[1];
		r->at += 2;
	} else {
		return false;
	}
	if ((size_t)(r->end - r->at) < size)
		return false;
	*ret_at = (const char *)r->at;
	*ret_size = size;
	r->at += size;
	return true;
}

static bool read_id(struct reader *r, saga_id *ret_id)
{
	/* fixext 16, type 1 */
	if (r->end - r->at < 18 || r->at[0] != 0xd8 || r->at[1] != 1)
		return false;
	memcpy(ret_id, r->at + 2, sizeof *ret_id);
	r->at += 18;
	return true;
}

static bool read_version(struct reader *r, int *ret_version)
{
	if (r->at == r->end || *r->at > 0x7f)
		return false;
	*ret_version = *r->at++;
	return true;
}

static bool read_name(struct reader *r, char *name, size_t room)
{
	const char *at;
	size_t size;

	if (!read_text(r, &at, &size) || size >= room)
		return false;
	memcpy(name, at, size);
	name[size] = 0;
	return true;
}

static bool is(const char *key, size_t size, const char *name)
{
	return size == strlen(name) && memcmp(key, name, size) == 0;
}

bool saga__event_peek(saga_bytes wire, struct saga__peek *ret_peek)
{
	struct reader r = { wire.at, (const unsigned char *)wire.at + wire.size };
	struct saga__peek peek = { .version = 0 };
	unsigned found = 0, pairs;
	const char *key;
	size_t size;

	if (!wire.size || (*r.at & 0xf0) != 0x80)
		return false;
	for (pairs = *r.at++ & 0xf; pairs && found != 31; pairs--) {
		bool known;

		if (!read_text(&r, &key, &size))
			return false;
		if (is(key, size, "id"))
			known = read_id(&r, &peek.id), found |= 1;
		else if (is(key, size, "sagaid"))
			known = read_id(&r, &peek.saga), found |= 2;
		else if (is(key, size, "type"))
			known = read_name(&r, peek.type, sizeof peek.type), found |= 4;
		else if (is(key, size, "source"))
			known = read_name(&r, peek.source, sizeof peek.source), found |= 8;
		else if (is(key, size, "version"))
			known = read_version(&r, &peek.version), found |= 16;
		else
			known = read_text(&r, &key, &size);
		if (!known)
			return false;
	}
	if (found != 31)
		return false;
	*ret_peek = peek;
	return true;
}
