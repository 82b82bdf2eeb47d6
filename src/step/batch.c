#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/utf8.h"
#include "blame.h"
#include "from_json.h"
#include "work.h"

enum {
	BUCKETS = 512
};

/* Its stream is not locked by this batch, and its slots are another lane's. */
#define ANOTHER_SHARD "an event of a saga that is of another shard"
#define NO_SUBJECT "the step runs once a subject, and the event has none"

int saga__batch_init(struct saga__batch *batch, const struct saga__batch_limits *limits)
{
	saga__arena_init(&batch->arena, (limits->batch_events + 1) * 8 * limits->event_bytes);
	saga__arena_init(&batch->scratch, limits->handler_bytes);
	saga__buffer_init(&batch->event, limits->event_bytes);
	saga__buffer_init(&batch->named, limits->event_bytes);
	for (size_t i = 0; i < SAGA__DOUBTED; i++)
		batch->doubts[i] = SAGA__DOUBTS_FIRST;
	batch->bucket_count = BUCKETS;
	batch->buckets = calloc(batch->bucket_count, sizeof(struct saga__slot *));
	if (!batch->buckets)
		return SAGA_NOMEM;
	saga__batch_begin(batch);
	return saga__decoder_new(&batch->decoder);
}

static void drop_results(struct saga__batch *batch)
{
	struct saga__call *call;

	for (struct saga__outgoing *out = batch->outgoing; out; out = out->next)
		saga__blob_unref(out->event);
	while ((call = batch->calls)) {
		batch->calls = call->next;
		saga__call_free(call);
	}
}

void saga__batch_free(struct saga__batch *batch)
{
	drop_results(batch);
	saga__decoder_free(batch->decoder);
	free(batch->buckets);
	saga__buffer_free(&batch->named);
	saga__buffer_free(&batch->event);
	saga__arena_free(&batch->scratch);
	saga__arena_free(&batch->arena);
}

void saga__batch_begin(struct saga__batch *batch)
{
	drop_results(batch);
	saga__arena_reset(&batch->arena);
	memset(batch->buckets, 0, batch->bucket_count * sizeof(struct saga__slot *));
	batch->slots = NULL;
	batch->works = NULL;
	batch->works_end = &batch->works;
	batch->outgoing = NULL;
	batch->outgoing_end = &batch->outgoing;
	batch->parkings = NULL;
	batch->parkings_end = &batch->parkings;
	batch->wakes = NULL;
	batch->due = SAGA__NEVER;
	memset(&batch->delta, 0, sizeof batch->delta);
	batch->parked = (struct saga__parked_counts){ 0, 0 };
	batch->lost.code = SAGA_OK;
	batch->marked = batch->optimistic = false;
	saga__blame_begin(batch);
}

static const char *subject_of(const saga_step_def *step, const struct saga_event *event)
{
	return step->per_subject ? event->subject : "";
}

/* ---- adding ---- */

static struct saga__work *add_work(
	struct saga__batch *batch, struct saga__item *item, const struct saga_event *event)
{
	struct saga__work *work = saga__arena_calloc(&batch->arena, 1, sizeof *work);

	if (!work)
		return NULL;
	work->batch = batch;
	work->item = item;
	work->event = event;
	work->attempts = item->attempts;
	*batch->works_end = work;
	batch->works_end = &work->next;
	return work;
}

static int add_letter(struct saga__batch *batch, struct saga__item *item,
	const struct saga_event *event, const saga_step_def *step, const char *why)
{
	struct saga__work *work = add_work(batch, item, event);

	if (!work)
		return SAGA_NOMEM;
	work->step = step;
	work->parked = item->parked;
	saga__dead_letter(batch, work, why);
	saga__reply(work, SAGA_MALFORMED, false, NULL, why);
	work->silent = true;
	return SAGA_OK;
}

/* So that they are loaded: its schedules, and later-declared steps that this event undoes too. */
static int add_neighbours(struct saga__batch *batch, const struct saga__work *work, size_t at)
{
	const struct saga__plan *plan = batch->plan;
	const struct saga_event *event = work->event;

	for (size_t row = plan->first_schedule[at];
		row < plan->row_count && plan->rows[row].step == at; row++)
		if (!saga__batch_slot(batch, event->saga, row, work->slot->subject))
			return SAGA_NOMEM;
	if (work->role != SAGA__ROLE_UNDO)
		return SAGA_OK;
	for (size_t later = at + 1; later < plan->step_count; later++) {
		const saga_step_def *step = &plan->steps[later];

		if (!event->of || !saga__types_have(step->undo_on, event->of) ||
			(step->per_subject && !*event->subject))
			continue;
		if (!saga__batch_slot(batch, event->saga, later, subject_of(step, event)))
			return SAGA_NOMEM;
	}
	return SAGA_OK;
}

