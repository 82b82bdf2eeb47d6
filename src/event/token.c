#include "token.h"

#include <string.h>

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
	uint64_t x = 0;

	for (unsigned i = 0; i < width; i++)
		x = x << 8 | at[i];
	return x;
}

static uint64_t signed_number(uint64_t x, unsigned width)
{
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
		token->ext = (signed char)at[behind];
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

bool saga__scan_token(struct saga__scan *scan, struct saga__token *ret_token)
{
	if (scan->at == scan->end)
		return wrong(scan, cut_short);

	unsigned head = *scan->at;

	if (head - 0xa0u < 0x20u) {
		ret_token->kind = SAGA__TOKEN_TEXT;
		ret_token->size = head & 31;
		return take_content(scan, scan->at + 1, ret_token);
	}
	if (head < 0x80 || head >= 0xe0) {
		ret_token->kind = SAGA__TOKEN_INT;
		ret_token->bits = (uint64_t)(int64_t)(signed char)head;
		scan->at++;
		return true;
	}
	if (head < 0xa0) {
		ret_token->kind = head < 0x90 ? SAGA__TOKEN_MAP : SAGA__TOKEN_LIST;
		ret_token->size = head & 15;
		return take_content(scan, scan->at + 1, ret_token);
	}
	return take_long(scan, ret_token);
}

static bool skip_all(struct saga__scan *scan, const struct saga__token *of, unsigned depth);

/* The short forms of texts and integers are nearly all that there is. */
static inline bool skip_one(struct saga__scan *scan, unsigned depth)
{
	struct saga__token token;

	if (scan->at < scan->end) {
		unsigned head = *scan->at;
		size_t size = head - 0xa0u < 0x20u ? (head & 31) + 1 : 1;

		if ((head < 0x80 || head >= 0xa0) && (head < 0xc0 || head >= 0xe0) &&
			size <= (size_t)(scan->end - scan->at)) {
			scan->at += size;
			return true;
		}
	}

	const unsigned char *at = scan->at;

	if (!saga__scan_token(scan, &token))
		return false;
	if (token.kind != SAGA__TOKEN_LIST && token.kind != SAGA__TOKEN_MAP)
		return true;
	if (depth == 0) {
		scan->at = at;
		return wrong(scan, too_deep);
	}
	return skip_all(scan, &token, depth - 1);
}

static bool is_text(unsigned char head)
{
	return head - 0xa0u < 0x20u || head - 0xd9u < 3u;
}

static bool skip_all(struct saga__scan *scan, const struct saga__token *of, unsigned depth)
{
	bool keyed = of->kind == SAGA__TOKEN_MAP;

	for (uint32_t i = 0; i < of->size; i++) {
		if (keyed) {
			if (scan->at < scan->end && !is_text(*scan->at))
				return wrong(scan, no_key);
			if (!skip_one(scan, 0))
				return false;
		}
		if (!skip_one(scan, depth))
			return false;
	}
	return true;
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
	if (!skip_all(&scan, &token, depth - 1))
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
