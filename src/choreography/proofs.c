#include "proofs.h"

#include <string.h>

#include "../event/utf8.h"

struct pair {
	unsigned under; /* the slot that the other one rests on */
	unsigned over;
};

/* A request that somebody owes, and the types that may come of it. */
struct debt {
	unsigned step;
	bool *types;
};

/* The saga, or one subject of steps that have an end of their own. */
struct scope {
	unsigned group; /* 0: the saga */
	unsigned subject;
	unsigned slot_count;
	unsigned *slots;
	unsigned end_count;
	unsigned *ends; /* events */
};

struct saga__proofs {
	const struct saga__choreography *all;
	const struct saga__world *world;
	struct pair *pairs;
	unsigned pair_count;
	struct pair *pivots;
	unsigned pivot_count;
	struct debt *debts;
	unsigned debt_count;
	struct scope *scopes;
	unsigned scope_count;
};

enum {
	LABEL = 160
};

/* ---- making them ---- */

static bool make_pairs(struct saga__proofs *p, struct saga__choreography *all)
{
	const struct saga__world *world = p->world;
	size_t most = (size_t)world->slot_count * all->step_count + 1;

	p->pairs = saga__arena_calloc(&all->arena, most, sizeof *p->pairs);
	p->pivots = saga__arena_calloc(&all->arena, most, sizeof *p->pivots);
	if (!p->pairs || !p->pivots)
		return false;
	for (unsigned i = 0; i < world->slot_count; i++)
		for (unsigned k = 0; k < all->step_count; k++) {
			const struct saga__world_slot *slot = &world->slots[i];
			int under = saga__world_slot(world, k, slot->subject);

			if (!saga__rests_on(all, slot->at_step, k) || under == SAGA__NONE)
				continue;
			if (slot->step->pivot)
				p->pivots[p->pivot_count++] = (struct pair){ (unsigned)under, i };
			if (!slot->step->neutral && !all->steps[k].undo_early &&
				!saga__step_is_covered(all, slot->at_step, k))
				p->pairs[p->pair_count++] = (struct pair){ (unsigned)under, i };
		}
	return true;
}

static void mark(void *context, unsigned type)
{
	((bool *)context)[type] = true;
}

/* The types that a step says, those that its hearers say, and so on. */
static void follow(const struct saga__choreography *all, bool *types)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned i = 0; i < all->step_count; i++)
			for (unsigned t = 0; t < all->type_count; t++) {
				if (types[t] || !saga__step_may_say(&all->steps[i], t))
					continue;
				for (unsigned h = 0; h < all->type_count && !types[t]; h++)
					types[t] = types[h] && saga__step_hears(&all->steps[i], h);
				more |= types[t];
			}
	}
}

static bool make_debts(struct saga__proofs *p, struct saga__choreography *all)
{
	p->debts = saga__arena_calloc(&all->arena, all->step_count + 1, sizeof *p->debts);
	for (unsigned i = 0; p->debts && i < all->step_count; i++) {
		struct debt *debt = &p->debts[p->debt_count];

		if (!all->steps[i].owed || !all->steps[i].request)
			continue;
		debt->step = i;
		debt->types = saga__arena_calloc(&all->arena, all->type_count + 1, sizeof(bool));
		if (!debt->types)
			return false;
		saga__step_says(&all->steps[i], mark, debt->types);
		follow(all, debt->types);
		p->debt_count++;
	}
	return p->debts != NULL;
}

static struct scope *scope_of(
	struct saga__proofs *p, struct saga__choreography *all, const struct saga__world_slot *slot)
{
	unsigned group = slot->step->scoped ? slot->group : 0;
	struct scope *scope;

	for (unsigned i = 0; i < p->scope_count; i++)
		if (p->scopes[i].group == group)
			return &p->scopes[i];
	scope = &p->scopes[p->scope_count];
	scope->group = group;
	scope->subject = group ? slot->subject : 0;
	scope->slots =
		saga__arena_calloc(&all->arena, p->world->slot_count + 1, sizeof *scope->slots);
	scope->ends =
		saga__arena_calloc(&all->arena, p->world->event_count + 1, sizeof *scope->ends);
	if (!scope->slots || !scope->ends)
		return NULL;
	p->scope_count++;
	return scope;
}

