#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/peek.h"
#include "../mutation.h"
#include "inside.h"

int saga__lane_init(struct saga__lane *lane, const struct saga__lane_options *options)
{
	memset(lane, 0, sizeof *lane);
	lane->options = *options;
	lane->options.journal.set_aside = saga__lane_row_was_set_aside;
	lane->options.journal.user = lane;
	lane->limit = options->limits.batch_events;
	lane->due = SAGA__NEVER;
	lane->hand = calloc(options->limits.batch_events, sizeof(struct saga__item *));
	lane->fatal = saga__notification_new(lane, SAGA__NOTIFY_FATAL);
	lane->ended = saga__notification_new(lane, SAGA__NOTIFY_ENDED);
	if (!lane->hand || !lane->fatal || !lane->ended)
		goto free_notifications;
	if (saga__batch_init(&lane->batch, &options->limits) != SAGA_OK)
		goto free_batch;
	for (size_t i = 0; i < options->plan->type_count; i++)
		if (options->plan->types[i].route_count && !options->plan->types[i].type->request)
			lane->consumes_own = true;
	saga__lane_expect_nothing(lane);
	lane->batch.plan = options->plan;
	lane->batch.env = options->env;
	lane->batch.store_ops = options->store_ops;
	lane->batch.user = options->user;
	lane->batch.log = options->log;
	lane->batch.log_user = options->log_user;
	lane->batch.rows_most = options->rows;
	lane->batch.history_ms = options->history_ms;
	saga__mailbox_init(&lane->mailbox, options->env, options->queue);
	saga__course_init(&lane->course, options->env);
	return SAGA_OK;

free_batch:
	saga__batch_free(&lane->batch);
free_notifications:
	saga__notification_free(lane->ended);
	saga__notification_free(lane->fatal);
	free(lane->hand);
	return SAGA_NOMEM;
}

void saga__lane_free(struct saga__lane *lane)
{
	saga__lane_disconnect(lane);
	saga__mailbox_free(&lane->mailbox);
	saga__course_free(&lane->course);
	saga__batch_free(&lane->batch);
	saga__notification_free(lane->ended);
	saga__notification_free(lane->fatal);
	free(lane->hand);
}

/* ---- any thread ---- */

int saga__lane_push(struct saga__lane *lane, struct saga__item *item, bool always, int wait_ms)
{
	return saga__mailbox_push(&lane->mailbox, item, always, wait_ms);
}

int saga__lane_give_command(struct saga__lane *lane, const struct saga__lane_command *command)
{
	return saga__mailbox_give_command(&lane->mailbox, command);
}

void saga__lane_look(struct saga__lane *lane)
{
	saga__mailbox_look(&lane->mailbox);
}

size_t saga__lane_load(struct saga__lane *lane)
{
	return saga__mailbox_load(&lane->mailbox);
}

void saga__lane_stop(struct saga__lane *lane)
{
	saga__mailbox_stop(&lane->mailbox);
}

void saga__lane_interrupt(struct saga__lane *lane)
{
	saga__mailbox_interrupt(&lane->mailbox, lane->options.store_ops->interrupt);
}

struct saga__item *saga__lane_leftover(struct saga__lane *lane)
{
	return saga__mailbox_leftover(&lane->mailbox);
}

void saga__lane_health(struct saga__lane *lane, struct saga__lane_health *ret_health)
{
	int64_t oldest = saga__mailbox_oldest(&lane->mailbox);

	saga__course_health(&lane->course, ret_health);
	ret_health->oldest = oldest ? saga__monotonic(lane->options.env) - oldest : 0;
}

/* ---- connecting ---- */

/* What trying again won't mend. */
static bool is_fatal(int code)
{
	return code == SAGA_TWINS || code == SAGA_UNSUPPORTED || code == SAGA_MALFORMED ||
		code == SAGA_REFUSED;
}

/* Positions and numbers of the one mean nothing in the other. */
static bool was_replaced(const struct saga__lane *lane)
{
	return lane->batch_ready && !saga__id_same(lane->uuid, lane->journal.uuid);
}

