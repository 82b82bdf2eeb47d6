/* A world: made, run, asked, closed. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
	FAULTS_MS = 60000,
	HEAL_MS = 600000,
	LOOK_US = 250000,  /* between two looks whether all is at rest */
	ENDING_MS = 60000, /* to stop in */
	INSTANCES_MOST = 4,
	ARENA_BYTES = 1 << 24
};

/* ---- its life ---- */

int saga_sim_new(const saga_sim_options *options, saga_sim **ret_sim, saga_error *error)
{
	saga_sim *sim;
	saga_sim_options *o;

	if (!saga_store_builtin("sqlite"))
		return saga_error_set(
			error, SAGA_UNSUPPORTED, "the simulator needs a build with SQLite");
	if (!options || options->size < sizeof(size_t) || options->size > 4096)
		return saga_error_set(error, SAGA_MALFORMED,
			"the options have no size: fill them by SAGA_SIM_OPTIONS");
	if (!(sim = calloc(1, sizeof *sim)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	o = &sim->options;
	memcpy(o, options, options->size < sizeof *o ? options->size : sizeof *o);
	o->faults_ms = o->faults_ms ? o->faults_ms : FAULTS_MS;
	o->heal_ms = o->heal_ms ? o->heal_ms : HEAL_MS;
	o->instances = o->instances ? o->instances : 1;
	if (o->instances > INSTANCES_MOST || o->faults_ms < 0 || o->heal_ms < 0 ||
		(o->shards != 0 && o->shards != 1 && o->shards != SAGA__SIM_SHARDS)) {
		free(sim);
		return saga_error_set(error, SAGA_MALFORMED,
			"the options of a world: a time is negative, shards neither 1 nor %d, or"
			" instances more than %d",
			SAGA__SIM_SHARDS, INSTANCES_MOST);
	}
	sim->network = saga__random_of(o->seed, "network", 0);
	sim->calls = saga__random_of(o->seed, "calls", 0);
	sim->clients = saga__random_of(o->seed, "clients", 0);
	sim->host = saga__random_of(o->seed, "host", 0);
	sim->host_operator = saga__random_of(o->seed, "operator", 0);
	sim->stores = saga__random_of(o->seed, "stores", 0);
	if (!o->shards)
		o->shards = saga__random_below(&sim->stores, 2) ? SAGA__SIM_SHARDS : 1;
	sim->clients_end = &sim->clients_first;
	saga__arena_init(&sim->arena, ARENA_BYTES);
	if (saga__decoder_new(&sim->decoder) != SAGA_OK) {
		free(sim);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	sim->broker.pump_at = SAGA__SIM_NEVER;
	sim->broker.era.bytes[15] = 1;
	saga__faults_draw(sim);
	*ret_sim = sim;
	return SAGA_OK;
}

void saga_sim_close(saga_sim *sim)
{
	if (!sim)
		return;
	sim->over = true;
	while (sim->member_count)
		saga__member_free(sim->members[--sim->member_count]);
	saga__queue_free(&sim->queue);
	saga__broker_free(&sim->broker);
	saga__clients_free(sim);
	saga__decoder_free(sim->decoder);
	saga__arena_free(&sim->arena);
	free(sim);
}

static int add_one(saga_sim *sim, const saga_participant_def *def, const saga_options *options,
	struct saga__member *first, saga_error *error)
{
	struct saga__member **place = &sim->members[sim->member_count];
	int code = saga__member_new(sim, def, options, first, place, error);

	if (code != SAGA_OK)
		return code;
	if ((code = saga__member_open(*place, error)) == SAGA_OK) {
		sim->member_count++;
		return SAGA_OK;
	}
	(*place)->p = NULL;
	saga__member_free(*place);
	return code;
}

int saga_sim_add(saga_sim *sim, const saga_participant_def *def, const saga_options *options,
	saga_error *error)
{
	size_t before = sim->member_count;
	saga_error own;
	int code;

	if (!error)
		error = &own;
	if (sim->ran || before + sim->options.instances > SAGA__MEMBERS_MOST)
		return saga_error_set(error, SAGA_MISUSE,
			"a world has at most %d participants, and gets none once it runs",
			SAGA__MEMBERS_MOST);
	if (def && def->name && saga__sim_member(sim, def->name))
		return saga_error_set(error, SAGA_MISUSE, "two participants named %s", def->name);
	code = add_one(sim, def, options, NULL, error);
	for (unsigned i = 1; code == SAGA_OK && i < sim->options.instances; i++)
		code = add_one(sim, def, options, sim->members[before], error);
	while (code != SAGA_OK && sim->member_count > before)
		saga__member_free(sim->members[--sim->member_count]);
	return code;
}

struct saga__member *saga__sim_instance(const struct saga__member *first, size_t of)
{
	const saga_sim *sim = first->sim;
	size_t at = first->number + of;

	return at < sim->member_count && sim->members[at]->first == first ? sim->members[at] : NULL;
}

struct saga__member *saga__sim_member(const saga_sim *sim, const char *name)
{
	for (size_t i = 0; i < sim->member_count; i++)
		if (strcmp(sim->members[i]->def.name, name) == 0)
			return sim->members[i];
	return NULL;
}

struct saga__member *saga__sim_member_of_store(const saga_sim *sim, saga_id uuid)
{
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i]->mirror->watching &&
			saga__id_same(sim->members[i]->mirror->uuid, uuid))
			return sim->members[i];
	return NULL;
}

/* ---- for the host ---- */

struct hosts {
	struct saga__happening happening;
	void (*call)(void *user, saga_sim *sim);
	void *user;
};

static void call_host(saga_sim *sim, struct saga__happening *happening)
{
	struct hosts *hosts = (struct hosts *)happening;

	sim->open_hosts--;
	hosts->call(hosts->user, sim);
}

int saga_sim_at(saga_sim *sim, int64_t at_ms, void (*call)(void *user, saga_sim *sim), void *user)
{
	struct hosts *hosts = saga__sim_new_happening(sim, sizeof *hosts, NULL, call_host);

	if (!hosts)
		return SAGA_NOMEM;
	hosts->call = call;
	hosts->user = user;
	sim->open_hosts++;
	saga__sim_push(sim, &hosts->happening, at_ms * SAGA__SIM_MS);
	return SAGA_OK;
}

int64_t saga_sim_now(const saga_sim *sim)
{
	return sim->now / SAGA__SIM_MS;
}

uint64_t saga_sim_random(saga_sim *sim, uint64_t below)
{
	return saga__random_below(&sim->host, below);
}

struct reading {
	int (*row)(void *user, const char *const *names, const saga_value *columns,
		size_t column_count);
	void *user;
};

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	const struct reading *reading = context;

	(void)i;
	return reading->row(reading->user, names, columns, column_count);
}

