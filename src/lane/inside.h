#ifndef SAGA_LANE_INSIDE_H
#define SAGA_LANE_INSIDE_H

#include "lane.h"

/* Where a batch's work comes from. */
enum {
	FROM_HAND = 1,
	FROM_DUE = 2,
	FROM_OUTBOX = 4,
	FROM_OTHERS = 8 /* events that another instance may have committed: nothing but told */
};

enum saga__attempt_mode {
	SAGA__ATTEMPT_NORMAL = 0,
	SAGA__ATTEMPT_OPTIMISTIC, /* it reads neither slots nor stream: optimistic.c */
	SAGA__ATTEMPT_PROBING,    /* one event, counted before it runs: probing.c */
	SAGA__ATTEMPT_FOREIGN     /* for shards that another instance owns */
};

/* One batch, from what it takes to what it tells. It lives on the stack of saga__lane_batch. */
struct saga__attempt {
	struct saga__lane *lane;
	enum saga__attempt_mode mode;
	unsigned from;            /* where its work comes from */
	size_t looking;           /* the looks at the store that are done if it commits */
	struct saga__item **hand; /* the items that it took; the lane's room */
	size_t hand_count;
	struct saga__shard chosen[SAGA__STORE_SHARDS]; /* whose streams it locks */
	size_t chosen_count;
	uint64_t chosen_shards;           /* the same as bits */
	uint64_t own[SAGA__STORE_SHARDS]; /* where our streams of those are committed after it */
	size_t alone;      /* probing what is not in hand: that shard + 1 alone; else 0 */
	bool may_begin;    /* all its slots may begin here, so it could be optimistic */
	int64_t filled_at; /* monotonic: its handlers began; 0: not yet */
};

/* Takes what waits as one transaction. False: nothing waits. */
bool saga__lane_batch(struct saga__lane *lane);

/* Whether our own events are still to be read again from the outbox. The lane's thread. */
bool saga__lane_is_behind(const struct saga__lane *lane);

/* ---- take.c: what a batch takes from the store, under the lock ---- */

/* Nothing is read again yet: what a batch before this one read, and then lost, does not count. */
struct saga__due saga__lane_due(const struct saga__lane *lane);
void saga__lane_catch_nothing(struct saga__lane *lane);

/* Our own events that nobody here has handled: read again from the outbox. */
int saga__attempt_catch_up(struct saga__attempt *attempt, saga_error *error);
int saga__attempt_take_due(struct saga__attempt *attempt, saga_error *error);

/* ---- ownership.c: which shards it works ---- */

/* NULL: it does not work that one. */
struct saga__lane_shard *saga__lane_held(struct saga__lane *lane, unsigned number);
uint64_t saga__lane_worked(const struct saga__lane *lane);

/* From a stream, for a shard that is not worked, or in another epoch. */
bool saga__lane_is_stray(struct saga__lane *lane, const struct saga__item *item);

/* Takes the shards that the host assigns, leaves others, and tells both. */
void saga__lane_assign(struct saga__lane *lane, const struct saga__assignment *assignment);
void saga__lane_change_shards(struct saga__lane *lane);

/* Tells where a shard stands in all streams. False: not now; the lane put the command off. */
bool saga__lane_read_positions(struct saga__lane *lane, struct saga__lane_command *command);

/* Makes what it works what it is to work. Anew: on a new connection, all is read again. */
int saga__lane_settle(
	struct saga__lane *lane, bool anew, struct saga__assigned *ret_assigned, saga_error *error);

/* It ends well: its shards are clean, and the instance's leases gone. */
void saga__lane_leave(struct saga__lane *lane);

/* gone.c: logs the steps that the store has live rows of, and the program does not declare. */
int saga__lane_tell_gone(struct saga__lane *lane, saga_error *error);

/* ---- lease.c: the instance's leases, by lane 0 ---- */

bool saga__lane_is_to_renew(const struct saga__lane *lane);

