#ifndef SAGA_PARTICIPANT_H
#define SAGA_PARTICIPANT_H

/*
 * A participant: one service's part in the choreography. Its life:
 *
 *	saga_open -> saga_submit ... -> saga_stop -> (stopped) -> saga_close
 *
 * Threads: it has one loop; lanes and outside calls have threads of their own. Unless a function
 * says "any thread", call it on the loop's thread, or before the loop runs. Callbacks come on the
 * loop unless they say otherwise. The library keeps no process-wide state, installs no signal
 * handler and never exits.
 */

#include <saga/step.h>

SAGA_BEGIN

struct uv_loop_s; /* libuv's uv_loop_t; <uv.h> is for those who use it */
struct saga_transport_ops;
struct saga_store_ops;

typedef struct saga_participant saga_participant;

/* ---- what it is ---- */

typedef struct saga_participant_def {
	size_t size;
	const char *name;           /* "stock": a key on disk, at most 31 bytes */
	const saga_step_def *steps; /* in order of declaration; undos of one event run in reverse */
	size_t step_count;
	size_t step_size;           /* sizeof(saga_step_def) where this was compiled */

	/*
	 * SQL scripts, ended by NULL; each runs once, in order: append, never change one. The word
	 * SAGA_ID in them stands for the store's type of a saga_id, SAGA_TEXT(40) for that of a
	 * text of at most 40 characters, compared byte by byte: `R1`, `r1` and `R1 ` are three, on
	 * every store. Such a one may be a key; SAGA_TEXT alone, of any length, may not. A longer
	 * value is the program's mistake: PostgreSQL cuts blanks beyond the 40, SQLite keeps all. A
	 * column that is declared in other words is compared as it says (COLLATE NOCASE, CITEXT).
	 *
	 * SQL Server ignores blanks at a text's end. So there a text value that ends in a blank (or
	 * in DEL) is kept with a DEL (U+007F) behind it, which the library adds and takes away:
	 * mind it in literals, in LEN(), and where other programs read or write the same rows.
	 */
	const char *const *schema;
} saga_participant_def;

/* SAGA_PARTICIPANT("stock", steps), or with more: SAGA_PARTICIPANT("stock", steps, .schema = s) */
#define SAGA_PARTICIPANT(name_, ...) SAGA__PARTICIPANT(name_, __VA_ARGS__, )
#define SAGA__PARTICIPANT(name_, steps_, ...) \
	{ .size = sizeof(saga_participant_def), .name = name_, .steps = steps_, \
	  .step_count = sizeof(steps_) / sizeof(steps_)[0], .step_size = sizeof(steps_)[0], \
	  __VA_ARGS__ }

/* ---- how it runs ---- */

typedef enum saga_level {
	SAGA_INFO = 1,
	SAGA_WARNING = 2,
	SAGA_ALARM = 3 /* an operator must act */
} saga_level;

typedef struct saga_log_field {
	const char *name;
	saga_value value;
} saga_log_field;

/* One thing that happened. All of it is borrowed until the callback returns. */
typedef struct saga_log {
	int level;                    /* saga_level */
	const char *participant;
	const char *what;             /* stable, for machines: "step.retried" */
	const char *text;             /* a sentence, for people */
	int64_t time;                 /* ms since 1970, UTC */
	const saga_log_field *fields; /* "saga", "step", "attempt", ... */
	size_t field_count;
} saga_log;

/* Any thread, also several at once. Must not block, nor call the library. */
typedef void saga_log_fn(void *user, const saga_log *log);

/* A saga_log_fn: one line of logfmt to stderr. Ignores user. */
SAGA_API void saga_log_stderr(void *user, const saga_log *log);

/*
 * It has stopped, once: code is SAGA_OK after saga_stop, else what made it impossible to go on (as
 * SAGA_TWINS), and text says it in words. saga_close may be called from here on; in here only if
 * the loop is the host's.
 */
typedef void saga_stopped_fn(void *user, saga_participant *participant, const saga_error *why);

/* Where a participant that is new to the others begins to listen. */
typedef enum saga_start {
	SAGA_FROM_OLDEST = 0, /* with all events that the others still have */
	SAGA_FROM_NOW = 1
} saga_start;

/*
 * The stated limits; 0 takes the default. What goes beyond is SAGA_BUSY or SAGA_TOO_BIG. To change
 * some: .limits = SAGA_LIMITS(.queue = 64, .rows = 100)
 */
