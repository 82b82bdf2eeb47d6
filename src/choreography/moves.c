#include "moves.h"

#include <string.h>

#include "../event/utf8.h"

/* The state that the moves leave, the one that is being made, and what is known of the move. */
struct walk {
	const struct saga__world *world;
	const uint32_t *from;
	const struct saga__events *out;
	saga__take_move *take;
	void *context;
	struct saga__move move;
	uint32_t to[SAGA__WORLD_CELLS];
};

static const struct saga__world_slot *slot_of(const struct walk *w)
{
	return &w->world->slots[w->move.slot];
}

static void begin(struct walk *w)
{
	memcpy(w->to, w->from, w->world->cell_count * sizeof w->to[0]);
}

static void end(struct walk *w, enum saga__happening what, int type)
{
	w->move.what = what;
	w->move.type = type;
	w->take(w->context, &w->move, w->to);
}

static int nth(const struct saga__names *names, int at)
{
	return at < 0 ? SAGA__NONE : (int)names->at[at];
}

/* ---- what a slot leaves ---- */

static void forget_seen(struct walk *w, const struct saga__world_slot *slot)
{
	for (unsigned k = 0; k < slot->seen_count; k++)
		w->to[slot->seen[k].cell] = 0;
}

static void withdraw(struct walk *w, unsigned cell)
{
	bool fired = saga__after_fired(w->to[cell]);

	w->to[cell] = saga__after_cell(
		saga__schedule_next(saga__after_state(w->to[cell]), SAGA__WITHDRAW), fired);
}

static void put(struct walk *w, enum saga__state state, int said, int undid)
{
	const struct saga__world_slot *slot = slot_of(w);

	w->to[slot->cell] = saga__slot_cell(slot, state, said, undid);
	if (state != SAGA__WAITING && state != SAGA__TRYING)
		forget_seen(w, slot);
	if (state != SAGA__REJECTED && state != SAGA__BARRED && state != SAGA__UNDONE)
		return;
	for (unsigned k = 0; k < slot->step->after_count; k++)
		if (saga__after_state(w->to[slot->after_cell[k]]) != SAGA__ABSENT)
			withdraw(w, slot->after_cell[k]);
}

static void see(struct walk *w, const struct saga__events *got)
{
	const struct saga__world_slot *slot = slot_of(w);

	for (unsigned k = 0; k < slot->seen_count; k++)
		for (unsigned i = 0; i < slot->seen[k].count; i++)
			if (saga__events_have(got, slot->seen[k].events[i]))
				w->to[slot->seen[k].cell] |= UINT32_C(1) << i;
}

void saga__slot_seen(const struct saga__world *world, const uint32_t *cells, unsigned at,
	struct saga__events *ret_seen)
{
	const struct saga__world_slot *slot = &world->slots[at];

	memset(ret_seen->word, 0, world->words * sizeof ret_seen->word[0]);
	for (unsigned k = 0; k < slot->seen_count; k++)
		for (unsigned i = 0; i < slot->seen[k].count; i++)
			if (cells[slot->seen[k].cell] >> i & 1)
				saga__events_add(ret_seen, slot->seen[k].events[i]);
}

/* ---- what a run may come to ---- */

bool saga__guards_hold(const struct saga__world *world, const uint32_t *cells, unsigned at)
{
	const struct saga__world_slot *slot = &world->slots[at];

	for (unsigned k = 0; k < slot->guard_count; k++)
		if (slot->guards[k] == SAGA__NONE ||
			saga__slot_state(world, cells, (unsigned)slot->guards[k]) != SAGA__DONE)
			return false;
	return true;
}

static enum saga__state state_of(const struct walk *w, int step, unsigned subject)
{
	int slot = saga__world_slot(w->world, (unsigned)step, subject);

	return slot == SAGA__NONE ? SAGA__ABSENT
				  : saga__slot_state(w->world, w->from, (unsigned)slot);
}

static bool is_held(const struct walk *w, const struct saga__model_wait *wait)
{
	const struct saga__world_slot *slot = slot_of(w);
	const struct saga__model_step *held = &w->world->all->steps[wait->held];
	unsigned first = !held->per_subject ? 0 : slot->subject ? slot->subject : 1;
	unsigned last = !held->per_subject || slot->subject ? first : w->world->subjects;

	for (unsigned n = first; n <= last; n++) {
		enum saga__state state = state_of(w, wait->held, n);

		if ((state == SAGA__DONE || state == SAGA__UNDOING) &&
			state_of(w, wait->freed, n) != SAGA__DONE)
			return true;
	}
	return false;
}

