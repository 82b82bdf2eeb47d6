/*
 * NATS: events are kept in a JetStream stream, frames that are not kept go by core NATS.
 * nats_place.h has the URLs, nats_inside.h the threads.
 *
 *	stream     DOMAIN, of the subjects DOMAIN.e.>
 *	an event   on DOMAIN.e.B0.B1.B2.B3.B4.B5.TYPE: the lowest six bits of its part, the lowest
 *	           first, so that a shard of any number of shards is a prefix. Headers: Nats-Msg-Id,
 *	           its id; Content-Type, application/cloudevents+json or, ours, +msgpack
 *	consumers  PARTICIPANT-OF-SHARD, durable, pulled by who works that shard
 *	others     on DOMAIN.t.TOPIC
 *
 * An event is with the broker when the stream has answered for it. What it does not answer for is
 * the host's to send again; nothing of it is kept here. libnats's read of a TLS record waits for
 * the record's end, on the loop: so a network that stops within one may hold the loop up, at most
 * until the pings are missed (15 s).
 */

#include "nats_inside.h"
#include "plugins.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_TOO_LARGE = 10054, /* JetStream's code, for the stream's max_msg_size */
	BUFFER_MOST = 512 * 1024   /* that waits to be written */
};

static const char *content_type(const struct saga__nats *self)
{
	return self->place.format == SAGA__NATS_JSON ? "application/cloudevents+json"
						     : "application/cloudevents+msgpack";
}

static void id_text(saga_id id, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof id.bytes; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[id.bytes[i] >> 4];
		*text++ = digits[id.bytes[i] & 15];
	}
	*text = '\0';
}

/* ---- news ---- */

void saga__nats_writable(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);

	if (!nc || natsConnection_Buffered(nc) > BUFFER_MOST / 2)
		return;
	self->full = false;
	saga_port_writable(self->port);
}

void saga__nats_changed(struct saga__nats *self, const char *news)
{
	bool usable = saga__nats_link_usable(self) != NULL;
	char text[SAGA__NATS_TEXT + 32];

	if (!usable && news)
		saga_port_state(self->port, false, news);
	if (usable == self->up) {
		if (usable) {
			saga__nats_watch_tell(self);
			saga__nats_watch_limits(self);
			saga__nats_pull_all(self);
		}
		return;
	}
	self->up = usable;
	/* Answers to pulls on the old connection never come. */
	saga__nats_pull_forget(self);
	if (!usable)
		return;
	(void)snprintf(text, sizeof text, "NATS at %s answers, stream %s",
		strchr(self->place.servers[0], '/') + 2, self->place.domain);
	self->refused = false;
	saga_port_state(self->port, true, text);
	saga__nats_watch_tell(self);
	saga__nats_watch_limits(self);
	saga__nats_pull_all(self);
	saga__nats_writable(self);
}

void saga__nats_ticked(struct saga__nats *self)
{
	saga__nats_pull_tick(self);
	saga__nats_watch_tick(self);
}

/* ---- sending ---- */

static void subject_of(const struct saga__nats *self, const saga_frame *frame, char *subject)
{
	unsigned part = frame->part;
	int at = snprintf(subject, SAGA__NATS_SUBJECT, "%s.e.", self->place.domain);

	for (unsigned i = 0; i < SAGA__NATS_BITS; i++, part /= 2) {
		subject[at++] = (char)('0' + (part & 1));
		subject[at++] = '.';
	}
	(void)snprintf(subject + at, (size_t)(SAGA__NATS_SUBJECT - at), "%s", frame->topic);
}

static natsStatus keep(struct saga__nats *self, natsConnection *nc, const saga_frame *frame)
{
	char subject[SAGA__NATS_SUBJECT], reply[SAGA__NATS_SUBJECT], id[56];
	natsMsg *message = NULL;
	natsStatus s;

	subject_of(self, frame, subject);
	(void)snprintf(reply, sizeof reply, "%s.a.%" PRIx64, self->inbox, frame->token);
	id_text(frame->id, id);
	if (frame->again)
		(void)snprintf(id + strlen(id), sizeof id - strlen(id), ".%u", frame->again);
	s = natsMsg_Create(&message, subject, reply, frame->bytes.at, (int)frame->bytes.size);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(message, "Nats-Msg-Id", id);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(message, "Content-Type", content_type(self));
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(nc, message);
	natsMsg_Destroy(message);
	return s;
}

