/* Deliveries: asked for, held until they are acked, given back. The loop's thread. */

#include "nats_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PULL_MOST = 512,
	EXPIRES_MS = 30000,
	BEAT_MS = 3000,
	SILENCE_MS = 8000,
	REFUSED_MS = 250
};

static uint64_t low_bits(uint64_t number, unsigned count)
{
	return number & ((UINT64_C(1) << count) - 1);
}

static uint64_t token_of(unsigned shard, uint64_t incident, uint64_t sequence)
{
	return ((uint64_t)shard << SAGA__NATS_INCIDENT_BITS |
		       low_bits(incident, SAGA__NATS_INCIDENT_BITS))
		<< SAGA__NATS_SEQ_BITS |
		low_bits(sequence, SAGA__NATS_SEQ_BITS);
}

static unsigned shard_of(uint64_t token)
{
	return (unsigned)(token >> (SAGA__NATS_SEQ_BITS + SAGA__NATS_INCIDENT_BITS));
}

/* ---- what is held ---- */

/* The token without its incident. */
static uint64_t place_in(uint64_t token)
{
	return token_of(shard_of(token), 0, token);
}

/* Finds the delivery that is held of that shard and sequence, whatever the incident. */
static struct saga__nats_held **place_of(struct saga__nats *self, uint64_t token)
{
	uint64_t mixed = place_in(token) * UINT64_C(0x9e3779b97f4a7c15);
	struct saga__nats_held **at = &self->held[mixed >> 32 & (SAGA__NATS_BUCKETS - 1)];

	while (*at && place_in((*at)->token) != place_in(token))
		at = &(*at)->next;
	return at;
}

/* NULL: that delivery is not held any more. */
static struct saga__nats_held **find(struct saga__nats *self, uint64_t token)
{
	struct saga__nats_held **at = place_of(self, token);

	return *at && (*at)->token == token ? at : NULL;
}

static void say(natsConnection *nc, const struct saga__nats_held *held, const char *what)
{
	if (nc)
		(void)natsConnection_Publish(nc, held->reply, what, (int)strlen(what));
}

static void release(struct saga__nats *self, struct saga__nats_held **at)
{
	struct saga__nats_held *held = *at;

	*at = held->next;
	self->shards[shard_of(held->token)].held--;
	free(held);
}

/*
 * Once more a little later: nats-server 2.9 loses one that is given back while a request waits
 * whose asker has left, until its time to be acked is over.
 */
void saga__nats_pull_give_again(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);
	uint64_t now = saga__nats_now();

	for (struct saga__nats_held **at = &self->given, *held; (held = *at);)
		if (now - held->at >= SAGA__NATS_AGAIN_MS) {
			say(nc, held, "-NAK");
			*at = held->next;
			free(held);
		} else {
			at = &held->next;
		}
}

/* All of those shards. */
static void give_back(struct saga__nats *self, uint64_t shards)
{
	natsConnection *nc = saga__nats_link_usable(self);

	for (size_t i = 0; i < SAGA__NATS_BUCKETS; i++)
		for (struct saga__nats_held **at = &self->held[i]; *at;)
			if (shards >> shard_of((*at)->token) & 1) {
				struct saga__nats_held *held = *at;

				say(nc, held, "-NAK");
				*at = held->next;
				self->shards[shard_of(held->token)].held--;
				held->at = saga__nats_now();
				held->next = self->given;
				self->given = held;
			} else {
				at = &(*at)->next;
			}
}

static void say_in_progress(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);
	uint64_t now = saga__nats_now(), after = (uint64_t)self->place.ack * 1000 / 3;

	for (size_t i = 0; nc && i < SAGA__NATS_BUCKETS; i++)
		for (struct saga__nats_held *held = self->held[i]; held; held = held->next) {
			if (now - held->at < after)
				continue;
			say(nc, held, "+WPI");
			held->at = now;
		}
}

/* ---- asking ---- */

static int64_t under_way(const struct saga__nats_shard *shard)
{
	return shard->pulls[0].left + shard->pulls[1].left;
}

/* False: not now. */
static bool listen_to(struct saga__nats *self, natsConnection *nc, unsigned number)
{
	struct saga__nats_shard *shard = &self->shards[number];
	char subject[SAGA__NATS_SUBJECT];

	(void)snprintf(
		subject, sizeof subject, "%s.p.%u.%u.*", self->inbox, number, ++shard->spells);
	return natsConnection_SubscribeSync(&shard->from, nc, subject) == NATS_OK &&
		natsSubscription_SetPendingLimits(shard->from, -1, -1) == NATS_OK;
}

static void stop_listening(struct saga__nats_shard *shard)
{
	natsSubscription_Destroy(shard->from);
	shard->from = NULL;
	shard->pulls[0].left = shard->pulls[1].left = 0;
}

