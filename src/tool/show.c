/* saga show: one saga, as one participant's store knows it. */

#include "look.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../event/id.h"
#include "../step/slot.h"

struct view {
	struct store *store;
	bool json;
	int64_t now;
	saga_id saga;
	struct table table;
	size_t count;
};

static void text_of(const saga_value *column, char *buffer, size_t size)
{
	bool text = column->kind == SAGA_VALUE_TEXT;

	(void)snprintf(buffer, size, "%.*s", text ? (int)column->as.bytes.size : 0,
		text ? (const char *)column->as.bytes.at : "");
}

/* ---- which saga ---- */

struct finding {
	saga_id saga;
	size_t count;
};

static int take_saga(void *context, const saga_value *columns)
{
	struct finding *finding = context;

	finding->saga = column_id(&columns[0]);
	finding->count++;
	return SAGA_OK;
}

static int find_saga(
	struct store *store, const struct id_range *range, saga_id *ret_saga, saga_error *error)
{
	const saga_value first = saga_uuid(range->first), last = saga_uuid(range->last);
	struct finding finding = { .count = 0 };
	int code = store_run(store,
		"SELECT saga FROM saga_slot WHERE saga >= ? AND saga <= ?"
		" UNION SELECT saga FROM saga_parked WHERE saga >= ? AND saga <= ?"
		" UNION SELECT saga FROM saga_outbox WHERE saga >= ? AND saga <= ?",
		STORE_VALUES(first, last, first, last, first, last), take_saga, &finding, NULL,
		error);

	if (code != SAGA_OK)
		return code;
	if (finding.count > 1)
		return saga_error_set(error, SAGA_MISUSE,
			"`%s` is the beginning of %zu sagas, write more of it", range->text,
			finding.count);
	if (!finding.count)
		return saga_error_set(error, SAGA_MISUSE,
			"`%s`: `%s` knows no such saga, or has forgotten it", range->text,
			store->participant);
	*ret_saga = finding.saga;
	return SAGA_OK;
}

/* ---- slots ---- */

static const char *const slot_columns[] = { "STEP", "SUBJECT", "STATE", "ATTEMPTS", "SINCE", "WHY",
	NULL };

enum {
	SLOT_STEP,
	SLOT_SUBJECT,
	SLOT_STATE,
	SLOT_WAS,
	SLOT_ATTEMPTS,
	SLOT_MOVED,
	SLOT_WHY,
	SLOT_DUE,
	SLOT_CALL_WHY
};

struct slot {
	char step[96], subject[256], state[16], was[16], why[1024];
	int64_t attempts, moved, due;
	bool parked; /* a schedule or a call that is parked */
};

/* A join keeps the event that it misses as its reason, a call's reason stands in its parked row. */
static void explain(struct slot *slot, const saga_value *columns)
{
	const char *what = strcmp(slot->state, "trying") == 0 ? "its outside call goes on"
		: strcmp(slot->state, "undoing") == 0         ? "its undo's outside call goes on"
							      : "";
	char call[512];

	text_of(&columns[SLOT_CALL_WHY], call, sizeof call);
	if (*what && !*slot->why)
		(void)snprintf(
			slot->why, sizeof slot->why, "%s%s%s", what, *call ? ": " : "", call);
}

static void read_slot(const saga_value *columns, struct slot *ret_slot)
{
	struct slot *slot = ret_slot;

	text_of(&columns[SLOT_STEP], slot->step, sizeof slot->step);
	text_of(&columns[SLOT_SUBJECT], slot->subject, sizeof slot->subject);
	text_of(&columns[SLOT_STATE], slot->state, sizeof slot->state);
	text_of(&columns[SLOT_WAS], slot->was, sizeof slot->was);
	text_of(&columns[SLOT_WHY], slot->why, sizeof slot->why);
	slot->attempts = column_number(&columns[SLOT_ATTEMPTS]);
	slot->moved = column_number(&columns[SLOT_MOVED]);
	slot->parked = columns[SLOT_DUE].kind != SAGA_VALUE_NULL;
	slot->due = column_number(&columns[SLOT_DUE]);
	explain(slot, columns);
}

static void slot_json(const struct slot *slot)
{
	struct saga__json json;

	json = json_begin(stdout);
	json_text(&json, "what", "slot");
	json_text(&json, "step", slot->step);
	json_text(&json, "subject", slot->subject);
	json_text(&json, "state", slot->state);
	json_text(&json, "was", slot->was);
	json_number(&json, "attempts", slot->attempts);
	json_time(&json, "since", slot->moved);
	json_text(&json, "why", slot->why);
	json_end(&json);
}

