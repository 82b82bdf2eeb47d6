#include "harness.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* ---- the trace ---- */

static void append(struct stage *stage, const char *format, va_list values)
{
	size_t length;

	pthread_mutex_lock(&stage->lock);
	length = strlen(stage->trace);
	if (length && length + 2 < sizeof stage->trace) {
		memcpy(stage->trace + length, "; ", 3);
		length += 2;
	}
	vsnprintf(stage->trace + length, sizeof stage->trace - length, format, values);
	pthread_mutex_unlock(&stage->lock);
}

void saw(const saga_step *s, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	append(saga_user(s), format, values);
	va_end(values);
}

void saw_call(const saga_call *c, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	append(saga_call_user(c), format, values);
	va_end(values);
}

const char *trace(struct stage *stage)
{
	pthread_mutex_lock(&stage->lock);
	memcpy(stage->trace_copy, stage->trace, sizeof stage->trace);
	pthread_mutex_unlock(&stage->lock);
	return stage->trace_copy;
}

void trace_clear(struct stage *stage)
{
	pthread_mutex_lock(&stage->lock);
	stage->trace[0] = '\0';
	pthread_mutex_unlock(&stage->lock);
}

/* Counts whole entries. */
int trace_count(struct stage *stage, const char *what)
{
	const char *at = trace(stage);
	size_t length = strlen(what);
	int count = 0;

	for (;;) {
		if (!strncmp(at, what, length) && (at[length] == ';' || at[length] == '\0'))
			count++;
		if (!(at = strstr(at, "; ")))
			return count;
		at += 2;
	}
}

const char *const effect_schema[] = {
	"CREATE TABLE effect (saga SAGA_ID NOT NULL, what VARCHAR(40) NOT NULL)",
	NULL,
};

void effect(saga_step *s, const char *what)
{
	saga_exec(s, "INSERT INTO effect (saga, what) VALUES (?, ?)", saga_this(s), what);
}

/* ---- the gate ---- */

void gate_close(struct stage *stage)
{
	pthread_mutex_lock(&stage->lock);
	stage->gate_closed = true;
	pthread_mutex_unlock(&stage->lock);
}

void gate_open(struct stage *stage)
{
	pthread_mutex_lock(&stage->lock);
	stage->gate_closed = false;
	pthread_cond_broadcast(&stage->opened);
	pthread_mutex_unlock(&stage->lock);
}

void gate_pass(struct stage *stage)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_MS / 1000;
	pthread_mutex_lock(&stage->lock);
	while (stage->gate_closed &&
		pthread_cond_timedwait(&stage->opened, &stage->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&stage->lock);
}

/* ---- the target's store ---- */

static sqlite3 *look(struct stage *stage)
{
	char path[96];
	sqlite3 *db;

	if (stage->db)
		return stage->db;
	if (stage->look_path[0])
		memcpy(path, stage->look_path, sizeof path);
	else
		snprintf(path, sizeof path, "%s/target.db", stage->dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, DEADLINE_MS);
	stage->db = db;
	return db;
}

void look_close(struct stage *stage)
{
	sqlite3_close(stage->db);
	stage->db = NULL;
}

/* NULL while the library has not made its tables yet. */
static sqlite3_stmt *look_for(
	struct stage *stage, const char *sql, const saga_id *saga, const char *text)
{
	sqlite3 *db = look(stage);
	sqlite3_stmt *statement = NULL;
	int at = 1;

	if (!db)
		return NULL;
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
		ck_assert_msg(strstr(sqlite3_errmsg(db), "no such table"), "%s: %s", sql,
			sqlite3_errmsg(db));
		return NULL;
	}
	if (saga)
		sqlite3_bind_blob(statement, at++, saga->bytes, sizeof saga->bytes, SQLITE_STATIC);
	if (text)
		sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
	return statement;
}

void sql_write(struct stage *stage, const char *sql)
{
	char *error = NULL;
	char path[96];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/target.db", stage->dir);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, DEADLINE_MS);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s: %s", sql, error);
	ck_assert_msg(sqlite3_changes(db) > 0, "%s: changed nothing", sql);
	sqlite3_close(db);
}

