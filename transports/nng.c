/*
 * Through a bus: `saga bus`, or any forwarder whose in is a sub socket of nng's or nanomsg's, and
 * whose out is a pub socket. nng_place.h has the URLs, nng_link.h the connections.
 *
 * A message is the frame's topic, a NUL, its bytes. All of them come to all, as pub sockets do;
 * who does not want a topic drops it here.
 *
 * We speak to ourselves, too, once in a while: an echo, on a topic that nobody else can have. The
 * bus is there when it comes back; when none does for PATIENCE, both connections are made anew,
 * though they look open: so a bus that lost its power, or is cut off one way, is found.
 *
 * All that opens, closes or resumes a connection is done in on_tick, on one of nng's threads at a
 * time, and waits for no other of them: they are few, and members end their connections together,
 * when a bus goes. nng keeps its threads when all is closed: nng_fini is the process's to call, not
 * ours.
 */

#include "backoff.h"
#include "nng_link.h"
#include "nng_place.h"
#include "plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <nng/supplemental/util/platform.h>

enum {
	TOPIC_BYTES = 64, /* with its NUL */
	SENDBUF = 1048576,
	RECONNECT_MIN_MS = 10,
	TICK_MS = 100,
	REST_MS = 500,   /* a tick when all is well */
	DOWN_MS = 1000,  /* not up by then is said */
	PULSE_MS = 2000, /* between two echoes when all is well */
	PATIENCE_MS = 10000,
	DIAL_MS = 5000,
	HELLO_MS = 5000,       /* for the other side to say what it is, at first */
	HELLO_MOST_MS = 30000, /* twice as long each time that it did not: it may be slow */
};

enum state {
	UNKNOWN,
	AWAY,
	UP
};

struct member;

/* One of our two connections. */
struct end {
	struct member *member;
	enum saga__nng_side side;
	const char *url;
	nng_stream_dialer *dialer;
	nng_aio *dialing;
	bool dials;

	struct saga__nng_link *link; /* under the member's lock, as are these */
	bool up, down;
	bool ends;     /* was shut; it is closed when it is quiet */
	uint64_t next; /* when to dial again, or what has no `up` is closed */
	int64_t wait;
	uint64_t hello;
};

struct member {
	saga_port *port;
	struct saga__nng_place place;
	nng_tls_config *config;
	size_t frame_bytes;
	const char *const *topics;
	char echo_topic[TOPIC_BYTES];
	struct end pub, sub;
	nng_aio *tick;
	uv_work_t closing_work;

	uv_mutex_t lock; /* for all that follows; the port is called without it */
	bool closing;
	bool resumes; /* is to be done */
	bool busy;    /* the host had no room: an echo may be behind that */
	enum state state, said;
	bool reports;    /* somebody does */
	bool wanted;     /* room to send */
	bool full;       /* the link had none */
	uint64_t opened; /* these in ms */
	uint64_t heard;  /* the last echo, or when we began to wait for one */
	uint64_t pulsed;
	saga_transport_figures figures;
};

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- telling the port ---- */

