/* The library's tables: what is read and written beside a batch. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "dialect.h"
#include "journal_look.h"
#include "journal_sql.h"

/* ---- parked rows ---- */

struct due {
	struct saga__arena *arena;
	struct saga__parked **rows;
	size_t count, most;
	bool has_odd; /* rows that can't be read are passed over */
	saga_error *error;
};

static const char *text_of(struct saga__arena *arena, const saga_value *value)
{
	return value->kind == SAGA_VALUE_TEXT
		? saga__arena_text(arena, value->as.bytes.at, value->as.bytes.size)
		: "";
}

/* at NULL: out of memory. */
static saga_bytes bytes_of(struct saga__arena *arena, const saga_value *value)
{
	saga_bytes bytes = { "", 0 };

	if (value->kind != SAGA_VALUE_BYTES || !value->as.bytes.size)
		return bytes;
	if ((bytes.at = saga__arena_text(arena, value->as.bytes.at, value->as.bytes.size)))
		bytes.size = value->as.bytes.size;
	return bytes;
}

static enum saga__command command_of(const saga_value *value)
{
	if (value->kind != SAGA_VALUE_TEXT)
		return SAGA__NO_COMMAND;
	return value->as.bytes.size == 6 && memcmp(value->as.bytes.at, "assert", 6) == 0
		? SAGA__COMMAND_ASSERT
		: SAGA__COMMAND_REQUEUE;
}

static int take_due(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct due *due = context;
	struct saga__parked *row;
	char kind[16];

	(void)i;
	if (due->count == due->most)
		return SAGA_OK;
	if (saga__journal_check_due(names, c, column_count, due->error) != SAGA_OK) {
		due->has_odd = true;
		return SAGA_OK;
	}
	if (!(row = saga__arena_calloc(due->arena, 1, sizeof *row)))
		return SAGA_NOMEM;
	(void)snprintf(
		kind, sizeof kind, "%.*s", (int)c[5].as.bytes.size, (const char *)c[5].as.bytes.at);
	*row = (struct saga__parked){
		.saga = saga__id_in(&c[0]),
		.id = saga__id_in(&c[1]),
		.row = text_of(due->arena, &c[2]),
		.subject = text_of(due->arena, &c[3]),
		.role = (enum saga__role)c[4].as.int64,
		.kind = saga__parked_kind_of(kind),
		.attempts = (int)c[6].as.int64,
		.due = c[7].as.int64,
		.behind = text_of(due->arena, &c[8]),
		.why = text_of(due->arena, &c[9]),
		.event = bytes_of(due->arena, &c[10]),
		.question = bytes_of(due->arena, &c[11]),
		.command = command_of(&c[12]),
		.outcome = text_of(due->arena, &c[13]),
		.body = text_of(due->arena, &c[14]),
	};
	if (!row->row || !row->subject || !row->behind || !row->why || !row->outcome ||
		!row->body || !row->event.at)
		return SAGA_NOMEM;
	due->rows[due->count++] = row;
	return SAGA_OK;
}

int saga__journal_due(struct saga__journal *j, unsigned shard, int64_t now, size_t most,
	struct saga__arena *arena, struct saga__parked ***ret_rows, size_t *ret_count,
	int64_t *went, saga_error *error)
{
	const saga_value values[] = { saga_int64(shard), saga_int64(now),
		saga_int64((int64_t)most) };
	const saga_statement statement = {
		SAGA__FIRST_ROWS(j->dialect,
			"SELECT " SAGA__PARKED_COLUMNS " FROM saga_parked"
			" WHERE shard = ? AND due <= ? ORDER BY due, id"),
		values, 3
	};
	struct due due = { arena, saga__arena_calloc(arena, most, sizeof *due.rows), 0, most, false,
		error };
	saga_sink sink = { take_due, NULL, &due };
	int code;

	if (!due.rows)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	code = j->ops->run(j->store, &statement, 1, &sink, error);
	if (code == SAGA_REFUSED || (code == SAGA_OK && due.has_odd)) {
		bool mended = false;
		int first = code;

		due.count = 0;
		code = saga__journal_mend_due(j, values, &mended, went, error);
		if (code == SAGA_OK && !mended)
			return first == SAGA_OK
				? saga__journal_odd("saga_parked", "row can't be read", error)
				: first;
		if (code == SAGA_OK)
			code = j->ops->run(j->store, &statement, 1, &sink, error);
	}
	if (code != SAGA_OK)
		return code;
	*ret_rows = due.rows;
	*ret_count = due.count;
	return SAGA_OK;
}

