#ifndef SHOP_SERVICE_H
#define SHOP_SERVICE_H

/*
 * What the three services share: settings, the participant and HTTP on one loop, what all of them
 * answer (/healthz, /metrics), signals, draining. A service is its routes and its own settings.
 */

#include "events.h"
#include "http.h"
#include "settings.h"
#include "shop.h"

struct service;

struct service_def {
	const char *program; /* "order-service" */
	const char *about;
	const char *store; /* unless it is told otherwise */
	const char *listen;
	const saga_participant_def *participant;
	const char *const *followers;
	const char *openapi; /* what describes its routes, as YAML: /openapi.yaml */
	size_t openapi_size;
	const struct http_route *routes;
	const struct setting *settings; /* its own; NULL: none */

	/*
	 * Checks its own settings, then opens what they name. 0; or an exit code (2: a setting is
	 * wrong), with the reason on stderr. Optional.
	 */
	int (*open)(struct service *service);
	void (*close)(struct service *service);

	/* Tells it the nth thing of its start by service_tell; SERVICE_TOLD: no more. Optional. */
	int (*tell)(struct service *service, size_t nth);

	/* Its own numbers, for /metrics. Optional. */
	void (*count)(const struct service *service, saga_metric_fn *each, void *user);
};

struct service {
	union {
		struct order_config order;
		struct payment_config payment;
		struct stock_config stock;
	} config; /* first: the handlers' */
	const struct service_def *def;
	struct service_state *state;
	void *own; /* what def->open made */
};

enum {
	SERVICE_TOLD = 1
};

/* Submits what it is to know at its start; its key makes it once only. A code. */
int service_tell(struct service *service, saga_submission submission);

/* The program. */
int service_main(const struct service_def *def, struct service *service, int argc, char **argv);

/*
 * Asks the participant in a call's name, with its Idempotency-Key and traceparent. `then` gets the
 * answer with the call as its user, and replies; what can't be asked is replied to here.
 */
void service_ask(struct http_call *call, saga_submission submission, saga_answer_fn *then);

/* What was asked ended well: its event, and its saga; else it is replied to here, as below. */
const saga_event *service_outcome(struct http_call *call, const saga_answer *answer);

/* A refusal, by the answer's own words; a rejection or a breach of a rule by the status given. */
void service_refuse(struct http_call *call, const saga_answer *answer, int status);

/* A saga_answer_fn: 200 with the body of what was asked for, or 404. */
void service_reply_found(void *user, const saga_answer *answer);

/* An event's body as JSON, the caller's; NULL: out of memory. */
json_t *service_body(const saga_event *event);

#endif
