#include "service.h"

#include "complain.h"
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
	QUEUE = 1024,      /* of the participant: then it has no room */
	REQUEST_MS = 1000, /* that its store may fail before a request is told so */
	LOOK_MS = 20       /* whether all was replied to, while it drains */
};

struct service_state {
	struct service_settings settings;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t tell, drain;
	saga_participant *participant;
	struct http *http;
	struct http_numbers numbers;
	const struct http_route *routes[3]; /* its own, the shared, NULL */

	size_t next, asked; /* of what it is told at its start */
	bool is_told;
	uint64_t drain_began;
	bool is_draining, is_stopping, has_failed;
};

/* ---- the log: a line of logfmt ---- */

/* Any thread. */
static void log_line(void *user, const saga_log *log)
{
	const struct service *service = user;

	if (log->level >= service->state->settings.level)
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
	http_numbers_add(&service->state->numbers, call);
}

/* ---- asking ---- */

json_t *service_body(const saga_event *event)
{
	size_t size = saga_event_json(event, NULL, 0);
	char *text = malloc(size + 1);
	json_t *json = NULL;

	if (text) {
		saga_event_json(event, text, size + 1);
		json = json_loads(text, 0, NULL);
	}
	free(text);
	return json;
}

void service_refuse(struct http_call *call, const saga_answer *answer, int status)
{
	bool is_ours = answer->code == SAGA_REJECTED || answer->code == SAGA_MALFORMED;
	json_t *body = answer->outcome ? service_body(answer->outcome) : NULL;
	const char *why = json_string_value(json_object_get(body, "why"));

	http_problem(call, is_ours ? status : saga_code_http(answer->code),
		saga_code_name(answer->code), "%s",
		why                     ? why
			: *answer->text ? answer->text
					: saga_code_text(answer->code));
	json_decref(body);
}

void service_reply_found(void *user, const saga_answer *answer)
{
	if (answer->code == SAGA_OK)
		http_json(user, 200, service_body(answer->outcome));
	else
		service_refuse(user, answer, 404);
}

const saga_event *service_outcome(struct http_call *call, const saga_answer *answer)
{
	if (answer->code == SAGA_OK && answer->outcome)
		return answer->outcome;
	service_refuse(call, answer, saga_code_http(answer->code));
	return NULL;
}

void service_ask(struct http_call *call, saga_submission submission, saga_answer_fn *then)
{
	struct service *service = http_user(call);
	saga_error error;
	int code;

	submission.key = http_header(call, "Idempotency-Key");
	submission.traceparent = http_traceparent(call);
	submission.answered = then;
	submission.user = call;
	code = saga_submit(service->state->participant, &submission, &error);
	if (code != SAGA_OK)
		http_problem(call, saga_code_http(code), saga_code_name(code), "%s", error.text);
}

/* ---- what it is told at its start ---- */

static void tell_more(uv_timer_t *timer);

static void told(void *user, const saga_answer *answer)
{
	struct service *service = user;
	struct service_state *state = service->state;

	state->asked--;
	if (answer->code == SAGA_CONFLICT)
		say(service, SAGA_WARNING, "start.conflict",
			"it was begun with other data, which stay");
	else if (answer->code != SAGA_OK && answer->code != SAGA_STOPPED)
		say(service, SAGA_WARNING, "start.refused", "a line of its data is refused: %s",
			answer->text);
	if (!state->is_draining && !state->is_told)
		uv_timer_start(&state->tell, tell_more, 0, 0);
}

int service_tell(struct service *service, saga_submission submission)
{
	saga_error error;
	int code;

	submission.answered = told;
	submission.user = service;
	code = saga_submit(service->state->participant, &submission, &error);
	if (code == SAGA_OK)
		service->state->asked++;
	else if (code != SAGA_BUSY && code != SAGA_NOMEM)
		say(service, SAGA_WARNING, "start.refused", "`%s`: %s", submission.key, error.text);
	return code;
}

static int tell_nth(struct service *service, size_t nth)
{
	return service->def->tell ? service->def->tell(service, nth) : SERVICE_TOLD;
}

static void tell_more(uv_timer_t *timer)
{
	struct service *service = timer->data;
	struct service_state *state = service->state;

	while (state->asked < TOLD_AT_ONCE) {
		int code = tell_nth(service, state->next);

		if (code == SERVICE_TOLD) {
			state->is_told = state->asked == 0;
			if (state->is_told && state->next)
				say(service, SAGA_INFO, "start.told",
					"all %zu lines of its data are in", state->next);
			return;
		}
		if (code == SAGA_BUSY || code == SAGA_NOMEM) {
			uv_timer_start(&state->tell, tell_more, TELL_AGAIN_MS, 0);
			return;
		}
		state->next++;
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
	if (!service->state->is_told)
		return "its goods and rules are not all in yet";
	return health->queued >= QUEUE ? "its queue is full" : NULL;
}

/* A store's own words may say more than whoever may ask should know: they are in the log. */
static void get_health(struct http_call *call)
{
	struct service *service = http_user(call);
	saga_health health = { .size = sizeof health };
	char text[96];
	const char *why;

	saga_health_of(service->state->participant, &health);
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

	const struct service_state *state = service->state;

	http_numbers_reply(&state->numbers, state->http, service, state->participant, call);
}

static void get_openapi(struct http_call *call)
{
	const struct service_def *def = ((struct service *)http_user(call))->def;

	http_text(call, 200, "application/yaml", def->openapi, def->openapi_size);
}

static const struct http_route shared_routes[] = {
	{ "GET", "/openapi.yaml", get_openapi, 0 },
	{ "GET", "/healthz", get_health, HTTP_OPEN },
	{ "GET", "/metrics", get_metrics, 0 },
	{ .method = NULL },
};

/* ---- ending ---- */

static void handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void all_is_closed(void *user)
{
	struct service_state *state = ((struct service *)user)->state;

	uv_close((uv_handle_t *)&state->tell, handle_closed);
	uv_close((uv_handle_t *)&state->drain, handle_closed);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&state->signals[i], handle_closed);
}

