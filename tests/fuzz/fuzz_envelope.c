/*
 * An event from the wire: refused in words, or what is decoded encodes to what decodes to the same.
 * The peek says what the full reader says, the JSON of it is JSON, and a body comes back from it.
 */
#include "fuzz.h"

#include "event/envelope.h"
#include "event/id.h"
#include "event/json.h"
#include "event/peek.h"
#include "saga_config.h"
#include "types.h"

#ifdef SAGA_HAVE_JSON
#include <jansson.h>
#endif

enum {
	MEMORY = 64 * 1024 * 1024
};

struct tools {
	struct saga__decoder *decoder;
	struct saga__arena arena, second;
	struct saga__buffer buffer, again;
};

static struct tools *tools_of_run(void)
{
	static struct tools tools;

	if (!tools.decoder) {
		HOLDS(saga__decoder_new(&tools.decoder) == SAGA_OK);
		saga__arena_init(&tools.arena, MEMORY);
		saga__arena_init(&tools.second, MEMORY);
		saga__buffer_init(&tools.buffer, MEMORY);
		saga__buffer_init(&tools.again, MEMORY);
	}
	saga__arena_reset(&tools.arena);
	saga__arena_reset(&tools.second);
	return &tools;
}

static saga_bytes bytes_of(const struct saga__buffer *buffer)
{
	return (saga_bytes){ buffer->at, buffer->size };
}

static bool same_bytes(saga_bytes a, saga_bytes b)
{
	return a.size == b.size && (!a.size || memcmp(a.at, b.at, a.size) == 0);
}

static bool same_envelope(const struct saga_event *a, const struct saga_event *b)
{
	return saga__id_same(a->id, b->id) && saga__id_same(a->saga, b->saga) &&
		saga__id_same(a->causation, b->causation) && a->time == b->time &&
		a->sequence == b->sequence && a->version == b->version &&
		!strcmp(a->source, b->source) && !strcmp(a->type, b->type) &&
		!strcmp(a->subject, b->subject) && !strcmp(a->traceparent, b->traceparent);
}

/* What is not the full reader's to take, the peek may take all the same: it is refused later. */
static void check_peek(saga_bytes wire, const struct saga_event *event)
{
	struct saga__peek peek;

	if (!saga__event_peek(wire, &peek) || !event)
		return;
	HOLDS(saga__id_same(peek.id, event->id) && saga__id_same(peek.saga, event->saga));
	HOLDS(!strcmp(peek.type, event->type) && !strcmp(peek.source, event->source));
	HOLDS(peek.version == event->version);
}

static void check_read(saga_bytes wire, int code, const struct saga_event *event)
{
	saga_event *read = NULL;

	HOLDS(saga_event_read(wire, &read, NULL) == code);
	if (code == SAGA_OK)
		HOLDS(same_envelope(read, event) && same_bytes(read->data, event->data));
	saga_event_free(read);
}

/* Any room gives the beginning of the whole, and its length. */
static char *json_of(const struct saga_event *event, size_t *ret_size)
{
	size_t size = saga__json_event(event, NULL, 0), part = size / 2;
	char *json = malloc(size + 1), *begin = malloc(part + 1);

	HOLDS(json && begin);
	HOLDS(saga__json_event(event, json, size + 1) == size && strlen(json) == size);
	HOLDS(saga__json_event(event, begin, part + 1) == size);
	HOLDS(memcmp(json, begin, part) == 0 && begin[part] == '\0');
	free(begin);
	*ret_size = size;
	return json;
}

static void check_json(const struct saga_event *event)
{
	size_t size;
	char *json = json_of(event, &size);

#ifdef SAGA_HAVE_JSON
	json_error_t error;
	json_t *root = json_loadb(json, size, JSON_ALLOW_NUL, &error);

	/* A newer sender's unknown members may hold what jansson can't: these are JSON as well. */
	HOLDS(root || json_error_code(&error) == json_error_numeric_overflow ||
		json_error_code(&error) == json_error_null_byte_in_key);
	json_decref(root);
#endif
	free(json);
}

