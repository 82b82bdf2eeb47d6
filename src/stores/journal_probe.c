/* Whether the store takes what the library writes: it is written, and taken back. */

#include "journal_sql.h"

static const saga_id nobody;

/* Each table that a batch reads or writes, each column of it: a row of no shard. */
static int try_rows(struct saga__journal *j, saga_error *error)
{
	const saga_bytes bytes = { "", 0 };
	const saga_value zero = saga_int64(0), no_shard = saga_int64(-1), id = saga_uuid(nobody),
			 text = saga_text("-"), blob = saga_blob(bytes);
	int code = SAGA__RUN(j,
		"INSERT INTO saga_slot (state, was, attempts, moved, why, ran_on, answer, digest, "
		"note, seen, saga, step, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		error, text, text, zero, zero, text, blob, blob, blob, blob, blob, id, text, text);

	if (code == SAGA_OK)
		code = SAGA__RUN(j,
			"INSERT INTO saga_parked (shard, step, subject, role, kind, attempts, due, "
			"behind, why, event, question, at, saga, id)"
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			error, no_shard, text, text, zero, text, zero, zero, text, text, blob, blob,
			zero, id, id);
	if (code == SAGA_OK)
		code = SAGA__RUN(j,
			"INSERT INTO saga_outbox (shard, seq, id, saga, event, at, sum)"
			" VALUES (?, ?, ?, ?, ?, ?, ?)",
			error, no_shard, zero, id, id, blob, zero, zero);
	if (code == SAGA_OK)
		code = SAGA__RUN(j,
			"INSERT INTO saga_position (stream, stream_shard, shard, seq, id, owner)"
			" VALUES (?, ?, ?, ?, ?, ?)",
			error, id, zero, no_shard, zero, id, text);
	if (code == SAGA_OK)
		code = SAGA__RUN(j,
			"UPDATE saga_stream SET seq = ?, last = ?, own = ? WHERE shard = ?", error,
			zero, id, zero, no_shard);
	return code;
}

int saga__journal_probe(struct saga__journal *j, saga_error *error)
{
	int code = j->ops->begin(j->store, error);

	if (code != SAGA_OK)
		return code;
	code = try_rows(j, error);
	if (j->ops->in_transaction(j->store))
		j->ops->rollback(j->store);
	return code;
}
