#include "from_json.h"

#include <string.h>

#include "../event/json.h"

bool saga__is_json(saga_bytes event)
{
	static const unsigned char mark[] = { 0xef, 0xbb, 0xbf };
	const char *at = event.at;

	return event.size &&
		((*at && strchr("{ \t\r\n", *at)) ||
			(event.size >= sizeof mark && memcmp(at, mark, sizeof mark) == 0));
}

static const saga_type *find_type(void *context, const char *name, int version)
{
	const struct saga__known *known = saga__plan_type(context, name, version);

	return known ? known->type : NULL;
}

int saga__from_json(const struct saga__plan *plan, struct saga__arena *arena, saga_bytes json,
	struct saga__buffer *buffer, saga_error *error)
{
	const struct saga__known *known;
	struct saga_event event;
	int code = saga__json_read_event(arena, json, find_type, (void *)plan, &event, error);

	if (code == SAGA_OK)
		code = saga__plan_find(plan, event.type, event.version, &known, error);
	if (code != SAGA_OK)
		return code;
	if (!event.of)
		event.data = (saga_bytes){ "\x80", 1 };
	return saga__event_encode(buffer, &event, event.of, event.body, NULL, error);
}
