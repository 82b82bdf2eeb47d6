/*
 * A connection: it reads a request, has it handled, sends the reply, and reads the next. Every
 * state that waits for the client has a deadline, which does not move while bytes trickle in.
 */
#include "http_inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLOOD = 1024 * 1024, /* bytes that are dropped after the last reply, then it is cut */
	FRESH_MS = 1000      /* a connection is not closed for a newer one before */
};

static void consume(struct http_connection *connection, const char *bytes, size_t size);
static void close_connection(struct http_connection *connection);

/* ---- calls ---- */

static struct http_call *new_call(struct http_connection *connection)
{
	struct http_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->http = connection->http;
	call->connection = connection;
	call->begun = uv_hrtime() / 1000;
	call->http->calls++;
	connection->call = call;
	return call;
}

static void free_call(struct http_connection *connection)
{
	struct http_call *call = connection->call;

	if (!call)
		return;
	if (!call->is_replied)
		call->http->calls--; /* its client went while it was read */
	for (size_t i = 0; i < call->query_count; i++)
		free(call->queries[i]);
	free(call->argument);
	free(call->body);
	free(call);
	connection->call = NULL;
}

/* ---- states ---- */

static bool may_move(enum http_state from, enum http_state to)
{
	switch (from) {
	case HTTP_READS_HEAD:
		return to == HTTP_READS_BODY || to == HTTP_CLOSES;
	case HTTP_READS_BODY:
		return to == HTTP_HANDLES || to == HTTP_REPLIES || to == HTTP_CLOSES;
	case HTTP_HANDLES:
		return to == HTTP_REPLIES || to == HTTP_CLOSES;
	case HTTP_REPLIES:
		return to == HTTP_READS_HEAD || to == HTTP_LINGERS || to == HTTP_CLOSES;
	case HTTP_LINGERS:
		return to == HTTP_CLOSES;
	case HTTP_CLOSES:
		break;
	}
	return false;
}

static void on_late(uv_timer_t *timer)
{
	struct http_connection *connection = timer->data;
	bool is_idle = connection->state == HTTP_READS_HEAD && connection->head_size == 0;

	if (!is_idle && connection->state != HTTP_LINGERS)
		connection->http->losses.late++;
	close_connection(connection);
}

/* 0: none. */
static void set_deadline(struct http_connection *connection, uint64_t ms)
{
	if (ms)
		uv_timer_start(&connection->timer, on_late, ms, 0);
	else
		uv_timer_stop(&connection->timer);
}

static void move_to(struct http_connection *connection, enum http_state state)
{
	assert(may_move(connection->state, state));
	connection->state = state;
	connection->since = uv_now(connection->http->settings.loop);
	switch (state) {
	case HTTP_READS_HEAD:
		set_deadline(connection, connection->is_spare ? HTTP_SPARE_MS : HTTP_IDLE_MS);
		break;
	case HTTP_READS_BODY: /* the request's deadline is set */
	case HTTP_CLOSES:
		break;
	case HTTP_HANDLES:
		set_deadline(connection, 0);
		break;
	case HTTP_REPLIES:
		set_deadline(connection, HTTP_REPLY_MS);
		break;
	case HTTP_LINGERS:
		set_deadline(connection, HTTP_LINGER_MS);
		break;
	}
}

/* ---- its end ---- */

static void free_connection(uv_handle_t *handle)
{
	struct http_connection *connection = handle->data;
	struct http *http = connection->http;

	if (--connection->handles)
		return;
	*(connection->older ? &connection->older->newer : &http->oldest) = connection->newer;
	*(connection->newer ? &connection->newer->older : &http->newest) = connection->older;
	http->connections--;
	free_call(connection);
	free(connection->rest);
	free(connection->reply);
	free(connection);
	http__go_on(http);
}

/* Who handles its request may still reply: such a connection is not closed. */
static void close_connection(struct http_connection *connection)
{
	if (connection->state == HTTP_CLOSES)
		return;
	assert(connection->state != HTTP_HANDLES);
	move_to(connection, HTTP_CLOSES);
	uv_close((uv_handle_t *)&connection->tcp, free_connection);
	uv_close((uv_handle_t *)&connection->timer, free_connection);
}

