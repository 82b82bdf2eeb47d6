/* A journal is opened: made, found again, refused, brought up to date. */

#include "desk.h"
#include "stores/dialect.h"

#include <stdio.h>
#include <unistd.h>

START_TEST(it_is_made_once_and_found_again)
{
	struct desk *desk = desk_opened(false);
	struct saga__stream_row row;
	int64_t birth = desk->now;
	saga_id uuid = desk->journal.uuid;
	saga_error error;

	ck_assert(!saga__id_is_zero(uuid));
	ck_assert_int_eq(desk->journal.birth, birth);
	ck_assert_uint_eq(desk->journal.shards, is_on("sqlite") ? 1 : 8);
	desk_put(desk, 1, A, SAGA__DONE);
	desk_close(desk);
	desk->now += 1000;
	OK(desk_open(desk, &plain, &error), error);
	ck_assert(saga__id_same(desk->journal.uuid, uuid));
	ck_assert_int_eq(desk->journal.birth, birth);
	ck_assert_int_eq(desk_state(desk, 1, A), SAGA__DONE);
	OK(saga__journal_stream(&desk->journal, 0, &row, &error), error);
	ck_assert_uint_eq(row.seq, 0);
	ck_assert_uint_eq(row.first, 1);
	ck_assert(!row.unclean);
	desk_free(desk);
}
END_TEST

START_TEST(two_stores_have_two_uuids)
{
	struct desk *one = desk_opened(true), *other = desk_new(true);
	saga_error error;

	other->random = 99;
	OK(desk_open(other, &plain, &error), error);
	ck_assert(!saga__id_same(one->journal.uuid, other->journal.uuid));
	desk_free(one);
	desk_free(other);
}
END_TEST

#define MEND_SHARDS \
	"UPDATE saga_meta SET value = (SELECT CAST(COUNT(*) AS VARCHAR(9)) FROM saga_stream)" \
	" WHERE name = 'shards'"

/* By a connection that knows no journal. */
static void desk_mend(const struct desk *desk, const char *sql)
{
	const saga_store_ops *ops = saga_store_builtin(ground()->name);
	const saga_store_options options = { desk->url, 10000, NULL };
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;
	void *store;

	OK(ops->open(&options, &store, &error), error);
	OK(ops->run(store, &statement, 1, NULL, &error), error);
	ops->close(store);
}

START_TEST(a_store_that_is_not_ours_is_refused_and_left_alone)
{
	static const struct {
		const char *sql;
		int code;
		const char *says;
		const char *mend;
	} wrong[] = {
		{ "UPDATE saga_meta SET value = '9' WHERE name = 'layout'", SAGA_UNSUPPORTED,
			"layout 9", "UPDATE saga_meta SET value = '3' WHERE name = 'layout'" },
		{ "UPDATE saga_meta SET value = 'other' WHERE name = 'participant'", SAGA_TWINS,
			"the store is other's, not test's",
			"UPDATE saga_meta SET value = 'test' WHERE name = 'participant'" },
		{ "UPDATE saga_meta SET value = '3' WHERE name = 'shards'", SAGA_UNSUPPORTED,
			"3 shards", MEND_SHARDS },
		{ "UPDATE saga_meta SET value = '128' WHERE name = 'shards'", SAGA_UNSUPPORTED,
			"128 shards", MEND_SHARDS },
		{ "UPDATE saga_meta SET value = '?' WHERE name = 'uuid'", SAGA_UNSUPPORTED, "uuid",
			"UPDATE saga_meta SET value = '0190f3c2-0000-7000-8000-000000000001'"
			" WHERE name = 'uuid'" },
	};
	static const saga_step_def steps[] = {
		{ .name = "a", .was = "z", .on = { &go }, .run = never }
	};
	static const char *const scripts[] = { "CREATE TABLE mine (n BIGINT);", NULL };
	const saga_participant_def renamed = SAGA_PARTICIPANT("test", steps, .schema = scripts);
	struct desk *desk = desk_opened(false);
	saga_error error;
	int64_t metas = desk_number(desk, "SELECT COUNT(*) FROM saga_meta");

	desk_sql(desk, wrong[_i].sql);
	desk_close(desk);
	ck_assert_int_eq(desk_open(desk, &renamed, &error), wrong[_i].code);
	ck_assert_msg(strstr(error.text, wrong[_i].says), "%s", error.text);
	/* Mended by hand, it is as it was: nothing of the renamed declaration is in it. */
	desk_mend(desk, wrong[_i].mend);
	OK(desk_open(desk, &plain, &error), error);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_meta"), metas);
	desk_sql(desk, "CREATE TABLE mine (n BIGINT)");
	desk_free(desk);
}
END_TEST

