/*
 * Rows that can't be read: somebody else wrote there, or a disk has changed them. Each is found by
 * reading it alone, said by name, and set aside, in the transaction that found it.
 *
 *	saga_parked    becomes a dead letter where it is
 *	saga_outbox    its bytes become a dead letter; in its place stands an event of the type
 *	               saga.unreadable, that no step is on: its stream goes on
 *	saga_position  is dropped: its stream is read again from its oldest event
 *	saga_stream    is made anew from its outbox; without one its shard is not worked
 *
 * A slot is left as it is: what needs it becomes a dead letter, see src/step/blame.h.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/envelope.h"
#include "../event/id.h"
#include "dialect.h"
#include "journal_look.h"
#include "journal_sql.h"

#define UNREADABLE "saga.unreadable"

enum {
	KEY = 3,         /* values */
	EVENT_MOST = 512 /* what stands for an event that can't be read */
};

static void say(struct saga__journal *j, const char *format, ...) SAGA_PRINTF(2, 3);

static void say(struct saga__journal *j, const char *format, ...)
{
	char text[512];
	va_list list;

	if (!j->set_aside)
		return;
	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	j->set_aside(j->user, text);
}

/* ---- keys, as the store has them ---- */

struct keys {
	struct saga__arena arena;
	saga_value (*at)[KEY];
	size_t count, room, width;
};

static void free_keys(struct keys *keys)
{
	saga__arena_free(&keys->arena);
	free(keys->at);
}

static int keep_key(struct keys *keys, const saga_value *from, saga_value *to)
{
	*to = *from;
	if ((from->kind != SAGA_VALUE_TEXT && from->kind != SAGA_VALUE_BYTES) ||
		!from->as.bytes.size)
		return SAGA_OK;
	to->as.bytes.at = saga__arena_text(&keys->arena, from->as.bytes.at, from->as.bytes.size);
	return to->as.bytes.at ? SAGA_OK : SAGA_NOMEM;
}

static int take_key(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	struct keys *keys = context;
	int code = SAGA_OK;

	(void)i, (void)names;
	if (keys->count == keys->room) {
		size_t room = keys->room ? 2 * keys->room : 16;
		void *more = realloc(keys->at, room * sizeof *keys->at);

		if (!more)
			return SAGA_NOMEM;
		keys->at = more;
		keys->room = room;
	}
	for (size_t k = 0; code == SAGA_OK && k < column_count && k < keys->width; k++)
		code = keep_key(keys, &c[k], &keys->at[keys->count][k]);
	keys->count++;
	return code;
}

static int read_keys(struct saga__journal *j, const saga_statement *statement, size_t width,
	struct keys *keys, saga_error *error)
{
	saga_sink sink = { take_key, NULL, keys };

	*keys = (struct keys){ .width = width };
	saga__arena_init(&keys->arena, SIZE_MAX);
	return j->ops->run(j->store, statement, 1, &sink, error);
}

static const char *id_text(const saga_value *value, char text[SAGA_ID_TEXT])
{
	return saga_id_text(saga__id_in(value), text);
}

/* ---- parked rows ---- */

static int set_parked_aside(
	struct saga__journal *j, const saga_value *key, const char *why, saga_error *error)
{
	char id[SAGA_ID_TEXT], saga[SAGA_ID_TEXT];

	say(j, "%s; row %s of saga %s is a dead letter now", why, id_text(&key[1], id),
		id_text(&key[0], saga));
	return SAGA__RUN(j,
		"UPDATE saga_parked SET kind = 'letter', role = 0, attempts = 0, due = ?,"
		" behind = '', why = ?, at = ?, command = NULL, outcome = NULL, body = NULL"
		" WHERE saga = ? AND id = ?",
		error, saga_int64(SAGA__NEVER), saga_text(why), saga_int64(saga__journal_now(j)),
		key[0], key[1]);
}

