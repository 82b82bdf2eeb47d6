#include "plan.h"

#include "../event/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t hash_of(const char *name)
{
	size_t hash = 5381;

	while (*name)
		hash = hash * 33 + (unsigned char)*name++;
	return hash;
}

const struct saga__known *saga__plan_type(
	const struct saga__plan *plan, const char *name, int version)
{
	size_t mask = plan->bucket_count - 1;

	for (size_t i = hash_of(name) & mask; plan->buckets[i]; i = (i + 1) & mask) {
		const struct saga__known *known = &plan->types[plan->buckets[i] - 1];

		if ((!version || known->type->version == version) &&
			strcmp(known->type->name, name) == 0)
			return known;
	}
	return NULL;
}

int saga__plan_find(const struct saga__plan *plan, const char *name, int version,
	const struct saga__known **ret_known, saga_error *error)
{
	const struct saga__known *known = saga__plan_type(plan, name, version), *other;

	if (!known && (other = saga__plan_type(plan, name, 0)) && other->route_count)
		return saga_error_set(error, SAGA_MALFORMED,
			"version %d of %s: this participant knows %d", version, name,
			other->type->version);
	*ret_known = known;
	return SAGA_OK;
}

bool saga__plan_concerns(const struct saga__plan *plan, const char *type, int version)
{
	const struct saga__known *known = saga__plan_type(plan, type, version);

	if (!known)
		known = saga__plan_type(plan, type, 0);
	return known && known->route_count && !known->type->request;
}

