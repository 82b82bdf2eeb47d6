#include "document.h"

#include "saga_config.h"

#ifdef SAGA_HAVE_JSON

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../event/schema.h"
#include "../event/utf8.h"

/* Errors are sticky: after the first one nothing is read. */
struct reading {
	struct saga__choreography *all;
	unsigned at;
	int code;
	saga_error *error;
	char place[120]; /* "step reserve: " */
};

static bool wrong(struct reading *r, const char *format, ...) SAGA_PRINTF(2, 3);

static bool wrong(struct reading *r, const char *format, ...)
{
	char text[SAGA_ERROR_TEXT];
	va_list list;

	if (r->code != SAGA_OK)
		return false;
	va_start(list, format);
	saga__vsay(text, sizeof text, format, list);
	va_end(list);
	r->code = saga_error_set(r->error, SAGA_MALFORMED, "%s%s", r->place, text);
	return false;
}

static void *room_for(struct reading *r, size_t count, size_t size)
{
	void *at = saga__arena_calloc(&r->all->arena, count ? count : 1, size);

	if (!at && r->code == SAGA_OK)
		r->code = saga_error_set(r->error, SAGA_NOMEM, "the contracts are too large");
	return at;
}

static const char *kept(struct reading *r, const char *text)
{
	const char *copy = saga__arena_text(&r->all->arena, text, strlen(text));

	if (!copy && r->code == SAGA_OK)
		r->code = saga_error_set(r->error, SAGA_NOMEM, "the contracts are too large");
	return copy ? copy : "";
}

/* ---- values ---- */

static bool is_name(const json_t *value)
{
	size_t size = json_string_length(value);

	return size && size <= SAGA__NAME_MOST && strlen(json_string_value(value)) == size &&
		strspn(json_string_value(value),
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		size;
}

static const char *take_name(struct reading *r, const json_t *of, const char *member, bool must)
{
	const json_t *value = json_object_get(of, member);

	if (!value && !must)
		return NULL;
	if (!is_name(value))
		return wrong(r, "%s: %s", member,
			       value ? "is no name of 1 to 63 of A-Z a-z 0-9 . _ -" : "is missing"),
		       NULL;
	return kept(r, json_string_value(value));
}

static bool take_flag(struct reading *r, const json_t *of, const char *member)
{
	const json_t *value = json_object_get(of, member);

	if (value && !json_is_boolean(value))
		return wrong(r, "%s: is neither true nor false", member);
	return json_is_true(value);
}

static unsigned type_of(struct reading *r, const char *name)
{
	struct saga__choreography *all = r->all;

	for (unsigned i = 0; i < all->type_count; i++)
		if (strcmp(all->types[i].name, name) == 0)
			return i;
	if (all->type_count == SAGA__MODEL_TYPES) {
		(void)wrong(r, "more than %d types", SAGA__MODEL_TYPES);
		return 0;
	}
	all->types[all->type_count].name = kept(r, name);
	return all->type_count++;
}

static void take_type(
	struct reading *r, const json_t *value, const char *member, struct saga__names *names)
{
	unsigned type;

	if (!is_name(value)) {
		(void)wrong(r, "%s: holds what is no type's name", member);
		return;
	}
	type = type_of(r, json_string_value(value));
	if (saga__names_have(names, type))
		(void)wrong(r, "%s: %s twice", member, json_string_value(value));
	else if (names->count == SAGA_EVENTS)
		(void)wrong(r, "%s: more than %d types", member, SAGA_EVENTS);
	else
		names->at[names->count++] = type;
}

/* NULL: there is no such member. */
static const json_t *take_list(struct reading *r, const json_t *of, const char *member)
{
	const json_t *list = json_object_get(of, member);

	if (list && !json_is_array(list))
		return wrong(r, "%s: is no list", member), NULL;
	return list;
}

static void take_types(
	struct reading *r, const json_t *of, const char *member, struct saga__names *ret_names)
{
	const json_t *list = take_list(r, of, member);

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++)
		take_type(r, json_array_get(list, i), member, ret_names);
}

