#ifndef SAGA_SIM_H
#define SAGA_SIM_H

/*
 * The simulator: a seeded world with virtual time in which unchanged participants, yours too, live
 * through the worst days by the thousand, and any of those again exactly.
 *
 *	saga_sim *sim;
 *	saga_sim_new(SAGA_SIM_OPTIONS(.seed = 7, .faults = SAGA_SIM_ALL), &sim, &error);
 *	saga_sim_add(sim, &order, SAGA_OPTIONS(.followers = to_stock), &error);
 *	saga_sim_add(sim, &stock, SAGA_OPTIONS(.followers = to_order), &error);
 *	saga_sim_submit(sim, "order", 1000, &(saga_submission){
 *		SAGA_SUBMISSION(place_order, .customer = "ALFKI"), .key = "1" }, &error);
 *	code = saga_sim_run(sim, &error);
 *	... saga_sim_query(sim, "stock", ...): what came of it ...
 *	saga_sim_close(sim);
 *
 * One queue, ordered by virtual time, says what happens next; nothing completes inside the call
 * that asked for it. Each participant has a store of its own (SQLite, in memory), which outlives
 * its crashes; its memory does not. The transport loses what it likes, or, `durable`, is a broker
 * that keeps events until they are acked, and confirms them early. In the first phase the faults of
 * the seed strike; then all heals, and every saga must come to rest within a budget of virtual
 * time.
 *
 * Threads: one. A world is used by one thread at a time and makes none; several worlds may run on
 * several threads. Handlers and outside calls must take time and randomness from nowhere else than
 * the library and the seed, or a seed does not repeat. A store with eight shards is one that locks
 * rows: instances' transactions interleave there as READ COMMITTED has it, while one of them stands
 * still; who meets a lock loses at once. With one shard it has one writer at a time, as SQLite.
 */

#include <saga/participant.h>

SAGA_BEGIN

typedef struct saga_sim saga_sim;

/* What may go wrong. Each seed picks which of the allowed are on, and how hard (swarm testing). */
enum saga_sim_fault {
	SAGA_SIM_LOSE = 1 << 0,       /* frames are lost */
	SAGA_SIM_DOUBLE = 1 << 1,     /* come twice */
	SAGA_SIM_DELAY = 1 << 2,      /* come late, and out of order */
	SAGA_SIM_CORRUPT = 1 << 3,    /* have a byte or more changed, or are cut short */
	SAGA_SIM_PARTITION = 1 << 4,  /* one hears another no more, or neither the other */
	SAGA_SIM_PAUSE = 1 << 5,      /* a participant stands still, for longer than any lease */
	SAGA_SIM_CRASH = 1 << 6,      /* killed between any two effects, and started again */
	SAGA_SIM_REFUSE = 1 << 7,     /* a store is away for a while */
	SAGA_SIM_CONFLICT = 1 << 8,   /* a transaction loses */
	SAGA_SIM_SLOW = 1 << 9,       /* a store takes its time */
	SAGA_SIM_FULL = 1 << 10,      /* a store has no room for a while */
	SAGA_SIM_UNKNOWN = 1 << 11,   /* a commit's answer is lost: it took, or it did not */
	SAGA_SIM_UNSENT = 1 << 12,    /* a transport takes frames or none, and says it failed */
	SAGA_SIM_HANDLER = 1 << 13,   /* a handler asks for a retry, fails, crashes its process */
	SAGA_SIM_CALL = 1 << 14,      /* an outside call is late; its answer is lost */
	SAGA_SIM_CLOCK = 1 << 15,     /* wall clocks jump and differ */
	SAGA_SIM_POWER = 1 << 16,     /* a durable broker loses the newest of what it confirmed */
	SAGA_SIM_STALL = 1 << 17,     /* a lane stands still within a transaction, others go on */
	SAGA_SIM_LEAP = 1 << 18,      /* a wall clock is 91 days ahead for a minute */
	SAGA_SIM_RESTORE = 1 << 19,   /* a store is set back to a backup */
	SAGA_SIM_ALL = ((1 << 16) - 1) | SAGA_SIM_STALL /* which any choreography bears */
};

typedef struct saga_sim_options {
	size_t size;
	uint64_t seed;
	unsigned faults;       /* of enum saga_sim_fault: those that are allowed; 0: none */
	uint64_t fault_limit;  /* only so many faults strike, the first ones; 0: no limit */
	int64_t faults_ms;     /* virtual length of the first phase; 0: 60,000 */
	int64_t heal_ms;       /* in which all must have come to rest after it; 0: 600,000 */
	unsigned shards;       /* of each store, 1 or 8; 0: the seed picks */
	void *user;            /* for trace */
	/* Of several instances the second is "stock.2". */
	void (*trace)(void *user, int64_t ms, const char *participant, const char *text);
	unsigned instances;    /* of each participant, on its one store; 1 to 4; 0: 1 */
	bool durable;          /* a broker keeps the events, as JetStream does */
} saga_sim_options;

