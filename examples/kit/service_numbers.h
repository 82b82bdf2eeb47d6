#ifndef SHOP_SERVICE_NUMBERS_H
#define SHOP_SERVICE_NUMBERS_H

/* What a service's HTTP counts, and /metrics. The loop's thread. */

#include "numbers.h"
#include "service.h"

enum {
	COUNTED_ROUTES = 16,
	COUNTED_STATUSES = 16 /* of a route; what is beyond counts as the last */
};

struct http_numbers {
	struct {
		const char *method, *path; /* path "": no route */
		int statuses[COUNTED_STATUSES];
		int64_t counts[COUNTED_STATUSES];
		struct times times;
	} routes[COUNTED_ROUTES];
	size_t count;
};

void http_numbers_add(struct http_numbers *numbers, const struct http_call *call);

/* Replies with all numbers: the participant's, its HTTP's, the service's own. */
void http_numbers_reply(const struct http_numbers *numbers, const struct http *http,
	const struct service *service, const saga_participant *participant, struct http_call *call);

#endif
