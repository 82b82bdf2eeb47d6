/* The server: it listens, and ends when all was replied to. */
#include "http_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BACKLOG = 511
};

/* ---- addresses ---- */

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

/* ---- its life ---- */

static void on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		http__accept(listener->data);
}

static void free_unopened(uv_handle_t *listener)
{
	free(listener->data);
}

/* A libuv code. */
static int listen_at(struct http *http, const struct sockaddr_storage *address)
{
	unsigned flags = address->ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0;
	int code = uv_tcp_bind(&http->listener, (const struct sockaddr *)address, flags);

	return code ? code : uv_listen((uv_stream_t *)&http->listener, BACKLOG, on_connection);
}

struct http *http_open(const struct http_settings *settings)
{
	struct http *http = calloc(1, sizeof *http);
	int code;

	if (!http)
		return NULL;
	http->settings = *settings;
	code = uv_tcp_init(settings->loop, &http->listener);
	http->listener.data = http;
	if (code) {
		free(http);
		errno = -code;
		return NULL;
	}
	code = listen_at(http, &settings->address);
	if (code) {
		uv_close((uv_handle_t *)&http->listener, free_unopened);
		errno = -code;
		return NULL;
	}
	http->is_listening = true;
	return http;
}

int http_port(const struct http *http)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	int size = sizeof address;

	if (uv_tcp_getsockname(&http->listener, (struct sockaddr *)&address, &size) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

void http__go_on(struct http *http)
{
	if (http->is_waiting && !http->is_quiet)
		http__accept(http);
	if (!http->is_closing || http->is_listening || http->connections || http->is_closed)
		return;
	http->is_closed = true;
	if (http->settings.closed)
		http->settings.closed(http->settings.user);
}

static void on_unlistened(uv_handle_t *listener)
{
	struct http *http = listener->data;

	http->is_listening = false;
	http__go_on(http);
}

void http_quiesce(struct http *http)
{
	if (http->is_quiet)
		return;
	http->is_quiet = true;
	uv_close((uv_handle_t *)&http->listener, on_unlistened);
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
	http__go_on(http);
}

void http_free(struct http *http)
{
	free(http);
}
