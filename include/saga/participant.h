#ifndef SAGA_PARTICIPANT_H
#define SAGA_PARTICIPANT_H

/*
 * A participant: one service's part in the choreography. Its life:
 *
 *	saga_open -> saga_submit ... -> saga_stop -> (stopped) -> saga_close
 *
 * Threads: a participant has one loop; its lanes and outside calls have threads of their own. Call
 * a function on the loop's thread, or before the loop runs, unless it says "any thread". Callbacks
 * come on the loop unless they say otherwise. The library keeps no process-wide state, installs no
 * signal handler and never exits.
 */

#include <saga/step.h>

SAGA_BEGIN

struct uv_loop_s; /* libuv's uv_loop_t; <uv.h> is for those who use it */
struct saga_transport_ops;
struct saga_store_ops;

typedef struct saga_participant saga_participant;

/* ---- what it is ---- */

/* How an event ends a saga, or a subject's part of it. */
typedef enum saga_end_kind {
	SAGA_END_DONE = 1,  /* whatever it rests on stays */
	SAGA_END_UNDONE = 2 /* every effect was taken back */
} saga_end_kind;

typedef struct saga_end {
	const saga_type *event;
	saga_end_kind kind;
} saga_end;

enum { SAGA_ENDS = 16 }; /* the most entries of `ends` and of `unheard` */

typedef struct saga_participant_def {
	size_t size;
	const char *name;           /* "stock": a key on disk, at most 31 bytes */
	const saga_step_def *steps; /* in order of declaration; undos of one event run in reverse */
	size_t step_count;
	size_t step_size;           /* sizeof(saga_step_def) where this was compiled */

	/*
	 * The participant's own tables: SQL scripts, ended by NULL. The library runs each script
	 * once, in order, so append scripts and never change one. In a script the word SAGA_ID
	 * stands for the store's type of a saga_id, and SAGA_TEXT(40) for its type of a text of at
	 * most 40 characters, which is compared byte by byte: `R1`, `r1` and `R1 ` are three values
	 * on every store. A SAGA_TEXT(40) may be a key; a SAGA_TEXT, of any length, may not. Do not
	 * write longer values: PostgreSQL cuts blanks beyond the 40, SQLite keeps everything. A
	 * column that is declared in other words is compared as it says (COLLATE NOCASE, CITEXT).
	 *
	 * SQL Server ignores blanks at the end of a text. Therefore the library stores a text that
	 * ends in a blank (or in DEL) with a DEL (U+007F) behind it there, and takes the DEL away
	 * when it reads. Mind the DEL in literals, in LEN(), and in other programs.
	 */
	const char *const *schema;

	/*
	 * For the contract, see <saga/choreography.h>: the events of its steps that end a saga, and
	 * those that nobody needs to hear. Both lists end at the first empty entry.
	 */
	saga_end ends[SAGA_ENDS];
	const saga_type *unheard[SAGA_ENDS];
} saga_participant_def;

/* SAGA_PARTICIPANT("stock", steps), or SAGA_PARTICIPANT("stock", steps, .schema = s) */
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

/* One line of the log. All of it is borrowed until the callback returns. */
typedef struct saga_log {
	int level;                    /* saga_level */
	const char *participant;
	const char *what;             /* stable: "step.retried"; docs/operations.md has all */
	const char *text;             /* a sentence, for people */
	int64_t time;                 /* ms since 1970, UTC */
	const saga_log_field *fields; /* "saga", "step", "attempt", ... */
	size_t field_count;
} saga_log;

/*
 * Writes a line of the log. The library calls it on any thread, also on several at once. It must
 * not block and must not call the library.
 */
typedef void saga_log_fn(void *user, const saga_log *log);

/* A saga_log_fn that writes one line of logfmt to stderr. Ignores user. Any thread. */
SAGA_API void saga_log_stderr(void *user, const saga_log *log);

/*
 * The participant has stopped. The library calls it once, on the loop. why->code is SAGA_OK after
 * saga_stop; otherwise the participant could not go on (SAGA_TWINS, for example), and why->text
 * says why. From now on saga_close may be called; in this callback only if the loop is the host's.
 */
typedef void saga_stopped_fn(void *user, saga_participant *participant, const saga_error *why);

/* Where a participant begins to read streams that it has never read. */
typedef enum saga_start {
	SAGA_FROM_OLDEST = 0, /* at the oldest event that the others still have */
	SAGA_FROM_NOW = 1     /* at the events that come after it was first opened */
} saga_start;