static bool has_come(
	const struct walk *w, const struct saga__names *types, const struct saga__events *got)
{
	for (unsigned b = 0; b < w->world->event_count; b++)
		if (saga__events_have(got, b) && saga__names_have(types, w->world->events[b].type))
			return true;
	return false;
}

struct waiting {
	bool must;
	bool may;
	unsigned own; /* a bit for each of its schedules that it waits for */
};

static struct waiting waits_of(const struct walk *w, const struct saga__events *got)
{
	const struct saga__model_step *s = slot_of(w)->step;
	struct waiting waiting = { false, false, 0 };

	for (unsigned i = 0; i < s->wait_count; i++) {
		const struct saga__model_wait *wait = &s->waits[i];
		bool open = wait->held != SAGA__NO_STEP ? is_held(w, wait)
							: !has_come(w, &wait->until, got);

		if (!open)
			continue;
		waiting.must |= !wait->maybe;
		waiting.may = true;
		for (unsigned k = 0; k < s->after_count; k++)
			if (saga__names_have(&wait->until, s->after[k].event))
				waiting.own |= 1u << k;
	}
	return waiting;
}

/* All ways in which the run may leave its schedules: armed, or as it likes. */
static void arm(struct walk *w, unsigned k, unsigned must, enum saga__happening what, int type)
{
	const struct saga__world_slot *slot = slot_of(w);
	const struct saga__model_after *after;
	enum saga__state state;
	uint32_t before;

	if (k == slot->step->after_count) {
		end(w, what, type);
		return;
	}
	after = &slot->step->after[k];
	before = w->to[slot->after_cell[k]];
	state = saga__after_state(before);
	if (state != SAGA__ABSENT && !(state == SAGA__DONE && after->again)) {
		arm(w, k + 1, must, what, type);
		return;
	}
	if (after->maybe && !(must >> k & 1))
		arm(w, k + 1, must, what, type);
	w->to[slot->after_cell[k]] =
		saga__after_cell(saga__schedule_next(state, SAGA__ARM), saga__after_fired(before));
	arm(w, k + 1, must, what, type);
	w->to[slot->after_cell[k]] = before;
}

static void take_effect(struct walk *w, enum saga__happening what)
{
	const struct saga__model_step *s = slot_of(w)->step;

	for (int k = s->emits.count ? 0 : -1; k < (int)s->emits.count; k++) {
		begin(w);
		put(w, SAGA__DONE, k, SAGA__NONE);
		arm(w, 0, 0, what, nth(&s->emits, k));
	}
}

static void reject(struct walk *w, enum saga__happening what)
{
	const struct saga__model_step *s = slot_of(w)->step;

	for (int k = 0; k < (int)s->rejects.count; k++) {
		begin(w);
		put(w, SAGA__REJECTED, k, SAGA__NONE);
		end(w, what, nth(&s->rejects, k));
	}
}

static bool is_one(unsigned bits)
{
	return bits && !(bits & (bits - 1));
}

static void run(struct walk *w, const struct saga__events *got)
{
	const struct saga__model_step *s = slot_of(w)->step;
	struct waiting waiting = waits_of(w, got);
	bool can = saga__guards_hold(w->world, w->from, w->move.slot);

	reject(w, SAGA__REJECTED_IT);
	if (waiting.may) {
		begin(w);
		put(w, SAGA__WAITING, SAGA__NONE, SAGA__NONE);
		see(w, got);
		arm(w, 0, waiting.must || is_one(waiting.own) ? waiting.own : 0, SAGA__WAITED,
			SAGA__NONE);
	}
	if (waiting.must || (!can && (s->rejects.count || s->request)))
		return;
	if (!s->outside) {
		take_effect(w, SAGA__EMITTED);
		return;
	}
	begin(w);
	put(w, SAGA__TRYING, SAGA__NONE, SAGA__NONE);
	end(w, SAGA__CALLED, SAGA__NONE);
}

/* ---- what makes it run ---- */

