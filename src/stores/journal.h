#ifndef SAGA_STORES_JOURNAL_H
#define SAGA_STORES_JOURNAL_H

/*
 * The library's own tables, over any store: one connection's view of them. The SQL stands here
 * once; a dialect says in what it differs.
 *
 *	saga_meta      name, value: the layout's version, the store's uuid, the participant, ...
 *	saga_stream    a shard's stream: its last number; the row that a batch locks
 *	saga_slot      one row a step and saga: docs/concepts.md, The slot
 *	saga_parked    what is set aside, src/step/parked.h
 *	saga_outbox    committed events, until they are seen and old enough
 *	saga_position  how far other streams are committed here, by shard
 *	saga_instance  processes that run the participant, each until when it is thought to live
 *	saga_lease     which of them should work a shard
 *
 * Functions answer SAGA_OK or what the store answered. Thread: the lane's that opened it.
 */

#include <saga/plugin.h>

#include "../delivery/follow.h"
#include "../step/batch.h"
#include "clock.h"

enum {
	SAGA__STORE_SHARDS = 64,
	SAGA__ENCODING_TEXT = 32
};

struct saga__dialect;

/* The tables, as statements of a dialect; the caller frees them. NULL: out of memory. */
char *saga__journal_layout(const struct saga__dialect *dialect);

enum {
	SAGA__DECLARATION_TEXT = 256
};

struct saga__journal {
	const saga_store_ops *ops;
	const struct saga__dialect *dialect;
	void *store;             /* NULL: not connected */
	const char *const *sets; /* statements that take many rows at once; NULL: it has none */
	unsigned shards;
	const struct saga_env *env;
	struct saga__clock clock;
	enum saga__clock_news clock_news; /* of the last look, until somebody has told it */
	int64_t clock_by;                 /* the source is ahead of store time by so much then */
	saga_id uuid;                     /* the store's */
	int64_t birth;                    /* when its tables were made */
	char declaration[SAGA__DECLARATION_TEXT]; /* a digest, and the names of the steps */
	bool lowered;                             /* its commits may be lost when the power goes */
	bool reads_wait;                          /* for who writes */
	bool odd_stream; /* REFUSED just now: a row of saga_stream is the reason */
	bool unsound;    /* the database's version is known to lose commits */
	char encoding[SAGA__ENCODING_TEXT]; /* if it can't hold Unicode: its name; else "" */

	/* The options': where a row that was set aside is named. */
	const char *name;
	void (*set_aside)(void *user, const char *text);
	void *user;
};

struct saga__journal_options {
	const char *url;
	int timeout_ms;
	void *context;
	const struct saga__plan *plan;
	const struct saga_env *env;
	size_t event_bytes;

	/* A row that can't be read was set aside: which, why, and where it is. NULL: nobody asks */
	void (*set_aside)(void *user, const char *text);
	void *user;
};

/*
 * Connects; makes the tables, or brings them up to date; runs what is new of the user's schema. A
 * journal that was never open is all zero.
 */
int saga__journal_open(struct saga__journal *journal, const saga_store_ops *ops,
	const struct saga__journal_options *options, saga_error *error);
void saga__journal_close(struct saga__journal *journal);

/* Store time and ageing time, in ms since 1970: see clock.h. */
int64_t saga__journal_now(const struct saga__journal *journal);
int64_t saga__journal_ageing(const struct saga__journal *journal);

/*
 * How far the age of an event is behind store time. An event is too old to run only if both ageing
 * time and the wall clock say so: else store time that is years ahead would refuse all events of
 * participants whose clocks are right.
 */
int64_t saga__journal_ageing_behind(const struct saga__journal *journal);

/* Asks the source of store time. In the transaction that opens the store it also begins the row. */
int saga__journal_look_at_clock(struct saga__journal *journal, saga_error *error);

/* The same with what was read already: the source's time (ignored on SQLite), and the kept row. */
void saga__journal_look_with(struct saga__journal *journal, int64_t source, const char *kept);

/*
 * In the transaction that opens the store: it is worked by this declaration from now on. CONTENDED,
 * with a text that begins as below: instances of another declaration live.
 */
#define SAGA__DECLARATION_WAITS "waits: "
int saga__journal_declare(
	struct saga__journal *journal, const struct saga__plan *plan, saga_error *error);

