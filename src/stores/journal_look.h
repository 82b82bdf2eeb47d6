#ifndef SAGA_STORES_JOURNAL_LOOK_H
#define SAGA_STORES_JOURNAL_LOOK_H

/*
 * Rows of the library's tables as they are read, and whether one of them can be: another program
 * may have written there. In columns and names the caller has what SAGA__..._COLUMNS asks for.
 */

#include "journal.h"

#define SAGA__PARKED_COLUMNS \
	"saga, id, step, subject, role, kind, attempts, due, behind, why, event, question, " \
	"command," \
	" outcome, body"
#define SAGA__OUTBOX_COLUMNS "seq, id, saga, event, sum"
#define SAGA__POSITION_COLUMNS "stream, stream_shard, shard, owner, seq, id"

/* REFUSED: the row can't be read, as error says. */
int saga__journal_check_due(const char *const *names, const saga_value *columns,
	size_t column_count, saga_error *error);
int saga__journal_check_outbox(const char *const *names, const saga_value *columns,
	size_t column_count, saga_error *error);
int saga__journal_check_position(const char *const *names, const saga_value *columns,
	size_t column_count, saga_error *error);

/* The sum of an outbox row, stored beside it. NULL: the row is older than sums. */
int64_t saga__outbox_sum(uint64_t seq, saga_id id, saga_id saga, saga_bytes event);

/* Reads one row, by the values that its key has: REFUSED: it can't be read, as error says. */
int saga__journal_look_at_parked(struct saga__journal *journal, const saga_value *saga,
	const saga_value *id, saga_error *error);
int saga__journal_look_at_outbox(
	struct saga__journal *journal, unsigned shard, uint64_t seq, saga_error *error);
int saga__journal_look_at_position(
	struct saga__journal *journal, const saga_value *key, saga_error *error);

#endif
