/* Arrivals: deliveries, frames that are not kept, answers. The loop's thread. */

#include "nats_inside.h"

#include <stdlib.h>
#include <string.h>

enum {
	PORTION = 64,
	STALLED_MOST = 8192
};

struct portion {
	saga_frame frames[PORTION];
	natsMsg *messages[PORTION];
	char topics[PORTION][64];
	size_t count;
};

/* ---- handing on ---- */

/* Behind what waits already. False: no memory, or too many. */
static bool stall(struct saga__nats *self, natsMsg *message, const saga_frame *frame)
{
	struct saga__nats_stalled *stalled;

	if (self->stalled_count >= STALLED_MOST || !(stalled = calloc(1, sizeof *stalled)))
		return false;
	stalled->message = message;
	stalled->frame = *frame;
	memcpy(stalled->topic, frame->topic, strlen(frame->topic) + 1);
	stalled->frame.topic = stalled->topic;
	if (!self->stalled)
		self->stalled_end = &self->stalled;
	*self->stalled_end = stalled;
	self->stalled_end = &stalled->next;
	self->stalled_count++;
	return true;
}

static void lose(struct saga__nats *self, const saga_frame *frame)
{
	if (frame->place)
		saga__nats_pull_lose(self, frame->token);
}

static void hand_on(struct saga__nats *self, struct portion *portion)
{
	size_t i = 0;

	if (portion->count && !self->stalled &&
		saga_port_receive(self->port, portion->frames, portion->count) == SAGA_OK) {
		self->figures.received += portion->count;
		for (; i < portion->count; i++)
			natsMsg_Destroy(portion->messages[i]);
	}
	for (; i < portion->count; i++) {
		if (stall(self, portion->messages[i], &portion->frames[i]))
			continue;
		self->figures.lost++;
		lose(self, &portion->frames[i]);
		natsMsg_Destroy(portion->messages[i]);
	}
	portion->count = 0;
}

static void drop_first(struct saga__nats *self)
{
	struct saga__nats_stalled *first = self->stalled;

	self->stalled = first->next;
	self->stalled_count--;
	natsMsg_Destroy(first->message);
	free(first);
}

/* A host takes all or nothing: fewer, until it takes some. */
static size_t offer(struct saga__nats *self, size_t most)
{
	saga_frame frames[PORTION];
	size_t count = 0;

	for (struct saga__nats_stalled *at = self->stalled; at && count < most; at = at->next)
		frames[count++] = at->frame;
	while (count && saga_port_receive(self->port, frames, count) != SAGA_OK)
		count /= 2;
	for (size_t i = 0; i < count; i++)
		drop_first(self);
	self->figures.received += count;
	return count;
}

void saga__nats_take_stalled(struct saga__nats *self)
{
	while (self->stalled && offer(self, PORTION))
		;
	if (!self->stalled)
		saga__nats_pull_all(self);
}

void saga__nats_take_close(struct saga__nats *self)
{
	while (self->stalled) {
		lose(self, &self->stalled->frame);
		drop_first(self);
	}
}

/* ---- what it is ---- */

static bool is_wanted(const struct saga__nats *self, const char *topic)
{
	for (size_t i = 0; self->topics && self->topics[i]; i++)
		if (strcmp(self->topics[i], topic) == 0)
			return true;
	return false;
}

static void add(struct portion *portion, natsMsg *message, const char *topic, saga_frame frame)
{
	size_t at = portion->count++;
	size_t size = strlen(topic);

	if (size >= sizeof portion->topics[at])
		size = sizeof portion->topics[at] - 1;
	memcpy(portion->topics[at], topic, size);
	portion->topics[at][size] = '\0';
	frame.topic = portion->topics[at];
	frame.bytes =
		(saga_bytes){ natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message) };
	portion->frames[at] = frame;
	portion->messages[at] = message;
}