typedef struct saga_limits {
	size_t size;
	size_t queue;         /* submissions and events that wait for a lane; 1024 */
	size_t event_bytes;   /* one event on the wire; 64 KiB */
	size_t handler_bytes; /* memory that one handler's calls may hand out; 1 MiB */
	size_t rows;          /* of one query; 4096 */
	size_t batch_events;  /* in one transaction; 64 */
	int batch_ms;         /* that a batch waits for more; 0: not at all */
	size_t window;        /* events sent and not yet seen by a follower; 64 */
	int outside_calls;    /* at once; 16 */
	int stop_ms;          /* that a batch may go on after saga_stop; 5000 */
	size_t streams;       /* of other participants that are followed, each one shard; 1024 */
	size_t stream_bytes;  /* events of those that wait behind a gap, or for a lane; 16 MiB */
	int request_ms;       /* that the store may fail before requests that wait for it are
	                         answered with AWAY, then each at once; 0: they wait for as long
	                         as it takes */
} saga_limits;

/*
 * Several instances of one participant, processes or not, may run on one store at once, with the
 * same name, steps and options. They share its shards (SQLite has 1, servers 8) by leases in the
 * store, renewed each third of lease_ms, and each runs requests of all sagas. One more takes its
 * share within two thirds of that; what one leaves that stops is taken within a third; what one
 * leaves that was killed, or stands still, when its lease ends. Two that work one shard meanwhile
 * do nothing twice: that is only wasteful. More instances than shards stand by.
 *
 * All instances on one store must have the same steps, on the same events. One whose steps differ
 * waits at open, with the alarm declaration.differs, until none of the others lives: a new program
 * starts to work when the old one has stopped, or its lease has ended. One that stood still and was
 * superseded meanwhile stops with SAGA_TWINS.
 *
 * While nothing happens, the renewal is the one statement that is sent, one that writes, but for
 * the upkeep: trimming each half minute, forgetting each minute. Choose a longer lease where a disk
 * should rest. No session's lock outlives half a lease, if its server ends sessions that stand
 * still in a transaction: PostgreSQL does, SQL Server does not, and SQLite has no server.
 *
 * Due times (saga_after, retries, deadlines), leases and ages count by store time: the server's
 * clock, or the wall clock on SQLite, of which the store keeps the highest, so that it never goes
 * back. A clock that is more than an hour ahead is not followed before it has been so for ten
 * minutes; then things age by an hour a minute at most. Each of these is in the log (clock.leapt,
 * clock.followed, clock.went_back, clock.agrees). A store that was not used for more than an hour
 * begins like that, too. Log lines and ids have the wall clock's time.
 *
 * `followers` names each participant that has a step on our events: these are kept until all of
 * those have seen them, retention_max_ms at most. Anyone else may listen, but is not waited for:
 * what it has not seen after retention_ms is lost to it. So both mistakes are warnings in the log.
 * A participant that is heard to follow us and is not named is follower.undeclared, once for each
 * of the first 16 names; one that hears us, and has no step on our events, leaves us out of its
 * `follows`. One that is named, and was never heard since we were opened, a minute after there were
 * events for it, is follower.silent, and each hour from then on; saga_health and saga_metrics count
 * it. A durable transport keeps the events itself: there neither is told.
 *
 * A session of the server's own is needed: PgBouncer in transaction or statement mode is refused.
 *
 * Options; SAGA_OPTIONS(.store = ..., ...) fills in the size, which is the struct's version:
 * members are only ever appended. All is copied by saga_open, except `user`, `handler_user`, `loop`
 * and the plugins, which must outlive the participant.
 */
