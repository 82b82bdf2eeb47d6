#include "late_store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t slot_reads;

size_t late_store_slot_reads(void)
{
	return atomic_load(&slot_reads);
}

struct connection {
	const saga_store_ops *inner;
	void *store;
	saga_error late; /* nothing runs behind what failed */
	bool unmet;
};

static int late_open(const saga_store_options *options, void **ret_store, saga_error *error)
{
	saga_store_options inner_options = *options;
	struct connection *c = calloc(1, sizeof *c);
	char url[1024];
	int code;

	if (!c)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	(void)snprintf(url, sizeof url, "%s", strchr(options->url, ':') + 1);
	inner_options.url = url;
	c->inner = saga_store_builtin("sqlite");
	if ((code = c->inner->open(&inner_options, &c->store, error)) == SAGA_OK)
		*ret_store = c;
	else
		free(c);
	return code;
}

static int tell(const struct connection *c, saga_error *error)
{
	if (c->late.code != SAGA_OK)
		return saga_error_set(error, c->late.code, "%s", c->late.text);
	if (c->unmet)
		return saga_error_set(error, SAGA_REJECTED, "late: no row was there for it");
	return SAGA_OK;
}

static int late_run(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct connection *c = store;
	bool waits = sink || !c->inner->in_transaction(c->store);
	int code;

	if (waits && (code = tell(c, error)) != SAGA_OK)
		return code;
	for (size_t i = 0; waits && i < count; i++)
		if (strstr(statements[i].sql, "FROM saga_slot WHERE saga = ? AND step = ?"))
			atomic_fetch_add(&slot_reads, 1);
	if (waits)
		return c->inner->run(c->store, statements, count, sink, error);
	if (c->late.code == SAGA_OK)
		(void)c->inner->run(c->store, statements, count, NULL, &c->late);
	return SAGA_OK;
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
	if (changed)
		*(bool *)context = true;
}

static int late_require(void *store, const saga_statement *statement, saga_error *error)
{
	struct connection *c = store;
	bool met = false;
	saga_sink sink = { see_row, see_change, &met };

	(void)error;
	if (c->late.code == SAGA_OK &&
		c->inner->run(c->store, statement, 1, &sink, &c->late) == SAGA_OK && !met)
		c->unmet = true;
	return SAGA_OK;
}

static void late_rollback(void *store)
{
	struct connection *c = store;

	c->late.code = SAGA_OK;
	c->unmet = false;
	c->inner->rollback(c->store);
}

static int late_begin(void *store, saga_error *error)
{
	struct connection *c = store;

	return c->inner->begin(c->store, error);
}

static int late_commit(void *store, saga_error *error)
{
	struct connection *c = store;
	int code = tell(c, error);

	if (code == SAGA_OK)
		return c->inner->commit(c->store, error);
	late_rollback(c);
	return code;
}

static int late_mark(void *store, saga_error *error)
{
	struct connection *c = store;

	return c->late.code != SAGA_OK ? SAGA_OK : c->inner->mark(c->store, error);
}

static int late_back(void *store, saga_error *error)
{
	struct connection *c = store;

	return c->late.code != SAGA_OK ? saga_error_set(error, SAGA_REFUSED, "late: no mark")
				       : c->inner->back(c->store, error);
}

static bool late_in_transaction(void *store)
{
	struct connection *c = store;

	return c->inner->in_transaction(c->store);
}

static void late_interrupt(void *store)
{
	struct connection *c = store;

	c->inner->interrupt(c->store);
}

static void late_close(void *store)
{
	struct connection *c = store;

	c->inner->close(c->store);
	free(c);
}

const saga_store_ops late_store = {
	.size = sizeof(saga_store_ops),
	.schemes = "fault",
	.dialect = SAGA_SQLITE,
	.writers = 1,
	.open = late_open,
	.run = late_run,
	.begin = late_begin,
	.commit = late_commit,
	.rollback = late_rollback,
	.mark = late_mark,
	.back = late_back,
	.in_transaction = late_in_transaction,
	.interrupt = late_interrupt,
	.close = late_close,
	.require = late_require,
};
