/* The changes that a batch makes to slots, events and parked rows, for all that runs in it. */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../event/utf8.h"
#include "../mutation.h"
#include "work.h"

void saga__batch_lose(struct saga__batch *batch, int code, const char *text)
{
	if (batch->lost.code == SAGA_OK)
		(void)saga_error_set(&batch->lost, code, "%s", text);
}

saga_bytes saga__keep(struct saga__batch *batch, saga_bytes bytes)
{
	void *copy = saga__arena_alloc(&batch->arena, bytes.size + 1);

	if (!copy) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return (saga_bytes){ NULL, 0 };
	}
	if (bytes.size)
		memcpy(copy, bytes.at, bytes.size);
	return (saga_bytes){ copy, bytes.size };
}

/* ---- slots ---- */

static size_t slot_hash(const struct saga__batch *batch, saga_id saga, size_t row)
{
	uint64_t low;

	memcpy(&low, saga.bytes + 8, sizeof low);
	return (size_t)((low >> 17 ^ low) + row * 31) & (batch->bucket_count - 1);
}

struct saga__slot *saga__batch_slot(
	struct saga__batch *batch, saga_id saga, size_t row, const char *subject)
{
	struct saga__slot **bucket = &batch->buckets[slot_hash(batch, saga, row)], *slot;

	for (slot = *bucket; slot; slot = slot->chain)
		if (slot->row == row && saga__id_same(slot->saga, saga) &&
			strcmp(slot->subject, subject) == 0)
			return slot;
	if (!(slot = saga__arena_calloc(&batch->arena, 1, sizeof *slot)))
		return NULL;
	slot->saga = saga;
	slot->row = row;
	slot->subject = subject;
	slot->why = "";
	slot->chain = *bucket;
	*bucket = slot;
	slot->next = batch->slots;
	batch->slots = slot;
	return slot;
}

static int64_t *count_of(struct saga__batch *batch, enum saga__state state)
{
	switch (state) {
	case SAGA__WAITING:
		return &batch->delta.waiting;
	case SAGA__DEAD:
		return &batch->delta.dead;
	case SAGA__STUCK:
		return &batch->delta.stuck;
	case SAGA__ABSENT:
	case SAGA__TRYING:
	case SAGA__DONE:
	case SAGA__UNDOING:
	case SAGA__REJECTED:
	case SAGA__FAILED:
	case SAGA__BARRED:
	case SAGA__UNDONE:
		return NULL;
	case SAGA__STATES:
		break;
	}
	assert(false);
	return NULL;
}

static void recount(struct saga__batch *batch, const struct saga__slot *slot, enum saga__state to)
{
	int64_t *count;

	if (batch->plan->rows[slot->row].schedule)
		return;
	if ((count = count_of(batch, slot->state)))
		--*count;
	if ((count = count_of(batch, to)))
		++*count;
}

static void count(struct saga__batch *batch, size_t step, int what)
{
	if (batch->tally)
		batch->tally[step * SAGA__TALLIES + (size_t)what]++;
}

void saga__count(const struct saga__work *work, int what)
{
	const struct saga__plan *plan = work->batch->plan;

	count(work->batch, work->step ? (size_t)(work->step - plan->steps) : plan->step_count,
		what);
}

static void wake_behind(struct saga__batch *batch, const struct saga__slot *slot)
{
	struct saga__wake *wake = saga__arena_calloc(&batch->arena, 1, sizeof *wake);
	size_t size = SAGA__ROW_NAME_MOST + SAGA__SUBJECT_MOST + 2;
	char *behind = saga__arena_calloc(&batch->arena, size, 1);

	if (!wake || !behind) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	(void)snprintf(behind, size, "%s/%s", batch->plan->rows[slot->row].name, slot->subject);
	wake->shard = saga__batch_shard(batch, slot->saga);
	wake->saga = slot->saga;
	wake->behind = behind;
	wake->next = batch->wakes;
	batch->wakes = wake;
}

void saga__slot_move(
	struct saga__batch *batch, struct saga__slot *slot, enum saga__state to, const char *why)
{
	enum saga__state from = slot->state;

