/* The program of every service: its settings, participant and HTTP on one loop, and its end. */
#include "service_numbers.h"
#include "service_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TOLD_AT_ONCE = 64,
	TELL_AGAIN_MS = 20,
	QUEUE = 1024,      /* of the participant, where its limits do not say */
	REQUEST_MS = 1000, /* that its store may fail before a request is told so */
	LOOK_MS = 20       /* whether all was replied to, while it drains */
};

struct service {
	const struct service_def *def;
	struct service_settings settings;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t tell, drain;
	saga_participant *participant;
	saga_limits limits; /* of the participant */
	struct http *http;
	struct http_numbers numbers;
	const struct http_route *routes[4]; /* its own, the shared, the description's, NULL */

	size_t next, asked; /* things that `tell` submits at the start: the next one, unanswered */
	bool is_told;
	uint64_t drain_began;
	bool is_draining, is_stopping, has_failed;
};

void *service_own(const struct http_call *call)
{
	return ((struct service *)http_user(call))->def->own;
}

saga_participant *service_participant(const struct http_call *call)
{
	return ((struct service *)http_user(call))->participant;
}

/* ---- the log: a line of logfmt ---- */

/* Any thread. */
static void log_line(void *user, const saga_log *log)
{
	const struct service *service = user;

	if (log->level >= service->settings.level)
		saga_log_stderr(NULL, log);
}

static void say(struct service *service, int level, const char *what, const char *format, ...)
{
	char text[512];
	saga_log log = { .level = level,
		.participant = service->def->participant->name,
		.what = what,
		.text = text };
	uv_timeval64_t now;
	va_list list;

	uv_gettimeofday(&now);
	log.time = now.tv_sec * 1000 + now.tv_usec / 1000;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	log_line(service, &log);
}

static void on_replied(void *user, struct http_call *call)
{
	struct service *service = user;
	char text[256];
	const saga_log_field fields[] = {
		{ "method", saga_text(http_method(call)) },
		{ "path", saga_text(http_path(call)) },
		{ "status", saga_int64(http_status(call)) },
		{ "us", saga_int64((int64_t)http_micros(call)) },
		{ "traceparent", saga_text(http_traceparent(call)) },
	};
	saga_log log = { .level = http_status(call) >= 500 ? SAGA_WARNING : SAGA_INFO,
		.participant = service->def->participant->name,
		.what = "http.replied",
		.text = text,
		.fields = fields,
		.field_count = sizeof fields / sizeof fields[0] };
	uv_timeval64_t now;

	uv_gettimeofday(&now);
	log.time = now.tv_sec * 1000 + now.tv_usec / 1000;
	snprintf(text, sizeof text, "%s %.200s", http_method(call), http_path(call));
	log_line(service, &log);
	http_numbers_add(&service->numbers, call);
}

/* ---- things that the participant is told at the start ---- */

static void tell_more(uv_timer_t *timer);

static void told(void *user, const saga_answer *answer)
{
	struct service *service = user;

	service->asked--;
	if (answer->code == SAGA_CONFLICT)
		say(service, SAGA_WARNING, "start.conflict",
			"a thing was told with other data at an earlier start; those stay");
	else if (answer->code != SAGA_OK && answer->code != SAGA_STOPPED)
		say(service, SAGA_WARNING, "start.refused", "a thing of its start is refused: %s",
			answer->text);
	if (!service->is_draining && !service->is_told)
		uv_timer_start(&service->tell, tell_more, 0, 0);
}

int service_tell(struct service *service, saga_submission submission)
{
	saga_error error;
	int code;

	submission.answered = told;
	submission.user = service;
	code = saga_submit(service->participant, &submission, &error);
	if (code == SAGA_OK)
		service->asked++;
	else if (code != SAGA_BUSY && code != SAGA_NOMEM)
		say(service, SAGA_WARNING, "start.refused", "`%s`: %s", submission.key, error.text);
	return code;
}

static int tell_nth(struct service *service, size_t nth)
{
	const struct service_def *def = service->def;

	return def->tell ? def->tell(service, def->own, nth) : SERVICE_TOLD;
}