int saga_sim_query(saga_sim *sim, const char *participant, const char *sql,
	const saga_value *values, size_t value_count,
	int (*row)(void *user, const char *const *names, const saga_value *columns,
		size_t column_count),
	void *user, saga_error *error)
{
	struct saga__member *member = saga__sim_member(sim, participant);
	const saga_statement statement = { sql, values, value_count };
	struct reading reading = { row, user };
	saga_sink sink = { take_row, NULL, &reading };

	if (!member || saga__sim_store_is_busy(member))
		return saga_error_set(error, SAGA_MISUSE, "%s %s", participant,
			member ? "is in a transaction" : "is not in this world");
	return saga_store_builtin("sqlite")->run(member->store, &statement, 1, &sink, error);
}

void saga_sim_report_of(const saga_sim *sim, saga_sim_report *report)
{
	size_t size = report->size < sizeof *report ? report->size : sizeof *report;
	saga_sim_report now = sim->report;

	now.size = report->size;
	now.ms = saga_sim_now(sim);
	memcpy(report, &now, size);
}

/* ---- running ---- */

int64_t saga__sim_next_at(const saga_sim *sim)
{
	return sim->queue.count ? sim->queue.heap[0]->at : SAGA__SIM_NEVER;
}

void saga__sim_happen_next(saga_sim *sim)
{
	struct saga__happening *next = saga__queue_pop(&sim->queue);

	if (!next) {
		saga__sim_breach(sim, "nothing is left to happen");
		return;
	}
	sim->now = next->at;
	if (!next->life || next->life == next->member->life) {
		sim->report.happenings++;
		next->happen(sim, next);
	}
	if (next->drop)
		next->drop(next);
	free(next);
	for (size_t i = 0; i < sim->member_count; i++)
		saga__member_bury(sim->members[i]);
}