	assert(batch->plan->rows[slot->row].schedule || saga__slot_may_move(from, slot->was, to));
	recount(batch, slot, to);
	if (!batch->plan->rows[slot->row].schedule)
		count(batch, slot->row, (int)to);
	if (to == SAGA__DEAD || to == SAGA__STUCK)
		slot->was = from;
	slot->state = to;
	slot->why = why;
	slot->dirty = true;
	if (SAGA__MUTANT(behind_forgotten))
		return;
	if (!slot->leads_none &&
		((saga__slot_holds_back(from) && !saga__slot_holds_back(to)) || to == SAGA__UNDONE))
		wake_behind(batch, slot);
}

/* ---- publishing ---- */

static struct saga__shard *shard_of(struct saga__batch *batch, saga_id saga)
{
	unsigned number = saga__batch_shard(batch, saga);

	size_t i = 0;

	while (i + 1 < batch->locked_count && batch->locked[i].shard != number)
		i++;
	assert(batch->locked[i].shard == number);
	return &batch->locked[i];
}

struct saga__blob *saga__batch_encode(struct saga__batch *batch, const struct saga__work *work,
	const saga_type *type, const void *body, const char *why, saga_id *ret_id,
	saga_error *error)
{
	const struct saga_event *cause = work->event;
	struct saga_event event = {
		.id = saga__id_new(&batch->ids, batch->env),
		.saga = cause->saga,
		.time = batch->now,
		.source = batch->plan->name,
		.subject = work->slot ? work->slot->subject : "",
		.traceparent = cause->traceparent,
	};
	struct saga__blob *blob;

	if (!SAGA__MUTANT(cause_lost))
		event.causation = cause->id;
	if (work->slot)
		event.sequence =
			shard_of(batch, cause->saga)->seq + !SAGA__MUTANT(number_off_by_one);
	if (!type) {
		event.type = cause->type;
		event.version = cause->version;
		event.data = cause->data;
	}
	if (saga__event_encode(&batch->event, &event, type, body, why, error) != SAGA_OK)
		return NULL;
	if (!(blob = saga__blob_new(batch->event.at, batch->event.size))) {
		(void)saga_error_set(error, SAGA_NOMEM, "out of memory");
		return NULL;
	}
	*ret_id = event.id;
	return blob;
}

void saga__batch_publish(
	struct saga__batch *batch, saga_id saga, struct saga__blob *event, saga_id id, bool ours)
{
	struct saga__shard *shard = shard_of(batch, saga);
	struct saga__outgoing *out = saga__arena_calloc(&batch->arena, 1, sizeof *out);

	if (!out) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	out->event = saga__blob_ref(event);
	out->shard = shard->shard;
	out->seq = ++shard->seq;
	out->id = id;
	out->before = shard->last;
	out->saga = saga;
	out->ours = ours;
	shard->last = id;
	*batch->outgoing_end = out;
	batch->outgoing_end = &out->next;
}

/* ---- parked rows ---- */

static bool is_live(enum saga__parked_kind kind)
{
	return kind != SAGA__PARKED_HELD && kind != SAGA__PARKED_LETTER;
}

int64_t *saga__parking_counter(struct saga__batch *batch, const struct saga__parking *parking)
{
	bool is = is_live(parking->parked.kind);

	switch (parking->change) {
	case SAGA__PARK_ADD:
		return is ? &batch->parked.came : NULL;
	case SAGA__PARK_DROP:
	case SAGA__PARK_DROP_KIND:
		return is ? &batch->parked.went : NULL;
	case SAGA__PARK_SET:
		if (is == is_live(parking->was))
			return NULL;
		return is ? &batch->parked.came : &batch->parked.went;
	}
	assert(false);
	return NULL;
}

struct saga__counts saga__batch_counts(const struct saga__batch *batch)
{
	struct saga__counts counts = batch->delta;

	counts.parked = batch->parked.came - batch->parked.went;
	return counts;
}

static struct saga__parking *change(
	struct saga__batch *batch, enum saga__change what, const struct saga__item *item)
{
	struct saga__parking *parking = saga__arena_calloc(&batch->arena, 1, sizeof *parking);

	if (!parking) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return NULL;
	}
	parking->change = what;
	parking->shard = item->shard;
	*batch->parkings_end = parking;
	batch->parkings_end = &parking->next;
	batch->parking_last = parking;
	return parking;
}