static int open_store(
	struct saga__lane *lane, struct saga__notification *notification, saga_error *error)
{
	int code = notification ? saga__journal_open(&lane->journal, lane->options.store_ops,
					  &lane->options.journal, error)
				: saga_error_set(error, SAGA_NOMEM, "out of memory");

	if (code == SAGA_OK) {
		saga__mailbox_show_connection(&lane->mailbox, lane->journal.store);
		saga__lane_tell_clock(lane, !lane->batch_ready);
	}
	if (code == SAGA_OK && was_replaced(lane))
		code = saga_error_set(
			error, SAGA_TWINS, "the store is not the one that it was before");
	/* The last process may have written rows of waiting streams: they are found again. */
	if (code == SAGA_OK && !lane->batch_ready && !lane->options.number)
		code = saga__journal_unhalt(&lane->journal, NULL, error);
	if (code == SAGA_OK && !lane->batch_ready && !lane->options.number)
		code = saga__lane_tell_gone(lane, error);
	return code == SAGA_OK
		? saga__lane_settle(lane, true, &notification->as.connected.assigned, error)
		: code;
}

static void connect_store(struct saga__lane *lane)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_CONNECTED);
	struct saga__connected *connected;
	saga_error error;
	int code = open_store(lane, notification, &error);

	if (code != SAGA_OK) {
		bool lasts = !lane->batch_ready || (lane->journal.store && was_replaced(lane));

		saga__notification_free(notification);
		if (lane->options.number == 0 && !lane->failures && code == SAGA_CONTENDED &&
			strncmp(error.text, SAGA__DECLARATION_WAITS,
				strlen(SAGA__DECLARATION_WAITS)) == 0)
			saga__lane_log(lane, SAGA_ALARM, "declaration.differs", error.text);
		if (is_fatal(code) && lasts)
			saga__lane_give_up(lane, &error);
		else
			saga__lane_failed(lane, &error, true);
		return;
	}
	lane->uuid = lane->journal.uuid;
	lane->batch.shards = lane->journal.shards;
	lane->batch_ready = true;
	lane->failures = 0;
	saga__lane_become(lane, SAGA__LANE_CONNECTED);
	connected = &notification->as.connected;
	connected->lowered = lane->journal.lowered;
	connected->reads_wait = lane->journal.reads_wait;
	connected->unsound = lane->journal.unsound;
	memcpy(connected->encoding, lane->journal.encoding, sizeof connected->encoding);
	lane->options.notify(lane->options.host, notification);
}

/* ---- commands ---- */

static void do_command(struct saga__lane *lane, struct saga__lane_command *command)
{
	bool done = true;

	switch (command->kind) {
	case SAGA__COMMAND_ASSIGN:
		saga__lane_assign(lane, &command->as.assign);
		break;
	case SAGA__COMMAND_REREAD:
		lane->assigned.is_pending = ++lane->assigned.rereads;
		break;
	case SAGA__COMMAND_RELEASE:
		saga__lane_release(lane, command->as.shards);
		break;
	case SAGA__COMMAND_REPUBLISH:
		saga__lane_republish(lane);
		break;
	case SAGA__COMMAND_POSITIONS:
		done = saga__lane_read_positions(lane, command);
		break;
	case SAGA__COMMAND_READ:
		done = saga__lane_read_outbox(lane, command);
		break;
	case SAGA__COMMAND_TRIM:
		done = saga__lane_trim_outbox(lane, command);
		break;
	case SAGA__COMMAND_STOP:
	case SAGA__COMMAND_RESUME:
		done = saga__lane_do_halt(lane, command);
		break;
	}
	if (done)
		free(command);
}

/* ---- ticking ---- */

static void leave(struct saga__lane *lane)
{
	if (lane->journal.store)
		saga__lane_leave(lane);
	saga__lane_disconnect(lane);
	saga__mailbox_close(&lane->mailbox);
	saga__lane_become(lane, SAGA__LANE_STOPPED);
	saga__lane_tell_last(lane, &lane->ended);
}

