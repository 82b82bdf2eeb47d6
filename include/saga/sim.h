#ifndef SAGA_SIM_H
#define SAGA_SIM_H

/*
 * The simulator: a seeded world with virtual time. Your unchanged participants run in it under
 * losses, crashes and other faults, on as many seeds as you like; the same seed repeats exactly.
 *
 *	saga_sim *sim;
 *	saga_sim_new(SAGA_SIM_OPTIONS(.seed = 7, .faults = SAGA_SIM_ALL), &sim, &error);
 *	saga_sim_add(sim, &order, SAGA_OPTIONS(.followers = to_stock), &error);
 *	saga_sim_add(sim, &stock, SAGA_OPTIONS(.followers = to_order), &error);
 *	saga_sim_submit(sim, "order", 1000, &(saga_submission){
 *		SAGA_SUBMISSION(place_order, .customer = "ALFKI"), .key = "1" }, &error);
 *	code = saga_sim_run(sim, &error);
 *	... saga_sim_query(sim, "stock", ...): check the result ...
 *	saga_sim_close(sim);
 *
 * One queue, ordered by virtual time, decides what happens next; nothing completes inside the call
 * that asked for it. Each participant has its own store (SQLite, in memory), which outlives its
 * crashes; the memory of the participant does not. The transport is lossy or, with `durable`, a
 * broker that keeps events until they are acked, and confirms them early. In the first phase the
 * faults of the seed strike. Then everything heals, and every saga must come to rest within a
 * budget of virtual time.
 *
 * A store with eight shards locks rows, as a server does: while one instance stands still, the
 * transactions of others interleave as under READ COMMITTED, and a transaction that meets a lock
 * loses at once. A store with one shard has one writer at a time, as SQLite.
 *
 * Threads: use a world on one thread at a time; it makes none. Several worlds may run on several
 * threads. Handlers and outside calls must take time and randomness from the library alone, or a
 * seed does not repeat.
 */

#include <saga/participant.h>

SAGA_BEGIN

typedef struct saga_sim saga_sim;

/* Faults. Each seed picks some of the allowed faults, and how often they strike (swarm testing). */
enum saga_sim_fault {
	SAGA_SIM_LOSE = 1 << 0,       /* frames are lost */
	SAGA_SIM_DOUBLE = 1 << 1,     /* frames come twice */
	SAGA_SIM_DELAY = 1 << 2,      /* frames come late, and out of order */
	SAGA_SIM_CORRUPT = 1 << 3,    /* frames have changed bytes, or are cut short */
	SAGA_SIM_PARTITION = 1 << 4,  /* one participant does not hear another, or both */
	SAGA_SIM_PAUSE = 1 << 5,      /* a participant stands still, for longer than any lease */
	SAGA_SIM_CRASH = 1 << 6,      /* one is killed between any two effects, and started again */
	SAGA_SIM_REFUSE = 1 << 7,     /* a store is away for a while */
	SAGA_SIM_CONFLICT = 1 << 8,   /* a transaction loses against another */
	SAGA_SIM_SLOW = 1 << 9,       /* a store answers late */
	SAGA_SIM_FULL = 1 << 10,      /* a store has no room for a while */
	SAGA_SIM_UNKNOWN = 1 << 11,   /* the answer to a commit is lost; it committed, or not */
	SAGA_SIM_UNSENT = 1 << 12,    /* a transport takes frames or none, and says it failed */
	SAGA_SIM_HANDLER = 1 << 13,   /* a handler asks for a retry, fails, crashes its process */
	SAGA_SIM_CALL = 1 << 14,      /* an outside call is late, or its answer is lost */
	SAGA_SIM_CLOCK = 1 << 15,     /* wall clocks jump and differ */
	SAGA_SIM_POWER = 1 << 16,     /* a durable broker loses the newest confirmed events */
	SAGA_SIM_STALL = 1 << 17,     /* a lane stands still within a transaction, others go on */
	SAGA_SIM_LEAP = 1 << 18,      /* a wall clock is 91 days ahead for a minute */
	SAGA_SIM_RESTORE = 1 << 19,   /* a store is set back to a backup */
	SAGA_SIM_ALL = ((1 << 16) - 1) | SAGA_SIM_STALL /* faults that any choreography bears */
};

typedef struct saga_sim_options {
	size_t size;
	uint64_t seed;
	unsigned faults;       /* allowed faults, bits of enum saga_sim_fault; 0: none */
	uint64_t fault_limit;  /* only the first so many faults strike; 0: no limit */
	int64_t faults_ms;     /* virtual length of the first phase; 0: 60,000 */
	int64_t heal_ms;       /* virtual time after it until all must be at rest; 0: 600,000 */
	unsigned shards;       /* shards of each store, 1 or 8; 0: the seed picks */
	void *user;            /* passed to trace */
	/* Called for each happening; the second of several instances is "stock.2". NULL: nobody. */
	void (*trace)(void *user, int64_t ms, const char *participant, const char *text);
	unsigned instances;    /* instances of each participant on its store, 1 to 4; 0: 1 */
	bool durable;          /* a broker keeps the events, as JetStream does */
} saga_sim_options;

