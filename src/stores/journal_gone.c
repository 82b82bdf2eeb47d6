/* Steps and schedules that the store has live rows of, and that the declaration lacks. */

#include <stdio.h>

#include "journal_sql.h"

struct looking {
	const struct saga__plan *plan;
	saga__gone_fn *gone;
	void *context;
	saga_error *error;
};

static void keep_name(const saga_value *value, char *name, size_t size)
{
	(void)snprintf(
		name, size, "%.*s", (int)value->as.bytes.size, (const char *)value->as.bytes.at);
}

static int take_rows(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	const struct looking *looking = context;
	char step[SAGA__ROW_NAME_MOST + 1], what[16];

	/* A row that cannot be read is found by whoever needs it. */
	if (saga__journal_check(i ? "saga_parked" : "saga_slot", "tts", names, c, column_count,
		    looking->error) != SAGA_OK)
		return SAGA_OK;
	keep_name(&c[0], step, sizeof step);
	keep_name(&c[1], what, sizeof what);
	if (saga__plan_row(looking->plan, step) == SIZE_MAX)
		looking->gone(looking->context, i > 0, step, what, c[2].as.int64);
	return SAGA_OK;
}

int saga__journal_find_gone(struct saga__journal *j, const struct saga__plan *plan,
	saga__gone_fn *gone, void *context, saga_error *error)
{
	struct looking looking = { plan, gone, context, error };
	saga_sink sink = { take_rows, NULL, &looking };
	static const saga_statement statements[] = {
		{ "SELECT step, state, COUNT(*) AS n FROM saga_slot"
		  " WHERE state IN ('waiting', 'trying', 'undoing', 'dead', 'stuck')"
		  " GROUP BY step, state ORDER BY step, state",
			NULL, 0 },
		{ "SELECT step, kind, COUNT(*) AS n FROM saga_parked"
		  " WHERE kind IN ('retry', 'call', 'behind') AND step <> ''"
		  " GROUP BY step, kind ORDER BY step, kind",
			NULL, 0 },
	};

	return j->ops->run(j->store, statements, 2, &sink, error);
}
