#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- slots and events ---- */

/* A request that nobody's undo, bar or event follows leaves nothing to explore. */
static bool has_slot(const struct saga__model_step *s)
{
	return s->emits.count || s->rejects.count || s->undone.count || s->undo_on.count ||
		s->bar_on.count || !s->request;
}

static unsigned group_of(const struct saga__world *world, const struct saga__world_slot *slot)
{
	return slot->subject ? (slot->step->part - 1) * world->subjects + slot->subject : 0;
}

static bool make_slots(struct saga__world *world, struct saga__choreography *all)
{
	for (unsigned i = 0; i < all->step_count; i++) {
		const struct saga__model_step *s = &all->steps[i];
		unsigned last = s->per_subject ? world->subjects : 0;

		for (unsigned n = s->per_subject ? 1 : 0; has_slot(s) && n <= last; n++) {
			struct saga__world_slot *slot = &world->slots[world->slot_count];

			if (world->slot_count == SAGA__WORLD_SLOTS)
				return false;
			world->slot_count++;
			slot->step = s;
			slot->at_step = i;
			slot->subject = n;
			slot->group = group_of(world, slot);
			slot->radix = 1 +
				(s->emits.count > s->rejects.count ? s->emits.count
								   : s->rejects.count);
		}
	}
	return true;
}

/* One event of a slot for each type; SAGA__WORLD_EVENTS: there is no room. */
static unsigned add_event(struct saga__world *world, unsigned slot, unsigned type)
{
	for (unsigned b = 0; b < world->event_count; b++)
		if (world->events[b].slot == slot && world->events[b].type == type)
			return b;
	if (world->event_count == SAGA__WORLD_EVENTS)
		return SAGA__WORLD_EVENTS;
	world->events[world->event_count] = (struct saga__world_event){ slot, type };
	return world->event_count++;
}

static bool make_events(struct saga__world *world)
{
	for (unsigned i = 0; i < world->slot_count; i++) {
		struct saga__world_slot *slot = &world->slots[i];
		const struct saga__model_step *s = slot->step;
		unsigned top = 0;

		for (unsigned k = 0; k < s->emits.count; k++)
			top |= slot->emits[k] = add_event(world, i, s->emits.at[k]);
		for (unsigned k = 0; k < s->rejects.count; k++)
			top |= slot->rejects[k] = add_event(world, i, s->rejects.at[k]);
		for (unsigned k = 0; k < s->undone.count; k++)
			top |= slot->undone[k] = add_event(world, i, s->undone.at[k]);
		for (unsigned k = 0; k < s->after_count; k++)
			top |= slot->later[k] = add_event(world, i, s->after[k].event);
		if (top & SAGA__WORLD_EVENTS)
			return false;
	}
	world->words = (world->event_count + 63) / 64;
	return true;
}

/* ---- who hears what ---- */

static void hear(const struct saga__world *world, const struct saga__world_slot *slot,
	const struct saga__names *types, struct saga__events *to)
{
	for (unsigned b = 0; b < world->event_count; b++)
		if (saga__names_have(types, world->events[b].type) &&
			(!slot->step->per_subject ||
				world->slots[world->events[b].slot].subject == slot->subject))
			saga__events_add(to, b);
}

static void make_routes(struct saga__world *world)
{
	for (unsigned i = 0; i < world->slot_count; i++) {
		struct saga__world_slot *slot = &world->slots[i];

		hear(world, slot, &slot->step->on, &slot->on);
		hear(world, slot, &slot->step->undo_on, &slot->undo_on);
		hear(world, slot, &slot->step->undo_on, &slot->stop_on);
		hear(world, slot, &slot->step->bar_on, &slot->stop_on);
		for (unsigned k = 0; k < slot->step->after_count; k++)
			hear(world, slot, &slot->step->after[k].unless, &slot->unless[k]);
	}
}