size_t saga__plan_row(const struct saga__plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->row_count; i++)
		if (strcmp(plan->rows[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

/* ---- the steps ---- */

static int check_was(const struct saga__plan *plan, saga_error *error)
{
	for (size_t i = 0; i < plan->step_count; i++)
		for (size_t j = 0; plan->steps[i].was && j < plan->step_count; j++) {
			const saga_step_def *step = &plan->steps[i], *other = &plan->steps[j];

			if (strcmp(step->was, other->name) == 0)
				return saga_error_set(error, SAGA_MISUSE,
					"step %s: it was %s, and another step is", step->name,
					step->was);
			if (j < i && other->was && strcmp(step->was, other->was) == 0)
				return saga_error_set(error, SAGA_MISUSE,
					"steps %s and %s: both were %s", other->name, step->name,
					step->was);
		}
	return SAGA_OK;
}

static int copy_steps(struct saga__plan *plan, const saga_participant_def *def, saga_error *error)
{
	size_t size =
		def->step_size < sizeof(saga_step_def) ? def->step_size : sizeof(saga_step_def);
	int code;

	for (size_t i = 0; i < def->step_count; i++) {
		memcpy(&plan->steps[i], (const char *)def->steps + i * def->step_size, size);
		if ((code = saga__step_check(&plan->steps[i], error)) != SAGA_OK)
			return code;
		for (size_t j = 0; j < i; j++)
			if (strcmp(plan->steps[i].name, plan->steps[j].name) == 0)
				return saga_error_set(error, SAGA_MISUSE, "step %s: declared twice",
					plan->steps[i].name);
	}
	return check_was(plan, error);
}

static size_t count_after(const saga_step_def *step)
{
	size_t count = 0;

	while (count < SAGA_EVENTS && step->after[count].event)
		count++;
	return count;
}

static int make_rows(struct saga__plan *plan)
{
	size_t at = plan->step_count, schedules = 0;

	for (size_t i = 0; i < plan->step_count; i++)
		schedules += count_after(&plan->steps[i]);
	plan->row_count = at + schedules;
	plan->rows = calloc(plan->row_count + 1, sizeof *plan->rows);
	plan->first_schedule = calloc(plan->step_count + 1, sizeof *plan->first_schedule);
	if (!plan->rows || !plan->first_schedule)
		return SAGA_NOMEM;
	for (size_t i = 0; i < plan->step_count; i++) {
		plan->rows[i].step = (unsigned short)i;
		(void)snprintf(
			plan->rows[i].name, sizeof plan->rows[i].name, "%s", plan->steps[i].name);
		plan->first_schedule[i] = (unsigned short)at;
		for (size_t k = 0; k < count_after(&plan->steps[i]); k++, at++) {
			plan->rows[at].step = (unsigned short)i;
			plan->rows[at].later = (unsigned short)k;
			plan->rows[at].schedule = true;
			(void)snprintf(plan->rows[at].name, sizeof plan->rows[at].name, "%s>%s",
				plan->steps[i].name, plan->steps[i].after[k].event->name);
		}
	}
	return SAGA_OK;
}

/* ---- the types ---- */

static int add_type(struct saga__plan *plan, const saga_type *type, saga_error *error)
{
	const struct saga__known *known = saga__plan_type(plan, type->name, type->version);
	size_t mask = plan->bucket_count - 1, i = hash_of(type->name) & mask;

	if (known) {
		if (known->type->request == type->request &&
			saga__shape_same(&known->type->body, &type->body))
			return SAGA_OK;
		return saga_error_set(error, SAGA_MISUSE,
			"type %s version %d: declared in two ways that differ", type->name,
			type->version);
	}
	while (plan->buckets[i])
		i = (i + 1) & mask;
	plan->types[plan->type_count].type = type;
	plan->buckets[i] = (unsigned short)++plan->type_count;
	return SAGA_OK;
}

/* Calls visit for each list of types that a step has, and the role that its events play. */
static int each_list(struct saga__plan *plan, const saga_step_def *step,
	int (*visit)(struct saga__plan *, const saga_step_def *, const saga_type *const *list,
		enum saga__role role, size_t later, saga_error *),
	saga_error *error)
{
	const struct {
		const saga_type *const *list;
		enum saga__role role;
	} lists[] = {
		{ step->on, SAGA__ROLE_RUN },
		{ step->undo_on, SAGA__ROLE_UNDO },
		{ step->bar_on, SAGA__ROLE_BAR },
		{ step->emits, 0 },
		{ step->rejects, 0 },
		{ step->undone, 0 },
	};
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < sizeof lists / sizeof lists[0]; i++)
		code = visit(plan, step, lists[i].list, lists[i].role, 0, error);
	for (size_t i = 0; code == SAGA_OK && i < count_after(step); i++) {
		const saga_type *const one[SAGA_EVENTS] = { step->after[i].event };

		code = visit(plan, step, one, 0, i, error);
		if (code == SAGA_OK)
			code = visit(
				plan, step, step->after[i].unless, SAGA__ROLE_UNLESS, i, error);
	}
	return code;
}

static int visit_add(struct saga__plan *plan, const saga_step_def *step,
	const saga_type *const *list, enum saga__role role, size_t later, saga_error *error)
{
	(void)step, (void)role, (void)later;
	for (size_t i = 0; i < SAGA_EVENTS && list[i]; i++) {
		int code = add_type(plan, list[i], error);

		if (code != SAGA_OK)
			return code;
	}
	return SAGA_OK;
}

static struct saga__known *known_of(struct saga__plan *plan, const saga_type *type)
{
	return (struct saga__known *)saga__plan_type(plan, type->name, type->version);
}

static int visit_route(struct saga__plan *plan, const saga_step_def *step,
	const saga_type *const *list, enum saga__role role, size_t later, saga_error *error)
{
	size_t at = (size_t)(step - plan->steps);

	for (size_t i = 0; role && i < SAGA_EVENTS && list[i]; i++) {
		struct saga__known *known = known_of(plan, list[i]);
		struct saga__route *more;

		if (list[i]->request && known->route_count)
			return saga_error_set(error, SAGA_MISUSE,
				"step %s: another step is `on` the request %s too", step->name,
				list[i]->name);
		more = realloc(known->routes, (known->route_count + 1) * sizeof *more);
		if (!more)
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
		known->routes = more;
		more[known->route_count++] = (struct saga__route){
			.step = (unsigned short)at,
			.row = (unsigned short)(role == SAGA__ROLE_UNLESS
					? plan->first_schedule[at] + later
					: at),
			.role = (unsigned char)role,
			.nth = (unsigned char)i,
		};
	}
	return SAGA_OK;
}

static int rank(const struct saga__route *route)
{
	return route->role == SAGA__ROLE_UNDO ? 0 : route->role == SAGA__ROLE_RUN ? 2 : 1;
}

static int in_order(const void *a, const void *b)
{
	const struct saga__route *x = a, *y = b;

	if (rank(x) != rank(y))
		return rank(x) - rank(y);
	if (x->role == SAGA__ROLE_UNDO)
		return (int)y->step - (int)x->step;
	return x->row != y->row ? (int)x->row - (int)y->row : (int)x->role - (int)y->role;
}

static int make_types(struct saga__plan *plan, saga_error *error)
{
	size_t used = 1;
	int code = SAGA_OK;

	/* Room for every mention, so that the buckets stay half empty. */
	for (size_t i = 0; i < plan->step_count; i++)
		used += 6 * SAGA_EVENTS + count_after(&plan->steps[i]) * (SAGA_EVENTS + 1);
	for (plan->bucket_count = 16; plan->bucket_count < 2 * used; plan->bucket_count *= 2)
		;
	plan->types = calloc(used, sizeof *plan->types);
	plan->buckets = calloc(plan->bucket_count, sizeof *plan->buckets);
	if (!plan->types || !plan->buckets)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	for (size_t i = 0; code == SAGA_OK && i < plan->step_count; i++)
		code = each_list(plan, &plan->steps[i], visit_add, error);
	for (size_t i = 0; code == SAGA_OK && i < plan->step_count; i++)
		code = each_list(plan, &plan->steps[i], visit_route, error);
	for (size_t i = 0; code == SAGA_OK && i < plan->type_count; i++)
		if (plan->types[i].route_count)
			qsort(plan->types[i].routes, plan->types[i].route_count,
				sizeof(struct saga__route), in_order);
	return code;
}

static int check_participant(const saga_participant_def *def, saga_error *error)
{
	size_t length = def->name ? strlen(def->name) : 0;

	if (def->size != sizeof *def && def->size < offsetof(saga_participant_def, schema))
		return saga_error_set(error, SAGA_MISUSE,
			"the participant's def has no size: fill it by SAGA_PARTICIPANT");
	if (!length || length > SAGA__STEP_NAME_MOST ||
		strspn(def->name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
		return saga_error_set(error, SAGA_MISUSE,
			"participant `%.40s`: its name must have 1 to %d of a-z 0-9 . _ -",
			def->name ? def->name : "", SAGA__STEP_NAME_MOST);
	if (!def->steps || !def->step_count)
		return saga_error_set(error, SAGA_MISUSE, "participant %s: no steps", def->name);
	if (def->step_count > 1000)
		return saga_error_set(
			error, SAGA_MISUSE, "participant %s: over 1000 steps", def->name);
	if (def->step_size < offsetof(saga_step_def, reads_only))
		return saga_error_set(
			error, SAGA_MISUSE, "participant %s: step_size is too small", def->name);
	return SAGA_OK;
}

/* The members that later versions of the header appended. */
static void take_tail(struct saga__plan *plan, const saga_participant_def *def)
{
	saga_participant_def whole = { .size = sizeof whole };

	memcpy(&whole, def, def->size < sizeof whole ? def->size : sizeof whole);
	plan->schema = whole.schema;
	memcpy(plan->ends, whole.ends, sizeof plan->ends);
	memcpy(plan->unheard, whole.unheard, sizeof plan->unheard);
}

int saga__plan_new(const saga_participant_def *def, struct saga__plan **ret_plan, saga_error *error)
{
	struct saga__plan *plan;
	int code = check_participant(def, error);

	if (code != SAGA_OK)
		return code;
	if (!(plan = calloc(1, sizeof *plan)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	plan->name = def->name;
	take_tail(plan, def);
	plan->step_count = def->step_count;
	if (!(plan->steps = calloc(def->step_count, sizeof *plan->steps))) {
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
		goto failed;
	}
	if ((code = copy_steps(plan, def, error)) != SAGA_OK)
		goto failed;
	if ((code = make_rows(plan)) != SAGA_OK) {
		(void)saga_error_set(error, code, "out of memory");
		goto failed;
	}
	if ((code = make_types(plan, error)) != SAGA_OK)
		goto failed;
	if ((code = saga__steps_check_silence(plan, error)) != SAGA_OK)
		goto failed;
	if ((code = saga__steps_check_contract(plan, error)) != SAGA_OK)
		goto failed;
	*ret_plan = plan;
	return SAGA_OK;

failed:
	saga__plan_free(plan);
	return code;
}

void saga__plan_free(struct saga__plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->type_count; i++)
		free(plan->types[i].routes);
	free(plan->types);
	free(plan->buckets);
	free(plan->first_schedule);
	free(plan->rows);
	free(plan->steps);
	free(plan);
}
