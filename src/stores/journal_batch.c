/* The statements of a batch: the hot part of the journal. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dialect.h"
#include "journal_columns.h"
#include "journal_look.h"
#include "journal_sql.h"
#include "journal_writing.h"

/* ---- reading ---- */

struct loading {
	struct saga__batch *batch;
	struct saga__slot **slots;
	saga_sink *before; /* takes the rows of what runs before */
	size_t before_count;
	bool sets; /* one statement brings all slots, numbered from 1 */
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

	if (value->kind != SAGA_VALUE_TEXT)
		return saga__state_of(name);
	if (value->as.bytes.size >= sizeof name)
		return SAGA__STATES;
	memcpy(name, value->as.bytes.at, value->as.bytes.size);
	name[value->as.bytes.size] = 0;
	return saga__state_of(name);
}

static int take_slot(struct loading *loading, struct saga__slot *slot, const saga_value *c)
{
	struct saga__arena *arena = &loading->batch->arena;

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
	slot->leads_none = c[9].as.int64 == 0;
	loading->batch->odd_row = !saga__seen_is_whole(slot->seen) || slot->state == SAGA__STATES ||
		slot->was == SAGA__STATES;
	if (!saga__seen_is_whole(slot->seen))
		return saga__journal_odd("saga_slot", "seen ends in the middle", loading->error);
	if (loading->batch->odd_row)
		return saga_error_set(loading->error, SAGA_REFUSED,
			"a slot of step %s is in a state that this library does not know",
			loading->batch->plan->rows[slot->row].name);
	return SAGA_OK;
}

static int take_row(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct loading *loading = context;
	int code;

	if (i < loading->before_count)
		return loading->before->row(loading->before->context, i, names, c, column_count);
	if ((code = saga__journal_check("saga_slot", "tTcTBBBBBcc", names, c, column_count,
		     loading->error)) != SAGA_OK) {
		loading->batch->odd_row = true;
		return code;
	}
	i = loading->sets ? (size_t)c[10].as.int64 - 1 : i - loading->before_count;
	return take_slot(loading, loading->slots[i], c);
}

static const struct saga__texts get_slot = {
	"SELECT " SLOT_COLUMNS " FROM saga_slot WHERE saga = ? AND step = ? AND subject = ?",
	SAGA__SET_GET_SLOTS,
};

/* Rows of values become columns, and their number. NULL: out of memory. */
static const saga_value *turn_over(
	struct saga__arena *arena, const saga_value *rows, size_t count, size_t width)
{
	saga_value *columns = saga__arena_alloc(arena, (width + 1) * sizeof *columns);

	if (!columns)
		return NULL;
	for (size_t i = 0; i < width; i++)
		columns[i] = (saga_value){ SAGA_VALUE_SET,
			{ .set = { rows + i, (uint32_t)count, (uint32_t)width } } };
	columns[width] = saga_int64((int64_t)count);
	return columns;
}

/* Slots that were asked for since the last time stand before the others. */
static size_t list_slots(struct saga__batch *batch, struct saga__slot **slots, saga_value *values)
{
	size_t count = 0;

	for (struct saga__slot *slot = batch->slots; slot && !slot->loaded; slot = slot->next) {
		if (slots) {
			slots[count] = slot;
			values[3 * count] = saga_uuid(slot->saga);
			values[3 * count + 1] = saga_text(batch->plan->rows[slot->row].name);
			values[3 * count + 2] = saga_text(slot->subject);
		}
		count++;
	}
	return count;
}

