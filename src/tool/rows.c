#include "rows.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../step/plan.h"

#define SELECT_ROWS \
	"SELECT p.saga, p.id, p.step, p.subject, p.role, p.kind, p.attempts, p.due, p.behind," \
	" p.why, p.event, p.question, p.at, p.command, p.outcome, p.body, s.state, s.was, s.why," \
	" s.attempts, s.moved FROM saga_parked p LEFT JOIN saga_slot s" \
	" ON s.saga = p.saga AND s.step = p.step AND s.subject = p.subject "

enum {
	LIVE_BYTES = 4 * 1024 * 1024,
	FITS_TOLD = 4
};

const char *role_name(enum saga__role role)
{
	switch (role) {
	case SAGA__ROLE_RUN:
		return "run";
	case SAGA__ROLE_UNDO:
		return "undo";
	case SAGA__ROLE_BAR:
		return "bar";
	case SAGA__ROLE_REFUSE:
		return "refuse";
	case SAGA__ROLE_UNLESS:
		return "withdraw";
	case SAGA__ROLE_PUBLISH:
		return "publish";
	default:
		return "";
	}
}

/* ---- one row ---- */

static const char *text_of(struct saga__arena *arena, const saga_value *column)
{
	return column->kind == SAGA_VALUE_TEXT
		? saga__arena_text(arena, column->as.bytes.at, column->as.bytes.size)
		: "";
}

/* Bytes that are a NULL are of no size, and are not copied. */
static bool bytes_of(struct saga__arena *arena, const saga_value *column, saga_bytes *ret_bytes)
{
	*ret_bytes = (saga_bytes){ NULL, 0 };
	if (column->kind != SAGA_VALUE_BYTES || !column->as.bytes.size)
		return true;
	ret_bytes->at = saga__arena_text(arena, column->as.bytes.at, column->as.bytes.size);
	ret_bytes->size = column->as.bytes.size;
	return ret_bytes->at != NULL;
}

static int read_row(struct saga__arena *arena, const saga_value *c, struct row *ret_row)
{
	const char *kind = text_of(arena, &c[5]);
	struct row row = {
		.parked = {
			.saga = column_id(&c[0]),
			.id = column_id(&c[1]),
			.row = text_of(arena, &c[2]),
			.subject = text_of(arena, &c[3]),
			.role = (enum saga__role)column_number(&c[4]),
			.kind = kind ? saga__parked_kind_of(kind) : 0,
			.attempts = (int)column_number(&c[6]),
			.due = column_number(&c[7]),
			.behind = text_of(arena, &c[8]),
			.why = text_of(arena, &c[9]),
			.outcome = text_of(arena, &c[14]),
			.body = text_of(arena, &c[15]),
		},
		.at = column_number(&c[12]),
		.command = text_of(arena, &c[13]),
		.state = text_of(arena, &c[16]),
		.was = text_of(arena, &c[17]),
		.why = text_of(arena, &c[18]),
		.runs = column_number(&c[19]),
		.moved = column_number(&c[20]),
	};
	struct saga__parked *parked = &row.parked;

	if (!bytes_of(arena, &c[10], &parked->event) ||
		!bytes_of(arena, &c[11], &parked->question) || !kind || !parked->row ||
		!parked->subject || !parked->behind || !parked->why || !parked->outcome ||
		!parked->body || !row.command || !row.state || !row.was || !row.why)
		return SAGA_NOMEM;
	*ret_row = row;
	return SAGA_OK;
}

/* ---- several ---- */

struct each {
	struct saga__arena arena; /* a row's */
	rows_each *each;
	void *context;
};

static int take_each(void *context, const saga_value *columns)
{
	struct each *each = context;
	struct row row;
	int code;

	saga__arena_reset(&each->arena);
	code = read_row(&each->arena, columns, &row);
	return code == SAGA_OK ? each->each(each->context, &row) : code;
}

