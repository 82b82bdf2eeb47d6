#include "anchor.h"

#include <assert.h>
#include <string.h>

#include "../event/id.h"
#include "../mutation.h"

static void move_to(struct saga__anchor *anchor, enum saga__anchor_phase phase)
{
	assert(anchor->phase != SAGA__ANCHOR_IDLE || phase == SAGA__ANCHOR_UNCHECKED);
	anchor->phase = phase;
	anchor->asks = phase >= SAGA__ANCHOR_AT_NEWEST;
	assert(anchor->settled.place <= anchor->newest.place || phase == SAGA__ANCHOR_GOES_BACK);
}

void saga__anchor_start(struct saga__anchor *anchor, int64_t settle_ms)
{
	*anchor = (struct saga__anchor){ .settle_ms = settle_ms };
	move_to(anchor, SAGA__ANCHOR_UNCHECKED);
}

void saga__anchor_stop(struct saga__anchor *anchor)
{
	*anchor = (struct saga__anchor){ .phase = SAGA__ANCHOR_IDLE };
}

void saga__anchor_know(struct saga__anchor *anchor, const struct saga__point *newest,
	const struct saga__point *settled, bool others)
{
	static const struct saga__point none = { .place = 0 };

	if (anchor->phase == SAGA__ANCHOR_IDLE)
		return;
	anchor->newest = newest ? *newest : none;
	anchor->settled = settled && settled->place <= anchor->newest.place ? *settled : none;
	/* A shard that was on its way back in the era before begins anew in this one, too. */
	anchor->knew = !newest && (others || anchor->phase == SAGA__ANCHOR_GOES_BACK);
	anchor->has_next = anchor->has_floor = anchor->settles = false;
	anchor->bare = 0;
	move_to(anchor, SAGA__ANCHOR_UNCHECKED);
}

/* ---- moves ---- */

static void go_back(
	struct saga__anchor *anchor, const struct saga__point *to, enum saga__anchor_why why)
{
	anchor->was = anchor->newest.place;
	anchor->why = why;
	anchor->back = to ? *to : (struct saga__point){ .place = 0 };
	anchor->back.era = anchor->era;
	anchor->bare = 0;
	anchor->has_next = anchor->settles = false;
	move_to(anchor, SAGA__ANCHOR_GOES_BACK);
}

static void go_back_to_settled(struct saga__anchor *anchor, enum saga__anchor_why why)
{
	go_back(anchor, anchor->settled.place ? &anchor->settled : NULL, why);
}

/* The broker is as it was. Is the store? */
static void rest(struct saga__anchor *anchor)
{
	bool is_ahead = anchor->has_floor && anchor->floor > anchor->newest.place &&
		anchor->floor > anchor->bare;

	if (SAGA__MUTANT(set_back_unnoticed))
		is_ahead = false;
	move_to(anchor, is_ahead ? SAGA__ANCHOR_COMPARES : SAGA__ANCHOR_RESTS);
}

/* All of the shard up to there is committed, and acked. */
static uint64_t acked_upto(const struct saga__anchor *anchor)
{
	if (!anchor->has_floor)
		return 0;
	return anchor->floor < anchor->newest.place ? anchor->floor : anchor->newest.place;
}

static void look_at_floor(struct saga__anchor *anchor)
{
	anchor->next = (struct saga__point){ anchor->era, acked_upto(anchor), { { 0 } } };
	move_to(anchor, SAGA__ANCHOR_AT_FLOOR);
}

static void look_at_newest(struct saga__anchor *anchor)
{
	anchor->probe = anchor->newest;
	move_to(anchor, SAGA__ANCHOR_AT_NEWEST);
}

static void check(struct saga__anchor *anchor)
{
	anchor->has_next = false;
	anchor->looks = 0;
	anchor->bare = 0;
	if (anchor->knew)
		go_back(anchor, NULL, SAGA__ANCHOR_REMADE);
	else if (anchor->newest.place)
		look_at_newest(anchor);
	else
		rest(anchor);
}

/* ---- what the broker says ---- */

static void settle(struct saga__anchor *anchor, int64_t quiet)
{
	if (anchor->has_next && quiet - anchor->next_at >= anchor->settle_ms) {
		anchor->settled = anchor->next;
		anchor->has_next = false;
		anchor->settles = true;
	}
	if (!anchor->has_next && acked_upto(anchor) > anchor->settled.place)
		look_at_floor(anchor);
}

