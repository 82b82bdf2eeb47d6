#ifndef SAGA_STEP_H
#define SAGA_STEP_H

/*
 * Steps: how they are declared, and what their handlers may call.
 *
 * A handler runs inside one local transaction and ends in exactly one outcome, which it returns:
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
 * Errors are sticky. After the first one every call on the step does nothing and answers 0, NULL or
 * its `otherwise`; the transaction rolls back whatever the handler returns, and the step's retry
 * rule applies. A handler needs no ladder of ifs; one that has a reason to know asks saga_failing.
 *
 * An error is never a rejection: a statement that the store refuses, a required field without a
 * value or an undeclared outcome is a fault of the program or its store, and when the attempts are
 * spent the slot is dead (an undo's stuck), with an alarm. Errors' words go into the log and the
 * store, never into an event or an answer. What business rows may cause is guarded instead, by
 * saga_require or an `INSERT ... WHERE NOT EXISTS`, and then the handler rejects.
 *
 * A handler may run again: after a crash, a lost race, a retry, a guard that did not hold, its own
 * or another's (saga_require). It may run in vain: on a store that is not waited for, an event that
 * comes alone is taken for one that begins its slot; where it did not, all is taken back, and the
 * slot decides. So it must have no effect except through its step, and take time and ids from
 * saga_now and saga_new_id, not from the system.
 *
 * Thread: handlers run on a lane's thread (with no lanes: on the loop), at most one at a time for
 * a saga. A saga_step is valid until its handler returns, and on that thread only; so is all memory
 * that the calls below hand out. Handlers must not block on anything but their own store.
 */

#include <saga/error.h>
#include <saga/event.h>

SAGA_BEGIN

typedef struct saga_step saga_step;
typedef struct saga_call saga_call;

/*
 * How a handler ended. Only the functions marked SAGA_MUST_USE below make one, so `return 0;` does
 * not compile. Nor does a forgotten `return`, with gcc and clang: this header makes -Wreturn-type
 * an error. One that was made by hand, or a second outcome in one run, rolls back as
 * SAGA_UNDECLARED.
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
	SAGA_ALL = 1  /* it runs when all of them have come; its event is the last to come. If a
	                 step here may emit none of one of them (rejects, is barred) while another
	                 comes all the same, it must be `bar_on` or
	                 `undo_on` something */
} saga_join;

/*
 * Attempts, and the back-off between them: doubling, with full jitter. What is zero has its
 * default: 600 attempts, from 50 ms up to 5 minutes, which is a day in all, so that an outage of
 * hours needs no operator. From the eighth on each is a warning in the log; the eighth is an alarm
 * if it was an error. The run of a request, for whose answer somebody waits: 8 attempts, 50 ms up
 * to 30 s, which is 4 s as a rule; its outside call has a day.
 */
typedef struct saga_retry_rule {
	int attempts;
	int first_ms;
	int max_ms;
} saga_retry_rule;

/* An event that the step may schedule by saga_after, and what withdraws it. */
typedef struct saga_later {
	const saga_type *event;
	const saga_type *unless[SAGA_EVENTS];
} saga_later;

/*
 * Work beyond the database (a payment provider, a valve), in three parts:
 *
 *	prepare   in a transaction: reads what the call needs, and ends with saga_ask; or rejects
 *	          or waits, and no call is made (an undo's may emit one of `undone`, if there is
 *	          nothing to call for). NULL: the call has the event alone.
 *	call      on a thread of a bounded pool, in no transaction; ends with saga_tell, with
 *	          saga_call_retry when it does not know how it ended, or with saga_call_fail when it
 *	          knows that it did not happen, and never will.
 *	run/undo  of the step, in a transaction: reads the answer by saga_told.
 *
 * The question is durable before the call begins. A crash asks the same again, with the same keys;
 * after an unclean end it counts as an attempt before it is made, so that a call that kills its
 * process is found out.
 *
 * No answer is no answer. A call that is out of attempts may have taken effect: the slot is stuck
 * for an operator, also if the step has `rejects`. To reject after some attempts, first make the
 * other side refuse the key for good ("void"), then saga_call_fail:
 *
 *	if (saga_call_attempt(c) > 4 && void_charge(saga_key(c, "charge")))
 *		return saga_call_fail(c, "no answer from the bank");
 */
