/* The checks that are made while the world goes on, and at its end. */

#include <stdio.h>
#include <string.h>

#include "../event/id.h"
#include "../event/peek.h"
#include "world.h"

/* ---- frames that leave ---- */

static void check_event(struct saga__member *member, const struct saga__message *message)
{
	const struct saga__known_stream *stream = &member->mirror->streams[message->stream.shard];
	const struct saga__known_event *event;

	if (message->last > stream->count) {
		saga__sim_breach(member->sim, "law 1: %s sends event %llu, and has committed %llu",
			member->def.name, (unsigned long long)message->last,
			(unsigned long long)stream->count);
		return;
	}
	event = &stream->events[message->last - 1];
	if (event->hash != saga__mirror_hash(message->event))
		saga__sim_breach(member->sim,
			"law 1: %s sends event %llu otherwise than it is in its outbox",
			member->def.name, (unsigned long long)message->last);
	if (message->last > 1 && !saga__id_is_zero(message->id) &&
		!saga__id_same(message->id, event[-1].id))
		saga__sim_breach(member->sim, "law 3: %s sends event %llu behind another's id",
			member->def.name, (unsigned long long)message->last);
}

static void check_beat(struct saga__member *member, const struct saga__message *message)
{
	const struct saga__known_stream *stream = &member->mirror->streams[message->stream.shard];

	if (message->last > stream->count)
		saga__sim_breach(member->sim,
			"law 1: %s speaks of event %llu, and has committed %llu", member->def.name,
			(unsigned long long)message->last, (unsigned long long)stream->count);
}

static void check_seen(struct saga__member *member, const struct saga__message *message)
{
	const struct saga__member *owner =
		saga__sim_member_of_store(member->sim, message->stream.store);
	uint64_t position;

	if (!owner || message->stream.shard >= owner->shards || message->shard >= member->shards) {
		saga__sim_breach(
			member->sim, "%s has seen a stream that there is not", member->def.name);
		return;
	}
	position = member->mirror
			   ->positions[owner->first->number][message->stream.shard][message->shard];
	if (message->last > position && member->sim->restored != owner->first)
		saga__sim_breach(member->sim,
			"law 3: %s says that it has seen event %llu of %s, and has committed %llu",
			member->def.name, (unsigned long long)message->last, owner->def.name,
			(unsigned long long)position);
}

void saga__check_frame(struct saga__member *member, saga_bytes bytes)
{
	struct saga__message message;
	bool own;
	saga_error error;

	if (saga__frame_decode(bytes, &message, &error) != SAGA_OK) {
		saga__sim_breach(member->sim, "%s sends a frame that is none: %s", member->def.name,
			error.text);
		return;
	}
	own = saga__id_same(message.stream.store, member->mirror->uuid) &&
		message.stream.shard < member->shards;
	if (message.kind == SAGA__EVENT && own)
		check_event(member, &message);
	else if (message.kind == SAGA__BEAT && own)
		check_beat(member, &message);
	else if (message.kind == SAGA__SEEN)
		check_seen(member, &message);
}

/* ---- what a broker is given, and told ---- */

void saga__check_kept_frame(struct saga__member *member, const saga_frame *frame)
{
	uint64_t hash = saga__mirror_hash(frame->bytes);

	for (unsigned shard = 0; shard < member->shards; shard++) {
		const struct saga__known_stream *stream = &member->mirror->streams[shard];

		for (uint64_t k = stream->count; k; k--)
			if (stream->events[k - 1].hash == hash)
				return;
	}
	if (!saga__id_is_zero(frame->id))
		saga__sim_breach(member->sim, "law 1: %s publishes a %s that is not in its outbox",
			member->def.name, frame->topic);
}

static int take_count(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	*(int64_t *)context = c[0].as.int64;
	return SAGA_OK;
}

/* Something is set aside there, to be done or looked at. */
static bool has_parked(struct saga__member *member, saga_id saga, const char *row)
{
	const saga_value values[] = { saga_uuid(saga), saga_text(row) };
	const saga_statement statement = { "SELECT COUNT(*) FROM saga_parked WHERE saga = ?"
					   " AND step = ? AND kind <> 'schedule'",
		values, 2 };
	int64_t count = 0;
	saga_sink sink = { take_count, NULL, &count };
	saga_error error;

	return saga_store_builtin("sqlite")->run(member->store, &statement, 1, &sink, &error) ==
		SAGA_OK &&
		count;
}

