#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

/*
 * A stage: one loop, one temporary directory, the participant under test (`target`), and a foreign
 * one (`outside`) that publishes whatever event a test wants. Everything that waits has a deadline.
 *
 * SAGA_TEST_LOG=1 shows the library's log.
 */

#include "events.h"
#include "ground.h"
#include "lossy.h"

#include <saga/plugin.h>
#include <saga/saga.h>

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
	DEADLINE_MS = 60000,
	STAGE_LEASE_MS = 6000 /* an operator's wish is found within a third of it */
};

struct actor {
	struct stage *stage;
	saga_participant *participant; /* NULL: closed */
	bool stopped;
	int why;
	char why_text[SAGA_ERROR_TEXT];
};

struct log_line {
	int level;
	char participant[32];
	char what[64];
	char text[256];
	char fields[160]; /* their names, each followed by a space */
	char values[256]; /* of those that are text, each followed by a space */
	char step[32];
	int64_t time;
};

struct stage {
	int lanes;
	char dir[48];
	uv_loop_t loop;
	uv_timer_t tick;
	saga_hub *hub;
	struct lossy lossy;
	bool use_lossy;
	char bus[160]; /* URL of what is used instead of the hub; "": that */

	struct actor outside;
	struct actor target;
	struct actor *twin; /* a test's own */
	const saga_participant_def *def;
	saga_options options;

	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool gate_closed;
	char trace[4096];
	char trace_copy[4096];
	struct log_line log[512];
	size_t log_count;

	atomic_int knob; /* for handlers: as each test likes */
	atomic_int count;
	char seen_key[2][SAGA_ID_TEXT];
	uint32_t sagas;
	uint32_t subjects;
	char url[512];      /* of the target's store */
	char look_url[512]; /* the same, for whoever looks into it */
	void *look;
};

/* ---- its life ---- */

struct stage *stage_new(int lanes);

/* Opens `outside`, if it is not, and the target; `change` may be NULL, what it sets goes first. */
void stage_open(struct stage *stage, const saga_participant_def *def, const saga_options *change);
void stage_open_outside(struct stage *stage);

/*
 * Opens one more participant on the stage's loop and transport, its file named `file`; "target.db"
 * is the stage's ground, whatever that is.
 */
void actor_open(struct stage *stage, struct actor *actor, const saga_participant_def *def,
	const saga_options *change, const char *file);

/* Stops it, waits for that, closes it. */
void actor_close(struct actor *actor);

/* Stops and closes the target and opens it again on the same file. */
void stage_restart(struct stage *stage);

/* Stops and closes all, and proves that nothing is left open on the loop. */
void stage_end(struct stage *stage);

/* stage_new and stage_open. */
struct stage *stage_start(int lanes, const saga_participant_def *def);

/* ---- time ---- */

int64_t stage_deadline(void);
void stage_turn(struct stage *stage, int64_t until, const char *what, const char *file, int line);

#define AWAIT(stage_, condition_) \
	do { \
		int64_t until_ = stage_deadline(); \
		while (!(condition_)) \
			stage_turn(stage_, until_, #condition_, __FILE__, __LINE__); \
	} while (0)

/* ---- events from outside ---- */

saga_id stage_saga(struct stage *stage);
void inject(struct stage *stage, saga_id saga, const saga_type *type);
void inject_n(struct stage *stage, saga_id saga, const saga_type *type, int64_t n);
void inject_as(
	struct stage *stage, saga_id saga, const saga_type *type, int64_t n, const char *subject);
void inject_bare_first(struct stage *stage, saga_id saga);

/* Waits until the target has committed or parked all that was injected before. */
void settle(struct stage *stage);

/* Every target has it among its steps, for settle. */
saga_verdict run_marker(saga_step *s);
#define MARKER_STEP \
	{ \
		.name = "marker", .on = { &marker }, .run = run_marker, .per_subject = true \
	}

/* ---- requests ---- */

struct reply {
	struct stage *stage;
	int times;
	int code;
	char text[256];
	saga_id saga;
	char outcome[64]; /* its type, or "" */
	char json[512];
	bool repeated;
	int64_t effects; /* that a reader of the store saw when the answer came */
};

/* Submits, and waits for the answer; a refusal of saga_submit has times 0. */
struct reply ask(struct stage *stage, const saga_submission *submission);
struct reply ask_please(struct stage *stage, const char *key, int64_t n);

/* Submits only; *reply fills when it is answered. */
int ask_later(struct stage *stage, const saga_submission *submission, struct reply *reply);

/* ---- what handlers leave ---- */

/* Appends to the trace: "run a", and "; " between two. */
void saw(const saga_step *s, const char *format, ...) SAGA_PRINTF(2, 3);
void saw_call(const saga_call *c, const char *format, ...) SAGA_PRINTF(2, 3);
const char *trace(struct stage *stage);
void trace_clear(struct stage *stage);
int trace_count(struct stage *stage, const char *what);

/* One row of business: what the step did. */
void effect(saga_step *s, const char *what);
extern const char *const effect_schema[];

/* The calls of providers wait while the gate is closed. */
void gate_close(struct stage *stage);
void gate_open(struct stage *stage);
void gate_pass(struct stage *stage);

/* ---- looking into the target's store ---- */

void look_close(struct stage *stage);

int64_t sql_int(struct stage *stage, const char *sql, const saga_id *saga, const char *text);
int64_t effects(struct stage *stage, saga_id saga, const char *what);
const char *slot_state(struct stage *stage, saga_id saga, const char *step); /* or "absent" */
const char *slot_state_of(struct stage *stage, saga_id saga, const char *step, const char *subject);
int slot_count(struct stage *stage, saga_id saga, const char *step, const char *state);
bool slot_is(struct stage *stage, saga_id saga, const char *step, const char *state);
int64_t parked(struct stage *stage); /* that go on by themselves */
int64_t dead_letters(struct stage *stage);

/* As an operator's tool would; it must change something. */
void sql_write(struct stage *stage, const char *sql);
/* Whatever it is. */
void sql_do(struct stage *stage, const char *sql);
/* The same, if it goes. */
void sql_try(struct stage *stage, const char *sql);

/* A process, from now on; but not within a batch, whose locks would stand still with it. */
void stand_still(struct stage *stage, pid_t pid);

/* How many events of this type the target has published in this saga; with: in their JSON. */
int said(struct stage *stage, saga_id saga, const char *type);
int said_with(struct stage *stage, saga_id saga, const char *type, const char *with);

/* ---- the log ---- */

int logged(struct stage *stage, const char *what);
int logged_at(struct stage *stage, int level);

saga_health health(const struct actor *actor);

/* ---- running it ---- */

/*
 * Runs each test twice: inline on the loop (_i is 0 lanes), and with a lane's thread (1); on a
 * server with one thread and with two, and inline if SAGA_TEST_SOAK is set.
 */
int run_both_modes(const char *name, const TTest *const *tests, size_t count);

/* Each once, with as many lanes as it likes. */
int run_each_once(const char *name, const TTest *const *tests, size_t count);

#endif
