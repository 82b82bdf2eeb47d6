/* A member's store: the built-in one, in memory, outliving its process; and what befalls it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store.h"

enum {
	STATEMENT_US = 15,
	COMMIT_US = 300,
	INNER_TIMEOUT_MS = 3600000 /* the real clock has no say here */
};

static const saga_store_ops *inner(void)
{
	return saga_store_builtin("sqlite");
}

int saga__sim_store_new(struct saga__member *member, saga_error *error)
{
	const saga_store_options options = { "sqlite::memory:", INNER_TIMEOUT_MS, NULL };

	return inner()->open(&options, &member->store, error);
}

void saga__sim_store_free(struct saga__member *member)
{
	if (member->store)
		inner()->close(member->store);
	member->store = NULL;
}

bool saga__sim_store_is_busy(const struct saga__member *member)
{
	return inner()->in_transaction(member->store);
}

/* ---- what befalls a slot ---- */

static void take_back(struct saga__store_handle *handle)
{
	struct saga__member *member = handle->member;

	if (handle->in_transaction && inner()->in_transaction(member->store))
		inner()->rollback(member->store);
	handle->in_transaction = handle->unmet = false;
	saga__stall_forget(handle);
	saga__mirror_forget_effects(member);
}

static int tell_unmet(saga_error *error)
{
	return saga_error_set(error, SAGA_REJECTED, "what was required was not there");
}

static int lose(struct saga__store_handle *handle, const char *why, saga_error *error)
{
	take_back(handle);
	handle->lost = true;
	return saga_error_set(error, SAGA_AWAY, "%s", why);
}

static int lose_to_another(struct saga__store_handle *handle, const char *slot, saga_error *error)
{
	saga__sim_trace(handle->member->sim, handle->member, "FAULT: %s loses", slot);
	take_back(handle);
	return saga_error_set(error, SAGA_CONTENDED, "it lost to another transaction");
}

/* In a transaction, one at a time in the world; while tables are made, nobody does. */
static int stand_still(struct saga__store_handle *handle, const char *slot, saga_error *error)
{
	struct saga__member *member = handle->member;
	int code;

	if (member->sim->stalled || !member->mirror->watching || !member->p->known ||
		!saga__sim_strikes(member->sim, SAGA_SIM_STALL))
		return SAGA_OK;
	if ((code = saga__stall(handle, slot, error)) == SAGA_OK)
		return SAGA_OK;
	take_back(handle);
	handle->lost = handle->lost || code == SAGA_AWAY;
	return code;
}

/* Before a slot does its work. Not SAGA_OK: it does not. */
static int enter(struct saga__store_handle *handle, const char *slot, int64_t us, saga_error *error)
{
	struct saga__member *member = handle->member;
	saga_sim *sim = member->sim;

	if (handle->lost || saga__sim_crashes(member, "before a slot of its store"))
		return lose(handle, "the process is dead", error);
	saga__member_spend(member, us);
	if (saga__sim_strikes(sim, SAGA_SIM_SLOW)) {
		int64_t length = saga__sim_length(sim, SAGA_SIM_SLOW);

		saga__sim_trace(sim, member, "FAULT: %s takes %lld us", slot, (long long)length);
		saga__member_spend(member, length);
	}
	if (member->away > saga__member_now(member))
		return lose(handle, "the store is away", error);
	if (saga__sim_strikes(sim, SAGA_SIM_REFUSE)) {
		saga__sim_trace(sim, member, "FAULT: %s finds no store", slot);
		return lose(handle, "the connection broke", error);
	}
	return handle->in_transaction ? stand_still(handle, slot, error) : SAGA_OK;
}

static int leave(struct saga__store_handle *handle, const char *slot, int code, saga_error *error)
{
	struct saga__member *member = handle->member;
	int hashed[2] = { (int)strlen(slot), code };

	saga__sim_hash(member->sim, hashed, sizeof hashed);
	if (saga__sim_crashes(member, "behind a slot of its store"))
		return lose(handle, "the process is dead", error);
	return code;
}

static bool is_full(struct saga__member *member)
{
	return member->full > saga__member_now(member);
}

/* ---- the slots ---- */