static const char *wrong_end(enum saga__role role, enum saga__state state)
{
	switch (role) {
	case SAGA__ROLE_RUN:
		return state == SAGA__ABSENT ? "never ran on it" : NULL;
	case SAGA__ROLE_UNDO:
		return state == SAGA__ABSENT || state == SAGA__DONE ? "was never undone by it"
								    : NULL;
	case SAGA__ROLE_BAR:
		return state == SAGA__ABSENT ? "was never barred by it" : NULL;
	default:
		return state == SAGA__ABSENT || state == SAGA__WAITING ? "was never withdrawn by it"
								       : NULL;
	}
}

/* An event that counts as done has left a mark in the store; otherwise it is lost for good. */
static void check_mark(struct saga__member *member, const struct saga__member *owner,
	const struct saga__known_event *event, const char *how)
{
	const struct saga__known *known =
		saga__plan_type(member->plan, event->type, event->version);
	char id[SAGA_ID_TEXT];

	for (size_t i = 0; known && i < known->route_count; i++) {
		const struct saga__route *route = &known->routes[i];
		const char *row = member->plan->rows[route->row].name, *wrong;
		bool per_subject = member->plan->steps[route->step].per_subject;
		const struct saga__known_slot *slot = saga__mirror_slot(
			member, event->saga, route->row, per_subject ? event->subject : "", false);

		wrong = wrong_end(route->role, slot ? slot->now.state : SAGA__ABSENT);
		if (!wrong || (slot && slot->now.forgotten) || has_parked(member, event->saga, row))
			continue;
		saga__sim_breach(member->sim, "law 3: %s %s %s of %s, saga %s, and slot %s %s",
			member->def.name, how, event->type, owner->def.name,
			saga_id_text(event->saga, id), row, wrong);
	}
}

void saga__check_ack(struct saga__member *member, saga_id id)
{
	struct saga__member *owner;
	const struct saga__known_event *event = saga__mirror_event(member->sim, id, &owner);

	if (event && owner != member->first)
		check_mark(member, owner, event, "acks");
}

void saga__check_passed(struct saga__member *member, const struct saga__passed *passed)
{
	const struct saga__known_stream *stream = &passed->owner->mirror->streams[passed->of];

	for (uint64_t seq = passed->from + 1; seq <= passed->to && seq <= stream->count; seq++) {
		const struct saga__known_event *event = &stream->events[seq - 1];

		if (saga__id_shard(event->saga, member->shards) == passed->shard)
			check_mark(member, passed->owner, event, "passes");
	}
}

/* ---- handlers ---- */

/* Before an undo runs: those declared later, which the same event undoes, are through. */
void saga__check_undo(struct saga__member *member, const struct saga_step *s)
{
	size_t number = (size_t)(s->def - s->batch->plan->steps);
	const saga_type *type = s->trigger->of;
	char text[400];

	if (s->phase == SAGA__PHASE_UNDO && s->slot->state == SAGA__UNDOING)
		return;
	for (size_t at = number + 1; type && at < member->plan->step_count; at++) {
		const saga_step_def *step = &member->plan->steps[at];
		const struct saga__known_slot *slot;

		if (!saga__types_have(step->undo_on, type) ||
			(step->per_subject && !*s->trigger->subject))
			continue;
		slot = saga__mirror_slot(member, s->trigger->saga, at,
			step->per_subject ? s->trigger->subject : "", false);
		if (slot && slot->now.state == SAGA__DONE && !saga__mirror_undoes(member, slot))
			saga__sim_breach(member->sim, "undo order: step %s is undone before %s",
				s->def->name, saga__slot_text(member, slot, text, sizeof text));
	}
}

/* ---- queues ---- */

void saga__check_queues(struct saga__member *member)
{
	saga_participant *p = member->p;
	size_t load = 0, queue = p->limits.queue, most = 2 * queue + p->limits.batch_events;

	/* Beyond the limit come its own events, answers of calls, and positions to be moved. */
	most += (size_t)p->limits.outside_calls;
	for (const struct saga__following *f = p->followings; f; f = f->next)
		most += 2 * (size_t)p->shards;
	for (size_t i = 0; i < p->lane_count; i++)
		load += saga__lane_load(&p->lanes[i]);
	if (p->inbox_count > queue)
		saga__sim_breach(member->sim,
			"law 7: %s has %zu frames to read, and its limit is %zu", member->def.name,
			p->inbox_count, queue);
	if (load > most)
		saga__sim_breach(member->sim,
			"law 7: %s has %zu items in work, and its limit is %zu", member->def.name,
			load, most);
}

/* ---- rest ---- */