/* ---- the user's schema ---- */

static const char *const scripts[] = {
	"CREATE TABLE mine (saga SAGA_ID, n BIGINT NOT NULL);"
	"INSERT INTO mine (n) VALUES (1);",
	"INSERT INTO mine (n) VALUES (2);",
	"INSERT INTO mine (n) VALUES (3);",
	NULL,
};

static saga_participant_def with_scripts(const char *const *schema)
{
	saga_participant_def def = plain;

	def.schema = schema;
	return def;
}

START_TEST(each_script_runs_once_in_order)
{
	struct desk *desk = desk_new(false);
	const char *some[4] = { NULL };
	saga_error error;

	for (size_t count = 0; count <= 3; count++) {
		saga_participant_def def = with_scripts(some);

		for (int again = 0; again < 2; again++) {
			OK(desk_open(desk, &def, &error), error);
			if (count)
				ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM mine"),
					(int64_t)count);
			desk_close(desk);
		}
		if (count < 3)
			some[count] = scripts[count];
	}
	desk_free(desk);
}
END_TEST

START_TEST(fewer_scripts_than_ran_are_refused)
{
	static const char *const one[] = { "CREATE TABLE mine (n BIGINT);", NULL };
	saga_participant_def all = with_scripts(scripts), fewer = with_scripts(one);
	struct desk *desk = desk_new(false);
	saga_error error;

	OK(desk_open(desk, &all, &error), error);
	desk_close(desk);
	ck_assert_int_eq(desk_open(desk, &fewer, &error), SAGA_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(error.text, "3 scripts"));
	OK(desk_open(desk, &all, &error), error);
	desk_free(desk);
}
END_TEST

START_TEST(a_script_that_fails_leaves_nothing)
{
	static const char *const broken[] = { "CREATE TABLE mine (n BIGINT);", "CREATE TABLE ;",
		NULL };
	saga_participant_def def = with_scripts(broken), good = with_scripts(scripts);
	struct desk *desk = desk_new(false);
	saga_error error;

	ck_assert_int_eq(desk_open(desk, &def, &error), SAGA_REFUSED);
	OK(desk_open(desk, &good, &error), error);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM mine"), 3);
	desk_free(desk);
}
END_TEST

/* ---- tables that somebody made by hand ---- */

/* As `saga schema` prints them. */
static char *layout_here(void)
{
	const struct saga__dialect *dialect =
		saga__dialect_of(saga_store_builtin(ground()->name)->dialect);
	char *layout = saga__journal_layout(dialect);

	ck_assert_ptr_nonnull(layout);
	return layout;
}

static struct desk *desk_by_hand(void)
{
	struct desk *desk = desk_new(false);
	char *layout = layout_here();

	desk_mend(desk, layout);
	free(layout);
	return desk;
}

START_TEST(tables_made_by_hand_are_filled)
{
	struct desk *desk = desk_by_hand();
	saga_error error;

	for (int again = 0; again < 2; again++) {
		OK(desk_open(desk, &plain, &error), error);
		ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) AS n FROM saga_stream"),
			desk->journal.shards);
		desk_put(desk, (unsigned)again, A, SAGA__DONE);
		ck_assert_int_eq(desk_state(desk, 0, A), SAGA__DONE);
		desk_close(desk);
	}
	desk_free(desk);
}
END_TEST

START_TEST(a_table_that_is_missing_is_named)
{
	static const char *const tables[] = { "saga_meta", "saga_stream", "saga_slot",
		"saga_parked", "saga_outbox", "saga_position" };
	struct desk *desk = desk_by_hand();
	saga_error error;
	char sql[64];

	(void)snprintf(sql, sizeof sql, "DROP TABLE %s", tables[_i]);
	desk_mend(desk, sql);
	ck_assert_int_eq(desk_open(desk, &plain, &error), SAGA_UNSUPPORTED);
	ck_assert_msg(strstr(error.text, tables[_i]), "%s", error.text);
	desk_free(desk);
}
END_TEST