#ifndef __cplusplus
#define SAGA_SIM_OPTIONS(...) \
	(&(const saga_sim_options){ .size = sizeof(saga_sim_options), __VA_ARGS__ })
#endif

/* Makes a world; the caller closes it. UNSUPPORTED (a build without SQLite), MALFORMED, NOMEM. */
SAGA_API int saga_sim_new(
	const saga_sim_options *options, saga_sim **ret_sim, saga_error *error) SAGA_MUST_USE;

/* Closes it and all that is in it. NULL is fine. */
SAGA_API void saga_sim_close(saga_sim *sim);

/*
 * Puts a participant into the world, before it runs; at most 16. Of the options count its
 * followers, limits, ages, user and log; store, transport, loop and lanes are the world's. The def
 * and the user must outlive the world. It is closed and opened again after each crash, with the
 * same user: what a handler remembers there, and not in its store, the world cannot take from it.
 */
SAGA_API int saga_sim_add(saga_sim *sim, const saga_participant_def *def,
	const saga_options *options, saga_error *error) SAGA_MUST_USE;

/*
 * Submits at a time, as a client does that does not give up: with the same key again while the
 * participant is down or busy or its answer is UNKNOWN, STOPPED or WAITING. All of the submission
 * is copied, and its `answered` is called once, with the final answer. Before saga_sim_run, or from
 * a callback but trace and log.
 * As saga_submit fails what could never be submitted.
 */
SAGA_API int saga_sim_submit(saga_sim *sim, const char *participant, int64_t at_ms,
	const saga_submission *submission, saga_error *error) SAGA_MUST_USE;

/* Calls back at a virtual time. NOMEM. */
SAGA_API int saga_sim_at(saga_sim *sim, int64_t at_ms, void (*call)(void *user, saga_sim *sim),
	void *user) SAGA_MUST_USE;

/* Virtual time: milliseconds since the world began. */
SAGA_API int64_t saga_sim_now(const saga_sim *sim);

/* A number in [0, below) from the seed, for the host's own generators. */
SAGA_API uint64_t saga_sim_random(saga_sim *sim, uint64_t below);

/*
 * Runs the world to its end: all at rest after the healing, and stopped. SAGA_OK; or SAGA_FAILED,
 * and error says the seed, how many faults had struck, which law was broken, where and when (or
 * what did not come to rest); NOMEM. Once. The least `fault_limit` that still breaks it is soon
 * found by halves, see examples/sim/sim.c.
 *
 * Looked at are, after each commit: that slots move only along the table of their lifecycle, that
 * each takes effect once, is undone once and only then, and in reverse order; that what a handler
 * wrote stays if and only if it took effect; that nothing goes before its age; that the outbox only
 * grows, without a hole, and with slots that moved; that positions never go back nor ahead of what
 * there is. With each frame: that it says nothing that is not committed; with each ack to a broker:
 * that what came has left its mark. After each turn: that no
 * queue is beyond its limit. At the end: that each event has left its mark in each consumer's
 * slots, that each shard is worked by one instance, and nothing is open. A dead letter, a dead or
 * a stuck slot is a breach, unless a handler asked for it.
 */
SAGA_API int saga_sim_run(saga_sim *sim, saga_error *error) SAGA_MUST_USE;

/*
 * Reads a participant's store as it is committed, before and after the run, in an answer or in a
 * saga_sim_at; MISUSE while it is in a transaction (trace and log come in there, too). `row` as in
 * a saga_sink: not SAGA_OK ends the query and is returned.
 */
SAGA_API int saga_sim_query(saga_sim *sim, const char *participant, const char *sql,
	const saga_value *values, size_t value_count,
	int (*row)(void *user, const char *const *names, const saga_value *columns,
		size_t column_count),
	void *user, saga_error *error);

/* What came to pass. */
typedef struct saga_sim_report {
	size_t size;         /* in: sizeof(saga_sim_report) */
	uint64_t hash;       /* of all that happened, in order: the same for the same seed */
	unsigned faults;     /* of enum saga_sim_fault: those that this seed had on */
	uint64_t struck;     /* faults that struck */
	uint64_t happenings; /* taken from the queue */
	uint64_t events;     /* committed to an outbox */
	uint64_t commits;
	uint64_t frames;
	uint64_t crashes;
	int64_t ms;          /* virtual time */
	uint64_t struck_by[32]; /* of them, by kind: in the order of enum saga_sim_fault */
	uint64_t restores;      /* stores that were set back: from then on no sums are right */
} saga_sim_report;

/* Fills *report, as far as its size goes: after the run, or so far. Nothing in it is borrowed. */
SAGA_API void saga_sim_report_of(const saga_sim *sim, saga_sim_report *report);

SAGA_END

#endif
