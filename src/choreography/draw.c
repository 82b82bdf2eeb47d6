/* The map of a choreography: participants, their steps, who hears what; for Mermaid and for dot. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "sequence.h"
#include "text.h"

/* An event runs a step, undoes it, or bars it. */
enum line {
	RUNS,
	UNDOES,
	BARS,
	LINES
};

struct drawing {
	const struct saga__choreography *all;
	saga_drawing form;
	struct saga__text text;
};

static const struct saga__names *heard_by(const struct saga__model_step *step, enum line line)
{
	switch (line) {
	case RUNS:
		return &step->on;
	case UNDOES:
		return &step->undo_on;
	case BARS:
		return &step->bar_on;
	case LINES:
		break;
	}
	return NULL;
}

static const char *word_of(enum line line)
{
	return line == UNDOES ? ": undo" : line == BARS ? ": bar" : "";
}

static void put_edge(
	struct drawing *d, const char *from, const char *to, const char *label, bool dotted)
{
	if (d->form == SAGA_DRAW_DOT)
		saga__text_add(&d->text, "\t%s -> %s [label=\"%s\"%s];\n", from, to, label,
			dotted ? ", style=dotted" : "");
	else
		saga__text_add(
			&d->text, "\t%s %s|\"%s\"| %s\n", from, dotted ? "-.->" : "-->", label, to);
}

/* ---- nodes: their names are numbers, since names may have signs that mean something ---- */

static void put_steps(struct drawing *d, unsigned contract)
{
	bool any = false;

	for (unsigned i = 0; i < d->all->step_count; i++) {
		const struct saga__model_step *s = &d->all->steps[i];

		if (s->contract != contract)
			continue;
		if (!any && d->form == SAGA_DRAW_DOT)
			saga__text_add(&d->text, "\tsubgraph cluster_%u {\n\t\tlabel=\"%s\";\n",
				contract, d->all->contracts[contract].participant);
		else if (!any)
			saga__text_add(&d->text, "\tsubgraph p%u[\"%s\"]\n", contract,
				d->all->contracts[contract].participant);
		any = true;
		saga__text_add(&d->text,
			d->form == SAGA_DRAW_DOT ? "\t\ts%u [label=\"%s%s\"];\n"
						 : "\t\ts%u[\"%s%s\"]\n",
			i, s->own, s->per_subject ? " (each)" : "");
	}
	if (any)
		saga__text_add(&d->text, d->form == SAGA_DRAW_DOT ? "\t}\n" : "\tend\n");
}

static bool is_said(const struct saga__choreography *all, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (saga__step_may_say(&all->steps[i], type))
			return true;
	return false;
}

static void put_ends(struct drawing *d)
{
	for (unsigned t = 0; t < d->all->type_count; t++) {
		const struct saga__model_type *type = &d->all->types[t];

		if (!type->end || !is_said(d->all, t))
			continue;
		saga__text_add(&d->text,
			d->form == SAGA_DRAW_DOT ? "\te%u [label=\"%s\", shape=%s];\n"
						 : "\te%u([\"%s: %s\"])\n",
			t, type->name,
			d->form == SAGA_DRAW_DOT
				? (type->end == SAGA_END_DONE ? "doublecircle" : "circle")
				: (type->end == SAGA_END_DONE ? "done" : "undone"));
	}
}

static void put_caller(struct drawing *d)
{
	bool any = false;

	for (unsigned i = 0; i < d->all->step_count; i++)
		any |= d->all->steps[i].request && !d->all->steps[i].stranger;
	if (any)
		saga__text_add(&d->text,
			d->form == SAGA_DRAW_DOT ? "\tcaller [shape=plaintext];\n"
						 : "\tcaller([caller])\n");
}

/* ---- lines: the events between two steps that do the same are one line ---- */

static void put_lines(struct drawing *d, unsigned from, unsigned to, enum line line)
{
	const struct saga__names *heard = heard_by(&d->all->steps[to], line);
	struct saga__text label = { NULL, 0, 0, false };
	char names[2][16];

	for (unsigned i = 0; i < heard->count; i++)
		if (saga__step_may_say(&d->all->steps[from], heard->at[i]))
			saga__text_add(&label, "%s%s", label.length ? ", " : "",
				d->all->types[heard->at[i]].name);
	if (label.length) {
		saga__text_add(&label, "%s", word_of(line));
		(void)snprintf(names[0], sizeof names[0], "s%u", from);
		(void)snprintf(names[1], sizeof names[1], "s%u", to);
		if (!label.no_memory)
			put_edge(d, names[0], names[1], label.at, line != RUNS);
	}
	d->text.no_memory |= label.no_memory;
	free(label.at);
}