static bool slots_rest(struct saga__member *member, char *why, size_t size)
{
	char text[300];

	for (size_t i = 0; i < member->mirror->bucket_count; i++)
		for (struct saga__known_slot *slot = member->mirror->buckets[i]; slot;
			slot = slot->next)
			if ((slot->now.state == SAGA__WAITING && !member->sim->restored) ||
				slot->now.state == SAGA__TRYING ||
				slot->now.state == SAGA__UNDOING) {
				(void)snprintf(why, size, "%s is still %s",
					saga__slot_text(member, slot, text, sizeof text),
					saga__state_name(slot->now.state));
				return false;
			}
	return true;
}

/* With a broker there are no positions: it has all, and brought all. */
static bool broker_rests(struct saga__member *member, char *why, size_t size)
{
	uint64_t unsent = saga__streams_unseen(member->p);
	uint64_t open = saga__broker_open(member->sim, member);

	if (unsent)
		(void)snprintf(why, size, "law 3: %s has %llu events that the broker has not",
			member->def.name, (unsigned long long)unsent);
	else if (open)
		(void)snprintf(why, size, "law 3: the broker has %llu events for %s",
			(unsigned long long)open, member->def.name);
	return !unsent && !open;
}

static bool streams_rest(struct saga__member *member, char *why, size_t size)
{
	saga_sim *sim = member->sim;
	uint64_t unseen = saga__streams_unseen(member->p);

	if (sim->options.durable)
		return broker_rests(member, why, size);

	/* Nobody else's word frees an outbox of what all have. */
	if (member->followers[0] && unseen) {
		(void)snprintf(why, size,
			"law 3: %s was not told that %llu of its events were seen",
			member->def.name, (unsigned long long)unseen);
		return false;
	}
	for (size_t i = 0; member->followers[i]; i++) {
		struct saga__member *to = saga__sim_member(sim, member->followers[i]);

		for (unsigned of = 0; to && of < member->shards; of++)
			for (unsigned shard = 0; shard < to->shards; shard++) {
				uint64_t at =
					to->mirror->positions[member->first->number][of][shard];

				if (at >= member->mirror->streams[of].count)
					continue;
				(void)snprintf(why, size,
					"law 3: %s is at %llu of %s's stream %u, which ends at "
					"%llu",
					to->def.name, (unsigned long long)at, member->def.name, of,
					(unsigned long long)member->mirror->streams[of].count);
				return false;
			}
	}
	return true;
}

static int take_parked(
	void *context, size_t i, const char *const *names, const saga_value *c, size_t column_count)
{
	char id[SAGA_ID_TEXT];
	saga_id saga = { { 0 } };

	(void)i, (void)names, (void)column_count;
	if (c[0].kind == SAGA_VALUE_BYTES && c[0].as.bytes.size == sizeof saga)
		memcpy(&saga, c[0].as.bytes.at, sizeof saga);
	(void)snprintf(context, 200, "saga %s, slot %.*s: %.*s", saga_id_text(saga, id),
		(int)c[1].as.bytes.size, (const char *)c[1].as.bytes.at, (int)c[2].as.bytes.size,
		(const char *)c[2].as.bytes.at);
	return SAGA_OK;
}

static bool parked_rest(struct saga__member *member, char *why, size_t size)
{
	const saga_statement statement = {
		"SELECT saga, step, kind FROM saga_parked WHERE kind NOT IN ('held', 'letter')"
		" ORDER BY due, id LIMIT 1",
		NULL, 0
	};
	char text[200] = "";
	saga_sink sink = { take_parked, NULL, text };
	saga_error error;
	int code = saga_store_builtin("sqlite")->run(member->store, &statement, 1, &sink, &error);

	if (code == SAGA_OK && !*text)
		return true;
	(void)snprintf(why, size, "%s has parked: %s", member->def.name,
		code == SAGA_OK ? text : error.text);
	return false;
}

static bool process_rests(struct saga__member *member, char *why, size_t size)
{
	saga_participant *p = member->p;

	if (!p || !member->mirror->watching || !p->known || !saga__shards_are_settled(p)) {
		(void)snprintf(why, size, "%s is not up", member->def.name);
		return false;
	}
	for (size_t i = 0; i < p->lane_count; i++)
		if (!p->lane_up[i] || saga__lane_load(&p->lanes[i])) {
			(void)snprintf(why, size, "%s is still at work", member->def.name);
			return false;
		}
	if (member->calls || p->inbox_count) {
		(void)snprintf(why, size, "%s still waits for %s", member->def.name,
			member->calls ? "an outside call" : "its turn");
		return false;
	}
	return true;
}