void saga__anchor_heard(
	struct saga__anchor *anchor, const struct saga__anchor_news *news, int64_t quiet)
{
	if (anchor->phase == SAGA__ANCHOR_IDLE)
		return;
	anchor->era = news->era;
	anchor->first = news->first;
	anchor->last = news->last;
	anchor->removes = news->removes;
	if (anchor->phase == SAGA__ANCHOR_GOES_BACK) {
		anchor->doubtful = anchor->doubtful || news->doubt;
		return;
	}
	if (news->has_floor) {
		anchor->has_floor = true;
		anchor->floor = news->floor;
	}
	if (anchor->phase == SAGA__ANCHOR_UNCHECKED || news->doubt)
		check(anchor);
	else if (anchor->phase == SAGA__ANCHOR_RESTS)
		rest(anchor);
	if (anchor->phase == SAGA__ANCHOR_RESTS)
		settle(anchor, quiet);
}

static bool stands_there(const struct saga__point *point, saga_id id)
{
	return saga__id_is_zero(point->id) || saga__id_same(point->id, id) ||
		SAGA__MUTANT(tail_not_reread);
}

/* Nothing stands there, and nothing need. */
static bool is_removed(const struct saga__anchor *anchor, uint64_t place, saga_id id)
{
	return saga__id_is_zero(id) && (anchor->removes || place < anchor->first);
}

static void looked_at_newest(struct saga__anchor *anchor, saga_id id)
{
	bool has_moved = anchor->newest.place != anchor->probe.place;

	if (stands_there(&anchor->probe, id)) {
		if (has_moved && ++anchor->looks < SAGA__ANCHOR_LOOKS_MOST)
			look_at_newest(anchor);
		else
			rest(anchor);
	} else if (is_removed(anchor, anchor->probe.place, id))
		go_back_to_settled(anchor, SAGA__ANCHOR_UNSURE);
	else if (anchor->settled.place)
		move_to(anchor, SAGA__ANCHOR_AT_SETTLED);
	else
		go_back(anchor, NULL, SAGA__ANCHOR_LOST);
}

static void looked_at_settled(struct saga__anchor *anchor, saga_id id)
{
	if (stands_there(&anchor->settled, id) || is_removed(anchor, anchor->settled.place, id))
		go_back_to_settled(anchor, SAGA__ANCHOR_LOST);
	else
		go_back(anchor, NULL, SAGA__ANCHOR_LOST);
}

static void looked_at_floor(struct saga__anchor *anchor, saga_id id, int64_t now)
{
	anchor->next.id = id;
	anchor->has_next = true;
	anchor->next_at = now;
	rest(anchor);
}

void saga__anchor_looked(struct saga__anchor *anchor, uint64_t place, saga_id id, int64_t now)
{
	switch (anchor->phase) {
	case SAGA__ANCHOR_AT_NEWEST:
		if (place == anchor->probe.place)
			looked_at_newest(anchor, id);
		break;
	case SAGA__ANCHOR_AT_SETTLED:
		if (place == anchor->settled.place)
			looked_at_settled(anchor, id);
		break;
	case SAGA__ANCHOR_AT_FLOOR:
		if (place == anchor->next.place)
			looked_at_floor(anchor, id, now);
		break;
	case SAGA__ANCHOR_IDLE:
	case SAGA__ANCHOR_UNCHECKED:
	case SAGA__ANCHOR_RESTS:
	case SAGA__ANCHOR_COMPARES:
	case SAGA__ANCHOR_AT_FIRST_BEHIND:
	case SAGA__ANCHOR_GOES_BACK:
		break;
	}
}

/*
 * A frame behind the newest position and not above the floor was acked. Either an instance acked it
 * that knew more than the store does now; or the broker lost its end, its floor stands ahead, and
 * it skips the frames that came since.
 * Where the floor is above the end, it is asked again when the stream has grown beyond it.
 */
