/* libmicrohttpd on a libuv loop: its epoll fd is polled, its timeout is a timer, it has no thread. */
#define _DEFAULT_SOURCE /* <microhttpd.h>: types that POSIX lacks */

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MEMORY = 4 * HTTP_HEAD_MOST, /* of a connection, at libmicrohttpd */
	FLOOD = 16 * HTTP_BODY_MOST, /* then it is no longer read, and cut */
	ADDED = 4,                   /* headers of a reply */
	QUERIES = 4,                 /* arguments that a handler asks for */
	TRACEPARENT = 55
};

struct http {
	struct http_settings settings;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	int handles;  /* that are open */
	size_t calls; /* not replied to */
	size_t open;  /* not sent yet, or not replied to */
	bool is_quiet, is_closing;
};

struct http_call {
	struct http *http;
	struct MHD_Connection *connection;
	const struct http_route *route;
	const char *method;
	char *path;
	char *argument;
	char *queries[QUERIES]; /* that were asked for */
	size_t query_count;
	char *body;
	size_t body_size, came;
	char traceparent[TRACEPARENT + 1];
	char added[ADDED][2][256];
	size_t added_count;
	struct MHD_Response *response;
	int status;
	uint64_t begun, micros;
	bool is_suspended, is_replied;
};

/* ---- texts ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* Without its %XX; NULL: one of them is wrong, is a NUL, or there is no memory. The caller's. */
static char *decode(const char *text, size_t size)
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

/* libmicrohttpd decodes before it splits; here a segment is decoded once it is one. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

/* ---- trace context ---- */