/* The events that run a slot, by the group that they come of. */
static bool make_seen(struct saga__world *world, struct saga__choreography *all, unsigned at)
{
	struct saga__world_slot *slot = &world->slots[at];
	struct saga__seen_cell *seen;
	unsigned groups = 1 + all->part_count * world->subjects;

	if (!slot->step->wait_count && !slot->step->joins)
		return true;
	if (!(seen = saga__arena_calloc(&all->arena, groups, sizeof *seen)))
		return false;
	slot->seen = seen;
	for (unsigned g = 0; g < groups; g++) {
		struct saga__seen_cell *of = &seen[slot->seen_count];

		for (unsigned b = 0; b < world->event_count; b++) {
			if (!saga__events_have(&slot->on, b) ||
				world->slots[world->events[b].slot].group != g)
				continue;
			if (of->count == SAGA__SEEN_MOST)
				return false;
			of->events[of->count++] = b;
		}
		of->group = g;
		slot->seen_count += of->count != 0;
	}
	return true;
}

int saga__world_slot(const struct saga__world *world, unsigned step, unsigned subject)
{
	unsigned wanted = world->all->steps[step].per_subject ? subject : 0;

	for (unsigned i = 0; i < world->slot_count; i++)
		if (world->slots[i].at_step == step && world->slots[i].subject == wanted)
			return (int)i;
	return SAGA__NONE;
}

static void make_guards(struct saga__world *world, struct saga__world_slot *slot)
{
	const struct saga__model_step *s = slot->step;

	for (unsigned k = 0; k < s->while_count; k++)
		slot->guards[slot->guard_count++] =
			saga__world_slot(world, (unsigned)s->only_while[k], slot->subject);
	if (s->covered_by != SAGA__NO_STEP)
		slot->guards[slot->guard_count++] =
			saga__world_slot(world, (unsigned)s->covered_by, slot->subject);
}

static bool share(const struct saga__names *a, const struct saga__names *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (saga__names_have(b, a->at[i]))
			return true;
	return false;
}

/* Several undos of one event in one participant run in reverse order of declaration. */
static bool make_behind(
	struct saga__world *world, struct saga__choreography *all, struct saga__world_slot *slot)
{
	unsigned *behind = saga__arena_calloc(&all->arena, world->slot_count, sizeof *behind);

	if (!behind)
		return false;
	for (unsigned j = 0; j < world->slot_count; j++) {
		const struct saga__model_step *o = world->slots[j].step;

		if (o->contract == slot->step->contract && o->at > slot->step->at &&
			share(&o->undo_on, &slot->step->undo_on))
			behind[slot->behind_count++] = j;
	}
	slot->behind = behind;
	return true;
}

/* ---- what may go first ---- */

static void mark(bool *looked_at, int step)
{
	if (step != SAGA__NO_STEP)
		looked_at[step] = true;
}

static void mark_looked_at(const struct saga__choreography *all, bool *looked_at)
{
	for (unsigned i = 0; i < all->step_count; i++) {
		const struct saga__model_step *s = &all->steps[i];

		mark(looked_at, s->covered_by);
		for (unsigned k = 0; k < s->while_count; k++)
			mark(looked_at, s->only_while[k]);
		for (unsigned k = 0; k < s->wait_count; k++) {
			mark(looked_at, s->waits[k].held);
			mark(looked_at, s->waits[k].freed);
		}
	}
}

static bool is_plain(const struct saga__model_step *s)
{
	return !s->request && !s->undo_on.count && !s->bar_on.count && !s->wait_count &&
		!s->joins && !s->rejects.count && s->emits.count < 2 && !s->outside &&
		!s->after_count && !s->while_count && s->covered_by == SAGA__NO_STEP;
}

static bool nobody_stops(const struct saga__world *world, const struct saga__world_slot *slot)
{
	static const struct saga__events none;

	return memcmp(&slot->stop_on, &none, world->words * sizeof none.word[0]) == 0;
}

