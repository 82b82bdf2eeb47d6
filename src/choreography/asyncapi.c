/* A choreography as AsyncAPI 3.0 (asyncapi.com/docs/reference/specification/v3.0.0), in JSON. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/schema.h"
#include "../event/sha256.h"
#include "json_schema.h"
#include "text.h"

enum {
	NAME_ROOM = 4 * SAGA__NAME_MOST /* participant, step, role and type */
};

static void put_piece(void *context, const char *at, size_t size)
{
	saga__text_add(context, "%.*s", (int)size, at);
}

static void put_member(struct saga__json *json, const char *name, const char *text)
{
	saga__json_name(json, name);
	saga__json_put_text(json, text);
}

static void open_member(struct saga__json *json, const char *name, char bracket)
{
	saga__json_name(json, name);
	saga__json_open(json, bracket);
}

static void put_ref(struct saga__json *json, const char *to, const char *name)
{
	char ref[NAME_ROOM + 64];

	(void)snprintf(ref, sizeof ref, "%s%s", to, name);
	saga__json_open(json, '{');
	put_member(json, "$ref", ref);
	saga__json_close(json, '}');
}

/* ---- the forms of a type ---- */

/* Whether it was met before, in an earlier contract. */
static bool is_known(const struct saga__choreography *all, unsigned contract,
	const struct saga__model_form *form)
{
	for (unsigned i = 0; i < contract; i++)
		for (unsigned k = 0; k < all->contracts[i].form_count; k++)
			if (all->contracts[i].forms[k].type == form->type &&
				all->contracts[i].forms[k].version == form->version)
				return true;
	return false;
}

static bool says(const struct saga__choreography *all, unsigned contract, unsigned type)
{
	for (unsigned i = 0; i < all->step_count; i++)
		if (all->steps[i].contract == contract && saga__step_may_say(&all->steps[i], type))
			return true;
	return false;
}

/* The emitter of a type knows all of its fields; a reader may declare fewer. */
static const struct saga__model_form *form_of(
	const struct saga__choreography *all, unsigned type, int version)
{
	const struct saga__model_form *found = NULL;

	for (unsigned i = 0; i < all->contract_count; i++)
		for (unsigned k = 0; k < all->contracts[i].form_count; k++) {
			const struct saga__model_form *form = &all->contracts[i].forms[k];

			if (form->type == type && form->version == version &&
				(!found || says(all, i, type)))
				found = form;
		}
	return found;
}

typedef void visit_form(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_form *form);

/* Visits each version of each type once; of a `type` that is given, of it alone. */
static void each_form(struct saga__json *json, const struct saga__choreography *all,
	const unsigned *type, visit_form *visit)
{
	for (unsigned i = 0; i < all->contract_count; i++)
		for (unsigned k = 0; k < all->contracts[i].form_count; k++) {
			const struct saga__model_form *form = &all->contracts[i].forms[k];

			if ((!type || form->type == *type) && !is_known(all, i, form))
				visit(json, all, form_of(all, form->type, form->version));
		}
}

static void message_name(const struct saga__choreography *all, const struct saga__model_form *form,
	char name[NAME_ROOM])
{
	(void)snprintf(name, NAME_ROOM, "%s.%d", all->types[form->type].name, form->version);
}

/* ---- the components ---- */

static void put_text_schema(struct saga__json *json, const char *name, const char *format)
{
	open_member(json, name, '{');
	put_member(json, "type", "string");
	if (format)
		put_member(json, "format", format);
	saga__json_close(json, '}');
}

static void put_id_schema(struct saga__json *json, const char *name)
{
	open_member(json, name, '{');
	saga__json_schema_put_id(json);
	saga__json_close(json, '}');
}

/* The attributes that all events have. */
static void put_envelope(struct saga__json *json)
{
	static const char *const required[] = { "specversion", "id", "source", "type", "sagaid",
		"time" };

	open_member(json, "cloudevent", '{');
	put_member(json, "title", "A CloudEvents 1.0 event of a saga");
	put_member(json, "type", "object");
	open_member(json, "properties", '{');
	open_member(json, "specversion", '{');
	put_member(json, "const", "1.0");
	saga__json_close(json, '}');
	put_id_schema(json, "id");
	put_text_schema(json, "source", NULL);
	put_text_schema(json, "type", NULL);
	open_member(json, "version", '{');
	put_member(json, "type", "integer");
	saga__json_name(json, "minimum");
	saga__json_put_int(json, 1);
	saga__json_close(json, '}');
	put_id_schema(json, "sagaid");
	put_text_schema(json, "time", "date-time");
	open_member(json, "sequence", '{');
	put_member(json, "type", "string");
	put_member(json, "pattern", "^[0-9]+$");
	saga__json_close(json, '}');
	put_id_schema(json, "causationid");
	put_text_schema(json, "subject", NULL);
	put_text_schema(json, "traceparent", NULL);
	saga__json_close(json, '}');
	open_member(json, "required", '[');
	for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
		saga__json_put_text(json, required[i]);
	saga__json_close(json, ']');
	saga__json_close(json, '}');
}

