#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/utf8.h"
#include "../plugins.h"

enum {
	DAY_MS = 24 * 60 * 60 * 1000,
	STORE_TIMEOUT_MS = 10000,
	LEASE_MS = 15000,
	LEASE_LEAST_MS = 3000,
	LEASE_MOST_MS = 3600000,
	STALLED_MS = 30000, /* above a statement's time and the longest back-off */
};

void saga__wake(struct saga_participant *p)
{
	p->driver->wake(p);
}

/* The first reason stands. */
void saga__fatal(struct saga_participant *p, const saga_error *why)
{
	if (p->why.code != SAGA_OK || p->life >= SAGA__CLOSES)
		return;
	p->why = *why;
	(void)saga__without_secrets(p, why->code, &p->why);
	saga__log(p, SAGA_ALARM, "participant.fatal", "%s", why->text);
	saga_stop(p);
}

/* ---- the options ---- */

static int64_t or_else(int64_t value, int64_t otherwise)
{
	return value ? value : otherwise;
}

static int copy_limits(struct saga_participant *p, const saga_limits *given, saga_error *error)
{
	saga_limits *limits = &p->limits;

	memset(limits, 0, sizeof *limits);
	if (given && (given->size < sizeof(size_t) || given->size > 4096))
		return saga_error_set(
			error, SAGA_MALFORMED, "option limits: no size: fill it by SAGA_LIMITS");
	if (given)
		memcpy(limits, given, given->size < sizeof *limits ? given->size : sizeof *limits);
	if (limits->batch_ms < 0 || limits->outside_calls < 0 || limits->stop_ms < 0 ||
		limits->request_ms < 0)
		return saga_error_set(error, SAGA_MALFORMED, "option limits: %s is negative",
			limits->batch_ms < 0                ? "batch_ms"
				: limits->outside_calls < 0 ? "outside_calls"
				: limits->stop_ms < 0       ? "stop_ms"
							    : "request_ms");
	limits->size = sizeof *limits;
	limits->queue = limits->queue ? limits->queue : 1024;
	limits->event_bytes = limits->event_bytes ? limits->event_bytes : 64 * 1024;
	limits->handler_bytes = limits->handler_bytes ? limits->handler_bytes : 1024 * 1024;
	limits->rows = limits->rows ? limits->rows : 4096;
	limits->batch_events = limits->batch_events ? limits->batch_events : 64;
	limits->window = limits->window ? limits->window : 64;
	limits->outside_calls = limits->outside_calls ? limits->outside_calls : 16;
	limits->stop_ms = limits->stop_ms ? limits->stop_ms : 5000;
	limits->streams = limits->streams ? limits->streams : 1024;
	limits->stream_bytes = limits->stream_bytes ? limits->stream_bytes : 16 * 1024 * 1024;
	p->room.most = limits->stream_bytes;
	if (limits->batch_events > 65536 || limits->event_bytes > 16 * 1024 * 1024 ||
		limits->event_bytes < 256 || limits->outside_calls > 1024)
		return saga_error_set(error, SAGA_MALFORMED,
			"option limits: event_bytes is 256 to 16 MiB, batch_events at most 65536,"
			" outside_calls at most 1024");
	return SAGA_OK;
}

/* A list of other participants, ended by NULL; of `option`. */
static int copy_names(const struct saga_participant *p, const char *option,
	const char *const *names, char ***ret_names, saga_error *error)
{
	size_t count = 0;

	while (names && names[count])
		count++;
	if (!(*ret_names = calloc(count + 1, sizeof(char *))))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		if (!*names[i] || strlen(names[i]) > SAGA__PARTICIPANT_MOST)
			return saga_error_set(error, SAGA_MALFORMED,
				"option %s: `%.40s` is no participant's name", option, names[i]);
		if (strcmp(names[i], p->plan->name) == 0)
			return saga_error_set(error, SAGA_MALFORMED,
				"option %s: %s itself; a participant sees its own events anyway",
				option, names[i]);
		if (!((*ret_names)[i] = strdup(names[i])))
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	return SAGA_OK;
}

