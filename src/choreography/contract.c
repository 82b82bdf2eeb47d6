#include <saga/choreography.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/json.h"
#include "../event/sha256.h"
#include "../event/utf8.h"
#include "../step/plan.h"
#include "document.h"

/* The text is hashed as it is written; what does not fit is hashed too. */
struct out {
	char *at;
	size_t room; /* without the NUL */
	size_t length;
	struct saga__sha256 hash;
	bool begun; /* the object or list that is being written has a member */
};

static void put(struct out *out, const char *text)
{
	size_t size = strlen(text);

	if (out->length < out->room) {
		size_t room = out->room - out->length;

		memcpy(out->at + out->length, text, size < room ? size : room);
	}
	saga__sha256_add(&out->hash, text, size);
	out->length += size;
}

static void put_number(struct out *out, long long number)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%lld", number);
	put(out, text);
}

/* Texts are names, but for a `why`, which is cut at 200 bytes. */
static void put_text(struct out *out, const char *text)
{
	char quoted[6 * 256], cut[201];

	saga__say(cut, sizeof cut, "%s", text);
	(void)saga__json_text(cut, quoted, sizeof quoted);
	put(out, quoted);
}

/* ---- lists and objects ---- */

static void begin(struct out *out, const char *bracket)
{
	put(out, bracket);
	out->begun = false;
}

static void next(struct out *out, const char *between)
{
	if (out->begun)
		put(out, ",");
	put(out, between);
	out->begun = true;
}

static void name(struct out *out, const char *member)
{
	next(out, out->begun ? " " : "");
	put_text(out, member);
	put(out, ": ");
}

static void end(struct out *out, const char *bracket)
{
	put(out, bracket);
	out->begun = true;
}

/* Types of one name and two versions are one for the choreography. */
static void put_types(
	struct out *out, const char *member, const saga_type *const *types, size_t most)
{
	if (!types[0])
		return;
	name(out, member);
	begin(out, "[");
	for (size_t i = 0; i < most && types[i]; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= strcmp(types[k]->name, types[i]->name) == 0;
		if (again)
			continue;
		next(out, out->begun ? " " : "");
		put_text(out, types[i]->name);
	}
	end(out, "]");
}

static void put_flag(struct out *out, const char *member, bool value)
{
	if (!value)
		return;
	name(out, member);
	put(out, "true");
}

static void put_member(struct out *out, const char *member, const char *text)
{
	if (!text)
		return;
	name(out, member);
	put_text(out, text);
}

/* ---- a step ---- */

static void put_after(struct out *out, const saga_step_def *step)
{
	if (!step->after[0].event)
		return;
	name(out, "after");
	begin(out, "[");
	for (size_t i = 0; i < SAGA_EVENTS && step->after[i].event; i++) {
		const saga_later *after = &step->after[i];

		next(out, out->begun ? " " : "");
		begin(out, "{");
		put_member(out, "event", after->event->name);
		put_types(out, "unless", after->unless, SAGA_EVENTS);
		put_flag(out, "maybe", after->maybe);
		put_flag(out, "again", after->again);
		end(out, "}");
	}
	end(out, "]");
}

static void put_waits(struct out *out, const saga_step_def *step)
{
	size_t count = saga__conditions_count(step);

	if (!count)
		return;
	name(out, "waits");
	begin(out, "[");
	for (size_t i = 0; i < count; i++) {
		const saga_condition *wait = &step->waits[i];

		next(out, out->begun ? " " : "");
		begin(out, "{");
		put_member(out, "why", wait->why);
		put_types(out, "until", wait->until, SAGA_EVENTS);
		put_member(out, "held", wait->held);
		put_member(out, "freed", wait->freed);
		put_flag(out, "maybe", wait->maybe);
		end(out, "}");
	}
	end(out, "]");
}

static void put_only_while(struct out *out, const saga_step_def *step)
{
	if (!step->only_while[0])
		return;
	name(out, "only_while");
	begin(out, "[");
	for (size_t i = 0; i < SAGA_CONDITIONS && step->only_while[i]; i++) {
		next(out, out->begun ? " " : "");
		put_text(out, step->only_while[i]);
	}
	end(out, "]");
}

static void put_step(struct out *out, const saga_step_def *step)
{
	next(out, "\n  ");
	begin(out, "{");
	put_member(out, "name", step->name);
	put_member(out, "was", step->was);
	put_types(out, "on", step->on, SAGA_EVENTS);
	put_member(out, "join", step->join == SAGA_ALL ? "all" : NULL);
	put_types(out, "emits", step->emits, SAGA_EVENTS);
	put_types(out, "rejects", step->rejects, SAGA_EVENTS);
	put_types(out, "undo_on", step->undo_on, SAGA_EVENTS);
	put_types(out, "undone", step->undone, SAGA_EVENTS);
	put_types(out, "bar_on", step->bar_on, SAGA_EVENTS);
	put_flag(out, "pivot", step->pivot);
	put_flag(out, "per_subject", step->per_subject);
	put_flag(out, "outside", step->outside.call != NULL);
	put_flag(out, "undo_outside", step->undo_outside.call != NULL);
	put_flag(out, "reads_only", step->reads_only);
	put_after(out, step);
	put_waits(out, step);
	put_only_while(out, step);
	put_member(out, "covered_by", step->covered_by);
	put_flag(out, "neutral", step->neutral);
	put_flag(out, "owed", step->owed);
	put_flag(out, "undo_early", step->undo_early);
	if (step->within_ms) {
		name(out, "within_ms");
		put_number(out, step->within_ms);
	}
	end(out, "}");
}

