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
	char absolute[SAGA__TIME_TEXT], relative[TIME_TEXT];

	(void)snprintf(buffer, TIME_TEXT, "%.30s (%.28s)", saga__time_text(ms, absolute),
		time_relative(ms, now, relative));
	return buffer;
}

/* ---- for a terminal ---- */

size_t width_of(const char *text)
{
	size_t left = strlen(text), width = 0;

	while (left) {
		char shown[SAGA__SHOWN_MOST];
		size_t step, size = saga__show(text, left, shown, &step);

		width += size == step ? 1 : size;
		text += step;
		left -= step;
	}
	return width;
}

/* ---- JSON ---- */

static void put_into_file(void *context, const char *at, size_t size)
{
	(void)fwrite(at, 1, size, context);
}

static struct saga__json into_file(FILE *out)
{
	return (struct saga__json){ .put = put_into_file, .context = out };
}

static void put_text_or_null(struct saga__json *json, const char *text)
{
	if (*text)
		saga__json_put_text(json, text);
	else
		saga__json_put_null(json);
}

static void put_wire(struct saga__json *json, saga_bytes wire)
{
	saga_event *event;
	saga_error error;

	if (saga_event_read(wire, &event, &error) == SAGA_OK) {
		saga__json_put_event(json, event);
		saga_event_free(event);
		return;
	}
	saga__json_open(json, '{');
	saga__json_name(json, "unreadable");
	saga__json_put_text(json, error.text);
	saga__json_name(json, "hex");
	saga__json_put_hex(json, wire.at, wire.size);
	saga__json_close(json, '}');
}

/* The name stands behind the body, its length last. */
static void put_question(struct saga__json *json, saga_bytes named)
{
	const char *at = named.at;
	size_t length = named.size ? (unsigned char)at[named.size - 1] : 0;
	char name[UINT8_MAX + 1];
	saga_bytes body;

	if (!named.size || length + 1 > named.size) {
		saga__json_put_hex(json, named.at, named.size);
		return;
	}
	body = (saga_bytes){ at, named.size - 1 - length };
	memcpy(name, at + body.size, length);
	name[length] = '\0';
	saga__json_open(json, '{');
	saga__json_put_text(json, name);
	json->put(json->context, ":", 1);
	json->more = false;
	saga__json_put_body(json, body);
	saga__json_close(json, '}');
}

struct saga__json json_begin(FILE *out)
{
	struct saga__json json = into_file(out);

	saga__json_open(&json, '{');
	return json;
}

void json_text(struct saga__json *json, const char *name, const char *text)
{
	saga__json_name(json, name);
	put_text_or_null(json, text);
}

void json_number(struct saga__json *json, const char *name, int64_t number)
{
	saga__json_name(json, name);
	saga__json_put_int(json, number);
}

void json_time(struct saga__json *json, const char *name, int64_t ms)
{
	saga__json_name(json, name);
	if (ms == INT64_MAX)
		saga__json_put_null(json);
	else
		saga__json_put_time(json, ms);
}

void json_id(struct saga__json *json, const char *name, saga_id id)
{
	saga__json_name(json, name);
	saga__json_put_id(json, id);
}

void json_event(struct saga__json *json, const char *name, saga_bytes wire)
{
	saga__json_name(json, name);
	put_wire(json, wire);
}

void json_question(struct saga__json *json, const char *name, saga_bytes named)
{
	saga__json_name(json, name);
	if (named.size)
		put_question(json, named);
	else
		saga__json_put_null(json);
}

void json_end(struct saga__json *json)
{
	saga__json_close(json, '}');
	json->put(json->context, "\n", 1);
}

void put_event(FILE *out, saga_bytes wire)
{
	struct saga__json json = into_file(out);

	put_wire(&json, wire);
}

void put_named(FILE *out, saga_bytes named)
{
	struct saga__json json = into_file(out);

	put_question(&json, named);
}