static int take_min(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)names, (void)column_count;
	if (columns[0].kind == SAGA_VALUE_INT64)
		((int64_t *)context)[i] = columns[0].as.int64;
	return SAGA_OK;
}

int saga__journal_dues(struct saga__journal *j, const struct saga__shard *shards, size_t count,
	int64_t *ret_dues, saga_error *error)
{
	saga_statement statements[SAGA__STORE_SHARDS];
	saga_value values[SAGA__STORE_SHARDS];
	int64_t dues[SAGA__STORE_SHARDS];
	saga_sink sink = { take_min, NULL, dues };
	int code;

	for (size_t i = 0; i < count; i++) {
		dues[i] = SAGA__NEVER;
		values[i] = saga_int64(shards[i].shard);
		statements[i] =
			(saga_statement){ "SELECT MIN(due) AS due FROM saga_parked WHERE shard = ?",
				&values[i], 1 };
	}
	if ((code = j->ops->run(j->store, statements, count, &sink, error)) == SAGA_OK)
		memcpy(ret_dues, dues, count * sizeof *dues);
	return code;
}

int saga__journal_next_due(
	struct saga__journal *j, unsigned shard, int64_t *ret_due, saga_error *error)
{
	return saga__journal_dues(j, &(struct saga__shard){ .shard = shard }, 1, ret_due, error);
}

int saga__journal_revive_calls(
	struct saga__journal *j, unsigned shard, int64_t now, saga_error *error)
{
	return SAGA__RUN(j,
		"UPDATE saga_parked SET due = ? WHERE shard = ? AND kind = 'call' AND due > ?",
		error, saga_int64(now), saga_int64(shard), saga_int64(now));
}

int saga__journal_relent(struct saga__journal *j, unsigned shard, int64_t now, saga_error *error)
{
	return SAGA__RUN(j,
		"UPDATE saga_parked SET command = 'requeue', due = ?"
		" WHERE shard = ? AND kind = 'letter' AND role = ? AND command IS NULL",
		error, saga_int64(now), saga_int64(shard), saga_int64(SAGA__ROLE_PUBLISH));
}

/* ---- streams ---- */

struct locking {
	struct saga__shard *shards;
	size_t count, found;
	bool is_odd;
	saga_error *error;
};

static int take_lock(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct locking *locking = context;
	struct saga__shard *shard = locking->shards;
	int code = saga__journal_check(
		"saga_stream", "cqiq", names, columns, column_count, locking->error);

	(void)i;
	locking->is_odd = code != SAGA_OK;
	if (code != SAGA_OK)
		return code;
	while (shard < locking->shards + locking->count - 1 &&
		shard->shard != (unsigned)columns[0].as.int64)
		shard++;
	shard->seq = (uint64_t)columns[1].as.int64;
	shard->last = saga__id_in(&columns[2]);
	shard->stored_seq = shard->seq;
	shard->stored_own = (uint64_t)columns[3].as.int64;
	locking->found++;
	return SAGA_OK;
}

/* The statements that lock and read; how many. */
static size_t lock_statements(struct saga__journal *j, const struct saga__shard *shards,
	size_t count, saga_value *values, saga_statement *statements)
{
	const struct saga__dialect *dialect = j->dialect;
	bool by_update = !dialect->locking &&
		(!dialect->locks_by_begin || (j->ops->traits & SAGA_STORE_LOCKS_ROWS));

	for (size_t i = 0; i < count; i++)
		values[i] = saga_int64(shards[i].shard);
	if (count > 1 && j->sets) {
		values[count] =
			(saga_value){ SAGA_VALUE_SET, { .set = { values, (uint32_t)count, 1 } } };
		statements[0] = (saga_statement){ dialect->locking_all, &values[count], 1 };
		return 1;
	}
	for (size_t i = 0; by_update && i < count; i++)
		*statements++ =
			(saga_statement){ "UPDATE saga_stream SET seq = seq WHERE shard = ?",
				&values[i], 1 };
	for (size_t i = 0; i < count; i++)
		*statements++ = (saga_statement){ dialect->locking ? dialect->locking : STREAM_ROW,
			&values[i], 1 };
	return by_update ? 2 * count : count;
}

