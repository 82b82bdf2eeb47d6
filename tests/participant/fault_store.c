#include "fault_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct connection {
	const saga_store_ops *inner;
	void *store;
	struct faults *faults;
	unsigned long marks; /* of this transaction */
	bool dead;
};

void faults_init(struct faults *faults)
{
	memset(faults, 0, sizeof *faults);
	pthread_mutex_init(&faults->lock, NULL);
}

void faults_plan(struct faults *faults, enum fault_slot slot, unsigned long nth,
	unsigned long times, enum fault_kind kind)
{
	pthread_mutex_lock(&faults->lock);
	faults->slot = slot;
	faults->kind = kind;
	faults->first = faults->calls[slot] + nth;
	faults->times = times;
	faults->fired = 0;
	pthread_mutex_unlock(&faults->lock);
}

void faults_limit(struct faults *faults, unsigned long marks_most)
{
	pthread_mutex_lock(&faults->lock);
	faults->marks_most = marks_most;
	faults->fired = 0;
	pthread_mutex_unlock(&faults->lock);
}

void faults_clear(struct faults *faults)
{
	pthread_mutex_lock(&faults->lock);
	faults->first = 0;
	pthread_mutex_unlock(&faults->lock);
}

unsigned long faults_fired(struct faults *faults)
{
	unsigned long fired;

	pthread_mutex_lock(&faults->lock);
	fired = faults->fired;
	pthread_mutex_unlock(&faults->lock);
	return fired;
}

unsigned long faults_calls(struct faults *faults, enum fault_slot slot)
{
	unsigned long calls;

	pthread_mutex_lock(&faults->lock);
	calls = faults->calls[slot];
	pthread_mutex_unlock(&faults->lock);
	return calls;
}

static enum fault_kind next_fault(struct faults *faults, enum fault_slot slot)
{
	enum fault_kind kind = FAULT_NONE;
	unsigned long call;

	pthread_mutex_lock(&faults->lock);
	call = ++faults->calls[slot];
	if (faults->first && faults->slot == slot && call >= faults->first &&
		call - faults->first < faults->times) {
		kind = faults->kind;
		faults->fired++;
	}
	pthread_mutex_unlock(&faults->lock);
	return kind;
}

/* Of what a connection has done so far. */
static bool is_too_much(struct connection *c)
{
	bool too_much;

	pthread_mutex_lock(&c->faults->lock);
	too_much = c->faults->marks_most && c->marks > c->faults->marks_most;
	c->faults->fired += too_much;
	pthread_mutex_unlock(&c->faults->lock);
	return too_much;
}

static int fault_code(enum fault_kind kind, saga_error *error)
{
	switch (kind) {
	case FAULT_NONE:
		return SAGA_OK;
	case FAULT_CONTENDED:
		return saga_error_set(error, SAGA_CONTENDED, "fault: lost a race");
	case FAULT_UNKNOWN_DONE:
	case FAULT_UNKNOWN_LOST:
		return saga_error_set(error, SAGA_UNKNOWN, "fault: the answer was lost");
	case FAULT_AWAY:
		return saga_error_set(error, SAGA_AWAY, "fault: the store is away");
	case FAULT_DAMAGED:
		return saga_error_set(error, SAGA_DAMAGED, "fault: the disk image is malformed");
	case FAULT_FULL:
		return saga_error_set(error, SAGA_FULL, "fault: the disk is full");
	case FAULT_REFUSED:
		return saga_error_set(error, SAGA_REFUSED, "fault: refused");
	case FAULT_NOMEM:
		return saga_error_set(error, SAGA_NOMEM, "fault: out of memory");
	}
	return saga_error_set(error, SAGA_MISUSE, "fault: no such kind");
}

/* What the fault does to the connection and its transaction, as a real store's would. */
static int fail(struct connection *c, enum fault_kind kind, saga_error *error)
{
	if (kind == FAULT_AWAY || kind == FAULT_DAMAGED || kind == FAULT_UNKNOWN_DONE ||
		kind == FAULT_UNKNOWN_LOST)
		c->dead = true;
	if (kind != FAULT_FULL && kind != FAULT_REFUSED && kind != FAULT_NOMEM &&
		c->inner->in_transaction(c->store))
		c->inner->rollback(c->store);
	return fault_code(kind, error);
}

/* fault:URL, or fault:PATH for a file of SQLite's. */
static bool inner_url(const char *url, char *inner, size_t size)
{
	const char *rest = strchr(url, ':');

	if (!rest)
		return false;
	return snprintf(inner, size, "%s%s", strchr(rest + 1, ':') ? "" : "sqlite:", rest + 1) <
		(int)size;
}

