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

/* From the year 1 to 9999: what RFC 3339 can say. */
static const int64_t time_least = INT64_C(-62135596800000);
static const int64_t time_most = INT64_C(253402300799999);

static bool is_time(int64_t ms)
{
	return ms >= time_least && ms <= time_most;
}

/* ---- encoding ---- */

#define PUT(packing_, literal_) saga__append(packing_, literal_, sizeof(literal_) - 1)

static bool put_name(struct saga__packing *p, const char *name, const char *x)
{
	if (x && !*x)
		return saga__pack_fail(p, SAGA_MALFORMED, "%s: is empty", name);
	return saga__pack_text(p, name, x);
}

static bool put_time(struct saga__packing *p, int64_t ms)
{
	if (!is_time(ms))
		return saga__pack_fail(p, SAGA_MALFORMED,
			"time: %lld is not of the years 1 to 9999", (long long)ms);
	return saga__pack_int64(p, ms);
}

static bool put_type(struct saga__packing *p, const char *name, int version)
{
	if (name && strnlen(name, SAGA__NAME_MOST + 1) > SAGA__NAME_MOST)
		return saga__pack_fail(
			p, SAGA_MALFORMED, "type: is longer than %d bytes", SAGA__NAME_MOST);
	if (version < 1)
		return saga__pack_fail(p, SAGA_MALFORMED, "version: is %d, not 1 or more", version);
	return PUT(p, "\xa4type") && put_name(p, "type", name) && PUT(p, "\xa7version") &&
		saga__pack_int64(p, version);
}

static bool put_attributes(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	return PUT(p,
		       "\xabspecversion\xa3"
		       "1.0\xa2id") &&
		saga__pack_id(p, &event->id) && PUT(p, "\xa6source") &&
		put_name(p, "source", event->source) && put_type(p, type, version) &&
		PUT(p, "\xa6sagaid") && saga__pack_id(p, &event->saga) && PUT(p, "\xa4time") &&
		put_time(p, event->time);
}

static bool put_sequence(struct saga__packing *p, uint64_t sequence)
{
	return sequence == 0 ||
		(PUT(p, "\xa8sequence") && saga__mp_uint64(&p->packer, sequence) == 0);
}

static bool put_causation(struct saga__packing *p, const saga_id *causation)
{
	return saga__id_is_zero(*causation) ||
		(PUT(p,
			 "\xab"
			 "causationid") &&
			saga__pack_id(p, causation));
}

static bool has_text(const char *x)
{
	return x && *x;
}

static bool put_envelope(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	bool subject = has_text(event->subject);
	bool traceparent = has_text(event->traceparent);
	size_t count = 8u + (event->sequence != 0) + !saga__id_is_zero(event->causation) + subject +
		traceparent;

	return saga__mp_map(&p->packer, count) == 0 && put_attributes(p, event, type, version) &&
		put_sequence(p, event->sequence) && put_causation(p, &event->causation) &&
		(!subject ||
			(PUT(p, "\xa7subject") && saga__pack_text(p, "subject", event->subject))) &&
		(!traceparent ||
			(PUT(p, "\xabtraceparent") &&
				saga__pack_text(p, "traceparent", event->traceparent))) &&
		PUT(p,
			"\xa4"
			"data");
}

static bool put_data(struct saga__packing *p, saga_bytes data)
{
	saga_error wrong;

	if (saga__scan_map(data, SAGA__BODY_LEVELS, &wrong) != SAGA_OK)
		return saga__pack_fail(p, SAGA_MALFORMED, "data: %s", wrong.text);
	return saga__append(p, data.at, data.size);
}

int saga__event_encode(struct saga__buffer *buffer, const struct saga_event *event,
	const saga_type *type, const void *body, const char *why, saga_error *error)
{
	const char *name = type ? type->name : event->type;
	int version = type ? type->version : event->version;
	struct saga__packing packing;

	saga__pack_init(&packing, buffer, why, error);
	if (!put_envelope(&packing, event, name, version) ||
		!(type ? saga__pack_body(&packing, &type->body, body)
		       : put_data(&packing, event->data)))
		saga__error_within(error, packing.code, "%s: ", name ? name : "event");
	return saga__pack_end(&packing);
}

/* ---- decoding ---- */

enum key {
	SPECVERSION,
	ID,
	SOURCE,
	TYPE,
	VERSION,
	SAGAID,
	TIME,
	DATA,
	NEEDED, /* the number of those that must be there */
	SEQUENCE = NEEDED,
	CAUSATIONID,
	SUBJECT,
	TRACEPARENT,
	UNKNOWN,
};

