#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "sequence.h"

enum {
	SUBJECTS_MOST = 8,
	DYING_MOST = 8,
	STATES = 10 * 1000 * 1000,
	STATES_MOST = 2000 * 1000 * 1000, /* they have numbers of 32 bits */
	MOVE_TEXT = 480,
};

/* The caller holds this, with all that it points at. */
struct result {
	saga_check check;
	saga_finding *findings;
	const char **ends;
	struct saga__findings found;
	char (*end_texts)[SAGA__END_TEXT];
};

/* ---- the options ---- */

static int take_options(
	const saga_check_options *given, saga_check_options *ret_options, saga_error *error)
{
	saga_check_options options = { .size = sizeof options };

	if (given && given->size < sizeof options.size)
		return saga_error_set(error, SAGA_MISUSE,
			"the check's options have no size: fill them by SAGA_CHECK_OPTIONS");
	if (given)
		memcpy(&options, given,
			given->size < sizeof options ? given->size : sizeof options);
	options.subjects = options.subjects ? options.subjects : 2;
	options.states = options.states ? options.states : STATES;
	if (options.subjects < 1 || options.subjects > SUBJECTS_MOST)
		return saga_error_set(error, SAGA_MISUSE, "option subjects: 1 to %d, not %d",
			SUBJECTS_MOST, options.subjects);
	if (options.dying < 0 || options.dying > DYING_MOST)
		return saga_error_set(error, SAGA_MISUSE, "option dying: 0 to %d, not %d",
			DYING_MOST, options.dying);
	if (options.states > STATES_MOST)
		return saga_error_set(error, SAGA_MISUSE, "option states: at most %d", STATES_MOST);
	*ret_options = options;
	return SAGA_OK;
}

/* ---- the way to each finding ---- */

static bool tell_way(
	const struct saga__exploration *e, const struct saga__found *found, saga_finding *to)
{
	struct saga__text diagram = { NULL, 0, 0, false };
	size_t count;
	struct saga__move *way = saga__explored_way(e, found->state, &count);
	char **moves = way ? calloc(count + 1, sizeof *moves) : NULL;
	bool told = moves != NULL;

	for (size_t i = 0; told && i < count; i++) {
		char text[MOVE_TEXT];

		(void)saga__move_text(e->world, &way[i], text, sizeof text);
		told = (moves[i] = malloc(strlen(text) + 1)) != NULL;
		if (told)
			memcpy(moves[i], text, strlen(text) + 1);
	}
	to->moves = (const char *const *)moves;
	to->move_count = told ? count : 0;
	if (told)
		saga__sequence(e->world, way, count, &diagram);
	to->diagram = diagram.at;
	free(way);
	return told && !diagram.no_memory;
}

static int compare(const void *a, const void *b)
{
	const saga_finding *x = a, *y = b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	if (x->move_count != y->move_count)
		return x->move_count < y->move_count ? -1 : 1;
	return strcmp(x->text, y->text);
}

static bool tell_findings(struct result *r, const struct saga__exploration *e)
{
	if (!(r->findings = calloc(r->found.count + 1, sizeof *r->findings)))
		return false;
	r->check.findings = r->findings;
	for (unsigned i = 0; i < r->found.count; i++) {
		saga_finding *to = &r->findings[r->check.finding_count++];

		*to = (saga_finding){ .kind = r->found.at[i].kind, .text = r->found.at[i].text };
		if (r->found.at[i].state != SAGA__NO_STATE && !tell_way(e, &r->found.at[i], to))
			return false;
	}
	qsort(r->findings, r->check.finding_count, sizeof *r->findings, compare);
	return true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool tell_ends(struct result *r, const struct saga__exploration *e)
{
	r->ends = calloc(e->end_count + 1, sizeof *r->ends);
	r->end_texts = calloc(e->end_count + 1, sizeof *r->end_texts);
	if (!r->ends || !r->end_texts)
		return false;
	memcpy(r->end_texts, e->ends, e->end_count * sizeof *r->end_texts);
	for (unsigned i = 0; i < e->end_count; i++)
		r->ends[i] = r->end_texts[i];
	qsort(r->ends, e->end_count, sizeof *r->ends, compare_texts);
	r->check.ends = r->ends;
	r->check.end_count = e->end_count;
	return true;
}

static bool tell(struct result *r, struct saga__exploration *e)
{
	r->found = e->findings;
	e->findings = (struct saga__findings){ .at = NULL };
	r->check.whole = e->whole && !r->found.full;
	r->check.passed = e->whole;
	for (unsigned i = 0; i < r->found.count; i++)
		r->check.passed &= r->found.at[i].kind != SAGA_FINDING_BREACH;
	r->check.states = e->states.count;
	r->check.moves = e->moves;
	r->check.rests = e->rests;
	r->check.state_bytes = (saga__states_bytes(&e->states) + e->states.count - 1) /
		(e->states.count ? e->states.count : 1);
	return tell_findings(r, e) && tell_ends(r, e);
}

/* ---- the whole ---- */

static void add_static(void *context, saga_finding_kind kind, const char *text)
{
	saga__findings_add(context, kind, SAGA__NO_STATE, "%s", text);
}

static int check_composed(struct saga__choreography *all, const saga_check_options *options,
	struct result *result, saga_error *error)
{
	struct saga__exploration *e = calloc(1, sizeof *e);
	struct saga__world *world;
	int code = SAGA_NOMEM;

	if (!e)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	code = saga__choreography_compose(all, error);
	if (code == SAGA_OK)
		code = saga__world_make(
			all, (unsigned)options->subjects, (unsigned)options->dying, &world, error);
	if (code == SAGA_OK) {
		e->all = all;
		e->world = world;
		e->limit = options->states;
		e->progress = options->progress;
		e->user = options->user;
		saga__choreography_static(all, add_static, &e->findings);
		code = saga__explore(e, error);
	}
	if (code == SAGA_OK && !tell(result, e))
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	saga__findings_free(&e->findings);
	saga__states_free(&e->states);
	free(e);
	return code;
}

int saga_choreography_check(const saga_contract *contracts, size_t count,
	const saga_check_options *given, saga_check **ret_check, saga_error *error)
{
	saga_check_options options = { .size = sizeof options };
	struct saga__choreography *all = NULL;
	struct result *result;
	int code = take_options(given, &options, error);

	if (code == SAGA_OK)
		code = saga__choreography_read(contracts, count, &all, error);
	if (code != SAGA_OK)
		return code;
	if ((result = calloc(1, sizeof *result))) {
		result->check.subjects = options.subjects;
		result->check.dying = options.dying;
		code = check_composed(all, &options, result, error);
	} else {
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	saga__choreography_free(all);
	if (code == SAGA_OK)
		*ret_check = &result->check;
	else if (result)
		saga_check_free(&result->check);
	return code;
}

void saga_check_free(saga_check *check)
{
	struct result *r = (struct result *)check;

	if (!check)
		return;
	for (size_t i = 0; i < check->finding_count; i++) {
		char **moves = (char **)r->findings[i].moves;

		for (size_t k = 0; moves && moves[k]; k++)
			free(moves[k]);
		free(moves);
		free((char *)r->findings[i].diagram);
	}
	free(r->findings);
	free(r->ends);
	free(r->end_texts);
	saga__findings_free(&r->found);
	free(r);
}
