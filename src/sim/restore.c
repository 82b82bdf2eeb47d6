/*
 * A store is set back to a backup. What was committed since is gone there, but not with the others:
 * they have seen events that there never were. So an alarm must say so, an operator accepts the
 * new history, and from then on all that the store has not seen comes again. Only what the business
 * lost can't be told here: after a restore, no sums are right.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
	NAME_MOST = 128,
	TABLES_MOST = 64
};

struct names {
	char at[TABLES_MOST][NAME_MOST];
	size_t count;
};

static int run(struct saga__member *member, const char *sql, saga_sink *sink)
{
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;
	int code = saga_store_builtin("sqlite")->run(member->store, &statement, 1, sink, &error);

	if (code != SAGA_OK)
		saga__sim_breach(member->sim, "the world can't back up %s: %s", member->def.name,
			error.text);
	return code;
}

static int take_name(void *context, size_t i, const char *const *names_, const saga_value *c,
	size_t column_count)
{
	struct names *names = context;

	(void)i, (void)names_, (void)column_count;
	if (names->count == TABLES_MOST)
		return SAGA_TOO_BIG;
	(void)snprintf(names->at[names->count++], NAME_MOST, "%.*s", (int)c[0].as.bytes.size,
		(const char *)c[0].as.bytes.at);
	return SAGA_OK;
}

static int each_table(struct saga__member *member, const char *of, const char *format)
{
	struct names names = { .count = 0 };
	saga_sink sink = { take_name, NULL, &names };
	char sql[4 * NAME_MOST];
	int code;

	(void)snprintf(sql, sizeof sql,
		"SELECT name FROM %s.sqlite_master WHERE type = 'table' AND name NOT LIKE "
		"'sqlite%%'"
		" ORDER BY name",
		of);
	code = run(member, sql, &sink);
	for (size_t i = 0; code == SAGA_OK && i < names.count; i++) {
		(void)snprintf(sql, sizeof sql, format, names.at[i], names.at[i]);
		code = run(member, sql, NULL);
	}
	return code;
}

/* ---- what the checkers know of it ---- */

static void each_slot(struct saga__mirror *mirror, bool back)
{
	for (size_t i = 0; i < mirror->bucket_count; i++)
		for (struct saga__known_slot *slot = mirror->buckets[i]; slot; slot = slot->next)
			if (back)
				slot->now = slot->then;
			else
				slot->then = slot->now;
}

static void remember(struct saga__mirror *mirror)
{
	each_slot(mirror, false);
	for (size_t shard = 0; shard < SAGA__SIM_SHARDS; shard++) {
		struct saga__known_stream *stream = &mirror->streams[shard];

		stream->count_then = stream->count;
		stream->trimmed_then = stream->trimmed;
		stream->own_then = stream->own;
	}
	memcpy(mirror->positions_then, mirror->positions, sizeof mirror->positions);
}

/* Others saw the end that is gone; they have not seen the events that replace it. */
static void clip(saga_sim *sim, const struct saga__member *owner, unsigned shard, uint64_t count)
{
	for (size_t i = 0; i < sim->member_count; i++) {
		struct saga__member *to = sim->members[i];

		for (unsigned own = 0; to->first == to && own < to->shards; own++) {
			uint64_t *at = &to->mirror->positions[owner->number][shard][own];

			if (*at <= count)
				continue;
			sim->expects_alarm = sim->expects_alarm || to != owner;
			*at = count;
		}
	}
}

static void set_back(struct saga__member *member)
{
	struct saga__mirror *mirror = member->mirror;

	each_slot(mirror, true);
	memcpy(mirror->positions, mirror->positions_then, sizeof mirror->positions);
	for (unsigned shard = 0; shard < SAGA__SIM_SHARDS; shard++) {
		struct saga__known_stream *stream = &mirror->streams[shard];

		while (stream->count > stream->count_then)
			free(stream->events[--stream->count].subject);
		stream->trimmed = stream->trimmed_then;
		stream->own = stream->own_then;
		clip(member->sim, member, shard, stream->count);
	}
	saga__mirror_forget_effects(member);
}

