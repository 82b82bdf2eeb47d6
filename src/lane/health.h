#ifndef SAGA_LANE_HEALTH_H
#define SAGA_LANE_HEALTH_H

/* How a lane goes. Its own thread notes it, any thread asks. */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <saga/error.h>

#include "../env.h"

/* Times are in ms, ago. */
struct saga__lane_health {
	int64_t oldest;    /* of what waits, or is in its batch; 0: nothing is */
	int64_t committed; /* its last batch; -1: none yet */
	int64_t stalled;   /* had something to do, and committed nothing; 0: it goes on */
	int64_t failed;    /* its last error; -1: none */
	bool failing;      /* and since then nothing went well */
	bool damaged;      /* the store has said so */
	int64_t set_aside; /* rows that can't be read, so far */
	int64_t stopped;   /* streams whose next event the store refuses in every form */
	char error[SAGA_ERROR_TEXT];
};

struct saga__course {
	const struct saga_env *env;
	uv_mutex_t lock; /* of all below; the lane's thread alone writes, and reads without it */
	int64_t moved_at, committed_at, failed_at, failing_since; /* monotonic; 0: not yet */
	bool rests;                                               /* there is nothing to do */
	bool failing, damaged;
	int64_t set_aside;
	size_t stopped;        /* streams that wait */
	int64_t stopped_since; /* monotonic */
	char error[SAGA_ERROR_TEXT];
};

void saga__course_init(struct saga__course *course, const struct saga_env *env);
void saga__course_free(struct saga__course *course);

/* All but the oldest item, which the mailbox knows. */
void saga__course_health(struct saga__course *course, struct saga__lane_health *ret_health);

/* The lane has committed a batch: what waits begins to wait now. */
void saga__course_moved(struct saga__course *course);

/* Whether the lane has nothing to do; if not, what there is has begun to wait now. */
void saga__course_rests(struct saga__course *course, bool rests);

/* The store has failed the lane. True: it is damaged, and had not said so before. */
bool saga__course_failed(struct saga__course *course, const saga_error *error);
int64_t saga__course_failing_for(const struct saga__course *course); /* ms; -1: it is not */

void saga__course_set_aside(struct saga__course *course);
void saga__course_stopped(struct saga__course *course, size_t streams);

#endif
