#include "plan.h"

#include "../event/schema.h"

#include <stdlib.h>
#include <string.h>

size_t saga__types_count(const saga_type *const list[SAGA_EVENTS])
{
	size_t count = 0;

	while (count < SAGA_EVENTS && list[count])
		count++;
	return count;
}

bool saga__types_have(const saga_type *const list[SAGA_EVENTS], const saga_type *type)
{
	for (size_t i = 0; i < SAGA_EVENTS && list[i]; i++)
		if (saga__type_is(list[i], type))
			return true;
	return false;
}

static bool share(const saga_type *const a[SAGA_EVENTS], const saga_type *const b[SAGA_EVENTS])
{
	for (size_t i = 0; i < SAGA_EVENTS && a[i]; i++)
		if (saga__types_have(b, a[i]))
			return true;
	return false;
}

static int broken(const saga_step_def *step, saga_error *error, const char *rule)
{
	return saga_error_set(error, SAGA_MISUSE, "step %s: %s", step->name, rule);
}

static int check_name(const char *name, saga_error *error)
{
	size_t length = name ? strlen(name) : 0;

	if (!length)
		return saga_error_set(error, SAGA_MISUSE, "a step without a name");
	if (length > SAGA__STEP_NAME_MOST)
		return saga_error_set(error, SAGA_MISUSE,
			"step %.40s: its name is longer than %d bytes", name, SAGA__STEP_NAME_MOST);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		length)
		return saga_error_set(error, SAGA_MISUSE,
			"step %s: its name has a character that is none of A-Z a-z 0-9 . _ -",
			name);
	return SAGA_OK;
}

static int check_list(const saga_step_def *step, const saga_type *const list[SAGA_EVENTS],
	const char *what, bool requests, saga_error *error)
{
	for (size_t i = 0; i < SAGA_EVENTS && list[i]; i++) {
		saga_error inner;

		if (saga__type_check(list[i], &inner) != SAGA_OK)
			return saga_error_set(error, SAGA_MISUSE, "step %s: %s: %.180s", step->name,
				what, inner.text);
		if (list[i]->request && !requests)
			return saga_error_set(error, SAGA_MISUSE,
				"step %s: %s: %s is a request; only `on` takes one", step->name,
				what, list[i]->name);
		for (size_t j = 0; j < i; j++)
			if (saga__type_is(list[i], list[j]))
				return saga_error_set(error, SAGA_MISUSE, "step %s: %s: %s twice",
					step->name, what, list[i]->name);
	}
	return SAGA_OK;
}

static int check_lists(const saga_step_def *step, saga_error *error)
{
	const struct {
		const saga_type *const *list;
		const char *what;
		bool requests;
	} lists[] = {
		{ step->on, "on", true },
		{ step->emits, "emits", false },
		{ step->rejects, "rejects", false },
		{ step->undo_on, "undo_on", false },
		{ step->undone, "undone", false },
		{ step->bar_on, "bar_on", false },
	};
	int code;

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		if ((code = check_list(step, lists[i].list, lists[i].what, lists[i].requests,
			     error)) != SAGA_OK)
			return code;
	return SAGA_OK;
}

static int check_on(const saga_step_def *step, saga_error *error)
{
	size_t on = saga__types_count(step->on);

	if (!on)
		return broken(step, error, "it is `on` nothing");
	if (!step->run)
		return broken(step, error, "no `run`");
	for (size_t i = 0; i < on; i++)
		if (step->on[i]->request && on > 1)
			return broken(step, error, "a request must be alone in `on`");
	if (step->join != SAGA_ANY && step->join != SAGA_ALL)
		return broken(step, error, "`join` is neither SAGA_ANY nor SAGA_ALL");
	if (step->join == SAGA_ALL && on < 2)
		return broken(step, error, "SAGA_ALL joins two events or more");
	if (share(step->on, step->undo_on))
		return broken(step, error, "an event is both in `on` and in `undo_on`");
	if (share(step->on, step->bar_on))
		return broken(step, error, "an event is both in `on` and in `bar_on`");
	if (share(step->undo_on, step->bar_on))
		return broken(step, error, "an event is both in `undo_on` and in `bar_on`");
	return SAGA_OK;
}

static int check_undo(const saga_step_def *step, saga_error *error)
{
	if (step->pivot && (step->undo || step->undo_on[0] || step->undone[0]))
		return broken(step, error, "a pivot has no undo");
	if (step->undo && !step->undo_on[0])
		return broken(step, error, "an `undo` without `undo_on`");
	if (step->undo_on[0] && !step->undo)
		return broken(step, error, "`undo_on` without `undo`");
	if (step->undo && !step->undone[0])
		return broken(step, error, "an `undo` without `undone`");
	if (step->undone[0] && !step->undo)
		return broken(step, error, "`undone` without `undo`");
	return SAGA_OK;
}

