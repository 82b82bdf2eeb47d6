/*
 * An event in JSON, as a durable transport brings it: what is read can be encoded, or is refused in
 * words; then peek, decode and JSON agree on it.
 */
#include "fuzz.h"

#include "event/envelope.h"
#include "event/json.h"
#include "event/peek.h"
#include "types.h"

enum {
	MEMORY = 512 * 1024,
	EVENT_BYTES = 64 * 1024
};

static struct saga__arena arena, arena2;
static struct saga__buffer first, second;
static struct saga__decoder *decoder;

static const saga_type *find(void *context, const char *name, int version)
{
	(void)context;
	for (size_t i = 0; i < FUZZ_TYPES; i++)
		if (strcmp(fuzz_types[i]->name, name) == 0 && fuzz_types[i]->version == version)
			return fuzz_types[i];
	return NULL;
}

static int read_json(
	struct saga__arena *into, const void *at, size_t size, struct saga_event *event)
{
	saga_error error = { .code = SAGA_OK };
	int code = saga__json_read_event(into, (saga_bytes){ at, size }, find, NULL, event, &error);

	HOLDS(code == SAGA_OK || code == SAGA_MALFORMED || code == SAGA_TOO_BIG);
	HOLDS(code == SAGA_OK || (error.code == code && *error.text));
	if (code == SAGA_OK && !event->of)
		event->data = (saga_bytes){ "\x80", 1 };
	return code;
}

static void check_peek(saga_bytes wire, const struct saga_event *event)
{
	struct saga__peek peek;

	if (!saga__event_peek(wire, &peek))
		return;
	HOLDS(memcmp(&peek.id, &event->id, sizeof peek.id) == 0);
	HOLDS(memcmp(&peek.saga, &event->saga, sizeof peek.saga) == 0);
	HOLDS(strcmp(peek.type, event->type) == 0 && peek.version == event->version);
	HOLDS(strcmp(peek.source, event->source) == 0);
}

/* What we write of it, we read as the same. */
static void check_json(struct saga_event *event)
{
	size_t size = saga__json_event(event, NULL, 0);
	struct saga_event again = { .version = 0 };
	char *json = malloc(size + 1);

	HOLDS(json && saga__json_event(event, json, size + 1) == size);
	if (size < 4 * (size_t)EVENT_BYTES && read_json(&arena2, json, size, &again) == SAGA_OK) {
		HOLDS(saga__event_encode(&second, &again, again.of, again.body, NULL, NULL) ==
			SAGA_OK);
		HOLDS(!event->of ||
			(first.size == second.size &&
				memcmp(first.at, second.at, first.size) == 0));
	} else {
		HOLDS(!again.version);
	}
	free(json);
}

static void check_event(const struct saga_event *event)
{
	struct saga_event back;
	saga_error error = { .code = SAGA_OK };
	int code = saga__event_encode(&first, event, event->of, event->body, NULL, &error);
	saga_bytes wire = { first.at, first.size };

	if (code != SAGA_OK) {
		HOLDS((code == SAGA_MALFORMED || code == SAGA_TOO_BIG) && *error.text);
		return;
	}
	if ((code = saga__event_decode(decoder, &arena2, wire, &back, NULL)) == SAGA_TOO_BIG)
		return;
	HOLDS(code == SAGA_OK);
	HOLDS(memcmp(&back.id, &event->id, sizeof back.id) == 0);
	HOLDS(memcmp(&back.saga, &event->saga, sizeof back.saga) == 0);
	HOLDS(strcmp(back.type, event->type) == 0 && back.time == event->time);
	HOLDS(back.sequence == event->sequence);
	HOLDS(strlen(back.subject) <= SAGA__SUBJECT_MOST);
	check_peek(wire, &back);
	if (event->of &&
		saga__event_decode_body(decoder, &arena2, &back, event->of, NULL) != SAGA_OK)
		return;
	check_json(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *json = fuzz_copy(data, size);
	struct saga_event event;

	if (!first.limit) {
		saga__arena_init(&arena, MEMORY);
		saga__arena_init(&arena2, 8 * MEMORY);
		saga__buffer_init(&first, EVENT_BYTES);
		saga__buffer_init(&second, EVENT_BYTES);
		HOLDS(saga__decoder_new(&decoder) == SAGA_OK);
	}
	saga__arena_reset(&arena);
	saga__arena_reset(&arena2);
	if (read_json(&arena, json, size, &event) == SAGA_OK)
		check_event(&event);
	free(json);
	return 0;
}
