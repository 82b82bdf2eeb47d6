#ifndef SHOP_HTTP_INSIDE_H
#define SHOP_HTTP_INSIDE_H

/*
 * The insides: http.c is the server, http_connection.c a connection's life, http_admit.c what comes
 * in, http_call.c what goes out. http_parse.c knows none of them.
 */

#include "http.h"

enum {
	HTTP_ADDED = 4,   /* headers of a reply */
	HTTP_QUERIES = 4, /* arguments that a handler asks for */
	HTTP_TRACEPARENT = 55,
	HTTP_READ = 16 * 1024 /* bytes, at once */
};

struct http {
	struct http_settings settings;
	uv_tcp_t listener;
	struct http_connection *oldest, *newest;
	size_t connections;
	size_t calls; /* not replied to */
	struct http_losses losses;
	char input[HTTP_READ]; /* what was just read, of whichever connection */
	bool is_listening;     /* the listener's handle is open */
	bool is_waiting;       /* a client was not accepted, for want of memory */
	bool is_quiet, is_closing, is_closed;
};

enum http_state {
	HTTP_READS_HEAD, /* or waits for one */
	HTTP_READS_BODY,
	HTTP_HANDLES, /* a handler has it, and replies later */
	HTTP_REPLIES, /* the reply leaves */
	HTTP_LINGERS, /* the last reply has left: what comes is dropped until the client closes */
	HTTP_CLOSES
};

struct http_connection {
	struct http *http;
	struct http_connection *older, *newer;
	uv_tcp_t tcp;
	uv_timer_t timer;
	int handles; /* that are open */
	enum http_state state;
	uint64_t since;   /* ms of the loop: when its state began */
	char address[16]; /* what counts of it */
	bool is_spare;

	struct http_scanner scanner;
	char head[HTTP_HEAD_MOST];
	size_t head_size;
	struct http_head parsed;
	uint64_t body_left; /* unless it is chunked */
	struct http_chunks chunks;
	char *rest; /* what came behind the request */
	size_t rest_size;
	size_t dropped; /* bytes, while it lingers */

	struct http_call *call;
	char *reply;
	bool is_last; /* no request follows on it */
	uv_write_t write, go_on;
	uv_shutdown_t shutdown;
};

struct http_call {
	struct http *http;
	struct http_connection *connection;
	const struct http_route *route;
	char *argument;
	char *queries[HTTP_QUERIES]; /* that were asked for */
	size_t query_count;
	char *body;
	size_t body_size, came;
	char traceparent[HTTP_TRACEPARENT + 1];
	char added[HTTP_ADDED][2][256];
	size_t added_count;
	char location[256]; /* "": none */
	int status;
	uint64_t begun, micros;
	bool is_replied;
};

/* http.c: a connection's memory is gone, or a call ended: what waited for that goes on. */
void http__go_on(struct http *http);

/* http_connection.c */
void http__accept(struct http *http);

/* Closes all whose request is not handled, and whose reply does not leave. */
void http__close_idle(struct http *http);

/* Whether no request follows on its connection: so it must be told. */
bool http__is_last(struct http_call *call);

/* Sends the reply, and takes it; NULL (there was no memory) closes. */
void http__send(struct http_call *call, char *reply, size_t size);

/* http_admit.c: finds its route and what that needs; or replies with a refusal. */
void http__admit(struct http_call *call);

/* Replies to what is no request. */
void http__refuse(struct http_call *call, int status, const char *why);

/* Without its %XX; NULL: one of them is wrong, is a NUL, or there is no memory. The caller's. */
char *http__decode(const char *text, size_t size);

#endif
