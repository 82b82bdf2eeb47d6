#include "envelope.h"

#include <limits.h>
#include <string.h>

#include "body.h"
#include "token.h"
#include "utf8.h"
#include "where.h"
#include "wire.h"
#include "words.h"

/* By what they hold; of each, what may be left out comes last. */
enum key {
	SPECVERSION,
	SOURCE,
	TYPE,
	SUBJECT,
	TRACEPARENT,
	TEXTS, /* how many of them, as IDS and NUMBERS below */

	FIRST_ID = TEXTS,
	ID = FIRST_ID,
	SAGAID,
	CAUSATIONID,
	FIRST_NUMBER,
	IDS = FIRST_NUMBER - FIRST_ID,

	VERSION = FIRST_NUMBER,
	TIME,
	SEQUENCE,
	DATA,
	NUMBERS = DATA - FIRST_NUMBER,

	UNKNOWN = DATA + 1,
};

static const unsigned needed = 1u << SPECVERSION | 1u << SOURCE | 1u << TYPE | 1u << ID |
	1u << SAGAID | 1u << VERSION | 1u << TIME | 1u << DATA;

/* Many languages write nil for what is absent: where JSON may have null, see json_read.c. */
static const unsigned may_be_nil =
	1u << SUBJECT | 1u << TRACEPARENT | 1u << CAUSATIONID | 1u << SEQUENCE;

static const char *const key_names[] = {
	"specversion",
	"source",
	"type",
	"subject",
	"traceparent",
	"id",
	"sagaid",
	"causationid",
	"version",
	"time",
	"sequence",
	"data",
};

enum {
	NIL = 0xc0 /* in MessagePack */
};

#define IS(literal_) (memcmp(at, literal_, sizeof(literal_) - 1) == 0)

static enum key key_of(const unsigned char *at, size_t size)
{
	switch (size) {
	case 2:
		return IS("id") ? ID : UNKNOWN;
	case 4:
		return IS("type") ? TYPE : IS("time") ? TIME : IS("data") ? DATA : UNKNOWN;
	case 6:
		return IS("source") ? SOURCE : IS("sagaid") ? SAGAID : UNKNOWN;
	case 7:
		return IS("version") ? VERSION : IS("subject") ? SUBJECT : UNKNOWN;
	case 8:
		return IS("sequence") ? SEQUENCE : UNKNOWN;
	case 11:
		return IS("specversion")    ? SPECVERSION
			: IS("causationid") ? CAUSATIONID
			: IS("traceparent") ? TRACEPARENT
					    : UNKNOWN;
	default:
		return UNKNOWN;
	}
}

/* The values that were read, in the order of the keys. */
struct reading {
	struct saga__scan scan;
	saga_error *error;
	unsigned seen; /* a bit for each key */
	saga_bytes texts[TEXTS];
	saga_id ids[IDS];
	uint64_t numbers[NUMBERS];
	saga_bytes data;
};

static int refuse(struct reading *r, enum key key, const char *what)
{
	return saga_error_set(r->error, SAGA_MALFORMED, "%s: %s", key_names[key], what);
}

static int another_kind(
	struct reading *r, enum key key, const struct saga__token *token, const char *wanted)
{
	return saga_error_set(r->error, SAGA_MALFORMED, "%s: is %s, not %s", key_names[key],
		saga__token_name(token->kind), wanted);
}

static int take_long_text(struct reading *r, enum key key)
{
	struct saga__token token;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind != SAGA__TOKEN_TEXT)
		return another_kind(r, key, &token, "a text");
	r->texts[key] = (saga_bytes){ token.at, token.size };
	return SAGA_OK;
}

/* Whether it is UTF-8 is seen when it is copied. */
static inline int take_text(struct reading *r, enum key key)
{
	saga_bytes *text = &r->texts[key];

	if (saga__scan_short(&r->scan, text) || saga__scan_middling(&r->scan, text))
		return SAGA_OK;
	return take_long_text(r, key);
}

/* It only serves who looks for faults: one that we can't hold costs nobody the event. */
static int take_trace(struct reading *r)
{
	struct saga__scan scan = r->scan;
	struct saga__token token;

	if (!saga__scan_skip(&r->scan, SAGA__BODY_LEVELS))
		return saga__scan_error(&r->scan, r->error);
	if (saga__scan_token(&scan, &token) && token.kind == SAGA__TOKEN_TEXT &&
		token.size <= SAGA__SUBJECT_MOST && saga__utf8_text(token.at, token.size))
		r->texts[TRACEPARENT] = (saga_bytes){ token.at, token.size };
	return SAGA_OK;
}