/* The gauge of parked events, of all instances, agrees with a store that has none. */
static bool gauge_rests(struct saga__member *first, char *why, size_t size)
{
	const struct saga__member *member;
	int64_t parked = 0;

	for (size_t i = 0; (member = saga__sim_instance(first, i)); i++)
		parked += member->p ? member->p->counts.parked : 0;
	if (!parked)
		return true;
	(void)snprintf(why, size, "%s counts %lld parked events, and its store has none",
		first->def.name, (long long)parked);
	return false;
}

/* By one instance, and no more: what is left in doubt is only for the begin. */
static bool shards_rest(struct saga__member *first, char *why, size_t size)
{
	const struct saga__member *member;

	for (unsigned shard = 0; shard < first->shards; shard++) {
		unsigned by = 0;

		for (size_t i = 0; (member = saga__sim_instance(first, i)); i++)
			by += member->p && saga__works(member->p, shard);
		if (by == 1)
			continue;
		(void)snprintf(why, size, "shard %u of %s is worked by %u instances", shard,
			first->def.name, by);
		return false;
	}
	return true;
}

/* ---- the end ---- */

/* Each event with a consumer here has left its mark in the slot. False: `why` says which not. */
static bool is_consumed(struct saga__member *owner, const struct saga__known_event *event,
	struct saga__member *member, char *why, size_t size)
{
	const struct saga__known *known =
		saga__plan_type(member->plan, event->type, event->version);

	for (size_t i = 0; known && i < known->route_count; i++) {
		const struct saga__route *route = &known->routes[i];
		const saga_step_def *step = &member->plan->steps[route->step];
		const char *subject = step->per_subject ? event->subject : "", *wrong;
		const struct saga__known_slot *slot =
			saga__mirror_slot(member, event->saga, route->row, subject, false);
		char id[SAGA_ID_TEXT];

		if (slot && slot->now.forgotten)
			continue;
		wrong = wrong_end(route->role, slot ? slot->now.state : SAGA__ABSENT);
		if (!wrong)
			continue;
		(void)snprintf(why, size, "law 3: %s said %s, and %s, saga %s, slot %s%s%s %s",
			owner->def.name, event->type, member->def.name,
			saga_id_text(event->saga, id), member->plan->rows[route->row].name,
			*subject ? "/" : "", subject, wrong);
		return false;
	}
	return true;
}

static bool follows(const struct saga__member *member, const struct saga__member *owner)
{
	for (size_t i = 0; owner->followers[i]; i++)
		if (strcmp(owner->followers[i], member->def.name) == 0)
			return true;
	return member == owner;
}

static bool stream_is_consumed(struct saga__member *owner, unsigned shard, char *why, size_t size)
{
	const struct saga__known_stream *stream = &owner->mirror->streams[shard];
	saga_sim *sim = owner->sim;

	for (uint64_t k = 0; k < stream->count; k++)
		for (size_t m = 0; m < sim->member_count; m++)
			if (follows(sim->members[m], owner) &&
				!is_consumed(owner, &stream->events[k], sim->members[m], why, size))
				return false;
	return true;
}

static bool all_is_consumed(saga_sim *sim, char *why, size_t size)
{
	for (size_t i = 0; i < sim->member_count; i++)
		for (unsigned shard = 0; sim->members[i]->first == sim->members[i] &&
			shard < sim->members[i]->shards;
			shard++)
			if (!stream_is_consumed(sim->members[i], shard, why, size))
				return false;
	return true;
}

bool saga__check_rest(saga_sim *sim, char *why, size_t size)
{
	if (sim->open_clients) {
		(void)saga__clients_waiting(sim, why, size);
		return false;
	}
	if (sim->open_hosts) {
		(void)snprintf(why, size, "the host has something to come");
		return false;
	}
	for (size_t i = 0; i < sim->member_count; i++) {
		struct saga__member *member = sim->members[i];

		if (!process_rests(member, why, size) || !parked_rest(member, why, size) ||
			!slots_rest(member, why, size) || !streams_rest(member, why, size) ||
			(member->first == member &&
				(!shards_rest(member, why, size) ||
					!gauge_rests(member, why, size))))
			return false;
	}
	/* The publisher may find out later what the broker lost. */
	return !sim->options.durable || all_is_consumed(sim, why, size);
}

void saga__check_end(saga_sim *sim)
{
	char why[400];

	if (!all_is_consumed(sim, why, sizeof why))
		saga__sim_breach(sim, "%s", why);
}
