#ifndef SAGA_PARTICIPANT_LANE_BATCH_H
#define SAGA_PARTICIPANT_LANE_BATCH_H

#include "lane.h"

/* Takes what waits as one transaction. False: nothing waits. */
bool saga__lane_batch(struct saga__lane *lane);

/* Whether our own events are still to be read again from the outbox. The lane's thread. */
bool saga__lane_is_behind(const struct saga__lane *lane);

/* Looks for what others left in the store: parked rows that an operator wants done. */
void saga__lane_look(struct saga__lane *lane);

/* How long there is nothing to do; -1: until something is pushed. */
int64_t saga__lane_idle_ms(struct saga__lane *lane);

/* After a failure: waits longer each time; connects anew if need be. */
void saga__lane_failed(struct saga__lane *lane, const saga_error *error, bool reconnect);

void saga__lane_log(struct saga__lane *lane, int level, const char *what, const char *text);

#endif