static int add_step(struct saga__batch *batch, struct saga__item *item,
	const struct saga_event *event, size_t at, enum saga__role role,
	struct saga__work **ret_work)
{
	const saga_step_def *step = &batch->plan->steps[at];
	struct saga__work *work;

	if (step->per_subject && !*event->subject)
		return add_letter(batch, item, event, step, NO_SUBJECT);
	if (!(work = add_work(batch, item, event)))
		return SAGA_NOMEM;
	work->step = step;
	work->role = role;
	if (ret_work)
		*ret_work = work;
	if (step->reads_only)
		return SAGA_OK;
	work->slot = saga__batch_slot(batch, event->saga, at, subject_of(step, event));
	if (!work->slot)
		return SAGA_NOMEM;
	return add_neighbours(batch, work, at);
}

static int add_unless(struct saga__batch *batch, struct saga__item *item,
	const struct saga_event *event, const struct saga__route *route)
{
	const saga_step_def *step = &batch->plan->steps[route->step];
	struct saga__work *work;

	if (step->per_subject && !*event->subject)
		return add_letter(batch, item, event, step, NO_SUBJECT);
	if (!(work = add_work(batch, item, event)))
		return SAGA_NOMEM;
	work->step = step;
	work->role = SAGA__ROLE_UNLESS;
	work->slot = saga__batch_slot(batch, event->saga, route->row, subject_of(step, event));
	return work->slot ? SAGA_OK : SAGA_NOMEM;
}

/* Decodes an item's event. *ret_known NULL: no step is on it. MALFORMED in error otherwise. */
static int read_event(struct saga__batch *batch, saga_bytes wire, struct saga_event **ret_event,
	const struct saga__known **ret_known, saga_error *error)
{
	struct saga_event *event = saga__arena_calloc(&batch->arena, 1, sizeof *event);
	int code;

	if (!event)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	*ret_event = event;
	*ret_known = NULL;
	if ((code = saga__event_decode(batch->decoder, &batch->arena, wire, event, error)) !=
		SAGA_OK) {
		*ret_event = NULL;
		return code;
	}
	code = saga__plan_find(batch->plan, event->type, event->version, ret_known, error);
	if (code != SAGA_OK || !*ret_known || !(*ret_known)->route_count)
		return code;
	return saga__event_decode_body(
		batch->decoder, &batch->arena, event, (*ret_known)->type, error);
}

static int add_routes(struct saga__batch *batch, struct saga__item *item,
	const struct saga_event *event, const struct saga__known *known)
{
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < known->route_count; i++) {
		const struct saga__route *route = &known->routes[i];
		struct saga__work *work = NULL;

		if (route->role == SAGA__ROLE_UNLESS) {
			code = add_unless(batch, item, event, route);
			continue;
		}
		code = add_step(batch, item, event, route->step, route->role, &work);
		if (work)
			work->nth = route->nth;
	}
	return code;
}

static int add_event(struct saga__batch *batch, struct saga__item *item, saga_bytes wire)
{
	const struct saga__known *known;
	struct saga_event *event;
	saga_error error;
	int code;

	if (item->why)
		return add_letter(batch, item, NULL, NULL, item->why);
	if ((code = read_event(batch, wire, &event, &known, &error)) == SAGA_NOMEM)
		return code;
	if (code != SAGA_OK)
		return add_letter(batch, item, event, NULL, error.text);
	if (item->kind == SAGA__ITEM_DUE && saga__batch_shard(batch, event->saga) != item->shard)
		return add_letter(batch, item, event, NULL, ANOTHER_SHARD);
	if (!known || !known->route_count)
		return SAGA_OK;
	if (item->kind == SAGA__ITEM_EVENT &&
		event->time < batch->now - batch->ageing_behind - batch->history_ms)
		return add_letter(batch, item, event, NULL, "older than what is still remembered");
	return add_routes(batch, item, event, known);
}

#define AT_FIRST " (at first: "

/* Why it was set aside first is what an operator must know, whatever came of later attempts. */
static const char *join_reasons(struct saga__batch *batch, const char *why, const char *first)
{
	const char *tail = strstr(first, AT_FIRST);
	size_t same = strlen(why);
	char *joined;

	if (strncmp(first, why, same) == 0 && (!first[same] || first + same == tail))
		return first;
	if ((joined = saga__arena_alloc(&batch->arena, SAGA_ERROR_TEXT)))
		saga__say(joined, SAGA_ERROR_TEXT, "%s%s%s%s", why, tail ? "" : AT_FIRST,
			tail ? tail : first, tail ? "" : ")");
	return joined;
}

