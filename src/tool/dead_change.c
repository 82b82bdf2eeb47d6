/*
 * saga dead requeue, discard, assert: each changes the store in one transaction, all of it or
 * nothing. A command is only written down; the participant carries it out.
 */

#include "look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WHEN \
	"its participant finds it within a third of its lease (5 s) if it runs, else when it " \
	"starts"

struct change {
	struct store *store;
	const struct arguments *arguments;
	struct saga__arena arena; /* of the rows */
	struct row *rows;         /* one for each id */
	int64_t changed;
	bool printed;
};

/* Does one row, which is the nth of those that were named. */
typedef int change_row(struct change *change, const struct row *row, saga_error *error);

static const char *text_of(saga_id id, char buffer[SAGA_ID_TEXT])
{
	return saga_id_text(id, buffer);
}

static int is_no(const struct row *row, const char *what, saga_error *error)
{
	char id[SAGA_ID_TEXT];

	return saga_error_set(error, SAGA_MISUSE, "`%s` (%s): %s", text_of(row->parked.id, id),
		saga__parked_kind_name(row->parked.kind), what);
}

static int each_row(struct change *change, change_row *one, saga_error *error)
{
	int code = SAGA_OK;

	saga__arena_reset(&change->arena);
	for (int i = 0; code == SAGA_OK && i < change->arguments->id_count; i++) {
		struct row *row = &change->rows[i];

		code = rows_find(
			change->store, &change->arguments->ids[i], &change->arena, row, error);
		if (code == SAGA_OK)
			code = one(change, row, error);
	}
	return code;
}

/* Found under the shard's lock, it can't be gone: else the store does not keep to its rules. */
static int must_be_one(const struct row *row, int code, int64_t changed, saga_error *error)
{
	return code != SAGA_OK || changed == 1 ? code : is_no(row, "it has just gone", error);
}

/* ---- requeue ---- */

static int requeue_row(struct change *change, const struct row *row, saga_error *error)
{
	int64_t now, changed = 0;
	int code;

	switch (row->parked.kind) {
	case SAGA__PARKED_HELD:
	case SAGA__PARKED_LETTER:
	case SAGA__PARKED_RETRY:
		break;
	case SAGA__PARKED_CALL:
		return is_no(row, "its outside call goes on, there is nothing to requeue", error);
	case SAGA__PARKED_BEHIND:
		return is_no(row, "it goes on by itself when the slot before it is settled", error);
	default:
		return is_no(row, "it goes on by itself, there is nothing to requeue", error);
	}
	if ((code = store_now(change->store, &now, error)) != SAGA_OK)
		return code;
	code = store_run(change->store,
		"UPDATE saga_parked SET command = 'requeue', outcome = NULL, body = NULL, due = ?"
		" WHERE saga = ? AND id = ?",
		STORE_VALUES(
			saga_int64(now), saga_uuid(row->parked.saga), saga_uuid(row->parked.id)),
		NULL, NULL, &changed, error);
	return must_be_one(row, code, changed, error);
}

static int requeue_all(struct change *change, saga_error *error)
{
	int64_t now;
	int code = store_now(change->store, &now, error);

	if (code != SAGA_OK)
		return code;
	return store_run(change->store,
		"UPDATE saga_parked SET command = 'requeue', due = ?"
		" WHERE kind IN ('held', 'letter') AND command IS NULL",
		STORE_VALUES(saga_int64(now)), NULL, NULL, &change->changed, error);
}

static int do_requeue(void *context, saga_error *error)
{
	struct change *change = context;

	return change->arguments->all ? requeue_all(change, error)
				      : each_row(change, requeue_row, error);
}

static void tell_requeued(const struct change *change)
{
	char id[SAGA_ID_TEXT];

	for (int i = 0; i < change->arguments->id_count; i++) {
		const struct row *row = &change->rows[i];

		printf("requeued %s%s\n", text_of(row->parked.id, id),
			strcmp(row->command, "assert") == 0 ? ", which was to be asserted" : "");
	}
	if (change->arguments->all && !change->changed)
		puts("nothing to requeue");
	else if (change->arguments->all)
		printf("requeued %" PRId64 " held rows and dead letters; " WHEN "\n",
			change->changed);
	else
		puts(WHEN);
}

/* ---- discard ---- */