static bool is_traceparent(const char *text)
{
	static const char shape[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

	for (size_t i = 0; i < TRACEPARENT; i++) {
		bool is_hex =
			(text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

		if (shape[i] == 'x' ? !is_hex : text[i] != shape[i])
			return false;
	}
	return !text[TRACEPARENT] && strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}

static void set_traceparent(struct http_call *call)
{
	const char *given = http_header(call, "traceparent");
	unsigned char random[24];
	char *at = call->traceparent;

	if (given && is_traceparent(given)) {
		memcpy(at, given, TRACEPARENT + 1);
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

/* ---- turning ---- */

static void schedule(struct http *http);

static void on_handle_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;

	if (--http->handles == 0 && http->settings.closed)
		http->settings.closed(http->settings.user);
}

static void finish(struct http *http)
{
	MHD_stop_daemon(http->daemon);
	http->daemon = NULL;
	uv_close((uv_handle_t *)&http->poll, on_handle_closed);
	uv_close((uv_handle_t *)&http->timer, on_handle_closed);
}

static void turn(struct http *http)
{
	if (!http->daemon)
		return;
	MHD_run(http->daemon);
	if (http->is_closing && !http->open)
		finish(http);
	else
		schedule(http);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	turn(handle->data);
}

static void on_time(uv_timer_t *timer)
{
	turn(timer->data);
}

static void schedule(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (http->is_closing && !http->open)
		uv_timer_start(&http->timer, on_time, 0, 0);
	else if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
		uv_timer_start(&http->timer, on_time, ms, 0);
	else
		uv_timer_stop(&http->timer);
}

/* ---- replying ---- */

void http_set(struct http_call *call, const char *name, const char *value)
{
	if (call->added_count == ADDED)
		return;
	snprintf(call->added[call->added_count][0], 256, "%s", name);
	snprintf(call->added[call->added_count][1], 256, "%s", value);
	call->added_count++;
}

static void add_headers(struct http_call *call, struct MHD_Response *response, const char *type)
{
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "traceparent", call->traceparent);
	/* One that can't be a header's (a line's end in it) is refused by libmicrohttpd. */
	for (size_t i = 0; i < call->added_count; i++)
		MHD_add_response_header(response, call->added[i][0], call->added[i][1]);
	if (call->http->is_quiet)
		MHD_add_response_header(response, "Connection", "close");
}

void http_text(struct http_call *call, int status, const char *type, const char *text, size_t size)
{
	struct http *http = call->http;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);

	call->status = status;
	call->micros = uv_hrtime() / 1000 - call->begun;
	call->is_replied = true;
	call->response = response;
	if (response)
		add_headers(call, response, type);
	http->calls--;
	if (http->settings.replied)
		http->settings.replied(http->settings.user, call);
	if (!call->is_suspended)
		return;
	call->is_suspended = false;
	MHD_resume_connection(call->connection);
	schedule(http);
	uv_timer_start(&http->timer, on_time, 0, 0);
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
	/* What was cut, or came from outside, may be no UTF-8: then without it. */
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

/* By path and method; of those by path alone, the methods are named. */
static const struct http_route *find_route(
	struct http_call *call, char allowed[64], const char **ret_at, size_t *ret_size)
{
	const char *method = strcmp(call->method, "HEAD") == 0 ? "GET" : call->method;

	allowed[0] = '\0';
	for (const struct http_route *const *table = call->http->settings.routes; *table; table++)
		for (const struct http_route *route = *table; route->method; route++) {
			size_t size = strlen(allowed);

			if (!matches(route->path, call->path, ret_at, ret_size))
				continue;
			if (strcmp(route->method, method) == 0)
				return route;
			snprintf(
				allowed + size, 64 - size, "%s%s", size ? ", " : "", route->method);
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

	return given && strncmp(given, "Bearer ", 7) == 0 &&
		is_same(given + 7, call->http->settings.token);
}

/* ---- what is refused before its body ---- */

static enum MHD_Result add_size(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	size_t *size = context;

	(void)kind;
	*size += strlen(name) + (value ? strlen(value) : 0) + 4;
	return MHD_YES;
}

static size_t head_size(struct http_call *call)
{
	size_t size = strlen(call->method) + strlen(call->path) + sizeof " HTTP/1.1\r\n";

	MHD_get_connection_values(
		call->connection, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, add_size, &size);
	return size;
}

static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";

	return type && strncmp(type, json, sizeof json - 1) == 0 &&
		(!type[sizeof json - 1] || type[sizeof json - 1] == ';' ||
			type[sizeof json - 1] == ' ');
}

static enum MHD_Result check_query(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char *plain = decode(value ? value : "", value ? strlen(value) : 0);

	(void)kind;
	(void)name;
	*(bool *)context = *(bool *)context && plain;
	free(plain);
	return MHD_YES;
}

static bool has_sound_query(struct http_call *call)
{
	bool is_sound = true;

	MHD_get_connection_values(call->connection, MHD_GET_ARGUMENT_KIND, check_query, &is_sound);
	return is_sound;
}

static void check_needs(struct http_call *call)
{
	const char *length = http_header(call, "Content-Length");
	const char *key = http_header(call, "Idempotency-Key");

	if (length && strtoull(length, NULL, 10) > HTTP_BODY_MOST)
		http_problem(call, 413, "TOO_BIG", "a body takes %d bytes at most", HTTP_BODY_MOST);
	else if ((call->route->needs & HTTP_KEY) && (!key || !*key || strlen(key) > 255))
		http_problem(call, 400, "MALFORMED",
			"the header Idempotency-Key is needed, of 1 to 255 bytes");
	else if ((call->route->needs & HTTP_BODY) &&
		!is_json_type(http_header(call, "Content-Type")))
		http_problem(call, 415, NULL, "the body must be application/json");
}

static void admit(struct http_call *call)
{
	char allowed[64];
	const char *at = "";
	size_t size = 0;

	set_traceparent(call);
	if (head_size(call) > HTTP_HEAD_MOST) {
		http_problem(call, 431, "TOO_BIG",
			"a request's line and headers take %d bytes at most", HTTP_HEAD_MOST);
		return;
	}
	call->route = find_route(call, allowed, &at, &size);
	if (call->http->settings.token && !(call->route && (call->route->needs & HTTP_OPEN)) &&
		!has_token(call)) {
		http_set(call, "WWW-Authenticate", "Bearer");
		http_problem(call, 401, NULL, "a bearer token is needed");
	} else if (!call->route && *allowed) {
		http_set(call, "Allow", allowed);
		http_problem(call, 405, NULL, "%s takes %s", call->path, allowed);
	} else if (!call->route) {
		http_problem(call, 404, NULL, "there is no %s", call->path);
	} else if (!(call->argument = decode(at, size)) || !has_sound_query(call)) {
		http_problem(call, 400, "MALFORMED", "a %%XX in the path or the query is wrong");
	} else if (call->http->is_quiet) {
		http_problem(call, 503, "STOPPED", "it is being stopped");
	} else {
		check_needs(call);
	}
}

/* ---- libmicrohttpd's callbacks ---- */

static struct http_call *new_call(
	struct http *http, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct http_call *call = calloc(1, sizeof *call);

	if (call)
		call->path = strdup(path);
	if (!call || !call->path) {
		free(call);
		return NULL;
	}
	call->http = http;
	call->connection = connection;
	call->method = method;
	call->begun = uv_hrtime() / 1000;
	http->calls++;
	http->open++;
	return call;
}

static enum MHD_Result take_body(struct http_call *call, const char *part, size_t *size)
{
	size_t came = *size;
	char *longer;

	*size = 0;
	call->came += came;
	if (call->came > HTTP_BODY_MOST)
		return call->came > FLOOD ? MHD_NO : MHD_YES;
	if (!(longer = realloc(call->body, call->body_size + came + 1)))
		return MHD_NO;
	memcpy(longer + call->body_size, part, came);
	call->body = longer;
	call->body_size += came;
	longer[call->body_size] = '\0';
	return MHD_YES;
}

static void handle(struct http_call *call)
{
	if (call->came > HTTP_BODY_MOST)
		http_problem(call, 413, "TOO_BIG", "a body takes %d bytes at most", HTTP_BODY_MOST);
	else if ((call->route->needs & HTTP_BODY) && !call->body_size)
		http_problem(call, 400, "MALFORMED", "there is no body");
	else
		call->route->handler(call);
}

static enum MHD_Result send_reply(struct http_call *call)
{
	enum MHD_Result result;

	if (!call->response)
		return MHD_NO;
	result = MHD_queue_response(call->connection, (unsigned)call->status, call->response);
	MHD_destroy_response(call->response);
	call->response = NULL;
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, const char *part, size_t *size,
	void **slot)
{
	struct http_call *call = *slot;

	(void)version;
	if (!call) {
		if (!(*slot = call = new_call(context, connection, method, path)))
			return MHD_NO;
		admit(call);
		return call->is_replied ? send_reply(call) : MHD_YES;
	}
	if (*size)
		return take_body(call, part, size);
	if (!call->is_replied)
		handle(call);
	if (call->is_replied)
		return send_reply(call);
	call->is_suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
	enum MHD_RequestTerminationCode why)
{
	struct http *http = context;
	struct http_call *call = *slot;

	(void)connection;
	(void)why;
	if (!call)
		return;
	*slot = NULL;
	http->open--;
	if (!call->is_replied)
		http->calls--; /* its client went while it was read */
	if (call->response)
		MHD_destroy_response(call->response);
	for (size_t i = 0; i < call->query_count; i++)
		free(call->queries[i]);
	free(call->argument);
	free(call->body);
	free(call->path);
	free(call);
}

/* What it has to say is in its replies. */
static void say_nothing(void *context, const char *format, va_list list)
{
	(void)context;
	(void)format;
	(void)list;
}

/* ---- its life ---- */

int http_address(const char *text, struct sockaddr_storage *ret_address)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long port;
	size_t size;

	if (!colon || !colon[1] || colon[1] < '0' || colon[1] > '9')
		return -1;
	port = strtoul(colon + 1, &end, 10);
	size = (size_t)(colon - text);
	if (*end || port > 65535 || size >= sizeof host)
		return -1;
	if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
		snprintf(host, sizeof host, "%.*s", (int)size - 2, text + 1);
		if (uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)&address) != 0)
			return -1;
	} else {
		snprintf(host, sizeof host, "%.*s", (int)size, text);
		if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&address) != 0)
			return -1;
	}
	*ret_address = address;
	return 0;
}

