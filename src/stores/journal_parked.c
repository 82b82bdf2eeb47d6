/* Parked rows that a batch writes, and one that is put off. */

#include "journal_writing.h"

#include <stdlib.h>
#include <string.h>

#include "../event/id.h"
#include "../step/parked.h"
#include "journal_columns.h"
#include "journal_sql.h"

/* The same where the store may know no ON CONFLICT. */
static const struct saga__texts add_to_any = { "INSERT INTO saga_parked " PARKED_FIELDS
					       " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
					       " WHERE NOT EXISTS (SELECT 1 FROM saga_parked"
					       " WHERE saga = ? AND id = ?)",
	SAGA__SET_NONE };

static const struct saga__texts parked_texts[] = {
	[SAGA__PARK_ADD] = { "INSERT INTO saga_parked " PARKED_FIELDS
			     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" UNLESS_THERE,
		SAGA__SET_ADD_PARKED },
	[SAGA__PARK_SET] = { "UPDATE saga_parked SET shard = ?, step = ?, subject = ?, role = ?,"
			     " kind = ?, attempts = ?, due = ?, behind = ?, why = ?, event = ?,"
			     " question = ?, at = ?, command = NULL, outcome = NULL, body = NULL"
			     " WHERE saga = ? AND id = ?",
		SAGA__SET_SET_PARKED },
	[SAGA__PARK_DROP] = { "DELETE FROM saga_parked WHERE saga = ? AND id = ?",
		SAGA__SET_DROP_PARKED },
	[SAGA__PARK_DROP_KIND] = { "DELETE FROM saga_parked WHERE saga = ? AND step = ?"
				   " AND subject = ? AND kind = ?",
		SAGA__SET_DROP_PARKED_KIND },
};

static void put_parked(
	saga_value *v, const struct saga__batch *batch, const struct saga__parking *parking)
{
	const struct saga__parked *row = &parking->parked;

	v[0] = saga_int64(parking->shard);
	v[1] = saga_text(row->row);
	v[2] = saga_text(row->subject);
	v[3] = saga_int64(row->role);
	v[4] = saga_text(saga__parked_kind_name(row->kind));
	v[5] = saga_int64(row->attempts);
	v[6] = saga_int64(row->due);
	v[7] = saga_text(row->behind);
	v[8] = saga__text_or_null(row->why);
	v[9] = saga_blob(row->event);
	v[10] = saga__bytes_or_null(row->question);
	v[11] = saga_int64(batch->now);
	v[12] = saga_uuid(row->saga);
	v[13] = saga_uuid(row->id);
}

static void add_parked(struct saga__writing *w, const struct saga__batch *batch,
	const struct saga__parking *parking)
{
	saga_value *v;

	if (w->sets) {
		put_parked(saga__writing_add(w, &parked_texts[SAGA__PARK_ADD], 14), batch, parking);
		return;
	}
	v = saga__writing_add(w, &add_to_any, 16);
	put_parked(v, batch, parking);
	v[14] = v[12];
	v[15] = v[13];
}

static void write_parking(
	struct saga__writing *w, struct saga__batch *batch, const struct saga__parking *parking)
{
	const struct saga__parked *row = &parking->parked;
	const struct saga__texts *texts = &parked_texts[parking->change];
	saga_value *v;

	w->counters[w->count] = saga__parking_counter(batch, parking);
	switch (parking->change) {
	case SAGA__PARK_DROP:
		v = saga__writing_add(w, texts, 2);
		v[0] = saga_uuid(row->saga);
		v[1] = saga_uuid(row->id);
		break;
	case SAGA__PARK_DROP_KIND:
		v = saga__writing_add(w, texts, 4);
		v[0] = saga_uuid(row->saga);
		v[1] = saga_text(row->row);
		v[2] = saga_text(row->subject);
		v[3] = saga_text(saga__parked_kind_name(row->kind));
		break;
	case SAGA__PARK_ADD:
		add_parked(w, batch, parking);
		break;
	case SAGA__PARK_SET:
		put_parked(saga__writing_add(w, texts, 14), batch, parking);
		break;
	}
}

/* Changes of one saga's rows keep their order, so each change has its turn. */
struct turn {
	const struct saga__parking *parking;
	const int64_t *counter;
	size_t order, turn;
};

static int by_saga(const void *a, const void *b)
{
	const struct turn *left = a, *right = b;
	int differ =
		memcmp(&left->parking->parked.saga, &right->parking->parked.saga, sizeof(saga_id));

	return differ ? differ : (left->order > right->order) - (left->order < right->order);
}

static int by_turn(const void *a, const void *b)
{
	const struct turn *left = a, *right = b;

	if (left->turn != right->turn)
		return left->turn > right->turn ? 1 : -1;
	if (left->parking->change != right->parking->change)
		return left->parking->change > right->parking->change ? 1 : -1;
	if (left->counter != right->counter)
		return (uintptr_t)left->counter > (uintptr_t)right->counter ? 1 : -1;
	return (left->order > right->order) - (left->order < right->order);
}

/* Things of one kind stand together then. */
static void sort_parkings(struct turn *turns, size_t count)
{
	qsort(turns, count, sizeof *turns, by_saga);
	for (size_t i = 1; i < count; i++)
		if (saga__id_same(turns[i].parking->parked.saga, turns[i - 1].parking->parked.saga))
			turns[i].turn = turns[i - 1].turn + 1;
	qsort(turns, count, sizeof *turns, by_turn);
}

void saga__write_parked(struct saga__writing *w, struct saga__batch *batch)
{
	struct turn *turns;
	size_t count = 0;

	for (const struct saga__parking *p = batch->parkings; p; p = p->next)
		count++;
	if (!(turns = saga__arena_calloc(w->arena, count + 1, sizeof *turns))) {
		w->code = SAGA_NOMEM;
		return;
	}
	count = 0;
	for (const struct saga__parking *p = batch->parkings; p; p = p->next, count++)
		turns[count] = (struct turn){ p, saga__parking_counter(batch, p), count, 0 };
	if (w->sets)
		sort_parkings(turns, count);
	for (size_t i = 0; i < count; i++)
		write_parking(w, batch, turns[i].parking);
}

int saga__journal_put_off(
	struct saga__journal *j, saga_id saga, saga_id id, int64_t due, saga_error *error)
{
	return SAGA__RUN(j, "UPDATE saga_parked SET due = ? WHERE saga = ? AND id = ?", error,
		saga_int64(due), saga_uuid(saga), saga_uuid(id));
}