/* Whoever misspells a member would else believe that it counts. */
static void refuse_unknown(struct reading *r, json_t *of, const char *const *known, size_t count)
{
	const char *member;
	json_t *value;

	json_object_foreach(of, member, value)
	{
		bool found = false;

		for (size_t i = 0; i < count; i++)
			found |= strcmp(member, known[i]) == 0;
		if (!found)
			(void)wrong(r, "%s: no such member", member);
	}
}

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* ---- a step ---- */

static void take_after(struct reading *r, const json_t *step, struct saga__model_step *to)
{
	static const char *const known[] = { "event", "unless", "maybe", "again" };
	const json_t *list = take_list(r, step, "after");

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		json_t *entry = json_array_get(list, i);
		struct saga__model_after *after = &to->after[to->after_count];
		struct saga__names event = { 0, { 0 } };

		if (to->after_count == SAGA_EVENTS) {
			(void)wrong(r, "after: more than %d entries", SAGA_EVENTS);
			return;
		}
		if (!json_is_object(entry)) {
			(void)wrong(r, "after: holds what is no object");
			return;
		}
		refuse_unknown(r, entry, known, COUNT(known));
		take_type(r, json_object_get(entry, "event"), "after: event", &event);
		take_types(r, entry, "unless", &after->unless);
		after->event = event.at[0];
		after->maybe = take_flag(r, entry, "maybe");
		after->again = take_flag(r, entry, "again");
		to->after_count++;
	}
}

static void take_waits(struct reading *r, const json_t *step, struct saga__model_step *to)
{
	static const char *const known[] = { "why", "until", "held", "freed", "maybe" };
	const json_t *list = take_list(r, step, "waits");

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		json_t *entry = json_array_get(list, i);
		struct saga__model_wait *wait = &to->waits[to->wait_count];
		const json_t *why = json_object_get(entry, "why");

		if (to->wait_count == SAGA_CONDITIONS) {
			(void)wrong(r, "waits: more than %d entries", SAGA_CONDITIONS);
			return;
		}
		if (!json_is_object(entry) || (why && !json_is_string(why))) {
			(void)wrong(
				r, "waits: holds what is no object, or a `why` that is no text");
			return;
		}
		refuse_unknown(r, entry, known, COUNT(known));
		wait->why = why ? kept(r, json_string_value(why)) : NULL;
		take_types(r, entry, "until", &wait->until);
		wait->held_name = take_name(r, entry, "held", false);
		wait->freed_name = take_name(r, entry, "freed", false);
		wait->maybe = take_flag(r, entry, "maybe");
		to->wait_count++;
	}
}

static void take_only_while(struct reading *r, const json_t *step, struct saga__model_step *to)
{
	const json_t *list = take_list(r, step, "only_while");

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		const json_t *name = json_array_get(list, i);

		if (to->while_count == SAGA_CONDITIONS)
			(void)wrong(r, "only_while: more than %d steps", SAGA_CONDITIONS);
		else if (!is_name(name))
			(void)wrong(r, "only_while: holds what is no step's name");
		else
			to->while_names[to->while_count++] = kept(r, json_string_value(name));
	}
}

