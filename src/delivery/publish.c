#include "publish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../backoff.h"
#include "publish_state.h"

enum {
	WINDOW_MOST = 65536
};

/* ---- memory ---- */

static bool config_is_valid(const struct saga__publish_config *config)
{
	size_t name = config->name ? strlen(config->name) : 0;

	return name && name <= SAGA__PARTICIPANT_MOST && config->window &&
		config->window <= WINDOW_MOST && config->ring >= config->window &&
		config->beat_min_ms > 0 && config->beat_max_ms >= config->beat_min_ms &&
		config->beat_max_ms <= INT32_MAX / 2 && config->alive_ms > 0;
}

int saga__publish_new(const struct saga__publish_config *config, struct saga__publish **ret_publish)
{
	struct saga__publish *publish;

	if (!config_is_valid(config))
		return SAGA_MISUSE;
	publish = calloc(1, sizeof *publish);
	if (!publish)
		return SAGA_NOMEM;
	publish->config = *config;
	memcpy(publish->name, config->name, strlen(config->name));
	publish->ring = calloc(config->ring, sizeof *publish->ring);
	publish->reading.fetched = calloc(config->window, sizeof *publish->reading.fetched);
	if (!publish->ring || !publish->reading.fetched ||
		saga__audience_init(&publish->audience, config->followers, config->alive_ms)) {
		saga__publish_free(publish);
		return SAGA_NOMEM;
	}
	*ret_publish = publish;
	return SAGA_OK;
}

void saga__publish_give_back(struct saga__publish *publish)
{
	saga__blob_unref(publish->lent);
	publish->lent = NULL;
}

void saga__publish_drop_fetched(struct saga__publish *publish)
{
	struct saga__reading *reading = &publish->reading;

	for (; reading->head < reading->count; reading->head++)
		saga__blob_unref(reading->fetched[reading->head].event);
	reading->head = reading->count = 0;
	reading->purpose = SAGA__FOR_NOBODY;
}

static void drop_ring(struct saga__publish *publish)
{
	for (size_t i = 0; i < publish->config.ring; i++) {
		saga__blob_unref(publish->ring[i].event);
		publish->ring[i].event = NULL;
	}
	publish->holes = 0;
}

void saga__publish_free(struct saga__publish *publish)
{
	if (!publish)
		return;
	saga__publish_give_back(publish);
	if (publish->reading.fetched)
		saga__publish_drop_fetched(publish);
	if (publish->ring)
		drop_ring(publish);
	saga__audience_free(&publish->audience);
	free(publish->reading.fetched);
	free(publish->ring);
	free(publish);
}

static struct saga__kept *slot_of(const struct saga__publish *publish, uint64_t seq)
{
	return &publish->ring[seq % publish->config.ring];
}

static bool in_ring(const struct saga__publish *publish, uint64_t seq)
{
	return seq >= publish->kept_from && seq <= publish->last;
}

static const struct saga__kept *in_memory(const struct saga__publish *publish, uint64_t seq)
{
	const struct saga__kept *kept = in_ring(publish, seq) ? slot_of(publish, seq) : NULL;

	return kept && kept->event ? kept : NULL;
}

uint64_t saga__publish_available_from(const struct saga__publish *publish)
{
	bool memory = !publish->holes && publish->kept_from <= publish->last;

	return memory && publish->kept_from < publish->first ? publish->kept_from : publish->first;
}

saga_id saga__publish_id_at(const struct saga__publish *publish, uint64_t seq)
{
	if (seq == publish->last)
		return publish->last_id;
	if (in_ring(publish, seq))
		return slot_of(publish, seq)->id;
	if (in_ring(publish, seq + 1))
		return slot_of(publish, seq + 1)->before;
	return (saga_id){ { 0 } };
}

/* ---- what was committed ---- */

void saga__publish_reckon(struct saga__publish *publish, int64_t now)
{
	publish->reckoned = publish->next;
	saga__audience_reckon(
		&publish->audience, publish->last, publish->next - 1, publish->owed_since, now);
}

