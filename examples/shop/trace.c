#include "trace.h"

#include "complain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct told {
	saga_event *event;
	int64_t seq;
};

struct story {
	saga_id saga;
	bool found;
	struct told *told;
	size_t count;
};

static int saga_row(void *context, const saga_value *column)
{
	struct story *story = context;

	story->saga = reads_id(&column[0]);
	story->found = true;
	return SAGA_OK;
}

static int event_row(void *context, const saga_value *column)
{
	struct story *story = context;
	struct told *longer = realloc(story->told, (story->count + 1) * sizeof *longer);
	int code;

	if (!longer)
		return SAGA_NOMEM;
	story->told = longer;
	longer += story->count;
	*longer = (struct told){ .seq = reads_int64(&column[0]) };
	code = saga_event_read(column[1].as.bytes, &longer->event, NULL);
	if (code == SAGA_OK)
		story->count++;
	return code;
}

static int ask(const char *url, const char *sql, saga_value value, size_t column_count,
	reads_row_fn *row, struct story *story, saga_error *error)
{
	struct reads *reads;
	int code = reads_open(url, &reads, error);

	if (code != SAGA_OK)
		return code;
	code = reads_rows(reads, sql, &value, 1, column_count, row, story, error);
	reads_close(reads);
	return code;
}

/* ---- order: by time; within a millisecond as one leads to another ---- */

static int by_time(const void *a, const void *b)
{
	const struct told *left = a, *right = b;
	int64_t left_time = saga_event_time(left->event);
	int64_t right_time = saga_event_time(right->event);

	if (left_time != right_time)
		return left_time < right_time ? -1 : 1;
	return (left->seq > right->seq) - (left->seq < right->seq);
}

static bool causes(const saga_event *cause, const saga_event *event)
{
	saga_id id = saga_event_id(cause), of = saga_event_cause(event);

	return memcmp(&id, &of, sizeof id) == 0;
}

/* Each event goes in front of what came of it; a cause is never far. */
static void sort_story(struct story *story)
{
	if (story->count)
		qsort(story->told, story->count, sizeof *story->told, by_time);
	for (size_t i = 0; i < story->count; i++)
		for (size_t j = i + 1; j < story->count; j++)
			if (causes(story->told[j].event, story->told[i].event)) {
				struct told cause = story->told[j];

				memmove(&story->told[i + 1], &story->told[i],
					(j - i) * sizeof *story->told);
				story->told[i] = cause;
				j = i;
			}
}

/* ---- printing ---- */

static void print_time(int64_t ms, FILE *out)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;
	char text[32];

	gmtime_r(&seconds, &parts);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
	fprintf(out, "%s.%03d", text, (int)(ms % 1000));
}

/* A column of at least that width. */
static void print_text(const char *text, size_t width, FILE *out)
{
	size_t size = saga_text_shown(text, NULL, 0);

	put_shown(out, text);
	fprintf(out, "%*s", size < width ? (int)(width - size) : 0, "");
}

static void print_event(const saga_event *event, int64_t since, FILE *out)
{
	const char *subject = saga_event_subject(event);
	size_t size = saga_event_json(event, NULL, 0);
	char *json = malloc(size + 1);

	if (json)
		saga_event_json(event, json, size + 1);
	print_time(saga_event_time(event), out);
	fprintf(out, " %+6" PRId64 " ms  ", saga_event_time(event) - since);
	print_text(saga_event_source(event), 8, out);
	fputc(' ', out);
	print_text(saga_event_type(event), 20, out);
	fprintf(out, " %s%s", json ? json : "", *subject ? "  " : "");
	put_shown(out, subject);
	fputc('\n', out);
	free(json);
}

static void print_story(const struct story *story, const char *ref, FILE *out)
{
	char saga[SAGA_ID_TEXT];

	fputs("order ", out);
	put_shown(out, ref);
	fprintf(out, ", saga %s\n", saga_id_text(story->saga, saga));
	for (size_t i = 0; i < story->count; i++)
		print_event(story->told[i].event, saga_event_time(story->told[0].event), out);
	if (story->count == 0)
		fprintf(out, "no event of it is left\n");
}

int trace_order(const struct shop_stores *stores, const char *ref, FILE *out, saga_error *error)
{
	const char *const urls[] = { stores->order, stores->payment, stores->stock };
	struct story story = { .found = false };
	int code = ask(stores->order, "SELECT saga FROM orders WHERE ref = ?", saga_text(ref), 1,
		saga_row, &story, error);

	if (code == SAGA_OK && !story.found)
		code = saga_error_set(error, SAGA_MALFORMED, "no such order: %s", ref);
	for (size_t i = 0; i < 3 && code == SAGA_OK; i++)
		code = ask(urls[i], "SELECT seq, event FROM saga_outbox WHERE saga = ?",
			saga_uuid(story.saga), 2, event_row, &story, error);
	if (code == SAGA_OK) {
		sort_story(&story);
		print_story(&story, ref, out);
	}
	for (size_t i = 0; i < story.count; i++)
		saga_event_free(story.told[i].event);
	free(story.told);
	return code;
}