static void take_members(struct reading *r, json_t *step, struct saga__model_step *to)
{
	static const char *const known[] = { "name", "was", "on", "join", "emits", "rejects",
		"undo_on", "undone", "bar_on", "after", "waits", "only_while", "covered_by",
		"pivot", "per_subject", "outside", "undo_outside", "reads_only", "neutral", "owed",
		"undo_early", "within_ms" };
	const json_t *join = json_object_get(step, "join");
	const json_t *within = json_object_get(step, "within_ms");

	refuse_unknown(r, step, known, COUNT(known));
	(void)take_name(r, step, "was", false);
	take_types(r, step, "on", &to->on);
	take_types(r, step, "emits", &to->emits);
	take_types(r, step, "rejects", &to->rejects);
	take_types(r, step, "undo_on", &to->undo_on);
	take_types(r, step, "undone", &to->undone);
	take_types(r, step, "bar_on", &to->bar_on);
	take_after(r, step, to);
	take_waits(r, step, to);
	take_only_while(r, step, to);
	to->covered_name = take_name(r, step, "covered_by", false);
	if (join &&
		(!json_is_string(join) ||
			(strcmp(json_string_value(join), "all") != 0 &&
				strcmp(json_string_value(join), "any") != 0)))
		(void)wrong(r, "join: is neither \"all\" nor \"any\"");
	to->joins = join && json_is_string(join) && strcmp(json_string_value(join), "all") == 0;
	if (within && (!json_is_integer(within) || json_integer_value(within) < 0))
		(void)wrong(r, "within_ms: is no number of milliseconds");
	to->pivot = take_flag(r, step, "pivot");
	to->per_subject = take_flag(r, step, "per_subject");
	to->outside = take_flag(r, step, "outside");
	to->undo_outside = take_flag(r, step, "undo_outside");
	to->reads_only = take_flag(r, step, "reads_only");
	to->neutral = take_flag(r, step, "neutral");
	to->owed = take_flag(r, step, "owed");
	to->undo_early = take_flag(r, step, "undo_early");
}

/* NULL: there is no room for another one. */
static struct saga__model_step *add_step(struct reading *r, const char *own)
{
	struct saga__choreography *all = r->all;
	const char *participant = all->contracts[r->at].participant;
	struct saga__model_step *to = &all->steps[all->step_count];
	char name[2 * SAGA__NAME_MOST + 2];

	if (all->step_count == SAGA__MODEL_STEPS)
		return wrong(r, "more than %d steps in all", SAGA__MODEL_STEPS), NULL;
	(void)snprintf(name, sizeof name, "%s.%s", participant, own);
	to->contract = r->at;
	to->at = all->step_count++;
	to->own = own;
	to->name = kept(r, name);
	to->covered_by = SAGA__NO_STEP;
	return to;
}

static void take_steps(struct reading *r, const json_t *contract)
{
	const json_t *list = take_list(r, contract, "steps");

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		json_t *step = json_array_get(list, i);
		struct saga__model_step *to;
		const char *own;

		(void)snprintf(r->place, sizeof r->place, "steps[%zu]: ", i);
		if (!json_is_object(step)) {
			(void)wrong(r, "is no object");
			return;
		}
		if (!(own = take_name(r, step, "name", true)))
			return;
		(void)snprintf(r->place, sizeof r->place, "step %s: ", own);
		for (unsigned k = 0; k < r->all->step_count; k++)
			if (r->all->steps[k].contract == r->at &&
				strcmp(r->all->steps[k].own, own) == 0)
				(void)wrong(r, "is there twice");
		if ((to = add_step(r, own)))
			take_members(r, step, to);
	}
	r->place[0] = '\0';
}

/* ---- the types ---- */

enum {
	LEVELS = SAGA__DEPTH
};

static void take_fields(struct reading *r, json_t *fields, unsigned depth,
	struct saga__model_field **ret_fields, unsigned *ret_count);

/* { "list": FIELDS }, { "part": FIELDS }, { "part?": FIELDS } */
static void take_nested(
	struct reading *r, json_t *value, unsigned depth, struct saga__model_field *to)
{
	static const char *const kinds[] = { "list", "part", "part?" };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		json_t *fields = json_object_get(value, kinds[i]);

		if (json_object_size(value) != 1 || !json_is_object(fields))
			continue;
		to->kind = i ? "part" : "list";
		to->optional = i == 2;
		take_fields(r, fields, depth + 1, &to->fields, &to->field_count);
		return;
	}
	(void)wrong(r, "%s: is neither a kind nor { \"list\": FIELDS } or { \"part\": FIELDS }",
		to->name);
}

