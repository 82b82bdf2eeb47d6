/* A participant in the world: its process, which is opened, driven, killed and opened again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
	TURN_US = 20,
	WAKE_US = 200, /* so that what comes at about one time is one turn's */
	START_MOST_US = 5000,
	ENDING_TURNS_MOST = 1000
};

/* ---- time and randomness ---- */

int64_t saga__member_now(const struct saga__member *member)
{
	return member->busy > member->sim->now ? member->busy : member->sim->now;
}

void saga__member_spend(struct saga__member *member, int64_t us)
{
	member->busy = saga__member_now(member) + us;
}

static int64_t monotonic(void *context)
{
	return saga__member_now(context) / SAGA__SIM_MS;
}

int64_t saga__member_wall(const struct saga__member *member)
{
	const int64_t epoch = 1700000000000;

	return epoch + saga__member_now(member) / SAGA__SIM_MS + member->skew_ms + member->leap_ms;
}

static int64_t wall(void *context)
{
	return saga__member_wall(context);
}

static void random_bytes(void *context, void *buffer, size_t size)
{
	struct saga__member *member = context;
	unsigned char *at = buffer;

	while (size) {
		uint64_t word = saga__random_next(&member->ids);
		size_t part = size < sizeof word ? size : sizeof word;

		memcpy(at, &word, part);
		at += part;
		size -= part;
	}
}

/* ---- turns ---- */

static void turn(saga_sim *sim, struct saga__happening *happening);

/* Sees to it that a turn is on the queue for when one is wanted. */
static void plan_turn(struct saga__member *member)
{
	int64_t at = member->wake_at < member->alarm_at ? member->wake_at : member->alarm_at;
	struct saga__happening *happening;

	if (at == SAGA__SIM_NEVER)
		return;
	/* While it stood still in a transaction, the world went on. */
	if (at < member->sim->now)
		at = member->sim->now;
	if (member->turn_at >= member->sim->now && member->turn_at <= at)
		return;
	happening = saga__sim_new_happening(member->sim, sizeof *happening, member, turn);
	if (!happening)
		return;
	happening->life = member->life;
	member->turn_at = at;
	saga__sim_push(member->sim, happening, at);
}

static void take_turn(struct saga__member *member)
{
	saga_sim *sim = member->sim;

	member->wake_at = member->alarm_at = SAGA__SIM_NEVER;
	saga__member_spend(member, TURN_US);
	saga__tick(member->p);
	if (member->dead)
		return;
	saga__check_queues(member);
	if (member->p->life == SAGA__STOPPED && !member->stopping)
		saga__sim_breach(
			sim, "%s has stopped by itself: %s", member->def.name, member->p->why.text);
}

static void turn(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__member *member = happening->member;
	int64_t free_at = saga__member_now(member);

	if (member->p->life == SAGA__STOPPED)
		return;
	/* An alarm was moved, and another turn stands for it. */
	if (member->turn_at != happening->at)
		return;
	member->turn_at = SAGA__SIM_NEVER;
	if (member->paused > free_at)
		free_at = member->paused;
	if (free_at > sim->now) {
		member->wake_at = free_at;
		if (member->alarm_at < free_at)
			member->alarm_at = SAGA__SIM_NEVER;
	} else if (member->wake_at <= sim->now || member->alarm_at <= sim->now) {
		take_turn(member);
	}
	plan_turn(member);
}

/* ---- the driver ---- */

static int open_driver(struct saga_participant *p, saga_error *error)
{
	(void)error;
	p->env = (struct saga_env){ p->driven, monotonic, wall, random_bytes, NULL };
	return SAGA_OK;
}

static void wake(struct saga_participant *p)
{
	struct saga__member *member = p->driven;
	int64_t at = saga__member_now(member) + WAKE_US;

	if (at < member->wake_at)
		member->wake_at = at;
	/* In its own turn it is planned at the end of that; the first wake comes while it opens. */
	if (member->p == p && !p->ticking)
		plan_turn(member);
}

