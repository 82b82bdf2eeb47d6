/* Old settled rows leave the journal. */

#include <stdlib.h>

#include "../event/id.h"
#include "dialect.h"
#include "journal_sql.h"

/* As saga__slot_is_settled has it, the other way round. */
#define LIVE_STATES "('waiting', 'trying', 'undoing', 'dead', 'stuck')"

/*
 * Dead letters that no operator has opened. A letter stays while its saga goes on, since its
 * operator may still need it, and while a command for it waits.
 */
#define UNOPENED \
	" AND at < ? AND kind IN ('held', 'letter') AND command IS NULL" \
	" AND NOT EXISTS (SELECT 1 FROM saga_slot WHERE saga_slot.saga = saga_parked.saga" \
	" AND saga_slot.state IN " LIVE_STATES ")"

struct letter {
	saga_id saga, id;
};

struct forgetting {
	const struct saga__journal *journal;
	const struct saga__shard *shards;
	size_t shard_count;
	int64_t before;
	saga_id *sagas; /* that seem over and old */
	size_t count, looked;
	saga_id last;
	struct letter *letters; /* that seem old and unopened */
	size_t letter_count;
	saga_error *error;
};

static bool is_ours(const struct forgetting *f, saga_id saga)
{
	unsigned shard = saga__id_shard(saga, f->journal->shards);

	for (size_t i = 0; i < f->shard_count; i++)
		if (f->shards[i].shard == shard)
			return true;
	return false;
}

static int take_saga(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct forgetting *f = context;

	(void)i;
	f->looked++;
	/* A slot that can't be read is never forgotten. */
	if (saga__journal_check("saga_slot", "ins", names, c, column_count, f->error) != SAGA_OK)
		return SAGA_OK;
	f->last = saga__id_in(&c[0]);
	if (c[1].as.int64 < f->before && c[2].as.int64 == 0 && is_ours(f, f->last))
		f->sagas[f->count++] = f->last;
	return SAGA_OK;
}

/* A saga is one row here, however many slots it has. */
static int look(struct saga__journal *j, struct forgetting *f, saga_id behind, size_t most,
	saga_error *error)
{
	const saga_value values[] = { saga_uuid(behind), saga_int64((int64_t)most) };
	const saga_statement statement = { SAGA__FIRST_ROWS(j->dialect,
						   "SELECT saga, MAX(moved) AS moved,"
						   " SUM(CASE WHEN state IN " LIVE_STATES
						   " THEN 1 ELSE 0 END) AS live"
						   " FROM saga_slot WHERE saga > ?"
						   " GROUP BY saga ORDER BY saga"),
		values, 2 };
	saga_sink sink = { take_saga, NULL, f };

	return j->ops->run(j->store, &statement, 1, &sink, error);
}

static int take_letter(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct forgetting *f = context;
	int code = saga__journal_check("saga_parked", "ii", names, c, column_count, f->error);

	(void)i;
	if (code != SAGA_OK)
		return code;
	f->letters[f->letter_count++] = (struct letter){ saga__id_in(&c[0]), saga__id_in(&c[1]) };
	return SAGA_OK;
}

static int look_for_letters(
	struct saga__journal *j, struct forgetting *f, size_t most, saga_error *error)
{
	saga_sink sink = { take_letter, NULL, f };
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < f->shard_count && f->letter_count < most; i++) {
		const saga_value values[] = { saga_int64(f->shards[i].shard),
			saga_int64(SAGA__NEVER), saga_int64(f->before),
			saga_int64((int64_t)(most - f->letter_count)) };
		const saga_statement statement = { SAGA__FIRST_ROWS(j->dialect,
							   "SELECT saga, id FROM saga_parked"
							   " WHERE shard = ? AND due = ?" UNOPENED
							   " ORDER BY shard, due"),
			values, 4 };

		code = j->ops->run(j->store, &statement, 1, &sink, error);
	}
	return code;
}

