/*
 * Law 5: what a slot is committed as, it has said, once: each move to where a step has ended has
 * its one event in the same transaction, of the types that are declared for that end, and each
 * event has its move.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum {
	LISTS_MOST = 2 /* of types that one move has to say one of */
};

/* ---- what happened in this transaction ---- */

void saga__outcome_moved(struct saga__member *member, struct saga__known_slot *slot,
	enum saga__state from, enum saga__state was)
{
	struct saga__mirror *mirror = member->mirror;

	if (mirror->moved == mirror->move_room) {
		size_t room = mirror->move_room ? 2 * mirror->move_room : 64;
		struct saga__slot_move *more = realloc(mirror->moves, room * sizeof *more);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return;
		}
		mirror->moves = more;
		mirror->move_room = room;
	}
	mirror->moves[mirror->moved++] = (struct saga__slot_move){ slot, from, was };
}

void saga__outcome_passed(struct saga__member *member, struct saga__passed passed)
{
	struct saga__mirror *mirror = member->mirror;

	if (mirror->passed_count == mirror->passed_room) {
		size_t room = mirror->passed_room ? 2 * mirror->passed_room : 64;
		struct saga__passed *more = realloc(mirror->passed, room * sizeof *more);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return;
		}
		mirror->passed = more;
		mirror->passed_room = room;
	}
	mirror->passed[mirror->passed_count++] = passed;
}

void saga__outcome_said(struct saga__member *member, unsigned shard, uint64_t seq)
{
	struct saga__mirror *mirror = member->mirror;

	if (mirror->appended == mirror->said_room) {
		size_t room = mirror->said_room ? 2 * mirror->said_room : 64;
		struct saga__event_said *more = realloc(mirror->said, room * sizeof *more);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return;
		}
		mirror->said = more;
		mirror->said_room = room;
	}
	mirror->said[mirror->appended++] = (struct saga__event_said){ shard, seq, false };
}

/* ---- what had to be said ---- */

/* Lists of types, of each of which one had to be said; the most there are is run and undone. */
static size_t lists_of(const struct saga__member *member, const struct saga__slot_move *move,
	const saga_type *const *ret_lists[LISTS_MOST])
{
	const struct saga__known_slot *slot = move->slot;
	const saga_step_def *step = &member->plan->steps[member->plan->rows[slot->row].step];
	/* A step that began and went on in one transaction has run there. */
	bool runs = move->from == SAGA__ABSENT || move->from == SAGA__WAITING ||
		move->from == SAGA__DEAD || move->from == SAGA__TRYING ||
		(move->from == SAGA__STUCK && move->was == SAGA__TRYING);
	size_t count = 0;

	switch (slot->now.state) {
	case SAGA__DONE:
	case SAGA__UNDOING:
		if (runs)
			ret_lists[count++] = step->emits;
		break;
	case SAGA__STUCK:
		if (runs && slot->now.was != SAGA__TRYING)
			ret_lists[count++] = step->emits;
		break;
	case SAGA__UNDONE:
		if (runs)
			ret_lists[count++] = step->emits;
		ret_lists[count++] = step->undone;
		break;
	case SAGA__REJECTED:
	case SAGA__FAILED:
	case SAGA__BARRED:
		ret_lists[count++] = step->rejects;
		break;
	case SAGA__ABSENT:
	case SAGA__WAITING:
	case SAGA__TRYING:
	case SAGA__DEAD:
	case SAGA__STATES:
		break;
	}
	return count;
}

static const struct saga__known_event *event_of(
	const struct saga__member *member, const struct saga__event_said *said)
{
	return &member->mirror->streams[said->shard].events[said->seq - 1];
}

static bool is_of(const struct saga__known_event *event, const struct saga__known_slot *slot,
	const saga_type *const *list)
{
	if (!saga__id_same(event->saga, slot->saga) || strcmp(event->subject, slot->subject) != 0)
		return false;
	for (size_t i = 0; i < SAGA_EVENTS && list[i]; i++)
		if (strcmp(list[i]->name, event->type) == 0 && list[i]->version == event->version)
			return true;
	return false;
}