int saga__journal_mend_due(struct saga__journal *j, const saga_value *due, bool *ret_mended,
	int64_t *went, saga_error *error)
{
	const saga_statement statement = {
		SAGA__FIRST_ROWS(j->dialect,
			"SELECT saga, id, CASE WHEN kind IN ('held', 'letter') THEN 0 ELSE 1 END"
			" AS live FROM saga_parked WHERE shard = ? AND due <= ? ORDER BY due, id"),
		due, 3
	};
	struct keys keys = { .count = 0 };
	int code = read_keys(j, &statement, KEY, &keys, error);

	for (size_t i = 0; code == SAGA_OK && i < keys.count; i++) {
		const saga_value *key = keys.at[i];
		saga_error why = { .code = SAGA_OK };

		code = saga__journal_look_at_parked(j, &key[0], &key[1], &why);
		if (code == SAGA_REFUSED) {
			code = set_parked_aside(j, key, why.text, error);
			*went += key[2].as.int64;
			*ret_mended = true;
		} else if (code != SAGA_OK) {
			(void)saga_error_set(error, code, "%s", why.text);
		}
	}
	free_keys(&keys);
	return code;
}

/* ---- the outbox ---- */

static int take_id(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	*(saga_id *)context = saga__id_in(&c[0]);
	return SAGA_OK;
}

/* An id that cannot be read is zero. */
static saga_id read_id(struct saga__journal *j, const char *sql, unsigned shard, uint64_t seq)
{
	const saga_value values[] = { saga_int64(shard), saga_int64((int64_t)seq) };
	const saga_statement statement = { sql, values, 2 };
	saga_id id = { { 0 } };
	saga_sink sink = { take_id, NULL, &id };
	saga_error error;

	(void)j->ops->run(j->store, &statement, 1, &sink, &error);
	return id;
}

/* The bytes go where an operator finds them. */
static int keep_event(struct saga__journal *j, unsigned shard, uint64_t seq, saga_id saga,
	const char *why, saga_error *error)
{
	struct saga__id_maker maker = { 0 };

	return SAGA__RUN(j,
		"INSERT INTO saga_parked (saga, id, shard, step, subject, role, kind, attempts,"
		" due, behind, why, event, at)"
		" SELECT ?, ?, shard, '', '', 0, 'letter', 0, ?, '', ?, event, ?"
		" FROM saga_outbox WHERE shard = ? AND seq = ?",
		error, saga_uuid(saga), saga_uuid(saga__id_new(&maker, j->env)),
		saga_int64(SAGA__NEVER), saga_text(why), saga_int64(saga__journal_now(j)),
		saga_int64(shard), saga_int64((int64_t)seq));
}

static int replace_event(
	struct saga__journal *j, unsigned shard, uint64_t seq, saga_id saga, saga_error *error)
{
	struct saga__id_maker maker = { 0 };
	saga_id id =
		read_id(j, "SELECT id FROM saga_outbox WHERE shard = ? AND seq = ?", shard, seq);
	struct saga__buffer buffer;
	struct saga_event event = { .id = id,
		.saga = saga,
		.time = saga__journal_now(j),
		.sequence = seq,
		.version = 1,
		.source = j->name,
		.type = UNREADABLE,
		.subject = "",
		.traceparent = "",
		.data = { "\x80", 1 } };
	int code;

	if (saga__id_is_zero(id))
		event.id = saga__id_new(&maker, j->env);
	saga__buffer_init(&buffer, EVENT_MOST);
	code = saga__event_encode(&buffer, &event, NULL, NULL, NULL, error);
	if (code == SAGA_OK) {
		const saga_bytes bytes = { buffer.at, buffer.size };

		code = SAGA__RUN(j,
			"UPDATE saga_outbox SET id = ?, saga = ?, event = ?, sum = ?"
			" WHERE shard = ? AND seq = ?",
			error, saga_uuid(event.id), saga_uuid(saga), saga_blob(bytes),
			saga_int64(saga__outbox_sum(seq, event.id, saga, bytes)), saga_int64(shard),
			saga_int64((int64_t)seq));
	}
	saga__buffer_free(&buffer);
	return code;
}

static int set_event_aside(
	struct saga__journal *j, unsigned shard, uint64_t seq, const char *why, saga_error *error)
{
	saga_id saga =
		read_id(j, "SELECT saga FROM saga_outbox WHERE shard = ? AND seq = ?", shard, seq);
	bool alone = !j->ops->in_transaction(j->store);
	int code = alone ? j->ops->begin(j->store, error) : SAGA_OK;

	say(j, "%s; event %" PRIu64 " of shard %u goes to nobody and is a dead letter now", why,
		seq, shard);
	if (code == SAGA_OK)
		code = keep_event(j, shard, seq, saga, why, error);
	if (code == SAGA_OK)
		code = replace_event(j, shard, seq, saga, error);
	if (code == SAGA_OK && alone)
		code = j->ops->commit(j->store, error);
	if (code != SAGA_OK && alone && j->ops->in_transaction(j->store))
		j->ops->rollback(j->store);
	return code;
}

