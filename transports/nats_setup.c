/* What must be on the servers: the stream, and a consumer for each shard. The keeper's thread. */

#include "nats_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	WAIT_MS = 3000,
	BEHIND_S = 60
};

#define NANOSECONDS INT64_C(1000000000)

void saga__nats_consumer_name(
	const struct saga__nats *self, unsigned shard, unsigned of, char *name, size_t size)
{
	(void)snprintf(name, size, "%s-%u-%u", self->participant, of, shard);
	for (char *at = name; *at; at++)
		if (*at == '.') /* would end a subject's word */
			*at = '=';
}

static bool fails(char *why, size_t size, const char *what)
{
	const char *text = nats_GetLastError(NULL);

	(void)snprintf(why, size, "%s%s%s", what, text && *text ? ": " : "", text ? text : "");
	return false;
}

/* ---- the stream ---- */

static int64_t or_unlimited(int64_t value)
{
	return value ? value : -1;
}

static natsStatus add_stream(const struct saga__nats *self, jsCtx *js, jsOptions *options)
{
	const struct saga__nats_place *place = &self->place;
	char subject[SAGA__NATS_SUBJECT];
	const char *subjects[] = { subject };
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s;

	(void)snprintf(subject, sizeof subject, "%s.e.>", place->domain);
	(void)jsStreamConfig_Init(&config);
	config.Name = place->domain;
	config.Description = "events of sagas, see libsaga";
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Retention = place->interest ? js_InterestPolicy : js_LimitsPolicy;
	config.MaxMsgs = or_unlimited(place->messages);
	config.MaxBytes = or_unlimited(place->bytes);
	config.MaxAge = place->age * NANOSECONDS;
	config.Discard = js_DiscardNew;
	config.Storage = js_FileStorage;
	config.Replicas = place->replicas;
	/* The servers refuse a window that is longer than the age. */
	config.Duplicates =
		(place->age && place->age < place->window ? place->age : place->window) *
		NANOSECONDS;
	s = js_AddStream(NULL, js, &config, options, &code);
	/* Another was faster, with other settings. */
	return code == JSStreamNameExistErr ? NATS_OK : s;
}

static bool check_stream(
	const struct saga__nats *self, const jsStreamInfo *info, char *why, size_t size)
{
	char subject[SAGA__NATS_SUBJECT];
	bool listens = false;

	(void)snprintf(subject, sizeof subject, "%s.e.>", self->place.domain);
	for (int i = 0; i < info->Config->SubjectsLen; i++)
		listens = listens || strcmp(info->Config->Subjects[i], subject) == 0;
	if (!listens || info->Config->Storage != js_FileStorage)
		(void)snprintf(why, size, "the stream %s %s", self->place.domain,
			listens ? "is kept in memory" : "is another's: it lacks our subjects");
	else if (info->Config->Retention == js_WorkQueuePolicy)
		(void)snprintf(why, size,
			"the stream %s is a work queue: each event would go to one participant",
			self->place.domain);
	else
		return true;
	return false;
}

static bool setup_stream(
	const struct saga__nats *self, jsCtx *js, jsOptions *options, char *why, size_t size)
{
	jsStreamInfo *info = NULL;
	natsStatus s = js_GetStreamInfo(&info, js, self->place.domain, options, NULL);
	bool fits;

	if (s == NATS_NOT_FOUND) {
		if (add_stream(self, js, options) != NATS_OK)
			return fails(why, size, "the stream can't be made");
		s = js_GetStreamInfo(&info, js, self->place.domain, options, NULL);
	}
	if (s != NATS_OK)
		return fails(why, size, "the stream can't be reached");
	fits = check_stream(self, info, why, size);
	jsStreamInfo_Destroy(info);
	return fits;
}

/* ---- consumers ---- */

/* saga.e.1.0.1.> is shard 5 of 8. */
static void filter_of(
	const struct saga__nats *self, unsigned shard, unsigned of, char *filter, size_t size)
{
	size_t at = (size_t)snprintf(filter, size, "%s.e.", self->place.domain);

	for (; of > 1 && at + 4 < size; of /= 2, shard /= 2) {
		filter[at++] = (char)('0' + (shard & 1));
		filter[at++] = '.';
	}
	filter[at++] = '>';
	filter[at] = '\0';
}

