#include "harness.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
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

/* A query, and what takes its rows. */
struct looking {
	void (*take)(struct looking *looking, const saga_value *columns);
	const char *type, *with; /* an event that is looked for */
	const char *subject;
	const char *state;
	int64_t number;
};

static const saga_store_ops *look_ops(const struct stage *stage)
{
	char scheme[16];

	snprintf(
		scheme, sizeof scheme, "%.*s", (int)strcspn(stage->look_url, ":"), stage->look_url);
	return saga_store_builtin(scheme);
}

void look_close(struct stage *stage)
{
	if (stage->look)
		look_ops(stage)->close(stage->look);
	stage->look = NULL;
}

static int look_once(
	struct stage *stage, const saga_statement *statement, saga_sink *sink, saga_error *error)
{
	const saga_store_ops *ops = look_ops(stage);
	const saga_store_options options = { .url = stage->look_url, .timeout_ms = DEADLINE_MS };
	int code = stage->look ? SAGA_OK : ops->open(&options, &stage->look, error);

	if (code == SAGA_OK)
		code = ops->run(stage->look, statement, 1, sink, error);
	if (code == SAGA_AWAY)
		look_close(stage);
	return code;
}

static bool is_not_made_yet(const saga_error *error)
{
	return strstr(error->text, "no such table") || strstr(error->text, "does not exist") ||
		strstr(error->text, "Invalid object name");
}

/* A server that is away, or a row that is contended, is asked again. */
static int look(struct stage *stage, const saga_statement *statement, saga_sink *sink)
{
	int64_t until = stage_deadline();
	saga_error error = { 0 };
	int code;

	while ((code = look_once(stage, statement, sink, &error)) == SAGA_AWAY ||
		code == SAGA_CONTENDED) {
		ck_assert_msg((int64_t)(uv_hrtime() / 1000000) < until, "%s: %s", statement->sql,
			error.text);
		uv_sleep(10);
	}
	ck_assert_msg(
		code == SAGA_OK || is_not_made_yet(&error), "%s: %s", statement->sql, error.text);
	return code;
}

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct looking *looking = context;

	(void)i, (void)names;
	ck_assert_uint_gt(column_count, 0);
	looking->take(looking, columns);
	return SAGA_OK;
}

/* Nothing, while the library has not made its tables yet. */
static void look_for(struct stage *stage, const char *sql, const saga_id *saga, const char *text,
	struct looking *looking)
{
	saga_value values[2];
	saga_statement statement = { sql, values, 0 };
	saga_sink sink = { take_row, NULL, looking };

	if (saga)
		values[statement.value_count++] = saga_uuid(*saga);
	if (text)
		values[statement.value_count++] = saga_text(text);
	(void)look(stage, &statement, &sink);
}

static void count_changes(void *context, size_t i, int64_t changed)
{
	(void)i;
	*(int64_t *)context += changed;
}

static void unlock(struct stage *stage)
{
	if (look_ops(stage)->in_transaction(stage->look))
		look_ops(stage)->rollback(stage->look);
}

/* All streams, in order: a transaction begins, in which no batch of anybody is under way. */
static int lock_streams(struct stage *stage, saga_error *error)
{
	enum {
		SHARDS = 8
	};
	saga_statement locks[SHARDS];
	saga_value shards[SHARDS];
	const saga_store_ops *ops = look_ops(stage);
	int code = ops->begin(stage->look, error);

	for (int i = 0; i < SHARDS; i++) {
		shards[i] = saga_int64(i);
		locks[i] = (saga_statement){ "UPDATE saga_stream SET seq = seq WHERE shard = ?",
			&shards[i], 1 };
	}
	if (code == SAGA_OK)
		code = ops->run(stage->look, locks, SHARDS, NULL, error);
	if (code != SAGA_OK)
		unlock(stage);
	return code;
}

/* So that no batch that read the row before writes it after. */
static int write_locked(struct stage *stage, const char *sql, int64_t *changed, saga_error *error)
{
	const saga_store_ops *ops = look_ops(stage);
	const saga_statement statement = { sql, NULL, 0 };
	saga_sink sink = { NULL, count_changes, changed };
	int code = lock_streams(stage, error);

	*changed = 0;
	if (code == SAGA_OK)
		code = ops->run(stage->look, &statement, 1, &sink, error);
	if (code == SAGA_OK)
		code = ops->commit(stage->look, error);
	if (code != SAGA_OK)
		unlock(stage);
	return code;
}

void sql_write(struct stage *stage, const char *sql)
{
	int64_t changed = 0, until = stage_deadline();
	saga_error error = { 0 };
	int code;

	(void)sql_int(stage, "SELECT 1 AS n", NULL, NULL);
	while ((code = write_locked(stage, sql, &changed, &error)) == SAGA_CONTENDED)
		ck_assert_int_lt((int64_t)(uv_hrtime() / 1000000), until);
	ck_assert_msg(code == SAGA_OK, "%s: %s", sql, error.text);
	ck_assert_msg(changed > 0, "%s: changed nothing", sql);
}

