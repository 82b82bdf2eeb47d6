/*
 * Through a bus: `saga bus`, or any forwarder that listens as a sub socket (its in) and sends on
 * what comes as a pub socket (its out). nng_place.h has the URLs.
 *
 * A message is the frame's topic, a NUL, its bytes. Subscriptions are topics with their NUL, so
 * that none is another's beginning.
 *
 * nng drops without a word what a full buffer can't take, also on its way to the bus. So we speak
 * to ourselves, too: an echo, on a topic that nobody else can have. What was sent before it has
 * passed the bus when it comes back. That bounds what is under way (`send` takes no more than
 * `sendbuf` frames beyond the last echo), tells whether the bus is there in both directions, and
 * finds connections that are open on our side alone: after PATIENCE without one we dial anew.
 *
 * nng's threads call on_frame, on_pipe and on_tick, with no lock of nng's held. nng keeps its
 * threads when the last socket is closed: nng_fini is the process's to call, not a library's.
 */

#include "nng_place.h"
#include "plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/supplemental/util/platform.h>

enum {
	TOPIC_BYTES = 64, /* with its NUL */
	SENDBUF = 1024,
	SENDBUF_MOST = 8192, /* nng's; our own bound comes before it */
	RECVBUF = 2048,
	ECHOES = 4, /* while sendbuf frames go out */
	TICK_MS = 100,
	DOWN = 10,  /* the following in ticks: not up by then is said */
	PULSE = 20, /* between two echoes when all is well */
	LOST = 5,   /* a sender waits no longer for one */
	PATIENCE = 100,
};

enum state {
	UNKNOWN,
	AWAY,
	UP
};

struct member;

/* One of our two sockets. */
struct end {
	struct member *member;
	nng_socket socket;
	nng_dialer dialer;
	const char *url;
	int pipe; /* 0: not connected */
};

struct member {
	saga_port *port;
	struct saga__nng_place place;
	nng_tls_config *config;
	size_t frame_bytes;
	char echo_topic[TOPIC_BYTES];
	struct end pub, sub;
	nng_aio *in, *out, *tick;
	uv_work_t closing;

	uv_mutex_t lock; /* for all that follows; the port is called without it */
	nng_msg *held;   /* the host had no room; nothing is read until `resume` */
	unsigned resumes;
	enum state state, said;
	bool reports;    /* somebody does */
	bool wanted;     /* room to send */
	uint64_t sent;   /* frames in all */
	uint64_t passed; /* of them: are known to have passed the bus, or were given up */
	uint64_t echoed; /* `sent` at the last echo */
	unsigned ticks;  /* since open */
	unsigned heard;  /* in ticks: the last echo, or when we began to wait for one */
	unsigned wanted_at;
	saga_transport_figures figures;
};

/* ---- telling the port ---- */

static bool has_room(const struct member *self)
{
	return self->state == UP && self->sent - self->passed < self->place.sendbuf;
}

static void say_state(struct member *self, enum state state)
{
	char text[SAGA__NNG_TEXT + 64];

	(void)snprintf(text, sizeof text, "the bus at %s %s", self->place.in,
		state == UP ? "answers" : "does not answer");
	saga_port_state(self->port, state == UP, text);
}

/* In order, though several threads have news: one of them says it all. */
static void report(struct member *self)
{
	uv_mutex_lock(&self->lock);
	while (!self->reports && (self->said != self->state || (self->wanted && has_room(self)))) {
		bool other = self->said != self->state;
		enum state state = self->said = self->state;
		bool writable = self->wanted && has_room(self);

		self->reports = true;
		self->wanted = self->wanted && !writable;
		uv_mutex_unlock(&self->lock);
		if (other)
			say_state(self, state);
		if (writable)
			saga_port_writable(self->port);
		uv_mutex_lock(&self->lock);
		self->reports = false;
	}
	uv_mutex_unlock(&self->lock);
}

/* ---- sending; the lock is held ---- */

static bool put(struct member *self, const char *topic, const void *bytes, size_t size)
{
	size_t head = strlen(topic) + 1;
	nng_msg *msg;

	if (nng_msg_alloc(&msg, head + size) != 0)
		return false;
	memcpy(nng_msg_body(msg), topic, head);
	if (size)
		memcpy((char *)nng_msg_body(msg) + head, bytes, size);
	nng_aio_set_msg(self->out, msg);
	nng_send_aio(self->pub.socket, self->out);
	nng_aio_wait(self->out); /* a pub socket never waits itself */
	if (nng_aio_result(self->out) == 0)
		return true;
	nng_msg_free(msg);
	return false;
}

