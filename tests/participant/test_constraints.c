/* A statement that breaks a constraint of the business tables: by each kind, on each store. */
#include "harness.h"

enum kind {
	PRIMARY_KEY,
	UNIQUE_KEY,
	FOREIGN_KEY,
	CHECKED,
	NOT_NULL,
	KINDS
};

enum way {
	BY_EXEC,
	BY_WRITE,
	BY_REQUIRE,
	WAYS
};

static const char *const rules_schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL);"
	"CREATE TABLE owner (n BIGINT PRIMARY KEY);"
	"CREATE TABLE seat (n BIGINT PRIMARY KEY, place BIGINT NOT NULL UNIQUE,"
	" owner BIGINT NOT NULL REFERENCES owner (n), price BIGINT NOT NULL CHECK (price > 0));"
	"INSERT INTO owner VALUES (1); INSERT INTO seat VALUES (1, 1, 1, 1)",
	NULL,
};

#define PUT_SEAT "INSERT INTO seat (n, place, owner, price) VALUES (?, ?, ?, ?)"

static int64_t number_of(saga_step *s)
{
	return saga_on(s, go_first)->n;
}

/* Each kind of row breaks one constraint; row KINDS breaks none. */
static saga_verdict run_a(saga_step *s)
{
	enum kind kind = (enum kind)(number_of(s) % 10);
	int64_t n = kind == PRIMARY_KEY ? 1 : number_of(s) + 2;
	int64_t place = kind == UNIQUE_KEY ? 1 : number_of(s) + 2;
	int64_t owner = kind == FOREIGN_KEY ? 99 : 1, price = kind == CHECKED ? 0 : 1;
	saga_value put = kind == NOT_NULL ? saga_null() : saga_int64(place);

	effect(s, "a");
	switch ((enum way)(number_of(s) / 10)) {
	case BY_EXEC:
		(void)saga_exec(s, PUT_SEAT, n, put, owner, price);
		saw(s, "%s", saga_code_name(saga_failing(s)));
		break;
	case BY_WRITE:
		saga_write(s, PUT_SEAT, n, put, owner, price);
		break;
	case BY_REQUIRE:
		if (!saga_require(s, PUT_SEAT, n, put, owner, price))
			return saga_reject(s, a_rejected, .why = "no seat was put");
		break;
	case WAYS:
		break;
	}
	return saga_emit(s, a_done);
}

static const saga_step_def rule_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_a,
		.emits = { &a_done },
		.rejects = { &a_rejected },
		.retry = { .attempts = 2, .first_ms = 1, .max_ms = 2 } },
	MARKER_STEP,
};
static const saga_participant_def rules =
	SAGA_PARTICIPANT("target", rule_steps, .schema = rules_schema);

static saga_id go(struct stage *stage, int64_t n, const char *state)
{
	saga_id saga = stage_saga(stage);

	inject_n(stage, saga, &go_first, n);
	AWAIT(stage, slot_is(stage, saga, "a", state));
	return saga;
}

START_TEST(a_broken_constraint_is_dead_and_no_rejection)
{
	struct stage *stage = stage_start(_i, &rules);

	for (int way = 0; way < WAYS; way++) {
		for (int kind = 0; kind < KINDS; kind++) {
			int alarms = logged_at(stage, SAGA_ALARM);
			saga_id saga = go(stage, way * 10 + kind, "dead");

			ck_assert_int_eq(effects(stage, saga, "a"), 0);
			ck_assert_int_eq(said(stage, saga, "a.done"), 0);
			ck_assert_int_eq(said(stage, saga, "a.rejected"), 0);
			AWAIT(stage, logged_at(stage, SAGA_ALARM) > alarms);
		}
		(void)go(stage, way * 10 + KINDS, "done");
	}
	ck_assert_int_eq(dead_letters(stage), 0);
	ck_assert_ptr_nonnull(strstr(trace(stage), "REFUSED; REFUSED; REFUSED"));
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) FROM seat", NULL, NULL), 1 + WAYS);
	stage_end(stage);
}
END_TEST

/* ---- a race: the row of another saga comes between the look and the write ---- */

static saga_verdict run_racer(saga_step *s)
{
	saw(s, "run %d", saga_attempt(s));
	effect(s, "a");
	if (saga_attempt(s) > 1 &&
		!saga_require(s,
			"INSERT INTO seat (n, place, owner, price) SELECT 7, 1, 1, 1"
			" WHERE NOT EXISTS (SELECT 1 FROM seat WHERE place = ?)",
			1))
		return saga_reject(s, a_rejected, .why = "the seat is taken");
	/* As the first attempt would, if it did not see the row yet. */
	saga_write(s, PUT_SEAT, 7, 1, 1, 1);
	return saga_emit(s, a_done);
}

static const saga_step_def racing_steps[] = {
	{ .name = "a",
		.on = { &go_first },
		.run = run_racer,
		.emits = { &a_done },
		.rejects = { &a_rejected } },
	MARKER_STEP,
};
static const saga_participant_def racing =
	SAGA_PARTICIPANT("target", racing_steps, .schema = rules_schema);

START_TEST(who_lost_a_race_sees_it_at_the_next_attempt)
{
	struct stage *stage = stage_start(_i, &racing);
	saga_id saga = go(stage, 0, "rejected");

	ck_assert_int_eq(said_with(stage, saga, "a.rejected", "the seat is taken"), 1);
	ck_assert_int_eq(effects(stage, saga, "a"), 0);
	ck_assert_int_eq(logged_at(stage, SAGA_ALARM), 0);
	stage_end(stage);
}
END_TEST

/* ---- constraints that a database checks when it commits ---- */

static const char *const late_schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL);"
	"CREATE TABLE owner (n BIGINT PRIMARY KEY);"
	"CREATE TABLE seat (n BIGINT PRIMARY KEY, place BIGINT, price BIGINT,"
	" owner BIGINT NOT NULL REFERENCES owner (n) DEFERRABLE INITIALLY DEFERRED);"
	"INSERT INTO owner VALUES (1)",
	NULL,
};
static const saga_participant_def late =
	SAGA_PARTICIPANT("target", rule_steps, .schema = late_schema);

START_TEST(what_a_commit_refuses_is_dead_alone)
{
	struct stage *stage;
	saga_id broken, sound[4];

	LEAVE_OUT_IF(is_on("mssql"), "SQL Server defers no constraint");
	stage = stage_start(_i, &late);
	broken = stage_saga(stage);
	inject_n(stage, broken, &go_first, FOREIGN_KEY);
	for (int i = 0; i < 4; i++) {
		sound[i] = stage_saga(stage);
		inject_n(stage, sound[i], &go_first, KINDS + i);
	}
	for (int i = 0; i < 4; i++)
		AWAIT(stage, slot_is(stage, sound[i], "a", "done"));
	AWAIT(stage, slot_is(stage, broken, "a", "dead"));
	ck_assert_int_eq(effects(stage, broken, "a"), 0);
	ck_assert_int_eq(said(stage, broken, "a.done"), 0);
	ck_assert_int_ge(logged_at(stage, SAGA_ALARM), 1);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_broken_constraint_is_dead_and_no_rejection,
		who_lost_a_race_sees_it_at_the_next_attempt,
		what_a_commit_refuses_is_dead_alone,
	};

	return run_both_modes("constraints", tests, sizeof tests / sizeof tests[0]);
}