static void ask(struct saga__nats *self, natsConnection *nc, unsigned number, int64_t count)
{
	struct saga__nats_shard *shard = &self->shards[number];
	char subject[SAGA__NATS_SUBJECT], name[128], reply[SAGA__NATS_SUBJECT], text[128];
	int size;

	if (!shard->from && !listen_to(self, nc, number))
		return;
	if (shard->pulls[0].left)
		shard->pulls[1] = (struct saga__nats_pull){ ++shard->numbers, count };
	else
		shard->pulls[0] = (struct saga__nats_pull){ ++shard->numbers, count };
	saga__nats_consumer_name(self, number, self->of, name, sizeof name);
	(void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s",
		self->place.domain, name);
	(void)snprintf(reply, sizeof reply, "%s.p.%u.%u.%u", self->inbox, number, shard->spells,
		shard->numbers);
	size = snprintf(text, sizeof text,
		"{\"batch\":%" PRId64 ",\"expires\":%d000000,\"idle_heartbeat\":%d000000}", count,
		EXPIRES_MS, BEAT_MS);
	(void)natsConnection_PublishRequest(nc, subject, reply, text, size);
	shard->heard = saga__nats_now();
}

/* Asks when half of what there is room for is under way. */
static void pull(struct saga__nats *self, natsConnection *nc, unsigned number)
{
	struct saga__nats_shard *shard = &self->shards[number];
	int64_t most = self->place.pending < PULL_MOST ? self->place.pending : PULL_MOST;
	int64_t room = self->place.pending - shard->held - under_way(shard);

	if (!shard->pulls[0].left) {
		shard->pulls[0] = shard->pulls[1];
		shard->pulls[1].left = 0;
	}
	if (shard->pulls[1].left || room < (most + 1) / 2 || saga__nats_now() < shard->not_before)
		return;
	ask(self, nc, number, room < most ? room : most);
}

void saga__nats_pull_all(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);
	uint64_t ready;

	if (!nc || !self->up || self->stalled)
		return;
	uv_mutex_lock(&self->lock);
	ready = self->ready & self->shards_worked;
	uv_mutex_unlock(&self->lock);
	for (unsigned number = 0; number < self->of; number++)
		if (ready >> number & 1)
			pull(self, nc, number);
}

static void forget(struct saga__nats_shard *shard)
{
	shard->pulls[0].left = shard->pulls[1].left = 0;
}

void saga__nats_pull_forget(struct saga__nats *self)
{
	for (unsigned number = 0; number < SAGA__NATS_SHARDS; number++) {
		forget(&self->shards[number]);
		self->shards[number].not_before = 0;
	}
}

/* Servers say something every BEAT_MS: who does not, has lost what we asked for. */
void saga__nats_pull_tick(struct saga__nats *self)
{
	uint64_t now = saga__nats_now();

	for (unsigned number = 0; number < self->of; number++) {
		struct saga__nats_shard *shard = &self->shards[number];

		if (!under_way(shard) || now - shard->heard < SILENCE_MS)
			continue;
		forget(shard);
		saga__nats_link_prepare(self);
	}
	saga__nats_pull_give_again(self);
	say_in_progress(self);
	saga__nats_pull_all(self);
}

/* ---- what came ---- */

/* $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ... or with a domain and an account before the stream. */
/* And when it was stored. */
static uint64_t sequence_of(const char *reply, int64_t *ret_stored_at)
{
	const char *words[13];
	size_t count = 0;

	for (const char *at = reply, *dot; at && count < 13; at = dot ? dot + 1 : NULL) {
		words[count++] = at;
		dot = strchr(at, '.');
	}
	if (count < 9 || strncmp(reply, "$JS.ACK.", 8) != 0)
		return 0;
	*ret_stored_at = strtoll(words[count == 9 ? 7 : 9], NULL, 10);
	return strtoull(words[count == 9 ? 5 : 7], NULL, 10);
}

static void was_delivered(struct saga__nats_shard *shard)
{
	shard->heard = saga__nats_now();
	if (shard->pulls[0].left)
		shard->pulls[0].left--;
	else if (shard->pulls[1].left)
		shard->pulls[1].left--;
}

/* NULL: out of memory. */
static struct saga__nats_held *new_held(
	uint64_t token, uint64_t incident, const char *reply, natsMsg *message)
{
	size_t size = strlen(reply) + 1;
	struct saga__nats_held *held = malloc(sizeof *held + size);

	if (!held)
		return NULL;
	*held = (struct saga__nats_held){
		.token = token, .incident = incident, .at = saga__nats_now()
	};
	held->id = saga__nats_id_of(message);
	memcpy(held->reply, reply, size);
	return held;
}

static bool is_same(const struct saga__nats_held *one, const struct saga__nats_held *other)
{
	return one->stored_at == other->stored_at &&
		memcmp(&one->id, &other->id, sizeof one->id) == 0;
}

/*
 * Puts a delivery among what is held. False: its event is held already, and the newer reply
 * subject counts.
 */