int saga__journal_mend_outbox(struct saga__journal *j, unsigned shard, uint64_t first,
	uint64_t last, bool *ret_mended, saga_error *error)
{
	const saga_value values[] = { saga_int64(shard), saga_int64((int64_t)first),
		saga_int64((int64_t)last) };
	struct saga__one one;
	saga_error why = { .code = SAGA_OK };
	int code = saga__journal_one(j,
		"SELECT MIN(seq) AS seq FROM saga_outbox"
		" WHERE shard = ? AND seq >= ? AND seq <= ?",
		values, 3, &one, error);

	if (code != SAGA_OK || one.is_null)
		return code;
	code = saga__journal_look_at_outbox(j, shard, (uint64_t)one.number, &why);
	if (code == SAGA_REFUSED) {
		*ret_mended = true;
		return set_event_aside(j, shard, (uint64_t)one.number, why.text, error);
	}
	return code == SAGA_OK ? code : saga_error_set(error, code, "%s", why.text);
}

/* ---- positions ---- */

int saga__journal_mend_positions(struct saga__journal *j, bool *ret_mended, saga_error *error)
{
	const saga_statement statement = { "SELECT stream, stream_shard, shard FROM saga_position",
		NULL, 0 };
	char stream[SAGA_ID_TEXT];
	struct keys keys = { .count = 0 };
	int code = read_keys(j, &statement, KEY, &keys, error);

	for (size_t i = 0; code == SAGA_OK && i < keys.count; i++) {
		const saga_value *key = keys.at[i];
		saga_error why = { .code = SAGA_OK };

		code = saga__journal_look_at_position(j, key, &why);
		if (code == SAGA_REFUSED) {
			*ret_mended = true;
			say(j, "%s; it is dropped: stream %s is read again from its oldest event",
				why.text, id_text(&key[0], stream));
			code = SAGA__RUN(j,
				"DELETE FROM saga_position"
				" WHERE stream = ? AND stream_shard = ? AND shard = ?",
				error, key[0], key[1], key[2]);
		} else if (code != SAGA_OK) {
			(void)saga_error_set(error, code, "%s", why.text);
		}
	}
	free_keys(&keys);
	return code;
}

/* ---- streams ---- */

static int make_stream(struct saga__journal *j, unsigned shard, uint64_t seq, uint64_t own,
	saga_id last, saga_error *error)
{
	int64_t changed = 0;
	const saga_value values[] = { saga_int64((int64_t)seq), saga_uuid(last),
		saga_int64((int64_t)own), saga_int64(shard) };
	int code = saga__journal_change(j,
		"UPDATE saga_stream SET seq = ?, last = ?, own = ?, unclean = 1, suspect = NULL,"
		" suspicions = 0 WHERE shard = ?",
		values, 4, &changed, error);

	if (code != SAGA_OK || changed)
		return code;
	return SAGA__RUN(j,
		"INSERT INTO saga_stream (seq, last, own, shard, unclean, suspicions)"
		" VALUES (?, ?, ?, ?, 1, 0)",
		error, values[0], values[1], values[2], values[3]);
}

int saga__journal_mend_stream(
	struct saga__journal *j, unsigned shard, bool *ret_mended, saga_error *error)
{
	const saga_value values[] = { saga_int64(shard) };
	struct saga__one first = { 0 }, last = { 0 };
	uint64_t newest;
	int code = saga__journal_one(j, "SELECT MIN(seq) AS seq FROM saga_outbox WHERE shard = ?",
		values, 1, &first, error);

	if (code == SAGA_OK)
		code = saga__journal_one(j,
			"SELECT MAX(seq) AS seq FROM saga_outbox WHERE shard = ?", values, 1, &last,
			error);
	if (code != SAGA_OK || first.is_null || last.is_null || first.number < 1)
		return code;
	newest = (uint64_t)last.number;
	code = make_stream(j, shard, newest, (uint64_t)first.number - 1,
		read_id(j, "SELECT id FROM saga_outbox WHERE shard = ? AND seq = ?", shard, newest),
		error);
	if (code != SAGA_OK)
		return code;
	say(j,
		"saga_stream: the row of shard %u can't be read: somebody else wrote there; it is "
		"made "
		"anew, behind event %" PRIu64 ", the newest of its outbox",
		shard, newest);
	*ret_mended = true;
	return SAGA_OK;
}