/* Who may read and write, and make nothing; the desk is his then. */
static void make_role(struct desk *desk, const char *role)
{
	size_t length = strlen(desk->url);
	char sql[1024];

	(void)snprintf(sql, sizeof sql,
		"CREATE ROLE %s; DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %%I TO %s',"
		" current_schema()); EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE"
		" ON ALL TABLES IN SCHEMA %%I TO %s', current_schema()); END $$;",
		role, role, role);
	desk_mend(desk, sql);
	(void)snprintf(desk->url + length, sizeof desk->url - length, "%%20-crole%%3D%s", role);
}

static void drop_role(const struct desk *desk, const char *role)
{
	char sql[128];

	(void)snprintf(sql, sizeof sql, "DROP OWNED BY %s; DROP ROLE %s;", role, role);
	desk_mend(desk, sql);
}

START_TEST(a_role_that_may_make_nothing_opens_what_is_there)
{
	static const char *const tables[] = { "CREATE TABLE mine (n BIGINT);", NULL };
	saga_participant_def def = with_scripts(tables);
	struct desk *desk;
	char role[32];
	saga_error error;
	size_t own;

	ONLY_ON("postgres", "it is by PostgreSQL's roles");
	desk = desk_by_hand();
	(void)snprintf(role, sizeof role, "saga_plain_%ld", (long)getpid());
	desk_mend(desk, "CREATE TABLE mine (n BIGINT)");
	own = strlen(desk->url);
	make_role(desk, role);
	/* The script is his who made the tables; that it ran is his to say. */
	ck_assert_int_eq(desk_open(desk, &def, &error), SAGA_REFUSED);
	ck_assert_msg(
		strstr(error.text, "CREATE TABLE mine") && strstr(error.text, "permission denied"),
		"%s", error.text);
	desk_mend(desk, "INSERT INTO saga_meta (name, value) VALUES ('schema', '1')");
	for (int again = 0; again < 2; again++) {
		OK(desk_open(desk, &def, &error), error);
		desk_sql(desk, "INSERT INTO mine (n) VALUES (1)");
		desk_put(desk, 1, A, SAGA__DONE);
		ck_assert_int_eq(desk_state(desk, 1, A), SAGA__DONE);
		desk_close(desk);
	}
	desk->url[own] = '\0';
	drop_role(desk, role);
	desk_free(desk);
}
END_TEST

/* ---- renamed steps ---- */

static const saga_step_def renamed_steps[] = {
	{ .name = "first", .on = { &back }, .run = never },
	{ .name = "new",
		.was = "a",
		.on = { &go },
		.run = never,
		.emits = { &did },
		.after = { { .event = &late } } },
	{ .name = "b",
		.on = { &did },
		.run = never,
		.undo = never,
		.undo_on = { &late },
		.undone = { &undid } },
};
static const saga_participant_def renamed = SAGA_PARTICIPANT("test", renamed_steps);

enum {
	FIRST_AS,
	NEW,
	B_AS,
	NEW_LATE
};

START_TEST(a_renamed_step_keeps_its_slots_rows_and_schedules)
{
	struct desk *desk = desk_opened(false);
	saga_error error;

	desk_put(desk, 1, A, SAGA__TRYING);
	desk_put(desk, 1, B, SAGA__DONE);
	desk_put(desk, 1, LATE, SAGA__WAITING);
	desk_begin(desk);
	(void)desk_park(desk, 1, A, SAGA__PARKED_CALL, desk->now, "");
	(void)desk_park(desk, 1, LATE, SAGA__PARKED_SCHEDULE, desk->now, "");
	(void)desk_park(desk, 1, B, SAGA__PARKED_BEHIND, SAGA__NEVER, "a/");
	desk_commit(desk, NULL, 0);
	for (int again = 0; again < 2; again++) {
		desk_close(desk);
		OK(desk_open(desk, &renamed, &error), error);
		ck_assert_int_eq(desk_state(desk, 1, NEW), SAGA__TRYING);
		ck_assert_int_eq(desk_state(desk, 1, B_AS), SAGA__DONE);
		ck_assert_int_eq(desk_state(desk, 1, NEW_LATE), SAGA__WAITING);
		ck_assert_int_eq(
			desk_number(desk, "SELECT COUNT(*) FROM saga_parked WHERE step = 'new'"),
			1);
		ck_assert_int_eq(desk_number(desk,
					 "SELECT COUNT(*) FROM saga_parked"
					 " WHERE step = 'new>t.late'"),
			1);
	}
	desk_free(desk);
}
END_TEST

