#ifndef SHOP_HTTP_INSIDE_H
#define SHOP_HTTP_INSIDE_H

/* The insides: http.c is the server, http_admit.c what comes in, http_call.c what goes out. */

#include "http.h"

#include <microhttpd.h>

enum {
	HTTP_ADDED = 4,   /* headers of a reply */
	HTTP_QUERIES = 4, /* arguments that a handler asks for */
	HTTP_TRACEPARENT = 55
};

struct http {
	struct http_settings settings;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	int handles;  /* that are open */
	size_t calls; /* not replied to */
	size_t open;  /* not sent yet, or not replied to */
	bool is_due;  /* a turn, at once: libmicrohttpd says nothing of what was resumed */
	bool is_quiet, is_closing;
};

struct http_call {
	struct http *http;
	struct MHD_Connection *connection;
	const struct http_route *route;
	const char *method;
	char *path;
	char *argument;
	char *queries[HTTP_QUERIES]; /* that were asked for */
	size_t query_count;
	char *body;
	size_t body_size, came;
	char traceparent[HTTP_TRACEPARENT + 1];
	char added[HTTP_ADDED][2][256];
	size_t added_count;
	struct MHD_Response *response;
	int status;
	uint64_t begun, micros;
	bool is_suspended, is_replied;
};

/* http.c: it was replied to; the reply is to go out. */
void http__replied(struct http_call *call);

/* http_admit.c: finds its route and what that needs; or replies with a refusal. */
void http__admit(struct http_call *call);

/* Without its %XX; NULL: one of them is wrong, is a NUL, or there is no memory. The caller's. */
char *http__decode(const char *text, size_t size);

#endif