static void tell_more(uv_timer_t *timer)
{
	struct service *service = timer->data;

	while (service->asked < TOLD_AT_ONCE) {
		int code = tell_nth(service, service->next);

		if (code == SERVICE_TOLD) {
			service->is_told = service->asked == 0;
			if (service->is_told && service->next)
				say(service, SAGA_INFO, "start.told",
					"all %zu things of its start are in", service->next);
			return;
		}
		if (code == SAGA_BUSY || code == SAGA_NOMEM) {
			uv_timer_start(&service->tell, tell_more, TELL_AGAIN_MS, 0);
			return;
		}
		service->next++;
	}
}

/* ---- what all answer ---- */

/* Names what is wrong, written to `text` where it needs numbers. NULL: nothing is. */
static const char *complaint(
	const struct service *service, const saga_health *health, char *text, size_t size)
{
	if (health->damaged)
		return "the store is damaged";
	if (!health->store)
		return "the store can't be reached";
	if (!health->transport)
		return "the bus can't be reached";
	if (health->stalled) {
		snprintf(text, size,
			"nothing has been committed for %" PRId64 " s, though work waits",
			health->stalled_ms / 1000);
		return text;
	}
	if (!service->is_told)
		return "the data of its start are not all in yet";
	if (health->queued >= (int64_t)service->limits.queue)
		return "its queue is full";
	return service->def->unwell ? service->def->unwell(service->def->own) : NULL;
}

/* A store's own words may say more than whoever may ask should know: they are in the log. */
static void get_health(struct http_call *call)
{
	struct service *service = http_user(call);
	saga_health health = { .size = sizeof health };
	char text[96];
	const char *why;

	saga_health_of(service->participant, &health);
	if ((why = complaint(service, &health, text, sizeof text))) {
		http_problem(call, 503, "AWAY", "%s", why);
		return;
	}
	http_json(call, 200,
		json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			"status", "well", "store", 1, "bus", 1, "queued", (json_int_t)health.queued,
			"waiting", (json_int_t)health.waiting, "parked", (json_int_t)health.parked,
			"dead", (json_int_t)health.dead, "stuck", (json_int_t)health.stuck,
			"unseen", (json_int_t)health.outbox, "oldest_ms",
			(json_int_t)health.oldest_ms, "committed_ms",
			(json_int_t)health.committed_ms, "failed_ms", (json_int_t)health.failed_ms,
			"set_aside", (json_int_t)health.set_aside, "stopped_streams",
			(json_int_t)health.stopped));
}

static void get_metrics(struct http_call *call)
{
	struct service *service = http_user(call);

	http_numbers_reply(
		&service->numbers, service->http, service->def, service->participant, call);
}

static void get_openapi(struct http_call *call)
{
	const struct service_def *def = ((struct service *)http_user(call))->def;

	http_text(call, 200, "application/yaml", def->openapi, def->openapi_size);
}

static const struct http_route shared_routes[] = {
	{ "GET", "/healthz", get_health, HTTP_OPEN },
	{ "GET", "/metrics", get_metrics, 0 },
	{ .method = NULL },
};

static const struct http_route openapi_routes[] = {
	{ "GET", "/openapi.yaml", get_openapi, 0 },
	{ .method = NULL },
};

/* ---- ending ---- */

static void handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void all_is_closed(void *user)
{
	struct service *service = user;

	uv_close((uv_handle_t *)&service->tell, handle_closed);
	uv_close((uv_handle_t *)&service->drain, handle_closed);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&service->signals[i], handle_closed);
}

/* Everything committed stays: the next start goes on from there. */
static void give_up(struct service *service)
{
	say(service, SAGA_ALARM, "service.not_drained", "it did not drain within %" PRId64 " ms",
		service->settings.drain_ms);
	_exit(1);
}

/* Calls are replied to first, then the participant stops, then the replies leave. */
static void look_at_drain(uv_timer_t *timer)
{
	struct service *service = timer->data;
	int64_t waited = (int64_t)(uv_now(&service->loop) - service->drain_began);

	if (waited > service->settings.drain_ms)
		give_up(service);
	if (service->is_stopping ||
		(service->http && http_calls(service->http) &&
			waited < service->settings.drain_ms / 2))
		return;
	service->is_stopping = true;
	saga_stop(service->participant);
}

