/* saga dead list, saga dead show: changes nothing. */

#include "look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	ROWS_SHOWN = 1000 /* in a table; --json has no end */
};

/* ---- the store ---- */

int store_failed(const saga_error *error)
{
	(void)fail("%s", error->text);
	return EXIT_FAILED;
}

int look_open(const struct arguments *arguments, struct store *ret_store, int64_t *ret_now)
{
	saga_error error = { .code = SAGA_OK };
	int code = store_open(arguments->store, ret_store, &error);

	if (code != SAGA_OK) {
		(void)fail("option --store: %s", error.text);
		return code == SAGA_MALFORMED ? EXIT_WRONG_USE : EXIT_FAILED;
	}
	if (store_now(ret_store, ret_now, &error) == SAGA_OK)
		return EXIT_DONE;
	store_close(ret_store);
	return store_failed(&error);
}

int look_end(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	(void)fail("stdout: %s", strerror(errno));
	return EXIT_FAILED;
}

/* ---- rows, as all commands show them ---- */

void put_row_json(struct saga__json *json, const struct row *row)
{
	const struct saga__parked *parked = &row->parked;

	json_id(json, "id", parked->id);
	json_text(json, "kind", saga__parked_kind_name(parked->kind));
	json_id(json, "saga", parked->saga);
	json_text(json, "step", parked->row);
	json_text(json, "subject", parked->subject);
	json_text(json, "role", role_name(parked->role));
	json_text(json, "state", row->state);
	json_number(json, "attempts", parked->attempts);
	json_time(json, "due", parked->due);
	json_time(json, "since", row->at);
	json_text(json, "behind", parked->behind);
	json_text(json, "command", row->command);
	json_text(json, "outcome", parked->outcome);
	json_text(json, "why", parked->why);
}

const char *const row_columns[] = { "ID", "KIND", "SAGA", "STEP", "SUBJECT", "ROLE", "STATE",
	"ATTEMPTS", "DUE", "AGE", "WHY", NULL };

/* The reason of a row, and the command of an operator for it. */
static const char *reason_of(const struct row *row)
{
	if (row->parked.kind == SAGA__PARKED_BEHIND && *row->parked.behind)
		return row->parked.behind;
	return row->parked.why;
}

void add_row(struct table *table, const struct row *row, int64_t now)
{
	const struct saga__parked *parked = &row->parked;
	char id[SAGA_ID_TEXT], saga[SAGA_ID_TEXT], due[TIME_TEXT] = "", age[TIME_TEXT];

	if (parked->due != SAGA__NEVER)
		(void)time_text(parked->due, now, due);
	table_add(table, "%s", saga_id_text(parked->id, id));
	table_add(table, "%s", saga__parked_kind_name(parked->kind));
	table_add(table, "%s", saga_id_text(parked->saga, saga));
	table_add(table, "%s", parked->row);
	table_add(table, "%s", parked->subject);
	table_add(table, "%s", role_name(parked->role));
	table_add(table, "%s", row->state);
	table_add(table, "%d", parked->attempts);
	table_add(table, "%s", due);
	table_add(table, "%s", time_relative(row->at, now, age));
	table_add(table, "%s%s%s%s", *row->command ? "to be " : "",
		strcmp(row->command, "assert") == 0 ? "asserted: "
			: *row->command             ? "requeued: "
						    : "",
		parked->kind == SAGA__PARKED_BEHIND ? "behind " : "", reason_of(row));
}

/* ---- list ---- */

struct listing {
	struct table table;
	int64_t now, count;
};

static int list_json(void *context, const struct row *row)
{
	struct saga__json json;

	(void)context;
	json = json_begin(stdout);
	put_row_json(&json, row);
	json_end(&json);
	return SAGA_OK;
}

static int list_row(void *context, const struct row *row)
{
	struct listing *listing = context;

	if (listing->count++ < ROWS_SHOWN)
		add_row(&listing->table, row, listing->now);
	return SAGA_OK;
}

/* "besides: 2 retry, 1 schedule (--kind all shows them)" */
static int tell_others(struct store *store, saga_error *error)
{
	int64_t counts[SAGA__PARKED_KINDS];
	int code = rows_count(store, counts, error);
	const char *before = "besides: ";

	if (code != SAGA_OK)
		return code;
	for (int kind = 1; kind < SAGA__PARKED_KINDS; kind++) {
		if (kind == SAGA__PARKED_HELD || kind == SAGA__PARKED_LETTER || !counts[kind])
			continue;
		printf("%s%" PRId64 " %s", before, counts[kind],
			saga__parked_kind_name((enum saga__parked_kind)kind));
		before = ", ";
	}
	if (*before == ',')
		puts(" (--kind all shows them)");
	return SAGA_OK;
}