static bool make_scopes(struct saga__proofs *p, struct saga__choreography *all)
{
	const struct saga__world *world = p->world;

	p->scopes = saga__arena_calloc(&all->arena, world->slot_count + 1, sizeof *p->scopes);
	for (unsigned i = 0; p->scopes && i < world->slot_count; i++) {
		struct scope *scope = scope_of(p, all, &world->slots[i]);

		if (!scope)
			return false;
		scope->slots[scope->slot_count++] = i;
	}
	for (unsigned b = 0; p->scopes && b < world->event_count; b++) {
		struct scope *scope;

		if (!all->types[world->events[b].type].end)
			continue;
		scope = scope_of(p, all, &world->slots[world->events[b].slot]);
		scope->ends[scope->end_count++] = b;
	}
	return p->scopes != NULL;
}

struct saga__proofs *saga__proofs_make(
	struct saga__choreography *all, const struct saga__world *world)
{
	struct saga__proofs *p = saga__arena_calloc(&all->arena, 1, sizeof *p);

	if (!p)
		return NULL;
	p->all = all;
	p->world = world;
	return make_pairs(p, all) && make_debts(p, all) && make_scopes(p, all) ? p : NULL;
}

/* ---- words ---- */

static const char *label(const struct saga__proofs *p, unsigned slot, char buffer[LABEL])
{
	return saga__slot_label(p->world, slot, buffer, LABEL);
}

static const char *of_subject(unsigned subject, char buffer[LABEL])
{
	if (subject)
		saga__say(buffer, LABEL, " of #%u", subject);
	else
		*buffer = '\0';
	return buffer;
}

/* The types of a scope's ends that are out, each once, by name. */
static unsigned ends_out(const struct saga__proofs *p, const struct scope *scope,
	const struct saga__events *out, const char **names, unsigned most)
{
	unsigned count = 0;

	for (unsigned i = 0; i < scope->end_count; i++) {
		const char *name = p->all->types[p->world->events[scope->ends[i]].type].name;
		unsigned at = 0;

		if (!saga__events_have(out, scope->ends[i]) || count == most)
			continue;
		while (at < count && strcmp(names[at], name) < 0)
			at++;
		if (at < count && strcmp(names[at], name) == 0)
			continue;
		memmove(names + at + 1, names + at, (count - at) * sizeof *names);
		names[at] = name;
		count++;
	}
	return count;
}

enum {
	ENDS_MOST = 8
};

static void join_names(
	const char *const *names, unsigned count, const char *between, char *buffer, size_t size)
{
	*buffer = '\0';
	for (unsigned i = 0; i < count; i++) {
		size_t length = strlen(buffer);

		saga__say(buffer + length, size - length, "%s%s", i ? between : "", names[i]);
	}
}

void saga__proofs_ends(
	const struct saga__proofs *p, const struct saga__events *out, char *buffer, size_t size)
{
	const char *names[ENDS_MOST + 1];
	unsigned count = 0;

	for (unsigned i = 0; i < p->scope_count; i++)
		if (!p->scopes[i].group)
			count = ends_out(p, &p->scopes[i], out, names, ENDS_MOST);
	join_names(names, count, " ", buffer, size);
	if (!count)
		saga__say(buffer, size, "-");
}

/* ---- always ---- */

static bool is_done(const struct saga__proofs *p, const uint32_t *cells, unsigned slot)
{
	return saga__slot_state(p->world, cells, slot) == SAGA__DONE;
}

static bool goes_back(const struct saga__proofs *p, const uint32_t *cells, unsigned slot)
{
	enum saga__state state = saga__slot_state(p->world, cells, slot);

	return state == SAGA__UNDOING || state == SAGA__UNDONE;
}

void saga__proofs_always(const struct saga__proofs *p, const uint32_t *cells,
	const struct saga__events *out, uint32_t state, struct saga__findings *findings)
{
	char under[LABEL], over[LABEL];

	for (unsigned i = 0; i < p->pivot_count; i++)
		if (is_done(p, cells, p->pivots[i].over) && goes_back(p, cells, p->pivots[i].under))
			saga__findings_add(findings, SAGA_FINDING_BREACH, state,
				"%s is undone after the pivot %s",
				label(p, p->pivots[i].under, under),
				label(p, p->pivots[i].over, over));
	for (unsigned i = 0; i < p->pair_count; i++)
		if (is_done(p, cells, p->pairs[i].over) && goes_back(p, cells, p->pairs[i].under))
			saga__findings_add(findings, SAGA_FINDING_BREACH, state,
				"%s is undone while %s still holds",
				label(p, p->pairs[i].under, under),
				label(p, p->pairs[i].over, over));
	for (unsigned i = 0; i < p->scope_count; i++) {
		const char *names[ENDS_MOST + 1];
		unsigned count = ends_out(p, &p->scopes[i], out, names, ENDS_MOST);
		char text[LABEL * 2];

		if (count < 2)
			continue;
		join_names(names, count, " and ", text, sizeof text);
		saga__findings_add(findings, SAGA_FINDING_BREACH, state, "two ends: %s%s", text,
			of_subject(p->scopes[i].subject, over));
	}
}