static struct saga__event_said *find(struct saga__member *member,
	const struct saga__known_slot *slot, const saga_type *const *list)
{
	struct saga__mirror *mirror = member->mirror;

	for (size_t i = 0; i < mirror->appended; i++)
		if (!mirror->said[i].matched &&
			is_of(event_of(member, &mirror->said[i]), slot, list))
			return &mirror->said[i];
	return NULL;
}

/* The cause of what a step says is an event that there was; a request is none. */
static void check_cause(struct saga__member *member, const struct saga__known_slot *slot,
	const struct saga__known_event *event)
{
	const saga_step_def *step = &member->plan->steps[member->plan->rows[slot->row].step];
	struct saga__member *owner;
	char text[300];

	if (step->on[0]->request || member->sim->restored ||
		saga__mirror_event(member->sim, event->cause, &owner))
		return;
	saga__sim_breach(member->sim, "law 5: %s said %s, because of no event that there is",
		saga__slot_text(member, slot, text, sizeof text), event->type);
}

static void check_step(struct saga__member *member, const struct saga__slot_move *move)
{
	const struct saga__known_slot *slot = move->slot;
	const saga_type *const *lists[LISTS_MOST];
	size_t count = lists_of(member, move, lists);
	const saga_step_def *step = &member->plan->steps[member->plan->rows[slot->row].step];
	char text[300];

	for (size_t i = 0; i < count; i++) {
		struct saga__event_said *said = lists[i][0] ? find(member, slot, lists[i]) : NULL;

		/* A `refuse` that fails leaves a letter, and its event comes later. */
		if (!lists[i][0] || (!said && lists[i] == step->rejects && step->refuse))
			continue;
		if (!said) {
			saga__sim_breach(member->sim,
				"law 5: %s went from %s to %s, and did not say so",
				saga__slot_text(member, slot, text, sizeof text),
				saga__state_name(move->from), saga__state_name(slot->now.state));
			return;
		}
		said->matched = true;
		check_cause(member, slot, event_of(member, said));
	}
}

static void check_schedule(struct saga__member *member, const struct saga__slot_move *move)
{
	const struct saga__known_slot *slot = move->slot;
	const struct saga__row *row = &member->plan->rows[slot->row];
	const saga_type *list[SAGA_EVENTS] = {
		member->plan->steps[row->step].after[row->later].event
	};
	struct saga__event_said *said;
	char text[300];

	if (slot->now.state != SAGA__DONE)
		return;
	if ((said = find(member, slot, list)))
		said->matched = true;
	else
		saga__sim_breach(member->sim, "law 5: %s fell due, and did not say so",
			saga__slot_text(member, slot, text, sizeof text));
}

/* A rejection that its barred slot owed comes from its letter, later. */
static bool was_owed(struct saga__member *member, const struct saga__known_event *event)
{
	for (size_t row = 0; row < member->plan->step_count; row++) {
		const saga_step_def *step = &member->plan->steps[row];
		const struct saga__known_slot *slot = saga__mirror_slot(
			member, event->saga, row, step->per_subject ? event->subject : "", false);

		if (step->refuse && slot && slot->now.state == SAGA__BARRED &&
			is_of(event, slot, step->rejects))
			return true;
	}
	return false;
}

void saga__outcomes_committed(struct saga__member *member)
{
	struct saga__mirror *mirror = member->mirror;

	for (size_t i = 0; i < mirror->moved; i++)
		if (member->plan->rows[mirror->moves[i].slot->row].schedule)
			check_schedule(member, &mirror->moves[i]);
		else
			check_step(member, &mirror->moves[i]);
	for (size_t i = 0; i < mirror->appended; i++) {
		const struct saga__known_event *event = event_of(member, &mirror->said[i]);

		if (!mirror->said[i].matched && !was_owed(member, event))
			saga__sim_breach(member->sim,
				"law 5: %s said %s, and no slot of that came to that",
				member->def.name, event->type);
	}
	for (size_t i = 0; i < mirror->passed_count; i++)
		saga__check_passed(member, &mirror->passed[i]);
	mirror->appended = mirror->moved = mirror->passed_count = 0;
}