static int take_long_id(struct reading *r, enum key key)
{
	struct saga__token token;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind != SAGA__TOKEN_EXT || token.ext != SAGA__EXT_ID ||
		token.size != sizeof(saga_id))
		return another_kind(r, key, &token, "an id");
	memcpy(&r->ids[key - FIRST_ID], token.at, sizeof(saga_id));
	return SAGA_OK;
}

static inline int take_id(struct reading *r, enum key key)
{
	const unsigned char *at = r->scan.at;

	if (r->scan.end - at < 18 || at[0] != 0xd8 || at[1] != SAGA__EXT_ID)
		return take_long_id(r, key);
	memcpy(&r->ids[key - FIRST_ID], at + 2, sizeof(saga_id));
	r->scan.at = at + 18;
	return SAGA_OK;
}

static int out_of_range(struct reading *r, enum key key)
{
	return refuse(r, key,
		key == VERSION        ? "is not from 1 to 2147483647"
			: key == TIME ? "is not of the years 1 to 9999"
				      : "is negative");
}

static inline int take_number(struct reading *r, enum key key)
{
	static const int64_t least[NUMBERS] = { 1, SAGA__TIME_LEAST, 0 };
	static const int64_t most[NUMBERS] = { INT_MAX, SAGA__TIME_MOST, INT64_MAX };
	size_t i = (size_t)(key - FIRST_NUMBER);
	struct saga__token token;

	if (!saga__scan_int(&r->scan, &token) && !saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind == SAGA__TOKEN_INT) {
		if ((int64_t)token.bits < least[i] || (int64_t)token.bits > most[i])
			return out_of_range(r, key);
	} else {
		return another_kind(r, key, &token, "an integer");
	}
	r->numbers[i] = token.bits;
	return SAGA_OK;
}

static int no_map(struct reading *r, const unsigned char *at)
{
	struct saga__token token;

	r->scan.at = at;
	(void)saga__scan_token(&r->scan, &token);
	return another_kind(r, DATA, &token, "a map");
}

static int take_data(struct reading *r)
{
	const unsigned char *at = r->scan.at;

	if (!saga__scan_skip(&r->scan, SAGA__BODY_LEVELS))
		return saga__scan_error(&r->scan, r->error);
	if ((*at & 0xf0) != 0x80 && *at != 0xde && *at != 0xdf)
		return no_map(r, at);
	r->data = (saga_bytes){ at, (size_t)(r->scan.at - at) };
	return SAGA_OK;
}

static inline int take_value(struct reading *r, enum key key)
{
	if (r->scan.at < r->scan.end && *r->scan.at == NIL && may_be_nil >> key & 1) {
		r->scan.at++;
		return SAGA_OK;
	}
	if (key == TRACEPARENT)
		return take_trace(r);
	if (key < FIRST_ID)
		return take_text(r, key);
	if (key < FIRST_NUMBER)
		return take_id(r, key);
	if (key < DATA)
		return take_number(r, key);
	return take_data(r);
}

static int take_long_key(struct reading *r, saga_bytes *ret_key)
{
	const unsigned char *at = r->scan.at;
	struct saga__token token;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind != SAGA__TOKEN_TEXT) {
		r->scan.at = at;
		r->scan.wrong = "is a key that is no text";
		return saga__scan_error(&r->scan, r->error);
	}
	*ret_key = (saga_bytes){ token.at, token.size };
	return SAGA_OK;
}

static inline int take_pair(struct reading *r)
{
	saga_bytes name = { NULL, 0 };
	int code = SAGA_OK;

	if (!saga__scan_short(&r->scan, &name))
		code = take_long_key(r, &name);
	if (code != SAGA_OK)
		return code;

	enum key key = key_of(name.at, name.size);

	if (key == UNKNOWN) {
		if (!saga__scan_skip(&r->scan, SAGA__BODY_LEVELS))
			return saga__scan_error(&r->scan, r->error);
		return SAGA_OK;
	}

	unsigned bit = 1u << key;

	if (r->seen & bit)
		return refuse(r, key, "is there twice");
	r->seen |= bit;
	return take_value(r, key);
}

/*
 * As saga__event_encode begins, and so do nearly all: what has a fixed size needs no look at each
 * key. False: it begins otherwise.
 */
static bool take_start(struct reading *r, uint32_t *ret_pairs)
{
	static const char usual[] = "\xabspecversion\xa3"
				    "1.0\xa2id\xd8\x01";
	const size_t size = sizeof usual - 1;
	const unsigned char *at = r->scan.at;

	if ((size_t)(r->scan.end - at) < 1 + size + sizeof(saga_id) || at[0] - 0x82u > 13 ||
		memcmp(at + 1, usual, size) != 0)
		return false;
	r->texts[SPECVERSION] = (saga_bytes){ at + 14, 3 };
	memcpy(&r->ids[ID - FIRST_ID], at + 1 + size, sizeof(saga_id));
	r->seen = 1u << SPECVERSION | 1u << ID;
	r->scan.at = at + 1 + size + sizeof(saga_id);
	*ret_pairs = at[0] - 0x82u;
	return true;
}

