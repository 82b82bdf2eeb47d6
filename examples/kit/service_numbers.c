#include "service_numbers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int http_numbers_init(struct http_numbers *numbers, const struct http_route *const *tables)
{
	size_t count = 1;

	for (const struct http_route *const *table = tables; *table; table++)
		for (const struct http_route *route = *table; route->method; route++)
			count++;
	numbers->routes = calloc(count, sizeof *numbers->routes);
	if (!numbers->routes)
		return -1;
	numbers->count = count;
	count = 1; /* the first is that of no route */
	for (; *tables; tables++)
		for (const struct http_route *route = *tables; route->method; route++)
			numbers->routes[count++].route = route;
	return 0;
}

void http_numbers_free(struct http_numbers *numbers)
{
	free(numbers->routes);
}

/* A route's own method and path: texts that clients make up must not grow the page. */
void http_numbers_add(struct http_numbers *numbers, const struct http_call *call)
{
	const struct http_route *route = http_route_of(call);
	struct counted_route *counted = numbers->routes;
	size_t i = 0;

	while (counted->route != route) {
		counted++;
		assert(counted < numbers->routes + numbers->count);
	}
	while (i < COUNTED_STATUSES - 1 && counted->statuses[i] &&
		counted->statuses[i] != http_status(call))
		i++;
	counted->statuses[i] = http_status(call);
	counted->counts[i]++;
	times_add(&counted->times, (int64_t)http_micros(call));
}

/* Labels: method, route, and a status where it is given. */
static void label(
	saga_metric_label labels[3], const struct counted_route *counted, const char *status)
{
	const struct http_route *route = counted->route;

	labels[0] = (saga_metric_label){ "method", route ? route->method : "" };
	labels[1] = (saga_metric_label){ "route", route ? route->path : "" };
	labels[2] = (saga_metric_label){ "status", status };
}

static void tell_requests(const struct http_numbers *numbers, struct page *page)
{
	saga_metric_label labels[3];
	char status[16];

	for (size_t i = 0; i < numbers->count; i++)
		for (size_t k = 0; k < COUNTED_STATUSES && numbers->routes[i].counts[k]; k++) {
			snprintf(status, sizeof status, "%d", numbers->routes[i].statuses[k]);
			label(labels, &numbers->routes[i], status);
			page_add(page,
				&(saga_metric){ .name = "http_requests_total",
					.help = "requests, by the status of their reply",
					.kind = SAGA_COUNTER,
					.labels = labels,
					.label_count = 3,
					.value = numbers->routes[i].counts[k] });
		}
	for (size_t i = 0; i < numbers->count; i++) {
		if (!numbers->routes[i].counts[0])
			continue;
		label(labels, &numbers->routes[i], "");
		times_tell(&numbers->routes[i].times, "http_request_seconds",
			"from a request's headers to its reply", labels, 2, page_add, page);
	}
}

static void tell_connections(const struct http *http, struct page *page)
{
	struct http_losses losses = http_losses(http);
	const struct {
		const char *why;
		int64_t count;
	} lost[] = { { "late", losses.late }, { "crowded", losses.crowded } };

	page_add(page,
		&(saga_metric){ .name = "http_connections",
			.help = "connections that are open",
			.kind = SAGA_GAUGE,
			.value = (int64_t)http_connections(http) });
	for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
		page_add(page,
			&(saga_metric){ .name = "http_lost_total",
				.help = "connections closed for being late, or for a newer one",
				.kind = SAGA_COUNTER,
				.labels = &(saga_metric_label){ "why", lost[i].why },
				.label_count = 1,
				.value = lost[i].count });
}

void http_numbers_reply(const struct http_numbers *numbers, const struct http *http,
	const struct service_def *def, const saga_participant *participant, struct http_call *call)
{
	struct page page = { .text = NULL };

	saga_metrics(participant, page_add, &page);
	tell_requests(numbers, &page);
	tell_connections(http, &page);
	if (def->count)
		def->count(def->own, page_add, &page);
	if (page.is_short)
		http_problem(call, 503, "NOMEM", "out of memory");
	else
		http_text(call, 200, SAGA_METRICS_TYPE, page.text, page.size);
	free(page.text);
}
