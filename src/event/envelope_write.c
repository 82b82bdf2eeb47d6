#include "envelope.h"

#include <string.h>

#include "id.h"
#include "pack.h"
#include "token.h"
#include "wire.h"

/* Key and what has a fixed size go where pack_text has left room. */
#define PUT(at_, literal_) saga__put(at_, literal_, sizeof(literal_) - 1)

static bool not_named(struct saga__packing *p)
{
	return saga__pack_fail(p, SAGA_MALFORMED, "type: is not of 1 to %d bytes", SAGA__NAME_MOST);
}

static bool check_attributes(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	if (!type || !*type)
		return not_named(p);
	if (version < 1)
		return saga__pack_fail(p, SAGA_MALFORMED, "version: is %d, not 1 or more", version);
	if (!event->source || !*event->source)
		return saga__pack_fail(p, SAGA_MALFORMED, "source: is missing");
	if (event->time < SAGA__TIME_LEAST || event->time > SAGA__TIME_MOST)
		return saga__pack_fail(p, SAGA_MALFORMED,
			"time: %lld is not of the years 1 to 9999", (long long)event->time);
	return true;
}

static bool has_text(const char *x)
{
	return x && *x;
}

static size_t count_attributes(const struct saga_event *event)
{
	return 8u + (event->sequence != 0) + !saga__id_is_zero(event->causation) +
		has_text(event->subject) + has_text(event->traceparent);
}

/* How long it is, is seen when it is there: a head of two bytes, and the name. */
static bool put_type(struct saga__packing *p, const char *type)
{
	p->at = PUT(p->at, "\xa4type");

	size_t from = (size_t)(p->at - p->buffer->at);

	if (!saga__pack_text(p, "type", type))
		return false;
	return (size_t)(p->at - p->buffer->at) - from <= 2 + SAGA__NAME_MOST || not_named(p);
}

static bool put_names(struct saga__packing *p, const struct saga_event *event, const char *type)
{
	char *at = saga__put_map_head(p->at, count_attributes(event));

	at = PUT(at,
		"\xabspecversion\xa3"
		"1.0\xa2id");
	at = saga__put_id(at, &event->id);
	p->at = PUT(at, "\xa6source");
	if (!saga__pack_text(p, "source", event->source))
		return false;
	return put_type(p, type);
}

static void put_numbers(struct saga__packing *p, const struct saga_event *event, int version)
{
	char *at = PUT(p->at, "\xa7version");

	at = saga__put_int64(at, version);
	at = PUT(at, "\xa6sagaid");
	at = saga__put_id(at, &event->saga);
	at = PUT(at, "\xa4time");
	at = saga__put_int64(at, event->time);
	if (event->sequence) {
		at = PUT(at, "\xa8sequence");
		at = saga__put_uint64(at, event->sequence);
	}
	if (!saga__id_is_zero(event->causation)) {
		at = PUT(at,
			"\xab"
			"causationid");
		at = saga__put_id(at, &event->causation);
	}
	p->at = at;
}

static bool put_texts(struct saga__packing *p, const struct saga_event *event)
{
	if (has_text(event->subject)) {
		p->at = PUT(p->at, "\xa7subject");
		if (!saga__pack_text(p, "subject", event->subject))
			return false;
	}
	if (has_text(event->traceparent)) {
		p->at = PUT(p->at, "\xabtraceparent");
		if (!saga__pack_text(p, "traceparent", event->traceparent))
			return false;
	}
	return true;
}

static bool put_envelope(
	struct saga__packing *p, const struct saga_event *event, const char *type, int version)
{
	if (!check_attributes(p, event, type, version) || !saga__pack_need(p, SAGA__PACK_SMALL) ||
		!put_names(p, event, type))
		return false;
	put_numbers(p, event, version);
	if (!put_texts(p, event))
		return false;
	p->at = PUT(p->at,
		"\xa4"
		"data");
	return true;
}

static bool put_data(struct saga__packing *p, saga_bytes data)
{
	saga_error wrong;

	if (saga__scan_map(data, SAGA__BODY_LEVELS, &wrong) != SAGA_OK)
		return saga__pack_fail(p, SAGA_MALFORMED, "data: %s", wrong.text);
	return saga__pack_bytes(p, data.at, data.size);
}

int saga__event_encode(struct saga__buffer *buffer, const struct saga_event *event,
	const saga_type *type, const void *body, const char *why, saga_error *error)
{
	const char *name = type ? type->name : event->type;
	int version = type ? type->version : event->version;
	struct saga__packing packing;

	saga__pack_init(&packing, buffer, why, error);
	if (put_envelope(&packing, event, name, version))
		(void)(type ? saga__pack_body(&packing, &type->body, body)
			    : put_data(&packing, event->data));
	return saga__pack_end(&packing, name ? name : "event");
}