int saga__journal_run_and_load(struct saga__journal *j, struct saga__batch *batch,
	const saga_statement *before, size_t before_count, saga_sink *before_sink,
	saga_error *error)
{
	struct saga__arena *arena = &batch->arena;
	struct loading loading = {
		.batch = batch, .before = before_sink, .before_count = before_count, .error = error
	};
	saga_sink sink = { take_row, NULL, &loading };
	size_t count = list_slots(batch, NULL, NULL), sent = j->sets && count > 1 ? 1 : count;
	saga_statement *statements =
		saga__arena_alloc(arena, (before_count + count + 1) * sizeof *statements);
	saga_value *values = saga__arena_alloc(arena, (3 * count + 1) * sizeof *values);
	int code;

	loading.slots = saga__arena_alloc(arena, (count + 1) * sizeof(struct saga__slot *));
	if (!statements || !values || !loading.slots)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	(void)list_slots(batch, loading.slots, values);
	loading.sets = sent < count;
	if (before_count)
		memcpy(statements, before, before_count * sizeof *before);
	for (size_t i = 0; i < sent; i++)
		statements[before_count + i] = (saga_statement){ get_slot.each, &values[3 * i], 3 };
	if (loading.sets) {
		const saga_value *columns = turn_over(arena, values, count, 3);

		if (!columns)
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
		statements[before_count] = (saga_statement){ j->sets[get_slot.all], columns, 4 };
	}
	if (!before_count && !count)
		return SAGA_OK;
	code = j->ops->run(j->store, statements, before_count + sent, &sink, error);
	for (size_t i = 0; code == SAGA_OK && i < count; i++)
		loading.slots[i]->loaded = true;
	return code;
}

int saga__journal_load(struct saga__journal *j, struct saga__batch *batch, saga_error *error)
{
	return saga__journal_run_and_load(j, batch, NULL, 0, NULL, error);
}

/* ---- writing ---- */

static int start(struct saga__writing *w, size_t room)
{
	w->room = room;
	w->statements = saga__arena_alloc(w->arena, (room + 1) * sizeof *w->statements);
	w->texts = saga__arena_alloc(w->arena, (room + 1) * sizeof(struct saga__texts *));
	w->counters = saga__arena_calloc(w->arena, room + 1, sizeof(int64_t *));
	w->values = saga__arena_alloc(w->arena, (room + 1) * VALUES_MOST * sizeof *w->values);
	return w->statements && w->texts && w->counters && w->values ? SAGA_OK : SAGA_NOMEM;
}

static bool are_alike(const struct saga__writing *w, size_t a, size_t b)
{
	return w->texts[a] == w->texts[b] && w->counters[a] == w->counters[b];
}

/* Neighbours of one text and one counter become one statement. */
static void fold(struct saga__writing *w)
{
	size_t count = 0;

	for (size_t i = 0, next; i < w->count; i = next) {
		saga_statement one = w->statements[i];

		for (next = i + 1; next < w->count && are_alike(w, i, next); next++)
			;
		if (next - i > 1) {
			one.sql = w->sets[w->texts[i]->all];
			assert(one.sql);
			one.values = turn_over(w->arena, one.values, next - i, one.value_count++);
			if (!one.values)
				w->code = SAGA_NOMEM;
		}
		w->counters[count] = w->counters[i];
		w->statements[count++] = one;
	}
	w->count = count;
}

