#ifndef SHOP_HTTP_H
#define SHOP_HTTP_H

/*
 * HTTP/1.1 on a libuv loop by libmicrohttpd: routes as a table, JSON in, JSON or problem details
 * (RFC 9457) out. A handler replies at once, or later from the loop. All of it: the loop's thread.
 *
 * Nobody keeps others out by being slow: a request has a time that no byte prolongs, a
 * client that has gone is let go, and an address has its share of the connections. Beyond these
 * there is room for routes that are always answered (HTTP_OPEN).
 */

#include <saga/event.h>

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <uv.h>

struct http;

/* One request. It lives until it is replied to, which must happen once. */
struct http_call;

typedef void http_handler(struct http_call *call);

enum http_needs {
	HTTP_BODY = 1, /* a JSON body */
	HTTP_KEY = 2,  /* an Idempotency-Key */
	HTTP_OPEN = 4  /* no token, and it is answered when there is no room for others */
};

struct http_route {
	const char *method;
	const char *path; /* "/orders/{}": one {} at most, which is a whole segment */
	http_handler *handler;
	unsigned needs; /* of enum http_needs */
};

enum {
	HTTP_BODY_MOST = 64 * 1024,
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
	const char *token; /* NULL: none is asked for */
	const struct http_route *const
		*routes; /* tables that end without a method; ended by NULL */
	void *user;
	void (*replied)(void *user, struct http_call *call); /* for the log */
	void (*closed)(void *user);                          /* after http_close */
};

/* "127.0.0.1:8081", "[::1]:8081". -1: it is none. */
int http_address(const char *text, struct sockaddr_storage *ret_address);
bool http_is_loopback(const struct sockaddr_storage *address);

/* Listens. NULL: errno says why. What the settings name outlives it. */
struct http *http_open(const struct http_settings *settings);
int http_port(const struct http *http);

/* Takes no new connection, and answers what else comes by 503. */
void http_quiesce(struct http *http);
size_t http_calls(const struct http *http); /* not replied to yet */
size_t http_connections(const struct http *http);
struct http_losses http_losses(const struct http *http);

/* Once all was replied to: lets replies go out, closes, calls `closed`. Then http_free. */
void http_close(struct http *http);
void http_free(struct http *http); /* NULL is fine */

/* ---- a call ---- */

void *http_user(const struct http_call *call);
const char *http_argument(const struct http_call *call);           /* what {} stands for */
const char *http_header(struct http_call *call, const char *name); /* NULL: none */
const char *http_query(struct http_call *call, const char *name);  /* NULL: none */
saga_bytes http_body(const struct http_call *call);
const char *http_traceparent(const struct http_call *call); /* the client's, or a new one */

/* Replies. The JSON is taken. */
void http_json(struct http_call *call, int status, json_t *json);
void http_text(struct http_call *call, int status, const char *type, const char *text, size_t size);

/* A refusal; `code` is for machines ("CONFLICT"), NULL: none. */
void http_problem(struct http_call *call, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A header of the reply, before it; one that is too long, or holds a line's end, is left out. */
void http_set(struct http_call *call, const char *name, const char *value);

/*
 * Location: `before`, then `segment` with its %XX. One that does not fit is left out, as is that
 * of a refusal.
 */
void http_set_location(struct http_call *call, const char *before, const char *segment);

/* ---- what came of it, for the log and the numbers ---- */

const char *http_method(const struct http_call *call);
const char *http_path(const struct http_call *call);
const struct http_route *http_route_of(const struct http_call *call); /* NULL: none */
int http_status(const struct http_call *call);
uint64_t http_micros(const struct http_call *call); /* from its headers to its reply */

#endif
