#include "tds_peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEADER = 8,
	MESSAGE = 1 << 16,
	REPLY = 2048,
	HEARD = 1 << 18,
	SCRIPT = 4 /* lines */
};

struct tds_peer {
	struct tds_line script[SCRIPT]; /* its own: it outlives a test's locals */
	size_t script_count;
	int listener;
	atomic_int connection; /* -1: none */
	atomic_bool stopping;
	atomic_int messages;
	pthread_t thread;
	pthread_mutex_t lock;
	int state;
	char message[MESSAGE];
	size_t size;
	char heard[HEARD]; /* of all messages */
	size_t heard_size;
};

struct reply {
	uint8_t bytes[REPLY];
	size_t size;
};

/* ---- tokens ---- */

static void put(struct reply *reply, uint64_t value, size_t size)
{
	ck_assert_uint_le(reply->size + size, REPLY);
	for (size_t i = 0; i < size; i++)
		reply->bytes[reply->size++] = (uint8_t)(value >> (8 * i));
}

static void put_text(struct reply *reply, const char *text)
{
	for (; *text; text++)
		put(reply, (uint8_t)*text, 2);
}

static void put_name(struct reply *reply, const char *name)
{
	put(reply, strlen(name), 1);
	put_text(reply, name);
}

static void put_done(struct reply *reply, bool failed)
{
	put(reply, 0xfd, 1);
	put(reply, failed ? 2 : 0, 2);
	put(reply, 0, 2);
	put(reply, 0, 8);
}

static void put_error(struct reply *reply, int number, int severity, const char *text)
{
	size_t length = strlen(text);

	put(reply, 0xaa, 1);
	put(reply, 4 + 2 + 2 + 2 * length + 1 + 2 * 4 + 1 + 4, 2);
	put(reply, (uint64_t)(unsigned)number, 4);
	put(reply, 1, 1);
	put(reply, (uint64_t)severity, 1);
	put(reply, length, 2);
	put_text(reply, text);
	put_name(reply, "peer");
	put_name(reply, "");
	put(reply, 1, 4);
}

static void put_columns(struct reply *reply, const char *const *names, size_t count)
{
	put(reply, 0x81, 1);
	put(reply, count, 2);
	for (size_t i = 0; i < count; i++) {
		put(reply, 0, 4);
		put(reply, 1, 2);
		put(reply, 0x26, 1); /* an integer, or a NULL */
		put(reply, 8, 1);
		put_name(reply, names[i]);
	}
}

static void put_row(struct reply *reply, const int *values, size_t count)
{
	put(reply, 0xd1, 1);
	for (size_t i = 0; i < count; i++) {
		put(reply, 8, 1);
		put(reply, (uint64_t)(int64_t)values[i], 8);
	}
}

/* A set, and more follows. */
static void put_number(struct reply *reply, const char *name, int number)
{
	put_columns(reply, &name, 1);
	put_row(reply, &number, 1);
	put_done(reply, false);
	reply->bytes[reply->size - 12] = 1;
}

/* The same of ASCII text, as NVARCHAR. */
static void put_text_row(struct reply *reply, const char *name, const char *text)
{
	put(reply, 0x81, 1);
	put(reply, 1, 2);
	put(reply, 0, 4);
	put(reply, 1, 2);
	put(reply, 0xe7, 1);
	put(reply, 8000, 2);
	put(reply, 0, 5); /* its collation */
	put_name(reply, name);
	put(reply, 0xd1, 1);
	put(reply, 2 * strlen(text), 2);
	put_text(reply, text);
	put_done(reply, false);
	reply->bytes[reply->size - 12] = 1;
}

static void put_end(struct reply *reply, int state)
{
	static const char *const names[] = { "saga_at", "saga_state" };

	put_columns(reply, names, 2);
	put_row(reply, (const int[]){ 0, state }, 2);
	put_done(reply, false);
}

static void put_prelogin(struct reply *reply)
{
	static const uint8_t bytes[] = { 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, /* the table */
		15, 0, 0, 0, 0, 0, 2 /* no encryption */ };

	memcpy(reply->bytes, bytes, sizeof bytes);
	reply->size = sizeof bytes;
}