void http__close_idle(struct http *http)
{
	for (struct http_connection *at = http->oldest; at; at = at->newer)
		if (at->state != HTTP_HANDLES && at->state != HTTP_REPLIES)
			close_connection(at);
}

/* ---- replying ---- */

static void read_on(struct http_connection *connection);

static void on_shut(uv_shutdown_t *request, int status)
{
	if (status != 0)
		close_connection(request->data);
}

/* Closing while the client still sends would take back the reply (by a reset). */
static void linger(struct http_connection *connection)
{
	move_to(connection, HTTP_LINGERS);
	connection->shutdown.data = connection;
	if (connection->http->is_closing ||
		uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut) != 0)
		close_connection(connection);
	else
		read_on(connection);
}

static void read_next(struct http_connection *connection)
{
	char *rest = connection->rest;
	size_t size = connection->rest_size;

	connection->rest = NULL;
	connection->rest_size = 0;
	connection->scanner = (struct http_scanner){ .line = 0 };
	connection->chunks = (struct http_chunks){ .left = 0 };
	connection->head_size = 0;
	move_to(connection, HTTP_READS_HEAD);
	if (connection->http->is_closing) {
		close_connection(connection);
	} else {
		consume(connection, rest, size);
		if (connection->state == HTTP_READS_HEAD || connection->state == HTTP_READS_BODY)
			read_on(connection);
	}
	free(rest);
}

static void on_sent(uv_write_t *request, int status)
{
	struct http_connection *connection = request->data;

	if (connection->state == HTTP_CLOSES)
		return;
	free_call(connection);
	free(connection->reply);
	connection->reply = NULL;
	if (status != 0)
		close_connection(connection);
	else if (connection->is_last)
		linger(connection);
	else
		read_next(connection);
}

/* After what was not read to its end, or not understood, no next request can be found. */
static bool is_last(const struct http_connection *connection)
{
	bool is_read = connection->parsed.is_chunked ? connection->chunks.state == HTTP_CHUNK_END
						     : connection->body_left == 0;

	return !connection->parsed.is_kept || !is_read || connection->is_spare ||
		connection->http->is_quiet;
}

bool http__is_last(struct http_call *call)
{
	call->connection->is_last = is_last(call->connection);
	return call->connection->is_last;
}

void http__send(struct http_call *call, char *reply, size_t size)
{
	struct http_connection *connection = call->connection;
	uv_buf_t buffer = uv_buf_init(reply, (unsigned)size);

	call->http->calls--;
	uv_read_stop((uv_stream_t *)&connection->tcp);
	move_to(connection, HTTP_REPLIES);
	connection->reply = reply;
	connection->write.data = connection;
	if (!reply ||
		uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1,
			on_sent) != 0)
		close_connection(connection);
}

/* ---- a request ---- */

/* What is no HTTP is answered, too. */
static void refuse_head(struct http_connection *connection, int status, const char *why)
{
	struct http_call *call;

	move_to(connection, HTTP_READS_BODY);
	connection->parsed = (struct http_head){ .method = "", .path = "", .query = "" };
	call = new_call(connection);
	if (call)
		http__refuse(call, status, why);
	else
		close_connection(connection);
}

static void handle(struct http_call *call)
{
	struct http_connection *connection = call->connection;

	uv_read_stop((uv_stream_t *)&connection->tcp);
	move_to(connection, HTTP_HANDLES);
	if ((call->route->needs & HTTP_BODY) && !call->body_size)
		http_problem(call, 400, "MALFORMED", "there is no body");
	else
		call->route->handler(call);
}

static void on_went_on(uv_write_t *request, int status)
{
	(void)request; /* the connection's end tells what went wrong */
	(void)status;
}

static void tell_to_go_on(struct http_connection *connection)
{
	static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uv_buf_t buffer = uv_buf_init(line, sizeof line - 1);

	if (uv_write(&connection->go_on, (uv_stream_t *)&connection->tcp, &buffer, 1, on_went_on) !=
		0)
		close_connection(connection);
}

