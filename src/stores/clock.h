#ifndef SAGA_STORES_CLOCK_H
#define SAGA_STORES_CLOCK_H

/*
 * Store time: the clock that all due times, leases and ages of one store count by. A pure machine;
 * the journal feeds it.
 *
 * Which clock counts where:
 *
 *	store time       due times (schedules, retries, deadlines of calls), leases, the time of an
 *	                 event, when a slot moved: saga__clock_now
 *	ageing time      what is old enough to be deleted (slots, letters, outbox rows), and which
 *	                 event is too old to run: saga__clock_ageing
 *	monotonic time   waits inside the process: back-off of a lane, beats, grace periods
 *	the wall clock   log lines, the time in an id; and it is the source of store time on SQLite
 *
 * The source of store time is the server's clock, or the wall clock on SQLite. A source may be
 * wrong for a while, so store time does not repeat what one reading says:
 *
 *	- Store time never goes back, not even after a restart: the store keeps the highest. While
 *	  the source is behind, store time runs slower by 1/16 until the source has caught up.
 *	- Between two readings store time advances by monotonic time.
 *	- Store time follows a source that is ahead by an hour at most.
 *	- A source that is further ahead has leapt. Store time follows it only after it has been
 *	  ahead by the same amount for ten minutes of monotonic time.
 *	- Ageing time is never ahead of store time, and gains an hour a minute and an hour a reading
 *	  at most: a leap that was followed wrongly deletes little before somebody heeds the
 *	  alarm.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	SAGA__CLOCK_LEAP_MS = 3600000,  /* further ahead is a leap */
	SAGA__CLOCK_SETTLE_MS = 600000, /* a leap must last, by monotonic time */
	SAGA__CLOCK_AGEING_RATE = 60,   /* ageing time gains so many ms in one, at most */
	SAGA__CLOCK_SLOWING = 16        /* store time that is ahead runs slower by this part */
};

struct saga__clock {
	bool known;           /* it was looked at once */
	int64_t ahead;        /* store time less monotonic time */
	int64_t ageing_ahead; /* ageing time less monotonic time */
	int64_t least;        /* store time that was given out may have been as high as this */
	int64_t looked;       /* monotonic: the last look */
	bool leapt;           /* the source is ahead, and store time does not follow it yet */
	int64_t leap;         /* by so much */
	int64_t leapt_at;     /* monotonic: since then */
	bool behind;          /* the source is behind by more than an hour */
};

/* The finding of a look at the clock. */
enum saga__clock_news {
	SAGA__CLOCK_AS_BEFORE = 0,
	SAGA__CLOCK_LEAPT,     /* the source is ahead by `leap`: it is not followed yet */
	SAGA__CLOCK_FOLLOWED,  /* the leap has lasted: store time is the source's now */
	SAGA__CLOCK_WENT_BACK, /* the source is behind by more than an hour */
	SAGA__CLOCK_AGREES     /* the source is neither any more */
};

/* Store time and ageing time, as the store keeps them. */
struct saga__clock_kept {
	int64_t now, ageing; /* 0: it keeps none */
};

int64_t saga__clock_now(const struct saga__clock *clock, int64_t monotonic);
int64_t saga__clock_ageing(const struct saga__clock *clock, int64_t monotonic);

/*
 * The source says `source` at monotonic time `monotonic`, and the store keeps `kept`. *ret_by: how
 * far the source is from store time, for the news.
 */
enum saga__clock_news saga__clock_look(struct saga__clock *clock, int64_t monotonic, int64_t source,
	struct saga__clock_kept kept, int64_t *ret_by);

/* Returns the values that the store is to keep after a look. */
struct saga__clock_kept saga__clock_keep(const struct saga__clock *clock, int64_t monotonic);

/* Another lane of this process has looked: `from` is its clock. */
void saga__clock_adopt(
	struct saga__clock *clock, const struct saga__clock *from, int64_t monotonic);

#endif