/* ---- at rest ---- */

/* Whether a request that is owed may still come and take effect. */
static bool may_come(const struct saga__proofs *p, const uint32_t *cells,
	const struct saga__events *out, unsigned step)
{
	const struct saga__model_step *s = &p->all->steps[step];

	for (unsigned i = 0; i < p->world->slot_count; i++) {
		const struct saga__world_slot *slot = &p->world->slots[i];

		if (slot->at_step != step || !saga__guards_hold(p->world, cells, i))
			continue;
		if (s->stranger && s->on.count && !saga__events_meet(p->world, out, &slot->on))
			continue;
		if (s->per_subject || saga__slot_state(p->world, cells, i) == SAGA__ABSENT)
			return true;
	}
	return false;
}

static bool has_seen(const struct saga__proofs *p, const struct saga__events *seen, unsigned type)
{
	for (unsigned b = 0; b < p->world->event_count; b++)
		if (p->world->events[b].type == type && saga__events_have(seen, b))
			return true;
	return false;
}

static bool waits_for(const struct saga__proofs *p, const struct saga__model_step *s,
	const struct saga__events *seen, const bool *types)
{
	for (unsigned k = 0; s->joins && k < s->on.count; k++)
		if (types[s->on.at[k]] && !has_seen(p, seen, s->on.at[k]))
			return true;
	for (unsigned i = 0; !s->joins && i < s->wait_count; i++) {
		const struct saga__names *until = &s->waits[i].until;
		bool open = true, caused = false;

		for (unsigned k = 0; k < until->count; k++) {
			open &= !has_seen(p, seen, until->at[k]);
			caused |= types[until->at[k]];
		}
		if (open && caused)
			return true;
	}
	return false;
}

/* A request that is owed, and for which that slot may wait; NULL: none. */
static const char *owed_to(const struct saga__proofs *p, const uint32_t *cells,
	const struct saga__events *out, unsigned slot)
{
	struct saga__events seen;

	saga__slot_seen(p->world, cells, slot, &seen);
	for (unsigned i = 0; i < p->debt_count; i++)
		if (waits_for(p, p->world->slots[slot].step, &seen, p->debts[i].types) &&
			may_come(p, cells, out, p->debts[i].step))
			return p->all->steps[p->debts[i].step].name;
	return NULL;
}

static bool needs_operator(const struct saga__proofs *p, const uint32_t *cells, uint32_t state,
	struct saga__findings *findings)
{
	char text[LABEL * 3] = "", one[LABEL];

	for (unsigned i = 0; i < p->world->slot_count; i++) {
		enum saga__state is = saga__slot_state(p->world, cells, i);
		size_t length = strlen(text);

		if (is == SAGA__DEAD || is == SAGA__STUCK)
			saga__say(text + length, sizeof text - length, "%s%s %s",
				length ? ", " : "", label(p, i, one), saga__state_name(is));
	}
	if (*text)
		saga__findings_add(findings, SAGA_FINDING_OPERATOR, state, "%s", text);
	return *text != '\0';
}

static bool is_taken_back(const struct saga__proofs *p, const uint32_t *cells, unsigned slot)
{
	const struct saga__world_slot *of = &p->world->slots[slot];
	int at = of->step->covered_by;

	if (!is_done(p, cells, slot) || of->step->neutral)
		return true;
	for (; at != SAGA__NO_STEP; at = p->all->steps[at].covered_by) {
		int cover = saga__world_slot(p->world, (unsigned)at, of->subject);

		if (cover != SAGA__NONE &&
			saga__slot_state(p->world, cells, (unsigned)cover) == SAGA__UNDONE)
			return true;
	}
	return false;
}

struct resting {
	const struct saga__proofs *p;
	const uint32_t *cells;
	const struct saga__events *out;
	uint32_t state;
	struct saga__findings *findings;
};

static void at_undone_end(const struct resting *r, const char *name, const char *tag, unsigned slot)
{
	char text[LABEL];

	if (!is_taken_back(r->p, r->cells, slot))
		saga__findings_add(r->findings, SAGA_FINDING_BREACH, r->state,
			"%s keeps its effect though %s%s is out", label(r->p, slot, text), name,
			tag);
}

