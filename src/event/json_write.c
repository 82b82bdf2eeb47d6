#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "id.h"
#include "json.h"
#include "token.h"
#include "wire.h"

static void put_ext(struct saga__json *json, const struct saga__token *token)
{
	saga_id id;

	if (token->ext != SAGA__EXT_ID || token->size != sizeof id) {
		saga__json_put_base64(json, token->at, token->size);
		return;
	}
	memcpy(&id, token->at, sizeof id);
	saga__json_put_id(json, id);
}

static void put_value(struct saga__json *json, struct saga__scan *scan);

/* A map's keys are values to the scan; behind each comes a colon in the place of a comma. */
static void put_many(struct saga__json *json, struct saga__scan *scan, const struct saga__token *of)
{
	bool map = of->kind == SAGA__TOKEN_MAP;

	assert(map || of->kind == SAGA__TOKEN_LIST);
	saga__json_open(json, map ? '{' : '[');
	for (uint32_t i = 0; i < of->size; i++) {
		if (map) {
			put_value(json, scan);
			json->put(json->context, ":", 1);
			json->more = false;
		}
		put_value(json, scan);
	}
	saga__json_close(json, map ? '}' : ']');
}

/* The scan has shown that all is whole, no deeper than it may be, and each key a text. */
static void put_value(struct saga__json *json, struct saga__scan *scan)
{
	struct saga__token token = { .kind = SAGA__TOKEN_NIL };

	(void)saga__scan_token(scan, &token);
	switch (token.kind) {
	case SAGA__TOKEN_NIL:
		saga__json_put_null(json);
		break;
	case SAGA__TOKEN_FLAG:
		saga__json_put_bool(json, token.bits != 0);
		break;
	case SAGA__TOKEN_INT:
		saga__json_put_int(json, (int64_t)token.bits);
		break;
	case SAGA__TOKEN_BEYOND:
		saga__json_put_unsigned(json, token.bits);
		break;
	case SAGA__TOKEN_FLOAT: /* only unknown fields of a newer sender can hold one */
		saga__json_put_real(json, token.real);
		break;
	case SAGA__TOKEN_TEXT:
		saga__json_put_bytes_as_text(json, token.at, token.size);
		break;
	case SAGA__TOKEN_BYTES:
		saga__json_put_base64(json, token.at, token.size);
		break;
	case SAGA__TOKEN_EXT:
		put_ext(json, &token);
		break;
	case SAGA__TOKEN_LIST:
	case SAGA__TOKEN_MAP:
		put_many(json, scan, &token);
		break;
	}
}

void saga__json_put_body(struct saga__json *json, saga_bytes data)
{
	struct saga__scan scan = saga__scan_of(data);

	if (saga__scan_map(data, SAGA__BODY_LEVELS, NULL) == SAGA_OK)
		put_value(json, &scan);
	else
		saga__json_put_null(json);
}

static void put_member(struct saga__json *json, const char *name, const char *text)
{
	saga__json_name(json, name);
	saga__json_put_text(json, text);
}

/* CloudEvents has `sequence` as a text: its integers have 32 bits. */
static void put_left_out(struct saga__json *json, const struct saga_event *event)
{
	if (event->subject && *event->subject)
		put_member(json, "subject", event->subject);
	if (event->sequence) {
		char sequence[24];

		(void)snprintf(sequence, sizeof sequence, "%" PRIu64, event->sequence);
		put_member(json, "sequence", sequence);
	}
	if (!saga__id_is_zero(event->causation)) {
		saga__json_name(json, "causationid");
		saga__json_put_id(json, event->causation);
	}
	if (event->traceparent && *event->traceparent)
		put_member(json, "traceparent", event->traceparent);
}

void saga__json_put_event(struct saga__json *json, const struct saga_event *event)
{
	saga__json_open(json, '{');
	put_member(json, "specversion", "1.0");
	saga__json_name(json, "id");
	saga__json_put_id(json, event->id);
	put_member(json, "source", event->source);
	put_member(json, "type", event->type);
	saga__json_name(json, "version");
	saga__json_put_int(json, event->version);
	saga__json_name(json, "sagaid");
	saga__json_put_id(json, event->saga);
	saga__json_name(json, "time");
	saga__json_put_time(json, event->time);
	put_left_out(json, event);
	put_member(json, "datacontenttype", "application/json");
	saga__json_name(json, "data");
	saga__json_put_body(json, event->data);
	saga__json_close(json, '}');
}

size_t saga__json_body(saga_bytes data, char *buffer, size_t size)
{
	struct saga__json_buffer into = { buffer, size, 0 };
	struct saga__json json = saga__json_into(&into);

	saga__json_put_body(&json, data);
	return saga__json_end(&into);
}

size_t saga__json_text(const char *text, char *buffer, size_t size)
{
	struct saga__json_buffer into = { buffer, size, 0 };
	struct saga__json json = saga__json_into(&into);

	saga__json_put_text(&json, text);
	return saga__json_end(&into);
}

size_t saga__json_event(const struct saga_event *event, char *buffer, size_t size)
{
	struct saga__json_buffer into = { buffer, size, 0 };
	struct saga__json json = saga__json_into(&into);

	saga__json_put_event(&json, event);
	return saga__json_end(&into);
}