/* A whole head has come; `more`: so has some of its body. */
static void begin_request(struct http_connection *connection, bool has_more)
{
	const char *why = NULL;
	int status =
		http_parse_head(connection->head, connection->head_size, &connection->parsed, &why);
	struct http_call *call;

	if (status) {
		refuse_head(connection, status, why);
		return;
	}
	connection->body_left = connection->parsed.length;
	move_to(connection, HTTP_READS_BODY);
	call = new_call(connection);
	if (!call) {
		close_connection(connection);
		return;
	}
	http__admit(call);
	if (connection->state != HTTP_READS_BODY)
		return;
	if (!connection->parsed.is_chunked && connection->body_left == 0)
		handle(call);
	else if (connection->parsed.is_awaiting && !has_more)
		tell_to_go_on(connection);
}

/* How many of these bytes belong to the head. */
static size_t take_head(struct http_connection *connection, const char *bytes, size_t size)
{
	size_t room = sizeof connection->head - connection->head_size, used = 0;
	enum http_scan scan;

	/* A blank line before a request is let pass: RFC 9112, 2.2. */
	while (connection->head_size == 0 && used < size &&
		(bytes[used] == '\r' || bytes[used] == '\n'))
		used++;
	if (used)
		return used;
	if (connection->head_size == 0 && !connection->is_spare)
		set_deadline(connection, HTTP_REQUEST_MS);
	scan = http_scan(&connection->scanner, bytes, size < room ? size : room, &used);
	memcpy(connection->head + connection->head_size, bytes, used);
	connection->head_size += used;
	switch (scan) {
	case HTTP_SCAN_MORE:
		if (connection->head_size == sizeof connection->head)
			refuse_head(connection, 431,
				"a request's line and headers take 8192 bytes at most");
		break;
	case HTTP_SCAN_END:
		begin_request(connection, used < size);
		break;
	case HTTP_SCAN_BAD:
		refuse_head(connection, 400,
			"a request's line and headers are text, each line ended by CR LF");
		break;
	}
	return used;
}

/* Whether it fits, and there is memory; else it is replied to. */
static void keep_body(struct http_call *call, const char *bytes, size_t size)
{
	char *longer = NULL;

	if (call->body_size + size > HTTP_BODY_MOST)
		http_problem(call, 413, "TOO_BIG", "a body takes %d bytes at most", HTTP_BODY_MOST);
	else if (!(longer = realloc(call->body, call->body_size + size + 1)))
		http_problem(call, 503, "NOMEM", "out of memory");
	if (!longer)
		return;
	memcpy(longer + call->body_size, bytes, size);
	call->body = longer;
	call->body_size += size;
	longer[call->body_size] = '\0';
}

static size_t take_chunks(struct http_connection *connection, const char *bytes, size_t size)
{
	const char *data;
	size_t data_size, used;

	used = http_chunks_take(&connection->chunks, bytes, size, &data, &data_size);
	if (data_size)
		keep_body(connection->call, data, data_size);
	else if (connection->chunks.state == HTTP_CHUNK_BAD)
		http_problem(connection->call, 400, "MALFORMED", "the body's chunks are wrong");
	else if (connection->chunks.state == HTTP_CHUNK_END)
		handle(connection->call);
	return used;
}

static size_t take_body(struct http_connection *connection, const char *bytes, size_t size)
{
	size_t used = size < connection->body_left ? size : (size_t)connection->body_left;

	if (connection->parsed.is_chunked)
		return take_chunks(connection, bytes, size);
	assert(used > 0);
	connection->body_left -= used;
	keep_body(connection->call, bytes, used);
	if (connection->state == HTTP_READS_BODY && connection->body_left == 0)
		handle(connection->call);
	return used;
}

/* What comes behind a whole request waits until that was replied to. */
static void keep_rest(struct http_connection *connection, const char *bytes, size_t size)
{
	assert(!connection->rest);
	connection->rest = malloc(size);
	if (connection->rest) {
		memcpy(connection->rest, bytes, size);
		connection->rest_size = size;
	} else {
		connection->parsed.is_kept = false; /* if it did not reply yet */
		connection->is_last = true;
	}
}

static void consume(struct http_connection *connection, const char *bytes, size_t size)
{
	while (size &&
		(connection->state == HTTP_READS_HEAD || connection->state == HTTP_READS_BODY)) {
		size_t used = connection->state == HTTP_READS_HEAD
			? take_head(connection, bytes, size)
			: take_body(connection, bytes, size);

		assert(used > 0 && used <= size);
		bytes += used;
		size -= used;
	}
	if (size && (connection->state == HTTP_HANDLES || connection->state == HTTP_REPLIES))
		keep_rest(connection, bytes, size);
}