static int discard_row(struct change *change, const struct row *row, saga_error *error)
{
	int64_t changed = 0;
	int code;

	if (row->parked.kind == SAGA__PARKED_HELD)
		return is_no(row,
			"a slot hangs on it, so it can't be discarded: requeue it, or assert how "
			"it "
			"ended",
			error);
	if (row->parked.kind != SAGA__PARKED_LETTER)
		return is_no(row, "only dead letters can be discarded", error);
	code = store_run(change->store, "DELETE FROM saga_parked WHERE saga = ? AND id = ?",
		STORE_VALUES(saga_uuid(row->parked.saga), saga_uuid(row->parked.id)), NULL, NULL,
		&changed, error);
	return must_be_one(row, code, changed, error);
}

/* Before the commit: what can't be written down must not be lost. */
static int print_events(struct change *change, saga_error *error)
{
	for (int i = 0; !change->printed && i < change->arguments->id_count; i++) {
		put_event(stdout, change->rows[i].parked.event);
		putchar('\n');
	}
	change->printed = true;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return SAGA_OK;
	return saga_error_set(
		error, SAGA_FULL, "stdout: %s: nothing is discarded", strerror(errno));
}

static int do_discard(void *context, saga_error *error)
{
	struct change *change = context;
	int code = each_row(change, discard_row, error);

	return code == SAGA_OK ? print_events(change, error) : code;
}

/* stdout is the events' alone. */
static void tell_discarded(const struct change *change)
{
	char id[SAGA_ID_TEXT];

	for (int i = 0; i < change->arguments->id_count; i++)
		complain("discarded %s", text_of(change->rows[i].parked.id, id));
}

/* ---- assert ---- */

static int assert_row(struct change *change, const struct row *row, saga_error *error)
{
	const struct arguments *a = change->arguments;
	int64_t now, changed = 0;
	int code;

	if (row->parked.kind != SAGA__PARKED_HELD)
		return is_no(row, "only how a dead or stuck slot ended can be asserted", error);
	if ((code = store_now(change->store, &now, error)) != SAGA_OK)
		return code;
	code = store_run(change->store,
		"UPDATE saga_parked SET command = 'assert', outcome = ?, body = ?, why = ?, due = ?"
		" WHERE saga = ? AND id = ?",
		STORE_VALUES(saga_text(a->outcome), saga_text(a->body), saga_text(a->note),
			saga_int64(now), saga_uuid(row->parked.saga), saga_uuid(row->parked.id)),
		NULL, NULL, &changed, error);
	return must_be_one(row, code, changed, error);
}

static int do_assert(void *context, saga_error *error)
{
	return each_row(context, assert_row, error);
}

static void tell_asserted(const struct change *change)
{
	const struct row *row = &change->rows[0];
	const char *outcome = change->arguments->outcome;
	char id[SAGA_ID_TEXT];

	printf("asserted %s: %s ended ", text_of(row->parked.id, id), row->parked.row);
	if (outcome)
		printf("in %s\n", outcome);
	else
		puts("without an event");
	puts(WHEN "; if it refuses, `saga dead list` says why");
}

/* ---- all of them ---- */

static int change_store(const struct arguments *arguments,
	int (*change)(void *context, saga_error *error), void (*tell)(const struct change *change))
{
	struct change it = { .arguments = arguments };
	saga_error error = { .code = SAGA_OK };
	struct store store;
	int64_t now;
	int code = look_open(arguments, &store, &now);

	if (code != EXIT_DONE)
		return code;
	it.store = &store;
	saga__arena_init(&it.arena, SIZE_MAX);
	it.rows = calloc((size_t)arguments->id_count + 1, sizeof *it.rows);
	code = SAGA_NOMEM;
	if (it.rows)
		code = store_change(&store, change, &it, &error);
	else
		(void)saga_error_set(&error, code, "out of memory");
	if (code == SAGA_OK)
		tell(&it);
	free(it.rows);
	saga__arena_free(&it.arena);
	store_close(&store);
	return look_end(code == SAGA_OK ? EXIT_DONE : store_failed(&error));
}

int dead_requeue(const struct arguments *arguments)
{
	return change_store(arguments, do_requeue, tell_requeued);
}

int dead_discard(const struct arguments *arguments)
{
	return change_store(arguments, do_discard, tell_discarded);
}

int dead_assert(const struct arguments *arguments)
{
	return change_store(arguments, do_assert, tell_asserted);
}
