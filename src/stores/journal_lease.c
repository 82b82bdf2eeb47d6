/*
 * Leases say which instance works which shard. A lease is advice: the stream row's lock and the
 * slots make two instances on one shard harmless. It counts for as long as the row of its holder
 * says that the holder lives. So a renewal writes one row, however many shards the instance holds,
 * and an instance that leaves deletes one.
 */

#include <stdio.h>
#include <string.h>

#include "../env.h"
#include "../event/id.h"
#include "dialect.h"
#include "journal_sql.h"

enum {
	RENEW,
	INSTANCES,
	LEASES,
	HALTS,
	KEPT_TIME,
	KEEP_TIME,
	DECLARATION,
	CLOCK,
	STATEMENTS
};

struct renewing {
	struct saga__leases *leases;
	int64_t clock;
	char kept[SAGA__CLOCK_TEXT]; /* store time, as the store keeps it */
	char declaration[SAGA__DECLARATION_TEXT];
	int64_t renewed; /* rows */
	unsigned shards;
};

static int take_row(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct renewing *renewing = context;
	struct saga__leases *leases = renewing->leases;

	(void)names, (void)column_count;
	if (i == INSTANCES && leases->instance_count < SAGA__INSTANCES_MOST) {
		leases->instances[leases->instance_count++] =
			(struct saga__instance){ saga__id_in(&c[0]), c[1].as.int64 };
	} else if (i == LEASES && (uint64_t)c[0].as.int64 < renewing->shards) {
		leases->at[c[0].as.int64] =
			(struct saga__lease){ saga__id_in(&c[1]), (uint64_t)c[2].as.int64,
				c[3].kind == SAGA_VALUE_INT64 ? c[3].as.int64 : SAGA__NEVER };
	} else if (i == HALTS) {
		leases->halts = c[0].as.int64;
	} else if (i == KEPT_TIME && c[0].kind == SAGA_VALUE_TEXT) {
		(void)snprintf(renewing->kept, sizeof renewing->kept, "%.*s",
			(int)c[0].as.bytes.size, (const char *)c[0].as.bytes.at);
	} else if (i == DECLARATION && c[0].kind == SAGA_VALUE_TEXT) {
		(void)snprintf(renewing->declaration, sizeof renewing->declaration, "%.*s",
			(int)c[0].as.bytes.size, (const char *)c[0].as.bytes.at);
	} else if (i == CLOCK) {
		renewing->clock = c[0].as.int64;
	}
	return SAGA_OK;
}

static void count_renewed(void *context, size_t i, int64_t changed)
{
	if (i == RENEW)
		((struct renewing *)context)->renewed = changed;
}

static int renew_once(struct saga__journal *j, saga_id me, int64_t lease_ms,
	struct renewing *renewing, saga_error *error)
{
	int64_t now = saga__journal_now(j);
	const saga_value renewal[] = { saga_int64(now + lease_ms), saga_uuid(me) };
	char text[SAGA__CLOCK_TEXT];
	const saga_value declaration[] = { saga_text("declaration") };
	const saga_value living[] = { saga_int64(now) };
	const saga_value time[] = { saga_text(saga__journal_clock_text(j, text)),
		saga_text("clock"), saga_text(text) };
	const saga_statement statements[STATEMENTS] = {
		[RENEW] = { "UPDATE saga_instance SET until = ? WHERE id = ?", renewal, 2 },
		[INSTANCES] = { "SELECT id, until FROM saga_instance WHERE until >= ?", living, 1 },
		[LEASES] = { j->dialect->leases, NULL, 0 },
		[HALTS] = { "SELECT COUNT(*) AS n FROM saga_meta WHERE name LIKE 'stream%'", NULL,
			0 },
		[KEPT_TIME] = { "SELECT value FROM saga_meta WHERE name = ?", &time[1], 1 },
		[KEEP_TIME] = { "UPDATE saga_meta SET value = ? WHERE name = ? AND value < ?", time,
			3 },
		[DECLARATION] = { "SELECT value FROM saga_meta WHERE name = ?", declaration, 1 },
		[CLOCK] = { j->dialect->clock, NULL, 0 },
	};
	saga_sink sink = { take_row, count_renewed, renewing };
	int code;