static int take_slot(void *context, const saga_value *columns)
{
	struct view *view = context;
	char time[TIME_TEXT];
	struct slot slot;

	read_slot(columns, &slot);
	if (strchr(slot.step, '>'))
		return SAGA_OK;
	view->count++;
	if (view->json) {
		slot_json(&slot);
		return SAGA_OK;
	}
	table_add(&view->table, "%s", slot.step);
	table_add(&view->table, "%s", slot.subject);
	table_add(&view->table, "%s%s%s%s", slot.state, *slot.was ? " (was " : "", slot.was,
		*slot.was ? ")" : "");
	table_add(&view->table, "%" PRId64, slot.attempts);
	table_add(&view->table, "%s", time_text(slot.moved, view->now, time));
	table_add(&view->table, "%s", slot.why);
	return SAGA_OK;
}

/* ---- schedules, which are slots named STEP>EVENT ---- */

static const char *const schedule_columns[] = { "SCHEDULE", "SUBJECT", "STATE", "TIME", NULL };

static const char *schedule_state(const char *state)
{
	if (strcmp(state, saga__state_name(SAGA__WAITING)) == 0)
		return "armed until";
	if (strcmp(state, saga__state_name(SAGA__DONE)) == 0)
		return "fired";
	return strcmp(state, saga__state_name(SAGA__BARRED)) == 0 ? "withdrawn" : state;
}

static int take_schedule(void *context, const saga_value *columns)
{
	struct view *view = context;
	char time[TIME_TEXT];
	struct slot slot;
	struct saga__json json;

	read_slot(columns, &slot);
	if (!strchr(slot.step, '>'))
		return SAGA_OK;
	view->count++;
	if (!view->json) {
		table_add(&view->table, "%s", slot.step);
		table_add(&view->table, "%s", slot.subject);
		table_add(&view->table, "%s", schedule_state(slot.state));
		table_add(&view->table, "%s",
			time_text(slot.parked ? slot.due : slot.moved, view->now, time));
		return SAGA_OK;
	}
	json = json_begin(stdout);
	json_text(&json, "what", "schedule");
	json_text(&json, "schedule", slot.step);
	json_text(&json, "subject", slot.subject);
	json_text(&json, "state", schedule_state(slot.state));
	json_time(&json, "due", slot.parked ? slot.due : INT64_MAX);
	json_time(&json, "since", slot.moved);
	json_end(&json);
	return SAGA_OK;
}

static int run_slots(struct view *view, store_row *row, saga_error *error)
{
	return store_run(view->store,
		"SELECT s.step, s.subject, s.state, s.was, s.attempts, s.moved, s.why, p.due,"
		" p.why AS call_why FROM saga_slot s LEFT JOIN saga_parked p ON p.saga = s.saga"
		" AND p.step = s.step AND p.subject = s.subject AND p.kind IN ('call', 'schedule')"
		" WHERE s.saga = ? ORDER BY s.moved, s.step, s.subject",
		STORE_VALUES(saga_uuid(view->saga)), row, view, NULL, error);
}

static int view_slots(struct view *view, saga_error *error)
{
	return run_slots(view, take_slot, error);
}

static int view_schedules(struct view *view, saga_error *error)
{
	return run_slots(view, take_schedule, error);
}

/* ---- what is parked ---- */

static int take_parked(void *context, const struct row *row)
{
	struct view *view = context;
	struct saga__json json;

	if (row->parked.kind == SAGA__PARKED_SCHEDULE)
		return SAGA_OK;
	view->count++;
	if (!view->json) {
		add_row(&view->table, row, view->now);
		return SAGA_OK;
	}
	json = json_begin(stdout);
	json_text(&json, "what", "parked");
	put_row_json(&json, row);
	json_end(&json);
	return SAGA_OK;
}

static int view_parked(struct view *view, saga_error *error)
{
	return rows_of_saga(view->store, view->saga, take_parked, view, error);
}

/* ---- what it published ---- */

static const char *const event_columns[] = { "SEQ", "TIME", "TYPE", "SUBJECT", "ID", "BODY", NULL };