static void put_all_lines(struct drawing *d)
{
	char names[2][16];

	for (unsigned i = 0; i < d->all->step_count; i++) {
		const struct saga__model_step *s = &d->all->steps[i];

		(void)snprintf(names[0], sizeof names[0], "s%u", i);
		if (s->request && !s->stranger)
			put_edge(d, "caller", names[0], d->all->types[s->on.at[0]].name, false);
		for (unsigned k = 0; k < d->all->step_count; k++)
			for (enum line line = RUNS; line < LINES; line++)
				put_lines(d, i, k, line);
		for (unsigned t = 0; t < d->all->type_count; t++) {
			if (!d->all->types[t].end || !saga__step_may_say(s, t))
				continue;
			(void)snprintf(names[1], sizeof names[1], "e%u", t);
			put_edge(d, names[0], names[1], d->all->types[t].name, false);
		}
	}
}

static int take(struct saga__text *text, int code, char **ret_text, saga_error *error)
{
	if (code == SAGA_OK && (text->no_memory || !text->at))
		code = saga_error_set(error, SAGA_NOMEM, "out of memory");
	if (code == SAGA_OK)
		*ret_text = text->at;
	else
		free(text->at);
	return code;
}

int saga_choreography_draw(const saga_contract *contracts, size_t count, saga_drawing form,
	char **ret_text, saga_error *error)
{
	struct saga__choreography *all = NULL;
	struct drawing d = { .form = form };
	int code = saga__choreography_read(contracts, count, &all, error);

	if (code != SAGA_OK)
		return code;
	d.all = all;
	saga__text_add(&d.text,
		form == SAGA_DRAW_DOT
			? "digraph choreography {\n\trankdir=LR;\n\tnode [shape=box];\n"
			: "flowchart LR\n");
	put_caller(&d);
	for (unsigned i = 0; i < all->contract_count; i++)
		put_steps(&d, i);
	put_ends(&d);
	put_all_lines(&d);
	if (form == SAGA_DRAW_DOT)
		saga__text_add(&d.text, "}\n");
	saga__choreography_free(all);
	return take(&d.text, SAGA_OK, ret_text, error);
}

/* ---- the shortest run to an end ---- */

static int find_end(const struct saga__choreography *all, const char *end, unsigned *ret_type,
	saga_error *error)
{
	for (unsigned t = 0; t < all->type_count; t++)
		if (all->types[t].end && strcmp(all->types[t].name, end) == 0) {
			*ret_type = t;
			return SAGA_OK;
		}
	return saga_error_set(error, SAGA_UNKNOWN, "no contract calls %.63s an end", end);
}

static int explore_to(
	struct saga__exploration *e, struct saga__text *text, const char *end, saga_error *error)
{
	struct saga__move *way;
	size_t count;
	int code = saga__explore(e, error);

	if (code != SAGA_OK)
		return code;
	if (e->reached == SAGA__NO_STATE)
		return saga_error_set(error, SAGA_UNKNOWN, "no saga rests with %.63s", end);
	if (!(way = saga__explored_way(e, e->reached, &count)))
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	saga__sequence(e->world, way, count, text);
	free(way);
	return SAGA_OK;
}

int saga_choreography_sequence(const saga_contract *contracts, size_t count, const char *end,
	char **ret_text, saga_error *error)
{
	struct saga__exploration *e = calloc(1, sizeof *e);
	struct saga__choreography *all = NULL;
	struct saga__text text = { NULL, 0, 0, false };
	struct saga__world *world = NULL;
	unsigned type = 0;
	int code = e ? saga__choreography_read(contracts, count, &all, error)
		     : saga_error_set(error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK)
		code = saga__choreography_compose(all, error);
	if (code == SAGA_OK)
		code = find_end(all, end, &type, error);
	if (code == SAGA_OK)
		code = saga__world_make(all, 1, 0, &world, error);
	if (code == SAGA_OK) {
		e->all = all;
		e->world = world;
		e->limit = SAGA__SEQUENCE_STATES;
		e->wants = true;
		e->wanted = type;
		code = explore_to(e, &text, end, error);
		saga__findings_free(&e->findings);
		saga__states_free(&e->states);
	}
	saga__choreography_free(all);
	free(e);
	return take(&text, code, ret_text, error);
}
