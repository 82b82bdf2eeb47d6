#ifndef SAGA_STEP_H
#define SAGA_STEP_H

/*
 * Steps: how a program declares them, and the calls that their handlers may make.
 *
 * A handler runs inside one local transaction and returns exactly one outcome:
 *
 *	static saga_verdict reserve(saga_step *s)
 *	{
 *		const struct order_placed *order = saga_on(s, order_placed);
 *
 *		if (!saga_exec(s, "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?",
 *		               order->quantity, order->sku, order->quantity))
 *			return saga_reject(s, stock_rejected, .sku = order->sku);
 *		return saga_emit(s, stock_reserved, .total = order->total);
 *	}
 *
 * The writes, the step's slot and its event commit together, or not at all.
 *
 * Errors are sticky. After the first error every call on the step does nothing and returns 0, NULL
 * or its `otherwise`. The transaction rolls back whatever the handler returns, and the step's retry
 * rule applies. So a handler needs no ladder of ifs; saga_failing tells one that has to know.
 *
 * An error is never a rejection. A statement that the store refuses, a required field without a
 * value and an undeclared outcome are faults of the program or its store: when the attempts are
 * spent the slot is dead (of an undo: stuck), with an alarm. The words of an error go into the log
 * and the store, never into an event or an answer.
 *
 * A broken constraint (a key, a foreign key, a CHECK, NOT NULL) is such an error, on every store
 * and whenever the store finds it: at the statement, later on a pipelined store, or at the commit.
 * A handler cannot catch it. Where the business rows may break one, put the condition into the
 * statement, by saga_require or `INSERT ... WHERE NOT EXISTS`, and reject. If another saga's row
 * comes between the condition and the write, the next attempt sees that row.
 *
 * A handler may run more than once: after a crash, a lost race, a retry, or a guard that did not
 * hold (saga_require). It may also run in vain: on a pipelined store an optimistic batch runs the
 * handler before the slot is read, and takes everything back if the slot forbids the run. So a
 * handler must have no effect except through its step, and must take time and ids from saga_now and
 * saga_new_id, not from the system.
 *
 * Thread: a handler runs on the thread of a lane (with no lanes: of the loop); no two handlers of
 * one saga run at once. A saga_step is valid on that thread until its handler returns, and so is
 * all memory that the calls below return. A handler must not block on anything but its own store.
 */

#include <saga/error.h>
#include <saga/event.h>

SAGA_BEGIN

typedef struct saga_step saga_step;
typedef struct saga_call saga_call;

/*
 * The outcome that a handler chose. Only the functions below that are marked SAGA_MUST_USE make a
 * verdict, so `return 0;` does not compile. A forgotten `return` does not compile either with gcc
 * and clang: this header makes -Wreturn-type an error. A verdict that was made by hand, and a
 * second outcome in one run, roll back as SAGA_UNDECLARED.
 */
#if defined(__GNUC__)
#pragma GCC diagnostic error "-Wreturn-type"
#endif

typedef struct saga_verdict {
	int made_by_the_library;
} saga_verdict;

typedef saga_verdict saga_handler(saga_step *step);
typedef saga_verdict saga_caller(saga_call *call);

/* ---- declaring a step ---- */

enum { SAGA_EVENTS = 8 }; /* the most types in one list of a step */

typedef enum saga_join {
	SAGA_ANY = 0, /* any of the `on` events runs the step */
	SAGA_ALL = 1  /* the step runs when all of them have come, on the last one. If one event may
	                 never come while another does, the step needs `bar_on` or `undo_on`, or it
	                 waits forever; saga_open refuses what it can see of that */
} saga_join;

/*
 * The number of attempts, and the back-off between them in ms: it doubles, with full jitter. A
 * member that is zero has its default: 600 attempts, from 50 ms up to 5 minutes. That is a day in
 * all, so an outage of hours needs no operator. From the eighth on each attempt is a warning in the
 * log; the eighth is an alarm if the cause was an error. The run of a request has 8 attempts, from
 * 50 ms up to 30 s, usually 4 s in all, since a caller waits; its outside call has a day.
 */
