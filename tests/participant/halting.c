/* How a stream comes to stop: an outbox that was trimmed, a store that was set back. */
#include "halting.h"

#include <sqlite3.h>
#include <stdio.h>

static int64_t outside_sql(struct stage *stage, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	char path[96];
	int64_t number = 0;

	snprintf(path, sizeof path, "%s/outside.db", stage->dir);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return number;
}

static void copy_file(struct stage *stage, const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof command, "cd %s && rm -f %s-wal %s-shm && cp %s %s", stage->dir,
		to, to, from, to);
	ck_assert_int_eq(system(command), 0);
}

void inject_new(struct stage *stage, saga_id *sagas, int count)
{
	for (int i = 0; i < count; i++) {
		sagas[i] = stage_saga(stage);
		inject(stage, sagas[i], &go_first);
	}
}

int64_t trim_what_it_needs(struct stage *stage, saga_id sagas[MISSED])
{
	settle(stage);
	actor_close(&stage->target);
	inject_new(stage, sagas, MISSED);
	AWAIT(stage, health(&stage->outside).outbox >= MISSED);
	actor_close(&stage->outside);
	outside_sql(stage,
		"DELETE FROM saga_outbox WHERE seq <="
		" (SELECT MAX(seq) - 2 FROM saga_outbox)");
	stage_open_outside(stage);
	actor_open(stage, &stage->target, stage->def, &stage->options, "target.db");
	AWAIT(stage, logged(stage, "stream.gone") == 1);
	return outside_sql(stage, "SELECT MIN(seq) FROM saga_outbox");
}

/* What `settle` waits for is of the first shards alone, and other instances may work the others. */
static void await_slots(struct stage *stage, const saga_id *sagas, int count)
{
	for (int i = 0; i < count; i++)
		AWAIT(stage,
			sql_int(stage, "SELECT COUNT(*) FROM saga_slot WHERE saga = ?", &sagas[i],
				NULL) == 1);
}

void take_a_backup(struct stage *stage, saga_id before[2], saga_id lost[3])
{
	inject_new(stage, before, 2);
	settle(stage);
	actor_close(&stage->outside);
	copy_file(stage, "outside.db", "backup.db");
	stage_open_outside(stage);
	inject_new(stage, lost, 3);
	settle(stage);
	await_slots(stage, lost, 3);
}

void put_it_back(struct stage *stage)
{
	actor_close(&stage->outside);
	copy_file(stage, "backup.db", "outside.db");
	stage_open_outside(stage);
}

void restore_a_backup(struct stage *stage, saga_id before[2], saga_id lost[3])
{
	take_a_backup(stage, before, lost);
	put_it_back(stage);
}