/*
 * Limits; 0 takes the default, which stands behind the semicolon. Beyond a limit calls answer
 * SAGA_BUSY or SAGA_TOO_BIG. To change some: .limits = SAGA_LIMITS(.queue = 64, .rows = 100)
 */
typedef struct saga_limits {
	size_t size;
	size_t queue;         /* submissions and events that wait for a lane; 1024 */
	size_t event_bytes;   /* bytes of one event on the wire; 64 KiB */
	size_t handler_bytes; /* memory that the calls of one handler may return; 1 MiB */
	size_t rows;          /* rows of one query; 4096 */
	size_t batch_events;  /* events in one transaction; 64 */
	int batch_ms;         /* time that a batch waits for more events; 0: none */
	size_t window;        /* events sent and not yet seen by a follower; 64 */
	int outside_calls;    /* outside calls at once, each on a thread; 16 */
	int stop_ms;          /* time that a batch may go on after saga_stop; 5000 */
	size_t streams;       /* streams of other participants that are followed; 1024 */
	size_t stream_bytes;  /* events of these that wait behind a gap or for a lane; 16 MiB */
	int request_ms;       /* once the store has failed for so long, requests that wait for it,
	                         and new ones, are answered with SAGA_AWAY; 0: they wait */
} saga_limits;

/*
 * The options of saga_open. SAGA_OPTIONS(.store = ..., ...) fills in the size, which is the version
 * of the struct: new members are appended. saga_open copies everything except `user`,
 * `handler_user`, `loop` and the plugins, which must outlive the participant.
 *
 * Instances. Several instances of one participant may run on one store at once, in one process or
 * in several, with the same name, steps and options. Leases in the store share its shards among
 * them (SQLite has 1 shard, servers have 8); each instance takes requests for all sagas. Instances
 * renew their leases each third of lease_ms. A new instance gets its share within two thirds of
 * lease_ms. The shards of an instance that stops are taken over within a third; those of one that
 * was killed or stands still, when its lease ends. A process that is started works them at once,
 * since it has never seen that instance renew; the outside calls that it was making are made again
 * when its lease ends. If two instances work one shard meanwhile, they waste work and do nothing
 * twice. Instances beyond the number of shards stand by.
 *
 * All instances on one store must have the same steps on the same events. An instance whose steps
 * differ waits at open, with the alarm declaration.differs, until the others have stopped or their
 * leases have ended. An instance that stood still and was replaced in this way stops with
 * SAGA_TWINS.
 *
 * Load at rest. An idle instance sends one writing statement each third of lease_ms, trims the
 * outbox each half minute and forgets old slots each minute. A longer lease lets a disk rest. No
 * lock of a session outlives half a lease if the server ends sessions that stand still in a
 * transaction: PostgreSQL does, SQL Server does not, SQLite has no server. PostgreSQL must give
 * each lane a session of its own: PgBouncer in transaction or statement mode is refused.
 *
 * Time. Due times (saga_after, retries, deadlines), leases and ages count by store time: the clock
 * of the server or, on SQLite, the wall clock. Store time never goes back. It follows a clock that
 * is more than an hour ahead only after ten minutes; then things age by an hour a minute at most.
 * The log tells all of this (clock.leapt, clock.followed, clock.went_back, clock.agrees). A store
 * that nobody used for more than an hour begins in the same way. Log lines and ids have the time of
 * the wall clock.
 *
 * Followers. `followers` names each participant that has a step on our events. The outbox keeps an
 * event until all of them have seen it, retention_max_ms at most. Others may listen, but an event
 * that they have not seen after retention_ms is lost to them. The log warns of both mistakes:
 * follower.undeclared if a participant follows us and is not named (if it has no step on our
 * events, leave us out of its `follows`); follower.silent if a named one was not heard for a minute
 * while events waited for it. On a durable transport the broker keeps the events, and neither
 * warning is given.
 */
