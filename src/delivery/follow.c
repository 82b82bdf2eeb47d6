#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backoff.h"
#include "../event/id.h"
#include "../mutation.h"
#include "follow_state.h"

enum {
	WINDOW_MOST = 65536
};

/* ---- places ---- */

static struct place *place_of(const struct saga__follow *follow, uint64_t seq)
{
	size_t room = 2 * follow->config.window;

	assert(room);
	return &follow->places[seq % room];
}

static const struct place *kept_at(const struct saga__follow *follow, uint64_t seq)
{
	const struct place *place = place_of(follow, seq);

	return place->seq == seq && place->event ? place : NULL;
}

static uint64_t reach(const struct saga__follow *follow)
{
	return follow->delivered + follow->config.window;
}

static void clear(struct saga__follow *follow, uint64_t upto)
{
	for (size_t i = 0; i < 2 * follow->config.window; i++) {
		struct place *place = &follow->places[i];

		if (place->seq <= upto) {
			give_room(follow, place);
			saga__blob_unref(place->event);
			*place = (struct place){ 0 };
		}
	}
}

/* Receiving goes on behind seq. */
static void begin_behind(struct saga__follow *follow, uint64_t seq, saga_id id)
{
	follow->delivered = follow->joined = seq;
	follow->delivered_id = follow->joined_id = id;
	if (seq)
		*place_of(follow, seq) = (struct place){ .seq = seq, .id = id };
	if (follow->known < seq)
		follow->known = seq;
}

/* ---- life ---- */

static bool name_is_valid(const char *name)
{
	size_t size = name ? strlen(name) : 0;

	return size && size <= SAGA__PARTICIPANT_MOST;
}

static bool config_is_valid(const struct saga__follow_config *config)
{
	if (!name_is_valid(config->group) || !name_is_valid(config->owner) || !config->env)
		return false;
	if (!config->window || config->window > WINDOW_MOST || !config->shards ||
		config->shards > SAGA__SHARDS_MOST)
		return false;
	if (config->need_min_ms <= 0 || config->need_max_ms < config->need_min_ms ||
		config->move_ms <= 0 || config->move_most_ms < config->move_ms)
		return false;
	for (uint32_t i = 0; i < config->shards; i++)
		if (config->positions[i].seq > SAGA__SEQ_MOST)
			return false;
	return true;
}

static void stand(struct line *line, uint32_t shards, uint32_t shard, bool *waits)
{
	if (*waits)
		return;
	*waits = true;
	line->shards[(line->head + line->count++) % shards] = shard;
}

static struct shard *leave(struct saga__follow *follow, struct line *line, uint32_t *ret_shard)
{
	if (!line->count)
		return NULL;
	*ret_shard = line->shards[line->head];
	line->head = (line->head + 1) % follow->config.shards;
	line->count--;
	return &follow->shards[*ret_shard];
}

static void say(struct saga__follow *follow, uint32_t shard)
{
	if (follow->shards[shard].works)
		stand(&follow->says, follow->config.shards, shard, &follow->shards[shard].say);
}

static void say_all(struct saga__follow *follow)
{
	for (uint32_t i = 0; i < follow->config.shards; i++)
		say(follow, i);
}

static bool differ(saga_id a, saga_id b)
{
	return !saga__id_is_zero(a) && !saga__id_is_zero(b) && !saga__id_same(a, b);
}

/* Whether some shard has committed another event as seq. */
static bool contradicts_position(const struct saga__follow *follow, uint64_t seq, saga_id id)
{
	for (uint32_t i = 0; i < follow->config.shards; i++)
		if (follow->shards[i].at.seq == seq && differ(follow->shards[i].at.id, id))
			return true;
	return false;
}

static void fork_off(struct saga__follow *follow, uint64_t seq, const char *by)
{
	follow->stop = FORKED;
	follow->alarm = true;
	follow->probe = true;
	follow->need_due = follow->move_due = INT64_MAX;
	(void)snprintf(follow->text, sizeof follow->text,
		"%s names another event as number %llu than we have, %llu were delivered (%s)",
		follow->owner, (unsigned long long)seq, (unsigned long long)follow->delivered, by);
	say_all(follow);
}

static void open_positions(
	struct saga__follow *follow, const struct saga__position *positions, const bool *works)
{
	struct saga__position least = { SAGA__SEQ_MOST, { { 0 } } };

