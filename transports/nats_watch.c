/* The state of the broker's stream: its limits, and which event stands at which place. */

#include "nats_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_AGAIN_MS = 2000,
	UUID_TEXT = 36
};

/* ---- what names a message ---- */

static int digit_of(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* A UUID, perhaps with `.1` behind it: the same event, sent again as no double. */
static bool read_id(const char *text, size_t size, saga_id *ret_id)
{
	saga_id id;

	if (size < UUID_TEXT || (size > UUID_TEXT && text[UUID_TEXT] != '.'))
		return false;
	for (size_t at = 0, i = 0; at < UUID_TEXT; at++) {
		int high, low;

		if (at == 8 || at == 13 || at == 18 || at == 23) {
			if (text[at] != '-')
				return false;
			continue;
		}
		high = digit_of(text[at++]);
		low = digit_of(text[at]);
		if (high < 0 || low < 0)
			return false;
		id.bytes[i++] = (uint8_t)(high << 4 | low);
	}
	*ret_id = id;
	return true;
}

/* FNV-1a, twice: of what others publish without an id of this kind. */
static saga_id id_of_bytes(const unsigned char *bytes, size_t size)
{
	uint64_t sums[2] = { UINT64_C(14695981039346656037), UINT64_C(14695981039346656039) };
	saga_id id;

	for (size_t i = 0; i < size; i++)
		for (size_t k = 0; k < 2; k++)
			sums[k] = (sums[k] ^ (bytes[i] + k)) * UINT64_C(1099511628211);
	memcpy(id.bytes, sums, sizeof id.bytes);
	id.bytes[0] |= 1; /* never zero */
	return id;
}

saga_id saga__nats_id_of(natsMsg *message)
{
	const char *text = NULL;
	saga_id id;

	if (natsMsgHeader_Get(message, "Nats-Msg-Id", &text) == NATS_OK && text &&
		read_id(text, strlen(text), &id))
		return id;
	return id_of_bytes((const unsigned char *)natsMsg_GetData(message),
		(size_t)natsMsg_GetDataLength(message));
}

/* ---- what stands at a place ---- */

static int value_of(char c)
{
	return c >= 'A' && c <= 'Z'    ? c - 'A'
		: c >= 'a' && c <= 'z' ? c - 'a' + 26
		: c >= '0' && c <= '9' ? c - '0' + 52
		: c == '+'             ? 62
		: c == '/'             ? 63
				       : -1;
}

/* The base64 that stands behind `word`, as bytes that the caller frees. NULL: none. */
static unsigned char *bytes_behind(const char *json, const char *word, size_t *ret_size)
{
	const char *at = strstr(json, word);
	unsigned char *bytes;
	uint32_t bits = 0;
	size_t size = 0;
	int count = 0, value;

	if (!at)
		return NULL;
	at += strlen(word);
	if (!(bytes = malloc(strcspn(at, "\"") + 1)))
		return NULL;
	for (; (value = value_of(*at)) >= 0; at++) {
		bits = bits << 6 | (uint32_t)value;
		if ((count += 6) >= 8)
			bytes[size++] = (unsigned char)(bits >> (count -= 8));
	}
	bytes[size] = '\0';
	*ret_size = size;
	return bytes;
}

static bool id_in_headers(const char *json, saga_id *ret_id)
{
	static const char name[] = "\r\nNats-Msg-Id:";
	size_t size = 0;
	char *headers = (char *)bytes_behind(json, "\"hdrs\":\"", &size);
	const char *at = headers ? strstr(headers, name) : NULL;
	bool found;

	if (at)
		at += sizeof name - 1 + strspn(at + sizeof name - 1, " ");
	found = at && read_id(at, strcspn(at, "\r\n"), ret_id);
	free(headers);
	return found;
}

/* Days since 1970 of the Gregorian calendar. */
static int64_t day_of(int64_t year, int64_t month, int64_t day)
{
	int64_t months = (month + 9) % 12; /* since March */

	year -= month < 3;
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * months + 2) / 5 + day -
		719469;
}

/* Reads a number as wide as the pattern's run of `9`. NULL: other digits or signs stand there. */
static const char *read_digits(const char *at, const char *pattern, int64_t *ret_numbers)
{
	for (bool in_number = false; *pattern; pattern++, at++) {
		if (*pattern != '9') {
			in_number = false;
			if (*at != *pattern)
				return NULL;
			continue;
		}
		if (*at < '0' || *at > '9')
			return NULL;
		if (!in_number)
			*ret_numbers++ = 0;
		in_number = true;
		ret_numbers[-1] = 10 * ret_numbers[-1] + (*at - '0');
	}
	return at;
}

