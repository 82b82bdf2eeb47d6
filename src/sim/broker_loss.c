/*
 * Misfortunes of the broker: members are cut off from it, it loses messages, and members ask for
 * those that it still has.
 */

#include <stdlib.h>
#include <string.h>

#include "broker.h"

enum {
	LOST_MOST_US = 8000000 /* what is older is on its disks */
};

/* ---- what stands where ---- */

static void answer_look(saga_sim *sim, struct saga__happening *happening)
{
	const struct saga__passing *passing = (struct saga__passing *)happening;
	struct saga__member *member = happening->member;
	saga_id id = { { 0 } };
	int64_t stored_at = 0;

	if (!member->port || saga__broker_is_cut_off(member))
		return;
	if (passing->seq && passing->seq <= sim->broker.count) {
		id = sim->broker.messages[passing->seq - 1]->id;
		stored_at = sim->broker.messages[passing->seq - 1]->stored_at;
	}
	saga_port_looked(member->port, passing->seq, id, stored_at);
}

static void ask(struct saga__member *member, void (*answer)(saga_sim *, struct saga__happening *),
	unsigned shard, uint64_t place)
{
	struct saga__passing *passing;

	if (member->dead || saga__broker_is_cut_off(member) ||
		!(passing = saga__sim_new_happening(member->sim, sizeof *passing, member, answer)))
		return;
	passing->seq = place;
	passing->part = shard;
	passing->happening.life = member->life;
	saga__sim_push(member->sim, &passing->happening,
		saga__member_now(member) +
			saga__random_between(&member->sim->network, SAGA__BROKER_LEAST_US,
				SAGA__BROKER_USUAL_US));
}

void saga__broker_look(void *transport, uint64_t place)
{
	ask(((struct saga__line *)transport)->member, answer_look, 0, place);
}

static void answer_look_behind(saga_sim *sim, struct saga__happening *happening)
{
	const struct saga__passing *passing = (struct saga__passing *)happening;
	struct saga__member *member = happening->member;
	uint64_t at = passing->seq;

	if (!member->port || saga__broker_is_cut_off(member))
		return;
	while (at < sim->broker.count &&
		saga__broker_shard_of(member, sim->broker.messages[at]->part) != passing->part)
		at++;
	saga_port_looked_behind(
		member->port, passing->part, passing->seq, at < sim->broker.count ? at + 1 : 0);
}

void saga__broker_look_behind(void *transport, unsigned shard, uint64_t place)
{
	ask(((struct saga__line *)transport)->member, answer_look_behind, shard, place);
}

void saga__broker_rewind(void *transport, unsigned shard, uint64_t place)
{
	struct saga__member *member = ((struct saga__line *)transport)->member;
	struct saga__broker *broker = &member->sim->broker;
	size_t group = member->first->number;

	if (member->dead)
		return;
	saga__sim_trace(member->sim, member, "has shard %u delivered again behind %llu", shard,
		(unsigned long long)place);
	broker->ahead[group][shard] = 0;
	broker->epochs[group][shard] = ++broker->epoch;
	if (broker->floors[group] > place)
		broker->floors[group] = place;
	for (uint64_t i = place; i < broker->count; i++) {
		struct saga__message_kept *message = broker->messages[i];

		if (saga__broker_shard_of(member, message->part) != shard)
			continue;
		saga__broker_give_back(message, group);
		message->acked &= ~(1u << group);
	}
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
}

/* ---- what befalls it ---- */

static void come_back(saga_sim *sim, struct saga__happening *happening)
{
	struct saga__member *member = happening->member;

	(void)sim;
	saga__broker_reach(member);
}

void saga__broker_cut_off(struct saga__member *member, int64_t us)
{
	struct saga__happening *back =
		saga__sim_new_happening(member->sim, sizeof *back, member, come_back);

	if (!back)
		return;
	member->deaf_to |= 1u << member->number;
	saga__broker_release(member);
	if (member->port)
		saga_port_state(member->port, false, "the broker is away");
	saga__sim_push(member->sim, back, member->sim->now + us);
}

