#ifndef SAGA_STEP_WORK_H
#define SAGA_STEP_WORK_H

/* The insides of a batch: one thing to be done to one slot, and the step that a handler sees. */

#include "batch.h"
#include "call.h"

struct saga__work {
	struct saga__work *next;
	struct saga__batch *batch;
	struct saga__item *item;
	const struct saga_event *event;
	const saga_step_def *step;
	struct saga__slot *slot;
	enum saga__role role;
	size_t nth;                        /* of `on`: which type it is */
	const struct saga__parked *parked; /* the row that it comes from */
	int attempts;                      /* made before */
	bool silent;                       /* only so that its slot is loaded */
};

enum saga__phase {
	SAGA__PHASE_RUN = 1,
	SAGA__PHASE_PREPARE,
	SAGA__PHASE_UNDO,
	SAGA__PHASE_PREPARE_UNDO,
	SAGA__PHASE_REFUSE,
	SAGA__PHASE_READ,
};

struct saga__scheduling {
	struct saga__scheduling *next;
	size_t row;
	int64_t due;
	struct saga__blob *event;
};

struct saga_step {
	struct saga__batch *batch;
	struct saga__work *work;
	const saga_step_def *def;
	struct saga__slot *slot; /* NULL: a request that only looks */
	const struct saga_event *trigger;
	const struct saga_event *ran_on;
	enum saga__phase phase;
	int token;
	const char *why;
	saga_bytes told;

	saga_error error; /* the first; code 0: none */
	bool undeclared;  /* that error is against the declaration */
	bool fault;       /* it ended by an error, not by what the handler said: no rejection */
	int outcomes;
	enum saga__outcome outcome;
	struct saga__blob *event; /* EMITS, REJECTS */
	saga_id event_id;
	bool event_ours;
	const char *text; /* the reason, for operators */
	saga_bytes question;

	bool optimistic; /* its answers are not waited for, and it gets no savepoint */
	bool touched;    /* it has run a statement */
	bool marked;
	bool noted;
	saga_bytes note;
	struct saga__scheduling *schedulings;
};

/* The handler that a phase of the step calls. */
saga_handler *saga__handler_of(const saga_step_def *def, enum saga__phase phase);

/* Runs a handler to its one outcome, and gives that back, with what the step left. */
int saga__step_run(struct saga_step *step, struct saga__work *work, enum saga__phase phase,
	const char *why, saga_bytes told);

/* A step that ended so without a handler. */
void saga__step_ended(struct saga_step *step, struct saga__work *work, enum saga__outcome outcome,
	const char *why);

/* Takes back what the handler wrote, and drops what it left. */
void saga__step_take_back(struct saga_step *step);
void saga__step_end(struct saga_step *step);

/* The first error sticks. Returns code. */
int saga__step_fail(struct saga_step *step, int code, const char *format, ...) SAGA_PRINTF(3, 4);
void saga__step_undeclared(struct saga_step *step, const char *format, ...) SAGA_PRINTF(2, 3);

/* Whether the whole batch is lost with this error: the transaction is gone, or can't be trusted. */
bool saga__code_loses_batch(int code);

void saga__batch_lose(struct saga__batch *batch, int code, const char *text);

/* The slot of a row in this batch; made absent if there is none yet. NULL: out of memory. */
struct saga__slot *saga__batch_slot(
	struct saga__batch *batch, saga_id saga, size_t row, const char *subject);

/* Encodes an event of this batch, numbered as the next of its shard. NULL: error says why. */
struct saga__blob *saga__batch_encode(struct saga__batch *batch, const struct saga__work *work,
	const saga_type *type, const void *body, const char *why, saga_id *ret_id,
	saga_error *error);

/* Gives the event to the outbox. It must have been encoded last in its shard. */
void saga__batch_publish(
	struct saga__batch *batch, saga_id saga, struct saga__blob *event, saga_id id, bool ours);

/* ---- doing, by role ---- */

void saga__do_run(struct saga__batch *batch, struct saga__work *work);
void saga__do_bar(struct saga__batch *batch, struct saga__work *work);
void saga__do_undo(struct saga__batch *batch, struct saga__work *work);
void saga__do_answer(struct saga__batch *batch, struct saga__work *work);
void saga__do_call_again(struct saga__batch *batch, struct saga__work *work);
void saga__do_read(struct saga__batch *batch, struct saga__work *work);
void saga__do_operator(struct saga__batch *batch, struct saga__work *work);
void saga__do_schedule(struct saga__batch *batch, struct saga__work *work);
void saga__do_withdraw(
	struct saga__batch *batch, struct saga__work *work, struct saga__slot *schedule);

