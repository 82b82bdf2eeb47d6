#include "token.h"

#include <assert.h>
#include <string.h>

#include "words.h"

static const char cut_short[] = "is cut short";
static const char no_messagepack[] = "is no MessagePack";
static const char too_many[] = "counts more than the bytes left can hold";
static const char too_deep[] = "nests too deep";
static const char no_key[] = "is a key that is no text";

/* The heads from 0xc0 to 0xdf; the others hold their value or size in themselves. */
enum {
	WORTHLESS = 0xff
};
static const struct head {
	unsigned char kind;
	unsigned char width; /* of the number, or of the size, behind the head */
	unsigned char fixed; /* ext: the size, if the head says it */
} heads[32] = {
	{ SAGA__TOKEN_NIL, 0, 0 },
	{ WORTHLESS, 0, 0 },
	{ SAGA__TOKEN_FLAG, 0, 0 },
	{ SAGA__TOKEN_FLAG, 0, 0 },
	{ SAGA__TOKEN_BYTES, 1, 0 },
	{ SAGA__TOKEN_BYTES, 2, 0 },
	{ SAGA__TOKEN_BYTES, 4, 0 },
	{ SAGA__TOKEN_EXT, 1, 0 },
	{ SAGA__TOKEN_EXT, 2, 0 },
	{ SAGA__TOKEN_EXT, 4, 0 },
	{ SAGA__TOKEN_FLOAT, 4, 0 },
	{ SAGA__TOKEN_FLOAT, 8, 0 },
	{ SAGA__TOKEN_BEYOND, 1, 0 },
	{ SAGA__TOKEN_BEYOND, 2, 0 },
	{ SAGA__TOKEN_BEYOND, 4, 0 },
	{ SAGA__TOKEN_BEYOND, 8, 0 },
	{ SAGA__TOKEN_INT, 1, 0 },
	{ SAGA__TOKEN_INT, 2, 0 },
	{ SAGA__TOKEN_INT, 4, 0 },
	{ SAGA__TOKEN_INT, 8, 0 },
	{ SAGA__TOKEN_EXT, 0, 1 },
	{ SAGA__TOKEN_EXT, 0, 2 },
	{ SAGA__TOKEN_EXT, 0, 4 },
	{ SAGA__TOKEN_EXT, 0, 8 },
	{ SAGA__TOKEN_EXT, 0, 16 },
	{ SAGA__TOKEN_TEXT, 1, 0 },
	{ SAGA__TOKEN_TEXT, 2, 0 },
	{ SAGA__TOKEN_TEXT, 4, 0 },
	{ SAGA__TOKEN_LIST, 2, 0 },
	{ SAGA__TOKEN_LIST, 4, 0 },
	{ SAGA__TOKEN_MAP, 2, 0 },
	{ SAGA__TOKEN_MAP, 4, 0 },
};

static bool wrong(struct saga__scan *scan, const char *what)
{
	scan->wrong = what;
	return false;
}

static uint64_t number(const unsigned char *at, unsigned width)
{
	switch (width) {
	case 0:
		return 0;
	case 1:
		return at[0];
	case 2:
		return (uint64_t)at[0] << 8 | at[1];
	case 4:
		return saga__number4(at);
	default:
		return saga__number8(at);
	}
}

static uint64_t signed_number(uint64_t x, unsigned width)
{
	assert(width);

	uint64_t sign = UINT64_C(1) << (8 * width - 1);

	return (x ^ sign) - sign;
}

static double real_number(uint64_t x, unsigned width)
{
	uint32_t half = (uint32_t)x;
	float single;
	double full;

	if (width == sizeof single) {
		memcpy(&single, &half, sizeof single);
		return (double)single;
	}
	memcpy(&full, &x, sizeof full);
	return full;
}

/* Takes what text, bytes and ext hold, and holds counts against the bytes left. */
static bool take_content(
	struct saga__scan *scan, const unsigned char *at, struct saga__token *token)
{
	size_t left = (size_t)(scan->end - at);

