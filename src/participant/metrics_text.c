/* Samples as Prometheus reads them: text exposition format 0.0.4. */

#include <saga/metrics.h>

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The text counts what does not fit and does not write it; the last byte is kept for the NUL. */
struct page {
	char *at;
	size_t room;
	size_t length;
	char last
		[64]; /* the name of the sample before: HELP and TYPE are written once for a name */
};

static struct page page_of(char *buffer, size_t size)
{
	return (struct page){ buffer, size ? size - 1 : 0, 0, "" };
}

static size_t page_end(const struct page *page, size_t size)
{
	if (size)
		page->at[page->length < page->room ? page->length : page->room] = '\0';
	return page->length;
}

static void put_bytes(struct page *page, const char *text, size_t size)
{
	if (page->length < page->room) {
		size_t room = page->room - page->length;

		memcpy(page->at + page->length, text, size < room ? size : room);
	}
	page->length += size;
}

static void put(struct page *page, const char *text)
{
	put_bytes(page, text, strlen(text));
}

static void put_number(struct page *page, int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, number);
	put(page, text);
}

/* Microseconds as seconds. Not by %f: its decimal point is the host's locale's. */
static void put_seconds(struct page *page, int64_t us)
{
	uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;
	char text[32];
	size_t length = (size_t)snprintf(text, sizeof text, "%s%" PRIu64 ".%06" PRIu64,
		us < 0 ? "-" : "", size / 1000000, size % 1000000);

	while (text[length - 1] == '0')
		length--;
	put_bytes(page, text, text[length - 1] == '.' ? length - 1 : length);
}

static void put_escaped(struct page *page, const char *text, const char *also)
{
	for (; *text; text++) {
		if (*text == '\n') {
			put(page, "\\n");
			continue;
		}
		if (*text == '\\' || strchr(also, *text))
			put(page, "\\");
		put_bytes(page, text, 1);
	}
}

/* NAME{a="b",c="d"} and a blank; le is the bound of a histogram's bucket, NULL: none. */
static void put_name(
	struct page *page, const saga_metric *metric, const char *suffix, const int64_t *le)
{
	const char *before = "{";

	put(page, metric->name);
	put(page, suffix);
	for (size_t i = 0; i < metric->label_count; i++) {
		put(page, before);
		put(page, metric->labels[i].name);
		put(page, "=\"");
		put_escaped(page, metric->labels[i].value, "\"");
		put(page, "\"");
		before = ",";
	}
	if (le) {
		put(page, before);
		put(page, "le=\"");
		if (*le == INT64_MAX)
			put(page, "+Inf");
		else
			put_seconds(page, *le);
		put(page, "\"");
		before = ",";
	}
	put(page, *before == ',' ? "} " : " ");
}

/* The library counts each bucket alone; Prometheus wants the sum of all up to it. */
static void put_histogram(struct page *page, const saga_metric *metric)
{
	const int64_t endless = INT64_MAX;
	int64_t below = 0;

	for (size_t i = 0; i <= metric->bound_count; i++) {
		below += metric->counts[i];
		put_name(page, metric, "_bucket",
			i < metric->bound_count ? &metric->bounds[i] : &endless);
		put_number(page, below);
		put(page, "\n");
	}
	put_name(page, metric, "_sum", NULL);
	put_seconds(page, metric->value);
	put(page, "\n");
	put_name(page, metric, "_count", NULL);
	put_number(page, below);
	put(page, "\n");
}

static const char *kind_name(saga_metric_kind kind)
{
	switch (kind) {
	case SAGA_COUNTER:
		return "counter";
	case SAGA_GAUGE:
		return "gauge";
	case SAGA_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

static void put_head(struct page *page, const saga_metric *metric)
{
	put(page, "# HELP ");
	put(page, metric->name);
	put(page, " ");
	put_escaped(page, metric->help, "");
	put(page, "\n# TYPE ");
	put(page, metric->name);
	put(page, " ");
	put(page, kind_name((saga_metric_kind)metric->kind));
	put(page, "\n");
}

static void put_sample(struct page *page, const saga_metric *metric)
{
	if (metric->kind == SAGA_HISTOGRAM) {
		put_histogram(page, metric);
		return;
	}
	put_name(page, metric, "", NULL);
	put_number(page, metric->value);
	put(page, "\n");
}

static void add(void *user, const saga_metric *metric)
{
	struct page *page = user;

	if (strcmp(page->last, metric->name) != 0) {
		assert(strlen(metric->name) < sizeof page->last);
		put_head(page, metric);
		(void)snprintf(page->last, sizeof page->last, "%s", metric->name);
	}
	put_sample(page, metric);
}

size_t saga_metric_text(const saga_metric *metric, bool is_first, char *buffer, size_t size)
{
	struct page page = page_of(buffer, size);

	if (is_first)
		put_head(&page, metric);
	put_sample(&page, metric);
	return page_end(&page, size);
}

size_t saga_metrics_text(const saga_participant *participant, char *buffer, size_t size)
{
	struct page page = page_of(buffer, size);

	saga_metrics(participant, add, &page);
	return page_end(&page, size);
}