static void say_echo(struct member *self)
{
	self->echoed = self->sent;
	(void)put(self, self->echo_topic, &self->sent, sizeof self->sent);
}

static void give_up(struct member *self)
{
	self->figures.lost += self->sent - self->passed;
	self->passed = self->sent;
}

static void send_frame(struct member *self, const saga_frame *frame)
{
	if (frame->bytes.size > self->frame_bytes || strlen(frame->topic) >= TOPIC_BYTES) {
		self->figures.refused++;
	} else if (!put(self, frame->topic, frame->bytes.at, frame->bytes.size)) {
		self->figures.lost++;
	} else {
		self->sent++;
		self->figures.sent++;
	}
	if (self->sent - self->echoed >= self->place.sendbuf / ECHOES)
		say_echo(self);
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct member *self = transport;
	size_t n = 0;

	uv_mutex_lock(&self->lock);
	for (; n < count && has_room(self); n++)
		send_frame(self, &frames[n]);
	if (n < count && !self->wanted) {
		self->wanted = true;
		self->wanted_at = self->ticks;
	}
	uv_mutex_unlock(&self->lock);
	*ret_sent = n;
	return SAGA_OK;
}

/* ---- receiving ---- */

static void take_echo(struct member *self, const char *bytes, size_t size)
{
	uint64_t count;

	if (size != sizeof count)
		return;
	memcpy(&count, bytes, sizeof count);
	uv_mutex_lock(&self->lock);
	if (count > self->passed && count <= self->sent)
		self->passed = count;
	self->heard = self->ticks;
	if (self->pub.pipe && self->sub.pipe)
		self->state = UP;
	uv_mutex_unlock(&self->lock);
	report(self);
}

static unsigned resumes(struct member *self)
{
	unsigned count;

	uv_mutex_lock(&self->lock);
	count = self->resumes;
	uv_mutex_unlock(&self->lock);
	return count;
}

/* Whether it was held; not if the host has made room meanwhile. */
static bool hold(struct member *self, nng_msg *msg, unsigned resumes_before)
{
	bool holds;

	uv_mutex_lock(&self->lock);
	holds = self->resumes == resumes_before;
	if (holds)
		self->held = msg;
	uv_mutex_unlock(&self->lock);
	return holds;
}

static void count_one(struct member *self, uint64_t *figure)
{
	uv_mutex_lock(&self->lock);
	(*figure)++;
	uv_mutex_unlock(&self->lock);
}

/* Whether the message is done with; else it waits for `resume`. */
static bool hand_over(struct member *self, nng_msg *msg)
{
	const char *topic = nng_msg_body(msg);
	size_t size = nng_msg_len(msg), head = strlen(topic) + 1;
	const saga_frame frame = { .topic = topic, .bytes = { topic + head, size - head } };

	for (;;) {
		unsigned before = resumes(self);

		if (saga_port_receive(self->port, &frame, 1) == SAGA_OK)
			break;
		if (hold(self, msg, before))
			return false;
	}
	count_one(self, &self->figures.received);
	nng_msg_free(msg);
	return true;
}

static bool take(struct member *self, nng_msg *msg)
{
	const char *topic = nng_msg_body(msg);
	size_t size = nng_msg_len(msg);
	const char *end = memchr(topic, '\0', size < TOPIC_BYTES ? size : TOPIC_BYTES);
	size_t rest = end ? size - (size_t)(end - topic) - 1 : 0;

	if (end && rest <= self->frame_bytes && strcmp(topic, self->echo_topic) != 0)
		return hand_over(self, msg);
	if (end && strcmp(topic, self->echo_topic) == 0)
		take_echo(self, end + 1, rest);
	else
		count_one(self, &self->figures.refused);
	nng_msg_free(msg);
	return true;
}

static void on_frame(void *context)
{
	struct member *self = context;

	if (nng_aio_result(self->in) == 0 && take(self, nng_aio_get_msg(self->in)))
		nng_recv_aio(self->sub.socket, self->in);
}

