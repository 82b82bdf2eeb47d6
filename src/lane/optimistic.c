/*
 * The optimistic batch. Where events come one at a time, an event mostly begins its slots, and its
 * stream stands where this lane left it. When a step has done so for a while, its batches read
 * neither: they add the slot's row, whose key fails if it was there, and put a condition on the
 * stream's row. That saves a round trip. If either was otherwise, the batch is rolled back and
 * replayed with reads; so a handler may run that should not, but nothing of it stays.
 */

#include "../step/work.h"
#include "inside.h"

enum {
	SURPRISED_EVENTS = 64,
	FIRST_EVENTS = 8 /* of a step that is new here */
};

void saga__lane_expect_nothing(struct saga__lane *lane)
{
	for (size_t i = 0; i < SAGA__DOUBTED; i++)
		lane->surprises[i] = FIRST_EVENTS;
}

/* By the first step of the event. */
static unsigned short *surprises_of(struct saga__lane *lane)
{
	const struct saga__work *work = lane->batch.works;
	size_t step = (size_t)(work->step - lane->options.plan->steps);

	return &lane->surprises[step % SAGA__DOUBTED];
}

/*
 * A step that begins needs its schedules beside its slot: any change of a schedule that is not
 * there adds its row, too.
 */
static bool begins(const struct saga__work *work)
{
	return !work->silent && !work->parked && work->role == SAGA__ROLE_RUN && work->slot &&
		work->step->join != SAGA_ALL;
}

static bool all_begin(const struct saga__batch *batch)
{
	const struct saga__work *work = batch->works;

	while (work && begins(work))
		work = work->next;
	return batch->works && !work;
}

static bool is_as_left(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	const struct saga__item *item = attempt->hand[0];
	const struct saga__lane_shard *shard = saga__lane_held(lane, item->shard);

	return shard && !item->unsure && !shard->catching_up;
}

bool saga__attempt_is_to_expect(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	const struct saga__batch *batch = &lane->batch;
	unsigned short *surprises;

	attempt->may_begin = attempt->mode == SAGA__ATTEMPT_NORMAL && attempt->hand_count == 1 &&
		!batch->replays && !batch->instead && saga__journal_expects(&lane->journal) &&
		all_begin(batch) && is_as_left(attempt);
	if (!attempt->may_begin)
		return false;
	surprises = surprises_of(lane);
	return !*surprises || !(*surprises)--;
}

int saga__attempt_expect(struct saga__attempt *attempt, saga_error *error)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;
	struct saga__shard *shard = &attempt->chosen[0];
	const struct saga__lane_shard *left = saga__lane_held(lane, shard->shard);

	shard->seq = shard->stored_seq = left->sent;
	shard->last = left->sent_id;
	shard->stored_own = left->stored;
	for (struct saga__slot *slot = batch->slots; slot; slot = slot->next)
		slot->loaded = true;
	batch->optimistic = true;
	return saga__journal_expect(&lane->journal, shard, error);
}

void saga__attempt_check_expected(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	struct saga__batch *batch = &lane->batch;

	for (const struct saga__work *work = batch->works; work; work = work->next)
		if (attempt->mode == SAGA__ATTEMPT_OPTIMISTIC && work->slot->state == SAGA__ABSENT)
			saga__batch_lose(
				batch, SAGA_REJECTED, "a slot was not read, and did not begin");
		else if (attempt->may_begin && work->slot->stored)
			*surprises_of(lane) = SURPRISED_EVENTS;
}

void saga__attempt_is_surprised(struct saga__attempt *attempt)
{
	struct saga__lane *lane = attempt->lane;
	if (attempt->mode == SAGA__ATTEMPT_OPTIMISTIC)
		*surprises_of(lane) = SURPRISED_EVENTS;
}
