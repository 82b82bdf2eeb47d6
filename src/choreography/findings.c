#include "findings.h"

#include <stdlib.h>
#include <string.h>

#include "../event/utf8.h"

enum {
	TEXT = 600
};

static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

static bool is_there(
	const struct saga__findings *f, saga_finding_kind kind, const char *text, uint64_t hash)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->at[i].hash == hash && f->at[i].kind == kind &&
			strcmp(f->at[i].text, text) == 0)
			return true;
	return false;
}

static bool grow(struct saga__findings *f)
{
	unsigned room = f->room ? f->room * 2 : 16;
	struct saga__found *more = realloc(f->at, room * sizeof *more);

	if (!more)
		return false;
	f->at = more;
	f->room = room;
	return true;
}

void saga__findings_add(
	struct saga__findings *f, saga_finding_kind kind, uint32_t state, const char *format, ...)
{
	struct saga__found *found;
	char text[TEXT];
	uint64_t hash;
	va_list list;

	va_start(list, format);
	saga__vsay(text, sizeof text, format, list);
	va_end(list);
	hash = hash_of(text);
	if (is_there(f, kind, text, hash))
		return;
	if (f->count == SAGA__FINDINGS_MOST) {
		f->full = true;
		return;
	}
	found = f->count < f->room || grow(f) ? &f->at[f->count] : NULL;
	if (!found || !(found->text = malloc(strlen(text) + 1))) {
		f->no_memory = true;
		return;
	}
	memcpy(found->text, text, strlen(text) + 1);
	found->kind = kind;
	found->state = state;
	found->hash = hash;
	f->count++;
}

void saga__findings_free(struct saga__findings *f)
{
	for (unsigned i = 0; i < f->count; i++)
		free(f->at[i].text);
	free(f->at);
}