static bool make_goes(struct saga__world *world, struct saga__choreography *all)
{
	bool *looked_at = saga__arena_calloc(&all->arena, all->step_count + 1, sizeof *looked_at);

	if (!looked_at)
		return false;
	mark_looked_at(all, looked_at);
	for (unsigned i = 0; i < world->slot_count; i++) {
		struct saga__world_slot *slot = &world->slots[i];
		struct saga__model_step as_if = *slot->step;

		/* Stops that nobody says stop nothing. */
		as_if.undo_on.count = as_if.bar_on.count = 0;
		slot->goes = !world->dying && nobody_stops(world, slot) && is_plain(&as_if) &&
			!looked_at[slot->at_step];
	}
	return true;
}

/* ---- cells ---- */

static unsigned char bits_for(uint32_t most)
{
	unsigned char bits = 1;

	while (bits < 32 && most >> bits)
		bits++;
	return bits;
}

/* SAGA__WORLD_CELLS: there is no room. */
static unsigned add_cell(struct saga__world *world, uint32_t most)
{
	if (world->cell_count == SAGA__WORLD_CELLS)
		return SAGA__WORLD_CELLS;
	world->width[world->cell_count] = bits_for(most);
	return world->cell_count++;
}

static bool make_cells_of(struct saga__world *world, unsigned group)
{
	unsigned top = 0;

	for (unsigned i = 0; i < world->slot_count; i++) {
		struct saga__world_slot *slot = &world->slots[i];
		const struct saga__model_step *s = slot->step;

		if (slot->group == group) {
			top |= slot->cell = add_cell(world,
				saga__slot_cell(slot, SAGA__STATES - 1, (int)slot->radix - 2,
					(int)s->undone.count - 1));
			for (unsigned k = 0; k < s->after_count; k++)
				top |= slot->after_cell[k] =
					add_cell(world, saga__after_cell(SAGA__STATES - 1, true));
		}
		/* The events of a subject that the saga's step has seen stand with it. */
		for (unsigned k = 0; k < slot->seen_count; k++) {
			struct saga__seen_cell *seen = &slot->seen[k];

			if ((seen->group ? seen->group : slot->group) == group)
				top |= seen->cell = add_cell(
					world, (uint32_t)((UINT64_C(1) << seen->count) - 1));
		}
	}
	return top < SAGA__WORLD_CELLS && world->cell_count < SAGA__WORLD_CELLS;
}

static bool make_cells(struct saga__world *world, const struct saga__choreography *all)
{
	unsigned bits = 0;

	if (!make_cells_of(world, 0))
		return false;
	for (unsigned part = 0; part < all->part_count; part++) {
		struct saga__world_block *block = &world->blocks[world->block_count];

		block->first = world->cell_count;
		block->count = world->subjects;
		for (unsigned n = 1; n <= world->subjects; n++)
			if (!make_cells_of(world, part * world->subjects + n))
				return false;
		block->size = (world->cell_count - block->first) / world->subjects;
		assert(block->size * world->subjects == world->cell_count - block->first);
		world->block_count += block->size != 0 && block->count > 1;
	}
	world->dead_cell = add_cell(world, world->dying);
	for (unsigned i = 0; i < world->cell_count; i++)
		bits += world->width[i];
	world->packed = (bits + 7) / 8;
	return true;
}

int saga__world_make(struct saga__choreography *all, unsigned subjects, unsigned dying,
	struct saga__world **ret_world, saga_error *error)
{
	struct saga__world *world = saga__arena_calloc(&all->arena, 1, sizeof *world);
	bool room = world != NULL;

