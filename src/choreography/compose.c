#include "model.h"

#include <assert.h>
#include <string.h>

/*
 * Parts, scopes, and what rests on what. Y rests on X if Y can't take effect unless X does: the
 * dominators of a graph of events in which a step needs any (a join: all) of its triggers.
 */

/* ---- parts ---- */

static unsigned root_of(const unsigned *root, unsigned step)
{
	while (root[step] != step)
		step = root[step];
	return step;
}

static bool hears_other(const struct saga__model_step *says, const struct saga__model_step *hears,
	const struct saga__choreography *all)
{
	for (unsigned t = 0; t < all->type_count; t++)
		if (saga__step_may_say(says, t) && saga__step_hears(hears, t))
			return true;
	return false;
}

static void join_parts(struct saga__choreography *all, unsigned *root)
{
	for (unsigned i = 0; i < all->step_count; i++)
		root[i] = i;
	for (unsigned i = 0; i < all->step_count; i++)
		for (unsigned k = 0; k < all->step_count; k++)
			if (i != k && all->steps[i].per_subject && all->steps[k].per_subject &&
				hears_other(&all->steps[i], &all->steps[k], all))
				root[root_of(root, k)] = root_of(root, i);
}

static void number_parts(struct saga__choreography *all, const unsigned *root)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (all->steps[i].per_subject && root[i] == i)
			all->steps[i].part = ++all->part_count;
	for (unsigned i = 0; i < all->step_count; i++)
		if (all->steps[i].per_subject)
			all->steps[i].part = all->steps[root_of(root, i)].part;
}

static bool has_end(const struct saga__choreography *all, unsigned part)
{
	for (unsigned i = 0; i < all->step_count; i++)
		for (unsigned t = 0; all->steps[i].part == part && t < all->type_count; t++)
			if (all->types[t].end && saga__step_may_say(&all->steps[i], t))
				return true;
	return false;
}

static int find_parts(struct saga__choreography *all)
{
	unsigned *root = saga__arena_calloc(&all->arena, all->step_count + 1, sizeof *root);

	if (!root)
		return SAGA_NOMEM;
	join_parts(all, root);
	number_parts(all, root);
	for (unsigned i = 0; i < all->step_count; i++)
		all->steps[i].scoped = all->steps[i].part && has_end(all, all->steps[i].part);
	return SAGA_OK;
}

/* ---- what rests on what ---- */

/* Sets of steps: a step's effect rests on `took`, itself in it; its trigger on `came`. */
struct resting {
	const struct saga__choreography *all;
	uint64_t *event; /* of each type */
	uint64_t *came;
	uint64_t *took;
	uint64_t *set; /* scratch, three of them */
	bool *is_said;
	bool changed;
};

static uint64_t *of(const struct resting *r, uint64_t *sets, size_t at)
{
	return sets + at * r->all->words;
}

static void fill(const struct resting *r, uint64_t *set, uint64_t with)
{
	for (unsigned w = 0; w < r->all->words; w++)
		set[w] = with;
}

static void meet(const struct resting *r, uint64_t *set, const uint64_t *other)
{
	for (unsigned w = 0; w < r->all->words; w++)
		set[w] &= other[w];
}

static void unite(const struct resting *r, uint64_t *set, const uint64_t *other)
{
	for (unsigned w = 0; w < r->all->words; w++)
		set[w] |= other[w];
}

static void become(struct resting *r, uint64_t *set, const uint64_t *value)
{
	size_t size = r->all->words * sizeof *set;

	r->changed |= memcmp(set, value, size) != 0;
	memcpy(set, value, size);
}

/* Any of those types, or all of them, rest on that; a type that no step says, on nothing. */
static void of_types(struct resting *r, const struct saga__names *types, bool every, uint64_t *to)
{
	fill(r, to, types->count && !every ? UINT64_MAX : 0);
	for (unsigned i = 0; i < types->count; i++) {
		const uint64_t *event = of(r, r->event, types->at[i]);

		if (every && r->is_said[types->at[i]])
			unite(r, to, event);
		else if (!every && r->is_said[types->at[i]])
			meet(r, to, event);
		else if (!every)
			fill(r, to, 0);
	}
}

/* A rejection comes of a run that rejects, or of what bars the step. */
static void of_rejection(struct resting *r, unsigned step, uint64_t *to)
{
	const struct saga__model_step *s = &r->all->steps[step];

	memcpy(to, of(r, r->came, step), r->all->words * sizeof *to);
	for (unsigned k = 0; k < 2; k++) {
		const struct saga__names *stops = k ? &s->bar_on : &s->undo_on;

		for (unsigned i = 0; i < stops->count; i++) {
			if (r->is_said[stops->at[i]])
				meet(r, to, of(r, r->event, stops->at[i]));
			else
				fill(r, to, 0);
		}
	}
}