void saga__publish_start(
	struct saga__publish *publish, uint64_t first, uint64_t last, saga_id id, int64_t now)
{
	saga__publish_give_back(publish);
	saga__publish_drop_fetched(publish);
	drop_ring(publish);
	saga__audience_reset(&publish->audience);
	publish->started = true;
	publish->last = publish->reaches = last;
	publish->first = !first || !last ? 1 : first <= last ? first : last + 1;
	publish->last_id = id;
	publish->kept_from = last + 1;
	publish->next = last + 1;
	publish->owed_since = now;
	publish->read_again = now;
	publish->beat_due = now;
	publish->beat_wait = publish->config.beat_min_ms;
	saga__publish_reckon(publish, now);
}

void saga__publish_stop(struct saga__publish *publish)
{
	saga__publish_give_back(publish);
	saga__publish_drop_fetched(publish);
	drop_ring(publish);
	publish->started = false;
}

void saga__publish_reaches(struct saga__publish *publish, uint64_t seq)
{
	if (seq > publish->reaches)
		publish->reaches = seq;
}

uint64_t saga__publish_last(const struct saga__publish *publish)
{
	return publish->last;
}

void saga__publish_beat_soon(struct saga__publish *publish, int64_t now)
{
	int64_t due = now + publish->config.beat_min_ms;

	publish->beat_wait = publish->config.beat_min_ms;
	if (due < publish->beat_due)
		publish->beat_due = due;
}

/* Another instance committed up to seq - 1, and sent that. */
static void leap(struct saga__publish *publish, uint64_t seq)
{
	drop_ring(publish);
	if (publish->next > publish->last)
		publish->next = seq;
	publish->kept_from = seq;
	publish->last_id = (saga_id){ { 0 } };
}

static void keep(struct saga__publish *publish, uint64_t seq, saga_id id, struct saga__blob *event)
{
	struct saga__kept *kept = slot_of(publish, seq);

	if (seq - publish->kept_from == publish->config.ring) {
		publish->holes -= !kept->event;
		saga__blob_unref(kept->event);
		publish->kept_from++;
	}
	*kept = (struct saga__kept){ .id = id, .before = publish->last_id };
	kept->event = event ? saga__blob_ref(event) : NULL;
	publish->holes += !event;
}

int saga__publish_committed(struct saga__publish *publish, uint64_t seq, saga_id id,
	struct saga__blob *event, int64_t now)
{
	struct saga__audience *audience = &publish->audience;

	if (!publish->started || seq <= publish->last || seq > SAGA__SEQ_MOST)
		return SAGA_MISUSE;
	saga__publish_give_back(publish);
	if (audience->anyone && audience->floor >= publish->last)
		saga__publish_beat_soon(publish, now);
	if (seq != publish->last + 1)
		leap(publish, seq);
	keep(publish, seq, id, event);
	publish->last = seq;
	publish->last_id = id;
	audience->behind = audience->count > 0;
	return SAGA_OK;
}

void saga__publish_trimmed(struct saga__publish *publish, uint64_t first)
{
	if (publish->started && first > publish->first)
		publish->first = first <= publish->last ? first : publish->last + 1;
}

/* ---- what comes out ---- */

static void fill(const struct saga__publish *publish, int kind, const char *to,
	struct saga__publish_effect *effect)
{
	effect->kind = SAGA__PUBLISH_SEND;
	effect->to = to;
	effect->message = (struct saga__message){ .kind = kind, .stream = publish->config.stream };
	memcpy(effect->message.from, publish->name, sizeof publish->name);
}

static void fill_event(const struct saga__publish *publish, const char *to, uint64_t seq,
	saga_id before, const struct saga__blob *event, struct saga__publish_effect *effect)
{
	fill(publish, SAGA__EVENT, to, effect);
	effect->message.last = seq;
	effect->message.id = before;
	effect->message.event = saga__blob_bytes(event);
}