	follow->stop = IDLE;
	for (uint32_t i = 0; i < follow->config.shards; i++) {
		struct saga__position at = positions[i];

		follow->shards[i] = (struct shard){ .moved = SAGA__SEQ_MOST };
		if (works && !works[i])
			continue;
		follow->shards[i] = (struct shard){ .at = at, .moved = at.seq, .works = true };
		follow->stop = RUNNING;
		if (at.seq < least.seq)
			least = at;
		if (at.seq > follow->highest)
			follow->highest = at.seq;
	}
	if (follow->stop == IDLE)
		return;
	begin_behind(follow, least.seq, least.id);
	follow->known = follow->highest;
	follow->least_moved = least.seq;
	say_all(follow);
	if (contradicts_position(follow, least.seq, least.id))
		fork_off(follow, least.seq, "our shards disagree");
	else if (follow->config.forked)
		fork_off(follow, least.seq, "found before, and not accepted");
}

int saga__follow_new(const struct saga__follow_config *config, struct saga__follow **ret_follow)
{
	struct saga__follow *follow;

	if (!config_is_valid(config))
		return SAGA_MISUSE;
	follow = calloc(1, sizeof *follow);
	if (!follow)
		return SAGA_NOMEM;
	follow->config = *config;
	follow->places = calloc(2 * config->window, sizeof *follow->places);
	follow->shards = calloc(config->shards, sizeof *follow->shards);
	follow->says.shards = calloc(config->shards, sizeof *follow->says.shards);
	follow->moves.shards = calloc(config->shards, sizeof *follow->moves.shards);
	if (!follow->places || !follow->shards || !follow->says.shards || !follow->moves.shards) {
		saga__follow_free(follow);
		return SAGA_NOMEM;
	}
	memcpy(follow->group, config->group, strlen(config->group));
	memcpy(follow->owner, config->owner, strlen(config->owner));
	follow->fresh = config->fresh;
	follow->need_due = follow->move_due = INT64_MAX;
	follow->config.positions = NULL; /* as are those it works: the caller's */
	open_positions(follow, config->positions, config->works);
	*ret_follow = follow;
	return SAGA_OK;
}

void saga__follow_restart(struct saga__follow *follow, const struct saga__position *positions,
	const bool *works, bool forked)
{
	follow->config.forked = forked;
	clear(follow, UINT64_MAX);
	follow->says.count = follow->moves.count = 0;
	follow->alarm = follow->probe = follow->unsaid = false;
	follow->need_due = follow->move_due = INT64_MAX;
	follow->delivered = follow->known = follow->highest = follow->asked = 0;
	follow->fresh = true;
	for (uint32_t i = 0; i < follow->config.shards; i++)
		if ((!works || works[i]) && positions[i].seq)
			follow->fresh = false;
	open_positions(follow, positions, works);
}

struct saga__position saga__follow_position(const struct saga__follow *follow, uint32_t shard)
{
	return follow->shards[shard].at;
}

void saga__follow_fork(struct saga__follow *follow)
{
	if (follow->stop == RUNNING)
		fork_off(follow, follow->delivered, "found by another instance");
}

void saga__follow_free(struct saga__follow *follow)
{
	if (!follow)
		return;
	if (follow->places)
		clear(follow, UINT64_MAX);
	free(follow->moves.shards);
	free(follow->says.shards);
	free(follow->shards);
	free(follow->places);
	free(follow);
}

/* ---- what is missing ---- */

static bool is_missing(const struct saga__follow *follow)
{
	return follow->stop == RUNNING && follow->joined < follow->known &&
		follow->joined < reach(follow);
}

/* The wait for what is missing begins, goes on or ends. */
static void watch(struct saga__follow *follow, int64_t now)
{
	if (!is_missing(follow)) {
		follow->need_due = INT64_MAX;
		follow->asked = 0;
	} else if (follow->need_due == INT64_MAX) {
		follow->counts.gaps++;
		follow->need_wait = follow->config.need_min_ms;
		follow->need_due = now + follow->config.need_min_ms;
	}
}

static void progressed(struct saga__follow *follow, int64_t now)
{
	bool all_came = follow->asked && follow->joined >= follow->asked;

	if (follow->need_due != INT64_MAX) {
		follow->need_wait = follow->config.need_min_ms;
		follow->need_due = all_came ? now : now + follow->config.need_min_ms;
	}
}