typedef struct saga_retry_rule {
	int attempts;
	int first_ms;
	int max_ms;
} saga_retry_rule;

/*
 * An event that the step may schedule by saga_after, and the events that withdraw it. Each run that
 * emits, is done or waits schedules the event, except with `maybe`. Only with `again` does a run
 * schedule it once more after it was published.
 */
typedef struct saga_later {
	const saga_type *event;
	const saga_type *unless[SAGA_EVENTS];
	bool maybe;
	bool again;
} saga_later;

enum { SAGA_CONDITIONS = 4 }; /* the most entries of `waits` and of `only_while` */

/*
 * A condition under which a step waits. It is open until one of the `until` events, which are all
 * in `on`, has come to this slot; or while the step `held` of this participant is done and its step
 * `freed` is not (for a step of the saga: in any subject). With neither it is always open, and only
 * a bar or an undo ends the wait. `why` is for people.
 */
typedef struct saga_condition {
	const char *why;
	const saga_type *until[SAGA_EVENTS];
	const char *held;
	const char *freed;
	bool maybe;
} saga_condition;

/*
 * An outside call: work beyond the database (a payment provider, a valve), in three parts:
 *
 *	prepare   in a transaction: reads the data for the call and ends with saga_ask. It may also
 *	          reject or wait; then no call is made. The prepare of an undo may emit one of
 *	          `undone` if there is nothing to call for. NULL: the call gets the event alone.
 *	call      on a thread of a bounded pool, in no transaction: ends with saga_tell; with
 *	          saga_call_retry if it does not know how the work ended; or with saga_call_fail if
 *	          it knows that the work did not happen and never will.
 *	run/undo  of the step, in a transaction: reads the answer with saga_told.
 *
 * The question is durable before the call begins. After a crash the library makes the call again
 * with the same question and the same keys. After an unclean end it counts the attempt before it
 * makes the call, so that the attempts of a call that kills its process come to an end.
 *
 * A call without an answer may have taken effect. So when its attempts are spent the slot is stuck
 * and waits for an operator, even if the step has `rejects`. To reject after some attempts, first
 * make the other side refuse the key for good ("void"), then use saga_call_fail:
 *
 *	if (saga_call_attempt(c) > 4 && void_charge(saga_key(c, "charge")))
 *		return saga_call_fail(c, "no answer from the bank");
 */
typedef struct saga_outside {
	saga_handler *prepare;
	saga_caller *call;
	int timeout_ms; /* 0: 30 s. The call must obey it, see saga_time_left: nobody cuts it off */
} saga_outside;

/*
 * The declaration of a step. Fill it with designated initialisers; members that are left out are
 * empty. Lists of types end at the first NULL. saga_open checks the declaration and names what is
 * wrong. New members are appended (SAGA_PARTICIPANT records the size); the structs inside it are
 * frozen.
 */
