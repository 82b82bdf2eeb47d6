/* The connection: libnats's hooks for event loops on ours, and the keeper's thread. */

#include "nats_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DIAL_MS = 2000,
	PING_MS = 5000,
	PINGS = 2,
	RETRY_MS = 1000,
	TICK_MS = 500,
	READ_BYTES = 256 * 1024,
	REFUSED_MS =
		10000 /* at most, between two looks at limits that something was too large for */
};

void saga__nats_wake(struct saga__nats *self)
{
	(void)uv_async_send(&self->wake);
}

/* ---- libnats's hooks: any thread, under locks of its own ---- */

static natsStatus attach(void **data, void *loop, natsConnection *nc, natsSock socket)
{
	struct saga__nats *self = loop;
	int fd = dup(socket);

	if (fd < 0)
		return NATS_IO_ERROR;
	*data = self;
	uv_mutex_lock(&self->lock);
	if (self->fresh_fd >= 0)
		(void)close(self->fresh_fd);
	self->nc = nc;
	self->fresh_fd = fd;
	self->deaf = false;
	self->writes = false;
	uv_mutex_unlock(&self->lock);
	saga__nats_wake(self);
	return NATS_OK;
}

static natsStatus on_read(void *data, bool add)
{
	struct saga__nats *self = data;

	uv_mutex_lock(&self->lock);
	self->deaf = !add;
	uv_mutex_unlock(&self->lock);
	saga__nats_wake(self);
	return NATS_OK;
}

static natsStatus on_write(void *data, bool add)
{
	struct saga__nats *self = data;
	uv_thread_t here = uv_thread_self();

	uv_mutex_lock(&self->lock);
	self->writes = add;
	uv_mutex_unlock(&self->lock);
	/* The loop's thread writes when it is done with what it does. */
	if (add && !uv_thread_equal(&here, &self->loop_thread))
		saga__nats_wake(self);
	return NATS_OK;
}

static natsStatus detach(void *data)
{
	return on_read(data, false);
}

/* ---- polling: the loop's thread ---- */

static void on_poll_closed(uv_handle_t *handle)
{
	struct saga__nats_poll *poll = (struct saga__nats_poll *)handle;
	struct saga__nats *self = handle->data;

	(void)close(poll->fd);
	free(poll);
	if (!--self->handles)
		saga__nats_closed(self);
}

static void stop_polling(struct saga__nats *self)
{
	if (!self->poll)
		return;
	uv_close((uv_handle_t *)&self->poll->handle, on_poll_closed);
	self->poll = NULL;
}

static natsConnection *connection(struct saga__nats *self)
{
	natsConnection *nc;

	uv_mutex_lock(&self->lock);
	nc = self->nc;
	uv_mutex_unlock(&self->lock);
	return nc;
}

static bool is_writing(struct saga__nats *self)
{
	bool writes;

	uv_mutex_lock(&self->lock);
	writes = self->writes && self->nc && !self->deaf && !self->quiet;
	uv_mutex_unlock(&self->lock);
	return writes;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct saga__nats *self = handle->data;
	natsConnection *nc = connection(self);

	/* An error is found by reading. */
	if (nc && (status || (events & (UV_READABLE | UV_DISCONNECT)))) {
		natsConnection_ProcessReadEvent(nc);
		saga__nats_take(self);
	}
	saga__nats_link_flush(self);
}

void saga__nats_link_flush(struct saga__nats *self)
{
	if (is_writing(self))
		natsConnection_ProcessWriteEvent(connection(self));
	if (self->poll)
		(void)uv_poll_start(&self->poll->handle,
			UV_READABLE | (is_writing(self) ? UV_WRITABLE : 0), on_poll);
	if (self->full && !is_writing(self))
		saga__nats_writable(self);
}

static void start_polling(struct saga__nats *self, int fd)
{
	stop_polling(self);
	self->poll = calloc(1, sizeof *self->poll);
	if (!self->poll || uv_poll_init(self->loop, &self->poll->handle, fd) != 0) {
		/* Nothing is heard of it then, and libnats's pings find that out. */
		free(self->poll);
		self->poll = NULL;
		(void)close(fd);
		return;
	}
	self->poll->fd = fd;
	self->poll->handle.data = self;
	self->handles++;
	saga__nats_link_flush(self);
}

/* ---- what the keeper and the hooks have to say ---- */

