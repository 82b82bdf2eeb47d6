/*
 * Steps keep what they declare for the checker: one with `only_while` or `covered_by` goes on only
 * while those steps are done, and one with `waits` does not go on while another one is held. A
 * transaction may hold several events: each state counts that a slot had before it or has behind
 * it.
 */

#include <string.h>

#include "world.h"

/* The slot as it was before this transaction; it is now what it is behind it. */
static enum saga__state before(
	const struct saga__member *member, const struct saga__known_slot *slot)
{
	const struct saga__mirror *mirror = member->mirror;

	for (size_t i = 0; i < mirror->moved; i++)
		if (mirror->moves[i].slot == slot)
			return mirror->moves[i].from;
	return slot->now.state;
}

static bool has_been_done(const struct saga__member *member, const struct saga__known_slot *slot)
{
	enum saga__state from = before(member, slot), to = slot->now.state;

	return from == SAGA__DONE || to == SAGA__DONE ||
		(from != to && (to == SAGA__UNDOING || to == SAGA__UNDONE || to == SAGA__STUCK));
}

/* Whether a run of this transaction went on: its step took effect, or asked for its call. */
static bool went_on(const struct saga__slot_move *move)
{
	enum saga__state to = move->slot->now.state;

	return (move->from == SAGA__ABSENT || move->from == SAGA__WAITING) &&
		(to == SAGA__DONE || to == SAGA__TRYING || to == SAGA__UNDOING ||
			to == SAGA__UNDONE);
}

static const char *subject_for(const struct saga__member *member, size_t row, const char *subject)
{
	return member->plan->steps[member->plan->rows[row].step].per_subject ? subject : "";
}

static void hold_to_guard(struct saga__member *member, const struct saga__known_slot *slot,
	const char *member_name, const char *name)
{
	size_t row = saga__plan_row(member->plan, name);
	const struct saga__known_slot *guard = saga__mirror_slot(
		member, slot->saga, row, subject_for(member, row, slot->subject), false);
	char text[400];

	if (guard && (guard->now.forgotten || has_been_done(member, guard)))
		return;
	saga__sim_breach(member->sim,
		"promise: %s went on, and its `%s` says: only while %s is done",
		saga__slot_text(member, slot, text, sizeof text), member_name, name);
}

/* Held all the time: before this transaction and behind it. */
static bool is_held(struct saga__member *member, const struct saga__known_slot *held, size_t freed)
{
	const struct saga__known_slot *other = saga__mirror_slot(
		member, held->saga, freed, subject_for(member, freed, held->subject), false);
	enum saga__state from = before(member, held), to = held->now.state;

	return (from == SAGA__DONE || from == SAGA__UNDOING) &&
		(to == SAGA__DONE || to == SAGA__UNDOING) &&
		!(other && has_been_done(member, other));
}

static void hold_to_wait(struct saga__member *member, const struct saga__known_slot *slot,
	const saga_condition *wait)
{
	size_t held = saga__plan_row(member->plan, wait->held);
	size_t freed = saga__plan_row(member->plan, wait->freed);
	bool per_subject =
		member->plan->steps[slot->row].per_subject && member->plan->steps[held].per_subject;
	char text[400], other[400];

	for (size_t i = 0; i < member->mirror->bucket_count; i++)
		for (struct saga__known_slot *at = member->mirror->buckets[i]; at; at = at->next) {
			if (at->row != held || !saga__id_same(at->saga, slot->saga) ||
				(per_subject && strcmp(at->subject, slot->subject) != 0) ||
				!is_held(member, at, freed))
				continue;
			saga__sim_breach(member->sim,
				"promise: %s went on while %s is held, and its `waits` says that "
				"it "
				"waits",
				saga__slot_text(member, slot, text, sizeof text),
				saga__slot_text(member, at, other, sizeof other));
			return;
		}
}

void saga__promises_committed(struct saga__member *member)
{
	const struct saga__mirror *mirror = member->mirror;

	for (size_t i = 0; !member->sim->restored && i < mirror->moved; i++) {
		const struct saga__known_slot *slot = mirror->moves[i].slot;
		const saga_step_def *step = &member->plan->steps[slot->row];

		if (member->plan->rows[slot->row].schedule || !went_on(&mirror->moves[i]))
			continue;
		for (size_t k = 0; k < SAGA_CONDITIONS && step->only_while[k]; k++)
			hold_to_guard(member, slot, "only_while", step->only_while[k]);
		if (step->covered_by)
			hold_to_guard(member, slot, "covered_by", step->covered_by);
		for (size_t k = 0; k < saga__conditions_count(step); k++)
			if (step->waits[k].held && !step->waits[k].maybe)
				hold_to_wait(member, slot, &step->waits[k]);
	}
}
