/* A handler's run, and what it may call; but for the store, see query.c. */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../event/utf8.h"
#include "../mutation.h"
#include "named.h"
#include "work.h"

enum {
	DOUBTED_RUNS = 256
};

/* ---- errors ---- */

int saga__step_fail(struct saga_step *step, int code, const char *format, ...)
{
	va_list list;

	if (step->error.code != SAGA_OK)
		return code;
	step->error.code = code;
	va_start(list, format);
	saga__vsay(step->error.text, sizeof step->error.text, format, list);
	va_end(list);
	return code;
}

void saga__step_undeclared(struct saga_step *step, const char *format, ...)
{
	char text[SAGA_ERROR_TEXT];
	va_list list;

	va_start(list, format);
	saga__vsay(text, sizeof text, format, list);
	va_end(list);
	if (step->error.code == SAGA_OK)
		step->undeclared = true;
	(void)saga__step_fail(step, SAGA_UNDECLARED, "%s", text);
}

bool saga__code_loses_batch(int code)
{
	return code == SAGA_CONTENDED || code == SAGA_AWAY || code == SAGA_FULL ||
		code == SAGA_UNKNOWN || code == SAGA_REJECTED || code == SAGA_DAMAGED;
}

/* ---- running ---- */

saga_handler *saga__handler_of(const saga_step_def *def, enum saga__phase phase)
{
	switch (phase) {
	case SAGA__PHASE_PREPARE:
		return def->outside.prepare;
	case SAGA__PHASE_UNDO:
		return def->undo;
	case SAGA__PHASE_PREPARE_UNDO:
		return def->undo_outside.prepare;
	case SAGA__PHASE_REFUSE:
		return def->refuse;
	case SAGA__PHASE_RUN:
	case SAGA__PHASE_READ:
		return def->run;
	}
	assert(false);
	return NULL;
}

static void check_transaction(struct saga_step *step)
{
	struct saga__batch *batch = step->batch;

	if (!batch->store_ops || !(step->touched || step->error.code != SAGA_OK) ||
		batch->store_ops->in_transaction(batch->store))
		return;
	if (step->error.code == SAGA_OK) {
		size_t at = batch->poison_count++ % SAGA__POISONS;

		batch->poisons[at].event = step->trigger->id;
		batch->poisons[at].row = (size_t)(step->def - batch->plan->steps);
		saga__batch_lose(batch, SAGA_MISUSE, "a handler ended the transaction itself");
	} else {
		saga__batch_lose(batch,
			saga__code_loses_batch(step->error.code) ? step->error.code
								 : SAGA_CONTENDED,
			step->error.text);
	}
}

/* An event that was encoded before the error is not sent. */
static void drop_event(struct saga_step *step)
{
	saga__blob_unref(step->event);
	step->event = NULL;
}

/* A slot that was not read may have had what the condition wants: then the batch reads it. */
static void hold_to_contract(struct saga_step *step, saga_verdict verdict)
{
	char how[SAGA_ERROR_TEXT];

	if (step->error.code != SAGA_OK || step->outcomes != 1 ||
		verdict.made_by_the_library != step->token || !step->slot || step->told.at ||
		(step->phase != SAGA__PHASE_RUN && step->phase != SAGA__PHASE_PREPARE))
		return;
	if (saga__breaks_waits(step, step->outcome, how))
		saga__step_undeclared(step, "%s", how);
	if (step->error.code != SAGA_OK && step->batch->optimistic)
		saga__batch_lose(step->batch, SAGA_REJECTED,
			"an optimistic step broke its `waits`; the batch is replayed with reads");
}