static void resume(void *transport)
{
	struct member *self = transport;
	nng_msg *msg;

	uv_mutex_lock(&self->lock);
	self->resumes++;
	msg = self->held;
	self->held = NULL;
	uv_mutex_unlock(&self->lock);
	if (msg && hand_over(self, msg))
		nng_recv_aio(self->sub.socket, self->in);
}

/* ---- connections ---- */

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
	struct end *end = context;
	struct member *self = end->member;
	int id = nng_pipe_id(pipe);

	uv_mutex_lock(&self->lock);
	if (event == NNG_PIPE_EV_ADD_POST) {
		end->pipe = id;
		self->figures.connects++;
	} else if (end->pipe == id) {
		end->pipe = 0;
		if (self->state == UP)
			self->state = AWAY;
	}
	/* What was under way went down with the old connection, if there was one. */
	give_up(self);
	if (self->pub.pipe && self->sub.pipe)
		say_echo(self);
	uv_mutex_unlock(&self->lock);
	report(self);
}

/* The lock is held. Whether to dial anew. */
static bool look(struct member *self)
{
	unsigned quiet = ++self->ticks - self->heard;

	if (self->held) { /* an echo may be behind it */
		self->heard = self->ticks;
		return false;
	}
	if (self->state == UNKNOWN && self->ticks >= DOWN)
		self->state = AWAY;
	if (self->wanted && self->state == UP && quiet >= LOST &&
		self->ticks - self->wanted_at >= LOST) {
		give_up(self);
		say_echo(self);
	} else if (self->pub.pipe && self->sub.pipe &&
		(self->state != UP || quiet % PULSE == ECHO - 1)) {
		say_echo(self);
	}
	if (quiet < PATIENCE)
		return false;
	self->heard = self->ticks;
	self->state = AWAY;
	return true;
}

static int dial(struct member *self, struct end *end)
{
	return saga__nng_dial(end->socket, &self->place, end->url, self->config, &end->dialer);
}

static void dial_anew(struct member *self, struct end *end)
{
	(void)nng_dialer_close(end->dialer);
	(void)dial(self, end); /* without memory for it: at the next time */
}

static void on_tick(void *context)
{
	struct member *self = context;
	bool again;

	if (nng_aio_result(self->tick) != 0)
		return;
	uv_mutex_lock(&self->lock);
	again = look(self);
	uv_mutex_unlock(&self->lock);
	report(self);
	if (again) {
		dial_anew(self, &self->pub);
		dial_anew(self, &self->sub);
	}
	nng_sleep_aio(TICK_MS, self->tick);
}

/* ---- opening and closing ---- */

static void name_echo(struct member *self)
{
	/* No topic of a frame has an exclamation mark. */
	(void)snprintf(self->echo_topic, sizeof self->echo_topic, "!%08x%08x%08x%08x",
		(unsigned)nng_random(), (unsigned)nng_random(), (unsigned)nng_random(),
		(unsigned)nng_random());
}

static int subscribe(struct member *self, const char *const *topics)
{
	nng_socket socket = self->sub.socket;
	int failed = nng_socket_set(
		socket, NNG_OPT_SUB_SUBSCRIBE, self->echo_topic, strlen(self->echo_topic) + 1);

	for (size_t i = 0; !failed && topics && topics[i]; i++)
		failed = nng_socket_set(
			socket, NNG_OPT_SUB_SUBSCRIBE, topics[i], strlen(topics[i]) + 1);
	return failed;
}

static int notify(struct end *end)
{
	int failed = nng_pipe_notify(end->socket, NNG_PIPE_EV_ADD_POST, on_pipe, end);

	return failed ? failed : nng_pipe_notify(end->socket, NNG_PIPE_EV_REM_POST, on_pipe, end);
}

/* Answers nng's error number; what was opened is for free_member. */
static int open_sockets(struct member *self, const char *const *topics)
{
	int failed;

	if ((failed = nng_pub0_open(&self->pub.socket)) != 0 ||
		(failed = nng_sub0_open(&self->sub.socket)) != 0)
		return failed;
	name_echo(self);
	if ((failed = nng_aio_alloc(&self->out, NULL, NULL)) != 0 ||
		(failed = nng_aio_alloc(&self->in, on_frame, self)) != 0 ||
		(failed = nng_aio_alloc(&self->tick, on_tick, self)) != 0 ||
		(failed = notify(&self->pub)) != 0 || (failed = notify(&self->sub)) != 0)
		return failed;
	/* For frames, and the echoes among them. When full, new ones are lost: gaps come late. */
	if ((failed = nng_socket_set_int(self->pub.socket, NNG_OPT_SENDBUF, SENDBUF_MOST)) != 0 ||
		(failed = nng_socket_set_int(
			 self->sub.socket, NNG_OPT_RECVBUF, (int)self->place.recvbuf)) != 0 ||
		(failed = nng_socket_set_bool(self->sub.socket, NNG_OPT_SUB_PREFNEW, false)) != 0)
		return failed;
	return subscribe(self, topics);
}

