#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "id.h"
#include "json.h"
#include "show.h"
#include "token.h"
#include "utf8.h"
#include "wire.h"

/* Counts all bytes and writes those that fit; the last byte is kept for the NUL. */
struct out {
	char *at;
	size_t room;
	size_t length;
};

static struct out out_of(char *buffer, size_t size)
{
	return (struct out){ buffer, size ? size - 1 : 0, 0 };
}

static size_t out_end(const struct out *out, size_t size)
{
	if (size)
		out->at[out->length < out->room ? out->length : out->room] = '\0';
	return out->length;
}

static void put(struct out *out, const char *at, size_t size)
{
	if (out->length < out->room) {
		size_t room = out->room - out->length;

		memcpy(out->at + out->length, at, size < room ? size : room);
	}
	out->length += size;
}

static void put_all(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

static unsigned code_point(const unsigned char *at, size_t step)
{
	assert(step >= 1 && step <= 3);
	if (step == 1)
		return at[0];
	if (step == 2)
		return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
	return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
}

static void put_escaped(struct out *out, unsigned c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char escape[7];

	assert(c <= 0xffff);
	for (size_t i = 0; i < sizeof letters - 1; i += 2) {
		if ((unsigned char)letters[i] == c) {
			put(out, (const char[]){ '\\', letters[i + 1] }, 2);
			return;
		}
	}
	(void)snprintf(escape, sizeof escape, "\\u%04x", c & 0xffff);
	put(out, escape, 6);
}

static void put_text(struct out *out, const void *text, size_t size)
{
	const unsigned char *at = text;

	put(out, "\"", 1);
	for (size_t i = 0; i < size;) {
		size_t step = saga__utf8_step(at + i, size - i);

		if (step == 0)
			put_all(out, "\xef\xbf\xbd");
		else if (at[i] == '"' || at[i] == '\\' || saga__is_control(at + i, step))
			put_escaped(out, code_point(at + i, step));
		else
			put(out, (const char *)at + i, step);
		i += step ? step : 1;
	}
	put(out, "\"", 1);
}

static void put_base64(struct out *out, const unsigned char *at, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	put(out, "\"", 1);
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		unsigned bits = (unsigned)at[i] << 16 | (left > 1 ? (unsigned)at[i + 1] << 8 : 0) |
			(left > 2 ? at[i + 2] : 0);
		char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
			left > 1 ? digits[bits >> 6 & 63] : '=',
			left > 2 ? digits[bits & 63] : '=' };

		put(out, four, sizeof four);
	}
	put(out, "\"", 1);
}

static void put_id(struct out *out, saga_id id)
{
	char text[SAGA_ID_TEXT];

	put(out, "\"", 1);
	put_all(out, saga_id_text(id, text));
	put(out, "\"", 1);
}

/* Only a newer sender's unknown fields can hold one. The host's locale may have a comma. */
static void put_real(struct out *out, double real)
{
	char text[40];

	if (!isfinite(real)) {
		put_all(out, "null");
		return;
	}
	(void)snprintf(text, sizeof text, "%.17g", real);
	for (char *c = text; *c; c++)
		if (!strchr("0123456789+-e", *c))
			*c = '.';
	put_all(out, text);
}

static void put_int(struct out *out, int64_t x)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, x);
	put_all(out, text);
}

static void put_unsigned(struct out *out, uint64_t x)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, x);
	put_all(out, text);
}

static void put_ext(struct out *out, const struct saga__token *token)
{
	saga_id id;

	if (token->ext != SAGA__EXT_ID || token->size != sizeof id) {
		put_base64(out, token->at, token->size);
		return;
	}
	memcpy(&id, token->at, sizeof id);
	put_id(out, id);
}

static void put_value(struct out *out, struct saga__scan *scan);

static void put_many(struct out *out, struct saga__scan *scan, const struct saga__token *of)
{
	bool map = of->kind == SAGA__TOKEN_MAP;

	put(out, map ? "{" : "[", 1);
	for (uint32_t i = 0; i < of->size; i++) {
		if (i)
			put(out, ",", 1);
		if (map) {
			put_value(out, scan);
			put(out, ":", 1);
		}
		put_value(out, scan);
	}
	put(out, map ? "}" : "]", 1);
}