void sql_do(struct stage *stage, const char *sql)
{
	const saga_statement statement = { sql, NULL, 0 };

	ck_assert_int_eq(look(stage, &statement, NULL), SAGA_OK);
}

void sql_try(struct stage *stage, const char *sql)
{
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;

	(void)look_once(stage, &statement, NULL, &error);
}

void stand_still(struct stage *stage, pid_t pid)
{
	int64_t until = stage_deadline();
	saga_error error = { 0 };
	int code, status;

	(void)sql_int(stage, "SELECT 1 AS n", NULL, NULL);
	while ((code = lock_streams(stage, &error)) == SAGA_CONTENDED)
		ck_assert_int_lt((int64_t)(uv_hrtime() / 1000000), until);
	ck_assert_msg(code == SAGA_OK, "no locks: %s", error.text);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	unlock(stage);
}

static void take_number(struct looking *looking, const saga_value *columns)
{
	if (columns[0].kind == SAGA_VALUE_INT64)
		looking->number = columns[0].as.int64;
	else
		ck_assert_int_eq(columns[0].kind, SAGA_VALUE_NULL);
}

int64_t sql_int(struct stage *stage, const char *sql, const saga_id *saga, const char *text)
{
	struct looking looking = { .take = take_number };

	look_for(stage, sql, saga, text, &looking);
	return looking.number;
}

int64_t effects(struct stage *stage, saga_id saga, const char *what)
{
	return sql_int(
		stage, "SELECT COUNT(*) AS n FROM effect WHERE saga = ? AND what = ?", &saga, what);
}

int64_t parked(struct stage *stage)
{
	return sql_int(stage,
		"SELECT COUNT(*) AS n FROM saga_parked WHERE kind IN ('retry', 'call', 'behind')",
		NULL, NULL);
}

static bool is_text(const saga_value *value, const char *text)
{
	ck_assert_int_eq(value->kind, SAGA_VALUE_TEXT);
	return value->as.bytes.size == strlen(text) &&
		(!*text || memcmp(value->as.bytes.at, text, strlen(text)) == 0);
}

/* The states are few: they are answered as constants. */
static const char *state_constant(const saga_value *value)
{
	static const char *const states[] = { "waiting", "trying", "done", "undoing", "rejected",
		"failed", "barred", "undone", "dead", "stuck" };

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (is_text(value, states[i]))
			return states[i];
	ck_abort_msg(
		"no such state: %.*s", (int)value->as.bytes.size, (const char *)value->as.bytes.at);
	return NULL;
}

static const char state_sql[] = "SELECT state, subject FROM saga_slot WHERE saga = ? AND step = ?";

static void take_state(struct looking *looking, const saga_value *columns)
{
	if (!looking->subject || is_text(&columns[1], looking->subject))
		looking->state = state_constant(&columns[0]);
}

const char *slot_state_of(struct stage *stage, saga_id saga, const char *step, const char *subject)
{
	struct looking looking = { .take = take_state, .subject = subject, .state = "absent" };

	look_for(stage, state_sql, &saga, step, &looking);
	return looking.state;
}

const char *slot_state(struct stage *stage, saga_id saga, const char *step)
{
	return slot_state_of(stage, saga, step, NULL);
}

bool slot_is(struct stage *stage, saga_id saga, const char *step, const char *state)
{
	return !strcmp(slot_state(stage, saga, step), state);
}

static void count_state(struct looking *looking, const saga_value *columns)
{
	looking->number += !strcmp(state_constant(&columns[0]), looking->state);
}

int slot_count(struct stage *stage, saga_id saga, const char *step, const char *state)
{
	struct looking looking = { .take = count_state, .state = state };

	look_for(stage, state_sql, &saga, step, &looking);
	return (int)looking.number;
}

static void count_said(struct looking *looking, const saga_value *columns)
{
	saga_error error = { 0 };
	saga_event *event;
	char json[2048];

	ck_assert_int_eq(columns[0].kind, SAGA_VALUE_BYTES);
	ck_assert_msg(saga_event_read(columns[0].as.bytes, &event, &error) == SAGA_OK,
		"the outbox: %s", error.text);
	saga_event_json(event, json, sizeof json);
	looking->number += !strcmp(saga_event_type(event), looking->type) &&
		(!looking->with || strstr(json, looking->with));
	saga_event_free(event);
}

int said_with(struct stage *stage, saga_id saga, const char *type, const char *with)
{
	struct looking looking = { .take = count_said, .type = type, .with = with };

	look_for(stage, "SELECT event FROM saga_outbox WHERE saga = ?", &saga, NULL, &looking);
	return (int)looking.number;
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
	return sql_int(
		stage, "SELECT COUNT(*) AS n FROM saga_parked WHERE kind = 'letter'", NULL, NULL);
}

saga_health health(const struct actor *actor)
{
	saga_health figures = { .size = sizeof figures };

	saga_health_of(actor->participant, &figures);
	return figures;
}
