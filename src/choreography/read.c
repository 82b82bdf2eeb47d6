#include "document.h"

#include <stdlib.h>
#include <string.h>

#include "../event/where.h"

enum {
	MODEL_BYTES = 64 * 1024 * 1024
};

bool saga__names_have(const struct saga__names *names, unsigned type)
{
	for (unsigned i = 0; i < names->count; i++)
		if (names->at[i] == type)
			return true;
	return false;
}

void saga__step_says(const struct saga__model_step *step,
	void (*visit)(void *context, unsigned type), void *context)
{
	const struct saga__names *lists[] = { &step->emits, &step->rejects, &step->undone };

	for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
		for (unsigned i = 0; i < lists[k]->count; i++)
			visit(context, lists[k]->at[i]);
	for (unsigned i = 0; i < step->after_count; i++)
		visit(context, step->after[i].event);
}

bool saga__step_may_say(const struct saga__model_step *step, unsigned type)
{
	for (unsigned i = 0; i < step->after_count; i++)
		if (step->after[i].event == type)
			return true;
	return saga__names_have(&step->emits, type) || saga__names_have(&step->rejects, type) ||
		saga__names_have(&step->undone, type);
}

bool saga__step_hears(const struct saga__model_step *step, unsigned type)
{
	for (unsigned i = 0; i < step->after_count; i++)
		if (saga__names_have(&step->after[i].unless, type))
			return true;
	return saga__names_have(&step->on, type) || saga__names_have(&step->undo_on, type) ||
		saga__names_have(&step->bar_on, type);
}

/* ---- what one step says of another, found ---- */

struct finding {
	struct saga__choreography *all;
	struct saga__model_step *step;
	saga_error *error;
};

static int wrong(const struct finding *f, const char *format, const char *word)
{
	saga_error inner;

	(void)saga_error_set(&inner, SAGA_MALFORMED, format, word);
	return saga_error_set(f->error, SAGA_MALFORMED, "%s: step %s: %s",
		f->all->contracts[f->step->contract].file, f->step->own, inner.text);
}

static int find_step(const struct finding *f, const char *name, int *ret_step)
{
	for (unsigned i = 0; i < f->all->step_count; i++) {
		const struct saga__model_step *other = &f->all->steps[i];

		if (other->contract != f->step->contract || strcmp(other->own, name) != 0)
			continue;
		if (other == f->step)
			return wrong(f, "it names itself, %s", name);
		if (other->reads_only)
			return wrong(f, "it names %s, which only reads", name);
		*ret_step = (int)i;
		return SAGA_OK;
	}
	return wrong(f, "it names %s, and there is no such step in its contract", name);
}

/* A step of the saga can't say of which subject it means a step that has one slot for each. */
static int find_guard(const struct finding *f, const char *name, int *ret_step)
{
	int code = find_step(f, name, ret_step);

	if (code == SAGA_OK && f->all->steps[*ret_step].per_subject && !f->step->per_subject)
		return wrong(f, "it names %s, which has subjects, and it has none", name);
	return code;
}

static int find_waits(const struct finding *f)
{
	int code = SAGA_OK;

	for (unsigned i = 0; code == SAGA_OK && i < f->step->wait_count; i++) {
		struct saga__model_wait *wait = &f->step->waits[i];

		wait->held = wait->freed = SAGA__NO_STEP;
		if (!wait->held_name != !wait->freed_name)
			return wrong(f, "waits: `held` and `freed` go together%s", "");
		if (wait->held_name && wait->until.count)
			return wrong(f, "waits: either `until`, or `held` and `freed`%s", "");
		for (unsigned k = 0; k < wait->until.count; k++)
			if (!saga__names_have(&f->step->on, wait->until.at[k]))
				return wrong(f, "waits: %s is not in `on`",
					f->all->types[wait->until.at[k]].name);
		if (!wait->held_name)
			continue;
		code = find_step(f, wait->held_name, &wait->held);
		if (code == SAGA_OK)
			code = find_step(f, wait->freed_name, &wait->freed);
	}
	return code;
}