int64_t sql_int(struct stage *stage, const char *sql, const saga_id *saga, const char *text)
{
	sqlite3_stmt *statement = look_for(stage, sql, saga, text);
	int64_t value = 0;

	if (statement && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

int64_t effects(struct stage *stage, saga_id saga, const char *what)
{
	return sql_int(
		stage, "SELECT COUNT(*) FROM effect WHERE saga = ?1 AND what = ?2", &saga, what);
}

int64_t parked(struct stage *stage)
{
	return sql_int(stage,
		"SELECT COUNT(*) FROM saga_parked WHERE kind IN ('retry', 'call', 'behind')", NULL,
		NULL);
}

/* The states are few: they are answered as constants. */
static const char *state_constant(const unsigned char *text)
{
	static const char *const states[] = { "waiting", "trying", "done", "undoing", "rejected",
		"failed", "barred", "undone", "dead", "stuck" };

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (!strcmp((const char *)text, states[i]))
			return states[i];
	ck_abort_msg("no such state: %s", (const char *)text);
	return NULL;
}

const char *slot_state_of(struct stage *stage, saga_id saga, const char *step, const char *subject)
{
	sqlite3_stmt *statement = look_for(stage,
		"SELECT state, subject FROM saga_slot"
		" WHERE saga = ?1 AND step = ?2",
		&saga, step);
	const char *state = "absent";

	while (statement && sqlite3_step(statement) == SQLITE_ROW)
		if (!subject || !strcmp((const char *)sqlite3_column_text(statement, 1), subject))
			state = state_constant(sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return state;
}

const char *slot_state(struct stage *stage, saga_id saga, const char *step)
{
	return slot_state_of(stage, saga, step, NULL);
}

bool slot_is(struct stage *stage, saga_id saga, const char *step, const char *state)
{
	return !strcmp(slot_state(stage, saga, step), state);
}

int slot_count(struct stage *stage, saga_id saga, const char *step, const char *state)
{
	sqlite3_stmt *statement = look_for(stage,
		"SELECT state FROM saga_slot"
		" WHERE saga = ?1 AND step = ?2",
		&saga, step);
	int count = 0;

	while (statement && sqlite3_step(statement) == SQLITE_ROW)
		if (!strcmp(state_constant(sqlite3_column_text(statement, 0)), state))
			count++;
	sqlite3_finalize(statement);
	return count;
}

static bool is_said(sqlite3_stmt *row, const char *type, const char *with)
{
	saga_bytes wire = { sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0) };
	saga_error error = { 0 };
	saga_event *event;
	char json[2048];
	bool same;

	ck_assert_msg(
		saga_event_read(wire, &event, &error) == SAGA_OK, "the outbox: %s", error.text);
	saga_event_json(event, json, sizeof json);
	same = !strcmp(saga_event_type(event), type) && (!with || strstr(json, with));
	saga_event_free(event);
	return same;
}

int said_with(struct stage *stage, saga_id saga, const char *type, const char *with)
{
	sqlite3_stmt *statement =
		look_for(stage, "SELECT event FROM saga_outbox WHERE saga = ?1", &saga, NULL);
	int count = 0;

	while (statement && sqlite3_step(statement) == SQLITE_ROW)
		count += is_said(statement, type, with);
	sqlite3_finalize(statement);
	return count;
}

int said(struct stage *stage, saga_id saga, const char *type)
{
	return said_with(stage, saga, type, NULL);
}

/* ---- the log ---- */

int logged(struct stage *stage, const char *what)
{
	int count = 0;

	pthread_mutex_lock(&stage->lock);
	for (size_t i = 0; i < stage->log_count; i++)
		count += !strcmp(stage->log[i].what, what);
	pthread_mutex_unlock(&stage->lock);
	return count;
}

int logged_at(struct stage *stage, int level)
{
	int count = 0;

	pthread_mutex_lock(&stage->lock);
	for (size_t i = 0; i < stage->log_count; i++)
		count += stage->log[i].level >= level;
	pthread_mutex_unlock(&stage->lock);
	return count;
}

int64_t dead_letters(struct stage *stage)
{
	return sql_int(stage, "SELECT COUNT(*) FROM saga_parked WHERE kind = 'letter'", NULL, NULL);
}

saga_health health(const struct actor *actor)
{
	saga_health figures = { .size = sizeof figures };

	saga_health_of(actor->participant, &figures);
	return figures;
}