typedef struct saga_options {
	size_t size;
	const char *store;              /* "sqlite:stock.db", "postgresql://...", "mssql://..." */
	const char *transport;          /* "inproc://shop", "nng+tcp://..."; NULL: alone */
	const char *const *followers;   /* who must see our events, ended by NULL; see below */

	int lanes;                      /* threads with a store connection; 0: inline on the loop */
	struct uv_loop_s *loop;         /* the host's; NULL: one of its own, see saga_run */
	saga_start start;
	int64_t history_ms;             /* slots, answers, dead letters live so long; 0: 90 days */
	int64_t retention_ms;           /* events live at least so long; 0: 7 days */
	int64_t retention_max_ms;       /* and no longer, seen or not; 0: 90 days */
	bool stop_when_idle;            /* when nothing is queued, parked or scheduled: here, and
	                                   in the store as the last renewal saw it */
	const saga_limits *limits;      /* NULL: the defaults */

	void *user;                     /* for the callbacks here; for the handlers, too, unless
	                                   handler_user is set */
	saga_log_fn *log;               /* NULL: nowhere */
	saga_stopped_fn *stopped;

	/* Plugins of the host's own, see <saga/plugin.h>; NULL: found by the URL's scheme. */
	const struct saga_transport_ops *transport_ops;
	void *transport_context;
	const struct saga_store_ops *store_ops;
	void *store_context;

	int lease_ms;                   /* of an instance, see above; 3,000 to 3,600,000; 0: 15 s */
	const char *const *follows;     /* participants whose events its steps are on, ended by
	                                   NULL: on a lossy transport frames of all others are
	                                   ignored. NULL: everyone is heard */
	int stalled_ms;                 /* without a commit, see saga_health; 0: 30 s */
	void *handler_user;             /* what saga_user and saga_call_user return to handlers and
	                                   outside calls; NULL: `user` */
} saga_options;

#ifndef __cplusplus
#define SAGA_OPTIONS(...) (&(const saga_options){ .size = sizeof(saga_options), __VA_ARGS__ })
#define SAGA_LIMITS(...) (&(const saga_limits){ .size = sizeof(saga_limits), __VA_ARGS__ })
#endif

/*
 * Opens a participant. Checks the declarations and the options, and connects to nothing: that
 * happens on the loop, is retried for as long as it takes, and what is submitted meanwhile waits.
 *
 * The def and all that it points at must outlive the participant. On success *ret_participant is
 * the caller's, to be closed. Fails with SAGA_MISUSE (a declaration, named in error),
 * SAGA_MALFORMED (an option, named), SAGA_UNSUPPORTED (a scheme that this build lacks), SAGA_NOMEM.
 */
SAGA_API int saga_open(const saga_participant_def *def, const saga_options *options,
	saga_participant **ret_participant, saga_error *error) SAGA_MUST_USE;

/*
 * Runs the participant's loop until it has stopped; returns the code that `stopped` would get.
 * Nothing to do for whoever runs the loop himself.
 */
SAGA_API int saga_run(saga_participant *participant);

/*
 * The participant's loop, to put others on it by their `loop` option. It belongs to the one that
 * made it: close that one last.
 */
SAGA_API struct uv_loop_s *saga_loop(saga_participant *participant);

/*
 * For hosts with another event loop: wait until the fd is readable, or for that many ms (-1: no
 * limit), then call saga_turn, which does what is due and does not block.
 */
SAGA_API int saga_fd(saga_participant *participant);
SAGA_API int saga_timeout(saga_participant *participant);
SAGA_API void saga_turn(saga_participant *participant);

/*
 * Begins to stop: takes no more, lets running handlers and calls end, answers every submission,
 * closes, and then `stopped` comes. A batch that lasts longer than the limit stop_ms has its
 * statement interrupted, as if the store were away: what it was about was not done (an inline lane
 * has nobody who could). Again is harmless. Any thread, a handler, a signal handler.
 */
SAGA_API void saga_stop(saga_participant *participant);

/*
 * Frees a participant that has stopped, or whose loop never ran; what was submitted to that is
 * answered STOPPED in here. NULL is fine.
 */
SAGA_API void saga_close(saga_participant *participant);

/* ---- asking it ---- */

/* An answer; borrowed until the callback returns. */
typedef struct saga_answer {
	int code;                  /* OK: it took effect; REJECTED, FAILED, CONFLICT, MALFORMED;
	                              WAITING: its outside call goes on, ask again with the same
	                              key; STOPPED, AWAY: not done; REFUSED: what is stored of it
	                              can't be read; UNKNOWN: perhaps done (stopped, no memory
	                              for the event), ask again */
	const char *text;          /* in words, never NULL */
	saga_id saga;
	const saga_event *outcome; /* what the step published; NULL if nothing */
	bool repeated;             /* the stored answer to a key that came before */
} saga_answer;

/* On the loop, exactly once for each submission that was accepted, after the commit. */
typedef void saga_answer_fn(void *user, const saga_answer *answer);

/*
 * A request for the step that is `on` its type. SAGA_SUBMISSION fills the first three; the body
 * that it makes lives as long as the block that it stands in, so submit there. As in
 *
 *	saga_submit(p, &(saga_submission){
 *		SAGA_SUBMISSION(place_order, .customer = "ALFKI", .total = 1299),
 *		.key = key, .answered = placed, .user = connection }, &error);
 */
