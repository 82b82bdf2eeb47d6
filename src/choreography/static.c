#include "model.h"

#include <stdio.h>
#include <string.h>

#include "../event/utf8.h"

/* The findings that show in the declarations alone. */

enum {
	TEXT = 400
};

struct telling {
	const struct saga__choreography *all;
	void (*found)(void *context, saga_finding_kind kind, const char *text);
	void *context;
};

static void tell(const struct telling *t, saga_finding_kind kind, const char *format, ...)
	SAGA_PRINTF(3, 4);

static void tell(const struct telling *t, saga_finding_kind kind, const char *format, ...)
{
	char text[TEXT];
	va_list list;

	va_start(list, format);
	saga__vsay(text, sizeof text, format, list);
	va_end(list);
	t->found(t->context, kind, text);
}

/* ---- who says, who hears ---- */

static const struct saga__model_step *who_says(const struct saga__choreography *all, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (saga__step_may_say(&all->steps[i], type))
			return &all->steps[i];
	return NULL;
}

static bool is_heard(const struct saga__choreography *all, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (saga__step_hears(&all->steps[i], type))
			return true;
	return all->types[type].heard_outside;
}

/* The answer of a request has a listener, its caller; what its step says later has not. */
static bool needs_a_listener(const struct saga__choreography *all, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++) {
		const struct saga__model_step *s = &all->steps[i];

		if (saga__step_may_say(s, type) &&
			(!s->request || saga__names_have(&s->undone, type)))
			return true;
	}
	return false;
}

static void tell_unsaid(const struct telling *t, unsigned type)
{
	char names[TEXT / 2] = "";

	for (unsigned i = 0; i < t->all->step_count; i++) {
		size_t length = strlen(names);

		if (saga__step_hears(&t->all->steps[i], type))
			saga__say(names + length, sizeof names - length, "%s%s", length ? ", " : "",
				t->all->steps[i].name);
	}
	tell(t, SAGA_FINDING_BREACH, "nobody emits %s, which %s needs", t->all->types[type].name,
		*names ? names : "somebody outside");
}

static void tell_types(const struct telling *t)
{
	for (unsigned type = 0; type < t->all->type_count; type++) {
		const struct saga__model_type *of = &t->all->types[type];
		const struct saga__model_step *says = who_says(t->all, type);

		if (!says && is_heard(t->all, type) && !of->request)
			tell_unsaid(t, type);
		if (says && !is_heard(t->all, type) && !of->end && !of->unheard &&
			needs_a_listener(t->all, type))
			tell(t, SAGA_FINDING_BREACH, "nobody hears %s of %s, and it is no end",
				of->name, says->name);
	}
}

/* ---- steps ---- */

static void tell_subjects(const struct telling *t, const struct saga__model_step *s)
{
	const struct saga__names *lists[] = { &s->on, &s->undo_on, &s->bar_on };

	for (unsigned k = 0; s->per_subject && k < 3; k++)
		for (unsigned i = 0; i < lists[k]->count; i++)
			for (unsigned e = 0; e < t->all->step_count; e++)
				if (!t->all->steps[e].per_subject &&
					saga__step_may_say(&t->all->steps[e], lists[k]->at[i]))
					tell(t, SAGA_FINDING_BREACH,
						"%s runs once a subject, and %s of %s has none",
						s->name, t->all->types[lists[k]->at[i]].name,
						t->all->steps[e].name);
}

static bool has_subjects(const struct saga__choreography *all, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (all->steps[i].per_subject && saga__step_may_say(&all->steps[i], type))
			return true;
	return false;
}

static void tell_first_one(const struct telling *t, const struct saga__model_step *s)
{
	for (unsigned k = 0; !s->per_subject && k < 2; k++) {
		const struct saga__names *list = k ? &s->undo_on : &s->on;

		for (unsigned i = 0; i < list->count; i++)
			if ((k || !(s->joins || s->wait_count)) &&
				has_subjects(t->all, list->at[i]))
				tell(t, SAGA_FINDING_WARNING,
					"%s runs once a saga: of all the subjects of %s the first "
					"one "
					"counts",
					s->name, t->all->types[list->at[i]].name);
	}
}

static void tell_step(const struct telling *t, const struct saga__model_step *s)
{
	tell_subjects(t, s);
	tell_first_one(t, s);
	if (s->pivot && (s->undo_on.count || s->undone.count))
		tell(t, SAGA_FINDING_BREACH, "%s: a pivot has no undo", s->name);
	if (s->covered_by != SAGA__NO_STEP) {
		const struct saga__model_step *cover = &t->all->steps[s->covered_by];

		if (!cover->undo_on.count && cover->covered_by == SAGA__NO_STEP)
			tell(t, SAGA_FINDING_BREACH, "%s is covered by %s, which has no undo",
				s->name, cover->name);
		if (!s->rejects.count && !s->request)
			tell(t, SAGA_FINDING_BREACH,
				"%s is covered by %s, and can't reject once that is undone",
				s->name, cover->name);
	}
	if (s->while_count && !s->rejects.count && !s->request)
		tell(t, SAGA_FINDING_BREACH,
			"%s takes effect only while another step is done, and can't reject",
			s->name);
}

/* ---- fields and versions ---- */

