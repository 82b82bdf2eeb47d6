/* What a batch reads and writes: the hot part of the journal. */

#include <string.h>

#include "dialect.h"
#include "journal.h"

/* ---- reading ---- */

struct loading {
	struct saga__batch *batch;
	struct saga__slot **slots;
	saga_error *error;
};

/* False: no room. A slot that is read by half must not be written back. */
static bool keep_bytes(struct saga__arena *arena, const saga_value *value, saga_bytes *ret_bytes)
{
	const void *copy;

	if (value->kind != SAGA_VALUE_BYTES || !value->as.bytes.size)
		return true;
	if (!(copy = saga__arena_text(arena, value->as.bytes.at, value->as.bytes.size)))
		return false;
	*ret_bytes = (saga_bytes){ copy, value->as.bytes.size };
	return true;
}

static enum saga__state keep_state(const saga_value *value)
{
	char name[16] = "absent";

	if (value->kind == SAGA_VALUE_TEXT && value->as.bytes.size < sizeof name) {
		memcpy(name, value->as.bytes.at, value->as.bytes.size);
		name[value->as.bytes.size] = 0;
	}
	return saga__state_of(name);
}

static int take_slot(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct loading *loading = context;
	struct saga__arena *arena = &loading->batch->arena;
	struct saga__slot *slot = loading->slots[i];

	(void)names, (void)column_count;
	slot->stored = true;
	slot->state = keep_state(&c[0]);
	slot->was = keep_state(&c[1]);
	slot->attempts = (int)c[2].as.int64;
	slot->why = c[3].kind == SAGA_VALUE_TEXT
		? saga__arena_text(arena, c[3].as.bytes.at, c[3].as.bytes.size)
		: "";
	if (!slot->why || !keep_bytes(arena, &c[4], &slot->trigger) ||
		!keep_bytes(arena, &c[5], &slot->answer) ||
		!keep_bytes(arena, &c[6], &slot->digest) ||
		!keep_bytes(arena, &c[7], &slot->note) || !keep_bytes(arena, &c[8], &slot->seen))
		return saga_error_set(loading->error, SAGA_NOMEM, "out of memory");
	if (slot->state == SAGA__STATES)
		return saga_error_set(loading->error, SAGA_REFUSED,
			"a slot of step %s is in a state that this library does not know",
			loading->batch->plan->rows[slot->row].name);
	return SAGA_OK;
}

int saga__journal_load(struct saga__journal *j, struct saga__batch *batch, saga_error *error)
{
	struct saga__arena *arena = &batch->arena;
	struct loading loading = { batch, NULL, error };
	saga_sink sink = { take_slot, NULL, &loading };
	saga_statement *statements;
	saga_value *values;
	size_t count = 0;

	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next)
		count++;
	if (!count)
		return SAGA_OK;
	statements = saga__arena_alloc(arena, count * sizeof *statements);
	values = saga__arena_alloc(arena, 3 * count * sizeof *values);
	loading.slots = saga__arena_alloc(arena, count * sizeof(struct saga__slot *));
	if (!statements || !values || !loading.slots)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	count = 0;
	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next, count++) {
		saga_value *v = &values[3 * count];

		v[0] = saga_uuid(slot->saga);
		v[1] = saga_text(batch->plan->rows[slot->row].name);
		v[2] = saga_text(slot->subject);
		loading.slots[count] = slot;
		statements[count] = (saga_statement){
			"SELECT state, was, attempts, why, ran_on, answer, digest, note, seen"
			" FROM saga_slot WHERE saga = ? AND step = ? AND subject = ?",
			v, 3
		};
	}
	return j->ops->run(j->store, statements, count, &sink, error);
}

/* ---- writing ---- */

/* Statements that gather, and go out together. */
struct writing {
	struct saga__journal *journal;
	struct saga__arena *arena;
	saga_statement *statements;
	size_t count, room;
	int code;
};

