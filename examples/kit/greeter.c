/* A whole service: POST /greetings {"name": "ada"} counts how often a name was greeted. */
#include "kit.h"

SAGA_REQUEST(greet, "greeter.greet", 1, text(name));
SAGA_EVENT(greeted, "greeter.greeted", 1, text(name), int64(times));

static saga_verdict run_greet(saga_step *s)
{
	const char *name = saga_on(s, greet)->name;

	if (!saga_require(s, "UPDATE greeting SET times = times + 1 WHERE name = ?", name))
		saga_exec(s, "INSERT INTO greeting (name, times) VALUES (?, 1)", name);
	return saga_emit(s, greeted, .name = name,
		.times = saga_query_int64(s, 0, "SELECT times FROM greeting WHERE name = ?", name));
}

static const saga_step_def steps[] = {
	{ .name = "greet", .on = { &greet }, .run = run_greet, .emits = { &greeted } },
};
static const char *const schema[] = {
	"CREATE TABLE greeting (name SAGA_TEXT(40) PRIMARY KEY, times BIGINT NOT NULL)", NULL
};
static const saga_participant_def greeter = SAGA_PARTICIPANT(
	"greeter", steps, .schema = schema, .ends = { { &greeted, SAGA_END_DONE } });

static void reply_greeted(void *call, const saga_answer *answer)
{
	const saga_event *event = service_outcome(call, answer);

	if (event)
		http_json(call, 200, service_body(event));
}

static void post_greeting(struct http_call *call)
{
	saga_bytes body = http_body(call);

	service_ask(call, (saga_submission){ SAGA_SUBMISSION_JSON(greet, body.at, body.size) },
		reply_greeted);
}

static const struct http_route routes[] = {
	{ "POST", "/greetings", post_greeting, HTTP_BODY | HTTP_KEY },
	{ .method = NULL },
};

int main(int argc, char **argv)
{
	const struct service_def def = { .program = "greeter",
		.about = "Greets by name, and counts.",
		.prefix = "GREETER",
		.participant = &greeter,
		.store = "sqlite:greeter.db",
		.bus = "none",
		.listen = "127.0.0.1:8084",
		.routes = routes };

	return service_main(&def, argc, argv);
}