static natsStatus pass_on(struct saga__nats *self, natsConnection *nc, const saga_frame *frame)
{
	char subject[SAGA__NATS_SUBJECT];

	(void)snprintf(subject, sizeof subject, "%s.t.%s", self->place.domain, frame->topic);
	return natsConnection_Publish(nc, subject, frame->bytes.at, (int)frame->bytes.size);
}

/* Whether the frame is done with. */
static bool send_frame(struct saga__nats *self, natsConnection *nc, const saga_frame *frame)
{
	static const saga_id none = { { 0 } };
	bool kept = memcmp(&frame->id, &none, sizeof none) != 0;
	natsStatus s;

	if (frame->bytes.size > self->frame_bytes && !kept) {
		self->figures.refused++;
		return true;
	}
	if (natsConnection_Buffered(nc) > BUFFER_MOST)
		return false;
	s = kept ? keep(self, nc, frame) : pass_on(self, nc, frame);
	if (s == NATS_MAX_PAYLOAD) {
		if (kept)
			saga__nats_watch_refuse(self, nc, frame->token, false);
		else
			self->figures.refused++;
		return true;
	}
	self->figures.sent += s == NATS_OK;
	return s == NATS_OK;
}

static int send_frames(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct saga__nats *self = transport;
	natsConnection *nc = saga__nats_link_usable(self);
	size_t sent = 0;

	while (nc && sent < count && send_frame(self, nc, &frames[sent]))
		sent++;
	*ret_sent = sent;
	if (sent < count)
		self->full = true;
	if (nc)
		saga__nats_link_flush(self);
	return SAGA_OK;
}

/* Servers write `"duplicate": true`, with a blank. */
static bool is_true(const char *json, const char *word)
{
	const char *at = strstr(json, word);

	return at && strncmp(at + strlen(word) + strspn(at + strlen(word), " "), "true", 4) == 0;
}

