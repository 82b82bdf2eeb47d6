/* Store time: where its source is asked, and the row that keeps it. The rules are clock.h's. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../env.h"
#include "dialect.h"
#include "journal_sql.h"

int64_t saga__journal_now(const struct saga__journal *j)
{
	return saga__clock_now(&j->clock, saga__monotonic(j->env));
}

int64_t saga__journal_ageing(const struct saga__journal *j)
{
	return saga__clock_ageing(&j->clock, saga__monotonic(j->env));
}

int64_t saga__journal_ageing_behind(const struct saga__journal *j)
{
	int64_t ageing = saga__journal_ageing(j), wall = saga__wall(j->env);

	return saga__journal_now(j) - (wall < ageing ? wall : ageing);
}

/* All texts have one width, so that a later time is a greater text. */
const char *saga__journal_clock_text(const struct saga__journal *j, char buffer[SAGA__CLOCK_TEXT])
{
	struct saga__clock_kept kept = saga__clock_keep(&j->clock, saga__monotonic(j->env));

	(void)snprintf(buffer, SAGA__CLOCK_TEXT, "%019" PRId64 " %019" PRId64, kept.now,
		kept.ageing > 0 ? kept.ageing : 0);
	return buffer;
}

/* A text that somebody else wrote is as if there was none: the next one is put over it. */
static struct saga__clock_kept kept_of(const char *text)
{
	struct saga__clock_kept kept;
	char *behind_now, *behind_ageing;

	kept.now = strtoll(text, &behind_now, 10);
	kept.ageing = strtoll(behind_now, &behind_ageing, 10);
	if (behind_now == text || behind_ageing == behind_now || kept.now == INT64_MAX ||
		kept.now < 0 || kept.ageing < 0 || kept.ageing > kept.now)
		return (struct saga__clock_kept){ 0, 0 };
	return kept;
}

void saga__journal_look_with(struct saga__journal *j, int64_t source, const char *kept)
{
	enum saga__clock_news news = saga__clock_look(&j->clock, saga__monotonic(j->env),
		j->dialect->clock ? source : saga__wall(j->env), kept_of(kept), &j->clock_by);

	if (news != SAGA__CLOCK_AS_BEFORE)
		j->clock_news = news;
}

int saga__journal_look_at_clock(struct saga__journal *j, saga_error *error)
{
	const saga_value name[] = { saga_text("clock") };
	struct saga__one source = { .number = 0 }, kept = { .found = false };
	char text[SAGA__CLOCK_TEXT];
	int code = SAGA_OK;

	if (j->dialect->clock)
		code = saga__journal_one(j, j->dialect->clock, NULL, 0, &source, error);
	if (code == SAGA_OK)
		code = saga__journal_one(
			j, "SELECT value FROM saga_meta WHERE name = ?", name, 1, &kept, error);
	if (code != SAGA_OK)
		return code;
	saga__journal_look_with(j, source.number, kept.text);
	(void)saga__journal_clock_text(j, text);
	if (!kept.found)
		return SAGA__RUN(j, "INSERT INTO saga_meta (name, value) VALUES (?, ?)", error,
			saga_text("clock"), saga_text(text));
	return kept_of(kept.text).now
		? SAGA_OK
		: SAGA__RUN(j, "UPDATE saga_meta SET value = ? WHERE name = ?", error,
			  saga_text(text), saga_text("clock"));
}