/* Not only when an echo came: that may be behind what our own host has no room for. */
static bool has_room(const struct member *self)
{
	return self->pub.up && self->sub.up && !self->full;
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
	while (!self->reports && !self->closing &&
		(self->said != self->state || (self->wanted && has_room(self)))) {
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

/* The lock is held. What it sleeps for is then seen at once. */
static void wake(struct member *self)
{
	if (!self->closing)
		nng_aio_cancel(self->tick);
}

/* ---- sending ---- */

/* The lock is held. */
static bool put(struct member *self, const char *topic, const void *bytes, size_t size)
{
	return self->pub.up &&
		saga__nng_link_put(self->pub.link, topic, strlen(topic) + 1, bytes, size);
}

/* Sends all messages that were put, at one go. The lock is held. */
static void flush(struct member *self)
{
	if (self->pub.up)
		saga__nng_link_flush(self->pub.link);
}

/* Whether the frame is done with. The lock is held. */
static bool send_frame(struct member *self, const saga_frame *frame)
{
	if (!has_room(self))
		return false;
	if (frame->bytes.size > self->frame_bytes || strlen(frame->topic) >= TOPIC_BYTES) {
		self->figures.refused++;
		return true;
	}
	self->full = !put(self, frame->topic, frame->bytes.at, frame->bytes.size);
	self->figures.sent += !self->full;
	return !self->full;
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct member *self = transport;
	size_t n = 0;

	uv_mutex_lock(&self->lock);
	while (n < count && send_frame(self, &frames[n]))
		n++;
	flush(self);
	self->wanted = self->wanted || n < count;
	uv_mutex_unlock(&self->lock);
	*ret_sent = n;
	return SAGA_OK;
}

static void on_writable(void *context)
{
	struct end *end = context;

	uv_mutex_lock(&end->member->lock);
	end->member->full = false;
	uv_mutex_unlock(&end->member->lock);
	report(end->member);
}

/* ---- receiving ---- */

static void take_echo(struct member *self)
{
	uv_mutex_lock(&self->lock);
	self->heard = now_ms();
	if (self->pub.up && self->sub.up)
		self->state = UP;
	uv_mutex_unlock(&self->lock);
	report(self);
}

static void count_one(struct member *self, uint64_t *figure)
{
	uv_mutex_lock(&self->lock);
	(*figure)++;
	uv_mutex_unlock(&self->lock);
}

static bool wants(const struct member *self, const char *topic)
{
	for (size_t i = 0; self->topics && self->topics[i]; i++)
		if (strcmp(self->topics[i], topic) == 0)
			return true;
	return false;
}

static bool hand_over(struct member *self, const char *topic, const char *bytes, size_t size)
{
	const saga_frame frame = { .topic = topic, .bytes = { bytes, size } };
	bool taken = saga_port_receive(self->port, &frame, 1) == SAGA_OK;

	uv_mutex_lock(&self->lock);
	self->busy = !taken;
	self->figures.received += taken;
	uv_mutex_unlock(&self->lock);
	return taken;
}

static bool on_message(void *context, const char *bytes, size_t size)
{
	struct member *self = ((struct end *)context)->member;
	const char *end = memchr(bytes, '\0', size < TOPIC_BYTES ? size : TOPIC_BYTES);
	size_t rest = end ? size - (size_t)(end - bytes) - 1 : 0;

	if (end && strcmp(bytes, self->echo_topic) == 0)
		take_echo(self);
	else if (!end || (wants(self, bytes) && rest > self->frame_bytes))
		count_one(self, &self->figures.refused);
	else if (wants(self, bytes))
		return hand_over(self, bytes, end + 1, rest);
	return true;
}

static void resume(void *transport)
{
	struct member *self = transport;

	uv_mutex_lock(&self->lock);
	self->resumes = true;
	wake(self);
	uv_mutex_unlock(&self->lock);
}

/* ---- connections ---- */

static void on_up(void *context, struct saga__nng_link *link)
{
	struct end *end = context;
	struct member *self = end->member;

	(void)link;
	uv_mutex_lock(&self->lock);
	if (!end->ends) {
		end->up = true;
		end->wait = RECONNECT_MIN_MS;
		end->hello = HELLO_MS;
		self->figures.connects++;
		self->full = false;
		self->pulsed = 0;
		wake(self);
	}
	uv_mutex_unlock(&self->lock);
	report(self);
}

/* The lock is held. */
static void goes_down(struct end *end)
{
	end->up = false;
	end->down = true;
	if (end->member->state == UP)
		end->member->state = AWAY;
}

static void on_down(void *context, struct saga__nng_link *link)
{
	struct end *end = context;

	(void)link;
	uv_mutex_lock(&end->member->lock);
	goes_down(end);
	wake(end->member);
	uv_mutex_unlock(&end->member->lock);
	report(end->member);
}

/* The lock is held. */
static void wait_longer(struct end *end)
{
	/* All participants have lost the same bus at the same moment. */
	end->next =
		now_ms() + (uint64_t)saga__backoff_jitter(end->wait / 2, end->wait, nng_random());
	end->wait = saga__backoff_double(end->wait, end->member->place.reconnect);
}

static void open_link(struct end *end, nng_stream *stream)
{
	struct member *self = end->member;
	const struct saga__nng_link_config config = {
		.side = end->side,
		.ipc = self->place.ipc,
		.frame = (size_t)self->place.frame,
		.sendbuf = (size_t)self->place.sendbuf,
		.context = end,
		.up = on_up,
		.message = on_message,
		.writable = on_writable,
		.down = on_down,
	};
	struct saga__nng_link *link = NULL;
	int failed;

	/* Its callbacks may come at once, and see the rest of this only after it. */
	uv_mutex_lock(&self->lock);
	end->next = now_ms() + end->hello;
	failed = saga__nng_link_open(stream, &config, &link);
	end->link = link;
	if (failed)
		wait_longer(end);
	uv_mutex_unlock(&self->lock);
}

static void on_dialed(void *context)
{
	struct end *end = context;
	struct member *self = end->member;
	int failed = nng_aio_result(end->dialing);

	if (!failed)
		open_link(end, nng_aio_get_output(end->dialing, 0));
	uv_mutex_lock(&self->lock);
	end->dials = false;
	if (failed)
		wait_longer(end);
	uv_mutex_unlock(&self->lock);
}

/* ---- once in a while ---- */

/* Ends a connection that is down, or did not come up in time. The lock is held. */
static bool begins_to_end(struct end *end, uint64_t now)
{
	bool late = !end->up && now >= end->next;

	if (!end->link || end->ends || !(end->down || late))
		return false;
	if (!end->down)
		end->hello = 2 * end->hello < HELLO_MOST_MS ? 2 * end->hello : HELLO_MOST_MS;
	end->up = false;
	end->ends = true;
	return true;
}

/* It is quiet: this does not wait for what comes only when another of nng's threads is free. */
static void close_link(struct end *end)
{
	struct member *self = end->member;
	uint64_t unsent = saga__nng_link_unsent(end->link);

	saga__nng_link_close(end->link);
	uv_mutex_lock(&self->lock);
	end->link = NULL;
	end->up = end->down = end->ends = false;
	if (end == &self->pub)
		self->figures.lost += unsent;
	wait_longer(end);
	uv_mutex_unlock(&self->lock);
}

static void tend_end(struct end *end)
{
	struct member *self = end->member;
	uint64_t now = now_ms();
	bool begins, ends, dials;

	uv_mutex_lock(&self->lock);
	begins = begins_to_end(end, now);
	ends = end->ends;
	dials = !end->link && !end->dials && now >= end->next;
	if (dials)
		end->dials = true;
	uv_mutex_unlock(&self->lock);
	if (begins)
		saga__nng_link_shut(end->link);
	if (ends && saga__nng_link_is_quiet(end->link))
		close_link(end);
	if (dials)
		nng_stream_dialer_dial(end->dialer, end->dialing);
}

static void tend_echoes(struct member *self)
{
	uint64_t now = now_ms();

	uv_mutex_lock(&self->lock);
	if (self->busy)
		self->heard = now;
	if (self->state == UNKNOWN && now - self->opened >= DOWN_MS)
		self->state = AWAY;
	if (self->pub.up && self->sub.up && (self->state != UP || now - self->pulsed >= PULSE_MS)) {
		(void)put(self, self->echo_topic, "", 0);
		flush(self);
		self->pulsed = now;
	}
	if (!self->pub.up || !self->sub.up) {
		self->heard = now;
	} else if (now - self->heard >= PATIENCE_MS) {
		self->heard = now;
		goes_down(&self->pub);
		goes_down(&self->sub);
	}
	uv_mutex_unlock(&self->lock);
	report(self);
}

static void tend_resume(struct member *self)
{
	bool resumes;

	uv_mutex_lock(&self->lock);
	resumes = self->resumes && self->sub.link;
	self->resumes = false;
	uv_mutex_unlock(&self->lock);
	if (resumes)
		saga__nng_link_resume(self->sub.link);
}

/* How long to sleep: until something is due. The lock is held. */
static nng_duration due(const struct member *self)
{
	const struct end *ends[] = { &self->pub, &self->sub };
	uint64_t now = now_ms(), soon = self->state == UP ? REST_MS : TICK_MS;

	if (self->resumes || (self->pub.up && self->sub.up && !self->pulsed))
		return 1;
	for (int i = 0; i < 2; i++) {
		if (ends[i]->down || ends[i]->ends)
			return 1;
		if (!ends[i]->link && !ends[i]->dials && ends[i]->next < now + soon)
			soon = ends[i]->next > now ? ends[i]->next - now : 1;
	}
	return (nng_duration)soon;
}

static void on_tick(void *context)
{
	struct member *self = context;

	tend_end(&self->pub);
	tend_end(&self->sub);
	tend_resume(self);
	tend_echoes(self);
	uv_mutex_lock(&self->lock);
	if (!self->closing)
		nng_sleep_aio(due(self), self->tick);
	uv_mutex_unlock(&self->lock);
}

/* ---- opening and closing ---- */

static int open_end(struct end *end)
{
	struct member *self = end->member;
	int failed = saga__nng_dialer_open(&self->place, end->url, self->config, &end->dialer);

	if (!failed)
		failed = nng_aio_alloc(&end->dialing, on_dialed, end);
	if (!failed)
		nng_aio_set_timeout(end->dialing, DIAL_MS);
	return failed;
}

static void free_end(struct end *end)
{
	if (end->dialer)
		nng_stream_dialer_close(end->dialer);
	nng_aio_stop(end->dialing);
	saga__nng_link_close(end->link);
	nng_aio_free(end->dialing);
	if (end->dialer)
		nng_stream_dialer_free(end->dialer);
}

static void free_member(struct member *self)
{
	nng_aio_stop(self->tick);
	free_end(&self->pub);
	free_end(&self->sub);
	nng_aio_free(self->tick);
	saga__nng_tls_close(self->config);
	uv_mutex_destroy(&self->lock);
}

static int start(struct member *self, saga_error *error)
{
	int failed = open_end(&self->pub);

	if (!failed)
		failed = open_end(&self->sub);
	if (!failed)
		failed = nng_aio_alloc(&self->tick, on_tick, self);
	if (failed)
		return saga_error_set(error,
			failed == NNG_ENOMEM            ? SAGA_NOMEM
				: failed == NNG_ENOTSUP ? SAGA_UNSUPPORTED
							: SAGA_MALFORMED,
			"transport: %s: %s", self->place.in, nng_strerror(failed));
	nng_aio_set_timeout(self->tick, NNG_DURATION_INFINITE);
	nng_sleep_aio(0, self->tick);
	return SAGA_OK;
}

static void init_member(struct member *self, saga_port *port, const saga_transport_options *options)
{
	self->port = port;
	self->frame_bytes = options->frame_bytes;
	self->topics = options->topics;
	if (!self->place.sendbuf)
		self->place.sendbuf = SENDBUF;
	/* The host itself drops a frame that is too large; only a giant costs the connection. */
	if (self->place.frame < (int64_t)(self->frame_bytes + TOPIC_BYTES))
		self->place.frame = (int64_t)(self->frame_bytes + TOPIC_BYTES);
	self->opened = self->heard = now_ms();
	self->pub = (struct end){ .member = self, .side = SAGA__NNG_PUB, .url = self->place.in };
	self->sub = (struct end){ .member = self, .side = SAGA__NNG_SUB, .url = self->place.out };
	self->pub.wait = self->sub.wait = RECONNECT_MIN_MS;
	self->pub.hello = self->sub.hello = HELLO_MS;
	/* No topic of a frame has an exclamation mark. */
	(void)snprintf(self->echo_topic, sizeof self->echo_topic, "!%08x%08x%08x%08x",
		(unsigned)nng_random(), (unsigned)nng_random(), (unsigned)nng_random(),
		(unsigned)nng_random());
}

/*
 * The first calls into nng make its globals, behind a flag that it reads without a lock; so hosts
 * that open on several threads make them once, here.
 */
static void begin_nng(void)
{
	nng_aio *aio;

	if (nng_aio_alloc(&aio, NULL, NULL) == 0) /* if not: start will say so */
		nng_aio_free(aio);
}

static int open_nng(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	static uv_once_t nng_begun = UV_ONCE_INIT;
	struct member *self = calloc(1, sizeof *self);
	int code;

	if (!self)
		return saga_error_set(error, SAGA_NOMEM, "transport: out of memory");
	uv_once(&nng_begun, begin_nng);
	code = saga__nng_place_read(options->url, &self->place, error);
	if (code == SAGA_OK)
		code = saga__nng_tls_open(&self->place, false, &self->config, error);
	if (code == SAGA_OK && uv_mutex_init(&self->lock) != 0) {
		saga__nng_tls_close(self->config);
		code = saga_error_set(error, SAGA_NOMEM, "transport: no lock");
	}
	if (code != SAGA_OK)
		goto free_self;
	init_member(self, port, options);
	if ((code = start(self, error)) != SAGA_OK) {
		free_member(self);
		goto free_self;
	}
	*ret_transport = self;
	return SAGA_OK;

free_self:
	free(self);
	return code;
}

/* On a thread of libuv's pool: it waits for nng's threads there. */
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

	uv_mutex_lock(&self->lock);
	self->closing = true;
	uv_mutex_unlock(&self->lock);
	self->closing_work.data = self;
	(void)uv_queue_work(saga_port_loop(self->port), &self->closing_work, end_member, has_ended);
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
