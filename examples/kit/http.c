/*
 * libmicrohttpd on a libuv loop: its epoll fd is polled, its timeout is a timer, it has no thread
 * of its own.
 */
#define _DEFAULT_SOURCE /* <microhttpd.h>: types that POSIX lacks */

#include "http_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	MEMORY = 4 * HTTP_HEAD_MOST, /* of a connection, at libmicrohttpd */
	SWEEP_MS = 1000,
	BACKLOG = 511,
	FLOOD = 16 /* times the most of a body: then it is no longer read, and cut */
};

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
	uv_close((uv_handle_t *)&http->sweep, on_handle_closed);
}

static void turn(struct http *http)
{
	if (!http->daemon)
		return;
	http->is_due = false;
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

static void on_sweep(uv_timer_t *timer)
{
	struct http *http = timer->data;

	if (!http->daemon)
		return;
	http__sweep(http);
	turn(http);
}

static void schedule(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (http->is_due || (http->is_closing && !http->open))
		uv_timer_start(&http->timer, on_time, 0, 0);
	else if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
		uv_timer_start(&http->timer, on_time, ms, 0);
	else
		uv_timer_stop(&http->timer);
}

void http__replied(struct http_call *call)
{
	struct http *http = call->http;

	http->calls--;
	http__move_to(call->place, HTTP_REPLIES);
	if (http->settings.replied)
		http->settings.replied(http->settings.user, call);
	if (!call->is_suspended)
		return;
	call->is_suspended = false;
	MHD_resume_connection(call->connection);
	http->is_due = true;
	schedule(http);
}

/* ---- libmicrohttpd's callbacks ---- */

/* Strips scheme and host from "http://host/path", the absolute form (RFC 9112, 3.2.2). */
static const char *without_authority(const char *target)
{
	const char *at = target;

	if (strncasecmp(target, "http://", 7) == 0)
		at += 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		at += 8;
	else
		return target;
	at += strcspn(at, "/");
	return *at ? at : "/";
}

static struct http_call *new_call(struct http *http, struct MHD_Connection *connection,
	const char *method, const char *path, const char *version)
{
	struct http_call *call = calloc(1, sizeof *call);

	if (call)
		call->path = strdup(without_authority(path));
	if (!call || !call->path) {
		free(call);
		return NULL;
	}
	call->http = http;
	call->connection = connection;
	call->place = http__place_of(connection);
	call->method = method;
	call->target = path;
	call->version = version;
	call->begun = uv_hrtime() / 1000;
	http->calls++;
	http->open++;
	return call;
}

static enum MHD_Result take_body(struct http_call *call, const char *part, size_t *size)
{
	const size_t most = call->http->settings.body_bytes;
	size_t came = *size;
	char *longer;

	*size = 0;
	call->came += came;
	if (call->came > most)
		return call->came > FLOOD * most ? MHD_NO : MHD_YES;
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
	if (call->came > call->http->settings.body_bytes)
		http__refuse_size(call);
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

	if (!call) {
		if (!(*slot = call = new_call(context, connection, method, path, version)))
			return MHD_NO;
		http__admit(call);
		return call->is_replied ? send_reply(call) : MHD_YES;
	}
	if (*size)
		return take_body(call, part, size);
	if (!call->is_replied)
		handle(call);
	if (call->is_replied)
		return send_reply(call);
	call->is_suspended = true;
	http__move_to(call->place, HTTP_HANDLES);
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
	http__move_to(call->place, HTTP_IDLE);
	if (!call->is_replied)
		http->calls--; /* its client went while it was read */
	if (call->response)
		MHD_destroy_response(call->response);
	for (size_t i = 0; i < call->query_count; i++)
		free(call->queries[i]);
	free(call->queries);
	for (size_t i = 0; i < HTTP_ARGUMENTS; i++)
		free(call->arguments[i]);
	free(call->body);
	free(call->path);
	free(call);
}

/* libmicrohttpd decodes before it splits; here a segment is decoded once it is one. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

/* libmicrohttpd's own log is left out: each reply says what was wrong. */
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
	uv_timer_init(http->settings.loop, &http->sweep);
	http->poll.data = http->timer.data = http->sweep.data = http;
	http->handles = 3;
	uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
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
	http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
		MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_SOCK_ADDR,
		&http->settings.address, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(HTTP_CONNECTIONS + 2 * HTTP_SPARE), MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(HTTP_IDLE_MS / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
		http__connected, http, MHD_OPTION_URI_LOG_CALLBACK, http__begun, http,
		MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG, MHD_OPTION_END);
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

size_t http_connections(const struct http *http)
{
	return http->connections;
}

struct http_losses http_losses(const struct http *http)
{
	return http->losses;
}

void http_close(struct http *http)
{
	http_quiesce(http);
	http->is_closing = true;
	http__close_idle(http);
	schedule(http);
}

void http_free(struct http *http)
{
	free(http);
}
