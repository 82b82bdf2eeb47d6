#ifndef SAGA_EVENT_TOKEN_H
#define SAGA_EVENT_TOKEN_H

/*
 * MessagePack a head at a time, without memory: for envelopes, for writing JSON, and for the scan
 * that hostile input passes before msgpack-c sees it.
 */

#include <saga/event.h>

enum saga__token_kind {
	SAGA__TOKEN_NIL,
	SAGA__TOKEN_FLAG,
	SAGA__TOKEN_INT,
	SAGA__TOKEN_BEYOND, /* an integer above INT64_MAX */
	SAGA__TOKEN_FLOAT,
	SAGA__TOKEN_TEXT,
	SAGA__TOKEN_BYTES,
	SAGA__TOKEN_EXT,
	SAGA__TOKEN_LIST,
	SAGA__TOKEN_MAP,
};

enum {
	SAGA__EXT_ID = 1
};

struct saga__token {
	int kind;                /* saga__token_kind */
	int ext;                 /* EXT: its type */
	uint32_t size;           /* TEXT, BYTES, EXT: bytes; LIST: values; MAP: pairs */
	const unsigned char *at; /* TEXT, BYTES, EXT */
	uint64_t bits;           /* INT (two's complement), BEYOND, FLAG */
	double real;             /* FLOAT */
};

struct saga__scan {
	const unsigned char *from;
	const unsigned char *at;
	const unsigned char *end;
	const char *wrong; /* NULL: nothing so far; else what is wrong at `at` */
};

static inline struct saga__scan saga__scan_of(saga_bytes wire)
{
	const unsigned char *from = wire.at;

	return (struct saga__scan){ from, from, wire.size ? from + wire.size : from, NULL };
}

static inline uint64_t saga__number4(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t saga__number8(const unsigned char *at)
{
	return saga__number4(at) << 32 | saga__number4(at + 4);
}

/* A text of the short form, of less than 32 bytes, as nearly all are; false: another value. */
static inline bool saga__scan_short(struct saga__scan *scan, saga_bytes *ret_text)
{
	size_t left = (size_t)(scan->end - scan->at);
	unsigned size = left ? *scan->at - 0xa0u : 0x20u;

	if (size >= 0x20u || size >= left)
		return false;
	*ret_text = (saga_bytes){ scan->at + 1, size };
	scan->at += size + 1;
	return true;
}

/* A text of the form behind it, of less than 256 bytes; false: it is another value. */
static inline bool saga__scan_middling(struct saga__scan *scan, saga_bytes *ret_text)
{
	const unsigned char *at = scan->at;
	size_t left = (size_t)(scan->end - at);

	if (left < 2 || at[0] != 0xd9 || at[1] > left - 2)
		return false;
	*ret_text = (saga_bytes){ at + 2, at[1] };
	scan->at += 2u + at[1];
	return true;
}

/* An integer from 0 of the forms that most have, of one byte or nine; false: another value. */
static inline bool saga__scan_int(struct saga__scan *scan, struct saga__token *ret_token)
{
	const unsigned char *at = scan->at;
	size_t left = (size_t)(scan->end - at);

	if (left && at[0] < 0x80) {
		ret_token->bits = at[0];
		scan->at = at + 1;
	} else if (left >= 9 && at[0] == 0xcf && at[1] < 0x80) {
		ret_token->bits = saga__number8(at + 1);
		scan->at = at + 9;
	} else {
		return false;
	}
	ret_token->kind = SAGA__TOKEN_INT;
	return true;
}

/*
 * The next head; for text, bytes and ext also what they hold. False: cut short, no MessagePack, a
 * count that the bytes left can't hold; `wrong` says so, and `at` has not moved.
 */
bool saga__scan_token(struct saga__scan *scan, struct saga__token *ret_token);

/*
 * Skips one value with all in it: whole, lists and maps no deeper than `depth`, no count beyond the
 * bytes left, each key a text.
 */
bool saga__scan_skip(struct saga__scan *scan, unsigned depth);

/* Whether it is one map and nothing else, as saga__scan_skip has it. MALFORMED. */
int saga__scan_map(saga_bytes wire, unsigned depth, saga_error *error);

/* Says what is wrong and at which byte; MALFORMED. */
int saga__scan_error(const struct saga__scan *scan, saga_error *error);

/* "a text", "a list": for errors. */
const char *saga__token_name(int kind);

#endif
