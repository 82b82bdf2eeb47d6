/* Which faults a seed has, how hard they are, and when they strike. */

#include <stdio.h>
#include <string.h>

#include "world.h"

enum {
	KILLS_MOST = 2, /* in a row at one event; the library lets it be after one more */
	POWER_KIND = 16,
	LEAP_DAYS = 91
};

/* The rates that a seed chooses from, in a million; the most that one lasts, and between two. */
struct choice {
	uint32_t per_million[3];
	int64_t most_ms[2];
};

static const struct choice choices[SAGA__FAULT_KINDS] = {
	{ { 5000, 50000, 300000 }, { 0, 0 } },         /* LOSE */
	{ { 10000, 50000, 200000 }, { 0, 0 } },        /* DOUBLE */
	{ { 10000, 50000, 200000 }, { 20, 3000 } },    /* DELAY */
	{ { 5000, 20000, 100000 }, { 0, 0 } },         /* CORRUPT */
	{ { 0, 0, 0 }, { 1000, 15000 } },              /* PARTITION */
	{ { 0, 0, 0 }, { 1000, 30000 } },              /* PAUSE */
	{ { 100, 500, 2000 }, { 100, 5000 } },         /* CRASH */
	{ { 200, 1000, 5000 }, { 200, 10000 } },       /* REFUSE */
	{ { 500, 3000, 15000 }, { 0, 0 } },            /* CONFLICT */
	{ { 500, 5000, 20000 }, { 20, 2000 } },        /* SLOW */
	{ { 0, 0, 0 }, { 200, 10000 } },               /* FULL */
	{ { 5000, 20000, 100000 }, { 0, 0 } },         /* UNKNOWN */
	{ { 5000, 50000, 200000 }, { 1, 100 } },       /* UNSENT */
	{ { 5000, 20000, 100000 }, { 0, 0 } },         /* HANDLER */
	{ { 50000, 200000, 500000 }, { 100, 90000 } }, /* CALL */
	{ { 0, 0, 0 }, { 100, 20000 } },               /* CLOCK */
	{ { 0, 0, 0 }, { 500, 15000 } },               /* POWER: its broker is away so long */
	{ { 500, 3000, 15000 }, { 5, 25000 } },        /* STALL */
	{ { 0, 0, 0 }, { 1000, 60000 } },              /* LEAP */
	{ { 0, 0, 0 }, { 1000, 20000 } },              /* RESTORE */
};

static size_t kind_of(unsigned fault)
{
	size_t kind = 0;

	while (!(fault >> kind & 1))
		kind++;
	return kind;
}

void saga__faults_draw(saga_sim *sim)
{
	struct saga__random swarm = saga__random_of(sim->options.seed, "swarm", 0);
	unsigned allowed = sim->options.faults & ((1u << SAGA__FAULT_KINDS) - 1);
	bool alone = (allowed & (allowed - 1)) == 0;

	for (size_t kind = 0; kind < SAGA__FAULT_KINDS; kind++) {
		const struct choice *choice = &choices[kind];
		uint64_t dice = saga__random_next(&swarm);

		sim->fault_randoms[kind] = saga__random_of(sim->options.seed, "fault", kind);
		if (allowed >> kind & 1 && (alone || dice % 5 < 3))
			sim->on |= 1u << kind;
		/* Those that only one transport has. */
		if (kind == POWER_KIND && !sim->options.durable)
			sim->on &= ~(unsigned)SAGA_SIM_POWER;
		sim->rates[kind] = (uint32_t)((uint64_t)choice->per_million[dice / 8 % 3] *
			UINT32_MAX / 1000000);
		sim->lengths[kind] = choice->most_ms[dice / 32 % 2] * SAGA__SIM_MS;
		sim->gaps[kind] =
			sim->options.faults_ms * SAGA__SIM_MS / (int64_t)(2 + dice / 128 % 16);
	}
	sim->report.faults = sim->on;
}

/* ---- striking ---- */

static void count(saga_sim *sim, unsigned fault)
{
	sim->report.struck++;
	sim->report.struck_by[kind_of(fault)]++;
}