	if (token->kind == SAGA__TOKEN_LIST || token->kind == SAGA__TOKEN_MAP) {
		if (token->size > (token->kind == SAGA__TOKEN_MAP ? left / 2 : left))
			return wrong(scan, too_many);
	} else {
		if (token->size > left)
			return wrong(scan, cut_short);
		token->at = at;
		at += token->size;
	}
	scan->at = at;
	return true;
}

static bool take_long(struct saga__scan *scan, struct saga__token *token)
{
	const unsigned char *at = scan->at;
	const struct head *head = &heads[*at - 0xc0];
	unsigned behind = head->width + (head->kind == SAGA__TOKEN_EXT ? 1u : 0u);

	if (head->kind == WORTHLESS)
		return wrong(scan, no_messagepack);
	if ((size_t)(scan->end - at) < 1 + behind)
		return wrong(scan, cut_short);

	uint64_t value = number(at + 1, head->width);

	token->kind = head->kind;
	switch (head->kind) {
	case SAGA__TOKEN_TEXT:
	case SAGA__TOKEN_BYTES:
	case SAGA__TOKEN_LIST:
	case SAGA__TOKEN_MAP:
	case SAGA__TOKEN_EXT:
		token->size = head->fixed ? head->fixed : (uint32_t)value;
		token->ext = (int8_t)at[behind];
		return take_content(scan, at + 1 + behind, token);
	case SAGA__TOKEN_FLAG:
		token->bits = *at & 1;
		break;
	case SAGA__TOKEN_INT:
		token->bits = signed_number(value, head->width);
		break;
	case SAGA__TOKEN_BEYOND:
		token->bits = value;
		if (value <= INT64_MAX)
			token->kind = SAGA__TOKEN_INT;
		break;
	case SAGA__TOKEN_FLOAT:
		token->real = real_number(value, head->width);
		break;
	default:
		break;
	}
	scan->at = at + 1 + behind;
	return true;
}

/* Those whose head holds their size or their value. */
static bool take_short(struct saga__scan *scan, unsigned head, struct saga__token *token)
{
	if (head < 0x80 || head >= 0xe0) {
		token->kind = SAGA__TOKEN_INT;
		token->bits = (uint64_t)(int64_t)(signed char)head;
		scan->at++;
		return true;
	}
	if (head >= 0xa0) {
		token->kind = SAGA__TOKEN_TEXT;
		token->size = head & 31;
	} else {
		token->kind = head < 0x90 ? SAGA__TOKEN_MAP : SAGA__TOKEN_LIST;
		token->size = head & 15;
	}
	return take_content(scan, scan->at + 1, token);
}

bool saga__scan_token(struct saga__scan *scan, struct saga__token *ret_token)
{
	if (scan->at == scan->end)
		return wrong(scan, cut_short);

	unsigned head = *scan->at;

	if (head - 0xc0u < 0x20u)
		return take_long(scan, ret_token);
	return take_short(scan, head, ret_token);
}

/* The bytes of a value, where its head alone says it. */
static const unsigned char whole[256] = {
#define SAME(x_) x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_
	SAME(1), SAME(1), SAME(1), SAME(1), SAME(1), SAME(1), SAME(1), SAME(1), /* integers */
	SAME(0), SAME(0),                                                       /* maps and lists */
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,                  /* texts */
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,         /* texts */
	1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9,   /* nil, flags, floats, integers */
	2, 3, 5, 9, 3, 4, 6, 10, 18, 0, 0, 0, 0, 0, 0, 0, /* integers, ext */
	SAME(1), SAME(1),                                 /* integers */
#undef SAME
};

static bool is_text(unsigned char head)
{
	return head - 0xa0u < 0x20u || head - 0xd9u < 3u;
}

static bool skip_other(struct saga__scan *scan, unsigned depth);

static inline bool skip_one(struct saga__scan *scan, unsigned depth)
{
	size_t left = (size_t)(scan->end - scan->at);
	size_t size = left ? whole[*scan->at] : 0;

	if (size == 0 || size > left)
		return skip_other(scan, depth);
	scan->at += size;
	return true;
}

static SAGA__ASIDE bool skip_key(struct saga__scan *scan)
{
	if (scan->at < scan->end && !is_text(*scan->at))
		return wrong(scan, no_key);
	return skip_one(scan, 0);
}