/* By what becomes of a slot's row. */
static const struct saga__texts slot_texts[] = {
	{ "INSERT INTO saga_slot " SLOT_FIELDS " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		SAGA__SET_ADD_SLOTS },
	{ "UPDATE saga_slot SET state = ?, was = ?, attempts = ?, moved = ?, why = ?, ran_on = ?,"
	  " answer = ?, digest = ?, note = ?, seen = ? WHERE saga = ? AND step = ? AND subject = ?",
		SAGA__SET_SET_SLOTS },
	{ "DELETE FROM saga_slot WHERE saga = ? AND step = ? AND subject = ?",
		SAGA__SET_DROP_SLOTS },
};

enum {
	SLOT_ADDED,
	SLOT_CHANGED,
	SLOT_DROPPED,
	SLOT_CHANGES,
};

static int change_of(const struct saga__slot *slot)
{
	if (!slot->dirty || (slot->state == SAGA__ABSENT && !slot->stored))
		return SLOT_CHANGES;
	if (slot->state == SAGA__ABSENT)
		return SLOT_DROPPED;
	return slot->stored ? SLOT_CHANGED : SLOT_ADDED;
}

static void put_slot(saga_value *v, const struct saga__batch *batch, const struct saga__slot *slot)
{
	bool held = slot->state == SAGA__DEAD || slot->state == SAGA__STUCK;

	v[0] = saga_text(saga__state_name(slot->state));
	v[1] = held ? saga_text(saga__state_name(slot->was)) : saga_null();
	v[2] = saga_int64(slot->attempts);
	v[3] = saga_int64(batch->now);
	v[4] = saga__text_or_null(slot->why);
	v[5] = saga__bytes_or_null(slot->trigger);
	v[6] = saga__bytes_or_null(slot->answer);
	v[7] = saga__bytes_or_null(slot->digest);
	v[8] = saga__bytes_or_null(slot->note);
	/* A dead slot may wait again. */
	v[9] = saga__bytes_or_null(slot->state == SAGA__WAITING || slot->state == SAGA__DEAD
			? slot->seen
			: (saga_bytes){ NULL, 0 });
}

static void write_slots(struct saga__writing *w, const struct saga__batch *batch)
{
	for (int change = 0; change < SLOT_CHANGES; change++)
		for (const struct saga__slot *slot = batch->slots; slot; slot = slot->next) {
			saga_value *v;

			if (change_of(slot) != change)
				continue;
			v = saga__writing_add(
				w, &slot_texts[change], change == SLOT_DROPPED ? 3 : 13);
			if (change != SLOT_DROPPED) {
				put_slot(v, batch, slot);
				v += 10;
			}
			v[0] = saga_uuid(slot->saga);
			v[1] = saga_text(batch->plan->rows[slot->row].name);
			v[2] = saga_text(slot->subject);
		}
}

static void write_outbox(struct saga__writing *w, const struct saga__batch *batch)
{
	static const struct saga__texts texts = {
		"INSERT INTO saga_outbox (shard, seq, id, saga, event, at, sum)"
		" VALUES (?, ?, ?, ?, ?, ?, ?)",
		SAGA__SET_ADD_EVENTS,
	};

	for (const struct saga__outgoing *out = batch->outgoing; out; out = out->next) {
		saga_bytes event = saga__blob_bytes(out->event);
		saga_value *v = saga__writing_add(w, &texts, 7);

		v[0] = saga_int64(out->shard);
		v[1] = saga_int64((int64_t)out->seq);
		v[2] = saga_uuid(out->id);
		v[3] = saga_uuid(out->saga);
		v[4] = saga_blob(event);
		v[5] = saga_int64(batch->now);
		v[6] = saga_int64(saga__outbox_sum(out->seq, out->id, out->saga, event));
	}
}

/* ---- streams, wakes and positions ---- */

static void write_streams(
	struct saga__writing *w, const struct saga__batch *batch, const uint64_t *own)
{
	static const struct saga__texts texts = {
		"UPDATE saga_stream SET seq = ?, last = ?, own = ? WHERE shard = ?",
		SAGA__SET_SET_STREAMS,
	};

	for (size_t i = 0; i < batch->locked_count; i++) {
		const struct saga__shard *shard = &batch->locked[i];
		/* Another instance may have come further: what it did need not be read again. */
		uint64_t upto = own[i] > shard->stored_own ? own[i] : shard->stored_own;
		saga_value *v;

		if (shard->seq == shard->stored_seq && upto == shard->stored_own)
			continue;
		v = saga__writing_add(w, &texts, 4);
		v[0] = saga_int64((int64_t)batch->locked[i].seq);
		v[1] = saga_uuid(batch->locked[i].last);
		v[2] = saga_int64((int64_t)upto);
		v[3] = saga_int64(batch->locked[i].shard);
	}
}

static void write_wakes(struct saga__writing *w, const struct saga__batch *batch)
{
	static const struct saga__texts texts = {
		"UPDATE saga_parked SET due = ?, kind = 'retry', behind = ''"
		" WHERE saga = ? AND behind = ? AND kind = 'behind'",
		SAGA__SET_WAKE_PARKED,
	};

	for (const struct saga__wake *wake = batch->wakes; wake; wake = wake->next) {
		saga_value *v = saga__writing_add(w, &texts, 3);

		v[0] = saga_int64(batch->now);
		v[1] = saga_uuid(wake->saga);
		v[2] = saga_text(wake->behind);
	}
}

static void put_source(saga_value *v, const struct saga__move *move)
{
	v[0] = saga_uuid(move->source.stream.store);
	v[1] = saga_int64(move->source.stream.shard);
	v[2] = saga_int64(move->shard);
}

/* Never back: a batch that did commit, unanswered, may come again by halves. */
static void update_moves(struct saga__writing *w, const struct saga__move *moves, size_t count)
{
	static const struct saga__texts texts = {
		"UPDATE saga_position"
		" SET id = CASE WHEN seq < ? THEN ? ELSE id END,"
		" seq = CASE WHEN seq < ? THEN ? ELSE seq END"
		" WHERE stream = ? AND stream_shard = ? AND shard = ?",
		SAGA__SET_NONE,
	};

	for (size_t i = 0; i < count; i++) {
		saga_value *v = saga__writing_add(w, &texts, 7);

		v[0] = v[2] = v[3] = saga_int64((int64_t)moves[i].seq);
		v[1] = saga_uuid(moves[i].id);
		put_source(v + 4, &moves[i]);
	}
}

/* The same at once, also of what has no row yet. */
static void put_moves(struct saga__writing *w, const struct saga__move *moves, size_t count)
{
	static const struct saga__texts texts = {
		"INSERT INTO " POSITION_FIELDS " VALUES (?, ?, ?, ?, ?, ?)" POSITION_ONWARD,
		SAGA__SET_PUT_POSITIONS,
	};

	for (size_t i = 0; i < count; i++) {
		saga_value *v = saga__writing_add(w, &texts, 6);

		put_source(v, &moves[i]);
		v[3] = saga_int64((int64_t)moves[i].seq);
		v[4] = saga_uuid(moves[i].id);
		v[5] = saga_text(moves[i].source.owner);
	}
}

static bool is_counted(const struct saga__writing *w)
{
	size_t i = 0;

	while (i < w->count && !w->counters[i])
		i++;
	return i < w->count;
}

/* The moves stand behind the other statements; whether each changed a row is needed at once. */
struct asking {
	const struct saga__writing *writing;
	size_t moves;
	bool *moved;
};

static void count_changed(void *context, size_t i, int64_t changed)
{
	struct asking *asking = context;

	if (asking->writing->counters[i])
		*asking->writing->counters[i] += changed;
	if (i >= asking->moves)
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
		v[5] = saga_text(moves[i].source.owner);
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

static int write_and_ask(struct saga__journal *j, struct saga__writing *w,
	const struct saga__move *moves, size_t count, saga_error *error)
{
	struct asking asking = { w, w->count,
		saga__arena_calloc(w->arena, count + 1, sizeof *asking.moved) };
	saga_sink sink = { NULL, count_changed, &asking };
	int code;

	if (!asking.moved)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	update_moves(w, moves, count);
	if (!w->count)
		return SAGA_OK;
	code = j->ops->run(
		j->store, w->statements, w->count, count || is_counted(w) ? &sink : NULL, error);
	return code == SAGA_OK ? add_positions(j, moves, count, asking.moved, error) : code;
}

/* Sends all without waiting for an answer, if the store can count so. */
static int write_on(struct saga__journal *j, const struct saga__writing *w, saga_error *error)
{
	struct asking asking = { .writing = w, .moves = SIZE_MAX };
	saga_sink sink = { NULL, count_changed, &asking };
	int code = SAGA_OK;

	if (!j->ops->run_counted)
		return j->ops->run(
			j->store, w->statements, w->count, is_counted(w) ? &sink : NULL, error);
	for (size_t i = 0, next; code == SAGA_OK && i < w->count; i = next) {
		for (next = i; next < w->count && !w->counters[next]; next++)
			;
		if (next > i)
			code = j->ops->run(j->store, w->statements + i, next - i, NULL, error);
		else
			code = j->ops->run_counted(
				j->store, &w->statements[next++], w->counters[i], error);
	}
	return code;
}

int saga__journal_write(struct saga__journal *j, struct saga__batch *batch, const uint64_t *own,
	const struct saga__move *moves, size_t move_count, bool *ret_woken, saga_error *error)
{
	struct saga__writing w = { .arena = &batch->arena, .sets = j->sets };

	*ret_woken = batch->wakes != NULL;
	if (start(&w, count_all(batch) + move_count) != SAGA_OK)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	write_slots(&w, batch);
	write_outbox(&w, batch);
	saga__write_parked(&w, batch);
	write_streams(&w, batch, own);
	write_wakes(&w, batch);
	if (w.code != SAGA_OK)
		return saga_error_set(error, w.code, "out of memory");
	if (!j->sets)
		return write_and_ask(j, &w, moves, move_count, error);
	put_moves(&w, moves, move_count);
	fold(&w);
	if (w.code != SAGA_OK)
		return saga_error_set(error, w.code, "out of memory");
	return w.count ? write_on(j, &w, error) : SAGA_OK;
}
