#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/peek.h"

static void *grow(void *at, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return at;
	*room = *room ? *room * 2 : 16;
	at = realloc(at, *room * size);
	ck_assert_ptr_nonnull(at);
	return at;
}

static struct saga__blob *blob_of(saga_bytes bytes)
{
	struct saga__blob *blob;

	if (!bytes.size)
		return NULL;
	blob = saga__blob_new(bytes.at, bytes.size);
	ck_assert_ptr_nonnull(blob);
	return blob;
}

static saga_bytes copy_of(struct saga__batch *batch, const struct saga__blob *blob)
{
	if (!blob)
		return (saga_bytes){ NULL, 0 };
	return (saga_bytes){ saga__arena_text(&batch->arena, blob->at, blob->size), blob->size };
}

static const char *text_of(struct saga__batch *batch, const char *text)
{
	return saga__arena_text(&batch->arena, text, strlen(text));
}

/* ---- slots ---- */

struct kept_slot *memory_slot(
	const struct memory *memory, saga_id saga, const char *row, const char *subject)
{
	for (size_t i = 0; i < memory->slot_count; i++)
		if (saga__id_same(memory->slots[i].saga, saga) &&
			strcmp(memory->slots[i].row, row) == 0 &&
			strcmp(memory->slots[i].subject, subject) == 0)
			return &memory->slots[i];
	return NULL;
}

void memory_load(const struct memory *memory, struct saga__batch *batch)
{
	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next) {
		const struct kept_slot *kept = memory_slot(
			memory, slot->saga, batch->plan->rows[slot->row].name, slot->subject);

		if (!kept)
			continue;
		slot->stored = true;
		slot->state = kept->state;
		slot->was = kept->was;
		slot->attempts = kept->attempts;
		slot->why = text_of(batch, kept->why);
		slot->trigger = copy_of(batch, kept->trigger);
		slot->answer = copy_of(batch, kept->answer);
		slot->digest = copy_of(batch, kept->digest);
		slot->note = copy_of(batch, kept->note);
		slot->seen = copy_of(batch, kept->seen);
	}
}

static void free_slot(struct kept_slot *slot)
{
	saga__blob_unref(slot->trigger);
	saga__blob_unref(slot->answer);
	saga__blob_unref(slot->digest);
	saga__blob_unref(slot->note);
	saga__blob_unref(slot->seen);
}

static bool is_final(enum saga__state state)
{
	return state == SAGA__REJECTED || state == SAGA__FAILED || state == SAGA__BARRED ||
		state == SAGA__UNDONE;
}

static void apply_slot(
	struct memory *memory, const struct saga__batch *batch, const struct saga__slot *slot)
{
	const struct saga__row *row = &batch->plan->rows[slot->row];
	struct kept_slot *old = memory_slot(memory, slot->saga, row->name, slot->subject);
	bool held = slot->state == SAGA__DEAD || slot->state == SAGA__STUCK;
	bool sees = slot->state == SAGA__WAITING || slot->state == SAGA__DEAD;
	struct kept_slot kept = {
		.saga = slot->saga,
		.schedule = row->schedule,
		.state = slot->state,
		.was = held ? slot->was : SAGA__ABSENT,
		.attempts = slot->attempts,
		.trigger = blob_of(slot->trigger),
		.answer = blob_of(slot->answer),
		.digest = blob_of(slot->digest),
		.note = blob_of(slot->note),
		.seen = sees ? blob_of(slot->seen) : NULL,
	};

	ck_assert_msg(!old == !slot->stored, "a slot that was not loaded is written");
	ck_assert_msg(!old || row->schedule || !is_final(old->state) || old->state == slot->state,
		"%s left %s", row->name, old ? saga__state_name(old->state) : "");
	(void)snprintf(kept.row, sizeof kept.row, "%s", row->name);
	(void)snprintf(kept.subject, sizeof kept.subject, "%s", slot->subject);
	(void)snprintf(kept.why, sizeof kept.why, "%s", slot->why);
	if (old)
		free_slot(old);
	if (slot->state == SAGA__ABSENT) {
		if (old)
			*old = memory->slots[--memory->slot_count];
		return;
	}
	if (!old) {
		memory->slots = grow(memory->slots, memory->slot_count, &memory->slot_room,
			sizeof *memory->slots);
		old = &memory->slots[memory->slot_count++];
	}
	*old = kept;
}