static void put_login(struct reply *reply)
{
	put(reply, 0xad, 1);
	put(reply, 1 + 4 + 1 + 2 * 4 + 4, 2);
	put(reply, 1, 1);
	put(reply, 0x04000074, 4);
	put_name(reply, "peer");
	put(reply, 15, 4);
	put_done(reply, false);
}

/* ---- what is heard ---- */

static bool take(int fd, char *to, size_t size)
{
	while (size > 0) {
		ssize_t got = recv(fd, to, size, 0);

		if (got <= 0)
			return false;
		to += got;
		size -= (size_t)got;
	}
	return true;
}

static void keep(struct tds_peer *peer)
{
	ck_assert_int_eq(pthread_mutex_lock(&peer->lock), 0);
	if (peer->heard_size + peer->size <= HEARD) {
		memcpy(peer->heard + peer->heard_size, peer->message, peer->size);
		peer->heard_size += peer->size;
	}
	ck_assert_int_eq(pthread_mutex_unlock(&peer->lock), 0);
}

/* All packets of one message. */
static bool listen_to(struct tds_peer *peer, int fd)
{
	uint8_t header[HEADER];

	peer->size = 0;
	do {
		size_t size;

		if (!take(fd, (char *)header, HEADER))
			return false;
		size = (size_t)(header[2] << 8 | header[3]) - HEADER;
		if (peer->size + size > MESSAGE || !take(fd, peer->message + peer->size, size))
			return false;
		peer->size += size;
	} while (!(header[1] & 1));
	keep(peer);
	return true;
}

static int find(const char *at, size_t size, const char *text, bool wide)
{
	size_t length = strlen(text), step = wide ? 2 : 1;

	for (size_t i = 0; i + length * step <= size; i++) {
		size_t k = 0;

		while (k < length && at[i + k * step] == text[k] &&
			(!wide || at[i + k * step + 1] == 0))
			k++;
		if (k == length)
			return 1;
	}
	return 0;
}

static int saw(struct tds_peer *peer, const char *text, bool wide)
{
	int found;

	ck_assert_int_eq(pthread_mutex_lock(&peer->lock), 0);
	found = find(peer->heard, peer->heard_size, text, wide);
	ck_assert_int_eq(pthread_mutex_unlock(&peer->lock), 0);
	return found;
}

int tds_peer_saw_sql(struct tds_peer *peer, const char *text)
{
	return saw(peer, text, true);
}

int tds_peer_saw_bytes(struct tds_peer *peer, const char *text)
{
	return saw(peer, text, false);
}

int tds_peer_messages(struct tds_peer *peer)
{
	return atomic_load(&peer->messages);
}