static void find_event(struct resting *r, unsigned type)
{
	uint64_t *event = of(r, r->set, 0), *rejection = of(r, r->set, 1);

	fill(r, event, UINT64_MAX);
	for (unsigned i = 0; i < r->all->step_count; i++) {
		const struct saga__model_step *s = &r->all->steps[i];

		if (saga__names_have(&s->emits, type) || saga__names_have(&s->undone, type))
			meet(r, event, of(r, r->took, i));
		if (saga__names_have(&s->rejects, type)) {
			of_rejection(r, i, rejection);
			meet(r, event, rejection);
		}
		for (unsigned k = 0; k < s->after_count; k++)
			if (s->after[k].event == type)
				meet(r, event, of(r, s->wait_count ? r->came : r->took, i));
	}
	become(r, of(r, r->event, type), event);
}

static void find_step(struct resting *r, unsigned step)
{
	const struct saga__model_step *s = &r->all->steps[step];
	uint64_t *came = of(r, r->set, 0), *took = of(r, r->set, 1), *until = of(r, r->set, 2);

	of_types(r, &s->on, s->joins, came);
	memcpy(took, came, r->all->words * sizeof *took);
	took[step / 64] |= UINT64_C(1) << (step % 64);
	for (unsigned i = 0; i < s->wait_count; i++) {
		if (!s->waits[i].until.count || s->waits[i].maybe)
			continue;
		of_types(r, &s->waits[i].until, false, until);
		unite(r, took, until);
	}
	become(r, of(r, r->came, step), came);
	become(r, of(r, r->took, step), took);
}

/* A subject's step can't be what the saga's own rest on: which subject's? */
static void keep_what_counts(struct saga__choreography *all)
{
	for (unsigned i = 0; i < all->step_count; i++)
		for (unsigned k = 0; k < all->words * 64; k++) {
			const struct saga__model_step *on =
				&all->steps[k < all->step_count ? k : i];

			if (k == i || k >= all->step_count ||
				(on->per_subject && on->part != all->steps[i].part))
				all->rests_on[i * all->words + k / 64] &=
					~(UINT64_C(1) << (k % 64));
		}
}

static void mark(void *context, unsigned type)
{
	((bool *)context)[type] = true;
}

static int find_rests_on(struct saga__choreography *all)
{
	size_t size = all->words * sizeof(uint64_t);
	struct resting r = { .all = all, .changed = true };

	r.event = saga__arena_calloc(&all->arena, all->type_count + 1, size);
	r.came = saga__arena_calloc(&all->arena, all->step_count + 1, size);
	r.took = saga__arena_calloc(&all->arena, all->step_count + 1, size);
	r.set = saga__arena_calloc(&all->arena, 3, size);
	r.is_said = saga__arena_calloc(&all->arena, all->type_count + 1, sizeof *r.is_said);
	if (!r.event || !r.came || !r.took || !r.set || !r.is_said)
		return SAGA_NOMEM;
	memset(r.event, 0xff, all->type_count * size);
	memset(r.came, 0xff, all->step_count * size);
	memset(r.took, 0xff, all->step_count * size);
	for (unsigned i = 0; i < all->step_count; i++)
		saga__step_says(&all->steps[i], mark, r.is_said);
	while (r.changed) {
		r.changed = false;
		for (unsigned t = 0; t < all->type_count; t++)
			if (r.is_said[t])
				find_event(&r, t);
		for (unsigned i = 0; i < all->step_count; i++)
			find_step(&r, i);
	}
	all->rests_on = r.took;
	keep_what_counts(all);
	return SAGA_OK;
}

bool saga__step_is_covered(
	const struct saga__choreography *choreography, unsigned step, unsigned cover)
{
	int at = choreography->steps[step].covered_by;

	for (; at != SAGA__NO_STEP; at = choreography->steps[at].covered_by)
		if ((unsigned)at == cover)
			return true;
	return false;
}

int saga__choreography_compose(struct saga__choreography *choreography, saga_error *error)
{
	choreography->words = choreography->step_count / 64 + 1;
	if (find_parts(choreography) != SAGA_OK || find_rests_on(choreography) != SAGA_OK)
		return saga_error_set(error, SAGA_NOMEM, "the contracts are too large");
	return SAGA_OK;
}