static int find_named(const struct finding *f)
{
	int code = find_waits(f);

	for (unsigned i = 0; code == SAGA_OK && i < f->step->while_count; i++)
		code = find_guard(f, f->step->while_names[i], &f->step->only_while[i]);
	if (code == SAGA_OK && f->step->covered_name)
		code = find_guard(f, f->step->covered_name, &f->step->covered_by);
	return code;
}

/* ---- what contradicts itself ---- */

static const char *shared(
	const struct finding *f, const struct saga__names *a, const struct saga__names *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (saga__names_have(b, a->at[i]))
			return f->all->types[a->at[i]].name;
	return NULL;
}

static int check_lists(const struct finding *f)
{
	const struct saga__model_step *s = f->step;
	const struct {
		const struct saga__names *a, *b;
		const char *format;
	} apart[] = {
		{ &s->on, &s->undo_on, "%s is in `on` and in `undo_on`" },
		{ &s->on, &s->bar_on, "%s is in `on` and in `bar_on`" },
		{ &s->undo_on, &s->bar_on, "%s is in `undo_on` and in `bar_on`" },
		{ &s->emits, &s->rejects, "%s is in `emits` and in `rejects`" },
		{ &s->undone, &s->emits, "%s is in `undone` and in `emits`" },
		{ &s->undone, &s->rejects, "%s is in `undone` and in `rejects`" },
	};
	const char *name;

	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		if ((name = shared(f, apart[i].a, apart[i].b)))
			return wrong(f, apart[i].format, name);
	for (unsigned i = 0; i < s->after_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (s->after[i].event == s->after[k].event)
				return wrong(f, "after: %s twice",
					f->all->types[s->after[i].event].name);
	return SAGA_OK;
}

static void mark_said(void *context, unsigned type)
{
	((bool *)context)[type] = true;
}

static int check_members(struct finding *f)
{
	struct saga__model_step *s = f->step;

	for (unsigned i = 0; i < s->on.count; i++)
		s->request |= f->all->types[s->on.at[i]].request;
	if (s->stranger)
		return SAGA_OK;
	if (!s->on.count)
		return wrong(f, "it is `on` nothing%s", "");
	if (s->request && s->on.count > 1)
		return wrong(f, "a request must be alone in `on`%s", "");
	if (s->joins && s->on.count < 2)
		return wrong(f, "join: all joins two events or more%s", "");
	if (!s->undo_on.count != !s->undone.count)
		return wrong(f, "`undo_on` and `undone` go together%s", "");
	if (s->owed && !s->request)
		return wrong(f, "owed: it is on no request%s", "");
	if (s->wait_count && s->request)
		return wrong(f, "waits: a request is answered, it can't wait%s", "");
	if (s->reads_only && !s->request)
		return wrong(f, "reads_only: it is on no request%s", "");
	return check_lists(f);
}

static int check_covers(const struct finding *f)
{
	const struct saga__model_step *s = f->step;

	for (unsigned hops = 0; s->covered_by != SAGA__NO_STEP; hops++) {
		if (hops > f->all->step_count)
			return wrong(f, "covered_by: goes in a circle through %s", s->own);
		s = &f->all->steps[s->covered_by];
	}
	return SAGA_OK;
}

static int check_said(struct saga__choreography *all, saga_error *error)
{
	bool *said = saga__arena_calloc(&all->arena, all->type_count + 1, sizeof *said);

	if (!said)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	for (unsigned i = 0; i < all->step_count; i++)
		saga__step_says(&all->steps[i], mark_said, said);
	for (unsigned i = 0; i < all->type_count; i++) {
		const struct saga__model_type *type = &all->types[i];

		if (said[i] && type->request)
			return saga_error_set(error, SAGA_MALFORMED,
				"%s: a step says it, and it is a request", type->name);
		if (!said[i] && type->end)
			return saga_error_set(error, SAGA_MALFORMED,
				"%s: ends: %s: no step says it", all->contracts[type->end_of].file,
				type->name);
		if (!said[i] && type->unheard)
			return saga_error_set(
				error, SAGA_MALFORMED, "unheard: %s: no step says it", type->name);
	}
	return SAGA_OK;
}

static int check_apart(const struct saga__choreography *all, saga_error *error)
{
	for (unsigned i = 0; i < all->contract_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (strcmp(all->contracts[i].participant, all->contracts[k].participant) ==
				0)
				return saga_error_set(error, SAGA_MALFORMED,
					"%s: participant %s: %s is of the same one",
					all->contracts[i].file, all->contracts[i].participant,
					all->contracts[k].file);
	for (unsigned i = 0; i < all->step_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (all->steps[i].request && !all->steps[i].stranger &&
				all->steps[k].request && !all->steps[k].stranger &&
				all->steps[i].on.at[0] == all->steps[k].on.at[0])
				return saga_error_set(error, SAGA_MALFORMED,
					"%s: step %s: %s is on the same request",
					all->contracts[all->steps[i].contract].file,
					all->steps[i].own, all->steps[k].name);
	return SAGA_OK;
}

/* Steps that only read have no slot: nothing of the saga hangs on them. */
static int find_all(struct saga__choreography *all, saga_error *error)
{
	struct finding f = { all, NULL, error };
	int code = SAGA_OK;

	for (f.step = all->steps; code == SAGA_OK && f.step < all->steps + all->step_count;
		f.step++)
		code = check_members(&f);
	for (f.step = all->steps; code == SAGA_OK && f.step < all->steps + all->step_count;
		f.step++)
		code = find_named(&f);
	for (f.step = all->steps; code == SAGA_OK && f.step < all->steps + all->step_count;
		f.step++)
		code = check_covers(&f);
	if (code == SAGA_OK)
		code = check_said(all, error);
	return code == SAGA_OK ? check_apart(all, error) : code;
}

static int *moved(int *at, const int *to)
{
	if (*at != SAGA__NO_STEP)
		*at = to[*at];
	return at;
}

static int drop_readers(struct saga__choreography *all, saga_error *error)
{
	int *to = saga__arena_calloc(&all->arena, all->step_count + 1, sizeof *to);
	unsigned left = 0;

	if (!to)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	for (unsigned i = 0; i < all->step_count; i++) {
		to[i] = (int)left;
		if (!all->steps[i].reads_only)
			all->steps[left++] = all->steps[i];
	}
	all->step_count = left;
	for (unsigned i = 0; i < left; i++) {
		struct saga__model_step *step = &all->steps[i];

		(void)moved(&step->covered_by, to);
		for (unsigned k = 0; k < step->while_count; k++)
			(void)moved(&step->only_while[k], to);
		for (unsigned k = 0; k < step->wait_count; k++) {
			(void)moved(&step->waits[k].held, to);
			(void)moved(&step->waits[k].freed, to);
		}
	}
	return SAGA_OK;
}

int saga__choreography_read(const saga_contract *contracts, size_t count,
	struct saga__choreography **ret_choreography, saga_error *error)
{
	struct saga__choreography *all;
	int code = SAGA_OK;

	if (!count)
		return saga_error_set(error, SAGA_MISUSE, "no contract");
	if (!(all = calloc(1, sizeof *all)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	saga__arena_init(&all->arena, MODEL_BYTES);
	all->contracts = saga__arena_calloc(&all->arena, count + 1, sizeof *all->contracts);
	all->steps = saga__arena_calloc(&all->arena, SAGA__MODEL_STEPS, sizeof *all->steps);
	all->types = saga__arena_calloc(&all->arena, SAGA__MODEL_TYPES, sizeof *all->types);
	if (!all->contracts || !all->steps || !all->types)
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	for (size_t i = 0; code == SAGA_OK && i < count; i++) {
		all->contracts[i].file = contracts[i].name;
		code = saga__document_read(all, (unsigned)i, contracts[i].json, error);
		if (code != SAGA_OK)
			(void)saga__error_within(error, code, "%s: ", contracts[i].name);
		all->contract_count++;
	}
	if (code == SAGA_OK)
		code = find_all(all, error);
	if (code == SAGA_OK)
		code = drop_readers(all, error);
	if (code != SAGA_OK) {
		saga__choreography_free(all);
		return code;
	}
	*ret_choreography = all;
	return SAGA_OK;
}

void saga__choreography_free(struct saga__choreography *choreography)
{
	if (!choreography)
		return;
	saga__arena_free(&choreography->arena);
	free(choreography);
}
