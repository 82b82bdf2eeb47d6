#include "envelope.h"

#include <string.h>

#include "id.h"
#include "pack.h"
#include "token.h"
#include "wire.h"

enum {
	LEAST_ATTRIBUTES = 8
};

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
	if (event->sequence > INT64_MAX)
		return saga__pack_fail(
			p, SAGA_MALFORMED, "sequence: is above %lld", (long long)INT64_MAX);
	if (event->time < SAGA__TIME_LEAST || event->time > SAGA__TIME_MOST)
		return saga__pack_fail(p, SAGA_MALFORMED,
			"time: %lld is not of the years 1 to 9999", (long long)event->time);
	return true;
}

/* The encoder makes nothing that the decoder refuses. */
static bool put_short_text(struct saga__packing *p, const char *name, const char *text)
{
	size_t size = strlen(text);

	if (size > SAGA__SUBJECT_MOST)
		return saga__pack_fail(
			p, SAGA_MALFORMED, "%s: is longer than %d bytes", name, SAGA__SUBJECT_MOST);
	return saga__pack_text(p, name, text, size);
}

static bool put_names(struct saga__packing *p, const struct saga_event *event, const char *type)
{
	size_t size = strlen(type);
	char *at = saga__put_map_head(p->at, LEAST_ATTRIBUTES);

	if (size > SAGA__NAME_MOST)
		return not_named(p);
	at = PUT(at,
		"\xabspecversion\xa3"
		"1.0\xa2id");
	at = saga__put_id(at, &event->id);
	p->at = PUT(at, "\xa6source");
	if (!put_short_text(p, "source", event->source))
		return false;
	p->at = PUT(p->at, "\xa4type");
	return saga__pack_text(p, "type", type, size);
}

/* The map's head is of one byte, its count at the end of it. */
static void count_one_more(struct saga__packing *p)
{
	p->buffer->at[0]++;
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
		count_one_more(p);
		at = PUT(at, "\xa8sequence");
		at = saga__put_uint64(at, event->sequence);
	}
	if (!saga__id_is_zero(event->causation)) {
		count_one_more(p);
		at = PUT(at,
			"\xab"
			"causationid");
		at = saga__put_id(at, &event->causation);
	}
	p->at = at;
}

static bool put_texts(struct saga__packing *p, const struct saga_event *event)
{
	const char *subject = event->subject, *parent = event->traceparent;

	if (subject && *subject) {
		count_one_more(p);
		p->at = PUT(p->at, "\xa7subject");
		if (!put_short_text(p, "subject", subject))
			return false;
	}
	if (parent && *parent) {
		count_one_more(p);
		p->at = PUT(p->at, "\xabtraceparent");
		if (!put_short_text(p, "traceparent", parent))
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
	struct saga__packing packing = saga__packing_of(buffer, why, error);

	if (put_envelope(&packing, event, name, version)) {
		buffer->body = (size_t)(packing.at - buffer->at);
		(void)(type ? saga__pack_body(&packing, &type->body, body)
			    : put_data(&packing, event->data));
	}
	return saga__pack_end(&packing, name ? name : "event");
}