typedef struct saga_outside {
	saga_handler *prepare;
	saga_caller *call;
	int timeout_ms; /* 0: 30 s. The call must keep to it by saga_time_left: none is cut off */
} saga_outside;

/*
 * A step. Fill it with designated initialisers; what is left out is empty. Lists of types end at
 * the first NULL. saga_open checks it whole and names what is wrong. New members come at its end
 * (a participant's def holds its size); the structs inside it are frozen.
 */
typedef struct saga_step_def {
	const char *name;                        /* "reserve"; a key on disk, at most 31 bytes */
	const char *was;                         /* its first name, if it was renamed: keys and
	                                            ids are made of it, so it stays for good */

	const saga_type *on[SAGA_EVENTS];        /* events, or one request alone */
	saga_join join;
	saga_handler *run;
	saga_outside outside;
	const saga_type *emits[SAGA_EVENTS];     /* outcomes with an effect; none: saga_done */
	const saga_type *rejects[SAGA_EVENTS];   /* outcomes without */

	/*
	 * Makes the rejects event where `run` can't: the step was barred, its saga_retry ran out of
	 * attempts, or it or its call ended by saga_fail, saga_call_fail. May only read, and must
	 * end with saga_reject; saga_why says what happened. Needed only if `rejects` has several
	 * types, or one with fields that are neither optional nor a reason. One that fails leaves a
	 * dead slot, or of a barred step a dead letter: nobody has heard the rejection until an
	 * operator requeues it, and `refuse` is tried again.
	 */
	saga_handler *refuse;

	saga_handler *undo;                      /* must end in one of `undone` */
	saga_outside undo_outside;
	const saga_type *undo_on[SAGA_EVENTS];
	const saga_type *undone[SAGA_EVENTS];

	const saga_type *bar_on[SAGA_EVENTS];    /* stop it if it has not run, else ignored */
	bool pivot;                              /* from here the saga only goes forward: no undo */
	bool per_subject;                        /* once for each subject, not once for each saga */

	saga_later after[SAGA_EVENTS];
	saga_retry_rule retry;                   /* of run and its call */
	saga_retry_rule undo_retry;              /* of undo and its call; when spent: stuck */

	/*
	 * `on` a request that only looks (GET an order): `run` may not write, no slot is made, and
	 * the event that it emits is the answer and goes nowhere else. It needs no key.
	 */
	bool reads_only;
} saga_step_def;

/* ---- ending ---- */

#ifndef __cplusplus
/* The step took effect: publishes an event. saga_emit(s, stock_reserved, .total = 5, ...) */
#define saga_emit(step, ...) \
	saga_emit_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* The step took no effect: takes the handler's writes back and publishes a rejects event. */
#define saga_reject(step, ...) \
	saga_reject_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))
#endif

/* The same, as functions. The body is copied. */
SAGA_API saga_verdict saga_emit_body(saga_step *step, const saga_type *type, const void *body)
	SAGA_MUST_USE;
SAGA_API saga_verdict saga_reject_body(saga_step *step, const saga_type *type, const void *body)
	SAGA_MUST_USE;

/* The step took effect and has nothing to say: for steps that declare no `emits`. */
SAGA_API saga_verdict saga_done(saga_step *step) SAGA_MUST_USE;

/*
 * Not yet: commits the writes, and runs again at the next of the `on` events that it has not waited
 * on yet (the last 64 are remembered). Not for a step that is `on` a request. This and the two
 * below take the reason as text: it is kept for operators.
 */