/* The keeper has closed it, and waits. */
static void let_go(struct saga__nats *self)
{
	natsSubscription *answers = self->answers, *others = self->others, *advice = self->advice;
	natsConnection *nc = self->nc;

	stop_polling(self);
	saga__nats_take_close(self);
	saga__nats_pull_let_go(self);
	natsSubscription_Destroy(answers);
	natsSubscription_Destroy(others);
	natsSubscription_Destroy(advice);
	natsConnection_Destroy(nc);
	uv_mutex_lock(&self->lock);
	self->answers = self->others = self->advice = NULL;
	self->nc = NULL;
	self->retire = self->quiets = self->quiet = false;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct saga__nats *self = handle->data;

	if (!--self->handles)
		saga__nats_closed(self);
}

static void end(struct saga__nats *self)
{
	(void)uv_thread_join(&self->keeper);
	stop_polling(self);
	uv_close((uv_handle_t *)&self->tick, on_handle_closed);
	uv_close((uv_handle_t *)&self->wake, on_handle_closed);
}

/* libnats closes the socket at once, whoever reads it. */
static void be_quiet(struct saga__nats *self)
{
	uv_mutex_lock(&self->lock);
	self->quiet = true;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

static void on_wake(uv_async_t *handle)
{
	struct saga__nats *self = handle->data;
	char why[sizeof self->why];
	bool quiets, retire, gone, deaf, news;
	int fd;

	uv_mutex_lock(&self->lock);
	fd = self->fresh_fd;
	self->fresh_fd = -1;
	deaf = self->deaf;
	quiets = self->quiets;
	retire = self->retire;
	gone = self->gone;
	news = self->news;
	self->news = false;
	memcpy(why, self->why, sizeof why);
	uv_mutex_unlock(&self->lock);
	if (fd >= 0)
		start_polling(self, fd);
	if (deaf || quiets)
		stop_polling(self);
	if (quiets)
		be_quiet(self);
	if (!gone)
		saga__nats_changed(self, news ? why : NULL);
	if (retire)
		let_go(self);
	saga__nats_link_flush(self);
	if (gone && !uv_is_closing((uv_handle_t *)&self->wake))
		end(self);
}

static void tell_keeper(struct saga__nats *self)
{
	(void)uv_timer_stop(&self->tick);
	uv_mutex_lock(&self->lock);
	self->closing = true;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

static void on_tick(uv_timer_t *handle)
{
	struct saga__nats *self = handle->data;

	saga__nats_ticked(self);
	saga__nats_link_flush(self);
	if (self->leaves)
		tell_keeper(self);
}

natsConnection *saga__nats_link_usable(struct saga__nats *self)
{
	natsConnection *nc;

	uv_mutex_lock(&self->lock);
	nc = self->usable && !self->closing ? self->nc : NULL;
	uv_mutex_unlock(&self->lock);
	return nc;
}

void saga__nats_link_prepare(struct saga__nats *self)
{
	uv_mutex_lock(&self->lock);
	self->prepares = true;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

/* ---- libnats's news: a thread of its own ---- */

static void say(struct saga__nats *self, const char *what, const char *text)
{
	uv_mutex_lock(&self->lock);
	(void)snprintf(self->why, sizeof self->why, "NATS at %s: %s%s%.100s",
		strchr(self->place.servers[0], '/') + 2, what, text && *text ? ": " : "",
		text ? text : "");
	self->news = true;
	uv_mutex_unlock(&self->lock);
	saga__nats_wake(self);
}

static void on_disconnected(natsConnection *nc, void *closure)
{
	struct saga__nats *self = closure;
	const char *text = NULL;
	bool expected;

	(void)natsConnection_GetLastError(nc, &text);
	uv_mutex_lock(&self->lock);
	self->connected = self->usable = false;
	expected = self->closing;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
	if (!expected)
		say(self, "the connection is lost", text);
}

static void on_reconnected(natsConnection *nc, void *closure)
{
	struct saga__nats *self = closure;

	(void)nc;
	uv_mutex_lock(&self->lock);
	self->connected = self->prepares = self->doubts = true;
	self->figures.connects++;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

static void on_closed(natsConnection *nc, void *closure)
{
	struct saga__nats *self = closure;

	(void)nc;
	uv_mutex_lock(&self->lock);
	self->ended = true;
	self->connected = self->usable = false;
	uv_cond_broadcast(&self->changed);
	uv_mutex_unlock(&self->lock);
}

/* It would go to stderr else; what matters is found otherwise. */
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure)
{
	(void)nc, (void)sub, (void)status, (void)closure;
}

/* ---- the keeper ---- */

static natsStatus set_servers(const struct saga__nats *self, natsOptions *options)
{
	const struct saga__nats_place *place = &self->place;
	const char *servers[SAGA__NATS_SERVERS];
	natsStatus s;

	for (size_t i = 0; i < place->server_count; i++)
		servers[i] = place->servers[i];
	s = natsOptions_SetServers(options, servers, (int)place->server_count);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(options, DIAL_MS);
	if (s == NATS_OK)
		s = natsOptions_SetName(options, self->participant);
	return s;
}

static natsStatus set_options(const struct saga__nats *self, natsOptions *options)
{
	const struct saga__nats_place *place = &self->place;
	static const natsEvLoop_Attach attaches = attach;
	natsStatus s = set_servers(self, options);

	if (s == NATS_OK)
		s = natsOptions_SetEventLoop(
			options, (void *)(uintptr_t)self, attaches, on_read, on_write, detach);
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(options, true);
	if (s == NATS_OK)
		s = natsOptions_SetIOBufSize(options, READ_BYTES);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(options, PING_MS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxPingsOut(options, PINGS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxReconnect(options, -1);
	if (s == NATS_OK)
		s = natsOptions_SetReconnectWait(options, place->reconnect);
	if (s == NATS_OK)
		s = natsOptions_SetReconnectJitter(options, 50, 50);
	if (s == NATS_OK)
		s = natsOptions_SetFailRequestsOnDisconnect(options, true);
	return s;
}

static natsStatus set_callbacks(struct saga__nats *self, natsOptions *options)
{
	natsStatus s = natsOptions_SetDisconnectedCB(options, on_disconnected, self);

	if (s == NATS_OK)
		s = natsOptions_SetReconnectedCB(options, on_reconnected, self);
	if (s == NATS_OK)
		s = natsOptions_SetClosedCB(options, on_closed, self);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(options, on_error, self);
	return s;
}

static natsStatus set_secrets(const struct saga__nats_place *place, natsOptions *options)
{
	natsStatus s = NATS_OK;

	if (place->user[0])
		s = natsOptions_SetUserInfo(options, place->user, place->password);
	if (s == NATS_OK && place->token[0])
		s = natsOptions_SetToken(options, place->token);
	if (s == NATS_OK && place->creds[0])
		s = natsOptions_SetUserCredentialsFromFiles(options, place->creds, NULL);
	if (s == NATS_OK && place->tls)
		s = natsOptions_SetSecure(options, true);
	if (s == NATS_OK && place->ca[0])
		s = natsOptions_LoadCATrustedCertificates(options, place->ca);
	if (s == NATS_OK && place->cert[0])
		s = natsOptions_LoadCertificatesChain(options, place->cert, place->key);
	if (s == NATS_OK && place->name[0])
		s = natsOptions_SetExpectedHostname(options, place->name);
	return s;
}

/* Subscribes to what does not come through a consumer. */
static natsStatus subscribe(struct saga__nats *self, natsConnection *nc,
	natsSubscription **ret_answers, natsSubscription **ret_others,
	natsSubscription **ret_advice)
{
	char subject[SAGA__NATS_SUBJECT];
	natsStatus s;

	(void)snprintf(subject, sizeof subject, "%s.*.*", self->inbox);
	s = natsConnection_SubscribeSync(ret_answers, nc, subject);
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(*ret_answers, -1, -1);
	(void)snprintf(subject, sizeof subject, "%s.t.>", self->place.domain);
	if (s == NATS_OK && self->topics && self->topics[0])
		s = natsConnection_SubscribeSync(ret_others, nc, subject);
	if (s == NATS_OK && *ret_others)
		s = natsSubscription_SetPendingLimits(*ret_others, -1, -1);
	(void)snprintf(subject, sizeof subject, "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.%s",
		self->place.domain);
	/* A user without the right to listen learns it by asking for the stream's state. */
	if (s == NATS_OK)
		s = natsConnection_SubscribeSync(ret_advice, nc, subject);
	return s;
}

/* False: it could not be, and why was said. */
static bool dial(struct saga__nats *self)
{
	natsSubscription *answers = NULL, *others = NULL, *advice = NULL;
	natsConnection *nc = NULL;
	natsOptions *options = NULL;
	natsStatus s = natsOptions_Create(&options);

	if (s == NATS_OK)
		s = set_options(self, options);
	if (s == NATS_OK)
		s = set_callbacks(self, options);
	if (s == NATS_OK)
		s = set_secrets(&self->place, options);
	if (s == NATS_OK)
		s = natsConnection_Connect(&nc, options);
	natsOptions_Destroy(options);
	if (s != NATS_OK) {
		const char *text = nats_GetLastError(NULL);

		say(self, "no connection", text && *text ? text : natsStatus_GetText(s));
		return false;
	}
	s = subscribe(self, nc, &answers, &others, &advice);
	uv_mutex_lock(&self->lock);
	self->nc = nc;
	self->answers = answers;
	self->others = others;
	self->advice = advice;
	self->redials = false;
	self->connected = self->prepares = self->doubts = !self->ended;
	self->figures.connects++;
	uv_mutex_unlock(&self->lock);
	if (s != NATS_OK)
		natsConnection_Close(nc); /* begun anew */
	return true;
}

/* Under the lock. */
static void rest(struct saga__nats *self, int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000, now;

	while (!self->closing && !self->ended && (now = uv_hrtime()) < until)
		(void)uv_cond_timedwait(&self->changed, &self->lock, until - now);
}

/* Under the lock: what was found, and whether that is to be doubted. */
static void note(struct saga__nats *self, struct saga__nats_task *task, uint64_t top, bool doubts)
{
	task->broker.doubt = doubts || task->broker.last < top ||
		strcmp(task->leader, self->leader) != 0 ||
		memcmp(&task->broker.era, &self->broker.era, sizeof task->broker.era) != 0;
	if (task->broker.doubt)
		self->top = 0;
	memcpy(self->leader, task->leader, sizeof self->leader);
	self->message_most = task->message_most;
	saga__nats_watch_note(self, &task->broker);
}

/*
 * Servers tell their limits when a connection begins, so a new one is made to ask. Returns whether
 * they take more than ours was told.
 */
static bool limits_rose(struct saga__nats *self)
{
	natsOptions *options = NULL;
	natsConnection *nc = NULL;
	bool rose = false;
	natsStatus s = natsOptions_Create(&options);

	if (s == NATS_OK)
		s = set_servers(self, options);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(options, on_error, self);
	if (s == NATS_OK)
		s = set_secrets(&self->place, options);
	if (s == NATS_OK)
		s = natsConnection_Connect(&nc, options);
	natsOptions_Destroy(options);
	if (s == NATS_OK)
		rose = natsConnection_GetMaxPayload(nc) > natsConnection_GetMaxPayload(self->nc);
	natsConnection_Destroy(nc);
	return rose;
}

/* Under the lock, which it leaves meanwhile: nothing was asked for, but it may have changed. */
static void watch(struct saga__nats *self)
{
	bool rose;

	self->prepares = true;
	if (!self->has_refused)
		return;
	uv_mutex_unlock(&self->lock);
	rose = limits_rose(self);
	uv_mutex_lock(&self->lock);
	self->redials = rose;
}

/* From one look at the stream to the next. */
static uint64_t watch_every(const struct saga__nats *self)
{
	uint64_t ms = (uint64_t)self->place.settle * 1000 / 4;

	return (self->has_refused && ms > REFUSED_MS ? REFUSED_MS : ms) * 1000000;
}

/* Under the lock, which it leaves meanwhile. */
static void prepare(struct saga__nats *self)
{
	struct saga__nats_task task = {
		.nc = self->nc, .shards = self->wanted, .of = self->wanted_of
	};
	uint64_t top = self->top;
	bool done, doubts = self->doubts;

	task.rewinds = self->rewinds & task.shards;
	memcpy(task.rewind_to, self->rewind_to, sizeof task.rewind_to);
	self->rewinds &= ~task.rewinds;
	self->prepares = self->doubts = false;
	uv_mutex_unlock(&self->lock);
	done = saga__nats_setup(self, &task);
	uv_mutex_lock(&self->lock);
	self->usable = done && self->connected && !self->ended;
	self->ready = task.shards & ~self->rewinds;
	/* One that was wanted again meanwhile, while it was still ready, is not any more. */
	self->prepares = self->prepares || (self->wanted & ~task.shards);
	if (done) {
		note(self, &task, top, doubts);
		saga__nats_wake(self);
		return;
	}
	/* Rewinds that were asked for meanwhile replace these. */
	for (unsigned shard = 0; shard < SAGA__NATS_SHARDS; shard++)
		if (task.rewinds & ~self->rewinds & UINT64_C(1) << shard)
			self->rewind_to[shard] = task.rewind_to[shard];
	self->rewinds |= task.rewinds;
	self->doubts = self->doubts || doubts;
	self->prepares = true;
	uv_mutex_unlock(&self->lock);
	say(self, "JetStream", task.why); /* once it is not usable, or nobody would be told */
	uv_mutex_lock(&self->lock);
	rest(self, RETRY_MS);
}

/* Under the lock. */
static void keep(struct saga__nats *self)
{
	uint64_t at = uv_hrtime(), gone;

	while (!self->closing && !self->ended && !self->redials) {
		gone = uv_hrtime() - at;
		if (self->connected && self->prepares) {
			prepare(self);
			at = uv_hrtime();
		} else if (self->connected && gone >= watch_every(self)) {
			watch(self);
			at = uv_hrtime();
		} else {
			(void)uv_cond_timedwait(&self->changed, &self->lock,
				gone < watch_every(self) ? watch_every(self) - gone
							 : watch_every(self));
		}
	}
}

/* The connection ends, and the loop lets go of it. */
static void retire(struct saga__nats *self)
{
	uv_mutex_lock(&self->lock);
	self->quiets = true;
	saga__nats_wake(self);
	while (!self->quiet)
		uv_cond_wait(&self->changed, &self->lock);
	uv_mutex_unlock(&self->lock);
	natsConnection_Close(self->nc);
	uv_mutex_lock(&self->lock);
	while (!self->ended)
		uv_cond_wait(&self->changed, &self->lock);
	self->retire = true;
	saga__nats_wake(self);
	while (self->retire)
		uv_cond_wait(&self->changed, &self->lock);
	self->ended = false;
	uv_mutex_unlock(&self->lock);
}

static void run_keeper(void *context)
{
	struct saga__nats *self = context;
	bool closing = false;

	while (!closing) {
		bool dialed = dial(self);

		uv_mutex_lock(&self->lock);
		if (dialed)
			keep(self);
		else
			rest(self, (int)self->place.reconnect);
		closing = self->closing;
		uv_mutex_unlock(&self->lock);
		if (dialed)
			retire(self);
	}
	nats_ReleaseThreadMemory();
	uv_mutex_lock(&self->lock);
	self->gone = true;
	saga__nats_wake(self);
	uv_mutex_unlock(&self->lock);
}

/* ---- opening and closing ---- */

int saga__nats_link_open(struct saga__nats *self, saga_error *error)
{
	self->loop_thread = uv_thread_self();
	self->fresh_fd = -1;
	if (nats_Open(-1) != NATS_OK || uv_mutex_init(&self->lock) != 0)
		goto no_lock;
	if (uv_cond_init(&self->changed) != 0)
		goto no_cond;
	if (uv_async_init(self->loop, &self->wake, on_wake) != 0)
		goto no_async;
	(void)uv_timer_init(self->loop, &self->tick);
	self->wake.data = self->tick.data = self;
	self->handles = 2;
	(void)uv_timer_start(&self->tick, on_tick, TICK_MS, TICK_MS);
	if (uv_thread_create(&self->keeper, run_keeper, self) == 0)
		return SAGA_OK;
	/* saga__nats_closed frees it, and tells nobody. */
	self->port = NULL;
	uv_close((uv_handle_t *)&self->tick, on_handle_closed);
	uv_close((uv_handle_t *)&self->wake, on_handle_closed);
	return saga_error_set(error, SAGA_NOMEM, "transport: no thread");
no_async:
	uv_cond_destroy(&self->changed);
no_cond:
	uv_mutex_destroy(&self->lock);
no_lock:
	free(self);
	return saga_error_set(error, SAGA_NOMEM, "transport: no handles");
}

void saga__nats_link_close(struct saga__nats *self, uint64_t after_ms)
{
	self->leaves = true;
	if (after_ms)
		(void)uv_timer_start(&self->tick, on_tick, after_ms, 0);
	else
		tell_keeper(self);
}