static void free_names(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

static bool has_scheme(const char *schemes, const char *url)
{
	size_t length = strcspn(url, ":");

	for (const char *at = schemes; *at; at += strspn(at, " ")) {
		size_t one = strcspn(at, " ");

		if (one == length && strncmp(at, url, one) == 0)
			return true;
		at += one;
	}
	return false;
}

/* NULL: all that must be there are. */
static const char *missing_store_slot(const saga_store_ops *ops)
{
	if (ops->size < sizeof *ops)
		return "size";
	return !ops->open              ? "open"
		: !ops->run            ? "run"
		: !ops->begin          ? "begin"
		: !ops->commit         ? "commit"
		: !ops->rollback       ? "rollback"
		: !ops->mark           ? "mark"
		: !ops->back           ? "back"
		: !ops->in_transaction ? "in_transaction"
		: !ops->close          ? "close"
				       : NULL;
}

static const char *missing_transport_slot(const saga_transport_ops *ops)
{
	if (ops->size < sizeof *ops)
		return "size";
	return !ops->open                                                     ? "open"
		: !ops->send                                                  ? "send"
		: (ops->traits & SAGA_TRANSPORT_DURABLE) && !ops->ack         ? "ack"
		: (ops->traits & SAGA_TRANSPORT_DURABLE) && !ops->work        ? "work"
		: (ops->traits & SAGA_TRANSPORT_DURABLE) && !ops->look        ? "look"
		: (ops->traits & SAGA_TRANSPORT_DURABLE) && !ops->look_behind ? "look_behind"
		: (ops->traits & SAGA_TRANSPORT_DURABLE) && !ops->rewind      ? "rewind"
		: !ops->close                                                 ? "close"
									      : NULL;
}

static int find_store(struct saga_participant *p, saga_error *error)
{
	const saga_store_ops *ops = p->options.store_ops;
	const char *url = p->options.store, *missing;

	if (!url || !strchr(url, ':'))
		return saga_error_set(error, SAGA_MALFORMED, "option store: `%s` is no URL",
			url ? url : "(none)");
	if (!ops) {
		char scheme[32];

		(void)snprintf(scheme, sizeof scheme, "%.*s", (int)strcspn(url, ":"), url);
		ops = saga_store_builtin(scheme);
	}
	if (!ops || !has_scheme(ops->schemes, url))
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"option store: no such scheme `%.*s`", (int)strcspn(url, ":"), url);
	if ((missing = missing_store_slot(ops)))
		return saga_error_set(
			error, SAGA_MALFORMED, "option store_ops: its slot %s is missing", missing);
	p->store_ops = ops;
	if (!(p->store_url = strdup(url)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	return SAGA_OK;
}

static int find_transport(struct saga_participant *p, saga_error *error)
{
	const saga_transport_ops *ops = p->options.transport_ops;
	const char *url = p->options.transport, *missing;

	if (!url)
		return SAGA_OK;
	if (!strchr(url, ':'))
		return saga_error_set(
			error, SAGA_MALFORMED, "option transport: `%s` is no URL", url);
	if (!ops) {
		char scheme[32];

		(void)snprintf(scheme, sizeof scheme, "%.*s", (int)strcspn(url, ":"), url);
		ops = saga__transport_builtin(scheme);
	}
	if (!ops || !has_scheme(ops->schemes, url))
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"option transport: no such scheme `%.*s`", (int)strcspn(url, ":"), url);
	if ((missing = missing_transport_slot(ops)))
		return saga_error_set(error, SAGA_MALFORMED,
			"option transport_ops: its slot %s is missing", missing);
	p->transport_ops = ops;
	p->keeps = ops->traits & SAGA_TRANSPORT_DURABLE;
	if (!(p->transport_url = strdup(url)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	return SAGA_OK;
}

static int check_numbers(const saga_options *o, saga_error *error)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = { { "lanes", o->lanes }, { "history_ms", o->history_ms },
		{ "retention_ms", o->retention_ms }, { "retention_max_ms", o->retention_max_ms },
		{ "lease_ms", o->lease_ms }, { "stalled_ms", o->stalled_ms } };

	if (o->start != SAGA_FROM_OLDEST && o->start != SAGA_FROM_NOW)
		return saga_error_set(error, SAGA_MALFORMED,
			"option start: %d is neither SAGA_FROM_OLDEST nor SAGA_FROM_NOW",
			(int)o->start);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (numbers[i].value < 0)
			return saga_error_set(error, SAGA_MALFORMED, "option %s: %lld is negative",
				numbers[i].name, (long long)numbers[i].value);
	return SAGA_OK;
}

static int copy_options(struct saga_participant *p, const saga_options *given, saga_error *error)
{
	saga_options *o = &p->options;
	int code;

	if (!given || given->size < sizeof(size_t) || given->size > 4096)
		return saga_error_set(error, SAGA_MALFORMED,
			"the options have no size: fill them by SAGA_OPTIONS");
	memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
	if ((code = check_numbers(o, error)) != SAGA_OK)
		return code;
	o->history_ms = or_else(o->history_ms, 90LL * DAY_MS);
	o->retention_ms = or_else(o->retention_ms, 7LL * DAY_MS);
	o->retention_max_ms = or_else(o->retention_max_ms, 90LL * DAY_MS);
	if (o->retention_max_ms < o->retention_ms)
		return saga_error_set(
			error, SAGA_MALFORMED, "option retention_max_ms: it is below retention_ms");
	o->lease_ms = (int)or_else(o->lease_ms, LEASE_MS);
	if (o->lease_ms < LEASE_LEAST_MS || o->lease_ms > LEASE_MOST_MS)
		return saga_error_set(error, SAGA_MALFORMED, "option lease_ms: %d is not %d to %d",
			o->lease_ms, LEASE_LEAST_MS, LEASE_MOST_MS);
	o->stalled_ms = (int)or_else(o->stalled_ms, STALLED_MS);
	if ((code = copy_limits(p, o->limits, error)) != SAGA_OK)
		return code;
	if ((code = find_store(p, error)) != SAGA_OK)
		return code;
	if ((code = find_transport(p, error)) != SAGA_OK)
		return code;
	code = copy_names(p, "followers", o->followers, &p->followers, error);
	if (code == SAGA_OK &&
		(code = saga__rollcall_init(&p->roll, (const char *const *)p->followers)))
		(void)saga_error_set(error, code, "out of memory");
	if (code == SAGA_OK && o->follows)
		code = copy_names(p, "follows", o->follows, &p->follows, error);
	return code;
}

/* ---- the lanes ---- */

/* A power of two, so that which lane a saga belongs to needs no knowledge of the store's shards. */
static size_t lanes_of(const struct saga_participant *p)
{
	size_t most = p->store_ops->writers == 1 ? 1 : SAGA__LANES_MOST, count = 1;

	while (count * 2 <= most && count * 2 <= (size_t)p->options.lanes)
		count *= 2;
	return count;
}

static void rested(void *host)
{
	saga__wake(host);
}

/*
 * No slot takes longer, and no lock of a session that stands still lasts longer: so a renewal that
 * waits for a batch is in time.
 */
static int store_timeout(const struct saga_participant *p)
{
	int most = p->options.lease_ms / 2;

	return most < STORE_TIMEOUT_MS ? most : STORE_TIMEOUT_MS;
}

static int init_lanes(struct saga_participant *p, saga_error *error)
{
	struct saga__id_maker maker = { 0 };
	struct saga__lane_options options = {
		.plan = p->plan,
		.env = &p->env,
		.store_ops = p->store_ops,
		.journal = { .url = p->store_url,
			.timeout_ms = store_timeout(p),
			.context = p->options.store_context,
			.plan = p->plan,
			.env = &p->env,
			.event_bytes = p->limits.event_bytes },
		.limits = { p->limits.event_bytes, p->limits.handler_bytes,
			p->limits.batch_events },
		.pace = &p->pace,
		.queue = p->limits.queue,
		.rows = p->limits.rows,
		.batch_ms = p->options.lanes ? p->limits.batch_ms : 0,
		.request_ms = p->limits.request_ms,
		.history_ms = p->options.history_ms,
		.user = p->options.handler_user ? p->options.handler_user : p->options.user,
		.log = p->log ? saga__say_log : NULL,
		.log_user = p,
		.notify = saga__notify,
		.rested = rested,
		.host = p,
		.lease_ms = p->options.lease_ms,
		.counts = p->options.stop_when_idle,
	};
	size_t count = lanes_of(p);

	p->instance = saga__id_new(&maker, &p->env);
	options.instance = p->instance;
	p->pace.ceiling = p->limits.batch_events;
	options.count = (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		options.number = (unsigned)i;
		if (saga__lane_init(&p->lanes[i], &options) != SAGA_OK)
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
		p->lane_count++;
	}
	return SAGA_OK;
}

/* A call was made: what came of it goes to its saga's lane. Any thread. */
void saga__call_made(struct saga_participant *p, struct saga__call *call)
{
	struct saga__item *item = call->item;

	call->item = NULL;
	item->kind = SAGA__ITEM_ANSWER;
	item->shard = saga__id_shard(call->saga, __atomic_load_n(&p->shards, __ATOMIC_RELAXED));
	item->call = call;
	if (saga__lane_push(saga__lane_of(p, item->shard), item, true, 0) != SAGA_OK)
		saga__item_free(item);
	saga__wake(p);
}

/* ---- open and close ---- */

static void free_all(struct saga_participant *p)
{
	p->driver->close(p);
	saga__streams_close(p);
	while (p->notifications) {
		struct saga__notification *next = p->notifications->next;

		saga__notification_free(p->notifications);
		p->notifications = next;
	}
	for (size_t i = 0; i < p->lane_count; i++)
		saga__lane_free(&p->lanes[i]);
	saga__numbers_free(&p->numbers);
	uv_mutex_destroy(&p->lock);
	uv_mutex_destroy(&p->saying.lock);
	saga__rollcall_free(&p->roll);
	free_names(p->followers);
	free_names(p->follows);
	free(p->transport_url);
	free(p->store_url);
	saga__plan_free(p->plan);
	free(p);
}

int saga__open_driven(const saga_participant_def *def, const saga_options *options,
	const struct saga__drive *drive, saga_participant **ret_participant, saga_error *error)
{
	struct saga_participant *p = calloc(1, sizeof *p);
	saga_error own;
	int code;

	if (!error)
		error = &own;
	if (!p)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (uv_mutex_init(&p->lock) != 0) {
		free(p);
		return saga_error_set(error, SAGA_NOMEM, "no mutex");
	}
	if (uv_mutex_init(&p->saying.lock) != 0) {
		uv_mutex_destroy(&p->lock);
		free(p);
		return saga_error_set(error, SAGA_NOMEM, "no mutex");
	}
	p->driver = drive->driver;
	p->driven = drive->context;
	p->notifications_end = &p->notifications;
	p->inbox_end = &p->inbox;
	p->shards = 1;
	if ((code = saga__plan_new(def, &p->plan, error)) != SAGA_OK)
		goto failed;
	if ((code = saga__numbers_init(&p->numbers, p->plan->step_count)) != SAGA_OK) {
		(void)saga_error_set(error, code, "out of memory");
		goto failed;
	}
	if ((code = copy_options(p, options, error)) != SAGA_OK)
		goto failed;
	p->log = drive->log ? drive->log : p->options.log;
	p->log_user = drive->log ? drive->log_user : p->options.user;
	if ((code = p->driver->open(p, error)) != SAGA_OK)
		goto failed;
	saga__arena_init(&p->arena, 8 * p->limits.event_bytes);
	if ((code = saga__decoder_new(&p->decoder)) != SAGA_OK) {
		(void)saga_error_set(error, code, "out of memory");
		goto failed;
	}
	if ((code = init_lanes(p, error)) != SAGA_OK)
		goto failed;
	saga__port_init(p);
	saga__wake(p);
	*ret_participant = p;
	return SAGA_OK;

failed:
	(void)saga__without_secrets(p, code, error);
	free_all(p);
	return code;
}

int saga_open(const saga_participant_def *def, const saga_options *options,
	saga_participant **ret_participant, saga_error *error)
{
	const struct saga__drive by_loop = { .driver = &saga__loop_driver };

	return saga__open_driven(def, options, &by_loop, ret_participant, error);
}

/* All that it had open is closed. */
void saga__stopped(struct saga_participant *p)
{
	p->life = SAGA__STOPPED;
	if (p->options.stopped)
		p->options.stopped(p->options.user, p, &p->why);
}

void saga_close(saga_participant *p)
{
	if (!p)
		return;
	/* Requests that were submitted to a loop that never ran are answered, too. */
	if (p->life == SAGA__OPENED)
		saga__drop_leftovers(p);
	free_all(p);
}

void saga_stop(saga_participant *p)
{
	__atomic_store_n(&p->stop_asked, 1, __ATOMIC_RELEASE);
	saga__wake(p);
}

/* The worst of the lanes. */
static void add_course(const saga_participant *p, saga_health *health)
{
	health->committed_ms = health->failed_ms = -1;
	for (size_t i = 0; i < p->lane_count; i++) {
		struct saga__lane_health lane;

		saga__lane_health((struct saga__lane *)&p->lanes[i], &lane);
		health->failing = health->failing || lane.failing;
		health->damaged = health->damaged || lane.damaged;
		health->set_aside += lane.set_aside;
		health->stopped += lane.stopped;
		if (lane.oldest > health->oldest_ms)
			health->oldest_ms = lane.oldest;
		if (lane.stalled > health->stalled_ms)
			health->stalled_ms = lane.stalled;
		if (lane.committed >= 0 &&
			(health->committed_ms < 0 || lane.committed < health->committed_ms))
			health->committed_ms = lane.committed;
		if (lane.failed < 0 || (health->failed_ms >= 0 && lane.failed >= health->failed_ms))
			continue;
		health->failed_ms = lane.failed;
		memcpy(health->error, lane.error, sizeof health->error);
	}
	health->stalled = health->stalled_ms > p->options.stalled_ms;
}

void saga_health_of(const saga_participant *participant, saga_health *health)
{
	saga_participant *p = (saga_participant *)participant;
	size_t size = health->size;
	int64_t queued = 0;
	saga_health now;

	/* Loads first: what leaves a lane meanwhile is among the notifications, or in this tick. */
	for (size_t i = 0; i < p->lane_count; i++)
		queued += (int64_t)saga__lane_load(&p->lanes[i]);
	uv_mutex_lock(&p->lock);
	now = p->health;
	now.queued = queued + (int64_t)p->inbox_count + p->ticking;
	for (const struct saga__notification *notification = p->notifications; notification;
		notification = notification->next)
		now.queued++;
	uv_mutex_unlock(&p->lock);
	add_course(p, &now);
	memcpy(health, &now, size < sizeof now ? size : sizeof now);
	health->size = size;
}