static void judge(struct saga_step *step, saga_verdict verdict)
{
	hold_to_contract(step, verdict);
	if (step->error.code != SAGA_OK && !SAGA__MUTANT(error_swallowed)) {
		step->outcome = step->undeclared ? SAGA__BREAKS : SAGA__RETRIES;
		step->text = step->error.text;
		step->fault = true;
		if (saga__code_loses_batch(step->error.code))
			saga__batch_lose(step->batch, step->error.code, step->error.text);
	} else if (verdict.made_by_the_library != step->token || step->outcomes != 1) {
		step->outcome = SAGA__BREAKS;
		step->fault = true;
		step->text = step->outcomes > 1 ? "the handler ended in more than one outcome"
						: "the handler ended in no outcome";
	}
	if (step->fault)
		drop_event(step);
}

static bool is_poison(const struct saga_step *step)
{
	const struct saga__batch *batch = step->batch;
	size_t row = (size_t)(step->def - batch->plan->steps);

	for (size_t i = 0; i < batch->poison_count && i < SAGA__POISONS; i++)
		if (batch->poisons[i].row == row &&
			saga__id_same(batch->poisons[i].event, step->trigger->id))
			return true;
	return false;
}

static unsigned short *doubts_of(const struct saga_step *step)
{
	struct saga__batch *batch = step->batch;

	return &batch->doubts[(size_t)(step->def - batch->plan->steps) % SAGA__DOUBTED];
}

/* A step that was rolled back once will be again, and others are replayed with it. */
static bool is_optimistic(const struct saga_step *step)
{
	const struct saga__batch *batch = step->batch;
	unsigned short *doubts = doubts_of(step);

	if (!batch->store_ops || !batch->store_ops->require || batch->replays ||
		step->phase == SAGA__PHASE_REFUSE || step->phase == SAGA__PHASE_READ)
		return false;
	return !*doubts || !(*doubts)--;
}

void saga__step_ended(struct saga_step *step, struct saga__work *work, enum saga__outcome outcome,
	const char *why)
{
	memset(step, 0, sizeof *step);
	step->batch = work->batch;
	step->work = work;
	step->def = work->step;
	step->slot = work->slot;
	step->trigger = work->event;
	step->outcome = outcome;
	step->text = why;
}

int saga__step_run(struct saga_step *step, struct saga__work *work, enum saga__phase phase,
	const char *why, saga_bytes told)
{
	struct saga__batch *batch = work->batch;
	saga_verdict verdict;

	saga__step_ended(step, work, SAGA__NO_OUTCOME, "");
	step->phase = phase;
	step->why = why;
	step->told = told;
	step->token = ++batch->runs;
	saga__arena_reset(&batch->scratch);
	if (is_poison(step)) {
		step->outcome = SAGA__BREAKS;
		step->fault = true;
		step->text = "the handler ended the transaction itself";
		return SAGA_OK;
	}
	if (work->item->withheld && phase != SAGA__PHASE_REFUSE) {
		step->outcome = SAGA__RETRIES;
		step->fault = true;
		step->text = work->item->withheld;
		return SAGA_OK;
	}
	if (batch->instead && phase != SAGA__PHASE_REFUSE) {
		step->outcome = batch->instead;
		step->fault = true;
		step->text = batch->instead_text;
		return SAGA_OK;
	}
	step->optimistic = is_optimistic(step);
	verdict = saga__handler_of(work->step, phase)(step);
	check_transaction(step);
	judge(step, verdict);
	if (batch->lost.code == SAGA_OK &&
		(phase == SAGA__PHASE_READ || !saga__outcome_keeps_writes(step->outcome)))
		saga__step_take_back(step);
	return batch->lost.code;
}

/* They live in the memory of handlers, which `refuse` will use. */
static void drop_schedulings(struct saga_step *step)
{
	for (struct saga__scheduling *scheduling = step->schedulings; scheduling;
		scheduling = scheduling->next)
		saga__blob_unref(scheduling->event);
	step->schedulings = NULL;
}