static int open_store(const saga_store_options *options, void **ret_store, saga_error *error)
{
	struct saga__member *member = options->context;
	struct saga__store_handle *handle;

	if (member->dead || member->away > saga__member_now(member))
		return saga_error_set(error, SAGA_AWAY, "the store is away");
	if (!(handle = calloc(1, sizeof *handle)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	handle->member = member;
	handle->done_end = &handle->done;
	member->sim->open_handles++;
	*ret_store = handle;
	return SAGA_OK;
}

static void close_store(void *store)
{
	struct saga__store_handle *handle = store;

	take_back(handle);
	if (handle->member->handle == handle)
		handle->member->handle = NULL;
	handle->member->sim->open_handles--;
	free(handle);
}

static bool only_reads(const saga_statement *statement)
{
	const char *sql = statement->sql + strspn(statement->sql, " \t\r\n(");

	return strncasecmp(sql, "SELECT", 6) == 0 || strncasecmp(sql, "WITH", 4) == 0;
}

/* One that is a transaction of its own has to see first whether it may be. */
static int run_alone(struct saga__store_handle *handle, const saga_statement *statements,
	size_t count, saga_sink *sink, saga_error *error)
{
	void *store = handle->member->store;
	int code = inner()->begin(store, error);

	if (code == SAGA_OK)
		code = inner()->run(store, statements, count, sink, error);
	if (code == SAGA_OK && saga__stall_blocks(handle, false))
		code = saga_error_set(error, SAGA_CONTENDED, "it lost to another transaction");
	if (code == SAGA_OK)
		code = inner()->commit(store, error);
	if (code != SAGA_OK && inner()->in_transaction(store))
		inner()->rollback(store);
	return code;
}

static int run_inside(struct saga__store_handle *handle, const saga_statement *statements,
	size_t count, saga_sink *sink, bool reads, saga_error *error)
{
	struct saga__member *member = handle->member;
	int code;

	if (!handle->in_transaction && !reads && member->sim->stalled)
		return run_alone(handle, statements, count, sink, error);
	code = inner()->run(member->store, statements, count, sink, error);
	if (code == SAGA_OK && !reads)
		saga__stall_note(handle, SAGA__DID_RUN, statements, count);
	return code;
}

static int run(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct saga__store_handle *handle = store;
	struct saga__member *member = handle->member;
	bool reads = count && only_reads(&statements[0]);
	int code = enter(handle, "run", STATEMENT_US * (int64_t)count, error);

	if (code != SAGA_OK)
		return code;
	if (saga__sim_strikes(member->sim, SAGA_SIM_CONFLICT))
		return lose_to_another(handle, "run", error);
	if (!reads && is_full(member))
		return saga_error_set(error, SAGA_FULL, "the store is full");
	if (!reads && !handle->in_transaction && saga__stall_blocks(handle, true))
		return lose_to_another(handle, "run", error);
	if (sink && handle->unmet)
		return tell_unmet(error);
	code = run_inside(handle, statements, count, sink, reads, error);
	if (code == SAGA_OK && !handle->in_transaction && !reads)
		code = saga__mirror_committed(member);
	return leave(handle, "run", code, error);
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

/* A server locks the stream row that a statement requires. */
static int lock_stream(
	struct saga__store_handle *handle, const saga_statement *statement, saga_error *error)
{
	const saga_statement locking = { "UPDATE saga_stream SET seq = seq WHERE shard = ?",
		statement->values, 1 };

	if (!strstr(statement->sql, "FROM saga_stream WHERE shard = ?"))
		return SAGA_OK;
	return run_inside(handle, &locking, 1, NULL, false, error);
}

/* As late as a server that is not waited for. */
static int require(void *store, const saga_statement *statement, saga_error *error)
{
	struct saga__store_handle *handle = store;
	bool unmet = handle->unmet, met = false;
	saga_sink sink = { see_row, see_change, &met };
	int code;

	handle->unmet = false;
	code = run(store, statement, 1, &sink, error);
	if (code == SAGA_OK && met && handle->in_transaction)
		code = lock_stream(handle, statement, error);
	handle->unmet = handle->in_transaction && (unmet || (code == SAGA_OK && !met));
	return code;
}

static int begin(void *store, saga_error *error)
{
	struct saga__store_handle *handle = store;
	int code = enter(handle, "begin", STATEMENT_US, error);

	if (code != SAGA_OK)
		return code;
	if (saga__sim_strikes(handle->member->sim, SAGA_SIM_CONFLICT))
		return lose_to_another(handle, "begin", error);
	if (saga__stall_blocks(handle, true))
		return lose_to_another(handle, "begin", error);
	saga__mirror_forget_effects(handle->member);
	saga__stall_forget(handle);
	code = inner()->begin(handle->member->store, error);
	handle->in_transaction = code == SAGA_OK;
	handle->member->handle = handle->in_transaction ? handle : NULL;
	return leave(handle, "begin", code, error);
}

/* It took, or it did not; nobody here will know. */
static int lose_answer(struct saga__store_handle *handle, saga_error *error)
{
	struct saga__member *member = handle->member;
	bool takes = saga__sim_of_fault(member->sim, SAGA_SIM_UNKNOWN, 2);

	saga__sim_trace(member->sim, member, "FAULT: a commit's answer is lost; it %s",
		takes ? "took" : "did not take");
	if (takes && inner()->commit(member->store, error) == SAGA_OK) {
		handle->in_transaction = false;
		saga__stall_forget(handle);
		(void)saga__mirror_committed(member);
	}
	(void)lose(handle, "the connection broke", error);
	return saga_error_set(error, SAGA_UNKNOWN, "the commit was not answered");
}

static int commit(void *store, saga_error *error)
{
	struct saga__store_handle *handle = store;
	struct saga__member *member = handle->member;
	int code = enter(handle, "commit", COMMIT_US, error);

	if (code != SAGA_OK)
		return code;
	if (saga__sim_strikes(member->sim, SAGA_SIM_CONFLICT))
		return lose_to_another(handle, "commit", error);
	if (is_full(member)) {
		take_back(handle);
		return saga_error_set(error, SAGA_FULL, "the store is full");
	}
	if (handle->unmet) {
		take_back(handle);
		return tell_unmet(error);
	}
	if (saga__stall_blocks(handle, false))
		return lose_to_another(handle, "commit", error);
	if (saga__sim_strikes(member->sim, SAGA_SIM_UNKNOWN))
		return lose_answer(handle, error);
	if ((code = inner()->commit(member->store, error)) == SAGA_OK) {
		handle->in_transaction = false;
		saga__stall_forget(handle);
		code = saga__mirror_committed(member);
	} else {
		take_back(handle);
	}
	return leave(handle, "commit", code, error);
}

static void rollback(void *store)
{
	take_back(store);
}

static int mark(void *store, saga_error *error)
{
	struct saga__store_handle *handle = store;
	int code = enter(handle, "mark", STATEMENT_US, error);

	if (code == SAGA_OK)
		code = inner()->mark(handle->member->store, error);
	if (code == SAGA_OK) {
		saga__stall_note(handle, SAGA__DID_MARK, NULL, 0);
		code = leave(handle, "mark", code, error);
	}
	return code;
}

static int back(void *store, saga_error *error)
{
	struct saga__store_handle *handle = store;
	int code = enter(handle, "back", STATEMENT_US, error);

	if (code == SAGA_OK)
		code = inner()->back(handle->member->store, error);
	if (code == SAGA_OK) {
		saga__stall_note(handle, SAGA__DID_BACK, NULL, 0);
		code = leave(handle, "back", code, error);
	}
	return code;
}

static bool in_transaction(void *store)
{
	const struct saga__store_handle *handle = store;

	return handle->in_transaction && inner()->in_transaction(handle->member->store);
}

static void *native(void *store)
{
	const struct saga__store_handle *handle = store;

	return handle->lost ? NULL : inner()->native(handle->member->store);
}

#define STORE(writers_, traits_) \
	{ \
		.size = sizeof(saga_store_ops), .schemes = "sim", .dialect = SAGA_SQLITE, \
		.writers = writers_, .open = open_store, .run = run, .begin = begin, \
		.commit = commit, .rollback = rollback, .mark = mark, .back = back, \
		.in_transaction = in_transaction, .native = native, .close = close_store, \
		.require = require, .traits = traits_, \
	}

/* With one writer the library makes one shard; with any number, eight, which lock rows. */
const saga_store_ops saga__sim_store_one = STORE(1, 0);
const saga_store_ops saga__sim_store_many = STORE(0, SAGA_STORE_LOCKS_ROWS);