/* Logs what the last look at the clock found; opened: that was at opening the store. */
void saga__lane_tell_clock(struct saga__lane *lane, bool opened);
void saga__lane_renew(struct saga__lane *lane);

/* ---- tell.c: what a batch leaves ---- */

/* Events in the outbox that nobody told: they go out before this batch's. */
int saga__attempt_tell_missed(
	struct saga__attempt *attempt, struct saga__sent_list *sent, saga_error *error);
int saga__lane_tell_outgoing(struct saga__lane *lane, struct saga__sent_list *sent);
void saga__attempt_tell_committed(
	struct saga__attempt *attempt, struct saga__notification *notification);

/* ---- pace.c: a batch was lost; it was not, and so many events may be in the next ---- */

void saga__pace_slow_down(struct saga__pace *pace, size_t ceiling);
size_t saga__pace_speed_up(struct saga__pace *pace, size_t most);

/* The connection is of no more use. */
static inline bool saga__is_lost(int code)
{
	return code == SAGA_AWAY || code == SAGA_UNKNOWN || code == SAGA_DAMAGED;
}

/* Whether the batch locks the stream of the lane's shard `at`. */
static inline bool saga__attempt_has_chosen(const struct saga__attempt *attempt, size_t at)
{
	struct saga__lane *lane = attempt->lane;
	return attempt->chosen_shards >> lane->owned.locked[at].shard & 1;
}

/* ---- outbox_jobs.c: between batches. False: not now; the lane put the command off ---- */

bool saga__lane_read_outbox(struct saga__lane *lane, struct saga__lane_command *command);
bool saga__lane_trim_outbox(struct saga__lane *lane, struct saga__lane_command *command);
void saga__lane_release(struct saga__lane *lane, uint64_t shards);
void saga__lane_republish(struct saga__lane *lane);

/* Forgets old sagas and dead letters, a piece at a time; a busy lane does it later. */
void saga__lane_forget(struct saga__lane *lane, int64_t now, bool is_busy);

/* How long there is nothing to do; -1: until something is pushed. */
int64_t saga__lane_idle_ms(struct saga__lane *lane);

/* ---- state.c ---- */

/* The one place where a lane changes its state: asserts that the move is one that may be. */
void saga__lane_become(struct saga__lane *lane, enum saga__lane_state state);

/* Connected, and not backing off: it does what the loop asks. */
static inline bool saga__lane_serves(const struct saga__lane *lane)
{
	return lane->state == SAGA__LANE_CONNECTED || lane->state == SAGA__LANE_ASSIGNING ||
		lane->state == SAGA__LANE_WORKING;
}

/* Also when it backs off after a failure that left the connection as it was. */
static inline bool saga__lane_is_connected(const struct saga__lane *lane)
{
	return lane->state != SAGA__LANE_DISCONNECTED && lane->journal.store;
}

void saga__lane_disconnect(struct saga__lane *lane);

/* Tells the loop what is told once; the notification was made at open. */
void saga__lane_tell_last(struct saga__lane *lane, struct saga__notification **notification);

/* Trying again will not mend this error: the host is told, and the lane works no more. */
void saga__lane_give_up(struct saga__lane *lane, const saga_error *error);

/* After a failure: waits longer each time; connects anew if need be. */
void saga__lane_failed(struct saga__lane *lane, const saga_error *error, bool reconnect);

/* The store refuses what is of no item: once, until something is committed. */
void saga__lane_log_refusal(struct saga__lane *lane, const saga_error *error);

void saga__lane_log(struct saga__lane *lane, int level, const char *what, const char *text);

/* Nothing came of what is in hand: as if it had not been taken. */
struct saga__lane_shard *saga__lane_shard_of(struct saga__lane *lane, unsigned number);
void saga__attempt_put_back(struct saga__attempt *attempt);

/* A command is to be tried again: what it failed for is as saga__lane_failed takes it. */
void saga__lane_put_off(
	struct saga__lane *lane, struct saga__lane_command *command, const saga_error *error);