static void event_row(struct view *view, int64_t seq, int64_t at, const saga_event *event)
{
	size_t size = saga_event_json(event, NULL, 0) + 1;
	char *body = malloc(size);
	char time[TIME_TEXT], id[SAGA_ID_TEXT];

	if (!body) {
		view->table.lost = true;
		return;
	}
	(void)saga_event_json(event, body, size);
	table_add(&view->table, "%" PRId64, seq);
	table_add(&view->table, "%s", time_text(at, view->now, time));
	table_add(&view->table, "%s", saga_event_type(event));
	table_add(&view->table, "%s", saga_event_subject(event));
	table_add(&view->table, "%s", saga_id_text(saga_event_id(event), id));
	table_add(&view->table, "%s", body);
	free(body);
}

static int event_json(int64_t seq, int64_t at, saga_bytes wire)
{
	struct saga__json json;

	json = json_begin(stdout);
	json_text(&json, "what", "event");
	json_number(&json, "seq", seq);
	json_time(&json, "at", at);
	json_event(&json, "event", wire);
	json_end(&json);
	return SAGA_OK;
}

static int take_event(void *context, const saga_value *columns)
{
	struct view *view = context;
	int64_t seq = column_number(&columns[0]), at = column_number(&columns[1]);
	saga_bytes wire = { NULL, 0 };
	saga_event *event;
	saga_error error;
	int code;

	if (columns[2].kind == SAGA_VALUE_BYTES)
		wire = columns[2].as.bytes;
	view->count++;
	if (view->json)
		return event_json(seq, at, wire);
	if ((code = saga_event_read(wire, &event, &error)) == SAGA_OK) {
		event_row(view, seq, at, event);
		saga_event_free(event);
		return SAGA_OK;
	}
	if (code == SAGA_NOMEM)
		view->table.lost = true;
	table_add(&view->table, "%" PRId64, seq);
	for (int i = 0; i < 4; i++)
		table_add(&view->table, "%s", i ? "" : "?");
	table_add(&view->table, "unreadable: %s", error.text);
	return SAGA_OK;
}

static int view_events(struct view *view, saga_error *error)
{
	unsigned shard = saga__id_shard(view->saga, view->store->shards);

	return store_run(view->store,
		"SELECT seq, at, event FROM saga_outbox WHERE shard = ? AND saga = ? ORDER BY seq",
		STORE_VALUES(saga_int64(shard), saga_uuid(view->saga)), take_event, view, NULL,
		error);
}

/* ---- all of it ---- */

struct part {
	const char *none; /* said when there is nothing; NULL: nothing is said */
	const char *const *columns;
	int (*view)(struct view *view, saga_error *error);
};

static const struct part parts[] = {
	{ "no slots", slot_columns, view_slots },
	{ NULL, schedule_columns, view_schedules },
	{ NULL, row_columns, view_parked },
	{ "no events in the outbox", event_columns, view_events },
};

static int view_part(struct view *view, const struct part *part, saga_error *error)
{
	int code;

	view->count = 0;
	table_init(&view->table, part->columns);
	code = part->view(view, error);
	if (code == SAGA_OK && !view->json && (view->count || part->none)) {
		putchar('\n');
		if (!view->count)
			puts(part->none);
		else if (!table_print(&view->table, stdout))
			code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	table_free(&view->table);
	return code;
}

static void view_head(const struct view *view)
{
	char saga[SAGA_ID_TEXT];
	struct saga__json json;

	if (!view->json) {
		printf("saga %s at `%s`\n", saga_id_text(view->saga, saga),
			view->store->participant);
		return;
	}
	json = json_begin(stdout);
	json_text(&json, "what", "saga");
	json_id(&json, "saga", view->saga);
	json_text(&json, "participant", view->store->participant);
	json_text(&json, "store", view->store->uuid);
	json_end(&json);
}

int show(const struct arguments *arguments)
{
	struct view view = { .json = arguments->json };
	saga_error error = { .code = SAGA_OK };
	struct store store;
	int code = look_open(arguments, &store, &view.now);

	if (code != EXIT_DONE)
		return code;
	view.store = &store;
	code = find_saga(&store, &arguments->ids[0], &view.saga, &error);
	if (code == SAGA_OK)
		view_head(&view);
	for (size_t i = 0; code == SAGA_OK && i < sizeof parts / sizeof parts[0]; i++)
		code = view_part(&view, &parts[i], &error);
	store_close(&store);
	return look_end(code == SAGA_OK ? EXIT_DONE : store_failed(&error));
}