static void at_done_end(const struct resting *r, unsigned end, const char *name, const char *tag)
{
	const struct saga__world *world = r->p->world;
	const struct saga__world_slot *by = &world->slots[world->events[end].slot];
	char text[LABEL];

	for (unsigned k = 0; k < r->p->all->step_count; k++) {
		int slot = k == by->at_step || saga__rests_on(r->p->all, by->at_step, k)
			? saga__world_slot(world, k, by->subject)
			: SAGA__NONE;

		if (slot != SAGA__NONE &&
			saga__slot_state(world, r->cells, (unsigned)slot) == SAGA__UNDONE)
			saga__findings_add(r->findings, SAGA_FINDING_BREACH, r->state,
				"%s%s is out, and %s, which it rests on, is undone", name, tag,
				label(r->p, (unsigned)slot, text));
	}
}

static void at_end(const struct resting *r, const struct scope *scope, unsigned end)
{
	const struct saga__model_type *type = &r->p->all->types[r->p->world->events[end].type];
	char tag[LABEL];

	(void)of_subject(scope->subject, tag);
	if (type->end == SAGA_END_DONE) {
		at_done_end(r, end, type->name, tag);
		return;
	}
	for (unsigned i = 0; scope->group && i < scope->slot_count; i++)
		at_undone_end(r, type->name, tag, scope->slots[i]);
	for (unsigned i = 0; !scope->group && i < r->p->world->slot_count; i++)
		at_undone_end(r, type->name, tag, i);
}

/* Whether an end of that scope may come of a request: other events end no wait for one. */
static bool may_end(const struct saga__proofs *p, const struct scope *scope, const bool *types)
{
	for (unsigned i = 0; i < scope->end_count; i++)
		if (types[p->world->events[scope->ends[i]].type])
			return true;
	return false;
}

/* A request that is owed, and that may still end the scope; NULL: none. */
static const char *pending(const struct resting *r, const struct scope *scope)
{
	for (unsigned i = 0; i < r->p->debt_count; i++)
		if (may_end(r->p, scope, r->p->debts[i].types) &&
			may_come(r->p, r->cells, r->out, r->p->debts[i].step))
			return r->p->all->steps[r->p->debts[i].step].name;
	return NULL;
}

static void without_end(const struct resting *r, const struct scope *scope)
{
	char text[LABEL * 3] = "", one[LABEL], tag[LABEL];
	const char *owed;

	for (unsigned i = 0; i < scope->slot_count; i++) {
		enum saga__state is = saga__slot_state(r->p->world, r->cells, scope->slots[i]);
		size_t length = strlen(text);

		if ((is != SAGA__DONE && is != SAGA__UNDONE) ||
			r->p->world->slots[scope->slots[i]].step->neutral)
			continue;
		saga__say(text + length, sizeof text - length, "%s%s %s", length ? ", " : "",
			label(r->p, scope->slots[i], one), saga__state_name(is));
	}
	if (!*text)
		return;
	(void)of_subject(scope->subject, tag);
	if ((owed = pending(r, scope)))
		saga__findings_add(r->findings, SAGA_FINDING_OPEN, r->state,
			"no end yet%s: waits for %s", tag, owed);
	else
		saga__findings_add(r->findings, SAGA_FINDING_BREACH, r->state,
			"the saga rests without an end%s: %s", tag, text);
}

static void look_at_waiting(const struct resting *r)
{
	char text[LABEL];

	for (unsigned i = 0; i < r->p->world->slot_count; i++) {
		const char *owed;

		if (saga__slot_state(r->p->world, r->cells, i) != SAGA__WAITING)
			continue;
		owed = owed_to(r->p, r->cells, r->out, i);
		if (owed)
			saga__findings_add(r->findings, SAGA_FINDING_OPEN, r->state,
				"%s waits for %s", label(r->p, i, text), owed);
		else
			saga__findings_add(r->findings, SAGA_FINDING_BREACH, r->state,
				"%s waits for ever", label(r->p, i, text));
	}
}

void saga__proofs_at_rest(const struct saga__proofs *p, const uint32_t *cells,
	const struct saga__events *out, uint32_t state, struct saga__findings *findings)
{
	struct resting r = { p, cells, out, state, findings };

	if (needs_operator(p, cells, state, findings))
		return;
	look_at_waiting(&r);
	for (unsigned i = 0; i < p->scope_count; i++) {
		bool ended = false;

		for (unsigned k = 0; k < p->scopes[i].end_count; k++)
			if (saga__events_have(out, p->scopes[i].ends[k])) {
				ended = true;
				at_end(&r, &p->scopes[i], p->scopes[i].ends[k]);
			}
		if (!ended)
			without_end(&r, &p->scopes[i]);
	}
}
