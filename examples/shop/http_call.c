/* A call's sides that handlers see, and its reply. */
#include "http_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	OWN_HEADERS = 1024 /* bytes of a reply, without those that were added and its body */
};

/* ---- replying ---- */

void http_set(struct http_call *call, const char *name, const char *value)
{
	bool is_sound = strlen(name) < 256 && strlen(value) < 256;

	for (const char *at = value; is_sound && *at; at++)
		is_sound = (unsigned char)*at >= ' ' && *at != 0x7f;
	if (!is_sound || call->added_count == HTTP_ADDED)
		return;
	snprintf(call->added[call->added_count][0], 256, "%s", name);
	snprintf(call->added[call->added_count][1], 256, "%s", value);
	call->added_count++;
}

void http_set_location(struct http_call *call, const char *before, const char *segment)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *location = call->location;
	size_t room = sizeof call->location;
	size_t at = (size_t)snprintf(location, room, "%s", before);

	for (; *segment && at + 4 <= room; segment++)
		at += (size_t)snprintf(location + at, room - at,
			strchr(plain, *segment) ? "%c" : "%%%02X",
			(unsigned)(unsigned char)*segment);
	if (*segment)
		*location = '\0';
}

static const char *phrase_of(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return status < 400 ? "OK" : "Error";
}

static void write_date(char date[40])
{
	uv_timeval64_t now;
	time_t seconds;
	struct tm utc;

	uv_gettimeofday(&now);
	seconds = (time_t)now.tv_sec;
	strftime(date, 40, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &utc));
}

/* The caller's, and how long it is; NULL: out of memory. */
static char *write_reply(
	struct http_call *call, const char *type, const char *text, size_t size, size_t *ret_size)
{
	size_t room = OWN_HEADERS + sizeof call->added + sizeof call->location, at;
	char *reply = malloc(room + size), date[40];

	if (!reply)
		return NULL;
	write_date(date);
	at = (size_t)snprintf(reply, room,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %.200s\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\ntraceparent: %s\r\n",
		call->status, phrase_of(call->status), date, type, size, call->traceparent);
	if (*call->location && call->status < 400)
		at += (size_t)snprintf(reply + at, room - at, "Location: %s\r\n", call->location);
	for (size_t i = 0; i < call->added_count; i++)
		at += (size_t)snprintf(
			reply + at, room - at, "%s: %s\r\n", call->added[i][0], call->added[i][1]);
	at += (size_t)snprintf(reply + at, room - at, "%s\r\n",
		http__is_last(call) ? "Connection: close\r\n" : "");
	assert(at < room);
	if (strcmp(http_method(call), "HEAD") != 0) {
		memcpy(reply + at, text, size);
		at += size;
	}
	*ret_size = at;
	return reply;
}

void http_text(struct http_call *call, int status, const char *type, const char *text, size_t size)
{
	size_t reply_size = 0;
	char *reply;

	assert(!call->is_replied);
	call->status = status;
	call->micros = uv_hrtime() / 1000 - call->begun;
	call->is_replied = true;
	reply = write_reply(call, type, text, size, &reply_size);
	if (call->http->settings.replied)
		call->http->settings.replied(call->http->settings.user, call);
	http__send(call, reply, reply_size);
}

static void reply_json(struct http_call *call, int status, const char *type, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(json);
	if (text)
		http_text(call, status, type, text, strlen(text));
	else
		http_text(call, 503, "application/problem+json", "{\"status\":503}", 14);
	free(text);
}

void http_json(struct http_call *call, int status, json_t *json)
{
	reply_json(call, status, "application/json", json);
}

void http_problem(struct http_call *call, int status, const char *code, const char *format, ...)
{
	char detail[512];
	va_list list;
	json_t *problem;

	va_start(list, format);
	vsnprintf(detail, sizeof detail, format, list);
	va_end(list);
	problem = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
		phrase_of(status), "status", status, "detail", detail);
	/* What was cut, or came from outside, may be no UTF-8: then without it. */
	if (!problem)
		problem = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title",
			phrase_of(status), "status", status);
	if (problem && code)
		json_object_set_new(problem, "code", json_string(code));
	if (problem)
		json_object_set_new(problem, "traceparent", json_string(call->traceparent));
	if (status == 503)
		http_set(call, "Retry-After", "1");
	reply_json(call, status, "application/problem+json", problem);
}

/* ---- a call ---- */

void *http_user(const struct http_call *call)
{
	return call->http->settings.user;
}

const char *http_argument(const struct http_call *call)
{
	return call->argument;
}

const char *http_header(struct http_call *call, const char *name)
{
	return http_field_of(&call->connection->parsed, name);
}

/* Of "a=1&b=2": what stands behind the name, and how long it is; NULL: it is not there. */
static const char *find_query(const char *query, const char *name, size_t *ret_size)
{
	size_t length = strlen(name);

	while (*query) {
		size_t size = strcspn(query, "&");

		if (size >= length && strncmp(query, name, length) == 0 &&
			(size == length || query[length] == '=')) {
			*ret_size = size == length ? 0 : size - length - 1;
			return query + size - *ret_size;
		}
		query += size + (query[size] == '&');
	}
	return NULL;
}

const char *http_query(struct http_call *call, const char *name)
{
	size_t size = 0;
	const char *raw = find_query(call->connection->parsed.query, name, &size);
	char *spaced, *plain;

	if (!raw || call->query_count == HTTP_QUERIES || !(spaced = malloc(size + 1)))
		return NULL;
	for (size_t i = 0; i < size; i++)
		spaced[i] = raw[i] == '+' ? ' ' : raw[i];
	plain = http__decode(spaced, size);
	free(spaced);
	if (plain)
		call->queries[call->query_count++] = plain;
	return plain;
}

saga_bytes http_body(const struct http_call *call)
{
	return (saga_bytes){ call->body, call->body_size };
}

const char *http_traceparent(const struct http_call *call)
{
	return call->traceparent;
}

const char *http_method(const struct http_call *call)
{
	return call->connection->parsed.method;
}

const char *http_path(const struct http_call *call)
{
	return call->connection->parsed.path;
}

const struct http_route *http_route_of(const struct http_call *call)
{
	return call->route;
}

int http_status(const struct http_call *call)
{
	return call->status;
}

uint64_t http_micros(const struct http_call *call)
{
	return call->micros;
}