void saga__step_take_back(struct saga_step *step)
{
	struct saga__batch *batch = step->batch;
	saga_error error;

	drop_schedulings(step);
	if (!step->touched || SAGA__MUTANT(reject_keeps_writes))
		return;
	step->touched = false;
	if (step->phase != SAGA__PHASE_READ)
		*doubts_of(step) = DOUBTED_RUNS;
	if (!step->marked && SAGA__MUTANT(trusted_keeps_writes))
		return;
	if (!step->marked) {
		saga__batch_lose(batch, SAGA_REJECTED,
			"an optimistic step rolled back; the batch is replayed with reads");
		return;
	}
	step->marked = false;
	if (batch->store_ops->back(batch->store, &error) != SAGA_OK)
		saga__batch_lose(batch,
			saga__code_loses_batch(error.code) ? error.code
				: batch->optimistic        ? SAGA_REJECTED
							   : SAGA_CONTENDED,
			error.text);
}

void saga__step_end(struct saga_step *step)
{
	drop_schedulings(step);
	saga__blob_unref(step->event);
}

int saga_failing(const saga_step *step)
{
	return step->error.code;
}

/* ---- ending ---- */

static saga_verdict end(struct saga_step *step, enum saga__outcome outcome)
{
	step->outcomes++;
	step->outcome = outcome;
	return (saga_verdict){ step->token };
}

static saga_verdict end_by_event(struct saga_step *step, enum saga__outcome outcome,
	const char *list_name, const saga_type *const list[SAGA_EVENTS], const saga_type *type,
	const void *body)
{
	const struct saga__known *known;
	struct saga__blob *event;
	saga_error error;

	if (step->error.code != SAGA_OK || step->event)
		return end(step, outcome);
	if (!saga__types_have(list, type)) {
		saga__step_undeclared(step, "%s is not in `%s`", type->name, list_name);
		return end(step, outcome);
	}
	event = saga__batch_encode(
		step->batch, step->work, type, body, step->why, &step->event_id, &error);
	if (!event) {
		(void)saga__step_fail(step, error.code, "%s", error.text);
		return end(step, outcome);
	}
	known = saga__plan_type(step->batch->plan, type->name, type->version);
	step->event = event;
	step->event_ours = known && known->route_count;
	return end(step, outcome);
}

saga_verdict saga_emit_body(saga_step *step, const saga_type *type, const void *body)
{
	bool undo = step->phase == SAGA__PHASE_UNDO || step->phase == SAGA__PHASE_PREPARE_UNDO;

	if (step->phase == SAGA__PHASE_REFUSE)
		saga__step_undeclared(step, "`refuse` must end by saga_reject");
	else if (step->phase == SAGA__PHASE_PREPARE)
		saga__step_undeclared(step, "`prepare` must not emit: its call was not made");
	return end_by_event(step, SAGA__EMITS, undo ? "undone" : "emits",
		undo ? step->def->undone : step->def->emits, type, body);
}

saga_verdict saga_reject_body(saga_step *step, const saga_type *type, const void *body)
{
	if (step->phase == SAGA__PHASE_UNDO || step->phase == SAGA__PHASE_PREPARE_UNDO)
		saga__step_undeclared(step, "an undo can't reject");
	return end_by_event(step, SAGA__REJECTS, "rejects", step->def->rejects, type, body);
}

saga_verdict saga_done(saga_step *step)
{
	if (step->phase != SAGA__PHASE_RUN || step->def->emits[0])
		saga__step_undeclared(step, "saga_done is for the run of a step without `emits`");
	return end(step, SAGA__DONE_SILENTLY);
}

static void keep_reason(struct saga_step *step, const char *format, va_list list)
{
	const char *text = saga__arena_vformat(&step->batch->scratch, format, list);

	step->text = text ? text : "there is no memory for the reason";
}

saga_verdict saga_wait(saga_step *step, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	keep_reason(step, format, list);
	va_end(list);
	if ((step->phase != SAGA__PHASE_RUN && step->phase != SAGA__PHASE_PREPARE) || step->told.at)
		saga__step_undeclared(step, "only a run without an outside answer can wait");
	else if (step->def->on[0]->request)
		saga__step_undeclared(step, "a step that is `on` a request can't wait");
	return end(step, SAGA__WAITS);
}