static void heal(saga_sim *sim, struct saga__happening *happening)
{
	(void)happening;
	saga__faults_heal(sim);
	sim->healed_at = sim->now;
	sim->heal_until = sim->now + sim->options.heal_ms * SAGA__SIM_MS;
}

static void run_until_rest(saga_sim *sim)
{
	char why[400] = "";
	int64_t look = 0;

	while (!saga__sim_broken(sim)) {
		saga__sim_happen_next(sim);
		if (!sim->healing || sim->now < look)
			continue;
		look = sim->now + LOOK_US;
		saga__check_late(sim);
		saga__restore_look(sim);
		if (saga__check_rest(sim, why, sizeof why))
			return;
		if (sim->now > sim->heal_until)
			saga__sim_breach(sim, "%s%s, %lld ms after the faults",
				strncmp(why, "law", 3) == 0 ? "" : "not at rest: ", why,
				(long long)sim->options.heal_ms);
	}
}

static bool all_stopped(const saga_sim *sim)
{
	for (size_t i = 0; i < sim->member_count; i++)
		if (sim->members[i]->p->life != SAGA__STOPPED)
			return false;
	return true;
}

/* Each stops as it should, and has nothing open then. */
static void stop_all(saga_sim *sim)
{
	int64_t until = sim->now + ENDING_MS * SAGA__SIM_MS;

	for (size_t i = 0; i < sim->member_count; i++) {
		sim->members[i]->stopping = true;
		saga_stop(sim->members[i]->p);
	}
	while (!saga__sim_broken(sim) && !all_stopped(sim)) {
		saga__sim_happen_next(sim);
		if (sim->now > until)
			saga__sim_breach(sim, "a participant does not stop");
	}
	for (size_t i = 0; !saga__sim_broken(sim) && i < sim->member_count; i++) {
		saga_close(sim->members[i]->p);
		sim->members[i]->p = NULL;
	}
	if (!saga__sim_broken(sim) && sim->open_handles)
		saga__sim_breach(sim, "%zu handles are open at the end", sim->open_handles);
}

int saga_sim_run(saga_sim *sim, saga_error *error)
{
	struct saga__happening *healing;

	if (sim->ran)
		return saga_error_set(error, SAGA_MISUSE, "a world runs once");
	sim->ran = true;
	if ((healing = saga__sim_new_happening(sim, sizeof *healing, NULL, heal)))
		saga__sim_push(sim, healing, sim->options.faults_ms * SAGA__SIM_MS);
	saga__faults_begin(sim);
	run_until_rest(sim);
	if (!saga__sim_broken(sim))
		saga__check_end(sim);
	if (!saga__sim_broken(sim))
		saga__restore_end(sim);
	if (!saga__sim_broken(sim))
		stop_all(sim);
	/* Seed first: whoever reads it alone must be able to see it again. */
	if (error && saga__sim_broken(sim))
		(void)saga_error_set(error, sim->breach.code,
			"seed %" PRIu64 ", %" PRIu64 " faults: %s", sim->options.seed,
			(uint64_t)sim->report.struck, sim->breach.text);
	return sim->breach.code;
}