saga_bytes saga__trigger_of(const struct saga__work *work)
{
	/* A dead letter that is tried again is no work's row, but an item's. */
	const struct saga__parked *parked = work->parked ? work->parked : work->item->parked;

	return parked ? parked->event : saga__blob_bytes(work->item->event);
}

static bool is_of(const struct saga__parking *parking, const struct saga__parked *row)
{
	const struct saga__parked *other = &parking->parked;

	if (parking->change != SAGA__PARK_DROP_KIND)
		return saga__id_same(other->id, row->id);
	return other->kind == row->kind && saga__id_same(other->saga, row->saga) &&
		strcmp(other->row, row->row) == 0 && strcmp(other->subject, row->subject) == 0;
}

bool saga__is_dealt_with(const struct saga__batch *batch, const struct saga__parked *row)
{
	for (const struct saga__parking *parking = batch->parkings; parking;
		parking = parking->next)
		if (is_of(parking, row))
			return true;
	return false;
}

static const char *row_of(const struct saga__batch *batch, const struct saga__work *work)
{
	if (work->slot)
		return batch->plan->rows[work->slot->row].name;
	return work->step ? work->step->name : work->parked ? work->parked->row : "";
}

static const char *keep_text(struct saga__batch *batch, const char *text)
{
	const char *copy = saga__arena_text(&batch->arena, text, strlen(text));

	return copy ? copy : "";
}

enum {
	ID_TIME = 6 /* bytes of a UUIDv7 that tell when it was made */
};

/*
 * The id of an event's new row is made of the event, the step and what the step is to do. A batch
 * whose commit was not answered runs again, and then writes the same id: the store holds the row
 * once. The event's bytes count, not its id alone: a forged event must not stand in another's row.
 */
static saga_id id_of_row(struct saga__batch *batch, const struct saga__work *work,
	enum saga__parked_kind kind, saga_bytes trigger)
{
	const char *row = row_of(batch, work);
	const unsigned char role = (unsigned char)work->role;
	const saga_bytes parts[] = { trigger, { row, strlen(row) }, { &role, 1 } };
	saga_id id;

	if (work->item->kind == SAGA__ITEM_REQUEST || kind == SAGA__PARKED_CALL ||
		kind == SAGA__PARKED_SCHEDULE)
		return saga__id_new(&batch->ids, batch->env);
	id = saga__id_derive(parts, sizeof parts / sizeof parts[0]);
	/* Rows of one saga stand in the order in which their events were made. */
	if (work->event)
		memcpy(id.bytes, work->event->id.bytes, ID_TIME);
	return id;
}

void saga__park(struct saga__batch *batch, struct saga__work *work, enum saga__parked_kind kind,
	int attempts, int64_t due, const char *behind, const char *why, saga_bytes question)
{
	const struct saga__parked *old = work->parked;
	struct saga__parking *parking =
		change(batch, old ? SAGA__PARK_SET : SAGA__PARK_ADD, work->item);
	saga_bytes trigger = saga__trigger_of(work);

	if (!parking)
		return;
	parking->parked = (struct saga__parked){
		.id = old ? old->id : id_of_row(batch, work, kind, trigger),
		.saga = work->event ? work->event->saga
			: old       ? old->saga
				    : (saga_id){ { 0 } },
		.row = row_of(batch, work),
		.subject = work->slot ? work->slot->subject
			: old         ? old->subject
				      : "",
		.role = work->role ? work->role
			: old      ? old->role
				   : 0,
		.kind = kind,
		.attempts = attempts,
		.due = due,
		.behind = behind,
		.why = keep_text(batch, why),
		.event = trigger,
		.question = question,
	};
	parking->was = old ? old->kind : SAGA__NOT_PARKED;
	if (due < batch->due)
		batch->due = due;
}

const struct saga__parked *saga__last_parked(const struct saga__batch *batch)
{
	return &batch->parking_last->parked;
}

void saga__park_behind(struct saga__batch *batch, struct saga__work *work, struct saga__slot *slot)
{
	size_t size = SAGA__ROW_NAME_MOST + SAGA__SUBJECT_MOST + 2;
	char *behind = saga__arena_calloc(&batch->arena, size, 1);

	if (!behind) {
		saga__batch_lose(batch, SAGA_NOMEM, "out of memory");
		return;
	}
	(void)snprintf(behind, size, "%s/%s", batch->plan->rows[slot->row].name, slot->subject);
	slot->leads_none = false;
	saga__park(batch, work, SAGA__PARKED_BEHIND, work->attempts, SAGA__NEVER, behind,
		saga__state_name(slot->state), (saga_bytes){ NULL, 0 });
}

