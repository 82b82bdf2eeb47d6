/* A request, before its body: its trace, its route, its token, its headers. */
#define _DEFAULT_SOURCE /* <microhttpd.h>: types that POSIX lacks */

#include "http_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- texts ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

char *http__decode(const char *text, size_t size)
{
	char *plain = malloc(size + 1), *at = plain;

	for (size_t i = 0; plain && i < size; i++) {
		int high = -1, low = -1;

		if (text[i] != '%') {
			*at++ = text[i];
			continue;
		}
		if (i + 2 < size && (high = hex(text[i + 1])) >= 0)
			low = hex(text[i + 2]);
		if (low < 0 || (high == 0 && low == 0)) {
			free(plain);
			return NULL;
		}
		*at++ = (char)(high * 16 + low);
		i += 2;
	}
	if (plain)
		*at = '\0';
	return plain;
}

/* ---- trace context ---- */

static bool is_traceparent(const char *text)
{
	static const char shape[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

	for (size_t i = 0; i < HTTP_TRACEPARENT; i++) {
		bool is_hex =
			(text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

		if (shape[i] == 'x' ? !is_hex : text[i] != shape[i])
			return false;
	}
	return !text[HTTP_TRACEPARENT] && strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}

static void set_traceparent(struct http_call *call)
{
	const char *given = http_header(call, "traceparent");
	unsigned char random[24];
	char *at = call->traceparent;

	if (given && is_traceparent(given)) {
		memcpy(at, given, HTTP_TRACEPARENT + 1);
		return;
	}
	if (uv_random(NULL, NULL, random, sizeof random, 0, NULL) != 0)
		memset(random, 1, sizeof random);
	at += sprintf(at, "00-");
	for (size_t i = 0; i < 16; i++)
		at += sprintf(at, "%02x", random[i]);
	at += sprintf(at, "-");
	for (size_t i = 16; i < 24; i++)
		at += sprintf(at, "%02x", random[i]);
	sprintf(at, "-01");
}

/* ---- which route ---- */

/* The parts of a path that stand where its route has {}. */
struct holes {
	const char *at[HTTP_ARGUMENTS];
	size_t sizes[HTTP_ARGUMENTS], count;
};

static bool matches(const char *shape, const char *path, struct holes *holes)
{
	holes->count = 0;
	while (*shape) {
		if (strncmp(shape, "{}", 2) == 0) {
			size_t size = strcspn(path, "/");

			if (!size)
				return false;
			assert(holes->count < HTTP_ARGUMENTS);
			holes->at[holes->count] = path;
			holes->sizes[holes->count++] = size;
			shape += 2;
			path += size;
		} else if (*shape++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static void allow(char allowed[64], const char *method)
{
	size_t size = strlen(allowed);

	if (strstr(allowed, method)) /* no method's name holds another's */
		return;
	snprintf(allowed + size, 64 - size, "%s%s", size ? ", " : "", method);
}

/* By path and method; of those by path alone, the methods are named. */
static const struct http_route *find_route(
	struct http_call *call, char allowed[64], struct holes *ret_holes)
{
	const char *method = strcmp(http_method(call), "HEAD") == 0 ? "GET" : http_method(call);

	bool is_all = strcmp(http_path(call), "*") == 0; /* OPTIONS *: of the whole server */

	allowed[0] = '\0';
	for (const struct http_route *const *table = call->http->settings.routes; *table; table++)
		for (const struct http_route *route = *table; route->method; route++) {
			if (!is_all && !matches(route->path, http_path(call), ret_holes))
				continue;
			if (!is_all && strcmp(route->method, method) == 0)
				return route;
			allow(allowed, route->method);
			if (strcmp(route->method, "GET") == 0)
				allow(allowed, "HEAD");
		}
	return NULL;
}

/* ---- who may ---- */

static bool is_same(const char *a, const char *b)
{
	size_t size = strlen(a);
	unsigned char other = size != strlen(b);

	for (size_t i = 0; i < size && !(other && i >= strlen(b)); i++)
		other |= (unsigned char)(a[i] ^ b[i]);
	return !other;
}

static bool has_token(struct http_call *call)
{
	const char *given = http_header(call, "Authorization");

	if (!given || strncasecmp(given, "Bearer ", 7) != 0)
		return false;
	return is_same(given + 6 + strspn(given + 6, " "), call->http->settings.token);
}

/* ---- what is refused before its body ---- */

/* With its parameters (charset=utf-8), which JSON needs none of. */
static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";

	return type && strncasecmp(type, json, sizeof json - 1) == 0 &&
		strchr("; \t", type[sizeof json - 1]);
}

static enum MHD_Result check_argument(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char *plain = http__decode(value ? value : "", value ? strlen(value) : 0);
	bool is_sound = plain;

	(void)kind;
	(void)name;
	free(plain);
	*(bool *)context = *(bool *)context && is_sound;
	return is_sound ? MHD_YES : MHD_NO;
}

static bool has_sound_query(const struct http_call *call)
{
	bool is_sound = true;

	MHD_get_connection_values(
		call->connection, MHD_GET_ARGUMENT_KIND, check_argument, &is_sound);
	return is_sound;
}

/* 0: it is not said, or beyond all limits, which libmicrohttpd refuses. */
static unsigned long long length_of(struct http_call *call)
{
	const char *length = http_header(call, "Content-Length");

	return length ? strtoull(length, NULL, 10) : 0;
}

void http__refuse_size(struct http_call *call)
{
	http_problem(call, 413, "TOO_BIG", "a body takes %zu bytes at most",
		call->http->settings.body_bytes);
}

/*
 * A key is a string of structured fields (RFC 9651, 3.3.3), as draft-ietf-httpapi-idempotency-key
 * says: "Q1" in quotes, with \" and \\ inside. Most clients leave the quotes out: Q1 is the same
 * key. False: there is none of 1 to 255 bytes, or the closing quote is missing.
 */
static bool read_key(struct http_call *call)
{
	const char *at = http_header(call, "Idempotency-Key");
	bool quoted = at && *at == '"';
	size_t size = 0;

	if (!at)
		return false;
	for (at += quoted; *at && !(quoted && *at == '"'); at++) {
		if (quoted && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		if (size == HTTP_KEY_MOST)
			return false;
		call->key[size++] = *at;
	}
	call->key[size] = '\0';
	return size && (!quoted || strcmp(at, "\"") == 0);
}

static void check_needs(struct http_call *call)
{
	const char *coding = http_header(call, "Content-Encoding");

	if (length_of(call) > call->http->settings.body_bytes)
		http__refuse_size(call);
	else if ((call->route->needs & HTTP_KEY) && !read_key(call))
		http_problem(call, 400, "MALFORMED",
			"the header Idempotency-Key is needed, of 1 to 255 bytes, with both "
			"quotes or none");
	else if ((call->route->needs & HTTP_BODY) &&
		!is_json_type(http_header(call, "Content-Type")))
		http_problem(call, 415, NULL, "the body must be application/json");
	else if ((call->route->needs & HTTP_BODY) && coding && *coding &&
		strcasecmp(coding, "identity") != 0)
		http_problem(call, 415, NULL, "a body takes no Content-Encoding");
}

/* ---- framing ---- */

/*
 * Two readers of one request must not read it in two ways: that is how requests are smuggled past a
 * proxy in front (RFC 9112, 11.2). libmicrohttpd before 1.0.5 takes the first of two
 * lengths, and a header only up to a NUL.
 */
struct framing {
	unsigned lengths, codings, types, hosts, authorizations, keys, expectations, fields;
	const char *coding, *expectation;
	const char *at; /* where the next header is to stand */
	bool is_sound;
};

static bool is_token(const char *name, size_t size)
{
	static const char signs[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return size && strlen(name) == size && strspn(name, signs) == size;
}

static bool is_value(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return false;
	return true;
}

/*
 * libmicrohttpd before 1.0 ends a text at its first NUL, takes a bare LF for the end of a line, and
 * glues folded lines together, so that none of these shows in what it hands out. But it parses in
 * place: where each text ends and the next one begins, two bytes (CR LF, or ": ") lie between them,
 * or a byte has been swallowed. From 1.0 on it refuses all of these itself.
 */
static bool is_old(void)
{
	return strncmp(MHD_get_version(), "0.", 2) == 0;
}

static const char *end_of(const char *text)
{
	return text + strlen(text);
}

static enum MHD_Result look_at_field(void *context, enum MHD_ValueKind kind, const char *name,
	size_t name_size, const char *value, size_t size)
{
	struct framing *framing = context;
	const bool is_next = !is_old() || name == framing->at;
	const struct {
		const char *name;
		unsigned *count;
	} counted[] = { { "Content-Length", &framing->lengths },
		{ "Transfer-Encoding", &framing->codings }, { "Host", &framing->hosts },
		{ "Content-Type", &framing->types }, { "Authorization", &framing->authorizations },
		{ "Idempotency-Key", &framing->keys }, { "Expect", &framing->expectations } };

	(void)kind;
	framing->fields++;
	value = value ? value : "";
	framing->at = value + size + 2;
	if (!is_next || !is_token(name, name_size) || !is_value(value, size)) {
		framing->is_sound = false;
		return MHD_NO;
	}
	for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
		*counted[i].count += strcasecmp(name, counted[i].name) == 0;
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		framing->coding = value;
	if (strcasecmp(name, "Expect") == 0)
		framing->expectation = value;
	return MHD_YES;
}

static bool has_whole_line(const struct http_call *call)
{
	if (!is_value(call->path, strlen(call->path)) || strchr(call->path, ' '))
		return false;
	return !is_old() || !call->place ||
		(end_of(call->method) + 1 == call->target &&
			call->place->target_end + 1 == call->version);
}

static size_t head_size(const struct http_call *call)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

static void refuse(struct http_call *call, int status, const char *why)
{
	call->is_last = true;
	http_problem(call, status,
		status == 400           ? "MALFORMED"
			: status == 431 ? "TOO_BIG"
					: NULL,
		"%s", why);
}

/* Replies with a refusal; after it nobody knows where the next request begins. */
static void check_framing(struct http_call *call, struct framing *framing)
{
	framing->at = end_of(call->version) + 2;
	MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND, look_at_field, framing);
	if (is_old() && framing->at + 2 != call->method + head_size(call))
		framing->is_sound = false;
	if (head_size(call) > HTTP_HEAD_MOST || framing->fields > HTTP_FIELDS)
		refuse(call, 431,
			"a request's line and headers take 8192 bytes at most, and 100 headers");
	else if (!framing->is_sound || !has_whole_line(call))
		refuse(call, 400, "a byte in the request's line or headers has no place there");
	else if (strcmp(call->version, "HTTP/1.1") != 0 && strcmp(call->version, "HTTP/1.0") != 0)
		refuse(call, 505, "HTTP/1.1 is spoken here");
	else if (framing->lengths > 1 || framing->codings > 1 ||
		(framing->lengths && framing->codings))
		refuse(call, 400, "the length of the body is said twice");
	else if (framing->coding && strcasecmp(framing->coding, "chunked") != 0)
		refuse(call, 501, "of transfer codings, chunked alone is known here");
	else if (framing->hosts > 1 || framing->authorizations > 1 || framing->keys > 1 ||
		framing->types > 1)
		refuse(call, 400, "a header that may come once came twice");
	else if (framing->expectations > 1 ||
		(framing->expectation && strcasecmp(framing->expectation, "100-continue") != 0))
		refuse(call, 417, "of expectations, 100-continue alone is met here");
	/* A reply that comes before its body: what follows is not to be taken for a request. */
	call->is_last = call->is_last || framing->lengths || framing->codings;
}

static bool decode_arguments(struct http_call *call, const struct holes *holes)
{
	for (size_t i = 0; i < holes->count; i++)
		if (!(call->arguments[i] = http__decode(holes->at[i], holes->sizes[i])))
			return false;
	return true;
}

void http__admit(struct http_call *call)
{
	bool is_open;
	char allowed[64];
	struct holes holes = { .count = 0 };
	struct framing framing = { .is_sound = true };

	set_traceparent(call);
	check_framing(call, &framing);
	if (call->is_replied)
		return;
	call->route = find_route(call, allowed, &holes);
	is_open = call->route && (call->route->needs & HTTP_OPEN);
	if ((!call->place || call->place->is_spare) && !is_open) {
		http_problem(call, 503, "BUSY", "there are too many connections");
	} else if (call->http->settings.token && !is_open && !has_token(call)) {
		http_set(call, "WWW-Authenticate", "Bearer");
		http_problem(call, 401, NULL, "a bearer token is needed");
	} else if (!call->route && *allowed) {
		http_set(call, "Allow", allowed);
		http_problem(call, 405, NULL, "%s takes %s", http_path(call), allowed);
	} else if (!call->route) {
		http_problem(call, 404, NULL, "there is no %s", http_path(call));
	} else if (!decode_arguments(call, &holes) || !has_sound_query(call)) {
		http_problem(call, 400, "MALFORMED", "a %%XX in the path or the query is wrong");
	} else if (call->http->is_quiet) {
		http_problem(call, 503, "STOPPED", "it is being stopped");
	} else {
		check_needs(call);
	}
	if (!call->is_replied)
		call->is_last = false;
}