/* Takes on what now follows without a gap. */
static void join(struct saga__follow *follow, int64_t now)
{
	uint64_t before = follow->joined;
	const struct place *place;

	while (follow->stop == RUNNING && (place = kept_at(follow, follow->joined + 1)) != NULL) {
		if (differ(place->before, follow->joined_id)) {
			fork_off(follow, follow->joined, "predecessor");
		} else if (place->seq <= follow->highest &&
			contradicts_position(follow, place->seq, place->id)) {
			fork_off(follow, place->seq, "position");
		} else {
			follow->joined++;
			follow->joined_id = place->id;
		}
	}
	if (follow->joined != before)
		progressed(follow, now);
}

/* Once nothing is delivered for a while; but it is not put off for ever. */
static void move_later(struct saga__follow *follow, int64_t now)
{
	int64_t due = now + follow->config.move_ms;

	if (follow->move_due == INT64_MAX)
		follow->move_latest = now + follow->config.move_most_ms;
	follow->move_due = due < follow->move_latest ? due : follow->move_latest;
}

static void start_at(struct saga__follow *follow, uint64_t first, int64_t now)
{
	clear(follow, first - 1);
	begin_behind(follow, first - 1, (saga_id){ { 0 } });
	move_later(follow, now);
	join(follow, now); /* it may stop, and then nothing is due */
}

/* ---- what the owner says ---- */

static void take_event(
	struct saga__follow *follow, const struct saga__message *message, saga_id id, int64_t now)
{
	uint64_t seq = message->last;
	struct place *place = place_of(follow, seq);
	struct saga__blob *event;

	if (!seq)
		return;
	if (seq > follow->known)
		follow->known = seq;
	if (seq > reach(follow)) {
		follow->counts.forgotten++;
		return;
	}
	if (seq <= follow->delivered || place->seq == seq) {
		follow->counts.doubled++;
		if (place->seq == seq && differ(place->id, id))
			fork_off(follow, seq, "event");
		return;
	}
	event = has_room(follow, seq, message->event.size)
		? saga__blob_new(message->event.at, message->event.size)
		: NULL;
	if (!event) {
		follow->counts.forgotten++;
		return;
	}
	*place = (struct place){ .seq = seq, .id = id, .before = message->id, .event = event };
	take_room(follow, place, message->event.size);
	if (seq == follow->joined + 1)
		join(follow, now);
}

static void answer_beat(struct saga__follow *follow, int64_t now)
{
	for (uint32_t i = 0; i < follow->config.shards; i++)
		if (now - follow->shards[i].said_at >= follow->config.need_min_ms)
			say(follow, i);
}

static void take_beat(struct saga__follow *follow, const struct saga__message *message, int64_t now)
{
	const struct place *place = place_of(follow, message->last);
	bool other = place->seq == message->last && differ(place->id, message->id);

	if (!message->first || message->first > message->last + 1)
		return;
	if (message->last && (other || contradicts_position(follow, message->last, message->id))) {
		fork_off(follow, message->last, "beat");
		return;
	}
	if (follow->fresh && message->first > follow->joined + 1)
		start_at(follow, message->first, now);
	if (message->last > follow->known)
		follow->known = message->last;
	if (message->last == follow->joined && saga__id_is_zero(follow->joined_id)) {
		follow->joined_id = message->id;
		if (follow->delivered == follow->joined)
			begin_behind(follow, message->last, message->id);
	}
	answer_beat(follow, now);
}

static void take_gone(struct saga__follow *follow, const struct saga__message *message, int64_t now)
{
	if (message->first <= follow->joined + 1)
		return;
	if (follow->fresh) {
		start_at(follow, message->first, now);
		return;
	}
	follow->stop = GONE;
	follow->alarm = true;
	follow->gone_first = message->first;
	follow->need_due = follow->move_due = INT64_MAX;
}

/* Whether we have that event: it was delivered lately, or a shard has committed it. */
static bool has_event(const struct saga__follow *follow, uint64_t seq, saga_id id)
{
	const struct place *place = place_of(follow, seq);

	if (place->seq == seq && saga__id_same(place->id, id))
		return true;
	for (uint32_t i = 0; i < follow->config.shards; i++)
		if (follow->shards[i].works && follow->shards[i].at.seq == seq &&
			saga__id_same(follow->shards[i].at.id, id))
			return true;
	return false;
}

/* A late FORK names an event of a history that an operator has left since. */
static void take_fork(struct saga__follow *follow, const struct saga__message *message)
{
	if (message->last && has_event(follow, message->last, message->id))
		fork_off(follow, message->last, "its outbox does not have ours");
}