/* "time":"2026-11-30T15:16:31.1234Z" in ns since 1970, as in deliveries. 0: none. */
static int64_t time_of(const char *json)
{
	static const char word[] = "\"time\":\"";
	const char *at = strstr(json, word);
	int64_t t[6] = { 0 }, ns = 0; /* year, month, day, hour, minute, second */

	if (at)
		at = read_digits(at + sizeof word - 1, "9999-99-99T99:99:99", t);
	if (!at)
		return 0;
	at += *at == '.';
	for (int64_t unit = 100000000; *at >= '0' && *at <= '9' && unit; unit /= 10)
		ns += (*at++ - '0') * unit;
	return (((day_of(t[0], t[1], t[2]) * 24 + t[3]) * 60 + t[4]) * 60 + t[5]) * 1000000000 + ns;
}

/* {"message":{"seq":7,"hdrs":"...","data":"...","time":"..."}}, or {"error":{"code":404,...}}. */
static bool read_found(const char *json, saga_id *ret_id, int64_t *ret_stored_at)
{
	unsigned char *data;
	size_t size = 0;

	if (strstr(json, "\"error\":")) {
		*ret_id = (saga_id){ { 0 } };
		return strstr(json, "\"code\":404") != NULL;
	}
	if (!strstr(json, "\"message\":"))
		return false;
	*ret_stored_at = time_of(json);
	if (id_in_headers(json, ret_id))
		return true;
	data = bytes_behind(json, "\"data\":\"", &size);
	*ret_id = id_of_bytes(data ? data : (const unsigned char *)"", data ? size : 0);
	free(data);
	return true;
}

static void ask(struct saga__nats *self, natsConnection *nc, struct saga__nats_look *look)
{
	char subject[SAGA__NATS_SUBJECT], reply[SAGA__NATS_SUBJECT], filter[SAGA__NATS_SUBJECT],
		text[2 * SAGA__NATS_SUBJECT];
	int size;

	if (look->behind < 0) {
		size = snprintf(text, sizeof text, "{\"seq\":%" PRIu64 "}", look->place);
	} else {
		saga__nats_filter(self, (unsigned)look->behind, self->of, filter, sizeof filter);
		size = snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s\"}",
			look->place + 1, filter);
	}
	(void)snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.GET.%s", self->place.domain);
	(void)snprintf(
		reply, sizeof reply, "%s.l.%" PRIx64 "_%d", self->inbox, look->place, look->behind);
	(void)natsConnection_PublishRequest(nc, subject, reply, text, size);
	look->at = saga__nats_now();
}

static size_t find_look(const struct saga__nats *self, uint64_t place, int behind)
{
	size_t i = 0;

	while (i < self->look_count &&
		(self->looks[i].place != place || self->looks[i].behind != behind))
		i++;
	return i;
}

void saga__nats_watch_look(struct saga__nats *self, uint64_t place, int behind)
{
	natsConnection *nc = saga__nats_link_usable(self);
	size_t i = find_look(self, place, behind);

	if (i == SAGA__NATS_LOOKS)
		return; /* the library asks again */
	if (i == self->look_count)
		self->look_count++;
	self->looks[i] = (struct saga__nats_look){ .place = place, .behind = behind };
	if (nc)
		ask(self, nc, &self->looks[i]);
}

/* A reply that is no answer (nobody leads the stream) is asked for again. */
void saga__nats_watch_found(struct saga__nats *self, const char *which, natsMsg *message)
{
	const char *json = natsMsg_GetDataLength(message) ? natsMsg_GetData(message) : "", *seq;
	char *end;
	uint64_t place = strtoull(which, &end, 16);
	int behind = *end == '_' ? (int)strtol(end + 1, NULL, 10) : -1;
	size_t i = find_look(self, place, behind);
	int64_t stored_at = 0;
	saga_id id;

	if (i == self->look_count || !read_found(json, &id, &stored_at))
		return;
	self->looks[i] = self->looks[--self->look_count];
	seq = strstr(json, "\"seq\":");
	if (behind < 0)
		saga_port_looked(self->port, place, id, stored_at);
	else
		saga_port_looked_behind(self->port, (unsigned)behind, place,
			seq ? strtoull(seq + strlen("\"seq\":"), NULL, 10) : 0);
}