int saga__journal_lock(struct saga__journal *j, struct saga__shard *shards, size_t count,
	struct saga__batch *batch, saga_error *error)
{
	struct locking locking = { shards, count, 0, false, error };
	saga_sink sink = { take_lock, NULL, &locking };
	saga_statement statements[2 * SAGA__STORE_SHARDS];
	saga_value values[SAGA__STORE_SHARDS + 1];
	size_t statement_count = lock_statements(j, shards, count, values, statements);
	int code = SAGA_OK;

	if (batch)
		code = saga__journal_run_and_load(
			j, batch, statements, statement_count, &sink, error);
	else if (count)
		code = j->ops->run(j->store, statements, statement_count, &sink, error);
	j->odd_stream = locking.is_odd || (code == SAGA_OK && locking.found != count);
	if (j->odd_stream && !locking.is_odd)
		return saga__journal_odd("saga_stream", "shard is missing", error);
	return code;
}

bool saga__journal_expects(const struct saga__journal *j)
{
	return j->ops->require && j->dialect->expecting;
}

int saga__journal_expect(
	struct saga__journal *j, const struct saga__shard *shard, saga_error *error)
{
	const saga_value values[] = { saga_int64(shard->shard),
		saga_int64((int64_t)shard->stored_seq), saga_int64((int64_t)shard->stored_own) };
	const saga_statement statement = { j->dialect->expecting, values, 3 };

	return j->ops->require(j->store, &statement, error);
}

struct reading {
	struct saga__stream_row *row;
	bool found;
	bool is_odd;
	saga_error *error;
};

static int take_stream(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct reading *reading = context;
	struct saga__stream_row *row = reading->row;
	int code = saga__journal_check(
		"saga_stream", "qiqnIc", names, columns, column_count, reading->error);

	(void)i;
	reading->is_odd = code != SAGA_OK;
	if (code != SAGA_OK)
		return code;
	reading->found = true;
	row->seq = (uint64_t)columns[0].as.int64;
	row->last = saga__id_in(&columns[1]);
	row->own = (uint64_t)columns[2].as.int64;
	row->unclean = columns[3].as.int64 != 0;
	row->suspect = saga__id_in(&columns[4]);
	row->suspicions = (int)columns[5].as.int64;
	return SAGA_OK;
}

int saga__journal_stream(struct saga__journal *j, unsigned shard, struct saga__stream_row *ret_row,
	saga_error *error)
{
	const saga_value values[] = { saga_int64(shard) };
	const saga_statement statement = { "SELECT seq, last, own, unclean, suspect, suspicions "
					   "FROM saga_stream WHERE shard = ?",
		values, 1 };
	struct reading reading = { ret_row, false, false, error };
	saga_sink sink = { take_stream, NULL, &reading };
	struct saga__one first;
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	j->odd_stream = reading.is_odd || (code == SAGA_OK && !reading.found);
	if (code == SAGA_OK && !reading.found)
		code = saga__journal_odd("saga_stream", "shard is missing", error);
	if (code == SAGA_OK)
		code = saga__journal_one(j,
			"SELECT MIN(seq) AS seq FROM saga_outbox WHERE shard = ?", values, 1,
			&first, error);
	if (code == SAGA_OK)
		ret_row->first = first.is_null ? ret_row->seq + 1 : (uint64_t)first.number;
	return code;
}

int saga__journal_mark_unclean(struct saga__journal *j, unsigned shard, saga_error *error)
{
	if (SAGA__MUTANT(parked_dropped))
		(void)SAGA__RUN(
			j, "DELETE FROM saga_parked WHERE shard = ?", error, saga_int64(shard));
	return SAGA__RUN(
		j, "UPDATE saga_stream SET unclean = 1 WHERE shard = ?", error, saga_int64(shard));
}

int saga__journal_mark_clean(
	struct saga__journal *j, unsigned shard, saga_id holder, saga_error *error)
{
	return SAGA__RUN(j,
		"UPDATE saga_stream SET unclean = 0, suspicions = 0 WHERE shard = ? AND EXISTS"
		" (SELECT 1 FROM saga_lease WHERE saga_lease.shard = ? AND holder = ?)",
		error, saga_int64(shard), saga_int64(shard), saga_uuid(holder));
}

