#include <stdio.h>

#include "../mutation.h"
#include "publish_state.h"

enum likeness {
	SAME,
	OTHER,
	UNKNOWN,
	BEYOND
};

/* ---- what followers say ---- */

static enum likeness compare(const struct saga__publish *publish,
	const struct saga__follower *follower, uint64_t seq, saga_id id)
{
	const struct saga__claim *claim = &follower->claim;
	saga_id ours;

	if (!seq || (claim->right_seq == seq && saga__id_same(claim->right_id, id)))
		return SAME;
	if (seq > publish->last)
		return BEYOND;
	ours = saga__publish_id_at(publish, seq);
	if (saga__id_is_zero(ours) || saga__id_is_zero(id))
		return UNKNOWN;
	return saga__id_same(ours, id) ? SAME : OTHER;
}

/* The follower named that event, and we have another one there, or none. */
static void fork_off(struct saga__publish *publish, struct saga__follower *follower, uint64_t seq,
	saga_id id, int64_t now)
{
	if (publish->reading.follower == follower && publish->reading.purpose == SAGA__FOR_ANSWER)
		saga__publish_drop_fetched(publish);
	if (!follower->forked) {
		follower->alarm = true;
		publish->counts.forks++;
		(void)snprintf(follower->text, sizeof follower->text,
			seq > publish->last ? "%s names number %llu, this stream has %llu"
					    : "%s has another event as number %llu (of %llu)",
			follower->name, (unsigned long long)seq, (unsigned long long)publish->last);
	}
	saga__follower_fork(follower);
	follower->claim.right_seq = 0;
	follower->denial = (struct saga__denial){ seq, id };
	saga__publish_reckon(publish, now);
}

/* Has the outbox asked. One claim a follower at a time; others come again. */
static void claim(struct saga__follower *follower, const struct saga__message *message,
	uint64_t seq, int64_t now)
{
	struct saga__claim *claim = &follower->claim;

	if (claim->waits || now < claim->again)
		return;
	claim->waits = true;
	claim->seen = message->kind == SAGA__SEEN;
	claim->shard = message->shard;
	claim->of = message->of;
	claim->seq = seq;
	claim->id = message->id;
}

static void heard(struct saga__publish *publish, struct saga__follower *follower, uint32_t shard,
	uint32_t of, uint64_t seq, bool verified, int64_t now)
{
	bool was_behind = publish->audience.behind;
	bool moved = saga__follower_heard(follower, shard, of, seq, verified, now);

	/* One that was ahead of us, by another's sending, does not move when we get there. */
	if (moved || (was_behind && seq >= publish->last)) {
		saga__publish_reckon(publish, now);
		if (!publish->audience.behind && was_behind)
			publish->beat_due =
				now + (int64_t)publish->config.beat_max_ms * SAGA__SIGN_OF_LIFE;
		else if (publish->audience.behind && moved)
			saga__publish_beat_soon(publish, now);
	} else if (seq < publish->last && !was_behind) {
		saga__publish_beat_soon(publish, now); /* late, or set back: let it say it again */
	}
}

static bool is_verified(const struct saga__follower *follower, const struct saga__message *message)
{
	return follower->of == message->of && follower->listeners[message->shard].verified;
}

static void take_seen(struct saga__publish *publish, struct saga__follower *follower,
	const struct saga__message *message, int64_t now)
{
	if (!follower->declared || message->of > SAGA__SHARDS_MOST ||
		message->shard >= message->of || message->last > SAGA__SEQ_MOST)
		return;
	switch (compare(publish, follower, message->last, message->id)) {
	case OTHER:
		fork_off(publish, follower, message->last, message->id, now);
		break;
	case BEYOND:
		claim(follower, message, message->last, now);
		break;
	case UNKNOWN:
		if ((follower->forked || !is_verified(follower, message)) &&
			!saga__id_is_zero(message->id))
			claim(follower, message, message->last, now);
		if (!follower->forked)
			heard(publish, follower, message->shard, message->of, message->last, false,
				now);
		break;
	case SAME:
		heard(publish, follower, message->shard, message->of, message->last, true, now);
		break;
	}
}

static bool was_answered(const struct saga__publish *publish, const struct saga__answer *answer,
	uint64_t from, int64_t now)
{
	return answer->last == from && now - answer->last_at < publish->config.beat_min_ms;
}

static void answer_gone(struct saga__publish *publish, struct saga__answer *answer, int64_t now)
{
	saga__answer_end(answer, now);
	answer->gone = saga__publish_available_from(publish);
}

static void begin_answer(struct saga__publish *publish, struct saga__follower *follower,
	const struct saga__message *message, int64_t now)
{
	struct saga__answer *answer = &follower->answer;
	uint64_t to = message->last;

	if (answer->active || was_answered(publish, answer, message->first, now))
		return;
	if (to >= publish->next)
		to = publish->next - 1;
	if (to - message->first >= publish->config.window)
		to = message->first + publish->config.window - 1;
	answer->from = answer->next = message->first + SAGA__MUTANT(need_answered_late);
	answer->to = to;
	answer->before = message->id;
	if (message->first < saga__publish_available_from(publish))
		answer_gone(publish, answer, now);
	else
		answer->active = true;
}

/* Whoever changes names with each NEED gets no more answers than one stranger does. */
static bool stranger_may_ask(struct saga__publish *publish, int64_t now)
{
	if (now < publish->strangers_rest_until)
		return false;
	publish->strangers_rest_until =
		now + (int64_t)publish->config.beat_min_ms * SAGA__STRANGERS_REST;
	return true;
}

/*
 * A follower with another history must stop, too, but may have forgotten all ids but that of its
 * position. The event that it asks for names its predecessor here, which the follower compares.
 */