static const struct saga__model_field *field_of(
	const struct saga__model_field *fields, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* Texts and reasons are one kind on the wire; a reason is always sent, and need not be read. */
static bool same_kind(const struct saga__model_field *a, const struct saga__model_field *b)
{
	bool texts = (strcmp(a->kind, "text") == 0 || strcmp(a->kind, "reason") == 0) &&
		(strcmp(b->kind, "text") == 0 || strcmp(b->kind, "reason") == 0);

	return texts || strcmp(a->kind, b->kind) == 0;
}

struct sides {
	const char *reader;
	const char *sender;
};

static void tell_fields(const struct telling *t, struct sides of, const char *path,
	const struct saga__model_field *reads, unsigned read_count,
	const struct saga__model_field *sends, unsigned send_count)
{
	for (unsigned i = 0; i < read_count; i++) {
		const struct saga__model_field *want = &reads[i];
		const struct saga__model_field *have = field_of(sends, send_count, want->name);
		bool spare = want->optional || strcmp(want->kind, "reason") == 0;
		char deeper[TEXT / 2];

		if (!have && !spare)
			tell(t, SAGA_FINDING_BREACH, "%s reads %s.%s, which %s does not send",
				of.reader, path, want->name, of.sender);
		if (!have)
			continue;
		if (!same_kind(want, have) || (have->optional && !spare)) {
			tell(t, SAGA_FINDING_BREACH, "%s reads %s.%s as %s%s, %s sends %s%s",
				of.reader, path, want->name, want->kind, want->optional ? "?" : "",
				of.sender, have->kind, have->optional ? "?" : "");
			continue;
		}
		saga__say(deeper, sizeof deeper, "%s.%s", path, want->name);
		tell_fields(t, of, deeper, want->fields, want->field_count, have->fields,
			have->field_count);
	}
}

static bool reads(const struct saga__choreography *all, unsigned contract, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++) {
		const struct saga__model_step *s = &all->steps[i];

		if (s->contract == contract &&
			(saga__names_have(&s->on, type) || saga__names_have(&s->undo_on, type) ||
				saga__names_have(&s->bar_on, type)))
			return true;
	}
	return false;
}

static bool sends(const struct saga__choreography *all, unsigned contract, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (all->steps[i].contract == contract && saga__step_may_say(&all->steps[i], type))
			return true;
	return false;
}

/* The reader's form in that version; else its newest. */
static const struct saga__model_form *form_for(
	const struct saga__model_contract *reader, const struct saga__model_form *sent)
{
	const struct saga__model_form *newest = NULL;

	for (unsigned i = 0; i < reader->form_count; i++) {
		const struct saga__model_form *form = &reader->forms[i];

		if (form->type != sent->type)
			continue;
		if (form->version == sent->version)
			return form;
		if (!newest || form->version > newest->version)
			newest = form;
	}
	return newest;
}

static void tell_form(const struct telling *t, const struct saga__model_contract *reader,
	const struct saga__model_contract *sender, const struct saga__model_form *sent)
{
	const struct saga__model_form *read = form_for(reader, sent);
	const char *name = t->all->types[sent->type].name;
	struct sides of = { reader->participant, sender->participant };

	if (!read)
		return;
	if (read->version != sent->version)
		tell(t, SAGA_FINDING_BREACH, "%s reads %s version %d, %s sends %d", of.reader, name,
			read->version, of.sender, sent->version);
	else
		tell_fields(t, of, name, read->fields, read->field_count, sent->fields,
			sent->field_count);
}

static void tell_forms(const struct telling *t)
{
	for (unsigned r = 0; r < t->all->contract_count; r++)
		for (unsigned s = 0; s < t->all->contract_count; s++) {
			const struct saga__model_contract *sender = &t->all->contracts[s];

			for (unsigned i = 0; r != s && i < sender->form_count; i++)
				if (reads(t->all, r, sender->forms[i].type) &&
					sends(t->all, s, sender->forms[i].type))
					tell_form(t, &t->all->contracts[r], sender,
						&sender->forms[i]);
		}
}

/* ---- what is believed ---- */

static void tell_assumed(const struct telling *t)
{
	static const struct {
		size_t member;
		const char *text;
	} flags[] = {
		{ offsetof(struct saga__model_step, neutral),
			"has nothing that must be taken back" },
		{ offsetof(struct saga__model_step, owed), "will be asked for in the end" },
		{ offsetof(struct saga__model_step, undo_early),
			"may be undone before what rests on it" },
	};

	for (unsigned i = 0; i < t->all->step_count; i++) {
		const struct saga__model_step *s = &t->all->steps[i];

		for (size_t k = 0; !s->stranger && k < sizeof flags / sizeof flags[0]; k++)
			if (*(const bool *)((const char *)s + flags[k].member))
				tell(t, SAGA_FINDING_ASSUMED, "%s %s", s->name, flags[k].text);
		if (s->stranger)
			tell(t, SAGA_FINDING_ASSUMED,
				"%s is said in the end by one that is no participant", s->name);
		if (s->covered_by != SAGA__NO_STEP)
			tell(t, SAGA_FINDING_ASSUMED, "the undo of %s takes %s back, too",
				t->all->steps[s->covered_by].name, s->name);
	}
}

void saga__choreography_static(const struct saga__choreography *choreography,
	void (*found)(void *context, saga_finding_kind kind, const char *text), void *context)
{
	struct telling t = { choreography, found, context };

	tell_types(&t);
	for (unsigned i = 0; i < choreography->step_count; i++)
		tell_step(&t, &choreography->steps[i]);
	tell_forms(&t);
	tell_assumed(&t);
}
