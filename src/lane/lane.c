#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backoff.h"
#include "../event/peek.h"
#include "../mutation.h"
#include "inside.h"

enum {
	BACKOFF_FIRST_MS = 20,
	BACKOFF_MAX_MS = 5000,
};

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

static void disconnect(struct saga__lane *lane)
{
	saga__mailbox_show_connection(&lane->mailbox, NULL);
	saga__journal_close(&lane->journal);
}

void saga__lane_free(struct saga__lane *lane)
{
	disconnect(lane);
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

/* ---- telling ---- */

static void tell(struct saga__lane *lane, struct saga__notification *notification)
{
	lane->options.notify(lane->options.host, notification);
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

/* What is told once; its notification was made at open. */
static void tell_last(struct saga__lane *lane, struct saga__notification **notification)
{
	struct saga__notification *last = *notification;

	*notification = NULL;
	if (last)
		tell(lane, last);
}

static void tell_down(struct saga__lane *lane, const saga_error *error)
{
	struct saga__notification *notification =
		saga__notification_new(lane, SAGA__NOTIFY_DISCONNECTED);

	/* Out of memory for the news itself: it is told when this is tried again. */
	if (!notification)
		return;
	notification->as.error = *error;
	tell(lane, notification);
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

void saga__lane_failed(struct saga__lane *lane, const saga_error *error, bool reconnect)
{
	int64_t wait = saga__backoff_after(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, ++lane->failures);
	uint32_t random;

	/* All lanes of all instances have lost the same store at the same moment. */
	saga__random(lane->options.env, &random, sizeof random);
	wait = saga__backoff_jitter(wait / 2, wait, random);
	lane->not_before = saga__monotonic(lane->options.env) + wait;
	saga__lane_note_error(lane, error);
	if (!reconnect)
		return;
	disconnect(lane);
	if (lane->up || lane->failures == 1)
		saga__lane_log(lane, SAGA_WARNING, "store.away", error->text);
	lane->up = false;
	tell_down(lane, error);
}

/* ---- connecting ---- */

/* What trying again won't mend. */
static bool is_fatal(int code)
{
	return code == SAGA_TWINS || code == SAGA_UNSUPPORTED || code == SAGA_MALFORMED ||
		code == SAGA_REFUSED;
}

void saga__lane_give_up(struct saga__lane *lane, const saga_error *error)
{
	disconnect(lane);
	lane->up = false;
	lane->failures++;
	lane->not_before = INT64_MAX;
	if (lane->fatal)
		lane->fatal->as.error = *error;
	tell_last(lane, &lane->fatal);
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
	lane->up = true;
	lane->failures = 0;
	connected = &notification->as.connected;
	connected->lowered = lane->journal.lowered;
	connected->reads_wait = lane->journal.reads_wait;
	connected->unsound = lane->journal.unsound;
	memcpy(connected->encoding, lane->journal.encoding, sizeof connected->encoding);
	tell(lane, notification);
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

static void end_lane(struct saga__lane *lane)
{
	if (lane->up)
		saga__lane_leave(lane);
	disconnect(lane);
	saga__mailbox_close(&lane->mailbox);
	lane->stopped = true;
	tell_last(lane, &lane->ended);
}

static int64_t work(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env);

	/* A lane that is never idle forgets too, if later. */
	saga__lane_forget(lane, now, true);
	if (!lane->up || saga__lane_batch(lane))
		return 0;
	saga__lane_forget(lane, now, false);
	return lane->up ? saga__lane_idle_ms(lane) : 0;
}

static int64_t tick(struct saga__lane *lane)
{
	int64_t now = saga__monotonic(lane->options.env), wait;
	struct saga__lane_command *command;

	if (lane->stopped)
		return -1;
	if (saga__mailbox_is_stopping(&lane->mailbox)) {
		end_lane(lane);
		return -1;
	}
	if (now < lane->not_before || !lane->up)
		saga__lane_answer_waiting(lane);
	if (now < lane->not_before)
		return lane->not_before == INT64_MAX ? -1 : lane->not_before - now;
	if (!lane->up) {
		connect_store(lane);
		return 0;
	}
	if (saga__lane_is_to_renew(lane)) {
		saga__lane_renew(lane);
		return 0;
	}
	if ((command = saga__mailbox_next_command(&lane->mailbox))) {
		do_command(lane, command);
		return 0;
	}
	saga__lane_try_waits(lane, &wait);
	if (lane->assigned.is_pending) {
		saga__lane_change_shards(lane);
		return 0;
	}
	return lane->assigned.is_known ? work(lane) : saga__lane_idle_ms(lane);
}

/* It rests if it is up and waits for nothing but what may come. */
int64_t saga__lane_tick(struct saga__lane *lane)
{
	int64_t wait = tick(lane);

	saga__course_rests(&lane->course,
		lane->stopped ||
			(wait && lane->up &&
				saga__monotonic(lane->options.env) >= lane->not_before));
	return wait;
}

/* A failed lane waits its time out, whatever is pushed meanwhile. */
static struct saga__wakers wakers_of(const struct saga__lane *lane)
{
	struct saga__wakers wakers = { .commands = false };

	if (!lane->up || saga__monotonic(lane->options.env) < lane->not_before)
		return wakers;
	wakers.commands = true;
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

	while (!lane->stopped) {
		int64_t wait = saga__lane_tick(lane);
		struct saga__wakers wakers;

		if (!wait || lane->stopped)
			continue;
		wakers = wakers_of(lane);
		saga__mailbox_wait(&lane->mailbox, &wakers, wait);
	}
}