static int check_outcomes(const saga_step_def *step, saga_error *error)
{
	size_t rejects = saga__types_count(step->rejects);

	if (share(step->emits, step->rejects))
		return broken(step, error, "an event is both in `emits` and in `rejects`");
	if (share(step->undone, step->emits) || share(step->undone, step->rejects))
		return broken(step, error, "an event of `undone` is also in `emits` or `rejects`");
	if (step->refuse && !rejects)
		return broken(step, error, "`refuse` without `rejects`");
	if (step->reads_only)
		return SAGA_OK;
	if (rejects > 1 && !step->refuse)
		return broken(step, error, "several `rejects` and no `refuse` to choose");
	if (rejects == 1 && !step->refuse && !saga__shape_needs_nothing(&step->rejects[0]->body))
		return broken(step, error,
			"no `refuse`, and `rejects` has a field that is neither optional nor a "
			"reason");
	return SAGA_OK;
}

static int check_outside(const saga_step_def *step, saga_error *error)
{
	if (step->outside.prepare && !step->outside.call)
		return broken(step, error, "`outside` has a `prepare` and no `call`");
	if (step->undo_outside.prepare && !step->undo_outside.call)
		return broken(step, error, "`undo_outside` has a `prepare` and no `call`");
	if (step->undo_outside.call && !step->undo)
		return broken(step, error, "`undo_outside` without `undo`");
	if (step->outside.timeout_ms < 0 || step->undo_outside.timeout_ms < 0)
		return broken(step, error, "a timeout is negative");
	return SAGA_OK;
}

static int check_reads_only(const saga_step_def *step, saga_error *error)
{
	if (!step->reads_only)
		return SAGA_OK;
	if (!step->on[0]->request)
		return broken(step, error, "`reads_only` is for requests");
	if (!step->emits[0])
		return broken(step, error, "`reads_only` without `emits`: it would have no answer");
	if (step->undo || step->bar_on[0] || step->pivot || step->per_subject ||
		step->outside.call || step->after[0].event || step->refuse)
		return broken(
			step, error, "`reads_only` has `on`, `run`, `emits` and `rejects` alone");
	return SAGA_OK;
}

static int check_after(const saga_step_def *step, saga_error *error)
{
	for (size_t i = 0; i < SAGA_EVENTS && step->after[i].event; i++) {
		const saga_type *const one[SAGA_EVENTS] = { step->after[i].event };
		int code = check_list(step, one, "after", false, error);

		if (code == SAGA_OK)
			code = check_list(step, step->after[i].unless, "unless", false, error);
		if (code != SAGA_OK)
			return code;
		for (size_t j = 0; j < i; j++)
			if (saga__type_is(step->after[i].event, step->after[j].event))
				return broken(step, error, "the same event twice in `after`");
	}
	return SAGA_OK;
}

static int check_retry(const saga_step_def *step, const saga_retry_rule *rule, saga_error *error)
{
	if (rule->attempts < 0 || rule->first_ms < 0 || rule->max_ms < 0)
		return broken(step, error, "a number of its retry rule is negative");
	if (rule->max_ms && rule->max_ms < rule->first_ms)
		return broken(step, error, "its retry rule's max_ms is below first_ms");
	return SAGA_OK;
}

int saga__step_check(const saga_step_def *step, saga_error *error)
{
	static int (*const checks[])(const saga_step_def *, saga_error *) = {
		check_lists,
		check_on,
		check_undo,
		check_outcomes,
		check_outside,
		check_reads_only,
		check_after,
	};
	int code = check_name(step->name, error);

	if (code == SAGA_OK && step->was)
		code = check_name(step->was, error);
	for (size_t i = 0; code == SAGA_OK && i < sizeof checks / sizeof checks[0]; i++)
		code = checks[i](step, error);
	if (code == SAGA_OK)
		code = check_retry(step, &step->retry, error);
	if (code == SAGA_OK)
		code = check_retry(step, &step->undo_retry, error);
	return code;
}

/* ---- whose silence others would hang on ---- */

/*
 * A chain of undos must not wait for a step that won't run: a barred or dead one publishes its
 * `rejects` instead of `undone`, so whoever undoes on the one must undo on the other.
 */