static void set_alarm(struct saga_participant *p, int64_t ms)
{
	struct saga__member *member = p->driven;

	member->alarm_at = ms < 0 ? SAGA__SIM_NEVER : saga__member_now(member) + ms * SAGA__SIM_MS;
}

static void stop(struct saga_participant *p)
{
	saga__stopped(p);
}

static void close_driver(struct saga_participant *p)
{
	saga__sim_drop_calls(p);
}

static const struct saga__driver driver = {
	.open = open_driver,
	.wake = wake,
	.alarm = set_alarm,
	.call = saga__sim_call,
	.calls = saga__sim_calls,
	.drop_calls = saga__sim_drop_calls,
	.stop = stop,
	.close = close_driver,
};

static void log_line(void *user, const saga_log *log)
{
	struct saga__member *member = user;

	if (member->dead)
		return;
	member->sim->alarms += log->level == SAGA_ALARM && member->sim->restored;
	saga__sim_trace(member->sim, member, "%s: %s", log->what, log->text);
	if (member->options.log)
		member->options.log(member->options.user, log);
}

/* ---- its lives ---- */

int saga__member_open(struct saga__member *member, saga_error *error)
{
	const struct saga__drive drive = { &driver, member, log_line, member };
	saga_sim *sim = member->sim;
	saga_options options = member->options;
	int code;

	options.store = "sim:store";
	options.store_ops = member->shards == 1 ? &saga__sim_store_one : &saga__sim_store_many;
	options.store_context = member;
	options.transport = "sim:net";
	options.transport_ops = sim->options.durable ? &saga__sim_broker : &saga__sim_transport;
	options.transport_context = member;
	options.followers = (const char *const *)member->followers;
	options.limits = &member->limits;
	member->life++;
	member->dead = false;
	member->busy = 0;
	member->turn_at = member->wake_at = member->alarm_at = SAGA__SIM_NEVER;
	code = saga__open_driven(&member->def, &options, &drive, &member->p, error);
	if (code != SAGA_OK)
		return code;
	saga__sim_trace(sim, member, "opens, life %llu", (unsigned long long)member->life);
	member->wake_at =
		saga__member_now(member) + saga__random_between(&sim->clients, 1, START_MOST_US);
	plan_turn(member);
	return SAGA_OK;
}

void saga__member_kill(struct saga__member *member, const char *where)
{
	if (member->dead || !member->p)
		return;
	saga__sim_trace(member->sim, member, "FAULT: killed %s", where);
	member->sim->report.crashes++;
	member->dead = true;
	member->port = NULL;
}

static void rise(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__member *member = happening->member;
	saga_error error;

	if (!member->p && saga__member_open(member, &error) != SAGA_OK)
		saga__sim_breach(sim, "%s can't be opened again: %s", member->def.name, error.text);
}

/* The end of a process frees its memory, and has no other effect on the world. */
static void end_process(struct saga__member *member)
{
	saga_participant *p = member->p;
	int turns = 0;

	saga_stop(p);
	while (p->life != SAGA__STOPPED && turns++ < ENDING_TURNS_MOST)
		saga__tick(p);
	if (p->life != SAGA__STOPPED)
		saga__sim_breach(member->sim, "%s does not stop", member->def.name);
	else
		saga_close(p);
	member->p = NULL;
	member->held_frames = 0;
	member->life++;
}

void saga__member_bury(struct saga__member *member)
{
	saga_sim *sim = member->sim;
	struct saga__happening *rising;

	/* One that stands still in a transaction is not through with its turn. */
	if (!member->p || !member->dead || (sim->stalled && sim->stalled->member == member))
		return;
	end_process(member);
	saga__clients_lost(member);
	if (sim->over || !(rising = saga__sim_new_happening(sim, sizeof *rising, member, rise)))
		return;
	saga__sim_push(sim, rising,
		sim->now + (sim->healing ? SAGA__SIM_MS : saga__sim_length(sim, SAGA_SIM_CRASH)));
}