	if (room) {
		world->all = all;
		world->subjects = subjects;
		world->dying = dying;
		world->slots =
			saga__arena_calloc(&all->arena, SAGA__WORLD_SLOTS, sizeof *world->slots);
		world->blocks =
			saga__arena_calloc(&all->arena, all->part_count + 1, sizeof *world->blocks);
		room = world->slots && world->blocks;
	}
	if (!room)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	room = make_slots(world, all) && make_events(world);
	if (room)
		make_routes(world);
	for (unsigned i = 0; room && i < world->slot_count; i++) {
		make_guards(world, &world->slots[i]);
		room = make_behind(world, all, &world->slots[i]) && make_seen(world, all, i);
	}
	if (!room || !make_goes(world, all) || !make_cells(world, all))
		return saga_error_set(error, SAGA_TOO_BIG,
			"with %u subjects there are more than %d slots or %d events", subjects,
			SAGA__WORLD_SLOTS, SAGA__WORLD_EVENTS);
	*ret_world = world;
	return SAGA_OK;
}

/* ---- states ---- */

void saga__world_pack(const struct saga__world *world, const uint32_t *cells, unsigned char *packed)
{
	uint64_t word = 0;
	unsigned have = 0;

	for (unsigned i = 0; i < world->cell_count; i++) {
		assert(cells[i] >> (world->width[i] - 1) >> 1 == 0);
		word |= (uint64_t)cells[i] << have;
		for (have += world->width[i]; have >= 8; have -= 8, word >>= 8)
			*packed++ = (unsigned char)word;
	}
	if (have)
		*packed = (unsigned char)word;
}

void saga__world_unpack(
	const struct saga__world *world, const unsigned char *packed, uint32_t *cells)
{
	uint64_t word = 0;
	unsigned have = 0;

	for (unsigned i = 0; i < world->cell_count; i++) {
		for (; have < world->width[i]; have += 8)
			word |= (uint64_t)*packed++ << have;
		cells[i] = (uint32_t)(word & ((UINT64_C(1) << world->width[i]) - 1));
		word >>= world->width[i];
		have -= world->width[i];
	}
}

static int compare(const uint32_t *a, const uint32_t *b, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

static void swap(uint32_t *a, uint32_t *b, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint32_t held = a[i];

		a[i] = b[i];
		b[i] = held;
	}
}

void saga__world_sort(const struct saga__world *world, uint32_t *cells)
{
	for (unsigned i = 0; i < world->block_count; i++) {
		const struct saga__world_block *block = &world->blocks[i];

		for (unsigned n = 1; n < block->count; n++)
			for (unsigned k = n; k > 0; k--) {
				uint32_t *at = cells + block->first + k * block->size;

				if (compare(at - block->size, at, block->size) <= 0)
					break;
				swap(at - block->size, at, block->size);
			}
	}
}

void saga__world_out(
	const struct saga__world *world, const uint32_t *cells, struct saga__events *ret_out)
{
	memset(ret_out->word, 0, world->words * sizeof ret_out->word[0]);
	for (unsigned i = 0; i < world->slot_count; i++) {
		const struct saga__world_slot *slot = &world->slots[i];
		int said, undid;

		for (unsigned k = 0; k < slot->step->after_count; k++)
			if (saga__after_fired(cells[slot->after_cell[k]]))
				saga__events_add(ret_out, slot->later[k]);
		if (cells[slot->cell] < SAGA__STATES)
			continue;
		said = saga__slot_said(slot, cells);
		undid = saga__slot_undid(slot, cells);
		if (said >= 0) {
			enum saga__state state = saga__slot_state(world, cells, i);
			bool no = state == SAGA__REJECTED || state == SAGA__BARRED;

			saga__events_add(ret_out, no ? slot->rejects[said] : slot->emits[said]);
		}
		if (undid >= 0)
			saga__events_add(ret_out, slot->undone[undid]);
	}
}

const char *saga__slot_label(
	const struct saga__world *world, unsigned slot, char *buffer, size_t size)
{
	const struct saga__world_slot *of = &world->slots[slot];

	if (of->subject)
		(void)snprintf(buffer, size, "%s#%u", of->step->name, of->subject);
	else
		(void)snprintf(buffer, size, "%s", of->step->name);
	return buffer;
}
