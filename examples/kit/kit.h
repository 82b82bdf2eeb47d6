#ifndef KIT_H
#define KIT_H

/*
 * The kit: everything that an HTTP service around a participant needs beside its own routes,
 * settings and steps. It reads flags and environment, opens the participant and an HTTP/1.1 server
 * on one loop, answers /healthz and /metrics, and drains on SIGTERM. README.md shows a whole
 * service.
 *
 * Threads: everything here belongs to the loop's thread, except times_add and what says otherwise.
 */

#include <saga/saga.h>

#include <jansson.h>
#include <stdbool.h>

#include "complain.h"
#include "secret.h"

struct service;   /* the program while it runs */
struct http_call; /* one request: it lives until it is replied to, which must happen once */

/* ---- settings ---- */

/*
 * A setting is a flag (--drain-ms) and an environment variable (GREETER_DRAIN_MS, where the
 * service's prefix is GREETER). The flag wins; an empty variable counts as none.
 */
struct setting {
	const char *name;  /* "drain-ms" */
	const char *value; /* the word for its value in --help: "N" */
	const char *help;
	const char **text;   /* a text is stored here, which holds the default; or */
	int64_t *number;     /* a number is stored here, from least to most */
	int64_t least, most; /* of a number; if they are equal, the flag takes no value */
};

/* ---- routes ---- */

typedef void http_handler(struct http_call *call);

enum http_needs {
	HTTP_BODY = 1, /* a JSON body */
	HTTP_KEY = 2,  /* the header Idempotency-Key */
	HTTP_OPEN = 4  /* no token; answered even when there is no room for other requests */
};

struct http_route {
	const char *method;
	const char *path; /* "/greetings/{}": each {} is one whole segment */
	http_handler *handler;
	unsigned needs; /* of enum http_needs */
};

enum {
	HTTP_ARGUMENTS = 4,         /* {} of a path, at most */
	HTTP_ADDED = 8,             /* headers that a handler may set */
	HTTP_BODY_BYTES = 64 * 1024 /* of a request's body, unless the service says otherwise */
};

/* ---- the program ---- */

struct service_def {
	const char *program; /* "greeter": begins its lines on stderr */
	const char *about;   /* one sentence for --help */
	const char *prefix;  /* of its environment variables: "GREETER" */
	const saga_participant_def *participant;

	/*
	 * Further options of the participant: followers, follows, handler_user (else handlers get
	 * `own`), ages, limits; NULL: none. The kit fills in store, transport, lanes, lease_ms,
	 * loop, user, log and stopped. It leaves out followers and follows where the service runs
	 * alone (--bus none). Unless the limits say otherwise, requests are answered with AWAY
	 * after one second without the store.
	 */
	const saga_options *options;

	/* Defaults of the settings that all services have. */
	const char *store;  /* "sqlite:greeter.db" */
	const char *listen; /* "127.0.0.1:8081" */
	const char *bus;    /* NULL: "nng+tcp://127.0.0.1:7700" */

	const struct http_route *routes; /* ended by a route without a method */
	const struct setting *settings;  /* ended by a setting without a name; NULL: none */
	size_t body_bytes;               /* most bytes of a body; 0: HTTP_BODY_BYTES */
	const char *openapi;             /* the text of /openapi.yaml; NULL: no such route */
	size_t openapi_size;

	/* Everything below is optional; each gets `own`, which is the service's. */
	void *own;

	/*
	 * Checks its settings, then opens what they name. Returns 0, or an exit code (2: a setting
	 * is wrong) after it has complained.
	 */
	int (*open)(void *own);
	void (*close)(void *own);

	/*
	 * Submits the nth thing that the participant has to know before it is healthy, by
	 * service_tell, and returns that function's code; SERVICE_TOLD: there is no nth thing.
	 * Each start tells everything again, so each submission needs a key.
	 */
	int (*tell)(struct service *service, void *own, size_t nth);

	/* Says why /healthz must be 503 although the participant is well. NULL: it need not. */
	const char *(*unwell)(void *own);

	/* Adds its own metrics to /metrics. */
	void (*count)(void *own, saga_metric_fn *each, void *user);
};

enum {
	SERVICE_TOLD = 1
};

/*
 * The whole program; returns its exit code: 0 drained after SIGTERM or SIGINT, 1 it could not go on
 * or did not drain in time, 2 wrong use. All that def names must live until it returns.
 */
int service_main(const struct service_def *def, int argc, char **argv);

/* Returns a code of saga_submit. Only inside `tell`. */
int service_tell(struct service *service, saga_submission submission);

/* ---- one request ---- */

void *service_own(const struct http_call *call);
saga_participant *service_participant(const struct http_call *call);

const char *http_method(const struct http_call *call);
const char *http_path(const struct http_call *call);
const char *http_argument(const struct http_call *call, size_t nth); /* what the nth {} is */
const char *http_header(struct http_call *call, const char *name);   /* NULL: none */
const char *http_query(struct http_call *call, const char *name);    /* NULL: none */
saga_bytes http_body(const struct http_call *call);
const char *http_key(const struct http_call *call); /* its Idempotency-Key, unquoted; "": none */
const char *http_traceparent(const struct http_call *call); /* the client's, or a new one */

/* ---- its reply: at once, or later from the loop ---- */

/* Replies with JSON, and frees it; NULL counts as out of memory. */
void http_json(struct http_call *call, int status, json_t *json);
void http_text(struct http_call *call, int status, const char *type, const char *text, size_t size);

/* Replies with problem details (RFC 9457); `code` is for machines ("CONFLICT"), NULL: none. */
void http_problem(struct http_call *call, int status, const char *code, const char *format, ...)
	SAGA_PRINTF(4, 5);

/*
 * Sets a header before the reply is made: HTTP_ADDED of them at most. A header of 256 bytes or
 * more, or with a control character, is left out.
 */
void http_set(struct http_call *call, const char *name, const char *value);

/*
 * Sets Location to `before` and the segment, percent-encoded. It is left out where it takes 256
 * bytes or more, and from a refusal.
 */
void http_set_location(struct http_call *call, const char *before, const char *segment);

/* ---- asking the participant ---- */

/*
 * Submits a request in the call's name, with its Idempotency-Key and traceparent. `then` gets the
 * answer, with the call as its user, and must reply. A submission that the participant does not
 * accept is replied to here.
 */
void service_ask(struct http_call *call, saga_submission submission, saga_answer_fn *then);

/* Returns the event of a good answer; NULL: service_refuse has replied. */
const saga_event *service_outcome(struct http_call *call, const saga_answer *answer);

/*
 * Replies with a refusal in the answer's own words (the field `why` of a rejection): with `status`
 * if the participant said no, else with the HTTP status of the code.
 */
void service_refuse(struct http_call *call, const saga_answer *answer, int status);

/* A saga_answer_fn that replies with the event's body and 200, or refuses with 404. */
void service_reply_found(void *user, const saga_answer *answer);

/* An event's body as JSON, which the caller frees; NULL: out of memory. */
json_t *service_body(const saga_event *event);

/* ---- metrics of its own ---- */

enum {
	TIMES_BOUNDS = 12
};

/* A histogram of times. All zero: an empty one. */
struct times {
	int64_t counts[TIMES_BOUNDS + 1];
	int64_t sum; /* microseconds */
};

/* Any thread. */
void times_add(struct times *times, int64_t us);

/* Tells it as one sample of that name and those labels. Any thread. */
void times_tell(const struct times *times, const char *name, const char *help,
	const saga_metric_label *labels, size_t label_count, saga_metric_fn *each, void *user);

#endif
