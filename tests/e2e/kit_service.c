/*
 * A service as unlike the shop's as it can be: forty settings, twenty routes, two {} in a path, six
 * arguments of a query, a body of 100 bytes at most, things to know before it is healthy, metrics
 * and a complaint of its own. It uses the kit as it is.
 */
#include <stdio.h>

#include "kit.h"

enum {
	SETTINGS = 40,
	ROUTES = 20,
	THINGS = 3
};

struct own {
	int64_t numbers[SETTINGS];
	const char *is_unwell;
	struct times waited;
};

SAGA_REQUEST(know, "odd.know", 1, int64(nth));
SAGA_EVENT(known, "odd.known", 1, int64(nth));
SAGA_BARE_REQUEST(count_known, "odd.count", 1);
SAGA_EVENT(counted, "odd.counted", 1, int64(count), int64(first));

static saga_verdict run_know(saga_step *s)
{
	saga_exec(s, "INSERT INTO thing (nth) VALUES (?)", saga_on(s, know)->nth);
	return saga_emit(s, known, .nth = saga_on(s, know)->nth);
}

/* Handlers get `own`, since no handler_user is said. */
static saga_verdict run_count(saga_step *s)
{
	const struct own *own = saga_user(s);

	return saga_emit(s, counted, .first = own->numbers[0],
		.count = saga_query_int64(s, 0, "SELECT COUNT(*) FROM thing"));
}

static const saga_step_def steps[] = {
	{ .name = "know", .on = { &know }, .run = run_know, .emits = { &known } },
	{ .name = "count",
		.reads_only = true,
		.on = { &count_known },
		.run = run_count,
		.emits = { &counted } },
};
static const char *const schema[] = { "CREATE TABLE thing (nth BIGINT NOT NULL)", NULL };
static const saga_participant_def odd = SAGA_PARTICIPANT("odd", steps, .schema = schema);

static int tell(struct service *service, void *context, size_t nth)
{
	char key[16];

	(void)context;
	if (nth == THINGS)
		return SERVICE_TOLD;
	snprintf(key, sizeof key, "%zu", nth);
	return service_tell(service,
		(saga_submission){ SAGA_SUBMISSION(know, .nth = (int64_t)nth), .key = key });
}

static void get_count(struct http_call *call)
{
	service_ask(call, (saga_submission){ SAGA_SUBMISSION(count_known) }, service_reply_found);
}

static void get_two(struct http_call *call)
{
	json_t *said =
		json_pack("{s:s, s:s}", "a", http_argument(call, 0), "b", http_argument(call, 1));
	char name[2] = "a";

	for (; said && *name <= 'f'; (*name)++)
		json_object_set_new(said, name, json_string(http_query(call, name)));
	http_json(call, 200, said);
}

static void post_body(struct http_call *call)
{
	struct own *own = service_own(call);

	times_add(&own->waited, (int64_t)http_body(call).size);
	http_json(call, 200, json_integer((json_int_t)http_body(call).size));
}

static const char *unwell(void *context)
{
	const char *why = ((struct own *)context)->is_unwell;

	return why && *why ? why : NULL;
}

static void count(void *context, saga_metric_fn *each, void *user)
{
	times_tell(
		&((struct own *)context)->waited, "odd_seconds", "of its own", NULL, 0, each, user);
}

int main(int argc, char **argv)
{
	static char paths[ROUTES][16], names[SETTINGS][16];
	struct own own = { .numbers = { 0 } };
	struct http_route routes[ROUTES + 4] = {
		{ "GET", "/count", get_count, 0 },
		{ "GET", "/two/{}/and/{}", get_two, 0 },
		{ "POST", "/body", post_body, HTTP_BODY },
	};
	struct setting settings[SETTINGS + 2] = {
		{ "unwell", "WHY", "why /healthz is 503", &own.is_unwell, NULL, 0, 0 },
	};

	for (size_t i = 0; i < ROUTES; i++) {
		snprintf(paths[i], sizeof paths[i], "/many/%zu", i);
		routes[3 + i] = (struct http_route){ "GET", paths[i], get_count, 0 };
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		snprintf(names[i], sizeof names[i], "number-%zu", i);
		settings[1 + i] = (struct setting){ names[i], "N", "a number", NULL,
			&own.numbers[i], 0, 1000 };
	}
	return service_main(&(struct service_def){ .program = "odd-service",
				    .about = "Unlike any other.",
				    .prefix = "VERY_ODD",
				    .participant = &odd,
				    .options = SAGA_OPTIONS(.history_ms = 86400000,
					    .limits = SAGA_LIMITS(.queue = 16)),
				    .store = "sqlite:odd.db",
				    .bus = "none",
				    .listen = "127.0.0.1:0",
				    .routes = routes,
				    .settings = settings,
				    .body_bytes = 100,
				    .own = &own,
				    .tell = tell,
				    .unwell = unwell,
				    .count = count },
		argc, argv);
}