static int list_table(
	struct store *store, const struct arguments *arguments, int64_t now, saga_error *error)
{
	struct listing listing = { .now = now };
	int code;

	table_init(&listing.table, row_columns);
	code = rows_list(store, arguments->kind, list_row, &listing, error);
	if (code == SAGA_OK && !listing.count)
		printf("`%s`: %s\n", store->participant,
			arguments->kind ? "there is nothing of that kind"
					: "nothing is dead, stuck or set aside");
	else if (code == SAGA_OK && !table_print(&listing.table, stdout))
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (code == SAGA_OK && listing.count > ROWS_SHOWN)
		printf("and %" PRId64 " more (--json shows all)\n", listing.count - ROWS_SHOWN);
	if (code == SAGA_OK && !arguments->kind)
		code = tell_others(store, error);
	table_free(&listing.table);
	return code;
}

int dead_list(const struct arguments *arguments)
{
	saga_error error = { .code = SAGA_OK };
	struct store store;
	int64_t now;
	int code = look_open(arguments, &store, &now);

	if (code != EXIT_DONE)
		return code;
	code = arguments->json ? rows_list(&store, arguments->kind, list_json, NULL, &error)
			       : list_table(&store, arguments, now, &error);
	store_close(&store);
	return look_end(code == SAGA_OK ? EXIT_DONE : store_failed(&error));
}

/* ---- show ---- */

static void show_json(const struct row *row)
{
	struct saga__json json;

	json = json_begin(stdout);
	put_row_json(&json, row);
	json_text(&json, "slot_was", row->was);
	json_text(&json, "slot_why", row->why);
	json_number(&json, "slot_runs", row->runs);
	json_question(&json, "question", row->parked.question);
	json_event(&json, "event", row->parked.event);
	json_end(&json);
}

static void line(const char *name, const char *text)
{
	if (!*text)
		return;
	printf("%-10s", name);
	put_shown(stdout, text);
	putchar('\n');
}

static const char *meaning(const struct row *row)
{
	switch (row->parked.kind) {
	case SAGA__PARKED_RETRY:
		return "retry: tried again when due";
	case SAGA__PARKED_CALL:
		return "call: its outside call goes on; made again when due";
	case SAGA__PARKED_BEHIND:
		return "behind: until that slot is settled";
	case SAGA__PARKED_SCHEDULE:
		return "schedule: published when due";
	case SAGA__PARKED_HELD:
		return "held: the trigger of a dead or stuck slot; requeue it, or assert how it "
		       "ended";
	case SAGA__PARKED_LETTER:
		return "letter: a dead letter; requeue it, or discard it";
	default:
		return "unknown to this tool";
	}
}

static void show_slot(const struct row *row, int64_t now)
{
	char time[TIME_TEXT];

	if (!*row->state) {
		line("slot", *row->parked.row ? "absent" : "");
		return;
	}
	printf("%-10s%s", "slot", row->state);
	if (*row->was)
		printf(" (was %s)", row->was);
	printf(", %" PRId64 " attempts of its last trigger, since %s\n", row->runs,
		time_text(row->moved, now, time));
	line("", row->why);
}

static void show_lines(const struct row *row, int64_t now)
{
	const struct saga__parked *parked = &row->parked;
	char text[TIME_TEXT];

	line("id", saga_id_text(parked->id, text));
	line("kind", meaning(row));
	line("saga", saga_id_text(parked->saga, text));
	line("step", *parked->row ? parked->row : "all that the event concerns");
	line("subject", parked->subject);
	line("role", role_name(parked->role));
	printf("%-10s%d\n", "attempts", parked->attempts);
	line("due",
		parked->due == SAGA__NEVER ? "not by itself" : time_text(parked->due, now, text));
	line("since", time_text(row->at, now, text));
	line("behind", parked->behind);
	line("command", row->command);
	line("outcome", parked->outcome);
	line("body", parked->body);
	line("why", parked->why);
	show_slot(row, now);
	if (parked->question.size) {
		printf("%-10s", "question");
		put_named(stdout, parked->question);
		putchar('\n');
	}
	printf("%-10s", "event");
	put_event(stdout, parked->event);
	putchar('\n');
}

int dead_show(const struct arguments *arguments)
{
	saga_error error = { .code = SAGA_OK };
	struct saga__arena arena;
	struct store store;
	struct row row;
	int64_t now;
	int code = look_open(arguments, &store, &now);

	if (code != EXIT_DONE)
		return code;
	saga__arena_init(&arena, SIZE_MAX);
	code = rows_find(&store, &arguments->ids[0], &arena, &row, &error);
	if (code == SAGA_OK && arguments->json)
		show_json(&row);
	else if (code == SAGA_OK)
		show_lines(&row, now);
	saga__arena_free(&arena);
	store_close(&store);
	return look_end(code == SAGA_OK ? EXIT_DONE : store_failed(&error));
}