void saga__nats_watch_tick(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);
	uint64_t now = saga__nats_now();

	for (size_t i = 0; nc && i < self->look_count; i++)
		if (now - self->looks[i].at >= LOOK_AGAIN_MS)
			ask(self, nc, &self->looks[i]);
}

/* ---- limits ---- */

/* The bytes that the stream takes as one message; 0, -1: any. As the keeper found it last. */
static int64_t limit_of_stream(struct saga__nats *self)
{
	int64_t most;

	uv_mutex_lock(&self->lock);
	most = self->message_most;
	uv_mutex_unlock(&self->lock);
	return most;
}

/* The largest message that the servers take, headers and all. */
static int64_t limit_of(struct saga__nats *self, natsConnection *nc)
{
	int64_t payload = natsConnection_GetMaxPayload(nc), most = limit_of_stream(self);

	return most > 0 && most < payload ? most : payload;
}

/* The stream's limit may be newer than what the keeper knows: then it looks at once. */
void saga__nats_watch_refuse(
	struct saga__nats *self, natsConnection *nc, uint64_t token, bool by_stream)
{
	int64_t most = by_stream ? limit_of_stream(self) : natsConnection_GetMaxPayload(nc);
	char why[SAGA__NATS_TEXT], bytes[48] = "";

	if (most > 0)
		(void)snprintf(bytes, sizeof bytes, ", which is %" PRId64 " bytes", most);
	(void)snprintf(why, sizeof why,
		"the event and its headers are larger than %s%s: raise that, and it is published",
		by_stream ? "the stream's max_msg_size" : "the servers' max_payload", bytes);
	self->figures.refused++;
	uv_mutex_lock(&self->lock);
	self->has_refused = true;
	self->prepares = self->prepares || by_stream;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
	saga_port_refused(self->port, token, why);
}

void saga__nats_watch_limits(struct saga__nats *self)
{
	natsConnection *nc = saga__nats_link_usable(self);
	int64_t limit;

	if (!nc || (limit = limit_of(self, nc)) == self->limit)
		return;
	if (limit > self->limit) {
		uv_mutex_lock(&self->lock);
		self->has_refused = false;
		uv_mutex_unlock(&self->lock);
		saga_port_relents(self->port);
	}
	self->limit = limit;
}

/* ---- how the stream is ---- */

void saga__nats_watch_tell(struct saga__nats *self)
{
	saga_broker broker;
	bool has;

	uv_mutex_lock(&self->lock);
	if ((has = self->has_broker && self->usable))
		broker = self->broker;
	if (has)
		self->has_broker = self->broker.doubt = false;
	uv_mutex_unlock(&self->lock);
	if (has)
		saga_port_broker(self->port, &broker);
}

void saga__nats_watch_rewind(struct saga__nats *self, unsigned shard, uint64_t place)
{
	uint64_t bit = UINT64_C(1) << shard;

	saga__nats_pull_forget_given(self, shard);
	uv_mutex_lock(&self->lock);
	self->incidents++; /* what the shard gets again has other tokens */
	self->rewinds |= bit;
	self->rewind_to[shard] = place;
	self->ready &= ~bit;
	self->broker.shards &= ~bit; /* its floor is of before */
	self->prepares = true;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

void saga__nats_watch_doubt(struct saga__nats *self)
{
	uv_mutex_lock(&self->lock);
	self->doubts = self->prepares = true;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

void saga__nats_watch_replaced(struct saga__nats *self)
{
	uv_mutex_lock(&self->lock);
	self->incidents++;
	uv_mutex_unlock(&self->lock);
	saga__nats_watch_doubt(self);
}

uint64_t saga__nats_watch_incident(struct saga__nats *self)
{
	uint64_t incident;

	uv_mutex_lock(&self->lock);
	incident = self->incidents;
	uv_mutex_unlock(&self->lock);
	return incident;
}

/* Under the lock: the keeper has asked for all of this. */
void saga__nats_watch_note(struct saga__nats *self, const saga_broker *broker)
{
	bool doubt = self->has_broker && self->broker.doubt;

	self->incidents += broker->doubt;
	self->broker = *broker;
	self->broker.doubt = broker->doubt || doubt;
	self->broker.shards &= ~self->rewinds;
	self->has_broker = true;
}
