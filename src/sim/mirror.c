/*
 * A mirror of the committed rows of each store. Triggers write every move of the library's tables
 * into a table of the world's own, in the same transaction; after each commit the world reads that
 * table, checks it against the laws, and keeps it.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/envelope.h"
#include "world.h"

#define HISTORY_MS (INT64_C(90) * 24 * 3600 * 1000)
#define RETENTION_MS (INT64_C(7) * 24 * 3600 * 1000)

enum {
	CLOCKS_OFF_MS = 40000 /* SAGA_SIM_CLOCK moves each by half of it */
};

enum kind {
	SLOT = 1,
	OUTBOX,
	OUTBOX_CHANGED,
	OUTBOX_GONE,
	POSITION,
	STREAM,
	LETTER
};

static const char watching[] =
	"PRAGMA temp_store = MEMORY;"
	"CREATE TEMP TABLE saga_sim_log (n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id BLOB,"
	" saga BLOB, step TEXT, subject TEXT, old TEXT, new TEXT, was TEXT,"
	" a INTEGER, b INTEGER, c INTEGER, event BLOB);"
	"CREATE TEMP TRIGGER saga_sim_slot_new AFTER INSERT ON main.saga_slot BEGIN"
	" INSERT INTO saga_sim_log (kind, saga, step, subject, old, new, was)"
	" VALUES (1, new.saga, new.step, new.subject, 'absent', new.state, new.was); END;"
	"CREATE TEMP TRIGGER saga_sim_slot_moved AFTER UPDATE ON main.saga_slot"
	" WHEN old.state <> new.state BEGIN"
	" INSERT INTO saga_sim_log (kind, saga, step, subject, old, new, was)"
	" VALUES (1, new.saga, new.step, new.subject, old.state, new.state, new.was); END;"
	"CREATE TEMP TRIGGER saga_sim_slot_gone AFTER DELETE ON main.saga_slot BEGIN"
	" INSERT INTO saga_sim_log (kind, saga, step, subject, old, new)"
	" VALUES (1, old.saga, old.step, old.subject, old.state, 'absent'); END;"
	"CREATE TEMP TRIGGER saga_sim_outbox_new AFTER INSERT ON main.saga_outbox BEGIN"
	" INSERT INTO saga_sim_log (kind, a, b, id, saga, event)"
	" VALUES (2, new.shard, new.seq, new.id, new.saga, new.event); END;"
	"CREATE TEMP TRIGGER saga_sim_outbox_changed AFTER UPDATE ON main.saga_outbox BEGIN"
	" INSERT INTO saga_sim_log (kind, a, b) VALUES (3, old.shard, old.seq); END;"
	"CREATE TEMP TRIGGER saga_sim_outbox_gone AFTER DELETE ON main.saga_outbox BEGIN"
	" INSERT INTO saga_sim_log (kind, a, b) VALUES (4, old.shard, old.seq); END;"
	"CREATE TEMP TRIGGER saga_sim_position_new AFTER INSERT ON main.saga_position"
	" WHEN new.owner <> '" SAGA__BROKER_NAME "' BEGIN"
	" INSERT INTO saga_sim_log (kind, id, saga, a, b, c)"
	" VALUES (5, new.stream, new.id, new.stream_shard, new.shard, new.seq); END;"
	"CREATE TEMP TRIGGER saga_sim_position_moved AFTER UPDATE ON main.saga_position"
	" WHEN new.owner <> '" SAGA__BROKER_NAME "' BEGIN"
	" INSERT INTO saga_sim_log (kind, id, saga, a, b, c)"
	" VALUES (5, new.stream, new.id, new.stream_shard, new.shard, new.seq); END;"
	"CREATE TEMP TRIGGER saga_sim_stream_moved AFTER UPDATE ON main.saga_stream"
	" WHEN old.seq <> new.seq OR old.own <> new.own BEGIN"
	" INSERT INTO saga_sim_log (kind, a, b, c) VALUES (6, new.shard, new.seq, new.own); END;"
	"CREATE TEMP TRIGGER saga_sim_letter_new AFTER INSERT ON main.saga_parked"
	" WHEN new.kind = 'letter' BEGIN INSERT INTO saga_sim_log (kind, saga, step, subject, old)"
	" VALUES (7, new.saga, new.step, new.subject, new.why); END;"
	"CREATE TEMP TRIGGER saga_sim_letter_set AFTER UPDATE ON main.saga_parked"
	" WHEN new.kind = 'letter' BEGIN INSERT INTO saga_sim_log (kind, saga, step, subject, old)"
	" VALUES (7, new.saga, new.step, new.subject, new.why); END;";