/* The scan has shown that all is whole, no deeper than it may be, and each key a text. */
static void put_value(struct out *out, struct saga__scan *scan)
{
	struct saga__token token = { .kind = SAGA__TOKEN_NIL };

	(void)saga__scan_token(scan, &token);
	switch (token.kind) {
	case SAGA__TOKEN_NIL:
		put_all(out, "null");
		break;
	case SAGA__TOKEN_FLAG:
		put_all(out, token.bits ? "true" : "false");
		break;
	case SAGA__TOKEN_INT:
		put_int(out, (int64_t)token.bits);
		break;
	case SAGA__TOKEN_BEYOND:
		put_unsigned(out, token.bits);
		break;
	case SAGA__TOKEN_FLOAT:
		put_real(out, token.real);
		break;
	case SAGA__TOKEN_TEXT:
		put_text(out, token.at, token.size);
		break;
	case SAGA__TOKEN_BYTES:
		put_base64(out, token.at, token.size);
		break;
	case SAGA__TOKEN_EXT:
		put_ext(out, &token);
		break;
	default:
		put_many(out, scan, &token);
		break;
	}
}

static void put_body(struct out *out, saga_bytes data)
{
	struct saga__scan scan = saga__scan_of(data);

	if (saga__scan_map(data, SAGA__BODY_LEVELS, NULL) == SAGA_OK)
		put_value(out, &scan);
	else
		put_all(out, "null");
}

size_t saga__json_body(saga_bytes data, char *buffer, size_t size)
{
	struct out out = out_of(buffer, size);

	put_body(&out, data);
	return out_end(&out, size);
}

size_t saga__json_text(const char *text, char *buffer, size_t size)
{
	struct out out = out_of(buffer, size);

	put_text(&out, text, strlen(text));
	return out_end(&out, size);
}

static void put_member(struct out *out, const char *name, const char *text)
{
	put_all(out, name);
	put_text(out, text, strlen(text));
}

/* Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin in March. */
static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t since = days + 719468;
	int64_t era = (since >= 0 ? since : since - 146096) / 146097;
	int64_t day_of_era = since - era * 146097;
	int64_t year =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;

	*ret_day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
	*ret_month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

static void put_time(struct out *out, int64_t ms)
{
	const int64_t day_ms = 24 * 60 * 60 * 1000;
	int64_t days = ms / day_ms - (ms % day_ms < 0);
	int of_day = (int)(ms - days * day_ms);
	int year, month, day;
	char text[80];

	date_of(days, &year, &month, &day);
	(void)snprintf(text, sizeof text, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", year, month,
		day, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
	put_all(out, text);
}

/* CloudEvents has `sequence` as a text: its integers have 32 bits. */
static void put_left_out(struct out *out, const struct saga_event *event)
{
	if (event->subject && *event->subject)
		put_member(out, ",\"subject\":", event->subject);
	if (event->sequence) {
		put_all(out, ",\"sequence\":\"");
		put_unsigned(out, event->sequence);
		put(out, "\"", 1);
	}
	if (!saga__id_is_zero(event->causation)) {
		put_all(out, ",\"causationid\":");
		put_id(out, event->causation);
	}
	if (event->traceparent && *event->traceparent)
		put_member(out, ",\"traceparent\":", event->traceparent);
}

size_t saga__json_event(const struct saga_event *event, char *buffer, size_t size)
{
	struct out out = out_of(buffer, size);

	put_all(&out, "{\"specversion\":\"1.0\",\"id\":");
	put_id(&out, event->id);
	put_member(&out, ",\"source\":", event->source);
	put_member(&out, ",\"type\":", event->type);
	put_all(&out, ",\"version\":");
	put_int(&out, event->version);
	put_all(&out, ",\"sagaid\":");
	put_id(&out, event->saga);
	put_all(&out, ",\"time\":");
	put_time(&out, event->time);
	put_left_out(&out, event);
	put_all(&out, ",\"datacontenttype\":\"application/json\",\"data\":");
	put_body(&out, event->data);
	put_all(&out, "}");
	return out_end(&out, size);
}