int saga__journal_suspect(
	struct saga__journal *j, unsigned shard, saga_id event, int suspicions, saga_error *error)
{
	return SAGA__RUN(j, "UPDATE saga_stream SET suspect = ?, suspicions = ? WHERE shard = ?",
		error, saga_uuid(event), saga_int64(suspicions), saga_int64(shard));
}

struct outbox {
	int (*row)(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event);
	void *context;
	uint64_t next; /* behind what was given already */
	size_t given;
	bool is_odd; /* a row that can't be read */
	saga_error *error;
};

static int take_outbox(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct outbox *outbox = context;
	int code = saga__journal_check_outbox(names, c, column_count, outbox->error);

	(void)i;
	if (code != SAGA_OK) {
		outbox->is_odd = true;
		return code;
	}
	outbox->next = (uint64_t)c[0].as.int64 + 1;
	outbox->given++;
	code = outbox->row(outbox->context, (uint64_t)c[0].as.int64, saga__id_in(&c[1]),
		saga__id_in(&c[2]), c[3].as.bytes);
	return code == SAGA_OK ? code
			       : saga_error_set(outbox->error, code, "%s", saga_code_text(code));
}

int saga__journal_outbox(struct saga__journal *j, unsigned shard, uint64_t first, uint64_t last,
	size_t most,
	int (*row)(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event),
	void *context, saga_error *error)
{
	struct outbox outbox = { .row = row, .context = context, .next = first, .error = error };
	saga_sink sink = { take_outbox, NULL, &outbox };
	bool mended;

	do {
		const saga_value values[] = { saga_int64(shard), saga_int64((int64_t)outbox.next),
			saga_int64((int64_t)last), saga_int64((int64_t)(most - outbox.given)) };
		const saga_statement statement = {
			SAGA__FIRST_ROWS(j->dialect,
				"SELECT " SAGA__OUTBOX_COLUMNS " FROM saga_outbox"
				" WHERE shard = ? AND seq >= ? AND seq <= ? ORDER BY seq"),
			values, 4
		};
		int code, second;

		outbox.is_odd = mended = false;
		code = j->ops->run(j->store, &statement, 1, &sink, error);
		if (code != SAGA_REFUSED)
			return code;
		second = saga__journal_mend_outbox(j, shard, outbox.next, last, &mended, error);
		if (second != SAGA_OK || !mended)
			return second != SAGA_OK ? second : code;
	} while (outbox.given < most);
	return SAGA_OK;
}

int saga__journal_trim(struct saga__journal *j, unsigned shard, uint64_t upto, int64_t before,
	size_t most, int64_t *ret_dropped, saga_error *error)
{
	const saga_value first[] = { saga_int64(shard) };
	struct saga__one one;
	int code = saga__journal_one(j, "SELECT MIN(seq) AS seq FROM saga_outbox WHERE shard = ?",
		first, 1, &one, error);

	if (code != SAGA_OK)
		return code;
	*ret_dropped = 0;
	if (one.is_null)
		return SAGA_OK;
	if (upto > (uint64_t)one.number + most - 1)
		upto = (uint64_t)one.number + most - 1;
	return saga__journal_change(j,
		"DELETE FROM saga_outbox WHERE shard = ? AND seq <= ? AND at < ?",
		(const saga_value[]){
			saga_int64(shard), saga_int64((int64_t)upto), saga_int64(before) },
		3, ret_dropped, error);
}

struct positions {
	int (*row)(void *context, const struct saga__source *source, unsigned shard,
		struct saga__position position);
	void *context;
	bool has_odd; /* rows that can't be read are passed over */
	saga_error *error;
};

static int take_position(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct positions *positions = context;
	struct saga__source source;
	int code;

	(void)i;
	if (saga__journal_check_position(names, c, column_count, positions->error) != SAGA_OK) {
		positions->has_odd = true;
		return SAGA_OK;
	}
	source = (struct saga__source){ .stream = { saga__id_in(&c[0]), (uint32_t)c[1].as.int64 } };
	(void)snprintf(source.owner, sizeof source.owner, "%.*s", (int)c[3].as.bytes.size,
		(const char *)c[3].as.bytes.at);
	code = positions->row(positions->context, &source, (unsigned)c[2].as.int64,
		(struct saga__position){ (uint64_t)c[4].as.int64, saga__id_in(&c[5]) });
	return code == SAGA_OK ? code
			       : saga_error_set(positions->error, code, "%s", saga_code_text(code));
}