/* A barred slot whose `refuse` failed says what it owes. */
void saga__do_refuse(struct saga__batch *batch, struct saga__work *work);

void saga__bar(struct saga__batch *batch, struct saga__work *work);

/* ---- what an outcome does ---- */

/*
 * Does what slot.c says of what has ended so: to the slot, the outbox, the trigger and whoever
 * asked. Returns that row.
 */
struct saga__settlement saga__settle(struct saga__batch *batch, struct saga__work *work,
	enum saga__ended ended, struct saga_step *step);

/* The same for what ended without a handler. */
void saga__settle_as(struct saga__batch *batch, struct saga__work *work, enum saga__ended ended,
	enum saga__outcome outcome, const char *why);

/* Parks the trigger and asks the outside. */
void saga__ask(
	struct saga__batch *batch, struct saga__work *work, int attempts, saga_bytes question);
/* `made` attempts before it; `counted` in its row while it is made. */
void saga__ask_counted(struct saga__batch *batch, struct saga__work *work, int made, int counted,
	saga_bytes question);

/* ---- which triggers a waiting slot has seen ---- */

bool saga__seen_id(const struct saga__slot *slot, saga_id id);
bool saga__seen_type(const struct saga__slot *slot, const char *type);

/* Whether a run that ends so breaks its step's `waits`, and how. */
bool saga__breaks_waits(
	const struct saga_step *step, enum saga__outcome outcome, char ret_text[SAGA_ERROR_TEXT]);
void saga__see(struct saga__batch *batch, struct saga__work *work);

/* ---- what they share ---- */

/* A copy that lives as long as the batch. at NULL: the batch is lost. */
saga_bytes saga__keep(struct saga__batch *batch, saga_bytes bytes);

void saga__count(const struct saga__work *work, int what); /* a saga__tally of its step */
void saga__slot_move(
	struct saga__batch *batch, struct saga__slot *slot, enum saga__state to, const char *why);
void saga__schedule(
	struct saga__batch *batch, struct saga__work *work, struct saga__scheduling *scheduling);
void saga__slot_withdraw_schedules(struct saga__batch *batch, struct saga__work *work);
saga_retry_rule saga__rule_of(const struct saga__work *work); /* with its defaults filled in */
void saga__tell_retry(
	const struct saga__work *work, const char *what, int attempts, bool fault, const char *why);
int64_t saga__retry_delay(struct saga__batch *batch, const saga_retry_rule *rule, int attempts);
int saga__attempts_with(const struct saga__work *work); /* made, this one too */
bool saga__is_spent(const saga_retry_rule *rule, int attempts);

/* Sets the work's trigger aside: a new row, or its own row changed. */
void saga__park(struct saga__batch *batch, struct saga__work *work, enum saga__parked_kind kind,
	int attempts, int64_t due, const char *behind, const char *why, saga_bytes question);
void saga__park_behind(struct saga__batch *batch, struct saga__work *work, struct saga__slot *slot);

/* The row that saga__park made or changed last. */
const struct saga__parked *saga__last_parked(const struct saga__batch *batch);

/* Drops what is parked for a slot, of that kind. */
void saga__drop_parked(struct saga__batch *batch, const struct saga__work *work,
	const struct saga__slot *slot, enum saga__parked_kind kind);

/* The event that set it off, in its wire form; for as long as its item lives. */
saga_bytes saga__trigger_of(const struct saga__work *work);

/* Whether this batch has changed or dropped the row already. */
bool saga__is_dealt_with(const struct saga__batch *batch, const struct saga__parked *row);

/* Its row, if it came from one, has done its work. */
void saga__unpark(struct saga__batch *batch, struct saga__work *work);

/* Nothing of a request: its caller has the answer. */
void saga__dead_letter(struct saga__batch *batch, struct saga__work *work, const char *why);
/* The same for an event of ours that can't be published; in place of its letter, if it has one. */
void saga__letter_to_publish(struct saga__batch *batch, struct saga__work *work, const char *why);
/* Such a letter again: its event is published as what it was. NOMEM. */
int saga__publish_again(struct saga__batch *batch, struct saga__item *item);
void saga__reply(struct saga__work *work, int code, bool repeated, struct saga__blob *outcome,
	const char *text);
void saga__batch_log(struct saga__batch *batch, int level, const char *what,
	const struct saga__work *work, const char *text);

#endif