static int check_undo_chain(
	const saga_step_def *step, const saga_step_def *waits, saga_error *error)
{
	if (!share(step->undone, waits->undo_on))
		return SAGA_OK;
	if (!step->rejects[0])
		return saga_error_set(error, SAGA_MISUSE,
			"step %s: it has no `rejects`, so when it is barred, the undo of %s waits "
			"for ever",
			step->name, waits->name);
	for (size_t i = 0; i < SAGA_EVENTS && step->rejects[i]; i++)
		if (!saga__types_have(waits->undo_on, step->rejects[i]))
			return saga_error_set(error, SAGA_MISUSE,
				"step %s: it is undone on what %s undoes, but not on its rejection "
				"%s",
				waits->name, step->name, step->rejects[i]->name);
	return SAGA_OK;
}

static bool may_schedule(const saga_step_def *step, const saga_type *type)
{
	for (size_t i = 0; i < SAGA_EVENTS && step->after[i].event; i++)
		if (saga__type_is(step->after[i].event, type))
			return true;
	return false;
}

/* Whether of all steps here that one alone makes such an event, and only by taking effect. */
static bool alone_emits(
	const struct saga__plan *plan, const saga_step_def *step, const saga_type *type)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const saga_step_def *other = &plan->steps[i];

		if (saga__types_have(other->rejects, type) ||
			saga__types_have(other->undone, type) || may_schedule(other, type) ||
			(other != step && saga__types_have(other->emits, type)))
			return false;
	}
	return saga__types_have(step->emits, type);
}

static size_t type_at(const struct saga__plan *plan, const saga_type *type)
{
	return (size_t)(saga__plan_type(plan, type->name, type->version) - plan->types);
}

/* Whether such events set the step off, and it can take effect in one way alone. */
static bool is_bound_to_emit(
	const struct saga__plan *plan, const saga_step_def *step, const bool *comes)
{
	size_t count = saga__types_count(step->on), come = 0;

	for (size_t i = 0; i < count; i++)
		come += comes[type_at(plan, step->on[i])];
	return step->emits[0] && !step->emits[1] &&
		(come == count || (come && step->join == SAGA_ANY));
}

/*
 * Marks the events that come also if that step never takes effect: what it needs itself, and what
 * other steps make of that. Of several events of which each would do, any may be caused by the step
 * when it ran on another: they prove nothing.
 */
static void mark_what_comes(const struct saga__plan *plan, const saga_step_def *silent, bool *comes)
{
	bool more = silent->join == SAGA_ALL || !silent->on[1];

	for (size_t i = 0; more && i < SAGA_EVENTS && silent->on[i]; i++)
		comes[type_at(plan, silent->on[i])] = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < plan->step_count; i++) {
			const saga_step_def *step = &plan->steps[i];

			if (step == silent || !is_bound_to_emit(plan, step, comes) ||
				comes[type_at(plan, step->emits[0])])
				continue;
			comes[type_at(plan, step->emits[0])] = more = true;
		}
	}
}

/*
 * A join that has one event waits for the others, and only an undo or a bar ends that. With neither
 * it must not hang on a step that may have nothing to emit, where another of its events comes all
 * the same. What other participants say, and when a handler waits, is not known here.
 */
static int check_join(const struct saga__plan *plan, const saga_step_def *step,
	const saga_step_def *waits, saga_error *error)
{
	const saga_type *missed = NULL;
	bool may_be_silent = step->rejects[0] || step->bar_on[0] || step->undo_on[0];
	bool begins = false, *comes;

	if (waits->join != SAGA_ALL || waits->undo_on[0] || waits->bar_on[0] || !may_be_silent ||
		step->per_subject != waits->per_subject)
		return SAGA_OK;
	for (size_t i = 0; i < SAGA_EVENTS && waits->on[i]; i++)
		if (alone_emits(plan, step, waits->on[i]))
			missed = waits->on[i];
	if (!missed)
		return SAGA_OK;
	if (!(comes = calloc(plan->type_count, sizeof *comes)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	mark_what_comes(plan, step, comes);
	for (size_t i = 0; i < SAGA_EVENTS && waits->on[i]; i++)
		begins |= comes[type_at(plan, waits->on[i])];
	free(comes);
	if (!begins)
		return SAGA_OK;
	return saga_error_set(error, SAGA_MISUSE,
		"step %s: it joins %s, and when %s %s instead, it waits for ever: nothing bars it",
		waits->name, missed->name, step->name, step->rejects[0] ? "rejects" : "is barred");
}

int saga__steps_check_silence(const struct saga__plan *plan, saga_error *error)
{
	for (size_t i = 0; i < plan->step_count; i++)
		for (size_t j = 0; j < plan->step_count; j++) {
			const saga_step_def *step = &plan->steps[i], *waits = &plan->steps[j];
			int code = i == j ? SAGA_OK : check_undo_chain(step, waits, error);

			if (code == SAGA_OK && i != j)
				code = check_join(plan, step, waits, error);
			if (code != SAGA_OK)
				return code;
		}
	return SAGA_OK;
}