static bool hold(struct saga__nats *self, struct saga__nats_held *held)
{
	struct saga__nats_held **at = place_of(self, held->token);

	if (*at && is_same(*at, held)) {
		held->token = (*at)->token;
		held->next = (*at)->next;
		free(*at);
		*at = held;
		return false;
	}
	/* The servers have lost that event: nothing is left to be acked. */
	if (*at) {
		release(self, at);
		saga__nats_watch_replaced(self);
		held->incident = saga__nats_watch_incident(self);
		held->token = token_of(shard_of(held->token), held->incident, held->token);
		at = place_of(self, held->token);
	}
	*at = held;
	self->shards[shard_of(held->token)].held++;
	return true;
}

bool saga__nats_pull_take(struct saga__nats *self, natsMsg *message, saga_frame *frame)
{
	const char *reply = natsMsg_GetReply(message);
	int64_t stored_at = 0;
	uint64_t sequence = reply ? sequence_of(reply, &stored_at) : 0;
	uint64_t incident = saga__nats_watch_incident(self);
	unsigned number = self->of ? frame->part & (self->of - 1) : 0;
	struct saga__nats_held *held;

	if (!sequence || !self->of)
		return false;
	was_delivered(&self->shards[number]);
	if (!(held = new_held(token_of(number, incident, sequence), incident, reply, message)))
		return false; /* it comes again */
	held->stored_at = stored_at;
	if (!(self->shards_worked >> number & 1)) {
		say(saga__nats_link_usable(self), held, "-NAK");
		free(held);
		return false;
	}
	if (!hold(self, held))
		return false;
	frame->token = held->token;
	frame->place = sequence;
	frame->stored_at = stored_at;
	frame->id = held->id;
	return true;
}

void saga__nats_pull_status(struct saga__nats *self, const char *which, natsMsg *message)
{
	struct saga__nats_shard *shard;
	const char *status = NULL;
	char *end;
	unsigned long number = strtoul(which, &end, 10);
	unsigned long spell = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
	unsigned long pull_number = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	if (number >= SAGA__NATS_SHARDS || spell != self->shards[number].spells)
		return;
	shard = &self->shards[number];
	shard->heard = saga__nats_now();
	if (natsMsgHeader_Get(message, "Status", &status) != NATS_OK || strcmp(status, "100") == 0)
		return;
	for (size_t i = 0; i < 2; i++)
		if (shard->pulls[i].number == pull_number)
			shard->pulls[i].left = 0;
	/* 408: its time is over. Else there is no such consumer, or nobody who leads it. */
	if (strcmp(status, "408") == 0)
		return;
	shard->not_before = saga__nats_now() + REFUSED_MS;
	if (strcmp(status, "404") != 0)
		saga__nats_link_prepare(self);
}

/* ---- what the host says ---- */

void saga__nats_pull_work(struct saga__nats *self, uint64_t shards, unsigned of)
{
	uint64_t left = self->shards_worked & ~shards, come = shards & ~self->shards_worked;

	/* First, or the servers would give it to us again. */
	for (unsigned number = 0; number < SAGA__NATS_SHARDS; number++)
		if (left >> number & 1)
			stop_listening(&self->shards[number]);
	give_back(self, left);
	self->shards_worked = shards;
	self->of = of;
	uv_mutex_lock(&self->lock);
	self->wanted = shards;
	self->wanted_of = of;
	/* The host waits to hear where a consumer stands: another instance may have moved it. */
	self->ready &= ~come;
	self->prepares = self->prepares || come;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
	saga__nats_pull_all(self);
}

void saga__nats_pull_ack(struct saga__nats *self, const uint64_t *tokens, size_t count)
{
	natsConnection *nc = saga__nats_link_usable(self);
	uint64_t incident = saga__nats_watch_incident(self);

	for (size_t i = 0; i < count; i++) {
		struct saga__nats_held **at = find(self, tokens[i]);

		if (!at)
			continue;
		/* It comes again, as a double; or another event does, and was not acked. */
		say(nc, *at, (*at)->incident == incident ? "+ACK" : "-NAK");
		release(self, at);
	}
	saga__nats_pull_all(self);
}

void saga__nats_pull_forget_given(struct saga__nats *self, unsigned shard)
{
	for (struct saga__nats_held **at = &self->given, *held; (held = *at);)
		if (shard_of(held->token) == shard) {
			*at = held->next;
			free(held);
		} else {
			at = &held->next;
		}
}

void saga__nats_pull_lose(struct saga__nats *self, uint64_t token)
{
	struct saga__nats_held **at = find(self, token);

	if (at)
		release(self, at);
}

void saga__nats_pull_close(struct saga__nats *self)
{
	saga__nats_pull_let_go(self);
	give_back(self, UINT64_MAX);
	self->shards_worked = 0;
}

void saga__nats_pull_let_go(struct saga__nats *self)
{
	for (unsigned number = 0; number < SAGA__NATS_SHARDS; number++)
		stop_listening(&self->shards[number]);
}

void saga__nats_pull_free(struct saga__nats *self)
{
	struct saga__nats_held *held;

	while ((held = self->given)) {
		self->given = held->next;
		free(held);
	}
}
