#ifndef KIT_HTTP_INSIDE_H
#define KIT_HTTP_INSIDE_H

/*
 * The insides: http.c is libmicrohttpd on the loop, http_crowd.c says which connections there may
 * be and for how long, http_admit.c what comes in, http_call.c what goes out.
 */

#include "http.h"

#include <microhttpd.h>

enum {
	HTTP_ADDED_ALL = HTTP_ADDED + 2, /* a refusal of the kit adds its own */
	HTTP_TRACEPARENT = 55
};

struct http {
	struct http_settings settings;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer, sweep;
	int handles;  /* that are open */
	size_t calls; /* not replied to */
	size_t open;  /* not sent yet, or not replied to */
	struct http_connection *oldest, *newest;
	size_t connections;
	struct http_losses losses;
	bool is_due; /* a turn, at once: libmicrohttpd says nothing of what was resumed */
	bool is_quiet, is_closing;
};

enum http_state {
	HTTP_IDLE, /* waits for a request's first line */
	HTTP_READS,
	HTTP_HANDLES, /* a handler has it, and replies later */
	HTTP_REPLIES  /* the reply leaves */
};

struct http_connection {
	struct http *http;
	struct http_connection *older, *newer;
	int fd;
	enum http_state state;
	uint64_t since;   /* ms of the loop: when its state began */
	char address[16]; /* what counts of it */
	bool is_spare;
	const char *target_end; /* of the request that is read */
	bool is_cut;            /* it closes as soon as libmicrohttpd sees it */
};

enum {
	HTTP_KEY_MOST = 255 /* bytes */
};

struct http_call {
	struct http *http;
	struct MHD_Connection *connection;
	struct http_connection *place; /* NULL: there was no memory for it */
	const struct http_route *route;
	const char *method, *target, *version; /* as they stand at libmicrohttpd */
	char *path;
	char *arguments[HTTP_ARGUMENTS]; /* NULL: the path has fewer {} */
	char **queries;                  /* those that the handler asked for */
	size_t query_count;
	char *body;
	size_t body_size, came;
	char traceparent[HTTP_TRACEPARENT + 1];
	char key[HTTP_KEY_MOST + 1]; /* its Idempotency-Key, without quotes; "": none */
	char added[HTTP_ADDED_ALL][2][256];
	size_t added_count;
	char location[256]; /* "": none */
	struct MHD_Response *response;
	int status;
	uint64_t begun, micros;
	bool is_last; /* no request may follow on its connection */
	bool is_suspended, is_replied;
};

/* http.c: it was replied to; the reply is to go out. */
void http__replied(struct http_call *call);

/* http_crowd.c */
/* libmicrohttpd's callbacks: a connection begins or ends; the first line of a request has come. */
void http__connected(void *context, struct MHD_Connection *connection, void **place,
	enum MHD_ConnectionNotificationCode what);
void *http__begun(void *context, const char *uri, struct MHD_Connection *connection);
struct http_connection *http__place_of(struct MHD_Connection *connection);
void http__move_to(struct http_connection *place, enum http_state state); /* NULL is fine */
/* Closes those that are late, or whose client has gone; each second. */
void http__sweep(struct http *http);
/* Closes all whose request is not handled, and whose reply does not leave. */
void http__close_idle(struct http *http);

/* http_admit.c: finds its route and what that needs; or replies with a refusal. */
void http__admit(struct http_call *call);

/* Replies that its body is larger than the service takes. */
void http__refuse_size(struct http_call *call);

/* Without its %XX; NULL: one of them is wrong, is a NUL, or there is no memory. The caller's. */
char *http__decode(const char *text, size_t size);

#endif