static saga_value *add(struct writing *w, const char *sql, size_t values)
{
	saga_value *at = saga__arena_alloc(w->arena, values * sizeof *at);

	if (!at || w->count == w->room) {
		w->code = SAGA_NOMEM;
		return NULL;
	}
	w->statements[w->count++] = (saga_statement){ sql, at, values };
	return at;
}

static saga_value text_or_null(const char *text)
{
	return *text ? saga_text(text) : saga_null();
}

static saga_value bytes_or_null(saga_bytes bytes)
{
	return bytes.size ? saga_blob(bytes) : saga_null();
}

static void put_slot(saga_value *v, const struct saga__batch *batch, const struct saga__slot *slot)
{
	bool held = slot->state == SAGA__DEAD || slot->state == SAGA__STUCK;

	v[0] = saga_text(saga__state_name(slot->state));
	v[1] = held ? saga_text(saga__state_name(slot->was)) : saga_null();
	v[2] = saga_int64(slot->attempts);
	v[3] = saga_int64(batch->now);
	v[4] = text_or_null(slot->why);
	v[5] = bytes_or_null(slot->trigger);
	v[6] = bytes_or_null(slot->answer);
	v[7] = bytes_or_null(slot->digest);
	v[8] = bytes_or_null(slot->note);
	/* A dead slot may wait again. */
	v[9] = bytes_or_null(slot->state == SAGA__WAITING || slot->state == SAGA__DEAD
			? slot->seen
			: (saga_bytes){ NULL, 0 });
	v[10] = saga_uuid(slot->saga);
	v[11] = saga_text(batch->plan->rows[slot->row].name);
	v[12] = saga_text(slot->subject);
}

static void write_slots(struct writing *w, const struct saga__batch *batch)
{
	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next) {
		saga_value *v;

		if (!slot->dirty)
			continue;
		if (slot->state == SAGA__ABSENT) {
			if (slot->stored &&
				(v = add(w,
					 "DELETE FROM saga_slot WHERE saga = ? AND step = ? AND "
					 "subject = ?",
					 3))) {
				v[0] = saga_uuid(slot->saga);
				v[1] = saga_text(batch->plan->rows[slot->row].name);
				v[2] = saga_text(slot->subject);
			}
			continue;
		}
		v = add(w,
			slot->stored ? "UPDATE saga_slot SET state = ?, was = ?, attempts = ?, "
				       "moved = ?, why = ?,"
				       " ran_on = ?, answer = ?, digest = ?, note = ?, seen = ?"
				       " WHERE saga = ? AND step = ? AND subject = ?"
				     : "INSERT INTO saga_slot (state, was, attempts, moved, why, "
				       "ran_on, answer, digest,"
				       " note, seen, saga, step, subject)"
				       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			13);
		if (v)
			put_slot(v, batch, slot);
	}
}

static void write_outbox(struct writing *w, const struct saga__batch *batch)
{
	for (const struct saga__outgoing *out = batch->outgoing; out; out = out->next) {
		saga_value *v = add(w,
			"INSERT INTO saga_outbox (shard, seq, id, saga, event, at)"
			" VALUES (?, ?, ?, ?, ?, ?)",
			6);

		if (!v)
			return;
		v[0] = saga_int64(out->shard);
		v[1] = saga_int64((int64_t)out->seq);
		v[2] = saga_uuid(out->id);
		v[3] = saga_uuid(out->saga);
		v[4] = saga_blob(saga__blob_bytes(out->event));
		v[5] = saga_int64(batch->now);
	}
}

