#include "nng_link.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
	GREETING = 8,
	READ_BYTES = 64 * 1024, /* at once; more only while a larger message comes */
	KEEP_BYTES = 256 * 1024 /* of an idle buffer */
};

struct buffer {
	char *at;
	size_t size, room;
	uint64_t messages;
};

struct saga__nng_link {
	struct saga__nng_link_config config;
	nng_stream *stream;
	nng_aio *rx, *tx;

	/* The reader's, on one thread at a time. */
	struct buffer in;
	bool greeted;

	uv_mutex_t lock; /* for all that follows, and for what is begun on the stream */
	bool up, closing, is_down;
	bool rx_out, tx_out; /* under way: the callback is still to come */
	bool paused;
	unsigned resumes;
	struct buffer waiting, going;
	size_t gone; /* of `going` */
	bool sending, wanted;
};

/* ---- numbers on the wire ---- */

static void put_length(char *at, uint64_t length)
{
	for (int i = 0; i < 8; i++)
		at[i] = (char)(length >> (56 - 8 * i));
}

static uint64_t get_length(const char *at)
{
	uint64_t length = 0;

	for (int i = 0; i < 8; i++)
		length = length << 8 | (uint8_t)at[i];
	return length;
}

/* Bytes before a message: on ipc its kind, then its length. */
static size_t head_size(const struct saga__nng_link *link)
{
	return link->config.ipc ? 9 : 8;
}

static void greet(char at[GREETING], unsigned side)
{
	memcpy(at, "\0SP\0", 4);
	at[4] = 0;
	at[5] = (char)side;
	at[6] = at[7] = 0;
}

/* ---- ending ---- */

static void fail(struct saga__nng_link *link)
{
	bool first;

	uv_mutex_lock(&link->lock);
	first = !link->is_down && !link->closing;
	link->is_down = true;
	link->up = false;
	uv_mutex_unlock(&link->lock);
	if (first)
		link->config.down(link->config.context, link);
}

/* ---- reading ---- */

static bool make_room(struct buffer *buffer, size_t room)
{
	char *more;

	if (room <= buffer->room)
		return true;
	more = realloc(buffer->at, room);
	if (!more)
		return false;
	buffer->at = more;
	buffer->room = room;
	return true;
}

/* A stream is closed under the lock: what is begun after that would never end. */
static void read_more(struct saga__nng_link *link)
{
	struct buffer *in = &link->in;
	nng_iov iov;

	/* Twice as much as has come: what a peer only announces takes no memory. */
	if (in->size == in->room && !make_room(in, in->room ? 2 * in->room : READ_BYTES)) {
		fail(link);
		return;
	}
	iov = (nng_iov){ in->at + in->size, in->room - in->size };
	uv_mutex_lock(&link->lock);
	if (!link->closing) {
		link->rx_out = true;
		(void)nng_aio_set_iov(link->rx, 1, &iov);
		nng_stream_recv(link->stream, link->rx);
	}
	uv_mutex_unlock(&link->lock);
}

static unsigned resumes(struct saga__nng_link *link)
{
	unsigned count;

	uv_mutex_lock(&link->lock);
	count = link->resumes;
	uv_mutex_unlock(&link->lock);
	return count;
}

/* Whether it is paused now; not if it was resumed meanwhile. */
static bool pause_reading(struct saga__nng_link *link, unsigned resumes_before)
{
	bool paused;

	uv_mutex_lock(&link->lock);
	paused = link->paused = link->resumes == resumes_before;
	uv_mutex_unlock(&link->lock);
	return paused;
}

static bool is_closing(struct saga__nng_link *link)
{
	bool closing;

	uv_mutex_lock(&link->lock);
	closing = link->closing;
	uv_mutex_unlock(&link->lock);
	return closing;
}

static bool take_message(struct saga__nng_link *link, const char *bytes, size_t size)
{
	for (;;) {
		unsigned before = resumes(link);

		if (is_closing(link))
			return false;
		if (link->config.message(link->config.context, bytes, size))
			return true;
		if (pause_reading(link, before))
			return false;
	}
}

