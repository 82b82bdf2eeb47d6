/*
 * Which rows a transaction writes, and which handler wrote them. Triggers on each table of a store
 * write that down in the same transaction, and so what is taken back is gone here, too. It tells
 * whether a handler's writes share its fate, and which rows two transactions both lock.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
	NAME_MOST = 128,
	KEY_MOST = 400,
	TRIGGER_MOST = 1024
};

static const char tables[] =
	"CREATE TEMP TABLE IF NOT EXISTS saga_sim_now (tag INTEGER NOT NULL);"
	"INSERT INTO saga_sim_now SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM saga_sim_now);"
	"CREATE TEMP TABLE IF NOT EXISTS saga_sim_write (tag INTEGER NOT NULL, tab TEXT NOT NULL,"
	" row TEXT);";

static const saga_store_ops *inner(void)
{
	return saga_store_builtin("sqlite");
}

static int run(struct saga__member *member, const char *sql, const saga_value *value,
	int (*row)(void *context, size_t i, const char *const *names, const saga_value *columns,
		size_t column_count),
	void *context)
{
	const saga_statement statement = { sql, value, value ? 1 : 0 };
	saga_sink sink = { row, NULL, context };
	saga_error error;
	int code = inner()->run(member->store, &statement, 1, row ? &sink : NULL, &error);

	if (code != SAGA_OK)
		saga__sim_breach(member->sim, "the world can't see what %s writes: %s",
			member->def.name, error.text);
	return code;
}

/* ---- triggers ---- */

struct names {
	char (*at)[NAME_MOST];
	size_t count, room;
};

static int take_name(void *context, size_t i, const char *const *names_, const saga_value *c,
	size_t column_count)
{
	struct names *names = context;

	(void)i, (void)names_, (void)column_count;
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		char(*more)[NAME_MOST] = realloc(names->at, room * sizeof *more);

		if (!more)
			return SAGA_NOMEM;
		names->at = more;
		names->room = room;
	}
	(void)snprintf(names->at[names->count++], NAME_MOST, "%.*s", (int)c[0].as.bytes.size,
		(const char *)c[0].as.bytes.at);
	return SAGA_OK;
}

/* `quote(new."a")||'/'||quote(new."b")`, of the primary key, or the row's own number. */
static void key_of(const struct names *columns, const char *which, char *text, size_t size)
{
	size_t length = 0;

	if (!columns->count)
		(void)snprintf(text, size, "%s.rowid", which);
	for (size_t i = 0; i < columns->count && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%squote(%s.\"%s\")",
			i ? "||'/'||" : "", which, columns->at[i]);
}

static int watch_table(struct saga__member *member, const char *table)
{
	static const struct {
		const char *name, *event, *which;
	} kinds[] = { { "i", "INSERT", "new" }, { "u", "UPDATE", "new" },
		{ "d", "DELETE", "old" } };
	const saga_value name = saga_text(table);
	struct names columns = { NULL, 0, 0 };
	int code = run(member, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk",
		&name, take_name, &columns);

	for (size_t i = 0; code == SAGA_OK && i < sizeof kinds / sizeof kinds[0]; i++) {
		char key[KEY_MOST], sql[TRIGGER_MOST];

		key_of(&columns, kinds[i].which, key, sizeof key);
		(void)snprintf(sql, sizeof sql,
			"CREATE TEMP TRIGGER \"saga_sim_%s_%s\" AFTER %s ON main.\"%s\" BEGIN"
			" INSERT INTO saga_sim_write (tag, tab, row) SELECT tag, '%s', %s"
			" FROM saga_sim_now; END",
			kinds[i].name, table, kinds[i].event, table, table, key);
		code = run(member, sql, NULL, NULL, NULL);
	}
	free(columns.at);
	return code;
}

static int take_count(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	*(int64_t *)context = c[0].kind == SAGA_VALUE_INT64 ? c[0].as.int64 : 0;
	return SAGA_OK;
}

/* Tables that came with this commit are seen from the next one on. The library's own only matter
 * where transactions meet. */
void saga__writes_watch(struct saga__member *member)
{
	struct saga__mirror *mirror = member->mirror;
	struct names names = { NULL, 0, 0 };
	int64_t count = 0;

	if (run(member, "SELECT COUNT(*) FROM main.sqlite_master", NULL, take_count, &count) !=
			SAGA_OK ||
		count == mirror->watched_tables)
		return;
	if (!mirror->watched_tables)
		(void)run(member, tables, NULL, NULL, NULL);
	mirror->watched_tables = count;
	if (run(member,
		    "SELECT name FROM main.sqlite_master AS m WHERE type = 'table'"
		    " AND name NOT LIKE 'sqlite%' AND name <> 'saga_meta' AND NOT EXISTS"
		    " (SELECT 1 FROM temp.sqlite_master WHERE type = 'trigger'"
		    " AND name = 'saga_sim_i_' || m.name) ORDER BY name",
		    NULL, take_name, &names) == SAGA_OK)
		for (size_t i = 0; i < names.count; i++)
			if ((member->sim->on & SAGA_SIM_STALL) ||
				strncmp(names.at[i], "saga_", 5) != 0)
				(void)watch_table(member, names.at[i]);
	free(names.at);
}

/* ---- who writes ---- */

static const char of_tag[] =
	"SELECT COUNT(*) FROM temp.saga_sim_write WHERE tag = ? AND tab NOT LIKE 'saga\\_%'"
	" ESCAPE '\\'";

static int64_t count_of(struct saga__member *member, int64_t tag)
{
	const saga_value value = saga_int64(tag);
	int64_t count = 0;

	(void)run(member, of_tag, &value, take_count, &count);
	return count;
}

static void set_tag(struct saga__member *member, int64_t tag)
{
	static const char sql[] = "UPDATE temp.saga_sim_now SET tag = ?";
	const saga_value value = saga_int64(tag);
	const saga_statement statement = { sql, &value, 1 };

	(void)run(member, sql, &value, NULL, NULL);
	if (member->handle)
		saga__stall_note(member->handle, SAGA__DID_RUN, &statement, 1);
}

static bool can_see(const struct saga__member *member)
{
	return member->mirror->watched_tables && inner()->in_transaction(member->store);
}

int64_t saga__writes_begin(struct saga__member *member, struct saga__known_slot *slot)
{
	struct saga__mirror *mirror = member->mirror;
	struct saga__handler_run *run_of;

	if (!slot || !can_see(member))
		return 0;
	if (mirror->run_count == mirror->run_room) {
		size_t room = mirror->run_room ? 2 * mirror->run_room : 64;
		struct saga__handler_run *more = realloc(mirror->runs, room * sizeof *more);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return 0;
		}
		mirror->runs = more;
		mirror->run_room = room;
	}
	run_of = &mirror->runs[mirror->run_count++];
	*run_of = (struct saga__handler_run){ .tag = (int64_t)mirror->run_count, .slot = slot };
	set_tag(member, run_of->tag);
	return run_of->tag;
}