static bool next_word(struct saga__publish *publish, struct saga__publish_effect *effect)
{
	for (size_t i = 0; i <= publish->audience.count; i++) {
		struct saga__follower *follower = &publish->audience.at[i];

		if (follower->alarm) {
			follower->alarm = false;
			effect->kind = SAGA__PUBLISH_FORK;
			effect->to = follower->name;
			memcpy(effect->text, follower->text, sizeof effect->text);
			return true;
		}
		if (follower->answer.gone) {
			fill(publish, SAGA__GONE, follower->name, effect);
			effect->message.first = follower->answer.gone;
			follower->answer.gone = 0;
			publish->counts.gone++;
			return true;
		}
		if (follower->denial.seq) {
			fill(publish, SAGA__FORK, follower->name, effect);
			effect->message.last = follower->denial.seq;
			effect->message.id = follower->denial.id;
			follower->denial.seq = 0;
			return true;
		}
	}
	return false;
}

/* Beats do not name events that the window holds back, or followers would ask for them. */
static uint64_t last_named(const struct saga__publish *publish)
{
	return publish->next < publish->first ? publish->first - 1 : publish->next - 1;
}

static bool next_beat(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *effect)
{
	int most = publish->config.beat_max_ms;

	if (now < publish->beat_due)
		return false;
	fill(publish, SAGA__BEAT, NULL, effect);
	effect->message.first = publish->first;
	effect->message.last = last_named(publish);
	effect->message.id = saga__publish_id_at(publish, effect->message.last);
	if (publish->audience.behind) {
		publish->beat_due = now + publish->beat_wait;
		publish->beat_wait = saga__backoff_double(publish->beat_wait, most);
	} else {
		publish->beat_due = now + (int64_t)most * SAGA__SIGN_OF_LIFE;
	}
	publish->counts.beats++;
	return true;
}

static bool window_is_open(const struct saga__publish *publish)
{
	const struct saga__audience *audience = &publish->audience;

	return !audience->anyone || publish->next <= audience->floor ||
		publish->next - audience->floor <= publish->config.window;
}

static bool may_send(struct saga__publish *publish, int64_t now)
{
	if (publish->next > publish->last)
		return false;
	if (!window_is_open(publish) &&
		(publish->reckoned != publish->next || now >= publish->audience.fades))
		saga__publish_reckon(publish, now);
	return window_is_open(publish);
}

static void sent_to_all(struct saga__publish *publish, uint64_t seq, int64_t now)
{
	if (publish->audience.anyone && publish->audience.floor + 1 >= seq)
		publish->owed_since = now;
	publish->next = seq + 1;
	publish->counts.sent++;
}

static bool next_fetched(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *effect)
{
	struct saga__reading *reading = &publish->reading;
	struct saga__fetched *fetched = &reading->fetched[reading->head];
	bool to_all = reading->purpose == SAGA__FOR_ALL;

	if (reading->out || reading->head == reading->count)
		return false;
	fill_event(publish, to_all ? NULL : reading->follower->name, fetched->seq, fetched->before,
		fetched->event, effect);
	publish->lent = fetched->event;
	if (to_all) {
		sent_to_all(publish, fetched->seq, now);
	} else {
		reading->follower->answer.next = fetched->seq + 1;
		if (fetched->seq >= reading->follower->answer.to)
			saga__answer_end(&reading->follower->answer, now);
		publish->counts.resent++;
	}
	reading->head++;
	if (reading->head == reading->count)
		saga__publish_drop_fetched(publish);
	return true;
}

static bool next_new(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *effect)
{
	const struct saga__kept *kept;

	if (!may_send(publish, now))
		return false;
	kept = in_memory(publish, publish->next);
	if (!kept)
		return false;
	fill_event(publish, NULL, publish->next, kept->before, kept->event, effect);
	sent_to_all(publish, publish->next, now);
	return true;
}