/* ---- parked rows ---- */

static struct kept_row *find_row(const struct memory *memory, saga_id saga, saga_id id)
{
	for (size_t i = 0; i < memory->row_count; i++)
		if (saga__id_same(memory->rows[i].id, id) &&
			saga__id_same(memory->rows[i].saga, saga))
			return &memory->rows[i];
	return NULL;
}

/* This and the functions behind it return how many rows they changed. */
static int drop_row(struct memory *memory, struct kept_row *row)
{
	if (!row)
		return 0;
	saga__blob_unref(row->event);
	saga__blob_unref(row->question);
	*row = memory->rows[--memory->row_count];
	return 1;
}

static int drop_kind(struct memory *memory, const struct saga__parked *parked)
{
	int dropped = 0;

	for (size_t i = memory->row_count; i-- > 0;) {
		struct kept_row *row = &memory->rows[i];

		if (saga__id_same(row->saga, parked->saga) && strcmp(row->row, parked->row) == 0 &&
			strcmp(row->subject, parked->subject) == 0 && row->kind == parked->kind)
			dropped += drop_row(memory, row);
	}
	return dropped;
}

static int put_row(struct memory *memory, const struct saga__parked *parked, bool add)
{
	struct kept_row *old = find_row(memory, parked->saga, parked->id);
	struct kept_row row = {
		.saga = parked->saga,
		.id = parked->id,
		.role = parked->role,
		.kind = parked->kind,
		.attempts = parked->attempts,
		.due = parked->due,
		.event = blob_of(parked->event),
		.question = blob_of(parked->question),
	};

	/* The event came again: its row has the same id, and the journal leaves it as it is. */
	if (add && old) {
		ck_assert_str_eq(old->row, parked->row);
		saga__blob_unref(row.event);
		saga__blob_unref(row.question);
		return 0;
	}
	ck_assert_msg(add || old, "changed a row that is not there");
	ck_assert_msg(row.event, "parked without its event");
	(void)snprintf(row.row, sizeof row.row, "%s", parked->row);
	(void)snprintf(row.subject, sizeof row.subject, "%s", parked->subject);
	(void)snprintf(row.behind, sizeof row.behind, "%s", parked->behind);
	(void)snprintf(row.why, sizeof row.why, "%s", parked->why);
	if (old) {
		saga__blob_unref(old->event);
		saga__blob_unref(old->question);
	} else {
		memory->rows = grow(
			memory->rows, memory->row_count, &memory->row_room, sizeof *memory->rows);
		old = &memory->rows[memory->row_count++];
	}
	*old = row;
	return 1;
}

static int apply_parking(struct memory *memory, const struct saga__parking *parking)
{
	switch (parking->change) {
	case SAGA__PARK_DROP:
		return drop_row(memory, find_row(memory, parking->parked.saga, parking->parked.id));
	case SAGA__PARK_DROP_KIND:
		return drop_kind(memory, &parking->parked);
	case SAGA__PARK_ADD:
	case SAGA__PARK_SET:
		return put_row(memory, &parking->parked, parking->change == SAGA__PARK_ADD);
	}
	ck_abort_msg("a change of a kind that there is not");
}

static void apply_wake(struct memory *memory, const struct saga__wake *wake, int64_t now)
{
	for (size_t i = 0; i < memory->row_count; i++) {
		struct kept_row *row = &memory->rows[i];

		if (row->kind != SAGA__PARKED_BEHIND || !saga__id_same(row->saga, wake->saga) ||
			strcmp(row->behind, wake->behind) != 0)
			continue;
		row->kind = SAGA__PARKED_RETRY;
		row->due = now;
		row->behind[0] = 0;
	}
}

static int by_due(const void *a, const void *b)
{
	const struct saga__parked *x = *(const struct saga__parked *const *)a;
	const struct saga__parked *y = *(const struct saga__parked *const *)b;

	return x->due != y->due ? (x->due < y->due ? -1 : 1) : memcmp(&x->id, &y->id, sizeof x->id);
}

