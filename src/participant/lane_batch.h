#ifndef SAGA_PARTICIPANT_LANE_BATCH_H
#define SAGA_PARTICIPANT_LANE_BATCH_H

#include "lane.h"

/* Where a batch's work comes from. */
enum {
	FROM_HAND = 1,
	FROM_DUE = 2,
	FROM_OUTBOX = 4
};

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

/* Nothing came of what is in hand: as if it had not been taken. */
struct saga__lane_shard *saga__lane_shard_of(struct saga__lane *lane, unsigned number);
void saga__lane_put_back(struct saga__lane *lane);

/* A chore is to be tried again: what it failed for is as saga__lane_failed takes it. */
void saga__lane_put_off(
	struct saga__lane *lane, struct saga__chore *chore, const saga_error *error);

/* In lane_halts.c: tells which streams have stopped, and what is ordered; the first lane does. */
int saga__lane_tell_halts(
	struct saga__lane *lane, const struct saga__stream *resumed, saga_error *error);
void saga__lane_do_halt(struct saga__lane *lane, struct saga__chore *chore);

/* In lane_careful.c: one source alone, since what runs must be what is suspected ... */
unsigned saga__lane_be_careful(struct saga__lane *lane, unsigned from);

/* ... and its next event's attempt is counted, in a transaction of its own, before it runs. */
int saga__lane_suspect(struct saga__lane *lane, unsigned from, saga_error *error);

#endif