typedef struct saga_step_def {
	const char *name;                        /* "reserve"; a key on disk, at most 31 bytes */
	const char *was;                         /* its first name, if it was renamed: keys and
	                                            ids are made from it, so keep it for good */

	const saga_type *on[SAGA_EVENTS];        /* events, or one request alone */
	saga_join join;
	saga_handler *run;
	saga_outside outside;
	const saga_type *emits[SAGA_EVENTS];     /* outcomes with an effect; none: saga_done */
	const saga_type *rejects[SAGA_EVENTS];   /* outcomes without an effect */

	/*
	 * Makes the rejects event where `run` cannot: the step was barred, its saga_retry ran out
	 * of attempts, or the run or its call ended by saga_fail or saga_call_fail. It may only
	 * read, and must end with saga_reject; saga_why says what happened. A step needs `refuse`
	 * only if `rejects` has several types, or one with a field that is neither optional nor a
	 * reason; otherwise the library makes the event. If `refuse` fails, the slot is dead (of a
	 * barred step: a dead letter remains), and nobody has heard the rejection until an operator
	 * requeues it and `refuse` succeeds.
	 */
	saga_handler *refuse;

	saga_handler *undo;                      /* must end in one of `undone` */
	saga_outside undo_outside;
	const saga_type *undo_on[SAGA_EVENTS];
	const saga_type *undone[SAGA_EVENTS];

	const saga_type *bar_on[SAGA_EVENTS];    /* bars: stop a step that has not run */
	bool pivot;                              /* from here the saga only goes forward: no undo */
	bool per_subject;                        /* one slot for each subject, not for each saga */

	saga_later after[SAGA_EVENTS];
	saga_retry_rule retry;                   /* for run and its call */
	saga_retry_rule undo_retry;              /* for undo and its call; when spent: stuck */

	/*
	 * The step answers a request that only reads (GET an order). `run` may not write, no slot
	 * is made, and the event that it emits is the answer and goes nowhere else. The request
	 * needs no key.
	 */
	bool reads_only;

	/*
	 * What follows says in the step's contract how its handler chooses, so that a checker can
	 * prove the whole choreography: see <saga/choreography.h> and `saga check`.
	 *
	 * waits         `run` waits if and only if one of these conditions is open. If all open
	 *               ones have `maybe`, it may also go on. The list ends at an empty entry
	 * only_while    these steps here must be done, or this one takes no effect: it rejects, and
	 *               of a request it has no slot at all
	 * covered_by    the undo of that step here takes the effect of this one back, too. Implies
	 *               only_while that step, except for a call that was asked while it was done
	 * neutral       its effect is nothing that must ever be taken back
	 * owed          on a request: somebody will make it in the end (a carrier, an approver)
	 * undo_early    its undo does not wait for the undo of what rests on it: parallel branches
	 * within_ms     how long after its trigger an outcome is due; 0: nobody says
	 *
	 * A run that goes on or waits against an `until` is broken: nothing of it stays, and the
	 * slot is dead, with an alarm. The simulator holds steps to `held`, only_while and
	 * covered_by. The others are believed, and `saga check` lists them.
	 */
	saga_condition waits[SAGA_CONDITIONS];
	const char *only_while[SAGA_CONDITIONS];
	const char *covered_by;
	bool neutral;
	bool owed;
	bool undo_early;
	int within_ms;
} saga_step_def;

/* ---- ending ---- */

#ifndef __cplusplus
/* The step took effect; publishes an event: saga_emit(s, stock_reserved, .total = 5, ...) */
#define saga_emit(step, ...) \
	saga_emit_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* The step took no effect; takes the handler's writes back and publishes a rejects event. */
#define saga_reject(step, ...) \
	saga_reject_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))
#endif

/* saga_emit and saga_reject as functions. The body is copied. */
SAGA_API saga_verdict saga_emit_body(saga_step *step, const saga_type *type, const void *body)
	SAGA_MUST_USE;
SAGA_API saga_verdict saga_reject_body(saga_step *step, const saga_type *type, const void *body)
	SAGA_MUST_USE;

/* The step took effect and publishes nothing; for a step that declares no `emits`. */
SAGA_API saga_verdict saga_done(saga_step *step) SAGA_MUST_USE;

/*
 * Not yet: commits the writes; the step runs again on its next `on` event. An event on which it has
 * waited does not run it again (the slot remembers the last 64). Not for a step that is `on` a
 * request. The text is the reason; operators see it.
 */