void saga__unpark(struct saga__batch *batch, struct saga__work *work)
{
	struct saga__parking *parking;

	if (!work->parked)
		return;
	if (!(parking = change(batch, SAGA__PARK_DROP, work->item)))
		return;
	parking->parked = *work->parked;
}

void saga__drop_parked(struct saga__batch *batch, const struct saga__work *work,
	const struct saga__slot *slot, enum saga__parked_kind kind)
{
	struct saga__parking *parking = change(batch, SAGA__PARK_DROP_KIND, work->item);

	if (!parking)
		return;
	parking->parked.saga = slot->saga;
	parking->parked.row = batch->plan->rows[slot->row].name;
	parking->parked.subject = slot->subject;
	parking->parked.kind = kind;
}

void saga__dead_letter(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	if (work->item->kind == SAGA__ITEM_REQUEST)
		return;
	saga__batch_log(batch, SAGA_WARNING, "event.dead", work, why);
	saga__count(work, SAGA__TALLY_LETTER);
	saga__park(batch, work, SAGA__PARKED_LETTER, work->attempts, SAGA__NEVER, "", why,
		(saga_bytes){ NULL, 0 });
}

void saga__letter_to_publish(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	const struct saga__parked letter = {
		.id = work->event->id,
		.saga = work->event->saga,
		.row = "",
		.subject = "",
		.role = SAGA__ROLE_PUBLISH,
		.kind = SAGA__PARKED_LETTER,
		.due = SAGA__NEVER,
		.behind = "",
		.why = keep_text(batch, why),
		.event = saga__trigger_of(work),
	};
	struct saga__parking *old = change(batch, SAGA__PARK_DROP, work->item);
	struct saga__parking *new = old ? change(batch, SAGA__PARK_ADD, work->item) : NULL;

	if (!new)
		return;
	old->parked = new->parked = letter;
	saga__batch_log(batch, SAGA_ALARM, "event.refused", work, why);
	saga__count(work, SAGA__TALLY_LETTER);
}

int saga__publish_again(struct saga__batch *batch, struct saga__item *item)
{
	const struct saga__parked *parked = item->parked;
	struct saga__work gone = { .item = item, .parked = parked };
	struct saga__blob *event = saga__blob_new(parked->event.at, parked->event.size);

	if (!event)
		return SAGA_NOMEM;
	saga__unpark(batch, &gone);
	saga__batch_publish(batch, parked->saga, event, parked->id, false);
	saga__blob_unref(event);
	return SAGA_OK;
}

/* ---- saying ---- */

void saga__reply(struct saga__work *work, int code, bool repeated, struct saga__blob *outcome,
	const char *text)
{
	struct saga__reply *reply = work->item->reply;

	if (work->item->kind != SAGA__ITEM_REQUEST || !reply)
		return;
	saga__blob_unref(reply->outcome);
	reply->code = code;
	reply->repeated = repeated;
	reply->outcome = outcome ? saga__blob_ref(outcome) : NULL;
	saga__say(reply->text, sizeof reply->text, "%s", *text ? text : saga_code_text(code));
	work->item->next_ready = 0;
}

void saga__batch_log(struct saga__batch *batch, int level, const char *what,
	const struct saga__work *work, const char *text)
{
	saga_log_field fields[5];
	saga_log log = { .level = level,
		.participant = batch->plan->name,
		.what = what,
		.text = text,
		.time = saga__wall(batch->env),
		.fields = fields };

	if (!batch->log)
		return;
	if (work->step)
		fields[log.field_count++] = (saga_log_field){ "step", saga_text(work->step->name) };
	if (work->event) {
		fields[log.field_count++] =
			(saga_log_field){ "saga", saga_uuid(work->event->saga) };
		fields[log.field_count++] =
			(saga_log_field){ "event", saga_text(work->event->type) };
		if (*work->event->traceparent)
			fields[log.field_count++] = (saga_log_field){ "traceparent",
				saga_text(work->event->traceparent) };
	}
	fields[log.field_count++] = (saga_log_field){ "attempt", saga_int64(work->attempts + 1) };
	batch->log(batch->log_user, &log);
}
