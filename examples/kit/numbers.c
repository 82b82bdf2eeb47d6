#include "numbers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t bounds[TIMES_BOUNDS] = { 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	1000000, 5000000, 30000000, 300000000 };

/* ---- times ---- */

void times_add(struct times *times, int64_t us)
{
	size_t i = 0;

	while (i < TIMES_BOUNDS && us > bounds[i])
		i++;
	(void)__atomic_add_fetch(&times->counts[i], 1, __ATOMIC_RELAXED);
	(void)__atomic_add_fetch(&times->sum, us, __ATOMIC_RELAXED);
}

void times_tell(const struct times *times, const char *name, const char *help,
	const saga_metric_label *labels, size_t label_count, saga_metric_fn *each, void *user)
{
	int64_t counts[TIMES_BOUNDS + 1];

	for (size_t i = 0; i <= TIMES_BOUNDS; i++)
		counts[i] = __atomic_load_n(&times->counts[i], __ATOMIC_RELAXED);
	each(user,
		&(saga_metric){ .name = name,
			.help = help,
			.kind = SAGA_HISTOGRAM,
			.labels = labels,
			.label_count = label_count,
			.value = __atomic_load_n(&times->sum, __ATOMIC_RELAXED),
			.bounds = bounds,
			.counts = counts,
			.bound_count = TIMES_BOUNDS });
}

/* ---- the page ---- */

static bool grow(struct page *page, size_t more)
{
	size_t room = page->room ? 2 * page->room : 16384;
	char *text;

	while (room - page->size < more)
		room *= 2;
	if (!(text = realloc(page->text, room)))
		return false;
	page->text = text;
	page->room = room;
	return true;
}

void page_add(void *user, const saga_metric *metric)
{
	struct page *page = user;
	bool is_first = strcmp(page->last, metric->name) != 0;
	size_t more = saga_metric_text(metric, is_first, NULL, 0) + 1;

	assert(strlen(metric->name) < sizeof page->last);
	page->is_short = page->is_short || (page->room - page->size < more && !grow(page, more));
	if (page->is_short)
		return;
	page->size += saga_metric_text(metric, is_first, page->text + page->size, more);
	(void)snprintf(page->last, sizeof page->last, "%s", metric->name);
}