static void die(struct walk *w, enum saga__state state, int said, enum saga__happening what)
{
	enum saga__move_kind kind = w->move.kind;

	if (!w->from[w->world->dead_cell])
		return;
	begin(w);
	put(w, state, said, SAGA__NONE);
	w->to[w->world->dead_cell]--;
	w->move.kind = SAGA__DIES;
	end(w, what, SAGA__NONE);
	w->move.kind = kind;
}

static void add_of_type(const struct walk *w, const struct saga__events *from, unsigned type,
	bool only_first, struct saga__events *to)
{
	for (unsigned b = 0; b < w->world->event_count; b++)
		if (saga__events_have(from, b) && w->world->events[b].type == type) {
			saga__events_add(to, b);
			if (only_first)
				return;
		}
}

static void join(struct walk *w, const struct saga__events *seen, const struct saga__events *fresh)
{
	const struct saga__model_step *s = slot_of(w)->step;

	for (unsigned i = 0; i < s->on.count; i++) {
		struct saga__events of_type = { { 0 } }, got = *seen;
		struct saga__names one = { 1, { s->on.at[i] } };
		bool whole = true;

		add_of_type(w, fresh, s->on.at[i], true, &of_type);
		w->move.cause = saga__events_first(w->world, &of_type, fresh);
		if (w->move.cause == SAGA__NONE || (has_come(w, &one, seen) && !s->wait_count))
			continue;
		add_of_type(w, fresh, s->on.at[i], s->wait_count != 0, &got);
		for (unsigned k = 0; k < s->on.count; k++)
			whole &= has_come(w, &(struct saga__names){ 1, { s->on.at[k] } }, &got);
		if (whole) {
			run(w, &got);
			die(w, SAGA__DEAD, SAGA__NONE, SAGA__DIED);
			continue;
		}
		begin(w);
		put(w, SAGA__WAITING, SAGA__NONE, SAGA__NONE);
		see(w, &got);
		end(w, SAGA__JOINED, SAGA__NONE);
	}
}

static void ask(struct walk *w)
{
	const struct saga__world_slot *slot = slot_of(w);
	const struct saga__events none = { { 0 } };

	w->move.cause = SAGA__NONE;
	if (slot->step->stranger && slot->step->on.count) {
		w->move.cause = saga__events_first(w->world, w->out, &slot->on);
		if (w->move.cause == SAGA__NONE)
			return;
	}
	if (!saga__guards_hold(w->world, w->from, w->move.slot))
		return;
	w->move.kind = SAGA__ASKED;
	run(w, &none);
	w->move.kind = SAGA__OF_ITSELF;
}

static void trigger(struct walk *w)
{
	const struct saga__world_slot *slot = slot_of(w);
	struct saga__events seen, fresh = { { 0 } };

	if (slot->step->request) {
		ask(w);
		return;
	}
	saga__slot_seen(w->world, w->from, w->move.slot, &seen);
	for (unsigned i = 0; i < w->world->words; i++)
		fresh.word[i] = w->out->word[i] & slot->on.word[i] & ~seen.word[i];
	if (!saga__events_meet(w->world, &fresh, &fresh))
		return;
	if (slot->step->joins) {
		join(w, &seen, &fresh);
		return;
	}
	for (unsigned b = 0; b < w->world->event_count; b++) {
		struct saga__events got = seen;

		if (!saga__events_have(&fresh, b))
			continue;
		saga__events_add(&got, b);
		w->move.cause = (int)b;
		run(w, &got);
		die(w, SAGA__DEAD, SAGA__NONE, SAGA__DIED);
		if (!slot->step->wait_count)
			return; /* which of the events it was is no matter */
	}
}

/* ---- undos and bars ---- */

static bool goes_before(const struct walk *w, unsigned other, const struct saga__world_event *event)
{
	const struct saga__world_slot *o = &w->world->slots[other];
	enum saga__state state = saga__slot_state(w->world, w->from, other);

	return saga__names_have(&o->step->undo_on, event->type) &&
		(!o->subject || o->subject == w->world->slots[event->slot].subject) &&
		(state == SAGA__DONE || state == SAGA__TRYING || state == SAGA__UNDOING ||
			state == SAGA__STUCK);
}

