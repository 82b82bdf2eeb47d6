/* Single statements: a value is read, or rows are changed. */

#include <stdio.h>

#include "journal_sql.h"

static int take_one(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct saga__one *one = context;

	(void)i, (void)names;
	one->found = true;
	if (!column_count || columns[0].kind == SAGA_VALUE_NULL) {
		one->is_null = true;
	} else if (columns[0].kind == SAGA_VALUE_INT64) {
		one->number = columns[0].as.int64;
	} else if (columns[0].kind == SAGA_VALUE_TEXT) {
		(void)snprintf(one->text, sizeof one->text, "%.*s", (int)columns[0].as.bytes.size,
			(const char *)columns[0].as.bytes.at);
	}
	return SAGA_OK;
}

int saga__journal_one(struct saga__journal *j, const char *sql, const saga_value *values,
	size_t count, struct saga__one *ret_one, saga_error *error)
{
	const saga_statement statement = { sql, values, count };
	struct saga__one one = { .found = false };
	saga_sink sink = { take_one, NULL, &one };
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	if (code == SAGA_OK && ret_one)
		*ret_one = one;
	return code;
}

static void count_changed(void *context, size_t i, int64_t changed)
{
	(void)i;
	*(int64_t *)context += changed;
}

int saga__journal_change(struct saga__journal *j, const char *sql, const saga_value *values,
	size_t count, int64_t *ret_changed, saga_error *error)
{
	const saga_statement statement = { sql, values, count };
	int64_t changed = 0;
	saga_sink sink = { NULL, count_changed, &changed };
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	if (code == SAGA_OK && ret_changed)
		*ret_changed = changed;
	return code;
}