static int64_t work(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	/* A lane that is never idle forgets too, if later. */
	saga__lane_forget(lane, now, true);
	if (!saga__lane_is_connected(lane) || saga__lane_batch(lane))
		return 0;
	saga__lane_forget(lane, now, false);
	return saga__lane_is_connected(lane) ? saga__lane_idle_ms(lane) : 0;
}

/* Time, the loop and the last batch have their say. */
static void follow_events(struct saga__lane *lane, int64_t now)
{
	if (lane->state != SAGA__LANE_STOPPED && saga__mailbox_is_stopping(&lane->mailbox))
		saga__lane_become(lane, SAGA__LANE_LEAVING);
	if (lane->state == SAGA__LANE_BACKING_OFF && now >= lane->not_before)
		saga__lane_become(
			lane, lane->journal.store ? SAGA__LANE_CONNECTED : SAGA__LANE_DISCONNECTED);
	if (saga__lane_serves(lane))
		saga__lane_become(lane,
			lane->assigned.is_pending         ? SAGA__LANE_ASSIGNING
				: lane->assigned.is_known ? SAGA__LANE_WORKING
							  : SAGA__LANE_CONNECTED);
}

/* Leases and commands go before all else. */
static bool has_served(struct saga__lane *lane)
{
	struct saga__lane_command *command;

	if (saga__lane_is_to_renew(lane)) {
		saga__lane_renew(lane);
		return true;
	}
	if (!(command = saga__mailbox_next_command(&lane->mailbox)))
		return false;
	do_command(lane, command);
	return true;
}

static int64_t serve(struct saga__lane *lane, int64_t now)
{
	int64_t left;

	if (has_served(lane))
		return 0;
	saga__lane_try_waits(lane, &left);
	follow_events(lane, now);
	if (lane->state == SAGA__LANE_ASSIGNING) {
		saga__lane_change_shards(lane);
		return 0;
	}
	return lane->state == SAGA__LANE_WORKING ? work(lane) : saga__lane_idle_ms(lane);
}

static int64_t tick(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	follow_events(lane, now);
	switch (lane->state) {
	case SAGA__LANE_DISCONNECTED:
		saga__lane_answer_waiting(lane);
		connect_store(lane);
		return 0;
	case SAGA__LANE_BACKING_OFF:
		saga__lane_answer_waiting(lane);
		return lane->not_before == INT64_MAX ? -1 : lane->not_before - now;
	case SAGA__LANE_CONNECTED:
	case SAGA__LANE_ASSIGNING:
	case SAGA__LANE_WORKING:
		return serve(lane, now);
	case SAGA__LANE_LEAVING:
		leave(lane);
		return -1;
	case SAGA__LANE_STOPPED:
		break;
	}
	return -1;
}

/* It rests if it serves, and waits for nothing but what may come. */
int64_t saga__lane_tick(struct saga__lane *lane)
{
	int64_t wait = tick(lane);

	saga__course_rests(&lane->course,
		lane->state == SAGA__LANE_STOPPED || (wait && saga__lane_serves(lane)));
	return wait;
}

/* A failed lane waits its time out, whatever is pushed meanwhile. */
static struct saga__wakers wakers_of(const struct saga__lane *lane)
{
	struct saga__wakers wakers = { .commands = saga__lane_serves(lane) };

	if (!wakers.commands)
		return wakers;
	if (saga__lane_awaits_call(lane)) {
		wakers.answer = lane->probe.call;
		return wakers;
	}
	wakers.items = lane->assigned.is_known;
	wakers.looks = lane->assigned.is_known && lane->owned.count ? &lane->looks : NULL;
	return wakers;
}

void saga__lane_thread(void *context)
{
	struct saga__lane *lane = context;

	while (lane->state != SAGA__LANE_STOPPED) {
		int64_t wait = saga__lane_tick(lane);
		struct saga__wakers wakers;

		if (!wait || lane->state == SAGA__LANE_STOPPED)
			continue;
		wakers = wakers_of(lane);
		saga__mailbox_wait(&lane->mailbox, &wakers, wait);
	}
}
