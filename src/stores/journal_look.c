/* Looks at rows of the library's tables, one by one: can they be read? */

#include "journal_look.h"

#include <stdio.h>
#include <string.h>

#include "../event/sum.h"
#include "journal_sql.h"

#define PARKED_KINDS "iittctcntTBBTTT"

/* The sequence and the ids, too: a row that stands where another did is found. */
int64_t saga__outbox_sum(uint64_t seq, saga_id id, saga_id saga, saga_bytes event)
{
	uint64_t parts[4];

	memcpy(parts, &id, sizeof id);
	memcpy(parts + 2, &saga, sizeof saga);
	return (int64_t)saga__sum64(event,
		seq ^ parts[0] ^ (parts[1] << 1 | parts[1] >> 63) ^
			(parts[2] << 2 | parts[2] >> 62) ^ (parts[3] << 3 | parts[3] >> 61));
}

/* ---- parked rows ---- */

int saga__journal_check_due(
	const char *const *names, const saga_value *c, size_t column_count, saga_error *error)
{
	char kind[16];
	int code = saga__journal_check("saga_parked", PARKED_KINDS, names, c, column_count, error);

	if (code != SAGA_OK)
		return code;
	(void)snprintf(
		kind, sizeof kind, "%.*s", (int)c[5].as.bytes.size, (const char *)c[5].as.bytes.at);
	if (!saga__parked_kind_of(kind))
		return saga__journal_odd("saga_parked", "kind is none that we know", error);
	if (c[4].as.int64 > SAGA__ROLE_PUBLISH)
		return saga__journal_odd("saga_parked", "role is none that we know", error);
	return SAGA_OK;
}

static int take_checked(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i;
	return saga__journal_check_due(names, c, column_count, context);
}

int saga__journal_look_at_parked(
	struct saga__journal *j, const saga_value *saga, const saga_value *id, saga_error *error)
{
	const saga_value values[] = { *saga, *id };
	const saga_statement statement = { "SELECT " SAGA__PARKED_COLUMNS
					   " FROM saga_parked WHERE saga = ? AND id = ?",
		values, 2 };
	saga_sink sink = { take_checked, NULL, error };

	return j->ops->run(j->store, &statement, 1, &sink, error);
}

/* ---- the outbox ---- */

int saga__journal_check_outbox(
	const char *const *names, const saga_value *c, size_t column_count, saga_error *error)
{
	int code = saga__journal_check("saga_outbox", "siibN", names, c, column_count, error);

	if (code != SAGA_OK || c[4].kind == SAGA_VALUE_NULL)
		return code;
	if (c[4].as.int64 !=
		saga__outbox_sum((uint64_t)c[0].as.int64, saga__id_in(&c[1]), saga__id_in(&c[2]),
			c[3].as.bytes))
		return saga__journal_odd("saga_outbox", "sum is another: it was changed", error);
	return SAGA_OK;
}

static int take_checked_outbox(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i;
	return saga__journal_check_outbox(names, c, column_count, context);
}

int saga__journal_look_at_outbox(
	struct saga__journal *j, unsigned shard, uint64_t seq, saga_error *error)
{
	const saga_value values[] = { saga_int64(shard), saga_int64((int64_t)seq) };
	const saga_statement statement = { "SELECT " SAGA__OUTBOX_COLUMNS
					   " FROM saga_outbox WHERE shard = ? AND seq = ?",
		values, 2 };
	saga_sink sink = { take_checked_outbox, NULL, error };

	return j->ops->run(j->store, &statement, 1, &sink, error);
}

/* ---- positions ---- */

int saga__journal_check_position(
	const char *const *names, const saga_value *c, size_t column_count, saga_error *error)
{
	int code = saga__journal_check("saga_position", "icctsi", names, c, column_count, error);

	if (code == SAGA_OK && c[3].as.bytes.size > SAGA__PARTICIPANT_MOST)
		code = saga__journal_odd("saga_position", "owner is too long", error);
	if (code == SAGA_OK && c[1].as.int64 >= SAGA__SHARDS_MOST)
		code = saga__journal_odd("saga_position", "stream_shard is too high", error);
	return code;
}

static int take_checked_position(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i;
	return saga__journal_check_position(names, c, column_count, context);
}

int saga__journal_look_at_position(
	struct saga__journal *j, const saga_value *key, saga_error *error)
{
	const saga_statement statement = { "SELECT " SAGA__POSITION_COLUMNS " FROM saga_position"
					   " WHERE stream = ? AND stream_shard = ? AND shard = ?",
		key, 3 };
	saga_sink sink = { take_checked_position, NULL, error };

	return j->ops->run(j->store, &statement, 1, &sink, error);
}