/* The first event that undoes it and no other slot before it; SAGA__NONE. */
static int undoing_event(const struct walk *w)
{
	const struct saga__world_slot *slot = slot_of(w);

	for (unsigned b = 0; b < w->world->event_count; b++) {
		bool waits = false;

		if (!saga__events_have(w->out, b) || !saga__events_have(&slot->undo_on, b))
			continue;
		for (unsigned k = 0; k < slot->behind_count; k++)
			waits |= goes_before(w, slot->behind[k], &w->world->events[b]);
		if (!waits)
			return (int)b;
	}
	return SAGA__NONE;
}

static void finish_undo(struct walk *w, enum saga__happening what)
{
	const struct saga__world_slot *slot = slot_of(w);
	int said = saga__slot_said(slot, w->from);

	for (int k = 0; k < (int)slot->step->undone.count; k++) {
		begin(w);
		put(w, SAGA__UNDONE, said, k);
		end(w, what, nth(&slot->step->undone, k));
	}
}

static void undo(struct walk *w)
{
	int said = saga__slot_said(slot_of(w), w->from);

	w->move.cause = undoing_event(w);
	if (w->move.cause == SAGA__NONE)
		return;
	if (slot_of(w)->step->undo_outside) {
		begin(w);
		put(w, SAGA__UNDOING, said, SAGA__NONE);
		end(w, SAGA__CALLED_TO_UNDO, SAGA__NONE);
	} else {
		finish_undo(w, SAGA__UNDID);
	}
	die(w, SAGA__STUCK, said, SAGA__GOT_STUCK);
}

static void bar(struct walk *w)
{
	const struct saga__model_step *s = slot_of(w)->step;

	w->move.cause = saga__events_first(w->world, w->out, &slot_of(w)->stop_on);
	for (int k = s->rejects.count ? 0 : -1; k < (int)s->rejects.count; k++) {
		begin(w);
		put(w, SAGA__BARRED, k, SAGA__NONE);
		end(w, SAGA__BARRED_IT, nth(&s->rejects, k));
	}
}

/* ---- schedules ---- */

/* A published one that is scheduled anew makes a new event: whoever waits has not had that one. */
static void forget_event(struct walk *w, unsigned event)
{
	for (unsigned i = 0; i < w->world->slot_count; i++) {
		const struct saga__world_slot *slot = &w->world->slots[i];

		for (unsigned k = 0; k < slot->seen_count; k++)
			for (unsigned e = 0; e < slot->seen[k].count; e++)
				if (slot->seen[k].events[e] == event)
					w->to[slot->seen[k].cell] &= ~(UINT32_C(1) << e);
	}
}

static void fall_due(struct walk *w, unsigned k)
{
	const struct saga__world_slot *slot = slot_of(w);
	uint32_t before = w->from[slot->after_cell[k]];

	begin(w);
	w->to[slot->after_cell[k]] = saga__after_cell(
		saga__schedule_next(saga__after_state(before), SAGA__FALL_DUE), true);
	if (saga__after_fired(before))
		forget_event(w, slot->later[k]);
	w->move.cause = SAGA__NONE;
	end(w, SAGA__FIRED, (int)slot->step->after[k].event);
}

static void schedules(struct walk *w, enum saga__state state)
{
	const struct saga__world_slot *slot = slot_of(w);

	for (unsigned k = 0; k < slot->step->after_count; k++) {
		enum saga__state is = saga__after_state(w->from[slot->after_cell[k]]);
		bool may_run = state == SAGA__WAITING || state == SAGA__TRYING;
		bool armable = is == SAGA__WAITING ||
			(is == SAGA__ABSENT && (state == SAGA__ABSENT || may_run)) ||
			(is == SAGA__DONE && slot->step->after[k].again && may_run);

		if (is == SAGA__WAITING)
			fall_due(w, k);
		w->move.cause = saga__events_first(w->world, w->out, &slot->unless[k]);
		if (!armable || w->move.cause == SAGA__NONE)
			continue;
		begin(w);
		withdraw(w, slot->after_cell[k]);
		end(w, SAGA__WITHDREW, (int)slot->step->after[k].event);
	}
}

/* ---- all of them ---- */