/* For the letters that a letter has become. */
static int recall(struct saga__batch *batch, struct saga__parking *parking, const char *first)
{
	for (; parking && *first; parking = parking->next) {
		if (parking->change == SAGA__PARK_ADD &&
			parking->parked.kind == SAGA__PARKED_LETTER)
			parking->parked.why = join_reasons(batch, parking->parked.why, first);
		if (!parking->parked.why)
			return SAGA_NOMEM;
	}
	return SAGA_OK;
}

static int add_refused(struct saga__batch *batch, struct saga__item *item)
{
	struct saga_event *event = saga__arena_calloc(&batch->arena, 1, sizeof *event);
	struct saga__work *work;
	int code = event ? saga__event_decode(batch->decoder, &batch->arena,
				   saga__blob_bytes(item->event), event, NULL)
			 : SAGA_NOMEM;

	if (code != SAGA_OK)
		return code == SAGA_NOMEM ? code : add_letter(batch, item, NULL, NULL, item->why);
	if (!(work = add_work(batch, item, event)))
		return SAGA_NOMEM;
	work->silent = true;
	saga__letter_to_publish(batch, work, item->why);
	return SAGA_OK;
}

/* A letter to all that its event concerns: its row goes, and the event is as if it came now. */
static int add_letter_again(struct saga__batch *batch, struct saga__item *item)
{
	const struct saga__parked *parked = item->parked;
	struct saga__work gone = { .item = item, .parked = parked };
	struct saga__parking *unparking;
	saga_bytes wire = parked->event;
	struct saga__blob *event;
	saga_error error;
	int code = SAGA_OK;

	if (saga__is_json(wire))
		code = saga__from_json(batch->plan, &batch->arena, wire, &batch->event, &error);
	if (code == SAGA_NOMEM)
		return code;
	if (code == SAGA_OK && saga__is_json(wire))
		wire = (saga_bytes){ batch->event.at, batch->event.size };
	if (!(event = saga__arena_alloc(&batch->arena, sizeof *event + wire.size)))
		return SAGA_NOMEM;
	event->refs = 1;
	event->size = wire.size;
	memcpy(event->at, wire.at, wire.size);
	saga__unpark(batch, &gone);
	if (batch->lost.code != SAGA_OK)
		return batch->lost.code;
	unparking = batch->parking_last;
	item->event = event;
	item->parked = NULL;
	if (code == SAGA_OK)
		code = add_event(batch, item, saga__blob_bytes(event));
	else
		code = add_letter(batch, item, NULL, NULL, error.text);
	return code == SAGA_OK ? recall(batch, unparking->next, parked->why) : code;
}

static int add_due(struct saga__batch *batch, struct saga__item *item)
{
	const struct saga__parked *parked = item->parked;
	const struct saga__known *known;
	struct saga__work *work = NULL;
	struct saga_event *event;
	saga_error error;
	size_t row = *parked->row ? saga__plan_row(batch->plan, parked->row) : SIZE_MAX;
	int code;

	if (parked->kind == SAGA__PARKED_LETTER && parked->role == SAGA__ROLE_PUBLISH)
		return saga__publish_again(batch, item);
	if (parked->kind == SAGA__PARKED_LETTER && (!*parked->row || !parked->role))
		return add_letter_again(batch, item);
	code = read_event(batch, parked->event, &event, &known, &error);
	if (code == SAGA_NOMEM)
		return code;
	if (code == SAGA_OK && row != SIZE_MAX && !batch->plan->rows[row].schedule &&
		batch->plan->steps[batch->plan->rows[row].step].per_subject && !*event->subject)
		code = saga_error_set(&error, SAGA_MALFORMED, NO_SUBJECT);
	if (code == SAGA_OK && saga__batch_shard(batch, event->saga) != item->shard)
		code = saga_error_set(&error, SAGA_MALFORMED, ANOTHER_SHARD);
	if (code == SAGA_OK && row == SIZE_MAX)
		code = saga_error_set(
			&error, SAGA_MALFORMED, "there is no step %s any more", parked->row);
	if (code != SAGA_OK) {
		if (!(work = add_work(batch, item, NULL)))
			return SAGA_NOMEM;
		work->parked = parked;
		work->silent = true;
		saga__batch_log(batch, SAGA_WARNING, "event.dead", work, error.text);
		saga__count(work, SAGA__TALLY_LETTER);
		saga__park(batch, work, SAGA__PARKED_LETTER, parked->attempts, SAGA__NEVER, "",
			error.text, parked->question);
		return SAGA_OK;
	}
	if (batch->plan->rows[row].schedule) {
		if (!(work = add_work(batch, item, event)))
			return SAGA_NOMEM;
		work->step = &batch->plan->steps[batch->plan->rows[row].step];
		work->slot = saga__batch_slot(batch, parked->saga, row, parked->subject);
		work->role = SAGA__ROLE_RUN;
		if (!work->slot)
			return SAGA_NOMEM;
	} else {
		code = add_step(batch, item, event, row, parked->role, &work);
	}
	if (work) {
		work->parked = parked;
		work->attempts = parked->command ? 0 : parked->attempts;
	}
	return code;
}