#ifndef __cplusplus
#define SAGA_SIM_OPTIONS(...) \
	(&(const saga_sim_options){ .size = sizeof(saga_sim_options), __VA_ARGS__ })
#endif

/*
 * Makes a world; the caller closes it with saga_sim_close. Fails with SAGA_UNSUPPORTED (a build
 * without SQLite), SAGA_MALFORMED, SAGA_NOMEM.
 */
SAGA_API int saga_sim_new(
	const saga_sim_options *options, saga_sim **ret_sim, saga_error *error) SAGA_MUST_USE;

/* Closes a world with all its participants. NULL is fine. */
SAGA_API void saga_sim_close(saga_sim *sim);

/*
 * Adds a participant, before the world runs; at most 16. Of its options the world uses followers,
 * limits, ages, user and log; it brings its own store, transport, loop and lanes. The def and the
 * user must outlive the world. After each crash the world closes the participant and opens it again
 * with the same user, so a handler must remember nothing there: the world cannot make it forget.
 * Fails as saga_open.
 */
SAGA_API int saga_sim_add(saga_sim *sim, const saga_participant_def *def,
	const saga_options *options, saga_error *error) SAGA_MUST_USE;

/*
 * Submits a request at a virtual time, like a client that does not give up: it repeats the request
 * under the same key while the participant is down or busy, or its answer is UNKNOWN, STOPPED or
 * WAITING. The submission is copied; its `answered` is called once, with the final answer. Call it
 * before saga_sim_run, or from a callback other than trace and log. Fails as saga_submit.
 */
SAGA_API int saga_sim_submit(saga_sim *sim, const char *participant, int64_t at_ms,
	const saga_submission *submission, saga_error *error) SAGA_MUST_USE;

/* Calls `call` at a virtual time. Fails with SAGA_NOMEM. */
SAGA_API int saga_sim_at(saga_sim *sim, int64_t at_ms, void (*call)(void *user, saga_sim *sim),
	void *user) SAGA_MUST_USE;

/* Returns virtual time: milliseconds since the world began. */
SAGA_API int64_t saga_sim_now(const saga_sim *sim);

/* Returns a number in [0, below) from the seed, for the host's own generators. */
SAGA_API uint64_t saga_sim_random(saga_sim *sim, uint64_t below);

/*
 * Runs the world to its end: everything is at rest after the healing, and stopped. Call it once.
 * Returns SAGA_OK; SAGA_NOMEM; or SAGA_FAILED, and error says the seed, how many faults had struck,
 * and which law was broken, where and when (or which saga did not come to rest). To find the least
 * `fault_limit` that still breaks the law, halve it, as examples/sim/sim.c does.
 *
 * The world checks:
 *
 * - after each commit: slots move only along the table of their lifecycle; each takes effect once,
 *   is undone at most once and only after that, in reverse order; writes of a handler stay if and
 *   only if its step took effect; nothing is deleted before its age; the outbox only grows, without
 *   a hole, and together with slots that moved; positions never go back, nor ahead of the stream;
 * - with each frame: it says nothing that is not committed;
 * - with each ack to a broker: the event has left its mark in the store;
 * - after each turn: no queue is beyond its limit;
 * - at the end: each event has left its mark in the slots of each consumer, each shard is worked by
 *   one instance, and nothing is open.
 *
 * A dead letter, and a dead or stuck slot, break a law unless a handler asked for them.
 */
SAGA_API int saga_sim_run(saga_sim *sim, saga_error *error) SAGA_MUST_USE;

/*
 * Reads a participant's store as committed: before or after the run, in an answer, or in a callback
 * of saga_sim_at. Fails with SAGA_MISUSE while the store is in a transaction, as it may be in trace
 * and log. `row` is called as in a saga_sink: a code other than SAGA_OK ends the query and is
 * returned.
 */
SAGA_API int saga_sim_query(saga_sim *sim, const char *participant, const char *sql,
	const saga_value *values, size_t value_count,
	int (*row)(void *user, const char *const *names, const saga_value *columns,
		size_t column_count),
	void *user, saga_error *error);

/* Counts of a run. */
typedef struct saga_sim_report {
	size_t size;         /* the caller sets it to sizeof(saga_sim_report) */
	uint64_t hash;       /* over all happenings in order: the same for the same seed */
	unsigned faults;     /* the faults that this seed picked, bits of enum saga_sim_fault */
	uint64_t struck;     /* faults that struck */
	uint64_t happenings; /* entries taken from the queue */
	uint64_t events;     /* events committed to an outbox */
	uint64_t commits;
	uint64_t frames;
	uint64_t crashes;
	int64_t ms;          /* virtual time */
	uint64_t struck_by[32]; /* `struck` by kind, in the order of enum saga_sim_fault */
	uint64_t restores;      /* stores set back; sums over stores are wrong from then on */
} saga_sim_report;

/* Fills *report as far as its size goes, during or after the run. Nothing in it is borrowed. */
SAGA_API void saga_sim_report_of(const saga_sim *sim, saga_sim_report *report);

SAGA_END

#endif
