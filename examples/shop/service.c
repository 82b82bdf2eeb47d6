#include "service.h"

#include "secret.h"
#include "service_numbers.h"

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
	QUEUE = 1024,     /* of the participant: then it has no room */
	LOOK_MS = 20,     /* whether all was replied to, while it drains */
	TOKEN_LEAST = 16, /* bytes */
	TOKEN_MOST = 256,
	STORE_MOST = 1024
};

struct service_state {
	/* settings */
	const char *store, *bus, *listen, *token, *token_file, *level_name;
	int64_t lanes, drain_ms;
	int level;
	char token_read[TOKEN_MOST + 2], store_read[STORE_MOST];
	struct sockaddr_storage address;

	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t tell, drain;
	int handles;
	saga_participant *participant;
	struct http *http;
	struct http_numbers numbers;
	const struct http_route *routes[3]; /* its own, the shared, NULL */

	size_t next, asked; /* of what it is told at its start */
	bool is_told;
	uint64_t drain_began;
	bool is_draining, is_stopping, is_stopped, has_failed;
};

/* ---- the log: a line of logfmt ---- */

/* Any thread. */
static void log_line(void *user, const saga_log *log)
{
	const struct service *service = user;

	if (log->level >= service->state->level)
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

/* ---- settings ---- */

static int complain(const struct service *service, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(const struct service *service, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s: ", service->def->program);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	return -1;
}

static int read_level(struct service *service)
{
	static const char *const names[] = { "debug", "info", "warning", "alarm" };
	struct service_state *state = service->state;

	for (int i = 0; i < 4; i++)
		if (strcmp(names[i], state->level_name) == 0) {
			state->level = i;
			return 0;
		}
	return complain(
		service, "log-level `%s`: not debug, info, warning or alarm", state->level_name);
}

static int read_token_file(struct service *service)
{
	struct service_state *state = service->state;
	FILE *file = fopen(state->token_file, "r");

	if (!file || !fgets(state->token_read, sizeof state->token_read, file)) {
		complain(service, "token-file `%s`: %s", state->token_file,
			file ? "it is empty" : strerror(errno));
		if (file)
			fclose(file);
		return -1;
	}
	fclose(file);
	state->token_read[strcspn(state->token_read, "\r\n")] = '\0';
	state->token = state->token_read;
	return 0;
}

static int read_token(struct service *service)
{
	struct service_state *state = service->state;

	if (state->token && state->token_file)
		return complain(service, "token, token-file: one of them is enough");
	if (state->token_file && read_token_file(service) != 0)
		return -1;
	if (state->token &&
		(strlen(state->token) < TOKEN_LEAST || strlen(state->token) > TOKEN_MOST))
		return complain(service, "token: it takes %d to %d bytes", TOKEN_LEAST, TOKEN_MOST);
	for (const char *at = state->token; at && *at; at++)
		if (*at <= ' ' || *at > '~')
			return complain(service, "token: it takes printable ASCII, no blanks");
	return 0;
}

static int read_store(struct service *service)
{
	struct service_state *state = service->state;

	if (secret_read(service->def->program, state->store, state->store_read, STORE_MOST) != 0)
		return -1;
	state->store = state->store_read;
	return 0;
}

static int read_address(struct service *service)
{
	struct service_state *state = service->state;

	if (http_address(state->listen, &state->address) != 0)
		return complain(service,
			"listen `%s`: not HOST:PORT, as 127.0.0.1:8081 or [::1]:8081",
			state->listen);
	if (!http_is_loopback(&state->address) && !state->token)
		return complain(service,
			"listen `%s`: others can reach this: it needs a token (--token-file)",
			state->listen);
	return 0;
}

static int read_settings(struct service *service, int argc, char **argv)
{
	static const struct setting none[] = { { .name = NULL } };
	struct service_state *state = service->state;
	const struct setting common[] = {
		{ "store", "URL", "where it keeps its things; @FILE: its first line", &state->store,
			NULL, 0, 0 },
		{ "bus", "URL", "the in of `saga bus`; none: alone", &state->bus, NULL, 0, 0 },
		{ "listen", "HOST:PORT",
			"an address; one that is not loopback needs a token; port 0: any",
			&state->listen, NULL, 0, 0 },
		{ "token", "TEXT", "bearer token, asked for by all but /healthz", &state->token,
			NULL, 0, 0 },
		{ "token-file", "FILE", "the same, the file's first line", &state->token_file, NULL,
			0, 0 },
		{ "lanes", "N", "threads with a store connection; 0: on the loop", NULL,
			&state->lanes, 0, 8 },
		{ "log-level", "LEVEL", "debug, info, warning or alarm", &state->level_name, NULL,
			0, 0 },
		{ "drain-ms", "N", "after SIGTERM it ends within that", NULL, &state->drain_ms, 0,
			600000 },
		{ .name = NULL },
	};
	const struct setting *const tables[] = { common,
		service->def->settings ? service->def->settings : none, NULL };
	int code;

	state->store = service->def->store;
	state->bus = "nng+tcp://127.0.0.1:7700";
	state->listen = service->def->listen;
	state->level_name = "info";
	state->lanes = 1;
	state->drain_ms = 10000;
	code = settings_read(service->def->program, service->def->about, tables, argc, argv);
	if (code != 0)
		return code;
	if (read_level(service) != 0 || read_store(service) != 0 || read_token(service) != 0)
		return -1;
	return read_address(service);
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

static void get_health(struct http_call *call)
{
	struct service *service = http_user(call);
	const struct service_state *state = service->state;
	saga_health health = { .size = sizeof health };
	const char *why;

	saga_health_of(state->participant, &health);
	why = !health.store              ? "the store can't be reached"
		: !health.transport      ? "the bus can't be reached"
		: !state->is_told        ? "its goods and rules are not all in yet"
		: health.queued >= QUEUE ? "its queue is full"
					 : NULL;
	if (why) {
		http_problem(call, 503, "AWAY", "%s", why);
		return;
	}
	http_json(call, 200,
		json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "status", "well",
			"store", 1, "bus", 1, "queued", (json_int_t)health.queued, "waiting",
			(json_int_t)health.waiting, "parked", (json_int_t)health.parked, "dead",
			(json_int_t)health.dead, "stuck", (json_int_t)health.stuck, "unseen",
			(json_int_t)health.outbox));
}

static void get_metrics(struct http_call *call)
{
	struct service *service = http_user(call);

	http_numbers_reply(&service->state->numbers, service, service->state->participant, call);
}

static const struct http_route shared_routes[] = {
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
		service->state->drain_ms);
	_exit(1);
}

/* First what was asked is answered, then the participant stops, then the replies leave. */
static void look_at_drain(uv_timer_t *timer)
{
	struct service *service = timer->data;
	struct service_state *state = service->state;
	int64_t waited = (int64_t)(uv_now(&state->loop) - state->drain_began);

	if (waited > state->drain_ms)
		give_up(service);
	if (state->is_stopping ||
		(state->http && http_calls(state->http) && waited < state->drain_ms / 2))
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
	service->state->is_stopped = service->state->is_stopping = true;
	if (why->code != SAGA_OK) {
		complain(service, "%s", why->text);
		service->state->has_failed = true;
	}
	begin_drain(service);
	http_close(service->state->http);
}

/* ---- beginning ---- */

static int open_participant(struct service *service)
{
	struct service_state *state = service->state;
	bool is_alone = strcmp(state->bus, "none") == 0;
	saga_error error;

	if (saga_open(service->def->participant,
		    SAGA_OPTIONS(.store = state->store, .transport = is_alone ? NULL : state->bus,
			    .followers = is_alone ? NULL : service->def->followers,
			    .lanes = (int)state->lanes, .loop = &state->loop, .user = service,
			    .log = log_line, .stopped = stopped),
		    &state->participant, &error) == SAGA_OK)
		return 0;
	return complain(service, "%s", error.text);
}

static int open_http(struct service *service)
{
	struct service_state *state = service->state;

	state->routes[0] = service->def->routes;
	state->routes[1] = shared_routes;
	state->http = http_open(&(struct http_settings){ .loop = &state->loop,
		.address = state->address,
		.token = state->token,
		.routes = state->routes,
		.user = service,
		.replied = on_replied,
		.closed = all_is_closed });
	if (!state->http)
		return complain(service, "listen `%s`: %s", state->listen, strerror(errno));
	fprintf(stderr, "%s: listens at port %d\n", service->def->program, http_port(state->http));
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
	if (open_http(service) != 0)
		return 1;
	begin_loop(service);
	uv_run(&state->loop, UV_RUN_DEFAULT);
	if (!state->has_failed)
		say(service, SAGA_INFO, "service.drained", "it has drained");
	return state->has_failed ? 1 : 0;
}

int service_main(const struct service_def *def, struct service *service, int argc, char **argv)
{
	struct service_state state = { .level = SAGA_INFO };
	int code;

	service->def = def;
	service->state = &state;
	code = read_settings(service, argc, argv);
	if (code != 0)
		return code < 0 ? 2 : 0;
	if (uv_loop_init(&state.loop) != 0) {
		complain(service, "no loop");
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