/* The row that stands for the call while it goes on. */
static struct saga__parked *row_of_call(
	const struct saga__batch *batch, struct saga__arena *arena, const struct saga__call *call)
{
	struct saga__parked *parked = saga__arena_calloc(arena, 1, sizeof *parked);

	if (!parked)
		return NULL;
	*parked = (struct saga__parked){
		.id = call->parked,
		.saga = call->saga,
		.row = batch->plan->rows[call->step].name,
		.subject = call->subject,
		.role = call->undo ? SAGA__ROLE_UNDO : SAGA__ROLE_RUN,
		.kind = SAGA__PARKED_CALL,
		.attempts = call->attempts,
		.behind = "",
		.why = "",
		.event = saga__blob_bytes(call->event),
		.question = saga__blob_bytes(call->question),
	};
	return parked;
}

static int add_answer(struct saga__batch *batch, struct saga__item *item)
{
	const struct saga__call *call = item->call;
	struct saga__parked *parked = row_of_call(batch, &batch->arena, call);
	const struct saga__known *known;
	struct saga__work *work = NULL;
	struct saga_event *event;
	saga_error error;
	int code;

	if (!parked)
		return SAGA_NOMEM;
	if ((code = read_event(batch, parked->event, &event, &known, &error)) != SAGA_OK)
		return code; /* it was read when the call was made */
	code = add_step(batch, item, event, call->step, parked->role, &work);
	if (work) {
		work->parked = parked;
		work->attempts = call->attempts;
	}
	return code;
}

/* ---- what the store does not hold ---- */

/* Its row stays, as a dead letter; the step's slot stays as it is until that is requeued. */
static int set_row_aside(struct saga__batch *batch, struct saga__item *item,
	const struct saga__parked *parked, const char *why)
{
	struct saga__work *work = add_work(batch, item, NULL);

	if (!work)
		return SAGA_NOMEM;
	work->parked = parked;
	work->silent = true;
	work->role = parked->role;
	saga__batch_log(batch, SAGA_ALARM, "event.set_aside", work, why);
	saga__count(work, SAGA__TALLY_LETTER);
	saga__park(batch, work, SAGA__PARKED_LETTER, parked->attempts, SAGA__NEVER, "", why,
		parked->question);
	return SAGA_OK;
}

/* Nothing of the event's own but its bytes and its saga's id: each store holds those. */
static int set_event_aside(struct saga__batch *batch, struct saga__item *item, const char *why)
{
	struct saga_event *event = saga__arena_calloc(&batch->arena, 1, sizeof *event);
	struct saga__work *work;
	int code;

	if (!event)
		return SAGA_NOMEM;
	code = saga__event_decode(
		batch->decoder, &batch->arena, saga__blob_bytes(item->event), event, NULL);
	if (code == SAGA_NOMEM || !(work = add_work(batch, item, code == SAGA_OK ? event : NULL)))
		return SAGA_NOMEM;
	work->silent = true;
	saga__batch_log(batch, SAGA_ALARM, "event.set_aside", work, why);
	saga__count(work, SAGA__TALLY_LETTER);
	saga__park(batch, work, SAGA__PARKED_LETTER, work->attempts, SAGA__NEVER, "", why,
		(saga_bytes){ NULL, 0 });
	return SAGA_OK;
}

/* Nothing is written of it; whoever asked is told. */
static int refuse_request(
	struct saga__batch *batch, struct saga__item *item, bool odd_row, const char *why)
{
	struct saga__work *work = add_work(batch, item, NULL);

