#include "numbers.h"

#include <inttypes.h>
#include <stdarg.h>
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

static void put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct page *page, const char *format, ...)
{
	va_list list;
	int size;

	if (page->room - page->size < 1024) {
		size_t room = page->room ? 2 * page->room : 16384;
		char *more = realloc(page->text, room);

		if (!more) {
			page->is_short = true;
			return;
		}
		page->text = more;
		page->room = room;
	}
	va_start(list, format);
	size = vsnprintf(page->text + page->size, page->room - page->size, format, list);
	va_end(list);
	/* Names are short: what does not fit is none of ours. */
	if (size < 0 || (size_t)size >= page->room - page->size)
		page->is_short = true;
	else
		page->size += (size_t)size;
}

static void put_value(struct page *page, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			put(page, "\\%c", *text);
		else if (*text == '\n')
			put(page, "\\n");
		else
			put(page, "%c", *text);
	}
}

/* {a="b",c="d"}; with a bound, that too. */
static void put_labels(struct page *page, const saga_metric *metric, const char *bound)
{
	const char *before = "{";

	for (size_t i = 0; i < metric->label_count; i++) {
		put(page, "%s%s=\"", before, metric->labels[i].name);
		put_value(page, metric->labels[i].value);
		put(page, "\"");
		before = ",";
	}
	if (bound)
		put(page, "%sle=\"%s\"", before, bound);
	put(page, "%s ", metric->label_count || bound ? "}" : "");
}

static void put_histogram(struct page *page, const saga_metric *metric)
{
	int64_t below = 0;

	for (size_t i = 0; i <= metric->bound_count; i++) {
		char bound[32] = "+Inf";

		if (i < metric->bound_count)
			snprintf(bound, sizeof bound, "%g", (double)metric->bounds[i] / 1e6);
		below += metric->counts[i];
		put(page, "%s_bucket", metric->name);
		put_labels(page, metric, bound);
		put(page, "%" PRId64 "\n", below);
	}
	put(page, "%s_sum", metric->name);
	put_labels(page, metric, NULL);
	put(page, "%.6f\n%s_count", (double)metric->value / 1e6, metric->name);
	put_labels(page, metric, NULL);
	put(page, "%" PRId64 "\n", below);
}

void page_add(void *user, const saga_metric *metric)
{
	static const char *const kinds[] = { "untyped", "counter", "gauge", "histogram" };
	struct page *page = user;

	if (strcmp(page->last, metric->name) != 0) {
		put(page, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
			kinds[metric->kind]);
		snprintf(page->last, sizeof page->last, "%s", metric->name);
	}
	if (metric->kind == SAGA_HISTOGRAM) {
		put_histogram(page, metric);
		return;
	}
	put(page, "%s", metric->name);
	put_labels(page, metric, NULL);
	put(page, "%" PRId64 "\n", metric->value);
}
