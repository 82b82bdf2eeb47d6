/* The state that a lane is in, its log, and what follows a failure. */

#include <assert.h>

#include "../backoff.h"
#include "inside.h"

enum {
	BACKOFF_FIRST_MS = 20,
	BACKOFF_MAX_MS = 5000,
};

#define TO(state) (1u << SAGA__LANE_##state)

/* From a state, the states that may follow. */
static const unsigned moves[] = {
	[SAGA__LANE_DISCONNECTED] = TO(BACKING_OFF) | TO(CONNECTED) | TO(LEAVING),
	[SAGA__LANE_BACKING_OFF] = TO(BACKING_OFF) | TO(DISCONNECTED) | TO(CONNECTED) | TO(LEAVING),
	[SAGA__LANE_CONNECTED] = TO(BACKING_OFF) | TO(ASSIGNING) | TO(WORKING) | TO(LEAVING),
	[SAGA__LANE_ASSIGNING] = TO(BACKING_OFF) | TO(CONNECTED) | TO(WORKING) | TO(LEAVING),
	[SAGA__LANE_WORKING] = TO(BACKING_OFF) | TO(ASSIGNING) | TO(LEAVING),
	[SAGA__LANE_LEAVING] = TO(STOPPED),
	[SAGA__LANE_STOPPED] = 0,
};

void saga__lane_become(struct saga__lane *lane, enum saga__lane_state state)
{
	enum saga__lane_state before = lane->state;

	if (state == before)
		return;
	assert(moves[before] & 1u << state);
	(void)moves; /* a release build asserts nothing */
	lane->state = state;
	assert(!saga__lane_serves(lane) || lane->journal.store);
}

void saga__lane_log(struct saga__lane *lane, int level, const char *what, const char *text)
{
	saga_log log = { .level = level,
		.participant = lane->options.plan->name,
		.what = what,
		.text = text,
		.time = saga__wall(lane->options.env) };

	if (lane->options.log)
		lane->options.log(lane->options.log_user, &log);
}

void saga__lane_tell_last(struct saga__lane *lane, struct saga__notification **notification)
{
	struct saga__notification *last = *notification;

	*notification = NULL;
	if (last)
		lane->options.notify(lane->options.host, last);
}

static void tell_down(struct saga__lane *lane, const saga_error *error)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_DISCONNECTED);

	/* Out of memory for the news itself: it is told when this is tried again. */
	if (!notification)
		return;
	notification->as.error = *error;
	lane->options.notify(lane->options.host, notification);
}

/* ---- failing ---- */

void saga__lane_row_was_set_aside(void *user, const char *text)
{
	struct saga__lane *lane = user;

	saga__course_set_aside(&lane->course);
	saga__lane_log(lane, SAGA_ALARM, "row.set_aside", text);
}

void saga__lane_log_refusal(struct saga__lane *lane, const saga_error *error)
{
	if (error->code == SAGA_REFUSED && !lane->refusal_said)
		saga__lane_log(lane, SAGA_ALARM, "store.refuses", error->text);
	lane->refusal_said = lane->refusal_said || error->code == SAGA_REFUSED;
}

/* Damage, which only an operator can mend, is said once. */
void saga__lane_note_error(struct saga__lane *lane, const saga_error *error)
{
	if (saga__course_failed(&lane->course, error))
		saga__lane_log(lane, SAGA_ALARM, "store.damaged", error->text);
}

void saga__lane_disconnect(struct saga__lane *lane)
{
	saga__mailbox_show_connection(&lane->mailbox, NULL);
	saga__journal_close(&lane->journal);
}

void saga__lane_failed(struct saga__lane *lane, const saga_error *error, bool reconnect)
{
	int64_t wait = saga__backoff_after(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ++lane->failures);
	bool was_connected = saga__lane_is_connected(lane);
	saga_error no_memory;
	uint32_t random;

	/* Only a lack of memory says nothing of itself. */
	if (error->code == SAGA_OK) {
		(void)saga_error_set(&no_memory, SAGA_NOMEM, "out of memory");
		error = &no_memory;
	}

	/* All lanes of all instances have lost the same store at the same moment. */
	saga__random(lane->options.env, &random, sizeof random);
	wait = saga__backoff_jitter(wait / 2, wait, random);
	lane->not_before = saga__monotonic(lane->options.env) + wait;
	saga__lane_become(lane, SAGA__LANE_BACKING_OFF);
	saga__lane_note_error(lane, error);
	if (!reconnect)
		return;
	saga__lane_disconnect(lane);
	if (was_connected || lane->failures == 1)
		saga__lane_log(lane, SAGA_WARNING, "store.away", error->text);
	tell_down(lane, error);
}

void saga__lane_give_up(struct saga__lane *lane, const saga_error *error)
{
	saga__lane_disconnect(lane);
	lane->failures++;
	lane->not_before = INT64_MAX;
	saga__lane_become(lane, SAGA__LANE_BACKING_OFF);
	if (lane->fatal)
		lane->fatal->as.error = *error;
	saga__lane_tell_last(lane, &lane->fatal);
}
