/* The keeper makes the stream and a consumer for each shard on the servers, on its own thread. */

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

static bool fails(struct saga__nats_task *task, const char *what)
{
	const char *text = nats_GetLastError(NULL);

	(void)snprintf(task->why, sizeof task->why, "%s%s%s", what, text && *text ? ": " : "",
		text ? text : "");
	return false;
}

/* ---- the stream ---- */

static int64_t or_unlimited(int64_t value)
{
	return value ? value : -1;
}

static natsStatus add_stream(const struct saga__nats *self, struct saga__nats_task *task)
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
	config.Retention =
		place->retention == SAGA__NATS_INTEREST ? js_InterestPolicy : js_LimitsPolicy;
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
	s = js_AddStream(NULL, task->js, &config, task->options, &code);
	/* Another was faster, with other settings. */
	return code == JSStreamNameExistErr ? NATS_OK : s;
}

static bool check_stream(
	const struct saga__nats *self, const jsStreamInfo *info, struct saga__nats_task *task)
{
	char *why = task->why;
	size_t size = sizeof task->why;
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

/*
 * libnats 3.4 does not know PersistMode: with `async` a server confirms events before it writes
 * them, and a crash loses them.
 */
static bool check_mode(const struct saga__nats *self, struct saga__nats_task *task)
{
	char subject[SAGA__NATS_SUBJECT];
	natsMsg *answer = NULL;
	bool async;

	(void)snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", self->place.domain);
	if (natsConnection_Request(&answer, task->nc, subject, NULL, 0, WAIT_MS) != NATS_OK)
		return fails(task, "the stream can't be reached");
	async = natsMsg_GetDataLength(answer) &&
		strstr(natsMsg_GetData(answer), "\"persist_mode\":\"async\"");
	natsMsg_Destroy(answer);
	if (async)
		(void)snprintf(task->why, sizeof task->why,
			"the stream %s is of PersistMode async: it confirms what it may lose. Make "
			"it anew without that",
			self->place.domain);
	return !async;
}

static void note_stream(const jsStreamInfo *info, struct saga__nats_task *task)
{
	int64_t created = info->Created;

	memcpy(task->broker.era.bytes, "stream ", 8);
	memcpy(task->broker.era.bytes + 8, &created, sizeof created);
	task->broker.first = info->State.FirstSeq;
	task->broker.last = info->State.LastSeq;
	if (!info->State.Msgs && task->broker.first <= task->broker.last)
		task->broker.first = task->broker.last + 1;
	task->broker.removes = info->Config->Retention != js_LimitsPolicy;
	task->message_most = info->Config->MaxMsgSize;
	if (info->Cluster && info->Cluster->Leader)
		(void)snprintf(task->leader, sizeof task->leader, "%s", info->Cluster->Leader);
}

static bool setup_stream(const struct saga__nats *self, struct saga__nats_task *task)
{
	jsStreamInfo *info = NULL;
	natsStatus s = js_GetStreamInfo(&info, task->js, self->place.domain, task->options, NULL);
	bool fits;

	if (s == NATS_NOT_FOUND) {
		if (add_stream(self, task) != NATS_OK)
			return fails(task, "the stream can't be made");
		s = js_GetStreamInfo(&info, task->js, self->place.domain, task->options, NULL);
	}
	if (s != NATS_OK)
		return fails(task, "the stream can't be reached");
	fits = check_stream(self, info, task);
	note_stream(info, task);
	jsStreamInfo_Destroy(info);
	return fits && check_mode(self, task);
}

/* ---- consumers ---- */

/* saga.e.1.0.1.> is shard 5 of 8. */
void saga__nats_filter(
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

static natsStatus add_consumer(const struct saga__nats *self, struct saga__nats_task *task,
	jsConsumerConfig *config, jsConsumerInfo **ret_info)
{
	config->DeliverPolicy = self->since ? js_DeliverByStartTime : js_DeliverAll;
	config->OptStartTime = self->since ? start_time(self->since) : 0;
	return js_AddConsumer(ret_info, task->js, self->place.domain, config, task->options, NULL);
}

/* It goes, and one that begins behind that place comes instead. */
static natsStatus rewind_consumer(const struct saga__nats *self, struct saga__nats_task *task,
	jsConsumerConfig *config, uint64_t place, jsConsumerInfo **ret_info)
{
	natsStatus s = js_DeleteConsumer(
		task->js, self->place.domain, config->Durable, task->options, NULL);

	if (s != NATS_OK && s != NATS_NOT_FOUND)
		return s;
	config->DeliverPolicy = place ? js_DeliverByStartSequence : js_DeliverAll;
	config->OptStartSeq = place ? place + 1 : 0;
	config->OptStartTime = 0;
	return js_AddConsumer(ret_info, task->js, self->place.domain, config, task->options, NULL);
}

static bool is_twin(const jsConsumerInfo *info, const jsConsumerConfig *config)
{
	const char *whose = info->Config->Description;

	return whose && strncmp(whose, "store ", 6) == 0 && strcmp(whose, config->Description) != 0;
}

/* One that is there is to be as we want it. */
static natsStatus adopt(const struct saga__nats *self, struct saga__nats_task *task,
	jsConsumerConfig *config, const jsConsumerInfo *info)
{
	const jsConsumerConfig *there = info->Config;

	if (there->AckWait == config->AckWait && there->MaxAckPending == config->MaxAckPending)
		return NATS_OK;
	config->DeliverPolicy = there->DeliverPolicy;
	config->OptStartTime = there->OptStartTime;
	config->OptStartSeq = there->OptStartSeq;
	return js_UpdateConsumer(NULL, task->js, self->place.domain, config, task->options, NULL);
}

static void want_consumer(
	const struct saga__nats *self, jsConsumerConfig *config, char *name, char *filter)
{
	(void)jsConsumerConfig_Init(config);
	config->Durable = name;
	config->Description = self->description;
	config->AckPolicy = js_AckExplicit;
	config->AckWait = self->place.ack * NANOSECONDS;
	config->MaxDeliver = -1;
	config->MaxAckPending = self->place.pending;
	config->FilterSubject = filter;
}

static bool setup_consumer(
	const struct saga__nats *self, struct saga__nats_task *task, unsigned shard)
{
	char name[SAGA__NATS_SUBJECT], filter[SAGA__NATS_SUBJECT];
	jsConsumerInfo *info = NULL, *made = NULL;
	jsConsumerConfig config;
	bool twin = false;
	natsStatus s;

	saga__nats_consumer_name(self, shard, task->of, name, sizeof name);
	saga__nats_filter(self, shard, task->of, filter, sizeof filter);
	want_consumer(self, &config, name, filter);
	s = js_GetConsumerInfo(&info, task->js, self->place.domain, name, task->options, NULL);
	if (s == NATS_OK)
		twin = is_twin(info, &config);
	if ((s == NATS_OK || s == NATS_NOT_FOUND) && !twin && (task->rewinds >> shard & 1))
		s = rewind_consumer(self, task, &config, task->rewind_to[shard], &made);
	else if (s == NATS_NOT_FOUND)
		s = add_consumer(self, task, &config, &made);
	else if (s == NATS_OK && !twin)
		s = adopt(self, task, &config, info);
	if (s == NATS_OK && (made || info)) {
		const jsSequenceInfo *floor = &(made ? made : info)->AckFloor;

		task->broker.shards |= UINT64_C(1) << shard;
		/* The floor of a consumer of which nothing was acked is where it begins. */
		task->broker.floors[shard] = floor->Consumer ? floor->Stream : 0;
	}
	jsConsumerInfo_Destroy(info);
	jsConsumerInfo_Destroy(made);
	if (s != NATS_OK)
		return fails(task, "a consumer can't be made");
	if (twin)
		(void)snprintf(task->why, sizeof task->why,
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

bool saga__nats_setup(struct saga__nats *self, struct saga__nats_task *task)
{
	jsOptions options;
	bool done;

	(void)jsOptions_Init(&options);
	options.Wait = WAIT_MS;
	/* cppcheck-suppress autoVariables ; it is taken back below */
	task->options = &options;
	if (natsConnection_JetStream(&task->js, task->nc, &options) != NATS_OK)
		return fails(task, "libnats");
	done = setup_stream(self, task);
	for (unsigned shard = 0; done && shard < task->of; shard++) {
		if (task->shards >> shard & 1)
			done = !is_closing(self) && setup_consumer(self, task, shard);
	}
	jsCtx_Destroy(task->js);
	task->options = NULL;
	return done;
}