typedef struct saga_submission {
	size_t size;
	const saga_type *type;
	const void *body;
	saga_bytes json;           /* instead of the body: decoded and validated at once */
	const char *key;           /* idempotency key, 1 to 255 bytes; a per_subject's subject */
	saga_id saga;              /* zero: a new one, its id made from participant, step, key */
	const char *traceparent;   /* W3C Trace Context; NULL: none, as if longer than 255 bytes */
	int wait_ms;               /* for room in a full queue; 0 on the loop's thread */
	saga_answer_fn *answered;  /* NULL: nobody asks */
	void *user;                /* for answered */
} saga_submission;

#ifndef __cplusplus
#define SAGA_SUBMISSION(...) \
	.size = sizeof(saga_submission), .type = &SAGA__FIRST(__VA_ARGS__), \
	.body = SAGA__BODY(__VA_ARGS__)
#define SAGA_SUBMISSION_JSON(type_, at_, size_) \
	.size = sizeof(saga_submission), .type = &(type_), .json = { .at = at_, .size = size_ }
#endif

/*
 * Submits a request; all of it is copied. Answers SAGA_OK, and then `answered` comes; or a code,
 * and then it does not: SAGA_MALFORMED (no key, or the body, in words), SAGA_BUSY (the queue is
 * full), SAGA_STOPPED, SAGA_TOO_BIG, SAGA_MISUSE (no step is `on` that type). Any thread, not a
 * handler.
 *
 * The same key again gets the stored answer; with another body, SAGA_CONFLICT.
 */
SAGA_API int saga_submit(saga_participant *participant, const saga_submission *submission,
	saga_error *error) SAGA_MUST_USE;

/*
 * Writes an answer as JSON: its code, text, saga, and the event with its body. Ends it with NUL,
 * cuts it short if size is too small, and returns its whole length, as snprintf does.
 */
SAGA_API size_t saga_answer_json(const saga_answer *answer, char *buffer, size_t size);

/* ---- watching it ---- */

typedef struct saga_health {
	size_t size;              /* in: sizeof(saga_health) */
	bool store;               /* reachable */
	bool transport;
	int64_t queued;           /* for a lane */
	int64_t waiting;          /* slots, as are the next two */
	int64_t dead;
	int64_t stuck;
	int64_t parked;           /* events to be retried */
	int64_t outbox;           /* events that some follower has not seen */

	/* Counted since it was opened; of frames only what the transport counts. */
	int64_t frames_sent;
	int64_t frames_received;
	int64_t frames_refused;   /* too large, or none */
	int64_t frames_lost;      /* as far as the transport can tell */
	int64_t gaps;             /* in streams that are followed; each was, or is being, closed */
	int64_t asked;            /* for events that were missing */
	int64_t resent;           /* events, to those who asked */
	int64_t dropped;          /* frames that were none, or beyond the window; asked for again */
	int64_t lag;              /* events of followed streams, known of and not committed here */
	int64_t stopped;          /* followed streams that wait for an operator: `saga stream` */

	int64_t shards;           /* of the store, worked by this instance */
	int64_t instances;        /* of this participant on this store; 0: not known yet */

	/* Whether it goes on. Times are in ms. */
	bool stalled;             /* for longer than the option stalled_ms a lane has had something
	                             to do, and has committed nothing */
	bool failing;             /* what a lane tried last failed: what is asked now waits */
	bool damaged;             /* the store has said that it is damaged, since it was opened */
	int64_t oldest_ms;        /* how long the oldest item has waited for its lane's commit;
	                             0: none waits */
	int64_t committed_ms;     /* since the last batch was committed; -1: none was yet */
	int64_t stalled_ms;       /* as `stalled`: for how long; 0: all lanes go on */
	int64_t failed_ms;        /* since the last error of the store; -1: there was none */
	int64_t set_aside;        /* rows of the store that could not be read, so far */
	char error[SAGA_ERROR_TEXT]; /* that last one, in words; "" */
	int64_t silent;           /* followers that were never heard since it was opened, though
	                             events have waited for them for a minute: see `followers` */
} saga_health;

/* Fills *health with the last known figures. Never blocks. Any thread. */
SAGA_API void saga_health_of(const saga_participant *participant, saga_health *health);

SAGA_END

#endif