static inline bool skip_values(struct saga__scan *scan, uint32_t count, unsigned depth)
{
	for (; count; count--)
		if (!skip_one(scan, depth))
			return false;
	return true;
}

/* Where the scan stands is kept beside it: in it, each step would be a store and a load. */
static inline bool skip_pairs(struct saga__scan *scan, uint32_t count, unsigned depth)
{
	const unsigned char *at = scan->at;
	size_t left = (size_t)(scan->end - at);

	for (; count; count--) {
		size_t key = left ? *at - 0x9fu : 0;
		size_t size = key - 1 < 0x20u && key < left ? whole[at[key]] : 0;

		if (size && size <= left - key) {
			at += key + size;
			left -= key + size;
			continue;
		}
		scan->at = at;
		if (!skip_key(scan) || !skip_one(scan, depth))
			return false;
		at = scan->at;
		left = (size_t)(scan->end - at);
	}
	scan->at = at;
	return true;
}

static inline bool skip_all(struct saga__scan *scan, uint32_t count, bool map, unsigned depth)
{
	return map ? skip_pairs(scan, count, depth) : skip_values(scan, count, depth);
}

static SAGA__ASIDE bool skip_long(struct saga__scan *scan, unsigned depth)
{
	const unsigned char *head = scan->at;
	struct saga__token token = { .size = 0 };

	if (!saga__scan_token(scan, &token))
		return false;
	if (token.kind != SAGA__TOKEN_LIST && token.kind != SAGA__TOKEN_MAP)
		return true;
	if (depth == 0) {
		scan->at = head;
		return wrong(scan, too_deep);
	}
	return skip_all(scan, token.size, token.kind == SAGA__TOKEN_MAP, depth - 1);
}

/* Skips the kinds that `whole` does not know: lists and maps, nearly all of them short. */
static bool skip_other(struct saga__scan *scan, unsigned depth)
{
	size_t left = (size_t)(scan->end - scan->at);
	unsigned head = left ? *scan->at : 0;
	uint32_t count = head & 15;

	if (head - 0x80u >= 0x20u || depth == 0 || 2 * count >= left)
		return skip_long(scan, depth);
	scan->at++;
	if (head < 0x90)
		return skip_all(scan, count, true, depth - 1);
	return skip_all(scan, count, false, depth - 1);
}

bool saga__scan_skip(struct saga__scan *scan, unsigned depth)
{
	return skip_one(scan, depth);
}

int saga__scan_map(saga_bytes wire, unsigned depth, saga_error *error)
{
	struct saga__scan scan = saga__scan_of(wire);
	struct saga__token token;

	if (!saga__scan_token(&scan, &token))
		return saga__scan_error(&scan, error);
	if (token.kind != SAGA__TOKEN_MAP)
		return saga_error_set(
			error, SAGA_MALFORMED, "is %s, no map", saga__token_name(token.kind));
	if (!skip_all(&scan, token.size, true, depth - 1))
		return saga__scan_error(&scan, error);
	if (scan.at != scan.end) {
		scan.wrong = "follows the end";
		return saga__scan_error(&scan, error);
	}
	return SAGA_OK;
}

int saga__scan_error(const struct saga__scan *scan, saga_error *error)
{
	return saga_error_set(
		error, SAGA_MALFORMED, "byte %zu %s", (size_t)(scan->at - scan->from), scan->wrong);
}

const char *saga__token_name(int kind)
{
	static const char *const names[] = {
		[SAGA__TOKEN_NIL] = "nil",
		[SAGA__TOKEN_FLAG] = "a flag",
		[SAGA__TOKEN_INT] = "an integer",
		[SAGA__TOKEN_BEYOND] = "an integer beyond 63 bits",
		[SAGA__TOKEN_FLOAT] = "a floating point number",
		[SAGA__TOKEN_TEXT] = "a text",
		[SAGA__TOKEN_BYTES] = "bytes",
		[SAGA__TOKEN_EXT] = "an ext value",
		[SAGA__TOKEN_LIST] = "a list",
		[SAGA__TOKEN_MAP] = "a map",
	};

	return names[kind];
}