static void begin_drain(struct service *service)
{
	if (service->is_draining)
		return;
	service->is_draining = true;
	service->drain_began = uv_now(&service->loop);
	uv_timer_stop(&service->tell);
	http_quiesce(service->http);
	uv_timer_start(&service->drain, look_at_drain, 0, LOOK_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct service *service = handle->data;

	say(service, SAGA_INFO, "service.drains", "signal %d: it drains", number);
	begin_drain(service);
}

static void stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct service *service = user;

	(void)participant;
	service->is_stopping = true;
	if (why->code != SAGA_OK) {
		service_complain(service->def, "%s", why->text);
		service->has_failed = true;
	}
	begin_drain(service);
	http_close(service->http);
}

/* ---- beginning ---- */

static saga_options options_of(struct service *service, const struct service_settings *settings)
{
	const saga_options *given = service->def->options;
	bool is_alone = strcmp(settings->bus, "none") == 0;
	saga_options options = { .size = sizeof options };

	if (given)
		options = *given;
	service->limits = (saga_limits){ .size = sizeof service->limits };
	if (options.limits)
		service->limits = *options.limits;
	if (!service->limits.queue)
		service->limits.queue = QUEUE;
	if (!service->limits.request_ms)
		service->limits.request_ms = REQUEST_MS;
	if (is_alone)
		options.followers = options.follows = NULL;
	options.limits = &service->limits;
	options.store = settings->store;
	options.transport = is_alone ? NULL : settings->bus;
	options.lanes = (int)settings->lanes;
	options.lease_ms = (int)settings->lease_ms;
	options.loop = &service->loop;
	options.user = service;
	if (!options.handler_user)
		options.handler_user = service->def->own;
	options.log = log_line;
	options.stopped = stopped;
	return options;
}

static int open_participant(struct service *service)
{
	saga_options options = options_of(service, &service->settings);
	saga_error error;

	if (saga_open(service->def->participant, &options, &service->participant, &error) ==
		SAGA_OK)
		return 0;
	return service_complain(service->def, "%s", error.text);
}

static int open_http(struct service *service)
{
	service->routes[0] = service->def->routes;
	service->routes[1] = shared_routes;
	service->routes[2] = service->def->openapi ? openapi_routes : NULL;
	if (http_numbers_init(&service->numbers, service->routes) != 0)
		return service_complain(service->def, "out of memory");
	service->http = http_open(&(struct http_settings){ .loop = &service->loop,
		.address = service->settings.address,
		.token = service->settings.token,
		.body_bytes = service->def->body_bytes ? service->def->body_bytes : HTTP_BODY_BYTES,
		.routes = service->routes,
		.user = service,
		.replied = on_replied,
		.closed = all_is_closed });
	if (!service->http)
		return service_complain(
			service->def, "listen `%s`: %s", service->settings.listen, strerror(errno));
	complain("%s: listens at port %d", service->def->program, http_port(service->http));
	return 0;
}

static void begin_loop(struct service *service)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	uv_timer_init(&service->loop, &service->tell);
	uv_timer_init(&service->loop, &service->drain);
	service->tell.data = service->drain.data = service;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&service->loop, &service->signals[i]);
		service->signals[i].data = service;
		uv_signal_start(&service->signals[i], on_signal, numbers[i]);
	}
	uv_timer_start(&service->tell, tell_more, 0, 0);
}

static int run(struct service *service)
{
	int code;

	if (open_participant(service) != 0)
		return 2;
	if (service->def->open && (code = service->def->open(service->def->own)) != 0)
		return code;
	begin_loop(service); /* first: who reads that it listens may send signals */
	if (open_http(service) != 0) {
		all_is_closed(service);
		return 1;
	}
	uv_run(&service->loop, UV_RUN_DEFAULT);
	if (!service->has_failed)
		say(service, SAGA_INFO, "service.drained", "it has drained");
	return service->has_failed ? 1 : 0;
}

int service_main(const struct service_def *def, int argc, char **argv)
{
	struct service service = { .def = def };
	int code = service_settings_read(def, &service.settings, argc, argv);

	if (code != 0)
		return code < 0 ? 2 : 0;
	if (uv_loop_init(&service.loop) != 0) {
		service_complain(def, "the loop can't be made");
		return 1;
	}
	code = run(&service);
	saga_close(service.participant);
	uv_run(&service.loop, UV_RUN_DEFAULT); /* libuv calls back for what was closed */
	if (def->close)
		def->close(def->own);
	http_free(service.http);
	http_numbers_free(&service.numbers);
	uv_loop_close(&service.loop);
	return code;
}