/* ---- reading ---- */

static void lend_input(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buffer)
{
	struct http_connection *connection = handle->data;

	(void)wanted;
	*ret_buffer = uv_buf_init(connection->http->input, sizeof connection->http->input);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct http_connection *connection = stream->data;

	if (size < 0) {
		close_connection(connection);
	} else if (connection->state == HTTP_LINGERS) {
		connection->dropped += (size_t)size;
		if (connection->dropped > FLOOD)
			close_connection(connection);
	} else {
		consume(connection, buffer->base, (size_t)size);
	}
}

static void read_on(struct http_connection *connection)
{
	if (uv_read_start((uv_stream_t *)&connection->tcp, lend_input, on_read) != 0)
		close_connection(connection);
}

/* ---- accepting ---- */

static void read_address(struct http_connection *connection)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	int size = sizeof address;

	if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&address, &size) != 0)
		return;
	if (address.ss_family == AF_INET6)
		memcpy(connection->address, &((struct sockaddr_in6 *)&address)->sin6_addr, 8);
	else
		memcpy(connection->address, &((struct sockaddr_in *)&address)->sin_addr, 4);
}

static bool is_same_address(const struct http_connection *a, const struct http_connection *b)
{
	return memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* Waits for a request since a while, so that its client can't mind much. */
static bool is_idle(const struct http_connection *connection)
{
	return connection->state == HTTP_READS_HEAD && connection->head_size == 0 &&
		uv_now(connection->http->settings.loop) - connection->since >= FRESH_MS;
}

static void close_for_room(struct http_connection *connection)
{
	connection->http->losses.crowded++;
	close_connection(connection);
}

/* A spare connection is closed for the next; first one of the same address. */
static void make_spare_room(const struct http_connection *newcomer)
{
	struct http_connection *of_it = NULL, *oldest = NULL;
	size_t spare = 0;

	for (struct http_connection *at = newcomer->http->newest; at; at = at->older) {
		if (!at->is_spare || at == newcomer || at->state == HTTP_CLOSES)
			continue;
		spare++;
		if (at->state == HTTP_HANDLES)
			continue;
		oldest = at;
		if (is_same_address(at, newcomer))
			of_it = at;
	}
	if (spare >= HTTP_SPARE && oldest)
		close_for_room(of_it ? of_it : oldest);
}

/* Among the others there is room for it, or an idle one goes; else it is a spare one. */
static void find_room(struct http_connection *newcomer)
{
	struct http_connection *idle = NULL, *idle_of_it = NULL;
	size_t all = 0, of_it = 0;

	for (struct http_connection *at = newcomer->http->newest; at; at = at->older) {
		bool is_same = is_same_address(at, newcomer);

		if (at->is_spare || at == newcomer || at->state == HTTP_CLOSES)
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
		close_for_room(idle);
	}
	if (newcomer->is_spare)
		make_spare_room(newcomer);
}

static struct http_connection *new_connection(struct http *http)
{
	struct http_connection *connection = calloc(1, sizeof *connection);

	if (!connection)
		return NULL;
	connection->http = http;
	connection->tcp.data = connection->timer.data = connection;
	uv_tcp_init(http->settings.loop, &connection->tcp);
	uv_timer_init(http->settings.loop, &connection->timer);
	connection->handles = 2;
	connection->older = http->newest;
	*(http->newest ? &http->newest->newer : &http->oldest) = connection;
	http->newest = connection;
	http->connections++;
	return connection;
}

void http__accept(struct http *http)
{
	struct http_connection *connection = new_connection(http);

	http->is_waiting = !connection;
	if (!connection)
		return;
	if (uv_accept((uv_stream_t *)&http->listener, (uv_stream_t *)&connection->tcp) != 0) {
		close_connection(connection);
		return;
	}
	uv_tcp_nodelay(&connection->tcp, 1);
	read_address(connection);
	find_room(connection);
	connection->since = uv_now(http->settings.loop);
	set_deadline(connection, connection->is_spare ? HTTP_SPARE_MS : HTTP_IDLE_MS);
	read_on(connection);
}