SAGA_API saga_verdict saga_wait(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * Not now: rolls back, backs off, runs again. When the attempts are spent it counts as saga_fail;
 * then the last text is the reason in the published rejection, so write it for its reader.
 */
SAGA_API saga_verdict saga_retry(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * Never: rolls back; `refuse` makes the rejects event, with this text as its reason. The slot of a
 * step without `rejects` is dead, that of an undo stuck. Later events for a dead step wait until an
 * operator requeues it or asserts how it ended.
 */
SAGA_API saga_verdict saga_fail(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * The event breaks a rule that its type cannot state. The event becomes a dead letter, and nothing
 * else changes; for a request it is the answer, and nothing is stored. An undo that ends so is
 * stuck, as by saga_fail.
 */
SAGA_API saga_verdict saga_malformed(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/* ---- the store ---- */

typedef enum saga_value_kind {
	SAGA_VALUE_END = 0,
	SAGA_VALUE_NULL,
	SAGA_VALUE_INT64,
	SAGA_VALUE_BOOL,
	SAGA_VALUE_TEXT,
	SAGA_VALUE_BYTES,
	SAGA_VALUE_ID,
	SAGA_VALUE_SET /* the library uses it with stores, see plugin.h; handlers do not */
} saga_value_kind;

/* One column of an array of rows: values of one kind, and NULLs. */
typedef struct saga_set {
	const struct saga_value *first;
	uint32_t count;
	uint32_t stride; /* values in a row */
} saga_set;

/* One SQL value. Text and bytes are borrowed until the call returns. */
typedef struct saga_value {
	int kind; /* saga_value_kind */
	union {
		int64_t int64;
		bool boolean;
		saga_bytes bytes; /* text too, without its NUL */
		saga_id id;
		saga_set set;
	} as;
} saga_value;

SAGA_API saga_value saga_null(void);
SAGA_API saga_value saga_int64(int64_t value);
SAGA_API saga_value saga_uint64(uint64_t value); /* over INT64_MAX: an error of the statement */
SAGA_API saga_value saga_bool(bool value);
SAGA_API saga_value saga_text(const char *text); /* NULL: an SQL NULL */
SAGA_API saga_value saga_blob(saga_bytes bytes); /* bytes.at NULL: an SQL NULL */
SAGA_API saga_value saga_uuid(saga_id id);
SAGA_API saga_value saga_same(saga_value value);

#ifndef __cplusplus
/* Makes a value of an integer, string, saga_id, saga_bytes or saga_value; no other compiles. */
#define SAGA_VALUE(x) _Generic((x), \
	bool: saga_bool, \
	char: saga_int64, signed char: saga_int64, unsigned char: saga_int64, \
	short: saga_int64, unsigned short: saga_int64, \
	int: saga_int64, unsigned int: saga_int64, \
	long: saga_int64, long long: saga_int64, \
	unsigned long: saga_uint64, unsigned long long: saga_uint64, \
	char *: saga_text, const char *: saga_text, \
	saga_id: saga_uuid, saga_bytes: saga_blob, saga_value: saga_same)(x)

/*
 * Runs a statement and returns how many rows it changed; 0 after an error.
 *
 *	saga_exec(s, "UPDATE stock SET free = free - ? WHERE sku = ?", line->quantity, line->sku)
 *
 * A `?` stands for a value, on every database; up to 31 values follow. The text must be a string
 * literal, so that no value gets into it.
 */
#define saga_exec(step, ...) saga_exec_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * Runs a statement whose count of changed rows nobody needs. A pipelined store does not wait for
 * it, so many writes cost one round trip. If it fails, the whole step is rolled back as after
 * saga_exec.
 */
#define saga_write(step, ...) saga_write_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * A guard: returns whether a statement changed a row, or found one.
 *
 *	if (!saga_require(s, "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?",
 *	                  line->quantity, line->sku, line->quantity))
 *		return saga_reject(s, stock_rejected, .sku = line->sku);
 *
 * Use it for conditions that normally hold: a pipelined store answers true without waiting. If the
 * condition does not hold, the batch is rolled back, and the handler runs again and gets false. A
 * step that is new, or was rolled back recently, waits for the answer at once. Every handler that
 * may write may use it, with any verdict; a handler that only reads (`refuse`, a `reads_only` step)
 * may not. False after an error.
 */
#define saga_require(step, ...) saga_require_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * Reads rows into an array of a SAGA_STRUCT; the names of columns are those of fields. A NULL of
 * SQL needs an opt_ field. Returns NULL and 0 rows if there are none, and after an error. The rows
 * live until the handler returns. At most limits.rows.
 *
 *	size_t count;
 *	const struct order_line *lines = saga_query(s, order_line, &count,
 *		"SELECT sku, quantity FROM reserved WHERE saga = ?", saga_this(s));
 */
#define saga_query(step, shape, ret_count, ...) \
	((const struct shape *)saga_query_sql(step, &(shape), ret_count, SAGA__SQL(__VA_ARGS__)))

/* Reads one row; returns NULL if there is none. A second row is an error. */
#define saga_query_one(step, shape, ...) \
	((const struct shape *)saga_query_one_sql(step, &(shape), SAGA__SQL(__VA_ARGS__)))

/* Reads one integer; `otherwise` without a row, or for NULL. A second row or column is an error. */
#define saga_query_int64(step, otherwise, ...) \
	saga_query_int64_sql(step, otherwise, SAGA__SQL(__VA_ARGS__))
#endif

/* The macros above as functions. */
SAGA_API int64_t saga_exec_sql(saga_step *step, const char *sql,
	const saga_value *values, size_t count);
SAGA_API void saga_write_sql(saga_step *step, const char *sql,
	const saga_value *values, size_t count);
SAGA_API bool saga_require_sql(saga_step *step, const char *sql,
	const saga_value *values, size_t count) SAGA_MUST_USE;
SAGA_API const void *saga_query_sql(saga_step *step, const saga_shape *shape, size_t *ret_count,
	const char *sql, const saga_value *values, size_t count);
SAGA_API const void *saga_query_one_sql(saga_step *step, const saga_shape *shape,
	const char *sql, const saga_value *values, size_t count);
SAGA_API int64_t saga_query_int64_sql(saga_step *step, int64_t otherwise,
	const char *sql, const saga_value *values, size_t count);

/*
 * Returns the store's own handle, inside the open transaction: sqlite3 *, PGconn * or
 * CS_CONNECTION *. NULL after an error. If the handler ends the transaction, the library notices:
 * the batch is rolled back and the slot is dead, as SAGA_MISUSE.
 */
SAGA_API void *saga_native(saga_step *step);

/* Returns the step's error so far: SAGA_OK, or the code that will roll the step back. */
SAGA_API int saga_failing(const saga_step *step);

/* ---- what a handler knows ---- */

#ifndef __cplusplus
/*
 * Returns the body of the event that the handler runs on, as `const struct type *`; NULL if the
 * event is of another type. A step that is `on` several types tells them apart by it. In an undo
 * and in `refuse` the event is the one that triggered these.
 */
#define saga_on(step, type) saga_body(saga_trigger(step), type)
#endif

SAGA_API const saga_event *saga_trigger(const saga_step *step);
SAGA_API const saga_event *saga_ran_on(const saga_step *step);  /* undo: the event of its run */
SAGA_API saga_id           saga_this(const saga_step *step);    /* the saga */
SAGA_API const char       *saga_subject(const saga_step *step); /* "" unless per_subject */
SAGA_API int               saga_attempt(const saga_step *step); /* 1 for the first */
SAGA_API int64_t           saga_now(const saga_step *step);     /* ms since 1970, UTC */
SAGA_API saga_id           saga_new_id(saga_step *step);
SAGA_API void             *saga_user(const saga_step *step);    /* handler_user of the options,
                                                                  or else their `user` */
SAGA_API const char       *saga_why(const saga_step *step);     /* "barred by order.expired" */

/*
 * Return zeroed memory, and a text made as by snprintf, that live until the handler returns. NULL
 * after an error, which exceeding limits.handler_bytes is, too. Bytes of the text that are not
 * UTF-8 (from a peer, or a character that "%.40s" has cut) become `?`.
 */
SAGA_API void *saga_alloc(saga_step *step, size_t count, size_t size);
SAGA_API const char *saga_format(saga_step *step, const char *format, ...) SAGA_PRINTF(2, 3);

/* ---- what it leaves ---- */

#ifndef __cplusplus
/*
 * Leaves a note in the slot, for data that has no row: saga_keep(s, receipt, .number = 7). A second
 * note replaces the first.
 */
#define saga_keep(step, ...) \
	saga_keep_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* Returns the note as `const struct shape *`; NULL if there is none, or one of another shape. */
#define saga_kept(step, shape) ((const struct shape *)saga_kept_body(step, &(shape)))

/*
 * Schedules an event: saga_after(s, 15 * 60 * 1000, order_expired, .reason = "not paid") publishes
 * it in so many ms, unless an event of its `unless` list in `after` comes first or has come. The
 * schedule commits with the step and survives crashes; it is withdrawn when the step is undone or
 * barred. A second call for the same event moves its time; a call after the event was published
 * schedules it again.
 */
#define saga_after(step, ms, ...) \
	saga_after_body(step, ms, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))
#endif

SAGA_API void saga_keep_body(saga_step *step, const saga_shape *shape, const void *body);
SAGA_API const void *saga_kept_body(saga_step *step, const saga_shape *shape);
SAGA_API void saga_after_body(saga_step *step, int64_t ms, const saga_type *type, const void *body);

/* ---- outside calls ---- */

#ifndef __cplusplus
/* In prepare: asks for the call, with this question. */
#define saga_ask(step, ...) \
	saga_ask_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* In the call: returns the question as `const struct shape *`; NULL if it is of another shape. */
#define saga_asked(call, shape) ((const struct shape *)saga_asked_body(call, &(shape)))

/* In the call: ends it with this answer. A "no" is an answer, too. */
#define saga_tell(call, ...) \
	saga_tell_body(call, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* In run or undo: returns the answer as `const struct shape *`; NULL if of another shape. */
#define saga_told(step, shape) ((const struct shape *)saga_told_body(step, &(shape)))
#endif

SAGA_API saga_verdict saga_ask_body(saga_step *step, const saga_shape *shape, const void *body)
	SAGA_MUST_USE;
SAGA_API const void *saga_asked_body(saga_call *call, const saga_shape *shape);
SAGA_API saga_verdict saga_tell_body(saga_call *call, const saga_shape *shape, const void *body)
	SAGA_MUST_USE;
SAGA_API const void *saga_told_body(saga_step *step, const saga_shape *shape);

/* In the call: ends it without an answer; the library makes it again, with the same keys. */
SAGA_API saga_verdict saga_call_retry(saga_call *call, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * In the call: the work did not happen and never will, whatever still arrives at the other side (it
 * refused for good, or the key was made void). The step rejects, by `refuse` or with this text as
 * the reason. A step without `rejects`, and an undo, are stuck. Not for "no answer".
 */
SAGA_API saga_verdict saga_call_fail(saga_call *call, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/* In the call: returns the number of this attempt, 1 for the first. */
SAGA_API int saga_call_attempt(const saga_call *call);

/*
 * In the call: returns an idempotency key for the other side, a text of 36 bytes. It depends on the
 * participant, the saga, the step, the subject and the label alone, so each repeat of the call has
 * the same key. Run and undo of one step get the same key for one label, so an undo can name the
 * charge that it takes back. At most 7 keys in one call. The text lives until the call returns.
 */
SAGA_API const char *saga_key(saga_call *call, const char *label);

SAGA_API const saga_event *saga_call_trigger(const saga_call *call);
SAGA_API int   saga_time_left(const saga_call *call); /* ms until the timeout; 0: it is over */
SAGA_API void *saga_call_user(const saga_call *call); /* as saga_user */

/* ---- how the macros are made ---- */

#ifndef __cplusplus
#define SAGA__SQL(...) SAGA__PASTE(SAGA__SQL_, SAGA__MANY(__VA_ARGS__))(__VA_ARGS__)
#define SAGA__SQL_1(sql) "" sql, NULL, 0
#define SAGA__SQL_2(sql, ...) "" sql, \
	(const saga_value[]){ SAGA__EACH(SAGA__SQL_VALUE, ~, __VA_ARGS__) }, \
	SAGA__COUNT(__VA_ARGS__)
#define SAGA__SQL_VALUE(c, x) SAGA_VALUE(x),
#endif

SAGA_END

#endif