/* In stopped.c: tells which streams have stopped, and what is ordered; the first lane does. */
int saga__lane_tell_halts(
	struct saga__lane *lane, const struct saga__stream *resumed, bool anew, saga_error *error);
bool saga__lane_do_halt(struct saga__lane *lane, struct saga__lane_command *command);

/*
 * Also there: in a batch that has written its positions, and so has its lock. Where another
 * instance carries out an order for one of those streams, or has, what is in hand of it is of
 * before: the batch is lost, and what the lane works is read again.
 */
int saga__lane_check_moves(
	struct saga__lane *lane, const struct saga__committed *committed, saga_error *error);

/* ---- optimistic.c: a batch of one event that begins its slots ---- */

void saga__lane_expect_nothing(struct saga__lane *lane);

/* Whether it takes that for granted: the batch has what is in hand. */
bool saga__attempt_is_to_expect(struct saga__attempt *attempt);

/* The stream is as this lane left it, and the slots are not there: the commit will tell. */
int saga__attempt_expect(struct saga__attempt *attempt, saga_error *error);

/* After the handlers: what did not begin its slot can't be taken for granted. */
void saga__attempt_check_expected(struct saga__attempt *attempt);

/* The batch was lost for something that was not so. */
void saga__attempt_is_surprised(struct saga__attempt *attempt);

/*
 * In probing.c: a call that a probing batch asked for is waited for, since it may end the
 * process as a handler may, and then it must be the suspect; but never for long.
 */
enum {
	SAGA__PROBE_MS = 3000,
	SAGA__PROBES_MS = 20000 /* after one unclean end */
};

void saga__lane_probe_call(struct saga__lane *lane, const struct saga__call *call);
bool saga__lane_awaits_call(const struct saga__lane *lane);

/*
 * In blame.c: the store has refused the batch. One item alone is blamed for it, unless the
 * store refuses what is of no item, too: then it is the store that an operator must look at.
 */
void saga__attempt_refused(struct saga__attempt *attempt, const saga_error *error);

/*
 * In refused.c: the store refuses even the dead letter of the only item of the batch that has
 * failed. Its stream waits, and is tried again; the others go on. False: that can't be done.
 */
bool saga__attempt_wait_for(struct saga__attempt *attempt, const saga_error *error);

/* Whether an item is of a stream that waits: it comes again when that is tried. */
bool saga__lane_holds_back(const struct saga__lane *lane, const struct saga__item *item);

/* Those that wait long enough are tried; *ret_left: how long until then, -1: none waits. */
void saga__lane_try_waits(struct saga__lane *lane, int64_t *ret_left);

/* A batch was committed: those that it has brought further go on. */
void saga__attempt_end_waits(
	struct saga__attempt *attempt, const struct saga__committed *committed);

/* Also in blame.c: the batch lost the connection, perhaps since one item takes too long. */
void saga__attempt_lost(struct saga__attempt *attempt, int code, const saga_error *error);

/* The store has failed it. Damage, which only an operator can mend, is said once. */
void saga__lane_note_error(struct saga__lane *lane, const saga_error *error);

/* From the journal: a row that can't be read. */
void saga__lane_row_was_set_aside(void *user, const char *text);

/* ---- overdue.c: what the lane does away with outside a batch ---- */

/* The lane answers requests for shards whose stream row can't be read, and drops their events. */
void saga__lane_refuse_unworked(struct saga__lane *lane);

/* Requests that the store keeps waiting for too long are answered. */
void saga__lane_answer_waiting(struct saga__lane *lane);

/* In probing.c: one source alone, since what runs must be what is suspected ... */
unsigned saga__attempt_take_one_source(struct saga__attempt *attempt, unsigned from);

/* ... and its next event's attempt is counted, in a transaction of its own, before it runs. */
int saga__attempt_suspect(struct saga__attempt *attempt, unsigned from, saga_error *error);

#endif
