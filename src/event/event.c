#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "json.h"
#include "schema.h"

/* saga_event_read keeps texts of the envelope and bytes of the body beside the event. */
enum {
	READ_MOST = 16 * 1024 * 1024
};

struct read_event {
	struct saga_event event;
	struct saga__arena arena;
	unsigned char wire[];
};

const void *saga_event_body(const saga_event *event, const saga_type *type)
{
	if (!event->of || !saga__type_is(event->of, type) ||
		event->of->body.size != type->body.size)
		return NULL;
	return event->body;
}

const char *saga_event_type(const saga_event *event)
{
	return event->type;
}

int saga_event_version(const saga_event *event)
{
	return event->version;
}

saga_id saga_event_id(const saga_event *event)
{
	return event->id;
}

saga_id saga_event_saga(const saga_event *event)
{
	return event->saga;
}

saga_id saga_event_cause(const saga_event *event)
{
	return event->causation;
}

const char *saga_event_source(const saga_event *event)
{
	return event->source;
}

const char *saga_event_subject(const saga_event *event)
{
	return event->subject;
}

int64_t saga_event_time(const saga_event *event)
{
	return event->time;
}

size_t saga_event_json(const saga_event *event, char *buffer, size_t size)
{
	return saga__json_body(event->data, buffer, size);
}

static int decode_kept(struct read_event *kept, size_t size, saga_error *error)
{
	struct saga__decoder *decoder;

	if (saga__decoder_new(&decoder) != SAGA_OK)
		return saga_error_set(error, SAGA_NOMEM, "event: %s", saga_code_text(SAGA_NOMEM));

	int code = saga__event_decode(
		decoder, &kept->arena, (saga_bytes){ kept->wire, size }, &kept->event, error);

	saga__decoder_free(decoder);
	return code;
}

int saga_event_read(saga_bytes wire, saga_event **ret_event, saga_error *error)
{
	if (wire.size > READ_MOST)
		return saga_error_set(error, SAGA_TOO_BIG, "event: has %zu bytes, more than %d",
			wire.size, READ_MOST);

	struct read_event *kept = malloc(sizeof *kept + wire.size);

	if (!kept)
		return saga_error_set(error, SAGA_NOMEM, "event: %s", saga_code_text(SAGA_NOMEM));
	if (wire.size)
		memcpy(kept->wire, wire.at, wire.size);
	saga__arena_init(&kept->arena, 2 * (size_t)READ_MOST);

	int code = decode_kept(kept, wire.size, error);

	if (code != SAGA_OK) {
		saga__arena_free(&kept->arena);
		free(kept);
		return code;
	}
	*ret_event = &kept->event;
	return SAGA_OK;
}

void saga_event_free(saga_event *event)
{
	if (event) {
		struct read_event *kept = (struct read_event *)event;

		saga__arena_free(&kept->arena);
		free(kept);
	}
}
