/* A call's sides that handlers see, and its reply. */
#define _DEFAULT_SOURCE /* <microhttpd.h>: types that POSIX lacks */

#include "http_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- replying ---- */

void http_set(struct http_call *call, const char *name, const char *value)
{
	bool is_sound = strlen(name) < 256 && strlen(value) < 256;

	for (const char *at = value; is_sound && *at; at++)
		is_sound = (unsigned char)*at >= ' ' && *at != 0x7f;
	if (!is_sound || call->added_count == HTTP_ADDED_ALL)
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

static void add_headers(struct http_call *call, struct MHD_Response *response, const char *type)
{
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "traceparent", call->traceparent);
	if (*call->location && call->status < 400)
		MHD_add_response_header(response, "Location", call->location);
	for (size_t i = 0; i < call->added_count; i++)
		MHD_add_response_header(response, call->added[i][0], call->added[i][1]);
	if (call->http->is_quiet || call->is_last)
		MHD_add_response_header(response, "Connection", "close");
}

void http_text(struct http_call *call, int status, const char *type, const char *text, size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);

	assert(!call->is_replied);
	call->status = status;
	call->micros = uv_hrtime() / 1000 - call->begun;
	call->is_replied = true;
	call->response = response;
	if (response)
		add_headers(call, response, type);
	http__replied(call);
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

static const char *title_of(int status)
{
	const char *title = MHD_get_reason_phrase_for((unsigned)status);

	return title ? title : "Error";
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
		title_of(status), "status", status, "detail", detail);
	/* A text that was cut, or came from outside, may be no UTF-8: leave it out then. */
	if (!problem)
		problem = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title",
			title_of(status), "status", status);
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

const char *http_argument(const struct http_call *call, size_t nth)
{
	assert(nth < HTTP_ARGUMENTS && call->arguments[nth]);
	return call->arguments[nth];
}

const char *http_header(struct http_call *call, const char *name)
{
	return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

const char *http_query(struct http_call *call, const char *name)
{
	const char *raw =
		MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
	char *plain = raw ? http__decode(raw, strlen(raw)) : NULL;
	char **more;

	if (!plain)
		return NULL;
	more = realloc(call->queries, (call->query_count + 1) * sizeof *more);
	if (!more) {
		free(plain);
		return NULL;
	}
	call->queries = more;
	call->queries[call->query_count++] = plain;
	return plain;
}

saga_bytes http_body(const struct http_call *call)
{
	return (saga_bytes){ call->body, call->body_size };
}

const char *http_key(const struct http_call *call)
{
	return call->key;
}

const char *http_traceparent(const struct http_call *call)
{
	return call->traceparent;
}

const char *http_method(const struct http_call *call)
{
	return call->method;
}

const char *http_path(const struct http_call *call)
{
	return call->path;
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
