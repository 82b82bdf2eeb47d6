/* A handler's statements reach its store through here. */

#include <string.h>
#include <strings.h>

#include "../event/schema.h"
#include "../mutation.h"
#include "work.h"

static bool ends_transaction(const char *sql)
{
	static const char *const words[] = { "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT",
		"RELEASE", "SAVE" };
	size_t length;

	sql += strspn(sql, " \t\r\n");
	length = strcspn(sql, " \t\r\n;");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (length == strlen(words[i]) && strncasecmp(sql, words[i], length) == 0)
			return true;
	return false;
}

static bool may_run(struct saga_step *step, bool writes, const char *sql)
{
	struct saga__batch *batch = step->batch;
	saga_error error;

	if (step->error.code != SAGA_OK)
		return false;
	if (writes && ends_transaction(sql)) {
		saga__step_undeclared(step, "a handler may not end its transaction");
		return false;
	}
	if (writes && (step->phase == SAGA__PHASE_REFUSE || step->phase == SAGA__PHASE_READ)) {
		saga__step_undeclared(step, "it may only read here");
		return false;
	}
	if (!batch->store_ops) {
		saga__step_undeclared(step, "there is no store");
		return false;
	}
	step->touched = true;
	if (step->optimistic) {
		batch->optimistic = true;
		return true;
	}
	/* Before its first statement, a read too: a failing one spoils a PostgreSQL transaction. */
	if (!step->marked && batch->store_ops->mark(batch->store, &error) != SAGA_OK) {
		(void)saga__step_fail(step, error.code, "%s", error.text);
		return false;
	}
	step->marked = batch->marked = true;
	return true;
}

static void count_changes(void *context, size_t i, int64_t changed)
{
	(void)i;
	*(int64_t *)context = changed;
}

static int no_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)context, (void)i, (void)names, (void)columns, (void)column_count;
	return SAGA_OK;
}

void *saga_native(saga_step *step)
{
	struct saga__batch *batch = step->batch;
	saga_sink sink = { no_row, NULL, NULL };
	saga_error error;
	void *native;
	int code;

	if (!may_run(step, false, NULL) || !batch->store_ops->native)
		return NULL;
	/* Wait for the answers under way, or they would come between the handler's own. */
	if ((code = batch->store_ops->run(batch->store, NULL, 0, &sink, &error)) != SAGA_OK) {
		(void)saga__step_fail(step, code, "%s", error.text);
		return NULL;
	}
	if (!(native = batch->store_ops->native(batch->store)))
		(void)saga__step_fail(step, SAGA_NOMEM, "out of memory");
	return native;
}

int64_t saga_exec_sql(saga_step *step, const char *sql, const saga_value *values, size_t count)
{
	const saga_statement statement = { sql, values, count };
	int64_t changed = 0;
	saga_sink sink = { no_row, count_changes, &changed };
	saga_error error;
	int code;

	if (!may_run(step, true, sql))
		return 0;
	code = step->batch->store_ops->run(step->batch->store, &statement, 1, &sink, &error);
	if (code != SAGA_OK) {
		(void)saga__step_fail(step, code, "%s", error.text);
		return 0;
	}
	return changed;
}

void saga_write_sql(saga_step *step, const char *sql, const saga_value *values, size_t count)
{
	const saga_statement statement = { sql, values, count };
	saga_error error;
	int code;

	if (!may_run(step, true, sql))
		return;
	code = step->batch->store_ops->run(step->batch->store, &statement, 1, NULL, &error);
	if (code != SAGA_OK)
		(void)saga__step_fail(step, code, "%s", error.text);
}

static int see_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)i, (void)names, (void)columns, (void)column_count;
	*(bool *)context = true;
	return SAGA_OK;
}

static void see_change(void *context, size_t i, int64_t changed)
{
	(void)i;
	if (changed > 0)
		*(bool *)context = true;
}

bool saga_require_sql(saga_step *step, const char *sql, const saga_value *values, size_t count)
{
	const saga_statement statement = { sql, values, count };
	bool met = false;
	saga_sink sink = { see_row, see_change, &met };
	saga_error error;
	int code;

	if (!may_run(step, true, sql))
		return false;
	if (step->optimistic) {
		code = step->batch->store_ops->require(step->batch->store, &statement, &error);
		met = true;
	} else {
		code = step->batch->store_ops->run(
			step->batch->store, &statement, 1, &sink, &error);
	}
	if (code != SAGA_OK) {
		(void)saga__step_fail(step, code, "%s", error.text);
		return false;
	}
	return met || SAGA__MUTANT(guard_passes);
}

