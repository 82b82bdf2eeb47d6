#ifndef TESTS_STEP_STAGE_H
#define TESTS_STEP_STAGE_H

/*
 * One lane's batch on virtual time, over a journal in memory. All steps share the handlers below,
 * which note that they ran, write one effect, and end as the test has told the stage.
 */

#include "memory.h"
#include "step/call.h"
#include "step/work.h"

#include <stdlib.h>
#include <string.h>

SAGA_EVENT(go, "t.go", 1, opt_int64(n));
SAGA_EVENT(go_too, "t.go_too", 1, opt_int64(n));
SAGA_EVENT(go_three, "t.go_three", 1, opt_int64(n));
SAGA_EVENT(back, "t.back", 1, opt_int64(n));
SAGA_EVENT(back_too, "t.back_too", 1, opt_int64(n));
SAGA_EVENT(stop, "t.stop", 1, opt_int64(n));
SAGA_EVENT(stop_too, "t.stop_too", 1, opt_int64(n));
SAGA_EVENT(late, "t.late", 1, opt_int64(n), opt_text(text));
SAGA_EVENT(too_late, "t.too_late", 1, opt_int64(n));
SAGA_REQUEST(please, "t.please", 1, opt_int64(n));
SAGA_REQUEST(please_too, "t.please_too", 1, opt_int64(n));
SAGA_EVENT(did_a, "a.did", 1, opt_int64(n), opt_text(text));
SAGA_EVENT(no_a, "a.no", 1, reason(why));
SAGA_EVENT(undid_a, "a.undid", 1, opt_int64(n));
SAGA_EVENT(did_b, "b.did", 1, opt_int64(n));
SAGA_EVENT(no_b, "b.no", 1, reason(why));
SAGA_EVENT(undid_b, "b.undid", 1, opt_int64(n));
SAGA_EVENT(did_c, "c.did", 1, opt_int64(n));
SAGA_EVENT(no_c, "c.no", 1, reason(why));
SAGA_EVENT(undid_c, "c.undid", 1, opt_int64(n));
SAGA_EVENT(undeclared, "t.undeclared", 1, opt_int64(n));
SAGA_STRUCT(memo, int64(n));

enum act {
	GOOD, /* the first of `emits`, or `undone`; saga_done if none; in refuse of `rejects` */
	REJECT,
	WAIT,
	RETRY,
	FAIL,
	MALFORM,
	ASK,
	NOTHING,   /* a verdict that was not made by the library */
	TWICE,     /* two outcomes */
	UNDECLARE, /* an event that no list has */
	BIG,       /* an event beyond the limit */
	POISON,    /* ends the transaction itself */
};

enum {
	STEPS_MOST = 8,
	PHASES = 7,
	CALLS_MOST = 64,
	ASKED_MOST = 96,
	ITEMS_MOST = 128
};

struct stage {
	struct memory memory;
	struct saga__plan *plan;
	struct saga__batch batch;
	struct saga_env env;
	uint64_t random;
	int64_t now;
	struct saga__shard shard;
	struct saga__items items;
	struct saga__id_maker ids;
	uint64_t foreign; /* the sequence of foreign events */

	enum act acts[STEPS_MOST][PHASES];
	void (*hook)(struct stage *stage, saga_step *step); /* first of all in a handler */
	enum act call;                                      /* GOOD or RETRY, FAIL, NOTHING */
	int call_attempt;                                   /* of the last call */
	int64_t told;
	int64_t number; /* for hooks */

	bool abort;       /* the next batch is rolled back */
	bool lose_answer; /* the next batch commits, and nobody hears of it */
	bool no_loop;     /* own events don't come back */
	size_t most;      /* items in one batch; 0: all */
	bool no_due;
	bool due_last; /* due rows behind the items, else before them */

	struct saga__call *calls[CALLS_MOST];
	size_t call_count;
	struct saga__item *asked[ASKED_MOST];
	size_t asked_count;
	char trace[4096]; /* "run a; undo b; " */
	char log[4096];   /* "step.retried " */
};

struct stage *stage_new(const saga_participant_def *def);
void stage_free(struct stage *stage);
void stage_seed(struct stage *stage, uint64_t seed);

/* ---- what comes in ---- */

saga_id saga_no(unsigned number);

/* An event as another participant publishes it. The caller's reference. */
struct saga__blob *event_of(
	struct stage *stage, saga_id saga, const saga_type *type, const char *subject, int64_t n);
void give_blob(struct stage *stage, struct saga__blob *event); /* keeps a reference of its own */
void give(struct stage *stage, saga_id saga, const saga_type *type);
void give_subject(struct stage *stage, saga_id saga, const saga_type *type, const char *subject);
void give_bytes(struct stage *stage, const void *at, size_t size);

/* A request; its reply fills when it is committed. `body` makes the digest. */
struct saga__reply *ask(
	struct stage *stage, saga_id saga, const saga_type *type, const char *subject, int body);

/* Makes the oldest call that waits, and gives back what came of it. */
void answer_call(struct stage *stage);

/* An operator's command on the only row of a kind. */
void command(struct stage *stage, enum saga__parked_kind kind, enum saga__command what,
	const char *outcome);

/* ---- running ---- */

int run_batch(struct stage *stage); /* SAGA_OK, or why it was lost */
void run_all(struct stage *stage);  /* batches until nothing is left; all must commit */
void pass(struct stage *stage, int64_t ms);

/* ---- looking ---- */

enum saga__state state_of(const struct stage *stage, saga_id saga, const char *row);
enum saga__state state_in(
	const struct stage *stage, saga_id saga, const char *row, const char *subject);
size_t rows_of(const struct stage *stage, enum saga__parked_kind kind);
const struct kept_row *only_row(const struct stage *stage, enum saga__parked_kind kind);
int said(const struct stage *stage, saga_id saga, const saga_type *type);
const char *last_json(const struct stage *stage, const saga_type *type); /* the caller frees it */
int64_t effect_of(const struct stage *stage, saga_id saga, const char *step);
int64_t effect_in(const struct stage *stage, saga_id saga, const char *step, const char *subject);
int counted(const char *text, const char *part);

/* ---- the handlers ---- */

saga_verdict run_act(saga_step *step);
saga_verdict undo_act(saga_step *step);
saga_verdict refuse_act(saga_step *step);
saga_verdict prepare_act(saga_step *step);
saga_verdict prepare_undo_act(saga_step *step);
saga_verdict call_act(saga_call *call);

#define HANDLED(stage, what) counted((stage)->trace, what "; ")

struct test {
	const TTest *test;
	int times; /* _i counts from 0; 0: once */
};

int run_tests(const char *name, const struct test *tests, size_t count);
#define RUN_TESTS(suite, tests) run_tests(suite, tests, sizeof(tests) / sizeof(tests)[0])

#endif