/* The number behind a word of JSON that the servers wrote. 0: none. */
static uint64_t number_of(const char *json, const char *word)
{
	const char *at = strstr(json, word);

	return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

static void was_taken(struct saga__nats *self, uint64_t token, const char *answer)
{
	const saga_receipt receipt = { .token = token,
		.place = number_of(answer, "\"seq\":"),
		.doubled = is_true(answer, "\"duplicate\":") };

	uv_mutex_lock(&self->lock);
	if (!receipt.doubled && receipt.place > self->top)
		self->top = receipt.place;
	uv_mutex_unlock(&self->lock);
	saga_port_sent(self->port, &receipt, 1);
}

/*
 * The stream's answer: {"stream":"saga","seq":7}, with "duplicate":true for a double; or
 * {"error":{...,"description":"..."}}.
 */
void saga__nats_sent(struct saga__nats *self, const char *which, natsMsg *message)
{
	uint64_t token = strtoull(which, NULL, 16);
	const char *data = natsMsg_GetData(message);
	char text[SAGA__NATS_TEXT + 32];
	const char *why;

	/* Nobody leads the stream: the host sends it again. */
	if (!natsMsg_GetDataLength(message))
		return;
	if (!(why = strstr(data, "\"error\""))) {
		if (self->refused)
			saga_port_state(self->port, true, "NATS: the stream takes events again");
		self->refused = false;
		was_taken(self, token, data);
		return;
	}
	if (number_of(why, "\"err_code\":") == MESSAGE_TOO_LARGE) {
		saga__nats_watch_refuse(self, self->nc, token, true);
		return;
	}
	if (!self->refused) {
		(void)snprintf(text, sizeof text, "NATS: the stream %s takes no event: %.160s",
			self->place.domain, why);
		saga_port_state(self->port, false, text);
	}
	self->refused = true;
}

/* ---- the other slots ---- */

static void ack(void *transport, const uint64_t *tokens, size_t count)
{
	saga__nats_pull_ack(transport, tokens, count);
	saga__nats_link_flush(transport);
}

static void work(void *transport, uint64_t shards, unsigned of)
{
	saga__nats_pull_work(transport, shards, of);
	saga__nats_link_flush(transport);
}

static void look(void *transport, uint64_t place)
{
	saga__nats_watch_look(transport, place, -1);
	saga__nats_link_flush(transport);
}

static void look_behind(void *transport, unsigned shard, uint64_t place)
{
	saga__nats_watch_look(transport, place, (int)shard);
	saga__nats_link_flush(transport);
}

static void rewind_shard(void *transport, unsigned shard, uint64_t place)
{
	saga__nats_watch_rewind(transport, shard, place);
}

static void resume(void *transport)
{
	saga__nats_take_stalled(transport);
	saga__nats_link_flush(transport);
}

static void figures(void *transport, saga_transport_figures *ret_figures)
{
	struct saga__nats *self = transport;

	uv_mutex_lock(&self->lock);
	*ret_figures = self->figures;
	uv_mutex_unlock(&self->lock);
}

static int check(saga_port *port, const saga_transport_options *options, saga_error *error)
{
	if (!options->participant || strlen(options->participant) > 40)
		return saga_error_set(error, SAGA_MALFORMED, "transport: no participant's name");
	(void)port;
	return SAGA_OK;
}

static int open_nats(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct saga__nats_place place;
	struct saga__nats *self;
	uint8_t random[12];
	char store[40];
	int code = saga__nats_place_read(options->url, &place, error);

	if (code != SAGA_OK || (code = check(port, options, error)) != SAGA_OK)
		return code;
	if (!saga_port_loop(port))
		return saga_error_set(
			error, SAGA_UNSUPPORTED, "transport: NATS needs a loop of libuv's");
	if (!(self = calloc(1, sizeof *self)))
		return saga_error_set(error, SAGA_NOMEM, "transport: out of memory");
	self->port = port;
	self->loop = saga_port_loop(port);
	self->place = place;
	self->store = options->store;
	self->since = options->since;
	self->frame_bytes = options->frame_bytes;
	self->topics = options->topics;
	id_text(options->store, store);
	(void)snprintf(self->participant, sizeof self->participant, "%s", options->participant);
	(void)snprintf(self->description, sizeof self->description, "store %s", store);
	if (uv_random(NULL, NULL, random, sizeof random, 0, NULL) != 0) {
		free(self);
		return saga_error_set(error, SAGA_NOMEM, "transport: no random bytes");
	}
	(void)snprintf(self->inbox, sizeof self->inbox, "_INBOX.");
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(self->inbox + 7 + 2 * i, 3, "%02x", random[i]);
	if ((code = saga__nats_link_open(self, error)) != SAGA_OK)
		return code;
	if (place.format == SAGA__NATS_JSON)
		saga_port_wants_json(port);
	saga_port_settles(port, place.settle * 1000);
	*ret_transport = self;
	return SAGA_OK;
}

static void close_nats(void *transport)
{
	struct saga__nats *self = transport;

	saga__nats_pull_close(self);
	saga__nats_link_flush(self);
	saga__nats_link_close(self, self->given && self->up ? SAGA__NATS_AGAIN_MS + 1 : 0);
}

void saga__nats_closed(struct saga__nats *self)
{
	saga_port *port = self->port;

	saga__nats_take_close(self);
	saga__nats_pull_free(self);
	uv_cond_destroy(&self->changed);
	uv_mutex_destroy(&self->lock);
	free(self);
	if (port)
		saga_port_closed(port);
}

const saga_transport_ops saga__nats_transport = {
	.size = sizeof(saga_transport_ops),
	.schemes = "nats tls",
	.traits = SAGA_TRANSPORT_DURABLE | SAGA_TRANSPORT_ECHOES,
	.open = open_nats,
	.send = send_frames,
	.ack = ack,
	.resume = resume,
	.close = close_nats,
	.figures = figures,
	.work = work,
	.look = look,
	.look_behind = look_behind,
	.rewind = rewind_shard,
};
