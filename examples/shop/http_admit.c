/* A request, before its body: its trace, its route, its token, its headers. */
#include "http_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Whether the path is of that shape; where its {} begins and how long it is. */
static bool matches(const char *shape, const char *path, const char **ret_at, size_t *ret_size)
{
	const char *hole = strstr(shape, "{}");
	size_t before = hole ? (size_t)(hole - shape) : strlen(shape);

	if (strncmp(shape, path, before) != 0)
		return false;
	*ret_at = path + before;
	*ret_size = hole ? strcspn(path + before, "/") : 0;
	if (!hole)
		return !path[before];
	return *ret_size > 0 && strcmp(path + before + *ret_size, hole + 2) == 0;
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
	struct http_call *call, char allowed[64], const char **ret_at, size_t *ret_size)
{
	const char *method = strcmp(http_method(call), "HEAD") == 0 ? "GET" : http_method(call);

	bool is_all = strcmp(http_path(call), "*") == 0; /* OPTIONS *: of the whole server */

	allowed[0] = '\0';
	for (const struct http_route *const *table = call->http->settings.routes; *table; table++)
		for (const struct http_route *route = *table; route->method; route++) {
			if (!is_all && !matches(route->path, http_path(call), ret_at, ret_size))
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

	if (!given || !http_is_same(given, "Bearer ", 7))
		return false;
	return is_same(given + 6 + strspn(given + 6, " "), call->http->settings.token);
}

/* ---- what is refused before its body ---- */

/* With its parameters (charset=utf-8), which JSON needs none of. */
static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";

	return type && http_is_same(type, json, sizeof json - 1) &&
		strchr("; \t", type[sizeof json - 1]);
}

static bool has_sound_query(const struct http_call *call)
{
	const char *query = call->connection->parsed.query;
	char *plain = http__decode(query, strlen(query));

	free(plain);
	return plain;
}

static void check_needs(struct http_call *call)
{
	const char *key = http_header(call, "Idempotency-Key");
	const char *coding = http_header(call, "Content-Encoding");

	if (call->connection->parsed.length > HTTP_BODY_MOST)
		http_problem(call, 413, "TOO_BIG", "a body takes %d bytes at most", HTTP_BODY_MOST);
	else if ((call->route->needs & HTTP_KEY) && (!key || !*key || strlen(key) > 255))
		http_problem(call, 400, "MALFORMED",
			"the header Idempotency-Key is needed, of 1 to 255 bytes");
	else if ((call->route->needs & HTTP_BODY) &&
		!is_json_type(http_header(call, "Content-Type")))
		http_problem(call, 415, NULL, "the body must be application/json");
	else if ((call->route->needs & HTTP_BODY) && coding && *coding &&
		!(strlen(coding) == 8 && http_is_same(coding, "identity", 8)))
		http_problem(call, 415, NULL, "a body takes no Content-Encoding");
}

void http__refuse(struct http_call *call, int status, const char *why)
{
	set_traceparent(call);
	http_problem(call, status,
		status == 400           ? "MALFORMED"
			: status == 431 ? "TOO_BIG"
					: NULL,
		"%s", why);
}

void http__admit(struct http_call *call)
{
	bool is_open;
	char allowed[64];
	const char *at = "";
	size_t size = 0;

	set_traceparent(call);
	call->route = find_route(call, allowed, &at, &size);
	is_open = call->route && (call->route->needs & HTTP_OPEN);
	if (call->connection->is_spare && !is_open) {
		http_problem(call, 503, "BUSY", "there are too many connections");
	} else if (call->http->settings.token && !is_open && !has_token(call)) {
		http_set(call, "WWW-Authenticate", "Bearer");
		http_problem(call, 401, NULL, "a bearer token is needed");
	} else if (!call->route && *allowed) {
		http_set(call, "Allow", allowed);
		http_problem(call, 405, NULL, "%s takes %s", http_path(call), allowed);
	} else if (!call->route) {
		http_problem(call, 404, NULL, "there is no %s", http_path(call));
	} else if (!(call->argument = http__decode(at, size)) || !has_sound_query(call)) {
		http_problem(call, 400, "MALFORMED", "a %%XX in the path or the query is wrong");
	} else if (call->http->is_quiet) {
		http_problem(call, 503, "STOPPED", "it is being stopped");
	} else {
		check_needs(call);
	}
}