void saga__broker_reach(struct saga__member *member)
{
	if (!saga__broker_is_cut_off(member))
		return;
	member->deaf_to &= ~(1u << member->number);
	if (!member->port)
		return;
	member->doubts = true;
	member->told_at = 0;
	saga_port_state(member->port, true, "connected again");
	saga_port_writable(member->port);
	saga__broker_pump(member->sim, SAGA__BROKER_LEAST_US);
}

/* Its consumers may stand ahead of what is left, where the next ones will be; or behind. */
static void move_floors(saga_sim *sim, uint64_t left)
{
	struct saga__broker *broker = &sim->broker;
	bool ahead = saga__sim_of_fault(sim, SAGA_SIM_POWER, 2);

	for (size_t group = 0; group < sim->member_count; group++) {
		uint64_t floor = broker->floors[group], back;

		for (unsigned shard = 0; shard < SAGA__SIM_SHARDS; shard++) {
			uint64_t stood = shard < sim->members[group]->shards
				? saga__broker_floor_of(sim->members[group], shard)
				: 0;

			broker->ahead[group][shard] = ahead && stood > left ? stood : 0;
			broker->epochs[group][shard] = ++broker->epoch;
		}
		if (floor > left)
			broker->floors[group] = floor = left;
		if (ahead || !floor)
			continue;
		back = saga__sim_of_fault(sim, SAGA_SIM_POWER, floor < 20 ? floor : 20);
		broker->floors[group] -= back;
		for (uint64_t i = broker->floors[group]; i < floor; i++)
			broker->messages[i]->acked &= ~(1u << group);
	}
}

/* The broker may still call a message a double after it has lost it. */
static void lose_last(saga_sim *sim, bool haunts)
{
	struct saga__broker *broker = &sim->broker;
	struct saga__message_kept *message = broker->messages[broker->count - 1];
	struct saga__ghost *more = NULL;

	if (haunts)
		more = realloc(broker->ghosts, (broker->ghost_count + 1) * sizeof *more);
	if (more) {
		broker->ghosts = more;
		more[broker->ghost_count++] =
			(struct saga__ghost){ message->id, message->again, broker->count };
	}
	saga__broker_free_message(message);
	broker->count--;
}

static void lose_all_that_is_out(saga_sim *sim, struct saga__member *member)
{
	struct saga__broker *broker = &sim->broker;

	for (uint64_t k = 0; k < broker->count; k++)
		if (broker->messages[k]->groups[member->first->number].to == member)
			saga__broker_give_back(broker->messages[k], member->first->number);
	member->unacked = 0;
	saga__broker_cut_off(member, 1 + saga__sim_length(sim, SAGA_SIM_POWER));
}

/* The broker loses confirmed messages that its disks lack; or its stream is made anew. */
void saga__broker_loses_power(saga_sim *sim)
{
	struct saga__broker *broker = &sim->broker;
	uint64_t young = 0, lost;
	bool haunts = saga__sim_of_fault(sim, SAGA_SIM_POWER, 3) == 0;
	bool remade = saga__sim_of_fault(sim, SAGA_SIM_POWER, 12) == 0;

	while (young < broker->count &&
		broker->messages[broker->count - 1 - young]->stored_at + LOST_MOST_US > sim->now)
		young++;
	lost = remade ? broker->count : saga__sim_of_fault(sim, SAGA_SIM_POWER, young + 1);
	saga__sim_trace(sim, NULL,
		"FAULT: the broker loses its power, and %llu of its %llu events%s",
		(unsigned long long)lost, (unsigned long long)broker->count,
		remade ? ": its stream is made anew" : "");
	move_floors(sim, broker->count - lost);
	if (remade) {
		memset(broker->ahead, 0, sizeof broker->ahead);
		broker->era.bytes[0]++;
		broker->ghost_count = 0;
		haunts = false;
	}
	for (; lost; lost--)
		lose_last(sim, haunts);
	for (size_t i = 0; i < sim->member_count; i++)
		lose_all_that_is_out(sim, sim->members[i]);
}