/* Under its stream's lock nobody moves it: what is true now stays true until the commit. */
static int drop_saga(struct saga__journal *j, const struct forgetting *f, saga_id saga,
	int64_t *dropped, saga_error *error)
{
	const saga_value values[] = { saga_uuid(saga), saga_uuid(saga), saga_uuid(saga),
		saga_int64(f->before) };
	int64_t changed = 0;
	int code = saga__journal_change(j,
		"DELETE FROM saga_slot WHERE saga = ?"
		" AND NOT EXISTS (SELECT 1 FROM saga_parked WHERE saga_parked.saga = ?)"
		" AND NOT EXISTS (SELECT 1 FROM saga_slot other WHERE other.saga = ?"
		" AND (other.moved >= ? OR other.state IN " LIVE_STATES "))",
		values, 4, &changed, error);

	*dropped += changed;
	return code;
}

/* A letter that was requeued meanwhile stays. */
static int drop_letter(struct saga__journal *j, const struct forgetting *f,
	const struct letter *letter, int64_t *dropped, saga_error *error)
{
	const saga_value values[] = { saga_uuid(letter->saga), saga_uuid(letter->id),
		saga_int64(f->before) };
	int64_t changed = 0;
	int code = saga__journal_change(j,
		"DELETE FROM saga_parked WHERE saga = ? AND id = ?" UNOPENED, values, 3, &changed,
		error);

	*dropped += changed;
	return code;
}

static int drop_all(struct saga__journal *j, struct forgetting *f, struct saga__shard *shards,
	struct saga__forgotten *dropped, saga_error *error)
{
	int code = saga__journal_lock(j, shards, f->shard_count, NULL, error);

	for (size_t i = 0; code == SAGA_OK && i < f->letter_count; i++)
		code = drop_letter(j, f, &f->letters[i], &dropped->letters, error);
	for (size_t i = 0; code == SAGA_OK && i < f->count; i++)
		code = drop_saga(j, f, f->sagas[i], &dropped->slots, error);
	return code;
}

static int drop_locked(struct saga__journal *j, struct forgetting *f,
	struct saga__forgotten *ret_dropped, saga_error *error)
{
	struct saga__shard shards[SAGA__STORE_SHARDS];
	struct saga__forgotten dropped = { 0, 0 };
	int code = j->ops->begin(j->store, error);

	if (code != SAGA_OK)
		return code;
	for (size_t i = 0; i < f->shard_count; i++)
		shards[i] = f->shards[i];
	if ((code = drop_all(j, f, shards, &dropped, error)) == SAGA_OK)
		code = j->ops->commit(j->store, error);
	if (code == SAGA_OK)
		*ret_dropped = dropped;
	else if (code != SAGA_UNKNOWN && j->ops->in_transaction(j->store))
		j->ops->rollback(j->store);
	return code;
}

int saga__journal_forget(struct saga__journal *j, const struct saga__shard *shards,
	size_t shard_count, int64_t before, size_t most, saga_id *cursor,
	struct saga__forgotten *ret_dropped, saga_error *error)
{
	struct forgetting f = { .journal = j,
		.shards = shards,
		.shard_count = shard_count,
		.before = before,
		.error = error,
		.sagas = calloc(most, sizeof(saga_id)),
		.letters = calloc(most, sizeof(struct letter)) };
	const saga_id start = { { 0 } };
	struct saga__forgotten dropped = { 0, 0 };
	int code = f.sagas && f.letters ? look(j, &f, *cursor, most, error)
					: saga_error_set(error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK)
		code = look_for_letters(j, &f, most, error);
	if (code == SAGA_OK)
		code = drop_locked(j, &f, &dropped, error);
	if (code == SAGA_OK) {
		*cursor = f.looked < most ? start : f.last;
		*ret_dropped = dropped;
	}
	free(f.letters);
	free(f.sagas);
	return code;
}
