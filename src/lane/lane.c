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
	lane->course.rests = true; /* until its first tick */
	lane->limit = options->limits.batch_events;
	lane->due = SAGA__NEVER;
	saga__items_init(&lane->queue);
	saga__items_init(&lane->later);
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
	uv_mutex_init(&lane->lock);
	uv_cond_init(&lane->filled);
	uv_cond_init(&lane->drained);
	return SAGA_OK;

free_batch:
	saga__batch_free(&lane->batch);
free_notifications:
	saga__notification_free(lane->ended);
	saga__notification_free(lane->fatal);
	free(lane->hand);
	return SAGA_NOMEM;
}

/* Who interrupts may do so as long as he holds the lock, so not while it is closed. */
static void show_connection(struct saga__lane *lane, void *connection)
{
	uv_mutex_lock(&lane->lock);
	lane->connection = connection;
	uv_mutex_unlock(&lane->lock);
}

static void disconnect(struct saga__lane *lane)
{
	show_connection(lane, NULL);
	saga__journal_close(&lane->journal);
}

void saga__lane_free(struct saga__lane *lane)
{
	struct saga__item *item;
	struct saga__lane_command *command;

	while ((item = saga__lane_leftover(lane)))
		saga__item_free(item);
	while ((command = lane->commands)) {
		lane->commands = command->next;
		free(command);
	}
	disconnect(lane);
	saga__batch_free(&lane->batch);
	saga__notification_free(lane->ended);
	saga__notification_free(lane->fatal);
	free(lane->hand);
	uv_cond_destroy(&lane->drained);
	uv_cond_destroy(&lane->filled);
	uv_mutex_destroy(&lane->lock);
}

/* ---- the queue ---- */

static bool is_full(const struct saga__lane *lane)
{
	return lane->queue.count + lane->later.count + lane->busy >= lane->options.queue;
}

int saga__lane_push(struct saga__lane *lane, struct saga__item *item, bool always, int wait_ms)
{
	int64_t until = saga__monotonic(lane->options.env) + wait_ms;
	int code = SAGA_OK;

	item->came = until - wait_ms;
	uv_mutex_lock(&lane->lock);
	while (!always && is_full(lane) && !lane->stopping) {
		int64_t left = until - saga__monotonic(lane->options.env);

		if (left <= 0)
			break;
		(void)uv_cond_timedwait(&lane->drained, &lane->lock, (uint64_t)left * 1000000);
	}
	if (lane->stopping && !(always && !lane->stopped))
		code = SAGA_STOPPED;
	else if (!always && is_full(lane))
		code = SAGA_BUSY;
	else
		saga__items_push(&lane->queue, item);
	uv_mutex_unlock(&lane->lock);
	uv_cond_signal(&lane->filled); /* who wakes finds the lock free */
	return code;
}

/* Under the lock. The place of the next; of one that counts alone, also that of the last. */
static struct saga__lane_command **place_of(
	struct saga__lane *lane, enum saga__lane_command_kind kind)
{
	struct saga__lane_command **at = &lane->commands;

	while (*at && (kind != SAGA__COMMAND_ASSIGN || (*at)->kind != kind))
		at = &(*at)->next;
	return at;
}

int saga__lane_give_command(struct saga__lane *lane, const struct saga__lane_command *command)
{
	struct saga__lane_command *copy = malloc(sizeof *copy), **place, *before;

	if (!copy)
		return SAGA_NOMEM;
	*copy = *command;
	uv_mutex_lock(&lane->lock);
	place = place_of(lane, command->kind);
	before = *place;
	copy->next = before ? before->next : NULL;
	*place = copy;
	uv_mutex_unlock(&lane->lock);
	uv_cond_signal(&lane->filled);
	free(before);
	return SAGA_OK;
}

void saga__lane_look(struct saga__lane *lane)
{
	uv_mutex_lock(&lane->lock);
	lane->looks_asked++;
	uv_mutex_unlock(&lane->lock);
	uv_cond_signal(&lane->filled);
}

size_t saga__lane_load(struct saga__lane *lane)
{
	size_t load;

	uv_mutex_lock(&lane->lock);
	load = lane->queue.count + lane->later.count + lane->busy + lane->behind;
	uv_mutex_unlock(&lane->lock);
	return load;
}

void saga__lane_stop(struct saga__lane *lane)
{
	uv_mutex_lock(&lane->lock);
	lane->stopping = true;
	uv_cond_broadcast(&lane->filled);
	uv_cond_broadcast(&lane->drained);
	uv_mutex_unlock(&lane->lock);
}

void saga__lane_interrupt(struct saga__lane *lane)
{
	uv_mutex_lock(&lane->lock);
	if (lane->stopping && lane->connection && lane->options.store_ops->interrupt)
		lane->options.store_ops->interrupt(lane->connection);
	uv_mutex_unlock(&lane->lock);
}

struct saga__item *saga__lane_leftover(struct saga__lane *lane)
{
	struct saga__item *item = saga__items_pop(&lane->queue);

	return item ? item : saga__items_pop(&lane->later);
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
		show_connection(lane, lane->journal.store);
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
		lane->unsettled = ++lane->rereads;
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
	uv_mutex_lock(&lane->lock);
	lane->stopped = true;
	uv_mutex_unlock(&lane->lock);
	tell_last(lane, &lane->ended);
}

static struct saga__lane_command *next_command(struct saga__lane *lane, bool *ret_stopping)
{
	struct saga__lane_command *command;

	uv_mutex_lock(&lane->lock);
	*ret_stopping = lane->stopping;
	if ((command = lane->commands))
		lane->commands = command->next;
	uv_mutex_unlock(&lane->lock);
	return command;
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
	bool stopping;

	if (lane->stopped)
		return -1;
	uv_mutex_lock(&lane->lock);
	stopping = lane->stopping;
	uv_mutex_unlock(&lane->lock);
	if (stopping) {
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
	if ((command = next_command(lane, &stopping))) {
		do_command(lane, command);
		return 0;
	}
	saga__lane_try_waits(lane, &wait);
	if (lane->unsettled) {
		saga__lane_change_shards(lane);
		return 0;
	}
	return lane->told ? work(lane) : saga__lane_idle_ms(lane);
}

/* It rests if it is up and waits for nothing but what may come. */
int64_t saga__lane_tick(struct saga__lane *lane)
{
	int64_t wait = tick(lane);

	saga__lane_note_rest(lane,
		lane->stopped ||
			(wait && lane->up &&
				saga__monotonic(lane->options.env) >= lane->not_before));
	return wait;
}

/* Under the lock. A failed lane waits its time out, whatever is pushed meanwhile. */
static bool has_work(const struct saga__lane *lane)
{
	if (!lane->up || saga__monotonic(lane->options.env) < lane->not_before)
		return false;
	if (saga__lane_awaits_call(lane))
		return lane->commands;
	return lane->commands || (lane->told && (lane->queue.first || saga__lane_is_to_look(lane)));
}

void saga__lane_thread(void *context)
{
	struct saga__lane *lane = context;

	while (!lane->stopped) {
		int64_t wait = saga__lane_tick(lane);

		if (!wait || lane->stopped)
			continue;
		uv_mutex_lock(&lane->lock);
		if (!lane->stopping && !has_work(lane)) {
			if (wait < 0)
				uv_cond_wait(&lane->filled, &lane->lock);
			else
				(void)uv_cond_timedwait(
					&lane->filled, &lane->lock, (uint64_t)wait * 1000000);
		}
		uv_mutex_unlock(&lane->lock);
	}
}
