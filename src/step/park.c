/* What a work shares with others: its slot's moves, what is set aside, what is said. */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../event/utf8.h"
#include "../mutation.h"
#include "work.h"

/*
 * By default an hour's outage needs nobody: from the thirteenth attempt on the delay is 2.5 minutes
 * on average, so 600 attempts are a day. A request's caller waits for the answer: it has it soon.
 */
enum {
	DEFAULT_ATTEMPTS = 600,
	DEFAULT_FIRST_MS = 50,
	DEFAULT_MAX_MS = 300000,
	REQUEST_ATTEMPTS = 8,
	REQUEST_MAX_MS = 30000,
	LOUD_ATTEMPTS = 8 /* what still fails then is more than a hiccup */
};

/* ---- the slot ---- */

static int64_t *count_of(struct saga__batch *batch, enum saga__state state)
{
	switch (state) {
	case SAGA__WAITING:
		return &batch->delta.waiting;
	case SAGA__DEAD:
		return &batch->delta.dead;
	case SAGA__STUCK:
		return &batch->delta.stuck;
	default:
		return NULL;
	}
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

/* ---- attempts ---- */

/*
 * Of an event whose transaction keeps losing, or that ends the process, nobody knows which of its
 * steps is to blame: all are parked and none is charged. Each is then tried alone, from its own
 * row, and there it counts.
 */
int saga__attempts_with(const struct saga__work *work)
{
	bool withheld = (work->batch->instead == SAGA__RETRIES || work->item->withheld) &&
		!work->parked && work->item->kind == SAGA__ITEM_EVENT;

	return work->attempts + (withheld ? 0 : 1);
}

saga_retry_rule saga__rule_of(const struct saga__work *work)
{
	bool undo = work->role == SAGA__ROLE_UNDO, asked = work->item->kind == SAGA__ITEM_REQUEST;
	saga_retry_rule rule = undo ? work->step->undo_retry : work->step->retry;

	if (!rule.attempts)
		rule.attempts = asked ? REQUEST_ATTEMPTS : DEFAULT_ATTEMPTS;
	if (!rule.first_ms)
		rule.first_ms = DEFAULT_FIRST_MS;
	if (!rule.max_ms)
		rule.max_ms = asked ? REQUEST_MAX_MS : DEFAULT_MAX_MS;
	return rule;
}

bool saga__is_spent(const saga_retry_rule *rule, int attempts)
{
	return attempts >= rule->attempts;
}

/* A fault of ours that lasts is an alarm long before its attempts are spent. */
void saga__tell_retry(
	const struct saga__work *work, const char *what, int attempts, bool fault, const char *why)
{
	int level = attempts < LOUD_ATTEMPTS         ? SAGA_INFO
		: fault && attempts == LOUD_ATTEMPTS ? SAGA_ALARM
						     : SAGA_WARNING;

	saga__batch_log(work->batch, level, what, work, why);
	saga__count(work, SAGA__TALLY_RETRY);
}

/* Full jitter: up to the doubled delay (Brooker, "Exponential backoff and jitter", 2015). */
int64_t saga__backoff(struct saga__batch *batch, const saga_retry_rule *rule, int attempts)
{
	int64_t most = rule->max_ms, delay = rule->first_ms;
	uint32_t random;

	assert(delay > 0 && most > 0);
	for (int i = 1; i < attempts && delay < most; i++)
		delay *= 2;
	if (delay > most)
		delay = most;
	saga__random(batch->env, &random, sizeof random);
	return 1 + (int64_t)(random % (uint64_t)delay);
}

/* ---- parked rows ---- */

static bool is_live(int kind)
{
	return kind != SAGA__PARKED_HELD && kind != SAGA__PARKED_LETTER;
}

static struct saga__parking *change(
	struct saga__batch *batch, int what, const struct saga__item *item)
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
static saga_id id_of_row(
	struct saga__batch *batch, const struct saga__work *work, int kind, saga_bytes trigger)
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

void saga__park(struct saga__batch *batch, struct saga__work *work, int kind, int attempts,
	int64_t due, const char *behind, const char *why, saga_bytes question)
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
	batch->delta.parked += is_live(kind) - (old && is_live(old->kind));
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
	batch->delta.parked -= is_live(work->parked->kind);
}

void saga__drop_parked(struct saga__batch *batch, const struct saga__work *work,
	const struct saga__slot *slot, int kind)
{
	struct saga__parking *parking = change(batch, SAGA__PARK_DROP_KIND, work->item);

	if (!parking)
		return;
	parking->parked.saga = slot->saga;
	parking->parked.row = batch->plan->rows[slot->row].name;
	parking->parked.subject = slot->subject;
	parking->parked.kind = kind;
	batch->delta.parked -= is_live(kind);
}

void saga__dead_letter(struct saga__batch *batch, struct saga__work *work, const char *why)
{
	if (work->item->kind != SAGA__ITEM_REQUEST) {
		saga__batch_log(batch, SAGA_WARNING, "event.dead", work, why);
		saga__count(work, SAGA__TALLY_LETTER);
		saga__park(batch, work, SAGA__PARKED_LETTER, work->attempts, SAGA__NEVER, "", why,
			(saga_bytes){ NULL, 0 });
	}
	saga__reply(work, SAGA_MALFORMED, false, NULL, why);
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

/* ---- schedules ---- */

void saga__do_withdraw(
	struct saga__batch *batch, struct saga__work *work, struct saga__slot *schedule)
{
	enum saga__state to = saga__schedule_next(schedule->state, SAGA__WITHDRAW);

	if (schedule->state == SAGA__WAITING)
		saga__drop_parked(batch, work, schedule, SAGA__PARKED_SCHEDULE);
	if (to != schedule->state)
		saga__slot_move(batch, schedule, to, "");
}

void saga__slot_withdraw_schedules(struct saga__batch *batch, struct saga__work *work)
{
	const struct saga__plan *plan = batch->plan;
	size_t at = (size_t)(work->step - plan->steps);

	for (size_t row = plan->first_schedule[at];
		row < plan->row_count && plan->rows[row].step == at; row++) {
		struct saga__slot *schedule =
			saga__batch_slot(batch, work->slot->saga, row, work->slot->subject);

		if (schedule && schedule->state != SAGA__ABSENT)
			saga__do_withdraw(batch, work, schedule);
	}
}

void saga__do_schedule(struct saga__batch *batch, struct saga__work *work)
{
	enum saga__state to = saga__schedule_next(work->slot->state, SAGA__FALL_DUE);
	const struct saga__known *known;
	struct saga__blob *event;
	saga_error error;
	saga_id id;

	/* Withdrawn in this batch, its row went with that. */
	if (work->slot->before != SAGA__WAITING || work->slot->state == SAGA__WAITING)
		if (to == work->slot->state) {
			saga__unpark(batch, work);
			return;
		}
	if (!(event = saga__batch_encode(batch, work, NULL, NULL, NULL, &id, &error))) {
		/* Its number grew, and it was at the limit before: it must not hold up the lane. */
		if (error.code == SAGA_NOMEM)
			saga__batch_lose(batch, error.code, error.text);
		else
			saga__dead_letter(batch, work, error.text);
		saga__slot_move(batch, work->slot, to, "");
		return;
	}
	saga__unpark(batch, work);
	known = saga__plan_type(batch->plan, work->event->type, work->event->version);
	saga__batch_publish(batch, work->slot->saga, event, id, known && known->route_count);
	if (SAGA__MUTANT(schedule_twice))
		saga__batch_publish(batch, work->slot->saga, event, id, false);
	saga__blob_unref(event);
	saga__slot_move(batch, work->slot, to, "");
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