void saga__anchor_looked_behind(struct saga__anchor *anchor, uint64_t place, uint64_t found)
{
	if (anchor->phase != SAGA__ANCHOR_AT_FIRST_BEHIND || place != anchor->probe.place)
		return;
	if (found > place && found <= anchor->probe_floor) {
		go_back_to_settled(anchor, SAGA__ANCHOR_SET_BACK);
		return;
	}
	if (anchor->probe_floor <= anchor->last)
		anchor->bare = anchor->probe_floor;
	move_to(anchor, SAGA__ANCHOR_RESTS);
}

/* ---- what the store says ---- */

void saga__anchor_compared(struct saga__anchor *anchor, const struct saga__point *newest,
	const struct saga__point *settled)
{
	static const struct saga__point none = { .place = 0 };
	uint64_t least = anchor->newest.place;

	if (anchor->phase != SAGA__ANCHOR_COMPARES)
		return;
	anchor->newest = newest ? *newest : none;
	anchor->settled = settled && settled->place <= anchor->newest.place ? *settled : none;
	if (anchor->newest.place < least)
		go_back_to_settled(anchor, SAGA__ANCHOR_SET_BACK);
	else if (anchor->has_floor && anchor->floor > anchor->newest.place) {
		anchor->probe = anchor->newest;
		anchor->probe_floor = anchor->floor;
		move_to(anchor, SAGA__ANCHOR_AT_FIRST_BEHIND);
	} else
		move_to(anchor, SAGA__ANCHOR_RESTS);
}

void saga__anchor_committed(struct saga__anchor *anchor, uint64_t place, saga_id id)
{
	if (anchor->phase == SAGA__ANCHOR_IDLE || place <= anchor->newest.place)
		return;
	anchor->newest = (struct saga__point){ anchor->era, place, id };
	anchor->knew = false;
}

void saga__anchor_is_back(struct saga__anchor *anchor)
{
	if (anchor->phase != SAGA__ANCHOR_GOES_BACK)
		return;
	anchor->newest = anchor->settled = anchor->back;
	anchor->knew = anchor->has_floor = false;
	move_to(anchor, anchor->doubtful ? SAGA__ANCHOR_UNCHECKED : SAGA__ANCHOR_RESTS);
	anchor->doubtful = false;
}

bool saga__anchor_is_checked(const struct saga__anchor *anchor)
{
	return anchor->phase == SAGA__ANCHOR_RESTS || anchor->phase == SAGA__ANCHOR_AT_FLOOR;
}

/* ---- effects ---- */

static bool give(struct saga__anchor_effect *ret_effect, enum saga__anchor_kind kind,
	const struct saga__point *point)
{
	*ret_effect = (struct saga__anchor_effect){ .kind = kind, .point = *point };
	return true;
}

static bool ask(struct saga__anchor *anchor, struct saga__anchor_effect *ret_effect)
{
	switch (anchor->phase) {
	case SAGA__ANCHOR_AT_NEWEST:
		return give(ret_effect, SAGA__ANCHOR_LOOK, &anchor->probe);
	case SAGA__ANCHOR_AT_SETTLED:
		return give(ret_effect, SAGA__ANCHOR_LOOK, &anchor->settled);
	case SAGA__ANCHOR_AT_FLOOR:
		return give(ret_effect, SAGA__ANCHOR_LOOK, &anchor->next);
	case SAGA__ANCHOR_AT_FIRST_BEHIND:
		return give(ret_effect, SAGA__ANCHOR_LOOK_BEHIND, &anchor->probe);
	case SAGA__ANCHOR_COMPARES:
		return give(ret_effect, SAGA__ANCHOR_COMPARE, &anchor->newest);
	case SAGA__ANCHOR_GOES_BACK:
		(void)give(ret_effect, SAGA__ANCHOR_GO_BACK, &anchor->back);
		ret_effect->why = anchor->why;
		ret_effect->newest = anchor->was;
		return true;
	case SAGA__ANCHOR_IDLE:
	case SAGA__ANCHOR_UNCHECKED:
	case SAGA__ANCHOR_RESTS:
		break;
	}
	return false;
}

bool saga__anchor_next(struct saga__anchor *anchor, struct saga__anchor_effect *ret_effect)
{
	bool asks = anchor->asks;

	if (anchor->settles) {
		anchor->settles = false;
		return give(ret_effect, SAGA__ANCHOR_SETTLE, &anchor->settled);
	}
	anchor->asks = false;
	return asks && ask(anchor, ret_effect);
}