void saga__writes_end(struct saga__member *member, int64_t tag, enum saga__writes fate)
{
	struct saga__handler_run *run_of;

	if (!tag || (size_t)tag > member->mirror->run_count || !can_see(member))
		return;
	run_of = &member->mirror->runs[tag - 1];
	run_of->fate = fate;
	if (fate == SAGA__WRITES_STAY)
		run_of->count = count_of(member, tag);
	set_tag(member, 0);
}

/* Before a transaction is forgotten; the tags begin anew. */
void saga__writes_committed(struct saga__member *member)
{
	struct saga__mirror *mirror = member->mirror;
	char text[400];

	for (size_t i = 0; i < mirror->run_count; i++) {
		const struct saga__handler_run *run_of = &mirror->runs[i];
		int64_t count;

		if (run_of->fate == SAGA__WRITES_ANY)
			continue;
		count = count_of(member, run_of->tag);
		if (run_of->fate == SAGA__WRITES_GO && count)
			saga__sim_breach(member->sim,
				"law 1: %s: its run took no effect, and %lld of its writes stay",
				saga__slot_text(member, run_of->slot, text, sizeof text),
				(long long)count);
		else if (run_of->fate == SAGA__WRITES_STAY && count != run_of->count)
			saga__sim_breach(member->sim,
				"law 1: %s: its run took effect, and of its %lld writes %lld stay",
				saga__slot_text(member, run_of->slot, text, sizeof text),
				(long long)run_of->count, (long long)count);
	}
	mirror->run_count = 0;
	if (mirror->watched_tables)
		(void)run(member, "DELETE FROM temp.saga_sim_write", NULL, NULL, NULL);
}

/* ---- which rows ---- */

static int take_key(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct saga__rows_locked *locked = context;
	char **more = realloc(locked->keys, (locked->count + 1) * sizeof *more);

	(void)i, (void)names, (void)column_count;
	if (!more)
		return SAGA_NOMEM;
	locked->keys = more;
	if (!(more[locked->count] = malloc(c[0].as.bytes.size + 1)))
		return SAGA_NOMEM;
	memcpy(more[locked->count], c[0].as.bytes.at, c[0].as.bytes.size);
	more[locked->count++][c[0].as.bytes.size] = '\0';
	return SAGA_OK;
}

void saga__writes_locked(struct saga__member *member, struct saga__rows_locked *ret_locked)
{
	*ret_locked = (struct saga__rows_locked){ NULL, 0 };
	if (member->mirror->watched_tables)
		(void)run(member,
			"SELECT DISTINCT tab || ' ' || row FROM temp.saga_sim_write ORDER BY 1",
			NULL, take_key, ret_locked);
}

void saga__writes_free_locked(struct saga__rows_locked *locked)
{
	while (locked->count)
		free(locked->keys[--locked->count]);
	free(locked->keys);
	locked->keys = NULL;
}

const char *saga__writes_meet(const struct saga__rows_locked *a, const struct saga__rows_locked *b)
{
	for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
		int order = strcmp(a->keys[i], b->keys[k]);

		if (order == 0)
			return a->keys[i];
		if (order < 0)
			i++;
		else
			k++;
	}
	return NULL;
}
