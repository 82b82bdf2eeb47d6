#include "rollcall.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int saga__rollcall_init(struct saga__rollcall *roll, const char *const *names)
{
	size_t count = 0;

	while (names && names[count])
		count++;
	*roll = (struct saga__rollcall){ .count = count };
	roll->at = calloc(count + 1, sizeof *roll->at);
	if (!roll->at)
		return SAGA_NOMEM;
	for (size_t i = 0; i < count; i++)
		roll->at[i] = (struct saga__enrolled){
			.name = names[i], .heard = -1, .owed_since = -1, .tell_at = INT64_MIN
		};
	return SAGA_OK;
}

void saga__rollcall_free(struct saga__rollcall *roll)
{
	free(roll->at);
	roll->at = NULL;
	roll->count = 0;
}

static bool is_new(struct saga__rollcall *roll, const char *name)
{
	for (size_t i = 0; i < roll->undeclared_count; i++)
		if (strcmp(roll->undeclared[i], name) == 0)
			return false;
	if (roll->undeclared_count == SAGA__UNDECLARED_MOST ||
		strlen(name) > SAGA__PARTICIPANT_MOST)
		return false;
	memcpy(roll->undeclared[roll->undeclared_count++], name, strlen(name) + 1);
	return true;
}

bool saga__rollcall_heard(struct saga__rollcall *roll, const char *name, int64_t now)
{
	assert(now >= 0);
	for (size_t i = 0; i < roll->count; i++)
		if (strcmp(roll->at[i].name, name) == 0) {
			__atomic_store_n(&roll->at[i].heard, now, __ATOMIC_RELAXED);
			roll->at[i].silent = false;
			return false;
		}
	return is_new(roll, name);
}

void saga__rollcall_owes(struct saga__rollcall *roll, size_t index, uint64_t unseen, int64_t now)
{
	struct saga__enrolled *enrolled = &roll->at[index];

	assert(index < roll->count && unseen <= INT64_MAX);
	__atomic_store_n(&enrolled->unseen, (int64_t)unseen, __ATOMIC_RELAXED);
	if (!unseen) {
		enrolled->owed_since = -1;
		enrolled->silent = false;
	} else if (enrolled->owed_since < 0) {
		enrolled->owed_since = now;
		if (enrolled->tell_at < now + SAGA__SILENT_MS)
			enrolled->tell_at = now + SAGA__SILENT_MS;
	}
}

void saga__rollcall_away(struct saga__rollcall *roll, int64_t now)
{
	for (size_t i = 0; i < roll->count; i++)
		if (roll->at[i].tell_at < now + SAGA__SILENT_MS)
			roll->at[i].tell_at = now + SAGA__SILENT_MS;
}

const struct saga__enrolled *saga__rollcall_next(struct saga__rollcall *roll, int64_t now)
{
	for (size_t i = 0; i < roll->count; i++) {
		struct saga__enrolled *enrolled = &roll->at[i];

		if (enrolled->heard >= 0 || enrolled->owed_since < 0 || now < enrolled->tell_at)
			continue;
		enrolled->silent = true;
		enrolled->tell_at = now + SAGA__SILENT_AGAIN_MS;
		return enrolled;
	}
	return NULL;
}

size_t saga__rollcall_silent(const struct saga__rollcall *roll)
{
	size_t count = 0;

	for (size_t i = 0; i < roll->count; i++)
		count += roll->at[i].silent;
	return count;
}