static bool next_answer(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *effect)
{
	size_t count = publish->audience.count + 1;

	for (size_t i = 0; i < count; i++) {
		struct saga__follower *follower =
			&publish->audience.at[(publish->turn + i) % count];
		struct saga__answer *answer = &follower->answer;
		const struct saga__kept *kept =
			answer->active ? in_memory(publish, answer->next) : NULL;

		if (!kept)
			continue;
		fill_event(
			publish, follower->name, answer->next, kept->before, kept->event, effect);
		if (answer->next++ == answer->to)
			saga__answer_end(answer, now);
		publish->turn = (publish->turn + i + 1) % count;
		publish->counts.resent++;
		return true;
	}
	return false;
}

static bool ask(struct saga__publish *publish, int purpose, struct saga__follower *follower,
	uint64_t first, uint64_t last, struct saga__publish_effect *effect)
{
	struct saga__reading *reading = &publish->reading;

	if (last - first >= publish->config.window)
		last = first + publish->config.window - 1;
	for (uint64_t seq = first + 1; seq <= last; seq++)
		if (in_memory(publish, seq))
			last = seq - 1;
	reading->out = true;
	reading->purpose = purpose;
	reading->follower = follower;
	reading->first = reading->expected = first;
	reading->last = last;
	reading->found = reading->same = false;
	effect->kind = SAGA__PUBLISH_READ;
	effect->first = first;
	effect->last = last;
	return true;
}

static bool next_read(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *effect)
{
	const struct saga__audience *audience = &publish->audience;
	size_t count = audience->count + 1;
	uint64_t last = publish->last;

	if (publish->reading.out || publish->reading.count)
		return false;
	if (now >= publish->read_again && may_send(publish, now)) {
		if (audience->anyone && last > audience->floor + publish->config.window)
			last = audience->floor + publish->config.window;
		return ask(publish, SAGA__FOR_ALL, NULL, publish->next, last, effect);
	}
	for (size_t i = 0; i < count; i++) {
		struct saga__follower *follower = &audience->at[(publish->turn + i) % count];
		struct saga__answer *answer = &follower->answer;

		if (!follower->claim.waits && !answer->active)
			continue;
		publish->turn = (publish->turn + i + 1) % count;
		if (follower->claim.waits)
			return ask(publish, SAGA__FOR_CLAIM, follower, follower->claim.seq,
				follower->claim.seq, effect);
		return ask(publish, SAGA__FOR_ANSWER, follower, answer->next, answer->to, effect);
	}
	return false;
}

bool saga__publish_next(
	struct saga__publish *publish, int64_t now, struct saga__publish_effect *ret_effect)
{
	if (!publish->started)
		return false;
	saga__publish_give_back(publish);
	return next_word(publish, ret_effect) || next_beat(publish, now, ret_effect) ||
		next_fetched(publish, now, ret_effect) || next_new(publish, now, ret_effect) ||
		next_answer(publish, now, ret_effect) || next_read(publish, now, ret_effect);
}

int64_t saga__publish_due(const struct saga__publish *publish)
{
	int64_t due = publish->beat_due;
	bool more = publish->next <= publish->last;

	if (!publish->started)
		return INT64_MAX;
	if (more && !window_is_open(publish) && publish->audience.fades < due)
		due = publish->audience.fades;
	if (more && window_is_open(publish) && !publish->reading.out && publish->read_again < due)
		due = publish->read_again;
	return due;
}

uint64_t saga__publish_seen_by_all(const struct saga__publish *publish)
{
	return publish->audience.count ? publish->audience.by_all : publish->last;
}

uint64_t saga__publish_unseen(const struct saga__publish *publish)
{
	return publish->last - saga__publish_seen_by_all(publish);
}

uint64_t saga__publish_unseen_by(const struct saga__publish *publish, size_t index)
{
	uint64_t least = publish->audience.at[index].least;

	assert(index < publish->audience.count);
	if (least + 1 < publish->first)
		least = publish->first - 1;
	return least < publish->last ? publish->last - least : 0;
}

struct saga__publish_counts saga__publish_counted(const struct saga__publish *publish)
{
	return publish->counts;
}