/* DOMAIN.e.B0.B1.B2.B3.B4.B5.TYPE; *ret_type is NULL if it is not that. */
static unsigned part_of(const struct saga__nats *self, const char *subject, const char **ret_type)
{
	size_t size = strlen(self->place.domain);
	unsigned part = 0;

	*ret_type = NULL;
	if (strncmp(subject, self->place.domain, size) != 0 ||
		strncmp(subject + size, ".e.", 3) != 0)
		return 0;
	subject += size + 3;
	for (unsigned i = 0; i < SAGA__NATS_BITS; i++, subject += 2) {
		if ((subject[0] != '0' && subject[0] != '1') || subject[1] != '.')
			return 0;
		part |= (unsigned)(subject[0] - '0') << i;
	}
	*ret_type = subject;
	return part;
}

static bool take_delivery(struct saga__nats *self, natsMsg *message, struct portion *portion)
{
	const char *type;
	unsigned part = part_of(self, natsMsg_GetSubject(message), &type);
	saga_frame frame = { .part = part };

	if (!type || !saga__nats_pull_take(self, message, &frame))
		return false;
	/* A frame that is too large is cut off: it cannot be read, but is not lost in silence. */
	self->figures.refused += (size_t)natsMsg_GetDataLength(message) > self->frame_bytes;
	add(portion, message, type, frame);
	if (portion->frames[portion->count - 1].bytes.size > self->frame_bytes)
		portion->frames[portion->count - 1].bytes.size = self->frame_bytes;
	return true;
}

/* False: it is done with. */
static bool take_answer(struct saga__nats *self, natsMsg *message, struct portion *portion)
{
	const char *subject = natsMsg_GetSubject(message);
	size_t size = strlen(self->inbox);

	if (strncmp(subject, self->inbox, size) != 0)
		return take_delivery(self, message, portion);
	if (strncmp(subject + size, ".a.", 3) == 0)
		saga__nats_sent(self, subject + size + 3, message);
	else if (strncmp(subject + size, ".l.", 3) == 0)
		saga__nats_watch_found(self, subject + size + 3, message);
	else if (strncmp(subject + size, ".p.", 3) == 0)
		saga__nats_pull_status(self, subject + size + 3, message);
	return false;
}

/* Another server leads the stream. */
static bool take_advice(struct saga__nats *self, natsMsg *message, struct portion *portion)
{
	(void)message, (void)portion;
	saga__nats_watch_doubt(self);
	return false;
}

static bool take_other(struct saga__nats *self, natsMsg *message, struct portion *portion)
{
	const char *topic = natsMsg_GetSubject(message) + strlen(self->place.domain) + 3;

	if (!is_wanted(self, topic))
		return false;
	if ((size_t)natsMsg_GetDataLength(message) > self->frame_bytes) {
		self->figures.refused++;
		return false;
	}
	add(portion, message, topic, (saga_frame){ .token = 0 });
	return true;
}

static void take_all(struct saga__nats *self, natsSubscription *from,
	bool (*take)(struct saga__nats *self, natsMsg *message, struct portion *portion))
{
	struct portion portion;
	natsMsg *message;
	uint64_t count = 0;

	portion.count = 0;
	while (from && natsSubscription_QueuedMsgs(from, &count) == NATS_OK && count)
		while (count-- && natsSubscription_NextMsg(&message, from, 0) == NATS_OK) {
			if (!take(self, message, &portion))
				natsMsg_Destroy(message);
			if (portion.count == PORTION)
				hand_on(self, &portion);
		}
	hand_on(self, &portion);
}

void saga__nats_take(struct saga__nats *self)
{
	natsSubscription *answers, *others, *advice;

	uv_mutex_lock(&self->lock);
	answers = self->answers;
	others = self->others;
	advice = self->advice;
	uv_mutex_unlock(&self->lock);
	take_all(self, answers, take_answer);
	for (unsigned number = 0; number < self->of; number++)
		take_all(self, self->shards[number].from, take_answer);
	take_all(self, others, take_other);
	take_all(self, advice, take_advice);
	saga__nats_pull_all(self);
}