static const char *const key_names[] = {
	"specversion",
	"id",
	"source",
	"type",
	"version",
	"sagaid",
	"time",
	"data",
	"sequence",
	"causationid",
	"subject",
	"traceparent",
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

struct reading {
	struct saga__scan scan;
	struct saga__arena *arena;
	struct saga_event event;
	saga_error *error;
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

static int take_id(
	struct reading *r, enum key key, const struct saga__token *token, saga_id *ret_id)
{
	if (token->kind != SAGA__TOKEN_EXT || token->ext != SAGA__EXT_ID ||
		token->size != sizeof *ret_id)
		return another_kind(r, key, token, "an id");
	memcpy(ret_id, token->at, sizeof *ret_id);
	return SAGA_OK;
}

static int take_text(
	struct reading *r, enum key key, const struct saga__token *token, const char **ret_text)
{
	if (token->kind != SAGA__TOKEN_TEXT)
		return another_kind(r, key, token, "a text");
	if (!saga__utf8_text(token->at, token->size))
		return refuse(r, key,
			memchr(token->at, 0, token->size) ? "has a NUL in it" : "is no UTF-8");

	const char *text = saga__arena_text(r->arena, token->at, token->size);

	if (!text) {
		int code = saga__arena_error(r->arena, (size_t)token->size + 1, r->error);

		return saga__error_within(r->error, code, "%s: ", key_names[key]);
	}
	*ret_text = text;
	return SAGA_OK;
}

static int take_name(
	struct reading *r, enum key key, const struct saga__token *token, const char **ret_text)
{
	if (token->kind == SAGA__TOKEN_TEXT && token->size == 0)
		return refuse(r, key, "is empty");
	if (token->kind == SAGA__TOKEN_TEXT && key == TYPE && token->size > SAGA__NAME_MOST)
		return refuse(r, key, "is longer than 63 bytes");
	return take_text(r, key, token, ret_text);
}

static int take_version(struct reading *r, const struct saga__token *token)
{
	if (token->kind != SAGA__TOKEN_INT)
		return another_kind(r, VERSION, token, "an integer");
	if ((int64_t)token->bits < 1 || (int64_t)token->bits > INT_MAX)
		return refuse(r, VERSION, "is not 1 or more");
	r->event.version = (int)token->bits;
	return SAGA_OK;
}

static int take_time(struct reading *r, const struct saga__token *token)
{
	if (token->kind != SAGA__TOKEN_INT)
		return another_kind(r, TIME, token, "an integer");
	if (!is_time((int64_t)token->bits))
		return refuse(r, TIME, "is not of the years 1 to 9999");
	r->event.time = (int64_t)token->bits;
	return SAGA_OK;
}

static int take_sequence(struct reading *r, const struct saga__token *token)
{
	if (token->kind != SAGA__TOKEN_INT && token->kind != SAGA__TOKEN_BEYOND)
		return another_kind(r, SEQUENCE, token, "an integer");
	if (token->kind == SAGA__TOKEN_INT && (int64_t)token->bits < 0)
		return refuse(r, SEQUENCE, "is negative");
	r->event.sequence = token->bits;
	return SAGA_OK;
}

static int take_specversion(struct reading *r, const struct saga__token *token)
{
	if (token->kind != SAGA__TOKEN_TEXT)
		return another_kind(r, SPECVERSION, token, "a text");
	if (token->size != 3 || memcmp(token->at, "1.0", 3) != 0)
		return refuse(r, SPECVERSION, "is not 1.0");
	return SAGA_OK;
}

static int take_data(struct reading *r)
{
	const unsigned char *from = r->scan.at;
	struct saga__scan peek = r->scan;
	struct saga__token token;

	if (!saga__scan_skip(&r->scan, SAGA__BODY_LEVELS))
		return saga__scan_error(&r->scan, r->error);
	(void)saga__scan_token(&peek, &token);
	if (token.kind != SAGA__TOKEN_MAP)
		return another_kind(r, DATA, &token, "a map");
	r->event.data = (saga_bytes){ from, (size_t)(r->scan.at - from) };
	return SAGA_OK;
}

static int take_value(struct reading *r, enum key key)
{
	struct saga__token token;

	if (key == DATA)
		return take_data(r);
	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	switch (key) {
	case SPECVERSION:
		return take_specversion(r, &token);
	case ID:
		return take_id(r, key, &token, &r->event.id);
	case SAGAID:
		return take_id(r, key, &token, &r->event.saga);
	case CAUSATIONID:
		return take_id(r, key, &token, &r->event.causation);
	case SOURCE:
		return take_name(r, key, &token, &r->event.source);
	case TYPE:
		return take_name(r, key, &token, &r->event.type);
	case SUBJECT:
		return take_text(r, key, &token, &r->event.subject);
	case TRACEPARENT:
		return take_text(r, key, &token, &r->event.traceparent);
	case VERSION:
		return take_version(r, &token);
	case TIME:
		return take_time(r, &token);
	default:
		return take_sequence(r, &token);
	}
}

static int take_pair(struct reading *r, unsigned *seen)
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

	enum key key = key_of(token.at, token.size);

	if (key == UNKNOWN) {
		if (!saga__scan_skip(&r->scan, SAGA__BODY_LEVELS))
			return saga__scan_error(&r->scan, r->error);
		return SAGA_OK;
	}
	if (*seen >> key & 1)
		return refuse(r, key, "is there twice");
	*seen |= 1u << key;
	return take_value(r, key);
}

static int take_map(struct reading *r)
{
	struct saga__token token;
	unsigned seen = 0;

	if (!saga__scan_token(&r->scan, &token))
		return saga__scan_error(&r->scan, r->error);
	if (token.kind != SAGA__TOKEN_MAP)
		return saga_error_set(
			r->error, SAGA_MALFORMED, "is %s, not a map", saga__token_name(token.kind));
	for (uint32_t i = 0; i < token.size; i++) {
		int code = take_pair(r, &seen);

		if (code != SAGA_OK)
			return code;
	}
	if (r->scan.at != r->scan.end) {
		r->scan.wrong = "follows the end";
		return saga__scan_error(&r->scan, r->error);
	}
	for (unsigned key = 0; key < NEEDED; key++)
		if (!(seen >> key & 1))
			return refuse(r, (enum key)key, "is missing");
	return SAGA_OK;
}

int saga__event_decode(struct saga__decoder *decoder, struct saga__arena *arena, saga_bytes wire,
	struct saga_event *ret_event, saga_error *error)
{
	struct reading r = {
		.scan = saga__scan_of(wire),
		.arena = arena,
		.event = { .subject = "", .traceparent = "" },
		.error = error,
	};
	int code = take_map(&r);

	if (code != SAGA_OK)
		return saga__error_within(error, code, "event: ");
	saga__decoder_scanned(decoder, r.event.data);
	*ret_event = r.event;
	return SAGA_OK;
}