static bool shake_hands(struct saga__nng_link *link)
{
	char wanted[GREETING];
	bool up;

	greet(wanted, link->config.side == SAGA__NNG_PUB ? SAGA__NNG_SUB : SAGA__NNG_PUB);
	if (memcmp(link->in.at, wanted, GREETING) != 0)
		return false;
	link->greeted = true;
	uv_mutex_lock(&link->lock);
	up = link->up = !link->is_down && !link->closing;
	uv_mutex_unlock(&link->lock);
	if (up)
		link->config.up(link->config.context, link);
	return true;
}

enum progress {
	MORE,   /* bytes are wanted */
	PAUSED, /* or closing */
	BROKEN
};

/* Takes the whole messages of the buffer, up to *at. */
static enum progress take_messages(struct saga__nng_link *link, size_t *at)
{
	const struct buffer *in = &link->in;
	size_t head = head_size(link);

	while (in->size - *at >= head) {
		const char *message = in->at + *at;
		uint64_t length = get_length(message + head - 8);

		if ((link->config.ipc && message[0] != 1) || length > link->config.frame ||
			link->config.side == SAGA__NNG_PUB)
			return BROKEN;
		if (in->size - *at - head < length)
			return MORE;
		if (!take_message(link, message + head, (size_t)length))
			return PAUSED;
		*at += head + (size_t)length;
	}
	return MORE;
}

static void shrink(struct buffer *buffer)
{
	if (buffer->room <= KEEP_BYTES || buffer->size)
		return;
	free(buffer->at);
	buffer->at = NULL;
	buffer->room = 0;
}

static void go_on(struct saga__nng_link *link)
{
	struct buffer *in = &link->in;
	enum progress progress = MORE;
	size_t at = 0;

	if (!link->greeted && in->size >= GREETING) {
		progress = shake_hands(link) ? MORE : BROKEN;
		at = GREETING;
	}
	if (link->greeted && progress == MORE) {
		progress = take_messages(link, &at);
		if (link->config.pause && at)
			link->config.pause(link->config.context);
	}
	if (progress == BROKEN) {
		fail(link);
		return;
	}
	in->size -= at;
	if (in->size && at)
		memmove(in->at, in->at + at, in->size);
	if (progress == MORE) {
		shrink(in);
		read_more(link);
	}
}

static void on_read(void *context)
{
	struct saga__nng_link *link = context;

	uv_mutex_lock(&link->lock);
	link->rx_out = false;
	uv_mutex_unlock(&link->lock);
	if (nng_aio_result(link->rx) != 0) {
		fail(link);
		return;
	}
	link->in.size += nng_aio_count(link->rx);
	go_on(link);
}

void saga__nng_link_resume(struct saga__nng_link *link)
{
	bool was_paused;

	uv_mutex_lock(&link->lock);
	was_paused = link->paused;
	link->paused = false;
	link->resumes++;
	uv_mutex_unlock(&link->lock);
	if (was_paused)
		go_on(link);
}

/* ---- writing; the lock is held ---- */

static void write_going(struct saga__nng_link *link)
{
	nng_iov iov = { link->going.at + link->gone, link->going.size - link->gone };

	if (link->closing)
		return;
	link->sending = link->tx_out = true;
	(void)nng_aio_set_iov(link->tx, 1, &iov);
	nng_stream_send(link->stream, link->tx);
}

static void write_waiting(struct saga__nng_link *link)
{
	struct buffer done = link->going;

	done.size = 0;
	done.messages = 0;
	shrink(&done);
	link->going = link->waiting;
	link->waiting = done;
	link->gone = 0;
	link->sending = false;
	if (link->going.size)
		write_going(link);
}

static bool append(struct saga__nng_link *link, const void *head, size_t size_of_head,
	const void *bytes, size_t size)
{
	struct buffer *to = &link->waiting;
	size_t own = head_size(link), all = own + size_of_head + size;
	size_t room = to->room ? to->room : 4096;
	char *at;

	if (all > link->config.sendbuf || to->size > link->config.sendbuf - all)
		return false;
	while (room < to->size + all)
		room *= 2;
	if (!make_room(to, room))
		return false;
	at = to->at + to->size;
	at[0] = 1;
	put_length(at + own - 8, size_of_head + size);
	memcpy(at + own, head, size_of_head);
	if (size)
		memcpy(at + own + size_of_head, bytes, size);
	to->size += all;
	to->messages++;
	return true;
}