saga_verdict saga_retry(saga_step *step, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	keep_reason(step, format, list);
	va_end(list);
	return end(step, SAGA__RETRIES);
}

saga_verdict saga_fail(saga_step *step, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	keep_reason(step, format, list);
	va_end(list);
	return end(step, SAGA__FAILS);
}

saga_verdict saga_malformed(saga_step *step, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	keep_reason(step, format, list);
	va_end(list);
	return end(step, SAGA__MALFORMS);
}

saga_verdict saga_ask_body(saga_step *step, const saga_shape *shape, const void *body)
{
	struct saga__buffer *buffer = &step->batch->named;
	saga_error error;
	void *copy;
	int code;

	if (step->phase != SAGA__PHASE_PREPARE && step->phase != SAGA__PHASE_PREPARE_UNDO)
		saga__step_undeclared(step, "saga_ask is for `prepare`");
	if (step->error.code != SAGA_OK)
		return end(step, SAGA__ASKS);
	if ((code = saga__named_encode(buffer, shape, body, &error)) != SAGA_OK) {
		(void)saga__step_fail(step, code, "%s", error.text);
	} else if (!(copy = saga__arena_alloc(&step->batch->arena, buffer->size))) {
		(void)saga__step_fail(step, SAGA_NOMEM, "out of memory");
	} else {
		memcpy(copy, buffer->at, buffer->size);
		step->question = (saga_bytes){ copy, buffer->size };
	}
	return end(step, SAGA__ASKS);
}

/* ---- what a handler knows ---- */

const saga_event *saga_trigger(const saga_step *step)
{
	return step->trigger;
}

/* Decoded when it is asked for: few undos look. */
const saga_event *saga_ran_on(const saga_step *step)
{
	struct saga_step *own = (struct saga_step *)step;
	struct saga__batch *batch = step->batch;
	const struct saga__known *known;
	struct saga_event *event;

	if (step->ran_on || step->error.code != SAGA_OK)
		return step->ran_on;
	if (!step->slot || !step->slot->trigger.size)
		return step->trigger;
	event = saga__arena_calloc(&batch->scratch, 1, sizeof *event);
	if (!event ||
		saga__event_decode(batch->decoder, &batch->scratch, step->slot->trigger, event,
			&own->error) != SAGA_OK) {
		(void)saga__step_fail(
			own, SAGA_NOMEM, "the event that the step ran on can't be read");
		return NULL;
	}
	known = saga__plan_type(batch->plan, event->type, event->version);
	if (known &&
		saga__event_decode_body(batch->decoder, &batch->scratch, event, known->type,
			&own->error) != SAGA_OK)
		return NULL;
	return own->ran_on = event;
}

saga_id saga_this(const saga_step *step)
{
	return step->trigger->saga;
}

const char *saga_subject(const saga_step *step)
{
	return step->slot ? step->slot->subject : "";
}

int saga_attempt(const saga_step *step)
{
	return step->work->attempts + 1;
}

int64_t saga_now(const saga_step *step)
{
	return step->batch->now;
}

saga_id saga_new_id(saga_step *step)
{
	return saga__id_new(&step->batch->ids, step->batch->env);
}

void *saga_user(const saga_step *step)
{
	return step->batch->user;
}

const char *saga_why(const saga_step *step)
{
	return step->why;
}

void *saga_alloc(saga_step *step, size_t count, size_t size)
{
	void *at;

	if (step->error.code != SAGA_OK)
		return NULL;
	if (!(at = saga__arena_calloc(&step->batch->scratch, count, size)))
		(void)saga__step_fail(step, SAGA_TOO_BIG, "handler_bytes are used up");
	return at;
}