static void prove_fork(
	struct saga__publish *publish, struct saga__follower *follower, uint64_t first, int64_t now)
{
	const struct saga__message evidence = { .first = first, .last = first };

	if (first >= saga__publish_available_from(publish) && first < publish->next)
		begin_answer(publish, follower, &evidence, now);
}

static void take_need(struct saga__publish *publish, struct saga__follower *follower,
	const struct saga__message *message, int64_t now)
{
	if (!message->first || message->first > message->last || message->first > SAGA__SEQ_MOST)
		return;
	publish->counts.needs++;
	if (!follower->declared && !stranger_may_ask(publish, now))
		return;
	if (follower->forked) {
		prove_fork(publish, follower, message->first, now);
		return;
	}
	switch (compare(publish, follower, message->first - 1, message->id)) {
	case OTHER:
		fork_off(publish, follower, message->first - 1, message->id, now);
		break;
	case BEYOND:
		claim(follower, message, message->first - 1, now);
		break;
	case UNKNOWN:
	case SAME:
		/* An event that the window holds back is not lost: it is sent to all, once. */
		if (message->first < publish->next)
			begin_answer(publish, follower, message, now);
		break;
	}
}

void saga__publish_message(
	struct saga__publish *publish, const struct saga__message *message, int64_t now)
{
	struct saga__follower *follower;

	if (!publish->started || !saga__stream_same(&message->stream, &publish->config.stream))
		return;
	if (message->kind != SAGA__SEEN && message->kind != SAGA__NEED)
		return;
	saga__publish_give_back(publish);
	follower = saga__audience_find(&publish->audience, message->from);
	if (!follower)
		return;
	if (message->kind == SAGA__SEEN)
		take_seen(publish, follower, message, now);
	else
		take_need(publish, follower, message, now);
}

/* ---- what the outbox says ---- */

/* The outbox begins later than what was asked for. */
static void begins_at(struct saga__publish *publish, uint64_t seq, int64_t now)
{
	struct saga__reading *reading = &publish->reading;

	saga__publish_trimmed(publish, seq);
	if (reading->purpose == SAGA__FOR_ALL) {
		publish->next = seq;
	} else {
		answer_gone(publish, &reading->follower->answer, now);
		reading->purpose = SAGA__FOR_NOBODY;
	}
}

static bool contradicts(const struct saga__answer *answer, uint64_t seq, saga_id before)
{
	return seq == answer->from && !saga__id_is_zero(before) &&
		!saga__id_is_zero(answer->before) && !saga__id_same(before, answer->before);
}

void saga__publish_read(struct saga__publish *publish, uint64_t seq, saga_id before, saga_id id,
	struct saga__blob *event)
{
	struct saga__reading *reading = &publish->reading;

	if (!reading->out || seq < reading->expected || seq > reading->last)
		return;
	if (reading->purpose == SAGA__FOR_CLAIM) {
		reading->found = true;
		reading->same = saga__id_same(id, reading->follower->claim.id);
		return;
	}
	if (reading->purpose == SAGA__FOR_NOBODY)
		return;
	if (seq != reading->expected && reading->count) {
		reading->expected = UINT64_MAX; /* a hole: what is behind it is asked for anew */
		return;
	}
	reading->fetched[reading->count++] = (struct saga__fetched){
		.seq = seq, .before = before, .event = saga__blob_ref(event)
	};
	reading->expected = seq + 1;
}

static void end_claim(struct saga__publish *publish, bool complete, int64_t now)
{
	struct saga__reading *reading = &publish->reading;
	struct saga__follower *follower = reading->follower;
	struct saga__claim *claimed = &follower->claim;

	reading->purpose = SAGA__FOR_NOBODY;
	claimed->waits = false;
	claimed->again = now + publish->config.beat_min_ms;
	if (reading->found && reading->same) {
		claimed->right_seq = claimed->seq;
		claimed->right_id = claimed->id;
		if (claimed->seen && (!follower->of || follower->of == claimed->of))
			heard(publish, follower, claimed->shard, claimed->of, claimed->seq, true,
				now);
	} else if (reading->found ||
		(complete && claimed->seq > publish->last && claimed->seq > publish->reaches)) {
		fork_off(publish, follower, claimed->seq, claimed->id, now);
	}
}

static void end_empty(struct saga__publish *publish, bool complete, int64_t now)
{
	struct saga__reading *reading = &publish->reading;

	if (complete)
		begins_at(publish, reading->last + 1, now);
	else if (reading->purpose == SAGA__FOR_ALL)
		publish->read_again = now + publish->config.beat_min_ms;
	else
		reading->follower->answer.active = false;
	reading->purpose = SAGA__FOR_NOBODY;
}

void saga__publish_read_end(struct saga__publish *publish, bool complete, int64_t now)
{
	struct saga__reading *reading = &publish->reading;
	const struct saga__fetched *fetched = reading->fetched;

	if (!reading->out)
		return;
	saga__publish_give_back(publish);
	reading->out = false;
	if (reading->purpose == SAGA__FOR_CLAIM) {
		end_claim(publish, complete, now);
	} else if (reading->purpose != SAGA__FOR_NOBODY && !reading->count) {
		end_empty(publish, complete, now);
	} else if (reading->purpose == SAGA__FOR_ANSWER &&
		contradicts(&reading->follower->answer, fetched->seq, fetched->before)) {
		fork_off(publish, reading->follower, fetched->seq - 1,
			reading->follower->answer.before, now);
	} else if (reading->purpose != SAGA__FOR_NOBODY && fetched->seq != reading->first) {
		begins_at(publish, fetched->seq, now);
		if (reading->purpose == SAGA__FOR_NOBODY)
			saga__publish_drop_fetched(publish);
	}
}
