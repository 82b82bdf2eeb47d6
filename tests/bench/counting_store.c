#include "counting_store.h"

#include <stdlib.h>
#include <string.h>

struct store {
	const saga_store_ops *ops;
	void *inner;
	struct counting *counting;
};

static void count(atomic_uint_fast64_t *counter, size_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void ended(struct store *store, bool committed)
{
	if (store->counting->ended)
		store->counting->ended(store->counting->user, committed);
}

static int open_store(const saga_store_options *options, void **ret_store, saga_error *error)
{
	struct store *store = calloc(1, sizeof *store);
	int code;

	if (!store)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	store->ops = saga_store_builtin(
		strncmp(options->url, "sqlite:", 7) == 0 ? "sqlite" : "postgres");
	store->counting = options->context;
	code = store->ops ? store->ops->open(options, &store->inner, error)
			  : saga_error_set(error, SAGA_UNSUPPORTED, "no such store in this build");
	if (code != SAGA_OK) {
		free(store);
		return code;
	}
	*ret_store = store;
	return SAGA_OK;
}

static int run(void *handle, const saga_statement *statements, size_t many, saga_sink *sink,
	saga_error *error)
{
	struct store *store = handle;

	count(&store->counting->statements, many);
	count(&store->counting->round_trips, 1);
	count(&store->counting->waits, sink || !many || !statements->value_count);
	return store->ops->run(store->inner, statements, many, sink, error);
}

static int require(void *handle, const saga_statement *statement, saga_error *error)
{
	struct store *store = handle;

	count(&store->counting->statements, 1);
	count(&store->counting->round_trips, 1);
	return store->ops->require(store->inner, statement, error);
}

static int begin(void *handle, saga_error *error)
{
	struct store *store = handle;

	return store->ops->begin(store->inner, error);
}

static int commit(void *handle, saga_error *error)
{
	struct store *store = handle;
	int code = store->ops->commit(store->inner, error);

	count(&store->counting->waits, 1);
	if (code == SAGA_OK)
		count(&store->counting->commits, 1);
	ended(store, code == SAGA_OK);
	return code;
}

static void rollback(void *handle)
{
	struct store *store = handle;

	count(&store->counting->waits, 1);
	store->ops->rollback(store->inner);
	ended(store, false);
}

static int mark(void *handle, saga_error *error)
{
	struct store *store = handle;

	count(&store->counting->marks, 1);
	return store->ops->mark(store->inner, error);
}

static int release(void *handle, saga_error *error)
{
	struct store *store = handle;

	return store->ops->release ? store->ops->release(store->inner, error) : SAGA_OK;
}

static int back(void *handle, saga_error *error)
{
	struct store *store = handle;

	return store->ops->back(store->inner, error);
}

static bool in_transaction(void *handle)
{
	struct store *store = handle;

	return store->ops->in_transaction(store->inner);
}

static void *native(void *handle)
{
	struct store *store = handle;

	return store->ops->native(store->inner);
}

static void interrupt(void *handle)
{
	struct store *store = handle;

	store->ops->interrupt(store->inner);
}

static void close_store(void *handle)
{
	struct store *store = handle;

	store->ops->close(store->inner);
	free(store);
}

#define SLOTS \
	.open = open_store, .run = run, .begin = begin, .commit = commit, .rollback = rollback, \
	.mark = mark, .release = release, .back = back, .in_transaction = in_transaction, \
	.native = native, .interrupt = interrupt, .close = close_store,

static const saga_store_ops counting_sqlite = { .size = sizeof(saga_store_ops),
	.schemes = "sqlite",
	.dialect = SAGA_SQLITE,
	.writers = 1,
	SLOTS };

static const saga_store_ops counting_postgres = { .size = sizeof(saga_store_ops),
	.schemes = "postgres postgresql",
	.dialect = SAGA_POSTGRESQL,
	.traits = SAGA_STORE_SETS,
	.require = require,
	SLOTS };

const saga_store_ops *counting_ops(const char *url)
{
	return strncmp(url, "sqlite:", 7) == 0 ? &counting_sqlite : &counting_postgres;
}
