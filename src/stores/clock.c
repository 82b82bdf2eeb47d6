#include "clock.h"

#include <assert.h>

#include "../mutation.h"

enum {
	MINUTE_MS = 60000
};

static int64_t higher(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t lower(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t saga__clock_now(const struct saga__clock *clock, int64_t monotonic)
{
	return higher(clock->ahead + monotonic, clock->least);
}

int64_t saga__clock_ageing(const struct saga__clock *clock, int64_t monotonic)
{
	return lower(clock->ageing_ahead + monotonic, saga__clock_now(clock, monotonic));
}

/* The source is ahead by more than an hour. */
static enum saga__clock_news await(struct saga__clock *clock, int64_t monotonic, int64_t by)
{
	bool is_same = clock->leapt && by - clock->leap <= SAGA__CLOCK_LEAP_MS &&
		clock->leap - by <= SAGA__CLOCK_LEAP_MS;

	if (SAGA__MUTANT(leap_followed))
		return SAGA__CLOCK_FOLLOWED;
	if (is_same && monotonic - clock->leapt_at < SAGA__CLOCK_SETTLE_MS)
		return SAGA__CLOCK_AS_BEFORE;
	if (is_same) {
		clock->leapt = false;
		return SAGA__CLOCK_FOLLOWED;
	}
	clock->leapt = true;
	clock->leap = by;
	clock->leapt_at = monotonic;
	return SAGA__CLOCK_LEAPT;
}

/* The source is at most an hour ahead, or behind. */
static enum saga__clock_news agree(struct saga__clock *clock, int64_t by)
{
	bool was_apart = clock->leapt || clock->behind, was_behind = clock->behind;

	clock->leapt = false;
	clock->behind = by < -SAGA__CLOCK_LEAP_MS;
	if (clock->behind)
		return was_behind ? SAGA__CLOCK_AS_BEFORE : SAGA__CLOCK_WENT_BACK;
	return was_apart ? SAGA__CLOCK_AGREES : SAGA__CLOCK_AS_BEFORE;
}

static void look_first(
	struct saga__clock *clock, int64_t monotonic, int64_t source, struct saga__clock_kept kept)
{
	int64_t now = kept.now ? kept.now : source;
	int64_t ageing = kept.ageing ? kept.ageing : now;

	clock->known = true;
	clock->least = now;
	clock->ahead = now - monotonic;
	clock->ageing_ahead = lower(ageing, now) - monotonic;
	clock->looked = monotonic;
}

enum saga__clock_news saga__clock_look(struct saga__clock *clock, int64_t monotonic, int64_t source,
	struct saga__clock_kept kept, int64_t *ret_by)
{
	enum saga__clock_news news;
	int64_t now, ageing, elapsed, by;

	if (!clock->known)
		look_first(clock, monotonic, source, kept);
	/* Another instance may have come further. */
	now = higher(saga__clock_now(clock, monotonic), kept.now);
	ageing = higher(saga__clock_ageing(clock, monotonic), kept.ageing);
	elapsed = higher(monotonic - clock->looked, 0);
	by = source - now;
	news = by > SAGA__CLOCK_LEAP_MS ? await(clock, monotonic, by) : agree(clock, by);
	clock->least = now;
	if (!clock->leapt && by > 0)
		clock->least = now = source;
	else if (by < 0)
		now -= lower(-by, elapsed / SAGA__CLOCK_SLOWING);
	clock->ahead = now - monotonic;
	clock->ageing_ahead =
		lower(now, ageing + (SAGA__CLOCK_AGEING_RATE - 1) * lower(elapsed, MINUTE_MS)) -
		monotonic;
	if (SAGA__MUTANT(leap_followed))
		clock->ageing_ahead = clock->ahead;
	clock->looked = monotonic;
	*ret_by = by;
	assert(saga__clock_ageing(clock, monotonic) <= saga__clock_now(clock, monotonic));
	return news;
}

struct saga__clock_kept saga__clock_keep(const struct saga__clock *clock, int64_t monotonic)
{
	return (struct saga__clock_kept){ saga__clock_now(clock, monotonic),
		saga__clock_ageing(clock, monotonic) };
}

void saga__clock_adopt(struct saga__clock *clock, const struct saga__clock *from, int64_t monotonic)
{
	int64_t least = clock->known ? saga__clock_now(clock, monotonic) : from->least;

	*clock = *from;
	clock->least = higher(least, from->least);
}