typedef struct saga_options {
	size_t size;
	const char *store;              /* "sqlite:stock.db", "postgresql://...", "mssql://..." */
	const char *transport;          /* "inproc://shop", "nng+tcp://..."; NULL: alone */
	const char *const *followers;   /* names of those that must see our events, ended by NULL */

	int lanes;                      /* threads with a store connection; 0: one, on the loop */
	struct uv_loop_s *loop;         /* the host's loop; NULL: its own, see saga_run */
	saga_start start;
	int64_t history_ms;             /* slots, answers, dead letters live so long; 0: 90 days */
	int64_t retention_ms;           /* the outbox keeps events at least so long; 0: 7 days */
	int64_t retention_max_ms;       /* and at most so long, seen or not; 0: 90 days */
	bool stop_when_idle;            /* stop when nothing is queued, parked or scheduled, here
	                                   and in the store as the last renewal saw it */
	const saga_limits *limits;      /* NULL: the defaults */

	void *user;                     /* passed to the callbacks here; to the handlers, too,
	                                   unless handler_user is set */
	saga_log_fn *log;               /* NULL: nowhere */
	saga_stopped_fn *stopped;

	/* The host's own plugins, see <saga/plugin.h>; NULL: the scheme of the URL decides. */
	const struct saga_transport_ops *transport_ops;
	void *transport_context;
	const struct saga_store_ops *store_ops;
	void *store_context;

	int lease_ms;                   /* see Instances; 3,000 to 3,600,000; 0: 15 s */
	const char *const *follows;     /* names of the participants whose events its steps are
	                                   on, ended by NULL: on a lossy transport it ignores the
	                                   frames of all others. NULL: it hears everyone */
	int stalled_ms;                 /* see saga_health.stalled; 0: 30 s */
	void *handler_user;             /* what saga_user and saga_call_user return to handlers and
	                                   outside calls; NULL: `user` */
} saga_options;

#ifndef __cplusplus
#define SAGA_OPTIONS(...) (&(const saga_options){ .size = sizeof(saga_options), __VA_ARGS__ })
#define SAGA_LIMITS(...) (&(const saga_limits){ .size = sizeof(saga_limits), __VA_ARGS__ })
#endif

/*
 * Opens a participant: checks the declarations and the options, and connects to nothing. The loop
 * connects, and tries again for as long as it takes; requests that are submitted meanwhile wait.
 *
 * The def and everything that it points at must outlive the participant. On success the caller owns
 * *ret_participant and closes it with saga_close. Fails with SAGA_MISUSE (error names the wrong
 * declaration), SAGA_MALFORMED (error names the wrong option), SAGA_UNSUPPORTED (this build lacks
 * the scheme of a URL), SAGA_NOMEM.
 */
SAGA_API int saga_open(const saga_participant_def *def, const saga_options *options,
	saga_participant **ret_participant, saga_error *error) SAGA_MUST_USE;

/*
 * Runs the participant's own loop until the participant has stopped. Returns the code that
 * `stopped` gets. A host that brings its loop runs that instead.
 */
SAGA_API int saga_run(saga_participant *participant);

/*
 * Returns the participant's loop, so that other participants can share it by their option `loop`.
 * The loop belongs to the participant that made it: close that one last.
 */
SAGA_API struct uv_loop_s *saga_loop(saga_participant *participant);

/*
 * For hosts with another event loop: wait until saga_fd is readable, at most for saga_timeout ms
 * (-1: no limit), then call saga_turn, which does what is due and does not block.
 */
SAGA_API int saga_fd(saga_participant *participant);
SAGA_API int saga_timeout(saga_participant *participant);
SAGA_API void saga_turn(saga_participant *participant);

/*
 * Begins to stop: the participant takes nothing new, lets running handlers and calls end, answers
 * every submission, closes its connections, and calls `stopped`. If a batch lasts longer than the
 * limit stop_ms, its statement is interrupted as if the store were away, and the batch is not done
 * (without lanes nobody can interrupt it). A second call is harmless. Any thread, a handler, a
 * signal handler.
 */
SAGA_API void saga_stop(saga_participant *participant);

/*
 * Frees a participant that has stopped, or whose loop never ran. In the second case it answers
 * waiting submissions with SAGA_STOPPED before it returns. NULL is fine.
 */
SAGA_API void saga_close(saga_participant *participant);

/* ---- asking it ---- */

/* The answer to a submission; all of it is borrowed until the callback returns. */
typedef struct saga_answer {
	int code;                  /* SAGA_OK: the step took effect; REJECTED, FAILED, CONFLICT,
	                              MALFORMED: it did not; WAITING: its outside call goes on,
	                              ask again with the same key; STOPPED, AWAY: not done;
	                              REFUSED: a stored row cannot be read; UNKNOWN: perhaps
	                              done, ask again with the same key */
	const char *text;          /* the same in words, never NULL */
	saga_id saga;
	const saga_event *outcome; /* the event that the step published; NULL if none */
	bool repeated;             /* the stored answer, since the key came before */
} saga_answer;

/* Called on the loop, exactly once for each submission that was accepted, after the commit. */
typedef void saga_answer_fn(void *user, const saga_answer *answer);

/*
 * A request for the step that is `on` its type. SAGA_SUBMISSION fills the first three members; the
 * body that it makes lives as long as the block that it stands in, so submit in that block:
 *
 *	saga_submit(p, &(saga_submission){
 *		SAGA_SUBMISSION(place_order, .customer = "ALFKI", .total = 1299),
 *		.key = key, .answered = placed, .user = connection }, &error);
 */
