#include "service_numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t route_of(struct http_numbers *numbers, const char *method, const char *path)
{
	size_t i = 0;

	while (i < numbers->count &&
		(strcmp(numbers->routes[i].method, method) != 0 ||
			strcmp(numbers->routes[i].path, path) != 0))
		i++;
	if (i == numbers->count && i < COUNTED_ROUTES - 1) {
		numbers->routes[i].method = method;
		numbers->routes[i].path = path;
		numbers->count++;
	}
	return i;
}

/* Methods and paths of the table: what clients make up must not grow it. */
void http_numbers_add(struct http_numbers *numbers, const struct http_call *call)
{
	const struct http_route *route = http_route_of(call);
	size_t at = route_of(numbers, route ? route->method : "", route ? route->path : "");
	size_t i = 0;

	while (i < COUNTED_STATUSES - 1 && numbers->routes[at].statuses[i] &&
		numbers->routes[at].statuses[i] != http_status(call))
		i++;
	numbers->routes[at].statuses[i] = http_status(call);
	numbers->routes[at].counts[i]++;
	times_add(&numbers->routes[at].times, (int64_t)http_micros(call));
}

static void tell_requests(const struct http_numbers *numbers, struct page *page)
{
	for (size_t i = 0; i < numbers->count; i++)
		for (size_t k = 0; k < COUNTED_STATUSES && numbers->routes[i].counts[k]; k++) {
			char status[16];
			const saga_metric_label labels[] = {
				{ "method", numbers->routes[i].method },
				{ "route", numbers->routes[i].path },
				{ "status", status },
			};

			snprintf(status, sizeof status, "%d", numbers->routes[i].statuses[k]);
			page_add(page,
				&(saga_metric){ .name = "shop_http_requests_total",
					.help = "requests, by what they were answered",
					.kind = SAGA_COUNTER,
					.labels = labels,
					.label_count = 3,
					.value = numbers->routes[i].counts[k] });
		}
	for (size_t i = 0; i < numbers->count; i++) {
		const saga_metric_label labels[] = {
			{ "method", numbers->routes[i].method },
			{ "route", numbers->routes[i].path },
		};

		times_tell(&numbers->routes[i].times, "shop_http_request_seconds",
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
		&(saga_metric){ .name = "shop_http_connections",
			.help = "connections that are open",
			.kind = SAGA_GAUGE,
			.value = (int64_t)http_connections(http) });
	for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
		page_add(page,
			&(saga_metric){ .name = "shop_http_lost_total",
				.help = "connections closed for being late, or for a newer one",
				.kind = SAGA_COUNTER,
				.labels = &(saga_metric_label){ "why", lost[i].why },
				.label_count = 1,
				.value = lost[i].count });
}

void http_numbers_reply(const struct http_numbers *numbers, const struct http *http,
	const struct service *service, const saga_participant *participant, struct http_call *call)
{
	struct page page = { .text = NULL };

	saga_metrics(participant, page_add, &page);
	tell_requests(numbers, &page);
	tell_connections(http, &page);
	if (service->def->count)
		service->def->count(service, page_add, &page);
	if (page.is_short)
		http_problem(call, 503, "NOMEM", "out of memory");
	else
		http_text(call, 200, "text/plain; version=0.0.4; charset=utf-8", page.text,
			page.size);
	free(page.text);
}
