#include "call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/envelope.h"
#include "../event/id.h"
#include "../event/utf8.h"
#include "../mutation.h"
#include "named.h"
#include "work.h"

enum {
	DEFAULT_TIMEOUT_MS = 30000,
	CALL_SLACK_MS = 30000,
	CALL_BYTES = 1 << 20,
	KEYS = 8
};

struct saga_call {
	struct saga__call *job;
	struct saga__decoder *decoder;
	struct saga__arena arena;
	struct saga__buffer buffer;
	struct saga_event trigger;
	int64_t deadline;
	int token;
	int outcomes;
	size_t key_count;
	char keys[KEYS][SAGA_ID_TEXT];
};

void saga__call_free(struct saga__call *call)
{
	if (!call)
		return;
	saga__blob_unref(call->event);
	saga__blob_unref(call->question);
	saga__blob_unref(call->answer);
	free(call->item);
	free(call);
}

int saga__call_timeout(const struct saga__call *call)
{
	const saga_step_def *step = &call->plan->steps[call->step];
	int timeout = call->undo ? step->undo_outside.timeout_ms : step->outside.timeout_ms;

	return timeout ? timeout : DEFAULT_TIMEOUT_MS;
}

/* ---- asking ---- */

static void make_call(struct saga__batch *batch, struct saga__work *work, saga_id parked,
	int attempts, saga_bytes question)
{
	struct saga__call *call = calloc(1, sizeof *call);
	saga_bytes trigger = saga__trigger_of(work);

	if (call) {
		call->event = saga__blob_new(trigger.at, trigger.size);
		call->question = saga__blob_new(question.at, question.size);
		call->item = calloc(1, sizeof *call->item);
	}
	if (!call || !call->event || !call->question || !call->item) {
		saga__call_free(call);
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	call->plan = batch->plan;
	call->env = batch->env;
	call->user = batch->user;
	call->step = (size_t)(work->step - batch->plan->steps);
	call->undo = work->role == SAGA__ROLE_UNDO;
	call->attempts = attempts;
	call->parked = parked;
	call->saga = work->slot->saga;
	assert(strlen(work->slot->subject) < sizeof call->subject);
	memcpy(call->subject, work->slot->subject, strlen(work->slot->subject) + 1);
	call->next = batch->calls;
	batch->calls = call;
}

static int64_t call_due(const struct saga__batch *batch, const struct saga__work *work)
{
	struct saga__call probe = { .plan = batch->plan,
		.step = (size_t)(work->step - batch->plan->steps),
		.undo = work->role == SAGA__ROLE_UNDO };

	SAGA__MUTANT_RETURN(call_lost_at_crash, true, SAGA__NEVER);
	return batch->now + saga__call_timeout(&probe) + CALL_SLACK_MS;
}

/* `made` attempts before it; `counted` in its row while it is made. */
void saga__ask_counted(struct saga__batch *batch, struct saga__work *work, int made, int counted,
	saga_bytes question)
{
	saga_bytes kept = saga__keep(batch, question);

	saga__park(batch, work, SAGA__PARKED_CALL, counted, call_due(batch, work), "", "", kept);
	if (batch->lost.code == SAGA_OK)
		make_call(batch, work, saga__last_parked(batch)->id, made, kept);
}

void saga__ask(
	struct saga__batch *batch, struct saga__work *work, int attempts, saga_bytes question)
{
	saga__ask_counted(batch, work, attempts, attempts, question);
}

/* ---- making the call ---- */

static void no_answer(struct saga__call *job, int code, const char *why)
{
	saga__blob_unref(job->answer);
	job->answer = NULL;
	job->code = code;
	saga__say(job->why, sizeof job->why, "%s", why);
}

static int decode_trigger(struct saga_call *call, saga_error *error)
{
	const struct saga__known *known;
	int code = saga__event_decode(call->decoder, &call->arena,
		saga__blob_bytes(call->job->event), &call->trigger, error);

	if (code != SAGA_OK)
		return code;
	known = saga__plan_type(call->job->plan, call->trigger.type, call->trigger.version);
	if (!known)
		return saga_error_set(
			error, SAGA_MALFORMED, "no step is on %s", call->trigger.type);
	return saga__event_decode_body(
		call->decoder, &call->arena, &call->trigger, known->type, error);
}

static void hand_over(struct saga_call *call)
{
	struct saga__call *job = call->job;
	const saga_step_def *step = &job->plan->steps[job->step];
	saga_verdict verdict;

	call->token = 1 + (int)(saga__monotonic(job->env) & 0xffff);
	call->deadline = saga__monotonic(job->env) + saga__call_timeout(job);
	job->code = SAGA_UNDECLARED;
	verdict = (job->undo ? step->undo_outside.call : step->outside.call)(call);
	if (verdict.made_by_the_library != call->token || call->outcomes != 1)
		no_answer(job, SAGA_UNDECLARED, "the call did not end in exactly one outcome");
}

void saga__call_make(struct saga__call *job)
{
	struct saga_call call = { .job = job };
	saga_error error;
	int code;

	saga__arena_init(&call.arena, CALL_BYTES);
	saga__buffer_init(&call.buffer, CALL_BYTES);
	if (saga__decoder_new(&call.decoder) != SAGA_OK)
		no_answer(job, SAGA_NOMEM, "out of memory");
	else if ((code = decode_trigger(&call, &error)) != SAGA_OK)
		no_answer(job, code, error.text);
	else
		hand_over(&call);
	saga__decoder_free(call.decoder);
	saga__buffer_free(&call.buffer);
	saga__arena_free(&call.arena);
}

saga_id saga__call_key(const struct saga__call *call, const char *label)
{
	const struct saga__plan *plan = call->plan;
	const saga_step_def *step = &plan->steps[call->step];
	const char *name = step->was ? step->was : step->name;
	const saga_bytes parts[] = {
		{ plan->name, strlen(plan->name) },
		{ &call->saga, sizeof call->saga },
		{ name, strlen(name) },
		{ call->subject, strlen(call->subject) },
		{ label, strlen(label) },
	};

	return saga__id_derive(parts, sizeof parts / sizeof parts[0]);
}

/* ---- what a call may call ---- */

const void *saga_asked_body(saga_call *call, const saga_shape *shape)
{
	return saga__named_decode(
		call->decoder, &call->arena, saga__blob_bytes(call->job->question), shape);
}

saga_verdict saga_tell_body(saga_call *call, const saga_shape *shape, const void *body)
{
	struct saga__call *job = call->job;
	saga_error error;
	int code = saga__named_encode(&call->buffer, shape, body, &error);

	call->outcomes++;
	if (code != SAGA_OK) {
		no_answer(job, code, error.text);
		return (saga_verdict){ call->token };
	}
	saga__blob_unref(job->answer);
	job->answer = saga__blob_new(call->buffer.at, call->buffer.size);
	if (job->answer)
		job->code = SAGA_OK;
	else
		no_answer(job, SAGA_NOMEM, "out of memory");
	return (saga_verdict){ call->token };
}

static saga_verdict end_without(saga_call *call, int code, const char *format, va_list list)
{
	char why[SAGA_ERROR_TEXT];

	saga__vsay(why, sizeof why, format, list);
	call->outcomes++;
	no_answer(call->job, code, why);
	return (saga_verdict){ call->token };
}

saga_verdict saga_call_retry(saga_call *call, const char *format, ...)
{
	saga_verdict verdict;
	va_list list;

	va_start(list, format);
	verdict = end_without(call, SAGA_AWAY, format, list);
	va_end(list);
	return verdict;
}

saga_verdict saga_call_fail(saga_call *call, const char *format, ...)
{
	saga_verdict verdict;
	va_list list;

	va_start(list, format);
	verdict = end_without(call, SAGA_FAILED, format, list);
	va_end(list);
	return verdict;
}

int saga_call_attempt(const saga_call *call)
{
	return call->job->attempts + 1;
}

/* The last room is for the key too many: it is right, but the call counts as having no outcome. */
const char *saga_key(saga_call *call, const char *label)
{
	size_t at = call->key_count < KEYS ? call->key_count++ : KEYS - 1;

	if (at == KEYS - 1)
		call->outcomes = KEYS;
	if (SAGA__MUTANT(key_not_stable) && call->job->attempts)
		label = "another";
	return saga_id_text(saga__call_key(call->job, label), call->keys[at]);
}

const saga_event *saga_call_trigger(const saga_call *call)
{
	return &call->trigger;
}

int saga_time_left(const saga_call *call)
{
	int64_t left = call->deadline - saga__monotonic(call->job->env);

	return left > 0 ? (int)left : 0;
}

void *saga_call_user(const saga_call *call)
{
	return call->job->user;
}