static int take_head(struct reading *r, uint32_t *ret_pairs)
{
	struct saga__token map;

	if (take_start(r, ret_pairs))
		return SAGA_OK;
	if (!saga__scan_token(&r->scan, &map))
		return saga__scan_error(&r->scan, r->error);
	if (map.kind != SAGA__TOKEN_MAP)
		return saga_error_set(
			r->error, SAGA_MALFORMED, "is %s, not a map", saga__token_name(map.kind));
	*ret_pairs = map.size;
	return SAGA_OK;
}

static int check_texts(struct reading *r)
{
	const saga_bytes *texts = r->texts;

	if (texts[SPECVERSION].size != 3 || memcmp(texts[SPECVERSION].at, "1.0", 3) != 0)
		return refuse(r, SPECVERSION, "is not 1.0");
	if (texts[SOURCE].size == 0)
		return refuse(r, SOURCE, "is empty");
	if (texts[TYPE].size == 0 || texts[TYPE].size > SAGA__NAME_MOST)
		return refuse(r, TYPE, "is not of 1 to 63 bytes");
	for (enum key key = SOURCE; key < TEXTS; key++)
		if (texts[key].size > SAGA__SUBJECT_MOST)
			return refuse(r, key, "is longer than 255 bytes");
	return SAGA_OK;
}

static int take_event(struct reading *r)
{
	uint32_t pairs = 0;
	int code = take_head(r, &pairs);

	for (; code == SAGA_OK && pairs; pairs--)
		code = take_pair(r);
	if (code != SAGA_OK)
		return code;
	if (r->scan.at != r->scan.end) {
		r->scan.wrong = "follows the end";
		return saga__scan_error(&r->scan, r->error);
	}
	for (unsigned key = 0; (r->seen & needed) != needed; key++)
		if (needed >> key & 1 && !(r->seen >> key & 1))
			return refuse(r, (enum key)key, "is missing");
	return check_texts(r);
}

/* NULL: it is no text. */
static inline const char *keep_text(struct reading *r, enum key key, char **room)
{
	saga_bytes text = r->texts[key];
	char *at = *room;

	if (!saga__copy_plain(at, text.at, text.size) && !saga__utf8_text(text.at, text.size)) {
		bool has_nul = text.at && memchr(text.at, 0, text.size);

		(void)refuse(r, key, has_nul ? "has a NUL in it" : "is no UTF-8");
		return NULL;
	}
	at[text.size] = '\0';
	*room = at + text.size + 1;
	return at;
}

static int keep_event(struct reading *r, struct saga__arena *arena, struct saga_event *ret_event)
{
	const saga_bytes *texts = r->texts;
	const char *kept[TEXTS];
	size_t size = texts[SOURCE].size + texts[TYPE].size + texts[SUBJECT].size +
		texts[TRACEPARENT].size + 4;
	char *room = saga__arena_alloc(arena, size);

	if (!room)
		return saga__arena_error(arena, size, r->error);
	for (enum key key = SOURCE; key < TEXTS; key++)
		if (!(kept[key] = keep_text(r, key, &room)))
			return SAGA_MALFORMED;
	*ret_event = (struct saga_event){
		.id = r->ids[ID - FIRST_ID],
		.saga = r->ids[SAGAID - FIRST_ID],
		.causation = r->ids[CAUSATIONID - FIRST_ID],
		.time = (int64_t)r->numbers[TIME - FIRST_NUMBER],
		.sequence = r->numbers[SEQUENCE - FIRST_NUMBER],
		.version = (int)r->numbers[VERSION - FIRST_NUMBER],
		.source = kept[SOURCE],
		.type = kept[TYPE],
		.subject = kept[SUBJECT],
		.traceparent = kept[TRACEPARENT],
		.data = r->data,
		.of = NULL,
		.body = NULL,
	};
	return SAGA_OK;
}

int saga__event_decode(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes wire,
	struct saga_event *ret_event, saga_error *error)
{
	struct reading r = { .scan = saga__scan_of(wire), .error = error };
	int code = take_event(&r);

	if (code == SAGA_OK)
		code = keep_event(&r, arena, ret_event);
	if (code != SAGA_OK)
		return saga__error_within(error, code, "event: ");
	saga__decoder_scanned(decoder, r.data);
	return SAGA_OK;
}
