#include "json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "show.h"
#include "utf8.h"

static void put(struct saga__json *json, const char *at, size_t size)
{
	json->put(json->context, at, size);
}

static void put_all(struct saga__json *json, const char *text)
{
	put(json, text, strlen(text));
}

/* ---- the commas ---- */

static void separate(struct saga__json *json)
{
	if (json->more)
		put(json, ",", 1);
	json->more = true;
}

void saga__json_open(struct saga__json *json, char bracket)
{
	separate(json);
	put(json, &bracket, 1);
	json->more = false;
}

void saga__json_close(struct saga__json *json, char bracket)
{
	put(json, &bracket, 1);
	json->more = true;
}

void saga__json_name(struct saga__json *json, const char *name)
{
	separate(json);
	put(json, "\"", 1);
	put_all(json, name);
	put(json, "\":", 2);
	json->more = false;
}

static void put_value(struct saga__json *json, const char *text)
{
	separate(json);
	put_all(json, text);
}

/* ---- texts ---- */

static unsigned code_point(const unsigned char *at, size_t step)
{
	assert(step >= 1 && step <= 3);
	if (step == 1)
		return at[0];
	if (step == 2)
		return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
	return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
}

static void put_escaped(struct saga__json *json, unsigned c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char escape[7];

	assert(c <= 0xffff);
	for (size_t i = 0; i < sizeof letters - 1; i += 2) {
		if ((unsigned char)letters[i] == c) {
			put(json, (const char[]){ '\\', letters[i + 1] }, 2);
			return;
		}
	}
	(void)snprintf(escape, sizeof escape, "\\u%04x", c & 0xffff);
	put(json, escape, 6);
}

void saga__json_put_bytes_as_text(struct saga__json *json, const void *text, size_t size)
{
	const unsigned char *at = text;

	separate(json);
	put(json, "\"", 1);
	for (size_t i = 0; i < size;) {
		size_t step = saga__utf8_step(at + i, size - i);

		if (step == 0)
			put_all(json, "\xef\xbf\xbd");
		else if (at[i] == '"' || at[i] == '\\' || saga__is_control(at + i, step))
			put_escaped(json, code_point(at + i, step));
		else
			put(json, (const char *)at + i, step);
		i += step ? step : 1;
	}
	put(json, "\"", 1);
}

void saga__json_put_text(struct saga__json *json, const char *text)
{
	saga__json_put_bytes_as_text(json, text, strlen(text));
}

void saga__json_put_base64(struct saga__json *json, const void *bytes, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = bytes;

	separate(json);
	put(json, "\"", 1);
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		unsigned bits = (unsigned)at[i] << 16 | (left > 1 ? (unsigned)at[i + 1] << 8 : 0) |
			(left > 2 ? at[i + 2] : 0);
		char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
			left > 1 ? digits[bits >> 6 & 63] : '=',
			left > 2 ? digits[bits & 63] : '=' };

		put(json, four, sizeof four);
	}
	put(json, "\"", 1);
}

void saga__json_put_hex(struct saga__json *json, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = bytes;

	separate(json);
	put(json, "\"", 1);
	for (size_t i = 0; i < size; i++)
		put(json, (const char[]){ digits[at[i] >> 4], digits[at[i] & 15] }, 2);
	put(json, "\"", 1);
}

void saga__json_put_id(struct saga__json *json, saga_id id)
{
	char text[SAGA_ID_TEXT];

	saga__json_put_text(json, saga_id_text(id, text));
}

/* ---- numbers ---- */

void saga__json_put_null(struct saga__json *json)
{
	put_value(json, "null");
}

void saga__json_put_bool(struct saga__json *json, bool value)
{
	put_value(json, value ? "true" : "false");
}

void saga__json_put_int(struct saga__json *json, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, value);
	put_value(json, text);
}

void saga__json_put_unsigned(struct saga__json *json, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, value);
	put_value(json, text);
}

/* The host's locale may write a comma in a number. */
void saga__json_put_real(struct saga__json *json, double value)
{
	char text[40];

	if (!isfinite(value)) {
		saga__json_put_null(json);
		return;
	}
	(void)snprintf(text, sizeof text, "%.17g", value);
	for (char *c = text; *c; c++)
		if (!strchr("0123456789+-e", *c))
			*c = '.';
	put_value(json, text);
}

/* ---- times ---- */

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

const char *saga__time_text(int64_t ms, char text[SAGA__TIME_TEXT])
{
	const int64_t day_ms = 24 * 60 * 60 * 1000;
	int64_t days = ms / day_ms - (ms % day_ms < 0);
	int of_day = (int)(ms - days * day_ms);
	int year, month, day;

	assert(of_day >= 0 && of_day < day_ms);
	date_of(days, &year, &month, &day);
	(void)snprintf(text, SAGA__TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month,
		day, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
	return text;
}

void saga__json_put_time(struct saga__json *json, int64_t ms)
{
	char text[SAGA__TIME_TEXT];

	saga__json_put_text(json, saga__time_text(ms, text));
}

/* ---- a buffer ---- */

static void put_into_buffer(void *context, const char *at, size_t size)
{
	struct saga__json_buffer *buffer = context;

	if (buffer->length + 1 < buffer->size) {
		size_t room = buffer->size - 1 - buffer->length;

		memcpy(buffer->at + buffer->length, at, size < room ? size : room);
	}
	buffer->length += size;
}

struct saga__json saga__json_into(struct saga__json_buffer *buffer)
{
	return (struct saga__json){ .put = put_into_buffer, .context = buffer };
}

size_t saga__json_end(const struct saga__json_buffer *buffer)
{
	size_t last = buffer->size ? buffer->size - 1 : 0;

	if (buffer->size)
		buffer->at[buffer->length < last ? buffer->length : last] = '\0';
	return buffer->length;
}
