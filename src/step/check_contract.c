#include "plan.h"

#include <string.h>

/* The rules for the members that serve the contract: which steps they name, what excludes what. */

struct check {
	const struct saga__plan *plan;
	const saga_step_def *step;
	saga_error *error;
};

static int broken(const struct check *c, const char *rule)
{
	return saga_error_set(c->error, SAGA_MISUSE, "step %s: %s", c->step->name, rule);
}

static int names(const struct check *c, const char *member, const char *name, const char *rule)
{
	return saga_error_set(c->error, SAGA_MISUSE, "step %s: `%s` names %.40s: %s", c->step->name,
		member, name, rule);
}

/* ---- other steps ---- */

static const saga_step_def *step_of(const struct saga__plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->step_count; i++)
		if (strcmp(plan->steps[i].name, name) == 0)
			return &plan->steps[i];
	return NULL;
}

static int check_named(const struct check *c, const char *member, const char *name, bool subjects)
{
	const saga_step_def *other = step_of(c->plan, name);

	if (!other)
		return names(c, member, name, "there is no such step");
	if (other == c->step)
		return names(c, member, name, "that is the step itself");
	if (other->reads_only)
		return names(c, member, name, "that step only reads, and has no slot");
	if (subjects && other->per_subject && !c->step->per_subject)
		return names(c, member, name, "that step has subjects, and this one has none");
	return SAGA_OK;
}

size_t saga__conditions_count(const saga_step_def *step)
{
	size_t count = 0;

	while (count < SAGA_CONDITIONS &&
		(step->waits[count].why || step->waits[count].until[0] || step->waits[count].held ||
			step->waits[count].freed))
		count++;
	return count;
}

static int check_condition(const struct check *c, const saga_condition *wait)
{
	int code = SAGA_OK;

	if (!wait->held != !wait->freed)
		return broken(c, "`waits` has one of `held` and `freed` without the other");
	if (wait->held && wait->until[0])
		return broken(c, "`waits` has both `until` and `held` in one entry");
	for (size_t i = 0; i < SAGA_EVENTS && wait->until[i]; i++)
		if (!saga__types_have(c->step->on, wait->until[i]))
			return saga_error_set(c->error, SAGA_MISUSE,
				"step %s: `waits` for %s, which is not in `on`", c->step->name,
				wait->until[i]->name);
	if (wait->held)
		code = check_named(c, "held", wait->held, false);
	if (wait->held && code == SAGA_OK)
		code = check_named(c, "freed", wait->freed, false);
	return code;
}

static int check_waits(const struct check *c)
{
	size_t count = saga__conditions_count(c->step);
	int code = SAGA_OK;

	if (count && c->step->on[0]->request)
		return broken(c, "`waits`, and a request can't wait");
	if (count && c->step->outside.call && !c->step->outside.prepare)
		return broken(c, "`waits`, and its outside call has no `prepare` that could wait");
	for (size_t i = 0; code == SAGA_OK && i < count; i++)
		code = check_condition(c, &c->step->waits[i]);
	return code;
}

static bool may_refuse(const saga_step_def *step)
{
	return step->rejects[0] || step->on[0]->request;
}

static int check_only_while(const struct check *c)
{
	int code = SAGA_OK;

	if (c->step->only_while[0] && !may_refuse(c->step))
		return broken(c, "`only_while` without `rejects`: it could not say no");
	for (size_t i = 0; code == SAGA_OK && i < SAGA_CONDITIONS && c->step->only_while[i]; i++)
		code = check_named(c, "only_while", c->step->only_while[i], true);
	return code;
}

static int check_covered_by(const struct check *c)
{
	const saga_step_def *at = c->step;
	int code = at->covered_by ? check_named(c, "covered_by", at->covered_by, true) : SAGA_OK;

	if (!at->covered_by || code != SAGA_OK)
		return code;
	if (!may_refuse(at))
		return broken(c, "`covered_by` without `rejects`: it could not say no");
	for (size_t hops = 0; at && at->covered_by; hops++) {
		if (hops > c->plan->step_count)
			return broken(c, "`covered_by` goes in a circle");
		at = step_of(c->plan, at->covered_by);
	}
	if (at && !at->undo_on[0])
		return names(c, "covered_by", at->name, "that step has no undo");
	return SAGA_OK;
}

static int check_flags(const struct check *c)
{
	if (c->step->owed && !c->step->on[0]->request)
		return broken(c, "`owed`, and it is on no request");
	if (c->step->neutral && c->step->undo_on[0])
		return broken(c, "`neutral` with an undo: what would that take back?");
	if (c->step->undo_early && !c->step->undo_on[0])
		return broken(c, "`undo_early` without `undo_on`");
	if (c->step->within_ms < 0)
		return broken(c, "`within_ms` is negative");
	if (c->step->reads_only &&
		(saga__conditions_count(c->step) || c->step->only_while[0] || c->step->covered_by ||
			c->step->neutral || c->step->owed))
		return broken(c, "`reads_only` has `on`, `run`, `emits` and `rejects` alone");
	return SAGA_OK;
}

/* ---- the participant ---- */

static bool says(const struct saga__plan *plan, const saga_type *type)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const saga_step_def *step = &plan->steps[i];

		for (size_t k = 0; k < SAGA_EVENTS && step->after[k].event; k++)
			if (saga__type_is(step->after[k].event, type))
				return true;
		if (!step->reads_only &&
			(saga__types_have(step->emits, type) ||
				saga__types_have(step->rejects, type) ||
				saga__types_have(step->undone, type)))
			return true;
	}
	return false;
}

static int check_ends(const struct saga__plan *plan, saga_error *error)
{
	for (size_t i = 0; i < SAGA_ENDS && plan->ends[i].event; i++) {
		const saga_end *end = &plan->ends[i];

		if (!says(plan, end->event))
			return saga_error_set(
				error, SAGA_MISUSE, "ends: no step here says %s", end->event->name);
		if (end->kind != SAGA_END_DONE && end->kind != SAGA_END_UNDONE)
			return saga_error_set(error, SAGA_MISUSE,
				"ends: %s is neither SAGA_END_DONE nor SAGA_END_UNDONE",
				end->event->name);
		for (size_t k = 0; k < i; k++)
			if (saga__type_is(plan->ends[k].event, end->event))
				return saga_error_set(
					error, SAGA_MISUSE, "ends: %s twice", end->event->name);
	}
	for (size_t i = 0; i < SAGA_ENDS && plan->unheard[i]; i++)
		if (!says(plan, plan->unheard[i]))
			return saga_error_set(error, SAGA_MISUSE, "unheard: no step here says %s",
				plan->unheard[i]->name);
	return SAGA_OK;
}

int saga__steps_check_contract(const struct saga__plan *plan, saga_error *error)
{
	static int (*const checks[])(const struct check *) = {
		check_flags,
		check_waits,
		check_only_while,
		check_covered_by,
	};

	for (size_t i = 0; i < plan->step_count; i++) {
		struct check c = { plan, &plan->steps[i], error };

		for (size_t k = 0; k < sizeof checks / sizeof checks[0]; k++) {
			int code = checks[k](&c);

			if (code != SAGA_OK)
				return code;
		}
	}
	return check_ends(plan, error);
}