int saga__journal_position(struct saga__journal *j, const struct saga__source *source,
	unsigned shard, uint64_t *ret_seq, saga_error *error)
{
	const saga_value values[] = { saga_uuid(source->stream.store),
		saga_int64(source->stream.shard), saga_int64(shard) };
	struct saga__one one = { .number = 0 };
	int code = saga__journal_one(j,
		"SELECT seq FROM saga_position WHERE stream = ? AND stream_shard = ? AND shard = ?",
		values, 3, &one, error);

	if (code == SAGA_OK)
		*ret_seq = one.found && one.number > 0 ? (uint64_t)one.number : 0;
	return code;
}

int saga__journal_positions(struct saga__journal *j,
	int (*row)(void *context, const struct saga__source *source, unsigned shard,
		struct saga__position position),
	void *context, saga_error *error)
{
	const saga_statement statement = { "SELECT " SAGA__POSITION_COLUMNS " FROM saga_position",
		NULL, 0 };
	struct positions positions = { row, context, false, error };
	saga_sink sink = { take_position, NULL, &positions };
	bool mended = false;
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	if (code == SAGA_OK && positions.has_odd)
		return saga__journal_mend_positions(j, &mended, error);
	if (code != SAGA_REFUSED || saga__journal_mend_positions(j, &mended, error) != SAGA_OK ||
		!mended)
		return code;
	/* The store itself could not hand over a row: all are read again. */
	return j->ops->run(j->store, &statement, 1, &sink, error);
}

/* ---- the rest ---- */

/* The columns that count slots by state, or parked rows. */
struct counting {
	const struct saga__journal *journal;
	const struct saga__shard *shards;
	size_t shard_count;
	struct saga__counts counts;
	saga_error *error;
};

static bool is_counted(const struct counting *counting, int64_t low_byte)
{
	for (size_t i = 0; i < counting->shard_count; i++)
		if (counting->shards[i].shard ==
			((uint64_t)low_byte & (counting->journal->shards - 1)))
			return true;
	return false;
}

static bool is_named(const saga_value *value, const char *name)
{
	return value->kind == SAGA_VALUE_TEXT && value->as.bytes.size == strlen(name) &&
		memcmp(value->as.bytes.at, name, strlen(name)) == 0;
}

static int take_counts(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct counting *counting = context;
	struct saga__counts *counts = &counting->counts;
	/* A row that cannot be read does not count here; its reader finds it. */
	if (saga__journal_check(i ? "saga_parked" : "saga_slot", "tns", names, c, column_count,
		    counting->error) != SAGA_OK)
		return SAGA_OK;
	if (!is_counted(counting, c[1].as.int64))
		return SAGA_OK;
	if (is_named(&c[0], "waiting"))
		counts->waiting += c[2].as.int64;
	else if (is_named(&c[0], "dead"))
		counts->dead += c[2].as.int64;
	else if (is_named(&c[0], "stuck"))
		counts->stuck += c[2].as.int64;
	else
		counts->parked += c[2].as.int64;
	return SAGA_OK;
}

int saga__journal_count(struct saga__journal *j, const struct saga__shard *shards,
	size_t shard_count, struct saga__counts *ret_counts, saga_error *error)
{
	struct counting counting = {
		.journal = j, .shards = shards, .shard_count = shard_count, .error = error
	};
	saga_sink sink = { take_counts, NULL, &counting };
	char slots[512];
	const saga_statement statements[] = { { slots, NULL, 0 },
		{ "SELECT 'parked' AS state, shard AS low, COUNT(*) AS n FROM saga_parked"
		  " WHERE kind NOT IN ('held', 'letter') GROUP BY shard",
			NULL, 0 } };
	int code;

	(void)snprintf(slots, sizeof slots,
		"SELECT state, %s AS low, COUNT(*) AS n FROM saga_slot"
		" WHERE state IN ('dead', 'stuck') OR (state = 'waiting' AND step NOT LIKE '%%>%%')"
		" GROUP BY state, %s",
		j->dialect->low_byte, j->dialect->low_byte);
	code = j->ops->run(j->store, statements, 2, &sink, error);
	if (code == SAGA_OK)
		*ret_counts = counting.counts;
	return code;
}