/* Whether what the store says of that (empty: nothing) is what this journal was opened with. */
bool saga__journal_is_declared(const struct saga__journal *journal, const char *text);
/* TWINS. */
int saga__journal_undeclared(
	const struct saga__journal *journal, const char *text, saga_error *error);

/* The text of that row now; saga__journal_renew writes it. */
enum {
	SAGA__CLOCK_TEXT = 48
};
const char *saga__journal_clock_text(
	const struct saga__journal *journal, char buffer[SAGA__CLOCK_TEXT]);

/* ---- in a batch's transaction ---- */

/*
 * Locks the stream rows of the shards (given by number, sorted) and reads where they stand; then,
 * in the same round trip, fills the slots that the batch (NULL: none) asks for already.
 */
int saga__journal_lock(struct saga__journal *journal, struct saga__shard *shards, size_t count,
	struct saga__batch *batch, saga_error *error);

/* Whether something can be expected. */
bool saga__journal_expects(const struct saga__journal *journal);

/*
 * Instead of that, without a round trip: the stream row is locked, and must be as it is given. If
 * it is not, whatever waits next, the commit at the latest, is SAGA_REJECTED.
 */
int saga__journal_expect(
	struct saga__journal *journal, const struct saga__shard *shard, saga_error *error);

/* Fills the slots that the batch asks for, and that are not filled yet. */
int saga__journal_load(struct saga__journal *journal, struct saga__batch *batch, saga_error *error);

/* Where a stream of another participant is committed for one of our shards. */
/*
 * A durable transport's broker has one stream, of which a shard knows two positions: of the newest
 * event that it committed (stream_shard 0), and of one that is settled (1). Its owner has a name
 * that no participant can have.
 */
#define SAGA__BROKER_NAME "@broker"

static inline bool saga__source_is_broker(const struct saga__source *source)
{
	return source->owner[0] == '@';
}

struct saga__move {
	struct saga__source source;
	unsigned shard;
	uint64_t seq;
	saga_id id;
	bool reset; /* an operator's order: it may go back, see journal_halts.h, as for the next */
	uint64_t known; /* orders that were carried out when its stream's positions were read */
};

/* Writes all that came of a batch. *ret_woken: rows that were parked behind something are due. */
int saga__journal_write(struct saga__journal *journal, struct saga__batch *batch,
	const uint64_t *own, const struct saga__move *moves, size_t move_count, bool *ret_woken,
	saga_error *error);

/*
 * Writes a row into each table that a batch writes, and takes it back: whether the store refuses
 * that too, whatever the batch held.
 */
int saga__journal_probe(struct saga__journal *journal, saga_error *error);

/* ---- parked rows ---- */

/*
 * Due rows of a shard, the soonest first, at most `most`; into the arena, as a linked array. *went
 * gains the number of live rows that can't be read and that it makes dead letters.
 */
int saga__journal_due(struct saga__journal *journal, unsigned shard, int64_t now, size_t most,
	struct saga__arena *arena, struct saga__parked ***ret_rows, size_t *ret_count,
	int64_t *went, saga_error *error);
int saga__journal_next_due(
	struct saga__journal *journal, unsigned shard, int64_t *ret_due, saga_error *error);

/* The same for some shards at once; untouched if it fails. */
int saga__journal_dues(struct saga__journal *journal, const struct saga__shard *shards,
	size_t count, int64_t *ret_dues, saga_error *error);

/* Calls that a process that is gone was making are due now. */
int saga__journal_revive_calls(
	struct saga__journal *journal, unsigned shard, int64_t now, saga_error *error);

/* A parked row is due then. */
int saga__journal_put_off(
	struct saga__journal *journal, saga_id saga, saga_id id, int64_t due, saga_error *error);

/* Events that a broker refused (letters of the role PUBLISH) are to be published again. */
int saga__journal_relent(
	struct saga__journal *journal, unsigned shard, int64_t now, saga_error *error);

/* ---- streams ---- */

struct saga__stream_row {
	uint64_t seq;
	saga_id last;
	uint64_t own;    /* our own events up to here are committed here */
	uint64_t first;  /* of the outbox; seq + 1: empty */
	bool unclean;    /* it was in use when its process ended */
	saga_id suspect; /* the event that was tried alone */
	int suspicions;  /* how often */
};

int saga__journal_stream(struct saga__journal *journal, unsigned shard,
	struct saga__stream_row *ret_row, saga_error *error);