static bool may_strike(const saga_sim *sim, unsigned fault)
{
	return (sim->on & fault) && !sim->healing && !saga__sim_broken(sim) &&
		(!sim->options.fault_limit || sim->report.struck < sim->options.fault_limit);
}

bool saga__sim_strikes(saga_sim *sim, unsigned fault)
{
	size_t kind;

	if (!may_strike(sim, fault))
		return false;
	kind = kind_of(fault);
	if ((uint32_t)saga__random_next(&sim->fault_randoms[kind]) >= sim->rates[kind])
		return false;
	count(sim, fault);
	return true;
}

uint64_t saga__sim_of_fault(saga_sim *sim, unsigned fault, uint64_t below)
{
	return saga__random_below(&sim->fault_randoms[kind_of(fault)], below);
}

int64_t saga__sim_length(saga_sim *sim, unsigned fault)
{
	size_t kind = kind_of(fault);

	return saga__random_between(&sim->fault_randoms[kind], 1, sim->lengths[kind]);
}

/* ---- crashes ---- */

static int take_number(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	*(int64_t *)context = columns[0].kind == SAGA_VALUE_INT64 ? columns[0].as.int64 : 0;
	return SAGA_OK;
}

/*
 * The library rightly sets an event aside that kills its process again and again. So the world does
 * not kill a participant a third time at the same event, and leaves room for one that only looked
 * dead.
 */
bool saga__sim_is_suspected(struct saga__member *member)
{
	const saga_statement statement = { "SELECT MAX(suspicions) FROM saga_stream", NULL, 0 };
	int64_t suspicions = 0;
	saga_sink sink = { take_number, NULL, &suspicions };
	saga_error error;

	return member->mirror->watching &&
		saga_store_builtin("sqlite")->run(member->store, &statement, 1, &sink, &error) ==
		SAGA_OK &&
		suspicions >= KILLS_MOST;
}

bool saga__sim_crashes(struct saga__member *member, const char *where)
{
	saga_sim *sim = member->sim;
	struct saga__random *random = &sim->fault_randoms[kind_of(SAGA_SIM_CRASH)];

	if (member->dead)
		return true;
	if (!may_strike(sim, SAGA_SIM_CRASH) ||
		(uint32_t)saga__random_next(random) >= sim->rates[kind_of(SAGA_SIM_CRASH)] ||
		saga__sim_is_suspected(member))
		return false;
	count(sim, SAGA_SIM_CRASH);
	saga__member_kill(member, where);
	return true;
}

/* ---- what lasts ---- */

static struct saga__member *any_member(saga_sim *sim, unsigned fault)
{
	return sim->members[saga__sim_of_fault(sim, fault, sim->member_count)];
}

struct ending {
	struct saga__happening happening;
	struct saga__member *other;
};

static void end_partition(saga_sim *sim, struct saga__happening *happening)
{
	struct ending *ending = (struct ending *)happening;

	saga__sim_trace(sim, happening->member, "hears %s again", ending->other->def.name);
	happening->member->deaf_to &= ~(1u << ending->other->number);
}

static void part(saga_sim *sim, struct saga__member *a, struct saga__member *b, int64_t length)
{
	struct ending *ending = saga__sim_new_happening(sim, sizeof *ending, a, end_partition);

	if (!ending)
		return;
	ending->other = b;
	a->deaf_to |= 1u << b->number;
	saga__sim_trace(sim, a, "FAULT: hears %s no more", b->def.name);
	saga__sim_push(sim, &ending->happening, sim->now + length);
}

static void strike_partition(saga_sim *sim, struct saga__member *a, int64_t length)
{
	struct saga__member *b = any_member(sim, SAGA_SIM_PARTITION);

	if (sim->options.durable) {
		saga__sim_trace(sim, a, "FAULT: is cut off from the broker");
		saga__broker_cut_off(a, length);
		return;
	}
	if (a == b)
		return;
	part(sim, a, b, length);
	if (saga__sim_of_fault(sim, SAGA_SIM_PARTITION, 2))
		part(sim, b, a, length);
}

static void end_leap(saga_sim *sim, struct saga__happening *happening)
{
	saga__sim_trace(sim, happening->member, "has its clock right again");
	happening->member->leap_ms = 0;
}