size_t memory_due(const struct memory *memory, struct saga__batch *batch,
	const struct saga__parked **ret_rows, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < memory->row_count && count < most; i++) {
		const struct kept_row *row = &memory->rows[i];
		struct saga__parked *due;

		if (row->due > batch->now)
			continue;
		due = saga__arena_calloc(&batch->arena, 1, sizeof *due);
		*due = (struct saga__parked){
			.id = row->id,
			.saga = row->saga,
			.row = text_of(batch, row->row),
			.subject = text_of(batch, row->subject),
			.role = row->role,
			.kind = row->kind,
			.attempts = row->attempts,
			.due = row->due,
			.behind = text_of(batch, row->behind),
			.why = text_of(batch, row->why),
			.event = copy_of(batch, row->event),
			.question = copy_of(batch, row->question),
			.command = row->command,
			.outcome = row->outcome ? row->outcome : "",
			.body = row->body ? row->body : "",
		};
		ret_rows[count++] = due;
	}
	if (count)
		qsort(ret_rows, count, sizeof ret_rows[0], by_due);
	return count;
}

/* ---- all of it ---- */

static void apply_event(struct memory *memory, const struct saga__outgoing *out)
{
	const struct kept_event *last =
		memory->event_count ? &memory->events[memory->event_count - 1] : NULL;
	struct kept_event event = { out->seq, out->id, out->saga, "", out->ours,
		saga__blob_ref(out->event) };
	struct saga__peek peek;

	ck_assert_uint_eq(out->seq, last ? last->seq + 1 : 1);
	ck_assert(last ? saga__id_same(out->before, last->id) : saga__id_is_zero(out->before));
	ck_assert(saga__event_peek(saga__blob_bytes(out->event), &peek));
	ck_assert(saga__id_same(peek.id, out->id) && saga__id_same(peek.saga, out->saga));
	(void)snprintf(event.type, sizeof event.type, "%s", peek.type);
	memory->events = grow(
		memory->events, memory->event_count, &memory->event_room, sizeof *memory->events);
	memory->events[memory->event_count++] = event;
}

static void recount(const struct memory *memory)
{
	struct saga__counts counts = { 0 };

	for (size_t i = 0; i < memory->slot_count; i++) {
		if (memory->slots[i].schedule)
			continue;
		counts.waiting += memory->slots[i].state == SAGA__WAITING;
		counts.dead += memory->slots[i].state == SAGA__DEAD;
		counts.stuck += memory->slots[i].state == SAGA__STUCK;
	}
	for (size_t i = 0; i < memory->row_count; i++)
		counts.parked += memory->rows[i].kind != SAGA__PARKED_HELD &&
			memory->rows[i].kind != SAGA__PARKED_LETTER;
	ck_assert_int_eq(counts.waiting, memory->counts.waiting);
	ck_assert_int_eq(counts.dead, memory->counts.dead);
	ck_assert_int_eq(counts.stuck, memory->counts.stuck);
	ck_assert_int_eq(counts.parked, memory->counts.parked);
}

static bool has_row(
	const struct memory *memory, const struct kept_slot *slot, enum saga__parked_kind kind)
{
	for (size_t i = 0; i < memory->row_count; i++)
		if (memory->rows[i].kind == kind &&
			saga__id_same(memory->rows[i].saga, slot->saga) &&
			strcmp(memory->rows[i].row, slot->row) == 0 &&
			strcmp(memory->rows[i].subject, slot->subject) == 0)
			return true;
	return false;
}

/* What drives a slot that is not settled is parked, or nobody ever would. */
static void check_driven(const struct memory *memory)
{
	for (size_t i = 0; i < memory->slot_count; i++) {
		const struct kept_slot *slot = &memory->slots[i];

		if (slot->state == SAGA__TRYING || slot->state == SAGA__UNDOING)
			ck_assert_msg(has_row(memory, slot, SAGA__PARKED_CALL),
				"%s is %s and no call is parked", slot->row,
				saga__state_name(slot->state));
		if (slot->state == SAGA__DEAD || slot->state == SAGA__STUCK)
			ck_assert_msg(has_row(memory, slot, SAGA__PARKED_HELD),
				"%s is %s and nothing is held", slot->row,
				saga__state_name(slot->state));
		if (slot->schedule && slot->state == SAGA__WAITING)
			ck_assert_msg(has_row(memory, slot, SAGA__PARKED_SCHEDULE),
				"%s is armed and not parked", slot->row);
	}
}