static void put_schema(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_form *form)
{
	char name[NAME_ROOM];

	message_name(all, form, name);
	open_member(json, name, '{');
	put_member(json, "title", name);
	saga__json_schema_put(json, form, all->types[form->type].request);
	saga__json_close(json, '}');
}

/* The type and its version are fixed, and the body has its schema. */
static void put_payload(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_form *form, const char *name)
{
	open_member(json, "payload", '{');
	open_member(json, "allOf", '[');
	put_ref(json, "#/components/schemas/", "cloudevent");
	saga__json_open(json, '{');
	put_member(json, "type", "object");
	open_member(json, "properties", '{');
	open_member(json, "type", '{');
	put_member(json, "const", all->types[form->type].name);
	saga__json_close(json, '}');
	open_member(json, "version", '{');
	saga__json_name(json, "const");
	saga__json_put_int(json, form->version);
	saga__json_close(json, '}');
	saga__json_name(json, "data");
	put_ref(json, "#/components/schemas/", name);
	saga__json_close(json, '}');
	saga__json_close(json, '}');
	saga__json_close(json, ']');
	saga__json_close(json, '}');
}

static void put_message(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_form *form)
{
	char name[NAME_ROOM];

	if (all->types[form->type].request)
		return;
	message_name(all, form, name);
	open_member(json, name, '{');
	put_member(json, "name", all->types[form->type].name);
	put_member(json, "title", name);
	put_member(json, "contentType", "application/cloudevents+json");
	put_payload(json, all, form, name);
	saga__json_close(json, '}');
}

/* ---- who sends, who receives ---- */

static void put_message_ref(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_form *form)
{
	char name[NAME_ROOM];

	message_name(all, form, name);
	saga__json_name(json, name);
	put_ref(json, "#/components/messages/", name);
}

/* Each type of event is a channel: over NATS the subjects that end so. */
static void put_channels(struct saga__json *json, const struct saga__choreography *all)
{
	open_member(json, "channels", '{');
	for (unsigned i = 0; i < all->type_count; i++) {
		const struct saga__model_type *type = &all->types[i];

		if (type->request)
			continue;
		open_member(json, type->name, '{');
		put_member(json, "address", type->name);
		if (type->end)
			put_member(json, "description",
				type->end == SAGA_END_DONE ? "Ends a saga: it is done."
							   : "Ends a saga: it is undone.");
		open_member(json, "messages", '{');
		each_form(json, all, &i, put_message_ref);
		saga__json_close(json, '}');
		saga__json_close(json, '}');
	}
	saga__json_close(json, '}');
}

struct operation {
	const char *participant;
	const char *step; /* NULL: one that is no participant has none */
	const char *role; /* "on", "emits" */
	bool sends;
};

static void put_operation(struct saga__json *json, const struct saga__choreography *all,
	const struct operation *of, unsigned type)
{
	const char *event = all->types[type].name;
	char name[NAME_ROOM];

	if (all->types[type].request)
		return;
	(void)snprintf(name, sizeof name, "%s%s%s %s %s", of->participant, of->step ? "." : "",
		of->step ? of->step : "", of->role, event);
	open_member(json, name, '{');
	put_member(json, "action", of->sends ? "send" : "receive");
	saga__json_name(json, "channel");
	put_ref(json, "#/channels/", event);
	put_member(json, "title", name);
	open_member(json, "tags", '[');
	saga__json_open(json, '{');
	put_member(json, "name", of->participant);
	saga__json_close(json, '}');
	saga__json_close(json, ']');
	saga__json_close(json, '}');
}

static void put_operations_of(struct saga__json *json, const struct saga__choreography *all,
	struct operation of, const char *role, bool sends, const struct saga__names *types)
{
	of.role = role;
	of.sends = sends;
	for (unsigned i = 0; i < types->count; i++)
		put_operation(json, all, &of, types->at[i]);
}

static void put_step(struct saga__json *json, const struct saga__choreography *all,
	const struct saga__model_step *step)
{
	struct operation of = { all->contracts[step->contract].participant, step->own, "says",
		true };

	if (step->stranger) {
		of.step = NULL;
		put_operation(json, all, &of, step->emits.at[0]);
		return;
	}
	put_operations_of(json, all, of, "on", false, &step->on);
	put_operations_of(json, all, of, "undo_on", false, &step->undo_on);
	put_operations_of(json, all, of, "bar_on", false, &step->bar_on);
	put_operations_of(json, all, of, "emits", true, &step->emits);
	put_operations_of(json, all, of, "rejects", true, &step->rejects);
	put_operations_of(json, all, of, "undone", true, &step->undone);
	for (unsigned i = 0; i < step->after_count; i++) {
		of.role = "after";
		put_operation(json, all, &of, step->after[i].event);
	}
}

