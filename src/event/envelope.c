#include "envelope.h"

#include <limits.h>
#include <string.h>

#include "body.h"
#include "id.h"
#include "pack.h"
#include "token.h"
#include "unpack.h"
#include "utf8.h"
#include "where.h"
#include "words.h"

/* From the year 1 to 9999: what RFC 3339 can say. */
#define YEAR_1 INT64_C(-62135596800000)
#define YEAR_9999 INT64_C(253402300799999)

static bool is_time(int64_t ms)
{
	return ms >= YEAR_1 && ms <= YEAR_9999;
}

/* ---- encoding ---- */

/* Key and what has a fixed size go where pack_text has left room. */
#define PUT(at_, literal_) saga__put(at_, literal_, sizeof(literal_) - 1)

static bool check_attributes(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	if (!type || !*type || strnlen(type, SAGA__NAME_MOST + 1) > SAGA__NAME_MOST)
		return saga__pack_fail(
			p, SAGA_MALFORMED, "type: is not of 1 to %d bytes", SAGA__NAME_MOST);
	if (version < 1)
		return saga__pack_fail(p, SAGA_MALFORMED, "version: is %d, not 1 or more", version);
	if (!event->source || !*event->source)
		return saga__pack_fail(p, SAGA_MALFORMED, "source: is missing");
	if (!is_time(event->time))
		return saga__pack_fail(p, SAGA_MALFORMED,
			"time: %lld is not of the years 1 to 9999", (long long)event->time);
	return true;
}

static bool has_text(const char *x)
{
	return x && *x;
}

static size_t count_attributes(const struct saga_event *event)
{
	return 8u + (event->sequence != 0) + !saga__id_is_zero(event->causation) +
		has_text(event->subject) + has_text(event->traceparent);
}

static bool put_names(struct saga__packing *p, const struct saga_event *event, const char *type)
{
	char *at = saga__put_map_head(p->at, count_attributes(event));

	at = PUT(at,
		"\xabspecversion\xa3"
		"1.0\xa2id");
	at = saga__put_id(at, &event->id);
	p->at = PUT(at, "\xa6source");
	if (!saga__pack_text(p, "source", event->source))
		return false;
	p->at = PUT(p->at, "\xa4type");
	return saga__pack_text(p, "type", type);
}

static void put_numbers(struct saga__packing *p, const struct saga_event *event, int version)
{
	char *at = PUT(p->at, "\xa7version");

	at = saga__put_int64(at, version);
	at = PUT(at, "\xa6sagaid");
	at = saga__put_id(at, &event->saga);
	at = PUT(at, "\xa4time");
	at = saga__put_int64(at, event->time);
	if (event->sequence) {
		at = PUT(at, "\xa8sequence");
		at = saga__put_uint64(at, event->sequence);
	}
	if (!saga__id_is_zero(event->causation)) {
		at = PUT(at,
			"\xab"
			"causationid");
		at = saga__put_id(at, &event->causation);
	}
	p->at = at;
}

static bool put_texts(struct saga__packing *p, const struct saga_event *event)
{
	if (has_text(event->subject)) {
		p->at = PUT(p->at, "\xa7subject");
		if (!saga__pack_text(p, "subject", event->subject))
			return false;
	}
	if (has_text(event->traceparent)) {
		p->at = PUT(p->at, "\xabtraceparent");
		if (!saga__pack_text(p, "traceparent", event->traceparent))
			return false;
	}
	return true;
}

static bool put_envelope(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	if (!check_attributes(p, event, type, version) || !saga__pack_need(p, SAGA__PACK_SMALL) ||
		!put_names(p, event, type))
		return false;
	put_numbers(p, event, version);
	if (!put_texts(p, event))
		return false;
	p->at = PUT(p->at,
		"\xa4"
		"data");
	return true;
}

static bool put_data(struct saga__packing *p, saga_bytes data)
{
	saga_error wrong;

	if (saga__scan_map(data, SAGA__BODY_LEVELS, &wrong) != SAGA_OK)
		return saga__pack_fail(p, SAGA_MALFORMED, "data: %s", wrong.text);
	return saga__pack_bytes(p, data.at, data.size);
}