void saga__follow_message(
	struct saga__follow *follow, const struct saga__message *message, saga_id id, int64_t now)
{
	if (!saga__stream_same(&message->stream, &follow->config.stream) ||
		strcmp(message->from, follow->owner) != 0)
		return;
	if (message->first > SAGA__SEQ_MOST || message->last > SAGA__SEQ_MOST)
		return;
	if (follow->stop != RUNNING) {
		if (follow->stop == FORKED && message->kind == SAGA__BEAT)
			follow->probe = true;
		return;
	}
	if (message->kind == SAGA__EVENT)
		take_event(follow, message, id, now);
	else if (message->kind == SAGA__BEAT)
		take_beat(follow, message, now);
	else if (message->kind == SAGA__GONE)
		take_gone(follow, message, now);
	else if (message->kind == SAGA__FORK)
		take_fork(follow, message);
}

/* ---- what the host says ---- */

void saga__follow_committed(struct saga__follow *follow, uint32_t shard, uint64_t seq, saga_id id)
{
	struct shard *mine;

	if (shard >= follow->config.shards || seq > SAGA__SEQ_MOST)
		return;
	mine = &follow->shards[shard];
	if (!mine->works || seq <= mine->at.seq)
		return;
	mine->at = (struct saga__position){ seq, id };
	if (seq > mine->moved)
		mine->moved = seq;
	follow->unsaid = true;
	if (follow->stop == RUNNING && seq - mine->said >= (follow->config.window + 1) / 2)
		say(follow, shard);
}

void saga__follow_flush(struct saga__follow *follow)
{
	if (!follow->unsaid || follow->stop != RUNNING)
		return;
	follow->unsaid = false;
	for (uint32_t i = 0; i < follow->config.shards; i++)
		if (follow->shards[i].at.seq > follow->shards[i].said)
			say(follow, i);
}

void saga__follow_hold(struct saga__follow *follow, bool hold)
{
	follow->held = hold;
}

/* ---- what comes out ---- */

static void fill(const struct saga__follow *follow, int kind, struct saga__follow_effect *effect)
{
	effect->kind = SAGA__FOLLOW_SEND;
	effect->message = (struct saga__message){ .kind = kind, .stream = follow->config.stream };
	memcpy(effect->message.from, follow->group, sizeof follow->group);
}

static bool next_alarm(struct saga__follow *follow, struct saga__follow_effect *effect)
{
	if (!follow->alarm)
		return false;
	follow->alarm = false;
	effect->kind = follow->stop == FORKED ? SAGA__FOLLOW_FORK : SAGA__FOLLOW_GONE;
	effect->wanted = follow->joined + 1;
	effect->first = follow->gone_first;
	memcpy(effect->text, follow->text, sizeof effect->text);
	return true;
}

/* Shards that lag by that much are to be moved; each is asked once, until it lags again. */
static void look_for_moves(struct saga__follow *follow, uint64_t lag)
{
	uint64_t least = follow->delivered;

	for (uint32_t i = 0; i < follow->config.shards; i++) {
		struct shard *shard = &follow->shards[i];

		if (shard->moved < follow->delivered && follow->delivered - shard->moved >= lag)
			stand(&follow->moves, follow->config.shards, i, &shard->move);
		else if (shard->moved < least)
			least = shard->moved;
	}
	follow->least_moved = least;
}

static void look_at_positions(struct saga__follow *follow, int64_t now)
{
	uint64_t half = (follow->config.window + 1) / 2;

	if (follow->delivered <= follow->least_moved)
		return;
	if (follow->delivered - follow->least_moved >= half)
		look_for_moves(follow, half);
	if (follow->delivered > follow->least_moved)
		move_later(follow, now);
}

static bool next_event(struct saga__follow *follow, int64_t now, struct saga__follow_effect *effect)
{
	struct place *place;

	if (follow->stop != RUNNING || follow->held || follow->delivered == follow->joined)
		return false;
	place = place_of(follow, follow->delivered + 1);
	effect->kind = SAGA__FOLLOW_DELIVER;
	effect->seq = place->seq;
	effect->id = place->id;
	effect->event = place->event;
	give_room(follow, place);
	place->event = NULL;
	follow->delivered++;
	follow->delivered_id = place->id;
	follow->fresh = false;
	follow->counts.delivered++;
	look_at_positions(follow, now);
	return true;
}

