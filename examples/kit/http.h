#ifndef KIT_HTTP_H
#define KIT_HTTP_H

/*
 * The server: HTTP/1.1 on a libuv loop by libmicrohttpd. All of it: the loop's thread.
 *
 * Nobody keeps others out by being slow: a request has a time that no byte prolongs, a client that
 * has gone is let go, and an address has its share of the connections. Beyond these there is room
 * for routes that are always answered (HTTP_OPEN).
 */

#include "kit.h"

#include <netinet/in.h>
#include <uv.h>

struct http;

enum {
	HTTP_HEAD_MOST = 8 * 1024, /* a request's line and headers */
	HTTP_FIELDS = 100,         /* headers of a request */
	HTTP_CONNECTIONS = 512,
	HTTP_OF_ADDRESS = 256,   /* connections; of IPv6 all of a /64 count as one address */
	HTTP_SPARE = 64,         /* connections beyond these, for what is HTTP_OPEN */
	HTTP_REQUEST_MS = 30000, /* for its headers and body, behind its first line */
	HTTP_IDLE_MS = 30000,    /* for a request's first line */
	HTTP_REPLY_MS = 30000,   /* for a reply to be taken */
	HTTP_SPARE_MS = 5000     /* instead of the first two, on a spare connection */
};

/* Connections that were closed before a request was whole. */
struct http_losses {
	int64_t late;    /* HTTP_REQUEST_MS were over, or HTTP_SPARE_MS, HTTP_REPLY_MS */
	int64_t crowded; /* to make room for a newer one */
};

struct http_settings {
	uv_loop_t *loop;
	struct sockaddr_storage address;
	const char *token;                      /* NULL: none is asked for */
	size_t body_bytes;                      /* most of a body */
	const struct http_route *const *routes; /* tables, ended by NULL */
	void *user;
	void (*replied)(void *user, struct http_call *call); /* for the log */
	void (*closed)(void *user);                          /* after http_close */
};

/* "127.0.0.1:8081", "[::1]:8081". -1: it is none. */
int http_address(const char *text, struct sockaddr_storage *ret_address);
bool http_is_loopback(const struct sockaddr_storage *address);

/* Listens. NULL: errno says why. Whatever the settings name must outlive it. */
struct http *http_open(const struct http_settings *settings);
int http_port(const struct http *http);

/* Takes no new connection, and answers requests on the others by 503. */
void http_quiesce(struct http *http);
size_t http_calls(const struct http *http); /* not replied to yet */
size_t http_connections(const struct http *http);
struct http_losses http_losses(const struct http *http);

/* Once every call was replied to: lets replies go out, closes, calls `closed`. Then http_free. */
void http_close(struct http *http);
void http_free(struct http *http); /* NULL is fine */

/* ---- a call, for the log and the numbers ---- */

void *http_user(const struct http_call *call);                        /* of the settings */
const struct http_route *http_route_of(const struct http_call *call); /* NULL: none */
int http_status(const struct http_call *call);
uint64_t http_micros(const struct http_call *call); /* from its headers to its reply */

#endif