void saga__member_revive(struct saga__member *member)
{
	struct saga__happening *rising;

	if (!member->p &&
		(rising = saga__sim_new_happening(member->sim, sizeof *rising, member, rise)))
		saga__sim_push(member->sim, rising, member->sim->now + SAGA__SIM_MS);
}

/* ---- making one ---- */

static int copy_followers(struct saga__member *member, const char *const *followers)
{
	size_t count = 0;

	while (followers && followers[count])
		count++;
	if (!(member->followers = calloc(count + 1, sizeof(char *))))
		return SAGA_NOMEM;
	for (size_t i = 0; i < count; i++)
		if (!(member->followers[i] = strdup(followers[i])))
			return SAGA_NOMEM;
	return SAGA_OK;
}

static int copy_options(struct saga__member *member, const saga_options *given, saga_error *error)
{
	saga_options *o = &member->options;

	if (!given || given->size < sizeof(size_t) || given->size > 4096)
		return saga_error_set(error, SAGA_MALFORMED,
			"the options have no size: fill them by SAGA_OPTIONS");
	memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
	member->limits.size = sizeof member->limits;
	if (o->limits && o->limits->size >= sizeof(size_t))
		memcpy(&member->limits, o->limits,
			o->limits->size < sizeof member->limits ? o->limits->size
								: sizeof member->limits);
	member->limits.size = sizeof member->limits;
	if (copy_followers(member, o->followers) != SAGA_OK)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	o->size = sizeof *o;
	/* A backup that is older than what others keep of their events is none. */
	if (member->sim->on & SAGA_SIM_RESTORE)
		o->retention_ms = o->history_ms = 0;
	o->lanes = 0;
	o->loop = NULL;
	o->stop_when_idle = false;
	o->stopped = NULL;
	return SAGA_OK;
}

/* The first has the store and what is known of it; others have the first's. */
static int share_store(struct saga__member *member, struct saga__member *first, saga_error *error)
{
	if (first) {
		member->first = first;
		member->store = first->store;
		member->mirror = first->mirror;
		return SAGA_OK;
	}
	member->first = member;
	if (!(member->mirror = calloc(1, sizeof *member->mirror)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	return saga__sim_store_new(member, error);
}

int saga__member_new(saga_sim *sim, const saga_participant_def *def, const saga_options *options,
	struct saga__member *first, struct saga__member **ret_member, saga_error *error)
{
	struct saga__member *member = calloc(1, sizeof *member);
	int code;

	if (!member)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	member->sim = sim;
	member->number = sim->member_count;
	member->ids = saga__random_of(sim->options.seed, "ids", member->number);
	member->shards = sim->options.shards;
	if ((code = saga__plan_new(def, &member->plan, error)) == SAGA_OK &&
		(code = copy_options(member, options, error)) == SAGA_OK)
		code = share_store(member, first, error);
	member->def = *def;
	if (first)
		(void)snprintf(member->label, sizeof member->label, "%s.%zu", def->name,
			sim->member_count - first->number + 1);
	else
		(void)snprintf(member->label, sizeof member->label, "%s", def->name);
	if (code == SAGA_OK)
		code = saga__handlers_wrap(member, error);
	if (code != SAGA_OK) {
		saga__member_free(member);
		return code;
	}
	*ret_member = member;
	return SAGA_OK;
}

void saga__member_free(struct saga__member *member)
{
	if (member->p) {
		member->dead = true;
		member->port = NULL;
		end_process(member);
	}
	if (member->first == member) {
		saga__sim_store_free(member);
		saga__mirror_free(member->mirror);
	}
	saga__plan_free(member->plan);
	for (size_t i = 0; member->followers && member->followers[i]; i++)
		free(member->followers[i]);
	free(member->followers);
	free(member->originals);
	free(member->steps);
	free(member);
}