typedef struct saga_submission {
	size_t size;
	const saga_type *type;
	const void *body;
	saga_bytes json;           /* instead of the body; decoded and validated at once */
	const char *key;           /* idempotency key, 1 to 255 bytes; of a per_subject step also
	                              the subject */
	saga_id saga;              /* zero: a new saga, its id made from participant, step, key */
	const char *traceparent;   /* W3C Trace Context; NULL or longer than 255 bytes: none */
	int wait_ms;               /* time to wait for room in a full queue; on the loop: 0 */
	saga_answer_fn *answered;  /* NULL: nobody needs the answer */
	void *user;                /* passed to answered */
} saga_submission;

#ifndef __cplusplus
#define SAGA_SUBMISSION(...) \
	.size = sizeof(saga_submission), .type = &SAGA__FIRST(__VA_ARGS__), \
	.body = SAGA__BODY(__VA_ARGS__)
#define SAGA_SUBMISSION_JSON(type_, at_, size_) \
	.size = sizeof(saga_submission), .type = &(type_), .json = { .at = at_, .size = size_ }
#endif

/*
 * Submits a request; all of it is copied. Returns SAGA_OK, and `answered` will be called; or a
 * code, and it will not: SAGA_MALFORMED (no key, or a wrong body; error says what), SAGA_BUSY (the
 * queue is full), SAGA_STOPPED, SAGA_TOO_BIG, SAGA_NOMEM, SAGA_MISUSE (no step is `on` that type).
 * Any thread, but not a handler.
 *
 * A repeat under the same key gets the stored answer; with another body it gets SAGA_CONFLICT.
 */
SAGA_API int saga_submit(saga_participant *participant, const saga_submission *submission,
	saga_error *error) SAGA_MUST_USE;

/*
 * Writes an answer as JSON and a NUL: its code, text, saga, and the event with its body. Cuts the
 * text if size is too small. Returns the length of the whole text, as snprintf does.
 */
SAGA_API size_t saga_answer_json(const saga_answer *answer, char *buffer, size_t size);

/* ---- watching it ---- */

typedef struct saga_health {
	size_t size;              /* the caller sets it to sizeof(saga_health) */
	bool store;               /* the store can be reached */
	bool transport;           /* the transport can be reached */
	int64_t queued;           /* items that wait for a lane */
	int64_t waiting;          /* slots in that state, as the next two */
	int64_t dead;
	int64_t stuck;
	int64_t parked;           /* events to be retried */
	int64_t outbox;           /* events that some follower has not seen */

	/* Counted since saga_open. A transport may count only some of the frames. */
	int64_t frames_sent;
	int64_t frames_received;
	int64_t frames_refused;   /* too large, or not a frame */
	int64_t frames_lost;      /* as far as the transport can tell */
	int64_t gaps;             /* gaps in followed streams; each was, or is being, closed */
	int64_t asked;            /* times that missing events were asked for */
	int64_t resent;           /* events sent again to those that asked */
	int64_t dropped;          /* frames broken or beyond the window; asked for again */
	int64_t lag;              /* events of followed streams, known and not committed here */
	int64_t stopped;          /* followed streams that wait for an operator: `saga stream` */

	int64_t shards;           /* shards of the store that this instance works */
	int64_t instances;        /* instances of this participant on the store; 0: not known yet */

	/* Progress. Times are in ms. */
	bool stalled;             /* a lane has had work for longer than the option stalled_ms and
	                             committed nothing */
	bool failing;             /* the last attempt of a lane failed; new requests wait */
	bool damaged;             /* the store has said that it is damaged, since saga_open */
	int64_t oldest_ms;        /* how long the oldest item has waited for a commit; 0: none */
	int64_t committed_ms;     /* since the last commit of a batch; -1: none yet */
	int64_t stalled_ms;       /* how long the worst lane has committed nothing; 0: all go on */
	int64_t failed_ms;        /* since the last error of the store; -1: none yet */
	int64_t set_aside;        /* rows of the store that could not be read, so far */
	char error[SAGA_ERROR_TEXT]; /* the last error of the store in words; "" */
	int64_t silent;           /* followers that were never heard since saga_open though events
	                             have waited for them for a minute */
} saga_health;

/* Fills *health with the last known figures. Never blocks. Any thread, until saga_close. */
SAGA_API void saga_health_of(const saga_participant *participant, saga_health *health);

SAGA_END

#endif