SAGA_API saga_verdict saga_wait(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/* Not now: rolls back, backs off, runs again. When the attempts are spent: as saga_fail. Its last
 * text is the reason then, so write it for whoever reads the event. */
SAGA_API saga_verdict saga_retry(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * Never: rolls back; `refuse` makes the rejects event, with this text as its reason. A step
 * without `rejects` becomes dead, an undo stuck, for an operator; what else comes for a dead step
 * waits until he requeues it or says how it ended.
 */
SAGA_API saga_verdict saga_fail(saga_step *step, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * The event breaks a rule that its type can't state: a dead letter, nothing else changes; in a
 * request's step the answer, and nothing is kept. An undo that ends so is stuck, as by saga_fail.
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
	SAGA_VALUE_SET /* between the library and a store, see plugin.h; no handler's */
} saga_value_kind;

/* Values of one kind, and NULLs: a column of rows that stand one behind the other. */
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
/* The value of any integer, string, saga_id, saga_bytes or saga_value; else it does not compile. */
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
 * Runs a statement. Returns how many rows it changed; 0 after an error.
 *
 *	saga_exec(s, "UPDATE stock SET free = free - ? WHERE sku = ?", line->quantity, line->sku)
 *
 * `?` stands for a value whatever the database; up to 31 follow. The text must be a constant of
 * the program: values never go into it.
 */
#define saga_exec(step, ...) saga_exec_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * The same, where nobody asks how many rows it changed. A server need not be waited for then, so
 * that many writes cost one round trip; one that fails still takes all of the step back.
 */
#define saga_write(step, ...) saga_write_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * A guard: whether a statement changed a row, or found one.
 *
 *	if (!saga_require(s, "UPDATE stock SET free = free - ? WHERE sku = ? AND free >= ?",
 *	                  line->quantity, line->sku, line->quantity))
 *		return saga_reject(s, stock_rejected, .sku = line->sku);
 *
 * It is for what holds as a rule, since a server need not be waited for: the answer is yes, and
 * the handler goes on. If it turns out to be no, nothing that was done since counts: all is rolled
 * back, and the handler runs again and is told so. The answers of a step that is new, or was taken
 * back of late, are waited for at once. Anything that runs may use it, with any verdict; what only
 * reads (`refuse`, a `reads_only` step) may not. False after an error.
 */
#define saga_require(step, ...) saga_require_sql(step, SAGA__SQL(__VA_ARGS__))

/*
 * Reads rows into an array of a SAGA_STRUCT, column by field, by name. A text, int64 or other
 * plain field must not meet an SQL NULL, an opt_ field may. Returns NULL and 0 rows after an error.
 *
 *	size_t count;
 *	const struct order_line *lines = saga_query(s, order_line, &count,
 *		"SELECT sku, quantity FROM reserved WHERE saga = ?", saga_this(s));
 */
#define saga_query(step, shape, ret_count, ...) \
	((const struct shape *)saga_query_sql(step, &(shape), ret_count, SAGA__SQL(__VA_ARGS__)))

/* Reads one row; NULL if there is none. More than one is an error. */
#define saga_query_one(step, shape, ...) \
	((const struct shape *)saga_query_one_sql(step, &(shape), SAGA__SQL(__VA_ARGS__)))

/* Reads one integer; `otherwise` if there is no row, or it is NULL. */
#define saga_query_int64(step, otherwise, ...) \
	saga_query_int64_sql(step, otherwise, SAGA__SQL(__VA_ARGS__))
#endif

/* The same, as functions. */
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
 * The store's own handle: sqlite3 *, PGconn * or CS_CONNECTION *, inside the open transaction. A
 * handler that ends the transaction is caught: rolled back and dead, as SAGA_MISUSE.
 */
SAGA_API void *saga_native(saga_step *step);

/* The step's error so far: SAGA_OK, or the code that will roll it back. */
SAGA_API int saga_failing(const saga_step *step);

/* ---- what a handler knows ---- */

#ifndef __cplusplus
/*
 * The body of the event that this runs on, as `const struct type *`; NULL if that is of another
 * type. A step that is `on` one type alone need not look, one that is `on` several tells them apart
 * by it. In an undo and in refuse: of the event that set it off.
 */
#define saga_on(step, type) saga_body(saga_trigger(step), type)
#endif

SAGA_API const saga_event *saga_trigger(const saga_step *step);
SAGA_API const saga_event *saga_ran_on(const saga_step *step);  /* undo: what the step ran on */
SAGA_API saga_id           saga_this(const saga_step *step);    /* the saga */
SAGA_API const char       *saga_subject(const saga_step *step); /* "" unless per_subject */
SAGA_API int               saga_attempt(const saga_step *step); /* 1 for the first */
SAGA_API int64_t           saga_now(const saga_step *step);     /* ms since 1970, UTC */
SAGA_API saga_id           saga_new_id(saga_step *step);
SAGA_API void             *saga_user(const saga_step *step);    /* handler_user of the options,
                                                                  or else their `user` */
SAGA_API const char       *saga_why(const saga_step *step);     /* "barred by order.expired" */

/*
 * Memory, and text as by snprintf, that live until the handler returns. Bytes of the text that are
 * no UTF-8 (a peer's, or a character that "%.40s" has cut) become `?`.
 */
SAGA_API void *saga_alloc(saga_step *step, size_t count, size_t size);
SAGA_API const char *saga_format(saga_step *step, const char *format, ...) SAGA_PRINTF(2, 3);

/* ---- what it leaves ---- */

#ifndef __cplusplus
/*
 * Leaves a note in the slot, for what rows can't say: saga_keep(s, receipt, .number = 7). A second
 * one replaces it.
 */
#define saga_keep(step, ...) \
	saga_keep_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* The note, as `const struct shape *`; NULL if there is none, or another. */
#define saga_kept(step, shape) ((const struct shape *)saga_kept_body(step, &(shape)))

/*
 * Publishes an event in ms, unless one of those in the step's `after` list comes first, or has come
 * already: saga_after(s, 15 * 60 * 1000, order_expired, .reason = "not paid"). Commits with the
 * step; outlives crashes; is withdrawn when the step is undone or barred. Once more for the same
 * event moves its time; after it was published, schedules it anew (to look again, and again).
 */
#define saga_after(step, ms, ...) \
	saga_after_body(step, ms, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))
#endif

SAGA_API void saga_keep_body(saga_step *step, const saga_shape *shape, const void *body);
SAGA_API const void *saga_kept_body(saga_step *step, const saga_shape *shape);
SAGA_API void saga_after_body(saga_step *step, int64_t ms, const saga_type *type, const void *body);

/* ---- outside calls ---- */

#ifndef __cplusplus
/* In prepare: make the call, with this question. */
#define saga_ask(step, ...) \
	saga_ask_body(step, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* In the call: the question, as `const struct shape *`. */
#define saga_asked(call, shape) ((const struct shape *)saga_asked_body(call, &(shape)))

/* In the call: the answer. A "no" is an answer too. */
#define saga_tell(call, ...) \
	saga_tell_body(call, &SAGA__FIRST(__VA_ARGS__), SAGA__BODY(__VA_ARGS__))

/* In run or undo: the answer, as `const struct shape *`. */
#define saga_told(step, shape) ((const struct shape *)saga_told_body(step, &(shape)))
#endif

SAGA_API saga_verdict saga_ask_body(saga_step *step, const saga_shape *shape, const void *body)
	SAGA_MUST_USE;
SAGA_API const void *saga_asked_body(saga_call *call, const saga_shape *shape);
SAGA_API saga_verdict saga_tell_body(saga_call *call, const saga_shape *shape, const void *body)
	SAGA_MUST_USE;
SAGA_API const void *saga_told_body(saga_step *step, const saga_shape *shape);

/* In the call: unknown how it ended, ask again later with the same keys. */
SAGA_API saga_verdict saga_call_retry(saga_call *call, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/*
 * In the call: it did not happen, and never will, whatever still arrives there: a refusal for good,
 * a key that was made void. The step is rejected, by `refuse` or with this text as the reason; one
 * without `rejects`, or an undo, is stuck. Not for "no answer".
 */
SAGA_API saga_verdict saga_call_fail(saga_call *call, const char *format, ...)
	SAGA_PRINTF(2, 3) SAGA_MUST_USE;

/* In the call: which attempt this is, 1 for the first. */
SAGA_API int saga_call_attempt(const saga_call *call);

/*
 * An idempotency key for the other side: a text of 36 bytes that depends on nothing but the
 * participant, the saga, the step, the subject and the label. Run and undo of one step agree on it,
 * so an undo can name the charge that it takes back. At most 7 in one call. Lives until the call
 * returns.
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