static int run_each(struct store *store, const char *sql, const saga_value *values, size_t count,
	rows_each *row, void *context, saga_error *error)
{
	struct each each = { .each = row, .context = context };
	int code;

	saga__arena_init(&each.arena, LIVE_BYTES);
	(void)saga_error_set(error, SAGA_NOMEM, "out of memory");
	code = store_run(store, sql, values, count, take_each, &each, NULL, error);
	saga__arena_free(&each.arena);
	return code;
}

int rows_list(
	struct store *store, const char *kind, rows_each *each, void *context, saga_error *error)
{
	saga_value values[SAGA__PARKED_KINDS - 1];
	bool all = kind && strcmp(kind, "all") == 0;

	for (int i = 1; i < SAGA__PARKED_KINDS; i++)
		values[i - 1] = saga_text(all ? saga__parked_kind_name((enum saga__parked_kind)i)
				: kind        ? kind
				: i % 2       ? "held"
					      : "letter");
	return run_each(store, SELECT_ROWS "WHERE p.kind IN (?, ?, ?, ?, ?, ?) ORDER BY p.at, p.id",
		values, SAGA__PARKED_KINDS - 1, each, context, error);
}

int rows_of_saga(
	struct store *store, saga_id saga, rows_each *each, void *context, saga_error *error)
{
	return run_each(store, SELECT_ROWS "WHERE p.saga = ? ORDER BY p.due, p.id",
		STORE_VALUES(saga_uuid(saga)), each, context, error);
}

/* ---- the one that is meant ---- */

struct finding {
	struct saga__arena *arena;
	struct row *row;
	size_t count;
	char fits[FITS_TOLD * (SAGA_ID_TEXT + 1)];
};

static int take_found(void *context, const saga_value *columns)
{
	struct finding *finding = context;
	char text[SAGA_ID_TEXT];
	size_t length = strlen(finding->fits);

	if (finding->count++ < FITS_TOLD)
		(void)snprintf(finding->fits + length, sizeof finding->fits - length, " %s",
			saga_id_text(column_id(&columns[1]), text));
	return finding->count == 1 ? read_row(finding->arena, columns, finding->row) : SAGA_OK;
}

int rows_find(struct store *store, const struct id_range *range, struct saga__arena *arena,
	struct row *ret_row, saga_error *error)
{
	struct row row;
	struct finding finding = { .arena = arena, .row = &row };
	int code;

	(void)saga_error_set(error, SAGA_NOMEM, "out of memory");
	code = store_run(store, SELECT_ROWS "WHERE p.id >= ? AND p.id <= ? ORDER BY p.id",
		STORE_VALUES(saga_uuid(range->first), saga_uuid(range->last)), take_found, &finding,
		NULL, error);
	if (code != SAGA_OK)
		return code;
	if (!finding.count)
		return saga_error_set(
			error, SAGA_MISUSE, "`%s`: there is no such row", range->text);
	if (finding.count > 1)
		return saga_error_set(error, SAGA_MISUSE,
			"`%s` is the beginning of %zu rows, write more of it:%s%s", range->text,
			finding.count, finding.fits, finding.count > FITS_TOLD ? " ..." : "");
	*ret_row = row;
	return SAGA_OK;
}

/* ---- counts ---- */

static int take_count(void *context, const saga_value *columns)
{
	int64_t *counts = context;
	char kind[16] = "";

	if (columns[0].kind == SAGA_VALUE_TEXT)
		(void)snprintf(kind, sizeof kind, "%.*s", (int)columns[0].as.bytes.size,
			(const char *)columns[0].as.bytes.at);
	counts[saga__parked_kind_of(kind)] += column_number(&columns[1]);
	return SAGA_OK;
}

int rows_count(struct store *store, int64_t counts[SAGA__PARKED_KINDS], saga_error *error)
{
	memset(counts, 0, SAGA__PARKED_KINDS * sizeof counts[0]);
	return store_run(store, "SELECT kind, COUNT(*) AS n FROM saga_parked GROUP BY kind", NULL,
		0, take_count, counts, NULL, error);
}