int tds_peer_port(const struct tds_peer *peer)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	ck_assert_int_eq(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

/* ---- what is answered ---- */

static bool asks(const struct tds_peer *peer, const char *sql)
{
	return find(peer->message, peer->size, sql, true) != 0;
}

static void put_answer(struct tds_peer *peer, int message, struct reply *reply)
{
	if (message == TDS_PRELOGIN) {
		put_prelogin(reply);
		return;
	}
	if (message == TDS_LOGIN) {
		put_login(reply);
		return;
	}
	if (asks(peer, "BEGIN TRANSACTION"))
		peer->state = 1;
	if (asks(peer, "COMMIT TRANSACTION") || asks(peer, "IF @@TRANCOUNT>0 ROLLBACK"))
		peer->state = 0;
	if (asks(peer, "saga_done"))
		put_number(reply, "saga_done", 1);
	if (asks(peer, "saga_at"))
		put_end(reply, peer->state);
	else
		put_done(reply, false);
}

static bool say(int fd, const uint8_t *bytes, size_t size, size_t claimed)
{
	uint8_t packet[HEADER + REPLY] = { 4, 1, (uint8_t)((claimed + HEADER) >> 8),
		(uint8_t)(claimed + HEADER), 0, 0, 1, 0 };

	memcpy(packet + HEADER, bytes, size);
	return send(fd, packet, HEADER + size, MSG_NOSIGNAL) == (ssize_t)(HEADER + size);
}

static void be_endless(int fd)
{
	static const char *const names[] = { "n" };
	struct reply reply = { .size = 0 };
	uint8_t packet[HEADER] = { 4, 0 };

	put_columns(&reply, names, 1);
	do {
		packet[2] = (uint8_t)((reply.size + HEADER) >> 8);
		packet[3] = (uint8_t)(reply.size + HEADER);
		if (send(fd, packet, HEADER, MSG_NOSIGNAL) != HEADER ||
			send(fd, reply.bytes, reply.size, MSG_NOSIGNAL) != (ssize_t)reply.size)
			return;
		reply.size = 0;
		put_row(&reply, (const int[]){ 7 }, 1);
	} while (true);
}

static void wait_for_end(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static const struct tds_line *line_for(const struct tds_peer *peer, int message)
{
	static const struct tds_line plain = { .act = TDS_ANSWER };

	for (size_t i = 0; i < peer->script_count; i++)
		if (peer->script[i].message == message)
			return &peer->script[i];
	return &plain;
}

/* False: the connection is over. */
static bool answer(struct tds_peer *peer, int fd, int message)
{
	const struct tds_line *line = line_for(peer, message);
	struct reply reply = { .size = 0 };

	switch (line->act) {
	case TDS_STALL:
		wait_for_end(fd);
		return false;
	case TDS_CUT:
		return false;
	case TDS_ENDLESS:
		be_endless(fd);
		return false;
	case TDS_HALF:
		put_answer(peer, message, &reply);
		(void)say(fd, reply.bytes, reply.size / 2, reply.size);
		return false;
	case TDS_NUMBER:
		put_number(&reply, "number", line->number);
		put_answer(peer, message, &reply);
		break;
	case TDS_TEXT:
		put_text_row(&reply, "text", line->text);
		put_answer(peer, message, &reply);
		break;
	case TDS_FAIL:
	case TDS_ABORT:
		peer->state = line->state;
		put_error(&reply, line->number, line->severity,
			line->text ? line->text : "told by the script");
		put_done(&reply, true);
		if (line->act == TDS_FAIL && asks(peer, "saga_at")) {
			reply.bytes[reply.size - 12] |= 1;
			put_end(&reply, peer->state);
		}
		break;
	default:
		put_answer(peer, message, &reply);
		break;
	}
	return say(fd, reply.bytes, reply.size, reply.size);
}

static void serve(struct tds_peer *peer, int fd)
{
	struct reply done = { .size = 0 };
	int message = TDS_PRELOGIN;

	put_done(&done, false);
	peer->state = 0;
	while (listen_to(peer, fd)) {
		if (asks(peer, "set textsize")) { /* if freetds.conf wants it */
			if (!say(fd, done.bytes, done.size, done.size))
				break;
			continue;
		}
		atomic_fetch_add(&peer->messages, 1);
		if (!answer(peer, fd, message++))
			break;
	}
}

static void *run_peer(void *context)
{
	struct tds_peer *peer = context;

	while (!atomic_load(&peer->stopping)) {
		int fd = accept(peer->listener, NULL, NULL);

		if (fd < 0)
			break;
		atomic_store(&peer->connection, fd);
		serve(peer, fd);
		atomic_store(&peer->connection, -1);
		(void)close(fd);
	}
	return NULL;
}

struct tds_peer *tds_peer_start(const struct tds_line *script, size_t count)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tds_peer *peer = calloc(1, sizeof *peer);

	ck_assert_ptr_nonnull(peer);
	ck_assert_uint_le(count, SCRIPT);
	for (size_t i = 0; i < count; i++)
		peer->script[i] = script[i];
	peer->script_count = count;
	atomic_init(&peer->connection, -1);
	ck_assert_int_eq(pthread_mutex_init(&peer->lock, NULL), 0);
	peer->listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(peer->listener, 0);
	ck_assert_int_eq(bind(peer->listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(peer->listener, 8), 0);
	ck_assert_int_eq(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
	return peer;
}

void tds_peer_stop(struct tds_peer *peer)
{
	int fd = atomic_load(&peer->connection);

	atomic_store(&peer->stopping, true);
	(void)shutdown(peer->listener, SHUT_RDWR);
	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
	ck_assert_int_eq(pthread_join(peer->thread, NULL), 0);
	(void)close(peer->listener);
	(void)pthread_mutex_destroy(&peer->lock);
	free(peer);
}