/* ---- the types ---- */

static const char *kind_of(int kind)
{
	switch (kind & ~(SAGA_KIND_OPTIONAL | SAGA_KIND_LABEL)) {
	case SAGA_KIND_TEXT:
		return "text";
	case SAGA_KIND_TEXT | SAGA_KIND_REASON:
		return "reason";
	case SAGA_KIND_INT64:
		return "int64";
	case SAGA_KIND_FLAG:
		return "flag";
	case SAGA_KIND_BYTES:
		return "bytes";
	case SAGA_KIND_ID:
		return "id";
	case SAGA_KIND_PART:
		return "part";
	case SAGA_KIND_LIST:
		return "list";
	}
	assert(false); /* the plan has checked the kinds */
	return "";
}

static void put_fields(struct out *out, const saga_shape *shape)
{
	begin(out, "{");
	for (size_t i = 0; i < shape->field_count; i++) {
		const saga_field *field = &shape->fields[i];
		char kind[16];

		(void)snprintf(kind, sizeof kind, "%s%s", kind_of(field->kind),
			field->kind & SAGA_KIND_OPTIONAL ? "?" : "");
		name(out, field->name);
		if (!field->of) {
			put_text(out, kind);
			continue;
		}
		begin(out, "{");
		name(out, kind);
		put_fields(out, field->of);
		end(out, "}");
	}
	end(out, "}");
}

static void put_labels(struct out *out, const saga_shape *shape)
{
	bool any = false;

	for (size_t i = 0; i < shape->field_count; i++) {
		if (!(shape->fields[i].kind & SAGA_KIND_LABEL))
			continue;
		if (!any) {
			name(out, "labels");
			begin(out, "[");
		}
		any = true;
		next(out, out->begun ? " " : "");
		put_text(out, shape->fields[i].name);
	}
	if (any)
		end(out, "]");
}

static void put_type(struct out *out, const saga_type *type)
{
	next(out, "\n  ");
	begin(out, "{");
	put_member(out, "type", type->name);
	name(out, "version");
	put_number(out, type->version);
	name(out, "fields");
	put_fields(out, &type->body);
	put_labels(out, &type->body);
	end(out, "}");
}

/* ---- the whole ---- */

static void put_requests(struct out *out, const struct saga__plan *plan)
{
	bool any = false;

	for (size_t i = 0; i < plan->type_count; i++) {
		if (!plan->types[i].type->request)
			continue;
		if (!any) {
			next(out, "\n ");
			put(out, "\"requests\": ");
			begin(out, "[");
		}
		any = true;
		next(out, out->begun ? " " : "");
		put_text(out, plan->types[i].type->name);
	}
	if (any)
		end(out, "]");
}

static void put_ends(struct out *out, const struct saga__plan *plan)
{
	if (!plan->ends[0].event)
		return;
	next(out, "\n ");
	put(out, "\"ends\": ");
	begin(out, "{");
	for (size_t i = 0; i < SAGA_ENDS && plan->ends[i].event; i++)
		put_member(out, plan->ends[i].event->name,
			plan->ends[i].kind == SAGA_END_DONE ? "done" : "undone");
	end(out, "}");
}

static void put_plan(struct out *out, const struct saga__plan *plan)
{
	begin(out, "{");
	put(out, "\"contract\": ");
	put_number(out, SAGA__CONTRACT_FORM);
	put(out, ",\n \"participant\": ");
	put_text(out, plan->name);
	out->begun = true;
	put_requests(out, plan);
	put(out, ",\n \"steps\": ");
	begin(out, "[");
	for (size_t i = 0; i < plan->step_count; i++)
		put_step(out, &plan->steps[i]);
	end(out, "]");
	put_ends(out, plan);
	if (plan->unheard[0]) {
		put(out, ",\n ");
		out->begun = false;
		put_types(out, "unheard", plan->unheard, SAGA_ENDS);
	}
	put(out, ",\n \"types\": ");
	begin(out, "[");
	for (size_t i = 0; i < plan->type_count; i++)
		put_type(out, plan->types[i].type);
	end(out, "]");
}

static void put_digest(struct out *out)
{
	unsigned char digest[32];
	char text[2 * sizeof digest + 1];

	saga__sha256_end(&out->hash, digest);
	for (size_t i = 0; i < sizeof digest; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	saga__sha256_init(&out->hash);
	put(out, ",\n \"digest\": ");
	put_text(out, text);
	put(out, "}\n");
}

size_t saga_contract_json(const saga_participant_def *def, char *buffer, size_t size)
{
	struct out out = { .at = buffer, .room = size ? size - 1 : 0 };
	struct saga__plan *plan;

	if (saga__plan_new(def, &plan, NULL) == SAGA_OK) {
		saga__sha256_init(&out.hash);
		put_plan(&out, plan);
		put_digest(&out);
		saga__plan_free(plan);
	}
	if (size)
		buffer[out.length < out.room ? out.length : out.room] = '\0';
	return out.length;
}