	if (!work)
		return SAGA_NOMEM;
	work->silent = true;
	saga__batch_log(batch, SAGA_WARNING, "request.refused", work, why);
	saga__reply(work, odd_row ? SAGA_REFUSED : SAGA_MALFORMED, false, NULL, why);
	return SAGA_OK;
}

static int set_aside(
	struct saga__batch *batch, struct saga__item *item, const struct saga__blamed *blamed)
{
	size_t size = sizeof "the store can't hold it: " + strlen(blamed->why);
	char *why = saga__arena_alloc(&batch->arena, size);
	const struct saga__parked *parked = item->parked;

	if (!why)
		return SAGA_NOMEM;
	(void)snprintf(
		why, size, "%s%s", blamed->odd_row ? "" : "the store can't hold it: ", blamed->why);
	switch (item->kind) {
	case SAGA__ITEM_REQUEST:
		return refuse_request(batch, item, blamed->odd_row, why);
	case SAGA__ITEM_EVENT:
	case SAGA__ITEM_REFUSED:
		return set_event_aside(batch, item, why);
	case SAGA__ITEM_ANSWER:
		if (!(parked = row_of_call(batch, &batch->arena, item->call)))
			return SAGA_NOMEM;
		return set_row_aside(batch, item, parked, why);
	case SAGA__ITEM_DUE:
		return set_row_aside(batch, item, parked, why);
	case SAGA__ITEM_MOVE:
		break;
	}
	return SAGA_OK;
}

int saga__batch_add(struct saga__batch *batch, struct saga__item *item)
{
	const struct saga__blamed *blamed = NULL;
	enum saga__judgement judgement = saga__judgement_of(batch, item, &blamed);

	batch->item_count++;
	batch->only = item;
	batch->only_parked = item->parked;
	item->withheld = judgement == SAGA__WITHHELD ? blamed->why : NULL;
	batch->put_aside = batch->put_aside || judgement == SAGA__SET_ASIDE;
	if (judgement == SAGA__SET_ASIDE)
		return set_aside(batch, item, blamed);
	switch (item->kind) {
	case SAGA__ITEM_EVENT:
	case SAGA__ITEM_REQUEST:
		return add_event(batch, item, saga__blob_bytes(item->event));
	case SAGA__ITEM_DUE:
		return add_due(batch, item);
	case SAGA__ITEM_ANSWER:
		return add_answer(batch, item);
	case SAGA__ITEM_REFUSED:
		return add_refused(batch, item);
	case SAGA__ITEM_MOVE:
		break;
	}
	return SAGA_OK;
}

/* ---- running ---- */

static void do_work(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__parked *parked = work->parked;

	if (work->item->kind == SAGA__ITEM_DUE && parked && saga__is_dealt_with(batch, parked))
		return;
	if (parked && parked->command)
		saga__do_operator(batch, work);
	else if (work->item->kind == SAGA__ITEM_ANSWER)
		saga__do_answer(batch, work);
	else if (work->role == SAGA__ROLE_UNLESS)
		saga__do_withdraw(batch, work, work->slot);
	else if (parked && parked->kind == SAGA__PARKED_SCHEDULE)
		saga__do_schedule(batch, work);
	else if (parked && parked->kind == SAGA__PARKED_CALL)
		saga__do_call_again(batch, work);
	else if (work->role == SAGA__ROLE_BAR)
		saga__do_bar(batch, work);
	else if (work->role == SAGA__ROLE_UNDO)
		saga__do_undo(batch, work);
	else if (work->step->reads_only)
		saga__do_read(batch, work);
	else
		saga__do_run(batch, work);
}

/* Undos and bars before runs: who stops a step must not lose to it within one batch. */
static bool comes_first(const struct saga__work *work)
{
	return work->role != SAGA__ROLE_RUN;
}

/* All handlers have ended: what is written from here on is the library's own. */
static void release_mark(struct saga__batch *batch)
{
	saga_error error;

	if (batch->lost.code == SAGA_OK && batch->marked && batch->store_ops->release &&
		batch->store_ops->release(batch->store, &error) != SAGA_OK)
		saga__batch_lose(batch,
			saga__code_loses_batch(error.code) ? error.code : SAGA_CONTENDED,
			error.text);
}

void saga__batch_run(struct saga__batch *batch)
{
	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next)
		slot->before = slot->state;
	for (int pass = 0; pass < 2; pass++)
		for (struct saga__work *work = batch->works; work; work = work->next)
			if (!work->silent && comes_first(work) == (pass == 0) &&
				batch->lost.code == SAGA_OK)
				do_work(batch, work);
	release_mark(batch);
}
