/* All that happens goes into one hash, and to a host that wants to see it; and the first breach. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

void saga__sim_hash(saga_sim *sim, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint64_t hash = sim->report.hash ? sim->report.hash : 0xcbf29ce484222325u;

	for (; size >= 8; size -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	for (; size; size--)
		hash = (hash ^ *at++) * 0x100000001b3u;
	sim->report.hash = hash;
}

void saga__sim_trace(saga_sim *sim, const struct saga__member *member, const char *format, ...)
{
	char text[512];
	uint64_t place[2] = { (uint64_t)sim->now, member ? member->number + 1 : 0 };
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (length < 0)
		return;
	saga__sim_hash(sim, place, sizeof place);
	saga__sim_hash(sim, text, strlen(text));
	if (sim->options.trace)
		sim->options.trace(sim->options.user, sim->now / SAGA__SIM_MS,
			member ? member->label : "", text);
}

/* ---- what is broken ---- */

bool saga__sim_broken(const saga_sim *sim)
{
	return sim->breach.code != SAGA_OK;
}

void saga__sim_breach(saga_sim *sim, const char *format, ...)
{
	char text[400];
	va_list list;

	if (saga__sim_broken(sim))
		return;
	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	saga__sim_trace(sim, NULL, "BREACH: %s", text);
	(void)saga_error_set(&sim->breach, SAGA_FAILED, "at %lld ms: %s",
		(long long)(sim->now / SAGA__SIM_MS), text);
}

void saga__sim_no_memory(saga_sim *sim)
{
	if (!saga__sim_broken(sim))
		(void)saga_error_set(&sim->breach, SAGA_NOMEM, "the world is out of memory");
}