/* What was committed is committed: whoever is killed here goes on from there. */
static void give_up(struct service *service)
{
	say(service, SAGA_ALARM, "service.not_drained", "it did not drain within %" PRId64 " ms",
		service->state->settings.drain_ms);
	_exit(1);
}

/* First what was asked is answered, then the participant stops, then the replies leave. */
static void look_at_drain(uv_timer_t *timer)
{
	struct service *service = timer->data;
	struct service_state *state = service->state;
	int64_t waited = (int64_t)(uv_now(&state->loop) - state->drain_began);

	if (waited > state->settings.drain_ms)
		give_up(service);
	if (state->is_stopping ||
		(state->http && http_calls(state->http) && waited < state->settings.drain_ms / 2))
		return;
	state->is_stopping = true;
	saga_stop(state->participant);
}

static void begin_drain(struct service *service)
{
	struct service_state *state = service->state;

	if (state->is_draining)
		return;
	state->is_draining = true;
	state->drain_began = uv_now(&state->loop);
	uv_timer_stop(&state->tell);
	http_quiesce(state->http);
	uv_timer_start(&state->drain, look_at_drain, 0, LOOK_MS);
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
	service->state->is_stopping = true;
	if (why->code != SAGA_OK) {
		service_complain(service->def, "%s", why->text);
		service->state->has_failed = true;
	}
	begin_drain(service);
	http_close(service->state->http);
}

/* ---- beginning ---- */

static int open_participant(struct service *service)
{
	struct service_state *state = service->state;
	bool is_alone = strcmp(state->settings.bus, "none") == 0;
	saga_error error;

	if (saga_open(service->def->participant,
		    SAGA_OPTIONS(.store = state->settings.store,
			    .transport = is_alone ? NULL : state->settings.bus,
			    .followers = is_alone ? NULL : service->def->followers,
			    /* Each of the shop's participants follows those that follow it. */
			    .follows = is_alone ? NULL : service->def->followers,
			    .lanes = (int)state->settings.lanes,
			    .lease_ms = (int)state->settings.lease_ms,
			    .limits = SAGA_LIMITS(.request_ms = REQUEST_MS), .loop = &state->loop,
			    .user = service, .log = log_line, .stopped = stopped),
		    &state->participant, &error) == SAGA_OK)
		return 0;
	return service_complain(service->def, "%s", error.text);
}

static int open_http(struct service *service)
{
	struct service_state *state = service->state;

	state->routes[0] = service->def->routes;
	state->routes[1] = shared_routes;
	state->http = http_open(&(struct http_settings){ .loop = &state->loop,
		.address = state->settings.address,
		.token = state->settings.token,
		.routes = state->routes,
		.user = service,
		.replied = on_replied,
		.closed = all_is_closed });
	if (!state->http)
		return service_complain(
			service->def, "listen `%s`: %s", state->settings.listen, strerror(errno));
	complain("%s: listens at port %d", service->def->program, http_port(state->http));
	return 0;
}

static void begin_loop(struct service *service)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct service_state *state = service->state;

	uv_timer_init(&state->loop, &state->tell);
	uv_timer_init(&state->loop, &state->drain);
	state->tell.data = state->drain.data = service;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&state->loop, &state->signals[i]);
		state->signals[i].data = service;
		uv_signal_start(&state->signals[i], on_signal, numbers[i]);
	}
	uv_timer_start(&state->tell, tell_more, 0, 0);
}

static int run(struct service *service)
{
	struct service_state *state = service->state;
	int code;

	if (open_participant(service) != 0)
		return 2;
	if (service->def->open && (code = service->def->open(service)) != 0)
		return code;
	begin_loop(service); /* first: who reads that it listens may send signals */
	if (open_http(service) != 0) {
		all_is_closed(service);
		return 1;
	}
	uv_run(&state->loop, UV_RUN_DEFAULT);
	if (!state->has_failed)
		say(service, SAGA_INFO, "service.drained", "it has drained");
	return state->has_failed ? 1 : 0;
}

int service_main(const struct service_def *def, struct service *service, int argc, char **argv)
{
	struct service_state state = { .is_told = false };
	int code;

	service->def = def;
	service->state = &state;
	code = service_settings_read(def, &state.settings, argc, argv);
	if (code != 0)
		return code < 0 ? 2 : 0;
	if (uv_loop_init(&state.loop) != 0) {
		service_complain(service->def, "no loop");
		return 1;
	}
	code = run(service);
	saga_close(state.participant);
	uv_run(&state.loop, UV_RUN_DEFAULT); /* what is closed comes back */
	if (def->close)
		def->close(service);
	http_free(state.http);
	uv_loop_close(&state.loop);
	return code;
}