	renewing->leases->instance_count = 0;
	code = j->ops->run(
		j->store, statements, j->dialect->clock ? STATEMENTS : CLOCK, &sink, error);
	if (code == SAGA_OK)
		saga__journal_look_with(j, renewing->clock, renewing->kept);
	return code;
}

int saga__journal_renew(struct saga__journal *j, saga_id me, int64_t lease_ms,
	struct saga__leases *ret_leases, saga_error *error)
{
	struct saga__leases leases = { .instance_count = 0 };
	struct renewing renewing = { .leases = &leases, .shards = j->shards };
	int code = renew_once(j, me, lease_ms, &renewing, error);

	if (code == SAGA_OK && !saga__journal_is_declared(j, renewing.declaration))
		return saga__journal_undeclared(j, renewing.declaration, error);
	/* It is new; or was thought gone. */
	if (code == SAGA_OK && !renewing.renewed) {
		code = SAGA__RUN(j, "INSERT INTO saga_instance (id, until) VALUES (?, ?)", error,
			saga_uuid(me), saga_int64(saga__journal_now(j) + lease_ms));
		if (code == SAGA_OK)
			code = renew_once(j, me, lease_ms, &renewing, error);
	}
	if (code == SAGA_OK)
		*ret_leases = leases;
	return code;
}

/* ---- taking and giving ---- */

struct taking {
	const unsigned *shards;
	size_t count;
	uint64_t taken;
};

static void count_taken(void *context, size_t i, int64_t changed)
{
	struct taking *taking = context;

	if (i < taking->count && changed)
		taking->taken |= 1ull << taking->shards[i];
}

int saga__journal_take(struct saga__journal *j, saga_id me, uint64_t shards,
	const struct saga__leases *leases, uint64_t *ret_taken, saga_error *error)
{
	saga_statement statements[SAGA__STORE_SHARDS + 1];
	saga_value values[SAGA__STORE_SHARDS][3];
	unsigned numbers[SAGA__STORE_SHARDS];
	const saga_value now[] = { saga_int64(saga__journal_now(j)) };
	struct taking taking = { .shards = numbers };
	saga_sink sink = { NULL, count_taken, &taking };
	int code;

	for (unsigned shard = 0; shard < j->shards; shard++) {
		saga_value *v = values[taking.count];

		if (!(shards >> shard & 1))
			continue;
		v[0] = saga_uuid(me);
		v[1] = saga_int64(shard);
		v[2] = saga_uuid(leases->at[shard].holder);
		numbers[taking.count] = shard;
		statements[taking.count++] = (saga_statement){
			"UPDATE saga_lease SET holder = ? WHERE shard = ? AND holder = ?", v, 3
		};
	}
	statements[taking.count] =
		(saga_statement){ "DELETE FROM saga_instance WHERE until < ?", now, 1 };
	code = j->ops->run(j->store, statements, taking.count + 1, &sink, error);
	if (code == SAGA_OK)
		*ret_taken = taking.taken;
	return code;
}

int saga__journal_give(struct saga__journal *j, saga_id me, uint64_t shards, saga_error *error)
{
	const saga_id nobody = { { 0 } };
	int code = SAGA_OK;

	for (unsigned shard = 0; code == SAGA_OK && shard < j->shards; shard++)
		if (shards >> shard & 1)
			code = SAGA__RUN(j,
				"UPDATE saga_lease SET holder = ? WHERE shard = ? AND holder = ?",
				error, saga_uuid(nobody), saga_int64(shard), saga_uuid(me));
	return code;
}

int saga__journal_leave(struct saga__journal *j, saga_id me, saga_error *error)
{
	return SAGA__RUN(j, "DELETE FROM saga_instance WHERE id = ?", error, saga_uuid(me));
}