/* Or what it holds back would wait for ever for a name that nobody has. */
START_TEST(what_waits_behind_a_renamed_step_is_not_forgotten)
{
	struct desk *desk = desk_opened(false);
	saga_error error;

	desk_put(desk, 1, A, SAGA__TRYING);
	desk_begin(desk);
	(void)desk_park(desk, 1, B, SAGA__PARKED_BEHIND, SAGA__NEVER, "a/");
	desk_commit(desk, NULL, 0);
	desk_close(desk);
	OK(desk_open(desk, &renamed, &error), error);
	ck_assert_int_eq(desk_number(desk,
				 "SELECT COUNT(*) FROM saga_parked"
				 " WHERE behind = 'new/' OR (due < 9e18 AND kind = 'retry')"),
		1);
	desk_free(desk);
}
END_TEST

/* Keys are made of the first name: it stays, whatever the step is called. */
START_TEST(a_first_name_is_kept_for_good)
{
	static const struct {
		const char *name, *was;
		int code;
		const char *says;
	} named[] = {
		{ "new", "a", SAGA_OK, "" },
		{ "newer", "a", SAGA_OK, "" },
		{ "a", NULL, SAGA_OK, "" },
		{ "new", NULL, SAGA_UNSUPPORTED, ".was = \"a\"" },
		{ "newer", "new", SAGA_UNSUPPORTED, ".was = \"a\"" },
	};
	const saga_step_def steps[] = {
		{ .name = named[_i].name, .was = named[_i].was, .on = { &go }, .run = never },
		{ .name = "first", .on = { &back }, .run = never },
	};
	const saga_participant_def def = SAGA_PARTICIPANT("test", steps);
	struct desk *desk = desk_opened(false);
	saga_error error = { .text = "" };

	desk_put(desk, 1, A, SAGA__DONE);
	desk_close(desk);
	OK(desk_open(desk, &renamed, &error), error);
	desk_close(desk);
	ck_assert_int_eq(desk_open(desk, &def, &error), named[_i].code);
	if (named[_i].code == SAGA_OK)
		ck_assert_int_eq(desk_state(desk, 1, 0), SAGA__DONE);
	else
		ck_assert_msg(strstr(error.text, named[_i].says), "%s", error.text);
	desk_free(desk);
}
END_TEST

START_TEST(lowered_durability_is_seen)
{
	static const struct {
		const char *setting;
		bool lowered;
	} settings[] = { { "", false }, { "?synchronous=full", false },
		{ "?synchronous=normal", true }, { "?synchronous=off", true } };
	struct desk *desk;
	size_t length;
	saga_error error;

	ONLY_ON("sqlite", "a server's settings are not the URL's");
	desk = desk_new(false);
	length = strlen(desk->url);
	(void)snprintf(desk->url + length, sizeof desk->url - length, "%s", settings[_i].setting);
	OK(desk_open(desk, &plain, &error), error);
	ck_assert_int_eq(desk->journal.lowered, settings[_i].lowered);
	desk_free(desk);
}
END_TEST

START_TEST(a_store_in_memory_has_nothing_to_lose)
{
	struct desk *desk;

	ONLY_ON("sqlite", "no server is in memory");
	desk = desk_opened(true);
	ck_assert(!desk->journal.lowered);
	desk_free(desk);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ it_is_made_once_and_found_again, 0 },
		{ two_stores_have_two_uuids, 0 },
		{ a_store_that_is_not_ours_is_refused_and_left_alone, 5 },
		{ each_script_runs_once_in_order, 0 },
		{ fewer_scripts_than_ran_are_refused, 0 },
		{ a_script_that_fails_leaves_nothing, 0 },
		{ tables_made_by_hand_are_filled, 0 },
		{ a_table_that_is_missing_is_named, 6 },
		{ a_role_that_may_make_nothing_opens_what_is_there, 0 },
		{ a_renamed_step_keeps_its_slots_rows_and_schedules, 0 },
		{ what_waits_behind_a_renamed_step_is_not_forgotten, 0 },
		{ a_first_name_is_kept_for_good, 5 },
		{ lowered_durability_is_seen, 4 },
		{ a_store_in_memory_has_nothing_to_lose, 0 },
	};

	return RUN_TESTS("opening", tests);
}