/* ---- the store ---- */

static void back_up(struct saga__member *member)
{
	if (run(member, "ATTACH ':memory:' AS saga_sim_backup", NULL) != SAGA_OK ||
		each_table(member, "main",
			"CREATE TABLE saga_sim_backup.\"%s\" AS SELECT * FROM main.\"%s\"") !=
			SAGA_OK)
		return;
	remember(member->mirror);
	member->mirror->backed_up = true;
	saga__sim_trace(member->sim, member, "FAULT: its store is backed up");
}

static void restore(struct saga__member *member)
{
	saga_sim *sim = member->sim;
	struct saga__member *instance;

	for (size_t i = 0; (instance = saga__sim_instance(member, i)); i++)
		saga__member_kill(instance, "since its store is restored");
	if (run(member, "PRAGMA foreign_keys = OFF", NULL) != SAGA_OK ||
		each_table(member, "main", "DELETE FROM main.\"%s\" WHERE '%s' <> ''") != SAGA_OK ||
		each_table(member, "saga_sim_backup",
			"INSERT INTO main.\"%s\" SELECT * FROM saga_sim_backup.\"%s\"") !=
			SAGA_OK ||
		run(member, "DELETE FROM temp.saga_sim_log", NULL) != SAGA_OK ||
		run(member, "DELETE FROM temp.saga_sim_write", NULL) != SAGA_OK)
		return;
	set_back(member);
	sim->restored = member;
	sim->report.restores++;
	saga__sim_trace(sim, member, "FAULT: its store is set back to the backup");
}

/* The first time a backup is taken, the second time it is needed. One store of a world. */
void saga__restore_strike(saga_sim *sim, struct saga__member *member)
{
	if (sim->stalled || sim->restored)
		return;
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i]->mirror->backed_up) {
			restore(sim->members[i]->first);
			return;
		}
	if (member->mirror->watching && member->mirror->watched_tables)
		back_up(member->first);
}

/* ---- the operator ---- */

static int take_halt(void *context, size_t i, const char *const *names_, const saga_value *c,
	size_t column_count)
{
	static const char gone[] = "gone ";
	struct names *names = context;

	if (c[1].as.bytes.size > sizeof gone &&
		memcmp(c[1].as.bytes.at, gone, sizeof gone - 1) == 0)
		return SAGA_FAILED;
	return take_name(names, i, names_, c, column_count);
}

static void accept_all(struct saga__member *member)
{
	static const char halted[] = "SELECT substr(name, 8), value FROM saga_meta AS m"
				     " WHERE name LIKE 'stream %' AND NOT EXISTS (SELECT 1 FROM"
				     " saga_meta WHERE name = 'stream! ' || substr(m.name, 8))";
	struct names names = { .count = 0 };
	saga_sink sink = { take_halt, NULL, &names };

	if (run(member, halted, &sink) != SAGA_OK)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char sql[2 * NAME_MOST];

		saga__sim_trace(member->sim, member, "an operator accepts stream %s", names.at[i]);
		(void)snprintf(sql, sizeof sql,
			"INSERT INTO saga_meta (name, value) VALUES ('stream! %s', 'accept')",
			names.at[i]);
		(void)run(member, sql, NULL);
	}
}

/* Now and then somebody looks. */
void saga__restore_look(saga_sim *sim)
{
	if (!sim->restored || sim->stalled || saga__random_below(&sim->host_operator, 4))
		return;
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i]->first == sim->members[i] && sim->members[i]->mirror->watching)
			accept_all(sim->members[i]);
}

void saga__restore_end(saga_sim *sim)
{
	if (sim->expects_alarm && !sim->alarms)
		saga__sim_breach(sim,
			"law 8: %s was set back behind what others had seen, and nobody said so",
			sim->restored->def.name);
}
