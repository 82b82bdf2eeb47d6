#ifndef KIT_SERVICE_NUMBERS_H
#define KIT_SERVICE_NUMBERS_H

/* The numbers of a service's HTTP, and the page /metrics. The loop's thread. */

#include "http.h"
#include "numbers.h"

enum {
	COUNTED_STATUSES = 16 /* of a route; any further one counts as the last */
};

struct counted_route {
	const struct http_route *route; /* NULL: requests without one */
	int statuses[COUNTED_STATUSES];
	int64_t counts[COUNTED_STATUSES];
	struct times times;
};

/* One entry for each route of the tables, and one for none. */
struct http_numbers {
	struct counted_route *routes;
	size_t count;
};

/* -1: out of memory. */
int http_numbers_init(struct http_numbers *numbers, const struct http_route *const *tables);
void http_numbers_free(struct http_numbers *numbers);
void http_numbers_add(struct http_numbers *numbers, const struct http_call *call);

/* Replies with all numbers: the participant's, the server's, the service's own. */
void http_numbers_reply(const struct http_numbers *numbers, const struct http *http,
	const struct service_def *def, const saga_participant *participant, struct http_call *call);

#endif