bool http_is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int watch(struct http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info || uv_poll_init(http->settings.loop, &http->poll, info->epoll_fd) != 0)
		return -1;
	uv_timer_init(http->settings.loop, &http->timer);
	http->poll.data = http->timer.data = http;
	http->handles = 2;
	uv_poll_start(&http->poll, UV_READABLE, on_ready);
	return 0;
}

struct http *http_open(const struct http_settings *settings)
{
	struct http *http = calloc(1, sizeof *http);
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (!http)
		return NULL;
	http->settings = *settings;
	if (settings->address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	http->daemon =
		MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
			say_nothing, NULL, MHD_OPTION_SOCK_ADDR, &http->settings.address,
			MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_CONNECTION_LIMIT,
			(unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
			NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	if (!http->daemon)
		goto free_http;
	if (watch(http) == 0) {
		schedule(http);
		return http;
	}
	MHD_stop_daemon(http->daemon);
free_http:
	free(http);
	if (!errno)
		errno = EINVAL;
	return NULL;
}

int http_port(const struct http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);

	return info ? info->port : 0;
}

void http_quiesce(struct http *http)
{
	MHD_socket listener;

	if (http->is_quiet)
		return;
	http->is_quiet = true;
	listener = MHD_quiesce_daemon(http->daemon);
	if (listener != MHD_INVALID_SOCKET)
		close(listener);
}

size_t http_calls(const struct http *http)
{
	return http->calls;
}

void http_close(struct http *http)
{
	http_quiesce(http);
	http->is_closing = true;
	schedule(http);
}

void http_free(struct http *http)
{
	free(http);
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
	return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

const char *http_query(struct http_call *call, const char *name)
{
	const char *raw =
		MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
	char *plain = raw && call->query_count < QUERIES ? decode(raw, strlen(raw)) : NULL;

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