static void put_parked(
	struct writing *w, const struct saga__batch *batch, const struct saga__parking *parking)
{
	const struct saga__parked *row = &parking->parked;
	saga_value *v = add(w,
		parking->change == SAGA__PARK_ADD
			? "INSERT INTO saga_parked (shard, step, subject, role, kind, attempts, "
			  "due, behind, why,"
			  " event, question, at, saga, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
			  "?, ?, ?, ?)"
			: "UPDATE saga_parked SET shard = ?, step = ?, subject = ?, role = ?, kind "
			  "= ?,"
			  " attempts = ?, due = ?, behind = ?, why = ?, event = ?, question = ?, "
			  "at = ?,"
			  " command = NULL, outcome = NULL, body = NULL WHERE saga = ? AND id = ?",
		14);

	if (!v)
		return;
	v[0] = saga_int64(parking->shard);
	v[1] = saga_text(row->row);
	v[2] = saga_text(row->subject);
	v[3] = saga_int64(row->role);
	v[4] = saga_text(saga__parked_kind_name(row->kind));
	v[5] = saga_int64(row->attempts);
	v[6] = saga_int64(row->due);
	v[7] = saga_text(row->behind);
	v[8] = text_or_null(row->why);
	v[9] = saga_blob(row->event);
	v[10] = bytes_or_null(row->question);
	v[11] = saga_int64(batch->now);
	v[12] = saga_uuid(row->saga);
	v[13] = saga_uuid(row->id);
}

static void write_parked(struct writing *w, const struct saga__batch *batch)
{
	for (const struct saga__parking *parking = batch->parkings; parking;
		parking = parking->next) {
		const struct saga__parked *row = &parking->parked;
		saga_value *v;

		switch (parking->change) {
		case SAGA__PARK_DROP:
			if ((v = add(w, "DELETE FROM saga_parked WHERE saga = ? AND id = ?", 2))) {
				v[0] = saga_uuid(row->saga);
				v[1] = saga_uuid(row->id);
			}
			break;
		case SAGA__PARK_DROP_KIND:
			if ((v = add(w,
				     "DELETE FROM saga_parked WHERE saga = ? AND step = ? AND "
				     "subject = ?"
				     " AND kind = ?",
				     4))) {
				v[0] = saga_uuid(row->saga);
				v[1] = saga_text(row->row);
				v[2] = saga_text(row->subject);
				v[3] = saga_text(saga__parked_kind_name(row->kind));
			}
			break;
		default:
			put_parked(w, batch, parking);
			break;
		}
	}
}

static void write_streams(struct writing *w, const struct saga__batch *batch, const uint64_t *own)
{
	for (size_t i = 0; i < batch->locked_count; i++) {
		const struct saga__shard *shard = &batch->locked[i];
		/* Another instance may have come further: what it did need not be read again. */
		uint64_t upto = own[i] > shard->stored_own ? own[i] : shard->stored_own;
		saga_value *v;

		if (shard->seq == shard->stored_seq && upto == shard->stored_own)
			continue;
		v = add(w, "UPDATE saga_stream SET seq = ?, last = ?, own = ? WHERE shard = ?", 4);

		if (!v)
			return;
		v[0] = saga_int64((int64_t)batch->locked[i].seq);
		v[1] = saga_uuid(batch->locked[i].last);
		v[2] = saga_int64((int64_t)upto);
		v[3] = saga_int64(batch->locked[i].shard);
	}
}

static void write_wakes(struct writing *w, const struct saga__batch *batch)
{
	for (const struct saga__wake *wake = batch->wakes; wake; wake = wake->next) {
		saga_value *v = add(w,
			"UPDATE saga_parked SET due = ?, kind = 'retry', behind = ''"
			" WHERE saga = ? AND behind = ? AND kind = 'behind'",
			3);

		if (!v)
			return;
		v[0] = saga_int64(batch->now);
		v[1] = saga_uuid(wake->saga);
		v[2] = saga_text(wake->behind);
	}
}

static void put_source(saga_value *v, const struct saga__move *move)
{
	v[0] = saga_uuid(move->source->stream.store);
	v[1] = saga_int64(move->source->stream.shard);
	v[2] = saga_int64(move->shard);
}