/* In use, or not any more: that only while the shard is still the holder's. */
/*
 * After REFUSED with odd_stream: the shard's row is made anew from the newest event of its outbox,
 * and its own events are read again. *ret_mended: it was; an empty outbox proves nothing.
 */
int saga__journal_mend_stream(
	struct saga__journal *journal, unsigned shard, bool *ret_mended, saga_error *error);

int saga__journal_mark_unclean(struct saga__journal *journal, unsigned shard, saga_error *error);
int saga__journal_mark_clean(
	struct saga__journal *journal, unsigned shard, saga_id holder, saga_error *error);
int saga__journal_suspect(struct saga__journal *journal, unsigned shard, saga_id event,
	int suspicions, saga_error *error);

/* Outbox rows in [first, last], at most `most`, in order. */
int saga__journal_outbox(struct saga__journal *journal, unsigned shard, uint64_t first,
	uint64_t last, size_t most,
	int (*row)(void *context, uint64_t seq, saga_id id, saga_id saga, saga_bytes event),
	void *context, saga_error *error);

/* Drops outbox rows up to `upto` that are older than `before`, at most `most`; *ret_dropped. */
int saga__journal_trim(struct saga__journal *journal, unsigned shard, uint64_t upto, int64_t before,
	size_t most, int64_t *ret_dropped, saga_error *error);

/* One of them; 0: there is none. */
int saga__journal_position(struct saga__journal *journal, const struct saga__source *source,
	unsigned shard, uint64_t *ret_seq, saga_error *error);

int saga__journal_positions(struct saga__journal *journal,
	int (*row)(void *context, const struct saga__source *source, unsigned shard,
		struct saga__position position),
	void *context, saga_error *error);

/* ---- who works which shard ---- */

enum {
	SAGA__INSTANCES_MOST = 64 /* that are looked at */
};

struct saga__instance {
	saga_id id;
	int64_t until; /* by the store's clock */
};

struct saga__lease {
	saga_id holder; /* zero: nobody */
	uint64_t seq;   /* of the shard's stream */
	int64_t due;    /* the soonest of what is parked there */
};

struct saga__leases {
	struct saga__lease at[SAGA__STORE_SHARDS];
	struct saga__instance instances[SAGA__INSTANCES_MOST]; /* that live; us too */
	size_t instance_count;
	int64_t halts; /* what journal_halts.h keeps */
};

/*
 * Says that `me` lives for lease_ms from now, in one round trip that reads all the above and asks
 * the store's clock as well.
 */
int saga__journal_renew(struct saga__journal *journal, saga_id me, int64_t lease_ms,
	struct saga__leases *ret_leases, saga_error *error);

/*
 * Takes shards (bits) whose lease still is as it was read; *ret_taken are those that were. Who does
 * not live any more is forgotten.
 */
int saga__journal_take(struct saga__journal *journal, saga_id me, uint64_t shards,
	const struct saga__leases *leases, uint64_t *ret_taken, saga_error *error);
int saga__journal_give(
	struct saga__journal *journal, saga_id me, uint64_t shards, saga_error *error);

/* `me` is gone, and so all that it held is free. */
int saga__journal_leave(struct saga__journal *journal, saga_id me, saga_error *error);

/* ---- the rest ---- */

/* Counts slots and parked rows of these shards. */
int saga__journal_count(struct saga__journal *journal, const struct saga__shard *shards,
	size_t shard_count, struct saga__counts *ret_counts, saga_error *error);

struct saga__forgotten {
	int64_t slots;
	int64_t letters; /* dead letters, and triggers that no dead or stuck slot has any more */
};

/*
 * Forgets sagas of these shards whose slots are all settled and last moved before `before`, under
 * the lock of their streams: looks at up to `most` sagas behind *cursor and moves that on; zero:
 * begin anew. Up to `most` letters of that age go before them, unless a slot of their saga is not
 * settled.
 */
int saga__journal_forget(struct saga__journal *journal, const struct saga__shard *shards,
	size_t shard_count, int64_t before, size_t most, saga_id *cursor,
	struct saga__forgotten *ret_dropped, saga_error *error);

/* Live slots in state `what`, or parked rows of kind `what`, of a step that is gone. */
typedef void saga__gone_fn(
	void *context, bool parked, const char *step, const char *what, int64_t count);

/* Finds the steps and schedules that have live rows and that the plan lacks. */
int saga__journal_find_gone(struct saga__journal *journal, const struct saga__plan *plan,
	saga__gone_fn *gone, void *context, saga_error *error);

#endif