/* ---- what was committed ---- */

static saga_id id_of(const saga_value *value)
{
	saga_id id = { { 0 } };

	if (value->kind == SAGA_VALUE_ID)
		return value->as.id;
	if (value->kind == SAGA_VALUE_BYTES && value->as.bytes.size == sizeof id)
		memcpy(&id, value->as.bytes.at, sizeof id);
	return id;
}

static void text_of(const saga_value *value, char *text, size_t size)
{
	(void)snprintf(text, size, "%.*s",
		value->kind == SAGA_VALUE_TEXT ? (int)value->as.bytes.size : 0,
		value->kind == SAGA_VALUE_TEXT ? (const char *)value->as.bytes.at : "");
}

uint64_t saga__mirror_hash(saga_bytes bytes)
{
	const unsigned char *at = bytes.at;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < bytes.size; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

/*
 * A batch writes a slot once, however far it went: so a way of several moves of the table is one.
 * Only ways that begin at absent or waiting, or by an operator, are longer than one.
 */
static bool has_way(enum saga__state from, enum saga__state was, enum saga__state to)
{
	unsigned reached = 1u << from, before;

	if (from != SAGA__ABSENT && from != SAGA__WAITING)
		return saga__slot_may_move(from, was, to);
	do {
		before = reached;
		for (int a = 0; a < SAGA__STATES; a++)
			for (int b = 0; (reached >> a & 1) && b < SAGA__STATES; b++)
				if (saga__slot_may_move(
					    (enum saga__state)a, SAGA__ABSENT, (enum saga__state)b))
					reached |= 1u << b;
	} while (reached != before);
	return reached >> to & 1;
}

static bool schedule_may_move(enum saga__state from, enum saga__state to)
{
	for (int input = SAGA__ARM; input <= SAGA__WITHDRAW; input++)
		for (int next = SAGA__ARM; next <= SAGA__WITHDRAW; next++) {
			enum saga__state one =
				saga__schedule_next(from, (enum saga__schedule_input)input);

			if (one == to ||
				saga__schedule_next(one, (enum saga__schedule_input)next) == to)
				return true;
		}
	return false;
}

/* Nothing goes before its time, whatever one clock says. Clocks may be off by as much as that. */
static void check_age(
	struct saga__member *member, int64_t at, int64_t age_ms, int64_t usual_ms, const char *does)
{
	int64_t old_ms = (member->sim->now - at) / SAGA__SIM_MS;

	if (old_ms + CLOCKS_OFF_MS < (age_ms ? age_ms : usual_ms))
		saga__sim_breach(member->sim,
			"law 8: %s %s that is %lld ms old, and keeps it for %lld", member->def.name,
			does, (long long)old_ms, (long long)(age_ms ? age_ms : usual_ms));
}

static void slot_moved(struct saga__member *member, const saga_value *c)
{
	char step[SAGA__ROW_NAME_MOST + 1], subject[SAGA__SUBJECT_MOST + 1], name[16], text[400];
	struct saga__known_slot *slot;
	enum saga__state to, from, was;
	size_t row;
	bool may;

	text_of(&c[3], step, sizeof step);
	text_of(&c[4], subject, sizeof subject);
	text_of(&c[6], name, sizeof name);
	to = saga__state_of(name);
	row = saga__plan_row(member->plan, step);
	if (row == SIZE_MAX || to == SAGA__STATES) {
		saga__sim_breach(member->sim, "law 2: %s keeps a slot %s in state %s",
			member->def.name, step, name);
		return;
	}
	if (!(slot = saga__mirror_slot(member, id_of(&c[2]), row, subject, true)))
		return;
	if (to == SAGA__ABSENT && saga__slot_is_settled(slot->now.state)) {
		check_age(member, slot->now.moved_at, member->options.history_ms, HISTORY_MS,
			"forgets a slot");
		slot->now.forgotten = true;
		slot->now.state = to;
		return;
	}
	may = member->plan->rows[row].schedule ? schedule_may_move(slot->now.state, to)
					       : has_way(slot->now.state, slot->now.was, to);
	if (!may)
		saga__sim_breach(member->sim, "law 2: %s went from %s to %s",
			saga__slot_text(member, slot, text, sizeof text),
			saga__state_name(slot->now.state), saga__state_name(to));
	from = slot->now.state;
	was = slot->now.was;
	text_of(&c[7], name, sizeof name);
	slot->now.was = *name ? saga__state_of(name) : SAGA__ABSENT;
	slot->now.state = to;
	slot->now.moved_at = member->sim->now;
	saga__outcome_moved(member, slot, from, was);
	saga__sim_trace(member->sim, member, "%s%s%s is %s", step, *subject ? "/" : "", subject,
		saga__state_name(to));
	if ((to == SAGA__DEAD || to == SAGA__STUCK) && !slot->now.asked && !member->sim->restored)
		saga__sim_breach(member->sim, "%s is %s, and its handler did not ask for it",
			saga__slot_text(member, slot, text, sizeof text), saga__state_name(to));
}

/* ---- the outbox ---- */

static struct saga__known_event *next_event(
	struct saga__member *member, struct saga__known_stream *stream)
{
	if (stream->count == stream->room) {
		uint64_t room = stream->room ? 2 * stream->room : 64;
		struct saga__known_event *more =
			realloc(stream->events, room * sizeof *stream->events);

		if (!more) {
			saga__sim_no_memory(member->sim);
			return NULL;
		}
		stream->events = more;
		stream->room = room;
	}
	return &stream->events[stream->count++];
}

static bool describe(
	struct saga__member *member, struct saga__known_event *event, uint64_t seq, saga_bytes wire)
{
	saga_sim *sim = member->sim;
	size_t subject, type;
	struct saga_event decoded;
	saga_error error;

	saga__arena_reset(&sim->arena);
	if (saga__event_decode(sim->decoder, &sim->arena, wire, &decoded, &error) != SAGA_OK) {
		saga__sim_breach(sim, "%s has an event that can't be read: %s", member->def.name,
			error.text);
		return false;
	}
	subject = strlen(decoded.subject) + 1;
	type = strlen(decoded.type) + 1;
	if (!(event->subject = malloc(subject + type))) {
		saga__sim_no_memory(sim);
		return false;
	}
	memcpy(event->subject, decoded.subject, subject);
	event->type = memcpy(event->subject + subject, decoded.type, type);
	event->version = decoded.version;
	event->cause = decoded.causation;
	if (decoded.sequence != seq)
		saga__sim_breach(sim, "law 3: %s says that its event %llu is %llu",
			member->def.name, (unsigned long long)seq,
			(unsigned long long)decoded.sequence);
	saga__sim_trace(sim, member, "says %s", decoded.type);
	return true;
}

static bool is_there(const struct saga__known_stream *stream, saga_id id)
{
	for (uint64_t i = 0; i < stream->count; i++)
		if (saga__id_same(stream->events[i].id, id))
			return true;
	return false;
}

const struct saga__known_event *saga__mirror_event(
	const saga_sim *sim, saga_id id, struct saga__member **ret_owner)
{
	for (size_t i = 0; i < sim->member_count; i++) {
		struct saga__member *owner = sim->members[i];

		for (unsigned shard = 0; owner->first == owner && shard < owner->shards; shard++) {
			const struct saga__known_stream *stream = &owner->mirror->streams[shard];

			for (uint64_t k = stream->count; k; k--)
				if (saga__id_same(stream->events[k - 1].id, id)) {
					*ret_owner = owner;
					return &stream->events[k - 1];
				}
		}
	}
	return NULL;
}

static void event_appended(struct saga__member *member, const saga_value *c)
{
	uint64_t shard = (uint64_t)c[8].as.int64, seq = (uint64_t)c[9].as.int64;
	struct saga__known_stream *stream = &member->mirror->streams[shard % SAGA__SIM_SHARDS];
	struct saga__known_event *event;

	if (shard >= member->shards || seq != stream->count + 1) {
		saga__sim_breach(member->sim,
			"law 3: %s appended event %llu to shard %llu, behind %llu",
			member->def.name, (unsigned long long)seq, (unsigned long long)shard,
			(unsigned long long)stream->count);
		return;
	}
	if (is_there(stream, id_of(&c[1]))) {
		saga__sim_breach(member->sim, "law 1: %s appended one event twice, as %llu",
			member->def.name, (unsigned long long)seq);
		return;
	}
	if (!(event = next_event(member, stream)))
		return;
	memset(event, 0, sizeof *event);
	event->id = id_of(&c[1]);
	event->saga = id_of(&c[2]);
	event->hash = saga__mirror_hash(c[11].as.bytes);
	event->at = member->sim->now;
	member->sim->report.events++;
	saga__sim_hash(member->sim, c[11].as.bytes.at, c[11].as.bytes.size);
	if (!describe(member, event, seq, c[11].as.bytes))
		stream->count--;
	else
		saga__outcome_said(member, (unsigned)shard, seq);
}

/* The host wants old rows dropped, with an alarm. With a broker, that must have the event. */
static void check_trim(struct saga__member *member, uint64_t of, uint64_t seq)
{
	const saga_id id = member->mirror->streams[of].events[seq - 1].id;

	if (member->options.retention_max_ms)
		return;
	if (member->sim->options.durable) {
		if (!saga__broker_has(member->sim, id))
			saga__sim_breach(member->sim,
				"law 3: %s drops event %llu, which the broker has not",
				member->def.name, (unsigned long long)seq);
		return;
	}
	for (size_t i = 0; member->followers[i]; i++) {
		const struct saga__member *to = saga__sim_member(member->sim, member->followers[i]);

		for (unsigned shard = 0; to && shard < to->shards; shard++)
			if (to->mirror->positions[member->first->number][of][shard] < seq)
				saga__sim_breach(member->sim,
					"law 3: %s drops event %llu, which %s has not committed",
					member->def.name, (unsigned long long)seq, to->def.name);
	}
}

static void event_gone(struct saga__member *member, uint64_t shard, uint64_t seq)
{
	struct saga__known_stream *stream = &member->mirror->streams[shard % SAGA__SIM_SHARDS];

	if (seq <= stream->trimmed)
		return;
	stream->trimmed = seq;
	check_age(member, stream->events[seq - 1].at, member->options.retention_ms, RETENTION_MS,
		"drops an event");
	check_trim(member, shard % SAGA__SIM_SHARDS, seq);
}

static void stream_moved(struct saga__member *member, const saga_value *c)
{
	struct saga__known_stream *stream =
		&member->mirror->streams[(uint64_t)c[8].as.int64 % SAGA__SIM_SHARDS];
	uint64_t seq = (uint64_t)c[9].as.int64, own = (uint64_t)c[10].as.int64;

	if (seq != stream->count)
		saga__sim_breach(member->sim,
			"law 3: %s numbered %llu, and its outbox ends at %llu", member->def.name,
			(unsigned long long)seq, (unsigned long long)stream->count);
	if (own > seq || own < stream->own)
		saga__sim_breach(member->sim,
			"law 3: %s has its own events up to %llu of %llu, and had %llu",
			member->def.name, (unsigned long long)own, (unsigned long long)seq,
			(unsigned long long)stream->own);
	saga__outcome_passed(member,
		(struct saga__passed){ member->first, (unsigned)(stream - member->mirror->streams),
			(unsigned)(stream - member->mirror->streams), stream->own, own });
	stream->own = own;
}

/* ---- positions ---- */

static void position_moved(struct saga__member *member, const saga_value *c)
{
	struct saga__member *owner = saga__sim_member_of_store(member->sim, id_of(&c[1]));
	uint64_t of = (uint64_t)c[8].as.int64, shard = (uint64_t)c[9].as.int64;
	uint64_t seq = (uint64_t)c[10].as.int64, *position;
	const struct saga__known_stream *stream;
	saga_id id = id_of(&c[2]);

	if (!owner || of >= owner->shards || shard >= member->shards) {
		saga__sim_breach(member->sim, "%s has a position of a stream that there is not",
			member->def.name);
		return;
	}
	/* How far the broker has settled its own: that goes back, with another broker's stream. */
	if (owner->first == member->first)
		return;
	stream = &owner->mirror->streams[of];
	/* The event belongs to a history that is gone. */
	if (member->sim->restored == owner->first &&
		(seq > stream->count ||
			(seq && !saga__id_is_zero(id) &&
				!saga__id_same(id, stream->events[seq - 1].id))))
		return;
	position = &member->mirror->positions[owner->first->number][of][shard];
	if (seq < *position && member->sim->restored != owner->first)
		saga__sim_breach(member->sim, "law 3: %s went back in %s's stream %u, %llu to %llu",
			member->def.name, owner->def.name, (unsigned)of,
			(unsigned long long)*position, (unsigned long long)seq);
	else if (seq > stream->count)
		saga__sim_breach(member->sim,
			"law 3: %s is at %llu of %s's stream %u, which ends at %llu",
			member->def.name, (unsigned long long)seq, owner->def.name, (unsigned)of,
			(unsigned long long)stream->count);
	else if (seq && !saga__id_is_zero(id) && !saga__id_same(id, stream->events[seq - 1].id))
		saga__sim_breach(member->sim, "law 3: %s has another event %llu of %s",
			member->def.name, (unsigned long long)seq, owner->def.name);
	else
		saga__outcome_passed(member,
			(struct saga__passed){
				owner, (unsigned)of, (unsigned)shard, *position, seq });
	*position = seq;
}

/* ---- letters ---- */

static void letter(struct saga__member *member, const saga_value *c)
{
	char step[SAGA__ROW_NAME_MOST + 1], subject[SAGA__SUBJECT_MOST + 1], why[200];
	char id[SAGA_ID_TEXT];
	struct saga__known_slot *slot;
	size_t row;

	text_of(&c[3], step, sizeof step);
	text_of(&c[4], subject, sizeof subject);
	text_of(&c[5], why, sizeof why);
	row = saga__plan_row(member->plan, step);
	slot = row == SIZE_MAX ? NULL
			       : saga__mirror_slot(member, id_of(&c[2]), row, subject, false);
	if (!member->sim->restored && (!slot || !slot->now.asked))
		saga__sim_breach(member->sim, "law 8: %s, saga %s, slot %s%s%s: a dead letter: %s",
			member->def.name, saga_id_text(id_of(&c[2]), id), step, *subject ? "/" : "",
			subject, why);
}

/* ---- after each commit ---- */

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	struct saga__member *member = context;

	(void)i, (void)names, (void)column_count;
	switch (columns[0].as.int64) {
	case SLOT:
		slot_moved(member, columns);
		break;
	case OUTBOX:
		event_appended(member, columns);
		break;
	case OUTBOX_CHANGED:
		saga__sim_breach(
			member->sim, "law 3: %s changed a row of its outbox", member->def.name);
		break;
	case OUTBOX_GONE:
		event_gone(member, (uint64_t)columns[8].as.int64, (uint64_t)columns[9].as.int64);
		break;
	case POSITION:
		position_moved(member, columns);
		break;
	case STREAM:
		stream_moved(member, columns);
		break;
	case LETTER:
		letter(member, columns);
		break;
	default:
		break;
	}
	return SAGA_OK;
}