/* ---- rows into structs ---- */

struct reading {
	struct saga_step *step;
	const saga_shape *shape;
	const saga_field *fields[SAGA__FIELDS_MOST]; /* by column */
	bool matched;
	char *rows;
	size_t count, room;
	size_t most;
	int64_t number; /* of saga_query_int64 */
	bool is_null;
};

static const saga_field *field_named(const saga_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (strcmp(shape->fields[i].name, name) == 0)
			return &shape->fields[i];
	return NULL;
}

static int match_columns(struct reading *r, const char *const *names, size_t count)
{
	const saga_shape *shape = r->shape;

	if (count != shape->field_count || count > SAGA__FIELDS_MOST)
		return saga__step_fail(r->step, SAGA_REFUSED,
			"query: %zu columns for the %zu fields of %s", count, shape->field_count,
			shape->name);
	for (size_t i = 0; i < count; i++) {
		if (!(r->fields[i] = field_named(shape, names[i])))
			return saga__step_fail(r->step, SAGA_REFUSED, "query: %s has no field %s",
				shape->name, names[i]);
		for (size_t j = 0; j < i; j++)
			if (r->fields[j] == r->fields[i])
				return saga__step_fail(
					r->step, SAGA_REFUSED, "query: column %s twice", names[i]);
	}
	r->matched = true;
	return SAGA_OK;
}

static int mismatch(struct reading *r, const saga_field *field, const char *what)
{
	return saga__step_fail(
		r->step, SAGA_REFUSED, "query: %s.%s meets %s", r->shape->name, field->name, what);
}

static int put_bytes(struct reading *r, const saga_field *field, char *at, const saga_value *value)
{
	saga_bytes *bytes = (saga_bytes *)(void *)at;
	char *copy;

	if (value->kind != SAGA_VALUE_BYTES && value->kind != SAGA_VALUE_TEXT)
		return mismatch(r, field, "no bytes");
	if (!(copy = saga__arena_text(
		      &r->step->batch->scratch, value->as.bytes.at, value->as.bytes.size)))
		return saga__step_fail(r->step, SAGA_TOO_BIG, "handler_bytes are used up");
	*bytes = (saga_bytes){ copy, value->as.bytes.size };
	return SAGA_OK;
}

static int put_text(struct reading *r, const saga_field *field, char *at, const saga_value *value)
{
	const char *copy;

	if (value->kind != SAGA_VALUE_TEXT)
		return mismatch(r, field, "what is no text");
	if (value->as.bytes.size && memchr(value->as.bytes.at, 0, value->as.bytes.size))
		return mismatch(r, field, "a text with a NUL in it");
	if (!(copy = saga__arena_text(
		      &r->step->batch->scratch, value->as.bytes.at, value->as.bytes.size)))
		return saga__step_fail(r->step, SAGA_TOO_BIG, "handler_bytes are used up");
	memcpy(at, &copy, sizeof copy);
	return SAGA_OK;
}

static bool integer_of(const saga_value *value, int64_t *ret_number)
{
	if (value->kind == SAGA_VALUE_INT64)
		*ret_number = value->as.int64;
	else if (value->kind == SAGA_VALUE_BOOL)
		*ret_number = value->as.boolean;
	else
		return false;
	return true;
}

static int put_id(struct reading *r, const saga_field *field, char *at, const saga_value *value)
{
	if (value->kind == SAGA_VALUE_ID)
		memcpy(at, &value->as.id, sizeof(saga_id));
	else if (value->kind == SAGA_VALUE_BYTES && value->as.bytes.size == sizeof(saga_id))
		memcpy(at, value->as.bytes.at, sizeof(saga_id));
	else
		return mismatch(r, field, "what is no id");
	return SAGA_OK;
}