int saga__event_encode(struct saga__buffer *buffer, const struct saga_event *event,
	const saga_type *type, const void *body, const char *why, saga_error *error)
{
	const char *name = type ? type->name : event->type;
	int version = type ? type->version : event->version;
	struct saga__packing packing;

	saga__pack_init(&packing, buffer, why, error);
	if (put_envelope(&packing, event, name, version))
		(void)(type ? saga__pack_body(&packing, &type->body, body)
			    : put_data(&packing, event->data));
	return saga__pack_end(&packing, name ? name : "event");
}

/* ---- decoding ---- */

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

/* What came, in the order of the keys. */
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

static int take_long_text(struct reading *r, enum key key, saga_bytes *ret_text)
{
	struct saga__token token;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind != SAGA__TOKEN_TEXT)
		return another_kind(r, key, &token, "a text");
	*ret_text = (saga_bytes){ token.at, token.size };
	return SAGA_OK;
}

static inline int take_text(struct reading *r, enum key key)
{
	saga_bytes text = { NULL, 0 };
	int code = SAGA_OK;

	if (!saga__scan_short(&r->scan, &text))
		code = take_long_text(r, key, &text);
	if (code != SAGA_OK)
		return code;
	if (!saga__plain(text.at, text.size) && !saga__utf8_text(text.at, text.size))
		return refuse(
			r, key, memchr(text.at, 0, text.size) ? "has a NUL in it" : "is no UTF-8");
	r->texts[key] = text;
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
	static const int64_t least[NUMBERS] = { 1, YEAR_1, 0 };
	static const int64_t most[NUMBERS] = { INT_MAX, YEAR_9999, INT64_MAX };
	size_t i = (size_t)(key - FIRST_NUMBER);
	struct saga__token token;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind == SAGA__TOKEN_INT) {
		if ((int64_t)token.bits < least[i] || (int64_t)token.bits > most[i])
			return out_of_range(r, key);
	} else if (token.kind != SAGA__TOKEN_BEYOND || key != SEQUENCE) {
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
	if (r->seen >> key & 1)
		return refuse(r, key, "is there twice");
	r->seen |= 1u << key;
	return take_value(r, key);
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
	return SAGA_OK;
}

static int take_event(struct reading *r)
{
	struct saga__token map;

	if (!saga__scan_token(&r->scan, &map))
		return saga__scan_error(&r->scan, r->error);
	if (map.kind != SAGA__TOKEN_MAP)
		return saga_error_set(
			r->error, SAGA_MALFORMED, "is %s, not a map", saga__token_name(map.kind));
	for (; map.size; map.size--) {
		int code = take_pair(r);

		if (code != SAGA_OK)
			return code;
	}
	if (r->scan.at != r->scan.end) {
		r->scan.wrong = "follows the end";
		return saga__scan_error(&r->scan, r->error);
	}
	for (unsigned key = 0; (r->seen & needed) != needed; key++)
		if (needed >> key & 1 && !(r->seen >> key & 1))
			return refuse(r, (enum key)key, "is missing");
	return check_texts(r);
}

static char *keep_text(char *to, saga_bytes text, const char **ret_text)
{
	*ret_text = to;
	if (text.size)
		saga__copy(to, text.at, text.size);
	to[text.size] = '\0';
	return to + text.size + 1;
}

static int keep_event(struct reading *r, struct saga__arena *arena, struct saga_event *ret_event)
{
	const saga_bytes *texts = r->texts;
	size_t size = texts[SOURCE].size + texts[TYPE].size + texts[SUBJECT].size +
		texts[TRACEPARENT].size + 4;
	char *to = saga__arena_alloc(arena, size);

	if (!to)
		return saga__arena_error(arena, size, r->error);
	*ret_event = (struct saga_event){
		.id = r->ids[ID - FIRST_ID],
		.saga = r->ids[SAGAID - FIRST_ID],
		.causation = r->ids[CAUSATIONID - FIRST_ID],
		.time = (int64_t)r->numbers[TIME - FIRST_NUMBER],
		.sequence = r->numbers[SEQUENCE - FIRST_NUMBER],
		.version = (int)r->numbers[VERSION - FIRST_NUMBER],
		.data = r->data,
	};
	to = keep_text(to, texts[SOURCE], &ret_event->source);
	to = keep_text(to, texts[TYPE], &ret_event->type);
	to = keep_text(to, texts[SUBJECT], &ret_event->subject);
	(void)keep_text(to, texts[TRACEPARENT], &ret_event->traceparent);
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