static int take_uuid(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	char text[SAGA_ID_TEXT];

	(void)i, (void)names, (void)column_count;
	text_of(&columns[0], text, sizeof text);
	return saga_id_parse(text, context);
}

/* The library's tables are there: from now on what happens to them is seen. */
static int watch(struct saga__member *member, saga_error *error)
{
	const saga_statement statements[] = {
		{ "SELECT value FROM saga_meta WHERE name = 'uuid'", NULL, 0 },
		{ watching, NULL, 0 },
	};
	saga_sink sink = { take_uuid, NULL, &member->mirror->uuid };
	const saga_store_ops *store = saga_store_builtin("sqlite");
	int code = store->run(member->store, &statements[0], 1, &sink, error);

	if (code == SAGA_OK && saga__id_is_zero(member->mirror->uuid))
		return SAGA_OK;
	if (code == SAGA_OK)
		code = store->run(member->store, &statements[1], 1, NULL, error);
	member->mirror->watching = code == SAGA_OK;
	if (code == SAGA_OK)
		saga__writes_watch(member);
	return code;
}

/* Compares the handlers' writes in this transaction with the slots that it left. */
static void apply_effects(struct saga__member *member)
{
	struct saga__mirror *mirror = member->mirror;
	char text[400];

	if (mirror->ran_over)
		saga__sim_breach(member->sim, "law 4: %s ran, and was committed as %s before",
			saga__slot_text(member, mirror->ran_over, text, sizeof text),
			saga__state_name(mirror->ran_over_as));
	for (size_t i = 0; i < mirror->effect_count; i++) {
		const struct saga__effect *effect = &mirror->effects[i];
		struct saga__known_slot *slot = effect->slot;

		if (effect->undo && (!slot->now.did || slot->now.undid++))
			saga__sim_breach(member->sim, "law 4: %s was undone %s",
				saga__slot_text(member, slot, text, sizeof text),
				slot->now.did ? "twice" : "and had not been done");
		if (!effect->undo && slot->now.did++)
			saga__sim_breach(member->sim, "law 1: %s took effect twice",
				saga__slot_text(member, slot, text, sizeof text));
	}
	for (size_t i = 0; i < mirror->effect_count; i++) {
		const struct saga__known_slot *slot = mirror->effects[i].slot;
		bool done = slot->now.state == SAGA__DONE || slot->now.state == SAGA__UNDOING ||
			(slot->now.state == SAGA__STUCK && slot->now.was != SAGA__TRYING);

		if (slot->now.undid ? slot->now.state != SAGA__UNDONE : !done)
			saga__sim_breach(member->sim, "law 1: %s was %s, and its slot says %s",
				saga__slot_text(member, slot, text, sizeof text),
				slot->now.undid ? "undone" : "done",
				saga__state_name(slot->now.state));
	}
	saga__mirror_forget_effects(member);
}