static void take_kind(struct reading *r, const char *kind, struct saga__model_field *to)
{
	static const char *const kinds[] = { "text", "reason", "int64", "flag", "bytes", "id" };
	size_t size = strlen(kind);

	to->optional = size && kind[size - 1] == '?';
	size -= to->optional;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strlen(kinds[i]) == size && memcmp(kinds[i], kind, size) == 0)
			to->kind = kinds[i];
	if (!to->kind)
		(void)wrong(r, "%s: `%.20s` is no kind of a field", to->name, kind);
}

static void take_fields(struct reading *r, json_t *fields, unsigned depth,
	struct saga__model_field **ret_fields, unsigned *ret_count)
{
	struct saga__model_field *to = room_for(r, json_object_size(fields), sizeof *to);
	const char *name;
	json_t *value;

	*ret_fields = to;
	*ret_count = (unsigned)json_object_size(fields);
	if (depth > LEVELS)
		(void)wrong(r, "nests deeper than %d", LEVELS);
	json_object_foreach(fields, name, value)
	{
		if (r->code != SAGA_OK)
			return;
		to->name = kept(r, name);
		if (json_is_string(value))
			take_kind(r, json_string_value(value), to);
		else
			take_nested(r, value, depth, to);
		to++;
	}
}

static void take_form(struct reading *r, json_t *entry, struct saga__model_form *to)
{
	static const char *const known[] = { "type", "version", "fields", "labels" };
	json_t *fields = json_object_get(entry, "fields");
	const json_t *version = json_object_get(entry, "version");
	const char *name = take_name(r, entry, "type", true);

	if (!name)
		return;
	(void)snprintf(r->place, sizeof r->place, "type %s: ", name);
	refuse_unknown(r, entry, known, COUNT(known));
	to->type = type_of(r, name);
	to->version = json_is_integer(version) && json_integer_value(version) > 0 &&
			json_integer_value(version) < 1000000
		? (int)json_integer_value(version)
		: 0;
	if (!to->version)
		(void)wrong(r, "version: is no number from 1");
	if (!json_is_object(fields))
		(void)wrong(r, "fields: is no object");
	(void)take_list(r, entry, "labels");
	if (r->code == SAGA_OK)
		take_fields(r, fields, 1, &to->fields, &to->field_count);
}

static void take_forms(struct reading *r, const json_t *contract)
{
	struct saga__model_contract *to = &r->all->contracts[r->at];
	const json_t *list = take_list(r, contract, "types");

	to->forms = room_for(r, json_array_size(list), sizeof *to->forms);
	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		json_t *entry = json_array_get(list, i);

		(void)snprintf(r->place, sizeof r->place, "types[%zu]: ", i);
		if (!json_is_object(entry)) {
			(void)wrong(r, "is no object");
			return;
		}
		take_form(r, entry, &to->forms[to->form_count]);
		for (unsigned k = 0; k < to->form_count; k++)
			if (to->forms[k].type == to->forms[to->form_count].type &&
				to->forms[k].version == to->forms[to->form_count].version)
				(void)wrong(r, "is there twice in one version");
		to->form_count++;
	}
	r->place[0] = '\0';
}

/* ---- the whole ---- */

static void take_ends(struct reading *r, json_t *contract)
{
	json_t *ends = json_object_get(contract, "ends"), *value;
	const char *name;

	if (ends && !json_is_object(ends))
		(void)wrong(r, "ends: is no object");
	json_object_foreach(ends, name, value)
	{
		unsigned type = type_of(r, name);
		const char *how = json_is_string(value) ? json_string_value(value) : "";
		int kind = strcmp(how, "done") == 0  ? SAGA_END_DONE
			: strcmp(how, "undone") == 0 ? SAGA_END_UNDONE
						     : 0;

		if (!kind)
			(void)wrong(r, "ends: %s: is neither \"done\" nor \"undone\"", name);
		if (r->all->types[type].end && r->all->types[type].end != kind)
			(void)wrong(r, "ends: %s: %s calls it another end", name,
				r->all->contracts[r->all->types[type].end_of].file);
		r->all->types[type].end = kind;
		r->all->types[type].end_of = r->at;
	}
}

