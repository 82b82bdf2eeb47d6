/*
 * One that stands still in a transaction, while others go on with its store. SQLite has one
 * transaction at a time: so this one's is taken back, the world goes on for a while, and then all
 * that it did is done once more. That is what READ COMMITTED shows, as long as no one else changed
 * a row that it had locked; who tries that meanwhile loses, which a server may say, too.
 */

#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
	LEASE_MS = 15000
};

static const saga_store_ops *inner(void)
{
	return saga_store_builtin("sqlite");
}

/* ---- what it did ---- */

static void free_statements(struct saga__done_before *done)
{
	for (size_t i = 0; i < done->count; i++)
		free((void *)(uintptr_t)done->statements[i].values);
	free(done->statements);
	free(done);
}

void saga__stall_forget(struct saga__store_handle *handle)
{
	struct saga__done_before *done;

	while ((done = handle->done)) {
		handle->done = done->next;
		free_statements(done);
	}
	handle->done_end = &handle->done;
}

static size_t size_of(const saga_value *value)
{
	return value->kind == SAGA_VALUE_TEXT || value->kind == SAGA_VALUE_BYTES
		? value->as.bytes.size
		: 0;
}

/* The values, and their bytes behind them. A statement with values is a constant; one without may
 * not be, and then its text is behind them. */
static bool copy(const saga_statement *from, saga_statement *to)
{
	size_t size = from->value_count * sizeof(saga_value), text = strlen(from->sql) + 1;
	saga_value *values;
	char *at;

	for (size_t i = 0; i < from->value_count; i++)
		size += size_of(&from->values[i]);
	if (!(values = malloc(size + text)))
		return false;
	if (from->value_count)
		memcpy(values, from->values, from->value_count * sizeof *values);
	at = (char *)(values + from->value_count);
	for (size_t i = 0; i < from->value_count; i++) {
		size_t bytes = size_of(&values[i]);

		if (!bytes)
			continue;
		memcpy(at, values[i].as.bytes.at, bytes);
		values[i].as.bytes.at = at;
		at += bytes;
	}
	memcpy(at, from->sql, text);
	*to = (saga_statement){ from->value_count ? from->sql : at, values, from->value_count };
	return true;
}

void saga__stall_note(struct saga__store_handle *handle, enum saga__did what,
	const saga_statement *statements, size_t count)
{
	saga_sim *sim = handle->member->sim;
	struct saga__done_before *done;

	if (!(sim->on & SAGA_SIM_STALL) || !handle->in_transaction || sim->healing)
		return;
	done = calloc(1, sizeof *done);
	if (!done || !(done->statements = calloc(count + 1, sizeof *done->statements))) {
		free(done);
		saga__sim_no_memory(sim);
		return;
	}
	done->what = what;
	*handle->done_end = done;
	handle->done_end = &done->next;
	for (; done->count < count; done->count++)
		if (!copy(&statements[done->count], &done->statements[done->count])) {
			saga__sim_no_memory(sim);
			return;
		}
}

static int see_nothing(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)context, (void)i, (void)names, (void)columns, (void)column_count;
	return SAGA_OK;
}

static int do_again(struct saga__store_handle *handle, saga_error *error)
{
	void *store = handle->member->store;
	saga_sink sink = { see_nothing, NULL, NULL };
	int code = inner()->begin(store, error);

	for (const struct saga__done_before *done = handle->done; done && code == SAGA_OK;
		done = done->next)
		code = done->what == SAGA__DID_MARK ? inner()->mark(store, error)
			: done->what == SAGA__DID_BACK
			? inner()->back(store, error)
			: inner()->run(store, done->statements, done->count, &sink, error);
	if (code != SAGA_OK && inner()->in_transaction(store))
		inner()->rollback(store);
	return code;
}

/* ---- standing still ---- */

/* The checkers' facts about this transaction; the next one has its own. */
struct aside {
	struct saga__effect *effects;
	size_t effect_count, effect_room;
	struct saga__handler_run *runs;
	size_t run_count, run_room;
	const struct saga__known_slot *ran_over;
	enum saga__state ran_over_as;
};