static int put(struct reading *r, const saga_field *field, char *row, const saga_value *value)
{
	char *at = row + field->offset;
	enum saga_kind kind = (enum saga_kind)(field->kind & 0xff);
	bool optional = field->kind & SAGA_KIND_OPTIONAL;
	int64_t number;

	if (value->kind == SAGA_VALUE_NULL)
		return optional ? SAGA_OK : mismatch(r, field, "an SQL NULL");
	if (optional && field->beside != field->offset)
		*(bool *)(row + field->beside) = true;
	switch (kind) {
	case SAGA_KIND_TEXT:
		return put_text(r, field, at, value);
	case SAGA_KIND_BYTES:
		return put_bytes(r, field, at, value);
	case SAGA_KIND_ID:
		return put_id(r, field, at, value);
	case SAGA_KIND_INT64:
		if (!integer_of(value, &number))
			return mismatch(r, field, "what is no integer");
		memcpy(at, &number, sizeof number);
		return SAGA_OK;
	case SAGA_KIND_FLAG:
		if (!integer_of(value, &number) || number < 0 || number > 1)
			return mismatch(r, field, "what is neither 0 nor 1");
		*(bool *)at = number == 1;
		return SAGA_OK;
	case SAGA_KIND_PART:
	case SAGA_KIND_LIST:
	case SAGA_KIND_REASON:
	case SAGA_KIND_LABEL:
	case SAGA_KIND_OPTIONAL:
		break;
	}
	return mismatch(r, field, "a column: parts and lists have none");
}

static char *next_row(struct reading *r)
{
	size_t size = r->shape->size;

	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 4;
		char *more = saga__arena_alloc(&r->step->batch->scratch, room * size);

		if (!more)
			return NULL;
		if (r->count)
			memcpy(more, r->rows, r->count * size);
		r->rows = more;
		r->room = room;
	}
	return memset(r->rows + r->count++ * size, 0, size);
}

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct reading *r = context;
	char *row;
	int code;

	(void)i;
	if (!r->matched && (code = match_columns(r, names, column_count)) != SAGA_OK)
		return code;
	if (r->count == r->most)
		return saga__step_fail(r->step, SAGA_TOO_BIG, "query: more than %zu rows", r->most);
	if (!(row = next_row(r)))
		return saga__step_fail(r->step, SAGA_TOO_BIG, "handler_bytes are used up");
	for (size_t k = 0; k < column_count; k++)
		if ((code = put(r, r->fields[k], row, &columns[k])) != SAGA_OK)
			return code;
	return SAGA_OK;
}

static int read_rows(struct reading *r,
	int (*row)(void *, size_t, const char *const *, const saga_value *, size_t),
	const char *sql, const saga_value *values, size_t count)
{
	const saga_statement statement = { sql, values, count };
	saga_sink sink = { row, NULL, r };
	saga_error error;
	int code;

	if (!may_run(r->step, false, NULL))
		return r->step->error.code;
	code = r->step->batch->store_ops->run(r->step->batch->store, &statement, 1, &sink, &error);
	/* A row that was refused has said why already, and the first error sticks. */
	if (code != SAGA_OK)
		(void)saga__step_fail(r->step, code, "%s", error.text);
	return code;
}

const void *saga_query_sql(saga_step *step, const saga_shape *shape, size_t *ret_count,
	const char *sql, const saga_value *values, size_t count)
{
	struct reading r = { .step = step, .shape = shape, .most = step->batch->rows_most };

	*ret_count = 0;
	if (read_rows(&r, take_row, sql, values, count) != SAGA_OK)
		return NULL;
	*ret_count = r.count;
	return r.rows;
}

const void *saga_query_one_sql(saga_step *step, const saga_shape *shape, const char *sql,
	const saga_value *values, size_t count)
{
	struct reading r = { .step = step, .shape = shape, .most = 1 };

	if (read_rows(&r, take_row, sql, values, count) != SAGA_OK)
		return NULL;
	return r.count ? r.rows : NULL;
}

static int take_number(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct reading *r = context;

	(void)i, (void)names;
	if (r->count++)
		return saga__step_fail(r->step, SAGA_REFUSED, "query: more than one row");
	if (column_count != 1)
		return saga__step_fail(r->step, SAGA_REFUSED, "query: more than one column");
	if (columns[0].kind == SAGA_VALUE_NULL)
		r->is_null = true;
	else if (!integer_of(&columns[0], &r->number))
		return saga__step_fail(r->step, SAGA_REFUSED, "query: what is no integer");
	return SAGA_OK;
}

int64_t saga_query_int64_sql(
	saga_step *step, int64_t otherwise, const char *sql, const saga_value *values, size_t count)
{
	struct reading r = { .step = step };

	if (read_rows(&r, take_number, sql, values, count) != SAGA_OK || !r.count || r.is_null)
		return otherwise;
	return r.number;
}