static bool next_seen(struct saga__follow *follow, int64_t now, struct saga__follow_effect *effect)
{
	uint32_t number;
	struct shard *shard = leave(follow, &follow->says, &number);

	if (!shard)
		return false;
	shard->say = false;
	shard->said = shard->at.seq;
	shard->said_at = now;
	if (SAGA__MUTANT(seen_lost))
		return false;
	fill(follow, SAGA__SEEN, effect);
	effect->message.shard = number;
	effect->message.of = follow->config.shards;
	effect->message.last = shard->at.seq;
	effect->message.id = shard->at.id;
	return true;
}

static bool next_move(struct saga__follow *follow, int64_t now, struct saga__follow_effect *effect)
{
	uint32_t number;
	struct shard *shard;

	if (follow->stop != RUNNING || follow->held)
		return false;
	if (now >= follow->move_due) {
		follow->move_due = INT64_MAX;
		look_for_moves(follow, 1);
	}
	while ((shard = leave(follow, &follow->moves, &number)) != NULL) {
		shard->move = false;
		if (shard->moved >= follow->delivered)
			continue;
		shard->moved = follow->delivered;
		effect->kind = SAGA__FOLLOW_MOVE;
		effect->shard = number;
		effect->seq = follow->delivered;
		effect->id = follow->delivered_id;
		return true;
	}
	return false;
}

static void need(const struct saga__follow *follow, uint64_t to, struct saga__follow_effect *effect)
{
	fill(follow, SAGA__NEED, effect);
	effect->message.first = follow->joined + 1;
	effect->message.last = to;
	effect->message.id = follow->joined_id;
}

static int64_t jitter(const struct saga__follow *follow)
{
	uint32_t random;

	saga__random(follow->config.env, &random, sizeof random);
	return saga__backoff_jitter(follow->config.need_min_ms, follow->need_wait, random);
}

static bool next_need(struct saga__follow *follow, int64_t now, struct saga__follow_effect *effect)
{
	uint64_t to = follow->known < reach(follow) ? follow->known : reach(follow);

	if (follow->probe && follow->joined < SAGA__SEQ_MOST) {
		follow->probe = false;
		need(follow, follow->joined + 1, effect);
		return true;
	}
	watch(follow, now);
	if (now < follow->need_due)
		return false;
	for (uint64_t seq = follow->joined + 2; seq <= to; seq++)
		if (kept_at(follow, seq))
			to = seq - 1;
	need(follow, to, effect);
	follow->asked = to;
	follow->need_wait = saga__backoff_double(follow->need_wait, follow->config.need_max_ms);
	follow->need_due = now + jitter(follow);
	follow->counts.needs++;
	return true;
}

bool saga__follow_next(
	struct saga__follow *follow, int64_t now, struct saga__follow_effect *ret_effect)
{
	return next_alarm(follow, ret_effect) || next_event(follow, now, ret_effect) ||
		next_seen(follow, now, ret_effect) || next_move(follow, now, ret_effect) ||
		next_need(follow, now, ret_effect);
}

bool saga__follow_next_quiet(
	struct saga__follow *follow, int64_t now, struct saga__follow_effect *ret_effect)
{
	return next_alarm(follow, ret_effect) || next_event(follow, now, ret_effect) ||
		next_move(follow, now, ret_effect);
}

int64_t saga__follow_due_quiet(const struct saga__follow *follow)
{
	return follow->held ? INT64_MAX : follow->move_due;
}

int64_t saga__follow_due(const struct saga__follow *follow)
{
	int64_t move_due = saga__follow_due_quiet(follow);

	return follow->need_due < move_due ? follow->need_due : move_due;
}

bool saga__follow_stopped(const struct saga__follow *follow)
{
	return follow->stop == GONE || follow->stop == FORKED;
}

bool saga__follow_wants(const struct saga__follow *follow, uint32_t shard, uint64_t seq)
{
	return shard < follow->config.shards && follow->shards[shard].works &&
		follow->shards[shard].at.seq < seq;
}

uint64_t saga__follow_delivered(const struct saga__follow *follow)
{
	return follow->delivered;
}

uint64_t saga__follow_lag(const struct saga__follow *follow)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < follow->config.shards; i++)
		if (follow->shards[i].works && follow->shards[i].at.seq < least)
			least = follow->shards[i].at.seq;
	return follow->known > least ? follow->known - least : 0;
}

struct saga__follow_counts saga__follow_counted(const struct saga__follow *follow)
{
	return follow->counts;
}