static int fault_open(const saga_store_options *options, void **ret_store, saga_error *error)
{
	saga_store_options inner_options = *options;
	enum fault_kind kind = next_fault(options->context, FAULT_OPEN);
	const saga_store_ops *inner;
	char url[1024], scheme[32];
	struct connection *c;
	int code;

	if (kind)
		return fault_code(kind, error);
	if (!inner_url(options->url, url, sizeof url))
		return saga_error_set(error, SAGA_MALFORMED, "fault: a bad url");
	snprintf(scheme, sizeof scheme, "%.*s", (int)strcspn(url, ":"), url);
	if (!(inner = saga_store_builtin(scheme)))
		return saga_error_set(
			error, SAGA_UNSUPPORTED, "fault: this build has no %s", scheme);
	if (!(c = calloc(1, sizeof *c)))
		return saga_error_set(error, SAGA_NOMEM, "fault: out of memory");
	inner_options.url = url;
	inner_options.context = NULL;
	c->inner = inner;
	c->faults = options->context;
	if ((code = inner->open(&inner_options, &c->store, error)) != SAGA_OK) {
		free(c);
		return code;
	}
	*ret_store = c;
	return SAGA_OK;
}

static int fault_run(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct connection *c = store;
	enum fault_kind kind = c->dead ? FAULT_AWAY : next_fault(c->faults, FAULT_RUN);

	if (kind)
		return fail(c, kind, error);
	return c->inner->run(c->store, statements, count, sink, error);
}

static int fault_commit(void *store, saga_error *error)
{
	struct connection *c = store;
	enum fault_kind kind = c->dead ? FAULT_AWAY : next_fault(c->faults, FAULT_COMMIT);
	int code;

	if (c->faults->before_commit)
		c->faults->before_commit(c->faults->user, c->inner, c->store);
	if (!kind)
		return c->inner->commit(c->store, error);
	if (kind == FAULT_UNKNOWN_DONE && (code = c->inner->commit(c->store, error)) != SAGA_OK)
		return code;
	if (kind != FAULT_UNKNOWN_DONE)
		c->inner->rollback(c->store);
	return fail(c, kind, error);
}

#define FALLIBLE(name_, slot_) \
	static int fault_##name_(void *store, saga_error *error) \
	{ \
		struct connection *c = store; \
		enum fault_kind kind = c->dead ? FAULT_AWAY : next_fault(c->faults, slot_); \
\
		return kind ? fail(c, kind, error) : c->inner->name_(c->store, error); \
	}
FALLIBLE(mark, FAULT_MARK)
FALLIBLE(back, FAULT_BACK)
FALLIBLE(release, FAULT_RELEASE)

static int fault_begin(void *store, saga_error *error)
{
	struct connection *c = store;
	enum fault_kind kind = c->dead ? FAULT_AWAY : next_fault(c->faults, FAULT_BEGIN);

	c->marks = 0;
	return kind ? fail(c, kind, error) : c->inner->begin(c->store, error);
}

static int fault_mark_of_many(void *store, saga_error *error)
{
	struct connection *c = store;

	c->marks++;
	return is_too_much(c) ? fail(c, FAULT_AWAY, error) : fault_mark(store, error);
}

static void fault_rollback(void *store)
{
	struct connection *c = store;

	if (c->inner->in_transaction(c->store))
		c->inner->rollback(c->store);
}

static bool fault_in_transaction(void *store)
{
	struct connection *c = store;

	return !c->dead && c->inner->in_transaction(c->store);
}

static void *fault_native(void *store)
{
	struct connection *c = store;

	return c->inner->native ? c->inner->native(c->store) : NULL;
}

static void fault_interrupt(void *store)
{
	struct connection *c = store;

	if (c->inner->interrupt)
		c->inner->interrupt(c->store);
}

static void fault_close(void *store)
{
	struct connection *c = store;

	c->inner->close(c->store);
	free(c);
}

#define FAULT_STORE(dialect_, writers_, release_) \
	{ \
		.size = sizeof(saga_store_ops), .schemes = "fault", .dialect = dialect_, \
		.writers = writers_, .open = fault_open, .run = fault_run, .begin = fault_begin, \
		.commit = fault_commit, .rollback = fault_rollback, .mark = fault_mark_of_many, \
		.back = fault_back, .release = release_, .in_transaction = fault_in_transaction, \
		.native = fault_native, .interrupt = fault_interrupt, .close = fault_close, \
	}

const saga_store_ops fault_store = FAULT_STORE(SAGA_SQLITE, 1, fault_release);
static const saga_store_ops fault_postgres = FAULT_STORE(SAGA_POSTGRESQL, 0, NULL);
static const saga_store_ops fault_mssql = FAULT_STORE(SAGA_TSQL, 0, NULL);

const saga_store_ops *fault_store_on(const char *url)
{
	return strncmp(url, "postgres", 8) == 0 ? &fault_postgres
		: strncmp(url, "mssql", 5) == 0 ? &fault_mssql
						: &fault_store;
}