static struct aside set_aside(struct saga__mirror *mirror)
{
	struct aside aside = { mirror->effects, mirror->effect_count, mirror->effect_room,
		mirror->runs, mirror->run_count, mirror->run_room, mirror->ran_over,
		mirror->ran_over_as };

	mirror->effects = NULL;
	mirror->effect_count = mirror->effect_room = 0;
	mirror->runs = NULL;
	mirror->run_count = mirror->run_room = 0;
	mirror->ran_over = NULL;
	return aside;
}

static void put_back(struct saga__mirror *mirror, const struct aside *aside)
{
	free(mirror->effects);
	free(mirror->runs);
	mirror->effects = aside->effects;
	mirror->effect_count = aside->effect_count;
	mirror->effect_room = aside->effect_room;
	mirror->runs = aside->runs;
	mirror->run_count = aside->run_count;
	mirror->run_room = aside->run_room;
	mirror->ran_over = aside->ran_over;
	mirror->ran_over_as = aside->ran_over_as;
}

static int64_t half_lease(const struct saga__member *member)
{
	int64_t lease = member->options.lease_ms ? member->options.lease_ms : LEASE_MS;

	return lease / 2 * SAGA__SIM_MS;
}

static void let_others_go_on(struct saga__member *member, int64_t until)
{
	saga_sim *sim = member->sim;

	while (!saga__sim_broken(sim) && !sim->healing && saga__sim_next_at(sim) <= until)
		saga__sim_happen_next(sim);
	if (sim->healing)
		member->busy = sim->now;
}

int saga__stall(struct saga__store_handle *handle, const char *slot, saga_error *error)
{
	struct saga__member *member = handle->member;
	saga_sim *sim = member->sim;
	int64_t from = saga__member_now(member), us = saga__sim_length(sim, SAGA_SIM_STALL);
	struct aside aside;

	saga__sim_trace(sim, member, "FAULT: stands still for %lld us in a transaction, before %s",
		(long long)us, slot);
	saga__writes_locked(member, &handle->locked);
	inner()->rollback(member->store);
	aside = set_aside(member->mirror);
	member->busy = from + us;
	sim->stalled = handle;
	sim->stalled_until = from + half_lease(member);
	let_others_go_on(member, from + us);
	sim->stalled = NULL;
	put_back(member->mirror, &aside);
	saga__writes_free_locked(&handle->locked);
	if (saga__sim_broken(sim))
		return saga_error_set(error, SAGA_AWAY, "the world is over");
	if (member->dead)
		return saga_error_set(error, SAGA_AWAY, "the process is dead");
	if (saga__member_now(member) > from + half_lease(member)) {
		saga__sim_trace(sim, member, "its transaction was ended by the server");
		return saga_error_set(error, SAGA_AWAY, "the server has ended the session");
	}
	saga__sim_trace(sim, member, "goes on in its transaction");
	if (do_again(handle, error) != SAGA_OK)
		return saga_error_set(error, SAGA_CONTENDED, "it lost to another transaction");
	return SAGA_OK;
}

/* ---- who meets it ---- */

bool saga__stall_blocks(struct saga__store_handle *handle, bool begins)
{
	struct saga__member *member = handle->member;
	struct saga__store_handle *stalled = member->sim->stalled;
	struct saga__rows_locked locked;
	const char *row;

	if (!stalled || stalled == handle || stalled->member->first != member->first ||
		saga__member_now(member) > member->sim->stalled_until)
		return false;
	/* The only writer's lock is the other's. */
	if (member->shards == 1)
		return true;
	if (begins)
		return false;
	saga__writes_locked(member, &locked);
	if ((row = saga__writes_meet(&locked, &stalled->locked)))
		saga__sim_trace(member->sim, member, "meets a lock on %s", row);
	saga__writes_free_locked(&locked);
	return row;
}
