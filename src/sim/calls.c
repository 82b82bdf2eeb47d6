/* Outside calls: made by the world, in their time, and what becomes of them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
	LEAST_US = 500,
	USUAL_US = 20000,
	DEFAULT_ATTEMPTS = 8
};

/* One that is under way; it stands in its member's list until it is answered or dropped. */
struct saga__sim_call {
	struct saga__sim_call *next;
	struct saga__call *call;
	uint64_t number;
	bool lost_going, lost_coming, twice;
	int64_t late;
};

struct passing {
	struct saga__happening happening;
	uint64_t number;
};

static struct saga__sim_call **find(struct saga__member *member, uint64_t number)
{
	struct saga__sim_call **at = &member->calls;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static bool is_under_way(const struct saga__member *member, saga_id parked)
{
	for (const struct saga__sim_call *at = member->calls; at; at = at->next)
		if (saga__id_same(at->call->parked, parked))
			return true;
	return false;
}

static void pass(struct saga__member *member, uint64_t number, int64_t us,
	void (*happen)(saga_sim *sim, struct saga__happening *happening))
{
	struct passing *passing =
		saga__sim_new_happening(member->sim, sizeof *passing, member, happen);

	if (!passing)
		return;
	passing->number = number;
	passing->happening.life = member->life;
	saga__sim_push(member->sim, &passing->happening, saga__member_now(member) + us);
}

/* ---- it comes back ---- */

static void no_answer(struct saga__call *call)
{
	saga__blob_unref(call->answer);
	call->answer = NULL;
	call->code = SAGA_AWAY;
	(void)snprintf(call->why, sizeof call->why, "the world lost its answer");
}

static void remove_call(struct saga__member *member, struct saga__sim_call **at)
{
	struct saga__sim_call *gone = *at;

	*at = gone->next;
	member->call_count--;
	member->sim->open_handles--;
	free(gone);
}

static void come_back(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__member *member = happening->member;
	struct saga__sim_call **at = find(member, ((struct passing *)happening)->number);
	struct saga__call *call;

	if (!*at)
		return;
	call = (*at)->call;
	if ((*at)->lost_going || (*at)->lost_coming)
		no_answer(call);
	saga__sim_trace(sim, member, "call of step %s: %s", member->plan->steps[call->step].name,
		call->code == SAGA_OK ? "answered" : call->why);
	remove_call(member, at);
	saga__call_made(member->p, call);
}

/* ---- it is made ---- */

/* A second one at once: the other side must know the key. */
static void make_twice(struct saga__call *call)
{
	saga__call_make(call);
	saga__blob_unref(call->answer);
	call->answer = NULL;
	call->code = SAGA_OK;
}

static void make(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__member *member = happening->member;
	struct saga__sim_call *own = *find(member, ((struct passing *)happening)->number);
	int64_t us;

	if (!own || saga__sim_crashes(member, "before an outside call"))
		return;
	us = saga__random_between(&sim->calls, LEAST_US, USUAL_US) + own->late;
	if (!own->lost_going) {
		if (own->twice)
			make_twice(own->call);
		saga__call_make(own->call);
		saga__sim_hash(sim, own->call->answer ? own->call->answer->at : NULL,
			own->call->answer ? own->call->answer->size : 0);
		if (saga__sim_crashes(member, "behind an outside call"))
			return;
	}
	if (own->lost_going || own->lost_coming)
		us += saga__call_timeout(own->call) * SAGA__SIM_MS;
	pass(member, own->number, us, come_back);
}

static void draw(struct saga__member *member, struct saga__sim_call *own)
{
	const saga_step_def *step = &member->plan->steps[own->call->step];
	int most = own->call->undo ? step->undo_retry.attempts : step->retry.attempts;
	saga_sim *sim = member->sim;

	/* The world must not spend the last attempt: the slot would be stuck. */
	if (!saga__sim_strikes(sim, SAGA_SIM_CALL))
		return;
	switch (saga__sim_of_fault(sim, SAGA_SIM_CALL, 4)) {
	case 0:
		own->lost_going = own->call->attempts < (most ? most : DEFAULT_ATTEMPTS) / 2;
		break;
	case 1:
		own->lost_coming = own->call->attempts < (most ? most : DEFAULT_ATTEMPTS) / 2;
		break;
	case 2:
		own->twice = true;
		break;
	default:
		own->late = saga__sim_length(sim, SAGA_SIM_CALL);
		break;
	}
	saga__sim_trace(sim, member, "FAULT: call of step %s: %s", step->name,
		own->lost_going            ? "does not arrive"
			: own->lost_coming ? "its answer is lost"
			: own->twice       ? "made twice"
					   : "late");
}

/* ---- the driver's slots ---- */

int saga__sim_call(struct saga_participant *p, struct saga__call *call)
{
	struct saga__member *member = p->driven;
	struct saga__sim_call *own;

	if (member->dead || (call->again && is_under_way(member, call->parked))) {
		saga__call_free(call);
		return SAGA_OK;
	}
	if (!(own = calloc(1, sizeof *own)))
		return SAGA_NOMEM;
	own->call = call;
	own->number = ++member->sim->queue.orders;
	own->next = member->calls;
	member->calls = own;
	member->call_count++;
	member->sim->open_handles++;
	draw(member, own);
	pass(member, own->number, saga__random_between(&member->sim->calls, LEAST_US, USUAL_US),
		make);
	return SAGA_OK;
}

size_t saga__sim_calls(struct saga_participant *p)
{
	return ((struct saga__member *)p->driven)->call_count;
}

void saga__sim_drop_calls(struct saga_participant *p)
{
	struct saga__member *member = p->driven;

	while (member->calls) {
		saga__call_free(member->calls->call);
		remove_call(member, &member->calls);
	}
}