/*
 * Earlier than the host said, since the servers' clocks may be behind its own; what is too old for
 * it, it finds out itself. A whole second: libnats (all until 3.13) writes a fraction without the
 * noughts that it begins with, 7.063 as 7.63, and what came in between would be lost.
 */
static int64_t start_time(int64_t since)
{
	int64_t seconds = since / 1000 - BEHIND_S;

	return seconds > 0 ? seconds * NANOSECONDS : NANOSECONDS;
}

static natsStatus add_consumer(
	const struct saga__nats *self, jsCtx *js, jsOptions *options, jsConsumerConfig *config)
{
	config->DeliverPolicy = self->since ? js_DeliverByStartTime : js_DeliverAll;
	config->OptStartTime = self->since ? start_time(self->since) : 0;
	return js_AddConsumer(NULL, js, self->place.domain, config, options, NULL);
}

/* One that is there: whose it is, and whether it is as we want it. */
static natsStatus adopt(const struct saga__nats *self, jsCtx *js, jsOptions *options,
	jsConsumerConfig *config, const jsConsumerInfo *info, bool *ret_twin)
{
	const jsConsumerConfig *there = info->Config;

	*ret_twin = there->Description && strncmp(there->Description, "store ", 6) == 0 &&
		strcmp(there->Description, config->Description) != 0;
	if (*ret_twin ||
		(there->AckWait == config->AckWait &&
			there->MaxAckPending == config->MaxAckPending))
		return NATS_OK;
	config->DeliverPolicy = there->DeliverPolicy;
	config->OptStartTime = there->OptStartTime;
	config->OptStartSeq = there->OptStartSeq;
	return js_UpdateConsumer(NULL, js, self->place.domain, config, options, NULL);
}

static bool setup_consumer(const struct saga__nats *self, jsCtx *js, jsOptions *options,
	unsigned shard, unsigned of, char *why, size_t size)
{
	char name[SAGA__NATS_SUBJECT], filter[SAGA__NATS_SUBJECT];
	jsConsumerInfo *info = NULL;
	jsConsumerConfig config;
	bool twin = false;
	natsStatus s;

	saga__nats_consumer_name(self, shard, of, name, sizeof name);
	filter_of(self, shard, of, filter, sizeof filter);
	(void)jsConsumerConfig_Init(&config);
	config.Durable = name;
	config.Description = self->description;
	config.AckPolicy = js_AckExplicit;
	config.AckWait = self->place.ack * NANOSECONDS;
	config.MaxDeliver = -1;
	config.MaxAckPending = self->place.pending;
	config.FilterSubject = filter;
	s = js_GetConsumerInfo(&info, js, self->place.domain, name, options, NULL);
	if (s == NATS_NOT_FOUND)
		s = add_consumer(self, js, options, &config);
	else if (s == NATS_OK)
		s = adopt(self, js, options, &config, info, &twin);
	jsConsumerInfo_Destroy(info);
	if (s != NATS_OK)
		return fails(why, size, "a consumer can't be made");
	if (twin)
		(void)snprintf(why, size,
			"another store runs under the name %s: rename one, or delete the consumers "
			"%s-... of the one that is gone",
			self->participant, self->participant);
	return !twin;
}

static bool is_closing(struct saga__nats *self)
{
	bool closing;

	uv_mutex_lock(&self->lock);
	closing = self->closing || !self->connected;
	uv_mutex_unlock(&self->lock);
	return closing;
}

bool saga__nats_setup(struct saga__nats *self, natsConnection *nc, uint64_t shards, unsigned of,
	char *why, size_t size)
{
	jsOptions options;
	jsCtx *js = NULL;
	bool done;

	(void)jsOptions_Init(&options);
	options.Wait = WAIT_MS;
	if (natsConnection_JetStream(&js, nc, &options) != NATS_OK)
		return fails(why, size, "libnats");
	done = setup_stream(self, js, &options, why, size);
	for (unsigned shard = 0; done && shard < of; shard++) {
		if (shards >> shard & 1)
			done = !is_closing(self) &&
				setup_consumer(self, js, &options, shard, of, why, size);
	}
	jsCtx_Destroy(js);
	return done;
}
