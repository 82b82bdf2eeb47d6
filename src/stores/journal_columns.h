#ifndef SAGA_STORES_JOURNAL_COLUMNS_H
#define SAGA_STORES_JOURNAL_COLUMNS_H

/* Columns and conditions that the statements of journal_*.c and of the dialects have in common. */

#define SLOT_COLUMNS \
	"state, was, attempts, why, ran_on, answer, digest, note, seen," \
	" CASE WHEN EXISTS (SELECT 1 FROM saga_parked WHERE saga_parked.saga = saga_slot.saga" \
	" AND kind = 'behind') THEN 1 ELSE 0 END AS leads"

#define SLOT_FIELDS \
	"(state, was, attempts, moved, why, ran_on, answer, digest, note, seen, saga, step, " \
	"subject)"

#define POSITION_FIELDS "saga_position (stream, stream_shard, shard, seq, id, owner)"
#define POSITION_ONWARD \
	" ON CONFLICT (stream, stream_shard, shard) DO UPDATE" \
	" SET seq = excluded.seq, id = excluded.id WHERE saga_position.seq < excluded.seq"

#define PARKED_FIELDS \
	"(shard, step, subject, role, kind, attempts, due, behind, why, event, question, at, " \
	"saga, id)"

/* A batch whose commit was not answered may run again: its rows are there already. */
#define UNLESS_THERE " ON CONFLICT (saga, id) DO NOTHING"

#endif