int saga__mirror_committed(struct saga__member *member)
{
	static const char look[] = "SELECT kind, id, saga, step, subject, old, new, was, a, b, c,"
				   " event FROM temp.saga_sim_log ORDER BY n";
	const saga_statement statements[] = { { look, NULL, 0 },
		{ "DELETE FROM temp.saga_sim_log", NULL, 0 } };
	saga_sink sink = { take_row, NULL, member };
	saga_error error = { .code = SAGA_OK };
	int code;

	member->sim->report.commits++;
	if (!member->mirror->watching) {
		code = watch(member, &error);
	} else {
		code = saga_store_builtin("sqlite")->run(
			member->store, statements, 2, &sink, &error);
		saga__writes_committed(member);
		saga__writes_watch(member);
		apply_effects(member);
		saga__promises_committed(member);
		saga__outcomes_committed(member);
	}
	if (code != SAGA_OK)
		saga__sim_breach(member->sim, "the world can't read what %s committed: %s",
			member->def.name, error.text);
	return SAGA_OK;
}

void saga__mirror_free(struct saga__mirror *mirror)
{
	if (!mirror)
		return;
	for (size_t i = 0; i < mirror->bucket_count; i++) {
		struct saga__known_slot *slot;

		while ((slot = mirror->buckets[i])) {
			mirror->buckets[i] = slot->next;
			free(slot);
		}
	}
	free(mirror->buckets);
	for (size_t shard = 0; shard < SAGA__SIM_SHARDS; shard++) {
		for (uint64_t i = 0; i < mirror->streams[shard].count; i++)
			free(mirror->streams[shard].events[i].subject);
		free(mirror->streams[shard].events);
	}
	free(mirror->effects);
	free(mirror->runs);
	free(mirror->moves);
	free(mirror->said);
	free(mirror->passed);
	free(mirror);
}