static void check_untyped(struct tools *tools, const struct saga_event *event)
{
	struct saga_event again;

	HOLDS(saga__event_encode(&tools->buffer, event, NULL, NULL, NULL, NULL) == SAGA_OK);
	HOLDS(saga__event_decode(tools->decoder, &tools->second, bytes_of(&tools->buffer), &again,
		      NULL) == SAGA_OK);
	HOLDS(same_envelope(event, &again) && same_bytes(event->data, again.data));
	check_peek(bytes_of(&tools->buffer), &again);
	check_json(event);
}

static void check_body_json(struct tools *tools, saga_bytes body, const saga_type *type)
{
#ifdef SAGA_HAVE_JSON
	size_t size = saga__json_body(body, NULL, 0);
	char *json = malloc(size + 1);
	const void *back;

	HOLDS(json && saga__json_body(body, json, size + 1) == size);
	HOLDS(saga__json_read(&tools->second, (saga_bytes){ json, size }, &type->body, &back,
		      NULL) == SAGA_OK);
	HOLDS(saga__body_encode(&tools->again, &type->body, back, NULL, NULL) == SAGA_OK);
	HOLDS(same_bytes(bytes_of(&tools->again), body));
	free(json);
#else
	(void)tools, (void)body, (void)type;
#endif
}

static void check_body(struct tools *tools, const saga_type *type, const void *body)
{
	const void *back;

	HOLDS(saga__body_encode(&tools->buffer, &type->body, body, NULL, NULL) == SAGA_OK);
	HOLDS(saga__body_decode(tools->decoder, &tools->second, bytes_of(&tools->buffer),
		      &type->body, &back, NULL) == SAGA_OK);
	HOLDS(saga__body_encode(&tools->again, &type->body, back, NULL, NULL) == SAGA_OK);
	HOLDS(same_bytes(bytes_of(&tools->buffer), bytes_of(&tools->again)));
	check_body_json(tools, bytes_of(&tools->buffer), type);
}

static void check_typed(struct tools *tools, saga_bytes wire, const saga_type *type)
{
	struct saga_event event, again;
	saga_error error = { .code = SAGA_OK };
	int code;

	HOLDS(saga__event_decode(tools->decoder, &tools->arena, wire, &event, NULL) == SAGA_OK);
	code = saga__event_decode_body(tools->decoder, &tools->arena, &event, type, &error);
	if (code != SAGA_OK) {
		HOLDS(code == SAGA_MALFORMED && error.code == code && *error.text);
		HOLDS(!event.of && !event.body);
		return;
	}
	HOLDS(event.of == type && event.body);
	check_body(tools, type, event.body);
	HOLDS(saga__event_encode(&tools->buffer, &event, type, event.body, NULL, NULL) == SAGA_OK);
	HOLDS(saga__event_decode(tools->decoder, &tools->second, bytes_of(&tools->buffer), &again,
		      NULL) == SAGA_OK);
	HOLDS(!strcmp(again.type, type->name) && again.version == type->version);
}

/* The same bytes as a body alone, as a note or a question stands in the store. */
static void check_as_body(struct tools *tools, saga_bytes wire)
{
	const void *body;

	for (size_t i = 0; i < FUZZ_TYPES; i++)
		if (saga__body_decode(tools->decoder, &tools->arena, wire, &fuzz_types[i]->body,
			    &body, NULL) == SAGA_OK)
			check_body(tools, fuzz_types[i], body);
	(void)saga__json_body(wire, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tools *tools = tools_of_run();
	uint8_t *copy = fuzz_copy(data, size);
	saga_bytes wire = { copy, size };
	struct saga_event event;
	saga_error error = { .code = SAGA_OK };
	int code = saga__event_decode(tools->decoder, &tools->arena, wire, &event, &error);

	check_read(wire, code, &event);
	check_peek(wire, code == SAGA_OK ? &event : NULL);
	if (code == SAGA_OK) {
		check_untyped(tools, &event);
		for (size_t i = 0; i < FUZZ_TYPES; i++)
			check_typed(tools, wire, fuzz_types[i]);
	} else {
		HOLDS(code == SAGA_MALFORMED && error.code == code && *error.text);
	}
	check_as_body(tools, wire);
	free(copy);
	return 0;
}