/* One machine's clock is wrong for a while, beyond all that is kept for an age. */
static void strike_leap(saga_sim *sim, struct saga__member *member, int64_t length)
{
	struct saga__happening *ending =
		saga__sim_new_happening(sim, sizeof *ending, member, end_leap);

	if (!ending)
		return;
	saga__sim_trace(sim, member, "FAULT: its clock is %d days ahead", LEAP_DAYS);
	member->leap_ms = (int64_t)LEAP_DAYS * 24 * 3600 * 1000;
	saga__sim_push(sim, ending, sim->now + length);
}

static void strike(saga_sim *sim, unsigned fault)
{
	struct saga__member *member = any_member(sim, fault);
	int64_t length = saga__sim_length(sim, fault);

	count(sim, fault);
	switch (fault) {
	case SAGA_SIM_PARTITION:
		strike_partition(sim, member, length);
		break;
	case SAGA_SIM_PAUSE:
		member->paused = sim->now + length;
		saga__sim_trace(sim, member, "FAULT: paused for %lld us", (long long)length);
		break;
	case SAGA_SIM_CRASH:
		if (member->p && !member->dead && !saga__sim_is_suspected(member))
			saga__member_kill(member, "while it did nothing");
		break;
	case SAGA_SIM_REFUSE:
		member->away = sim->now + length;
		saga__sim_trace(sim, member, "FAULT: store away for %lld us", (long long)length);
		break;
	case SAGA_SIM_FULL:
		member->full = sim->now + length;
		saga__sim_trace(sim, member, "FAULT: store full for %lld us", (long long)length);
		break;
	case SAGA_SIM_CLOCK:
		member->skew_ms = length / SAGA__SIM_MS;
		if (saga__sim_of_fault(sim, fault, 2))
			member->skew_ms = -member->skew_ms;
		saga__sim_trace(
			sim, member, "FAULT: clock off by %lld ms", (long long)member->skew_ms);
		break;
	case SAGA_SIM_LEAP:
		strike_leap(sim, member, length);
		break;
	case SAGA_SIM_RESTORE:
		saga__restore_strike(sim, member);
		break;
	case SAGA_SIM_POWER:
		saga__broker_loses_power(sim);
		break;
	default:
		break;
	}
}

struct recurring {
	struct saga__happening happening;
	unsigned fault;
};

static void recur(saga_sim *sim, struct saga__happening *happening);

static void push_next(saga_sim *sim, unsigned fault)
{
	struct recurring *next;
	size_t kind = kind_of(fault);
	int64_t gap = saga__random_between(&sim->fault_randoms[kind], 1, sim->gaps[kind] + 1);

	if (!(next = saga__sim_new_happening(sim, sizeof *next, NULL, recur)))
		return;
	next->fault = fault;
	saga__sim_push(sim, &next->happening, sim->now + gap);
}

static void recur(saga_sim *sim, struct saga__happening *happening)
{
	unsigned fault = ((struct recurring *)happening)->fault;

	if (!may_strike(sim, fault))
		return;
	strike(sim, fault);
	push_next(sim, fault);
}

void saga__faults_begin(saga_sim *sim)
{
	static const unsigned lasting[] = { SAGA_SIM_PARTITION, SAGA_SIM_PAUSE, SAGA_SIM_CRASH,
		SAGA_SIM_REFUSE, SAGA_SIM_FULL, SAGA_SIM_CLOCK, SAGA_SIM_POWER, SAGA_SIM_LEAP,
		SAGA_SIM_RESTORE };

	for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
		if (sim->on & lasting[i])
			push_next(sim, lasting[i]);
}

/* All faults end: who is cut off, stands still or is dead goes on. */
void saga__faults_heal(saga_sim *sim)
{
	sim->healing = true;
	saga__sim_trace(sim, NULL, "all faults end");
	for (size_t i = 0; i < sim->member_count; i++) {
		struct saga__member *member = sim->members[i];

		saga__broker_reach(member);
		member->deaf_to = 0;
		member->paused = member->away = member->full = 0;
		member->skew_ms = member->leap_ms = 0;
		saga__member_revive(member);
	}
}