/* Never back: a batch that did commit, unanswered, may come again by halves. */
static void write_moves(struct writing *w, const struct saga__move *moves, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		saga_value *v = add(w,
			"UPDATE saga_position SET id = CASE WHEN seq < ? THEN ? ELSE id END,"
			" seq = CASE WHEN seq < ? THEN ? ELSE seq END"
			" WHERE stream = ? AND stream_shard = ? AND shard = ?",
			7);

		if (!v)
			return;
		v[0] = v[2] = v[3] = saga_int64((int64_t)moves[i].seq);
		v[1] = saga_uuid(moves[i].id);
		put_source(v + 4, &moves[i]);
	}
}

/* Of what was written, the statements that somebody asks whether they changed a row. */
struct asking {
	size_t wakes, moves, end; /* where each begins */
	bool woken;
	bool *moved;
};

static void count_changed(void *context, size_t i, int64_t changed)
{
	struct asking *asking = context;

	if (i >= asking->wakes && i < asking->moves && changed)
		asking->woken = true;
	if (i >= asking->moves && i < asking->end)
		asking->moved[i - asking->moves] = changed > 0;
}

/* The first of a stream's events for a shard: it has no row yet. */
static int add_positions(struct saga__journal *j, const struct saga__move *moves, size_t count,
	const bool *moved, saga_error *error)
{
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < count; i++) {
		saga_value v[6];
		const saga_statement statement = { "INSERT INTO saga_position"
						   " (stream, stream_shard, shard, seq, id, owner)"
						   " VALUES (?, ?, ?, ?, ?, ?)",
			v, 6 };

		if (moved[i])
			continue;
		put_source(v, &moves[i]);
		v[3] = saga_int64((int64_t)moves[i].seq);
		v[4] = saga_uuid(moves[i].id);
		v[5] = saga_text(moves[i].source->owner);
		code = j->ops->run(j->store, &statement, 1, NULL, error);
	}
	return code;
}

static size_t count_all(const struct saga__batch *batch)
{
	size_t count = batch->locked_count;

	for (const struct saga__slot *slot = batch->slots; slot; slot = slot->next)
		count++;
	for (const struct saga__outgoing *out = batch->outgoing; out; out = out->next)
		count++;
	for (const struct saga__parking *parking = batch->parkings; parking;
		parking = parking->next)
		count++;
	for (const struct saga__wake *wake = batch->wakes; wake; wake = wake->next)
		count++;
	return count;
}

int saga__journal_write(struct saga__journal *j, struct saga__batch *batch, const uint64_t *own,
	const struct saga__move *moves, size_t move_count, bool *ret_woken, saga_error *error)
{
	struct writing w = {
		.journal = j, .arena = &batch->arena, .room = count_all(batch) + move_count
	};
	struct asking asking = { .woken = false };
	saga_sink sink = { NULL, count_changed, &asking };
	bool asks;
	int code;

	*ret_woken = false;
	w.statements = saga__arena_alloc(w.arena, (w.room + 1) * sizeof *w.statements);
	asking.moved = saga__arena_calloc(w.arena, move_count + 1, sizeof *asking.moved);
	if (!w.statements || !asking.moved)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	write_slots(&w, batch);
	write_outbox(&w, batch);
	write_parked(&w, batch);
	write_streams(&w, batch, own);
	asking.wakes = w.count;
	write_wakes(&w, batch);
	asking.moves = w.count;
	write_moves(&w, moves, move_count);
	asking.end = w.count;
	if (w.code != SAGA_OK)
		return saga_error_set(error, w.code, "out of memory");
	if (!w.count)
		return SAGA_OK;
	asks = asking.end > asking.wakes;
	code = j->ops->run(j->store, w.statements, w.count, asks ? &sink : NULL, error);
	if (code != SAGA_OK)
		return code;
	*ret_woken = asking.woken;
	return add_positions(j, moves, move_count, asking.moved, error);
}