static void free_member(struct member *self)
{
	/* The tick and `in` first: they start what the closing of sockets would have to end. */
	nng_aio_stop(self->tick);
	nng_aio_stop(self->in);
	(void)nng_close(self->sub.socket);
	(void)nng_close(self->pub.socket);
	nng_aio_free(self->tick);
	nng_aio_free(self->in);
	nng_aio_free(self->out);
	if (self->held)
		nng_msg_free(self->held);
	saga__nng_tls_close(self->config);
	uv_mutex_destroy(&self->lock);
}

static int start(struct member *self, const char *const *topics, saga_error *error)
{
	int failed = open_sockets(self, topics);

	if (!failed)
		failed = dial(self, &self->pub);
	if (!failed)
		failed = dial(self, &self->sub);
	if (failed)
		return saga_error_set(error,
			failed == NNG_ENOMEM            ? SAGA_NOMEM
				: failed == NNG_ENOTSUP ? SAGA_UNSUPPORTED
							: SAGA_MALFORMED,
			"transport: %s: %s", self->place.in, nng_strerror(failed));
	nng_recv_aio(self->sub.socket, self->in);
	nng_sleep_aio(TICK_MS, self->tick);
	return SAGA_OK;
}

static void init_member(struct member *self, saga_port *port, size_t frame_bytes)
{
	self->port = port;
	self->frame_bytes = frame_bytes;
	if (!self->place.sendbuf)
		self->place.sendbuf = SENDBUF;
	if (!self->place.recvbuf)
		self->place.recvbuf = RECVBUF;
	/* Those that a host finds too big are dropped one by one; only giants cost a connection. */
	if (self->place.frame < frame_bytes + TOPIC_BYTES)
		self->place.frame = frame_bytes + TOPIC_BYTES;
	self->pub = (struct end){ .member = self, .url = self->place.in };
	self->sub = (struct end){ .member = self, .url = self->place.out };
}

static int open_nng(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct member *self = calloc(1, sizeof *self);
	int code;

	if (!self)
		return saga_error_set(error, SAGA_NOMEM, "transport: out of memory");
	code = saga__nng_place_read(options->url, &self->place, error);
	if (code == SAGA_OK)
		code = saga__nng_tls_open(&self->place, false, &self->config, error);
	if (code == SAGA_OK && uv_mutex_init(&self->lock) != 0) {
		saga__nng_tls_close(self->config);
		code = saga_error_set(error, SAGA_NOMEM, "transport: no lock");
	}
	if (code != SAGA_OK)
		goto free_self;
	init_member(self, port, options->frame_bytes);
	if ((code = start(self, options->topics, error)) != SAGA_OK) {
		free_member(self);
		goto free_self;
	}
	*ret_transport = self;
	return SAGA_OK;

free_self:
	free(self);
	return code;
}

/* On a thread of libuv's pool: nng waits for its own threads there. */
static void end_member(uv_work_t *work)
{
	free_member(work->data);
}

static void has_ended(uv_work_t *work, int status)
{
	struct member *self = work->data;
	saga_port *port = self->port;

	(void)status; /* nobody can cancel it */
	free(self);
	saga_port_closed(port);
}

static void close_nng(void *transport)
{
	struct member *self = transport;

	self->closing.data = self;
	(void)uv_queue_work(saga_port_loop(self->port), &self->closing, end_member, has_ended);
}

static void tell_figures(void *transport, saga_transport_figures *ret_figures)
{
	struct member *self = transport;

	uv_mutex_lock(&self->lock);
	*ret_figures = self->figures;
	uv_mutex_unlock(&self->lock);
}

const saga_transport_ops saga__nng_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "nng+ipc nng+tcp nng+tls+tcp",
	.traits = SAGA_TRANSPORT_ECHOES,
	.open = open_nng,
	.send = send_frames,
	.resume = resume,
	.close = close_nng,
	.figures = tell_figures,
};
