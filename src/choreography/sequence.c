#include "sequence.h"

#include "../event/utf8.h"

/* Participants have numbers there, since their names may have signs that mean something. */

static unsigned participant_of(const struct saga__world *world, unsigned slot)
{
	return world->slots[slot].step->contract;
}

static bool takes_part(const struct saga__world *world, const struct saga__move *way, size_t count,
	unsigned contract)
{
	for (size_t i = 0; i < count; i++)
		if (participant_of(world, way[i].slot) == contract ||
			(way[i].cause != SAGA__NONE &&
				participant_of(world, world->events[way[i].cause].slot) ==
					contract))
			return true;
	return false;
}

static const char *own_label(const struct saga__world *world, unsigned slot, char buffer[100])
{
	const struct saga__world_slot *of = &world->slots[slot];

	if (of->subject)
		saga__say(buffer, 100, "%s of subject %u", of->step->own, of->subject);
	else
		saga__say(buffer, 100, "%s", of->step->own);
	return buffer;
}

static const char *type_name(const struct saga__world *world, const struct saga__move *move)
{
	return move->type == SAGA__NONE ? "" : world->all->types[move->type].name;
}

static void note_of(
	const struct saga__world *world, const struct saga__move *move, struct saga__text *to)
{
	static const char *const verbs[SAGA__HAPPENINGS] = {
		[SAGA__EMITTED] = "takes effect",
		[SAGA__REJECTED_IT] = "rejects",
		[SAGA__WAITED] = "waits",
		[SAGA__JOINED] = "waits for the others",
		[SAGA__CALLED] = "asks outside",
		[SAGA__ANSWERED_YES] = "is answered and takes effect",
		[SAGA__ANSWERED_NO] = "is answered and rejects",
		[SAGA__BARRED_IT] = "is barred",
		[SAGA__UNDID] = "is undone",
		[SAGA__CALLED_TO_UNDO] = "asks outside to undo",
		[SAGA__ANSWERED_UNDO] = "is undone",
		[SAGA__FIRED] = "publishes what is due",
		[SAGA__WITHDREW] = "withdraws a schedule",
		[SAGA__DIED] = "dies",
		[SAGA__GOT_STUCK] = "gets stuck",
	};
	char label[100];

	saga__text_add(to, "\tNote over p%u: %s %s%s%s\n", participant_of(world, move->slot),
		own_label(world, move->slot, label), verbs[move->what],
		move->type == SAGA__NONE ? "" : ": ", type_name(world, move));
}

void saga__sequence(const struct saga__world *world, const struct saga__move *way, size_t count,
	struct saga__text *to)
{
	bool asked = false;

	saga__text_add(to, "sequenceDiagram\n");
	for (size_t i = 0; i < count; i++)
		asked |= way[i].kind == SAGA__ASKED && way[i].cause == SAGA__NONE;
	if (asked)
		saga__text_add(to, "\tactor caller\n");
	for (unsigned i = 0; i < world->all->contract_count; i++)
		if (takes_part(world, way, count, i))
			saga__text_add(to, "\tparticipant p%u as %s\n", i,
				world->all->contracts[i].participant);
	for (size_t i = 0; i < count; i++) {
		const struct saga__move *move = &way[i];

		if (move->cause != SAGA__NONE)
			saga__text_add(to, "\tp%u->>p%u: %s\n",
				participant_of(world, world->events[move->cause].slot),
				participant_of(world, move->slot),
				world->all->types[world->events[move->cause].type].name);
		else if (move->kind == SAGA__ASKED)
			saga__text_add(to, "\tcaller->>p%u: %s\n",
				participant_of(world, move->slot),
				world->slots[move->slot].step->on.count
					? world->all->types[world->slots[move->slot].step->on.at[0]]
						  .name
					: type_name(world, move));
		note_of(world, move, to);
	}
}
