#include "text.h"

#include <saga/plugin.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../event/json.h"
#include "../event/show.h"

enum {
	FAILURE_BYTES = 4096
};

int fail(const char *format, ...)
{
	char text[FAILURE_BYTES];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	complain("saga: %s", text);
	return 1;
}

/* ---- times ---- */

static void write_time(int64_t ms, char buffer[TIME_TEXT])
{
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm;
	size_t length = 0;

	if (gmtime_r(&seconds, &tm))
		length = strftime(buffer, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(
		buffer + length, TIME_TEXT - length, ".%03dZ", (int)(ms - (int64_t)seconds * 1000));
}

const char *time_relative(int64_t ms, int64_t now, char buffer[TIME_TEXT])
{
	static const struct {
		int64_t ms, most;
		const char *name;
	} units[] = { { 1000, 120, "s" }, { 60000, 120, "min" }, { 3600000, 48, "h" },
		{ 86400000, INT64_MAX, "d" } };
	bool ahead = ms > now;
	int64_t away = ahead ? ms - now : now - ms;
	size_t i = 0;

	while (away / units[i].ms >= units[i].most)
		i++;
	(void)snprintf(buffer, TIME_TEXT, "%s%" PRId64 " %s%s", ahead ? "in " : "",
		away / units[i].ms, units[i].name, ahead ? "" : " ago");
	return buffer;
}

const char *time_text(int64_t ms, int64_t now, char buffer[TIME_TEXT])
{
	char absolute[TIME_TEXT], relative[TIME_TEXT];

	write_time(ms, absolute);
	(void)snprintf(
		buffer, TIME_TEXT, "%.30s (%.28s)", absolute, time_relative(ms, now, relative));
	return buffer;
}

/* ---- for a terminal ---- */

static size_t put_or_count(FILE *out, const char *text)
{
	size_t left = strlen(text), width = 0;

	while (left) {
		char shown[SAGA__SHOWN_MOST];
		size_t step, size = saga__show(text, left, shown, &step);

		if (out)
			(void)fwrite(shown, 1, size, out);
		width += size == step ? 1 : size;
		text += step;
		left -= step;
	}
	return width;
}

size_t put_safely(FILE *out, const char *text)
{
	return put_or_count(out, text);
}

size_t width_of(const char *text)
{
	return put_or_count(NULL, text);
}

/* ---- JSON ---- */

/* Calls a writer of json.h twice: for the length, then for the text. */
#define PUT_JSON(out_, writer_, of_) \
	do { \
		size_t size_ = writer_(of_, NULL, 0) + 1; \
		char *buffer_ = malloc(size_); \
\
		if (buffer_) { \
			(void)writer_(of_, buffer_, size_); \
			fputs(buffer_, out_); \
		} else { \
			fputs("null", out_); \
			(void)fail("out of memory"); \
		} \
		free(buffer_); \
	} while (0)

static void put_text(FILE *out, const char *text)
{
	PUT_JSON(out, saga__json_text, text);
}

void json_begin(struct json *json, FILE *out)
{
	*json = (struct json){ out, false };
	fputc('{', out);
}

void json_name(struct json *json, const char *name)
{
	fprintf(json->out, "%s\"%s\":", json->begun ? "," : "", name);
	json->begun = true;
}

void json_text(struct json *json, const char *name, const char *text)
{
	json_name(json, name);
	if (*text)
		put_text(json->out, text);
	else
		fputs("null", json->out);
}

void json_number(struct json *json, const char *name, int64_t number)
{
	json_name(json, name);
	fprintf(json->out, "%" PRId64, number);
}

void json_time(struct json *json, const char *name, int64_t ms)
{
	char text[TIME_TEXT] = "";

	if (ms != INT64_MAX)
		write_time(ms, text);
	json_text(json, name, text);
}

void json_id(struct json *json, const char *name, saga_id id)
{
	char text[SAGA_ID_TEXT];

	json_text(json, name, saga_id_text(id, text));
}

void json_end(struct json *json)
{
	fputs("}\n", json->out);
}

/* ---- events and questions ---- */

static void put_hex(FILE *out, saga_bytes bytes)
{
	const unsigned char *at = bytes.at;

	fputc('"', out);
	for (size_t i = 0; i < bytes.size; i++)
		fprintf(out, "%02x", (unsigned)at[i]);
	fputc('"', out);
}

void put_event(FILE *out, saga_bytes wire)
{
	saga_event *event;
	saga_error error;

	if (saga_event_read(wire, &event, &error) != SAGA_OK) {
		fputs("{\"unreadable\":", out);
		put_text(out, error.text);
		fputs(",\"hex\":", out);
		put_hex(out, wire);
		fputc('}', out);
		return;
	}
	PUT_JSON(out, saga__json_event, event);
	saga_event_free(event);
}

/* The name stands behind the body, its length last. */
void put_named(FILE *out, saga_bytes named)
{
	const char *at = named.at;
	size_t length = named.size ? (unsigned char)at[named.size - 1] : 0;
	char name[UINT8_MAX + 1];
	saga_bytes body;

	if (!named.size || length + 1 > named.size) {
		put_hex(out, named);
		return;
	}
	body = (saga_bytes){ at, named.size - 1 - length };
	memcpy(name, at + body.size, length);
	name[length] = '\0';
	fputc('{', out);
	put_text(out, name);
	fputc(':', out);
	PUT_JSON(out, saga__json_body, body);
	fputc('}', out);
}
