/*
 * Which connections there may be, and for how long. libmicrohttpd counts them and knows how long
 * one was quiet; it does not know that a byte now and then is as bad, nor that a half-closed one
 * is over, and has no room for whoever asks how the service is. So each is watched here; one that
 * must go has its socket shut, which libmicrohttpd then sees.
 */
#define _DEFAULT_SOURCE /* <microhttpd.h>: types that POSIX lacks */

#include "http_inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	FRESH_MS = 1000 /* a connection is not closed for a newer one before */
};

static uint64_t now_of(const struct http *http)
{
	return uv_now(http->settings.loop);
}

struct http_connection *http__place_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void http__move_to(struct http_connection *place, enum http_state state)
{
	if (!place)
		return;
	place->state = state;
	place->since = now_of(place->http);
}

static void cut(struct http_connection *place)
{
	place->is_cut = true;
	(void)shutdown(place->fd, SHUT_RDWR);
}

/* ---- room for a new one ---- */

static bool is_same_address(const struct http_connection *a, const struct http_connection *b)
{
	return memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* Waits for a request since a while, so that its client can't mind much. */
static bool is_idle(const struct http_connection *place)
{
	return place->state == HTTP_IDLE && now_of(place->http) - place->since >= FRESH_MS;
}

static void cut_for_room(struct http_connection *place)
{
	place->http->losses.crowded++;
	cut(place);
}

/* A spare connection is closed for the next; first one of the same address. */
static void make_spare_room(const struct http_connection *newcomer)
{
	struct http_connection *of_it = NULL, *oldest = NULL;
	size_t spare = 0;

	for (struct http_connection *at = newcomer->http->newest; at; at = at->older) {
		if (!at->is_spare || at == newcomer || at->is_cut)
			continue;
		spare++;
		if (at->state == HTTP_HANDLES)
			continue;
		oldest = at;
		if (is_same_address(at, newcomer))
			of_it = at;
	}
	if (spare >= HTTP_SPARE && oldest)
		cut_for_room(of_it ? of_it : oldest);
}

/* Among the others there is room for it, or an idle one goes; else it is a spare one. */
static void find_room(struct http_connection *newcomer)
{
	struct http_connection *idle = NULL, *idle_of_it = NULL;
	size_t all = 0, of_it = 0;

	for (struct http_connection *at = newcomer->http->newest; at; at = at->older) {
		bool is_same = is_same_address(at, newcomer);

		if (at->is_spare || at == newcomer || at->is_cut)
			continue;
		all++;
		of_it += is_same;
		if (is_idle(at))
			*(is_same ? &idle_of_it : &idle) = at;
	}
	if (of_it >= HTTP_OF_ADDRESS || (all >= HTTP_CONNECTIONS && idle_of_it))
		idle = idle_of_it;
	newcomer->is_spare = of_it >= HTTP_OF_ADDRESS || all >= HTTP_CONNECTIONS;
	if (newcomer->is_spare && idle) {
		newcomer->is_spare = false;
		cut_for_room(idle);
	}
	if (newcomer->is_spare)
		make_spare_room(newcomer);
}

/* ---- beginning and ending ---- */

static void read_address(struct http_connection *place, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		memcpy(place->address, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
	else
		memcpy(place->address, &((const struct sockaddr_in *)address)->sin_addr, 4);
}

static struct http_connection *begin(struct http *http, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_connection *place = info ? calloc(1, sizeof *place) : NULL;

	if (!place)
		return NULL;
	place->http = http;
	place->fd = info->connect_fd;
	place->older = http->newest;
	*(http->newest ? &http->newest->newer : &http->oldest) = place;
	http->newest = place;
	http->connections++;
	http__move_to(place, HTTP_IDLE);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info && info->client_addr)
		read_address(place, info->client_addr);
	find_room(place);
	return place;
}

static void end(struct http_connection *place)
{
	struct http *http = place->http;

	assert(http->connections);
	*(place->older ? &place->older->newer : &http->oldest) = place->newer;
	*(place->newer ? &place->newer->older : &http->newest) = place->older;
	http->connections--;
	free(place);
}

void http__connected(void *context, struct MHD_Connection *connection, void **place,
	enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*place = begin(context, connection);
	else if (*place)
		end(*place);
}

void *http__begun(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct http_connection *place = http__place_of(connection);

	(void)context;
	http__move_to(place, HTTP_READS);
	if (place)
		place->target_end = uri + strlen(uri);
	return NULL;
}

/* ---- time ---- */

/* The longest time, in ms, that the state may last; 0: no limit. */
static uint64_t time_of(const struct http_connection *place)
{
	switch (place->state) {
	case HTTP_IDLE: /* a first line, too, may come byte by byte */
		return place->is_spare ? HTTP_SPARE_MS : HTTP_IDLE_MS;
	case HTTP_READS:
		return place->is_spare ? HTTP_SPARE_MS : HTTP_REQUEST_MS;
	case HTTP_REPLIES:
		return HTTP_REPLY_MS;
	case HTTP_HANDLES:
		break;
	}
	return 0;
}

/* Before its request was whole. A byte that was not read yet is looked at, and stays. */
static bool has_gone(const struct http_connection *place)
{
	char byte;

	return (place->state == HTTP_IDLE || place->state == HTTP_READS) &&
		recv(place->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool is_late(const struct http_connection *place)
{
	uint64_t time = time_of(place);

	return time && now_of(place->http) - place->since >= time;
}

void http__sweep(struct http *http)
{
	for (struct http_connection *at = http->oldest; at; at = at->newer) {
		if (at->is_cut)
			continue;
		if (is_late(at)) {
			http->losses.late += at->state != HTTP_IDLE;
			cut(at);
		} else if (has_gone(at)) {
			cut(at);
		}
	}
}

void http__close_idle(struct http *http)
{
	for (struct http_connection *at = http->oldest; at; at = at->newer)
		if (!at->is_cut && (at->state == HTTP_IDLE || at->state == HTTP_READS))
			cut(at);
}