const char *saga_format(saga_step *step, const char *format, ...)
{
	const char *text;
	va_list list;

	if (step->error.code != SAGA_OK)
		return NULL;
	va_start(list, format);
	text = saga__arena_vformat(&step->batch->scratch, format, list);
	va_end(list);
	if (!text)
		(void)saga__step_fail(step, SAGA_TOO_BIG, "handler_bytes are used up");
	return text;
}

/* ---- what it leaves ---- */

static bool may_leave(struct saga_step *step, const char *what)
{
	if (step->error.code == SAGA_OK && step->phase != SAGA__PHASE_RUN &&
		step->phase != SAGA__PHASE_PREPARE)
		saga__step_undeclared(step, "%s is for a step's run", what);
	return step->error.code == SAGA_OK;
}

void saga_keep_body(saga_step *step, const saga_shape *shape, const void *body)
{
	struct saga__buffer *buffer = &step->batch->named;
	saga_error error;
	void *copy;

	if (!may_leave(step, "saga_keep"))
		return;
	if (saga__named_encode(buffer, shape, body, &error) != SAGA_OK) {
		(void)saga__step_fail(step, error.code, "%s", error.text);
		return;
	}
	if (!(copy = saga__arena_alloc(&step->batch->arena, buffer->size))) {
		(void)saga__step_fail(step, SAGA_NOMEM, "out of memory");
		return;
	}
	memcpy(copy, buffer->at, buffer->size);
	step->note = (saga_bytes){ copy, buffer->size };
	step->noted = true;
}

static const void *read_named(saga_step *step, saga_bytes named, const saga_shape *shape)
{
	if (step->error.code != SAGA_OK || !named.size)
		return NULL;
	return saga__named_decode(step->batch->decoder, &step->batch->scratch, named, shape);
}

const void *saga_kept_body(saga_step *step, const saga_shape *shape)
{
	saga_bytes note = step->noted ? step->note
		: step->slot          ? step->slot->note
				      : (saga_bytes){ NULL, 0 };

	return read_named(step, note, shape);
}

const void *saga_told_body(saga_step *step, const saga_shape *shape)
{
	return read_named(step, step->told, shape);
}

static size_t schedule_of(const struct saga_step *step, const saga_type *type)
{
	const struct saga__plan *plan = step->batch->plan;
	size_t at = (size_t)(step->def - plan->steps);

	for (size_t row = plan->first_schedule[at];
		row < plan->row_count && plan->rows[row].step == at; row++)
		if (strcmp(step->def->after[plan->rows[row].later].event->name, type->name) == 0)
			return row;
	return SIZE_MAX;
}

void saga_after_body(saga_step *step, int64_t ms, const saga_type *type, const void *body)
{
	struct saga__batch *batch = step->batch;
	struct saga__scheduling *scheduling, **end;
	saga_error error;
	saga_id id;
	size_t row;

	if (!may_leave(step, "saga_after"))
		return;
	if ((row = schedule_of(step, type)) == SIZE_MAX) {
		saga__step_undeclared(step, "%s is not in `after`", type->name);
		return;
	}
	if (ms < 0 || ms > INT64_MAX / 4) {
		saga__step_undeclared(step, "saga_after %s: %lld ms", type->name, (long long)ms);
		return;
	}
	if (!(scheduling = saga__arena_calloc(&batch->scratch, 1, sizeof *scheduling))) {
		(void)saga__step_fail(step, SAGA_TOO_BIG, "handler_bytes are used up");
		return;
	}
	scheduling->row = row;
	scheduling->due = batch->now + ms;
	if (!(scheduling->event =
			    saga__batch_encode(batch, step->work, type, body, "", &id, &error))) {
		(void)saga__step_fail(step, error.code, "%s", error.text);
		return;
	}
	for (end = &step->schedulings; *end; end = &(*end)->next)
		;
	*end = scheduling; /* in order: the last for an event is the one that counts */
}