enum mark {
	REQUESTS,
	UNHEARD,
	HEARS
};

static void take_marks(
	struct reading *r, const json_t *contract, const char *member, enum mark mark)
{
	const json_t *list = take_list(r, contract, member);

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		const json_t *name = json_array_get(list, i);
		struct saga__model_type *type;

		if (!is_name(name)) {
			(void)wrong(r, "%s: holds what is no type's name", member);
			return;
		}
		type = &r->all->types[type_of(r, json_string_value(name))];
		type->request |= mark == REQUESTS;
		type->unheard |= mark == UNHEARD;
		type->heard_outside |= mark == HEARS;
	}
}

static void take_heard(struct reading *r, const json_t *contract)
{
	struct saga__model_contract *to = &r->all->contracts[r->at];
	const json_t *list = take_list(r, contract, "hears");

	take_marks(r, contract, "hears", HEARS);
	to->heard = room_for(r, json_array_size(list), sizeof *to->heard);
	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++)
		to->heard[to->heard_count++] =
			type_of(r, json_string_value(json_array_get(list, i)));
}

/* A stranger may say its events at any time after one of those that it hears, or never. */
static void take_says(struct reading *r, const json_t *contract)
{
	const json_t *list = take_list(r, contract, "says");

	for (size_t i = 0; i < json_array_size(list) && r->code == SAGA_OK; i++) {
		const json_t *name = json_array_get(list, i);
		struct saga__model_step *to;

		if (!is_name(name)) {
			(void)wrong(r, "says: holds what is no type's name");
			return;
		}
		if (!(to = add_step(r, kept(r, json_string_value(name)))))
			return;
		to->emits = (struct saga__names){ 1, { type_of(r, to->own) } };
		to->stranger = to->request = to->owed = to->neutral = true;
		take_types(r, contract, "hears", &to->on);
	}
}

static void take_contract(struct reading *r, json_t *contract)
{
	static const char *const known[] = { "contract", "participant", "requests", "steps", "ends",
		"unheard", "hears", "says", "types", "digest" };
	const json_t *form = json_object_get(contract, "contract");
	const char *participant;

	if (!json_is_object(contract) || !json_is_integer(form)) {
		(void)wrong(r, "is no contract: it has no `contract`, the version of its form");
		return;
	}
	if (json_integer_value(form) != SAGA__CONTRACT_FORM) {
		(void)wrong(r, "contract: is of form %lld; this build knows %d",
			(long long)json_integer_value(form), SAGA__CONTRACT_FORM);
		return;
	}
	refuse_unknown(r, contract, known, COUNT(known));
	if (!(participant = take_name(r, contract, "participant", true)))
		return;
	r->all->contracts[r->at].participant = participant;
	if (json_object_get(contract, "steps") &&
		(json_object_get(contract, "hears") || json_object_get(contract, "says")))
		(void)wrong(r, "steps: a participant has no `hears` or `says`: its steps tell");
	take_marks(r, contract, "requests", REQUESTS);
	take_steps(r, contract);
	take_ends(r, contract);
	take_marks(r, contract, "unheard", UNHEARD);
	take_heard(r, contract);
	take_says(r, contract);
	take_forms(r, contract);
}

int saga__document_read(
	struct saga__choreography *choreography, unsigned at, const char *json, saga_error *error)
{
	struct reading r = { choreography, at, SAGA_OK, error, "" };
	json_error_t where;
	json_t *contract = json_loads(json, JSON_REJECT_DUPLICATES, &where);

	if (contract)
		take_contract(&r, contract);
	else
		(void)wrong(&r, "line %d, column %d: %s", where.line, where.column, where.text);
	json_decref(contract);
	return r.code;
}

#else

int saga__document_read(
	struct saga__choreography *choreography, unsigned at, const char *json, saga_error *error)
{
	(void)choreography, (void)at, (void)json;
	return saga_error_set(error, SAGA_UNSUPPORTED, "this build has no JSON");
}

#endif