static void put_operations(struct saga__json *json, const struct saga__choreography *all)
{
	open_member(json, "operations", '{');
	for (unsigned i = 0; i < all->step_count; i++)
		put_step(json, all, &all->steps[i]);
	for (unsigned i = 0; i < all->contract_count; i++) {
		struct operation of = { all->contracts[i].participant, NULL, "hears", false };

		for (unsigned k = 0; k < all->contracts[i].heard_count; k++)
			put_operation(json, all, &of, all->contracts[i].heard[k]);
	}
	saga__json_close(json, '}');
}

/* ---- the documents ---- */

/* The same contracts in the same order have the same version. */
static void put_info(struct saga__json *json, const struct saga__choreography *all,
	const saga_contract *contracts)
{
	struct saga__sha256 hash;
	unsigned char digest[32];
	struct saga__text title = { 0 };
	char version[13] = "";

	saga__sha256_init(&hash);
	for (unsigned i = 0; i < all->contract_count; i++) {
		saga__sha256_add(&hash, contracts[i].json, strlen(contracts[i].json));
		saga__text_add(&title, "%s%s", i ? ", " : "", all->contracts[i].participant);
	}
	saga__sha256_end(&hash, digest);
	for (size_t i = 0; i < 6; i++)
		(void)snprintf(version + 2 * i, 3, "%02x", digest[i]);
	open_member(json, "info", '{');
	put_member(json, "title", title.at ? title.at : "");
	put_member(json, "version", version);
	put_member(json, "description",
		"A choreography: each participant reacts to the events of the others. An event "
		"type "
		"is a channel.");
	saga__json_close(json, '}');
	((struct saga__text *)json->context)->no_memory |= title.no_memory;
	free(title.at);
}

static void put_document(struct saga__json *json, const struct saga__choreography *all,
	const saga_contract *contracts)
{
	saga__json_open(json, '{');
	put_member(json, "asyncapi", "3.0.0");
	put_info(json, all, contracts);
	put_member(json, "defaultContentType", "application/cloudevents+json");
	put_channels(json, all);
	put_operations(json, all);
	open_member(json, "components", '{');
	open_member(json, "messages", '{');
	each_form(json, all, NULL, put_message);
	saga__json_close(json, '}');
	open_member(json, "schemas", '{');
	put_envelope(json);
	each_form(json, all, NULL, put_schema);
	saga__json_close(json, '}');
	saga__json_close(json, '}');
	saga__json_close(json, '}');
}

static int end_text(struct saga__text *text, char **ret_json, saga_error *error)
{
	if (text->no_memory) {
		free(text->at);
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	}
	*ret_json = text->at;
	return SAGA_OK;
}

int saga_choreography_asyncapi(
	const saga_contract *contracts, size_t count, char **ret_json, saga_error *error)
{
	struct saga__choreography *all = NULL;
	struct saga__text text = { 0 };
	struct saga__json json = { put_piece, &text, false };
	int code = saga__choreography_read(contracts, count, &all, error);

	if (code != SAGA_OK)
		return code;
	put_document(&json, all, contracts);
	saga__choreography_free(all);
	return end_text(&text, ret_json, error);
}

/* The newest version that a contract knows; NULL: none does. */
static const struct saga__model_form *newest_form(
	const struct saga__choreography *all, const char *type)
{
	const struct saga__model_form *newest = NULL;

	for (unsigned i = 0; i < all->contract_count; i++)
		for (unsigned k = 0; k < all->contracts[i].form_count; k++) {
			const struct saga__model_form *form = &all->contracts[i].forms[k];

			if (strcmp(all->types[form->type].name, type) == 0 &&
				(!newest || form->version > newest->version))
				newest = form;
		}
	return newest ? form_of(all, newest->type, newest->version) : NULL;
}

int saga_choreography_schema(const saga_contract *contracts, size_t count, const char *type,
	char **ret_json, saga_error *error)
{
	struct saga__choreography *all = NULL;
	struct saga__text text = { 0 };
	struct saga__json json = { put_piece, &text, false };
	const struct saga__model_form *form;
	char name[NAME_ROOM];
	int code = saga__choreography_read(contracts, count, &all, error);

	if (code != SAGA_OK)
		return code;
	if (!(form = newest_form(all, type))) {
		saga__choreography_free(all);
		return saga_error_set(
			error, SAGA_UNKNOWN, "no contract says what fields %.63s has", type);
	}
	message_name(all, form, name);
	saga__json_open(&json, '{');
	put_member(&json, "$schema", "http://json-schema.org/draft-07/schema#");
	put_member(&json, "title", name);
	saga__json_schema_put(&json, form, all->types[form->type].request);
	saga__json_close(&json, '}');
	saga__choreography_free(all);
	return end_text(&text, ret_json, error);
}