void memory_apply(struct memory *memory, struct saga__batch *batch)
{
	struct saga__counts counts;

	for (const struct saga__slot *slot = batch->slots; slot; slot = slot->next)
		if (slot->dirty && (slot->stored || slot->state != SAGA__ABSENT))
			apply_slot(memory, batch, slot);
	for (const struct saga__outgoing *out = batch->outgoing; out; out = out->next)
		apply_event(memory, out);
	for (const struct saga__parking *p = batch->parkings; p; p = p->next) {
		int64_t *counter = saga__parking_counter(batch, p);
		int changed = apply_parking(memory, p);

		if (counter)
			*counter += changed;
	}
	for (const struct saga__wake *wake = batch->wakes; wake; wake = wake->next)
		apply_wake(memory, wake, batch->now);
	counts = saga__batch_counts(batch);
	memory->counts.waiting += counts.waiting;
	memory->counts.dead += counts.dead;
	memory->counts.stuck += counts.stuck;
	memory->counts.parked += counts.parked;
	recount(memory);
	check_driven(memory);
}

void memory_free(struct memory *memory)
{
	for (size_t i = 0; i < memory->slot_count; i++)
		free_slot(&memory->slots[i]);
	while (memory->row_count)
		drop_row(memory, &memory->rows[memory->row_count - 1]);
	for (size_t i = 0; i < memory->event_count; i++)
		saga__blob_unref(memory->events[i].event);
	free(memory->slots);
	free(memory->rows);
	free(memory->events);
	free(memory->effects);
}

/* ---- the store of the handlers ---- */

static void note(struct memory *memory, const char *what)
{
	size_t used = strlen(memory->log);

	(void)snprintf(memory->log + used, sizeof memory->log - used, "%s ", what);
}

static int store_run(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
	saga_error *error)
{
	struct memory *memory = store;
	const saga_value *v;
	struct effect effect = { .by = 0 };

	if (!count) /* only waits, and here nothing is on its way */
		return SAGA_OK;
	v = statements->values;
	note(memory, "run");
	ck_assert_uint_eq(count, 1);
	ck_assert_msg(!memory->gone, "a statement left after the transaction was gone");
	if (memory->fail) {
		int code = memory->fail;

		memory->fail = 0;
		memory->gone = code == SAGA_CONTENDED;
		return saga_error_set(error, code, "the store says so");
	}
	if (statements->value_count != 4)
		return SAGA_OK;
	effect.saga = v[0].as.id;
	(void)snprintf(effect.step, sizeof effect.step, "%.*s", (int)v[1].as.bytes.size,
		(const char *)v[1].as.bytes.at);
	(void)snprintf(effect.subject, sizeof effect.subject, "%.*s", (int)v[2].as.bytes.size,
		(const char *)v[2].as.bytes.at);
	effect.by = v[3].as.int64;
	memory->effects = grow(memory->effects, memory->effect_count, &memory->effect_room,
		sizeof *memory->effects);
	memory->effects[memory->effect_count++] = effect;
	if (sink && sink->done)
		sink->done(sink->context, 0, 1);
	return SAGA_OK;
}

static int store_mark(void *store, saga_error *error)
{
	struct memory *memory = store;

	(void)error;
	note(memory, "mark");
	memory->mark = memory->effect_count;
	return SAGA_OK;
}

static int store_release(void *store, saga_error *error)
{
	struct memory *memory = store;

	(void)error;
	note(memory, "release");
	return SAGA_OK;
}

static int store_back(void *store, saga_error *error)
{
	struct memory *memory = store;

	(void)error;
	note(memory, "back");
	ck_assert_msg(!memory->gone, "back after the transaction was gone");
	memory->effect_count = memory->mark;
	return SAGA_OK;
}

static bool store_in_transaction(void *store)
{
	return !((struct memory *)store)->gone;
}

static void *store_native(void *store)
{
	return store;
}

const saga_store_ops memory_store = {
	.size = sizeof(saga_store_ops),
	.schemes = "memory",
	.run = store_run,
	.mark = store_mark,
	.release = store_release,
	.back = store_back,
	.in_transaction = store_in_transaction,
	.native = store_native,
};