static void moves_of(struct walk *w)
{
	const struct saga__world_slot *slot = slot_of(w);
	enum saga__state state = saga__slot_state(w->world, w->from, w->move.slot);
	int said = saga__slot_said(slot, w->from);

	if (slot->step->after_count)
		schedules(w, state);
	w->move.cause = SAGA__NONE;
	if (state == SAGA__TRYING) {
		reject(w, SAGA__ANSWERED_NO);
		take_effect(w, SAGA__ANSWERED_YES);
	}
	if (state == SAGA__UNDOING)
		finish_undo(w, SAGA__ANSWERED_UNDO);
	if (state == SAGA__TRYING || state == SAGA__UNDOING)
		die(w, SAGA__STUCK, said, SAGA__GOT_STUCK);
	if (saga__events_meet(w->world, w->out, &slot->stop_on) &&
		saga__slot_decide(state, SAGA__DONE, SAGA__BAR_TRIGGER) == SAGA__BAR)
		bar(w);
	if (saga__slot_decide(state, SAGA__DONE, SAGA__UNDO_TRIGGER) == SAGA__UNDO &&
		saga__events_meet(w->world, w->out, &slot->undo_on))
		undo(w);
	if (saga__slot_decide(state, SAGA__DONE, SAGA__TRIGGER) == SAGA__RUN)
		trigger(w);
}

void saga__moves(const struct saga__world *world, const uint32_t *cells,
	const struct saga__events *out, saga__take_move *take, void *context)
{
	struct walk w = { .world = world,
		.from = cells,
		.out = out,
		.take = take,
		.context = context,
		.move = { .kind = SAGA__OF_ITSELF } };

	for (unsigned i = 0; i < world->slot_count; i++)
		if (world->slots[i].goes && saga__slot_state(world, cells, i) == SAGA__ABSENT &&
			saga__events_meet(world, out, &world->slots[i].on)) {
			w.move.slot = i;
			trigger(&w);
			return;
		}
	for (w.move.slot = 0; w.move.slot < world->slot_count; w.move.slot++)
		moves_of(&w);
}

void saga__moves_start(const struct saga__world *world, uint32_t *ret_cells)
{
	memset(ret_cells, 0, world->cell_count * sizeof *ret_cells);
	ret_cells[world->dead_cell] = world->dying;
}

/* ---- in words ---- */

static void say_what(const struct saga__move *move, const char *type, char *buffer, size_t size)
{
	static const char *const formats[SAGA__HAPPENINGS] = {
		[SAGA__EMITTED] = "%s",
		[SAGA__REJECTED_IT] = "%s",
		[SAGA__WAITED] = "waits",
		[SAGA__JOINED] = "waits for the others that it joins",
		[SAGA__CALLED] = "asks outside",
		[SAGA__ANSWERED_YES] = "is answered: %s",
		[SAGA__ANSWERED_NO] = "is answered: %s",
		[SAGA__BARRED_IT] = "is barred: %s",
		[SAGA__UNDID] = "is undone: %s",
		[SAGA__CALLED_TO_UNDO] = "asks outside to undo",
		[SAGA__ANSWERED_UNDO] = "is undone: %s",
		[SAGA__FIRED] = "%s is due",
		[SAGA__WITHDREW] = "withdraws %s",
		[SAGA__DIED] = "dies",
		[SAGA__GOT_STUCK] = "gets stuck",
	};
	const char *format = formats[move->what];
	const char *hole = strstr(format, "%s");

	if (!hole)
		saga__say(buffer, size, "%s", format);
	else
		saga__say(buffer, size, "%.*s%s%s", (int)(hole - format), format, type, hole + 2);
}

const char *saga__move_text(
	const struct saga__world *world, const struct saga__move *move, char *buffer, size_t size)
{
	char label[160], what[160];
	const char *type = move->type != SAGA__NONE ? world->all->types[move->type].name
		: move->what == SAGA__BARRED_IT     ? "it says nothing"
						    : "done";

	(void)saga__slot_label(world, move->slot, label, sizeof label);
	say_what(move, type, what, sizeof what);
	if (move->cause != SAGA__NONE) {
		const struct saga__world_event *cause = &world->events[move->cause];
		unsigned subject = world->slots[cause->slot].subject;

		if (subject)
			saga__say(buffer, size, "%s#%u -> %s: %s",
				world->all->types[cause->type].name, subject, label, what);
		else
			saga__say(buffer, size, "%s -> %s: %s", world->all->types[cause->type].name,
				label, what);
	} else {
		saga__say(buffer, size, "%s%s: %s", move->kind == SAGA__ASKED ? "asked: " : "",
			label, what);
	}
	return buffer;
}