bool saga__nng_link_put(struct saga__nng_link *link, const void *head, size_t size_of_head,
	const void *bytes, size_t size)
{
	bool put;

	uv_mutex_lock(&link->lock);
	put = link->up && append(link, head, size_of_head, bytes, size);
	if (!put && link->up && !link->sending && link->waiting.size) {
		write_waiting(link);
		put = append(link, head, size_of_head, bytes, size);
	}
	if (!put)
		link->wanted = true;
	uv_mutex_unlock(&link->lock);
	return put;
}

void saga__nng_link_flush(struct saga__nng_link *link)
{
	uv_mutex_lock(&link->lock);
	if (link->up && !link->sending && link->waiting.size)
		write_waiting(link);
	uv_mutex_unlock(&link->lock);
}

static void on_sent(void *context)
{
	struct saga__nng_link *link = context;
	bool writable;

	uv_mutex_lock(&link->lock);
	link->tx_out = false;
	if (nng_aio_result(link->tx) != 0) {
		uv_mutex_unlock(&link->lock);
		fail(link);
		return;
	}
	link->gone += nng_aio_count(link->tx);
	if (link->gone < link->going.size)
		write_going(link);
	else
		write_waiting(link);
	writable = link->wanted && link->up && link->waiting.size <= link->config.sendbuf / 2;
	if (writable)
		link->wanted = false;
	uv_mutex_unlock(&link->lock);
	if (writable)
		link->config.writable(link->config.context);
}

uint64_t saga__nng_link_unsent(struct saga__nng_link *link)
{
	uint64_t count;

	uv_mutex_lock(&link->lock);
	count = link->waiting.messages + link->going.messages;
	uv_mutex_unlock(&link->lock);
	return count;
}

/* ---- opening and closing ---- */

static void free_link(struct saga__nng_link *link)
{
	nng_aio_free(link->rx);
	nng_aio_free(link->tx);
	free(link->in.at);
	free(link->waiting.at);
	free(link->going.at);
	free(link);
}

static void begin(struct saga__nng_link *link)
{
	uv_mutex_lock(&link->lock);
	greet(link->going.at, link->config.side);
	link->going.size = GREETING;
	write_going(link);
	uv_mutex_unlock(&link->lock);
	read_more(link);
}

int saga__nng_link_open(nng_stream *stream, const struct saga__nng_link_config *config,
	struct saga__nng_link **ret_link)
{
	struct saga__nng_link *link = calloc(1, sizeof *link);
	int failed = NNG_ENOMEM;

	if (!link)
		goto free_stream;
	link->config = *config;
	link->stream = stream;
	if (link->config.sendbuf < link->config.frame + 16)
		link->config.sendbuf = link->config.frame + 16;
	if (!make_room(&link->going, GREETING) || !make_room(&link->in, READ_BYTES) ||
		(failed = nng_aio_alloc(&link->rx, on_read, link)) != 0 ||
		(failed = nng_aio_alloc(&link->tx, on_sent, link)) != 0)
		goto free_link;
	nng_aio_set_timeout(link->rx, NNG_DURATION_INFINITE);
	nng_aio_set_timeout(link->tx, NNG_DURATION_INFINITE);
	if (uv_mutex_init(&link->lock) != 0) {
		failed = NNG_ENOMEM;
		goto free_link;
	}
	*ret_link = link;
	begin(link);
	return 0;

free_link:
	free_link(link);
free_stream:
	nng_stream_close(stream);
	nng_stream_free(stream);
	return failed;
}

void saga__nng_link_shut(struct saga__nng_link *link)
{
	bool first;

	uv_mutex_lock(&link->lock);
	first = !link->closing;
	link->closing = true;
	link->up = false;
	uv_mutex_unlock(&link->lock);
	if (first)
		nng_stream_close(link->stream); /* ends what is under way */
}

bool saga__nng_link_is_quiet(struct saga__nng_link *link)
{
	bool quiet;

	uv_mutex_lock(&link->lock);
	quiet = link->closing && !link->rx_out && !link->tx_out;
	uv_mutex_unlock(&link->lock);
	return quiet;
}

void saga__nng_link_close(struct saga__nng_link *link)
{
	if (!link)
		return;
	saga__nng_link_shut(link);
	nng_aio_stop(link->rx);
	nng_aio_stop(link->tx);
	nng_stream_free(link->stream);
	uv_mutex_destroy(&link->lock);
	free_link(link);
}
